//! Trains and validates trials on one or several train/validation splits.
//!
//! A choice on a few dozen validation rows depends on chance. So if there are few rows, they are split several times, with validation rows that do
//! not overlap, and a trial is trained on each split. Its error is computed on all validation rows together. All splits share one stopping point: the
//! end of the schedule, unless this error is lower at an earlier point by more than one standard error.

use std::sync::atomic::{AtomicBool, Ordering};

use limbeck_data::metrics::{self, Measure};
use rayon::prelude::*;

use crate::error::Result;
use crate::stage::asked;
use crate::stage::{Stage, Trained, smooth_best};
use crate::transfer::set::KnownRows;
use crate::trial::{Choice, Setting, Training, Trial, Watch, closed_form_alpha};

/// One or several train/validation splits, and the validation rows of all of them.
pub struct Search<'a> {
    stages: Vec<Stage<'a>>,
    /// Targets of the validation rows of all splits, in the learned unit, target by target: `[targets, rows of all splits]`.
    target: Vec<f64>,
    weight: Vec<f64>,
    /// Block of each validation row of all splits (the number of its group or time period); `None` if rows are independent.
    blocks: Option<Vec<u32>>,
    /// The teacher's predictions on the validation rows, in the same layout as `target`.
    teacher: Vec<f64>,
}

impl<'a> Search<'a> {
    /// Makes a search from one [`Stage`] per split. There must be at least one, and each must have validation rows.
    #[must_use]
    pub fn new(mut stages: Vec<Stage<'a>>) -> Self {
        Stage::share_alike(&mut stages);
        let all =
            |of: &dyn Fn(&Stage<'a>) -> Vec<f64>| stages.iter().flat_map(of).collect::<Vec<f64>>();
        let weight = |held: &KnownRows| held.weight.clone();
        let weight = all(&|stage| stage.first().held.map_or_else(Vec::new, weight));
        let target = by_target(&stages, &all(&Stage::valid_target));
        let teacher = by_target(&stages, &all(&Stage::valid_teacher));
        // A group is held out by one split at most.
        let blocks = stages
            .iter()
            .map(|stage| stage.first().held.and_then(|held| held.blocks.as_deref()))
            .collect::<Option<Vec<_>>>()
            .map(|blocks| blocks.concat());
        Self {
            stages,
            target,
            weight,
            blocks,
            teacher,
        }
    }

    /// The prepared rows of the first split.
    #[must_use]
    pub fn first(&self) -> &Stage<'a> {
        &self.stages[0]
    }

    /// The prepared rows of all splits.
    #[must_use]
    pub fn stages(&self) -> &[Stage<'a>] {
        &self.stages
    }

    /// The closed-form `alpha` ([`closed_form_alpha`]), from the `baseline` and a student `pure` with `alpha` 1. `None` if the two make equal
    /// predictions.
    pub(crate) fn closed_form_alpha(&self, baseline: &Trial, pure: &Trial) -> Option<f64> {
        let stage = self.first();
        let all = |pred: &[f64]| stage.comparable(by_target(&self.stages, pred));
        let (target, weight) = (
            stage.comparable(self.target.clone()),
            self.weight.repeat(stage.targets()),
        );
        closed_form_alpha(
            &all(&baseline.valid_pred),
            &all(&pure.valid_pred),
            &target,
            &weight,
        )
    }

    /// A trial reduced to target number `at` (from 0): its curve, validation predictions and validation error are those of this target alone.
    #[must_use]
    pub fn of_target(&self, trial: &Trial, at: usize) -> Trial {
        if self.first().targets() == 1 {
            return trial.clone();
        }
        let rows = self.weight.len();
        let own = |pred: &Vec<f64>| by_target(&self.stages, pred)[at * rows..][..rows].to_vec();
        let valid_pred = own(&trial.valid_pred);
        let target = &self.target[at * rows..][..rows];
        let valid_error = (self.first()).error_of(at, &valid_pred, target, &self.weight);
        Trial {
            curve: trial.curve.iter().map(|one| one.of_target(at)).collect(),
            again: trial.again.iter().map(own).collect(),
            valid_error,
            valid_pred,
            ..trial.clone()
        }
    }

