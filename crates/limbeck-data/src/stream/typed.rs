//! Chooses the Parquet type of a text column so that no information is lost.
//!
//! | type | condition for each cell that is not empty |
//! |---|---|
//! | int64 | a whole number without leading zeros that fits into 64 bits |
//! | double | a plain number without leading zeros whose digits an f64 preserves; or `NA`, `NaN` or `null`, in upper or lower case |
//! | boolean | `true` or `false`, in upper or lower case |
//! | date | `YYYY-MM-DD` |
//! | timestamp | an ISO 8601 date, or date and time, without time zone and to microseconds |
//! | text | any other text; it keeps all of its spaces |
//!
//! A column with only empty cells is a double column. If it also has `NA`, `NaN` or `null`, it is a text column.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};

use super::number::plain;
use crate::time::iso;

const DAY: i64 = 86_400_000_000;

/// The Parquet types that fit all cells read so far of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    integer: bool,
    number: bool,
    boolean: bool,
    date: bool,
    time: bool,
    /// True if a cell was neither empty nor a marker.
    some: bool,
    /// True if a cell was a marker of a missing value.
    marker: bool,
}

impl Seen {
    /// The state before the first cell: all types fit.
    pub(super) const NOTHING: Self = Self {
        integer: true,
        number: true,
        boolean: true,
        date: true,
        time: true,
        some: false,
        marker: false,
    };

    /// Excludes the types that do not fit one more cell.
    pub(super) fn see(&mut self, cell: &str) {
        let text = cell.trim();
        if text.is_empty() {
            return;
        }
        if is_marker(text) {
            self.marker = true;
            *self = Self {
                integer: false,
                boolean: false,
                date: false,
                time: false,
                ..*self
            };
            return;
        }
        self.some = true;
        self.integer &= self.integer && integer(text).is_some();
        self.number &= self.number && number(text).is_some();
        self.boolean &= self.boolean && boolean(text).is_some();
        self.time &= self.time && time(text).is_some();
        self.date &= self.time && text.len() == 10;
    }

    /// The types that fit the cells of `self` and the cells of `other`.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            integer: self.integer && other.integer,
            number: self.number && other.number,
            boolean: self.boolean && other.boolean,
            date: self.date && other.date,
            time: self.time && other.time,
            some: self.some || other.some,
            marker: self.marker || other.marker,
        }
    }

    /// The Parquet type, as an Arrow type.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self {
                some: false,
                marker: true,
                ..
            } => DataType::Utf8,
            Self { some: false, .. } => DataType::Float64,
            Self { integer: true, .. } => DataType::Int64,
            Self { number: true, .. } => DataType::Float64,
            Self { boolean: true, .. } => DataType::Boolean,
            Self { date: true, .. } => DataType::Date32,
            Self { time: true, .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => DataType::Utf8,
        }
    }
}

/// Converts cells to an array of this type. Empty cells become null. Markers of a missing value become null, too, except in an array of text.
pub(super) fn array<'a>(cells: impl Iterator<Item = &'a str>, data_type: &DataType) -> ArrayRef {
    let known = |cell: &'a str| Some(cell.trim()).filter(|cell| !cell.is_empty());
    match data_type {
        DataType::Int64 => {
            let values = cells.map(|cell| known(cell).and_then(integer));
            Arc::new(values.collect::<Int64Array>())
        }
        DataType::Float64 => {
            let values = cells.map(|cell| known(cell).and_then(number));
            Arc::new(values.collect::<Float64Array>())
        }
        DataType::Boolean => {
            let values = cells.map(|cell| known(cell).and_then(boolean));
            Arc::new(values.collect::<BooleanArray>())
        }
        DataType::Date32 => {
            let values = cells.map(|cell| known(cell).and_then(time));
            let days = values.map(|value| i32::try_from(value?.div_euclid(DAY)).ok());
            Arc::new(days.collect::<Date32Array>())
        }
        DataType::Timestamp(..) => {
            let values = cells.map(|cell| known(cell).and_then(time));
            Arc::new(values.collect::<TimestampMicrosecondArray>())
        }
        _ => {
            let texts = cells.map(|cell| Some(cell).filter(|cell| !cell.is_empty()));
            Arc::new(texts.collect::<StringArray>())
        }
    }
}

/// True for texts that programs commonly read as missing numbers. A column with other markers, such as `?` or `unknown`, stays text.
fn is_marker(text: &str) -> bool {
    ["na", "nan", "null"]
        .iter()
        .any(|marker| text.eq_ignore_ascii_case(marker))
}

