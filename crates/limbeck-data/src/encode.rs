//! Fits an encoder on training rows, and computes bin edges for piecewise-linear encoding.
//!
//! # Numbers
//!
//! A missing number is replaced by the column's median. With `indicator`, a column of which some cells are missing in the fitted rows gets a
//! second output, which is 1 if the cell is missing. Then the numbers are scaled: either the mean is subtracted and the result is divided by
//! the standard deviation, or the column's quantiles are mapped to a normal distribution. Mean and standard deviation are those of the
//! numbers that are not missing; a standard deviation of 0 is replaced by 1.
//!
//! # Categories
//!
//! Each category column is one-hot encoded over its levels in the fitted rows. `max_width_for_categories` is a budget for the outputs of all
//! category columns together, except ordinal ones:
//!
//! 1. If all levels fit into the budget, each level has an output. Columns with missing cells get one more output, `other`, for missing and unseen
//!    levels. In the other columns, an unseen level gives only zeros: the weights of an output that is never 1 in training would be random.
//! 2. Otherwise each column gets its most frequent level and `other`. The rest of the budget goes to the most frequent levels of all columns,
//!    one by one. The remaining levels of a column share its `other`.
//! 3. If a column has at least 4 outputs, but its kept levels cover less than half of its rows, these outputs become hash buckets: a hash of the
//!    level chooses the output. Otherwise most of its rows would have the level `other`.
//!
//! In case 2, each column gets its two outputs even if that exceeds the budget.

use std::cmp::Reverse;

use limbeck_runtime::{Encoder, Encoding, InputColumn, Scaling};

use crate::features::{Feature, FeatureValues, Features};
use crate::metrics::{quantile, same};
use crate::table::MISSING;

/// How numbers are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodeScaling {
    /// Subtracts the mean and divides by the standard deviation.
    #[default]
    Standard,
    /// Maps `n` equally spaced quantiles to a normal distribution.
    Quantile {
        /// Number of quantiles, at least 2; each counts as a parameter of the student.
        n: usize,
    },
}

/// Options for fitting an encoder.
///
/// | option | default | purpose |
/// |---|---|---|
/// | `scaling` | standard | how numbers are scaled |
/// | `max_width_for_categories` | 64 | budget: outputs of all category columns together |
/// | `indicator` | true | adds an output that marks missing numbers |
/// | `ordinal` | none | category columns encoded as the index of their level |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// How numbers are scaled.
    pub scaling: EncodeScaling,
    /// Budget: number of outputs of all category columns together, except ordinal ones.
    pub max_width_for_categories: usize,
    /// If true, each number column of which some numbers are missing in the fitted rows gets a second output, which is 1 if the number is missing.
    pub indicator: bool,
    /// Category columns encoded as the index of their level.
    pub ordinal: Vec<String>,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            scaling: EncodeScaling::default(),
            max_width_for_categories: 64,
            indicator: true,
            ordinal: Vec::new(),
        }
    }
}

/// Fits an encoder on the given rows, by the rules in this module's documentation.
#[must_use]
pub fn fit_encoder(features: &Features, rows: &[usize], options: &EncodeOptions) -> Encoder {
    let is_ordinal = |column: &Feature| options.ordinal.contains(&column.name);
    let counts: Vec<Option<LevelCounts>> = features
        .columns
        .iter()
        .map(|column| LevelCounts::new(column, rows).filter(|_| !is_ordinal(column)))
        .collect();
    let mut one_hot = share_budget(&counts, options.max_width_for_categories).into_iter();
    let mut encoding = |column: &Feature| match &column.values {
        FeatureValues::Number(values) => fit_number(values, rows, options),
        FeatureValues::Category { codes, levels } if is_ordinal(column) => {
            let used = LevelCounts::count(codes, levels.len(), rows).0;
            let seen = levels
                .iter()
                .zip(used)
                .filter(|(_, count)| *count > 0)
                .map(|(level, _)| level.clone());
            Encoding::Ordinal {
                levels: seen.collect(),
            }
        }
        FeatureValues::Category { levels, .. } => match one_hot.next() {
            Some(Share {
                hashed: true, kept, ..
            }) => Encoding::Hashed {
                buckets: kept.len() as u32 + 1,
            },
            Some(Share { kept, other, .. }) => Encoding::OneHot {
                levels: kept.iter().map(|code| levels[*code].clone()).collect(),
                other,
            },
            None => unreachable!("each category column that is not ordinal has a share"),
        },
    };
    let input = |column: &Feature| InputColumn {
        missing: column.missing.clone(),
        date: column.date.clone(),
        history: column.history.clone(),
        ..InputColumn::new(column.name.clone(), encoding(column))
    };
    Encoder {
        columns: features.columns.iter().map(input).collect(),
    }
}

