//! Runs all stages after the table is read, in order.

use std::borrow::Cow;

use limbeck_data::{Dataset, Table};
use limbeck_distill::search::{Choice, Refitted};
use limbeck_distill::student::StudentKind;
use limbeck_runtime::Student;

use super::budget::{Budget, TEACHER_END};
use super::prove::Proven;
use super::splits::{LATE, is_late, note_late};
use super::store::LabelStore;
use super::store::OtherSplit;
use super::students::{Known, Students, Trained};
use super::{budget, early, labels, splits};
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::session::Session;

/// The result of [`fit`](crate::fit), in memory: both students, chosen, fitted and tested, and the one that is shipped.
pub struct Fitted {
    pub(crate) recipe: Recipe,
    pub(crate) labels: LabelStore,
    pub(crate) proven: Proven,
    pub(crate) choice: Choice,
    pub(crate) refits: Vec<Refitted>,
}

impl Fitted {
    /// The data set that the run learned from: without the columns that a time limit left out.
    pub(crate) fn data<'d>(&self, asked: &Recipe, data: &'d Dataset) -> Cow<'d, Dataset> {
        budget::narrow(&self.recipe, asked, data)
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
    /// `alone`, `distilled`, `shipped`.
    #[must_use]
    pub fn predictions(&self) -> &Table {
        &self.proven.predictions
    }
}

/// The result of [`fit_joint`](crate::fit_joint): one student of several targets, and a [`Fitted`] for each target.
pub struct Joint {
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

/// Makes the labels, trains the students and tests them.
///
/// # Errors
///
/// The errors of the stages.
pub(crate) fn fit(data: &Dataset, recipe: &Recipe, session: &Session<'_>) -> Result<Fitted> {
    let session = &session.ending(recipe.time_limit);
    let teaching = &session.ending(recipe.time_limit.map(|limit| TEACHER_END * limit));
    let budget = Budget::of(recipe, 1, session);
    let resolved = budget.resolved(data)?;
    let narrow = resolved.narrow(recipe, data);
    let data = narrow.as_ref();
    early::check_exports(&resolved.recipe, data, session)?;
    let labels = labels_of(&resolved.recipe, data, teaching)?;
    let mut resolved = budget.resolved_students(resolved, data)?;
    let others = splits::others(&resolved.recipe, data, &labels, teaching)?;
    note_late_splits(&mut resolved.notes, [(&labels, &others)], session);
    let students = Students {
        recipe: &resolved.recipe,
        notes: &resolved.notes,
        targets: &data.targets.specs,
        known: vec![Known {
            data,
            labels: &labels,
            others: &others,
        }],
        session,
    };
    let (proven, choice, refits) =
        students.train(|trained| students.case(0).prove(trained, None))?;
    drop(others);
    Ok(Fitted {
        recipe: resolved.recipe,
        labels,
        proven,
        choice,
        refits,
    })
}

/// Like [`fit`], for several targets that one network predicts.
///
/// # Errors
///
/// The errors of the stages.
pub(crate) fn fit_joint(data: &Dataset, recipe: &Recipe, session: &Session<'_>) -> Result<Joint> {
    let session = &session.ending(recipe.time_limit);
    let teaching = &session.ending(recipe.time_limit.map(|limit| TEACHER_END * limit));
    let budget = Budget::of(recipe, data.targets.specs.len(), session);
    let mut resolved = budget.resolved(&data.of_target(0))?;
    let narrow = resolved.narrow(recipe, data);
    let data = narrow.as_ref();
    let each: Vec<Dataset> = (0..data.targets.specs.len())
        .map(|at| data.of_target(at))
        .collect();
    // Other kinds of students predict one target.
    resolved.recipe.student.kind = StudentKind::Mlp;
    early::check_exports(&resolved.recipe, &each[0], session)?;
    let mut stores = Vec::new();
    for data in &each {
        let name = &data.spec().name;
        session.begin(&format!("teacher of {name}"));
        stores.push(labels_of(&resolved.recipe, data, &teaching.named(name))?);
    }
    let mut resolved = budget.resolved_students(resolved, &each[0])?;
    agree(stores.iter_mut().collect())?;
    let mut others = each
        .iter()
        .zip(&stores)
        .map(|(data, store)| {
            let session = teaching.named(&data.spec().name);
            splits::others(&resolved.recipe, data, store, &session)
        })
        .collect::<Result<Vec<Vec<OtherSplit<'_>>>>>()?;
    note_late_splits(&mut resolved.notes, stores.iter().zip(&others), session);
    for split in 0..others[0].len() {
        let of_split = others.iter_mut().map(|own| own[split].store.to_mut());
        agree(of_split.collect())?;
    }
    let known = each.iter().zip(&stores).zip(&others);
    let students = Students {
        recipe: &resolved.recipe,
        notes: &resolved.notes,
        targets: &data.targets.specs,
        known: known
            .map(|((data, labels), others)| Known {
                data,
                labels,
                others,
            })
            .collect(),
        session,
    };
    let prove = |trained: &Trained<'_>| {
        let (student, report) = students.joint(trained)?;
        let of = |at| {
            let proven = students.case(at).prove(trained, Some(&report))?;
            Ok((proven, trained.search.choice_of(trained.choice, at)))
        };
        let mut proven = (0..each.len())
            .map(of)
            .collect::<Result<Vec<(Proven, Choice)>>>()?;
        let notes = early::not_exported(&resolved.recipe, &student);
        notes.iter().for_each(|note| session.note(note));
        proven[0].0.report.notes.extend(notes);
        Ok((proven, student))
    };
    let ((proven, student), _, refits) = students.train(prove)?;
    drop(students);
    drop(others);
    let fitted = |((proven, choice), labels): ((Proven, Choice), LabelStore)| Fitted {
        recipe: recipe_of(&resolved.recipe, &proven.report.target),
        labels,
        proven,
        choice,
        refits: refits.clone(),
    };
    let targets = proven.into_iter().zip(stores).map(fitted).collect();
    Ok(Joint { student, targets })
}

