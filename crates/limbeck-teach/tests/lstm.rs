//! LSTM teachers on a simulated series, whose target depends on the rows before each row.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use limbeck_data::checkpoint::{Checkpoints, NO_CHECKPOINTS};
use limbeck_data::stop::Asked;
use limbeck_data::{Feature, FeatureValues, Features, Folds, Past, Stop, metrics};
use limbeck_runtime::Container;
use limbeck_teach::lstm::LstmOptions;
use limbeck_teach::network::{NetworkEnsemble, NetworkOptions};
use limbeck_teach::process::ProcessOptions;
use limbeck_teach::trees::TreeOptions;
use limbeck_teach::{
    Error, FittedTeacher, FoldTeachers, Learner, Part, Sample, TeacherKind, TeacherOptions,
    WhichFit, Work,
};

const SERIES: usize = 12;
const ROWS: usize = 50;

/// Series of noise `x`, and the target, a leaky sum of it:
///
/// ```text
/// y_t = 0.8 y_{t−1} + x_t
/// ```
///
/// The best prediction from `x_t` alone leaves `0.8² = 64 %` of the variance.
fn series() -> (Features, Vec<f64>) {
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..SERIES {
        let mut sum = 0.0;
        for _ in 0..ROWS {
            x.push(noise());
            sum = 0.8 * sum + x[x.len() - 1];
            y.push(sum);
        }
    }
    let column = Feature {
        name: "x".into(),
        values: FeatureValues::Number(x),
        integer: false,
        missing: Default::default(),
        date: None,
        history: None,
    };
    let mut features = Features {
        columns: vec![column],
        rows: y.len(),
        past: None,
    };
    let runs: Vec<Vec<usize>> = (0..SERIES)
        .map(|own| (own * ROWS..(own + 1) * ROWS).collect())
        .collect();
    features.past = Some(Past::new(&features, &runs));
    (features, y)
}

fn folds() -> Folds {
    let series: Vec<u32> = (0..SERIES * ROWS).map(|row| (row / ROWS) as u32).collect();
    Folds::grouped(&series, 3, 0)
}

fn quick(kind: TeacherKind) -> TeacherOptions {
    TeacherOptions {
        kind,
        folds: 3,
        fits: 1,
        choose_trees: false,
        trees: TreeOptions {
            rounds: 60,
            learning_rate: 0.1,
            ..TreeOptions::default()
        },
        network: NetworkOptions {
            members: 1,
            hidden: vec![8],
            steps: (60, 60),
            ..NetworkOptions::default()
        },
        lstm: lstm(),
        ..TeacherOptions::default()
    }
}

fn lstm() -> LstmOptions {
    LstmOptions {
        members: 2,
        units: vec![8],
        steps: (300, 300),
        learning_rate: 0.02,
        ..LstmOptions::default()
    }
}

fn fitted(features: &Features, target: &[f64], kind: TeacherKind) -> FoldTeachers {
    let options = TeacherOptions {
        gp: ProcessOptions {
            most_rows: 0,
            ..ProcessOptions::default()
        },
        ..quick(kind)
    };
    let weight = vec![1.0; target.len()];
    let sample = sample(features, target, &weight);
    FittedTeacher::fit_folds(&sample, &options, 3, (&*NO_CHECKPOINTS).into()).unwrap()
}

fn sample<'s>(features: &'s Features, target: &'s [f64], weight: &'s [f64]) -> Sample<'s> {
    Sample {
        features,
        target,
        weight,
        folds: folds(),
        rows_before: 14,
        horizon: 0,
    }
}

fn error_of(fitted: &FoldTeachers, target: &[f64]) -> f64 {
    let weight = vec![1.0; target.len()];
    metrics::rmse(&fitted.labels.prediction.mean, target, &weight)
        / metrics::variance(target, &weight).sqrt()
}

#[test]
fn lstm_predicts_what_depends_on_earlier_rows() {
    let (features, target) = series();
    let trees = error_of(&fitted(&features, &target, TeacherKind::Trees), &target);
    let lstm = fitted(&features, &target, TeacherKind::Lstm);
    let auto = fitted(&features, &target, TeacherKind::Auto);
    let found = [trees, error_of(&lstm, &target), error_of(&auto, &target)];
    assert!(
        found[0] > 0.7 && found[1] < 0.25 && found[2] < 0.25,
        "{found:?}"
    );
    let learners = |fitted: &FoldTeachers| -> Vec<Learner> {
        let shares = fitted.teacher.shares();
        shares.iter().map(|share| share.learner).collect()
    };
    assert_eq!(learners(&lstm), [Learner::Lstm]);
    assert!(learners(&auto).contains(&Learner::Lstm));
    // The predictive standard deviation is about the size of the error.
    let sd = metrics::variance(&target, &vec![1.0; target.len()]).sqrt();
    let std = &lstm.labels.prediction.std;
    let mean = std.iter().sum::<f64>() / std.len() as f64 / sd;
    assert!(
        mean > 0.3 * found[1] && mean < 3.0 * found[1],
        "{mean} {found:?}"
    );
}