fn fit_number(values: &[f64], rows: &[usize], options: &EncodeOptions) -> Encoding {
    let mut known: Vec<f64> = rows
        .iter()
        .map(|row| values[*row])
        .filter(|value| !value.is_nan())
        .collect();
    known.sort_unstable_by(f64::total_cmp);
    let indicator = options.indicator && known.len() < rows.len() && !known.is_empty();
    let impute = if known.is_empty() {
        0.0
    } else {
        quantile(&known, 0.5)
    };
    let scaling = match options.scaling {
        EncodeScaling::Quantile { n } if !known.is_empty() => {
            let n = n.max(2);
            Scaling::Quantile {
                references: (0..n)
                    .map(|i| quantile(&known, i as f64 / (n - 1) as f64))
                    .collect(),
            }
        }
        EncodeScaling::Standard | EncodeScaling::Quantile { .. } => standard(&known),
    };
    Encoding::Number {
        impute,
        indicator,
        scaling,
    }
}

/// Mean and standard deviation of ascending values; the scale is 1 if all values are equal.
fn standard(sorted: &[f64]) -> Scaling {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return Scaling::Standard {
            center: 0.0,
            scale: 1.0,
        };
    };
    if same(*first, *last) {
        return Scaling::Standard {
            center: *first,
            scale: 1.0,
        };
    }
    let n = sorted.len() as f64;
    // Each value is divided before summing, so that the sum of huge numbers stays finite.
    let center = sorted.iter().map(|value| value / n).sum::<f64>();
    let largest = (last - center).max(center - first);
    let scale = largest
        * (sorted
            .iter()
            .map(|value| ((value - center) / largest).powi(2))
            .sum::<f64>()
            / n)
            .sqrt();
    Scaling::Standard {
        center,
        scale: if scale.is_normal() { scale } else { 1.0 },
    }
}

/// For each level of a category column, the number of rows with this level, among the rows that the encoder is fitted on.
struct LevelCounts {
    counts: Vec<usize>,
    missing: usize,
}

impl LevelCounts {
    fn new(column: &Feature, rows: &[usize]) -> Option<Self> {
        let FeatureValues::Category { codes, levels } = &column.values else {
            return None;
        };
        let (counts, missing) = Self::count(codes, levels.len(), rows);
        Some(Self { counts, missing })
    }

    fn count(codes: &[u32], levels: usize, rows: &[usize]) -> (Vec<usize>, usize) {
        let mut counts = vec![0; levels];
        for row in rows.iter().filter(|row| codes[**row] != MISSING) {
            counts[codes[*row] as usize] += 1;
        }
        let missing = rows.len() - counts.iter().sum::<usize>();
        (counts, missing)
    }

    fn seen(&self) -> usize {
        self.counts.iter().filter(|count| **count > 0).count()
    }
}

/// The outputs that one category column gets from the budget.
struct Share {
    /// Codes of the levels that get an output of their own, ascending. If the column is `hashed`, only the length of this list is used.
    kept: Vec<usize>,
    other: bool,
    hashed: bool,
}

/// All levels that occur, the most frequent first, as pairs: index in `columns`, and code of the level. Equally frequent ones are in order of column
/// and code.
fn by_frequency(columns: &[&LevelCounts]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        found.extend((0..column.counts.len()).map(|level| (column.counts[level], index, level)));
    }
    found.retain(|(count, ..)| *count > 0);
    found.sort_by_key(|(count, column, level)| (Reverse(*count), *column, *level));
    let place = |(_, column, level)| (column, level);
    found.into_iter().map(place).collect()
}

/// Divides the budget, a number of outputs, by the rules in this module's documentation. Returns one share for each entry of `counts` that is not
/// `None`.
fn share_budget(counts: &[Option<LevelCounts>], budget: usize) -> Vec<Share> {
    let columns: Vec<&LevelCounts> = counts.iter().flatten().collect();
    let wanted: usize = columns
        .iter()
        .map(|column| column.seen() + usize::from(column.missing > 0))
        .sum();
    let mut kept: Vec<Vec<usize>> = vec![Vec::new(); columns.len()];
    let mut left = if wanted <= budget {
        usize::MAX
    } else {
        budget.saturating_sub(2 * columns.len())
    };
    for (column, level) in by_frequency(&columns) {
        // The budget already includes the first level of each column.
        if kept[column].is_empty() {
            kept[column].push(level);
        } else if left > 0 {
            kept[column].push(level);
            left -= 1;
        }
    }
    columns
        .iter()
        .zip(kept)
        .map(|(column, kept)| share(column, kept))
        .collect()
}

