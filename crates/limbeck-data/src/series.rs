//! Tables whose rows form series: the order of the rows, gaps, statistics of earlier rows, and targets that lie ahead.
//!
//! ```text
//! table ─keys, times→ Runs: rows of one series without a gap, in order of time
//!                       ├─history→ columns with statistics of earlier rows
//!                       └─ahead→   the target of later rows
//! ```
//!
//! Neither looks beyond its run, so no number crosses the border of a series or a gap.

use std::collections::{BTreeMap, HashMap};

use limbeck_runtime::{Forecast, History, HistorySource, KeyColumn, KeyKind, Sequence};

use crate::cells::MISSING_TIME;
use crate::kind::ColumnKind;
use crate::table::{Column, MISSING, Table, Values};
use crate::{Error, Result};

/// Text between the values of a key of several columns. It cannot occur in the cell of a text table.
const BETWEEN: char = '\u{1f}';

/// A step between neighboring rows that is this much longer than the usual step is a gap in a series with regular steps.
const REGULAR_GAP: f64 = 1.5;
/// The same for a series with irregular steps, such as trading days.
const IRREGULAR_GAP: f64 = 10.0;
/// Steps are regular if at least this share of them are as long as the usual step.
const REGULAR_SHARE: f64 = 0.9;
/// Steps count as equal if they differ by at most this share.
const SAME_STEP: f64 = 0.01;

/// The steps between neighboring rows of the same series: how long they usually are, and from which length on a step is a gap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steps {
    /// The median step.
    pub(crate) usual: f64,
    /// True if at least 90 % of the steps are as long as the median step.
    pub(crate) regular: bool,
}

impl Steps {
    /// Describes some steps; `None` if there are none.
    pub(crate) fn of(mut steps: Vec<f64>) -> Option<Self> {
        let middle = steps.len() / 2;
        let usual = *steps.get(middle)?;
        let usual = match steps.len() {
            1 => usual,
            _ => *steps.select_nth_unstable_by(middle, f64::total_cmp).1,
        };
        let same = steps
            .iter()
            .filter(|step| (*step - usual).abs() <= SAME_STEP * usual);
        let regular = same.count() as f64 >= REGULAR_SHARE * steps.len() as f64;
        Some(Self { usual, regular })
    }

    /// The longest step that is not a gap: 1.5 times the usual step if steps are regular, and 10 times otherwise.
    pub(crate) fn longest(self) -> f64 {
        let factor = if self.regular {
            REGULAR_GAP
        } else {
            IRREGULAR_GAP
        };
        factor * self.usual
    }
}

/// The time of each row as a number: seconds since 1970 for dates, and the number itself for numbers. NaN if it is missing.
///
/// # Errors
///
/// The kind of the column, if it is neither a date nor a number.
pub(crate) fn times(column: &Column) -> Result<Vec<f64>, ColumnKind> {
    const MICROSECONDS: f64 = 1e6;
    match &column.values {
        Values::Number(values) => Ok(values.clone()),
        Values::Time(times) => {
            let seconds = |&time: &i64| match time {
                MISSING_TIME => f64::NAN,
                known => known as f64 / MICROSECONDS,
            };
            Ok(times.iter().map(seconds).collect())
        }
        Values::Category { .. } | Values::Text(_) => Err(column.kind),
    }
}

/// A column as a key of series or times.
pub(crate) fn key_column(column: &Column) -> KeyColumn {
    let kind = match column.kind {
        ColumnKind::Number | ColumnKind::Boolean => KeyKind::Number,
        ColumnKind::Time => KeyKind::Date,
        ColumnKind::Category | ColumnKind::Text => KeyKind::Text,
    };
    KeyColumn {
        name: column.name.clone(),
        kind,
    }
}

