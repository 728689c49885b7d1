//! Turns a table into checked and split rows.
//!
//! The steps are, in this order:
//!
//! 1. The split file or split column is read. Its positions count rows in the file, before any row is dropped.
//! 2. Infinite numbers are found.
//! 3. Rows without a target are left out.
//! 4. Repeated rows are found and grouped, unless a group, a time or a split is given.
//! 5. Test and validation rows are held out, unless they are given.
//! 6. Rows whose target is a number that means *missing* are left out.
//! 7. Feature columns are cleaned and checked. Only training and validation rows decide what is done.

mod clean;
mod options;
mod regimes;
mod sequence;
mod source;
mod stuck;
mod summary;
mod twins;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use limbeck_runtime::{DateSource, HistorySource, MissingNumbers, Regimes, Sequence};

pub use options::{
    Ahead, DEFAULT_WINDOW, DataOptions, Gap, HoldOut, JudgeKind, Learn, MeasureKind, TARGET_RULES,
};
pub use sequence::{Naive, Timeline};
pub use summary::{Audit, DataSummary, Period, Periods, SeriesSummary, TargetSummary};

use self::clean::{clean_features, clean_target, missing_in_target, read_by_rows, with_dates};
use self::regimes::{Numbers, Scope, check_regimes};
use self::sequence::{ForecastData, Series};
use self::source::Source;
use self::stuck::{check_stuck, in_time_order};
use self::summary::summarize;
use self::twins::twins;
use crate::checks::{
    Check, Findings, check_capped_target, check_features, check_rows, check_seen_test,
    check_shifted_test,
};
use crate::content::{content, content_of_past, seen};
use crate::features::{Feature, FeatureKind, Features, Past, raw_columns};
use crate::given::GivenTeacher;
use crate::kind::ColumnKind;
use crate::learned::LearnedRows;
use crate::numbers::Notation;
use crate::ranges::{ranges, shifted};
use crate::reading::ReadOptions;
use crate::rng::generator;
use crate::shared::SharedFeatures;
use crate::split::{FoldKind, Split, SplitPart, Ties, time_blocks};
use crate::table::{Column, Table, Values};
use crate::targets::{LearnedUnit, TargetSpec, Targets};
use crate::warning::Finding;
use crate::{Error, Result};

/// Checked and split rows, ready for training; no target is missing or infinite.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Features of all rows.
    pub features: SharedFeatures,
    /// The values to predict, in their own unit.
    pub targets: Targets,
    /// Weight of each row; 1 if no weights are given.
    pub weight: Vec<f64>,
    /// Position of each row in the file, from 0. Positions in a separate test table continue after the rows of the first table.
    pub rows: Vec<usize>,
    /// Block of each row: its group, or its stretch of consecutive rows in time. Stretches are numbered in order of time. In intervals and folds,
    /// rows of the same block count as dependent. `None` if all rows are independent.
    pub blocks: Option<Vec<u32>>,
    /// Training, validation and test rows.
    pub split: Split,
    /// True if the validation rows were given, rather than drawn from the training rows.
    pub valid_given: bool,
    /// How rows depend on each other, and therefore how folds are formed.
    pub fold_kind: FoldKind,
    /// Number of blocks that a target may reach beyond the block of its row, if the split follows time; 0 if targets belong to their own row.
    pub overlap: usize,
    /// For each target, the number to add to what is learned in each row: the target's present value, if its change is learned. Empty if nothing is
    /// added. `targets` and predictions of the models are without it.
    pub base: Vec<Vec<f64>>,
    /// Series and time of each row; `None` unless rows form series.
    pub timeline: Option<Timeline>,
    /// Forecasts from the target's own past alone, such as persistence; empty if targets belong to their own row.
    pub naive: Vec<Naive>,
    /// For each target, its values before the option `target_cap` limited them; empty without the option.
    pub uncapped: Vec<Vec<f64>>,
    /// Predictions of a teacher, from the column that the option `teacher_column` names; `None` if the option is not set.
    pub given: Option<GivenTeacher>,
    /// Summary of the data for the report.
    pub summary: DataSummary,
}

impl Dataset {
    /// Reads the table, and the test table if the options name one, and makes a data set of them.
    ///
    /// # Errors
    ///
    /// The errors of [`Table::read`] and [`from_table`](Self::from_table).
    pub fn load(path: impl AsRef<Path>, options: &DataOptions, seed: u64) -> Result<Self> {
        Self::load_joint(path, options, (&[], 0), seed)
    }

    /// Like [`load`](Self::load), for a student that predicts several targets: `others` names all targets except `options.target`. Networks read
    /// `rows_before` rows before each row.
    ///
    /// # Errors
    ///
    /// The errors of [`Table::read`] and [`joint`](Self::joint).
    pub fn load_joint(
        path: impl AsRef<Path>,
        options: &DataOptions,
        (others, rows_before): (&[String], usize),
        seed: u64,
    ) -> Result<Self> {
        options.check_with(others, false)?;
        let (table, test) = Self::tables(path, options)?;
        Self::joint(table, options, (others, rows_before), test, seed)
    }

    /// Reads the table, and the test table if the options name one.
    ///
    /// # Errors
    ///
    /// The errors of [`Table::read`] and [`Table::read_like`]; [`Error::NoSuchColumn`] if there is a test table, and the table does not have the
    /// target's column.
    pub fn tables(path: impl AsRef<Path>, options: &DataOptions) -> Result<(Table, Option<Table>)> {
        let table = Table::read(path, &options.reading())?;
        let test = match &options.test {
            None => None,
            Some(test) => {
                // Checked before the test table is opened, so that the error names the right table.
                table.require(&options.target, "option `target`")?;
                let schema: Vec<_> = table
                    .schema()
                    .into_iter()
                    .filter(|(name, _)| !options.is_dropped(name))
                    .collect();
                let reading = ReadOptions {
                    notations: table.notations.clone(),
                    ..options.reading()
                };
                Some(Table::read_like(test, &schema, &reading)?)
            }
        };
        Ok((table, test))
    }

    /// Checks and splits a table.
    ///
    /// `test` is a second table, read with the column kinds of the first. All of its rows are test rows. `seed` is the seed of random splits.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`], [`Error::NoSuchColumn`], [`Error::Cell`], [`Error::Shape`], [`Error::Refused`] or [`Error::Split`]; each
    /// message says where the problem is.
    pub fn from_table(
        table: Table,
        options: &DataOptions,
        test: Option<Table>,
        seed: u64,
    ) -> Result<Self> {
        Self::joint(table, options, (&[], 0), test, seed)
    }

