//! Imported teachers beyond plain trees and networks: pipelines, early stopping, files of other kinds, and files that ask for too much.
//!
//! Files and expected predictions: `evidence/pipelines.py`. Inputs that users of other tools stumbled over lie in the folder `LIMBECK_CASES`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::print_stdout,
    reason = "tests; figures are shown"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use limbeck_data::{FeatureValues, Features, ReadOptions, Table, Values};
use limbeck_teach::import::{ImportOptions, ImportedTeacher, ModelFormat};

/// Expected values have 7 digits.
const TOLERANCE: f64 = 1e-5;
/// The longest that any file may take to be read or refused, on a slow machine and without optimization.
const PATIENCE: Duration = Duration::from_secs(20);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn numbers(table: &Table, name: &str) -> Vec<f64> {
    match &table.column(name).unwrap().values {
        Values::Number(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

/// Features of a CSV file without the columns named.
fn features(path: &Path, without: &[&str]) -> Features {
    let table = Table::read(path, &ReadOptions::default()).unwrap();
    let mut features = Features::from_table(table).unwrap();
    features
        .columns
        .retain(|column| !without.contains(&column.name.as_str()));
    features
}

/// The first 300 rows of the fixtures; numbers without gaps where `filled`.
fn rows(kind: bool, filled: bool) -> Features {
    let without: &[&str] = if kind {
        &["target"]
    } else {
        &["target", "kind"]
    };
    let all = features(&fixture("rows.csv"), without);
    let mut rows = all.select(&(0..300).collect::<Vec<_>>());
    for column in &mut rows.columns {
        if let FeatureValues::Number(values) = &mut column.values {
            let gaps = values.iter_mut().filter(|value| filled && value.is_nan());
            gaps.for_each(|value| *value = 0.0);
        }
        // The models were fitted with a text for missing kinds.
        if let FeatureValues::Category { codes, levels } = &mut column.values {
            let none = levels.len() as u32;
            *levels = [levels.as_slice(), &["none".to_owned()]].concat().into();
            let gaps = codes
                .iter_mut()
                .filter(|code| **code == limbeck_data::MISSING);
            gaps.for_each(|code| *code = none);
        }
    }
    rows
}

fn rows_of(name: &str) -> Features {
    match name {
        "onnx_hot" | "onnx_ordinal" => rows(true, true),
        "onnx_process" | "onnx_support" | "onnx_beside" | "onnx_two" => rows(false, true),
        _ => rows(false, false),
    }
}

/// The largest difference beside the larger of |expected| and its standard deviation.
fn worst(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let n = expected.len() as f64;
    let mean = expected.iter().sum::<f64>() / n;
    let sd = (expected
        .iter()
        .map(|y| (y - mean) * (y - mean))
        .sum::<f64>()
        / n)
        .sqrt();
    assert!(sd > 0.0, "a constant would agree with a constant");
    let pairs = found.iter().zip(expected);
    pairs
        .map(|(f, e)| (f - e).abs() / e.abs().max(sd))
        .fold(0.0, f64::max)
}

const FILES: [&str; 19] = [
    "catboost_numbers.json",
    "xgboost_early.json",
    "xgboost_early.ubj",
    "xgboost_logistic.ubj",
    "xgboost_huber.ubj",
    "xgboost_quantile.ubj",
    "xgboost_aft.json",
    "xgboost_linear.json",
    "lightgbm_entropy.txt",
    "lightgbm_lambda.txt",
    "onnx_hot.onnx",
    "onnx_ordinal.onnx",
    "onnx_process.onnx",
    "onnx_support.onnx",
    "onnx_imputed.onnx",
    "onnx_selections.onnx",
    "onnx_beside.onnx",
    "onnx_shared.onnx",
    "onnx_ensemble.onnx",
];

fn agrees(file: &str, options: &ImportOptions) {
    let name = file.split('.').next().unwrap();
    let table = Table::read(fixture("expected_pipelines.csv"), &ReadOptions::default()).unwrap();
    let expected = numbers(&table, name);
    let teacher = ImportedTeacher::read_with(fixture(file), options).unwrap();
    let found = teacher.predict(&rows_of(name)).unwrap();
    let worst = worst(&found, &expected);
    println!("{file}: {worst:.1e}");
    assert!(worst <= TOLERANCE, "{file}: {worst:e}");
}

#[test]
fn files_agree_with_the_libraries_that_wrote_them() {
    FILES
        .iter()
        .for_each(|file| agrees(file, &ImportOptions::default()));
}

#[test]
fn early_stopping_is_told() {
    for file in ["xgboost_early.json", "xgboost_early.ubj"] {
        let teacher = ImportedTeacher::read(fixture(file)).unwrap();
        assert_eq!(teacher.format(), ModelFormat::Xgboost);
        let notes = teacher.notes().concat();
        assert!(
            notes.contains("early stopping") && notes.contains("trees are used"),
            "{notes}"
        );
    }
    assert!(
        ImportedTeacher::read(fixture("xgboost_huber.ubj"))
            .unwrap()
            .notes()
            .is_empty()
    );
}

#[test]
fn one_of_several_outputs_is_named() {
    let read = |output: Option<&str>, file: &str| {
        let output = output.map(str::to_owned);
        ImportedTeacher::read_with(fixture(file), &ImportOptions { output })
    };
    let message = read(None, "onnx_two.onnx").unwrap_err().to_string();
    for part in [
        "2 outputs",
        "`low` [rows, 1]",
        "`high` [rows, 1]",
        "--teacher-model-output",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let message = read(Some("middle"), "onnx_two.onnx")
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no output `middle`") && message.contains("`low`"),
        "{message}"
    );
    let message = read(Some("high"), "xgboost_aft.json")
        .unwrap_err()
        .to_string();
    assert!(message.contains("teacher.model_output"), "{message}");
    let high = ImportOptions {
        output: Some("high".to_owned()),
    };
    agrees("onnx_two.onnx", &high);
}

#[test]
fn categories_that_a_pipeline_does_not_know_are_no_error() {
    let teacher = ImportedTeacher::read(fixture("onnx_hot.onnx")).unwrap();
    let mut rows = rows(true, true);
    let before = teacher.predict(&rows).unwrap();
    if let FeatureValues::Category { codes, .. } = &mut rows.columns[3].values {
        codes[..2].fill(limbeck_data::MISSING);
    }
    let after = teacher.predict(&rows).unwrap();
    assert!(before[..2] != after[..2] && before[2..] == after[2..]);
}

/// The folder of small inputs from outside; none where it is not there, which is shown.
fn cases(name: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let folder = std::env::var_os("LIMBECK_CASES").map_or_else(default, PathBuf::from);
    let folder = folder.join(name);
    if !folder.is_dir() {
        println!("skipped: no folder {} (LIMBECK_CASES)", folder.display());
        return None;
    }
    Some(folder)
}

/// Double-precision numbers of a NumPy file of version 1: a header of 10 bytes and so many more, then the numbers.
fn npy(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY\x01"));
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(String::from_utf8_lossy(&bytes[..header]).contains("'<f8'"));
    let (numbers, rest) = bytes[header..].as_chunks::<8>();
    assert!(rest.is_empty());
    numbers
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect()
}

fn case_agrees(folder: &Path, model: &str, table: &str, expected: &str) {
    let teacher = ImportedTeacher::read(folder.join(model)).unwrap();
    let found = teacher
        .predict(&features(&folder.join(table), &["y", "set"]))
        .unwrap();
    let worst = worst(&found, &npy(&folder.join(expected)));
    println!("{model}: {worst:.1e}");
    assert!(worst <= TOLERANCE, "{model}: {worst:e}");
}

#[test]
fn cases_agree_with_the_libraries_that_wrote_them() {
    if let Some(folder) = cases("onnx_dag_trees") {
        case_agrees(&folder, "model.onnx", "table.csv", "onnxruntime.npy");
    }
    if let Some(folder) = cases("xgb_best_iteration") {
        case_agrees(&folder, "model.json", "table.csv", "sklearn_predict.npy");
    }
    if let Some(folder) = cases("onnx_missing_operators") {
        for name in [
            "sk_ct_ohe",
            "sk_ct_ord",
            "sk_gp",
            "sk_select",
            "th_gather",
            "th_norm_where",
        ] {
            let [model, table, expected] =
                ["onnx", "csv", "npy"].map(|end| format!("{name}.{end}"));
            case_agrees(&folder, &model, &table, &expected);
        }
    }
}

#[test]
fn case_of_weights_beside_the_model_is_read() {
    let Some(folder) = cases("onnx_external_data") else {
        return;
    };
    let teacher = ImportedTeacher::read(folder.join("th_mlp_ext.onnx")).unwrap();
    assert_eq!((teacher.parameters(), teacher.bytes()), (369, 784 + 1476));
    let found = teacher
        .predict(&features(&folder.join("table.csv"), &["y", "set"]))
        .unwrap();
    assert!(found.iter().any(|value| (value - found[0]).abs() > 0.1));
}

#[test]
fn cases_of_other_libraries_are_named() {
    let Some(folder) = cases("foreign_model_files") else {
        return;
    };
    let named = |file: &str| {
        ImportedTeacher::read(folder.join(file))
            .unwrap_err()
            .to_string()
    };
    assert!(
        named("catboost.cbm").contains("CatBoost")
            && named("catboost.cbm").contains("format=\"onnx\"")
    );
    assert!(
        named("lgb_dump_model.json").contains("dump_model")
            && named("lgb_dump_model.json").contains("booster.save_model")
    );
    assert!(named("table.csv").contains("a table with the header"));
    // A linear model is a teacher: base 1.8189117 and bias −1.044506 beside four weights.
    let linear = ImportedTeacher::read(folder.join("xgb_gblinear.json")).unwrap();
    let found = linear
        .predict(&features(&folder.join("table.csv"), &["y", "set"]))
        .unwrap();
    let by_hand = 1.818_911_7 - 1.044_506 + 2.036_038_9 * 0.001_230_153_357_482_574_2
        - 0.067_466_27 * 2.267_464_575_099_678_5
        + 0.287_386_92 * 0.578_257_576_892_378_7;
    assert!((found[0] - by_hand).abs() < 1e-6, "{} {by_hand}", found[0]);
}

fn refused(bytes: &[u8]) -> String {
    let begun = Instant::now();
    let message = ImportedTeacher::from_bytes(bytes, "model.bin")
        .unwrap_err()
        .to_string();
    println!("{:?}: {message}", begun.elapsed());
    assert!(begun.elapsed() < PATIENCE);
    message
}

/// Writers of protobuf messages, as much as an ONNX file needs.
mod proto {
    pub(super) fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
        [varint(field << 3), varint(value)].concat()
    }

    pub(super) fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
        [
            &varint(field << 3 | 2)[..],
            &varint(bytes.len() as u64),
            bytes,
        ]
        .concat()
    }

    pub(super) fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
        node_of("", op, inputs, output, attributes)
    }

    /// The same with the domain of the operation.
    pub(super) fn node_of(
        domain: &str,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[Vec<u8>],
    ) -> Vec<u8> {
        let inputs = inputs.iter().flat_map(|name| bytes(1, name.as_bytes()));
        let mut node: Vec<u8> = inputs.collect();
        node.extend(bytes(2, output.as_bytes()));
        node.extend(bytes(4, op.as_bytes()));
        node.extend(bytes(7, domain.as_bytes()));
        attributes
            .iter()
            .for_each(|attribute| node.extend(bytes(5, attribute)));
        bytes(1, &node)
    }

    pub(super) fn int(name: &str, value: u64) -> Vec<u8> {
        [bytes(1, name.as_bytes()), number(3, value), number(20, 2)].concat()
    }

    pub(super) fn ints(name: &str, values: &[u64]) -> Vec<u8> {
        let packed: Vec<u8> = values.iter().flat_map(|&value| varint(value)).collect();
        [bytes(1, name.as_bytes()), bytes(8, &packed), number(20, 7)].concat()
    }

    pub(super) fn floats(name: &str, values: &[f32]) -> Vec<u8> {
        let packed: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        [bytes(1, name.as_bytes()), bytes(7, &packed), number(20, 6)].concat()
    }

    pub(super) fn texts(name: &str, values: &[&str]) -> Vec<u8> {
        let values = values.iter().flat_map(|text| bytes(9, text.as_bytes()));
        [bytes(1, name.as_bytes()), values.collect(), number(20, 8)].concat()
    }

    /// An attribute that holds one int64.
    pub(super) fn whole_attribute(name: &str, value: i64) -> Vec<u8> {
        let tensor = [number(1, 1), number(2, 7), bytes(9, &value.to_le_bytes())].concat();
        [bytes(1, name.as_bytes()), bytes(5, &tensor), number(20, 4)].concat()
    }

    pub(super) fn graph_attribute(name: &str, graph: &[u8]) -> Vec<u8> {
        [bytes(1, name.as_bytes()), bytes(6, graph), number(20, 5)].concat()
    }

    /// A tensor of the kind 1 (float) or 7 (int64), with its raw bytes.
    pub(super) fn tensor(name: &str, kind: u64, dims: &[u64], raw: &[u8]) -> Vec<u8> {
        let dims = dims
            .iter()
            .flat_map(|&dim| number(1, dim))
            .collect::<Vec<u8>>();
        let tensor = [
            dims,
            number(2, kind),
            bytes(8, name.as_bytes()),
            bytes(9, raw),
        ]
        .concat();
        bytes(5, &tensor)
    }

    pub(super) fn whole(name: &str, values: &[i64]) -> Vec<u8> {
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        tensor(name, 7, &[values.len() as u64], &raw)
    }

    pub(super) fn single(name: &str, dims: &[u64], value: f32) -> Vec<u8> {
        let count = dims.iter().product::<u64>() as usize;
        tensor(name, 1, dims, &value.to_le_bytes().repeat(count))
    }

    /// A float input (field 11) or output (12): `[rows, width]`.
    pub(super) fn value(field: u64, name: &str, width: u64) -> Vec<u8> {
        value_of(1, field, name, width)
    }

    /// The same with another element type.
    pub(super) fn value_of(kind: u64, field: u64, name: &str, width: u64) -> Vec<u8> {
        let shape = [bytes(1, &bytes(2, b"rows")), bytes(1, &number(1, width))].concat();
        let kind = bytes(1, &[number(1, kind), bytes(2, &shape)].concat());
        bytes(
            field,
            &[bytes(1, name.as_bytes()), bytes(2, &kind)].concat(),
        )
    }

    /// A model with an input `x` of two columns, and an output `y`.
    pub(super) fn model(parts: &[Vec<u8>]) -> Vec<u8> {
        model_of(1, parts)
    }

    /// The same with another element type of `x`.
    pub(super) fn model_of(kind: u64, parts: &[Vec<u8>]) -> Vec<u8> {
        let input = value_of(kind, 11, "x", 2);
        let graph = [parts.concat(), input, value(12, "y", 1)].concat();
        [number(1, 8), bytes(7, &graph)].concat()
    }
}

