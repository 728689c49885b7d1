//! Summary of the data for the report.

use std::collections::BTreeMap;

use limbeck_runtime::{Forecast, KeyKind, MissingNumbers, Regimes, Sequence};
use serde::{Deserialize, Serialize};

use super::options::DataOptions;
use crate::checks::Check;
use crate::features::{FeatureKind, raw_columns};
use crate::figures::{counted, grouped};
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
    /// The series that the rows form, and the leak audit; `None` if the rows form no series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesSummary>,
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
    /// SHA-256 checksum of the rows before each row, which networks read; empty if none reads them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub past: String,
}

impl DataSummary {
    /// True if both summaries describe the same rows.
    ///
    /// Compares [`content`](Self::content) and features, so that the file may have moved. If one of the two has no content, because an earlier
    /// version of limbeck wrote it, compares the other fields except warnings, periods, series, ranges and learned rows.
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
            series: None,
            ranges: BTreeMap::new(),
            learned: LearnedRows::default(),
            ..summary.clone()
        };
        plain(self) == plain(other)
    }
}

/// The series that the rows of a table form, and the results of the leak audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesSummary {
    /// How rows form series, and how far ahead the target is.
    pub sequence: Sequence,
    /// Number of series.
    pub series: usize,
    /// Number of gaps at which series were split.
    pub gaps: usize,
    /// The median step between neighboring rows of a series, in seconds for dates; `None` if every series has one row.
    pub usual_step: Option<f64>,
    /// True if at least 90 % of the steps are as long as the median step.
    pub is_regular: bool,
    /// Number of rows of the shortest stretch without a gap.
    pub shortest: usize,
    /// Number of rows of the longest stretch without a gap.
    pub longest: usize,
    /// True if whole series are held out; false if the last rows in time are.
    pub whole_series: bool,
    /// Number of training and validation rows left out because their target is known only after the first validation or test row.
    pub purged: usize,
    /// The leak audit: whether training could have seen what it must not see.
    pub audit: Vec<Audit>,
}

impl SeriesSummary {
    /// The summary with more tests of the leak audit, and with what the models learn: changes from the present value if `relative` is true.
    pub(super) fn with(mut self, audit: Vec<Audit>, relative: bool) -> Self {
        self.audit.extend(audit);
        self.sequence.relative = relative;
        self
    }

    /// The summary of rows of which networks read `rows_before` rows before each row, and of which columns are normalized by `regimes`.
    pub(super) fn reading(mut self, rows_before: usize, regimes: Option<Regimes>) -> Self {
        self.sequence.rows_before = rows_before as u32;
        self.sequence.regimes = regimes;
        self
    }

    /// True if all tests of the leak audit passed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.audit.iter().all(|audit| audit.passed)
    }

    /// What is predicted of the target, such as *the value 5 rows later*; `None` if it is the target of the same row.
    #[must_use]
    pub fn ahead(&self) -> Option<String> {
        let rows = match self.sequence.horizon {
            0 => return None,
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        Some(match self.sequence.forecast {
            Forecast::Value => format!("the value {rows} later"),
            Forecast::Change => format!("the change over the next {rows}"),
            Forecast::LogReturn => format!("the log return over the next {rows}"),
            Forecast::Mean => format!("the mean of the next {rows}"),
            Forecast::Sum => format!("the sum of the next {rows}"),
        })
    }

    /// The usual step between rows, for people.
    fn step(&self) -> String {
        let Some(step) = self.usual_step else {
            return String::new();
        };
        let step = match self.sequence.time.kind {
            KeyKind::Date => seconds(step),
            KeyKind::Number | KeyKind::Text => step.to_string(),
        };
        match self.is_regular {
            true => format!(", usually {step} apart"),
            false => format!(", at irregular steps (median {step})"),
        }
    }
}

/// A number of seconds in the largest unit that is not longer.
fn seconds(step: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (0.0, "s")];
    let (size, unit) = UNITS
        .into_iter()
        .find(|(size, _)| step >= *size)
        .unwrap_or(UNITS[3]);
    format!("{} {unit}", step / f64::max(size, 1.0))
}

impl std::fmt::Display for SeriesSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lengths = match self.shortest == self.longest {
            true => counted(self.longest, "row"),
            false => format!(
                "{} to {} rows",
                grouped(self.shortest),
                grouped(self.longest)
            ),
        };
        let series = match self.series {
            1 => "1 series".to_owned(),
            series => format!("{} series", grouped(series)),
        };
        let gaps = match self.gaps {
            0 => "no gaps".to_owned(),
            gaps => format!("split at {}", counted(gaps, "gap")),
        };
        write!(f, "{series} of {lengths}{}, {gaps}", self.step())?;
        if let Some(regimes) = &self.sequence.regimes {
            let columns = counted(regimes.columns.len(), "column");
            let names = regimes.settings.iter().map(|own| own.name.as_str());
            let (count, settings) = (
                regimes.centers.len(),
                names.collect::<Vec<_>>().join("`, `"),
            );
            write!(
                f,
                "; {columns} normalized in {count} regimes of `{settings}`"
            )?;
        }
        if let Some(ahead) = self.ahead() {
            let learned = match self.sequence.relative {
                true => ", learned as change from the present value",
                false => "",
            };
            write!(f, "; predicted is {ahead}{learned}")?;
        }
        match self.whole_series {
            true => write!(f, "; whole series are held out"),
            false if self.purged == 0 => write!(f, "; the last rows in time are held out"),
            false => write!(
                f,
                "; the last rows in time are held out, and {} left out because their targets lie in held-out rows",
                counted(self.purged, "row")
            ),
        }
    }
}

/// One test of the leak audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// What was tested, as a statement that should be true.
    pub test: String,
    /// True if the statement is true.
    pub passed: bool,
    /// What was found.
    pub found: String,
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

    /// How rows form series; `None` if they form none.
    #[must_use]
    pub fn sequence(&self) -> Option<&Sequence> {
        self.series.as_ref().map(|series| &series.sequence)
    }

    /// Number of rows before each row that networks read; 0 if they read each row alone.
    #[must_use]
    pub fn rows_before(&self) -> usize {
        self.sequence()
            .map_or(0, |sequence| sequence.rows_before as usize)
    }

    /// Number of rows that the targets lie ahead, in forecasts; 0 if they belong to their own rows.
    #[must_use]
    pub fn horizon(&self) -> usize {
        self.sequence()
            .map_or(0, |sequence| sequence.horizon as usize)
    }

    /// Names and kinds of the columns that the features are read from: the schema for [`Table::read_like`](crate::Table::read_like).
    #[must_use]
    pub fn schema(&self) -> Vec<(String, ColumnKind)> {
        raw_columns(&self.features, self.sequence())
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