/// Names and kinds of the columns to read from a table, so that its rows can be assigned to series and ordered.
pub fn key_columns(sequence: &Sequence) -> impl Iterator<Item = (String, ColumnKind)> {
    sequence.columns().map(|column| {
        let kind = match column.kind {
            KeyKind::Number => ColumnKind::Number,
            KeyKind::Text => ColumnKind::Category,
            KeyKind::Date => ColumnKind::Time,
        };
        (column.name.clone(), kind)
    })
}

/// The value of a cell as text; `None` if it is missing.
fn text(values: &Values, row: usize) -> Option<String> {
    match values {
        Values::Number(values) if values[row].is_nan() => None,
        Values::Number(values) => Some(values[row].to_string()),
        Values::Time(values) if values[row] == MISSING_TIME => None,
        Values::Time(values) => Some(values[row].to_string()),
        Values::Category { codes, .. } if codes[row] == MISSING => None,
        Values::Category { codes, levels } => Some(levels[codes[row] as usize].clone()),
        Values::Text(values) => values[row].clone(),
    }
}

/// The series of a row: the texts of its cells in the series columns. An error names the column with a missing cell.
fn key<'c>(columns: &[&'c Column], row: usize) -> Result<String, &'c Column> {
    let mut key = String::new();
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            key.push(BETWEEN);
        }
        key.push_str(&text(&column.values, row).ok_or(*column)?);
    }
    Ok(key)
}

/// The number of the series of each row, from 0, in the order in which they first occur. An error has the row and the column of a missing cell.
pub(crate) fn numbered<'c>(
    columns: &[&'c Column],
    rows: usize,
) -> Result<Vec<u32>, (usize, &'c Column)> {
    let mut known: HashMap<String, u32> = HashMap::new();
    let number = |row: usize| {
        let key = key(columns, row).map_err(|column| (row, column))?;
        let next = known.len() as u32;
        Ok(*known.entry(key).or_insert(next))
    };
    (0..rows).map(number).collect()
}

/// The rows of a table in runs: rows of one series in order of time, without a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Runs {
    /// The rows of each run, as positions in the table.
    pub(crate) runs: Vec<Vec<usize>>,
}

/// Rows of the same series with the same time: the number of such rows that have an earlier twin, and the first two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twins {
    /// Number of rows whose series and time an earlier row has already.
    pub(crate) rows: usize,
    /// The first such row, after the row that it repeats.
    pub(crate) first: [usize; 2],
}

/// All rows, ordered by series and then by time. Rows without a time are left out.
pub(crate) fn ordered(series: &[u32], time: &[f64]) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..time.len()).filter(|&row| !time[row].is_nan()).collect();
    rows.sort_by(|&a, &b| {
        let by_time = || time[a].total_cmp(&time[b]);
        series[a].cmp(&series[b]).then_with(by_time)
    });
    rows
}

/// Rows with the same series and time; `None` if there are none. `rows` are in the order of [`ordered`].
pub(crate) fn twins(rows: &[usize], series: &[u32], time: &[f64]) -> Option<Twins> {
    let is_twin = |pair: &&[usize]| {
        series[pair[0]] == series[pair[1]] && time[pair[0]].total_cmp(&time[pair[1]]).is_eq()
    };
    let pairs = || rows.windows(2).filter(is_twin);
    let first = pairs().min_by_key(|pair| pair[1])?;
    Some(Twins {
        rows: pairs().count(),
        first: [first[0], first[1]],
    })
}

/// The longest step that is not a gap ([`Steps::longest`]), of the series with the longest steps. `None` if every series has one row.
pub(crate) fn longest_step(rows: &[usize], series: &[u32], time: &[f64]) -> Option<f64> {
    let each = rows.chunk_by(|&a, &b| series[a] == series[b]);
    let longest = each.filter_map(|rows| Steps::of(steps(rows, series, time)).map(Steps::longest));
    longest.max_by(f64::total_cmp)
}

/// The steps between neighboring rows of the same series.
pub(crate) fn steps(rows: &[usize], series: &[u32], time: &[f64]) -> Vec<f64> {
    let pairs = rows
        .windows(2)
        .filter(|pair| series[pair[0]] == series[pair[1]]);
    pairs.map(|pair| time[pair[1]] - time[pair[0]]).collect()
}

