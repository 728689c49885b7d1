//! Chooses the bin edges of a small student's numeric inputs.
//!
//! A piecewise-linear encoding needs one row of first-layer weights per bin. These rows are most of a small student's parameters. The same number of
//! quantile bins in every column wastes parameters: where the target hardly depends on a column, two bins are as good as twenty. So boosted trees are
//! fitted quickly, and their cuts (split thresholds) are used with the gain of each cut (the decrease of the squared error). Columns with more gain
//! get more bins, and edges are closer where the cuts are. (Target-aware bins by one tree per column: Gorishniy et al., *On Embeddings for Numerical
//! Features in Tabular Deep Learning*, NeurIPS 2022, section 3.2; here one boosted fit also divides the bins among the columns.)

use std::collections::BTreeMap;

use limbeck_data::encode::{fit_encoder, ple_edges};
use limbeck_data::{Features, Stop};
use limbeck_runtime::{Encoder, Encoding};
use limbeck_teach::Effort;
use limbeck_teach::trees::{self, Cut};

use crate::error::Result;
use crate::student::options::{StudentOptions, encode_options};

/// Cuts (split thresholds with their gains) of quickly fitted boosted trees: one list per feature. A threshold is a value of the encoded feature.
/// [`Default`] has no cuts. Only the cuts of numeric features are used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cuts(Vec<Vec<Cut>>);

/// A numeric column of the encoded rows, for which bins are chosen.
#[derive(Clone, Debug)]
pub(crate) struct NumberColumn {
    /// Index of the column in an encoded row.
    at: usize,
    sorted: Vec<f32>,
    different: usize,
    cuts: Vec<Cut>,
}

/// The number of bins of a column is proportional to `gain^GAIN_POWER`, where `gain` is the sum of the gains of the column's cuts. With `K` bins, the
/// squared error of a piecewise-linear fit falls like `1/K` (for jumps) to `1/K⁴` (for smooth curves). The best number of bins is then proportional
/// to a power of the gain, with an exponent between 1/2 and 1/5.
const GAIN_POWER: f64 = 1.0 / 3.0;
/// This share of a column's bin edges is distributed over the [`CELLS`] cells of the column in proportion to the square root of each cell's gain. The
/// other edges are distributed evenly over the cells, so they are at quantiles of the rows.
const CUT_SHARE: f64 = 0.3;
/// A column is divided into this many cells with equally many rows. The gains of the cuts in a cell are summed before edges are
/// placed.
const CELLS: usize = 256;
/// Maximum number of bins of a column. If the requested mean number of bins is larger, that number is the maximum.
const MOST_BINS: usize = 128;
/// The boosted trees whose cuts are used are fitted to at most this many rows, evenly spaced in the table.
const SEEN_ROWS: usize = 50_000;
/// Maximum number of encoded columns of all category columns together, when trees are fitted for their cuts.
const CATEGORY_WIDTH: usize = 64;

impl Cuts {
    /// Fits boosted trees to `features`, targets and row weights, and returns their cuts. At most 50 000 evenly spaced rows are used.
    ///
    /// # Errors
    ///
    /// If the rows cannot be encoded or the trees cannot be fitted. After a stop, the error is [`Error::Teach`](crate::Error::Teach) with
    /// `limbeck_teach::Error::Stopped`.
    pub fn fit(
        features: &Features,
        (target, weight): (&[f64], &[f64]),
        options: &StudentOptions,
        stop: Stop<'_>,
    ) -> Result<Self> {
        let all: Vec<usize> = (0..features.rows).collect();
        let encoder = fit_encoder(features, &all, &encode_options(options, CATEGORY_WIDTH));
        let seen: Vec<usize> = all
            .into_iter()
            .step_by(features.rows.div_ceil(SEEN_ROWS).max(1))
            .collect();
        let take = |values: &[f64]| -> Vec<f64> { seen.iter().map(|&row| values[row]).collect() };
        let encoded = encoder.encode(&features.select(&seen).raw(), seen.len())?;
        let columns: Vec<Vec<f32>> = (0..encoder.width())
            .map(|at| column(&encoded, encoder.width(), at))
            .collect();
        let threads = rayon::current_num_threads();
        let mut cuts = trees::cuts(
            &columns,
            &take(target),
            &take(weight),
            Effort::until(threads, stop),
        )?;
        let of_feature = |span: std::ops::Range<usize>| {
            cuts.get_mut(span.start)
                .map(std::mem::take)
                .unwrap_or_default()
        };
        Ok(Self(
            encoder.column_spans().into_iter().map(of_feature).collect(),
        ))
    }

