//! The context that every stage gets beside its data and options: observer, checkpoints and clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use limbeck_data::checkpoint::{Checkpoints, NO_CHECKPOINTS};
use limbeck_data::stop::{Asked, Stop};
use limbeck_distill::search::Progress;
use limbeck_nets::Control;
use limbeck_teach::{Part, Work};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::dispatcher::{self, Dispatch};

use crate::error::{Error, Result};

/// An event that an [`Observer`] receives.
#[derive(Debug)]
pub enum Event<'a> {
    /// The table was read and checked.
    Data(&'a limbeck_data::DataSummary),
    /// A stage begins; holds its name.
    Stage(&'a str),
    /// A note for the user.
    Note(&'a str),
    /// The options that were chosen to meet a time limit, as text.
    Budget(&'a str),
    /// Students are about to be trained; holds the maximum number of training steps of all of them together.
    Steps(usize),
    /// Progress of a part of the teacher's fit, such as the boosted trees of all folds.
    Part(&'a Part<'a>),
    /// Progress of the training of one of the run's students.
    Training(&'a Progress<'a>),
    /// Progress of the training of a student that is not one of the run's, for example in a pilot or an outer fold.
    Aside(&'a Progress<'a>),
}

/// Receives the events of a run. Several threads call it.
pub trait Observer: Sync {
    /// Receives an event.
    fn event(&self, event: &Event<'_>);

    /// Seconds that the observer itself has spent, summed over all threads; the report lists them among the stages.
    fn seconds(&self) -> f64 {
        0.0
    }

    /// True once the user wants to stop the run. Trainings then stop at their next progress event, and the result so far is kept.
    fn stop(&self) -> bool {
        false
    }
}

/// An observer that ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event<'_>) {}
}

/// The context that all stages share: observer, checkpoints and clock.
#[derive(Clone)]
pub struct Session<'a> {
    observer: &'a dyn Observer,
    checkpoints: Checkpoints,
    clock: Arc<Clock>,
    /// Time at which the run has to end; `None` without a limit.
    until: Option<Instant>,
    /// True if this session is for a part of a run, for example a pilot or an outer fold. Its stages and notes are not passed to the observer.
    is_part: bool,
}

impl Asked for Session<'_> {
    fn is_asked(&self) -> bool {
        self.is_stopped()
    }

    fn known_for(&self) -> Duration {
        self.clock
            .asked
            .get()
            .map_or(Duration::ZERO, Instant::elapsed)
    }
}

impl<'a> Session<'a> {
    /// A session without checkpoints and without a time limit.
    #[must_use]
    pub fn new(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            checkpoints: NO_CHECKPOINTS.clone(),
            clock: Arc::default(),
            until: None,
            is_part: false,
        }
    }

    /// This session, with checkpoints for finished work.
    #[must_use]
    pub(crate) fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        Self {
            checkpoints,
            ..self
        }
    }

    /// This session, with a clock that starts now, and without a deadline.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            clock: Arc::default(),
            until: None,
            ..self.clone()
        }
    }

    /// This session with a deadline: `after` seconds after its clock started; `None` for no deadline.
    pub(crate) fn ending(&self, after: Option<f64>) -> Self {
        let end = |seconds: f64| {
            let time = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            self.clock.start.checked_add(time)
        };
        Self {
            until: after.and_then(end),
            ..self.clone()
        }
    }

    /// This session, with another observer.
    pub(crate) fn watched_by<'b>(&self, observer: &'b dyn Observer) -> Session<'b> {
        Session {
            observer,
            ..self.clone()
        }
    }

    /// A session for a part of the work. It passes only progress events to the observer. The names of its checkpoints begin with `name`.
    pub(crate) fn part(&self, name: &str) -> Self {
        Self {
            checkpoints: self.checkpoints.scope(name),
            is_part: true,
            ..self.clone()
        }
    }

    /// This session, but the names of its checkpoints begin with `name`. It is for work that is done more than once, such as the teacher of each
    /// target.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self {
            is_part: self.is_part,
            ..self.part(name)
        }
    }

    /// A session for a repetition of all work on other rows. It is a [`part`](Self::part) with its own clock, so its time is not added to the run's
    /// stages.
    pub(crate) fn repetition(&self, name: &str) -> Self {
        Self {
            clock: Arc::default(),
            ..self.part(name)
        }
    }

    /// The observer.
    pub(crate) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// The checkpoints of finished work.
    pub(crate) fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// The result named `name`: read from its checkpoint if there is one, otherwise made by `make` and saved.
    pub(crate) fn piece<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.checkpoints.piece(name, make)
    }

    /// Passes an event to the observer. From a part of a run, only progress events are passed, and the progress of students as [`Event::Aside`].
    pub(crate) fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Training(progress) if self.is_part => {
                self.observer.event(&Event::Aside(progress))
            }
            Event::Training(_) | Event::Aside(_) | Event::Steps(_) | Event::Part(_) => {
                self.observer.event(event)
            }
            _ if self.is_part => {}
            _ => self.observer.event(event),
        }
    }

    /// Tells the observer that a stage begins.
    pub(crate) fn begin(&self, stage: &str) {
        self.tell(&Event::Stage(stage));
    }

    /// Passes a note to the observer.
    pub(crate) fn note(&self, text: &str) {
        self.tell(&Event::Note(text));
    }

    /// Runs `work`, and adds its time to the time of the stage named `stage`.
    pub(crate) fn time<T>(&self, stage: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = work();
        self.clock.add(stage, start.elapsed().as_secs_f64());
        out
    }

    /// The seconds since the session's clock started.
    pub(crate) fn seconds(&self) -> f64 {
        self.clock.start.elapsed().as_secs_f64()
    }

    /// The seconds spent in each stage; two more entries are the seconds spent on writing curves and checkpoints.
    pub(crate) fn stages(&self) -> BTreeMap<String, f64> {
        let mut stages = self.clock.stages();
        stages.insert(
            "curves written while training".into(),
            self.observer.seconds(),
        );
        stages.insert("checkpoints".into(), self.checkpoints.seconds());
        stages
    }

    /// True once the user wants to stop the run.
    pub(crate) fn is_stopped(&self) -> bool {
        let is_stopped = self.observer.stop();
        if is_stopped {
            self.clock.asked.get_or_init(Instant::now);
        }
        is_stopped
    }

    /// The condition that ends work of this session early: the user asks to stop, or the deadline has passed.
    pub(crate) fn stop(&self) -> Stop<'_> {
        Stop::on(self).until(self.until)
    }

    /// True once the user wants to stop the run, or the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.stop().is_over()
    }

    /// Calls `fits`, which fits a teacher, with this session's stop condition, checkpoints and progress callback.
    pub(crate) fn teach<T>(&self, fits: impl FnOnce(Work<'_>) -> T) -> T {
        let told = |part: &Part<'_>| self.tell(&Event::Part(part));
        fits(Work {
            kept: &self.checkpoints,
            stop: self.stop(),
            told: Some(&told),
        })
    }

    /// Checks whether the run may continue.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] once the user wants to stop the run.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.is_stopped() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// The progress callback for trainings. It passes their progress to the observer, and stops them once [`is_over`](Self::is_over) is true.
    pub(crate) fn watch(&self) -> impl Fn(&Progress<'_>) -> Control + Sync {
        |progress| {
            self.tell(&Event::Training(progress));
            match self.is_over() {
                true => Control::Stop,
                false => Control::Continue,
            }
        }
    }
}

