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
    /// Number of rows that the targets lie ahead, in forecasts; 0 if they belong to their own rows.
    pub horizon: usize,
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

    /// The folds whose errors decide the weights of learners, the penalty of a linear model, and when the training of networks stops.
    ///
    /// In forecasts, these are all folds, even if they are stretches of time. A stretch shows one state of a series that drifts. If only the last one
    /// decided, as it does without a horizon ([`Folds::judges`]), learners that fit this state by chance would get all the weight. Each stretch is
    /// predicted by models that have not seen it, so that all of them together show which learners fail in a state that is new to them.
    #[must_use]
    pub fn judges(&self) -> Vec<u32> {
        match self.horizon {
            0 => self.folds.judges(),
            _ => (0..self.folds.count() as u32).collect(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stretches_of_forecasts_judge() {
        let features = Features {
            columns: Vec::new(),
            rows: 30,
            past: None,
        };
        let numbers = [1.0; 30];
        let judges = |horizon, folds| {
            let sample = Sample {
                features: &features,
                target: &numbers,
                weight: &numbers,
                folds,
                rows_before: 0,
                horizon,
            };
            sample.judges()
        };
        let stretches = Folds::stretches(&(0..30).collect::<Vec<u32>>(), 3, 0);
        assert_eq!(judges(0, stretches.clone()), [2]);
        assert_eq!(judges(4, stretches), [0, 1, 2]);
        assert_eq!(judges(0, Folds::random(30, 3, 0)), [0, 1, 2]);
    }
}
