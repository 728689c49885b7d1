//! Options of the data: target, features, split and checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use limbeck_options::{Form, Options, Rule, Section, Spec, Value, View};
use limbeck_runtime::{Forecast, Later, Look, LookKind};

use crate::Result;
use crate::checks::Findings;
use crate::files::ReadOptions;
use crate::kind::ColumnKind;
use crate::targets::{LearnedUnit, TargetSpec};
use crate::text::{DecimalMark, Separator};
use crate::warning::Action;

limbeck_options::options! {
    /// The table: its target, its columns and its rows.
    pub struct DataOptions in "data", "Data" {
        /// Column to predict; it must contain numbers.
        target: String = String::new() => [filled("the name of the column to predict")];
        /// Learn the target's logarithm; predictions and metrics stay in the target's own unit.
        ///
        /// All values of the target must be above 0.
        log_target: bool = false => [flag("log-target", "")];
        /// With several targets: the targets to learn as logarithms; `log_target` selects all targets.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        log_targets: Vec<String> = Vec::new() => [example("[\"price\"]"), rules(&[
            Rule::Without("data.log_target", "`log_target` already selects all targets"), Rule::Among(&["data.target", "targets"]),
        ])];
        /// Columns to leave out of the features.
        drop: Vec<String> = Vec::new() => [
            flag("drop", "COLUMN"), common(), rules(&[Rule::Apart(&["data.target"], "the target is not a feature anyway")]),
        ];
        /// Columns to keep as features even if a check would drop them.
        ///
        /// The columns of `group`, `time` and `weight` are features only if they are named here too.
        keep: Vec<String> = Vec::new() => [
            flag("keep", "COLUMN"), rules(&[Rule::Apart(&["data.drop"], "a column is either kept or dropped"), NO_FEATURES]),
        ];
        /// Column of row weights, used in losses, metrics and confidence intervals.
        #[serde(skip_serializing_if = "Option::is_none")]
        weight: Option<String> = None => [flag("weight", "COLUMN"), example("\"weight\""), rules(&[ONE_ROLE])];
        /// Column of groups: rows with the same value go to the same part of the split.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String> = None => [
            flag("group", "COLUMN"), under("Split"), common(), example("\"customer\""),
            rules(&[
                Rule::Without("data.time", "rows are split either by groups or by time (define the split yourself with `data.split_column` if both matter)"),
                ONE_ROLE,
            ]),
        ];
        /// Column to sort rows by; the last rows become the test rows.
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<String> = None => [flag("time", "COLUMN"), under("Split"), common(), example("\"date\""), rules(&[ONE_ROLE])];
        /// Columns that name the series of each row, such as a machine or a share; without it, all rows are one series.
        ///
        /// Rows are ordered by `time` in each series. The columns are features only if `keep` names them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        series: Vec<String> = Vec::new() => [
            flag("series", "COLUMN"), under("Series"), common(), example("[\"machine\"]"),
            rules(&[IN_TIME, Rule::Without("data.group", "a series is a group already"), ONE_ROLE]),
        ];
        /// Statistics of earlier rows of the same series as features: lagN, diffN, rocN, logretN, emaN, macdN, meanN, minN, maxN, stdN, slopeN, volN or rsiN, with a
        /// number of rows in place of N; of all number columns, or of one: COLUMN.lagN. A range such as lag1-24 stands for one of each number of rows.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        history: Vec<String> = Vec::new() => [
            flag("history", "STATISTIC"), under("Series"), example("[\"lag1\", \"mean7\", \"load.lag24\"]"), rules(&[IN_TIME]),
        ];
        /// Number columns whose values tell the operating regime of a row, such as altitude and speed: all other number columns are normalized within each regime first.
        ///
        /// The regimes are found in the training and validation rows; the settings must switch between a few values. What is left of the other columns
        /// is not explained by the settings.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        regimes: Vec<String> = Vec::new() => [
            flag("regimes", "COLUMN"), under("Series"), example("[\"altitude\", \"speed\"]"),
            rules(&[IN_TIME, Rule::Without("teacher.model", PLAIN_NUMBERS), Rule::Without("teacher.command.command", PLAIN_NUMBERS), NO_FEATURES, Rule::Apart(&["data.drop"], "a setting must be read to tell the regime of a row")]),
        ];
        /// Number of rows to look back: adds statistics of the last `window` rows of each number column.
        ///
        /// These are lag1, mean, std and slope of `window` rows, and the mean of a quarter of them. With a horizon, differences replace the means and the
        /// lag: from the row before, from a quarter of the window before, and from the first row of the window.
        #[serde(skip_serializing_if = "Option::is_none")]
        window: Option<usize> = None => [
            within(2.0, 10_000.0), flag("window", "ROWS"), under("Series"), common(), unset("16 if `horizon` is set and `history` is not, and for recurrent students"),
            example("30"), rules(&[IN_TIME]),
        ];
        /// Number of rows ahead: predict the target of a later row of the same series; 0 predicts the target of the same row.
        ///
        /// With a horizon, the target's present and earlier values are features.
        horizon: usize = 0 => [within(0.0, 10_000.0), flag("horizon", "ROWS"), under("Series"), common(), rules(&[IN_TIME])];
        /// More horizons besides `horizon`. Each gets its own student and run, unless `joint` is set.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        horizons: Vec<usize> = Vec::new() => [within(1.0, 10_000.0), example("[6, 24]"), rules(&[
            Rule::With("data.horizon"),
            Rule::Without("teacher.from", ONE_HORIZON),
            Rule::Without("teacher.with", ONE_HORIZON),
            Rule::Without("teacher.model", ONE_HORIZON),
            Rule::Without("teacher.command.command", ONE_HORIZON),
            Rule::Without("data.teacher_column", ONE_HORIZON),
        ])];
        /// Which number to predict of the rows up to the horizon.
        forecast: Ahead = Ahead::Value => [flag("forecast", "WHAT"), under("Series"), rules(&[Rule::With("data.horizon")])];
        /// What the models learn of a forecast; the student predicts the value in both cases.
        learn: Learn = Learn::Auto => [
            flag("learn", "WHAT"), under("Series"), rules(&[
                Rule::With("data.horizon"), Rule::Where("data.forecast", &["value", "mean"], "only a value or a mean can be a change plus the present value"),
                Rule::Without("data.log_target", "a change has no logarithm"), Rule::Without("data.target_cap", "a change has no such limit"),
            ]),
        ];
        /// Number of rows in a season, such as 24 for hourly rows.
        ///
        /// Adds features: the target's change since a season ago, and since a season before the horizon. Adds the seasonal naive forecast, which repeats
        /// the last season, to the table of models.
        #[serde(skip_serializing_if = "Option::is_none")]
        season: Option<usize> = None => [
            within(2.0, 10_000.0), flag("season", "ROWS"), under("Series"), unset("no season"), example("24"), rules(&[Rule::With("data.horizon")]),
        ];
        /// Learn from every N-th row of each series only; windows of neighboring rows hardly differ.
        ///
        /// The same holds for validation rows. All rows are read as earlier rows, and all test rows are scored.
        stride: usize = 1 => [within(1.0, 10_000.0), flag("stride", "ROWS"), under("Series"), rules(&[
            IN_TIME, Rule::Without("outer_folds", "outer folds learn from test rows of other folds, which a stride does not thin"),
        ])];
        /// What to do at a gap, a step in time that is longer than usual.
        ///
        /// If at least 90 % of the steps are equal, a gap is more than 1.5 times as long; otherwise it is more than 10 times as long as the median step.
        gap: Gap = Gap::Split => [flag("gap", "ACTION"), under("Series"), rules(&[IN_TIME])];
        /// Which rows to hold out for validation and test, if no split is given.
        hold_out: HoldOut = HoldOut::Auto => [flag("hold-out", "WHICH"), under("Series"), rules(&[IN_TIME])];
        /// Models of the target's own past to compare with, besides persistence and linear on lags, which every run with a horizon has.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        judges: Vec<JudgeKind> = Vec::new() => [flag("judge", "MODEL"), under("Series"), example("[\"har\"]"), rules(&[Rule::With("data.horizon")])];
        /// Measures of test errors besides RMSE, MAE and R².
        ///
        /// With a horizon, MASE and the share of changes whose direction is right are always measured.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        measures: Vec<MeasureKind> = Vec::new() => [
            flag("measure", "MEASURE"), under("Series"), example("[\"qlike\"]"), rules(&[Rule::Without("objective.quantile", "such a measure is not of quantiles")]),
        ];
        /// Upper limit of the target: larger values are learned and scored as this number.
        #[serde(skip_serializing_if = "Option::is_none")]
        target_cap: Option<f64> = None => [flag("target-cap", "NUMBER"), unset("no limit"), example("125")];
        /// Column that assigns each row to a part of the split: train, valid, test or drop.
        #[serde(skip_serializing_if = "Option::is_none")]
        split_column: Option<String> = None => [
            flag("split-column", "COLUMN"), under("Split"), example("\"part\""),
            rules(&[Rule::Without("data.split_file", ONE_SPLIT), Rule::Without("data.test", ONE_SPLIT), ONE_ROLE]),
        ];
        /// CSV file of splits, then a colon and the NAME of the split to use.
        ///
        /// The file has the columns split (name of a split), set (train, val, test or drop), start and stop. A line puts the rows from position start up
        /// to, but not including, position stop into the set. Positions count from 0. Rows in no line are training rows.
        #[serde(skip_serializing_if = "Option::is_none")]
        split_file: Option<String> = None => [
            flag("split-file", "FILE:NAME"), under("Split"), example("\"splits.csv:s00\""), rules(&[Rule::Without("data.test", ONE_SPLIT)]),
        ];
        /// A second table; all of its rows are test rows.
        #[serde(skip_serializing_if = "Option::is_none")]
        test: Option<PathBuf> = None => [flag("test", "FILE"), under("Split"), common(), example("\"test.csv\"")];
        /// Share of rows to hold out as test rows, if no split is given.
        test_share: f64 = 0.2 => [above(0.0), up_to(0.9)];
        /// Share of training rows to hold out for validation, if no validation rows are given.
        valid_share: f64 = 0.1 => [above(0.0), up_to(0.9)];
        /// Category columns to encode as one number each, with levels in sorted order.
        ordinal: Vec<String> = Vec::new();
        /// Column of the table with a teacher's predictions.
        #[serde(skip_serializing_if = "Option::is_none")]
        teacher_column: Option<String> = None => [flag("teacher-column", "COLUMN"), under("Teacher"), example("\"pred\""), rules(&[ONE_ROLE])];
        /// Column with the standard deviation of each prediction in `teacher_column`.
        #[serde(alias = "teacher_spread", skip_serializing_if = "Option::is_none")]
        teacher_std: Option<String> = None => [
            flag("teacher-std", "COLUMN"), was("teacher-spread"), under("Teacher"), example("\"pred_sd\""), rules(&[Rule::With("data.teacher_column"), ONE_ROLE]),
        ];
        /// Column with the fold of each prediction in `teacher_column`; empty for rows that the teacher was fitted on.
        #[serde(skip_serializing_if = "Option::is_none")]
        teacher_fold: Option<String> = None => [
            flag("teacher-fold", "COLUMN"), under("Teacher"), example("\"fold\""), rules(&[Rule::With("data.teacher_column"), ONE_ROLE]),
        ];
        /// Column kinds that override the inferred ones: number, boolean, category, time or text.
        types: BTreeMap<String, ColumnKind> = BTreeMap::new() => [flag("type", "COLUMN=KIND")];
        /// Texts and numbers that mean *missing*, such as `?` or `-999`, in all columns.
        ///
        /// In columns of numbers, known markers such as `NA`, `?`, `--` and `#N/A` always mean *missing*.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        missing: Vec<String> = Vec::new() => [flag("missing", "TEXT"), under("Reading"), example("[\"?\", \"-999\"]")];
        /// Decimal mark of numbers in text; found from the cells of each column unless given.
        decimal: DecimalMark = DecimalMark::Auto => [flag("decimal", "MARK"), under("Reading")];
        /// Character between the cells of a text table, or one of the words tab, space, comma, semicolon and pipe; found from the first records unless given.
        #[serde(skip_serializing_if = "Option::is_none")]
        separator: Option<Separator> = None => [flag("separator", "CHAR"), under("Reading"), unset("found from the first records"), example("\";\"")];
        /// Number of lines to skip above the header of a text table.
        skip_lines: usize = 0 => [within(0.0, 1_000_000.0), flag("skip-lines", "N"), under("Reading")];
        /// What to do when a check finds something: warn, drop or refuse (stop with an error), for example leak=warn.
        ///
        /// The page `docs/checks.md` has a table of all checks.
        checks: BTreeMap<String, Action> = BTreeMap::new() => [flag("check", "CHECK=ACTION")];
    }
}

