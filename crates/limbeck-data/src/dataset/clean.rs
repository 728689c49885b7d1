//! Cleans columns: replaces numbers that mean *missing*, converts categories that are numbers, and makes number columns of dates. Only training and
//! validation rows decide what is done.

use std::collections::{BTreeMap, BTreeSet};

use limbeck_runtime::{DatePart, DateSource, MissingNumbers};

use crate::checks::{Check, Findings};
use crate::dates::{part_column, parts, source as date_source};
use crate::kind::{ColumnKind, infer_by_rows};
use crate::numbers::{Notation, Rules};
use crate::sentinels::Apart;
use crate::split::Split;
use crate::table::{Column, Values, cells, notes_of, shell};
use crate::warning::{Action, Finding};
use crate::{Error, Result};

/// Replaces numbers that mean *missing* with NaN. Returns the columns, and for each column name the numbers that mean *missing* in it.
///
/// Sentinels and spikes are found on the rows `learn`. The numbers `named` by the user mean *missing* in every column.
pub(super) fn clean_features(
    source: &str,
    mut columns: Vec<Column>,
    learn: &[usize],
    named: &[f64],
    findings: &mut Findings<'_>,
) -> Result<(Vec<Column>, BTreeMap<String, MissingNumbers>)> {
    let mut all = BTreeMap::new();
    for column in &mut columns {
        let (ColumnKind::Number, Values::Number(values)) = (column.kind, &mut column.values) else {
            continue;
        };
        let is_named = |value: &f64| named.contains(value);
        let known = learn.iter().map(|&row| values[row]);
        let apart = Apart::of(known.filter(|value| !is_named(value)));
        let mut missing = MissingNumbers::default();
        if !apart.is_empty() {
            let message = format!(
                "{source}: column `{}`: {}",
                column.name,
                beside_body(&apart)
            );
            let brief = apart.words();
            if drops(findings, &column.name, Finding { message, brief })? {
                missing = apart.missing();
            }
        }
        missing.values.extend(named);
        if !missing.is_empty() {
            values
                .iter_mut()
                .for_each(|value| *value = missing.read(*value));
            all.insert(column.name.clone(), missing);
        }
    }
    Ok((columns, all))
}

/// Removes from the split the rows whose target is a number that means *missing*. Returns these numbers: those `named` by the user, and those found
/// by the check `sentinel` if its action is `drop`.
pub(super) fn clean_target(
    source: &str,
    name: &str,
    target: &[f64],
    split: &mut Split,
    named: &[f64],
    findings: &mut Findings<'_>,
) -> Result<MissingNumbers> {
    let learn = split.train_valid();
    let missing = missing_in_target(source, name, (target, &learn), named, findings)?;
    let parts = [
        ("training", &mut split.train),
        ("validation", &mut split.valid),
        ("test", &mut split.test),
    ];
    for (part, rows) in parts {
        let had_rows = !rows.is_empty();
        rows.retain(|&row| !missing.holds(target[row]));
        if had_rows && rows.is_empty() {
            let numbers: Vec<String> = missing.values.iter().map(f64::to_string).collect();
            let message = format!(
                "{source}: in all {part} rows, target `{name}` is a number that means missing ({}); correct the cells or the split. If `--missing` names the number, remove it there; if the check `sentinel` found it, keep such rows with `--check sentinel=warn`",
                numbers.join(", ")
            );
            return Err(Error::Split { message });
        }
    }
    Ok(missing)
}

/// The numbers that mean *missing* in a target: those `named` by the user, and those that the check `sentinel` finds in the given rows if its action is
/// `drop`.
pub(super) fn missing_in_target(
    source: &str,
    name: &str,
    (target, rows): (&[f64], &[usize]),
    named: &[f64],
    findings: &mut Findings<'_>,
) -> Result<MissingNumbers> {
    let known = rows.iter().map(|&row| target[row]);
    let apart = Apart::of(known.filter(|value| !named.contains(value)));
    let mut missing = MissingNumbers {
        values: named.to_vec(),
        ..MissingNumbers::default()
    };
    if !apart.sentinels.is_empty() {
        let only = Apart {
            below: None,
            above: None,
            ..apart
        };
        let message = format!("{source}: target `{name}`: {}", beside_body(&only));
        let action = findings.action(Check::Sentinel);
        let outcome = match action {
            Action::Drop => {
                "; rows with these numbers are left out (`--check sentinel=warn` keeps them)"
            }
            Action::Warn => "; kept as requested",
            Action::Refuse => {
                "; correct the cells, or leave out their rows with `--check sentinel=drop`, or keep the rows with `--check sentinel=warn`"
            }
        };
        let message = message + outcome;
        let brief = format!("target: {}", only.words());
        findings.act(
            Check::Sentinel,
            action,
            Some(name),
            Finding { message, brief },
        )?;
        if action == Action::Drop {
            missing
                .values
                .extend(only.sentinels.iter().map(|(value, _)| *value));
        }
    }
    Ok(missing)
}

