//! Candidates on validation rows, then the refit.
//!
//! Lone and distilled students go through the same search: the same network, the same number of trials, each with the step
//! at which it was best on validation rows. The winner of each side is fitted again on all training rows, on the same
//! schedule, and stopped at that step.
//!
//! Each training is a piece of the run's [`Checkpoints`], and is saved now and then while it goes on.

use limbeck_data::checkpoint::Checkpoints;
use limbeck_data::metrics::{self, Measure};
use limbeck_data::Features;
use limbeck_nets::{Control, Head, MlpShape, Schedule, TrainOptions, TrainState, Trainer};
use limbeck_runtime::{GoldenValue, Student, StudentParts, TargetTransform};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::bins::Cuts;
use crate::error::{Error, Result};
use crate::hints::{Coordinates, HintOptions};
use crate::kinds::{self, Kind, Model, Spec};
use crate::lesson::{Aim, Lesson, Pool};
use crate::objective::{Alpha, ObjectiveOptions};
use crate::probe::Terms;
use crate::student::{Design, StudentKind, StudentOptions};

/// Rows that only the teacher labelled.
#[derive(Clone, Debug, Default)]
pub struct NewRows {
    /// Inputs.
    pub features: Features,
    /// The teacher's mean per row, in the learned unit.
    pub mean: Vec<f64>,
    /// Its standard deviation.
    pub spread: Vec<f64>,
    /// The row with a target that each of them stays with, as in [`Material::rows`]; none for a row of its own.
    pub source: Vec<Option<usize>>,
    /// Weights, 1 for a row as good as any.
    pub weight: Vec<f64>,
    /// True for the second row of a pair, which stands right after the first.
    pub second: Vec<bool>,
}

/// Rows to learn from, in the learned unit (logarithms with a log target).
#[derive(Clone, Debug)]
pub struct Material<'a> {
    /// Which rows of the data set have a target.
    pub rows: &'a [usize],
    /// Their inputs.
    pub features: &'a Features,
    /// Targets.
    pub target: &'a [f64],
    /// Weights.
    pub weight: &'a [f64],
    /// Teacher labels, NaN where there is none.
    pub teacher: &'a [f64],
    /// Their standard deviations.
    pub spread: &'a [f64],
    /// Rows that only the teacher labelled.
    pub new: &'a NewRows,
    /// The teacher's features on both kinds of rows; none where nothing is learned from them.
    pub coordinates: Option<&'a Coordinates>,
}

/// What is the same for all trials.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Network, steps, batch, learning rate.
    pub student: &'a StudentOptions,
    /// What it minimizes.
    pub objective: &'a ObjectiveOptions,
    /// What it learns from the teacher's features.
    pub hints: &'a HintOptions,
    /// How far apart the rows of a pair are, in standard deviations of the columns.
    pub slope_reach: f64,
    /// True where the target is learned as its logarithm.
    pub log_target: bool,
    /// Name of the target.
    pub target_name: &'a str,
    /// Seed of weights and order.
    pub seed: u64,
    /// Where trainings are kept.
    pub kept: &'a Checkpoints,
}

/// How one student is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Share of the soft loss; none for the lone student.
    pub alpha: Option<f64>,
    /// Steps of the schedule.
    pub steps: usize,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// What was chosen for a student that is no network, which takes no steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
}

impl Setting {
    /// The kind of student that it makes.
    #[must_use]
    pub fn kind(&self) -> StudentKind {
        self.spec.map_or(StudentKind::Mlp, |spec| spec.kind().student_kind())
    }
}

/// One training of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Part of the run: `search`, `refit`, or what asks for a quick student.
    pub phase: String,
    /// What is trained.
    pub setting: Setting,
    /// Seed of weights and order.
    pub seed: u64,
}

impl Training {
    fn new(phase: &str, setting: Setting, seed: u64) -> Self {
        Self { phase: phase.to_owned(), setting, seed }
    }

    /// One of the search on validation rows.
    #[must_use]
    pub fn search(setting: Setting, seed: u64) -> Self {
        Self::new("search", setting, seed)
    }

    /// One of the refit on all training rows.
    #[must_use]
    pub fn refit(setting: Setting, seed: u64) -> Self {
        Self::new("refit", setting, seed)
    }

    /// `alone` or `distilled`.
    #[must_use]
    pub fn side(&self) -> &'static str {
        if self.setting.alpha.is_some() { "distilled" } else { "alone" }
    }
}

