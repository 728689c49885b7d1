//! `limbeck inspect`: shows the contents of a table, a run or a student.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use limbeck::report::prediction_intervals::level_name;
use limbeck::{Report, Run};
use limbeck_data::figures::range;
use limbeck_data::{Column, ColumnKind, Dataset, Table, Values, dates};
use limbeck_distill::proof::short;
use limbeck_distill::student::StudentKind;
use limbeck_runtime::{Encoding, Memory, Node, Op, Output, Scaling, Student, Widths};

use crate::error::{Error, Result};
use crate::flags::{Flags, Inspecting};
use crate::output::{Style, print};
use crate::preview;
use crate::render::{self, Grid, counted, grouped, said};
use crate::source::load;

/// Show the contents of a table, a run or a student
///
/// With --target, also shows what `distill` with this target and these options would find in a table: the rows of each part of the split, the
/// features, the warnings, and what the checks refuse.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    #[command(flatten)]
    flags: Flags<Inspecting>,
}

impl Inspect {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let style = Style::stdout();
        let recipe = self.flags.unchecked()?;
        let path = &recipe.table;
        if path.as_os_str().is_empty() {
            return Err(Error::Message(
                "nothing to inspect; name a table, a run directory or a .limbeck file".into(),
            ));
        }
        let is_run = limbeck::run::is_run(path);
        let is_student = path.extension().is_some_and(|end| end == "limbeck");
        let text = if is_run {
            self.refuse_options(path, "a run")?;
            let runs = limbeck::open_each(path)?;
            let shown: Vec<String> = runs.iter().map(|one| run(one, style)).collect();
            shown.join("\n")
        } else if is_student {
            self.refuse_options(path, "a student")?;
            student(path, &load(path)?, style)?
        } else {
            let (read, test) = Dataset::tables(path, &recipe.data)?;
            let shown = table(&read, style);
            match recipe.data.target.is_empty() {
                true => shown + &said(&read.notes, style),
                false => shown + &preview::preview(&read, test.as_ref(), &recipe, style)?,
            }
        };
        print(&text)
    }

    /// Refuses flags that are for tables, if `path` is a run or a student. `what` names it: `a run`.
    fn refuse_options(&self, path: &Path, what: &str) -> Result<()> {
        match &self.flags.beside_table()[..] {
            [] => Ok(()),
            flags => Err(Error::path(
                path,
                format!(
                    "{} can be used only with a table, but this is {what}",
                    flags.join(", ")
                ),
            )),
        }
    }
}

fn table(table: &Table, style: Style) -> String {
    let mut text = format!(
        "{}: {}, {}\n\n",
        table.source,
        counted(table.rows, "row"),
        counted(table.columns.len(), "column")
    );
    let mut grid = Grid::new(&["column", "kind", "missing", "values"], "llrl");
    for column in &table.columns {
        let missing = (0..table.rows)
            .filter(|&row| column.values.is_missing(row))
            .count();
        let share = if missing == 0 {
            "–".to_owned()
        } else {
            format!(
                "{} ({:.1} %)",
                grouped(missing),
                100.0 * missing as f64 / table.rows as f64
            )
        };
        grid.row([
            column.name.clone(),
            column.kind.name().to_owned(),
            share,
            values(column),
        ]);
    }
    text.push_str(&grid.render(style));
    text
}

/// A short summary of the values of a column, for example the range of numbers or the most frequent categories.
fn values(column: &Column) -> String {
    match &column.values {
        Values::Number(values) if column.kind == ColumnKind::Boolean => {
            let yes = values.iter().filter(|value| **value > 0.5).count();
            let no = values.iter().filter(|value| **value <= 0.5).count();
            format!("{} true, {} false", grouped(yes), grouped(no))
        }
        Values::Number(values) => numbers(values),
        Values::Category { codes, levels } => levels_by_count(codes, levels),
        Values::Time(values) => times(values),
        Values::Text(values) => {
            let mut known: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
            let longest = known
                .iter()
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0);
            known.sort_unstable();
            known.dedup();
            format!(
                "{} distinct, up to {longest} characters",
                grouped(known.len())
            )
        }
    }
}

fn numbers(values: &[f64]) -> String {
    let mut known: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| !value.is_nan())
        .collect();
    known.sort_by(f64::total_cmp);
    let (Some(low), Some(high)) = (known.first().copied(), known.last().copied()) else {
        return "none".to_owned();
    };
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    known.dedup();
    format!(
        "{}, mean {}, {} distinct",
        range(low, high),
        short(mean),
        grouped(known.len())
    )
}

/// Maximum number of categories of a column that are shown.
const SHOWN_LEVELS: usize = 4;

