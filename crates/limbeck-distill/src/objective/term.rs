//! Terms of a student's loss in addition to the blended loss.

use std::fmt::Debug;
use std::sync::Arc;

/// What a [`Loss`] reads and writes for some rows: a block of a batch, or the rows of a [`Probe`](crate::probe::Probe).
pub struct View<'a> {
    /// Outputs of the network, `[n_samples, outputs]`.
    pub pred: &'a [f32],
    /// Hidden activations, layer by layer, each `[n_samples, width]`.
    pub hidden: &'a [f32],
    /// Gradient with respect to the outputs; the loss adds its part.
    pub grad_pred: &'a mut [f32],
    /// Gradient with respect to the hidden activations; the loss adds its part.
    pub grad_hidden: &'a mut [f32],
    /// The labels of the rows: a matrix `[n_samples, 6]` with the columns of [`LabelRow`](super::LabelRow).
    pub rows: &'a [f32],
    /// The label columns that belong to this loss alone, `[n_samples, columns]`.
    pub labels: &'a [f32],
    /// The loss's own trained weights.
    pub own: &'a [f32],
    /// Gradient with respect to the loss's own weights; the loss adds its part.
    pub aux_grad: &'a mut [f32],
    /// Share of the schedule's steps that are done, from 0 to 1.
    pub progress: f64,
}

/// A loss that uses more than the labels of single rows: hidden activations, pairs of rows, or weights of its own.
///
/// A loss is called on blocks of at most 64 rows. Rows that it compares with each other must be in one [`group`](Self::group), which is never divided
/// between blocks.
pub trait Loss: Debug + Send + Sync {
    /// Number of label columns that belong to this loss alone.
    fn columns(&self) -> usize;

    /// Number of the loss's own trained weights. They start at 0 and are trained together with the network's weights.
    fn aux_weights(&self) -> usize {
        0
    }

    /// Number of consecutive rows that form a group and stay together: a power of two, at most 64.
    fn group(&self) -> usize {
        1
    }

    /// Returns the loss, summed over rows with their weights, and adds its gradients to those in `view`.
    fn add(&self, view: View<'_>) -> f32;

    /// Values of the loss for training curves: means over rows, without weights that depend on progress. Empty if the loss applies to none of the
    /// rows.
    fn figures(&self, view: View<'_>) -> Vec<f64>;
}

/// A term of an [`Objective`](super::Objective): a loss, with its name in training curves.
#[derive(Clone, Debug)]
pub struct Term {
    /// Name of the term, such as `slope` or `layers`.
    pub name: &'static str,
    /// The loss.
    pub loss: Arc<dyn Loss>,
}

impl Term {
    /// Makes a term from a loss.
    pub fn new(name: &'static str, loss: impl Loss + 'static) -> Self {
        Self {
            name,
            loss: Arc::new(loss),
        }
    }
}
