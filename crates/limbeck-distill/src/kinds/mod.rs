//! Non-neural students: a linear model, a few boosted trees, an interpolated table.
//!
//! They are fitted without gradient descent, in seconds. Their labels are a blend of targets and teacher labels
//! ([`Blend::label`](crate::objective::Blend::label)). Like a network, they are lowered to a [`Graph`]. Each kind has a file with its encoder, the
//! candidates that are compared on validation rows, and its fit.
//!
//! | kind | model | chosen on validation rows |
//! |---|---|---|
//! | [`linear`](NonNeural::Linear) | ridge regression on scaled numbers and one-hot categories | the penalty |
//! | [`trees`](NonNeural::Trees) | boosted trees; a tree with `l` leaves costs `5 l − 3` parameters | leaves, learning rate, rounds |
//! | [`table`](NonNeural::Table) | interpolated values on a grid of one to three numeric columns | knots of each axis, smoothing |
//!
//! The baseline (the student trained alone) tries all candidates on targets. The distilled student tries all candidates with the given `alpha` (the
//! share of teacher labels). If `alpha` is chosen automatically, it tries all candidates with `alpha` 1. It then tries the best of them again with
//! `alpha` 0.7 and with the closed-form `alpha` ([`closed_form_alpha`](crate::search::closed_form_alpha)). Of these two, it skips a value below 0.05
//! or above 0.95, and a second value that is within 0.05 of the first.

mod linear;
mod rows;
pub(crate) mod spec;
pub(crate) mod table;
mod trees;

use limbeck_data::Features;
use limbeck_runtime::{Encoder, Graph, Node, Op};
use limbeck_teach::trees::TreeOptions;

use self::rows::EncodedTable;
use self::spec::TARGET_PARAMETERS;
pub use self::spec::{EncodedGraph, NonNeural, Spec};
use crate::error::{Error, Result};
use crate::hints::HintOptions;
use crate::lesson::{Aim, Inputs};
use crate::objective::{Alpha, ObjectiveOptions};
use crate::stage::Stage;
use crate::student::options::StudentOptions;
use crate::transfer::set::TransferSet;
use crate::trial::{Choice, Setting, Trial, best};
use crate::validation::Search;

impl NonNeural {
    /// The encoder of a student of this kind, and the number of parameters of the smallest student with this encoder (encoder included).
    fn least(self, features: &Features, options: &StudentOptions) -> Result<(Encoder, usize)> {
        let encoder = match self {
            Self::Linear => linear::encoder(features, options),
            Self::Trees => trees::encoder(features, options),
            Self::Table => table::encoder(features, options)?,
        };
        let smallest = match self {
            Self::Linear => encoder.width() + 1,
            // One tree of two leaves.
            Self::Trees => 7,
            Self::Table => (1 << encoder.width()) + 2 * encoder.width(),
        };
        let smallest = encoder.parameters() + TARGET_PARAMETERS + smallest;
        Ok((encoder, smallest))
    }

    /// The encoder of a student of this kind, and the number of parameters that are left for the graph. The encoder and the scale and shift of the
    /// target have been subtracted from the budget.
    fn encoder(self, features: &Features, options: &StudentOptions) -> Result<(Encoder, usize)> {
        let (encoder, smallest) = self.least(features, options)?;
        if smallest > options.params {
            return Err(Error::BudgetTooSmall {
                columns: features.columns.len(),
                smallest,
                allowed: options.params,
            });
        }
        let room = options.params - encoder.parameters() - TARGET_PARAMETERS;
        Ok((encoder, room))
    }
}

/// The number of parameters of the smallest student of the kind `kind`.
///
/// # Errors
///
/// [`Error::NotATable`] if the kind is a table and the features are not one to three numeric columns.
pub(crate) fn smallest(
    kind: NonNeural,
    features: &Features,
    options: &StudentOptions,
) -> Result<usize> {
    Ok(kind.least(features, options)?.1)
}

