//! Reads the columns of a table according to their role, which is what a column is used for: target, weight, group, time, part of the split,
//! prediction of a teacher, or feature.

use std::collections::BTreeSet;

use super::options::DataOptions;
use super::summary::{Period, Periods};
use crate::checks::{Check, Findings};
use crate::dates::minute;
use crate::error::row_in_words;
use crate::figures::counted;
use crate::given::GivenTeacher;
use crate::kind::{infinite_cell, number, shown};
use crate::ranges::Range;
use crate::split::{Split, SplitPart, parts_from_file};
use crate::table::{Column, Table, Values};
use crate::warning::{Action, Finding};
use crate::{Error, Result};

/// The table, with the rows of the test table appended if there is one.
pub(super) struct Source {
    pub(super) table: Table,
    first_rows: usize,
    test_source: Option<String>,
    /// [`Table::first_line`] of the table and of the test table.
    first_lines: [Option<usize>; 2],
}

/// Where a row is in the user's files, for messages.
pub(super) struct Place {
    /// The file.
    pub(super) source: String,
    /// Data row, from 1.
    pub(super) row: usize,
    /// Line of the file, from 1; `None` if it is not known, as in a Parquet file.
    pub(super) line: Option<usize>,
}

impl Source {
    /// Appends the test table, and removes the columns that the option `drop` names. A column stays if another option gives it a role, such as group
    /// or weight.
    pub(super) fn join(
        mut table: Table,
        options: &DataOptions,
        test: Option<Table>,
    ) -> Result<Self> {
        let single = options.single_columns().into_iter();
        let series = options.series.iter().map(String::as_str);
        let named: BTreeSet<&str> = single.map(|(_, column)| column).chain(series).collect();
        // A column that `drop` names may still be the group, the time or the weight.
        let stays = |column: &str| named.contains(column) || !options.is_dropped(column);
        table.columns.retain(|column| stays(&column.name));
        table
            .notes
            .retain(|note| note.column.as_deref().is_none_or(stays));
        let first_rows = table.rows;
        let first_lines = [
            table.first_line,
            test.as_ref().and_then(|test| test.first_line),
        ];
        let test_source = test.as_ref().map(|test| test.source.clone());
        if let Some(test) = test {
            let aligned = align(test, &table)?;
            table.append(aligned)?;
        }
        Ok(Self {
            table,
            first_rows,
            test_source,
            first_lines,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.table.source
    }

    /// File and place of a row of the joined table; `row` counts from 0.
    pub(super) fn place(&self, row: usize) -> Place {
        let (source, row, first_line) = match &self.test_source {
            Some(test) if row >= self.first_rows => {
                (test.clone(), row - self.first_rows, self.first_lines[1])
            }
            _ => (self.name().to_owned(), row, self.first_lines[0]),
        };
        Place {
            source,
            row: row + 1,
            line: first_line.map(|first| first + row),
        }
    }

    pub(super) fn cell(&self, column: &str, row: usize, found: String, expected: &str) -> Error {
        let place = self.place(row);
        let (column, expected) = (column.to_owned(), expected.to_owned());
        Error::Cell {
            source_name: place.source,
            row: place.row,
            line: place.line,
            column,
            found,
            expected,
        }
    }

    pub(super) fn has_split(&self, options: &DataOptions) -> bool {
        self.test_source.is_some() || options.split_file.is_some() || options.split_column.is_some()
    }

    /// For each row, whether it is a training, validation, test or dropped row, by the split file, split column or test table. Without these, all
    /// rows are training rows.
    pub(super) fn given_parts(&self, options: &DataOptions) -> Result<Vec<SplitPart>> {
        if let Some(spec) = &options.split_file {
            return parts_from_file(spec, self.table.rows);
        }
        if let Some(name) = &options.split_column {
            return self.parts_from_column(name);
        }
        let part = |row| {
            if row < self.first_rows {
                SplitPart::Train
            } else {
                SplitPart::Test
            }
        };
        Ok((0..self.table.rows).map(part).collect())
    }

    pub(super) fn parts_from_column(&self, name: &str) -> Result<Vec<SplitPart>> {
        const EXPECTED: &str = "train, valid, test or drop";
        let column = self.table.require(name, "option `split_column`")?;
        let Values::Category { codes, levels } = &column.values else {
            let message = format!(
                "column `{name}` is of kind {}, expected one of the texts {EXPECTED} in each row",
                column.kind
            );
            return Err(Error::option("split_column", message));
        };
        let part = |(row, code): (usize, &u32)| {
            let level = levels.get(*code as usize).map_or("", String::as_str);
            match level.to_ascii_lowercase().as_str() {
                "train" => Ok(SplitPart::Train),
                "valid" | "val" | "validation" => Ok(SplitPart::Valid),
                "test" => Ok(SplitPart::Test),
                "drop" => Ok(SplitPart::Dropped),
                _ => Err(self.cell(name, row, shown(level), EXPECTED)),
            }
        };
        codes.iter().enumerate().map(part).collect()
    }

    /// Checks for infinite numbers in the target and in columns that may be features. Makes them missing; with the action `drop`, also drops their
    /// rows.
    pub(super) fn check_infinite(
        &mut self,
        options: &DataOptions,
        parts: &mut [SplitPart],
        findings: &mut Findings<'_>,
    ) -> Result<()> {
        for index in 0..self.table.columns.len() {
            let Some(bad) = infinite_cell(&self.table.columns[index].values) else {
                continue;
            };
            let name = self.table.columns[index].name.clone();
            let is_role = options
                .single_columns()
                .iter()
                .any(|(option, column)| *option != "target" && *column == name);
            if is_role && !options.keep.contains(&name) {
                continue; // This is reported when the role is read.
            }
            let place = self.place(bad.row);
            let place = format!(
                "{}: {}, column `{name}`: found {}, expected {}",
                place.source,
                row_in_words(place.row, place.line),
                bad.found,
                bad.expected
            );
            let action = findings.action(Check::Infinite);
            let Values::Number(values) = &mut self.table.columns[index].values else {
                continue;
            };
            let infinite: Vec<usize> = (0..values.len())
                .filter(|row| values[*row].is_infinite())
                .collect();
            let outcome = match action {
                Action::Refuse => "; correct the cell, or leave out such rows with `--check infinite=drop`, or take such cells as missing with `--check infinite=warn`".to_owned(),
                Action::Drop => format!(
                    "; dropped: {} with such a number",
                    counted(infinite.len(), "row")
                ),
                Action::Warn => format!(
                    "; taken as missing: {} with such a number",
                    counted(infinite.len(), "cell")
                ),
            };
            let brief = match action {
                Action::Drop => format!("{} dropped", counted(infinite.len(), "row")),
                _ => format!("{} taken as missing", counted(infinite.len(), "cell")),
            };
            let message = place + &outcome;
            findings.act(
                Check::Infinite,
                action,
                Some(&name),
                Finding { message, brief },
            )?;
            for row in infinite {
                values[row] = f64::NAN;
                if action == Action::Drop {
                    parts[row] = SplitPart::Dropped;
                }
            }
        }
        Ok(())
    }

    /// Target values of all rows; NaN marks a missing value.
    pub(super) fn target(&self, name: &str) -> Result<Vec<f64>> {
        let column = self.table.require(name, "option `target`")?;
        if let Values::Number(values) = &column.values {
            return Ok(values.clone());
        }
        let expected = "a number, because this column is the target; empty the cell if the value is missing (`--missing TEXT` names a text that means missing)";
        let row = (0..self.table.rows)
            .find(|row| !is_number(&column.values, *row))
            .unwrap_or(0);
        Err(self.cell(name, row, found_text(column, row), expected))
    }

    /// Rows that have a value of the target and are training, validation or test rows.
    pub(super) fn usable_rows(
        &self,
        name: &str,
        target: &[f64],
        parts: &[SplitPart],
        findings: &mut Findings<'_>,
    ) -> Result<Vec<usize>> {
        let in_part: Vec<usize> = (0..parts.len())
            .filter(|row| parts[*row] != SplitPart::Dropped)
            .collect();
        let usable: Vec<usize> = in_part
            .iter()
            .copied()
            .filter(|row| !target[*row].is_nan())
            .collect();
        let missing = in_part.len() - usable.len();
        if let Some(first) = in_part.iter().find(|row| target[**row].is_nan()) {
            let place = self.place(*first);
            let mut message = format!(
                "{}: column `{name}`: {missing} of {} no target, the first is {}",
                place.source,
                match in_part.len() {
                    1 => "1 row has".to_owned(),
                    rows => format!("{rows} rows have"),
                },
                row_in_words(place.row, place.line)
            );
            message.push_str(match findings.action(Check::MissingTarget) {
                Action::Refuse => "; fill in the values, or leave out these rows with `--check missing_target=drop`",
                Action::Drop | Action::Warn => "; these rows were left out",
            });
            let brief = counted(missing, "row");
            findings.found(Check::MissingTarget, Some(name), Finding { message, brief })?;
        }
        if usable.is_empty() {
            let message = format!(
                "{}: no row that is used has a value of the target `{name}`; fill in its values, or name another target",
                self.name()
            );
            return Err(Error::Split { message });
        }
        Ok(usable)
    }

    pub(super) fn check_log_target(
        &self,
        name: &str,
        rows: &[usize],
        target: &[f64],
    ) -> Result<()> {
        match target.iter().position(|value| *value <= 0.0) {
            Some(index) => {
                let expected = "a target above 0, since its logarithm is learned; leave out `log_target`, or remove this target from `log_targets`";
                Err(self.cell(name, rows[index], target[index].to_string(), expected))
            }
            None => Ok(()),
        }
    }

    /// Reads the cells of the number column that `option` names, in the given rows. A cell for which `fits` is false is an error; `expected`
    /// describes the valid cells for the message.
    pub(super) fn role_numbers(
        &self,
        option: &str,
        name: &str,
        rows: &[usize],
        expected: &str,
        fits: impl Fn(f64) -> bool,
    ) -> Result<Vec<f64>> {
        let column = self.table.require(name, &format!("option `{option}`"))?;
        let expected = format!("{expected}, as option `{option}` requires");
        let value = |row: &usize| match &column.values {
            Values::Number(values) if fits(values[*row]) => Ok(values[*row]),
            _ => Err(self.cell(name, *row, found_text(column, *row), &expected)),
        };
        rows.iter().map(value).collect()
    }

    pub(super) fn weights(&self, options: &DataOptions, rows: &[usize]) -> Result<Vec<f64>> {
        match &options.weight {
            None => Ok(vec![1.0; rows.len()]),
            Some(name) => self.role_numbers(
                "weight",
                name,
                rows,
                "a finite weight of 0 or more",
                |weight| weight.is_finite() && weight >= 0.0,
            ),
        }
    }

    pub(super) fn given_teacher(
        &self,
        options: &DataOptions,
        rows: &[usize],
    ) -> Result<Option<GivenTeacher>> {
        let Some(name) = &options.teacher_column else {
            return Ok(None);
        };
        let prediction = self.role_numbers(
            "teacher_column",
            name,
            rows,
            "a finite prediction",
            f64::is_finite,
        )?;
        let std = options.teacher_std.as_ref().map(|name| {
            let fits = |std: f64| std.is_finite() && std > 0.0;
            self.role_numbers(
                "teacher_std",
                name,
                rows,
                "a finite standard deviation above 0",
                fits,
            )
        });
        let fold = options.teacher_fold.as_ref().map(|name| {
            let fits =
                |fold: f64| fold.is_nan() || (fold.fract() == 0.0 && (0.0..=1e6).contains(&fold));
            let folds = self.role_numbers(
                "teacher_fold",
                name,
                rows,
                "a fold number from 0, or an empty cell",
                fits,
            )?;
            let fold = |fold: &f64| {
                if fold.is_nan() {
                    crate::split::NO_FOLD
                } else {
                    *fold as u32
                }
            };
            Ok::<_, Error>(folds.iter().map(fold).collect())
        });
        Ok(Some(GivenTeacher {
            prediction,
            std: std.transpose()?,
            fold: fold.transpose()?,
        }))
    }

    /// Group of each row, numbered from 0; all rows with an empty cell form one group.
    pub(super) fn groups(&self, name: &str, rows: &[usize]) -> Result<Vec<u32>> {
        let column = self.table.require(name, "option `group`")?;
        Ok(match &column.values {
            Values::Number(values) => dense(rows.iter().map(|row| values[*row].to_bits())),
            Values::Category { codes, .. } => dense(rows.iter().map(|row| codes[*row])),
            Values::Time(values) => dense(rows.iter().map(|row| values[*row])),
            Values::Text(values) => dense(rows.iter().map(|row| values[*row].as_deref())),
        })
    }

    /// Time of each row as a whole number. For a time column, microseconds since 1970; for a number column, the position of its number among the
    /// different numbers in ascending order, from 0.
    pub(super) fn times(&self, name: &str, rows: &[usize]) -> Result<Vec<i64>> {
        const EXPECTED: &str =
            "a date, a time or a number to order the rows by, as option `time` requires";
        let column = self.table.require(name, "option `time`")?;
        if let Some(row) = rows.iter().find(|row| column.values.is_missing(**row)) {
            return Err(self.cell(name, *row, "an empty cell".to_owned(), EXPECTED));
        }
        match &column.values {
            Values::Time(values) => Ok(rows.iter().map(|row| values[*row]).collect()),
            Values::Number(values) => Ok(order(
                &rows.iter().map(|row| values[*row]).collect::<Vec<f64>>(),
            )),
            Values::Category { .. } | Values::Text(_) => {
                let row = rows.first().copied().unwrap_or(0);
                Err(self.cell(name, row, found_text(column, row), EXPECTED))
            }
        }
    }

    /// Earliest and latest time of the training, the validation and the test rows, from the column `name`. The row numbers in `split` are positions
    /// in `rows`. The numbers in `rows` are positions in the table.
    pub(super) fn periods(&self, name: &str, rows: &[usize], split: &Split) -> Result<Periods> {
        let column = self.table.require(name, "option `time`")?;
        let period = |part: &[usize]| period(&column.values, part.iter().map(|&row| rows[row]));
        Ok(Periods {
            column: name.to_owned(),
            is_feature: false,
            train: period(&split.train),
            valid: period(&split.valid),
            test: period(&split.test),
        })
    }

    /// The target columns, and the columns that may be features.
    pub(super) fn row_columns(&self, options: &DataOptions, targets: &[String]) -> Vec<&Column> {
        let is_one = |column: &&Column| {
            targets.contains(&column.name) || is_feature(column, options, targets)
        };
        self.table.columns.iter().filter(is_one).collect()
    }

    /// The columns that may be features, with the given rows only.
    pub(super) fn feature_columns(
        self,
        options: &DataOptions,
        targets: &[String],
        rows: &[usize],
    ) -> Vec<Column> {
        let fits = |column: &Column| is_feature(column, options, targets);
        let columns = self.table.columns.into_iter().filter(fits);
        columns
            .map(|column| Column {
                values: column.values.select(rows),
                ..column
            })
            .collect()
    }
}

/// Earliest and latest time of some rows, as text. Dates have no time of day if all are at midnight. Times that are numbers are written as numbers.
pub(super) fn period(values: &Values, rows: impl Iterator<Item = usize>) -> Period {
    let ends = |(first, last): (String, String)| Period { first, last };
    let found = match values {
        Values::Time(times) => {
            let times: Vec<i64> = rows.map(|row| times[row]).collect();
            let day = |time: &i64| time.rem_euclid(86_400_000_000) == 0;
            let length = if times.iter().all(day) { 10 } else { 16 };
            let text = |time: &i64| minute(*time).chars().take(length).collect();
            times
                .iter()
                .min()
                .map(text)
                .zip(times.iter().max().map(text))
        }
        Values::Number(times) => {
            let range = Range::of(rows.map(|row| times[row]));
            range.map(|range| (range.low.to_string(), range.high.to_string()))
        }
        Values::Category { .. } | Values::Text(_) => None,
    };
    found.map(ends).unwrap_or_default()
}

/// True for a column that may be a feature, or that has statistics which are: `keep` names it, or it has no other role and is not dropped.
fn is_feature(column: &Column, options: &DataOptions, targets: &[String]) -> bool {
    let has_role = || {
        // `targets` says whether a target is a feature: the present value of one is, if a later value is predicted.
        let roles = options.single_columns().into_iter();
        let mut roles = roles.filter(|(option, _)| *option != "target");
        roles.any(|(_, role)| role == column.name) || options.series.contains(&column.name)
    };
    options.keep.contains(&column.name)
        || !(targets.contains(&column.name) || options.is_dropped(&column.name) || has_role())
}

/// The test table with only the columns of `table`, in the same order.
fn align(test: Table, table: &Table) -> Result<Table> {
    let columns = table.columns.iter().map(|column| {
        let found = test.require(&column.name, "the training table")?;
        if found.kind != column.kind {
            let (name, source) = (&column.name, &test.source);
            let message = format!(
                "{source}: column `{name}` is of kind {}, but of kind {} in the training table; give it the same kind in both",
                found.kind, column.kind
            );
            return Err(Error::Shape { message });
        }
        Ok(found.clone())
    });
    Ok(Table {
        columns: columns.collect::<Result<_>>()?,
        rows: test.rows,
        source: test.source.clone(),
        notes: test.notes.clone(),
        ..Table::default()
    })
}

/// True if a cell is missing or can be read as a number.
fn is_number(values: &Values, row: usize) -> bool {
    match values {
        Values::Category { codes, levels } => levels
            .get(codes[row] as usize)
            .is_none_or(|level| number(level).is_some()),
        Values::Text(values) => values[row]
            .as_deref()
            .is_none_or(|text| number(text).is_some()),
        Values::Number(_) => true,
        Values::Time(_) => values.is_missing(row),
    }
}

/// The text of a cell, for a message.
fn found_text(column: &Column, row: usize) -> String {
    if column.values.is_missing(row) {
        return "an empty cell".to_owned();
    }
    match &column.values {
        Values::Number(values) => values[row].to_string(),
        Values::Category { codes, levels } => levels
            .get(codes[row] as usize)
            .map_or_else(String::new, |level| shown(level)),
        Values::Time(_) => "a date or time".to_owned(),
        Values::Text(values) => shown(values[row].as_deref().unwrap_or_default()),
    }
}

/// Replaces each key by its position among the different keys in ascending order, from 0.
fn dense<T: Ord + Copy>(keys: impl Iterator<Item = T>) -> Vec<u32> {
    let keys: Vec<T> = keys.collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    sorted.dedup();
    keys.iter()
        .map(|key| sorted.partition_point(|other| other < key) as u32)
        .collect()
}

/// Position of each number among the different numbers in ascending order, from 0.
fn order(values: &[f64]) -> Vec<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    values
        .iter()
        .map(|value| sorted.partition_point(|other| other < value) as i64)
        .collect()
}
