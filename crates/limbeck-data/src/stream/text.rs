//! Blocks of a text table: whole records of about [`BLOCK_BYTES`] bytes in total.

use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, SchemaRef};

use super::block::{self, Asked, Block, Done, Place};
use super::number::{Style, plain};
use super::typed::{self, Seen};
use crate::bytes::{self, BYTE_ORDER_MARK, Bytes};
use crate::csv::{self, Header, check_text, header};
use crate::error::row_in_words;
use crate::features::Features;
use crate::kept::BlockReader;
use crate::kind::{Cells, ColumnKind, convert, finish};
use crate::layout::{self, Layout, SAMPLE_BYTES};
use crate::lines::write_cell;
use crate::numbers::{Notation, Rules, certain_comma};
use crate::parts;
use crate::reading::ReadOptions;
use crate::records::{Cell, Records};
use crate::table::{Column, Values, cell_error};
use crate::text::DecimalMark;
use crate::{Error, Result};

/// Intended size of a block in bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// Largest expected size of a record in bytes; a much larger record is an error. Without a limit, a quotation mark that is never closed would make
/// the rest of the file one record.
const RECORD_BYTES: usize = 64 << 20;

/// An open file of a text table.
pub(super) struct TextFile {
    /// Name of the file in messages.
    path: PathBuf,
    bytes: Bytes,
    /// Bytes that were read from the file, but are not part of a returned block yet.
    buffer: Vec<u8>,
    ended: bool,
    /// True if rows are returned as soon as they are complete.
    live: bool,
    /// All bytes from the start of the file to the end of the header, without the header's line end.
    prologue: Vec<u8>,
    pub(super) layout: Layout,
    pub(super) header: Header,
    /// Position of the first block, which begins just after the header.
    start: Place,
}

impl TextFile {
    /// Reads the header of a text table from its bytes; `path` is the name in messages.
    pub(super) fn open(path: PathBuf, bytes: Bytes, options: &ReadOptions) -> Result<Self> {
        let mut bytes = bytes::unwrapped(bytes).map_err(Error::read(&path))?;
        let mut buffer = Vec::new();
        let mut wanted = SAMPLE_BYTES;
        let (found, ended) = loop {
            let more = wanted - buffer.len();
            let mut next = bytes.by_ref().take(more as u64);
            next.read_to_end(&mut buffer).map_err(Error::read(&path))?;
            let ended = buffer.len() < wanted;
            let found = Found::of(&path, &buffer, ended, options)?;
            if ended || found.end < buffer.len() || wanted > RECORD_BYTES {
                break (found, ended);
            }
            // The header is longer than the bytes read so far.
            wanted *= 2;
        };
        Self::with(path, bytes, (buffer, ended), found)
    }

    /// Like [`open`](Self::open), for rows that arrive one after the other: reads no more than the header.
    pub(super) fn live(path: PathBuf, mut bytes: Bytes, options: &ReadOptions) -> Result<Self> {
        let mut buffer = Vec::new();
        let (found, ended) = loop {
            let count = read_some(&mut bytes, &mut buffer).map_err(Error::read(&path))?;
            let ended = count == 0 || buffer.len() > RECORD_BYTES;
            match Found::of(&path, &buffer, ended, options) {
                Ok(found) if ended || found.end < buffer.len() => break (found, ended),
                Err(error) if ended => return Err(error),
                // The header is not complete yet.
                Ok(_) | Err(_) => {}
            }
        };
        let file = Self::with(path, bytes, (buffer, ended), found)?;
        Ok(Self { live: true, ..file })
    }

    fn with(
        path: PathBuf,
        bytes: Bytes,
        (mut buffer, ended): (Vec<u8>, bool),
        found: Found,
    ) -> Result<Self> {
        let header = header(&path, &buffer[found.mark..], &found.layout)?;
        let start = Place {
            rows: 0,
            line: found.line,
            offset: found.end,
        };
        let rest = buffer.split_off(found.end);
        Ok(Self {
            path,
            bytes,
            prologue: std::mem::replace(&mut buffer, rest),
            buffer,
            ended,
            live: false,
            layout: found.layout,
            header,
            start,
        })
    }

