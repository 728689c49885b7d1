//! Imported teachers: compared with the libraries that wrote their files, and read from damaged files.
//!
//! Files and expected predictions: `evidence/fixtures.py`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::print_stdout,
    reason = "tests; figures are shown"
)]

use std::path::{Path, PathBuf};

use limbeck_data::{FeatureValues, Features, ReadOptions, Table, Values};
use limbeck_teach::Error;
use limbeck_teach::import::{ImportedTeacher, ModelFormat};

/// Allowed difference, as a share of the larger of |prediction| and the target's standard deviation: expected values have 7 digits.
const TOLERANCE: f64 = 1e-5;

const LIGHTGBM: [&str; 6] = [
    "lightgbm_regression",
    "lightgbm_poisson",
    "lightgbm_tweedie",
    "lightgbm_sqrt",
    "lightgbm_forest",
    "lightgbm_linear",
];
const XGBOOST: [&str; 6] = [
    "xgboost_squared",
    "xgboost_categories",
    "xgboost_poisson",
    "xgboost_tweedie",
    "xgboost_gamma",
    "xgboost_dart",
];
const ONNX: [&str; 4] = ["onnx_gemm", "onnx_named", "onnx_sum", "onnx_average"];

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let suffix = match name.split('_').next() {
        Some("lightgbm") => ".txt",
        Some("xgboost") => ".json",
        Some("onnx") => ".onnx",
        _ => "",
    };
    folder.join(format!("{name}{suffix}"))
}

fn table(name: &str) -> Table {
    Table::read(fixture(name), &ReadOptions::default()).unwrap()
}

