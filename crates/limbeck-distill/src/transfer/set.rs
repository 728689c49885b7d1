//! The transfer set: all rows that a student learns from, with their labels.

use limbeck_data::SharedFeatures;

use crate::hints::Coordinates;

/// Rows with a target, and the teacher's labels for them. Targets and labels are in the learned unit: the target's own unit, or its logarithm for a
/// log target. Each list has one entry per row.
#[derive(Clone, Debug, Default)]
pub struct KnownRows {
    /// Row indices in the data set.
    pub rows: Vec<usize>,
    /// Inputs.
    pub features: SharedFeatures,
    /// Targets.
    pub target: Vec<f64>,
    /// Row weights.
    pub weight: Vec<f64>,
    /// Group or time period of each row; `None` if rows are independent.
    pub blocks: Option<Vec<u32>>,
    /// The mean that the teacher predicts for each row; NaN if the row has no teacher label.
    pub teacher: Vec<f64>,
    /// The teacher's standard deviation for each row.
    pub std: Vec<f64>,
}

/// New rows: rows without a target, which only the teacher labelled. Each list has one entry per row.
#[derive(Clone, Debug, Default)]
pub struct NewRows {
    /// Inputs.
    pub features: SharedFeatures,
    /// The mean that the teacher predicts for each row, in the learned unit (the target's own unit, or its logarithm).
    pub mean: Vec<f64>,
    /// The teacher's standard deviation for each row.
    pub std: Vec<f64>,
    /// For each new row, the row with a target from which it was made, as an index into the lists of [`KnownRows`]. The new row shares the gate of
    /// that row (the weight of its teacher label). `None` for an independent row, or if the row is not among them; then the gate is 1.
    pub source: Vec<Option<usize>>,
    /// Row weights: 1, or `transfer.perturb_weight` for perturbed copies of rows.
    pub weight: Vec<f64>,
    /// True for a new row that is the second of a pair for gradient matching. The first is the row directly before it.
    pub second: Vec<bool>,
}

/// All rows that a student learns from. A set is made once and never changed. A round of the pipeline that needs other rows or labels makes another
/// set.
#[derive(Clone, Debug, Default)]
pub struct TransferSet {
    /// Rows with a target.
    pub known: KnownRows,
    /// New rows, which have no target.
    pub new: NewRows,
    /// The teacher's hidden features of all these rows, as coordinates; `None` if hints (feature distillation) are off.
    pub coordinates: Option<Coordinates>,
}

impl TransferSet {
    /// A transfer set without new rows: only the rows with a target.
    #[must_use]
    pub fn plain(known: KnownRows) -> Self {
        let new = NewRows {
            features: known.features.rows(&[]),
            ..NewRows::default()
        };
        Self {
            known,
            new,
            coordinates: None,
        }
    }
}
