//! Unfinished runs: runs that are in progress or were interrupted.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use limbeck_data::checkpoint::{Checkpoints, NO_CHECKPOINTS};
use limbeck_data::{Dataset, write};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::run::files;
use crate::run::manifest::{FileState, Manifest, sha256};
use crate::run::several;

const TICKET: &str = "resume.json";
const LOCK: &str = "lock";
const CHECKPOINTS: &str = "checkpoints";
const SUFFIX: &str = ".unfinished";

/// What is needed to resume a run: its recipe, and the version and inputs that must not have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ticket {
    /// Version of limbeck that started the run; another version may give other results.
    version: String,
    /// The working directory, from which relative paths of the recipe start.
    folder: PathBuf,
    /// The recipe as it was given, in TOML.
    recipe: String,
    /// SHA-256 of the data set's summary, which changes with the table's content and with the split. `None` if each of several targets has its own
    /// run; then each of these runs has its own ticket.
    data: Option<String>,
    /// SHA-256 of the other files that the run reads, by path.
    inputs: BTreeMap<PathBuf, String>,
}

impl Ticket {
    /// The ticket (what a resume needs) of a run with this recipe. `data` is `None` if several targets have separate runs.
    pub(crate) fn new(recipe: &Recipe, data: Option<&Dataset>) -> Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").into(),
            folder: std::env::current_dir().unwrap_or_default(),
            recipe: recipe.to_toml()?,
            data: data.map(summary),
            inputs: checksums(recipe.inputs()),
        })
    }

    /// The recipe as it was given. `place` is the folder of the unfinished run, for error messages.
    pub(crate) fn recipe(&self, place: &Path) -> Result<Recipe> {
        let name = place.join(TICKET).display().to_string();
        Recipe::parse(&self.recipe, &name, toml::Table::new())
    }
}

fn summary(data: &Dataset) -> String {
    sha256(
        serde_json::to_string(&data.summary)
            .unwrap_or_default()
            .as_bytes(),
    )
}

/// The SHA-256 of each file; for the folder of a run, of its manifest. Files that cannot be read are left out.
fn checksums(files: Vec<PathBuf>) -> BTreeMap<PathBuf, String> {
    let read = |path: PathBuf| {
        let file = if path.is_dir() {
            path.join(files::MANIFEST)
        } else {
            path.clone()
        };
        // A file that cannot be read is reported later, where it is needed, with a better message.
        let bytes = std::fs::read(&file).ok()?;
        Some((path, sha256(&bytes)))
    };
    files.into_iter().filter_map(read).collect()
}

/// The folder of an unfinished run, locked by this process.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    last: PathBuf,
    /// The lock is released when the file is closed, also at the end of the process.
    _lock: File,
    checkpoints: Checkpoints,
}

impl Unfinished {
    /// The unfinished and the final folder of a run, in this order; `run` is one of the two.
    #[must_use]
    pub(crate) fn names(run: &Path) -> (PathBuf, PathBuf) {
        let name = run
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match name.strip_suffix(SUFFIX) {
            Some(last) if !last.is_empty() => (run.to_owned(), run.with_file_name(last)),
            _ => (
                run.with_file_name(format!("{name}{SUFFIX}")),
                run.to_owned(),
            ),
        }
    }

    /// Creates and locks the unfinished folder of a new run. `last` is the final folder of the run, `every` the seconds between checkpoints of a
    /// training.
    pub(crate) fn begin(last: &Path, ticket: &Ticket, every: f64) -> Result<Self> {
        let (path, last) = (Self::names(last).0, last.to_owned());
        refuse_taken(&last)?;
        let parent = last
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(Error::file("create the folder", parent))?;
        // The folder is made under a temporary name and then renamed, so that it has its ticket and its lock from the beginning.
        let fresh = tempfile::Builder::new()
            .prefix(".limbeck-")
            .tempdir_in(parent)
            .map_err(Error::file("create a folder in", parent))?;
        files::write_file(fresh.path(), TICKET, json(&path, ticket)?.as_bytes())?;
        let lock = lock(fresh.path(), &last)?;
        std::fs::rename(fresh.path(), &path).map_err(|source| match path.exists() {
            true => Error::UnfinishedExists {
                path: path.clone(),
                run: last.clone(),
            },
            false => Error::File {
                action: "create the folder",
                path: path.clone(),
                source,
            },
        })?;
        let _ = fresh.keep();
        Self::of(path, last, lock, every)
    }