impl Runs {
    /// Makes the runs of rows in the order of [`ordered`].
    pub(crate) fn new(rows: &[usize], series: &[u32], time: &[f64], sequence: &Sequence) -> Self {
        let goes_on = |&last: &usize, &next: &usize| {
            series[last] == series[next] && !sequence.is_gap(time[last], time[next])
        };
        let runs = rows.chunk_by(goes_on).map(<[usize]>::to_vec).collect();
        Self { runs }
    }

    /// For each source, its value in each of `rows` rows; NaN in rows that are in no run. `column` returns the numbers of a column.
    pub(crate) fn history<'a>(
        &self,
        sources: &[HistorySource],
        rows: usize,
        column: impl Fn(&str) -> &'a [f64],
    ) -> Vec<Vec<f64>> {
        let mut history = History::new(sources);
        let names: Vec<String> = history.columns().map(str::to_owned).collect();
        let columns: Vec<&[f64]> = names.iter().map(|name| column(name)).collect();
        let mut all = vec![vec![f64::NAN; rows]; sources.len()];
        let mut numbers = vec![0.0; columns.len()];
        for run in &self.runs {
            history.reset();
            for &row in run {
                for (number, column) in numbers.iter_mut().zip(&columns) {
                    *number = column[row];
                }
                history.push(&numbers);
                for (at, values) in all.iter_mut().enumerate() {
                    values[row] = history.value(at);
                }
            }
        }
        all
    }

    /// The row `horizon` rows after each of `rows` rows in the same run; `None` if there is none.
    pub(crate) fn later(&self, rows: usize, horizon: usize) -> Vec<Option<usize>> {
        let mut all = vec![None; rows];
        for run in &self.runs {
            for (&row, &later) in run.iter().zip(run.iter().skip(horizon)) {
                all[row] = Some(later);
            }
        }
        all
    }

    /// The forecast to learn in each row, from the target of each row; NaN if the run ends before the horizon.
    pub(crate) fn ahead(&self, target: &[f64], horizon: usize, forecast: Forecast) -> Vec<f64> {
        let mut all = vec![f64::NAN; target.len()];
        for run in &self.runs {
            let values: Vec<f64> = run.iter().map(|&row| target[row]).collect();
            for (window, &row) in values.windows(horizon + 1).zip(run) {
                all[row] = forecast.of(window[0], &window[1..]);
            }
        }
        all
    }
}

/// The numbers of a column whose earlier rows a student looks back on.
pub(crate) fn numbers<'t>(table: &'t Table, name: &str) -> Result<&'t [f64]> {
    let column = table.require(name, "the student")?;
    match &column.values {
        Values::Number(values) => Ok(values),
        _ => Err(Error::Shape {
            message: format!(
                "column `{name}` is of kind {}, expected number, because the student looks back on its earlier rows",
                column.kind
            ),
        }),
    }
}

/// The series of a whole table that a student reads.
pub(crate) struct WholeTable {
    runs: Runs,
    rows: usize,
}

