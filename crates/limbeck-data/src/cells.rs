//! The cells of a column, and how a missing one is written.

/// The code of a missing category.
pub const MISSING: u32 = u32::MAX;

/// The value of a missing time.
pub const MISSING_TIME: i64 = i64::MIN;

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers, and booleans as 0 and 1; NaN is missing.
    Number(Vec<f64>),
    /// Codes into sorted levels; [`MISSING`] is missing.
    Category {
        /// One per row.
        codes: Vec<u32>,
        /// The texts, sorted.
        levels: Vec<String>,
    },
    /// Microseconds since 1970-01-01T00:00 UTC; [`MISSING_TIME`] is missing.
    Time(Vec<i64>),
    /// Free text.
    Text(Vec<Option<String>>),
}

impl Values {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Category { codes, .. } => codes.len(),
            Self::Time(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The given rows, in that order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number(values) => Self::Number(rows.iter().map(|row| values[*row]).collect()),
            Self::Category { codes, levels } => Self::Category {
                codes: rows.iter().map(|row| codes[*row]).collect(),
                levels: levels.clone(),
            },
            Self::Time(values) => Self::Time(rows.iter().map(|row| values[*row]).collect()),
            Self::Text(values) => Self::Text(rows.iter().map(|row| values[*row].clone()).collect()),
        }
    }

    /// True where the cell of a row is missing.
    #[must_use]
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number(values) => values[row].is_nan(),
            Self::Category { codes, .. } => codes[row] == MISSING,
            Self::Time(values) => values[row] == MISSING_TIME,
            Self::Text(values) => values[row].is_none(),
        }
    }
}
