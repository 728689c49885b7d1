//! What a training step minimizes: the hard losses, against the target.
//!
//! A loss is one pure function on tensors. The mean over the batch and the row weights are applied once, by
//! [`weighted_mean`].

use burn::tensor::{Tensor, TensorData};

use crate::mlp::Block;

/// When and among what a row is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// Share of the schedule that is done, in `[0, 1)`.
    pub progress: f32,
    /// What [`StepLoss::statistic`] said of the batch.
    pub statistic: f32,
}

/// The objective of one training step.
///
/// Labels travel as a matrix of as many columns as the loss asks for; what a column means is the loss's own affair, told by
/// its doc comment. Every loss has a column of row weights, of mean 1 over the training rows.
///
/// A loss says itself on tensors, by [`loss`](Self::loss), or on slices, by [`direct`](Self::direct) with
/// [`on_slices`](Self::on_slices); the other form follows.
pub trait StepLoss: Send + Sync {
    /// Columns of the label matrix.
    fn columns(&self) -> usize;

    /// Outputs per row that the network needs.
    fn outputs(&self) -> usize;

    /// A number about the labels of the whole batch that each of its rows is judged by; 0 where the loss asks for none.
    fn statistic(&self, _labels: &[f32]) -> f32 {
        0.0
    }

    /// Mean loss of a batch, one value.
    ///
    /// # Shapes
    ///
    /// `pred` is `[members, n_samples, outputs]`, `labels` `[n_samples, columns]`.
    fn loss(&self, pred: Tensor<3>, labels: Tensor<2>, moment: Moment) -> Tensor<1> {
        from_slices(self, pred, labels, moment)
    }

    /// Rows of one group stay beside each other, in their order: batches are made of whole groups. A power of two up to 64.
    fn group(&self) -> usize {
        1
    }

    /// Weights of the loss's own that are trained beside the network's, such as adapters; they begin at 0.
    fn own_weights(&self) -> usize {
        0
    }

    /// True where [`inside`](Self::inside) is written: the loss looks at hidden activations too. Such a loss trains one network at
    /// a time.
    fn looks_inside(&self) -> bool {
        false
    }

    /// As [`direct`](Self::direct), for a block with its hidden activations: `own` are the loss's weights, whose gradient is *added*
    /// to `grad_own`.
    fn inside(&self, block: Block<'_>, labels: &[f32], moment: Moment, _own: &[f32], _grad_own: &mut [f32]) -> f32 {
        self.direct(block.pred, labels, moment, block.grad_pred)
    }

    /// True where [`direct`](Self::direct) is written, which on small networks is much faster.
    fn on_slices(&self) -> bool {
        false
    }

    /// The sum over rows of the weighted loss, and its gradient, on slices.
    ///
    /// # Shapes
    ///
    /// `pred` and `grad` are `[n_samples, outputs]` of one member, `labels` `[n_samples, columns]`.
    fn direct(&self, _pred: &[f32], _labels: &[f32], _moment: Moment, _grad: &mut [f32]) -> f32 {
        // Asked only where `on_slices` promises an answer: a NaN ends training with the step's name.
        f32::NAN
    }
}

/// A loss on slices as one on tensors: a value and a slope that differentiation takes for the loss's own.
///
/// ```text
/// L(s) = L(s₀) + Σ (s − s₀) · ∂L/∂s |_{s₀},    s₀ the predictions without their history
/// ```
fn from_slices<L: StepLoss + ?Sized>(loss: &L, pred: Tensor<3>, labels: Tensor<2>, moment: Moment) -> Tensor<1> {
    let (device, shape) = (pred.device(), pred.dims());
    let known = pred.clone().detach();
    let (values, labels) = (known.to_data(), labels.into_data());
    let (Ok(values), Ok(labels)) = (values.as_slice::<f32>(), labels.as_slice::<f32>()) else {
        unreachable!("predictions and labels are f32")
    };
    let mut grad = vec![0.0; values.len()];
    let scale = (shape[0] * shape[1]) as f32;
    let member = shape[1] * shape[2];
    let sum: f32 = values.chunks(member).zip(grad.chunks_mut(member)).map(|(s, g)| loss.direct(s, labels, moment, g)).sum();
    grad.iter_mut().for_each(|g| *g /= scale);
    let slope = Tensor::<3>::from_data(TensorData::new(grad, shape), &device);
    ((pred - known) * slope).sum() + sum / scale
}

/// Mean of `loss · weight` over members and rows.
///
/// # Shapes
///
/// `loss` is `[members, n_samples, 1]`, `weight` `[1, n_samples, 1]`.
#[must_use]
pub fn weighted_mean(loss: Tensor<3>, weight: Tensor<3>) -> Tensor<1> {
    (loss * weight).mean()
}

/// Column `index` of the labels, as `[1, n_samples, 1]`, ready to meet predictions.
#[must_use]
pub fn column(labels: &Tensor<2>, index: usize) -> Tensor<3> {
    labels.clone().narrow(1, index, 1).unsqueeze::<3>()
}

