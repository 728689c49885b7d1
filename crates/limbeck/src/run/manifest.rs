//! Manifests: size and checksum of each file of a run or an artifact.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use limbeck_data::write;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::run::files;
use crate::run::tensorboard;

/// A list of files with size and SHA-256, by their path in the folder of the manifest.
///
/// Checksums detect accidental changes. They are not a signature: whoever changes a file can also change its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of limbeck that wrote the files.
    pub version: String,
    /// SHA-256 of the exported student as a `.limbeck` file; `None` in the manifest of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<String>,
    /// Size and checksum of each file, by its path in the manifest's folder.
    pub files: BTreeMap<String, FileEntry>,
}

/// Expected size and checksum of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

/// How a file compares with its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The file is unchanged.
    Whole,
    /// The file is missing or cannot be read; holds the error of the operating system.
    Missing(String),
    /// The file has another size or other bytes; the text says which of the two.
    Changed(String),
}

impl FileEntry {
    fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        }
    }
}

/// The paths of all files in a run's folder `export`, relative to the folder of the run.
fn exported(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join(files::EXPORT));
    let names = entries.into_iter().flatten().flatten();
    let path = |entry: std::fs::DirEntry| {
        format!("{}/{}", files::EXPORT, entry.file_name().to_string_lossy())
    };
    names.map(path).collect()
}

/// The SHA-256 of bytes, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Manifest {
    /// The manifest of the files `names` in a folder. `student` is the SHA-256 of the exported student, `None` for a run.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn of(folder: &Path, names: &[String], student: Option<String>) -> Result<Self> {
        let entry = |name: &String| {
            let path = folder.join(name);
            let bytes = std::fs::read(&path).map_err(Error::file("read", &path))?;
            Ok((name.clone(), FileEntry::of(&bytes)))
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").into(),
            student,
            files: names.iter().map(entry).collect::<Result<_>>()?,
        })
    }

    /// The manifest of all files of a run that exist, except the log and the manifest itself.
    pub(crate) fn of_run(folder: &Path) -> Result<Self> {
        let teacher = format!("{}/{}", files::TEACHER, files::TEACHER_FILE);
        let names = [
            files::RECIPE,
            files::LABELS,
            files::METRICS,
            files::METRICS_JSON,
            files::PREDICTIONS,
            files::PAGE,
            files::STUDENT,
            files::REPORT,
            super::several::TARGETS,
            &teacher,
        ];
        let mut there: Vec<String> = names
            .into_iter()
            .filter(|name| folder.join(name).exists())
            .map(str::to_owned)
            .collect();
        there.extend(tensorboard::files(folder));
        there.extend(exported(folder));
        Self::of(folder, &there, None)
    }

    /// Writes the manifest atomically: completely or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| damaged(path, &error))?;
        Ok(write::atomic(path, |file| file.write_all(text.as_bytes()))?)
    }

    /// Reads a manifest; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// If the manifest cannot be read, is damaged, or names a file outside its folder.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(damaged(path, &error));
            }
            other => other.map_err(Error::file("read", path))?,
        };
        let manifest: Self = serde_json::from_str(&text).map_err(|error| damaged(path, &error))?;
        let outside = |name: &&String| {
            Path::new(name.as_str())
                .components()
                .any(|part| !matches!(part, std::path::Component::Normal(_)))
        };
        if let Some(name) = manifest.files.keys().find(outside) {
            return Err(damaged(
                path,
                &format!("it names `{name}`, expected only files in its folder"),
            ));
        }
        Ok(Some(manifest))
    }

    /// Compares each file in `folder` with its entry. Files without an entry are ignored.
    #[must_use]
    pub fn compare(&self, folder: &Path) -> Vec<(String, FileState)> {
        let state = |name: &String, entry: &FileEntry| match std::fs::read(folder.join(name)) {
            Err(error) => FileState::Missing(error.to_string()),
            Ok(bytes) if bytes.len() as u64 != entry.bytes => {
                FileState::Changed(format!("{} bytes, expected {}", bytes.len(), entry.bytes))
            }
            Ok(bytes) if sha256(&bytes) != entry.sha256 => {
                FileState::Changed("same size, other bytes".into())
            }
            Ok(_) => FileState::Whole,
        };
        self.files
            .iter()
            .map(|(name, entry)| (name.clone(), state(name, entry)))
            .collect()
    }
}

fn damaged(path: &Path, what: &dyn std::fmt::Display) -> Error {
    Error::NotAnArtefact {
        path: path.to_owned(),
        message: format!("the manifest (list of files and checksums) is damaged: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_matches_the_published_vector() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn every_change_of_a_file_shows() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = ["a", "b", "c"].map(String::from).into();
        names
            .iter()
            .for_each(|name| std::fs::write(folder.path().join(name), "same").unwrap());
        let path = folder.path().join("m.json");
        Manifest::of(folder.path(), &names, None)
            .unwrap()
            .write(&path)
            .unwrap();
        let manifest = Manifest::read(&path).unwrap().unwrap();
        assert!(
            manifest
                .compare(folder.path())
                .iter()
                .all(|(_, state)| *state == FileState::Whole)
        );
        std::fs::write(folder.path().join("a"), "sane").unwrap();
        std::fs::write(folder.path().join("b"), "same ").unwrap();
        std::fs::remove_file(folder.path().join("c")).unwrap();
        let found = manifest.compare(folder.path());
        assert!(matches!(&found[0].1, FileState::Changed(why) if why.contains("other bytes")));
        assert!(matches!(&found[1].1, FileState::Changed(why) if why == "5 bytes, expected 4"));
        assert!(matches!(found[2].1, FileState::Missing(_)));
        let outside = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\"a\"", "\"../a\"");
        std::fs::write(&path, outside).unwrap();
        assert!(
            Manifest::read(&path)
                .unwrap_err()
                .to_string()
                .contains("../a")
        );
        assert!(
            Manifest::read(&folder.path().join("none"))
                .unwrap()
                .is_none()
        );
    }
}