use proto::{floats, graph_attribute, int, ints, model, node, single, texts, value, whole};

/// `y = x w`, beside whatever else.
fn product() -> Vec<Vec<u8>> {
    vec![
        single("w", &[2, 1], 1.0),
        node("MatMul", &["x", "w"], "y", &[]),
    ]
}

#[test]
fn graphs_that_the_tests_write_are_read() {
    let teacher = ImportedTeacher::from_bytes(&model(&product()), "model.onnx").unwrap();
    let mut two = rows(false, true);
    two.columns.truncate(2);
    let found = teacher.predict(&two).unwrap();
    let (FeatureValues::Number(a), FeatureValues::Number(b)) =
        (&two.columns[0].values, &two.columns[1].values)
    else {
        panic!("no numbers")
    };
    for row in 0..300 {
        assert!((found[row] - a[row] - b[row]).abs() < 1e-5);
    }
}

/// Two columns of numbers.
fn columns(a: &[f64], b: &[f64]) -> Features {
    let mut two = rows(false, true).select(&(0..a.len()).collect::<Vec<_>>());
    two.columns.truncate(2);
    for (column, values) in two.columns.iter_mut().zip([a, b]) {
        column.values = FeatureValues::Number(values.to_vec());
    }
    two
}

/// Predictions of a graph for two columns.
fn ask(bytes: &[u8], a: &[f64], b: &[f64]) -> Vec<f64> {
    let teacher = ImportedTeacher::from_bytes(bytes, "model.onnx").unwrap();
    teacher.predict(&columns(a, b)).unwrap()
}

