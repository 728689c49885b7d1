//! A run directory.
//!
//! | file | what |
//! |---|---|
//! | `recipe.toml` | the recipe, every option written out |
//! | `student.limbeck` | the shipped student |
//! | `labels.parquet` | the teacher's labels of every row: `set`, `row` (its position in the table, from 0; for new rows, among them), `fold`, `teacher` (mean), `spread` (standard deviation), and of new rows `pilot` (mean of the fold teachers) and `believed` (1 if the row is used) |
//! | `report.json` | all results, [`Report`] |
//! | `metrics.csv`, `metrics.jsonl` | training curves, a line for each point; written during training, and sorted by training at the end |
//! | `log.txt` | messages of the run with their time; the only file of a run that the manifest leaves out |
//! | `predictions.parquet` | test rows: `row` (its position in the table, from 0; earlier versions counted from 1), `target`, `weight`, predictions of `teacher`, `alone`, `distilled` and `shipped` (of each student the refit that its file holds), in the target's unit |
//! | `tensorboard/` | event files: `tensorboard --logdir RUN/tensorboard` |
//! | `report.html` | the run as one page |
//! | `manifest.json` | size and SHA-256 of each of these files, [`Manifest`](crate::manifest::Manifest) |
//! | `export/` | what `limbeck export` wrote, each with a manifest of its own |
//! | `teacher/teacher.limbeck` | the teacher, if limbeck fitted it |

pub(crate) mod curves;
pub mod export;
pub(crate) mod files;
pub(crate) mod live;
pub mod manifest;
pub(crate) mod several;
pub mod tensorboard;
pub(crate) mod unfinished;
pub mod verify;
pub(crate) mod written;

use std::path::{Path, PathBuf};

use limbeck_data::{Features, Table};
use limbeck_runtime::Student;

pub use files::*;
pub use several::{TARGETS, joint_student};
pub use unfinished::{is_taken, unfinished};

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::report::Report;

/// A finished run.
///
/// ```no_run
/// use limbeck::Run;
///
/// let run = Run::open("runs/housing-1")?;
/// println!("test RMSE {}", run.report().test.shipped.rmse);
/// let (rows, _) = run.read_rows("new.csv")?;
/// let predictions = run.student()?.predict(&rows.raw(), rows.rows)?;
/// # Ok::<(), limbeck::Error>(())
/// ```
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
    /// [`Error::NotARun`] if recipe or report are missing or damaged, or if the folder holds [several runs](open_each).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        crate::run::several::refuse_several(&path)?;
        let text = |name: &str| {
            std::fs::read_to_string(path.join(name)).map_err(|source| Error::NotARun {
                path: path.clone(),
                message: format!("its {name} cannot be read: {source}"),
            })
        };
        let recipe = Recipe::parse(
            &text(RECIPE)?,
            &path.join(RECIPE).display().to_string(),
            toml::Table::new(),
        )?;
        let report = serde_json::from_str(&text(REPORT)?).map_err(|error| Error::NotARun {
            path: path.clone(),
            message: format!("its {REPORT} is damaged: {error}"),
        })?;
        Ok(Self {
            path,
            recipe,
            report,
        })
    }

    pub(crate) fn assemble(path: PathBuf, recipe: Recipe, report: Report) -> Self {
        Self {
            path,
            recipe,
            report,
        }
    }

    /// The same run under the name that its folder will have.
    pub(crate) fn at(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its recipe, with every option filled in.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Its report.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The shipped student.
    ///
    /// # Errors
    ///
    /// If its file is missing or damaged.
    pub fn student(&self) -> Result<Student> {
        Ok(Student::load(self.path.join(STUDENT))?)
    }

    /// Reads a table of raw columns for this run's student, with the kinds and notations of the training table and the options of its recipe.
    ///
    /// # Errors
    ///
    /// If a column is missing or holds another kind.
    pub fn read_rows(&self, table: impl AsRef<Path>) -> Result<(Features, Table)> {
        let options = self.report.data.reading(&self.recipe.data);
        let table = Table::read_like(table, &self.report.data.schema(), &options)?;
        let features = Features::of_table(&table, &self.report.data.features)?;
        Ok((features, table))
    }
}

/// True for the folder of a run, of one target or of several.
#[must_use]
pub fn is_run(path: impl AsRef<Path>) -> bool {
    let holds = |name: &str| path.as_ref().join(name).is_file();
    holds(RECIPE) || holds(TARGETS)
}

/// Opens a run, or the runs of several targets, in their order.
///
/// # Errors
///
/// As [`Run::open`]; for a damaged list of targets.
pub fn open_each(path: impl AsRef<Path>) -> Result<Vec<Run>> {
    match several::list(path.as_ref())? {
        None => Ok(vec![Run::open(path.as_ref())?]),
        Some(folders) => folders.into_iter().map(Run::open).collect(),
    }
}