/// A plain name that no other training of the run has.
impl std::fmt::Display for Training {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { phase, setting: Setting { alpha, steps, weight_decay, .. }, seed } = self;
        write!(f, "{phase}-{}-", self.side())?;
        match alpha {
            Some(alpha) => write!(f, "alpha{alpha}")?,
            None => write!(f, "decay{weight_decay}")?,
        }
        write!(f, "-steps{steps}-seed{seed}")
    }
}

/// A point of a training curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps taken.
    pub step: usize,
    /// Loss of the batch, in squared standardized target units.
    pub loss: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Validation error in the target's unit, RMSE or pinball loss; none during the refit.
    pub valid_error: Option<f64>,
    /// RMSE against the teacher on validation rows, in the target's unit.
    pub fidelity_rmse: Option<f64>,
    /// Validation error less the teacher's: what is left of the way to it.
    pub gap_to_teacher: Option<f64>,
    /// Parts of the loss on a fixed sample of the training rows.
    pub terms: Terms,
}

/// One setting, tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// What was tried.
    pub setting: Setting,
    /// Its curve.
    pub curve: Vec<Point>,
    /// Steps to take in the refit.
    pub stop: usize,
    /// Validation error there, smoothed over the neighboring points of the curve.
    pub valid_error: f64,
    /// Validation predictions there, in the learned unit.
    pub valid_pred: Vec<f64>,
    /// Weights there.
    params: Vec<f32>,
    /// In place of weights, where the student is no network; such a trial is not kept, since it is quickly made again.
    #[serde(skip)]
    pub(crate) model: Option<Model>,
}

impl Trial {
    pub(crate) fn of_model(setting: Setting, valid_error: f64, valid_pred: Vec<f64>, model: Model) -> Self {
        Self { setting, curve: Vec::new(), stop: 0, valid_error, valid_pred, params: Vec::new(), model: Some(model) }
    }
}

/// What a watcher is told while students train. A training that was begun in an earlier life of the run tells its points again.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Which training.
    pub training: &'a Training,
    /// Steps that it will take at most.
    pub until: usize,
    /// Where it stands.
    pub point: &'a Point,
    /// Stage and layer weights, where layers are aligned one after the other.
    pub staged: Option<&'a str>,
}

/// Called at every point of every curve, from several threads; [`Control::Stop`] ends the training there.
pub type Watch<'a> = &'a (dyn Fn(&Progress<'_>) -> Control + Sync);

/// Points of a training curve.
const CURVE: usize = 40;
/// A trial ends once this share of the longest schedule has passed without a better point; shorter schedules run to their
/// end, since what looks hopeless at a high learning rate is often best once the rate falls.
const PATIENCE: f64 = 0.3;
/// Probes of `alpha`, as quick students, take this part of the schedule.
const QUICK: usize = 6;

/// A design with its pool of rows: all that trials share.
pub struct Stage<'a> {
    pub(crate) plan: &'a Plan<'a>,
    /// None where no network is trained.
    design: Option<Design>,
    head: Head,
    pub(crate) pool: Pool,
    pub(crate) center: f64,
    pub(crate) scale: f64,
    valid: Option<Valid<'a>>,
    /// The rows as they came: to fit, and to validate on.
    pub(crate) material: Material<'a>,
    pub(crate) held: Option<Material<'a>>,
}

/// A trial at a point of its curve.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    step: usize,
    /// Mean over validation rows of what [`Measure::row`] says.
    mean: f64,
    pred: Vec<f64>,
    params: Vec<f32>,
}

/// Smoothed means over validation rows, and where they are least.
fn smooth_best(snapshots: &[Snapshot]) -> (Vec<f64>, Option<usize>) {
    let smooth = smoothed(&snapshots.iter().map(|snapshot| snapshot.mean).collect::<Vec<_>>());
    let best = (0..smooth.len()).min_by(|&a, &b| smooth[a].total_cmp(&smooth[b]));
    (smooth, best)
}

/// Mean of each value and its one or two neighbors.
fn smoothed(values: &[f64]) -> Vec<f64> {
    let mean = |i: usize| {
        let near = &values[i.saturating_sub(1)..(i + 2).min(values.len())];
        near.iter().sum::<f64>() / near.len() as f64
    };
    (0..values.len()).map(mean).collect()
}

struct Valid<'a> {
    positions: Vec<f32>,
    target: &'a [f64],
    weight: &'a [f64],
    /// What the teacher answers.
    teacher: Vec<f64>,
}