#[test]
fn integer_inputs_are_not_rounded_to_single_precision() {
    // 20240115 is no single-precision number; its neighbors are 20240114 and 20240116.
    let parts = vec![
        whole("day", &[20_240_114]),
        node("Sub", &["x", "day"], "since", &[]),
        node("Cast", &["since"], "single", &[int("to", 1)]),
        node("ReduceSum", &["single"], "y", &[ints("axes", &[1])]),
    ];
    let bytes = proto::model_of(7, &parts);
    let found = ask(&bytes, &[20_240_115.0, 20_240_117.0], &[20_240_114.0; 2]);
    assert_eq!(found, [1.0, 3.0]);
}

#[test]
fn attributes_that_would_change_the_result_are_refused() {
    let refused_node = |op: &str, second: &[&str], attribute: Vec<u8>| {
        let inputs = [&["x"], second].concat();
        let parts = vec![
            single("w", &[2], 1.0),
            node(op, &inputs, "t", &[attribute]),
            node("ReduceSum", &["t"], "y", &[ints("axes", &[1])]),
        ];
        refused(&model(&parts))
    };
    let message = refused_node("ArgMax", &[], int("select_last_index", 1));
    assert!(message.contains("select_last_index = 0"), "{message}");
    let message = refused_node("IsInf", &[], int("detect_negative", 0));
    assert!(message.contains("detect_negative = 1"), "{message}");
    let message = refused_node("Add", &["w"], int("axis", 0));
    assert!(message.contains("opset 13"), "{message}");
}

