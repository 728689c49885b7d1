//! From a table to checked, split rows.
//!
//! The order of things matters and is this: split file or split column (by position in the file, before any row is
//! dropped), infinite numbers, rows without target, held-out rows, then the checks of columns on training and
//! validation rows alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use limbeck_options::{Options, Rule};
use serde::{Deserialize, Serialize};

use crate::checks::{
    Action, Check, Findings, Warning, check_capped_target, check_features, check_rows,
    check_seen_test,
};
use crate::content::{content, seen};
use crate::features::{Feature, Features};
use crate::kind::{Kind, number, shown};
use crate::metrics;
use crate::rng::generator;
use crate::split::{FoldKind, Part, Split, Ties, parts_from_file, time_blocks};
use crate::table::{Column, ReadOptions, Table, Values, infinite_cell};
use crate::{Error, Result};

limbeck_options::options! {
    /// The table: its target, its columns and its rows.
    pub struct DataOptions in "data", "Data" {
        /// Column to predict, a number.
        target: String = String::new();
        /// Learn the target's logarithm; figures stay in the target's own unit.
        ///
        /// All targets have to be above 0.
        log_target: bool = false => [flag("log-target", "")];
        /// Columns that are no features.
        drop: Vec<String> = Vec::new() => [flag("drop", "COLUMN"), common()];
        /// Columns that stay features although a check would drop them.
        ///
        /// Columns named by `group`, `time` and `weight` are features only if they are named here, too.
        keep: Vec<String> = Vec::new() => [flag("keep", "COLUMN")];
        /// Column of row weights, used in losses, metrics and intervals.
        #[serde(skip_serializing_if = "Option::is_none")]
        weight: Option<String> = None => [flag("weight", "COLUMN"), example("\"weight\"")];
        /// Column whose equal values stay together in one part.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String> = None => [
            flag("group", "COLUMN"), under("Split"), common(), example("\"customer\""),
            rules(&[Rule::Without("data.time", "rows are split by one of them; where both matter, give the split yourself by split_column")]),
        ];
        /// Column to order rows by; the last ones are held out.
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<String> = None => [flag("time", "COLUMN"), under("Split"), common(), example("\"date\"")];
        /// Column that says train, valid, test or drop for each row.
        #[serde(skip_serializing_if = "Option::is_none")]
        split_column: Option<String> = None => [
            flag("split-column", "COLUMN"), under("Split"), example("\"part\""),
            rules(&[Rule::Without("data.split_file", ONE_SPLIT), Rule::Without("data.test", ONE_SPLIT)]),
        ];
        /// Split NAME of a file with the columns split, set, start, stop.
        #[serde(skip_serializing_if = "Option::is_none")]
        split_file: Option<String> = None => [
            flag("split-file", "FILE:NAME"), under("Split"), example("\"splits.csv:s00\""), rules(&[Rule::Without("data.test", ONE_SPLIT)]),
        ];
        /// Second table, all of it test rows.
        #[serde(skip_serializing_if = "Option::is_none")]
        test: Option<PathBuf> = None => [flag("test", "FILE"), under("Split"), common(), example("\"test.csv\"")];
        /// Share of rows held out for the test where no split is given.
        test_share: f64 = 0.2 => [above(0.0), up_to(0.9)];
        /// Share of training rows for validation where none are given.
        valid_share: f64 = 0.1 => [above(0.0), up_to(0.9)];
        /// Category columns encoded as one ordered number, levels in sorted order.
        ordinal: Vec<String> = Vec::new();
        /// Column of the table with a teacher's predictions.
        #[serde(skip_serializing_if = "Option::is_none")]
        teacher_column: Option<String> = None => [flag("teacher-column", "COLUMN"), under("Teacher"), example("\"pred\"")];
        /// Column with the standard deviation of those predictions.
        #[serde(skip_serializing_if = "Option::is_none")]
        teacher_spread: Option<String> = None => [
            flag("teacher-spread", "COLUMN"), under("Teacher"), example("\"pred_sd\""), rules(&[Rule::With("data.teacher_column")]),
        ];
        /// Column with the fold of those predictions, empty for rows the teacher was fitted on.
        #[serde(skip_serializing_if = "Option::is_none")]
        teacher_fold: Option<String> = None => [
            flag("teacher-fold", "COLUMN"), under("Teacher"), example("\"fold\""), rules(&[Rule::With("data.teacher_column")]),
        ];
        /// Kinds of columns that replace the inferred ones: number, boolean, category, time or text.
        types: BTreeMap<String, Kind> = BTreeMap::new() => [flag("type", "COLUMN=KIND")];
        /// What a check does when it finds something: warn, drop or refuse, such as leak=warn.
        ///
        /// See [`checks`](crate::checks).
        checks: BTreeMap<String, Action> = BTreeMap::new() => [flag("check", "CHECK=ACTION")];
    }
}

const ONE_SPLIT: &str = "the test rows come from one of them";

