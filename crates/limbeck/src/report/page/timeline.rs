//! Predictions over time, for runs whose rows form series.

use limbeck_data::Timeline;
use limbeck_data::dates::minute;
use serde_json::{Value, json};

use super::figure;
use crate::report::Answers;

/// Maximum number of series that have a chart.
const SERIES: usize = 3;
/// Maximum number of rows of a chart: the last ones of the series.
const ROWS: usize = 300;

/// The charts of some series: their places on the page, and their data.
pub(super) struct Charts {
    /// The figures as HTML; empty if there are none.
    pub(super) html: String,
    /// For each chart: the times, and targets and predictions of teacher and shipped student.
    pub(super) data: Vec<Value>,
}

/// Makes charts of the series with the most test rows. `rows` are the test rows, as positions in `timeline`. `ahead` is the end of each title.
pub(super) fn charts(
    timeline: Option<&Timeline>,
    rows: &[usize],
    answers: &Answers,
    ahead: &str,
) -> Charts {
    let series = timeline.map_or_else(Vec::new, |timeline| longest(timeline, rows));
    let figures = series.iter().enumerate().map(|(at, (name, _))| {
        let what = match name.is_empty() {
            true => String::new(),
            false => format!(" of {name}"),
        };
        figure(
            &format!("timeline-{at}"),
            &format!("Last test rows{what} over time{ahead}"),
        )
    });
    let html = figures.collect();
    let data = series.iter().filter_map(|(_, places)| {
        let timeline = timeline?;
        let label = |&place: &usize| {
            let time = timeline.time[rows[place]];
            match timeline.is_date {
                true => json!(minute((time * 1e6) as i64)),
                false => json!(time),
            }
        };
        let pick =
            |values: &[f64]| -> Vec<f64> { places.iter().map(|&place| values[place]).collect() };
        Some(json!({
            "labels": places.iter().map(label).collect::<Vec<_>>(),
            "truth": pick(&answers.target),
            "teacher": pick(&answers.teacher),
            "shipped": pick(&answers.shipped),
        }))
    });
    Charts {
        html,
        data: data.collect(),
    }
}

/// The series with the most test rows, at least two: name, and positions in `rows` of the last rows in order of time.
fn longest(timeline: &Timeline, rows: &[usize]) -> Vec<(String, Vec<usize>)> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); timeline.names.len()];
    for (place, &row) in rows.iter().enumerate() {
        members[timeline.series[row] as usize].push(place);
    }
    let mut all: Vec<(String, Vec<usize>)> = timeline.names.iter().cloned().zip(members).collect();
    all.retain(|(_, places)| places.len() > 1);
    all.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
    all.truncate(SERIES);
    for (_, places) in &mut all {
        places.sort_by(|&a, &b| timeline.time[rows[a]].total_cmp(&timeline.time[rows[b]]));
        places.drain(..places.len().saturating_sub(ROWS));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_series_are_drawn_in_order_of_time() {
        let timeline = Timeline {
            names: vec!["a".into(), "b".into(), "c".into()],
            series: vec![0, 1, 1, 2, 1],
            time: vec![0.0, 86_400.0, 0.0, 5.0, 60.0],
            is_date: true,
        };
        let answers = Answers {
            target: vec![1.0, 2.0, 3.0, 4.0],
            teacher: vec![0.0; 4],
            shipped: vec![9.0, 8.0, 7.0, 6.0],
            ..Answers::default()
        };
        let charts = charts(
            Some(&timeline),
            &[1, 2, 3, 4],
            &answers,
            ": the value 1 row later",
        );
        assert_eq!(charts.data.len(), 1);
        assert_eq!(
            charts.data[0],
            json!({
                "labels": ["1970-01-01 00:00", "1970-01-01 00:01", "1970-01-02 00:00"],
                "truth": [2.0, 4.0, 1.0],
                "teacher": [0.0, 0.0, 0.0],
                "shipped": [8.0, 6.0, 9.0],
            })
        );
        assert!(
            charts
                .html
                .contains("Last test rows of b over time: the value 1 row later")
        );
        assert!(super::charts(None, &[0], &answers, "").html.is_empty());
    }
}
