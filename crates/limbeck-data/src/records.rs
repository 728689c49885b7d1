//! Splits separated text into records and cells.
//!
//! The rules are those of the `csv` crate, and a test compares the two. Blank lines are not records. A line ends with `\n`, `\r` or both. A
//! quotation mark opens quotes only at the start of a cell. Inside quotes, a doubled quotation mark stands for one. Text after the closing
//! quotation mark belongs to the cell. If the separator is a space, a run of spaces counts as one separator.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use crate::{Error, Result};

/// Position of a cell in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    start: usize,
    end: usize,
    quoted: bool,
}

impl Cell {
    /// The bytes of the cell, including quotation marks.
    pub(crate) fn raw<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.end]
    }

    /// True if the cell begins with a quotation mark.
    pub(crate) fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// The text of the cell without quotation marks. Bytes that are not UTF-8 are replaced.
    pub(crate) fn text<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        let raw = self.raw(bytes);
        if !self.quoted {
            return String::from_utf8_lossy(raw);
        }
        let mut out = Vec::with_capacity(raw.len());
        let mut position = 1;
        while let Some(byte) = raw.get(position) {
            position += 1;
            if *byte != b'"' {
                out.push(*byte);
            } else if raw.get(position) == Some(&b'"') {
                out.push(b'"');
                position += 1;
            } else {
                out.extend_from_slice(&raw[position..]);
                break;
            }
        }
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }
}

/// Position of a record in a text, without its line end.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Line of the record's first byte, from 1.
    pub(crate) line: usize,
    /// Positions of the record's bytes.
    pub(crate) span: Range<usize>,
    /// Number of cells.
    pub(crate) cells: usize,
    /// Line of a quotation mark that is never closed, if there is one.
    pub(crate) open_quote: Option<usize>,
}

impl Record {
    /// Returns an error if the record has another number of cells than expected, or an open quotation mark. Row 0 is the header.
    pub(crate) fn check(&self, path: &Path, row: usize, expected: usize) -> Result<()> {
        let path = || path.to_owned();
        if let Some(line) = self.open_quote {
            return Err(Error::OpenQuote { path: path(), line });
        }
        if self.cells != expected {
            return Err(Error::Ragged {
                path: path(),
                row,
                line: self.line,
                found: self.cells,
                expected,
            });
        }
        Ok(())
    }
}

/// An iterator over the records of a text.
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
    position: usize,
    line: usize,
    separator: u8,
}

impl<'a> Records<'a> {
    /// Starts at the first byte of `bytes`, on line 1.
    pub(crate) fn new(bytes: &'a [u8], separator: u8) -> Self {
        Self::from(bytes, separator, 0, 1)
    }

    /// Starts at a position in `bytes`, which is on the given line.
    pub(crate) fn from(bytes: &'a [u8], separator: u8, position: usize, line: usize) -> Self {
        Self {
            bytes,
            position,
            line,
            separator,
        }
    }

    /// Line of the next byte, from 1.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// Returns the next record, and replaces `cells` with its cells.
    pub(crate) fn next_into(&mut self, cells: &mut Vec<Cell>) -> Option<Record> {
        cells.clear();
        self.walk(|cell| cells.push(cell))
    }

    fn walk(&mut self, mut each: impl FnMut(Cell)) -> Option<Record> {
        self.skip_blank_lines();
        self.bytes.get(self.position)?;
        let (start, line) = (self.position, self.line);
        let mut found = 0;
        let mut open_quote = None;
        loop {
            self.skip_spaces();
            let cell = self.cell(&mut open_quote);
            found += 1;
            each(cell);
            self.skip_spaces();
            match self.bytes.get(self.position) {
                None | Some(b'\n' | b'\r') => break,
                // `skip_spaces` has moved past the separator already.
                Some(_) if self.separator == b' ' => {}
                Some(_) => self.position += 1,
            }
        }
        Some(Record {
            line,
            span: start..self.position,
            cells: found,
            open_quote,
        })
    }

    /// If the separator is a space, moves to the next byte that is not a space.
    #[inline]
    fn skip_spaces(&mut self) {
        if self.separator == b' ' {
            let rest = &self.bytes[self.position..];
            self.position += rest.iter().take_while(|byte| **byte == b' ').count();
        }
    }

    /// Reads a cell up to the next separator or line end.
    #[inline]
    fn cell(&mut self, open_quote: &mut Option<usize>) -> Cell {
        let start = self.position;
        let quoted = self.bytes.get(start) == Some(&b'"');
        if quoted {
            let line = self.line;
            if !self.skip_quoted() {
                *open_quote = Some(line);
            }
        }
        let separator = self.separator;
        let ends = |byte: &u8| *byte == separator || matches!(*byte, b'\n' | b'\r');
        let rest = &self.bytes[self.position..];
        self.position += rest.iter().position(ends).unwrap_or(rest.len());
        Cell {
            start,
            end: self.position,
            quoted,
        }
    }

    fn skip_blank_lines(&mut self) {
        while let Some(byte @ (b'\n' | b'\r')) = self.bytes.get(self.position) {
            self.line += usize::from(self.ends_line(*byte));
            self.position += 1;
        }
    }

    /// True for `\n`, and for a `\r` that is not followed by `\n`.
    fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || (byte == b'\r' && self.bytes.get(self.position + 1) != Some(&b'\n'))
    }

    /// Moves past the closing quote of a quoted cell; false if there is none.
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
        self.walk(|_| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str, separator: u8) -> Vec<Vec<String>> {
        let mut records = Records::new(text.as_bytes(), separator);
        let mut all = Vec::new();
        let mut cells = Vec::new();
        while let Some(record) = records.next_into(&mut cells) {
            assert_eq!(record.cells, cells.len());
            let text = |cell: &Cell| cell.text(text.as_bytes()).into_owned();
            all.push(cells.iter().map(text).collect());
        }
        all
    }

    #[test]
    fn cells_agree_with_the_csv_crate() {
        use rand::RngExt;
        let alphabet = b"ab1,;\"\"\n\r ";
        let mut quoted = 0;
        for index in 0..20_000 {
            let mut rng = crate::generator(1, "records", index);
            let length = rng.random_range(0..24);
            let text: String = (0..length)
                .map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())]))
                .collect();
            let mut reader = ::csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            assert_eq!(cells(&text, b','), expected, "{text:?}");
            quoted += usize::from(text.contains("\"\""));
        }
        assert!(quoted > 1000, "{quoted} texts with doubled quotes");
    }

    #[test]
    fn run_of_spaces_is_one_separator() {
        assert_eq!(
            cells("  x   y \n 1  \"a b\"\n", b' '),
            [["x", "y"], ["1", "a b"]]
        );
    }

    #[test]
    fn records_know_their_line_and_open_quotes() {
        let text = b"a,b\r\n\r\n\"x\ny\",1\rz,\"2\n";
        let lines: Vec<usize> = Records::new(text, b',').map(|record| record.line).collect();
        assert_eq!(lines, [1, 3, 5]);
        let last = Records::new(text, b',').last().unwrap();
        assert_eq!(last.open_quote, Some(5));
    }
}
