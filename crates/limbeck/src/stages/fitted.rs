//! Runs all stages after the table is read, in order.

use std::borrow::Cow;

use limbeck_data::split::Split;
use limbeck_data::{Dataset, Table, TargetSpec};
use limbeck_distill::search::{Choice, Refitted};
use limbeck_distill::student::{MemoryKind, StudentKind};
use limbeck_runtime::Student;

use super::budget::{Budget, Planned, TEACHER_END};
use super::calibrate::{self, Calibration, CalibrationOptions, Held};
use super::labels::LabelOptions;
use super::prove::{Case, Proven, Repeats};
use super::splits::{LATE, is_late, note_late};
use super::store::LabelStore;
use super::store::OtherSplit;
use super::students::{Known, ProofOptions, Students, StudyOptions, Trained};
use super::{budget, early, labels, outer, splits};
use crate::error::{Error, Result};
use crate::recipe::{Recipe, TeacherSource};
use crate::report::{Fold, Report};
use crate::session::Session;

/// The result of [`fit`](crate::fit), in memory: both students, chosen, fitted and tested, and the one that is shipped.
pub struct Fitted {
    pub(crate) recipe: Recipe,
    /// Feature columns that the time limit left out; empty without a time limit.
    dropped: Vec<String>,
    /// The split without calibration rows; `None` if no rows were held out to calibrate prediction intervals.
    split: Option<Split>,
    pub(crate) labels: LabelStore,
    pub(crate) proven: Proven,
    pub(crate) choice: Choice,
    pub(crate) refits: Vec<Refitted>,
}

impl Fitted {
    /// The data set that the run learned from: `data` without the columns that the time limit left out. Rows that calibrate prediction intervals are in
    /// no part of its split.
    pub(crate) fn data<'d>(&self, data: &'d Dataset) -> Cow<'d, Dataset> {
        let mut own = budget::narrow(data, &self.dropped);
        if let Some(split) = &self.split {
            own.to_mut().split.clone_from(split);
        }
        own
    }

    /// The recipe; a time limit is replaced by the options chosen to meet it.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The report, with all results.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.proven.report
    }

    /// The student that is shipped.
    #[must_use]
    pub fn student(&self) -> &Student {
        &self.proven.student
    }

    /// The teacher's labels of every row.
    #[must_use]
    pub fn labels(&self) -> &LabelStore {
        &self.labels
    }

    /// Predictions of teacher and students on test rows, in the target's unit. The columns are `row` (of the table), `target`, `weight`, `teacher`,
    /// `baseline`, `distilled`, `shipped` and, if the table is split by group or stretch of time, `block`.
    #[must_use]
    pub fn predictions(&self) -> &Table {
        &self.proven.predictions
    }
}

/// The result of [`fit_joint`](crate::fit_joint): one student of several targets, and a [`Fitted`] for each target.
pub struct Joint {
    /// The recipe as it was given.
    pub(crate) recipe: Recipe,
    pub(crate) student: Student,
    pub(crate) targets: Vec<Fitted>,
}

impl Joint {
    /// The student that is shipped: it predicts all targets.
    #[must_use]
    pub fn student(&self) -> &Student {
        &self.student
    }

    /// The result for each target alone: its teacher's labels, its report, and the student reduced to the output for it.
    #[must_use]
    pub fn targets(&self) -> &[Fitted] {
        &self.targets
    }
}

/// The options of a recipe on which the labels depend.
pub(crate) fn label_options(recipe: &Recipe) -> LabelOptions<'_> {
    LabelOptions {
        teacher: &recipe.teacher,
        data: &recipe.data,
        transfer: &recipe.transfer,
        unlabeled: recipe.unlabeled.as_deref(),
        hints: &recipe.hints,
        carried: recipe.student.memory == MemoryKind::Carried,
        same: None,
        seed: recipe.seed,
    }
}

/// The options of a recipe for students and their training.
pub(crate) fn study_options(recipe: &Recipe) -> StudyOptions<'_> {
    StudyOptions {
        student: &recipe.student,
        objective: &recipe.objective,
        hints: &recipe.hints,
        transfer: &recipe.transfer,
        target_weights: &recipe.target_weights,
        horizon_weights: &recipe.horizon_weights,
        rows_before: recipe.rows_before(),
        seed: recipe.seed,
    }
}

