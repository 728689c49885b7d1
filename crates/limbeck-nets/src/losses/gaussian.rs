//! Loss of a predicted Gaussian against a label.

use super::Label;
use crate::head::LOG_VARIANCE_LIMIT;

/// Returns the loss of one row, `(c − m)² e^−v + T (v + σ² e^−v) − T (ln σ² + 1)`, and writes its gradient to `grad`: see [`super::LabelLoss::row`].
pub(super) fn row(out: &[f32], label: Label, temperature: f32, grad: &mut [f32]) -> f32 {
    let held = out[1].clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT);
    let (error, precision, variance) = (out[0] - label.mean, (-held).exp(), label.sd * label.sd);
    let constant = if variance > 0.0 {
        temperature * (variance.ln() + 1.0)
    } else {
        0.0
    };
    grad[0] = 2.0 * error * precision;
    let inside = if out[1].abs() < LOG_VARIANCE_LIMIT {
        1.0
    } else {
        0.0
    };
    grad[1] = inside * (temperature * (1.0 - variance * precision) - error * error * precision);
    error * error * precision + temperature * (held + variance * precision) - constant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(m: f32, v: f32, mean: f32, sd: f32, temperature: f32) -> f32 {
        row(&[m, v], Label { mean, sd }, temperature, &mut [0.0; 2])
    }

    #[test]
    fn kl_is_worked_by_hand() {
        // Twice KL(N(3, 1) ‖ N(1, 4)) = 2 (ln 2 + (1 + 4) / 8 − ½)
        let expected = 2.0 * (2f32.ln() + 5.0 / 8.0 - 0.5);
        assert!((value(1.0, 4f32.ln(), 3.0, 1.0, 1.0) - expected).abs() < 1e-6);
        // T = 3: 4 / 4 + 3 (2 ln 2 + 1/4 − 1)
        let expected = 1.0 + 3.0 * (2.0 * 2f32.ln() + 0.25 - 1.0);
        assert!((value(1.0, 4f32.ln(), 3.0, 1.0, 3.0) - expected).abs() < 1e-5);
    }

    #[test]
    fn without_std_it_is_the_negative_log_likelihood() {
        // ln 4 + 4 / 4
        assert!((value(1.0, 4f32.ln(), 3.0, 0.0, 1.0) - (4f32.ln() + 1.0)).abs() < 1e-6);
    }

    #[test]
    fn kl_is_zero_at_equality_and_positive_elsewhere() {
        for temperature in [1.0, 3.0] {
            assert!(value(0.3, (0.4f32 * 0.4).ln(), 0.3, 0.4, temperature).abs() < 1e-6);
            for (m, v) in [
                (0.31, -1.8326),
                (0.3, -1.7),
                (0.3, -2.0),
                (5.0, 3.0),
                (-2.0, -6.0),
            ] {
                assert!(value(m, v, 0.3, 0.4, temperature) > 0.0);
            }
        }
    }

    #[test]
    fn limits_stay_finite() {
        assert!(value(1.0, -40.0, 1.5, 0.1, 1.0).is_finite());
        assert!(value(1.0, 40.0, 1.5, 1e-6, 1e4).is_finite());
    }
}
