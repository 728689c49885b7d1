//! Numbers in text, as people write them: `1,085.5`, `67.2%`, `$1,000`, `(3.50)`, `3,5`, `12 km`.
//!
//! Each column has one decimal mark: the mark with which more cells are numbers. If the point and the comma give equally many numbers, the decimal
//! mark is the point; or the comma, if cells are separated by semicolons and some contain a comma. Either all numbers of a column have the same unit (or
//! percent sign), or none has a unit. The unit is not part of the value: `67.2%` is 67.2. Markers of a missing value (`?`, `--`, `#N/A`) are
//! missing.
//!
//! The training table decides this once; the result is the [`Notation`] of the column. Every later table is read cell by cell with this
//! notation, so that a number has the same meaning in every file, whatever other cells the file has.

use serde::{Deserialize, Serialize};

use crate::text::DecimalMark;
use crate::time::DateOrder;

/// Markers of a missing value in a column of numbers or times, in lower case.
const MARKERS: [&str; 38] = [
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "nil",
    "nat",
    "<na>",
    "<null>",
    "(null)",
    "(missing)",
    "\\n",
    "n.a.",
    "n.d.",
    "nd",
    "-",
    "--",
    "---",
    "–",
    "—",
    "?",
    "??",
    "???",
    ".",
    "..",
    "*",
    "#n/a",
    "#na",
    "#null!",
    "#div/0!",
    "#value!",
    "#ref!",
    "#num!",
    "#name?",
    "missing",
    "unknown",
    "err",
    "error",
];

/// Currency signs and codes that are allowed before or after a number.
const CURRENCIES: [&str; 15] = [
    "$", "€", "£", "¥", "₹", "₽", "₩", "US$", "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR",
];

/// Characters that are allowed as thousands separators with either decimal mark, such as the space in `1 085`.
const GROUPING: [char; 7] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '’', '_'];

/// True for a marker of a missing value.
pub(crate) fn is_marker(cell: &str) -> bool {
    // The longest marker has nine bytes, so longer cells need not be converted to lower case.
    cell.len() <= 9 && MARKERS.contains(&cell.to_lowercase().as_str())
}

/// How the cells of a column are written, as found in the training table.
///
/// The default is the plain notation, which programs write: a decimal point, no thousands separator, no unit, and ISO 8601 dates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notation {
    /// True if the decimal mark is a comma.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    comma: bool,
    /// True if the training table has cells such as `1,085` (if the decimal mark is a point) or `1.085` (if it is a comma), in which the other mark
    /// separates thousands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    grouped: bool,
    /// The unit after each number, such as `%`; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    unit: String,
    /// The order of day, month and year in dates.
    #[serde(skip_serializing_if = "is_iso")]
    pub(crate) dates: DateOrder,
    /// Texts that mean *missing* in a column of numbers or dates, besides the known markers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

impl Notation {
    /// The plain notation: numbers and dates as programs write them.
    pub(crate) const PLAIN: Self = Self {
        comma: false,
        grouped: false,
        unit: String::new(),
        dates: DateOrder::Iso,
        missing: Vec::new(),
    };
    /// Largest number of texts in `missing`.
    const MOST_TEXTS: usize = 1000;

