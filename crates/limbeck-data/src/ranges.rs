//! The range of each number feature in the rows that a student learned from, and values of other rows outside this range.

use std::collections::BTreeMap;

use limbeck_runtime::{DatePart, MissingNumbers};
use serde::{Deserialize, Serialize};

use crate::dates::minute;
use crate::features::{Feature, FeatureValues, Features};

/// Smallest and largest value of a number feature in the rows that a student learned from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
}

impl Range {
    /// The range of the values that are not NaN; `None` if there is no such value.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let known = values.filter(|value| !value.is_nan());
        known.fold(None, |range, value| {
            let Self { low, high } = range.unwrap_or(Self {
                low: value,
                high: value,
            });
            Some(Self {
                low: low.min(value),
                high: high.max(value),
            })
        })
    }

    /// The range as text, in full precision. If `part` is the part *elapsed* of a date (days since 1970), the ends are written as dates.
    pub(crate) fn shown(self, part: Option<DatePart>) -> String {
        let text = |value: f64| match part {
            Some(DatePart::Elapsed) => minute((value * 86_400e6) as i64),
            _ => value.to_string(),
        };
        format!("{} to {}", text(self.low), text(self.high))
    }
}

/// The range of each number feature over `rows`, by feature name. Sines and cosines of dates are left out: the parts month and hour say the same more
/// clearly.
pub(crate) fn ranges(features: &Features, rows: &[usize]) -> BTreeMap<String, Range> {
    let columns = features.columns.iter();
    let with_range = columns.filter_map(|column| {
        let values = numbers(column).filter(|_| !is_wave(column))?;
        let range = Range::of(rows.iter().map(|&row| values[row]))?;
        Some((column.name.clone(), range))
    });
    with_range.collect()
}

fn numbers(column: &Feature) -> Option<&[f64]> {
    match &column.values {
        FeatureValues::Number(values) => Some(values),
        FeatureValues::Category { .. } => None,
    }
}

/// True for a feature that is the sine or cosine of a date's position in the year or the day.
fn is_wave(column: &Feature) -> bool {
    use DatePart::{DayCos, DaySin, YearCos, YearSin};
    let part = column.date.as_ref().map(|date| date.part);
    matches!(part, Some(YearSin | YearCos | DaySin | DayCos))
}

/// Counts of a column's values outside a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    /// Number of rows, including those whose value is missing.
    pub rows: usize,
    /// Number of values below the range.
    pub below: usize,
    /// Number of values that are larger than all values of the column in training and validation rows.
    pub above: usize,
    /// Smallest value. Exact if it is below the range; else it may be too large, since blocks of rows without values outside the range do not count.
    /// `INFINITY` without values.
    pub lowest: f64,
    /// Largest value. Exact if it is above the range; else it may be too small, for the same reason. `NEG_INFINITY` without values.
    pub highest: f64,
}

/// Counts for zero rows, to which the counts of other rows are added.
const NONE: Outside = Outside {
    rows: 0,
    below: 0,
    above: 0,
    lowest: f64::INFINITY,
    highest: f64::NEG_INFINITY,
};

impl Outside {
    /// Counts the values that are outside the range. `values` has one value for each row; NaN is a missing value.
    pub(crate) fn count(values: impl Iterator<Item = f64>, range: Range) -> Self {
        values.fold(NONE, |all, value| Self {
            rows: all.rows + 1,
            below: all.below + usize::from(value < range.low),
            above: all.above + usize::from(value > range.high),
            lowest: all.lowest.min(value),
            highest: all.highest.max(value),
        })
    }