/// Builds the encoder for a student of this kind, and an untrained graph of that student.
///
/// # Errors
///
/// [`Error::NotATable`], [`Error::BudgetTooSmall`].
pub(crate) fn untrained(stage: &Stage<'_>, kind: NonNeural) -> Result<(Encoder, Graph)> {
    let features = &stage.first().set.known.features;
    let (encoder, _) = kind.encoder(features, stage.study.student)?;
    let rows = encoder.width();
    let op = Op::Linear {
        rows,
        cols: 1,
        weight: vec![0.0; rows],
        bias: vec![0.0],
    };
    let graph = Graph::new(rows, vec![Node::new(op, [0])])?;
    Ok((encoder, graph))
}

/// What is needed to fit and validate one kind of student on one train/validation split.
struct Bench<'s, 'a> {
    stage: &'s Stage<'a>,
    kind: NonNeural,
    encoder: Encoder,
    room: usize,
    known: Vec<f32>,
    /// Encoded rows without a target, which only the teacher labelled; empty for the baseline.
    new: Vec<f32>,
    valid: Option<EncodedTable>,
}

impl<'s, 'a> Bench<'s, 'a> {
    fn new(stage: &'s Stage<'a>, kind: NonNeural, distilled: bool) -> Result<Self> {
        let TransferSet { known, new, .. } = stage.first().set;
        let features = &known.features;
        let (encoder, room) = kind.encoder(features, stage.study.student)?;
        let encode = |features: &Features| encoder.encode(&features.raw(), features.rows);
        let known = encode(features)?;
        let new = if distilled && new.features.rows > 0 {
            encode(&new.features)?
        } else {
            Vec::new()
        };
        let valid = match stage.first().held {
            None => None,
            Some(held) => Some(EncodedTable {
                x: encode(&held.features)?,
                width: encoder.width(),
                y: stage.first().standard(&held.target),
                w: held.weight.iter().map(|&w| w as f32).collect(),
            }),
        };
        Ok(Self {
            stage,
            kind,
            encoder,
            room,
            known,
            new,
            valid,
        })
    }

    /// The training rows with labels that blend targets and teacher labels. `alpha` is the share of teacher labels, or `None` for the baseline.
    fn rows(&self, alpha: Option<f64>) -> EncodedTable {
        let labels = self.stage.first().labels();
        let (known, new) = (labels.set.known.target.len(), labels.set.new.mean.len());
        // Always squared error of point predictions, whatever loss the network uses.
        let (objective, hints) = (&ObjectiveOptions::default(), &HintOptions::default());
        let aim = Aim {
            objective,
            hints,
            slope_reach: None,
            head: limbeck_nets::Head::Point,
            hidden: &[],
        };
        // No inputs: only the lesson's labels are needed.
        let labels = labels.lesson(aim, alpha, &Inputs::default()).rows.labels;
        let pairs: Vec<[f32; 2]> = labels.as_chunks().0.to_vec();
        let new = if alpha.is_some() { new } else { 0 };
        // Repeated labelled rows become one row with a larger weight.
        let copies = ((pairs.len() - new) / known.max(1)) as f32;
        let (first, last) = (&pairs[..known], &pairs[pairs.len() - new..]);
        let mut x = self.known.clone();
        if new > 0 {
            x.extend_from_slice(&self.new);
        }
        EncodedTable {
            x,
            width: self.encoder.width(),
            y: first.iter().chain(last).map(|pair| pair[0]).collect(),
            w: first
                .iter()
                .map(|pair| pair[1] * copies)
                .chain(last.iter().map(|pair| pair[1]))
                .collect(),
        }
    }

    /// Fits all candidates. `alpha` is the share of teacher labels, or `None` for the baseline.
    fn all(&self, alpha: Option<f64>) -> Result<Vec<Trial>> {
        let stop = self.stage.study.stop;
        stop.check()?;
        let rows = self.rows(alpha);
        let fitted = match (self.kind, &self.valid) {
            (NonNeural::Linear, _) => linear::candidates(&rows, stop)?,
            (NonNeural::Trees, Some(valid)) => {
                let seed = self.stage.study.seed;
                trees::candidates(&rows, valid, self.room, (seed, stop))?
            }
            (NonNeural::Table, Some(_)) => {
                table::candidates(&rows, self.room, &|op| self.valid_error(op))
            }
            (NonNeural::Trees | NonNeural::Table, None) => Vec::new(),
        };
        fitted
            .into_iter()
            .map(|(spec, op)| self.trial(alpha, spec, op))
            .collect()
    }

