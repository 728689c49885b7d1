//! One train/validation split of the rows, prepared for training students: labels are standardized, and the rows are encoded for a network of each
//! size.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use limbeck_data::checkpoint::Checkpoints;
use limbeck_data::metrics::Measure;
use limbeck_data::{Features, Stop, TargetSpec};
use limbeck_nets::{
    Control, Head, Network, Positions, Schedule, Shape, TrainOptions, TrainState, Trainer,
    samples_of,
};
use limbeck_runtime::{
    Encoder, GoldenValue, Graph, Memory, Op, Output, Plan, Student, StudentParts,
};
use limbeck_teach::series::EncodedSeries;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bins::Cuts;
use crate::error::{Error, Result};
use crate::hints::HintOptions;
use crate::lesson::{Aim, InStretches, Inputs, Lesson};
use crate::objective::ObjectiveOptions;
use crate::student::options::{MemoryKind, StudentKind, StudentOptions};
use crate::student::{Design, Heads, STRETCH};
use crate::target::Target;
use crate::transfer::set::{KnownRows, TransferSet};
use crate::trial::{Point, Progress, Setting, TargetPoint, Training, Trial, Watch};

/// Options that all trainings of students share, whatever the split of the rows.
#[derive(Clone, Debug)]
pub struct Study<'a> {
    /// Options of the student: kind, size, steps, batch, learning rate.
    pub student: &'a StudentOptions,
    /// Options of the loss.
    pub objective: &'a ObjectiveOptions,
    /// Options of feature distillation (learning from the teacher's hidden features).
    pub hints: &'a HintOptions,
    /// Distance between the two rows of a pair for gradient matching, in standard deviations of the columns.
    pub slope_reach: f64,
    /// The targets of the student; if there are several, one network predicts them all.
    pub targets: &'a [TargetSpec],
    /// Weights of the target columns in the loss; an empty list for equal weights.
    pub target_weights: &'a [f64],
    /// Weights of the horizons of each target column in the loss; an empty list for equal weights.
    pub horizon_weights: &'a [f64],
    /// Number of rows before each row that a recurrent student reads.
    pub rows_before: usize,
    /// Seed of the initial weights and of the order of the rows.
    pub seed: u64,
    /// Saves finished trainings, and the state of unfinished ones.
    pub checkpoints: &'a Checkpoints,
    /// Ends fits and trainings early, on the user's request or at a deadline.
    pub stop: Stop<'a>,
}

impl Study<'_> {
    /// The share of each target in the loss; the shares add up to 1.
    fn shares(&self) -> Vec<f64> {
        let of_first = |target: &&TargetSpec| target.column() == self.targets[0].column();
        let horizons = self.targets.iter().filter(of_first).count().max(1);
        let weight = |at: usize| {
            let of_column = self.target_weights.get(at / horizons);
            let of_horizon = self.horizon_weights.get(at % horizons);
            of_column.unwrap_or(&1.0) * of_horizon.unwrap_or(&1.0)
        };
        let weights: Vec<f64> = (0..self.targets.len()).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }
}

/// Weight decay of distilled students on most trials. It is small, since teacher labels have little noise to overfit.
pub(crate) const DISTILLED_DECAY: f64 = 1e-3;
/// Network sizes that are tried, as shares of the parameter budget.
pub(crate) const SIZES: [f64; 4] = [1.0, 0.5, 0.25, 0.125];
/// Maximum number of points of a training curve.
const CURVE: usize = 40;
/// If the user asks to stop, a training that has no point of its curve yet may continue for at most this time.
const GRACE: Duration = Duration::from_millis(700);
/// Early stopping: a training ends once this share of the option `steps` has passed without a better point of the curve. So a schedule shorter than
/// this share is always completed: a trial that looks bad at a high learning rate is often best once the learning rate falls.
const PATIENCE: f64 = 0.3;
/// A quick student (a student trained before the search, to choose new rows or to correct teacher labels) is trained for `steps / QUICK` steps, where
/// `steps` is the option `student.steps`.
const QUICK: usize = 6;