/// Parses a whole number, if Rust would write it in the same way.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0" && text == "0" || !digits.starts_with('0');
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && all).then(|| text.parse().ok())?
}

/// Parses a number. `None` if an f64 does not preserve its digits, if it has a plus sign or needless leading zeros, or if the text is not a finite
/// number.
fn number(text: &str) -> Option<f64> {
    let value = plain(text.as_bytes()).filter(|value| value.is_finite())?;
    let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let padded = matches!(unsigned, [b'0', b'0'..=b'9', ..] | [b'+', ..]);
    // An f64 preserves fifteen digits, unless the number is too small for a full mantissa.
    let full = value.is_normal() || value == 0.0;
    let short = text.len() <= 15 || digits(text).len() <= 15;
    let exact = (full && short) || digits(text) == digits(&format!("{value:e}"));
    (exact && !padded).then_some(value)
}

/// The digits of a number without its exponent and without zeros at either end.
fn digits(text: &str) -> String {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    all.trim_matches('0').to_owned()
}

fn boolean(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    is("true").then_some(true).or(is("false").then_some(false))
}

/// Parses an ISO 8601 date, with or without a time of day, into microseconds since 1970. Returns `None` for any other text, a time zone, a leap
/// second or fractions below a microsecond.
fn time(text: &str) -> Option<i64> {
    let rest = text.get(10..)?;
    let zoned = rest.contains(['Z', '+', '-']);
    let fraction = rest
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    let leap = rest.get(7..9) == Some("60");
    (!zoned && fraction <= 6 && !leap).then(|| iso(text))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(cells: &[&str]) -> DataType {
        // Each half is seen on its own, like a block of a file.
        let see = |cells: &[&str]| {
            let mut seen = Seen::NOTHING;
            cells.iter().for_each(|cell| seen.see(cell));
            seen
        };
        let (one, other) = cells.split_at(cells.len() / 2);
        assert_eq!(see(one).and(see(other)), see(cells));
        see(cells).data_type()
    }

    #[test]
    fn types_lose_no_information() {
        for (cells, expected) in [
            (&["1", "-20", "", "0"][..], DataType::Int64),
            (&["1152921504606846977", "2"], DataType::Int64),
            (&["99999999999999999999", "2"], DataType::Utf8),
            (&["007", "8"], DataType::Utf8),
            (&["-01.5", "8"], DataType::Utf8),
            (&["+5", "8"], DataType::Utf8),
            (&["1.5", "0.25", "-0.5", "1e-7", "3"], DataType::Float64),
            (&["0.1", "0.30000000000000004"], DataType::Float64),
            (&["0.1", "0.3000000000000000412345"], DataType::Utf8),
            (&["1.5", "NA", "nan"], DataType::Float64),
            (&["1", "NA"], DataType::Float64),
            (&["NA", "null"], DataType::Utf8),
            (&["1.5", "?"], DataType::Utf8),
            (&["1", "unknown"], DataType::Utf8),
            (&["1.5", "1.23456789e-316"], DataType::Utf8),
            (&["1e400", "1"], DataType::Utf8),
            (&["", " "], DataType::Float64),
            (&["True", "false", ""], DataType::Boolean),
            (&["yes", "no"], DataType::Utf8),
            (&["true", "1"], DataType::Utf8),
            (&["2024-01-31", ""], DataType::Date32),
            (
                &["2024-01-31", "2024-01-31 10:00:00.25"],
                DataType::Timestamp(TimeUnit::Microsecond, None),
            ),
            (&["2024-01-31T10:00:00Z", ""], DataType::Utf8),
            (&["2024-01-31T10:00:00.123456789", ""], DataType::Utf8),
            (&["a", "1"], DataType::Utf8),
        ] {
            assert_eq!(type_of(cells), expected, "{cells:?}");
        }
    }

    #[test]
    fn large_whole_numbers_with_a_marker_stay_text() {
        assert_eq!(type_of(&["1152921504606846977", "NA"]), DataType::Utf8);
    }

    #[test]
    fn arrays_contain_the_cells() {
        let cells = || ["", "1969-12-31"].into_iter();
        let dates = array(cells(), &DataType::Date32);
        let dates = dates.as_any().downcast_ref::<Date32Array>().unwrap();
        assert_eq!(dates.iter().collect::<Vec<_>>(), [None, Some(-1)]);
        let texts = array([" x ", ""].into_iter(), &DataType::Utf8);
        let texts = texts.as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some(" x "), None]);
        let numbers = array(["NA", "2.5"].into_iter(), &DataType::Float64);
        let numbers = numbers.as_any().downcast_ref::<Float64Array>().unwrap();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [None, Some(2.5)]);
    }
}
