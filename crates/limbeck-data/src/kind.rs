//! The kind of a column, and how it is inferred from the text of its cells.
//!
//! The kinds are tried in this order on the cells that are not empty:
//!
//! | kind | condition |
//! |---|---|
//! | number | each cell is a decimal number or a *marker* of a missing value (see below) |
//! | boolean | each cell is `true`, `false`, `yes` or `no`, in upper or lower case |
//! | time | each cell is an ISO 8601 date, a date with a time (`2024-03-10 18:00`), or a marker |
//! | number | each cell is a number as people write it (`1,085`, `67.2%`, `$1,000`, `3,5`; see `numbers`), a marker, or one of few *odd texts* |
//! | time | each cell is a date in the same order of day, month and year (`10.03.2024`, `3/10/2024 6:05 PM`; see `time`), a marker, or an odd text |
//! | category | there are at most max(50, 5 % of the rows) different texts, or the texts have at most 40 bytes on average |
//! | text | otherwise |
//!
//! Markers are `NA`, `NaN`, `?`, `--`, `#N/A` and others (see `numbers`); a warning counts them. Odd texts are any other texts. They are allowed
//! in up to 10 % of the cells beside at least 20 different numbers or dates, and are read as missing with a warning. A column whose cells are all
//! empty is a number column with only missing values.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use arrow_array::{Array, StringArray};
use serde::{Deserialize, Serialize};

use crate::cells::{MISSING, MISSING_TIME, Values};
use crate::numbers::{Meaning, Notation, Reading, Rules, is_marker};
use crate::text::DecimalMark;
use crate::time::{DateOrder, iso, minute};

/// Kind of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// `true`/`false` or `yes`/`no`, stored as 1 and 0.
    Boolean,
    /// Text with few different values, or short text.
    Category,
    /// Points in time.
    Time,
    /// Free text.
    Text,
}

impl ColumnKind {
    /// The name used in recipes and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Category => "category",
            Self::Time => "time",
            Self::Text => "text",
        }
    }

    /// Description of a valid cell of this kind, for messages.
    fn expected(self) -> &'static str {
        match self {
            Self::Number => {
                "a number, or an empty cell if the value is missing (`--missing TEXT` names a text that means missing)"
            }
            Self::Boolean => "true, false, yes, no, 1 or 0",
            Self::Time => {
                "a date or time such as 2024-03-10 or 2024-03-10T18:00:00, or a date such as 10.03.2024 if all dates of the column have this order"
            }
            Self::Category | Self::Text => "text",
        }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ColumnKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Number,
            Self::Boolean,
            Self::Category,
            Self::Time,
            Self::Text,
        ]
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| {
            format!(
                "`{text}` is not a column kind; expected number, boolean, category, time or text"
            )
        })
    }
}

/// The cells of a column as text, in Arrow arrays; null is an empty cell.
pub(crate) struct Cells {
    chunks: Vec<StringArray>,
}

impl Cells {
    pub(crate) fn new(chunks: Vec<StringArray>) -> Self {
        Self { chunks }
    }

    fn len(&self) -> usize {
        self.chunks.iter().map(Array::len).sum()
    }

    fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.chunks.iter().flat_map(StringArray::iter)
    }
}

/// The first cell that does not have the requested kind.
#[derive(Debug, PartialEq)]
pub(crate) struct BadCell {
    /// Row, from 0.
    pub(crate) row: usize,
    pub(crate) found: String,
    pub(crate) expected: String,
}

/// The values of a column, and what was found while its cells were read: markers, odd texts (see [`odd`](Self::odd)), and numbers or dates that are not
/// written as programs write them. Warnings mention these.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) kind: ColumnKind,
    pub(crate) values: Values,
    /// Texts that were read as missing because they are markers, such as `NA`, each with its number of cells.
    pub(crate) markers: BTreeMap<String, usize>,
    /// Odd texts: texts that are neither values of this kind nor markers. They are read as missing. Sorted.
    pub(crate) odd: Vec<String>,
    /// Number of cells with an odd text.
    pub(crate) odd_cells: usize,
    /// For the warning: the text of one cell and the value read from it, if the cell is not written as programs write numbers or dates. `None` if
    /// there is no such cell, or if the notation of the column was known before.
    pub(crate) written: Option<(String, String)>,
    /// How the numbers and dates of the column are written.
    pub(crate) notation: Notation,
}