    /// Like [`from_table`](Self::from_table), for a student that predicts several targets: `others` names all targets except `options.target`.
    ///
    /// Only rows with values of all targets are used. No target is a feature. The check `leak` compares each feature with each target.
    ///
    /// If networks read rows before each row (`rows_before` is above 0), the features have their [`past`](Features::past): the rows of all series, also
    /// those without a target.
    ///
    /// # Errors
    ///
    /// The errors of [`from_table`](Self::from_table); [`Error::InvalidOption`] if `rows_before` is above 0 and the rows do not form series.
    pub fn joint(
        table: Table,
        options: &DataOptions,
        (others, rows_before): (&[String], usize),
        test: Option<Table>,
        seed: u64,
    ) -> Result<Self> {
        options.check_with(others, test.is_some())?;
        for name in others {
            table.require(name, "option `targets`")?;
        }
        let columns = [std::slice::from_ref(&options.target), others].concat();
        let specs = options.targets(others);
        let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
        let mut findings = Findings::new(&options.checks, &options.keep)?;
        check_names(&table, options)?;
        let given_columns = table.columns.len();
        let mut source = Source::join(table, options, test)?;
        findings.notes(&source.table.notes)?;

        let mut parts = source.given_parts(options)?;
        source.check_infinite(options, &mut parts, &mut findings)?;
        let series = Series::of(&source, options, &parts, rows_before > 0)?;
        let targets = (&parts[..], series.as_ref());
        let ReadTargets {
            rows,
            mut values,
            uncapped,
            missing: mut missing_targets,
        } = read_targets(&source, options, &specs, targets, &mut findings)?;
        let parts: Vec<SplitPart> = rows.iter().map(|row| parts[*row]).collect();
        let weight = source.weights(options, &rows)?;
        let mut given = source.given_teacher(options, &rows)?;
        let whole = series.as_ref().filter(|series| series.is_whole());
        let tied = Tied::of(&source, options, (&columns, &rows), whole, &mut findings)?;
        let ties = Ties::of(tied.group.as_deref(), tied.time.as_deref());
        let valid_given = parts.contains(&SplitPart::Valid);
        let mut split = split(&parts, &ties, source.has_split(options), options, seed)?;
        let name = source.name().to_owned();
        let purge = |series: &Series| series.purge(&mut split, &rows, options.stride);
        let series_summary = series.as_ref().map(purge).transpose()?;
        // Forecasts were made from targets without such numbers.
        if options.horizon == 0 {
            missing_targets =
                clean_targets((&name, &names), &values, options, &mut split, &mut findings)?;
        }
        let learn = split.train_valid();
        check_part_weights(&split, &weight)?;
        check_rows(&name, split.train.len(), &mut findings)?;
        check_targets(&name, (&names, &values), &learn, options, &mut findings)?;
        let total_rows = source.table.rows;
        let periods = periods(&source, options, &rows, (&split, whole.is_some()))?;
        let forecasts = ForecastData {
            source: &source,
            options,
            targets: &specs,
            missing: &missing_targets,
            rows: &rows,
            split: &split,
            weight: &weight,
        };
        let naive = match &series {
            Some(series) => series.naive(&forecasts)?,
            None => Vec::new(),
        };
        let all_rows = with_other_rows(&rows, total_rows, rows_before > 0);
        let found = Found {
            series: series.as_ref(),
            names: &columns,
            values: &values,
            rows: &all_rows,
            learn: &learn,
            time: tied.time.as_deref(),
        };
        let mut read = read_features(source, options, &found, &mut findings)?;
        if rows_before > 0 {
            read.features.past = Some(past(series.as_ref(), &read.features, &all_rows)?);
        }
        let features = read.features.first(rows.len());
        let first = (&features, &values[0][..]);
        check_test(&name, first, &learn, &split.test, &mut findings)?;
        let dependence = tied.blocks(split.test.len(), series.as_ref(), &rows);
        dependence.check(&split.train, options)?;
        let (target, learned) = (
            summarize(&values[0], &weight, &learn),
            LearnedRows::of(&hashed(&features), &values[0], &learn),
        );
        let base = Series::base(options, (&values, &split), &features, &specs)?;
        keep_known(&name, &base, &mut split, &mut findings)?;
        learn_changes(&base, &mut values, given.as_mut());
        let numbers: Vec<&Vec<f64>> = values.iter().chain([&weight]).collect();
        let summary = DataSummary {
            source: name,
            rows: total_rows,
            columns: given_columns,
            train: split.train.len(),
            valid: split.valid.len(),
            test: split.test.len(),
            features: read.kinds,
            notations: read.notations,
            missing_targets,
            target,
            periods,
            series: series_summary.map(|summary| {
                let summary = summary.with(read.audit, !base.is_empty());
                summary.reading(rows_before, read.regimes)
            }),
            ranges: ranges(&features, &learn),
            learned,
            past: content_of_past(&features),
            warnings: findings.warnings,
            content: content(&features, &numbers, given.as_ref(), &split),
        };
        Ok(Self {
            features: features.into(),
            targets: Targets { specs, values },
            weight,
            blocks: dependence.blocks,
            split,
            valid_given,
            fold_kind: dependence.fold_kind,
            overlap: dependence.overlap,
            base,
            timeline: series.as_ref().map(|series| series.timeline(&rows)),
            rows,
            naive,
            uncapped,
            given,
            summary,
        })
    }

    /// The same data set with only one of its targets, given by its index.
    ///
    /// # Panics
    ///
    /// Panics if there is no target with this index.
    #[must_use]
    pub fn of_target(&self, at: usize) -> Self {
        let (spec, values) = (
            self.targets.specs[at].clone(),
            self.targets.values[at].clone(),
        );
        let later = spec.later.as_ref().map(|later| later.horizon);
        let series = self.summary.series.clone().map(|mut series| {
            series.sequence.horizon = later.unwrap_or(series.sequence.horizon);
            series
        });
        let learn = self.split.train_valid();
        let mut whole = values.clone();
        if let Some(base) = self.base.get(at) {
            whole
                .iter_mut()
                .zip(base)
                .for_each(|(value, base)| *value += base);
        }
        Self {
            summary: DataSummary {
                target: summarize(&whole, &self.weight, &learn),
                learned: match at {
                    0 => self.summary.learned.clone(),
                    _ => LearnedRows::of(&hashed(&self.features), &whole, &learn),
                },
                series,
                ..self.summary.clone()
            },
            targets: Targets::one(spec, values),
            base: self.base.get(at).cloned().into_iter().collect(),
            naive: self
                .naive
                .iter()
                .filter(|naive| naive.target == at)
                .map(Naive::alone)
                .collect(),
            uncapped: self.uncapped.get(at).cloned().into_iter().collect(),
            ..self.clone()
        }
    }

    /// The values of the only target, in its own unit.
    ///
    /// # Panics
    ///
    /// Panics if the data set does not have exactly one target.
    #[must_use]
    pub fn target(&self) -> &[f64] {
        self.targets.only().1
    }

    /// Name and learned unit of the only target.
    ///
    /// # Panics
    ///
    /// Panics if the data set does not have exactly one target.
    #[must_use]
    pub fn spec(&self) -> &TargetSpec {
        self.targets.only().0
    }

    /// Target values of the given rows, in the target's own unit.
    #[must_use]
    pub fn target_of(&self, rows: &[usize]) -> Vec<f64> {
        let target = self.target();
        rows.iter().map(|row| target[*row]).collect()
    }

    /// Target values of the given rows, in the unit in which the target is learned.
    #[must_use]
    pub fn learned_of(&self, rows: &[usize]) -> Vec<f64> {
        let (spec, target) = self.targets.only();
        rows.iter()
            .map(|row| spec.unit.learn(target[*row]))
            .collect()
    }

    /// Weights of the given rows.
    #[must_use]
    pub fn weight_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|row| self.weight[*row]).collect()
    }

    /// Blocks of the given rows; `None` if the data set has no blocks.
    #[must_use]
    pub fn blocks_of(&self, rows: &[usize]) -> Option<Vec<u32>> {
        self.blocks
            .as_ref()
            .map(|blocks| rows.iter().map(|row| blocks[*row]).collect())
    }
}

