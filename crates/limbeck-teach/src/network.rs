//! A teacher of several networks (the *members*), which are trained together: multilayer perceptrons, or LSTMs ([`LstmOptions`](crate::lstm::LstmOptions)). For perceptrons,
//! numbers get a piecewise-linear encoding. By default, each member predicts a mean and a variance (a Gaussian head).
//!
//! The members share batches and differ in their initial weights, as in the packed variant of TabM (Gorishniy et al., *TabM: Advancing tabular deep
//! learning with parameter-efficient ensembling*, 2024, section 3.2); the prediction is the mean over the members. The training time is chosen by the
//! out-of-fold error of all folds together, so that no rows are held out for early stopping.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use limbeck_data::checkpoint::Saver;
use limbeck_data::encode::{EncodeOptions, fit_encoder, ple_edges};
use limbeck_data::{Features, metrics};
use limbeck_nets::loss::{PointLoss, StepContext, StepLoss};
use limbeck_nets::losses::{Hard, LabelLoss};
use limbeck_nets::{
    Bins, Control, Head, HeadKind, InputLayout, LOG_VARIANCE_LIMIT, MlpShape, Network, Positions,
    RecurrentShape, Schedule, Segment, Shape, Stretches, TrainOptions, TrainState, Trainer,
    TrainingRows, samples_of,
};
use limbeck_runtime::{Cell, Container, Encoder, Numbers};
use rayon::prelude::*;

use limbeck_options::{Options, Rule};

use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::sample::Sample;
use crate::series::{EncodedSeries, step_numbers};
use crate::work::{Meter, Part, Work};

limbeck_options::options! {
    /// Network teachers: ensembles of perceptrons.
    pub struct NetworkOptions in "teacher.network", "Teacher" {
        /// Number of networks to average.
        members: usize = 4 => [at_least(1.0)];
        /// Widths of the hidden layers.
        hidden: Vec<usize> = vec![64, 64] => [within(1.0, 4096.0)];
        /// Number of bins per numeric column in the piecewise-linear encoding of the inputs.
        bins: usize = 16 => [at_least(1.0)];
        /// What each network of a network teacher predicts: a number, or a distribution.
        head: HeadKind = HeadKind::Gaussian => [flag("teacher-head", "HEAD")];
        /// Number of bins of a binned head.
        head_bins: usize = 50 => [within(8.0, 1000.0), rules(&[Rule::Where("teacher.network.head", &["binned"], "only that head has bins")])];
        /// Number of passes over the rows, within the limits of `steps`.
        epochs: usize = 120 => [at_least(1.0)];
        /// Minimum and maximum number of training steps.
        steps: (usize, usize) = (2500, 6000) => [at_least(1.0)];
        /// Peak learning rate.
        learning_rate: f32 = 3e-3 => [above(0.0)];
        /// Decoupled weight decay.
        weight_decay: f32 = 0.05 => [at_least(0.0)];
        /// How the mean of a Gaussian head is trained: by likelihood (0), by squared error (1), or in between.
        balance: f32 = 0.5 => [within(0.0, 1.0)];
        /// Give the network each plain number too, beside its piecewise-linear encoding.
        plain: bool = true;
    }
}

const BATCH: usize = 256;
/// Maximum number of rows that an LSTM reads. A file with a larger number is damaged.
pub const LONGEST_PASS: usize = 10_000;
/// Number of points of the training curve. At each point, the out-of-fold error is measured.
pub(crate) const CURVE: usize = 16;
/// When the speed of training is measured, the number of steps between two points of the training curve.
const TIMED: usize = 3;

impl NetworkOptions {
    /// Options with half as many members, layers twice as wide, and up to twice as many steps. They are for tables on which networks are far better
    /// than trees, as on smooth functions.
    pub(crate) fn larger(&self) -> Self {
        Self {
            members: self.members.div_ceil(2),
            hidden: self.hidden.iter().map(|width| 2 * width).collect(),
            epochs: 2 * self.epochs,
            steps: (self.steps.0, 2 * self.steps.1),
            ..self.clone()
        }
    }

    /// Number of training steps for this number of rows: those of `epochs` passes, within the limits of `steps`.
    #[must_use]
    pub fn steps_of(&self, rows: usize) -> usize {
        let wanted = self.epochs * rows / BATCH;
        wanted.clamp(self.steps.0.min(self.steps.1), self.steps.1)
    }