    /// Adds the counts of other rows, for the same column and range.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.below += other.below;
        self.above += other.above;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }

    /// Share of all rows that have a value outside the range; 0 if there are no rows.
    #[must_use]
    pub fn share(&self) -> f64 {
        (self.below + self.above) as f64 / self.rows.max(1) as f64
    }

    /// True if the counts are worth a warning: at least 1 % of the rows have values outside the range, or one value is further away from the range
    /// than the range is wide. A few values a little outside are usual in any new table.
    fn is_notable(&self, range: Range) -> bool {
        const SHARE: f64 = 0.01;
        let width = range.high - range.low;
        let is_far = self.lowest < range.low - width || self.highest > range.high + width;
        self.share() >= SHARE || is_far
    }

    /// The counts in words: `120 of 1000 rows are above the training range 0 to 55`.
    fn words(&self, range: Range, part: Option<DatePart>) -> String {
        let where_to = match (self.below, self.above) {
            (_, 0) => "below",
            (0, _) => "above",
            _ => "below or above",
        };
        let count = self.below + self.above;
        format!(
            "{count} of {} rows {} {where_to} the training range {}",
            self.rows,
            if count == 1 { "is" } else { "are" },
            range.shown(part)
        )
    }
}

/// True if no value lies outside the range. For most blocks of a table, this is all that is computed, so it is fast: it compares several values at a
/// time.
fn is_within(values: &[f64], range: Range) -> bool {
    const LANES: usize = 8;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (mut low, mut high) = ([range.low; LANES], [range.high; LANES]);
    for chunk in chunks {
        for lane in 0..LANES {
            let value = chunk[lane];
            // Comparisons are faster than `f64::min` and `f64::max`. NaN changes nothing.
            low[lane] = if value < low[lane] { value } else { low[lane] };
            high[lane] = if value > high[lane] {
                value
            } else {
                high[lane]
            };
        }
    }
    let is_inside = |value: &f64| !(*value < range.low || *value > range.high);
    low.iter().chain(&high).chain(rest).all(is_inside)
}

/// Counts the values of a table that lie outside the ranges of the rows that a student learned from.
#[derive(Clone, Debug)]
pub struct Watch {
    columns: Vec<Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    /// Index among the student's features.
    at: usize,
    name: String,
    range: Range,
    missing: MissingNumbers,
    part: Option<DatePart>,
}

impl Watch {
    /// Watches the features that have an entry in `ranges` (by feature name). `columns` has, for every feature: its name, the numbers in it that mean
    /// *missing*, and which part of a date the feature is (`None` if it is not made from a date). `columns` must have the same order as the
    /// [`Features`] that are counted later.
    pub fn new<'a>(
        columns: impl Iterator<Item = (&'a str, &'a MissingNumbers, Option<DatePart>)>,
        ranges: &BTreeMap<String, Range>,
    ) -> Self {
        let watched = columns
            .enumerate()
            .filter_map(|(at, (name, missing, part))| {
                Some(Watched {
                    at,
                    name: name.to_owned(),
                    range: *ranges.get(name)?,
                    missing: missing.clone(),
                    part,
                })
            });
        Self {
            columns: watched.collect(),
        }
    }

    /// Counts for zero rows: one entry for each watched column. The results of [`count`](Self::count) are added to it.
    #[must_use]
    pub fn start(&self) -> Vec<Outside> {
        vec![NONE; self.columns.len()]
    }

    /// Counts, for each watched column, the values in `features` that lie outside the column's range. Returns one entry for each watched column.
    #[must_use]
    pub fn count(&self, features: &Features) -> Vec<Outside> {
        let count = |column: &Watched| {
            let inside = Outside {
                rows: features.rows,
                ..NONE
            };
            match numbers(&features.columns[column.at]) {
                Some(values) if !is_within(values, column.range) => {
                    let known = values.iter().map(|x| column.missing.read(*x));
                    Outside::count(known, column.range)
                }
                _ => inside,
            }
        };
        self.columns.iter().map(count).collect()
    }

    /// Name and message of each column whose values outside its range are worth a warning. `counts` has one entry for each watched column.
    #[must_use]
    pub fn messages(&self, counts: &[Outside]) -> Vec<(String, String)> {
        let both = self.columns.iter().zip(counts);
        let notable = both.filter(|(column, count)| count.is_notable(column.range));
        notable
            .map(|(column, count)| (column.name.clone(), count.words(column.range, column.part)))
            .collect()
    }
}

