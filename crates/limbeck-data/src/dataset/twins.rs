//! Finds rows that occur more than once in a table.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::checks::{Check, Findings, is_id};
use crate::table::{Column, Values};
use crate::{Error, Result};

/// Equal rows are kept in the same part of the split if at least this share of the rows repeats an earlier row.
const LEAST_SHARE: f64 = 0.005;

/// Groups of equal rows: for each of `rows`, the number of its group. Returns `None` if no row, or less than 0.5 % of the rows, repeats an earlier
/// row.
///
/// Rows are equal if all features and targets are equal. Columns that are identifiers of rows are ignored.
pub(super) fn twins(
    source: &str,
    columns: &[&Column],
    rows: &[usize],
    findings: &mut Findings<'_>,
) -> Result<Option<Vec<u32>>> {
    let columns: Vec<&&Column> = columns
        .iter()
        .filter(|column| !is_id(column, rows))
        .collect();
    let mut groups: HashMap<u64, u32> = HashMap::new();
    let group = |row: &usize| {
        let mut hash = DefaultHasher::new();
        columns
            .iter()
            .for_each(|column| hash_cell(&column.values, *row, &mut hash));
        let next = groups.len() as u32;
        *groups.entry(hash.finish()).or_insert(next)
    };
    let of: Vec<u32> = rows.iter().map(group).collect();
    let repeated = rows.len() - groups.len();
    if (repeated as f64) < LEAST_SHARE * rows.len() as f64 || repeated == 0 {
        return Ok(None);
    }
    let message = format!(
        "{source}: {repeated} of {} rows repeat an earlier row, in all features and the target; equal rows stay together: in the same part of the split \
         (training, validation or test rows) and in the same fold, and confidence intervals count them as dependent",
        rows.len()
    );
    findings.found(Check::RepeatedRows, None, message)?;
    if groups.len() < 2 {
        let message = format!(
            "all {} rows are equal; expected rows that differ",
            rows.len()
        );
        return Err(Error::Split { message });
    }
    Ok(Some(of))
}

fn hash_cell(values: &Values, row: usize, hash: &mut DefaultHasher) {
    match values {
        Values::Number(values) if values[row].is_nan() => f64::NAN.to_bits().hash(hash),
        Values::Number(values) => (values[row] + 0.0).to_bits().hash(hash),
        Values::Category { codes, .. } => codes[row].hash(hash),
        Values::Time(values) => values[row].hash(hash),
        Values::Text(values) => values[row].hash(hash),
    }
}
