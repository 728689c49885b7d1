//! New columns for a table of any size: a few blocks of rows are in memory at a time.
//!
//! ```text
//! Input ─block→ features ─predict→ new columns ─→ the block's own bytes or arrays, and the new ones ─→ out
//!         └── read, predicted and written at once, in the order of the file ──┘
//! ```
//!
//! What a table had stays exactly as it was:
//!
//! | from | to | other columns |
//! |---|---|---|
//! | text | text | the bytes of each record, to which a cell is added; lines end as they did |
//! | Parquet | Parquet | the same arrays in the same Arrow types |
//! | text | Parquet | int64, double, boolean, date, timestamp where nothing is lost by it, else text |
//! | Parquet | text | numbers, decimals and times in full, bytes in hexadecimal, lists and structs as `[1, 2]` and `{a: 1}` |
//!
//! Packed text and UTF-16 come out as plain UTF-8.

mod columns;
mod number;
#[cfg(test)]
mod tests;
mod text;
mod typed;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use crate::bytes::{self, Wrapping};
use crate::features::{Feature, Features};
use crate::format::Format;
use crate::kind::ColumnKind;
use crate::parquet::{self, Part};
use crate::parts;
use crate::reading::ReadOptions;
use crate::table::{Column, Values};
use crate::warning::Warning;
use crate::{Error, Result};

use columns::Batches;
use text::{TextFile, TextShape, Texts};

/// What messages call standard input.
const STDIN: &str = "standard input";

/// A table that is read once, from its first row to its last.
pub struct Input {
    source: String,
    names: Vec<String>,
    notes: Vec<Warning>,
    options: ReadOptions,
    kind: InputKind,
    /// What standard input held, where it has to be read twice.
    _copy: Option<tempfile::NamedTempFile>,
}

enum InputKind {
    /// The first file, opened, and all files: what messages call them and where they are. Standard input is no file.
    Text(Box<TextFile>, Vec<(PathBuf, PathBuf)>),
    Columns(Vec<Part>),
}

impl Input {
    /// A table by its path: a file or a folder of parts, as [`Table::read`](crate::Table::read) takes them.
    ///
    /// # Errors
    ///
    /// As those of `Table::read` that the header shows.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        let parts = parts::of(path)?;
        let source = path.display().to_string();
        let files = parts.files.into_iter().map(|file| (file.clone(), file));
        Self::of(source, parts.format, files.collect(), options)
    }

    /// The table on standard input, text or Parquet.
    ///
    /// Parquet, and text if it is to be written as Parquet (`twice`), goes to a temporary file first, since it cannot be read in one go.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn stdin(options: &ReadOptions, twice: bool) -> Result<Self> {
        let name = PathBuf::from(STDIN);
        let (start, bytes) = bytes::peek(Box::new(io::stdin()), 4).map_err(Error::read(&name))?;
        let format = match Wrapping::of(&start) {
            Wrapping::Parquet => Format::Parquet,
            _ => Format::Text,
        };
        if format == Format::Text && !twice {
            let first = TextFile::open(name, bytes, options)?;
            return Ok(Self::of_text(STDIN.into(), first, Vec::new(), options));
        }
        let copy = copy(bytes).map_err(Error::read(&name))?;
        let path = copy.path().to_owned();
        let mut input = Self::of(STDIN.into(), format, vec![(name, path)], options)?;
        input._copy = Some(copy);
        Ok(input)
    }

    fn of(
        source: String,
        format: Format,
        files: Vec<(PathBuf, PathBuf)>,
        options: &ReadOptions,
    ) -> Result<Self> {
        match format {
            Format::Text => {
                let first = open_text(&files[0], options)?;
                Ok(Self::of_text(source, first, files, options))
            }
            Format::Parquet => {
                let paths: Vec<PathBuf> = files.into_iter().map(|(_, path)| path).collect();
                let parts = parquet::open_all(&paths)?;
                Ok(Self {
                    source,
                    names: parts[0].names.clone(),
                    notes: Vec::new(),
                    options: options.clone(),
                    kind: InputKind::Columns(parts),
                    _copy: None,
                })
            }
        }
    }

    fn of_text(
        source: String,
        first: TextFile,
        files: Vec<(PathBuf, PathBuf)>,
        options: &ReadOptions,
    ) -> Self {
        Self {
            source,
            names: first.header.names.clone(),
            notes: first.layout.notes.clone(),
            options: options.clone(),
            kind: InputKind::Text(Box::new(first), files),
            _copy: None,
        }
    }

    /// Column names, in the order of the file.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What was passed over above the header.
    #[must_use]
    pub fn notes(&self) -> &[Warning] {
        &self.notes
    }

    /// What messages call it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn open_text((name, path): &(PathBuf, PathBuf), options: &ReadOptions) -> Result<TextFile> {
    let file = File::open(path).map_err(Error::read(path))?;
    TextFile::open(name.clone(), Box::new(file), options)
}

