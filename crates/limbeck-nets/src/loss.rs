//! What a training step minimizes.
//!
//! A [`StepLoss`] is one pure function of outputs and labels; [`crate::losses`] holds those by row.

use crate::network::Block;

/// When and among what a row is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepContext {
    /// Share of the schedule that is done, in `[0, 1)`.
    pub progress: f32,
    /// What [`StepLoss::statistic`] said of the batch.
    pub statistic: f32,
}

/// The objective of one training step.
///
/// Labels travel as a matrix of as many columns as the loss asks for; what a column means is the loss's own affair, told by
/// its doc comment. Every loss has a column of row weights, of mean 1 over the training rows.
pub trait StepLoss: Send + Sync {
    /// Columns of the label matrix.
    fn columns(&self) -> usize;

    /// Outputs per row that the network needs.
    fn outputs(&self) -> usize;

    /// A number about the labels of the whole batch that each of its rows is judged by; 0 where the loss asks for none.
    fn statistic(&self, _labels: &[f32]) -> f32 {
        0.0
    }

    /// Rows of one group stay beside each other, in their order: batches are made of whole groups. A power of two up to 64.
    fn group(&self) -> usize {
        1
    }

    /// Weights of the loss's own that are trained beside the network's, such as adapters; they begin at 0.
    fn aux_weights(&self) -> usize {
        0
    }

    /// True where [`inside`](Self::inside) is written: the loss looks at hidden activations too. Such a loss trains one network at
    /// a time.
    fn looks_inside(&self) -> bool {
        false
    }

    /// As [`value_and_grad`](Self::value_and_grad), for a block with its hidden activations: `own` are the loss's weights, whose gradient is *added*
    /// to `aux_grad`.
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

    /// The sum over rows of the weighted loss, and its gradient.
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
    /// Loss of one element and its derivative by the prediction.
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
