//! Additional splits of the rows, on which trials are validated if there are few rows.

use std::borrow::Cow;

use limbeck_data::Dataset;
use limbeck_distill::hints::HintKind;

use super::labels;
use super::store::{LabelStore, OtherSplit};
use crate::error::Result;
use crate::recipe::{Recipe, TeacherSource};
use crate::session::Session;

/// Maximum number of folds of a teacher that labels the rows of an additional split.
const FOLDS: usize = 3;
/// Maximum number of fits of the teacher's learners on all rows.
const FITS: usize = 2;
/// Maximum number of new rows for an additional split, on which trials are short.
const NEW_ROWS: usize = 20_000;

/// The additional splits, on which trials are validated as well as on the split of the data set.
///
/// A teacher that limbeck fits is fitted again for each split, with less effort, so that it has not seen the validation rows of that split. Labels
/// from other teachers, and labels that need more than a teacher's predictions, are used for all splits: their teacher may have seen any row.
///
/// # Errors
///
/// The errors of the teacher.
pub(crate) fn others<'a>(
    recipe: &Recipe,
    data: &Dataset,
    store: &'a LabelStore,
    session: &Session<'_>,
) -> Result<Vec<OtherSplit<'a>>> {
    let learn = data.split.train.len() + data.split.valid.len();
    let more = data.resplits(recipe.student.splits_of(learn) - 1, recipe.seed);
    if more.is_empty() || !is_fitted_here(recipe) {
        let same = |data| OtherSplit {
            data,
            store: Cow::Borrowed(store),
        };
        return Ok(more.into_iter().map(same).collect());
    }
    session.begin("labels for additional splits of the rows");
    let own = lighter(recipe);
    let labelled = |(at, data): (usize, Dataset)| {
        let name = format!("split{}", at + 2);
        let store = session.piece(&format!("labels-{name}"), || {
            let mut store = labels::for_search(&own, &data, &session.part(&name))?;
            note_late(&own, &mut store, session);
            Ok(store)
        })?;
        session.go_on()?;
        Ok(OtherSplit {
            data,
            store: Cow::Owned(store),
        })
    };
    more.into_iter().enumerate().map(labelled).collect()
}

/// The note that the time limit ended fits of a teacher.
pub(super) const LATE: &str = "the time limit ended the teacher's fits early: another run of this recipe may give other results";

/// Adds a note to the labels if the time limit ended the fits of their teacher.
pub(super) fn note_late(recipe: &Recipe, store: &mut LabelStore, session: &Session<'_>) {
    if recipe.teacher_source() == TeacherSource::Fit && session.stop().is_late() {
        store.summary.notes.push(LATE.to_owned());
    }
}

/// True if the time limit ended the fits of the teacher of these labels.
pub(super) fn is_late(store: &LabelStore) -> bool {
    store.summary.notes.iter().any(|note| note == LATE)
}

/// The recipe with a cheaper teacher and fewer new rows.
fn lighter(recipe: &Recipe) -> Recipe {
    let mut own = recipe.clone();
    own.teacher.folds = own.teacher.folds.min(FOLDS);
    own.teacher.fits = own.teacher.fits.min(FITS);
    own.transfer.munge_rows = own.transfer.munge_rows.min(NEW_ROWS);
    own
}

/// True if all labels are predictions of a teacher that limbeck fits.
fn is_fitted_here(recipe: &Recipe) -> bool {
    recipe.teacher_source() == TeacherSource::Fit
        && recipe.teacher.with.is_empty()
        && recipe.teacher.residual_rounds == 0
        && recipe.transfer.adversarial_rows == 0
        && recipe.hints.kind == HintKind::None
}
