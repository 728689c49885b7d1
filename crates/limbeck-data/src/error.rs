//! Errors of tables, options and files.

use std::path::{Path, PathBuf};

/// Result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All errors of this crate; messages say what was found, what was expected, where, and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file cannot be written; no incomplete file is left under its final name.
    #[error("cannot write {}: {source}; no incomplete file was left under that name", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The format of a file is not clear from its name or its first bytes.
    #[error(
        "{}: unknown table format; expected the extension .csv, .tsv, .txt, .parquet or .pq, or content that begins like one of these formats",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A file that is empty or contains only white space.
    #[error("{}: the file is empty; expected a header line and at least one row", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A table with column names but no rows.
    #[error("{}: the table has column names but no rows; expected at least one row", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// Text that is not UTF-8.
    #[error(
        "{}: line {line}: byte {offset} is not UTF-8 text; convert the file first, for example `iconv -f LATIN1 -t UTF-8`",
        path.display()
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Position of the first invalid byte, from 0.
        offset: usize,
        /// Line of that byte, from 1.
        line: usize,
    },
    /// A zero byte in a text table.
    #[error(
        "{}: line {line}: byte {offset} is NUL, which a text table cannot contain; is this a binary or UTF-16 file?",
        path.display()
    )]
    NulByte {
        /// The file.
        path: PathBuf,
        /// Position of the NUL byte, from 0.
        offset: usize,
        /// Line of that byte, from 1.
        line: usize,
    },
    /// A row whose number of cells differs from the header's.
    #[error(
        "{}: row {row} (line {line}) has {found} cells, but the header has {expected}; quote cells that contain the separator",
        path.display()
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Data row, from 1.
        row: usize,
        /// Line of the file, from 1.
        line: usize,
        /// Cells in that row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// The first line is not a header, and no other line is clearly one.
    #[error(
        "{}: line {line} has {found} cells, the lines below have {expected}; if the header is on a later line, \
         skip the lines above it with `--skip-lines {skip}` (`skip_lines` in a recipe)",
        path.display()
    )]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// Number of cells in that line that are not empty.
        found: usize,
        /// Cells in most lines.
        expected: usize,
        /// Number of lines to skip, so that the next line that may be the header becomes the first.
        skip: usize,
    },
    /// A quotation mark that is never closed.
    #[error("{}: the quotation mark opened on line {line} is never closed; close it, or remove it", path.display())]
    OpenQuote {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
    },
    /// Two columns with the same name.
    #[error(
        "{}: columns {first} and {second} are both named `{column}`; give each column its own name",
        path.display()
    )]
    DuplicateHeader {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
        /// Position of the first of the two columns, from 1.
        first: usize,
        /// Position of the second column, from 1.
        second: usize,
    },
    /// The file is damaged or has an invalid format.
    #[error("{}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        message: String,
    },
    /// A cell whose value is not valid in its column.
    #[error("{}, column `{column}`: found {found}, expected {expected}", place(source_name, *row, *line))]
    Cell {
        /// The table's file, or a name for a table made in memory.
        source_name: String,
        /// Data row, from 1.
        row: usize,
        /// Line of the file, from 1, if the file has lines.
        line: Option<usize>,
        /// Column name.
        column: String,
        /// The value of the cell.
        found: String,
        /// Which values are valid, and how to fix it.
        expected: String,
    },
    /// A column that an option, a role or a student asks for is not in the table.
    #[error("{}", no_such_column(source_name, column, wanted_by, nearest, columns))]
    NoSuchColumn {
        /// The table's file, or a name for a table made in memory.
        source_name: String,
        /// The name asked for.
        column: String,
        /// What asked for the column: an option's name, or `the student`.
        wanted_by: String,
        /// The most similar names in the table, best first.
        nearest: Vec<String>,
        /// All names in the table.
        columns: Vec<String>,
    },
    /// Columns whose lengths, names, kinds or values do not fit their use.
    #[error("{message}")]
    Shape {
        /// What does not fit, and where.
        message: String,
    },
    /// An option outside its range, or in conflict with other options.
    #[error(transparent)]
    InvalidOption(#[from] limbeck_options::Refused),
    /// A check with the action `refuse` found something.
    #[error("{message} (check `{check}`)")]
    Refused {
        /// Name of the [`Check`](crate::Check).
        check: &'static str,
        /// The column concerned, if the finding concerns one.
        column: Option<String>,
        /// What was found, where, and how to continue anyway.
        message: String,
    },
    /// The rows cannot be split as the options require.
    #[error("cannot split the rows: {message}")]
    Split {
        /// Why, and how to fix it.
        message: String,
    },
}