/// What ties rows together: their groups, or their order in time. Both are `None` if rows are independent.
struct Tied {
    group: Option<Vec<u32>>,
    time: Option<Vec<i64>>,
}

/// How the rows of a data set depend on each other; see the fields of [`Dataset`].
struct Dependence {
    fold_kind: FoldKind,
    blocks: Option<Vec<u32>>,
    overlap: usize,
}

impl Tied {
    /// The ties of the rows at these positions in the table. `whole` are the series, if whole series are held out.
    fn of(
        source: &Source,
        options: &DataOptions,
        (names, rows): (&[String], &[usize]),
        whole: Option<&Series>,
        findings: &mut Findings<'_>,
    ) -> Result<Self> {
        let group = options.group.as_ref();
        let group = group.map(|name| source.groups(name, rows)).transpose()?;
        let group = whole.map(|series| series.of_rows(rows)).or(group);
        let time = options.time.as_ref().filter(|_| whole.is_none());
        let time = time.map(|name| source.times(name, rows)).transpose()?;
        if group.is_some() || time.is_some() || source.has_split(options) {
            return Ok(Self { group, time });
        }
        let columns = source.row_columns(options, names);
        let group = twins(source.name(), &columns, rows, findings)?;
        Ok(Self { group, time: None })
    }

    /// The blocks of the rows at these positions in the table, with `n_test` test rows.
    fn blocks(self, n_test: usize, series: Option<&Series>, rows: &[usize]) -> Dependence {
        let (fold_kind, blocks) = match (self.group, self.time) {
            (Some(group), _) => (FoldKind::Group, Some(group)),
            (None, Some(time)) => {
                let least = series.map_or(0, |series| series.shortest_block(rows));
                (FoldKind::Time, Some(time_blocks(&time, n_test, least)))
            }
            (None, None) => (FoldKind::Random, None),
        };
        let overlap = match (series, &blocks, fold_kind) {
            (Some(series), Some(blocks), FoldKind::Time) => series.overlap(rows, blocks),
            _ => 0,
        };
        Dependence {
            fold_kind,
            blocks,
            overlap,
        }
    }
}

impl Dependence {
    /// Refuses a horizon that is so long that teachers of folds would have no rows to learn from.
    fn check(&self, train: &[usize], options: &DataOptions) -> Result<()> {
        let (Some(blocks), 1..) = (&self.blocks, self.overlap) else {
            return Ok(());
        };
        let different: BTreeSet<u32> = train.iter().map(|&row| blocks[row]).collect();
        match different.len() >= 4 * self.overlap + 2 {
            true => Ok(()),
            false => Err(Error::Split {
                message: format!(
                    "the training rows cover only {} times the horizon of {} rows, at least 4 times is needed for out-of-fold labels; use a shorter `--horizon`, or add rows",
                    different.len() / self.overlap,
                    options.horizon
                ),
            }),
        }
    }
}

/// Checks that each target varies in the rows `learn`, and looks for an upper limit that the user did not name.
fn check_targets(
    source: &str,
    (names, values): (&[String], &[Vec<f64>]),
    learn: &[usize],
    options: &DataOptions,
    findings: &mut Findings<'_>,
) -> Result<()> {
    for (column, target) in names.iter().zip(values) {
        check_varied_target(source, column, learn, target)?;
        if options.target_cap.is_none() {
            check_capped_target(source, column, learn, target, findings)?;
        }
    }
    Ok(())
}

/// Looks for test rows that training has seen, and for columns whose test values lie outside the training range.
fn check_test(
    source: &str,
    (features, target): (&Features, &[f64]),
    learn: &[usize],
    test: &[usize],
    findings: &mut Findings<'_>,
) -> Result<()> {
    let seen = seen(features, target, learn, test);
    check_seen_test(source, seen, test.len(), findings)?;
    check_shifted_test(source, &shifted(features, learn, test), findings)
}

/// The targets, and the rows that are used.
struct ReadTargets {
    /// Positions in the table of the rows that are used; see [`usable_rows`].
    rows: Vec<usize>,
    /// For each target, its values in these rows.
    values: Vec<Vec<f64>>,
    /// The same before the option `target_cap` limited them; empty without the option.
    uncapped: Vec<Vec<f64>>,
    /// Numbers that mean *missing* in a target, by its name, if targets were looked up in later rows; otherwise empty.
    missing: BTreeMap<String, MissingNumbers>,
}

/// Reads the targets.
fn read_targets(
    source: &Source,
    options: &DataOptions,
    specs: &[TargetSpec],
    (parts, series): (&[SplitPart], Option<&Series>),
    findings: &mut Findings<'_>,
) -> Result<ReadTargets> {
    let (mut columns, mut missing) = (BTreeMap::new(), BTreeMap::new());
    for name in specs.iter().map(TargetSpec::column) {
        if columns.contains_key(name) {
            continue;
        }
        let mut values = source.target(name)?;
        if options.horizon > 0 {
            let named = options.missing_numbers();
            let all: Vec<usize> = (0..values.len()).collect();
            let found = missing_in_target(source.name(), name, (&values, &all), &named, findings)?;
            values
                .iter_mut()
                .for_each(|value| *value = found.read(*value));
            if !found.is_empty() {
                missing.insert(name.to_owned(), found);
            }
        }
        columns.insert(name, values);
    }
    let series = series.filter(|_| options.horizon > 0);
    let value = |spec: &TargetSpec| {
        let column = &columns[spec.column()];
        series.map_or_else(|| column.clone(), |series| series.ahead(spec, column))
    };
    let mut values: Vec<Vec<f64>> = specs.iter().map(value).collect();
    let mut uncapped = Vec::new();
    if let Some(cap) = options.target_cap {
        uncapped.clone_from(&values);
        let capped = values.iter_mut().flatten().filter(|value| **value > cap);
        capped.for_each(|value| *value = cap);
    }
    let rows = usable_rows(source, specs, &values, parts, findings)?;
    for target in &mut uncapped {
        *target = rows.iter().map(|row| target[*row]).collect();
    }
    for (spec, target) in specs.iter().zip(&mut values) {
        *target = rows.iter().map(|row| target[*row]).collect();
        if spec.unit == LearnedUnit::Log {
            source.check_log_target(&spec.name, &rows, target)?;
        }
    }
    Ok(ReadTargets {
        rows,
        values,
        uncapped,
        missing,
    })
}

/// Positions in the table of the rows that are used; if `all` is true, followed by those of the other rows of the table.
fn with_other_rows(used: &[usize], total: usize, all: bool) -> Vec<usize> {
    let mut rows = used.to_vec();
    if all {
        let mut is_used = vec![false; total];
        used.iter().for_each(|&row| is_used[row] = true);
        rows.extend((0..total).filter(|&row| !is_used[row]));
    }
    rows
}

/// The series of the rows of `features`; `rows` has the position of each of these rows in the table.
fn past(series: Option<&Series>, features: &Features, rows: &[usize]) -> Result<Past> {
    let Some(series) = series else {
        return Err(Error::option(
            "time",
            "a network that reads earlier rows needs their order; name the column of times with `--time`, and the columns of series with `--series`",
        ));
    };
    let mut places = vec![0; rows.len()];
    let each = rows.iter().enumerate();
    each.for_each(|(place, &row)| places[row] = place);
    Ok(Past::new(features, &series.runs_of(&places)))
}

