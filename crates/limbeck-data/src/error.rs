//! Errors of tables, options and files.

use std::path::{Path, PathBuf};

use crate::figures::counted;
use crate::found::Content;

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
    /// A file or a folder that is recognized as something else than a table.
    #[error("{} is {found}, which limbeck does not read as a table; {fix}", path.display())]
    NotATable {
        /// The file or the folder.
        path: PathBuf,
        /// What it is, with an article.
        found: &'static str,
        /// What to do instead, such as how to convert it to a table.
        fix: &'static str,
    },
    /// The format of a file is not clear from its name or its first bytes.
    #[error(
        "{}: neither the name nor the first bytes show the format; expected CSV or other separated text (.csv, .tsv, .txt, also .csv.gz) or Parquet (.parquet, .pq); \
         if the file has one of these formats, rename it with the matching extension, else save the table as CSV, for example with pandas: `df.to_csv(\"table.csv\", index=False)`",
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
        "{}: line {line}: byte {offset} is not UTF-8 text; convert the file to UTF-8 first, for example from Latin-1: `iconv -f LATIN1 -t UTF-8 OLD.csv > NEW.csv`",
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
        "{}: line {line}: byte {offset} is NUL, which a text table cannot contain; this is a binary file or UTF-16 text without a byte order mark: save it as UTF-8 CSV or as Parquet",
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
        "{}: row {row} (line {line}) has {}, but the header has {expected}; correct this row (if a cell contains the separator, put the cell in quotation marks)",
        path.display(), counted(*found, "cell")
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Data row, from 1.
        row: usize,
        /// Line of the file on which the row begins, from 1.
        line: usize,
        /// Number of cells in that row.
        found: usize,
        /// Number of cells in the header.
        expected: usize,
    },
    /// The first line is not a header, and no other line is clearly one.
    #[error(
        "{}: line {line} has {}, but the lines below have {expected}; if the header is on a later line, \
         skip the lines above it with `--skip-lines {skip}` (`skip_lines` in a recipe)",
        path.display(), counted(*found, "cell")
    )]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// Number of this first line in the file, from 1.
        line: usize,
        /// Number of cells in that line that are not empty.
        found: usize,
        /// Number of cells in most lines of the file.
        expected: usize,
        /// Value for the option `skip_lines`: then the next line that may be the header becomes the first line.
        skip: usize,
    },
    /// A quotation mark that is never closed.
    #[error("{}: the quotation mark opened on line {line} is never closed; close it, or remove it", path.display())]
    OpenQuote {
        /// The file.
        path: PathBuf,
        /// Line of the file with the quotation mark, from 1.
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
        /// The name that both columns have.
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
        /// Line of the file, from 1; `None` if it is not known, as in a Parquet file.
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
        /// What asked for the column, as the message names it: an option, the student or the training table.
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
    #[error("{message} (refused by check `{check}`)")]
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
        /// Why the rows cannot be split, and how to fix it.
        message: String,
    },
}

impl Error {
    /// Makes a read error with the file's name.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    /// Makes a write error with the name of the file or folder.
    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }

    /// Makes the error [`NotATable`](Self::NotATable) for a path and what was found there.
    pub(crate) fn not_a_table(path: &Path, found: Content) -> Self {
        Self::NotATable {
            path: path.to_owned(),
            found: found.name(),
            fix: found.fix(),
        }
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

/// End of a sentence about a name that does not exist: a question with the most similar names, or a period if `nearest` is empty.
pub(crate) fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => ".".to_owned(),
        names => format!("; did you mean {}?", quoted(names, 3)),
    }
}

/// The names in `among` that are most similar to `name`: at most three, best first. Empty if no name is similar.
pub(crate) fn nearest(name: &str, among: &[String]) -> Vec<String> {
    let wanted = Spelling::of(name);
    let scored = among.iter().filter_map(|candidate| {
        let similarity = wanted.similarity(&Spelling::of(candidate))?;
        Some((similarity, candidate))
    });
    let mut scored: Vec<(f64, &String)> = scored.collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored.into_iter().take(3);
    best.map(|(_, candidate)| candidate.clone()).collect()
}

