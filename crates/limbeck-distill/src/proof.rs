//! How much of the gap to the teacher was closed, and the verdict.

use limbeck_data::bootstrap::{self, Interval};
use limbeck_data::metrics::Measure;
use serde::{Deserialize, Serialize};

/// Test predictions of all sides, in the target's unit.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// How they are judged.
    pub measure: Measure,
    /// Targets of the test rows.
    pub target: &'a [f64],
    /// Weights of the test rows.
    pub weight: &'a [f64],
    /// Rows that belong together.
    pub blocks: Option<&'a [u32]>,
    /// The teacher's predictions.
    pub teacher: &'a [f64],
    /// The lone student's, per seed.
    pub alone: &'a [Vec<f64>],
    /// The distilled student's, with the same seeds.
    pub distilled: &'a [Vec<f64>],
    /// True where the distilled student took something from the teacher. Where validation rows gave the teacher no share of its loss, both sides are
    /// students of the targets alone, and what differs between them is chance and tuning.
    pub taught: bool,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// Share of the gap between lone student and teacher that distillation closed.
///
/// ```text
/// gap_closed = (RMSE_alone − RMSE_distilled) / (RMSE_alone − RMSE_teacher)
/// ```
///
/// with RMSEs (for a quantile: pinball losses) averaged over seeds. Null with a `reason` where the teacher is not better than the lone student with its whole
/// 95 % interval: a ratio to a gap that may be zero says nothing; and where the distilled student took nothing from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapClosed {
    /// The share; 1 is all of the gap.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Why there is no value.
    pub reason: Option<String>,
}

/// Distilled against alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerdictKind {
    /// The distilled student is better with its whole interval.
    #[serde(rename = "helps")]
    Helps,
    /// The interval of the difference holds 0, or nothing was taken from the teacher.
    #[serde(rename = "no gain")]
    NoGain,
    /// The distilled student is worse with its whole interval.
    #[serde(rename = "hurts")]
    Hurts,
}

impl VerdictKind {
    /// The word for it, in reports and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Helps => "helps",
            Self::NoGain => "no gain",
            Self::Hurts => "hurts",
        }
    }
}

/// The verdict, in a word, a flag and a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Distilled against alone.
    pub kind: VerdictKind,
    /// True where the teacher is better than the lone student with its whole interval.
    pub teacher_better: bool,
    /// Error of the lone minus that of the distilled student, with its interval.
    #[serde(alias = "rmse_saved")]
    pub error_saved: Difference,
    /// Error of the lone student minus that of the teacher, with its interval.
    pub teacher_lead: Difference,
    /// For people.
    pub sentence: String,
}

/// A difference of errors, RMSE or pinball loss, with its 95 % interval, in the target's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Gap and verdict together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Share of the gap closed.
    pub gap_closed: GapClosed,
    /// The verdict.
    pub verdict: Verdict,
}

/// Mean error over seeds of teacher, alone, distilled, from means over rows.
fn mean_error(measure: Measure, seeds: &[[f64; 3]]) -> [f64; 3] {
    let n = seeds.len() as f64;
    std::array::from_fn(|model| seeds.iter().map(|means| measure.of_mean(means[model])).sum::<f64>() / n)
}

