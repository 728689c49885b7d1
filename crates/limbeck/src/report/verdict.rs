//! The verdict of a run as text. Its sentences, in this order: an alarm if a model is useless or almost so, the shipped file, the comparison of both students, the
//! gap to the teacher, other splits, and what the intervals cover.

use limbeck_data::metrics::{pearson, quantile, r2};
use limbeck_distill::proof::{
    Difference, FileGain, GapClosed, Method, Proof, VerdictKind, grouped, percent, short,
};
use limbeck_distill::student::StudentKind;

use super::naive;
use super::{Against, Report, ShippedKind, TestScores};

/// The sentences of a verdict, the most important one first. `causes` are the likely causes of an [`alarm`], that is of a useless model.
pub(crate) fn sentence(report: &Report, causes: &[String]) -> String {
    let parts = [
        alarm(report, causes),
        naive::alarm(report),
        barely(report),
        file(report),
        method(report),
        gap(report),
        outer(report),
        scope(report),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The report with the text of its verdict filled in.
pub(crate) fn spoken(mut report: Report, causes: &[String]) -> Report {
    report.proof.verdict.sentence = sentence(&report, causes);
    report
}

/// True if the shipped student or the teacher is no better than the mean of the test targets. Always false if a quantile is predicted.
pub(crate) fn is_alarming(quantile: Option<f64>, test: &TestScores) -> bool {
    let is_bad = |r2: Option<f64>| r2.is_some_and(|r2| r2 <= 0.0);
    // R² is about the mean, so it says nothing about a quantile.
    quantile.is_none() && (is_bad(test.shipped.r2) || is_bad(test.teacher.r2))
}

/// If `is_alarming`, removes two claims from the proof: that distillation helps, and the share of the gap to the teacher that it closes. Neither
/// makes sense if the student or the teacher is no better than predicting the mean.
pub(crate) fn without_gains(mut proof: Proof, is_alarming: bool) -> Proof {
    if !is_alarming {
        return proof;
    }
    let why =
        "the shipped student or the teacher is no better than predicting the mean of the target"
            .to_owned();
    if proof.gap_closed.value.is_some() {
        proof.gap_closed = GapClosed {
            value: None,
            low: None,
            high: None,
            reason: Some(why),
        };
    }
    if proof.verdict.kind == VerdictKind::Helps {
        proof.verdict.kind = VerdictKind::NoGain;
        proof
            .method
            .iter_mut()
            .for_each(|method| method.kind = VerdictKind::NoGain);
    }
    proof
}

fn alarm(report: &Report, causes: &[String]) -> Option<String> {
    if !is_alarming(report.quantile, &report.test) {
        return None;
    }
    let (shipped, teacher) = (report.test.shipped.r2, report.test.teacher.r2);
    let bad = |r2: Option<f64>| r2.filter(|r2| *r2 <= 0.0);
    let what = match (bad(shipped), bad(teacher)) {
        (Some(shipped), Some(teacher)) => format!(
            "Neither the shipped student (test R² {}) nor the teacher (R² {}) is better than predicting the mean of the target.",
            short(shipped),
            short(teacher)
        ),
        (Some(shipped), None) => format!(
            "The shipped student is no better than predicting the mean of the target (test R² {}).",
            short(shipped)
        ),
        (None, Some(teacher)) => format!(
            "The teacher is no better than predicting the mean of the target (test R² {}).",
            short(teacher)
        ),
        (None, None) => return None,
    };
    let causes = match causes {
        [] => "Likely causes: the columns are in another order than the teacher expects, its predictions are on another scale (such as a logarithm) or include an index column, or the columns do not help to predict the target.".to_owned(),
        causes => format!("Likely cause: {}.", causes.join("; or ")),
    };
    Some(format!("{what} {causes}"))
}

/// The sentence on a shipped student that is better than predicting the mean of the target, but by less than a gain that is worth having.
fn barely(report: &Report) -> Option<String> {
    let worth = report.file.as_ref().map_or(WORTH, |file| file.gain.worth);
    // An RMSE that is lower than that of the mean by this share has this R².
    let least = 1.0 - (1.0 - worth) * (1.0 - worth);
    let r2 = report.test.shipped.r2?;
    let is_barely = report.quantile.is_none() && r2 > 0.0 && r2 < least;
    is_barely.then(|| {
        format!(
            "The shipped student is hardly better than predicting the mean of the target (test R² {}).",
            short(r2)
        )
    })
}

/// Smallest gain that is worth having, if the report has none: the default of the option `worth`.
const WORTH: f64 = 0.01;

fn interval(difference: &Difference) -> String {
    match (difference.low, difference.high) {
        (Some(low), Some(high)) => format!("95 % interval {} to {}", short(low), short(high)),
        _ => "no interval".to_owned(),
    }
}

/// The name of a kind of student in verdicts and tables, for people.
pub(super) fn kind_name(kind: StudentKind) -> &'static str {
    match kind {
        StudentKind::Mlp => "network",
        StudentKind::Trees => "trees",
        StudentKind::Linear => "linear model",
        StudentKind::Table => "table",
        StudentKind::Gru | StudentKind::Lstm => "recurrent network",
        StudentKind::Auto => unreachable!("a model has one kind"),
    }
}

/// The sentence on what the shipped file gains over the best file without a teacher; `None` if they were not compared.
fn file(report: &Report) -> Option<String> {
    let shipped = &report.shipped;
    let which = match shipped.kind {
        ShippedKind::Baseline => {
            "The shipped student is the one trained without the teacher, which was better on validation rows"
        }
        ShippedKind::Distilled => "The shipped student is the distilled one",
    };
    let Some(file) = &report.file else {
        return Some(format!("{which}."));
    };
    let Against {
        size,
        is_shipped,
        test_error,
        ..
    } = &file.against;
    if *is_shipped {
        return Some(
            "The shipped student is the one trained without the teacher. No student of another kind within the budget was better on validation rows."
                .to_owned(),
        );
    }
    let (name, FileGain { error_saved, .. }) = (report.measure().name(), &file.gain);
    let compared = format!(
        "its {name} is {}, that of the best file without a teacher ({}, {} bytes) is {} (difference {}, {})",
        short(report.test.shipped.error()),
        kind_name(size.kind),
        grouped(size.bytes),
        short(*test_error),
        short(error_saved.value),
        interval(error_saved)
    );
    let gain = &file.gain;
    let threshold = format!("{} % of the {name} without a teacher", 100.0 * gain.worth);
    let judged = match (
        &gain.reason,
        gain.worth_having,
        gain.significant,
        error_saved.is_below(),
    ) {
        (Some(reason), ..) => format!("it is unknown whether the gain is worth having: {reason}"),
        (None, true, ..) => {
            format!("the gain is significant, and worth having (at least {threshold})")
        }
        (None, false, true, _) => {
            format!(
                "the gain is significant, but too small to be worth having (less than {threshold})"
            )
        }
        (None, false, false, true) => {
            "the shipped file is significantly worse, and not worth having".to_owned()
        }
        (None, false, false, false) if error_saved.value < 0.0 => {
            "the difference is not significant, and the shipped file is not shown to be better"
                .to_owned()
        }
        (None, false, false, false) => {
            "the difference is not significant, so the gain is not shown to be worth having"
                .to_owned()
        }
    };
    // The best file is not in the run: only the shipped student is written.
    let instead = match error_saved.value < 0.0 && size.kind != report.size_of(shipped.kind).kind {
        true => of_better_kind(size.kind, report.joint.is_some()),
        false => String::new(),
    };
    Some(format!("{which}: {compared}; {judged}.{instead}"))
}

/// The sentence on how to get a student of a better kind. A joint student is a network, so each target needs a student of its own.
fn of_better_kind(kind: StudentKind, is_joint: bool) -> String {
    let without = if is_joint {
        " and without `--joint`"
    } else {
        ""
    };
    format!(
        " To get a file of the better kind, run `limbeck distill` with `--student {}`{without}.",
        kind.name()
    )
}

/// The sentence that compares the distilled student with the baseline, the student trained alone.
fn method(report: &Report) -> Option<String> {
    let proof = &report.proof;
    let (name, test, saved) = (
        report.measure().name(),
        &report.test,
        &proof.verdict.error_saved,
    );
    let (baseline, distilled) = (short(test.baseline.error()), short(test.distilled.error()));
    let reason = proof
        .method
        .as_ref()
        .and_then(|method| method.reason.as_deref());
    if let Some(reason) = reason.filter(|_| proof.verdict.kind == VerdictKind::TooFew) {
        let difference = if saved.low.is_some() {
            format!(" (difference {}, {})", short(saved.value), interval(saved))
        } else {
            String::new()
        };
        return Some(format!(
            "No verdict on distillation: {reason}. {name} {baseline} for the student trained without the teacher, {distilled} for the distilled student{difference}."
        ));
    }
    if proof
        .gap_closed
        .reason
        .as_deref()
        .is_some_and(|reason| reason.contains("took nothing"))
    {
        return Some(format!(
            "Nothing was taken from the teacher: the student to be distilled learned from targets only (alpha 0). {name} {baseline} for the student trained without the teacher, {distilled} for the student to be distilled: the difference comes from chance and tuning, not from distillation."
        ));
    }
    if is_alarming(report.quantile, &report.test) && !saved.is_below() {
        return Some(format!(
            "Therefore no gain from distillation is claimed: {name} {baseline} for the student trained without the teacher, {distilled} for the distilled student (difference {}, {}).",
            short(saved.value),
            interval(saved)
        ));
    }
    let seeds = proof
        .method
        .as_ref()
        .map_or(report.test_seeds.len(), |method: &Method| method.seeds);
    let over = match seeds {
        1 => "of one seed".to_owned(),
        seeds => format!("as means over {seeds} seeds"),
    };
    let change = format!(
        "{name} {baseline} for the student trained without the teacher, {distilled} for the distilled student, {over} (difference {}, {})",
        short(saved.value),
        interval(saved)
    );
    let is_shipped = report.shipped.kind == ShippedKind::Distilled;
    Some(match (proof.verdict.kind, is_shipped) {
        (VerdictKind::Helps, true) => format!("Distillation helps: {change}."),
        // Do not say that distillation helps if the shipped student was trained without it.
        (VerdictKind::Helps, false) => format!(
            "On test rows the distilled students were better: {change}. But the student trained without the teacher was better on validation rows and is shipped, because test rows are never used to choose."
        ),
        (VerdictKind::Hurts, _) => format!("Distillation hurts here: {change}."),
        (VerdictKind::NoGain | VerdictKind::TooFew, true) if is_file_better(report) => format!(
            "This holds for this one file. Over training seeds as well, a gain from distillation is not certain: {change}."
        ),
        (VerdictKind::NoGain | VerdictKind::TooFew, _) => {
            format!("Distillation brings no measurable gain here: {change}.")
        }
    })
}

/// True if the shipped file is significantly better than the best file without a teacher.
fn is_file_better(report: &Report) -> bool {
    let saved = report.file.as_ref().map(|file| &file.gain.error_saved);
    saved
        .and_then(|saved| saved.low)
        .is_some_and(|low| low > 0.0)
}

/// The sentence on the share of the gap between baseline and teacher that distillation closes. If no share is known and the teacher is not
/// significantly better than the baseline, the sentence says so instead. `None` if neither can be said.
fn gap(report: &Report) -> Option<String> {
    let (proof, test) = (&report.proof, &report.test);
    let gap = &proof.gap_closed;
    if proof.verdict.kind == VerdictKind::TooFew || is_alarming(report.quantile, &report.test) {
        return None;
    }
    if let (Some(value), Some(low), Some(high)) = (gap.value, gap.low, gap.high) {
        return Some(format!(
            "Distillation closes {} % of the gap between the error of the student trained without the teacher and the error of the teacher (95 % interval {} to {} %).",
            percent(value),
            percent(low),
            percent(high)
        ));
    }
    let (teacher, baseline) = (test.teacher.error(), test.baseline.error());
    match (proof.verdict.teacher_better, teacher < baseline) {
        (true, _) => None,
        (false, true) => Some(format!(
            "The teacher itself (error {}) is not significantly better than the student trained without it.",
            short(teacher)
        )),
        (false, false) => Some(format!(
            "The teacher itself (error {}) is no better than the student trained without it.",
            short(teacher)
        )),
    }
}

/// The sentence on the whole run, repeated on other splits; `None` without outer folds.
fn outer(report: &Report) -> Option<String> {
    let outer = report.outer.as_ref()?;
    let (name, folds) = (report.measure().name(), outer.folds.len());
    let found = match outer.kind {
        VerdictKind::Helps => "distillation helps there too",
        VerdictKind::Hurts => "distillation hurts there",
        VerdictKind::NoGain | VerdictKind::TooFew => "no gain is shown beyond this split",
    };
    let [baseline, distilled, shipped] = [
        outer.mean(|fold| fold.baseline),
        outer.mean(|fold| fold.distilled),
        outer.mean(|fold| fold.shipped),
    ]
    .map(short);
    Some(format!(
        "Over {folds} outer folds, each with its own split, teacher and search, {found}: mean {name} over these folds is {baseline} for the student trained without the teacher, {distilled} for the distilled student, {shipped} for the student that would be shipped ({name} saved by distillation {}, {}; the distilled student was better in {} of {folds} folds).",
        short(outer.error_saved.value),
        interval(&outer.error_saved),
        outer.wins()
    ))
}

/// The sentence on what the intervals cover; `None` if there is no verdict.
fn scope(report: &Report) -> Option<String> {
    let text = match (report.proof.verdict.kind, &report.outer) {
        (VerdictKind::TooFew, _) => return None,
        (_, Some(_)) => {
            "Except for the interval over outer folds, the intervals cover test rows and training seeds of this one split only."
        }
        (_, None) => {
            "The intervals cover test rows and training seeds of this one split, not other splits or teachers (--outer-folds repeats the whole run on other splits)."
        }
    };
    Some(text.to_owned())
}

/// A target is an outlier if its distance from the median is more than this many interquartile ranges.
const FAR: f64 = 30.0;
/// If more than this share of the targets are outliers, they are taken for a heavy tail of the target, and not reported.
const RARE: f64 = 0.01;

/// Targets and predictions in which [`causes`] looks for the cause of an [`alarm`].
pub(crate) struct Answered<'a> {
    /// The targets of all rows of the data set.
    pub(crate) target: &'a [f64],
    /// For each entry of `target`, its row in the table, counted from 0.
    pub(crate) rows: &'a [usize],
    /// The teacher's predictions on test rows, in the order of the table.
    pub(crate) answers: &'a [f64],
    /// The targets of the test rows, in the order of `answers`.
    pub(crate) truth: &'a [f64],
    /// True if the teacher is a model file or the teacher of another run (option `teacher.model`).
    pub(crate) is_imported: bool,
}

