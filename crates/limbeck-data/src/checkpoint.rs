//! Saves finished pieces of a run's work, so that an interrupted run can be resumed.
//!
//! A piece is a value with a name. Its value must depend only on the run's recipe and data: then the run's result is the same, whether the piece
//! is computed now or was saved before the interruption. A file contains magic bytes, the SHA-256 of name and value, and the value; it is written
//! completely or not at all. A damaged file, or the file of another piece, counts as missing: a warning goes to the log, and the piece is computed
//! again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::{Error, Result, write};

/// First bytes of the file of a saved result.
const MAGIC: [u8; 8] = *b"limbeck\x01";
/// Number of bytes before the value in the file of a saved result: [`MAGIC`] and a SHA-256 checksum.
const HEAD: usize = MAGIC.len() + 32;
const EXTENSION: &str = "piece";

/// Saves finished pieces of a run's work in a folder, so that an interrupted run can be resumed. Without a folder, saves nothing.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: Option<PathBuf>,
    /// Prefix of the name of each saved result.
    scope: String,
    every: Duration,
    /// Time spent on saving, in nanoseconds, summed over all threads.
    spent: Arc<AtomicU64>,
}

/// Checkpoints that save nothing.
pub static NO_CHECKPOINTS: LazyLock<Checkpoints> = LazyLock::new(|| Checkpoints {
    folder: None,
    scope: String::new(),
    every: Duration::MAX,
    spent: Arc::default(),
});

impl Checkpoints {
    /// Makes checkpoints in a folder, and creates the folder if it does not exist. A [`Saver`] saves the state of an unfinished training at intervals
    /// of `every`.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder cannot be created.
    pub fn in_folder(folder: impl Into<PathBuf>, every: Duration) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        Ok(Self {
            folder: Some(folder),
            scope: String::new(),
            every,
            spent: Arc::default(),
        })
    }

    /// Checkpoints in the same folder, with `scope` as a prefix of the name of each saved result. This is for work that a run does several times:
    /// results with the same name in different scopes are saved separately.
    #[must_use]
    pub fn scope(&self, scope: &str) -> Self {
        Self {
            scope: format!("{}{scope}-", self.scope),
            ..self.clone()
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        };
        let file: String = self.scope.chars().chain(name.chars()).map(plain).collect();
        self.folder
            .as_ref()
            .map(|folder| folder.join(format!("{file}.{EXTENSION}")))
    }

    /// Loads the value that was saved under this name. `None` if there is no such value, or if its file is damaged.
    #[must_use]
    pub fn load<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.path(name)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return damaged(&path, &error),
        };
        if bytes.len() < HEAD
            || bytes[..MAGIC.len()] != MAGIC
            || bytes[MAGIC.len()..HEAD] != self.checksum(name, &bytes[HEAD..])
        {
            return damaged(&path, &"its checksum does not match");
        }
        match rmp_serde::from_slice(&bytes[HEAD..]) {
            Ok(value) => Some(value),
            Err(error) => damaged(&path, &error),
        }
    }

    /// Saves `value` (for example, the result of a finished fit) under this name. Without a folder, does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the file cannot be written. A value that was saved under this name before stays unchanged.
    pub fn save<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<()> {
        let Some(path) = self.path(name) else {
            return Ok(());
        };
        let start = Instant::now();
        let outcome = self.write(&path, name, value);
        self.spent.fetch_add(
            u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        outcome
    }

    fn write<T: Serialize + ?Sized>(&self, path: &Path, name: &str, value: &T) -> Result<()> {
        let mut bytes = vec![0; HEAD];
        rmp_serde::encode::write_named(&mut bytes, value).map_err(|error| Error::Write {
            path: path.to_owned(),
            source: std::io::Error::other(error),
        })?;
        let sum = self.checksum(name, &bytes[HEAD..]);
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        bytes[MAGIC.len()..HEAD].copy_from_slice(&sum);
        write::atomic(path, |file| file.write_all(&bytes))
    }

    /// Returns the result that was saved under this name. If no such result was saved, or if its file is damaged, calls `make`, saves the result of
    /// `make`, and returns it.
    ///
    /// # Errors
    ///
    /// The errors of `make` and of [`save`](Self::save).
    pub fn piece<T: Serialize + DeserializeOwned, E: From<Error>>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some(known) = self.load(name) {
            tracing::info!(
                name,
                "loaded a result that was saved before this run was interrupted"
            );
            return Ok(known);
        }
        let made = make()?;
        self.save(name, &made)?;
        Ok(made)
    }

    /// Makes a [`Saver`] that saves the state of a training under this name.
    #[must_use]
    pub fn saver(&self, name: String) -> Saver<'_> {
        Saver {
            checkpoints: self,
            name,
            last: Instant::now(),
        }
    }

    fn checksum(&self, name: &str, value: &[u8]) -> [u8; 32] {
        let length = ((self.scope.len() + name.len()) as u64).to_le_bytes();
        let mut sum = Sha256::new();
        for part in [&length, self.scope.as_bytes(), name.as_bytes(), value] {
            sum.update(part);
        }
        sum.finalize().into()
    }

    /// Time spent on saving, in seconds, summed over all threads.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.spent.load(Ordering::Relaxed) as f64 * 1e-9
    }

    /// True if the folder contains no saved result, or if there is no folder.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let entries = self
            .folder
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .flatten();
        entries
            .filter(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|found| found == EXTENSION)
            })
            .count()
            == 0
    }
}

