//! What a network says of a target: a number, a Gaussian, or the masses of bins.

use limbeck_runtime::Op;

/// How outputs are read as a prediction, in standardized target units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Head {
    /// One output: the number.
    #[default]
    Point,
    /// Two outputs: mean and log-variance. A student's file keeps the mean.
    Gaussian,
    /// One output per bin, the logarithm of its mass up to a constant:
    ///
    /// ```text
    /// p_k = exp(z_k) / Σ_j exp(z_j)        prediction = Σ_k p_k · center_k
    /// ```
    ///
    /// Source: Imani & White, *Improving Regression Performance with Distributional Losses*, ICML 2018.
    Binned(Bins),
}

/// Equal bins side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    /// Where the first begins.
    pub low: f32,
    /// How wide each is.
    pub width: f32,
    /// How many.
    pub count: usize,
}

impl Bins {
    /// `count` bins over `[least, most]`, with as many of them outside on either side as `padding` says.
    ///
    /// A label is smeared over its neighbors, so those near the ends need room.
    #[must_use]
    pub fn over(least: f32, most: f32, count: usize, padding: f32) -> Self {
        let range = if most > least { most - least } else { 1.0 };
        let width = range / (count as f32 - 2.0 * padding);
        Self { low: least - padding * width, width, count }
    }

    /// Middle of bin `k`.
    #[must_use]
    pub fn center(&self, k: usize) -> f32 {
        self.low + (k as f32 + 0.5) * self.width
    }

    /// Where bin `k` begins; `k = count` is where the last one ends.
    #[must_use]
    pub fn edge(&self, k: usize) -> f32 {
        self.low + k as f32 * self.width
    }
}

impl Head {
    /// Outputs that the network needs.
    #[must_use]
    pub fn outputs(self) -> usize {
        match self {
            Self::Point => 1,
            Self::Gaussian => 2,
            Self::Binned(bins) => bins.count,
        }
    }

    /// The prediction, from the outputs of one row.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer than [`outputs`](Self::outputs).
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

    /// Fitted numbers that prediction reads beyond a last hidden layer of this width.
    #[must_use]
    pub fn parameters(self, width: usize) -> usize {
        match self {
            Self::Point | Self::Gaussian => width + 1,
            // The layer of the bins, then their centers and a zero.
            Self::Binned(bins) => (width + 1) * bins.count + bins.count + 1,
        }
    }

    /// The operations from the last hidden layer to the prediction. `weight` is `[width, outputs]`, `bias` `[outputs]`.
    #[must_use]
    pub fn lower(self, weight: &[f32], bias: &[f32]) -> Vec<Op> {
        let outputs = bias.len();
        let rows = weight.len() / outputs;
        match self {
            Self::Point => vec![Op::Linear { rows, cols: outputs, weight: weight.to_vec(), bias: bias.to_vec() }],
            Self::Gaussian => {
                let weight = weight.iter().step_by(outputs).copied().collect();
                vec![Op::Linear { rows, cols: 1, weight, bias: vec![bias[0]] }]
            }
            Self::Binned(bins) => {
                let centers = (0..bins.count).map(|k| bins.center(k)).collect();
                vec![
                    Op::Linear { rows, cols: outputs, weight: weight.to_vec(), bias: bias.to_vec() },
                    Op::Softmax,
                    Op::Linear { rows: outputs, cols: 1, weight: centers, bias: vec![0.0] },
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: Bins = Bins { low: -2.0, width: 1.0, count: 4 };

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
}