impl Valid<'_> {
    /// True where the error of `pred` exceeds that of `best` by at most one paired standard error.
    fn close(&self, stage: &Stage<'_>, pred: &[f64], best: &[f64]) -> bool {
        let error = |pred: f64, target: f64| stage.measure().row(stage.unit(pred), stage.unit(target));
        let rows = pred.iter().zip(best).zip(self.target);
        let lost: Vec<f64> = rows.map(|((&pred, &best), &target)| error(pred, target) - error(best, target)).collect();
        let mean = metrics::weighted_mean(&lost, self.weight);
        // Of a weighted mean: √(Σ w² (d − d̄)²) / Σ w, which is sd / √n for equal weights.
        let apart: f64 = lost.iter().zip(self.weight).map(|(lost, weight)| (weight * (lost - mean)).powi(2)).sum();
        mean <= apart.sqrt() / self.weight.iter().sum::<f64>()
    }
}

impl<'a> Stage<'a> {
    /// Fits the design on the rows of `material` and brings all rows into its form.
    ///
    /// # Errors
    ///
    /// As [`Design::fit`], and where rows cannot be encoded.
    pub fn new(plan: &'a Plan<'a>, material: &Material<'a>, valid: Option<&Material<'a>>) -> Result<Self> {
        let rows: Vec<usize> = (0..material.features.rows).collect();
        let center = metrics::weighted_mean(material.target, material.weight);
        let variance = metrics::variance(material.target, material.weight);
        let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        let standard = |values: &[f64]| values.iter().map(|v| ((v - center) / scale) as f32).collect::<Vec<f32>>();
        let target = standard(material.target);
        let range = target.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), y| (a.min(*y), b.max(*y)));
        let head = plan.objective.head(range.0, range.1);
        let fit_design = || {
            let cuts = Cuts::fit(material.features, material.target, material.weight, plan.student)?;
            Design::fit(material.features, &rows, &cuts, plan.student, head)
        };
        let design = match (plan.student.kind, plan.student.kind.has_network().then(fit_design).transpose()) {
            // Another kind may fit where no network does.
            (StudentKind::Auto, Err(Error::BudgetTooSmall { .. })) => None,
            (_, design) => design?,
        };
        let positions = |features: &Features| design.as_ref().map_or(Ok(Vec::new()), |design| design.positions(features));
        let spread = |values: &[f64]| values.iter().map(|sd| (sd / scale) as f32).collect::<Vec<f32>>();
        let place: BTreeMap<usize, usize> = material.rows.iter().enumerate().map(|(at, &row)| (row, at)).collect();
        let pool = Pool {
            positions: positions(material.features)?,
            target,
            teacher: standard(material.teacher),
            spread: spread(material.spread),
            weight: material.weight.iter().map(|&w| w as f32).collect(),
            new_positions: positions(&material.new.features)?,
            new_teacher: standard(&material.new.mean),
            new_spread: spread(&material.new.spread),
            new_source: material.new.source.iter().map(|source| source.and_then(|row| place.get(&row).copied())).collect(),
            new_weight: material.new.weight.iter().map(|&w| w as f32).collect(),
            new_second: material.new.second.clone(),
            coordinates: material.coordinates.cloned().unwrap_or_default(),
        };
        let held = valid.cloned();
        let valid = valid
            .map(|v| {
                let positions = positions(v.features)?;
                let teacher = v.teacher.iter().zip(v.spread).map(|(mean, sd)| plan.objective.answer(*mean, *sd)).collect();
                Ok::<_, Error>(Valid { positions, target: v.target, weight: v.weight, teacher })
            })
            .transpose()?;
        Ok(Self { plan, design, head, pool, center, scale, valid, material: material.clone(), held })
    }

    /// The layers of a trial's network; none where it is of another kind.
    #[must_use]
    pub fn layers(&self, trial: &Trial) -> Option<&MlpShape> {
        self.design.as_ref().filter(|_| trial.model.is_none()).map(|design| &design.shape)
    }

    /// The network. Only trials of one reach here.
    fn network(&self) -> &Design {
        match &self.design {
            Some(design) => design,
            None => unreachable!("networks are trained on stages that have a design"),
        }
    }

    /// Values of the learned unit, standardized.
    pub(crate) fn standard(&self, values: &[f64]) -> Vec<f32> {
        values.iter().map(|v| ((v - self.center) / self.scale) as f32).collect()
    }

    fn unit(&self, value: f64) -> f64 {
        if self.plan.log_target { value.exp() } else { value }
    }

    /// Predictions of rows given as positions, in the learned unit.
    fn predict(&self, params: &[f32], positions: &[f32]) -> Vec<f64> {
        let out = self.network().shape.predict(params, positions);
        let means = out.chunks_exact(self.head.outputs()).map(|outputs| self.head.predict(outputs));
        means.map(|z| self.center + self.scale * f64::from(z)).collect()
    }

    pub(crate) fn measure(&self) -> Measure {
        self.plan.objective.measure()
    }

    /// The measure of predictions against labels, both in the learned unit; labels that are missing are left out.
    pub(crate) fn error(&self, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        self.measure().of_mean(self.mean(self.measure(), pred, label, weight))
    }

    fn mean(&self, measure: Measure, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        let both = pred.iter().zip(label).zip(weight).filter(|((_, label), _)| label.is_finite());
        let (mut sum, mut total) = (0.0, 0.0);
        for ((pred, label), weight) in both {
            sum += weight * measure.row(self.unit(*pred), self.unit(*label));
            total += weight;
        }
        sum / total
    }

    /// Of the labels that students learn from, how many lie beyond the bins of their head, and how many there are; none without bins.
    #[must_use]
    pub fn beyond_bins(&self) -> Option<(usize, usize)> {
        let Head::Binned(bins) = self.head else { return None };
        let (low, high) = (bins.edge(0), bins.edge(bins.count));
        let labels = || [&self.pool.target, &self.pool.teacher, &self.pool.new_teacher].into_iter().flatten().filter(|label| label.is_finite());
        Some((labels().filter(|&&label| label < low || label > high).count(), labels().count()))
    }

    /// True where no student of this stage can predict a value of the learned unit: it lies beyond the bins of their head.
    #[must_use]
    pub fn is_beyond_bins(&self, value: f64) -> bool {
        let Head::Binned(bins) = self.head else { return false };
        let z = ((value - self.center) / self.scale) as f32;
        z < bins.edge(0) || z > bins.edge(bins.count)
    }

    /// What a student with this share of the soft loss learns from.
    fn lesson(&self, alpha: Option<f64>) -> Lesson {
        let Plan { objective, hints, slope_reach, .. } = *self.plan;
        let hidden = self.design.as_ref().map_or(&[][..], |design| design.shape.hidden());
        self.pool.lesson(Aim { objective, hints, slope_reach, head: self.head, hidden }, alpha)
    }

    /// Trains one student for `until` steps of its schedule, or takes up where an earlier life of the run left it.
    fn train(&self, lesson: &Lesson, training: &Training, until: usize, watch: Watch<'_>) -> Result<Trial> {
        let setting = training.setting;
        let tell = |point: &Point| {
            let staged = self.staged(setting, point.step);
            watch(&Progress { training, until, point, staged: staged.as_deref() })
        };
        let (kept, name) = (self.plan.kept, training.to_string());
        if let Some(trial) = kept.load::<Trial>(&name) {
            trial.curve.iter().for_each(|point| {
                tell(point);
            });
            return Ok(trial);
        }
        let Lesson { rows, loss, probe } = lesson;
        let schedule = Schedule { steps: setting.steps, peak: self.plan.student.learning_rate as f32, warmup: 0.03 };
        let options = TrainOptions {
            schedule,
            batch: self.plan.student.batch,
            weight_decay: setting.weight_decay as f32,
            members: 1,
            seed: training.seed,
        };
        let shape = &self.network().shape;
        let trainer = Trainer::new(shape.clone(), options, rows, loss.as_ref())?;
        let mut saver = kept.saver(format!("{name}.begun"));
        let begun: Option<(TrainState, Vec<Point>, Vec<Snapshot>)> = saver.load();
        let (mut state, mut curve, mut snapshots) = begun.unwrap_or_else(|| (trainer.start(), Vec::new(), Vec::new()));
        curve.iter().for_each(|point| {
            tell(point);
        });
        // What comes after the network's weights are adapters, which predict nothing.
        let weights = shape.weights();
        let teacher_error = self.valid_error_teacher();
        let (mut is_stopped, mut saved) = (false, Ok(()));
        trainer.run(&mut state, until, setting.steps.div_ceil(CURVE), &mut |report| {
            let step = report.state.step;
            let average = &report.state.average;
            let mut point = Point {
                step,
                loss: f64::from(report.loss),
                learning_rate: f64::from(report.rate),
                valid_error: None,
                fidelity_rmse: None,
                gap_to_teacher: None,
                terms: probe.terms(shape, average, step as f64 / setting.steps as f64),
            };
            if let Some(valid) = &self.valid {
                let params = average[..weights].to_vec();
                let pred = self.predict(&params, &valid.positions);
                let mean = self.mean(self.measure(), &pred, valid.target, valid.weight);
                let fidelity = self.mean(Measure::Rmse, &pred, &valid.teacher, valid.weight).sqrt();
                let error = self.measure().of_mean(mean);
                point.valid_error = Some(error);
                point.gap_to_teacher = teacher_error.map(|teacher| error - teacher);
                point.fidelity_rmse = fidelity.is_finite().then_some(fidelity);
                snapshots.push(Snapshot { step, mean, pred, params });
            }
            is_stopped = tell(&point) == Control::Stop;
            curve.push(point);
            if self.hopeless(&snapshots) || is_stopped {
                return Control::Stop;
            }
            saved = saver.offer(|| (report.state, &curve, &snapshots));
            if saved.is_ok() { Control::Continue } else { Control::Stop }
        })?;
        saved?;
        state.average.truncate(weights);
        let last = Snapshot { step: state.step, mean: f64::INFINITY, pred: Vec::new(), params: state.average };
        let (stop, valid_error) = self.stop(&snapshots, setting.steps);
        let chosen = if snapshots.is_empty() { last } else { snapshots.swap_remove(stop) };
        let trial = Trial { setting, curve, stop: chosen.step, valid_error, valid_pred: chosen.pred, params: chosen.params, model: None };
        // A training that the user cut short is none that another life of the run may take for the whole one.
        if !is_stopped {
            kept.save(&name, &trial)?;
            saver.finish();
        }
        Ok(trial)
    }

    /// Stage and layer weights of progressive alignment, for who watches.
    fn staged(&self, setting: Setting, step: usize) -> Option<String> {
        let (hints, layers) = (self.plan.hints, self.network().shape.hidden().len());
        if !hints.progressive || setting.alpha.is_none() {
            return None;
        }
        let progress = step as f64 / setting.steps as f64;
        let weights: Vec<String> = (0..layers).map(|layer| format!("{:.1}", hints.layer_weight(layer, layers, progress))).collect();
        Some(format!("stage {} of {}, layers {}", hints.stage(progress) + 1, hints.stages, weights.join(" ")))
    }

    fn hopeless(&self, snapshots: &[Snapshot]) -> bool {
        let (Some(best), Some(last)) = (smooth_best(snapshots).1, snapshots.last()) else { return false };
        (last.step - snapshots[best].step) as f64 > PATIENCE * self.plan.student.steps as f64
    }

    /// Which snapshot to keep, and its smoothed validation error.
    ///
    /// A single point of a curve is good or bad by luck, more so while the learning rate is high, and the refit will not
    /// have the same luck. So the mean over rows is averaged over each point and its neighbors, and the end of the
    /// schedule, where weights have settled, is given up only for a sure gain.
    fn stop(&self, snapshots: &[Snapshot], steps: usize) -> (usize, f64) {
        let (smooth, best) = smooth_best(snapshots);
        let (Some(mut best), Some(last), Some(valid)) = (best, snapshots.last(), &self.valid) else {
            return (0, f64::INFINITY);
        };
        if last.step == steps && valid.close(self, &last.pred, &snapshots[best].pred) {
            best = snapshots.len() - 1;
        }
        (best, self.measure().of_mean(smooth[best]))
    }

    /// True where the validation error of `trial` exceeds that of `other` by at most one paired standard error.
    #[must_use]
    pub fn as_good(&self, trial: &Trial, other: &Trial) -> bool {
        let close = |valid: &Valid<'_>| valid.close(self, &trial.valid_pred, &other.valid_pred);
        trial.valid_error <= other.valid_error || self.valid.as_ref().is_some_and(close)
    }

    /// Error of the teacher on the validation rows that it has labelled, in the target's unit; none where there are none.
    #[must_use]
    pub fn valid_error_teacher(&self) -> Option<f64> {
        let valid = self.valid.as_ref()?;
        // The teacher's answers are compared with targets, so those are the labels that must be there.
        let targets: Vec<f64> = valid.teacher.iter().zip(valid.target).map(|(t, y)| if t.is_finite() { *y } else { f64::NAN }).collect();
        Some(self.error(&valid.teacher, &targets, valid.weight)).filter(|error| error.is_finite())
    }

    /// The largest `alpha` whose validation error is within one paired standard error of the best (the one-standard-error
    /// rule of Breiman et al., *Classification and Regression Trees*, 1984, section 3.4.3).
    fn alpha_of(&self, probes: &[Trial]) -> f64 {
        let best = probes.iter().min_by(|a, b| a.valid_error.total_cmp(&b.valid_error));
        let Some(best) = best else { return 1.0 };
        let close = probes.iter().filter(|trial| self.as_good(trial, best));
        close.filter_map(|trial| trial.setting.alpha).fold(0.0, f64::max)
    }

    /// A network trained for a part of the schedule, to see where it stands: before the search, which is what counts. `phase` says what
    /// for.
    ///
    /// # Errors
    ///
    /// As training's.
    pub fn quick(&self, phase: &str, alpha: f64, watch: Watch<'_>) -> Result<Trial> {
        let setting = distilled_setting(self.plan.student.steps / QUICK, alpha);
        self.train(&self.lesson(Some(alpha)), &Training::new(phase, setting, self.plan.seed), setting.steps, watch)
    }

    /// The weights of a trial's network by layer; empty where it is of another kind.
    #[must_use]
    pub fn weights<'t>(&self, trial: &'t Trial) -> Vec<&'t [f32]> {
        self.layers(trial).map_or_else(Vec::new, |shape| shape.layer_weights(&trial.params))
    }

    /// What a trained network says of rows, in the learned unit.
    ///
    /// # Errors
    ///
    /// Where the rows cannot be encoded.
    pub fn answers(&self, trial: &Trial, features: &Features) -> Result<Vec<f64>> {
        Ok(self.predict(&trial.params, &self.network().positions(features)?))
    }

    /// Trains a lone network for some steps and forgets it: for timing. Other students take no steps.
    ///
    /// # Errors
    ///
    /// As training's.
    pub fn warm_up(&self, steps: usize) -> Result<()> {
        let setting = Setting { alpha: None, steps, weight_decay: 0.0, spec: None };
        if self.design.is_none() {
            return Ok(());
        }
        self.train(&self.lesson(None), &Training::new("warm-up", setting, 0), steps, &|_| Control::Continue).map(|_| ())
    }

    /// The trained student as data, with golden vectors on `examples`.
    ///
    /// # Errors
    ///
    /// Where the runtime refuses a part.
    pub fn student(&self, trial: &Trial, provenance: BTreeMap<String, String>, examples: Vec<Vec<GoldenValue>>) -> Result<Student> {
        let target = match self.plan.log_target {
            false => TargetTransform::Affine { scale: self.scale, shift: self.center },
            true => TargetTransform::LogAffine { scale: self.scale, shift: self.center },
        };
        let (encoder, graph) = match &trial.model {
            Some(model) => (model.encoder.clone(), model.graph.clone()),
            None => (self.network().encoder.clone(), self.network().shape.lower(&trial.params, self.head)?),
        };
        let parts = StudentParts {
            encoder,
            graph,
            target,
            target_name: self.plan.target_name.to_owned(),
            provenance,
            golden: Vec::new(),
        };
        Ok(Student::new(parts)?.with_golden(examples)?)
    }
}

