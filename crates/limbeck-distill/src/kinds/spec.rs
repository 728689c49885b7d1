//! Hyperparameters of a non-neural student, and the fitted student.

use limbeck_runtime::{Encoder, Graph};
use serde::{Deserialize, Serialize};

use crate::student::options::StudentKind;

/// Number of parameters that convert a standardized prediction to the target's unit: scale and shift.
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

    /// The value of the option `student.kind` that requests this kind.
    #[must_use]
    pub fn student_kind(self) -> StudentKind {
        match self {
            Self::Linear => StudentKind::Linear,
            Self::Trees => StudentKind::Trees,
            Self::Table => StudentKind::Table,
        }
    }

    /// The non-neural kinds to try if the option `student.kind` is `kind`: all for `auto`, none for `mlp`.
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
        /// Learning rate: factor by which the values of each tree are multiplied.
        #[serde(alias = "step")]
        learning_rate: f64,
        /// Minimum total row weight of a leaf, in units of the mean row weight.
        leaf_rows: f64,
        /// Number of trees.
        rounds: usize,
    },
    /// An interpolated table.
    Table {
        /// Maximum number of knots of each axis; 0 for an axis that does not exist.
        knots: [usize; 3],
        /// Weight of the penalty on bends. A bend is the difference of a value from the straight line between its two neighbors on one axis.
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
    /// Maps raw columns to numbers, the inputs of `graph`.
    pub encoder: Encoder,
    /// Predicts the standardized target from encoded columns.
    pub graph: Graph,
}

impl EncodedGraph {
    /// Number of fitted values that a prediction uses, including those of the encoder and the scale and shift of the target.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.encoder.parameters() + self.graph.parameters() + TARGET_PARAMETERS
    }
}
