//! Series as they come: thirty tables whose rows are not a clean series, and what happens to each.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    reason = "tests"
)]

use std::fmt::Write as _;

use limbeck_data::{
    Action, Ahead, DataOptions, Dataset, FeatureValues, Gap, HoldOut, Learn, Result, Table,
};

/// Hours of the rows of one machine.
const HOURS: i64 = 240;

/// A line of a table: machine, time and load.
fn line(machine: &str, time: &str, load: f64) -> String {
    format!("{machine},{time},{load},{}\n", (load * 7.0) % 5.0)
}

fn time(hour: i64) -> String {
    format!("2024-01-{:02} {:02}:00", 1 + hour / 24, hour % 24)
}

fn load(hour: i64) -> f64 {
    10.0 + (hour % 24) as f64 + 0.01 * hour as f64 + ((hour * hour) % 7) as f64
}

/// Lines of machine `m`, one for each hour.
fn lines() -> Vec<String> {
    (0..HOURS)
        .map(|hour| line("m", &time(hour), load(hour)))
        .collect()
}

fn options(set: impl FnOnce(&mut DataOptions)) -> DataOptions {
    let mut options = DataOptions::for_target("load");
    options.series = vec!["machine".into()];
    options.time = Some("time".into());
    options.horizon = 3;
    set(&mut options);
    options
}

/// Reads lines as a table and makes a data set of it.
fn made(lines: &[String], set: impl FnOnce(&mut DataOptions)) -> Result<Dataset> {
    let mut text = "machine,time,load,rain\n".to_owned();
    lines.iter().for_each(|line| text.push_str(line));
    read(&text, set)
}

fn read(text: &str, set: impl FnOnce(&mut DataOptions)) -> Result<Dataset> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let options = options(set);
    let table = Table::read(&path, &options.reading())?;
    Dataset::from_table(table, &options, None, 1)
}

fn refused(lines: &[String], set: impl FnOnce(&mut DataOptions)) -> String {
    made(lines, set).expect_err("refused").to_string()
}

/// Number of gaps that were found.
fn gaps(data: &Dataset) -> usize {
    data.summary.series.as_ref().unwrap().gaps
}

