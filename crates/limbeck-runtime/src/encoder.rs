//! The fitted encoder: turns raw columns, in their own units, into the numbers that a graph reads.

use crate::{DateSource, Error, HistorySource, MissingNumbers, Result, fnv::fnv1a, normal};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use core::ops::Range;
use serde::{Deserialize, Serialize};

/// The code that marks a missing category in [`RawColumn::Category`].
pub const MISSING: u32 = u32::MAX;

/// Largest absolute value of a standardized number, in units of the scale; larger ones are clipped, so that later f32 operations do not overflow.
///
/// No training row is clipped: among `n` values, none is further than `√(n − 1)` standard deviations from their mean.
pub const SATURATION: f64 = 1e6;

/// One raw input column of a batch.
#[derive(Clone, Copy, Debug)]
pub enum RawColumn<'a> {
    /// Numbers in their own unit; NaN marks a missing value. Boolean values are 0 and 1.
    Number(&'a [f64]),
    /// Dates, given in place of numbers for a column that is computed from dates: seconds since 1970 (UTC); [`MISSING_TIME`](crate::MISSING_TIME)
    /// marks a missing value.
    Time(&'a [i64]),
    /// Categories.
    Category {
        /// Per row, an index into `levels`; [`MISSING`] marks a missing value.
        codes: &'a [u32],
        /// The levels: the text of each code. They are matched with the encoder's levels by text, so that their order has no effect.
        levels: &'a [String],
    },
}

/// One raw cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number; NaN marks a missing value.
    Number(f64),
    /// A date, given in place of a number for a column that is computed from dates: seconds since 1970 (UTC).
    Time(i64),
    /// A category.
    Text(&'a str),
    /// A missing value.
    Missing,
}

/// Turns raw columns into the input of a graph. It is fitted on training rows.
///
/// The outputs of one column are adjacent; the columns come in the order of [`columns`](Self::columns).
///
/// ```
/// use limbeck_runtime::{Encoder, Encoding, InputColumn, RawColumn, Scaling};
/// let encoder = Encoder::new(vec![InputColumn::new("age", Encoding::Number {
///     impute: 40.0,
///     indicator: true,
///     scaling: Scaling::Standard { center: 40.0, scale: 10.0 },
/// })])?;
/// assert_eq!(encoder.encode(&[RawColumn::Number(&[55.0, f64::NAN])], 2)?, [1.5, 0.0, 0.0, 1.0]);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    /// The input columns, in the order in which callers pass raw columns.
    pub columns: Vec<InputColumn>,
}

/// An input column: its name and its encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputColumn {
    /// Name of the column in the table.
    pub name: String,
    /// Numbers that mean *missing*, in addition to NaN.
    #[serde(default, skip_serializing_if = "MissingNumbers::is_empty")]
    pub missing: MissingNumbers,
    /// The column of dates, and the part of the date, from which the numbers are computed; `None` if the column is not computed from dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateSource>,
    /// The column of the table, and the statistic of its current and earlier rows, from which the numbers are computed; `None` if the column is not
    /// computed from earlier rows. [`Stream`](crate::Stream) computes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySource>,
    /// How the column is turned into numbers.
    pub encoding: Encoding,
}

/// How one raw column is turned into numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoding {
    /// A number: a missing value is imputed, then the number is scaled in f64. One output, or two with `indicator`.
    Number {
        /// Value used in place of a missing one, in the column's unit.
        impute: f64,
        /// True if there is a second output: 1 if the value was missing, else 0.
        indicator: bool,
        /// How the number is scaled.
        scaling: Scaling,
    },
    /// A category: one output per level, 1 for the row's level and 0 for the others.
    OneHot {
        /// The levels (different texts) of the column in training.
        levels: Vec<String>,
        /// True if there is one more output, which is 1 for a missing value or a level that training did not have. Without it, all outputs are 0 for
        /// such a value.
        other: bool,
    },
    /// A category encoded as its index in `levels`; a missing value or an unknown level gets the index `levels.len()`. One output.
    Ordinal {
        /// The levels (different texts) of the column in training, in the order of their indices.
        levels: Vec<String>,
    },
    /// A category hashed into buckets. Of `buckets` outputs, the one at index `h mod buckets` is 1, where `h` is the 64-bit FNV-1a hash of the text
    /// in UTF-8; the others are 0. All are 0 for a missing value.
    Hashed {
        /// Number of buckets.
        buckets: u32,
    },
}