/// How far a prediction is from one label, per element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointLoss {
    /// `(s − y)²`
    Squared,
    /// Quadratic near the label, linear beyond `delta`:
    ///
    /// ```text
    /// e = s − y
    /// L = e²                      if |e| ≤ δ
    ///   = δ (2 |e| − δ)           otherwise
    /// ```
    ///
    /// Twice the usual Huber (1964) loss, so that it meets [`PointLoss::Squared`] for large `δ` and blends with it on one
    /// scale.
    Huber {
        /// Where the linear part begins, in standardized target units.
        delta: f32,
    },
}

impl PointLoss {
    /// Element-wise loss.
    ///
    /// # Shapes
    ///
    /// Any two shapes that broadcast. A NaN gives a NaN.
    #[must_use]
    pub fn forward(self, pred: Tensor<3>, label: Tensor<3>) -> Tensor<3> {
        let error = pred - label;
        match self {
            Self::Squared => error.clone() * error,
            Self::Huber { delta } => {
                // e² − max(|e| − δ, 0)², which is δ (2 |e| − δ) beyond δ.
                let beyond = burn::tensor::activation::relu(error.clone().abs() - delta);
                error.clone() * error - beyond.clone() * beyond
            }
        }
    }

    /// Loss of one element and its derivative by the prediction.
    #[inline]
    #[must_use]
    pub fn direct(self, pred: f32, label: f32) -> (f32, f32) {
        let error = pred - label;
        match self {
            Self::Squared => (error * error, 2.0 * error),
            Self::Huber { delta } => {
                let near = error.clamp(-delta, delta);
                (near * (2.0 * error - near), 2.0 * near)
            }
        }
    }
}

/// A [`PointLoss`] against one target.
///
/// Labels: target, weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hard(pub PointLoss);

impl StepLoss for Hard {
    fn columns(&self) -> usize {
        2
    }

    fn outputs(&self) -> usize {
        1
    }

    fn loss(&self, pred: Tensor<3>, labels: Tensor<2>, _moment: Moment) -> Tensor<1> {
        weighted_mean(self.0.forward(pred, column(&labels, 0)), column(&labels, 1))
    }

    fn on_slices(&self) -> bool {
        true
    }

    fn direct(&self, pred: &[f32], labels: &[f32], _moment: Moment, grad: &mut [f32]) -> f32 {
        let mut sum = 0.0;
        for ((pred, label), grad) in pred.iter().zip(labels.chunks_exact(2)).zip(grad) {
            let (loss, slope) = self.0.direct(*pred, label[0]);
            sum += loss * label[1];
            *grad = slope * label[1];
        }
        sum
    }
}

/// Negative log-likelihood of a Gaussian whose mean and log-variance the network predicts.
///
/// # Formula
///
/// With outputs `μ` and `v` (log-variance, held in ±[`LOG_VARIANCE_LIMIT`]):
///
/// ```text
/// L = v + (y − μ)² · exp(−v)
/// ```
///
/// twice the negative log-likelihood without its constant.
///
/// Labels: target, weight.
///
/// # Source
///
/// Nix & Weigend, *Estimating the mean and variance of the target probability distribution*, ICNN 1994.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNll;

/// Bound of the predicted log-variance: standardized targets leave it only through overflow.
pub const LOG_VARIANCE_LIMIT: f32 = 12.0;

impl StepLoss for GaussianNll {
    fn columns(&self) -> usize {
        2
    }

    fn outputs(&self) -> usize {
        2
    }

