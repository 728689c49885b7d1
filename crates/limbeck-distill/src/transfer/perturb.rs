//! Slightly moved training rows: the student has to move as the teacher does.

use limbeck_data::{Features, generator};

use super::{Transfer, TransferOptions, moved_numbers};

/// Each row in turn, with every number moved by `N(0, (scale · sd_j)²)`.
///
/// With the teacher's label and the gate of the row it comes from, these rows are the knowledge-preserving term
/// `λ · g(x) · (s(x + δ) − t(x + δ))²`; `λ` is their weight.
pub(super) fn perturbed(
    features: &Features,
    count: usize,
    options: &TransferOptions,
    seed: u64,
) -> Transfer {
    let mut rng = generator(seed, "perturb", 0);
    let rows: Vec<usize> = (0..count).map(|index| index % features.rows).collect();
    let step = |_: usize, _: usize, range: &super::Range| {
        options.perturb_scale * range.sd * limbeck_data::rng::normal(&mut rng)
    };
    let moved = moved_numbers(features, &rows, step);
    let source = rows.into_iter().map(|row| Some(row as u32)).collect();
    Transfer {
        features: moved,
        source,
        label: vec![f64::NAN; count],
        second: vec![false; count],
        candidate: vec![false; count],
        made: 0,
    }
}
