//! Makes the teacher's labels of every row: fits a teacher, queries one, or reads a model file, an earlier run or a column of predictions.

use std::path::Path;

use limbeck_data::figures::{counted, grouped};
use limbeck_data::folds::NO_FOLD;
use limbeck_data::{
    DataOptions, Dataset, Features, Folds, GivenTeacher, LearnedUnit, ReadOptions, Table, metrics,
};
use limbeck_distill::hints::{Coordinates, HintKind, HintOptions, Space};
use limbeck_distill::transfer::{self, EarlierRows, Transfer, TransferOptions, accepted};
use limbeck_teach::command::CommandTeacher;
use limbeck_teach::{
    EarlyAnswers, FeatureLayer, FittedTeacher, Prediction, PredictiveStd, Sample, WhichFit, Work,
};
use rayon::prelude::*;

use super::external::ExternalTeacher;
use super::store::{LabelStore, TeacherFeatures};
use super::students::StudyOptions;
use super::{ensemble, rounds};
use crate::error::{Error, Result};
use crate::recipe::{TeacherSection, TeacherSource};
use crate::run::Run;
use crate::run::files::{LABELS, TEACHER, TEACHER_FILE};
use crate::session::Session;

/// The options on which the labels depend. Only the options of the quick student are not among them: a network with a short training, which
/// [`rounds`] may use to choose new rows and to correct labels.
#[derive(Clone, Copy)]
pub(crate) struct LabelOptions<'a> {
    pub(crate) teacher: &'a TeacherSection,
    /// The options with which the table was read. Other tables, such as `unlabeled`, are read with the same options.
    pub(crate) data: &'a DataOptions,
    /// How new rows are made.
    pub(crate) transfer: &'a TransferOptions,
    /// A table of the user's rows without a target, which the teacher labels as well.
    pub(crate) unlabeled: Option<&'a Path>,
    /// Options of feature distillation: whether the teacher's inner features are stored, and how.
    pub(crate) hints: &'a HintOptions,
    /// True if the student carries its state from row to row.
    pub(crate) carried: bool,
    /// New rows that were made for another target of the same student. The same rows are labelled then.
    pub(crate) same: Option<&'a Transfer>,
    pub(crate) seed: u64,
}

impl<'a> LabelOptions<'a> {
    /// The source of the labels; with several teachers, the source of the first.
    pub(crate) fn source(self) -> TeacherSource<'a> {
        self.teacher.source(self.data)
    }
}

/// Predictions and their standard deviations, converted from the target's unit to the learned unit.
fn learned_answers(
    unit: LearnedUnit,
    prediction: &[f64],
    std: Option<&[f64]>,
) -> (Vec<f64>, Option<Vec<f64>>) {
    (
        prediction.iter().map(|&p| unit.learn(p)).collect(),
        std.map(|std| {
            std.iter()
                .zip(prediction)
                .map(|(&sd, &p)| unit.learn_std(sd, p))
                .collect()
        }),
    )
}

/// The labels, each replaced by its `given` label unless that is NaN.
fn with_given(mut labels: Vec<f64>, given: &[f64]) -> Vec<f64> {
    let pairs = labels.iter_mut().zip(given);
    for (label, &given) in pairs.filter(|(_, given)| !given.is_nan()) {
        *label = given;
    }
    labels
}

/// The label if it is finite; NaN, which means no label, if it is not.
fn finite(label: f64) -> f64 {
    if label.is_finite() { label } else { f64::NAN }
}

/// Makes the labels of all rows: the predictions of the recipe's teachers. If the options ask for it, [`rounds::complete`] then keeps only disputed
/// candidates among the new rows (where a quick student disagrees with the teacher), and corrects labels by residuals.
///
/// # Errors
///
/// The errors of the teacher; [`Error::ForeignLabels`] if labels of another run do not belong to this table and recipe.
pub(crate) fn make(
    options: LabelOptions<'_>,
    study: StudyOptions<'_>,
    data: &Dataset,
    session: &Session<'_>,
) -> Result<LabelStore> {
    let answers = answers(options, data, session)?;
    rounds::complete(options.teacher, study, data, answers, session)
}