limbeck_options::words! {
    /// Which number of the later rows a forecast predicts; `y` is the target, and `h` the horizon.
    pub enum Ahead {
        /// The value at the horizon, `y_h`.
        #[default]
        Value = "value",
        /// The change until the horizon, `y_h - y_0`.
        Change = "change",
        /// The log return until the horizon, `ln(y_h / y_0)`.
        LogReturn = "log_return",
        /// The mean of the next rows, `y_1` to `y_h`.
        Mean = "mean",
        /// The sum of the next rows, `y_1` to `y_h`.
        Sum = "sum",
    }
}

limbeck_options::words! {
    /// A model of the target's own past.
    pub enum JudgeKind {
        /// Regression on the means of the target's last 1, 5 and 22 values, fitted anew as time goes on over the test rows (Corsi 2009).
        #[default]
        Har = "har",
    }
}

limbeck_options::words! {
    /// A measure of test errors; `y` is the target, `f` the forecast of a variance `v`.
    pub enum MeasureKind {
        /// QLIKE of a target that is a variance: the mean of `v/f - ln(v/f) - 1` (Patton 2011).
        #[default]
        Qlike = "qlike",
        /// QLIKE of a target that is a volatility (a standard deviation): `v = y²`.
        QlikeVolatility = "qlike_volatility",
        /// QLIKE of a target that is the logarithm of a variance: `v = exp(y)`.
        QlikeLogVariance = "qlike_log_variance",
        /// QLIKE of a target that is the logarithm of a volatility: `v = exp(2 y)`.
        QlikeLogVolatility = "qlike_log_volatility",
        /// The score of the PHM 2008 challenge for a remaining life: late predictions cost more than early ones.
        Phm08 = "phm08",
    }
}

