//! Errors name what is wrong, where, and how to fix it: exit 2, no panic, no incomplete file.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Place, TARGET, csv, plain};

const HEADER: &str = "a,b,y";

// Tables

#[test]
fn distill_rejects_missing_file() {
    let place = Place::empty();
    place.refuses(
        &["distill", "nowhere.csv", "--target", "y"],
        &["nowhere.csv", "No such file"],
    );
}

#[test]
fn distill_rejects_empty_file() {
    Place::empty().refuses_table("", "y", &["bad.csv", "empty", "expected a header"]);
}

#[test]
fn distill_rejects_header_only() {
    Place::empty().refuses_table(
        "a,b,y\n",
        "y",
        &["bad.csv", "column names but no rows", "at least one row"],
    );
}

#[test]
fn distill_rejects_one_row() {
    Place::empty().refuses_table("a,b,y\n1,2,3\n", "y", &["1 row is not enough", "add rows"]);
}

#[test]
fn distill_rejects_ragged_row() {
    let table = csv(
        HEADER,
        60,
        |row| if row == 6 { "1,2".into() } else { plain(row) },
    );
    Place::empty().refuses_table(
        table,
        "y",
        &["bad.csv", "row 7 (line 8) has 2 cells", "header has 3"],
    );
}

#[test]
fn distill_rejects_open_quote() {
    let table = csv(HEADER, 60, |row| {
        if row == 6 {
            "\"1,2,3".into()
        } else {
            plain(row)
        }
    });
    Place::empty().refuses_table(table, "y", &["bad.csv", "line 8", "never closed"]);
}

#[test]
fn distill_rejects_latin1() {
    let mut table = csv("a,b,stadt,y", 60, |row| {
        format!("{},{},Ulm,{row}", row % 7, row % 5)
    })
    .into_bytes();
    table.extend(b"1,2,M\xfcnchen,3\n");
    Place::empty().refuses_table(table, "y", &["bad.csv", "line 62", "not UTF-8", "iconv"]);
}

#[test]
fn distill_rejects_utf16() {
    let table: Vec<u8> = csv(HEADER, 30, plain)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    Place::empty().refuses_table(table, "y", &["bad.csv", "UTF-16"]);
}

#[test]
fn distill_rejects_duplicate_header() {
    let table = csv("a,a,y", 60, plain);
    Place::empty().refuses_table(
        table,
        "y",
        &["columns 1 and 2 are both named `a`", "own name"],
    );
}

#[test]
fn distill_rejects_unknown_format() {
    let place = Place::empty();
    place.file("table.dat", b"nothing that is known\0\n");
    place.refuses(
        &["distill", "table.dat", "--target", "y"],
        &["table.dat", ".csv", ".parquet", "df.to_csv"],
    );
}

#[test]
fn distill_rejects_truncated_parquet() {
    let place = Place::empty();
    limbeck_data::simulate::thermistor(300, 1)
        .write_parquet(place.path("full.parquet"))
        .unwrap();
    let bytes = place.bytes("full.parquet");
    place.file("cut.parquet", &bytes[..bytes.len() / 2]);
    place.refuses(
        &["distill", "cut.parquet", "--target", TARGET],
        &["cut.parquet"],
    );
}

#[test]
fn distill_rejects_column_that_is_all_missing_if_told_to() {
    let place = Place::empty();
    place.file(
        "t.csv",
        csv("a,empty,y", 60, |row| {
            format!("{},,{}", row % 13, row * row % 17)
        }),
    );
    let args = [
        "distill",
        "t.csv",
        "--target",
        "y",
        "--check",
        "all_missing=refuse",
        "--out",
        "run",
    ];
    place.refuses(&args, &["`empty`", "all_missing"]);
}

#[test]
fn distill_rejects_only_useless_columns() {
    let place = Place::empty();
    place.file(
        "t.csv",
        csv("empty,y", 60, |row| format!(",{}", row * row % 17)),
    );
    place.refuses(
        &["distill", "t.csv", "--target", "y", "--out", "run"],
        &["feature"],
    );
}

