//! Estimates, from small pilot runs on a sample, whether distillation is likely to pay.
//!
//! ```text
//! sample of training and validation rows → pilots (teacher, labels, both students, quickly) → diagnostics → rules → verdict
//! ```
//!
//! Test rows are counted but not used; nothing is written. The *baseline* is the student trained without the teacher.
//!
//! | diagnostic | what | question |
//! |---|---|---|
//! | [`teacher_gap`](PreflightReport::teacher_gap) | squared error of the baseline minus the squared error of the teacher | is the teacher better? |
//! | [`saved`](PreflightReport::saved) | squared error of the baseline minus the squared error of the distilled student | did distillation help here? |
//! | [`teacher_fit`](PreflightReport::teacher_fit) | the teacher's error on rows it has not seen and on its own training rows | does it repeat its targets? |
//! | [`closed_form`](PreflightReport::closed_form) | best share of teacher labels in the loss, `ξ*`, from a fit to targets and a fit to teacher labels | are teacher labels or targets more accurate? |
//! | [`learning_curve`](PreflightReport::learning_curve) | error of the baseline with half of the rows and with all | will more rows replace the teacher? |
//! | [`noise`](PreflightReport::noise) | noise that the columns cannot explain | is there anything left to learn? |
//!
//! *Pays* means that in `limbeck distill` on the whole table, the distilled student's test RMSE will be at least `worth` (1 % by default) below
//! the baseline's. [`Outlook`] documents the rules of this answer, [`rules`] their constants.

mod figures;
mod pilots;
pub mod rules;
mod verdict;

pub use figures::*;

use limbeck_distill::hints::HintOptions;
use limbeck_distill::student::{MemoryKind, StudentKind};
use limbeck_options::Options as _;

use self::pilots::{Held, Pilot, noise_floor, turns};
use crate::error::{Error, Result};
use crate::recipe::{CheckedRecipe, Recipe};
use crate::session::{Observer, Session, listener, on_threads};
use crate::stages::fitted::{label_options, study_options};
use crate::stages::read::read;

limbeck_options::options! {
    /// Options of a preflight.
    pub struct PreflightOptions in "", "Preflight" {
        /// Maximum number of rows of the sample.
        rows: usize = 4000 => [at_least(rules::LEAST_ROWS as f64)];
    }
}

/// Fits a teacher and both students on a sample, and estimates whether distillation of the whole table is likely to pay.
///
/// Writes nothing and does not use test rows. Except for reading the table, the time does not grow with the number of rows.
///
/// ```no_run
/// use limbeck::{PreflightOptions, Recipe, Silent, preflight};
///
/// let recipe = Recipe::for_table("housing.csv", "median_house_value").check()?;
/// let report = preflight(&recipe, &PreflightOptions::default(), &Silent)?;
/// println!("chance of a gain worth having: {:?}", report.verdict.chance);
/// # Ok::<(), limbeck::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Recipe`] for several targets, a quantile, or labels of an earlier run as the teacher. [`Error::Option`] if `options.rows` is below
/// [`rules::LEAST_ROWS`]. [`Error::Data`] if the table cannot be used, for example if it has fewer than [`rules::LEAST_ROWS`] training and validation
/// rows together. [`Error::Teach`] if the teacher fails.
pub fn preflight(
    recipe: &CheckedRecipe,
    options: &PreflightOptions,
    observer: &dyn Observer,
) -> Result<PreflightReport> {
    recipe.refuse_several()?;
    options.validate()?;
    let refuse = |place: &str, message: &str| {
        Err(Error::Recipe {
            place: place.into(),
            message: message.into(),
        })
    };
    if recipe.teacher.from.is_some() {
        return refuse(
            "teacher.from",
            "preflight cannot use labels of an earlier run; the report of that run already has a verdict on distillation with these labels",
        );
    }
    if recipe.objective.quantile.is_some() {
        return refuse(
            "objective.quantile",
            "preflight compares RMSEs, which do not suit quantiles; leave this option out, or run `limbeck distill` on a sample of the table instead",
        );
    }
    on_threads(recipe.threads, listener(), || {
        let session = Session::new(observer);
        let data = read(
            &recipe.table,
            &recipe.data_options(),
            (&[], recipe.lstm_rows_before()),
            recipe.seed,
            &session,
        )?;
        let available = data.split.train.len() + data.split.valid.len();
        if available < rules::LEAST_ROWS {
            let least = rules::LEAST_ROWS;
            let message = format!(
                "{available} training and validation rows are too few for preflight, which needs at least {least}; add rows"
            );
            return Err(limbeck_data::Error::Split { message }.into());
        }
        let recipe = quick(recipe);
        let (labels, study) = (label_options(&recipe), study_options(&recipe));
        let mut held = Held::default();
        let mut first = None;
        let turns = turns(
            &data,
            options.rows.min(available),
            recipe.teacher.command.is_some(),
        );
        for turn in 0..turns {
            session.begin(&format!(
                "pilot {} of {turns} (a short run on a sample of the rows)",
                turn + 1
            ));
            let pilot = data.pilot(options.rows, turn, recipe.seed)?;
            Pilot {
                labels,
                study,
                repeats: recipe.repeats,
                data: &pilot,
                session: &session.part("pilot"),
            }
            .run(turn, &mut held)?;
            session.go_on()?;
            first.get_or_insert(pilot);
        }
        let Some(pilot) = first else {
            unreachable!("there is at least one turn")
        };
        let rows = RowCounts {
            available,
            test: data.split.test.len(),
            sampled: pilot.target().len(),
            pilots: turns,
            train: pilot.split.train.len(),
            held_out: held.target.len(),
        };
        let mut report = held.report(labels, study, recipe.worth, &data, rows)?;
        report.noise = noise_floor(&pilot, &held)?;
        report.measured.seconds = session.seconds();
        Ok(report)
    })?
}