/// The likely causes of an [`alarm`], as texts. Only causes for which targets or predictions give evidence are named.
pub(crate) fn causes(asked: &Answered<'_>) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(glitch(asked.target, asked.rows));
    let (answers, truth) = (asked.answers, asked.truth);
    let ones = vec![1.0; truth.len()];
    let own = r2(answers, truth, &ones).unwrap_or(0.0);
    if own <= 0.0 {
        if is_index(answers) {
            found.push("the teacher's predictions are whole numbers that rise from row to row: probably an index column is read instead of the predictions (print only the predictions, one per line)".into());
        }
        let exp: Vec<f64> = answers.iter().map(|answer| answer.exp()).collect();
        let logs = truth
            .iter()
            .all(|y| *y > 0.0)
            .then(|| truth.iter().map(|y| y.ln()).collect::<Vec<f64>>());
        let of_logs = logs
            .and_then(|logs| r2(answers, &logs, &ones))
            .unwrap_or(f64::NEG_INFINITY);
        let of_exp = if exp.iter().all(|value| value.is_finite()) {
            r2(&exp, truth, &ones).unwrap_or(f64::NEG_INFINITY)
        } else {
            f64::NEG_INFINITY
        };
        if of_exp.max(of_logs) > own.max(0.0) + 0.1 {
            let figure = if of_exp >= of_logs {
                format!(
                    "the exponential of its predictions has R² {}",
                    short(of_exp)
                )
            } else {
                format!(
                    "against the logarithm of the target, its predictions have R² {}",
                    short(of_logs)
                )
            };
            found.push(format!("the teacher seems to predict the logarithm of the target: {figure}. The raw output of a model with a log link, such as Poisson, is a logarithm. Export predictions in the unit of the target instead"));
        } else if pearson(answers, truth).is_some_and(|r| r > 0.6) {
            found.push(format!("the teacher predicts on another scale than the target (the correlation of its predictions with the target is {}); convert its predictions to the unit of the target", short(pearson(answers, truth).unwrap_or(0.0))));
        } else if asked.is_imported {
            found.push("the model file expects the columns in another order (give that order with --teacher-model-columns)".into());
        }
    }
    found
}