limbeck_options::words! {
    /// What the models learn of a forecast.
    pub enum Learn {
        /// The change, if on validation rows the present value is a better forecast than the mean of the training rows; otherwise the value.
        #[default]
        Auto = "auto",
        /// The value itself.
        Value = "value",
        /// The change from the target's present value, which the student adds to its prediction.
        Change = "change",
    }
}

limbeck_options::words! {
    /// What to do at a gap in a series.
    pub enum Gap {
        /// Treat the rows after it as a new series, so that nothing looks across it.
        #[default]
        Split = "split",
        /// Treat the rows on both sides as neighbors.
        Ignore = "ignore",
        /// Stop with an error that names the first gap.
        Refuse = "refuse",
    }
}

limbeck_options::words! {
    /// Which rows of series are held out for validation and test.
    pub enum HoldOut {
        /// Whole series if there are at least 10 and `horizon` is 0, otherwise the last rows in time.
        #[default]
        Auto = "auto",
        /// The last rows in time, of all series.
        Time = "time",
        /// Whole series at random.
        Series = "series",
    }
}

impl MeasureKind {
    /// True for all kinds of QLIKE.
    #[must_use]
    pub fn is_qlike(self) -> bool {
        self != Self::Phm08
    }
}

impl Ahead {
    /// The forecast of this name.
    #[must_use]
    pub fn forecast(self) -> Forecast {
        match self {
            Self::Value => Forecast::Value,
            Self::Change => Forecast::Change,
            Self::LogReturn => Forecast::LogReturn,
            Self::Mean => Forecast::Mean,
            Self::Sum => Forecast::Sum,
        }
    }
}

