//! Data sets whose rows form series: their order, statistics of earlier rows, targets that lie ahead, and the leak audit.

mod judges;

use std::collections::{BTreeMap, BTreeSet};

use limbeck_runtime::{Forecast, HistorySource, KeyKind, Look, MissingNumbers, Sequence};

use super::options::{Ahead, DataOptions, Gap, HoldOut, Learn};
use super::source::Source;
use super::summary::{Audit, SeriesSummary};
use crate::dates::minute;
use crate::error::row_in_words;
use crate::features::{FeatureValues, Features};
use crate::figures::counted;
use crate::kind::ColumnKind;
use crate::series::{
    Runs, Steps, Twins, key_column, longest_step, numbered, ordered, steps, times, twins,
};
use crate::split::{Split, SplitPart};
use crate::table::{Column, Values};
use crate::targets::TargetSpec;
use crate::{Error, Result};

/// A forecast from the target's own past alone: an earlier value, repeated (such as persistence), or a small linear model of earlier values.
#[derive(Clone, Debug, PartialEq)]
pub struct Naive {
    /// Name of the forecast.
    pub name: String,
    /// The target, by its position among the targets of the data set.
    pub target: usize,
    /// The forecast of each row, in the target's unit; NaN if an earlier value is missing.
    pub predictions: Vec<f64>,
}

impl Naive {
    /// The same forecast for the given rows only.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            predictions: rows.iter().map(|&row| self.predictions[row]).collect(),
            ..self.clone()
        }
    }

    /// The same forecast, in a data set that has only this target.
    pub(super) fn alone(&self) -> Self {
        Self {
            target: 0,
            ..self.clone()
        }
    }
}

/// The table and the rows of a data set, for forecasts from the target's own past.
pub(super) struct ForecastData<'a> {
    pub(super) source: &'a Source,
    pub(super) options: &'a DataOptions,
    pub(super) targets: &'a [TargetSpec],
    /// For target columns that have them, the numbers that mean *missing*.
    pub(super) missing: &'a BTreeMap<String, MissingNumbers>,
    /// Position in the table of each row of the data set.
    pub(super) rows: &'a [usize],
    pub(super) split: &'a Split,
    pub(super) weight: &'a [f64],
}

impl ForecastData<'_> {
    /// The column of a target in each row of the table; NaN where it is missing.
    fn values(&self, target: &TargetSpec) -> Result<Vec<f64>> {
        let mut values = self.source.target(target.column())?;
        if let Some(missing) = self.missing.get(target.column()) {
            let read = |value: &mut f64| *value = missing.read(*value);
            values.iter_mut().for_each(read);
        }
        Ok(values)
    }

    /// The predictions for the rows of the data set, at most the option `target_cap`, from those for each row of the table.
    fn capped(&self, predictions: &[f64]) -> Vec<f64> {
        let capped = |&row: &usize| match self.options.target_cap {
            Some(cap) if predictions[row] > cap => cap,
            _ => predictions[row],
        };
        self.rows.iter().map(capped).collect()
    }
}

/// Series and time of the rows of a data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Name of each series, made from its cells in the series columns; an empty text if there is only one series and no such column.
    pub names: Vec<String>,
    /// For each row, the index of its series.
    pub series: Vec<u32>,
    /// For each row, its time: seconds since 1970 for dates, else the number.
    pub time: Vec<f64>,
    /// True if the times are dates.
    pub is_date: bool,
}

impl Timeline {
    /// The given rows only.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            series: rows.iter().map(|&row| self.series[row]).collect(),
            time: rows.iter().map(|&row| self.time[row]).collect(),
            ..self.clone()
        }
    }
}

/// With at least this many series, whole series are held out by default, if targets belong to their own rows.
const ENOUGH_SERIES: usize = 10;
/// To hold out whole series needs at least this many series.
const FEWEST_SERIES: usize = 5;

/// The series that the rows of a table form.
pub(super) struct Series {
    sequence: Sequence,
    /// Statistics of earlier rows to compute, each with its column; `None` stands for all number columns.
    looks: Vec<(Option<String>, Look)>,
    /// Rows in a season; `None` without the option `season`.
    season: Option<usize>,
    runs: Runs,
    /// For each row of the table, the number of its series.
    series: Vec<u32>,
    /// For each row of the table, its time.
    time: Vec<f64>,
    /// For each row of the table, the row in which its target is known; with several horizons, the last of its targets.
    target_rows: Vec<Option<usize>>,
    /// True if there are several horizons.
    several: bool,
    steps: Option<Steps>,
    /// Number of series.
    count: usize,
    /// Name of each series.
    names: Vec<String>,
    /// True if whole series are held out.
    whole: bool,
}