/// The options of a recipe for refits, tests and exports of the students.
fn proof_options(recipe: &Recipe) -> ProofOptions<'_> {
    ProofOptions {
        repeats: (recipe.repeats, recipe.max_repeats),
        worth: recipe.worth,
        measures: &recipe.data.measures,
        formats: &recipe.export,
        is_imported: recipe.teacher.model.is_some(),
        calibration: calibration_options(recipe),
    }
}

/// The options of a recipe for prediction intervals.
pub(crate) fn calibration_options(recipe: &Recipe) -> CalibrationOptions<'_> {
    let of_run = matches!(recipe.teacher_source(), TeacherSource::Run(_));
    CalibrationOptions {
        levels: &recipe.intervals,
        width: recipe.interval_width,
        share: recipe.calibration_share,
        folds: recipe.calibration_folds,
        seed: recipe.seed,
        fits_teacher: recipe.teacher_source() == TeacherSource::Fit,
        may_fold: !recipe.joint && !of_run && recipe.teacher.with.is_empty(),
    }
}

/// The time limit of a recipe. It has to suffice for `teachers` teachers.
pub(crate) fn budget<'a>(
    recipe: &'a Recipe,
    teachers: usize,
    session: &'a Session<'a>,
) -> Budget<'a> {
    Budget {
        asked: Planned {
            teacher: recipe.teacher.options(),
            student: recipe.student.clone(),
            munge_rows: recipe.transfer.munge_rows,
            window_rows: recipe.transfer.window_rows,
            repeats: recipe.repeats,
            max_repeats: recipe.max_repeats,
            dropped: Vec::new(),
        },
        limit: recipe.time_limit.unwrap_or(f64::INFINITY),
        keep: &recipe.data.keep,
        fits_teacher: recipe.teacher_source() == TeacherSource::Fit,
        teachers,
        outer_folds: recipe.outer_folds,
        study: study_options(recipe),
        session,
    }
}

/// The recipe with the options of `plan`, and without a time limit.
pub(crate) fn planned(recipe: &Recipe, plan: &Planned) -> Recipe {
    let Planned {
        teacher,
        student,
        munge_rows,
        window_rows,
        repeats,
        max_repeats,
        dropped,
    } = plan.clone();
    let mut own = recipe.clone();
    own.time_limit = None;
    own.teacher.set_options(teacher);
    own.student = student;
    own.transfer.munge_rows = munge_rows;
    own.transfer.window_rows = window_rows;
    (own.repeats, own.max_repeats) = (repeats, max_repeats);
    own.data.drop.extend(dropped);
    own
}

/// The recipe with the parameter budget that is left for encoder and model of a student, if columns are normalized by operating regimes.
pub(crate) fn within_budget(recipe: &Recipe, data: &Dataset) -> Recipe {
    let regimes = data
        .summary
        .sequence()
        .and_then(|sequence| sequence.regimes.as_ref());
    let mut own = recipe.clone();
    let besides = regimes.map_or(0, limbeck_runtime::Regimes::parameters);
    own.student.params = own.student.params.saturating_sub(besides);
    own
}

