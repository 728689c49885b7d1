//! Folds for out-of-fold predictions of teachers.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use crate::dataset::Dataset;
use crate::rng::generator;
use crate::split::FoldKind;
pub use crate::split::NO_FOLD;

/// Share of all blocks that is left out on each side of a held-out stretch of time.
const GAP: f64 = 0.01;

/// Folds of rows: which rows each fold's teacher predicts, and which it learns from.
///
/// | kind of split | rows of a fold | its teacher learns from |
/// |---|---|---|
/// | random | random rows; sizes differ by at most one row | all other rows |
/// | group | whole groups: the largest group first, each into the fold with the fewest rows; fewer groups than `k` give fewer folds | all other rows |
/// | time | a stretch of consecutive blocks | all other rows except the *gap*: on each side, 1 % of all blocks, rounded up, at most half a stretch; but at least as many blocks as a target reaches ahead ([`Dataset::overlap`]) |
///
/// A block is a short stretch of rows that are consecutive in time. Rows that are close in time resemble each other: without the gap, a teacher would
/// learn from rows that almost equal the rows that it predicts. The teacher of the last stretch of time learns from earlier rows only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folds {
    /// Fold of each row; [`NO_FOLD`] if no fold's teacher predicts it.
    pub of: Vec<u32>,
    /// Order of the rows in time; `None` if the folds are not stretches of time.
    time: Option<Time>,
}

/// Order of the rows in time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Time {
    /// Position of each row's block among all blocks, in order of time.
    place: Vec<usize>,
    /// Number of blocks in the gap on each side of a stretch.
    gap: usize,
}

impl Folds {
    /// Makes up to `k` folds of the given rows of the data set; its split decides the kind of the folds. A `k` below 2 counts as 2. The folds number
    /// these rows by their positions in `rows`.
    #[must_use]
    pub fn new(data: &Dataset, rows: &[usize], k: usize, seed: u64) -> Self {
        let k = k.max(2).min(rows.len().max(1));
        let blocks = |blocks: &[u32]| -> Vec<u32> { rows.iter().map(|&row| blocks[row]).collect() };
        match (data.fold_kind, &data.blocks) {
            (FoldKind::Group, Some(all)) => Self::grouped(&blocks(all), k, seed),
            (FoldKind::Time, Some(all)) => {
                let mut folds = Self::stretches(&blocks(all), k, seed);
                if let Some(time) = &mut folds.time {
                    time.gap = time.gap.max(data.overlap);
                }
                folds
            }
            _ => Self::random(rows.len(), k, seed),
        }
    }

    /// Makes `k` folds of random rows, whose sizes differ by at most one row. `rows` is the number of rows.
    #[must_use]
    pub fn random(rows: usize, k: usize, seed: u64) -> Self {
        let mut of: Vec<u32> = (0..rows).map(|row| (row % k.max(1)) as u32).collect();
        of.shuffle(&mut generator(seed, "folds", 0));
        Self { of, time: None }
    }

    /// Makes up to `k` folds of whole groups, from the group of each row.
    #[must_use]
    pub fn grouped(group: &[u32], k: usize, seed: u64) -> Self {
        let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
        for group in group {
            *sizes.entry(*group).or_default() += 1;
        }
        let mut groups: Vec<(u32, usize)> = sizes.into_iter().collect();
        groups.shuffle(&mut generator(seed, "folds", 0));
        groups.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let mut filled = vec![0; k.max(1)];
        let mut fold_of: BTreeMap<u32, u32> = BTreeMap::new();
        for (group, size) in groups {
            let smallest = (0..filled.len())
                .min_by_key(|&fold| filled[fold])
                .unwrap_or(0);
            filled[smallest] += size;
            fold_of.insert(group, smallest as u32);
        }
        Self {
            of: group.iter().map(|group| fold_of[group]).collect(),
            time: None,
        }
    }

    /// Makes up to `k` folds that are stretches of time, from the block of each row; blocks are numbered in order of time.
    ///
    /// The folds are random if all rows lie in one block (they have no order in time then), or if one stretch would contain all rows.
    #[must_use]
    pub fn stretches(block: &[u32], k: usize, seed: u64) -> Self {
        let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
        for block in block {
            *sizes.entry(*block).or_default() += 1;
        }
        if sizes.len() < 2 {
            return Self::random(block.len(), k, seed);
        }
        let (mut before, mut stretches) = (0, Vec::new());
        let mut fold_and_place: BTreeMap<u32, (u32, usize)> = BTreeMap::new();
        for (place, (&block_id, &size)) in sizes.iter().enumerate() {
            let stretch = before * k.max(2) / block.len();
            // Fold numbers stay consecutive, even if a block is longer than a stretch.
            if stretches.last() != Some(&stretch) {
                stretches.push(stretch);
            }
            fold_and_place.insert(block_id, (stretches.len() as u32 - 1, place));
            before += size;
        }
        let gap = gap(sizes.len(), stretches.len());
        let (of, place): (Vec<u32>, Vec<usize>) =
            block.iter().map(|block| fold_and_place[block]).unzip();
        if of.iter().all(|&fold| fold == 0) {
            return Self::random(block.len(), k, seed);
        }
        Self {
            of,
            time: Some(Time { place, gap }),
        }
    }

