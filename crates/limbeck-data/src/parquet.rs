//! Reads and writes Parquet files with Arrow.

pub(crate) mod guard;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch, cast::AsArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::kind::{BadCell, Cells, ColumnKind, Parsed, convert, finish, infer_text};
use crate::numbers::Rules;
use crate::parts;
use crate::reading::ReadOptions;
use crate::table::{MISSING_TIME, Table, Values, Wanted, cell_error};
use crate::warning::{Action, Warning};
use crate::{Error, Result};

/// Reads the wanted columns of one or more Parquet files, which are the parts of one table.
///
/// The decoder panics on some damaged files; the panic is caught and reported like other damage. A column that cannot be read is left out with a
/// warning; if it was requested by name, it is an error.
pub(crate) fn read(
    files: &[PathBuf],
    source: &str,
    wanted: &Wanted<'_>,
    options: &ReadOptions,
) -> Result<Table> {
    let parts = open_all(files)?;
    let first = &parts[0];
    let mut picked = wanted.pick(source, &first.names)?;
    let mut notes = Vec::new();
    if let Wanted::All(_) = wanted {
        picked.retain(|(index, _)| first.is_supported(source, *index, &mut notes));
    }
    let indices: Vec<usize> = picked.iter().map(|(index, _)| *index).collect();
    let decoded = decode_all(&parts, &indices)?;
    if decoded.rows == 0 {
        return Err(Error::NoRows {
            path: files[0].clone(),
        });
    }
    let mut table = Table {
        columns: Vec::with_capacity(picked.len()),
        rows: decoded.rows,
        source: source.to_owned(),
        notes,
        ..Table::default()
    };
    for ((index, kind), arrays) in picked.into_iter().zip(decoded.columns) {
        let name = &first.names[index];
        let fail = |bad| bad_cell(&parts, name, bad);
        let data_type = first.schema.field(index).data_type();
        let rules = match wanted {
            Wanted::All(_) => options.rules(false),
            Wanted::These(_) => options.rules_like(name),
        };
        let parsed = arrays
            .and_then(|arrays| converted(&first.path, name, &arrays, data_type, kind, &rules));
        let parsed = match (parsed, wanted) {
            (Ok(parsed), Wanted::All(_)) => parsed,
            (Ok(parsed), Wanted::These(_)) => parsed.and_then(|parsed| finish(parsed, &rules)),
            (Err(error), Wanted::These(_)) => return Err(error),
            (Err(error), Wanted::All(_)) => {
                table.notes.push(unreadable(name, &error));
                continue;
            }
        };
        table.add(name, parsed.map_err(fail)?);
    }
    Ok(table)
}

fn unreadable(name: &str, error: &Error) -> Warning {
    Warning {
        check: "unreadable_column".to_owned(),
        action: Action::Drop,
        column: Some(name.to_owned()),
        message: format!("{error}; the column was left out"),
        brief: String::new(),
    }
}

/// One Parquet file of a table.
pub(crate) struct Part {
    /// Path of the file.
    pub(crate) path: PathBuf,
    /// Arrow schema of the file, with its metadata.
    pub(crate) schema: SchemaRef,
    /// Names of all columns.
    pub(crate) names: Vec<String>,
    /// Number of rows, from the metadata of the file.
    pub(crate) rows: usize,
}