    /// The same choice, with all trials reduced to target number `at` (from 0); see [`of_target`](Self::of_target).
    #[must_use]
    pub fn choice_of(&self, choice: &Choice, at: usize) -> Choice {
        let of = |trials: &[Trial]| trials.iter().map(|one| self.of_target(one, at)).collect();
        Choice {
            baseline: of(&choice.baseline),
            distilled: of(&choice.distilled),
            ..*choice
        }
    }

    /// Validation error of the teacher of target number `at` (from 0), in the target's unit; `None` if it labelled no validation row.
    #[must_use]
    pub fn valid_error_teacher_of(&self, at: usize) -> Option<f64> {
        let rows = self.weight.len();
        let (answers, target) = (
            &self.teacher[at * rows..][..rows],
            &self.target[at * rows..][..rows],
        );
        let error = (self.first()).error_of(at, answers, &asked(answers, target), &self.weight);
        Some(error).filter(|error| error.is_finite())
    }

    pub(crate) fn measure(&self) -> Measure {
        self.first().measure()
    }

    /// The error of predictions `pred` on the validation rows of all splits, in the order of [`Trial::valid_pred`]. It is in the target's unit, or in
    /// standard deviations if there are several targets.
    pub(crate) fn error(&self, pred: &[f64]) -> f64 {
        let pred = by_target(&self.stages, pred);
        self.first().error(&pred, &self.target, &self.weight)
    }

    /// Validation error of the teacher, on the rows that it labelled. It is in the target's unit, or in standard deviations if there are several
    /// targets. `None` if the teacher labelled no validation row.
    #[must_use]
    pub fn valid_error_teacher(&self) -> Option<f64> {
        self.first()
            .teacher_error(&self.teacher, &self.target, &self.weight)
    }

    /// True if the validation error of `trial` exceeds that of `other` by at most one standard error of their difference.
    #[must_use]
    pub fn as_good(&self, trial: &Trial, other: &Trial) -> bool {
        trial.valid_error <= other.valid_error
            || self.close(&self.losses(trial), &self.losses(other))
    }

    /// For each validation row, its squared error or pinball loss, averaged over the seeds with which the trial was trained.
    fn losses(&self, trial: &Trial) -> Vec<f64> {
        let mut losses = self.losses_of(&trial.valid_pred);
        for pred in &trial.again {
            losses
                .iter_mut()
                .zip(self.losses_of(pred))
                .for_each(|(sum, loss)| *sum += loss);
        }
        let seeds = (1 + trial.again.len()) as f64;
        losses.iter_mut().for_each(|loss| *loss /= seeds);
        losses
    }

    fn losses_of(&self, pred: &[f64]) -> Vec<f64> {
        let pred = by_target(&self.stages, pred);
        self.first().losses(&pred, &self.target)
    }

    /// True if the mean of `losses` over validation rows exceeds the mean of `best` by at most one standard error of the difference.
    fn close(&self, losses: &[f64], best: &[f64]) -> bool {
        let lost = losses.iter().zip(best).map(|(loss, best)| loss - best);
        let (lost, blocks) = (lost.collect::<Vec<f64>>(), self.blocks.as_deref());
        let (mean, standard_error) = metrics::mean_and_standard_error(&lost, &self.weight, blocks);
        mean <= standard_error
    }

    /// Trains a setting on every split, and combines the results into one trial; see [`stopped`](Self::stopped).
    pub(crate) fn train(&self, setting: Setting, watch: Watch<'_>) -> Result<Trial> {
        Ok(self.stopped(setting, self.trained(setting, setting.steps, 0, watch)?))
    }

    /// Trains a setting once on every split, up to step `until` of its schedule. Each `round` (0 for the search) uses other seeds.
    fn trained(
        &self,
        setting: Setting,
        until: usize,
        round: usize,
        watch: Watch<'_>,
    ) -> Result<Vec<Trained>> {
        let one = |(at, stage): (usize, &Stage<'a>)| {
            // Each split has another seed, so that a setting is not chosen for its luck with one seed.
            let seed = stage.study.seed + (at + round * self.stages.len()) as u64;
            stage.train(
                &stage.lesson(setting)?,
                &Training::search_on(at, setting, seed),
                until,
                watch,
            )
        };
        self.stages.par_iter().enumerate().map(one).collect()
    }

