//! The whole procedure again on other splits: the rows split anew, another teacher, another search, other students.
//!
//! The interval of a run covers the test rows and training seeds of its one split. Whether distillation would help on another split, with
//! the teacher that this one gives, only repetition shows. Nothing that is found here reaches the student that is shipped.

use limbeck_data::Dataset;

use crate::error::Result;
use crate::report::{Fold, Outer};
use crate::session::Session;

/// Refuses a table that cannot be split so often, before any work is done.
///
/// # Errors
///
/// As [`Dataset::outer_folds`].
pub(crate) fn check(folds: usize, seed: u64, data: &Dataset) -> Result<()> {
    if folds > 0 {
        data.outer_folds(folds, seed)?;
    }
    Ok(())
}

/// Repeats the procedure so often, each time by `once` on another split; none for no folds.
///
/// Each fold is a piece of the run, so that a run that is stopped goes on where it was.
///
/// # Errors
///
/// As those of a run; [`Error::Interrupted`] where the user stops it.
pub(crate) fn repeat(
    folds: usize,
    seed: u64,
    data: &Dataset,
    session: &Session<'_>,
    once: impl Fn(&Dataset, &Session<'_>) -> Result<Fold>,
) -> Result<Option<Outer>> {
    if folds == 0 {
        return Ok(None);
    }
    let fold = |(at, data): (usize, Dataset)| {
        session.begin(&format!("outer fold {} of {folds}", at + 1));
        let name = format!("outer{}", at + 1);
        session.piece(&name, || {
            let session = &session.repetition(&name);
            let fold = once(&data, session)?;
            session.go_on()?;
            Ok(fold)
        })
    };
    let found = data
        .outer_folds(folds, seed)?
        .into_iter()
        .enumerate()
        .map(fold)
        .collect::<Result<Vec<Fold>>>()?;
    Ok(Some(Outer::new(found)))
}
