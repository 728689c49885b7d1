//! Tables whose rows form series: from `distill` to a prediction for each new row.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says that it is skipped"
)]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::series::{column, distill, place, report, rows};
use common::{Place, QUICK, TARGET};

/// A folder with a run in `run` that predicts the load of the next row.
fn with_forecasts() -> Place {
    let place = place(rows(3, 200), QUICK);
    distill(&place, "--horizon 1 --window 4 --out run").succeeds();
    place
}

#[test]
fn a_forecast_is_distilled_and_streams() {
    let place = place(rows(3, 200), QUICK);
    let told = distill(&place, "--horizon 2 --window 6 --out run").succeeds();
    let said = told.stderr + &told.stdout;
    assert!(
        said.contains("3 series of 200 rows, usually 1 h apart, no gaps"),
        "{said}"
    );
    assert!(
        said.contains("predicted is the value 2 rows later, learned as change"),
        "{said}"
    );
    assert!(said.contains("leak audit: 2 tests passed"), "{said}");
    assert!(said.contains("persistence (no model)"), "{said}");
    let report = report(&place, "run");
    assert_eq!(report["naive"][0]["name"], "persistence");
    assert_eq!(
        report["data"]["series"]["audit"].as_array().unwrap().len(),
        2
    );
    // The rows of test predictions are those that `predict` makes, whatever the size of its blocks.
    place
        .limbeck(&["predict", "run", "machines.csv", "-o", "whole.csv"])
        .succeeds();
    let whole = column(&place, "whole.csv", "prediction");
    let rows = column(&place, "run/predictions.parquet", "row");
    let shipped = column(&place, "run/predictions.parquet", "shipped");
    assert!(rows.len() > 50);
    for (row, shipped) in rows.iter().zip(&shipped) {
        let found = whole[*row as usize];
        assert!(
            (found - shipped).abs() < 1e-4 * shipped.abs(),
            "row {row}: {found} {shipped}"
        );
    }
    // The file alone knows its series.
    place
        .limbeck(&[
            "predict",
            "run/student.limbeck",
            "machines.csv",
            "-o",
            "file.csv",
        ])
        .succeeds();
    assert_eq!(column(&place, "file.csv", "prediction"), whole);
    let measured = place
        .limbeck(&["evaluate", "run", "machines.csv", "--json"])
        .succeeds();
    let measured: serde_json::Value = serde_json::from_str(&measured.stdout).unwrap();
    // Two rows of each machine have no row two hours later.
    assert_eq!(
        (&measured["rows"], &measured["missing"]),
        (&594.into(), &6.into())
    );
    assert!(measured["r2"].as_f64().unwrap() > 0.9, "{measured}");
    place.limbeck(&["verify", "run"]).succeeds();
}

