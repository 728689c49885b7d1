//! What can go wrong in a run.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe that cannot be read.
    #[error("{place}: {message}")]
    Recipe {
        /// File and line, or `recipe`.
        place: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// An option outside its range, or one that does not go with others.
    #[error(transparent)]
    Option(#[from] limbeck_options::Refused),
    /// A file that cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The run directory is taken.
    #[error("{} exists already and is never overwritten; choose another --out or remove it", path.display())]
    OutExists {
        /// The directory.
        path: PathBuf,
    },
    /// A run of that name was begun and not finished.
    #[error("{} holds a run that was ended before it was done; go on with `limbeck distill --resume {}`, or remove it", path.display(), run.display())]
    UnfinishedExists {
        /// Its folder.
        path: PathBuf,
        /// The name that it will have.
        run: PathBuf,
    },
    /// Another process works on the run.
    #[error("{} is being made by another process ({process}); wait for it, or end it first", run.display())]
    InUse {
        /// The run.
        run: PathBuf,
        /// Its number, as it wrote it down.
        process: String,
    },
    /// A run that ended before it was done, and what it had come to is kept.
    #[error("{source}; what was done so far is kept: go on with `limbeck distill --resume {}`", run.display())]
    Kept {
        /// The run.
        run: PathBuf,
        /// What ended it.
        source: Box<Error>,
    },
    /// A directory that is not a run, or a damaged one.
    #[error("{} is not a complete run: {message}", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// What is missing or damaged.
        message: String,
    },
    /// Labels of another run that do not fit this one.
    #[error("the labels of {} do not fit this run: {message}", path.display())]
    ForeignLabels {
        /// The run they came from.
        path: PathBuf,
        /// What differs.
        message: String,
    },
    /// Stopped by the user before there was anything to keep.
    #[error("stopped before a student was trained")]
    Interrupted,
    /// A student that a format has no words for: see the source.
    #[error(transparent)]
    Export(#[from] limbeck_export::Error),
    /// A file that an export would write exists.
    #[error("{} exists already and is never overwritten; choose another --out or --name, or remove it", path.display())]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no artefact, or whose manifest is missing or damaged.
    #[error("{}: {message}", path.display())]
    NotAnArtefact {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        message: String,
    },
    /// Tables: see the source.
    #[error(transparent)]
    Data(#[from] limbeck_data::Error),
    /// Teachers: see the source.
    #[error(transparent)]
    Teach(#[from] limbeck_teach::Error),
    /// Students: see the source.
    #[error(transparent)]
    Distill(#[from] limbeck_distill::Error),
    /// Student files: see the source.
    #[error(transparent)]
    Runtime(#[from] limbeck_runtime::Error),
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// True where the user stopped the run.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        match self {
            Self::Kept { source, .. } => source.is_interruption(),
            error => matches!(
                error,
                Self::Interrupted
                    | Self::Teach(limbeck_teach::Error::Stopped)
                    | Self::Distill(
                        limbeck_distill::Error::Interrupted
                            | limbeck_distill::Error::Teach(limbeck_teach::Error::Stopped)
                    )
            ),
        }
    }

    /// True where it lies in the surroundings and may have passed when the run goes on: a stop, a file that could not be read or written,
    /// the user's command. Other errors would come again.
    pub(crate) fn may_pass(&self) -> bool {
        use limbeck_teach::Error as Teach;
        let is_command = matches!(
            self,
            Self::Teach(
                Teach::CommandStart { .. }
                    | Teach::CommandFailed { .. }
                    | Teach::CommandTimeout { .. }
                    | Teach::CommandPipe { .. }
                    | Teach::CommandRows { .. }
                    | Teach::CommandOutput { .. }
            )
        );
        let sources =
            || std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source());
        self.is_interruption()
            || is_command
            || sources().any(|source| source.is::<std::io::Error>())
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
