//! Checks before training: whether any student fits the budget, and whether any can be exported to the requested formats.

use std::collections::BTreeSet;

use limbeck_data::{Dataset, Feature};
use limbeck_distill::draft;
use limbeck_distill::objective::ObjectiveOptions;
use limbeck_distill::student::{Heads, StudentKind, StudentOptions};

use super::students::{StudyOptions, untaught_rows};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::run::export;
use crate::session::Session;

/// Refuses a recipe if no student of the requested kind can be made from the columns of the table within the budget.
///
/// # Errors
///
/// The errors of [`draft::check`].
pub(crate) fn check_student(
    student: &StudentOptions,
    objective: &ObjectiveOptions,
    data: &Dataset,
) -> Result<()> {
    let heads = Heads {
        head: objective.head(-1.0, 1.0),
        targets: data.targets.specs.len(),
    };
    let train = || data.features.select(&data.split.train);
    Ok(draft::check(student, &train(), heads)?)
}

/// Refuses an export format to which no kind of student of this table can be exported.
pub(crate) fn check_exports(
    formats: &[Format],
    options: StudyOptions<'_>,
    data: &Dataset,
    session: &Session<'_>,
) -> Result<()> {
    if formats.is_empty() {
        return Ok(());
    }
    let set = untaught_rows(data, data.split.train_valid());
    let drafts = draft::drafts(&options.untaught(data, session), &set)?;
    for &format in formats {
        let files = |student| export::files(student, format, export::NAME).map(|_| ());
        let tried: Vec<Result<()>> = drafts.iter().map(files).collect();
        if tried.iter().all(Result::is_err) {
            return tried.into_iter().next().unwrap_or(Ok(()));
        }
    }
    Ok(())
}

/// A note on columns that a recurrent student does not see: of each, the features are statistics of many rows, which only the teacher reads. `None` if
/// there is no such column, or if the student is not recurrent.
pub(crate) fn unread(student: StudentKind, data: &Dataset) -> Option<String> {
    student.cell()?;
    let source = |feature: &'_ Feature| match &feature.history {
        Some(history) => history.column.clone(),
        None => feature.name.clone(),
    };
    let (steps, others): (Vec<&Feature>, Vec<&Feature>) =
        data.features.columns.iter().partition(|one| one.is_step());
    let read: BTreeSet<String> = steps.into_iter().map(source).collect();
    let all: BTreeSet<String> = others.into_iter().map(source).collect();
    let unread: Vec<String> = all
        .difference(&read)
        .map(|name| format!("`{name}`"))
        .collect();
    (!unread.is_empty()).then(|| {
        format!(
            "a student of kind {} does not read {}: it reads rows, and of statistics only diff1, roc1 and logret1; the teacher reads all of them. Keep the column, or add one of these to `--history`",
            student.name(),
            unread.join(", ")
        )
    })
}

/// Notes on the formats to which the shipped student cannot be exported, with the reasons.
pub(crate) fn not_exported(formats: &[Format], student: &limbeck_runtime::Student) -> Vec<String> {
    let refused = |format: &Format| {
        let error: Error = export::files(student, *format, export::NAME).err()?;
        Some(format!("not exported to {}: {error}", format.name()))
    };
    formats.iter().filter_map(refused).collect()
}