impl Part {
    /// Reads the metadata of a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        guard::caught(|| {
            let builder = builder(path)?;
            let rows = builder.metadata().file_metadata().num_rows();
            let schema = builder.schema().clone();
            Ok(Self {
                path: path.to_owned(),
                names: names(path, &schema)?,
                schema,
                rows: usize::try_from(rows).unwrap_or(0),
            })
        })
        .unwrap_or_else(|| Err(contradiction(path)))
    }

    /// Reads all rows of some columns, in batches. The columns of a batch have the order of the file, not of `indices`.
    fn batches(&self, indices: &[usize]) -> Result<Vec<RecordBatch>> {
        let fail = |error: &dyn std::fmt::Display| malformed(&self.path, error);
        guard::caught(|| {
            let builder = builder(&self.path)?;
            let mask = ProjectionMask::roots(builder.parquet_schema(), indices.iter().copied());
            builder
                .with_projection(mask)
                .build()
                .map_err(|error| fail(&error))?
                .collect::<Result<_, _>>()
                .map_err(|error| fail(&error))
        })
        .unwrap_or_else(|| Err(contradiction(&self.path)))
    }

    /// Reads one column. Returns its values in chunks.
    pub(crate) fn column(&self, index: usize) -> Result<Vec<ArrayRef>> {
        let name = &self.names[index];
        let batches = self.batches(&[index]).map_err(|error| match error {
            Error::Malformed { path, message } => Error::Malformed {
                path,
                message: format!("column `{name}` cannot be read: {message}"),
            },
            other => other,
        })?;
        Ok(batches
            .iter()
            .map(|batch| batch.column(0).clone())
            .collect())
    }

    fn is_supported(&self, source: &str, index: usize, notes: &mut Vec<Warning>) -> bool {
        let data_type = self.schema.field(index).data_type();
        supported(source, &self.names[index], data_type, notes)
    }

    /// Returns an error if another part has columns with other names or types.
    fn check(&self, other: &Self) -> Result<()> {
        parts::check_names((&self.path, &self.names), (&other.path, &other.names))?;
        let both = self.schema.fields().iter().zip(other.schema.fields());
        for (ours, theirs) in both {
            if ours.data_type() != theirs.data_type() {
                let message = format!(
                    "{} and {} are in one folder and are read as parts of one table, but column `{}` has type {} in the first and {} in the second; give it the same type in both, or give one file instead of the folder",
                    self.path.display(),
                    other.path.display(),
                    ours.name(),
                    ours.data_type(),
                    theirs.data_type()
                );
                return Err(Error::Shape { message });
            }
        }
        Ok(())
    }
}

/// Advice for an error about an unsupported compression; empty for other errors.
fn fix(message: &str) -> &'static str {
    let is_about_codec = ["codec", "LZO", "Disabled feature"];
    if is_about_codec.iter().any(|part| message.contains(part)) {
        "; write the file again with another compression, such as zstd or snappy"
    } else {
        ""
    }
}

/// Opens all parts of a table, and checks that they have the same columns.
pub(crate) fn open_all(files: &[PathBuf]) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::with_capacity(files.len());
    for path in files {
        let part = Part::open(path)?;
        if let Some(first) = parts.first() {
            first.check(&part)?;
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Opens a Parquet file for reading.
pub(crate) fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(Error::read(path))?;
    if file.metadata().map_err(Error::read(path))?.len() == 0 {
        return Err(Error::Empty {
            path: path.to_owned(),
        });
    }
    let fail = |error| malformed(path, &error);
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(fail)?;
    let metadata = match without_odd_dictionaries(metadata.schema()) {
        None => metadata,
        Some(schema) => {
            let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
            ArrowReaderMetadata::load(&file, options).map_err(fail)?
        }
    };
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(
        file, metadata,
    ))
}