    /// Merges the cuts of several targets. Each item has the cuts for one target and that target's standard deviation. Each gain is divided by the
    /// square of this standard deviation.
    pub(crate) fn merged(all: impl ExactSizeIterator<Item = (Self, f64)>) -> Self {
        let scaled = |(cuts, scale): (Self, f64)| match scale {
            1.0 => cuts.0,
            _ => cuts.scaled(1.0 / (scale * scale)).0,
        };
        if all.len() == 1 {
            return Self(all.flat_map(|(cuts, _)| cuts.0).collect());
        }
        let merge = |mut merged: Vec<Vec<Cut>>, more: Vec<Vec<Cut>>| {
            for (own, more) in merged.iter_mut().zip(more) {
                own.extend(more);
            }
            merged
        };
        Self(all.map(scaled).reduce(merge).unwrap_or_default())
    }

    fn scaled(mut self, factor: f64) -> Self {
        let cuts = self.0.iter_mut().flatten();
        cuts.for_each(|cut| cut.gain *= factor);
        self
    }
}

fn column(encoded: &[f32], width: usize, at: usize) -> Vec<f32> {
    encoded.iter().skip(at).step_by(width).copied().collect()
}

/// The numeric columns (numbers and ordinal categories) of `encoded` rows, each with its cuts.
pub(crate) fn number_columns(encoder: &Encoder, encoded: &[f32], cuts: &Cuts) -> Vec<NumberColumn> {
    let mut columns = Vec::new();
    for (index, (feature, span)) in encoder
        .columns
        .iter()
        .zip(encoder.column_spans())
        .enumerate()
    {
        if let Encoding::Number { .. } | Encoding::Ordinal { .. } = feature.encoding {
            let mut sorted = column(encoded, encoder.width(), span.start);
            sorted.sort_unstable_by(f32::total_cmp);
            let mut different = sorted.clone();
            different.dedup();
            let cuts = cuts.0.get(index).cloned().unwrap_or_default();
            columns.push(NumberColumn {
                at: span.start,
                different: different.len(),
                sorted,
                cuts,
            });
        }
    }
    columns
}

/// The bin edges of each numeric column, by index of the encoded column. Columns have `mean` bins on average, or fewer if they have few different
/// values.
pub(crate) fn edges(columns: &[NumberColumn], mean: usize) -> BTreeMap<usize, Vec<f32>> {
    columns
        .iter()
        .zip(allot(columns, mean))
        .map(|(column, bins)| (column.at, column.edges(bins)))
        .collect()
}

/// The number of bins of each column. Each column that varies gets one bin first. Each further bin goes to the column that has the fewest bins
/// relative to its weight, [`due`](NumberColumn::due) (Webster's method).
fn allot(columns: &[NumberColumn], mean: usize) -> Vec<usize> {
    let cap = MOST_BINS.max(mean);
    let most: Vec<usize> = columns
        .iter()
        .map(|column| column.different.saturating_sub(1).min(cap))
        .collect();
    let due: Vec<f64> = columns.iter().map(NumberColumn::due).collect();
    let mut bins: Vec<usize> = most.iter().map(|&most| most.min(1)).collect();
    let used: usize = bins.iter().sum();
    for _ in used..used * mean {
        let open = (0..bins.len()).filter(|&column| bins[column] < most[column]);
        let claim = |&column: &usize| due[column] / (bins[column] as f64 + 0.5);
        let Some(next) = open.max_by(|a, b| claim(a).total_cmp(&claim(b)).then(b.cmp(a))) else {
            break;
        };
        bins[next] += 1;
    }
    bins
}

impl NumberColumn {
    /// The weight of the column: its number of bins should be proportional to this weight. If no column has cuts, all weights are equal.
    fn due(&self) -> f64 {
        let gain: f64 = self.cuts.iter().map(|cut| cut.gain.max(0.0)).sum();
        gain.powf(GAIN_POWER).max(f64::MIN_POSITIVE)
    }

    /// The edges of `bins` bins: `bins + 1` ascending numbers, or fewer if values repeat.
    fn edges(&self, bins: usize) -> Vec<f32> {
        if self.different <= bins + 1 || bins == 0 {
            return ple_edges(&self.sorted, bins);
        }
        let mass = self.mass();
        let mut edges = vec![self.sorted[0]];
        let (mut cell, mut before) = (0, 0.0);
        for bin in 1..bins {
            let goal = bin as f64 / bins as f64;
            while cell + 1 < CELLS && before + mass[cell] < goal {
                before += mass[cell];
                cell += 1;
            }
            let within = ((goal - before) / mass[cell]).clamp(0.0, 1.0);
            edges.push(self.quantile((cell as f64 + within) / CELLS as f64));
        }
        edges.push(self.sorted[self.sorted.len() - 1]);
        edges.dedup();
        edges
    }

