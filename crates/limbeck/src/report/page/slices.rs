//! Slices of the test rows by the values of one column, to find where errors are large.

use limbeck_data::metrics::{self, Measure};
use limbeck_data::{FeatureValues, Features, MISSING};
use serde::Serialize;

/// Number of quantile bins of a number column.
const BINS: usize = 8;
/// Minimum size of a slice: `LEAST.0` rows, and the number of test rows divided by `LEAST.1`. The larger of the two applies.
const LEAST: (usize, usize) = (20, 100);

/// Rows with the same value, or with values in the same bin, of one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Slice {
    /// The column.
    pub(crate) column: String,
    /// The column's values in these rows, as text.
    pub(crate) values: String,
    /// Indices of these rows among the test rows.
    #[serde(skip)]
    pub(crate) rows: Vec<usize>,
}

/// A slice with its error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Ranked {
    /// The slice.
    #[serde(flatten)]
    pub(crate) slice: Slice,
    /// Number of rows of the slice.
    pub(crate) count: usize,
    /// Error on the rows of the slice, in the target's unit.
    pub(crate) error: f64,
    /// Error on the rows of the slice, divided by the error on all rows.
    pub(crate) times: f64,
    /// Significance of a large error: the mean contribution of the slice's rows to the error, minus the mean contribution of all rows, divided by the
    /// standard error of the slice's mean.
    pub(crate) score: f64,
}

/// The slices of each column: one per category or quantile bin, and one for missing values. Slices that are too small are left out.
pub(crate) fn slices(features: &Features) -> Vec<Slice> {
    let least = LEAST.0.max(features.rows / LEAST.1);
    let mut all = Vec::new();
    for column in &features.columns {
        let mut add = |values: String, rows: Vec<usize>| {
            if rows.len() >= least && rows.len() < features.rows {
                all.push(Slice {
                    column: column.name.clone(),
                    values,
                    rows,
                });
            }
        };
        match &column.values {
            FeatureValues::Number(values) => {
                add(
                    "missing".into(),
                    (0..features.rows)
                        .filter(|&row| values[row].is_nan())
                        .collect(),
                );
                for (low, high, rows) in bins(values) {
                    let text = if low.total_cmp(&high).is_eq() {
                        short(low)
                    } else {
                        format!("{} to {}", short(low), short(high))
                    };
                    add(text, rows);
                }
            }
            FeatureValues::Category { codes, levels } => {
                add(
                    "missing".into(),
                    (0..features.rows)
                        .filter(|&row| codes[row] == MISSING)
                        .collect(),
                );
                for (code, level) in levels.iter().enumerate() {
                    add(
                        level.clone(),
                        (0..features.rows)
                            .filter(|&row| codes[row] as usize == code)
                            .collect(),
                    );
                }
            }
        }
    }
    all
}

/// Bins with about equal numbers of rows: smallest value, largest value and rows of each. Equal values are in one bin; missing values are left out.
fn bins(values: &[f64]) -> Vec<(f64, f64, Vec<usize>)> {
    let mut order: Vec<usize> = (0..values.len())
        .filter(|&row| !values[row].is_nan())
        .collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let size = order.len().div_ceil(BINS).max(1);
    let mut bins: Vec<(f64, f64, Vec<usize>)> = Vec::new();
    for row in order {
        let x = values[row];
        match bins.last_mut() {
            Some((_, high, rows)) if rows.len() < size || high.total_cmp(&x).is_eq() => {
                *high = x;
                rows.push(row);
            }
            _ => bins.push((x, x, vec![row])),
        }
    }
    bins
}

