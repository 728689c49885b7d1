//! Seconds per training step, batch 256, one thread: an 8→64→64→1 perceptron with two forms of its inputs, and a GRU of 32 units over 30 steps of 8
//! numbers. Prints one JSON line for each. An argument chooses one by its name.
//!
//! Compare it with a plain PyTorch loop of the same size: run both in the same minute, and compare the ratio.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::time::Instant;

use limbeck_nets::losses::Hard;
use limbeck_nets::{
    Control, InputLayout, MlpShape, Network, RecurrentShape, Schedule, Segment, TrainOptions,
    Trainer, TrainingRows,
};
use limbeck_runtime::Cell;

const ROWS: usize = 20_000;
const FEATURES: usize = 8;
const WINDOW: usize = 30;

fn main() {
    let wanted = std::env::args()
        .nth(1)
        .filter(|name| !name.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let edges = (0..=16).map(|e| e as f32).collect();
    for (name, segment) in [
        ("dense", Segment::Linear),
        ("ple16", Segment::Spline { edges }),
    ] {
        if is_wanted(name) {
            let scale = if name == "dense" { 1.0 } else { 16.0 };
            let segments = vec![segment; FEATURES];
            let shape = MlpShape::new(InputLayout { segments }, vec![64, 64], 1).unwrap();
            time(name, shape, &rows(FEATURES, scale), (6000, 78));
        }
    }
    for (name, cell) in [("gru32x30", Cell::Gru), ("lstm32x30", Cell::Lstm)] {
        if is_wanted(name) {
            let shape = RecurrentShape::new(cell, vec![true; FEATURES], WINDOW, vec![32], 1);
            time(
                name,
                shape.unwrap(),
                &rows(WINDOW * FEATURES, 1.0),
                (400, 10),
            );
        }
    }
}

fn rows(inputs: usize, scale: f32) -> TrainingRows {
    let mut data = TrainingRows::default();
    for i in 0..ROWS {
        let row: Vec<f32> = (0..inputs)
            .map(|j| ((i * 7 + j * 13) as f32 * 0.618_034).fract() * scale)
            .collect();
        data.labels.extend([row[0] + row[1], 1.0]);
        data.positions.extend(row);
    }
    data
}

/// Prints the median and the smallest time of a step; `every` steps are timed together.
fn time(name: &str, network: impl Network, data: &TrainingRows, (steps, every): (usize, usize)) {
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
    let trainer = Trainer::new(network, options, data, &Hard::SQUARED).unwrap();
    let mut state = trainer.start();
    let mut times = Vec::new();
    let mut start = Instant::now();
    trainer
        .run(&mut state, steps, every, &mut |_| {
            times.push(start.elapsed().as_secs_f64() / every as f64);
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