impl WholeTable {
    /// Orders the rows of a table, which has the columns of `sequence`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchColumn`] for a column that the table lacks; [`Error::Shape`] for a row without a series or a time, and for two rows with the same
    /// series and time.
    pub(crate) fn new(table: &Table, sequence: &Sequence) -> Result<Self> {
        let source = &table.source;
        let require = |column: &KeyColumn| {
            table.require(&column.name, "the student, whose rows form series,")
        };
        let keys: Vec<&Column> = sequence.series.iter().map(require).collect::<Result<_>>()?;
        let empty = |(row, column): (usize, &Column)| Error::Shape {
            message: format!(
                "{source}: row {}, column `{}`: found an empty cell, expected a value, because the student's rows form series",
                row + 1,
                column.name
            ),
        };
        let series = numbered(&keys, table.rows).map_err(empty)?;
        let column = require(&sequence.time)?;
        let time = times(column).map_err(|kind| Error::Shape {
            message: format!(
                "{source}: column `{}` is of kind {kind}, expected a date or a number that orders the rows",
                sequence.time.name
            ),
        })?;
        if let Some(row) = time.iter().position(|time| time.is_nan()) {
            return Err(empty((row, column)));
        }
        let rows = ordered(&series, &time);
        if let Some(found) = twins(&rows, &series, &time) {
            let names: Vec<&str> = sequence
                .columns()
                .map(|column| column.name.as_str())
                .collect();
            return Err(Error::Shape {
                message: format!(
                    "{source}: row {} has the same `{}` as row {}; a series has one row for each time: keep one of them",
                    found.first[1] + 1,
                    names.join("` and `"),
                    found.first[0] + 1
                ),
            });
        }
        Ok(Self {
            runs: Runs::new(&rows, &series, &time, sequence),
            rows: table.rows,
        })
    }

    /// For each source, its value in each row of the table; see [`Runs::history`].
    pub(crate) fn history<'a>(
        &self,
        sources: &[HistorySource],
        column: impl Fn(&str) -> &'a [f64],
    ) -> Vec<Vec<f64>> {
        self.runs.history(sources, self.rows, column)
    }

    /// The rows of each run, in order of time.
    pub(crate) fn runs(&self) -> &[Vec<usize>] {
        &self.runs.runs
    }

    /// The target to compare with the prediction of each row, from the target's value of each row; see [`Runs::ahead`].
    pub(crate) fn ahead(&self, target: &[f64], sequence: &Sequence) -> Vec<f64> {
        self.runs
            .ahead(target, sequence.horizon as usize, sequence.forecast)
    }
}

/// The values that the student predicts for each row of a table, from the target's value of each row: those of later rows, if the student forecasts.
/// The target is NaN where it is not known, and for rows whose series ends before the horizon.
///
/// # Errors
///
/// [`Error::NoSuchColumn`] for a column of `sequence` that the table lacks; [`Error::Shape`] for a row without a series or a time, and for two rows with
/// the same series and time.
pub fn targets_ahead(table: &Table, sequence: &Sequence, target: &[f64]) -> Result<Vec<f64>> {
    if sequence.horizon == 0 {
        return Ok(target.to_vec());
    }
    Ok(WholeTable::new(table, sequence)?.ahead(target, sequence))
}

/// Follows the series of a table that is read block by block: keeps the last rows of each series.
pub(crate) struct Follower {
    sequence: Sequence,
    sources: Vec<HistorySource>,
    series: BTreeMap<String, Followed>,
}

/// The last rows of one series.
struct Followed {
    time: f64,
    history: History,
}

/// Statistics of earlier rows, and which rows of a block belong together.
pub(crate) struct Follow {
    /// For each source, its value in each row.
    pub(crate) history: Vec<Vec<f64>>,
    /// For each row, the series that it belongs to.
    pub(crate) keys: Vec<String>,
    /// For each row, true if no row before it can be looked at, because it is the first of its series or follows a gap.
    pub(crate) first: Vec<bool>,
}

impl Follower {
    /// A follower that has seen no row.
    pub(crate) fn new(sequence: &Sequence, sources: Vec<HistorySource>) -> Self {
        Self {
            sequence: sequence.clone(),
            sources,
            series: BTreeMap::new(),
        }
    }

