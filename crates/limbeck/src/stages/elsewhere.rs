//! Teachers that were fitted elsewhere: model files of other libraries, and runs on other rows of the same columns.

use std::path::Path;

use limbeck_data::{Features, LearnedUnit};
use limbeck_teach::import::ImportedTeacher;
use limbeck_teach::{Layer, Model, Prediction, Teacher};

use crate::error::{Error, Result};
use crate::run::Run;
use crate::run::files::{TEACHER, TEACHER_FILE};

/// A model that has seen rows of which this run knows nothing.
pub(crate) enum Elsewhere {
    /// Another library's file, which predicts in the target's unit.
    File(Box<ImportedTeacher>),
    /// The teacher of a run, which predicts in the unit that the run learned.
    Run {
        /// As stored.
        teacher: Box<Teacher>,
        /// What that run calls it.
        kind: String,
        /// Bytes of its file.
        bytes: usize,
        /// The unit that it predicts in.
        unit: LearnedUnit,
    },
}

impl Elsewhere {
    /// Reads a model file, or the teacher of the run in the folder `path`.
    ///
    /// # Errors
    ///
    /// As [`ImportedTeacher::read`], [`Run::open`] and [`Teacher::from_bytes`]; [`Error::Recipe`] where `columns` are given for a run,
    /// whose teacher knows its columns by name.
    pub(crate) fn read(path: &Path, columns: &[String]) -> Result<Self> {
        if !path.is_dir() {
            return Ok(Self::File(Box::new(
                ImportedTeacher::read(path)?.with_columns(columns),
            )));
        }
        if !columns.is_empty() {
            let message = "a run's teacher knows its columns by name; leave it out".to_owned();
            return Err(Error::Recipe {
                place: "teacher.model_columns".into(),
                message,
            });
        }
        let run = Run::open(path)?;
        let file = path.join(TEACHER).join(TEACHER_FILE);
        let bytes =
            std::fs::read(&file).map_err(Error::file("read the teacher of that run", &file))?;
        Ok(Self::Run {
            teacher: Box::new(Teacher::from_bytes(&bytes)?),
            kind: run.report().teacher.kind.clone(),
            bytes: bytes.len(),
            unit: run.recipe().data.learned_unit(),
        })
    }

    /// What the report calls it.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::File(model) => model.format().to_string(),
            Self::Run { kind, .. } => format!("{kind} of another run"),
        }
    }

    /// Fitted numbers.
    pub(crate) fn parameters(&self) -> usize {
        match self {
            Self::File(model) => model.parameters(),
            Self::Run { teacher, .. } => teacher.parameters(),
        }
    }

    /// Bytes of its file.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::File(model) => model.bytes(),
            Self::Run { bytes, .. } => *bytes,
        }
    }

    /// Inner features, layer by layer.
    pub(crate) fn layers(&self, x: &Features) -> Result<Vec<Layer>> {
        Ok(match self {
            Self::File(model) => model.layers(x)?,
            Self::Run { teacher, .. } => teacher.layers(Model::Last, x)?,
        })
    }

    /// Predictions in the learned unit of this run; the spread is empty where the model has none.
    pub(crate) fn predict(&self, x: &Features, unit: LearnedUnit) -> Result<Prediction> {
        match self {
            Self::File(model) => {
                let mean = model
                    .predict(x)?
                    .into_iter()
                    .map(|p| unit.learn(p))
                    .collect();
                Ok(Prediction {
                    mean,
                    spread: Vec::new(),
                })
            }
            Self::Run {
                teacher,
                unit: theirs,
                ..
            } => {
                let mut prediction = teacher.predict(x)?;
                if *theirs != unit {
                    for (mean, spread) in prediction.mean.iter_mut().zip(&mut prediction.spread) {
                        let y = theirs.target(*mean);
                        *spread = unit.learn_spread(theirs.target_spread(*spread, y), y);
                        *mean = unit.learn(y);
                    }
                }
                Ok(prediction)
            }
        }
    }
}
