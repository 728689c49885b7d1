//! Records and cells of a separated text.
//!
//! The rules are those of the `csv` crate, which tests hold them to: blank lines are no records, a line ends with `\n`, `\r`
//! or both, a quotation mark counts at the start of a cell only, a doubled one inside quotes is one, and what follows
//! the closing one belongs to the cell. Where a space separates, a run of spaces does so once.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use crate::{Error, Result};

/// Where a cell lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    start: usize,
    end: usize,
    quoted: bool,
}

impl Cell {
    /// Its bytes as they stand, quotation marks included.
    pub(crate) fn raw<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.end]
    }

    /// True if it begins with a quotation mark.
    pub(crate) fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// Its text without quotation marks; bytes that are no UTF-8 are replaced.
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

/// One record: where it lies, without the end of its line.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Line of its first byte, from 1.
    pub(crate) line: usize,
    /// Its bytes.
    pub(crate) span: Range<usize>,
    /// How many cells it has.
    pub(crate) cells: usize,
    /// Line of a quotation mark without its partner.
    pub(crate) open_quote: Option<usize>,
}

impl Record {
    /// Refuses a record without the expected number of cells, or with an open quote; row 0 is the header.
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

/// Walks over the records of a text.
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
    position: usize,
    line: usize,
    separator: u8,
}

impl<'a> Records<'a> {
    /// From the start of `bytes`, which is line 1.
    pub(crate) fn new(bytes: &'a [u8], separator: u8) -> Self {
        Self::from(bytes, separator, 0, 1)
    }

    /// From a position, which lies on that line.
    pub(crate) fn from(bytes: &'a [u8], separator: u8, position: usize, line: usize) -> Self {
        Self {
            bytes,
            position,
            line,
            separator,
        }
    }

    /// The line of the next byte.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// The next record, whose cells are put into `cells`.
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
                // A run of spaces has been passed already.
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

    /// Where a space separates: to the first byte that is none.
    #[inline]
    fn skip_spaces(&mut self) {
        if self.separator == b' ' {
            let rest = &self.bytes[self.position..];
            self.position += rest.iter().take_while(|byte| **byte == b' ').count();
        }
    }

    /// A cell up to its separator or the end of its line.
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

    /// True for `\n` and for a `\r` that no `\n` follows.
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
    fn cells_are_those_of_the_csv_crate() {
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
    fn runs_of_spaces_separate_once() {
        assert_eq!(
            cells("  x   y \n 1  \"a b\"\n", b' '),
            [["x", "y"], ["1", "a b"]]
        );
    }

    #[test]
    fn lines_and_open_quotes_are_counted() {
        let text = b"a,b\r\n\r\n\"x\ny\",1\rz,\"2\n";
        let lines: Vec<usize> = Records::new(text, b',').map(|record| record.line).collect();
        assert_eq!(lines, [1, 3, 5]);
        let last = Records::new(text, b',').last().unwrap();
        assert_eq!(last.open_quote, Some(5));
    }
}
