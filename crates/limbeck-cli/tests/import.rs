//! Model files of other libraries as teachers, with the real binary in a clean folder.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::print_stderr,
    reason = "tests; what is skipped is shown"
)]

mod common;

use std::path::Path;

use common::{Outcome, Place};
use limbeck_data::{Column, ReadOptions, Table, Values};

/// Fixtures of the library's own tests.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../limbeck-teach/tests/fixtures")
            .join(name),
    )
    .unwrap()
}

const ARGS: [&str; 8] = [
    "distill",
    "rows.csv",
    "--target",
    "target",
    "--recipe",
    "quick.toml",
    "--out",
    "run",
];

/// A folder with `rows.csv` (1000 rows), `quick.toml` and a model file.
fn place_with(model: &str) -> Place {
    let place = Place::empty();
    place.file("rows.csv", fixture("rows.csv"));
    place.file("quick.toml", common::QUICK);
    place.file(model, fixture(model));
    place
}

fn distill(place: &Place, args: &[&str]) -> Outcome {
    place.limbeck(&[&ARGS[..], args].concat())
}

fn refuses(place: &Place, args: &[&str], parts: &[&str]) {
    place.refuses(&[&ARGS[..], args].concat(), parts);
}

fn numbers(place: &Place, file: &str, column: &str) -> Vec<f64> {
    let table = Table::read(place.path(file), &ReadOptions::default()).unwrap();
    match &table.column(column).unwrap().values {
        Values::Number(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

fn sets(place: &Place) -> Vec<String> {
    let table = Table::read(place.path("run/labels.parquet"), &ReadOptions::default()).unwrap();
    let column = table.column("set").unwrap();
    let Values::Category { codes, levels } = &column.values else {
        panic!("no category")
    };
    codes
        .iter()
        .map(|code| levels[*code as usize].clone())
        .collect()
}

#[test]
fn lightgbm_file_teaches_new_rows_and_leaves_training_rows_their_targets() {
    let place = place_with("lightgbm_regression.txt");
    let outcome = distill(&place, &["--teacher-model", "lightgbm_regression.txt"]).succeeds();
    assert!(
        outcome.stderr.contains("fitted elsewhere"),
        "{}",
        outcome.stderr
    );
    let report = place.json("run/report.json");
    assert_eq!(report["teacher"]["kind"], "lightgbm");
    assert!(report["teacher"]["new_rows"].as_u64().unwrap() > 100);
    assert!(report["teacher"]["parameters"].as_u64().unwrap() > 100);
    assert!(
        report["test"]["teacher"]["r2"].as_f64().unwrap() > 0.5,
        "{}",
        report["test"]["teacher"]
    );
    let labels = numbers(&place, "run/labels.parquet", "teacher");
    for (set, label) in sets(&place).iter().zip(&labels) {
        assert_eq!(set == "train", label.is_nan(), "{set} {label}");
    }
    // The labels are the library's own predictions.
    let rows = numbers(&place, "run/labels.parquet", "row");
    let expected: Vec<f64> = {
        place.file("expected.csv", fixture("expected.csv"));
        numbers(&place, "expected.csv", "lightgbm_regression")
    };
    let mut compared = 0;
    for ((set, row), label) in sets(&place).iter().zip(rows).zip(labels) {
        if set == "test" || set == "valid" {
            assert!((label - expected[row as usize]).abs() < 1e-5);
            compared += 1;
        }
    }
    assert!(compared > 200);
    // And they serve a second student.
    place
        .limbeck(&[
            "distill",
            "rows.csv",
            "--target",
            "target",
            "--recipe",
            "quick.toml",
            "--teacher-from",
            "run",
            "--out",
            "second",
        ])
        .succeeds();
    assert_eq!(
        place.bytes("run/student.limbeck"),
        place.bytes("second/student.limbeck")
    );
}

#[test]
fn given_folds_label_the_training_rows_of_an_imported_teacher() {
    let place = place_with("xgboost_tweedie.json");
    let mut table = Table::read(place.path("rows.csv"), &ReadOptions::default()).unwrap();
    let target = numbers(&place, "rows.csv", "target");
    let theirs: Vec<f64> = target
        .iter()
        .enumerate()
        .map(|(row, y)| y + ((row * 31 % 17) as f64 - 8.0) * 0.03)
        .collect();
    table.columns.push(Column::number("theirs", theirs));
    // Rows of every fifth have no fold: the teacher was fitted on them.
    let fold = |row: u32| {
        if row.is_multiple_of(5) {
            f64::NAN
        } else {
            f64::from(row % 5)
        }
    };
    table
        .columns
        .push(Column::number("part", (0..1000).map(fold).collect()));
    table.write_csv(place.path("rows.csv")).unwrap();
    let folds = ["--teacher-column", "theirs", "--teacher-fold", "part"];
    let model = ["--teacher-model", "xgboost_tweedie.json", "--log-target"];
    distill(&place, &[&folds[..], &model].concat()).succeeds();
    let report = place.json("run/report.json");
    assert_eq!(report["teacher"]["kind"], "xgboost");
    assert!(report["teacher"]["new_rows"].as_u64().unwrap() > 100);
    let labels = numbers(&place, "run/labels.parquet", "teacher");
    let rows = numbers(&place, "run/labels.parquet", "row");
    let theirs = numbers(&place, "rows.csv", "theirs");
    let mut train = 0;
    for ((set, row), label) in sets(&place).iter().zip(rows).zip(labels) {
        if set == "train" {
            train += 1;
            match row as u32 % 5 {
                0 => assert!(label.is_nan()),
                _ => assert!((label - theirs[row as usize].ln()).abs() < 1e-12),
            }
        }
    }
    assert!(train > 500);
    // A column without folds may have been fitted on the same rows.
    let args = [
        &ARGS[..6],
        &[
            "--out",
            "second",
            "--teacher-column",
            "theirs",
            "--drop",
            "part",
        ],
        &model,
    ]
    .concat();
    place.refuses(&args, &["teacher.model", "data.teacher_fold"]);
}

#[test]
fn onnx_file_with_named_columns_teaches() {
    let place = place_with("onnx_sum.onnx");
    let columns = [
        "--teacher-model",
        "onnx_sum.onnx",
        "--teacher-model-columns",
        "flow,load,head",
    ];
    distill(&place, &columns).succeeds();
    assert_eq!(place.json("run/report.json")["teacher"]["kind"], "onnx");
    assert!(
        place
            .text("run/recipe.toml")
            .contains("model_columns = [\"flow\", \"load\", \"head\"]")
    );
}

#[test]
fn hidden_layers_follow_features_of_imported_trees() {
    let place = place_with("lightgbm_regression.txt");
    let model = ["--teacher-model", "lightgbm_regression.txt"];
    distill(&place, &model).succeeds();
    let plain = place.json("run/report.json");
    for hints in ["hint", "attention"] {
        let args = [&ARGS[..6], &["--out", hints, "--hints", hints], &model].concat();
        place.limbeck(&args).succeeds();
        let report = place.json(&format!("{hints}/report.json"));
        assert_eq!(report["test"]["baseline"], plain["test"]["baseline"]);
        assert_ne!(report["test"]["distilled"], plain["test"]["distilled"]);
    }
    // A run keeps no copy of a file from elsewhere.
    let args = [
        &ARGS[..6],
        &[
            "--out",
            "second",
            "--hints",
            "hint",
            "--teacher-from",
            "run",
        ],
    ]
    .concat();
    place.refuses(&args, &["hints.kind", "teacher.model"]);
}

#[test]
fn teacher_model_that_is_not_there_is_named() {
    let place = place_with("onnx_sum.onnx");
    refuses(
        &place,
        &["--teacher-model", "nowhere.txt"],
        &[
            "nowhere.txt",
            "No such file",
            "LightGBM, XGBoost, CatBoost or ONNX",
        ],
    );
}

#[test]
fn teacher_model_of_another_format_is_refused() {
    let place = place_with("onnx_sum.onnx");
    refuses(
        &place,
        &["--teacher-model", "rows.csv"],
        &["rows.csv cannot be the teacher", "LightGBM text model"],
    );
    let bytes = fixture("onnx_sum.onnx");
    place.file("cut.onnx", &bytes[..bytes.len() / 2]);
    refuses(
        &place,
        &["--teacher-model", "cut.onnx"],
        &["cut.onnx cannot be the teacher", "found", "expected"],
    );
}

#[test]
fn teacher_model_that_wants_a_column_more_is_refused() {
    let place = place_with("lightgbm_regression.txt");
    let args = [
        "--teacher-model",
        "lightgbm_regression.txt",
        "--drop",
        "load",
    ];
    refuses(
        &place,
        &args,
        &["lightgbm_regression.txt", "`load`", "`flow`", "data.keep"],
    );
    let place = place_with("onnx_gemm.onnx");
    let args = ["--teacher-model", "onnx_gemm.onnx"];
    refuses(
        &place,
        &args,
        &[
            "3 inputs without names",
            "4 features",
            "teacher.model_columns",
        ],
    );
    refuses(
        &place,
        &["--teacher-model-columns", "flow"],
        &["teacher.model_columns", "no effect without `teacher.model`"],
    );
}

#[test]
fn teacher_model_beside_another_teacher_is_refused() {
    let place = place_with("onnx_gemm.onnx");
    let args = [
        "--teacher-model",
        "onnx_gemm.onnx",
        "--teacher-command",
        "cat",
    ];
    refuses(
        &place,
        &args,
        &[
            "teacher.command.command",
            "cannot be combined with `teacher.model`",
        ],
    );
}

#[test]
fn teacher_model_below_zero_is_refused_with_log_target() {
    let place = place_with("onnx_sum.onnx");
    let args = [
        "--teacher-model",
        "onnx_sum.onnx",
        "--teacher-model-columns",
        "flow,load,head",
        "--log-target",
    ];
    refuses(&place, &args, &["not above 0", "--log-target"]);
}

#[test]
fn teacher_of_a_run_on_other_rows_teaches_in_either_unit() {
    let place = place_with("onnx_sum.onnx");
    distill(&place, &["--log-target"]).succeeds();
    let text = place.text("rows.csv");
    let lines: Vec<&str> = text.lines().collect();
    place.file("few.csv", lines[..301].join("\n"));
    for (out, unit) in [("same", &["--log-target"][..]), ("other", &[])] {
        let args = [
            "distill",
            "few.csv",
            "--target",
            "target",
            "--recipe",
            "quick.toml",
            "--out",
            out,
            "--teacher-model",
            "run",
        ];
        let outcome = place.limbeck(&[&args[..], unit].concat()).succeeds();
        assert!(
            outcome.stderr.contains("fitted elsewhere"),
            "{}",
            outcome.stderr
        );
        let report = place.json(&format!("{out}/report.json"));
        assert!(
            report["teacher"]["kind"]
                .as_str()
                .unwrap()
                .ends_with(" of another run")
        );
        // In the wrong unit this would be far below 0.
        assert!(
            report["test"]["teacher"]["r2"].as_f64().unwrap() > 0.6,
            "{out}: {}",
            report["test"]["teacher"]
        );
    }
    let args = [
        "distill",
        "few.csv",
        "--target",
        "target",
        "--out",
        "third",
        "--teacher-model",
        "run",
        "--teacher-model-columns",
        "flow",
    ];
    place.refuses(&args, &["teacher.model_columns", "by name"]);
    place.refuses(
        &[
            "distill",
            "few.csv",
            "--target",
            "target",
            "--out",
            "third",
            "--teacher-model",
            ".",
        ],
        &["recipe.toml", "not a complete run"],
    );
}

/// Rows on which the first of the columns `a`, `b`, `c` decides, and `b` has one value in all but the test rows.
fn shifted(place: &Place) {
    let mut table = String::from("a,id,b,c,y,set\n");
    for row in 0..300 {
        let (a, c) = (
            (row * 37 % 101) as f64 / 10.0,
            (row * 53 % 97) as f64 / 10.0,
        );
        let (set, b) = match row % 5 {
            0 => ("test", row % 7),
            1 => ("valid", 1),
            _ => ("train", 1),
        };
        table += &format!("{a},{c},{b},{a},{},{set}\n", 3.0 * a - c);
    }
    place.file("shifted.csv", &table);
}

#[test]
fn inputs_by_position_are_refused_where_a_check_dropped_a_column() {
    let place = place_with("onnx_two.onnx");
    shifted(&place);
    // Of `a,id,b,c` the check for constants drops `b` and that for duplicates `c`; the model has three inputs.
    let label = |more: &[&str]| {
        let args = [
            "label",
            "shifted.csv",
            "--target",
            "y",
            "--split-column",
            "set",
            "--recipe",
            "quick.toml",
            "--out",
            "labels.csv",
        ];
        let model = [
            "--teacher-model",
            "onnx_two.onnx",
            "--teacher-model-output",
            "high",
        ];
        place.limbeck(&[&args[..], &model, more].concat())
    };
    let refusal = label(&["--keep", "c"]);
    assert_eq!(refusal.code, Some(2));
    for part in [
        "`b` (dropped by check `constant`)",
        "--keep b",
        "--teacher-model-columns",
        "--drop b",
    ] {
        assert!(refusal.stderr.contains(part), "{part}: {}", refusal.stderr);
    }
    assert!(!place.path("labels.csv").exists());
    // Ways out: the user says that the model never had it, or names the columns.
    for more in [
        &["--keep", "c", "--drop", "b"][..],
        &["--teacher-model-columns", "a,id,id"],
    ] {
        label(more).succeeds();
        assert!(place.path("labels.csv").exists());
        std::fs::remove_file(place.path("labels.csv")).unwrap();
    }
    // Kept, it is one column too many, and the count says so.
    let refusal = label(&["--keep", "c", "--keep", "b"]);
    assert!(
        refusal
            .stderr
            .contains("3 inputs without names and the table has 4"),
        "{}",
        refusal.stderr
    );
}

#[test]
fn one_of_several_outputs_is_chosen_by_name() {
    let place = place_with("onnx_two.onnx");
    let args = ["--teacher-model", "onnx_two.onnx", "--drop", "kind"];
    refuses(
        &place,
        &args,
        &[
            "`low` [rows, 1], `high` [rows, 1]",
            "--teacher-model-output",
        ],
    );
    refuses(
        &place,
        &["--teacher-model-output", "high"],
        &["teacher.model_output", "no effect without `teacher.model`"],
    );
    let args = [&args[..], &["--teacher-model-output", "middle"]].concat();
    refuses(&place, &args, &["no output `middle`"]);
}

#[test]
fn best_iteration_of_a_model_is_noted() {
    let place = place_with("xgboost_early.ubj");
    let args = [
        "label",
        "rows.csv",
        "--target",
        "target",
        "--recipe",
        "quick.toml",
        "--out",
        "labels.csv",
    ];
    let outcome = place
        .limbeck(&[&args[..], &["--teacher-model", "xgboost_early.ubj"]].concat())
        .succeeds();
    assert!(
        outcome.stderr.contains("early stopping found iteration"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn files_and_folders_of_other_libraries_are_named() {
    let place = place_with("onnx_two.onnx");
    place.file("model.pkl", b"\x80\x04\x95rest");
    refuses(
        &place,
        &["--teacher-model", "model.pkl"],
        &["model.pkl", "Python pickle", "save_model"],
    );
    std::fs::create_dir(place.path("saved")).unwrap();
    place.file("saved/saved_model.pb", b"x");
    refuses(
        &place,
        &["--teacher-model", "saved"],
        &["TensorFlow SavedModel", "tf2onnx"],
    );
    // The head of a `.limbeck` file: a length, then JSON with its format.
    let head = b"\x50\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"limbeck-1\"}}";
    place.file("student.limbeck", head);
    refuses(
        &place,
        &["--teacher-model", "student.limbeck"],
        &["student or teacher of limbeck", "--teacher-model runs/NAME"],
    );
}

/// The folder of small inputs from outside; none where it is not there, which is shown.
fn case(name: &str) -> Option<std::path::PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let folder = std::env::var_os("LIMBECK_CASES").map_or_else(default, Into::into);
    let folder = folder.join(name);
    if !folder.is_dir() {
        eprintln!("skipped: no folder {} (LIMBECK_CASES)", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn case_of_a_shifted_position_is_refused_and_its_right_table_is_read() {
    let Some(folder) = case("position_shift") else {
        return;
    };
    let place = place_with("onnx_two.onnx");
    let label = |table: &str| {
        let (table, model) = (folder.join(table), folder.join("model.json"));
        let args = [
            "label",
            table.to_str().unwrap(),
            "--target",
            "y",
            "--split-column",
            "set",
            "--recipe",
            "quick.toml",
        ];
        place.limbeck(
            &[
                &args[..],
                &[
                    "--teacher-model",
                    model.to_str().unwrap(),
                    "--out",
                    "labels.csv",
                ],
            ]
            .concat(),
        )
    };
    let refusal = label("table.csv");
    assert_eq!(refusal.code, Some(2), "{}", refusal.stderr);
    assert!(
        refusal.stderr.contains("`b`") || refusal.stderr.contains("`c`"),
        "{}",
        refusal.stderr
    );
    assert!(
        refusal.stderr.contains("check `constant`"),
        "{}",
        refusal.stderr
    );
    label("right_table.csv").succeeds();
}