impl Series {
    /// Reads the series of the rows; `None` if neither an option nor a network (`is_read`) asks for series. `parts` has the part of each row in the given
    /// split, if there is one.
    pub(super) fn of(
        source: &Source,
        options: &DataOptions,
        parts: &[SplitPart],
        is_read: bool,
    ) -> Result<Option<Self>> {
        let is_asked = is_read || options.has_series();
        let Some(time_name) = options.time.as_ref().filter(|_| is_asked) else {
            return Ok(None);
        };
        let columns = options.series.iter();
        let columns = columns.map(|name| source.table.require(name, "option `series`"));
        let columns: Vec<&Column> = columns.collect::<Result<_>>()?;
        let rows = source.table.rows;
        let series = numbered(&columns, rows).map_err(|(row, column)| {
            let expected = "a value that names the series of the row, as option `series` requires";
            source.cell(&column.name, row, "an empty cell".to_owned(), expected)
        })?;
        // Refuses empty cells and texts, with the place of the cell.
        source.times(time_name, &(0..rows).collect::<Vec<_>>())?;
        let column = source.table.require(time_name, "option `time`")?;
        let time = times(column).map_err(|kind| {
            let message =
                format!("column `{time_name}` is of kind {kind}, expected times or numbers");
            Error::option("time", message)
        })?;
        let order = ordered(&series, &time);
        if let Some(found) = twins(&order, &series, &time) {
            return Err(refused_twins(source, options, time_name, found));
        }
        let steps = Steps::of(steps(&order, &series, &time));
        let longest = longest_step(&order, &series, &time);
        let sequence = Sequence {
            series: columns.iter().map(|column| key_column(column)).collect(),
            time: key_column(column),
            longest_step: longest.filter(|_| options.gap != Gap::Ignore),
            horizon: options.longest_horizon() as u32,
            forecast: options.forecast.forecast(),
            relative: false,
            rows_before: 0,
            regimes: None,
        };
        let runs = Runs::new(&order, &series, &time, &sequence);
        let target_rows = runs.later(rows, options.longest_horizon());
        let mut made = Self {
            whole: false,
            several: !options.horizons.is_empty(),
            looks: options.looks()?,
            season: options.season,
            count: series.iter().max().map_or(0, |last| *last as usize + 1),
            names: series_names(&columns, &series),
            sequence,
            runs,
            series,
            time,
            target_rows,
            steps,
        };
        made.check_gaps(source, options)?;
        let has_split = source.has_split(options);
        if !has_split && options.hold_out == HoldOut::Series && made.count < FEWEST_SERIES {
            let message = format!(
                "found {} series, but holding out whole series needs at least {FEWEST_SERIES}: for training, validation, test and two folds; use `--hold-out time`",
                made.count
            );
            return Err(Error::option("hold_out", message));
        }
        made.whole = made.holds_out_whole(options, has_split.then_some(parts));
        Ok(Some(made))
    }

    /// How the rows form series.
    pub(super) fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Series and time of the given rows of the table.
    pub(super) fn timeline(&self, rows: &[usize]) -> Timeline {
        let all = Timeline {
            names: self.names.clone(),
            series: self.series.clone(),
            time: self.time.clone(),
            is_date: self.sequence.time.kind == KeyKind::Date,
        };
        all.select(rows)
    }

