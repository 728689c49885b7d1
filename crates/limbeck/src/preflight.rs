//! Will distillation pay? A pilot on a sample, before hours are spent.
//!
//! ```text
//! sample of training and validation rows → pilots (teacher, labels, both students, quickly) → diagnostics → rules → verdict
//! ```
//!
//! Test rows are counted and never looked at; nothing is written.
//!
//! | diagnostic | what | asks |
//! |---|---|---|
//! | [`teacher_gap`](PreflightReport::teacher_gap) | squared error of the lone student minus the teacher's | has the teacher something to teach? |
//! | [`saved`](PreflightReport::saved) | squared error of the lone student minus the distilled one's | did it help here? |
//! | [`teacher_fit`](PreflightReport::teacher_fit) | the teacher's error on rows it has not seen and on rows it has | does it repeat its training labels? |
//! | [`closed_form`](PreflightReport::closed_form) | best share of teacher labels by two fits, `ξ*` | do labels or targets carry less error? |
//! | [`learning_curve`](PreflightReport::learning_curve) | the lone student on half of the rows and on all | will more rows make the teacher needless? |
//! | [`noise`](PreflightReport::noise) | variance that the columns cannot tell | is there anything left to learn? |
//!
//! *Pays* means that in `limbeck distill` on the whole table the distilled student's test RMSE will be below the lone one's by at least
//! `worth` (1 % by default). The rules that lead there are in [`Verdict`], their constants in [`rules`].

use std::collections::BTreeMap;

use limbeck_data::bootstrap::{self, Interval};
use limbeck_data::checkpoint::NO_CHECKPOINTS;
use limbeck_data::metrics::{self, Measure};
use limbeck_data::{Dataset, Features};
use limbeck_distill::hints::HintOptions;
use limbeck_distill::noise::noise;
use limbeck_distill::objective::Alpha;
use limbeck_distill::proof::short;
use limbeck_distill::search::{self, NewRows, Plan, Progress, Search, Stage, Trial};
use limbeck_distill::student::StudentKind;
use limbeck_nets::Control;
use limbeck_teach::Teacher;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::labels::{self, LabelStore, learned, target_unit};
use crate::pipeline::{Event, Observer, OnlyProgress, Students, material, on_threads, read};
use crate::recipe::{CheckedRecipe, Recipe};
use crate::timing::Clock;

/// Constants of the verdict.
pub mod rules {
    /// Fewer training and validation rows than this say nothing.
    pub const LEAST_ROWS: usize = 100;
    /// From this chance on, distillation is said to pay.
    pub const PAYS_FROM: f64 = 0.7;
    /// Up to this chance, it is said not to pay; between the two nothing is said.
    pub const WILL_NOT_UP_TO: f64 = 0.45;
    /// What distillation saves of the lone student's squared error on tables at large, where the teacher does not lead.
    pub const PRIOR: f64 = 0.0;
    /// How much more of it for each share by which the teacher leads.
    pub const PRIOR_LEAD: f64 = 0.65;
    /// Leads beyond this say no more.
    pub const LEAD_CLAMP: f64 = 0.3;
    /// Standard deviation of tables around that.
    pub const PRIOR_SD: f64 = 0.026;
    /// Standard deviation of a full run's saving by the luck of its folds, splits and seeds.
    pub const LUCK: f64 = 0.012;
    /// How much of the lone student's learning curve the saving follows as rows grow: 0 none of it, 1 all.
    pub const CURVE: f64 = 0.45;
    /// Standard deviation of a saving's share for each factor e by which the full run has more rows than the pilots.
    pub const GROWTH: f64 = 0.03;
    /// Standard errors of half a 95 % interval.
    pub const INTERVAL: f64 = 1.96;
    /// A teacher whose error on rows that it has seen is below this share of that on others repeats its training labels. In reasons only.
    pub const INTERPOLATES: f64 = 0.5;
    /// A learning curve steeper than this is far from its end. In reasons only.
    pub const STEEP: f64 = -0.3;
}

/// How a pilot is made.
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `rows` | 4000 | most rows of the sample | ≥ 100 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreflightOptions {
    /// Most rows of the sample.
    pub rows: usize,
}

impl Default for PreflightOptions {
    fn default() -> Self {
        Self { rows: 4000 }
    }
}

/// What the pilots found; the module describes the diagnostics.
///
/// Squared errors, RMSEs and their differences are in the target's unit and its square, on rows that the pilots held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreflightReport {
    /// Version of limbeck.
    pub version: String,
    /// Seed of the recipe.
    pub seed: u64,
    /// File of the table.
    pub source: String,
    /// Target column.
    pub target: String,
    /// Which rows were used.
    pub rows: Rows,
    /// The verdict.
    pub verdict: Verdict,
    /// RMSE of all sides.
    pub rmse: Rmse,
    /// RMSE of all sides, by pilot.
    pub by_pilot: Vec<Rmse>,
    /// Squared error of the lone student minus the teacher's; above 0 where the teacher leads.
    pub teacher_gap: Paired,
    /// Squared error of the lone student minus the distilled one's; above 0 where distillation helped.
    pub saved: Paired,
    /// The teacher on seen and unseen rows; none where limbeck does not fit it.
    pub teacher_fit: Option<TeacherFit>,
    /// Closed-form share of teacher labels, [`search::closed_form_alpha`]; none where `alpha` is fixed below 1.
    pub closed_form: Option<Share>,
    /// The lone student on half of the rows and on all.
    pub learning_curve: LearningCurve,
    /// What the columns cannot tell.
    pub noise: Option<NoiseFloor>,
    /// What a reader should know, missing diagnostics among it.
    pub notes: Vec<String>,
    /// Wall-clock figures, the one part that differs between runs.
    pub measured: Measured,
}

