//! A table that is read once, from its first row to its last.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::text::TextFile;
use crate::bytes::{self, Wrapping};
use crate::format::Format;
use crate::parquet::{self, Part};
use crate::parts;
use crate::reading::ReadOptions;
use crate::warning::Warning;
use crate::{Error, Result};

/// What messages call standard input.
const STDIN: &str = "standard input";

/// A table that is read once, from its first row to its last.
pub struct Input {
    pub(super) source: String,
    pub(super) names: Vec<String>,
    notes: Vec<Warning>,
    pub(super) options: ReadOptions,
    pub(super) kind: InputKind,
    /// What standard input held, where it has to be read twice.
    pub(super) copy: Option<tempfile::NamedTempFile>,
}

pub(super) enum InputKind {
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
        input.copy = Some(copy);
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
                    copy: None,
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

/// Opens a file that messages call by another name.
pub(super) fn open_text(
    (name, path): &(PathBuf, PathBuf),
    options: &ReadOptions,
) -> Result<TextFile> {
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
