//! The cells of a column, and how missing values are stored.

/// Code that marks a missing cell of a category column.
pub const MISSING: u32 = u32::MAX;

/// Value that marks a missing cell of a time column.
pub const MISSING_TIME: i64 = i64::MIN;

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers, and booleans as 0 and 1; NaN marks a missing value.
    Number(Vec<f64>),
    /// Categories; [`MISSING`] marks a missing value.
    Category {
        /// For each row, an index into `levels`, or [`MISSING`].
        codes: Vec<u32>,
        /// The different texts, sorted.
        levels: Vec<String>,
    },
    /// Microseconds since 1970-01-01T00:00 UTC; [`MISSING_TIME`] marks a missing value.
    Time(Vec<i64>),
    /// Free text; `None` marks a missing value.
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

    /// True if there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cells of the given rows, in that order.
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

    /// True if the cell of a row is missing.
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
