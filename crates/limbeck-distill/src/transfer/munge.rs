//! MUNGE (Bucilă et al. 2006): new rows made by mixing values of near rows.

use limbeck_data::encode::{EncodeOptions, fit_encoder};
use limbeck_data::{Feature, FeatureValues, Features, Stop, generator, metrics};
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::TransferOptions;
use crate::error::Result;
use crate::neighbors::Tree;

/// Makes `count` synthetic rows near the rows of `features`.
///
/// Each new row starts as a copy of a row `e`. Each of its values is replaced with probability `munge_swap`. The replacement uses the value of the
/// same column in a near row `e'`:
///
/// ```text
/// number      e'_j + N(0, (|e_j − e'_j| / s)²)    s = munge_locality
/// category    e'_j
/// missing     e'_j, if e_j or e'_j is missing
/// ```
///
/// Numbers stay within the range of their column in `features`; columns of whole numbers stay whole. The rows `e` are taken in turn. The row `e'` is
/// drawn from the `munge_neighbors` nearest rows, by distance over scaled numbers and one-hot codes.
///
/// # Errors
///
/// If the rows cannot be encoded for the neighbor search; [`Error::Interrupted`](crate::Error::Interrupted) after a stop.
///
/// # Source
///
/// Bucilă, Caruana & Niculescu-Mizil, *Model compression*, KDD 2006. In the paper, the two rows exchange values, and only the nearest row is used.
/// Keeping ranges and whole numbers is an addition of this crate.
pub fn munge(
    features: &Features,
    count: usize,
    options: &TransferOptions,
    seed: u64,
    stop: Stop<'_>,
) -> Result<Features> {
    let n = features.rows;
    if n < 2 || count == 0 {
        return Ok(features.select(&[]));
    }
    let all: Vec<usize> = (0..n).collect();
    let encode = EncodeOptions {
        max_width_for_categories: 128,
        indicator: false,
        ..EncodeOptions::default()
    };
    let encoder = fit_encoder(features, &all, &encode);
    let mut points = encoder.encode(&features.raw(), n)?;
    // Extreme values would isolate a row, so distances use values clamped to ±4 standard deviations.
    points.iter_mut().for_each(|p| *p = p.clamp(-4.0, 4.0));
    let tree = Tree::new(&points, encoder.width());
    let near: Vec<Vec<u32>> = (0..n)
        .into_par_iter()
        .map(|row| {
            stop.check()?;
            Ok(tree.near(row, options.munge_neighbors))
        })
        .collect::<Result<_>>()?;
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
        .map(|(index, column)| {
            stop.check()?;
            let mut rng = generator(seed, "munge column", index as u64);
            Ok(munge_column(column, &pairs, options, &mut rng))
        })
        .collect::<Result<_>>()?;
    Ok(Features {
        columns,
        rows: count,
        past: None,
    })
}

fn munge_column(
    column: &Feature,
    pairs: &[(usize, usize)],
    options: &TransferOptions,
    rng: &mut impl Rng,
) -> Feature {
    let values = match &column.values {
        FeatureValues::Number(values) => {
            let (low, high) = metrics::range(values);
            let draw = |&(row, near): &(usize, usize)| {
                let (own, other) = (values[row], values[near]);
                if rng.random::<f64>() >= options.munge_swap {
                    return own;
                }
                if own.is_nan() || other.is_nan() {
                    return other;
                }
                let noise =
                    limbeck_data::rng::normal(rng) * (own - other).abs() / options.munge_locality;
                let value = (other + noise).clamp(low, high);
                if column.integer { value.round() } else { value }
            };
            FeatureValues::Number(pairs.iter().map(draw).collect())
        }
        FeatureValues::Category { codes, levels } => {
            let draw = |&(row, near): &(usize, usize)| {
                if rng.random::<f64>() < options.munge_swap {
                    codes[near]
                } else {
                    codes[row]
                }
            };
            FeatureValues::Category {
                codes: pairs.iter().map(draw).collect(),
                levels: levels.clone(),
            }
        }
    };
    Feature {
        name: column.name.clone(),
        values,
        integer: column.integer,
        missing: column.missing.clone(),
        date: column.date.clone(),
        history: column.history.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::tests::features;

    #[test]
    fn munged_rows_stay_in_range_whole_and_among_known_levels() {
        let out = munge(
            &features(),
            2000,
            &TransferOptions::default(),
            3,
            Stop::NEVER,
        )
        .unwrap();
        assert_eq!(out.rows, 2000);
        let FeatureValues::Number(x) = &out.columns[0].values else {
            panic!()
        };
        assert!(x.iter().all(|v| (0.0..=4.9).contains(v)));
        assert!(
            x.iter()
                .filter(|v| ((**v * 10.0).round() - **v * 10.0).abs() > 1e-9)
                .count()
                > 500
        );
        let FeatureValues::Number(count) = &out.columns[1].values else {
            panic!()
        };
        assert!(
            count
                .iter()
                .all(|v| v.fract() == 0.0 && (0.0..=6.0).contains(v))
        );
        let FeatureValues::Number(holes) = &out.columns[2].values else {
            panic!()
        };
        let missing = holes.iter().filter(|v| v.is_nan()).count();
        assert!((200..600).contains(&missing), "{missing}");
        let FeatureValues::Category { codes, .. } = &out.columns[3].values else {
            panic!()
        };
        assert!(codes.iter().all(|&c| c < 2));
    }

    #[test]
    fn munge_repeats_with_its_seed_and_varies_without() {
        let options = TransferOptions::default();
        // Compared as text, since a missing number is not equal to itself.
        let text = |seed| {
            format!(
                "{:?}",
                munge(&features(), 100, &options, seed, Stop::NEVER).unwrap()
            )
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }
}
