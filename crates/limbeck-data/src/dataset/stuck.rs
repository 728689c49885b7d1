//! Finds sensors that were stuck: a number repeated over many consecutive rows in a column that otherwise changes from row to row.

use std::collections::{BTreeMap, HashSet};

use limbeck_runtime::DateSource;

use crate::Result;
use crate::checks::{Check, Findings};
use crate::figures::short;
use crate::metrics::same;
use crate::table::{Column, Values};
use crate::warning::Finding;

/// Minimum number of equal consecutive values that are reported as a sensor that may have been stuck.
const RUN: usize = 30;
/// Minimum number of different values of a column. A column with fewer is not checked: it may be a setting or a level, which often stays the same
/// for many rows.
const DIFFERENT: usize = 50;
/// Maximum number of long runs (at least [`RUN`] equal values) of the same value. If a value has more long runs, they are normal and not reported,
/// such as runs of 0 in a column of rainfall.
const RUNS_AT_VALUE: usize = 2;
/// Chance alone produces runs of equal values, too. A run is reported only if the expected number of chance runs of its length or longer in the column
/// is below this.
const CHANCE: f64 = 1e-6;

/// A run: equal values in consecutive rows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    value: f64,
    /// The row of the first value.
    first: usize,
    rows: usize,
}

/// The rows `learn` in the order of their times. `None` if the table probably contains several series: if the number of different times is less than
/// 90 % of the number of rows.
pub(super) fn in_time_order(learn: &[usize], times: &[i64]) -> Option<Vec<usize>> {
    let different: HashSet<i64> = learn.iter().map(|&row| times[row]).collect();
    let is_series = different.len() * 10 >= learn.len() * 9;
    is_series.then(|| {
        let mut rows = learn.to_vec();
        rows.sort_by_key(|&row| times[row]);
        rows
    })
}

/// Check `stuck`: reports number columns that repeat a value over many consecutive rows, except parts of dates (`dates`). `rows` are the training and
/// validation rows in the order of their times. `places` has, for each row number, its position in the table.
pub(super) fn check_stuck(
    source: &str,
    columns: &[Column],
    dates: &BTreeMap<String, DateSource>,
    rows: &[usize],
    places: &[usize],
    findings: &mut Findings<'_>,
) -> Result<()> {
    for column in columns {
        let (Values::Number(values), false) = (&column.values, dates.contains_key(&column.name))
        else {
            continue;
        };
        let found = stuck(values, rows);
        let Some(longest) = found.iter().max_by_key(|run| run.rows) else {
            continue;
        };
        let all: usize = found.iter().map(|run| run.rows).sum();
        let (value, first) = (short(longest.value), places[longest.first] + 1);
        let message = format!(
            "{source}: column `{}` repeats {value} in {} consecutive rows from row {first} on, but usually changes from row to row; the sensor may have been \
             stuck. {all} training and validation rows repeat a number in this way. They are used as they are; if the number is wrong, empty these cells",
            column.name, longest.rows,
        );
        let brief = format!("{value} in {} rows from row {first} on", longest.rows);
        findings.found(Check::Stuck, Some(&column.name), Finding { message, brief })?;
    }
    Ok(())
}

/// The runs of a column that are too long to be chance. Missing values neither end nor lengthen a run. Empty if the column has fewer than
/// [`DIFFERENT`] different values, or if long runs (at least [`RUN`] values) are common in it.
///
/// Among the values outside long runs, let `p` be the share that equals the value before. Then about `n p^(k − 1)` runs of at least `k` values are
/// expected by chance in `n` rows.
fn stuck(values: &[f64], rows: &[usize]) -> Vec<Run> {
    let known: Vec<usize> = rows
        .iter()
        .copied()
        .filter(|&row| !values[row].is_nan())
        .collect();
    let runs = runs(values, &known);
    let different: HashSet<u64> = known.iter().map(|&row| values[row].to_bits()).collect();
    let (long, short): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.rows >= RUN);
    // If long runs are common in this column, none of them is suspicious.
    if different.len() < DIFFERENT || long.len() * 20 > short.len() {
        return Vec::new();
    }
    let others: usize = short.iter().map(|run| run.rows).sum();
    let repeats = others - short.len();
    let p = repeats as f64 / others.max(1) as f64;
    let by_chance = |run: &Run| known.len() as f64 * p.powf(run.rows as f64 - 1.0);
    let at_value = |run: &Run| {
        long.iter()
            .filter(|other| same(other.value, run.value))
            .count()
    };
    let is_stuck = |run: &&Run| at_value(run) <= RUNS_AT_VALUE && by_chance(run) < CHANCE;
    long.iter().filter(is_stuck).copied().collect()
}

/// Divides `rows`, in the given order, into runs of equal values. A run may be a single row.
fn runs(values: &[f64], rows: &[usize]) -> Vec<Run> {
    let equal = |a: &usize, b: &usize| same(values[*a], values[*b]);
    let run = |rows: &[usize]| Run {
        value: values[rows[0]],
        first: rows[0],
        rows: rows.len(),
    };
    rows.chunk_by(equal).map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2000 readings that change from row to row, on a grid of `steps` values.
    fn readings(steps: u64) -> Vec<f64> {
        (0..2000_u64)
            .map(|row| (row * row * 7919 % 104_729 % steps) as f64)
            .collect()
    }

    fn found(values: &[f64]) -> Vec<Run> {
        stuck(values, &(0..values.len()).collect::<Vec<_>>())
    }

    #[test]
    fn a_long_run_is_found_across_missing_values() {
        let mut values = readings(1000);
        assert_eq!(found(&values), []);
        values[500..600].fill(3.0);
        values[550] = f64::NAN;
        let run = Run {
            value: 3.0,
            first: 500,
            rows: 99,
        };
        assert_eq!(found(&values), [run]);
    }

    #[test]
    fn short_runs_and_settings_are_no_stuck_sensors() {
        let mut values = readings(1000);
        values[500..529].fill(3.0);
        assert_eq!(found(&values), []);
        let mut setting = readings(20);
        setting[500..600].fill(3.0);
        assert_eq!(found(&setting), []);
    }

    #[test]
    fn slow_readings_repeat_by_chance() {
        // Each reading is held for 20 rows: 95 % of values equal the one before, and runs of 40 are likely.
        let slow: Vec<f64> = (0..4000)
            .map(|row| ((row / 20) * 7919 % 997) as f64)
            .collect();
        assert_eq!(found(&slow), []);
        let mut slow = slow;
        slow[1000..1040].fill(5.0);
        assert_eq!(found(&slow), []);
        slow[1000..1900].fill(5.0);
        assert_eq!(found(&slow).len(), 1);
    }

    #[test]
    fn a_value_at_which_a_column_rests_often_is_no_stuck_sensor() {
        let mut light = readings(1000);
        for night in light.chunks_mut(200) {
            night[..80].fill(0.0);
        }
        assert_eq!(found(&light), []);
    }

    #[test]
    fn only_a_single_series_has_an_order() {
        assert_eq!(in_time_order(&[0, 1, 2], &[9, 4, 7]), Some(vec![1, 2, 0]));
        assert_eq!(in_time_order(&[0, 1, 2], &[4, 4, 7]), None);
    }
}
