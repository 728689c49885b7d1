//! Runs every shell block of the README and of the book, on small tables and with short trainings.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Starts the program with less work: options that a page does not set get small values.
const WRAPPER: &str = r#"#!/bin/sh
case "$1" in
    demo) shift; set -- demo --rows 300 --quiet "$@" ;;
    distill)
        case " $* " in *" --resume "*|*" --recipe "*) exec "$LIMBECK" "$@" ;; esac
        # Recurrent students have other new rows.
        new=--munge-rows
        case " $* " in *" gru "*|*" lstm "*|*" finance "*) new=--window-rows ;; esac
        for pair in "--quality fast" "--teacher trees" "--steps 120" "$new 300" "--repeats 2" "--max-repeats 2" "--params 600"; do
            case " $* " in
                *" ${pair%% *} "*) ;;
                *" --teacher-command "*|*" --teacher-column "*) case "$pair" in --teacher*) ;; *column*) ;; *) set -- "$@" $pair ;; esac ;;
                *) set -- "$@" $pair ;;
            esac
        done ;;
    preflight) set -- "$@" --quality fast --steps 120 --munge-rows 300 --teacher trees ;;
esac
exec "$LIMBECK" "$@"
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shell blocks of a page, without commands that build or need other programs.
fn script(page: &str) -> String {
    let (mut inside, mut script) = (false, String::new());
    for line in page.lines() {
        match line.trim_end() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && !line.starts_with("make ") => {
                script.push_str(&line.replace("target/release/limbeck", "limbeck"));
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

/// Writes the tables that the pages use.
fn write_tables(folder: &Path) {
    let housing = |rows: std::ops::Range<u32>| {
        let mut text = String::from(
            "day,block,median_income,rooms,ocean_proximity,median_house_value,their_model\n",
        );
        for i in rows {
            let (income, rooms) = (f64::from(i * 37 % 101) / 15.0, f64::from(i * 53 % 97));
            let ocean = ["INLAND", "NEAR BAY", "ISLAND"][i as usize % 3];
            let value = 50_000.0 + 30_000.0 * income + 500.0 * rooms + f64::from(i * 7919 % 1009);
            let _ = writeln!(
                text,
                "{i},{},{income:.3},{rooms},{ocean},{value:.1},{:.1}",
                i % 40,
                value + 900.0
            );
        }
        text
    };
    let own = housing(0..600);
    let without = |text: &str| -> String {
        let cut = |line: &str| line.rsplit_once(',').map(|(kept, _)| format!("{kept}\n"));
        text.lines().filter_map(cut).collect()
    };
    let examples = folder.join("examples");
    std::fs::create_dir(&examples).unwrap();
    std::fs::copy(
        root().join("examples/penguins.csv"),
        examples.join("penguins.csv"),
    )
    .unwrap();
    std::fs::write(folder.join("scored.csv"), &own).unwrap();
    std::fs::write(folder.join("housing.csv"), without(&own)).unwrap();
    for name in ["new.csv", "other.csv"] {
        std::fs::write(folder.join(name), without(&housing(700..900))).unwrap();
    }
    let mut building = String::from("area,glass,heating,cooling\n");
    for i in 0..400u32 {
        let (area, glass) = (f64::from(i * 37 % 101), f64::from(i * 53 % 97));
        let heating = 0.3 * area + 0.01 * glass * glass + f64::from(i * 7919 % 1009) / 500.0;
        let _ = writeln!(
            building,
            "{area},{glass},{heating:.3},{:.3}",
            40.0 + 2.0 * glass - 0.1 * heating
        );
    }
    std::fs::write(folder.join("building.csv"), building).unwrap();
    std::fs::write(folder.join("machines.csv"), machines()).unwrap();
    std::fs::write(folder.join("engines.csv"), engines()).unwrap();
    std::fs::write(folder.join("shares.csv"), shares()).unwrap();
}

/// Flights of twelve engines at two altitudes, with a pressure that follows the altitude and a little wear.
fn engines() -> String {
    let mut text = String::from("engine,cycle,altitude,speed,pressure,rul\n");
    for engine in 0..12u32 {
        for cycle in 0..60 + 3 * engine {
            let high = (cycle * cycle + engine) % 7 % 2;
            let wear = f64::from(cycle) / 40.0;
            let pressure = 100.0 - 70.0 * f64::from(high) + wear * (1.0 + f64::from(high));
            let _ = writeln!(
                text,
                "e{engine},{cycle},{},{},{pressure:.2},{}",
                35 * high,
                0.25 + 0.5 * f64::from(high),
                60 + 3 * engine - cycle
            );
        }
    }
    text
}

/// Daily squared returns of five shares.
fn shares() -> String {
    let mut text = String::from("share,day,volume,square\n");
    for day in 0..160u32 {
        for share in 0..5u32 {
            let calm = 1.0 + f64::from((day / 9 + share) % 4);
            let square = calm * (1.0 + f64::from((day * 37 + share * 11) % 101)) / 100.0;
            let _ = writeln!(
                text,
                "s{share},{day},{},{square:.4}",
                100 + (day * 13 + share) % 17
            );
        }
    }
    text
}

/// Hourly rows of twelve machines.
fn machines() -> String {
    let mut text = String::from("machine,hour,temperature,load,wear\n");
    for hour in 0..160u32 {
        for machine in 0..12u32 {
            let temperature = 20.0 + f64::from((hour * 7 + machine) % 11);
            let load = f64::from(machine) + 0.2 * f64::from(hour) + f64::from(hour % 24) / 4.0;
            let _ = writeln!(
                text,
                "m{machine},2024-03-{:02} {:02}:00,{temperature},{load:.2},{}",
                1 + hour / 24,
                hour % 24,
                hour + machine % 5
            );
        }
    }
    text
}

/// Runs the blocks of a page, one after the other, in a folder of their own.
fn run(page: &str) {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let script = script(&text);
    let is_of_rust = page.ends_with("rust.md");
    assert_eq!(script.is_empty(), is_of_rust, "{page}: shell blocks");
    if is_of_rust {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write_tables(folder.path());
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let wrapper = bin.join("limbeck");
    std::fs::write(&wrapper, WRAPPER).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let done = Command::new("sh")
        .args(["-e", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("LIMBECK", env!("CARGO_BIN_EXE_limbeck"))
        .output()
        .unwrap();
    let (out, complaint) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{page}: {complaint}\n{out}");
}

#[test]
fn blocks_of_the_readme_run() {
    run("README.md");
}

#[test]
fn blocks_of_the_tutorial_run() {
    run("docs/book/tutorial.md");
}

#[test]
fn blocks_of_the_how_to_pages_run() {
    let folder = root().join("docs/book/howto");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    assert!(pages.len() >= 7);
    for page in pages {
        run(&format!(
            "docs/book/howto/{}",
            page.file_name().unwrap().to_string_lossy()
        ));
    }
}

#[test]
fn every_page_is_in_the_summary() {
    let book = root().join("docs/book");
    let summary = std::fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    for folder in ["", "howto", "reference", "explanation"] {
        for entry in std::fs::read_dir(book.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&book).unwrap().display().to_string();
            let is_page = name.ends_with(".md") && name != "SUMMARY.md";
            assert!(!is_page || summary.contains(&format!("({name})")), "{name}");
        }
    }
}

/// A page from the documentation of a source file.
fn page_of(title: &str, source: &str, test: &str) -> String {
    let text = std::fs::read_to_string(root().join(source)).unwrap();
    let doc = text.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = doc
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let head = format!(
        "# {title}\n\nWritten by a test from the documentation of the source (`UPDATE_DOCS=1 cargo test -p limbeck-cli {test}`).\n\n"
    );
    format!("{head}{}\n", lines.join("\n"))
}

/// Fails if a page is not what the source says; with `UPDATE_DOCS`, writes the page first.
fn is_up_to_date(page: &str, expected: &str) {
    let file = root().join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, expected).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(file).unwrap_or_default(),
        expected,
        "{page} is not what the source says; run this test with UPDATE_DOCS=1"
    );
}

#[test]
fn report_keys_are_those_of_the_source() {
    let source = "crates/limbeck/src/report/mod.rs";
    let expected = page_of("Keys of `report.json`", source, "report_keys");
    is_up_to_date("docs/report.md", &expected);
}

#[test]
fn checks_are_those_of_the_source() {
    let source = "crates/limbeck-data/src/checks.rs";
    let expected = page_of("Checks of a table", source, "checks_are");
    is_up_to_date("docs/checks.md", &expected);
}
