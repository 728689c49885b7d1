//! Blocks of rows, and the results of the work on them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use limbeck_runtime::Sequence;

use crate::features::{Feature, Features};
use crate::features::{FeatureKind, looks_back, raw_columns, sources};
use crate::kept::BlockReader;
use crate::kind::ColumnKind;
use crate::regimes;
use crate::table::{Column, Table};
use crate::{Error, Result};

/// The features that one student reads, and the table columns from which they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Names and kinds of the features, in the student's order.
    kinds: Vec<FeatureKind>,
    /// How rows form series; `None` if features depend neither on earlier rows nor on operating regimes.
    sequence: Option<Sequence>,
    /// Names and kinds of the table columns from which the features are read.
    pub(super) columns: Vec<(String, ColumnKind)>,
}

impl Asked {
    /// Features of these kinds, in the student's order. `sequence` describes how rows form series; it has no effect unless a feature is a statistic of
    /// earlier rows, or a network reads earlier rows.
    #[must_use]
    pub fn new(kinds: Vec<FeatureKind>, sequence: Option<Sequence>) -> Self {
        Self {
            columns: raw_columns(&kinds, sequence.as_ref()),
            sequence: sequence
                .filter(|sequence| sequence.regimes.is_some() || looks_back(&kinds, sequence)),
            kinds,
        }
    }

    /// What follows the series of the rows; `None` if features do not depend on earlier rows.
    pub(super) fn follower(&self) -> Option<BlockReader> {
        let sequence = self.sequence.as_ref();
        let sequence = sequence.filter(|sequence| looks_back(&self.kinds, sequence))?;
        Some(BlockReader::new(sequence, &self.kinds))
    }

    /// Makes the features from the columns of a block, which are in the order of `self.columns`. `follower` has followed the rows before the block;
    /// `place` describes the row of the block with this position, for messages.
    pub(super) fn features(
        &self,
        columns: Vec<Column>,
        rows: usize,
        follower: Option<&Mutex<BlockReader>>,
        place: impl Fn(usize) -> String,
    ) -> Result<Features> {
        let is_plain = |kind: &FeatureKind| kind.date.is_none() && kind.history.is_none();
        let regimes = self.sequence.as_ref().and_then(|own| own.regimes.as_ref());
        if self.kinds.iter().all(is_plain) && follower.is_none() && regimes.is_none() {
            let columns = columns.into_iter().map(feature).collect::<Result<_>>()?;
            return Ok(Features {
                columns,
                rows,
                past: None,
            });
        }
        let mut table = Table {
            columns,
            rows,
            ..Table::default()
        };
        if let Some(regimes) = regimes {
            regimes::normalize(regimes, &mut table)?;
        }
        let Some(follower) = follower else {
            let none = vec![vec![f64::NAN; rows]; sources(&self.kinds).len()];
            return Features::with_histories(&table, &self.kinds, none);
        };
        let mut follower = follower.lock().unwrap_or_else(PoisonError::into_inner);
        follower.features(&table, &self.kinds, place)
    }
}

/// Position of a block in its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Number of rows before the block.
    pub(super) rows: usize,
    /// Line of the block's first byte, from 1.
    pub(super) line: usize,
    /// Number of bytes before the block.
    pub(super) offset: usize,
}

impl Place {
    pub(super) const START: Self = Self {
        rows: 0,
        line: 1,
        offset: 0,
    };
}

/// Consecutive rows of one file of a table.
pub(super) enum Block {
    Text {
        path: PathBuf,
        /// Position of the block if it is the first block of its file, else `None`.
        start: Option<Place>,
        bytes: Vec<u8>,
    },
    Columns {
        path: PathBuf,
        start: Option<Place>,
        batch: RecordBatch,
    },
}

impl Block {
    pub(super) fn start(&self) -> Option<Place> {
        match self {
            Self::Text { start, .. } | Self::Columns { start, .. } => *start,
        }
    }
}

/// The result of the work on a block.
pub(super) struct Done<T> {
    pub(super) rows: usize,
    /// Position just after the block, computed from the position of its start, which the work was given. For a Parquet block, always [`Place::START`].
    pub(super) next: Place,
    pub(super) value: T,
}

/// Converts a table column to a feature.
fn feature(column: Column) -> Result<Feature> {
    let (name, kind) = (column.name.clone(), column.kind);
    Feature::from_column(column).ok_or_else(|| Error::Shape {
        message: format!("column `{name}` is of kind {kind}, which cannot be a feature; expected number, boolean or category"),
    })
}

/// Converts numbers to an Arrow array; NaN becomes null.
pub(super) fn array(values: Vec<f64>) -> ArrayRef {
    let known = |value: f64| Some(value).filter(|value| !value.is_nan());
    Arc::new(values.into_iter().map(known).collect::<Float64Array>())
}

/// Makes a record batch with this schema.
pub(super) fn batch(schema: &SchemaRef, arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    let rows = arrays.first().map_or(0, |array| array.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|error| {
        Error::Shape {
            message: error.to_string(),
        }
    })
}
