//! New rows in pairs at a small distance, for gradient matching.

use limbeck_data::{Features, Stop, generator};

use super::{Range, Transfer, TransferOptions, moved_numbers, munge};
use crate::error::Result;

/// Makes `count / 2` pairs of rows. The first row of a pair is made by [`munge`]. The second is the same row, moved by a random step of length `ρ`,
/// the option `slope_reach`, in standard deviations of the columns.
///
/// ```text
/// x'_j = x_j + ρ · sd_j · v_j,    v uniform on the unit sphere over the columns of numbers
/// ```
///
/// The difference of a model's predictions over a pair, divided by the length of the step, is the mean of the model's directional derivative along
/// the step. Networks of this project, teachers and students alike, are piecewise linear. For them, this mean is the exact derivative if the step
/// crosses no kink. For a short step (`slope_reach` of 0.001), that is true nearly everywhere. Trees have no useful derivative; only the difference
/// itself is used.
pub(super) fn pairs(
    features: &Features,
    count: usize,
    options: &TransferOptions,
    seed: u64,
    stop: Stop<'_>,
) -> Result<Transfer> {
    let own = TransferOptions {
        munge_neighbors: options.munge_neighbors,
        ..TransferOptions::default()
    };
    // A seed that differs from that of the MUNGE rows themselves.
    let base = munge(features, count / 2, &own, seed ^ 0x51_0b_e5, stop)?;
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
    // The ranges of MUNGE rows lie within those of the given rows.
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