/// Settings of the lone student: the whole schedule, and shorter ones with more decay against overfitting.
fn lone_settings(student: &StudentOptions) -> Vec<Setting> {
    let setting = |part: usize, weight_decay| Setting { alpha: None, steps: (student.steps / part).max(1), weight_decay, spec: None };
    let all = [setting(10, 0.05), setting(1, 0.01), setting(10, 0.5), setting(40, 0.1), setting(40, 1.0)];
    all[..student.trials.min(all.len())].to_vec()
}

fn distilled_setting(steps: usize, alpha: f64) -> Setting {
    Setting { alpha: Some(alpha), steps: steps.max(1), weight_decay: 1e-3, spec: None }
}

/// Steps that [`choose`] takes at most, over all trials.
#[must_use]
pub fn search_steps(plan: &Plan<'_>) -> usize {
    if !plan.student.kind.has_network() {
        return 0;
    }
    let lone: usize = lone_settings(plan.student).iter().map(|setting| setting.steps).sum();
    let probes = if plan.objective.alpha == Alpha::Auto { plan.student.trials.saturating_sub(1) } else { 0 };
    lone + probes * (plan.student.steps / QUICK) + plan.student.steps
}

/// What the search found.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Trials of the lone student.
    pub alone: Vec<Trial>,
    /// Trials of the distilled student.
    pub distilled: Vec<Trial>,
    /// Closed-form share of the soft loss, before clamping; none where it is undefined.
    pub closed_form: Option<f64>,
}

