//! Reads and writes CSV files with Arrow.
//!
//! Arrow splits the lines into cells. Arrow's error messages name neither file nor data row. Therefore this module scans the same
//! bytes for errors that a user must locate: encoding, rows with a wrong number of cells, open quotes, column names.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::csv::{ReaderBuilder, WriterBuilder};
use arrow::datatypes::{DataType, Field, Schema};

use crate::files::ReadOptions;
use crate::kind::{Cells, convert, infer};
use crate::table::{Table, Wanted, cell_error, infinite_cell, parsed_column};
use crate::text::Separator;
use crate::{Error, Result};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the wanted columns of a CSV file.
pub(crate) fn read(path: &Path, wanted: &Wanted<'_>, options: &ReadOptions) -> Result<Table> {
    let bytes = fs::read(path).map_err(Error::read(path))?;
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    check_text(path, bytes)?;
    let delimiter = options
        .separator
        .map_or_else(|| delimiter(path, bytes), Separator::byte);
    let names = header(path, bytes, delimiter)?;
    let rows = check_records(path, bytes, delimiter, names.len())?;
    let source = path.display().to_string();
    let picked = wanted.pick(&source, &names)?;
    let batches = split_cells(
        path,
        bytes,
        delimiter,
        &names,
        picked.iter().map(|(index, _)| *index).collect(),
    )?;

    let rules = options.rules(delimiter == b';');
    let mut table = Table {
        columns: Vec::with_capacity(picked.len()),
        rows,
        source,
        notes: Vec::new(),
    };
    for (position, (index, kind)) in picked.into_iter().enumerate() {
        let name = &names[index];
        let cells = Cells::new(
            batches
                .iter()
                .map(|batch| batch.column(position).as_string().clone())
                .collect(),
        );
        let fail = |bad: crate::kind::BadCell| {
            let line = line_of_row(bytes, delimiter, bad.row);
            cell_error(&table.source, name, bad, line)
        };
        let parsed = match kind {
            None => infer(&cells, &rules),
            Some(kind) => convert(&cells, kind, &rules).map_err(fail)?,
        };
        if let (Wanted::These(_), Some(bad)) = (wanted, infinite_cell(&parsed.values)) {
            return Err(fail(bad));
        }
        let column = parsed_column(&table.source, name, parsed, &mut table.notes);
        table.columns.push(column);
    }
    Ok(table)
}

/// Writes a batch with a header line; missing cells are empty.
pub(crate) fn write(batch: &RecordBatch, file: &mut File) -> io::Result<()> {
    let mut writer = WriterBuilder::new()
        .with_header(true)
        .build(io::BufWriter::new(file));
    writer.write(batch).map_err(system_error)?;
    io::Write::flush(&mut writer.into_inner())
}

/// The error of the operating system, without the text that the table library adds.
fn system_error(error: arrow::error::ArrowError) -> io::Error {
    match error {
        arrow::error::ArrowError::IoError(_, source) => source,
        arrow::error::ArrowError::CsvError(message) => io::Error::other(message),
        other => io::Error::other(other),
    }
}

fn check_text(path: &Path, bytes: &[u8]) -> Result<()> {
    let path = path.to_owned();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::Empty { path });
    }
    let line_at = |offset: usize| {
        1 + bytes[..offset]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    };
    if let Err(error) = std::str::from_utf8(bytes) {
        let offset = error.valid_up_to();
        return Err(Error::NotUtf8 {
            path,
            offset,
            line: line_at(offset),
        });
    }
    match bytes.iter().position(|byte| *byte == 0) {
        Some(offset) => Err(Error::NulByte {
            path,
            offset,
            line: line_at(offset),
        }),
        None => Ok(()),
    }
}

/// The separator: tab for `.tsv`; otherwise the first of comma, semicolon and tab that the header contains, or a comma.
fn delimiter(path: &Path, bytes: &[u8]) -> u8 {
    if path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"))
    {
        return b'\t';
    }
    let header = bytes
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    [b',', b';', b'\t']
        .into_iter()
        .find(|candidate| header.contains(candidate))
        .unwrap_or(b',')
}

/// Column names without surrounding spaces; an empty name becomes `unnamed_N`, with the column's position from 1.
fn header(path: &Path, bytes: &[u8], delimiter: u8) -> Result<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(bytes);
    let header = reader.headers().map_err(|error| malformed(path, &error))?;
    let mut names = Vec::with_capacity(header.len());
    let mut first_position = HashMap::new();
    for (index, name) in header.iter().enumerate() {
        let name = match name.trim() {
            "" => format!("unnamed_{}", index + 1),
            name => name.to_owned(),
        };
        if let Some(first) = first_position.insert(name.clone(), index + 1) {
            return Err(Error::DuplicateHeader {
                path: path.to_owned(),
                column: name,
                first,
                second: index + 1,
            });
        }
        names.push(name);
    }
    Ok(names)
}