    fn train_options(&self, rows: usize, seed: u64) -> TrainOptions {
        let steps = self.steps_of(rows);
        TrainOptions {
            schedule: Schedule {
                steps,
                peak: self.learning_rate,
                warmup: 0.05,
            },
            batch: BATCH,
            weight_decay: self.weight_decay,
            input_noise: 0.0,
            members: self.members,
            seed,
        }
    }
}

/// The kind of the members of an ensemble, and how they are trained.
#[derive(Clone, Debug)]
pub struct Members {
    /// True for LSTMs, which read a row and the [`Sample::rows_before`] rows before it; false for perceptrons, which read the row alone.
    pub(crate) is_recurrent: bool,
    /// True for LSTMs that do not read columns whose change from the row before they can read: in forecasts, a series may drift away from the levels
    /// of its training rows.
    pub(crate) reads_changes: bool,
    /// For LSTMs, the largest number of windows of rows that they read. With more than one, a pass predicts all rows of the last window.
    pub(crate) windows: usize,
    /// Their training. The hidden layers of LSTMs are their layers of units.
    pub(crate) options: NetworkOptions,
    /// Noise on numbers during training, in their standard deviations.
    pub(crate) input_noise: f32,
}

impl From<&NetworkOptions> for Members {
    fn from(options: &NetworkOptions) -> Self {
        Self {
            is_recurrent: false,
            reads_changes: false,
            windows: 1,
            options: options.clone(),
            input_noise: 0.0,
        }
    }
}

impl Members {
    /// The name of an ensemble of such members, in checkpoints and progress.
    fn name(&self) -> &'static str {
        match (self.is_recurrent, self.reads_changes) {
            (true, false) => Learner::Lstm.name(),
            (true, true) => "lstm-changes",
            (false, _) => Learner::Network.name(),
        }
    }

    /// Encoder, shape and inputs for the given rows of a sample. The networks have `outputs` outputs.
    fn reading(&self, sample: &Sample<'_>, rows: &[usize], outputs: usize) -> Result<Reading> {
        match self.is_recurrent {
            true => Reading::of_windows(sample, rows, self, outputs),
            false => Reading::of_rows(sample, rows, &self.options, outputs),
        }
    }
}

/// What networks read: the encoder, the shape, and the inputs of the training rows.
struct Reading {
    encoder: Encoder,
    shape: Shape,
    inputs: Inputs,
}

/// The inputs of rows.
struct Inputs {
    positions: Positions,
    /// If a sample is several consecutive rows ([`Network::reads`]), the row at each place, if there is one.
    places: Option<Vec<Option<usize>>>,
    /// Number of rows.
    rows: usize,
}

impl Inputs {
    fn of_rows(positions: Positions, rows: usize) -> Self {
        Self {
            positions,
            places: None,
            rows,
        }
    }

    /// The inputs of rows that a recurrent network reads in their series.
    fn of_series(
        series: &EncodedSeries,
        features: &Features,
        shape: &RecurrentShape,
    ) -> Result<Self> {
        let rows = features.rows;
        if shape.reads() == 1 {
            let positions = series.windows(features, shape.window())?;
            return Ok(Self::of_rows(positions, rows));
        }
        let whole = series.windows(features, usize::MAX)?;
        let Stretches { positions, samples } = whole.stretches(shape.window(), shape.reads());
        Ok(Self {
            positions,
            places: Some(samples),
            rows,
        })
    }

    /// Numbers of rows, `[rows, width]`, from those of all places. `width` is at least 1.
    fn by_row(&self, values: Vec<f32>, width: usize) -> Vec<f32> {
        let Some(places) = &self.places else {
            return values;
        };
        let mut all = vec![0.0; self.rows * width];
        for (row, own) in places.iter().zip(values.chunks_exact(width)) {
            if let Some(row) = row {
                all[row * width..][..width].copy_from_slice(own);
            }
        }
        all
    }

    /// Label columns of all places, from those of the rows, `[rows, 2]`. A place without a row has weight 0.
    fn labels(&self, of_rows: Vec<f32>) -> Vec<f32> {
        let Some(places) = &self.places else {
            return of_rows;
        };
        let of =
            |row: &Option<usize>| row.map_or([0.0; 2], |at| [of_rows[2 * at], of_rows[2 * at + 1]]);
        places.iter().flat_map(of).collect()
    }
}