/// The labels by the teachers that the recipe names, before [`rounds::complete`] selects disputed rows and corrects residuals.
fn answers(options: LabelOptions<'_>, data: &Dataset, session: &Session<'_>) -> Result<LabelStore> {
    let context = Context::new(options, data, session);
    let first = context.first()?;
    if options.teacher.with.is_empty() {
        return Ok(first);
    }
    let mut stores = vec![first];
    for run in &options.teacher.with {
        stores.push(context.read(run)?);
    }
    if stores
        .iter()
        .any(|store| store.new.features.rows != stores[0].new.features.rows)
    {
        return Err(Error::Recipe {
            place: "teacher.with".into(),
            message: "one of the teachers, such as a column of predictions, cannot label new rows; leave that teacher out, or set transfer.munge_rows and the other numbers of new rows to 0".into(),
        });
    }
    let mut store = ensemble::combine(stores, data, options.teacher.combine);
    let note = format!(
        "labels are weighted means over several teachers; weights: {}",
        weights(&store)
    );
    session.note(&note);
    store.summary.notes.push(note);
    Ok(store)
}

/// Kind and weight of each teacher, as text.
fn weights(store: &LabelStore) -> String {
    let members = store.summary.members.iter();
    let named = members.map(|member| format!("{} {:.2}", member.kind, member.weight));
    named.collect::<Vec<_>>().join(", ")
}

/// Labels for the search on one split of the rows, by a teacher that limbeck fits on the training rows of that split alone.
///
/// # Errors
///
/// The errors of the teacher.
pub(crate) fn for_search(
    options: LabelOptions<'_>,
    data: &Dataset,
    session: &Session<'_>,
) -> Result<LabelStore> {
    Ok(Context::new(options, data, session).pilot()?.store)
}

/// Labels by the fold teachers, and what is needed to fit the final teacher.
struct Pilot {
    store: LabelStore,
    teacher: FittedTeacher,
    /// Predictions for the new rows by the teacher's early fits, which were made without validation rows.
    early: EarlyAnswers,
    /// Seconds that the fold teachers took to predict the new rows.
    label_seconds: f64,
}

struct Context<'a> {
    options: LabelOptions<'a>,
    data: &'a Dataset,
    /// Targets in the learned unit.
    target: Vec<f64>,
    unit: LearnedUnit,
    session: &'a Session<'a>,
}

impl<'a> Context<'a> {
    fn new(options: LabelOptions<'a>, data: &'a Dataset, session: &'a Session<'a>) -> Self {
        let unit = data.spec().unit;
        Self {
            options,
            data,
            target: data.target().iter().map(|&y| unit.learn(y)).collect(),
            unit,
            session,
        }
    }

    /// The labels by the recipe's teacher, or by the first one if it names several.
    fn first(&self) -> Result<LabelStore> {
        let source = self.options.source();
        let shows_features = !matches!(source, TeacherSource::Command(_) | TeacherSource::Column);
        if self.options.hints.kind != HintKind::None && !shows_features {
            return Err(Error::Recipe {
                place: "hints.kind".into(),
                message: "a command or a column of predictions has no inner features to learn from; leave out `hints.kind`, give a model file (teacher.model), or let limbeck fit the teacher".into(),
            });
        }
        let predicts_values = matches!(
            source,
            TeacherSource::Command(_) | TeacherSource::Model { .. }
        );
        if predicts_values && !self.data.base.is_empty() {
            return Err(Error::Recipe {
                place: "data.learn".into(),
                message: "changes from the present value are learned, but a command or a model file predicts values; use `--learn value`, or let limbeck fit the teacher".into(),
            });
        }
        match source {
            TeacherSource::Run(run) => self.read(run),
            TeacherSource::Model {
                path,
                columns,
                output,
            } => {
                let data = &self.data.summary;
                self.imported(&ExternalTeacher::read(path, columns, output, data)?)
            }
            TeacherSource::Column => self.given(),
            TeacherSource::Command(options) => {
                let teacher = CommandTeacher::new(options.clone())?
                    .keeping(self.session.checkpoints().clone());
                self.command(&teacher)
            }
            TeacherSource::Fit => self.full(self.pilot()?),
        }
    }

