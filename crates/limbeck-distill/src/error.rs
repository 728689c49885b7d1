//! What can go wrong between labels and student.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option outside its range, or one that does not go with others.
    #[error(transparent)]
    InvalidOption(#[from] limbeck_options::Refused),
    /// Even the smallest network for these columns has more parameters than allowed.
    #[error(
        "the smallest student for these {columns} columns has {smallest} parameters and {allowed} are allowed; raise --params \
         to {smallest}, or drop columns"
    )]
    BudgetTooSmall {
        /// Feature columns.
        columns: usize,
        /// Parameters of the smallest network.
        smallest: usize,
        /// Parameters allowed.
        allowed: usize,
    },
    /// A table of other columns than one to three numbers.
    #[error(
        "student kind table reads 1 to 3 numbers, found {found}; drop columns, or choose mlp, trees or linear"
    )]
    NotATable {
        /// What stands in the way.
        found: String,
    },
    /// Training was asked to stop before a student existed.
    #[error("stopped before a student was trained")]
    Interrupted,
    /// Training: see the source.
    #[error(transparent)]
    Nets(#[from] limbeck_nets::Error),
    /// The runtime refused a part of the student: see the source.
    #[error(transparent)]
    Runtime(#[from] limbeck_runtime::Error),
    /// The teacher failed: see the source.
    #[error(transparent)]
    Teach(#[from] limbeck_teach::Error),
    /// Rows that do not fit together: see the source.
    #[error(transparent)]
    Data(#[from] limbeck_data::Error),
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<limbeck_data::stop::Stopped> for Error {
    fn from(_: limbeck_data::stop::Stopped) -> Self {
        Self::Interrupted
    }
}