impl Reading {
    /// The reading of perceptrons: each row alone, numbers in bins.
    fn of_rows(
        sample: &Sample<'_>,
        rows: &[usize],
        options: &NetworkOptions,
        outputs: usize,
    ) -> Result<Self> {
        let encoder = fit_encoder(sample.features, rows, &encode_options());
        let features = sample.features.select(rows);
        let encoded = encoder.encode(&features.raw(), features.rows)?;
        let width = encoder.width();
        let values = |column: usize| {
            encoded
                .iter()
                .skip(column)
                .step_by(width)
                .copied()
                .collect::<Vec<f32>>()
        };
        let mut layout = input_layout(&encoder, |column| ple_edges(&values(column), options.bins));
        if options.plain {
            let plain = plain_columns(&layout).len();
            layout
                .segments
                .extend(std::iter::repeat_n(Segment::Linear, plain));
        }
        let encoded = inputs(&encoder, &layout, &features)?;
        let shape = MlpShape::new(layout, options.hidden.clone(), outputs)?;
        Ok(Self {
            encoder,
            inputs: Inputs::of_rows(shape.input().positions(&encoded).into(), features.rows),
            shape: shape.into(),
        })
    }

    /// The reading of LSTMs: windows of scaled rows.
    fn of_windows(
        sample: &Sample<'_>,
        rows: &[usize],
        members: &Members,
        outputs: usize,
    ) -> Result<Self> {
        let replaced = match members.reads_changes {
            true => changing(sample.features),
            false => BTreeSet::new(),
        };
        let steps = sample.features.only(|column| {
            column.is_step() && (column.history.is_some() || !replaced.contains(&column.name))
        });
        let encoder = fit_encoder(&steps, rows, &encode_options());
        let window = sample.rows_before + 1;
        let (step, units) = (step_numbers(&encoder), members.options.hidden.clone());
        let mut shape = RecurrentShape::new(Cell::Lstm, step, window, units, outputs)?;
        if members.windows > 1 {
            shape = shape.reading(members.windows * window, window)?;
        }
        let features = sample.features.select(rows);
        let series = EncodedSeries::new(&encoder, &[&features])?;
        Ok(Self {
            inputs: Inputs::of_series(&series, &features, &shape)?,
            shape: shape.into(),
            encoder,
        })
    }
}

/// The columns whose change from the row before is a feature, too.
fn changing(features: &Features) -> BTreeSet<&String> {
    let steps = features.columns.iter().filter(|column| column.is_step());
    let changes = steps.filter_map(|column| column.history.as_ref());
    changes.map(|history| &history.column).collect()
}

/// True if LSTMs can read changes in place of some columns.
pub(crate) fn has_changes(features: &Features) -> bool {
    !changing(features).is_empty()
}

/// The options of the encoder of a teacher's networks.
fn encode_options() -> EncodeOptions {
    EncodeOptions {
        max_width_for_categories: 256,
        ..EncodeOptions::default()
    }
}

/// Targets with mean 0 and standard deviation 1, and their weights.
struct Standard {
    center: f64,
    scale: f64,
    target: Vec<f32>,
    weight: Vec<f64>,
}

impl Standard {
    fn new(sample: &Sample<'_>, rows: &[usize]) -> Self {
        let (target, weight) = (sample.target_of(rows), sample.weight_of(rows));
        let center = metrics::weighted_mean(&target, &weight);
        let variance = metrics::variance(&target, &weight);
        let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        let standard = |y: &f64| ((y - center) / scale) as f32;
        Self {
            center,
            scale,
            target: target.iter().map(standard).collect(),
            weight,
        }
    }

    /// The head that networks with these options have.
    fn head(&self, options: &NetworkOptions) -> Head {
        let (least, most) = self
            .target
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &y| {
                (a.min(y), b.max(y))
            });
        Head::over(options.head, least, most, options.head_bins)
    }

    /// Label columns: the target, and the weight divided by the mean weight.
    fn labels(&self) -> Vec<f32> {
        let mean_weight = self.weight.iter().sum::<f64>() / self.weight.len() as f64;
        let rows = self.target.iter().zip(&self.weight);
        rows.flat_map(|(y, w)| [*y, (w / mean_weight) as f32])
            .collect()
    }
}

/// The loss with which networks with this head are trained.
fn loss_of(head: Head, balance: f32) -> Box<dyn StepLoss> {
    match head {
        Head::Point => Box::new(Hard(LabelLoss::Point(PointLoss::Squared))),
        Head::Gaussian => Box::new(Balanced(balance)),
        Head::Binned(bins) => Box::new(Hard(LabelLoss::Binned(bins))),
    }
}

