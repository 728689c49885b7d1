//! Weighted metrics in f64, in the target's own unit.
//!
//! Symbols: predictions `p`, targets `y`, weights `w`; sums are over rows. All slices should have the same length; rows beyond the
//! shortest slice are ignored. Without rows, or if the weights sum to zero, a metric is NaN.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Metrics of predictions: RMSE, MAE and R².
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination; `None` for a constant target.
    pub r2: Option<f64>,
}

/// Computes RMSE, MAE and R² of predictions.
#[must_use]
pub fn scores(pred: &[f64], target: &[f64], weight: &[f64]) -> Scores {
    Scores {
        rmse: rmse(pred, target, weight),
        mae: mae(pred, target, weight),
        r2: r2(pred, target, weight),
    }
}

/// Root mean squared error: `√(Σ w (p − y)² / Σ w)`.
///
/// ```
/// use limbeck_data::metrics::rmse;
/// assert_eq!(rmse(&[1.0, 5.0], &[4.0, 5.0], &[1.0, 2.0]), 3.0_f64.sqrt());
/// ```
#[must_use]
pub fn rmse(pred: &[f64], target: &[f64], weight: &[f64]) -> f64 {
    mean(errors(pred, target).map(|error| error * error), weight).sqrt()
}

/// Mean absolute error: `Σ w |p − y| / Σ w`.
#[must_use]
pub fn mae(pred: &[f64], target: &[f64], weight: &[f64]) -> f64 {
    mean(errors(pred, target).map(f64::abs), weight)
}

/// Coefficient of determination: `1 − Σ w (p − y)² / Σ w (y − ȳ)²` with `ȳ = Σ w y / Σ w`; `None` if the target is constant.
#[must_use]
pub fn r2(pred: &[f64], target: &[f64], weight: &[f64]) -> Option<f64> {
    let variance = variance(target, weight);
    let error = mean(errors(pred, target).map(|error| error * error), weight);
    (variance > 0.0).then(|| 1.0 - error / variance)
}

/// How errors of predictions are measured. Pinball loss is a mean over rows. RMSE is the square root of such a mean, so it is in the target's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Measure {
    /// Root mean squared error, `√(Σ w (p − y)² / Σ w)`; smallest if predictions are conditional means.
    #[default]
    Rmse,
    /// Pinball loss, `Σ w max(q (y − p), (q − 1)(y − p)) / Σ w`; smallest if predictions are conditional `q`-quantiles (Koenker & Bassett 1978).
    Pinball {
        /// The level `q` of the quantile, in (0, 1).
        quantile: f64,
    },
}

impl Measure {
    /// Name of the measure, for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rmse => "RMSE",
            Self::Pinball { .. } => "pinball loss",
        }
    }

    /// The error of one row, whose mean over rows is taken: the squared error or the pinball loss.
    #[must_use]
    pub fn row(self, pred: f64, target: f64) -> f64 {
        match self {
            Self::Rmse => (pred - target).powi(2),
            Self::Pinball { quantile } => {
                (quantile * (target - pred)).max((quantile - 1.0) * (target - pred))
            }
        }
    }

    /// Converts the mean of [`row`](Self::row) over rows to the measure. For RMSE, this is the square root; for pinball loss, nothing changes.
    #[must_use]
    pub fn of_mean(self, mean: f64) -> f64 {
        match self {
            Self::Rmse => mean.sqrt(),
            Self::Pinball { .. } => mean,
        }
    }

    /// The squared error or pinball loss of each row; input for [`bootstrap`](crate::bootstrap) and [`crossed`](crate::crossed).
    #[must_use]
    pub fn rows(self, pred: &[f64], target: &[f64]) -> Vec<f64> {
        pred.iter()
            .zip(target)
            .map(|(&p, &y)| self.row(p, y))
            .collect()
    }

    /// The measure over all rows, weighted by `weight`.
    #[must_use]
    pub fn score(self, pred: &[f64], target: &[f64], weight: &[f64]) -> f64 {
        self.of_mean(mean(self.rows(pred, target).into_iter(), weight))
    }
}

