//! The interface of all teachers: those that limbeck fits, imported model files, and the user's own commands.

use limbeck_data::Features;

use crate::command::CommandTeacher;
use crate::error::Result;
use crate::import::ImportedTeacher;
use crate::layers::{FeatureLayer, WhichFit};
use crate::teacher::{FittedTeacher, Prediction};

/// A model that labels rows for a student: fitted by limbeck, read from a model file, or run as a command.
pub trait Teacher: Send + Sync {
    /// Predicts the mean and the standard deviation of each row. The list of standard deviations is empty if the model gives none.
    ///
    /// The unit: a teacher that limbeck fitted predicts in the unit that it learned (with a log target, the logarithm). Other models predict in
    /// the target's own unit.
    ///
    /// # Errors
    ///
    /// An error if the rows cannot be encoded, or cannot be sent to the user's command, or if the model fails.
    fn predict(&self, inputs: &Features) -> Result<Prediction>;

    /// Inner features of the model (such as hidden layers), layer by layer; empty for a command, whose inner features are unknown.
    ///
    /// # Errors
    ///
    /// The errors of [`predict`](Self::predict).
    fn layers(&self, inputs: &Features) -> Result<Vec<FeatureLayer>>;

    /// Number of fitted parameters of the model; `None` for a command, for which it is not known.
    fn parameters(&self) -> Option<usize>;
}

impl Teacher for FittedTeacher {
    fn predict(&self, inputs: &Features) -> Result<Prediction> {
        Self::predict(self, inputs)
    }

    fn layers(&self, inputs: &Features) -> Result<Vec<FeatureLayer>> {
        Self::layers(self, WhichFit::Last, inputs)
    }

    fn parameters(&self) -> Option<usize> {
        Some(Self::parameters(self))
    }
}

impl Teacher for ImportedTeacher {
    fn predict(&self, inputs: &Features) -> Result<Prediction> {
        Ok(Prediction {
            mean: Self::predict(self, &inputs.as_in_table())?,
            std: Vec::new(),
        })
    }

    fn layers(&self, inputs: &Features) -> Result<Vec<FeatureLayer>> {
        Self::layers(self, &inputs.as_in_table())
    }

    fn parameters(&self) -> Option<usize> {
        Some(Self::parameters(self))
    }
}

impl Teacher for CommandTeacher {
    fn predict(&self, inputs: &Features) -> Result<Prediction> {
        let answers = self.ask(&inputs.as_in_table())?;
        Ok(Prediction {
            mean: answers.prediction,
            std: answers.std.unwrap_or_default(),
        })
    }

    fn layers(&self, _inputs: &Features) -> Result<Vec<FeatureLayer>> {
        Ok(Vec::new())
    }

    fn parameters(&self) -> Option<usize> {
        None
    }
}