#[test]
fn operations_of_unknown_domains_are_refused() {
    let of = |domain: &str| {
        let parts = vec![
            single("w", &[2, 1], 1.0),
            proto::node_of(domain, "MatMul", &["x", "w"], "y", &[]),
        ];
        model(&parts)
    };
    let message = refused(&of("com.example"));
    assert!(
        message.contains("unknown domain `com.example`"),
        "{message}"
    );
    assert_eq!(ask(&of("ai.onnx"), &[1.0], &[2.0]), [3.0]);
}

#[test]
fn outputs_of_strings_are_refused() {
    let encoder = [
        ints("keys_int64s", &[0, 1]),
        texts("values_strings", &["low", "high"]),
    ];
    let parts = vec![
        node("ArgMax", &["x"], "class", &[int("axis", 1)]),
        node("LabelEncoder", &["class"], "y", &encoder),
    ];
    let message = refused(&model(&parts));
    assert!(message.contains("`y` holds strings"), "{message}");
}

#[test]
fn filled_tensors_have_the_type_of_their_value() {
    // Integer division of a filled integer tensor: 7 / 2 = 3.
    let parts = vec![
        whole("shape", &[1]),
        whole("two", &[2]),
        node(
            "ConstantOfShape",
            &["shape"],
            "seven",
            &[proto::whole_attribute("value", 7)],
        ),
        node("Div", &["seven", "two"], "three", &[]),
        node("Cast", &["three"], "single", &[int("to", 1)]),
        single("w", &[2, 1], 1.0),
        node("MatMul", &["x", "w"], "sum", &[]),
        node("Add", &["sum", "single"], "y", &[]),
    ];
    assert_eq!(ask(&model(&parts), &[1.0], &[2.0]), [6.0]);
}

#[test]
fn softmax_follows_the_opset_of_the_file() {
    // Four zeros per row as [rows, 2, 2]: 1/2 each along axis 1; 1/4 each along both axes, as before opset 13.
    let parts = vec![
        single("none", &[2, 4], 0.0),
        whole("shape", &[0, 2, 2]),
        node("MatMul", &["x", "none"], "zeros", &[]),
        node("Reshape", &["zeros", "shape"], "cube", &[]),
        node("Softmax", &["cube"], "shares", &[int("axis", 1)]),
        node(
            "ReduceMax",
            &["shares"],
            "y",
            &[ints("axes", &[1, 2]), int("keepdims", 0)],
        ),
    ];
    let of = |version: u64| {
        let opset = proto::bytes(8, &proto::number(2, version));
        ask(&[model(&parts), opset].concat(), &[1.0], &[2.0])
    };
    assert_eq!((of(12), of(13)), (vec![0.25], vec![0.5]));
}

