//! One split of the rows, with everything that trials on it share: labels in network units, and a design for each size.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use limbeck_data::checkpoint::Checkpoints;
use limbeck_data::metrics::{self, Measure};
use limbeck_data::{Features, LearnedUnit, TargetSpec};
use limbeck_nets::{Control, Head, MlpShape, Network, Schedule, TrainOptions, TrainState, Trainer};
use limbeck_runtime::{GoldenValue, Student, StudentParts, TargetTransform};
use serde::{Deserialize, Serialize};

use crate::bins::Cuts;
use crate::error::{Error, Result};
use crate::hints::HintOptions;
use crate::lesson::{Aim, Inputs, Lesson, Pool};
use crate::objective::ObjectiveOptions;
use crate::student::Design;
use crate::student::options::{StudentKind, StudentOptions};
use crate::transfer::set::{KnownRows, TransferSet};
use crate::trial::{Point, Progress, Setting, Training, Trial, Watch};

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
    /// What is predicted.
    pub target: &'a TargetSpec,
    /// Seed of weights and order.
    pub seed: u64,
    /// Where trainings are kept.
    pub kept: &'a Checkpoints,
}

/// Weight decay of distilled students: labels without noise leave little to overfit.
pub(crate) const DISTILLED_DECAY: f64 = 1e-3;
/// Sizes of networks that are tried, as shares of the parameter budget.
pub(crate) const SIZES: [f64; 4] = [1.0, 0.5, 0.25, 0.125];
/// Points of a training curve.
const CURVE: usize = 40;
/// A trial ends once this share of the longest schedule has passed without a better point; shorter schedules run to their
/// end, since what looks hopeless at a high learning rate is often best once the rate falls.
const PATIENCE: f64 = 0.3;
/// A quick student takes this part of the schedule.
const QUICK: usize = 6;

/// Rows to learn from and rows to validate on, ready for trials.
pub struct Stage<'a> {
    pub(crate) plan: &'a Plan<'a>,
    /// Of each size; the first is there unless no network is trained, the others once they are asked for.
    arms: [OnceLock<Arm>; SIZES.len()],
    cuts: Cuts,
    head: Head,
    pub(crate) pool: Pool,
    pub(crate) center: f64,
    pub(crate) scale: f64,
    /// The rows as they came: to fit, and to validate on.
    pub(crate) set: &'a TransferSet,
    pub(crate) held: Option<&'a KnownRows>,
}

/// A network of one size, and the rows as it reads them.
struct Arm {
    design: Design,
    inputs: Inputs,
    /// Positions of the validation rows.
    valid: Vec<f32>,
}

/// A trial at a point of its curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) step: usize,
    /// Mean over validation rows of what [`Measure::row`] says.
    pub(crate) mean: f64,
    pub(crate) pred: Vec<f64>,
    pub(crate) params: Vec<f32>,
}

/// A training that is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trained {
    pub(crate) curve: Vec<Point>,
    /// One by point of the curve; none without validation rows.
    pub(crate) snapshots: Vec<Snapshot>,
    step: usize,
    params: Vec<f32>,
}

