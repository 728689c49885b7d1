//! Predictions of a finished student for features.

use std::ops::Range;

use limbeck_data::Features;
use limbeck_runtime::Student;

use crate::error::Result;

/// The predictions of a student for all rows, `[rows, outputs]`, each in the unit of its target. A recurrent student also reads the rows before each row
/// ([`Features::past`]).
///
/// # Errors
///
/// [`Error::Runtime`](crate::Error::Runtime) if the features do not have the student's columns; [`NoRowsBefore`](limbeck_teach::Error::NoRowsBefore) if the student is recurrent, and the rows have no past.
pub fn predict(student: &Student, features: &Features) -> Result<Vec<f64>> {
    if student.memory.is_none() {
        return Ok(student.predict(&features.raw(), features.rows)?);
    }
    let past = features.past.as_ref();
    let past = past.ok_or(limbeck_teach::Error::NoRowsBefore)?;
    // Predictions are fast in the order of the series.
    let mut order: Vec<usize> = (0..past.at.len()).collect();
    order.sort_by_key(|&row| past.at[row]);
    let window = |&row: &usize| {
        let at = past.at[row] as usize;
        student.window_of(past.starts[at] as usize, at)
    };
    let windows: Vec<Range<usize>> = order.iter().map(window).collect();
    let names = student
        .encoder
        .columns
        .iter()
        .map(|column| &column.name[..]);
    let columns = past.table.of_columns(names)?;
    let found = student.predict_windows(&columns, past.table.rows, &windows)?;
    let outputs = student.outputs.len();
    let mut all = vec![0.0; found.len()];
    for (row, found) in order.into_iter().zip(found.chunks_exact(outputs)) {
        all[row * outputs..][..outputs].copy_from_slice(found);
    }
    Ok(all)
}
