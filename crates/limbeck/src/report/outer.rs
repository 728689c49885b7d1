//! Results of the whole run repeated on other splits.

use limbeck_distill::proof::{Difference, VerdictKind, repeated};
use serde::{Deserialize, Serialize};

use super::shipped::ShippedKind;

/// Errors of one outer fold, a repetition of the whole run on another split. They are on its test rows, in the target's unit (RMSE, or pinball loss).
/// The errors of students are means over seeds, except the error of the shipped student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Number of training and validation rows.
    pub learned: usize,
    /// Number of test rows.
    pub tested: usize,
    /// The teacher's error.
    pub teacher: f64,
    /// The error of the baseline, the student trained without the teacher.
    #[serde(alias = "alone")]
    pub baseline: f64,
    /// The error of the distilled student.
    pub distilled: f64,
    /// The error of the student that would be shipped.
    pub shipped: f64,
    /// Which student would be shipped.
    pub ships: ShippedKind,
    /// True if the distilled student learned anything from the teacher. It did not if the search chose to train on targets alone.
    pub taught: bool,
}

/// Results of all outer folds together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outer {
    /// Errors of each outer fold.
    pub folds: Vec<Fold>,
    /// Verdict on the distilled student against the baseline, over folds.
    pub kind: VerdictKind,
    /// Error of the baseline minus the error of the distilled student: mean over folds and interval ([`repeated`]).
    pub error_saved: Difference,
    /// Error of the baseline minus the error of the teacher: mean over folds and interval.
    pub teacher_lead: Difference,
}

impl Outer {
    pub(crate) fn new(folds: Vec<Fold>) -> Self {
        let ratio = folds
            .iter()
            .map(|fold| fold.tested as f64 / fold.learned as f64)
            .sum::<f64>()
            / folds.len() as f64;
        let over = |of: &dyn Fn(&Fold) -> f64| {
            repeated(&folds.iter().map(of).collect::<Vec<f64>>(), ratio)
        };
        let error_saved = over(&|fold| fold.baseline - fold.distilled);
        let teacher_lead = over(&|fold| fold.baseline - fold.teacher);
        let kind = match folds.iter().any(|fold| fold.taught) {
            true if error_saved.is_above() => VerdictKind::Helps,
            true if error_saved.is_below() => VerdictKind::Hurts,
            _ => VerdictKind::NoGain,
        };
        Self {
            folds,
            kind,
            error_saved,
            teacher_lead,
        }
    }

    /// The mean over folds of the value that `of` takes from each fold.
    #[must_use]
    pub fn mean(&self, of: impl Fn(&Fold) -> f64) -> f64 {
        self.folds.iter().map(of).sum::<f64>() / self.folds.len() as f64
    }

    /// The number of folds in which the distilled student was better than the baseline.
    #[must_use]
    pub fn wins(&self) -> usize {
        self.folds
            .iter()
            .filter(|fold| fold.distilled < fold.baseline)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(baseline: f64, distilled: f64, taught: bool) -> Fold {
        Fold {
            learned: 80,
            tested: 20,
            teacher: 1.0,
            baseline,
            distilled,
            shipped: distilled,
            ships: ShippedKind::Distilled,
            taught,
        }
    }

    #[test]
    fn interval_over_folds_is_wider_by_the_rows_they_share() {
        // Saved: 0.1, 0.2, 0.3; S² = 0.01, (1/3 + 1/4) S² = 0.0764², t of two degrees 4.3027.
        let outer = Outer::new(vec![
            fold(2.0, 1.9, true),
            fold(2.0, 1.8, true),
            fold(2.0, 1.7, true),
        ]);
        let half = 4.302_653 * (0.01_f64 * (1.0 / 3.0 + 0.25)).sqrt();
        assert!((outer.error_saved.value - 0.2).abs() < 1e-12);
        assert!((outer.error_saved.low.unwrap() - (0.2 - half)).abs() < 1e-6);
        assert_eq!((outer.kind, outer.wins()), (VerdictKind::NoGain, 3));
        assert!((outer.mean(|fold| fold.shipped) - 1.8).abs() < 1e-12);
        let sure = vec![
            fold(2.0, 1.50, true),
            fold(2.0, 1.51, true),
            fold(2.0, 1.49, true),
        ];
        assert_eq!(Outer::new(sure.clone()).kind, VerdictKind::Helps);
        let untaught = sure
            .into_iter()
            .map(|fold| Fold {
                taught: false,
                ..fold
            })
            .collect();
        assert_eq!(Outer::new(untaught).kind, VerdictKind::NoGain);
    }
}
