//! Tables as people have them: markers of missing values, numbers as text, numbers that stand for *missing*, repeated rows.
//!
//! Most inputs are made here. The folder `LIMBECK_CASES` has tables that earlier versions could not read correctly.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_cmp,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use limbeck_data::{
    Column, ColumnKind, DataOptions, Dataset, FeatureValues, ReadOptions, Table, Values,
};

/// A table of 300 rows: `x1`, `x2` and `y = 2 x1 + x2 / 100`, with some cells written in another way.
fn text(
    header: &str,
    separator: char,
    row: impl Fn(usize, f64, f64, f64) -> [String; 3],
) -> String {
    let mut text = format!("{header}\n");
    for i in 0..300 {
        let (x1, x2) = (
            ((i * 37) % 101) as f64 + 0.25,
            ((i * 53) % 97) as f64 * 41.5 + 900.5,
        );
        let cells = row(i, x1, x2, 2.0 * x1 + x2 / 100.0);
        writeln!(text, "{}", cells.join(&separator.to_string())).unwrap();
    }
    text
}

/// How a number is written.
type Way = Box<dyn Fn(f64) -> String>;

fn table(text: &str, options: &ReadOptions) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    Table::read(&path, options).unwrap()
}

fn numbers<'a>(table: &'a Table, name: &str) -> &'a [f64] {
    let Column { kind, values, .. } = table.column(name).unwrap();
    match values {
        Values::Number(values) => values,
        _ => panic!("column `{name}` is of kind {kind}"),
    }
}

fn note<'a>(table: &'a Table, name: &str) -> &'a str {
    let notes: Vec<&str> = table
        .notes
        .iter()
        .filter(|note| note.column.as_deref() == Some(name))
        .map(|note| note.message.as_str())
        .collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    notes[0]
}

#[test]
fn markers_among_numbers_are_missing_and_counted() {
    for marker in [
        "?", "--", "-", "None", "#N/A", "NULL", ".", "n.a.", "#DIV/0!", "unknown",
    ] {
        let text = text("x1,x2,y", ',', |i, x1, x2, y| {
            [
                if i % 50 == 0 {
                    marker.to_owned()
                } else {
                    x1.to_string()
                },
                x2.to_string(),
                y.to_string(),
            ]
        });
        let table = table(&text, &ReadOptions::default());
        let missing = numbers(&table, "x1")
            .iter()
            .filter(|value| value.is_nan())
            .count();
        assert_eq!(missing, 6, "{marker}");
        assert!(
            note(&table, "x1").contains(&format!("read as missing: `{marker}` in 6 cells")),
            "{}",
            note(&table, "x1")
        );
    }
}

#[test]
fn warning_for_odd_texts_names_the_option_that_keeps_them() {
    let odd = |share: usize| {
        text("x1,x2,y", ',', move |i, x1, x2, y| {
            [
                if i % share == 0 {
                    "sensor off".to_owned()
                } else {
                    x1.to_string()
                },
                x2.to_string(),
                y.to_string(),
            ]
        })
    };
    let few = table(&odd(50), &ReadOptions::default());
    assert_eq!(
        numbers(&few, "x1")
            .iter()
            .filter(|value| value.is_nan())
            .count(),
        6
    );
    let said = note(&few, "x1");
    assert!(
        said.contains("6 cells of text among numbers (`sensor off`)")
            && said.contains("`--type x1=category`"),
        "{said}"
    );
    // If every fourth cell is a word, the column is a category column.
    assert_eq!(
        table(&odd(4), &ReadOptions::default())
            .column("x1")
            .unwrap()
            .kind,
        ColumnKind::Category
    );
    let named = ReadOptions {
        missing: vec!["sensor off".into()],
        ..ReadOptions::default()
    };
    assert!(numbers(&table(&odd(4), &named), "x1")[0].is_nan());
}