/// Asserts that a message has all parts.
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` not in: {message}");
    }
}

fn numbers<'a>(data: &'a Dataset, name: &str) -> &'a [f64] {
    let found = data
        .features
        .columns
        .iter()
        .find(|column| column.name == name);
    match &found.expect(name).values {
        FeatureValues::Number(values) => values,
        FeatureValues::Category { .. } => panic!("{name} is a category"),
    }
}

#[test]
fn unsorted_rows_are_ordered() {
    let mut mixed = lines();
    mixed.reverse();
    mixed.swap(3, 77);
    let (sorted, mixed) = (
        made(&lines(), |_| {}).unwrap(),
        made(&mixed, |_| {}).unwrap(),
    );
    let total = |data: &Dataset| {
        numbers(data, "load.diff1")
            .iter()
            .filter(|x| !x.is_nan())
            .sum::<f64>()
    };
    assert!((total(&sorted) - total(&mixed)).abs() < 1e-9);
    assert_eq!(
        sorted.summary.series.unwrap().purged,
        mixed.summary.series.unwrap().purged
    );
}

#[test]
fn repeated_rows_are_refused() {
    let mut twice = lines();
    twice.push(twice[5].clone());
    says(
        &refused(&twice, |_| {}),
        &[
            "1 row repeats",
            "row 241",
            "row 6",
            "keep one row for each time",
        ],
    );
}

#[test]
fn two_series_without_a_name_are_refused_with_the_column_that_tells_them_apart() {
    let mut two = lines();
    two.extend((0..HOURS).map(|hour| line("n", &time(hour), 5.0 + load(hour))));
    says(
        &refused(&two, |options| options.series.clear()),
        &["240 rows repeat", "use `--series machine`"],
    );
}

#[test]
fn the_second_reading_of_a_change_to_winter_time_is_refused() {
    let mut winter = lines();
    winter.insert(27, line("m", &time(26), 3.0));
    says(
        &refused(&winter, |_| {}),
        &["2024-01-02 02:00", "one row for each time"],
    );
}

#[test]
fn the_missing_hour_of_a_change_to_summer_time_is_a_gap() {
    let mut summer = lines();
    summer.remove(26);
    let data = made(&summer, |_| {}).unwrap();
    assert_eq!(gaps(&data), 1);
    assert_eq!(
        gaps(&made(&summer, |options| options.gap = Gap::Ignore).unwrap()),
        0
    );
}

#[test]
fn times_with_zones_are_ordered_by_the_moment() {
    let zoned = |hour: i64| {
        let zone = if hour % 2 == 0 { "+00:00" } else { "+01:00" };
        let local = hour + i64::from(hour % 2 != 0);
        format!(
            "2024-01-{:02}T{:02}:00:00{zone}",
            1 + local / 24,
            local % 24
        )
    };
    let zoned: Vec<String> = (0..200)
        .map(|hour| line("m", &zoned(hour), load(hour)))
        .collect();
    let data = made(&zoned, |_| {}).unwrap();
    assert_eq!(
        (gaps(&data), data.summary.series.unwrap().usual_step),
        (0, Some(3600.0))
    );
}

#[test]
fn a_missing_day_is_a_gap_that_nothing_looks_across() {
    let mut gap = lines();
    gap.drain(100..124);
    let data = made(&gap, |options| options.history = vec!["load.lag1".into()]).unwrap();
    assert_eq!(gaps(&data), 1);
    let missing = numbers(&data, "load.lag1")
        .iter()
        .filter(|x| x.is_nan())
        .count();
    assert_eq!(missing, 2);
    says(
        &refused(&gap, |options| options.gap = Gap::Refuse),
        &[
            "1 gap",
            "between row 100 (line 101) and row 101 (line 102)",
            "--gap split",
        ],
    );
}

#[test]
fn many_gaps_are_counted() {
    let some: Vec<String> = lines()
        .into_iter()
        .enumerate()
        .filter(|(at, _)| at % 40 != 20)
        .map(|(_, line)| line)
        .collect();
    assert_eq!(gaps(&made(&some, |_| {}).unwrap()), 6);
}

#[test]
fn series_of_irregular_steps_have_gaps_only_at_long_steps() {
    let hours = (0..200).scan(0, |hour, at| {
        *hour += if at == 120 { 60 } else { 1 + at % 3 };
        Some(*hour)
    });
    let odd: Vec<String> = hours
        .map(|hour: i64| line("m", &time(hour % 700), load(hour)))
        .collect();
    let data = made(&odd, |_| {}).unwrap();
    let series = data.summary.series.unwrap();
    assert!(!series.is_regular);
    assert_eq!(series.gaps, 1);
}

#[test]
fn a_series_that_is_sampled_twice_as_often_is_no_gap() {
    let mut mixed: Vec<String> = lines();
    mixed.extend((0..HOURS).map(|half| {
        let (day, hour, minute) = (1 + half / 48, half / 2 % 24, half % 2 * 30);
        line(
            "n",
            &format!("2024-01-{day:02} {hour:02}:{minute:02}"),
            load(half),
        )
    }));
    let data = made(&mixed, |_| {}).unwrap();
    let series = data.summary.series.unwrap();
    assert_eq!((series.gaps, series.series), (0, 2));
}

#[test]
fn a_series_shorter_than_the_horizon_has_no_rows_to_learn() {
    let mut short = lines();
    short.extend((0..2).map(|hour| line("short", &time(hour), load(hour))));
    let data = made(&short, |_| {}).unwrap();
    assert_eq!(data.summary.series.as_ref().unwrap().shortest, 2);
    // Three rows at the end of the long series and both rows of the short one have no later row.
    let missing = data
        .summary
        .warnings
        .iter()
        .find(|warning| warning.check == "missing_target");
    says(&missing.unwrap().message, &["5 of 242 rows have no target"]);
    assert_eq!(data.features.rows, 237);
}

#[test]
fn a_horizon_longer_than_all_series_is_refused() {
    says(
        &refused(&lines(), |options| options.horizon = 500),
        &["no row that is used has a value of the target `load`"],
    );
}

#[test]
fn a_horizon_that_leaves_no_validation_rows_is_refused() {
    let error = refused(&lines(), |options| options.horizon = 60);
    says(
        &error,
        &["with a horizon of 60 rows", "use a shorter `--horizon`"],
    );
}

#[test]
fn a_single_row_per_series_is_refused_or_has_no_history() {
    let single: Vec<String> = (0..HOURS)
        .map(|hour| line(&format!("m{hour}"), &time(hour), load(hour)))
        .collect();
    says(
        &refused(&single, |_| {}),
        &["no row that is used has a value of the target"],
    );
    let data = made(&single, |options| {
        options.horizon = 0;
        options.history = vec!["rain.lag1".into()];
    });
    let data = data.unwrap();
    assert_eq!(data.features.names(), ["rain"]);
    assert!(
        data.summary
            .warnings
            .iter()
            .any(|warning| warning.message.contains("rain.lag1"))
    );
}

#[test]
fn a_constant_series_is_refused_as_target() {
    let flat: Vec<String> = (0..HOURS).map(|hour| line("m", &time(hour), 4.0)).collect();
    says(
        &refused(&flat, |_| {}),
        &["a constant target cannot be learned"],
    );
}

#[test]
fn statistics_of_a_constant_column_are_dropped_and_told() {
    let text: String = (0..HOURS).fold("machine,time,load,rain\n".to_owned(), |mut text, hour| {
        let _ = writeln!(text, "m,{},{},1", time(hour), load(hour));
        text
    });
    let data = read(&text, |options| {
        options.history = vec!["rain.mean3".into(), "load.lag1".into()]
    })
    .unwrap();
    assert_eq!(data.features.names(), ["load", "load.lag1"]);
    let told = data
        .summary
        .warnings
        .iter()
        .filter(|warning| warning.action == Action::Drop);
    let told: Vec<&str> = told
        .filter_map(|warning| warning.column.as_deref())
        .collect();
    assert!(
        told.contains(&"rain") && told.contains(&"rain.mean3"),
        "{told:?}"
    );
}

#[test]
fn an_empty_time_is_refused_with_its_line() {
    let mut empty = lines();
    empty[9] = line("m", "", 3.0);
    says(
        &refused(&empty, |_| {}),
        &["row 10 (line 11)", "column `time`", "an empty cell"],
    );
}

#[test]
fn an_empty_series_is_refused_with_its_line() {
    let mut empty = lines();
    empty[9] = line("", &time(9), 3.0);
    says(
        &refused(&empty, |_| {}),
        &["row 10 (line 11)", "column `machine`", "an empty cell"],
    );
}

#[test]
fn a_text_among_the_times_is_refused() {
    let mut odd = lines();
    odd[9] = line("m", "yesterday", 3.0);
    says(&refused(&odd, |_| {}), &["column `time`"]);
}

#[test]
fn a_run_of_missing_values_is_left_out_of_statistics() {
    let mut text = "machine,time,load,rain\n".to_owned();
    for hour in 0..HOURS {
        let rain = if (50..80).contains(&hour) {
            String::new()
        } else {
            format!("{}", hour % 9)
        };
        let _ = writeln!(text, "m,{},{},{rain}", time(hour), load(hour));
    }
    let data = read(&text, |options| {
        options.history = vec!["rain.mean4".into(), "rain.lag1".into()]
    })
    .unwrap();
    let missing = |name: &str| numbers(&data, name).iter().filter(|x| x.is_nan()).count();
    // The mean is known while one of the last four values is.
    assert_eq!((missing("rain.lag1"), missing("rain.mean4")), (31, 27));
}

#[test]
fn a_missing_target_is_missing_where_it_would_be_predicted() {
    let mut text = "machine,time,load,rain\n".to_owned();
    for hour in 0..HOURS {
        let load = if hour == 100 {
            String::new()
        } else {
            load(hour).to_string()
        };
        let _ = writeln!(text, "m,{},{load},{}", time(hour), hour % 9);
    }
    let data = read(&text, |options| options.learn = Learn::Value).unwrap();
    // The last three rows, and row 97.
    assert_eq!(data.features.rows, 236);
    assert!(!data.rows.contains(&97) && data.rows.contains(&100));
    let change = read(&text, |options| options.learn = Learn::Change).unwrap();
    let all = change.split.train.len() + change.split.valid.len() + change.split.test.len();
    let warnings = change
        .summary
        .warnings
        .iter()
        .map(|warning| warning.message.as_str());
    says(
        &warnings.collect::<String>(),
        &["1 row has no present value of the target"],
    );
    assert_eq!(all + 1 + change.summary.series.unwrap().purged, 236);
}

#[test]
fn markers_of_missing_values_are_no_readings() {
    let mut text = "machine,time,load,rain\n".to_owned();
    for hour in 0..HOURS {
        let rain = if hour % 16 == 3 { -999 } else { hour % 9 };
        let _ = writeln!(text, "m,{},{},{rain}", time(hour), load(hour));
    }
    let data = read(&text, |options| options.history = vec!["rain.mean3".into()]).unwrap();
    assert!(
        numbers(&data, "rain.mean3")
            .iter()
            .all(|x| x.is_nan() || (0.0..=8.0).contains(x))
    );
    let column = data
        .features
        .columns
        .iter()
        .find(|column| column.name == "rain.mean3");
    assert_eq!(
        column.unwrap().history.as_ref().unwrap().missing.values,
        [-999.0]
    );
}

#[test]
fn a_marker_in_the_target_is_no_forecast() {
    let mut with = lines();
    for hour in [30, 60, 61, 120, 180] {
        with[hour as usize] = line("m", &time(hour), -999.0);
    }
    let data = made(&with, |options| options.learn = Learn::Value).unwrap();
    assert!(data.target().iter().all(|y| *y > 0.0));
}

#[test]
fn a_sensor_that_vanishes_leaves_missing_statistics() {
    let mut text = "machine,time,load,rain\n".to_owned();
    for hour in 0..HOURS {
        let rain = if hour > 150 {
            String::new()
        } else {
            format!("{}", hour % 9)
        };
        let _ = writeln!(text, "m,{},{},{rain}", time(hour), load(hour));
    }
    let data = read(&text, |options| options.history = vec!["rain.mean4".into()]).unwrap();
    let late = data
        .rows
        .iter()
        .zip(numbers(&data, "rain.mean4"))
        .filter(|(row, _)| **row > 154);
    assert!(late.clone().count() > 50 && late.into_iter().all(|(_, x)| x.is_nan()));
}

#[test]
fn rows_dated_in_the_future_are_a_run_of_their_own() {
    let mut future = lines();
    future.push(line("m", "2077-01-01 00:00", 12.0));
    let data = made(&future, |_| {}).unwrap();
    let series = data.summary.series.unwrap();
    assert_eq!((series.gaps, series.shortest), (1, 1));
}

#[test]
fn times_may_be_numbers() {
    let cycles: Vec<String> = (0..HOURS)
        .map(|cycle| line("m", &cycle.to_string(), load(cycle)))
        .collect();
    let data = made(&cycles, |_| {}).unwrap();
    assert_eq!(data.summary.series.unwrap().usual_step, Some(1.0));
}

#[test]
fn series_may_have_numbers_for_names() {
    let mut two: Vec<String> = (0..HOURS)
        .map(|hour| line("1", &time(hour), load(hour)))
        .collect();
    two.extend((0..HOURS).map(|hour| line("2", &time(hour), 9.0 + load(hour))));
    let data = made(&two, |_| {}).unwrap();
    assert_eq!(data.summary.series.unwrap().series, 2);
    assert!(!data.features.names().contains(&"machine".to_owned()));
}

#[test]
fn logarithms_of_numbers_that_are_not_positive_are_missing() {
    let mut zero = lines();
    zero[40] = line("m", &time(40), 0.0);
    let data = made(&zero, |options| options.forecast = Ahead::LogReturn).unwrap();
    // Three rows at the end, the row with 0, and the row three hours before it.
    assert_eq!(data.features.rows, HOURS as usize - 5);
    assert!(data.target().iter().all(|y| y.is_finite()));
}

#[test]
fn few_series_cannot_be_held_out_whole() {
    says(
        &refused(&lines(), |options| options.hold_out = HoldOut::Series),
        &["found 1 series", "`--hold-out time`"],
    );
}

#[test]
fn a_column_with_the_name_of_a_statistic_is_refused() {
    let text: String = (0..HOURS).fold(
        "machine,time,load,load.lag1\n".to_owned(),
        |mut text, hour| {
            let _ = writeln!(text, "m,{},{},{}", time(hour), load(hour), hour % 13);
            text
        },
    );
    let error = read(&text, |options| options.history = vec!["load.lag1".into()]);
    says(
        &error.expect_err("refused").to_string(),
        &[
            "column `load.lag1` has the name of a statistic of earlier rows",
            "--drop",
        ],
    );
}

/// A data set of which networks read five rows before each row.
fn with_past(lines: &[String], set: impl FnOnce(&mut DataOptions)) -> Result<Dataset> {
    let text = "machine,time,load,rain\n".to_owned() + &lines.concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let options = options(set);
    let table = Table::read(&path, &options.reading())?;
    Dataset::joint(table, &options, (&[], 5), None, 1)
}

/// The rain in each row of the window that ends in each row.
fn windows_of_rain(data: &Dataset, before: usize) -> Vec<Vec<f64>> {
    let past = data.features.past.as_ref().unwrap();
    let rain = past.table.columns.iter().find(|one| one.name == "rain");
    let FeatureValues::Number(rain) = &rain.unwrap().values else {
        panic!("rain is a number")
    };
    past.windows(before)
        .map(|rows| rain[rows].to_vec())
        .collect()
}

#[test]
fn windows_have_rows_without_a_target_and_end_at_gaps() {
    let rain = |hour: i64| (load(hour) * 7.0) % 5.0;
    let mut lines = lines();
    // Rows without a load cannot be learned, but networks read their rain. Two hours are missing.
    for hour in [20, 21, 60] {
        lines[hour] = format!("m,{},,{}\n", time(hour as i64), rain(hour as i64));
    }
    lines.drain(100..102);
    let data = with_past(&lines, |options| options.horizon = 0).unwrap();
    let past = data.features.past.as_ref().unwrap();
    assert_eq!((past.table.rows, data.features.rows), (238, 235));
    assert_eq!(data.summary.sequence().unwrap().rows_before, 5);
    let windows = windows_of_rain(&data, 5);
    for (&row, window) in data.rows.iter().zip(&windows) {
        let row = row as i64;
        let (hour, start) = if row < 100 { (row, 0) } else { (row + 2, 102) };
        let expected: Vec<f64> = (start.max(hour - 5)..=hour).map(rain).collect();
        assert_eq!(*window, expected, "hour {hour}");
    }
    // Selected rows keep their past.
    let some = data.features.select(&[30, 3, 30]);
    let ends: Vec<u32> = some.past.unwrap().at;
    assert_eq!(ends, [past.at[30], past.at[3], past.at[30]]);
}

#[test]
fn networks_that_read_earlier_rows_need_an_order() {
    let lines: Vec<String> = lines();
    let message = with_past(&lines, |options| {
        (options.time, options.horizon) = (None, 0);
        options.series.clear();
    });
    says(
        &message.unwrap_err().to_string(),
        &["data.time", "`--time`", "`--series`"],
    );
}

#[test]
fn a_past_does_not_change_the_rows() {
    let plain = made(&lines(), |_| {}).unwrap();
    let with = with_past(&lines(), |_| {}).unwrap();
    assert!(plain.features.same(&with.features));
    assert_eq!((&plain.rows, &plain.split), (&with.rows, &with.split));
    assert!(plain.features.past.is_none() && plain.summary.same_rows(&with.summary));
    assert_ne!(plain.summary.past, with.summary.past);
}

#[test]
fn operating_regimes_are_removed_before_statistics() {
    // Two settings of a mode switch at random; the pressure follows the mode, and rises slowly within it.
    let mode = |hour: i64| (hour * hour + hour / 3) % 7 % 2;
    let pressure = |hour: i64| {
        100.0 + 900.0 * mode(hour) as f64 + 0.05 * (1 + mode(hour)) as f64 * hour as f64
    };
    let mut text = "time,mode,pressure,load\n".to_owned();
    for hour in 0..HOURS {
        let _ = writeln!(
            text,
            "{},{},{:.4},{:.3}",
            time(hour),
            10 * mode(hour),
            pressure(hour),
            load(hour)
        );
    }
    let made = |regimes: &[&str]| {
        read(&text, |options| {
            options.series.clear();
            options.horizon = 0;
            options.history = vec!["pressure.mean5".into()];
            options.regimes = regimes.iter().map(|&name| name.to_owned()).collect();
        })
    };
    let data = made(&["mode"]).unwrap();
    let sequence = data.summary.sequence().unwrap();
    let regimes = sequence.regimes.as_ref().unwrap();
    let centers: Vec<f64> = regimes
        .centers
        .iter()
        .map(|center| center[0].round())
        .collect();
    assert_eq!((centers, regimes.columns.len()), (vec![0.0, 10.0], 1));
    assert!(
        data.summary
            .series
            .as_ref()
            .unwrap()
            .to_string()
            .contains("1 column normalized in 2 regimes of `mode`")
    );
    // What is left rises steadily, and so do the means of five rows.
    let means = numbers(&data, "pressure.mean5");
    let steps = means.windows(2).filter(|pair| pair[1] > pair[0]).count();
    assert!(steps > 220, "{steps}");
    let plain = made(&[]).unwrap();
    let told: Vec<&str> = plain
        .summary
        .warnings
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    says(
        &told.join("\n"),
        &[
            "the settings `mode` switch between 2 combinations of values",
            "1 of the 1 other number column; `--regimes mode`",
        ],
    );
    let plain = numbers(&plain, "pressure.mean5");
    let rises = plain.windows(2).filter(|pair| pair[1] > pair[0]).count();
    assert!(rises < steps - 20, "{rises} {steps}");
    // Another table is normalized by the regimes of this one.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.csv");
    std::fs::write(&path, &text).unwrap();
    let schema = data.summary.schema();
    assert!(schema.iter().any(|(name, _)| name == "mode"));
    let table = Table::read_like(&path, &schema, &Default::default()).unwrap();
    let again =
        limbeck_data::Features::of_table(&table, &data.summary.features, Some(sequence)).unwrap();
    assert!(again.select(&data.rows).same(&data.features));
    says(&made(&["load"]).unwrap_err().to_string(), &["data.regimes"]);
    says(
        &made(&["time"]).unwrap_err().to_string(),
        &["`time` has no numbers"],
    );
}

#[test]
fn regimes_leave_times_as_they_are() {
    let mode = |hour: i64| (hour * hour + hour / 3) % 7 % 2;
    let mut text = "cycle,mode,pressure,load\n".to_owned();
    for hour in 0..HOURS {
        let pressure = 100.0 + 900.0 * mode(hour) as f64 + 0.05 * hour as f64;
        let _ = writeln!(
            text,
            "{hour},{},{pressure:.2},{:.3}",
            mode(hour),
            load(hour)
        );
    }
    let data = read(&text, |options| {
        options.series.clear();
        (options.time, options.horizon) = (Some("cycle".into()), 0);
        options.keep = vec!["cycle".into()];
        options.history = vec!["pressure.lag1".into()];
        options.regimes = vec!["mode".into()];
    })
    .unwrap();
    let sequence = data.summary.sequence().unwrap();
    let names: Vec<&str> = sequence
        .regimes
        .as_ref()
        .unwrap()
        .columns
        .iter()
        .map(|own| own.name.as_str())
        .collect();
    assert_eq!(names, ["pressure"]);
    // A later table is ordered by plain times.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.csv");
    std::fs::write(&path, &text).unwrap();
    let table = Table::read_like(&path, &data.summary.schema(), &Default::default()).unwrap();
    let again =
        limbeck_data::Features::of_table(&table, &data.summary.features, Some(sequence)).unwrap();
    assert!(again.select(&data.rows).same(&data.features));
}

#[test]
fn a_past_is_narrowed_with_the_columns() {
    let data = with_past(&lines(), |_| {}).unwrap();
    let names =
        |data: &Dataset| -> Vec<String> { data.features.past.as_ref().unwrap().table.names() };
    assert!(names(&data).contains(&"rain".to_owned()));
    let narrow = data.without(&["rain".into()]);
    assert!(!names(&narrow).contains(&"rain".to_owned()));
    assert_ne!(narrow.summary.past, data.summary.past);
    // Rows can still be joined with others that have the same columns.
    let mut both = narrow.features.clone();
    both.append(&narrow.features).unwrap();
    assert_eq!(both.past.as_ref().unwrap().at.len(), both.rows);
    let mut plain = narrow.features.clone();
    plain.past = None;
    assert!(narrow.features.clone().append(&plain).is_err());
}