/// The schema with plain columns in place of dictionary columns whose values are neither text nor bytes, because Arrow does not decode such columns.
///
/// Returns `None` if the schema has no such dictionary.
fn without_odd_dictionaries(schema: &Schema) -> Option<Schema> {
    let plain = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) => match **values {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => None,
            ref other => Some(other.clone()),
        },
        _ => None,
    };
    let mut found = false;
    let fields = schema
        .fields()
        .iter()
        .map(|field| match plain(field.data_type()) {
            None => field.as_ref().clone(),
            Some(data_type) => {
                found = true;
                field.as_ref().clone().with_data_type(data_type)
            }
        });
    let fields: Vec<Field> = fields.collect();
    found.then(|| Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Columns of a whole table; for a column that cannot be read, its error.
struct Decoded {
    columns: Vec<Result<Vec<ArrayRef>>>,
    rows: usize,
}

/// Decodes the columns of all parts together. If this fails, decodes each column alone.
fn decode_all(parts: &[Part], indices: &[usize]) -> Result<Decoded> {
    // The reader returns columns in the order of the file, not in the order of `indices`.
    let mut in_file = indices.to_vec();
    in_file.sort_unstable();
    in_file.dedup();
    let all: Result<Vec<Vec<RecordBatch>>> =
        parts.iter().map(|part| part.batches(&in_file)).collect();
    match all {
        Ok(batches) => {
            let batches: Vec<RecordBatch> = batches.into_iter().flatten().collect();
            let column = |index: &usize| {
                let position = in_file.partition_point(|other| other < index);
                let chunks = batches.iter().map(|batch| batch.column(position).clone());
                Ok(chunks.collect())
            };
            Ok(Decoded {
                columns: indices.iter().map(column).collect(),
                rows: batches.iter().map(RecordBatch::num_rows).sum(),
            })
        }
        Err(error) => one_by_one(parts, indices, error),
    }
}

/// Decodes each column alone. Returns an error if no column can be read, or if the columns differ in length.
fn one_by_one(parts: &[Part], indices: &[usize], error: Error) -> Result<Decoded> {
    let column = |index: &usize| -> Result<Vec<ArrayRef>> {
        let chunks = parts.iter().map(|part| part.column(*index));
        let chunks = chunks.collect::<Result<Vec<_>>>()?;
        Ok(chunks.into_iter().flatten().collect())
    };
    let mut columns: Vec<Result<Vec<ArrayRef>>> = indices.iter().map(column).collect();
    let mut lengths = columns.iter().flatten().map(|chunks| {
        let rows = chunks.iter().map(|chunk| chunk.len());
        rows.sum::<usize>()
    });
    match lengths.next() {
        Some(rows) if lengths.all(|length| length == rows) => Ok(Decoded { columns, rows }),
        Some(_) => Err(error),
        // This error names its column; `error` does not.
        None => Err(columns.pop().and_then(Result::err).unwrap_or(error)),
    }
}

/// Makes the error for a bad cell, with the file and the row in this file.
fn bad_cell(parts: &[Part], column: &str, mut bad: BadCell) -> Error {
    let found = parts::locate(parts, |part| part.rows, bad.row);
    let source = found.map_or_else(String::new, |(part, _)| part.path.display().to_string());
    bad.row = found.map_or(bad.row, |(_, row)| row);
    cell_error(&source, column, bad, None)
}

/// Converts a column to the kind `kind`; `None` infers the kind.
///
/// - `Ok(Ok(_))`: the converted column.
/// - `Ok(Err(_))`: a cell does not have the kind.
/// - `Err(_)`: the column is damaged or has an unsupported type. Only the conversion finds this.
pub(crate) fn converted(
    path: &Path,
    name: &str,
    arrays: &[ArrayRef],
    data_type: &DataType,
    kind: Option<ColumnKind>,
    rules: &Rules<'_>,
) -> Result<Result<Parsed, BadCell>> {
    guard::caught(|| column(path, name, arrays, data_type, kind, rules))
        .unwrap_or_else(|| Err(contradiction(path)))
}

pub(crate) fn contradiction(path: &Path) -> Error {
    malformed(
        path,
        &"its contents contradict each other, so the file is damaged; create the file again",
    )
}

/// Writes a batch, compressed with zstd; equal batches give equal bytes.
pub(crate) fn write(batch: &RecordBatch, file: &mut File) -> io::Result<()> {
    let mut writer =
        ArrowWriter::try_new(file, batch.schema(), Some(properties())).map_err(io::Error::other)?;
    writer.write(batch).map_err(io::Error::other)?;
    writer.close().map(drop).map_err(io::Error::other)
}

/// Options for writing Parquet files.
pub(crate) fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("limbeck".to_owned())
        .build()
}

fn names(path: &Path, schema: &SchemaRef) -> Result<Vec<String>> {
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().position(|other| other == name) {
            let (path, column) = (path.to_owned(), name.clone());
            return Err(Error::DuplicateHeader {
                path,
                column,
                first: first + 1,
                second: index + 1,
            });
        }
    }
    Ok(names)
}

