//! What can go wrong, with the place and how to fix it.

use alloc::string::String;
use core::fmt;

/// Result of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Everything that this crate refuses.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The encoder was given another number of columns than it was fitted on.
    ColumnCount {
        /// Columns given.
        found: usize,
        /// Columns of the encoder.
        expected: usize,
        /// Their names, in order.
        names: String,
    },
    /// A column has another length than the batch.
    ColumnLength {
        /// Column name.
        column: String,
        /// Values in it.
        found: usize,
        /// Rows of the batch.
        expected: usize,
    },
    /// A number where a category was fitted, or the reverse.
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
    /// A category code beyond its list of levels.
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
    /// A slice that does not hold what its shape says.
    BufferLength {
        /// Which slice.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length needed.
        expected: usize,
    },
    /// An encoder that contradicts itself.
    InvalidEncoder {
        /// Column name; empty where the fault is in the whole.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A graph node that contradicts its inputs or itself.
    InvalidNode {
        /// Node index, from 0.
        node: usize,
        /// Name of its op.
        op: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A graph, as a whole, that cannot be run.
    InvalidGraph {
        /// What is wrong with it.
        reason: String,
    },
    /// Parts that do not make a student.
    InvalidStudent {
        /// What is wrong with them.
        reason: String,
    },
    /// Not a `.limbeck` file at all.
    NotLimbeck {
        /// What was found instead.
        reason: String,
    },
    /// A file of a later version of this program.
    NewerFormat {
        /// The file's format.
        found: String,
        /// The newest format known here.
        supported: &'static str,
    },
    /// A file of another kind than was asked for.
    WrongKind {
        /// The file's kind.
        found: String,
        /// The kind wanted.
        expected: String,
    },
    /// A file whose bytes are not those that were written.
    Damaged {
        /// Checksum of the bytes found.
        found: String,
        /// Checksum in the file.
        expected: String,
    },
    /// A whole file with an entry that is missing or does not make sense.
    InvalidEntry {
        /// Metadata key or tensor name.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One prediction was asked of a student that makes several.
    SeveralOutputs {
        /// How many it makes.
        outputs: usize,
    },
    /// A golden row is no longer predicted as when the student was made.
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
    /// A file larger than any student.
    TooLarge {
        /// The file.
        path: String,
        /// Largest size read, in bytes.
        limit: u64,
    },
    /// The operating system refused.
    #[cfg(feature = "std")]
    Io {
        /// The file.
        path: String,
        /// What was being done to it.
        action: &'static str,
        /// Why not.
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
                    "column `{column}`, row {row}: infinite value, a finite number or missing (NaN) expected"
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
                    "column `{column}`, row {row}: level code {code}, but only {levels} levels given"
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
                    "not a limbeck file ({reason}): give a `.limbeck` file written by limbeck, complete"
                )
            }
            Self::NewerFormat { found, supported } => {
                write!(
                    f,
                    "file format `{found}`, but this version reads up to `{supported}`: use a newer limbeck"
                )
            }
            Self::WrongKind { found, expected } => {
                write!(f, "the file holds a {found}, a {expected} expected")
            }
            Self::Damaged { found, expected } => {
                write!(
                    f,
                    "damaged file: checksum {found}, {expected} expected: copy or export it again"
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
                "golden row {row}, `{target}`: predicted {found}, {expected} ± {tolerance:e} expected: this build computes otherwise"
            ),
            Self::TooLarge { path, limit } => {
                write!(
                    f,
                    "`{path}` is larger than {limit} bytes, the most a limbeck file may have"
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
