//! The files of a table: one file, or all parts in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bytes::named;
use crate::error::quoted;
use crate::foreign::foreign;
use crate::format::{Format, format};
use crate::found::Content;
use crate::{Error, Result};

/// The files of a table, in order, and their common format.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The files; there is at least one.
    pub(crate) files: Vec<PathBuf>,
    /// Format of all files.
    pub(crate) format: Format,
}

impl Content {
    /// Finds out what is at a path.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        if let Some(found) = foreign(path) {
            return found;
        }
        match of(path) {
            Ok(_) => Self::Table,
            Err(_) => Self::Unknown,
        }
    }
}

/// Lists the files of the table at `path`: the file itself, or the files in the folder, sorted by name.
///
/// Subfolders and files whose names begin with `.` or `_` (`_SUCCESS`, checksums) are skipped.
pub(crate) fn of(path: &Path) -> Result<Parts> {
    if !path.is_dir() {
        return Ok(Parts {
            format: format(path)?,
            files: vec![path.to_owned()],
        });
    }
    if let Some(found) = foreign(path) {
        return Err(Error::not_a_table(path, found));
    }
    let files = list(path)?;
    if !files.iter().any(|file| format(file).is_ok()) && !is_one_broken_table(&files) {
        return Err(no_tables(path, &files));
    }
    let Some(first) = files.first() else {
        return Err(no_tables(path, &files));
    };
    let found = format(first)?;
    for file in &files {
        if format(file)? != found {
            return Err(Error::Shape {
                message: format!(
                    "{} and {} have different formats; all files of a folder are read as one table, so they must be all CSV or all Parquet",
                    first.display(),
                    file.display()
                ),
            });
        }
    }
    Ok(Parts {
        format: found,
        files,
    })
}

/// True if the first file has the extension of a table, such as `.csv`. Then an error about this file says more than an error that the folder has no
/// table.
fn is_one_broken_table(files: &[PathBuf]) -> bool {
    let known = ["csv", "tsv", "txt", "parquet", "pq"];
    let is_named = |file: &PathBuf| known.iter().any(|extension| named(file, extension));
    files.first().is_some_and(is_named)
}

/// The error for a folder without tables. It names some of the folder's files.
fn no_tables(folder: &Path, files: &[PathBuf]) -> Error {
    let name = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let names: Vec<String> = files.iter().map(name).collect();
    let has = match &names[..] {
        [] => "it has no files".to_owned(),
        names => format!("it has {}", quoted(names, 3)),
    };
    Error::Malformed {
        path: folder.to_owned(),
        message: format!(
            "the folder contains no table file ({has}); expected CSV or Parquet files, such as part-000.csv"
        ),
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with(['.', '_']);
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Finds the part that contains a row of the whole table. Returns the part, and the row's position in it; `None` if the table has no such row. `rows`
/// gives the number of rows of a part.
///
/// Both row positions count from 0.
pub(crate) fn locate<T>(
    parts: &[T],
    rows: impl Fn(&T) -> usize,
    mut row: usize,
) -> Option<(&T, usize)> {
    for part in parts {
        match row.checked_sub(rows(part)) {
            None => return Some((part, row)),
            Some(rest) => row = rest,
        }
    }
    None
}

/// Returns an error if two parts of a table differ in the names or the order of their columns.
pub(crate) fn check_names(
    (first, expected): (&Path, &[String]),
    (other, found): (&Path, &[String]),
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let lacks = |names: &[String], other: &[String]| {
        let name = names.iter().find(|name| !other.contains(name));
        name.map(|name| format!("`{name}`"))
    };
    let only = |name: String, path: &Path| format!("only {} has column {name}", path.display());
    let difference = match (lacks(expected, found), lacks(found, expected)) {
        (Some(name), _) => only(name, first),
        (None, Some(name)) => only(name, other),
        (None, None) => "their columns have different orders".to_owned(),
    };
    Err(Error::Shape {
        message: format!(
            "{} and {} are in one folder and are read as parts of one table, but {difference}; give both the same columns in the same order, or give one file instead of the folder",
            first.display(),
            other.display(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadOptions, Table};

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn read(folder: &tempfile::TempDir) -> Result<Table> {
        Table::read(folder.path(), &ReadOptions::default())
    }

    #[test]
    fn parts_are_read_in_order_of_their_names_as_one_table() {
        let folder = folder(&[
            ("part-1.csv", "a,b\n3,x\n"),
            ("part-0.csv", "a,b\n1,2\n2,\n"),
            ("part-2.csv", "a,b\n"),
            ("_SUCCESS", ""),
            (".part-0.csv.crc", "x"),
        ]);
        let table = read(&folder).unwrap();
        assert_eq!(
            (table.rows, table.names()),
            (3, vec!["a".into(), "b".into()])
        );
        let crate::Values::Number(values) = &table.columns[0].values else {
            panic!("number")
        };
        assert_eq!(values, &[1.0, 2.0, 3.0]);
        // The kind is inferred from the cells of all parts together.
        assert_eq!(table.columns[1].kind, crate::ColumnKind::Category);
    }

    #[test]
    fn read_rejects_parts_that_do_not_match() {
        let other = folder(&[("a.csv", "x,y\n1,2\n"), ("b.csv", "x,z\n1,2\n")]);
        let error = read(&other).unwrap_err().to_string();
        for part in [
            "a.csv and",
            "b.csv are in one folder",
            "a.csv has column `y`",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let order = folder(&[("a.csv", "x,y\n1,2\n"), ("b.csv", "y,x\n1,2\n")]);
        assert!(
            read(&order)
                .unwrap_err()
                .to_string()
                .contains("different orders")
        );
        assert!(
            read(&folder(&[]))
                .unwrap_err()
                .to_string()
                .contains("contains no table file")
        );
        let kinds = folder(&[("a.csv", "x,y\n1,2\n"), ("b.parquet", "")]);
        assert!(
            read(&kinds)
                .unwrap_err()
                .to_string()
                .contains("different formats")
        );
    }

    #[test]
    fn errors_for_bad_cells_name_the_part() {
        let bad = folder(&[("a.csv", "x\n1\n2\n"), ("b.csv", "x\n3\n\nfour\n")]);
        let options = ReadOptions {
            types: [("x".to_owned(), crate::ColumnKind::Number)].into(),
            ..ReadOptions::default()
        };
        let error = Table::read(bad.path(), &options).unwrap_err().to_string();
        assert!(
            error.contains("b.csv: row 2 (line 4), column `x`"),
            "{error}"
        );
    }
}
