//! Loads a student from its file and predicts a raw row: numbers in their own units, a missing value, a category.
#![allow(clippy::print_stdout, reason = "an example prints")]

use limbeck_runtime::{Scratch, Student, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let student = Student::from_bytes(include_bytes!("../tests/version1/mlp.limbeck"))?;
    student.verify_golden()?;
    let names: Vec<&str> = student
        .encoder
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    println!("columns: {}", names.join(", "));

    let row = [
        Value::Number(0.3),
        Value::Missing,
        Value::Text("a"),
        Value::Number(1.0),
    ];
    // One number per target. Reuse the scratch for all rows: then prediction allocates nothing.
    let (mut scratch, mut out) = (Scratch::default(), vec![0.0; student.outputs.len()]);
    student.predict_row_into(&row, &mut scratch, &mut out)?;
    for (output, prediction) in student.outputs.iter().zip(&out) {
        println!("{}: {prediction:.4}", output.name);
    }
    Ok(())
}