impl Choice {
    /// The best trial of each side.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] where a side has none.
    pub fn best(&self) -> Result<(&Trial, &Trial)> {
        let best = |trials: &'_ [Trial]| -> Option<usize> {
            (0..trials.len()).min_by(|&a, &b| trials[a].valid_error.total_cmp(&trials[b].valid_error))
        };
        let (Some(alone), Some(distilled)) = (best(&self.alone), best(&self.distilled)) else {
            return Err(Error::Interrupted);
        };
        Ok((&self.alone[alone], &self.distilled[distilled]))
    }
}

/// Best share of teacher labels by two fits, on validation rows.
///
/// # Formula
///
/// ```text
/// ξ* = Σ w (s_t − s_y)(y − s_y) / Σ w (s_t − s_y)²
/// ```
///
/// with `s_y` fitted on targets and `s_t` on the teacher. None where the two agree.
///
/// # Source
///
/// Dang et al. 2026, arXiv 2602.17565: exact where fitting is linear in the labels, here the seed of a search.
#[must_use]
pub fn closed_form_alpha(on_target: &[f64], on_teacher: &[f64], target: &[f64], weight: &[f64]) -> Option<f64> {
    let (mut top, mut bottom) = (0.0, 0.0);
    for (((s_y, s_t), y), w) in on_target.iter().zip(on_teacher).zip(target).zip(weight) {
        top += w * (s_t - s_y) * (y - s_y);
        bottom += w * (s_t - s_y).powi(2);
    }
    (bottom > 0.0).then(|| top / bottom)
}

