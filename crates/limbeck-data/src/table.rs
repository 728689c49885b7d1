//! Tables: named columns of equal length. They are read from CSV and Parquet files, and written to such files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{Field, Schema};

pub use crate::cells::{MISSING, MISSING_TIME, Values};
use crate::error::{quoted, row_in_words};
use crate::figures::counted;
use crate::kind::{BadCell, ColumnKind, Parsed, encode_levels};
use crate::numbers::Notation;
use crate::warning::{Action, Warning};
use crate::{Error, Result};

/// A table: named columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns, in the order of the file; all names are different.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
    /// The file that the table was read from, for messages; a name such as `table` if it was made in memory.
    pub source: String,
    /// Warnings from reading the file.
    pub notes: Vec<Warning>,
    /// How numbers and dates are written, by column name. A column without an entry has numbers and dates as programs write them.
    pub notations: BTreeMap<String, Notation>,
    /// True if cells are separated by semicolons. Then a comma that could be a thousands separator or a decimal mark is a decimal mark.
    pub prefers_comma: bool,
    /// Line of the first row in the file, from 1. `None` unless the table is one text file in which each row is one line.
    pub first_line: Option<usize>,
    /// Names of number columns that contain only whole numbers, such as positions and counts. They are written to files as integers.
    pub whole: Vec<String>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name of the column.
    pub name: String,
    /// Kind of the cells.
    pub kind: ColumnKind,
    /// The cells, one per row.
    pub values: Values,
}

/// Which columns to read, and their kinds.
pub(crate) enum Wanted<'a> {
    /// All columns; kinds are inferred, except for those named here.
    All(&'a BTreeMap<String, ColumnKind>),
    /// Only these columns, in this order; a column that does not exist is an error.
    These(&'a [(String, ColumnKind)]),
}

impl Wanted<'_> {
    /// The columns to read: the position of each in the file, from 0, and its requested kind. The kind is `None` if it is to be inferred.
    pub(crate) fn pick(
        &self,
        source: &str,
        names: &[String],
    ) -> Result<Vec<(usize, Option<ColumnKind>)>> {
        let find = |column: &String, wanted_by: &str| {
            let position = names.iter().position(|name| name == column);
            position.ok_or_else(|| Error::no_such_column(source, column, wanted_by, names.to_vec()))
        };
        match self {
            Self::All(types) => {
                types
                    .keys()
                    .try_for_each(|column| find(column, "option `types`").map(drop))?;
                Ok(names
                    .iter()
                    .enumerate()
                    .map(|(index, name)| (index, types.get(name).copied()))
                    .collect())
            }
            Self::These(schema) => schema
                .iter()
                .map(|(column, kind)| Ok((find(column, "the student or an option")?, Some(*kind))))
                .collect(),
        }
    }
}

