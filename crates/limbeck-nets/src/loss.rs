//! The objective of a training step.
//!
//! A [`StepLoss`] is one pure function of outputs and labels; [`crate::losses`] holds the losses that compare each row with one label.

use crate::network::Block;

/// Progress of training and a statistic of the batch, given to every call of a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepContext {
    /// Share of the schedule's steps that are done, in `[0, 1)`.
    pub progress: f32,
    /// Result of [`StepLoss::statistic`] for the batch.
    pub statistic: f32,
}

/// The objective of one training step.
///
/// Labels are a matrix with as many columns as the loss requires. The doc comment of each loss says what its columns mean. Every loss
/// has a column of row weights, with mean 1 over the training rows.
pub trait StepLoss: Send + Sync {
    /// Number of columns of the label matrix.
    fn columns(&self) -> usize;

    /// Number of outputs per row that the network must have.
    fn outputs(&self) -> usize;

    /// A number computed from the labels of the whole batch, which the loss of each row can use; 0 if the loss needs none.
    fn statistic(&self, _labels: &[f32]) -> f32 {
        0.0
    }

    /// Number of consecutive rows that form a group, a power of two up to 64. A batch consists of whole groups, whose rows keep their order.
    fn group(&self) -> usize {
        1
    }

    /// Number of weights that belong to the loss itself, such as adapters. They start at 0 and are trained together with the network's.
    fn aux_weights(&self) -> usize {
        0
    }

    /// True if the loss also reads hidden activations, and so implements [`inside`](Self::inside). Such a loss trains one network at
    /// a time.
    fn looks_inside(&self) -> bool {
        false
    }

    /// Like [`value_and_grad`](Self::value_and_grad), for a block with its hidden activations. `_own` are the loss's own weights; their gradient is
    /// *added* to `_grad_own`.
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

    /// Returns the sum of the weighted loss over rows, and writes its gradient with respect to `pred` to `grad`.
    ///
    /// # Shapes
    ///
    /// `pred` and `grad` are `[n_samples, outputs]` of one member, `labels` `[n_samples, columns]`.
    fn value_and_grad(
        &self,
        pred: &[f32],
        labels: &[f32],
        moment: StepContext,
        grad: &mut [f32],
    ) -> f32;
}

/// Loss between a predicted number and one label, per element.
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
    /// This is twice the usual Huber (1964) loss, so that it equals [`PointLoss::Squared`] for large `δ` and both have the same
    /// scale.
    Huber {
        /// Where the linear part begins, in standardized target units.
        delta: f32,
    },
}

impl PointLoss {
    /// Loss of one element and its derivative with respect to the prediction.
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
