//! New rows on which a quick (briefly trained) student disagrees most with its teacher.

use limbeck_data::{Features, Stop, generator};

use super::{Transfer, TransferOptions, moved_numbers, munge};
use crate::error::Result;

/// Standard deviation of the noise that is added to a candidate's numbers, in standard deviations of the columns.
const STEP: f64 = 0.2;

/// Makes `count · adversarial_candidates` candidate rows. Each is a row made by [`munge`], with noise `N(0, (0.2 sd_j)²)` added to every number,
/// within the range of its column.
///
/// Later the teacher labels the candidates, and a quick (briefly trained) student predicts them too. The `count` candidates with the largest
/// `(s − t)²` are kept. This needs no gradients, which trees do not have, and the teacher labels every candidate only once.
///
/// # Source
///
/// The idea of adversarial belief matching, Micaelli & Storkey, *Zero-shot Knowledge Transfer via Adversarial Belief Matching*, NeurIPS
/// 2019; for regression Kang & Kang 2024. Both train a generator by gradients, which needs a differentiable teacher.
pub(super) fn candidates(
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
    let base = munge(
        features,
        count.saturating_mul(options.adversarial_candidates),
        &own,
        seed ^ 0xad_5e_a7,
        stop,
    )?;
    let mut rng = generator(seed, "adversarial", 0);
    let all: Vec<usize> = (0..base.rows).collect();
    let moved = moved_numbers(&base, &all, |_, _, range| {
        STEP * range.sd * limbeck_data::rng::normal(&mut rng)
    });
    let mut transfer = Transfer::asked(moved);
    transfer.candidate.fill(true);
    Ok(transfer)
}

/// The `count` candidates on which student and teacher disagree most, as row indices in ascending order. `student` and `teacher` have predictions for
/// all rows; `candidates` are indices into them. If two disagreements are equal, the earlier row is preferred. Candidates without a finite prediction
/// are left out.
#[must_use]
pub fn most_disputed(
    student: &[f64],
    teacher: &[f64],
    candidates: &[usize],
    count: usize,
) -> Vec<usize> {
    let dispute = |row: usize| (student[row] - teacher[row]).powi(2);
    let mut order: Vec<usize> = candidates
        .iter()
        .copied()
        .filter(|&row| dispute(row).is_finite())
        .collect();
    order.sort_by(|&a, &b| dispute(b).total_cmp(&dispute(a)).then(a.cmp(&b)));
    order.truncate(count);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::most_disputed;

    #[test]
    fn the_most_disputed_are_kept_in_order() {
        let (student, teacher) = ([0.0, 5.0, 1.0, f64::NAN, -3.0], [0.0; 5]);
        assert_eq!(
            most_disputed(&student, &teacher, &[0, 1, 2, 3, 4], 2),
            [1, 4]
        );
        assert_eq!(most_disputed(&student, &teacher, &[0, 2], 5), [0, 2]);
        assert!(most_disputed(&student, &teacher, &[3], 1).is_empty());
    }
}
