//! Options of the data: target, features, split and checks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use limbeck_options::{Form, Options, Rule, Section, Spec, Value, View};

use crate::Result;
use crate::checks::Findings;
use crate::files::ReadOptions;
use crate::kind::ColumnKind;
use crate::targets::LearnedUnit;
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

const ONE_SPLIT: &str = "only one of the two can choose the test rows";
const ONE_ROLE: Rule = Rule::Apart(
    &[
        "data.target",
        "data.weight",
        "data.group",
        "data.time",
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
