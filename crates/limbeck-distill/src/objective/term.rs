//! Losses beside the one against labels.

use std::fmt::Debug;
use std::sync::Arc;

/// Rows as a [`Loss`] sees them: a block of a batch, or the rows of a probe.
pub struct View<'a> {
    /// Outputs, `[n_samples, outputs]`.
    pub pred: &'a [f32],
    /// Hidden activations, layer by layer, each `[n_samples, width]`.
    pub hidden: &'a [f32],
    /// Gradient of the outputs, to be added to.
    pub grad_pred: &'a mut [f32],
    /// Gradient of the hidden activations, to be added to.
    pub grad_hidden: &'a mut [f32],
    /// [`LabelRow`](super::LabelRow)s, `[n_samples, 6]`.
    pub rows: &'a [f32],
    /// The loss's own columns, `[n_samples, columns]`.
    pub labels: &'a [f32],
    /// The loss's own weights.
    pub own: &'a [f32],
    /// Their gradient, to be added to.
    pub aux_grad: &'a mut [f32],
    /// Share of the schedule that is done.
    pub progress: f64,
}

/// A loss that sees more of its rows than their labels: hidden layers, neighbors, weights of its own.
///
/// It works on blocks of at most 64 rows; [`group`](Self::group) keeps rows that it compares in one block.
pub trait Loss: Debug + Send + Sync {
    /// Label columns of its own.
    fn columns(&self) -> usize;

    /// Weights of its own that are trained beside the network's; they begin at 0.
    fn aux_weights(&self) -> usize {
        0
    }

    /// Rows of one group stay beside each other. A power of two up to 64.
    fn group(&self) -> usize {
        1
    }

    /// The sum over rows of the weighted loss; gradients are added.
    fn add(&self, view: View<'_>) -> f32;

    /// What curves show of it: means over rows, without its weight in the schedule. Empty where no row is one of its.
    fn figures(&self, view: View<'_>) -> Vec<f64>;
}

/// A loss and its name in curves.
#[derive(Clone, Debug)]
pub struct Term {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub loss: Arc<dyn Loss>,
}

impl Term {
    /// A named loss.
    pub fn new(name: &'static str, loss: impl Loss + 'static) -> Self {
        Self {
            name,
            loss: Arc::new(loss),
        }
    }
}
