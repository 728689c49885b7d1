//! Heads: what a network predicts for a target. It may be a number, a Gaussian, or the probability masses of bins.

use limbeck_runtime::Op;
use serde::{Deserialize, Serialize};

limbeck_options::words! {
    /// Value of the option `objective.head`: what the network predicts during training. The student's file returns the mean of a predicted
    /// distribution.
    pub enum HeadKind {
        /// One number.
        #[default]
        Point = "point",
        /// Mean and variance: learns from targets by likelihood, from the teacher by KL divergence.
        ///
        /// Compared with `point` on the data sets of `docs/ablation.md`: significantly better on one data set (at some temperatures), significantly worse on
        /// three.
        Gaussian = "gaussian",
        /// Masses of bins: learns from targets by cross-entropy, from the teacher by KL divergence.
        ///
        /// Never better than `point` on the data sets of `docs/ablation.md`: bins use up much of a small student's parameter budget.
        Binned = "binned",
    }
}

/// Head: how the outputs of a network are read as the prediction for a target, in standardized target units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// One output: the predicted number.
    #[default]
    Point,
    /// Two outputs: mean and log-variance. A student's file keeps only the mean.
    Gaussian,
    /// One output `z_k` per bin: the logarithm of the bin's probability mass, up to a constant:
    ///
    /// ```text
    /// p_k = exp(z_k) / Σ_j exp(z_j)        prediction = Σ_k p_k · center_k
    /// ```
    ///
    /// Source: Imani & White, *Improving Regression Performance with Distributional Losses*, ICML 2018.
    Binned(Bins),
}

/// Adjacent bins of equal width, in standardized target units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bins {
    /// Lower edge of the first bin.
    pub low: f32,
    /// Width of each bin.
    pub width: f32,
    /// Number of bins.
    pub count: usize,
}

impl Bins {
    /// Makes `count` bins. Of these, `padding` bins lie below `least` and `padding` bins above `most`; the others cover `[least, most]`.
    ///
    /// The probability mass of a label spreads over neighboring bins. So a label near an end of the range needs bins outside the range.
    #[must_use]
    pub fn over(least: f32, most: f32, count: usize, padding: f32) -> Self {
        let range = if most > least { most - least } else { 1.0 };
        let width = range / (count as f32 - 2.0 * padding);
        Self {
            low: least - padding * width,
            width,
            count,
        }
    }

    /// Middle of bin `k`, counted from 0.
    #[must_use]
    pub fn center(&self, k: usize) -> f32 {
        self.low + (k as f32 + 0.5) * self.width
    }

    /// Lower edge of bin `k`; for `k = count`, the upper edge of the last bin.
    #[must_use]
    pub fn edge(&self, k: usize) -> f32 {
        self.low + k as f32 * self.width
    }
}

/// Maximum absolute value of a predicted log-variance; larger values are clamped. With standardized targets, larger values occur only by numerical
/// overflow.
pub const LOG_VARIANCE_LIMIT: f32 = 12.0;

/// Number of bins below the smallest target; as many lie above the largest one. The probability mass of a label spreads over about this many bins.
const PADDING: f32 = 3.0;

impl Head {
    /// Makes a head of the kind `kind` for standardized targets from `least` to `most`. `bins` is the number of bins of a binned head; other heads
    /// ignore it.
    #[must_use]
    pub fn over(kind: HeadKind, least: f32, most: f32, bins: usize) -> Self {
        match kind {
            HeadKind::Point => Self::Point,
            HeadKind::Gaussian => Self::Gaussian,
            HeadKind::Binned => Self::Binned(Bins::over(least, most, bins, PADDING)),
        }
    }

    /// Number of outputs that a network with this head has.
    #[must_use]
    pub fn outputs(self) -> usize {
        match self {
            Self::Point => 1,
            Self::Gaussian => 2,
            Self::Binned(bins) => bins.count,
        }
    }

    /// The predicted number (for a distribution, its mean), computed from the outputs of one row.
    ///
    /// # Panics
    ///
    /// Panics if `outputs` has fewer values than [`outputs`](Self::outputs).
    #[must_use]
    pub fn predict(self, outputs: &[f32]) -> f32 {
        match self {
            Self::Point | Self::Gaussian => outputs[0],
            Self::Binned(bins) => {
                let highest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let (mut sum, mut total) = (0.0, 0.0);
                for (k, z) in outputs.iter().enumerate() {
                    let mass = (z - highest).exp();
                    sum += mass * bins.center(k);
                    total += mass;
                }
                sum / total
            }
        }
    }