    fn transfer(&self) -> Result<Transfer> {
        if let Some(same) = self.options.same {
            return Ok(same.clone());
        }
        let rows = &self.data.split.train;
        let target: Vec<f64> = rows.iter().map(|&row| self.target[row]).collect();
        let earlier = EarlierRows {
            count: self.data.summary.rows_before(),
            carried: self.options.carried,
        };
        let mut new = transfer::make(
            &self.data.features.select(rows),
            &target,
            (self.options.transfer, earlier),
            self.options.seed,
            self.session.stop(),
        )?;
        if let Some(path) = self.options.unlabeled {
            let schema = self.data.summary.schema();
            let options = self.data.summary.reading(self.options.data);
            let table = Table::read_like(path, &schema, &options)?;
            let asked = Features::of_table(
                &table,
                &self.data.summary.features,
                self.data.summary.sequence(),
            )?;
            new.append_rows(asked.cleaned_like(&self.data.features))?;
        }
        let sources = new.source.iter_mut().flatten();
        sources.for_each(|source| *source = rows[*source]);
        Ok(new)
    }

    /// Fits the fold teachers and labels rows with them: training rows (out of fold), validation rows, and new rows for the search.
    ///
    /// These teachers have not seen validation or test rows. Until [`full`](Self::full) is called, the new rows have the same labels for the refit as
    /// for the search.
    fn pilot(&self) -> Result<Pilot> {
        let split = &self.data.split;
        let (features, target, weight) = self.rows(&split.train);
        let folds = Folds::new(
            self.data,
            &split.train,
            self.options.teacher.folds,
            self.options.seed,
        );
        let sample = Sample {
            features: &features,
            target: &target,
            weight: &weight,
            folds,
            rows_before: self.data.summary.rows_before(),
            horizon: self.data.summary.horizon(),
        };
        self.session.begin("teacher: out-of-fold fits");
        let fitted = self.session.time("teacher folds", || {
            let (options, seed) = (self.options.teacher.options(), self.options.seed);
            let fit = |work: Work<'_>| FittedTeacher::fit_folds(&sample, &options, seed, work);
            self.session.teach(fit)
        })?;
        for note in &fitted.notes {
            self.session.note(note);
        }
        let new = self.session.time("augment", || self.transfer())?;
        let mut store = self.empty();
        self.place(
            &mut store,
            &split.train,
            &fitted.labels.prediction,
            Some(&fitted.labels.fold),
        );
        let valid = self.session.time("label", || {
            fitted
                .teacher
                .predict(&self.data.features.select(&split.valid))
        })?;
        self.place(&mut store, &split.valid, &valid, None);
        store.summary.notes = fitted.notes;
        let before = self.session.seconds();
        let early = self.session.time("label", || {
            fitted
                .teacher
                .early_answers(&new.features, self.session.stop())
        })?;
        let labels = fitted
            .teacher
            .predict_after(&new.features, &early, self.session.stop())?;
        let label_seconds = self.session.seconds() - before;
        store.new = new;
        store.pilot = with_given(labels.mean.clone(), &store.new.label);
        self.believe(&mut store, labels);
        Ok(Pilot {
            store,
            teacher: fitted.teacher,
            early,
            label_seconds,
        })
    }

    /// Fits the final teacher on training and validation rows, and labels the test rows with it, and the new rows for the refit.
    fn full(&self, pilot: Pilot) -> Result<LabelStore> {
        let Pilot {
            mut store,
            teacher,
            early,
            label_seconds,
        } = pilot;
        let split = &self.data.split;
        self.session.begin("teacher: fit on all rows");
        let (features, target, weight) = self.rows(&split.train_valid());
        let sample = Sample {
            features: &features,
            target: &target,
            weight: &weight,
            folds: Folds::default(),
            rows_before: self.data.summary.rows_before(),
            horizon: self.data.summary.horizon(),
        };
        let teacher = self.session.time("teacher full", || {
            let (options, seed) = (self.options.teacher.options(), self.options.seed);
            let fit = |work: Work<'_>| teacher.with_full_fit(&sample, &options, seed, work);
            self.session.teach(fit)
        })?;
        self.session.begin("labels");
        let seconds = self.session.seconds();
        let full = self.session.time("label", || {
            teacher.predict_after(&store.new.features, &early, self.session.stop())
        })?;
        let asked = store.new.features.rows;
        store.us_per_row = (asked > 0)
            .then(|| (label_seconds + self.session.seconds() - seconds) * 1e6 / asked as f64);
        let test = self.session.time("label", || {
            teacher.predict(&self.data.features.select(&split.test))
        })?;
        self.place(&mut store, &split.test, &test, None);
        let bytes = teacher.to_bytes()?;
        let shares = teacher.shares();
        store.summary.kind = if let [only] = &shares[..] {
            only.learner.name().into()
        } else {
            "stack".into()
        };
        store.summary.learners = shares;
        store.summary.parameters = Some(teacher.parameters());
        store.summary.bytes = Some(bytes.len());
        store.file = Some(bytes);
        self.believe(&mut store, full);
        self.tell_rejected(&mut store);
        store.features = self.session.time("features", || {
            self.features(&store, &store.teacher, |model, x| {
                Ok(teacher.layers(model, x)?)
            })
        })?;
        Ok(store)
    }