    fn loss(&self, pred: Tensor<3>, labels: Tensor<2>, _moment: Moment) -> Tensor<1> {
        let mean = pred.clone().narrow(2, 0, 1);
        let log_variance = pred.narrow(2, 1, 1).clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT);
        let error = mean - column(&labels, 0);
        let loss = log_variance.clone() + error.clone() * error * (-log_variance).exp();
        weighted_mean(loss, column(&labels, 1))
    }

    fn on_slices(&self) -> bool {
        true
    }

    fn direct(&self, pred: &[f32], labels: &[f32], _moment: Moment, grad: &mut [f32]) -> f32 {
        let mut sum = 0.0;
        for ((pred, label), grad) in pred.chunks_exact(2).zip(labels.chunks_exact(2)).zip(grad.chunks_exact_mut(2)) {
            let held = pred[1].clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT);
            let (error, precision) = (pred[0] - label[0], (-held).exp());
            sum += (held + error * error * precision) * label[1];
            grad[0] = 2.0 * error * precision * label[1];
            let inside = if pred[1].abs() < LOG_VARIANCE_LIMIT { 1.0 } else { 0.0 };
            grad[1] = inside * (1.0 - error * error * precision) * label[1];
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    fn tensor3(values: &[f32], outputs: usize) -> Tensor<3> {
        let n = values.len() / outputs;
        Tensor::from_data(TensorData::new(values.to_vec(), [1, n, outputs]), &Device::flex().autodiff())
    }

    fn labels(values: &[f32], columns: usize) -> Tensor<2> {
        let n = values.len() / columns;
        Tensor::from_data(TensorData::new(values.to_vec(), [n, columns]), &Device::flex().autodiff())
    }

    fn value(loss: &dyn StepLoss, pred: &[f32], rows: &[f32]) -> f32 {
        loss.loss(tensor3(pred, loss.outputs()), labels(rows, loss.columns()), Moment::default()).into_scalar()
    }

    fn gradient_matches(loss: &dyn StepLoss, rng: &mut Pcg64) {
        let n = 6;
        let pred: Vec<f32> = (0..n * loss.outputs()).map(|_| rng.random_range(-1.5..1.5)).collect();
        let rows: Vec<f32> = (0..n).flat_map(|_| [rng.random_range(-1.5..1.5), rng.random_range(0.1..2.0)]).collect();
        let p = tensor3(&pred, loss.outputs()).require_grad();
        let grads = loss.loss(p.clone(), labels(&rows, 2), Moment::default()).backward();
        let grad = p.grad(&grads).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for i in 0..pred.len() {
            let at = |h: f32| {
                let mut moved = pred.clone();
                moved[i] += h;
                value(loss, &moved, &rows)
            };
            let difference = (at(5e-3) - at(-5e-3)) / 1e-2;
            assert!((difference - grad[i]).abs() < 5e-3, "{difference} {}", grad[i]);
        }
    }

    #[test]
    fn squared_is_the_weighted_mean_worked_by_hand() {
        // (4 · 1 + 1 · 0.5) / 2
        assert_eq!(value(&Hard(PointLoss::Squared), &[3.0, 0.0], &[1.0, 1.0, 1.0, 0.5]), 2.25);
    }

    #[test]
    fn huber_is_worked_by_hand_on_both_sides() {
        let huber = Hard(PointLoss::Huber { delta: 0.5 });
        assert!((value(&huber, &[0.25], &[0.0, 1.0]) - 0.0625).abs() < 1e-7);
        // 0.5 · (2 · 3 − 0.5)
        assert!((value(&huber, &[3.0], &[0.0, 1.0]) - 2.75).abs() < 1e-6);
    }

    #[test]
    fn huber_with_large_delta_is_squared() {
        let (pred, rows) = ([0.7, -2.0], [0.1, 1.0, 1.0, 2.0]);
        let huber = value(&Hard(PointLoss::Huber { delta: 1e3 }), &pred, &rows);
        assert_eq!(huber, value(&Hard(PointLoss::Squared), &pred, &rows));
    }

    #[test]
    fn gaussian_nll_is_worked_by_hand() {
        // v = ln 4, error 2: ln 4 + 4 / 4
        let found = value(&GaussianNll, &[1.0, 4f32.ln()], &[3.0, 1.0]);
        assert!((found - (4f32.ln() + 1.0)).abs() < 1e-6);
    }

    #[test]
    fn gradient_of_hard_losses_matches_differences() {
        let mut rng = Pcg64::seed_from_u64(11);
        for _ in 0..5 {
            gradient_matches(&Hard(PointLoss::Squared), &mut rng);
            let delta = rng.random_range(0.2..1.0);
            gradient_matches(&Hard(PointLoss::Huber { delta }), &mut rng);
            gradient_matches(&GaussianNll, &mut rng);
        }
    }

    #[test]
    fn losses_on_slices_are_those_on_tensors() {
        let mut rng = Pcg64::seed_from_u64(12);
        let losses: [&dyn StepLoss; 3] = [&Hard(PointLoss::Squared), &Hard(PointLoss::Huber { delta: 0.4 }), &GaussianNll];
        for loss in losses {
            for scale in [1.0, 20.0] {
                let n = 7;
                let pred: Vec<f32> = (0..n * loss.outputs()).map(|_| scale * rng.random_range(-1.0..1.0)).collect();
                let rows: Vec<f32> = (0..n).flat_map(|_| [rng.random_range(-1.5..1.5), rng.random_range(0.1..2.0)]).collect();
                let p = tensor3(&pred, loss.outputs()).require_grad();
                let mean = loss.loss(p.clone(), labels(&rows, 2), Moment::default());
                let grads = mean.backward();
                let expected = p.grad(&grads).unwrap().into_data().try_to_vec::<f32>().unwrap();
                let mean = mean.into_scalar::<f32>();
                let mut grad = vec![f32::NAN; pred.len()];
                let sum = loss.direct(&pred, &rows, Moment::default(), &mut grad);
                let close = |a: f32, b: f32| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
                assert!(close(sum / n as f32, mean), "{sum} {mean}");
                assert!(grad.iter().zip(&expected).all(|(g, e)| close(g / n as f32, *e)), "{grad:?} {expected:?}");
            }
        }
    }

    #[test]
    fn hard_losses_show_a_nan() {
        for point in [PointLoss::Squared, PointLoss::Huber { delta: 1.0 }] {
            assert!(value(&Hard(point), &[f32::NAN], &[0.0, 1.0]).is_nan());
            assert!(Hard(point).direct(&[f32::NAN], &[0.0, 1.0], Moment::default(), &mut [0.0]).is_nan());
        }
        assert!(value(&GaussianNll, &[f32::NAN, 0.0], &[0.0, 1.0]).is_nan());
    }
}