/// Makes the labels, trains the students and tests them.
///
/// # Errors
///
/// The errors of the stages.
pub(crate) fn fit(data: &Dataset, recipe: &Recipe, session: &Session<'_>) -> Result<Fitted> {
    let session = &session.ending(recipe.time_limit);
    let teaching = &session.ending(recipe.time_limit.map(|limit| TEACHER_END * limit));
    let (rest, calibration) = calibration_options(recipe).plan(data)?;
    let data = rest.as_ref();
    let mut budget = budget(recipe, 1, session);
    budget.outer_folds += calibration.folds();
    let resolved = budget.resolved(data)?;
    let narrow = budget::narrow(data, &resolved.plan.dropped);
    let data = narrow.as_ref();
    let own = planned(recipe, &resolved.plan);
    let studied = within_budget(&own, data);
    early::check_exports(&own.export, study_options(&studied), data, session)?;
    let labels = labels_of((label_options(&own), &own), data, teaching)?;
    let mut resolved = budget.resolved_students(resolved, data)?;
    let own = planned(recipe, &resolved.plan);
    let others = splits::others(
        label_options(&own),
        &own.student,
        (data, &labels),
        None,
        teaching,
    )?;
    note_late_splits(&mut resolved.notes, [(&labels, &others)], session);
    note_unread(&mut resolved.notes, &own, data, session);
    let studied = within_budget(&own, data);
    let students = Students {
        options: study_options(&studied),
        proof: proof_options(&own),
        notes: &resolved.notes,
        targets: &data.targets.specs,
        known: vec![Known {
            data,
            labels: &labels,
            others: &others,
            calibration: &calibration,
        }],
        session,
    };
    let once = |data: &Dataset, session: &Session<'_>| once(&own, data, session);
    let held_once = |data: &Dataset, session: &Session<'_>| held_once(&own, data, session);
    let repeats = Repeats {
        outer: &|| outer::repeat(own.outer_folds, own.seed, data, session, once),
        calibrate: &|count| calibrate::folds((count, own.seed), data, session, held_once),
    };
    let (proven, choice, refits) =
        students.train(|trained| students.case(0).prove(trained, None, &repeats))?;
    drop(others);
    Ok(Fitted {
        split: calibration.split(data),
        recipe: own,
        dropped: resolved.plan.dropped,
        labels,
        proven,
        choice,
        refits,
    })
}

/// Makes labels, trains students and tests them on `data`, which is one outer fold.
fn once(recipe: &Recipe, data: &Dataset, session: &Session<'_>) -> Result<Fold> {
    repeated(recipe, data, session, |case, trained| case.errors(trained))
}

/// Makes labels and trains students on `data`, which is one calibration fold. Returns the predictions of its test rows by the student that would be
/// shipped.
fn held_once(recipe: &Recipe, data: &Dataset, session: &Session<'_>) -> Result<Held> {
    let one_seed = Recipe {
        repeats: 1,
        max_repeats: 1,
        ..recipe.clone()
    };
    repeated(&one_seed, data, session, |case, trained| {
        case.predicted_test(trained)
    })
}

/// Makes labels, trains students on `data`, and passes them to `then`.
fn repeated<T>(
    recipe: &Recipe,
    data: &Dataset,
    session: &Session<'_>,
    then: impl FnOnce(&Case<'_>, &Trained<'_>) -> Result<T>,
) -> Result<T> {
    let recipe = &within_budget(recipe, data);
    let (of_labels, options) = (label_options(recipe), study_options(recipe));
    let labels = &labels::make(of_labels, options, data, session)?;
    let others = &splits::others(of_labels, options.student, (data, labels), None, session)?;
    let students = Students {
        options,
        proof: proof_options(recipe),
        notes: &[],
        targets: &data.targets.specs,
        known: vec![Known {
            data,
            labels,
            others,
            calibration: &Calibration::None,
        }],
        session,
    };
    let (made, ..) = students.train(|trained| then(&students.case(0), trained))?;
    Ok(made)
}

