//! Writes record batches as lines of CSV.

use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch, cast::AsArray};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};

use crate::stream::number;

/// The header line of a CSV file with these columns.
pub(crate) fn header<'a>(names: impl Iterator<Item = &'a String>) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_cell(&mut out, name, b',');
    }
    out.push(b'\n');
    out
}

/// Writes a batch as lines of CSV, with the columns `new` after its own columns.
///
/// Numbers, decimals and times are written in full; times are in ISO 8601; bytes are hexadecimal; lists and structs are written as `[1, 2]` and
/// `{a: 1}`. A missing cell is empty. If the only cell of a row is missing, it is written as `""`, because readers skip blank lines.
pub(crate) fn lines(batch: &RecordBatch, new: &[Vec<f64>]) -> Result<Vec<u8>, ArrowError> {
    let options = FormatOptions::new().with_null("null");
    let arrays: Vec<ArrayRef> = batch.columns().iter().map(in_utc).collect();
    let columns: Vec<Written<'_>> = arrays
        .iter()
        .map(|array| Written::new(array, &options))
        .collect::<Result<_, _>>()?;
    let mut out = Vec::with_capacity(batch.num_rows() * 16 * (columns.len() + new.len()));
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        let start = out.len();
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            column.write(&mut out, &mut text, row)?;
        }
        for (index, values) in new.iter().enumerate() {
            if index + columns.len() > 0 {
                out.push(b',');
            }
            number::write(&mut out, values[row]);
        }
        if out.len() == start {
            out.extend_from_slice(b"\"\"");
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// Converts times with a named time zone to UTC, because writing them in their zone would need a time zone database.
fn in_utc(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Timestamp(unit, Some(zone)) if !zone.starts_with(['+', '-']) => {
            let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
            cast(array, &utc).unwrap_or_else(|_| ArrayRef::clone(array))
        }
        _ => ArrayRef::clone(array),
    }
}

/// A column to be written as text.
enum Written<'a> {
    Number(&'a PrimitiveArray<Float64Type>),
    Other(&'a ArrayRef, ArrayFormatter<'a>),
}

impl<'a> Written<'a> {
    fn new(array: &'a ArrayRef, options: &FormatOptions<'a>) -> Result<Self, ArrowError> {
        match array.data_type() {
            DataType::Float64 => Ok(Self::Number(array.as_primitive())),
            _ => Ok(Self::Other(array, ArrayFormatter::try_new(array, options)?)),
        }
    }

    fn write(&self, out: &mut Vec<u8>, text: &mut String, row: usize) -> Result<(), ArrowError> {
        match self {
            Self::Number(array) if array.is_null(row) => {}
            Self::Number(array) if array.value(row).is_nan() => out.extend_from_slice(b"NaN"),
            Self::Number(array) => number::write(out, array.value(row)),
            Self::Other(array, _) if array.is_null(row) => {}
            Self::Other(_, formatter) => {
                text.clear();
                // Formats the cell, or returns why it cannot be formatted.
                formatter.value(row).write(text)?;
                write_cell(out, text, b',');
            }
        }
        Ok(())
    }
}

/// Appends a cell, in quotation marks if it needs them.
pub(crate) fn write_cell(out: &mut Vec<u8>, text: &str, separator: u8) {
    let special = |byte: u8| byte == separator || matches!(byte, b'"' | b'\n' | b'\r');
    if !text.bytes().any(special) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let quoted = text.replace('"', "\"\"");
    out.extend_from_slice(format!("\"{quoted}\"").as_bytes());
}