fn levels_by_count(codes: &[u32], levels: &[String]) -> String {
    let mut counts = BTreeMap::<u32, usize>::new();
    for code in codes.iter().filter(|code| **code != limbeck_data::MISSING) {
        *counts.entry(*code).or_default() += 1;
    }
    let mut order: Vec<(usize, u32)> = counts
        .into_iter()
        .map(|(code, count)| (count, code))
        .collect();
    order.sort_by_key(|(count, code)| (std::cmp::Reverse(*count), *code));
    let shown = order
        .iter()
        .take(SHOWN_LEVELS)
        .map(|(count, code)| format!("{} ({})", levels[*code as usize], grouped(*count)));
    let more = if order.len() > SHOWN_LEVELS {
        ", …"
    } else {
        ""
    };
    format!(
        "{} distinct: {}{more}",
        grouped(order.len()),
        shown.collect::<Vec<_>>().join(", ")
    )
}

fn times(values: &[i64]) -> String {
    let known = || {
        values
            .iter()
            .copied()
            .filter(|value| *value != limbeck_data::table::MISSING_TIME)
    };
    match (known().min(), known().max()) {
        (Some(low), Some(high)) => format!("{} to {}", dates::minute(low), dates::minute(high)),
        _ => "none".to_owned(),
    }
}

/// Warnings about the table and notes about the teacher, one on each line.
fn notices(report: &Report, style: Style) -> String {
    let notes = report.teacher.notes.iter();
    let notes = notes.map(|note| format!("{}: {note}\n", style.cyan("note")));
    let notes: String = notes.collect();
    match said(&report.data.warnings, style) {
        warnings if warnings.is_empty() && !notes.is_empty() => format!("\n{notes}"),
        warnings => warnings + &notes,
    }
}

fn run(run: &Run, style: Style) -> String {
    let (report, recipe) = (run.report(), run.recipe());
    let data = &report.data;
    let mut text = format!(
        "run {}: `{}` of {}, seed {}, limbeck {}\n{} ({} train, {} valid, {} test), {}, target {}\n\n",
        run.path().display(),
        report.target,
        recipe.table.display(),
        report.seed,
        report.version,
        counted(data.rows, "row"),
        grouped(data.train),
        grouped(data.valid),
        grouped(data.test),
        counted(data.features.len(), "feature"),
        range(data.target.min, data.target.max)
    );
    text.push_str(&render::result(report, style));
    text.push_str(&notices(report, style));
    text.push_str(&format!("\n{}\n", measured(report)));
    text
}

fn measured(report: &limbeck::Report) -> String {
    let stages: Vec<String> = report
        .measured
        .stages
        .iter()
        .map(|(name, seconds)| format!("{name} {seconds:.1}"))
        .collect();
    let memory = report
        .measured
        .peak_memory_bytes
        .map_or_else(String::new, |bytes| {
            format!(", peak memory {} MB", bytes / 1_000_000)
        });
    format!(
        "{:.1} s on {}{memory} ({}); {} µs for one raw row",
        report.measured.seconds,
        counted(report.measured.threads, "thread"),
        stages.join(", "),
        short(report.measured.student_us_one_row)
    )
}

fn student(path: &Path, student: &Student, style: Style) -> Result<String> {
    let bytes = std::fs::metadata(path)
        .map_err(|error| Error::path(path, error.to_string()))?
        .len();
    let mut text = format!(
        "student {} ({}): predicts {} from {}\n{} parameters ({} encoder, {} network, {} target), {} bytes\n\n",
        path.display(),
        kind(student).name(),
        targets(student),
        counted(student.encoder.columns.len(), "column"),
        grouped(student.parameters()),
        grouped(student.encoder.parameters()),
        grouped(student.graph.parameters()),
        student.parameters() - student.encoder.parameters() - student.graph.parameters(),
        grouped(usize::try_from(bytes).unwrap_or(usize::MAX))
    );
    text.push_str(&columns(student, style));
    text.push('\n');
    text.push_str(&layers(student, style)?);
    text.push('\n');
    for (key, value) in &student.provenance {
        // Files have another word for the baseline than reports.
        let value = match (key.as_str(), value.as_str()) {
            ("kind", "alone") => "baseline",
            (_, value) => value,
        };
        text.push_str(&format!("{key:<11}  {value}\n"));
    }
    text.push_str(&memory(student));
    text.push_str(&intervals(student));
    student.verify_golden().map_err(Error::student(path))?;
    text.push_str(&match student.golden.len() {
        0 => "golden rows  none in the file (test examples with their predictions)\n".to_owned(),
        rows => format!(
            "golden rows  {rows} test examples, predictions unchanged since the student was made\n"
        ),
    });
    Ok(text)
}

/// Which earlier rows a recurrent student uses, as a line; empty for another student.
fn memory(student: &Student) -> String {
    match student.memory {
        None => String::new(),
        Some(Memory::Rolling(rows)) => {
            format!(
                "memory       the last {} of a series\n",
                counted(rows as usize, "row")
            )
        }
        Some(Memory::Carried) => {
            "memory       carried: all rows of a series so far, one step for each new row\n".into()
        }
    }
}

/// The prediction intervals of a student, one line for each output; empty if it has none.
fn intervals(student: &Student) -> String {
    let Some(intervals) = &student.intervals else {
        return String::new();
    };
    let line = |(widths, output): (&Widths, &Output)| {
        let most = Widths::levels(widths.count).last();
        format!(
            "intervals    of `{}`: levels 50 % to {}, from {} calibration rows or groups\n",
            output.name,
            most.map_or_else(String::new, level_name),
            grouped(widths.count)
        )
    };
    let outputs = intervals.outputs.iter().zip(&student.outputs);
    outputs.map(line).collect()
}