#[test]
fn a_look_back_without_a_horizon_holds_out_series() {
    let place = place(rows(12, 50), QUICK);
    let told = distill(&place, "--history rain.lag1,rain.mean3 --out run").succeeds();
    assert!((told.stderr + &told.stdout).contains("whole series are held out"));
    let report = report(&place, "run");
    let names: Vec<&str> = report["data"]["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["rain", "rain.lag1", "rain.mean3"]);
    assert!(report["naive"].is_null());
}

#[test]
fn rows_that_are_no_series_are_refused_with_the_place() {
    let place = place(rows(3, 200), QUICK);
    let told = distill(&place, "--history lag1 --out run").succeeds();
    // With three series, the last rows in time are held out.
    assert!((told.stderr + &told.stdout).contains("the last rows in time are held out"));
    let text = place.text("machines.csv");
    let lines: Vec<&str> = text.lines().collect();
    let swapped = [&lines[..4], &lines[7..9], &lines[4..7]]
        .concat()
        .join("\n");
    place.file("swapped.csv", swapped);
    let told = place.limbeck(&["predict", "run", "swapped.csv"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    for part in [
        "swapped.csv: row 6 (line 7), column `hour`: the time is earlier than that of the row before it with the same `machine`",
        "sort the rows by `hour`",
    ] {
        assert!(told.stderr.contains(part), "{}", told.stderr);
    }
    let empty = text.replacen("m1,2024-01-01 00:00", ",2024-01-01 00:00", 1);
    place.file("empty.csv", empty);
    let told = place.limbeck(&["predict", "run", "empty.csv"]);
    assert!(
        told.stderr
            .contains("row 2 (line 3), column `machine`: found an empty cell"),
        "{}",
        told.stderr
    );
    let lacking = text.replace("hour", "when");
    place.file("lacking.csv", lacking);
    let told = place.limbeck(&["predict", "run", "lacking.csv"]);
    assert!(told.stderr.contains("no column `hour`"), "{}", told.stderr);
    let alone = place.limbeck(&[
        "inspect",
        "machines.csv",
        "--target",
        "load",
        "--time",
        "hour",
        "--history",
        "lag1",
    ]);
    assert!(
        alone.stderr.contains("use `--series machine`"),
        "{}",
        alone.stderr
    );
    let untimed = place.limbeck(&[
        "inspect",
        "machines.csv",
        "--target",
        "load",
        "--horizon",
        "2",
    ]);
    assert!(
        untimed.stderr.contains("set `data.time` too"),
        "{}",
        untimed.stderr
    );
}

#[test]
fn exported_c_follows_the_series() {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: no C compiler");
        return;
    }
    let place = with_forecasts();
    place.limbeck(&["export", "run", "--to", "c"]).succeeds();
    let header = place.text("run/export/student.h");
    assert!(
        header.contains("double student_push(student_state *state, student_row *row);"),
        "{header}"
    );
    // One machine alone, by the C code and by `predict`.
    let text = place.text("machines.csv");
    let own = text
        .lines()
        .filter(|line| line.starts_with("machine") || line.starts_with("m1"));
    place.file("one.csv", own.collect::<Vec<_>>().join("\n"));
    place
        .limbeck(&["predict", "run", "one.csv", "-o", "predicted.csv"])
        .succeeds();
    let expected = column(&place, "predicted.csv", "prediction");
    let (rain, load) = (
        column(&place, "one.csv", "rain"),
        column(&place, "one.csv", "load"),
    );
    let pushes: String = rain
        .iter()
        .zip(&load)
        .map(|(rain, load)| {
            format!("    row.rain = {rain}; row.load = {load}; printf(\"%.17g\\n\", student_push(&state, &row));\n")
        })
        .collect();
    place.file(
        "main.c",
        format!(
            "#include \"run/export/student.h\"\n#include <stdio.h>\nint main(void)\n{{\n    student_row row;\n    student_state state;\n    student_reset(&state);\n{pushes}    return 0;\n}}\n"
        ),
    );
    let built = Command::new("cc")
        .args(["main.c", "run/export/student.c", "-o", "main", "-lm"])
        .current_dir(place.path("."))
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let output = Command::new(place.path("main")).output().unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let found: Vec<f64> = found.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 1e-4 * expected.abs(),
            "{found} {expected}"
        );
    }
}

