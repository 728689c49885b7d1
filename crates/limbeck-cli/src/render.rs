//! Results as text tables for the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use limbeck::Report;
use limbeck::report::{QuantileScores, ShippedKind, StudentScores};
pub(crate) use limbeck_data::figures::{counted, grouped};
use limbeck_distill::proof::short;

use crate::output::Style;

/// A text table without ruled lines, with a bold header.
pub(crate) struct Grid {
    table: Table,
    alignment: Vec<CellAlignment>,
}

impl Grid {
    /// A table with these columns. `alignment` has a letter for each column: `l` (left, for text) or `r` (right, for numbers).
    pub(crate) fn new(header: &[&str], alignment: &str) -> Self {
        let side = |letter| {
            if letter == 'l' {
                CellAlignment::Left
            } else {
                CellAlignment::Right
            }
        };
        let mut grid = Self {
            table: Table::new(),
            alignment: alignment.chars().map(side).collect(),
        };
        grid.table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        let cells = grid.cells(header.iter().map(|text| (*text).to_owned()));
        grid.table.set_header(cells);
        grid
    }

    fn cells(&self, texts: impl IntoIterator<Item = String>) -> Vec<Cell> {
        texts
            .into_iter()
            .zip(&self.alignment)
            .map(|(text, side)| Cell::new(text).set_alignment(*side))
            .collect()
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, texts: impl IntoIterator<Item = String>) {
        let cells = self.cells(texts);
        self.table.add_row(cells);
    }

    /// The table as text, without blanks at the ends of lines.
    pub(crate) fn render(&self, style: Style) -> String {
        let lines = self.table.lines().map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        });
        lines
            .enumerate()
            .map(|(index, line)| if index == 0 { style.bold(&line) } else { line } + "\n")
            .collect()
    }
}

/// A number as text, or a dash if there is none.
pub(crate) fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

/// R² as text with four decimals.
pub(crate) fn r_squared(value: Option<f64>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| {
            if value < -10.0 {
                short(value)
            } else {
                format!("{value:.4}")
            }
        },
    )
}

/// A count as text, or a dash if it is unknown.
pub(crate) fn count(value: Option<usize>) -> String {
    value.map_or_else(|| "–".to_owned(), grouped)
}

/// Three metrics of predictions as text: RMSE, MAE and R², or three metrics of a quantile.
fn figures(scores: (f64, f64, Option<f64>), quantile: Option<QuantileScores>) -> [String; 3] {
    let first = short(scores.0);
    let Some(quantile) = quantile else {
        return [first, short(scores.1), r_squared(scores.2)];
    };
    let covered = format!("{:.1} %", 100.0 * quantile.covered);
    [short(quantile.pinball), covered, first]
}

fn student_figures(scores: &StudentScores) -> [String; 3] {
    figures((scores.rmse, scores.mae, scores.r2), scores.quantile)
}

/// Names of the three error columns.
fn errors_of(report: &Report) -> [&'static str; 3] {
    if report.quantile.is_some() {
        ["pinball loss", "covered", "RMSE"]
    } else {
        ["RMSE", "MAE", "R²"]
    }
}

/// The result of a run as text: the verdict, test metrics by model, and footnotes.
pub(crate) fn result(report: &Report, style: Style) -> String {
    let mut text = format!("{}\n", report.proof.verdict.sentence);
    if report.interrupted {
        text.push_str("Interrupted: the run is valid, but trained less than its recipe says.\n");
    }
    text.push('\n');
    text.push_str(&models(report).render(style));
    text.push_str(&footnotes(report).map(|note| style.dim(&note)).join("\n"));
    if let Some(quantile) = report.quantile {
        text.push('\n');
        text.push_str(&style.dim(&format!(
            "  predicted is the {quantile}-quantile; covered is the share of targets at or below the prediction, {} if it is right",
            format_args!("{:.1} %", 100.0 * quantile)
        )));
    }
    text.push('\n');
    text
}

/// The table of test metrics by model.
fn models(report: &Report) -> Grid {
    let [first, second, third] = errors_of(report);
    let header = [
        "test rows",
        first,
        second,
        third,
        "fidelity RMSE",
        "fidelity R²",
        "parameters",
        "file bytes",
        "µs/row",
    ];
    let mut grid = Grid::new(&header, "lrrrrrrrr");
    let (test, measured) = (&report.test, &report.measured);
    let mut row = |name: String, [a, b, c]: [String; 3], rest: [String; 5]| {
        let [d, e, f, g, h] = rest;
        grid.row([name, a, b, c, d, e, f, g, h]);
    };
    let none = || "–".to_owned();
    row(
        format!("teacher ({})", report.teacher.kind),
        figures(
            (test.teacher.rmse, test.teacher.mae, test.teacher.r2),
            test.teacher.quantile,
        ),
        [
            none(),
            none(),
            count(report.teacher.parameters),
            count(report.teacher.bytes),
            optional(measured.teacher_us_per_row),
        ],
    );
    let mut student = |name: &str, kind: ShippedKind, scores: &StudentScores| {
        let shipped = report.shipped.kind == kind;
        let mark = if shipped { " *" } else { "" };
        let own = report.sizes.map(|sizes| {
            if kind == ShippedKind::Alone {
                sizes.alone
            } else {
                sizes.distilled
            }
        });
        let what = own.map_or_else(String::new, |own| format!(" ({})", own.kind.name()));
        row(
            format!("student {name}{what}{mark}"),
            student_figures(scores),
            [
                short(scores.fidelity_rmse),
                r_squared(scores.fidelity_r2),
                grouped(own.map_or(report.student.parameters, |own| own.parameters)),
                grouped(own.map_or(report.student.bytes, |own| own.bytes)),
                if own.is_none() || shipped {
                    short(measured.student_us_per_row)
                } else {
                    none()
                },
            ],
        );
    };
    student("alone", ShippedKind::Alone, &test.alone);
    student("distilled", ShippedKind::Distilled, &test.distilled);
    if let Some(best) = report.lone.as_ref().and_then(|lone| lone.model(lone.best)) {
        row(
            format!("best without teacher ({})", best.size.kind.name()),
            student_figures(&best.test),
            [
                short(best.test.fidelity_rmse),
                r_squared(best.test.fidelity_r2),
                grouped(best.size.parameters),
                grouped(best.size.bytes),
                none(),
            ],
        );
    }
    grid
}

/// The footnotes of the table of metrics.
fn footnotes(report: &Report) -> [String; 3] {
    let [first, second, third] = errors_of(report);
    let [error, middle, last] = student_figures(&report.test.shipped);
    let (name, figure) = if report.quantile.is_some() {
        (second, middle)
    } else {
        (third, last)
    };
    let seeds = report.test_seeds.len();
    let over = if seeds == 1 {
        "of one seed".to_owned()
    } else {
        format!("means over {seeds} seeds")
    };
    let sizes = match report.sizes {
        None => {
            "  both students have the same design; size and speed are those of the shipped student"
        }
        Some(_) => "  each student has its own size; speed is that of the shipped student",
    };
    [
        format!(
            "* shipped, as chosen on validation rows; the file itself has {first} {error} and {name} {figure}"
        ),
        format!(
            "  {} test rows; errors in the unit of `{}`; metrics of the students are {over}",
            grouped(report.data.test),
            report.target
        ),
        sizes.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1 234");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }
}