    /// Names of the columns that assign rows to series and order them.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.sequence.columns().map(|column| column.name.as_str())
    }

    /// Number of rows of the table.
    pub(super) fn rows(&self) -> usize {
        self.series.len()
    }

    /// The rows of each run in order of time. `places` has the new position of each row of the table.
    pub(super) fn runs_of(&self, places: &[usize]) -> Vec<Vec<usize>> {
        let run = |run: &Vec<usize>| run.iter().map(|&row| places[row]).collect();
        self.runs.runs.iter().map(run).collect()
    }

    /// Number of gaps.
    fn gaps(&self) -> usize {
        self.runs.runs.len().saturating_sub(self.count)
    }

    fn check_gaps(&self, source: &Source, options: &DataOptions) -> Result<()> {
        if options.gap != Gap::Refuse || self.gaps() == 0 {
            return Ok(());
        }
        let pairs = self.runs.runs.windows(2);
        let mut ends = pairs.map(|pair| (pair[0][pair[0].len() - 1], pair[1][0]));
        let is_gap = |&(last, next): &(usize, usize)| self.series[last] == self.series[next];
        let Some((last, next)) = ends.find(is_gap) else {
            return Ok(());
        };
        let place = |row| {
            let place = source.place(row);
            row_in_words(place.row, place.line)
        };
        Err(Error::Shape {
            message: format!(
                "{}: column `{}`: {}, the first between {} and {}, a step of {}; add the missing rows, or use `--gap split` or `--gap ignore`",
                source.name(),
                self.sequence.time.name,
                counted(self.gaps(), "gap"),
                place(last),
                place(next),
                self.time[next] - self.time[last],
            ),
        })
    }

    /// The number of the series of each of `rows`.
    pub(super) fn of_rows(&self, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|&row| self.series[row]).collect()
    }

    /// True if whole series are held out, so that the rows of a series belong to one part of the split.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Decides whether whole series are held out: by the given split, in which `parts` has the part of each row, or else by the options.
    fn holds_out_whole(&self, options: &DataOptions, given: Option<&[SplitPart]>) -> bool {
        match (given, options.hold_out) {
            (Some(parts), _) => self.count > 1 && self.divided(parts).is_none(),
            (None, HoldOut::Series) => true,
            (None, HoldOut::Time) => false,
            (None, HoldOut::Auto) => self.count >= ENOUGH_SERIES && options.horizon == 0,
        }
    }

    /// The first series with rows in two parts of the split, except dropped rows; `None` if there is none. `parts` has the part of each row.
    fn divided(&self, parts: &[SplitPart]) -> Option<u32> {
        let mut found: BTreeMap<u32, SplitPart> = BTreeMap::new();
        let used = (0..parts.len()).filter(|&row| parts[row] != SplitPart::Dropped);
        used.map(|row| (self.series[row], parts[row]))
            .find(|(series, part)| *found.entry(*series).or_insert(*part) != *part)
            .map(|(series, _)| series)
    }

    /// Number of rows from a row to its target.
    fn horizon_of(&self, target: &TargetSpec) -> usize {
        let own = target.later.as_ref().map(|later| later.horizon);
        own.unwrap_or(self.sequence.horizon) as usize
    }

    /// The target to learn in each row of the table, from the value of the target's column in each row.
    pub(super) fn ahead(&self, target: &TargetSpec, column: &[f64]) -> Vec<f64> {
        let horizon = self.horizon_of(target);
        self.runs.ahead(column, horizon, self.sequence.forecast)
    }

    /// Removes training and validation rows whose target is known only in a validation or test row. `rows` has the position in the table of each row of
    /// the split. Then keeps only every `stride`-th training and validation row of each run. Returns the summary of the series, with the audit of the split.
    ///
    /// # Errors
    ///
    /// [`Error::Split`] if no training row or no validation row is left.
    pub(super) fn purge(
        &self,
        split: &mut Split,
        rows: &[usize],
        stride: usize,
    ) -> Result<SeriesSummary> {
        let before = split.train.len() + split.valid.len();
        if !self.whole {
            self.purge_part(split, rows, true);
            self.purge_part(split, rows, false);
        }
        for (part, left) in [("training", &split.train), ("validation", &split.valid)] {
            if left.is_empty() {
                let message = format!(
                    "with a horizon of {} rows, the targets of all {part} rows lie in later parts of the split; use a shorter `--horizon`, hold out more rows (`test_share`, `valid_share`), or define the split yourself",
                    self.sequence.horizon
                );
                return Err(Error::Split { message });
            }
        }
        let purged = before - split.train.len() - split.valid.len();
        if stride > 1 {
            self.thin(split, rows, stride);
        }
        let lengths = || self.runs.runs.iter().map(Vec::len);
        Ok(SeriesSummary {
            sequence: self.sequence.clone(),
            series: self.count,
            gaps: self.gaps(),
            usual_step: self.steps.map(|steps| steps.usual),
            is_regular: self.steps.is_some_and(|steps| steps.regular),
            shortest: lengths().min().unwrap_or(0),
            longest: lengths().max().unwrap_or(0),
            whole_series: self.whole,
            purged,
            audit: vec![self.audit_split(split, rows)],
        })
    }

    /// Keeps only every `stride`-th training row and validation row of each run. `rows` has the position in the table of each row of the split.
    fn thin(&self, split: &mut Split, rows: &[usize], stride: usize) {
        for part in [&mut split.train, &mut split.valid] {
            let mut is_kept = vec![false; self.rows()];
            part.iter().for_each(|&row| is_kept[rows[row]] = true);
            for run in &self.runs.runs {
                let own = run.iter().filter(|&&row| std::mem::take(&mut is_kept[row]));
                let kept: Vec<usize> = own.step_by(stride).copied().collect();
                kept.into_iter().for_each(|row| is_kept[row] = true);
            }
            part.retain(|&row| is_kept[rows[row]]);
        }
    }

    /// The earliest and the latest time of some rows.
    fn times_of(&self, rows: &[usize], part: &[usize]) -> (f64, f64) {
        let times = part.iter().map(|&row| self.time[rows[row]]);
        times.fold((f64::INFINITY, f64::NEG_INFINITY), |(first, last), time| {
            (first.min(time), last.max(time))
        })
    }

    /// For each row of the table: true if its target is made from a row that is `held`.
    fn looks_into(&self, held: &[bool]) -> Vec<bool> {
        let horizon = self.sequence.horizon as usize;
        let all = self.several || matches!(self.sequence.forecast, Forecast::Mean | Forecast::Sum);
        let mut into = vec![false; held.len()];
        for run in &self.runs.runs {
            // Position in the run of the next row that is held.
            let mut next = usize::MAX;
            for at in (0..run.len()).rev() {
                let ends_in = run.get(at + horizon).is_some_and(|&row| held[row]);
                into[run[at]] = ends_in || all && next <= at + horizon;
                if held[run[at]] {
                    next = at;
                }
            }
        }
        into
    }

    /// Removes rows of one part, the training rows or the validation rows, whose target is known only in a later part. If all rows of the part are
    /// earlier than all rows of the later parts, these are all targets at or after the first time of the later parts.
    fn purge_part(&self, split: &mut Split, rows: &[usize], train: bool) {
        let later = match train {
            true => [split.valid.clone(), split.test.clone()].concat(),
            false => split.test.clone(),
        };
        let part = match train {
            true => &mut split.train,
            false => &mut split.valid,
        };
        let (first, by_time) = {
            let (first, _) = self.times_of(rows, &later);
            (first, self.times_of(rows, part).1 < first)
        };
        let mut held = vec![false; self.time.len()];
        later.iter().for_each(|&row| held[rows[row]] = true);
        let into = self.looks_into(&held);
        let is_late = |row: usize| {
            let target = self.target_rows[row];
            target.is_some_and(|target| by_time && self.time[target] >= first)
        };
        part.retain(|&row| !into[rows[row]] && !is_late(rows[row]));
    }

    /// Audits the split: a training target must not be known only in a held-out row, and a series that is held out must not be in training, too.
    fn audit_split(&self, split: &Split, rows: &[usize]) -> Audit {
        if self.whole {
            let of = |part: &[usize]| -> BTreeSet<u32> {
                part.iter().map(|&row| self.series[rows[row]]).collect()
            };
            let (train, valid, test) = (of(&split.train), of(&split.valid), of(&split.test));
            let twice = train.intersection(&valid).count()
                + train.intersection(&test).count()
                + valid.intersection(&test).count();
            return Audit {
                test: "each series is in one part of the split".to_owned(),
                passed: twice == 0,
                found: format!(
                    "number of series: {} for training, {} for validation, {} for test; {twice} in two parts",
                    train.len(),
                    valid.len(),
                    test.len()
                ),
            };
        }
        let mut held = vec![false; self.time.len()];
        let later = split.valid.iter().chain(&split.test);
        later.for_each(|&row| held[rows[row]] = true);
        let into = self.looks_into(&held);
        let crossing = split.train.iter().filter(|&&row| into[rows[row]]).count();
        Audit {
            test: "no training row has a target that is known only in a held-out row".to_owned(),
            passed: crossing == 0,
            found: format!(
                "{crossing} of {} training rows have a target in a validation or test row",
                split.train.len()
            ),
        }
    }

    /// The numbers of each number column of the table, in all its rows.
    pub(super) fn numbers(&self, source: &Source) -> BTreeMap<String, Vec<f64>> {
        let columns = source.table.columns.iter();
        let numbers = columns.filter_map(|column| match (&column.values, column.kind) {
            (Values::Number(values), ColumnKind::Number) => {
                Some((column.name.clone(), values.clone()))
            }
            _ => None,
        });
        numbers.collect()
    }

    /// The statistics to compute: those of named columns, and those of all number columns among `features`. `numbers` has the numbers of each number
    /// column of the table; `missing` has the numbers that mean *missing*, by column. The columns `hidden` are not known where the student runs.
    pub(super) fn sources(
        &self,
        source: &str,
        (features, hidden): (&[&Column], &[String]),
        numbers: &BTreeMap<String, Vec<f64>>,
        missing: &BTreeMap<String, MissingNumbers>,
    ) -> Result<Vec<HistorySource>> {
        let mut all: Vec<HistorySource> = Vec::new();
        let mut add = |column: &str, look: Look| {
            let made = HistorySource {
                column: column.to_owned(),
                look,
                missing: missing.get(column).cloned().unwrap_or_default(),
            };
            if !all.contains(&made) {
                all.push(made);
            }
        };
        for (column, look) in &self.looks {
            match column {
                Some(column) if hidden.contains(column) => {
                    let message = format!(
                        "`{column}.{look}` looks back on the target, which is not known where the student runs; leave it out, or predict a later row with `--horizon`"
                    );
                    return Err(Error::option("history", message));
                }
                Some(column) if numbers.contains_key(column) => add(column, *look),
                Some(column) => {
                    let message = format!(
                        "`{column}.{look}`: {source} has no number column `{column}`; there are: {}",
                        numbers.keys().cloned().collect::<Vec<_>>().join(", ")
                    );
                    return Err(Error::option("history", message));
                }
                None => {
                    let own = features
                        .iter()
                        .filter(|column| column.kind == ColumnKind::Number);
                    let own = own.filter(|column| numbers.contains_key(&column.name));
                    own.for_each(|column| add(&column.name, *look));
                }
            }
        }
        let names: BTreeSet<&str> = features.iter().map(|column| column.name.as_str()).collect();
        match all.iter().find(|made| names.contains(name(made).as_str())) {
            Some(made) => Err(Error::Shape {
                message: format!(
                    "{source}: column `{}` has the name of a statistic of earlier rows; rename it, or leave it out with `--drop`",
                    name(made)
                ),
            }),
            None => Ok(all),
        }
    }

    /// The columns of the statistics, in the given rows of the table.
    pub(super) fn history(
        &self,
        sources: &[HistorySource],
        numbers: &BTreeMap<String, Vec<f64>>,
        rows: &[usize],
    ) -> Vec<Column> {
        let all = self.compute(sources, numbers);
        let both = sources.iter().zip(all);
        both.map(|(source, values)| {
            let picked = rows.iter().map(|&row| values[row]).collect();
            Column::number(&name(source), picked)
        })
        .collect()
    }

    fn compute(
        &self,
        sources: &[HistorySource],
        numbers: &BTreeMap<String, Vec<f64>>,
    ) -> Vec<Vec<f64>> {
        let rows = self.time.len();
        self.runs.history(sources, rows, |name| &numbers[name])
    }

    /// Runs with at least `rows` rows in total, spread over all runs; all runs if there are fewer rows.
    fn sample(&self, rows: usize) -> Runs {
        let all = &self.runs.runs;
        let total: usize = all.iter().map(Vec::len).sum();
        let step = (total / rows.max(1)).clamp(1, all.len().max(1));
        Runs {
            runs: all.iter().step_by(step).cloned().collect(),
        }
    }

    /// Audits the statistics on some runs: changes all numbers in the later half of each run, and compares the statistics in the earlier half.
    pub(super) fn audit_history(
        &self,
        sources: &[HistorySource],
        numbers: &BTreeMap<String, Vec<f64>>,
    ) -> Option<Audit> {
        if sources.is_empty() {
            return None;
        }
        let sample = self.sample(AUDITED);
        let mut changed = numbers.clone();
        for run in &sample.runs {
            for &row in &run[run.len().div_ceil(2)..] {
                changed
                    .values_mut()
                    .for_each(|values| values[row] = -values[row] - 1.5);
            }
        }
        let rows = self.time.len();
        let compute = |numbers: &BTreeMap<String, Vec<f64>>| {
            sample.history(sources, rows, |name| &numbers[name])
        };
        let (before, after) = (compute(numbers), compute(&changed));
        let halves = sample.runs.iter().map(|run| &run[..run.len().div_ceil(2)]);
        let (mut compared, mut moved) = (0, 0);
        for &row in halves.flatten() {
            for (before, after) in before.iter().zip(&after) {
                compared += 1;
                moved += usize::from(before[row].total_cmp(&after[row]).is_ne());
            }
        }
        Some(Audit {
            test: "statistics of earlier rows do not depend on later rows".to_owned(),
            passed: moved == 0,
            found: format!(
                "after all later numbers were changed, {moved} of {compared} statistics differ"
            ),
        })
    }

    /// For each target, the present value to add to what is learned; empty if the forecast itself is learned. `values` are the forecasts to learn.
    ///
    /// Changes are learned if the option `learn` says so, or if on validation rows the present value is a better forecast of every target column
    /// than the mean of the training rows: if its squared error is smaller, as a share of that of the mean and on average over the horizons. A target's own
    /// column must be a feature, because the student adds it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the option asks for changes, and they cannot be learned.
    pub(super) fn base(
        options: &DataOptions,
        (values, split): (&[Vec<f64>], &Split),
        features: &Features,
        targets: &[TargetSpec],
    ) -> Result<Vec<Vec<f64>>> {
        if options.horizon == 0 || options.learn == Learn::Value {
            return Ok(Vec::new());
        }
        let own = |target: &TargetSpec| {
            let mut columns = features.columns.iter();
            let own = columns.find(|column| column.name == target.column());
            match own.map(|column| &column.values) {
                Some(FeatureValues::Number(values)) => Some(values.clone()),
                _ => None,
            }
        };
        let present: Option<Vec<Vec<f64>>> = targets.iter().map(own).collect();
        let is_plain = matches!(options.forecast, Ahead::Value | Ahead::Mean)
            && !options.log_target
            && options.log_targets.is_empty()
            && options.target_cap.is_none();
        let persists = |present: &[Vec<f64>]| {
            let mut columns: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for ((target, values), present) in targets.iter().zip(values).zip(present) {
                let ratio = of_persistence(values, present, split);
                columns.entry(target.column()).or_default().push(ratio);
            }
            let persists = |ratios: &Vec<f64>| ratios.iter().sum::<f64>() < ratios.len() as f64;
            columns.values().all(persists)
        };
        match (present.filter(|_| is_plain), options.learn) {
            (Some(present), Learn::Change) => Ok(present),
            (Some(present), _) if persists(&present) => Ok(present),
            (None, Learn::Change) => Err(Error::option(
                "learn",
                "changes from the present value need a target that is also a feature, and neither `log_targets` nor `target_cap`; a check may have dropped its column: see `inspect`, or use `--learn value`",
            )),
            _ => Ok(Vec::new()),
        }
    }

    /// The forecasts of each target from its own past alone, for the rows of the data set: persistence, the seasonal naive forecast if there is a season,
    /// and the judges. Empty if targets belong to their own rows.
    pub(super) fn naive(&self, data: &ForecastData<'_>) -> Result<Vec<Naive>> {
        let mut all = Vec::new();
        if self.sequence.horizon == 0 {
            return Ok(all);
        }
        for (target, spec) in data.targets.iter().enumerate() {
            let values = data.values(spec)?;
            let repetitions = self.repetitions(&values, self.horizon_of(spec));
            let found = repetitions
                .into_iter()
                .chain(self.judges(data, spec, values));
            all.extend(found.map(|(name, predictions)| Naive {
                name: name.to_owned(),
                target,
                predictions: data.capped(&predictions),
            }));
        }
        Ok(all)
    }

    /// The forecasts without a model, with their names: for each row of the table, an earlier value of the target.
    fn repetitions(&self, target: &[f64], horizon: usize) -> Vec<(&'static str, Vec<f64>)> {
        let season = self.season.map(|season| ("seasonal naive", season));
        let all = std::iter::once((PERSISTENCE, 1)).chain(season);
        all.map(|(name, season)| (name, self.repeated(target, season, horizon)))
            .collect()
    }

    /// The forecast of each row of the table, `horizon` rows ahead, if the target repeats its last `season` values; NaN where one of them is missing.
    ///
    /// `ŷ_k = y_{k − m ⌈k / m⌉}` for the row `k` rows ahead, where `m` is the season and `y_0` the target of the present row.
    fn repeated(&self, target: &[f64], season: usize, horizon: usize) -> Vec<f64> {
        let mut all = vec![f64::NAN; target.len()];
        for run in &self.runs.runs {
            for (at, &row) in run.iter().enumerate() {
                let earlier = |k: usize| {
                    let back = season * k.div_ceil(season) - k;
                    at.checked_sub(back).map_or(f64::NAN, |at| target[run[at]])
                };
                let next: Vec<f64> = (1..=horizon).map(earlier).collect();
                all[row] = self.sequence.forecast.of(target[row], &next);
            }
        }
        all
    }

    /// The least number of rows of a block of time: as many rows as a horizon has, so that errors of blocks that are not neighbors do not depend on each
    /// other; but not more than a thirtieth of the rows.
    pub(super) fn shortest_block(&self, rows: &[usize]) -> usize {
        const BLOCKS: usize = 30;
        let times: BTreeSet<u64> = rows.iter().map(|&row| self.time[row].to_bits()).collect();
        let per_time = rows.len().div_ceil(times.len().max(1));
        let wanted = self.sequence.horizon as usize * per_time;
        wanted.min(rows.len() / BLOCKS)
    }

    /// The largest number of blocks between a row and its target. `blocks` has the block of each of `rows`.
    pub(super) fn overlap(&self, rows: &[usize], blocks: &[u32]) -> usize {
        // Targets may lie in rows that are not used themselves, so blocks are found by time.
        let mut known: Vec<(f64, u32)> = rows
            .iter()
            .zip(blocks)
            .map(|(&row, &block)| (self.time[row], block))
            .collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        let block_at = |time: f64| {
            let after = known.partition_point(|known| known.0 <= time);
            known[after.saturating_sub(1)].1
        };
        let both = rows.iter().zip(blocks);
        let reach = both.filter_map(|(&row, &block)| {
            let target = self.target_rows[row]?;
            Some(block_at(self.time[target]).saturating_sub(block) as usize)
        });
        reach.max().unwrap_or(0)
    }
}

