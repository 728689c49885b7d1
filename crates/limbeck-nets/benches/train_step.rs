//! Seconds per training step of an 8→64→64→1 perceptron, batch 256, one thread; prints one JSON line.
//!
//! Compare it with a plain PyTorch loop of the same size: run both in the same minute, and compare the ratio.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::time::Instant;

use limbeck_nets::losses::Hard;
use limbeck_nets::{
    Control, InputLayout, MlpShape, Schedule, Segment, TrainOptions, Trainer, TrainingRows,
};

fn main() {
    let (rows, steps, features) = (20_000, 6000, 8);
    for (name, segment) in [
        ("dense", Segment::Linear),
        (
            "ple16",
            Segment::Spline {
                edges: (0..=16).map(|e| e as f32).collect(),
            },
        ),
    ] {
        let scale = if name == "dense" { 1.0 } else { 16.0 };
        let mut data = TrainingRows::default();
        for i in 0..rows {
            let row: Vec<f32> = (0..features)
                .map(|j| ((i * 7 + j * 13) as f32 * 0.618_034).fract() * scale)
                .collect();
            data.labels.extend([row[0] + row[1], 1.0]);
            data.positions.extend(row);
        }
        let layout = InputLayout {
            segments: vec![segment; features],
        };
        let shape = MlpShape::new(layout, vec![64, 64], 1).unwrap();
        let schedule = Schedule {
            steps,
            peak: 1e-3,
            warmup: 0.0,
        };
        let options = TrainOptions {
            schedule,
            batch: 256,
            weight_decay: 0.01,
            input_noise: 0.0,
            members: 1,
            seed: 0,
        };
        let loss = Hard::SQUARED;
        let trainer = Trainer::new(shape, options, &data, &loss).unwrap();
        let mut state = trainer.start();
        let mut times = Vec::new();
        let mut start = Instant::now();
        trainer
            .run(&mut state, steps, 78, &mut |_| {
                times.push(start.elapsed().as_secs_f64() / 78.0);
                start = Instant::now();
                Control::Continue
            })
            .unwrap();
        times.sort_by(f64::total_cmp);
        println!(
            "{{\"kind\":\"train\",\"input\":\"{name}\",\"step_us_median\":{:.1},\"step_us_min\":{:.1}}}",
            times[times.len() / 2] * 1e6,
            times[0] * 1e6
        );
    }
}
