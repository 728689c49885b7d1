//! What `limbeck preflight` says, takes and refuses, with the real binary in a clean folder.
#![allow(missing_docs, clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

mod common;

use common::{Place, QUICK, TARGET, csv, plain};
use serde_json::Value;

fn figures(place: &Place, args: &[&str]) -> Value {
    let all = [
        &[
            "preflight",
            "sensor.csv",
            "--target",
            TARGET,
            "--recipe",
            "quick.toml",
            "--json",
            "--quiet",
        ],
        args,
    ]
    .concat();
    let outcome = place.limbeck(&all).succeeds();
    assert_eq!(outcome.stderr, "");
    let mut report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(report["measured"]["seconds"].is_number());
    report.as_object_mut().unwrap().remove("measured");
    report
}

/// 400 rows, each with its set; the target of test rows is given by `test`.
fn split_table(test: impl Fn(usize) -> f64) -> String {
    csv("a,b,set,y", 400, |row| {
        let set = if row % 4 == 0 { "test" } else { "train" };
        let cells = plain(row);
        let (inputs, y) = cells.rsplit_once(',').unwrap();
        let y = if set == "test" {
            test(row).to_string()
        } else {
            y.to_owned()
        };
        format!("{inputs},{set},{y}")
    })
}

#[test]
fn preflight_says_what_it_found_and_writes_nothing() {
    let place = Place::with_table();
    let before = place.files();
    let outcome = place
        .limbeck(&[
            "preflight",
            "sensor.csv",
            "--target",
            TARGET,
            "--recipe",
            "quick.toml",
        ])
        .succeeds();
    for word in [
        "RMSE teacher",
        "RMSE student alone",
        "RMSE student distilled",
        "teacher's lead",
        "distilled student's lead",
        "seen / unseen",
        "closed-form",
        "half / all rows",
        "slope",
        "expected to save",
        "noise floor",
        "240 of 240 training and validation rows, 3 pilots of 168",
        "chance",
        "- distilled student against the baseline",
    ] {
        assert!(
            outcome.stdout.contains(word),
            "no `{word}` in {}",
            outcome.stdout
        );
    }
    let answers = [
        "Distillation is likely to pay",
        "Distillation will probably not pay",
        "Unsure whether distillation will pay",
    ];
    assert_eq!(
        answers
            .iter()
            .filter(|answer| outcome.stdout.contains(**answer))
            .count(),
        1,
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stderr.contains("pilot 3 of 3"),
        "{}",
        outcome.stderr
    );
    assert!(
        !outcome.stdout.contains('\x1b') && !outcome.stdout.contains("NaN"),
        "{}",
        outcome.stdout
    );
    assert_eq!(place.files(), before);
}

#[test]
fn preflight_json_has_every_figure() {
    let place = Place::with_table();
    let report = figures(&place, &["--alpha", "auto"]);
    for pointer in [
        "/verdict/chance",
        "/verdict/worth",
        "/verdict/saving/value",
        "/verdict/saving/low",
        "/rmse/teacher",
        "/rmse/baseline",
        "/rmse/distilled",
        "/teacher_gap/mean",
        "/teacher_gap/standard_error",
        "/saved/mean",
        "/saved/standard_error",
        "/teacher_fit/out_of_fold",
        "/teacher_fit/in_sample",
        "/teacher_fit/ratio",
        "/learning_curve/half",
        "/learning_curve/all",
        "/learning_curve/slope",
        "/noise/gamma",
        "/noise/nearest",
        "/noise/teacher",
        "/rows/sampled",
        "/rows/test",
        "/rows/held_out",
        "/seed",
    ] {
        assert!(
            report.pointer(pointer).is_some_and(Value::is_number),
            "{pointer} in {report}"
        );
    }
    let kind = report["verdict"]["kind"].as_str().unwrap();
    assert!(["pays", "will not pay", "unsure"].contains(&kind), "{kind}");
    assert!(!report["verdict"]["reasons"].as_array().unwrap().is_empty());
    assert_eq!(figures(&place, &["--rows", "150"])["rows"]["sampled"], 150);
    // A fixed alpha has no fit on teacher labels alone.
    assert!(figures(&place, &["--alpha", "0.5"])["closed_form"].is_null());
}

#[test]
fn preflight_repeats_with_any_thread_count_and_varies_with_the_seed() {
    let place = Place::with_table();
    let one = figures(&place, &["--threads", "1", "--seed", "3"]);
    assert_eq!(one, figures(&place, &["--threads", "2", "--seed", "3"]));
    assert_ne!(one["saved"], figures(&place, &["--seed", "4"])["saved"]);
}

