//! Errors of exports.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of the student cannot be expressed in the format of the export.
    #[error("{place}: {what} cannot be written as {format}; {fix}")]
    Refused {
        /// Name of the export's format.
        format: &'static str,
        /// The column or operation that cannot be expressed.
        place: String,
        /// What cannot be expressed, such as a scaling by quantiles.
        what: String,
        /// What the user can do instead, such as dropping the column.
        fix: &'static str,
    },
    /// A name that is not a valid C identifier.
    #[error(
        "`{name}` is not a valid C name; use at most 60 letters, digits and underscores, beginning with a letter; reserved words of C and C++ are not allowed"
    )]
    Name {
        /// The invalid name.
        name: String,
    },
    /// The golden vectors cannot be written as JSON.
    #[error(
        "the golden vectors (rows with the predictions that an export must give) cannot be written as JSON: {0}"
    )]
    Golden(#[from] serde_json::Error),
}

/// Result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
