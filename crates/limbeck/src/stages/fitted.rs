//! All stages after the table, in order.

use limbeck_data::{Dataset, Table};
use limbeck_distill::search::{Choice, Refitted};
use limbeck_runtime::Student;

use super::prove::Proven;
use super::store::LabelStore;
use super::students::Students;
use super::{budget, labels, splits};
use crate::error::Result;
use crate::recipe::Recipe;
use crate::report::Report;
use crate::session::Session;

/// What [`fit`](crate::fit) makes: both students, chosen, fitted, tested, and the one that is shipped. Nothing of it is in a file.
pub struct Fitted {
    pub(crate) recipe: Recipe,
    pub(crate) labels: LabelStore,
    pub(crate) proven: Proven,
    pub(crate) choice: Choice,
    pub(crate) refits: Vec<Refitted>,
}

impl Fitted {
    /// The recipe, a time limit replaced by the options that it led to.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Every figure.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.proven.report
    }

    /// The student that is shipped.
    #[must_use]
    pub fn student(&self) -> &Student {
        &self.proven.student
    }

    /// What the teacher said of every row.
    #[must_use]
    pub fn labels(&self) -> &LabelStore {
        &self.labels
    }

    /// What all sides answer on test rows, in the target's unit: `row` of the table, `target`, `weight`, `teacher`, `alone`, `distilled`, `shipped`.
    #[must_use]
    pub fn predictions(&self) -> &Table {
        &self.proven.predictions
    }
}

/// A run that takes more than this times its limit says so.
const LATE: f64 = 1.25;

/// Labels, students, proof.
///
/// # Errors
///
/// As the stages'.
pub(crate) fn fit(data: &Dataset, recipe: &Recipe, session: &Session<'_>) -> Result<Fitted> {
    let limit = recipe.time_limit;
    // How fast this machine is is measured once in the life of a run.
    let recipe = match limit {
        Some(_) => session.time("budget", || {
            session.piece("budget", || budget::resolve(recipe, data, session))
        })?,
        None => recipe.clone(),
    };
    let labels = session.piece("labels", || {
        let labels = labels::make(&recipe, data, session)?;
        session.go_on()?;
        Ok(labels)
    })?;
    let others = splits::others(&recipe, data, &labels, session)?;
    let students = Students {
        recipe: &recipe,
        data,
        labels: &labels,
        session,
    };
    let (proven, choice, refits) = students.train(&others, |trained| students.prove(trained))?;
    let seconds = proven.report.measured.seconds;
    if let Some(limit) = limit.filter(|limit| seconds > LATE * limit) {
        session.note(&format!(
            "the time limit could not be kept: the shortest schedules that still learn something take longer here ({seconds:.0} s, asked were {limit:.0} s)"
        ));
    }
    drop(others);
    Ok(Fitted {
        recipe,
        labels,
        proven,
        choice,
        refits,
    })
}
