//! The errors of this crate; each message says where the problem is, and usually how to fix it.

use alloc::string::String;
use core::fmt;

/// Result type of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// All errors of this crate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The number of columns differs from the number that the encoder was fitted on.
    ColumnCount {
        /// Number of columns given.
        found: usize,
        /// Number of columns of the encoder.
        expected: usize,
        /// Names of the encoder's columns, in order.
        names: String,
    },
    /// The length of a column differs from the number of rows in the batch.
    ColumnLength {
        /// Column name.
        column: String,
        /// Number of values in the column.
        found: usize,
        /// Number of rows of the batch.
        expected: usize,
    },
    /// A column holds numbers but the encoder was fitted on categories, or the reverse.
    ColumnKind {
        /// Column name.
        column: String,
        /// Type of the values given, such as numbers or categories.
        found: &'static str,
        /// Type of the values that the encoder was fitted on.
        expected: &'static str,
    },
    /// A number column holds +inf or −inf.
    InfiniteValue {
        /// Column name.
        column: String,
        /// Row in the batch, from 0.
        row: usize,
    },
    /// A category code is not an index into the given list of levels.
    InvalidCode {
        /// Column name.
        column: String,
        /// Row in the batch, from 0.
        row: usize,
        /// The category code.
        code: u32,
        /// Number of levels given.
        levels: usize,
    },
    /// A slice has the wrong length for its shape.
    BufferLength {
        /// Name of the slice.
        what: &'static str,
        /// Length of the slice.
        found: usize,
        /// Length that is needed.
        expected: usize,
    },
    /// The encoder's fields contradict each other or hold an invalid number.
    InvalidEncoder {
        /// Column name; empty if the error concerns the whole encoder.
        column: String,
        /// What is wrong with the encoder.
        reason: String,
    },
    /// A node of the graph cannot take its inputs, or its own fields contradict each other.
    InvalidNode {
        /// Node index, from 0.
        node: usize,
        /// Name of the node's operation.
        op: &'static str,
        /// What is wrong with the node.
        reason: String,
    },
    /// The graph has no nodes or an invalid input width, so that it cannot run.
    InvalidGraph {
        /// What is wrong with the graph.
        reason: String,
    },
    /// The parts given for a student do not fit together.
    InvalidStudent {
        /// How the parts do not fit together.
        reason: String,
    },
    /// The bytes are not a `.limbeck` file.
    NotLimbeck {
        /// What was found instead.
        reason: String,
    },
    /// The file was written by a newer version of limbeck, in a format that this version cannot read.
    NewerFormat {
        /// Format of the file.
        found: String,
        /// The newest format that this version can read.
        supported: &'static str,
    },
    /// The file holds another kind of content than the caller asked for, such as a teacher in place of a student.
    WrongKind {
        /// Kind of the file's content.
        found: String,
        /// Kind that the caller asked for.
        expected: String,
    },
    /// The bytes of the file changed after it was written: the checksum differs.
    Damaged {
        /// Checksum computed from the bytes of the file.
        found: String,
        /// Checksum written in the file.
        expected: String,
    },
    /// The file is complete, but an entry is missing or invalid.
    InvalidEntry {
        /// Metadata key or tensor name.
        entry: String,
        /// What is wrong with the entry.
        reason: String,
    },
    /// One prediction was requested from a student with several outputs.
    SeveralOutputs {
        /// Number of outputs of the student.
        outputs: usize,
    },
    /// A row was given alone to a recurrent student, whose predictions need the rows before it.
    NeedsEarlierRows,
    /// A series was given piece by piece to a student that does not carry its state.
    NotCarried,
    /// A window is empty, or reaches beyond the rows of the table.
    InvalidWindow {
        /// Index of the window, from 0.
        window: usize,
        /// First row of the window.
        start: usize,
        /// Row after the last row of the window.
        end: usize,
        /// Number of rows of the table.
        rows: usize,
    },
    /// Bytes that should be the state of a stream of this student are not.
    InvalidState {
        /// Number of bytes.
        bytes: usize,
    },
    /// The student has no prediction intervals.
    NoIntervals,
    /// The prediction intervals do not support a level.
    InvalidLevel {
        /// The level.
        level: f64,
        /// Number of independent rows, or of groups of rows, behind the intervals.
        count: usize,
        /// Number that the level needs; `None` if the level is not from 0.5 to 0.9999.
        needed: Option<usize>,
    },
    /// The prediction for a golden row (a row with a known prediction) differs from the prediction stored when the student was made.
    GoldenMismatch {
        /// Index of the golden row, from 0.
        row: usize,
        /// Name of the target.
        target: String,
        /// The prediction made now.
        found: f64,
        /// The stored prediction.
        expected: f64,
        /// Largest difference allowed.
        tolerance: f64,
    },
    /// The file is larger than the maximum that this version reads.
    TooLarge {
        /// The file.
        path: String,
        /// Largest size that is read, in bytes.
        limit: u64,
    },
    /// The operating system reported an error.
    #[cfg(feature = "std")]
    Io {
        /// The file.
        path: String,
        /// The operation that failed, such as `read`.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// How to fix a student whose parts do not fit together.
const DAMAGED: &str = "if it was read from a file, the file is damaged: copy the file again, or train the student again";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ColumnCount {
                found,
                expected,
                names,
            } => write!(
                f,
                "number of input columns: found {found}, expected {expected}; pass, in this order: {names}"
            ),
            Self::ColumnLength {
                column,
                found,
                expected,
            } => write!(
                f,
                "column `{column}`, number of values: found {found}, expected {expected}; give one value per row"
            ),
            Self::ColumnKind {
                column,
                found,
                expected,
            } => write!(
                f,
                "column `{column}` holds {found}, but {expected} are expected: read the column with the same data type as in training"
            ),
            Self::InfiniteValue { column, row } => write!(
                f,
                "column `{column}`, row {row}: infinite value, expected a finite number or NaN (missing); rows are counted from 0"
            ),
            Self::InvalidCode {
                column,
                row,
                code,
                levels,
            } => write!(
                f,
                "column `{column}`, row {row}: level code {code}, but the number of levels is {levels} (rows and codes are counted from 0)"
            ),
            Self::BufferLength {
                what,
                found,
                expected,
            } => write!(f, "length of {what}: found {found}, expected {expected}"),
            Self::InvalidEncoder { column, reason } if column.is_empty() => {
                write!(f, "encoder: {reason}")
            }
            Self::InvalidEncoder { column, reason } => {
                write!(f, "encoder, column `{column}`: {reason}")
            }
            Self::InvalidNode { node, op, reason } => {
                write!(
                    f,
                    "invalid student: node {node} of its graph ({op}): {reason}; {DAMAGED}"
                )
            }
            Self::InvalidGraph { reason } => {
                write!(f, "invalid student: its graph: {reason}; {DAMAGED}")
            }
            Self::InvalidStudent { reason } => write!(f, "invalid student: {reason}; {DAMAGED}"),
            Self::NotLimbeck { reason } => write!(
                f,
                "not a limbeck file ({reason}): give a complete `.limbeck` file written by limbeck"
            ),
            Self::NewerFormat { found, supported } => write!(
                f,
                "the file has format `{found}`, but this version of limbeck reads formats up to `{supported}`: use a newer limbeck"
            ),
            Self::WrongKind { found, expected } => write!(
                f,
                "the file holds a {found}, expected a {expected}: give the file of a {expected}"
            ),
            Self::Damaged { found, expected } => write!(
                f,
                "damaged file: found checksum {found}, expected {expected}: copy or export the file again"
            ),
            Self::InvalidEntry { entry, reason } => write!(
                f,
                "file entry `{entry}`: {reason}; the file is damaged: copy or export the file again, or train the model again"
            ),
            Self::SeveralOutputs { outputs } => write!(
                f,
                "one prediction was requested, but the student makes {outputs} predictions per row: call predict_row_into"
            ),
            Self::NeedsEarlierRows
            | Self::NotCarried
            | Self::InvalidWindow { .. }
            | Self::InvalidState { .. } => self.fmt_of_series(f),
            Self::NoIntervals | Self::InvalidLevel { .. } => self.fmt_of_intervals(f),
            Self::GoldenMismatch {
                row,
                target,
                found,
                expected,
                tolerance,
            } => write!(
                f,
                "stored test example (golden row {row}, target `{target}`): predicted {found}, expected {expected} ± {tolerance:e}: do not use the student; export or train it again"
            ),
            Self::TooLarge { path, limit } => write!(
                f,
                "`{path}` is larger than {limit} bytes, the maximum size of a limbeck file"
            ),
            #[cfg(feature = "std")]
            Self::Io {
                path,
                action,
                source,
            } => write!(f, "cannot {action} `{path}`: {source}"),
        }
    }
}

