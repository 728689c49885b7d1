//! Losses between a network's outputs and a label, one file per form of prediction (number, quantile, Gaussian, bins).
//!
//! A [`Label`] is a mean with a standard deviation: 0 for a target, the teacher's predictive standard deviation for a teacher label. So one function
//! serves as the hard loss (against targets) and as the soft loss (against teacher labels) of its [`Head`]. [`Hard`] is the loss for training on
//! targets alone.

mod binned;
mod cdf;
mod gaussian;
mod quantile;

use crate::head::{Bins, Head};
use crate::loss::{PointLoss, StepContext, StepLoss};

/// What the outputs of a row are compared with: a target or a teacher label, in standardized target units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// The target itself, or the mean that the teacher predicts.
    pub mean: f32,
    /// Predictive standard deviation of the teacher; 0 for a target, which is known exactly.
    pub sd: f32,
}

impl Label {
    /// Makes a label from a target: its standard deviation is 0.
    #[must_use]
    pub fn hard(mean: f32) -> Self {
        Self { mean, sd: 0.0 }
    }
}

/// Loss between one row's outputs and a [`Label`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LabelLoss {
    /// Loss between a predicted number and the label's mean.
    Point(PointLoss),
    /// Pinball loss of a predicted `q`-quantile; the field is `q`, in (0, 1).
    Quantile(f32),
    /// Loss of a predicted Gaussian: see the formula at [`LabelLoss::row`].
    Gaussian,
    /// KL divergence between the label's bin masses and the predicted masses: see the formula at [`LabelLoss::row`].
    Binned(Bins),
    /// Squared error between the predicted mean and the label's mean, for any head. The label's standard deviation has no effect. This is the hard
    /// loss if the option `objective.literal` is set (*KL + MSE*).
    SquaredMean(Head),
}

impl LabelLoss {
    /// Number of outputs per row that the loss reads.
    #[must_use]
    pub fn outputs(self) -> usize {
        self.head().outputs()
    }

    /// The head (form of prediction) whose outputs the loss reads.
    #[must_use]
    pub fn head(self) -> Head {
        match self {
            Self::Point(_) | Self::Quantile(_) => Head::Point,
            Self::Gaussian => Head::Gaussian,
            Self::Binned(bins) => Head::Binned(bins),
            Self::SquaredMean(head) => head,
        }
    }

    /// Returns the loss of one row, and writes its gradient with respect to the outputs to `grad`.
    ///
    /// # Formula
    ///
    /// Let the label be `Y ~ N(c, σ²)`, `T` the temperature, and `Φ` and `φ` the standard normal distribution function and density. The loss depends
    /// on the form of the prediction:
    ///
    /// ```text
    /// a point s:         L(s, c) of the PointLoss; T has no effect
    /// a quantile s:      E max(q (Y − s), (q − 1)(Y − s)) = (s − c)(Φ(u) − q) + σ φ(u),   u = (s − c) / σ;  T has no effect
    /// a Gaussian m, v:   (c − m)² e^−v + T (v + σ² e^−v)  − T (ln σ² + 1)     the last term only for σ > 0
    /// bins z:            T² Σ_k q_k ln(q_k / p_k),   p = softmax(z / T),   q_k = mass of N(c, T σ²) in bin k
    /// ```
    ///
    /// The Gaussian loss is twice `KL(N_t ‖ N_s)` at `T = 1`; for `σ = 0` and `T = 1`, it is twice the negative log-likelihood up to a constant. For
    /// a Gaussian, a temperature above 1 gives standard deviations more weight relative to means; for bins, it smooths the masses. For bins, a label
    /// with `σ = 0` (a target) gets the width of one bin as `σ`, and `T = 1`; a larger `σ` is at least half a bin's width.
    ///
    /// # Source
    ///
    /// Koenker & Bassett 1978 for quantiles; Hinton et al. 2015 for `T²`; Imani & White, ICML 2018, for bins. The tempered Gaussian density
    /// `p^{1/T}` has variance `T σ²`.
    ///
    /// # Panics
    ///
    /// Panics if a slice is shorter than [`outputs`](Self::outputs).
    pub fn row(self, out: &[f32], label: Label, temperature: f32, grad: &mut [f32]) -> f32 {
        match self {
            Self::Point(point) => {
                let (loss, slope) = point.value_and_grad(out[0], label.mean);
                grad[0] = slope;
                loss
            }
            Self::Quantile(quantile) => quantile::row(quantile, out[0], label, &mut grad[0]),
            Self::Gaussian => gaussian::row(out, label, temperature, grad),
            Self::Binned(bins) => binned::row(bins, out, label, temperature, grad),
            Self::SquaredMean(head) => squared_mean(head, out, label.mean, grad),
        }
    }
}

/// A loss against targets alone, without a teacher.
///
/// Label columns: target, row weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hard(pub LabelLoss);

impl Hard {
    /// Squared error of a point prediction.
    pub const SQUARED: Self = Self(LabelLoss::Point(PointLoss::Squared));
}

impl StepLoss for Hard {
    fn columns(&self) -> usize {
        2
    }

    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    fn value_and_grad(
        &self,
        pred: &[f32],
        labels: &[f32],
        _moment: StepContext,
        grad: &mut [f32],
    ) -> f32 {
        let outputs = self.outputs();
        let mut sum = 0.0;
        for ((pred, label), grad) in pred
            .chunks_exact(outputs)
            .zip(labels.chunks_exact(2))
            .zip(grad.chunks_exact_mut(outputs))
        {
            sum += self.0.row(pred, Label::hard(label[0]), 1.0, grad) * label[1];
            grad.iter_mut().for_each(|g| *g *= label[1]);
        }
        sum
    }
}

