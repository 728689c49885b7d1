//! The same rows, split again: other validation rows, so that trials are not chosen by the luck of a few dozen rows.

use crate::dataset::Dataset;
use crate::rng::generator;
use crate::split::{FoldKind, Split, Ties};

/// A further split has at least this many validation rows, unless rows are few.
const VALID_ROWS: usize = 150;
/// Of few rows, a quarter is enough.
const PART: usize = 4;

impl Dataset {
    /// At most `more` further data sets of the same rows, whose validation rows overlap neither each other nor those of this one.
    ///
    /// Each holds out as many rows as this one, but at least 150, or a quarter of the rows if that is less. Groups stay whole. Test rows stay
    /// the same.
    ///
    /// Returns none where validation rows were given, or where the split follows time: there only the last stretch is like the test rows.
    /// Returns fewer than `more` where training rows or groups run out.
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
        let wanted = self.split.valid.len().max(VALID_ROWS.min(learn.len() / PART));
        for turn in 0..more as u64 {
            let share = wanted as f64 / left.len() as f64;
            // As many rows have to be left to learn from as are held out.
            if share > 0.5 {
                break;
            }
            let Ok(valid) = ties.hold_out(&left, share, &mut generator(seed, "valid rows again", turn)) else { break };
            left.retain(|row| valid.binary_search(row).is_err());
            let train = learn.iter().copied().filter(|row| valid.binary_search(row).is_err()).collect();
            let mut other = self.clone();
            other.split = Split { train, valid, test: self.split.test.clone() };
            (other.summary.train, other.summary.valid) = (other.split.train.len(), other.split.valid.len());
            all.push(other);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, DataOptions, Table};

    fn data(options: DataOptions) -> Dataset {
        let number = |name: &str, step: usize| Column::number(name, (0..300).map(|i| ((i * step) % 97) as f64).collect());
        let group = Column::category("g", (0..300).map(|i| Some(["a", "b", "c", "d", "e", "f", "g", "h"][i / 40])));
        let columns = vec![number("x", 7), number("y", 13), number("t", 1), group];
        Dataset::from_table(Table { columns, rows: 300, ..Table::default() }, &options, None, 0).unwrap()
    }

    fn check(data: &Dataset, more: &[Dataset]) {
        let mut seen = data.split.valid.clone();
        for other in more {
            assert!(!other.split.valid.is_empty() && other.split.valid.iter().all(|row| !seen.contains(row)));
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
        // A quarter of the 240 rows to learn from.
        assert_eq!(more[0].split.valid.len(), 60);
        check(&data, &more);
        assert_eq!(more[1].split, data.resplits(2, 0)[1].split);
        assert_ne!(more[1].split, data.resplits(2, 1)[1].split);
        // Every row is held out once at most.
        check(&data, &data.resplits(100, 0));
    }

    #[test]
    fn groups_are_held_out_whole() {
        let data = data(DataOptions { group: Some("g".into()), ..DataOptions::for_target("y") });
        let more = data.resplits(2, 0);
        assert!(!more.is_empty());
        check(&data, &more);
        let blocks = data.blocks.as_ref().unwrap();
        for other in &more {
            assert!(other.split.train.iter().all(|row| other.split.valid.iter().all(|held| blocks[*held] != blocks[*row])));
        }
    }

    #[test]
    fn time_and_given_validation_rows_are_not_split_again() {
        assert!(data(DataOptions { time: Some("t".into()), ..DataOptions::for_target("y") }).resplits(2, 0).is_empty());
        let given = Dataset { valid_given: true, ..data(DataOptions::for_target("y")) };
        assert!(given.resplits(2, 0).is_empty());
    }
}
