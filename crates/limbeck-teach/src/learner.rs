//! The kinds of models that a teacher can consist of.

use serde::{Deserialize, Serialize};

/// A kind of model that a teacher can consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// Boosted trees.
    Trees,
    /// An ensemble of multilayer perceptrons.
    Network,
    /// An ensemble of LSTMs, which read the last rows of a series.
    Lstm,
    /// A Gaussian process.
    #[serde(rename = "gp")]
    Process,
    /// Ridge regression.
    Linear,
}

impl Learner {
    /// Name of the learner in recipes and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Network => "network",
            Self::Lstm => "lstm",
            Self::Process => "gp",
            Self::Linear => "linear",
        }
    }
}
