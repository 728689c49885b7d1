//! Golden vectors (raw rows and the student's predictions for them) as JSON.

use limbeck_runtime::{GoldenValue, Student, format_hex};
use serde_json::{Value, json};

use crate::error::Result;

/// Writes the golden vectors (raw rows and the student's predictions for them) as JSON. Numbers are hexadecimal floats, which are exact.
///
/// ```json
/// {"target": "y", "columns": ["a", "b"], "rows": [{"raw": ["0x1.8p+1", null], "prediction": "0x1p+0"}]}
/// ```
///
/// A missing value is `null`, a category is `{"text": "…"}`, and a date is `{"time": 1704067200}`, in seconds since 1970. For a student of several
/// targets, the JSON has `"targets": ["y", "z"]` in place of `target`, and each row has `"predictions": ["0x1p+0", …]` in place of `prediction`, in
/// the order of the targets.
///
/// With prediction intervals, the JSON has `"levels": [0.9, …]`, and each row `"intervals"`: for each level, a list with `[low, high]` for each target.
///
/// For a recurrent student, the JSON has `"memory": {"rolling": 64}` or `"memory": "carried"`, and the rows are consecutive rows of one series, from its
/// first row.
///
/// # Errors
///
/// [`Error::Golden`](crate::Error::Golden) if the JSON cannot be written.
pub fn golden(student: &Student) -> Result<String> {
    let cell = |value: &GoldenValue| match value {
        GoldenValue::Number(number) => Value::from(format_hex(*number)),
        GoldenValue::Time(seconds) => json!({ "time": seconds }),
        GoldenValue::Text(text) => json!({ "text": text }),
        GoldenValue::Missing => Value::Null,
    };
    let levels = student.intervals.as_ref();
    let levels = levels.map_or(&[][..], |intervals| &intervals.levels);
    let rows: Vec<Value> = student
        .golden
        .iter()
        .map(|golden| {
            let raw: Vec<Value> = golden.raw.iter().map(cell).collect();
            let predictions = golden.predictions.iter().map(|&y| format_hex(y));
            let mut row = match &predictions.collect::<Vec<_>>()[..] {
                [prediction] => json!({ "raw": raw, "prediction": prediction }),
                predictions => json!({ "raw": raw, "predictions": predictions }),
            };
            let of_level = |&level: &f64| -> Vec<[String; 2]> {
                let all = golden.predictions.iter().enumerate();
                let all = all.filter_map(|(output, &y)| student.interval(output, y, level).ok());
                all.map(|one| [format_hex(one.low), format_hex(one.high)])
                    .collect()
            };
            if !levels.is_empty() {
                row["intervals"] = json!(levels.iter().map(of_level).collect::<Vec<_>>());
            }
            row
        })
        .collect();
    let columns: Vec<&str> = student
        .encoder
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let names: Vec<&str> = student.outputs.iter().map(|one| &*one.name).collect();
    let mut all = match names[..] {
        [target] => json!({ "target": target, "columns": columns, "rows": rows }),
        _ => json!({ "targets": names, "columns": columns, "rows": rows }),
    };
    if !levels.is_empty() {
        all["levels"] = json!(levels);
    }
    if let Some(memory) = student.memory {
        all["memory"] = json!(memory);
    }
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}