/// Rows of a preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Training and validation rows of the table.
    pub available: usize,
    /// Test rows of the table, which were only counted.
    pub test: usize,
    /// Rows of the sample.
    pub sampled: usize,
    /// Pilots on that sample, each with other held-out rows.
    pub pilots: usize,
    /// Rows that each pilot is fitted on.
    pub train: usize,
    /// Held-out rows of all pilots.
    pub held_out: usize,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// `limbeck distill` is likely to save what it has to be worth.
    #[serde(rename = "pays")]
    Pays,
    /// It is likely to save less, or nothing.
    #[serde(rename = "will not pay")]
    WillNotPay,
    /// The pilots cannot tell.
    #[serde(rename = "unsure")]
    Unsure,
}

/// The answer and why.
///
/// # Rules
///
/// With the constants of [`rules`], all in shares of the lone student's squared error:
///
/// ```text
/// s² = s_rows² + s_pilots²                          standard errors of `saved` over rows and over pilots
/// μ  = PRIOR + PRIOR_LEAD · lead                    what to expect of a teacher with such a lead
/// v  = 1 / (1/s² + 1/PRIOR_SD²)
/// g  = (n_full / n_pilot)^(CURVE · slope)           what of it is left where the lone student has more rows
/// m  = g v (saved / s² + μ / PRIOR_SD²)             what to expect of the full run
/// r  = GROWTH · ln(n_full / n_pilot)
/// t  = s_rows √(n_held / n_test)                    standard error of the full run's saving over its test rows
/// d² = g² v + LUCK² + r² + t²
/// chance = Φ((m − (1 − (1 − worth)²)) / d)
/// ```
///
/// with `saved` of the distilled student on the pilots' `n_held` rows, the teacher's `lead` over the lone student there (clamped), the `slope`
/// (−1 to 0) of the lone student's learning curve, the rows that the pilots' and the full run's students are fitted on, the `n_test` test
/// rows of the table, and the share of its RMSE that a saving has to be `worth`: the full run meets about the same saving by row, less where
/// the lone student catches up with more rows, with the luck of its own training and test rows. From [`rules::PAYS_FROM`] on it pays, up to
/// [`rules::WILL_NOT_UP_TO`] it will not.
///
/// # Source
///
/// A normal prior and a normal measurement: Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 2.5. The constants are fitted by
/// `evidence/preflight.py`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub kind: Answer,
    /// Least saving that pays, as a share of the lone student's RMSE: the recipe's `worth`.
    pub worth: f64,
    /// Chance that the full run saves at least that.
    pub chance: f64,
    /// Share of the lone student's test RMSE that the full run is expected to save, `1 − √(1 − m)`; its ends by `m ∓ 1.96 d`. Below 0 where
    /// the full run is expected to lose.
    pub saving: Share,
    /// Why, in sentences.
    pub reasons: Vec<String>,
}

/// RMSE on held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rmse {
    /// The teacher's.
    pub teacher: f64,
    /// The lone student's.
    pub alone: f64,
    /// The distilled student's.
    pub distilled: f64,
}

/// A mean difference by row with its standard error, over rows or, where rows belong together, over groups or stretches of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Mean difference.
    pub mean: f64,
    /// Its standard error; 0 with a single row.
    pub standard_error: f64,
}

/// The teacher's RMSE on training rows, in the learned unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherFit {
    /// By fold teachers that have not seen the row.
    pub out_of_fold: f64,
    /// By the teacher fitted on all of them.
    pub in_sample: f64,
    /// `in_sample / out_of_fold`; near 0 where it repeats its training labels.
    pub ratio: f64,
}

/// A share with the range that holds 95 % of its distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// Lower end of the range.
    pub low: f64,
    /// Upper end of the range.
    pub high: f64,
}

/// The lone student on half of a pilot's rows and on all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// RMSE after half of the rows.
    pub half: f64,
    /// RMSE after all of them.
    pub all: f64,
    /// `ln(all² / half²) / ln(rows / half the rows)`: how its squared error falls with rows, `-1` where it halves with twice as many.
    pub slope: f64,
    /// Squared error after half of the rows minus that after all.
    pub gained: Paired,
}

/// Noise of the target by near rows, in the learned unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFloor {
    /// Standard deviation of the noise by the Gamma test.
    pub gamma: f64,
    /// By the nearest rows alone: rather too large.
    pub nearest: f64,
    /// The teacher's RMSE, to compare.
    pub teacher: f64,
}

/// Wall-clock figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of the preflight.
    pub seconds: f64,
}

/// Fits a teacher and both students on a sample and says whether distillation of the whole table is likely to pay.
///
/// Writes nothing and looks at no test row. The time does not grow with the table, but for reading it.
///
/// # Errors
///
/// For a recipe or table that cannot be used, fewer than [`rules::LEAST_ROWS`] training and validation rows, labels of an earlier run
/// as teacher, or a teacher that fails.
pub fn preflight(
    recipe: &CheckedRecipe,
    options: &PreflightOptions,
    observer: &dyn Observer,
) -> Result<PreflightReport> {
    recipe.refuse_several()?;
    let refuse = |place: &str, message: String| {
        Err(Error::Recipe {
            place: place.into(),
            message,
        })
    };
    if options.rows < rules::LEAST_ROWS {
        return refuse(
            "rows",
            format!(
                "found {}, expected at least {}",
                options.rows,
                rules::LEAST_ROWS
            ),
        );
    }
    if recipe.teacher.from.is_some() {
        return refuse(
            "teacher.from",
            "the report of that run has the verdict on its labels already".into(),
        );
    }
    if recipe.objective.quantile.is_some() {
        return refuse("objective.quantile", "pilots are judged by RMSE, which is for means; run limbeck distill on a sample of the table".into());
    }
    on_threads(recipe.threads, None, || {
        let clock = Clock::start();
        let data = read(recipe, observer)?;
        let available = data.split.train.len() + data.split.valid.len();
        if available < rules::LEAST_ROWS {
            let least = rules::LEAST_ROWS;
            let message = format!(
                "{available} training and validation rows are too few for a pilot, which needs {least}; add rows"
            );
            return refuse("data", message);
        }
        let recipe = quick(recipe);
        let mut held = Held::default();
        let mut first = None;
        let turns = turns(
            &data,
            options.rows.min(available),
            recipe.teacher.command.is_some(),
        );
        for turn in 0..turns {
            observer.event(&Event::Stage(&format!("pilot {} of {turns}", turn + 1)));
            let pilot = data.pilot(options.rows, turn, recipe.seed)?;
            Pilot {
                recipe: &recipe,
                data: &pilot,
                observer,
            }
            .run(turn, &mut held)?;
            if observer.stop() {
                return Err(Error::Interrupted);
            }
            first.get_or_insert(pilot);
        }
        let Some(pilot) = first else {
            unreachable!("there is at least one turn")
        };
        let rows = Rows {
            available,
            test: data.split.test.len(),
            sampled: pilot.target.len(),
            pilots: turns,
            train: pilot.split.train.len(),
            held_out: held.target.len(),
        };
        let mut report = held.report(&recipe, &data, rows)?;
        report.noise = noise_floor(&recipe, &pilot, &held)?;
        report.measured.seconds = clock.seconds();
        Ok(report)
    })?
}