impl DataOptions {
    /// The defaults, for one target.
    #[must_use]
    pub fn for_target(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            ..Self::default()
        }
    }

    /// Options that name one column, by option name.
    fn single_columns(&self) -> Vec<(&'static str, &str)> {
        let optional = [
            ("weight", &self.weight),
            ("group", &self.group),
            ("time", &self.time),
            ("split_column", &self.split_column),
            ("teacher_column", &self.teacher_column),
            ("teacher_spread", &self.teacher_spread),
            ("teacher_fold", &self.teacher_fold),
        ];
        let given = optional
            .into_iter()
            .filter_map(|(option, column)| Some((option, column.as_deref()?)));
        std::iter::once(("target", self.target.as_str()))
            .chain(given)
            .collect()
    }

    /// Checks what can be checked without a table.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for a share outside its range, for options that exclude each other, for a column in two
    /// roles, or for a check that does not exist.
    pub fn check(&self) -> Result<()> {
        Findings::new(&self.checks, &self.keep)?;
        if self.target.is_empty() {
            return Err(Error::option(
                "data.target",
                "none given; name the column to predict",
            ));
        }
        self.validate()?;
        self.check_roles()
    }

    /// Each column has one role.
    fn check_roles(&self) -> Result<()> {
        let singles = self.single_columns();
        for (index, (option, column)) in singles.iter().enumerate() {
            if let Some((other, _)) = singles[..index].iter().find(|(_, other)| other == column) {
                return Err(Error::option(
                    option,
                    format!("column `{column}` is already the `{other}`"),
                ));
            }
            if *option == "target" && self.drop.iter().any(|dropped| dropped == column) {
                return Err(Error::option(
                    "drop",
                    format!("column `{column}` is the target"),
                ));
            }
            let may_be_feature = matches!(*option, "group" | "time" | "weight");
            if !may_be_feature && self.keep.iter().any(|kept| kept == column) {
                return Err(Error::option(
                    "keep",
                    format!("column `{column}` is the `{option}`, which is no feature"),
                ));
            }
        }
        match self.keep.iter().find(|kept| self.drop.contains(kept)) {
            Some(both) => Err(Error::option(
                "keep",
                format!("column `{both}` is also in `drop`"),
            )),
            None => Ok(()),
        }
    }
}

/// Predictions of a teacher that came with the table; each list has one entry per row of the data set.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenTeacher {
    /// Its predictions, in the target's unit.
    pub prediction: Vec<f64>,
    /// Its standard deviations, in the target's unit.
    pub spread: Option<Vec<f64>>,
    /// Its folds; [`NO_FOLD`](crate::folds::NO_FOLD) where it was fitted on the row or no fold is known.
    pub fold: Option<Vec<u32>>,
}

/// Rows ready to learn from: no missing or infinite target, features checked, parts chosen.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Features of all rows.
    pub features: Features,
    /// Targets, in their own unit.
    pub target: Vec<f64>,
    /// Weights; ones where none are given.
    pub weight: Vec<f64>,
    /// Position of each row in the file, from 0; rows of a second, test table count on from the first table's last.
    pub rows: Vec<usize>,
    /// Group or stretch of time of each row, for the bootstrap and for folds; stretches are numbered in order of time.
    pub blocks: Option<Vec<u32>>,
    /// Which rows are fitted, chosen on and reported on.
    pub split: Split,
    /// True where the validation rows were given, and not drawn from the training rows.
    pub valid_given: bool,
    /// How folds are drawn.
    pub fold_kind: FoldKind,
    /// Predictions of a teacher in the table.
    pub given: Option<GivenTeacher>,
    /// Name of the target column.
    pub target_name: String,
    /// What the report says of the data.
    pub summary: DataSummary,
}

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
    pub kind: Kind,
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
    /// What [`Table::read_like`] needs to read rows for a student of this data.
    #[must_use]
    pub fn schema(&self) -> Vec<(String, Kind)> {
        self.features
            .iter()
            .map(|feature| (feature.name.clone(), feature.kind))
            .collect()
    }
}

impl Dataset {
    /// Reads the table, and the test table if the options name one, and makes a data set of them.
    ///
    /// # Errors
    ///
    /// As [`Table::read`] and [`from_table`](Self::from_table).
    pub fn load(path: impl AsRef<Path>, options: &DataOptions, seed: u64) -> Result<Self> {
        options.check()?;
        let table = Table::read(
            path,
            &ReadOptions {
                types: options.types.clone(),
            },
        )?;
        let test = match &options.test {
            None => None,
            Some(test) => {
                // Asked for before the test table is opened, so that the right table is named.
                table.require(&options.target, "option `target`")?;
                let schema: Vec<_> = table
                    .schema()
                    .into_iter()
                    .filter(|(name, _)| !options.drop.contains(name))
                    .collect();
                Some(Table::read_like(test, &schema)?)
            }
        };
        Self::from_table(table, options, test, seed)
    }

