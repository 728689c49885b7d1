//! Blocks of a Parquet table: record batches with all columns in their Arrow types.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;

use super::block::{self, Asked, Block, Place};
use crate::features::Features;
use crate::kept::BlockReader;
use crate::kind::ColumnKind;
use crate::kind::finish;
use crate::parquet::{self, Part, guard};
use crate::reading::ReadOptions;
use crate::table::{Column, cell_error};
use crate::{Error, Result};

/// Largest number of rows in a batch.
const MOST_ROWS: usize = 8192;
/// Intended size of a batch in bytes. The number of rows is this size divided by the average size of a row, according to the file's metadata.
const BATCH_BYTES: i64 = 2 << 20;

/// Reads the files of a Parquet table batch by batch.
pub(super) struct Batches {
    parts: VecDeque<Part>,
    current: Option<(PathBuf, ParquetRecordBatchReader)>,
    fresh: bool,
}

impl Batches {
    /// Starts at the first part; all parts must have the same columns.
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self {
            parts: parts.into(),
            current: None,
            fresh: true,
        }
    }

    /// Reads the next batch that is not empty. At the end of a file, goes on with the next file. `None` after the last file.
    pub(super) fn next(&mut self) -> Result<Option<Block>> {
        loop {
            let Some((path, reader)) = &mut self.current else {
                let Some(part) = self.parts.pop_front() else {
                    return Ok(None);
                };
                self.current = Some((part.path.clone(), reader(&part)?));
                self.fresh = true;
                continue;
            };
            let batch = guard::caught(|| reader.next())
                .ok_or_else(|| parquet::contradiction(path))?
                .transpose()
                .map_err(|error| unreadable(path, &error))?;
            match batch {
                None => self.current = None,
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => {
                    let start = std::mem::take(&mut self.fresh).then_some(Place::START);
                    let path = path.clone();
                    return Ok(Some(Block::Columns { path, start, batch }));
                }
            }
        }
    }
}

fn reader(part: &Part) -> Result<ParquetRecordBatchReader> {
    guard::caught(|| {
        let builder = parquet::builder(&part.path)?;
        let groups = builder.metadata().row_groups();
        let bytes: i64 = groups.iter().map(|group| group.total_byte_size()).sum();
        let each = bytes / i64::try_from(part.rows.max(1)).unwrap_or(i64::MAX);
        let rows = usize::try_from(BATCH_BYTES / each.max(1)).unwrap_or(1);
        builder
            .with_batch_size(rows.clamp(16, MOST_ROWS))
            .build()
            .map_err(|error| parquet::malformed(&part.path, &error))
    })
    .unwrap_or_else(|| Err(parquet::contradiction(&part.path)))
}

/// Makes the error for a batch that cannot be read. If there is a column that cannot be read by itself, the error names it.
fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let whole = parquet::malformed(path, error);
    match Part::open(path) {
        Err(_) => whole,
        Ok(part) => (0..part.names.len())
            .find_map(|index| part.column(index).err())
            .unwrap_or(whole),
    }
}

/// Reads the requested features from a batch. `columns` are the positions in the batch of the columns in `asked`.
pub(super) fn features(
    (asked, follower): (&Asked, Option<&Mutex<BlockReader>>),
    columns: &[usize],
    path: &Path,
    batch: &RecordBatch,
    place: Place,
    options: &ReadOptions,
) -> Result<Features> {
    let both = asked.columns.iter().zip(columns);
    let column = |((name, kind), column): (&(String, ColumnKind), &usize)| {
        let array = batch.column(*column);
        let arrays = std::slice::from_ref(array);
        let fail = |mut bad: crate::kind::BadCell| {
            bad.row += place.rows;
            cell_error(&path.display().to_string(), name, bad, None)
        };
        let rules = options.rules_like(name);
        let (kind_found, wanted) = (array.data_type(), Some(*kind));
        let parsed = parquet::converted(path, name, arrays, kind_found, wanted, &rules)?;
        let parsed = parsed
            .and_then(|parsed| finish(parsed, &rules))
            .map_err(fail)?;
        Ok(Column {
            name: name.clone(),
            kind: *kind,
            values: parsed.values,
        })
    };
    let columns = both.map(column).collect::<Result<_>>()?;
    asked.features(columns, batch.num_rows(), follower, |row| {
        format!("{}: row {}", path.display(), place.rows + row + 1)
    })
}

/// Appends the new columns to a batch; `schema` is the schema of the result.
pub(super) fn extended(
    batch: &RecordBatch,
    new: Vec<Vec<f64>>,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let mut arrays = batch.columns().to_vec();
    arrays.extend(new.into_iter().map(block::array));
    block::batch(schema, arrays)
}

/// Writes batches to a Parquet file, with few of them in memory at the same time.
pub(super) struct Writer<W: std::io::Write + Send> {
    writer: ::parquet::arrow::ArrowWriter<W>,
}

/// Number of bytes in memory above which a writer writes a row group.
const HELD_BYTES: usize = 24 << 20;

impl<W: std::io::Write + Send> Writer<W> {
    pub(super) fn new(out: W, schema: SchemaRef) -> std::io::Result<Self> {
        let properties = parquet::properties();
        let writer = ::parquet::arrow::ArrowWriter::try_new(out, schema, Some(properties));
        Ok(Self {
            writer: writer.map_err(std::io::Error::other)?,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> std::io::Result<()> {
        self.writer.write(batch).map_err(std::io::Error::other)?;
        if self.writer.in_progress_size() > HELD_BYTES {
            self.writer.flush().map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    pub(super) fn close(self) -> std::io::Result<()> {
        self.writer.close().map(drop).map_err(std::io::Error::other)
    }
}
