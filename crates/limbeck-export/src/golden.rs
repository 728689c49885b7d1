//! Golden vectors as JSON.

use limbeck_runtime::{GoldenValue, Student, format_hex};
use serde_json::{Value, json};

use crate::error::Result;

/// Raw rows with the student's predictions, numbers as hexadecimal floats, so that no digit is lost on the way.
///
/// ```json
/// {"target": "y", "columns": ["a", "b"], "rows": [{"raw": ["0x1.8p+1", null], "prediction": "0x1p+0"}]}
/// ```
///
/// A missing value is `null`, a category `{"text": "…"}`.
///
/// # Errors
///
/// Where JSON cannot hold a name.
pub fn golden(student: &Student) -> Result<String> {
    let cell = |value: &GoldenValue| match value {
        GoldenValue::Number(number) => Value::from(format_hex(*number)),
        GoldenValue::Text(text) => json!({ "text": text }),
        GoldenValue::Missing => Value::Null,
    };
    let rows: Vec<Value> = student
        .golden
        .iter()
        .map(|golden| json!({ "raw": golden.raw.iter().map(cell).collect::<Vec<_>>(), "prediction": format_hex(golden.prediction) }))
        .collect();
    let columns: Vec<&str> = student
        .encoder
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let all = json!({ "target": student.target_name, "columns": columns, "rows": rows });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}