/// The slices whose errors are larger than the error on all rows, the most significant first. `parts` holds the contribution of each row to the error
/// ([`Measure::rows`]).
pub(crate) fn rank(
    slices: &[Slice],
    measure: Measure,
    parts: &[f64],
    weight: &[f64],
) -> Vec<Ranked> {
    let all = metrics::weighted_mean(parts, weight);
    let ranked = |slice: &Slice| {
        let (count, here) = (
            slice.rows.len(),
            mean(&slice.rows, weight, |row| parts[row]),
        );
        // Variance of a weighted mean. The factor n / (n − 1) is there because the mean is estimated from the same rows.
        let apart: f64 = slice
            .rows
            .iter()
            .map(|&row| (weight[row] * (parts[row] - here)).powi(2))
            .sum();
        let sum: f64 = slice.rows.iter().map(|&row| weight[row]).sum();
        let variance = apart / (sum * sum) * count as f64 / (count as f64 - 1.0).max(1.0);
        let score = (here - all) / variance.sqrt().max(f64::MIN_POSITIVE);
        Ranked {
            slice: slice.clone(),
            count,
            error: measure.of_mean(here),
            times: measure.of_mean(here / all),
            score,
        }
    };
    let mut found: Vec<Ranked> = slices
        .iter()
        .map(ranked)
        .filter(|slice| slice.score > 0.0 && slice.times.is_finite())
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

/// The weighted mean of a value over rows; NaN if all of their weights are 0.
pub(crate) fn mean(rows: &[usize], weight: &[f64], value: impl Fn(usize) -> f64) -> f64 {
    let (sum, weights) = rows.iter().fold((0.0, 0.0), |(sum, weights), &row| {
        (sum + weight[row] * value(row), weights + weight[row])
    });
    sum / weights
}

/// A number with four significant digits, as tables show it.
fn short(value: f64) -> String {
    limbeck_distill::proof::short(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::Feature;
    use std::sync::Arc;

    fn features() -> Features {
        let number = (0..160)
            .map(|row| {
                if row < 40 {
                    f64::NAN
                } else {
                    f64::from(row / 40)
                }
            })
            .collect();
        let levels = Arc::new(vec!["a".to_owned(), "b".to_owned()]);
        let codes = (0..160)
            .map(|row| {
                if row == 0 {
                    MISSING
                } else {
                    u32::from(row % 4 == 1)
                }
            })
            .collect();
        let feature = |name: &str, values| Feature {
            name: name.into(),
            values,
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            columns: vec![
                feature("x", FeatureValues::Number(number)),
                feature("c", FeatureValues::Category { codes, levels }),
            ],
            rows: 160,
            past: None,
        }
    }

    #[test]
    fn slices_are_levels_and_runs_of_values() {
        let found: Vec<(String, String, usize)> = slices(&features())
            .into_iter()
            .map(|s| (s.column, s.values, s.rows.len()))
            .collect();
        let of = |column: &str, values: &str, rows| (column.to_owned(), values.to_owned(), rows);
        // The one row with a missing category is too few.
        assert_eq!(
            found,
            [
                of("x", "missing", 40),
                of("x", "1.000", 40),
                of("x", "2.000", 40),
                of("x", "3.000", 40),
                of("c", "a", 119),
                of("c", "b", 40)
            ]
        );
    }

    #[test]
    fn the_surest_slice_comes_first() {
        // Errors of b are 2 ± small, others 1 ± small.
        let error_sq: Vec<f64> = (0..160)
            .map(|row| if row % 4 == 1 { 4.0 } else { 1.0 } + f64::from(row % 3) * 0.01)
            .collect();
        let found = rank(&slices(&features()), Measure::Rmse, &error_sq, &[1.0; 160]);
        assert_eq!(
            (
                found[0].slice.column.as_str(),
                found[0].slice.values.as_str(),
                found[0].count
            ),
            ("c", "b", 40)
        );
        assert!(
            (found[0].error - 2.0).abs() < 0.01
                && (found[0].times - (4.01f64 / 1.76).sqrt()).abs() < 0.01,
            "{:?}",
            found[0].times
        );
        assert!(found.iter().all(|slice| slice.score > 0.0));
    }

    #[test]
    fn rows_count_by_their_weights() {
        assert!((mean(&[0, 1], &[1.0, 3.0], |row| [8.0, 4.0][row]) - 5.0).abs() < 1e-12);
        // The errors of b are large, but its rows have next to no weight: what it is held against falls to that of the others.
        let error_sq: Vec<f64> = (0..160)
            .map(|row| if row % 4 == 1 { 4.0 } else { 1.0 } + f64::from(row % 3) * 0.01)
            .collect();
        let weight: Vec<f64> = (0..160)
            .map(|row| if row % 4 == 1 { 1e-9 } else { 1.0 })
            .collect();
        let found = rank(&slices(&features()), Measure::Rmse, &error_sq, &weight);
        assert!(
            (found[0].times - (4.01f64 / 1.01).sqrt()).abs() < 0.01,
            "{}",
            found[0].times
        );
    }

    #[test]
    fn errors_that_are_all_zero_rank_nothing() {
        assert_eq!(
            rank(
                &slices(&features()),
                Measure::Rmse,
                &[0.0; 160],
                &[1.0; 160]
            ),
            []
        );
    }
}
