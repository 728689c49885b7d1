//! Reads whole text tables into memory, and writes CSV.
//!
//! First, a pass over all records finds errors in the structure of the file: encoding, header, rows with more or fewer cells than the header,
//! quotation marks that are never closed. Then the cells of a file, or of the parts in a folder, are collected as text by column, and
//! [`kind`](crate::kind) converts them to values.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::{RecordBatch, StringArray, builder::StringBuilder};

use crate::bytes::{self, BYTE_ORDER_MARK};
use crate::kind::{BadCell, Cells, convert, finish, infer};
use crate::layout::{self, Layout, SAMPLE_BYTES};
use crate::lines;
use crate::parts;
use crate::reading::ReadOptions;
use crate::records::Records;
use crate::table::{Table, Values, Wanted, cell_error};
use crate::{Error, Result};

/// Number of rows in one array of cells on reading, and in one block of text on writing.
const CHUNK: usize = 8192;

/// Reads the wanted columns of a text table from one or more files, which are the parts of the table.
pub(crate) fn read(
    files: &[PathBuf],
    source: &str,
    wanted: &Wanted<'_>,
    options: &ReadOptions,
) -> Result<Table> {
    let texts = Text::read_all(files, options)?;
    let header = &texts[0].header;
    let names = &header.names;
    let picked = wanted.pick(source, names)?;
    let prefers_comma = texts[0].layout.separator == b';';
    let chunks = split_all(&texts, picked.iter().map(|(index, _)| *index));

    let mut table = Table {
        columns: Vec::with_capacity(picked.len()),
        rows: texts.iter().map(|text| text.rows).sum(),
        source: source.to_owned(),
        notes: texts
            .iter()
            .flat_map(|text| text.layout.notes.clone())
            .collect(),
        prefers_comma,
        first_line: match &texts[..] {
            [text] => text.first_line,
            _ => None,
        },
        ..Table::default()
    };
    for ((index, kind), chunks) in picked.into_iter().zip(chunks) {
        let name = &names[index];
        let cells = Cells::new(chunks);
        let fail = |bad: BadCell| bad_cell(&texts, name, bad);
        let parsed = match (kind, wanted) {
            (None, _) => infer(&cells, &options.rules(prefers_comma)),
            (Some(kind), Wanted::All(_)) => {
                convert(&cells, kind, &options.rules(prefers_comma)).map_err(fail)?
            }
            (Some(kind), Wanted::These(_)) => {
                let rules = options.rules_like(name);
                let parsed = convert(&cells, kind, &rules);
                parsed
                    .and_then(|parsed| finish(parsed, &rules))
                    .map_err(fail)?
            }
        };
        // A separator at the end of every line gives a column without name and values, which is left out.
        let asked_for = kind.is_some();
        if asked_for || !header.unnamed[index] || !is_empty(&parsed.values) {
            table.add(name, parsed);
        }
    }
    Ok(table)
}

/// True for a number column in which all cells are missing.
fn is_empty(values: &Values) -> bool {
    matches!(values, Values::Number(values) if values.iter().all(|value| value.is_nan()))
}

/// Writes a batch as CSV with a header; missing cells are empty.
pub(crate) fn write(batch: &RecordBatch, file: &mut File) -> io::Result<()> {
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name());
    file.write_all(&lines::header(names))?;
    for start in (0..batch.num_rows()).step_by(CHUNK) {
        let rows = batch.slice(start, CHUNK.min(batch.num_rows() - start));
        let text = lines::lines(&rows, &[]).map_err(io::Error::other)?;
        file.write_all(&text)?;
    }
    Ok(())
}

/// One file of a text table.
struct Text {
    path: PathBuf,
    /// The text as UTF-8, without a byte order mark.
    bytes: Vec<u8>,
    layout: Layout,
    header: Header,
    /// Number of rows below the header.
    rows: usize,
    /// Line of the first data row, from 1; `None` if there are no rows, or if a row does not take exactly one line.
    first_line: Option<usize>,
}

