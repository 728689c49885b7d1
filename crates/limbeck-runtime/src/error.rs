//! The errors of this crate; each message says where the problem is, and usually how to fix it.

use alloc::string::String;
use core::fmt;

/// Result of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// All errors of this crate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The number of columns differs from the number the encoder was fitted on.
    ColumnCount {
        /// Columns given.
        found: usize,
        /// Columns of the encoder.
        expected: usize,
        /// Names of the encoder's columns, in order.
        names: String,
    },
    /// The length of a column differs from the number of rows in the batch.
    ColumnLength {
        /// Column name.
        column: String,
        /// Values in it.
        found: usize,
        /// Rows of the batch.
        expected: usize,
    },
    /// A column holds numbers but was fitted as categories, or the reverse.
    ColumnKind {
        /// Column name.
        column: String,
        /// Kind given.
        found: &'static str,
        /// Kind fitted.
        expected: &'static str,
    },
    /// ±inf in a number column.
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
        /// The code.
        code: u32,
        /// How many levels there are.
        levels: usize,
    },
    /// A slice has the wrong length for its shape.
    BufferLength {
        /// Which slice.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length needed.
        expected: usize,
    },
    /// The encoder's fields contradict each other or hold an invalid number.
    InvalidEncoder {
        /// Column name; empty if the fault concerns the whole encoder.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A graph node does not fit its inputs, or its own fields contradict each other.
    InvalidNode {
        /// Node index, from 0.
        node: usize,
        /// Name of its op.
        op: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The graph has no nodes or an invalid input width, so that it cannot run.
    InvalidGraph {
        /// What is wrong with it.
        reason: String,
    },
    /// The parts given for a student do not fit together.
    InvalidStudent {
        /// What is wrong with them.
        reason: String,
    },
    /// The bytes are not a `.limbeck` file.
    NotLimbeck {
        /// What was found instead.
        reason: String,
    },
    /// The file was written by a newer version of limbeck, in a format that this version cannot read.
    NewerFormat {
        /// The file's format.
        found: String,
        /// The newest format that this version reads.
        supported: &'static str,
    },
    /// The file holds another kind of content than was asked for.
    WrongKind {
        /// The file's kind.
        found: String,
        /// The kind wanted.
        expected: String,
    },
    /// The bytes of the file changed after it was written: the checksum differs.
    Damaged {
        /// Checksum of the bytes found.
        found: String,
        /// Checksum in the file.
        expected: String,
    },
    /// The file is complete, but an entry is missing or invalid.
    InvalidEntry {
        /// Metadata key or tensor name.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A call for one prediction was made on a student with several outputs.
    SeveralOutputs {
        /// Number of outputs of the student.
        outputs: usize,
    },
    /// The prediction for a golden row differs from the one stored when the student was made.
    GoldenMismatch {
        /// Golden row, from 0.
        row: usize,
        /// Name of the target.
        target: String,
        /// Prediction now.
        found: f64,
        /// Prediction stored.
        expected: f64,
        /// Largest difference allowed.
        tolerance: f64,
    },
    /// The file is larger than this version reads.
    TooLarge {
        /// The file.
        path: String,
        /// Largest size read, in bytes.
        limit: u64,
    },
    /// The operating system reported an error.
    #[cfg(feature = "std")]
    Io {
        /// The file.
        path: String,
        /// What was being done to it.
        action: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ColumnCount {
                found,
                expected,
                names,
            } => {
                write!(
                    f,
                    "{found} input columns given, {expected} expected: pass, in this order, {names}"
                )
            }
            Self::ColumnLength {
                column,
                found,
                expected,
            } => {
                write!(
                    f,
                    "column `{column}` has {found} values, {expected} expected: give one per row"
                )
            }
            Self::ColumnKind {
                column,
                found,
                expected,
            } => {
                write!(
                    f,
                    "column `{column}` holds {found}, {expected} expected: read it with the kind it had in training"
                )
            }
            Self::InfiniteValue { column, row } => {
                write!(
                    f,
                    "column `{column}`, row {row}: infinite value, expected a finite number or NaN (missing)"
                )
            }
            Self::InvalidCode {
                column,
                row,
                code,
                levels,
            } => {
                write!(
                    f,
                    "column `{column}`, row {row}: level code {code}, but only {levels} levels are given (codes start at 0)"
                )
            }
            Self::BufferLength {
                what,
                found,
                expected,
            } => {
                write!(f, "{what} holds {found} values, {expected} expected")
            }
            Self::InvalidEncoder { column, reason } if column.is_empty() => {
                write!(f, "encoder: {reason}")
            }
            Self::InvalidEncoder { column, reason } => {
                write!(f, "encoder, column `{column}`: {reason}")
            }
            Self::InvalidNode { node, op, reason } => {
                write!(f, "graph node {node} ({op}): {reason}")
            }
            Self::InvalidGraph { reason } => write!(f, "graph: {reason}"),
            Self::InvalidStudent { reason } => write!(f, "student: {reason}"),
            Self::NotLimbeck { reason } => {
                write!(
                    f,
                    "not a limbeck file ({reason}): give a complete `.limbeck` file written by limbeck"
                )
            }
            Self::NewerFormat { found, supported } => {
                write!(
                    f,
                    "the file has format `{found}`, but this version of limbeck reads formats up to `{supported}`: use a newer limbeck"
                )
            }
            Self::WrongKind { found, expected } => {
                write!(f, "the file holds a {found}, expected a {expected}")
            }
            Self::Damaged { found, expected } => {
                write!(
                    f,
                    "damaged file: found checksum {found}, expected {expected}: copy or export the file again"
                )
            }
            Self::InvalidEntry { entry, reason } => write!(f, "file entry `{entry}`: {reason}"),
            Self::SeveralOutputs { outputs } => write!(
                f,
                "one prediction was asked for, but the student makes {outputs}: use predict_row_into"
            ),
            Self::GoldenMismatch {
                row,
                target,
                found,
                expected,
                tolerance,
            } => write!(
                f,
                "golden row {row}, `{target}`: predicted {found}, expected {expected} ± {tolerance:e}: this build does not reproduce the stored predictions"
            ),
            Self::TooLarge { path, limit } => {
                write!(
                    f,
                    "`{path}` is larger than {limit} bytes, the maximum size of a limbeck file"
                )
            }
            #[cfg(feature = "std")]
            Self::Io {
                path,
                action,
                source,
            } => write!(f, "cannot {action} `{path}`: {source}"),
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