/// Names of the student's targets, as text.
fn targets(student: &Student) -> String {
    let name = |output: &Output| format!("`{}`", output.name);
    let names: Vec<String> = student.outputs.iter().map(name).collect();
    names.join(", ")
}

/// The kind of a student, derived from its operations.
fn kind(student: &Student) -> StudentKind {
    match student.graph.nodes.as_slice() {
        [
            Node {
                op: Op::TreeEnsemble(_),
                ..
            },
        ] => StudentKind::Trees,
        [
            Node {
                op: Op::TableInterp(_),
                ..
            },
        ] => StudentKind::Table,
        [
            Node {
                op: Op::Linear { .. },
                ..
            },
        ] => StudentKind::Linear,
        nodes => {
            let cell = nodes.iter().find_map(|node| match &node.op {
                Op::Recurrent(layer) => Some(layer.cell),
                _ => None,
            });
            cell.map_or(StudentKind::Mlp, StudentKind::of_cell)
        }
    }
}

fn columns(student: &Student, style: Style) -> String {
    let mut grid = Grid::new(&["column", "inputs", "encoding"], "lrl");
    for column in &student.encoder.columns {
        let inputs = grouped(column.encoding.width());
        let part = column.date.as_ref().map_or_else(String::new, |date| {
            format!(
                "{} of `{}` ({}): ",
                date.part.name(),
                date.column,
                date.part.meaning()
            )
        });
        grid.row([
            column.name.clone(),
            inputs,
            part + &encoding(&column.encoding),
        ]);
    }
    grid.render(style)
}

fn encoding(encoding: &Encoding) -> String {
    match encoding {
        Encoding::Number {
            impute,
            indicator,
            scaling,
        } => {
            let scaled = match scaling {
                Scaling::Standard { center, scale } => {
                    format!(
                        "number, minus {}, divided by {}",
                        short(*center),
                        short(*scale)
                    )
                }
                Scaling::Quantile { references } => format!(
                    "number, mapped to a normal distribution by {} quantiles",
                    references.len()
                ),
            };
            let flag = if *indicator {
                ", plus a 0/1 input for missing"
            } else {
                ""
            };
            format!("{scaled}, missing replaced by {}{flag}", short(*impute))
        }
        Encoding::OneHot { levels, other } => {
            let home = if *other {
                " and one for all others"
            } else {
                ""
            };
            format!(
                "one-hot, {}{home}: {}",
                counted(levels.len(), "level"),
                first(levels)
            )
        }
        Encoding::Ordinal { levels } => {
            format!(
                "ordinal, {}: {}",
                counted(levels.len(), "level"),
                first(levels)
            )
        }
        Encoding::Hashed { buckets } => format!("one-hot of a hash, {buckets} buckets"),
    }
}

fn first(levels: &[String]) -> String {
    let shown = levels
        .iter()
        .take(SHOWN_LEVELS)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if levels.len() > SHOWN_LEVELS {
        format!("{shown}, …")
    } else {
        shown
    }
}

/// An operation of a student and its size, as text.
fn in_words(op: &Op) -> String {
    match op {
        Op::Ple { edges } => format!(
            "ple (piecewise-linear encoding), {} with bins",
            counted(
                edges.iter().filter(|edges| !edges.is_empty()).count(),
                "column"
            )
        ),
        Op::TreeEnsemble(trees) => format!(
            "tree_ensemble, {} of {} leaves in all",
            counted(trees.roots.len(), "tree"),
            grouped(trees.leaves.len())
        ),
        Op::TableInterp(table) => {
            let knots = table.knots.iter().map(|knots| knots.len().to_string());
            let knots: Vec<String> = knots.collect();
            format!("table_interp, {} points", knots.join(" × "))
        }
        Op::Recurrent(layer) => {
            format!("{}, {}", layer.cell.name(), counted(layer.units, "unit"))
        }
        op => op.name().to_owned(),
    }
}

fn layers(student: &Student, style: Style) -> Result<String> {
    let widths = student.graph.widths().map_err(limbeck::Error::Runtime)?;
    let mut grid = Grid::new(&["layer", "inputs", "outputs", "parameters"], "lrrr");
    for (index, node) in student.graph.nodes.iter().enumerate() {
        let inputs: usize = node.inputs.iter().map(|&input| widths[input]).sum();
        grid.row([
            in_words(&node.op),
            grouped(inputs),
            grouped(widths[index + 1]),
            grouped(node.op.parameters()),
        ]);
    }
    Ok(grid.render(style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_summed_up() {
        assert_eq!(
            numbers(&[1.0, f64::NAN, 3.0, 3.0]),
            "1 to 3, mean 2.333, 2 distinct"
        );
        assert_eq!(numbers(&[f64::NAN]), "none");
    }
}
