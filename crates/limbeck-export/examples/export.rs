//! Exports a student of two targets as C and as ONNX.
#![allow(clippy::print_stdout, reason = "an example prints")]

use limbeck_runtime::{
    Encoder, Encoding, Graph, InputColumn, Node, Op, Output, Scaling, Student, StudentParts,
    TargetTransform,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let encoding = Encoding::Number {
        impute: 0.0,
        indicator: false,
        scaling: Scaling::Standard {
            center: 20.0,
            scale: 5.0,
        },
    };
    let layer = Op::Linear {
        rows: 1,
        cols: 2,
        weight: vec![0.5, -1.0],
        bias: vec![0.0, 1.0],
    };
    let output =
        |name: &str, scale| Output::new(name, TargetTransform::Affine { scale, shift: 1.0 });
    let student = Student::new(StudentParts {
        encoder: Encoder::new(vec![InputColumn::new("outdoor_c", encoding)])?,
        graph: Graph::new(1, vec![Node::new(layer, [0])])?,
        outputs: vec![output("heating", 10.0), output("cooling", 5.0)],
        sequence: None,
        memory: None,
        intervals: None,
        provenance: Default::default(),
        golden: vec![],
    })?;
    let files = limbeck_export::c(&student, "building")?;
    println!("{}", files.header);
    println!("ONNX: {} bytes", limbeck_export::onnx(&student)?.len());
    Ok(())
}
