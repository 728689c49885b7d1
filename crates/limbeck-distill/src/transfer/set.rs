//! The transfer set: all rows that a student learns from, with their labels.

use limbeck_data::Features;

use crate::hints::Coordinates;

/// Rows with a target, and the teacher's labels for them. Targets and labels are in the learned unit: the target's own, or its logarithm for a log target.
#[derive(Clone, Debug, Default)]
pub struct KnownRows {
    /// Row numbers in the data set.
    pub rows: Vec<usize>,
    /// Inputs.
    pub features: Features,
    /// Targets.
    pub target: Vec<f64>,
    /// Weights.
    pub weight: Vec<f64>,
    /// Group or time period of each row; `None` if rows are independent.
    pub blocks: Option<Vec<u32>>,
    /// The teacher's predicted mean of each row; NaN if there is none.
    pub teacher: Vec<f64>,
    /// The teacher's standard deviation for each row.
    pub spread: Vec<f64>,
}

/// New rows, which only the teacher labelled.
#[derive(Clone, Debug, Default)]
pub struct NewRows {
    /// Inputs.
    pub features: Features,
    /// The teacher's predicted mean of each row, in the learned unit.
    pub mean: Vec<f64>,
    /// The teacher's standard deviation for each row.
    pub spread: Vec<f64>,
    /// The row with a target from which each new row was made, as a position among the [`KnownRows`]; the new row shares its gate (weight of the teacher
    /// label). `None` for an independent row.
    pub source: Vec<Option<usize>>,
    /// Weights of the rows; 1 is normal.
    pub weight: Vec<f64>,
    /// True for the second row of a pair, which comes directly after the first.
    pub second: Vec<bool>,
}

/// All rows that a student learns from. A set is made once from labels and never changed; a round that needs other rows makes another set.
#[derive(Clone, Debug, Default)]
pub struct TransferSet {
    /// Rows with a target.
    pub known: KnownRows,
    /// New rows, which only the teacher labelled.
    pub new: NewRows,
    /// The teacher's features of rows with a target and of new rows; `None` if hints are off.
    pub coordinates: Option<Coordinates>,
}

impl TransferSet {
    /// A set of rows with a target, without new rows.
    #[must_use]
    pub fn plain(known: KnownRows) -> Self {
        let new = NewRows {
            features: known.features.select(&[]),
            ..NewRows::default()
        };
        Self {
            known,
            new,
            coordinates: None,
        }
    }
}