/// Saves the state of an unfinished training at intervals, so that the training can be resumed.
#[derive(Debug)]
pub struct Saver<'a> {
    checkpoints: &'a Checkpoints,
    name: String,
    last: Instant,
}

impl Saver<'_> {
    /// Loads the state that was saved before the run was interrupted; `None` if there is none.
    #[must_use]
    pub fn load<T: DeserializeOwned>(&self) -> Option<T> {
        self.checkpoints.load(&self.name)
    }

    /// Saves the result of `state` if the last save was at least one interval ago (`every` of [`Checkpoints::in_folder`]). Otherwise does not call
    /// `state`.
    ///
    /// # Errors
    ///
    /// The errors of [`Checkpoints::save`].
    pub fn offer<T: Serialize>(&mut self, state: impl FnOnce() -> T) -> Result<()> {
        if self.checkpoints.folder.is_none() || self.last.elapsed() < self.checkpoints.every {
            return Ok(());
        }
        self.save(&state())
    }

    /// Saves a state immediately.
    ///
    /// # Errors
    ///
    /// The errors of [`Checkpoints::save`].
    pub fn save<T: Serialize + ?Sized>(&mut self, state: &T) -> Result<()> {
        self.checkpoints.save(&self.name, state)?;
        self.last = Instant::now();
        Ok(())
    }

    /// Removes the saved state. Call this when the training is finished.
    pub fn finish(self) {
        if let Some(path) = self.checkpoints.path(&self.name) {
            // A file that cannot be removed is never read again.
            let _ = fs::remove_file(path);
        }
    }
}

fn damaged<T>(path: &Path, why: &dyn std::fmt::Display) -> Option<T> {
    tracing::warn!(path = %path.display(), "a saved result of this run cannot be used and is computed again: {why}");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    type Value = (Vec<f32>, Option<f64>, String);

    fn value() -> Value {
        (
            vec![1.5, f32::NAN, -0.0],
            Some(f64::NEG_INFINITY),
            "ä".into(),
        )
    }

    fn bits(value: &Value) -> (Vec<u32>, Option<u64>, String) {
        (
            value.0.iter().map(|v| v.to_bits()).collect(),
            value.1.map(f64::to_bits),
            value.2.clone(),
        )
    }

    #[test]
    fn piece_round_trips_exactly_and_is_computed_once() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Checkpoints::in_folder(folder.path().join("deep"), Duration::ZERO).unwrap();
        assert!(kept.is_empty());
        let made: Value = kept.piece("a b", || Ok::<_, Error>(value())).unwrap();
        let again: Value = kept
            .piece("a b", || -> Result<Value> { unreachable!("it is saved") })
            .unwrap();
        assert_eq!(
            (bits(&made), bits(&again)),
            (bits(&value()), bits(&value()))
        );
        assert!(!kept.is_empty());
        // Two names with the same file name are different pieces, and so is the same name in another scope.
        assert!(
            kept.load::<Value>("a/b").is_none() && kept.scope("s").load::<Value>("a b").is_none()
        );
        kept.scope("s").scope("t").save("u", &1_u32).unwrap();
        assert_eq!(kept.scope("s").load::<u32>("t-u"), Some(1));
    }

    #[test]
    fn damaged_piece_counts_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Checkpoints::in_folder(folder.path(), Duration::ZERO).unwrap();
        kept.save("x", &value()).unwrap();
        let file = folder.path().join("x.piece");
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&file, &bytes).unwrap();
            assert!(kept.load::<Value>("x").is_none(), "byte {at}");
            fs::write(&file, &whole[..at]).unwrap();
            assert!(kept.load::<Value>("x").is_none(), "cut at {at}");
        }
        fs::write(&file, &whole).unwrap();
        // The file is not damaged, but its value has another type.
        assert!(kept.load::<Vec<String>>("x").is_none());
        assert!(kept.load::<Value>("x").is_some());
    }

    #[test]
    fn saver_saves_at_intervals_and_removes_the_state_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let seldom = Checkpoints::in_folder(folder.path(), Duration::from_secs(3600)).unwrap();
        let mut saver = seldom.saver("t".into());
        saver.offer(|| 1_u32).unwrap();
        assert_eq!(saver.load::<u32>(), None);
        let often = Checkpoints::in_folder(folder.path(), Duration::ZERO).unwrap();
        let mut saver = often.saver("t".into());
        saver.offer(|| 2_u32).unwrap();
        assert_eq!(saver.load::<u32>(), Some(2));
        saver.finish();
        assert!(often.is_empty());
        let mut none = NO_CHECKPOINTS.saver("t".into());
        none.offer(|| -> u32 { unreachable!("nothing is saved") })
            .unwrap();
        assert_eq!(
            NO_CHECKPOINTS.piece("t", || Ok::<_, Error>(3_u32)).unwrap(),
            3
        );
    }

    #[test]
    fn error_for_a_piece_that_cannot_be_written_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Checkpoints::in_folder(folder.path().join("gone"), Duration::ZERO).unwrap();
        fs::remove_dir(folder.path().join("gone")).unwrap();
        let error = kept.save("x", &1_u32).unwrap_err().to_string();
        assert!(error.contains("x.piece"), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Checkpoints::in_folder(&file, Duration::ZERO).is_err());
    }
}
