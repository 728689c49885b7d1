//! Judges of forecasts and further measures, from the command line to the report.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::series::{column, distill, place, report, rows};
use common::{Place, QUICK};
use limbeck_data::{ReadOptions, Table, Values};

/// The rows of the table with this part of the split, from the labels of a run.
fn rows_of(place: &Place, part: &str) -> Vec<usize> {
    let table = Table::read(place.path("run/labels.parquet"), &ReadOptions::default()).unwrap();
    let row = column(place, "run/labels.parquet", "row");
    let Values::Category { codes, levels } = &table.column("set").unwrap().values else {
        panic!("the column `set` has texts");
    };
    let rows = codes.iter().zip(row);
    rows.filter(|(code, _)| levels[**code as usize] == part)
        .map(|(_, row)| row as usize)
        .collect()
}

fn close(found: &serde_json::Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!(
        (found - expected).abs() < 1e-6 * expected.abs(),
        "{found} {expected}"
    );
}

#[test]
fn judges_and_measures_of_a_forecast_agree_with_its_predictions() {
    let place = place(rows(3, 200), QUICK);
    let told = distill(&place, "--horizon 2 --window 6 --judge har --out run").succeeds();
    let said = told.stderr + &told.stdout;
    for part in [
        "linear on lags (no teacher)",
        "HAR (no teacher)",
        "R² of levels",
        "R² of changes",
        "MASE: mean absolute error, divided by that of persistence on training rows",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let report = report(&place, "run");
    let names = |list: &serde_json::Value| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let judges = ["persistence", "linear on lags", "HAR"];
    assert_eq!(names(&report["naive"]), judges);
    let models = ["teacher", "baseline", "distilled", "shipped"];
    assert_eq!(
        names(&report["measures"]["models"]),
        [&models[..], &judges].concat()
    );

    // The table has the rows of three machines in turn: two hours later is six rows later.
    let load = column(&place, "machines.csv", "load");
    let mut scale = [(0.0, 0.0); 3];
    for row in rows_of(&place, "train") {
        let own = &mut scale[row % 3];
        *own = (own.0 + (load[row + 6] - load[row]).abs(), own.1 + 1.0);
    }
    let test = column(&place, "run/predictions.parquet", "row");
    let shipped = column(&place, "run/predictions.parquet", "shipped");
    let (mut mase, mut right, mut changed) = (0.0, 0.0, 0.0);
    for (row, shipped) in test.iter().zip(&shipped) {
        let row = *row as usize;
        let (sum, count) = scale[row % 3];
        mase += (shipped - load[row + 6]).abs() / (sum / count) / test.len() as f64;
        let (truth, predicted) = (load[row + 6] - load[row], shipped - load[row]);
        if truth.abs() > 0.0 {
            changed += 1.0;
            right += f64::from(u8::from(truth * predicted > 0.0));
        }
    }
    let own = &report["measures"]["models"][3];
    close(&own["mase"], mase);
    close(&own["direction"]["value"], right / changed);
    assert!(own["direction"]["low"].as_f64().unwrap() < right / changed);
    // Persistence predicts no change.
    assert_eq!(report["measures"]["models"][4]["direction"]["value"], 0.5);
    let page = place.text("run/report.html");
    assert!(page.contains("Further measures") && page.contains("Error by series"));
    assert!(page.contains("R² of changes"));
}

#[test]
fn the_score_of_remaining_life_is_also_measured_without_the_cap() {
    let place = place(rows(12, 50), QUICK);
    let told = distill(
        &place,
        "--history rain.lag1 --target-cap 300 --measure phm08 --out run",
    )
    .succeeds();
    assert!((told.stderr + &told.stdout).contains("PHM08 without cap"));
    let report = report(&place, "run");
    let own = &report["measures"]["models"][3];
    let load = column(&place, "machines.csv", "load");
    let test = column(&place, "run/predictions.parquet", "row");
    let shipped = column(&place, "run/predictions.parquet", "shipped");
    let score = |late: f64| {
        let rate = if late < 0.0 {
            -late / 13.0
        } else {
            late / 10.0
        };
        rate.exp() - 1.0
    };
    let (mut capped, mut whole, mut squares) = (0.0, 0.0, 0.0);
    for (row, shipped) in test.iter().zip(&shipped) {
        let truth = load[*row as usize];
        capped += score(shipped - truth.min(300.0));
        whole += score(shipped - truth);
        squares += (shipped - truth).powi(2);
    }
    assert!(test.iter().any(|row| load[*row as usize] > 300.0));
    close(&own["phm08"], capped);
    close(&own["uncapped"]["phm08"], whole);
    close(
        &own["uncapped"]["rmse"],
        (squares / test.len() as f64).sqrt(),
    );
    // Without a horizon, there are no judges, and no measures of forecasts.
    assert!(report["naive"].is_null() && own["mase"].is_null());
    assert!(!place.text("run/report.html").contains("Error by series"));
}

/// Hourly rows of machines whose load is a noisy variance, always above 1.
fn variances() -> String {
    let mut text = "machine,hour,rain,load\n".to_owned();
    for hour in 0..200_u64 {
        for machine in 0..3 {
            let mixed = (hour * 7919 + machine * 104_729 + 11).wrapping_mul(2_654_435_761) % 65_536;
            let load = 1.0 + mixed as f64 / 65_536.0 + (hour % 10) as f64 / 5.0;
            text += &format!("m{machine},{hour},{},{load:.5}\n", hour % 7);
        }
    }
    text
}

#[test]
fn qlike_is_measured_of_variances_and_of_logarithms() {
    let place = place(variances(), QUICK);
    let forecast = "--horizon 3 --forecast mean --window 6 --out run";
    distill(&place, &format!("{forecast} --measure qlike")).succeeds();
    // Forecasts below the smallest variance of training and validation rows are raised to it.
    let load = column(&place, "machines.csv", "load");
    let truth = |row: usize| (load[row + 3] + load[row + 6] + load[row + 9]) / 3.0;
    let learned = [rows_of(&place, "train"), rows_of(&place, "valid")].concat();
    let least = learned
        .iter()
        .map(|&row| truth(row))
        .fold(f64::INFINITY, f64::min);
    let test = column(&place, "run/predictions.parquet", "row");
    let shipped = column(&place, "run/predictions.parquet", "shipped");
    let (mut losses, mut raised) = (0.0, 0_usize);
    for (row, &forecast) in test.iter().zip(&shipped) {
        let ratio = truth(*row as usize) / forecast.max(least);
        losses += ratio - ratio.ln() - 1.0;
        raised += usize::from(forecast < least);
    }
    let found = report(&place, "run");
    let own = &found["measures"]["models"][3];
    close(&own["qlike"], losses / test.len() as f64);
    assert_eq!(own["qlike_raised"].as_u64().unwrap_or(0), raised as u64);
    assert!(own["qlike_factor"].is_null());
    // Read as a logarithm of a variance, it is transformed with a factor: the mean of exponentials is above the exponential of the mean.
    let forced = forecast.replace("--out run", "--out logs");
    distill(&place, &format!("{forced} --measure qlike_log_variance")).succeeds();
    let found = report(&place, "logs");
    for model in found["measures"]["models"].as_array().unwrap() {
        assert!(model["qlike"].as_f64().unwrap() > 0.0, "{model}");
        assert!(model["qlike_factor"].as_f64().unwrap() > 0.9, "{model}");
    }
    let two = distill(
        &place,
        &format!("{forecast} --measure qlike,qlike_volatility"),
    );
    assert!(
        two.stderr
            .contains("found qlike and qlike_volatility, expected one of them"),
        "{}",
        two.stderr
    );
    let without = distill(&place, "--judge har --out none");
    assert!(
        without.stderr.contains("data.horizon"),
        "{}",
        without.stderr
    );
}
