//! The training loop of all networks.
//!
//! A [`Trainer`] holds what stays the same: network, options, rows and loss. A [`TrainState`] holds what changes: the weights, their running mean,
//! the optimizer's moments and the step. The rows of a step depend only on the seed and the step, so the state needs no random generator. Training
//! that was stopped at any step therefore continues to exactly the same weights.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::loss::{StepContext, StepLoss};
use crate::network::{Block, Network};
use crate::noise::InputNoise;
use crate::positions::{Positions, gather};
use crate::simd::{self, AdamStep, Weights};

/// Training rows: positions (inputs of the network) and labels `[n_samples, columns]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingRows {
    /// Network inputs: one row of numbers for each sample, or windows.
    pub positions: Positions,
    /// The label columns that the loss requires, row-major. If a network has outputs for several rows of a sample ([`Network::reads`]), each of these
    /// rows has its labels.
    pub labels: Vec<f32>,
}

/// Learning rate over the steps: linear warm-up, then a half cosine to 0.
///
/// ```text
/// lr(k) = peak · (k + 1) / w                                   k < w
///       = peak · ½ (1 + cos(π (k − w) / (steps − w)))          otherwise
/// ```
///
/// with `w = warmup · steps`. Source: Loshchilov & Hutter, *SGDR*, ICLR 2017, without restarts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Number of steps of the schedule; the learning rate is 0 afterwards.
    pub steps: usize,
    /// Highest learning rate.
    pub peak: f32,
    /// Fraction of the steps that are used for warm-up, in `[0, 1)`.
    pub warmup: f32,
}

impl Schedule {
    /// Learning rate of step `step`, counted from 0.
    #[must_use]
    pub fn rate(&self, step: usize) -> f32 {
        let warm = (self.warmup * self.steps as f32) as usize;
        if step < warm {
            return self.peak * (step + 1) as f32 / warm as f32;
        }
        let done = (step - warm) as f32 / (self.steps - warm).max(1) as f32;
        self.peak * 0.5 * (1.0 + (std::f32::consts::PI * done.min(1.0)).cos())
    }
}

/// Options of a training; there are no defaults.
///
/// | name | purpose | range |
/// |---|---|---|
/// | `schedule` | steps and learning rate | steps ≥ 1, peak > 0, warm-up in `[0, 1)` |
/// | `batch` | samples per step; all samples if there are fewer | ≥ 1 |
/// | `weight_decay` | decoupled decay of all weights | ≥ 0 |
/// | `input_noise` | noise on numeric inputs, in their standard deviations; none on categories | ≥ 0 |
/// | `members` | number of networks of one shape, trained together on the same batches | ≥ 1 |
/// | `seed` | seed of the initial weights, the order of the rows and the noise | any |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Steps and learning rate.
    pub schedule: Schedule,
    /// Number of samples per step.
    pub batch: usize,
    /// Decoupled weight decay (as in AdamW), multiplied by the learning rate.
    pub weight_decay: f32,
    /// Noise on numeric inputs (positions): its standard deviation, in standard deviations of these inputs over the training rows.
    pub input_noise: f32,
    /// Number of networks of one shape that are trained together on the same batches.
    pub members: usize,
    /// Seed of the initial weights, the order of the rows and the noise.
    pub seed: u64,
}

/// The complete state of a training between two steps. All vectors have the layout of `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Number of steps taken.
    pub step: usize,
    /// Weights `[members, weights]`, followed by the loss's own trained weights.
    pub params: Vec<f32>,
    /// Running means of the gradient (Adam's first moments).
    pub first: Vec<f32>,
    /// Running means of the squared gradient (Adam's second moments).
    pub second: Vec<f32>,
    /// Running mean of the weights, with which predictions are made.
    ///
    /// ```text
    /// average ← average + (weights − average) / (1 + step / 20)
    /// ```
    ///
    /// so that it averages over about the last twentieth of the steps taken. At a high learning rate, the weights fluctuate. Their mean is close to
    /// the weights that a decaying learning rate would have reached, so training may stop anywhere in its schedule.
    ///
    /// Source: Polyak & Juditsky, *SIAM J. Control Optim.* 30(4), 1992. The factor is the polynomial decay of Shamir & Zhang, ICML 2013.
    pub average: Vec<f32>,
}