    /// Name, separator and columns, which all blocks of the table share.
    pub(super) fn shape(&self) -> TextShape {
        TextShape {
            path: self.path.clone(),
            separator: self.layout.separator,
            names: self.header.names.clone(),
        }
    }

    /// True if new numbers are written with a decimal comma. If all decimal marks in the first rows are the same, new numbers get this mark. Otherwise
    /// the option `decimal` decides. If this option is `auto`, new numbers get the more frequent mark (the point if both are equally frequent); if
    /// the first rows have no decimal mark, new numbers get a comma if the training table had a decimal comma.
    pub(super) fn has_comma(&self, options: &ReadOptions) -> bool {
        // Cells with a decimal point, and cells with a decimal comma.
        let mut found = [0, 0];
        let bytes = whole_characters(&self.buffer, self.ended);
        let end = match self.ended {
            true => bytes.len(),
            false => last_end(bytes, self.layout.separator),
        };
        let bytes = &bytes[..end];
        let mut cells = Vec::new();
        let mut records = Records::from(bytes, self.layout.separator, 0, self.start.line);
        while records.next_into(&mut cells).is_some() {
            let marks = cells
                .iter()
                .filter_map(|cell| certain_comma(&cell.text(bytes)));
            marks.for_each(|comma| found[usize::from(comma)] += 1);
        }
        let in_training = || options.notations.values().any(Notation::has_comma);
        match (found, options.decimal) {
            ([0, 0], DecimalMark::Auto) => in_training(),
            ([points, commas], DecimalMark::Auto) => commas > points,
            ([0, 0], mark) => mark == DecimalMark::Comma,
            ([points, 0], _) if points > 0 => false,
            ([0, _], _) => true,
            (_, mark) => mark == DecimalMark::Comma,
        }
    }

    /// Reads the next block; `None` at the end of the file. The block begins with the line end of the record before it.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut wanted = BLOCK_BYTES;
        loop {
            self.fill(wanted)?;
            let end = match self.ended {
                true => self.buffer.len(),
                false => last_end(&self.buffer, self.layout.separator),
            };
            if end > 0 {
                let rest = self.buffer.split_off(end);
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            if self.ended {
                return Ok(None);
            }
            if self.buffer.len() > RECORD_BYTES {
                return Err(self.endless());
            }
            wanted = 2 * self.buffer.len();
        }
    }

    fn fill(&mut self, wanted: usize) -> Result<()> {
        if self.live {
            return self.fill_live();
        }
        if self.ended || self.buffer.len() >= wanted {
            return Ok(());
        }
        let missing = wanted - self.buffer.len();
        self.buffer.reserve(missing);
        let found = self
            .bytes
            .by_ref()
            .take(missing as u64)
            .read_to_end(&mut self.buffer)
            .map_err(Error::read(&self.path))?;
        self.ended = found < missing;
        Ok(())
    }

    /// Reads until the buffer has a complete record.
    fn fill_live(&mut self) -> Result<()> {
        let separator = self.layout.separator;
        while !self.ended
            && last_end(&self.buffer, separator) == 0
            && self.buffer.len() <= RECORD_BYTES
        {
            let found = read_some(&mut self.bytes, &mut self.buffer);
            self.ended = found.map_err(Error::read(&self.path))? == 0;
        }
        Ok(())
    }

    fn endless(&self) -> Error {
        Error::Malformed {
            path: self.path.clone(),
            message: format!(
                "one row has more than {} MB; is there a quotation mark that is never closed? If so, close or remove it",
                RECORD_BYTES >> 20
            ),
        }
    }
}

/// What the first bytes of a file tell.
struct Found {
    /// Number of bytes of a byte order mark.
    mark: usize,
    layout: Layout,
    /// Number of bytes up to the end of the header.
    end: usize,
    /// Line of the first byte after the header.
    line: usize,
}

