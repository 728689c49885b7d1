//! Folds for out-of-fold labels.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use crate::dataset::Dataset;
use crate::rng::generator;
use crate::split::FoldKind;

/// The fold of a row that no fold teacher predicts.
pub const NO_FOLD: u32 = u32::MAX;

/// Fold of each of the given rows, by the kind of the data set's split.
///
/// | kind | folds |
/// |---|---|
/// | random | shuffled, of equal size within one row |
/// | group | whole groups, largest first into the smallest fold; fewer groups than `k` give fewer folds |
/// | time | `k + 1` stretches of blocks; the first has [`NO_FOLD`], stretch `i` is fold `i − 1` |
///
/// Which rows a fold's teacher learns from tells [`training_rows`]. Folds below two are taken as two.
#[must_use]
pub fn folds(data: &Dataset, rows: &[usize], k: usize, seed: u64) -> Vec<u32> {
    let k = k.max(2).min(rows.len().max(1));
    match (data.fold_kind, &data.blocks) {
        (FoldKind::Group, Some(blocks)) => group_folds(rows, blocks, k, seed),
        (FoldKind::Time, Some(blocks)) => time_folds(rows, blocks, k),
        _ => random_folds(rows.len(), k, seed),
    }
}

/// Number of folds in use.
#[must_use]
pub fn count(folds: &[u32]) -> usize {
    folds
        .iter()
        .filter(|fold| **fold != NO_FOLD)
        .max()
        .map_or(0, |last| *last as usize + 1)
}

/// Positions in `folds` that the teacher of one fold learns from: all others, or in time all earlier ones.
#[must_use]
pub fn training_rows(folds: &[u32], fold: u32, kind: FoldKind) -> Vec<usize> {
    let learns = |other: u32| match kind {
        FoldKind::Random | FoldKind::Group => other != fold,
        FoldKind::Time => other == NO_FOLD || other < fold,
    };
    (0..folds.len()).filter(|row| learns(folds[*row])).collect()
}

fn random_folds(rows: usize, k: usize, seed: u64) -> Vec<u32> {
    let mut folds: Vec<u32> = (0..rows).map(|row| (row % k) as u32).collect();
    folds.shuffle(&mut generator(seed, "folds", 0));
    folds
}

fn group_folds(rows: &[usize], blocks: &[u32], k: usize, seed: u64) -> Vec<u32> {
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    for row in rows {
        *sizes.entry(blocks[*row]).or_default() += 1;
    }
    let mut groups: Vec<(u32, usize)> = sizes.into_iter().collect();
    groups.shuffle(&mut generator(seed, "folds", 0));
    groups.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let mut filled = vec![0; k];
    let mut fold_of: BTreeMap<u32, u32> = BTreeMap::new();
    for (group, size) in groups {
        let smallest = (0..k).min_by_key(|fold| filled[*fold]).unwrap_or(0);
        filled[smallest] += size;
        fold_of.insert(group, smallest as u32);
    }
    rows.iter().map(|row| fold_of[&blocks[*row]]).collect()
}

fn time_folds(rows: &[usize], blocks: &[u32], k: usize) -> Vec<u32> {
    let mut ordered: Vec<usize> = (0..rows.len()).collect();
    ordered.sort_by_key(|index| blocks[rows[*index]]);
    let mut folds = vec![NO_FOLD; rows.len()];
    let mut before = 0;
    let mut stretches: Vec<u32> = Vec::new();
    for block in ordered.chunk_by(|a, b| blocks[rows[*a]] == blocks[rows[*b]]) {
        let stretch = (before * (k + 1) / rows.len()) as u32;
        if stretches.last() != Some(&stretch) {
            stretches.push(stretch);
        }
        // Numbered without gaps, should a block be longer than a stretch.
        let stretch = stretches.len() - 1;
        block.iter().for_each(|index| {
            folds[*index] = if stretch == 0 {
                NO_FOLD
            } else {
                stretch as u32 - 1
            }
        });
        before += block.len();
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_folds_are_balanced_and_seeded() {
        let folds = random_folds(103, 5, 1);
        for fold in 0..5 {
            let size = folds.iter().filter(|f| **f == fold).count();
            assert!(size == 20 || size == 21);
        }
        assert_eq!(folds, random_folds(103, 5, 1));
        assert_ne!(folds, random_folds(103, 5, 2));
        assert_eq!(training_rows(&[0, 1, 2, 1], 1, FoldKind::Random), [0, 2]);
    }

    #[test]
    fn groups_share_a_fold() {
        let blocks: Vec<u32> = (0..60).map(|row| row / 6).collect();
        let rows: Vec<usize> = (0..60).collect();
        let folds = group_folds(&rows, &blocks, 5, 0);
        assert!((0..60).all(|row| folds[row] == folds[row / 6 * 6]));
        assert!((0..5).all(|fold| folds.iter().filter(|f| **f == fold).count() == 12));
        assert_eq!(count(&group_folds(&rows, &[0_u32, 1].repeat(30), 5, 0)), 2);
    }

    #[test]
    fn folds_in_time_are_predicted_by_earlier_rows() {
        // Rows of the file in reverse time.
        let blocks: Vec<u32> = (0..60).map(|row| (59 - row) / 2).collect();
        let rows: Vec<usize> = (0..60).collect();
        let folds = time_folds(&rows, &blocks, 5);
        assert_eq!(count(&folds), 5);
        assert_eq!(folds.iter().filter(|fold| **fold == NO_FOLD).count(), 10);
        for fold in 0..5 {
            let first = (0..60)
                .filter(|row| folds[*row] == fold)
                .map(|row| blocks[row])
                .min()
                .unwrap();
            let learned = training_rows(&folds, fold, FoldKind::Time);
            assert!(!learned.is_empty() && learned.iter().all(|row| blocks[*row] < first));
        }
    }

    #[test]
    fn long_blocks_leave_no_empty_fold() {
        let rows: Vec<usize> = (0..10).collect();
        let folds = time_folds(&rows, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 2], 5);
        assert_eq!(folds[..8], [NO_FOLD; 8]);
        assert_eq!(folds[8..], [0, 1]);
    }
}
