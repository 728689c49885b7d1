//! What cannot be exported.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of the student that the format has no words for.
    #[error("{place}: {what} cannot be written as {format}; {fix}")]
    Refused {
        /// The format.
        format: &'static str,
        /// Column or operation.
        place: String,
        /// What it is.
        what: String,
        /// What to do instead.
        fix: &'static str,
    },
    /// A name that is none in C.
    #[error(
        "`{name}` is no name in C; choose letters, digits and _, a letter first, at most 60 of them, and no word of the language"
    )]
    Name {
        /// As given.
        name: String,
    },
    /// Golden vectors that cannot be written: see the source.
    #[error("the golden vectors cannot be written: {0}")]
    Golden(#[from] serde_json::Error),
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