/// A fitted ensemble of multilayer perceptrons or LSTMs (the *members*).
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkEnsemble {
    encoder: Encoder,
    shape: Shape,
    head: Head,
    /// The weights of all members, `[members, weights]`.
    params: Vec<f32>,
    center: f64,
    scale: f64,
}

/// The layout of a network's input: which numbers of an encoded row belong together (a *segment*), and how the network reads them. All outputs of a
/// one-hot or hashed column are one segment; every other number is a segment of its own. `edges(i)` returns the bin edges of number `i` of the
/// encoded row; fewer than two edges mean that the number gets no bins.
#[must_use]
pub fn input_layout(encoder: &Encoder, mut edges: impl FnMut(usize) -> Vec<f32>) -> InputLayout {
    use limbeck_runtime::Encoding;
    let mut segments = Vec::new();
    for (column, span) in encoder.columns.iter().zip(encoder.column_spans()) {
        match column.encoding {
            Encoding::OneHot { .. } | Encoding::Hashed { .. } => {
                segments.push(Segment::OneHot { levels: span.len() })
            }
            Encoding::Number { .. } | Encoding::Ordinal { .. } => {
                let edges = edges(span.start);
                segments.push(if edges.len() < 2 {
                    Segment::Linear
                } else {
                    Segment::Spline { edges }
                });
                // The indicator of a missing number is 0 or 1 and needs no bins.
                segments.extend(span.skip(1).map(|_| Segment::Linear));
            }
        }
    }
    InputLayout { segments }
}

/// The Gaussian negative log-likelihood, changed such that rows with a small predicted variance dominate the training of the mean less.
///
/// # Formula
///
/// With mean `m`, log-variance `v` and target `y`, the gradient of the negative log-likelihood with respect to the mean, `2 (m − y) e^−v`, is
/// multiplied by `e^{b v}`. With a balance `b` of 0, rows of small variance dominate; with 1, no row does, and the mean is trained by squared error.
/// The gradient with respect to `v` is not changed.
///
/// # Source
///
/// Seitzer et al., *On the Pitfalls of Heteroscedastic Uncertainty Estimation with Probabilistic Neural Networks*, ICLR 2022; there, both gradients
/// are multiplied.
struct Balanced(f32);

impl StepLoss for Balanced {
    fn columns(&self) -> usize {
        2
    }

    fn outputs(&self) -> usize {
        2
    }

    fn value_and_grad(
        &self,
        pred: &[f32],
        labels: &[f32],
        moment: StepContext,
        grad: &mut [f32],
    ) -> f32 {
        let loss = Hard(LabelLoss::Gaussian).value_and_grad(pred, labels, moment, grad);
        for (pred, grad) in pred.chunks_exact(2).zip(grad.chunks_exact_mut(2)) {
            grad[0] *= (self.0 * pred[1].clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)).exp();
        }
        loss
    }
}

/// Scale of the compression of plain numbers: `x` becomes `x / √(1 + (x / FAR)²)`, so that the result stays between `−FAR` and `FAR`.
const FAR: f32 = 4.0;

/// The network inputs of rows, in row-major order. Each row has the encoded columns. If the layout is wider than these columns, the numbers of the
/// columns with a piecewise-linear encoding follow once more, compressed (see [`FAR`]).
fn inputs(encoder: &Encoder, layout: &InputLayout, features: &Features) -> Result<Vec<f32>> {
    let encoded = encoder.encode(&features.raw(), features.rows)?;
    let width = encoder.width();
    if layout.width() == width {
        return Ok(encoded);
    }
    let plain = plain_columns(layout);
    let mut all = Vec::with_capacity(features.rows * layout.width());
    for row in encoded.chunks_exact(width) {
        all.extend_from_slice(row);
        all.extend(
            plain
                .iter()
                .map(|&column| row[column] / (1.0 + (row[column] / FAR).powi(2)).sqrt()),
        );
    }
    Ok(all)
}

/// Indices of the encoded columns that have a piecewise-linear encoding.
fn plain_columns(layout: &InputLayout) -> Vec<usize> {
    let mut at = 0;
    let mut columns = Vec::new();
    for segment in &layout.segments {
        if matches!(segment, Segment::Spline { .. }) {
            columns.push(at);
        }
        at += segment.width();
    }
    columns
}

/// A trained ensemble, and its weights at the points of the training curve.
struct Curve {
    network: NetworkEnsemble,
    points: Vec<Point>,
}

