//! Reads weights from files beside the model, such as `model.onnx.data`.
//!
//! Such a file must be in the model's folder or below it, after links are resolved. From each file, at most twice as
//! many bytes as it has are read in all. So a small model cannot make limbeck read a large file again and again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::super::fault::{Fault, Parsed, short};

/// Weight files of a model.
#[derive(Default)]
pub(super) struct External {
    /// The model's folder; `None` if the model has no path.
    folder: Option<PathBuf>,
    files: HashMap<String, DataFile>,
    /// Number of bytes read so far, from all weight files.
    pub(super) bytes: usize,
}

struct DataFile {
    file: File,
    size: u64,
    /// Number of bytes that may still be read from this file.
    left: u64,
}

/// Where a tensor is stored: name of the weight file, position of the first byte, and number of bytes (`None` if not
/// given).
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

    /// Reads the bytes of a tensor. `wanted` is its size in bytes, computed from its shape and type.
    ///
    /// # Errors
    ///
    /// If the file is outside the model's folder or cannot be read; if the position or the length does not fit the file
    /// or the tensor; if tensors share most of their bytes.
    pub(super) fn read(&mut self, place: &Place<'_>, wanted: u64) -> Parsed<Vec<u8>> {
        let name = short(place.location);
        let broken = |found: String, expected: String| {
            Fault::malformed(format!("the weight file {name}"), found, expected)
        };
        let length = place.length.unwrap_or(wanted);
        if length != wanted {
            return Err(broken(
                format!("a tensor of {length} bytes"),
                format!("{wanted} bytes, by its shape and type"),
            ));
        }
        let data = self.open(place.location)?;
        let end = place.offset.checked_add(length);
        if end.is_none_or(|end| end > data.size) {
            return Err(broken(
                format!("{} bytes in all", data.size),
                format!("{length} bytes after byte {}", place.offset),
            ));
        }
        data.left = data.left.checked_sub(length).ok_or_else(|| {
            broken(
                "tensors that share most of their bytes".to_owned(),
                "separate bytes for each tensor".to_owned(),
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
            None => unreachable!("the entry was inserted above"),
        }
    }

    fn first(&self, location: &str) -> Parsed<DataFile> {
        let path = self.path(location)?;
        let missing = |error: std::io::Error| {
            Fault::unsupported(
                format!(
                    "the weights are in the file {}, which cannot be read: {error}",
                    path.display()
                ),
                "put that file beside the model file under this name, or save the model as one file",
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

    /// The path of a weight file; an error unless it is in the model's folder or below it.
    fn path(&self, location: &str) -> Parsed<PathBuf> {
        let outside = || {
            Fault::unsupported(
                format!(
                    "the weights are in the file {}, outside the model's folder",
                    short(location)
                ),
                "save the model as one file, or with its weight file in the same folder",
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