impl Table {
    /// Makes a table in memory.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if two columns differ in length or share a name.
    pub fn new(columns: Vec<Column>) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        for (index, column) in columns.iter().enumerate() {
            if column.values.len() != rows {
                let (name, found) = (&column.name, counted(column.values.len(), "row"));
                let message =
                    format!("column `{name}` has {found}, but the first column has {rows}");
                return Err(Error::Shape { message });
            }
            if columns[..index]
                .iter()
                .any(|other| other.name == column.name)
            {
                return Err(Error::Shape {
                    message: format!(
                        "two columns are named `{}`; give each column its own name",
                        column.name
                    ),
                });
            }
        }
        Ok(Self {
            columns,
            rows,
            source: "table".to_owned(),
            ..Self::default()
        })
    }

    /// The column with this name; `None` if there is no such column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column with this name; an error if there is no such column.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchColumn`] if there is no such column; [`Error::Shape`] if the column is in the file, but could not be read. The messages say that
    /// `wanted_by` (such as an option) asked for the column.
    pub fn require(&self, name: &str, wanted_by: &str) -> Result<&Column> {
        self.column(name).ok_or_else(|| {
            let about = |note: &&Warning| note.column.as_deref() == Some(name);
            match self.notes.iter().find(about) {
                // The column is in the file, but could not be read.
                Some(note) => Error::Shape {
                    message: format!("{}, but {wanted_by} asks for it", note.message),
                },
                None => Error::no_such_column(&self.source, name, wanted_by, self.names()),
            }
        })
    }

    /// All column names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// Line of a row in the text file, from 1; `row` counts from 0. `None` if the line is not known (see [`first_line`](Self::first_line)).
    #[must_use]
    pub fn line_of(&self, row: usize) -> Option<usize> {
        self.first_line.map(|first| first + row)
    }

    /// A row as messages name it, counted from 1: `row 5 (line 6)`, or `row 5` if its line is not known. The argument `row` counts from 0.
    #[must_use]
    pub fn row_in_words(&self, row: usize) -> String {
        row_in_words(row + 1, self.line_of(row))
    }

    /// Names and kinds of all columns, in order: the schema for [`read_like`](Self::read_like).
    #[must_use]
    pub fn schema(&self) -> Vec<(String, ColumnKind)> {
        self.columns
            .iter()
            .map(|column| (column.name.clone(), column.kind))
            .collect()
    }

    /// Appends the rows of another table that has the same columns in the same order; category levels are merged.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if names or kinds differ.
    pub fn append(&mut self, other: Self) -> Result<()> {
        if self.schema() != other.schema() {
            let message = format!(
                "`{}` and `{}` have different columns, or columns of different kinds; expected the same names and kinds in the same order",
                self.source, other.source
            );
            return Err(Error::Shape { message });
        }
        for (column, added) in self.columns.iter_mut().zip(other.columns) {
            append_values(&mut column.values, added.values);
        }
        self.rows += other.rows;
        self.first_line = None;
        self.notes.extend(other.notes);
        Ok(())
    }

    /// Adds a column that was read from the file, how its numbers and dates are written, and the warnings about its cells (see [`notes_of`]).
    pub(crate) fn add(&mut self, name: &str, parsed: Parsed) {
        self.notes.extend(notes_of(&self.source, name, &parsed));
        if !parsed.notation.is_plain() {
            self.notations.insert(name.to_owned(), parsed.notation);
        }
        self.columns.push(Column {
            name: name.to_owned(),
            kind: parsed.kind,
            values: parsed.values,
        });
    }

    /// The table as an Arrow record batch.
    pub(crate) fn to_batch(&self) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = self.columns.iter().map(|one| self.array(one)).collect();
        let both = self.columns.iter().zip(&arrays);
        let field = |(column, array): (&Column, &ArrayRef)| {
            Field::new(&column.name, array.data_type().clone(), true)
        };
        let fields: Vec<Field> = both.map(field).collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(
            |error| Error::Shape {
                message: error.to_string(),
            },
        )
    }
}

impl Table {
    /// A column as an Arrow array. Its numbers are converted to integers if [`whole`](Self::whole) names the column.
    fn array(&self, column: &Column) -> ArrayRef {
        match &column.values {
            Values::Number(values) if self.whole.contains(&column.name) => {
                let known = |value: &f64| (!value.is_nan()).then_some(*value as i64);
                Arc::new(values.iter().map(known).collect::<Int64Array>())
            }
            _ => column.to_arrow(),
        }
    }
}

impl Column {
    /// Makes a number column.
    #[must_use]
    pub fn number(name: &str, values: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            kind: ColumnKind::Number,
            values: Values::Number(values),
        }
    }

    /// Makes a category column from the text of each row; `None` is missing.
    #[must_use]
    pub fn category<'a>(name: &str, texts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let (codes, levels) = encode_levels(0, texts.into_iter());
        Self {
            name: name.to_owned(),
            kind: ColumnKind::Category,
            values: Values::Category { codes, levels },
        }
    }

    fn to_arrow(&self) -> ArrayRef {
        let known = |value: &f64| Some(*value).filter(|value| !value.is_nan());
        match &self.values {
            Values::Number(values) if self.kind == ColumnKind::Boolean => Arc::new(
                values
                    .iter()
                    .map(|value| known(value).map(|value| value > 0.5))
                    .collect::<BooleanArray>(),
            ),
            Values::Number(values) => Arc::new(values.iter().map(known).collect::<Float64Array>()),
            Values::Category { codes, levels } => {
                let text = |code: &u32| levels.get(*code as usize).map(String::as_str);
                Arc::new(codes.iter().map(text).collect::<StringArray>())
            }
            Values::Time(values) => {
                let known = |value: &i64| Some(*value).filter(|value| *value != MISSING_TIME);
                Arc::new(
                    values
                        .iter()
                        .map(known)
                        .collect::<TimestampMicrosecondArray>(),
                )
            }
            Values::Text(values) => {
                Arc::new(values.iter().map(Option::as_deref).collect::<StringArray>())
            }
        }
    }
}

