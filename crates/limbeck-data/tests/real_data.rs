//! Reading, checks and splits on real tables in the folder `LIMBECK_DATA`; skipped with a message if there is no such folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::float_cmp,
    reason = "a test"
)]

use std::path::PathBuf;
use std::time::Instant;

use limbeck_data::{ColumnKind, DataOptions, Dataset, FeatureValues, FoldKind, ReadOptions, Table};

fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("LIMBECK_DATA").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        eprintln!("skipped: no LIMBECK_DATA");
        return None;
    }
    Some(folder)
}

fn options(folder: &std::path::Path, set: &str, target: &str, split: &str) -> DataOptions {
    let file = folder.join(set).join("splits.csv");
    DataOptions {
        split_file: Some(format!("{}:{split}", file.display())),
        ..DataOptions::for_target(target)
    }
}

#[test]
fn california_is_read_and_split() {
    let Some(folder) = folder() else { return };
    let path = folder.join("california/california.csv");
    let begin = Instant::now();
    let table = Table::read(&path, &ReadOptions::default()).unwrap();
    eprintln!("california: read in {:.3} s", begin.elapsed().as_secs_f64());
    assert_eq!((table.rows, table.columns.len()), (20_640, 10));
    assert!(
        table.columns[..9]
            .iter()
            .all(|column| column.kind == ColumnKind::Number)
    );
    assert_eq!(table.columns[9].kind, ColumnKind::Category);

    let begin = Instant::now();
    let options = options(&folder, "california", "median_house_value", "random0");
    let data = Dataset::from_table(table, &options, None, 0).unwrap();
    eprintln!(
        "california: checked in {:.3} s",
        begin.elapsed().as_secs_f64()
    );
    assert_eq!(
        data.split.test.len() + data.split.valid.len() + data.split.train.len(),
        20_640
    );
    assert_eq!(data.rows[data.split.test[0]], 2);
    let FeatureValues::Category { levels, .. } = &data.features.columns[8].values else {
        panic!("category")
    };
    assert_eq!(levels.len(), 5);
    assert!(data.features.columns[2].integer && !data.features.columns[7].integer);
    let checks: Vec<&str> = data
        .summary
        .warnings
        .iter()
        .map(|warning| warning.check.as_str())
        .collect();
    assert_eq!(checks, ["capped_target"]);
}

#[test]
fn ames_drops_its_ids() {
    let Some(folder) = folder() else { return };
    let options = options(&folder, "ames", "SalePrice", "random0");
    let data = Dataset::load(folder.join("ames/ames.csv"), &options, 0).unwrap();
    for warning in &data.summary.warnings {
        eprintln!("{}", warning.message);
    }
    assert!(
        data.summary
            .warnings
            .iter()
            .any(|w| w.check == "id" && w.column.as_deref() == Some("PID"))
    );
}

#[test]
fn small_sets_pass_their_checks() {
    let Some(folder) = folder() else { return };
    let sets = [
        ("concrete", "strength_mpa"),
        ("power_plant", "PE"),
        ("energy", "heating_load"),
        ("boston", "MEDV"),
        ("kin8nm", ""),
    ];
    for (set, target) in sets {
        let path = folder.join(set).join(format!("{set}.csv"));
        let table = Table::read(&path, &ReadOptions::default()).unwrap();
        let target = if target.is_empty() {
            table.names().pop().unwrap()
        } else {
            target.to_owned()
        };
        let data =
            Dataset::from_table(table, &options(&folder, set, &target, "s00"), None, 0).unwrap();
        eprintln!(
            "{set}: {} features, {:?}",
            data.features.columns.len(),
            data.summary.warnings
        );
    }
}

#[test]
fn air_quality_is_split_by_time() {
    let Some(folder) = folder() else { return };
    let options = DataOptions {
        time: Some("time".into()),
        drop: ["ref_nmhc", "ref_c6h6", "ref_nox", "ref_no2"]
            .map(String::from)
            .into(),
        ..DataOptions::for_target("ref_co")
    };
    let data = Dataset::load(folder.join("air_quality/air_quality.csv"), &options, 0).unwrap();
    assert_eq!(data.fold_kind, FoldKind::Time);
    let blocks = data.blocks_of(&data.split.test).unwrap();
    assert!(data.blocks_of(&data.split.train).unwrap().iter().max() <= blocks.iter().min());
    assert!(
        data.summary
            .warnings
            .iter()
            .any(|w| w.check == "missing_target" && w.message.contains("1683 of 9357"))
    );
}

#[test]
fn large_parquet_is_read_and_split_by_time() {
    let Some(folder) = folder() else { return };
    let begin = Instant::now();
    let options = DataOptions {
        time: Some("time".into()),
        ..options(&folder, "beijing_air", "pm25", "time")
    };
    let data = Dataset::load(folder.join("beijing_air/beijing_air.parquet"), &options, 0).unwrap();
    eprintln!(
        "beijing_air: {} rows in {:.2} s",
        data.target().len(),
        begin.elapsed().as_secs_f64()
    );
    assert_eq!(data.target().len(), 420_768 - 8_739);
    assert!(data.features.names().contains(&"station".to_owned()));
}

#[test]
fn free_text_is_dropped_with_a_warning() {
    let Some(folder) = folder() else { return };
    let options = options(&folder, "airbnb_edinburgh", "price", "random0");
    let data = Dataset::load(
        folder.join("airbnb_edinburgh/airbnb_edinburgh.parquet"),
        &options,
        0,
    )
    .unwrap();
    for warning in &data.summary.warnings {
        eprintln!("{}", warning.message);
    }
    assert!(
        data.summary
            .warnings
            .iter()
            .any(|w| w.check == "text" && w.column.as_deref() == Some("description"))
    );
}

#[test]
fn engines_of_both_parts_are_told_apart() {
    let Some(folder) = folder() else { return };
    let make = |series: &[&str]| {
        let path = folder.join("cmapss_fd001/cmapss_fd001.parquet");
        let options = DataOptions {
            series: series.iter().map(|&name| name.to_owned()).collect(),
            time: Some("cycle".to_owned()),
            window: Some(10),
            ..options(&folder, "cmapss_fd001", "rul", "official_all")
        };
        Dataset::load(path, &options, 0)
    };
    let error = make(&["unit"]).unwrap_err().to_string();
    for part in [
        "12 526 rows repeat the `unit`, `cycle` of an earlier row",
        "use `--series part,unit`",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let data = make(&["part", "unit"]).unwrap();
    let series = data.summary.series.unwrap();
    assert_eq!(
        (series.series, series.gaps, series.whole_series),
        (200, 0, true)
    );
    assert!(
        series.audit.iter().all(|audit| audit.passed),
        "{:?}",
        series.audit
    );
}