/// The column kind for an Arrow type, `None` if the type is not supported. A text column may later become a category or time column.
fn kind_of(data_type: &DataType) -> Option<ColumnKind> {
    match data_type {
        DataType::Boolean => Some(ColumnKind::Boolean),
        DataType::Null => Some(ColumnKind::Number),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(ColumnKind::Time),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(ColumnKind::Text),
        DataType::Dictionary(_, values) => kind_of(values),
        number if number.is_numeric() => Some(ColumnKind::Number),
        _ => None,
    }
}

fn supported(source: &str, name: &str, data_type: &DataType, notes: &mut Vec<Warning>) -> bool {
    let known = kind_of(data_type).is_some();
    if !known {
        notes.push(Warning {
            check: "unsupported_type".to_owned(),
            action: Action::Drop,
            column: Some(name.to_owned()),
            message: format!(
                "{source}: column `{name}` has type {data_type}, which is not supported; the column was left out"
            ),
            brief: data_type.to_string(),
        });
    }
    known
}

/// Converts a column like [`converted`], but may panic on damaged data.
fn column(
    path: &Path,
    name: &str,
    arrays: &[ArrayRef],
    data_type: &DataType,
    wanted: Option<ColumnKind>,
    rules: &Rules<'_>,
) -> Result<Result<Parsed, crate::kind::BadCell>> {
    let as_type = |target: &DataType| -> Result<Vec<ArrayRef>> {
        let fail = |error| {
            malformed(
                path,
                &format!("column `{name}` of type {data_type}: {error}"),
            )
        };
        arrays
            .iter()
            .map(|array| cast(array, target).map_err(fail))
            .collect()
    };
    let found = kind_of(data_type)
        .ok_or_else(|| malformed(path, &format!("column `{name}` has type {data_type}, which is not supported; save it as numbers, texts or dates")))?;
    Ok(match (found, wanted.unwrap_or(found)) {
        (
            ColumnKind::Number | ColumnKind::Boolean,
            kind @ (ColumnKind::Number | ColumnKind::Boolean),
        ) => Ok(Parsed::plain(kind, numbers(&as_type(&DataType::Float64)?))),
        (ColumnKind::Time, kind @ ColumnKind::Time) => {
            let target = DataType::Timestamp(TimeUnit::Microsecond, None);
            Ok(Parsed::plain(kind, times(&as_type(&target)?)))
        }
        (_, kind) => {
            let texts = as_type(&DataType::Utf8)?
                .iter()
                .map(|array| array.as_string::<i32>().clone())
                .collect();
            let cells = Cells::new(texts);
            if wanted.is_none() {
                Ok(infer_text(&cells, rules))
            } else {
                convert(&cells, kind, rules)
            }
        }
    })
}

fn numbers(arrays: &[ArrayRef]) -> Values {
    let chunks = arrays
        .iter()
        .flat_map(|array| array.as_primitive::<Float64Type>().iter());
    Values::Number(chunks.map(|value| value.unwrap_or(f64::NAN)).collect())
}

fn times(arrays: &[ArrayRef]) -> Values {
    let chunks = arrays
        .iter()
        .flat_map(|array| array.as_primitive::<TimestampMicrosecondType>().iter());
    Values::Time(chunks.map(|value| value.unwrap_or(MISSING_TIME)).collect())
}