    /// Computes the statistics of earlier rows in each row of the table. The rows of a series must be in order of time, also from one call to the next.
    ///
    /// `place` describes the row with this position in the table, for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a row without a series or a time, or a row that is not later than the row before it in its series.
    pub(crate) fn follow(
        &mut self,
        table: &Table,
        place: impl Fn(usize) -> String,
    ) -> Result<Follow> {
        let sequence = self.sequence.clone();
        let require = |column: &KeyColumn| {
            table.require(&column.name, "the student, whose rows form series,")
        };
        let keys: Vec<&Column> = sequence.series.iter().map(require).collect::<Result<_>>()?;
        let time_column = require(&sequence.time)?;
        let time = times(time_column).map_err(|kind| Error::Shape {
            message: format!(
                "column `{}` is of kind {kind}, expected a date or a number that orders the rows",
                sequence.time.name
            ),
        })?;
        let empty = |row: usize, column: &Column| Error::Shape {
            message: format!(
                "{}, column `{}`: found an empty cell, expected a value, because the student looks back on earlier rows of the same series",
                place(row),
                column.name
            ),
        };
        let names = History::new(&self.sources);
        let columns = names.columns().map(|name| numbers(table, name));
        let columns: Vec<&[f64]> = columns.collect::<Result<_>>()?;
        let mut all = vec![Vec::with_capacity(table.rows); self.sources.len()];
        let (mut row_keys, mut first) = (Vec::new(), Vec::new());
        for row in 0..table.rows {
            if time[row].is_nan() {
                return Err(empty(row, time_column));
            }
            let key = key(&keys, row).map_err(|column| empty(row, column))?;
            let fresh = !self.series.contains_key(&key);
            row_keys.push(key.clone());
            let followed = self.series.entry(key).or_insert_with_key(|_| Followed {
                time: time[row],
                history: History::new(&self.sources),
            });
            if !fresh && time[row] <= followed.time {
                return Err(late(&sequence, &place(row), time[row] < followed.time));
            }
            let after_gap = !fresh && sequence.is_gap(followed.time, time[row]);
            if after_gap {
                followed.history.reset();
            }
            first.push(fresh || after_gap);
            followed.time = time[row];
            let values: Vec<f64> = columns.iter().map(|column| column[row]).collect();
            followed.history.push(&values);
            for (at, out) in all.iter_mut().enumerate() {
                out.push(followed.history.value(at));
            }
        }
        Ok(Follow {
            history: all,
            keys: row_keys,
            first,
        })
    }
}