    /// Trains the network of a trial again with `rounds` other seeds, up to the trial's stopping point. The validation error becomes the error over
    /// all seeds. The error with the first seed alone is too optimistic, since it was the best of many.
    pub(crate) fn train_again(
        &self,
        trial: &Trial,
        rounds: usize,
        watch: Watch<'_>,
    ) -> Result<Trial> {
        let one = |round: usize| -> Result<Option<Vec<f64>>> {
            let trained = self.trained(trial.setting, trial.stop, round, watch)?;
            // A training that was stopped before its first point has no predictions.
            Ok(trained
                .into_iter()
                .map(|mut one| Some(one.snapshots.pop()?.pred))
                .collect::<Option<Vec<_>>>()
                .map(|preds| preds.concat()))
        };
        let again: Vec<Option<Vec<f64>>> = (1..=rounds)
            .into_par_iter()
            .map(one)
            .collect::<Result<_>>()?;
        let mut trial = Trial {
            again: again.into_iter().flatten().collect(),
            ..trial.clone()
        };
        trial.valid_error = self
            .measure()
            .of_mean(metrics::weighted_mean(&self.losses(&trial), &self.weight));
        Ok(trial)
    }

    /// Trains several settings in parallel. A setting is left out if a stop ends its training before the first point of the curve, since it has no
    /// validation error then. After a stop, no further setting is trained for a student that already has a trial.
    pub(crate) fn train_all(&self, settings: Vec<Setting>, watch: Watch<'_>) -> Result<Vec<Trial>> {
        let stop = self.first().study.stop;
        let has_learned = |trial: &Trial| !trial.valid_pred.is_empty();
        let has_one = [AtomicBool::new(false), AtomicBool::new(false)];
        let train = |setting: Setting| -> Result<Option<Trial>> {
            let has_one = &has_one[usize::from(setting.alpha.is_some())];
            if has_one.load(Ordering::Relaxed) && stop.is_over() {
                return Ok(None);
            }
            let trial = Some(self.train(setting, watch)?).filter(has_learned);
            has_one.fetch_or(trial.is_some(), Ordering::Relaxed);
            Ok(trial)
        };
        let trials: Vec<Option<Trial>> =
            settings.into_par_iter().map(train).collect::<Result<_>>()?;
        Ok(trials.into_iter().flatten().collect())
    }

    /// Combines the trainings of a setting on all splits into one trial. The stopping point is the best point of the smoothed validation curve,
    /// with one exception. If training reached the end of the schedule, and the best point is not better than that end by more than one standard
    /// error, the stopping point is the end.
    fn stopped(&self, setting: Setting, mut trained: Vec<Trained>) -> Trial {
        let points = trained
            .iter()
            .map(|one| one.snapshots.len())
            .min()
            .unwrap_or(0);
        let weights: Vec<f64> = self
            .stages
            .iter()
            .map(|stage| {
                let held = stage.first().held;
                held.map_or(0.0, |held| held.weight.iter().sum())
            })
            .collect();
        let total: f64 = weights.iter().sum();
        let mean = |point: usize| {
            trained
                .iter()
                .zip(&weights)
                .map(|(one, weight)| one.snapshots[point].mean * weight)
                .sum::<f64>()
                / total
        };
        let (smooth, best) = smooth_best(&(0..points).map(mean).collect::<Vec<f64>>());
        let Some(mut stop) = best else {
            // There is no validation error: training was stopped on some split before its first point.
            return trained.swap_remove(0).last(setting);
        };
        let valid_error = self.measure().of_mean(smooth[stop]);
        let pred = |point: usize| {
            trained
                .iter()
                .flat_map(|one| &one.snapshots[point].pred)
                .copied()
                .collect::<Vec<f64>>()
        };
        let is_whole = trained[0].snapshots[points - 1].step == setting.steps;
        if is_whole
            && self.close(
                &self.losses_of(&pred(points - 1)),
                &self.losses_of(&pred(stop)),
            )
        {
            stop = points - 1;
        }
        let valid_pred = pred(stop);
        let first = trained.swap_remove(0);
        let snapshot = &first.snapshots[stop];
        Trial {
            setting,
            stop: snapshot.step,
            valid_error,
            valid_pred,
            again: Vec::new(),
            params: snapshot.params.clone(),
            curve: first.curve,
            model: None,
        }
    }
}

