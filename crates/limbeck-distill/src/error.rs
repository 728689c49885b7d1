//! Errors of the crate: making a student from a teacher's labels.

use limbeck_data::figures::counted;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is out of its range, or contradicts another option.
    #[error(transparent)]
    InvalidOption(#[from] limbeck_options::Refused),
    /// The parameter budget is too small: even the smallest student for these columns has more parameters.
    #[error(
        "the smallest student for {} has {smallest} parameters, but only {allowed} are allowed; raise --params \
         to {smallest}, or drop columns",
        counted(*columns, "column")
    )]
    BudgetTooSmall {
        /// Number of feature columns.
        columns: usize,
        /// Number of parameters of the smallest student.
        smallest: usize,
        /// The budget: the maximum number of parameters (option `student.params`).
        allowed: usize,
    },
    /// A student of kind `table` was asked for, but the features are not one to three numeric columns.
    #[error(
        "a student of kind `table` needs 1 to 3 numeric columns and no others, found {found}; drop columns (`--drop`), or choose another kind of student \
         (`--student mlp`, `trees` or `linear`)"
    )]
    NotATable {
        /// What was found instead, such as `5 features` or the name of a category column.
        found: String,
    },
    /// The user asked to stop before any student was trained.
    #[error("stopped before a student was trained")]
    Interrupted,
    /// A network could not be made or trained; the inner error says why.
    #[error(transparent)]
    Nets(#[from] limbeck_nets::Error),
    /// The runtime refused the student's encoder or graph, or an input row; the inner error says why.
    #[error(transparent)]
    Runtime(#[from] limbeck_runtime::Error),
    /// Boosted trees could not be fitted (for the bins of a network, or as a student), or the user asked to stop during the fit; the inner error
    /// says which of the two.
    #[error(transparent)]
    Teach(#[from] limbeck_teach::Error),
    /// The data is invalid, such as rows whose columns differ; the inner error says why.
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
