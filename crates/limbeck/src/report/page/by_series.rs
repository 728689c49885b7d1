//! Errors of each series, for runs that predict later rows of several series.

use limbeck_data::Timeline;
use limbeck_data::metrics::rmse;
use limbeck_distill::proof::short;

use super::{escape, grouped};
use crate::report::{Answers, Report};

/// Maximum number of series that are listed.
const LISTED: usize = 10;

/// The error of one series.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    rows: usize,
    shipped: f64,
    teacher: f64,
}

/// The series with the largest errors of the shipped student, as an HTML table; empty unless later rows of at least two series are predicted. `rows` are
/// the test rows, as positions in `timeline`.
pub(super) fn table(
    report: &Report,
    timeline: Option<&Timeline>,
    rows: &[usize],
    (answers, weight): (&Answers, &[f64]),
) -> String {
    let ahead = report
        .data
        .sequence()
        .is_some_and(|sequence| sequence.horizon > 0);
    let Some(timeline) = timeline.filter(|_| ahead && report.quantile.is_none()) else {
        return String::new();
    };
    let all = errors(timeline, rows, answers, weight);
    if all.len() < 2 {
        return String::new();
    }
    let row = |row: &Row| {
        format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&row.name),
            grouped(row.rows),
            short(row.shipped),
            short(row.teacher)
        )
    };
    let shown = all.len().min(LISTED);
    let title = match shown == all.len() {
        true => "Error by series".to_owned(),
        false => format!(
            "Error by series: the worst {shown} of {}",
            grouped(all.len())
        ),
    };
    let rows: String = all.iter().take(LISTED).map(row).collect();
    format!(
        "<h3>{title}</h3><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"error by series\"><table><thead><tr><th scope=\"col\">series</th><th scope=\"col\">test rows</th><th scope=\"col\">RMSE, shipped student</th><th \
         scope=\"col\">RMSE, teacher</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// The errors of all series with test rows, the largest error of the shipped student first.
fn errors(timeline: &Timeline, rows: &[usize], answers: &Answers, weight: &[f64]) -> Vec<Row> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); timeline.names.len()];
    for (place, &row) in rows.iter().enumerate() {
        members[timeline.series[row] as usize].push(place);
    }
    let error = |(name, places): (&String, Vec<usize>)| {
        let pick = |values: &[f64]| -> Vec<f64> { places.iter().map(|&at| values[at]).collect() };
        let (target, weight) = (pick(&answers.target), pick(weight));
        Row {
            name: name.clone(),
            rows: places.len(),
            shipped: rmse(&pick(&answers.shipped), &target, &weight),
            teacher: rmse(&pick(&answers.teacher), &target, &weight),
        }
    };
    let mut all: Vec<Row> = timeline.names.iter().zip(members).map(error).collect();
    // Also without series whose rows have no weight.
    all.retain(|row| row.rows > 0 && !row.shipped.is_nan());
    all.sort_by(|a, b| b.shipped.total_cmp(&a.shipped));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_series_comes_first() {
        let timeline = Timeline {
            names: vec!["a".into(), "b".into(), "c".into()],
            series: vec![2, 0, 1, 1],
            time: vec![0.0; 4],
            is_date: false,
        };
        let answers = Answers {
            target: vec![1.0, 1.0, 1.0],
            shipped: vec![2.0, 4.0, 6.0],
            teacher: vec![1.0, 1.0, 3.0],
            ..Answers::default()
        };
        // Series a has an error of 1; b has errors of 3 and 5; c has no test rows.
        let found = errors(&timeline, &[1, 2, 3], &answers, &[1.0; 3]);
        let row = |name: &str, rows, shipped: f64, teacher: f64| Row {
            name: name.into(),
            rows,
            shipped,
            teacher,
        };
        let expected = [
            row("b", 2, 17f64.sqrt(), 2f64.sqrt()),
            row("a", 1, 1.0, 0.0),
        ];
        assert_eq!(found, expected);
    }
}