/// The training and validation rows of one split, prepared for training students on them.
///
/// Values are in the *learned unit* where a method says so: the target's own unit, or its logarithm for a log target. With several targets,
/// predictions and labels are stored target by target, `[n_targets, n_samples]`. An error is then computed from the weighted mean of all targets'
/// squared errors (or pinball losses), each in standard deviations of its target.
pub struct Stage<'a> {
    pub(crate) study: &'a Study<'a>,
    /// Untrained networks, one for each of [`SIZES`]. [`new`](Self::new) makes the first if the student may be a network; the others are made when
    /// they are first used.
    arms: [OnceLock<Arm>; SIZES.len()],
    /// The encoded series of the rows, if the network is recurrent; made with the first network.
    series: OnceLock<Arc<EncodedSeries>>,
    cuts: Cuts,
    heads: Heads,
    targets: Vec<Target<'a>>,
    /// Factor of each target when errors of several targets are added up; 1 for a single target.
    shares: Vec<f64>,
}

/// The design of a network of one size, and the training and validation rows encoded for it.
struct Arm {
    design: Design,
    /// The network that is trained: that of `design`, or the same with outputs after each of the last rows of a stretch.
    trained: Shape,
    inputs: Inputs,
    /// The validation rows as positions (the form in which a network reads a row); empty without validation rows.
    valid: Positions,
}

/// The network of a training at a point of its curve: its weights and its validation predictions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) step: usize,
    /// Weighted mean of [`Measure::row`] over validation rows: the mean squared error or pinball loss.
    pub(crate) mean: f64,
    pub(crate) pred: Vec<f64>,
    pub(crate) params: Vec<f32>,
}

/// The result of training a network on one split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trained {
    pub(crate) curve: Vec<Point>,
    /// One snapshot for each point of the curve; empty without validation rows.
    pub(crate) snapshots: Vec<Snapshot>,
    step: usize,
    params: Vec<f32>,
}

impl Trained {
    /// The student at the end of training, as a trial without a validation error.
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

/// Smooths a validation curve, and finds its best point. Returns the smoothed curve and the index of its minimum; the index is `None` for an empty
/// curve.
///
/// A single point of a curve is noisy, especially while the learning rate is high. In the refit, the noise is different. So each point is averaged
/// with its neighbors.
pub(crate) fn smooth_best(means: &[f64]) -> (Vec<f64>, Option<usize>) {
    let smooth = smoothed(means);
    let best = (0..smooth.len()).min_by(|&a, &b| smooth[a].total_cmp(&smooth[b]));
    (smooth, best)
}

/// For each value, the mean of it and its one or two neighbors.
fn smoothed(values: &[f64]) -> Vec<f64> {
    let mean = |i: usize| {
        let near = &values[i.saturating_sub(1)..(i + 2).min(values.len())];
        near.iter().sum::<f64>() / near.len() as f64
    };
    (0..values.len()).map(mean).collect()
}

impl<'a> Stage<'a> {
    /// Prepares the rows of one target: `set` to train on, `valid` to validate on. `valid` is `None` if nothing is validated, as in the refit.
    ///
    /// # Errors
    ///
    /// The errors of [`Design::fit`]; an error if rows cannot be encoded or the bins cannot be placed, or if the user asks to stop. With kind `auto`, a
    /// budget that is too small for any network is no error.
    pub fn new(
        study: &'a Study<'a>,
        set: &'a TransferSet,
        valid: Option<&'a KnownRows>,
    ) -> Result<Self> {
        Self::joint(study, vec![(set, valid)])
    }