/// Number of rows on which the leak audit computes statistics, at least, if there are as many.
const AUDITED: usize = 20_000;

/// Name of the forecast that the target keeps its present value.
const PERSISTENCE: &str = "persistence";

/// The squared error of the present value as forecast of the target, divided by that of the mean over the training rows; on validation rows.
fn of_persistence(values: &[f64], present: &[f64], split: &Split) -> f64 {
    let mean = split.train.iter().map(|&row| values[row]).sum::<f64>() / split.train.len() as f64;
    let known = split.valid.iter().filter(|&&row| !present[row].is_nan());
    let squares = known.map(|&row| {
        let (of_mean, of_present) = (values[row] - mean, values[row] - present[row]);
        (of_mean * of_mean, of_present * of_present)
    });
    let sums = squares.fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
    // Without an error of the mean, neither is better.
    if sums.0 > 0.0 { sums.1 / sums.0 } else { 1.0 }
}

/// Name of each series: the cells of its first row in the series columns. `series` has the number of the series of each row.
fn series_names(columns: &[&Column], series: &[u32]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (row, &number) in series.iter().enumerate() {
        if number as usize == names.len() {
            let cells = columns.iter().map(|column| cell_text(column, row));
            names.push(cells.collect::<Vec<_>>().join(" "));
        }
    }
    names
}

