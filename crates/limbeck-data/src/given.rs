//! Predictions of a teacher that came with the table.

/// Predictions of a teacher that came with the table; each list has one entry per row of the data set.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenTeacher {
    /// Its predictions, in the target's unit.
    pub prediction: Vec<f64>,
    /// Its standard deviations, in the target's unit.
    pub spread: Option<Vec<f64>>,
    /// Its folds; [`NO_FOLD`](crate::folds::NO_FOLD) where it was fitted on the row or no fold is known.
    pub fold: Option<Vec<u32>>,
}
