//! What checks and readers found, and what was done about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check does when it finds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say so and go on.
    Warn,
    /// Leave out the column or the rows, and say so.
    Drop,
    /// Stop with an error.
    Refuse,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warn => "warn",
            Self::Drop => "drop",
            Self::Refuse => "refuse",
        })
    }
}

/// One thing found, as it stands in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Name of the check.
    pub check: String,
    /// What was done.
    pub action: Action,
    /// The column it is about, if one.
    pub column: Option<String>,
    /// One sentence with the place.
    pub message: String,
}
