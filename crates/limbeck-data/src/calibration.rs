//! Rows that calibrate prediction intervals: they train nothing and choose nothing.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::figures::counted;
use crate::rng::generator;
use crate::split::{FoldKind, Split, Ties};

/// Default share of the training and validation rows that calibrates.
pub const CALIBRATION_SHARE: f64 = 0.15;
/// At least this many rows calibrate, if they are drawn by the default share: then the coverage varies by 3 % at 90 %.
const LEAST_ROWS: usize = 100;
/// At most this many independent rows calibrate, if they are drawn by the default share: more would hardly change the intervals.
const MOST_ROWS: usize = 5000;
/// At most this share of the rows calibrates, if it is not given.
const MOST_SHARE: f64 = 0.25;

impl Dataset {
    /// Number of independent rows among the training and validation rows: the number of groups, if rows of a group belong together, else of rows.
    #[must_use]
    pub fn calibration_units(&self) -> usize {
        let learn = self.split.train_valid();
        match self.group_blocks() {
            None => learn.len(),
            Some(_) => self.count_groups(&learn),
        }
    }

    /// The share of the training and validation rows that calibrates, if no share is given: 15 %, but at least 100 rows and at most 5000 (if rows are
    /// independent), and enough for `needed` independent rows or groups. `None` if this is more than a quarter of the rows; then there are too few rows
    /// to hold any out.
    #[must_use]
    pub fn calibration_share(&self, needed: usize) -> Option<f64> {
        let rows = self.split.train_valid().len() as f64;
        let units = self.calibration_units() as f64;
        let independent = self.fold_kind == FoldKind::Random;
        let most = if independent {
            MOST_ROWS as f64 / rows
        } else {
            1.0
        };
        let least = (LEAST_ROWS as f64 / rows).max(needed as f64 / units);
        let share = CALIBRATION_SHARE.min(most).max(least);
        (share <= MOST_SHARE).then_some(share)
    }

    /// Takes about `share` of the training and validation rows out of the data set, to calibrate prediction intervals. Returns the data set without
    /// them, and these rows.
    ///
    /// | kind of split | rows that are taken out |
    /// |---|---|
    /// | random | random training rows |
    /// | group | whole groups of training rows |
    /// | time | the last stretch before the test rows; the validation rows are then the last rows before that stretch |
    ///
    /// With a split by time, rows whose target lies in the held-out rows are left out as well.
    ///
    /// # Errors
    ///
    /// [`Error::Split`] if no training row is left, or if no row with a weight above 0 calibrates.
    pub fn hold_out_calibration(&self, share: f64, seed: u64) -> Result<(Self, Vec<usize>)> {
        let rng = &mut generator(seed, "calibration rows", 0);
        let learn = self.split.train_valid();
        let wanted = (share * learn.len() as f64).ceil();
        let (held, split) = match (self.fold_kind, &self.blocks) {
            (FoldKind::Time, Some(blocks)) => {
                let times: Vec<i64> = blocks.iter().map(|&block| i64::from(block)).collect();
                let ties = Ties::Time(&times);
                let held = ties.hold_out(&learn, share, rng)?;
                let rest = self.before(without(&learn, &held), &held)?;
                let mut valid = without(&self.split.valid, &without(&self.split.valid, &rest));
                // Most of the given validation rows may calibrate now; then they are replaced.
                if !self.valid_given || 2 * valid.len() < self.split.valid.len() {
                    let share = self.split.valid.len() as f64 / learn.len() as f64;
                    valid = ties.hold_out(&rest, share, rng)?;
                }
                let train = self.before(without(&rest, &valid), &valid)?;
                (held, (train, valid))
            }
            (kind, blocks) => {
                let ties = match (kind, blocks) {
                    (FoldKind::Group, Some(blocks)) => Ties::Group(blocks),
                    _ => Ties::None,
                };
                let train = &self.split.train;
                if wanted >= train.len() as f64 {
                    return Err(Error::Split {
                        message: format!(
                            "a share of {share} of {} to learn from is {wanted} rows for calibration, but only {} are training rows; use a smaller `calibration_share`",
                            counted(learn.len(), "row"),
                            train.len()
                        ),
                    });
                }
                let held = ties.hold_out(train, wanted / train.len() as f64, rng)?;
                let rest = without(train, &held);
                (held, (rest, self.split.valid.clone()))
            }
        };
        let held: Vec<usize> = held
            .into_iter()
            .filter(|&row| self.weight[row] > 0.0)
            .collect();
        let (train, valid) = split;
        if train.is_empty() || held.is_empty() {
            let found = counted(learn.len(), "training and validation row");
            return Err(Error::Split {
                message: format!(
                    "{found} cannot be divided into rows to learn from and rows to calibrate prediction intervals; add rows, or leave out the option `interval`"
                ),
            });
        }
        Ok((self.with_split(train, valid, self.split.test.clone()), held))
    }

    /// `folds` data sets of the training and validation rows alone. Together, their test rows are these rows, each once; with a split by time, the
    /// later half of these rows.
    ///
    /// # Errors
    ///
    /// The errors of [`outer_folds`](Self::outer_folds).
    pub fn calibration_folds(&self, folds: usize, seed: u64) -> Result<Vec<Self>> {
        let Split { train, valid, .. } = self.split.clone();
        self.with_split(train, valid, Vec::new())
            .outer_folds(folds, seed)
    }

