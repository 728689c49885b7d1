//! What a file or a folder is, in words for messages.

/// Advice for error messages: how to save data of another format as a table.
pub(crate) const CSV: &str =
    "save it as CSV or Parquet, for example with pandas: `df.to_csv(\"table.csv\", index=False)`";
const TABLES_FIRST: &str = "expected a CSV or Parquet file; `limbeck inspect` shows a run or a student, and `--teacher-model` uses the teacher of a run";

/// What a file or a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The folder of a run.
    Run,
    /// A `.limbeck` file.
    Limbeck,
    /// A file of a known format that is neither a table nor a `.limbeck` file.
    Foreign {
        /// The format in words, with an article: `an HTML page`.
        what: &'static str,
        /// What to do instead, such as how to convert the file to a table.
        fix: &'static str,
    },
    /// A table, or a folder of tables.
    Table,
    /// Anything else: not recognized, does not exist, or cannot be read.
    Unknown,
}

impl Content {
    /// The content in words, with an article.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "the folder of a run",
            Self::Limbeck => "a limbeck file",
            Self::Foreign { what, .. } => what,
            Self::Table => "a table",
            Self::Unknown => "a file of an unknown format",
        }
    }

    /// What to do if a table was expected, for an error message.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            Self::Run | Self::Limbeck => TABLES_FIRST,
            Self::Foreign { fix, .. } => fix,
            Self::Table | Self::Unknown => CSV,
        }
    }
}
