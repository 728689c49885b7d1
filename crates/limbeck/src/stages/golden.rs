//! Makes golden vectors (raw rows, stored with their predictions) from rows of features, and converts their values to a student's inputs.

use limbeck_data::{Feature, FeatureValues, Features, MISSING};
use limbeck_runtime::{GoldenValue, Value};

/// The row `row` of `features` as raw cells. A date column gets a made-up date, numbered by `example`. If `example` is odd, a missing number is
/// written as the number that means *missing* in this table (such as -999), if there is one.
pub(crate) fn golden_row(features: &Features, row: usize, example: usize) -> Vec<GoldenValue> {
    let cell = |column: &Feature| match &column.values {
        FeatureValues::Number(_) if column.date.is_some() => GoldenValue::Time(date(example)),
        FeatureValues::Number(values) if values[row].is_nan() => {
            let stands_for = column.missing.values.first().filter(|_| example % 2 == 1);
            stands_for.map_or(GoldenValue::Missing, |&number| GoldenValue::Number(number))
        }
        FeatureValues::Number(values) => GoldenValue::Number(values[row]),
        FeatureValues::Category { codes, .. } if codes[row] == MISSING => GoldenValue::Missing,
        FeatureValues::Category { codes, levels } => {
            GoldenValue::Text(levels[codes[row] as usize].clone())
        }
    };
    features.columns.iter().map(cell).collect()
}

/// A made-up date, in seconds since 1970: dates from 1969 on, a little more than four years apart, at different times of the day. They repeat after
/// 20 examples.
fn date(example: usize) -> i64 {
    const FIRST: i64 = -20_000_000;
    const STEP: i64 = 131_234_567;
    FIRST + STEP * i64::try_from(example % 20).unwrap_or(0)
}

pub(crate) fn as_value(value: &GoldenValue) -> Value<'_> {
    match value {
        GoldenValue::Number(number) => Value::Number(*number),
        GoldenValue::Time(seconds) => Value::Time(*seconds),
        GoldenValue::Text(text) => Value::Text(text),
        GoldenValue::Missing => Value::Missing,
    }
}
