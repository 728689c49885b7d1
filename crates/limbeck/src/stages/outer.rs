//! The whole procedure again on other splits: the rows split anew, another teacher, another search, other students.
//!
//! The interval of a run covers the test rows and training seeds of its one split. Whether distillation would help on another split, with
//! the teacher that this one gives, only repetition shows. Nothing that is found here reaches the student that is shipped.

use limbeck_data::Dataset;

use super::students::Students;
use super::{labels, splits};
use crate::error::Result;
use crate::recipe::Recipe;
use crate::report::{Fold, Outer};
use crate::session::Session;

/// Refuses a table that cannot be split so often, before any work is done.
///
/// # Errors
///
/// As [`Dataset::outer_folds`].
pub(crate) fn check(recipe: &Recipe, data: &Dataset) -> Result<()> {
    if recipe.outer_folds > 0 {
        data.outer_folds(recipe.outer_folds, recipe.seed)?;
    }
    Ok(())
}

/// Repeats the procedure as often as the recipe says; none where it says nothing.
///
/// Each fold is a piece of the run, so that a run that is stopped goes on where it was.
///
/// # Errors
///
/// As those of a run; [`Error::Interrupted`] where the user stops it.
pub(crate) fn repeat(
    recipe: &Recipe,
    data: &Dataset,
    session: &Session<'_>,
    errors: impl Fn(&Students<'_>, &[splits::OtherSplit<'_>]) -> Result<Fold>,
) -> Result<Option<Outer>> {
    if recipe.outer_folds == 0 {
        return Ok(None);
    }
    let sets = data.outer_folds(recipe.outer_folds, recipe.seed)?;
    let fold = |(at, data): (usize, Dataset)| {
        session.begin(&format!("outer fold {} of {}", at + 1, recipe.outer_folds));
        let name = format!("outer{}", at + 1);
        session.piece(&name, || {
            let session = &session.repetition(&name);
            let labels = &labels::make(recipe, &data, session)?;
            let others = splits::others(recipe, &data, labels, session)?;
            let students = Students {
                recipe,
                data: &data,
                labels,
                session,
            };
            let fold = errors(&students, &others)?;
            session.go_on()?;
            Ok(fold)
        })
    };
    let folds = sets
        .into_iter()
        .enumerate()
        .map(fold)
        .collect::<Result<Vec<Fold>>>()?;
    Ok(Some(Outer::new(folds)))
}
