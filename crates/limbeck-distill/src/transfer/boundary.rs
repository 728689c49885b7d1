//! New rows near the ends of the columns' ranges, where training rows are few.

use limbeck_data::{FeatureValues, Features, generator};
use rand::{Rng, RngExt};

use super::{Range, Transfer, TransferOptions, moved_numbers};

/// New rows are made from rows near the ends of a column: from this share of the rows with the smallest values, and as many with the largest.
const TAIL: f64 = 0.1;

/// Draws one of the first or of the last rows of `order`, which lists rows in ascending order of a column.
fn from_a_tail(order: &[usize], rng: &mut impl Rng) -> usize {
    let tail = ((order.len() as f64 * TAIL).ceil() as usize).max(1);
    let at = rng.random_range(0..tail);
    if rng.random() {
        order[at]
    } else {
        order[order.len() - 1 - at]
    }
}

/// Makes rows in which one number, near an end of its column, is moved by up to `ε` times the column's range.
///
/// ```text
/// row     one of the 10 % of rows with the least, or with the greatest, x_j; column j and end at random
/// x_j     x_j + U(−ε, ε) · (max x_j − min x_j), clamped to [min x_j, max x_j]
/// ```
///
/// All other values are unchanged, so that the row stays near the data. The teacher labels the row.
pub(super) fn moved(
    features: &Features,
    count: usize,
    options: &TransferOptions,
    seed: u64,
) -> Features {
    let mut rng = generator(seed, "boundary", 0);
    let columns: Vec<(usize, Vec<usize>)> = (0..features.columns.len())
        .filter_map(|j| Some((j, ascending(features, j)?)))
        .collect();
    if columns.is_empty() {
        return features.select(&[]);
    }
    let (mut rows, mut chosen, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let (column, order) = &columns[rng.random_range(0..columns.len())];
        rows.push(from_a_tail(order, &mut rng));
        chosen.push(*column);
        steps.push(options.boundary_reach * rng.random_range(-1.0..=1.0));
    }
    let step = |at: usize, column: usize, range: &Range| {
        if chosen[at] == column {
            steps[at] * (range.high - range.low)
        } else {
            0.0
        }
    };
    moved_numbers(features, &rows, step)
}

/// The row indices in ascending order of a numeric column; rows in which it is missing are left out. `None` if the column is not numeric or does not
/// vary.
fn ascending(features: &Features, column: usize) -> Option<Vec<usize>> {
    let FeatureValues::Number(values) = &features.columns[column].values else {
        return None;
    };
    let is_known = |row: &usize| !values[*row].is_nan();
    let mut order: Vec<usize> = (0..values.len()).filter(is_known).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    (values[*order.first()?] < values[*order.last()?]).then_some(order)
}

/// The literal form of the boundary method: one noise value `δ ~ N(0, ε²)` per row is added to every number and to the target, in units of their
/// standard deviations. This assumes that moving all inputs moves the target equally, which is true for no real table. It exists for comparison
/// (option `transfer.boundary_literal`).
pub(super) fn literal(
    features: &Features,
    target: &[f64],
    count: usize,
    options: &TransferOptions,
    seed: u64,
) -> Transfer {
    let mut rng = generator(seed, "boundary, literal", 0);
    let rows: Vec<usize> = (0..count).map(|index| index % features.rows).collect();
    let noise: Vec<f64> = rows
        .iter()
        .map(|_| options.boundary_reach * normal(&mut rng))
        .collect();
    let sd = limbeck_data::metrics::variance(target, &vec![1.0; target.len()]).sqrt();
    let label = rows
        .iter()
        .zip(&noise)
        .map(|(&row, noise)| target[row] + noise * sd)
        .collect();
    let features = moved_numbers(features, &rows, |at, _, range| noise[at] * range.sd);
    Transfer {
        features: features.into(),
        source: vec![None; count],
        label,
        second: vec![false; count],
        candidate: vec![false; count],
        made: 0,
    }
}

fn normal(rng: &mut impl Rng) -> f64 {
    limbeck_data::rng::normal(rng)
}
