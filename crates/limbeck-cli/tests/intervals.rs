//! Prediction intervals from the command line: training, prediction, evaluation, export, refusals.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use common::{Place, TARGET};
use limbeck_data::simulate;

/// A folder with `many.csv` (900 rows) and a run with intervals in `run`.
fn place(args: &[&str]) -> Place {
    let place = Place::with_table();
    simulate::thermistor(900, 3)
        .write_csv(place.path("many.csv"))
        .unwrap();
    let fixed = [
        "distill",
        "many.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
        "--out",
        "run",
        "--quiet",
    ];
    place.limbeck(&[&fixed[..], args].concat()).succeeds();
    place
}

/// The numbers of a column of a CSV table without quotes.
fn column(text: &str, name: &str) -> Vec<f64> {
    let mut lines = text.lines();
    let at = lines
        .next()
        .unwrap()
        .split(',')
        .position(|own| own == name)
        .unwrap();
    lines
        .map(|line| line.split(',').nth(at).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn intervals_go_from_training_to_prediction_and_export() {
    let place = place(&["--interval", "0.9,0.85", "--export", "c,onnx"]);
    let report = place.json("run/report.json");
    let found = &report["prediction_intervals"];
    assert_eq!(
        (found["calibrated_on"].as_str(), found["rows"].as_u64()),
        (Some("held_out"), Some(108))
    );
    let levels: Vec<f64> = found["levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["level"].as_f64().unwrap())
        .collect();
    assert_eq!(levels, [0.8, 0.85, 0.9, 0.95]);
    // 180 test rows and 108 calibration rows: a standard deviation of 3.7 %.
    let covered = found["levels"][2]["coverage"].as_f64().unwrap();
    assert!((0.78..=1.0).contains(&covered), "{covered}");
    // Calibration rows are in no other part.
    let rows = |part: &str| report["data"][part].as_u64().unwrap();
    assert_eq!(
        rows("train") + rows("valid") + rows("test") + 108,
        rows("rows")
    );
    assert!(
        place
            .text("run/report.html")
            .contains("Prediction intervals")
    );

    let out = place
        .limbeck(&["predict", "run", "many.csv", "--interval", "0.9"])
        .succeeds()
        .stdout;
    let [y, low, high] =
        ["prediction", "prediction_low", "prediction_high"].map(|name| column(&out, name));
    assert!((0..y.len()).all(|row| low[row] < y[row] && y[row] < high[row]));
    let plain = place
        .limbeck(&["predict", "run", "many.csv"])
        .succeeds()
        .stdout;
    assert_eq!(column(&plain, "prediction"), y);

    // `evaluate` counts what `predict` writes.
    let truth = column(&out, TARGET);
    let inside = (0..y.len())
        .filter(|&row| low[row] <= truth[row] && truth[row] <= high[row])
        .count();
    let json = place
        .limbeck(&[
            "evaluate",
            "run",
            "many.csv",
            "--interval",
            "0.9",
            "--json",
            "--quiet",
        ])
        .succeeds()
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let coverage = json["intervals"][0]["coverage"].as_f64().unwrap();
    assert!((coverage - inside as f64 / y.len() as f64).abs() < 1e-9);
    let text = place
        .limbeck(&["evaluate", "run", "many.csv", "--interval", "0.9"])
        .succeeds()
        .stdout;
    assert!(
        text.contains("at 90 %") && text.contains("mean width"),
        "{text}"
    );

    // Exported files have the levels of the recipe, or others.
    assert!(
        place
            .text("run/export/student.h")
            .contains("STUDENT_LEVEL_85 = 0")
    );
    place
        .limbeck(&[
            "export",
            "run",
            "--to",
            "c",
            "--name",
            "other",
            "--interval",
            "0.95",
        ])
        .succeeds();
    assert!(
        place
            .text("run/export/other.h")
            .contains("OTHER_LEVEL_95 = 0")
    );
    place.limbeck(&["verify", "run"]).succeeds();
}

#[test]
fn levels_that_cannot_be_kept_are_refused() {
    let place = place(&["--interval", "0.9"]);
    let predict = |level: &str| place.limbeck(&["predict", "run", "many.csv", "--interval", level]);
    // 108 calibration rows: 99.1 % needs 199 (the next level is 99.5 %).
    predict("0.991").fails(&["found 0.991", "needs 199", "there were 108"]);
    predict("90").fails(&["expected 0.5 to 0.9999"]);
    place.distill(&["--out", "plain"]).succeeds();
    let none = place.limbeck(&["predict", "plain", "many.csv", "--interval", "0.9"]);
    none.fails(&["no prediction intervals", "--interval 0.9"]);
    // Without the option, the report has no trace of it.
    let report = place.text("plain/report.json");
    assert!(!report.contains("interval_") && !report.contains("prediction_intervals"));
    let other = Place::with_table();
    let refuse = |args: &[&str], parts: &[&str]| other.refuses_distill(args, parts);
    refuse(&["--interval", "1.5"], &["intervals", "0.9999"]);
    refuse(
        &["--interval", "0.9999"],
        &["needs at least 9999 rows", "found 240"],
    );
    refuse(
        &["--interval-width", "constant"],
        &["interval_width", "intervals"],
    );
    refuse(&["--interval", "0.9", "--quantile", "0.5"], &["intervals"]);
}

#[test]
fn few_rows_are_calibrated_in_folds_and_repeat() {
    let place = Place::with_table();
    place
        .distill(&["--interval", "0.9", "--out", "one"])
        .succeeds();
    place
        .distill(&["--interval", "0.9", "--out", "two"])
        .succeeds();
    let found = place.json("one/report.json")["prediction_intervals"].clone();
    // All 240 training and validation rows.
    assert_eq!(
        (found["calibrated_on"].as_str(), found["rows"].as_u64()),
        (Some("folds"), Some(240))
    );
    assert_eq!(
        place.bytes("one/student.limbeck"),
        place.bytes("two/student.limbeck")
    );
    // The student predicts what it predicts without intervals.
    place.distill(&["--out", "plain"]).succeeds();
    let predict = |run: &str| {
        place
            .limbeck(&["predict", run, "sensor.csv"])
            .succeeds()
            .stdout
    };
    assert_eq!(predict("one"), predict("plain"));
}

#[test]
fn joint_student_has_intervals_of_each_target() {
    let place = Place::empty();
    let row = |i: usize| {
        let x = (i * 37 % 601) as f64 / 601.0;
        let noise = (i * 211 % 97) as f64 / 970.0;
        format!(
            "{x},{},{}",
            (6.0 * x).sin() + noise,
            100.0 * x * x + 30.0 * noise
        )
    };
    place.file("t.csv", common::csv("x,sine,square", 600, row));
    place.file("quick.toml", common::QUICK);
    let args = [
        "distill",
        "t.csv",
        "--target",
        "sine,square",
        "--joint",
        "--recipe",
        "quick.toml",
        "--out",
        "run",
        "--interval",
        "0.9",
        "--quiet",
    ];
    place.limbeck(&args).succeeds();
    let out = place
        .limbeck(&["predict", "run", "t.csv", "--interval", "0.9"])
        .succeeds()
        .stdout;
    for target in ["sine", "square"] {
        let [y, low, high] =
            ["", "_low", "_high"].map(|end| column(&out, &format!("prediction_{target}{end}")));
        assert!((0..y.len()).all(|row| low[row] < y[row] && y[row] < high[row]));
        let alone = place
            .limbeck(&[
                "predict",
                &format!("run/{target}"),
                "t.csv",
                "--interval",
                "0.9",
            ])
            .succeeds()
            .stdout;
        // Both predict in single precision; the second target has values of about 100.
        let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4 * (1.0 + a.abs());
        assert!(column(&alone, "prediction_low").iter().zip(&low).all(close));
    }
    place.limbeck(&["verify", "run"]).succeeds();
}