impl Parsed {
    pub(crate) fn plain(kind: ColumnKind, values: Values) -> Self {
        Self {
            kind,
            values,
            markers: BTreeMap::new(),
            odd: Vec::new(),
            odd_cells: 0,
            written: None,
            notation: Notation::PLAIN,
        }
    }
}

/// Infers the kind of the cells by the rules of this module, and converts them.
pub(crate) fn infer(cells: &Cells, rules: &Rules<'_>) -> Parsed {
    [ColumnKind::Number, ColumnKind::Boolean, ColumnKind::Time]
        .into_iter()
        .find_map(|kind| strict(cells, kind, rules).ok())
        .or_else(|| {
            let (codes, texts) = categories(cells, rules);
            few_odd(Levels::of_all(&codes, &texts).numbers(rules)?)
        })
        .unwrap_or_else(|| infer_text(cells, rules))
}

/// Infers the kind of a category column again: only the cells in `rows` decide. The result has all rows; a cell that does not have the inferred kind
/// is read as missing.
///
/// Returns `None` if the cells in `rows` are neither numbers, booleans nor dates.
pub(crate) fn infer_by_rows(
    codes: &[u32],
    texts: &[String],
    rows: &[usize],
    rules: &Rules<'_>,
) -> Option<Parsed> {
    let levels = Levels::of_rows(codes, texts, rows);
    let numbers = || few_odd(levels.numbers(rules)?);
    let booleans = || Some(levels.booleans()?.parsed).filter(|read| read.odd.is_empty());
    let times = || few_odd(levels.times()?);
    numbers().or_else(booleans).or_else(times)
}

/// Returns the column if it has no odd text (neither a value nor a marker). Also returns it if it has few: at most 10 % of its cells (not counting
/// empty cells and markers), beside at least 20 different texts that are values. Else returns `None`.
fn few_odd(read: ReadColumn) -> Option<Parsed> {
    const FEWEST_BESIDE_ODD: usize = 20;
    const MOST_ODD: f64 = 0.1;
    let markers: usize = read.parsed.markers.values().sum();
    let known = read.cells - markers - read.parsed.odd_cells;
    let few = read.parsed.odd_cells as f64 <= MOST_ODD * (known + read.parsed.odd_cells) as f64;
    let fits = read.parsed.odd.is_empty() || (few && read.different >= FEWEST_BESIDE_ODD);
    fits.then_some(read.parsed)
}

/// A column of text, read as numbers, times or booleans.
struct ReadColumn {
    parsed: Parsed,
    /// Number of cells that are not empty, in the rows that decide on the kind.
    cells: usize,
    /// Number of different texts that are values of this kind.
    different: usize,
}

/// The different texts of a column, and how often each occurs in the rows that decide on the kind.
struct Levels<'a> {
    codes: &'a [u32],
    texts: &'a [String],
    counts: Vec<usize>,
}

impl<'a> Levels<'a> {
    fn of_all(codes: &'a [u32], texts: &'a [String]) -> Self {
        Self::counted(codes, texts, codes.iter().copied())
    }

    fn of_rows(codes: &'a [u32], texts: &'a [String], rows: &[usize]) -> Self {
        Self::counted(codes, texts, rows.iter().map(|&row| codes[row]))
    }

    fn counted(codes: &'a [u32], texts: &'a [String], used: impl Iterator<Item = u32>) -> Self {
        let mut counts = vec![0; texts.len()];
        for code in used.filter(|code| *code != MISSING) {
            counts[code as usize] += 1;
        }
        Self {
            codes,
            texts,
            counts,
        }
    }

