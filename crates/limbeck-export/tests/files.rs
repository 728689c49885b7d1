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
    Cell, DatePart, DateSource, Encoder, Encoding, Forecast, GoldenValue, Graph, HistorySource,
    InputColumn, Intervals, KeyColumn, KeyKind, Look, LookKind, Memory, MissingNumbers, Node, Op,
    Output, Recurrent, RegimeColumn, RegimeSetting, Regimes, Scaling, Sequence, Stream, Student,
    StudentParts, TableInterp, TargetTransform, TreeEnsemble, Value, Widths,
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
        outputs: vec![Output::new("y */", target)],
        sequence: None,
        memory: None,
        intervals: None,
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
        outputs: vec![Output::new(
            "level",
            TargetTransform::Affine {
                scale: 3.0,
                shift: -1.0,
            },
        )],
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
            rows_before: 0,
            regimes: None,
        }),
        memory: None,
        intervals: None,
        provenance: Default::default(),
        golden: vec![],
    };
    Student::new(parts).unwrap()
}

/// The student of [`looking_back`], with rain normalized by two regimes of a speed that is no input itself.
fn in_regimes() -> Student {
    let mut parts = looking_back().into_parts();
    let regimes = Regimes {
        settings: vec![RegimeSetting {
            name: "speed".into(),
            missing: MissingNumbers {
                values: vec![4.0],
                ..MissingNumbers::default()
            },
            scale: 2.0,
        }],
        centers: vec![vec![0.0], vec![5.0]],
        columns: vec![RegimeColumn {
            name: "rain (mm)".into(),
            missing: MissingNumbers::default(),
            mean: vec![6.0, 2.0],
            std: vec![4.0, 0.5],
        }],
    };
    if let Some(sequence) = &mut parts.sequence {
        sequence.regimes = Some(regimes);
    }
    Student::new(parts).unwrap()
}

#[test]
fn compiled_c_follows_a_series_as_the_runtime_does() {
    follows_a_series(&looking_back(), false);
}

#[test]
fn compiled_c_normalizes_rows_by_their_regime() {
    let (plain, regimes) = (looking_back(), in_regimes());
    // Two means and standard deviations, two centers, and a scale.
    assert_eq!(regimes.parameters(), plain.parameters() + 7);
    let again = Student::from_bytes(&regimes.to_bytes().unwrap()).unwrap();
    assert_eq!(again, regimes);
    follows_a_series(&regimes, true);
}

#[test]
fn c_of_regimes_alone_has_no_empty_struct() {
    let mut parts = in_regimes().into_parts();
    parts.encoder.columns = vec![InputColumn::new("rain (mm)", number(false))];
    let dense = Op::Linear {
        rows: 1,
        cols: 1,
        weight: vec![2.0],
        bias: vec![0.5],
    };
    parts.graph = Graph::new(1, vec![Node::new(dense, [0])]).unwrap();
    if let Some(sequence) = &mut parts.sequence {
        sequence.relative = false;
    }
    let student = Student::new(parts).unwrap();
    let mut stream = Stream::new(&student);
    let row = [Value::Number(3.0), Value::Number(5.0)];
    let expected = stream.push(&row).unwrap();
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: no C compiler");
        return;
    }
    let main = "#include \"rain.h\"\n#include <stdio.h>\nint main(void)\n{\n    rain_state state;\n    rain_row row;\n    rain_reset(&state);\n    row.rain_mm = 3.0; row.speed = 5.0;\n    printf(\"%.17g\\n\", rain_push(&state, &row));\n    return 0;\n}\n";
    let found: f64 = run_c(&student, Some(main)).trim().parse().unwrap();
    assert!(
        (found - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
        "{found} {expected}"
    );
}