/// Reorders validation values from the order of splits, `[splits][targets, rows]`, to the order of targets, `[targets][splits, rows]`.
fn by_target(stages: &[Stage<'_>], values: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len());
    for target in 0..stages[0].targets() {
        let mut rest = values;
        for stage in stages {
            let rows = stage.first().held.map_or(0, |held| held.target.len());
            let own;
            (own, rest) = rest.split_at((rows * stage.targets()).min(rest.len()));
            out.extend(own.iter().skip(target * rows).take(rows));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use limbeck_data::checkpoint::NO_CHECKPOINTS;
    use limbeck_data::stop::Asked;
    use limbeck_data::{Feature, FeatureValues, Features, Stop, TargetSpec};
    use limbeck_nets::Control;

    use super::*;
    use crate::error::Error;
    use crate::hints::HintOptions;
    use crate::objective::ObjectiveOptions;
    use crate::search::{NewRows, Study, TransferSet, choose};
    use crate::stage::Y;
    use crate::student::StudentOptions;

    fn features(rows: std::ops::Range<usize>) -> Features {
        let number = |j: usize| Feature {
            name: format!("n{j}"),
            values: FeatureValues::Number(
                rows.clone()
                    .map(|i| ((i * (2 * j + 3)) as f64 * 0.618_033_988).fract())
                    .collect(),
            ),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            columns: (0..2).map(number).collect(),
            rows: rows.len(),
            past: None,
        }
    }

    fn target(features: &Features) -> Vec<f64> {
        let FeatureValues::Number(first) = &features.columns[0].values else {
            unreachable!("numbers")
        };
        first.iter().map(|x| 10.0 + (5.0 * x).sin()).collect()
    }

    /// A search on splits with these validation rows; the rows before and after them are training rows.
    fn on_splits(
        student: &StudentOptions,
        valid: &[(usize, usize)],
        blocks: Option<&[u32]>,
        check: impl FnOnce(&Search<'_>),
    ) {
        on_targets(&[1.0], student, valid, blocks, check);
    }

    /// A search for several targets, which are one target in several units.
    fn on_targets(
        units: &[f64],
        student: &StudentOptions,
        valid: &[(usize, usize)],
        blocks: Option<&[u32]>,
        check: impl FnOnce(&Search<'_>),
    ) {
        on_targets_until(Stop::NEVER, units, student, valid, blocks, check);
    }

    /// The same with a stop.
    fn on_targets_until(
        stop: Stop<'_>,
        units: &[f64],
        student: &StudentOptions,
        valid: &[(usize, usize)],
        blocks: Option<&[u32]>,
        check: impl FnOnce(&Search<'_>),
    ) {
        let (objective, hints) = (ObjectiveOptions::default(), HintOptions::default());
        let spec = |at| TargetSpec {
            name: format!("y{at}"),
            ..Y.clone()
        };
        let specs: Vec<TargetSpec> = (0..units.len()).map(spec).collect();
        let study = Study {
            student,
            objective: &objective,
            hints: &hints,
            slope_reach: 1.0,
            targets: &specs,
            target_weights: &[],
            horizon_weights: &[],
            rows_before: 0,
            seed: 3,
            checkpoints: &NO_CHECKPOINTS,
            stop,
        };
        let known = |features: Features, unit: f64, blocks: Option<&[u32]>| {
            let target: Vec<f64> = target(&features).iter().map(|y| unit * y).collect();
            let n = target.len();
            KnownRows {
                rows: (0..n).collect(),
                features: features.into(),
                teacher: target.clone(),
                target,
                weight: vec![1.0; n],
                blocks: blocks.map(<[u32]>::to_vec),
                std: vec![1.0; n],
            }
        };
        let set = |unit: &f64| {
            let more = features(500..600);
            let new = NewRows {
                mean: target(&more).iter().map(|y| unit * y).collect(),
                features: more.into(),
                std: vec![1.0; 100],
                source: vec![None; 100],
                weight: vec![1.0; 100],
                second: vec![false; 100],
            };
            TransferSet {
                known: known(features(0..200), *unit, None),
                new,
                coordinates: None,
            }
        };
        let sets: Vec<TransferSet> = units.iter().map(set).collect();
        let held = |&(from, to): &(usize, usize)| -> Vec<KnownRows> {
            let of = |unit: &f64| known(features(from..to), *unit, blocks);
            units.iter().map(of).collect()
        };
        let held: Vec<Vec<KnownRows>> = valid.iter().map(held).collect();
        let stages = held.iter().map(|held| {
            let both = sets.iter().zip(held.iter().map(Some));
            Stage::joint(&study, both.collect()).unwrap()
        });
        check(&Search::new(stages.collect()));
    }

    fn trial(valid_error: f64, valid_pred: &[f64]) -> Trial {
        Trial {
            setting: Setting::plain(None, 1),
            curve: Vec::new(),
            stop: 0,
            valid_error,
            valid_pred: valid_pred.to_vec(),
            again: Vec::new(),
            params: Vec::new(),
            model: None,
        }
    }

    /// A stop that was asked for long ago, once its flag is set.
    struct AskedLongAgo(AtomicBool);

    impl Asked for AskedLongAgo {
        fn is_asked(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }

        fn known_for(&self) -> Duration {
            Duration::from_secs(3600)
        }
    }

    #[test]
    fn a_trial_without_a_point_on_each_split_is_left_out() {
        let student = StudentOptions {
            params: 500,
            steps: 60,
            trials: 1,
            ..StudentOptions::default()
        };
        // One thread trains the splits one after the other: the first has a point, the second none.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        for units in [&[1.0][..], &[1.0, 10.0]] {
            let asked = AskedLongAgo(AtomicBool::new(false));
            let watch = |_: &crate::trial::Progress<'_>| {
                asked.0.store(true, Ordering::Relaxed);
                Control::Continue
            };
            let check = |search: &Search<'_>| {
                let settings = [Some(1.0), None].map(|alpha| Setting::plain(alpha, 60));
                let trial = search.train(settings[0], &watch).unwrap();
                assert!(!trial.curve.is_empty() && trial.valid_pred.is_empty());
                asked.0.store(false, Ordering::Relaxed);
                assert!(
                    search
                        .train_all(settings.to_vec(), &watch)
                        .unwrap()
                        .is_empty()
                );
                asked.0.store(false, Ordering::Relaxed);
                let choice = choose(search, &watch).unwrap();
                assert!(matches!(choice.best(), Err(Error::Interrupted)));
            };
            pool.as_ref().unwrap().install(|| {
                let valid = [(200, 230), (300, 350)];
                on_targets_until(Stop::on(&asked), units, &student, &valid, None, check);
            });
        }
    }

    #[test]
    fn several_targets_are_judged_each_in_its_own_unit() {
        let student = StudentOptions {
            params: 600,
            steps: 300,
            ..StudentOptions::default()
        };
        let valid = [(200, 230), (300, 350)];
        on_targets(&[1.0, 1000.0], &student, &valid, None, |search| {
            let setting = Setting::plain(Some(0.5), 300);
            let trial = search.train(setting, &|_| Control::Continue).unwrap();
            assert_eq!(trial.valid_pred.len(), 2 * 80);
            let [one, other] = [0, 1].map(|at| search.of_target(&trial, at));
            assert_eq!((one.valid_pred.len(), other.valid_pred.len()), (80, 80));
            // Both outputs learn the same curve, and each is in its unit.
            for (small, large) in one.valid_pred.iter().zip(&other.valid_pred) {
                assert!((large / 1000.0 - small).abs() < 0.7, "{small} {large}");
            }
            // Errors in standard deviations, whose squares are averaged.
            let z = search.first().comparable(vec![0.0, 1.0, 0.0, 0.0]);
            let sd = 1.0 / (z[1] - z[0]);
            let both = ((one.valid_error / sd).powi(2)
                + (other.valid_error / (1000.0 * sd)).powi(2))
                / 2.0;
            let error = search.error(&trial.valid_pred);
            assert!((error / both.sqrt() - 1.0).abs() < 1e-5, "{error} {both}");
            // A curve tells where each target stands.
            let point = trial.curve.last().unwrap();
            assert_eq!(point.targets.len(), 2);
            let seen = one.curve.last().unwrap().valid_error.unwrap();
            assert_eq!(seen, point.targets[0].valid_error);
            assert_eq!(search.valid_error_teacher_of(1), Some(0.0));
        });
    }

    #[test]
    fn a_student_of_several_targets_is_cut_down_to_each() {
        let student = StudentOptions {
            params: 400,
            steps: 60,
            ..StudentOptions::default()
        };
        on_targets(&[1.0, -3.0], &student, &[(200, 230)], None, |search| {
            let stage = search.first();
            let setting = Setting::plain(None, 60);
            let trial = search.train(setting, &|_| Control::Continue).unwrap();
            let rows = features(40..50);
            let whole = stage
                .student(&trial, Default::default(), Vec::new())
                .unwrap();
            assert!(whole.parameters() <= 400, "{}", whole.parameters());
            let both = whole.predict(&rows.raw(), 10).unwrap();
            for at in 0..2 {
                let one = stage
                    .student_of(&trial, at, Default::default(), Vec::new())
                    .unwrap();
                let found = one.predict(&rows.raw(), 10).unwrap();
                let own = both.iter().skip(at).step_by(2);
                for (found, expected) in found.iter().zip(own) {
                    assert!((found - expected).abs() < 1e-4, "{found} {expected}");
                }
            }
        });
    }

    #[test]
    fn both_sides_have_the_same_trials_on_all_validation_rows() {
        let student = StudentOptions {
            params: 2000,
            steps: 240,
            trials: 2,
            ..StudentOptions::default()
        };
        on_splits(&student, &[(200, 230), (300, 350)], None, |search| {
            let choice = choose(search, &|_| Control::Continue).unwrap();
            for trial in choice.baseline.iter().chain(&choice.distilled) {
                assert_eq!(trial.valid_pred.len(), 80);
                let stage = search.first();
                assert!(
                    stage
                        .student(trial, Default::default(), Vec::new())
                        .unwrap()
                        .parameters()
                        <= (2000.0 * trial.setting.size) as usize
                );
                // The smoothed error is near that of the predictions kept.
                assert!(
                    (search.error(&trial.valid_pred) / trial.valid_error - 1.0).abs() < 0.5,
                    "{:?}",
                    trial.setting
                );
            }
            let sizes = |trials: &[Trial]| {
                trials
                    .iter()
                    .map(|trial| trial.setting.size.to_string())
                    .collect::<std::collections::BTreeSet<_>>()
                    .len()
            };
            assert_eq!(sizes(&choice.baseline), 4);
            assert!(sizes(&choice.distilled) >= 3);
            // The best of each side was trained again, with two more seeds.
            let (baseline, distilled) = choice.best().unwrap();
            assert_eq!((baseline.again.len(), distilled.again.len()), (2, 2));
            assert_eq!(baseline.again[0].len(), 80);
            let mean = |trial: &Trial| {
                std::iter::once(&trial.valid_pred)
                    .chain(&trial.again)
                    .map(|pred| search.error(pred).powi(2))
                    .sum::<f64>()
                    / 3.0
            };
            assert!((mean(baseline).sqrt() - baseline.valid_error).abs() < 1e-9);
            // All schedules fall together here: six of the first rung, three moves of each side.
            assert!(
                choice.baseline.len() >= 8 && choice.distilled.len() >= 8,
                "{} {}",
                choice.baseline.len(),
                choice.distilled.len()
            );
            assert!(choice.closed_form.is_none() || choice.closed_form.is_some_and(f64::is_finite));
            assert_eq!(search.valid_error_teacher(), Some(0.0));
        });
    }

    #[test]
    fn standard_errors_heed_groups() {
        let student = StudentOptions {
            params: 500,
            steps: 20,
            trials: 1,
            ..StudentOptions::default()
        };
        // Worse by a little in the first half of the rows, better by less in the other.
        let shift = |y: &[f64]| {
            y.iter()
                .enumerate()
                .map(|(i, y)| {
                    y + if i < 4 {
                        0.2 + 0.01 * (i % 2) as f64
                    } else {
                        0.02
                    }
                })
                .collect::<Vec<f64>>()
        };
        let base = |y: &[f64]| y.iter().map(|y| y + 0.1).collect::<Vec<f64>>();
        let close = |blocks: Option<&[u32]>| {
            let mut found = false;
            on_splits(&student, &[(200, 208)], blocks, |search| {
                let y = search.target.to_vec();
                found = search.as_good(&trial(1.0, &shift(&y)), &trial(0.9, &base(&y)));
            });
            found
        };
        // Squared errors differ by about 0.0305 in four rows and by −0.0096 in four: mean 0.0105, standard error 0.0076 of eight rows, but
        // 0.02 of two groups.
        assert!(!close(None));
        assert!(close(Some(&[0, 0, 0, 0, 1, 1, 1, 1])));
    }

    #[test]
    fn larger_share_on_a_longer_schedule_is_chosen_within_one_standard_error() {
        let student = StudentOptions {
            params: 500,
            steps: 20,
            trials: 1,
            ..StudentOptions::default()
        };
        on_splits(&student, &[(200, 220)], None, |search| {
            // Errors of 0.1, whose signs differ from row to row, so that squared errors differ by chance alone; and errors of 0.5.
            let off = |by: f64, turn: usize| {
                search
                    .target
                    .iter()
                    .enumerate()
                    .map(|(i, y)| y + by * (1.0 + 0.5 * ((i + turn) % 2) as f64))
                    .collect::<Vec<f64>>()
            };
            let of = |alpha, steps, error, pred: &[f64]| Trial {
                setting: Setting::plain(alpha, steps),
                ..trial(error, pred)
            };
            let choice = |long: Trial| crate::search::Choice {
                baseline: vec![
                    of(None, 9, 0.3, &off(0.1, 0)),
                    of(None, 1, 0.2, &off(0.1, 1)),
                ],
                distilled: vec![of(Some(0.4), 1, 0.10, &off(0.1, 0)), long],
                ..Default::default()
            };
            let close = choice(of(Some(1.0), 9, 0.11, &off(0.1, 1)));
            assert_eq!(crate::search::ladder::chosen(search, &close), Some((1, 1)));
            let worse = choice(of(Some(1.0), 9, 0.50, &off(0.5, 1)));
            assert_eq!(crate::search::ladder::chosen(search, &worse), Some((1, 0)));
        });
    }

    #[test]
    fn larger_share_is_taken_only_where_the_teacher_leads_and_near_ones_are_one() {
        let student = StudentOptions {
            params: 500,
            steps: 20,
            trials: 1,
            ..StudentOptions::default()
        };
        on_splits(&student, &[(200, 220)], None, |search| {
            let off = |turn: usize| -> Vec<f64> {
                let target = search.target.iter().enumerate();
                let error = |i: usize| 0.1 * (1.0 + 0.5 * ((i + turn) % 2) as f64);
                target.map(|(i, y)| y + error(i)).collect()
            };
            let of = |alpha, steps, error, turn| Trial {
                setting: Setting::plain(alpha, steps),
                ..trial(error, &off(turn))
            };
            let chosen = |baseline: f64, distilled: [(f64, usize); 2]| {
                let [best, other] = distilled;
                let choice = crate::search::Choice {
                    baseline: vec![of(None, 1, baseline, 0)],
                    distilled: vec![
                        of(Some(best.0), best.1, 0.10, 0),
                        of(Some(other.0), other.1, 0.11, 1),
                    ],
                    ..Default::default()
                };
                crate::search::ladder::chosen(search, &choice)
            };
            assert_eq!(chosen(0.2, [(0.40, 9), (0.44, 1)]), Some((0, 0)));
            assert_eq!(chosen(0.2, [(0.44, 1), (0.40, 9)]), Some((0, 1)));
            assert_eq!(chosen(0.2, [(0.40, 9), (0.70, 1)]), Some((0, 1)));
            // The teacher makes no error here, which only a baseline without one equals: then neither share nor schedule counts.
            assert_eq!(chosen(0.0, [(0.44, 1), (0.40, 9)]), Some((0, 0)));
            assert_eq!(chosen(0.0, [(0.40, 9), (1.00, 9)]), Some((0, 0)));
        });
    }

    #[test]
    fn layers_that_are_given_have_one_size() {
        let student = StudentOptions {
            hidden: Some(vec![4]),
            steps: 20,
            trials: 1,
            ..StudentOptions::default()
        };
        on_splits(&student, &[(200, 220)], None, |search| {
            let choice = choose(search, &|_| Control::Continue).unwrap();
            assert!(
                choice
                    .baseline
                    .iter()
                    .chain(&choice.distilled)
                    .all(|trial| trial.setting.size == 1.0)
            );
        });
    }
}