/// All bytes in a temporary file, which is removed when the value is dropped.
fn copy(mut bytes: impl Read) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    io::copy(&mut bytes, &mut file)?;
    file.flush()?;
    Ok(file)
}

/// Columns that a student reads, with the kinds that it was trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// In the student's order.
    pub columns: Vec<(String, ColumnKind)>,
}

/// How the table is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// As text: with the separator it had, or commas.
    Text,
    /// As Parquet.
    Parquet,
}

/// Why a table could not be written with its new columns.
#[derive(Debug)]
pub enum Failed<E> {
    /// The output refused.
    Write(io::Error),
    /// The input or the predictions did.
    Other(E),
}

impl<E: From<Error>> From<Error> for Failed<E> {
    fn from(error: Error) -> Self {
        Self::Other(error.into())
    }
}

/// Writes a table again with new columns at its end, and says how many rows it has.
///
/// `predict` gets the features of each of `asked` for some rows, and gives one column for each of the names in `new`. It is called on several threads at
/// once; rows come out in their order.
///
/// # Errors
///
/// [`Failed::Write`] with what the output said; [`Failed::Other`] where a cell does not fit its kind, with file, row and column, and for
/// whatever `predict` fails with. What was written before stays written.
pub fn add_columns<E, P>(
    input: Input,
    asked: &[Asked],
    new: &[String],
    (out, written): (impl Write + Send, Written),
    predict: P,
) -> Result<usize, Failed<E>>
where
    E: From<Error> + Send,
    P: Fn(&[Features]) -> Result<Vec<Vec<f64>>, E> + Sync,
{
    let (source, options) = (PathBuf::from(&input.source), input.options.clone());
    let wanted = asked
        .iter()
        .map(|asked| positions(&input, asked))
        .collect::<Result<Vec<_>>>()?;
    let task = Task {
        asked,
        wanted,
        form: form(&input, new, written)?,
        options,
        predict,
    };
    let (mut blocks, first) = Blocks::new(input, &task.form, new);
    let mut sink = Sink::new(out, &task.form, first).map_err(Failed::Write)?;
    let rows = each_block(
        &mut blocks,
        |block, place| task.block(block, place).map_err(Failed::Other),
        |piece| sink.write(piece).map_err(Failed::Write),
    )?;
    if rows == 0 {
        return Err(Error::NoRows { path: source }.into());
    }
    sink.close().map_err(Failed::Write)?;
    Ok(rows)
}

/// Where the columns of a student are in the table.
fn positions(input: &Input, asked: &Asked) -> Result<Vec<usize>> {
    let find = |(name, _): &(String, ColumnKind)| {
        let position = input.names.iter().position(|own| own == name);
        position.ok_or_else(|| {
            Error::no_such_column(&input.source, name, "the student", input.names.clone())
        })
    };
    asked.columns.iter().map(find).collect()
}

/// From what form to what form.
enum Form {
    TextToText(Arc<TextShape>),
    TextToColumns(Arc<TextShape>, SchemaRef),
    ColumnsToText,
    ColumnsToColumns(SchemaRef),
}

