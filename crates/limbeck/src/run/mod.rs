//! A run directory.
//!
//! | file | what |
//! |---|---|
//! | `recipe.toml` | the recipe, every option written out |
//! | `student.limbeck` | the shipped student |
//! | `labels.parquet` | the teacher's labels of every row: `set`, `row` (position in the table, from 0; for new rows, position among the new rows), `fold`, `teacher` (mean), `std` (standard deviation); for new rows also `pilot` (mean of the fold teachers) and `accepted` (1 if the row is used) |
//! | `report.json` | all results, [`Report`] |
//! | `metrics.csv`, `metrics.jsonl` | training curves, a line for each point; written during training, and sorted by training at the end |
//! | `log.txt` | messages of the run, each with its time; the only file of a run that is not in the manifest |
//! | `predictions.parquet` | test rows, in the target's unit: `row` (position in the table, from 0; in earlier versions from 1), `target`, `weight`, predictions of `teacher`, `baseline` (in earlier versions `alone`), `distilled` and `shipped` (for each student, of the refit in its file), and `block` (group or stretch of time) if the table is split by one |
//! | `tensorboard/` | event files: `tensorboard --logdir RUN/tensorboard` |
//! | `report.html` | the run as one HTML page |
//! | `manifest.json` | size and SHA-256 of the files, [`Manifest`](crate::manifest::Manifest) |
//! | `export/` | files of `limbeck export`; each export has a manifest of its own |
//! | `teacher/teacher.limbeck` | the teacher, if limbeck fitted it |
//!
//! In files, rows are counted from 0, as in data frames; `row`, `fold`, `block` and `accepted` are integers. In messages, the rows of a table are
//! counted from 1, without the header: `row 5` in a message is row 4 in a file.

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

use limbeck_data::{Content, Features, Table};
use limbeck_runtime::Student;

pub use files::*;
pub use several::{TARGETS, joint_student, target_names};
pub use unfinished::{is_taken, unfinished};

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::run::unfinished::Unfinished;

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
    /// [`Error::NotARun`] if recipe or report is missing or damaged, or if the folder holds [several runs](open_each).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        refuse_other(&path)?;
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
            message: format!(
                "its {REPORT} is damaged: {error}; restore that file, or make the run again"
            ),
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

    /// The same run, with another path: the path that its folder will have after it is renamed.
    pub(crate) fn at(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }

    /// The folder of the run.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recipe of the run, with every option filled in.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The report of the run.
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

    /// Reads a table of raw columns for this run's student. Kinds and notations of the columns are those of the training table; options are those of
    /// the recipe.
    ///
    /// # Errors
    ///
    /// If a column is missing or has another kind than in training.
    pub fn read_rows(&self, table: impl AsRef<Path>) -> Result<(Features, Table)> {
        let options = self.report.data.reading(&self.recipe.data);
        let table = Table::read_like(table, &self.report.data.schema(), &options)?;
        let features = Features::of_table(
            &table,
            &self.report.data.features,
            self.report.data.sequence(),
        )?;
        Ok((features, table))
    }
}

/// Refuses a path that is certainly not the folder of a finished run. The error says what is there instead.
fn refuse_other(path: &Path) -> Result<()> {
    const EXPECTED: &str = "expected the folder that `limbeck distill` wrote, such as runs/NAME";
    let (partial, done) = Unfinished::names(path);
    let message = match std::fs::metadata(path) {
        _ if partial.is_dir() && (partial == path || !path.exists()) => {
            format!(
                "it is unfinished; continue it with `limbeck distill --resume {}`",
                done.display()
            )
        }
        Err(error) => format!("{error}; {EXPECTED}"),
        Ok(found) if found.is_dir() => {
            let holds = |name: &str| path.join(name).exists();
            if [RECIPE, TARGETS, REPORT, STUDENT].into_iter().any(holds) {
                return Ok(());
            }
            format!("it has no {RECIPE}; {EXPECTED}")
        }
        Ok(_) => format!(
            "it is {}, not a folder; {EXPECTED}",
            Content::of(path).name()
        ),
    };
    Err(Error::NotARun {
        path: path.to_owned(),
        message,
    })
}

/// True if the path is the folder of a run, of one target or of several.
#[must_use]
pub fn is_run(path: impl AsRef<Path>) -> bool {
    let holds = |name: &str| path.as_ref().join(name).is_file();
    holds(RECIPE) || holds(TARGETS)
}

/// Opens a run, or the runs of several targets in their order.
///
/// # Errors
///
/// The errors of [`Run::open`]; an error for a damaged list of targets.
pub fn open_each(path: impl AsRef<Path>) -> Result<Vec<Run>> {
    refuse_other(path.as_ref())?;
    match several::list(path.as_ref())? {
        None => Ok(vec![Run::open(path.as_ref())?]),
        Some(folders) => folders.into_iter().map(Run::open).collect(),
    }
}
