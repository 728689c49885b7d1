//! Artefacts: a student as files that run without limbeck, beside a manifest and golden vectors.
//!
//! | format | files |
//! |---|---|
//! | C | `NAME.h`, `NAME.c`, `NAME_test.c`, `NAME.golden.json`, `NAME.c.manifest.json` |
//! | ONNX | `NAME.onnx`, `NAME.onnx.golden.json`, `NAME.onnx.manifest.json` |

use std::io::Write as _;
use std::path::{Path, PathBuf};

use limbeck_data::write;
use limbeck_runtime::Student;

use crate::error::{Error, Result};
use crate::manifest::{Manifest, sha256};

/// What a student can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// C99 for any processor.
    C,
    /// ONNX, opset 17, with preprocessing inside.
    Onnx,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::C, Self::Onnx];

    /// Its name in flags, and the extension of its main file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Onnx => "onnx",
        }
    }

    /// The name of the manifest of an artefact of this format.
    #[must_use]
    pub fn manifest(self, name: &str) -> String {
        format!("{name}.{}.manifest.json", self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| format!("found `{text}`, expected c or onnx"))
    }
}

/// The files of an artefact, by name, without its manifest: the same bytes for the same student, name and version.
///
/// # Errors
///
/// [`Error::Export`] where the format has no words for the student, or C none for the name.
pub fn files(student: &Student, format: Format, name: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let golden = limbeck_export::golden(student)?.into_bytes();
    Ok(match format {
        Format::C => {
            let limbeck_export::CFiles { header, source, test } = limbeck_export::c(student, name)?;
            vec![
                (format!("{name}.h"), header.into_bytes()),
                (format!("{name}.c"), source.into_bytes()),
                (format!("{name}_test.c"), test.into_bytes()),
                (format!("{name}.golden.json"), golden),
            ]
        }
        Format::Onnx => vec![(format!("{name}.onnx"), limbeck_export::onnx(student)?), (format!("{name}.onnx.golden.json"), golden)],
    })
}

/// Writes a student as files of a folder, which is made where it is not there; the manifest last.
///
/// # Errors
///
/// As [`files`]; [`Error::FileExists`] before anything is written; where a file cannot be written.
pub fn export(student: &Student, format: Format, folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
    if name.is_empty() || name.contains(['/', '\\']) {
        return Err(Error::NotAnArtefact { path: name.into(), message: "is no name of files; choose one without a folder".into() });
    }
    let files = files(student, format, name)?;
    let manifest = format.manifest(name);
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let paths: Vec<PathBuf> = names.iter().chain([&manifest]).map(|name| folder.join(name)).collect();
    if let Some(taken) = paths.iter().find(|path| path.exists()) {
        return Err(Error::FileExists { path: taken.clone() });
    }
    std::fs::create_dir_all(folder).map_err(Error::file("create the folder", folder))?;
    for (path, (_, bytes)) in paths.iter().zip(&files) {
        write::atomic(path, |file| file.write_all(bytes))?;
    }
    Manifest::of(folder, &names, Some(sha256(&student.to_bytes()?)))?.write(&folder.join(manifest))?;
    Ok(paths)
}