/// What is known before the features are read: the targets, and which rows are used.
struct Found<'a> {
    /// The series that the rows form; `None` if they form none.
    series: Option<&'a Series>,
    names: &'a [String],
    /// Values of each target, one for each row that is used.
    values: &'a [Vec<f64>],
    /// Positions in the table of the rows whose features are read: first those that are used, then rows that only belong to the past of others.
    rows: &'a [usize],
    /// Training and validation rows, as positions in `rows`.
    learn: &'a [usize],
    /// Time of each row that is used; `None` if rows are not split by time.
    time: Option<&'a [i64]>,
}

impl Found<'_> {
    /// The training and validation rows in the order of their times. The times are those by which rows are split, or else the first date column.
    /// `None` if there are no times, or if rows are not one series (see [`in_time_order`]).
    fn in_time_order(&self, columns: &[Column]) -> Option<Vec<usize>> {
        let dates = columns.iter().find_map(|column| match &column.values {
            Values::Time(times) => Some(times.as_slice()),
            _ => None,
        });
        in_time_order(self.learn, self.time.or(dates)?)
    }
}

/// The features with their kinds, and how the cells of columns are written.
struct ReadFeatures {
    kinds: Vec<FeatureKind>,
    features: Features,
    /// How numbers and dates are written, by name of the target or feature column.
    notations: BTreeMap<String, Notation>,
    /// Results of the leak audit of statistics of earlier rows.
    audit: Vec<Audit>,
    /// The operating regimes by which columns are normalized.
    regimes: Option<Regimes>,
}

/// Reads, cleans and checks the feature columns. Only training and validation rows decide what is done.
fn read_features(
    source: Source,
    options: &DataOptions,
    found: &Found<'_>,
    findings: &mut Findings<'_>,
) -> Result<ReadFeatures> {
    let (name, learn) = (source.name().to_owned(), found.learn);
    let has_split = source.has_split(options);
    let mut notations = source.table.notations.clone();
    let reading = options.reading();
    let rules = reading.rules(source.table.prefers_comma);
    let mut whole = found
        .series
        .map(|series| series.numbers(&source))
        .unwrap_or_default();
    // The target's own past is known when a later value of it is predicted.
    let (inputs, hidden): (&[String], _) = match options.horizon {
        0 => (&[], found.names),
        _ => (found.names, &[][..]),
    };
    let mut columns = source.feature_columns(options, hidden, found.rows);
    let inferred = |column: &&mut Column| !options.has_kind(&column.name);
    for column in columns.iter_mut().filter(inferred) {
        if let Some(notation) = read_by_rows(&name, column, learn, &rules, findings)? {
            notations.insert(column.name.clone(), notation);
        }
    }
    let ordered = found.in_time_order(&columns);
    let by_time = found.time.is_some();
    let is_grouped = options.group.is_some() || found.series.is_some();
    let is_random = !by_time && !has_split && !is_grouped;
    let (columns, dates) = with_dates(&name, columns, learn, (by_time, is_random), findings)?;
    let named = options.missing_numbers();
    let (mut columns, mut missing) = clean_features(&name, columns, learn, &named, findings)?;
    if let Some(ordered) = ordered {
        check_stuck(&name, &columns, &dates, &ordered, found.rows, findings)?;
    }
    let scope = Scope {
        series: found.series,
        names: found.names,
        rows: found.rows,
        learn,
    };
    let regimes = match &options.regimes[..] {
        [] => {
            let is_date = |name: &str| dates.contains_key(name);
            check_regimes(&name, &columns, &whole, &scope, &is_date, findings)?;
            None
        }
        settings => {
            let numbers = Numbers {
                columns: &mut columns,
                whole: &mut whole,
                missing: &mut missing,
            };
            Some(numbers.by_regimes(settings, &scope, |name| dates.contains_key(name))?)
        }
    };
    columns.retain(|column| !options.drop.contains(&column.name));
    // The present value of a target may be all but equal to its next value.
    let (own, columns) = columns
        .into_iter()
        .partition(|column| inputs.contains(&column.name));
    let own = check_features(&name, own, learn, &[], findings)?;
    let columns = check_features(&name, columns, learn, found.values, findings)?;
    let mut columns = [own, columns].concat();
    let (mut histories, mut audit) = (BTreeMap::new(), Vec::new());
    if let Some(series) = found.series {
        let all: Vec<&Column> = columns.iter().collect();
        let sources = series.sources(&name, (&all, hidden), &whole, &missing)?;
        audit.extend(series.audit_history(&sources, &whole));
        let made = series.history(&sources, &whole, found.rows);
        for (column, source) in made.iter().zip(sources) {
            histories.insert(column.name.clone(), source);
        }
        columns.extend(check_features(&name, made, learn, &[], findings)?);
    }
    let made = Computed {
        dates: &dates,
        histories: &histories,
    };
    let (kinds, mut features) = features_of(&name, columns, &made, found.rows.len(), learn)?;
    for feature in &mut features.columns {
        feature.missing = missing.get(&feature.name).cloned().unwrap_or_default();
        feature.date = dates.get(&feature.name).cloned();
        feature.history = histories.get(&feature.name).cloned();
    }
    let mut regimes = regimes;
    if let Some(regimes) = &mut regimes {
        let is_read = |name: &String| {
            let source =
                |kind: &FeatureKind| kind.history.as_ref().is_some_and(|own| own.column == *name);
            kinds.iter().any(|kind| kind.name == *name || source(kind))
        };
        regimes.columns.retain(|column| is_read(&column.name));
    }
    let sequence = found.series.map(|series| Sequence {
        regimes: regimes.clone(),
        ..series.sequence().clone()
    });
    let read_from = raw_columns(&kinds, sequence.as_ref());
    let is_used = |column: &String| {
        found.names.contains(column) || read_from.iter().any(|(name, _)| name == column)
    };
    notations.retain(|column, _| is_used(column));
    Ok(ReadFeatures {
        kinds,
        features,
        notations,
        audit,
        regimes,
    })
}

/// Replaces the targets, and predictions of a given teacher, by their changes from the present values `base`; without present values, nothing changes.
fn learn_changes(base: &[Vec<f64>], values: &mut [Vec<f64>], given: Option<&mut GivenTeacher>) {
    let subtract = |values: &mut [f64], base: &[f64]| {
        let both = values.iter_mut().zip(base);
        both.for_each(|(value, base)| *value -= base);
    };
    for (values, base) in values.iter_mut().zip(base) {
        subtract(values, base);
    }
    if let (Some(given), Some(base)) = (given, base.first()) {
        subtract(&mut given.prediction, base);
    }
}

