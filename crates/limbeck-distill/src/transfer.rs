//! Transfer sets: inputs on which the teacher is asked.

use limbeck_data::encode::{EncodeOptions, fit_encoder};
use limbeck_data::{Feature, FeatureValues, Features, generator};
use limbeck_teach::Prediction;
use rand::{Rng, RngExt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::neighbors::Tree;

/// How new inputs are made and which of the teacher's answers are believed.
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `munge_rows` | 300 000 | most synthetic rows; 0 makes none | ≥ 0 |
/// | `munge_factor` | 100 | most synthetic rows per training row | ≥ 0 |
/// | `munge_swap` | 0.5 | chance that a value is taken from the neighbor | (0, 1] |
/// | `munge_locality` | 1 | `s`: larger keeps values closer to the neighbor's | > 0 |
/// | `munge_neighbors` | 5 | neighbors to draw from | ≥ 1 |
/// | `reject_spread` | 3 | a row is refused where the teacher's spread exceeds this many times its median on training rows | > 1 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the table above describes each option")]
pub struct TransferOptions {
    pub munge_rows: usize,
    pub munge_factor: usize,
    pub munge_swap: f64,
    pub munge_locality: f64,
    pub munge_neighbors: usize,
    pub reject_spread: f64,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            munge_rows: 300_000,
            munge_factor: 100,
            munge_swap: 0.5,
            munge_locality: 1.0,
            munge_neighbors: 5,
            reject_spread: 3.0,
        }
    }
}

impl TransferOptions {
    /// Checks each option.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for one out of its range.
    pub fn validate(&self) -> Result<()> {
        let checks = [
            ("transfer.munge_swap", self.munge_swap, self.munge_swap > 0.0 && self.munge_swap <= 1.0, "in (0, 1]"),
            ("transfer.munge_locality", self.munge_locality, self.munge_locality > 0.0, "positive"),
            ("transfer.munge_neighbors", self.munge_neighbors as f64, self.munge_neighbors > 0, "at least 1"),
            ("transfer.reject_spread", self.reject_spread, self.reject_spread > 1.0, "above 1"),
        ];
        match checks.into_iter().find(|(_, _, fine, _)| !fine) {
            Some((option, found, _, expected)) => {
                Err(Error::InvalidOption { option, found: found.to_string(), expected })
            }
            None => Ok(()),
        }
    }

    /// Synthetic rows for `n` training rows.
    #[must_use]
    pub fn count(&self, n: usize) -> usize {
        self.munge_rows.min(self.munge_factor.saturating_mul(n))
    }
}

/// Synthetic rows near the given ones.
///
/// Each new row is a copy of a row `e` in which every value is, with chance `munge_swap`, replaced with help of the same
/// value of a near row `e'`:
///
/// ```text
/// number      e'_j + N(0, |e_j − e'_j| / s)
/// category    e'_j
/// missing     where e_j or e'_j is missing, e'_j is copied
/// ```
///
/// Numbers stay within the range of the given rows; columns of whole numbers stay whole. Rows are taken in turn, the
/// neighbor at random among `munge_neighbors`, found over scaled numbers and one-hot codes.
///
/// # Errors
///
/// Where the rows cannot be encoded for the neighbor search.
///
/// # Source
///
/// Bucilă, Caruana & Niculescu-Mizil, *Model compression*, KDD 2006. There the two rows exchange values and one neighbor is
/// used; ranges and whole numbers are this crate's addition.
pub fn munge(features: &Features, count: usize, options: &TransferOptions, seed: u64) -> Result<Features> {
    options.validate()?;
    let n = features.rows;
    if n < 2 || count == 0 {
        return Ok(features.select(&[]));
    }
    let all: Vec<usize> = (0..n).collect();
    let encode = EncodeOptions { max_width_for_categories: 128, indicator: false, ..EncodeOptions::default() };
    let encoder = fit_encoder(features, &all, &encode);
    let mut points = encoder.encode(&features.raw(), n)?;
    // Standardized extremes would make a row its own island; neighbors in a long tail are compared by a bounded value.
    points.iter_mut().for_each(|p| *p = p.clamp(-4.0, 4.0));
    let tree = Tree::new(&points, encoder.width());
    let near: Vec<Vec<u32>> = (0..n).into_par_iter().map(|row| tree.near(row, options.munge_neighbors)).collect();
    let mut rng = generator(seed, "munge rows", 0);
    let pairs: Vec<(usize, usize)> = (0..count)
        .map(|index| {
            let row = index % n;
            let choices = &near[row];
            (row, choices[rng.random_range(0..choices.len())] as usize)
        })
        .collect();
    let columns: Vec<Feature> = features
        .columns
        .par_iter()
        .enumerate()
        .map(|(index, column)| munge_column(column, &pairs, options, &mut generator(seed, "munge column", index as u64)))
        .collect();
    Ok(Features { columns, rows: count })
}