#[test]
fn a_pass_over_several_windows_predicts_all_rows_of_the_last() {
    let (features, target) = series();
    let weight = vec![1.0; target.len()];
    let sample = Sample {
        rows_before: 3,
        ..sample(&features, &target, &weight)
    };
    let made = |windows: usize| {
        let mut options = quick(TeacherKind::Lstm);
        options.lstm.windows = windows;
        FittedTeacher::fit_folds(&sample, &options, 3, (&*NO_CHECKPOINTS).into()).unwrap()
    };
    // Four rows leave `0.8⁴ = 41 %` of the standard deviation.
    let (one, six) = (made(1), made(6));
    let found = [error_of(&one, &target), error_of(&six, &target)];
    assert!(found[0] > 0.35 && found[1] < 0.25, "{found:?}");
    let teacher = six.teacher;
    let again = FittedTeacher::from_bytes(&teacher.to_bytes().unwrap()).unwrap();
    let whole = again.predict(&features).unwrap();
    assert_eq!(whole, teacher.predict(&features).unwrap());
    // A row has the same prediction among all rows and alone.
    let some = again.predict(&features.select(&[137, 3, 49])).unwrap();
    for (at, row) in [137, 3, 49].into_iter().enumerate() {
        assert!((some.mean[at] - whole.mean[row]).abs() < 1e-6, "{row}");
    }
    let layers = again.layers(WhichFit::First, &features).unwrap();
    assert_eq!(layers[0].values.len(), 16 * features.rows);
}

#[test]
fn without_a_past_there_is_no_lstm() {
    let (features, target) = series();
    let features = Features {
        past: None,
        ..features
    };
    let auto = fitted(&features, &target, TeacherKind::Auto);
    let mut shares = auto.teacher.shares().into_iter();
    assert!(shares.all(|share| share.learner != Learner::Lstm));
    let weight = vec![1.0; target.len()];
    let refused = FittedTeacher::fit_folds(
        &sample(&features, &target, &weight),
        &quick(TeacherKind::Lstm),
        3,
        (&*NO_CHECKPOINTS).into(),
    );
    assert!(matches!(refused, Err(Error::NoRowsBefore)));
}

#[test]
fn stored_teacher_predicts_the_same() {
    let (features, target) = series();
    let teacher = fitted(&features, &target, TeacherKind::Lstm).teacher;
    let again = FittedTeacher::from_bytes(&teacher.to_bytes().unwrap()).unwrap();
    let found = again.predict(&features).unwrap();
    assert_eq!(found, teacher.predict(&features).unwrap());
    // Final states of both members, side by side.
    let layers = again.layers(WhichFit::First, &features).unwrap();
    assert_eq!(
        (layers.len(), layers[0].width, layers[0].values.len()),
        (1, 16, 16 * features.rows)
    );
    let none = Features {
        past: None,
        ..features
    };
    assert!(matches!(again.predict(&none), Err(Error::NoRowsBefore)));
}

struct Flag(AtomicBool);

impl Asked for Flag {
    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn training_goes_on_from_its_checkpoints() {
    let (features, target) = series();
    let weight = vec![1.0; target.len()];
    let sample = sample(&features, &target, &weight);
    let options = quick(TeacherKind::Lstm);
    let bytes = |kept: &Checkpoints| {
        let fitted = FittedTeacher::fit_folds(&sample, &options, 3, kept.into()).unwrap();
        fitted.teacher.to_bytes().unwrap()
    };
    let whole = bytes(&NO_CHECKPOINTS);
    let folder = tempfile::tempdir().unwrap();
    let kept = Checkpoints::in_folder(folder.path(), Duration::ZERO).unwrap();
    // Stopped after some points of the curves.
    let flag = Flag(AtomicBool::new(false));
    let told = |part: &Part<'_>| {
        flag.0.fetch_or(part.done > 9, Ordering::Relaxed);
    };
    let work = Work {
        kept: &kept,
        stop: Stop::on(&flag),
        told: Some(&told),
    };
    let cut = FittedTeacher::fit_folds(&sample, &options, 3, work);
    assert!(matches!(cut, Err(Error::Stopped)));
    assert!(folder.path().join("lstm-1.piece").exists());
    assert_eq!(bytes(&kept), whole);
    assert_eq!(bytes(&kept), whole);
}

#[test]
fn damaged_files_are_refused() {
    let (features, target) = series();
    let weight = vec![1.0; target.len()];
    let sample = sample(&features, &target, &weight);
    let short = LstmOptions {
        steps: (20, 20),
        ..lstm()
    };
    let work = (&*NO_CHECKPOINTS).into();
    let folds = NetworkEnsemble::fit_folds(&sample, &short, 0, work).unwrap();
    let mut whole = Container::new("test");
    folds.networks[0].store(&mut whole, "a").unwrap();
    let again = NetworkEnsemble::restore(&whole, "a").unwrap();
    assert_eq!(again, folds.networks[0]);
    let shape = whole.text("a.shape").unwrap().to_owned();
    for (from, to) in [
        ("\"window\":15", "\"window\":0"),
        ("\"window\":15", "\"window\":99999999999"),
        ("\"units\":[8]", "\"units\":[]"),
        ("\"units\":[8]", "\"units\":[9]"),
        ("\"step\":[true]", "\"step\":[true,true]"),
        ("\"outputs\":2", "\"outputs\":1"),
        ("\"cell\"", "\"cells\""),
    ] {
        let damaged = shape.replace(from, to);
        assert_ne!(damaged, shape, "{from} {shape}");
        let mut container = whole.clone();
        let damaged: serde_json::Value = serde_json::from_str(&damaged).unwrap();
        container.put_json("a.shape", &damaged).unwrap();
        assert!(NetworkEnsemble::restore(&container, "a").is_err(), "{to}");
    }
}
