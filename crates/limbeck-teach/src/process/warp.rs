//! Warps: transformations of a target that make its distribution more Gaussian.

use serde::{Deserialize, Serialize};

/// Standardizes a target. If all targets are positive, a power transform can come first.
///
/// # Formula
///
/// ```text
/// z = (g(y) − center) / scale,    g(y) = y, √y or ln y
/// ```
///
/// # Source
///
/// Box & Cox, *An Analysis of Transformations*, JRSS B 26(2), 1964; in a Gaussian process Snelson, Rasmussen & Ghahramani, NIPS 2003.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Warp {
    power: Power,
    center: f64,
    scale: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Power {
    One,
    Half,
    Log,
}

impl Power {
    fn apply(self, y: f64) -> f64 {
        match self {
            Self::One => y,
            Self::Half => y.max(0.0).sqrt(),
            // The power was chosen on other rows, so targets here may not be positive.
            Self::Log => y.max(f64::MIN_POSITIVE).ln(),
        }
    }

    fn back(self, g: f64) -> f64 {
        match self {
            Self::One => g,
            Self::Half => g.max(0.0).powi(2),
            Self::Log => g.exp(),
        }
    }

    /// The logarithm of the transform's derivative, `ln g′(y)`.
    fn log_slope(self, y: f64) -> f64 {
        match self {
            Self::One => 0.0,
            Self::Half => -(2.0 * y.sqrt()).ln(),
            Self::Log => -y.ln(),
        }
    }
}

impl Warp {
    /// The warps to compare for a target: with `y`, and with `√y` and `ln y` if all targets are positive.
    pub(super) fn candidates(target: &[f64]) -> Vec<Self> {
        let positive = target.iter().all(|&y| y > 0.0);
        let powers: &[Power] = if positive {
            &[Power::One, Power::Half, Power::Log]
        } else {
            &[Power::One]
        };
        powers
            .iter()
            .map(|&power| Self::fit(power, target))
            .collect()
    }

    fn fit(power: Power, target: &[f64]) -> Self {
        let n = target.len().max(1) as f64;
        let center = target.iter().map(|&y| power.apply(y) / n).sum::<f64>();
        let variance = target
            .iter()
            .map(|&y| (power.apply(y) - center).powi(2) / n)
            .sum::<f64>();
        let scale = variance.sqrt();
        Self {
            power,
            center,
            scale: if scale > 0.0 && scale.is_finite() {
                scale
            } else {
                1.0
            },
        }
    }

    pub(super) fn apply(&self, target: &[f64]) -> Vec<f64> {
        target
            .iter()
            .map(|&y| (self.power.apply(y) - self.center) / self.scale)
            .collect()
    }

    /// The sum `Σ ln dz/dy` over the targets. Added to the log density of `z`, it gives the log density of `y`.
    pub(super) fn log_slope(&self, target: &[f64]) -> f64 {
        target
            .iter()
            .map(|&y| self.power.log_slope(y) - self.scale.ln())
            .sum()
    }

    /// The mean of `y` if the warped target is normal with mean `z` and standard deviation `deviation`, by the three-point Gauss–Hermite rule, which
    /// is exact for polynomials up to the fifth degree.
    pub(super) fn mean(&self, z: f64, deviation: f64) -> f64 {
        let back = |z: f64| self.power.back(self.center + self.scale * z);
        let step = 3f64.sqrt() * deviation;
        (4.0 * back(z) + back(z - step) + back(z + step)) / 6.0
    }

    pub(super) fn is_sound(&self) -> bool {
        self.center.is_finite() && self.scale.is_finite() && self.scale > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_worked_by_hand() {
        let warp = |power| Warp {
            power,
            center: 2.0,
            scale: 0.5,
        };
        assert_eq!(warp(Power::One).mean(1.0, 0.3), 2.5);
        // E (2 + z/2)² for z ~ N(1, 0.6²): 2.5² + 0.3².
        assert!((warp(Power::Half).mean(1.0, 0.6) - 6.34).abs() < 1e-12);
        // E exp(2 + z/2) = exp(2.5 + 0.1²/2).
        assert!((warp(Power::Log).mean(1.0, 0.2) - (2.5f64 + 0.005).exp()).abs() < 1e-4);
    }

    #[test]
    fn slope_is_that_of_differences() {
        let target = [0.5, 2.0, 7.0];
        for warp in Warp::candidates(&target) {
            let step = 1e-6;
            let up: Vec<f64> = target.iter().map(|y| y + step).collect();
            let slopes = warp
                .apply(&up)
                .iter()
                .zip(warp.apply(&target))
                .map(|(up, at)| ((up - at) / step).ln())
                .sum::<f64>();
            assert!((slopes - warp.log_slope(&target)).abs() < 1e-5, "{warp:?}");
        }
        assert_eq!(Warp::candidates(&[1.0, -1.0]).len(), 1);
    }
}
