//! Exports random students with every encoding and operation, with golden vectors.
//!
//! `random COUNT FOLDER SEED` writes `FOLDER/N.limbeck`, `N.c`, `N.h`, `N_test.c`, `N.onnx` and `N.json`; if an export fails, its message is written to
//! `N.c.refused` or `N.onnx.refused`.
//! `evidence/export.py` runs them all.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example"
)]

use limbeck_runtime::{
    Cell, DatePart, DateSource, Encoder, Encoding, GoldenValue, Graph, InputColumn, Memory,
    MissingNumbers, Node, Op, Output, Recurrent, Scaling, Student, StudentParts, TableInterp,
    TargetTransform, TreeEnsemble,
};
use rand::{Rng, RngExt};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, count, folder, seed] = &arguments[..] else {
        panic!("random COUNT FOLDER SEED")
    };
    let folder = std::path::Path::new(folder);
    for number in 0..count.parse::<u64>().unwrap() {
        let mut rng = limbeck_data::generator(seed.parse().unwrap(), "random students", number);
        let student = student(&mut rng);
        let write = |name: String, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
        write(format!("{number}.limbeck"), &student.to_bytes().unwrap());
        write(
            format!("{number}.json"),
            limbeck_export::golden(&student).unwrap().as_bytes(),
        );
        let name = format!("s{number}");
        match limbeck_export::c(&student, &name) {
            Ok(files) => {
                write(format!("{name}.h"), files.header.as_bytes());
                write(format!("{name}.c"), files.source.as_bytes());
                write(format!("{name}_test.c"), files.test.as_bytes());
            }
            Err(error) => write(format!("{number}.c.refused"), error.to_string().as_bytes()),
        }
        match limbeck_export::onnx(&student) {
            Ok(bytes) => write(format!("{number}.onnx"), &bytes),
            Err(error) => write(
                format!("{number}.onnx.refused"),
                error.to_string().as_bytes(),
            ),
        }
    }
    println!("{count} students in {}", folder.display());
}

const TEXTS: [&str; 8] = [
    "cold",
    "hot",
    "a \"quoted\" one",
    "*/ not a comment /*",
    "??/",
    "É 温度",
    "back\\slash",
    "1",
];

fn student(rng: &mut impl Rng) -> Student {
    let columns: Vec<InputColumn> = (0..rng.random_range(1..6))
        .map(|i| column(rng, i))
        .collect();
    let encoder = Encoder::new(columns).unwrap();
    let several = if rng.random_bool(0.3) { 3 } else { 1 };
    let is_recurrent = rng.random_bool(0.2);
    let graph = graph(rng, encoder.width(), several, is_recurrent);
    let memory = graph.is_recurrent().then(|| match rng.random::<bool>() {
        true => Memory::Rolling(rng.random_range(1..12)),
        false => Memory::Carried,
    });
    let is_log = rng.random_bool(0.3);
    let outputs: Vec<Output> = (0..several).map(|at| output(rng, at, is_log)).collect();
    let rows: Vec<Vec<GoldenValue>> = (0..24)
        .map(|_| {
            encoder
                .columns
                .iter()
                .map(|column| cell(rng, column, !is_log))
                .collect()
        })
        .collect();
    let parts = StudentParts {
        encoder,
        graph,
        outputs,
        sequence: None,
        memory,
        intervals: None,
        provenance: Default::default(),
        golden: vec![],
    };
    let of = |parts: StudentParts| Student::new(parts).unwrap().with_golden(rows.clone());
    // Numbers far from 0 make some exponentials infinite; then the student is made without logarithms.
    of(parts.clone()).unwrap_or_else(|_| of(without_logarithms(parts)).unwrap())
}

fn output(rng: &mut impl Rng, at: usize, is_log: bool) -> Output {
    let (scale, shift) = (rng.random_range(0.1..5.0), rng.random_range(-2.0..2.0));
    let transform = if is_log && at != 1 {
        TargetTransform::LogAffine {
            scale: scale * 0.02,
            shift,
        }
    } else {
        TargetTransform::Affine { scale, shift }
    };
    let name = ["target /* of */ \"it\"", "2nd", "x0"][at];
    Output::new(name, transform)
}

fn without_logarithms(mut parts: StudentParts) -> StudentParts {
    for output in &mut parts.outputs {
        if let TargetTransform::LogAffine { scale, shift } = output.transform {
            output.transform = TargetTransform::Affine { scale, shift };
        }
    }
    parts
}