/// How a number is scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scaling {
    /// `clamp((x − center) / scale, ±SATURATION)`, see [`SATURATION`].
    Standard {
        /// The value that is scaled to 0.
        center: f64,
        /// The distance from the center that is scaled to 1; it is above 0.
        scale: f64,
    },
    /// Quantile transform to a normal distribution: `clamp(Φ⁻¹(F(x)), ±3)`.
    ///
    /// ```text
    /// references r_0 ≤ … ≤ r_q: r_i is the quantile of the training values at the level i / q
    /// F(x) = 0                                              x < r_0
    ///      = 1                                              x > r_q
    ///      = (i + j) / 2q                                   x = r_i = … = r_j, all references equal to x
    ///      = (i + (x − r_i) / (r_{i+1} − r_i)) / q          r_i < x < r_{i+1}
    /// ```
    Quantile {
        /// Quantiles of the training values at the levels 0, 1/q, 2/q, …, 1, in ascending order; at least two.
        references: Vec<f64>,
    },
}

impl Scaling {
    /// The scaled number.
    pub fn apply(&self, x: f64) -> f64 {
        match self {
            Scaling::Standard { center, scale } => {
                ((x - center) / scale).clamp(-SATURATION, SATURATION)
            }
            Scaling::Quantile { references } => normal::inverse_cdf(share_below(references, x)),
        }
    }

    fn parameters(&self) -> usize {
        match self {
            Scaling::Standard { .. } => 2,
            Scaling::Quantile { references } => references.len(),
        }
    }

    fn fault(&self) -> Option<&'static str> {
        match self {
            Scaling::Standard { center, scale } => {
                (!(center.is_finite() && scale.is_finite() && *scale > 0.0))
                    .then_some("the scaling needs a finite center and a finite scale above 0")
            }
            Scaling::Quantile { references } => {
                let whole = references.len() >= 2
                    && references.iter().all(|r| r.is_finite())
                    && references.windows(2).all(|pair| pair[0] <= pair[1]);
                (!whole).then_some(
                    "the scaling needs at least two finite references in ascending order",
                )
            }
        }
    }
}

/// `F(x)` in the formula of [`Scaling::Quantile`]: about the share of the training values that are below `x`.
fn share_below(references: &[f64], x: f64) -> f64 {
    let (low, high) = (
        references.partition_point(|&r| r < x),
        references.partition_point(|&r| r <= x),
    );
    let q = (references.len() - 1) as f64;
    match (low, high) {
        (low, high) if low < high => (low + high - 1) as f64 / (2.0 * q),
        (0, _) => 0.0,
        (low, _) if low == references.len() => 1.0,
        (low, _) => {
            // Halved first, because the difference of two huge numbers can overflow.
            let (a, b) = (references[low - 1] / 2.0, references[low] / 2.0);
            ((low - 1) as f64 + (x / 2.0 - a) / (b - a)) / q
        }
    }
}

impl Encoding {
    /// Number of outputs of the column.
    pub fn width(&self) -> usize {
        match self {
            Encoding::Number { indicator, .. } => 1 + usize::from(*indicator),
            Encoding::OneHot { levels, other } => levels.len() + usize::from(*other),
            Encoding::Ordinal { .. } => 1,
            Encoding::Hashed { buckets } => *buckets as usize,
        }
    }