/// Name of the column of a statistic.
fn name(source: &HistorySource) -> String {
    format!("{}.{}", source.column, source.look)
}

/// A cell as text for people.
fn cell_text(column: &Column, row: usize) -> String {
    match &column.values {
        Values::Number(values) => values[row].to_string(),
        Values::Category { codes, levels } => {
            levels.get(codes[row] as usize).cloned().unwrap_or_default()
        }
        Values::Time(values) => minute(values[row]),
        Values::Text(values) => values[row].clone().unwrap_or_default(),
    }
}

/// The error of rows with the same series and time. It names a column that would tell them apart, if there is one.
fn refused_twins(source: &Source, options: &DataOptions, time: &str, found: Twins) -> Error {
    let column = |name: &str| {
        source
            .table
            .columns
            .iter()
            .find(|column| column.name == name)
    };
    let cell = |name: &str, row: usize| {
        column(name).map_or_else(String::new, |column| cell_text(column, row))
    };
    let [first, second] = found.first.map(|row| {
        let place = source.place(row);
        row_in_words(place.row, place.line)
    });
    let names = [&options.series[..], &[time.to_owned()]].concat();
    let pair = names
        .iter()
        .map(|name| format!("{name} = {}", cell(name, found.first[0])));
    let pair: Vec<String> = pair.collect();
    let named = format!("`{}`", names.join("`, `"));
    let fix = match telling(source, options, time) {
        Some(more) => format!(
            "column `{more}` tells all of them apart: use `--series {}`",
            [&[more.clone()][..], &options.series].concat().join(",")
        ),
        None if options.series.is_empty() => {
            "name the column of the series with `--series`, or keep one row for each time"
                .to_owned()
        }
        None => "keep one row for each time of a series".to_owned(),
    };
    let repeat = match found.rows {
        1 => "1 row repeats the".to_owned(),
        rows => format!("{} repeat the", counted(rows, "row")),
    };
    Error::Shape {
        message: format!(
            "{}: {repeat} {named} of an earlier row, the first is {second}, which repeats {first} ({}); a series has one row for each time: {fix}",
            source.name(),
            pair.join(", ")
        ),
    }
}