/// What is added to a sum is 0 times a number that takes the bomb to compute.
fn with_bomb(mut parts: Vec<Vec<u8>>, last: &str) -> Vec<u8> {
    parts.extend([
        single("w", &[2, 1], 1.0),
        node("MatMul", &["x", "w"], "sum", &[]),
        node("ReduceMax", &[last], "one", &[int("keepdims", 0)]),
        node("Add", &["sum", "one"], "y", &[]),
    ]);
    model(&parts)
}

#[test]
fn parts_of_a_graph_that_nothing_needs_are_not_computed() {
    let mut parts = vec![
        whole("huge", &[1 << 31, 1 << 31]),
        node("ConstantOfShape", &["huge"], "bomb", &[]),
        node("NoSuchThing", &["bomb"], "more", &[]),
    ];
    parts.extend(product());
    assert!(ImportedTeacher::from_bytes(&model(&parts), "model.onnx").is_ok());
}

#[test]
fn bombs_are_refused_at_once() {
    let name = |at: usize| format!("t{at}");
    let chain = |op: &str, count: usize, second: Option<&str>, attributes: &[Vec<u8>]| {
        let step = |at: usize| {
            let (from, to) = (
                if at == 0 { "x".to_owned() } else { name(at) },
                name(at + 1),
            );
            node(op, &[&from, second.unwrap_or(&from)], &to, attributes)
        };
        (0..count).map(step).collect::<Vec<_>>()
    };
    // Columns are doubled sixty times, also by a gather and by a tile.
    refused(&with_bomb(
        chain("Concat", 60, None, &[int("axis", 1)]),
        "t60",
    ));
    let mut tiles = chain("Tile", 60, Some("twice"), &[]);
    tiles.push(whole("twice", &[1, 2]));
    refused(&with_bomb(tiles, "t60"));
    let mut gathers = vec![whole("i0", &[0, 1])];
    for at in 0..60 {
        let (from, to) = (format!("i{at}"), format!("i{}", at + 1));
        gathers.push(node("Concat", &[&from, &from], &to, &[int("axis", 0)]));
    }
    gathers.push(node("Gather", &["x", "i60"], "t", &[int("axis", 1)]));
    refused(&with_bomb(gathers, "t"));
    // A shape of 2^62, filled, expanded and counted.
    for (op, inputs) in [
        ("ConstantOfShape", &["huge"][..]),
        ("Expand", &["w", "huge"]),
    ] {
        let parts = vec![
            whole("huge", &[1 << 31, 1 << 31]),
            node(op, inputs, "t", &[]),
        ];
        refused(&with_bomb(parts, "t"));
    }
    let range = vec![
        whole("from", &[0]),
        whole("to", &[1 << 60]),
        whole("step", &[1]),
        node("Range", &["from", "to", "step"], "t", &[]),
    ];
    refused(&with_bomb(range, "t"));
}

#[test]
fn products_of_much_that_was_made_of_little_are_refused() {
    let mut parts = vec![
        single("a", &[2048, 1], 0.5),
        single("b", &[1, 2048], 0.5),
        node("Add", &["a", "b"], "t0", &[]),
    ];
    for at in 0..8 {
        let (from, to) = (format!("t{at}"), format!("t{}", at + 1));
        parts.push(node("MatMul", &[&from, "t0"], &to, &[]));
    }
    let message = refused(&with_bomb(parts.clone(), "t8"));
    assert!(message.contains("operations"), "{message}");
    // The same of the rows.
    parts.truncate(3);
    parts.extend([
        single("v", &[2, 2048], 0.5),
        node("MatMul", &["x", "v"], "r0", &[]),
    ]);
    for at in 0..64 {
        let (from, to) = (format!("r{at}"), format!("r{}", at + 1));
        parts.push(node("MatMul", &[&from, "t0"], &to, &[]));
    }
    let message = refused(&with_bomb(parts, "r64"));
    assert!(message.contains("operations"), "{message}");
}

/// A scan of the stored rows whose body is the rows times the stored row, summed.
fn scan(stored: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let body = [
        node("Identity", &["state"], "next", &[]),
        node("Mul", &["state", "row"], "product", &[]),
        node(
            "ReduceSum",
            &["product"],
            "part",
            &[ints("axes", &[1]), int("keepdims", 0)],
        ),
        value(11, "state", 2),
        value(11, "row", 2),
        value(12, "next", 2),
        value(12, "part", 1),
    ]
    .concat();
    // Two outputs: the last state, which nobody reads, and the parts.
    let mut scan = Vec::new();
    for name in ["x", "stored"] {
        scan.extend(proto::bytes(1, name.as_bytes()));
    }
    for name in ["last", "parts"] {
        scan.extend(proto::bytes(2, name.as_bytes()));
    }
    scan.extend(proto::bytes(4, b"Scan"));
    scan.extend(proto::bytes(5, &graph_attribute("body", &body)));
    scan.extend(proto::bytes(5, &int("num_scan_inputs", 1)));
    [stored, &[proto::bytes(1, &scan)]].concat()
}

