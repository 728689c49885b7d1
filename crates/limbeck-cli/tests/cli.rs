//! What each command does, with the real binary in a clean folder.
#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Place, TARGET};
use limbeck::Run;
use limbeck_data::{ReadOptions, Table, Values, simulate};
use serde_json::Value;

#[test]
fn help_of_each_command_is_worth_reading() {
    let place = Place::empty();
    for (command, words) in [
        (
            "distill",
            &[
                "--target",
                "--teacher-command",
                "--params",
                "--help-all",
                "docs/options.md",
            ][..],
        ),
        (
            "preflight",
            &["--target", "--rows", "--teacher-command", "likely to pay"],
        ),
        ("label", &["--target", "--out"]),
        ("predict", &["--out", ".parquet", "standard output"]),
        ("evaluate", &["--target", "--json"]),
        ("inspect", &["TABLE|RUN|STUDENT"]),
        ("runs", &["DIR"]),
        ("compare", &["--html", "row by row"]),
        ("export", &["--to", "onnx", "checksums"]),
        ("verify", &["ARTIFACT", "checksums", "Exits with 1"]),
        ("init", &["--quality", "recipe.toml"]),
        ("demo", &["thermistor", "--out"]),
    ] {
        let help = place.limbeck(&[command, "--help"]).succeeds();
        assert!(help.stdout.contains("Usage: limbeck"), "{}", help.stdout);
        for word in words {
            assert!(
                help.stdout.contains(word),
                "{command}: no `{word}` in {}",
                help.stdout
            );
        }
        let short = place.limbeck(&[command, "-h"]).succeeds();
        assert!(short.stdout.lines().count() <= help.stdout.lines().count());
    }
    for (command, words) in [
        (
            "distill",
            &[
                "--split-file",
                "--require-r2",
                "--quiet",
                "Objective:",
                "binned:",
            ][..],
        ),
        (
            "preflight",
            &["--json", "does not use test rows", "--worth"],
        ),
        ("label", &["--teacher-fold", "out-of-fold labels"]),
    ] {
        let help = place.limbeck(&[command, "--help-all"]).succeeds().stdout;
        let few = place.limbeck(&[command, "--help"]).succeeds().stdout;
        for word in words {
            assert!(
                help.contains(word) && !few.contains(word),
                "{command}: {word}"
            );
        }
    }
    let all = place.limbeck(&["--help"]).succeeds().stdout;
    assert!(
        all.contains("Exit codes") && all.contains("limbeck distill housing.csv"),
        "{all}"
    );
    assert!(
        place
            .limbeck(&["--version"])
            .succeeds()
            .stdout
            .starts_with("limbeck ")
    );
}

#[test]
fn distill_writes_a_whole_run_and_shows_it() {
    let place = Place::with_table();
    let outcome = place.distill(&[]).succeeds();
    for word in [
        "teacher (trees)",
        "student alone",
        "student distilled",
        "shipped file (student ",
        "best file without a teacher (",
        "RMSE",
        "MAE",
        "R²",
        "RMSE to the teacher",
        "R² to the teacher",
        "µs/row",
    ] {
        assert!(
            outcome.stdout.contains(word),
            "no `{word}` in {}",
            outcome.stdout
        );
    }
    assert!(
        outcome.stdout.starts_with("The shipped student is the ")
            && outcome.stdout.ends_with("run: runs/sensor-1\n"),
        "{}",
        outcome.stdout
    );
    assert!(
        !outcome.stdout.contains('\x1b') && !outcome.stderr.contains('\x1b'),
        "no color without a terminal"
    );
    for stage in ["read", "teacher", "labels", "search", "refit", "test"] {
        assert!(
            outcome
                .stderr
                .lines()
                .any(|line| line.starts_with('[') && line.contains(stage)),
            "{}",
            outcome.stderr
        );
    }
    let files = [
        "recipe.toml",
        "student.limbeck",
        "labels.parquet",
        "report.json",
        "metrics.csv",
        "teacher/teacher.limbeck",
        "report.html",
        "manifest.json",
        "predictions.parquet",
        "tensorboard/events.out.tfevents.limbeck",
    ];
    for file in files {
        assert!(place.exists(&format!("runs/sensor-1/{file}")), "{file}");
    }
    // The next run takes the next number.
    assert!(
        place
            .distill(&["--quiet"])
            .succeeds()
            .stdout
            .ends_with("run: runs/sensor-2\n")
    );
}

#[test]
fn report_has_every_documented_key() {
    let place = Place::with_run();
    let report = place.json("run/report.json");
    let numbers = [
        "/test/teacher/rmse",
        "/test/teacher/mae",
        "/test/teacher/r2",
        "/test/baseline/rmse",
        "/test/baseline/mae",
        "/test/baseline/r2",
        "/test/baseline/fidelity_rmse",
        "/test/baseline/fidelity_r2",
        "/test/distilled/rmse",
        "/test/distilled/fidelity_rmse",
        "/test/distilled/fidelity_r2",
        "/test/shipped/rmse",
        "/test/shipped/mae",
        "/test/shipped/r2",
        "/test/shipped/fidelity_rmse",
        "/student/parameters",
        "/student/bytes",
        "/teacher/parameters",
        "/teacher/bytes",
        "/measured/seconds",
        "/measured/student_us_per_row",
        "/measured/peak_memory_bytes",
        "/data/rows",
        "/data/columns",
        "/seed",
    ];
    for pointer in numbers {
        assert!(
            report.pointer(pointer).is_some_and(Value::is_number),
            "{pointer}"
        );
    }
    for pointer in [
        "/shipped/kind",
        "/verdict/kind",
        "/verdict/sentence",
        "/version",
    ] {
        assert!(
            report.pointer(pointer).is_some_and(Value::is_string),
            "{pointer}"
        );
    }
    for (part, keys) in [
        (
            "method",
            &[
                "kind",
                "error_saved",
                "teacher_lead",
                "level",
                "blocks",
                "seeds",
                "se_rows",
                "se_seeds",
                "reason",
            ][..],
        ),
        (
            "file",
            &[
                "value",
                "low",
                "high",
                "significant",
                "worth_having",
                "worth",
                "threshold",
                "against",
                "reason",
            ][..],
        ),
    ] {
        for key in keys {
            assert!(
                report[part].as_object().unwrap().contains_key(*key),
                "{part}.{key}"
            );
        }
    }
    for key in ["value", "low", "high", "reason"] {
        assert!(
            report["gap_closed"].as_object().unwrap().contains_key(key),
            "{key}"
        );
    }
    assert!(
        report["verdict"]["teacher_better"].is_boolean() && report["data"]["warnings"].is_array()
    );
    assert_eq!(
        report["student"]["bytes"].as_u64().unwrap(),
        place.bytes("run/student.limbeck").len() as u64
    );
    assert!(report["student"]["parameters"].as_u64().unwrap() <= 600);
    assert_eq!(report["interrupted"], false);
}