/// Number of data rows, after checking that each has as many cells as the header.
fn check_records(path: &Path, bytes: &[u8], delimiter: u8, expected: usize) -> Result<usize> {
    let path = || path.to_owned();
    let mut rows = 0;
    for (row, record) in Records::new(bytes, delimiter).enumerate() {
        if record.open_quote {
            return Err(Error::OpenQuote {
                path: path(),
                line: record.quote_line,
            });
        }
        if row == 0 {
            continue;
        }
        rows = row;
        if record.cells != expected {
            return Err(Error::Ragged {
                path: path(),
                row: rows,
                line: record.line,
                found: record.cells,
                expected,
            });
        }
    }
    if rows == 0 {
        Err(Error::NoRows { path: path() })
    } else {
        Ok(rows)
    }
}

fn line_of_row(bytes: &[u8], delimiter: u8, row: usize) -> Option<usize> {
    Records::new(bytes, delimiter)
        .nth(row + 1)
        .map(|record| record.line)
}

fn split_cells(
    path: &Path,
    bytes: &[u8],
    delimiter: u8,
    names: &[String],
    picked: Vec<usize>,
) -> Result<Vec<RecordBatch>> {
    let fields: Vec<Field> = names
        .iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect();
    ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(true)
        .with_delimiter(delimiter)
        .with_batch_size(8192)
        .with_projection(picked)
        .build_buffered(bytes)
        .and_then(Iterator::collect)
        .map_err(|error| malformed(path, &error))
}

fn malformed(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        message: error.to_string(),
    }
}

/// One record of a CSV text: the line where it begins, and its number of cells.
struct Record {
    line: usize,
    cells: usize,
    open_quote: bool,
    quote_line: usize,
}

/// Iterates over the records of a CSV text by the rules of the `csv` crate: blank lines are not records, a quotation mark has its
/// meaning only at the start of a cell, and two quotation marks inside a quoted cell are one literal mark.
struct Records<'a> {
    bytes: &'a [u8],
    position: usize,
    line: usize,
    delimiter: u8,
}