    /// Reads the texts as numbers; `None` if no text is a number, or if the numbers have no common unit.
    fn numbers(&self, rules: &Rules<'_>) -> Option<ReadColumn> {
        let reading = Reading::of(self.texts, &self.counts, rules)?;
        let value = |meaning: &Meaning| match meaning {
            Meaning::Number(value) => *value,
            Meaning::Marker | Meaning::Odd => f64::NAN,
        };
        let values: Vec<f64> = reading.meanings.iter().map(value).collect();
        let values = Values::Number(self.each(&values, f64::NAN));
        let (meanings, notation) = (&reading.meanings, reading.notation);
        let mut read = self.read(ColumnKind::Number, values, meanings, notation);
        let is_plain = |text: &str| text.parse::<f64>().is_ok();
        read.parsed.written = self
            .used(meanings)
            .find_map(|(text, _, meaning)| match meaning {
                Meaning::Number(value) if !is_plain(text) => {
                    Some((text.clone(), value.to_string()))
                }
                _ => None,
            });
        Some(read)
    }

    /// Reads the texts as dates and times; `None` if no text is a date, or if it is unclear whether the day or the month comes first.
    fn times(&self) -> Option<ReadColumn> {
        let used = self.texts.iter().zip(&self.counts);
        let order = DateOrder::of(used.map(|(text, count)| (text.as_str(), *count)))?;
        let times: Vec<Option<i64>> = self.texts.iter().map(|text| order.read(text)).collect();
        let values: Vec<i64> = times
            .iter()
            .map(|time| time.unwrap_or(MISSING_TIME))
            .collect();
        let values = Values::Time(self.each(&values, MISSING_TIME));
        let meanings = self.meanings(|at| times[at].map(|time| time as f64));
        let notation = Notation::PLAIN.with_dates(order);
        let mut read = self.read(ColumnKind::Time, values, &meanings, notation);
        if order != DateOrder::Iso {
            let mut all = self.texts.iter().zip(&times);
            read.parsed.written =
                all.find_map(|(text, time)| Some((text.clone(), minute((*time)?))));
        }
        Some(read)
    }

    /// Reads the texts as booleans; `None` if no text is a boolean.
    fn booleans(&self) -> Option<ReadColumn> {
        let known: Vec<Option<f64>> = self.texts.iter().map(|text| boolean(text)).collect();
        let values: Vec<f64> = known
            .iter()
            .map(|value| value.unwrap_or(f64::NAN))
            .collect();
        let values = Values::Number(self.each(&values, f64::NAN));
        let meanings = self.meanings(|at| known[at]);
        let read = self.read(ColumnKind::Boolean, values, &meanings, Notation::PLAIN);
        (read.different > 0).then_some(read)
    }

    fn meanings(&self, value: impl Fn(usize) -> Option<f64>) -> Vec<Meaning> {
        let meaning = |(at, text): (usize, &String)| match value(at) {
            Some(value) => Meaning::Number(value),
            None if is_marker(text) => Meaning::Marker,
            None => Meaning::Odd,
        };
        self.texts.iter().enumerate().map(meaning).collect()
    }

    /// The value of each row. `values` has the value of each different text; a row without text gets `missing`.
    fn each<T: Copy>(&self, values: &[T], missing: T) -> Vec<T> {
        let value = |code: &u32| values.get(*code as usize).copied().unwrap_or(missing);
        self.codes.iter().map(value).collect()
    }

