//! Table files: reads and writes CSV and Parquet.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::kind::ColumnKind;
use crate::numbers::Rules;
use crate::table::{Table, Wanted};
use crate::text::{DecimalMark, Separator};
use crate::{Error, Result, csv, parquet, write};

/// Options for reading a table.
///
/// | option | default | purpose |
/// |---|---|---|
/// | `types` | none | column kinds that replace the inferred ones, by column name |
/// | `missing` | none | texts and numbers that mean *missing*, in all columns |
/// | `decimal` | auto | the decimal mark of numbers in text |
/// | `separator` | by the header | what separates the cells of a text table |
/// | `skip_lines` | 0 | lines above the header of a text table |
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Column kinds that replace the inferred ones, by column name.
    pub types: BTreeMap<String, ColumnKind>,
    /// Texts and numbers that mean *missing*, in all columns.
    pub missing: Vec<String>,
    /// The decimal mark of numbers in text.
    pub decimal: DecimalMark,
    /// What separates the cells of a text table; found by its header where none is given.
    pub separator: Option<Separator>,
    /// Lines above the header of a text table.
    pub skip_lines: usize,
}

impl ReadOptions {
    /// How cells are read, in a file where a comma that could be either is a decimal mark or is not.
    pub(crate) fn rules(&self, prefers_comma: bool) -> Rules<'_> {
        Rules {
            missing: &self.missing,
            decimal: self.decimal,
            prefers_comma,
        }
    }
}

impl Table {
    /// Reads a whole table, and infers the kind of each column as described in [`kind`](crate::kind).
    ///
    /// The extension decides the format (`.csv`, `.tsv`, `.txt`, `.parquet`, `.pq`); for other extensions, the first bytes do. In a
    /// `.csv` file the separator is a comma; if the header has no comma, a semicolon or a tab. An empty column name becomes `unnamed_N`.
    /// Parquet columns of nested or binary type are left out with a warning.
    ///
    /// # Errors
    ///
    /// Any error in the file, with the file's name and, if known, row, line and column; [`Error::NoSuchColumn`] if `types` names a
    /// column that does not exist.
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        read(path.as_ref(), &Wanted::All(&options.types), options)
    }

    /// Reads only the given columns, with the given kinds, as a fitted student needs them; the `types` of the options have no effect.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read); [`Error::NoSuchColumn`] names a column that does not exist, and the columns found;
    /// [`Error::Cell`] names a cell that does not have its column's kind, or an infinite number.
    pub fn read_like(
        path: impl AsRef<Path>,
        schema: &[(String, ColumnKind)],
        options: &ReadOptions,
    ) -> Result<Self> {
        read(path.as_ref(), &Wanted::These(schema), options)
    }

    /// Writes a CSV file with a header, commas and LF line ends; missing cells are empty, numbers have their shortest exact form.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; then no incomplete file is left under the name.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let batch = self.to_batch()?;
        write::atomic(path, |file| csv::write(&batch, file))
    }

    /// Writes a Parquet file, compressed with zstd; missing cells are null. The same table gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; then no incomplete file is left under the name.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<()> {
        let batch = self.to_batch()?;
        write::atomic(path, |file| parquet::write(&batch, file))
    }
}

enum Format {
    Text,
    Parquet,
}

fn read(path: &Path, wanted: &Wanted<'_>, options: &ReadOptions) -> Result<Table> {
    match format(path)? {
        Format::Text => csv::read(path, wanted, options),
        Format::Parquet => parquet::read(path, wanted, options),
    }
}

fn format(path: &Path) -> Result<Format> {
    let extension = path
        .extension()
        .and_then(|text| text.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "csv" | "tsv" | "txt" => Ok(Format::Text),
        "parquet" | "pq" => Ok(Format::Parquet),
        _ => sniff(path),
    }
}

/// Detects the format: Parquet by its four magic bytes, text by a separator and no NUL byte in the first line.
fn sniff(path: &Path) -> Result<Format> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4096).read_to_end(&mut start))
        .map_err(Error::read(path))?;
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if start.starts_with(b"PAR1") {
        Ok(Format::Parquet)
    } else if start.is_empty() {
        Err(Error::Empty {
            path: path.to_owned(),
        })
    } else if line.iter().any(|byte| matches!(byte, b',' | b';' | b'\t')) && !line.contains(&0) {
        Ok(Format::Text)
    } else {
        Err(Error::UnknownFormat {
            path: path.to_owned(),
        })
    }
}
