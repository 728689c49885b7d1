//! The rows that a teacher is fitted on.

use limbeck_data::folds::training_rows;
use limbeck_data::{Features, FoldKind};

/// Features, targets, weights and folds of the same rows.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Inputs.
    pub features: &'a Features,
    /// Targets, in the unit that teachers learn (logarithms with a log target).
    pub target: &'a [f64],
    /// Row weights.
    pub weight: &'a [f64],
    /// Fold of each row, [`limbeck_data::folds::NO_FOLD`] for rows that no fold teacher predicts.
    pub folds: Vec<u32>,
    /// Whose rows a fold's teacher learns from.
    pub fold_kind: FoldKind,
}

impl Sample<'_> {
    /// Rows that the teacher of `fold` learns from.
    #[must_use]
    pub fn training_rows(&self, fold: u32) -> Vec<usize> {
        training_rows(&self.folds, fold, self.fold_kind)
    }

    /// Rows that the teacher of `fold` predicts.
    #[must_use]
    pub fn held_rows(&self, fold: u32) -> Vec<usize> {
        (0..self.folds.len()).filter(|&row| self.folds[row] == fold).collect()
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
