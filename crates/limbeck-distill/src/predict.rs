//! Predictions of a finished student for features.

use std::collections::BTreeMap;
use std::ops::Range;

use limbeck_data::Features;
use limbeck_runtime::{Memory, RawColumn, Student};

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
    let columns = columns(student, &past.table)?;
    let found = student.predict_windows(&columns, past.table.rows, &windows)?;
    let outputs = student.outputs.len();
    let mut all = vec![0.0; found.len()];
    for (row, found) in order.into_iter().zip(found.chunks_exact(outputs)) {
        all[row * outputs..][..outputs].copy_from_slice(found);
    }
    Ok(all)
}

/// The columns of the student, in its order.
fn columns<'f>(student: &Student, features: &'f Features) -> Result<Vec<RawColumn<'f>>> {
    let names = student.encoder.columns.iter();
    Ok(features.of_columns(names.map(|column| &column.name[..]))?)
}

/// The states of the series of a table that is predicted block by block, for a student whose memory is [`Carried`](Memory::Carried).
#[derive(Clone, Debug, Default)]
pub struct States {
    series: BTreeMap<String, Vec<f32>>,
}

impl States {
    /// Like [`predict`], for the next block of a table. If the memory of the student is carried, the states of the series run on from the blocks before.
    ///
    /// # Errors
    ///
    /// The errors of [`predict`].
    pub fn predict(&mut self, student: &Student, features: &Features) -> Result<Vec<f64>> {
        let is_carried = student.memory == Some(Memory::Carried);
        let Some(past) =
            (features.past.as_ref()).filter(|past| is_carried && !past.runs.is_empty())
        else {
            return predict(student, features);
        };
        let columns = columns(student, &past.table)?;
        let outputs = student.outputs.len();
        let mut found = vec![0.0; past.table.rows * outputs];
        for run in &past.runs {
            let state = self.series.entry(run.series.clone()).or_default();
            if run.before == 0 {
                state.clear();
            }
            let rows = run.rows.start + run.before..run.rows.end;
            let own = student.predict_run(&columns, past.table.rows, rows.clone(), state)?;
            found[rows.start * outputs..rows.end * outputs].copy_from_slice(&own);
        }
        let of_row = |&at: &u32| &found[at as usize * outputs..][..outputs];
        Ok(past.at.iter().flat_map(of_row).copied().collect())
    }
}