/// Start of the session, and seconds spent in each stage.
#[derive(Debug)]
struct Clock {
    start: Instant,
    /// Time at which it was first noticed that the user wants to stop; empty until then.
    asked: OnceLock<Instant>,
    stages: Mutex<BTreeMap<String, f64>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            asked: OnceLock::new(),
            stages: Mutex::default(),
        }
    }
}

impl Clock {
    fn add(&self, stage: &str, seconds: f64) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        *stages.entry(stage.to_owned()).or_default() += seconds;
    }

    fn stages(&self) -> BTreeMap<String, f64> {
        self.stages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Runs `work` in a new thread pool with `threads` threads (0: one per core). `listener` gets the `tracing` events of these threads.
pub(crate) fn on_threads<T: Send>(
    threads: usize,
    listener: Dispatch,
    work: impl FnOnce() -> T + Send,
) -> Result<T> {
    // The dispatcher is set for as long as the thread lives, which is as long as the pool.
    let listen = move |_| std::mem::forget(dispatcher::set_default(&listener));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(listen)
        .build()
        .map_err(|error| Error::Recipe {
            place: "threads".into(),
            message: format!("{threads} threads cannot be started: {error}; use fewer"),
        })?;
    Ok(pool.install(work))
}

/// The `tracing` dispatcher of this thread.
pub(crate) fn listener() -> Dispatch {
    dispatcher::get_default(Dispatch::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Observer for Told {
        fn event(&self, event: &Event<'_>) {
            if let Event::Stage(name) | Event::Note(name) = event {
                self.0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((*name).to_owned());
            }
        }
    }

    #[test]
    fn parts_tell_no_stages_and_share_the_clock() {
        let told = Told::default();
        let session = Session::new(&told);
        session.begin("one");
        let part = session.part("split");
        part.begin("two");
        part.note("three");
        part.time("label", || ());
        session.repetition("outer1").time("search", || ());
        session.note("four");
        assert_eq!(*told.0.lock().unwrap(), ["one", "four"]);
        let stages = session.stages();
        assert!(stages.contains_key("label") && !stages.contains_key("search"));
    }
}
