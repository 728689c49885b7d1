//! Recurrent students: from `distill` to a prediction for each new row.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says that it is skipped"
)]

mod common;

use std::fmt::Write as _;
use std::process::Command;

use common::series::{column, distill, place, report, rows};
use common::{Outcome, Place};

/// A recipe that makes runs quickly.
const QUICK: &str = "\
repeats = 1
[teacher]
kind = 'trees'
folds = 3
[teacher.trees]
rounds = 20
[transfer]
window_rows = 200
[student]
params = 300
steps = 150
trials = 1
";

fn limbeck(place: &Place, args: &str) -> Outcome {
    place.limbeck(&args.split(' ').collect::<Vec<_>>())
}

/// Asserts that two lists of predictions are equal up to rounding.
fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        assert!(
            apart < 1e-4 * (1.0 + expected.abs()),
            "row {row}: {found} {expected}"
        );
    }
}

/// The predictions of the run `run` for the rows of a table, one after the other.
fn streamed(place: &Place, table: &str) -> Vec<f64> {
    let out = format!("stream-{table}");
    let streamed = place
        .command(&["predict", "run", "-", "--stream", "-o", &out])
        .stdin(std::fs::File::open(place.path(table)).unwrap())
        .output()
        .unwrap();
    assert!(streamed.status.success(), "{streamed:?}");
    column(place, &out, "prediction")
}

#[test]
fn a_recurrent_student_is_distilled_and_reads_the_rows_before() {
    let place = place(rows(3, 150), QUICK);
    distill(&place, "--student gru --window 6 --out run").succeeds();
    let report = report(&place, "run");
    assert_eq!(report["student"]["kind"], "gru");
    assert_eq!(report["data"]["series"]["sequence"]["rows_before"], 5);
    limbeck(&place, "predict run machines.csv -o whole.csv").succeeds();
    let whole = column(&place, "whole.csv", "prediction");
    let tested = column(&place, "run/predictions.parquet", "row");
    let shipped = column(&place, "run/predictions.parquet", "shipped");
    let again: Vec<f64> = tested.iter().map(|&row| whole[row as usize]).collect();
    assert!(tested.len() > 50);
    assert_near(&again, &shipped);
    // The file alone knows its series, and answers row by row as well.
    limbeck(
        &place,
        "predict run/student.limbeck machines.csv -o file.csv",
    )
    .succeeds();
    assert_eq!(column(&place, "file.csv", "prediction"), whole);
    assert_eq!(streamed(&place, "machines.csv"), whole);
    // A prediction depends on the five rows before its row, and on no others.
    let text = place.text("machines.csv");
    let lines: Vec<&str> = text.lines().collect();
    let later = |from: usize| {
        let kept: Vec<&str> = [lines[0]]
            .into_iter()
            .chain(lines[1 + 3 * from..].iter().copied())
            .collect();
        place.file("later.csv", kept.join("\n"));
        std::fs::remove_file(place.path("later.out.csv")).ok();
        limbeck(&place, "predict run later.csv -o later.out.csv").succeeds();
        column(&place, "later.out.csv", "prediction")
    };
    let found = later(60);
    assert_eq!(found[15..], whole[195..]);
    assert!(
        found[..3]
            .iter()
            .zip(&whole[180..])
            .all(|(a, b)| (a - b).abs() > 0.0)
    );
    limbeck(&place, "verify run").succeeds();
    let shown = limbeck(&place, "inspect run/student.limbeck").succeeds();
    let found = shown.stdout.contains("gru") && shown.stdout.contains("the last 6 rows");
    assert!(found, "{}", shown.stdout);
    let measured = limbeck(&place, "evaluate run machines.csv --json").succeeds();
    let measured: serde_json::Value = serde_json::from_str(&measured.stdout).unwrap();
    assert_eq!(measured["rows"], 450);
}