#[test]
fn distill_rejects_text_in_a_number_column() {
    let place = Place::empty();
    place.file(
        "t.csv",
        csv(HEADER, 60, |row| {
            if row == 4 {
                "oops,1,2".into()
            } else {
                plain(row)
            }
        }),
    );
    let args = [
        "distill", "t.csv", "--target", "y", "--type", "a=number", "--out", "run",
    ];
    place.refuses(
        &args,
        &["t.csv: row 5 (line 6), column `a`", "\"oops\"", "a number"],
    );
}

#[test]
fn distill_rejects_infinite_feature() {
    let table = csv(HEADER, 60, |row| {
        if row == 4 {
            "inf,1,2".into()
        } else {
            plain(row)
        }
    });
    Place::empty().refuses_table(table, "y", &["`a`", "infinite", "row 5"]);
}

#[test]
fn distill_rejects_numbers_too_large_to_hold() {
    let table = csv(HEADER, 60, |row| {
        if row == 4 {
            "1e999,1,2".into()
        } else {
            plain(row)
        }
    });
    Place::empty().refuses_table(table, "y", &["`a`", "row 5"]);
}

#[test]
fn distill_survives_huge_numbers() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    place.file(
        "t.csv",
        csv(HEADER, 120, |row| {
            if row == 4 {
                "1e300,1,2".into()
            } else {
                plain(row)
            }
        }),
    );
    let outcome = place.limbeck(&[
        "distill",
        "t.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--out",
        "run",
    ]);
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    match outcome.code {
        Some(0) => assert!(place.json("run/report.json")["test"]["shipped"]["rmse"].is_f64()),
        code => {
            assert_eq!(code, Some(2), "{outcome:?}");
            assert!(outcome.stderr.contains("`a`"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn distill_rejects_huge_targets() {
    let table = csv(HEADER, 120, |row| {
        if row % 9 == 4 {
            "1,2,1e300".into()
        } else {
            plain(row)
        }
    });
    Place::empty().refuses_table(table, "y", &["`y`"]);
}

#[test]
fn distill_rejects_missing_target_column() {
    let place = Place::with_table();
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        "air_temperatur",
        "--out",
        "run",
    ];
    place.refuses(
        &args,
        &[
            "sensor.csv",
            "no column `air_temperatur`",
            "did you mean `air_temperature_c`",
        ],
    );
}

#[test]
fn distill_rejects_target_that_is_no_number() {
    let place = Place::with_table();
    place.refuses(
        &["distill", "sensor.csv", "--target", "range", "--out", "run"],
        &["`range`", "number"],
    );
}

#[test]
fn distill_rejects_infinite_target() {
    let table = csv(HEADER, 60, |row| {
        if row == 4 {
            "1,2,inf".into()
        } else {
            plain(row)
        }
    });
    Place::empty().refuses_table(table, "y", &["row 5", "`y`", "inf"]);
}

#[test]
fn distill_rejects_target_without_values() {
    let table = csv(HEADER, 60, |row| format!("{row},{},", row % 7));
    Place::empty().refuses_table(table, "y", &["`y`"]);
}

#[test]
fn distill_rejects_constant_target() {
    let table = csv(HEADER, 60, |row| format!("{},{},5", row % 11, row % 7));
    Place::empty().refuses_table(
        table,
        "y",
        &["`y` is 5 in all", "constant", "another target column"],
    );
}

#[test]
fn distill_rejects_negative_target_with_log_target() {
    let place = Place::with_table();
    place.refuses_distill(&["--log-target"], &["log", TARGET, "above 0"]);
}

#[test]
fn distill_rejects_leak() {
    let place = Place::empty();
    let table = csv("a,copy,y", 120, |row| {
        format!("{},{},{}", row % 11, row * row % 97, row * row % 97)
    });
    place.refuses_table(table, "y", &["`copy`", "leak", "--drop"]);
}

#[test]
fn distill_rejects_negative_weight() {
    let place = Place::empty();
    place.file(
        "t.csv",
        csv("a,w,y", 60, |row| {
            format!("{},{},{}", row % 11, row as f64 - 3.0, row * row % 97)
        }),
    );
    place.refuses(
        &[
            "distill", "t.csv", "--target", "y", "--weight", "w", "--out", "run",
        ],
        &["`w`", "row 1", "0"],
    );
}

// Options and recipes

#[test]
fn distill_without_table_names_what_is_missing() {
    Place::empty().refuses(
        &["distill", "--target", "y"],
        &["no table given", "--recipe"],
    );
}

#[test]
fn distill_without_target_names_the_flag() {
    Place::with_table().refuses(&["distill", "sensor.csv"], &["no target given", "--target"]);
}

#[test]
fn distill_rejects_unknown_flag() {
    let place = Place::with_table();
    place.refuses(
        &["distill", "sensor.csv", "--targe", TARGET],
        &["--targe", "--target"],
    );
}

#[test]
fn recipe_rejects_unknown_key_with_line_and_nearest_name() {
    let place = Place::with_table();
    place.file("bad.toml", "seed = 1\n[student]\nparms = 900\n");
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "bad.toml",
        "--out",
        "run",
    ];
    place.refuses(
        &args,
        &["bad.toml, line 3", "`parms`", "did you mean `params`"],
    );
}

#[test]
fn recipe_rejects_wrong_type_with_line() {
    let place = Place::with_table();
    place.file("bad.toml", "seed = 1\nrepeats = 'three'\n");
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "bad.toml",
        "--out",
        "run",
    ];
    place.refuses(&args, &["bad.toml, line 2", "three", "expected"]);
}

#[test]
fn recipe_rejects_text_that_is_no_toml() {
    let place = Place::with_table();
    place.file("bad.toml", "seed = \n");
    place.refuses(
        &[
            "distill",
            "sensor.csv",
            "--target",
            TARGET,
            "--recipe",
            "bad.toml",
        ],
        &["bad.toml, line 1"],
    );
}

#[test]
fn recipe_that_is_not_there_is_named() {
    let place = Place::with_table();
    place.refuses(
        &["distill", "--recipe", "nowhere.toml"],
        &["nowhere.toml", "No such file"],
    );
}

#[test]
fn distill_rejects_alpha_out_of_range() {
    Place::with_table().refuses_distill(&["--alpha", "1.5"], &["1.5", "[0, 1]"]);
    Place::with_table().refuses_distill(&["--alpha", "-0.5"], &["-0.5", "[0, 1]"]);
    Place::with_table().refuses_distill(&["--alpha", "half"], &["half", "auto"]);
}

#[test]
fn distill_rejects_params_that_are_too_few() {
    Place::with_table().refuses_distill(
        &["--params", "20"],
        &["params", "20", "a network needs at least 250 parameters"],
    );
}

#[test]
fn distill_rejects_a_table_of_many_columns_or_categories() {
    let place = Place::with_table();
    place.refuses_distill(
        &["--student", "table"],
        &[
            "a student of kind `table` needs 1 to 3 numeric columns",
            "6 features",
        ],
    );
    let args = [
        "--student",
        "table",
        "--drop",
        "supply_v,r25_ohm,air_speed_m_s,board_temperature_c",
    ];
    place.refuses_distill(
        &args,
        &[
            "a student of kind `table` needs 1 to 3 numeric columns",
            "category column `range`",
        ],
    );
}

#[test]
fn distill_rejects_objectives_that_only_a_network_has() {
    let place = Place::with_table();
    for (args, part) in [
        (["--head", "gaussian"], "objective.head"),
        (["--loss", "huber"], "objective.loss"),
        (["--alpha-schedule", "linear"], "objective.alpha_schedule"),
        (["--gate", "bounded"], "objective.gate"),
    ] {
        for kind in ["trees", "linear", "auto"] {
            let all = [&["--student", kind], &args[..]].concat();
            place.refuses_distill(
                &all,
                &[
                    part,
                    args[1],
                    &format!("`student.kind` to be mlp, gru or lstm, found {kind}"),
                    "only a network",
                ],
            );
        }
    }
    place.refuses_distill(&["--student", "forest"], &["forest", "trees"]);
}

#[test]
fn distill_rejects_params_too_few_for_the_columns() {
    let place = Place::empty();
    place.file("quick.toml", common::QUICK);
    let names: Vec<String> = (0..90).map(|i| format!("x{i}")).collect();
    let row = |row: usize| {
        (0..91)
            .map(|i| (row * row * (i + 3) % 101).to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    place.file("wide.csv", csv(&format!("{},y", names.join(",")), 80, row));
    let args = [
        "distill",
        "wide.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--params",
        "250",
        "--out",
        "run",
    ];
    place.refuses(&args, &["smallest student", "90 columns", "--params"]);
}

#[test]
fn distill_rejects_unknown_column_in_drop() {
    let place = Place::with_table();
    place.refuses_distill(
        &["--drop", "bord_temperature_c"],
        &["drop", "did you mean `board_temperature_c`"],
    );
}

#[test]
fn distill_rejects_unknown_check_and_kind() {
    let place = Place::with_table();
    place.refuses_distill(&["--check", "leek=warn"], &["leek", "missing_target"]);
    place.refuses_distill(&["--type", "range=colour"], &["colour", "category"]);
}

#[test]
fn distill_rejects_split_file_without_that_split() {
    let place = Place::with_table();
    place.file("splits.csv", "split,set,start,stop\ns00,test,0,60\n");
    place.refuses_distill(
        &["--split-file", "splits.csv:s01"],
        &["splits.csv", "`s01`", "s00"],
    );
}

#[test]
fn distill_rejects_two_splits() {
    let place = Place::with_table();
    place.file("splits.csv", "split,set,start,stop\ns00,test,0,60\n");
    let args = ["--split-file", "splits.csv:s00", "--split-column", "range"];
    place.refuses_distill(&args, &["split_file", "split_column"]);
}

#[test]
fn distill_rejects_time_limit_that_is_none() {
    Place::with_table().refuses_distill(&["--time-limit", "soon"], &["soon", "5m"]);
}

#[test]
fn distill_refuses_an_out_that_exists() {
    let place = Place::with_table();
    std::fs::create_dir(place.path("run")).unwrap();
    place.refuses_distill(&[], &["run exists already", "--out"]);
}

#[test]
fn distill_names_an_out_that_cannot_be_made() {
    let place = Place::with_table();
    place.file("file", "not a folder");
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
        "--quiet",
        "--out",
        "file/run",
    ];
    place.refuses(&args, &["file"]);
}

#[test]
fn distill_on_a_full_disk_leaves_no_student() {
    let place = Place::with_table();
    // 4 blocks of 512 bytes (of 1024 in some shells): less than any student.
    let line = format!(
        "ulimit -f 4; trap '' XFSZ; limbeck distill sensor.csv --target {TARGET} --recipe quick.toml --out run"
    );
    let outcome = place.shell(&line);
    outcome.fails(&["too large"]);
    assert!(!place.exists("run/report.json") && !place.exists("run/student.limbeck"));
    assert!(
        place.files().iter().all(|file| !file.contains(".tmp")),
        "{:?}",
        place.files()
    );
    place.refuses(&["predict", "run", "sensor.csv"], &["run"]);
}

// Teachers of the user's

#[test]
fn teacher_command_that_dies_is_shown_with_its_stderr() {
    let place = Place::with_table();
    let args = ["--teacher-command", "echo no license found >&2; exit 3"];
    place.refuses_distill(&args, &["teacher command", "exit", "3", "no license found"]);
}

#[test]
fn teacher_command_that_hangs_is_stopped() {
    let place = Place::with_table();
    let start = std::time::Instant::now();
    let args = ["--teacher-command", "sleep 60", "--teacher-timeout", "1s"];
    place.refuses_distill(
        &args,
        &["did not finish", "1 s", "a longer --teacher-timeout"],
    );
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn teacher_command_that_answers_too_few_rows_is_counted() {
    let place = Place::with_table();
    place.refuses_distill(&["--teacher-command", "head -n 11"], &["`", "expected"]);
    let args = ["--teacher-command", "tail -n +2 | head -n 10 | cut -d, -f1"];
    place.refuses_distill(&args, &["printed 10 lines", "one per row"]);
}

#[test]
fn teacher_command_that_answers_garbage_is_quoted() {
    let place = Place::with_table();
    let args = ["--teacher-command", "tail -n +2 | sed 's/.*/hello world/'"];
    place.refuses_distill(&args, &["`hello world`", "a finite number"]);
}

#[test]
fn teacher_command_that_answers_nan_is_refused() {
    let place = Place::with_table();
    let args = ["--teacher-command", "tail -n +2 | sed 's/.*/nan/'"];
    place.refuses_distill(&args, &["`nan`", "row 1", "finite"]);
}

#[test]
fn teacher_command_that_is_not_there_is_named() {
    let place = Place::with_table();
    place.refuses_distill(
        &["--teacher-command", "no-such-program"],
        &["no-such-program", "not found"],
    );
}

#[test]
fn teacher_column_that_is_not_there_is_named() {
    let place = Place::with_table();
    place.refuses_distill(
        &["--teacher-column", "pred"],
        &["no column `pred`", "teacher_column"],
    );
}

#[test]
fn teacher_from_something_else_is_refused() {
    let place = Place::with_table();
    std::fs::create_dir(place.path("other")).unwrap();
    place.refuses_distill(
        &["--teacher-from", "other"],
        &["other", "not a complete run"],
    );
}

#[test]
fn teacher_from_a_run_with_another_seed_is_refused() {
    let place = Place::with_run();
    let args = [
        "distill",
        "sensor.csv",
        "--target",
        TARGET,
        "--recipe",
        "quick.toml",
    ];
    let more = ["--teacher-from", "run", "--seed", "5", "--out", "second"];
    place.refuses(&[&args[..], &more].concat(), &["labels of run", "differs"]);
}

// Students and runs

#[test]
fn predict_rejects_what_is_no_run() {
    let place = Place::with_table();
    std::fs::create_dir(place.path("folder")).unwrap();
    place.refuses(
        &["predict", "folder", "sensor.csv"],
        &["folder is not a complete run", "recipe.toml"],
    );
    std::fs::create_dir(place.path("half.unfinished")).unwrap();
    for path in ["half", "half.unfinished"] {
        place.refuses(
            &["predict", path, "sensor.csv"],
            &[
                path,
                "unfinished; continue it with `limbeck distill --resume half`",
            ],
        );
    }
    place.refuses(
        &["predict", "nowhere", "sensor.csv"],
        &["nowhere", "No such file"],
    );
    place.refuses(
        &["predict", "sensor.csv", "sensor.csv"],
        &[
            "sensor.csv is a table, not a limbeck file",
            "runs/NAME",
            ".limbeck",
        ],
    );
}

#[test]
fn files_that_are_no_table_are_named_with_what_to_do() {
    let place = Place::empty();
    let sheet = b"PK\x03\x04\x14\0\0\0xl/workbook.xml\0";
    for (name, content, parts) in [
        (
            "a.xlsx",
            &sheet[..],
            &["an Excel workbook", "save its sheet as CSV"][..],
        ),
        // The content is what counts, whatever the name says.
        ("b.csv", &sheet[..], &["an Excel workbook", "to_csv"]),
        (
            "c.db",
            b"SQLite format 3\0\x10\0",
            &["an SQLite database", "export one of its tables"],
        ),
        (
            "d.pkl",
            b"\x80\x04\x95\0",
            &["a Python pickle", "pd.read_pickle"],
        ),
        (
            "e.feather",
            b"ARROW1\0\0",
            &["an Arrow or Feather file", "to_parquet"],
        ),
        (
            "f.h5",
            b"\x89HDF\r\n\x1a\n\0",
            &["an HDF5 file", "pd.read_hdf"],
        ),
        (
            "g.pdf",
            b"%PDF-1.7\n%\xe2\xe3",
            &["a PDF document", "CSV or Parquet"],
        ),
        (
            "h.csv",
            b"<!doctype html>\n<html><body>Not, found</body></html>",
            &["an HTML page", "download the table's own file"],
        ),
        (
            "i.json",
            b"[{\"a\": 1, \"y\": 2}]",
            &["a JSON file", "pd.read_json"],
        ),
        (
            "j.png",
            b"\x89PNG\r\n\x1a\n\0",
            &["a PNG image", "CSV or Parquet"],
        ),
        (
            "k.toml",
            b"table = \"t.csv\"\n",
            &["perhaps a recipe", "--recipe"],
        ),
        (
            "l.parquet",
            b"a,b\n1,2\n",
            &["this is text", "change its extension to .csv"],
        ),
        (
            "m.csv",
            b"PAR1\x15\0\x15\xff",
            &["this is a Parquet file", "change its extension to .parquet"],
        ),
        ("n.csv", b"", &["the file is empty", "a header line"]),
    ] {
        place.file(name, content);
        for args in [&["distill", name, "--target", "y"][..], &["inspect", name]] {
            place.refuses(args, &[&[name], parts].concat());
        }
    }
    std::fs::create_dir(place.path("pictures")).unwrap();
    place.refuses(
        &["inspect", "pictures"],
        &["pictures: the folder contains no table file (it has no files)"],
    );
    place.file("pictures/a.png", b"\x89PNG\r\n\x1a\n\0");
    place.refuses(
        &["inspect", "pictures"],
        &["contains no table file (it has `a.png`)", "part-000.csv"],
    );
}

#[test]
fn arguments_that_are_swapped_are_named() {
    let place = Place::with_run();
    place.file("image.png", b"\x89PNG\r\n\x1a\n\0");
    let student = "run/student.limbeck";
    for (args, parts) in [
        (
            &["predict", "sensor.csv", "run"][..],
            &["arguments seem swapped", "`limbeck predict run sensor.csv`"][..],
        ),
        (
            &["distill", "flow", "--target", "sensor.csv"],
            &["seem swapped", "`sensor.csv --target flow`"],
        ),
        (
            &["evaluate", "sensor.csv", student],
            &[
                "arguments seem swapped",
                "`limbeck evaluate run/student.limbeck sensor.csv`",
            ],
        ),
        (
            &["predict", "run", "run"],
            &[
                "run is the folder of a run, which limbeck does not read as a table",
                "CSV or Parquet",
            ],
        ),
        (
            &["evaluate", student, student],
            &["student.limbeck is a limbeck file, which limbeck does not read as a table"],
        ),
        (
            &["predict", "run", "image.png"],
            &["image.png is a PNG image, which limbeck does not read as a table"],
        ),
        (
            &["predict", "image.png", "sensor.csv"],
            &["image.png is a PNG image, not a limbeck file", ".limbeck"],
        ),
        (
            &["predict", "run/report.json", "sensor.csv"],
            &["give the folder of the run: run"],
        ),
        (
            &["export", "sensor.csv", "--to", "c"],
            &["sensor.csv is a table, not a limbeck file"],
        ),
        (
            &["compare", "run", "sensor.csv"],
            &[
                "sensor.csv is not a complete run: it is a table, not a folder",
                "runs/NAME",
            ],
        ),
        (
            &["distill", "run", "--target", TARGET],
            &[
                "run is the folder of a run, which limbeck does not read as a table",
                "--teacher-model",
            ],
        ),
        (
            &["distill", student, "--target", TARGET],
            &["student.limbeck is a limbeck file, which limbeck does not read as a table"],
        ),
    ] {
        place.refuses(args, parts);
    }
}

#[test]
fn damaged_students_are_refused() {
    let place = Place::with_run();
    let bytes = place.bytes("run/student.limbeck");
    for (name, cut) in [
        ("empty", 0),
        ("tiny", 5),
        ("header", 300),
        ("half", bytes.len() / 2),
        ("end", bytes.len() - 1),
    ] {
        let file = format!("{name}.limbeck");
        place.file(&file, &bytes[..cut]);
        place.refuses(&["predict", &file, "sensor.csv"], &[&file]);
    }
    for at in [9, 400, bytes.len() / 2, bytes.len() - 3] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        place.file("flipped.limbeck", &flipped);
        place.refuses(
            &["predict", "flipped.limbeck", "sensor.csv"],
            &["flipped.limbeck"],
        );
    }
}

#[test]
fn corrupted_student_names_its_checksum() {
    let place = Place::with_run();
    let mut bytes = place.bytes("run/student.limbeck");
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    place.file("flipped.limbeck", &bytes);
    place.refuses(
        &["inspect", "flipped.limbeck"],
        &["flipped.limbeck: damaged file", "checksum", "again"],
    );
}

#[test]
fn student_of_a_newer_format_is_refused_by_name() {
    let place = Place::with_run();
    let bytes = place.bytes("run/student.limbeck");
    let at = bytes
        .windows(9)
        .position(|part| part == b"limbeck-1")
        .unwrap();
    let newer = [&bytes[..at], b"limbeck-3", &bytes[at + 9..]].concat();
    place.file("newer.limbeck", newer);
    place.refuses(
        &["predict", "newer.limbeck", "sensor.csv"],
        &["`limbeck-3`", "`limbeck-2`", "newer limbeck"],
    );
}

#[test]
fn teacher_file_is_no_student() {
    let place = Place::with_run();
    let args = ["predict", "run/teacher/teacher.limbeck", "sensor.csv"];
    place.refuses(&args, &["teacher.limbeck", "teacher", "student"]);
}

#[test]
fn damaged_report_is_named() {
    let place = Place::with_run();
    place.file("run/report.json", "{\"version\": ");
    place.refuses(
        &["inspect", "run"],
        &["run is not a complete run", "report.json"],
    );
}

#[test]
fn predict_names_a_column_that_is_missing() {
    let place = Place::with_run();
    let text = place.text("sensor.csv").replacen("adc_code", "adc", 1);
    place.file("new.csv", text);
    let args = ["predict", "run", "new.csv", "-o", "out.csv"];
    place.refuses(
        &args,
        &[
            "new.csv: no column `adc_code`",
            "the student",
            "did you mean `adc`",
        ],
    );
}

#[test]
fn predict_names_text_in_a_number() {
    let place = Place::with_run();
    let text = place.text("sensor.csv");
    let mut lines: Vec<&str> = text.lines().take(5).collect();
    lines[3] = "abc,5,20,1,10000,hot,3";
    place.file("new.csv", lines.join("\n"));
    for student in ["run", "run/student.limbeck"] {
        let args = ["predict", student, "new.csv", "-o", "out.csv"];
        place.refuses(
            &args,
            &[
                "new.csv: row 3 (line 4), column `adc_code`",
                "\"abc\"",
                "a number",
            ],
        );
    }
}

#[test]
fn predict_rejects_infinite_number() {
    let place = Place::with_run();
    let text = place.text("sensor.csv");
    let mut lines: Vec<&str> = text.lines().take(5).collect();
    lines[3] = "inf,5,20,1,10000,hot,3";
    place.file("new.csv", lines.join("\n"));
    place.refuses(
        &["predict", "run", "new.csv", "-o", "out.csv"],
        &["new.csv", "row 3", "`adc_code`"],
    );
}

#[test]
fn predict_never_overwrites() {
    let place = Place::with_run();
    place.file("out.csv", "precious");
    place.refuses(
        &["predict", "run", "sensor.csv", "-o", "out.csv"],
        &["out.csv", "exists already", "-o"],
    );
    assert_eq!(place.text("out.csv"), "precious");
}

#[test]
fn predict_rejects_output_without_format() {
    let place = Place::with_run();
    place.refuses(
        &["predict", "run", "sensor.csv", "-o", "out.txt"],
        &["out.txt", ".csv or .parquet"],
    );
}

#[test]
fn predict_rejects_a_column_that_is_taken() {
    let place = Place::with_run();
    let args = ["predict", "run", "sensor.csv", "--column", "range"];
    place.refuses(&args, &["sensor.csv", "`range`", "--column"]);
}

#[test]
fn predict_on_a_full_device_says_so() {
    let place = Place::with_run();
    place.refuses(
        &["predict", "run", "sensor.csv", "-o", "/dev/full"],
        &["cannot write /dev/full", "No space left"],
    );
    place
        .shell("limbeck predict run sensor.csv > /dev/full")
        .fails(&["standard output", "No space left"]);
}

#[test]
fn predict_beyond_the_file_size_limit_leaves_nothing() {
    let place = Place::with_run();
    let outcome =
        place.shell("ulimit -f 4; trap '' XFSZ; limbeck predict run sensor.csv -o out.csv");
    outcome.fails(&["out.csv", "too large"]);
    assert!(
        place.files().iter().all(|file| !file.contains("out.csv")),
        "{:?}",
        place.files()
    );
}

#[test]
fn predict_into_a_folder_that_is_not_there_says_so() {
    let place = Place::with_run();
    place.refuses(
        &["predict", "run", "sensor.csv", "-o", "nowhere/out.csv"],
        &["nowhere/out.csv", "No such file"],
    );
}

#[test]
fn evaluate_names_a_target_that_is_missing() {
    let place = Place::with_run();
    place.refuses(
        &["evaluate", "run", "sensor.csv", "--target", "truth"],
        &["sensor.csv", "no column `truth`"],
    );
}

#[test]
fn evaluate_without_any_target_says_so() {
    let place = Place::with_run();
    let text = place.text("sensor.csv");
    let mut lines = text.lines();
    let mut table = format!("{}\n", lines.next().unwrap());
    for line in lines.take(4) {
        table.push_str(&format!("{},\n", line.rsplit_once(',').unwrap().0));
    }
    place.file("new.csv", table);
    place.refuses(
        &["evaluate", "run", "new.csv"],
        &["new.csv", TARGET, "no value"],
    );
}

#[test]
fn init_never_overwrites() {
    let place = Place::with_table();
    place.refuses(
        &["init", "-o", "quick.toml"],
        &["quick.toml", "exists already"],
    );
}

#[test]
fn label_rejects_an_output_that_cannot_be() {
    let place = Place::with_table();
    let args = ["label", "sensor.csv", "--target", TARGET];
    place.refuses(&[&args[..], &["-o", "-"]].concat(), &["labels", "-o"]);
    place.refuses(
        &[&args[..], &["-o", "sensor.csv"]].concat(),
        &["sensor.csv", "exists already"],
    );
}

#[test]
fn names_with_commas_are_taken_whole() {
    let place = Place::empty();
    let row = |row: usize| {
        format!(
            "{},{},{}",
            row * 37 % 101,
            row * 53 % 97,
            row * 37 % 101 + row * 53 % 97
        )
    };
    place.file("t.csv", csv("\"a, b\",c,\"Preis, EUR\"", 80, row));
    place.file("quick.toml", common::QUICK);
    let args = [
        "distill",
        "t.csv",
        "--target",
        "Preis, EUR",
        "--drop",
        "a, b",
        "--recipe",
        "quick.toml",
        "--out",
        "run",
    ];
    place.limbeck(&args).succeeds();
    let report = place.limbeck(&["inspect", "run"]).succeeds().stdout;
    assert!(
        report.contains("Preis, EUR") && !report.contains("a, b"),
        "{report}"
    );
    // Quoted as in a CSV file, beside another name.
    place.refuses(
        &[
            "distill",
            "t.csv",
            "--target",
            "\"Preis, EUR\",d",
            "--out",
            "other",
        ],
        &["no column `d`"],
    );
}