/// Judges test predictions by a paired bootstrap over rows (or blocks) and seeds.
///
/// None without test rows or seeds.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Option<Proof> {
    let measure = evidence.measure;
    let errors = |pred: &[f64]| measure.rows(pred, evidence.target);
    let teacher = errors(evidence.teacher);
    let alone: Vec<Vec<f64>> = evidence.alone.iter().map(|pred| errors(pred)).collect();
    let distilled: Vec<Vec<f64>> = evidence.distilled.iter().map(|pred| errors(pred)).collect();
    let all: Vec<[&[f64]; 3]> = alone.iter().zip(&distilled).map(|(a, d)| [&teacher[..], a, d]).collect();
    let options = bootstrap::Options { seed: evidence.seed, ..bootstrap::Options::default() };
    let interval = |statistic: &dyn Fn([f64; 3]) -> f64| -> Option<Interval> {
        bootstrap::paired(&all, evidence.weight, evidence.blocks, &options, |seeds| statistic(mean_error(measure, seeds)))
    };
    let mean_row = |errors: &[f64]| limbeck_data::metrics::weighted_mean(errors, evidence.weight);
    let point: Vec<[f64; 3]> = all.iter().map(|models| models.map(mean_row)).collect();
    let found = mean_error(measure, &point);
    let difference = |statistic: &dyn Fn([f64; 3]) -> f64| {
        interval(statistic).map(|i| Difference { value: statistic(found), low: i.low, high: i.high })
    };
    let error_saved = difference(&|[_, alone, distilled]| alone - distilled)?;
    let teacher_lead = difference(&|[teacher, alone, _]| alone - teacher)?;
    let teacher_better = teacher_lead.low > 0.0;
    let gap = |[teacher, alone, distilled]: [f64; 3]| (alone - distilled) / (alone - teacher);
    let gap_closed = if !evidence.taught {
        GapClosed { value: None, low: None, high: None, reason: Some("the distilled student took nothing from the teacher".into()) }
    } else if teacher_better {
        let i = interval(&gap)?;
        GapClosed { value: Some(gap(found)), low: Some(i.low), high: Some(i.high), reason: None }
    } else {
        let reason = format!(
            "the teacher is not better than the lone student with its whole interval: its lead in {} is {} ({} to {})",
            measure.name(),
            short(teacher_lead.value),
            short(teacher_lead.low),
            short(teacher_lead.high)
        );
        GapClosed { value: None, low: None, high: None, reason: Some(reason) }
    };
    let kind = if !evidence.taught {
        VerdictKind::NoGain
    } else if error_saved.low > 0.0 {
        VerdictKind::Helps
    } else if error_saved.high < 0.0 {
        VerdictKind::Hurts
    } else {
        VerdictKind::NoGain
    };
    let sentence = match evidence.taught {
        true => sentence(measure, kind, &gap_closed, &error_saved, found, teacher_better),
        false => format!(
            "Nothing was taken from the teacher: the student that was to be distilled learned from targets alone (alpha 0). {} {} alone, {} for it: chance and tuning, not distillation.",
            measure.name(),
            short(found[1]),
            short(found[2])
        ),
    };
    Some(Proof { gap_closed, verdict: Verdict { kind, teacher_better, error_saved, teacher_lead, sentence } })
}

fn sentence(measure: Measure, kind: VerdictKind, gap: &GapClosed, saved: &Difference, error: [f64; 3], teacher_better: bool) -> String {
    let change = format!(
        "{} {} alone, {} distilled (difference {}, 95 % interval {} to {})",
        measure.name(),
        short(error[1]),
        short(error[2]),
        short(saved.value),
        short(saved.low),
        short(saved.high)
    );
    let share = match (gap.value, gap.low, gap.high) {
        (Some(value), Some(low), Some(high)) => format!(
            "; it closes {} % of the gap to the teacher ({} to {} %)",
            percent(value),
            percent(low),
            percent(high)
        ),
        _ => String::new(),
    };
    let caution = match (teacher_better, error[0] < error[1]) {
        (true, _) => String::new(),
        (false, true) => format!("; the teacher itself ({}) is not surely better than the student alone", short(error[0])),
        (false, false) => format!("; the teacher itself ({}) is no better than the student alone", short(error[0])),
    };
    match kind {
        VerdictKind::Helps => format!("Distillation helps: {change}{share}{caution}."),
        VerdictKind::NoGain => format!("Distillation brings no measurable gain here: {change}{share}{caution}."),
        VerdictKind::Hurts => format!("Distillation hurts here: {change}{caution}."),
    }
}

/// A share in whole percent; never minus zero.
fn percent(share: f64) -> f64 {
    (100.0 * share).round() + 0.0
}