/// What the observer gets after a training step.
#[derive(Debug)]
pub struct StepReport<'a> {
    /// Mean loss of the batch, before the weights were updated.
    pub loss: f32,
    /// Learning rate of the step.
    pub rate: f32,
    /// State of the training after the step.
    pub state: &'a TrainState,
}

/// What an observer decides: whether training continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Continue training.
    Continue,
    /// End training after this step.
    Stop,
}

/// How the loss and the gradient of a batch are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Passes on slices: forward and backward in one sweep over blocks of rows, by [`Network::sweep`].
    #[default]
    Fused,
    /// Automatic differentiation of tensor operations (Burn): [`tensors`](crate::tensors). Slower on small networks; tests compare
    /// [`Fused`](Self::Fused) with it.
    #[cfg(feature = "tensors")]
    Tensors,
}

/// Decay rates of AdamW's first and second moments. `EPSILON` is added to the root of the second moment. (Values of Kingma & Ba, *Adam*, ICLR 2015.)
const BETA: (f32, f32) = (0.9, 0.999);
const EPSILON: f32 = 1e-8;
/// The running mean of the weights averages over about `1 / MEMORY` of the steps taken.
const MEMORY: f32 = 20.0;

/// Trains one network, or several networks of one shape at once, on given rows.
pub struct Trainer<'a, N> {
    network: N,
    options: TrainOptions,
    rows: &'a TrainingRows,
    loss: &'a dyn StepLoss,
    n: usize,
    noise: Option<InputNoise>,
    engine: Engine,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

/// Least number of samples per step, if a sample has several rows.
const LEAST_SAMPLES: usize = 8;

/// The number of samples per step for a batch of `rows` rows and a network that reads out `reads` rows of a sample ([`Network::reads`]), at least 1.
/// Neighboring rows of a series are alike, so there are at least 8 samples if a sample has several rows.
///
/// ```
/// use limbeck_nets::samples_of;
/// assert_eq!([samples_of(256, 1), samples_of(256, 16), samples_of(256, 60)], [256, 16, 8]);
/// ```
#[must_use]
pub fn samples_of(rows: usize, reads: usize) -> usize {
    match reads {
        0 | 1 => rows,
        _ => (rows / reads).max(LEAST_SAMPLES),
    }
}

impl<'a, N: Network> Trainer<'a, N> {
    /// Checks the options and the sizes of network, rows and loss, and makes a trainer.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for an option out of its range or too few rows; [`Error::Shape`] if positions, labels or outputs do not have
    /// the size that the network and the loss expect.
    pub fn new(
        network: N,
        options: TrainOptions,
        rows: &'a TrainingRows,
        loss: &'a dyn StepLoss,
    ) -> Result<Self> {
        let inputs = network.inputs();
        let n = rows.positions.samples(inputs);
        check(
            "steps",
            options.schedule.steps,
            options.schedule.steps > 0,
            "at least 1",
        )?;
        check(
            "learning_rate",
            options.schedule.peak,
            options.schedule.peak > 0.0,
            "above 0",
        )?;
        check(
            "warmup",
            options.schedule.warmup,
            (0.0..1.0).contains(&options.schedule.warmup),
            "in [0, 1)",
        )?;
        check("batch", options.batch, options.batch > 0, "at least 1")?;
        check(
            "members",
            options.members,
            options.members > 0,
            "at least 1",
        )?;
        check(
            "weight_decay",
            options.weight_decay,
            options.weight_decay >= 0.0,
            "0 or more",
        )?;
        let noise = options.input_noise;
        check(
            "input_noise",
            noise,
            noise >= 0.0 && noise.is_finite(),
            "a finite number, 0 or more",
        )?;
        check("the number of training rows", n, n > 0, "at least 1")?;
        rows.positions.check(&network)?;
        let of_sample = network.reads() * loss.columns();
        expect("the label matrix", rows.labels.len(), n * of_sample)?;
        expect("the output layer", network.outputs(), loss.outputs())?;
        check(
            "the number of rows per sample",
            network.reads(),
            network.reads() == 1 || loss.group() == 1,
            "1 if the loss compares rows in groups",
        )?;
        let single = options.members == 1 || !loss.looks_inside();
        check(
            "members",
            options.members,
            single,
            "1 if the loss reads hidden activations",
        )?;
        check(
            "the number of training rows",
            format!(
                "{n}, but the loss compares rows in groups of {}",
                loss.group()
            ),
            n >= loss.group(),
            "at least the size of a group",
        )?;
        let noise = InputNoise::new(noise, &network, &rows.positions.used());
        Ok(Self {
            network,
            options,
            rows,
            loss,
            n,
            noise,
            engine: Engine::Fused,
            stop: None,
        })
    }