impl Error {
    /// Makes a read error with the file's name.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    /// Makes an error about an option of the section `data`.
    pub(crate) fn option(option: &str, message: impl Into<String>) -> Self {
        limbeck_options::Refused::new(format!("data.{option}"), message).into()
    }

    /// Makes the error for a column that does not exist, with the most similar names in the table.
    pub(crate) fn no_such_column(
        source_name: &str,
        column: &str,
        wanted_by: &str,
        columns: Vec<String>,
    ) -> Self {
        let nearest = nearest(column, &columns);
        let (source_name, column, wanted_by) = (
            source_name.to_owned(),
            column.to_owned(),
            wanted_by.to_owned(),
        );
        Self::NoSuchColumn {
            source_name,
            column,
            wanted_by,
            nearest,
            columns,
        }
    }
}

/// End of a sentence about a name that does not exist: a question with the most similar names, or a period.
pub(crate) fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => ".".to_owned(),
        names => format!("; did you mean {}?", quoted(names, 3)),
    }
}

/// Up to three names that are most similar to `name`, best first.
pub(crate) fn nearest(name: &str, among: &[String]) -> Vec<String> {
    const SIMILAR: f64 = 0.7;
    let lower = name.to_lowercase();
    let mut scored: Vec<(f64, &String)> = among
        .iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
        .into_iter()
        .take(3)
        .map(|(_, candidate)| candidate.clone())
        .collect()
}

fn place(source_name: &str, row: usize, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{source_name}: row {row} (line {line})"),
        None => format!("{source_name}: row {row}"),
    }
}

fn no_such_column(
    source_name: &str,
    column: &str,
    wanted_by: &str,
    nearest: &[String],
    columns: &[String],
) -> String {
    format!(
        "{source_name}: no column `{column}` (asked for by {wanted_by}){} The table has: {}",
        did_you_mean(nearest),
        quoted(columns, 40)
    )
}

/// Names in backticks, separated by commas; at most `limit` of them.
pub(crate) fn quoted(names: &[String], limit: usize) -> String {
    let mut text = names
        .iter()
        .take(limit)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > limit {
        text.push_str(&format!(" and {} more", names.len() - limit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_such_column_names_the_nearest() {
        let columns = vec![
            "median_income".to_owned(),
            "median_house_value".to_owned(),
            "x".to_owned(),
        ];
        let message =
            Error::no_such_column("a.csv", "median_house_valu", "target", columns).to_string();
        assert!(
            message.contains("did you mean `median_house_value`"),
            "{message}"
        );
        assert!(
            message.starts_with("a.csv: no column `median_house_valu` (asked for by target)"),
            "{message}"
        );
        let unlike = no_such_column("a.csv", "z", "target", &[], &["a".to_owned()]);
        assert!(
            unlike.ends_with("(asked for by target). The table has: `a`"),
            "{unlike}"
        );
    }

    #[test]
    fn long_lists_are_shortened() {
        let names: Vec<String> = (0..5).map(|i| format!("c{i}")).collect();
        assert_eq!(quoted(&names, 2), "`c0`, `c1` and 3 more");
    }
}