    /// Checks and splits a table. Rows of `test`, a second table read with the kinds of the first, are all test rows.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`], [`Error::NoSuchColumn`], [`Error::Cell`], [`Error::Refused`] or [`Error::Split`], each
    /// with the place.
    pub fn from_table(
        table: Table,
        options: &DataOptions,
        test: Option<Table>,
        seed: u64,
    ) -> Result<Self> {
        options.check()?;
        if test.is_some() && (options.split_column.is_some() || options.split_file.is_some()) {
            return Err(Error::option(
                "test",
                "excludes `split_column` and `split_file`",
            ));
        }
        let mut findings = Findings::new(&options.checks, &options.keep)?;
        check_names(&table, options)?;
        let given_columns = table.columns.len();
        let mut source = Source::join(table, options, test)?;
        note_markers(&source.table.notes, &mut findings)?;

        let mut parts = source.given_parts(options)?;
        source.check_infinite(options, &mut parts, &mut findings)?;
        let mut target = source.target(&options.target)?;
        let rows = source.usable_rows(&options.target, &target, &parts, &mut findings)?;
        let parts: Vec<Part> = rows.iter().map(|row| parts[*row]).collect();
        target = rows.iter().map(|row| target[*row]).collect();
        if options.log_target {
            source.check_log_target(&options.target, &rows, &target)?;
        }
        let weight = source.weights(options, &rows)?;
        let given = source.given_teacher(options, &rows)?;
        let group = options
            .group
            .as_ref()
            .map(|name| source.groups(name, &rows))
            .transpose()?;
        let time = options
            .time
            .as_ref()
            .map(|name| source.times(name, &rows))
            .transpose()?;

        let ties = match (&group, &time) {
            (Some(group), _) => Ties::Group(group),
            (None, Some(time)) => Ties::Time(time),
            (None, None) => Ties::None,
        };
        let valid_given = parts.contains(&Part::Valid);
        let split = split(&parts, &ties, source.has_split(options), options, seed)?;
        let learn = split.train_valid();
        for (part, part_rows) in [
            ("training", &split.train),
            ("validation", &split.valid),
            ("test", &split.test),
        ] {
            if !part_rows.is_empty() && part_rows.iter().all(|row| weight[*row] == 0.0) {
                let message = format!(
                    "is 0 in all {part} rows, which count by their weights; give some of them weight, or leave the option out"
                );
                return Err(Error::option("weight", message));
            }
        }
        let name = source.name().to_owned();
        check_rows(&name, split.train.len(), &mut findings)?;
        check_varied_target(&name, &options.target, &learn, &target)?;
        check_capped_target(&name, &options.target, &learn, &target, &mut findings)?;

        let total_rows = source.table.rows;
        let columns = source.feature_columns(options, &rows);
        let columns = check_features(&name, columns, &learn, &target, &mut findings)?;
        if columns.is_empty() {
            let message = format!(
                "{name}: no feature column is left; see the warnings, or name columns in `keep`"
            );
            return Err(Error::Shape { message });
        }
        let kinds = columns
            .iter()
            .map(|column| FeatureKind {
                name: column.name.clone(),
                kind: column.kind,
            })
            .collect();
        let mut features = Features {
            columns: columns
                .into_iter()
                .filter_map(Feature::from_column)
                .collect(),
            rows: rows.len(),
        };
        features.mark_integers(&learn);
        check_seen_test(
            &name,
            seen(&features, &target, &learn, &split.test),
            split.test.len(),
            &mut findings,
        )?;

        let (fold_kind, blocks) = match (group, time) {
            (Some(group), _) => (FoldKind::Group, Some(group)),
            (None, Some(time)) => (FoldKind::Time, Some(time_blocks(&time, split.test.len()))),
            (None, None) => (FoldKind::Random, None),
        };
        let summary = DataSummary {
            source: name,
            rows: total_rows,
            columns: given_columns,
            train: split.train.len(),
            valid: split.valid.len(),
            test: split.test.len(),
            features: kinds,
            target: summarize(&target, &weight, &learn),
            warnings: findings.warnings,
            content: content(&features, &[&target, &weight], given.as_ref(), &split),
        };
        let target_name = options.target.clone();
        Ok(Self {
            features,
            target,
            weight,
            rows,
            blocks,
            split,
            valid_given,
            fold_kind,
            given,
            target_name,
            summary,
        })
    }

    /// Targets of the given rows.
    #[must_use]
    pub fn target_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|row| self.target[*row]).collect()
    }

    /// Weights of the given rows.
    #[must_use]
    pub fn weight_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|row| self.weight[*row]).collect()
    }

    /// Blocks of the given rows, where the data set has blocks.
    #[must_use]
    pub fn blocks_of(&self, rows: &[usize]) -> Option<Vec<u32>> {
        self.blocks
            .as_ref()
            .map(|blocks| rows.iter().map(|row| blocks[*row]).collect())
    }
}

/// Each column named by an option is there.
fn check_names(table: &Table, options: &DataOptions) -> Result<()> {
    for (option, column) in options.single_columns() {
        table.require(column, &format!("option `{option}`"))?;
    }
    let lists = [
        ("drop", &options.drop),
        ("keep", &options.keep),
        ("ordinal", &options.ordinal),
    ];
    for (option, columns) in lists {
        for column in columns {
            table.require(column, &format!("option `{option}`"))?;
        }
    }
    for column in &options.ordinal {
        let kind = table.require(column, "option `ordinal`")?.kind;
        if kind != Kind::Category {
            return Err(Error::option(
                "ordinal",
                format!("column `{column}` is of kind {kind}, expected category"),
            ));
        }
    }
    Ok(())
}

fn note_markers(notes: &[Warning], findings: &mut Findings<'_>) -> Result<()> {
    for note in notes {
        if note.check == Check::MissingMarker.name() {
            findings.found(
                Check::MissingMarker,
                note.column.as_deref(),
                note.message.clone(),
            )?;
        } else {
            findings.warnings.push(note.clone());
        }
    }
    Ok(())
}

/// The table, with the rows of a test table below its own.
struct Source {
    table: Table,
    first_rows: usize,
    test_source: Option<String>,
}

impl Source {
    /// Joins the tables and leaves out the columns to drop.
    fn join(mut table: Table, options: &DataOptions, test: Option<Table>) -> Result<Self> {
        let named: BTreeSet<&str> = options
            .single_columns()
            .into_iter()
            .map(|(_, column)| column)
            .collect();
        // A column may be dropped as a feature and still be the group, the time or the weight.
        let stays = |column: &str| {
            named.contains(column) || !options.drop.iter().any(|dropped| dropped == column)
        };
        table.columns.retain(|column| stays(&column.name));
        table
            .notes
            .retain(|note| note.column.as_deref().is_none_or(stays));
        let first_rows = table.rows;
        let test_source = test.as_ref().map(|test| test.source.clone());
        if let Some(test) = test {
            let aligned = align(test, &table)?;
            table.append(aligned)?;
        }
        Ok(Self {
            table,
            first_rows,
            test_source,
        })
    }

    fn name(&self) -> &str {
        &self.table.source
    }

    /// File and data row, from 1, of a row of the joined table.
    fn place(&self, row: usize) -> (String, usize) {
        match &self.test_source {
            Some(test) if row >= self.first_rows => (test.clone(), row - self.first_rows + 1),
            _ => (self.name().to_owned(), row + 1),
        }
    }

    fn cell(&self, column: &str, row: usize, found: String, expected: &str) -> Error {
        let (source_name, row) = self.place(row);
        let (column, expected) = (column.to_owned(), expected.to_owned());
        Error::Cell {
            source_name,
            row,
            line: None,
            column,
            found,
            expected,
        }
    }

    fn has_split(&self, options: &DataOptions) -> bool {
        self.test_source.is_some() || options.split_file.is_some() || options.split_column.is_some()
    }

