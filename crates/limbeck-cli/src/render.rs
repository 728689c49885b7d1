//! Results as text tables for the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use limbeck::Report;
use limbeck::report::ModelRow;
pub(crate) use limbeck_data::figures::{counted, grouped};
use limbeck_data::{Warning, group_warnings};
use limbeck_distill::proof::short;

use crate::output::Style;

/// A text table without ruled lines, with a bold header.
pub(crate) struct Grid {
    table: Table,
    alignment: Vec<CellAlignment>,
}

impl Grid {
    /// An empty table with these columns. `alignment` has a letter for each column: `l` (left, for text) or `r` (right, for numbers).
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

/// R² as text with four decimals (fewer below -10), or a dash if there is none.
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

/// Three metrics of a model as text: RMSE, MAE and R², or for a quantile pinball loss, covered share and RMSE.
fn figures(row: &ModelRow) -> [String; 3] {
    let first = short(row.rmse);
    let Some(quantile) = row.quantile else {
        return [first, short(row.mae), r_squared(row.r2)];
    };
    let covered = format!("{:.1} %", 100.0 * quantile.covered);
    [short(quantile.pinball), covered, first]
}

/// Names of the three columns of metrics, in the order of [`figures`].
fn errors_of(report: &Report) -> [&'static str; 3] {
    if report.quantile.is_some() {
        ["pinball loss", "covered", "RMSE"]
    } else {
        ["RMSE", "MAE", report.r2_name()]
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
    for note in report.model_notes() {
        text.push_str(&style.dim(&note));
        text.push('\n');
    }
    text.push_str(&measures(report, style));
    text
}

/// The table of further measures with its footnotes, after an empty line; empty if there are none.
fn measures(report: &Report, style: Style) -> String {
    let Some((header, rows)) = report.measure_table() else {
        return String::new();
    };
    let mut grid = Grid::new(&header, &format!("l{}", "r".repeat(header.len() - 1)));
    rows.into_iter().for_each(|row| grid.row(row));
    let mut text = format!("\n{}", grid.render(style));
    for note in report.measure_notes() {
        text.push_str(&style.dim(&note));
        text.push('\n');
    }
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
        "RMSE to the teacher",
        "R² to the teacher",
        "parameters",
        "file bytes",
        "µs/row",
    ];
    let mut grid = Grid::new(&header, "lrrrrrrrr");
    for row in report.models() {
        let [a, b, c] = figures(&row);
        grid.row([
            row.name,
            a,
            b,
            c,
            optional(row.rmse_to_teacher),
            r_squared(row.r2_to_teacher),
            count(row.parameters),
            count(row.bytes),
            optional(row.us_per_row),
        ]);
    }
    grid
}

/// The warnings as text, one on each line, after an empty line; empty if there are none.
pub(crate) fn said(warnings: &[Warning], style: Style) -> String {
    let word = style.yellow("warning");
    let lines = group_warnings(warnings)
        .into_iter()
        .map(|one| format!("{word}: {} (found by check `{}`)\n", one.message, one.check));
    let text: String = lines.collect();
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
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