#[test]
fn scans_are_worked_by_hand_and_have_a_limit() {
    let mut parts = scan(&[single("stored", &[3, 2], 2.0)]);
    parts.push(node(
        "ReduceSum",
        &["parts"],
        "y",
        &[ints("axes", &[0]), int("keepdims", 0)],
    ));
    let teacher = ImportedTeacher::from_bytes(&model(&parts), "model.onnx").unwrap();
    let mut two = rows(false, true);
    two.columns.truncate(2);
    let found = teacher.predict(&two).unwrap();
    let plain = ImportedTeacher::from_bytes(&model(&product()), "model.onnx")
        .unwrap()
        .predict(&two)
        .unwrap();
    for (found, plain) in found.iter().zip(plain) {
        assert!((found - 6.0 * plain).abs() < 1e-4, "{found} {plain}");
    }
    let mut parts = scan(&[
        whole("huge", &[1 << 20, 2]),
        node("ConstantOfShape", &["huge"], "stored", &[]),
    ]);
    parts.push(node(
        "ReduceSum",
        &["parts"],
        "y",
        &[ints("axes", &[0]), int("keepdims", 0)],
    ));
    let message = refused(&model(&parts));
    assert!(message.contains("operations"), "{message}");
}

#[test]
fn deep_chains_do_not_overflow_the_stack() {
    let count = 100_000;
    let name = |at: usize| {
        if at == 0 {
            "sum".to_owned()
        } else if at == count {
            "y".to_owned()
        } else {
            format!("t{at}")
        }
    };
    let mut parts = vec![
        single("w", &[2, 1], 1.0),
        node("MatMul", &["x", "w"], "sum", &[]),
    ];
    parts.extend((0..count).map(|at| node("Neg", &[&name(at)], &name(at + 1), &[])));
    let begun = Instant::now();
    let teacher = ImportedTeacher::from_bytes(&model(&parts), "model.onnx").unwrap();
    println!("{:?}", begun.elapsed());
    assert!(begun.elapsed() < PATIENCE && teacher.parameters() == 2);
}

#[test]
fn long_lists_of_integers_are_not_copied_for_each_node() {
    // 1000 shapes of 4 million integers each.
    let mut parts = vec![
        whole("shape", &[1 << 22]),
        node("ConstantOfShape", &["shape"], "long", &[]),
    ];
    let name = |at: usize| format!("t{at}");
    let from = |at: usize| if at == 0 { "x".to_owned() } else { name(at) };
    parts.extend((0..1000).map(|at| node("Reshape", &[&from(at), "long"], &name(at + 1), &[])));
    parts.push(node("Identity", &[&name(1000)], "y", &[]));
    let message = refused(&model(&parts));
    assert!(message.contains("inputs of the shapes"), "{message}");
    parts.truncate(2);
    parts.push(node("Squeeze", &["x", "long"], "y", &[]));
    let message = refused(&model(&parts));
    assert!(message.contains("constant axes"), "{message}");
}

#[test]
fn casts_to_strings_have_a_limit() {
    let keys: Vec<String> = (0..50_000).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let encoder = [
        texts("keys_strings", &keys),
        floats("values_floats", &vec![1.0; keys.len()]),
    ];
    let few = [
        texts("keys_strings", &["1"]),
        floats("values_floats", &[1.0]),
    ];
    let mut sums = vec!["v0".to_owned()];
    let mut parts = vec![
        node("Cast", &["x"], "t0", &[int("to", 8)]),
        node("LabelEncoder", &["t0"], "v0", &encoder),
    ];
    for at in 1..200 {
        let (text, value) = (format!("t{at}"), format!("v{at}"));
        parts.push(node("Cast", &["x"], &text, &[int("to", 8)]));
        parts.push(node("LabelEncoder", &[&text], &value, &few));
        sums.push(value);
    }
    let sums: Vec<&str> = sums.iter().map(String::as_str).collect();
    parts.push(node("Sum", &sums, "sum", &[]));
    parts.push(node("ReduceSum", &["sum"], "y", &[ints("axes", &[1])]));
    let message = refused(&model(&parts));
    assert!(
        message.contains("limit for a file of this size"),
        "{message}"
    );
}

#[test]
fn bodies_of_scans_have_a_limit_over_all_outputs() {
    let count = 100;
    let outputs: Vec<String> = (0..count).map(|at| format!("o{at}")).collect();
    let mut body = single("weights", &[1 << 16], 1.0);
    for output in &outputs {
        body.extend(node("Mul", &["row", "weights"], output, &[]));
        body.extend(value(12, output, 1 << 16));
    }
    body.extend(value(11, "row", 2));
    let mut scan = proto::bytes(1, b"stored");
    outputs
        .iter()
        .for_each(|output| scan.extend(proto::bytes(2, output.as_bytes())));
    scan.extend(proto::bytes(4, b"Scan"));
    scan.extend(proto::bytes(5, &graph_attribute("body", &body)));
    scan.extend(proto::bytes(5, &int("num_scan_inputs", 1)));
    let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let parts = vec![
        single("stored", &[1, 1], 1.0),
        proto::bytes(1, &scan),
        node("Sum", &names, "t", &[]),
    ];
    let message = refused(&with_bomb(parts, "t"));
    assert!(
        message.contains("limit for a file of this size"),
        "{message}"
    );
}

#[test]
fn splits_need_sizes_that_add_up_to_the_axis() {
    let split = |sizes: &[i64]| {
        let mut split = Vec::new();
        for (field, name) in [(1, "x"), (1, "sizes"), (2, "first"), (2, "y"), (4, "Split")] {
            split.extend(proto::bytes(field, name.as_bytes()));
        }
        split.extend(proto::bytes(5, &int("axis", 1)));
        model(&[whole("sizes", sizes), proto::bytes(1, &split)])
    };
    assert_eq!(ask(&split(&[1, 1]), &[3.0], &[4.0]), [4.0]);
    let message = refused(&split(&[1, 2]));
    assert!(message.contains("inputs of the shapes"), "{message}");
    assert!(refused(&split(&[1, 1, 0])).contains("one split size (0 or larger)"));
}