    /// Parts by split file, split column or test table; all training where none is given.
    fn given_parts(&self, options: &DataOptions) -> Result<Vec<Part>> {
        if let Some(spec) = &options.split_file {
            return parts_from_file(spec, self.table.rows);
        }
        if let Some(name) = &options.split_column {
            return self.parts_from_column(name);
        }
        let part = |row| {
            if row < self.first_rows {
                Part::Train
            } else {
                Part::Test
            }
        };
        Ok((0..self.table.rows).map(part).collect())
    }

    fn parts_from_column(&self, name: &str) -> Result<Vec<Part>> {
        const EXPECTED: &str = "train, valid, test or drop";
        let column = self.table.require(name, "option `split_column`")?;
        let Values::Category { codes, levels } = &column.values else {
            let message = format!(
                "column `{name}` is of kind {}, expected the words {EXPECTED}",
                column.kind
            );
            return Err(Error::option("split_column", message));
        };
        let part = |(row, code): (usize, &u32)| {
            let level = levels.get(*code as usize).map_or("", String::as_str);
            match level.to_ascii_lowercase().as_str() {
                "train" => Ok(Part::Train),
                "valid" | "val" | "validation" => Ok(Part::Valid),
                "test" => Ok(Part::Test),
                "drop" => Ok(Part::Dropped),
                _ => Err(self.cell(name, row, shown(level), EXPECTED)),
            }
        };
        codes.iter().enumerate().map(part).collect()
    }

    /// Finds infinite numbers in the target and in columns that may be features.
    fn check_infinite(
        &mut self,
        options: &DataOptions,
        parts: &mut [Part],
        findings: &mut Findings<'_>,
    ) -> Result<()> {
        for index in 0..self.table.columns.len() {
            let Some(bad) = infinite_cell(&self.table.columns[index].values) else {
                continue;
            };
            let name = self.table.columns[index].name.clone();
            let is_role = options
                .single_columns()
                .iter()
                .any(|(option, column)| *option != "target" && *column == name);
            if is_role && !options.keep.contains(&name) {
                continue; // Reported where the role is read.
            }
            let (source, row) = self.place(bad.row);
            let place = format!(
                "{source}: row {row}, column `{name}`: found {}, expected {}",
                bad.found, bad.expected
            );
            let action = findings.action(Check::Infinite);
            let Values::Number(values) = &mut self.table.columns[index].values else {
                continue;
            };
            let infinite: Vec<usize> = (0..values.len())
                .filter(|row| values[*row].is_infinite())
                .collect();
            let outcome = match action {
                Action::Refuse => "; mend the cell, or set checks.infinite to \"drop\" (the rows) or \"warn\" (missing)".to_owned(),
                Action::Drop => format!("; {} such rows were dropped", infinite.len()),
                Action::Warn => format!("; {} such cells are taken as missing", infinite.len()),
            };
            findings.act(Check::Infinite, action, Some(&name), place + &outcome)?;
            for row in infinite {
                values[row] = f64::NAN;
                if action == Action::Drop {
                    parts[row] = Part::Dropped;
                }
            }
        }
        Ok(())
    }

    /// The target of all rows, NaN where missing.
    fn target(&self, name: &str) -> Result<Vec<f64>> {
        let column = self.table.require(name, "option `target`")?;
        if let Values::Number(values) = &column.values {
            return Ok(values.clone());
        }
        let expected = "a number: the target must be numeric in all rows";
        let row = (0..self.table.rows)
            .find(|row| !is_number(&column.values, *row))
            .unwrap_or(0);
        Err(self.cell(name, row, found_text(column, row), expected))
    }

    /// Rows that are in a part and have a target.
    fn usable_rows(
        &self,
        name: &str,
        target: &[f64],
        parts: &[Part],
        findings: &mut Findings<'_>,
    ) -> Result<Vec<usize>> {
        let in_part: Vec<usize> = (0..parts.len())
            .filter(|row| parts[*row] != Part::Dropped)
            .collect();
        let usable: Vec<usize> = in_part
            .iter()
            .copied()
            .filter(|row| !target[*row].is_nan())
            .collect();
        let missing = in_part.len() - usable.len();
        if let Some(first) = in_part.iter().find(|row| target[**row].is_nan()) {
            let (source, row) = self.place(*first);
            let mut message = format!(
                "{source}: column `{name}`: {missing} of {} rows have no target, the first is row {row}",
                in_part.len()
            );
            message.push_str(match findings.action(Check::MissingTarget) {
                Action::Refuse => "; fill them in, or leave checks.missing_target at \"drop\"",
                Action::Drop | Action::Warn => "; they were left out",
            });
            findings.found(Check::MissingTarget, Some(name), message)?;
        }
        if usable.is_empty() {
            let message = format!(
                "{}: no row with a value in column `{name}` is left",
                self.name()
            );
            return Err(Error::Split { message });
        }
        Ok(usable)
    }

    fn check_log_target(&self, name: &str, rows: &[usize], target: &[f64]) -> Result<()> {
        match target.iter().position(|value| *value <= 0.0) {
            Some(index) => {
                let expected = "a target above 0, since `log_target` takes its logarithm; leave that option off";
                Err(self.cell(name, rows[index], target[index].to_string(), expected))
            }
            None => Ok(()),
        }
    }

    /// A number column of a role, for the given rows; `fits` tells which values will do.
    fn role_numbers(
        &self,
        option: &str,
        name: &str,
        rows: &[usize],
        expected: &str,
        fits: impl Fn(f64) -> bool,
    ) -> Result<Vec<f64>> {
        let column = self.table.require(name, &format!("option `{option}`"))?;
        let expected = format!("{expected}, as option `{option}` asks");
        let value = |row: &usize| match &column.values {
            Values::Number(values) if fits(values[*row]) => Ok(values[*row]),
            _ => Err(self.cell(name, *row, found_text(column, *row), &expected)),
        };
        rows.iter().map(value).collect()
    }