/// Like [`fit`], for several targets that one network predicts.
///
/// # Errors
///
/// The errors of the stages.
pub(crate) fn fit_joint(data: &Dataset, recipe: &Recipe, session: &Session<'_>) -> Result<Joint> {
    let session = &session.ending(recipe.time_limit);
    let teaching = &session.ending(recipe.time_limit.map(|limit| TEACHER_END * limit));
    let (rest, calibration) = calibration_options(recipe).plan(data)?;
    let data = rest.as_ref();
    let budget = budget(recipe, data.targets.specs.len(), session);
    let mut resolved = budget.resolved(&data.of_target(0))?;
    let narrow = budget::narrow(data, &resolved.plan.dropped);
    let data = narrow.as_ref();
    let each: Vec<Dataset> = (0..data.targets.specs.len())
        .map(|at| data.of_target(at))
        .collect();
    // Students that are no networks predict one target.
    if resolved.plan.student.kind.cell().is_none() {
        resolved.plan.student.kind = StudentKind::Mlp;
    }
    let own = planned(recipe, &resolved.plan);
    early::check_exports(
        &own.export,
        study_options(&within_budget(&own, data)),
        &each[0],
        session,
    )?;
    let mut stores: Vec<LabelStore> = Vec::new();
    for data in &each {
        let name = &data.spec().name;
        session.begin(&format!("teacher of {name}"));
        let options = LabelOptions {
            same: stores.first().map(|store| &store.new),
            ..label_options(&own)
        };
        stores.push(labels_of((options, &own), data, &teaching.named(name))?);
    }
    let mut resolved = budget.resolved_students(resolved, &each[0])?;
    let own = planned(recipe, &resolved.plan);
    agree(stores.iter_mut().collect())?;
    let mut others: Vec<Vec<OtherSplit<'_>>> = Vec::new();
    for (data, store) in each.iter().zip(&stores) {
        let session = teaching.named(&data.spec().name);
        let (options, first) = (label_options(&own), others.first().map(Vec::as_slice));
        let made = splits::others(options, &own.student, (data, store), first, &session)?;
        others.push(made);
    }
    note_late_splits(&mut resolved.notes, stores.iter().zip(&others), session);
    note_unread(&mut resolved.notes, &own, data, session);
    for split in 0..others[0].len() {
        let of_split = others.iter_mut().map(|own| own[split].store.to_mut());
        agree(of_split.collect())?;
    }
    let known = each.iter().zip(&stores).zip(&others);
    let studied = within_budget(&own, data);
    let students = Students {
        options: study_options(&studied),
        proof: proof_options(&own),
        notes: &resolved.notes,
        targets: &data.targets.specs,
        known: known
            .map(|((data, labels), others)| Known {
                data,
                labels,
                others,
                calibration: &calibration,
            })
            .collect(),
        session,
    };
    // A student of several targets has no outer folds, and no calibration folds.
    let repeats = Repeats {
        outer: &|| Ok((None, None)),
        calibrate: &|_| Ok(Held::default()),
    };
    let prove = |trained: &Trained<'_>| {
        let (student, report) = students.joint(trained)?;
        let of = |at| {
            let proven = students.case(at).prove(trained, Some(&report), &repeats)?;
            Ok((proven, trained.search.choice_of(trained.choice, at)))
        };
        let mut proven = (0..each.len())
            .map(of)
            .collect::<Result<Vec<(Proven, Choice)>>>()?;
        let notes = early::not_exported(&own.export, &student);
        notes.iter().for_each(|note| session.note(note));
        proven[0].0.report.notes.extend(notes);
        Ok((proven, student))
    };
    let ((proven, student), _, refits) = students.train(prove)?;
    drop(students);
    drop(others);
    let specs = &data.targets.specs;
    let split = calibration.split(data);
    let fitted = |(spec, ((proven, choice), labels)): (&TargetSpec, (_, LabelStore))| Fitted {
        recipe: recipe_of(&own, spec),
        dropped: resolved.plan.dropped.clone(),
        split: split.clone(),
        labels,
        proven,
        choice,
        refits: refits.clone(),
    };
    let each = specs.iter().zip(proven.into_iter().zip(stores));
    let targets = each.map(fitted).collect();
    Ok(Joint {
        recipe: recipe.clone(),
        student,
        targets,
    })
}

/// The recipe for one of several targets of a joint student: its column and its horizon come first, and each column and horizon keeps its weight.
fn recipe_of(recipe: &Recipe, target: &TargetSpec) -> Recipe {
    let mut own = recipe.clone();
    let columns = std::iter::once(&recipe.data.target).chain(&recipe.targets);
    let columns: Vec<String> = columns.cloned().collect();
    let (columns, weights) = first_of(&columns, &recipe.target_weights, target.column());
    (own.targets, own.target_weights) = (columns, weights);
    own.data.target = own.targets.remove(0);
    if let Some(later) = &target.later {
        let all: Vec<usize> = recipe.data.all_horizons().collect();
        let first = later.horizon as usize;
        let (horizons, weights) = first_of(&all, &recipe.horizon_weights, &first);
        (own.data.horizons, own.horizon_weights) = (horizons, weights);
        own.data.horizon = own.data.horizons.remove(0);
    }
    own
}