#[test]
fn deep_chains_of_constants_take_linear_time() {
    let count = 60_000;
    let name = |at: usize| format!("t{at}");
    let mut parts = vec![single(&name(0), &[2, 1], 1.0)];
    parts.extend((0..count).map(|at| node("Neg", &[&name(at)], &name(at + 1), &[])));
    parts.push(node("MatMul", &["x", &name(count)], "y", &[]));
    let begun = Instant::now();
    let teacher = ImportedTeacher::from_bytes(&model(&parts), "model.onnx").unwrap();
    println!("{:?}", begun.elapsed());
    assert!(begun.elapsed() < PATIENCE && teacher.parameters() == 2);
}

/// A `TreeEnsembleRegressor` of one tree whose tests are all of input 0 at 0.5.
fn tree(yes: &[u64], no: &[u64], leaves: &[f32]) -> Vec<u8> {
    let (tests, count) = (yes.len(), yes.len() + leaves.len());
    let zeros = vec![0; count];
    let mut modes = vec!["BRANCH_LEQ"; tests];
    modes.resize(count, "LEAF");
    let side = |children: &[u64]| [children, &vec![0; leaves.len()]].concat();
    let ids: Vec<u64> = (0..count as u64).collect();
    let attributes = [
        int("n_targets", 1),
        ints("nodes_treeids", &zeros),
        ints("nodes_nodeids", &ids),
        ints("nodes_featureids", &zeros),
        texts("nodes_modes", &modes),
        floats("nodes_values", &vec![0.5; count]),
        ints("nodes_truenodeids", &side(yes)),
        ints("nodes_falsenodeids", &side(no)),
        ints("target_treeids", &vec![0; leaves.len()]),
        ints("target_nodeids", &ids[tests..]),
        ints("target_ids", &vec![0; leaves.len()]),
        floats("target_weights", leaves),
    ];
    model(&[node("TreeEnsembleRegressor", &["x"], "y", &attributes)])
}

#[test]
fn shared_subtrees_cost_no_more_than_their_nodes() {
    // 200 levels, both ways of each lead to the next: as a tree it would have 2^200 leaves.
    let next: Vec<u64> = (1..=200).collect();
    let begun = Instant::now();
    let teacher = ImportedTeacher::from_bytes(&tree(&next, &next, &[7.0]), "model.onnx").unwrap();
    let mut two = rows(false, true);
    two.columns.truncate(2);
    assert_eq!(teacher.predict(&two).unwrap(), [7.0; 300]);
    assert!(begun.elapsed() < PATIENCE);
    assert!(!teacher.layers(&two).unwrap().is_empty());
}

#[test]
fn trees_that_lead_back_are_refused() {
    let message = refused(&tree(&[1, 3, 1], &[2, 2, 3], &[7.0]));
    assert!(message.contains("a cycle"), "{message}");
    let message = refused(&tree(&[1, 9, 3], &[2, 2, 3], &[7.0]));
    assert!(message.contains("the child node"), "{message}");
}

