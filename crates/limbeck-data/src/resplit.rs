//! Makes further splits of the same rows.
//!
//! With few validation rows, chance can decide which hyperparameters are best on them. Several splits with different validation rows reduce this.
//! Splits with other test rows allow repeating a whole run.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::folds::Folds;
use crate::rng::generator;
use crate::split::{FoldKind, Split, Ties};

/// A further split has at least this many validation rows; or, in a data set with few rows, 1 / `PART` of the training and validation rows.
const VALID_ROWS: usize = 150;
/// In a data set with few rows, a further split has 1 / `PART` (a quarter) of the training and validation rows as its validation rows, even if these
/// are fewer than `VALID_ROWS`.
const PART: usize = 4;

impl Dataset {
    /// At most `more` further data sets with the same rows and other validation rows. Each row is a validation row of at most one data set; this
    /// counts the present data set, too.
    ///
    /// Each has about as many validation rows as this data set, but at least about 150. If a quarter of the training and validation rows is less than
    /// 150, this quarter replaces the 150. Groups stay whole. Test rows stay the same.
    ///
    /// Returns an empty list if the validation rows were given by the user. Also returns an empty list if the split follows time: then only the last
    /// stretch resembles the test rows. Returns fewer than `more` data sets if there are not enough training rows or groups.
    #[must_use]
    pub fn resplits(&self, more: usize, seed: u64) -> Vec<Self> {
        let mut all = Vec::new();
        if self.valid_given || self.fold_kind == FoldKind::Time {
            return all;
        }
        let learn = self.split.train_valid();
        let ties = match (&self.blocks, self.fold_kind) {
            (Some(blocks), FoldKind::Group) => Ties::Group(blocks),
            _ => Ties::None,
        };
        let mut left = self.split.train.clone();
        let wanted = self
            .split
            .valid
            .len()
            .max(VALID_ROWS.min(learn.len() / PART));
        for turn in 0..more as u64 {
            let share = wanted as f64 / left.len() as f64;
            // The rows that remain must be at least as many as the rows held out.
            if share > 0.5 {
                break;
            }
            let Ok(valid) =
                ties.hold_out(&left, share, &mut generator(seed, "valid rows again", turn))
            else {
                break;
            };
            left.retain(|row| valid.binary_search(row).is_err());
            let train = learn
                .iter()
                .copied()
                .filter(|row| valid.binary_search(row).is_err())
                .collect();
            let mut other = self.clone();
            other.split = Split {
                train,
                valid,
                test: self.split.test.clone(),
            };
            (other.summary.train, other.summary.valid) =
                (other.split.train.len(), other.split.valid.len());
            all.push(other);
        }
        all
    }

    /// `folds` data sets with the same rows, each with other test rows.
    ///
    /// The test rows are random rows, whole groups, or, if the split follows time, a stretch of the later half of the rows. Together, the folds
    /// test each row once; with time, each row of the later half. With time, only rows before the stretch are training and validation rows.
    ///
    /// Validation rows are drawn anew. Of the training and validation rows together, the share of validation rows is about the same as in this data
    /// set.
    ///
    /// # Errors
    ///
    /// [`Error::Split`] if there are fewer rows, groups or stretches of time than folds.
    pub fn outer_folds(&self, folds: usize, seed: u64) -> Result<Vec<Self>> {
        let Split { train, valid, test } = &self.split;
        let mut all = [&self.split.train_valid()[..], test].concat();
        all.sort_unstable();
        let blocks = self.blocks.as_deref().unwrap_or(&[]);
        let tested = self.outer_parts(&all, folds, seed)?;
        let share = valid.len() as f64 / (train.len() + valid.len()) as f64;
        let times: Vec<i64> = blocks.iter().map(|&block| i64::from(block)).collect();
        // Targets of rows just before the test rows lie in the test rows, if later rows are predicted.
        let reach = self.overlap as i64;
        let one = |(turn, test): (u64, Vec<usize>)| {
            let first = test.iter().filter_map(|&row| times.get(row)).min();
            let is_learned = |row: usize| match self.fold_kind {
                FoldKind::Time => first.is_none_or(|&first| times[row] + reach < first),
                _ => test.binary_search(&row).is_err(),
            };
            let learn: Vec<usize> = all.iter().copied().filter(|&row| is_learned(row)).collect();
            let ties = match self.fold_kind {
                FoldKind::Random => Ties::None,
                FoldKind::Group => Ties::Group(blocks),
                FoldKind::Time => Ties::Time(&times),
            };
            let valid = ties.hold_out(
                &learn,
                share,
                &mut generator(seed, "outer valid rows", turn),
            )?;
            let train = learn
                .into_iter()
                .filter(|row| valid.binary_search(row).is_err())
                .collect();
            let train = self.before(train, &valid)?;
            let mut other = self.clone();
            other.split = Split { train, valid, test };
            other.valid_given = false;
            (other.summary.train, other.summary.valid, other.summary.test) = (
                other.split.train.len(),
                other.split.valid.len(),
                other.split.test.len(),
            );
            Ok(other)
        };
        (0..).zip(tested).map(one).collect()
    }

