//! Repeats the whole run on other splits of the rows, each with another teacher, another search and other students.
//!
//! The intervals of a run cover the test rows and training seeds of its one split. Only repetition shows whether distillation would also help on
//! another split, with a teacher fitted there. The results do not affect the student that is shipped.

use limbeck_data::Dataset;

use crate::error::{Error, Result};
use crate::report::{Fold, Outer};
use crate::session::Session;

/// Refuses, before any work is done, a table that cannot be split into `folds` outer folds.
///
/// # Errors
///
/// The errors of [`Dataset::outer_folds`].
pub(crate) fn check(folds: usize, seed: u64, data: &Dataset) -> Result<()> {
    if folds > 0 {
        data.outer_folds(folds, seed)?;
    }
    Ok(())
}

/// Why an outer fold has no result.
enum NoFold {
    /// The time limit was over before the fold was finished.
    Late,
    Failed(Error),
}

impl From<Error> for NoFold {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<limbeck_data::Error> for NoFold {
    fn from(error: limbeck_data::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Calls `once`, which makes a whole run, for each of `folds` other splits. Returns the results; `None` if no fold was finished. If the time limit
/// ended a fold, that fold and later ones are left out, and a note says so.
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
) -> Result<(Option<Outer>, Option<String>)> {
    if folds == 0 {
        return Ok((None, None));
    }
    let fold = |number: usize, data: &Dataset| {
        session.begin(&format!(
            "outer fold {number} of {folds} (the run repeated on another split)"
        ));
        let name = format!("outer{number}");
        session.checkpoints().piece(&name, || {
            let session = &session.repetition(&name);
            let is_late = || session.stop().is_late();
            if is_late() {
                return Err(NoFold::Late);
            }
            let fold = once(data, session)?;
            session.go_on()?;
            if is_late() {
                Err(NoFold::Late)
            } else {
                Ok(fold)
            }
        })
    };
    let (mut found, mut note) = (Vec::new(), None);
    for (number, data) in (1..).zip(data.outer_folds(folds, seed)?) {
        match fold(number, &data) {
            Ok(fold) => found.push(fold),
            Err(NoFold::Failed(error)) => return Err(error),
            Err(NoFold::Late) => {
                note = Some(cut(number, folds));
                break;
            }
        }
    }
    Ok(((!found.is_empty()).then(|| Outer::new(found)), note))
}

fn cut(number: usize, folds: usize) -> String {
    let gone = match number == folds {
        true => "this outer fold is left out; use a longer time limit",
        false => "this and all later outer folds are left out; use a longer time limit",
    };
    format!(
        "the time limit ended outer fold {number} of {folds} (the run repeated on another split): {gone}"
    )
}

#[cfg(test)]
mod tests {
    use limbeck_data::{Column, DataOptions, Table};

    use super::*;
    use crate::report::ShippedKind;
    use crate::session::Silent;

    fn table() -> Dataset {
        let value = |j: usize, i: usize| ((i * (2 * j + 7)) as f64 * 0.618_033_988).fract();
        let column =
            |name: &str, j: usize| Column::number(name, (0..200).map(|i| value(j, i)).collect());
        let table = Table {
            columns: vec![column("x", 0), column("z", 1), column("y", 2)],
            rows: 200,
            ..Table::default()
        };
        Dataset::from_table(table, &DataOptions::for_target("y"), None, 0).unwrap()
    }

    const FOLD: Fold = Fold {
        learned: 160,
        tested: 40,
        teacher: 1.0,
        baseline: 1.0,
        distilled: 1.0,
        shipped: 1.0,
        ships: ShippedKind::Baseline,
        taught: true,
    };

    #[test]
    fn a_fold_that_the_time_limit_ended_is_left_out() {
        let (data, session) = (table(), Session::new(&Silent));
        let (all, note) = repeat(3, 0, &data, &session, |_, _| Ok(FOLD)).unwrap();
        assert_eq!((all.unwrap().folds.len(), note), (3, None));
        // Late before the first fold.
        let late = session.ending(Some(0.0));
        let (none, note) = repeat(3, 0, &data, &late, |_, _| Ok(FOLD)).unwrap();
        assert!(none.is_none() && note.unwrap().contains("this and all later outer folds"));
        // Late within the second fold, which waits for the end.
        let soon = session.ending(Some(session.seconds() + 1.0));
        let folds = std::cell::Cell::new(0);
        let once = |_: &Dataset, session: &Session<'_>| {
            folds.set(folds.get() + 1);
            while folds.get() == 2 && !session.stop().is_late() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Ok(FOLD)
        };
        let (one, note) = repeat(2, 0, &data, &soon, once).unwrap();
        assert_eq!(one.unwrap().folds.len(), 1);
        assert_eq!(
            note.unwrap(),
            "the time limit ended outer fold 2 of 2 (the run repeated on another split): this outer fold is left out; use a longer time limit"
        );
    }
}
