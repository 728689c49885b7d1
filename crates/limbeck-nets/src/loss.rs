//! The interface of losses that a training step minimizes.
//!
//! A [`StepLoss`] is a pure function of outputs and labels. [`crate::losses`] has losses that compare each row with one label.

use crate::network::Block;

/// What a loss gets besides outputs and labels: the progress of training, and a statistic of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepContext {
    /// Fraction of the schedule's steps that are done, from 0 to 1.
    pub progress: f32,
    /// Result of [`StepLoss::statistic`] for the current batch.
    pub statistic: f32,
}

/// The loss that one training step minimizes.
///
/// Labels are a matrix with one row per training row. Each loss documents the label columns that it requires. One of them is always the weight of the
/// row. The loss of a batch is the sum over its rows divided by their number, so weights should have a mean of about 1.
pub trait StepLoss: Send + Sync {
    /// Number of label columns that the loss requires.
    fn columns(&self) -> usize;

    /// Number of outputs per row that the network must have.
    fn outputs(&self) -> usize;

    /// A number computed from the labels of all rows of a batch, such as their range. The loss of each row may use it. 0 if the loss needs no such
    /// number.
    fn statistic(&self, _labels: &[f32]) -> f32 {
        0.0
    }

    /// Number of consecutive training rows that form a group: a power of two, at most 64. A batch consists of whole groups, and the rows of a group
    /// keep their order.
    fn group(&self) -> usize {
        1
    }

    /// Number of trained weights that belong to the loss itself, such as those of adapters. They start at 0 and are trained together with the weights
    /// of the network.
    fn aux_weights(&self) -> usize {
        0
    }

    /// True if the loss uses hidden activations or weights of its own, besides outputs; it must then implement [`inside`](Self::inside). Such a loss
    /// can train only one network at a time.
    fn looks_inside(&self) -> bool {
        false
    }

    /// Like [`value_and_grad`](Self::value_and_grad), for a block of rows with its hidden activations. The gradient with respect to outputs is
    /// written to `block.grad_pred`. The gradient with respect to hidden activations is *added* to `block.grad_hidden`. `_own` are the loss's own
    /// weights; the gradient with respect to them is *added* to `_grad_own`.
    fn inside(
        &self,
        block: Block<'_>,
        labels: &[f32],
        moment: StepContext,
        _own: &[f32],
        _grad_own: &mut [f32],
    ) -> f32 {
        self.value_and_grad(block.pred, labels, moment, block.grad_pred)
    }

    /// Returns the loss, summed over rows with their weights, and writes its gradient with respect to `pred` to `grad`.
    ///
    /// # Shapes
    ///
    /// `pred` and `grad` are `[n_samples, outputs]`, for a single network; `labels` is `[n_samples, columns]`.
    fn value_and_grad(
        &self,
        pred: &[f32],
        labels: &[f32],
        moment: StepContext,
        grad: &mut [f32],
    ) -> f32;
}

/// Loss between one predicted number and one label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointLoss {
    /// Squared error `(s − y)²` of the prediction `s` and the label `y`.
    Squared,
    /// Huber loss: quadratic if prediction `s` and label `y` differ by at most `delta` (`δ`), linear beyond:
    ///
    /// ```text
    /// e = s − y
    /// L = e²                      if |e| ≤ δ
    ///   = δ (2 |e| − δ)           otherwise
    /// ```
    ///
    /// This is twice the usual Huber loss (Huber 1964). So both losses have the same scale, and for large `δ` this one equals [`PointLoss::Squared`].
    Huber {
        /// The difference at which the linear part begins, in standardized target units.
        delta: f32,
    },
}

impl PointLoss {
    /// Returns the loss between one prediction and its label, and its derivative with respect to the prediction.
    #[inline]
    #[must_use]
    pub fn value_and_grad(self, pred: f32, label: f32) -> (f32, f32) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huber_is_worked_by_hand_on_both_sides() {
        let huber = PointLoss::Huber { delta: 0.5 };
        assert_eq!(huber.value_and_grad(0.25, 0.0), (0.0625, 0.5));
        // 0.5 · (2 · 3 − 0.5)
        assert_eq!(huber.value_and_grad(3.0, 0.0), (2.75, 1.0));
        assert_eq!(huber.value_and_grad(-3.0, 0.0), (2.75, -1.0));
    }

    #[test]
    fn huber_with_large_delta_is_squared() {
        for (pred, label) in [(0.7, 0.1), (-2.0, 1.0)] {
            assert_eq!(
                PointLoss::Huber { delta: 1e3 }.value_and_grad(pred, label),
                PointLoss::Squared.value_and_grad(pred, label)
            );
        }
    }
}
