//! Trains a small network on a sine, lowers it to a graph, and predicts with the graph.
#![allow(clippy::print_stdout, reason = "an example talks")]

use limbeck_nets::losses::Hard;
use limbeck_nets::{
    Control, Head, InputLayout, MlpShape, Network, Schedule, Segment, TrainOptions, Trainer,
    TrainingRows,
};
use limbeck_runtime::Plan;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One number in eight bins: a row is its position from 0 to 8, and its label has a weight.
    let x = |i: usize| i as f32 / 500.0;
    let sine = |x: f32| (6.0 * x).sin();
    let mut rows = TrainingRows::default();
    for i in 0..500 {
        rows.positions.extend([8.0 * x(i)]);
        rows.labels.extend([sine(x(i)), 1.0]);
    }
    let edges = (0..=8).map(|edge| edge as f32 / 8.0).collect();
    let layout = InputLayout {
        segments: vec![Segment::Spline { edges }],
    };
    let shape = MlpShape::new(layout, vec![16, 16], 1)?;
    let options = TrainOptions {
        schedule: Schedule {
            steps: 2000,
            peak: 5e-3,
            warmup: 0.03,
        },
        batch: 64,
        weight_decay: 0.0,
        input_noise: 0.0,
        members: 1,
        seed: 0,
    };
    let trainer = Trainer::new(shape.clone(), options, &rows, &Hard::SQUARED)?;
    let mut state = trainer.start();
    trainer.run(&mut state, 2000, 500, &mut |report| {
        println!("step {}: loss {:.5}", report.state.step, report.loss);
        Control::Continue
    })?;

    let plan = Plan::new(&shape.lower(&state.average, Head::Point)?)?;
    let xs: Vec<f32> = (0..500).map(x).collect();
    let mut answers = vec![0.0; xs.len()];
    plan.run(&xs, xs.len(), &mut answers);
    let error = |(x, answer): (&f32, &f32)| (answer - sine(*x)).powi(2);
    let squares: f32 = xs.iter().zip(&answers).map(error).sum();
    println!("RMSE of the graph {:.4}", (squares / 500.0).sqrt());
    Ok(())
}