/// Share of targets at or below their predictions, `Σ w 1[y ≤ p] / Σ w`. If predictions are the true conditional `q`-quantiles, it is about `q`.
#[must_use]
pub fn covered(pred: &[f64], target: &[f64], weight: &[f64]) -> f64 {
    mean(
        pred.iter()
            .zip(target)
            .map(|(p, y)| f64::from(u8::from(y <= p))),
        weight,
    )
}

/// Smallest and largest value; `(∞, −∞)` without values. NaN is skipped.
///
/// ```
/// assert_eq!(limbeck_data::metrics::range(&[2.0, f64::NAN, -1.0]), (-1.0, 2.0));
/// ```
#[must_use]
pub fn range(values: &[f64]) -> (f64, f64) {
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    values.iter().fold(none, |(low, high), &value| {
        (low.min(value), high.max(value))
    })
}

/// Weighted mean: `Σ w v / Σ w`.
#[must_use]
pub fn weighted_mean(values: &[f64], weight: &[f64]) -> f64 {
    mean(values.iter().copied(), weight)
}

/// Weighted mean of values and its standard error; values of the same block are treated as dependent.
///
/// # Formula
///
/// ```text
/// m = Σ w v / Σ w        se² = B / (B − 1) · Σ_b (Σ_{i∈b} w_i (v_i − m))² / (Σ w)²
/// ```
///
/// `B` is the number of blocks `b`. Without `blocks`, each value is its own block. With a single block, the standard error is infinite.
#[must_use]
pub fn mean_and_standard_error(
    values: &[f64],
    weight: &[f64],
    blocks: Option<&[u32]>,
) -> (f64, f64) {
    let mean = weighted_mean(values, weight);
    let total: f64 = weight.iter().sum();
    let parts = values
        .iter()
        .zip(weight)
        .map(|(value, weight)| weight * (value - mean));
    let sums: Vec<f64> = match blocks {
        None => parts.collect(),
        Some(blocks) => {
            let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
            parts
                .zip(blocks)
                .for_each(|(part, block)| *sums.entry(*block).or_default() += part);
            sums.into_values().collect()
        }
    };
    let count = sums.len() as f64;
    let error_sq = if sums.len() > 1 {
        count / (count - 1.0) * sums.iter().map(|sum| sum * sum).sum::<f64>()
    } else {
        f64::INFINITY
    };
    (mean, error_sq.sqrt() / total)
}

/// Weighted variance: `Σ w (v − v̄)² / Σ w`; exactly zero if all values are equal.
#[must_use]
pub fn variance(values: &[f64], weight: &[f64]) -> f64 {
    if values.windows(2).all(|pair| same(pair[0], pair[1])) && !values.is_empty() {
        return 0.0;
    }
    let center = weighted_mean(values, weight);
    mean(values.iter().map(|value| (value - center).powi(2)), weight)
}

/// Pearson's correlation; `None` if `x` or `y` is constant.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len()) as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx.sqrt() * yy.sqrt()))
}

/// Rank of each value in ascending order, from 0; equal values get their mean rank.
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for run in order.chunk_by(|a, b| same(values[*a], values[*b])) {
        let mean = first as f64 + (run.len() - 1) as f64 / 2.0;
        run.iter().for_each(|row| ranks[*row] = mean);
        first += run.len();
    }
    ranks
}

/// The `p`-quantile of ascending values by linear interpolation (Hyndman and Fan's type 7, as NumPy's default).
///
/// Returns NaN if there are no values.
#[must_use]
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = p.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let share = position - below as f64;
    // Not `low + (high − low)·share`, because the difference can overflow.
    if same(low, high) {
        low
    } else {
        low * (1.0 - share) + high * share
    }
}

/// True if two numbers are exactly equal; 0 equals −0, and NaN equals nothing.
#[expect(clippy::float_cmp, reason = "the function tests exact equality")]
pub(crate) fn same(a: f64, b: f64) -> bool {
    a == b
}

fn errors(pred: &[f64], target: &[f64]) -> impl Iterator<Item = f64> {
    pred.iter().zip(target).map(|(pred, target)| pred - target)
}