    /// The same trainer with a function that is called before each step. Once it returns true, [`run`](Self::run) ends before that step, without a
    /// report to the observer. Minutes may pass between two reports of a wide network, so this ends training sooner than the observer can.
    #[must_use]
    pub fn stopping(self, stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// The same trainer with another engine: another way to compute loss and gradient.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for an engine other than [`Engine::Fused`] with a loss that uses hidden activations.
    pub fn on(self, engine: Engine) -> Result<Self> {
        let fits = engine == Engine::Fused || !self.loss.looks_inside();
        let wanted = "Fused if the loss reads hidden activations";
        check("engine", format!("{engine:?}"), fits, wanted)?;
        Ok(Self { engine, ..self })
    }

    /// The network (its shape, without weights).
    #[must_use]
    pub fn network(&self) -> &N {
        &self.network
    }

    /// The state before the first step. The networks' weights are random; the loss's own weights and all moments are 0.
    #[must_use]
    pub fn start(&self) -> TrainState {
        let mut params = Vec::with_capacity(self.options.members * self.network.weights());
        for member in 0..self.options.members {
            params.extend(
                self.network
                    .init(&mut stream(self.options.seed, 1 + member as u64)),
            );
        }
        params.resize(params.len() + self.loss.aux_weights(), 0.0);
        let zeros = vec![0.0; params.len()];
        TrainState {
            step: 0,
            average: params.clone(),
            params,
            first: zeros.clone(),
            second: zeros,
        }
    }

    /// Trains from `state` until `until` steps have been taken in all, or until the observer or the function given to [`stopping`](Self::stopping)
    /// ends training. The observer is called after every `every`-th step and after step `until`.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] if the loss is NaN or infinite in a step after which the observer would be called. Other steps are not checked.
    pub fn run(
        &self,
        state: &mut TrainState,
        until: usize,
        every: usize,
        observer: &mut dyn FnMut(&StepReport<'_>) -> Control,
    ) -> Result<()> {
        let group = self.loss.group();
        let batch = (self.options.batch.min(self.n) / group * group).max(group);
        let per_epoch = self.n / batch;
        let mut order = Order::default();
        let mut work = Work::<N::Buffers> {
            grad: vec![0.0; state.params.len()],
            ..Work::default()
        };
        while state.step < until {
            if self.stop.is_some_and(|stop| stop()) {
                return Ok(());
            }
            let step = state.step;
            let ids = order.batch(self, step / per_epoch, step % per_epoch * batch, batch);
            let positions = &self.rows.positions;
            positions.gather(ids, &self.network, &mut work.positions);
            gather(
                &self.rows.labels,
                self.network.reads() * self.loss.columns(),
                ids,
                &mut work.labels,
            );
            if let Some(noise) = &self.noise {
                noise.apply(
                    &mut work.positions,
                    &mut stream(self.options.seed, NOISE + step as u64),
                );
            }
            let reported = (step + 1).is_multiple_of(every) || step + 1 == until;
            let loss = match self.engine {
                Engine::Fused => self.fused(state, &mut work),
                #[cfg(feature = "tensors")]
                Engine::Tensors => self.on_tensors(state, &mut work),
            };
            if reported && !loss.is_finite() {
                return Err(Error::Diverged {
                    step,
                    steps: self.options.schedule.steps,
                    loss,
                });
            }
            self.update(state, &work.grad);
            state.step += 1;
            if reported {
                let rate = self.options.schedule.rate(step);
                if observer(&StepReport { loss, rate, state }) == Control::Stop {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn moment(&self, state: &TrainState, labels: &[f32]) -> StepContext {
        let progress = state.step as f32 / self.options.schedule.steps as f32;
        StepContext {
            progress,
            statistic: self.loss.statistic(labels),
        }
    }

    /// Returns the mean loss of the batch in `work` and computes its gradient, in one sweep over slices for each network.
    fn fused(&self, state: &TrainState, work: &mut Work<N::Buffers>) -> f32 {
        let (columns, outputs, weights) = (
            self.loss.columns(),
            self.network.outputs(),
            self.network.weights(),
        );
        let moment = self.moment(state, &work.labels);
        let scale = ((work.labels.len() / columns) * self.options.members) as f32;
        let mut total = 0.0;
        let inside = self.loss.looks_inside();
        let Work {
            positions,
            labels,
            grad,
            buffers,
        } = work;
        let networks = self.options.members * weights;
        let ((params, own), (grad, aux_grad)) =
            (state.params.split_at(networks), grad.split_at_mut(networks));
        aux_grad.fill(0.0);
        for (params, grad) in params.chunks(weights).zip(grad.chunks_mut(weights)) {
            total += self
                .network
                .sweep(params, positions, grad, buffers, inside, |block| {
                    let labels =
                        &labels[block.row * columns..][..block.pred.len() / outputs * columns];
                    let Block {
                        row,
                        pred,
                        hidden,
                        grad_pred,
                        grad_hidden,
                    } = block;
                    let sum = match inside {
                        true => {
                            let block = Block {
                                row,
                                pred,
                                hidden,
                                grad_pred: &mut *grad_pred,
                                grad_hidden: &mut *grad_hidden,
                            };
                            self.loss.inside(block, labels, moment, own, aux_grad)
                        }
                        false => self.loss.value_and_grad(pred, labels, moment, grad_pred),
                    };
                    grad_pred
                        .iter_mut()
                        .chain(grad_hidden)
                        .for_each(|g| *g /= scale);
                    sum
                });
        }
        aux_grad.iter_mut().for_each(|g| *g /= scale);
        total / scale
    }

    /// Returns the mean loss of the batch in `work` and computes its gradient, by automatic differentiation.
    #[cfg(feature = "tensors")]
    fn on_tensors(&self, state: &TrainState, work: &mut Work<N::Buffers>) -> f32 {
        let moment = self.moment(state, &work.labels);
        crate::tensors::gradient(
            &self.network,
            self.loss,
            &state.params,
            &work.positions,
            &work.labels,
            moment,
            &mut work.grad,
        )
    }

    fn update(&self, state: &mut TrainState, grad: &[f32]) {
        let rate = self.options.schedule.rate(state.step);
        let power = i32::try_from(state.step + 1).unwrap_or(i32::MAX);
        let step = AdamStep {
            beta1: BETA.0,
            beta2: BETA.1,
            epsilon: EPSILON,
            rate: rate / (1.0 - BETA.0.powi(power)),
            second: 1.0 / (1.0 - BETA.1.powi(power)),
            keep: 1.0 - rate * self.options.weight_decay,
            follow: 1.0 / (1.0 + state.step as f32 / MEMORY),
        };
        let TrainState {
            params,
            first,
            second,
            average,
            ..
        } = state;
        simd::adam(
            step,
            grad,
            Weights {
                params,
                first,
                second,
                average,
            },
        );
    }
}

/// Working memory of a training step.
#[derive(Default)]
struct Work<B> {
    positions: Vec<f32>,
    labels: Vec<f32>,
    /// The gradient, in the layout of [`TrainState::params`].
    grad: Vec<f32>,
    buffers: B,
}

/// The order in which the training rows are used in the current epoch (one pass over them).
#[derive(Default)]
struct Order {
    epoch: Option<usize>,
    ids: Vec<u32>,
}

impl Order {
    fn batch<N>(
        &mut self,
        trainer: &Trainer<'_, N>,
        epoch: usize,
        at: usize,
        size: usize,
    ) -> &[u32] {
        if self.epoch != Some(epoch) {
            self.ids.clear();
            let group = trainer.loss.group();
            self.ids.extend((0..trainer.n / group).map(|id| id as u32));
            self.ids
                .shuffle(&mut stream(trainer.options.seed, ORDER + epoch as u64));
            if group > 1 {
                let group = group as u32;
                self.ids = self
                    .ids
                    .iter()
                    .flat_map(|id| id * group..(id + 1) * group)
                    .collect();
            }
            self.epoch = Some(epoch);
        }
        &self.ids[at..at + size]
    }
}

/// Numbers of random streams (see [`stream`]): `ORDER` plus the epoch for shuffling rows, `NOISE` plus the step for input noise. Smaller numbers
/// initialize weights.
const ORDER: u64 = 1 << 32;
const NOISE: u64 = 1 << 33;

/// A random generator for the task with the number `task`. Each task has its own random stream, derived from the seed.
fn stream(seed: u64, task: u64) -> Pcg64 {
    let mut bytes = [0u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&task.to_le_bytes());
    // Spread the bits: neighboring seeds must not give neighboring states.
    for (i, byte) in bytes.iter_mut().enumerate().skip(16) {
        *byte = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ task.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .rotate_left(i as u32 * 7) as u8;
    }
    Pcg64::from_seed(bytes)
}

fn check(
    option: &'static str,
    found: impl ToString,
    fine: bool,
    expected: &'static str,
) -> Result<()> {
    if fine {
        Ok(())
    } else {
        Err(Error::InvalidOption {
            option,
            found: found.to_string(),
            expected,
        })
    }
}

fn expect(what: &'static str, found: usize, expected: usize) -> Result<()> {
    let error = Error::Shape {
        what,
        found,
        expected,
    };
    (found == expected).then_some(()).ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{InputLayout, Segment};
    use crate::loss::PointLoss;
    use crate::losses::{Hard, LabelLoss};
    use crate::mlp::MlpShape;
    use rand::RngExt;

    fn shape(outputs: usize) -> MlpShape {
        let spline = || Segment::Spline {
            edges: vec![0.0, 1.0, 2.0, 3.0, 4.0],
        };
        MlpShape::new(
            InputLayout {
                segments: vec![spline(), spline()],
            },
            vec![16, 16],
            outputs,
        )
        .unwrap()
    }

    fn options(steps: usize) -> TrainOptions {
        let schedule = Schedule {
            steps,
            peak: 5e-3,
            warmup: 0.05,
        };
        TrainOptions {
            schedule,
            batch: 32,
            weight_decay: 1e-4,
            input_noise: 0.0,
            members: 2,
            seed: 7,
        }
    }

    fn rows(n: usize) -> TrainingRows {
        let mut rng = Pcg64::seed_from_u64(5);
        let mut rows = TrainingRows::default();
        for _ in 0..n {
            let (a, b): (f32, f32) = (rng.random_range(0.0..4.0), rng.random_range(0.0..4.0));
            rows.positions.extend([a, b]);
            rows.labels.extend([a.sin() + 0.3 * b, 1.0]);
        }
        rows
    }

    /// Squared error of the prediction, plus that of a linear map of the first hidden layer; rows are grouped in pairs.
    struct Deep;

    impl StepLoss for Deep {
        fn columns(&self) -> usize {
            2
        }
        fn outputs(&self) -> usize {
            1
        }
        fn group(&self) -> usize {
            2
        }
        fn aux_weights(&self) -> usize {
            17
        }
        fn looks_inside(&self) -> bool {
            true
        }
        fn value_and_grad(
            &self,
            pred: &[f32],
            labels: &[f32],
            moment: StepContext,
            grad: &mut [f32],
        ) -> f32 {
            Hard::SQUARED.value_and_grad(pred, labels, moment, grad)
        }
        fn inside(
            &self,
            block: Block<'_>,
            labels: &[f32],
            moment: StepContext,
            own: &[f32],
            aux_grad: &mut [f32],
        ) -> f32 {
            let mut sum = Hard::SQUARED.value_and_grad(block.pred, labels, moment, block.grad_pred);
            for (i, label) in labels.chunks_exact(2).enumerate() {
                let hidden = &block.hidden[i * 16..][..16];
                let error =
                    own[16] + hidden.iter().zip(own).map(|(h, w)| h * w).sum::<f32>() - label[0];
                sum += error * error;
                for j in 0..16 {
                    block.grad_hidden[i * 16 + j] += 2.0 * error * own[j];
                    aux_grad[j] += 2.0 * error * hidden[j];
                }
                aux_grad[16] += 2.0 * error;
            }
            sum
        }
    }

    #[test]
    fn gradient_of_a_loss_inside_matches_differences() {
        let data = rows(7);
        let options = TrainOptions {
            members: 1,
            batch: 6,
            ..options(3)
        };
        let trainer = Trainer::new(shape(1), options, &data, &Deep).unwrap();
        let mut state = trainer.start();
        let mut rng = Pcg64::seed_from_u64(8);
        assert_eq!(state.params.len(), trainer.network().weights() + 17);
        // Positive weights on positive inputs: no activation comes near the kink of its ReLU.
        state
            .params
            .iter_mut()
            .for_each(|p| *p = rng.random_range(0.02..0.12));
        let all: Vec<u32> = (0..6).collect();
        let mut work = Work {
            grad: vec![f32::NAN; state.params.len()],
            ..Work::default()
        };
        gather(data.positions.values(), 2, &all, &mut work.positions);
        gather(&data.labels, 2, &all, &mut work.labels);
        trainer.fused(&state, &mut work);
        let grad = work.grad.clone();
        for (i, &found) in grad.iter().enumerate() {
            let mut at = |h: f32| {
                let mut moved = state.clone();
                moved.params[i] += h;
                f64::from(trainer.fused(&moved, &mut work))
            };
            let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
            let found = f64::from(found);
            assert!(
                (difference - found).abs() < 1e-2 * (1.0 + difference.abs()),
                "weight {i}: {difference} {found}"
            );
        }
        assert!(grad[grad.len() - 17..].iter().any(|g| g.abs() > 0.1));
    }

    #[test]
    fn groups_stay_together_and_train_their_own_weights() {
        let data = rows(41);
        let options = TrainOptions {
            members: 1,
            batch: 9,
            ..options(60)
        };
        let trainer = Trainer::new(shape(1), options, &data, &Deep).unwrap();
        let mut order = Order::default();
        let ids = order.batch(&trainer, 0, 0, 40).to_vec();
        assert!(
            ids.chunks(2)
                .all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1),
            "{ids:?}"
        );
        let mut state = trainer.start();
        let mut losses = Vec::new();
        trainer
            .run(&mut state, 60, 1, &mut |report| {
                losses.push(report.loss);
                Control::Continue
            })
            .unwrap();
        assert!(losses[59] < 0.3 * losses[0], "{} {}", losses[0], losses[59]);
        assert!(
            Trainer::new(
                shape(1),
                TrainOptions {
                    members: 2,
                    ..options
                },
                &data,
                &Deep
            )
            .is_err()
        );
    }

    #[test]
    fn schedule_warms_up_and_ends_at_zero() {
        let schedule = Schedule {
            steps: 100,
            peak: 2.0,
            warmup: 0.1,
        };
        assert!((schedule.rate(0) - 0.2).abs() < 1e-6);
        assert!((schedule.rate(9) - 2.0).abs() < 1e-6);
        assert!((schedule.rate(10) - 2.0).abs() < 1e-6);
        assert!((schedule.rate(55) - 1.0).abs() < 1e-6);
        assert!(schedule.rate(100) < 1e-6);
    }

    #[test]
    fn training_fits_a_smooth_function() {
        let rows = rows(500);
        let trainer = Trainer::new(shape(1), options(1500), &rows, &Hard::SQUARED).unwrap();
        let mut state = trainer.start();
        let mut last = f32::NAN;
        trainer
            .run(&mut state, 1500, 500, &mut |report| {
                last = report.loss;
                Control::Continue
            })
            .unwrap();
        assert!(last < 2e-3, "{last}");
    }

    #[cfg(feature = "tensors")]
    #[test]
    fn engines_train_the_same_weights() {
        // More rows per batch than a block of the sweep, and not a multiple of it.
        let rows = rows(300);
        let options = TrainOptions {
            batch: 150,
            ..options(20)
        };
        let losses = [
            LabelLoss::Point(PointLoss::Squared),
            LabelLoss::Point(PointLoss::Huber { delta: 0.3 }),
            LabelLoss::Gaussian,
        ]
        .map(Hard);
        for loss in &losses {
            let run = |engine| {
                let trainer = Trainer::new(shape(loss.outputs()), options, &rows, loss)
                    .unwrap()
                    .on(engine)
                    .unwrap();
                let mut state = trainer.start();
                let begun = state.params.clone();
                let mut last = f32::NAN;
                trainer
                    .run(&mut state, 20, 20, &mut |report| {
                        last = report.loss;
                        Control::Continue
                    })
                    .unwrap();
                (begun, state.params, last)
            };
            let (fused, tensors) = (run(Engine::Fused), run(Engine::Tensors));
            assert!(
                (fused.2 - tensors.2).abs() < 1e-4 * (1.0 + tensors.2.abs()),
                "{} {}",
                fused.2,
                tensors.2
            );
            let apart = fused
                .1
                .iter()
                .zip(&tensors.1)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(apart < 1e-4, "{loss:?}: {apart}");
            assert!(
                fused
                    .1
                    .iter()
                    .zip(&fused.0)
                    .any(|(a, b)| (a - b).abs() > 0.02)
            );
        }
        assert!(
            Trainer::new(
                shape(1),
                TrainOptions {
                    members: 1,
                    ..options
                },
                &rows,
                &Deep
            )
            .unwrap()
            .on(Engine::Tensors)
            .is_err()
        );
    }

    /// Out-of-fold errors of both engines, each over five seeds, lie within one standard error of their difference.
    #[cfg(feature = "tensors")]
    #[test]
    fn engines_are_as_good_out_of_fold() {
        const FOLDS: usize = 4;
        let all = rows(240);
        let n = all.labels.len() / 2;
        let (width, loss) = (all.positions.values().len() / n, Hard::SQUARED);
        let pick = |keep: &dyn Fn(usize) -> bool| {
            let of = |values: &[f32], width: usize| -> Vec<f32> {
                let kept = values.chunks_exact(width).enumerate();
                kept.filter(|(row, _)| keep(*row))
                    .flat_map(|(_, row)| row.to_vec())
                    .collect()
            };
            TrainingRows {
                positions: of(all.positions.values(), width).into(),
                labels: of(&all.labels, 2),
            }
        };
        let error = |engine: Engine, seed: u64| -> f64 {
            let mut sum = 0.0;
            for fold in 0..FOLDS {
                let (train, held) = (
                    pick(&|row| row % FOLDS != fold),
                    pick(&|row| row % FOLDS == fold),
                );
                let options = TrainOptions {
                    members: 1,
                    batch: 60,
                    seed,
                    ..options(120)
                };
                let trainer = Trainer::new(shape(1), options, &train, &loss)
                    .unwrap()
                    .on(engine)
                    .unwrap();
                let mut state = trainer.start();
                trainer
                    .run(&mut state, 120, 120, &mut |_| Control::Continue)
                    .unwrap();
                let pred = trainer
                    .network()
                    .predict(&state.average, held.positions.values());
                let squares = pred.iter().zip(held.labels.chunks_exact(2));
                sum += squares
                    .map(|(pred, label)| f64::from(pred - label[0]).powi(2))
                    .sum::<f64>();
            }
            (sum / n as f64).sqrt()
        };
        let differences: Vec<f64> = (0..5)
            .map(|seed| error(Engine::Fused, seed) - error(Engine::Tensors, seed))
            .collect();
        let spread: Vec<f64> = (0..5).map(|seed| error(Engine::Fused, seed)).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let center = mean(&spread);
        let squares: f64 = spread.iter().map(|error| (error - center).powi(2)).sum();
        // Of the mean over five seeds.
        let standard_error = (squares / 4.0 / 5.0).sqrt();
        let apart = mean(&differences).abs();
        println!(
            "out of fold: {center:.5}, engines apart {apart:.1e}, standard error over seeds {standard_error:.1e}"
        );
        assert!(
            apart <= standard_error,
            "{differences:?}, standard error {standard_error}"
        );
    }

    #[test]
    fn a_question_ends_training_at_the_next_step() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let rows = rows(100);
        let steps = AtomicUsize::new(0);
        let stop = || steps.fetch_add(1, Ordering::Relaxed) == 7;
        let trainer = Trainer::new(shape(2), options(60), &rows, &Hard(LabelLoss::Gaussian))
            .unwrap()
            .stopping(&stop);
        let mut state = trainer.start();
        let mut reports = 0;
        trainer
            .run(&mut state, 60, 1000, &mut |_| {
                reports += 1;
                Control::Continue
            })
            .unwrap();
        assert_eq!((state.step, reports), (7, 0));
    }

    #[test]
    fn stopped_training_continues_to_the_same_bytes() {
        let rows = rows(100);
        let trainer =
            Trainer::new(shape(2), options(60), &rows, &Hard(LabelLoss::Gaussian)).unwrap();
        let mut whole = trainer.start();
        trainer
            .run(&mut whole, 60, 1000, &mut |_| Control::Continue)
            .unwrap();
        let mut parts = trainer.start();
        trainer
            .run(&mut parts, 60, 1, &mut |r| {
                if r.state.step == 23 {
                    Control::Stop
                } else {
                    Control::Continue
                }
            })
            .unwrap();
        assert_eq!(parts.step, 23);
        trainer
            .run(&mut parts, 60, 1000, &mut |_| Control::Continue)
            .unwrap();
        assert_eq!(whole, parts);
    }

    #[test]
    fn trainer_rejects_what_does_not_fit() {
        let rows = rows(10);
        let hard = Hard::SQUARED;
        assert!(Trainer::new(shape(2), options(10), &rows, &hard).is_err());
        assert!(
            Trainer::new(
                shape(1),
                TrainOptions {
                    batch: 0,
                    ..options(10)
                },
                &rows,
                &hard
            )
            .is_err()
        );
        let short = TrainingRows {
            labels: vec![0.0; 3],
            ..rows.clone()
        };
        assert!(Trainer::new(shape(1), options(10), &short, &hard).is_err());
        assert!(Trainer::new(shape(1), options(10), &TrainingRows::default(), &hard).is_err());
    }

    #[test]
    fn training_names_the_step_of_a_nan() {
        let mut rows = rows(40);
        rows.labels[0] = f32::NAN;
        let trainer = Trainer::new(
            shape(1),
            TrainOptions {
                batch: 40,
                ..options(10)
            },
            &rows,
            &Hard::SQUARED,
        )
        .unwrap();
        let found = trainer.run(&mut trainer.start(), 10, 1, &mut |_| Control::Continue);
        assert!(
            matches!(
                found,
                Err(Error::Diverged {
                    step: 0,
                    steps: 10,
                    ..
                })
            ),
            "{found:?}"
        );
    }
}
