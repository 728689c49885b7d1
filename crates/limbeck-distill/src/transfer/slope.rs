//! Pairs of near rows: how the teacher moves between them.

use limbeck_data::{Features, generator};

use super::{Range, Transfer, TransferOptions, moved_numbers, munge};
use crate::error::Result;

/// Pairs of rows: one between near rows, as [`munge`] makes it, and after it the same row moved by a random step of length
/// `slope_reach`, in standard deviations of the columns.
///
/// ```text
/// x'_j = x_j + ρ · sd_j · v_j,    v uniform on the unit sphere over the columns of numbers
/// ```
///
/// The difference of a model's answers over such a pair is the mean of its exact directional derivative along the step. Networks of this
/// project, teachers and students alike, are linear between the bends of their inputs and neurons, so that for them it is the derivative
/// itself wherever a step crosses no bend, which over a short one (`slope_reach` of 0.001) is nearly everywhere; for trees, which have none, it is what a derivative would have to say.
pub(super) fn pairs(
    features: &Features,
    count: usize,
    options: &TransferOptions,
    seed: u64,
) -> Result<Transfer> {
    let own = TransferOptions {
        munge_neighbors: options.munge_neighbors,
        ..TransferOptions::default()
    };
    // Another seed than the munged rows themselves have.
    let base = munge(features, count / 2, &own, seed ^ 0x51_0b_e5)?;
    let ranges: Vec<Option<Range>> = features.columns.iter().map(Range::of).collect();
    let mut rng = generator(seed, "slopes", 0);
    let mut steps = Vec::with_capacity(base.rows);
    for _ in 0..base.rows {
        let mut step: Vec<f64> = ranges
            .iter()
            .map(|range| {
                if range.is_some() {
                    limbeck_data::rng::normal(&mut rng)
                } else {
                    0.0
                }
            })
            .collect();
        let length = step.iter().map(|v| v * v).sum::<f64>().sqrt();
        step.iter_mut()
            .for_each(|v| *v *= options.slope_reach / length.max(f64::MIN_POSITIVE));
        steps.push(step);
    }
    let all: Vec<usize> = (0..base.rows).collect();
    // The ranges of munged rows lie within those of the given ones.
    let moved = moved_numbers(&base, &all, |at, column, range| {
        steps[at][column] * range.sd
    });
    let mut features = base.clone();
    features.append(&moved)?;
    let order: Vec<usize> = (0..base.rows)
        .flat_map(|row| [row, base.rows + row])
        .collect();
    let mut transfer = Transfer::asked(features.select(&order));
    transfer.second = (0..order.len()).map(|row| row % 2 == 1).collect();
    Ok(transfer)
}