fn append_values(values: &mut Values, added: Values) {
    match (values, added) {
        (Values::Number(values), Values::Number(added)) => values.extend(added),
        (Values::Time(values), Values::Time(added)) => values.extend(added),
        (Values::Text(values), Values::Text(added)) => values.extend(added),
        (
            Values::Category { codes, levels },
            Values::Category {
                codes: added,
                levels: more,
            },
        ) => {
            if let Some(merged) = append_codes(codes, levels, &added, &more) {
                *levels = merged;
            }
        }
        _ => unreachable!("columns of the same kind have the same type of values"),
    }
}

/// Appends the category codes `added`, which refer to `added_levels`. If `added_levels` differ from `levels`, renumbers all codes and returns the
/// merged levels; else returns `None`.
pub(crate) fn append_codes(
    codes: &mut Vec<u32>,
    levels: &[String],
    added: &[u32],
    added_levels: &[String],
) -> Option<Vec<String>> {
    if levels == added_levels {
        codes.extend_from_slice(added);
        return None;
    }
    let merged: Vec<String> = levels
        .iter()
        .chain(added_levels)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect();
    for code in codes.iter_mut() {
        *code = recode(*code, levels, &merged);
    }
    codes.extend(
        added
            .iter()
            .map(|code| recode(*code, added_levels, &merged)),
    );
    Some(merged)
}

fn recode(code: u32, levels: &[String], merged: &[String]) -> u32 {
    let level = levels
        .get(code as usize)
        .and_then(|level| merged.binary_search(level).ok());
    level.map_or(MISSING, |position| position as u32)
}

/// Warnings about cells that were read as missing, and about numbers or dates that are not written as programs write them.
pub(crate) fn notes_of(source: &str, name: &str, parsed: &Parsed) -> Vec<Warning> {
    let note = |check: &str, message: String, brief: String| Warning {
        check: check.to_owned(),
        action: Action::Warn,
        column: Some(name.to_owned()),
        message: format!("{source}: column `{name}`: {message}"),
        brief,
    };
    let as_category = shell(&format!("{name}=category"));
    let mut notes = Vec::new();
    if !parsed.markers.is_empty() {
        let found = with_counts(&parsed.markers, 3);
        notes.push(note(
            "missing_marker",
            format!("read as missing: {found}"),
            found,
        ));
    }
    if !parsed.odd.is_empty() {
        let (cells, texts) = (cells(parsed.odd_cells), quoted(&parsed.odd, 3));
        let among = match parsed.kind {
            ColumnKind::Time => "dates",
            _ => "numbers",
        };
        let message = format!(
            "read as missing: {cells} of text among {among} ({texts}); `--type {as_category}` reads the column as categories"
        );
        let brief = format!("{cells} of text: {texts}");
        notes.push(note("missing_marker", message, brief));
    }
    if let Some((text, value)) = &parsed.written {
        let (what, how) = match parsed.kind {
            ColumnKind::Time => ("dates", ""),
            _ => ("numbers", ", `--decimal` sets the decimal mark"),
        };
        let message = format!(
            "text was read as {what}, for example `{text}` as {value}; `--type {as_category}` keeps the text{how}"
        );
        let brief = format!("`{text}` read as {value}");
        notes.push(note("number_text", message, brief));
    }
    notes
}

/// The `limit` most frequent texts, each with its number of cells, and how many other texts there are:
/// `` `?` in 12 cells, `NA` in 1 cell and 3 other texts ``.
fn with_counts(texts: &BTreeMap<String, usize>, limit: usize) -> String {
    let mut all: Vec<(&String, &usize)> = texts.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let shown = all
        .iter()
        .take(limit)
        .map(|(text, count)| format!("`{text}` in {}", cells(**count)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown} and {}", counted(more, "other text")),
    }
}

/// A number of cells for a message: `1 cell`, `2 cells`.
pub(crate) fn cells(count: usize) -> String {
    counted(count, "cell")
}