/// A point of a training curve: a step, and the weights after that step.
type Point = (usize, Vec<f32>);

/// Trains networks for the share `stop` of the `steps` steps of their schedule, or until the time is over. Returns their weights, and the points of
/// the training curve. The training is saved as a checkpoint, and continues from it.
fn run(
    trainer: &Trainer<'_, Shape>,
    (steps, stop): (usize, f64),
    mut saver: Saver<'_>,
    meter: &Meter<'_>,
) -> Result<(Vec<f32>, Vec<Point>)> {
    let until = ((steps as f64 * stop).round() as usize).clamp(1, steps);
    let (mut state, mut points): (TrainState, Vec<Point>) = saver
        .load()
        .unwrap_or_else(|| (trainer.start(), Vec::new()));
    let mut saved = Ok(());
    trainer.run(&mut state, until, steps.div_ceil(CURVE), &mut |report| {
        points.push((report.state.step, report.state.average.clone()));
        meter.add(1);
        // The state after the last step is always saved.
        saved = if report.state.step == until {
            saver.save(&(report.state, &points))
        } else {
            saver.offer(|| (report.state, &points))
        };
        if saved.is_ok() {
            Control::Continue
        } else {
            Control::Stop
        }
    })?;
    saved?;
    if points.last().is_none_or(|(step, _)| *step < state.step) {
        // The time for training ended between two points of the curve.
        points.push((state.step, state.average.clone()));
    }
    Ok((state.average, points))
}

/// The network ensembles of all folds. All have the weights from the same point of the training schedule.
#[derive(Clone, Debug)]
pub struct NetworkFolds {
    /// One ensemble of networks per fold, fitted on the rows outside the fold.
    pub networks: Vec<NetworkEnsemble>,
    /// The fraction of the training schedule at which the weights of all ensembles were taken: there, the total out-of-fold error was smallest.
    pub stop: f64,
    /// The total out-of-fold error at this point: the weighted sum of squared errors over the judging folds.
    pub(crate) error: f64,
}

impl NetworkEnsemble {
    fn train(
        sample: &Sample<'_>,
        rows: &[usize],
        (members, stop): (&Members, f64),
        seed: u64,
        saver: Saver<'_>,
        (work, meter): (Work<'_>, &Meter<'_>),
    ) -> Result<Curve> {
        let options = &members.options;
        options.validate()?;
        let standard = Standard::new(sample, rows);
        let head = standard.head(options);
        let Reading {
            encoder,
            shape,
            inputs,
        } = members.reading(sample, rows, head.outputs())?;
        let data = TrainingRows {
            labels: inputs.labels(standard.labels()),
            positions: inputs.positions,
        };
        let train = options.train_options(rows.len(), seed);
        let train = TrainOptions {
            input_noise: members.input_noise,
            batch: samples_of(train.batch, shape.reads()),
            ..train
        };
        let loss = loss_of(head, options.balance);
        let is_over = || work.stop.is_over();
        let trainer = Trainer::new(shape.clone(), train, &data, &*loss)?.stopping(&is_over);
        let (params, points) = run(&trainer, (train.schedule.steps, stop), saver, meter)?;
        work.stop.check()?;
        Ok(Curve {
            network: Self {
                encoder,
                shape,
                head,
                params,
                center: standard.center,
                scale: standard.scale,
            },
            points,
        })
    }

    /// Trains one ensemble on the given rows of `sample`. `members` has the members, and the fraction of the training schedule after which training
    /// stops. `meter` counts the progress. The training is saved as a checkpoint under `name`.
    pub(crate) fn fit_within(
        sample: &Sample<'_>,
        rows: &[usize],
        members: (&Members, f64),
        seed: u64,
        name: &str,
        (work, meter): (Work<'_>, &Meter<'_>),
    ) -> Result<Self> {
        let saver = work.kept.saver(name.to_owned());
        Ok(Self::train(sample, rows, members, seed, saver, (work, meter))?.network)
    }

