//! Weights that lie in a file beside the model (`model.onnx.data`).
//!
//! Such a file must lie in the model's folder or below it, also behind links, and its bytes are read no more than twice in all, so that a
//! small model cannot ask for the same gigabyte again and again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::super::fault::{Fault, Parsed, short};

/// Files beside a model.
#[derive(Default)]
pub(super) struct External {
    /// The model's folder; none where the model is in memory alone.
    folder: Option<PathBuf>,
    files: HashMap<String, DataFile>,
    /// Bytes read.
    pub(super) bytes: usize,
}

struct DataFile {
    file: File,
    size: u64,
    /// Bytes that may still be read.
    left: u64,
}

/// Where the bytes of a tensor are.
#[derive(Default)]
pub(super) struct Place<'a> {
    pub(super) location: &'a str,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

impl External {
    pub(super) fn new(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(Path::to_owned),
            ..Self::default()
        }
    }

    /// The bytes of a tensor that needs `wanted` of them.
    ///
    /// # Errors
    ///
    /// For a file outside the model's folder or that cannot be read, and for a place that is not in it or of another length.
    pub(super) fn read(&mut self, place: &Place<'_>, wanted: u64) -> Parsed<Vec<u8>> {
        let name = short(place.location);
        let broken = |found: String, expected: String| {
            Fault::malformed(format!("the file of weights {name}"), found, expected)
        };
        let length = place.length.unwrap_or(wanted);
        if length != wanted {
            return Err(broken(
                format!("a tensor of {length} bytes"),
                format!("{wanted}, by its shape"),
            ));
        }
        let data = self.open(place.location)?;
        let end = place.offset.checked_add(length);
        if end.is_none_or(|end| end > data.size) {
            return Err(broken(
                format!("{} bytes", data.size),
                format!("{length} bytes behind the first {}", place.offset),
            ));
        }
        data.left = data.left.checked_sub(length).ok_or_else(|| {
            broken(
                "tensors that share most of their bytes".to_owned(),
                "bytes of their own for each".to_owned(),
            )
        })?;
        let mut bytes = vec![0; length as usize];
        data.file
            .seek(SeekFrom::Start(place.offset))
            .and_then(|_| data.file.read_exact(&mut bytes))
            .map_err(|error| broken(error.to_string(), format!("{length} readable bytes")))?;
        self.bytes += bytes.len();
        Ok(bytes)
    }

    fn open(&mut self, location: &str) -> Parsed<&mut DataFile> {
        if !self.files.contains_key(location) {
            let file = self.first(location)?;
            self.files.insert(location.to_owned(), file);
        }
        match self.files.get_mut(location) {
            Some(file) => Ok(file),
            None => unreachable!("it was just put there"),
        }
    }

    fn first(&self, location: &str) -> Parsed<DataFile> {
        let path = self.path(location)?;
        let missing = |error: std::io::Error| {
            Fault::unsupported(
                format!(
                    "the weights lie in {}, which cannot be read: {error}",
                    path.display()
                ),
                "put it beside the model file, under its own name, or save the model as one file",
            )
        };
        let file = File::open(&path).map_err(missing)?;
        let size = file.metadata().map_err(missing)?.len();
        Ok(DataFile {
            file,
            size,
            left: size.saturating_mul(2),
        })
    }

    /// The path of a file of weights, which lies in the folder of the model or below.
    fn path(&self, location: &str) -> Parsed<PathBuf> {
        let outside = || {
            Fault::unsupported(
                format!(
                    "the weights lie in the file {}, outside the model's folder",
                    short(location)
                ),
                "put that file beside the model file and save the model again, or save it as one file",
            )
        };
        let Some(folder) = &self.folder else {
            return Err(outside());
        };
        let relative = Path::new(location);
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !relative.components().all(plain) {
            return Err(outside());
        }
        let path = folder.join(relative);
        match (path.canonicalize(), folder.canonicalize()) {
            (Ok(real), Ok(home)) if !real.starts_with(&home) => Err(outside()),
            (Ok(real), _) if !real.is_file() => Err(outside()),
            _ => Ok(path),
        }
    }
}
