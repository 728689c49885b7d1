//! Finds the layout of a text table: the separator of its cells, and the position of its header.
//!
//! Both are found from the first records. Text inside quotation marks does not count. A separator fits if it occurs equally often in every record;
//! lines above the header (titles, comments, `sep=;`) may have fewer. If several separators fit, the one with the fewest lines above the header is
//! chosen. Among equals, the comma is chosen last, because a comma can be a decimal mark; then the separator with the most cells is chosen.

use std::path::Path;

use crate::reading::ReadOptions;
use crate::records::{Cell, Record, Records};
use crate::text::Separator;
use crate::warning::{Action, Warning};
use crate::{Error, Result};

/// The layout is found from the first bytes of a file, at most this many. Only `stream` uses more, if the header is longer.
pub(crate) const SAMPLE_BYTES: usize = 256 << 10;
/// The layout is found from at most this many records at the start of a file.
const SAMPLE_RECORDS: usize = 200;
/// The header is looked for only among this many records at the start of a file.
const MOST_TITLES: usize = 30;
/// The separators that are tried. If none fits, the one that splits the most records into the same number of cells (at least two) is chosen; among
/// equals, the first in this list.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The layout of a text table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// Separator between cells.
    pub(crate) separator: u8,
    /// Position of the header's first byte in the text, from 0. A byte order mark does not count.
    pub(crate) start: usize,
    /// Line of the header, from 1.
    pub(crate) line: usize,
    /// Warnings about lines that were skipped.
    pub(crate) notes: Vec<Warning>,
}

/// Finds the layout of a text that begins with `sample`. `whole` is true if `sample` is the whole text.
pub(crate) fn find(
    path: &Path,
    sample: &[u8],
    whole: bool,
    options: &ReadOptions,
) -> Result<Layout> {
    let (mut start, mut line) = skip_lines(path, sample, options.skip_lines)?;
    let mut separator = options.separator.map(Separator::byte);
    if let Some((named, length)) = named_separator(&sample[start..]) {
        separator = separator.or(Some(named));
        (start, line) = (start + length, line + 1);
    }
    let tabs = crate::bytes::named(path, "tsv").then_some(b'\t');
    let text = Sample {
        path,
        bytes: sample,
        whole,
        start,
        line,
    };
    match separator.or(tabs) {
        Some(separator) => text.header(separator, options),
        None => {
            let separator = text.separator()?;
            text.header(separator, options)
        }
    }
}

/// Position (in bytes) and number (from 1) of the line after the first `count` lines.
fn skip_lines(path: &Path, bytes: &[u8], count: usize) -> Result<(usize, usize)> {
    let mut position = 0;
    for found in 0..count {
        let rest = &bytes[position..];
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            return Err(Error::Malformed {
                path: path.to_owned(),
                message: format!(
                    "`--skip-lines` (`skip_lines` in a recipe) is {count}, but the number of lines in the first {1} bytes of the table is only {0}; skip fewer lines",
                    found,
                    bytes.len()
                ),
            });
        };
        let both = rest[end..].starts_with(b"\r\n");
        position += end + 1 + usize::from(both);
    }
    Ok((position, count + 1))
}

/// The separator named by a first line such as `sep=;`, which spreadsheets write, and the length of this line in bytes. `None` if the first line
/// names no separator.
fn named_separator(bytes: &[u8]) -> Option<(u8, usize)> {
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let line = line.trim_start_matches('\u{feff}').trim_matches('"');
    let named = line
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("sep="))?;
    let separator: Separator = line[named.len()..].parse().ok()?;
    let both = bytes[end..].starts_with(b"\r\n");
    Some((separator.byte(), end + 1 + usize::from(both)))
}

/// The first bytes of a table. The search for the header begins at byte `start`; that byte is on line `line`.
struct Sample<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    whole: bool,
    start: usize,
    line: usize,
}

/// The first records of a table, split by one candidate separator.
struct Survey {
    records: Vec<Record>,
    cells: Vec<Vec<Cell>>,
    /// Most frequent number of cells in a record.
    width: usize,
    /// Index of the first record with `width` cells.
    first: usize,
    /// Number of records with `width` cells.
    agree: usize,
}

impl Survey {
    /// True if all records from index `first` on have `width` cells.
    fn is_even(&self) -> bool {
        self.agree == self.records.len() - self.first
    }
}