    fn of(path: PathBuf, last: PathBuf, lock: File, every: f64) -> Result<Self> {
        let checkpoints =
            Checkpoints::in_folder(path.join(CHECKPOINTS), Duration::from_secs_f64(every))?;
        Ok(Self {
            path,
            last,
            _lock: lock,
            checkpoints,
        })
    }

    /// Opens and locks an unfinished run, and reads its ticket. The ticket is `None` if all files are written and only the final renaming is missing.
    pub(crate) fn resume(run: &Path) -> Result<(Self, Option<Ticket>)> {
        let (path, last) = Self::names(run);
        let file = path.join(TICKET);
        let broken = |message: String| Error::CannotResume {
            path: path.clone(),
            message,
        };
        if !path.is_dir() {
            return Err(broken(
                "there is no unfinished run of that name; `limbeck runs DIR` lists the unfinished runs in the folder DIR".into(),
            ));
        }
        let lock = lock(&path, &last)?;
        write::sweep(&path)?;
        if is_whole(&path) {
            return Ok((
                Self {
                    path,
                    last,
                    _lock: lock,
                    checkpoints: NO_CHECKPOINTS.clone(),
                },
                None,
            ));
        }
        let text = std::fs::read_to_string(&file).map_err(|error| {
            broken(format!(
                "its {TICKET} cannot be read: {error}; remove the folder and start again"
            ))
        })?;
        let ticket: Ticket = serde_json::from_str(&text).map_err(|error| {
            broken(format!(
                "its {TICKET} is damaged: {error}; remove the folder and start again"
            ))
        })?;
        if ticket.version != env!("CARGO_PKG_VERSION") {
            return Err(broken(format!(
                "the run was started by limbeck {}, and this version, limbeck {}, may give other results. Finish the run with the version that started it, or remove the folder and start again",
                ticket.version,
                env!("CARGO_PKG_VERSION")
            )));
        }
        let recipe = ticket.recipe(&path)?;
        let here = std::env::current_dir().unwrap_or_default();
        if !recipe.table.exists() && here != ticket.folder {
            return Err(broken(format!(
                "its table {} was not found in the current folder; the run was started in {}: resume it from that folder",
                recipe.table.display(),
                ticket.folder.display()
            )));
        }
        let found = checksums(recipe.inputs());
        if let Some((input, _)) = ticket
            .inputs
            .iter()
            .find(|(path, sum)| found.get(*path) != Some(sum))
        {
            return Err(broken(format!(
                "{} has changed since the run was started; restore it, or remove the folder and start again",
                input.display()
            )));
        }
        let place = Self::of(path.clone(), last, lock, recipe.checkpoint_every)?;
        Ok((place, Some(ticket)))
    }