    /// Inputs, targets in the learned unit, and weights of the given rows of the data set.
    fn rows(&self, rows: &[usize]) -> (Features, Vec<f64>, Vec<f64>) {
        (
            self.data.features.select(rows),
            rows.iter().map(|&row| self.target[row]).collect(),
            self.data.weight_of(rows),
        )
    }

    fn command(&self, teacher: &CommandTeacher) -> Result<LabelStore> {
        self.session.begin("teacher command");
        let new = self.session.time("augment", || self.transfer())?;
        let mut asked = self.data.features.clone();
        asked.append(&new.features)?;
        let before = self.session.seconds();
        let answers = self
            .session
            .time("label", || teacher.ask_until(&asked, self.session.stop()))?;
        let us_per_row = (self.session.seconds() - before) * 1e6 / asked.rows.max(1) as f64;
        let (mean, raw) = learned_answers(self.unit, &answers.prediction, answers.std.as_deref());
        self.refuse_no_logarithm(&mean)?;
        let (mut store, prediction) = self.outside(mean, raw.as_deref());
        store.us_per_row = Some(us_per_row);
        store.summary.kind = "command".into();
        self.drop_in_sample(&mut store);
        self.finish(&mut store, new, prediction.mean.clone(), prediction);
        Ok(store)
    }

    /// Labels by a teacher that was fitted elsewhere. It may have seen the training rows. So its labels are not used there: training rows get the
    /// out-of-fold predictions of the table if it has any, and otherwise no labels.
    fn imported(&self, teacher: &ExternalTeacher) -> Result<LabelStore> {
        self.session.begin("teacher file");
        // Predict before new rows are made, so that a missing column is reported at once.
        let Prediction { mut mean, mut std } = self
            .session
            .time("label", || teacher.predict(&self.data.features, self.unit))?;
        let known = mean.clone();
        self.refuse_no_logarithm(&mean)?;
        let split = &self.data.split;
        let new = self.session.time("augment", || self.transfer())?;
        let before = self.session.seconds();
        let answers = self
            .session
            .time("label", || teacher.predict(&new.features, self.unit))?;
        let us_per_row = (new.features.rows > 0)
            .then(|| (self.session.seconds() - before) * 1e6 / new.features.rows as f64);
        mean.extend(answers.mean);
        std.extend(answers.std);
        let (mut store, prediction) = self.outside(mean, (!std.is_empty()).then_some(&std));
        store.us_per_row = us_per_row;
        store.summary.kind.clone_from(&teacher.kind);
        store.summary.parameters = teacher.teacher.parameters();
        store.summary.bytes = Some(teacher.bytes);
        for &row in &split.train {
            store.teacher[row] = f64::NAN;
        }
        let note = match &self.data.given {
            Some(GivenTeacher {
                prediction,
                fold: Some(fold),
                ..
            }) => {
                for &row in split.train.iter().filter(|&&row| fold[row] != NO_FOLD) {
                    (store.teacher[row], store.fold[row]) =
                        (finite(self.unit.learn(prediction[row])), fold[row]);
                }
                "for training rows, the out-of-fold predictions in the table are used"
            }
            _ => {
                "on training rows, the students learn from the targets only; to use labels on these rows too, give out-of-fold predictions \
                 (data.teacher_column with data.teacher_fold)"
            }
        };
        let note = format!(
            "the teacher was fitted elsewhere (not in this run): {note}; if the teacher was also fitted on validation or test rows, its errors on these rows are too small"
        );
        for note in teacher.notes.iter().chain([&note]) {
            self.session.note(note);
            store.summary.notes.push(note.clone());
        }
        self.finish(&mut store, new, prediction.mean.clone(), prediction);
        store.features = self.session.time("features", || {
            self.features(&store, &known, |_, x| Ok(teacher.teacher.layers(x)?))
        })?;
        Ok(store)
    }