    /// Fits one candidate. `alpha` is the share of teacher labels, or `None` for the baseline. A deadline does not end the fit, since a shorter fit
    /// would be another candidate.
    fn one(&self, alpha: Option<f64>, spec: Spec, seed: u64) -> Result<Trial> {
        let stop = self.stage.study.stop.until(None);
        stop.check()?;
        let rows = self.rows(alpha);
        let op = match spec {
            Spec::Linear { ridge } => linear::fit(&rows, ridge, stop)?,
            Spec::Trees {
                leaves,
                learning_rate,
                leaf_rows,
                rounds,
            } => {
                let options = TreeOptions {
                    leaves,
                    learning_rate,
                    leaf_rows,
                    rounds,
                    subsample: 1.0,
                    colsample: 1.0,
                    pairs: 0,
                    ..TreeOptions::default()
                };
                trees::fit(&rows, &options, self.room, (seed, stop))?
            }
            Spec::Table { knots, smoothing } => table::fit(&rows, knots, smoothing),
        };
        self.trial(alpha, spec, op)
    }

    fn graph(&self, op: Op) -> Result<Graph> {
        Ok(Graph::new(self.encoder.width(), vec![Node::new(op, [0])])?)
    }

    fn valid_pred(&self, graph: &Graph) -> Result<Vec<f64>> {
        let Some(valid) = &self.valid else {
            return Ok(Vec::new());
        };
        let mut out = vec![0.0; valid.y.len()];
        limbeck_runtime::Plan::new(graph)?.run(&valid.x, out.len(), &mut out);
        let part = self.stage.first();
        Ok(out.into_iter().map(|z| part.learned(z)).collect())
    }

    /// The validation error in the target's unit; infinite without validation rows, or if `op` cannot be run.
    fn valid_error(&self, op: &Op) -> f64 {
        let pred = self
            .graph(op.clone())
            .and_then(|graph| self.valid_pred(&graph));
        pred.map_or(f64::INFINITY, |pred| self.score(&pred))
    }

    fn score(&self, pred: &[f64]) -> f64 {
        self.stage.first().held.map_or(f64::INFINITY, |held| {
            self.stage.error(pred, &held.target, &held.weight)
        })
    }

    fn trial(&self, alpha: Option<f64>, spec: Spec, op: Op) -> Result<Trial> {
        let graph = self.graph(op)?;
        let valid_pred = self.valid_pred(&graph)?;
        let setting = Setting::of_spec(alpha, spec);
        let model = EncodedGraph {
            encoder: self.encoder.clone(),
            graph,
        };
        Ok(Trial::of_model(
            setting,
            self.score(&valid_pred),
            valid_pred,
            model,
        ))
    }
}

/// One [`Bench`] per train/validation split, for one kind of student.
struct Benches<'s, 'a> {
    search: &'s Search<'a>,
    all: Vec<Bench<'s, 'a>>,
}

impl<'s, 'a> Benches<'s, 'a> {
    fn new(search: &'s Search<'a>, kind: NonNeural, distilled: bool) -> Result<Self> {
        let all = search
            .stages()
            .iter()
            .map(|stage| Bench::new(stage, kind, distilled))
            .collect::<Result<_>>()?;
        Ok(Self { search, all })
    }

    /// Fits all candidates on the first split, then the same candidates on the other splits. Their errors are over the validation rows of all splits.
    /// `alpha` is the share of teacher labels, or `None` for the baseline.
    fn candidates(&self, alpha: Option<f64>) -> Result<Vec<Trial>> {
        self.all[0]
            .all(alpha)?
            .into_iter()
            .map(|trial| self.judged(trial))
            .collect()
    }

    /// Fits one candidate on every split and evaluates it on the validation rows of all splits.
    fn one(&self, alpha: Option<f64>, spec: Spec) -> Result<Trial> {
        self.judged(self.all[0].one(alpha, spec, self.seed())?)
    }

    fn seed(&self) -> u64 {
        self.search.first().study.seed
    }