/// The indices of the values that are farther than `reach` from `middle`, the farthest first.
fn farther(values: &[f64], middle: f64, reach: f64) -> Vec<usize> {
    let distance = |at: usize| (values[at] - middle).abs();
    let mut far: Vec<usize> = (0..values.len())
        .filter(|&at| distance(at) > reach)
        .collect();
    far.sort_by(|&a, &b| distance(b).total_cmp(&distance(a)));
    far
}

/// A text that lists outliers of the target with row number and value. `None` if there are no outliers, or if they are more than the share [`RARE`]
/// of the targets. `rows` holds, for each target, its row in the table, counted from 0.
fn glitch(target: &[f64], rows: &[usize]) -> Option<String> {
    let mut sorted: Vec<f64> = target.iter().copied().filter(|y| y.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (middle, range) = (
        quantile(&sorted, 0.5),
        quantile(&sorted, 0.75) - quantile(&sorted, 0.25),
    );
    let far = farther(target, middle, FAR * range.max(f64::MIN_POSITIVE));
    if far.is_empty() || far.len() as f64 > (RARE * target.len() as f64).max(1.0) {
        return None;
    }
    let named: Vec<String> = far
        .iter()
        .take(3)
        .map(|&at| format!("row {} has {}", rows[at] + 1, short(target[at])))
        .collect();
    let more = if far.len() > named.len() { ", …" } else { "" };
    Some(format!(
        "outliers in the target: {}{more}, while half of all targets lie between {} and {}",
        named.join(", "),
        short(quantile(&sorted, 0.25)),
        short(quantile(&sorted, 0.75))
    ))
}

/// True if the predictions are whole numbers that rise from row to row, as row numbers do.
fn is_index(answers: &[f64]) -> bool {
    let rises = answers.windows(2).filter(|pair| pair[1] > pair[0]).count();
    let whole = answers
        .iter()
        .filter(|value| (**value - value.round()).abs() < 1e-9)
        .count();
    let places: Vec<f64> = (0..answers.len()).map(|at| at as f64).collect();
    answers.len() > 10
        && whole == answers.len()
        && rises + 2 >= answers.len()
        && pearson(answers, &places).is_some_and(|r| r > 0.98)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glitch_is_named_by_row_and_value() {
        let mut target: Vec<f64> = (0..200).map(|i| f64::from(i % 17)).collect();
        let rows: Vec<usize> = (0..200).collect();
        assert_eq!(glitch(&target, &rows), None);
        target[41] = 1e9;
        let said = glitch(&target, &rows).unwrap();
        assert!(said.contains("row 42 has 1.000e9"), "{said}");
        // A heavy tail is none.
        target[..30].iter_mut().for_each(|y| *y = 1e9);
        assert_eq!(glitch(&target, &rows), None);
    }

    #[test]
    fn causes_of_a_teachers_nonsense_are_told_apart() {
        let truth: Vec<f64> = (0..100)
            .map(|i| 2.0 + 50.0 * f64::from(i * 37 % 101) / 101.0)
            .collect();
        let rows: Vec<usize> = (0..100).collect();
        let of = |answers: &[f64], is_imported| {
            causes(&Answered {
                target: &truth,
                rows: &rows,
                answers,
                truth: &truth,
                is_imported,
            })
            .join("; ")
        };
        let logs: Vec<f64> = truth.iter().map(|y| y.ln()).collect();
        assert!(
            of(&logs, true).contains("logarithm of the target"),
            "{}",
            of(&logs, true)
        );
        let index: Vec<f64> = (0..100).map(|i| f64::from(3 * i + i % 2)).collect();
        assert!(
            of(&index, false).contains("index column"),
            "{}",
            of(&index, false)
        );
        let shuffled: Vec<f64> = (0..100).map(|i| truth[i * 29 % 100] + 60.0).collect();
        assert!(
            of(&shuffled, true).contains("another order"),
            "{}",
            of(&shuffled, true)
        );
        assert_eq!(of(&truth, true), "");
    }
}