    /// Prepares the rows of several targets, in the order of the study's targets. One network predicts them all. Each item has the rows to train on
    /// and the rows to validate on.
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
        // A recurrent network has no bins.
        let cuts = match has_network && study.student.kind.cell().is_none() {
            true => cuts(study, &targets)?,
            false => Cuts::default(),
        };
        let shares = shares(study, &targets);
        let stage = Self {
            study,
            arms: Default::default(),
            series: OnceLock::new(),
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

    /// Gives the stages of all splits the same factors of targets (`shares`), so that errors of different splits can be added up.
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

    /// The untrained network of the size `size` (a share of the parameter budget), with the rows encoded for it. It is made when it is first used.
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
        let window = self.study.rows_before + 1;
        let design = Design::fit(known, &rows, &self.cuts, &options, self.heads, window)?;
        let held: Option<&Features> = held.map(|held| &*held.features);
        let parts: [Option<&Features>; 3] = [Some(known), Some(&set.new.features), held];
        let [known, new, valid] = match design.shape {
            Shape::Mlp(_) => {
                let of = |part: Option<&Features>| part.map(|part| design.positions(part));
                parts.map(|part| of(part).transpose())
            }
            Shape::Recurrent(_) => {
                let all: Vec<&Features> = parts.into_iter().flatten().collect();
                let series = self.series(&design.encoder, &all)?;
                let window = design.rows_read();
                let of = |part: Option<&Features>| part.map(|part| series.windows(part, window));
                parts.map(|part| Ok(of(part).transpose()?))
            }
        };
        let (known, new) = (known?.unwrap_or_default(), new?.unwrap_or_default());
        let (mut trained, mut stretches) = (design.shape.clone(), None);
        if let (MemoryKind::Carried, Shape::Recurrent(own)) = (design.memory, &design.shape) {
            trained = own.reading(STRETCH * window, window)?.into();
            stretches = Some(InStretches {
                reads: window,
                known: known.stretches(STRETCH * window, window),
                new: new.stretches(STRETCH * window, window),
            });
        }
        Ok(Arm {
            design,
            trained,
            inputs: Inputs {
                known,
                new,
                stretches,
            },
            valid: valid?.unwrap_or_default(),
        })
    }

    /// The encoded series of all rows. Networks of all sizes share them if they have the same encoder.
    fn series(&self, encoder: &Encoder, parts: &[&Features]) -> Result<Arc<EncodedSeries>> {
        if let Some(known) = self.series.get().filter(|known| known.is_of(encoder)) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(EncodedSeries::new(encoder, parts)?);
        let kept = self.series.get_or_init(|| Arc::clone(&made));
        Ok(if kept.is_of(encoder) {
            Arc::clone(kept)
        } else {
            made
        })
    }

    /// The number of rows with a target, validation rows included. So it is the same in the search and in the refit.
    fn rows(&self) -> usize {
        let Target { set, held, .. } = self.first();
        set.known.target.len() + held.map_or(0, |held| held.target.len())
    }

    /// True if networks are trained: the kind allows it, and a network fits the budget.
    pub(crate) fn has_network(&self) -> bool {
        self.arms[0].get().is_some()
    }

    /// The network sizes to try, as shares of the parameter budget: all of [`SIZES`] in which a network fits. If the user gives layers or bins, the
    /// only size is 1.0, the whole budget.
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

    /// The design (encoder and layer sizes) of a trial's network. The network must have been trained on this stage.
    fn design(&self, trial: &Trial) -> &Design {
        match self.arm(trial.setting.size) {
            Ok(arm) => &arm.design,
            Err(_) => unreachable!("a trial's size was fitted when it was trained"),
        }
    }

    /// The shape of a trial's network; `None` if the student is not a network.
    #[must_use]
    pub fn layers(&self, trial: &Trial) -> Option<&Shape> {
        trial.model.is_none().then(|| &self.design(trial).shape)
    }

    /// The predictions of a network with weights `params`, in the learned unit, target by target. `positions` has the rows in the form that the
    /// network reads.
    fn predict(&self, design: &Design, params: &[f32], positions: &Positions) -> Result<Vec<f64>> {
        let targets = self.targets.len();
        let found = match design.memory {
            MemoryKind::Carried => {
                let plan = Plan::new(&design.shape.lower(params, self.heads.head)?)?;
                carried(&plan, positions)
            }
            MemoryKind::Rolling => {
                let (head, out) = (self.heads.head, design.shape.predict(params, positions));
                let each = out.chunks_exact(head.outputs());
                each.map(|own| head.predict(own)).collect()
            }
        };
        let of = |(at, target): (usize, &Target<'a>)| {
            let own = found.iter().skip(at).step_by(targets);
            own.map(|&value| target.learned(value))
                .collect::<Vec<f64>>()
        };
        Ok(self.targets.iter().enumerate().flat_map(of).collect())
    }