fn squared_mean(head: Head, out: &[f32], label: f32, grad: &mut [f32]) -> f32 {
    let mean = head.predict(out);
    let error = mean - label;
    match head {
        Head::Point => grad[0] = 2.0 * error,
        Head::Gaussian => (grad[0], grad[1]) = (2.0 * error, 0.0),
        // ∂(Σ p c)/∂z_k = p_k (c_k − mean)
        Head::Binned(bins) => {
            binned::masses_of(out, 1.0, grad);
            for (k, g) in grad.iter_mut().enumerate() {
                *g *= 2.0 * error * (bins.center(k) - mean);
            }
        }
    }
    error * error
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    fn losses(rng: &mut Pcg64) -> Vec<LabelLoss> {
        let bins = Bins {
            low: rng.random_range(-4.0..-3.0),
            width: rng.random_range(0.5..0.8),
            count: 12,
        };
        vec![
            LabelLoss::Point(PointLoss::Squared),
            LabelLoss::Point(PointLoss::Huber {
                delta: rng.random_range(0.2..1.5),
            }),
            LabelLoss::Quantile(rng.random_range(0.05..0.95)),
            LabelLoss::Gaussian,
            LabelLoss::Binned(bins),
            LabelLoss::SquaredMean(Head::Gaussian),
            LabelLoss::SquaredMean(Head::Binned(bins)),
        ]
    }

    #[test]
    fn gradients_match_differences_at_random_points_and_constants() {
        let mut rng = Pcg64::seed_from_u64(21);
        for _ in 0..20 {
            for loss in losses(&mut rng) {
                let out: Vec<f32> = (0..loss.outputs())
                    .map(|_| rng.random_range(-1.5..1.5))
                    .collect();
                let sd = if rng.random() {
                    0.0
                } else {
                    rng.random_range(0.1..1.5)
                };
                let label = Label {
                    mean: rng.random_range(-2.0..2.0),
                    sd,
                };
                let temperature = rng.random_range(0.5..4.0);
                let mut grad = vec![f32::NAN; out.len()];
                let value = loss.row(&out, label, temperature, &mut grad);
                assert!(value.is_finite());
                for i in 0..out.len() {
                    let at = |h: f32| {
                        let mut moved = out.clone();
                        moved[i] += h;
                        f64::from(loss.row(&moved, label, temperature, &mut vec![0.0; out.len()]))
                    };
                    let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
                    let scale = 1.0 + difference.abs();
                    assert!(
                        (difference - f64::from(grad[i])).abs() < 2e-2 * scale,
                        "{loss:?} {i}: {difference} {}",
                        grad[i]
                    );
                }
            }
        }
    }

    #[test]
    fn a_nan_shows() {
        for loss in losses(&mut Pcg64::seed_from_u64(1)) {
            let mut grad = vec![0.0; loss.outputs()];
            assert!(
                loss.row(
                    &vec![f32::NAN; loss.outputs()],
                    Label::hard(0.0),
                    1.0,
                    &mut grad
                )
                .is_nan(),
                "{loss:?}"
            );
            assert!(
                loss.row(
                    &vec![0.5; loss.outputs()],
                    Label::hard(f32::NAN),
                    1.0,
                    &mut grad
                )
                .is_nan(),
                "{loss:?}"
            );
        }
    }

    #[test]
    fn point_losses_have_no_temperature() {
        let loss = LabelLoss::Point(PointLoss::Squared);
        let label = Label { mean: 1.0, sd: 0.7 };
        assert_eq!(loss.row(&[3.0], label, 1.0, &mut [0.0]), 4.0);
        assert_eq!(loss.row(&[3.0], label, 9.0, &mut [0.0]), 4.0);
    }

    #[test]
    fn hard_losses_weigh_their_rows() {
        // (3 − 1)² · 1 + (0 − 1)² · 0.5
        let mut grad = [f32::NAN; 2];
        assert_eq!(
            Hard::SQUARED.value_and_grad(
                &[3.0, 0.0],
                &[1.0, 1.0, 1.0, 0.5],
                StepContext::default(),
                &mut grad
            ),
            4.5
        );
        assert_eq!(grad, [4.0, -1.0]);
        // v = ln 4, error 2: ln 4 + 4 / 4, weighed 3
        let mut grad = [f32::NAN; 2];
        let found = Hard(LabelLoss::Gaussian).value_and_grad(
            &[1.0, 4f32.ln()],
            &[3.0, 3.0],
            StepContext::default(),
            &mut grad,
        );
        assert!(
            (found - 3.0 * (4f32.ln() + 1.0)).abs() < 1e-6
                && (grad[0] + 3.0).abs() < 1e-6
                && grad[1].abs() < 1e-6,
            "{found} {grad:?}"
        );
    }

    #[test]
    fn squared_mean_is_worked_by_hand() {
        let mut grad = [f32::NAN; 2];
        assert_eq!(
            LabelLoss::SquaredMean(Head::Gaussian).row(
                &[3.0, -5.0],
                Label::hard(1.0),
                1.0,
                &mut grad
            ),
            4.0
        );
        assert_eq!(grad, [4.0, 0.0]);
        // Two bins at 0.5 and 1.5, masses one half: mean 1.
        let bins = Head::Binned(Bins {
            low: 0.0,
            width: 1.0,
            count: 2,
        });
        assert_eq!(
            LabelLoss::SquaredMean(bins).row(&[0.0, 0.0], Label::hard(3.0), 1.0, &mut grad),
            4.0
        );
        // 2 · (1 − 3) · ½ · ∓½
        assert_eq!(grad, [1.0, -1.0]);
    }
}
