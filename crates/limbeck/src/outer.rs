//! The whole procedure again on other splits: the rows split anew, another teacher, another search, other students.
//!
//! The interval of a run covers the test rows and training seeds of its one split. Whether distillation would help on another split, with
//! the teacher that this one gives, only repetition shows. Nothing that is found here reaches the student that is shipped.

use limbeck_data::Dataset;
use limbeck_distill::proof::{Difference, VerdictKind, repeated};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::labels;
use crate::pipeline::{Event, Observer, OnlyProgress, Students};
use crate::recipe::Recipe;
use crate::report::ShippedKind;
use crate::rounds;
use crate::splits;
use crate::timing::Clock;

/// Errors of one repetition on its test rows, in the target's unit (RMSE, or pinball loss); those of students are means over seeds, except
/// the shipped one's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Rows that were learned from or validated on.
    pub learned: usize,
    /// Rows that were tested on.
    pub tested: usize,
    /// The teacher's error.
    pub teacher: f64,
    /// The lone student's.
    pub alone: f64,
    /// The distilled student's.
    pub distilled: f64,
    /// That of the student that would be shipped.
    pub shipped: f64,
    /// Which one that is.
    pub ships: ShippedKind,
    /// True where the distilled student took something from the teacher.
    pub taught: bool,
}

/// What all repetitions say together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outer {
    /// One by fold.
    pub folds: Vec<Fold>,
    /// Distilled against alone, over folds.
    pub kind: VerdictKind,
    /// Error of the lone minus that of the distilled student, its mean over folds and its interval ([`repeated`]).
    pub error_saved: Difference,
    /// Error of the lone student minus that of the teacher.
    pub teacher_lead: Difference,
}

impl Outer {
    fn new(folds: Vec<Fold>) -> Self {
        let ratio = folds
            .iter()
            .map(|fold| fold.tested as f64 / fold.learned as f64)
            .sum::<f64>()
            / folds.len() as f64;
        let over = |of: &dyn Fn(&Fold) -> f64| {
            repeated(&folds.iter().map(of).collect::<Vec<f64>>(), ratio)
        };
        let error_saved = over(&|fold| fold.alone - fold.distilled);
        let teacher_lead = over(&|fold| fold.alone - fold.teacher);
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

    /// Mean over folds.
    #[must_use]
    pub fn mean(&self, of: impl Fn(&Fold) -> f64) -> f64 {
        self.folds.iter().map(of).sum::<f64>() / self.folds.len() as f64
    }

    /// Folds in which the distilled student was better.
    #[must_use]
    pub fn wins(&self) -> usize {
        self.folds
            .iter()
            .filter(|fold| fold.distilled < fold.alone)
            .count()
    }
}

/// Refuses a table that cannot be split so often, before any work is done.
///
/// # Errors
///
/// As [`Dataset::outer_folds`].
pub(crate) fn check(recipe: &Recipe, data: &Dataset) -> Result<()> {
    if recipe.outer_folds > 0 {
        data.outer_folds(recipe.outer_folds, recipe.seed)?;
    }
    Ok(())
}

/// Repeats the procedure as often as the recipe says; none where it says nothing.
///
/// Each fold is a piece of the run, so that a run that is stopped goes on where it was.
///
/// # Errors
///
/// As those of a run; [`Error::Interrupted`] where the user stops it.
pub(crate) fn repeat(students: &Students<'_>, observer: &dyn Observer) -> Result<Option<Outer>> {
    let Students {
        recipe, data, kept, ..
    } = *students;
    if recipe.outer_folds == 0 {
        return Ok(None);
    }
    let sets = data.outer_folds(recipe.outer_folds, recipe.seed)?;
    let quiet = OnlyProgress(observer);
    let fold = |(at, data): (usize, Dataset)| {
        observer.event(&Event::Stage(&format!(
            "outer fold {} of {}",
            at + 1,
            recipe.outer_folds
        )));
        let name = format!("outer{}", at + 1);
        kept.piece(&name, || {
            let (kept, mut clock) = (kept.scope(&name), Clock::start());
            let mut store = labels::make(recipe, &data, &kept, &mut clock, &quiet)?;
            rounds::complete(recipe, &data, &mut store, &kept, &mut clock, &quiet)?;
            let others = splits::others(recipe, &data, &store, &kept, &mut clock, &quiet)?;
            let fold = Students {
                recipe,
                data: &data,
                store: &store,
                kept: &kept,
                observer: &quiet,
            }
            .errors(&others)?;
            if quiet.stop() {
                Err(Error::Interrupted)
            } else {
                Ok(fold)
            }
        })
    };
    let folds = sets
        .into_iter()
        .enumerate()
        .map(fold)
        .collect::<Result<Vec<Fold>>>()?;
    Ok(Some(Outer::new(folds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(alone: f64, distilled: f64, taught: bool) -> Fold {
        Fold {
            learned: 80,
            tested: 20,
            teacher: 1.0,
            alone,
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