#[test]
fn distill_json_is_the_report() {
    let place = Place::with_table();
    let outcome = place
        .distill(&["--json", "--quiet", "--out", "run"])
        .succeeds();
    assert_eq!(
        serde_json::from_str::<Value>(&outcome.stdout).unwrap(),
        place.json("run/report.json")
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn distill_repeats_byte_for_byte_with_any_thread_count() {
    let place = Place::with_table();
    // A stack, so that every learner is in the comparison.
    place.file(
        "quick.toml",
        common::QUICK.replace("'trees'", "'auto'")
            + "[teacher.network]\nmembers = 2\nsteps = [60, 60]\n",
    );
    for (threads, out) in [("1", "one"), ("2", "two")] {
        place
            .distill(&[
                "--threads",
                threads,
                "--repeats",
                "2",
                "--seed",
                "3",
                "--out",
                out,
            ])
            .succeeds();
    }
    for file in [
        "student.limbeck",
        "labels.parquet",
        "metrics.csv",
        "teacher/teacher.limbeck",
    ] {
        assert!(
            place.bytes(&format!("one/{file}")) == place.bytes(&format!("two/{file}")),
            "{file} differs"
        );
    }
    let report = |out: &str| {
        let mut report = place.json(&format!("{out}/report.json"));
        report.as_object_mut().unwrap().remove("measured").unwrap();
        report
    };
    assert_eq!(report("one"), report("two"));
    // The stored recipe replays the run.
    place
        .limbeck(&["distill", "--recipe", "one/recipe.toml", "--out", "again"])
        .succeeds();
    assert_eq!(
        place.bytes("one/student.limbeck"),
        place.bytes("again/student.limbeck")
    );
    // Another seed does not.
    place.distill(&["--seed", "4", "--out", "other"]).succeeds();
    assert_ne!(
        place.bytes("one/student.limbeck"),
        place.bytes("other/student.limbeck")
    );
}

#[test]
fn predict_agrees_with_the_library_and_keeps_every_cell() {
    let place = Place::with_run();
    place.file("new.csv", "id,range,adc_code,supply_v,board_temperature_c,air_speed_m_s,r25_ohm\n\
                           007,hot,924,5.150,72.5,,10051\n008,unheard of,3500,5.01,17.5,3.84,10172\n");
    let run = Run::open(place.path("run")).unwrap();
    let (features, _) = run.read_rows(place.path("new.csv")).unwrap();
    let expected = run
        .student()
        .unwrap()
        .predict(&features.raw(), features.rows)
        .unwrap();
    let lines = |student: &str| {
        let text = place
            .limbeck(&["predict", student, "new.csv"])
            .succeeds()
            .stdout;
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let found = lines("run");
    assert_eq!(
        found[0],
        "id,range,adc_code,supply_v,board_temperature_c,air_speed_m_s,r25_ohm,prediction"
    );
    assert_eq!(
        found[1],
        format!("007,hot,924,5.150,72.5,,10051,{}", expected[0])
    );
    assert_eq!(
        found[2],
        format!("008,unheard of,3500,5.01,17.5,3.84,10172,{}", expected[1])
    );
    assert_eq!(
        lines("run/student.limbeck"),
        found,
        "the file alone predicts the same"
    );
}

#[test]
fn predict_writes_csv_and_parquet_files() {
    let place = Place::with_run();
    for out in ["out.csv", "out.parquet"] {
        let outcome = place
            .limbeck(&["predict", "run", "sensor.csv", "-o", out])
            .succeeds();
        assert_eq!(outcome.stdout, "");
        assert!(
            outcome.stderr.contains("300 predictions") && outcome.stderr.contains(out),
            "{}",
            outcome.stderr
        );
    }
    let predictions = |file: &str| {
        let table = Table::read(place.path(file), &ReadOptions::default()).unwrap();
        assert_eq!((table.rows, table.columns.len()), (300, 8));
        match &table.column("prediction").unwrap().values {
            Values::Number(values) => values.clone(),
            _ => panic!("no numbers"),
        }
    };
    assert_eq!(predictions("out.csv"), predictions("out.parquet"));
    // Parquet in, and a column of another name.
    let outcome = place
        .limbeck(&["predict", "run", "out.parquet", "--column", "again"])
        .succeeds();
    assert!(
        outcome
            .stdout
            .lines()
            .next()
            .unwrap()
            .ends_with("prediction,again")
    );
}

#[test]
fn evaluate_agrees_with_predictions() {
    let place = Place::with_run();
    place
        .limbeck(&["predict", "run", "sensor.csv", "-o", "out.csv", "--quiet"])
        .succeeds();
    let table = Table::read(place.path("out.csv"), &ReadOptions::default()).unwrap();
    let numbers = |name: &str| match &table.column(name).unwrap().values {
        Values::Number(values) => values.clone(),
        _ => panic!("no numbers"),
    };
    let (target, pred) = (numbers(TARGET), numbers("prediction"));
    let mean_sq = target
        .iter()
        .zip(&pred)
        .map(|(y, p)| (y - p) * (y - p))
        .sum::<f64>()
        / 300.0;
    let outcome = place
        .limbeck(&["evaluate", "run", "sensor.csv", "--json"])
        .succeeds();
    let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!((found["rmse"].as_f64().unwrap() - mean_sq.sqrt()).abs() < 1e-9 * mean_sq.sqrt());
    assert_eq!(
        (found["rows"].as_u64(), found["missing"].as_u64()),
        (Some(300), Some(0))
    );
    let shown = place
        .limbeck(&[
            "evaluate",
            "run/student.limbeck",
            "sensor.csv",
            "--weight",
            "supply_v",
        ])
        .succeeds()
        .stdout;
    assert!(shown.contains("RMSE") && shown.contains("300"), "{shown}");
    // A student compared with itself is perfect.
    let outcome = place
        .limbeck(&[
            "evaluate",
            "run",
            "out.csv",
            "--target",
            "prediction",
            "--json",
        ])
        .succeeds();
    let perfect: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(perfect["rmse"].as_f64().unwrap() < 1e-9);
}

#[test]
fn inspect_tells_what_the_checks_find_for_a_target() {
    let place = Place::with_table();
    let leaky = |(at, line): (usize, &str)| {
        let target = line.split(',').next_back().unwrap();
        match at {
            0 => format!("{line},copy,odd"),
            at => format!("{line},{target},{}", at % 2 * 100_000),
        }
    };
    let text = place.text("sensor.csv");
    let lines: Vec<String> = text.lines().enumerate().map(leaky).collect();
    place.file("leaky.csv", lines.join("\n"));
    let found = place
        .limbeck(&["inspect", "leaky.csv", "--target", TARGET])
        .succeeds()
        .stdout;
    for word in [
        "9 columns",
        &format!("target `{TARGET}`: "),
        "216 training, 24 validation, 60 test",
        "refused: ",
        "column `copy`",
        "(refused by check `leak`)",
    ] {
        assert!(found.contains(word), "no `{word}` in {found}");
    }
    // What distill says is among it.
    let args = ["distill", "leaky.csv", "--target", TARGET, "--out", "run"];
    let refusal = place.limbeck(&args).fails(&["copy"]).stderr;
    let refusal = refusal.split("error: ").last().unwrap().trim();
    assert!(found.contains(refusal), "no `{refusal}` in {found}");
    place
        .limbeck(&["inspect", "leaky.csv", "--target", "air"])
        .fails(&["no column `air`"]);
}

#[test]
fn inspect_previews_the_options_of_distill() {
    let place = Place::empty();
    let row = |row: usize| {
        let (year, month) = (2010 + row / 12, 1 + row % 12);
        let y = (row * 37 % 101) as f64 + 0.01 * row as f64;
        format!(
            "{year}-{month:02}-01,w{},{},{year},{}",
            row % 15,
            row * 53 % 89,
            y
        )
    };
    place.file("t.csv", common::csv("when,who,a,built,y", 120, row));
    let preview = |args: &[&str]| {
        let all = [&["inspect", "t.csv", "--target", "y"], args].concat();
        place.limbeck(&all).succeeds().stdout
    };
    for (args, words) in [
        (
            &[][..],
            &[
                "rows: 86 training, 10 validation, 24 test",
                "`a`",
                "`when.month` (1 to 12)",
                "2010 to 2019, mean",
            ][..],
        ),
        (
            &["--time", "when"],
            &[
                "rows: 86 training, 10 validation, 24 test",
                "time `when`: training 2010-01-01 00:00 to 2017-02-01 00:00, validation 2017-03-01 00:00 to 2017-12-01 00:00, test 2018-01-01 00:00 to 2019-12-01 00:00",
                "3 features: `who`, `a`, `built`",
            ],
        ),
        (
            &["--time", "built"],
            &["time `built`: training 2010 to 2016, validation 2017 to 2017, test 2018 to 2019"],
        ),
        (
            &["--group", "who"],
            &["15 groups of `who`: 11 training, 1 validation, 3 test"],
        ),
        (
            &["--drop", "when,a", "--type", "built=category"],
            &["2 features: `who`, `built`", "built   category"],
        ),
        (
            &["--weight", "built", "--drop", "when"],
            &["2 features: `who`, `a`"],
        ),
        (
            &["--keep", "who", "--group", "who", "--drop", "when"],
            &["3 features: `who`, `a`, `built`"],
        ),
    ] {
        let found = preview(args);
        for word in words {
            assert!(found.contains(word), "{args:?}: no `{word}` in {found}");
        }
    }
    let both = place
        .limbeck(&["inspect", "t.csv", "--target", "y,a", "--drop", "when"])
        .succeeds();
    let both = both.stdout;
    assert!(
        both.contains("target `y`: ")
            && both.contains("target `a`: ")
            && both.matches("2 features: `who`, `built`").count() == 2,
        "{both}"
    );
    place.file("recipe.toml", "[data]\ntarget = 'y'\ngroup = 'who'\n");
    let recipe = place
        .limbeck(&["inspect", "t.csv", "--recipe", "recipe.toml"])
        .succeeds();
    assert!(
        recipe.stdout.contains("15 groups of `who`"),
        "{}",
        recipe.stdout
    );
    place
        .limbeck(&["inspect", "t.csv", "--target", "y", "--time", "whem"])
        .fails(&["no column `whem`", "did you mean `when`"]);
    place
        .limbeck(&[
            "inspect", "t.csv", "--target", "y", "--time", "when", "--group", "who",
        ])
        .fails(&["groups", "time"]);
}

#[test]
fn inspect_shows_tables_runs_and_students() {
    let place = Place::with_run();
    let table = place.limbeck(&["inspect", "sensor.csv"]).succeeds().stdout;
    for word in [
        "300 rows, 7 columns",
        "adc_code",
        "category",
        "3 distinct",
        "missing",
    ] {
        assert!(table.contains(word), "no `{word}` in {table}");
    }
    let run = place.limbeck(&["inspect", "run"]).succeeds().stdout;
    for word in [
        "student distilled",
        "The shipped student is the ",
        "seed 0",
        "216 train",
        "note",
        "threads",
    ] {
        assert!(run.contains(word), "no `{word}` in {run}");
    }
    let student = place
        .limbeck(&["inspect", "run/student.limbeck"])
        .succeeds()
        .stdout;
    for word in [
        "parameters",
        "bytes",
        "one-hot",
        "cold, hot, normal",
        "ple",
        "linear",
        "kind ",
        "16 test examples, predictions unchanged",
    ] {
        assert!(student.contains(word), "no `{word}` in {student}");
    }
    for path in ["run", "run/student.limbeck"] {
        place
            .limbeck(&["inspect", path, "--target", "y", "--time", "when"])
            .fails(&[path, "--target, --time can be used only with a table"]);
    }
}

#[test]
fn demo_goes_the_whole_way() {
    let place = Place::empty();
    let shown = place
        .limbeck(&["demo", "--rows", "120", "--out", "demo"])
        .succeeds()
        .stdout;
    for word in [
        "$ limbeck distill",
        "student alone",
        "student distilled",
        "Distillation ",
        "$ limbeck predict",
        "adc_code",
        "prediction",
        "$ limbeck export",
        "bytes of constants",
    ] {
        assert!(shown.contains(word), "no `{word}` in {shown}");
    }
    for file in [
        "run/student.limbeck",
        "thermistor.csv",
        "field.csv",
        "check.csv",
        "run/export/student.c",
    ] {
        assert!(place.exists(&format!("demo/{file}")), "{file}");
    }
    place
        .limbeck(&["demo", "--rows", "120", "--out", "demo"])
        .fails(&["demo", "exists already"]);
}

#[test]
fn init_writes_a_recipe_that_runs() {
    let place = Place::with_table();
    place
        .limbeck(&[
            "init",
            "sensor.csv",
            "--target",
            TARGET,
            "--quality",
            "fast",
        ])
        .succeeds();
    let text = place.text("recipe.toml");
    for word in [
        "#munge_rows = 100000",
        "#alpha = \"auto\"",
        "quality = \"fast\"",
        "target = \"air_temperature_c\"",
    ] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
    let quick = text
        .replace("#rounds = 300 ", "rounds = 10 ")
        .replace("#kind = \"auto\"", "kind = \"trees\"")
        .replace("#munge_factor = 100", "munge_factor = 2")
        .replace("#steps = 16000", "steps = 100");
    place.file("quick.toml", quick);
    place
        .limbeck(&["distill", "--recipe", "quick.toml", "--out", "run"])
        .succeeds();
    let stored = place.text("run/recipe.toml");
    assert!(
        stored.contains("rounds = 10") && stored.contains("steps = 100"),
        "{stored}"
    );
    let shown = place.limbeck(&["init", "-o", "-"]).succeeds().stdout;
    assert!(shown.contains("quality = \"default\""));
}

#[test]
fn label_writes_what_a_run_would() {
    let place = Place::with_run();
    let args = [
        "label",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
        "-o",
        "labels.parquet",
    ];
    let outcome = place.limbeck(&args).succeeds();
    assert_eq!(outcome.stdout, "labels: labels.parquet\n");
    assert!(
        outcome.stderr.contains("teacher (trees)"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        place.bytes("labels.parquet"),
        place.bytes("run/labels.parquet")
    );
}

#[test]
fn teacher_from_makes_a_second_student_without_a_teacher_run() {
    let place = Place::with_run();
    let outcome = place
        .distill(&[
            "--teacher-from",
            "run",
            "--params",
            "400",
            "--out",
            "second",
        ])
        .succeeds();
    assert!(
        !outcome.stderr.contains("out-of-fold fits"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        place.bytes("run/labels.parquet"),
        place.bytes("second/labels.parquet")
    );
    assert!(
        place.json("second/report.json")["student"]["parameters"]
            .as_u64()
            .unwrap()
            <= 400
    );
    // With the same student the same run comes out.
    place
        .distill(&["--teacher-from", "run", "--out", "third"])
        .succeeds();
    assert_eq!(
        place.bytes("run/student.limbeck"),
        place.bytes("third/student.limbeck")
    );
}

/// A teacher command: reads the columns of the sensor and prints a rough inversion with a standard deviation.
const SCORE: &str = "\
import csv, sys
for row in csv.DictReader(sys.stdin):
    print('%.6f,%.3f' % (110 - 0.045 * float(row['adc_code']) + 0.5 * float(row['board_temperature_c']), 9.0))
";

#[test]
fn teacher_command_of_the_user_labels_rows() {
    let place = Place::with_table();
    place.file("score.py", SCORE);
    place
        .distill(&["--teacher-command", "python3 score.py", "--out", "run"])
        .succeeds();
    let report = place.json("run/report.json");
    assert_eq!(report["teacher"]["kind"], "command");
    assert!(report["teacher"]["new_rows"].as_u64().unwrap() > 0);
    assert!(!place.exists("run/teacher/teacher.limbeck"));
}

#[test]
fn teacher_command_reads_parquet() {
    let place = Place::with_table();
    let line = "cat > asked.parquet; head -c 4 asked.parquet >&2; exit 9";
    let outcome = place.distill(&[
        "--teacher-command",
        line,
        "--teacher-format",
        "parquet",
        "--out",
        "run",
    ]);
    outcome.fails(&["PAR1", "9"]);
}

#[test]
fn teacher_column_labels_the_table_alone() {
    let place = Place::empty();
    let mut table = simulate::thermistor(300, 7);
    let Values::Number(target) = table.column(TARGET).unwrap().values.clone() else {
        panic!("no numbers")
    };
    let near: Vec<f64> = target
        .iter()
        .enumerate()
        .map(|(row, y)| y + ((row * 31 % 17) as f64 - 8.0) * 0.2)
        .collect();
    table
        .columns
        .push(limbeck_data::Column::number("theirs", near));
    table.columns.push(limbeck_data::Column::number(
        "part",
        (0..300).map(|row| f64::from(row % 4)).collect(),
    ));
    table.write_csv(place.path("sensor.csv")).unwrap();
    place.file("quick.toml", common::QUICK);
    let outcome = place
        .distill(&[
            "--teacher-column",
            "theirs",
            "--teacher-fold",
            "part",
            "--out",
            "run",
        ])
        .succeeds();
    assert!(
        outcome.stderr.contains("cannot label new rows"),
        "{}",
        outcome.stderr
    );
    let report = place.json("run/report.json");
    assert_eq!(
        (&report["teacher"]["kind"], &report["teacher"]["new_rows"]),
        (&"column".into(), &0.into())
    );
    let student = place
        .limbeck(&["inspect", "run/student.limbeck"])
        .succeeds()
        .stdout;
    assert!(
        !student.contains("theirs") && !student.contains("part "),
        "{student}"
    );
    // Such labels serve a second student, too.
    let columns = ["--teacher-column", "theirs", "--teacher-fold", "part"];
    place
        .distill(&[&columns[..], &["--teacher-from", "run", "--out", "second"]].concat())
        .succeeds();
    assert_eq!(
        place.bytes("run/student.limbeck"),
        place.bytes("second/student.limbeck")
    );
}

#[test]
fn distill_without_new_rows_runs() {
    let place = Place::with_table();
    place.file(
        "quick.toml",
        common::QUICK.replace("munge_factor = 3", "munge_rows = 0"),
    );
    place.distill(&["--out", "run"]).succeeds();
    let report = place.json("run/report.json");
    assert_eq!(report["teacher"]["new_rows"], 0);
    assert!(report["measured"]["teacher_us_per_row"].is_null());
}

#[test]
fn unlabeled_rows_are_labelled() {
    let place = Place::with_table();
    simulate::thermistor(80, 11)
        .write_csv(place.path("more.csv"))
        .unwrap();
    place.file(
        "quick.toml",
        common::QUICK.replace("munge_factor = 3", "munge_rows = 0"),
    );
    place
        .distill(&["--unlabeled", "more.csv", "--out", "run"])
        .succeeds();
    assert_eq!(place.json("run/report.json")["teacher"]["new_rows"], 80);
}

#[test]
fn loss_and_weights_and_log_target_run() {
    let place = Place::with_table();
    let table = simulate::thermistor(300, 7);
    let kelvin = table.column(TARGET).map(|column| match &column.values {
        Values::Number(values) => values.iter().map(|celsius| celsius + 273.15).collect(),
        _ => panic!("no numbers"),
    });
    let mut columns: Vec<_> = table
        .columns
        .into_iter()
        .filter(|column| column.name != TARGET)
        .collect();
    columns.push(limbeck_data::Column::number(TARGET, kelvin.unwrap()));
    Table::new(columns)
        .unwrap()
        .write_csv(place.path("sensor.csv"))
        .unwrap();
    let args = [
        "--log-target",
        "--loss",
        "huber",
        "--huber-delta",
        "0.5",
        "--weight",
        "supply_v",
        "--alpha",
        "0.7",
    ];
    let shown = place
        .distill(&[&args[..], &["--out", "run"]].concat())
        .succeeds()
        .stdout;
    // Models of other kinds are fitted to squared errors all the same.
    assert!(shown.contains("best file without a teacher ("), "{shown}");
    let recipe = place.text("run/recipe.toml");
    for line in [
        "log_target = true",
        "loss = \"huber\"",
        "huber_delta = 0.5",
        "weight = \"supply_v\"",
        "alpha = 0.7",
    ] {
        assert!(recipe.contains(line), "no `{line}` in {recipe}");
    }
    let outcome = place
        .limbeck(&["evaluate", "run", "sensor.csv", "--json"])
        .succeeds();
    assert!(
        serde_json::from_str::<Value>(&outcome.stdout).unwrap()["rmse"]
            .as_f64()
            .unwrap()
            < 100.0
    );
}

#[test]
fn splits_by_column_file_group_and_second_table_run() {
    let place = Place::with_table();
    let header_and = |name: &str, value: fn(usize) -> String| {
        let text = place.text("sensor.csv");
        let lines = text.lines().enumerate();
        lines
            .map(|(i, line)| {
                format!(
                    "{line},{}\n",
                    if i == 0 { name.to_owned() } else { value(i) }
                )
            })
            .collect::<String>()
    };
    let part = header_and("part", |i| {
        ["train", "train", "train", "valid", "test"][i % 5].to_owned()
    });
    let house = header_and("house", |i| format!("h{}", i % 25));
    let test_rows = |args: &[&str], out: &str| {
        place
            .distill(&[args, &["--quiet", "--out", out]].concat())
            .succeeds();
        place.json(&format!("{out}/report.json"))["data"]["test"]
            .as_u64()
            .unwrap()
    };
    place.file(
        "splits.csv",
        "split,set,start,stop\ns00,test,0,50\ns00,val,50,80\n",
    );
    assert_eq!(test_rows(&["--split-file", "splits.csv:s00"], "file"), 50);
    place.file(
        "second.csv",
        place
            .text("sensor.csv")
            .lines()
            .take(41)
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    );
    assert_eq!(test_rows(&["--test", "second.csv"], "second"), 40);
    place.file("sensor.csv", part);
    assert_eq!(test_rows(&["--split-column", "part"], "column"), 60);
    place.file("sensor.csv", house);
    assert_eq!(
        test_rows(&["--group", "house", "--drop", "supply_v,r25_ohm"], "group"),
        60
    );
}

#[test]
fn require_r2_that_is_missed_exits_with_1_and_keeps_the_run() {
    let place = Place::with_table();
    let outcome = place.distill(&["--require-r2", "0.99999", "--out", "run"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.stderr.contains("missed") && outcome.stderr.contains("--require-r2"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stdout.ends_with("run: run\n") && place.exists("run/student.limbeck"));
    place
        .distill(&["--require-r2", "-5", "--out", "low"])
        .succeeds();
}

#[test]
fn interrupt_leaves_a_valid_marked_run() {
    let place = Place::with_table();
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
        "--steps",
        "100000",
        "--out",
        "run",
    ];
    let mut child = place
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().contains("search") {}
    // Long enough for the first points of the curves, which come every 63 steps.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{stdout}{rest:?}");
    assert!(
        rest.iter().any(|line| line.contains("stopping")),
        "{rest:?}"
    );
    assert!(stdout.contains("Interrupted: the run is valid"), "{stdout}");
    assert_eq!(place.json("run/report.json")["interrupted"], true);
    place
        .limbeck(&["predict", "run", "sensor.csv", "-o", "out.csv"])
        .succeeds();
}

#[test]
fn time_limit_leads_to_a_recipe_that_replays() {
    let place = Place::with_table();
    // Long enough that no fit is ever cut short by the clock.
    let outcome = place
        .distill(&["--time-limit", "10m", "--out", "run"])
        .succeeds();
    assert!(outcome.stderr.contains("budget"), "{}", outcome.stderr);
    assert!(!place.text("run/recipe.toml").contains("time_limit"));
    place
        .limbeck(&["distill", "--recipe", "run/recipe.toml", "--out", "again"])
        .succeeds();
    assert_eq!(
        place.bytes("run/student.limbeck"),
        place.bytes("again/student.limbeck")
    );
}

#[test]
fn export_is_written_with_the_run() {
    let place = Place::with_table();
    let outcome = place
        .distill(&["--export", "c,onnx", "--out", "run"])
        .succeeds();
    for file in ["student.c", "student.onnx"] {
        assert!(place.exists(&format!("run/export/{file}")), "{file}");
        let line = format!("exported: run/export/{file}");
        assert!(outcome.stdout.contains(&line), "{}", outcome.stdout);
        let entry = &place.json("run/manifest.json")["files"][format!("export/{file}")];
        assert!(entry["bytes"].as_u64().unwrap() > 0, "{entry}");
    }
    place.limbeck(&["verify", "run"]).succeeds();
    place
        .limbeck(&["distill", "--recipe", "run/recipe.toml", "--out", "again"])
        .succeeds();
    assert_eq!(
        place.bytes("run/export/student.c"),
        place.bytes("again/export/student.c")
    );
}

#[test]
fn export_that_the_table_makes_impossible_is_refused_before_training() {
    let place = Place::with_table();
    // ONNX has no words for scaling by quantiles.
    place.file(
        "quick.toml",
        place
            .text("quick.toml")
            .replace("[student]", "[student]\nscaling = 'quantile'"),
    );
    let outcome = place.distill(&["--export", "c,onnx", "--out", "run"]);
    let outcome = outcome.fails(&["cannot be written as ONNX"]);
    assert!(
        !outcome.stderr.contains("out-of-fold"),
        "{}",
        outcome.stderr
    );
    assert!(!place.exists("run") && !place.exists("run.unfinished"));
    // The page offers what works.
    place.distill(&["--out", "a run"]).succeeds();
    let page = place.text("a run/report.html");
    assert!(page.contains("limbeck export 'a run' --to c"));
    assert!(!page.contains("--to onnx"));
}

#[test]
fn stop_is_heard_by_a_run_wherever_it_is() {
    let place = Place::with_table();
    let recipe = place.text("quick.toml");
    place.file(
        "quick.toml",
        recipe.replace("rounds = 20", "rounds = 20000"),
    );
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
        "--out",
        "run",
    ];
    for (stage, wait) in [("read", 0), ("out-of-fold", 0), ("out-of-fold", 400)] {
        let _ = std::fs::remove_dir_all(place.path("run.unfinished"));
        let mut child = place
            .command(&args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().contains(stage) {}
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let kill = std::process::Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
        // The words of a run that heard it, not those of a process that was ended.
        let is_heard = |line: &String| line.starts_with("interrupted: stopped");
        assert!(rest.iter().any(is_heard), "{stage}: {rest:?}");
    }
}

#[test]
fn reader_that_goes_away_is_no_error() {
    let place = Place::with_run();
    let outcome =
        place.shell("limbeck predict run sensor.csv | head -n 1; limbeck init -o - | head -n 1");
    assert!(
        !outcome.stderr.contains("panicked") && !outcome.stderr.contains("error"),
        "{}",
        outcome.stderr
    );
}

/// A run of one kind of student: its report, after its file was inspected, used for predictions and compared with itself.
fn run_of_kind(place: &Place, kind: &str, out: &str, args: &[&str]) -> Value {
    let outcome = place
        .distill(&[&["--student", kind, "--out", out], args].concat())
        .succeeds();
    assert!(
        outcome.stdout.contains("best file without a teacher ("),
        "{}",
        outcome.stdout
    );
    let report = place.json(&format!("{out}/report.json"));
    let student = place
        .limbeck(&["inspect", &format!("{out}/student.limbeck")])
        .succeeds()
        .stdout;
    let made = report["student"]["kind"].as_str().unwrap();
    assert!(
        student.contains(&format!("student.limbeck ({made}): predicts")),
        "{student}"
    );
    assert!(
        student.contains("predictions unchanged since the student was made"),
        "{student}"
    );
    assert!(
        report["student"]["parameters"].as_u64().unwrap() <= 600,
        "{report}"
    );
    assert_eq!(
        report["student"]["bytes"].as_u64().unwrap(),
        place.bytes(&format!("{out}/student.limbeck")).len() as u64
    );
    let found: Value = serde_json::from_str(
        &place
            .limbeck(&["evaluate", out, "sensor.csv", "--json"])
            .succeeds()
            .stdout,
    )
    .unwrap();
    assert!(found["rmse"].as_f64().unwrap().is_finite());
    place
        .limbeck(&[
            "predict",
            &format!("{out}/student.limbeck"),
            "sensor.csv",
            "-o",
            &format!("{out}.csv"),
        ])
        .succeeds();
    for model in report["baselines"]["models"].as_array().unwrap() {
        assert!(
            model["parameters"].as_u64().unwrap() <= 600
                && model["test"]["rmse"].as_f64().unwrap() > 0.0,
            "{model}"
        );
    }
    report
}

#[test]
fn trees_and_linear_students_go_the_whole_way() {
    let place = Place::with_table();
    for (kind, name) in [("trees", "trees"), ("linear", "linear model")] {
        let report = run_of_kind(&place, kind, kind, &[]);
        assert_eq!(report["student"]["kind"], kind);
        for side in ["baseline", "distilled"] {
            assert_eq!(report["sizes"][side]["kind"], kind);
            assert!(report["sizes"][side]["parameters"].as_u64().unwrap() <= 600);
        }
        assert!(
            report["selection"]["distilled"]
                .as_array()
                .unwrap()
                .iter()
                .all(|trial| trial["spec"][kind].is_object())
        );
        assert!(
            place
                .text(&format!("{kind}/recipe.toml"))
                .contains(&format!("kind = \"{kind}\""))
        );
        let shown = place.limbeck(&["inspect", kind]).succeeds().stdout;
        assert!(
            shown.contains(&format!("student distilled ({name})")),
            "{shown}"
        );
    }
}

#[test]
fn table_student_of_one_to_three_numbers_goes_the_whole_way() {
    let place = Place::with_table();
    for (out, drop) in [
        (
            "one",
            "range,supply_v,r25_ohm,air_speed_m_s,board_temperature_c",
        ),
        ("two", "range,supply_v,r25_ohm,board_temperature_c"),
        ("three", "range,supply_v,r25_ohm"),
    ] {
        let report = run_of_kind(&place, "table", out, &["--drop", drop]);
        assert_eq!(report["student"]["kind"], "table");
        let student = place
            .limbeck(&["inspect", &format!("{out}/student.limbeck")])
            .succeeds()
            .stdout;
        assert!(student.contains("table_interp, "), "{student}");
    }
}

#[test]
fn auto_student_is_the_best_of_all_kinds_for_any_thread_count() {
    let place = Place::with_table();
    let report = run_of_kind(&place, "auto", "one", &["--threads", "1"]);
    run_of_kind(&place, "auto", "two", &["--threads", "2"]);
    assert_eq!(
        place.bytes("one/student.limbeck"),
        place.bytes("two/student.limbeck")
    );
    let kinds = |side: &str| {
        let trials = report["selection"][side].as_array().unwrap();
        ["linear", "trees", "table"]
            .map(|kind| trials.iter().any(|trial| trial["spec"][kind].is_object()))
    };
    // The thermistor has six columns: no table.
    assert_eq!(
        (kinds("baseline"), kinds("distilled")),
        ([true, true, false], [true, true, false])
    );
    for side in ["baseline", "distilled"] {
        let trials = report["selection"][side].as_array().unwrap();
        assert!(
            trials.iter().any(|trial| trial.get("spec").is_none()),
            "a network is among them"
        );
        let least = trials
            .iter()
            .map(|trial| trial["valid_error"].as_f64().unwrap())
            .fold(f64::INFINITY, f64::min);
        assert_eq!(
            report["shipped"][format!("valid_error_{side}")]
                .as_f64()
                .unwrap(),
            least
        );
    }
}

#[test]
fn verdict_names_a_smaller_model_that_does_better() {
    let place = Place::empty();
    // A plane: 200 steps of a network come nowhere near, and a linear model has it.
    let plane = |i: usize| {
        let (a, b) = ((i * 37 % 101) as f64 / 10.0, (i * 53 % 89) as f64 / 7.0);
        format!(
            "{a},{b:.4},{:.4}",
            3.0 * a - 2.0 * b + (i * 29 % 31) as f64 * 0.01
        )
    };
    place.file(
        "sensor.csv",
        common::csv("a,b,air_temperature_c", 300, plane),
    );
    place.file("quick.toml", common::QUICK);
    let outcome = place.distill(&["--out", "run"]).succeeds();
    assert!(
        outcome
            .stdout
            .contains("that of the best file without a teacher (")
            && outcome.stdout.contains("not worth having"),
        "{}",
        outcome.stdout
    );
    let report = place.json("run/report.json");
    assert_eq!(
        (
            &report["file"]["against"]["kind"],
            &report["file"]["worth_having"]
        ),
        (&report["baselines"]["best"], &false.into())
    );
    assert_eq!(
        (&report["baselines"]["as_good"], &report["student"]["kind"]),
        (&report["baselines"]["best"], &"mlp".into())
    );
    // The one default student is what it would be without this row.
    assert!(
        report.get("sizes").is_none() && report["selection"]["baseline"][0].get("spec").is_none()
    );
}

#[test]
fn answers_without_a_logarithm_and_weights_of_zero_are_refused_by_name() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    let set = |row: usize| ["train", "train", "train", "valid", "test"][row % 5];
    let rows: String = (0..400)
        .map(|row| {
            format!(
                "{},{},{},{},{}\n",
                row as f64 / 400.0,
                1 + row * row % 97 + row / 9,
                set(row),
                if row == 204 {
                    -1.0
                } else {
                    (2 + row % 97) as f64
                },
                u8::from(set(row) != "test")
            )
        })
        .collect();
    place.file("t.csv", format!("x,y,set,theirs,w\n{rows}"));
    let args = [
        "distill",
        "t.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--split-column",
        "set",
        "--out",
        "run",
    ];
    // Row 205, a test row, of the column and of a command that says the same.
    place.refuses(
        &[
            &args[..],
            &["--drop", "w", "--log-target", "--teacher-column", "theirs"],
        ]
        .concat(),
        &["row 205", "logarithm"],
    );
    let command = [
        "--drop",
        "w",
        "--drop",
        "theirs",
        "--log-target",
        "--teacher-command",
        "sed 1d | awk '{print ($1 == 0.51) ? -1 : 1 + 400 * $1}' FS=,",
    ];
    place.refuses(&[&args[..], &command].concat(), &["row 205", "logarithm"]);
    assert!(!place.exists("run"));
    place.refuses(
        &[&args[..], &["--drop", "theirs", "--weight", "w"]].concat(),
        &["weight", "0 in all test rows"],
    );
    // A student at alpha 0 is no distilled one, whatever the luck of its schedule.
    let said = place
        .limbeck(
            &[
                &args[..],
                &["--drop", "w", "--drop", "theirs", "--alpha", "0"],
            ]
            .concat(),
        )
        .succeeds()
        .stdout;
    assert!(
        said.contains("Nothing was taken from the teacher") && !said.contains("of the gap"),
        "{said}"
    );
    assert_eq!(place.json("run/report.json")["verdict"]["kind"], "no gain");
}

#[test]
fn numbers_in_disguise_and_test_rows_seen_in_training_are_told() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    let rows: String = (0..300)
        .map(|row| {
            format!(
                "{};{}.5;{}\n",
                row % 100,
                row % 100,
                if row % 50 == 7 {
                    "unknown".into()
                } else {
                    format!("{},25", (row * 7) % 150)
                }
            )
        })
        .collect();
    place.file("t.csv", format!("x;y;weight\n{rows}"));
    let said = place
        .limbeck(&[
            "distill",
            "t.csv",
            "--target",
            "y",
            "--recipe",
            "quick.toml",
            "--check",
            "leak=warn",
            "--out",
            "run",
        ])
        .succeeds()
        .stderr;
    assert!(
        said.contains("text was read as numbers, for example `0,25` as 0.25")
            && said.contains("column `weight`: read as missing: `unknown` in 6 cells"),
        "{said}"
    );
    assert!(!said.contains("seen_test"), "{said}");
    let args = [
        "distill",
        "t.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--check",
        "leak=warn",
        "--drop",
        "weight",
        "--test",
        "t.csv",
    ];
    let said = place
        .limbeck(&[&args[..], &["--out", "seen"]].concat())
        .succeeds()
        .stderr;
    assert!(
        said.contains("300 of 300 test rows also occur among the training and validation rows"),
        "{said}"
    );
    place.refuses(
        &[
            &args[..],
            &["--check", "seen_test=refuse", "--out", "third"],
        ]
        .concat(),
        &[
            "also occur among the training and validation rows",
            "seen_test",
        ],
    );
}

#[test]
fn quantile_student_is_judged_by_its_pinball_loss() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    // Noise that grows with x: the 0.9-quantile is x + 1.28 x.
    let mut text = String::from("x,y\n");
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    for _ in 0..1500 {
        let x = uniform();
        let noise: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        text.push_str(&format!("{x},{}\n", x + x * noise));
    }
    place.file("noisy.csv", text);
    let args = [
        "distill",
        "noisy.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--quantile",
        "0.9",
        "--steps",
        "1500",
        "--out",
        "run",
    ];
    let outcome = place.limbeck(&args).succeeds();
    assert!(
        outcome.stdout.contains("pinball loss") && outcome.stdout.contains("0.9-quantile"),
        "{}",
        outcome.stdout
    );
    let report = place.json("run/report.json");
    assert_eq!(report["quantile"], 0.9);
    assert!(
        report["verdict"]["sentence"]
            .as_str()
            .unwrap()
            .contains("pinball loss")
    );
    for side in ["baseline", "distilled"] {
        let covered = report["test"][side]["covered"].as_f64().unwrap();
        assert!((0.8..0.97).contains(&covered), "{side}: {covered}");
        assert!(
            report["test"][side]["pinball"].as_f64().unwrap()
                < report["test"][side]["rmse"].as_f64().unwrap()
        );
    }
    let evaluated = place
        .limbeck(&["evaluate", "run", "noisy.csv", "--json"])
        .succeeds();
    let value: serde_json::Value = serde_json::from_str(&evaluated.stdout).unwrap();
    assert!(
        (0.8..0.97).contains(&value["quantile"]["covered"].as_f64().unwrap()),
        "{value}"
    );
    // So do the page and comparisons; the mean is another question.
    let page = place.text("run/report.html");
    assert!(
        page.contains("pinball loss in ten groups of rows")
            && page.contains("<th scope=\"col\">covered</th>")
            && !page.contains("<h3>RMSE by")
    );
    let base = &args[..6];
    place
        .limbeck(
            &[
                base,
                &["--quantile", "0.9", "--steps", "200", "--out", "short"],
            ]
            .concat(),
        )
        .succeeds();
    place
        .limbeck(&[base, &["--out", "mean"]].concat())
        .succeeds();
    let compared = place
        .limbeck(&["compare", "short", "run", "mean"])
        .succeeds()
        .stdout;
    assert!(
        compared.contains("y (0.9-quantile)")
            && compared
                .contains("test pinball loss of the shipped student in short minus that in "),
        "{compared}"
    );
    assert!(
        compared.contains("one predicts y (0.9-quantile), the other y"),
        "{compared}"
    );
    place.refuses(
        &[base, &["--quantile", "1.5", "--out", "two"]].concat(),
        &["objective.quantile", "1.5", "above 0 and below 1"],
    );
    place.refuses(
        &[
            base,
            &["--quantile", "0.5", "--head", "gaussian", "--out", "two"],
        ]
        .concat(),
        &["objective.quantile"],
    );
    place.refuses(
        &[
            base,
            &["--quantile", "0.5", "--student", "trees", "--out", "two"],
        ]
        .concat(),
        &["objective.quantile", "student.kind"],
    );
    place.refuses(
        &[
            base,
            &["--quantile", "0.5", "--slope-rows", "90", "--out", "two"],
        ]
        .concat(),
        &["objective.quantile", "transfer.slope_rows"],
    );
    place.refuses(
        &[
            base,
            &["--quantile", "0.5", "--gate", "bounded", "--out", "two"],
        ]
        .concat(),
        &["objective.quantile", "objective.gate"],
    );
    place.refuses(
        &[
            "preflight",
            "noisy.csv",
            "--target",
            "y",
            "--quantile",
            "0.5",
        ],
        &["objective.quantile", "RMSE"],
    );
}

#[test]
fn binned_head_says_what_it_clamps() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    let row = |i: u32, set: &str, y: f64| format!("{},{y},{set}\n", i * 37 % 231);
    let mut text = String::from("x,y,set\n");
    for i in 0..200 {
        text.push_str(&row(
            i,
            if i % 5 == 0 { "valid" } else { "train" },
            f64::from(i % 40),
        ));
    }
    for i in 200..230 {
        text.push_str(&row(i, "test", if i < 220 { 20.0 } else { 500.0 }));
    }
    place.file("high.csv", text);
    let args = [
        "distill",
        "high.csv",
        "--target",
        "y",
        "--split-column",
        "set",
        "--recipe",
        "quick.toml",
        "--out",
    ];
    let outcome = place
        .limbeck(&[&args[..], &["run", "--head", "binned"]].concat())
        .succeeds();
    assert!(
        outcome
            .stderr
            .contains("10 of 30 test targets are outside of it"),
        "{}",
        outcome.stderr
    );
    assert!(
        place.json("run/report.json")["notes"][0]
            .as_str()
            .unwrap()
            .contains("10 of 30")
    );
    place.limbeck(&[&args[..], &["point"]].concat()).succeeds();
    assert!(place.json("point/report.json").get("notes").is_none());
}

#[test]
fn several_targets_go_the_whole_way() {
    let place = Place::with_table();
    let targets = format!("{TARGET},supply_v");
    let made = place
        .limbeck(&[
            "distill",
            "sensor.csv",
            "--recipe",
            "quick.toml",
            "--target",
            &targets,
            "--out",
            "both",
        ])
        .succeeds()
        .stdout;
    assert!(
        made.contains(&format!("target {TARGET}"))
            && made.contains("target supply_v")
            && made.ends_with("run: both/supply_v\n"),
        "{made}"
    );
    place
        .limbeck(&["predict", "both", "sensor.csv", "-o", "out.csv"])
        .succeeds();
    let table = Table::read(place.path("out.csv"), &ReadOptions::default()).unwrap();
    assert!(
        table.column(&format!("prediction_{TARGET}")).is_some()
            && table.column("prediction_supply_v").is_some()
    );
    let figures: Value = serde_json::from_str(
        &place
            .limbeck(&["evaluate", "both", "sensor.csv", "--json"])
            .succeeds()
            .stdout,
    )
    .unwrap();
    assert_eq!(
        (figures[0]["target"].as_str(), figures[1]["target"].as_str()),
        (Some(TARGET), Some("supply_v"))
    );
    assert!(
        place
            .limbeck(&["inspect", "both"])
            .succeeds()
            .stdout
            .matches("teacher (")
            .count()
            >= 2
    );
    // All students in one program: their names differ.
    place
        .limbeck(&[
            "export", "both", "--to", "c", "--out", "firmware", "--name", "sensor",
        ])
        .succeeds();
    assert!(
        place.exists("firmware/sensor_supply_v.c")
            && place.exists(&format!("firmware/sensor_{TARGET}.h"))
    );
    place
        .limbeck(&["export", "both", "--to", "onnx"])
        .succeeds();
    assert!(place.exists("both/supply_v/export/student_supply_v.onnx"));
    let verified = place.limbeck(&["verify", "both"]).succeeds().stdout;
    assert!(
        verified.contains("both/supply_v/export/student_supply_v.onnx"),
        "{verified}"
    );
    place
        .distill(&["--target", TARGET, "--out", "twice"])
        .fails(&["targets", "is also in `data.target`", "name it once"]);
}

#[test]
fn one_student_of_several_targets_goes_the_whole_way() {
    let place = Place::with_table();
    let targets = format!("{TARGET},supply_v");
    let options = ["--recipe", "quick.toml", "--target", &targets, "--joint"];
    let made = place
        .limbeck(
            &[
                &["distill", "sensor.csv"],
                &options[..],
                &["--out", "joint"],
            ]
            .concat(),
        )
        .succeeds()
        .stdout;
    assert!(
        made.ends_with("student of all targets: joint/student.limbeck\n"),
        "{made}"
    );
    place
        .limbeck(&["predict", "joint", "sensor.csv", "-o", "out.csv"])
        .succeeds();
    let table = Table::read(place.path("out.csv"), &ReadOptions::default()).unwrap();
    assert!(
        table.column(&format!("prediction_{TARGET}")).is_some()
            && table.column("prediction_supply_v").is_some()
    );
    // The file says the same as the folder, and names what it predicts.
    let of = |what: &str| place.limbeck(&["evaluate", what, "sensor.csv"]).succeeds();
    assert_eq!(of("joint").stdout, of("joint/student.limbeck").stdout);
    let inspected = place
        .limbeck(&["inspect", "joint/student.limbeck"])
        .succeeds();
    let names = format!("predicts `{TARGET}`, `supply_v`");
    assert!(inspected.stdout.contains(&names), "{}", inspected.stdout);
    for format in ["c", "onnx"] {
        place
            .limbeck(&["export", "joint", "--to", format])
            .succeeds();
    }
    let header = std::fs::read_to_string(place.path("joint/export/student.h")).unwrap();
    assert!(header.contains("STUDENT_SUPPLY_V = 1,"), "{header}");
    let verified = place.limbeck(&["verify", "joint"]).succeeds().stdout;
    assert!(
        verified.contains("joint/export/student.onnx: comparison with the student of the run"),
        "{verified}"
    );
    let page = std::fs::read_to_string(place.path("joint/report.html")).unwrap();
    assert!(page.contains("href=\"supply_v/report.html\""));
    place.limbeck(&["distill", "--resume", "joint"]).succeeds();
    place.distill(&["--joint"]).fails(&["joint", "targets"]);
}

#[test]
fn students_are_exported_verified_listed_and_compared() {
    let place = Place::with_table();
    place.distill(&["--quiet"]).succeeds();
    place.distill(&["--quiet", "--params", "400"]).succeeds();
    let wrote = place
        .limbeck(&[
            "export",
            "runs/sensor-1",
            "--to",
            "c",
            "--name",
            "thermistor",
        ])
        .succeeds()
        .stderr;
    assert!(
        wrote.contains("runs/sensor-1/export/thermistor.c")
            && place.exists("runs/sensor-1/export/thermistor.h"),
        "{wrote}"
    );
    place
        .limbeck(&["export", "runs/sensor-1", "--to", "onnx", "--quiet"])
        .succeeds();
    place
        .limbeck(&["export", "runs/sensor-1", "--to", "onnx"])
        .fails(&["never overwritten"]);
    let fine = place
        .limbeck(&["verify", "runs/sensor-1"])
        .succeeds()
        .stdout;
    assert!(
        fine.contains("max |difference|") && !fine.contains("WRONG"),
        "{fine}"
    );
    let last = fine.lines().last().unwrap();
    assert!(
        last.starts_with("All ") && last.contains("checks passed"),
        "{fine}"
    );
    let all = place
        .limbeck(&["verify", "runs/sensor-1", "--verbose"])
        .succeeds()
        .stdout;
    assert!(
        fine.lines().count() < 12
            && all.contains("sensor-1/report.html")
            && !fine.contains("report.html"),
        "{fine}"
    );
    let header = place.path("runs/sensor-1/export/thermistor.h");
    std::fs::write(&header, std::fs::read_to_string(&header).unwrap() + " ").unwrap();
    let wrong = place.limbeck(&["verify", "runs/sensor-1"]);
    assert!(
        wrong.code == Some(1)
            && wrong.stdout.contains("changed:")
            && wrong
                .stdout
                .lines()
                .last()
                .unwrap()
                .contains("checks failed: runs/sensor-1/export/thermistor.h"),
        "{}",
        wrong.stdout
    );
    let listed = place.limbeck(&["runs"]).succeeds().stdout;
    assert!(
        listed.contains("runs/sensor-1")
            && listed.contains("runs/sensor-2")
            && listed.contains("gap closed"),
        "{listed}"
    );
    let compared = place
        .limbeck(&[
            "compare",
            "runs/sensor-1",
            "runs/sensor-2",
            "--html",
            "both.html",
        ])
        .succeeds()
        .stdout;
    assert!(
        compared.contains("95 % interval")
            && compared.contains("student.params")
            && place.exists("both.html"),
        "{compared}"
    );
    place
        .limbeck(&["compare", "runs/sensor-1", "--html", "both.html"])
        .fails(&["never overwritten"]);
}

#[test]
fn killed_run_is_listed_and_goes_on() {
    let place = Place::with_table();
    let teacher = "if [ -e go ]; then sed 1d | cut -d, -f1; else sleep 5; fi";
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
        "--teacher-command",
        teacher,
        "--out",
        "runs/a",
        "--quiet",
    ];
    let mut process = place
        .command(&args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let since = std::time::Instant::now();
    while !place.exists("runs/a.unfinished/metrics.csv") {
        assert!(
            since.elapsed().as_secs() < 60,
            "no folder of a run in the making"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let listed = place.limbeck(&["runs"]).succeeds();
    assert!(
        listed.stderr.contains("in progress: runs/a"),
        "{}",
        listed.stderr
    );
    place
        .limbeck(&["distill", "--resume", "runs/a"])
        .fails(&["is working on runs/a", &process.id().to_string()]);
    process.kill().unwrap();
    process.wait().unwrap();
    let listed = place.limbeck(&["runs"]).succeeds();
    assert!(
        listed
            .stderr
            .contains("unfinished: runs/a; continue it with `limbeck distill --resume runs/a`"),
        "{}",
        listed.stderr
    );
    place
        .limbeck(&args)
        .fails(&["runs/a.unfinished", "--resume runs/a"]);
    place
        .limbeck(&["distill", "--resume", "runs/a", "--seed", "3"])
        .fails(&["leave out"]);
    place
        .limbeck(&["distill", "--resume", "runs/b"])
        .fails(&["runs/b.unfinished", "no unfinished run"]);
    place.file("go", "");
    let made = place
        .limbeck(&["distill", "--resume", "runs/a"])
        .succeeds()
        .stdout;
    assert!(
        made.contains("teacher (command)") && made.ends_with("run: runs/a\n"),
        "{made}"
    );
    place.limbeck(&["verify", "runs/a"]).succeeds();
    assert!(!place.exists("runs/a.unfinished"));
    // A run that is done is only shown again.
    assert_eq!(
        place
            .limbeck(&["distill", "--resume", "runs/a", "--quiet"])
            .succeeds()
            .stdout,
        made
    );
}

/// Runs a script of `evidence/` on files of this place; if its Python packages are missing, prints that and passes.
fn judged_by(script: &str, place: &Place, args: &[&str]) {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../evidence")
        .join(script);
    // How fast a page opens is no matter of a busy test.
    let done = std::process::Command::new("python3")
        .arg(&script)
        .args(args)
        .env("WITHIN", "60")
        .current_dir(place.path(""))
        .output();
    let Ok(done) = done else {
        return eprintln!("skipped: no python3 for {}", script.display());
    };
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    if !done.status.success() && error.starts_with("skipped: ") {
        return eprintln!("{} ({})", error.trim(), script.display());
    }
    assert!(
        done.status.success(),
        "{}{error}",
        String::from_utf8_lossy(&done.stdout)
    );
}

#[test]
fn event_files_are_read_back_by_tensorboard() {
    let place = Place::with_table();
    place
        .distill(&[
            "--quiet",
            "--hints",
            "attention",
            "--head",
            "gaussian",
            "--temperature",
            "std",
            "--out",
            "run",
        ])
        .succeeds();
    judged_by("events.py", &place, &["run"]);
}

#[test]
fn pages_open_in_a_browser_without_fault() {
    let place = Place::with_table();
    place
        .distill(&["--quiet", "--hints", "attention", "--out", "a"])
        .succeeds();
    place.distill(&["--quiet", "--out", "b"]).succeeds();
    place
        .limbeck(&["compare", "a", "b", "--html", "both.html"])
        .succeeds();
    judged_by("page.py", &place, &["a/report.html"]);
    judged_by("page.py", &place, &["both.html"]);
}

#[test]
fn dates_and_numbers_that_mean_missing_are_read_alike_everywhere() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    // Hours from 1969 on; every twentieth reading failed.
    let row = |row: usize| {
        let (day, hour) = (1 + row % 28, row * 7 % 24);
        let x = if row % 20 == 3 {
            -999.0
        } else {
            (row * 37 % 101) as f64
        };
        let y = f64::from(u8::from(hour > 12)) + 0.1 * x.max(0.0) + 0.01 * (row * 53 % 97) as f64;
        format!(
            "{}-0{}-{day:02} {hour:02}:30:00,{x},{y}",
            1969 + row % 3,
            1 + row % 9
        )
    };
    place.file("t.csv", common::csv("when,x,y", 400, row));
    let args = [
        "distill",
        "t.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--export",
        "c,onnx",
        "--out",
        "run",
    ];
    let said = place.limbeck(&args).succeeds().stderr;
    assert!(
        said.contains("`when` is a date; its parts are features: elapsed (days since 1970), year (the year), month (1 to 12)"),
        "{said}"
    );
    assert!(
        said.contains("`x`: -999 (") && said.contains("taken as missing"),
        "{said}"
    );
    let header = std::fs::read_to_string(place.path("run/export/student.h")).unwrap();
    assert!(
        header.contains(
            "int64_t when; /* when; seconds since 1970-01-01 UTC, INT64_MIN is missing */"
        ),
        "{header}"
    );
    assert!(
        header.contains("double x; /* x; missing: -999 */"),
        "{header}"
    );
    // Golden rows hold dates before and after 1970 and the number that means missing.
    place.limbeck(&["verify", "run"]).succeeds();
    place.file(
        "rows.csv",
        "when,x\n1969-05-01 10:30:00,-999\n1969-05-01 10:30:00,\n,-999\n",
    );
    let predicted = |student: &str| {
        place
            .limbeck(&["predict", student, "rows.csv"])
            .succeeds()
            .stdout
    };
    let of_run = predicted("run");
    let cells: Vec<&str> = of_run
        .lines()
        .filter_map(|line| line.rsplit(',').next())
        .collect();
    assert!(
        cells.len() == 4 && cells[1] == cells[2] && cells[1] != cells[3],
        "{of_run}"
    );
    assert_eq!(predicted("run/student.limbeck"), of_run);
}
