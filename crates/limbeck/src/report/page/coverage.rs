//! The table of prediction intervals: coverage and width on test rows.

use limbeck_distill::conformal::IntervalWidth;
use limbeck_distill::proof::short;

use super::{escape, grouped};
use crate::report::prediction_intervals::{CalibratedOn, LevelReport, level_name};
use crate::report::{PredictionIntervals, Report};

/// The section on prediction intervals; empty if there are none.
pub(super) fn coverage(report: &Report) -> String {
    let Some(found) = &report.prediction_intervals else {
        return String::new();
    };
    let rows: String = found.levels.iter().flat_map(rows).collect();
    format!(
        "<h3>Prediction intervals</h3><p>{}</p><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"coverage of prediction intervals\"><table><thead><tr><th \
         scope=\"col\">level</th><th scope=\"col\" class=\"text\">test rows</th><th scope=\"col\">rows</th><th scope=\"col\">targets inside</th><th scope=\"col\">95 % interval</th><th \
         scope=\"col\">mean width</th></tr></thead><tbody>{rows}</tbody></table></div>",
        escape(&about(found))
    )
}

/// What calibrated the intervals, and how wide they are.
fn about(found: &PredictionIntervals) -> String {
    let groups = found.groups.map_or_else(String::new, |groups| {
        format!(" in {} groups", grouped(groups))
    });
    let rows = grouped(found.rows);
    let calibrated = match found.calibrated_on {
        CalibratedOn::HeldOut => format!(
            "Calibrated on {rows} rows{groups}, which neither trained nor chose teacher and student."
        ),
        CalibratedOn::Folds => format!(
            "Calibrated in folds on {rows} training and validation rows{groups}, each predicted by a student of another run that did not learn from it."
        ),
    };
    let width = match found.width {
        IntervalWidth::Scaled => {
            "The width follows the size of the student's errors at similar predictions."
        }
        IntervalWidth::Constant => "The width is the same for all rows.",
    };
    format!("{calibrated} {width}")
}

/// The rows of a level: all test rows, then its slices.
fn rows(level: &LevelReport) -> Vec<String> {
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let row = |name: &str, what: &str, rows: String, [inside, ends, width]: [String; 3]| {
        format!(
            "<tr><th scope=\"row\">{name}</th><td class=\"text\">{}</td><td>{rows}</td><td>{inside}</td><td>{ends}</td><td>{width}</td></tr>",
            escape(what)
        )
    };
    let inside = &level.inside;
    let ends = format!("{} to {}", share(inside.low), share(inside.high));
    let what = match level.too_small {
        true => "all: fewer inside than chance explains",
        false => "all",
    };
    let first = row(
        &level_name(level.level),
        what,
        String::new(),
        [share(inside.coverage), ends, short(level.width)],
    );
    let slices = level.slices.iter().map(|slice| {
        let cells = [share(slice.coverage), String::new(), short(slice.width)];
        row("", &slice.name, grouped(slice.rows), cells)
    });
    std::iter::once(first).chain(slices).collect()
}
