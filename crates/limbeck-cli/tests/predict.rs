//! `limbeck predict` on tables as they come: what it adds, what it leaves alone, where it reads and writes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says that it is skipped"
)]

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use common::{Place, TARGET};
use limbeck_data::simulate;

/// The files of `shared/cases`, or a line that says that they are not there.
fn cases(folder: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let root = std::env::var_os("LIMBECK_CASES").map_or(beside, PathBuf::from);
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

/// Each line without its last cell.
fn without_last_cell(text: &str) -> String {
    let cut = |line: &str| line.rsplit_once(',').unwrap().0.to_owned() + "\n";
    text.lines().map(cut).collect()
}

#[test]
fn predict_adds_a_cell_and_nothing_else() {
    let place = Place::with_run();
    place
        .limbeck(&["predict", "run", "sensor.csv", "-o", "out.csv"])
        .succeeds();
    assert_eq!(
        without_last_cell(&place.text("out.csv")),
        place.text("sensor.csv")
    );
}

#[test]
fn predict_reads_standard_input_packed_files_and_folders_alike() {
    let place = Place::with_run();
    let expected = place
        .limbeck(&["predict", "run", "sensor.csv"])
        .succeeds()
        .stdout;
    let ask = |args: &[&str], input: &[u8]| {
        let mut child = place
            .command(&[&["predict", "run"], args].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        common::Outcome::from(child.wait_with_output().unwrap()).succeeds()
    };
    assert_eq!(ask(&["-"], &place.bytes("sensor.csv")).stdout, expected);
    place.shell("gzip -c sensor.csv > packed.csv.gz").succeeds();
    assert_eq!(ask(&["packed.csv.gz"], b"").stdout, expected);
    assert_eq!(ask(&["-"], &place.bytes("packed.csv.gz")).stdout, expected);

    // Parts of a folder, as text and as Parquet.
    std::fs::create_dir(place.path("parts")).unwrap();
    let (text, lines) = (place.text("sensor.csv"), |range: std::ops::Range<usize>| {
        let text = place.text("sensor.csv");
        text.lines()
            .skip(1)
            .skip(range.start)
            .take(range.len())
            .collect::<Vec<_>>()
            .join("\n")
    });
    let header = text.lines().next().unwrap();
    for (name, range) in [("a.csv", 0..100), ("b.csv", 100..300)] {
        place.file(
            &format!("parts/{name}"),
            format!("{header}\n{}\n", lines(range)),
        );
    }
    assert_eq!(ask(&["parts"], b"").stdout, expected);

    let inspected = place.limbeck(&["inspect", "parts"]).succeeds().stdout;
    assert!(
        inspected.contains("parts: 300 rows, 7 columns"),
        "{inspected}"
    );
    let of = |table: &str| place.limbeck(&["evaluate", "run", table]).succeeds().stdout;
    assert_eq!(of("parts"), of("sensor.csv"));

    // Parquet comes out as Parquet, from standard input, too.
    ask(&["sensor.csv", "-o", "one.parquet", "--quiet"], b"");
    ask(
        &["-", "-o", "two.parquet", "--quiet"],
        &place.bytes("sensor.csv"),
    );
    assert_eq!(place.bytes("one.parquet"), place.bytes("two.parquet"));
    let again = ask(&["-", "--column", "again"], &place.bytes("one.parquet")).stdout;
    let last = |text: &str, skip: usize| -> Vec<String> {
        let cell = |line: &str| line.rsplit(',').nth(skip).unwrap().to_owned();
        text.lines().skip(1).map(cell).collect()
    };
    assert_eq!(last(&again, 0), last(&expected, 0));
    assert_eq!(last(&again, 1), last(&expected, 0));
}

#[test]
fn predict_heeds_how_the_table_is_read() {
    let place = Place::with_run();
    let text = place.text("sensor.csv");
    let expected = place
        .limbeck(&["predict", "run", "sensor.csv"])
        .succeeds()
        .stdout;
    place.file(
        "titled.csv",
        format!("made,today;by|me\n{}", text.replace(',', ":")),
    );
    let args = ["titled.csv", "--separator", ":", "--skip-lines", "1"];
    let found = place
        .limbeck(&[&["predict", "run"], &args[..]].concat())
        .succeeds();
    let expected = format!("made,today;by|me\n{}", expected.replace(',', ":"));
    assert_eq!(found.stdout, expected);
    let inspected = place
        .limbeck(&[&["inspect"], &args[..]].concat())
        .succeeds();
    assert!(
        inspected.stdout.contains("300 rows, 7 columns"),
        "{}",
        inspected.stdout
    );
    let evaluated = place
        .limbeck(&[&["evaluate", "run"], &args[..]].concat())
        .succeeds();
    let plain = place.limbeck(&["evaluate", "run", "sensor.csv"]).succeeds();
    assert_eq!(evaluated.stdout, plain.stdout);
    place.refuses(
        &["predict", "run", "titled.csv", "--separator", "ab"],
        &["ASCII character"],
    );
}

#[test]
fn predict_reads_as_its_run_did() {
    let place = Place::with_table();
    let spaced = format!("made,today\n{}", place.text("sensor.csv").replace(',', "|"));
    place.file("sensor.csv", spaced);
    place
        .distill(&["--skip-lines", "1", "--out", "run"])
        .succeeds();
    let found = place
        .limbeck(&["predict", "run", "sensor.csv"])
        .succeeds()
        .stdout;
    assert!(
        found.starts_with("made,today\n") && found.lines().count() == 302,
        "{found}"
    );
    place.limbeck(&["evaluate", "run", "sensor.csv"]).succeeds();
    // The bare file knows nothing of the run's options.
    let args = [
        "predict",
        "run/student.limbeck",
        "sensor.csv",
        "--skip-lines",
        "1",
    ];
    assert_eq!(place.limbeck(&args).succeeds().stdout, found);
}

#[test]
fn predict_and_evaluate_read_numbers_as_the_training_table_writes_them() {
    let place = Place::with_table();
    let plain = place.text("sensor.csv");
    let mut lines = plain.lines();
    let header = lines.next().unwrap();
    let target = header.split(',').position(|name| name == TARGET).unwrap();
    let german = |record: usize, line: &str| {
        let cells = line
            .split(',')
            .enumerate()
            .map(|(column, cell)| match column {
                // Some sensors write −999 where they measured nothing.
                _ if column == target && record.is_multiple_of(20) => "-999".to_owned(),
                _ => cell.replace('.', ","),
            });
        cells.collect::<Vec<_>>().join(";") + "\n"
    };
    let rows: Vec<String> = lines
        .enumerate()
        .map(|(at, line)| german(at, line))
        .collect();
    let header = header.replace(',', ";") + "\n";
    place.file("sensor.csv", header.clone() + &rows.concat());
    place.distill(&["--out", "run"]).succeeds();
    let found = place.limbeck(&["predict", "run", "sensor.csv"]).succeeds();
    // One row alone has nothing that gives the decimal mark away.
    let prediction = |line: &str| line.rsplit_once(';').unwrap().1.to_owned();
    for at in [3, 150] {
        place.file("one.csv", header.clone() + &rows[at]);
        let one = place.limbeck(&["predict", "run", "one.csv"]).succeeds();
        let (one, all) = (one.stdout, &found.stdout);
        let expected = prediction(all.lines().nth(at + 1).unwrap());
        assert_eq!(prediction(one.lines().nth(1).unwrap()), expected);
    }
    // One other column has points; the more frequent mark is taken.
    let with_points = |line: &str| line.replacen('\n', ";1.25\n", 1);
    let more: String = rows.iter().map(|row| with_points(row)).collect();
    place.file("more.csv", header.replacen('\n', ";note\n", 1) + &more);
    let mixed = place.limbeck(&["predict", "run", "more.csv"]).succeeds();
    let all = found.stdout.lines().skip(1).map(prediction);
    let same = mixed.stdout.lines().skip(1).map(prediction);
    assert_eq!(same.collect::<Vec<_>>(), all.collect::<Vec<_>>());
    // The table in the notation of programs has cells such as 5.097, which a comma reads as 5097.
    place.file("plain.csv", &plain);
    place.refuses(
        &["predict", "run", "plain.csv"],
        &["row 1", "--decimal point"],
    );
    let args = ["predict", "run", "plain.csv", "--decimal", "point"];
    let plain = place.limbeck(&args).succeeds();
    let last = |text: &str, separator: char| -> Vec<String> {
        let lines = text.lines().skip(1);
        let cells = lines.map(|line| line.rsplit_once(separator).unwrap().1.to_owned());
        cells.collect()
    };
    let values = |cells: Vec<String>| -> Vec<f64> {
        let value = |cell: &String| cell.replace(',', ".").parse().unwrap();
        cells.iter().map(value).collect()
    };
    // Each table gets predictions with its own decimal mark.
    let (points, commas) = (last(&plain.stdout, ','), last(&found.stdout, ';'));
    assert!(
        commas
            .iter()
            .all(|cell| cell.contains(',') && !cell.contains('.')),
        "{commas:?}"
    );
    assert!(points.iter().all(|cell| cell.contains('.')), "{points:?}");
    assert_eq!(values(points), values(commas.clone()));
    let quoted = place
        .text("sensor.csv")
        .replace(';', "\",\"")
        .replace('\n', "\"\n\"");
    let quoted = format!("\"{}", quoted.strip_suffix('"').unwrap());
    place.file("quoted.csv", quoted);
    let quoted = place
        .limbeck(&["predict", "run", "quoted.csv"])
        .succeeds()
        .stdout;
    let written = quoted
        .lines()
        .skip(1)
        .map(|line| line.rsplit_once(",\"").unwrap().1);
    let written: Vec<&str> = written
        .map(|cell| cell.strip_suffix('"').unwrap())
        .collect();
    assert_eq!(written, commas);
    place
        .limbeck(&["predict", "run", "sensor.csv", "-o", "out.parquet"])
        .succeeds();
    let table = limbeck_data::Table::read(
        place.path("out.parquet"),
        &limbeck_data::ReadOptions::default(),
    )
    .unwrap();
    let limbeck_data::Values::Number(numbers) = &table.column("prediction").unwrap().values else {
        panic!("a number column")
    };
    assert_eq!(*numbers, values(commas));
    // Rows whose target means missing are no rows to measure.
    let evaluated = place
        .limbeck(&["evaluate", "run", "sensor.csv", "--json"])
        .succeeds();
    let value: serde_json::Value = serde_json::from_str(&evaluated.stdout).unwrap();
    assert_eq!(
        (value["rows"].as_u64(), value["missing"].as_u64()),
        (Some(285), Some(15))
    );
    assert!(value["r2"].as_f64().unwrap() > 0.5, "{value}");
}

#[test]
fn predict_and_evaluate_tell_of_categories_that_training_did_not_have() {
    let place = Place::with_run();
    let codes = place
        .text("sensor.csv")
        .replace("cold", "1")
        .replace("normal", "2")
        .replace("hot", "3");
    place.file("codes.csv", codes);
    let warning = "warning: some values are unlike those in the training rows, so predictions may be wrong:\n  column `range`: 300 of 300 values were never seen in training, such as `1`, `2`, `3`; they are read as missing";
    for command in ["predict", "evaluate"] {
        let told = place
            .limbeck(&[command, "run", "codes.csv"])
            .succeeds()
            .stderr;
        assert_eq!(told.trim_end(), warning, "{command}");
        let quiet = place
            .limbeck(&[command, "run", "codes.csv", "--quiet"])
            .succeeds();
        assert_eq!(quiet.stderr, "");
        let known = place.limbeck(&[command, "run", "sensor.csv"]).succeeds();
        assert!(!known.stderr.contains("unlike"), "{}", known.stderr);
    }
}

#[test]
fn predict_says_what_it_passes_over() {
    let place = Place::with_run();
    place.file(
        "titled.csv",
        format!("Report\n\n{}", place.text("sensor.csv")),
    );
    let found = place.limbeck(&["predict", "run", "titled.csv"]).succeeds();
    assert!(
        found.stderr.contains("the header is on line 3"),
        "{}",
        found.stderr
    );
    let quiet = place
        .limbeck(&["predict", "run", "titled.csv", "--quiet"])
        .succeeds();
    assert_eq!((quiet.stderr.as_str(), quiet.stdout), ("", found.stdout));
}

#[test]
fn predict_names_a_bad_cell_deep_in_a_table_and_leaves_nothing() {
    let place = Place::with_run();
    simulate::thermistor(30_000, 3)
        .write_csv(place.path("long.csv"))
        .unwrap();
    let mut lines: Vec<String> = place.text("long.csv").lines().map(str::to_owned).collect();
    let at = lines[0]
        .split(',')
        .position(|name| name == "adc_code")
        .unwrap();
    let mut cells: Vec<&str> = lines[25_000].split(',').collect();
    cells[at] = "hot";
    lines[25_000] = cells.join(",");
    place.file("long.csv", lines.join("\r\n"));
    place.refuses(
        &["predict", "run", "long.csv", "-o", "out.csv"],
        &["long.csv: row 25000 (line 25001), column `adc_code`: found \"hot\""],
    );
}

#[test]
fn predict_keeps_every_other_column_of_the_case() {
    let Some(folder) = cases("predict_ids") else {
        return;
    };
    let place = Place::empty();
    for name in ["train.csv", "t_ids.csv", "t_ids.parquet"] {
        std::fs::copy(folder.join(name), place.path(name)).unwrap();
    }
    place.file("quick.toml", common::QUICK);
    let args = [
        "distill",
        "train.csv",
        "--target",
        "y",
        "--recipe",
        "quick.toml",
        "--out",
        "run",
    ];
    place.limbeck(&args).succeeds();
    let found = place
        .limbeck(&["predict", "run", "t_ids.csv"])
        .succeeds()
        .stdout;
    // Each record ends where a prediction was put in: taken out, nothing has changed.
    let mut rest = found.replacen(",prediction\n", "\n", 1);
    for line in found.lines().skip(1) {
        let cell = line.rsplit(',').next().unwrap();
        if cell.parse::<f64>().is_ok() && line.contains(',') {
            rest = rest.replacen(&format!(",{cell}\n"), "\n", 1);
        }
    }
    assert_eq!(rest, place.text("t_ids.csv"));
    let out = place
        .limbeck(&["predict", "run", "t_ids.parquet"])
        .succeeds()
        .stdout;
    assert!(out.contains("1152921504606846977"), "{out}");
    for (table, out) in [("t_ids.csv", "a.parquet"), ("t_ids.parquet", "b.parquet")] {
        place
            .limbeck(&["predict", "run", table, "-o", out])
            .succeeds();
        let out = place
            .limbeck(&["predict", "run", out, "--column", "again"])
            .succeeds()
            .stdout;
        assert!(out.contains("1152921504606846977"), "{out}");
        assert!(table != "t_ids.csv" || out.contains(",007,"), "{out}");
    }
}