#[test]
fn numbers_are_read_as_people_write_them() {
    let plain = table(
        &text("x1,x2,y", ',', |_, x1, x2, y| {
            [x1, x2, y].map(|x| x.to_string())
        }),
        &ReadOptions::default(),
    );
    let grouped = |x: f64, mark: char| match x >= 1000.0 {
        true => format!("{}{mark}{:05.1}", (x / 1000.0).trunc(), x % 1000.0),
        false => format!("{x:.1}"),
    };
    let comma = |x: f64| x.to_string().replace('.', ",");
    let ways: [(&str, char, Way); 6] = [
        (
            "thousands",
            ',',
            Box::new(move |x| format!("\"{}\"", grouped(x, ','))),
        ),
        ("currency", ',', Box::new(|x| format!("${x}"))),
        ("percent", ',', Box::new(|x| format!("{x} %"))),
        ("decimal comma", ';', Box::new(comma)),
        ("apostrophes", ',', Box::new(move |x| grouped(x, '\''))),
        ("unit", ',', Box::new(|x| format!("{x} km"))),
    ];
    for (way, separator, write) in ways {
        let header = format!("x1{separator}x2{separator}y");
        let text = text(&header, separator, |_, x1, x2, y| {
            let other = |x: f64| {
                if separator == ';' {
                    comma(x)
                } else {
                    x.to_string()
                }
            };
            [other(x1), write(x2), other(y)]
        });
        let table = table(&text, &ReadOptions::default());
        assert_eq!(numbers(&table, "x2"), numbers(&plain, "x2"), "{way}");
        assert_eq!(numbers(&table, "y"), numbers(&plain, "y"), "{way}");
        assert!(
            note(&table, "x2").contains("was read as numbers"),
            "{way}: {}",
            note(&table, "x2")
        );
    }
}

#[test]
fn read_like_reads_numbers_as_people_write_them() {
    let schema = [("x1".to_owned(), ColumnKind::Number)];
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, text).unwrap();
        Table::read_like(&path, &schema, &ReadOptions::default())
    };
    assert_eq!(
        numbers(&read("x1\n\"1,085.5\"\n3\n").unwrap(), "x1"),
        [1085.5, 3.0]
    );
    assert!(numbers(&read("x1\n?\n3\n").unwrap(), "x1")[0].is_nan());
    let refused = read("x1\n2\nbroken\n").unwrap_err().to_string();
    assert!(
        refused.contains("row 2 (line 3), column `x1`: found \"broken\"")
            && refused.contains("--missing"),
        "{refused}"
    );
}

/// Columns of a training table are written in several ways; reading the table with their notations gives the same features.
#[test]
fn a_training_table_is_read_again_with_its_notations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let mut text = "x1;x2;day;y\n".to_owned();
    for i in 0..300 {
        let x1 = match i % 60 {
            7 => format!("fault {i}"),
            _ => format!("1.{:03},{}", i % 101, i % 10),
        };
        let day = match i % 50 {
            9 => "holiday".to_owned(),
            _ => format!("2024-{:02}-{:02}", i % 12 + 1, i % 28 + 1),
        };
        let y = match i % 40 {
            3 => "-999".to_owned(),
            _ => format!("{},{}", i % 101 + i % 17, i % 10),
        };
        writeln!(text, "{x1};{} %;{day};{y}", i % 17).unwrap();
    }
    std::fs::write(&path, &text).unwrap();
    let options = DataOptions::for_target("y");
    let data = Dataset::load(&path, &options, 0).unwrap();
    let said: Vec<&str> = data
        .summary
        .warnings
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert!(
        said.iter()
            .any(|said| said.contains("6 cells of text among dates")),
        "{said:#?}"
    );
    assert!(data.summary.missing_targets["y"].holds(-999.0));
    let reading = data.summary.reading(&options);
    let table = Table::read_like(&path, &data.summary.schema(), &reading).unwrap();
    let again = limbeck_data::Features::of_table(&table, &data.summary.features, None).unwrap();
    let again = again.select(&data.rows);
    for (column, again) in data.features.columns.iter().zip(&again.columns) {
        match (&column.values, &again.values) {
            (FeatureValues::Number(one), FeatureValues::Number(other)) => {
                let same =
                    |(one, other): (&f64, &f64)| one == other || one.is_nan() && other.is_nan();
                assert!(one.iter().zip(other).all(same), "{}", column.name);
            }
            (one, other) => assert_eq!(one, other),
        }
    }
    // Numbers as programs write them are read, too: `1007.5` is a number only with a decimal point.
    let plain = folder.path().join("plain.csv");
    std::fs::write(&plain, "x1,x2,day\n1007.5,3,2024-01-01\n").unwrap();
    let read = Table::read_like(&plain, &data.summary.schema(), &reading).unwrap();
    assert_eq!(numbers(&read, "x1"), [1007.5]);
    assert_eq!(numbers(&read, "x2"), [3.0]);
}

