//! Artifacts: files that run a student without limbeck, with a manifest and golden vectors (example rows and their predictions).
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
use crate::run::files::EXPORT;
use crate::run::manifest::{Manifest, sha256};
use crate::run::{Run, open_each};

pub use crate::format::Format;

/// Name of the exported files (`student.c`, for example) if a run exports its own student.
pub(crate) const NAME: &str = "student";

/// The formats to which `student` can be exported.
pub(crate) fn possible(student: &Student) -> Vec<Format> {
    let works = |format: &Format| files(student, *format, NAME).is_ok();
    Format::ALL.iter().copied().filter(works).collect()
}

/// The names and contents of the files of an exported student, without its manifest. The same student, name and version of limbeck give the same
/// bytes.
///
/// # Errors
///
/// [`Error::Export`] if the student cannot be expressed in the format, or if the name cannot be used in C.
pub fn files(student: &Student, format: Format, name: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let golden = limbeck_export::golden(student)?.into_bytes();
    Ok(match format {
        Format::C => {
            let limbeck_export::CFiles {
                header,
                source,
                test,
            } = limbeck_export::c(student, name)?;
            vec![
                (format!("{name}.h"), header.into_bytes()),
                (format!("{name}.c"), source.into_bytes()),
                (format!("{name}_test.c"), test.into_bytes()),
                (format!("{name}.golden.json"), golden),
            ]
        }
        Format::Onnx => vec![
            (format!("{name}.onnx"), limbeck_export::onnx(student)?),
            (format!("{name}.onnx.golden.json"), golden),
        ],
    })
}

/// The student with other levels of prediction intervals for exported files; `levels` may be empty, for the levels with which it was trained.
///
/// # Errors
///
/// [`Error::Runtime`] if the student does not support a level.
pub fn with_levels(student: Student, levels: &[f64]) -> Result<Student> {
    match levels {
        [] => Ok(student),
        levels => Ok(student.with_levels(levels)?),
    }
}

/// Exports the student of a run, or the students of several targets, into the folder `out`; if it is `None`, into the folder `export` of each run.
/// Returns the paths of the files.
///
/// One student of several targets is one artifact. Separate students are named `NAME_TARGET`, with only characters that C allows in names, so that
/// they can be used in one program. `levels` are the levels of prediction intervals; see [`with_levels`].
///
/// # Errors
///
/// The errors of [`open_each`], [`with_levels`] and [`export`]. If a student cannot be expressed in the format, nothing is written.
pub fn export_runs(
    path: &Path,
    format: Format,
    out: Option<&Path>,
    (name, levels): (&str, &[f64]),
) -> Result<Vec<PathBuf>> {
    if let Some(file) = super::several::joint_student(path) {
        let student = with_levels(Student::load(file)?, levels)?;
        return export(&student, format, out.unwrap_or(&path.join(EXPORT)), name);
    }
    let runs = open_each(path)?;
    let student = |run: &Run| with_levels(run.student()?, levels);
    let students = runs.iter().map(student).collect::<Result<Vec<_>>>()?;
    let mut names: Vec<String> = Vec::new();
    for run in &runs {
        // With one target, the name is used as it is. With several, the folder of each run is appended; names that are equal after the change to
        // letters of C get a number.
        let folder = run
            .path()
            .file_name()
            .map(|folder| folder.to_string_lossy())
            .unwrap_or_default();
        let letters: String = folder
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let plain = if runs.len() == 1 {
            name.to_owned()
        } else {
            format!("{name}_{letters}")
        };
        let own = std::iter::once(plain.clone())
            .chain((2..).map(|n| format!("{plain}_{n}")))
            .find(|own| !names.contains(own));
        names.push(own.unwrap_or(plain));
    }
    for (student, name) in students.iter().zip(&names) {
        files(student, format, name)?;
    }
    let write = |((run, student), name): ((&Run, &Student), &String)| {
        export(
            student,
            format,
            out.unwrap_or(&run.path().join(EXPORT)),
            name,
        )
    };
    Ok(runs
        .iter()
        .zip(&students)
        .zip(&names)
        .map(write)
        .collect::<Result<Vec<_>>>()?
        .concat())
}

/// The paths of files in a folder, after a check that none of the files exists.
fn free_paths<'a>(folder: &Path, names: impl Iterator<Item = &'a String>) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = names.map(|name| folder.join(name)).collect();
    match paths.iter().find(|path| path.exists()) {
        Some(taken) => Err(Error::FileExists {
            path: taken.clone(),
        }),
        None => Ok(paths),
    }
}

/// Exports a student into a folder, which is created if needed, and returns the paths of its files. The manifest is written last.
///
/// ```no_run
/// use limbeck::export::{Format, export};
///
/// let student = limbeck::Run::open("runs/housing-1")?.student()?;
/// export(&student, Format::C, "firmware".as_ref(), "housing")?;
/// # Ok::<(), limbeck::Error>(())
/// ```
///
/// # Errors
///
/// The errors of [`files`]; [`Error::NotAnArtefact`] if `name` is empty or contains a folder; [`Error::FileExists`] if a file exists already. In
/// these cases nothing is written. An error if a file cannot be written.
pub fn export(
    student: &Student,
    format: Format,
    folder: &Path,
    name: &str,
) -> Result<Vec<PathBuf>> {
    if name.is_empty() || name.contains(['/', '\\']) {
        return Err(Error::NotAnArtefact {
            path: name.into(),
            message: "not a valid name for exported files; give a name that is not empty and contains no / or \\".into(),
        });
    }
    let files = files(student, format, name)?;
    let manifest = format.manifest(name);
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let paths = free_paths(folder, names.iter().chain([&manifest]))?;
    std::fs::create_dir_all(folder).map_err(Error::file("create the folder", folder))?;
    for (path, (_, bytes)) in paths.iter().zip(&files) {
        write::atomic(path, |file| file.write_all(bytes))?;
    }
    Manifest::of(folder, &names, Some(sha256(&student.to_bytes()?)))?
        .write(&folder.join(manifest))?;
    Ok(paths)
}
