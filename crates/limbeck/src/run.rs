//! A run directory.
//!
//! | file | what |
//! |---|---|
//! | `recipe.toml` | the recipe, every option written out |
//! | `student.limbeck` | the shipped student |
//! | `labels.parquet` | what the teacher said of every row: `set`, `row`, `fold`, `teacher`, `spread`, and of new rows `pilot`, `believed` |
//! | `report.json` | every figure, [`Report`] |
//! | `metrics.csv` | training curves |
//! | `predictions.parquet` | test rows: `row` of the table, `target`, `weight`, answers of `teacher`, `alone`, `distilled` and `shipped` (both of the first seed), in the target's unit |
//! | `tensorboard/` | event files: `tensorboard --logdir RUN/tensorboard` |
//! | `report.html` | the run as one page |
//! | `manifest.json` | size and SHA-256 of each of these files, [`Manifest`](crate::manifest::Manifest) |
//! | `export/` | what `limbeck export` wrote, each with a manifest of its own |
//! | `teacher/teacher.limbeck` | the teacher, where limbeck fitted it |

use std::io::Write;
use std::path::{Path, PathBuf};

use limbeck_data::{Features, Table, write};
use limbeck_runtime::Student;

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::targets;

/// Name of the recipe in a run.
pub const RECIPE: &str = "recipe.toml";
/// Name of the student.
pub const STUDENT: &str = "student.limbeck";
/// Name of the labels.
pub const LABELS: &str = "labels.parquet";
/// Name of the report.
pub const REPORT: &str = "report.json";
/// Name of the training curves.
pub const METRICS: &str = "metrics.csv";
/// Name of the answers on test rows.
pub const PREDICTIONS: &str = "predictions.parquet";
/// Name of the page.
pub const PAGE: &str = "report.html";
/// Folder of TensorBoard's event files.
pub const TENSORBOARD: &str = "tensorboard";
/// Folder of the teacher.
pub const TEACHER: &str = "teacher";
/// The teacher's file in its folder.
pub const TEACHER_FILE: &str = "teacher.limbeck";

/// Name of the list of its files.
pub const MANIFEST: &str = "manifest.json";
/// Folder of exported students.
pub const EXPORT: &str = "export";

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    path: PathBuf,
    recipe: Recipe,
    report: Report,
}

impl Run {
    /// Opens a run directory.
    ///
    /// # Errors
    ///
    /// [`Error::NotARun`] where recipe or report are missing or damaged, or the folder holds [several runs](targets::open_each).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        targets::refuse_several(&path)?;
        let text = |name: &str| {
            std::fs::read_to_string(path.join(name)).map_err(|source| Error::NotARun {
                path: path.clone(),
                message: format!("its {name} cannot be read: {source}"),
            })
        };
        let recipe = Recipe::parse(&text(RECIPE)?, &path.join(RECIPE).display().to_string(), toml::Table::new())?;
        let report = serde_json::from_str(&text(REPORT)?).map_err(|error| Error::NotARun {
            path: path.clone(),
            message: format!("its {REPORT} is damaged: {error}"),
        })?;
        Ok(Self { path, recipe, report })
    }

    pub(crate) fn assemble(path: PathBuf, recipe: Recipe, report: Report) -> Self {
        Self { path, recipe, report }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its recipe, resolved.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Its figures.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The shipped student.
    ///
    /// # Errors
    ///
    /// Where its file is missing or damaged.
    pub fn student(&self) -> Result<Student> {
        Ok(Student::load(self.path.join(STUDENT))?)
    }

    /// Reads a table of raw columns for this run's student, by the kinds that it was trained on.
    ///
    /// # Errors
    ///
    /// Where a column is missing or holds another kind.
    pub fn read_rows(&self, table: impl AsRef<Path>) -> Result<(Features, Table)> {
        let table = Table::read_like(table, &self.report.data.schema())?;
        Ok((Features::from_table(table.clone())?, table))
    }
}

/// A run that is being written: a folder beside its final place, which takes the final name once all is there. Whatever ends the program
/// before leaves nothing under that name; an error removes the folder.
pub(crate) struct Unfinished {
    path: PathBuf,
    last: PathBuf,
    is_finished: bool,
}

impl Unfinished {
    /// Creates the folder `.NAME.unfinished-PROCESS`.
    pub(crate) fn of(last: &Path) -> Result<Self> {
        if last.exists() {
            return Err(Error::OutExists { path: last.to_owned() });
        }
        let parent = last.parent().unwrap_or(Path::new(""));
        if !parent.as_os_str().is_empty() {
            std::fs::create_dir_all(parent).map_err(Error::file("create the folder", parent))?;
        }
        let name = last.file_name().unwrap_or_default().to_string_lossy();
        let path = parent.join(format!(".{name}.unfinished-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(Error::file("create the folder", &path))?;
        Ok(Self { path, last: last.to_owned(), is_finished: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder its final name.
    pub(crate) fn finish(mut self) -> Result<()> {
        // A rename replaces an empty folder of that name, which may have come since.
        if self.last.exists() {
            return Err(Error::OutExists { path: self.last.clone() });
        }
        std::fs::rename(&self.path, &self.last).map_err(Error::file("give its name to the run", &self.last))?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // Where even that fails, the folder's name says what it is.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Writes a file of the run, whole or not at all.
pub(crate) fn write_file(run: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    Ok(write::atomic(run.join(name), |file| file.write_all(bytes))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder.path().join("deep").join("run");
        let names = || std::fs::read_dir(folder.path().join("deep")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        let place = Unfinished::of(&last).unwrap();
        write_file(place.path(), REPORT, b"x").unwrap();
        assert!(!last.exists());
        drop(place);
        assert!(names().is_empty());
        let place = Unfinished::of(&last).unwrap();
        write_file(place.path(), REPORT, b"x").unwrap();
        place.finish().unwrap();
        assert_eq!(names(), ["run"]);
        assert!(last.join(REPORT).exists());
        assert!(matches!(Unfinished::of(&last), Err(Error::OutExists { .. })));
        // Someone else took the name meanwhile.
        let other = folder.path().join("deep").join("other");
        let place = Unfinished::of(&other).unwrap();
        std::fs::create_dir(&other).unwrap();
        assert!(matches!(place.finish(), Err(Error::OutExists { .. })));
        assert_eq!(names().len(), 2);
    }
}