    /// Measures the seconds that a training step takes on one thread. It trains for 48 steps, or until `work` stops it.
    ///
    /// # Errors
    ///
    /// The errors of training.
    pub fn seconds_per_step(
        sample: &Sample<'_>,
        rows: &[usize],
        members: impl Into<Members>,
        work: Work<'_>,
    ) -> Result<f64> {
        let begun = Instant::now();
        let times = Mutex::new(Vec::new());
        let told = |_: &Part<'_>| {
            let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
            times.push(begun.elapsed().as_secs_f64());
        };
        let work = Work {
            told: Some(&told),
            ..work
        };
        let mut members = members.into();
        members.options.steps = (TIMED * CURVE, TIMED * CURVE);
        let meter = work.part("speed".into(), CURVE);
        let saver = work.kept.saver("speed".into());
        let curve = Self::train(sample, rows, (&members, 1.0), 0, saver, (work, &meter))?;
        let all = begun.elapsed().as_secs_f64();
        let steps = curve.points.last().map_or(1, |(step, _)| (*step).max(1));
        let times = times.into_inner().unwrap_or_default();
        Ok(match times[..] {
            [first, .., last] => (last - first) / (TIMED * (times.len() - 1)) as f64,
            // With fewer than two points, the time before the first step is counted, too.
            _ => all / steps as f64,
        })
    }

    /// Trains one ensemble per fold. All of them get the weights from the same point of the training schedule: the one with the smallest total error
    /// over the [judging folds](Sample::judges), whose errors decide.
    ///
    /// # Errors
    ///
    /// The errors of training.
    pub fn fit_folds(
        sample: &Sample<'_>,
        members: impl Into<Members>,
        seed: u64,
        work: Work<'_>,
    ) -> Result<NetworkFolds> {
        let members = &members.into();
        let name = members.name();
        let count = sample.folds.count();
        let meter = work.part(format!("{name}, {count} folds"), count * CURVE);
        let curves: Vec<(Curve, Vec<f64>, f64)> = (0..count as u32)
            .into_par_iter()
            .map(|fold| {
                let (rows, held) = (sample.training_rows(fold), sample.held_rows(fold));
                let saver = work.kept.saver(format!("{name}-{}", fold + 1));
                let seed = seed + u64::from(fold);
                let curve =
                    Self::train(sample, &rows, (members, 1.0), seed, saver, (work, &meter))?;
                let features = sample.features.select(&held);
                let (target, weight) = (sample.target_of(&held), sample.weight_of(&held));
                let mut network = curve.network.clone();
                let inputs = network.inputs(&features)?;
                let mut errors = Vec::with_capacity(curve.points.len());
                for (_, params) in &curve.points {
                    network.params.clone_from(params);
                    let mean = network.predict_at(&inputs).0;
                    errors.push(metrics::rmse(&mean, &target, &weight).powi(2));
                }
                Ok((curve, errors, weight.iter().sum::<f64>()))
            })
            .collect::<Result<_>>()?;
        let points = curves
            .iter()
            .map(|(_, errors, _)| errors.len())
            .min()
            .unwrap_or(0);
        let judges = sample.judges();
        let total = |point: usize| {
            judges
                .iter()
                .map(|&fold| &curves[fold as usize])
                .map(|(_, errors, weight)| errors[point] * weight)
                .sum::<f64>()
        };
        let best = (0..points)
            .min_by(|&a, &b| total(a).total_cmp(&total(b)))
            .unwrap_or(0);
        let error = if points > 0 { total(best) } else { f64::NAN };
        let stop = curves.first().map_or(1.0, |(curve, ..)| {
            curve.points[best].0 as f64
                / curve.points.last().map_or(1, |(step, _)| (*step).max(1)) as f64
        });
        let networks = curves.into_iter().map(|(mut curve, ..)| {
            curve.network.params = std::mem::take(&mut curve.points[best].1);
            curve.network
        });
        Ok(NetworkFolds {
            networks: networks.collect(),
            stop,
            error,
        })
    }

    /// The mean and the standard deviation of each row, for the mixture of the members' distributions.
    ///
    /// ```text
    /// μ = mean_m μ_m        σ² = mean_m (σ_m² + μ_m²) − μ²
    /// ```
    ///
    /// # Errors
    ///
    /// An error if a row cannot be encoded.
    pub fn predict(&self, features: &Features) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok(self.predict_at(&self.inputs(features)?))
    }

    /// The inputs of rows.
    fn inputs(&self, features: &Features) -> Result<Inputs> {
        match &self.shape {
            Shape::Mlp(shape) => {
                let inputs = inputs(&self.encoder, shape.input(), features)?;
                let positions = shape.input().positions(&inputs).into();
                Ok(Inputs::of_rows(positions, features.rows))
            }
            Shape::Recurrent(shape) => {
                let series = EncodedSeries::new(&self.encoder, &[features])?;
                Inputs::of_series(&series, features, shape)
            }
        }
    }

    /// The mean and the standard deviation of each row, from the inputs of the rows.
    fn predict_at(&self, inputs: &Inputs) -> (Vec<f64>, Vec<f64>) {
        let members = self.params.len() / self.shape.weights();
        let (mut sums, outputs) = (vec![[0.0; 3]; inputs.rows], self.head.outputs());
        for params in self.params.chunks(self.shape.weights()) {
            let out = self.shape.predict(params, &inputs.positions);
            let out = inputs.by_row(out, outputs);
            for (sum, out) in sums.iter_mut().zip(out.chunks(outputs)) {
                let (mean, noise) = self.head.moments(out);
                sum[0] += mean;
                sum[1] += mean * mean;
                sum[2] += noise;
            }
        }
        let m = members as f64;
        let moments = sums.into_iter().map(|[mean, square, noise]| {
            let mean = mean / m;
            let variance = (square / m - mean * mean).max(0.0) + noise / m;
            (
                self.center + self.scale * mean,
                self.scale * variance.sqrt(),
            )
        });
        moments.unzip()
    }

    /// The hidden activations. `result[m][l]` has the values of hidden layer `l` of member `m`, `[n_samples, width]`. For an LSTM, these are the final
    /// states of its layers.
    ///
    /// # Errors
    ///
    /// An error if a row cannot be encoded.
    pub fn hidden(&self, features: &Features) -> Result<Vec<Vec<Vec<f32>>>> {
        let (shape, inputs) = (&self.shape, self.inputs(features)?);
        let hidden = |params| {
            let layers = shape.hidden_of(params, &inputs.positions).into_iter();
            let layers = layers.zip(shape.hidden());
            let layers = layers.map(|(values, &width)| inputs.by_row(values, width));
            layers.collect::<Vec<Vec<f32>>>()
        };
        Ok(self.params.chunks(shape.weights()).map(hidden).collect())
    }

    /// Number of parameters: the fitted numbers that a prediction uses.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let edges = match &self.shape {
            Shape::Mlp(shape) => shape.input().parameters(),
            Shape::Recurrent(_) => 0,
        };
        self.encoder.parameters() + edges + self.params.len() + 2
    }

    /// Adds the networks, and the encoder of their inputs, to a container. The names of their entries begin with `name`.
    ///
    /// # Errors
    ///
    /// An error if the encoder cannot be written.
    pub fn store(&self, container: &mut Container, name: &str) -> Result<()> {
        let unit = Numbers::F64(vec![self.center, self.scale]);
        container.put_encoder(&format!("{name}.encoder"), &self.encoder)?;
        container.put_json(&format!("{name}.shape"), &self.shape)?;
        container.put_numbers(&format!("{name}.params"), Numbers::F32(self.params.clone()));
        container.put_numbers(&format!("{name}.target"), unit);
        container.put_json(&format!("{name}.head"), &self.head)?;
        Ok(())
    }

    /// Reads the networks that [`store`](Self::store) has written.
    ///
    /// # Errors
    ///
    /// An error if a part is missing or contradicts another part.
    pub fn restore(container: &Container, name: &str) -> Result<Self> {
        let encoder = container.encoder(&format!("{name}.encoder"))?;
        let shape: Shape = container.json(&format!("{name}.shape"))?;
        let params = container.f32s(&format!("{name}.params"))?.to_vec();
        let malformed = |message: String| Error::MalformedTeacher { message };
        let Numbers::F64(target) = &container.tensor(&format!("{name}.target"))?.numbers else {
            return Err(malformed(format!(
                "`{name}.target` does not hold f64 numbers"
            )));
        };
        let [center, scale] = target[..] else {
            return Err(malformed(format!(
                "`{name}.target` holds {} numbers, expected 2",
                target.len()
            )));
        };
        // Files of older versions do not have this entry: their head is Gaussian.
        let key = format!("{name}.head");
        let head = if container.text(&key).is_ok() {
            container.json(&key)?
        } else {
            Head::Gaussian
        };
        if let Head::Binned(Bins { low, width, .. }) = head
            && !(low.is_finite() && width.is_finite() && width > 0.0)
        {
            return Err(malformed(format!(
                "the bins of `{name}` begin at {low} and have width {width}, expected finite numbers and a width above 0"
            )));
        }
        let checked = checked(&shape, &encoder)?.filter(|own| own.outputs() == head.outputs());
        let Some(checked) = checked else {
            return Err(malformed(format!(
                "in `{name}`, the layers do not match the encoder or the number of outputs, or bin edges are not ascending"
            )));
        };
        if params.is_empty() || !params.len().is_multiple_of(checked.weights()) {
            return Err(malformed(format!(
                "`{name}` has {} weights, expected a multiple of {}",
                params.len(),
                checked.weights()
            )));
        }
        Ok(Self {
            encoder,
            shape: checked,
            head,
            params,
            center,
            scale,
        })
    }
}

