//! Warnings from checks and from table readers, and the actions that checks can take.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check does if it finds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Add a warning to the report and continue.
    Warn,
    /// Leave out the column or the rows, and add a warning to the report.
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

/// One finding of a check, as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Name of the check.
    pub check: String,
    /// Action that was taken.
    pub action: Action,
    /// The column concerned, if the finding concerns one.
    pub column: Option<String>,
    /// What was found and where, in one sentence.
    pub message: String,
}
