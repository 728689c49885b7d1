//! Ends long work early: on request, or at a deadline.
//!
//! Long work gets a [`Stop`] and calls its methods between its parts. If [`check`](Stop::check) returns an error, the end was requested: the
//! work ends immediately, and its result is discarded. If [`is_late`](Stop::is_late) is true, the deadline has passed: the work ends early, and
//! its result so far is used. [`is_over`](Stop::is_over) is true in both cases.

use std::fmt;
use std::time::{Duration, Instant};

/// A source of requests to end the work, such as an interrupt from the keyboard.
pub trait Asked: Sync {
    /// True from the moment the end is requested. This is called often and should be fast.
    fn is_asked(&self) -> bool;

    /// Time since the request was first noticed; zero if it is not measured.
    fn known_for(&self) -> Duration {
        Duration::ZERO
    }
}

/// Tells long work when to end: on request, at a deadline, at the earlier of the two, or never. Long work should call a method of this type at least
/// every two seconds.
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

/// Error of work that ended on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl Stop<'static> {
    /// A stop that never ends the work: without requests and without a deadline.
    pub const NEVER: Self = Self {
        asked: None,
        until: None,
    };
}

impl<'a> Stop<'a> {
    /// A stop with the requests of `asked`, without a deadline.
    #[must_use]
    pub fn on(asked: &'a dyn Asked) -> Self {
        Self {
            asked: Some(asked),
            until: None,
        }
    }

    /// A stop with the same requests and another deadline; `None` for no deadline.
    #[must_use]
    pub fn until(self, until: Option<Instant>) -> Self {
        Self { until, ..self }
    }

    /// A stop with the same requests. Its deadline is `seconds` seconds from now, or the present deadline if that is earlier.
    #[must_use]
    pub fn within(self, seconds: f64) -> Self {
        let time = Duration::try_from_secs_f64(seconds.max(0.0)).ok();
        let own = time.and_then(|time| Instant::now().checked_add(time));
        let until = match (self.until, own) {
            (Some(until), Some(own)) => Some(until.min(own)),
            (until, own) => until.or(own),
        };
        Self { until, ..self }
    }

    /// Checks whether the end was requested; ignores the deadline.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the end was requested.
    pub fn check(&self) -> Result<(), Stopped> {
        match self.asked {
            Some(asked) if asked.is_asked() => Err(Stopped),
            _ => Ok(()),
        }
    }

    /// Time since the request was first noticed; `None` if there is no request.
    #[must_use]
    pub fn asked_for(&self) -> Option<Duration> {
        let asked = self.asked.filter(|asked| asked.is_asked())?;
        Some(asked.known_for())
    }

    /// True if the end was requested or the deadline has passed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.check().is_err() || self.is_late()
    }

    /// True if the deadline has passed.
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
    fn deadline_ends_work_without_an_error_and_request_with_one() {
        let late = Stop::on(&Fixed(false)).within(0.0);
        assert!(late.is_late() && late.is_over() && late.check().is_ok());
        let asked = Stop::on(&Fixed(true)).within(1e9);
        assert!(!asked.is_late() && asked.is_over() && asked.check() == Err(Stopped));
        assert!(!Stop::NEVER.is_over());
    }

    #[test]
    fn the_earlier_of_two_deadlines_counts() {
        let long = Stop::NEVER.within(1e6);
        assert!(long.within(0.0).is_late());
        assert!(Stop::NEVER.within(0.0).within(1e6).is_late());
        // More seconds than a clock can count mean no deadline.
        assert!(!Stop::NEVER.within(f64::INFINITY).is_late());
    }
}