    fn given(&self) -> Result<LabelStore> {
        let Some(given) = &self.data.given else {
            unreachable!("a recipe with a teacher column has data with one")
        };
        let (mean, std) = learned_answers(self.unit, &given.prediction, given.std.as_deref());
        self.refuse_no_logarithm(&mean)?;
        let (mut store, _) = self.outside(mean, std.as_deref());
        store.summary.kind = "column".into();
        let note = "a column of predictions cannot label new rows, so no new rows are made, although new rows usually help most; give a teacher model \
                    (--teacher-model) or a command (--teacher-command) that can label new rows";
        self.session.note(note);
        store.summary.notes.push(note.to_owned());
        if let Some(fold) = &given.fold {
            store.fold.clone_from(fold);
            for &row in &self.data.split.train {
                if fold[row] == NO_FOLD {
                    store.teacher[row] = f64::NAN;
                }
            }
        } else {
            self.drop_in_sample(&mut store);
        }
        Ok(store)
    }

    /// Refuses a teacher if its prediction for a validation or test row is not finite in the learned unit, since it has no logarithm. On training
    /// rows and new rows, such predictions are ignored.
    fn refuse_no_logarithm(&self, mean: &[f64]) -> Result<()> {
        let split = &self.data.split;
        match split
            .valid
            .iter()
            .chain(&split.test)
            .find(|&&row| !mean[row].is_finite())
        {
            Some(&row) => Err(limbeck_teach::Error::ModelLog {
                row: self.data.rows[row] + 1,
            }
            .into()),
            None => Ok(()),
        }
    }

    /// Makes a store from the predictions `mean` of a teacher that limbeck did not fit. `raw` are its standard deviations, if it gives any. Both
    /// lists begin with the rows of the data set and continue with the new rows. The predictions for the new rows are returned beside the store.
    /// Standard deviations are fitted to the errors on validation rows.
    fn outside(&self, mut mean: Vec<f64>, raw: Option<&[f64]>) -> (LabelStore, Prediction) {
        let mut store = self.empty();
        let rows = &self.data.split.valid;
        let weight = self.data.weight_of(rows);
        let features = Features {
            columns: Vec::new(),
            rows: rows.len(),
            past: None,
        };
        let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
        let target = pick(&self.target);
        let sample = Sample {
            features: &features,
            target: &target,
            weight: &weight,
            folds: Folds::default(),
            rows_before: 0,
            horizon: 0,
        };
        let known: Vec<usize> = (0..rows.len()).collect();
        let (std, notes) =
            PredictiveStd::fit(&sample, &known, &pick(&mean), raw.map(pick).as_deref());
        for note in &notes {
            self.session.note(note);
        }
        store.summary.notes = notes;
        store.std = std.apply(raw, mean.len());
        let at = self.data.target().len();
        let new = Prediction {
            mean: mean.split_off(at),
            std: store.std.split_off(at),
        };
        store.teacher = mean.into_iter().map(finite).collect();
        (store, new)
    }

    /// Deletes the teacher's labels of training rows if the teacher seems to have been fitted on these rows.
    fn drop_in_sample(&self, store: &mut LabelStore) {
        if self.looks_in_sample(store) {
            let note =
                "the teacher's labels of the training rows are not used, because the teacher was probably fitted on these rows: there, the students learn from the targets only"
                    .to_owned();
            for &row in &self.data.split.train {
                store.teacher[row] = f64::NAN;
            }
            self.session.note(&note);
            store.summary.notes.push(note);
        }
    }

    /// True if the teacher is far better on training rows than on validation rows; in that case, adds a note.
    fn looks_in_sample(&self, store: &mut LabelStore) -> bool {
        let rmse = |rows: &[usize]| {
            let pick =
                |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
            metrics::rmse(
                &pick(&store.teacher),
                &pick(&self.target),
                &self.data.weight_of(rows),
            )
        };
        let split = &self.data.split;
        let (seen, unseen) = (rmse(&split.train), rmse(&split.valid));
        let found = seen < IN_SAMPLE * unseen;
        if found {
            let note = format!(
                "the teacher's RMSE is {} on training rows and {} on validation rows: the teacher was probably fitted on the training rows, \
                 where its labels repeat the targets; if you can, give out-of-fold predictions (each by a model that was not fitted on that row)",
                limbeck_distill::proof::short(seen),
                limbeck_distill::proof::short(unseen)
            );
            self.session.note(&note);
            store.summary.notes.push(note);
        }
        found
    }