    /// The mean and the variance of the predicted distribution, in standardized target units. The variance of a point prediction is 0.
    ///
    /// ```text
    /// Gaussian m, v:  m, e^v, v clamped to ±12        bins z:  Σ p c, Σ p c² − (Σ p c)²
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `outputs` has fewer values than [`outputs`](Self::outputs).
    #[must_use]
    pub fn moments(self, outputs: &[f32]) -> (f64, f64) {
        let mean = f64::from(self.predict(outputs));
        let variance = match self {
            Self::Point => 0.0,
            Self::Gaussian => {
                f64::from(outputs[1].clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)).exp()
            }
            Self::Binned(bins) => {
                let highest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let (mut sum, mut total) = (0.0, 0.0);
                for (k, z) in outputs.iter().enumerate() {
                    let mass = f64::from(z - highest).exp();
                    sum += mass * (f64::from(bins.center(k)) - mean).powi(2);
                    total += mass;
                }
                sum / total
            }
        };
        (mean, variance)
    }

    /// Number of fitted values between the last hidden layer, which has `width` units, and the prediction. Only values that a prediction uses count.
    #[must_use]
    pub fn parameters(self, width: usize) -> usize {
        match self {
            Self::Point | Self::Gaussian => width + 1,
            // The layer of the bins, then their centers and a zero.
            Self::Binned(bins) => (width + 1) * bins.count + bins.count + 1,
        }
    }

    /// The graph operations that lead from the last hidden layer to the prediction. `weight` `[width, outputs]` and `bias` `[outputs]` are those of
    /// the last layer.
    #[must_use]
    pub fn lower(self, weight: &[f32], bias: &[f32]) -> Vec<Op> {
        let outputs = bias.len();
        let rows = weight.len() / outputs;
        match self {
            Self::Point => vec![Op::Linear {
                rows,
                cols: outputs,
                weight: weight.to_vec(),
                bias: bias.to_vec(),
            }],
            Self::Gaussian => {
                let weight = weight.iter().step_by(outputs).copied().collect();
                vec![Op::Linear {
                    rows,
                    cols: 1,
                    weight,
                    bias: vec![bias[0]],
                }]
            }
            Self::Binned(bins) => {
                let centers = (0..bins.count).map(|k| bins.center(k)).collect();
                vec![
                    Op::Linear {
                        rows,
                        cols: outputs,
                        weight: weight.to_vec(),
                        bias: bias.to_vec(),
                    },
                    Op::Softmax,
                    Op::Linear {
                        rows: outputs,
                        cols: 1,
                        weight: centers,
                        bias: vec![0.0],
                    },
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: Bins = Bins {
        low: -2.0,
        width: 1.0,
        count: 4,
    };

    #[test]
    fn bins_leave_room_on_both_sides() {
        // Ten bins, two outside on either side: six over the range.
        let bins = Bins::over(0.0, 3.0, 10, 2.0);
        assert_eq!((bins.low, bins.width, bins.edge(10)), (-1.0, 0.5, 4.0));
        assert_eq!(bins.center(2), 0.25);
        assert!(Bins::over(1.0, 1.0, 10, 2.0).width > 0.0);
    }

    #[test]
    fn predictions_are_worked_by_hand() {
        assert_eq!(Head::Point.predict(&[3.0]), 3.0);
        assert_eq!(Head::Gaussian.predict(&[3.0, -1.0]), 3.0);
        // Masses 0, 0, 1/4, 3/4 at 0.5 and 1.5.
        let found = Head::Binned(BINS).predict(&[-200.0, -200.0, 0.0, 3f32.ln()]);
        assert!((found - 1.25).abs() < 1e-6, "{found}");
        assert!(Head::Binned(BINS).predict(&[f32::NAN; 4]).is_nan());
    }

    #[test]
    fn moments_are_worked_by_hand() {
        assert_eq!(Head::Point.moments(&[3.0]), (3.0, 0.0));
        assert_eq!(Head::Gaussian.moments(&[3.0, 0.0]), (3.0, 1.0));
        assert_eq!(Head::Gaussian.moments(&[3.0, -40.0]).1, (-12f64).exp());
        // Masses 1/4, 3/4 at 0.5 and 1.5: variance 3/16.
        let (mean, variance) = Head::Binned(BINS).moments(&[-200.0, -200.0, 0.0, 3f32.ln()]);
        assert!(
            (mean - 1.25).abs() < 1e-6 && (variance - 3.0 / 16.0).abs() < 1e-6,
            "{mean} {variance}"
        );
    }
}