impl Sample<'_> {
    /// Splits the first records of `bytes`, which is the text itself or its [`masked`] form.
    fn survey(&self, bytes: &[u8], separator: u8) -> Survey {
        let mut walk = Records::from(bytes, separator, self.start, self.line);
        let (mut records, mut cells) = (Vec::new(), Vec::new());
        let mut found = Vec::new();
        while records.len() < SAMPLE_RECORDS {
            let Some(record) = walk.next_into(&mut found) else {
                break;
            };
            let cut = !self.whole && record.span.end == self.bytes.len();
            if cut && !records.is_empty() {
                break;
            }
            records.push(record);
            cells.push(found.clone());
        }
        let width = usual(records.iter().map(|record| record.cells));
        let has = |record: &&Record| record.cells == width;
        Survey {
            first: records.iter().position(|record| has(&record)).unwrap_or(0),
            agree: records.iter().filter(has).count(),
            records,
            cells,
            width,
        }
    }

    /// The separator that fits best; an error if the cells seem to be separated by spaces.
    fn separator(&self) -> Result<u8> {
        let masked = masked(self.bytes);
        let surveys = CANDIDATES.map(|separator| (separator, self.survey(&masked, separator)));
        let fits = surveys.iter().filter(|(_, survey)| {
            survey.width > 1 && survey.is_even() && self.titles(survey).is_some()
        });
        let rank = |(separator, survey): &&(u8, Survey)| {
            let titles = self.titles(survey).unwrap_or(0);
            (std::cmp::Reverse(titles), *separator != b',', survey.width)
        };
        // `max_by_key` returns the last of equal elements, so the order is reversed to get the first.
        if let Some((separator, _)) = fits.rev().max_by_key(rank) {
            return Ok(*separator);
        }
        if self.has_columns_of_spaces() {
            return Err(Error::Malformed {
                path: self.path.to_owned(),
                message: "the cells seem to be separated by spaces; \
                          if so, set `--separator space` (`separator = \"space\"` in a recipe)"
                    .to_owned(),
            });
        }
        let agree = |(_, survey): &&(u8, Survey)| match survey.width {
            0 | 1 => 0,
            _ => survey.agree,
        };
        let best = surveys.iter().rev().max_by_key(agree);
        Ok(best.filter(|one| agree(one) > 0).map_or(b',', |one| one.0))
    }

    /// True if runs of spaces split every record into the same number of cells, and the last record has a value such as a number.
    fn has_columns_of_spaces(&self) -> bool {
        let survey = self.survey(self.bytes, b' ');
        let numbers = survey.cells.last().into_iter().flatten();
        let numbers = numbers.filter(|cell| self.is_value(cell)).count();
        survey.width > 1
            && survey.records.len() > 1
            && survey.agree == survey.records.len()
            && numbers > 0
    }

    /// Finds the header of the text, with the given separator between cells. Returns the layout, or the error of
    /// [`unclear`](Self::unclear).
    fn header(&self, separator: u8, options: &ReadOptions) -> Result<Layout> {
        let survey = self.survey(self.bytes, separator);
        let at = |titles: usize| {
            let record = survey.records.get(titles);
            (
                record.map_or(self.start, |record| record.span.start),
                record.map_or(self.line, |record| record.line),
            )
        };
        let layout = |titles, notes| {
            let (start, line) = at(titles);
            Layout {
                separator,
                start,
                line,
                notes,
            }
        };
        if options.skip_lines > 0 {
            return Ok(layout(0, Vec::new()));
        }
        match self.titles(&survey) {
            Some(0) => Ok(layout(0, Vec::new())),
            Some(titles) => Ok(layout(titles, vec![self.note(&survey, at(titles).1)])),
            None => match self.unclear(&survey) {
                Some(error) => Err(error),
                None => Ok(layout(0, Vec::new())),
            },
        }
    }

    fn note(&self, survey: &Survey, line: usize) -> Warning {
        let first = survey.cells.first().and_then(|cells| cells.first());
        let shown = first.map_or_else(String::new, |cell| {
            crate::kind::shown(cell.text(self.bytes).trim())
        });
        Warning {
            check: "title_rows".to_owned(),
            action: Action::Warn,
            column: None,
            message: format!(
                "{}: the header is on line {line}; the lines above it, which begin with {shown}, were skipped",
                self.path.display()
            ),
            brief: String::new(),
        }
    }

    /// Number of records above the header; `None` if it is unclear which record is the header.
    fn titles(&self, survey: &Survey) -> Option<usize> {
        let (records, cells) = (&survey.records, &survey.cells);
        let widest = cells.iter().map(|cells| self.filled(cells)).max()?;
        let full =
            |at: &usize| records[*at].cells == survey.width && self.filled(&cells[*at]) == widest;
        let comment = |at: usize| self.bytes[records[at].span.clone()].starts_with(b"#");
        if survey.width < 2 || (full(&0) && !comment(0)) {
            return Some(0);
        }
        let among = 0..records.len().min(MOST_TITLES);
        let header = among.filter(full).find(|at| !comment(*at));
        match header.filter(|at| survey.is_even() && self.is_header(survey, *at)) {
            Some(at) => Some(at),
            // The first record may be a header that begins with `#`, or a header without its last name.
            None if full(&0) => Some(0),
            None if records[0].cells == survey.width && !self.is_title(&cells[0]) => Some(0),
            None => None,
        }
    }

    /// True if a record can be the header. Its cells must be different texts, none of them empty or a value such as a number (see `is_value`). At
    /// least one column below it must contain values, and only empty cells beside them.
    fn is_header(&self, survey: &Survey, at: usize) -> bool {
        let names = &survey.cells[at];
        let mut texts: Vec<_> = names.iter().map(|cell| cell.text(self.bytes)).collect();
        let named = texts.iter().all(|text| !text.trim().is_empty());
        texts.sort_unstable();
        texts.dedup();
        let below = &survey.cells[at + 1..];
        let column = |column: usize| {
            let mut values = below.iter().map(|cells| &cells[column]);
            let known = values.clone().any(|cell| self.is_value(cell));
            known && values.all(|cell| self.is_value(cell) || self.is_blank(cell))
        };
        named
            && texts.len() == names.len()
            && !names.iter().any(|cell| self.is_value(cell))
            && (0..names.len()).any(column)
    }

    /// True for a record that looks like a title: it has at least three cells, and at most one of them is not empty.
    fn is_title(&self, cells: &[Cell]) -> bool {
        let filled = cells.iter().filter(|cell| !self.is_blank(cell)).count();
        cells.len() > 2 && filled < 2
    }

    /// Called if no header was found. Returns an error if the first record has few cells, although nearly all records have the same, larger number of
    /// cells. Otherwise returns `None`; then the first record is taken as the header.
    fn unclear(&self, survey: &Survey) -> Option<Error> {
        let found = survey.cells.first()?;
        let filled = found.iter().filter(|cell| !self.is_blank(cell)).count();
        let few = 2 * found.len() <= survey.width || self.is_title(found);
        let below = survey.agree > 1 && survey.agree + MOST_TITLES > survey.records.len();
        let next = survey.first.max(1);
        (few && below && survey.records.len() > next).then(|| Error::NoHeader {
            path: self.path.to_owned(),
            line: survey.records[0].line,
            found: filled,
            expected: survey.width,
            skip: survey.records[next].line - 1,
        })
    }

    /// Number of cells up to and including the last cell that is not empty.
    fn filled(&self, cells: &[Cell]) -> usize {
        let last = cells.iter().rposition(|cell| !self.is_blank(cell));
        last.map_or(0, |last| last + 1)
    }

    fn is_blank(&self, cell: &Cell) -> bool {
        cell.text(self.bytes).trim().is_empty()
    }

    /// True if a cell looks like a number, an amount of money, a percentage or a date.
    fn is_value(&self, cell: &Cell) -> bool {
        let text = cell.text(self.bytes);
        let part = |c: char| c.is_ascii_digit() || " .,+-:/%$€£eETZ'".contains(c);
        let starts = |c: char| c.is_ascii_digit() || "+-.,$€£".contains(c);
        let text = text.trim();
        text.starts_with(starts)
            && text.contains(|c: char| c.is_ascii_digit())
            && text.chars().all(part)
    }
}

