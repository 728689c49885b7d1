//! What can go wrong in a run.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe (the options of a run) that cannot be read, or that does not match the data or the called function.
    #[error("{place}: {message}")]
    Recipe {
        /// Position of the error: file and line, or the name of an option.
        place: String,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// An option that is out of range, has no effect, or conflicts with another.
    #[error(transparent)]
    Option(#[from] limbeck_options::Refused),
    /// A file that cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was attempted, in the words that follow `cannot` in the message: for example `create the folder`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The run directory already exists.
    #[error("{} exists already and is never overwritten; give another path with --out, or delete the existing one", path.display())]
    OutExists {
        /// The directory.
        path: PathBuf,
    },
    /// An unfinished run of that name exists.
    #[error("{} is the folder of an unfinished run; continue that run with `limbeck distill --resume {}`, or delete the folder, or give another path with --out", path.display(), run.display())]
    UnfinishedExists {
        /// The folder of the unfinished run.
        path: PathBuf,
        /// The path that the run gets when it is finished.
        run: PathBuf,
    },
    /// Another process is working on the run.
    #[error("another process (ID {process}) is working on {}; wait until that process ends, or stop the process", run.display())]
    InUse {
        /// Path that the run gets when it is finished.
        run: PathBuf,
        /// ID of the other process, read from the lock file.
        process: String,
    },
    /// The run stopped with an error; its finished work is kept, and a resume can use it.
    #[error("{source}; the work done so far is kept: continue with `limbeck distill --resume {}`", run.display())]
    Kept {
        /// Path that the run gets when it is finished; `--resume` takes this path.
        run: PathBuf,
        /// The error that stopped it.
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
    /// An unfinished run that cannot be resumed.
    #[error("cannot resume {}: {message}", path.display())]
    CannotResume {
        /// The folder of the unfinished run.
        path: PathBuf,
        /// What was found, and what to do.
        message: String,
    },
    /// Teacher labels of another run that cannot be used here, because they were made for another table or with other options.
    #[error("the labels of {} cannot be used for this run: {message}", path.display())]
    ForeignLabels {
        /// The folder of the run that made the labels.
        path: PathBuf,
        /// What differs between the two runs, and what to do.
        message: String,
    },
    /// The user stopped the run before there was a result.
    #[error("stopped before there was a result")]
    Interrupted,
    /// A student that cannot be exported to a format; the source says why.
    #[error(transparent)]
    Export(#[from] limbeck_export::Error),
    /// An export would overwrite an existing file.
    #[error("{} exists already and is never overwritten; give another folder with --out or another name with --name, or delete the existing file", path.display())]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// A path that is not an exported file, or an exported file whose manifest is missing or damaged.
    #[error("{}: {message}", path.display())]
    NotAnArtefact {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        message: String,
    },
    /// An error of tables or data; the source says which.
    #[error(transparent)]
    Data(#[from] limbeck_data::Error),
    /// An error of a teacher; the source says which.
    #[error(transparent)]
    Teach(#[from] limbeck_teach::Error),
    /// An error during the training of students; the source says which.
    #[error(transparent)]
    Distill(#[from] limbeck_distill::Error),
    /// An error of a student's file or of a prediction; the source says which.
    #[error(transparent)]
    Runtime(#[from] limbeck_runtime::Error),
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// True if the user stopped the run.
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

    /// True if a resume may succeed, because the user stopped the run, a file could not be read or written, or the user's command failed. Other
    /// errors would occur again.
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
