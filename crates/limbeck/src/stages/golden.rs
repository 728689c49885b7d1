//! Converts raw rows to golden vectors, and their values back.

use limbeck_data::{FeatureValues, Features, MISSING};
use limbeck_runtime::{GoldenValue, Value};

pub(crate) fn golden_row(features: &Features, row: usize) -> Vec<GoldenValue> {
    let cell = |values: &FeatureValues| match values {
        FeatureValues::Number(values) if values[row].is_nan() => GoldenValue::Missing,
        FeatureValues::Number(values) => GoldenValue::Number(values[row]),
        FeatureValues::Category { codes, .. } if codes[row] == MISSING => GoldenValue::Missing,
        FeatureValues::Category { codes, levels } => {
            GoldenValue::Text(levels[codes[row] as usize].clone())
        }
    };
    features
        .columns
        .iter()
        .map(|column| cell(&column.values))
        .collect()
}

pub(crate) fn as_value(value: &GoldenValue) -> Value<'_> {
    match value {
        GoldenValue::Number(number) => Value::Number(*number),
        GoldenValue::Text(text) => Value::Text(text),
        GoldenValue::Missing => Value::Missing,
    }
}
