//! The rows that a teacher is fitted on.

use limbeck_data::{Features, Folds};

/// The rows that a teacher is fitted on: their features, targets, weights and folds.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// The features.
    pub features: &'a Features,
    /// The targets, in the unit that the teacher learns: the target's own unit, or its logarithm with a log target.
    pub target: &'a [f64],
    /// The weight of each row.
    pub weight: &'a [f64],
    /// The fold of each row; there are no folds if a teacher is fitted on all rows at once.
    pub folds: Folds,
    /// Number of rows before each row that recurrent networks read, if the features have a [past](limbeck_data::Past).
    pub rows_before: usize,
}

impl Sample<'_> {
    /// The rows on which the teacher of `fold` is fitted. None of them is in `fold`.
    #[must_use]
    pub fn training_rows(&self, fold: u32) -> Vec<usize> {
        self.folds.training_rows(fold)
    }

    /// The rows of `fold`. The teacher of this fold was not fitted on them, and predicts them.
    #[must_use]
    pub fn held_rows(&self, fold: u32) -> Vec<usize> {
        self.folds.held_rows(fold)
    }

    /// The targets of the given rows.
    #[must_use]
    pub fn target_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.target[row]).collect()
    }

    /// The weights of the given rows.
    #[must_use]
    pub fn weight_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.weight[row]).collect()
    }
}
