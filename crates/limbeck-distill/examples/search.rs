//! Trains a student alone and with a teacher, on rows in memory: runs the search without tables, files or reports.
#![allow(clippy::print_stdout, reason = "an example talks")]

use limbeck_data::checkpoint::NO_CHECKPOINTS;
use limbeck_data::{Feature, FeatureValues, Features, TargetSpec};
use limbeck_distill::hints::HintOptions;
use limbeck_distill::objective::ObjectiveOptions;
use limbeck_distill::search::{self, KnownRows, NewRows, Search, Stage, Study, TransferSet};
use limbeck_distill::student::StudentOptions;
use limbeck_nets::Control;

/// The target without noise, which is also what the teacher predicts.
fn truth(x: f64) -> f64 {
    (6.0 * x).sin()
}

fn features(xs: &[f64]) -> Features {
    let column = Feature {
        name: "x".into(),
        values: FeatureValues::Number(xs.to_vec()),
        integer: false,
        missing: limbeck_data::MissingNumbers::default(),
        date: None,
        history: None,
    };
    Features {
        columns: vec![column],
        rows: xs.len(),
        past: None,
    }
}

/// Rows with noisy targets, and teacher labels without noise.
fn known(xs: &[f64]) -> KnownRows {
    let noise = |i: usize| ((i * 7919) % 101) as f64 / 101.0 - 0.5;
    let noisy = |(i, x): (usize, &f64)| truth(*x) + noise(i);
    KnownRows {
        rows: (0..xs.len()).collect(),
        features: features(xs).into(),
        target: xs.iter().enumerate().map(noisy).collect(),
        weight: vec![1.0; xs.len()],
        blocks: None,
        teacher: xs.iter().map(|x| truth(*x)).collect(),
        std: vec![0.1; xs.len()],
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let xs = |from: usize, count: usize| -> Vec<f64> {
        let x = |i: usize| (i as f64 * 0.618_034).fract();
        (from..from + count).map(x).collect()
    };
    let asked = xs(500, 1000);
    let set = TransferSet {
        known: known(&xs(0, 40)),
        new: NewRows {
            features: features(&asked).into(),
            mean: asked.iter().map(|x| truth(*x)).collect(),
            std: vec![0.1; 1000],
            source: vec![None; 1000],
            weight: vec![1.0; 1000],
            second: vec![false; 1000],
        },
        coordinates: None,
    };
    let valid = known(&xs(2000, 200));
    let target = TargetSpec {
        name: "y".into(),
        ..TargetSpec::default()
    };
    let (student, objective, hints) = (
        StudentOptions {
            params: 400,
            steps: 600,
            trials: 1,
            ..StudentOptions::default()
        },
        ObjectiveOptions::default(),
        HintOptions::default(),
    );
    let study = Study {
        student: &student,
        objective: &objective,
        hints: &hints,
        slope_reach: 1.0,
        targets: std::slice::from_ref(&target),
        target_weights: &[],
        horizon_weights: &[],
        rows_before: 0,
        seed: 0,
        checkpoints: &NO_CHECKPOINTS,
        stop: limbeck_data::Stop::NEVER,
    };
    let search = Search::new(vec![Stage::new(&study, &set, Some(&valid))?]);
    let choice = search::choose(&search, &|_| Control::Continue)?;
    let (baseline, distilled) = choice.best()?;
    println!("validation RMSE, including target noise of about 0.29");
    println!("baseline   {:.4}", baseline.valid_error);
    println!("distilled  {:.4}", distilled.valid_error);
    Ok(())
}