/// The shape that a file has, built anew; `None` if it does not match the encoder, or if its bin edges are not ascending.
///
/// # Errors
///
/// An error if there is no network of this shape.
fn checked(shape: &Shape, encoder: &Encoder) -> Result<Option<Shape>> {
    let encoded = encoder.width();
    match shape {
        Shape::Mlp(own) => {
            let ascending = own.input().segments.iter().all(|segment| match segment {
                Segment::Spline { edges } => {
                    edges.len() >= 2 && edges.windows(2).all(|pair| pair[0] < pair[1])
                }
                Segment::Linear | Segment::OneHot { .. } => true,
            });
            let own = MlpShape::new(own.input().clone(), own.hidden().to_vec(), own.outputs())?;
            let (width, plain) = (own.input().width(), plain_columns(own.input()).len());
            let fits = width == encoded || width == encoded + plain;
            Ok((ascending && fits).then(|| own.into()))
        }
        Shape::Recurrent(own) => {
            let (step, window) = (own.step().to_vec(), own.window());
            let fits = step.len() == encoded && window <= LONGEST_PASS;
            let own = RecurrentShape::new(
                own.cell(),
                step,
                window,
                own.units().to_vec(),
                own.outputs(),
            )?
            .reading(window, own.reads())?;
            Ok(fits.then(|| own.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::checkpoint::NO_CHECKPOINTS;
    use limbeck_data::{Feature, FeatureValues, Folds};

    fn features(columns: [Vec<f64>; 2]) -> Features {
        let rows = columns[0].len();
        let column = |(values, name): (Vec<f64>, &str)| Feature {
            name: name.into(),
            values: FeatureValues::Number(values),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            columns: columns.into_iter().zip(["a", "b"]).map(column).collect(),
            rows,
            past: None,
        }
    }

    /// Between the bends of its bins and neurons a network is linear, so that over a short step the difference quotient of gradient matching
    /// is the directional derivative: a quarter of the step says the same.
    #[test]
    fn difference_over_a_short_step_is_the_exact_derivative() {
        let at = |i: usize, k: f64| (i as f64 * k).fract() * 4.0;
        let (a, b): (Vec<f64>, Vec<f64>) = (0..400)
            .map(|i| (at(i, 0.754_877), at(i, 0.569_840)))
            .unzip();
        let target: Vec<f64> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| (2.0 * a).sin() + a * b)
            .collect();
        let rows: Vec<usize> = (0..400).collect();
        let known = features([a.clone(), b.clone()]);
        let sample = Sample {
            features: &known,
            target: &target,
            weight: &[1.0; 400],
            folds: Folds::default(),
            rows_before: 0,
            horizon: 0,
        };
        let options = NetworkOptions {
            members: 2,
            steps: (300, 300),
            ..NetworkOptions::default()
        };
        let work = Work::from(&*NO_CHECKPOINTS);
        let meter = work.part("network".into(), CURVE);
        let members = (&Members::from(&options), 1.0);
        let network =
            NetworkEnsemble::fit_within(&sample, &rows, members, 3, "network", (work, &meter))
                .unwrap();
        let quotient = |step: f64| -> Vec<f64> {
            let moved = features([
                a.iter().map(|v| v + 0.8 * step).collect(),
                b.iter().map(|v| v - 0.6 * step).collect(),
            ]);
            let (to, from) = (
                network.predict(&moved).unwrap().0,
                network.predict(&known).unwrap().0,
            );
            to.iter()
                .zip(from)
                .map(|(to, from)| (to - from) / step)
                .collect()
        };
        let exact_over = |step: f64| {
            let pairs = quotient(step).into_iter().zip(quotient(step / 4.0));
            pairs
                .filter(|(long, short)| (long - short).abs() < 0.02 * (1.0 + short.abs()))
                .count()
        };
        assert!(exact_over(0.001) > 360, "{}", exact_over(0.001));
        // A long step averages over bends.
        assert!(exact_over(0.5) < 250, "{}", exact_over(0.5));
    }
}