fn form(input: &Input, new: &[String], written: Written) -> Result<Form> {
    Ok(match (&input.kind, written) {
        (InputKind::Text(first, _), Written::Text) => Form::TextToText(Arc::new(first.shape())),
        (InputKind::Text(first, files), Written::Parquet) => {
            let types = types(files, &input.options)?;
            let own = input.names.iter().zip(types);
            let fields = own.map(|(name, data_type)| Field::new(name, data_type, true));
            let schema = with_new(fields.collect(), new, Schema::empty());
            Form::TextToColumns(Arc::new(first.shape()), schema)
        }
        (InputKind::Columns(_), Written::Text) => Form::ColumnsToText,
        (InputKind::Columns(parts), Written::Parquet) => {
            let own = &parts[0].schema;
            let fields = own.fields().iter().map(|field| field.as_ref().clone());
            Form::ColumnsToColumns(with_new(fields.collect(), new, own.as_ref().clone()))
        }
    })
}

fn with_new(mut fields: Vec<Field>, new: &[String], own: Schema) -> SchemaRef {
    let number = |name| Field::new(name, DataType::Float64, true);
    fields.extend(new.iter().map(number));
    Arc::new(Schema::new_with_metadata(fields, own.metadata))
}

/// The types of all columns of a text table, after a pass over all of its rows.
fn types(files: &[(PathBuf, PathBuf)], options: &ReadOptions) -> Result<Vec<DataType>> {
    let Some((first, others)) = files.split_first() else {
        unreachable!("standard input is copied where it is read twice")
    };
    let first = open_text(first, options)?;
    let all: Vec<usize> = (0..first.header.names.len()).collect();
    let mut seen = vec![typed::Seen::NOTHING; all.len()];
    let texts = Texts::new(first, others.to_vec(), options);
    let shape = texts.shape();
    let work = |block: &Block, place: Place| {
        let Block::Text { path, bytes, .. } = block else {
            unreachable!("blocks of a text table are text")
        };
        let split = text::split(&shape, &all, path, bytes, place)?;
        Ok(split.done(split.seen()))
    };
    each_block::<_, Error>(&mut Blocks::Text(texts), work, |more: Vec<typed::Seen>| {
        for (seen, more) in seen.iter_mut().zip(more) {
            *seen = seen.and(more);
        }
        Ok(())
    })?;
    Ok(seen.into_iter().map(typed::Seen::data_type).collect())
}

/// Where a block begins in its file.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Rows before it.
    rows: usize,
    /// Line of its first byte, from 1.
    line: usize,
    /// Bytes before it.
    offset: usize,
}

impl Place {
    const START: Self = Self {
        rows: 0,
        line: 1,
        offset: 0,
    };
}

/// Some rows of a table.
enum Block {
    Text {
        path: PathBuf,
        /// Where it begins, if it is the first of its file.
        start: Option<Place>,
        bytes: Vec<u8>,
    },
    Columns {
        path: PathBuf,
        start: Option<Place>,
        batch: RecordBatch,
    },
}

impl Block {
    fn start(&self) -> Option<Place> {
        match self {
            Self::Text { start, .. } | Self::Columns { start, .. } => *start,
        }
    }
}

/// The blocks of a table, in order.
enum Blocks {
    Text(Texts),
    Columns(Batches),
}