    /// Texts that occur in the rows that decide on the kind, each with its count and meaning.
    fn used<'b>(
        &'b self,
        meanings: &'b [Meaning],
    ) -> impl Iterator<Item = (&'b String, usize, &'b Meaning)> {
        let all = self.texts.iter().zip(&self.counts).zip(meanings);
        all.filter(|((_, count), _)| **count > 0)
            .map(|((text, count), meaning)| (text, *count, meaning))
    }

    fn read(
        &self,
        kind: ColumnKind,
        values: Values,
        meanings: &[Meaning],
        notation: Notation,
    ) -> ReadColumn {
        let of = |wanted: Meaning| {
            let used = self.used(meanings);
            used.filter(move |(_, _, meaning)| **meaning == wanted)
                .map(|(text, count, _)| (text.clone(), count))
        };
        let is_value = |meaning: &Meaning| matches!(meaning, Meaning::Number(_));
        let odd = self.used(meanings).filter(|used| *used.2 == Meaning::Odd);
        // The notation also contains odd texts of the other rows, because a later table may have them.
        let all_odd = self.texts.iter().zip(meanings);
        let all_odd = all_odd.filter(|(_, meaning)| **meaning == Meaning::Odd);
        ReadColumn {
            cells: self.counts.iter().sum(),
            different: self.used(meanings).filter(|used| is_value(used.2)).count(),
            parsed: Parsed {
                markers: of(Meaning::Marker).collect(),
                odd: odd.map(|(text, ..)| text.clone()).collect(),
                odd_cells: of(Meaning::Odd).map(|(_, count)| count).sum(),
                notation: notation.with_missing(all_odd.map(|(text, _)| text)),
                ..Parsed::plain(kind, values)
            },
        }
    }
}

/// Infers whether a column of text is of kind time, category or text.
pub(crate) fn infer_text(cells: &Cells, rules: &Rules<'_>) -> Parsed {
    let (codes, levels) = categories(cells, rules);
    if let Some(times) = Levels::of_all(&codes, &levels).times().and_then(few_odd) {
        return times;
    }
    let used = codes.iter().filter(|code| **code != MISSING).count();
    let bytes: usize = cells.iter().flatten().map(str::len).sum();
    let few = levels.len() <= 50.max(codes.len() / 20);
    if few || bytes <= 40 * used {
        Parsed::plain(ColumnKind::Category, Values::Category { codes, levels })
    } else {
        text(cells, rules)
    }
}

/// Converts cells to a given kind.
///
/// In a number column, `true` and `yes` also become 1, `false` and `no` become 0, because a student's file stores a boolean as a number. Numbers as
/// people write them (`1,085.5`) are read, too. Markers of a missing value become NaN; any other text is an error.
pub(crate) fn convert(
    cells: &Cells,
    kind: ColumnKind,
    rules: &Rules<'_>,
) -> Result<Parsed, BadCell> {
    match kind {
        ColumnKind::Category => {
            let (codes, levels) = categories(cells, rules);
            Ok(Parsed::plain(kind, Values::Category { codes, levels }))
        }
        ColumnKind::Text => Ok(text(cells, rules)),
        ColumnKind::Number => convert_numbers(cells, rules),
        ColumnKind::Boolean => numbers(cells, kind, rules, |cell| {
            boolean(cell)
                .map(Some)
                .or_else(|| number(cell).filter(|value| matches!(value, None | Some(0.0 | 1.0))))
        }),
        ColumnKind::Time => convert_times(cells, rules),
    }
}

fn convert_times(cells: &Cells, rules: &Rules<'_>) -> Result<Parsed, BadCell> {
    let refused = match times(cells, rules) {
        Err(refused) if rules.notation.is_none() => refused,
        known => return known,
    };
    let (codes, texts) = categories(cells, rules);
    let read = Levels::of_all(&codes, &texts).times();
    let read = read.filter(|read| read.parsed.notation.dates != DateOrder::Iso);
    all_or_bad(cells, read, ColumnKind::Time, refused)
}

/// Returns the column if it has no odd text, else the error for the first odd cell. Returns the error `refused` if `read` is `None`.
fn all_or_bad(
    cells: &Cells,
    read: Option<ReadColumn>,
    kind: ColumnKind,
    refused: BadCell,
) -> Result<Parsed, BadCell> {
    let Some(read) = read else {
        return Err(refused);
    };
    if read.parsed.odd.is_empty() {
        return Ok(read.parsed);
    }
    let is_odd = |cell: Option<&str>| {
        trimmed(cell).is_some_and(|cell| read.parsed.odd.iter().any(|odd| odd == cell))
    };
    let first = cells.iter().enumerate().find(|(_, cell)| is_odd(*cell));
    Err(first.map_or(refused, |(row, cell)| {
        bad(row, cell.unwrap_or_default(), kind)
    }))
}