    /// This notation, in which `texts` mean *missing*: at most 1000 of them, in place of the former texts.
    pub(crate) fn with_missing<'a>(mut self, texts: impl Iterator<Item = &'a String>) -> Self {
        self.missing = texts.take(Self::MOST_TEXTS).cloned().collect();
        self
    }

    /// This notation, with another order of day, month and year.
    pub(crate) fn with_dates(self, dates: DateOrder) -> Self {
        Self { dates, ..self }
    }

    /// True if this is the plain notation, and no texts beside the known markers mean *missing*.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::PLAIN
    }

    /// True if the decimal mark is a comma.
    pub(crate) fn has_comma(&self) -> bool {
        self.comma
    }

    /// True if the point in a number such as `1.085` is read as a decimal point.
    pub(crate) fn reads_plain(&self, decimal: DecimalMark) -> bool {
        self.mark(decimal) == Mark::Point
    }

    /// The decimal mark that the user names, else the decimal mark of the column.
    fn mark(&self, decimal: DecimalMark) -> Mark {
        match decimal {
            DecimalMark::Comma => Mark::Comma,
            DecimalMark::Auto if self.comma => Mark::Comma,
            DecimalMark::Auto | DecimalMark::Point => Mark::Point,
        }
    }

    /// Reads one cell as a number. The error says what was expected.
    ///
    /// The decimal mark is the mark that the user names (`decimal`), else the mark of the column. A cell that is a number only with the other
    /// mark is read with the other mark, unless the user names the point. A cell such as `1,085` in a column with decimal points is refused: it
    /// could be 1085 or 1.085. It is accepted if the column has a thousands separator, or if the user names the mark.
    pub(crate) fn read(&self, cell: &str, decimal: DecimalMark) -> Result<f64, String> {
        let mark = self.mark(decimal);
        let own = Written::read(cell, mark);
        let other = match decimal {
            DecimalMark::Point => None,
            _ => Written::read(cell, mark.other()),
        };
        let doubtful = decimal == DecimalMark::Auto && !self.grouped;
        let written = match (own, other) {
            (Some(own), Some(other))
                if doubtful && has_thousands_only(cell, &own, &other, mark) =>
            {
                return Err(format!(
                    "a number that can be read in only one way; this cell can mean {} or {}: choose with `--decimal point` or `--decimal comma`",
                    own.value.min(other.value),
                    own.value.max(other.value)
                ));
            }
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => return Err(self.expected()),
        };
        match written.unit == self.unit || written.unit.is_empty() {
            true => Ok(written.value),
            false => Err(self.expected()),
        }
    }

    fn expected(&self) -> String {
        let number = match self.unit.as_str() {
            "" => "a number".to_owned(),
            unit => format!("a number, with the unit `{unit}` or without"),
        };
        format!(
            "{number}, or an empty cell if the value is missing (`--missing TEXT` names a text that means missing)"
        )
    }
}

/// True for the default order of dates, ISO 8601. Serde leaves out this order when writing.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_iso(order: &DateOrder) -> bool {
    *order == DateOrder::Iso
}

/// True for a cell such as `1,085` if `mark` is the point: the cell does not contain `mark`, and the other decimal mark gives it a different value.
/// `own` is the cell read with `mark`, and `other` is the cell read with the other decimal mark.
fn has_thousands_only(cell: &str, own: &Written, other: &Written, mark: Mark) -> bool {
    own.value.total_cmp(&other.value).is_ne() && !cell.contains(mark.character())
}

/// Rules for reading the cells of a file, or of one of its columns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules<'a> {
    /// Texts that mean *missing* in all columns (`ReadOptions::missing`).
    pub(crate) missing: &'a [String],
    /// The decimal mark (`ReadOptions::decimal`).
    pub(crate) decimal: DecimalMark,
    /// True if a comma that could be a thousands separator or a decimal mark is a decimal mark.
    pub(crate) prefers_comma: bool,
    /// The known notation of a column; without it, the notation is found from all cells of the column.
    pub(crate) notation: Option<&'a Notation>,
}

impl Rules<'_> {
    /// True for a text that means *missing* in all columns, or by the notation of this column. Known markers such as `NA` are not considered here.
    pub(crate) fn is_missing(&self, cell: &str) -> bool {
        let is = |texts: &[String]| texts.iter().any(|text| text == cell);
        is(self.missing) || self.notation.is_some_and(|known| is(&known.missing))
    }

    /// The numbers among the texts that mean *missing* in all columns.
    pub(crate) fn missing_numbers(&self) -> Vec<f64> {
        let numbers = self.missing.iter().filter_map(|text| text.parse().ok());
        numbers.filter(|number: &f64| number.is_finite()).collect()
    }
}

/// True if a cell is certainly a number with a decimal comma, false if it is certainly one with a decimal point. `None` for all other cells, such as
/// whole numbers, and `1,085`, where the comma may also be a thousands separator.
pub(crate) fn certain_comma(cell: &str) -> Option<bool> {
    let reads = |mark: Mark| cell.contains(mark.character()) && Written::read(cell, mark).is_some();
    let fits = |mark: Mark| reads(mark) && Written::read(cell, mark.other()).is_none();
    match (fits(Mark::Comma), fits(Mark::Point)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The meaning of a text in a column of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    /// A number.
    Number(f64),
    /// A marker of a missing value.
    Marker,
    /// Any other text.
    Odd,
}

/// The texts of a column, read as numbers.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    /// The meaning of each text.
    pub(crate) meanings: Vec<Meaning>,
    /// Decimal mark, thousands separator and unit of the numbers.
    pub(crate) notation: Notation,
}

