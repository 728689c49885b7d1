//! Files of the first format, made by limbeck 0.1 before it had a second one, are read as they were.

use limbeck_runtime::{Student, Value};

/// A student of each kind, all of one table: `x` (with missing values), `z`, the category `c`, the boolean `flag`; of `table` only `x` and `z`.
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
    // The table's target is exp(sin 5x + z / 5 + 1/2 where c is a), and noise of .05 at most.
    let expected = (1.5f64.sin() + 0.5).exp();
    // The other two are too plain for it.
    for (kind, bytes) in &FILES[..2] {
        let student = Student::from_bytes(bytes).unwrap();
        let found = student.predict_row(&row).unwrap();
        let is_near = (found - expected).abs() < 0.35 * expected;
        assert!(is_near, "{kind}: {found}, {expected} expected");
    }
}
