//! Teachers that were fitted elsewhere: model files of other libraries, and teachers of runs on other rows with the same columns.

use std::path::Path;

use limbeck_data::{Features, LearnedUnit};
use limbeck_teach::import::ImportedTeacher;
use limbeck_teach::{FittedTeacher, Prediction, Teacher};

use crate::error::{Error, Result};
use crate::run::Run;
use crate::run::files::{TEACHER, TEACHER_FILE};

/// A model that was fitted outside this run, on rows that this run does not know.
pub(crate) struct ExternalTeacher {
    pub(crate) teacher: Box<dyn Teacher>,
    /// Its name in the report.
    pub(crate) kind: String,
    /// Bytes of its file.
    pub(crate) bytes: usize,
    /// The unit that it predicts in.
    unit: LearnedUnit,
}

impl ExternalTeacher {
    /// Reads a model file, or the teacher of the run in the folder `path`.
    ///
    /// # Errors
    ///
    /// As [`ImportedTeacher::read`], [`Run::open`] and [`FittedTeacher::from_bytes`]; [`Error::Recipe`] if `columns` are given for a run,
    /// whose teacher knows its columns by name.
    pub(crate) fn read(path: &Path, columns: &[String]) -> Result<Self> {
        if !path.is_dir() {
            let model = ImportedTeacher::read(path)?.with_columns(columns);
            return Ok(Self {
                kind: model.format().to_string(),
                bytes: model.bytes(),
                unit: LearnedUnit::Own,
                teacher: Box::new(model),
            });
        }
        if !columns.is_empty() {
            let message =
                "the teacher of a run finds its columns by name; leave this option out".to_owned();
            return Err(Error::Recipe {
                place: "teacher.model_columns".into(),
                message,
            });
        }
        let run = Run::open(path)?;
        let file = path.join(TEACHER).join(TEACHER_FILE);
        let bytes =
            std::fs::read(&file).map_err(Error::file("read the teacher of that run", &file))?;
        Ok(Self {
            teacher: Box::new(FittedTeacher::from_bytes(&bytes)?),
            kind: format!("{} of another run", run.report().teacher.kind),
            bytes: bytes.len(),
            unit: run.recipe().data.learned_unit(&run.report().target),
        })
    }

    /// Predictions in the learned unit of this run; the standard deviations are empty if the model has none.
    pub(crate) fn predict(&self, x: &Features, unit: LearnedUnit) -> Result<Prediction> {
        let Prediction {
            mut mean,
            mut spread,
        } = self.teacher.predict(x)?;
        if self.unit != unit {
            for (at, mean) in mean.iter_mut().enumerate() {
                let y = self.unit.target(*mean);
                if let Some(spread) = spread.get_mut(at) {
                    *spread = unit.learn_spread(self.unit.target_spread(*spread, y), y);
                }
                *mean = unit.learn(y);
            }
        }
        Ok(Prediction { mean, spread })
    }
}