/// Series need an order of their rows.
const IN_TIME: Rule = Rule::With("data.time");
const ONE_HORIZON: &str =
    "a teacher of this kind predicts only one horizon; run limbeck distill once for each horizon";
const PLAIN_NUMBERS: &str = "such a teacher expects the numbers of the table, not normalized ones";
const ONE_SPLIT: &str = "only one of the two can choose the test rows";
const ONE_ROLE: Rule = Rule::Apart(
    &[
        "data.target",
        "data.weight",
        "data.group",
        "data.time",
        "data.series",
        "data.split_column",
        "data.teacher_column",
        "data.teacher_std",
        "data.teacher_fold",
    ],
    "a column can have only one of these uses",
);
/// The columns of these options cannot be features. Columns of groups, times and weights can.
const NO_FEATURES: Rule = Rule::Apart(
    &[
        "data.target",
        "data.split_column",
        "data.teacher_column",
        "data.teacher_std",
        "data.teacher_fold",
    ],
    "this column cannot be a feature",
);

/// Rules for the option `targets` of a recipe, which names the targets besides `data.target`.
pub const TARGET_RULES: &[Rule] = &[Rule::Apart(
    &["targets", "data.target", "data.keep", "data.drop"],
    "a target is learned once, and is not a feature",
)];

