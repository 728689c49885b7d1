//! One train/validation split of the rows, with everything that trials on this split share: standardized labels, and a network design for each size.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use limbeck_data::checkpoint::Checkpoints;
use limbeck_data::metrics::Measure;
use limbeck_data::{Features, Stop, TargetSpec};
use limbeck_nets::{Control, Head, MlpShape, Network, Schedule, TrainOptions, TrainState, Trainer};
use limbeck_runtime::{Encoder, GoldenValue, Graph, Op, Output, Student, StudentParts};
use serde::{Deserialize, Serialize};

use crate::bins::Cuts;
use crate::error::{Error, Result};
use crate::hints::HintOptions;
use crate::lesson::{Aim, Inputs, Lesson};
use crate::objective::ObjectiveOptions;
use crate::student::options::{StudentKind, StudentOptions};
use crate::student::{Design, Heads};
use crate::target::Target;
use crate::transfer::set::{KnownRows, TransferSet};
use crate::trial::{Point, Progress, Setting, TargetPoint, Training, Trial, Watch};

/// Options and inputs that all trials share.
#[derive(Clone, Debug)]
pub struct Study<'a> {
    /// Options of the student: network, steps, batch, learning rate.
    pub student: &'a StudentOptions,
    /// Options of the loss.
    pub objective: &'a ObjectiveOptions,
    /// Options for learning from the teacher's features.
    pub hints: &'a HintOptions,
    /// Distance between the two rows of a pair, in standard deviations of the columns.
    pub slope_reach: f64,
    /// The targets: one, or several that one network predicts.
    pub targets: &'a [TargetSpec],
    /// Weights of the targets in the loss; empty for equal weights.
    pub target_weights: &'a [f64],
    /// Seed of the initial weights and of the order of the rows.
    pub seed: u64,
    /// Storage of finished and unfinished trainings.
    pub checkpoints: &'a Checkpoints,
    /// The condition that ends fits and trainings early.
    pub stop: Stop<'a>,
}

impl Study<'_> {
    /// The share of each target in the loss; the shares add up to 1.
    fn shares(&self) -> Vec<f64> {
        let equal = vec![1.0; self.targets.len()];
        let weights = match self.target_weights {
            [] => &equal,
            given => given,
        };
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }
}

/// Weight decay of distilled students. It is small, since teacher labels have little noise to overfit.
pub(crate) const DISTILLED_DECAY: f64 = 1e-3;
/// Sizes of networks that are tried, as shares of the parameter budget.
pub(crate) const SIZES: [f64; 4] = [1.0, 0.5, 0.25, 0.125];
/// Maximum number of points of a training curve.
const CURVE: usize = 40;
/// After a stop, a training without any point of its curve may go on for this time.
const GRACE: Duration = Duration::from_millis(700);
/// Early stopping: a trial ends once this share of the longest schedule has passed without a better point. Therefore shorter schedules are always
/// completed: a trial that looks bad at a high learning rate is often best once the learning rate falls.
const PATIENCE: f64 = 0.3;
/// The schedule of a quick student is the usual schedule divided by `QUICK`.
const QUICK: usize = 6;

/// Training rows and validation rows, prepared for trials.
///
/// With several targets, predictions and labels are stored target by target, `[n_targets, n_samples]`, and an error is the
/// weighted mean of the targets' errors, each in standard deviations of its target.
pub struct Stage<'a> {
    pub(crate) study: &'a Study<'a>,
    /// Networks by size. The first is made by [`new`](Self::new) if a network is trained; the others are made when they are first used.
    arms: [OnceLock<Arm>; SIZES.len()],
    cuts: Cuts,
    heads: Heads,
    targets: Vec<Target<'a>>,
    /// Factor of each target in the mean loss; 1 for a single target.
    shares: Vec<f64>,
}

/// A network of one size, and the rows encoded for it.
struct Arm {
    design: Design,
    inputs: Inputs,
    /// Inputs of the validation rows, as positions among the bins: `[n_samples, segments]`.
    valid: Vec<f32>,
}