    fn empty(&self) -> LabelStore {
        let n = self.data.target().len();
        LabelStore {
            teacher: vec![f64::NAN; n],
            std: vec![f64::NAN; n],
            fold: vec![NO_FOLD; n],
            new: Transfer {
                features: self.data.features.rows(&[]),
                ..Transfer::default()
            },
            ..LabelStore::default()
        }
    }

    fn place(
        &self,
        store: &mut LabelStore,
        rows: &[usize],
        prediction: &Prediction,
        fold: Option<&[u32]>,
    ) {
        for (i, &row) in rows.iter().enumerate() {
            store.teacher[row] = prediction.mean[i];
            store.std[row] = prediction.std[i];
            if let Some(fold) = fold {
                store.fold[row] = fold[i];
            }
        }
    }

    /// Adds the new rows with their labels for the search (`pilot`) and for the refit (`full`), and decides which of the new rows are accepted.
    fn finish(&self, store: &mut LabelStore, new: Transfer, pilot: Vec<f64>, full: Prediction) {
        store.new = new;
        store.pilot = with_given(pilot, &store.new.label);
        self.believe(store, full);
        self.tell_rejected(store);
    }

    /// Stores the labels of new rows for the refit, and decides which of the new rows are accepted: those with a finite label whose standard
    /// deviation is at most `transfer.reject_std` times the median on training rows.
    fn believe(&self, store: &mut LabelStore, labels: Prediction) {
        let mut std: Vec<f64> = self
            .data
            .split
            .train
            .iter()
            .map(|&row| store.std[row])
            .filter(|sd| sd.is_finite())
            .collect();
        std.sort_by(f64::total_cmp);
        let typical = std.get(std.len() / 2).copied().unwrap_or(f64::INFINITY);
        let Prediction { mean, std } = labels;
        store.full = Prediction {
            mean: with_given(mean, &store.new.label),
            std,
        };
        store.accepted = accepted(&store.full, typical, self.options.transfer.reject_std);
        store.summary.new_rows = store.accepted.len();
        store.summary.rejected_rows = store.accepted.iter().filter(|&&fine| !fine).count();
    }

    fn tell_rejected(&self, store: &mut LabelStore) {
        if store.summary.rejected_rows > 0 {
            let note = format!(
                "the students do not learn from {} of {}, because the teacher is too uncertain there: its standard deviation is more than {} \
                 times the median on training rows (option `transfer.reject_std`), or its prediction is not a finite number",
                grouped(store.summary.rejected_rows),
                counted(store.summary.new_rows, "new row"),
                self.options.transfer.reject_std
            );
            self.session.note(&note);
            store.summary.notes.push(note);
        }
    }

    /// The teacher's inner features for both phases (search and refit): the values that `layers` returns for each of its layers, projected to a few
    /// coordinates. `None` unless the options ask for hints. `answers` are the teacher's predictions on the rows of the data set.
    fn features(
        &self,
        store: &LabelStore,
        answers: &[f64],
        layers: impl Fn(WhichFit, &Features) -> Result<Vec<FeatureLayer>> + Sync,
    ) -> Result<Option<TeacherFeatures>> {
        let hints = self.options.hints;
        if hints.kind == HintKind::None {
            return Ok(None);
        }
        self.session.begin("inner features of the teacher");
        let split = &self.data.split;
        let of = |model, rows: &[usize]| -> Result<Coordinates> {
            let known = layers(model, &self.data.features.select(rows))?;
            let answers: Vec<f64> = rows.iter().map(|&row| answers[row]).collect();
            let spaces: Vec<Space> = known
                .iter()
                .map(|layer| {
                    Space::fit(
                        &layer.values,
                        layer.width,
                        &answers,
                        hints.kind,
                        hints.width,
                    )
                })
                .collect();
            let project = |features: &Features| -> Result<Vec<f32>> {
                let blocks: Vec<Vec<usize>> = (0..features.rows)
                    .step_by(FEATURE_BLOCK)
                    .map(|at| (at..(at + FEATURE_BLOCK).min(features.rows)).collect())
                    .collect();
                let parts = blocks.into_par_iter().map(|rows| {
                    let found = layers(model, &features.select(&rows))?;
                    let parts: Vec<Vec<f32>> = spaces
                        .iter()
                        .zip(&found)
                        .map(|(space, layer)| space.project(&layer.values))
                        .collect();
                    let row = |i: usize| {
                        parts
                            .iter()
                            .flat_map(move |part| &part[i * hints.width..][..hints.width])
                            .copied()
                    };
                    Ok((0..rows.len()).flat_map(row).collect::<Vec<f32>>())
                });
                Ok(parts.collect::<Result<Vec<_>>>()?.concat())
            };
            Ok(Coordinates {
                rows: project(&self.data.features)?,
                new: project(&store.new.features)?,
                attention: spaces
                    .iter()
                    .flat_map(|space| space.attention().iter().copied())
                    .collect(),
            })
        };
        Ok(Some(TeacherFeatures {
            pilot: of(WhichFit::First, &split.train)?,
            full: of(WhichFit::Last, &split.train_valid())?,
        }))
    }

