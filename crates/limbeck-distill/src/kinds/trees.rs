//! A student of a few boosted trees.

use limbeck_data::encode::fit_encoder;
use limbeck_data::{Features, Stop};
use limbeck_runtime::{Encoder, Op};
use limbeck_teach::Effort;
use limbeck_teach::trees::{self, EncodedRows, Ensemble, TreeOptions};
use rayon::prelude::*;

use super::rows::EncodedTable;
use super::spec::Spec;
use crate::error::Result;
use crate::student::options::{StudentOptions, encode_options};

/// Maximum number of encoded columns of all category columns together: `CATEGORY_WIDTH`, or the parameter budget divided by `CATEGORY_SHARE` if that
/// is less.
const CATEGORY_WIDTH: usize = 64;
const CATEGORY_SHARE: usize = 8;
/// Maximum numbers of leaves per tree that are tried.
const LEAVES: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 256];
/// Preferred range of the number of trees. Fewer trees are hardly better than a single one. More trees are no better than fewer but larger ones.
const ROUNDS: std::ops::RangeInclusive<usize> = 12..=400;
/// How many values of `LEAVES` are tried at most: the smallest ones for which the budget allows a number of trees in `ROUNDS`.
const SIZES: usize = 4;
/// Learning rates that are tried. They are large, since there are few trees.
const LEARNING_RATES: [f64; 3] = [0.12, 0.2, 0.33];
/// Candidates are fitted to at most this many training rows, evenly spaced. They are compared on the validation rows.
const SEEN_ROWS: usize = 40_000;
/// With fewer training rows than this, a leaf needs at least the weight of 3 average rows, otherwise of 10.
const FEW_ROWS: usize = 4000;

/// The encoder of a student of boosted trees. All category columns share a budget of at most `CATEGORY_WIDTH` encoded columns.
pub(super) fn encoder(features: &Features, options: &StudentOptions) -> Encoder {
    let rows: Vec<usize> = (0..features.rows).collect();
    let width = (options.params / CATEGORY_SHARE).min(CATEGORY_WIDTH);
    fit_encoder(features, &rows, &encode_options(options, width))
}

/// Number of parameters of a tree with `leaves` leaves; see [`TreeEnsemble`](limbeck_runtime::TreeEnsemble).
fn parameters(leaves: usize) -> usize {
    5 * leaves - 3
}

/// The combinations of leaves and learning rates to try. Each has as many rounds (trees) as `room` parameters allow, up to the end of `ROUNDS`.
/// `rows` is the number of training rows.
fn options(rows: usize, room: usize) -> Vec<TreeOptions> {
    let leaf_rows = if rows < FEW_ROWS { 3.0 } else { 10.0 };
    let rounds = |leaves: usize| room / parameters(leaves);
    let sizes = LEAVES
        .into_iter()
        .filter(|&leaves| ROUNDS.contains(&rounds(leaves)))
        .take(SIZES);
    let mut sizes: Vec<usize> = sizes.collect();
    if sizes.is_empty() {
        // The budget is too small or too large for all of these.
        sizes.push(if rounds(2) < *ROUNDS.end() { 2 } else { 256 });
    }
    let mut all = Vec::new();
    for leaves in sizes {
        let rounds = rounds(leaves).clamp(1, *ROUNDS.end());
        for learning_rate in LEARNING_RATES {
            all.push(TreeOptions {
                rounds,
                learning_rate,
                leaves,
                leaf_rows,
                subsample: 1.0,
                colsample: 1.0,
                pairs: 0,
                ..TreeOptions::default()
            });
        }
    }
    all
}

