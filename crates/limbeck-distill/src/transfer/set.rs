//! Rows to learn from: the only form that they have between labels and batches.

use limbeck_data::Features;

use crate::hints::Coordinates;

/// Rows that have a target, and what the teacher says of them, in the learned unit (logarithms with a log target).
#[derive(Clone, Debug, Default)]
pub struct KnownRows {
    /// Which rows of the data set they are.
    pub rows: Vec<usize>,
    /// Inputs.
    pub features: Features,
    /// Targets.
    pub target: Vec<f64>,
    /// Weights.
    pub weight: Vec<f64>,
    /// Group or stretch of time of each row; none where rows do not hang together.
    pub blocks: Option<Vec<u32>>,
    /// The teacher's mean per row, NaN where there is none.
    pub teacher: Vec<f64>,
    /// Its standard deviation.
    pub spread: Vec<f64>,
}

/// Rows that only the teacher labelled.
#[derive(Clone, Debug, Default)]
pub struct NewRows {
    /// Inputs.
    pub features: Features,
    /// The teacher's mean per row, in the learned unit.
    pub mean: Vec<f64>,
    /// Its standard deviation.
    pub spread: Vec<f64>,
    /// The row with a target that each of them stays with, as in [`KnownRows::rows`]; none for a row of its own.
    pub source: Vec<Option<usize>>,
    /// Weights, 1 for a row as good as any.
    pub weight: Vec<f64>,
    /// True for the second row of a pair, which stands right after the first.
    pub second: Vec<bool>,
}

/// Rows to learn from. Made once from labels and never changed: a round that wants others makes another set.
#[derive(Clone, Debug, Default)]
pub struct TransferSet {
    /// Rows with a target.
    pub known: KnownRows,
    /// Rows that only the teacher labelled.
    pub new: NewRows,
    /// The teacher's features on both kinds of rows; none where nothing is learned from them.
    pub coordinates: Option<Coordinates>,
}

impl TransferSet {
    /// Rows with a target alone.
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