    pub(crate) fn measure(&self) -> Measure {
        self.study.objective.measure()
    }

    /// The error of predictions against labels, both given in the learned unit. The error is in the target's unit, or in standard deviations if there
    /// are several targets. Rows without a label (NaN) are left out.
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

    /// For each row, its squared error or pinball loss. With several targets, it is the sum over targets, each multiplied by its factor in `shares`.
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

    /// The targets of the validation rows, in the learned unit, target by target.
    pub(crate) fn valid_target(&self) -> Vec<f64> {
        let held = self.targets.iter().filter_map(|target| target.held);
        held.flat_map(|held| &held.target).copied().collect()
    }

    /// The teachers' predictions on the validation rows, in the learned unit, target by target; NaN for a row without a teacher label.
    pub(crate) fn valid_teacher(&self) -> Vec<f64> {
        let answers = |target: &Target<'a>| target.valid_teacher(self.study.objective);
        self.targets.iter().flat_map(answers).collect()
    }

    /// For a student that predicts bins: the number of training labels outside its bins, and the number of all training labels, both of the first
    /// target. `None` for other students.
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

    /// True if the student predicts bins and `value` (in the learned unit) is outside of them. No student of this stage can then predict `value`.
    #[must_use]
    pub fn is_beyond_bins(&self, value: f64) -> bool {
        let Head::Binned(bins) = self.heads.head else {
            return false;
        };
        let z = self.first().standard(&[value])[0];
        z < bins.edge(0) || z > bins.edge(bins.count)
    }

    /// The training rows and the loss for a network with this setting.
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

