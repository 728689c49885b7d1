//! What the report says of the data.

use serde::{Deserialize, Serialize};

use crate::checks::Check;
use crate::kind::ColumnKind;
use crate::metrics;
use crate::warning::{Action, Warning};

/// What the report says of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// File of the table.
    pub source: String,
    /// Rows in the file or files.
    pub rows: usize,
    /// Columns in the file.
    pub columns: usize,
    /// Rows fitted on.
    pub train: usize,
    /// Rows chosen on.
    pub valid: usize,
    /// Rows reported on.
    pub test: usize,
    /// Feature columns in the order of the student's inputs, with the kinds to read them by.
    pub features: Vec<FeatureKind>,
    /// Spread of the target over training and validation rows.
    pub target: TargetSummary,
    /// What the checks found.
    pub warnings: Vec<Warning>,
    /// SHA-256 of features, targets, weights, given predictions and split: two data sets with the same are the same rows in the same order. Empty
    /// in reports of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

impl DataSummary {
    /// True where both are of the same rows: by their content, wherever the file lies now; by counts and target where one was written by a version
    /// that knew no content.
    #[must_use]
    pub fn same_rows(&self, other: &Self) -> bool {
        if !self.content.is_empty() && !other.content.is_empty() {
            return self.content == other.content && self.features == other.features;
        }
        // Checks that came later find more.
        let plain = |summary: &Self| Self {
            content: String::new(),
            warnings: Vec::new(),
            ..summary.clone()
        };
        plain(self) == plain(other)
    }
}

/// A feature column and its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureKind {
    /// Column name.
    pub name: String,
    /// Kind in the table.
    pub kind: ColumnKind,
}

/// The target over training and validation rows, weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetSummary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub standard_deviation: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl DataSummary {
    /// Columns that a check dropped, with the check; those that the options drop are not among them.
    pub fn dropped_columns(&self) -> impl Iterator<Item = (Check, &str)> {
        let dropped = |warning: &'_ Warning| warning.action == Action::Drop;
        let warnings = self.warnings.iter().filter(move |warning| dropped(warning));
        warnings.filter_map(|warning| {
            let check = Check::ALL
                .into_iter()
                .find(|check| check.name() == warning.check)?;
            let column = warning
                .column
                .as_deref()
                .filter(|_| check.drops_columns())?;
            Some((check, column))
        })
    }

    /// What [`Table::read_like`](crate::Table::read_like) needs to read rows for a student of this data.
    #[must_use]
    pub fn schema(&self) -> Vec<(String, ColumnKind)> {
        self.features
            .iter()
            .map(|feature| (feature.name.clone(), feature.kind))
            .collect()
    }
}

pub(crate) fn summarize(target: &[f64], weight: &[f64], rows: &[usize]) -> TargetSummary {
    let values: Vec<f64> = rows.iter().map(|row| target[*row]).collect();
    let weight: Vec<f64> = rows.iter().map(|row| weight[*row]).collect();
    TargetSummary {
        mean: metrics::weighted_mean(&values, &weight),
        standard_deviation: metrics::variance(&values, &weight).sqrt(),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}