/// Tries the settings of both sides, for each kind of student that was asked for.
///
/// # Errors
///
/// As training's; of the kinds of `auto`, those that do not fit columns or budget are passed over.
pub fn choose(stage: &Stage<'_>, watch: Watch<'_>) -> Result<Choice> {
    let kind = stage.plan.student.kind;
    let mut choice = match stage.design {
        Some(_) => choose_network(stage, watch)?,
        None => Choice { alone: Vec::new(), distilled: Vec::new(), closed_form: None },
    };
    for asked in Kind::asked(kind) {
        match kinds::choose(stage, asked) {
            Err(Error::NotATable { .. } | Error::BudgetTooSmall { .. }) if kind == StudentKind::Auto => {}
            Err(error) => return Err(error),
            Ok(more) => {
                choice.alone.extend(more.alone);
                choice.distilled.extend(more.distilled);
                choice.closed_form = choice.closed_form.or(more.closed_form);
            }
        }
    }
    Ok(choice)
}

/// Tries the settings of both sides of the network.
///
/// With `alpha` on auto, a sixth of the schedule probes 1 and 0.7, then the closed form of the best lone student and the pure
/// teacher student, then half-way between it and 1. The largest `alpha` within one standard error of the best gets the whole
/// schedule as the last trial: teacher labels carry less noise, so a smaller share of them has to earn its place.
///
/// # Errors
///
/// As training's.
fn choose_network(stage: &Stage<'_>, watch: Watch<'_>) -> Result<Choice> {
    let student = stage.plan.student;
    let run = |settings: Vec<Setting>| -> Result<Vec<Trial>> {
        settings
            .into_par_iter()
            .map(|setting| stage.train(&stage.lesson(setting.alpha), &Training::search(setting, stage.plan.seed), setting.steps, watch))
            .collect()
    };
    let split = |trials: Vec<Trial>| -> (Vec<Trial>, Vec<Trial>) {
        trials.into_iter().partition(|trial| trial.setting.alpha.is_some())
    };
    if let Alpha::Fixed(alpha) = stage.plan.objective.alpha {
        let settings = std::iter::once(distilled_setting(student.steps, alpha)).chain(lone_settings(student));
        let (distilled, alone) = split(run(settings.collect())?);
        return Ok(Choice { alone, distilled, closed_form: None });
    }
    let probes = student.trials.saturating_sub(1);
    let probe = |alpha: f64| distilled_setting(student.steps / QUICK, alpha);
    let first: Vec<f64> = [1.0, 0.7][..probes.min(2)].to_vec();
    // The longest schedules of both sides run beside each other, last.
    let (long, short): (Vec<_>, Vec<_>) = lone_settings(student).into_iter().partition(|s| s.steps == student.steps);
    let settings = first.iter().map(|&alpha| probe(alpha)).chain(short);
    let (mut distilled, mut alone) = split(run(settings.collect())?);
    let lone = alone.iter().min_by(|a, b| a.valid_error.total_cmp(&b.valid_error));
    let closed_form = match (&stage.valid, lone, distilled.first()) {
        // The closed form is that of squared errors.
        (Some(valid), Some(lone), Some(pure)) if stage.measure() == Measure::Rmse => {
            closed_form_alpha(&lone.valid_pred, &pure.valid_pred, valid.target, valid.weight)
        }
        _ => None,
    };
    let seed = closed_form.unwrap_or(0.4).clamp(0.0, 1.0);
    let mut more: Vec<f64> = Vec::new();
    for alpha in [seed, (1.0 + seed) / 2.0, seed / 2.0] {
        let alpha = (alpha * 100.0).round() / 100.0;
        let tried = |other: &f64| (other - alpha).abs() < 0.05;
        if first.len() + more.len() < probes && !first.iter().chain(&more).any(tried) {
            more.push(alpha);
        }
    }
    distilled.extend(run(more.into_iter().map(probe).collect())?);
    let alpha = stage.alpha_of(&distilled);
    let (last, longest) = split(run(std::iter::once(distilled_setting(student.steps, alpha)).chain(long).collect())?);
    distilled.extend(last);
    alone.extend(longest);
    Ok(Choice { alone, distilled, closed_form })
}