/// The state of a trial at a point of its curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) step: usize,
    /// Mean of [`Measure::row`] over validation rows.
    pub(crate) mean: f64,
    pub(crate) pred: Vec<f64>,
    pub(crate) params: Vec<f32>,
}

/// The result of a training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trained {
    pub(crate) curve: Vec<Point>,
    /// One snapshot for each point of the curve; empty without validation rows.
    pub(crate) snapshots: Vec<Snapshot>,
    step: usize,
    params: Vec<f32>,
}

impl Trained {
    /// The student at the end of training, as a trial.
    pub(crate) fn last(self, setting: Setting) -> Trial {
        let Self {
            curve,
            step,
            params,
            ..
        } = self;
        Trial {
            setting,
            curve,
            stop: step,
            valid_error: f64::INFINITY,
            valid_pred: Vec::new(),
            again: Vec::new(),
            params,
            model: None,
        }
    }
}

/// Smooths a validation curve. Returns the smoothed curve, and the position of its minimum; `None` for an empty curve.
///
/// A single point of a curve is noisy, especially while the learning rate is high, and in the refit the noise is different. So each point is averaged
/// with its neighbors.
pub(crate) fn smooth_best(means: &[f64]) -> (Vec<f64>, Option<usize>) {
    let smooth = smoothed(means);
    let best = (0..smooth.len()).min_by(|&a, &b| smooth[a].total_cmp(&smooth[b]));
    (smooth, best)
}

/// The mean of each value and its neighbors, of which there are one or two.
fn smoothed(values: &[f64]) -> Vec<f64> {
    let mean = |i: usize| {
        let near = &values[i.saturating_sub(1)..(i + 2).min(values.len())];
        near.iter().sum::<f64>() / near.len() as f64
    };
    (0..values.len()).map(mean).collect()
}

impl<'a> Stage<'a> {
    /// Prepares the rows of one target for the study's students.
    ///
    /// # Errors
    ///
    /// The errors of [`Design::fit`]; an error if rows cannot be encoded.
    pub fn new(
        study: &'a Study<'a>,
        set: &'a TransferSet,
        valid: Option<&'a KnownRows>,
    ) -> Result<Self> {
        Self::joint(study, vec![(set, valid)])
    }