impl Trained {
    /// The student as it was when training ended.
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

/// Smoothed values, and where they are least.
///
/// A single point of a curve is good or bad by luck, more so while the learning rate is high, and the refit will not have the
/// same luck: so each point is averaged with its neighbors.
pub(crate) fn smooth_best(means: &[f64]) -> (Vec<f64>, Option<usize>) {
    let smooth = smoothed(means);
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

impl<'a> Stage<'a> {
    /// Brings rows into the form of the plan's network.
    ///
    /// # Errors
    ///
    /// As [`Design::fit`], and where rows cannot be encoded.
    pub fn new(
        plan: &'a Plan<'a>,
        set: &'a TransferSet,
        valid: Option<&'a KnownRows>,
    ) -> Result<Self> {
        let TransferSet {
            known,
            new,
            coordinates,
        } = set;
        let center = metrics::weighted_mean(&known.target, &known.weight);
        let variance = metrics::variance(&known.target, &known.weight);
        let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        let standard = |values: &[f64]| {
            values
                .iter()
                .map(|v| ((v - center) / scale) as f32)
                .collect::<Vec<f32>>()
        };
        let target = standard(&known.target);
        let range = target
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), y| {
                (a.min(*y), b.max(*y))
            });
        let head = plan.objective.head(range.0, range.1);
        let spread = |values: &[f64]| {
            values
                .iter()
                .map(|sd| (sd / scale) as f32)
                .collect::<Vec<f32>>()
        };
        let place: BTreeMap<usize, usize> = known
            .rows
            .iter()
            .enumerate()
            .map(|(at, &row)| (row, at))
            .collect();
        let pool = Pool {
            target,
            teacher: standard(&known.teacher),
            spread: spread(&known.spread),
            weight: known.weight.iter().map(|&w| w as f32).collect(),
            new_teacher: standard(&new.mean),
            new_spread: spread(&new.spread),
            new_source: new
                .source
                .iter()
                .map(|source| source.and_then(|row| place.get(&row).copied()))
                .collect(),
            new_weight: new.weight.iter().map(|&w| w as f32).collect(),
            new_second: new.second.clone(),
            coordinates: coordinates.clone().unwrap_or_default(),
        };
        let has_network = plan.student.kind.has_network();
        let cuts = match has_network {
            true => Cuts::fit(&known.features, &known.target, &known.weight, plan.student)?,
            false => Cuts::default(),
        };
        let stage = Self {
            plan,
            arms: Default::default(),
            cuts,
            head,
            pool,
            center,
            scale,
            set,
            held: valid,
        };
        if has_network {
            match stage.arm(SIZES[0]) {
                // Another kind may fit where no network does.
                Err(Error::BudgetTooSmall { .. }) if plan.student.kind == StudentKind::Auto => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(stage)
    }

    /// The network of a size.
    fn arm(&self, size: f64) -> Result<&Arm> {
        let Some(at) = SIZES.iter().position(|known| (known - size).abs() < 1e-9) else {
            unreachable!("settings have one of the sizes that are tried")
        };
        if let Some(arm) = self.arms[at].get() {
            return Ok(arm);
        }
        let arm = self.fit_arm(size)?;
        // Whoever was first made the same.
        Ok(self.arms[at].get_or_init(|| arm))
    }

    fn fit_arm(&self, size: f64) -> Result<Arm> {
        let options = StudentOptions {
            params: (self.plan.student.params as f64 * size) as usize,
            ..self.plan.student.clone()
        };
        let rows: Vec<usize> = (0..self.set.known.features.rows).collect();
        let design = Design::fit(
            &self.set.known.features,
            &rows,
            &self.cuts,
            &options,
            self.head,
        )?;
        let inputs = Inputs {
            known: design.positions(&self.set.known.features)?,
            new: design.positions(&self.set.new.features)?,
        };
        let valid = self
            .held
            .as_ref()
            .map_or(Ok(Vec::new()), |held| design.positions(&held.features))?;
        Ok(Arm {
            design,
            inputs,
            valid,
        })
    }

    /// Rows with a target, those for validation among them: the same for the search and for the refit.
    fn rows(&self) -> usize {
        self.set.known.target.len() + self.held.as_ref().map_or(0, |held| held.target.len())
    }

    /// True where networks are trained.
    pub(crate) fn has_network(&self) -> bool {
        self.arms[0].get().is_some()
    }

    /// The sizes that differ from each other: all that the budget allows, or the whole alone where the layers are given.
    pub(crate) fn sizes(&self) -> Result<Vec<f64>> {
        let StudentOptions { hidden, bins, .. } = self.plan.student;
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

    /// The design of a trial. Only networks reach here, whose size was trained.
    fn design(&self, trial: &Trial) -> &Design {
        match self.arm(trial.setting.size) {
            Ok(arm) => &arm.design,
            Err(_) => unreachable!("a trial's size was fitted when it was trained"),
        }
    }

    /// The layers of a trial's network; none for a non-neural student.
    #[must_use]
    pub fn layers(&self, trial: &Trial) -> Option<&MlpShape> {
        trial.model.is_none().then(|| &self.design(trial).shape)
    }

    /// Values of the learned unit, standardized.
    pub(crate) fn standard(&self, values: &[f64]) -> Vec<f32> {
        values
            .iter()
            .map(|v| ((v - self.center) / self.scale) as f32)
            .collect()
    }

    /// Values of the learned unit in the target's.
    pub(crate) fn unit(&self, value: f64) -> f64 {
        self.plan.target.unit.target(value)
    }

    /// Predictions of rows given as positions, in the learned unit.
    fn predict(&self, design: &Design, params: &[f32], positions: &[f32]) -> Vec<f64> {
        let out = design.shape.predict(params, positions);
        let means = out
            .chunks_exact(self.head.outputs())
            .map(|outputs| self.head.predict(outputs));
        means
            .map(|z| self.center + self.scale * f64::from(z))
            .collect()
    }

    pub(crate) fn measure(&self) -> Measure {
        self.plan.objective.measure()
    }

    /// The measure of predictions against labels, both in the learned unit; labels that are missing are left out.
    pub(crate) fn error(&self, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        self.measure()
            .of_mean(self.mean(self.measure(), pred, label, weight))
    }

    fn mean(&self, measure: Measure, pred: &[f64], label: &[f64], weight: &[f64]) -> f64 {
        let both = pred
            .iter()
            .zip(label)
            .zip(weight)
            .filter(|((_, label), _)| label.is_finite());
        let (mut sum, mut total) = (0.0, 0.0);
        for ((pred, label), weight) in both {
            sum += weight * measure.row(self.unit(*pred), self.unit(*label));
            total += weight;
        }
        sum / total
    }

    /// What the teacher answers on the validation rows, in the learned unit.
    pub(crate) fn valid_teacher(&self) -> Vec<f64> {
        let objective = &self.plan.objective;
        let answers = |held: &KnownRows| {
            let pairs = held.teacher.iter().zip(&held.spread);
            pairs
                .map(|(mean, sd)| objective.answer(*mean, *sd))
                .collect()
        };
        self.held.map_or_else(Vec::new, answers)
    }

    /// Of the labels that students learn from, how many lie beyond the bins of their head, and how many there are; none without bins.
    #[must_use]
    pub fn beyond_bins(&self) -> Option<(usize, usize)> {
        let Head::Binned(bins) = self.head else {
            return None;
        };
        let (low, high) = (bins.edge(0), bins.edge(bins.count));
        let labels = || {
            [
                &self.pool.target,
                &self.pool.teacher,
                &self.pool.new_teacher,
            ]
            .into_iter()
            .flatten()
            .filter(|label| label.is_finite())
        };
        Some((
            labels()
                .filter(|&&label| label < low || label > high)
                .count(),
            labels().count(),
        ))
    }

    /// True where no student of this stage can predict a value of the learned unit: it lies beyond the bins of their head.
    #[must_use]
    pub fn is_beyond_bins(&self, value: f64) -> bool {
        let Head::Binned(bins) = self.head else {
            return false;
        };
        let z = ((value - self.center) / self.scale) as f32;
        z < bins.edge(0) || z > bins.edge(bins.count)
    }

    /// What a student of this setting learns from.
    pub(crate) fn lesson(&self, setting: Setting) -> Result<Lesson> {
        let Plan {
            objective,
            hints,
            slope_reach,
            ..
        } = *self.plan;
        let Arm { design, inputs, .. } = self.arm(setting.size)?;
        let aim = Aim {
            objective,
            hints,
            slope_reach,
            head: self.head,
            hidden: design.shape.hidden(),
        };
        Ok(self.pool.lesson(aim, setting.alpha, inputs))
    }

    /// Trains one student for `until` steps of its schedule, or takes up where an earlier life of the run left it.
    ///
    /// # Errors
    ///
    /// [`Error::Nets`](crate::Error) where the loss is not finite, and where a checkpoint cannot be written.
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
        let (kept, name) = (self.plan.kept, training.to_string());
        if let Some(trained) = kept.load::<Trained>(&name) {
            trained.curve.iter().for_each(|point| {
                tell(point);
            });
            return Ok(trained);
        }
        let Lesson { rows, loss, probe } = lesson;
        let schedule = Schedule {
            steps: setting.steps,
            peak: self.plan.student.learning_rate as f32,
            warmup: 0.03,
        };
        let options = TrainOptions {
            schedule,
            batch: self.plan.student.batch_of(self.rows()),
            weight_decay: setting.weight_decay as f32,
            input_noise: setting.input_noise as f32,
            members: 1,
            seed: training.seed,
        };
        let trainer = Trainer::new(design.shape.clone(), options, rows, loss.as_ref())?;
        let mut saver = kept.saver(format!("{name}.begun"));
        let begun: Option<(TrainState, Vec<Point>, Vec<Snapshot>)> = saver.load();
        let (mut state, mut curve, mut snapshots) =
            begun.unwrap_or_else(|| (trainer.start(), Vec::new(), Vec::new()));
        curve.iter().for_each(|point| {
            tell(point);
        });
        // What comes after the network's weights are adapters, which predict nothing.
        let weights = design.shape.weights();
        let teacher = self.valid_teacher();
        let teacher_error = self
            .held
            .as_ref()
            .and_then(|held| self.teacher_error(&teacher, &held.target, &held.weight));
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
                };
                if let Some(held) = &self.held {
                    let params = average[..weights].to_vec();
                    let pred = self.predict(design, &params, valid);
                    let mean = self.mean(self.measure(), &pred, &held.target, &held.weight);
                    let fidelity = self
                        .mean(Measure::Rmse, &pred, &teacher, &held.weight)
                        .sqrt();
                    let error = self.measure().of_mean(mean);
                    point.valid_error = Some(error);
                    point.gap_to_teacher = teacher_error.map(|teacher| error - teacher);
                    point.fidelity_rmse = fidelity.is_finite().then_some(fidelity);
                    snapshots.push(Snapshot {
                        step,
                        mean,
                        pred,
                        params,
                    });
                }
                is_stopped = tell(&point) == Control::Stop;
                curve.push(point);
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
        state.average.truncate(weights);
        let trained = Trained {
            curve,
            snapshots,
            step: state.step,
            params: state.average,
        };
        // A training that the user cut short is none that another life of the run may take for the whole one.
        if !is_stopped {
            kept.save(&name, &trained)?;
            saver.finish();
        }
        Ok(trained)
    }

    /// Error of a teacher's answers against targets, in the target's unit, on the rows that it has labelled; none where there are none.
    pub(crate) fn teacher_error(
        &self,
        answers: &[f64],
        target: &[f64],
        weight: &[f64],
    ) -> Option<f64> {
        // Targets are the labels that must be there.
        let targets: Vec<f64> = answers
            .iter()
            .zip(target)
            .map(|(t, y)| if t.is_finite() { *y } else { f64::NAN })
            .collect();
        Some(self.error(answers, &targets, weight)).filter(|error| error.is_finite())
    }

    /// Stage and layer weights of progressive alignment, for who watches.
    fn staged(&self, setting: Setting, design: &Design, step: usize) -> Option<String> {
        let (hints, layers) = (self.plan.hints, design.shape.hidden().len());
        if !hints.progressive || setting.alpha.is_none() {
            return None;
        }
        let progress = step as f64 / setting.steps as f64;
        let weights: Vec<String> = (0..layers)
            .map(|layer| format!("{:.1}", hints.layer_weight(layer, layers, progress)))
            .collect();
        Some(format!(
            "stage {} of {}, layers {}",
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
        (last.step - snapshots[best].step) as f64 > PATIENCE * self.plan.student.steps as f64
    }

    /// A network trained for a part of the schedule, to see where it stands: before the search, which is what counts. `phase` says what
    /// for.
    ///
    /// # Errors
    ///
    /// Where the loss is not finite, or a checkpoint cannot be written.
    pub fn quick(&self, phase: &str, alpha: f64, watch: Watch<'_>) -> Result<Trial> {
        let setting = Setting {
            weight_decay: DISTILLED_DECAY,
            ..Setting::plain(Some(alpha), self.plan.student.steps / QUICK)
        };
        Ok(self
            .train(
                &self.lesson(setting)?,
                &Training::new(phase, setting, self.plan.seed),
                setting.steps,
                watch,
            )?
            .last(setting))
    }

    /// The weights of a trial's network by layer; empty for a non-neural student.
    #[must_use]
    pub fn weights<'t>(&self, trial: &'t Trial) -> Vec<&'t [f32]> {
        self.layers(trial)
            .map_or_else(Vec::new, |shape| shape.layer_weights(&trial.params))
    }

    /// What a trained network says of rows, in the learned unit.
    ///
    /// # Errors
    ///
    /// Where the rows cannot be encoded.
    pub fn answers(&self, trial: &Trial, features: &Features) -> Result<Vec<f64>> {
        let design = self.design(trial);
        Ok(self.predict(design, &trial.params, &design.positions(features)?))
    }

    /// Trains and discards a lone network of some steps, to time it. Non-neural students take no steps.
    ///
    /// # Errors
    ///
    /// Where the loss is not finite.
    pub fn warm_up(&self, steps: usize) -> Result<()> {
        if !self.has_network() {
            return Ok(());
        }
        let setting = Setting::plain(None, steps);
        self.train(
            &self.lesson(setting)?,
            &Training::new("warm-up", setting, 0),
            steps,
            &|_| Control::Continue,
        )
        .map(|_| ())
    }

    /// The trained student as data, with golden vectors on `examples`.
    ///
    /// # Errors
    ///
    /// Where the runtime refuses a part.
    pub fn student(
        &self,
        trial: &Trial,
        provenance: BTreeMap<String, String>,
        examples: Vec<Vec<GoldenValue>>,
    ) -> Result<Student> {
        let (encoder, graph) = match &trial.model {
            Some(model) => (model.encoder.clone(), model.graph.clone()),
            None => {
                let design = self.design(trial);
                (
                    design.encoder.clone(),
                    design.shape.lower(&trial.params, self.head)?,
                )
            }
        };
        let parts = StudentParts {
            encoder,
            graph,
            target: self.transform(),
            target_name: self.plan.target.name.clone(),
            provenance,
            golden: Vec::new(),
        };
        Ok(Student::new(parts)?.with_golden(examples)?)
    }

    /// From the output of a student to the target's unit.
    fn transform(&self) -> TargetTransform {
        let (scale, shift) = (self.scale, self.center);
        match self.plan.target.unit {
            LearnedUnit::Own => TargetTransform::Affine { scale, shift },
            LearnedUnit::Log => TargetTransform::LogAffine { scale, shift },
        }
    }
}

/// The target of tests.
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