/// Held-out rows after which further pilots are not worth their time.
const ENOUGH_HELD_OUT: usize = 1200;
/// Most pilots: each fits a teacher, which takes most of the time.
const MOST_PILOTS: usize = 3;

/// How many pilots a sample of so many rows gets; a command is asked once.
fn turns(data: &Dataset, sampled: usize, command: bool) -> usize {
    let held = (sampled / 5).max(1);
    if command {
        1
    } else {
        ENOUGH_HELD_OUT
            .div_ceil(held)
            .clamp(1, data.pilots().min(MOST_PILOTS))
    }
}

/// Steps of a pilot's students.
const STEPS: usize = 16_000;
/// Trials that they have, see [`StudentOptions`](limbeck_distill::student::StudentOptions): as many as by default, since a lone student
/// that is hardly tuned leaves much to save.
const TRIALS: usize = 3;
/// Seeds of their refit.
const REPEATS: usize = 2;
/// New rows for their teacher to label.
const NEW_ROWS: usize = 30_000;
/// Networks of their teacher.
const MEMBERS: usize = 2;

/// The recipe with short schedules where its own are longer. The teacher stays almost as it is: what a weaker one saves says little.
fn quick(recipe: &Recipe) -> Recipe {
    let mut quick = recipe.clone();
    // Whether distillation pays is asked of a network that learns from answers alone.
    quick.student.kind = StudentKind::Mlp;
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
    quick
}

/// What all pilots say of their held-out rows, in the target's unit, and sums over pilots of what is measured on training rows.
#[derive(Debug, Default)]
struct Held {
    target: Vec<f64>,
    weight: Vec<f64>,
    blocks: Vec<u32>,
    teacher: Vec<f64>,
    /// Squared errors of the refitted students, means over seeds.
    alone_errors: Vec<f64>,
    distilled_errors: Vec<f64>,
    /// By pilot.
    by_pilot: Vec<Rmse>,
    /// Predictions of the lone student of the search.
    alone: Vec<f64>,
    /// Of the first pilot.
    curve: Option<LearningCurve>,
    /// Of the student on teacher labels alone; missing where there is none.
    pure: Vec<f64>,
    /// Squared out-of-fold and in-sample errors of the teacher, by pilot.
    teacher_fit: Vec<(f64, f64)>,
    notes: Vec<String>,
}

/// One pilot.
struct Pilot<'a> {
    recipe: &'a Recipe,
    data: &'a Dataset,
    observer: &'a dyn Observer,
}