pub(crate) fn malformed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        message: format!(
            "not a readable Parquet file: {error}{}",
            fix(&error.to_string())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::ReadOptions;
    use crate::table::Column;
    use std::fs;

    #[test]
    fn damaged_files_give_an_error_and_never_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let table = Table::new(vec![
            Column::number("x", (0..50).map(f64::from).collect()),
            Column::category(
                "c",
                (0..50).map(|i| Some(if i % 2 == 0 { "a" } else { "b" })),
            ),
        ]);
        table.unwrap().write_parquet(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..length]).unwrap();
            let error = Table::read(&path, &ReadOptions::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains("a.parquet"), "{error}");
        }
        // A flipped byte in the data may stay undetected, but reading must not panic.
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x55;
            fs::write(&path, bytes).unwrap();
            let _ = Table::read(&path, &ReadOptions::default());
        }
    }

    /// Writes a file with the columns `a` and `b`, both compressed with `codec`.
    fn packed(path: &Path, codec: Compression) {
        let columns = vec![
            Column::number("a", (0..500).map(f64::from).collect()),
            Column::category("b", (0..500).map(|row| Some(["x", "y"][row % 2]))),
        ];
        let batch = Table::new(columns).unwrap().to_batch().unwrap();
        let properties = WriterProperties::builder().set_compression(codec).build();
        let file = File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn all_common_codecs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        for codec in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(Default::default()),
            Compression::LZ4,
            Compression::LZ4_RAW,
            Compression::ZSTD(Default::default()),
        ] {
            packed(&path, codec);
            let table = Table::read(&path, &ReadOptions::default()).unwrap();
            assert_eq!((table.rows, table.columns.len()), (500, 2), "{codec:?}");
            assert!(table.notes.is_empty(), "{codec:?}: {:?}", table.notes);
        }
        let error = malformed(&path, &"NYI: The codec type LZO is not supported yet");
        assert!(error.to_string().contains("such as zstd"), "{error}");
    }

    #[test]
    fn unreadable_column_is_left_out_unless_it_is_requested() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        packed(&path, Compression::SNAPPY);
        let (start, length) = builder(&path)
            .unwrap()
            .metadata()
            .row_group(0)
            .column(1)
            .byte_range();
        let mut bytes = fs::read(&path).unwrap();
        let range = start as usize..(start + length) as usize;
        bytes[range].fill(0xff);
        fs::write(&path, bytes).unwrap();

        let table = Table::read(&path, &ReadOptions::default()).unwrap();
        assert_eq!((table.rows, table.names()), (500, vec!["a".to_owned()]));
        assert_eq!(table.notes.len(), 1);
        assert_eq!(table.notes[0].check, "unreadable_column");
        let error = table
            .require("b", "option `target`")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("column `b` cannot be read") && error.contains("option `target`"),
            "{error}"
        );
        let like = |name: &str, kind| {
            Table::read_like(&path, &[(name.to_owned(), kind)], &ReadOptions::default())
        };
        assert!(like("a", ColumnKind::Number).is_ok());
        let error = like("b", ColumnKind::Category).unwrap_err().to_string();
        assert!(error.contains("column `b` cannot be read"), "{error}");
    }

    #[test]
    fn dictionaries_of_numbers_are_read() {
        use arrow_array::{Array as _, Decimal128Array, DictionaryArray, Int32Array};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let values = Decimal128Array::from(vec![150, 275]);
        let values = values.with_precision_and_scale(6, 2).unwrap();
        let keys = Int32Array::from(vec![Some(0), Some(1), None, Some(0)]);
        let column = DictionaryArray::new(keys, Arc::new(values));
        let field = Field::new("d", column.data_type().clone(), true);
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(column)]).unwrap();
        write(&batch, &mut File::create(&path).unwrap()).unwrap();
        let table = Table::read(&path, &ReadOptions::default()).unwrap();
        let Values::Number(values) = &table.columns[0].values else {
            panic!("number: {:?}", table.notes)
        };
        assert!(values[0] == 1.5 && values[1] == 2.75 && values[2].is_nan());
    }

    #[test]
    fn columns_can_be_requested_in_any_order_and_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let columns = vec![
            Column::number("x", vec![1.0, 2.5]),
            Column::category("c", [Some("7"), None]),
        ];
        Table::new(columns).unwrap().write_parquet(&path).unwrap();
        let schema = [
            ("c".to_owned(), ColumnKind::Number),
            ("x".to_owned(), ColumnKind::Category),
        ];
        let table = Table::read_like(&path, &schema, &ReadOptions::default()).unwrap();
        let Values::Number(values) = &table.columns[0].values else {
            panic!("number")
        };
        assert!(values[0] == 7.0 && values[1].is_nan());
        let Values::Category { levels, .. } = &table.columns[1].values else {
            panic!("category")
        };
        assert_eq!(levels, &["1.0", "2.5"]);
    }
}
