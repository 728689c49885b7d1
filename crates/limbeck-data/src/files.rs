//! Table files: reads and writes CSV and Parquet.

use std::path::Path;

use crate::format::Format;
use crate::kind::ColumnKind;
pub(crate) use crate::reading::ReadOptions;
use crate::table::{Table, Wanted};
use crate::{Result, csv, parquet, parts, write};

impl Table {
    /// Reads a whole table, and infers the kind of each column as described in [`kind`](crate::kind).
    ///
    /// The extension of the file (`.csv`, `.tsv`, `.txt`, `.parquet`, `.pq`) decides the format; without a known extension, the first bytes
    /// decide. Text may be packed (`.csv.gz`, `.csv.zst`) and may be UTF-16 with a byte order mark. The separator is the comma, semicolon,
    /// tab or vertical bar that occurs equally often in each of the first records. Title and comment lines above the header are skipped with
    /// a warning if it is clear which line is the header. An empty column name becomes `unnamed_N`; a column without a name is left out if all
    /// of its cells are missing. Parquet columns that cannot be read (nested, binary, damaged) are left out with a warning.
    ///
    /// The path may be a folder of parts (`part-000.parquet`, …) with the same format and the same columns. The parts are read in the order of
    /// their names and make one table. Files whose names begin with `.` or `_` are skipped.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchColumn`](crate::Error::NoSuchColumn) if the option `types` names a column that does not exist, and
    /// [`Error::Cell`](crate::Error::Cell) if a cell does not have the kind given there. Other errors name what is wrong with the file, and where:
    /// `Read`, `UnknownFormat`, `Empty`, `NoRows`, `NotUtf8`, `NulByte`, `Ragged`, `NoHeader`, `OpenQuote`, `DuplicateHeader`, `Malformed`, and
    /// `Shape` for parts that do not match.
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        read(path.as_ref(), &Wanted::All(&options.types), options)
    }

    /// Reads only the given columns, with the given kinds, as a fitted student needs them. The option `types` has no effect.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read); [`Error::NoSuchColumn`](crate::Error::NoSuchColumn) if a column of `schema` does not exist;
    /// [`Error::Cell`](crate::Error::Cell) if a cell does not have its column's kind, or is an infinite number.
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
    /// [`Error::Write`](crate::Error::Write) if the file cannot be written; no incomplete file is left under its name.
    /// [`Error::Shape`](crate::Error::Shape) if the columns differ in length.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let batch = self.to_batch()?;
        write::atomic(path, |file| csv::write(&batch, file))
    }

    /// Writes a Parquet file, compressed with zstd; missing cells are null. The same table gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write) if the file cannot be written; no incomplete file is left under its name.
    /// [`Error::Shape`](crate::Error::Shape) if the columns differ in length.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<()> {
        let batch = self.to_batch()?;
        write::atomic(path, |file| parquet::write(&batch, file))
    }
}

fn read(path: &Path, wanted: &Wanted<'_>, options: &ReadOptions) -> Result<Table> {
    let parts = parts::of(path)?;
    let source = path.display().to_string();
    match parts.format {
        Format::Text => csv::read(&parts.files, &source, wanted, options),
        Format::Parquet => parquet::read(&parts.files, &source, wanted, options),
    }
}