    /// For each of the [`CELLS`] cells of the column, its share of the column's bin edges. All shares are positive and add up to 1.
    fn mass(&self) -> Vec<f64> {
        let ends: Vec<f32> = (1..CELLS)
            .map(|cell| self.quantile(cell as f64 / CELLS as f64))
            .collect();
        let mut gain = vec![0.0; CELLS];
        for cut in &self.cuts {
            gain[ends.partition_point(|&end| end <= cut.at)] += cut.gain.max(0.0);
        }
        let root: f64 = gain.iter().map(|gain| gain.sqrt()).sum();
        let even = 1.0 / CELLS as f64;
        let share = |gain: f64| {
            if root > 0.0 {
                CUT_SHARE * gain.sqrt() / root + (1.0 - CUT_SHARE) * even
            } else {
                even
            }
        };
        gain.into_iter().map(share).collect()
    }

    fn quantile(&self, share: f64) -> f32 {
        let last = self.sorted.len() - 1;
        let place = share * last as f64;
        let low = (place as usize).min(last);
        let (a, b) = (self.sorted[low], self.sorted[(low + 1).min(last)]);
        a + (b - a) * (place - low as f64) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(values: Vec<f32>, cuts: &[(f32, f64)]) -> NumberColumn {
        let mut sorted = values;
        sorted.sort_unstable_by(f32::total_cmp);
        let mut different = sorted.clone();
        different.dedup();
        let cuts = cuts.iter().map(|&(at, gain)| Cut { at, gain }).collect();
        NumberColumn {
            at: 0,
            different: different.len(),
            sorted,
            cuts,
        }
    }

    fn even(n: usize) -> Vec<f32> {
        (0..n).map(|i| i as f32 / (n - 1) as f32).collect()
    }

    #[test]
    fn bins_go_where_the_gain_is() {
        // Gains 8 and 1: dues 2 and 1, so 6 bins are divided 4 to 2.
        let columns = [
            numbers(even(1000), &[(0.5, 8.0)]),
            numbers(even(1000), &[(0.5, 1.0)]),
        ];
        assert_eq!(allot(&columns, 3), [4, 2]);
        // A column of two values cannot use more than one bin.
        let columns = [
            numbers(vec![0.0, 1.0, 0.0], &[(0.5, 8.0)]),
            numbers(even(1000), &[(0.5, 1.0)]),
        ];
        assert_eq!(allot(&columns, 3), [1, 5]);
        let columns = [numbers(even(1000), &[]), numbers(even(1000), &[])];
        assert_eq!(allot(&columns, 3), [3, 3]);
        // As many as are asked for, also beyond what a column would get by itself.
        assert_eq!(allot(&columns, 200), [200, 200]);
    }

    #[test]
    fn without_cuts_edges_are_quantiles() {
        let edges = numbers(even(1001), &[]).edges(4);
        for (found, expected) in edges.iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]) {
            assert!((found - expected).abs() < 1e-5, "{edges:?}");
        }
    }

    #[test]
    fn edges_crowd_where_the_cuts_are() {
        let column = numbers(even(10_000), &[(0.3, 4.0), (0.301, 4.0)]);
        let edges = column.edges(20);
        let near = edges
            .iter()
            .filter(|&&edge| (edge - 0.3).abs() < 0.03)
            .count();
        assert!(near >= 6, "{edges:?}");
        assert_eq!(edges.len(), 21);
    }

    #[test]
    fn few_values_are_their_own_edges() {
        assert_eq!(
            numbers(vec![3.0, 1.0, 2.0, 1.0], &[(1.5, 1.0)]).edges(5),
            [1.0, 2.0, 3.0]
        );
        assert!(numbers(vec![1.0; 4], &[]).edges(0).is_empty());
    }

    proptest! {
        #[test]
        fn edges_ascend_and_span_the_values(
            values in prop::collection::vec(-50.0f32..50.0, 2..300),
            cuts in prop::collection::vec((-60.0f32..60.0, 0.0f64..10.0), 0..20),
            bins in 1usize..40,
        ) {
            let column = numbers(values, &cuts);
            let edges = column.edges(bins);
            prop_assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", edges);
            prop_assert!(edges.len() <= bins.max(column.different) + 1);
            if column.different > 1 {
                prop_assert_eq!(edges[0], column.sorted[0]);
                prop_assert_eq!(edges[edges.len() - 1], column.sorted[column.sorted.len() - 1]);
            }
        }
    }
}