/// A name, such as that of a column, in lower case, without spaces, underscores and other signs.
struct Spelling {
    /// The words of the name, in lower case: `delivery` and `time` in `DeliveryTime` and `delivery_time`.
    words: Vec<String>,
    /// The words joined into one: `deliverytime`.
    letters: String,
}

impl Spelling {
    fn of(name: &str) -> Self {
        let mut words = vec![String::new()];
        let mut was_lower = false;
        for letter in name.chars() {
            if !letter.is_alphanumeric() || (letter.is_uppercase() && was_lower) {
                words.push(String::new());
            }
            if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
                word.extend(letter.to_lowercase());
            }
            was_lower = letter.is_lowercase();
        }
        words.retain(|word| !word.is_empty());
        Self {
            letters: words.concat(),
            words,
        }
    }

    /// How similar two names are, above 0 and at most 1; 1 if they differ at most in case and signs. `None` if they are not similar.
    fn similarity(&self, other: &Self) -> Option<f64> {
        if self.letters == other.letters && !self.letters.is_empty() {
            return Some(1.0);
        }
        let best = self.share_of_letters(other).max(self.share_of_words(other));
        (best > 0.0).then_some(best)
    }

    /// Share of the letters of the longer name that need no edit to make one name from the other; 0 if more than a third of them need an edit.
    fn share_of_letters(&self, other: &Self) -> f64 {
        let lengths = [self, other].map(|one| one.letters.chars().count());
        let (short, long) = (lengths[0].min(lengths[1]), lengths[0].max(lengths[1]));
        if 3 * (long - short) > long {
            return 0.0;
        }
        let edits = strsim::damerau_levenshtein(&self.letters, &other.letters);
        match 3 * edits <= long {
            true => 1.0 - edits as f64 / long as f64,
            false => 0.0,
        }
    }

    /// Share of the letters of both names that belong to words in both. If one name begins with the other name, the common beginning counts as a word
    /// in both. 0 if the share is below one half.
    fn share_of_words(&self, other: &Self) -> f64 {
        let (own, theirs) = (&self.letters[..], &other.letters[..]);
        let shared = self.words.iter().filter(|word| other.words.contains(word));
        let shared: usize = shared.map(String::len).sum();
        let begins = theirs.starts_with(own) || own.starts_with(theirs);
        let common = if begins {
            own.len().min(theirs.len())
        } else {
            0
        };
        let share = 2.0 * shared.max(common) as f64 / (own.len() + theirs.len()) as f64;
        if share >= 0.5 { share } else { 0.0 }
    }
}

fn place(source_name: &str, row: usize, line: Option<usize>) -> String {
    format!("{source_name}: {}", row_in_words(row, line))
}

/// A data row (from 1) and its line, as messages name them: `row 5 (line 6)`, or `row 5` if the line is not known.
pub(crate) fn row_in_words(row: usize, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("row {row} (line {line})"),
        None => format!("row {row}"),
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

/// Names in backticks, separated by commas; after `limit` names, the number of the remaining names.
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
    fn nearest_names_ignore_case_and_signs_and_share_words() {
        let columns = ["Delivery Time", "delivery_minutes", "SalePrice", "x", "id"];
        let columns = columns.map(str::to_owned);
        for (name, expected) in [
            ("delivery_time", vec!["Delivery Time", "delivery_minutes"]),
            (
                "DELIVERY-MINUTES",
                vec!["delivery_minutes", "Delivery Time"],
            ),
            (
                "delivery minuets",
                vec!["delivery_minutes", "Delivery Time"],
            ),
            ("price", vec!["SalePrice"]),
            ("sale_pric", vec!["SalePrice"]),
            ("ID", vec!["id"]),
            ("y", vec![]),
            ("weather", vec![]),
            ("", vec![]),
            ("_", vec![]),
        ] {
            assert_eq!(nearest(name, &columns), expected, "{name}");
        }
    }

    #[test]
    fn long_lists_are_shortened() {
        let names: Vec<String> = (0..5).map(|i| format!("c{i}")).collect();
        assert_eq!(quoted(&names, 2), "`c0`, `c1` and 3 more");
    }
}