fn share(column: &LevelCounts, mut kept: Vec<usize>) -> Share {
    kept.sort_unstable();
    let covered: usize = kept.iter().map(|level| column.counts[*level]).sum();
    let total: usize = column.counts.iter().sum();
    let grouped = covered < total;
    let hashed = grouped && 2 * covered < total && kept.len() >= 3;
    Share {
        other: grouped || column.missing > 0,
        hashed,
        kept,
    }
}

/// Bin edges for piecewise-linear encoding of one encoded column.
///
/// With at most `bins + 1` different values, these values are the edges: each value has its own code, and the encoding interpolates between
/// them. With more values, the edges are the different numbers among the quantiles `0, 1/bins, …, 1`. With fewer than two different values
/// there are no edges, and the column passes through unchanged. NaN is ignored.
///
/// ```
/// use limbeck_data::encode::ple_edges;
/// assert_eq!(ple_edges(&[3.0, 1.0, 1.0, 2.0], 8), [1.0, 2.0, 3.0]);
/// assert_eq!(ple_edges(&(0..=100).map(|i| i as f32).collect::<Vec<_>>(), 4), [0.0, 25.0, 50.0, 75.0, 100.0]);
/// assert!(ple_edges(&[5.0, 5.0], 8).is_empty());
/// ```
#[must_use]
pub fn ple_edges(values: &[f32], bins: usize) -> Vec<f32> {
    let mut sorted: Vec<f64> = values
        .iter()
        .filter(|value| !value.is_nan())
        .map(|value| f64::from(value + 0.0))
        .collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let bins = bins.max(1);
    let mut different = sorted.clone();
    different.dedup();
    let edges = if different.len() <= bins + 1 {
        different
    } else {
        (0..=bins)
            .map(|bin| quantile(&sorted, bin as f64 / bins as f64))
            .collect()
    };
    // Rounded to f32 before duplicates are removed, so that the edges ascend strictly as f32.
    let mut edges: Vec<f32> = edges.into_iter().map(|edge| edge as f32).collect();
    edges.dedup();
    if edges.len() < 2 { Vec::new() } else { edges }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Table};

    fn features(columns: Vec<Column>) -> Features {
        Features::from_table(Table::new(columns).unwrap()).unwrap()
    }

    fn fit(columns: Vec<Column>, options: &EncodeOptions) -> Vec<Encoding> {
        let features = features(columns);
        let rows: Vec<usize> = (0..features.rows).collect();
        fit_encoder(&features, &rows, options)
            .columns
            .into_iter()
            .map(|column| column.encoding)
            .collect()
    }

    fn width(encoding: &Encoding) -> usize {
        match encoding {
            Encoding::Number { indicator, .. } => 1 + usize::from(*indicator),
            Encoding::OneHot { levels, other } => levels.len() + usize::from(*other),
            Encoding::Ordinal { .. } => 1,
            Encoding::Hashed { buckets } => *buckets as usize,
        }
    }

    /// A column of `n` rows with levels `l000`, `l001`, …; `level` gives the level of each row.
    fn category(name: &str, n: usize, level: impl Fn(usize) -> usize) -> Column {
        let texts: Vec<String> = (0..n).map(|row| format!("l{:03}", level(row))).collect();
        Column::category(name, texts.iter().map(|text| Some(text.as_str())))
    }

    #[test]
    fn numbers_are_imputed_by_median_and_scaled_by_mean() {
        let column = Column::number("x", vec![1.0, f64::NAN, 2.0, 9.0]);
        let Encoding::Number {
            impute,
            indicator,
            scaling: Scaling::Standard { center, scale },
        } = &fit(vec![column], &EncodeOptions::default())[0]
        else {
            panic!("standard")
        };
        // Mean 4, squared deviations 9 + 4 + 25 = 38, over 3.
        assert_eq!((*impute, *indicator), (2.0, true));
        assert!((center - 4.0).abs() < 1e-12 && (scale - (38.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn fit_encoder_reads_only_the_given_rows() {
        let features = features(vec![
            Column::number("x", vec![1.0, 3.0, 1e9]),
            Column::category("c", [Some("a"), Some("b"), Some("z")]),
        ]);
        let encoder = fit_encoder(&features, &[0, 1], &EncodeOptions::default());
        assert!(
            matches!(&encoder.columns[0].encoding, Encoding::Number { scaling: Scaling::Standard { center, scale }, .. } if *center == 2.0 && *scale == 1.0)
        );
        assert!(
            matches!(&encoder.columns[1].encoding, Encoding::OneHot { levels, other: false } if levels == &["a", "b"])
        );
    }

    #[test]
    fn degenerate_numbers_have_a_finite_scale() {
        for values in [
            vec![7.0; 3],
            vec![f64::NAN; 3],
            vec![f64::MAX, -f64::MAX, 0.0],
            vec![0.0, 1e-320, 0.0],
        ] {
            let encoding = &fit(vec![Column::number("x", values)], &EncodeOptions::default())[0];
            assert!(
                matches!(encoding, Encoding::Number { impute, scaling: Scaling::Standard { center, scale }, .. }
                if impute.is_finite() && center.is_finite() && *scale > 0.0 && scale.is_finite()),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn quantile_scaling_keeps_n_references() {
        let options = EncodeOptions {
            scaling: EncodeScaling::Quantile { n: 5 },
            ..EncodeOptions::default()
        };
        let column = Column::number("x", (0..=100).map(f64::from).collect());
        assert!(
            matches!(&fit(vec![column], &options)[0], Encoding::Number { scaling: Scaling::Quantile { references }, .. }
            if references == &[0.0, 25.0, 50.0, 75.0, 100.0])
        );
    }

    #[test]
    fn categories_within_budget_keep_all_levels() {
        let gaps = Column::category("gaps", [Some("a"), None, Some("b")].repeat(10));
        let found = fit(
            vec![category("full", 30, |row| row % 3), gaps],
            &EncodeOptions::default(),
        );
        assert!(
            matches!(&found[0], Encoding::OneHot { levels, other: false } if levels.len() == 3)
        );
        assert!(matches!(&found[1], Encoding::OneHot { levels, other: true } if levels.len() == 2));
    }

    #[test]
    fn wide_categories_share_the_budget_by_frequency() {
        let options = EncodeOptions {
            max_width_for_categories: 10,
            ..EncodeOptions::default()
        };
        // `flat` has 50 rare levels, and one level in half of the rows; `peaked` has 5 levels of 200 rows each.
        let flat = category("flat", 1000, |row| if row % 2 == 0 { 50 } else { row / 20 });
        let found = fit(
            vec![flat, category("peaked", 1000, |row| row % 5)],
            &options,
        );
        // Each column gets two outputs. Of the remaining six, `peaked` takes four (and needs no `other`), `flat` takes two.
        assert_eq!(found.iter().map(width).collect::<Vec<_>>(), [4, 5]);
        assert!(
            matches!(&found[0], Encoding::OneHot { levels, other: true } if levels == &["l000", "l001", "l050"]),
            "{found:?}"
        );
        assert!(
            matches!(&found[1], Encoding::OneHot { levels, .. } if levels.len() == 5),
            "{found:?}"
        );
    }

    #[test]
    fn categories_of_rare_levels_are_hashed() {
        let options = EncodeOptions {
            max_width_for_categories: 16,
            ..EncodeOptions::default()
        };
        let found = fit(vec![category("zip", 1000, |row| row / 2)], &options);
        assert!(
            matches!(&found[0], Encoding::Hashed { buckets: 16 }),
            "{found:?}"
        );
    }

    #[test]
    fn each_category_column_has_at_least_two_outputs() {
        let options = EncodeOptions {
            max_width_for_categories: 1,
            ..EncodeOptions::default()
        };
        let found = fit(
            vec![
                category("a", 100, |row| row % 7),
                category("b", 100, |row| row % 9),
            ],
            &options,
        );
        assert!(
            found.iter().all(|encoding| width(encoding) == 2),
            "{found:?}"
        );
    }

    #[test]
    fn ordinal_option_selects_columns() {
        let options = EncodeOptions {
            ordinal: vec!["grade".to_owned()],
            ..EncodeOptions::default()
        };
        let found = fit(
            vec![
                category("grade", 10, |row| row % 4),
                category("other", 10, |row| row % 2),
            ],
            &options,
        );
        assert!(matches!(&found[0], Encoding::Ordinal { levels } if levels.len() == 4));
        assert!(matches!(&found[1], Encoding::OneHot { .. }));
    }

    #[test]
    fn edges_ascend_strictly_and_span_the_values() {
        use rand::RngExt;
        for index in 0..50 {
            let mut rng = crate::generator(2, "edges", index);
            let values: Vec<f32> = (0..200)
                .map(|_| (rng.random_range(0..40) as f32 / 3.0).powi(3))
                .collect();
            let edges = ple_edges(&values, rng.random_range(1..50));
            assert!(edges.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(
                edges.first().copied(),
                values.iter().copied().min_by(f32::total_cmp)
            );
            assert_eq!(
                edges.last().copied(),
                values.iter().copied().max_by(f32::total_cmp)
            );
        }
    }

    #[test]
    fn ple_edges_are_empty_for_fewer_than_two_values() {
        assert!(
            ple_edges(&[], 4).is_empty()
                && ple_edges(&[f32::NAN], 4).is_empty()
                && ple_edges(&[-0.0, 0.0], 4).is_empty()
        );
    }
}
