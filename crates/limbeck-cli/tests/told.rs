//! What commands tell the user about the data: periods, rows unlike the training rows, rows that the run learned from, and grouped warnings.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Place;

/// Writes a table of consecutive days. `level` grows, so that in a split by time, test rows have larger values than all others.
fn days(place: &Place) {
    let row = |row: usize| {
        let (month, day) = (1 + row / 28, 1 + row % 28);
        let x = (row * 37 % 101) as f64 / 10.0;
        let noise = (row * 53 % 89) as f64 / 40.0;
        format!("2018-{month:02}-{day:02},{x},{row},{:.3}", 3.0 * x + noise)
    };
    place.file("days.csv", common::csv("date,x,level,y", 300, row));
    place.file("quick.toml", common::QUICK);
}

fn distill(place: &Place, args: &[&str]) -> common::Outcome {
    let start = [
        "distill",
        "days.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
    ];
    place.limbeck(&[&start[..], args].concat()).succeeds()
}

#[test]
fn distill_by_time_tells_the_periods_and_columns_beyond_training() {
    let place = Place::empty();
    days(&place);
    let keep = ["--keep", "level", "--keep", "date"];
    let args = [&["--time", "date", "--out", "run"][..], &keep].concat();
    let outcome = distill(&place, &args);
    let period = "2018-09-17 to 2018-11-20";
    for part in [
        "Training rows: 2018-01-01 to ",
        &format!("test rows: {period}"),
        // These parts of the date would lie outside the training range in later rows.
        "without elapsed, since in a split by time",
        "2 columns in which most test values lie outside the training range or are new categories: ",
        "`date.month` (80 % outside 1 to 9), `level` (100 % outside 0 to 239)",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    let shifted = outcome
        .stderr
        .matches("(found by check `shifted_test`)")
        .count();
    assert_eq!(shifted, 1, "{}", outcome.stderr);
    let note = format!("60 test rows, {period} (`date`)");
    assert!(outcome.stdout.contains(&note), "{}", outcome.stdout);
    let report = place.json("run/report.json");
    assert_eq!(report["data"]["periods"]["test"]["first"], "2018-09-17");
    assert_eq!(report["data"]["ranges"]["level"]["low"], 0.0);
    let page = place.text("run/report.html");
    assert!(page.contains(&format!("test rows: {period}")));
    assert!(page.contains("RMSE to the teacher") && page.contains("best file without a teacher"));
    // Without `--keep`, the date only orders the rows.
    let said = distill(&place, &["--time", "date", "--out", "plain"]).stderr;
    assert!(
        said.contains("`date` orders the rows. Neither this column nor parts"),
        "{said}"
    );
    // Test rows drawn at random have no period, and values in the training range.
    let said = distill(&place, &["--keep", "level", "--out", "random"]).stderr;
    assert!(
        !said.contains("Training rows:") && !said.contains("shifted_test"),
        "{said}"
    );
}

#[test]
fn result_distinguishes_files_from_means_over_seeds() {
    let place = Place::with_table();
    let shown = place
        .distill(&["--repeats", "3", "--out", "run"])
        .succeeds()
        .stdout;
    let rmse = |name: &str| -> String {
        let line = shown.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no `{name}` in {shown}"));
        let cells = line
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        cells.skip(1).map(str::to_owned).next().unwrap()
    };
    let report = place.json("run/report.json");
    let seeds = report["test_seeds"].as_array().unwrap().len();
    let short = |value: &serde_json::Value| limbeck_distill::proof::short(value.as_f64().unwrap());
    for (name, value) in [
        (
            format!("student alone, mean of {seeds} seeds"),
            &report["test"]["baseline"]["rmse"],
        ),
        (
            format!("student distilled, mean of {seeds} seeds"),
            &report["test"]["distilled"]["rmse"],
        ),
        (
            "shipped file (student ".to_owned(),
            &report["test"]["shipped"]["rmse"],
        ),
        (
            "best file without a teacher (".to_owned(),
            &report["file"]["against"]["test_error"],
        ),
    ] {
        assert_eq!(rmse(&name), short(value), "{name}: {shown}");
    }
    assert_eq!(
        report["file"]["against"]["test"]["rmse"],
        report["file"]["against"]["test_error"]
    );
}

#[test]
fn reports_without_metrics_of_the_best_file_are_shown() {
    let place = Place::with_run();
    let mut report = place.json("run/report.json");
    let test = report["file"]["against"]
        .as_object_mut()
        .unwrap()
        .remove("test");
    assert!(test.is_some());
    let name = "best file without a teacher (";
    for (best, has_row) in [("linear", true), ("mlp", false)] {
        report["baselines"]["best"] = best.into();
        place.file("run/report.json", report.to_string());
        let shown = place.limbeck(&["inspect", "run"]).succeeds().stdout;
        // For networks, only means over seeds are known, not the metrics of one file.
        let rows = shown.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(rows, usize::from(has_row), "{best}: {shown}");
    }
}

#[test]
fn evaluate_recognizes_rows_that_the_run_learned_from() {
    let place = Place::with_run();
    let told = |table: &str| place.limbeck(&["evaluate", "run", table]).succeeds().stderr;
    let own = told("sensor.csv");
    assert!(own.contains("from about 80 % of these rows"), "{own}");
    // New rows of the same simulated sensor.
    limbeck_data::simulate::thermistor(300, 8)
        .write_csv(place.path("fresh.csv"))
        .unwrap();
    assert!(
        !told("fresh.csv").contains("learned"),
        "{}",
        told("fresh.csv")
    );
    // The same rows in another format and order are recognized; with --quiet, there is no warning.
    let text = place.text("sensor.csv");
    let (head, body) = text.split_once('\n').unwrap();
    let mut lines: Vec<&str> = body.lines().collect();
    lines.reverse();
    place.file("turned.csv", format!("{head}\n{}\n", lines.join("\n")));
    assert!(told("turned.csv").contains("from about 80 % of these rows"));
    let quiet = place
        .limbeck(&["evaluate", "run", "sensor.csv", "--quiet"])
        .succeeds();
    assert_eq!(quiet.stderr, "");
    // Only the run's test rows, taken from its table of predictions.
    let predictions =
        limbeck_data::Table::read(place.path("run/predictions.parquet"), &Default::default())
            .unwrap();
    let row = predictions
        .columns
        .iter()
        .find(|column| column.name == "row")
        .unwrap();
    let limbeck_data::Values::Number(rows) = &row.values else {
        panic!("numbers")
    };
    lines.reverse();
    let test: Vec<&str> = rows.iter().map(|&row| lines[row as usize]).collect();
    place.file("test.csv", format!("{head}\n{}\n", test.join("\n")));
    assert!(
        !told("test.csv").contains("learned"),
        "{}",
        told("test.csv")
    );
}

#[test]
fn predict_and_evaluate_count_values_outside_the_training_range() {
    let place = Place::with_run();
    let text = place.text("sensor.csv");
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    let at = head.split(',').position(|name| name == "supply_v").unwrap();
    // Every tenth row is in millivolts.
    let scaled = |(row, line): (usize, &str)| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if row % 10 == 0 && !cells[at].is_empty() {
            cells[at] = (1000.0 * cells[at].parse::<f64>().unwrap()).to_string();
        }
        cells.join(",") + "\n"
    };
    let lines: String = lines.enumerate().map(scaled).collect();
    place.file("odd.csv", format!("{head}\n{lines}"));
    let expected = "column `supply_v`: 30 of 300 rows are above the training range";
    for command in ["predict", "evaluate"] {
        let said = place
            .limbeck(&[command, "run", "odd.csv"])
            .succeeds()
            .stderr;
        assert!(said.contains(expected), "{command}: {said}");
        assert_eq!(said.matches("column `").count(), 1, "{command}: {said}");
        let said = place
            .limbeck(&[command, "run", "odd.csv", "--quiet"])
            .succeeds()
            .stderr;
        assert_eq!(said, "", "{command}");
    }
    let usual = place
        .limbeck(&["predict", "run", "sensor.csv"])
        .succeeds()
        .stderr;
    assert!(!usual.contains("training range"), "{usual}");
    // Predictions are the same with and without the warning.
    let shown = |args: &[&str]| place.limbeck(args).succeeds().stdout;
    assert_eq!(
        shown(&["predict", "run", "odd.csv"]),
        shown(&["predict", "run", "odd.csv", "--quiet"])
    );
}

