//! Additional terms of the loss.

use std::fmt::Debug;
use std::sync::Arc;

/// Inputs and gradients of a [`Loss`] for some rows: a block of a batch, or the rows of a probe.
pub struct View<'a> {
    /// Outputs of the network, `[n_samples, outputs]`.
    pub pred: &'a [f32],
    /// Hidden activations, layer by layer, each `[n_samples, width]`.
    pub hidden: &'a [f32],
    /// Gradient with respect to the outputs, to which the loss adds.
    pub grad_pred: &'a mut [f32],
    /// Gradient with respect to the hidden activations, to which the loss adds.
    pub grad_hidden: &'a mut [f32],
    /// [`LabelRow`](super::LabelRow)s, `[n_samples, 6]`.
    pub rows: &'a [f32],
    /// The loss's own label columns, `[n_samples, columns]`.
    pub labels: &'a [f32],
    /// The loss's own weights.
    pub own: &'a [f32],
    /// Gradient with respect to the loss's own weights, to which the loss adds.
    pub aux_grad: &'a mut [f32],
    /// Share of the schedule's steps that are done.
    pub progress: f64,
}

/// A loss that uses more than the labels of single rows: hidden activations, pairs of rows, or weights of its own.
///
/// It is called on blocks of at most 64 rows; [`group`](Self::group) keeps the rows that it compares in one block.
pub trait Loss: Debug + Send + Sync {
    /// Number of the loss's own label columns.
    fn columns(&self) -> usize;

    /// Number of the loss's own weights, which start at 0 and are trained together with the network's.
    fn aux_weights(&self) -> usize {
        0
    }

    /// Number of consecutive rows that form a group and stay together, a power of two up to 64.
    fn group(&self) -> usize {
        1
    }

    /// Returns the sum of the weighted loss over rows, and adds its gradients.
    fn add(&self, view: View<'_>) -> f32;

    /// Values for training curves: means over rows, without the scheduled weight. Empty if the loss applies to none of the rows.
    fn figures(&self, view: View<'_>) -> Vec<f64>;
}

/// A loss, with its name in training curves.
#[derive(Clone, Debug)]
pub struct Term {
    /// Name of the term, such as `slope` or `layers`.
    pub name: &'static str,
    /// The loss.
    pub loss: Arc<dyn Loss>,
}

impl Term {
    /// Makes a term of a loss.
    pub fn new(name: &'static str, loss: impl Loss + 'static) -> Self {
        Self {
            name,
            loss: Arc::new(loss),
        }
    }
}