/// A feature that is mostly different in the test rows: more than half of its test values are numbers outside the training range, or categories that
/// do not occur in the training rows.
pub(crate) struct Shifted {
    pub(crate) name: String,
    /// Share of the test values that lie outside the training range or are new categories. Missing values are left out.
    pub(crate) share: f64,
    /// The training range as text; `None` for a category feature.
    pub(crate) range: Option<String>,
}

/// The features of which more than half of the values in the rows `test` do not resemble the rows `learn`: numbers outside their range, or categories
/// that do not occur in them. Missing values are left out, and so are sines and cosines of dates.
pub(crate) fn shifted(features: &Features, learn: &[usize], test: &[usize]) -> Vec<Shifted> {
    let columns = features.columns.iter();
    let all = columns
        .filter(|column| !is_wave(column))
        .filter_map(|column| {
            let (share, range) = match &column.values {
                FeatureValues::Number(values) => {
                    let range = Range::of(learn.iter().map(|&row| values[row]))?;
                    let known = test.iter().map(|&row| values[row]);
                    let count = Outside::count(known.filter(|value| !value.is_nan()), range);
                    let part = column.date.as_ref().map(|date| date.part);
                    (count.share(), Some(range.shown(part)))
                }
                FeatureValues::Category { codes, levels } => {
                    (unknown(codes, levels, learn, test), None)
                }
            };
            let name = column.name.clone();
            (share > 0.5).then_some(Shifted { name, share, range })
        });
    all.collect()
}

