//! A table that is read once, from its first row to its last.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::text::TextFile;
use crate::bytes::{self, Wrapping};
use crate::foreign::{START_BYTES, of_bytes};
use crate::format::Format;
use crate::parquet::{self, Part};
use crate::parts;
use crate::reading::ReadOptions;
use crate::warning::Warning;
use crate::{Error, Result};

/// Name of standard input in messages.
const STDIN: &str = "standard input";

/// A table that is read once, from its first row to its last.
pub struct Input {
    pub(super) source: String,
    pub(super) names: Vec<String>,
    notes: Vec<Warning>,
    pub(super) options: ReadOptions,
    pub(super) kind: InputKind,
    /// Temporary file with the content of standard input. `None` if the table is not read from standard input, or if one pass over it is enough.
    pub(super) copy: Option<tempfile::NamedTempFile>,
    /// True if each row is written as soon as it is predicted.
    pub(super) live: bool,
}

pub(super) enum InputKind {
    /// First: the first file, open. Second: all files of the table, including the first; for each, its name in messages and its path. The list is
    /// empty for standard input without a temporary file.
    Text(Box<TextFile>, Vec<(PathBuf, PathBuf)>),
    Columns(Vec<Part>),
}

impl Input {
    /// Opens a file or a folder of parts, as [`Table::read`](crate::Table::read) does, and reads the header.
    ///
    /// # Errors
    ///
    /// The errors of `Table::read` that are found in the header of a text table, or in the metadata of Parquet files.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        let parts = parts::of(path)?;
        let source = path.display().to_string();
        let files = parts.files.into_iter().map(|file| (file.clone(), file));
        Self::of(source, parts.format, files.collect(), options)
    }

    /// Opens the table on standard input, text or Parquet, and reads the header.
    ///
    /// Parquet cannot be read in one pass, and text that will be written as Parquet is read twice (`twice`). In both cases, standard input is
    /// first copied to a temporary file.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open).
    pub fn stdin(options: &ReadOptions, twice: bool) -> Result<Self> {
        let name = PathBuf::from(STDIN);
        let (start, bytes) =
            bytes::peek(Box::new(io::stdin()), START_BYTES).map_err(Error::read(&name))?;
        let is_plain = Wrapping::of(&start) == Wrapping::Plain;
        if let Some(found) = of_bytes(&start, &[]).filter(|_| is_plain) {
            return Err(Error::not_a_table(&name, found));
        }
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
        input.copy = Some(copy);
        Ok(input)
    }

    /// Opens a text table whose rows arrive one after the other, such as those of a pipe. Each row is predicted as soon as its line is complete; the
    /// separator is found from the header alone. The text must be UTF-8, and not packed.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open).
    pub fn live(bytes: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self> {
        let name = PathBuf::from(STDIN);
        let first = TextFile::live(name, Box::new(bytes), options)?;
        let input = Self::of_text(STDIN.into(), first, Vec::new(), options);
        Ok(Self {
            live: true,
            ..input
        })
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
                    copy: None,
                    live: false,
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
            copy: None,
            live: false,
        }
    }

    /// Column names, in the order of the file.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Warnings about lines that were skipped above the header.
    #[must_use]
    pub fn notes(&self) -> &[Warning] {
        &self.notes
    }

    /// Name of the table in messages.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Opens a text file; `name` is its name in messages.
pub(super) fn open_text(
    (name, path): &(PathBuf, PathBuf),
    options: &ReadOptions,
) -> Result<TextFile> {
    let file = File::open(path).map_err(Error::read(path))?;
    TextFile::open(name.clone(), Box::new(file), options)
}

/// Copies all bytes to a temporary file, which is removed when the returned value is dropped.
fn copy(mut bytes: impl Read) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    io::copy(&mut bytes, &mut file)?;
    file.flush()?;
    Ok(file)
}