impl Found {
    fn of(
        path: &std::path::Path,
        buffer: &[u8],
        ended: bool,
        options: &ReadOptions,
    ) -> Result<Self> {
        let mark = match buffer.starts_with(BYTE_ORDER_MARK) {
            true => BYTE_ORDER_MARK.len(),
            false => 0,
        };
        let text = &buffer[mark..];
        if ended && text.iter().all(u8::is_ascii_whitespace) {
            return Err(Error::Empty {
                path: path.to_owned(),
            });
        }
        let whole = whole_characters(buffer, ended);
        check_text(path, whole, csv::Place::default())?;
        let layout = layout::find(path, text, ended, options)?;
        let mut records = Records::from(text, layout.separator, layout.start, layout.line);
        let end = mark + records.next().map_or(0, |record| record.span.end);
        Ok(Self {
            mark,
            end,
            line: records.line(),
            layout,
        })
    }
}

/// Appends the bytes that are available now, and waits for some if there are none. Returns their number; 0 at the end.
fn read_some(bytes: &mut Bytes, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut chunk = [0; 4096];
    let count = bytes.read(&mut chunk)?;
    buffer.extend_from_slice(&chunk[..count]);
    Ok(count)
}

/// The bytes without an incomplete character at their end; `ended` is true if nothing follows them.
fn whole_characters(bytes: &[u8], ended: bool) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if !ended && error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

/// Position after the last record whose line end is certainly complete in `bytes`; 0 if there is none.
fn last_end(bytes: &[u8], separator: u8) -> usize {
    if !bytes.contains(&b'"') {
        let end = |position: usize| bytes.get(position + 1).is_some_and(|next| *next != b'\n');
        let last = bytes.iter().rposition(|byte| *byte == b'\n');
        // If the text has no `\n`, lines end with `\r`.
        let last = last.or_else(|| {
            (0..bytes.len())
                .rev()
                .find(|&position| bytes[position] == b'\r' && end(position))
        });
        return last.map_or(0, |last| last + 1);
    }
    let mut last = 0;
    for record in Records::new(bytes, separator) {
        let end = record.span.end;
        match bytes[end..] {
            [b'\n', ..] => last = end + 1,
            [b'\r', b'\n', ..] => last = end + 2,
            [b'\r', _, ..] => last = end + 1,
            _ => break,
        }
    }
    last
}

/// Reads the files of a text table block by block.
pub(super) struct Texts {
    /// Files that are not open yet, each with its name in messages and its path.
    files: VecDeque<(PathBuf, PathBuf)>,
    current: Option<TextFile>,
    /// True until the first block of the current file is returned.
    fresh: bool,
    first: Arc<TextShape>,
    options: ReadOptions,
}

/// Name, separator and columns, which all blocks of a text table share.
#[derive(Debug)]
pub(super) struct TextShape {
    path: PathBuf,
    separator: u8,
    names: Vec<String>,
}

impl Texts {
    /// Starts at the first file, which is open; `others` are the files after it.
    pub(super) fn new(
        first: TextFile,
        others: impl IntoIterator<Item = (PathBuf, PathBuf)>,
        options: &ReadOptions,
    ) -> Self {
        let shape = first.shape();
        Self {
            files: others.into_iter().collect(),
            current: Some(first),
            fresh: true,
            first: Arc::new(shape),
            options: options.clone(),
        }
    }

    pub(super) fn shape(&self) -> Arc<TextShape> {
        Arc::clone(&self.first)
    }

    /// All bytes of the first file up to the end of its header, followed by the names of the new columns.
    pub(super) fn prologue(&self, names: &[String]) -> Vec<u8> {
        let mut out = self
            .current
            .as_ref()
            .map_or_else(Vec::new, |file| file.prologue.clone());
        for name in names {
            out.push(self.first.separator);
            write_cell(&mut out, name, self.first.separator);
        }
        out
    }