/// Maximum value of the option `student.steps` in a pilot.
const STEPS: usize = 16_000;

/// Maximum value of the option `student.trials` in a pilot, see [`StudentOptions`](limbeck_distill::student::StudentOptions). It is not much below
/// the default of a run: with fewer trials, a badly tuned baseline would make the saving look larger.
const TRIALS: usize = 3;

/// Maximum number of seeds with which each student is refitted in a pilot.
const REPEATS: usize = 2;

/// Maximum number of new rows that each method of augmentation makes in a pilot.
const NEW_ROWS: usize = 30_000;

/// Maximum number of networks of a pilot's teacher.
const MEMBERS: usize = 2;

/// The recipe of a pilot. Its students are networks with shorter schedules. The distilled student learns from the teacher's predictions, not from its
/// inner features or slopes. The teacher is almost unchanged, since results with a weaker teacher would say little about the run.
fn quick(recipe: &Recipe) -> Recipe {
    let mut quick = recipe.clone();
    // Preflight judges a perceptron that learns from the teacher's predictions alone.
    if quick.student.kind.cell().is_some() {
        let plain = Recipe::preset(quick.quality);
        quick.student.steps = plain.student.steps;
        // Only LSTMs need the rows before new rows, and only they are then in the teacher.
        if quick.lstm_rows_before() == 0 {
            quick.transfer.munge_rows = plain.transfer.munge_rows;
            quick.transfer.window_rows = 0;
        }
    }
    quick.student.kind = StudentKind::Mlp;
    quick.student.memory = MemoryKind::default();
    quick.transfer.window_rows = quick.transfer.window_rows.min(NEW_ROWS);
    quick.hints = HintOptions::default();
    (quick.transfer.slope_rows, quick.transfer.adversarial_rows) = (0, 0);
    (quick.teacher.residual_rounds, quick.teacher.with) = (0, Vec::new());
    quick.time_limit = None;
    quick.unlabeled = None;
    quick.student.steps = quick.student.steps.min(STEPS);
    quick.student.trials = quick.student.trials.min(TRIALS);
    quick.transfer.munge_rows = quick.transfer.munge_rows.min(NEW_ROWS);
    quick.transfer.boundary_rows = quick.transfer.boundary_rows.min(NEW_ROWS);
    quick.transfer.mixup_rows = quick.transfer.mixup_rows.min(NEW_ROWS);
    quick.transfer.perturb_rows = quick.transfer.perturb_rows.min(NEW_ROWS);
    quick.repeats = quick.repeats.min(REPEATS);
    quick.teacher.fits = 1;
    quick.teacher.network.members = quick.teacher.network.members.min(MEMBERS);
    quick.teacher.lstm.members = quick.teacher.lstm.members.min(MEMBERS);
    quick
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_recipe_keeps_what_is_quicker() {
        let mut recipe = Recipe::default();
        recipe.student.steps = 200;
        recipe.teacher.network.members = 1;
        let found = quick(&recipe);
        assert_eq!(
            (found.student.steps, found.teacher.network.members),
            (200, 1)
        );
        let best = Recipe::preset(crate::Quality::Best);
        let found = quick(&best);
        assert_eq!(
            (
                found.student.steps,
                found.student.trials,
                found.teacher.network.members,
                found.transfer.munge_rows
            ),
            (STEPS, TRIALS, MEMBERS, NEW_ROWS)
        );
        assert_eq!(found.teacher.trees, best.teacher.trees);
    }
}
