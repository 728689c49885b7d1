//! Loss of predicted probability masses of bins against a label.

use super::Label;
use super::cdf::cdf;
use crate::head::Bins;

/// Smallest standard deviation of a label, in bin widths: the first number for labels with standard deviation 0 (targets), the second for others.
/// With less, the label's mass would jump from bin to bin.
const LEAST: (f32, f32) = (1.0, 0.5);

/// Returns the loss of one row, `T² Σ_k q_k ln(q_k / p_k)`, and writes its gradient to `grad`: see [`super::LabelLoss::row`].
pub(super) fn row(
    bins: Bins,
    out: &[f32],
    label: Label,
    temperature: f32,
    grad: &mut [f32],
) -> f32 {
    let hard = label.sd == 0.0;
    let sd = label
        .sd
        .max(bins.width * if hard { LEAST.0 } else { LEAST.1 });
    // Temperature has no effect on targets; a teacher's density is tempered like the student's.
    let temperature = if hard { 1.0 } else { temperature };
    masses_of(out, temperature, grad);
    let scale = 1.0 / (sd * temperature.sqrt());
    let mut below = cdf((bins.edge(0) - label.mean) * scale);
    let inside = cdf((bins.edge(bins.count) - label.mean) * scale) - below;
    // A label far outside the bins has all its mass in the nearest one.
    if inside <= 1e-6 {
        let nearest = if label.mean < bins.low {
            0
        } else {
            bins.count - 1
        };
        let loss = -ln(grad[nearest]);
        grad[nearest] -= 1.0;
        grad.iter_mut().for_each(|g| *g *= temperature);
        return temperature * temperature * loss;
    }
    let mut loss = 0.0;
    for (k, g) in grad.iter_mut().enumerate() {
        let above = cdf((bins.edge(k + 1) - label.mean) * scale);
        let mass = (above - below) / inside;
        below = above;
        if mass > 0.0 {
            loss += mass * (mass.ln() - ln(*g));
        } else if mass.is_nan() {
            loss = f32::NAN;
        }
        *g = temperature * (*g - mass);
    }
    temperature * temperature * loss
}

/// The logarithm of a probability mass. It is finite also for a mass that has underflowed to 0. NaN stays NaN.
fn ln(mass: f32) -> f32 {
    if mass < f32::MIN_POSITIVE {
        f32::MIN_POSITIVE.ln()
    } else {
        mass.ln()
    }
}

/// Writes the probability masses of the bins, `softmax(z / T)`, to `masses`.
pub(super) fn masses_of(out: &[f32], temperature: f32, masses: &mut [f32]) {
    let highest = out.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (mass, z) in masses.iter_mut().zip(out) {
        *mass = ((z - highest) / temperature).exp();
        sum += *mass;
    }
    masses.iter_mut().for_each(|mass| *mass /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: Bins = Bins {
        low: -4.0,
        width: 0.5,
        count: 16,
    };

    fn value(out: &[f32], mean: f32, sd: f32, temperature: f32) -> f32 {
        row(BINS, out, Label { mean, sd }, temperature, &mut [0.0; 16])
    }

    /// Logits whose masses equal those of the label.
    fn own(mean: f32, sd: f32) -> Vec<f32> {
        let cdf = |z: f32| cdf((z - mean) / sd);
        (0..16)
            .map(|k| (cdf(BINS.edge(k + 1)) - cdf(BINS.edge(k))).max(1e-20).ln())
            .collect()
    }

    #[test]
    fn a_target_between_two_bins_is_worked_by_hand() {
        // Two bins meeting at the target: half a mass each, against masses 3/4 and 1/4.
        let bins = Bins {
            low: -1.0,
            width: 1.0,
            count: 2,
        };
        let mut grad = [0.0; 2];
        let found = row(bins, &[3f32.ln(), 0.0], Label::hard(0.0), 5.0, &mut grad);
        let expected = 0.5 * (0.5f32 / 0.75).ln() + 0.5 * (0.5f32 / 0.25).ln();
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        assert!(
            (grad[0] - 0.25).abs() < 1e-6 && (grad[1] + 0.25).abs() < 1e-6,
            "{grad:?}"
        );
    }

    #[test]
    fn kl_is_zero_at_equality_and_positive_elsewhere() {
        assert!(value(&own(0.3, 0.6), 0.3, 0.6, 1.0).abs() < 1e-5);
        for (mean, sd) in [(0.5, 0.6), (0.3, 0.8), (0.3, 0.45), (-1.0, 2.0)] {
            assert!(value(&own(mean, sd), 0.3, 0.6, 1.0) > 1e-4);
        }
    }

    #[test]
    fn masses_sum_to_one_and_large_temperatures_level_them() {
        let mut masses = [0.0; 16];
        masses_of(&own(0.3, 0.6), 1.0, &mut masses);
        assert!((masses.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        masses_of(&own(0.3, 0.6), 1e6, &mut masses);
        assert!(masses.iter().all(|mass| (mass - 1.0 / 16.0).abs() < 1e-4));
    }

    #[test]
    fn labels_outside_the_bins_pull_to_the_nearest() {
        let mut grad = [0.0; 16];
        assert!(row(BINS, &[0.0; 16], Label::hard(50.0), 1.0, &mut grad).is_finite());
        assert!(grad[15] < 0.0 && grad[..15].iter().all(|&g| g > 0.0));
        row(
            BINS,
            &[0.0; 16],
            Label {
                mean: -50.0,
                sd: 0.1,
            },
            2.0,
            &mut grad,
        );
        assert!(grad[0] < 0.0);
    }
}