    fn weights(&self, options: &DataOptions, rows: &[usize]) -> Result<Vec<f64>> {
        match &options.weight {
            None => Ok(vec![1.0; rows.len()]),
            Some(name) => self.role_numbers(
                "weight",
                name,
                rows,
                "a finite weight of 0 or more",
                |weight| weight.is_finite() && weight >= 0.0,
            ),
        }
    }

    fn given_teacher(&self, options: &DataOptions, rows: &[usize]) -> Result<Option<GivenTeacher>> {
        let Some(name) = &options.teacher_column else {
            return Ok(None);
        };
        let prediction = self.role_numbers(
            "teacher_column",
            name,
            rows,
            "a finite prediction",
            f64::is_finite,
        )?;
        let spread = options.teacher_spread.as_ref().map(|name| {
            let fits = |spread: f64| spread.is_finite() && spread > 0.0;
            self.role_numbers(
                "teacher_spread",
                name,
                rows,
                "a finite standard deviation above 0",
                fits,
            )
        });
        let fold = options.teacher_fold.as_ref().map(|name| {
            let fits =
                |fold: f64| fold.is_nan() || (fold.fract() == 0.0 && (0.0..=1e6).contains(&fold));
            let folds = self.role_numbers(
                "teacher_fold",
                name,
                rows,
                "a fold number from 0, or an empty cell",
                fits,
            )?;
            let fold = |fold: &f64| {
                if fold.is_nan() {
                    crate::folds::NO_FOLD
                } else {
                    *fold as u32
                }
            };
            Ok::<_, Error>(folds.iter().map(fold).collect())
        });
        Ok(Some(GivenTeacher {
            prediction,
            spread: spread.transpose()?,
            fold: fold.transpose()?,
        }))
    }

    /// Group of each row, numbered from 0; rows without one are a group of their own.
    fn groups(&self, name: &str, rows: &[usize]) -> Result<Vec<u32>> {
        let column = self.table.require(name, "option `group`")?;
        Ok(match &column.values {
            Values::Number(values) => dense(rows.iter().map(|row| values[*row].to_bits())),
            Values::Category { codes, .. } => dense(rows.iter().map(|row| codes[*row])),
            Values::Time(values) => dense(rows.iter().map(|row| values[*row])),
            Values::Text(values) => dense(rows.iter().map(|row| values[*row].as_deref())),
        })
    }

    /// Time of each row, as any whole number that orders them.
    fn times(&self, name: &str, rows: &[usize]) -> Result<Vec<i64>> {
        const EXPECTED: &str =
            "a date, a time or a number to order the rows by, as option `time` asks";
        let column = self.table.require(name, "option `time`")?;
        if let Some(row) = rows.iter().find(|row| column.values.is_missing(**row)) {
            return Err(self.cell(name, *row, "an empty cell".to_owned(), EXPECTED));
        }
        match &column.values {
            Values::Time(values) => Ok(rows.iter().map(|row| values[*row]).collect()),
            Values::Number(values) => Ok(order(
                &rows.iter().map(|row| values[*row]).collect::<Vec<f64>>(),
            )),
            Values::Category { .. } | Values::Text(_) => {
                let row = rows.first().copied().unwrap_or(0);
                Err(self.cell(name, row, found_text(column, row), EXPECTED))
            }
        }
    }

    /// Columns that may be features, for the given rows.
    fn feature_columns(self, options: &DataOptions, rows: &[usize]) -> Vec<Column> {
        let roles: BTreeSet<&str> = options
            .single_columns()
            .into_iter()
            .map(|(_, column)| column)
            .collect();
        let is_feature = |column: &Column| {
            options.keep.contains(&column.name)
                || !(roles.contains(column.name.as_str()) || options.drop.contains(&column.name))
        };
        let columns = self.table.columns.into_iter().filter(is_feature);
        columns
            .map(|column| Column {
                values: column.values.select(rows),
                ..column
            })
            .collect()
    }
}

/// The columns of `table` out of a test table, in the same order.
fn align(test: Table, table: &Table) -> Result<Table> {
    let columns = table.columns.iter().map(|column| {
        let found = test.require(&column.name, "the first table")?;
        if found.kind != column.kind {
            let (name, source) = (&column.name, &test.source);
            let message = format!(
                "{source}: column `{name}` is of kind {}, in the first table {}",
                found.kind, column.kind
            );
            return Err(Error::Shape { message });
        }
        Ok(found.clone())
    });
    Ok(Table {
        columns: columns.collect::<Result<_>>()?,
        rows: test.rows,
        source: test.source.clone(),
        notes: test.notes.clone(),
    })
}

/// True where a cell is missing or reads as a number.
fn is_number(values: &Values, row: usize) -> bool {
    match values {
        Values::Category { codes, levels } => levels
            .get(codes[row] as usize)
            .is_none_or(|level| number(level).is_some()),
        Values::Text(values) => values[row]
            .as_deref()
            .is_none_or(|text| number(text).is_some()),
        Values::Number(_) => true,
        Values::Time(_) => values.is_missing(row),
    }
}

/// A cell for a message.
fn found_text(column: &Column, row: usize) -> String {
    if column.values.is_missing(row) {
        return "an empty cell".to_owned();
    }
    match &column.values {
        Values::Number(values) => values[row].to_string(),
        Values::Category { codes, levels } => levels
            .get(codes[row] as usize)
            .map_or_else(String::new, |level| shown(level)),
        Values::Time(_) => "a date or time".to_owned(),
        Values::Text(values) => shown(values[row].as_deref().unwrap_or_default()),
    }
}

/// Numbers keys from 0 in ascending order.
fn dense<T: Ord + Copy>(keys: impl Iterator<Item = T>) -> Vec<u32> {
    let keys: Vec<T> = keys.collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    sorted.dedup();
    keys.iter()
        .map(|key| sorted.partition_point(|other| other < key) as u32)
        .collect()
}

