//! What can go wrong while a teacher is fitted, stored or asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate; each message says what was found, what was expected, where, and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user ended the work.
    #[error("stopped before the teacher was fitted")]
    Stopped,
    /// An option that is out of range, has no effect, or conflicts with another.
    #[error(transparent)]
    InvalidOption(#[from] limbeck_options::Refused),
    /// Targets, weights or folds whose number differs from that of the rows.
    #[error("{what} has {found} values for {expected} rows")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Its length.
        found: usize,
        /// Rows of the features.
        expected: usize,
    },
    /// Too few rows to fit anything.
    #[error("{found} rows with positive weight; a teacher needs at least {expected}")]
    TooFewRows {
        /// Usable rows.
        found: usize,
        /// Smallest number that works.
        expected: usize,
    },
    /// A target or weight that is not a finite number.
    #[error("{what} of row {row} is {value}; expected {expected}")]
    NotFinite {
        /// Target or weight.
        what: &'static str,
        /// Row, from 0.
        row: usize,
        /// The value.
        value: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A column that the teacher was fitted on is missing, or is in another position.
    #[error(
        "column {position} of the features is {found}; the teacher was fitted on `{expected}` there, so give it the same columns in the same order"
    )]
    WrongColumn {
        /// Place, from 1.
        position: usize,
        /// What is there.
        found: String,
        /// Name of the column at fitting.
        expected: String,
    },
    /// A column holds numbers but held categories when the teacher was fitted, or the reverse.
    #[error("column `{column}` holds {found}; the teacher was fitted on {expected}")]
    WrongKind {
        /// The column.
        column: String,
        /// Kind found.
        found: &'static str,
        /// Kind at fitting.
        expected: &'static str,
    },
    /// The tree library returned an error.
    #[error("boosted trees could not be fitted: {message}")]
    Trees {
        /// The message of the library.
        message: String,
    },
    /// Bytes that are not a stored forest.
    #[error("not a usable forest: {message}; fit the teacher again")]
    MalformedForest {
        /// What is wrong, and where.
        message: String,
    },
    /// Bytes that are not a stored teacher.
    #[error("not a usable teacher: {message}; fit the teacher again")]
    MalformedTeacher {
        /// What is wrong, and where.
        message: String,
    },
    /// Training of a network teacher: see the source.
    #[error(transparent)]
    Nets(#[from] limbeck_nets::Error),
    /// The teacher command cannot be started.
    #[error(
        "cannot start the teacher command `{command}`: {source}; it is run by `sh -c`, which must exist"
    )]
    CommandStart {
        /// The command.
        command: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The teacher command ended with an error.
    #[error(
        "the teacher command `{command}` ended with {status} on a batch of {rows} rows{stderr}"
    )]
    CommandFailed {
        /// The command.
        command: String,
        /// Exit code or signal, in words.
        status: String,
        /// Rows it was given.
        rows: usize,
        /// End of its stderr.
        stderr: Stderr,
    },
    /// The teacher command did not finish in time; its whole process group was killed.
    #[error(
        "the teacher command `{command}` did not finish a batch of {rows} rows within {} s and was stopped; make the \
         batches smaller or the time-out longer{stderr}",
        after.as_secs_f64()
    )]
    CommandTimeout {
        /// The command.
        command: String,
        /// Rows it was given.
        rows: usize,
        /// The time-out.
        after: Duration,
        /// End of its stderr.
        stderr: Stderr,
    },
    /// The teacher command answered another number of rows than it was given.
    #[error(
        "the teacher command `{command}` answered {found} rows; expected {expected}, one line per row (and at most one \
         header line){stderr}"
    )]
    CommandRows {
        /// The command.
        command: String,
        /// Lines with a prediction.
        found: usize,
        /// Rows it was given.
        expected: usize,
        /// End of its stderr.
        stderr: Stderr,
    },
    /// The teacher command wrote more than any valid answer.
    #[error(
        "the teacher command `{command}` wrote more than {most} bytes for {rows} rows and was stopped; expected one \
         number, or two with a comma, per line{stderr}"
    )]
    CommandOutput {
        /// The command.
        command: String,
        /// Rows it was given.
        rows: usize,
        /// The limit.
        most: usize,
        /// End of its stderr.
        stderr: Stderr,
    },
    /// A line of the answer is not a prediction.
    #[error(
        "the teacher command `{command}` answered `{line}` for row {row}; expected {expected}{stderr}"
    )]
    CommandAnswer {
        /// The command.
        command: String,
        /// Row of the batch, from 1.
        row: usize,
        /// The line, shortened.
        line: String,
        /// What a line must hold.
        expected: &'static str,
        /// End of its stderr.
        stderr: Stderr,
    },
    /// Writing to or reading from the teacher command failed.
    #[error("cannot {action} the teacher command `{command}`: {source}")]
    CommandPipe {
        /// The command.
        command: String,
        /// What was attempted.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The model file of an imported teacher cannot be read.
    #[error("cannot read the teacher's model file {}: {source}; give a LightGBM, XGBoost, CatBoost or ONNX file", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A model file that is damaged, is of an unknown kind, or does not fit the table.
    #[error("{} cannot be the teacher: {message}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, and how to fix it.
        message: String,
    },
    /// A prediction has no logarithm, but logarithms are learned.
    #[error(
        "the model predicts a number that is not above 0 for row {row}, but data.log_target learns logarithms; leave out --log-target"
    )]
    ModelLog {
        /// Row of the table, from 1.
        row: usize,
    },
    /// An error of tables or their files: see the source.
    #[error(transparent)]
    Data(Box<limbeck_data::Error>),
    /// An error of stored teachers or of student parts: see the source.
    #[error(transparent)]
    Runtime(#[from] limbeck_runtime::Error),
}

impl From<limbeck_data::stop::Stopped> for Error {
    fn from(_: limbeck_data::stop::Stopped) -> Self {
        Self::Stopped
    }
}

impl From<limbeck_data::Error> for Error {
    fn from(error: limbeck_data::Error) -> Self {
        Self::Data(Box::new(error))
    }
}

/// The end of what a command wrote on its standard error, for messages.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stderr(pub Vec<String>);

impl fmt::Display for Stderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "; it wrote nothing on stderr");
        }
        write!(f, "; the end of its stderr:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  | {line}"))
    }
}
