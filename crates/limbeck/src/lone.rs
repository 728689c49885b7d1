//! Models of every kind without a teacher, beside which a student has to be worth its teacher.

use limbeck_distill::kinds::{self, Kind};
use limbeck_distill::proof::short;
use limbeck_distill::search::{Choice, Stage, Trial};
use limbeck_distill::student::StudentKind;

use crate::error::Result;
use crate::report::{LoneModel, LoneReport, Report, ShippedKind};

/// A model as chosen on validation rows, and as fitted on all training rows.
pub(crate) struct Fitted {
    pub(crate) chosen: Trial,
    pub(crate) refitted: Trial,
}

/// The best lone model of each kind that fits columns and budget.
///
/// Other kinds than the lone student's are searched here unless the search has been there; networks are not, which would take
/// as long as the run.
pub(crate) fn fit(search: &Stage<'_>, refit: &Stage<'_>, choice: &Choice, alone: Fitted, seed: u64) -> Result<Vec<Fitted>> {
    let own = alone.chosen.setting.kind();
    let mut all = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.student_kind() != own) {
        let tried = choice.alone.iter().filter(|trial| trial.setting.kind() == kind.student_kind());
        let chosen = match tried.min_by(|a, b| a.valid_error.total_cmp(&b.valid_error)) {
            Some(trial) => Some(trial.clone()),
            None => kinds::lone(search, kind)?,
        };
        let Some((chosen, spec)) = chosen.and_then(|chosen| chosen.setting.spec.map(|spec| (chosen, spec))) else { continue };
        let refitted = kinds::fit(refit, None, spec, seed)?;
        all.push(Fitted { chosen, refitted });
    }
    all.push(alone);
    Ok(all)
}

/// Adds the models to the report, and to its verdict where one of them does as well as the shipped student.
pub(crate) fn add(report: &mut Report, models: Vec<LoneModel>) {
    let least = |models: &mut dyn Iterator<Item = &LoneModel>| {
        models.min_by(|a, b| a.valid_error.total_cmp(&b.valid_error)).copied()
    };
    let Some(best) = least(&mut models.iter()) else { return };
    let valid_error = match report.shipped.kind {
        ShippedKind::Alone => report.shipped.valid_error_alone,
        ShippedKind::Distilled => report.shipped.valid_error_distilled,
    };
    let does_as_well = |model: &&LoneModel| {
        model.size.kind != report.student.kind && model.valid_error <= valid_error && model.size.bytes <= report.student.bytes
    };
    let as_good = least(&mut models.iter().filter(does_as_well));
    if let Some(model) = as_good {
        report.proof.verdict.sentence.push_str(&sentence(report, &model));
    }
    report.lone = Some(LoneReport { best: best.size.kind, as_good: as_good.map(|model| model.size.kind), models });
}

fn sentence(report: &Report, model: &LoneModel) -> String {
    let what = match model.size.kind {
        StudentKind::Mlp => "A lone network",
        StudentKind::Trees => "A few lone trees",
        StudentKind::Linear => "A lone linear model",
        StudentKind::Table => "A lone table",
        StudentKind::Auto => unreachable!("a model has one kind"),
    };
    let (size, student) = (&model.size, &report.student);
    format!(
        " {what} of at most that size, without a teacher, did as well on validation rows: test {} {} with {} parameters in {} bytes, \
         against {} with {} in {} for the student shipped.",
        report.measure().name(),
        short(model.test.error()),
        size.parameters,
        size.bytes,
        short(report.test.shipped.error()),
        student.parameters,
        student.bytes
    )
}