/// Four significant digits, as people write numbers.
#[must_use]
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    format!("{value:.*}", digits.clamp(0, 12) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn evidence(teacher: f64, alone: f64, distilled: f64, check: impl Fn(Proof)) {
        judged(teacher, alone, distilled, true, check);
    }

    fn judged(teacher: f64, alone: f64, distilled: f64, taught: bool, check: impl Fn(Proof)) {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(1);
        let n = 800;
        let target: Vec<f64> = (0..n).map(|i| i as f64 * 0.01).collect();
        let base: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut pred = |scale: f64| -> Vec<f64> {
            target.iter().zip(&base).map(|(y, e)| y + scale * e + 0.02 * rng.random_range(-1.0..1.0)).collect()
        };
        let (teacher, alone, distilled) = (pred(teacher), vec![pred(alone), pred(alone)], vec![pred(distilled), pred(distilled)]);
        let weight = vec![1.0; n];
        let evidence = Evidence { measure: Measure::Rmse, target: &target, weight: &weight, blocks: None, teacher: &teacher, alone: &alone, distilled: &distilled, taught, seed: 0 };
        check(judge(&evidence).unwrap());
    }

    #[test]
    fn three_quarters_of_a_gap_are_found() {
        evidence(1.0, 2.0, 1.25, |proof| {
            let gap = proof.gap_closed;
            assert!((gap.value.unwrap() - 0.75).abs() < 0.01);
            assert!(gap.low.unwrap() < 0.75 && gap.high.unwrap() > 0.74);
            assert_eq!(proof.verdict.kind, VerdictKind::Helps);
            assert!(proof.verdict.sentence.contains("75 % of the gap"), "{}", proof.verdict.sentence);
        });
    }

    #[test]
    fn gap_is_null_with_a_reason_where_the_teacher_is_no_better() {
        evidence(1.5, 1.0, 1.0, |proof| {
            assert_eq!(proof.gap_closed.value, None);
            assert!(proof.gap_closed.reason.unwrap().contains("not better than the lone student"));
            assert!(!proof.verdict.teacher_better);
            assert_eq!(proof.verdict.kind, VerdictKind::NoGain);
        });
    }

    #[test]
    fn what_took_nothing_from_the_teacher_is_no_distillation() {
        judged(1.0, 2.0, 1.25, false, |proof| {
            assert!(proof.verdict.error_saved.low > 0.0);
            assert_eq!((proof.verdict.kind, proof.gap_closed.value), (VerdictKind::NoGain, None));
            assert!(proof.verdict.sentence.starts_with("Nothing was taken from the teacher"), "{}", proof.verdict.sentence);
        });
    }

    #[test]
    fn teacher_that_leads_by_less_than_its_interval_is_not_called_worse() {
        let gap = GapClosed { value: None, low: None, high: None, reason: None };
        let saved = Difference { value: 0.0, low: -1.0, high: 1.0 };
        let said = |teacher: f64| sentence(Measure::Rmse, VerdictKind::NoGain, &gap, &saved, [teacher, 1.0, 1.0], false);
        assert!(said(0.9).contains("the teacher itself (0.9000) is not surely better than the student alone"), "{}", said(0.9));
        assert!(said(1.2).contains("the teacher itself (1.200) is no better than the student alone"), "{}", said(1.2));
        assert_eq!(format!("{}", percent(-0.001)), "0");
    }

    #[test]
    fn worse_student_hurts() {
        evidence(1.0, 1.2, 1.6, |proof| assert_eq!(proof.verdict.kind, VerdictKind::Hurts));
    }

    #[test]
    fn numbers_have_four_significant_digits() {
        assert_eq!(short(0.012_345_6), "0.01235");
        assert_eq!(short(45_678.9), "45679");
        assert_eq!(short(-2.345_67), "-2.346");
        assert_eq!(short(0.0), "0");
    }
}