    /// Trains a network up to step number `until` of its schedule. If the run has a checkpoint of an unfinished training, this training is resumed.
    /// If it has a checkpoint of the finished training, the saved result is returned.
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
        let arm = self.arm(setting.size)?;
        let (design, trained) = (&arm.design, &arm.trained);
        let tell = |point: &Point| {
            let staged = self.staged(setting, design, point.step);
            watch(&Progress {
                training,
                until,
                point,
                staged: staged.as_deref(),
            })
        };
        let (checkpoints, name) = (self.study.checkpoints, training.checkpoint());
        if let Some(trained) = checkpoints.load::<Trained>(&name) {
            trained.curve.iter().for_each(|point| {
                tell(point);
            });
            return Ok(trained);
        }
        let Lesson { rows, loss, probe } = lesson;
        let options = self.train_options(training, arm.inputs.reads());
        let stop = self.study.stop;
        // After the deadline, training continues to its first point; after a stop request, for at most `GRACE`. A training without a point
        // gives no student.
        let has_point = AtomicBool::new(false);
        let is_over = || {
            let known = stop.asked_for();
            known.is_some_and(|known| has_point.load(Ordering::Relaxed) || known > GRACE)
        };
        let trainer =
            Trainer::new(trained.clone(), options, rows, loss.as_ref())?.stopping(&is_over);
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
        let (mut is_stopped, mut saved, mut failed) = (false, Ok(()), Ok(()));
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
                    terms: probe.terms(trained, average, step as f64 / setting.steps as f64),
                    targets: Vec::new(),
                };
                if let Some(held) = held {
                    let params = average[..weights].to_vec();
                    let pred = match self.predict(design, &params, &arm.valid) {
                        Ok(pred) => pred,
                        Err(error) => {
                            failed = Err(error);
                            return Control::Stop;
                        }
                    };
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
        failed?;
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

    /// The options of a training; a sample of the network has `reads` rows.
    fn train_options(&self, training: &Training, reads: usize) -> TrainOptions {
        let setting = training.setting;
        let batch = self.study.student.batch_of(self.rows());
        TrainOptions {
            schedule: Schedule {
                steps: setting.steps,
                peak: self.study.student.learning_rate as f32,
                warmup: 0.03,
            },
            batch: samples_of(batch, reads),
            weight_decay: setting.weight_decay as f32,
            input_noise: setting.input_noise as f32,
            members: 1,
            seed: training.seed,
        }
    }

    /// Adds the results on validation rows to a point of the training curve: the student's error, computed from the `mean` of its squared errors or
    /// pinball losses; the RMSE between its predictions `pred` and the teacher's predictions; and its error minus the teacher's error.
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

    /// The error of the teacher's predictions `answers` against targets, over the rows that the teacher labelled; `None` if it labelled none.
    pub(crate) fn teacher_error(
        &self,
        answers: &[f64],
        target: &[f64],
        weight: &[f64],
    ) -> Option<f64> {
        let error = self.error(answers, &asked(answers, target), weight);
        Some(error).filter(|error| error.is_finite())
    }

    /// The error of predictions for target number `at` (from 0), in the unit of that target. `pred` and `label` are in the learned unit.
    pub(crate) fn error_of(&self, at: usize, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        let measure = self.measure();
        measure.of_mean(self.targets[at].mean(measure, pred, label, weight))
    }

    /// The errors of each target, for a point of the training curve; empty if there is only one target.
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

    /// The stage and the layer weights of progressive alignment at step `step`, as text for the observer. `None` without progressive alignment, and
    /// for the baseline.
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
            "alignment stage {} of {}, layer weights {}",
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

    /// Trains a quick student: a distilled network, for a sixth of the option `student.steps`. It is used before the search, to choose new rows or to
    /// correct teacher labels. `phase` names that purpose.
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

    /// The weights of a trial's network, one slice per layer; empty if the student is not a network.
    #[must_use]
    pub fn weights<'t>(&self, trial: &'t Trial) -> Vec<&'t [f32]> {
        self.layers(trial)
            .map_or_else(Vec::new, |shape| shape.layer_weights(&trial.params))
    }

    /// The predictions of a trained network for `features`, in the learned unit, target by target.
    ///
    /// # Errors
    ///
    /// If the rows cannot be encoded.
    pub fn answers(&self, trial: &Trial, features: &Features) -> Result<Vec<f64>> {
        let design = self.design(trial);
        self.predict(design, &trial.params, &design.positions(features)?)
    }

    /// Converts predictions so that those of several targets can be compared and added up: each is standardized by its own target. Predictions of a
    /// single target are unchanged.
    pub(crate) fn comparable(&self, answers: Vec<f64>) -> Vec<f64> {
        if self.targets.len() == 1 {
            return answers;
        }
        let rows = (answers.len() / self.targets.len()).max(1);
        let both = answers.chunks(rows).zip(&self.targets);
        let all = both.flat_map(|(answers, target)| target.standard(answers));
        all.map(f64::from).collect()
    }

    /// Trains a baseline network for `steps` steps and discards it; the caller measures the time. Returns the number of steps taken: fewer if `stop`
    /// ended the training, 0 if no network is trained.
    ///
    /// # Errors
    ///
    /// If the loss is not finite, or a checkpoint cannot be written.
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

    /// The trained student in the form that is shipped. `examples` are rows for golden vectors: their predictions are stored in the student's file,
    /// to test it elsewhere.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the encoder, the graph or an example.
    pub fn student(
        &self,
        trial: &Trial,
        provenance: BTreeMap<String, String>,
        examples: Vec<Vec<GoldenValue>>,
    ) -> Result<Student> {
        let (encoder, graph) = self.lowered(trial)?;
        self.finished(encoder, graph, provenance, examples)
    }

    /// The student with the given encoder and graph, which predicts all targets, in the form that is shipped.
    pub(crate) fn finished(
        &self,
        encoder: Encoder,
        graph: Graph,
        provenance: BTreeMap<String, String>,
        examples: Vec<Vec<GoldenValue>>,
    ) -> Result<Student> {
        let outputs = self.targets.iter().map(Target::output).collect();
        let memory = self.memory(&graph);
        finished((encoder, graph, memory), outputs, provenance, examples)
    }

    /// Which earlier rows a student with this graph reads.
    fn memory(&self, graph: &Graph) -> Option<Memory> {
        let rows = self.study.rows_before as u32 + 1;
        graph
            .is_recurrent()
            .then_some(match self.study.student.memory {
                MemoryKind::Rolling => Memory::Rolling(rows),
                MemoryKind::Carried => Memory::Carried,
            })
    }

    /// Names of the columns that the largest network reads; empty if there is no network.
    #[must_use]
    pub fn step_columns(&self) -> Vec<String> {
        let arm = self.arms[0].get();
        let columns = arm.iter().flat_map(|arm| &arm.design.encoder.columns);
        columns.map(|column| column.name.clone()).collect()
    }

    /// Encoder and graph of the largest network, with all weights 0.
    pub(crate) fn untrained(&self) -> Result<(Encoder, Graph)> {
        let Design { encoder, shape, .. } = &self.arm(SIZES[0])?.design;
        let graph = shape.lower(&vec![0.0; shape.weights()], self.heads.head)?;
        Ok((encoder.clone(), graph))
    }

    /// The trained student reduced to target number `target`, in the form that is shipped. If there is only one target, this is the whole student.
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
        let memory = self.memory(&graph);
        finished((encoder, graph, memory), outputs, provenance, examples)
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