    /// Prepares the rows of several targets, in the order of the study's targets; one network predicts them all.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// Panics if the targets do not have the same rows.
    pub fn joint(
        study: &'a Study<'a>,
        rows: Vec<(&'a TransferSet, Option<&'a KnownRows>)>,
    ) -> Result<Self> {
        let both = study.targets.iter().zip(rows);
        let targets: Vec<Target<'a>> = both
            .map(|(target, (set, valid))| Target::new(target, set, valid))
            .collect();
        let rows = |target: &Target<'_>| {
            let TransferSet { known, new, .. } = target.set;
            (known.weight.len(), new.weight.len())
        };
        let same = targets
            .iter()
            .all(|target| rows(target) == rows(&targets[0]));
        assert!(same, "all targets of a student have the same rows");
        let range = (targets[0].labels().targets())
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), y| {
                (a.min(y), b.max(y))
            });
        let heads = Heads {
            head: study.objective.head(range.0, range.1),
            targets: targets.len(),
        };
        let has_network = study.student.kind.has_network();
        let cuts = match has_network {
            true => cuts(study, &targets)?,
            false => Cuts::default(),
        };
        let shares = shares(study, &targets);
        let stage = Self {
            study,
            arms: Default::default(),
            cuts,
            heads,
            targets,
            shares,
        };
        if has_network {
            match stage.arm(SIZES[0]) {
                // Another kind may fit the budget even if no network does.
                Err(Error::BudgetTooSmall { .. }) if study.student.kind == StudentKind::Auto => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(stage)
    }

    /// Sets the factors of the targets on all splits to those of the first split, so that errors of different splits can be added up.
    pub(crate) fn share_alike(stages: &mut [Self]) {
        if let [first, others @ ..] = stages {
            let shares = others.iter_mut().map(|stage| &mut stage.shares);
            shares.for_each(|own| own.clone_from(&first.shares));
        }
    }

    /// The only target, or the first of several.
    pub(crate) fn first(&self) -> &Target<'a> {
        &self.targets[0]
    }

    /// The number of targets.
    pub(crate) fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The network of the size `size`, made when it is first used.
    fn arm(&self, size: f64) -> Result<&Arm> {
        let Some(at) = SIZES.iter().position(|known| (known - size).abs() < 1e-9) else {
            unreachable!("settings have one of the sizes that are tried")
        };
        if let Some(arm) = self.arms[at].get() {
            return Ok(arm);
        }
        let arm = self.fit_arm(size)?;
        // If another thread was first, it made the same network.
        Ok(self.arms[at].get_or_init(|| arm))
    }

    fn fit_arm(&self, size: f64) -> Result<Arm> {
        let options = StudentOptions {
            params: (self.study.student.params as f64 * size) as usize,
            ..self.study.student.clone()
        };
        let Target { set, held, .. } = self.first();
        let rows: Vec<usize> = (0..set.known.features.rows).collect();
        let known = &set.known.features;
        let design = Design::fit(known, &rows, &self.cuts, &options, self.heads)?;
        let inputs = Inputs {
            known: design.positions(known)?,
            new: design.positions(&set.new.features)?,
        };
        let valid = held.map_or(Ok(Vec::new()), |held| design.positions(&held.features))?;
        Ok(Arm {
            design,
            inputs,
            valid,
        })
    }

    /// The number of rows with a target, including validation rows; it is the same for the search and for the refit.
    fn rows(&self) -> usize {
        let Target { set, held, .. } = self.first();
        set.known.target.len() + held.map_or(0, |held| held.target.len())
    }

    /// True if networks are trained.
    pub(crate) fn has_network(&self) -> bool {
        self.arms[0].get().is_some()
    }

    /// The network sizes to try: all with which a network is within the budget; only the whole budget if layers or bins are given.
    pub(crate) fn sizes(&self) -> Result<Vec<f64>> {
        let StudentOptions { hidden, bins, .. } = self.study.student;
        let asked = if hidden.is_some() || bins.is_some() {
            &SIZES[..1]
        } else {
            &SIZES[..]
        };
        let mut fits: Vec<f64> = Vec::new();
        for &size in asked {
            match self.arm(size) {
                Ok(_) => fits.push(size),
                Err(Error::BudgetTooSmall { .. } | Error::InvalidOption { .. }) if size < 1.0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(fits)
    }

    /// The design of a trial's network. The network must have been trained on this stage.
    fn design(&self, trial: &Trial) -> &Design {
        match self.arm(trial.setting.size) {
            Ok(arm) => &arm.design,
            Err(_) => unreachable!("a trial's size was fitted when it was trained"),
        }
    }

    /// The shape of a trial's network; `None` for a non-neural student.
    #[must_use]
    pub fn layers(&self, trial: &Trial) -> Option<&MlpShape> {
        trial.model.is_none().then(|| &self.design(trial).shape)
    }

    /// The predictions of a network in the learned unit, for rows encoded as positions among the bins.
    fn predict(&self, design: &Design, params: &[f32], positions: &[f32]) -> Vec<f64> {
        let out = design.shape.predict(params, positions);
        let (head, all) = (self.heads.head, self.heads.outputs());
        let own = head.outputs();
        let of = |(at, target): (usize, &Target<'a>)| -> Vec<f64> {
            let rows = out.chunks_exact(all);
            rows.map(|row| target.learned(head.predict(&row[at * own..][..own])))
                .collect()
        };
        self.targets.iter().enumerate().flat_map(of).collect()
    }

    pub(crate) fn measure(&self) -> Measure {
        self.study.objective.measure()
    }

    /// The error of predictions against labels, both in the learned unit. Rows without a label are ignored.
    pub(crate) fn error(&self, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        self.measure()
            .of_mean(self.mean(self.measure(), pred, label, weight))
    }

    fn mean(&self, measure: Measure, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        let rows = weight.len();
        let both = pred.chunks(rows.max(1)).zip(label.chunks(rows.max(1)));
        let each = self.targets.iter().zip(&self.shares).zip(both);
        each.map(|((target, share), (pred, label))| {
            share * target.mean(measure, pred, label, weight)
        })
        .sum()
    }

    /// The loss of each row by the error measure, summed over all targets with their factors.
    pub(crate) fn losses(&self, pred: &[f64], label: &[f64]) -> Vec<f64> {
        let rows = label.len() / self.targets.len();
        let of_row = |row: usize| -> f64 {
            let of = |(at, (target, share)): (usize, (&Target<'a>, &f64))| {
                let at = at * rows + row;
                share * target.row(self.measure(), pred[at], label[at])
            };
            let each = self.targets.iter().zip(&self.shares).enumerate();
            each.map(of).sum()
        };
        (0..rows).map(of_row).collect()
    }

    /// The targets of the validation rows, in the learned unit.
    pub(crate) fn valid_target(&self) -> Vec<f64> {
        let held = self.targets.iter().filter_map(|target| target.held);
        held.flat_map(|held| &held.target).copied().collect()
    }

    /// The predictions of the teachers on the validation rows, in the learned unit.
    pub(crate) fn valid_teacher(&self) -> Vec<f64> {
        let answers = |target: &Target<'a>| target.valid_teacher(self.study.objective);
        self.targets.iter().flat_map(answers).collect()
    }

    /// The number of training labels outside the bins of the head, and the number of all training labels; `None` if the head has no bins.
    #[must_use]
    pub fn beyond_bins(&self) -> Option<(usize, usize)> {
        let Head::Binned(bins) = self.heads.head else {
            return None;
        };
        let (low, high) = (bins.edge(0), bins.edge(bins.count));
        let all = self.first().labels();
        let labels = || {
            let known = all.targets().chain(all.teachers());
            known
                .chain(all.new_teachers())
                .filter(|label| label.is_finite())
        };
        Some((
            labels()
                .filter(|&label| label < low || label > high)
                .count(),
            labels().count(),
        ))
    }

    /// True if `value`, in the learned unit, is outside the bins of the head, so that no student of this stage can predict it.
    #[must_use]
    pub fn is_beyond_bins(&self, value: f64) -> bool {
        let Head::Binned(bins) = self.heads.head else {
            return false;
        };
        let z = self.first().standard(&[value])[0];
        z < bins.edge(0) || z > bins.edge(bins.count)
    }

    /// The training rows and the loss for a student with this setting.
    pub(crate) fn lesson(&self, setting: Setting) -> Result<Lesson> {
        let Study {
            objective,
            hints,
            slope_reach,
            ..
        } = *self.study;
        let Arm { design, inputs, .. } = self.arm(setting.size)?;
        let aim = Aim {
            objective,
            hints,
            slope_reach: Some(slope_reach),
            head: self.heads.head,
            hidden: design.shape.hidden(),
        };
        let lesson = |target: &Target<'a>| target.labels().lesson(aim, setting.alpha, inputs);
        let lessons = self.targets.iter().map(lesson).collect();
        Ok(Lesson::joint(lessons, &self.study.shares()))
    }

    /// Trains one student for `until` steps of its schedule, or resumes its training from a checkpoint of the run.
    ///
    /// # Errors
    ///
    /// [`Error::Nets`](crate::Error) if the loss is not finite; [`Error::Data`](crate::Error) if a checkpoint cannot be written.
    pub(crate) fn train(
        &self,
        lesson: &Lesson,
        training: &Training,
        until: usize,
        watch: Watch<'_>,
    ) -> Result<Trained> {
        let setting = training.setting;
        let Arm { design, valid, .. } = self.arm(setting.size)?;
        let tell = |point: &Point| {
            let staged = self.staged(setting, design, point.step);
            watch(&Progress {
                training,
                until,
                point,
                staged: staged.as_deref(),
            })
        };
        let (checkpoints, name) = (self.study.checkpoints, training.to_string());
        if let Some(trained) = checkpoints.load::<Trained>(&name) {
            trained.curve.iter().for_each(|point| {
                tell(point);
            });
            return Ok(trained);
        }
        let Lesson { rows, loss, probe } = lesson;
        let options = self.train_options(training);
        let stop = self.study.stop;
        // After the deadline, training continues to its first point; after a stop request, for at most `GRACE`. A training without a point
        // gives no student.
        let has_point = AtomicBool::new(false);
        let is_over = || {
            let known = stop.asked_for();
            known.is_some_and(|known| has_point.load(Ordering::Relaxed) || known > GRACE)
        };
        let trainer =
            Trainer::new(design.shape.clone(), options, rows, loss.as_ref())?.stopping(&is_over);
        let mut saver = checkpoints.saver(format!("{name}.begun"));
        let begun: Option<(TrainState, Vec<Point>, Vec<Snapshot>)> = saver.load();
        let (mut state, mut curve, mut snapshots) =
            begun.unwrap_or_else(|| (trainer.start(), Vec::new(), Vec::new()));
        curve.iter().for_each(|point| {
            tell(point);
        });
        has_point.store(!curve.is_empty(), Ordering::Relaxed);
        // After the network's weights come adapters, which predictions do not use.
        let weights = design.shape.weights();
        let (target, teacher) = (self.valid_target(), self.valid_teacher());
        let held = self.first().held;
        let teacher_error = held
            .as_ref()
            .and_then(|held| self.teacher_error(&teacher, &target, &held.weight));
        let (mut is_stopped, mut saved) = (false, Ok(()));
        trainer.run(
            &mut state,
            until,
            setting.steps.div_ceil(CURVE),
            &mut |report| {
                let step = report.state.step;
                let average = &report.state.average;
                let mut point = Point {
                    step,
                    loss: f64::from(report.loss),
                    learning_rate: f64::from(report.rate),
                    valid_error: None,
                    fidelity_rmse: None,
                    gap_to_teacher: None,
                    terms: probe.terms(&design.shape, average, step as f64 / setting.steps as f64),
                    targets: Vec::new(),
                };
                if let Some(held) = held {
                    let params = average[..weights].to_vec();
                    let pred = self.predict(design, &params, valid);
                    let mean = self.mean(self.measure(), &pred, &target, &held.weight);
                    self.judge_point(
                        &mut point,
                        mean,
                        &pred,
                        (&teacher, teacher_error),
                        &held.weight,
                    );
                    snapshots.push(Snapshot {
                        step,
                        mean,
                        pred,
                        params,
                    });
                }
                is_stopped = tell(&point) == Control::Stop;
                curve.push(point);
                has_point.store(true, Ordering::Relaxed);
                if self.hopeless(&snapshots) || is_stopped {
                    return Control::Stop;
                }
                saved = saver.offer(|| (report.state, &curve, &snapshots));
                if saved.is_ok() {
                    Control::Continue
                } else {
                    Control::Stop
                }
            },
        )?;
        saved?;
        is_stopped |= stop.is_over();
        state.average.truncate(weights);
        let trained = Trained {
            curve,
            snapshots,
            step: state.step,
            params: state.average,
        };
        // A training that the user stopped early must not be resumed as if it were complete.
        if !is_stopped {
            checkpoints.save(&name, &trained)?;
            saver.finish();
        }
        Ok(trained)
    }

    fn train_options(&self, training: &Training) -> TrainOptions {
        let setting = training.setting;
        TrainOptions {
            schedule: Schedule {
                steps: setting.steps,
                peak: self.study.student.learning_rate as f32,
                warmup: 0.03,
            },
            batch: self.study.student.batch_of(self.rows()),
            weight_decay: setting.weight_decay as f32,
            input_noise: setting.input_noise as f32,
            members: 1,
            seed: training.seed,
        }
    }

    /// Completes a point of the curve by the results on validation rows: the error, given its `mean` over rows; the RMSE between the predictions and
    /// the teacher's; and the difference from the teacher's error.
    fn judge_point(
        &self,
        point: &mut Point,
        mean: f64,
        pred: &[f64],
        (teacher, teacher_error): (&[f64], Option<f64>),
        weight: &[f64],
    ) {
        let error = self.measure().of_mean(mean);
        let fidelity = self.mean(Measure::Rmse, pred, teacher, weight).sqrt();
        point.valid_error = Some(error);
        point.gap_to_teacher = teacher_error.map(|teacher| error - teacher);
        point.fidelity_rmse = fidelity.is_finite().then_some(fidelity);
        point.targets = self.points(pred, teacher);
    }

    /// The error of the teacher's predictions `answers` against targets, on the rows that the teacher labelled; `None` if it labelled none.
    pub(crate) fn teacher_error(
        &self,
        answers: &[f64],
        target: &[f64],
        weight: &[f64],
    ) -> Option<f64> {
        let error = self.error(answers, &asked(answers, target), weight);
        Some(error).filter(|error| error.is_finite())
    }

    /// The error of predictions for target number `at`, in the unit of that target.
    pub(crate) fn error_of(&self, at: usize, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        let measure = self.measure();
        measure.of_mean(self.targets[at].mean(measure, pred, label, weight))
    }

    /// The errors of each target at a point of the training curve; empty if there is only one target.
    fn points(&self, pred: &[f64], teacher: &[f64]) -> Vec<TargetPoint> {
        let several = self.targets.iter().filter(|_| self.targets.len() > 1);
        let measure = self.measure();
        let point = |(at, target): (usize, &Target<'a>)| {
            let held = target.held?;
            let (rows, weight) = (held.target.len(), &held.weight);
            let (pred, teacher) = (&pred[at * rows..][..rows], &teacher[at * rows..][..rows]);
            let error =
                |of: &[f64]| measure.of_mean(target.mean(measure, of, &held.target, weight));
            let fidelity = target.mean(Measure::Rmse, pred, teacher, weight).sqrt();
            let gap = error(pred) - error(teacher);
            Some(TargetPoint {
                valid_error: error(pred),
                fidelity_rmse: fidelity.is_finite().then_some(fidelity),
                gap_to_teacher: gap.is_finite().then_some(gap),
            })
        };
        several.enumerate().filter_map(point).collect()
    }

    /// Stage and layer weights of progressive alignment, as text for the observer; `None` if layers are not aligned one after another.
    fn staged(&self, setting: Setting, design: &Design, step: usize) -> Option<String> {
        let (hints, layers) = (self.study.hints, design.shape.hidden().len());
        if !hints.progressive || setting.alpha.is_none() {
            return None;
        }
        let progress = step as f64 / setting.steps as f64;
        let weights: Vec<String> = (0..layers)
            .map(|layer| format!("{:.1}", hints.layer_weight(layer, layers, progress)))
            .collect();
        Some(format!(
            "stage {} of {}, layer weights {}",
            hints.stage(progress) + 1,
            hints.stages,
            weights.join(" ")
        ))
    }

    fn hopeless(&self, snapshots: &[Snapshot]) -> bool {
        let means: Vec<f64> = snapshots.iter().map(|snapshot| snapshot.mean).collect();
        let (Some(best), Some(last)) = (smooth_best(&means).1, snapshots.last()) else {
            return false;
        };
        (last.step - snapshots[best].step) as f64 > PATIENCE * self.study.student.steps as f64
    }

    /// Trains a quick student for use before the search: a network, on a sixth of the schedule. `phase` names the purpose.
    ///
    /// # Errors
    ///
    /// If the loss is not finite, or a checkpoint cannot be written.
    pub fn quick(&self, phase: &str, alpha: f64, watch: Watch<'_>) -> Result<Trial> {
        let setting = Setting {
            weight_decay: DISTILLED_DECAY,
            ..Setting::plain(Some(alpha), self.study.student.steps / QUICK)
        };
        Ok(self
            .train(
                &self.lesson(setting)?,
                &Training::new(phase, setting, self.study.seed),
                setting.steps,
                watch,
            )?
            .last(setting))
    }

    /// The weights of a trial's network, by layer; empty for a non-neural student.
    #[must_use]
    pub fn weights<'t>(&self, trial: &'t Trial) -> Vec<&'t [f32]> {
        self.layers(trial)
            .map_or_else(Vec::new, |shape| shape.layer_weights(&trial.params))
    }

    /// The predictions of a trained network for `features`, in the learned unit.
    ///
    /// # Errors
    ///
    /// If the rows cannot be encoded.
    pub fn answers(&self, trial: &Trial, features: &Features) -> Result<Vec<f64>> {
        let design = self.design(trial);
        Ok(self.predict(design, &trial.params, &design.positions(features)?))
    }

    /// Predictions in a form in which those of several targets can be added up: standardized, each by its own target. Predictions of a single target
    /// are unchanged.
    pub(crate) fn comparable(&self, answers: Vec<f64>) -> Vec<f64> {
        if self.targets.len() == 1 {
            return answers;
        }
        let rows = (answers.len() / self.targets.len()).max(1);
        let both = answers.chunks(rows).zip(&self.targets);
        both.flat_map(|(answers, target)| target.standard(answers))
            .map(f64::from)
            .collect()
    }

    /// Trains a baseline network for some steps to measure their time, and discards it. Returns the number of steps: fewer if `stop` ended the
    /// training, 0 for non-neural students.
    ///
    /// # Errors
    ///
    /// If the loss is not finite.
    pub fn warm_up(&self, steps: usize, stop: Stop<'_>) -> Result<usize> {
        if !self.has_network() {
            return Ok(0);
        }
        let setting = Setting::plain(None, steps);
        self.train(
            &self.lesson(setting)?,
            &Training::new("warm-up", setting, 0),
            steps,
            &|_| match stop.is_over() {
                true => Control::Stop,
                false => Control::Continue,
            },
        )
        .map(|trained| trained.step)
    }

    /// The trained student in the form that is shipped, with golden vectors (rows with expected predictions) for `examples`.
    ///
    /// # Errors
    ///
    /// If the runtime refuses a part of the student.
    pub fn student(
        &self,
        trial: &Trial,
        provenance: BTreeMap<String, String>,
        examples: Vec<Vec<GoldenValue>>,
    ) -> Result<Student> {
        let (encoder, graph) = self.lowered(trial)?;
        self.finished(encoder, graph, provenance, examples)
    }

    /// The student that consists of an encoder and a graph, and predicts all targets.
    pub(crate) fn finished(
        &self,
        encoder: Encoder,
        graph: Graph,
        provenance: BTreeMap<String, String>,
        examples: Vec<Vec<GoldenValue>>,
    ) -> Result<Student> {
        let outputs = self.targets.iter().map(Target::output).collect();
        finished(encoder, graph, outputs, provenance, examples)
    }

    /// The largest network, with all weights 0.
    pub(crate) fn untrained(&self) -> Result<(Encoder, Graph)> {
        let Design { encoder, shape, .. } = &self.arm(SIZES[0])?.design;
        let graph = shape.lower(&vec![0.0; shape.weights()], self.heads.head)?;
        Ok((encoder.clone(), graph))
    }

    /// The trained student reduced to one of its targets; the whole student if it has only one target.
    ///
    /// # Errors
    ///
    /// The errors of [`student`](Self::student).
    pub fn student_of(
        &self,
        trial: &Trial,
        target: usize,
        provenance: BTreeMap<String, String>,
        examples: Vec<Vec<GoldenValue>>,
    ) -> Result<Student> {
        let (encoder, mut graph) = self.lowered(trial)?;
        if self.targets.len() > 1 && trial.model.is_none() {
            keep_output(&mut graph, target);
        }
        let outputs = vec![self.targets[target].output()];
        finished(encoder, graph, outputs, provenance, examples)
    }

    fn lowered(&self, trial: &Trial) -> Result<(Encoder, Graph)> {
        if let Some(model) = &trial.model {
            return Ok((model.encoder.clone(), model.graph.clone()));
        }
        let design = self.design(trial);
        let graph = design.shape.lower(&trial.params, self.heads.head)?;
        Ok((design.encoder.clone(), graph))
    }
}