#[test]
fn warnings_of_one_kind_are_one_line_and_whole_in_the_report() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    let row = |row: usize| {
        let cell = |of: usize| match row % 50 == of {
            true => if of.is_multiple_of(2) { "?" } else { "NA" }.to_owned(),
            false => (row * (31 + 2 * of) % 101).to_string(),
        };
        let cells: Vec<String> = (0..6).map(cell).collect();
        format!(
            "{},{:.2}",
            cells.join(","),
            (row * 31 % 101) as f64 / 3.0 + (row * 53 % 89) as f64 / 30.0
        )
    };
    place.file("days.csv", common::csv("a,b,c,d,e,f,y", 300, row));
    let said = distill(&place, &["--out", "run"]).stderr;
    let warnings: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("missing_marker"))
        .collect();
    assert_eq!(warnings.len(), 1, "{said}");
    for part in [
        "6 columns with cells read as missing: `a` (`?` in 6 cells), `b` (`NA` in 6 cells)",
        " and 2 more",
    ] {
        assert!(warnings[0].contains(part), "{said}");
    }
    let report = place.json("run/report.json");
    let all = report["data"]["warnings"].as_array().unwrap();
    let markers: Vec<_> = all
        .iter()
        .filter(|one| one["check"] == "missing_marker")
        .collect();
    assert_eq!(markers.len(), 6);
    assert_eq!(markers[5]["column"], "f");
    let page = place.text("run/report.html");
    assert_eq!(page.matches("cells read as missing").count(), 1);
}
