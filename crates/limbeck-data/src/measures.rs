//! Measures of forecasts and of remaining life, in f64.
//!
//! Symbols: predictions `p`, targets `y`, weights `w`; sums are over rows, as in [`metrics`](crate::metrics).

use std::collections::BTreeMap;

use crate::metrics::weighted_mean;

/// Mean absolute scaled error: `Σ w |p − y| / s / Σ w`, where the scale `s` of each row is a mean absolute error on training rows ([`mase_scales`]).
///
/// Below 1, the forecast is better than persistence was on training rows.
///
/// # Source
///
/// Hyndman & Koehler, *Another look at measures of forecast accuracy*, International Journal of Forecasting 22, 2006. There the scale is that of forecasts one
/// row ahead; here it is that of forecasts as far ahead as those that are measured.
///
/// ```
/// use limbeck_data::measures::mase;
/// // Errors of 2 and 3, in units of 1 and 2: (2 + 1.5) / 2.
/// assert_eq!(mase(&[3.0, 1.0], &[1.0, 4.0], &[1.0, 1.0], &[1.0, 2.0]), 1.75);
/// ```
#[must_use]
pub fn mase(pred: &[f64], target: &[f64], weight: &[f64], scale: &[f64]) -> f64 {
    let errors = pred.iter().zip(target).zip(scale);
    let scaled: Vec<f64> = errors
        .map(|((p, y), scale)| (p - y).abs() / scale)
        .collect();
    weighted_mean(&scaled, weight)
}

/// Scales of the mean absolute scaled error: the mean absolute error of persistence on training rows, over all of them, and of each series.
///
/// `persistence`, `target`, `weight` and `series` have one value per training row; rows for which persistence is not known (NaN) are left out. A series
/// without error is not listed; the scale of all rows takes its place.
///
/// ```
/// use limbeck_data::measures::mase_scales;
/// let (all, own) = mase_scales(&[1.0, 2.0, 5.0], &[2.0, 2.0, 8.0], &[1.0; 3], &[0, 1, 2]);
/// assert_eq!(all, 4.0 / 3.0);
/// assert_eq!(own.into_iter().collect::<Vec<_>>(), [(0, 1.0), (2, 3.0)]);
/// ```
#[must_use]
pub fn mase_scales(
    persistence: &[f64],
    target: &[f64],
    weight: &[f64],
    series: &[u32],
) -> (f64, BTreeMap<u32, f64>) {
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let rows = persistence.iter().zip(target).zip(weight).zip(series);
    for (((p, y), w), series) in rows.filter(|(((p, _), _), _)| !p.is_nan()) {
        let (sum, weights) = sums.entry(*series).or_default();
        *sum += w * (p - y).abs();
        *weights += w;
    }
    let (sum, weights) = sums
        .values()
        .fold((0.0, 0.0), |all, own| (all.0 + own.0, all.1 + own.1));
    let own = sums
        .into_iter()
        .map(|(series, (sum, weights))| (series, sum / weights));
    (
        sum / weights,
        own.filter(|(_, scale)| *scale > 0.0).collect(),
    )
}

/// For each row, 1 if a forecast has the right direction of change and 0 if it has the wrong one; ½ if it predicts no change; NaN if there was no change.
///
/// `present` is the number from which changes are counted: the present value for forecasts of values, 0 for forecasts of changes.
///
/// ```
/// use limbeck_data::measures::directions;
/// let found = directions(&[3.0, 1.0, 2.0, 9.0], &[4.0, 4.0, 5.0, 2.0], &[2.0; 4]);
/// assert_eq!(found[..3], [1.0, 0.0, 0.5]);
/// assert!(found[3].is_nan());
/// ```
#[must_use]
pub fn directions(pred: &[f64], target: &[f64], present: &[f64]) -> Vec<f64> {
    let rows = pred.iter().zip(target).zip(present);
    rows.map(|((p, y), now)| {
        let product = (p - now) * (y - now);
        match () {
            () if (y - now).abs() <= 0.0 || product.is_nan() => f64::NAN,
            () if product > 0.0 => 1.0,
            () if product < 0.0 => 0.0,
            () => 0.5,
        }
    })
    .collect()
}

