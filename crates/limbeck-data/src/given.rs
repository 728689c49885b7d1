//! Teacher predictions that are given as columns of the table.

/// Teacher predictions that are given as columns of the table. Each list has one entry per row of the data set.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenTeacher {
    /// Predictions of the teacher, in the target's unit.
    pub prediction: Vec<f64>,
    /// Standard deviations of the predictions, in the target's unit; `None` if the table has none.
    pub std: Option<Vec<f64>>,
    /// Fold of each row; the teacher that predicted the row was not fitted on this fold. [`NO_FOLD`](crate::folds::NO_FOLD) if the teacher was fitted
    /// on the row or the fold is unknown. `None` if the table has no folds.
    pub fold: Option<Vec<u32>>,
}