/// A copy of the model with weights beside it, in a folder of its own, with one text of the file replaced by another of the same length.
fn beside(from: &str, to: &str) -> String {
    assert_eq!(from.len(), to.len());
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(fixture("onnx_beside.onnx")).unwrap();
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, part)| *part == from.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "{from}");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    std::fs::copy(
        fixture("onnx_beside.onnx.data"),
        folder.path().join("onnx_beside.onnx.data"),
    )
    .unwrap();
    ImportedTeacher::read(&path).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn weights_beside_a_model_stay_in_its_folder() {
    let name = "onnx_beside.onnx.data";
    assert_eq!(beside(name, name), "");
    for path in [
        "../eside.onnx.data",
        "/nx_beside.onnx.data",
        "a/../../sid.onnx.data",
    ] {
        let mut path = path.to_owned();
        while path.len() < name.len() {
            path.push('x');
        }
        let message = beside(name, &path);
        assert!(
            message.contains("outside the model's folder"),
            "{path}: {message}"
        );
    }
    let message = beside(name, "onnx_besixx.onnx.data");
    assert!(
        message.contains("cannot be read") || message.contains("outside"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn weights_behind_a_link_out_of_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::copy(fixture("onnx_beside.onnx"), &path).unwrap();
    std::os::unix::fs::symlink(
        fixture("onnx_beside.onnx.data"),
        folder.path().join("onnx_beside.onnx.data"),
    )
    .unwrap();
    let message = ImportedTeacher::read(&path).unwrap_err().to_string();
    assert!(message.contains("outside the model's folder"), "{message}");
}

#[test]
fn files_beside_a_model_are_known_before_it_is_read() {
    let beside = |file: &str| limbeck_teach::import::weights_beside(fixture(file));
    assert_eq!(
        beside("onnx_beside.onnx"),
        [fixture("onnx_beside.onnx.data")]
    );
    assert!(
        beside("onnx_two.onnx").is_empty()
            && beside("xgboost_aft.json").is_empty()
            && beside("nowhere").is_empty()
    );
}

/// A tensor that claims a place in a file beside the model.
fn placed(name: &str, dims: &[u64], offset: &str, length: &str) -> Vec<u8> {
    let entry = |key: &str, text: &str| {
        proto::bytes(
            13,
            &[
                proto::bytes(1, key.as_bytes()),
                proto::bytes(2, text.as_bytes()),
            ]
            .concat(),
        )
    };
    let dims = dims
        .iter()
        .flat_map(|&dim| proto::number(1, dim))
        .collect::<Vec<u8>>();
    let entries = [
        entry("location", "onnx_beside.onnx.data"),
        entry("offset", offset),
        entry("length", length),
    ]
    .concat();
    proto::bytes(
        5,
        &[
            dims,
            proto::number(2, 1),
            proto::bytes(8, name.as_bytes()),
            entries,
            proto::number(14, 1),
        ]
        .concat(),
    )
}

#[test]
fn places_beyond_a_file_of_weights_are_refused() {
    let refused = |tensors: &[Vec<u8>]| {
        let parts = [tensors, &[node("MatMul", &["x", "w0"], "y", &[])]].concat();
        let error = ImportedTeacher::from_bytes(&model(&parts), fixture("model.onnx"));
        error.unwrap_err().to_string()
    };
    let most = u64::MAX.to_string();
    assert!(refused(&[placed("w0", &[2, 1], &most, "8")]).contains("160 bytes"));
    assert!(refused(&[placed("w0", &[2, 1], "156", "8")]).contains("160 bytes"));
    assert!(refused(&[placed("w0", &[2, 1], "0", "12")]).contains("a tensor of 12 bytes"));
    assert!(refused(&[placed("w0", &[1 << 40, 1 << 40], "0", "8")]).contains("another file"));
    assert!(
        refused(&[placed("w0", &[1 << 38, 1], "0", &(1_u64 << 40).to_string())])
            .contains("160 bytes")
    );
    assert!(refused(&[placed("w0", &[2, 1], "-1", "8")]).contains("`-1`"));
    // Many tensors of the same bytes.
    let many: Vec<Vec<u8>> = (0..4)
        .map(|at| placed(&format!("w{at}"), &[40, 1], "0", "160"))
        .collect();
    let parts = [
        many,
        vec![
            node("Concat", &["w0", "w1", "w2", "w3"], "w", &[int("axis", 0)]),
            node("MatMul", &["x", "w"], "y", &[]),
        ],
    ]
    .concat();
    let message = ImportedTeacher::from_bytes(&model(&parts), fixture("model.onnx"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("share most of their bytes"), "{message}");
}

#[test]
fn case_of_a_bomb_takes_no_time() {
    let Some(folder) = cases("hostile_files") else {
        return;
    };
    let begun = Instant::now();
    let teacher = ImportedTeacher::read(folder.join("bomb.onnx")).unwrap();
    // Its bomb is computed for nothing; what is left is a product with two weights.
    let mut two = rows(false, true);
    two.columns.truncate(2);
    assert_eq!(teacher.predict(&two).unwrap().len(), 300);
    assert!(begun.elapsed() < PATIENCE);
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

fn mutated(bytes: &[u8], other: &[u8], how: usize, draw: &mut Draw) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (at, length) = (draw.below(bytes.len()), draw.below(64));
    match how % 5 {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << draw.below(8),
        2 => bytes[at] = [0x00, 0xff, 0x7f, 0x80, b'9', b'-', b'[', b'L'][draw.below(8)],
        3 => drop(bytes.drain(at..(at + length).min(bytes.len()))),
        _ => {
            let from = draw.below(other.len());
            let part = other[from..(from + length).min(other.len())].to_vec();
            let end = (at + draw.below(64)).min(bytes.len());
            drop(bytes.splice(at..end, part));
        }
    }
    bytes
}

/// Files with bits flipped, parts cut and parts of others put in: refused by name or read as another model, none in long; nothing panics.
#[test]
fn damaged_files_never_panic_and_never_take_long() {
    let files: Vec<Vec<u8>> = FILES
        .iter()
        .map(|file| std::fs::read(fixture(file)).unwrap())
        .collect();
    let (mut refused, mut read, mut longest) = (0, 0, Duration::ZERO);
    for (which, bytes) in files.iter().enumerate() {
        let few = rows_of(FILES[which].split('.').next().unwrap()).select(&[0, 1, 2]);
        let mut draw = Draw(which as u64 * 104_729 + 29);
        for round in 0..250 {
            let other = &files[draw.below(files.len())];
            let bytes = mutated(bytes, other, round, &mut draw);
            let begun = Instant::now();
            match ImportedTeacher::from_bytes(&bytes, fixture("model")) {
                Err(error) => {
                    assert!(
                        error.to_string().contains("cannot be the teacher"),
                        "{error}"
                    );
                    refused += 1;
                }
                Ok(teacher) => {
                    drop(teacher.predict(&few));
                    drop(teacher.layers(&few));
                    read += 1;
                }
            }
            longest = longest.max(begun.elapsed());
        }
    }
    println!("{refused} refused, {read} read, the longest took {longest:?}");
    assert!(refused > 1000 && read > 100, "{refused} {read}");
    assert!(longest < PATIENCE, "{longest:?}");
}
