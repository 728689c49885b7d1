//! Whoever can be asked.

use limbeck_data::Features;

use crate::command::CommandTeacher;
use crate::error::Result;
use crate::import::ImportedTeacher;
use crate::layers::{FeatureLayer, WhichFit};
use crate::teacher::{FittedTeacher, Prediction};

/// A model that says something of rows, whoever made it.
pub trait Teacher: Send + Sync {
    /// Means, and standard deviations where it has them (else none at all), in the unit that it was fitted in: of a teacher that limbeck
    /// fitted the learned one, of others the target's own.
    ///
    /// # Errors
    ///
    /// Where the rows cannot be read or the model fails.
    fn predict(&self, inputs: &Features) -> Result<Prediction>;

    /// Its inner features, layer by layer; none where it shows none.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    fn layers(&self, inputs: &Features) -> Result<Vec<FeatureLayer>>;

    /// Fitted numbers; none where nobody knows.
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
