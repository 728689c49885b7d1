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
    /// The format follows the extension (`.csv`, `.tsv`, `.txt`, `.parquet`, `.pq`), else the first bytes. Text may be packed
    /// (`.csv.gz`, `.csv.zst`) and may be UTF-16 with a byte order mark. Its separator (comma, semicolon, tab or bar) is the one that
    /// every one of its first records has as often; title and comment lines above the header are skipped with a note, where it is clear
    /// which they are. An empty column name becomes `unnamed_N`; a column without name and cells is left out. Parquet
    /// columns that cannot be read (nested, binary, damaged) are left out with a note.
    ///
    /// The path may be a folder of parts (`part-000.parquet`, …) of one format with the same columns: they are read in the order
    /// of their names, below one another; names that begin with `.` or `_` are passed over.
    ///
    /// # Errors
    ///
    /// Anything wrong with the file, with its name, row, line and column; [`Error::NoSuchColumn`](crate::Error::NoSuchColumn) for an override of a
    /// column that is not there.
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        read(path.as_ref(), &Wanted::All(&options.types), options)
    }

    /// Reads only the given columns, with the given kinds, as a fitted student needs them; the `types` of the options have no effect.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read); [`Error::NoSuchColumn`](crate::Error::NoSuchColumn) names a column that does not exist, and the columns found;
    /// [`Error::Cell`](crate::Error::Cell) names a cell that does not have its column's kind, or an infinite number.
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
    /// [`Error::Write`](crate::Error::Write); then no incomplete file is left under the name.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let batch = self.to_batch()?;
        write::atomic(path, |file| csv::write(&batch, file))
    }

    /// Writes a Parquet file, compressed with zstd; missing cells are null. The same table gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write); then no incomplete file is left under the name.
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