/// QLIKE of variance forecasts `f` against variances `v`: `Σ w (v/f − ln(v/f) − 1) / Σ w`; 0 if all forecasts are right.
///
/// It ranks forecasts rightly even if each variance is measured with noise, as a squared return is. Rows with a variance that is not above 0 are left
/// out: their loss is infinite for every forecast. Forecasts must be above 0.
///
/// # Source
///
/// Patton, *Volatility forecast comparison using imperfect volatility proxies*, Journal of Econometrics 160, 2011.
///
/// ```
/// use limbeck_data::measures::qlike;
/// // Twice too large and right: (½ − ln ½ − 1 + 0) / 2.
/// let expected = (0.5 + 2f64.ln() - 1.0) / 2.0;
/// assert!((qlike(&[4.0, 3.0, 1.0], &[2.0, 3.0, 0.0], &[1.0; 3]) - expected).abs() < 1e-12);
/// ```
#[must_use]
pub fn qlike(forecast: &[f64], variance: &[f64], weight: &[f64]) -> f64 {
    let rows = forecast.iter().zip(variance).zip(weight);
    let counted = rows.filter(|((_, v), _)| **v > 0.0);
    let losses = counted.map(|((f, v), w)| {
        let ratio = v / f;
        (ratio - ratio.ln() - 1.0, *w)
    });
    let (losses, weight): (Vec<f64>, Vec<f64>) = losses.unzip();
    weighted_mean(&losses, &weight)
}

/// The score of the PHM 2008 challenge for predictions of a remaining life: `Σ w s(p − y)`, a sum and not a mean.
///
/// ```text
/// s(d) = exp(−d / 13) − 1     if d < 0, an early prediction
///      = exp( d / 10) − 1     otherwise, a late one
/// ```
///
/// # Units
///
/// The constants belong to cycles of engines: a target in another unit gives another score. A single late prediction can decide it.
///
/// # Source
///
/// Saxena, Goebel, Simon & Eklund, *Damage propagation modeling for aircraft engine run-to-failure simulation*, PHM 2008.
///
/// ```
/// use limbeck_data::measures::phm08;
/// // 13 early: e − 1; 10 late: e − 1; right: 0.
/// let found = phm08(&[0.0, 20.0, 5.0], &[13.0, 10.0, 5.0], &[1.0; 3]);
/// assert!((found - 2.0 * (1f64.exp() - 1.0)).abs() < 1e-12);
/// ```
#[must_use]
pub fn phm08(pred: &[f64], target: &[f64], weight: &[f64]) -> f64 {
    let rows = pred.iter().zip(target).zip(weight);
    rows.map(|((p, y), w)| {
        let late = p - y;
        let rate = if late < 0.0 {
            -late / 13.0
        } else {
            late / 10.0
        };
        w * rate.exp_m1()
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phm08_punishes_late_predictions_more() {
        let early = phm08(&[0.0], &[20.0], &[1.0]);
        let late = phm08(&[40.0], &[20.0], &[1.0]);
        // exp(20/13) − 1 = 3.65736 and exp(2) − 1 = 6.38906, by a calculator.
        assert!((early - 3.657_36).abs() < 1e-4, "{early}");
        assert!((late - 6.389_06).abs() < 1e-4, "{late}");
        // It is a sum, and rows count by their weights.
        assert_eq!(phm08(&[40.0, 40.0], &[20.0, 20.0], &[1.0, 2.0]), 3.0 * late);
    }

    #[test]
    fn qlike_is_smallest_at_the_mean_of_the_variances() {
        let (v, weight) = ([0.5, 1.0, 4.5], [1.0; 3]);
        let of = |f: f64| qlike(&[f; 3], &v, &weight);
        assert!(of(2.0) < of(1.9) && of(2.0) < of(2.1));
        // Errors of ratios count: half of the variance costs more than twice of it.
        assert!(of(1.0) > of(4.0));
    }

    #[test]
    fn measures_without_rows_are_nan() {
        assert!(mase(&[], &[], &[], &[]).is_nan());
        assert!(qlike(&[1.0], &[0.0], &[1.0]).is_nan());
        assert!(mase_scales(&[f64::NAN], &[1.0], &[1.0], &[0]).0.is_nan());
    }
}
