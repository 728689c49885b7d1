//! The interface of models that can predict rows.

use limbeck_data::Features;

use crate::command::CommandTeacher;
use crate::error::Result;
use crate::import::ImportedTeacher;
use crate::layers::{FeatureLayer, WhichFit};
use crate::teacher::{FittedTeacher, Prediction};

/// A model that can predict rows, whatever its origin.
pub trait Teacher: Send + Sync {
    /// Predicts means, and standard deviations if the model has them (otherwise empty), in the unit that the model was fitted in: the learned unit
    /// (the logarithm, with a log target) for a teacher that limbeck fitted, the target's own unit for other models.
    ///
    /// # Errors
    ///
    /// If the rows cannot be read or the model fails.
    fn predict(&self, inputs: &Features) -> Result<Prediction>;

    /// Inner features of the model, layer by layer; empty if it has none to show.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    fn layers(&self, inputs: &Features) -> Result<Vec<FeatureLayer>>;

    /// Number of parameters; none if it is not known.
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
            spread: Vec::new(),
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
            spread: answers.spread.unwrap_or_default(),
        })
    }

    fn layers(&self, _inputs: &Features) -> Result<Vec<FeatureLayer>> {
        Ok(Vec::new())
    }

    fn parameters(&self) -> Option<usize> {
        None
    }
}