impl Error {
    /// The messages about prediction intervals.
    fn fmt_of_intervals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIntervals => write!(
                f,
                "the student has no prediction intervals: they need rows that trained nothing; train it again with intervals (limbeck distill … --interval 0.9)"
            ),
            Self::InvalidLevel {
                level,
                count,
                needed: Some(needed),
            } => write!(
                f,
                "level of prediction intervals: found {level}, which needs {needed} independent calibration rows (or groups), but there were {count}; ask for a smaller level, or train the student again with more calibration rows"
            ),
            Self::InvalidLevel {
                level,
                needed: None,
                ..
            } => write!(
                f,
                "level of prediction intervals: found {level}, expected 0.5 to 0.9999, such as 0.9 for 90 %"
            ),
            _ => Ok(()),
        }
    }

    /// The messages about the rows of a series.
    fn fmt_of_series(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsEarlierRows => write!(
                f,
                "the student is recurrent: a prediction needs the rows before it; pass the rows of a series in order to a `Stream`, or to `predict_windows`"
            ),
            Self::NotCarried => write!(
                f,
                "the student does not carry its state from row to row, so it cannot predict a series piece by piece; use `predict_windows`, or `predict` if it is not recurrent"
            ),
            Self::InvalidWindow {
                window,
                start,
                end,
                rows,
            } => write!(
                f,
                "window {window} has the rows {start}..{end} of {rows}, counted from 0: expected one row or more, and an end of at most {rows}"
            ),
            Self::InvalidState { bytes } => write!(
                f,
                "found {bytes} bytes that are not the state of a stream of this student: pass the bytes that `Stream::state` returned for the same student"
            ),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            #[cfg(feature = "std")]
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