fn numbers(table: &Table, name: &str) -> Vec<f64> {
    match &table.column(name).unwrap().values {
        Values::Number(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

/// The rows as features: all columns but the target.
fn features() -> Features {
    let mut features = Features::from_table(table("rows.csv")).unwrap();
    features.columns.retain(|column| column.name != "target");
    features
}

/// Only the three number columns, for files without column names; missing values are replaced by 0 for networks.
fn plain(filled: bool) -> Features {
    let mut features = features();
    features.columns.retain(|column| column.name != "kind");
    for column in &mut features.columns {
        if let FeatureValues::Number(values) = &mut column.values {
            values
                .iter_mut()
                .filter(|value| filled && value.is_nan())
                .for_each(|value| *value = 0.0);
        }
    }
    features
}

fn rows_of(name: &str) -> Features {
    match name {
        "onnx_gemm" | "onnx_named" => plain(true),
        name if name.starts_with("onnx") => plain(false),
        _ => features(),
    }
}

fn agrees(name: &str) {
    let expected = numbers(&table("expected.csv"), name);
    let target = numbers(&table("rows.csv"), "target");
    let mean = target.iter().sum::<f64>() / target.len() as f64;
    let sd =
        (target.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / target.len() as f64).sqrt();
    let found = ImportedTeacher::read(fixture(name))
        .unwrap()
        .predict(&rows_of(name))
        .unwrap();
    assert_eq!((found.len(), expected.len()), (1000, 1000));
    let worst = found
        .iter()
        .zip(&expected)
        .map(|(f, e)| (f - e).abs() / e.abs().max(sd))
        .fold(0.0, f64::max);
    println!("{name}: {worst:.1e}");
    assert!(worst <= TOLERANCE, "{name}: {worst:e}");
    // A constant would agree with a constant.
    assert!(
        expected
            .iter()
            .any(|value| (value - expected[0]).abs() > 0.1)
    );
}

#[test]
fn lightgbm_files_agree_with_lightgbm() {
    LIGHTGBM.into_iter().for_each(agrees);
}

#[test]
fn xgboost_files_agree_with_xgboost() {
    XGBOOST.into_iter().for_each(agrees);
}

#[test]
fn onnx_files_agree_with_onnx_runtime() {
    ONNX.into_iter().for_each(agrees);
}

#[test]
fn rows_have_gaps_zeros_and_categories() {
    let features = features();
    let number = |at: usize| match &features.columns[at].values {
        FeatureValues::Number(values) => values.clone(),
        FeatureValues::Category { .. } => panic!("a category"),
    };
    assert!(number(0).iter().any(|value| value.is_nan()) && number(1).contains(&0.0));
    let FeatureValues::Category { codes, levels } = &features.columns[3].values else {
        panic!("no category")
    };
    assert!(levels.len() == 5 && codes.contains(&limbeck_data::MISSING));
}

#[test]
fn formats_are_recognized_by_content() {
    let format = |name: &str| {
        let bytes = std::fs::read(fixture(name)).unwrap();
        ImportedTeacher::from_bytes(&bytes, "model")
            .unwrap()
            .format()
    };
    assert_eq!(format("lightgbm_sqrt"), ModelFormat::Lightgbm);
    assert_eq!(format("xgboost_dart"), ModelFormat::Xgboost);
    assert_eq!(format("onnx_sum"), ModelFormat::Onnx);
}

#[test]
fn predictions_are_the_same_for_any_order_of_columns_and_any_rows() {
    for name in ["lightgbm_regression", "xgboost_categories"] {
        let teacher = ImportedTeacher::read(fixture(name)).unwrap();
        let mut features = features();
        let whole = teacher.predict(&features).unwrap();
        features.columns.reverse();
        assert_eq!(teacher.predict(&features).unwrap(), whole);
        let some = [999, 0, 500];
        assert_eq!(
            teacher.predict(&features.select(&some)).unwrap(),
            some.map(|row| whole[row])
        );
    }
}

#[test]
fn every_file_shows_features_of_its_rows() {
    for name in LIGHTGBM.into_iter().chain(XGBOOST).chain(ONNX) {
        let teacher = ImportedTeacher::read(fixture(name)).unwrap();
        let features = rows_of(name);
        let layers = teacher.layers(&features).unwrap();
        assert_eq!(
            layers.len(),
            match name {
                "onnx_named" => 1,
                "onnx_gemm" => 2,
                _ => 3,
            }
        );
        let some = [999, 0, 500];
        for (layer, few) in layers
            .iter()
            .zip(teacher.layers(&features.select(&some)).unwrap())
        {
            assert_eq!(layer.values.len(), 1000 * layer.width);
            assert_eq!(
                few.values,
                some.map(|row| &layer.values[row * layer.width..][..layer.width])
                    .concat(),
                "{name}"
            );
        }
        // Linear leaves aside, predictions differ where features do, but for a few leaves that fall into one place.
        if name != "lightgbm_linear" {
            let of = |row: usize| {
                layers
                    .iter()
                    .flat_map(|layer| &layer.values[row * layer.width..][..layer.width])
                    .map(|v| v.to_bits())
                    .collect::<Vec<_>>()
            };
            let predictions = teacher.predict(&features).unwrap();
            let mut seen = std::collections::HashMap::new();
            let mut clash = |(row, prediction): (usize, &f64)| {
                seen.entry(of(row)).or_insert(*prediction) != prediction
            };
            let clashes = predictions
                .iter()
                .enumerate()
                .map(&mut clash)
                .filter(|&clash| clash)
                .count();
            assert!(
                clashes <= 20 && seen.len() > 10,
                "{name}: {clashes} of {}",
                seen.len()
            );
        }
    }
}

#[test]
fn explicit_columns_replace_names() {
    let teacher = ImportedTeacher::read(fixture("onnx_gemm")).unwrap();
    let order = |names: [&str; 3]| names.map(str::to_owned).to_vec();
    let expected = teacher.predict(&plain(true)).unwrap();
    let mut reversed = plain(true);
    reversed.columns.reverse();
    assert_ne!(teacher.predict(&reversed).unwrap(), expected);
    let named = teacher
        .clone()
        .with_columns(&order(["flow", "load", "head"]));
    assert_eq!(named.predict(&reversed).unwrap(), expected);
    let message = teacher
        .with_columns(&order(["flow", "lod", "head"]))
        .predict(&reversed)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`lod`") && message.contains("model_columns"),
        "{message}"
    );
}

#[test]
fn missing_column_is_named() {
    let teacher = ImportedTeacher::read(fixture("lightgbm_regression")).unwrap();
    let mut features = features();
    features.columns.remove(1);
    let message = teacher.predict(&features).unwrap_err().to_string();
    assert!(
        message.contains("lightgbm_regression.txt")
            && message.contains("`load`")
            && message.contains("`flow`"),
        "{message}"
    );
}

#[test]
fn unknown_categories_are_missing() {
    for name in ["lightgbm_regression", "xgboost_categories"] {
        let teacher = ImportedTeacher::read(fixture(name)).unwrap();
        let with_level = |level: &str| {
            let mut features = features();
            if let FeatureValues::Category { codes, levels } = &mut features.columns[3].values {
                let mut texts = levels.as_ref().clone();
                texts.push(level.to_owned());
                *levels = texts.into();
                let last = levels.len() as u32 - 1;
                codes[..100].fill(if level.is_empty() {
                    limbeck_data::MISSING
                } else {
                    last
                });
            }
            teacher.predict(&features).unwrap()
        };
        assert_eq!(with_level("never seen"), with_level(""));
    }
}

#[test]
fn nan_answers_are_refused_with_the_row() {
    let teacher = ImportedTeacher::read(fixture("onnx_gemm")).unwrap();
    let message = teacher.predict(&plain(false)).unwrap_err().to_string();
    assert!(
        message.contains("predicts NaN for row") && message.contains("fill missing values"),
        "{message}"
    );
}

fn refused(bytes: impl AsRef<[u8]>) -> String {
    let error = ImportedTeacher::from_bytes(bytes.as_ref(), "model.bin").unwrap_err();
    assert!(matches!(error, Error::Model { .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.starts_with("model.bin cannot be the teacher: "),
        "{message}"
    );
    message
}

/// A fixture's text with one part replaced.
fn changed(name: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn objectives_that_are_no_regression_are_named() {
    let lightgbm = |to: &str| refused(changed("lightgbm_poisson", "objective=poisson", to));
    assert!(lightgbm("objective=binary sigmoid:1").contains("LightGBM objective is `binary`"));
    assert!(lightgbm("objective=lambdarank").contains("`lambdarank`"));
    let xgboost = |to: &str| refused(changed("xgboost_poisson", "\"name\":\"count:poisson\"", to));
    assert!(
        xgboost("\"name\":\"binary:logistic\"").contains("XGBoost objective is `binary:logistic`")
    );
    assert!(xgboost("\"name\":\"rank:pairwise\"").contains("`rank:pairwise`"));
    // A share between 0 and 1 cannot begin with this Poisson model's base score.
    assert!(xgboost("\"name\":\"reg:logistic\"").contains("valid for reg:logistic"));
}

#[test]
fn several_outputs_are_refused() {
    assert!(
        refused(changed(
            "lightgbm_poisson",
            "num_tree_per_iteration=1",
            "num_tree_per_iteration=3"
        ))
        .contains("3 outputs")
    );
    assert!(
        refused(changed(
            "xgboost_poisson",
            "\"num_target\":\"1\"",
            "\"num_target\":\"2\""
        ))
        .contains("`num_target` is `2`")
    );
    assert!(
        refused(changed(
            "xgboost_poisson",
            "\"name\":\"gbtree\"",
            "\"name\":\"gblinear\""
        ))
        .contains("`weights`")
    );
}

#[test]
fn what_is_no_model_is_refused() {
    assert!(refused("").contains("found nothing"));
    assert!(refused("a,b,y\n1,2,3\n").contains("LightGBM text model, an XGBoost JSON model"));
    assert!(refused("{\"a\": 1}").contains("learner"));
    assert!(
        refused("{\"learner\": {").contains("EOF") || refused("{\"learner\": {").contains("line 1")
    );
    assert!(refused(b"{L\x00\x00\x00\x00\x00\x00\x00\x01i\x07learner\xff").contains("UBJSON"));
    assert!(refused(b"\x08\x08\x12\x07").contains("7 bytes with 0 left"));
    assert!(refused("tree\nversion=v4\n").contains("end of trees"));
    assert!(refused("[".repeat(100_000)).contains("text that begins with"));
    assert!(
        refused(format!("{{\"learner\":{}", "{\"a\":".repeat(100_000)))
            .contains("is not an XGBoost model")
    );
}

#[test]
fn missing_file_is_named() {
    let error = ImportedTeacher::read("nowhere/model.txt").unwrap_err();
    assert!(matches!(error, Error::ModelFile { .. }));
    assert!(
        error.to_string().contains("nowhere/model.txt") && error.to_string().contains("ONNX"),
        "{error}"
    );
}

#[test]
fn trees_that_lead_nowhere_are_refused() {
    let lightgbm = |from: &str, to: &str| refused(changed("lightgbm_sqrt", from, to));
    let text = std::fs::read_to_string(fixture("lightgbm_sqrt")).unwrap();
    let line = |name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    let first = |name: &str, value: &str| {
        let line = line(name);
        let rest = line.split_once('=').unwrap().1.split_once(' ').unwrap().1;
        lightgbm(&line, &format!("{name}={value} {rest}"))
    };
    assert!(first("left_child", "0").contains("two parents of node 0"));
    assert!(first("left_child", "15").contains("the child node"));
    assert!(
        first("right_child", "-99").contains("node 109"),
        "{}",
        first("right_child", "-99")
    );
    assert!(
        first("split_feature", "4000000000").contains("input 4000000000 (counted from 0) of 4")
    );
    assert!(first("threshold", "nan").contains("tree 0"));
    assert!(first("leaf_value", "inf").contains("the number inf"));
    assert!(first("leaf_value", "x").contains("`x`"));
    assert!(first("split_feature", "").contains("10 numbers, expected 11"));
    assert!(
        lightgbm("num_leaves=12", "num_leaves=99999999999999")
            .contains("12 numbers, expected 99999999999999")
    );
    assert!(lightgbm("num_leaves=12", "num_leaves=0").contains("expected 0"));
    let xgboost = |from: &str, to: &str| refused(changed("xgboost_squared", from, to));
    assert!(
        xgboost("\"left_children\":[1,", "\"left_children\":[0,").contains("two parents of node 0")
    );
    assert!(xgboost("\"left_children\":[1,", "\"left_children\":[77777,").contains("node 77777"));
    assert!(xgboost("\"left_children\":[1,", "\"left_children\":[").contains("lists of"));
    assert!(
        xgboost(
            "\"num_feature\":\"3\",\"num_target\"",
            "\"num_feature\":\"99999999999\",\"num_target\""
        )
        .contains("99999999999")
    );
    assert!(
        refused(changed(
            "xgboost_gamma",
            "\"base_score\":\"[",
            "\"base_score\":\"[-"
        ))
        .contains("base_score")
    );
}

#[test]
fn very_deep_trees_do_not_overflow_the_stack() {
    // A chain of 100 000 splits on one input: each goes left to a leaf, right to the next.
    let splits = 100_000;
    let list =
        |of: &dyn Fn(usize) -> String, n: usize| (0..n).map(of).collect::<Vec<_>>().join(" ");
    let text = format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\nobjective=regression\nfeature_names=flow\n\
         feature_infos=[0:1]\n\nTree=0\nnum_leaves={}\nnum_cat=0\nsplit_feature={}\nthreshold={}\ndecision_type={}\nleft_child={}\n\
         right_child={}\nleaf_value={}\nis_linear=0\nshrinkage=1\n\n\nend of trees\n",
        splits + 1,
        list(&|_| "0".into(), splits),
        list(&|at| format!("{at}.5"), splits),
        list(&|_| "10".into(), splits),
        list(&|at| format!("-{}", at + 1), splits),
        list(
            &|at| if at + 1 < splits {
                format!("{}", at + 1)
            } else {
                format!("-{}", splits + 1)
            },
            splits
        ),
        list(&|at| format!("{at}"), splits + 1),
    );
    let teacher = ImportedTeacher::from_bytes(text.as_bytes(), "deep.txt").unwrap();
    let mut rows = plain(true).select(&[0, 1]);
    rows.columns[0].values = FeatureValues::Number(vec![99_000.0, 1e9]);
    assert_eq!(teacher.predict(&rows).unwrap(), [99_000.0, 100_000.0]);
}

/// Marsaglia's xorshift: mutations without a dependency.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Damaged files are refused with their name, or read as another model; nothing panics, whatever they predict.
#[test]
fn damaged_files_never_panic() {
    let mut refused = 0;
    let mut read = 0;
    for (seed, name) in LIGHTGBM.into_iter().chain(XGBOOST).chain(ONNX).enumerate() {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let rows = rows_of(name).select(&[0, 1, 2]);
        let mut draw = Draw(seed as u64 * 7919 + 17);
        for round in 0..400 {
            let mut bytes = bytes.clone();
            match round % 4 {
                0 => bytes.truncate(draw.below(bytes.len())),
                1 => {
                    let at = draw.below(bytes.len());
                    bytes[at] ^= 1 << draw.below(8);
                }
                // Text stays text, so that the numbers in it change.
                2 => {
                    for _ in 0..=draw.below(4) {
                        let at = draw.below(bytes.len());
                        bytes[at] = b"0123456789-.e ,[]{}\"=\n"[draw.below(22)];
                    }
                }
                _ => {
                    let (at, length) = (draw.below(bytes.len()), draw.below(40));
                    let end = (at + length).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
            match ImportedTeacher::from_bytes(&bytes, name) {
                Err(error) => {
                    assert!(error.to_string().contains(name), "{error}");
                    refused += 1;
                }
                Ok(teacher) => {
                    drop(teacher.predict(&rows));
                    read += 1;
                }
            }
        }
    }
    println!("{refused} refused, {read} read");
    assert!(refused > 1000 && read > 100, "{refused} {read}");
}

#[test]
fn truncated_files_are_refused_at_any_length() {
    for name in ["lightgbm_regression", "xgboost_categories", "onnx_gemm"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        // Behind its trees a LightGBM file has its categories only; behind its graph an ONNX file has versions, in less than 32 bytes.
        let end = match name {
            "lightgbm_regression" => bytes
                .windows(12)
                .position(|part| part == b"end of trees")
                .unwrap(),
            "onnx_gemm" => bytes.len() - 32,
            _ => bytes.len() - 1,
        };
        for length in (0..end).step_by(7) {
            assert!(
                ImportedTeacher::from_bytes(&bytes[..length], name).is_err(),
                "{name} {length}"
            );
        }
    }
}

#[test]
fn category_lists_of_lightgbm_find_their_columns_among_constant_ones() {
    // Of four inputs the fit saw only the last, a category; `city` was a constant category, `zero` and `one` constant numbers.
    let text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=3\nobjective=regression\n\
                feature_names=zero city one kind\nfeature_infos=none none none 0:1\n\nTree=0\nnum_leaves=2\nnum_cat=1\nsplit_feature=3\n\
                threshold=0\ndecision_type=1\nleft_child=-1\nright_child=-2\nleaf_value=5 7\ncat_boundaries=0 1\ncat_threshold=1\n\
                is_linear=0\nshrinkage=1\n\nend of trees\n\npandas_categorical:[[\"Rome\"], [\"red\", \"blue\"]]\n";
    let teacher = ImportedTeacher::from_bytes(text.as_bytes(), "model.txt").unwrap();
    let folder = std::env::temp_dir().join(format!("limbeck-lists-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("rows.csv");
    std::fs::write(
        &path,
        "zero,city,one,kind\n0,Rome,1,red\n0,Rome,1,blue\n0,Rome,1,red\n",
    )
    .unwrap();
    let features =
        Features::from_table(Table::read(&path, &ReadOptions::default()).unwrap()).unwrap();
    assert_eq!(teacher.predict(&features).unwrap(), [5.0, 7.0, 5.0]);
    // Without the column that tells, no list is guessed.
    let mut fewer = features.clone();
    fewer.columns.remove(1);
    assert!(
        teacher
            .predict(&fewer)
            .unwrap_err()
            .to_string()
            .contains("codes without their labels")
    );
    std::fs::remove_dir_all(folder).unwrap();
}
