//! Makes features of dates: each part of a date becomes a column of numbers.
//!
//! | part | becomes a feature if |
//! |---|---|
//! | `elapsed`, `year` | it differs among training and validation rows, and rows are not split by time: later test rows would lie outside the training range |
//! | `month`, `weekday`, `hour` | it differs among training and validation rows |
//! | `year_sin`, `year_cos` | training and validation rows have at least 6 different months |
//! | `day_sin`, `day_cos` | training and validation rows have at least 6 different hours |
//!
//! Fractions of a second are rounded down.

use std::collections::BTreeSet;

use limbeck_runtime::{DatePart, DateSource, MISSING_TIME};

use crate::cells::MISSING_TIME as MISSING_MICROSECONDS;
use crate::kind::ColumnKind;
use crate::table::{Column, Values};
pub use crate::time::minute;

const FEWEST_FOR_CYCLE: usize = 6;

/// Converts microseconds since 1970 to whole seconds, rounded down. A missing time stays missing.
#[must_use]
pub fn seconds(microseconds: i64) -> i64 {
    match microseconds {
        MISSING_MICROSECONDS => MISSING_TIME,
        known => known.div_euclid(1_000_000),
    }
}

/// The parts of a date column that become features, by the table in this module's documentation. `by_time` is true if rows are split by time.
pub(crate) fn parts(microseconds: &[i64], learn: &[usize], by_time: bool) -> Vec<DatePart> {
    let different = |part: DatePart| {
        let known = learn.iter().map(|&row| part.of(seconds(microseconds[row])));
        let known = known.filter(|value| !value.is_nan());
        known.map(f64::to_bits).collect::<BTreeSet<u64>>().len()
    };
    let whole_hours = || {
        let known = learn
            .iter()
            .map(|&row| DatePart::Hour.of(seconds(microseconds[row])));
        let known = known.filter(|value| !value.is_nan());
        known.map(|hour| hour as u8).collect::<BTreeSet<u8>>().len()
    };
    let is_worth = |part: &DatePart| match part {
        DatePart::Elapsed | DatePart::Year => !by_time && different(*part) > 1,
        DatePart::Month | DatePart::Weekday | DatePart::Hour => different(*part) > 1,
        DatePart::YearSin | DatePart::YearCos => different(DatePart::Month) >= FEWEST_FOR_CYCLE,
        DatePart::DaySin | DatePart::DayCos => whole_hours() >= FEWEST_FOR_CYCLE,
    };
    DatePart::ALL.into_iter().filter(is_worth).collect()
}

/// The column of numbers for one part of a date column.
pub(crate) fn part_column(column: &str, microseconds: &[i64], part: DatePart) -> Column {
    let values = microseconds.iter().map(|&time| part.of(seconds(time)));
    Column {
        name: part_name(column, part),
        kind: ColumnKind::Number,
        values: Values::Number(values.collect()),
    }
}

fn part_name(column: &str, part: DatePart) -> String {
    format!("{column}.{}", part.name())
}

/// Describes where a feature comes from: its date column, and which part of the date it is.
pub(crate) fn source(column: &str, part: DatePart) -> DateSource {
    DateSource {
        column: column.to_owned(),
        part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[test]
    fn only_parts_that_differ_become_features() {
        let all = |count: i64, step: i64| (0..count).map(|i| i * step).collect::<Vec<i64>>();
        let names = |times: &[i64], by_time: bool| -> Vec<&str> {
            let rows: Vec<usize> = (0..times.len()).collect();
            parts(times, &rows, by_time)
                .into_iter()
                .map(DatePart::name)
                .collect()
        };
        let days = all(400, DAY);
        assert_eq!(
            names(&days, false),
            [
                "elapsed", "year", "month", "weekday", "year_sin", "year_cos"
            ]
        );
        assert_eq!(
            names(&days, true),
            ["month", "weekday", "year_sin", "year_cos"]
        );
        let hours = all(40, DAY / 24);
        assert_eq!(
            names(&hours, true),
            ["weekday", "hour", "day_sin", "day_cos"]
        );
        assert!(names(&[DAY; 9], false).is_empty());
    }

    #[test]
    fn fractions_of_seconds_are_rounded_down() {
        assert_eq!((seconds(1_999_999), seconds(-1)), (1, -1));
        assert_eq!(seconds(MISSING_MICROSECONDS), MISSING_TIME);
        let column = part_column("when", &[0, MISSING_MICROSECONDS], DatePart::Year);
        assert_eq!(column.name, "when.year");
        let Values::Number(values) = column.values else {
            panic!("number")
        };
        assert!(values[0] == 1970.0 && values[1].is_nan());
    }
}