impl Blocks {
    /// With what is written before the first of them.
    fn new(input: Input, form: &Form, new: &[String]) -> (Self, Vec<u8>) {
        match input.kind {
            InputKind::Text(first, files) => {
                let others = files.into_iter().skip(1);
                let texts = Texts::new(*first, others, &input.options);
                let prologue = texts.prologue(new);
                (Self::Text(texts), prologue)
            }
            InputKind::Columns(parts) => {
                let header = match form {
                    Form::ColumnsToText => columns::header(input.names.iter().chain(new)),
                    _ => Vec::new(),
                };
                (Self::Columns(Batches::new(parts)), header)
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<Vec<Block>> {
        let mut blocks = Vec::with_capacity(count);
        while blocks.len() < count {
            let next = match self {
                Self::Text(texts) => texts.next()?,
                Self::Columns(batches) => batches.next()?,
            };
            match next {
                Some(block) => blocks.push(block),
                None => break,
            }
        }
        Ok(blocks)
    }
}

/// What became of a block.
struct Done<T> {
    rows: usize,
    /// Where the next block begins.
    next: Place,
    value: T,
}

/// Works on all blocks, several at once, and takes the results in order, while the next blocks are read. Gives the number of rows.
///
/// Where a block begins is not known while it is worked on. One that fails is done again with its place, so that the message has it.
fn each_block<T: Send, E: From<Error> + Send>(
    blocks: &mut Blocks,
    work: impl Fn(&Block, Place) -> Result<Done<T>, E> + Sync,
    mut take: impl FnMut(T) -> Result<(), E> + Send,
) -> Result<usize, E> {
    let count = 2 * rayon::current_num_threads();
    let (mut place, mut rows) = (Place::START, 0);
    let mut round = blocks.take(count)?;
    let mut finished: Vec<T> = Vec::new();
    while !round.is_empty() || !finished.is_empty() {
        let (done, next) = rayon::join(
            || -> Vec<Result<Done<T>, E>> {
                let each = round.par_iter().with_max_len(1);
                each.map(|block| work(block, Place::START)).collect()
            },
            || -> Result<Vec<Block>, E> {
                finished.drain(..).try_for_each(&mut take)?;
                Ok(blocks.take(count)?)
            },
        );
        for (block, done) in round.iter().zip(done) {
            place = block.start().unwrap_or(place);
            let done = match done {
                Ok(done) => done,
                Err(error) => return Err(work(block, place).err().unwrap_or(error)),
            };
            place = Place {
                rows: place.rows + done.rows,
                line: place.line + done.next.line - Place::START.line,
                offset: place.offset + done.next.offset,
            };
            rows += done.rows;
            finished.push(done.value);
        }
        round = next?;
    }
    Ok(rows)
}

/// What is done with each block.
struct Task<'a, P> {
    asked: &'a [Asked],
    /// Of each, where its columns are in the table.
    wanted: Vec<Vec<usize>>,
    form: Form,
    options: ReadOptions,
    predict: P,
}

impl<P> Task<'_, P> {
    fn block<E>(&self, block: &Block, place: Place) -> Result<Done<Piece>, E>
    where
        E: From<Error>,
        P: Fn(&[Features]) -> Result<Vec<Vec<f64>>, E>,
    {
        match block {
            Block::Text { path, start, bytes } => self.text(path, bytes, start.is_some(), place),
            Block::Columns { path, batch, .. } => self.columns(path, batch, place),
        }
    }

    fn text<E>(
        &self,
        path: &Path,
        bytes: &[u8],
        fresh: bool,
        place: Place,
    ) -> Result<Done<Piece>, E>
    where
        E: From<Error>,
        P: Fn(&[Features]) -> Result<Vec<Vec<f64>>, E>,
    {
        let (Form::TextToText(shape) | Form::TextToColumns(shape, _)) = &self.form else {
            unreachable!("blocks of a text table are text")
        };
        let all: Vec<usize> = match &self.form {
            Form::TextToColumns(..) => (0..shape.width()).collect(),
            _ => self.wanted.concat(),
        };
        let split = text::split(shape, &all, path, bytes, place)?;
        let mut from = 0;
        let mut features = Vec::with_capacity(self.asked.len());
        for (asked, wanted) in self.asked.iter().zip(&self.wanted) {
            let held: Vec<usize> = match &self.form {
                Form::TextToColumns(..) => wanted.clone(),
                _ => (from..from + wanted.len()).collect(),
            };
            from += wanted.len();
            features.push(split.features(asked, &held, path, place, &self.options)?);
        }
        let new = (self.predict)(&features)?;
        let piece = match &self.form {
            Form::TextToColumns(_, schema) => Piece::Batch(split.batch(new, schema)?),
            _ => Piece::Text {
                bytes: split.extended(&new, shape.separator()),
                fresh,
            },
        };
        Ok(split.done(piece))
    }

    fn columns<E>(&self, path: &Path, batch: &RecordBatch, place: Place) -> Result<Done<Piece>, E>
    where
        E: From<Error>,
        P: Fn(&[Features]) -> Result<Vec<Vec<f64>>, E>,
    {
        let both = self.asked.iter().zip(&self.wanted);
        let features = both
            .map(|(asked, wanted)| columns::features(asked, wanted, path, batch, place))
            .collect::<Result<Vec<_>>>()?;
        let new = (self.predict)(&features)?;
        let value = match &self.form {
            Form::ColumnsToColumns(schema) => Piece::Batch(columns::extended(batch, new, schema)?),
            _ => Piece::Text {
                bytes: columns::lines(path, batch, &new)?,
                fresh: false,
            },
        };
        Ok(Done {
            rows: batch.num_rows(),
            next: Place::START,
            value,
        })
    }
}

/// A block with its new columns.
enum Piece {
    Text {
        bytes: Vec<u8>,
        /// True for the first of a file, which begins with the end of the header's line.
        fresh: bool,
    },
    Batch(RecordBatch),
}

/// Where the pieces go.
enum Sink<W: Write + Send> {
    Text {
        out: W,
        /// What comes before the first piece, and is written with it: where that fails, nothing was written.
        first: Vec<u8>,
        /// True if what was written ends with the end of a line.
        ended: bool,
    },
    Columns(Box<columns::Writer<W>>),
}

impl<W: Write + Send> Sink<W> {
    fn new(out: W, form: &Form, first: Vec<u8>) -> io::Result<Self> {
        match form {
            Form::TextToText(_) | Form::ColumnsToText => Ok(Self::Text {
                out,
                first,
                ended: false,
            }),
            Form::TextToColumns(_, schema) | Form::ColumnsToColumns(schema) => {
                let writer = columns::Writer::new(out, Arc::clone(schema))?;
                Ok(Self::Columns(Box::new(writer)))
            }
        }
    }