fn munge_column(column: &Feature, pairs: &[(usize, usize)], options: &TransferOptions, rng: &mut impl Rng) -> Feature {
    let values = match &column.values {
        FeatureValues::Number(values) => {
            let known = values.iter().copied().filter(|v| !v.is_nan());
            let (low, high) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            let draw = |&(row, near): &(usize, usize)| {
                let (own, other) = (values[row], values[near]);
                if rng.random::<f64>() >= options.munge_swap {
                    return own;
                }
                if own.is_nan() || other.is_nan() {
                    return other;
                }
                let noise = limbeck_data::rng::normal(rng) * (own - other).abs() / options.munge_locality;
                let value = (other + noise).clamp(low, high);
                if column.integer { value.round() } else { value }
            };
            FeatureValues::Number(pairs.iter().map(draw).collect())
        }
        FeatureValues::Category { codes, levels } => {
            let draw = |&(row, near): &(usize, usize)| {
                if rng.random::<f64>() < options.munge_swap { codes[near] } else { codes[row] }
            };
            FeatureValues::Category { codes: pairs.iter().map(draw).collect(), levels: levels.clone() }
        }
    };
    Feature { name: column.name.clone(), values, integer: column.integer }
}

/// Which answers are believed: those whose spread is at most `limit` times `typical`.
#[must_use]
pub fn believed(prediction: &Prediction, typical: f64, limit: f64) -> Vec<bool> {
    let spread = prediction.spread.iter().map(|&sd| sd <= limit * typical);
    spread.zip(&prediction.mean).map(|(fine, mean)| fine && mean.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn features() -> Features {
        let n = 50;
        let number = |name: &str, integer, value: &dyn Fn(usize) -> f64| Feature {
            name: name.into(),
            values: FeatureValues::Number((0..n).map(value).collect()),
            integer,
        };
        let levels = Arc::new(vec!["a".to_owned(), "b".to_owned()]);
        let codes = (0..n as u32).map(|i| i % 2).collect();
        Features {
            columns: vec![
                number("x", false, &|i| i as f64 * 0.1),
                number("count", true, &|i| (i % 7) as f64),
                number("holes", false, &|i| if i % 5 == 0 { f64::NAN } else { 1.0 + i as f64 }),
                Feature { name: "kind".into(), values: FeatureValues::Category { codes, levels }, integer: false },
            ],
            rows: n,
        }
    }

    #[test]
    fn munged_rows_stay_in_range_whole_and_among_known_levels() {
        let out = munge(&features(), 2000, &TransferOptions::default(), 3).unwrap();
        assert_eq!(out.rows, 2000);
        let FeatureValues::Number(x) = &out.columns[0].values else { panic!() };
        assert!(x.iter().all(|v| (0.0..=4.9).contains(v)));
        assert!(x.iter().filter(|v| ((**v * 10.0).round() - **v * 10.0).abs() > 1e-9).count() > 500);
        let FeatureValues::Number(count) = &out.columns[1].values else { panic!() };
        assert!(count.iter().all(|v| v.fract() == 0.0 && (0.0..=6.0).contains(v)));
        let FeatureValues::Number(holes) = &out.columns[2].values else { panic!() };
        let missing = holes.iter().filter(|v| v.is_nan()).count();
        assert!((200..600).contains(&missing), "{missing}");
        let FeatureValues::Category { codes, .. } = &out.columns[3].values else { panic!() };
        assert!(codes.iter().all(|&c| c < 2));
    }

    #[test]
    fn munge_repeats_with_its_seed_and_varies_without() {
        let options = TransferOptions::default();
        // Compared as text, since a missing number is not equal to itself.
        let text = |seed| format!("{:?}", munge(&features(), 100, &options, seed).unwrap());
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn munge_rejects_a_locality_of_zero() {
        let options = TransferOptions { munge_locality: 0.0, ..TransferOptions::default() };
        assert!(matches!(munge(&features(), 10, &options, 0), Err(Error::InvalidOption { .. })));
    }

    #[test]
    fn excessive_spread_is_not_believed() {
        let prediction = Prediction { mean: vec![1.0, 1.0, f64::NAN], spread: vec![2.9, 3.1, 1.0] };
        assert_eq!(believed(&prediction, 1.0, 3.0), [true, false, false]);
    }
}
