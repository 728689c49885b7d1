//! Repeats the whole run on other splits of the rows, each with another teacher, another search and other students.
//!
//! The intervals of a run cover the test rows and training seeds of its one split. Only repetition shows whether distillation would also help on
//! another split, with a teacher fitted there. The results do not affect the student that is shipped.

use limbeck_data::Dataset;

use crate::error::Result;
use crate::report::{Fold, Outer};
use crate::session::Session;

/// Refuses, before any work is done, a table that cannot be split into so many outer folds.
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

/// Calls `once` for each of `folds` other splits; none for 0 folds.
///
/// The result of each fold is a checkpoint, so that a stopped run continues after its last finished fold.
///
/// # Errors
///
/// The errors of a run; [`Error::Interrupted`](crate::Error::Interrupted) if the user stops it.
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
