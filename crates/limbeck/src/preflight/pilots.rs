//! Pilots: small runs on a sample of the rows.

use std::collections::BTreeMap;

use limbeck_data::bootstrap::{self, Interval};
use limbeck_data::metrics::{self, Measure};
use limbeck_data::{Dataset, Features};
use limbeck_distill::noise::noise;
use limbeck_distill::objective::Alpha;
use limbeck_distill::search::{self, Search, Stage, Study, TransferSet, Trial};
use limbeck_teach::FittedTeacher;

use super::figures::{
    LearningCurve, Measured, NoiseFloor, Paired, PreflightReport, Rmse, RowCounts, Share,
    TeacherFit,
};
use super::verdict::{Findings, judge, over_pilots};
use crate::error::{Error, Result};
use crate::session::{Event, Session};
use crate::stages::labels::{self, LabelOptions};
use crate::stages::store::LabelStore;
use crate::stages::students::StudyOptions;

/// When the pilots (small runs) so far have held out this many rows in total, no further pilot is run: it would gain little.
const ENOUGH_HELD_OUT: usize = 1200;

/// Maximum number of pilots (small runs on a sample). Each pilot fits a teacher, which takes most of its time.
const MOST_PILOTS: usize = 3;

/// Number of pilots (small runs) for a sample of `sampled` rows; 1 if the teacher is a command of the user.
pub(super) fn turns(data: &Dataset, sampled: usize, command: bool) -> usize {
    let turns = ENOUGH_HELD_OUT.div_ceil((sampled / 5).max(1));
    match command {
        true => 1,
        false => turns.clamp(1, data.pilots().min(MOST_PILOTS)),
    }
}

/// Results of all pilots, the first pilot first. `by_pilot` and `teacher_fit` have one entry for each pilot; the other lists of numbers have one for
/// each held-out row. Targets and predictions are in the target's unit, squared errors in its square.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) target: Vec<f64>,
    weight: Vec<f64>,
    blocks: Vec<u32>,
    teacher: Vec<f64>,
    /// Squared error of the baseline on each held-out row, as a mean over its refits (one for each seed).
    baseline_errors: Vec<f64>,
    /// Squared error of the distilled student on each held-out row, as a mean over its refits (one for each seed).
    distilled_errors: Vec<f64>,
    /// RMSE of the teacher and both students, for each pilot.
    by_pilot: Vec<Rmse>,
    /// Predictions of the baseline as the search trained it, before it is refitted.
    baseline: Vec<f64>,
    /// Learning curve of the baseline in the first pilot; `None` until that pilot is done.
    curve: Option<LearningCurve>,
    /// Predictions of the student that the search trained on the teacher's labels alone (`alpha` is 1), before any refit. Empty if it trained none.
    pure: Vec<f64>,
    /// Mean squared errors of the teacher on training rows, in the learned unit: (out of fold, in sample) for each pilot. Empty if limbeck does not
    /// fit the teacher.
    teacher_fit: Vec<(f64, f64)>,
    notes: Vec<String>,
}

/// One pilot: a small run on `data`, which is a sample of the rows.
pub(super) struct Pilot<'a> {
    pub(super) labels: LabelOptions<'a>,
    pub(super) study: StudyOptions<'a>,
    /// Number of refits of each student, each with another seed.
    pub(super) repeats: usize,
    pub(super) data: &'a Dataset,
    pub(super) session: &'a Session<'a>,
}