/// Window of forecasts without the options `window` and `history`, and of recurrent students without the option `window`.
pub const DEFAULT_WINDOW: usize = 16;

/// The statistics that a text names: one such as `lag7`, or one for each number of rows of a range, such as `lag1-24`.
fn looks_of(text: &str) -> std::result::Result<Vec<Look>, String> {
    let one = |text: &str| text.parse::<Look>();
    let Some((first, last)) = text.split_once('-') else {
        return Ok(vec![one(text)?]);
    };
    let first: Look = one(first)?;
    match last.parse::<u32>() {
        Ok(last) if last >= first.rows => (first.rows..=last)
            .map(|rows| one(&format!("{}{rows}", first.kind.name())))
            .collect(),
        _ => Err(format!(
            "`{text}`: found `{last}` behind the dash, expected a whole number of at least {}, the last number of rows of the range",
            first.rows
        )),
    }
}

/// The statistics that the option `window` selects. With a horizon, they are differences rather than levels: a series may drift away from the levels of
/// its training rows.
fn window_looks(window: usize, horizon: usize) -> impl Iterator<Item = Look> {
    let (whole, quarter) = (window as u32, (window / 4).max(2) as u32);
    let levels = [
        (LookKind::Lag, 1),
        (LookKind::Mean, quarter),
        (LookKind::Mean, whole),
        (LookKind::Std, whole),
        (LookKind::Slope, whole),
    ];
    let changes = [
        (LookKind::Diff, 1),
        (LookKind::Diff, quarter),
        (LookKind::Diff, whole - 1),
        (LookKind::Std, whole),
        (LookKind::Slope, whole),
    ];
    let all = if horizon == 0 { levels } else { changes };
    all.into_iter().map(|(kind, rows)| Look { kind, rows })
}