/// A function that writes the date of a row.
type Write = Box<dyn Fn(usize) -> String>;

#[test]
fn dates_of_other_orders_are_dates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let month = |i: usize| i % 12 + 1;
    let day = |i: usize| i % 28 + 1;
    let hour = |i: usize| i % 12 + 1;
    let ways: [(&str, Write); 3] = [
        (
            "10.03.2024",
            Box::new(move |i| format!("{:02}.{:02}.2024", day(i), month(i))),
        ),
        (
            "US",
            Box::new(move |i| format!("{}/{}/2024 {}:05 PM", month(i), day(i), hour(i))),
        ),
        (
            "names",
            Box::new(move |i| format!("{}-{}-2024", day(i), ["Jan", "feb", "December"][i % 3])),
        ),
    ];
    for (way, write) in ways {
        let row = |i: usize| format!("{},{},{}\n", write(i), i % 17, (i * 37) % 101);
        let rows: String = (0..300).map(row).collect();
        std::fs::write(&path, format!("when,x,y\n{rows}")).unwrap();
        let options = DataOptions::for_target("y");
        let data = Dataset::load(&path, &options, 0).unwrap();
        assert!(
            data.features
                .names()
                .iter()
                .any(|name| name == "when.month"),
            "{way}"
        );
        let mut said = data.summary.warnings.iter();
        let said = said.find(|one| one.check == "number_text").unwrap();
        assert!(
            said.message.contains("was read as dates, for example"),
            "{}",
            said.message
        );
        // A table of one row has no other date that shows the order of day and month.
        let first = format!("when,x\n{}\n", row(3).rsplit_once(',').unwrap().0);
        std::fs::write(&path, first).unwrap();
        let reading = data.summary.reading(&options);
        let table = Table::read_like(&path, &data.summary.schema(), &reading).unwrap();
        let again = limbeck_data::Features::of_table(&table, &data.summary.features, None).unwrap();
        let of = |features: &limbeck_data::Features, row: usize| -> Vec<u64> {
            let bits = |column: &limbeck_data::Feature| match &column.values {
                FeatureValues::Number(values) => values[row].to_bits(),
                FeatureValues::Category { codes, .. } => u64::from(codes[row]),
            };
            features.columns.iter().map(bits).collect()
        };
        let at = data.rows.iter().position(|row| *row == 3).unwrap();
        assert_eq!(of(&again, 0), of(&data.features, at), "{way}");
    }
    // Dates in which day and month are both at most 12 give a warning, for few different dates and for many.
    for (days, check) in [(5, "number_text"), (11, "id")] {
        let date = |i: usize| format!("{}/{}/2024", i % 12 + 1, i % days + 1);
        let row = |i: usize| format!("{},{},{}\n", date(i), i % 17, (i * 37) % 101);
        let rows: String = (0..300).map(row).collect();
        std::fs::write(&path, format!("when,x,y\n{rows}")).unwrap();
        let data = Dataset::load(&path, &DataOptions::for_target("y"), 0).unwrap();
        let mut said = data.summary.warnings.iter();
        let said = said.find(|one| one.check == check);
        let message = said.map_or("", |one| one.message.as_str());
        assert!(
            message.contains("write them as YYYY-MM-DD"),
            "{check}: {message}"
        );
    }
}