#[test]
fn each_row_is_answered_before_the_next_one_comes() {
    let place = with_forecasts();
    place
        .limbeck(&["predict", "run", "machines.csv", "-o", "whole.csv"])
        .succeeds();
    let (text, whole) = (place.text("machines.csv"), place.text("whole.csv"));
    let mut child = place
        .command(&["predict", "run", "-", "--stream", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || answers.for_each(|line| drop(send.send(line.unwrap()))));
    let wait = || receive.recv_timeout(Duration::from_secs(20)).unwrap();
    for (line, expected) in text.lines().zip(whole.lines()).take(40) {
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
        assert_eq!(wait(), expected);
    }
    // The last row has no line end; an error names the row.
    write!(input, "m1,2024-01-01 00:00,1,2").unwrap();
    drop(input);
    let told = child.wait_with_output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(
        told.contains("standard input: row 40 (line 41), column `hour`: the time is earlier"),
        "{told}"
    );
    place.refuses(
        &["predict", "run", "machines.csv", "--stream"],
        &["--stream reads text from standard input"],
    );
}

/// Checks the folder `run`, which forecasts one row and three rows ahead.
fn check_horizons(place: &Place, run: &str) {
    let list = place.text(&format!("{run}/targets.json"));
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    let names: Vec<&str> = list
        .iter()
        .map(|one| one["target"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["load.ahead1", "load.ahead3"]);
    let predicted = format!("{run}.csv");
    place
        .limbeck(&["predict", run, "machines.csv", "-o", &predicted])
        .succeeds();
    for (rows, folder) in [(1, "load_ahead1"), (3, "load_ahead3")] {
        let report = report(place, &format!("{run}/{folder}"));
        assert_eq!(report["data"]["series"]["sequence"]["horizon"], rows);
        assert_eq!(report["naive"][0]["name"], "persistence");
        let whole = column(place, &predicted, &format!("prediction_load.ahead{rows}"));
        let tested = format!("{run}/{folder}/predictions.parquet");
        let (of, shipped) = (
            column(place, &tested, "row"),
            column(place, &tested, "shipped"),
        );
        let load = column(place, "machines.csv", "load");
        let target = column(place, &tested, "target");
        assert!(of.len() > 50);
        for (at, row) in of.iter().map(|row| *row as usize).enumerate() {
            // Three machines take turns.
            let ahead = load[row + 3 * rows];
            assert!((target[at] - ahead).abs() < 1e-12, "row {row}");
            let found = whole[row];
            assert!((found - shipped[at]).abs() < 1e-4 * found.abs(), "{row}");
        }
    }
    let measured = place
        .limbeck(&["evaluate", run, "machines.csv", "--json"])
        .succeeds();
    let measured: serde_json::Value = serde_json::from_str(&measured.stdout).unwrap();
    let of = |at: usize| {
        (
            measured[at]["target"].clone(),
            measured[at]["missing"].clone(),
        )
    };
    assert_eq!(of(0), ("load.ahead1".into(), 3.into()), "{measured}");
    assert_eq!(of(1), ("load.ahead3".into(), 9.into()), "{measured}");
    assert!(measured[1]["r2"].as_f64().unwrap() > 0.9, "{measured}");
    let page = place.text(&format!("{run}/report.html"));
    assert!(page.contains("data-by=\"horizon\""));
}

#[test]
fn several_horizons_share_a_student() {
    let place = place(rows(3, 200), QUICK);
    distill(&place, "--horizon 1,3 --window 4 --joint --out run").succeeds();
    check_horizons(&place, "run");
    let text = place.text("run/load_ahead3/recipe.toml");
    assert!(text.contains("horizon = 3") && text.contains("horizons = [1]"));
    // Rows of a stream get both forecasts.
    let line = "limbeck predict run - --stream < machines.csv > live.csv";
    place.shell(line).succeeds();
    let live = place.text("live.csv");
    let lines: Vec<&str> = live.lines().collect();
    assert!(lines[0].ends_with("prediction_load.ahead1,prediction_load.ahead3"));
    assert_eq!(lines.len(), 601);
}

#[test]
fn each_horizon_has_its_own_run_without_joint() {
    let place = place(rows(3, 200), QUICK);
    distill(&place, "--horizon 1,3 --window 4 --out each").succeeds();
    check_horizons(&place, "each");
    distill(&place, "--horizon 2,2 --out twice").fails(&["the horizon 2 is given twice"]);
}

#[test]
fn a_linear_teacher_forecasts_a_series_that_drifts() {
    let place = place(rows(3, 200), QUICK);
    distill(&place, "--horizon 2 --window 6 --teacher linear --out run").succeeds();
    let found = report(&place, "run");
    assert_eq!(found["teacher"]["kind"], "linear");
    let rmse = |model: &serde_json::Value| model["rmse"].as_f64().unwrap();
    // The load follows the rain of the hours before, which a linear model of them finds.
    assert!(
        rmse(&found["test"]["teacher"]) < 0.9 * rmse(&found["naive"][0]),
        "{found}"
    );
    place
        .limbeck(&["predict", "run", "machines.csv", "-o", "predicted.csv"])
        .succeeds();
}

#[test]
fn a_linear_teacher_takes_its_penalties_from_the_recipe() {
    let place = Place::with_table();
    let recipe = QUICK.replace("kind = 'trees'", "kind = 'linear'");
    let distill = |recipe: &str| {
        let sensor = ["distill", "sensor.csv", "--target", TARGET];
        place.limbeck(&[&sensor[..], &["--recipe", recipe, "--out", "run"]].concat())
    };
    let refused = recipe.clone() + "[teacher.linear]\npenalties = [0.0]\n";
    place.file("wrong.toml", refused);
    let refused = distill("wrong.toml");
    assert!(
        refused.stderr.contains("teacher.linear.penalties"),
        "{}",
        refused.stderr
    );
    place.file(
        "linear.toml",
        recipe + "[teacher.linear]\npenalties = [0.5]\n",
    );
    distill("linear.toml").succeeds();
    assert_eq!(report(&place, "run")["teacher"]["kind"], "linear");
    let recipe = place.text("run/recipe.toml");
    assert!(
        recipe.contains("[teacher.linear]\npenalties = [0.5]"),
        "{recipe}"
    );
}