/// The error of a row that is not later than the row before it in its series. `earlier` is true if it is earlier, and false if both have the same
/// time.
fn late(sequence: &Sequence, place: &str, earlier: bool) -> Error {
    let found = if earlier {
        "earlier than"
    } else {
        "the same as"
    };
    let names: Vec<&str> = sequence
        .series
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let same = match names.is_empty() {
        true => "the row before it".to_owned(),
        false => format!(
            "the row before it with the same `{}`",
            names.join("` and `")
        ),
    };
    let time = &sequence.time.name;
    Error::Shape {
        message: format!(
            "{place}, column `{time}`: the time is {found} that of {same}; the student looks back on earlier rows, so sort the rows by `{time}`, and keep one row for each time"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(look: &str) -> HistorySource {
        HistorySource {
            column: "x".into(),
            look: look.parse().unwrap(),
            missing: Default::default(),
        }
    }

    fn sequence(longest_step: Option<f64>) -> Sequence {
        Sequence {
            series: vec![KeyColumn {
                name: "unit".into(),
                kind: KeyKind::Text,
            }],
            time: KeyColumn {
                name: "t".into(),
                kind: KeyKind::Number,
            },
            longest_step,
            horizon: 0,
            forecast: Forecast::Value,
            relative: false,
            rows_before: 0,
            regimes: None,
        }
    }

    /// Two series `a` and `b`, whose rows are mixed; `b` has a gap after time 2.
    fn table() -> Table {
        let units = ["a", "b", "b", "a", "a", "b", "b"];
        Table::new(vec![
            Column::category("unit", units.into_iter().map(Some)),
            Column::number("t", vec![1.0, 1.0, 2.0, 2.0, 3.0, 9.0, 10.0]),
            Column::number("x", vec![10.0, 1.0, 2.0, 20.0, 40.0, 5.0, 7.0]),
        ])
        .unwrap()
    }

    fn runs(table: &Table, longest: Option<f64>) -> Runs {
        let series = numbered(&[&table.columns[0]], table.rows).unwrap();
        let time = times(&table.columns[1]).unwrap();
        let rows = ordered(&series, &time);
        assert_eq!(twins(&rows, &series, &time), None);
        Runs::new(&rows, &series, &time, &sequence(longest))
    }

    #[test]
    fn runs_end_at_series_and_gaps() {
        let table = table();
        let all = runs(&table, None).runs;
        assert_eq!(all, [vec![0, 3, 4], vec![1, 2, 5, 6]]);
        let split = runs(&table, Some(1.5));
        assert_eq!(split.runs, [vec![0, 3, 4], vec![1, 2], vec![5, 6]]);
        let x = [10.0, 1.0, 2.0, 20.0, 40.0, 5.0, 7.0];
        let lag = &split.history(&[source("lag1")], 7, |_| &x)[0];
        assert_eq!(lag[3..5], [10.0, 20.0]);
        assert_eq!((lag[2], lag[6]), (1.0, 5.0));
        assert!([0, 1, 5].iter().all(|&row: &usize| lag[row].is_nan()));
        let ahead = split.ahead(&x, 1, Forecast::Change);
        assert_eq!(ahead[..2], [10.0, 1.0]);
        assert_eq!((ahead[3], ahead[5]), (20.0, 2.0));
        assert!(ahead[2].is_nan() && ahead[4].is_nan() && ahead[6].is_nan());
        assert_eq!(
            split.later(7, 2),
            [Some(4), None, None, None, None, None, None]
        );
        assert_eq!(split.ahead(&x, 0, Forecast::Mean), x);
    }

    #[test]
    fn a_follower_equals_the_whole_table() {
        let table = table();
        let sources = [source("lag1"), source("mean2"), source("diff2")];
        let split = runs(&table, Some(1.5));
        let Values::Number(x) = &table.columns[2].values else {
            panic!("number")
        };
        let whole = split.history(&sources, 7, |_| x);
        let mut follower = Follower::new(&sequence(Some(1.5)), sources.to_vec());
        for block in [0..3, 3..4, 4..7] {
            let rows: Vec<usize> = block.clone().collect();
            let picked = |column: &Column| Column {
                values: column.values.select(&rows),
                ..column.clone()
            };
            let part = Table::new(table.columns.iter().map(picked).collect()).unwrap();
            let found = follower.follow(&part, |row| format!("row {row}"));
            let found = found.unwrap().history;
            for (found, whole) in found.iter().zip(&whole) {
                let both = found.iter().zip(&whole[block.clone()]);
                assert!(both.into_iter().all(|(a, b)| a.total_cmp(b).is_eq()));
            }
        }
        let again = follower.follow(&table, |row| format!("row {}", row + 1));
        let message = again.err().unwrap().to_string();
        assert!(
            message.contains("row 1, column `t`: the time is earlier than that of the row before it with the same `unit`"),
            "{message}"
        );
    }

    #[test]
    fn twins_are_counted() {
        let (series, time) = ([0, 0, 1, 0, 0], [1.0, 2.0, 1.0, 2.0, 2.0]);
        let rows = ordered(&series, &time);
        let found = twins(&rows, &series, &time).unwrap();
        assert_eq!((found.rows, found.first), (2, [1, 3]));
    }

    #[test]
    fn gaps_follow_the_usual_step() {
        let hourly = Steps::of([vec![3600.0; 50], vec![7200.0]].concat()).unwrap();
        assert_eq!((hourly.regular, hourly.longest()), (true, 5400.0));
        let trading = [1.0, 1.0, 1.0, 1.0, 3.0].repeat(10);
        let trading = Steps::of(trading).unwrap();
        assert_eq!((trading.regular, trading.longest()), (false, 10.0));
        assert_eq!(Steps::of(vec![]), None);
        assert_eq!(Steps::of(vec![2.0]).unwrap().longest(), 3.0);
    }
}
