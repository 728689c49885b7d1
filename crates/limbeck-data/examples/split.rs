//! Splits a table in memory into training, validation and test rows, and prints the warnings of the checks.
#![allow(clippy::print_stdout, reason = "an example prints")]

use limbeck_data::{DataOptions, Dataset, simulate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let table = simulate::thermistor(500, 7);
    let options = DataOptions::for_target(simulate::THERMISTOR_TARGET);
    let data = Dataset::from_table(table, &options, None, 0)?;
    let split = &data.split;
    println!(
        "{} rows to train on, {} to validate, {} to test; {} features",
        split.train.len(),
        split.valid.len(),
        split.test.len(),
        data.features.columns.len()
    );
    for warning in &data.summary.warnings {
        println!("{}: {}", warning.check, warning.message);
    }
    Ok(())
}
