//! A student's file made to cost much memory; the file comes from outside, and the test is skipped visibly without it.

use limbeck_runtime::{Error, Student};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[test]
fn case_of_a_small_file_with_huge_rows_is_refused() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let folder = std::env::var_os("LIMBECK_CASES").map_or_else(default, PathBuf::from);
    let Ok(bytes) = std::fs::read(folder.join("hostile_files/big.limbeck")) else {
        println!("skipped: no folder {} (LIMBECK_CASES)", folder.display());
        return;
    };
    let begun = Instant::now();
    let error = Student::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, Error::InvalidGraph { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}