impl Pilot<'_> {
    fn run(&self, turn: usize, held: &mut Held) -> Result<()> {
        let (recipe, data) = (self.recipe, self.data);
        let within = OnlyProgress(self.observer);
        let store = labels::make(recipe, data, &NO_CHECKPOINTS, &mut Clock::start(), &within)?;
        let students = Students {
            recipe,
            data,
            store: &store,
            kept: &NO_CHECKPOINTS,
            observer: &within,
        };
        let plan = Plan {
            seed: recipe.seed + turn as u64,
            ..students.plan()
        };
        let watch = |progress: &Progress<'_>| {
            within.event(&Event::Training(progress));
            if within.stop() {
                Control::Stop
            } else {
                Control::Continue
            }
        };
        let split = &data.split;
        let test = students.part(&split.test);
        let rows = students.search_rows();
        let search = Search::new(vec![rows.stage(&plan)?]);
        within.event(&Event::Steps(search::search_steps(&recipe.student, 1)));
        let choice = search::choose(&search, &watch)?;
        let (alone, distilled) = choice.best()?;
        let pure = choice
            .distilled
            .iter()
            .filter(|trial| trial.setting.alpha == Some(1.0))
            .max_by_key(|trial| trial.setting.steps);

        // The refit of a full run: all rows but those held out, and several seeds.
        let all = students.part(&split.train_valid());
        let refit_new = students.new_rows(&store.full.mean);
        let refit_stage = Stage::new(&plan, &material(&all, &refit_new, None), None)?;
        let seeds: Vec<u64> = (0..recipe.repeats as u64)
            .map(|repeat| plan.seed + repeat)
            .collect();
        let refitted = search::refit(
            &refit_stage,
            (alone.setting, alone.stop),
            (distilled.setting, distilled.stop),
            &seeds,
            &watch,
        )?;
        let target = data.target_of(&split.test);
        let errors = |trial: &dyn Fn(&search::Refitted) -> &Trial| -> Result<Vec<f64>> {
            let mut sum = vec![0.0; target.len()];
            for pair in &refitted {
                let errors = Measure::Rmse.rows(
                    &predict(&refit_stage, trial(pair), &test.features)?,
                    &target,
                );
                sum.iter_mut()
                    .zip(errors)
                    .for_each(|(sum, error)| *sum += error / refitted.len() as f64);
            }
            Ok(sum)
        };
        let (alone_errors, distilled_errors) = (
            errors(&|pair| &pair.alone)?,
            errors(&|pair| &pair.distilled)?,
        );

        if turn == 0 {
            held.curve = self.learning_curve(&students, &plan, (search.first(), alone), &watch)?;
        }
        let log = recipe.data.log_target;
        held.alone
            .extend(predict(search.first(), alone, &test.features)?);
        if let Some(pure) = pure {
            held.pure
                .extend(predict(search.first(), pure, &test.features)?);
        }
        let teacher: Vec<f64> = test
            .teacher
            .iter()
            .map(|&mean| target_unit(log, mean))
            .collect();
        let root = |errors: &[f64]| metrics::weighted_mean(errors, &test.weight).sqrt();
        held.by_pilot.push(Rmse {
            teacher: metrics::rmse(&teacher, &target, &test.weight),
            alone: root(&alone_errors),
            distilled: root(&distilled_errors),
        });
        held.alone_errors.extend(alone_errors);
        held.distilled_errors.extend(distilled_errors);
        held.target.extend(target);
        held.teacher.extend(teacher);
        // Blocks of different pilots are different rows, and the same block where a group is met again.
        held.blocks.extend(blocks(data));
        held.weight.extend(&test.weight);
        held.teacher_fit.extend(self.teacher_fit(&store)?);
        // Those of the others say the same with other figures.
        if turn == 0 {
            held.notes = store.summary.notes;
        }
        Ok(())
    }

    /// The lone student on half of the training rows and on all of them.
    fn learning_curve(
        &self,
        students: &Students<'_>,
        plan: &Plan<'_>,
        all: (&Stage<'_>, &Trial),
        watch: search::Watch<'_>,
    ) -> Result<Option<LearningCurve>> {
        let (data, split) = (self.data, &self.data.split);
        let rows = data.half(&split.train);
        let (half, valid, test) = (
            students.part(&rows),
            students.part(&split.valid),
            students.part(&split.test),
        );
        let none = NewRows {
            features: data.features.select(&[]),
            ..NewRows::default()
        };
        let search = Search::new(vec![Stage::new(
            plan,
            &material(&half, &none, None),
            Some(&material(&valid, &none, None)),
        )?]);
        let trial = search::choose_alone(&search, watch)?;
        let target = data.target_of(&split.test);
        let errors = |stage, trial| {
            Ok::<_, Error>(Measure::Rmse.rows(&predict(stage, trial, &test.features)?, &target))
        };
        let (half, all) = (errors(search.first(), &trial)?, errors(all.0, all.1)?);
        let root = |errors: &[f64]| metrics::weighted_mean(errors, &test.weight).sqrt();
        let growth = split.train.len() as f64 / rows.len().max(1) as f64;
        let lost: Vec<f64> = half
            .iter()
            .zip(&all)
            .map(|(half, all)| half - all)
            .collect();
        let gained = paired(&lost, &test.weight, &blocks(data));
        let (half, all) = (root(&half), root(&all));
        Ok(Some(LearningCurve {
            half,
            all,
            slope: slope(half, all, growth),
            gained,
        }))
    }

    /// Squared errors of the teacher on training rows, out of fold and in sample; none for a teacher from outside.
    fn teacher_fit(&self, store: &LabelStore) -> Result<Option<(f64, f64)>> {
        let Some(bytes) = &store.file else {
            return Ok(None);
        };
        // Rows that no fold teacher labels, the earliest in time, are left out of both.
        let rows: Vec<usize> = self
            .data
            .split
            .train
            .iter()
            .copied()
            .filter(|&row| store.teacher[row].is_finite())
            .collect();
        let teacher = Teacher::from_bytes(bytes)?;
        let seen = teacher.predict(&self.data.features.select(&rows))?.mean;
        let unseen: Vec<f64> = rows.iter().map(|&row| store.teacher[row]).collect();
        let target: Vec<f64> = rows
            .iter()
            .map(|&row| learned(self.recipe.data.log_target, self.data.target[row]))
            .collect();
        let weight = self.data.weight_of(&rows);
        let error =
            |pred: &[f64]| metrics::weighted_mean(&Measure::Rmse.rows(pred, &target), &weight);
        Ok(Some((error(&unseen), error(&seen))))
    }
}

/// What belongs together among the held-out rows.
fn blocks(data: &Dataset) -> Vec<u32> {
    let rows = &data.split.test;
    data.blocks_of(rows)
        .unwrap_or_else(|| rows.iter().map(|&row| row as u32).collect())
}

fn predict(stage: &Stage<'_>, trial: &Trial, features: &Features) -> Result<Vec<f64>> {
    let student = stage.student(trial, BTreeMap::new(), Vec::new())?;
    Ok(student.predict(&features.raw(), features.rows)?)
}

impl Held {
    fn errors(&self, pred: &[f64]) -> Vec<f64> {
        Measure::Rmse.rows(pred, &self.target)
    }

    fn rmse(&self, pred: &[f64]) -> f64 {
        metrics::rmse(pred, &self.target, &self.weight)
    }

    /// Squared errors `worse` minus `better`.
    fn difference(&self, worse: &[f64], better: &[f64]) -> Paired {
        let lost: Vec<f64> = worse.iter().zip(better).map(|(a, b)| a - b).collect();
        paired(&lost, &self.weight, &self.blocks)
    }

