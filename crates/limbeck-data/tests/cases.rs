//! Small tables that earlier versions could not read correctly: `shared/cases`, or the folder `LIMBECK_CASES`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says that it is skipped"
)]

use std::path::PathBuf;

use limbeck_data::{ReadOptions, Table, Values};

/// The file of a case; if it does not exist, prints a line that says so.
fn case(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let root = std::env::var_os("LIMBECK_CASES").map_or(beside, PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

fn read(name: &str) -> Option<Table> {
    Some(Table::read(case(name)?, &ReadOptions::default()).unwrap())
}

fn first_number(table: &Table) -> f64 {
    match &table.columns[0].values {
        Values::Number(values) => values[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn separators_titles_and_encodings_are_found() {
    for (name, columns, notes) in [
        (
            "semi_quotedcomma_header.csv",
            ["Temp, °C", "Druck (bar)", "k", "Preis, EUR"],
            0,
        ),
        ("sep_line.csv", ["x1", "x2", "k", "y"], 0),
        ("title_rows.csv", ["x1", "x2", "k", "y"], 1),
        ("utf16.csv", ["x1", "x2", "k", "y"], 0),
    ] {
        let Some(table) = read(&format!("csv_separators/{name}")) else {
            return;
        };
        assert_eq!(table.names(), columns, "{name}");
        assert!((first_number(&table) - 15.99).abs() < 1e-12, "{name}");
        assert_eq!(table.notes.len(), notes, "{name}: {:?}", table.notes);
    }
}

#[test]
fn codecs_of_parquet_are_read() {
    for name in ["p_c_lz4.parquet", "p_dict.parquet"] {
        let Some(table) = read(&format!("parquet_codecs/{name}")) else {
            return;
        };
        assert!(
            table.rows > 0 && table.columns.len() > 2,
            "{name}: {:?}",
            table.notes
        );
    }
}