/// Position of each number among the distinct ones.
fn order(values: &[f64]) -> Vec<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    values
        .iter()
        .map(|value| sorted.partition_point(|other| other < value) as i64)
        .collect()
}

/// Fills in the parts that were not given.
fn split(
    parts: &[Part],
    ties: &Ties<'_>,
    given: bool,
    options: &DataOptions,
    seed: u64,
) -> Result<Split> {
    let of = |part: Part| {
        (0..parts.len())
            .filter(|row| parts[*row] == part)
            .collect::<Vec<usize>>()
    };
    let mut split = Split {
        train: of(Part::Train),
        valid: of(Part::Valid),
        test: of(Part::Test),
    };
    if !given {
        split.test = ties.hold_out(
            &split.train,
            options.test_share,
            &mut generator(seed, "test rows", 0),
        )?;
        split.train = without(&split.train, &split.test);
    }
    if split.test.is_empty() {
        return Err(Error::Split {
            message: "the given split has no test row with a target".to_owned(),
        });
    }
    if split.train.is_empty() {
        return Err(Error::Split {
            message: "the given split has no training row with a target".to_owned(),
        });
    }
    if split.valid.is_empty() {
        split.valid = ties.hold_out(
            &split.train,
            options.valid_share,
            &mut generator(seed, "valid rows", 0),
        )?;
        split.train = without(&split.train, &split.valid);
    }
    Ok(split)
}

/// Ascending rows without those in `held`, ascending too.
fn without(rows: &[usize], held: &[usize]) -> Vec<usize> {
    rows.iter()
        .copied()
        .filter(|row| held.binary_search(row).is_err())
        .collect()
}

/// A target with one value leaves nothing to learn.
fn check_varied_target(source: &str, column: &str, rows: &[usize], target: &[f64]) -> Result<()> {
    let first = target[rows[0]];
    if rows
        .iter()
        .any(|row| target[*row].total_cmp(&first).is_ne())
    {
        return Ok(());
    }
    let message = format!(
        "{source}: column `{column}` is {first} in all {} rows to learn from; nothing can be learned from a constant \
         target, name another column",
        rows.len()
    );
    Err(Error::Shape { message })
}

