//! Errors of the command line, and how errors are shown.

use std::fmt::Write as _;
use std::path::PathBuf;

/// Errors of the command line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// An error of the library.
    #[error(transparent)]
    Limbeck(Box<limbeck::Error>),
    /// A student cannot be read, or cannot predict.
    #[error("{}: {source}", path.display())]
    Student {
        /// The student's file.
        path: PathBuf,
        /// What is wrong.
        source: Box<limbeck_runtime::Error>,
    },
    /// A path that the command cannot use, for example because a file is missing or of the wrong kind.
    #[error("{}: {message}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What was found, and what was expected.
        message: String,
    },
    /// Results cannot be written to standard output.
    #[error("cannot write to standard output: {0}")]
    Stdout(std::io::Error),
    /// Any other error, as a complete message.
    #[error("{0}")]
    Message(String),
}

/// `Result` of the command line.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<limbeck::Error> for Error {
    fn from(error: limbeck::Error) -> Self {
        Self::Limbeck(Box::new(error))
    }
}

impl From<limbeck_data::Error> for Error {
    fn from(error: limbeck_data::Error) -> Self {
        limbeck::Error::Data(error).into()
    }
}

impl Error {
    /// An error about a path.
    pub(crate) fn path(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Path {
            path: path.into(),
            message: message.into(),
        }
    }

    /// An error about a student's file `path`. The message names the file only once, also if the source names it already.
    pub(crate) fn student(path: impl Into<PathBuf>) -> impl FnOnce(limbeck_runtime::Error) -> Self {
        let path = path.into();
        move |source| match source {
            limbeck_runtime::Error::Io { .. } | limbeck_runtime::Error::TooLarge { .. } => {
                limbeck::Error::Runtime(source).into()
            }
            source => Self::Student {
                path,
                source: Box::new(source),
            },
        }
    }
}

/// The error and its sources as one line of text, without repeated messages.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        if !text.contains(&message) {
            let _ = write!(text, ": {message}");
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_says_each_source_once() {
        let io = std::io::Error::other("disk on fire");
        let error = Error::from(limbeck::Error::File {
            action: "read",
            path: "a.csv".into(),
            source: io,
        });
        assert_eq!(chain(&error), "cannot read a.csv: disk on fire");
    }

    #[test]
    fn student_error_names_its_file_once() {
        let damaged = limbeck_runtime::Error::Damaged {
            found: "1".into(),
            expected: "2".into(),
        };
        assert!(
            chain(&Error::student("s.limbeck")(damaged)).starts_with("s.limbeck: damaged file")
        );
    }
}
