//! Random damage to the files of a run: the manifest detects it, and reading the files never panics.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use limbeck::manifest::{FileState, Manifest};
use limbeck::{Recipe, Run, Silent, distill};
use limbeck_data::{ReadOptions, Table, generator, simulate};
use limbeck_teach::{FittedTeacher, TeacherKind};
use rand::RngExt;

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found)
        } else {
            found.push(path)
        }
    }
}

/// Reads the files of a run in all ways. Results and errors are both fine; golden vectors detect a student that predicts something else.
fn read_all(run: &Path) {
    if let Ok(opened) = Run::open(run) {
        let _ = opened.student().map(|student| student.verify_golden());
        let _ = limbeck::compare::paired(&opened, &opened);
    }
    for name in ["labels.parquet", "predictions.parquet"] {
        let _ = Table::read(run.join(name), &ReadOptions::default());
    }
    if let Ok(bytes) = std::fs::read(run.join("teacher").join("teacher.limbeck")) {
        let _ = FittedTeacher::from_bytes(&bytes);
    }
}

/// `LIMBECK_FAULTS` sets the number of faults [default: 1500].
#[test]
fn damaged_files_are_found_and_never_panic() {
    let count: usize = std::env::var("LIMBECK_FAULTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1500);
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("t.csv");
    simulate::thermistor(200, 1).write_csv(&table).unwrap();
    let mut recipe = Recipe::for_table(table, simulate::THERMISTOR_TARGET);
    recipe.repeats = 1;
    (
        recipe.teacher.kind,
        recipe.teacher.folds,
        recipe.teacher.trees.rounds,
    ) = (TeacherKind::Trees, 2, 5);
    recipe.transfer.munge_factor = 1;
    (
        recipe.student.params,
        recipe.student.steps,
        recipe.student.trials,
    ) = (300, 100, 1);
    let out = folder.path().join("run");
    distill(&recipe.check().unwrap(), &out, &Silent).unwrap();
    let manifest = Manifest::read(&out.join("manifest.json")).unwrap().unwrap();
    let mut files = Vec::new();
    files_below(&out, &mut files);
    files.retain(|file| !file.ends_with("log.txt"));
    files.sort();
    // Every file of the run but the log and the manifest itself is listed in it.
    assert_eq!(files.len(), manifest.files.len() + 1);
    let mut rng = generator(3, "faults", 0);
    std::panic::set_hook(Box::new(|_| {}));
    let mut panics = Vec::new();
    let mut unnoticed = Vec::new();
    for fault in 0..count {
        let path = &files[rng.random_range(0..files.len())];
        let whole = std::fs::read(path).unwrap();
        let mut bytes = whole.clone();
        let at = rng.random_range(0..bytes.len());
        let what = match fault % 4 {
            0 => {
                bytes.truncate(at);
                format!("cut at {at}")
            }
            _ => {
                bytes[at] ^= rng.random_range(1..=255u8);
                format!("byte {at}")
            }
        };
        std::fs::write(path, &bytes).unwrap();
        let place = format!("{}: {what}", path.file_name().unwrap().to_string_lossy());
        if catch_unwind(AssertUnwindSafe(|| read_all(&out))).is_err() {
            panics.push(place.clone());
        }
        let found = match Manifest::read(&out.join("manifest.json")) {
            Err(_) | Ok(None) => true,
            Ok(Some(read)) => {
                read != manifest
                    || read
                        .compare(&out)
                        .iter()
                        .any(|(_, state)| *state != FileState::Whole)
            }
        };
        // A blank more or less in the manifest changes nothing that it says.
        if !found && !path.ends_with("manifest.json") {
            unnoticed.push(place);
        }
        std::fs::write(path, &whole).unwrap();
    }
    drop(std::panic::take_hook());
    eprintln!("{count} faults in {} files", files.len());
    assert!(
        panics.is_empty() && unnoticed.is_empty(),
        "panics {panics:?}\nunnoticed {unnoticed:?}"
    );
}