impl Reading {
    /// Reads the different texts of a column as numbers; `counts` are the numbers of cells with each text.
    ///
    /// Texts with a count of 0 have no influence on decimal mark and unit. Returns `None` if no text is a number, or if the numbers have no common
    /// unit (see `common_unit`).
    pub(crate) fn of(texts: &[String], counts: &[usize], rules: &Rules<'_>) -> Option<Self> {
        let marks: &[Mark] = match rules.decimal {
            DecimalMark::Auto => &[Mark::Point, Mark::Comma],
            DecimalMark::Point => &[Mark::Point],
            DecimalMark::Comma => &[Mark::Comma, Mark::Point],
        };
        let prefers_comma = rules.prefers_comma && texts.iter().any(|text| text.contains(','));
        let mut best: Option<(usize, Vec<Option<Written>>, Mark)> = None;
        for &mark in marks {
            let written: Vec<Option<Written>> =
                texts.iter().map(|text| Written::read(text, mark)).collect();
            let read = written.iter().zip(counts).filter(|(one, _)| one.is_some());
            let cells = read.map(|(_, count)| count).sum();
            let wins_ties = mark == Mark::Comma && prefers_comma;
            if best
                .as_ref()
                .is_none_or(|(most, ..)| cells > *most || (cells == *most && wins_ties))
            {
                best = Some((cells, written, mark));
            }
        }
        let (_, written, mark) = best.filter(|(cells, ..)| *cells > 0)?;
        let found = written.iter().zip(counts).filter(|(_, count)| **count > 0);
        let unit = common_unit(found.filter_map(|(one, _)| one.as_ref()))?;
        let used = texts.iter().zip(&written).zip(counts);
        let mut numbers = used.filter_map(|((text, one), count)| {
            one.as_ref().filter(|_| *count > 0).map(|one| (text, one))
        });
        let grouped = numbers.any(|(text, own)| {
            Written::read(text, mark.other())
                .is_some_and(|other| has_thousands_only(text, own, &other, mark))
        });
        // Texts with a count of 0 may have other units; then they are odd texts.
        let written = written
            .into_iter()
            .map(|one| one.filter(|one| one.unit == unit));
        let meaning = |(text, written): (&String, Option<Written>)| match written {
            Some(written) => Meaning::Number(written.value),
            None if is_marker(text) => Meaning::Marker,
            None => Meaning::Odd,
        };
        Some(Self {
            meanings: texts.iter().zip(written).map(meaning).collect(),
            notation: Notation {
                comma: mark == Mark::Comma,
                grouped,
                unit,
                ..Notation::PLAIN
            },
        })
    }
}

/// The unit of all numbers; an empty text if no number has a unit.
///
/// Returns `None` if units differ. Also returns `None` if there is a unit other than `%`, but fewer than 10 different texts: such texts are
/// names (`2D`, `3D`).
fn common_unit<'a>(written: impl Iterator<Item = &'a Written>) -> Option<String> {
    const FEWEST_WITH_UNIT: usize = 10;
    let written: Vec<&Written> = written.collect();
    let unit = &written.first()?.unit;
    let same = written.iter().all(|one| one.unit == *unit);
    let numbers = written.len();
    let enough = unit.is_empty() || unit == "%" || numbers >= FEWEST_WITH_UNIT;
    (same && enough).then(|| unit.clone())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Point,
    Comma,
}

impl Mark {
    fn other(self) -> Self {
        match self {
            Self::Point => Self::Comma,
            Self::Comma => Self::Point,
        }
    }

