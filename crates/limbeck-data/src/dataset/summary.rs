//! Summary of the data for the report.

use std::collections::BTreeMap;

use limbeck_runtime::MissingNumbers;
use serde::{Deserialize, Serialize};

use super::options::DataOptions;
use crate::checks::Check;
use crate::features::{FeatureKind, raw_columns};
use crate::kind::ColumnKind;
use crate::learned::LearnedRows;
use crate::metrics;
use crate::numbers::Notation;
use crate::ranges::Range;
use crate::reading::ReadOptions;
use crate::table::shell;
use crate::warning::{Action, Warning};

/// Summary of the data in the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// File of the table, or a name for a table made in memory.
    pub source: String,
    /// Number of rows in the file; with a test table, in both files together.
    pub rows: usize,
    /// Number of columns in the file, before any is left out.
    pub columns: usize,
    /// Number of training rows.
    pub train: usize,
    /// Number of validation rows.
    pub valid: usize,
    /// Number of test rows.
    pub test: usize,
    /// Feature columns in the order of the student's inputs, each with its kind.
    pub features: Vec<FeatureKind>,
    /// How numbers and dates are written, by name of the feature or target column. In a column without an entry, they are written as programs write
    /// them: `1085.5`, `2024-03-10`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notations: BTreeMap<String, Notation>,
    /// Numbers that mean *missing* in a target, by name of the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing_targets: BTreeMap<String, MissingNumbers>,
    /// Statistics of the target (of the first one, if there are several) over training and validation rows.
    pub target: TargetSummary,
    /// The periods of training, validation and test rows; `None` if the option `time` is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periods: Option<Periods>,
    /// Range of each number feature over training and validation rows, by feature name. Empty in reports of earlier versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ranges: BTreeMap<String, Range>,
    /// Hashes of some training and validation rows, by which these rows are recognized in another table. Empty in reports of earlier versions.
    #[serde(default, skip_serializing_if = "LearnedRows::is_empty")]
    pub learned: LearnedRows,
    /// Warnings of the checks.
    pub warnings: Vec<Warning>,
    /// SHA-256 checksum of features, targets, weights, teacher predictions from the table, and split. Two data sets with the same checksum have the
    /// same rows in the same order. Empty in reports of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

impl DataSummary {
    /// True if both summaries describe the same rows.
    ///
    /// Compares [`content`](Self::content) and features, so that the file may have moved. If one of the two has no content, because an earlier
    /// version of limbeck wrote it, compares the other fields except warnings, periods, ranges and learned rows.
    #[must_use]
    pub fn same_rows(&self, other: &Self) -> bool {
        if !self.content.is_empty() && !other.content.is_empty() {
            return self.content == other.content && self.features == other.features;
        }
        // Newer versions have more checks, so warnings may differ.
        let plain = |summary: &Self| Self {
            content: String::new(),
            warnings: Vec::new(),
            periods: None,
            ranges: BTreeMap::new(),
            learned: LearnedRows::default(),
            ..summary.clone()
        };
        plain(self) == plain(other)
    }
}

/// The periods of training, validation and test rows: their earliest and latest times in the column that the option `time` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Periods {
    /// The column with the times.
    pub column: String,
    /// True if the column is also a feature.
    pub is_feature: bool,
    /// Period of the training rows.
    pub train: Period,
    /// Period of the validation rows.
    pub valid: Period,
    /// Period of the test rows.
    pub test: Period,
}

impl std::fmt::Display for Periods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Training rows: {}; validation rows: {}; test rows: {}",
            self.train, self.valid, self.test
        )?;
        let name = &self.column;
        if self.is_feature {
            return Ok(());
        }
        write!(
            f,
            "; `{name}` orders the rows. Neither this column nor parts of its dates, such as weekday and month, are features (`--keep {}` adds them)",
            shell(name)
        )
    }
}

/// Earliest and latest time of some rows, as text. Both are empty if there are no rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// The earliest time.
    pub first: String,
    /// The latest time.
    pub last: String,
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// Statistics of a target over training and validation rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetSummary {
    /// Mean of the target values, weighted by the weights of the rows.
    pub mean: f64,
    /// Standard deviation of the target values, weighted by the weights of the rows.
    pub standard_deviation: f64,
    /// Smallest target value.
    pub min: f64,
    /// Largest target value.
    pub max: f64,
}

impl DataSummary {
    /// Columns that a check dropped, each with the check. Columns that the option `drop` names are not included.
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

    /// Names and kinds of the columns that the features are read from: the schema for [`Table::read_like`](crate::Table::read_like).
    #[must_use]
    pub fn schema(&self) -> Vec<(String, ColumnKind)> {
        raw_columns(&self.features)
    }

    /// Options for reading another table for the student. Numbers and dates are read as they are written in the training table.
    #[must_use]
    pub fn reading(&self, options: &DataOptions) -> ReadOptions {
        ReadOptions {
            // The schema sets the kinds.
            types: BTreeMap::new(),
            notations: self.notations.clone(),
            ..options.reading()
        }
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
