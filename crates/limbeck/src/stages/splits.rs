//! Additional splits of the rows, on which trials are validated if there are few rows.

use std::borrow::Cow;

use limbeck_data::Dataset;
use limbeck_distill::hints::HintKind;
use limbeck_distill::student::StudentOptions;
use limbeck_distill::transfer::TransferOptions;

use super::labels::{self, LabelOptions};
use super::store::{LabelStore, OtherSplit};
use crate::error::Result;
use crate::recipe::{TeacherSection, TeacherSource};
use crate::session::Session;

/// Maximum number of folds of a teacher that labels the rows of an additional split.
const FOLDS: usize = 3;
/// Maximum number of fits, on all training rows, of each learner of a teacher that labels the rows of an additional split.
const FITS: usize = 2;
/// Maximum number of new rows (`munge_rows`) for an additional split. They are few because trials are short if there are several splits.
const NEW_ROWS: usize = 20_000;

/// The additional splits with their labels. Trials are validated on these splits and on the split of the data set.
///
/// A teacher that limbeck fits is fitted again for each split, with less effort, so that it has not seen the validation rows of that split. Labels
/// from other teachers are used for all splits, since those teachers may have seen any row. Labels that need more than the predictions of
/// one teacher, for example residual correction, are used for all splits as well.
///
/// `first` has the splits of the first target of the same student, whose new rows are labelled for this target, too; `None` for the first target.
///
/// # Errors
///
/// The errors of the teacher.
pub(crate) fn others<'a>(
    options: LabelOptions<'_>,
    student: &StudentOptions,
    (data, store): (&Dataset, &'a LabelStore),
    first: Option<&[OtherSplit<'_>]>,
    session: &Session<'_>,
) -> Result<Vec<OtherSplit<'a>>> {
    let learn = data.split.train.len() + data.split.valid.len();
    let more = data.resplits(student.splits_of(learn) - 1, options.seed);
    if more.is_empty() || !is_fitted_here(options) {
        let same = |data| OtherSplit {
            data,
            store: Cow::Borrowed(store),
        };
        return Ok(more.into_iter().map(same).collect());
    }
    session.begin("labels for additional splits of the rows");
    let (teacher, transfer) = lighter(options);
    let own = LabelOptions {
        teacher: &teacher,
        transfer: &transfer,
        ..options
    };
    let labelled = |(at, data): (usize, Dataset)| {
        let name = format!("split{}", at + 2);
        let own = LabelOptions {
            same: first.map(|first| &first[at].store.new),
            ..own
        };
        let store = session.piece(&format!("labels-{name}"), || {
            let mut store = labels::for_search(own, &data, &session.part(&name))?;
            note_late(own, &mut store, session);
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
pub(super) fn note_late(options: LabelOptions<'_>, store: &mut LabelStore, session: &Session<'_>) {
    if options.source() == TeacherSource::Fit && session.stop().is_late() {
        store.summary.notes.push(LATE.to_owned());
    }
}

/// True if the time limit ended the fits of the teacher of these labels.
pub(super) fn is_late(store: &LabelStore) -> bool {
    store.summary.notes.iter().any(|note| note == LATE)
}

/// The options for an additional split: a cheaper teacher, and fewer new rows.
fn lighter(options: LabelOptions<'_>) -> (TeacherSection, TransferOptions) {
    let (mut teacher, mut transfer) = (options.teacher.clone(), options.transfer.clone());
    teacher.folds = teacher.folds.min(FOLDS);
    teacher.fits = teacher.fits.min(FITS);
    transfer.munge_rows = transfer.munge_rows.min(NEW_ROWS);
    transfer.window_rows = transfer.window_rows.min(NEW_ROWS);
    (teacher, transfer)
}

/// True if all labels are predictions of a teacher that limbeck fits for this recipe, without residual correction, disputed rows or hints.
fn is_fitted_here(options: LabelOptions<'_>) -> bool {
    options.source() == TeacherSource::Fit
        && options.teacher.with.is_empty()
        && options.teacher.residual_rounds == 0
        && options.transfer.adversarial_rows == 0
        && options.hints.kind == HintKind::None
}