    /// Completes a trial of the first split: fits the same candidate on the other splits and appends their validation predictions. Then computes
    /// the validation error again, over the validation rows of all splits.
    fn judged(&self, mut trial: Trial) -> Result<Trial> {
        if let (Some(spec), others @ [_, ..]) = (trial.setting.spec, &self.all[1..]) {
            for bench in others {
                trial.valid_pred.extend(
                    bench
                        .one(trial.setting.alpha, spec, self.seed())?
                        .valid_pred,
                );
            }
            trial.valid_error = self.search.error(&trial.valid_pred);
        }
        Ok(trial)
    }
}

/// Fits and evaluates all candidates of one kind of student, both for the baseline and for the distilled student. No trial is chosen yet.
///
/// # Errors
///
/// [`Error::NotATable`], [`Error::BudgetTooSmall`]; an error if a fit fails.
pub fn choose(search: &Search<'_>, kind: NonNeural) -> Result<Choice> {
    let benches = Benches::new(search, kind, true)?;
    let baseline = benches.candidates(None)?;
    let asked = search.first().study.objective.alpha;
    let first = match asked {
        Alpha::Fixed(alpha) => alpha,
        Alpha::Auto => 1.0,
    };
    let mut distilled = benches.candidates(Some(first))?;
    let mut closed_form = None;
    if let (Alpha::Auto, Some(baseline), Some(pure)) = (asked, best(&baseline), best(&distilled)) {
        closed_form = search.closed_form_alpha(baseline, pure);
        let seed = (closed_form.unwrap_or(0.4).clamp(0.0, 1.0) * 100.0).round() / 100.0;
        let others: Vec<f64> = [0.7, seed]
            .into_iter()
            .filter(|alpha| (0.05..=0.95).contains(alpha))
            .collect();
        let spec = pure.setting.spec;
        for (at, &alpha) in others.iter().enumerate() {
            let tried = others[..at]
                .iter()
                .any(|other| (other - alpha).abs() < 0.05);
            if let Some(spec) = spec.filter(|_| !tried) {
                distilled.push(benches.one(Some(alpha), spec)?);
            }
        }
    }
    Ok(Choice {
        baseline,
        distilled,
        closed_form,
        ..Choice::default()
    })
}

