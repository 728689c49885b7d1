//! Finds the format of a table's file from its name or its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::bytes::{self, Wrapping, named};
use crate::foreign::{foreign, is_binary};
use crate::{Error, Result};

/// Format of a table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text whose cells are separated by a character, such as CSV.
    Text,
    /// Parquet.
    Parquet,
}

/// Finds the format of a file.
///
/// # Errors
///
/// [`Error::NotATable`] if the first bytes show a format that is not a table's, [`Error::Malformed`] if they contradict the file's name. For a file
/// without a known extension, [`Error::UnknownFormat`] if the first bytes show no format, and [`Error::Empty`] if the file is empty.
pub(crate) fn format(path: &Path) -> Result<Format> {
    if let Some(found) = foreign(path) {
        return Err(Error::not_a_table(path, found));
    }
    let found = by_name_or_bytes(path)?;
    check_name(path, found)?;
    Ok(found)
}

/// Refuses a Parquet file that is named like text, and text that is named like a Parquet file.
fn check_name(path: &Path, named: Format) -> Result<()> {
    // Bytes that are read from a pipe here could not be read again.
    if !path.is_file() {
        return Ok(());
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::read(path))?;
    file.take(4)
        .read_to_end(&mut start)
        .map_err(Error::read(path))?;
    let is_parquet = Wrapping::of(&start) == Wrapping::Parquet;
    let message = match named {
        Format::Text if is_parquet && is_binary(path) => {
            "the name is that of a text table, but this is a Parquet file; change its extension to .parquet"
        }
        Format::Parquet if !is_parquet && !start.is_empty() && !is_binary(path) => {
            "the name is that of a Parquet file, but this is text; change its extension to .csv"
        }
        _ => return Ok(()),
    };
    Err(Error::Malformed {
        path: path.to_owned(),
        message: message.to_owned(),
    })
}

fn by_name_or_bytes(path: &Path) -> Result<Format> {
    let is = |extensions: &[&str]| extensions.iter().any(|one| named(path, one));
    if is(&["csv", "tsv", "txt"]) {
        Ok(Format::Text)
    } else if is(&["parquet", "pq"]) {
        Ok(Format::Parquet)
    } else {
        sniff(path)
    }
}

/// Finds the format from the first bytes: the bytes `PAR1` mean Parquet; a first line with a separator and without NUL bytes means text.
fn sniff(path: &Path) -> Result<Format> {
    let mut start = Vec::new();
    let mut file = File::open(path).map_err(Error::read(path))?;
    file.by_ref()
        .take(4)
        .read_to_end(&mut start)
        .map_err(Error::read(path))?;
    if Wrapping::of(&start) == Wrapping::Parquet {
        return Ok(Format::Parquet);
    }
    let unknown = |_| Error::UnknownFormat {
        path: path.to_owned(),
    };
    let mut text = bytes::open(path)?.take(4096);
    let mut start = Vec::new();
    text.read_to_end(&mut start).map_err(unknown)?;
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let separates = |byte: &u8| matches!(byte, b',' | b';' | b'\t' | b'|' | b' ');
    if start.is_empty() {
        Err(Error::Empty {
            path: path.to_owned(),
        })
    } else if line.iter().any(separates) && !line.contains(&0) {
        Ok(Format::Text)
    } else {
        Err(Error::UnknownFormat {
            path: path.to_owned(),
        })
    }
}