/// The outputs of a recurrent plan for all samples, `[n_samples, outputs]`. The windows of the samples begin with their series, and the state runs on
/// through it.
fn carried(plan: &Plan, positions: &Positions) -> Vec<f32> {
    let (width, outputs) = (plan.input_width(), plan.output_width());
    let series: Vec<(u32, Vec<(u32, usize)>)> = positions.by_first_row().into_iter().collect();
    let run = |(first, samples): &(u32, Vec<(u32, usize)>)| {
        let end = samples.last().map_or(*first, |(last, _)| last + 1);
        let rows = (end - first) as usize;
        let x = &positions.values()[*first as usize * width..][..rows * width];
        let mut out = vec![0.0; rows * outputs];
        plan.run(x, rows, &mut out);
        out
    };
    let found: Vec<Vec<f32>> = series.par_iter().map(run).collect();
    let mut all = vec![0.0; positions.samples(1) * outputs];
    for ((first, samples), out) in series.iter().zip(found) {
        for (row, sample) in samples {
            let own = &out[(row - first) as usize * outputs..][..outputs];
            all[sample * outputs..][..outputs].copy_from_slice(own);
        }
    }
    all
}

/// Makes the student in the form that is shipped, with golden vectors (rows with expected predictions) for `examples`.
fn finished(
    (encoder, graph, memory): (Encoder, Graph, Option<Memory>),
    outputs: Vec<Output>,
    provenance: BTreeMap<String, String>,
    examples: Vec<Vec<GoldenValue>>,
) -> Result<Student> {
    let parts = StudentParts {
        encoder,
        graph,
        outputs,
        sequence: None,
        memory,
        intervals: None,
        provenance,
        golden: Vec::new(),
    };
    Ok(Student::new(parts)?.with_golden(examples)?)
}

/// The targets of the rows that the teacher labelled; NaN for the other rows. `answers` are the teacher's predictions.
pub(crate) fn asked(answers: &[f64], target: &[f64]) -> Vec<f64> {
    // Targets are the labels that must be there.
    let both = answers.iter().zip(target);
    both.map(|(t, y)| if t.is_finite() { *y } else { f64::NAN })
        .collect()
}

/// Removes all outputs of a network's last layer except number `kept`.
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

/// The cuts of boosted trees for all targets. They determine where the network's bins are placed.
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

/// The factor of each target when errors of several targets are added up: its share in the loss, divided by its [`norm`](Target::norm).
fn shares(study: &Study<'_>, targets: &[Target<'_>]) -> Vec<f64> {
    if targets.len() == 1 {
        return vec![1.0];
    }
    let norm = |target: &Target<'_>| target.norm(study.objective.measure());
    let both = study.shares().into_iter().zip(targets.iter().map(norm));
    both.map(|(share, norm)| share / norm).collect()
}

/// A target for tests.
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