fn mean(values: impl Iterator<Item = f64>, weight: &[f64]) -> f64 {
    let (sum, total) = values
        .zip(weight)
        .fold((0.0, 0.0), |(sum, total), (v, w)| (sum + w * v, total + w));
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_error_of_blocks_is_worked_by_hand() {
        // Mean 2, deviations −1, 0, 1: variance 3/2 · 2 / 9.
        let (mean, error) = mean_and_standard_error(&[1.0, 2.0, 3.0], &[1.0; 3], None);
        assert!((mean - 2.0).abs() < 1e-15 && (error - (1.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        // Blocks {1, 2} and {3}: deviations −1 and 1, variance 2/1 · 2 / 9.
        let (_, error) = mean_and_standard_error(&[1.0, 2.0, 3.0], &[1.0; 3], Some(&[0, 0, 1]));
        assert!((error - 2.0 / 3.0).abs() < 1e-15);
        // Weight 3 and 1: mean (3·1 + 5) / 4 = 2; sums 3·(−1) and 3; variance 2 · 18 / 16.
        assert_eq!(
            mean_and_standard_error(&[1.0, 5.0], &[3.0, 1.0], None),
            (2.0, 1.5)
        );
        assert_eq!(
            mean_and_standard_error(&[1.0, 5.0], &[1.0, 1.0], Some(&[4, 4])),
            (3.0, f64::INFINITY)
        );
    }

    #[test]
    fn scores_agree_with_hand_calculation() {
        // Errors −1, 0, 2 with weights 2, 1, 1: Σwe² = 6, Σw|e| = 4, Σw = 4.
        // ȳ = (2·1 + 2 + 5)/4 = 2.25; Σw(y − ȳ)² = 2·1.5625 + 0.0625 + 7.5625 = 10.75.
        let found = scores(&[0.0, 2.0, 7.0], &[1.0, 2.0, 5.0], &[2.0, 1.0, 1.0]);
        assert!((found.rmse - 1.5_f64.sqrt()).abs() < 1e-15);
        assert!((found.mae - 1.0).abs() < 1e-15);
        assert!((found.r2.unwrap() - (1.0 - 6.0 / 10.75)).abs() < 1e-15);
    }

    #[test]
    fn pinball_loss_is_worked_by_hand() {
        let measure = Measure::Pinball { quantile: 0.9 };
        // First prediction 2 too low: 0.9 · 2. Second 1 too high: 0.1 · 1. Weights 1 and 3.
        let found = measure.score(&[1.0, 4.0], &[3.0, 3.0], &[1.0, 3.0]);
        assert!((found - (1.8 + 0.3) / 4.0).abs() < 1e-15, "{found}");
        assert_eq!(
            covered(&[1.0, 4.0, 3.0], &[3.0, 3.0, 3.0], &[1.0, 2.0, 1.0]),
            0.75
        );
    }

    #[test]
    fn rmse_as_a_measure_is_the_rmse() {
        let (pred, target, weight) = ([0.0, 2.0, 7.0], [1.0, 2.0, 5.0], [2.0, 1.0, 1.0]);
        assert_eq!(
            Measure::Rmse.score(&pred, &target, &weight),
            rmse(&pred, &target, &weight)
        );
    }

    #[test]
    fn r2_of_a_constant_target_is_none() {
        assert_eq!(r2(&[1.0, 2.0], &[0.1, 0.1], &[1.0, 1.0]), None);
        assert_eq!(r2(&[1.0], &[2.0], &[1.0]), None);
    }

    #[test]
    fn metrics_without_rows_are_nan() {
        assert!(
            rmse(&[], &[], &[]).is_nan()
                && mae(&[1.0], &[1.0], &[0.0]).is_nan()
                && quantile(&[], 0.5).is_nan()
        );
    }

    #[test]
    fn ranks_share_ties() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    }

    #[test]
    fn quantile_agrees_with_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, .5, .9, 1]) = 1, 3, 6.8, 8
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert!((quantile(&values, 0.9) - 6.8).abs() < 1e-12);
        assert_eq!(quantile(&values, 1.0), 8.0);
    }

    #[test]
    fn pearson_agrees_with_hand_calculation() {
        // x − x̄ = −1, 0, 1; y − ȳ = −1, −1, 2: xy = 3, xx = 2, yy = 6.
        assert!(
            (pearson(&[0.0, 1.0, 2.0], &[0.0, 0.0, 3.0]).unwrap() - 3.0 / 12.0_f64.sqrt()).abs()
                < 1e-15
        );
        assert_eq!(pearson(&[1.0, 1.0], &[0.0, 2.0]), None);
    }
}