    fn report(&self, recipe: &Recipe, data: &Dataset, rows: Rows) -> Result<PreflightReport> {
        let root = |errors: &[f64]| metrics::weighted_mean(errors, &self.weight).sqrt();
        let rmse = Rmse {
            teacher: self.rmse(&self.teacher),
            alone: root(&self.alone_errors),
            distilled: root(&self.distilled_errors),
        };
        let teacher_gap = self.difference(&self.alone_errors, &self.errors(&self.teacher));
        let saved = self.difference(&self.alone_errors, &self.distilled_errors);
        let closed_form = self.closed_form(recipe.seed);
        let teacher_fit = teacher_fit(&self.teacher_fit);
        let Some(learning_curve) = self.curve else {
            unreachable!("the first pilot measures it")
        };
        let mut notes = self.notes.clone();
        if teacher_fit.is_none() {
            notes.push(
                "not available for a teacher that limbeck does not fit: its error on rows that it has seen and has not seen; if it \
                 was fitted on rows of this table, its lead is overstated"
                    .into(),
            );
        }
        if closed_form.is_none() {
            let why = if recipe.objective.alpha == Alpha::Auto {
                "both fits agree"
            } else {
                "`alpha` is fixed"
            };
            notes.push(format!(
                "not available: the closed-form share of teacher labels, since {why}"
            ));
        }
        if recipe.unlabeled.is_some() {
            notes.push("the pilots did without the rows without targets".into());
        }
        let over_pilots = over_pilots(&self.by_pilot);
        let verdict = judge(&Findings {
            rows,
            worth: recipe.worth,
            teacher_gap,
            saved,
            over_pilots,
            rmse,
            teacher_fit,
            closed_form,
            learning_curve,
        });
        Ok(PreflightReport {
            version: env!("CARGO_PKG_VERSION").into(),
            seed: recipe.seed,
            source: data.summary.source.clone(),
            target: data.target_name.clone(),
            rows,
            verdict,
            rmse,
            by_pilot: self.by_pilot.clone(),
            teacher_gap,
            saved,
            teacher_fit,
            closed_form,
            learning_curve,
            noise: None,
            notes,
            measured: Measured::default(),
        })
    }

    fn closed_form(&self, seed: u64) -> Option<Share> {
        if self.pure.len() != self.target.len() {
            return None;
        }
        closed_form(
            &self.alone,
            &self.pure,
            &self.target,
            &self.weight,
            &self.blocks,
            seed,
        )
    }
}

/// Mean of differences with its standard error over blocks; 0 for one block, which has no spread to tell.
fn paired(difference: &[f64], weight: &[f64], blocks: &[u32]) -> Paired {
    let (mean, standard_error) = metrics::mean_and_standard_error(difference, weight, Some(blocks));
    Paired {
        mean,
        standard_error: if standard_error.is_finite() {
            standard_error
        } else {
            0.0
        },
    }
}

/// How the squared error falls with `growth` times the rows.
fn slope(half: f64, all: f64, growth: f64) -> f64 {
    2.0 * (all / half).ln() / growth.ln()
}

/// [`search::closed_form_alpha`] with a bootstrap interval over blocks.
fn closed_form(
    alone: &[f64],
    pure: &[f64],
    target: &[f64],
    weight: &[f64],
    blocks: &[u32],
    seed: u64,
) -> Option<Share> {
    let value = search::closed_form_alpha(alone, pure, target, weight)?;
    let rows = || alone.iter().zip(pure).zip(target);
    let top: Vec<f64> = rows()
        .map(|((alone, pure), y)| (pure - alone) * (y - alone))
        .collect();
    let bottom: Vec<f64> = rows()
        .map(|((alone, pure), _)| (pure - alone).powi(2))
        .collect();
    let options = bootstrap::Options {
        seed,
        ..bootstrap::Options::default()
    };
    let ratio = |seeds: &[[f64; 2]]| seeds[0][0] / seeds[0][1];
    let Interval { low, high, .. } = bootstrap::paired(
        &[[&top[..], &bottom]],
        weight,
        Some(blocks),
        &options,
        ratio,
    )?;
    Some(Share { value, low, high })
}

fn teacher_fit(pilots: &[(f64, f64)]) -> Option<TeacherFit> {
    if pilots.is_empty() {
        return None;
    }
    let root_mean = |value: &dyn Fn(&(f64, f64)) -> f64| {
        (pilots.iter().map(value).sum::<f64>() / pilots.len() as f64).sqrt()
    };
    let (out_of_fold, in_sample) = (root_mean(&|pilot| pilot.0), root_mean(&|pilot| pilot.1));
    Some(TeacherFit {
        out_of_fold,
        in_sample,
        ratio: in_sample / out_of_fold,
    })
}

/// By all rows of the sample, beside the teacher's error on held-out ones.
fn noise_floor(recipe: &Recipe, pilot: &Dataset, held: &Held) -> Result<Option<NoiseFloor>> {
    let log = recipe.data.log_target;
    let to_learned = |values: &[f64]| {
        values
            .iter()
            .map(|&value| learned(log, value))
            .collect::<Vec<f64>>()
    };
    let found = noise(&pilot.features, &to_learned(&pilot.target))?;
    let teacher = metrics::rmse(
        &to_learned(&held.teacher),
        &to_learned(&held.target),
        &held.weight,
    );
    Ok(found.map(|noise| NoiseFloor {
        gamma: noise.gamma.sqrt(),
        nearest: noise.nearest.sqrt(),
        teacher,
    }))
}

/// What the verdict rests on.
#[derive(Clone, Copy, Debug)]
struct Findings {
    rows: Rows,
    /// Least saving that pays, as a share of the lone student's RMSE.
    worth: f64,
    teacher_gap: Paired,
    saved: Paired,
    /// Standard error of the mean of `saved` over pilots.
    over_pilots: f64,
    rmse: Rmse,
    teacher_fit: Option<TeacherFit>,
    closed_form: Option<Share>,
    learning_curve: LearningCurve,
}