/// Replaces each date column with number columns for its parts, such as month and hour, if the action of the check `datetime` is `warn`. Returns all
/// columns. Also returns, by name of each new column, its date column and which part of the date it is.
///
/// `by_time` is true if the rows are split by time. `is_random` is true if they are split at random; then the message says how to split by time.
pub(super) fn with_dates(
    source: &str,
    columns: Vec<Column>,
    learn: &[usize],
    (by_time, is_random): (bool, bool),
    findings: &mut Findings<'_>,
) -> Result<(Vec<Column>, BTreeMap<String, DateSource>)> {
    let mut dates = BTreeMap::new();
    if findings.action(Check::Datetime) != Action::Warn {
        return Ok((columns, dates));
    }
    let names: BTreeSet<String> = columns.iter().map(|column| column.name.clone()).collect();
    let mut all = Vec::with_capacity(columns.len());
    for column in columns {
        let Values::Time(times) = &column.values else {
            all.push(column);
            continue;
        };
        let name = &column.name;
        let found = parts(times, learn, by_time);
        if found.is_empty() {
            let message = format!(
                "{source}: column `{name}` has at most one date in the training and validation rows; dropped"
            );
            findings.act(Check::Constant, Action::Drop, Some(name), message)?;
            continue;
        }
        let part_names: Vec<&str> = found.iter().map(|part| part.name()).collect();
        let left_out = match by_time {
            true => left_out(times, learn, &found),
            false => String::new(),
        };
        let described = found
            .iter()
            .map(|part| format!("{} ({})", part.name(), part.meaning()));
        let described: Vec<String> = described.collect();
        let brief = part_names.join(", ");
        let advice = match is_random {
            true => format!(
                "; rows are split at random, so test rows lie between training rows in time: if the model must predict later rows, use `--time {}`",
                shell(name)
            ),
            false => String::new(),
        };
        let message = format!(
            "{source}: column `{name}` is a date; its parts are features: {}{left_out} (`--drop {}` leaves the column out){advice}",
            described.join(", "),
            shell(name)
        );
        findings.found(Check::Datetime, Some(name), Finding { message, brief })?;
        for part in found {
            let part_column = part_column(name, times, part);
            if names.contains(&part_column.name) {
                let message = format!(
                    "{source}: column `{name}` is a date, and its part `{}` has the name of another column; rename one of the two, or leave one out: `--drop {}` or `--drop {}`",
                    part_column.name,
                    shell(name),
                    shell(&part_column.name)
                );
                return Err(Error::Shape { message });
            }
            dates.insert(part_column.name.clone(), date_source(name, part));
            all.push(part_column);
        }
    }
    Ok((all, dates))
}

/// The end of a message: the parts of a date column that are not features because rows are split by time. Empty if there are none. `found` are the
/// parts that are features.
fn left_out(times: &[i64], learn: &[usize], found: &[DatePart]) -> String {
    let mut others = parts(times, learn, false);
    others.retain(|part| !found.contains(part));
    let names: Vec<&str> = others.iter().map(|part| part.name()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(
            "; without {}, since in a split by time the test rows are later and would lie outside the training range",
            names.join(", ")
        ),
    }
}

/// Converts a category column to numbers, booleans or dates, if its cells in the rows `learn` are numbers, booleans or dates. Other texts in test
/// rows become missing, so that test rows do not decide on the kind. Returns how the cells are written; `None` if the column is not converted.
pub(super) fn read_by_rows(
    source: &str,
    column: &mut Column,
    learn: &[usize],
    rules: &Rules<'_>,
    findings: &mut Findings<'_>,
) -> Result<Option<Notation>> {
    let (ColumnKind::Category, Values::Category { codes, levels }) = (column.kind, &column.values)
    else {
        return Ok(None);
    };
    let learned: BTreeSet<u32> = learn.iter().map(|&row| codes[row]).collect();
    let has_others = (0..levels.len() as u32).any(|code| !learned.contains(&code));
    if !has_others {
        return Ok(None);
    }
    let Some(parsed) = infer_by_rows(codes, levels, learn, rules) else {
        return Ok(None);
    };
    let is_lost = |row: &usize| !column.values.is_missing(*row) && parsed.values.is_missing(*row);
    let in_test: BTreeSet<usize> = (0..codes.len()).filter(is_lost).collect();
    let lost = in_test.len() - learn.iter().filter(|row| in_test.contains(row)).count();
    if lost > 0 {
        let message = format!(
            "{source}: column `{}` is of kind {} in training and validation rows; {} with other text in test rows {} read as missing; `--type {}` reads the column as categories",
            column.name,
            parsed.kind,
            cells(lost),
            if lost == 1 { "is" } else { "are" },
            shell(&format!("{}=category", column.name))
        );
        let brief = format!("{} of other text in test rows", cells(lost));
        findings.found(
            Check::MissingMarker,
            Some(&column.name),
            Finding { message, brief },
        )?;
    }
    findings.notes(&notes_of(source, &column.name, &parsed))?;
    (column.kind, column.values) = (parsed.kind, parsed.values);
    Ok(Some(parsed.notation))
}

fn beside_body(apart: &Apart) -> String {
    let (low, high) = apart.body;
    format!(
        "{} in training and validation rows, while all other values lie between {low} and {high}",
        apart.words()
    )
}

/// Records a finding of the check `sentinel` for a feature. Returns true if the numbers that were found are read as missing.
fn drops(findings: &mut Findings<'_>, column: &str, found: Finding) -> Result<bool> {
    let keep = format!("`--keep {}`", shell(column));
    let kept = findings.is_kept(column);
    let action = if kept {
        Action::Warn
    } else {
        findings.action(Check::Sentinel)
    };
    let outcome = match action {
        Action::Drop => format!("; taken as missing ({keep} keeps them as numbers)"),
        Action::Warn => "; kept as numbers, as requested".to_owned(),
        Action::Refuse => format!(
            "; correct the cells, or keep them as numbers with {keep}, or take them as missing with `--check sentinel=drop`"
        ),
    };
    let message = found.message + &outcome;
    let found = Finding { message, ..found };
    Ok(findings.act(Check::Sentinel, action, Some(column), found)? == Action::Drop)
}