    /// Number of folds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.of
            .iter()
            .filter(|fold| **fold != NO_FOLD)
            .max()
            .map_or(0, |last| *last as usize + 1)
    }

    /// True if the folds are stretches of time.
    #[must_use]
    pub fn follow_time(&self) -> bool {
        self.time.is_some()
    }

    /// The folds whose errors are used to choose between models. These are all folds. If the folds are stretches of time, this is only the last fold,
    /// because a student predicts rows that are later than its training rows.
    #[must_use]
    pub fn judges(&self) -> Vec<u32> {
        let count = self.count() as u32;
        if self.follow_time() {
            (count.saturating_sub(1)..count).collect()
        } else {
            (0..count).collect()
        }
    }

    /// Rows that the teacher of a fold learns from.
    #[must_use]
    pub fn training_rows(&self, fold: u32) -> Vec<usize> {
        let near = self.time.as_ref().map(|time| {
            let held = || {
                (0..self.of.len())
                    .filter(|&row| self.of[row] == fold)
                    .map(|row| time.place[row])
            };
            let (first, last) = (held().min().unwrap_or(0), held().max().unwrap_or(0));
            move |row: usize| {
                (first.saturating_sub(time.gap)..=last + time.gap).contains(&time.place[row])
            }
        });
        (0..self.of.len())
            .filter(|&row| self.of[row] != fold && !near.as_ref().is_some_and(|near| near(row)))
            .collect()
    }

    /// Rows that the teacher of a fold predicts.
    #[must_use]
    pub fn held_rows(&self, fold: u32) -> Vec<usize> {
        (0..self.of.len())
            .filter(|&row| self.of[row] == fold)
            .collect()
    }
}

/// Number of blocks in the gap on each side of a stretch: 1 % of all blocks, rounded up, but at most half the blocks of an average stretch. It is 0
/// if stretches have fewer than two blocks on average.
fn gap(blocks: usize, stretches: usize) -> usize {
    let most = blocks / (2 * stretches.max(1));
    ((GAP * blocks as f64).ceil() as usize).max(1).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_folds_are_balanced_and_seeded() {
        let folds = Folds::random(103, 5, 1);
        for fold in 0..5 {
            let size = folds.held_rows(fold).len();
            assert!(size == 20 || size == 21);
        }
        assert_eq!(folds, Folds::random(103, 5, 1));
        assert_ne!(folds, Folds::random(103, 5, 2));
        let four = Folds {
            of: vec![0, 1, 2, 1],
            time: None,
        };
        assert_eq!(
            (four.training_rows(1), four.held_rows(1)),
            (vec![0, 2], vec![1, 3])
        );
        assert_eq!(four.judges(), [0, 1, 2]);
    }

    #[test]
    fn groups_share_a_fold() {
        let groups: Vec<u32> = (0..60).map(|row| row / 6).collect();
        let folds = Folds::grouped(&groups, 5, 0);
        assert!((0..60).all(|row| folds.of[row] == folds.of[row / 6 * 6]));
        assert!((0..5).all(|fold| folds.held_rows(fold).len() == 12));
        assert_eq!(Folds::grouped(&[0_u32, 1].repeat(30), 5, 0).count(), 2);
    }

    #[test]
    fn training_rows_exclude_the_gap() {
        // 200 blocks of two rows; the rows of the file are in reverse order of time.
        let blocks: Vec<u32> = (0..400).map(|row| (399 - row) / 2).collect();
        let folds = Folds::stretches(&blocks, 5, 0);
        assert_eq!((folds.count(), folds.judges()), (5, vec![4]));
        for fold in 0..5 {
            let held: Vec<u32> = folds
                .held_rows(fold)
                .into_iter()
                .map(|row| blocks[row])
                .collect();
            let (first, last) = (*held.iter().min().unwrap(), *held.iter().max().unwrap());
            assert_eq!((held.len(), first, last), (80, 40 * fold, 40 * fold + 39));
            let learned: Vec<u32> = folds
                .training_rows(fold)
                .into_iter()
                .map(|row| blocks[row])
                .collect();
            // Two blocks on each side, which is 1 % of all blocks.
            assert!(
                learned
                    .iter()
                    .all(|&block| block + 2 < first || block > last + 2),
                "{fold}"
            );
            let sides = if fold == 0 || fold == 4 { 1 } else { 2 };
            assert_eq!(learned.len(), 320 - 4 * sides);
        }
        let last = folds.training_rows(4);
        assert!(last.iter().all(|&row| blocks[row] < 158));
    }

    #[test]
    fn long_blocks_leave_no_empty_fold() {
        let folds = Folds::stretches(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2], 5, 0);
        assert_eq!(folds.of[..8], [0; 8]);
        assert_eq!(folds.of[8..], [1, 1]);
        assert!((0..2).all(|fold| !folds.training_rows(fold).is_empty()));
    }

    #[test]
    fn rows_of_one_block_get_random_folds() {
        let folds = Folds::stretches(&[7; 10], 5, 0);
        assert_eq!((folds.count(), folds.follow_time()), (5, false));
    }
}
