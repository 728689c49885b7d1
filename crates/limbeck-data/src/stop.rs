//! What ends work before it is done: somebody's wish, or a time.
//!
//! Long work is given a [`Stop`] and looks at it between its parts. It answers two questions: is the work to end at once, its
//! result wanted by nobody ([`check`](Stop::check))? Is its time over, so that what there is has to do
//! ([`is_over`](Stop::is_over))?

use std::fmt;
use std::time::{Duration, Instant};

/// Knows whether somebody wants the work to end.
pub trait Asked: Sync {
    /// True from the moment at which the end was asked for. Called often: it should cost next to nothing.
    fn is_asked(&self) -> bool;

    /// How long that has been known; nothing where nobody counts.
    fn known_for(&self) -> Duration {
        Duration::ZERO
    }
}

/// A handle that long work looks at, at least each second or two.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use limbeck_data::stop::{Asked, Stop};
///
/// struct Flag(AtomicBool);
/// impl Asked for Flag {
///     fn is_asked(&self) -> bool {
///         self.0.load(Ordering::Relaxed)
///     }
/// }
///
/// let flag = Flag(AtomicBool::new(false));
/// let stop = Stop::on(&flag);
/// assert!(stop.check().is_ok() && !stop.is_over());
/// flag.0.store(true, Ordering::Relaxed);
/// assert!(stop.check().is_err() && stop.is_over());
/// ```
#[derive(Clone, Copy, Default)]
pub struct Stop<'a> {
    asked: Option<&'a dyn Asked>,
    until: Option<Instant>,
}

/// Work that ended because somebody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl Stop<'static> {
    /// Never ends anything.
    pub const NEVER: Self = Self {
        asked: None,
        until: None,
    };
}

impl<'a> Stop<'a> {
    /// Ends work once that is asked for.
    #[must_use]
    pub fn on(asked: &'a dyn Asked) -> Self {
        Self {
            asked: Some(asked),
            until: None,
        }
    }

    /// The same with a time at which work should have ended; none for as long as it takes.
    #[must_use]
    pub fn until(self, until: Option<Instant>) -> Self {
        Self { until, ..self }
    }

    /// The same with an end after so many seconds, or its own where that comes first.
    #[must_use]
    pub fn within(self, seconds: f64) -> Self {
        let own = Duration::try_from_secs_f64(seconds.max(0.0))
            .ok()
            .and_then(|time| Instant::now().checked_add(time));
        let until = match (self.until, own) {
            (Some(until), Some(own)) => Some(until.min(own)),
            (until, own) => until.or(own),
        };
        Self { until, ..self }
    }

    /// # Errors
    ///
    /// [`Stopped`] once somebody asked for the end.
    pub fn check(&self) -> Result<(), Stopped> {
        match self.asked {
            Some(asked) if asked.is_asked() => Err(Stopped),
            _ => Ok(()),
        }
    }

    /// How long it has been known that the end was asked for; none where it was not.
    #[must_use]
    pub fn asked_for(&self) -> Option<Duration> {
        let asked = self.asked.filter(|asked| asked.is_asked())?;
        Some(asked.known_for())
    }

    /// True once the end was asked for, or its time has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.check().is_err() || self.is_late()
    }

    /// True once the time has come.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

impl fmt::Debug for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("asked", &self.asked.map(Asked::is_asked))
            .field("until", &self.until)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(bool);

    impl Asked for Fixed {
        fn is_asked(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn a_time_ends_work_without_an_error_and_a_wish_with_one() {
        let late = Stop::on(&Fixed(false)).within(0.0);
        assert!(late.is_late() && late.is_over() && late.check().is_ok());
        let asked = Stop::on(&Fixed(true)).within(1e9);
        assert!(!asked.is_late() && asked.is_over() && asked.check() == Err(Stopped));
        assert!(!Stop::NEVER.is_over());
    }

    #[test]
    fn the_earlier_of_two_times_counts() {
        let long = Stop::NEVER.within(1e6);
        assert!(long.within(0.0).is_late());
        assert!(Stop::NEVER.within(0.0).within(1e6).is_late());
        // More seconds than a clock can hold are no limit.
        assert!(!Stop::NEVER.within(f64::INFINITY).is_late());
    }
}