fn convert_numbers(cells: &Cells, rules: &Rules<'_>) -> Result<Parsed, BadCell> {
    let kind = ColumnKind::Number;
    let as_programs_do = |reads_plain: bool| {
        move |cell: &str| {
            let found = number(cell).filter(|value| reads_plain || value.is_none());
            found.or_else(|| boolean(cell).map(Some))
        }
    };
    if let Some(notation) = rules.notation {
        let plain = as_programs_do(notation.reads_plain(rules.decimal));
        let read = |cell: &str| notation.read(cell, rules.decimal);
        let found = numbers(cells, kind, rules, |cell| {
            plain(cell).or_else(|| read(cell).ok().map(Some))
        });
        return found.map_err(|bad| {
            let cell = cells.iter().nth(bad.row).flatten().unwrap_or_default();
            let expected = read(cell).err().unwrap_or_else(|| bad.expected.clone());
            BadCell { expected, ..bad }
        });
    }
    let plain = as_programs_do(rules.decimal != DecimalMark::Comma);
    let refused = match numbers(cells, kind, rules, plain) {
        Ok(parsed) => return Ok(parsed),
        Err(refused) => refused,
    };
    let (codes, texts) = categories(cells, rules);
    let read = Levels::of_all(&codes, &texts).numbers(rules);
    all_or_bad(cells, read, kind, refused)
}

/// Last step of reading a column of a table after the training table (for example, a table to predict). Numbers that the option `missing` names become
/// NaN. An infinite number is an error.
pub(crate) fn finish(mut parsed: Parsed, rules: &Rules<'_>) -> Result<Parsed, BadCell> {
    if let Values::Number(values) = &mut parsed.values {
        let named = rules.missing_numbers();
        let is_named = |value: &&mut f64| named.contains(value);
        values
            .iter_mut()
            .filter(is_named)
            .for_each(|value| *value = f64::NAN);
    }
    match infinite_cell(&parsed.values) {
        Some(bad) => Err(bad),
        None => Ok(parsed),
    }
}

/// The first infinite number of a column; `None` if there is none.
pub(crate) fn infinite_cell(values: &Values) -> Option<BadCell> {
    let Values::Number(values) = values else {
        return None;
    };
    let row = values.iter().position(|value| value.is_infinite())?;
    Some(BadCell {
        row,
        found: format!(
            "{} (infinite, or too large for a 64-bit number)",
            values[row]
        ),
        expected: "a finite number up to 1.8e308, or an empty cell if the value is missing"
            .to_owned(),
    })
}

fn strict(cells: &Cells, kind: ColumnKind, rules: &Rules<'_>) -> Result<Parsed, BadCell> {
    match kind {
        // With a decimal comma, a point is a thousands separator.
        ColumnKind::Number if rules.decimal == DecimalMark::Comma => {
            numbers(cells, kind, rules, |cell| {
                number(cell).filter(|_| !cell.contains('.'))
            })
        }
        ColumnKind::Number => numbers(cells, kind, rules, number),
        ColumnKind::Boolean => numbers(cells, kind, rules, |cell| boolean(cell).map(Some)),
        ColumnKind::Time => times(cells, rules),
        ColumnKind::Category | ColumnKind::Text => convert(cells, kind, rules),
    }
}

fn times(cells: &Cells, rules: &Rules<'_>) -> Result<Parsed, BadCell> {
    let kind = ColumnKind::Time;
    let order = rules.notation.map_or(DateOrder::Iso, |known| known.dates);
    let read = |cell: &str| order.read(cell).or_else(|| iso(cell));
    let mut values = Vec::with_capacity(cells.len());
    let mut markers = BTreeMap::new();
    for (row, cell) in cells.iter().enumerate() {
        values.push(match trimmed(cell).filter(|cell| !rules.is_missing(cell)) {
            None => MISSING_TIME,
            Some(cell) if is_marker(cell) => {
                add_one(&mut markers, cell);
                MISSING_TIME
            }
            Some(cell) => read(cell).ok_or_else(|| bad(row, cell, kind))?,
        });
    }
    Ok(Parsed {
        markers,
        ..Parsed::plain(kind, Values::Time(values))
    })
}

