//! Checkpoints, stop and progress callback of a fit.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use limbeck_data::{Checkpoints, Stop};

/// How far a part of a fit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'p> {
    /// What is fitted, such as `trees: 5 folds`.
    pub name: &'p str,
    /// What is done, in units of about equal time.
    pub done: usize,
    /// All of it.
    pub total: usize,
}

/// Checkpoints, stop and progress callback of a fit.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Where finished pieces are kept.
    pub kept: &'a Checkpoints,
    /// What ends it. A fit that is [late](Stop::is_late) is cut short; one whose end was asked for has no result.
    pub stop: Stop<'a>,
    /// Hears how far it is, from several threads.
    pub told: Option<&'a (dyn Fn(&Part<'_>) + Sync)>,
}

impl<'a> From<&'a Checkpoints> for Work<'a> {
    fn from(kept: &'a Checkpoints) -> Self {
        Self {
            kept,
            stop: Stop::NEVER,
            told: None,
        }
    }
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("kept", self.kept)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

impl<'a> Work<'a> {
    /// Counts a part of it.
    pub(crate) fn part(&self, name: String, total: usize) -> Meter<'a> {
        Meter {
            told: self.told,
            name,
            total,
            done: AtomicUsize::new(0),
        }
    }
}

/// Counts what is done of a part.
pub(crate) struct Meter<'a> {
    told: Option<&'a (dyn Fn(&Part<'_>) + Sync)>,
    name: String,
    total: usize,
    done: AtomicUsize,
}

impl Meter<'_> {
    /// Counts so many units as done.
    pub(crate) fn add(&self, units: usize) {
        let done = units + self.done.fetch_add(units, Ordering::Relaxed);
        if let Some(told) = self.told {
            told(&Part {
                name: &self.name,
                done: done.min(self.total),
                total: self.total,
            });
        }
    }
}

/// Threads, stop and progress of a tree fit; a fit that runs to its end does not depend on them.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// Threads.
    pub threads: usize,
    /// What ends it: late, it keeps the trees that it has, at least one.
    pub stop: Stop<'a>,
    /// Called after each round.
    pub(crate) round: Option<&'a (dyn Fn() + Sync)>,
}

impl From<usize> for Effort<'_> {
    fn from(threads: usize) -> Self {
        Self {
            threads,
            stop: Stop::NEVER,
            round: None,
        }
    }
}

impl<'a> Effort<'a> {
    /// So many threads, until that ends it.
    #[must_use]
    pub fn until(threads: usize, stop: Stop<'a>) -> Self {
        Self {
            stop,
            ..threads.into()
        }
    }

    /// The same on so many threads.
    pub(crate) fn on(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The same with `round` called after each round.
    pub(crate) fn telling(self, round: &'a (dyn Fn() + Sync)) -> Self {
        Self {
            round: Some(round),
            ..self
        }
    }

    /// This effort without the round callback.
    pub(crate) fn quiet(self) -> Self {
        Self {
            round: None,
            ..self
        }
    }
}

impl fmt::Debug for Effort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effort")
            .field("threads", &self.threads)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}