/// Compares compiled C with a stream, row by row. `has_speed` is true if the student reads a speed, too.
fn follows_a_series(student: &Student, has_speed: bool) {
    let compilers = ["cc", "gcc", "clang"];
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let Some(compiler) = compilers.into_iter().find(works) else {
        eprintln!("skipped: no C compiler");
        return;
    };
    let files = c(student, "rain").unwrap();
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
    let speed = |i: usize| match i % 10 {
        9 => f64::NAN,
        i => (i * i % 6) as f64,
    };
    let mut stream = Stream::new(student);
    let inputs = ["day", "level", "rain (mm)", "speed"];
    assert_eq!(stream.inputs(), &inputs[..3 + usize::from(has_speed)]);
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
            Value::Number(speed(i)),
        ];
        let inputs = stream.inputs().len();
        expected.push(stream.push(&row[..inputs]).unwrap());
        let text = |value: f64| match value.is_nan() {
            true => "NAN".to_owned(),
            false => value.to_string(),
        };
        if has_speed {
            body.push_str(&format!("    row.speed = {};\n", text(speed(i))));
        }
        body.push_str(&format!(
            "    row.day = {}; row.level = {}; row.rain_mm = {};\n    printf(\"%.17g\\n\", rain_push(&state, &row));\n",
            day(i),
            text(level(i)),
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

/// The graph of a recurrent student: a layer, and two recurrent ones with a shortcut around the second; then a head.
fn recurrent_graph(width: usize, outputs: usize, cell: Cell) -> Graph {
    let numbers = |count: usize, by: usize| -> Vec<f32> {
        let number = |i: usize| (i * by % 23) as f32 / 23.0 - 0.5;
        (0..count).map(number).collect()
    };
    let linear = |rows: usize, cols: usize| Op::Linear {
        rows,
        cols,
        weight: numbers(rows * cols, 5),
        bias: numbers(cols, 9),
    };
    let layer = |cell: Cell, inputs: usize, units: usize| {
        Op::Recurrent(Recurrent {
            cell,
            inputs,
            units,
            weight: numbers(inputs * cell.gates() * units, 7),
            recurrent: numbers(units * cell.gates() * units, 11),
            bias: numbers(4 * units, 13),
        })
    };
    let nodes = vec![
        Node::new(Op::Relu, [0]),
        Node::new(linear(width, 6), [1]),
        Node::new(layer(cell, 6, 5), [2]),
        Node::new(Op::Relu, [3]),
        Node::new(layer(Cell::Gru, 5, 6), [4]),
        Node::new(Op::Add, [2, 5]),
        Node::new(linear(6, outputs), [6]),
    ];
    Graph::new(width, nodes).unwrap()
}

/// The student of [`looking_back`] with a recurrent graph; `outputs` is 1, or 2 without statistics of earlier rows and without changes.
fn recurrent(cell: Cell, memory: Memory, outputs: usize) -> Student {
    let mut parts = looking_back().into_parts();
    if outputs > 1 {
        parts.encoder.columns.truncate(2);
        parts.sequence = None;
        let mut other = parts.outputs[0].clone();
        other.name = "other".into();
        parts.outputs.push(other);
    }
    parts.graph = recurrent_graph(parts.encoder.width(), outputs, cell);
    parts.memory = Some(memory);
    let cell = |row: usize, column: usize| match column {
        0 => GoldenValue::Time(row as i64 * 3_000_000),
        _ if row % 4 == 3 => GoldenValue::Missing,
        _ => GoldenValue::Number((row * column * 5 % 7) as f64),
    };
    let columns = parts.encoder.columns.len();
    let rows = (0..9).map(|row| (0..columns).map(|column| cell(row, column)).collect());
    let rows = rows.collect();
    Student::new(parts).unwrap().with_golden(rows).unwrap()
}

fn recurrent_students() -> Vec<Student> {
    let memories = [Memory::Rolling(1), Memory::Rolling(5), Memory::Carried];
    let one =
        |(cell, outputs): (Cell, usize)| memories.map(|memory| recurrent(cell, memory, outputs));
    let kinds = [(Cell::Gru, 1), (Cell::Lstm, 1), (Cell::Lstm, 2)];
    kinds.into_iter().flat_map(one).collect()
}

/// Compiles a student's C code with one of the programs `main.c` or `NAME_test.c`, and returns what it prints.
fn run_c(student: &Student, main: Option<&str>) -> String {
    let files = c(student, "rain").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("rain.h", &files.header);
    write("rain.c", &files.source);
    write("main.c", main.unwrap_or(&files.test));
    let flags = "-std=c99 -Wall -Wextra -Werror -pedantic -O1 main.c rain.c -o run -lm";
    let built = Command::new("cc")
        .args(flags.split(' '))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{told}");
    let output = Command::new(folder.path().join("run")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn compiled_c_of_recurrent_students_follows_a_series_as_the_runtime_does() {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: no C compiler");
        return;
    }
    for student in recurrent_students() {
        let outputs = student.outputs.len();
        let mut stream = Stream::new(&student);
        let (mut expected, mut body, mut out) = (Vec::new(), String::new(), [0.0; 2]);
        for i in 0..30_usize {
            if i == 17 {
                stream.reset();
                body.push_str("    rain_reset(&state);\n");
            }
            let (day, level, rain) = (
                i as i64 * 3_000_000,
                (i * i % 11) as f64,
                (i * 7 % 13) as f64,
            );
            let row = [Value::Time(day), Value::Number(level), Value::Number(rain)];
            let row = &row[..stream.inputs().len()];
            stream.push_into(row, &mut out[..outputs]).unwrap();
            expected.extend(&out[..outputs]);
            body.push_str(&format!("    row.day = {day}; row.level = {level};\n"));
            body.push_str(&match outputs {
                1 => format!("    row.rain_mm = {rain}; printf(\"%.17g\\n\", rain_push(&state, &row));\n"),
                _ => "    rain_push(&state, &row, out); printf(\"%.17g\\n%.17g\\n\", out[0], out[1]);\n".into(),
            });
        }
        let out = ["", "    double out[2];\n"][outputs - 1];
        let main = format!(
            "#include \"rain.h\"\n#include <stdio.h>\nint main(void)\n{{\n    rain_row row;\n    rain_state state;\n{out}    rain_reset(&state);\n{body}    return 0;\n}}\n"
        );
        let text = run_c(&student, Some(&main));
        let found: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(found.len(), expected.len());
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let difference = (found - expected).abs();
            assert!(
                difference <= 1e-5 * (1.0 + expected.abs()),
                "{i}: {found} {expected}"
            );
        }
        let header = c(&student, "rain").unwrap().header;
        assert!(!header.contains("rain_predict"), "{header}");
        assert_eq!(header.contains("rain_step"), outputs == 1);
        let text = run_c(&student, None);
        assert!(
            text.starts_with("9 golden rows") && text.contains(", 0 beyond"),
            "{text}"
        );
        // The test can fail: with its rows in another order, it does.
        let mut parts = student.into_parts();
        if parts.memory != Some(Memory::Rolling(1)) {
            parts.golden.swap(1, 2);
            let student = Student::new(parts).unwrap();
            let files = c(&student, "rain").unwrap();
            assert!(student.verify_golden().is_err() && files.test.contains("rain_reset(&state)"));
        }
    }
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

// `evidence/export.py` compares predictions of recurrent students in ONNX Runtime.
#[test]
fn onnx_of_recurrent_students_has_a_state_or_steps() {
    for student in recurrent_students() {
        let model = onnx(&student).unwrap();
        let has = |text: &str| {
            let mut parts = model.windows(text.len());
            parts.any(|bytes| bytes == text.as_bytes())
        };
        let is_carried = student.memory == Some(Memory::Carried);
        assert!(has("GRU") && has("linear_before_reset"));
        assert_eq!(has("next_state"), is_carried);
        assert_eq!(has("steps"), !is_carried);
        let text = golden(&student).unwrap();
        let memory = match student.memory {
            Some(Memory::Carried) => "\"memory\": \"carried\"".to_owned(),
            Some(Memory::Rolling(rows)) => format!("\"rolling\": {rows}"),
            None => unreachable!("all are recurrent"),
        };
        assert!(text.contains(&memory), "{text}");
    }
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

/// The student [`whole`] with prediction intervals from 19 rows: scaled by the prediction, or a factor for a logarithmic target.
fn with_intervals(is_log: bool) -> Student {
    let mut parts = whole().into_parts();
    let rows = parts.golden.drain(..).map(|golden| golden.raw).collect();
    let mut spread = vec![(-4.0, 0.5), (-1.0, 1.25), (3.5, 0.75)];
    if is_log {
        parts.outputs[0].transform = TargetTransform::LogAffine {
            scale: 0.3,
            shift: 1.0,
        };
        spread.clear();
    }
    let widths = Widths {
        count: 19,
        scores: Widths::levels(19).map(|level| level as f32).collect(),
        spread,
    };
    parts.intervals = Some(Intervals {
        levels: vec![0.8, 0.925],
        outputs: vec![widths],
    });
    Student::new(parts).unwrap().with_golden(rows).unwrap()
}

#[test]
fn compiled_c_has_the_intervals_of_the_runtime() {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: no C compiler");
        return;
    }
    for is_log in [false, true] {
        let student = with_intervals(is_log);
        // The golden rows, with the ends of both levels.
        let told = run_c(&student, None);
        assert!(told.starts_with("12 golden rows"), "{told}");
        let asked = [-9.0, -4.0, -2.7, 0.0, 1.9, 3.5, 80.0];
        let mut body = String::new();
        for (y, level) in asked.iter().flat_map(|y| [(y, 0), (y, 1)]) {
            body.push_str(&format!("    rain_interval({y:?}, {level}, &low, &high);\n    printf(\"%a %a\\n\", low, high);\n"));
        }
        let main = format!(
            "#include \"rain.h\"\n#include <stdio.h>\nint main(void)\n{{\n    double low, high;\n{body}    rain_interval(1.0, RAIN_LEVELS, &low, &high);\n    printf(\"%a %a\\n\", low, high);\n    return RAIN_LEVEL_92_5 != 1;\n}}\n"
        );
        let told = run_c(&student, Some(&main));
        let ends: Vec<[f64; 2]> = told
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(low, high)| {
                [low, high].map(|end| limbeck_runtime::parse_hex(end).unwrap_or(f64::INFINITY))
            })
            .collect();
        for (at, (y, level)) in asked
            .iter()
            .flat_map(|&y| [(y, 0.8), (y, 0.925)])
            .enumerate()
        {
            let expected = student.interval(0, y, level).unwrap();
            for (found, expected) in ends[at].into_iter().zip([expected.low, expected.high]) {
                // `exp` may differ in the last bit.
                let far = if is_log { 1e-14 * expected.abs() } else { 0.0 };
                assert!(
                    (found - expected).abs() <= far,
                    "{y} {level}: {found} {expected}"
                );
            }
        }
        assert!(told.trim_end().ends_with("-inf inf"), "{told}");
    }
}

#[test]
fn intervals_are_exported_at_their_levels_alone() {
    let student = with_intervals(false);
    let files = c(&student, "rain").unwrap();
    let declared = "double rain_predict_interval(const rain_row *row, int32_t level, double *low, double *high);";
    assert!(files.header.contains(declared), "{}", files.header);
    let has = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|found| found == text.as_bytes())
    };
    let model = onnx(&student_without_hashes(student.clone())).unwrap();
    assert!(has(&model, "_low_80") && has(&model, "_high_92_5"));
    let text = golden(&student).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["levels"].as_array().unwrap().len(), 2);
    assert_eq!(
        json["rows"][3]["intervals"][1][0].as_array().unwrap().len(),
        2
    );

    let other = student.with_levels(&[0.95]).unwrap();
    let files = c(&other, "rain").unwrap();
    assert!(files.header.contains("RAIN_LEVEL_95 = 0"));
    assert!(!files.header.contains("LEVEL_80"));
    assert!(other.clone().with_levels(&[0.96]).is_err() && whole().with_levels(&[0.9]).is_err());

    // Without intervals, and without levels, nothing is different from before.
    let (none, plain) = (other.with_levels(&[]).unwrap(), whole());
    assert!(!golden(&none).unwrap().contains("levels"));
    let sources = [&none, &plain].map(|student| c(student, "rain").unwrap().source);
    assert_eq!(sources[0], sources[1]);
}

/// The student without its hashed column, which ONNX cannot express.
fn student_without_hashes(student: Student) -> Student {
    let intervals = student.intervals.clone();
    let one_hot = Encoding::OneHot {
        levels: levels(),
        other: true,
    };
    let plain = self::student(vec![number(true), one_hot]);
    plain.with_intervals(intervals).unwrap()
}
