//! The errors of fitting, storing or running a teacher.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use limbeck_data::figures::counted;

/// Result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate; each message says what was found, what was expected, where, and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user stopped the work.
    #[error("stopped by the user before the fit or the labels were finished")]
    Stopped,
    /// An option is out of range, has no effect, or conflicts with another option.
    #[error(transparent)]
    InvalidOption(#[from] limbeck_options::Refused),
    /// A list that must have one value per row (the targets, the weights, or the fold of each row) has another length.
    #[error("{what}: found {} for {}; give one value per row", counted(*found, "value"), counted(*expected, "row"))]
    Length {
        /// The list that has the wrong length: the targets, the weights or the folds.
        what: &'static str,
        /// Length of this list.
        found: usize,
        /// Number of rows of the features.
        expected: usize,
    },
    /// There are too few rows to fit a teacher.
    #[error("found {} with positive weight; a teacher needs at least {expected}; add rows, or check the weights", counted(*found, "row"))]
    TooFewRows {
        /// Number of rows with positive weight.
        found: usize,
        /// Smallest number of rows that is allowed.
        expected: usize,
    },
    /// A target is not a finite number, or a weight is negative or not a finite number.
    #[error("{what} of row {row} (counted from 0) is {value}; expected {expected}")]
    NotFinite {
        /// What the value is, for the message: `the target` or `the weight`.
        what: &'static str,
        /// Index of the row, from 0.
        row: usize,
        /// The value found.
        value: f64,
        /// The values that are allowed, in words.
        expected: &'static str,
    },
    /// A column that the teacher was fitted on is missing, or is at another position.
    #[error(
        "column {position} of the features is {found}, but the teacher was fitted with {expected} at this position; give the teacher the columns \
         that it was fitted on, in the same order"
    )]
    WrongColumn {
        /// Position of the column, from 1.
        position: usize,
        /// The column that was found at this position: its name in backquotes, or `missing`.
        found: String,
        /// The column that the teacher was fitted on: its name in backquotes, or `no column`.
        expected: String,
    },
    /// A column holds numbers but the teacher was fitted on categories there, or the reverse.
    #[error(
        "column `{column}` holds {found}, but the teacher was fitted on {expected} in this column; set the type of the column in data.types"
    )]
    WrongKind {
        /// Name of the column.
        column: String,
        /// Type of the values found.
        found: &'static str,
        /// Type of the values that the teacher was fitted on.
        expected: &'static str,
    },
    /// The tree library returned an error.
    #[error("boosted trees could not be fitted: {message}")]
    Trees {
        /// The message of the tree library.
        message: String,
    },
    /// The bytes are not a stored forest (boosted trees).
    #[error("the stored boosted trees are damaged: {message}; fit the teacher again")]
    MalformedForest {
        /// What is wrong, and where.
        message: String,
    },
    /// The bytes are not a stored teacher.
    #[error("the stored teacher is damaged: {message}; fit the teacher again")]
    MalformedTeacher {
        /// What is wrong, and where.
        message: String,
    },
    /// A recurrent network was asked for, but the features have no rows before them ([`limbeck_data::Features::past`]).
    #[error(
        "a recurrent network reads the rows before each row, but these rows were not read as series; name the columns of times and series (`--time`, \
         `--series`), or in the library, make the data set with `Dataset::joint`"
    )]
    NoRowsBefore,
    /// Training a network teacher failed; the source says why.
    #[error(transparent)]
    Nets(#[from] limbeck_nets::Error),
    /// The teacher command cannot be started.
    #[error(
        "cannot start the teacher command `{command}`: {source}; limbeck runs it with `sh -c`: check that the program `sh` exists and that the \
         command is not too long"
    )]
    CommandStart {
        /// The command.
        command: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The teacher command ended with an error code or a signal.
    #[error(
        "the teacher command `{command}` ended with {status} on a batch of {}{stderr}",
        counted(*rows, "row")
    )]
    CommandFailed {
        /// The command.
        command: String,
        /// Exit code or signal, in words.
        status: String,
        /// Number of rows in the batch.
        rows: usize,
        /// The end of what the command wrote on stderr.
        stderr: Stderr,
    },
    /// The teacher command did not finish in time; its whole process group was killed.
    #[error(
        "the teacher command `{command}` did not finish a batch of {} within {} s and was stopped; set a \
         smaller teacher.command.batch_rows or a longer --teacher-timeout{stderr}",
        counted(*rows, "row"), after.as_secs_f64()
    )]
    CommandTimeout {
        /// The command.
        command: String,
        /// Number of rows in the batch.
        rows: usize,
        /// The time limit for a batch.
        after: Duration,
        /// The end of what the command wrote on stderr.
        stderr: Stderr,
    },
    /// The number of predictions that the teacher command printed differs from the number of rows that it was given.
    #[error(
        "the teacher command `{command}` printed {} (a header line is not counted); expected {}, one per row{stderr}",
        counted(*found, "line"), counted(*expected, "line")
    )]
    CommandRows {
        /// The command.
        command: String,
        /// Number of lines that the command printed, without a header line.
        found: usize,
        /// Number of rows in the batch.
        expected: usize,
        /// The end of what the command wrote on stderr.
        stderr: Stderr,
    },
    /// The teacher command wrote more bytes than any valid output has.
    #[error(
        "the teacher command `{command}` wrote more than {most} bytes for {} and was stopped; expected one line per row, with one \
         number or with two numbers separated by a comma{stderr}",
        counted(*rows, "row")
    )]
    CommandOutput {
        /// The command.
        command: String,
        /// Number of rows in the batch.
        rows: usize,
        /// Maximum number of bytes.
        most: usize,
        /// The end of what the command wrote on stderr.
        stderr: Stderr,
    },
    /// A line that the teacher command printed is not a prediction.
    #[error(
        "the teacher command `{command}` printed `{line}` for row {row} of a batch; expected {expected}{stderr}"
    )]
    CommandAnswer {
        /// The command.
        command: String,
        /// Number of the row in the batch, from 1.
        row: usize,
        /// The line, shortened.
        line: String,
        /// What a line must contain.
        expected: &'static str,
        /// The end of what the command wrote on stderr.
        stderr: Stderr,
    },
    /// Writing to or reading from the teacher command failed.
    #[error("cannot {action} the teacher command `{command}`: {source}")]
    CommandPipe {
        /// The command.
        command: String,
        /// The operation that failed, such as `send rows to`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The model file of an imported teacher cannot be read.
    #[error("cannot read the teacher's model file {}: {source}; give the path of a LightGBM, XGBoost, CatBoost or ONNX file", path.display())]
    ModelFile {
        /// Path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A model file is damaged, is of an unknown format, or cannot be used with this table.
    #[error("{} cannot be the teacher: {message}", path.display())]
    Model {
        /// Path of the file.
        path: PathBuf,
        /// What was found, what was expected, and how to fix it.
        message: String,
    },
    /// The model predicts a number that has no logarithm, but the student learns logarithms of the target.
    #[error(
        "the model predicts a number that is not above 0 for row {row} of the table; such a number has no logarithm, which data.log_target needs; \
         leave out --log-target"
    )]
    ModelLog {
        /// Number of the row in the table, from 1.
        row: usize,
    },
    /// An error in reading or writing a table; the source says which.
    #[error(transparent)]
    Data(Box<limbeck_data::Error>),
    /// An error in reading a stored teacher, in encoding rows, or in running a graph; the source says which.
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

/// The last lines that a command wrote on its standard error (stderr), for messages. Empty if it wrote nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stderr(pub Vec<String>);

impl fmt::Display for Stderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "; the command wrote nothing on stderr");
        }
        write!(f, "; the end of the stderr of the command:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  | {line}"))
    }
}