impl Text {
    fn read(path: &Path, options: &ReadOptions) -> Result<Self> {
        let mut bytes = bytes::read(path)?;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Error::Empty {
                path: path.to_owned(),
            });
        }
        check_text(path, &bytes, Place::default())?;
        let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
        let layout = layout::find(path, sample, sample.len() == bytes.len(), options)?;
        let header = header(path, &bytes, &layout)?;
        let mut text = Self {
            path: path.to_owned(),
            bytes,
            layout,
            header,
            rows: 0,
            first_line: None,
        };
        text.check_records()?;
        Ok(text)
    }

    /// Reads all files, and checks that they have the same columns.
    fn read_all(files: &[PathBuf], options: &ReadOptions) -> Result<Vec<Self>> {
        let mut texts: Vec<Self> = Vec::with_capacity(files.len());
        for path in files {
            let text = Self::read(path, options)?;
            if let Some(first) = texts.first() {
                parts::check_names(
                    (&first.path, &first.header.names),
                    (path, &text.header.names),
                )?;
            }
            texts.push(text);
        }
        match texts.iter().any(|text| text.rows > 0) {
            true => Ok(texts),
            // A part may have no rows, but the whole table may not.
            false => Err(Error::NoRows {
                path: files[0].clone(),
            }),
        }
    }

    /// The records of the text; the first is the header.
    fn records(&self) -> Records<'_> {
        let Layout {
            separator,
            start,
            line,
            ..
        } = self.layout;
        Records::from(&self.bytes, separator, start, line)
    }

    /// Checks that each data row has as many cells as the header. Sets `rows` and `first_line`.
    fn check_records(&mut self) -> Result<()> {
        let expected = self.header.names.len();
        let (mut rows, mut first_line, mut is_even) = (0, None, true);
        for (row, record) in self.records().enumerate() {
            record.check(&self.path, row, expected)?;
            rows = row;
            if row > 0 {
                let first = *first_line.get_or_insert(record.line);
                is_even &= record.line == first + row - 1;
            }
        }
        self.rows = rows;
        self.first_line = first_line.filter(|_| is_even);
        Ok(())
    }

    fn line_of_row(&self, row: usize) -> Option<usize> {
        self.records().nth(row + 1).map(|record| record.line)
    }

    /// Appends the cells of each column in `picked` to its list in `chunks`. `picked` has column positions, from 0.
    fn split(&self, picked: &[usize], chunks: &mut [Vec<StringArray>]) {
        let mut builders: Vec<StringBuilder> =
            picked.iter().map(|_| StringBuilder::new()).collect();
        let mut cells = Vec::new();
        let mut records = self.records();
        records.next();
        for row in 0..self.rows {
            if records.next_into(&mut cells).is_none() {
                break;
            }
            for (builder, column) in builders.iter_mut().zip(picked) {
                let text = cells[*column].text(&self.bytes);
                builder.append_option(Some(text).filter(|text| !text.is_empty()));
            }
            if (row + 1) % CHUNK == 0 || row + 1 == self.rows {
                for (builder, chunks) in builders.iter_mut().zip(chunks.iter_mut()) {
                    chunks.push(builder.finish());
                }
            }
        }
    }
}

/// The cells of the picked columns of all files: for each column, its cells in chunks.
fn split_all(texts: &[Text], picked: impl Iterator<Item = usize>) -> Vec<Vec<StringArray>> {
    let picked: Vec<usize> = picked.collect();
    let mut chunks = vec![Vec::new(); picked.len()];
    for text in texts {
        text.split(&picked, &mut chunks);
    }
    chunks
}

/// Makes the error for a bad cell, with the file, and with row and line in this file.
fn bad_cell(texts: &[Text], column: &str, mut bad: BadCell) -> Error {
    let found = parts::locate(texts, |text| text.rows, bad.row);
    let source = found.map_or_else(String::new, |(text, _)| text.path.display().to_string());
    let line = found.and_then(|(text, row)| text.line_of_row(row));
    bad.row = found.map_or(bad.row, |(_, row)| row);
    cell_error(&source, column, bad, line)
}

/// Where a part of a file's text begins, in bytes and in lines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// Number of bytes before the part.
    pub(crate) offset: usize,
    /// Number of lines that end before the part.
    pub(crate) lines: usize,
}

/// Returns an error if bytes are not UTF-8, or contain a NUL byte.
pub(crate) fn check_text(path: &Path, bytes: &[u8], place: Place) -> Result<()> {
    let path = path.to_owned();
    let at = |offset: usize| {
        let before = bytes[..offset].iter().filter(|byte| **byte == b'\n');
        (place.offset + offset, place.lines + 1 + before.count())
    };
    if let Err(error) = std::str::from_utf8(bytes) {
        let (offset, line) = at(error.valid_up_to());
        return Err(Error::NotUtf8 { path, offset, line });
    }
    match bytes.iter().position(|byte| *byte == 0) {
        Some(offset) => {
            let (offset, line) = at(offset);
            Err(Error::NulByte { path, offset, line })
        }
        None => Ok(()),
    }
}