/// The student that consists of these parts, with golden vectors for `examples`.
fn finished(
    encoder: Encoder,
    graph: Graph,
    outputs: Vec<Output>,
    provenance: BTreeMap<String, String>,
    examples: Vec<Vec<GoldenValue>>,
) -> Result<Student> {
    let parts = StudentParts {
        encoder,
        graph,
        outputs,
        provenance,
        golden: Vec::new(),
    };
    Ok(Student::new(parts)?.with_golden(examples)?)
}

/// The targets; NaN for rows without a prediction of the teacher.
pub(crate) fn asked(answers: &[f64], target: &[f64]) -> Vec<f64> {
    // Targets are the labels that must be there.
    let both = answers.iter().zip(target);
    both.map(|(t, y)| if t.is_finite() { *y } else { f64::NAN })
        .collect()
}

/// Removes all outputs of a network's last layer except `kept`.
fn keep_output(graph: &mut Graph, kept: usize) {
    let last = graph.nodes.last_mut().map(|node| &mut node.op);
    if let Some(Op::Linear {
        cols, weight, bias, ..
    }) = last
    {
        *weight = weight.iter().skip(kept).step_by(*cols).copied().collect();
        *bias = vec![bias[kept]];
        *cols = 1;
    }
}

/// The cuts of trees for all targets, which determine the bins of the network.
fn cuts(study: &Study<'_>, targets: &[Target<'_>]) -> Result<Cuts> {
    let of = |target: &Target<'_>| {
        let known = &target.set.known;
        let rows = (&known.target[..], &known.weight[..]);
        Cuts::fit(&known.features, rows, study.student, study.stop)
    };
    let all: Vec<Cuts> = targets.iter().map(of).collect::<Result<_>>()?;
    let scales = targets.iter().map(|target| target.scale);
    Ok(Cuts::merged(all.into_iter().zip(scales)))
}

/// The factor of each target in the mean loss.
fn shares(study: &Study<'_>, targets: &[Target<'_>]) -> Vec<f64> {
    if targets.len() == 1 {
        return vec![1.0];
    }
    let norms = targets
        .iter()
        .map(|target| target.norm(study.objective.measure()));
    let both = study.shares().into_iter().zip(norms);
    both.map(|(share, norm)| share / norm).collect()
}

/// The target that tests use.
#[cfg(test)]
pub(crate) static Y: std::sync::LazyLock<TargetSpec> = std::sync::LazyLock::new(|| TargetSpec {
    name: "y".into(),
    ..TargetSpec::default()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_smoothed_over_neighbors() {
        assert_eq!(smoothed(&[1.0, 4.0, 1.0, 7.0]), [2.5, 2.0, 4.0, 4.0]);
        assert_eq!(smooth_best(&[1.0, 4.0, 1.0, 7.0]).1, Some(1));
        assert_eq!(smoothed(&[3.0]), [3.0]);
        assert!(smoothed(&[]).is_empty());
    }
}
