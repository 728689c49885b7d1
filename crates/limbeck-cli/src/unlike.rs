//! Warns of values in a table that are unlike the rows that a student learned from: numbers outside the training range, and unknown categories.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use limbeck_data::Features;
use limbeck_data::ranges::Outside;

use crate::output::warn;
use crate::render::counted;
use crate::source::Source;
use crate::unseen::Unseen;

/// Maximum number of columns that a warning lists.
const LISTED: usize = 8;

/// Counts values that are unlike the rows that students learned from. The table is read in blocks; there is one count for each student.
pub(crate) struct Unlike<'a> {
    sources: &'a [Source],
    outside: Mutex<Vec<Vec<Outside>>>,
    unseen: Vec<Unseen>,
}

impl<'a> Unlike<'a> {
    /// Starts with counts of 0. Each source is one student.
    pub(crate) fn new(sources: &'a [Source]) -> Self {
        let start = sources.iter().map(|source| source.watch.start()).collect();
        Self {
            sources,
            outside: Mutex::new(start),
            unseen: sources
                .iter()
                .map(|source| Unseen::of(&source.student))
                .collect(),
        }
    }

    /// Counts the values of a block of rows, for the student at index `at` among the sources.
    pub(crate) fn add(&self, at: usize, features: &Features) {
        self.unseen[at].count(features);
        let new = self.sources[at].watch.count(features);
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        let both = outside[at].iter_mut().zip(&new);
        both.for_each(|(all, new)| all.add(new));
    }

    /// Prints one warning that lists the columns with values unlike those that the students learned from; prints nothing if there are none.
    pub(crate) fn tell(&self) {
        let lines = self.lines();
        if lines.is_empty() {
            return;
        }
        let shown = lines.iter().take(LISTED).cloned().collect::<String>();
        let more = match lines.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!("\n  and {}", counted(more, "more column")),
        };
        warn(&format!(
            "some values are unlike those in the training rows, so predictions may be wrong:{shown}{more}"
        ));
    }

    /// A line for each column with values unlike those that the students learned from. A column that several students read is listed once.
    fn lines(&self) -> Vec<String> {
        let outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = self.sources.iter().zip(outside.iter());
        let numbers = numbers.flat_map(|(source, counts)| {
            let messages = source.watch.messages(counts);
            messages.into_iter().map(|(column, message)| {
                let note = match source.is_normalized(&column) {
                    true => ", in numbers normalized by operating regime",
                    false => "",
                };
                (column, message + note)
            })
        });
        let categories = self.unseen.iter().flat_map(Unseen::messages);
        let mut seen = BTreeSet::new();
        numbers
            .chain(categories)
            .filter(|(column, _)| seen.insert(column.clone()))
            .map(|(column, message)| format!("\n  column `{column}`: {message}"))
            .collect()
    }
}