fn column(rng: &mut impl Rng, i: usize) -> InputColumn {
    let levels = |rng: &mut dyn FnMut() -> usize| {
        TEXTS[..rng()]
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let kind = rng.random_range(0..10);
    let count = rng.random_range(1..=TEXTS.len());
    let encoding = match kind {
        0..6 => {
            let scaling = if rng.random_bool(0.04) {
                let mut references: Vec<f64> = (0..rng.random_range(2..9))
                    .map(|_| f64::from(rng.random_range(-4..5)))
                    .collect();
                references.sort_by(f64::total_cmp);
                Scaling::Quantile { references }
            } else {
                Scaling::Standard {
                    center: rng.random_range(-3.0..3.0),
                    scale: rng.random_range(0.3..4.0),
                }
            };
            Encoding::Number {
                impute: rng.random_range(-2.0..2.0),
                indicator: rng.random(),
                scaling,
            }
        }
        6 | 7 => Encoding::OneHot {
            levels: levels(&mut || count),
            other: rng.random(),
        },
        8 => Encoding::Ordinal {
            levels: levels(&mut || count),
        },
        _ if rng.random_bool(0.6) => Encoding::OneHot {
            levels: vec![],
            other: true,
        },
        _ => Encoding::Hashed {
            buckets: rng.random_range(1..5),
        },
    };
    let name = ["x", "for", "x", "µ-Wert", "*/", "1st"][i].to_owned() + &i.to_string();
    let mut column = InputColumn::new(name, encoding);
    if matches!(column.encoding, Encoding::Number { .. }) && rng.random_bool(0.3) {
        column.missing = MissingNumbers {
            values: vec![-999.0, 65535.0],
            below: rng.random_bool(0.5).then_some(-5.5),
            above: rng.random_bool(0.5).then_some(1e6),
        };
    } else if matches!(column.encoding, Encoding::Number { .. }) && rng.random_bool(0.3) {
        make_date(rng, &mut column);
    }
    column
}

/// Makes a part of a date of a column of numbers.
fn make_date(rng: &mut impl Rng, column: &mut InputColumn) {
    let part = DatePart::ALL[rng.random_range(0..DatePart::ALL.len())];
    column.date = Some(DateSource {
        column: column.name.clone(),
        part,
    });
    column.name = format!("{}.{}", column.name, part.name());
    let (center, scale) = match part {
        DatePart::Elapsed => (11_000.0, 12_000.0),
        DatePart::Year => (2000.0, 33.0),
        _ => return,
    };
    if let Encoding::Number {
        impute, scaling, ..
    } = &mut column.encoding
    {
        (*impute, *scaling) = (center, Scaling::Standard { center, scale });
    }
}

/// A raw cell. With `far`, numbers may lie far from 0; not if an exponential follows, which would magnify rounding errors. They are not so large
/// that sums cancel.
fn cell(rng: &mut impl Rng, column: &InputColumn, far: bool) -> GoldenValue {
    if rng.random_bool(0.1) {
        return GoldenValue::Missing;
    }
    match column.encoding {
        // 1906 to 2096.
        Encoding::Number { .. } if column.date.is_some() => {
            GoldenValue::Time(rng.random_range(-2_000_000_000..4_000_000_000))
        }
        Encoding::Number { .. } if rng.random_bool(0.3) => {
            GoldenValue::Number(f64::from(rng.random_range(-4..5)))
        }
        Encoding::Number { .. } if far && rng.random_bool(0.05) => GoldenValue::Number(300.0),
        Encoding::Number { .. } => GoldenValue::Number(rng.random_range(-6.0..6.0)),
        _ if rng.random_bool(0.1) => GoldenValue::Text("never seen".into()),
        _ => GoldenValue::Text(TEXTS[rng.random_range(0..TEXTS.len())].into()),
    }
}

fn numbers(rng: &mut impl Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn ascending(rng: &mut impl Rng, n: usize) -> Vec<f32> {
    let mut at = rng.random_range(-3.0..0.0);
    (0..n)
        .map(|_| {
            at += rng.random_range(0.1..1.5);
            at
        })
        .collect()
}

/// A few operations on random earlier values, then a layer that makes the outputs. With `is_recurrent`, some of the operations are recurrent.
fn graph(rng: &mut impl Rng, width: usize, outputs: usize, is_recurrent: bool) -> Graph {
    let (mut nodes, mut widths) = (Vec::new(), vec![width]);
    for _ in 0..rng.random_range(0..7) {
        let from = rng.random_range(0..widths.len());
        let width = widths[from];
        let (op, inputs, made) = match rng.random_range(0..9) {
            _ if is_recurrent && rng.random_bool(0.4) => {
                let layer = layer(rng, width);
                let units = layer.units;
                (Op::Recurrent(layer), vec![from], units)
            }
            0 | 1 => {
                let edges: Vec<Vec<f32>> = (0..width)
                    .map(|_| {
                        if rng.random_bool(0.3) {
                            vec![]
                        } else {
                            let n = rng.random_range(2..7);
                            ascending(rng, n)
                        }
                    })
                    .collect();
                let made = edges
                    .iter()
                    .map(|edges| if edges.is_empty() { 1 } else { edges.len() - 1 })
                    .sum();
                (Op::Ple { edges }, vec![from], made)
            }
            2 | 3 => {
                let cols = rng.random_range(1..9);
                (
                    Op::Linear {
                        rows: width,
                        cols,
                        weight: numbers(rng, width * cols),
                        bias: numbers(rng, cols),
                    },
                    vec![from],
                    cols,
                )
            }
            4 => (Op::Relu, vec![from], width),
            5 => {
                let same: Vec<usize> = (0..widths.len())
                    .filter(|&value| widths[value] == width)
                    .collect();
                let inputs = (0..rng.random_range(1..4))
                    .map(|_| same[rng.random_range(0..same.len())])
                    .collect();
                (if rng.random() { Op::Add } else { Op::Mean }, inputs, width)
            }
            6 => (
                Op::Scale {
                    by: rng.random_range(-2.0..2.0),
                    add: rng.random_range(-1.0..1.0),
                },
                vec![from],
                width,
            ),
            7 => (Op::Softmax, vec![from], width),
            _ if width <= 3 => {
                let knots: Vec<Vec<f32>> = (0..width)
                    .map(|_| {
                        let n = rng.random_range(2..6);
                        ascending(rng, n)
                    })
                    .collect();
                let values = knots.iter().map(Vec::len).product();
                (
                    Op::TableInterp(TableInterp {
                        knots,
                        values: numbers(rng, values),
                    }),
                    vec![from],
                    1,
                )
            }
            _ => (Op::TreeEnsemble(trees(rng, width)), vec![from], 1),
        };
        nodes.push(Node::new(op, inputs));
        widths.push(made);
    }
    let last = widths.len() - 1;
    let width = widths[last];
    nodes.push(Node::new(
        Op::Linear {
            rows: width,
            cols: outputs,
            weight: numbers(rng, width * outputs),
            bias: vec![0.3; outputs],
        },
        [last],
    ));
    Graph::new(widths[0], nodes).unwrap()
}

fn layer(rng: &mut impl Rng, inputs: usize) -> Recurrent {
    let cell = [Cell::Gru, Cell::Lstm][rng.random_range(0..2)];
    let units = rng.random_range(1..7);
    let gates = cell.gates() * units;
    Recurrent {
        cell,
        inputs,
        units,
        weight: numbers(rng, inputs * gates),
        recurrent: numbers(rng, units * gates),
        bias: numbers(rng, 4 * units),
    }
}

fn trees(rng: &mut impl Rng, width: usize) -> TreeEnsemble {
    let counts: Vec<usize> = (0..rng.random_range(1..5))
        .map(|_| rng.random_range(0..6))
        .collect();
    let splits: usize = counts.iter().sum();
    let mut out = TreeEnsemble::default();
    let (mut split, mut leaf) = (0, splits as u32);
    for count in counts {
        let first = split as u32;
        out.roots.push(if count == 0 { leaf } else { first });
        if count == 0 {
            (leaf += 1, out.leaves.push(rng.random_range(-1.0..1.0))).0
        }
        // A comb: the left child of each split is a leaf, and the right child is the next split.
        for at in 0..count {
            out.inputs
                .push(2 * rng.random_range(0..width) as u32 + u32::from(rng.random::<bool>()));
            out.threshold.push(rng.random_range(-2.0..2.0));
            out.leaves.push(rng.random_range(-1.0..1.0));
            let left = leaf;
            leaf += 1;
            let right = if at + 1 < count {
                first + at as u32 + 1
            } else {
                leaf
            };
            if at + 1 == count {
                out.leaves.push(rng.random_range(-1.0..1.0));
                leaf += 1;
            }
            out.children.extend([left, right]);
            split += 1;
        }
    }
    out
}