    /// Refuses a table that has changed since the run was started.
    pub(crate) fn check(&self, ticket: &Ticket, data: &Dataset) -> Result<()> {
        if ticket
            .data
            .as_deref()
            .is_none_or(|known| known == summary(data))
        {
            return Ok(());
        }
        let message = format!(
            "{} has changed since the run was started; restore it, or remove the folder and start again",
            data.summary.source
        );
        Err(Error::CannotResume {
            path: self.path.clone(),
            message,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that the run gets when it is finished.
    pub(crate) fn last(&self) -> &Path {
        &self.last
    }

    pub(crate) fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// Removes the files that only a resume needs, and gives the folder its final name.
    pub(crate) fn finish(self) -> Result<()> {
        // A rename would replace an empty folder of that name, which may have been created in the meantime.
        refuse_existing(&self.last)?;
        let gone = |path: &Path, outcome: std::io::Result<()>| match outcome {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("remove", path)(error))
            }
            _ => Ok(()),
        };
        let [checkpoints, ticket, lock] =
            [CHECKPOINTS, TICKET, LOCK].map(|name| self.path.join(name));
        gone(&checkpoints, std::fs::remove_dir_all(&checkpoints))?;
        gone(&ticket, std::fs::remove_file(&ticket))?;
        gone(&lock, std::fs::remove_file(&lock))?;
        std::fs::rename(&self.path, &self.last)
            .map_err(Error::file("rename the run to", &self.last))
    }

    /// Cleans up after an error. If a resume could use the folder, keeps it and returns [`Error::Kept`]; otherwise deletes it and returns `error`. A
    /// resume could use it if it contains runs, or if there are checkpoints and the error may not occur again.
    pub(crate) fn leave(self, error: Error) -> Error {
        if self.has_runs() || error.may_pass() && !self.checkpoints.is_empty() {
            return Error::Kept {
                run: self.last,
                source: Box::new(error),
            };
        }
        // If even this fails, the name of the folder still says that it is unfinished.
        let _ = std::fs::remove_dir_all(&self.path);
        error
    }

    /// True if the folder contains runs, finished or unfinished, as it may for several targets.
    fn has_runs(&self) -> bool {
        let entries = std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.path())
            .any(|path| path.join(files::REPORT).exists() || path.join(TICKET).exists())
    }
}

/// True if all files of the run are written, and only the folder `path` must still be renamed to its final name.
fn is_whole(path: &Path) -> bool {
    let is_run = matches!(Manifest::read(&path.join(files::MANIFEST)), Ok(Some(manifest)) if manifest.compare(path).iter().all(|(_, state)| *state == FileState::Whole));
    // A folder with one student for several targets has a manifest, which is checked above. A folder with separate students has none.
    let has_all =
        || matches!(several::list(path), Ok(Some(runs)) if runs.iter().all(|run| run.is_dir()));
    is_run || several::joint_student(path).is_none() && has_all()
}

/// The unfinished runs in a folder: the final folder of each, and true if a process is working on it.
pub(crate) fn list(folder: &Path) -> Vec<(PathBuf, bool)> {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let is_held = |path: &Path| {
        File::open(path.join(LOCK))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    };
    let mut found: Vec<(PathBuf, bool)> = entries
        .filter(|path| path.join(TICKET).exists())
        .map(|path| (Unfinished::names(&path).1, is_held(&path)))
        .collect();
    found.sort();
    found
}

/// Refuses a path that exists, or for which there is an unfinished run.
pub(crate) fn refuse_taken(last: &Path) -> Result<()> {
    let (path, _) = Unfinished::names(last);
    if path.exists() {
        let run = last.to_owned();
        return Err(Error::UnfinishedExists { path, run });
    }
    refuse_existing(last)
}

fn refuse_existing(last: &Path) -> Result<()> {
    if last.exists() {
        Err(Error::OutExists {
            path: last.to_owned(),
        })
    } else {
        Ok(())
    }
}

/// Locks a folder for as long as the returned file is open.
fn lock(folder: &Path, run: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let failed = || Error::file("lock", &path);
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(failed())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            return Err(Error::InUse {
                run: run.to_owned(),
                process: owner.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed()(error)),
    }
    // The process ID in the file is for messages; the lock itself belongs to the operating system.
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed())?;
    Ok(file)
}

fn json(path: &Path, ticket: &Ticket) -> Result<String> {
    serde_json::to_string_pretty(ticket).map_err(|error| Error::NotARun {
        path: path.to_owned(),
        message: format!("its {TICKET} cannot be written: {error}"),
    })
}

/// True if this path exists, or if there is an unfinished run of that name.
#[must_use]
pub fn is_taken(run: &Path) -> bool {
    refuse_taken(run).is_err()
}

/// The unfinished runs in a folder: the final folder of each, and true if a process is working on it.
#[must_use]
pub fn unfinished(folder: &Path) -> Vec<(PathBuf, bool)> {
    list(folder)
}
