//! The log and the training curves of a run. Both are written during the run.
//!
//! ```text
//! log.txt         stages, notes, warnings and trainings, each with its time, through `tracing`
//! metrics.csv     a line for each point of each training, when it is reached; sorted by training when the run is done
//! metrics.jsonl   the same as JSON
//! tensorboard/    event files that grow; `tensorboard --logdir` shows them live
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use limbeck_distill::search::Progress;
use tracing::Subscriber;
use tracing::dispatcher::{self, Dispatch};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::error::{Error, Result};
use crate::run::curves::{self, Schedules};
use crate::run::files;
use crate::run::tensorboard::{self, Events};
use crate::session::{Event, Observer};

/// Name of the log file.
pub(crate) const LOG: &str = "log.txt";

/// The destination of log lines: memory until the run has a folder, then a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Sink>>);

#[derive(Debug, Default)]
struct Sink {
    early: Vec<u8>,
    file: Option<File>,
}

impl Log {
    /// Opens the log file of a run. It gets the lines so far and all later ones.
    pub(crate) fn open(&self, folder: &Path) -> Result<()> {
        let path = folder.join(LOG);
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::file("write", &path))?;
        file.write_all(&std::mem::take(&mut sink.early))
            .map_err(Error::file("write", &path))?;
        sink.file = Some(file);
        Ok(())
    }

    /// A `tracing` dispatcher that writes to this log and forwards to the current dispatcher.
    pub(crate) fn dispatch(&self) -> Dispatch {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(self.clone())
            .with_ansi(false)
            .with_target(false);
        let outer = dispatcher::get_default(Dispatch::clone);
        Dispatch::new(
            tracing_subscriber::registry()
                .with(lines)
                .with(Forward(outer)),
        )
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut sink.file {
            Some(file) => file.write(bytes),
            None => sink.early.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Forwards events to another dispatcher.
struct Forward(Dispatch);

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if self.0.enabled(event.metadata()) {
            self.0.event(event);
        }
    }
}

/// An observer that writes events to the log and the curves, and forwards them to another observer.
pub(crate) struct Recorder<'a> {
    inner: &'a dyn Observer,
    schedules: Schedules,
    folder: PathBuf,
    files: Mutex<Files>,
    /// Nanoseconds spent writing, summed over all threads.
    nanoseconds: AtomicU64,
}

/// The open curve files. `open` is `None` after a write error, or when all trainings are done.
struct Files {
    open: Option<Open>,
}

struct Open {
    csv: File,
    jsonl: File,
    events: BTreeMap<String, File>,
    has_header: bool,
}

impl<'a> Recorder<'a> {
    /// Creates empty curve files, also in a resumed run: its trainings report their earlier points again.
    pub(crate) fn new(
        inner: &'a dyn Observer,
        schedules: Schedules,
        folder: &Path,
    ) -> Result<Self> {
        let fresh = |name: &str| {
            let path = folder.join(name);
            File::create(&path).map_err(Error::file("write", &path))
        };
        let events = folder.join(files::TENSORBOARD);
        remove_folder(&events)?;
        let open = Open {
            csv: fresh(files::METRICS)?,
            jsonl: fresh(files::METRICS_JSON)?,
            events: BTreeMap::new(),
            has_header: false,
        };
        Ok(Self {
            inner,
            schedules,
            folder: folder.to_owned(),
            files: Mutex::new(Files { open: Some(open) }),
            nanoseconds: AtomicU64::new(0),
        })
    }

    /// Closes the curve files and deletes the event files. At the end of a run, [`written`](super::written) writes them again, sorted by training.
    pub(crate) fn close(&self) -> Result<()> {
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open = None;
        remove_folder(&self.folder.join(files::TENSORBOARD))
    }

    fn training(&self, progress: &Progress<'_>) {
        let start = Instant::now();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &mut files.open
            && let Err(error) = self.add(open, progress)
        {
            files.open = None;
            let note = format!(
                "training curves are no longer written during the run, because a file in {} cannot be written: {error}",
                self.folder.display()
            );
            tracing::warn!("{note}");
            self.inner.event(&Event::Note(&note));
        }
        if progress.point.step >= progress.until {
            let Progress {
                training, point, ..
            } = progress;
            tracing::info!(training = %training, step = point.step, loss = point.loss, valid_error = point.valid_error, "training done");
        }
        self.nanoseconds.fetch_add(
            u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    fn add(&self, open: &mut Open, progress: &Progress<'_>) -> io::Result<()> {
        let fields = curves::fields(&self.schedules, progress.training, progress.point);
        if !open.has_header {
            open.csv.write_all(curves::csv_header(&fields).as_bytes())?;
            open.has_header = true;
        }
        open.csv.write_all(curves::csv_line(&fields).as_bytes())?;
        open.jsonl
            .write_all(curves::json_line(&fields).as_bytes())?;
        let name = progress.training.to_string();
        let records = Events::default().point(progress.point.step, &fields);
        let file = match open.events.entry(name) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let folder = self.folder.join(files::TENSORBOARD).join(place.key());
                std::fs::create_dir_all(&folder)?;
                let mut file = File::create(folder.join(tensorboard::FILE))?;
                file.write_all(Events::begun().bytes())?;
                place.insert(file)
            }
        };
        file.write_all(records.bytes())
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

impl Observer for Recorder<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Stage(name) => tracing::info!("{name}"),
            Event::Note(text) => tracing::warn!("{text}"),
            Event::Budget(text) => tracing::info!("budget: {text}"),
            Event::Training(progress) => self.training(progress),
            Event::Data(_) | Event::Steps(_) | Event::Part(_) | Event::Aside(_) => {}
        }
        self.inner.event(event);
    }

    fn seconds(&self) -> f64 {
        self.nanoseconds.load(Ordering::Relaxed) as f64 * 1e-9
    }

    fn stop(&self) -> bool {
        self.inner.stop()
    }
}