impl<'a> Records<'a> {
    fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        Self {
            bytes,
            position: 0,
            line: 1,
            delimiter,
        }
    }

    fn skip_blank_lines(&mut self) {
        let is_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        while let Some(byte) = self.bytes.get(self.position).filter(is_end) {
            self.line += usize::from(self.ends_line(*byte));
            self.position += 1;
        }
    }

    /// True for `\n`, and for a `\r` that is not followed by `\n`.
    fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || (byte == b'\r' && self.bytes.get(self.position + 1) != Some(&b'\n'))
    }

    /// Moves past the closing quotation mark of a quoted cell; false if there is none.
    fn skip_quoted(&mut self) -> bool {
        self.position += 1;
        while let Some(byte) = self.bytes.get(self.position) {
            self.line += usize::from(self.ends_line(*byte));
            self.position += 1;
            if *byte == b'"' {
                match self.bytes.get(self.position) {
                    Some(b'"') => self.position += 1,
                    _ => return true,
                }
            }
        }
        false
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.skip_blank_lines();
        self.bytes.get(self.position)?;
        let mut record = Record {
            line: self.line,
            cells: 1,
            open_quote: false,
            quote_line: 0,
        };
        let mut cell_start = true;
        while let Some(byte) = self.bytes.get(self.position).copied() {
            if byte == b'"' && cell_start {
                record.quote_line = self.line;
                record.open_quote = !self.skip_quoted();
                cell_start = false;
                continue;
            }
            if matches!(byte, b'\n' | b'\r') {
                break;
            }
            cell_start = byte == self.delimiter;
            record.cells += usize::from(cell_start);
            self.position += 1;
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ColumnKind;
    use crate::files::ReadOptions;
    use crate::table::Values;

    fn read_bytes(bytes: &[u8]) -> Result<Table> {
        read_named("t.csv", bytes, &ReadOptions::default())
    }

    fn read_named(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Table::read(&path, options)
    }

    fn message(bytes: &[u8]) -> String {
        read_bytes(bytes).unwrap_err().to_string()
    }

    #[test]
    fn empty_file_is_named() {
        assert!(message(b"").contains("t.csv: the file is empty"));
        assert!(message(b"\n \n").contains("the file is empty"));
        assert!(message(b"\xef\xbb\xbf").contains("the file is empty"));
    }

    #[test]
    fn header_only_is_named() {
        assert!(message(b"a,b\n").contains("column names but no rows"));
        assert!(message(b"a,b\n\n\n").contains("column names but no rows"));
    }

    #[test]
    fn ragged_row_is_named_with_row_and_line() {
        assert!(
            message(b"a,b\n1,2\n\"x\ny\",2\n3\n")
                .contains("row 3 (line 5) has 1 cells, but the header has 2")
        );
        assert!(message(b"a,b\r\n1,2,3\r\n").contains("row 1 (line 2) has 3 cells"));
    }

    #[test]
    fn wrong_encoding_is_named_with_byte_and_line() {
        let text = message(b"a,b\n1,2\ncaf\xe9,3\n");
        assert!(text.contains("line 3: byte 11 is not UTF-8"), "{text}");
        assert!(message(b"a,b\n1,\x00\n").contains("line 2: byte 6 is NUL"));
        assert!(message(b"\xff\xfea\0,\0").contains("byte 0 is not UTF-8"));
    }

    #[test]
    fn duplicate_header_is_named() {
        assert!(message(b"a,b, a\n1,2,3\n").contains("columns 1 and 3 are both named `a`"));
    }

    #[test]
    fn open_quote_is_named() {
        assert!(message(b"a,b\n1,\"2\n3,4\n").contains("quotation mark opened on line 2"));
        assert!(message(b"\"a,b\n1,2\n").contains("quotation mark opened on line 1"));
    }

    #[test]
    fn text_in_a_number_column_is_named() {
        let options = ReadOptions {
            types: [("b".to_owned(), ColumnKind::Number)].into(),
            ..ReadOptions::default()
        };
        let text = read_named("t.csv", b"a,b\n1,2\n\n3,four\n", &options)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("row 2 (line 4), column `b`: found \"four\", expected a number"),
            "{text}"
        );
    }

    #[test]
    fn types_reject_a_column_that_is_not_there() {
        let options = ReadOptions {
            types: [("bb".to_owned(), ColumnKind::Number)].into(),
            ..ReadOptions::default()
        };
        let text = read_named("t.csv", b"a,b\n1,2\n", &options)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("no column `bb` (asked for by option `types`)"),
            "{text}"
        );
    }

    #[test]
    fn read_like_rejects_huge_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        fs::write(&path, "a\n1\n1e400\n").unwrap();
        let text = Table::read_like(
            &path,
            &[("a".to_owned(), ColumnKind::Number)],
            &ReadOptions::default(),
        )
        .unwrap_err()
        .to_string();
        assert!(
            text.contains("row 2 (line 3), column `a`: found inf"),
            "{text}"
        );
    }

    #[test]
    fn other_separators_are_found() {
        for (name, bytes) in [
            ("t.tsv", &b"a\tb\n1\t2\n"[..]),
            ("t.csv", b"a;b\n1;2\n"),
            ("t", b"a\tb\n1\t2\n"),
        ] {
            let table = read_named(name, bytes, &ReadOptions::default()).unwrap();
            assert_eq!(table.columns[1].values, Values::Number(vec![2.0]));
        }
    }

    #[test]
    fn byte_order_mark_blank_lines_and_unnamed_columns_are_taken() {
        let table = read_bytes(b"\xef\xbb\xbf,b\r\n\r\n0,x\r\n1,\"y \"\"z\"\"\"\r\n").unwrap();
        assert_eq!(table.names(), ["unnamed_1", "b"]);
        assert_eq!(table.rows, 2);
        let Values::Category { levels, .. } = &table.columns[1].values else {
            panic!("category")
        };
        assert_eq!(levels, &["x", "y \"z\""]);
    }

    #[test]
    fn any_bytes_read_or_fail_but_never_panic() {
        use rand::RngExt;
        let alphabet = b"a1,;\"\n\r \t.-e\xc3\xa9\0";
        for index in 0..3000 {
            let mut rng = crate::generator(1, "csv bytes", index);
            let length = rng.random_range(0..40);
            let bytes: Vec<u8> = (0..length)
                .map(|_| alphabet[rng.random_range(0..alphabet.len())])
                .collect();
            if let Ok(table) = read_bytes(&bytes) {
                assert!(
                    table
                        .columns
                        .iter()
                        .all(|column| column.values.len() == table.rows),
                    "{bytes:?}"
                );
            }
        }
    }
}
