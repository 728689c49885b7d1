//! Errors of the parsers of model files. The caller adds the path of the file.

use std::fmt;

/// Result of a parser of model files.
pub(crate) type Parsed<T> = std::result::Result<T, Fault>;

/// An error of a parser of model files. Its text says what was found, what was expected, and how to fix it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The file is damaged or has another format.
    Malformed {
        place: String,
        found: String,
        expected: String,
    },
    /// The file is valid, but its model cannot be used as a teacher.
    Unsupported { what: String, fix: String },
}

impl Fault {
    pub(crate) fn malformed(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            place: place.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Unsupported {
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed {
                place,
                found,
                expected,
            } => {
                write!(
                    f,
                    "{place}: found {found}, expected {expected}; the file may be damaged: save the model again"
                )
            }
            Self::Unsupported { what, fix } => write!(f, "{what}; {fix}"),
        }
    }
}

/// A string for messages: its first 40 characters, escaped, in backquotes. `…` marks a string that is longer.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