/// Fits all candidates, each within `room` parameters and with the number of rounds that is best on the validation rows `valid`. If the candidates
/// were fitted to a sample of the rows, the best one is fitted again to all rows and appended to the result.
pub(super) fn candidates(
    rows: &EncodedTable,
    valid: &EncodedTable,
    room: usize,
    (seed, stop): (u64, Stop<'_>),
) -> Result<Vec<(Spec, Op)>> {
    let seen = rows.every(rows.y.len().div_ceil(SEEN_ROWS));
    let (columns, held) = (seen.columns(), valid.columns());
    let train = EncodedRows {
        columns: &columns,
        labels: &seen.y,
        weights: &seen.w,
    };
    let held = EncodedRows {
        columns: &held,
        labels: &valid.y,
        weights: &valid.w,
    };
    let fitted: Vec<(TreeOptions, Ensemble)> = options(seen.y.len(), room)
        .into_par_iter()
        .map(|options| {
            Ok((
                options.clone(),
                trees::ensemble(&train, Some(&held), &options, seed, Effort::until(1, stop))?,
            ))
        })
        .collect::<Result<_>>()?;
    let best = fitted
        .iter()
        .min_by(|a, b| least(a.1.curve()).1.total_cmp(&least(b.1.curve()).1))
        .map(|(options, _)| options.clone());
    let spec = |options: &TreeOptions, ensemble: &Ensemble| {
        let rounds = within(ensemble, least(ensemble.curve()).0, room);
        let spec = Spec::Trees {
            leaves: options.leaves,
            learning_rate: options.learning_rate,
            leaf_rows: options.leaf_rows,
            rounds,
        };
        (spec, Op::TreeEnsemble(ensemble.first(rounds)))
    };
    let mut all: Vec<(Spec, Op)> = fitted
        .iter()
        .map(|(options, ensemble)| spec(options, ensemble))
        .collect();
    if let Some(best) = best.filter(|_| seen.y.len() < rows.y.len()) {
        let columns = rows.columns();
        let train = EncodedRows {
            columns: &columns,
            labels: &rows.y,
            weights: &rows.w,
        };
        let ensemble = trees::ensemble(
            &train,
            Some(&held),
            &best,
            seed,
            Effort::until(rayon::current_num_threads(), stop),
        )?;
        all.push(spec(&best, &ensemble));
    }
    Ok(all)
}

/// Fits trees with the given options to `rows`. Drops the last trees if there are more than `room` parameters.
pub(super) fn fit(
    rows: &EncodedTable,
    options: &TreeOptions,
    room: usize,
    (seed, stop): (u64, Stop<'_>),
) -> Result<Op> {
    let columns = rows.columns();
    let train = EncodedRows {
        columns: &columns,
        labels: &rows.y,
        weights: &rows.w,
    };
    let effort = Effort::until(rayon::current_num_threads(), stop);
    let ensemble = trees::ensemble(&train, None, options, seed, effort)?;
    Ok(Op::TreeEnsemble(ensemble.first(within(
        &ensemble,
        options.rounds,
        room,
    ))))
}

/// The number of rounds with the lowest error, and that error. `curve` has the validation error after each round.
fn least(curve: &[f64]) -> (usize, f64) {
    let rounds = curve
        .iter()
        .copied()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1));
    rounds.map_or((1, f64::INFINITY), |(at, error)| (at + 1, error))
}

/// The largest number of rounds, up to `rounds`, whose trees have at most `room` parameters; 1 if even one tree has more.
fn within(ensemble: &Ensemble, rounds: usize, room: usize) -> usize {
    (1..=rounds)
        .rev()
        .find(|&rounds| ensemble.first(rounds).parameters() <= room)
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use limbeck_options::Options;

    use super::*;

    #[test]
    fn sizes_spend_the_room_and_no_more() {
        for room in [30, 220, 5000, 18_000, 100_000, 1_000_000] {
            let all = options(10_000, room);
            assert!(!all.is_empty() && all.len() <= 3 * SIZES);
            for options in all {
                options.validate().unwrap();
                assert!(
                    options.rounds * parameters(options.leaves) <= room,
                    "{options:?} of {room}"
                );
            }
        }
        let leaves: Vec<usize> = options(10_000, 5169)
            .iter()
            .map(|options| options.leaves)
            .collect();
        assert_eq!(leaves, [4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32]);
    }

    #[test]
    fn least_error_is_found() {
        assert_eq!(least(&[3.0, 1.0, 2.0]), (2, 1.0));
        assert_eq!(least(&[]), (1, f64::INFINITY));
    }
}
