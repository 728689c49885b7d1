//! The rows that a teacher is fitted on.

use limbeck_data::{Features, Folds};

/// Features, targets, weights and folds of the same rows.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Inputs.
    pub features: &'a Features,
    /// Targets, in the unit that teachers learn (logarithms with a log target).
    pub target: &'a [f64],
    /// Row weights.
    pub weight: &'a [f64],
    /// Folds of the rows; no folds if all rows are learned from at once.
    pub folds: Folds,
}

impl Sample<'_> {
    /// Rows on which the teacher of `fold` is fitted.
    #[must_use]
    pub fn training_rows(&self, fold: u32) -> Vec<usize> {
        self.folds.training_rows(fold)
    }

    /// Rows that the teacher of `fold` predicts.
    #[must_use]
    pub fn held_rows(&self, fold: u32) -> Vec<usize> {
        self.folds.held_rows(fold)
    }

    /// Targets of the given rows.
    #[must_use]
    pub fn target_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.target[row]).collect()
    }

    /// Weights of the given rows.
    #[must_use]
    pub fn weight_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.weight[row]).collect()
    }
}