/// The baseline (trained without a teacher) of the kind `kind` that is best on validation rows. `None` if the kind cannot be used for these columns
/// or this budget.
///
/// # Errors
///
/// If a fit fails.
pub fn baseline(search: &Search<'_>, kind: NonNeural) -> Result<Option<Trial>> {
    match Benches::new(search, kind, false) {
        Ok(benches) => Ok(best(&benches.candidates(None)?).cloned()),
        Err(Error::NotATable { .. } | Error::BudgetTooSmall { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fits a non-neural student with the given hyperparameters to the rows of `stage`. `alpha` is the share of teacher labels, or `None` for the
/// baseline.
///
/// # Errors
///
/// The errors of [`choose`].
pub fn fit(stage: &Stage<'_>, alpha: Option<f64>, spec: Spec, seed: u64) -> Result<Trial> {
    Bench::new(stage, spec.kind(), alpha.is_some())?.one(alpha, spec, seed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use limbeck_data::{Feature, FeatureValues};

    use limbeck_options::Options;

    use super::*;
    use crate::objective::HeadKind;
    use crate::search::{KnownRows, NewRows, Study};
    use crate::stage::Y;
    use crate::student::options::StudentKind;
    use limbeck_data::checkpoint::NO_CHECKPOINTS;

    fn features(columns: usize, category: bool, rows: std::ops::Range<usize>) -> Features {
        let n = rows.len();
        let number = |j: usize| Feature {
            name: format!("n{j}"),
            values: FeatureValues::Number(
                rows.clone()
                    .map(|i| ((i * (2 * j + 3)) as f64 * 0.618_033_988).fract())
                    .collect(),
            ),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        let mut columns: Vec<Feature> = (0..columns).map(number).collect();
        if category {
            let levels = Arc::new((0..40).map(|l| format!("level {l:02}")).collect());
            let codes = rows.map(|i| (i * 7 % 40) as u32).collect();
            columns.push(Feature {
                name: "c".into(),
                values: FeatureValues::Category { codes, levels },
                integer: false,
                missing: limbeck_data::MissingNumbers::default(),
                date: None,
                history: None,
            });
        }
        Features {
            columns,
            rows: n,
            past: None,
        }
    }

    fn target(features: &Features) -> Vec<f64> {
        let FeatureValues::Number(first) = &features.columns[0].values else {
            return vec![0.0; features.rows];
        };
        first
            .iter()
            .enumerate()
            .map(|(i, x)| 100.0 + 20.0 * (5.0 * x).sin() + (i % 7) as f64)
            .collect()
    }

    /// A search on these columns with new rows and a slightly wrong teacher; all splits are the same.
    fn on_search(
        columns: usize,
        category: bool,
        student: &StudentOptions,
        splits: usize,
        check: impl FnOnce(&Search<'_>),
    ) {
        let objective = ObjectiveOptions::default();
        let hints = HintOptions::default();
        let study = Study {
            student,
            objective: &objective,
            hints: &hints,
            slope_reach: 1.0,
            targets: std::slice::from_ref(&Y),
            target_weights: &[],
            horizon_weights: &[],
            rows_before: 0,
            seed: 3,
            checkpoints: &NO_CHECKPOINTS,
            stop: limbeck_data::Stop::NEVER,
        };
        let (train, valid) = (
            features(columns, category, 0..400),
            features(columns, category, 400..500),
        );
        let off = |target: &[f64]| target.iter().map(|y| y + 0.5).collect::<Vec<f64>>();
        let (y, v) = (target(&train), target(&valid));
        let (t, tv) = (off(&y), off(&v));
        let (ones, std, rows) = (
            vec![1.0; 400],
            vec![1.0; 400],
            (0..400).collect::<Vec<usize>>(),
        );
        let more = features(columns, category, 1000..1200);
        let mean = off(&target(&more));
        let new = NewRows {
            features: more.into(),
            mean,
            std: vec![1.0; 200],
            source: vec![None; 200],
            weight: vec![1.0; 200],
            second: vec![false; 200],
        };
        let set = TransferSet {
            known: KnownRows {
                rows: rows.clone(),
                features: train.into(),
                target: y,
                weight: ones.clone(),
                blocks: None,
                teacher: t,
                std: std.clone(),
            },
            new,
            coordinates: None,
        };
        let held = KnownRows {
            rows: rows[..100].to_vec(),
            features: valid.into(),
            target: v,
            weight: ones[..100].to_vec(),
            blocks: None,
            teacher: tv,
            std: std[..100].to_vec(),
        };
        let stage = || Stage::new(&study, &set, Some(&held)).unwrap();
        check(&Search::new((0..splits).map(|_| stage()).collect()));
    }

    #[test]
    fn every_kind_stays_within_its_budget_on_both_sides() {
        for params in [250, 1500] {
            for (kind, columns, category) in [
                (NonNeural::Linear, 5, true),
                (NonNeural::Trees, 5, true),
                (NonNeural::Table, 1, false),
                (NonNeural::Table, 2, false),
                (NonNeural::Table, 3, false),
            ] {
                let student = StudentOptions {
                    kind: kind.student_kind(),
                    params,
                    ..StudentOptions::default()
                };
                on_search(columns, category, &student, 2, |search| {
                    let stage = search.first();
                    let choice = choose(search, kind).unwrap();
                    for trial in choice.baseline.iter().chain(&choice.distilled) {
                        let spec = trial.setting.spec.unwrap();
                        assert_eq!(spec.kind(), kind);
                        let student = stage
                            .student(trial, Default::default(), Vec::new())
                            .unwrap();
                        assert!(
                            student.parameters() <= params,
                            "{spec:?}: {} of {params}",
                            student.parameters()
                        );
                        assert!(trial.valid_error.is_finite());
                        // Both splits are the same here.
                        assert_eq!(
                            (trial.valid_pred.len(), trial.valid_pred[0]),
                            (200, trial.valid_pred[100])
                        );
                        let again = fit(stage, trial.setting.alpha, spec, 3).unwrap();
                        assert!(
                            again
                                .model
                                .as_ref()
                                .is_some_and(|model| model.parameters() <= params),
                            "{spec:?}"
                        );
                    }
                    let found = best(&choice.baseline).unwrap();
                    let limit = if kind == NonNeural::Linear { 15.0 } else { 8.0 };
                    assert!(
                        found.valid_error < limit,
                        "{:?}: {}",
                        found.setting.spec,
                        found.valid_error
                    );
                    assert_eq!(
                        baseline(search, kind).unwrap().map(|trial| trial.setting),
                        Some(found.setting)
                    );
                });
            }
        }
    }

    #[test]
    fn rows_have_blended_labels_and_copies_as_weight() {
        let student = StudentOptions {
            kind: StudentKind::Linear,
            ..StudentOptions::default()
        };
        on_search(2, false, &student, 1, |search| {
            let stage = search.first();
            let bench = Bench::new(stage, NonNeural::Linear, true).unwrap();
            let (baseline, pure) = (bench.rows(None), bench.rows(Some(1.0)));
            assert_eq!(
                (baseline.y.len(), pure.y.len(), pure.x.len()),
                (400, 600, 1200)
            );
            assert!(baseline.w.iter().chain(&pure.w).all(|&w| w == 1.0));
            // The teacher's label is 0.5 above the target.
            let step = (0.5 / stage.first().scale) as f32;
            assert!(
                baseline
                    .y
                    .iter()
                    .zip(&pure.y)
                    .all(|(y, t)| (t - y - step).abs() < 1e-5)
            );
            // Hardly any teacher: labelled rows nine times as heavy as all others, in four or five copies.
            let hard = bench.rows(Some(0.0));
            assert!(hard.w[0] > 1.0 && hard.w[500] == 0.0 && hard.y[0] == baseline.y[0]);
        });
    }

    #[test]
    fn kinds_that_do_not_fit_are_passed_over_or_named() {
        let student = StudentOptions {
            kind: StudentKind::Linear,
            params: 250,
            ..StudentOptions::default()
        };
        on_search(4, false, &student, 1, |search| {
            assert!(baseline(search, NonNeural::Table).unwrap().is_none());
            assert!(
                choose(search, NonNeural::Table)
                    .unwrap_err()
                    .to_string()
                    .contains("needs 1 to 3 numeric columns and no others, found 4 features")
            );
        });
        on_search(90, false, &student, 1, |search| {
            assert!(baseline(search, NonNeural::Linear).unwrap().is_none());
            assert!(matches!(
                choose(search, NonNeural::Linear),
                Err(Error::BudgetTooSmall { allowed: 250, .. })
            ));
        });
        // A network of so many columns does not fit either: `auto` takes what does.
        let student = StudentOptions {
            kind: StudentKind::Auto,
            params: 330,
            ..StudentOptions::default()
        };
        on_search(90, false, &student, 1, |search| {
            let kinds =
                crate::search::choose(search, &|_| limbeck_nets::Control::Continue).unwrap();
            assert!(
                kinds
                    .baseline
                    .iter()
                    .all(|trial| trial.setting.kind() == StudentKind::Trees)
                    && !kinds.baseline.is_empty()
            );
        });
    }

    #[test]
    fn options_of_networks_are_refused() {
        let refused = |student: &StudentOptions, objective: &ObjectiveOptions| {
            limbeck_options::check(&[student.view(), objective.view()])
                .map_err(|refused| refused.to_string())
        };
        let student = StudentOptions {
            kind: StudentKind::Trees,
            ..StudentOptions::default()
        };
        let objective = ObjectiveOptions::default();
        assert_eq!(refused(&student, &objective), Ok(()));
        let layered = StudentOptions {
            hidden: Some(vec![4]),
            ..student.clone()
        };
        assert!(
            refused(&layered, &objective)
                .unwrap_err()
                .contains("student.hidden")
        );
        let auto = StudentOptions {
            kind: StudentKind::Auto,
            ..layered
        };
        assert_eq!(refused(&auto, &objective), Ok(()));
        let binned = ObjectiveOptions {
            head: HeadKind::Binned,
            ..objective
        };
        assert_eq!(
            refused(&student, &binned).unwrap_err(),
            "objective.head: binned needs `student.kind` to be mlp, gru or lstm, found trees: only a network learns distributions"
        );
        assert_eq!(refused(&StudentOptions::default(), &binned), Ok(()));
    }
}
