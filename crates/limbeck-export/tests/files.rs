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
    DatePart, DateSource, Encoder, Encoding, Forecast, GoldenValue, Graph, HistorySource,
    InputColumn, KeyColumn, KeyKind, Look, LookKind, MissingNumbers, Node, Op, Output, Scaling,
    Sequence, Stream, Student, StudentParts, TableInterp, TargetTransform, TreeEnsemble, Value,
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
        sequence: None,
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

/// A student that predicts changes of a level, and reads the level, a date, and all statistics of earlier rows of the level and of a column that it does not read itself.
fn looking_back() -> Student {
    let history = |column: &str, look: Look| {
        let mut made = InputColumn::new(format!("{column}.{look}"), number(true));
        made.history = Some(HistorySource {
            column: column.into(),
            look,
            missing: MissingNumbers {
                values: vec![-999.0],
                below: None,
                above: Some(1e6),
            },
        });
        made
    };
    let mut level = InputColumn::new("level", number(true));
    level.missing = MissingNumbers {
        values: vec![-999.0],
        below: None,
        above: Some(1e6),
    };
    let mut month = InputColumn::new("day.month", number(false));
    month.date = Some(DateSource {
        column: "day".into(),
        part: DatePart::Month,
    });
    let mut columns = vec![month, level];
    for kind in LookKind::ALL {
        columns.push(history("level", Look { kind, rows: 3 }));
        columns.push(history("rain (mm)", Look { kind, rows: 5 }));
    }
    let encoder = Encoder::new(columns).unwrap();
    let width = encoder.width();
    let dense = Op::Linear {
        rows: width,
        cols: 1,
        weight: (0..width).map(|i| (i % 7) as f32 / 8.0 - 0.4).collect(),
        bias: vec![0.5],
    };
    let parts = StudentParts {
        graph: Graph::new(width, vec![Node::new(dense, [0])]).unwrap(),
        encoder,
        outputs: vec![Output {
            name: "level".into(),
            transform: TargetTransform::Affine {
                scale: 3.0,
                shift: -1.0,
            },
        }],
        sequence: Some(Sequence {
            series: vec![],
            time: KeyColumn {
                name: "day".into(),
                kind: KeyKind::Date,
            },
            longest_step: None,
            horizon: 2,
            forecast: Forecast::Value,
            relative: true,
        }),
        provenance: Default::default(),
        golden: vec![],
    };
    Student::new(parts).unwrap()
}

#[test]
fn compiled_c_follows_a_series_as_the_runtime_does() {
    let compilers = ["cc", "gcc", "clang"];
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let Some(compiler) = compilers.into_iter().find(works) else {
        eprintln!("skipped: no C compiler");
        return;
    };
    let student = looking_back();
    let files = c(&student, "rain").unwrap();
    assert!(
        files
            .header
            .contains("double rain_push(rain_state *state, rain_row *row);")
    );
    let level = |i: usize| match i % 9 {
        4 => f64::NAN,
        7 => -999.0,
        _ => 2.0 + (i * i % 11) as f64,
    };
    let rain = |i: usize| 0.5 + (i * 7 % 13) as f64;
    let day = |i: usize| i as i64 * 3_000_000;
    let mut stream = Stream::new(&student);
    assert_eq!(stream.inputs(), ["day", "level", "rain (mm)"]);
    let (mut expected, mut body) = (Vec::new(), String::new());
    for i in 0..40_usize {
        if i == 23 {
            stream.reset();
            body.push_str("    rain_reset(&state);\n");
        }
        let row = [
            Value::Time(day(i)),
            Value::Number(level(i)),
            Value::Number(rain(i)),
        ];
        expected.push(stream.push(&row).unwrap());
        let text = match level(i).is_nan() {
            true => "NAN".to_owned(),
            false => level(i).to_string(),
        };
        body.push_str(&format!(
            "    row.day = {}; row.level = {text}; row.rain_mm = {};\n    printf(\"%.17g\\n\", rain_push(&state, &row));\n",
            day(i),
            rain(i)
        ));
    }
    let main = format!(
        "#include \"rain.h\"\n#include <math.h>\n#include <stdio.h>\nint main(void)\n{{\n    rain_row row;\n    rain_state state;\n    rain_reset(&state);\n{body}    return 0;\n}}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("rain.h", &files.header);
    write("rain.c", &files.source);
    write("main.c", &main);
    let built = Command::new(compiler)
        .args([
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "main.c",
            "rain.c",
            "-o",
            "run",
            "-lm",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let output = Command::new(folder.path().join("run")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(
            difference <= 1e-6 * (1.0 + expected.abs()),
            "row {i}: {found} {expected}"
        );
    }
    let varied: std::collections::BTreeSet<u64> =
        expected.iter().map(|value| value.to_bits()).collect();
    assert!(varied.len() > 30);
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