/// The text with `x` in place of all candidate separators inside quotation marks.
fn masked(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let (mut inside, mut cell_start) = (false, true);
    for byte in &mut out {
        let separates = CANDIDATES.contains(byte);
        match *byte {
            b'"' if inside || cell_start => inside = !inside,
            _ if inside && separates => *byte = b'x',
            _ => {}
        }
        // A quotation mark right after a closing one opens the quotes again, because a doubled mark stands for one.
        cell_start = separates || matches!(*byte, b'\n' | b'\r') || (*byte == b'"' && !inside);
    }
    out
}

/// The most frequent count; if several are equally frequent, the largest.
fn usual(counts: impl Iterator<Item = usize>) -> usize {
    let mut seen = std::collections::BTreeMap::<usize, usize>::new();
    for count in counts {
        *seen.entry(count).or_default() += 1;
    }
    let most = seen.iter().max_by_key(|(count, times)| (**times, **count));
    most.map_or(0, |(count, _)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (char, usize, usize) {
        let layout = find_in("t.csv", text, &ReadOptions::default()).unwrap();
        (
            char::from(layout.separator),
            layout.line,
            layout.notes.len(),
        )
    }

    fn find_in(name: &str, text: &str, options: &ReadOptions) -> Result<Layout> {
        let layout = find(Path::new(name), text.as_bytes(), true, options)?;
        assert_eq!(
            1 + text[..layout.start].lines().count(),
            layout.line,
            "{text:?}"
        );
        Ok(layout)
    }

    #[test]
    fn separator_occurs_equally_often_in_every_record() {
        for (text, separator) in [
            ("a,b\n1,2\n", ','),
            ("a;b\n1,5;2,5\n", ';'),
            ("\"Temp, C\";\"Price, EUR\"\n1.5;2\n", ';'),
            ("Temp, C;Price, EUR\n1,5;2,5\n", ';'),
            ("Temp, C;Price, EUR;x\n1,5;2,5;3,5\n", ';'),
            ("a,\"b;c\"\n1,\"2;3\"\n", ','),
            ("a,codes\n1,x;y\n2,x;y\n", ','),
            ("\"a;b\",c\n\"1;2\",3\n", ','),
            ("a\tb c\n1\t2\n", '\t'),
            ("a|b\n1|2\n", '|'),
            ("a\n1\n", ','),
            ("a b\nx y z\n", ','),
            ("name\n\"red, green\"\n", ','),
        ] {
            assert_eq!(found(text), (separator, 1, 0), "{text:?}");
        }
    }

    #[test]
    fn lines_above_the_header_are_found() {
        for (text, line) in [
            (
                "Report,,,\nmade,2024-01-01,,\nx1,x2,k,y\n1,2,a,3\n4,5,b,6\n",
                3,
            ),
            ("Report\n\nx1,x2,y\n1,2,3\n4,5,6\n", 3),
            (
                "# made by a logger, in May\n# second\na;b\n1,5;2\n2,5;3\n",
                3,
            ),
            ("# a, b\nx,y\n1,2\n", 2),
            ("sep=;\na;b\n1;2\n", 2),
            ("\"sep=,\"\na,b\n1,2\n", 2),
        ] {
            let (_, at, notes) = found(text);
            assert_eq!(at, line, "{text:?}");
            assert_eq!(notes, usize::from(!text.contains("sep=")), "{text:?}");
        }
    }

    #[test]
    fn first_line_that_is_the_header_is_not_skipped() {
        for text in [
            // An index without a name, a last column without a name, a leading `#`, a trailing separator.
            ",b\n0,x\n1,y\n",
            "a,b,\n1,2,3\n",
            "# a,b\n1,2\n",
            "a;b;\n1;2;\n",
            "a,b\nx,y\nz,\n",
            // The records differ in length, but the first line is not a title.
            "a,b\n1,2,3\n",
            "a,b\n1,2\n1,2,3\n1,2\n",
        ] {
            assert_eq!((found(text).1, found(text).2), (1, 0), "{text:?}");
        }
    }

    #[test]
    fn error_for_an_unclear_header_names_the_option() {
        for text in [
            "Report\nx,2023,2024,y\n1,2,3,4\n1,2,3,4\n",
            "Report,,,\nx,2023,2024,y\n1,2,3,4\n1,2,3,4\n",
            "Report\n1,2,3\n4,5,6\n",
        ] {
            let error = find_in("t.csv", text, &ReadOptions::default()).unwrap_err();
            assert!(error.to_string().contains("`--skip-lines 1`"), "{error}");
        }
        let options = ReadOptions {
            skip_lines: 1,
            ..ReadOptions::default()
        };
        let layout = find_in("t.csv", "Report\nx,2023\n1,2\n", &options).unwrap();
        assert_eq!((layout.line, layout.start), (2, 7));
    }

    #[test]
    fn skip_lines_rejects_more_lines_than_the_text_has() {
        let options = ReadOptions {
            skip_lines: 5,
            ..ReadOptions::default()
        };
        let error = find_in("t.csv", "a,b\n1,2\n", &options).unwrap_err();
        assert!(error.to_string().contains("is 5, but"), "{error}");
    }

    #[test]
    fn error_for_columns_of_spaces_names_the_option() {
        let error = find_in("t.csv", "x  y\n1  2\n10 3\n", &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains("--separator space"), "{error}");
        let options = ReadOptions {
            separator: "space".parse().ok(),
            ..ReadOptions::default()
        };
        let layout = find_in("t.csv", "x  y\n1  2\n10 3\n", &options).unwrap();
        assert_eq!((layout.separator, layout.line), (b' ', 1));
    }
}