/// The column with the fewest different values that gives all rows different series and times, if it is added to the series columns.
fn telling(source: &Source, options: &DataOptions, time: &str) -> Option<String> {
    let is_free = |column: &&Column| {
        let name = &column.name;
        let kind = matches!(
            column.kind,
            ColumnKind::Number | ColumnKind::Category | ColumnKind::Boolean
        );
        kind && name != time && *name != options.target && !options.series.contains(name)
    };
    let rows = source.table.rows;
    let require = |name: &String| source.table.require(name, "option `series`").ok();
    let own: Vec<&Column> = options.series.iter().map(require).collect::<Option<_>>()?;
    let time = times(source.table.require(time, "option `time`").ok()?).ok()?;
    let candidates = source
        .table
        .columns
        .iter()
        .filter(is_free)
        .filter_map(|column| {
            let values = numbered(&[column], rows).ok()?;
            let different = values.iter().max().map_or(0, |last| *last as usize + 1);
            // A column with many different values, such as a reading, tells rows apart by chance.
            (different * different <= rows).then_some((different, column))
        });
    let mut candidates: Vec<(usize, &Column)> = candidates.collect();
    candidates.sort_by_key(|(different, _)| *different);
    let tells = |column: &Column| {
        let columns = [&[column][..], &own].concat();
        let series = numbered(&columns, rows).ok()?;
        let order = ordered(&series, &time);
        twins(&order, &series, &time)
            .is_none()
            .then(|| column.name.clone())
    };
    candidates.into_iter().find_map(|(_, column)| tells(column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::split::FoldKind;
    use crate::table::Table;

    /// Machines with 60, 50 and 40 hourly rows in turn, in mixed order. `load` grows from a level that depends on the machine, and has a wave.
    fn machines(count: usize) -> Table {
        let mut rows: Vec<(usize, i64)> = Vec::new();
        for machine in 0..count {
            let hours = [60, 50, 40][machine % 3];
            rows.extend((0..hours).map(|hour| (machine, hour)));
        }
        rows.sort_by_key(|&(machine, hour)| (hour * 7 % 11, machine, hour));
        let load = |machine: usize, hour: i64| {
            100.0 * machine as f64 + hour as f64 + (hour * hour % 7) as f64
        };
        Table::new(vec![
            Column::category(
                "machine",
                rows.iter().map(|row| {
                    Some(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"][row.0])
                }),
            ),
            Column {
                name: "hour".into(),
                kind: ColumnKind::Time,
                values: Values::Time(rows.iter().map(|row| row.1 * 3_600_000_000).collect()),
            },
            Column::number("load", rows.iter().map(|row| load(row.0, row.1)).collect()),
            Column::number(
                "rain",
                rows.iter().map(|row| (row.1 * 5 % 13) as f64).collect(),
            ),
            Column::number(
                "y",
                rows.iter().map(|row| (row.1 * row.1 % 17) as f64).collect(),
            ),
        ])
        .unwrap()
    }

    fn table() -> Table {
        machines(3)
    }

    fn options(target: &str, set: impl FnOnce(&mut DataOptions)) -> DataOptions {
        let mut options = DataOptions::for_target(target);
        options.series = vec!["machine".into()];
        options.time = Some("hour".into());
        set(&mut options);
        options
    }

    fn make(target: &str, set: impl FnOnce(&mut DataOptions)) -> Result<Dataset> {
        Dataset::from_table(table(), &options(target, set), None, 5)
    }

    fn message(target: &str, set: impl FnOnce(&mut DataOptions)) -> String {
        make(target, set).unwrap_err().to_string()
    }

    fn column<'a>(data: &'a Dataset, name: &str) -> &'a [f64] {
        let mut columns = data.features.columns.iter();
        let found = columns.find(|column| column.name == name);
        match found.map(|column| &column.values) {
            Some(FeatureValues::Number(values)) => values,
            _ => panic!("no number column {name}"),
        }
    }

    #[test]
    fn whole_series_are_held_out_and_look_back_on_themselves() {
        let options = options("y", |options| options.history = vec!["lag1".into()]);
        let data = Dataset::from_table(machines(12), &options, None, 5).unwrap();
        let series = data.summary.series.as_ref().unwrap();
        assert!(series.whole_series && series.is_clean());
        assert_eq!((series.series, series.gaps), (12, 0));
        assert_eq!((series.shortest, series.longest), (40, 60));
        assert_eq!(data.fold_kind, FoldKind::Group);
        assert_eq!(
            data.features.names(),
            ["load", "rain", "load.lag1", "rain.lag1"]
        );
        let (load, lag) = (column(&data, "load"), column(&data, "load.lag1"));
        let first = lag.iter().filter(|value| value.is_nan()).count();
        assert_eq!(first, 12);
        for row in 0..600 {
            let step = load[row] - lag[row];
            assert!(step.is_nan() || (-6.0..=8.0).contains(&step), "{step}");
        }
    }

    #[test]
    fn a_dropped_column_may_have_statistics_of_earlier_rows() {
        let data = make("load", |options| {
            options.drop = vec!["rain".into()];
            options.history = vec!["rain.lag1".into()];
        })
        .unwrap();
        assert_eq!(data.features.names(), ["y", "rain.lag1"]);
        let raw = crate::raw_columns(&data.summary.features, data.summary.sequence());
        assert!(raw.iter().any(|(name, _)| name == "rain"));
        // Numbers that mean *missing* are read as such.
        let mut table = table();
        if let Values::Number(rain) = &mut table.columns[3].values {
            rain[7] = -999.0;
        }
        let options = options("load", |options| {
            options.drop = vec!["rain".into()];
            options.history = vec!["rain.min3".into()];
            options.missing = vec!["-999".into()];
        });
        let cleaned = Dataset::from_table(table, &options, None, 5).unwrap();
        let least = column(&cleaned, "rain.min3").iter().copied();
        assert!(least.fold(0.0, f64::min) >= 0.0);
        // A statistic of all number columns is none of a dropped one.
        let data = make("load", |options| {
            options.drop = vec!["rain".into()];
            options.history = vec!["lag1".into()];
        });
        assert_eq!(data.unwrap().features.names(), ["y", "y.lag1"]);
    }

    #[test]
    fn a_stride_thins_training_rows_and_no_others() {
        let history = |stride: usize| {
            move |options: &mut DataOptions| {
                options.history = vec!["lag1".into()];
                (options.hold_out, options.stride) = (HoldOut::Time, stride);
            }
        };
        let (all, thin) = (
            make("load", history(1)).unwrap(),
            make("load", history(4)).unwrap(),
        );
        assert_eq!(thin.split.test, all.split.test);
        assert!(
            thin.split
                .train
                .iter()
                .all(|row| all.split.train.contains(row))
        );
        let found = thin.split.train.len() as f64 / all.split.train.len() as f64;
        assert!((found - 0.25).abs() < 0.05, "{found}");
        // The row before a row is not among those that are learned from.
        let (lag, before) = (column(&thin, "rain.lag1"), column(&all, "rain.lag1"));
        assert!(
            lag.iter()
                .zip(before)
                .all(|(a, b)| a == b || a.is_nan() && b.is_nan())
        );
    }

    #[test]
    fn a_dropped_row_does_not_change_what_is_held_out() {
        let mut table = table();
        if let Values::Number(load) = &mut table.columns[2].values {
            load[7] = f64::INFINITY;
        }
        let options = options("load", |options| {
            options.horizon = 1;
            options
                .checks
                .insert("infinite".into(), crate::Action::Drop);
        });
        let data = Dataset::from_table(table, &options, None, 5).unwrap();
        assert!(!data.summary.series.unwrap().whole_series);
        assert_eq!(data.fold_kind, FoldKind::Time);
    }

    #[test]
    fn targets_of_training_rows_lie_before_held_out_rows() {
        let data = make("load", |options| {
            options.horizon = 2;
            options.valid_share = 0.3;
        })
        .unwrap();
        let series = data.summary.series.as_ref().unwrap();
        assert!(!series.whole_series && series.is_clean());
        // Two rows of each machine have no later row; two borders leave out two rows of each machine that reaches them.
        assert_eq!(data.features.rows, 150 - 6);
        assert!(series.purged >= 4, "{}", series.purged);
        let hours: Vec<i64> = table().columns[1..2]
            .iter()
            .flat_map(|column| match &column.values {
                Values::Time(times) => times.iter().map(|time| time / 3_600_000_000).collect(),
                _ => Vec::new(),
            })
            .collect();
        let of = |rows: &[usize]| -> Vec<i64> {
            rows.iter().map(|&row| hours[data.rows[row]]).collect()
        };
        let (train, valid, test) = (
            of(&data.split.train),
            of(&data.split.valid),
            of(&data.split.test),
        );
        let last = |hours: &[i64]| hours.iter().max().copied().unwrap();
        let first = |hours: &[i64]| hours.iter().min().copied().unwrap();
        assert!(last(&train) + 2 < first(&valid) && last(&valid) + 2 < first(&test));
        // The present load is a feature, and the target is the load two hours later.
        let load = column(&data, "load");
        let step = data.target()[data.split.train[0]] + data.base[0][data.split.train[0]]
            - load[data.split.train[0]];
        assert!((-4.0..=8.0).contains(&step), "{step}");
        let names: Vec<&str> = data.naive.iter().map(|naive| &naive.name[..]).collect();
        assert_eq!(names, ["persistence", "linear on lags"]);
        assert_eq!(data.naive[0].predictions, load);
    }

    #[test]
    fn changes_are_learned_if_the_present_value_is_the_better_forecast() {
        let value = make("load", |options| {
            options.horizon = 2;
            options.learn = Learn::Value;
        });
        let value = value.unwrap();
        let change = make("load", |options| options.horizon = 2).unwrap();
        assert!(change.summary.sequence().unwrap().relative);
        assert!(!value.summary.sequence().unwrap().relative);
        let load = column(&change, "load");
        assert_eq!(change.base, [load]);
        let both = change.target().iter().zip(load).zip(value.target());
        for ((change, load), value) in both {
            assert_eq!(change + load, *value);
        }
        assert_eq!(change.summary.target, value.summary.target);
        // The rain of the last hours says little about the rain of the next.
        let rain = make("rain", |options| options.horizon = 1).unwrap();
        assert!(rain.base.is_empty());
    }

    #[test]
    fn a_season_repeats() {
        let data = make("rain", |options| {
            options.horizon = 3;
            options.season = Some(13);
            options.learn = Learn::Value;
        });
        let data = data.unwrap();
        let naive = data
            .naive
            .iter()
            .find(|naive| naive.name == "seasonal naive")
            .unwrap();
        let known: Vec<usize> = (0..data.features.rows)
            .filter(|&row| !naive.predictions[row].is_nan())
            .collect();
        assert!(known.len() > 90);
        assert!(
            known
                .iter()
                .all(|&row| naive.predictions[row] == data.target()[row])
        );
        assert!(data.features.names().contains(&"rain.diff10".to_owned()));
    }

    #[test]
    fn gaps_split_series_or_are_refused() {
        let gap = |action: Gap| {
            let mut table = table();
            if let Values::Time(times) = &mut table.columns[1].values {
                let late = times.iter_mut().filter(|time| **time >= 20 * 3_600_000_000);
                late.for_each(|time| *time += 5 * 3_600_000_000);
            }
            let options = options("y", |options| {
                options.history = vec!["load.lag1".into()];
                options.gap = action;
            });
            Dataset::from_table(table, &options, None, 5)
        };
        let missing = |data: &Dataset| {
            column(data, "load.lag1")
                .iter()
                .filter(|x| x.is_nan())
                .count()
        };
        let split = gap(Gap::Split).unwrap();
        assert_eq!(
            (split.summary.series.as_ref().unwrap().gaps, missing(&split)),
            (3, 6)
        );
        assert_eq!(missing(&gap(Gap::Ignore).unwrap()), 3);
        let refused = gap(Gap::Refuse).unwrap_err().to_string();
        assert!(
            refused.contains("column `hour`: 3 gaps, the first between row"),
            "{refused}"
        );
    }

    #[test]
    fn equal_times_of_a_series_are_refused() {
        // Without a look back, rows may have equal times.
        assert!(make("y", |options| options.series = Vec::new()).is_ok());
        let error = message("y", |options| {
            options.series = Vec::new();
            options.history = vec!["lag1".into()];
        });
        assert!(
            error.contains("90 rows repeat the `hour` of an earlier row")
                && error
                    .contains("column `machine` tells all of them apart: use `--series machine`"),
            "{error}"
        );
    }

    #[test]
    fn limits_of_targets_are_learned() {
        let data = make("y", |options| options.target_cap = Some(9.0)).unwrap();
        let largest = data.target().iter().copied().fold(0.0, f64::max);
        assert_eq!(largest, 9.0);
        assert!(
            data.summary
                .warnings
                .iter()
                .all(|warning| warning.check != "capped_target")
        );
    }

    #[test]
    fn wrong_options_are_refused() {
        let with = |text: &str| {
            let text = text.to_owned();
            message("y", |options| options.history = vec![text])
        };
        assert!(with("sma3").contains("expected one of lagN"));
        assert!(
            with("wind.lag1").contains("has no number column `wind`; there are: load, rain, y")
        );
        let few = message("y", |options| options.hold_out = HoldOut::Series);
        assert!(few.contains("found 3 series"), "{few}");
        let untimed = message("y", |options| options.time = None);
        assert!(untimed.contains("data.time"), "{untimed}");
        let grouped = message("y", |options| options.group = Some("rain".into()));
        assert!(grouped.contains("data.group"), "{grouped}");
        let learn = message("y", |options| {
            options.horizon = 2;
            options.forecast = Ahead::Sum;
            options.learn = Learn::Change;
        });
        assert!(learn.contains("a value or a mean"), "{learn}");
    }
}