/// The rules of [`Verdict`].
fn judge(found: &Findings) -> Verdict {
    let expected = expected(found);
    let (chance, saving) = expected.map_or(
        (
            0.0,
            Share {
                value: 0.0,
                low: 0.0,
                high: 0.0,
            },
        ),
        |expected| (expected.chance(found.worth), expected.saving()),
    );
    let kind = if chance >= rules::PAYS_FROM {
        Answer::Pays
    } else if chance <= rules::WILL_NOT_UP_TO {
        Answer::WillNotPay
    } else {
        Answer::Unsure
    };
    Verdict {
        kind,
        worth: found.worth,
        chance,
        saving,
        reasons: reasons(found),
    }
}

/// What the full run saves, in shares of the lone student's squared error: a normal distribution.
#[derive(Clone, Copy, Debug)]
struct Expected {
    mean: f64,
    standard_deviation: f64,
}

impl Expected {
    fn chance(self, worth: f64) -> f64 {
        normal((self.mean - (1.0 - (1.0 - worth).powi(2))) / self.standard_deviation)
    }

    /// As shares of the RMSE.
    fn saving(self) -> Share {
        let of_rmse = |share: f64| 1.0 - (1.0 - share).max(0.0).sqrt();
        let reach = rules::INTERVAL * self.standard_deviation;
        Share {
            value: of_rmse(self.mean),
            low: of_rmse(self.mean - reach),
            high: of_rmse(self.mean + reach),
        }
    }
}

/// None where the lone student makes no error: nothing is left to save.
fn expected(found: &Findings) -> Option<Expected> {
    let scale = found.rmse.alone.powi(2);
    if scale <= 0.0 {
        return None;
    }
    let (saved, rows) = (found.saved.mean / scale, found.saved.standard_error / scale);
    let lead = (found.teacher_gap.mean / scale).clamp(-rules::LEAD_CLAMP, rules::LEAD_CLAMP);
    let expected = rules::PRIOR + rules::PRIOR_LEAD * lead;
    // Two equal measurements do not make a certainty.
    let own = (rows.powi(2) + (found.over_pilots / scale).powi(2)).max(f64::MIN_POSITIVE);
    let prior = rules::PRIOR_SD.powi(2);
    let variance = 1.0 / (1.0 / own + 1.0 / prior);
    let mean = variance * (saved / own + expected / prior);
    let full = rows * (found.rows.held_out as f64 / found.rows.test.max(1) as f64).sqrt();
    let growth = growth(&found.rows);
    let left = growth.powf(rules::CURVE * found.learning_curve.slope.clamp(-1.0, 0.0));
    let spread = left * left * variance
        + rules::LUCK.powi(2)
        + (rules::GROWTH * growth.ln()).powi(2)
        + full.powi(2);
    Some(Expected {
        mean: left * mean,
        standard_deviation: spread.sqrt(),
    })
}

/// Rows that the full run's students are fitted on to those of a pilot's, at least 1: all of the table but its test rows, and all of the
/// sample but what a pilot holds out.
fn growth(rows: &Rows) -> f64 {
    let pilot = rows.sampled as f64 - rows.held_out as f64 / rows.pilots.max(1) as f64;
    (rows.available as f64 / pilot.max(1.0)).max(1.0)
}

/// Standard error of the mean saving over pilots; 0 of a single one.
fn over_pilots(pilots: &[Rmse]) -> f64 {
    let saved: Vec<f64> = pilots
        .iter()
        .map(|pilot| pilot.alone.powi(2) - pilot.distilled.powi(2))
        .collect();
    let (count, mean) = (
        saved.len() as f64,
        saved.iter().sum::<f64>() / saved.len() as f64,
    );
    let squares: f64 = saved.iter().map(|saved| (saved - mean).powi(2)).sum();
    (squares / (count - 1.0).max(1.0) / count).sqrt()
}

/// The normal distribution function.
fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Why, in the order of weight: what the students did, whether the teacher leads, and what may change on the whole table.
fn reasons(found: &Findings) -> Vec<String> {
    let Findings {
        rows,
        teacher_gap,
        saved,
        rmse,
        teacher_fit,
        closed_form,
        learning_curve,
        over_pilots: _,
        worth: _,
    } = found;
    let mut reasons = vec![format!(
        "distilled against alone, on {} held-out rows: RMSE {} against {}, squared error {}",
        rows.held_out,
        short(rmse.distilled),
        short(rmse.alone),
        lead(saved)
    )];
    reasons.push(match teacher_gap.in_standard_errors() {
        z if z <= 0.0 => {
            format!("the teacher is no better than the student alone (RMSE {} against {}): it has little to teach", short(rmse.teacher), short(rmse.alone))
        }
        z if z < rules::INTERVAL => format!("the teacher may be better than the student alone: squared error {}", lead(teacher_gap)),
        _ => format!("the teacher is better than the student alone: squared error {}", lead(teacher_gap)),
    });
    if let Some(share) = closed_form.filter(|share| share.low <= 0.0) {
        reasons.push(format!("targets alone do as well as any share of teacher labels: its best share is {} ({} to {})", short(share.value), short(share.low), short(share.high)));
    }
    if let Some(fit) = teacher_fit.filter(|fit| fit.ratio < rules::INTERPOLATES) {
        reasons.push(format!(
            "the teacher all but repeats the targets of rows it was fitted on (RMSE {} there, {} on rows it has not seen): only out-of-fold labels are of use",
            short(fit.in_sample),
            short(fit.out_of_fold)
        ));
    }
    if learning_curve.slope < rules::STEEP && rows.available > rows.sampled {
        reasons.push(format!(
            "the lone student still gains much from more rows (slope {}), and the table has {} for the sample's {}: there is less to save there",
            short(learning_curve.slope),
            rows.available,
            rows.sampled
        ));
    }
    reasons
}

fn lead(difference: &Paired) -> String {
    let side = if difference.mean >= 0.0 {
        "lower"
    } else {
        "higher"
    };
    format!(
        "{side} by {} ± {}",
        short(difference.mean.abs()),
        short(difference.standard_error)
    )
}