    /// Number of fitted parameters that a prediction uses. Each number counts as one, and so does each level of a category column.
    pub fn parameters(&self) -> usize {
        match self {
            Encoding::Number { scaling, .. } => 1 + scaling.parameters(),
            Encoding::OneHot { levels, .. } | Encoding::Ordinal { levels } => levels.len(),
            Encoding::Hashed { .. } => 1,
        }
    }

    fn fault(&self) -> Option<String> {
        match self {
            Encoding::Number { impute, .. } if !impute.is_finite() => Some(format!(
                "the value for missing cells (`impute`) is {impute}, a finite number expected"
            )),
            Encoding::Number { scaling, .. } => scaling.fault().map(String::from),
            Encoding::OneHot { levels, .. } | Encoding::Ordinal { levels } => {
                let mut seen = BTreeSet::new();
                let twice = levels.iter().find(|level| !seen.insert(level.as_str()));
                twice
                    .map(|level| format!("level `{level}` appears twice, distinct levels expected"))
            }
            Encoding::Hashed { buckets: 0 } => Some("0 buckets, at least one expected".into()),
            Encoding::Hashed { .. } => None,
        }
    }

    fn takes_numbers(&self) -> bool {
        matches!(self, Encoding::Number { .. })
    }

    /// For a one-hot or hashed column, the index of the output that is 1 for a level; for an ordinal column, the level's index. `level` is `None` for
    /// a missing value. The result is `None` if all outputs are 0.
    fn place(&self, level: Option<&str>) -> Option<usize> {
        let find = |levels: &[String]| {
            level.and_then(|level| levels.iter().position(|known| known == level))
        };
        match self {
            Encoding::Number { .. } => None,
            Encoding::OneHot { levels, other } => find(levels).or(other.then_some(levels.len())),
            Encoding::Ordinal { levels } => Some(find(levels).unwrap_or(levels.len())),
            Encoding::Hashed { buckets } => {
                level.map(|level| (fnv1a(level.as_bytes()) % u64::from(*buckets)) as usize)
            }
        }
    }

    /// The [`place`](Self::place) of each of the `given` levels. They are looked up in a tree map, which is faster than a scan for each level.
    fn places(&self, given: &[String]) -> Vec<Option<usize>> {
        let (Encoding::OneHot { levels, .. } | Encoding::Ordinal { levels }) = self else {
            return given.iter().map(|level| self.place(Some(level))).collect();
        };
        let known: BTreeMap<&str, usize> = levels
            .iter()
            .enumerate()
            .map(|(i, level)| (level.as_str(), i))
            .collect();
        let absent = self.place(None);
        given
            .iter()
            .map(|level| known.get(level.as_str()).copied().or(absent))
            .collect()
    }

    fn write_number(&self, x: f64, out: &mut [f32]) {
        if let Encoding::Number {
            impute,
            indicator,
            scaling,
        } = self
        {
            out[0] = scaling.apply(if x.is_nan() { *impute } else { x }) as f32;
            if *indicator {
                out[1] = f32::from(x.is_nan());
            }
        }
    }

    fn write_place(&self, place: Option<usize>, out: &mut [f32]) {
        match (self, place) {
            (Encoding::Ordinal { .. }, Some(index)) => out[0] = index as f32,
            (_, place) => {
                out.fill(0.0);
                if let Some(index) = place {
                    out[index] = 1.0;
                }
            }
        }
    }
}