    /// Reads the next block. At the end of a file, goes on with the next file. `None` after the last file.
    pub(super) fn next(&mut self) -> Result<Option<Block>> {
        loop {
            let Some(file) = &mut self.current else {
                return Ok(None);
            };
            if let Some(bytes) = file.next()? {
                let start = std::mem::take(&mut self.fresh).then_some(file.start);
                let path = file.path.clone();
                return Ok(Some(Block::Text { path, start, bytes }));
            }
            self.fresh = true;
            self.current = match self.files.pop_front() {
                Some((name, path)) => Some(self.open(name, &path)?),
                None => None,
            };
        }
    }

    fn open(&self, name: PathBuf, path: &std::path::Path) -> Result<TextFile> {
        let file = std::fs::File::open(path).map_err(Error::read(path))?;
        let file = TextFile::open(name, Box::new(file), &self.options)?;
        let first = &self.first;
        parts::check_names(
            (&first.path, &first.names),
            (&file.path, &file.header.names),
        )?;
        if file.layout.separator != first.separator {
            return Err(Error::Shape {
                message: format!(
                    "{} and {} are in one folder and are read as parts of one table, but their cells are separated by {:?} and {:?}; use the same separator in both",
                    first.path.display(),
                    file.path.display(),
                    char::from(first.separator),
                    char::from(file.layout.separator)
                ),
            });
        }
        Ok(file)
    }
}

/// A block, split into records and cells.
pub(super) struct Split<'a> {
    bytes: &'a [u8],
    /// For each record, the position in `bytes` just after it. Its line end is not part of it.
    ends: Vec<usize>,
    /// Line of the first byte of each record, counted from the line of `place` (see [`split`]).
    lines: Vec<usize>,
    /// Cells of the requested columns, by column.
    cells: Vec<Vec<Cell>>,
    /// Position just after the block: the position of its start (the argument `place` of [`split`]) plus its numbers of rows, lines and bytes.
    next: Place,
}

/// Splits a block into records, and reads the cells of the columns at the positions `columns`. `place` is the position of the block in its file.
pub(super) fn split<'a>(
    shape: &TextShape,
    columns: &[usize],
    path: &std::path::Path,
    bytes: &'a [u8],
    place: Place,
) -> Result<Split<'a>> {
    let before = csv::Place {
        offset: place.offset,
        lines: place.line - 1,
    };
    check_text(path, bytes, before)?;
    let mut split = Split {
        bytes,
        ends: Vec::new(),
        lines: Vec::new(),
        cells: vec![Vec::new(); columns.len()],
        next: place,
    };
    let mut records = Records::from(bytes, shape.separator, 0, place.line);
    let mut cells = Vec::new();
    while let Some(record) = records.next_into(&mut cells) {
        record.check(path, place.rows + split.ends.len() + 1, shape.names.len())?;
        split.ends.push(record.span.end);
        split.lines.push(record.line);
        for (column, index) in split.cells.iter_mut().zip(columns) {
            column.push(cells[*index]);
        }
    }
    split.next = Place {
        rows: place.rows + split.ends.len(),
        line: records.line(),
        offset: place.offset + bytes.len(),
    };
    Ok(split)
}

