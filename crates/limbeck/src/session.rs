//! What every stage is given beside its data and its options: who watches, what is kept, and the time.

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

/// What an observer is told.
#[derive(Debug)]
pub enum Event<'a> {
    /// The table was read and checked.
    Data(&'a limbeck_data::DataSummary),
    /// A stage begins.
    Stage(&'a str),
    /// Something that a user should know.
    Note(&'a str),
    /// The options that a time limit led to.
    Budget(&'a str),
    /// Students are about to train: this many steps in all, at most.
    Steps(usize),
    /// So much of a part of a stage is done, where that can be counted before the next students train.
    Part(&'a Part<'a>),
    /// A student of the run trains.
    Training(&'a Progress<'a>),
    /// A student trains for a part of the work that is no run of its own, such as a pilot or an outer fold.
    Aside(&'a Progress<'a>),
}

/// Watches a run, from several threads.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);

    /// Seconds that watching took, over all threads; they are told in the report.
    fn seconds(&self) -> f64 {
        0.0
    }

    /// True once the user wants the run to end: what is in training stops at its next report, and what exists is kept.
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

/// The one context of all stages. No stage knows a file or a clock but through it.
pub struct Session<'a> {
    observer: &'a dyn Observer,
    checkpoints: Checkpoints,
    clock: Arc<Clock>,
    /// When the run has to end.
    until: Option<Instant>,
    /// True for a part of a run: stages and notes of it are not those of the run.
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
    /// A session that keeps nothing.
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

    /// The same with a place for finished pieces.
    #[must_use]
    pub(crate) fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        Self {
            checkpoints,
            ..self
        }
    }

    /// The same with a clock that starts now.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            observer: self.observer,
            checkpoints: self.checkpoints.clone(),
            clock: Arc::default(),
            until: None,
            is_part: self.is_part,
        }
    }

    /// The same with an end, so many seconds after its begin; none for as long as it takes.
    pub(crate) fn ending(&self, after: Option<f64>) -> Self {
        let end = |seconds: f64| {
            let time = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            self.clock.start.checked_add(time)
        };
        Self {
            until: after.and_then(end),
            ..self.part_of_itself()
        }
    }

    /// The same session.
    fn part_of_itself(&self) -> Self {
        Self {
            observer: self.observer,
            checkpoints: self.checkpoints.clone(),
            clock: Arc::clone(&self.clock),
            until: self.until,
            is_part: self.is_part,
        }
    }

    /// The same, watched by another.
    pub(crate) fn watched_by<'b>(&self, observer: &'b dyn Observer) -> Session<'b> {
        Session {
            observer,
            checkpoints: self.checkpoints.clone(),
            clock: Arc::clone(&self.clock),
            until: self.until,
            is_part: self.is_part,
        }
    }

    /// For a part of the work: of its events only progress is told, and its pieces have names of their own.
    pub(crate) fn part(&self, name: &str) -> Self {
        Self {
            checkpoints: self.checkpoints.scope(name),
            is_part: true,
            ..self.part_of_itself()
        }
    }

    /// The same session with names of pieces of its own, for what is done once for each of several targets.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self {
            is_part: self.is_part,
            ..self.part(name)
        }
    }

    /// For the whole work again on other rows: a part whose time is not that of the run's stages.
    pub(crate) fn repetition(&self, name: &str) -> Self {
        Self {
            clock: Arc::default(),
            ..self.part(name)
        }
    }

    /// Who watches.
    pub(crate) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// Where finished pieces are.
    pub(crate) fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// The piece of that name: read back where it is kept, else made and kept.
    pub(crate) fn piece<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.checkpoints.piece(name, make)
    }

    /// Tells an event, those of a part only where they are progress.
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

    /// A stage begins.
    pub(crate) fn begin(&self, stage: &str) {
        self.tell(&Event::Stage(stage));
    }

    /// Something that a user should know.
    pub(crate) fn note(&self, text: &str) {
        self.tell(&Event::Note(text));
    }

    /// Runs a piece of work, its time added to that of the stage.
    pub(crate) fn time<T>(&self, stage: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = work();
        self.clock.add(stage, start.elapsed().as_secs_f64());
        out
    }

    /// Seconds since the session began.
    pub(crate) fn seconds(&self) -> f64 {
        self.clock.start.elapsed().as_secs_f64()
    }

    /// Seconds by stage, with those spent on curves and on checkpoints.
    pub(crate) fn stages(&self) -> BTreeMap<String, f64> {
        let mut stages = self.clock.stages();
        stages.insert(
            "curves written while training".into(),
            self.observer.seconds(),
        );
        stages.insert("checkpoints".into(), self.checkpoints.seconds());
        stages
    }

    /// True once the user wants the run to end.
    pub(crate) fn is_stopped(&self) -> bool {
        let is_stopped = self.observer.stop();
        if is_stopped {
            self.clock.asked.get_or_init(Instant::now);
        }
        is_stopped
    }

    /// What ends the work of this session: the user's wish, or the time.
    pub(crate) fn stop(&self) -> Stop<'_> {
        Stop::on(self).until(self.until)
    }

    /// True once the user wants the run to end, or its time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.stop().is_over()
    }

    /// Runs the fits of a teacher, which hear a stop, keep their pieces here and tell how far they are.
    pub(crate) fn teach<T>(&self, fits: impl FnOnce(Work<'_>) -> T) -> T {
        let told = |part: &Part<'_>| self.tell(&Event::Part(part));
        fits(Work {
            kept: &self.checkpoints,
            stop: self.stop(),
            told: Some(&told),
        })
    }

    /// # Errors
    ///
    /// [`Error::Interrupted`] once the user wants the run to end.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.is_stopped() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Watches trainings.
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

/// Seconds per stage.
#[derive(Debug)]
struct Clock {
    start: Instant,
    /// When it was first seen that the user wants the end.
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

/// Runs `work` on a pool of its own, so that the number of threads is the recipe's; what these threads say goes to `listener`.
pub(crate) fn on_threads<T: Send>(
    threads: usize,
    listener: Dispatch,
    work: impl FnOnce() -> T + Send,
) -> Result<T> {
    // For as long as the thread lives, which is as long as the pool.
    let listen = move |_| std::mem::forget(dispatcher::set_default(&listener));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(listen)
        .build()
        .map_err(|error| Error::Recipe {
            place: "threads".into(),
            message: format!("{threads} threads cannot be started: {error}"),
        })?;
    Ok(pool.install(work))
}

/// Who listens to this thread.
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
