//! Loss of a predicted quantile against a label.

use super::Label;
use super::cdf::{cdf, density};

/// Returns the loss of one row, and writes its derivative to `grad`. It is the expected pinball loss `E ρ_q(Y − s)`, where `Y` has the distribution
/// of the label; see [`super::LabelLoss::row`].
pub(super) fn row(quantile: f32, out: f32, label: Label, grad: &mut f32) -> f32 {
    let error = out - label.mean;
    if label.sd == 0.0 {
        *grad = f32::from(error > 0.0) - quantile;
        return error * *grad;
    }
    let u = error / label.sd;
    *grad = cdf(u) - quantile;
    error * *grad + label.sd * density(u)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(quantile: f32, out: f32, mean: f32, sd: f32) -> (f32, f32) {
        let mut grad = f32::NAN;
        (row(quantile, out, Label { mean, sd }, &mut grad), grad)
    }

    #[test]
    fn targets_have_the_pinball_loss() {
        // 0.9 · 2 for a target above, 0.1 · 2 for one below.
        assert!((value(0.9, 1.0, 3.0, 0.0).0 - 1.8).abs() < 1e-6);
        let (loss, grad) = value(0.9, 5.0, 3.0, 0.0);
        assert!((loss - 0.2).abs() < 1e-6 && (grad - 0.1).abs() < 1e-6);
    }

    #[test]
    fn at_the_median_of_a_normal_label_the_loss_is_half_its_mean_deviation() {
        // E|Y − t| / 2 = σ / √(2π)
        let (loss, grad) = value(0.5, 1.0, 1.0, 2.0);
        assert!((loss - 2.0 * 0.398_942_3).abs() < 1e-5 && grad.abs() < 1e-6);
    }

    #[test]
    fn it_is_least_at_the_quantile_of_the_label() {
        // The 0.9-quantile of N(1, 4) is 1 + 2 · 1.281552.
        let at = 1.0 + 2.0 * 1.281_552;
        assert!(value(0.9, at, 1.0, 2.0).1.abs() < 1e-5);
        let least = value(0.9, at, 1.0, 2.0).0;
        assert!(
            [-0.5, 0.5]
                .iter()
                .all(|d| value(0.9, at + d, 1.0, 2.0).0 > least)
        );
    }

    #[test]
    fn little_std_is_a_target() {
        for out in [-1.0, 0.5, 4.0] {
            assert!((value(0.3, out, 1.0, 1e-4).0 - value(0.3, out, 1.0, 0.0).0).abs() < 1e-3);
        }
    }
}