impl Encoder {
    /// Creates an encoder after checking it.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    pub fn new(columns: Vec<InputColumn>) -> Result<Self> {
        let encoder = Encoder { columns };
        encoder.check()?;
        Ok(encoder)
    }

    /// Checks that the encoder can be used; [`Student::new`](crate::Student::new) calls this.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEncoder`] names the first column with a number that is not finite, a scale that is not positive, references that do not
    /// ascend, a level that appears twice, a name that another column has, or no output. It is also returned if there are no columns.
    pub fn check(&self) -> Result<()> {
        if self.columns.is_empty() {
            return Err(Error::InvalidEncoder {
                column: String::new(),
                reason: "no columns, at least one expected".into(),
            });
        }
        let mut names = BTreeSet::new();
        for column in &self.columns {
            let twice =
                (!names.insert(column.name.as_str())).then(|| "two columns have this name".into());
            if let Some(reason) = twice.or_else(|| column.fault()) {
                return Err(Error::InvalidEncoder {
                    column: column.name.clone(),
                    reason,
                });
            }
        }
        if self.width() == 0 {
            return Err(Error::InvalidEncoder {
                column: String::new(),
                reason: "no outputs, at least one expected".into(),
            });
        }
        Ok(())
    }

    /// Number of f32 in each encoded row.
    pub fn width(&self) -> usize {
        self.columns
            .iter()
            .map(|column| column.encoding.width())
            .fold(0, usize::saturating_add)
    }

    /// Number of fitted parameters that a prediction uses, summed over the columns; see [`Encoding::parameters`].
    pub fn parameters(&self) -> usize {
        self.columns
            .iter()
            .map(|column| column.encoding.parameters())
            .sum()
    }

    /// For each column, the range of its outputs in an encoded row.
    pub fn column_spans(&self) -> Vec<Range<usize>> {
        let mut from = 0;
        let span = |column: &InputColumn| {
            let span = from..from + column.encoding.width();
            from = span.end;
            span
        };
        self.columns.iter().map(span).collect()
    }

    /// Encodes a batch of rows; the result is `[n_rows, width]`, row-major.
    ///
    /// # Errors
    ///
    /// [`Error::ColumnCount`], [`Error::ColumnLength`] and [`Error::ColumnKind`] for columns that differ from those that the encoder was fitted on;
    /// [`Error::InfiniteValue`] and [`Error::InvalidCode`] name the column and the row.
    pub fn encode(&self, columns: &[RawColumn<'_>], n_rows: usize) -> Result<Vec<f32>> {
        self.check_shapes(columns, n_rows)?;
        let mut out = Vec::new();
        self.encode_rows(columns, 0..n_rows, &mut out)?;
        Ok(out)
    }

    /// Checks that the columns are those that the encoder takes, with `n_rows` rows each.
    pub(crate) fn check_shapes(&self, columns: &[RawColumn<'_>], n_rows: usize) -> Result<()> {
        self.check_count(columns.len())?;
        let mut pairs = self.columns.iter().zip(columns);
        pairs.try_for_each(|(column, raw)| column.check_shape(raw, n_rows))
    }

    /// Encodes the rows of a range into `out`, and replaces what it held before. The columns must have passed [`check_shapes`](Self::check_shapes).
    pub(crate) fn encode_rows(
        &self,
        columns: &[RawColumn<'_>],
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<()> {
        let width = self.width();
        out.clear();
        out.resize(rows.len() * width, 0.0);
        for ((column, raw), span) in self.columns.iter().zip(columns).zip(self.column_spans()) {
            let spans = out.chunks_exact_mut(width.max(1));
            column.encode(raw, rows.clone(), spans.map(|row| &mut row[span.clone()]))?;
        }
        Ok(())
    }

    /// Encodes one row into `out` of length [`width`](Self::width), without allocating.
    ///
    /// # Errors
    ///
    /// The errors of [`encode`](Self::encode), with row 0; [`Error::BufferLength`] if `out` has another length than [`width`](Self::width).
    pub fn encode_row(&self, row: &[Value<'_>], out: &mut [f32]) -> Result<()> {
        self.check_count(row.len())?;
        self.encode_values(|at| row[at], out)
    }

    /// Like [`encode_row`](Self::encode_row); `value` returns the value of a column, given by its index.
    pub(crate) fn encode_values<'v>(
        &self,
        value: impl Fn(usize) -> Value<'v>,
        out: &mut [f32],
    ) -> Result<()> {
        let mut rest = &mut *out;
        for (at, column) in self.columns.iter().enumerate() {
            let width = column.encoding.width();
            let Some((head, tail)) = core::mem::take(&mut rest).split_at_mut_checked(width) else {
                return Err(Error::BufferLength {
                    what: "the encoded row",
                    found: out.len(),
                    expected: self.width(),
                });
            };
            column.encode_value(&value(at), head)?;
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(());
        }
        Err(Error::BufferLength {
            what: "the encoded row",
            found: out.len(),
            expected: self.width(),
        })
    }

    fn check_count(&self, found: usize) -> Result<()> {
        if found == self.columns.len() {
            return Ok(());
        }
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("`{}`", column.name))
            .collect();
        Err(Error::ColumnCount {
            found,
            expected: self.columns.len(),
            names: names.join(", "),
        })
    }
}

impl InputColumn {
    /// A column that is not computed from dates or earlier rows, and has no numbers that mean *missing*.
    pub fn new(name: impl Into<String>, encoding: Encoding) -> Self {
        Self {
            name: name.into(),
            missing: MissingNumbers::default(),
            date: None,
            history: None,
            encoding,
        }
    }

    fn fault(&self) -> Option<String> {
        let misplaced = || {
            let only = "a column of categories cannot be a part of a date or a statistic of earlier rows, and cannot have numbers that mean missing";
            let is_computed = self.date.is_some() || self.history.is_some();
            let is_of_numbers = !self.missing.is_empty() || is_computed;
            (is_of_numbers && !self.encoding.takes_numbers()).then(|| only.into())
        };
        let twice = || {
            let both = self.date.is_some() && self.history.is_some();
            both.then(|| {
                "a column cannot be both a part of a date and a statistic of earlier rows".into()
            })
        };
        let fault = self.encoding.fault().or_else(|| self.missing.fault());
        let history = self.history.as_ref();
        let fault = fault.or_else(|| history.and_then(|history| history.missing.fault()));
        fault.or_else(misplaced).or_else(twice)
    }

    fn check_shape(&self, raw: &RawColumn<'_>, n_rows: usize) -> Result<()> {
        let (found, fits) = match raw {
            RawColumn::Number(values) => (values.len(), self.encoding.takes_numbers()),
            RawColumn::Time(values) => (values.len(), self.date.is_some()),
            RawColumn::Category { codes, .. } => (codes.len(), !self.encoding.takes_numbers()),
        };
        if !fits {
            let is_time = matches!(raw, RawColumn::Time(_));
            return Err(if is_time {
                self.no_date()
            } else {
                self.wrong_kind()
            });
        }
        if found != n_rows {
            return Err(Error::ColumnLength {
                column: self.name.clone(),
                found,
                expected: n_rows,
            });
        }
        Ok(())
    }

    #[cold]
    fn wrong_kind(&self) -> Error {
        let (found, expected) = if self.encoding.takes_numbers() {
            ("categories", "numbers")
        } else {
            ("numbers", "categories")
        };
        Error::ColumnKind {
            column: self.name.clone(),
            found,
            expected,
        }
    }

    #[cold]
    fn no_date(&self) -> Error {
        Error::ColumnKind {
            column: self.name.clone(),
            found: "dates",
            expected: if self.encoding.takes_numbers() {
                "numbers"
            } else {
                "categories"
            },
        }
    }

    fn invalid_code(&self, row: usize, code: u32, levels: usize) -> Error {
        Error::InvalidCode {
            column: self.name.clone(),
            row,
            code,
            levels,
        }
    }

    fn check_number(&self, x: f64, row: usize) -> Result<()> {
        if x.is_infinite() {
            return Err(Error::InfiniteValue {
                column: self.name.clone(),
                row,
            });
        }
        Ok(())
    }

    fn encode<'o>(
        &self,
        raw: &RawColumn<'_>,
        rows: Range<usize>,
        outs: impl Iterator<Item = &'o mut [f32]>,
    ) -> Result<()> {
        let numbered = rows.clone().zip(outs);
        match raw {
            RawColumn::Number(values) => {
                for (&x, (row, out)) in values[rows].iter().zip(numbered) {
                    self.check_number(x, row)?;
                    self.encoding.write_number(self.missing.read(x), out);
                }
            }
            RawColumn::Time(values) => {
                let date = self.date.as_ref().ok_or_else(|| self.no_date())?;
                for (&seconds, (_, out)) in values[rows].iter().zip(numbered) {
                    self.encoding.write_number(date.part.of(seconds), out);
                }
            }
            RawColumn::Category { codes, levels } => {
                let (places, absent) = (self.encoding.places(levels), self.encoding.place(None));
                for (&code, (row, out)) in codes[rows].iter().zip(numbered) {
                    let place = match places.get(code as usize) {
                        Some(place) => *place,
                        None if code == MISSING => absent,
                        None => return Err(self.invalid_code(row, code, levels.len())),
                    };
                    self.encoding.write_place(place, out);
                }
            }
        }
        Ok(())
    }

    fn encode_value(&self, value: &Value<'_>, out: &mut [f32]) -> Result<()> {
        match (value, self.encoding.takes_numbers()) {
            (Value::Number(x), true) => {
                self.check_number(*x, 0)?;
                self.encoding.write_number(self.missing.read(*x), out);
            }
            (Value::Time(seconds), true) => {
                let date = self.date.as_ref().ok_or_else(|| self.no_date())?;
                self.encoding.write_number(date.part.of(*seconds), out);
            }
            (Value::Missing, true) => self.encoding.write_number(f64::NAN, out),
            (Value::Text(level), false) => self
                .encoding
                .write_place(self.encoding.place(Some(level)), out),
            (Value::Missing, false) => self.encoding.write_place(self.encoding.place(None), out),
            (Value::Time(_), false) => return Err(self.no_date()),
            (Value::Number(_), false) | (Value::Text(_), true) => return Err(self.wrong_kind()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn column(name: &str, encoding: Encoding) -> InputColumn {
        InputColumn::new(name, encoding)
    }

    #[test]
    fn parts_of_a_date_are_read_from_seconds() {
        use crate::{DatePart, MISSING_TIME};
        let mut month = column("when.month", standard(3.0, true));
        month.date = Some(DateSource {
            column: "when".into(),
            part: DatePart::Month,
        });
        let encoder = Encoder::new(vec![month]).unwrap();
        // 2004-05-01: 5 is two scales above 1; missing is imputed by 3.
        let seconds = [1_083_369_600, MISSING_TIME];
        let encoded = encoder.encode(&[RawColumn::Time(&seconds)], 2).unwrap();
        assert_eq!(encoded, [2.0, 0.0, 1.0, 1.0]);
        let mut row = [0.0; 2];
        encoder
            .encode_row(&[Value::Time(seconds[0])], &mut row)
            .unwrap();
        assert_eq!(row, [2.0, 0.0]);
        // A part that is computed already.
        encoder.encode_row(&[Value::Number(5.0)], &mut row).unwrap();
        assert_eq!(row, [2.0, 0.0]);
        let plain = Encoder::new(vec![column("x", standard(3.0, false))]).unwrap();
        let refused = plain.encode(&[RawColumn::Time(&seconds)], 2).unwrap_err();
        assert!(matches!(refused, Error::ColumnKind { found: "dates", .. }));
        let refused = plain
            .encode_row(&[Value::Time(0)], &mut row[..1])
            .unwrap_err();
        assert!(matches!(refused, Error::ColumnKind { found: "dates", .. }));
    }

    #[test]
    fn numbers_that_mean_missing_are_missing() {
        let mut with = column("x", standard(3.0, true));
        with.missing = MissingNumbers {
            values: vec![-999.0],
            below: None,
            above: Some(1e6),
        };
        let encoder = Encoder::new(vec![with.clone()]).unwrap();
        let encoded = encoder
            .encode(&[RawColumn::Number(&[-999.0, 5.0, 1e9])], 3)
            .unwrap();
        assert_eq!(encoded, [1.0, 1.0, 2.0, 0.0, 1.0, 1.0]);
        let mut row = [0.0; 2];
        encoder
            .encode_row(&[Value::Number(-999.0)], &mut row)
            .unwrap();
        assert_eq!(row, [1.0, 1.0]);
        with.missing.above = Some(f64::INFINITY);
        let refused = Encoder::new(vec![with]).unwrap_err().to_string();
        assert!(refused.contains("finite"), "{refused}");
    }

    fn strings(levels: &[&str]) -> Vec<String> {
        levels.iter().map(|&level| level.into()).collect()
    }

    fn standard(impute: f64, indicator: bool) -> Encoding {
        Encoding::Number {
            impute,
            indicator,
            scaling: Scaling::Standard {
                center: 1.0,
                scale: 2.0,
            },
        }
    }

    fn mixed() -> Encoder {
        Encoder::new(vec![
            column("x", standard(3.0, true)),
            column(
                "color",
                Encoding::OneHot {
                    levels: strings(&["red", "blue"]),
                    other: true,
                },
            ),
            column(
                "size",
                Encoding::Ordinal {
                    levels: strings(&["S", "M"]),
                },
            ),
            column("shop", Encoding::Hashed { buckets: 3 }),
        ])
        .unwrap()
    }

    #[test]
    fn encode_matches_hand_values() {
        let encoder = mixed();
        assert_eq!((encoder.width(), encoder.parameters()), (9, 3 + 2 + 2 + 1));
        assert_eq!(encoder.column_spans(), [0..2, 2..5, 5..6, 6..9]);
        let (colors, sizes, shops) = (
            strings(&["blue", "green", "red"]),
            strings(&["M", "S"]),
            strings(&["a"]),
        );
        let columns = [
            RawColumn::Number(&[5.0, f64::NAN]),
            RawColumn::Category {
                codes: &[0, 1],
                levels: &colors,
            },
            RawColumn::Category {
                codes: &[0, MISSING],
                levels: &sizes,
            },
            RawColumn::Category {
                codes: &[0, MISSING],
                levels: &shops,
            },
        ];
        // FNV-1a("a") = 0xaf63dc4c8601ec8c. Since 16 = 1 modulo 3, it equals the sum of its hexadecimal digits modulo 3: 142 modulo 3 = 1.
        let first = [2.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        // Missing number: imputed as 3 → 1, indicator 1; unseen level green → other; missing ordinal → 2; missing hashed → no bucket.
        let second = [1.0, 1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0];
        assert_eq!(
            encoder.encode(&columns, 2).unwrap(),
            [first, second].concat()
        );

        let mut row = [f32::NAN; 9];
        let values = [
            Value::Number(5.0),
            Value::Text("blue"),
            Value::Text("M"),
            Value::Text("a"),
        ];
        encoder.encode_row(&values, &mut row).unwrap();
        assert_eq!(row, first);
        encoder
            .encode_row(
                &[
                    Value::Missing,
                    Value::Text("green"),
                    Value::Missing,
                    Value::Missing,
                ],
                &mut row,
            )
            .unwrap();
        assert_eq!(row, second);
    }

    #[test]
    fn one_hot_without_other_is_all_zeros_for_unseen() {
        let encoding = Encoding::OneHot {
            levels: strings(&["a"]),
            other: false,
        };
        let encoder = Encoder::new(vec![column("c", encoding)]).unwrap();
        let mut out = [9.0];
        for value in [Value::Missing, Value::Text("b")] {
            encoder.encode_row(&[value], &mut out).unwrap();
            assert_eq!(out, [0.0]);
        }
    }

    #[test]
    fn quantile_scaling_matches_hand_values() {
        // References 0, 1, 1, 3 at shares 0, 1/3, 2/3, 1.
        let references = [0.0, 1.0, 1.0, 3.0];
        let table = [
            (-1.0, 0.0),
            (0.0, 0.0),
            (0.5, 1.0 / 6.0),
            (1.0, 0.5),
            (2.0, 2.5 / 3.0),
            (3.0, 1.0),
            (4.0, 1.0),
        ];
        for (x, share) in table {
            assert!((share_below(&references, x) - share).abs() < 1e-15, "{x}");
        }
        let scaling = Scaling::Quantile {
            references: references.to_vec(),
        };
        assert_eq!(scaling.apply(1.0), 0.0);
        assert_eq!((scaling.apply(-9.0), scaling.apply(9.0)), (-3.0, 3.0));
        // Φ⁻¹(1/6), from tables.
        assert!((scaling.apply(0.5) + 0.967421566101701).abs() < 1e-14);
    }

    #[test]
    fn quantile_scaling_bears_huge_references() {
        let scaling = Scaling::Quantile {
            references: vec![-f64::MAX, f64::MAX],
        };
        assert_eq!(scaling.apply(0.0), 0.0);
    }

    #[test]
    fn standard_scaling_saturates() {
        let scaling = Scaling::Standard {
            center: 0.0,
            scale: 1e-300,
        };
        assert_eq!(scaling.apply(1e300), SATURATION);
    }

    #[test]
    fn encode_names_column_and_row() {
        let encoder = mixed();
        let levels = strings(&["a"]);
        let category = RawColumn::Category {
            codes: &[0],
            levels: &levels,
        };
        let number = RawColumn::Number(&[1.0]);
        let message =
            |columns: &[RawColumn<'_>]| format!("{}", encoder.encode(columns, 1).unwrap_err());
        assert!(message(&[number]).contains("`x`, `color`, `size`, `shop`"));
        assert!(
            message(&[category; 4])
                .contains("column `x` holds categories, but numbers are expected")
        );
        assert!(message(&[number; 4]).contains("column `color` holds numbers"));
        assert!(
            message(&[RawColumn::Number(&[1.0, 2.0]), category, category, category])
                .contains("number of values: found 2, expected 1")
        );
        assert!(
            message(&[
                RawColumn::Number(&[f64::INFINITY]),
                category,
                category,
                category
            ])
            .contains("`x`, row 0: infinite")
        );
        let beyond = RawColumn::Category {
            codes: &[1],
            levels: &levels,
        };
        assert!(
            message(&[number, beyond, category, category]).contains("`color`, row 0: level code 1")
        );
        let mut short = [0.0; 8];
        let row = [Value::Missing; 4];
        assert!(matches!(
            encoder.encode_row(&row, &mut short),
            Err(Error::BufferLength {
                found: 8,
                expected: 9,
                ..
            })
        ));
    }

    #[test]
    fn encoder_rejects_contradictions() {
        let bad = [
            standard(f64::NAN, false),
            Encoding::Number {
                impute: 0.0,
                indicator: false,
                scaling: Scaling::Standard {
                    center: 0.0,
                    scale: 0.0,
                },
            },
            Encoding::Number {
                impute: 0.0,
                indicator: false,
                scaling: Scaling::Quantile {
                    references: vec![1.0],
                },
            },
            Encoding::Number {
                impute: 0.0,
                indicator: false,
                scaling: Scaling::Quantile {
                    references: vec![1.0, 0.0],
                },
            },
            Encoding::Ordinal {
                levels: strings(&["a", "a"]),
            },
            Encoding::Hashed { buckets: 0 },
        ];
        for encoding in bad {
            assert!(matches!(
                Encoder::new(vec![column("c", encoding)]),
                Err(Error::InvalidEncoder { .. })
            ));
        }
        assert!(Encoder::new(vec![]).is_err());
        assert!(
            Encoder::new(vec![
                column("c", standard(0.0, false)),
                column("c", standard(0.0, false))
            ])
            .is_err()
        );
    }
}