/// Removes from the split the rows for which the present value of a target is missing, if its changes are learned.
fn keep_known(
    source: &str,
    base: &[Vec<f64>],
    split: &mut Split,
    findings: &mut Findings<'_>,
) -> Result<()> {
    if base.is_empty() {
        return Ok(());
    }
    let is_known = |row: &usize| base.iter().all(|base| !base[*row].is_nan());
    let parts = [&mut split.train, &mut split.valid, &mut split.test];
    let mut left_out = 0;
    for part in parts {
        let before = part.len();
        part.retain(is_known);
        left_out += before - part.len();
        if part.is_empty() {
            let message = format!(
                "{source}: in one part of the split, the target's present value is missing in all rows, so its change cannot be learned; use `--learn value`"
            );
            return Err(Error::Split { message });
        }
    }
    if left_out > 0 {
        let message = format!(
            "{source}: {} no present value of the target, so its change is not known; these rows were left out (`--learn value` keeps them)",
            match left_out {
                1 => "1 row has".to_owned(),
                rows => format!("{rows} rows have"),
            }
        );
        let brief = format!("{left_out} rows without a present value");
        findings.found(Check::MissingTarget, None, Finding { message, brief })?;
    }
    Ok(())
}

/// Removes from the split the rows in which any target is a number that means *missing*. Returns, by name of the target, the numbers that mean
/// *missing* in it.
fn clean_targets(
    (source, names): (&str, &[String]),
    values: &[Vec<f64>],
    options: &DataOptions,
    split: &mut Split,
    findings: &mut Findings<'_>,
) -> Result<BTreeMap<String, MissingNumbers>> {
    let named = options.missing_numbers();
    let mut all = BTreeMap::new();
    for (name, target) in names.iter().zip(values) {
        let missing = clean_target(source, name, target, split, &named, findings)?;
        if !missing.is_empty() {
            all.insert(name.clone(), missing);
        }
    }
    Ok(all)
}

/// For each column that is predicted, its values: those of its only target, or with several horizons those of one of them, NaN where any is missing.
fn known_in_all<'s>(
    specs: &'s [TargetSpec],
    values: &'s [Vec<f64>],
) -> Vec<(&'s str, Cow<'s, [f64]>)> {
    let mut all: Vec<(&str, Cow<'_, [f64]>)> = Vec::new();
    for (spec, values) in specs.iter().zip(values) {
        match all
            .last_mut()
            .filter(|(column, _)| *column == spec.column())
        {
            None => all.push((spec.column(), Cow::Borrowed(values))),
            Some((_, known)) => {
                let both = known.to_mut().iter_mut().zip(values);
                both.filter(|(_, value)| value.is_nan())
                    .for_each(|(known, _)| *known = f64::NAN);
            }
        }
    }
    all
}

/// Positions in the table of the rows that have a value of every target and are training, validation or test rows.
fn usable_rows(
    source: &Source,
    specs: &[TargetSpec],
    values: &[Vec<f64>],
    parts: &[SplitPart],
    findings: &mut Findings<'_>,
) -> Result<Vec<usize>> {
    let mut rows: Vec<usize> = (0..parts.len()).collect();
    for (column, target) in known_in_all(specs, values) {
        let usable = source.usable_rows(column, &target, parts, findings)?;
        let mut is_usable = vec![false; parts.len()];
        usable.iter().for_each(|&row| is_usable[row] = true);
        rows.retain(|&row| is_usable[row]);
    }
    if rows.is_empty() {
        let message = format!(
            "{}: no row has a value of every target ({}); fill in the missing values, or name fewer targets",
            source.name(),
            specs
                .iter()
                .map(|spec| &*spec.name)
                .collect::<Vec<_>>()
                .join(", ")
        );
        return Err(Error::Split { message });
    }
    Ok(rows)
}

/// The features by which learned rows are known again: without statistics of many earlier rows if a network reads the rows themselves, since such a student
/// does not read the statistics.
pub fn hashed(features: &Features) -> Cow<'_, Features> {
    match features.past {
        Some(_) => Cow::Owned(features.only(Feature::is_step)),
        None => Cow::Borrowed(features),
    }
}

/// First and last time of the training, validation and test rows; `None` without the option `time`, and if whole series are held out (`by_series`).
fn periods(
    source: &Source,
    options: &DataOptions,
    rows: &[usize],
    (split, by_series): (&Split, bool),
) -> Result<Option<Periods>> {
    let Some(name) = options.time.as_ref().filter(|_| !by_series) else {
        return Ok(None);
    };
    Ok(Some(Periods {
        is_feature: options.keep.contains(name),
        ..source.periods(name, rows, split)?
    }))
}

/// Checks that each part of the split (training, validation and test rows) has a row with a weight above 0. A part without rows is not checked.
fn check_part_weights(split: &Split, weight: &[f64]) -> Result<()> {
    let parts = [
        ("training", &split.train),
        ("validation", &split.valid),
        ("test", &split.test),
    ];
    for (part, rows) in parts {
        if !rows.is_empty() && rows.iter().all(|row| weight[*row] == 0.0) {
            let message = format!(
                "the weight is 0 in all {part} rows; give some of these rows a weight above 0, or leave out the option"
            );
            return Err(Error::option("weight", message));
        }
    }
    Ok(())
}

/// Where computed columns come from, by name of the computed column.
struct Computed<'a> {
    dates: &'a BTreeMap<String, DateSource>,
    histories: &'a BTreeMap<String, HistorySource>,
}

/// Makes features and their kinds from columns; the rows in `learn` decide which columns contain whole numbers only.
fn features_of(
    source: &str,
    columns: Vec<Column>,
    computed: &Computed<'_>,
    rows: usize,
    learn: &[usize],
) -> Result<(Vec<FeatureKind>, Features)> {
    if columns.is_empty() {
        let message = format!(
            "{source}: no feature column is left: the options or the checks left out all columns that could be features; keep a column with `--keep COLUMN`"
        );
        return Err(Error::Shape { message });
    }
    let kinds = columns
        .iter()
        .map(|column| FeatureKind {
            name: column.name.clone(),
            kind: column.kind,
            date: computed.dates.get(&column.name).cloned(),
            history: computed.histories.get(&column.name).cloned(),
        })
        .collect();
    let mut features = Features {
        columns: columns
            .into_iter()
            .filter_map(Feature::from_column)
            .collect(),
        rows,
        past: None,
    };
    features.mark_integers(learn);
    Ok((kinds, features))
}

/// Checks that each column named by an option exists, and that the columns of `ordinal` are category columns.
fn check_names(table: &Table, options: &DataOptions) -> Result<()> {
    for (option, column) in options.single_columns() {
        table.require(column, &format!("option `{option}`"))?;
    }
    let lists = [
        ("drop", &options.drop),
        ("keep", &options.keep),
        ("ordinal", &options.ordinal),
        ("series", &options.series),
        ("regimes", &options.regimes),
    ];
    for (option, columns) in lists {
        for column in columns {
            table.require(column, &format!("option `{option}`"))?;
        }
    }
    for column in &options.ordinal {
        let kind = table.require(column, "option `ordinal`")?.kind;
        if kind != ColumnKind::Category {
            return Err(Error::option(
                "ordinal",
                format!(
                    "column `{column}` is of kind {kind}, expected category; leave it out of `ordinal`, or set its kind with `--type COLUMN=category`"
                ),
            ));
        }
    }
    Ok(())
}