/// The recipe for one of several targets: `target` comes first, and each target keeps its weight.
fn recipe_of(recipe: &Recipe, target: &str) -> Recipe {
    let mut own = recipe.clone();
    let all = std::iter::once(&recipe.data.target).chain(&recipe.targets);
    let mut order: Vec<(usize, &String)> = all.enumerate().collect();
    order.sort_by_key(|(at, name)| (*name != target, *at));
    let weights = &recipe.target_weights;
    own.target_weights = order
        .iter()
        .filter_map(|(at, _)| weights.get(*at).copied())
        .collect();
    own.targets = order[1..].iter().map(|(_, name)| (*name).clone()).collect();
    own.data.target = target.to_owned();
    own
}

fn labels_of(recipe: &Recipe, data: &Dataset, session: &Session<'_>) -> Result<LabelStore> {
    session.piece("labels", || {
        let mut labels = labels::make(recipe, data, session)?;
        session.go_on()?;
        note_late(recipe, &mut labels, session);
        if is_late(&labels) {
            session.note(LATE);
        }
        Ok(labels)
    })
}

/// Adds a note if the time limit ended the fits of a teacher of an additional split, unless the labels already have that note for their own teacher.
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

/// Accepts only the new rows that are accepted for the teachers of all targets.
fn agree(stores: Vec<&mut LabelStore>) -> Result<()> {
    if stores.iter().any(|store| !store.new.same(&stores[0].new)) {
        return Err(Error::Recipe {
            place: "joint".into(),
            message: "the teachers labeled different new rows; leave out the options of `transfer` that make rows from a teacher's predictions".into(),
        });
    }
    let all = |row: usize| stores.iter().all(|store| store.believed[row]);
    let believed: Vec<bool> = (0..stores[0].believed.len()).map(all).collect();
    let each = stores.into_iter().map(|store| &mut store.believed);
    each.for_each(|own| own.clone_from(&believed));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_move_with_their_targets() {
        let mut recipe = Recipe::for_table("t.csv", "a");
        recipe.targets = vec!["b".into(), "c".into()];
        recipe.target_weights = vec![1.0, 2.0, 3.0];
        let own = recipe_of(&recipe, "b");
        assert_eq!(
            (own.data.target.as_str(), own.targets),
            ("b", vec!["a".to_owned(), "c".into()])
        );
        assert_eq!(own.target_weights, [2.0, 1.0, 3.0]);
        recipe.target_weights.clear();
        assert!(recipe_of(&recipe, "c").target_weights.is_empty());
    }
}