impl Pilot<'_> {
    pub(super) fn run(&self, turn: usize, held: &mut Held) -> Result<()> {
        let (options, data, session) = (self.study, self.data, self.session);
        let labels = labels::make(self.labels, options, data, session)?;
        let study = Study {
            seed: options.seed + turn as u64,
            ..options.study(&data.targets.specs, session)
        };
        let watch = session.watch();
        let split = &data.split;
        let test = labels.known(data, &split.test);
        let lambda = options.transfer.perturb_weight;
        let (set, valid) = (
            labels.for_search(data, lambda),
            labels.known(data, &split.valid),
        );
        let search = Search::new(vec![Stage::new(&study, &set, Some(&valid))?]);
        session.tell(&Event::Steps(search::search_steps(options.student, 1)));
        let choice = search::choose(&search, &watch)?;
        let (baseline, distilled) = choice.best()?;
        let pure = choice
            .distilled
            .iter()
            .filter(|trial| trial.setting.alpha == Some(1.0))
            .max_by_key(|trial| trial.setting.steps);

        // Refit as in a full run: on all rows except those held out, with several seeds.
        let all = labels.for_refit(data, lambda);
        let refit_stage = Stage::new(&study, &all, None)?;
        let seeds: Vec<u64> = (0..self.repeats as u64)
            .map(|repeat| study.seed + repeat)
            .collect();
        let refitted = search::refit(
            &refit_stage,
            (baseline.setting, baseline.stop),
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
        let (baseline_errors, distilled_errors) = (
            errors(&|pair| &pair.baseline)?,
            errors(&|pair| &pair.distilled)?,
        );

        if turn == 0 {
            held.curve =
                self.learning_curve(&labels, &study, (search.first(), baseline), &watch)?;
        }
        let unit = data.spec().unit;
        held.baseline
            .extend(predict(search.first(), baseline, &test.features)?);
        if let Some(pure) = pure {
            held.pure
                .extend(predict(search.first(), pure, &test.features)?);
        }
        let teacher: Vec<f64> = test.teacher.iter().map(|&mean| unit.target(mean)).collect();
        let root = |errors: &[f64]| metrics::weighted_mean(errors, &test.weight).sqrt();
        held.by_pilot.push(Rmse {
            teacher: metrics::rmse(&teacher, &target, &test.weight),
            baseline: root(&baseline_errors),
            distilled: root(&distilled_errors),
        });
        held.baseline_errors.extend(baseline_errors);
        held.distilled_errors.extend(distilled_errors);
        held.target.extend(target);
        held.teacher.extend(teacher);
        // A block has the same number in all pilots. Pilots hold out different rows, and a group that several pilots hold out stays one block.
        held.blocks.extend(blocks(data));
        held.weight.extend(&test.weight);
        held.teacher_fit.extend(self.teacher_fit(&labels)?);
        // The notes of other pilots differ only in their numbers.
        if turn == 0 {
            held.notes = labels.summary.notes;
        }
        Ok(())
    }

    /// The learning curve: RMSE of the baseline on held-out rows, when trained on half of the training rows and on all of them. `all` is the baseline
    /// trained on all of them, as the search chose it, with its stage.
    fn learning_curve(
        &self,
        labels: &LabelStore,
        study: &Study<'_>,
        all: (&Stage<'_>, &Trial),
        watch: search::Watch<'_>,
    ) -> Result<Option<LearningCurve>> {
        let (data, split) = (self.data, &self.data.split);
        let rows = data.half(&split.train);
        let half = TransferSet::plain(labels.known(data, &rows));
        let (valid, test) = (
            labels.known(data, &split.valid),
            labels.known(data, &split.test),
        );
        let search = Search::new(vec![Stage::new(study, &half, Some(&valid))?]);
        let trial = search::choose_baseline(&search, watch)?;
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

    /// Mean squared errors of the teacher on training rows, in the learned unit: (out of fold, in sample). `None` if limbeck did not fit the teacher.
    fn teacher_fit(&self, store: &LabelStore) -> Result<Option<(f64, f64)>> {
        let Some(bytes) = &store.file else {
            return Ok(None);
        };
        // Training rows without an out-of-fold label, the earliest in time, are left out of both errors.
        let rows: Vec<usize> = self
            .data
            .split
            .train
            .iter()
            .copied()
            .filter(|&row| store.teacher[row].is_finite())
            .collect();
        let teacher = FittedTeacher::from_bytes(bytes)?;
        let seen = teacher.predict(&self.data.features.select(&rows))?.mean;
        let unseen: Vec<f64> = rows.iter().map(|&row| store.teacher[row]).collect();
        let target = self.data.learned_of(&rows);
        let weight = self.data.weight_of(&rows);
        let error =
            |pred: &[f64]| metrics::weighted_mean(&Measure::Rmse.rows(pred, &target), &weight);
        Ok(Some((error(&unseen), error(&seen))))
    }
}

/// The block of each held-out row: its group or stretch of time if the table is split by one; otherwise each row is a block.
fn blocks(data: &Dataset) -> Vec<u32> {
    let rows = &data.split.test;
    data.blocks_of(rows)
        .unwrap_or_else(|| rows.iter().map(|&row| row as u32).collect())
}

fn predict(stage: &Stage<'_>, trial: &Trial, features: &Features) -> Result<Vec<f64>> {
    let student = stage.student(trial, BTreeMap::new(), Vec::new())?;
    Ok(limbeck_distill::predict(&student, features)?)
}

impl Held {
    fn errors(&self, pred: &[f64]) -> Vec<f64> {
        Measure::Rmse.rows(pred, &self.target)
    }

    fn rmse(&self, pred: &[f64]) -> f64 {
        metrics::rmse(pred, &self.target, &self.weight)
    }

    /// Mean over rows of the squared error `worse` minus the squared error `better`, and the standard error of this mean.
    fn difference(&self, worse: &[f64], better: &[f64]) -> Paired {
        let lost: Vec<f64> = worse.iter().zip(better).map(|(a, b)| a - b).collect();
        paired(&lost, &self.weight, &self.blocks)
    }

    pub(super) fn report(
        &self,
        labels: LabelOptions<'_>,
        study: StudyOptions<'_>,
        worth: f64,
        data: &Dataset,
        rows: RowCounts,
    ) -> Result<PreflightReport> {
        let root = |errors: &[f64]| metrics::weighted_mean(errors, &self.weight).sqrt();
        let rmse = Rmse {
            teacher: self.rmse(&self.teacher),
            baseline: root(&self.baseline_errors),
            distilled: root(&self.distilled_errors),
        };
        let teacher_gap = self.difference(&self.baseline_errors, &self.errors(&self.teacher));
        let saved = self.difference(&self.baseline_errors, &self.distilled_errors);
        let closed_form = self.closed_form(study.seed);
        let teacher_fit = teacher_fit(&self.teacher_fit);
        let Some(learning_curve) = self.curve else {
            unreachable!("the first pilot measures it")
        };
        let mut notes = self.notes.clone();
        if teacher_fit.is_none() {
            notes.push(
                "the teacher was not fitted by limbeck, so its error on the rows that it was fitted on is unknown; if it was fitted on rows of \
                 this table, it looks better here than it is"
                    .into(),
            );
        }
        if closed_form.is_none() {
            let why = if study.objective.alpha == Alpha::Auto {
                "the student trained on targets alone and the student trained on teacher labels alone predict the same"
            } else {
                "the option `objective.alpha` is a fixed number"
            };
            notes.push(format!(
                "the best share of teacher labels in the loss (in closed form) cannot be computed, because {why}"
            ));
        }
        if labels.unlabeled.is_some() {
            notes.push(
                "preflight did not use the additional rows without targets (`unlabeled`)".into(),
            );
        }
        let over_pilots = over_pilots(&self.by_pilot);
        let verdict = judge(&Findings {
            rows,
            worth,
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
            seed: study.seed,
            source: data.summary.source.clone(),
            target: data.spec().name.clone(),
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
            &self.baseline,
            &self.pure,
            &self.target,
            &self.weight,
            &self.blocks,
            seed,
        )
    }
}

/// The weighted mean of a difference over rows, and its standard error over blocks of rows. The standard error is 0 for a single block.
fn paired(difference: &[f64], weight: &[f64], blocks: &[u32]) -> Paired {
    let (mean, error) = metrics::mean_and_standard_error(difference, weight, Some(blocks));
    Paired {
        mean,
        standard_error: if error.is_finite() { error } else { 0.0 },
    }
}

/// Slope of the learning curve on logarithmic axes: how the squared error falls if the number of rows is multiplied by `growth`.
fn slope(half: f64, all: f64, growth: f64) -> f64 {
    2.0 * (all / half).ln() / growth.ln()
}

/// The best share of teacher labels in the loss ([`search::closed_form_alpha`]), with a 95 % bootstrap interval over blocks. `baseline` and `pure`
/// are the predictions of a student trained on targets alone and of one trained on teacher labels alone; `None` if these predictions are the same.
fn closed_form(
    baseline: &[f64],
    pure: &[f64],
    target: &[f64],
    weight: &[f64],
    blocks: &[u32],
    seed: u64,
) -> Option<Share> {
    let value = search::closed_form_alpha(baseline, pure, target, weight)?;
    let rows = || baseline.iter().zip(pure).zip(target);
    let top: Vec<f64> = rows()
        .map(|((baseline, pure), y)| (pure - baseline) * (y - baseline))
        .collect();
    let bottom: Vec<f64> = rows()
        .map(|((baseline, pure), _)| (pure - baseline).powi(2))
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

/// Noise of the target in the learned unit, estimated from all rows of the sample; for comparison, the teacher's RMSE on held-out rows. `None` if the
/// noise cannot be estimated.
pub(super) fn noise_floor(pilot: &Dataset, held: &Held) -> Result<Option<NoiseFloor>> {
    let unit = pilot.spec().unit;
    let to_learned = |values: &[f64]| {
        values
            .iter()
            .map(|&value| unit.learn(value))
            .collect::<Vec<f64>>()
    };
    let found = noise(&pilot.features, &to_learned(pilot.target()))?;
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

#[cfg(test)]
mod tests {
    use super::*;
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
}