/// The values in their order, but with `first` before all others; and their weights, if there are any.
fn first_of<T: Clone + PartialEq<F>, F: ?Sized>(
    values: &[T],
    weights: &[f64],
    first: &F,
) -> (Vec<T>, Vec<f64>) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&at| (values[at] != *first, at));
    let weights = order.iter().filter_map(|&at| weights.get(at).copied());
    let weights = weights.collect();
    (
        order.iter().map(|&at| values[at].clone()).collect(),
        weights,
    )
}

fn labels_of(
    (options, recipe): (LabelOptions<'_>, &Recipe),
    data: &Dataset,
    session: &Session<'_>,
) -> Result<LabelStore> {
    session.piece("labels", || {
        let mut labels = labels::make(options, study_options(recipe), data, session)?;
        session.go_on()?;
        note_late(options, &mut labels, session);
        if is_late(&labels) {
            session.note(LATE);
        }
        Ok(labels)
    })
}

/// Adds a note if the time limit ended the fits of a teacher for an additional split of the rows. A target does not count if its labels for the first
/// split already have this note.
fn note_late_splits<'s, 'd: 's>(
    notes: &mut Vec<String>,
    of: impl IntoIterator<Item = (&'s LabelStore, &'s Vec<OtherSplit<'d>>)>,
    session: &Session<'_>,
) {
    let mut each = of.into_iter();
    if each.any(|(own, others)| !is_late(own) && others.iter().any(|split| is_late(&split.store))) {
        session.note(LATE);
        notes.push(LATE.to_owned());
    }
}

/// Adds a note on columns that a recurrent student does not see.
fn note_unread(notes: &mut Vec<String>, recipe: &Recipe, data: &Dataset, session: &Session<'_>) {
    if let Some(note) = early::unread(recipe.student.kind, data) {
        session.note(&note);
        notes.push(note);
    }
}

/// Rejects new rows in all `stores` unless they are accepted in each, so that all targets learn from the same new rows. There is one store per
/// target.
fn agree(stores: Vec<&mut LabelStore>) -> Result<()> {
    let first = &stores[0].new.features;
    if stores.iter().any(|store| !store.new.features.same(first)) {
        return Err(Error::Recipe {
            place: "joint".into(),
            message: "the new rows differ between the targets, but one student of several targets must learn from the same rows; leave out options of section `transfer` that choose rows by their targets, such as `mixup_rows`, or leave out `joint`".into(),
        });
    }
    let all = |row: usize| stores.iter().all(|store| store.accepted[row]);
    let accepted: Vec<bool> = (0..stores[0].accepted.len()).map(all).collect();
    let each = stores.into_iter().map(|store| &mut store.accepted);
    each.for_each(|own| own.clone_from(&accepted));
    Ok(())
}

#[cfg(test)]
mod tests {
    use limbeck_data::LearnedUnit;

    use super::*;

    #[test]
    fn weights_move_with_their_targets() {
        let mut recipe = Recipe::for_table("t.csv", "a");
        recipe.targets = vec!["b".into(), "c".into()];
        recipe.target_weights = vec![1.0, 2.0, 3.0];
        let column = |name: &str| TargetSpec::new(name, LearnedUnit::Own);
        let own = recipe_of(&recipe, &column("b"));
        assert_eq!(
            (own.data.target.as_str(), own.targets),
            ("b", vec!["a".to_owned(), "c".into()])
        );
        assert_eq!(own.target_weights, [2.0, 1.0, 3.0]);
        recipe.target_weights.clear();
        assert!(recipe_of(&recipe, &column("c")).target_weights.is_empty());
        (recipe.data.horizon, recipe.data.horizons) = (1, vec![6, 24]);
        recipe.horizon_weights = vec![3.0, 2.0, 1.0];
        let own = recipe_of(&recipe, &recipe.data.targets(&recipe.targets)[4]);
        assert_eq!((&*own.data.target, own.data.horizon), ("b", 6));
        assert_eq!(
            (own.data.horizons, own.horizon_weights),
            (vec![1, 24], vec![2.0, 3.0, 1.0])
        );
    }
}