impl Paired {
    /// The mean in standard errors; 0 where both are 0.
    #[must_use]
    pub fn in_standard_errors(&self) -> f64 {
        if self.mean == 0.0 {
            0.0
        } else {
            self.mean / self.standard_error
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Rows = Rows {
        available: 5000,
        test: 1000,
        sampled: 2000,
        pilots: 1,
        train: 1200,
        held_out: 600,
    };

    /// Findings of a teacher that leads and a student that follows it.
    fn found() -> Findings {
        Findings {
            rows: ROWS,
            worth: 0.01,
            teacher_gap: Paired {
                mean: 4.0,
                standard_error: 1.0,
            },
            saved: Paired {
                mean: 3.0,
                standard_error: 1.0,
            },
            over_pilots: 0.5,
            rmse: Rmse {
                teacher: 4.0,
                alone: 6.0,
                distilled: 5.0,
            },
            teacher_fit: Some(TeacherFit {
                out_of_fold: 4.0,
                in_sample: 3.0,
                ratio: 0.75,
            }),
            closed_form: Some(Share {
                value: 0.8,
                low: 0.5,
                high: 1.0,
            }),
            learning_curve: LearningCurve {
                half: 7.0,
                all: 6.0,
                slope: -0.1,
                gained: Paired {
                    mean: 13.0,
                    standard_error: 2.0,
                },
            },
        }
    }

    #[test]
    fn paired_difference_is_worked_by_hand() {
        // Mean 2, deviations −1, 0, 1: variance 3/2 · 2 / 9.
        let difference = paired(&[1.0, 2.0, 3.0], &[1.0; 3], &[0, 1, 2]);
        assert_eq!(difference.mean, 2.0);
        assert!((difference.standard_error - (1.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        // Blocks {1, 2} and {3}: deviations −1 and 1, variance 2/1 · 2 / 9.
        let blocked = paired(&[1.0, 2.0, 3.0], &[1.0; 3], &[0, 0, 1]);
        assert!((blocked.standard_error - 2.0 / 3.0).abs() < 1e-15);
        // Weight 3 and 1: mean (3·1 + 5) / 4 = 2; sums 3·(−1) and 3; variance 2 · 18 / 16.
        let weighted = paired(&[1.0, 5.0], &[3.0, 1.0], &[0, 1]);
        assert_eq!((weighted.mean, weighted.standard_error), (2.0, 1.5));
        assert_eq!(paired(&[1.0], &[1.0], &[0]).standard_error, 0.0);
    }

    #[test]
    fn slope_is_worked_by_hand() {
        // The squared error halves with twice as many rows.
        assert!((slope(2.0_f64.sqrt(), 1.0, 2.0) + 1.0).abs() < 1e-15);
        assert_eq!(slope(3.0, 3.0, 2.0), 0.0);
    }

    #[test]
    fn closed_form_share_is_worked_by_hand() {
        // s_y = 0, s_t = 2, y = 1 in each row: ξ* = 2 / 4 in every resample.
        let share = closed_form(
            &[0.0; 5],
            &[2.0; 5],
            &[1.0; 5],
            &[1.0; 5],
            &[0, 1, 2, 3, 4],
            7,
        )
        .unwrap();
        assert_eq!((share.value, share.low, share.high), (0.5, 0.5, 0.5));
        assert_eq!(
            closed_form(
                &[1.0; 5],
                &[1.0; 5],
                &[1.0; 5],
                &[1.0; 5],
                &[0, 1, 2, 3, 4],
                7
            ),
            None
        );
        // y = 0 and 2: each row says 0 or 1.
        let share = closed_form(&[0.0; 2], &[2.0; 2], &[0.0, 2.0], &[1.0; 2], &[0, 1], 7).unwrap();
        assert_eq!((share.value, share.low, share.high), (0.5, 0.0, 1.0));
    }

    #[test]
    fn teacher_fit_is_worked_by_hand() {
        let fit = teacher_fit(&[(1.0, 0.0), (7.0, 2.0)]).unwrap();
        assert_eq!((fit.out_of_fold, fit.in_sample, fit.ratio), (2.0, 1.0, 0.5));
        assert_eq!(teacher_fit(&[]), None);
    }

    #[test]
    fn normal_agrees_with_tables() {
        for (z, p) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746),
            (1.96, 0.975_002_105),
            (-3.0, 0.001_349_898),
        ] {
            assert!((normal(z) - p).abs() < 1e-9, "{z}");
        }
    }

    #[test]
    fn expected_saving_is_worked_by_hand() {
        // Errors of 100: saved .04 ± .02 over rows and ± .015 over pilots, so s = .025; a lead of .1, so μ = .065.
        let findings = Findings {
            saved: Paired {
                mean: 4.0,
                standard_error: 2.0,
            },
            over_pilots: 1.5,
            teacher_gap: Paired {
                mean: 10.0,
                standard_error: 5.0,
            },
            rmse: Rmse {
                alone: 10.0,
                ..found().rmse
            },
            rows: Rows {
                held_out: 900,
                test: 3600,
                available: 1100,
                ..ROWS
            },
            ..found()
        };
        // As many rows as a pilot has: v = 1 / (1600 + 1479.29), m = v (.04 · 1600 + .065 · 1479.29) = .0520101; t = .01:
        // d² = .000324750 + .000144 + .0001 = .000568750.
        let expected = |findings: &Findings| super::expected(findings).unwrap();
        let found_here = expected(&findings);
        assert!(
            (found_here.mean - 0.052_010_1).abs() < 1e-6
                && (found_here.standard_deviation - 0.000_568_750_f64.sqrt()).abs() < 1e-6,
            "{found_here:?}"
        );
        // Φ((.0520101 − .0199) / .0238485) = Φ(1.346416), and 1 − √(1 − .0520101 ∓ 1.96 · .0238485).
        assert!(
            (found_here.chance(0.01) - 0.910_91).abs() < 1e-4,
            "{}",
            found_here.chance(0.01)
        );
        let Share { value, low, high } = found_here.saving();
        assert!(
            (value - 0.026_352).abs() < 1e-5
                && (low - 0.002_638).abs() < 1e-5
                && (high - 0.050_658).abs() < 1e-5,
            "{value} {low} {high}"
        );
        // What has to be saved in order to pay.
        assert!(found_here.chance(0.05) < found_here.chance(0.01));
        let with = |saved: f64, lead: f64| {
            expected(&Findings {
                saved: Paired {
                    mean: saved,
                    standard_error: 2.0,
                },
                teacher_gap: Paired {
                    mean: lead,
                    standard_error: 5.0,
                },
                ..findings
            })
            .mean
        };
        assert!(with(8.0, 10.0) > with(4.0, 10.0) && with(4.0, 12.0) > with(4.0, 10.0));
        // The pilots of 900 held-out rows in all are fitted on 2000 − 900 = 1100 rows, a full run of 5500 on five times as many.
        let grown = Rows {
            available: 5500,
            ..findings.rows
        };
        let slope = |slope: f64, rows| {
            expected(&Findings {
                learning_curve: LearningCurve {
                    slope,
                    ..found().learning_curve
                },
                rows,
                ..findings
            })
        };
        assert_eq!(growth(&grown), 5.0);
        // More rows leave less to save where the lone student still gains from them, and make the saving less sure.
        assert!(
            slope(-0.8, grown).mean < slope(-0.1, grown).mean
                && slope(0.0, grown).standard_deviation > found_here.standard_deviation
        );
        assert_eq!(slope(-3.0, grown).mean, slope(-1.0, grown).mean);
        // Leads beyond the clamp say no more, and without an error there is nothing to save.
        assert_eq!(with(4.0, 31.0), with(4.0, 500.0));
        let nothing = judge(&Findings {
            rmse: Rmse {
                alone: 0.0,
                ..found().rmse
            },
            ..findings
        });
        assert_eq!((nothing.kind, nothing.chance), (Answer::WillNotPay, 0.0));
    }

    #[test]
    fn standard_error_over_pilots_is_worked_by_hand() {
        let pilot = |alone: f64, distilled: f64| Rmse {
            teacher: 0.0,
            alone,
            distilled,
        };
        // Saved 3, 5 and 7: variance 4, over three.
        assert!(
            (over_pilots(&[pilot(2.0, 1.0), pilot(3.0, 2.0), pilot(4.0, 3.0)])
                - (4.0_f64 / 3.0).sqrt())
            .abs()
                < 1e-12
        );
        assert_eq!(over_pilots(&[pilot(2.0, 1.0)]), 0.0);
    }

    #[test]
    fn verdict_follows_the_chance() {
        let with = |saved: f64| {
            judge(&Findings {
                saved: Paired {
                    mean: saved,
                    standard_error: 1.0,
                },
                ..found()
            })
        };
        for saved in [-9.0, -3.0, 0.0, 1.0, 2.0, 5.0] {
            let verdict = with(saved);
            let expected = match verdict.chance {
                chance if chance >= rules::PAYS_FROM => Answer::Pays,
                chance if chance <= rules::WILL_NOT_UP_TO => Answer::WillNotPay,
                _ => Answer::Unsure,
            };
            assert_eq!(verdict.kind, expected);
        }
        assert_eq!(
            [with(9.0).kind, with(-9.0).kind],
            [Answer::Pays, Answer::WillNotPay]
        );
    }

    #[test]
    fn reasons_name_what_was_found() {
        let text = |findings: &Findings| reasons(findings).join("\n");
        let plain = text(&found());
        assert!(
            plain.contains("RMSE 5.000 against 6.000, squared error lower by 3.000 ± 1.000"),
            "{plain}"
        );
        assert!(
            plain.contains(
                "the teacher is better than the student alone: squared error lower by 4.000 ± 1.000"
            ),
            "{plain}"
        );
        assert_eq!(reasons(&found()).len(), 2);
        let gap = |mean| {
            text(&Findings {
                teacher_gap: Paired {
                    mean,
                    standard_error: 1.0,
                },
                ..found()
            })
        };
        assert!(
            gap(1.0).contains("may be better") && gap(-1.0).contains("no better"),
            "{}",
            gap(-1.0)
        );
        let share = Some(Share {
            value: 0.1,
            low: -0.2,
            high: 0.4,
        });
        assert!(
            text(&Findings {
                closed_form: share,
                ..found()
            })
            .contains("targets alone do as well")
        );
        let fit = Some(TeacherFit {
            out_of_fold: 4.0,
            in_sample: 1.0,
            ratio: 0.25,
        });
        assert!(
            text(&Findings {
                teacher_fit: fit,
                ..found()
            })
            .contains("repeats the targets")
        );
        let steep = LearningCurve {
            slope: -0.6,
            ..found().learning_curve
        };
        assert!(
            text(&Findings {
                learning_curve: steep,
                ..found()
            })
            .contains("5000 for the sample's 2000")
        );
        // Nothing is said of a larger table where there is none.
        let all = Rows {
            available: 2000,
            ..ROWS
        };
        assert!(
            !text(&Findings {
                learning_curve: steep,
                rows: all,
                ..found()
            })
            .contains("slope")
        );
    }

    #[test]
    fn few_pilots_hold_out_enough_rows_and_a_command_is_asked_once() {
        let mut table = limbeck_data::simulate::thermistor(300, 1);
        table.source = "sensor.csv".into();
        let options =
            limbeck_data::DataOptions::for_target(limbeck_data::simulate::THERMISTOR_TARGET);
        let data = Dataset::from_table(table, &options, None, 0).unwrap();
        assert_eq!(
            [100, 1200, 1600, 2000, 6000].map(|rows| turns(&data, rows, false)),
            [3, 3, 3, 3, 1]
        );
        assert_eq!(turns(&data, 100, true), 1);
    }

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