fn numbers(
    cells: &Cells,
    kind: ColumnKind,
    rules: &Rules<'_>,
    parse: impl Fn(&str) -> Option<Option<f64>>,
) -> Result<Parsed, BadCell> {
    let mut values = Vec::with_capacity(cells.len());
    let mut markers = BTreeMap::new();
    for (row, cell) in cells.iter().enumerate() {
        values.push(match trimmed(cell).filter(|cell| !rules.is_missing(cell)) {
            None => f64::NAN,
            Some(cell) => parse(cell)
                .ok_or_else(|| bad(row, cell, kind))?
                .unwrap_or_else(|| {
                    add_one(&mut markers, cell);
                    f64::NAN
                }),
        });
    }
    Ok(Parsed {
        markers,
        ..Parsed::plain(kind, Values::Number(values))
    })
}

fn add_one(counts: &mut BTreeMap<String, usize>, text: &str) {
    match counts.get_mut(text) {
        Some(count) => *count += 1,
        None => {
            counts.insert(text.to_owned(), 1);
        }
    }
}

fn bad(row: usize, cell: &str, kind: ColumnKind) -> BadCell {
    BadCell {
        row,
        found: shown(cell),
        expected: kind.expected().to_owned(),
    }
}

/// A cell in quotation marks, shortened to 40 characters.
pub(crate) fn shown(cell: &str) -> String {
    match cell.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", &cell[..end]),
        None => format!("{cell:?}"),
    }
}

fn trimmed(cell: Option<&str>) -> Option<&str> {
    cell.map(str::trim).filter(|cell| !cell.is_empty())
}

/// Parses a cell:
///
/// - `Some(Some(number))`: the cell is a number.
/// - `Some(None)`: the cell is a marker of a missing value.
/// - `None`: the cell is any other text.
#[expect(
    clippy::option_option,
    reason = "three outcomes: number, missing, neither"
)]
pub(crate) fn number(cell: &str) -> Option<Option<f64>> {
    match cell.parse::<f64>() {
        Ok(value) if !value.is_nan() => Some(Some(value)),
        _ => is_marker(cell).then_some(None),
    }
}

fn boolean(cell: &str) -> Option<f64> {
    let is_one = |words: [&str; 2]| words.iter().any(|word| cell.eq_ignore_ascii_case(word));
    match cell {
        _ if is_one(["true", "yes"]) => Some(1.0),
        _ if is_one(["false", "no"]) => Some(0.0),
        _ => None,
    }
}

/// Reads cells as categories. Returns the code of each cell, and the sorted levels. Empty and blank cells are missing, and so are texts that mean
/// *missing* by `rules`.
fn categories(cells: &Cells, rules: &Rules<'_>) -> (Vec<u32>, Vec<String>) {
    let known = |cell| trimmed(cell).filter(|cell| !rules.is_missing(cell));
    encode_levels(cells.len(), cells.iter().map(known))
}

/// The code of each cell, and the different texts in sorted order as levels. A cell that is `None` gets the code [`MISSING`].
pub(crate) fn encode_levels<'a>(
    rows: usize,
    cells: impl Iterator<Item = Option<&'a str>>,
) -> (Vec<u32>, Vec<String>) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let mut order: Vec<&str> = Vec::new();
    let mut codes = Vec::with_capacity(rows);
    for cell in cells {
        codes.push(cell.map_or(MISSING, |cell| {
            *seen.entry(cell).or_insert_with(|| {
                order.push(cell);
                order.len() as u32 - 1
            })
        }));
    }
    let levels = sort_levels(&order, &mut codes);
    (codes, levels)
}