fn summarize(target: &[f64], weight: &[f64], rows: &[usize]) -> TargetSummary {
    let values: Vec<f64> = rows.iter().map(|row| target[*row]).collect();
    let weight: Vec<f64> = rows.iter().map(|row| weight[*row]).collect();
    TargetSummary {
        mean: metrics::weighted_mean(&values, &weight),
        standard_deviation: metrics::variance(&values, &weight).sqrt(),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::normal;
    use rand::RngExt;

    /// 400 rows: two features, a target, and roles to choose from.
    fn table() -> Table {
        let mut rng = generator(9, "dataset test", 0);
        let mut draws = |n: usize| (0..n).map(|_| normal(&mut rng)).collect::<Vec<f64>>();
        let (a, b, noise) = (draws(400), draws(400), draws(400));
        let y = (0..400)
            .map(|row| a[row] + 0.5 * b[row].abs() + 0.1 * noise[row] + 10.0)
            .collect();
        let day = |row: usize| (399 - row as i64) / 4 * 86_400_000_000;
        let columns = vec![
            Column::number("a", a),
            Column::number("b", b),
            Column::category(
                "group",
                (0..400).map(|row| {
                    Some(["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9"][row / 7 % 10])
                }),
            ),
            Column {
                name: "day".to_owned(),
                kind: Kind::Time,
                values: Values::Time((0..400).map(day).collect()),
            },
            Column::number("weight", (0..400).map(|row| f64::from(row % 3)).collect()),
            Column::category(
                "part",
                (0..400).map(|row| Some(["train", "train", "Valid", "test", "drop"][row % 5])),
            ),
            Column::number("y", y),
        ];
        Table::new(columns).unwrap()
    }

    fn options(set: impl FnOnce(&mut DataOptions)) -> DataOptions {
        let mut options = DataOptions::for_target("y");
        options.drop = vec!["day".into(), "weight".into(), "part".into()];
        set(&mut options);
        options
    }

    fn make(set: impl FnOnce(&mut DataOptions)) -> Result<Dataset> {
        Dataset::from_table(table(), &options(set), None, 3)
    }

    fn message(set: impl FnOnce(&mut DataOptions)) -> String {
        make(set).unwrap_err().to_string()
    }

    fn edited(edit: impl FnOnce(&mut Vec<Column>)) -> Table {
        let mut table = table();
        edit(&mut table.columns);
        table
    }

    fn set_number(table: &mut Table, name: &str, row: usize, value: f64) {
        let column = table
            .columns
            .iter_mut()
            .find(|column| column.name == name)
            .unwrap();
        let Values::Number(values) = &mut column.values else {
            panic!("number")
        };
        values[row] = value;
    }

    fn sizes(data: &Dataset) -> [usize; 3] {
        [
            data.split.train.len(),
            data.split.valid.len(),
            data.split.test.len(),
        ]
    }

    #[test]
    fn random_split_holds_out_a_fifth_and_a_tenth() {
        let data = make(|_| {}).unwrap();
        assert_eq!(sizes(&data), [288, 32, 80]);
        assert_eq!(data.features.names(), ["a", "b", "group"]);
        let mut all = [data.split.train_valid(), data.split.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..400).collect::<Vec<_>>());
        assert_eq!((data.fold_kind, &data.blocks), (FoldKind::Random, &None));
        assert_eq!(data.split, make(|_| {}).unwrap().split);
        assert_ne!(
            data.split,
            Dataset::from_table(table(), &options(|_| {}), None, 4)
                .unwrap()
                .split
        );
        assert_eq!(
            data.summary.schema()[2],
            ("group".to_owned(), Kind::Category)
        );
    }

    #[test]
    fn groups_are_never_torn() {
        let data = make(|o| o.group = Some("group".into())).unwrap();
        assert_eq!(data.features.names(), ["a", "b"]);
        let blocks = data.blocks.clone().unwrap();
        let of = |rows: &[usize]| {
            rows.iter()
                .map(|row| blocks[*row])
                .collect::<BTreeSet<u32>>()
        };
        let (train, valid, test) = (
            of(&data.split.train),
            of(&data.split.valid),
            of(&data.split.test),
        );
        assert!(train.is_disjoint(&test) && train.is_disjoint(&valid) && valid.is_disjoint(&test));
        let kept = make(|o| {
            o.group = Some("group".into());
            o.keep = vec!["group".into()];
        });
        assert_eq!(kept.unwrap().features.names(), ["a", "b", "group"]);
    }

    #[test]
    fn later_times_are_held_out() {
        let data = make(|o| {
            o.time = Some("day".into());
            o.drop = vec!["weight".into(), "part".into()];
        })
        .unwrap();
        // The file runs backwards: the last days are the first rows, four to a day.
        assert_eq!(data.split.test, (0..80).collect::<Vec<_>>());
        assert_eq!(data.split.valid, (80..112).collect::<Vec<_>>());
        assert_eq!(data.fold_kind, FoldKind::Time);
        let folds = crate::Folds::new(&data, &data.split.train, 5, 0);
        assert!(folds.follow_time());
        assert_eq!((folds.of.first(), folds.of.last()), (Some(&4), Some(&0)));
    }

    #[test]
    fn number_columns_order_rows_too() {
        let data = make(|o| {
            o.time = Some("a".into());
            o.drop.push("group".into());
        })
        .unwrap();
        assert_eq!(data.features.names(), ["b"]);
    }

    #[test]
    fn split_column_gives_the_parts() {
        let data = make(|o| o.split_column = Some("part".into())).unwrap();
        assert_eq!(sizes(&data), [160, 80, 80]);
        assert!(data.split.test.iter().all(|row| data.rows[*row] % 5 == 3));
        assert!(
            message(|o| o.split_column = Some("group".into()))
                .contains("row 1, column `group`: found \"g0\", expected train, valid")
        );
        assert!(
            message(|o| o.split_column = Some("a".into())).contains("expected the words train")
        );
    }

    #[test]
    fn split_file_counts_rows_before_any_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("splits.csv");
        std::fs::write(
            &path,
            "split,set,start,stop\ns,test,100,200\ns,drop,200,250\n",
        )
        .unwrap();
        let mut table = table();
        (0..150).for_each(|row| set_number(&mut table, "y", row, f64::NAN));
        let options = options(|o| o.split_file = Some(format!("{}:s", path.display())));
        let data = Dataset::from_table(table, &options, None, 0).unwrap();
        assert_eq!(sizes(&data), [135, 15, 50]);
        assert_eq!(data.rows[data.split.test[0]], 150);
        assert!(
            data.summary.warnings[0]
                .message
                .contains("150 of 350 rows have no target, the first is row 1"),
            "{:?}",
            data.summary.warnings
        );
    }

    #[test]
    fn test_table_is_all_test() {
        let mut other = table();
        other.source = "other.csv".into();
        // Columns in another order, one of them new.
        other.columns.reverse();
        other.columns.push(Column::number("new", vec![0.0; 400]));
        let data = Dataset::from_table(table(), &options(|_| {}), Some(other.clone()), 0).unwrap();
        assert_eq!(sizes(&data), [360, 40, 400]);
        assert_eq!(data.rows[data.split.test[0]], 400);
        set_number(&mut other, "a", 7, f64::INFINITY);
        let error = Dataset::from_table(table(), &options(|_| {}), Some(other), 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("other.csv: row 8, column `a`: found inf"),
            "{error}"
        );
    }

    #[test]
    fn missing_and_text_targets_are_named() {
        assert!(
            message(|o| o.target = "yy".into())
                .contains("no column `yy` (asked for by option `target`); did you mean `y`?")
        );
        assert!(message(|o| o.target = String::new()).contains("name the column to predict"));
        let table = edited(|columns| {
            let texts: Vec<String> = (0..400)
                .map(|row| {
                    if row == 41 {
                        "n.a.".into()
                    } else {
                        row.to_string()
                    }
                })
                .collect();
            columns[6] = Column::category("y", texts.iter().map(|text| Some(text.as_str())));
        });
        let error = Dataset::from_table(table, &options(|_| {}), None, 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 42, column `y`: found \"n.a.\", expected a number"),
            "{error}"
        );
        assert!(
            message(|o| o.target = "day".into()).contains("found a date or time")
                || message(|o| {
                    o.target = "day".into();
                    o.drop.clear();
                })
                .contains("found a date or time")
        );
    }

    #[test]
    fn infinite_numbers_follow_their_action() {
        let with = |action: Option<Action>| {
            let mut table = table();
            set_number(&mut table, "a", 4, f64::NEG_INFINITY);
            set_number(&mut table, "y", 5, f64::INFINITY);
            let options = options(|o| {
                o.checks
                    .extend(action.map(|action| ("infinite".to_owned(), action)))
            });
            Dataset::from_table(table, &options, None, 0)
        };
        let error = with(None).unwrap_err().to_string();
        assert!(
            error.contains("row 5, column `a`: found -inf") && error.contains("checks.infinite"),
            "{error}"
        );
        assert_eq!(with(Some(Action::Drop)).unwrap().target.len(), 398);
        let warned = with(Some(Action::Warn)).unwrap();
        assert_eq!(warned.target.len(), 399); // The row without target goes as one with a missing target.
        assert!(warned.features.columns[0].is_missing(4));
    }

    #[test]
    fn rows_are_the_same_by_content_or_by_what_an_earlier_version_wrote() {
        let summary = |source: &str, content: &str, train| DataSummary {
            source: source.into(),
            content: content.into(),
            train,
            ..DataSummary::default()
        };
        let new = summary("a.csv", "x", 9);
        assert!(
            new.same_rows(&summary("moved.csv", "x", 9))
                && !new.same_rows(&summary("a.csv", "y", 9))
        );
        assert!(
            new.same_rows(&summary("a.csv", "", 9)) && !new.same_rows(&summary("a.csv", "", 8))
        );
    }

    #[test]
    fn weights_are_read_and_checked() {
        let weighted = |o: &mut DataOptions| {
            o.weight = Some("weight".into());
            o.drop.retain(|column| column != "weight");
        };
        let data = make(weighted).unwrap();
        assert_eq!(&data.weight[..3], [0.0, 1.0, 2.0]);
        assert_eq!(data.features.names(), ["a", "b", "group"]);
        let mut table = table();
        set_number(&mut table, "weight", 9, -1.0);
        let error = Dataset::from_table(table, &options(weighted), None, 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 10, column `weight`: found -1, expected a finite weight"),
            "{error}"
        );
        assert!(message(|o| o.weight = Some("group".into())).contains("found \"g0\""));
        let zero = edited(|columns| columns[4] = Column::number("weight", vec![0.0; 400]));
        assert!(
            Dataset::from_table(zero, &options(weighted), None, 0)
                .unwrap_err()
                .to_string()
                .contains("0 in all")
        );
    }

    #[test]
    fn given_teacher_is_read_and_is_no_feature() {
        let table = edited(|columns| {
            columns.push(Column::number("t", (0..400).map(f64::from).collect()));
            columns.push(Column::number("s", vec![0.5; 400]));
            columns.push(Column::number(
                "f",
                (0..400)
                    .map(|row| if row < 9 { f64::NAN } else { 2.0 })
                    .collect(),
            ));
        });
        let options = options(|o| {
            o.teacher_column = Some("t".into());
            o.teacher_spread = Some("s".into());
            o.teacher_fold = Some("f".into());
        });
        let mut data = Dataset::from_table(table.clone(), &options, None, 0).unwrap();
        assert_eq!(data.features.names(), ["a", "b", "group"]);
        let given = data.given.take().unwrap();
        assert_eq!((given.prediction[7], given.spread.unwrap()[7]), (7.0, 0.5));
        assert_eq!(given.fold.unwrap()[8..10], [crate::folds::NO_FOLD, 2]);
        let mut gap = table;
        set_number(&mut gap, "t", 0, f64::NAN);
        let error = Dataset::from_table(gap, &options, None, 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 1, column `t`: found an empty cell, expected a finite prediction"),
            "{error}"
        );
    }

    #[test]
    fn log_target_needs_positive_targets() {
        assert!(make(|o| o.log_target = true).is_ok());
        let mut table = table();
        set_number(&mut table, "y", 3, 0.0);
        let error = Dataset::from_table(table, &options(|o| o.log_target = true), None, 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 4, column `y`: found 0, expected a target above 0"),
            "{error}"
        );
    }

    #[test]
    fn options_that_contradict_are_named() {
        let has = |set: fn(&mut DataOptions), expected: &str| {
            let error = message(set);
            assert!(error.contains(expected), "{error}");
        };
        has(|o| o.test_share = 1.0, "`data.test_share`: found 1");
        has(
            |o| o.valid_share = f64::NAN,
            "`data.valid_share`: found NaN",
        );
        has(
            |o| (o.group, o.time) = (Some("group".into()), Some("day".into())),
            "excludes `data.time`",
        );
        has(
            |o| (o.split_file, o.split_column) = (Some("a:b".into()), Some("part".into())),
            "excludes `data.split_file`",
        );
        has(
            |o| o.teacher_fold = Some("a".into()),
            "no effect without `data.teacher_column`",
        );
        has(
            |o| o.weight = Some("y".into()),
            "column `y` is already the `target`",
        );
        has(
            |o| o.keep = vec!["y".into()],
            "column `y` is the `target`, which is no feature",
        );
        has(|o| o.drop = vec!["y".into()], "column `y` is the target");
        has(|o| o.keep = vec!["day".into()], "also in `drop`");
        has(
            |o| o.drop = vec!["aa".into()],
            "no column `aa` (asked for by option `drop`)",
        );
        has(|o| o.ordinal = vec!["a".into()], "expected category");
        has(
            |o| o.drop.extend(["a", "b", "group"].map(String::from)),
            "no feature column is left",
        );
    }

    #[test]
    fn options_reject_unknown_keys_and_fill_in_defaults() {
        let options: DataOptions =
            serde_json::from_str(r#"{"target": "y", "checks": {"leak": "warn"}}"#).unwrap();
        assert_eq!(
            (options.valid_share, options.checks["leak"]),
            (0.1, Action::Warn)
        );
        assert!(serde_json::from_str::<DataOptions>(r#"{"tarqet": "y"}"#).is_err());
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<DataOptions>(&text).unwrap(), options);
    }

    #[test]
    fn tiny_tables_are_refused_whole() {
        let one = Table::new(vec![
            Column::number("a", vec![1.0]),
            Column::number("y", vec![2.0]),
        ])
        .unwrap();
        let error = Dataset::from_table(one, &DataOptions::for_target("y"), None, 0)
            .unwrap_err()
            .to_string();
        assert!(error.contains("1 rows are too few"), "{error}");
        let none = Table::new(vec![
            Column::number("a", vec![1.0; 3]),
            Column::number("y", vec![f64::NAN; 3]),
        ])
        .unwrap();
        let error = Dataset::from_table(none, &DataOptions::for_target("y"), None, 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no row with a value in column `y`"),
            "{error}"
        );
        let mut rng = generator(0, "tiny", 0);
        let mut draw = || (0..25).map(|_| rng.random::<f64>()).collect::<Vec<f64>>();
        let few = Table::new(vec![
            Column::number("a", draw()),
            Column::number("y", draw()),
        ])
        .unwrap();
        let error = Dataset::from_table(few, &DataOptions::for_target("y"), None, 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("18 rows to train on; expected at least 20"),
            "{error}"
        );
    }
}