#[test]
fn error_for_an_unsupported_codec_names_supported_codecs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/brotli.parquet");
    let message = Table::read(&path, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    for part in ["brotli.parquet", "brotli", "such as zstd or snappy"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn numbers_that_mean_missing_are_found_in_csv_and_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("t.csv");
    std::fs::write(&csv, "x1\n1\n-999\n-999.0\n").unwrap();
    let parquet = folder.path().join("t.parquet");
    let column = Column::number("x1", vec![1.0, -999.0, -999.0]);
    let table = Table::new(vec![column]).unwrap();
    table.write_parquet(&parquet).unwrap();
    let options = ReadOptions {
        missing: vec!["-999".to_owned()],
        ..ReadOptions::default()
    };
    let schema = [("x1".to_owned(), ColumnKind::Number)];
    for path in [&csv, &parquet] {
        let read = Table::read_like(path, &schema, &options).unwrap();
        let missing: Vec<bool> = numbers(&read, "x1").iter().map(|x| x.is_nan()).collect();
        assert_eq!(missing, [false, true, true], "{}", path.display());
    }
}

/// A folder of cases; if it does not exist, prints a line that says so.
fn cases(kind: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let folder = std::env::var_os("LIMBECK_CASES")
        .map_or(beside, PathBuf::from)
        .join(kind);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder {} (LIMBECK_CASES)", folder.display());
    None
}

fn features(path: &Path, options: &DataOptions) -> Dataset {
    Dataset::load(path, options, 0).unwrap()
}

#[test]
fn cases_of_markers_and_numbers_as_text_are_numbers() {
    for kind in ["missing_markers", "numbers_as_text"] {
        let Some(folder) = cases(kind) else { return };
        let mut tried = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let data = features(&path, &DataOptions::for_target("y"));
            for column in &data.features.columns[..2] {
                let FeatureValues::Number(values) = &column.values else {
                    panic!(
                        "{}: column `{}` is of categories",
                        path.display(),
                        column.name
                    );
                };
                let known: Vec<f64> = values
                    .iter()
                    .copied()
                    .filter(|value| !value.is_nan())
                    .collect();
                assert!(
                    known.iter().all(|value| (0.0..1e4).contains(value)),
                    "{}",
                    path.display()
                );
                assert!(10 * known.len() >= 9 * values.len(), "{}", path.display());
            }
            tried += 1;
        }
        assert!(tried > 3);
    }
}

#[test]
fn cases_of_proof_are_cleaned_with_warnings() {
    let Some(folder) = cases("proof") else { return };
    let warnings = |data: &Dataset| -> Vec<String> {
        data.summary
            .warnings
            .iter()
            .map(|one| one.check.clone())
            .collect()
    };
    let options = DataOptions::for_target("y");
    let filled = features(&folder.join("fill36.csv"), &options);
    assert!(
        warnings(&filled).contains(&"sentinel".to_owned()),
        "{:?}",
        filled.summary.warnings
    );
    let clean = features(&folder.join("clean.csv"), &options);
    assert!(
        !warnings(&clean).contains(&"sentinel".to_owned()),
        "{:?}",
        clean.summary.warnings
    );
    let twice = features(&folder.join("dup4.csv"), &options);
    assert!(
        warnings(&twice).contains(&"repeated_rows".to_owned()),
        "{:?}",
        twice.summary.warnings
    );
    let split = |name: &str| {
        let mut options = options.clone();
        options.split_column = Some("set".into());
        features(&folder.join(name), &options)
    };
    assert_eq!(
        split("kind_bad.csv").summary.schema(),
        split("kind_ok.csv").summary.schema()
    );
}

#[test]
fn case_of_a_sensor_log_keeps_only_measured_values() {
    let Some(folder) = cases("sensor_log") else {
        return;
    };
    let mut options = DataOptions::for_target("flow_lpm");
    options.time = Some("timestamp".into());
    let data = features(&folder.join("flow.csv"), &options);
    let clean = features(&folder.join("flow_clean.csv"), &options);
    assert_eq!(data.summary.schema(), clean.summary.schema());
    let lowest = |data: &Dataset| data.summary.target.min;
    assert!(
        lowest(&data) > lowest(&clean) - 20.0,
        "{} {}",
        lowest(&data),
        lowest(&clean)
    );
    assert!(
        data.summary
            .warnings
            .iter()
            .any(|one| one.check == "sentinel" && one.column.as_deref() == Some("flow_lpm")),
        "{:?}",
        data.summary.warnings
    );
}