impl DataOptions {
    /// Default options with this target.
    #[must_use]
    pub fn for_target(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            ..Self::default()
        }
    }

    /// Options for reading the table.
    #[must_use]
    pub fn reading(&self) -> ReadOptions {
        ReadOptions {
            types: self.types.clone(),
            missing: self.missing.clone(),
            decimal: self.decimal,
            separator: self.separator,
            skip_lines: self.skip_lines,
            notations: BTreeMap::new(),
        }
    }

    /// True if an option (`types` or `ordinal`) sets the kind of a column.
    pub(crate) fn has_kind(&self, column: &str) -> bool {
        self.types.contains_key(column) || self.ordinal.iter().any(|name| name == column)
    }

    /// The numbers among the texts of the option `missing`.
    pub(crate) fn missing_numbers(&self) -> Vec<f64> {
        self.reading().rules(false).missing_numbers()
    }

    /// The unit in which a target is learned: its logarithm if `log_target` or `log_targets` selects it, otherwise its own unit.
    #[must_use]
    pub fn learned_unit(&self, target: &str) -> LearnedUnit {
        if self.log_target || self.log_targets.iter().any(|name| name == target) {
            LearnedUnit::Log
        } else {
            LearnedUnit::Own
        }
    }

    /// All horizons: `horizon`, then `horizons`.
    pub fn all_horizons(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.horizon).chain(self.horizons.iter().copied())
    }

    /// The largest horizon; 0 if the targets of the same rows are predicted.
    #[must_use]
    pub fn longest_horizon(&self) -> usize {
        self.all_horizons().max().unwrap_or(0)
    }

    /// The targets: each of the columns `target` and `others`, with one horizon or with each of several horizons.
    #[must_use]
    pub fn targets(&self, others: &[String]) -> Vec<TargetSpec> {
        let columns = std::iter::once(&self.target).chain(others);
        let of = |column: &String| -> Vec<TargetSpec> {
            let unit = self.learned_unit(column);
            if self.horizons.is_empty() {
                return vec![TargetSpec::new(column, unit)];
            }
            let later = |horizon: usize| Later {
                column: column.clone(),
                horizon: horizon as u32,
            };
            self.all_horizons()
                .map(|horizon| TargetSpec::ahead(later(horizon), unit))
                .collect()
        };
        columns.flat_map(of).collect()
    }

    /// Refuses a horizon that is given twice, and a horizon of 0 among several.
    fn check_horizons(&self) -> Result<()> {
        if !self.horizons.is_empty() && self.all_horizons().any(|horizon| horizon == 0) {
            return Err(crate::Error::option(
                "horizons",
                "a horizon of 0 means no forecast, so it cannot be one of several horizons; leave out the 0 (in a recipe, set `data.horizon` to one of the horizons)",
            ));
        }
        let mut seen = BTreeSet::new();
        match self.all_horizons().find(|horizon| !seen.insert(*horizon)) {
            None => Ok(()),
            Some(twice) => Err(crate::Error::option(
                "horizons",
                format!("the horizon {twice} is given twice; name each horizon once"),
            )),
        }
    }

    /// True if the rows form series: then rows look back on earlier rows, or forecasts look ahead.
    #[must_use]
    pub fn has_series(&self) -> bool {
        !self.series.is_empty()
            || !self.history.is_empty()
            || self.window.is_some()
            || !self.regimes.is_empty()
            || self.horizon > 0
            || self.gap != Gap::Split
            || self.stride > 1
            || self.hold_out != HoldOut::Auto
    }

    /// The statistics of earlier rows that the options `history`, `window` and `season` select, each with the column that it is of; `None` stands for
    /// all number columns. A statistic that occurs twice is listed once.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) if a text in `history` is not a statistic.
    pub fn looks(&self) -> Result<Vec<(Option<String>, Look)>> {
        let mut all = Vec::new();
        for text in &self.history {
            let (column, look) = match text.rsplit_once('.') {
                Some((column, look)) => (Some(column.to_owned()), look),
                None => (None, text.as_str()),
            };
            let looks =
                looks_of(look).map_err(|message| crate::Error::option("history", message))?;
            all.extend(looks.into_iter().map(|look| (column.clone(), look)));
        }
        let by_default = (self.horizon > 0 && self.history.is_empty()).then_some(DEFAULT_WINDOW);
        if let Some(window) = self.window.or(by_default) {
            all.extend(window_looks(window, self.horizon).map(|look| (None, look)));
        }
        if let Some(season) = self.season {
            let before = |horizon: usize| season * horizon.div_ceil(season) - horizon;
            let backs = self.all_horizons().map(before).chain([season]);
            for back in backs.filter(|back| *back > 0) {
                let look = Look {
                    kind: LookKind::Diff,
                    rows: back as u32,
                };
                all.push((Some(self.target.clone()), look));
            }
        }
        let mut kept: Vec<(Option<String>, Look)> = Vec::new();
        for one in all {
            if !kept.contains(&one) && !kept.contains(&(None, one.1)) {
                kept.push(one);
            }
        }
        Ok(kept)
    }

    /// True if `drop` names the column, and no statistic in `history` is of this column alone.
    pub(crate) fn is_dropped(&self, column: &str) -> bool {
        let of_history = |text: &String| {
            let own = text.rsplit_once('.');
            own.is_some_and(|(own, _)| own == column)
        };
        self.drop.iter().any(|dropped| dropped == column) && !self.history.iter().any(of_history)
    }

    /// Refuses two kinds of QLIKE: a target has one meaning.
    fn check_measures(&self) -> Result<()> {
        let kinds = self.measures.iter().filter(|kind| kind.is_qlike());
        let names: Vec<&str> = kinds.map(|kind| kind.name()).collect();
        match names[..] {
            [] | [_] => Ok(()),
            _ => Err(crate::Error::option(
                "measures",
                format!(
                    "found {}, expected one of them: a target is either a variance, a volatility or the logarithm of one",
                    names.join(" and ")
                ),
            )),
        }
    }

    /// Options that name a single column: pairs of option name and column name.
    pub(crate) fn single_columns(&self) -> Vec<(&'static str, &str)> {
        let optional = [
            ("weight", &self.weight),
            ("group", &self.group),
            ("time", &self.time),
            ("split_column", &self.split_column),
            ("teacher_column", &self.teacher_column),
            ("teacher_std", &self.teacher_std),
            ("teacher_fold", &self.teacher_fold),
        ];
        let given = optional
            .into_iter()
            .filter_map(|(option, column)| Some((option, column.as_deref()?)));
        std::iter::once(("target", self.target.as_str()))
            .chain(given)
            .collect()
    }

    /// Checks the options as far as possible without a table.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for a missing target, a share outside its range, options that exclude each other, a
    /// column with two roles, or a check or action that does not exist.
    pub fn check(&self) -> Result<()> {
        Findings::new(&self.checks, &self.keep)?;
        self.looks()?;
        self.check_horizons()?;
        self.check_measures()?;
        Ok(self.validate()?)
    }

    /// Like [`check`](Self::check), and also checks `others`, the targets besides `target`. If `has_test` is set, the option `test` counts as given.
    pub(crate) fn check_with(&self, others: &[String], has_test: bool) -> Result<()> {
        const OTHERS: Section = Section {
            name: "",
            heading: "",
            doc: "",
            options: &[Spec::new("targets", "", Form::List(&Form::Text)).rules(TARGET_RULES)],
        };
        Findings::new(&self.checks, &self.keep)?;
        self.looks()?;
        self.check_horizons()?;
        self.check_measures()?;
        let given = has_test.then(|| PathBuf::from("a test table"));
        let own = Self {
            test: self.test.clone().or(given),
            ..self.clone()
        };
        let others = View {
            section: OTHERS,
            seen: vec![others.to_vec().seen()],
            default: vec![Vec::<String>::new().seen()],
        };
        Ok(limbeck_options::check(&[own.view(), others])?)
    }
}
