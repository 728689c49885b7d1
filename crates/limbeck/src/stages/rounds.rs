//! Steps before the search that need a quick student (a network with a short training): selection of rows on which it disagrees with the teacher, and
//! residual correction of labels.

use limbeck_data::{Dataset, Features, Folds};
use limbeck_distill::objective::Alpha;
use limbeck_distill::search::{Progress, Stage, Study};
use limbeck_distill::student::{StudentKind, StudentOptions};
use limbeck_distill::transfer::most_disputed;
use limbeck_nets::Control;
use limbeck_teach::{FittedTeacher, Prediction, Sample, Work};

use super::store::LabelStore;
use super::students::StudyOptions;
use crate::error::Result;
use crate::recipe::TeacherSection;
use crate::session::Session;

/// Share of teacher labels in the loss of a quick student, if the option `alpha` is auto.
const QUICK_ALPHA: f64 = 0.7;

/// The optional steps after the teacher has labeled the rows. A *quick* student is trained for a short time, only for such a step.
///
/// 1. With `transfer.adversarial_rows`: of the candidates among the new rows, keeps those on which a quick student disagrees most with the teacher.
/// 2. With `teacher.residual_rounds`: in each round, trains a quick student, fits its residuals (target minus prediction), and adds this fit,
///    times `teacher.residual_step`, to the student's predictions. The sums are the new labels.
///
/// # Errors
///
/// The errors of training and of the teacher.
pub(crate) fn complete(
    teacher: &TeacherSection,
    options: StudyOptions<'_>,
    data: &Dataset,
    mut store: LabelStore,
    session: &Session<'_>,
) -> Result<LabelStore> {
    let rounds = Rounds {
        teacher,
        options,
        data,
        session,
    };
    let candidates: Vec<usize> = store
        .kept()
        .into_iter()
        .filter(|&row| store.new.candidate[row])
        .collect();
    if candidates.len() > options.transfer.adversarial_rows {
        store = session.time("disputed rows", || rounds.keep_disputed(store, &candidates))?;
    }
    for _ in store.summary.residual_rounds..teacher.residual_rounds {
        store = session.time("residual teacher", || rounds.teach_residuals(store))?;
    }
    Ok(store)
}

struct Rounds<'a> {
    teacher: &'a TeacherSection,
    options: StudyOptions<'a>,
    data: &'a Dataset,
    session: &'a Session<'a>,
}

