//! Warnings from checks and from reading tables, and the actions that checks can take.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check does if it finds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Add a warning to the report and continue.
    Warn,
    /// Leave out the column or the rows, or read the cells as missing; add a warning to the report.
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

/// One finding of a check, or of reading a table, as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Name of the check that warns. Some warnings from reading a table have other names, such as `title_rows`.
    pub check: String,
    /// Action that was taken.
    pub action: Action,
    /// The column concerned, if the finding concerns one.
    pub column: Option<String>,
    /// What was found and where, in one sentence.
    pub message: String,
    /// What was found in the column, in few words, such as `300 different values`. If several columns have a finding of the same check, one message
    /// lists them, and shows this text after the name of the column. Empty if nothing
    /// needs to be added to the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub brief: String,
}

/// The text of a finding: [`message`](Warning::message) and [`brief`](Warning::brief) of its warning.
pub(crate) struct Finding {
    pub(crate) message: String,
    pub(crate) brief: String,
}

impl From<String> for Finding {
    fn from(message: String) -> Self {
        let brief = String::new();
        Self { message, brief }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_earlier_reports_are_read() {
        let text = r#"{"check":"id","action":"drop","column":"a","message":"m"}"#;
        let read: Warning = serde_json::from_str(text).unwrap();
        assert_eq!(read.brief, "");
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
