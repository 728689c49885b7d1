//! Adds columns to a table, block by block.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use super::block::{Asked, Block, Done, Place};
use super::columns::{self, Batches};
use super::input::{Input, InputKind, open_text};
use super::number::Style;
use super::text::{self, TextShape, Texts};
use super::typed;
use crate::features::Features;
use crate::kept::BlockReader;
use crate::kind::ColumnKind;
use crate::lines;
use crate::parquet::malformed;
use crate::reading::ReadOptions;
use crate::{Error, Result};

/// Format in which the table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Text. From a text input, with the input's separator and decimal mark; from a Parquet input, with commas as separators and decimal points.
    Text,
    /// Parquet.
    Parquet,
}

/// Why adding columns to a table failed.
#[derive(Debug)]
pub enum Failed<E> {
    /// Writing the output failed.
    Write(io::Error),
    /// Reading the input or predicting failed.
    Other(E),
}

impl<E: From<Error>> From<Error> for Failed<E> {
    fn from(error: Error) -> Self {
        Self::Other(error.into())
    }
}

/// Writes a table with new columns after its own columns. Returns the number of rows.
///
/// `asked` has, for each student, the features that it reads. `predict` gets a block of rows: one set of features for each element of `asked`. It
/// returns one column for each name in `new`. It is called on several threads at the same time; the rows are written in their order in the table.
///
/// # Errors
///
/// [`Failed::Write`] with the error of the output. [`Failed::Other`] with the error of the input, for example a cell that does not have its
/// column's kind (with file, row and column), or with the error of `predict`. Rows that were written before the error stay in the output.
pub fn add_columns<E, P>(
    mut input: Input,
    asked: &[Asked],
    new: &[String],
    (out, written): (impl Write + Send, Written),
    predict: P,
) -> Result<usize, Failed<E>>
where
    E: From<Error> + Send,
    P: Fn(&[Features]) -> Result<Vec<Vec<f64>>, E> + Sync,
{
    // The copy of standard input must exist until all rows are read.
    let _copy = input.copy.take();
    let (source, options) = (PathBuf::from(&input.source), input.options.clone());
    let wanted = asked
        .iter()
        .map(|asked| positions(&input, asked))
        .collect::<Result<Vec<_>>>()?;
    let followers: Vec<_> = asked
        .iter()
        .map(|asked| asked.follower().map(Mutex::new))
        .collect();
    let in_order = followers.iter().any(Option::is_some);
    let task = Task {
        asked,
        followers,
        wanted,
        form: form(&input, new, written)?,
        options,
        predict,
    };
    let live = input.live;
    let (mut blocks, first) = Blocks::new(input, &task.form, new);
    if live {
        let work = |block: &Block, place| task.block(block, place).map_err(Failed::Other);
        return each_row(&mut blocks, (out, first), work);
    }
    let mut sink = Sink::new(out, &task.form, first).map_err(Failed::Write)?;
    let rows = each_block(
        &mut blocks,
        in_order,
        |block, place| task.block(block, place).map_err(Failed::Other),
        |piece| sink.write(piece).map_err(Failed::Write),
    )?;
    if rows == 0 {
        return Err(Error::NoRows { path: source }.into());
    }
    sink.close().map_err(Failed::Write)?;
    Ok(rows)
}

/// For each of `asked.columns`, its position in the table, from 0. An error if the table has no such column.
fn positions(input: &Input, asked: &Asked) -> Result<Vec<usize>> {
    let find = |(name, _): &(String, ColumnKind)| {
        let position = input.names.iter().position(|own| own == name);
        position.ok_or_else(|| {
            Error::no_such_column(&input.source, name, "the student", input.names.clone())
        })
    };
    asked.columns.iter().map(find).collect()
}

/// Formats of input and output; `Columns` means Parquet.
enum Form {
    TextToText(Arc<TextShape>, Style),
    TextToColumns(Arc<TextShape>, SchemaRef),
    ColumnsToText,
    ColumnsToColumns(SchemaRef),
}