/// Sorts the levels by name. Each code is changed from an index in `order` to an index in the result.
fn sort_levels(order: &[&str], codes: &mut [u32]) -> Vec<String> {
    let mut by_name: Vec<u32> = (0..order.len() as u32).collect();
    by_name.sort_unstable_by_key(|code| order[*code as usize]);
    let mut rank = vec![0_u32; order.len()];
    for (position, code) in by_name.iter().enumerate() {
        rank[*code as usize] = position as u32;
    }
    for code in codes.iter_mut().filter(|code| **code != MISSING) {
        *code = rank[*code as usize];
    }
    let name = |code: &u32| order[*code as usize].to_owned();
    by_name.iter().map(name).collect()
}

fn text(cells: &Cells, rules: &Rules<'_>) -> Parsed {
    let known = |cell| trimmed(cell).filter(|cell| !rules.is_missing(cell));
    let texts = cells.iter().map(|cell| known(cell).map(str::to_owned));
    Parsed::plain(ColumnKind::Text, Values::Text(texts.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Cells {
        let array = texts
            .iter()
            .map(|text| Some(*text).filter(|text| !text.is_empty()))
            .collect();
        Cells::new(vec![array])
    }

    fn kind_of(texts: &[&str]) -> ColumnKind {
        infer(&cells(texts), &Rules::default()).kind
    }

    #[test]
    fn kinds_are_inferred() {
        assert_eq!(kind_of(&["1", "", "-2.5e3", "NA"]), ColumnKind::Number);
        assert_eq!(kind_of(&["", ""]), ColumnKind::Number);
        assert_eq!(kind_of(&["Yes", "no", "TRUE"]), ColumnKind::Boolean);
        assert_eq!(
            kind_of(&["2004-03-10 18:00", "", "2004-03-10"]),
            ColumnKind::Time
        );
        assert_eq!(kind_of(&["red", "green", "1"]), ColumnKind::Category);
        let long: Vec<String> = (0..60)
            .map(|i| format!("{i} {}", "word ".repeat(20)))
            .collect();
        assert_eq!(
            kind_of(&long.iter().map(String::as_str).collect::<Vec<_>>()),
            ColumnKind::Text
        );
    }

    #[test]
    fn missing_markers_are_counted_in_number_columns() {
        let parsed = infer(&cells(&["1", "nan", "N/A", "", "null"]), &Rules::default());
        let markers = ["N/A", "nan", "null"].map(|text| (text.to_owned(), 1));
        assert_eq!(parsed.markers, BTreeMap::from(markers));
        let Values::Number(values) = parsed.values else {
            panic!("number")
        };
        assert_eq!(values.iter().filter(|value| value.is_nan()).count(), 4);
    }

    #[test]
    fn levels_are_sorted_and_codes_follow() {
        let Values::Category { codes, levels } =
            infer(&cells(&["b", "a", "", "b", "c"]), &Rules::default()).values
        else {
            panic!("category")
        };
        assert_eq!(levels, ["a", "b", "c"]);
        assert_eq!(codes, [1, 0, MISSING, 1, 2]);
    }

    #[test]
    fn number_rejects_text_with_its_row() {
        let error = convert(
            &cells(&["1", "", "two"]),
            ColumnKind::Number,
            &Rules::default(),
        )
        .unwrap_err();
        assert_eq!((error.row, error.found.as_str()), (2, "\"two\""));
    }

    #[test]
    fn number_column_accepts_booleans_on_request() {
        let Values::Number(values) = convert(
            &cells(&["1", "yes", "False"]),
            ColumnKind::Number,
            &Rules::default(),
        )
        .unwrap()
        .values
        else {
            panic!("number")
        };
        assert_eq!(values, [1.0, 1.0, 0.0]);
    }

    #[test]
    fn boolean_rejects_other_numbers() {
        assert!(
            convert(
                &cells(&["1", "0", "true"]),
                ColumnKind::Boolean,
                &Rules::default()
            )
            .is_ok()
        );
        assert_eq!(
            convert(&cells(&["1", "2"]), ColumnKind::Boolean, &Rules::default())
                .unwrap_err()
                .row,
            1
        );
    }

    #[test]
    fn long_cells_are_shortened_between_characters() {
        assert_eq!(shown(&"é".repeat(41)), format!("{:?}…", "é".repeat(40)));
    }
}