#[test]
fn a_carried_student_goes_on_from_row_to_row_and_from_block_to_block() {
    let place = place(rows(3, 150), QUICK);
    distill(
        &place,
        "--student gru --memory carried --window 6 --out run",
    )
    .succeeds();
    limbeck(&place, "predict run machines.csv -o whole.csv").succeeds();
    let whole = column(&place, "whole.csv", "prediction");
    // The report judges the student as it is used: over whole series.
    let tested = column(&place, "run/predictions.parquet", "row");
    let shipped = column(&place, "run/predictions.parquet", "shipped");
    let again: Vec<f64> = tested.iter().map(|&row| whole[row as usize]).collect();
    assert!(tested.len() > 50);
    assert_near(&again, &shipped);
    assert_near(&streamed(&place, "machines.csv"), &whole);
    limbeck(&place, "verify run").succeeds();
    let shown = limbeck(&place, "inspect run/student.limbeck").succeeds();
    assert!(
        shown.stdout.contains("memory       carried"),
        "{}",
        shown.stdout
    );
    // A prediction depends on rows that lie longer back than a window.
    let text = place.text("machines.csv");
    let later = |line: &&str| !line.contains("2024-01-01");
    let kept: Vec<&str> = text.lines().filter(later).collect();
    place.file("later.csv", kept.join("\n"));
    limbeck(&place, "predict run later.csv -o later.out.csv").succeeds();
    let found = column(&place, "later.out.csv", "prediction");
    let differs = |row: usize| (found[row] - whole[24 * 3 + row]).abs() > 0.0;
    assert!((0..30).all(differs));
    // After a gap, the state is that of a first row.
    let is_kept =
        |line: &&str| !line.contains("2024-01-02 03:00") && !line.contains("2024-01-02 04:00");
    let gap: Vec<&str> = text.lines().filter(is_kept).collect();
    place.file("gap.csv", gap.join("\n"));
    limbeck(&place, "predict run gap.csv -o gap.out.csv").succeeds();
    let found = column(&place, "gap.out.csv", "prediction");
    assert_eq!(found[..81], whole[..81]);
    assert_near(&streamed(&place, "gap.csv"), &found);
    let after = text
        .lines()
        .skip_while(|line| !line.contains("2024-01-02 05:00"));
    let alone: Vec<&str> = text.lines().take(1).chain(after).collect();
    place.file("alone.csv", alone.join("\n"));
    limbeck(&place, "predict run alone.csv -o alone.out.csv").succeeds();
    assert_near(&found[81..], &column(&place, "alone.out.csv", "prediction"));
}

#[test]
fn one_recurrent_student_predicts_several_horizons() {
    let place = place(rows(3, 150), QUICK);
    let fixed = "--horizon 1,3 --joint --student gru --window 6 --params 400 --export c";
    for (run, more) in [
        ("rolling", "--window-rows 200"),
        ("carried", "--memory carried --window-rows 200"),
    ] {
        distill(&place, &format!("{fixed} {more} --out {run}")).succeeds();
        let shown = limbeck(&place, &format!("inspect {run}/student.limbeck")).succeeds();
        assert!(shown.stdout.contains("(gru)"), "{}", shown.stdout);
        limbeck(&place, &format!("verify {run}")).succeeds();
        let out = format!("{run}.csv");
        limbeck(&place, &format!("predict {run} machines.csv -o {out}")).succeeds();
        for horizon in [1, 3] {
            // The run of a horizon has the joint student, reduced to one output.
            let own = format!("{run}/load_ahead{horizon}/predictions.parquet");
            let (tested, shipped) = (column(&place, &own, "row"), column(&place, &own, "shipped"));
            let whole = column(&place, &out, &format!("prediction_load.ahead{horizon}"));
            let again: Vec<f64> = tested.iter().map(|&row| whole[row as usize]).collect();
            assert!(tested.len() > 50);
            assert_near(&again, &shipped);
        }
        // The new rows are the same for both horizons.
        let new = |horizon: usize| {
            let rows = report(&place, &format!("{run}/load_ahead{horizon}"));
            rows["teacher"]["new_rows"].as_u64().unwrap()
        };
        assert!(new(1) == new(3) && new(3) > 0);
    }
}

#[test]
fn a_gap_and_another_series_begin_a_window_anew() {
    let place = place(rows(3, 150), QUICK);
    distill(&place, "--student lstm --horizon 1 --window 4 --out run").succeeds();
    let text = place.text("machines.csv");
    limbeck(&place, "predict run machines.csv -o whole.csv").succeeds();
    let whole = column(&place, "whole.csv", "prediction");
    // Without two hours, rows after the gap are predicted as if their series began there.
    let is_kept =
        |line: &&str| !line.contains("2024-01-02 03:00") && !line.contains("2024-01-02 04:00");
    let kept: Vec<&str> = text.lines().filter(is_kept).collect();
    place.file("gap.csv", kept.join("\n"));
    limbeck(&place, "predict run gap.csv -o gap.out.csv").succeeds();
    let found = column(&place, "gap.out.csv", "prediction");
    assert_eq!(found[..81], whole[..81]);
    // The change since the hour before is missing in the first row after the gap, which three later windows contain.
    assert_eq!(found[81 + 12..], whole[87 + 12..]);
    let header = text.lines().take(1);
    let after = text
        .lines()
        .filter(|line| line.contains("2024-01-02 05:00"));
    place.file(
        "alone.csv",
        header.chain(after).collect::<Vec<_>>().join("\n"),
    );
    limbeck(&place, "predict run alone.csv -o alone.out.csv").succeeds();
    assert_eq!(found[81..84], column(&place, "alone.out.csv", "prediction"));
}