/// A word as it is written on a command line, in quotation marks if it needs them.
pub(crate) fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=%+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The error for a cell that does not have its column's kind.
pub(crate) fn cell_error(source: &str, column: &str, bad: BadCell, line: Option<usize>) -> Error {
    Error::Cell {
        source_name: source.to_owned(),
        row: bad.row + 1,
        line,
        column: column.to_owned(),
        found: bad.found,
        expected: bad.expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::ReadOptions;
    use std::fs;

    fn sample() -> Table {
        let mut columns = vec![
            Column::number("x", vec![1.0, f64::NAN, 0.1 + 0.2]),
            Column::category("c", [Some("b"), None, Some("a, \"quoted\"\nlines")]),
        ];
        columns.push(Column {
            name: "when".to_owned(),
            kind: ColumnKind::Time,
            values: Values::Time(vec![0, MISSING_TIME, 1_078_941_600_250_000]),
        });
        columns.push(Column {
            name: "on".to_owned(),
            kind: ColumnKind::Boolean,
            values: Values::Number(vec![1.0, f64::NAN, 0.0]),
        });
        Table::new(columns).unwrap()
    }

    /// Text of a table, for comparison. Tables with NaN cannot be compared directly, because NaN is not equal to itself.
    fn shown(table: &Table) -> String {
        format!("{:?}", table.columns)
    }

    #[test]
    fn csv_round_trips() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        sample().write_csv(&path).unwrap();
        let back = Table::read(&path, &ReadOptions::default()).unwrap();
        assert_eq!(
            shown(&back),
            shown(&sample()),
            "{}",
            fs::read_to_string(&path).unwrap()
        );
    }

    #[test]
    fn parquet_round_trips_and_is_canonical() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a.parquet"), folder.path().join("b"));
        sample().write_parquet(&first).unwrap();
        sample().write_parquet(&second).unwrap();
        // The second file has no extension; its format is recognized by the first bytes.
        let back = Table::read(&second, &ReadOptions::default()).unwrap();
        assert_eq!(shown(&back), shown(&sample()));
        assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
    }

    #[test]
    fn whole_columns_are_integers_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut table = Table::new(vec![
            Column::number("row", vec![0.0, f64::NAN, 7.0]),
            Column::number("y", vec![0.0, 1.0, 2.0]),
        ])
        .unwrap();
        table.whole = vec!["row".to_owned()];
        let batch = table.to_batch().unwrap();
        let types: Vec<_> = batch
            .columns()
            .iter()
            .map(|array| array.data_type().clone())
            .collect();
        assert_eq!(
            types,
            [
                arrow_schema::DataType::Int64,
                arrow_schema::DataType::Float64
            ]
        );
        table.write_csv(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "row,y\n0,0.0\n,1.0\n7,2.0\n"
        );
        table.write_parquet(&path).unwrap();
        let back = Table::read(&path, &ReadOptions::default()).unwrap();
        assert_eq!(shown(&back), shown(&table));
    }

    #[test]
    fn read_like_returns_the_named_columns_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        sample().write_csv(&path).unwrap();
        let schema = [
            ("c".to_owned(), ColumnKind::Category),
            ("x".to_owned(), ColumnKind::Number),
        ];
        let table = Table::read_like(&path, &schema, &ReadOptions::default()).unwrap();
        assert_eq!(table.schema(), schema);
        let missing = Table::read_like(
            &path,
            &[("xx".to_owned(), ColumnKind::Number)],
            &ReadOptions::default(),
        )
        .unwrap_err()
        .to_string();
        assert!(
            missing.contains("no column `xx`") && missing.contains("`when`"),
            "{missing}"
        );
    }

    #[test]
    fn append_merges_levels() {
        let mut table = Table::new(vec![Column::category("c", [Some("b"), Some("d")])]).unwrap();
        table
            .append(Table::new(vec![Column::category("c", [Some("c"), None, Some("b")])]).unwrap())
            .unwrap();
        let Values::Category { codes, levels } = &table.columns[0].values else {
            panic!("category")
        };
        assert_eq!(levels, &["b", "c", "d"]);
        assert_eq!(codes, &[0, 2, 1, MISSING, 0]);
        assert_eq!(table.rows, 5);
    }

    #[test]
    fn append_rejects_other_columns() {
        let mut table = Table::new(vec![Column::number("a", vec![1.0])]).unwrap();
        assert!(
            table
                .append(Table::new(vec![Column::number("b", vec![1.0])]).unwrap())
                .is_err()
        );
    }

    #[test]
    fn new_rejects_unequal_lengths_and_names() {
        let unequal = vec![Column::number("a", vec![1.0]), Column::number("b", vec![])];
        assert!(
            Table::new(unequal)
                .unwrap_err()
                .to_string()
                .contains("`b` has 0 rows")
        );
        let twice = vec![
            Column::number("a", vec![1.0]),
            Column::number("a", vec![1.0]),
        ];
        assert!(
            Table::new(twice)
                .unwrap_err()
                .to_string()
                .contains("two columns")
        );
    }

    #[test]
    fn unknown_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, b"\x01nothing\0,").unwrap();
        assert!(matches!(
            Table::read(&path, &ReadOptions::default()),
            Err(Error::UnknownFormat { .. })
        ));
        assert!(matches!(
            Table::read("/no/such.csv", &ReadOptions::default()),
            Err(Error::Read { .. })
        ));
    }
}
