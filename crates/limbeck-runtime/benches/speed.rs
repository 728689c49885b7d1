//! Speed of the kernels and of a student, printed as a table: `cargo bench -p limbeck-runtime`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]
use limbeck_runtime::{
    Cell, Encoder, Encoding, Graph, InputColumn, Memory, Node, Op, Output, Plan, RawColumn,
    Recurrent, Scaling, Scratch, Student, StudentParts, TargetTransform, Value, kernel,
};
use std::{hint::black_box, time::Instant};

/// Seconds per call: the smallest of several rounds.
fn best(mut call: impl FnMut()) -> f64 {
    let mut calls = 1u32;
    loop {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        if start.elapsed().as_secs_f64() > 0.01 {
            break;
        }
        calls *= 2;
    }
    (0..15)
        .map(|_| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed().as_secs_f64() / f64::from(calls)
        })
        .fold(f64::INFINITY, f64::min)
}

fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / 16777216.0 - 0.5
        })
        .collect()
}

fn products() {
    for (n, k, m) in [
        (256, 64, 64),
        (256, 128, 64),
        (256, 8, 64),
        (256, 64, 1),
        (256, 64, 33),
        (256, 5, 64),
        (1, 64, 64),
        (4096, 64, 64),
    ] {
        let (x, w, y) = (numbers(n * k), numbers(k * m), numbers(n * m));
        let (mut out, mut grad, mut back) = (vec![0.0; n * m], vec![0.0; k * m], vec![0.0; n * k]);
        let bias = numbers(m);
        let flops = 2.0 * (n * k * m) as f64 / 1e9;
        let ab = best(|| {
            kernel::matmul_bias(black_box(&x), &w, Some(&bias), black_box(&mut out), n, k, m)
        });
        let atb = best(|| kernel::matmul_at_b(black_box(&x), &y, black_box(&mut grad), n, k, m));
        let abt = best(|| kernel::matmul_a_bt(black_box(&y), &w, black_box(&mut back), n, m, k));
        println!(
            "n={n:5} k={k:4} m={m:3}  x·w {:6.1}  aᵀ·b {:6.1}  a·bᵀ {:6.1} GFLOP/s",
            flops / ab,
            flops / atb,
            flops / abt
        );
    }
}

fn linear(rows: usize, cols: usize) -> Op {
    Op::Linear {
        rows,
        cols,
        weight: numbers(rows * cols),
        bias: numbers(cols),
    }
}

/// A student with `columns` columns of `bins` bins each (0: no encoding), two hidden layers and one output.
fn student(columns: usize, bins: usize, hidden: usize) -> Student {
    let edges: Vec<f32> = match bins {
        0 => Vec::new(),
        _ => (0..=bins)
            .map(|k| 4.0 * k as f32 / bins as f32 - 2.0)
            .collect(),
    };
    let nodes = vec![
        Node::new(
            Op::Ple {
                edges: vec![edges; columns],
            },
            [0],
        ),
        Node::new(linear(bins.max(1) * columns, hidden), [1]),
        Node::new(Op::Relu, [2]),
        Node::new(linear(hidden, hidden), [3]),
        Node::new(Op::Relu, [4]),
        Node::new(linear(hidden, 1), [5]),
    ];
    let scaling = Scaling::Standard {
        center: 0.1,
        scale: 0.3,
    };
    let column = |i| {
        let encoding = Encoding::Number {
            impute: 0.0,
            indicator: false,
            scaling: scaling.clone(),
        };
        InputColumn::new(format!("x{i}"), encoding)
    };
    let parts = StudentParts {
        encoder: Encoder {
            columns: (0..columns).map(column).collect(),
        },
        graph: Graph {
            input_width: columns,
            nodes,
        },
        outputs: vec![Output::new(
            "y",
            TargetTransform::Affine {
                scale: 2.0,
                shift: 1.0,
            },
        )],
        sequence: None,
        memory: None,
        intervals: None,
        provenance: Default::default(),
        golden: vec![],
    };
    Student::new(parts).expect("the parts fit")
}