    /// The labels of an earlier run. The inputs of its new rows are not stored, so new rows are made again by this recipe. If they differ from those
    /// of that run, the teacher that is stored there labels them.
    fn read(&self, run: &Path) -> Result<LabelStore> {
        self.session.begin("labels of an earlier run");
        let source = Run::open(run)?;
        let theirs = source.recipe();
        let foreign = |message: String| Error::ForeignLabels {
            path: run.to_owned(),
            message,
        };
        let same = |what: &str, same: bool| match same {
            true => Ok(()),
            false => Err(foreign(format!(
                "{what} differs between the two runs; use the same for both, or do not use the labels of that run (--teacher-from, --teacher-with)"
            ))),
        };
        same(
            "the content or the split of the table",
            source.report().data.same_rows(&self.data.summary),
        )?;
        same("option section `data`", theirs.data == *self.options.data)?;
        let path = source.path().join(TEACHER).join(TEACHER_FILE);
        let teacher = || -> Result<FittedTeacher> {
            let bytes =
                std::fs::read(&path).map_err(Error::file("read the teacher of that run", &path))?;
            Ok(FittedTeacher::from_bytes(&bytes)?)
        };
        if self.options.hints.kind != HintKind::None && !path.exists() {
            return Err(foreign("that run has no teacher file, from which `hints.kind` could read inner features; leave out `hints.kind`, or give the teacher's own model file as `teacher.model`".into()));
        }
        let same_seed = theirs.seed == self.options.seed;
        let same_rows = same_seed
            && theirs.transfer == *self.options.transfer
            && theirs.unlabeled.as_deref() == self.options.unlabeled;
        // Other new rows are allowed if that run has a teacher file, since its teacher can label them.
        if !same_rows && !path.exists() {
            same("seed", same_seed)?;
            same(
                "option section `transfer`",
                theirs.transfer == *self.options.transfer,
            )?;
            same("option `unlabeled`", false)?;
        }
        let table = Table::read(source.path().join(LABELS), &ReadOptions::default())?;
        let mut store = self.empty();
        let has_new = table.rows > self.data.target().len();
        if has_new && same_rows {
            store.new = self.transfer()?;
        }
        store.fill_known(&table, self.data).map_err(foreign)?;
        store.summary = source.report().teacher.clone();
        if same_rows {
            store.fill_new(&table).map_err(foreign)?;
        } else {
            self.session
                .begin("labels of new rows, by the teacher of the earlier run");
            let new = self.transfer()?;
            let teacher = teacher()?;
            let pilot = teacher.early().predict(&new.features)?;
            let full = teacher.predict(&new.features)?;
            self.finish(&mut store, new, pilot.mean, full);
        }
        if self.options.hints.kind != HintKind::None {
            let teacher = teacher()?;
            store.features = self.features(&store, &store.teacher, |model, x| {
                Ok(teacher.layers(model, x)?)
            })?;
        }
        Ok(store)
    }
}

/// Number of rows whose features are computed and then projected to coordinates at a time, to save memory.
const FEATURE_BLOCK: usize = 4096;

/// If the teacher's RMSE on training rows is below this share of its RMSE on validation rows, it was probably fitted on the training rows.
const IN_SAMPLE: f64 = 0.75;
