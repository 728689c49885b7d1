//! New rows that are training rows with a little noise added.

use limbeck_data::{Features, generator};

use super::{Transfer, TransferOptions, moved_numbers};

/// Makes `count` copies of the rows, taken in turn, and adds noise `N(0, (scale · sd_j)²)` to every number; `scale` is the option `perturb_scale`.
///
/// The teacher labels the copy. The copy shares the gate `g` (weight of the teacher label) of the row from which it was made. So these rows add the
/// knowledge-preserving term `λ · g(x) · (s(x + δ) − t(x + δ))²` to the loss; `λ` is the option `perturb_weight`.
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
    let source = rows.into_iter().map(Some).collect();
    Transfer {
        features: moved.into(),
        source,
        label: vec![f64::NAN; count],
        second: vec![false; count],
        candidate: vec![false; count],
        made: 0,
    }
}
