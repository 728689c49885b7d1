//! A prediction with a scratch that was used before does not allocate, and neither does a stream after its first rows.
#![allow(
    unsafe_code,
    clippy::float_cmp,
    reason = "the test needs an allocator that counts"
)]

use limbeck_runtime::{
    Cell, Encoder, Encoding, Graph, HistorySource, InputColumn, Memory, Node, Op, Output,
    Recurrent, Scaling, Scratch, Stream, Student, StudentParts, TargetTransform, Value,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: cell::Cell<usize> = const { cell::Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller upholds the contract of this method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of this method.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn student() -> Student {
    let scaling = Scaling::Standard {
        center: 0.0,
        scale: 1.0,
    };
    let number = Encoding::Number {
        impute: 0.0,
        indicator: true,
        scaling,
    };
    let category = Encoding::OneHot {
        levels: vec!["a".into(), "b".into()],
        other: true,
    };
    let columns = vec![
        InputColumn::new("x", number),
        InputColumn::new("c", category),
    ];
    let edges = vec![vec![-1.0, 0.0, 1.0], vec![], vec![], vec![], vec![]];
    let linear = |rows, cols| Op::Linear {
        rows,
        cols,
        weight: vec![0.5; rows * cols],
        bias: vec![0.1; cols],
    };
    let nodes = vec![
        Node::new(Op::Ple { edges }, [0]),
        Node::new(linear(6, 20), [1]),
        Node::new(Op::Relu, [2]),
        Node::new(linear(20, 9), [3]),
        Node::new(Op::Relu, [4]),
        Node::new(linear(9, 1), [5]),
    ];
    let parts = StudentParts {
        encoder: Encoder { columns },
        graph: Graph {
            input_width: 5,
            nodes,
        },
        outputs: vec![Output::new(
            "y",
            TargetTransform::LogAffine {
                scale: 1.0,
                shift: 0.0,
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

#[test]
fn prediction_of_a_row_does_not_allocate() {
    let (student, mut scratch) = (student(), Scratch::default());
    let mut predict = |x, c| {
        student
            .predict_row_with(&[Value::Number(x), Value::Text(c)], &mut scratch)
            .unwrap()
    };
    let before = ALLOCATIONS.get();
    let first = predict(0.3, "a");
    assert!(
        ALLOCATIONS.get() > before,
        "the first call allocates the scratch"
    );
    let before = ALLOCATIONS.get();
    let others = [
        predict(-2.0, "b"),
        predict(f64::NAN, "unseen"),
        predict(0.7, "a"),
    ];
    assert_eq!(ALLOCATIONS.get(), before);
    assert!(
        others
            .iter()
            .all(|other| other.is_finite() && *other != first)
    );
}

#[test]
fn a_stream_does_not_allocate_after_its_first_rows() {
    let mut parts = student().into_parts();
    parts.encoder.columns[0].history = Some(HistorySource {
        column: "load".into(),
        look: "slope4".parse().expect("a statistic"),
        missing: Default::default(),
    });
    let student = Student::new(parts).expect("the parts fit");
    let mut stream = Stream::new(&student);
    assert_eq!(stream.inputs(), ["c", "load"]);
    let mut push = |load| {
        stream
            .push(&[Value::Text("a"), Value::Number(load)])
            .unwrap()
    };
    let before = ALLOCATIONS.get();
    let first = [1.0, 2.0, 4.0, 8.0].map(&mut push);
    assert!(ALLOCATIONS.get() > before, "the first rows are kept");
    let before = ALLOCATIONS.get();
    let later = [2.0, f64::NAN, 9.0, -3.0, 0.5].map(&mut push);
    assert_eq!(ALLOCATIONS.get(), before);
    assert!(later.iter().all(|later| *later != first[1]));
}

#[test]
fn a_stream_of_a_recurrent_student_does_not_allocate_after_its_first_rows() {
    for memory in [Memory::Rolling(3), Memory::Carried] {
        let mut parts = student().into_parts();
        let nodes = &mut parts.graph.nodes;
        let layer = Recurrent {
            cell: Cell::Gru,
            inputs: 9,
            units: 4,
            weight: vec![0.1; 108],
            recurrent: vec![0.2; 48],
            bias: vec![0.3; 16],
        };
        nodes.truncate(5);
        nodes.push(Node::new(Op::Recurrent(layer), [5]));
        let weight = vec![0.25; 4];
        let (rows, cols, bias) = (4, 1, vec![0.0]);
        let head = Op::Linear {
            rows,
            cols,
            weight,
            bias,
        };
        nodes.push(Node::new(head, [6]));
        parts.memory = Some(memory);
        let student = Student::new(parts).expect("the parts fit");
        let mut stream = Stream::new(&student);
        let mut push = |x| stream.push(&[Value::Number(x), Value::Text("a")]).unwrap();
        assert!([1.0, 2.0, 4.0].map(&mut push)[0].is_finite());
        let before = ALLOCATIONS.get();
        let later = [2.0, f64::NAN, 0.5, -3.0, 0.5, 7.0, 0.1].map(&mut push);
        assert_eq!(ALLOCATIONS.get(), before);
        assert!(later.iter().all(|later| later.is_finite()));
    }
}
