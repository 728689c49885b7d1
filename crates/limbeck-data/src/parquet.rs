//! Reads and writes Parquet files with Arrow.

mod guard;

use std::fs::File;
use std::io;
use std::path::Path;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::files::ReadOptions;
use crate::kind::{Cells, ColumnKind, Parsed, convert, infer_text};
use crate::numbers::Rules;
use crate::table::{MISSING_TIME, Table, Values, Wanted, cell_error, infinite_cell, parsed_column};
use crate::warning::{Action, Warning};
use crate::{Error, Result};

/// Reads the wanted columns of a Parquet file.
///
/// The decoder panics on some damaged files; the panic is caught and reported like other damage.
pub(crate) fn read(path: &Path, wanted: &Wanted<'_>, options: &ReadOptions) -> Result<Table> {
    guard::caught(|| decode(path, wanted, options))
        .unwrap_or_else(|| Err(malformed(path, &"the file is damaged")))
}

fn decode(path: &Path, wanted: &Wanted<'_>, options: &ReadOptions) -> Result<Table> {
    let file = File::open(path).map_err(Error::read(path))?;
    if file.metadata().map_err(Error::read(path))?.len() == 0 {
        return Err(Error::Empty {
            path: path.to_owned(),
        });
    }
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| malformed(path, &error))?;
    let schema = builder.schema().clone();
    let names = names(path, &schema)?;
    let source = path.display().to_string();
    let mut notes = Vec::new();
    let mut picked = wanted.pick(&source, &names)?;
    if let Wanted::All(_) = wanted {
        picked.retain(|(index, _)| {
            supported(
                &source,
                &names[*index],
                schema.field(*index).data_type(),
                &mut notes,
            )
        });
    }
    let mask = ProjectionMask::roots(
        builder.parquet_schema(),
        picked.iter().map(|(index, _)| *index),
    );
    let batches: Vec<RecordBatch> = builder
        .with_projection(mask)
        .build()
        .map_err(|error| malformed(path, &error))?
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(path, &error))?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    if rows == 0 {
        return Err(Error::NoRows {
            path: path.to_owned(),
        });
    }

    let rules = options.rules(false);
    let mut table = Table {
        columns: Vec::with_capacity(picked.len()),
        rows,
        source,
        notes,
    };
    // The reader returns columns in the order of the file, not in the requested order.
    let mut in_file: Vec<usize> = picked.iter().map(|(index, _)| *index).collect();
    in_file.sort_unstable();
    for (index, kind) in picked {
        let position = in_file.partition_point(|other| *other < index);
        let arrays: Vec<ArrayRef> = batches
            .iter()
            .map(|batch| batch.column(position).clone())
            .collect();
        let fail = |bad| cell_error(&table.source, &names[index], bad, None);
        let parsed = column(
            path,
            &names[index],
            &arrays,
            schema.field(index).data_type(),
            kind,
            &rules,
        )?
        .map_err(fail)?;
        if let (Wanted::These(_), Some(bad)) = (wanted, infinite_cell(&parsed.values)) {
            return Err(fail(bad));
        }
        let column = parsed_column(&table.source, &names[index], parsed, &mut table.notes);
        table.columns.push(column);
    }
    Ok(table)
}

/// Writes a batch, compressed with zstd; equal batches give equal bytes.
pub(crate) fn write(batch: &RecordBatch, file: &mut File) -> io::Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("limbeck".to_owned())
        .build();
    let mut writer =
        ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(io::Error::other)?;
    writer.write(batch).map_err(io::Error::other)?;
    writer.close().map(drop).map_err(io::Error::other)
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

/// The column kind for a Parquet type; a text column may become a category or time later.
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
                "{source}: column `{name}` has type {data_type}, which is not supported; it was left out"
            ),
        });
    }
    known
}

/// Converts a column; the inner error is a cell that does not fit the requested kind.
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
        .ok_or_else(|| malformed(path, &format!("column `{name}` has type {data_type}")))?;
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

fn malformed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        message: format!("not a readable Parquet file: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::ReadOptions;
    use crate::table::Column;
    use std::fs;

    #[test]
    fn damaged_files_fail_and_never_panic() {
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

    #[test]
    fn columns_may_be_asked_for_in_any_order_and_kind() {
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
