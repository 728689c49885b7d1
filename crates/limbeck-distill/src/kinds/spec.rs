//! The settings of a non-neural student, and the fitted student.

use limbeck_runtime::{Encoder, Graph};
use serde::{Deserialize, Serialize};

use crate::student::options::StudentKind;

/// Number of parameters of the target's transform (scale and shift).
pub(crate) const TARGET_PARAMETERS: usize = 2;

/// A kind of student that is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonNeural {
    /// Ridge regression.
    Linear,
    /// A few boosted trees.
    Trees,
    /// An interpolated table of one to three numeric columns.
    Table,
}

impl NonNeural {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Trees, Self::Table];

    /// The kind as a value of the option `student.kind`.
    #[must_use]
    pub fn student_kind(self) -> StudentKind {
        match self {
            Self::Linear => StudentKind::Linear,
            Self::Trees => StudentKind::Trees,
            Self::Table => StudentKind::Table,
        }
    }

    /// The non-neural kinds that the search tries for a value of the option `student.kind`.
    #[must_use]
    pub fn asked(kind: StudentKind) -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|own| kind == StudentKind::Auto || own.student_kind() == kind)
            .collect()
    }
}

/// Hyperparameters of a non-neural student, chosen on validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    /// A linear model.
    Linear {
        /// Penalty on squared weights, added to the mean squared error of the standardized target.
        ridge: f64,
    },
    /// Boosted trees.
    Trees {
        /// Maximum number of leaves of each tree.
        leaves: usize,
        /// Learning rate: share of each tree's values that is added.
        #[serde(alias = "step")]
        learning_rate: f64,
        /// Minimum size of a leaf, in rows of mean weight.
        leaf_rows: f64,
        /// Number of trees.
        rounds: usize,
    },
    /// An interpolated table.
    Table {
        /// Maximum number of knots of each axis; 0 for axes that the table does not have.
        knots: [usize; 3],
        /// Penalty on differences from a straight line between neighboring values.
        smoothing: f64,
    },
}

impl Spec {
    /// The kind of student that these hyperparameters belong to.
    #[must_use]
    pub fn kind(&self) -> NonNeural {
        match self {
            Self::Linear { .. } => NonNeural::Linear,
            Self::Trees { .. } => NonNeural::Trees,
            Self::Table { .. } => NonNeural::Table,
        }
    }
}

/// A fitted non-neural student.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedGraph {
    /// Encodes raw columns as numbers.
    pub encoder: Encoder,
    /// Predicts the standardized target from these numbers.
    pub graph: Graph,
}

impl EncodedGraph {
    /// Number of fitted values that a prediction uses.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.encoder.parameters() + self.graph.parameters() + TARGET_PARAMETERS
    }
}