impl Split<'_> {
    pub(super) fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Makes the result of the work on this block; `value` is what the work computed.
    pub(super) fn done<T>(&self, value: T) -> Done<T> {
        Done {
            rows: self.rows(),
            next: self.next,
            value,
        }
    }

    /// Reads the requested features. `columns` has, for each column in `asked`, its position in `cells`.
    pub(super) fn features(
        &self,
        (asked, follower): (&Asked, Option<&Mutex<BlockReader>>),
        columns: &[usize],
        path: &std::path::Path,
        place: Place,
        options: &ReadOptions,
    ) -> Result<Features> {
        let both = asked.columns.iter().zip(columns);
        let column = |((name, kind), column): (&(String, ColumnKind), &usize)| {
            let rules = options.rules_like(name);
            let values = self.values(*column, *kind, &rules).map_err(|mut bad| {
                let line = self.lines.get(bad.row).copied();
                bad.row += place.rows;
                cell_error(&path.display().to_string(), name, bad, line)
            })?;
            Ok(Column {
                name: name.clone(),
                kind: *kind,
                values,
            })
        };
        let columns = both.map(column).collect::<Result<_>>()?;
        asked.features(columns, self.rows(), follower, |row| {
            let line = self.lines.get(row).copied();
            let row = row_in_words(place.rows + row + 1, line);
            format!("{}: {row}", path.display())
        })
    }

    fn values(
        &self,
        column: usize,
        kind: ColumnKind,
        rules: &Rules<'_>,
    ) -> Result<Values, crate::kind::BadCell> {
        let cells = &self.cells[column];
        if kind == ColumnKind::Number
            && rules.missing.is_empty()
            && rules
                .notation
                .is_some_and(|known| known.reads_plain(rules.decimal))
            && let Some(values) = self.plain_numbers(cells)
        {
            return Ok(values);
        }
        let texts = cells.iter().map(|cell| {
            let text = cell.text(self.bytes);
            Some(text).filter(|text| !text.is_empty())
        });
        let texts: StringArray = texts.collect();
        let parsed = convert(&Cells::new(vec![texts]), kind, rules)?;
        Ok(finish(parsed, rules)?.values)
    }

    /// The numbers of a column, if all of its cells are plain finite numbers or empty, without quotation marks.
    fn plain_numbers(&self, cells: &[Cell]) -> Option<Values> {
        let number = |cell: &Cell| {
            let value = plain(cell.raw(self.bytes));
            value.filter(|value| !value.is_infinite() && !cell.is_quoted())
        };
        let values: Option<Vec<f64>> = cells.iter().map(number).collect();
        values.map(Values::Number)
    }

    /// The bytes of the block, with the new cells at the end of each record.
    pub(super) fn extended(&self, new: &[Vec<f64>], style: Style) -> Vec<u8> {
        let room = self.bytes.len() + new.len() * self.rows() * 20;
        let mut out = Vec::with_capacity(room);
        let mut from = 0;
        for (row, end) in self.ends.iter().enumerate() {
            out.extend_from_slice(&self.bytes[from..*end]);
            for values in new {
                style.write(&mut out, values[row]);
            }
            from = *end;
        }
        out.extend_from_slice(&self.bytes[from..]);
        out
    }

    /// For each column, the Parquet types that fit all of its cells.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let seen = |cells: &Vec<Cell>| {
            let mut seen = Seen::NOTHING;
            cells
                .iter()
                .for_each(|cell| seen.see(&cell.text(self.bytes)));
            seen
        };
        self.cells.iter().map(seen).collect()
    }

    /// Converts the cells of each column to an array of its type.
    fn arrays(&self, types: &[DataType]) -> Vec<ArrayRef> {
        let array = |(cells, data_type): (&Vec<Cell>, &DataType)| {
            let texts: Vec<_> = cells.iter().map(|cell| cell.text(self.bytes)).collect();
            typed::array(texts.iter().map(AsRef::as_ref), data_type)
        };
        self.cells.iter().zip(types).map(array).collect()
    }

    /// Makes a record batch of all cells and the new columns; `schema` is the schema of the result.
    pub(super) fn batch(&self, new: Vec<Vec<f64>>, schema: &SchemaRef) -> Result<RecordBatch> {
        let fields = schema.fields().iter();
        let types: Vec<DataType> = fields.map(|field| field.data_type().clone()).collect();
        let mut arrays = self.arrays(&types);
        arrays.extend(new.into_iter().map(block::array));
        block::batch(schema, arrays)
    }
}

impl TextShape {
    /// Separator between cells.
    pub(super) fn separator(&self) -> u8 {
        self.separator
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.names.len()
    }
}