#[test]
fn preflight_never_looks_at_test_rows() {
    let place = Place::with_table();
    let say = |content: String| {
        place.file("split.csv", content);
        let args = [
            "preflight",
            "split.csv",
            "--target",
            "y",
            "--split-column",
            "set",
            "--recipe",
            "quick.toml",
            "--json",
            "--quiet",
        ];
        let mut report: Value =
            serde_json::from_str(&place.limbeck(&args).succeeds().stdout).unwrap();
        report.as_object_mut().unwrap().remove("measured");
        report
    };
    let first = say(split_table(|row| row as f64));
    assert_eq!(first["rows"]["test"], 100);
    assert_eq!(first, say(split_table(|row| -1e6 * (row % 3) as f64)));
    // The check has teeth: a training target changes the figures.
    let table = split_table(|row| row as f64);
    let other: String = table
        .lines()
        .enumerate()
        .map(|(at, line)| {
            if at == 2 {
                "3.7,7.5714,train,99\n".into()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    assert_ne!(first["rmse"], say(other)["rmse"]);
}

#[test]
fn preflight_takes_a_column_or_a_command_as_teacher() {
    let place = Place::with_table();
    place.file(
        "given.csv",
        csv("a,b,y,given", 300, |row| {
            format!("{},{}", plain(row), row % 7)
        }),
    );
    let args = [
        "preflight",
        "given.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--json",
        "--quiet",
    ];
    let report = |more: &[&str]| -> Value {
        serde_json::from_str(&place.limbeck(&[&args[..], more].concat()).succeeds().stdout).unwrap()
    };
    for more in [
        &["--teacher-column", "given"][..],
        &[
            "--drop",
            "given",
            "--teacher-command",
            "sed '1d; s/.*/7/' | cat",
        ],
    ] {
        let report = report(more);
        assert!(
            report["teacher_fit"].is_null() && report["rmse"]["teacher"].is_number(),
            "{report}"
        );
        assert!(
            report["notes"]
                .to_string()
                .contains("the teacher was not fitted by limbeck, so its error"),
            "{report}"
        );
        assert_eq!(report["verdict"]["kind"], "will not pay", "{report}");
    }
}

#[test]
fn preflight_respects_groups_and_time() {
    let place = Place::with_table();
    place.file(
        "when.csv",
        csv("a,b,y,when,who", 400, |row| {
            format!("{},{row},g{}", plain(row), row / 8)
        }),
    );
    let args = [
        "preflight",
        "when.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--json",
        "--quiet",
    ];
    let rows = |more: &[&str]| -> Value {
        let stdout = place.limbeck(&[&args[..], more].concat()).succeeds().stdout;
        serde_json::from_str::<Value>(&stdout).unwrap()["rows"].clone()
    };
    assert_eq!(rows(&["--time", "when", "--drop", "who"])["pilots"], 1);
    let grouped = rows(&["--group", "who", "--drop", "when"]);
    assert_eq!(
        (
            &grouped["pilots"],
            grouped["held_out"].as_u64().unwrap() % 8
        ),
        (&Value::from(3), 0)
    );
}

#[test]
fn preflight_refuses_what_says_nothing() {
    let place = Place::with_table();
    let quick = [
        "preflight",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
    ];
    place.refuses(
        &[&quick[..], &["--rows", "99"]].concat(),
        &["rows: found 99, expected at least 100"],
    );
}

#[test]
fn preflight_rejects_too_few_rows() {
    let place = Place::empty();
    place.file("quick.toml", QUICK);
    place.file("small.csv", csv("a,b,y", 110, plain));
    place.refuses(
        &[
            "preflight",
            "small.csv",
            "--target",
            "y",
            "--recipe",
            "quick.toml",
        ],
        &[
            "88 training and validation rows are too few for preflight, which needs at least",
            "add rows",
        ],
    );
    place.refuses(
        &["preflight", "nowhere.csv", "--target", "y"],
        &["nowhere.csv", "No such file"],
    );
    place.refuses(
        &[
            "preflight",
            "small.csv",
            "--target",
            "z",
            "--recipe",
            "quick.toml",
        ],
        &["no column `z`"],
    );
}

#[test]
fn preflight_rejects_labels_of_an_earlier_run() {
    let place = Place::with_run();
    place.refuses(
        &[
            "preflight",
            "sensor.csv",
            "--target",
            TARGET,
            "--recipe",
            "quick.toml",
            "--teacher-from",
            "run",
        ],
        &["teacher.from", "already has a verdict on distillation"],
    );
}
