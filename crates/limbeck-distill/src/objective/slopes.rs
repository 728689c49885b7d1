//! Gradient matching: a loss between the derivatives of a student and of its teacher.

use limbeck_nets::Head;

use super::LabelRow;
use super::term::{Loss, View};

/// Gradient matching on pairs of rows: within a pair, the student's prediction should change as much as the teacher's.
///
/// # Formula
///
/// ```text
/// L = γ Σ_pairs [(s(x') − s(x)) − (t(x') − t(x))]² / ρ²
/// ```
///
/// A pair consists of two consecutive rows `x`, `x'` of the batch, at distance `ρ` in standard deviations of the columns. `γ` is the option
/// `objective.slope_weight`; `s` and `t` are the means that student and teacher predict. So `L` is the squared difference of their directional
/// derivatives, taken as difference quotients. Where the teacher is linear between `x` and `x'`, as a network mostly is, the difference quotient
/// equals the derivative. Trees have no useful derivative.
///
/// The label column has `γ / ρ²` for the second row of a pair, and 0 for other rows.
///
/// # Source
///
/// Czarnecki et al., *Sobolev Training for Neural Networks*, NeurIPS 2017, which matches exact derivatives.
#[derive(Clone, Copy, Debug)]
pub struct Slopes {
    /// Head of the student.
    pub head: Head,
}

impl Loss for Slopes {
    fn columns(&self) -> usize {
        1
    }

    fn group(&self) -> usize {
        2
    }

    fn add(&self, view: View<'_>) -> f32 {
        let outputs = self.head.outputs();
        self.pairs(&view).iter().fold(0.0, |sum, pair| {
            for (at, slope) in [(pair.second, pair.slope), (pair.second - 1, -pair.slope)] {
                mean_slope(
                    self.head,
                    &view.pred[at * outputs..][..outputs],
                    slope,
                    &mut view.grad_pred[at * outputs..][..outputs],
                );
            }
            sum + pair.loss
        })
    }

    /// The mean loss over pairs; empty if there is no pair.
    fn figures(&self, view: View<'_>) -> Vec<f64> {
        let found = self.pairs(&view);
        let sum: f64 = found.iter().map(|pair| f64::from(pair.loss)).sum();
        if found.is_empty() {
            Vec::new()
        } else {
            vec![sum / found.len() as f64]
        }
    }
}

impl Slopes {
    fn pairs(&self, view: &View<'_>) -> Vec<PairLoss> {
        let outputs = self.head.outputs();
        let mean = |row: usize| self.head.predict(&view.pred[row * outputs..][..outputs]);
        let teacher = |row: usize| view.rows[row * LabelRow::COLUMNS + LabelRow::TEACHER];
        let weight = |row: usize| view.labels[row];
        let second = (1..view.labels.len())
            .step_by(2)
            .filter(|&row| weight(row) > 0.0);
        second
            .map(|second| {
                let moved = teacher(second) - teacher(second - 1);
                let error = mean(second) - mean(second - 1) - moved;
                PairLoss {
                    second,
                    loss: weight(second) * error * error,
                    slope: 2.0 * weight(second) * error,
                }
            })
            .collect()
    }
}

struct PairLoss {
    second: usize,
    loss: f32,
    /// Derivative of the loss with respect to the student's mean in the second row of the pair. For the first row, it is the negative of this.
    slope: f32,
}

/// Adds to `grad` the gradient of a head's predicted mean with respect to the head's outputs `pred`, times `slope`.
fn mean_slope(head: Head, pred: &[f32], slope: f32, grad: &mut [f32]) {
    match head {
        Head::Point | Head::Gaussian => grad[0] += slope,
        // ∂(Σ p c)/∂z_k = p_k (c_k − mean)
        Head::Binned(bins) => {
            let mean = head.predict(pred);
            let highest = pred.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = pred.iter().map(|z| (z - highest).exp()).sum();
            for (k, (g, z)) in grad.iter_mut().zip(pred).enumerate() {
                *g += slope * (z - highest).exp() / total * (bins.center(k) - mean);
            }
        }
    }
}
