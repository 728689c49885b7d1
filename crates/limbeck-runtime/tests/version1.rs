//! Files of the format `limbeck-1`, made by limbeck 0.1 before `limbeck-2` existed, still give the same predictions.

use limbeck_runtime::{Student, Value};

/// A student of each kind, trained on one table: `x` (with missing values), `z`, the category `c`, the boolean `flag`; `table` uses only `x` and `z`.
const FILES: [(&str, &[u8]); 4] = [
    ("mlp", include_bytes!("version1/mlp.limbeck")),
    ("trees", include_bytes!("version1/trees.limbeck")),
    ("linear", include_bytes!("version1/linear.limbeck")),
    ("table", include_bytes!("version1/table.limbeck")),
];

#[test]
fn files_of_the_first_format_predict_as_they_did() {
    for (kind, bytes) in FILES {
        let student = Student::from_bytes(bytes).unwrap();
        assert!(student.golden.len() >= 10, "{kind}");
        student.verify_golden().unwrap();
        assert_eq!(student.outputs[0].name, "y");
        assert_eq!(
            student.to_bytes().unwrap(),
            bytes,
            "{kind} is written as it was"
        );
    }
}

#[test]
fn their_predictions_are_in_the_unit_of_the_target() {
    let row = [
        Value::Number(0.3),
        Value::Number(0.0),
        Value::Text("a"),
        Value::Number(1.0),
    ];
    // The target of the table is exp(sin 5x + z / 5 + (1/2 if c is a)), with noise of at most 0.05.
    let expected = (1.5f64.sin() + 0.5).exp();
    // The other two students are too simple to learn this target.
    for (kind, bytes) in &FILES[..2] {
        let student = Student::from_bytes(bytes).unwrap();
        let found = student.predict_row(&row).unwrap();
        let is_near = (found - expected).abs() < 0.35 * expected;
        assert!(is_near, "{kind}: {found}, {expected} expected");
    }
}