#[test]
fn exported_c_remembers_the_rows_before() {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: no C compiler");
        return;
    }
    let place = place(rows(3, 150), QUICK);
    distill(
        &place,
        "--student gru --horizon 1 --window 5 --export c --out run",
    )
    .succeeds();
    let text = place.text("machines.csv");
    let own = text
        .lines()
        .filter(|line| line.starts_with("machine") || line.starts_with("m1"));
    place.file("one.csv", own.collect::<Vec<_>>().join("\n"));
    limbeck(&place, "predict run one.csv -o predicted.csv").succeeds();
    let expected = column(&place, "predicted.csv", "prediction");
    let (rain, load) = (
        column(&place, "one.csv", "rain"),
        column(&place, "one.csv", "load"),
    );
    let mut pushes = String::new();
    for (rain, load) in rain.iter().zip(&load) {
        let _ = writeln!(
            pushes,
            "    row.rain = {rain}; row.load = {load}; printf(\"%.17g\\n\", student_push(&state, &row));"
        );
    }
    place.file(
        "main.c",
        format!(
            "#include \"run/export/student.h\"\n#include <stdio.h>\nint main(void)\n{{\n    static student_state state;\n    student_row row;\n    student_reset(&state);\n{pushes}    return 0;\n}}\n"
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
    assert_near(&found, &expected);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let place = place(rows(3, 150), QUICK);
    let told = limbeck(
        &place,
        "distill machines.csv --target load --student gru --out run",
    );
    assert!(
        told.stderr
            .contains("name the column of times with `--time`"),
        "{}",
        told.stderr
    );
    for (more, part) in [
        (
            "--student gru --munge-rows 5",
            "reads the rows before each row, which such a new row does not have",
        ),
        (
            "--student mlp --window-rows 5",
            "only a recurrent network reads the rows before a row",
        ),
        ("--student gru --params 30", "parameters"),
        (
            "--student mlp --memory carried",
            "only a recurrent student has a memory",
        ),
        (
            "--student gru --memory carried --hints relational",
            "compares independent rows",
        ),
    ] {
        let told = distill(&place, &format!("{more} --out run"));
        assert_eq!(told.code, Some(2), "{more}: {told:?}");
        assert!(told.stderr.contains(part), "{more}: {}", told.stderr);
    }
}

#[test]
fn columns_that_a_recurrent_student_does_not_read_are_named() {
    let place = place(rows(3, 150), QUICK);
    let dropped = "--drop rain --window 5 --out";
    let told = distill(
        &place,
        &format!("--student gru --history rain.ema4 --keep hour {dropped} run"),
    )
    .succeeds();
    let note = "a student of kind gru does not read `rain`";
    assert!(told.stderr.contains(note), "{}", told.stderr);
    assert!(report(&place, "run")["notes"].to_string().contains(note));
    for (at, other) in [
        "--student gru --history rain.ema4,rain.diff1",
        "--student mlp --window-rows 0 --history rain.ema4",
    ]
    .into_iter()
    .enumerate()
    {
        let told = distill(&place, &format!("{other} --keep hour {dropped} run-{at}")).succeeds();
        assert!(
            !told.stderr.contains("does not read"),
            "{other}: {}",
            told.stderr
        );
    }
}

#[test]
fn recurrent_students_learn_distributions_and_hidden_states() {
    let place = place(rows(3, 150), QUICK);
    let fixed = "--horizon 1 --window 5 --student gru --params 400";
    for (at, more) in [
        "--head gaussian --temperature 3 --alpha 0.6",
        "--hints attention",
        "--quantile 0.9",
    ]
    .into_iter()
    .enumerate()
    {
        distill(&place, &format!("{fixed} {more} --out run-{at}")).succeeds();
        limbeck(&place, &format!("verify run-{at}")).succeeds();
    }
    let money = "distill machines.csv --target load --series machine --time hour --horizon 1 --window 5 --preset finance --quality fast";
    let quick =
        "--window-rows 200 --params 400 --steps 150 --repeats 1 --max-repeats 1 --out money";
    limbeck(&place, &format!("{money} {quick}")).succeeds();
    let recipe = place.text("money/recipe.toml");
    assert!(
        recipe.contains("kind = \"lstm\"") && recipe.contains("kind = \"gru\""),
        "{recipe}"
    );
}
