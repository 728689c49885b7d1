//! The rows of series in the form that a recurrent network reads.

use std::sync::Arc;

use limbeck_data::{Features, Past};
use limbeck_nets::{Positions, Window};
use limbeck_runtime::{Encoder, Encoding};

use crate::error::{Error, Result};

/// All rows of the series of one or more sets of rows, encoded once. Windows are cut in them when they are needed.
#[derive(Debug)]
pub struct EncodedSeries {
    encoder: Encoder,
    /// The tables of series, and the first encoded row of each.
    tables: Vec<(Arc<Features>, usize)>,
    values: Arc<Vec<f32>>,
}

impl EncodedSeries {
    /// Encodes the series of each of `parts`. Series that several parts share are encoded once. The columns are found by name.
    ///
    /// # Errors
    ///
    /// [`Error::NoRowsBefore`] if a part has rows, but no past; an error if the rows do not have the columns of `encoder`.
    pub fn new(encoder: &Encoder, parts: &[&Features]) -> Result<Self> {
        let mut own = Self {
            encoder: encoder.clone(),
            tables: Vec::new(),
            values: Arc::default(),
        };
        let mut values = Vec::new();
        let mut rows = 0;
        for part in parts.iter().filter(|part| part.rows > 0) {
            let table = &past(part)?.table;
            if own.first_of(table).is_some() {
                continue;
            }
            let names = encoder.columns.iter().map(|column| &column.name[..]);
            let encoded = encoder.encode(&table.of_columns(names)?, table.rows)?;
            if values.is_empty() {
                values = encoded;
            } else {
                values.extend_from_slice(&encoded);
            }
            own.tables.push((Arc::clone(table), rows));
            rows += table.rows;
        }
        own.values = Arc::new(values);
        Ok(own)
    }

    /// True if the rows were encoded with this encoder.
    #[must_use]
    pub fn is_of(&self, encoder: &Encoder) -> bool {
        self.encoder == *encoder
    }

    /// The windows of `window` rows that end in each row of a part; `window` is at least 1. At the front of a series, windows are shorter.
    ///
    /// # Errors
    ///
    /// [`Error::NoRowsBefore`] if the series of the part were not encoded.
    pub fn windows(&self, part: &Features, window: usize) -> Result<Positions> {
        let cut =
            |windows| Positions::windows(Arc::clone(&self.values), self.encoder.width(), windows);
        if part.rows == 0 {
            return Ok(cut(Vec::new())?);
        }
        let past = past(part)?;
        let first = self.first_of(&past.table).ok_or(Error::NoRowsBefore)?;
        let of = |rows: std::ops::Range<usize>| Window {
            first: (first + rows.start) as u32,
            last: (first + rows.end - 1) as u32,
        };
        Ok(cut(past
            .windows(window.saturating_sub(1))
            .map(of)
            .collect())?)
    }

    fn first_of(&self, table: &Arc<Features>) -> Option<usize> {
        let mut known = self.tables.iter();
        let own = known.find(|(own, _)| Arc::ptr_eq(own, table));
        own.map(|(_, first)| *first)
    }
}

fn past(part: &Features) -> Result<&Past> {
    part.past.as_ref().ok_or(Error::NoRowsBefore)
}

/// For each number of an encoded row, true if it is the value of a number column, and false for a level of a category and for the indicator of a
/// missing value.
#[must_use]
pub fn step_numbers(encoder: &Encoder) -> Vec<bool> {
    let of = |encoding: &Encoding| {
        let is_number = matches!(encoding, Encoding::Number { .. } | Encoding::Ordinal { .. });
        (0..encoding.width()).map(move |at| is_number && at == 0)
    };
    encoder
        .columns
        .iter()
        .flat_map(|column| of(&column.encoding))
        .collect()
}