    /// The rows among `train` whose target is known before the first row of `held`, if the split follows time and later rows are predicted; otherwise all
    /// of them.
    ///
    /// # Errors
    ///
    /// [`Error::Split`] if no row is left.
    pub(crate) fn before(&self, train: Vec<usize>, held: &[usize]) -> Result<Vec<usize>> {
        let blocks = self.blocks.as_deref().unwrap_or(&[]);
        let first = held.iter().filter_map(|&row| blocks.get(row)).min();
        let (FoldKind::Time, Some(&first), 1..) = (self.fold_kind, first, self.overlap) else {
            return Ok(train);
        };
        let is_known = |&row: &usize| (blocks[row] as usize) + self.overlap < first as usize;
        let left: Vec<usize> = train.into_iter().filter(is_known).collect();
        match left.is_empty() {
            true => Err(Error::Split {
                message: "the horizon is so long that the targets of all training rows lie in held-out rows; use a shorter horizon, or add rows".to_owned(),
            }),
            false => Ok(left),
        }
    }

    /// The test rows of each outer fold, ascending.
    fn outer_parts(&self, all: &[usize], folds: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
        let blocks = |rows: &[usize]| self.blocks_of(rows).unwrap_or_default();
        let (rows, found, what) = match self.fold_kind {
            FoldKind::Random => (all.to_vec(), Folds::random(all.len(), folds, seed), "rows"),
            FoldKind::Group => (
                all.to_vec(),
                Folds::grouped(&blocks(all), folds, seed),
                "groups",
            ),
            FoldKind::Time => {
                let mut known = blocks(all);
                known.sort_unstable();
                known.dedup();
                let from = known.get(known.len() / 2).copied().unwrap_or(0);
                let later: Vec<usize> = all
                    .iter()
                    .copied()
                    .zip(blocks(all))
                    .filter(|(_, block)| *block >= from)
                    .map(|(row, _)| row)
                    .collect();
                let found = Folds::stretches(&blocks(&later), folds, seed);
                (later, found, "stretches of time")
            }
        };
        let is_random = self.fold_kind == FoldKind::Time && !found.follow_time();
        let count = if is_random { 1 } else { found.count() };
        if count < folds {
            let message = format!(
                "{folds} outer folds need at least {folds} {what} to test on, found {count}; use fewer outer folds"
            );
            return Err(Error::Split { message });
        }
        Ok((0..folds as u32)
            .map(|fold| {
                found
                    .held_rows(fold)
                    .into_iter()
                    .map(|at| rows[at])
                    .collect()
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, DataOptions, Table};

    fn data(options: DataOptions) -> Dataset {
        let number = |name: &str, step: usize| {
            Column::number(name, (0..300).map(|i| ((i * step) % 97) as f64).collect())
        };
        let group = Column::category(
            "g",
            (0..300).map(|i| Some(["a", "b", "c", "d", "e", "f", "g", "h"][i / 40])),
        );
        let columns = vec![number("x", 7), number("y", 13), number("t", 1), group];
        Dataset::from_table(
            Table {
                columns,
                rows: 300,
                ..Table::default()
            },
            &options,
            None,
            0,
        )
        .unwrap()
    }

    fn check(data: &Dataset, more: &[Dataset]) {
        let mut seen = data.split.valid.clone();
        for other in more {
            assert!(
                !other.split.valid.is_empty()
                    && other.split.valid.iter().all(|row| !seen.contains(row))
            );
            assert_eq!(other.split.train_valid(), data.split.train_valid());
            assert_eq!(other.split.test, data.split.test);
            seen.extend(&other.split.valid);
        }
    }

    #[test]
    fn validation_rows_of_resplits_do_not_overlap() {
        let data = data(DataOptions::for_target("y"));
        let more = data.resplits(2, 0);
        assert_eq!(more.len(), 2);
        // A quarter of the 240 training and validation rows.
        assert_eq!(more[0].split.valid.len(), 60);
        check(&data, &more);
        assert_eq!(more[1].split, data.resplits(2, 0)[1].split);
        assert_ne!(more[1].split, data.resplits(2, 1)[1].split);
        // Every row is a validation row at most once.
        check(&data, &data.resplits(100, 0));
    }

    #[test]
    fn groups_are_held_out_whole() {
        let data = data(DataOptions {
            group: Some("g".into()),
            ..DataOptions::for_target("y")
        });
        let more = data.resplits(2, 0);
        assert!(!more.is_empty());
        check(&data, &more);
        let blocks = data.blocks.as_ref().unwrap();
        for other in &more {
            assert!(other.split.train.iter().all(|row| {
                other
                    .split
                    .valid
                    .iter()
                    .all(|held| blocks[*held] != blocks[*row])
            }));
        }
    }

    /// All test rows of the folds, in order.
    fn tested(folds: &[Dataset]) -> Vec<usize> {
        let mut all: Vec<usize> = folds
            .iter()
            .flat_map(|fold| fold.split.test.clone())
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn outer_folds_test_each_row_once() {
        let data = data(DataOptions::for_target("y"));
        let folds = data.outer_folds(5, 3).unwrap();
        assert_eq!(tested(&folds), (0..300).collect::<Vec<_>>());
        for fold in &folds {
            let Split { train, valid, test } = &fold.split;
            assert_eq!(
                (test.len(), train.len() + valid.len(), fold.summary.test),
                (60, 240, 60)
            );
            assert!(
                fold.split
                    .train_valid()
                    .iter()
                    .all(|row| test.binary_search(row).is_err())
            );
            // The share of validation rows is the same as in the data set itself.
            assert!(
                (valid.len() as f64 / 240.0
                    - data.split.valid.len() as f64 / data.split.train_valid().len() as f64)
                    .abs()
                    < 0.01
            );
        }
        assert_ne!(folds[0].split, data.outer_folds(5, 4).unwrap()[0].split);
        assert!(
            data.outer_folds(301, 3)
                .unwrap_err()
                .to_string()
                .contains("at least 301 rows to test on, found 300")
        );
    }

    #[test]
    fn outer_folds_keep_groups_whole() {
        let data = data(DataOptions {
            group: Some("g".into()),
            ..DataOptions::for_target("y")
        });
        let folds = data.outer_folds(4, 3).unwrap();
        assert_eq!(tested(&folds), (0..300).collect::<Vec<_>>());
        let blocks = data.blocks.as_ref().unwrap();
        for fold in &folds {
            assert!(fold.split.train_valid().iter().all(|row| {
                fold.split
                    .test
                    .iter()
                    .all(|held| blocks[*held] != blocks[*row])
            }));
        }
        assert!(
            data.outer_folds(9, 3)
                .unwrap_err()
                .to_string()
                .contains("at least 9 groups to test on, found 8; use fewer outer folds")
        );
    }

    #[test]
    fn outer_folds_by_time_learn_only_from_earlier_rows() {
        let data = data(DataOptions {
            time: Some("t".into()),
            ..DataOptions::for_target("y")
        });
        let folds = data.outer_folds(3, 0).unwrap();
        let blocks = data.blocks.as_ref().unwrap();
        for fold in &folds {
            let first = fold
                .split
                .test
                .iter()
                .map(|&row| blocks[row])
                .min()
                .unwrap();
            assert!(
                fold.split
                    .train_valid()
                    .iter()
                    .all(|&row| blocks[row] < first)
            );
            // The training and validation rows contain most of the earlier half of the rows.
            assert!(
                fold.split.train_valid().len() >= 120,
                "{}",
                fold.split.train_valid().len()
            );
        }
        assert!(
            folds[0]
                .split
                .test
                .iter()
                .all(|row| folds[1].split.train_valid().contains(row))
        );
    }

    #[test]
    fn time_and_given_validation_rows_are_not_split_again() {
        assert!(
            data(DataOptions {
                time: Some("t".into()),
                ..DataOptions::for_target("y")
            })
            .resplits(2, 0)
            .is_empty()
        );
        let given = Dataset {
            valid_given: true,
            ..data(DataOptions::for_target("y"))
        };
        assert!(given.resplits(2, 0).is_empty());
    }
}