/// The best of the lone student's settings, without a distilled one beside it.
///
/// # Errors
///
/// As training's.
pub fn choose_alone(stage: &Stage<'_>, watch: Watch<'_>) -> Result<Trial> {
    let plan = stage.plan;
    let run = |setting: Setting| stage.train(&stage.lesson(None), &Training::search(setting, plan.seed), setting.steps, watch);
    let trials: Vec<Trial> = lone_settings(plan.student).into_par_iter().map(run).collect::<Result<_>>()?;
    trials.into_iter().min_by(|a, b| a.valid_error.total_cmp(&b.valid_error)).ok_or(Error::Interrupted)
}

/// Both students of one seed, fitted on all training rows.
pub struct Refitted {
    /// The lone student.
    pub alone: Trial,
    /// The distilled student.
    pub distilled: Trial,
}

/// Fits the chosen settings again, once per seed.
///
/// # Errors
///
/// As training's.
pub fn refit(stage: &Stage<'_>, alone: (Setting, usize), distilled: (Setting, usize), seeds: &[u64], watch: Watch<'_>) -> Result<Vec<Refitted>> {
    // Read by all seeds of a side: copies of so many rows would drive each other from the cache.
    let lessons = (stage.lesson(alone.0.alpha), stage.lesson(distilled.0.alpha));
    let jobs: Vec<(u64, bool)> = seeds.iter().flat_map(|&seed| [(seed, true), (seed, false)]).collect();
    let trials: Vec<Trial> = jobs
        .into_par_iter()
        .map(|(seed, is_distilled)| {
            let (lesson, (setting, stop)) = match is_distilled {
                true => (&lessons.1, distilled),
                false => (&lessons.0, alone),
            };
            match setting.spec {
                Some(spec) => kinds::fit(stage, setting.alpha, spec, seed),
                None => stage.train(lesson, &Training::refit(setting, seed), stop, watch),
            }
        })
        .collect::<Result<_>>()?;
    let mut trials = trials.into_iter();
    let mut out = Vec::with_capacity(seeds.len());
    while let (Some(distilled), Some(alone)) = (trials.next(), trials.next()) {
        out.push(Refitted { alone, distilled });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_form_alpha_is_worked_by_hand() {
        // s_y = 0, s_t = 2, y = 1 and 3: (2·1 + 2·3) / (4 + 4) = 1
        assert_eq!(closed_form_alpha(&[0.0, 0.0], &[2.0, 2.0], &[1.0, 3.0], &[1.0, 1.0]), Some(1.0));
        assert_eq!(closed_form_alpha(&[1.0], &[1.0], &[2.0], &[1.0]), None);
    }

    #[test]
    fn trainings_of_a_run_have_different_names() {
        let student = StudentOptions { trials: 5, steps: 50, ..StudentOptions::default() };
        let settings: Vec<Setting> = lone_settings(&student).into_iter().chain([0.7, 1.0].map(|alpha| distilled_setting(50, alpha))).chain([distilled_setting(8, 1.0)]).collect();
        let names: std::collections::BTreeSet<String> = settings.iter().flat_map(|&s| [0, 1].map(|seed| Training::refit(s, seed).to_string())).collect();
        assert_eq!(names.len(), 2 * settings.len());
        assert_eq!(Training::search(settings[5], 3).to_string(), "search-distilled-alpha0.7-steps50-seed3");
        assert_eq!(Training::refit(settings[0], 0).to_string(), "refit-alone-decay0.05-steps5-seed0");
    }

    #[test]
    fn curves_are_smoothed_over_neighbors() {
        assert_eq!(smoothed(&[1.0, 4.0, 1.0, 7.0]), [2.5, 2.0, 4.0, 4.0]);
        assert_eq!(smoothed(&[3.0]), [3.0]);
        assert!(smoothed(&[]).is_empty());
    }

    #[test]
    fn lone_student_has_as_many_trials_as_the_distilled_one() {
        for trials in 1..=5 {
            let student = StudentOptions { trials, ..StudentOptions::default() };
            assert_eq!(lone_settings(&student).len(), trials);
        }
    }
}