fn form(input: &Input, new: &[String], written: Written) -> Result<Form> {
    Ok(match (&input.kind, written) {
        (InputKind::Text(first, _), Written::Text) => {
            let shape = first.shape();
            let style = Style {
                separator: shape.separator(),
                comma: first.has_comma(&input.options),
            };
            Form::TextToText(Arc::new(shape), style)
        }
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

/// Finds the Parquet type of each column of a text table, in a pass over all rows.
fn types(files: &[(PathBuf, PathBuf)], options: &ReadOptions) -> Result<Vec<DataType>> {
    let Some((first, others)) = files.split_first() else {
        unreachable!("standard input that is read twice is copied to a file")
    };
    let first = open_text(first, options)?;
    let all: Vec<usize> = (0..first.header.names.len()).collect();
    let mut seen = vec![typed::Seen::NOTHING; all.len()];
    let texts = Texts::new(first, others.to_vec(), options);
    let shape = texts.shape();
    let work = |block: &Block, place: Place| {
        let Block::Text { path, bytes, .. } = block else {
            unreachable!("a text table has only text blocks")
        };
        let split = text::split(&shape, &all, path, bytes, place)?;
        Ok(split.done(split.seen()))
    };
    each_block::<_, Error>(
        &mut Blocks::Text(texts),
        false,
        work,
        |more: Vec<typed::Seen>| {
            for (seen, more) in seen.iter_mut().zip(more) {
                *seen = seen.and(more);
            }
            Ok(())
        },
    )?;
    Ok(seen.into_iter().map(typed::Seen::data_type).collect())
}

/// The blocks of a table, in order.
enum Blocks {
    Text(Texts),
    Columns(Batches),
}

impl Blocks {
    /// Makes the blocks of the input. Also returns the bytes that are written before the first block: the header of a text output.
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
                    Form::ColumnsToText => lines::header(input.names.iter().chain(new)),
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

/// Calls `work` for all blocks, for several at the same time, and passes the results to `take` in the order of the blocks. Meanwhile, the next
/// blocks are read. Returns the number of rows.
///
/// The position of a block in its file is not yet known when `work` is called. If `work` fails, it is called again with the position, so that
/// the error message has the right row and line.
///
/// If `in_order` is true, `work` is called for one block after the other, once for each, and with its position.
fn each_block<T: Send, E: From<Error> + Send>(
    blocks: &mut Blocks,
    in_order: bool,
    work: impl Fn(&Block, Place) -> Result<Done<T>, E> + Sync,
    mut take: impl FnMut(T) -> Result<(), E> + Send,
) -> Result<usize, E> {
    let count = match in_order {
        true => 1,
        false => 2 * rayon::current_num_threads(),
    };
    let (mut place, mut rows) = (Place::START, 0);
    let mut round = blocks.take(count)?;
    let mut finished: Vec<T> = Vec::new();
    while !round.is_empty() || !finished.is_empty() {
        let before = place;
        let known = |block: &Block| match in_order {
            true => block.start().unwrap_or(before),
            false => Place::START,
        };
        let (done, next) = rayon::join(
            || -> Vec<Result<Done<T>, E>> {
                let each = round.par_iter().with_max_len(1);
                each.map(|block| work(block, known(block))).collect()
            },
            || -> Result<Vec<Block>, E> {
                finished.drain(..).try_for_each(&mut take)?;
                Ok(blocks.take(count)?)
            },
        );
        for (block, done) in round.iter().zip(done) {
            let from = known(block);
            place = block.start().unwrap_or(place);
            let done = match done {
                Ok(done) => done,
                Err(error) if in_order => return Err(error),
                Err(error) => return Err(work(block, place).err().unwrap_or(error)),
            };
            place = Place {
                rows: place.rows + done.rows,
                line: place.line - from.line + done.next.line,
                offset: place.offset - from.offset + done.next.offset,
            };
            rows += done.rows;
            finished.push(done.value);
        }
        round = next?;
    }
    Ok(rows)
}

/// Writes the rows of a live text table as soon as they are predicted. Returns the number of rows.
fn each_row<E: From<Error>>(
    blocks: &mut Blocks,
    (mut out, mut header): (impl Write, Vec<u8>),
    work: impl Fn(&Block, Place) -> Result<Done<Piece>, Failed<E>>,
) -> Result<usize, Failed<E>> {
    let (mut place, mut rows) = (Place::START, 0);
    header.push(b'\n');
    out.write_all(&header)
        .and_then(|()| out.flush())
        .map_err(Failed::Write)?;
    while let Some(block) = blocks.take(1)?.pop() {
        place = block.start().unwrap_or(place);
        let done = work(&block, place)?;
        place = Place {
            rows: place.rows + done.rows,
            ..done.next
        };
        rows += done.rows;
        let Piece::Text { bytes, .. } = done.value else {
            unreachable!("a live table is text, and is written as text")
        };
        // Each line is ended at once; the last one of the input may lack its end.
        let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let front = bytes.iter().take_while(is_end).count();
        let back = bytes[front..].iter().rev().take_while(is_end).count();
        let text = &bytes[front..bytes.len() - back];
        if !text.is_empty() {
            let line = [text, b"\n"].concat();
            out.write_all(&line)
                .and_then(|()| out.flush())
                .map_err(Failed::Write)?;
        }
    }
    Ok(rows)
}

/// The work on each block: reads its features, predicts, and adds the new columns.
struct Task<'a, P> {
    asked: &'a [Asked],
    /// For each element of `asked`, what follows the series of the rows, if it needs earlier rows.
    followers: Vec<Option<Mutex<BlockReader>>>,
    /// For each element of `asked`, the positions of its columns in the table.
    wanted: Vec<Vec<usize>>,
    form: Form,
    options: ReadOptions,
    predict: P,
}

impl<P> Task<'_, P> {
    /// The features that each student reads, with what follows the series of the rows.
    fn asked(&self) -> impl Iterator<Item = (&Asked, Option<&Mutex<BlockReader>>)> {
        let followers = self.followers.iter().map(Option::as_ref);
        self.asked.iter().zip(followers)
    }

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
        let (Form::TextToText(shape, _) | Form::TextToColumns(shape, _)) = &self.form else {
            unreachable!("a text table has only text blocks")
        };
        let all: Vec<usize> = match &self.form {
            Form::TextToColumns(..) => (0..shape.width()).collect(),
            _ => self.wanted.concat(),
        };
        let split = text::split(shape, &all, path, bytes, place)?;
        let mut from = 0;
        let mut features = Vec::with_capacity(self.asked.len());
        for (asked, wanted) in self.asked().zip(&self.wanted) {
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
            Form::TextToText(_, style) => Piece::Text {
                bytes: split.extended(&new, *style),
                fresh,
            },
            _ => unreachable!("a text table has only text blocks"),
        };
        Ok(split.done(piece))
    }

    fn columns<E>(&self, path: &Path, batch: &RecordBatch, place: Place) -> Result<Done<Piece>, E>
    where
        E: From<Error>,
        P: Fn(&[Features]) -> Result<Vec<Vec<f64>>, E>,
    {
        let both = self.asked().zip(&self.wanted);
        let features = both
            .map(|(asked, wanted)| {
                columns::features(asked, wanted, path, batch, place, &self.options)
            })
            .collect::<Result<Vec<_>>>()?;
        let new = (self.predict)(&features)?;
        let value = match &self.form {
            Form::ColumnsToColumns(schema) => Piece::Batch(columns::extended(batch, new, schema)?),
            _ => Piece::Text {
                bytes: lines::lines(batch, &new).map_err(|error| malformed(path, &error))?,
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

/// A block (consecutive rows of a table) with its new columns, in the format of the output.
enum Piece {
    Text {
        bytes: Vec<u8>,
        /// True for the first block of a text file. The bytes of such a block begin with the line end of the header.
        fresh: bool,
    },
    Batch(RecordBatch),
}

/// The output. It is written piece by piece, one [`Piece`] for each block of the table.
enum Sink<W: Write + Send> {
    Text {
        out: W,
        /// Bytes before the first piece. They are written only with the first piece, so that nothing is written if the first block fails.
        first: Vec<u8>,
        /// True if the written bytes end with a line end.
        ended: bool,
    },
    Columns(Box<columns::Writer<W>>),
}

impl<W: Write + Send> Sink<W> {
    fn new(out: W, form: &Form, first: Vec<u8>) -> io::Result<Self> {
        match form {
            Form::TextToText(..) | Form::ColumnsToText => Ok(Self::Text {
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
                // The last line of the file before has a line end already, so the line end of this file's header is left out.
                let from = if fresh && *ended { begins } else { 0 };
                out.write_all(&bytes[from..])?;
                if let Some(last) = bytes[from..].last() {
                    *ended = matches!(last, b'\n' | b'\r');
                }
                Ok(())
            }
            (Self::Columns(writer), Piece::Batch(batch)) => writer.write(&batch),
            _ => unreachable!("pieces have the format of the sink"),
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Self::Text { mut out, .. } => out.flush(),
            Self::Columns(writer) => writer.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet;
    use arrow_array::types::{Float64Type, Int32Type, Int64Type};
    use arrow_array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
        Float64Array, Int64Array, LargeStringArray, ListArray, StringArray, StructArray,
        TimestampNanosecondArray, cast::AsArray,
    };
    use std::fs::{self, File};

    // The student of these tests returns twice the value of `x`.
    fn asked(kind: ColumnKind) -> Vec<Asked> {
        vec![Asked::new(
            vec![crate::features::FeatureKind {
                name: "x".into(),
                kind,
                date: None,
                history: None,
            }],
            None,
        )]
    }

    fn double(features: &[Features]) -> Result<Vec<Vec<f64>>> {
        let crate::FeatureValues::Number(values) = &features[0].columns[0].values else {
            panic!("number")
        };
        Ok(vec![values.iter().map(|value| 2.0 * value).collect()])
    }

    /// The output, or the error message.
    fn through(path: &Path, written: Written, options: &ReadOptions) -> Result<Vec<u8>, String> {
        let input = Input::open(path, options).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        let new = ["y".to_owned()];
        add_columns(
            input,
            &asked(ColumnKind::Number),
            &new,
            (&mut out, written),
            double,
        )
        .map_err(|error: Failed<Error>| match error {
            Failed::Write(error) => error.to_string(),
            Failed::Other(error) => error.to_string(),
        })?;
        Ok(out)
    }

    fn text(name: &str, content: impl AsRef<[u8]>) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let out = through(&path, Written::Text, &ReadOptions::default())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn records_keep_their_bytes() {
        for (input, expected) in [
            ("x,id\n1,007\n.5, a \n", "x,id,y\n1,007,2.0\n.5, a ,1.0\n"),
            (
                "x;\"a\"\r\n1;\"b\r\nc\"\r\n\r\n2;\"d\"\"\"\r\n",
                "x;\"a\";y\r\n1;\"b\r\nc\";2.0\r\n\r\n2;\"d\"\"\";4.0\r\n",
            ),
            ("x,k\r1,a\r2,b", "x,k,y\r1,a,2.0\r2,b,4.0"),
            ("\u{feff}x|k\n1|a\n", "\u{feff}x|k|y\n1|a|2.0\n"),
            ("sep=;\nx;k\n1;a\n", "sep=;\nx;k;y\n1;a;2.0\n"),
            (
                "Title,,\nx,k,z\n1,a,3\n2,b,4\n",
                "Title,,\nx,k,z,y\n1,a,3,2.0\n2,b,4,4.0\n",
            ),
            ("x;k;\n1;a;\n2;b;\n", "x;k;;y\n1;a;;2.0\n2;b;;4.0\n"),
            // A number column may contain an empty cell, a marker and a boolean.
            ("k,x\na,\nb,NA\nc,true\n", "k,x,y\na,,\nb,NA,\nc,true,2.0\n"),
        ] {
            assert_eq!(text("t.csv", input).as_deref(), Ok(expected), "{input:?}");
        }
    }

    #[test]
    fn utf16_and_packed_text_are_written_as_plain_utf8() {
        let plain = "x,k\n1,é\n";
        let wide: Vec<u8> = format!("\u{feff}{plain}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let expected = "x,k,y\n1,é,2.0\n";
        assert_eq!(text("t.csv", wide).as_deref(), Ok(expected));
        let packed = zstd::encode_all(plain.as_bytes(), 3).unwrap();
        assert_eq!(text("t.csv.zst", packed).as_deref(), Ok(expected));
    }

    #[test]
    fn space_is_a_separator_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.txt");
        fs::write(&path, "x   k\n1   a\n10  b\nNA  c\n").unwrap();
        let options = ReadOptions {
            separator: "space".parse().ok(),
            ..ReadOptions::default()
        };
        let out = through(&path, Written::Text, &options).unwrap();
        assert_eq!(out, b"x   k y\n1   a 2.0\n10  b 20.0\nNA  c NaN\n");
    }

    /// A table of many blocks, and the expected output. It has quotation marks, line breaks inside cells, blank lines and two kinds of line ends.
    fn many(rows: usize) -> (String, String) {
        use rand::RngExt;
        use std::fmt::Write as _;
        let mut rng = crate::generator(1, "stream", rows as u64);
        let (mut input, mut expected) =
            ("n,x,\"note\"\n".to_owned(), "n,x,\"note\",y\n".to_owned());
        for row in 0..rows {
            let x = f64::from(rng.random_range(-9999..9999)) / 8.0;
            let note = ["", "plain", "\"a, b\"", "\"two\nlines\"", "\"q\"\"\"", "é"];
            let note = note[rng.random_range(0..note.len())];
            let end = ["\n", "\r\n", "\n\n"][rng.random_range(0..3)];
            write!(input, "{row},{x},{note}{end}").unwrap();
            write!(expected, "{row},{x},{note},{:?}{end}", 2.0 * x).unwrap();
        }
        (input, expected)
    }

    #[test]
    fn blocks_are_joined_without_change() {
        let (input, expected) = many(60_000);
        assert!(input.len() > 1_000_000);
        assert_eq!(text("t.csv", &input).unwrap(), expected);
        // Text without quotation marks takes the short path in `last_end`.
        let plain = input.replace('"', "");
        let plain: Vec<&str> = plain
            .lines()
            .filter(|line| line.matches(',').count() == 2)
            .collect();
        let out = text("t.csv", plain.join("\n")).unwrap();
        assert_eq!(out.lines().count(), plain.len());
        assert!(
            out.lines()
                .zip(&plain)
                .all(|(out, line)| out.starts_with(line))
        );
    }

    #[test]
    fn errors_in_later_blocks_name_row_and_line() {
        let (input, _) = many(60_000);
        let place = |text: &str, message: &str| {
            let line = text
                .lines()
                .position(|line| line.starts_with("59000,"))
                .unwrap()
                + 1;
            let expected = format!("row 59001 (line {line})");
            assert!(message.contains(&expected), "{expected}: {message}");
        };
        let from = input.find("\n59000,").unwrap() + 1;
        let to = from + input[from..].find(['\r', '\n']).unwrap();
        let changed = |record: &str| [&input[..from], record, &input[to..]].concat();
        for (record, parts) in [
            (
                "59000,hot,",
                &["column `x`: found \"hot\", expected a number"][..],
            ),
            ("59000,1e999,", &["column `x`: found inf"]),
            ("59000,1", &["has 2 cells, but the header has 3"]),
        ] {
            let text_ = changed(record);
            let message = text("t.csv", &text_).unwrap_err();
            place(&text_, &message);
            for part in parts {
                assert!(message.contains(part), "{message}");
            }
        }
        let mut bytes = changed("59000,1,?").into_bytes();
        let at = bytes.iter().rposition(|byte| *byte == b'?').unwrap();
        bytes[at] = 0xe9;
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let message = text("t.csv", &bytes).unwrap_err();
        let expected = format!("line {line}: byte {at} is not UTF-8");
        assert!(message.contains(&expected), "{expected}: {message}");
    }

    #[test]
    fn broken_tables_are_refused() {
        for (input, part) in [
            ("x,k\n", "column names but no rows"),
            ("", "empty"),
            ("a,k\n1,2\n", "no column `x`"),
            ("x,k\n1,\"2\n3,4\n", "opened on line 2 is never closed"),
        ] {
            let message = text("t.csv", input).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn parts_are_written_in_order_as_one_table() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("a.csv", "x,k\n1,a"),
            ("b.csv", "x,k\r\n2,b\r\n"),
            ("b_empty.csv", "x,k\n"),
            ("c.csv", "x,k\n3,c\n"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let options = ReadOptions::default();
        let out = through(folder.path(), Written::Text, &options).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "x,k,y\n1,a,2.0\r\n2,b,4.0\r\n3,c,6.0\n"
        );
        fs::write(folder.path().join("d.csv"), "x,k\nhot,c\n").unwrap();
        let message = through(folder.path(), Written::Text, &options).unwrap_err();
        assert!(message.contains("d.csv: row 1 (line 2)"), "{message}");
        fs::write(folder.path().join("d.csv"), "x;k\n4;c\n").unwrap();
        let message = through(folder.path(), Written::Text, &options).unwrap_err();
        assert!(
            message.contains("a.csv and") && message.contains("d.csv"),
            "{message}"
        );
    }

    /// A table with the number column `x` and columns of other Arrow types.
    fn arrow_table() -> RecordBatch {
        let list = vec![Some(vec![Some(1), None]), None, Some(vec![])];
        let inner = Field::new("a", DataType::Int64, true);
        let inner_values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "id",
                Arc::new(Int64Array::from(vec![1_152_921_504_606_846_977, -1, 7])),
            ),
            (
                "x",
                Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-2.0)])),
            ),
            (
                "price",
                Arc::new(
                    Decimal128Array::from(vec![
                        Some(12_345_678_901_234_567_890_i128),
                        None,
                        Some(5),
                    ])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
                ),
            ),
            ("day", Arc::new(Date32Array::from(vec![19_000, 0, -1]))),
            (
                "at",
                Arc::new(
                    TimestampNanosecondArray::from(vec![1_700_000_000_123_456_789, 0, 1])
                        .with_timezone("Europe/Berlin"),
                ),
            ),
            (
                "list",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(list)),
            ),
            (
                "struct",
                Arc::new(StructArray::from(vec![(Arc::new(inner), inner_values)])),
            ),
            (
                "bytes",
                Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b"", b"a"])),
            ),
            (
                "large",
                Arc::new(LargeStringArray::from(vec![
                    Some("a, \"b\""),
                    None,
                    Some(""),
                ])),
            ),
            (
                "kind",
                Arc::new(
                    vec!["a", "b", "a"]
                        .into_iter()
                        .collect::<DictionaryArray<Int32Type>>(),
                ),
            ),
            (
                "flag",
                Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            ),
        ];
        let fields = columns
            .iter()
            .map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
        let metadata = [("origin".to_owned(), "a test".to_owned())].into();
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata);
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
    }

    fn write_parquet(path: &Path, batch: &RecordBatch) {
        let mut writer = columns::Writer::new(File::create(path).unwrap(), batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }

    fn read_parquet(bytes: Vec<u8>) -> RecordBatch {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        fs::write(&path, bytes).unwrap();
        let builder = parquet::builder(&path).unwrap();
        // Only the schema of the file has metadata; the schema of a batch does not.
        let schema = Arc::clone(builder.schema());
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        let whole = arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap();
        whole.with_schema(schema).unwrap()
    }

    #[test]
    fn parquet_keeps_its_arrow_types_and_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let table = arrow_table();
        write_parquet(&path, &table);
        let options = ReadOptions::default();
        let out = read_parquet(through(&path, Written::Parquet, &options).unwrap());
        let own: Vec<usize> = (0..table.num_columns()).collect();
        assert_eq!(out.project(&own).unwrap(), table);
        let new = out.column(own.len()).as_primitive::<Float64Type>();
        assert_eq!(
            new.iter().collect::<Vec<_>>(),
            [Some(3.0), None, Some(-4.0)]
        );
        assert_eq!(out.schema().field(own.len()).name(), "y");
        // Two parts of a folder are one table.
        fs::copy(&path, folder.path().join("u.parquet")).unwrap();
        let out = read_parquet(through(folder.path(), Written::Parquet, &options).unwrap());
        assert_eq!(out.num_rows(), 6);
    }

    #[test]
    fn parquet_is_written_as_text_with_all_digits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write_parquet(&path, &arrow_table());
        let out = through(&path, Written::Text, &ReadOptions::default()).unwrap();
        let expected = "\
id,x,price,day,at,list,struct,bytes,large,kind,flag,y
1152921504606846977,1.5,123456789012345678.90,2022-01-08,2023-11-14T22:13:20.123456789Z,\"[1, null]\",{a: 1},00ff,\"a, \"\"b\"\"\",a,true,3.0
-1,,,1970-01-01,1970-01-01T00:00:00Z,,{a: 2},,,b,,
7,-2.0,0.05,1969-12-31,1970-01-01T00:00:00.000000001Z,[],{a: 3},61,,a,false,-4.0
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn errors_in_later_batches_name_the_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let texts: StringArray = (0..30_000)
            .map(|row| Some(if row == 29_000 { "hot" } else { "1" }))
            .collect();
        let schema = Schema::new(vec![Field::new("x", DataType::Utf8, true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(texts)]).unwrap();
        write_parquet(&path, &batch);
        let message = through(&path, Written::Text, &ReadOptions::default()).unwrap_err();
        assert!(
            message.contains("t.parquet: row 29001, column `x`: found \"hot\""),
            "{message}"
        );
    }

    #[test]
    fn text_is_written_as_parquet_without_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let content =
            "x,id,code,note,day\n1,1152921504606846977,007, a ,2024-02-29\n2.5,2,08,\"b\nc\",\n";
        fs::write(&path, content).unwrap();
        let out = read_parquet(through(&path, Written::Parquet, &ReadOptions::default()).unwrap());
        let schema = out.schema();
        let types: Vec<&DataType> = schema
            .fields()
            .iter()
            .map(|field| field.data_type())
            .collect();
        assert_eq!(
            types,
            [
                &DataType::Float64,
                &DataType::Int64,
                &DataType::Utf8,
                &DataType::Utf8,
                &DataType::Date32,
                &DataType::Float64
            ]
        );
        assert_eq!(
            out.column(1).as_primitive::<Int64Type>().value(0),
            1_152_921_504_606_846_977
        );
        assert_eq!(out.column(2).as_string::<i32>().value(0), "007");
        assert_eq!(out.column(3).as_string::<i32>().value(0), " a ");
        assert_eq!(out.column(3).as_string::<i32>().value(1), "b\nc");
        assert!(out.column(4).is_null(1));
    }

    #[test]
    fn read_options_apply_to_streams() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        fs::write(&path, "what\nx,k\n1,a\n2,b\n").unwrap();
        let options = ReadOptions {
            skip_lines: 1,
            ..ReadOptions::default()
        };
        let out = through(&path, Written::Text, &options).unwrap();
        assert_eq!(out, b"what\nx,k,y\n1,a,2.0\n2,b,4.0\n");
    }

    /// The bits of the new column in an output file; 0 for NaN.
    fn doubled(path: &Path) -> Vec<u64> {
        let schema = [("y".to_owned(), ColumnKind::Number)];
        let table = crate::Table::read_like(path, &schema, &ReadOptions::default()).unwrap();
        bits(&table, "y", 1.0)
    }

    /// The bits of twice the numbers of a column; 0 for NaN.
    fn twice(table: &crate::Table, name: &str) -> Vec<u64> {
        bits(table, name, 2.0)
    }

    fn bits(table: &crate::Table, name: &str, factor: f64) -> Vec<u64> {
        let crate::Values::Number(values) = &table.column(name).unwrap().values else {
            panic!("number")
        };
        let bits = |value: &f64| match value.is_nan() {
            true => 0,
            false => (factor * value).to_bits(),
        };
        values.iter().map(bits).collect()
    }

    #[test]
    fn blocks_are_read_with_the_notation_of_the_training_table() {
        use std::fmt::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        // Only the first block has cells with a clear decimal mark, and only the last block has a cell that means *missing*.
        for (first, later, odd, expected) in [
            ("3,5", "1,085", "-999", 1.085),
            ("1.085,5", "1.085", "?", 1085.0),
            ("7,5 %", "2,500 %", "-999,0 %", 2.5),
        ] {
            let mut text = "x;k\n".to_owned();
            for row in 0..60_000 {
                let cell = match row {
                    0..100 if row % 2 == 0 => first,
                    59_999 => odd,
                    _ => later,
                };
                writeln!(text, "{cell};{row}").unwrap();
            }
            fs::write(&path, &text).unwrap();
            let table = crate::Table::read(&path, &ReadOptions::default()).unwrap();
            let options = ReadOptions {
                notations: table.notations.clone(),
                missing: vec!["-999".to_owned()],
                ..ReadOptions::default()
            };
            let schema = [("x".to_owned(), ColumnKind::Number)];
            let whole = crate::Table::read_like(&path, &schema, &options).unwrap();
            let out = folder.path().join("out.csv");
            fs::write(&out, through(&path, Written::Text, &options).unwrap()).unwrap();
            assert_eq!(doubled(&out), twice(&whole, "x"), "{first}");
            let crate::Values::Number(values) = &whole.columns[0].values else {
                panic!("number")
            };
            assert_eq!(values[1], expected, "{later}");
            assert!(values[59_999].is_nan(), "{odd}");
        }
        // Without the notation of the training table, a cell with two possible values is refused in any block.
        fs::write(&path, "x;k\n3,5;1\n1,085;2\n").unwrap();
        let message = through(&path, Written::Text, &ReadOptions::default()).unwrap_err();
        assert!(
            message.contains("this cell can mean 1.085 or 1085"),
            "{message}"
        );
    }

    #[test]
    fn header_can_be_longer_than_a_block() {
        let names: Vec<String> = (0..40_000)
            .map(|column| format!("column_{column}"))
            .collect();
        let cells = vec!["1"; names.len()].join(",");
        let input = format!("x,{}\n2,{cells}\n", names.join(","));
        let expected = format!("x,{},y\n2,{cells},4.0\n", names.join(","));
        assert!(text("t.csv", &input).unwrap() == expected);
    }

    #[test]
    fn stream_agrees_with_read_like_on_any_bytes() {
        use rand::RngExt;
        let alphabet = b"x1,;\"\n\r \t.-e\xc3\xa9\0";
        let (mut fine, mut failed) = (0, 0);
        for index in 0..3000 {
            let mut rng = crate::generator(1, "stream bytes", index);
            let mut bytes = b"x,k\n".to_vec();
            if index % 2 == 0 {
                let length = rng.random_range(0..40);
                bytes.extend((0..length).map(|_| alphabet[rng.random_range(0..alphabet.len())]));
            } else {
                let lines = [
                    "1,a\n",
                    "-2.5,\r\n",
                    ",\"b\nc\"\n",
                    "\n",
                    "NA,\"\"\"\"\r",
                    "hot,1\n",
                    "1\n",
                ];
                for _ in 0..rng.random_range(1..6) {
                    // The last lines of the list are invalid, and are drawn less often.
                    let line = rng
                        .random_range(0..lines.len())
                        .min(rng.random_range(0..lines.len()));
                    bytes.extend(lines[line].bytes());
                }
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("t.csv");
            fs::write(&path, &bytes).unwrap();
            let options = ReadOptions::default();
            let schema = [("x".to_owned(), ColumnKind::Number)];
            let whole = crate::Table::read_like(&path, &schema, &options);
            match (whole, through(&path, Written::Text, &options)) {
                (Ok(table), Ok(out)) => {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("out.csv");
                    fs::write(&path, out).unwrap();
                    assert_eq!(doubled(&path), twice(&table, "x"), "{bytes:?}");
                    fine += 1;
                }
                (Err(one), Err(other)) => {
                    // If a table has several errors, a stream finds missing columns first, and `read_like` finds bad rows first.
                    if !other.contains("no column `x`") {
                        assert_eq!(one.to_string(), other, "{bytes:?}");
                    }
                    failed += 1;
                }
                (one, other) => panic!("{bytes:?}: {one:?}, {other:?}"),
            }
        }
        assert!(fine > 50 && failed > 50, "{fine} {failed}");
    }
}