/// Makes the split. `parts` has the part of each row; if the user gives no split, all rows are training rows in it. If `given` is false, test rows
/// are drawn from the training rows. If no row is a validation row, validation rows are drawn from the remaining training rows.
fn split(
    parts: &[SplitPart],
    ties: &Ties<'_>,
    given: bool,
    options: &DataOptions,
    seed: u64,
) -> Result<Split> {
    let of = |part: SplitPart| {
        (0..parts.len())
            .filter(|row| parts[*row] == part)
            .collect::<Vec<usize>>()
    };
    let mut split = Split {
        train: of(SplitPart::Train),
        valid: of(SplitPart::Valid),
        test: of(SplitPart::Test),
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
            message: "the given split has no test row with a target; add test rows".to_owned(),
        });
    }
    if split.train.is_empty() {
        return Err(Error::Split {
            message: "the given split has no training row with a target; add training rows"
                .to_owned(),
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

/// The rows that are not in `held`; both lists are ascending.
fn without(rows: &[usize], held: &[usize]) -> Vec<usize> {
    rows.iter()
        .copied()
        .filter(|row| held.binary_search(row).is_err())
        .collect()
}

/// Checks that the target has more than one value in the given rows.
fn check_varied_target(source: &str, column: &str, rows: &[usize], target: &[f64]) -> Result<()> {
    let first = target[rows[0]];
    if rows
        .iter()
        .any(|row| target[*row].total_cmp(&first).is_ne())
    {
        return Ok(());
    }
    let message = format!(
        "{source}: column `{column}` is {first} in all {} training and validation rows; a constant target cannot be \
         learned: name another target column",
        rows.len()
    );
    Err(Error::Shape { message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::normal;
    use crate::warning::Action;
    use rand::RngExt;

    /// A table of 400 rows with two features, a target, and columns for other roles.
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
                kind: ColumnKind::Time,
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
    fn a_random_split_of_rows_with_dates_is_told() {
        let told = |set: fn(&mut DataOptions)| {
            let made = make(|options| {
                options.drop.retain(|name| name != "day");
                set(options);
            });
            let warnings = made.unwrap().summary.warnings.into_iter();
            let dates = warnings.filter(|warning| warning.check == "datetime");
            dates.map(|warning| warning.message).collect::<String>()
        };
        assert!(told(|_| {}).contains("use `--time day`"));
        assert!(!told(|options| options.group = Some("group".into())).contains("--time"));
        assert!(!told(|options| options.split_column = Some("part".into())).contains("--time"));
    }

    #[test]
    fn stuck_sensors_are_named_if_the_rows_have_times() {
        let stuck = |named: bool| {
            let table = edited(|columns| {
                let Values::Number(a) = &mut columns[0].values else {
                    panic!("number")
                };
                a[60..110].fill(1.25);
                columns[3].values = Values::Time((0..400).map(|row| row * 60_000_000).collect());
            });
            let options = options(|o| {
                if named {
                    o.time = Some("day".into());
                    o.drop.retain(|name| name != "day");
                }
            });
            let data = Dataset::from_table(table, &options, None, 3).unwrap();
            let warnings = data.summary.warnings.into_iter();
            let messages = warnings.filter(|warning| warning.check == "stuck");
            messages.map(|warning| warning.message).collect::<Vec<_>>()
        };
        assert_eq!(stuck(false), Vec::<String>::new());
        let messages = stuck(true);
        assert_eq!(messages.len(), 1);
        assert!(
            messages[0].contains("column `a` repeats 1.250 in 50 consecutive rows from row 61 on"),
            "{}",
            messages[0]
        );
    }

    #[test]
    fn parts_of_a_split_by_time_have_periods() {
        let by_time = |keep: &[&str]| {
            let made = make(|options| {
                options.drop.retain(|name| name != "day");
                options.time = Some("day".into());
                options.keep = keep.iter().map(|&name| name.to_owned()).collect();
            });
            made.unwrap().summary.periods.unwrap()
        };
        // 100 days with four rows each; the last fifth are test rows.
        let plain = by_time(&[]);
        assert_eq!(plain.test.to_string(), "1970-03-22 to 1970-04-10");
        assert_eq!(plain.train.first, "1970-01-01");
        assert_eq!(plain.valid.last, "1970-03-21");
        assert!(!plain.is_feature && plain.to_string().contains("`--keep day`"));
        let kept = by_time(&["day"]);
        assert!(kept.is_feature && !kept.to_string().contains("--keep"));
        assert!(make(|_| {}).unwrap().summary.periods.is_none());
    }

    #[test]
    fn periods_of_numbers_and_times_of_day_are_told() {
        let of = |values: Values| source::period(&values, [2, 0, 1].into_iter()).to_string();
        assert_eq!(of(Values::Number(vec![3.0, 20.5, -1.0])), "-1 to 20.5");
        let hour = 3_600_000_000;
        let times = Values::Time(vec![0, 25 * hour, 24 * hour]);
        assert_eq!(of(times), "1970-01-01 00:00 to 1970-01-02 01:00");
    }

    #[test]
    fn several_targets_share_rows_and_features() {
        let number = |name: &str, of: &dyn Fn(usize) -> f64| {
            Column::number(name, (0..200).map(of).collect())
        };
        let noise = |i: usize| ((i * 7919) % 101) as f64;
        let columns = vec![
            number("x", &|i| ((i * 31) % 97) as f64),
            number("a", &|i| 1.0 + noise(i) + ((i * 31) % 97) as f64),
            number("b", &|i| if i == 3 { f64::NAN } else { 5.0 - noise(i * i) }),
        ];
        let table = Table {
            columns,
            rows: 200,
            source: "t.csv".into(),
            ..Table::default()
        };
        let options = DataOptions::for_target("a");
        let others = ["b".to_owned()];
        let data = Dataset::joint(table.clone(), &options, (&others, 0), None, 1).unwrap();
        let names = |data: &Dataset| -> Vec<String> {
            let columns = data.features.columns.iter();
            columns.map(|column| column.name.clone()).collect()
        };
        assert_eq!(names(&data), ["x"]);
        assert_eq!((data.features.rows, data.targets.specs.len()), (199, 2));
        let b = data.of_target(1);
        assert_eq!((b.spec().name.as_str(), names(&b)), ("b", names(&data)));
        assert_eq!(b.target()[2], 5.0 - noise(4));
        assert_eq!(b.split.test, data.split.test);
        let error = |others: &[&str]| {
            let others: Vec<String> = others.iter().map(|&name| name.to_owned()).collect();
            let made = Dataset::joint(table.clone(), &options, (&others, 0), None, 1);
            made.unwrap_err().to_string()
        };
        assert!(error(&["a"]).contains("targets: `a` is also in `data.target`"));
        assert!(error(&["c"]).contains("targets"));
        let mut logs = options.clone();
        logs.log_targets = vec!["a".into()];
        let units = Dataset::joint(table.clone(), &logs, (&others, 0), None, 1).unwrap();
        let units: Vec<LearnedUnit> = units.targets.specs.iter().map(|one| one.unit).collect();
        assert_eq!(units, [LearnedUnit::Log, LearnedUnit::Own]);
        logs.log_targets = vec!["x".into()];
        let refused = Dataset::joint(table.clone(), &logs, (&others, 0), None, 1).unwrap_err();
        assert!(
            refused.to_string().contains(
                "found `x`, expected one of the values of `data.target` or `targets`: a, b"
            ),
            "{refused}"
        );
        // A column that leaks the second target is refused, although it does not leak the first.
        let mut leaking = table.clone();
        let twice = number("twice_b", &|i| 10.0 - 2.0 * noise(i * i));
        leaking.columns.push(twice);
        let refused = Dataset::joint(leaking, &options, (&others, 0), None, 1).unwrap_err();
        assert!(refused.to_string().contains("twice_b"), "{refused}");
    }

    /// The values of one number feature, by row.
    fn numbers<'a>(data: &'a Dataset, name: &str) -> &'a [f64] {
        let mut columns = data.features.columns.iter();
        match &columns.find(|column| column.name == name).unwrap().values {
            crate::FeatureValues::Number(values) => values,
            crate::FeatureValues::Category { .. } => panic!("number"),
        }
    }

    #[test]
    fn numbers_far_from_all_others_are_missing_and_counted() {
        let mut with = table();
        (0..400)
            .step_by(40)
            .for_each(|row| set_number(&mut with, "a", row, -999.0));
        set_number(&mut with, "b", 7, 1e12);
        let made = |set: &dyn Fn(&mut DataOptions)| {
            Dataset::from_table(with.clone(), &options(set), None, 3).unwrap()
        };
        let data = made(&|_| {});
        assert!(numbers(&data, "a")[40].is_nan() && numbers(&data, "a")[41].is_finite());
        assert_eq!(data.features.columns[0].missing.values, [-999.0]);
        assert!(numbers(&data, "b")[7].is_nan() == data.split.train_valid().contains(&7));
        let said: Vec<&str> = data
            .summary
            .warnings
            .iter()
            .filter(|one| one.check == "sentinel")
            .map(|one| one.message.as_str())
            .collect();
        assert!(
            said[0].contains("`a`: -999 (") && said[0].contains("`--keep a` keeps them"),
            "{said:?}"
        );
        // With `keep` or the action `warn`, they stay numbers.
        let kept = made(&|o| o.keep = vec!["a".into()]);
        assert_eq!(
            (
                numbers(&kept, "a")[40],
                kept.features.columns[0].missing.is_empty()
            ),
            (-999.0, true)
        );
        let warned = made(&|o| {
            o.checks.insert("sentinel".into(), Action::Warn);
        });
        assert_eq!(numbers(&warned, "a")[40], -999.0);
        // A number that the user names is missing even if it is close to other values.
        let near = numbers(&data, "a")[41];
        let named = made(&|o| o.missing = vec![near.to_string(), "?".into()]);
        assert!(numbers(&named, "a")[41].is_nan() && numbers(&named, "a")[40].is_nan());
    }

    #[test]
    fn rows_whose_target_means_missing_are_left_out() {
        let mut with = table();
        (0..400)
            .step_by(40)
            .for_each(|row| set_number(&mut with, "y", row, -999.0));
        let data = Dataset::from_table(with.clone(), &options(|_| {}), None, 3).unwrap();
        assert_eq!(sizes(&data).iter().sum::<usize>(), 390);
        assert!(data.summary.target.min > 0.0);
        assert!(
            data.summary
                .warnings
                .iter()
                .any(|one| one.check == "sentinel" && one.message.contains("target `y`: -999"))
        );
        let kept = options(|o| {
            o.checks.insert("sentinel".into(), Action::Warn);
        });
        assert_eq!(
            sizes(&Dataset::from_table(with, &kept, None, 3).unwrap())
                .iter()
                .sum::<usize>(),
            400
        );
    }

    #[test]
    fn dates_become_their_parts() {
        let data = make(|o| o.drop.retain(|name| name != "day")).unwrap();
        let names = data.features.names();
        assert_eq!(
            names,
            ["a", "b", "group", "day.elapsed", "day.month", "day.weekday"]
        );
        assert_eq!(
            numbers(&data, "day.elapsed")[..5],
            [99.0, 99.0, 99.0, 99.0, 98.0]
        );
        // 1970-04-10 was a Friday.
        assert_eq!(
            (
                numbers(&data, "day.month")[0],
                numbers(&data, "day.weekday")[0]
            ),
            (4.0, 4.0)
        );
        let schema = data.summary.schema();
        assert_eq!(schema[3..], [("day".to_owned(), ColumnKind::Time)]);
        let again = Features::of_table(&table(), &data.summary.features, None).unwrap();
        assert!(
            again.same(&data.features) && again.columns[3].date == data.features.columns[3].date
        );
        let said = data
            .summary
            .warnings
            .iter()
            .find(|one| one.check == "datetime")
            .unwrap();
        assert!(
            said.message
                .contains("its parts are features: elapsed (days since 1970), month (1 to 12), weekday (0 Monday to 6 Sunday) (`--drop day`"),
            "{}",
            said.message
        );
        let left_out = make(|o| {
            o.drop.retain(|name| name != "day");
            o.checks.insert("datetime".into(), Action::Drop);
        });
        assert_eq!(left_out.unwrap().features.names(), ["a", "b", "group"]);
        // In a split by time, the days of test rows are outside the training range, so `elapsed` is not a feature.
        let by_time = make(|o| {
            o.drop.retain(|name| name != "day");
            o.time = Some("day".into());
            o.keep = vec!["day".into()];
        });
        assert_eq!(
            by_time.unwrap().features.names(),
            ["a", "b", "group", "day.month", "day.weekday"]
        );
        // Models that limbeck did not train do not get parts of dates.
        assert_eq!(data.features.as_in_table().names(), ["a", "b", "group"]);
    }

    #[test]
    fn equal_rows_stay_together() {
        let mut four = table();
        for _ in 0..3 {
            four.append(table()).unwrap();
        }
        let data = Dataset::from_table(four, &options(|_| {}), None, 3).unwrap();
        assert_eq!(data.fold_kind, FoldKind::Group);
        let first: BTreeSet<usize> = data.split.test.iter().map(|row| row % 400).collect();
        assert!(
            data.split
                .test
                .iter()
                .all(|&row| (0..4).all(|copy| data.split.test.contains(&(row % 400 + 400 * copy))))
        );
        assert!((60..100).contains(&first.len()), "{}", first.len());
        let said = data
            .summary
            .warnings
            .iter()
            .find(|one| one.check == "repeated_rows")
            .unwrap();
        assert!(
            said.message.contains("1200 of 1600 rows repeat"),
            "{}",
            said.message
        );
        assert_eq!(make(|_| {}).unwrap().fold_kind, FoldKind::Random);
    }

    /// A data set with a column `odd`, whose texts `text` makes from row numbers. Rows with `row % 5 == 3` are the test rows.
    fn with_texts(text: impl Fn(usize) -> String) -> Dataset {
        let texts: Vec<String> = (0..400).map(text).collect();
        let with = edited(|columns| {
            let texts = texts.iter().map(|text| Some(text.as_str()));
            columns.push(Column::category("odd", texts));
        });
        let options = options(|o| o.split_column = Some("part".into()));
        Dataset::from_table(with, &options, None, 3).unwrap()
    }

    fn is_odd_test_row(row: usize) -> bool {
        row % 5 == 3 && row > 200
    }

    #[test]
    fn words_in_test_rows_do_not_decide_the_kind() {
        let with = |value: fn(usize) -> String| {
            with_texts(move |row| match is_odd_test_row(row) {
                true => "sensor off".to_owned(),
                false => value(row),
            })
        };
        let number = with(|row| format!("{}.5", row % 50));
        let date = with(|row| format!("2024-01-{:02}", row % 28 + 1));
        let boolean = with(|row| ["yes", "no"][row % 2].to_owned());
        for (data, feature, kind) in [
            (&number, "odd", "number"),
            (&date, "odd.weekday", "time"),
            (&boolean, "odd", "boolean"),
        ] {
            let missing = numbers(data, feature).iter().filter(|value| value.is_nan());
            assert_eq!(missing.count(), 40, "{kind}");
            let mut said = data.summary.warnings.iter();
            let said = said.find(|one| one.check == "missing_marker").unwrap();
            let expected = format!(
                "of kind {kind} in training and validation rows; 40 cells with other text in test rows are read as missing"
            );
            assert!(said.message.contains(&expected), "{}", said.message);
            // The text also means *missing* in a later table.
            let rules = data.summary.reading(&options(|_| {}));
            assert!(rules.rules_like("odd").is_missing("sensor off"), "{kind}");
        }
    }

    #[test]
    fn numbers_as_text_in_training_rows_give_a_warning() {
        let data = with_texts(|row| match is_odd_test_row(row) {
            true => "sensor off".to_owned(),
            false => format!("{},{:03} km", row % 50 + 1, row),
        });
        let mut said = data.summary.warnings.iter();
        let said = said.find(|one| one.check == "number_text").unwrap();
        assert!(
            said.message.contains("was read as numbers"),
            "{}",
            said.message
        );
    }

    #[test]
    fn a_part_whose_targets_all_mean_missing_is_refused() {
        let parts = |name: &'static str| {
            edited(|columns| {
                let part = |row: usize| ["train", "train", "valid", "test"][row % 4];
                let all = (0..400).map(|row| Some(part(row)));
                let target = columns
                    .iter_mut()
                    .find(|column| column.name == "y")
                    .unwrap();
                let Values::Number(values) = &mut target.values else {
                    panic!("number")
                };
                for row in (0..400).filter(|&row| part(row) == name) {
                    values[row] = -999.0;
                }
                columns.push(Column::category("set", all));
            })
        };
        for (name, word) in [
            ("train", "training"),
            ("valid", "validation"),
            ("test", "test"),
        ] {
            let options = options(|o| {
                o.split_column = Some("set".into());
                o.missing = vec!["-999".into()];
                o.checks.insert("few_rows".into(), Action::Warn);
            });
            let error = Dataset::from_table(parts(name), &options, None, 0).unwrap_err();
            let message = error.to_string();
            let expected = format!("in all {word} rows, target `y`");
            assert!(message.contains(&expected), "{message}");
            assert!(message.contains("(-999)"), "{message}");
        }
    }

    #[test]
    fn a_part_of_a_date_needs_its_own_name() {
        let table = edited(|columns| {
            columns.push(Column {
                name: "date".into(),
                kind: ColumnKind::Time,
                values: Values::Time((0..400).map(|row| row * 86_400_000_000 * 3).collect()),
            });
            columns.push(Column::number(
                "date.year",
                (0..400).map(f64::from).collect(),
            ));
        });
        let error = Dataset::from_table(table, &options(|_| {}), None, 0).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("`date` is a date, and its part `date.year`"),
            "{message}"
        );
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
            ("group".to_owned(), ColumnKind::Category)
        );
    }

    #[test]
    fn groups_are_never_divided() {
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
        // The file is in reverse order of time: the first rows have the last days, and each day has four rows.
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
            message(|o| o.split_column = Some("a".into()))
                .contains("expected one of the texts train")
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
    fn all_rows_of_the_test_table_are_test_rows() {
        let mut other = table();
        other.source = "other.csv".into();
        // The test table has its columns in another order, and one more column.
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
    fn errors_for_missing_and_text_targets_name_them() {
        assert!(
            message(|o| o.target = "yy".into())
                .contains("no column `yy` (asked for by option `target`); did you mean `y`?")
        );
        assert!(
            message(|o| o.target = String::new())
                .contains("found nothing, expected the name of the column to predict")
        );
        let table = edited(|columns| {
            let texts: Vec<String> = (0..400)
                .map(|row| {
                    if row == 41 {
                        "unclear".into()
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
            error.contains("row 42, column `y`: found \"unclear\", expected a number"),
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
    fn infinite_numbers_are_handled_by_the_action() {
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
            error.contains("row 5, column `a`: found -inf")
                && error.contains("`--check infinite=drop`"),
            "{error}"
        );
        assert_eq!(with(Some(Action::Drop)).unwrap().target().len(), 398);
        let warned = with(Some(Action::Warn)).unwrap();
        assert_eq!(warned.target().len(), 399); // The row with an infinite target is left out, like a row without a target.
        assert!(warned.features.columns[0].is_missing(4));
    }

    #[test]
    fn same_rows_compares_checksums_or_fields_of_earlier_versions() {
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
    fn given_teacher_is_read_and_is_not_a_feature() {
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
            o.teacher_std = Some("s".into());
            o.teacher_fold = Some("f".into());
        });
        let mut data = Dataset::from_table(table.clone(), &options, None, 0).unwrap();
        assert_eq!(data.features.names(), ["a", "b", "group"]);
        let given = data.given.take().unwrap();
        assert_eq!((given.prediction[7], given.std.unwrap()[7]), (7.0, 0.5));
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
    fn contradicting_options_are_refused() {
        let has = |set: fn(&mut DataOptions), expected: &str| {
            let error = message(set);
            assert!(error.contains(expected), "{error}");
        };
        has(|o| o.test_share = 1.0, "data.test_share: found 1");
        has(|o| o.valid_share = f64::NAN, "data.valid_share: found NaN");
        has(
            |o| (o.group, o.time) = (Some("group".into()), Some("day".into())),
            "cannot be combined with `data.time`",
        );
        has(
            |o| (o.split_file, o.split_column) = (Some("a:b".into()), Some("part".into())),
            "cannot be combined with `data.split_file`",
        );
        has(
            |o| o.teacher_fold = Some("a".into()),
            "no effect without `data.teacher_column`",
        );
        has(
            |o| o.weight = Some("y".into()),
            "data.weight: `y` is also in `data.target`: a column can have only one of these uses",
        );
        has(
            |o| o.keep = vec!["y".into()],
            "data.keep: `y` is also in `data.target`: this column cannot be a feature",
        );
        has(
            |o| o.drop = vec!["y".into()],
            "data.drop: `y` is also in `data.target`",
        );
        has(
            |o| o.keep = vec!["day".into()],
            "data.keep: `day` is also in `data.drop`",
        );
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
    fn tables_with_too_few_rows_are_refused() {
        let one = Table::new(vec![
            Column::number("a", vec![1.0]),
            Column::number("y", vec![2.0]),
        ])
        .unwrap();
        let error = Dataset::from_table(one, &DataOptions::for_target("y"), None, 0)
            .unwrap_err()
            .to_string();
        assert!(error.contains("1 row is not enough"), "{error}");
        let none = Table::new(vec![
            Column::number("a", vec![1.0; 3]),
            Column::number("y", vec![f64::NAN; 3]),
        ])
        .unwrap();
        let error = Dataset::from_table(none, &DataOptions::for_target("y"), None, 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no row that is used has a value of the target `y`"),
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