impl Rounds<'_> {
    /// Trains a quick student on the training rows and the accepted new rows, and returns its predictions for each of the inputs `asked`.
    fn quick(&self, phase: &str, store: &LabelStore, asked: &[&Features]) -> Result<Vec<Vec<f64>>> {
        // The quick student is a network, whatever kind the student of the run is.
        let student = StudentOptions {
            kind: StudentKind::Mlp,
            ..self.options.student.clone()
        };
        let study = Study {
            student: &student,
            ..self.options.study(&self.data.targets.specs, self.session)
        };
        let set = store.for_search(self.data, self.options.transfer.perturb_weight);
        let stage = Stage::new(&study, &set, None)?;
        let alpha = match self.options.objective.alpha {
            Alpha::Auto => QUICK_ALPHA,
            Alpha::Fixed(alpha) => alpha,
        };
        let watch = |_: &Progress<'_>| {
            if self.session.is_over() {
                Control::Stop
            } else {
                Control::Continue
            }
        };
        let trial = stage.quick(phase, alpha, &watch)?;
        Ok(asked
            .iter()
            .map(|features| stage.answers(&trial, features))
            .collect::<Result<_, _>>()?)
    }

    /// The teacher's predictions for the given new rows, of the quantity that the student predicts: the mean, or a quantile.
    fn answers(&self, store: &LabelStore, rows: &[usize]) -> Vec<f64> {
        let objective = self.options.objective;
        let answer = |&row: &usize| objective.answer(store.pilot[row], store.full.std[row]);
        rows.iter().map(answer).collect()
    }

    /// Of the candidate rows, accepts only those on which a quick student, trained without them, differs most from the teacher.
    fn keep_disputed(&self, mut store: LabelStore, candidates: &[usize]) -> Result<LabelStore> {
        self.session
            .begin("rows on which a quick student disagrees with the teacher");
        candidates
            .iter()
            .for_each(|&row| store.accepted[row] = false);
        let asked = store.new.features.select(candidates);
        let answers = self.quick("disputed", &store, &[&asked])?;
        let labels = self.answers(&store, candidates);
        let all: Vec<usize> = (0..candidates.len()).collect();
        self.note(&mut store, format!(
            "of {} candidate rows that the teacher labeled, only the {} are kept on which a quickly trained student disagrees most with the teacher",
            candidates.len(),
            self.options.transfer.adversarial_rows
        ));
        for place in most_disputed(
            &answers[0],
            &labels,
            &all,
            self.options.transfer.adversarial_rows,
        ) {
            store.accepted[candidates[place]] = true;
        }
        Ok(store)
    }

    /// Residual-as-teacher: the labels become `s + η · r̂`. Here `s` are the predictions of a quick student, `y` the targets, `η` the option
    /// `teacher.residual_step`, and `r̂` a model of the teacher's kind that is fitted, out of fold, to `y − s`.
    ///
    /// Corrects a biased teacher, since `r̂` is fitted to targets. Source: Yamamoto & Wainwright 2026, arXiv 2603.25466 (abstract);
    /// here every round trains a new student.
    fn teach_residuals(&self, mut store: LabelStore) -> Result<LabelStore> {
        self.session.begin("teacher of the student's residuals");
        let (data, teaching, seed) = (self.data, self.teacher, self.options.seed);
        let split = &data.split;
        let round = format!("residual{}", store.summary.residual_rounds + 1);
        let session = self.session.named(&round);
        let answers = self.quick(&round, &store, &[&data.features, &store.new.features])?;
        let (own, new) = (&answers[0], &answers[1]);
        let residual = |rows: &[usize]| -> Vec<f64> {
            rows.iter()
                .map(|&row| data.spec().unit.learn(data.target()[row]) - own[row])
                .collect()
        };
        let sample_of = |rows: &[usize]| {
            (
                data.features.select(rows),
                residual(rows),
                data.weight_of(rows),
            )
        };
        let (features, target, weight) = sample_of(&split.train);
        let folds = Folds::new(data, &split.train, teaching.folds, seed);
        let (rows_before, horizon) = (data.summary.rows_before(), data.summary.horizon());
        let sample = Sample {
            features: &features,
            target: &target,
            weight: &weight,
            folds,
            rows_before,
            horizon,
        };
        let options = teaching.options();
        let fit = |work: Work<'_>| FittedTeacher::fit_folds(&sample, &options, seed, work);
        let fitted = session.teach(fit)?;
        let (features, target, weight) = sample_of(&split.train_valid());
        let sample = Sample {
            features: &features,
            target: &target,
            weight: &weight,
            folds: Folds::default(),
            rows_before,
            horizon,
        };
        let fit = |work: Work<'_>| fitted.teacher.with_full_fit(&sample, &options, seed, work);
        let teacher = session.teach(fit)?;
        let step = teaching.residual_step;
        let mut place = |rows: &[usize], residual: &Prediction| {
            for (i, &row) in rows.iter().enumerate() {
                store.teacher[row] = own[row] + step * residual.mean[i];
                store.std[row] = residual.std[i];
            }
        };
        place(&split.train, &fitted.labels.prediction);
        place(
            &split.valid,
            &fitted
                .teacher
                .predict(&data.features.select(&split.valid))?,
        );
        place(
            &split.test,
            &teacher.predict(&data.features.select(&split.test))?,
        );
        let pilot = fitted.teacher.predict(&store.new.features)?;
        let full = teacher.predict(&store.new.features)?;
        let moved = |residual: &[f64]| {
            new.iter()
                .zip(residual)
                .map(|(s, r)| s + step * r)
                .collect()
        };
        store.pilot = moved(&pilot.mean);
        store.full = Prediction {
            mean: moved(&full.mean),
            std: full.std,
        };
        // No teacher file is stored: the teacher alone no longer gives these labels.
        store.file = None;
        store.summary.residual_rounds += 1;
        self.note(&mut store, "labels are the predictions of a quickly trained student plus a teacher's fit of its residuals; the errors of the teacher in the report are those of this sum".into());
        Ok(store)
    }

    fn note(&self, store: &mut LabelStore, note: String) {
        self.session.note(&note);
        store.summary.notes.push(note);
    }
}
