//! Counts category values that a student does not know and therefore reads as missing.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use limbeck_data::figures::grouped;
use limbeck_data::{FeatureValues, Features, MISSING};
use limbeck_runtime::{Encoding, Student};

/// Maximum number of texts that a warning quotes for each column.
const SHOWN: usize = 3;

/// Counts the category values that a student does not know. The table is read in blocks.
pub(crate) struct Unseen {
    columns: Vec<Column>,
    found: Mutex<Vec<Found>>,
}

/// A category column of the student.
struct Column {
    name: String,
    /// Index among the student's features.
    at: usize,
    known: HashSet<String>,
    /// True if the student's encoder has one output for all rare categories together. Then a text that the encoder does not know may be a rare
    /// category, so it may have been in the training table.
    has_rare: bool,
}

/// What was counted in one category column of the table.
#[derive(Clone, Default)]
struct Found {
    /// Number of values that are not missing.
    values: usize,
    unseen: usize,
    /// The first few unknown texts in alphabetical order, so that they do not depend on the order of the blocks.
    texts: BTreeSet<String>,
}

impl Unseen {
    pub(crate) fn of(student: &Student) -> Self {
        let columns = student.encoder.columns.iter().enumerate();
        let columns = columns.filter_map(|(at, column)| {
            let (levels, has_rare) = match &column.encoding {
                Encoding::OneHot { levels, other } => (levels, *other),
                Encoding::Ordinal { levels } => (levels, false),
                Encoding::Number { .. } | Encoding::Hashed { .. } => return None,
            };
            Some(Column {
                name: column.name.clone(),
                at,
                known: levels.iter().cloned().collect(),
                has_rare,
            })
        });
        let columns: Vec<Column> = columns.collect();
        Self {
            found: Mutex::new(vec![Found::default(); columns.len()]),
            columns,
        }
    }

    /// Counts the values of a block of rows.
    pub(crate) fn count(&self, features: &Features) {
        for (index, column) in self.columns.iter().enumerate() {
            let FeatureValues::Category { codes, levels } = &features.columns[column.at].values
            else {
                continue;
            };
            let mut counts = vec![0; levels.len()];
            for code in codes.iter().filter(|code| **code != MISSING) {
                counts[*code as usize] += 1;
            }
            let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            for (level, count) in levels.iter().zip(counts).filter(|(_, count)| *count > 0) {
                all[index].add(level, count, column.known.contains(level));
            }
        }
    }

    /// The name of each column with values that the student does not know, and a message about them. If an unknown text may be a rare category of the
    /// training table, there is a message only if the student knows none of the column's values.
    pub(crate) fn messages(&self) -> Vec<(String, String)> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let both = self.columns.iter().zip(found.iter());
        both.filter_map(|(column, found)| Some((column.name.clone(), column.message(found)?)))
            .collect()
    }
}

impl Found {
    fn add(&mut self, level: &str, count: usize, is_known: bool) {
        self.values += count;
        if is_known {
            return;
        }
        self.unseen += count;
        self.texts.insert(level.to_owned());
        if self.texts.len() > SHOWN {
            self.texts.pop_last();
        }
    }
}

impl Column {
    fn message(&self, found: &Found) -> Option<String> {
        if found.unseen == 0 || (self.has_rare && found.unseen < found.values) {
            return None;
        }
        let texts: Vec<String> = found.texts.iter().map(|text| format!("`{text}`")).collect();
        let what = match self.has_rare {
            true => "are not among the categories that the student knows",
            false => "were never seen in training",
        };
        Some(format!(
            "{} of {} values {what}, such as {}; they are read as missing",
            grouped(found.unseen),
            grouped(found.values),
            texts.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unseen_values_are_counted_and_rare_levels_are_no_reason() {
        let column = |has_rare: bool| Column {
            name: "city".into(),
            at: 0,
            known: ["Ulm".to_owned()].into(),
            has_rare,
        };
        let mut found = Found::default();
        for (level, count) in [("d", 1), ("c", 2), ("b", 1000), ("a", 4)] {
            found.add(level, count, false);
        }
        let all = "1 007 of 1 007 values were never seen in training, such as `a`, `b`, `c`; they are read as missing";
        assert_eq!(column(false).message(&found).as_deref(), Some(all));
        assert!(
            column(true).message(&found).is_some_and(
                |text| text.contains("not among the categories that the student knows")
            )
        );
        found.add("Ulm", 1, true);
        assert!(
            column(false)
                .message(&found)
                .is_some_and(|text| text.contains("1 007 of 1 008 values"))
        );
        assert_eq!(column(true).message(&found), None);
        assert_eq!(column(false).message(&Found::default()), None);
    }
}