    fn with_split(&self, train: Vec<usize>, valid: Vec<usize>, test: Vec<usize>) -> Self {
        let mut other = self.clone();
        other.split = Split { train, valid, test };
        (other.summary.train, other.summary.valid) =
            (other.split.train.len(), other.split.valid.len());
        other
    }

    /// The group of each row, if rows of a group belong together.
    #[must_use]
    pub fn group_blocks(&self) -> Option<&[u32]> {
        match self.fold_kind {
            FoldKind::Group => self.blocks.as_deref(),
            FoldKind::Random | FoldKind::Time => None,
        }
    }

    /// Number of groups (blocks) of the given rows.
    fn count_groups(&self, rows: &[usize]) -> usize {
        let mut groups = self.blocks_of(rows).unwrap_or_default();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }
}

/// The rows that are not in `held`; both lists are ascending.
fn without(rows: &[usize], held: &[usize]) -> Vec<usize> {
    let is_left = |row: &usize| held.binary_search(row).is_err();
    rows.iter().copied().filter(is_left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, DataOptions, Table};

    fn data(rows: usize, change: impl FnOnce(&mut DataOptions)) -> Dataset {
        let number = |name: &str, step: usize| {
            Column::number(name, (0..rows).map(|i| ((i * step) % 997) as f64).collect())
        };
        let groups: Vec<String> = (0..rows).map(|i| format!("g{}", i / 20)).collect();
        let group = Column::category("g", groups.iter().map(|name| Some(name.as_str())));
        let time = Column::number("t", (0..rows).map(|i| i as f64).collect());
        let table = Table {
            columns: vec![number("x", 7), number("y", 13), time, group],
            rows,
            ..Table::default()
        };
        let mut options = DataOptions::for_target("y");
        change(&mut options);
        Dataset::from_table(table, &options, None, 0).unwrap()
    }

    fn check(data: &Dataset, share: f64) -> (Dataset, Vec<usize>) {
        let (rest, held) = data.hold_out_calibration(share, 1).unwrap();
        let mut all = [&rest.split.train_valid()[..], &held].concat();
        all.sort_unstable();
        assert_eq!(all, data.split.train_valid());
        assert_eq!(rest.split.test, data.split.test);
        assert_eq!(rest.summary.train, rest.split.train.len());
        (rest, held)
    }

    #[test]
    fn random_rows_calibrate_and_validation_rows_stay() {
        let data = data(1000, |_| ());
        let share = data.calibration_share(9).unwrap();
        let (rest, held) = check(&data, share);
        // 15 % of 800 rows.
        assert_eq!((share, held.len()), (0.15, 120));
        assert_eq!(rest.split.valid, data.split.valid);
        assert_ne!(data.hold_out_calibration(share, 2).unwrap().1, held);
    }

    #[test]
    fn whole_groups_calibrate() {
        let data = data(1000, |options| options.group = Some("g".into()));
        assert_eq!(data.calibration_units(), 40);
        // 9 of 40 groups are needed for 90 %, which is more than 15 %.
        let share = data.calibration_share(9).unwrap();
        let (rest, held) = check(&data, share);
        assert!((share - 0.225).abs() < 1e-9 && held.len() == 180, "{share}");
        let blocks = data.blocks.as_ref().unwrap();
        let learned = rest.split.train_valid();
        assert!(
            held.iter()
                .all(|&row| learned.iter().all(|&other| blocks[other] != blocks[row]))
        );
        // 19 groups would be half of them.
        assert_eq!(data.calibration_share(19), None);
    }

    #[test]
    fn last_rows_before_the_test_rows_calibrate() {
        let data = data(1000, |options| options.time = Some("t".into()));
        let (rest, held) = check(&data, 0.15);
        let last = |rows: &[usize]| rows.iter().copied().max().unwrap();
        let first = |rows: &[usize]| rows.iter().copied().min().unwrap();
        let Split { train, valid, test } = &rest.split;
        assert!(last(train) < first(valid) && last(valid) < first(&held));
        assert!(
            last(&held) < first(test) && held.len() >= 120,
            "{}",
            held.len()
        );
    }

    #[test]
    fn few_rows_hold_out_none() {
        assert_eq!(data(400, |_| ()).calibration_share(9), None);
        // 320 rows are learned from: more than a quarter would be 100 rows.
        assert!(data(600, |_| ()).calibration_share(9).is_some());
    }

    #[test]
    fn folds_test_each_learned_row_once() {
        let data = data(300, |_| ());
        let folds = data.calibration_folds(5, 0).unwrap();
        let mut tested: Vec<usize> = folds
            .iter()
            .flat_map(|one| one.split.test.clone())
            .collect();
        tested.sort_unstable();
        assert_eq!(tested, data.split.train_valid());
        let test = &data.split.test;
        let learned = folds.iter().flat_map(|one| one.split.train_valid());
        assert!(
            learned
                .into_iter()
                .all(|row| test.binary_search(&row).is_err())
        );
    }
}
