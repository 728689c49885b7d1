//! Baselines of every kind of student, trained without a teacher, with which the shipped file is compared.

use limbeck_data::metrics::Measure;
use limbeck_distill::kinds::{self, NonNeural};
use limbeck_distill::proof::judge_file;
use limbeck_distill::search::{Choice, Search, Stage, Trial};

use crate::error::Result;
use crate::report::{
    Against, BaselineModel, BaselinesReport, FileReport, ShippedKind, Size, student_scores,
};

/// One student twice: as it was chosen on validation rows, and as it was fitted again on training and validation rows.
pub(crate) struct Fitted {
    pub(crate) chosen: Trial,
    pub(crate) refitted: Trial,
}

/// The best baseline of each kind that fits the columns and the budget.
///
/// `baseline` is the student of the run that was trained without the teacher. For each other kind that is not a network, the best model is taken from
/// the search of the run; if the run did not try this kind, it is searched here. Networks are not searched here: that would take as long as the run.
pub(crate) fn fit(
    search: &Search<'_>,
    refit: &Stage<'_>,
    choice: &Choice,
    baseline: Fitted,
    seed: u64,
) -> Result<Vec<Fitted>> {
    let own = baseline.chosen.setting.kind();
    let mut all = Vec::new();
    for kind in NonNeural::ALL
        .into_iter()
        .filter(|kind| kind.student_kind() != own)
    {
        let chosen = best_of(kind, search, choice)?;
        if let Some((chosen, spec)) =
            chosen.and_then(|chosen| chosen.setting.spec.map(|spec| (chosen, spec)))
        {
            let refitted = kinds::fit(refit, None, spec, seed)?;
            all.push(Fitted { chosen, refitted });
        }
    }
    all.push(baseline);
    Ok(all)
}

/// The best baseline of a kind on validation rows: of the trials of the search or, if it tried none of this kind, of trials that are made now. `None`
/// if no student of this kind fits the columns and the budget.
fn best_of(kind: NonNeural, search: &Search<'_>, choice: &Choice) -> Result<Option<Trial>> {
    let is_of_kind = |trial: &&Trial| trial.setting.kind() == kind.student_kind();
    let tried = choice.baseline.iter().filter(is_of_kind);
    match tried.min_by(|a, b| a.valid_error.total_cmp(&b.valid_error)) {
        Some(trial) => Ok(Some(trial.clone())),
        None => Ok(kinds::baseline(search, kind)?),
    }
}

/// The test rows on which files are compared.
pub(crate) struct Judged<'a> {
    pub(crate) target: &'a [f64],
    /// Predictions of the teacher on these rows, in the target's unit.
    pub(crate) teacher: &'a [f64],
    pub(crate) weight: &'a [f64],
    pub(crate) blocks: Option<&'a [u32]>,
}

/// The shipped file, with which the baselines are compared.
pub(crate) struct ShippedFile<'a> {
    pub(crate) kind: ShippedKind,
    pub(crate) size: Size,
    pub(crate) valid_error: f64,
    /// Predictions of the shipped file on test rows, in the target's unit.
    pub(crate) answers: &'a [f64],
}

/// Compares the shipped file with the baselines. `None` if `models` is empty; `Some((report, None))` if the files could not be compared; otherwise
/// the report on the baselines, and what the shipped file gains over the best of them.
///
/// `answers` are the predictions of the models' files on test rows, in the order of `models`.
pub(crate) fn judge(
    models: Vec<BaselineModel>,
    answers: &[Vec<f64>],
    shipped: &ShippedFile<'_>,
    test: &Judged<'_>,
    measure: Measure,
    worth: f64,
) -> Option<(BaselinesReport, Option<FileReport>)> {
    let least = |among: &mut dyn Iterator<Item = usize>| {
        among.min_by(|&a, &b| models[a].valid_error.total_cmp(&models[b].valid_error))
    };
    let best = least(&mut (0..models.len()))?;
    let does_as_well = |at: &usize| {
        let model = &models[*at];
        model.size.kind != shipped.size.kind
            && model.valid_error <= shipped.valid_error
            && model.size.bytes <= shipped.size.bytes
    };
    let as_good = least(&mut (0..models.len()).filter(does_as_well));
    let is_shipped =
        shipped.kind == ShippedKind::Baseline && models[best].size.kind == shipped.size.kind;
    let against = Against {
        size: models[best].size,
        is_shipped,
        test_error: measure.score(&answers[best], test.target, test.weight),
        test: Some(student_scores(
            measure,
            &answers[best],
            test.teacher,
            test.target,
            test.weight,
        )),
    };
    let gain = judge_file(
        measure,
        test.target,
        test.weight,
        test.blocks,
        [shipped.answers, &answers[best]],
        worth,
    );
    let report = BaselinesReport {
        best: models[best].size.kind,
        as_good: as_good.map(|at| models[at].size.kind),
        models,
    };
    Some((report, gain.map(|gain| FileReport { gain, against })))
}
