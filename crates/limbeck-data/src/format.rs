//! Finds the format of a table's file from its name or its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::bytes::{self, Wrapping};
use crate::{Error, Result};

/// Format of a table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text whose cells are separated by a character, such as CSV.
    Text,
    /// Parquet.
    Parquet,
}

/// True if a file's name has this extension, in upper or lower case. A final `.gz` or `.zst` is ignored.
pub(crate) fn named(path: &Path, extension: &str) -> bool {
    let own = |path: &Path| {
        path.extension()
            .map(|own| own.to_string_lossy().to_ascii_lowercase())
    };
    match own(path).as_deref() {
        Some("gz" | "zst") => own(&path.with_extension("")).as_deref() == Some(extension),
        own => own == Some(extension),
    }
}

pub(crate) fn format(path: &Path) -> Result<Format> {
    let is = |extensions: &[&str]| extensions.iter().any(|one| named(path, one));
    if is(&["csv", "tsv", "txt"]) {
        Ok(Format::Text)
    } else if is(&["parquet", "pq"]) {
        Ok(Format::Parquet)
    } else {
        sniff(path)
    }
}

/// Finds the format from the first bytes: the four magic bytes mean Parquet; a first line with a separator and without NUL bytes means text.
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