/// The header of a text table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    /// Column names, trimmed. An empty name becomes `unnamed_N`, with the position `N` of the column from 1.
    pub(crate) names: Vec<String>,
    /// For each column, true if its name is empty in the file.
    pub(crate) unnamed: Vec<bool>,
}

/// Reads the header at the position that the layout gives.
pub(crate) fn header(path: &Path, bytes: &[u8], layout: &Layout) -> Result<Header> {
    let mut cells = Vec::new();
    let mut records = Records::from(bytes, layout.separator, layout.start, layout.line);
    let Some(record) = records.next_into(&mut cells) else {
        return Err(Error::Empty {
            path: path.to_owned(),
        });
    };
    record.check(path, 0, record.cells)?;
    let mut header = Header {
        names: Vec::with_capacity(cells.len()),
        unnamed: Vec::with_capacity(cells.len()),
    };
    let mut first_position = HashMap::new();
    for (index, cell) in cells.iter().enumerate() {
        let text = cell.text(bytes);
        let unnamed = text.trim().is_empty();
        let name = match text.trim() {
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
        header.names.push(name);
        header.unnamed.push(unnamed);
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ColumnKind;
    use std::fs;

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
    fn empty_file_is_refused() {
        assert!(message(b"").contains("t.csv: the file is empty"));
        assert!(message(b"\n \n").contains("the file is empty"));
        assert!(message(b"\xef\xbb\xbf").contains("the file is empty"));
    }

    #[test]
    fn header_without_rows_is_refused() {
        assert!(message(b"a,b\n").contains("column names but no rows"));
        assert!(message(b"a,b\n\n\n").contains("column names but no rows"));
    }

    #[test]
    fn error_for_a_short_row_names_row_and_line() {
        assert!(
            message(b"a,b\n1,2\n\"x\ny\",2\n3\n")
                .contains("row 3 (line 5) has 1 cell, but the header has 2")
        );
        assert!(message(b"a,b\r\n1,2,3\r\n").contains("row 1 (line 2) has 3 cells"));
    }

    #[test]
    fn rows_of_one_line_each_have_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        for (text, expected) in [
            ("a,b\n1,2\n3,4\n", "row 2 (line 3)"),
            ("Title\n\na,b\n1,2\n3,4\n", "row 2 (line 5)"),
            ("a,b\n1,\"x\ny\"\n3,4\n", "row 2"),
            ("a,b\n1,2\n\n3,4\n", "row 2"),
        ] {
            std::fs::write(&path, text).unwrap();
            let table = Table::read(&path, &ReadOptions::default()).unwrap();
            assert_eq!(table.row_in_words(1), expected, "{text}");
        }
    }

    #[test]
    fn error_for_wrong_encoding_names_byte_and_line() {
        let text = message(b"a,b\n1,2\ncaf\xe9,3\n");
        assert!(text.contains("line 3: byte 11 is not UTF-8"), "{text}");
        assert!(message(b"a,b\n1,\x00\n").contains("line 2: byte 6 is NUL"));
        assert!(message(b"\xff\xfa,b\n").contains("byte 0 is not UTF-8"));
    }

    #[test]
    fn error_for_a_duplicate_name_gives_both_positions() {
        assert!(message(b"a,b, a\n1,2,3\n").contains("columns 1 and 3 are both named `a`"));
    }

    #[test]
    fn error_for_an_open_quote_names_its_line() {
        assert!(message(b"a,b\n1,\"2\n3,4\n").contains("quotation mark opened on line 2"));
        assert!(message(b"\"a,b\n1,2\n").contains("quotation mark opened on line 1"));
    }

    #[test]
    fn error_for_text_in_a_number_column_names_the_cell() {
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
    fn types_reject_a_missing_column() {
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
    fn byte_order_mark_blank_lines_and_unnamed_columns_are_accepted() {
        let table = read_bytes(b"\xef\xbb\xbf,b\r\n\r\n0,x\r\n1,\"y \"\"z\"\"\"\r\n").unwrap();
        assert_eq!(table.names(), ["unnamed_1", "b"]);
        assert_eq!(table.rows, 2);
        let Values::Category { levels, .. } = &table.columns[1].values else {
            panic!("category")
        };
        assert_eq!(levels, &["x", "y \"z\""]);
    }

    #[test]
    fn reading_never_panics_on_any_bytes() {
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