fn students() {
    const ROWS: usize = 10_000;
    for (bins, hidden) in [(16, 32), (16, 64), (16, 128), (0, 64)] {
        let student = student(8, bins, hidden);
        let (x, mut scratch, mut out) = (numbers(8 * ROWS), Scratch::default(), vec![0.0; ROWS]);
        let plan: &Plan = student.plan();
        // Different rows each time, so that the branch predictor cannot learn them.
        let mut rows = x.chunks_exact(8).cycle();
        let row = best(|| {
            plan.run_row(
                black_box(rows.next().unwrap_or(&[])),
                &mut scratch,
                &mut out[..1],
            )
        });
        let values: Vec<Value<'_>> = x.iter().map(|&x| Value::Number(f64::from(x))).collect();
        let mut raw_rows = values.chunks_exact(8).cycle();
        let raw = best(|| {
            let row = raw_rows.next().unwrap_or(&[]);
            drop(black_box(
                student.predict_row_with(black_box(row), &mut scratch),
            ));
        });
        let mut raw_rows = values.chunks_exact(8).cycle();
        let fresh = best(|| {
            drop(black_box(
                student.predict_row(black_box(raw_rows.next().unwrap_or(&[]))),
            ))
        });
        let batch = best(|| plan.run(black_box(&x), ROWS, &mut out));
        let column: Vec<f64> = x[..ROWS].iter().map(|&x| f64::from(x)).collect();
        let columns = [RawColumn::Number(&column); 8];
        let raw_batch = best(|| drop(black_box(student.predict(black_box(&columns), ROWS))));
        println!(
            "{{\"bins\":{bins},\"hidden\":{hidden},\"row_us\":{:.3},\"raw_row_us\":{:.3},\"raw_row_fresh_us\":{:.3},\"batch_us\":{:.3},\"raw_batch_us\":{:.3}}}",
            row * 1e6,
            raw * 1e6,
            fresh * 1e6,
            batch * 1e6 / ROWS as f64,
            raw_batch * 1e6 / ROWS as f64,
        );
    }
}

/// Seconds per prediction of a table with windows of 64 rows.
fn windows(graph: &Graph) -> f64 {
    const ROWS: usize = 1000;
    let mut parts = student(8, 0, 1).into_parts();
    (parts.graph, parts.memory) = (graph.clone(), Some(Memory::Rolling(64)));
    let student = Student::new(parts).expect("the parts fit");
    let column: Vec<f64> = numbers(ROWS).into_iter().map(f64::from).collect();
    let columns = [RawColumn::Number(&column); 8];
    let windows: Vec<_> = (0..ROWS).map(|row| student.window_of(0, row)).collect();
    let all = best(|| drop(black_box(student.predict_windows(&columns, ROWS, &windows))));
    all / ROWS as f64
}

/// Recurrent plans of 8 inputs and one output: a row with the state kept, and a window of 64 rows.
fn recurrent() {
    const ROWS: usize = 64;
    for (cell, units) in [
        (Cell::Gru, 16),
        (Cell::Gru, 32),
        (Cell::Lstm, 32),
        (Cell::Gru, 64),
    ] {
        let gates = cell.gates() * units;
        let layer = Recurrent {
            cell,
            inputs: 8,
            units,
            weight: numbers(8 * gates),
            recurrent: numbers(units * gates),
            bias: numbers(4 * units),
        };
        let nodes = vec![
            Node::new(Op::Recurrent(layer), [0]),
            Node::new(linear(units, 1), [1]),
        ];
        let graph = Graph {
            input_width: 8,
            nodes,
        };
        let plan = Plan::new(&graph).expect("the graph is valid");
        let (x, mut scratch, mut out) = (numbers(8 * ROWS), Scratch::default(), [0.0]);
        let mut state = vec![0.0; plan.state_width()];
        let mut rows = x.chunks_exact(8).cycle();
        let row = best(|| {
            let row = black_box(rows.next().unwrap_or(&[]));
            plan.step(row, &mut state, &mut scratch, &mut out);
        });
        let window = best(|| plan.run_window(black_box(&x), &mut scratch, &mut out));
        let windows = windows(&graph);
        println!(
            "{{\"cell\":\"{}\",\"units\":{units},\"row_us\":{:.3},\"window_row_us\":{:.3},\"windows_row_us\":{:.3}}}",
            cell.name(),
            row * 1e6,
            window * 1e6 / ROWS as f64,
            windows * 1e6 / ROWS as f64
        );
    }
}

fn main() {
    products();
    students();
    recurrent();
}
