//! Exported files of one student with every encoding; `evidence/export.py` runs the files of many students.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests"
)]

use std::process::Command;

use limbeck_export::{c, golden, onnx};
use limbeck_runtime::{
    Encoder, Encoding, GoldenValue, Graph, InputColumn, Node, Op, Output, Scaling, Student,
    StudentParts, TableInterp, TargetTransform, TreeEnsemble,
};

fn number(indicator: bool) -> Encoding {
    Encoding::Number {
        impute: 1.0,
        indicator,
        scaling: Scaling::Standard {
            center: 1.0,
            scale: 2.0,
        },
    }
}

fn levels() -> Vec<String> {
    vec!["cold".into(), "*/ \"hot\"??/".into()]
}

/// A student whose graph adds up a layer on bins, trees and a table; its inputs are numbers and categories.
fn student(encodings: Vec<Encoding>) -> Student {
    let columns = encodings
        .into_iter()
        .enumerate()
        .map(|(i, encoding)| InputColumn::new(format!("col {i}"), encoding))
        .collect();
    let encoder = Encoder::new(columns).unwrap();
    let width = encoder.width();
    let mut edges = vec![vec![]; width];
    edges[0] = vec![-1.0, 0.0, 2.0];
    let trees = TreeEnsemble {
        roots: vec![0, 3],
        inputs: vec![1],
        threshold: vec![0.5],
        children: vec![1, 2],
        leaves: vec![0.25, -0.5, 0.125],
    };
    let table = TableInterp {
        knots: vec![vec![-1.0, 0.0, 1.0]],
        values: vec![2.0, 0.0, 1.0],
    };
    let weight = |rows: usize, cols: usize| {
        (0..rows * cols)
            .map(|i| (i % 5) as f32 / 4.0 - 0.5)
            .collect()
    };
    let nodes = vec![
        Node::new(Op::Ple { edges }, [0]),
        Node::new(
            Op::Linear {
                rows: width + 1,
                cols: 3,
                weight: weight(width + 1, 3),
                bias: vec![0.1, 0.2, 0.3],
            },
            [1],
        ),
        Node::new(Op::Relu, [2]),
        Node::new(
            Op::Linear {
                rows: 3,
                cols: 1,
                weight: weight(3, 1),
                bias: vec![0.5],
            },
            [3],
        ),
        Node::new(Op::TreeEnsemble(trees), [0]),
        Node::new(Op::TableInterp(table), [4]),
        // No other node reads this node.
        Node::new(Op::Softmax, [3]),
        Node::new(Op::Add, [4, 5, 6]),
    ];
    let graph = Graph::new(width, nodes).unwrap();
    let target = TargetTransform::Affine {
        scale: 3.0,
        shift: -1.0,
    };
    let rows: Vec<Vec<GoldenValue>> = (0..12)
        .map(|row| {
            let cell = |(i, column): (usize, &InputColumn)| match (&column.encoding, (row + i) % 4)
            {
                (_, 3) => GoldenValue::Missing,
                (Encoding::Number { .. }, _) => GoldenValue::Number(row as f64 * 0.7 - 3.0),
                (_, at) => GoldenValue::Text(["cold", "*/ \"hot\"??/", "new"][at].into()),
            };
            encoder.columns.iter().enumerate().map(cell).collect()
        })
        .collect();
    let parts = StudentParts {
        encoder,
        graph,
        outputs: vec![Output {
            name: "y */".into(),
            transform: target,
        }],
        provenance: Default::default(),
        golden: vec![],
    };
    Student::new(parts).unwrap().with_golden(rows).unwrap()
}

fn whole() -> Student {
    let one_hot = Encoding::OneHot {
        levels: levels(),
        other: true,
    };
    student(vec![
        number(true),
        one_hot,
        Encoding::Ordinal { levels: levels() },
        Encoding::Hashed { buckets: 3 },
    ])
}

#[test]
fn compiled_c_says_what_the_runtime_says() {
    let Ok(compiler) = ["cc", "gcc", "clang"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
        .ok_or(())
    else {
        eprintln!("skipped: no C compiler");
        return;
    };
    let student = whole();
    let files = c(&student, "demo").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("demo.h", &files.header),
        ("demo.c", &files.source),
        ("demo_test.c", &files.test),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let run = |extra: &[&str]| {
        let program = folder.path().join("program");
        let flags = [
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "demo.c",
            "demo_test.c",
            "-lm",
            "-o",
        ];
        let built = Command::new(compiler)
            .current_dir(folder.path())
            .args(flags)
            .arg(&program)
            .args(extra)
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        Command::new(&program).output().unwrap()
    };
    let done = run(&["-O2"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success() && said.starts_with("12 golden rows"),
        "{said}"
    );
    // The test can fail: another bias gives other predictions.
    let wrong = files.source.replace("1e-1f", "3e-1f");
    assert_ne!(wrong, files.source);
    std::fs::write(folder.path().join("demo.c"), wrong).unwrap();
    assert!(!run(&[]).status.success());
}

#[test]
fn source_needs_no_heap_and_no_other_header() {
    let files = c(&whole(), "demo").unwrap();
    let includes: Vec<&str> = files
        .source
        .lines()
        .chain(files.header.lines())
        .filter(|line| line.starts_with("#include"))
        .collect();
    assert_eq!(includes, ["#include \"demo.h\"", "#include <stdint.h>"]);
    assert!(!files.source.contains("alloc") && !files.source.contains("softmax"));
    assert!(
        files.header.contains("demo_row row;") && files.header.contains("DEMO_COL_1_COLD = 0"),
        "{}",
        files.header
    );
}

#[test]
fn files_are_the_same_for_the_same_student() {
    let again = Student::from_bytes(&whole().to_bytes().unwrap()).unwrap();
    assert_eq!(c(&whole(), "a").unwrap(), c(&again, "a").unwrap());
    assert_eq!(golden(&whole()).unwrap(), golden(&again).unwrap());
    assert!(golden(&whole()).unwrap().contains("0x1"));
}

#[test]
fn what_onnx_cannot_say_is_refused_by_column() {
    let refused = onnx(&whole()).unwrap_err().to_string();
    assert!(
        refused.contains("`col 3`") && refused.contains("hashed") && refused.contains("--params"),
        "{refused}"
    );
    let references = vec![0.0, 1.0];
    let quantile = Encoding::Number {
        impute: 0.0,
        indicator: true,
        scaling: Scaling::Quantile { references },
    };
    assert!(
        onnx(&student(vec![quantile]))
            .unwrap_err()
            .to_string()
            .contains("quantiles")
    );
    let model = onnx(&student(vec![
        number(true),
        Encoding::OneHot {
            levels: levels(),
            other: false,
        },
    ]))
    .unwrap();
    let has = |text: &str| {
        model
            .windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    };
    // Field 1 is version 8 of the file format; raw columns and the target have their own names.
    assert!(
        model.starts_with(&[8, 8])
            && has("col 0")
            && has("col 1")
            && has("y */")
            && has("LabelEncoder")
            && has("TreeEnsembleRegressor")
    );
}

#[test]
fn names_and_levels_that_c_cannot_hold_are_refused() {
    assert!(
        c(&whole(), "2x")
            .unwrap_err()
            .to_string()
            .contains("not a valid C name")
    );
    let long = Encoding::OneHot {
        levels: vec!["x".repeat(2000)],
        other: true,
    };
    assert!(
        c(&student(vec![number(true), long]), "a")
            .unwrap_err()
            .to_string()
            .contains("2000 bytes")
    );
}
