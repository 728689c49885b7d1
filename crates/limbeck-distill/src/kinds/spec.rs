//! What a student that is no network is, and the fitted one.

use limbeck_runtime::{Encoder, Graph};
use serde::{Deserialize, Serialize};

use crate::student::options::StudentKind;

/// Parameters of the target's transform.
pub(crate) const TARGET_PARAMETERS: usize = 2;

/// A kind of student that is fitted without gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonNeural {
    /// Ridge regression.
    Linear,
    /// A few boosted trees.
    Trees,
    /// A table of one to three numbers.
    Table,
}

impl NonNeural {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Trees, Self::Table];

    /// The same as an option.
    #[must_use]
    pub fn student_kind(self) -> StudentKind {
        match self {
            Self::Linear => StudentKind::Linear,
            Self::Trees => StudentKind::Trees,
            Self::Table => StudentKind::Table,
        }
    }

    /// Kinds that are searched for an option, beside the network.
    #[must_use]
    pub fn asked(kind: StudentKind) -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|own| kind == StudentKind::Auto || own.student_kind() == kind)
            .collect()
    }
}

/// What was chosen on validation rows for such a student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    /// A linear model.
    Linear {
        /// Penalty on squared weights, beside mean squared errors of a standardized target.
        ridge: f64,
    },
    /// Boosted trees.
    Trees {
        /// Maximum number of leaves of each.
        leaves: usize,
        /// Share of each tree's values that is added.
        #[serde(alias = "step")]
        learning_rate: f64,
        /// Smallest leaf, in rows of mean weight.
        leaf_rows: f64,
        /// How many trees.
        rounds: usize,
    },
    /// An interpolated table.
    Table {
        /// Maximum number of knots of each axis; 0 beyond the last axis.
        knots: [usize; 3],
        /// Penalty on bends.
        smoothing: f64,
    },
}

impl Spec {
    /// The kind that it belongs to.
    #[must_use]
    pub fn kind(&self) -> NonNeural {
        match self {
            Self::Linear { .. } => NonNeural::Linear,
            Self::Trees { .. } => NonNeural::Trees,
            Self::Table { .. } => NonNeural::Table,
        }
    }
}

/// A fitted student that is no network.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedGraph {
    /// Raw columns to numbers.
    pub encoder: Encoder,
    /// Numbers to the standardized target.
    pub graph: Graph,
}

impl EncodedGraph {
    /// Fitted numbers that prediction reads.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.encoder.parameters() + self.graph.parameters() + TARGET_PARAMETERS
    }
}
