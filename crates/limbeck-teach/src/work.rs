//! What a fit gets from its caller: checkpoints, a way to stop it, and a progress callback.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use limbeck_data::{Checkpoints, Stop};

/// Progress of one part of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'p> {
    /// Name of the part, such as `trees, 5 folds`.
    pub name: &'p str,
    /// Amount of work that is done, in units of about equal time, such as boosting rounds.
    pub done: usize,
    /// Amount of work of the whole part, in the same units.
    pub total: usize,
}

/// What a fit gets from its caller: checkpoints, a way to stop it, and a progress callback.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// The checkpoints in which finished pieces of work are saved.
    pub kept: &'a Checkpoints,
    /// Can end the fit. If the time limit is over ([late](Stop::is_late)), the fit ends early, and its result is the model fitted so far. If the user
    /// stops the fit, it has no result.
    pub stop: Stop<'a>,
    /// The progress callback, called from several threads; `None` for no callback.
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
    /// Starts counting the progress of one part of the fit.
    pub(crate) fn part(&self, name: String, total: usize) -> Meter<'a> {
        Meter {
            told: self.told,
            name,
            total,
            done: AtomicUsize::new(0),
        }
    }
}

/// Counts the finished work of one part of a fit, and passes the progress to the callback, if there is one.
pub(crate) struct Meter<'a> {
    told: Option<&'a (dyn Fn(&Part<'_>) + Sync)>,
    name: String,
    total: usize,
    done: AtomicUsize,
}

impl Meter<'_> {
    /// Adds `units` to the finished work.
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

/// Number of threads, stop and progress callback of a tree fit. They do not change the result of a fit that runs to its end.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// Number of threads.
    pub threads: usize,
    /// Ends the fit. A fit whose time is over keeps the trees that it has, at least one.
    pub stop: Stop<'a>,
    /// Called after each boosting round.
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
    /// An [`Effort`] with this number of threads and no callback. `stop` can end the fit.
    #[must_use]
    pub fn until(threads: usize, stop: Stop<'a>) -> Self {
        Self {
            stop,
            ..threads.into()
        }
    }

    /// The same [`Effort`] with another number of threads.
    pub(crate) fn on(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The same [`Effort`], with `round` as the callback after each boosting round.
    pub(crate) fn telling(self, round: &'a (dyn Fn() + Sync)) -> Self {
        Self {
            round: Some(round),
            ..self
        }
    }

    /// The same [`Effort`] without a callback.
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