    fn write(&mut self, piece: Piece) -> io::Result<()> {
        match (self, piece) {
            (Self::Text { out, first, ended }, Piece::Text { bytes, fresh }) => {
                out.write_all(&std::mem::take(first))?;
                let begins = match bytes[..] {
                    [b'\r', b'\n', ..] => 2,
                    [b'\n' | b'\r', ..] => 1,
                    _ => 0,
                };
                // The line before has ended already.
                let from = if fresh && *ended { begins } else { 0 };
                out.write_all(&bytes[from..])?;
                if let Some(last) = bytes[from..].last() {
                    *ended = matches!(last, b'\n' | b'\r');
                }
                Ok(())
            }
            (Self::Columns(writer), Piece::Batch(batch)) => writer.write(&batch),
            _ => unreachable!("pieces have the form of the sink"),
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Self::Text { mut out, .. } => out.flush(),
            Self::Columns(writer) => writer.close(),
        }
    }
}

/// The feature that a column of a student's table holds.
fn feature(name: &str, kind: ColumnKind, values: Values) -> Result<Feature> {
    let column = Column {
        name: name.to_owned(),
        kind,
        values,
    };
    Feature::from_column(column).ok_or_else(|| Error::Shape {
        message: format!("column `{name}` is of kind {kind}, which cannot be a feature"),
    })
}

/// Numbers as an array, NaN as null.
fn array(values: Vec<f64>) -> ArrayRef {
    let known = |value: f64| Some(value).filter(|value| !value.is_nan());
    Arc::new(values.into_iter().map(known).collect::<Float64Array>())
}

fn batch(schema: &SchemaRef, arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    let rows = arrays.first().map_or(0, |array| array.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|error| {
        Error::Shape {
            message: error.to_string(),
        }
    })
}