/// Share of the rows `test` whose category does not occur in the rows `learn`. Rows with a missing value are left out.
fn unknown(codes: &[u32], levels: &[String], learn: &[usize], test: &[usize]) -> f64 {
    let mut is_learned = vec![false; levels.len()];
    let level = |row: &usize| {
        usize::try_from(codes[*row])
            .ok()
            .filter(|at| *at < levels.len())
    };
    learn
        .iter()
        .filter_map(level)
        .for_each(|at| is_learned[at] = true);
    let known: Vec<usize> = test.iter().filter_map(level).collect();
    let new = known.iter().filter(|at| !is_learned[**at]).count();
    new as f64 / known.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_runtime::DateSource;

    fn number(name: &str, values: &[f64]) -> Feature {
        Feature {
            name: name.into(),
            values: FeatureValues::Number(values.to_vec()),
            integer: false,
            missing: MissingNumbers::default(),
            date: None,
            history: None,
        }
    }

    fn features(columns: Vec<Feature>, rows: usize) -> Features {
        Features {
            columns,
            rows,
            past: None,
        }
    }

    #[test]
    fn ranges_leave_out_missing_values_categories_and_waves() {
        let date = |part| {
            Some(DateSource {
                column: "day".into(),
                part,
            })
        };
        let all = features(
            vec![
                number("x", &[3.0, f64::NAN, -1.0, 900.0]),
                number("gone", &[f64::NAN; 4]),
                Feature {
                    date: date(DatePart::YearSin),
                    ..number("day.year_sin", &[0.5; 4])
                },
                Feature {
                    date: date(DatePart::Month),
                    ..number("day.month", &[1.0, 2.0, 3.0, 4.0])
                },
            ],
            4,
        );
        let found = ranges(&all, &[0, 1, 2]);
        let names: Vec<&String> = found.keys().collect();
        assert_eq!(names, ["day.month", "x"]);
        assert_eq!(
            found["x"],
            Range {
                low: -1.0,
                high: 3.0
            }
        );
    }

    /// The messages on one column of these values. Its range is 0 to 55, and -999 means *missing*.
    fn told(values: &[f64]) -> Vec<String> {
        let range = Range {
            low: 0.0,
            high: 55.0,
        };
        let missing = MissingNumbers {
            values: vec![-999.0],
            ..MissingNumbers::default()
        };
        let columns = [("other", &missing, None), ("x", &missing, None)];
        let watch = Watch::new(columns.into_iter(), &[("x".to_owned(), range)].into());
        // Counted in two blocks, as when a table is streamed.
        let mut counts = watch.start();
        for block in values.chunks(values.len().div_ceil(2).max(1)) {
            let rows = features(
                vec![number("other", block), number("x", block)],
                block.len(),
            );
            for (all, new) in counts.iter_mut().zip(watch.count(&rows)) {
                all.add(&new);
            }
        }
        let messages = watch.messages(&counts).into_iter();
        messages
            .map(|(column, text)| format!("{column}: {text}"))
            .collect()
    }

    #[test]
    fn watch_counts_values_outside_the_range() {
        let mut values = vec![20.0; 880];
        values.extend([60.0; 120]);
        values.extend([f64::NAN, -999.0]);
        assert_eq!(
            told(&values),
            ["x: 120 of 1002 rows are above the training range 0 to 55"]
        );
        assert_eq!(
            told(&[-1.0, 56.0, 5.0]),
            ["x: 2 of 3 rows are below or above the training range 0 to 55"]
        );
        assert_eq!(
            told(&[-1.0]),
            ["x: 1 of 1 rows is below the training range 0 to 55"]
        );
    }

    #[test]
    fn watch_is_silent_about_few_values_a_little_outside() {
        let mut values = vec![20.0; 999];
        values.push(56.0);
        assert!(told(&values).is_empty());
        // A value in another unit is far outside.
        values[999] = 5500.0;
        assert_eq!(told(&values).len(), 1);
        assert!(told(&[f64::NAN, -999.0]).is_empty());
    }

    #[test]
    fn fast_check_agrees_with_the_count() {
        let range = Range {
            low: -1.0,
            high: 2.0,
        };
        for length in 0..20 {
            for at in 0..length {
                for value in [f64::NAN, -1.0, 2.0, -1.1, 2.1, f64::INFINITY] {
                    let mut values = vec![0.5; length];
                    values[at] = value;
                    let count = Outside::count(values.iter().copied(), range);
                    let is_inside = count.below + count.above == 0;
                    assert_eq!(
                        is_within(&values, range),
                        is_inside,
                        "{value} at {at} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn shifted_features_have_mostly_test_values_that_training_lacks() {
        let levels = std::sync::Arc::new(["a", "b", "c"].map(str::to_owned).to_vec());
        let house = |codes: [u32; 6]| Feature {
            values: FeatureValues::Category {
                codes: codes.to_vec(),
                levels: levels.clone(),
            },
            ..number("house", &[])
        };
        let all = features(
            vec![
                number("x", &[0.0, 1.0, 2.0, 3.0, 4.0, 1.0]),
                number("same", &[0.0, 1.0, 2.0, 1.0, 9.0, 1.0]),
                house([0, 1, 0, 2, 2, crate::table::MISSING]),
            ],
            6,
        );
        let found = shifted(&all, &[0, 1, 2], &[3, 4, 5]);
        let found: Vec<(&str, u32, Option<&str>)> = found
            .iter()
            .map(|one| {
                (
                    one.name.as_str(),
                    (100.0 * one.share) as u32,
                    one.range.as_deref(),
                )
            })
            .collect();
        assert_eq!(found, [("x", 66, Some("0 to 2")), ("house", 100, None)]);
    }

    #[test]
    fn elapsed_days_are_shown_as_dates() {
        let range = Range {
            low: 0.0,
            high: 1.5,
        };
        assert_eq!(
            range.shown(Some(DatePart::Elapsed)),
            "1970-01-01 00:00 to 1970-01-02 12:00"
        );
        assert_eq!(range.shown(None), "0 to 1.5");
    }
}