    fn character(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// A number and its unit, read from one cell.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    value: f64,
    /// The unit after the number; empty if there is none, or if it is a currency.
    unit: String,
}

impl Written {
    fn read(cell: &str, mark: Mark) -> Option<Self> {
        let cell = cell.trim();
        let (in_parentheses, inner) = match cell
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            Some(inner) => (true, inner.trim()),
            None => (false, cell),
        };
        let (first, rest) = sign(inner);
        let (second, rest) = sign(without_currency(rest));
        let end = rest.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (number, tail) = rest.split_at(end);
        let (after, unit) = unit(tail)?;
        let signs = [
            in_parentheses,
            first == Some(true),
            second == Some(true),
            after,
        ];
        // At most one sign, and no plus in parentheses.
        if signs.iter().filter(|is| **is).count()
            + usize::from(first == Some(false))
            + usize::from(second == Some(false))
            > 1
        {
            return None;
        }
        let value: f64 = digits(number, mark)?.parse().ok()?;
        Some(Self {
            value: if signs.contains(&true) { -value } else { value },
            unit,
        })
    }
}

/// Splits a sign off the start of a text. Returns the sign and the rest of the text. The sign is `Some(true)` for minus, `Some(false)` for plus, and
/// `None` if the text has no sign.
fn sign(text: &str) -> (Option<bool>, &str) {
    let rest = |prefix: char| text.strip_prefix(prefix).map(str::trim_start);
    match (rest('-').or_else(|| rest('−')), rest('+')) {
        (Some(rest), _) => (Some(true), rest),
        (None, Some(rest)) => (Some(false), rest),
        (None, None) => (None, text),
    }
}

fn without_currency(text: &str) -> &str {
    let longest = CURRENCIES
        .iter()
        .filter(|sign| text.starts_with(**sign))
        .max_by_key(|sign| sign.len());
    longest.map_or(text, |sign| text[sign.len()..].trim_start())
}

/// Reads the text after the digits. Returns `(true, "")` if it is a minus sign, `(false, unit)` if it is a unit, and `(false, "")` if it is empty, a
/// currency or a point. `None` for any other text.
fn unit(tail: &str) -> Option<(bool, String)> {
    const LONGEST: usize = 8;
    let tail = tail.trim();
    if tail == "-" {
        return Some((true, String::new()));
    }
    if CURRENCIES.contains(&tail) || tail == "." {
        return Some((false, String::new()));
    }
    let is_unit = |c: char| c.is_alphabetic() || "%‰°µ/²³^·".contains(c);
    // A lone `e` is an exponent that was cut off.
    let is_cut = tail.eq_ignore_ascii_case("e");
    let fits = !is_cut && tail.chars().count() <= LONGEST && tail.chars().all(is_unit);
    fits.then(|| (false, tail.to_owned()))
}

/// Rewrites a number so that Rust can parse it; `None` if the text is not a number with this decimal mark.
fn digits(text: &str, mark: Mark) -> Option<String> {
    let (decimal, group) = (mark.character(), mark.other().character());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once(decimal).unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !is_digits(fraction) || unsigned.is_empty() || !is_digits(unsigned) {
        return None;
    }
    let whole = ungrouped(whole, group)?;
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    Some(format!("{whole}.{fraction}0e{exponent}"))
}

/// Removes the thousands separators from a whole number. All separators must be the same character: `group` or one of [`GROUPING`]. Groups must have
/// three digits (or two, as in India, except for the last group); the first group may be shorter. Returns `None` for any other text.
fn ungrouped(whole: &str, group: char) -> Option<String> {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(mark) = whole.chars().find(|c| !c.is_ascii_digit()) else {
        return Some(whole.to_owned());
    };
    if mark != group && !GROUPING.contains(&mark) {
        return None;
    }
    let groups: Vec<&str> = whole.split(mark).collect();
    let (first, rest) = groups.split_first()?;
    let (last, middle) = rest.split_last()?;
    let fits = (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && last.len() == 3
        && middle.iter().all(|one| matches!(one.len(), 2 | 3))
        && groups.iter().all(|one| is_digits(one));
    fits.then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cells_with_one_reading_show_the_mark() {
        for cell in ["3,5", "1.085,5", "0,123", "-12,3456", "67,25 %"] {
            assert_eq!(certain_comma(cell), Some(true), "{cell}");
        }
        for cell in ["3.5", "1,085.5", "0.123", "$1.25", "2.5e-7"] {
            assert_eq!(certain_comma(cell), Some(false), "{cell}");
        }
        for cell in [
            "",
            "7",
            "1,085",
            "1.085",
            "1,085,123",
            "10.03.2024",
            "a,b",
            "1e5",
        ] {
            assert_eq!(certain_comma(cell), None, "{cell}");
        }
    }

    fn read(cell: &str, mark: Mark) -> Option<f64> {
        Written::read(cell, mark).map(|written| written.value)
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (cell, value) in [
            ("1,085", 1085.0),
            ("1,085.5", 1085.5),
            ("12,345,678", 12_345_678.0),
            ("1,23,456", 123_456.0),
            ("67.2%", 67.2),
            ("$1,000", 1000.0),
            ("-$5.50", -5.5),
            ("$ -5.50", -5.5),
            ("(3.50)", -3.5),
            ("USD 12", 12.0),
            ("12 €", 12.0),
            ("+7", 7.0),
            ("−7", -7.0),
            ("7-", -7.0),
            ("1 085", 1085.0),
            ("1\u{a0}085.25", 1085.25),
            ("1'085", 1085.0),
            ("1.5e3", 1500.0),
            ("2E-2", 0.02),
            (".5", 0.5),
            ("5.", 5.0),
            ("12 km", 12.0),
        ] {
            assert_eq!(read(cell, Mark::Point), Some(value), "{cell}");
        }
        for (cell, value) in [
            ("3,5", 3.5),
            ("1.085,50", 1085.5),
            ("1.085", 1085.0),
            ("0,085", 0.085),
            ("1 085,5", 1085.5),
            ("1,5E3", 1500.0),
        ] {
            assert_eq!(read(cell, Mark::Comma), Some(value), "{cell}");
        }
    }

    #[test]
    fn texts_that_are_not_numbers_are_refused() {
        for cell in [
            "",
            "abc",
            "1,08",
            "0,123",
            "1,0855",
            "12:30",
            "2004-03-10",
            "1,085,5",
            "1.2.3",
            "--5",
            "+-5",
            "(-5)",
            "10-20",
            "e5",
            "1e",
            "5 to 6",
            "<0.5",
            "A1",
            "1 2",
            "1,085 kilometers",
            "$",
            "-",
            "1_08",
        ] {
            assert_eq!(read(cell, Mark::Point), None, "{cell}");
        }
        for cell in ["3.5", "0.085", "1,5,5", "1,085.5"] {
            assert_eq!(read(cell, Mark::Comma), None, "{cell}");
        }
    }

    fn reading(texts: &[&str], rules: &Rules<'_>) -> Option<Reading> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        Reading::of(&texts, &vec![1; texts.len()], rules)
    }

    #[test]
    fn a_column_has_one_decimal_mark() {
        let auto = Rules::default();
        let comma = Rules {
            prefers_comma: true,
            ..auto
        };
        let values = |texts: &[&str], rules: &Rules<'_>| -> Vec<Meaning> {
            reading(texts, rules).unwrap().meanings
        };
        let numbers = |values: &[f64]| -> Vec<Meaning> {
            values.iter().map(|value| Meaning::Number(*value)).collect()
        };
        // `3,5` has no thousands separator, so the comma is the decimal mark of all cells.
        assert_eq!(values(&["1,085", "3,5"], &auto), numbers(&[1.085, 3.5]));
        assert_eq!(
            values(&["1,085", "2,500"], &auto),
            numbers(&[1085.0, 2500.0])
        );
        assert_eq!(values(&["1,085", "2,500"], &comma), numbers(&[1.085, 2.5]));
        // `prefers_comma` has no influence if no cell contains a comma.
        assert_eq!(
            values(&["1.085%", "2.500%"], &comma),
            numbers(&[1.085, 2.5])
        );
        let said = Rules {
            decimal: DecimalMark::Comma,
            ..auto
        };
        assert_eq!(
            values(&["1.085", "2.500"], &said),
            numbers(&[1085.0, 2500.0])
        );
        // In a file with decimal commas, a column with decimal points can still be read.
        assert_eq!(values(&["0.5", "12.25"], &said), numbers(&[0.5, 12.25]));
        let point = Rules {
            decimal: DecimalMark::Point,
            ..auto
        };
        assert_eq!(
            values(&["1,085", "3,5"], &point),
            [Meaning::Number(1085.0), Meaning::Odd]
        );
    }

    #[test]
    fn reading_distinguishes_markers_from_odd_texts() {
        let found = reading(
            &["1", "?", "#N/A", "None", "--", "broken"],
            &Rules::default(),
        )
        .unwrap();
        use Meaning::{Marker, Number, Odd};
        assert_eq!(
            found.meanings,
            [Number(1.0), Marker, Marker, Marker, Marker, Odd]
        );
        assert_eq!(reading(&["?", "red"], &Rules::default()), None);
        for marker in MARKERS {
            assert!(
                is_marker(marker) && is_marker(&marker.to_uppercase()),
                "{marker}"
            );
            assert!(
                marker.len() <= 9
                    && !marker
                        .bytes()
                        .any(|byte| byte.is_ascii_digit() && marker != "#div/0!")
            );
        }
    }

    #[test]
    fn all_numbers_of_a_column_have_the_same_unit() {
        let rules = Rules::default();
        assert_eq!(reading(&["5%", "7 %"], &rules).unwrap().notation.unit, "%");
        assert_eq!(reading(&["5%", "0.05"], &rules), None);
        assert_eq!(reading(&["2D", "3D"], &rules), None);
        assert_eq!(reading(&["300k", "1M"], &rules), None);
        let km: Vec<String> = (1..=10).map(|i| format!("{i} km")).collect();
        let km: Vec<&str> = km.iter().map(String::as_str).collect();
        assert_eq!(reading(&km, &rules).unwrap().notation.unit, "km");
    }

    #[test]
    fn a_known_notation_reads_each_cell_independently() {
        let auto = DecimalMark::Auto;
        let read = |notation: &Notation, cell: &str| notation.read(cell, auto);
        let plain = Notation::default();
        let comma = reading(&["3,5", "1.085,25"], &Rules::default()).unwrap();
        let comma = comma.notation;
        assert!(comma.comma && !comma.grouped);
        // These cells are numbers with one of the two decimal marks only.
        for (cell, value) in [
            ("3.5", 3.5),
            ("3,5", 3.5),
            ("1.085,5", 1085.5),
            ("1,085.5", 1085.5),
        ] {
            for notation in [&plain, &comma] {
                assert_eq!(read(notation, cell), Ok(value), "{cell}");
            }
        }
        // The decimal mark of the column is in the cell.
        assert_eq!(read(&plain, "1.085"), Ok(1.085));
        assert_eq!(read(&comma, "1,085"), Ok(1.085));
        // The mark in these cells could be a thousands separator, or the decimal mark of another table.
        for (notation, cell) in [(&plain, "1,085"), (&comma, "1.085")] {
            let error = read(notation, cell).unwrap_err();
            assert!(
                error.contains("this cell can mean 1.085 or 1085"),
                "{error}"
            );
        }
        assert_eq!(plain.read("1,085", DecimalMark::Point), Ok(1085.0));
        assert_eq!(plain.read("1,085", DecimalMark::Comma), Ok(1.085));
        assert_eq!(comma.read("1.085", DecimalMark::Point), Ok(1.085));
        assert!(plain.read("3,5", DecimalMark::Point).is_err());
        let thousands = reading(&["1,085", "950"], &Rules::default()).unwrap();
        assert!(thousands.notation.grouped);
        assert_eq!(read(&thousands.notation, "2,500"), Ok(2500.0));
    }

    #[test]
    fn a_known_unit_may_be_left_out_but_not_changed() {
        let percent = reading(&["5%", "7%"], &Rules::default()).unwrap().notation;
        let read = |notation: &Notation, cell: &str| notation.read(cell, DecimalMark::Auto);
        assert_eq!(
            (read(&percent, "9%"), read(&percent, "9")),
            (Ok(9.0), Ok(9.0))
        );
        let error = read(&percent, "9 km").unwrap_err();
        assert!(error.contains("with the unit `%` or without"), "{error}");
        assert!(read(&Notation::default(), "9%").is_err());
        assert_eq!(read(&Notation::default(), "$9"), Ok(9.0));
    }
}
