//! The verdict on distillation. It consists of confidence intervals for the gain of the method and of the shipped file, and the closed share of the
//! gap between baseline and teacher.
//!
//! The *baseline* is the same student trained alone, without a teacher. There are two questions. *Does distillation help?* is about the method, so
//! the interval covers test rows and training seeds: [`judge`]. *Is the file worth having?* compares the shipped student with the best file made
//! without a teacher, so the interval covers test rows only: [`judge_file`]. Intervals are computed by [`limbeck_data::crossed`].

use limbeck_data::crossed::{Design, Estimate, LEVEL, Parts, t_quantile};
pub use limbeck_data::figures::{grouped, short};
use limbeck_data::metrics::Measure;
use serde::{Deserialize, Serialize};

/// With fewer test blocks than this, there is no interval and no verdict. A block is a group or a time period, or a single row if rows are
/// independent.
pub const LEAST_BLOCKS: usize = 10;
/// With fewer degrees of freedom than this, there is no interval and no verdict. That happens if a few blocks have nearly all the weight.
const LEAST_DEGREES: f64 = 3.0;
/// More seeds are trained if the standard error over seeds exceeds this share of the standard error over test rows.
const SEEDS_MATTER: f64 = 0.5;

/// What [`judge`] needs: predictions of the teacher, the baseline and the distilled student for the test rows, in the target's unit.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Error measure: RMSE, or the pinball loss of a quantile.
    pub measure: Measure,
    /// Targets of the test rows.
    pub target: &'a [f64],
    /// Weights of the test rows.
    pub weight: &'a [f64],
    /// Number of the block of each test row (its group or time period); `None` if rows are independent.
    pub blocks: Option<&'a [u32]>,
    /// Predictions of the teacher, one per test row.
    pub teacher: &'a [f64],
    /// Predictions of the baseline (the student trained alone): one list per training seed.
    pub baseline: &'a [Vec<f64>],
    /// Predictions of the distilled student: one list per training seed, for the same seeds as in `baseline`.
    pub distilled: &'a [Vec<f64>],
    /// True if the distilled student learned from teacher labels. False if its share of teacher labels is 0: then both students learned from targets
    /// alone, and differ only by chance and tuning.
    pub taught: bool,
}

/// Share of the gap between baseline and teacher that distillation closed, with its 95 % interval.
///
/// # Formula
///
/// ```text
/// gap_closed = (error_baseline − error_distilled) / (error_baseline − error_teacher)
/// ```
///
/// Errors (RMSE, or the pinball loss of a quantile) are averaged over seeds. The interval is Fieller's ([`Design::ratio`]). There is no value, but a
/// `reason`, in three cases: the distilled student learned from targets alone (its share of teacher labels is 0); there are too few test rows or
/// blocks; or the teacher's lead over the baseline is at most 1.5 times the half-width of its 95 % interval. In the last case the gap may be near 0,
/// and a ratio to it would have no meaning.
///
/// # Source
///
/// Fieller, *Some problems in interval estimation*, Journal of the Royal Statistical Society B 16, 1954.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapClosed {
    /// The closed share of the gap: 0 is as good as the baseline, 1 as good as the teacher.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval of `value`; `None` if there is no value.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval of `value`; `None` if there is no value.
    pub high: Option<f64>,
    /// The reason why there is no value; `None` if there is one.
    pub reason: Option<String>,
}

impl GapClosed {
    fn none(reason: String) -> Self {
        Self {
            value: None,
            low: None,
            high: None,
            reason: Some(reason),
        }
    }
}

/// Verdict on whether distillation helps: the distilled student against the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerdictKind {
    /// The distilled student is significantly better: the whole interval of `error_saved` is above 0.
    #[serde(rename = "helps")]
    Helps,
    /// The interval of `error_saved` contains 0, or the distilled student learned from targets alone (its share of teacher labels is 0).
    #[serde(rename = "no gain")]
    NoGain,
    /// The distilled student is significantly worse: the whole interval of `error_saved` is below 0.
    #[serde(rename = "hurts")]
    Hurts,
    /// There are too few test rows, blocks or seeds for a verdict.
    #[serde(rename = "too few")]
    TooFew,
}

impl VerdictKind {
    /// The verdict as a word, for reports and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Helps => "helps",
            Self::NoGain => "no gain",
            Self::Hurts => "hurts",
            Self::TooFew => "too few",
        }
    }
}

/// The verdict as a word and as a sentence, with the differences on which it is based.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Verdict on the distilled student against the baseline.
    pub kind: VerdictKind,
    /// True if the teacher is significantly better than the baseline: the whole interval of `teacher_lead` is above 0.
    pub teacher_better: bool,
    /// Error of the baseline minus error of the distilled student, with its interval.
    #[serde(alias = "rmse_saved")]
    pub error_saved: Difference,
    /// Error of the baseline minus error of the teacher, with its interval.
    pub teacher_lead: Difference,
    /// The verdict as a sentence.
    pub sentence: String,
}

/// A difference of two errors (RMSE or pinball loss) in the target's unit, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference.
    pub value: f64,
    /// Lower end of the 95 % interval; `None` if there are too few test rows, blocks or repetitions.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval; `None` if there are too few test rows, blocks or repetitions.
    pub high: Option<f64>,
}

impl Difference {
    fn new(estimate: &Estimate, unit: f64, is_given: bool) -> Self {
        let end = |value: f64| Some(unit * value).filter(|value| is_given && value.is_finite());
        Self {
            value: unit * estimate.value,
            low: end(estimate.low()),
            high: end(estimate.high()),
        }
    }

    /// True if there is an interval and all of it is above 0.
    #[must_use]
    pub fn is_above(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }

    /// True if there is an interval and all of it is below 0.
    #[must_use]
    pub fn is_below(&self) -> bool {
        self.high.is_some_and(|high| high < 0.0)
    }
}

/// Comparison of the distilled student with the baseline, over test rows (or blocks) and training seeds. It answers: does distillation help on this
/// split?
///
/// # Formula
///
/// [`Design::estimate`]: the same kind of t interval for any number of blocks and seeds.
///
/// # Units
///
/// Differences and standard errors in the target's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// Verdict on the distilled student against the baseline.
    pub kind: VerdictKind,
    /// Error of the baseline minus error of the distilled student.
    pub error_saved: Difference,
    /// Error of the baseline minus error of the teacher.
    pub teacher_lead: Difference,
    /// Confidence level of the intervals, such as 0.95.
    pub level: f64,
    /// Number of test blocks: groups, time periods, or single rows.
    pub blocks: usize,
    /// Number of training seeds.
    pub seeds: usize,
    /// Standard error of `error_saved` from the variation between test rows or blocks.
    pub se_rows: f64,
    /// Standard error of `error_saved` from the variation between training seeds; 0 with one seed.
    pub se_seeds: f64,
    /// The reason why the data does not suffice for a verdict; `None` if it suffices.
    pub reason: Option<String>,
}

/// Comparison of the shipped file with the best file made without a teacher, over test rows or blocks. It answers: is the shipped file worth having?
///
/// Both files are fixed, so the interval does not cover training seeds.
///
/// # Formula
///
/// [`Design::estimate`] with one seed: a t interval of the difference of errors, by a jackknife over blocks.
///
/// # Units
///
/// `value`, `low`, `high` and `threshold` are in the target's unit; `worth` is a share of the error of the file without a teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileGain {
    /// Error of the best file made without a teacher, minus error of the shipped file, with its interval.
    #[serde(flatten)]
    pub error_saved: Difference,
    /// True if the whole interval of `error_saved` is above 0.
    pub significant: bool,
    /// True if `error_saved` is significant and at least `threshold`.
    pub worth_having: bool,
    /// Smallest gain that is worth having, as a share of the error of the file made without a teacher; chosen by the caller.
    pub worth: f64,
    /// The smallest gain that is worth having, in the target's unit.
    pub threshold: f64,
    /// The reason why there is no interval; `None` if there is one.
    pub reason: Option<String>,
}

/// Result of [`judge`]: the comparison of the distilled student with the baseline, the closed share of the gap, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Comparison of the distilled student with the baseline; `None` in reports of earlier versions.
    #[serde(default)]
    pub method: Option<Method>,
    /// Share of the gap between baseline and teacher that distillation closed.
    pub gap_closed: GapClosed,
    /// The verdict.
    pub verdict: Verdict,
}

/// Divides predictions and targets by `unit`, a power of two, so that their squares neither overflow nor underflow. The division is exact.
struct Scaled<'a> {
    measure: Measure,
    target: &'a [f64],
    unit: f64,
}

impl<'a> Scaled<'a> {
    fn new<'p>(
        measure: Measure,
        target: &'a [f64],
        predictions: impl Iterator<Item = &'p [f64]>,
    ) -> Self {
        let largest = |pred: &[f64]| {
            pred.iter()
                .zip(target)
                .map(|(p, y)| (p - y).abs())
                .filter(|e| e.is_finite())
                .fold(0.0, f64::max)
        };
        let most = predictions.map(largest).fold(0.0, f64::max);
        let unit = if most > 0.0 {
            most.log2().floor().clamp(-1000.0, 1000.0).exp2()
        } else {
            1.0
        };
        Self {
            measure,
            target,
            unit,
        }
    }

    fn errors(&self, pred: &[f64]) -> Vec<f64> {
        pred.iter()
            .zip(self.target)
            .map(|(p, y)| self.measure.row(p / self.unit, y / self.unit))
            .collect()
    }

    fn parts(&self, design: &Design<'_>, predictions: &[Vec<f64>]) -> Parts {
        let errors: Vec<Vec<f64>> = predictions.iter().map(|pred| self.errors(pred)).collect();
        design.parts(self.measure, &errors)
    }
}

/// Why there are too few test rows or blocks for a verdict, as a sentence; `None` if there are enough.
fn too_few(design: &Design<'_>, has_blocks: bool) -> Option<String> {
    let (blocks, what) = (design.blocks(), if has_blocks { "groups" } else { "rows" });
    if blocks < LEAST_BLOCKS {
        let how = if has_blocks {
            "the test rows hold"
        } else {
            "the test set has"
        };
        let count = if blocks == 1 {
            format!("1 {}", what.trim_end_matches('s'))
        } else {
            format!("{blocks} {what}")
        };
        return Some(format!(
            "too few {what} to judge: {how} {count}, at least {LEAST_BLOCKS} are needed; hold out more {what}, or evaluate the student's file on other {what} with `limbeck evaluate`"
        ));
    }
    (design.degrees() < LEAST_DEGREES).then(|| {
        format!("too few {what} to judge: of {blocks} {what}, a few have nearly all the weight, so that all together count as only {:.1} {what} of equal weight; hold out more {what}, or make the weights more equal", design.degrees() + 1.0)
    })
}

/// Compares baseline, distilled student and teacher on test rows (or blocks) and seeds. The verdict's `sentence` is left empty, for the caller to
/// fill.
///
/// Returns `None` if there are no test rows or no seeds.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Option<Proof> {
    let Evidence {
        measure,
        target,
        weight,
        blocks,
        taught,
        ..
    } = *evidence;
    let seeds = evidence.baseline.len().min(evidence.distilled.len());
    let design = Design::new(weight, blocks);
    if seeds == 0 || design.blocks() == 0 {
        return None;
    }
    let all = evidence
        .baseline
        .iter()
        .chain(evidence.distilled)
        .map(Vec::as_slice)
        .chain([evidence.teacher]);
    let scaled = Scaled::new(measure, target, all);
    let baseline = scaled.parts(&design, &evidence.baseline[..seeds]);
    let saved = baseline.minus(&scaled.parts(&design, &evidence.distilled[..seeds]));
    let lead = baseline.minus(&design.parts(measure, &[scaled.errors(evidence.teacher)]));
    let few = too_few(&design, blocks.is_some());
    let (saved_by, lead_by) = (design.estimate(&saved), design.estimate(&lead));
    let error_saved = Difference::new(&saved_by, scaled.unit, few.is_none());
    let teacher_lead = Difference::new(&lead_by, scaled.unit, few.is_none());
    let one_seed = "with one training seed, the variation between seeds is unknown, and the intervals cover test rows only: set `repeats` to at least 2, better 3";
    let reason = few
        .clone()
        .or_else(|| (seeds == 1).then(|| one_seed.to_owned()));
    let gap_closed = match &few {
        _ if !taught => {
            GapClosed::none("the distilled student took nothing from the teacher: its share of teacher labels (`alpha`) is 0".into())
        }
        Some(few) => GapClosed::none(few.clone()),
        None => match design.ratio(&saved, &lead) {
            Some(ratio) => GapClosed {
                value: Some(ratio.value),
                low: Some(ratio.low),
                high: Some(ratio.high),
                reason: None,
            },
            None => GapClosed::none(format!(
                "the teacher's lead over the student trained alone ({}) is not far enough above 0 to compute the share of it that distillation closed",
                told(measure, &teacher_lead)
            )),
        },
    };
    let kind = match (&reason, taught) {
        (_, false) => VerdictKind::NoGain,
        (Some(_), true) => VerdictKind::TooFew,
        _ if error_saved.is_above() => VerdictKind::Helps,
        _ if error_saved.is_below() => VerdictKind::Hurts,
        _ => VerdictKind::NoGain,
    };
    let method = Method {
        kind,
        error_saved,
        teacher_lead,
        level: LEVEL,
        blocks: design.blocks(),
        seeds,
        se_rows: scaled.unit * saved_by.se_rows,
        se_seeds: scaled.unit * saved_by.se_seeds,
        reason,
    };
    let verdict = Verdict {
        kind,
        teacher_better: teacher_lead.is_above(),
        error_saved,
        teacher_lead,
        sentence: String::new(),
    };
    Some(Proof {
        method: Some(method),
        gap_closed,
        verdict,
    })
}

impl Method {
    /// True if training more seeds would make the interval clearly narrower: the standard error of `error_saved` over seeds is more than half of its
    /// standard error over test rows. False with one seed or with too few blocks. The rule is used once, on the first seeds. The threshold is one half
    /// because an estimate from three seeds can be too small by chance.
    ///
    /// The rule uses variances alone, never the difference itself. So it does not favor any verdict.
    ///
    /// # Source
    ///
    /// Stein, *A two-sample test for a linear hypothesis whose power is independent of the variance*, Annals of Mathematical Statistics 16, 1945.
    #[must_use]
    pub fn needs_seeds(&self) -> bool {
        self.seeds > 1 && self.blocks >= LEAST_BLOCKS && self.se_seeds > SEEDS_MATTER * self.se_rows
    }
}

/// The mean difference of errors, with its interval, over repetitions of the whole procedure. Each repetition splits the same rows into training and
/// test rows in another way.
///
/// # Formula
///
/// With the difference `d_k` of each of `N` repetitions, their variance `S²`, and `ratio`, the number of test rows per training row:
///
/// ```text
/// mean_k d_k ± t_{0.975, N − 1} · √((1/N + ratio) S²)
/// ```
///
/// The variance `S² / N` alone would be too small, since repetitions share training rows. With fewer than two repetitions there is no interval.
///
/// # Source
///
/// Nadeau & Bengio, *Inference for the generalization error*, Machine Learning 52, 2003: the corrected resampled t-test.
#[must_use]
pub fn repeated(differences: &[f64], ratio: f64) -> Difference {
    let n = differences.len() as f64;
    let value = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - value).powi(2)).sum::<f64>() / (n - 1.0);
    let half = t_quantile(n - 1.0) * ((1.0 / n + ratio) * variance).sqrt();
    let is_given = differences.len() > 1 && half.is_finite();
    let end = |end: f64| is_given.then_some(end);
    Difference {
        value,
        low: end(value - half),
        high: end(value + half),
    }
}

/// Compares the predictions `shipped` of the shipped file with the predictions `baseline` of the best file made without a teacher, on test rows. `worth`
/// is the smallest gain that is worth having, as a share of the error of the file made without a teacher.
///
/// Returns `None` if there are no test rows.
#[must_use]
pub fn judge_file(
    measure: Measure,
    target: &[f64],
    weight: &[f64],
    blocks: Option<&[u32]>,
    [shipped, baseline]: [&[f64]; 2],
    worth: f64,
) -> Option<FileGain> {
    let design = Design::new(weight, blocks);
    if design.blocks() == 0 {
        return None;
    }
    let scaled = Scaled::new(measure, target, [shipped, baseline].into_iter());
    let parts = |pred: &[f64]| design.parts(measure, &[scaled.errors(pred)]);
    let baseline = parts(baseline);
    let reason = too_few(&design, blocks.is_some());
    let error_saved = Difference::new(
        &design.estimate(&baseline.minus(&parts(shipped))),
        scaled.unit,
        reason.is_none(),
    );
    let threshold = worth * scaled.unit * baseline.mean();
    let significant = error_saved.is_above();
    Some(FileGain {
        error_saved,
        significant,
        worth_having: significant && error_saved.value >= threshold,
        worth,
        threshold,
        reason,
    })
}

fn told(measure: Measure, difference: &Difference) -> String {
    let interval = match (difference.low, difference.high) {
        (Some(low), Some(high)) => format!(", 95 % interval {} to {}", short(low), short(high)),
        _ => String::new(),
    };
    format!(
        "difference in {} {}{interval}",
        measure.name(),
        short(difference.value)
    )
}

/// A share in percent, rounded to a whole number; never −0.
#[must_use]
pub fn percent(share: f64) -> f64 {
    (100.0 * share).round() + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::rng::normal;
    use rand::SeedableRng;

    /// A verdict on 800 rows, whose errors are the same noise times a factor for teacher, baseline and distilled student.
    fn judged(
        scales: [f64; 3],
        unit: f64,
        seeds: usize,
        blocks: Option<&[u32]>,
        taught: bool,
    ) -> Proof {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(1);
        let n = 800;
        let target: Vec<f64> = (0..n).map(|i| unit * i as f64 * 0.01).collect();
        let base: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
        let mut pred = |scale: f64| -> Vec<f64> {
            target
                .iter()
                .zip(&base)
                .map(|(y, e)| y + unit * (scale * e + 0.02 * normal(&mut rng)))
                .collect()
        };
        let teacher = pred(scales[0]);
        let (baseline, distilled): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (0..seeds)
            .map(|_| (pred(scales[1]), pred(scales[2])))
            .unzip();
        let weight = vec![1.0; n];
        let evidence = Evidence {
            measure: Measure::Rmse,
            target: &target,
            weight: &weight,
            blocks,
            teacher: &teacher,
            baseline: &baseline,
            distilled: &distilled,
            taught,
        };
        judge(&evidence).unwrap()
    }

    #[test]
    fn three_quarters_of_a_gap_are_found() {
        let proof = judged([1.0, 2.0, 1.25], 1.0, 3, None, true);
        let gap = proof.gap_closed;
        assert!((gap.value.unwrap() - 0.75).abs() < 0.01);
        assert!(gap.low.unwrap() < 0.75 && gap.high.unwrap() > 0.74);
        assert_eq!(
            (proof.verdict.kind, proof.verdict.teacher_better),
            (VerdictKind::Helps, true)
        );
    }

    #[test]
    fn unit_of_the_target_changes_no_verdict() {
        let plain = judged([1.0, 2.0, 1.25], 1.0, 3, None, true);
        for unit in [2f64.powi(-900), 2f64.powi(980)] {
            let found = judged([1.0, 2.0, 1.25], unit, 3, None, true);
            assert_eq!(found.gap_closed, plain.gap_closed);
            assert!(
                (found.verdict.error_saved.value / unit / plain.verdict.error_saved.value - 1.0)
                    .abs()
                    < 1e-12
            );
        }
    }

    #[test]
    fn gap_is_null_with_a_reason_where_the_teacher_is_no_better() {
        let proof = judged([1.5, 1.0, 1.0], 1.0, 3, None, true);
        assert_eq!(proof.gap_closed.value, None);
        assert!(
            proof
                .gap_closed
                .reason
                .unwrap()
                .contains("not far enough above 0")
        );
        assert!(!proof.verdict.teacher_better);
        assert_eq!(proof.verdict.kind, VerdictKind::NoGain);
        assert_eq!(
            judged([1.0, 1.2, 1.6], 1.0, 3, None, true).verdict.kind,
            VerdictKind::Hurts
        );
    }

    #[test]
    fn what_took_nothing_from_the_teacher_is_no_distillation() {
        let proof = judged([1.0, 2.0, 1.25], 1.0, 3, None, false);
        assert!(proof.verdict.error_saved.is_above());
        assert_eq!(
            (proof.verdict.kind, proof.gap_closed.value),
            (VerdictKind::NoGain, None)
        );
    }

    #[test]
    fn few_groups_or_one_seed_give_no_verdict() {
        let five: Vec<u32> = (0..800).map(|row| row % 5).collect();
        let proof = judged([1.0, 2.0, 1.25], 1.0, 3, Some(&five), true);
        assert_eq!(
            (
                proof.verdict.kind,
                proof.verdict.error_saved.low,
                proof.gap_closed.value
            ),
            (VerdictKind::TooFew, None, None)
        );
        assert!(
            proof
                .method
                .unwrap()
                .reason
                .unwrap()
                .contains("the test rows hold 5 groups, at least 10 are needed")
        );
        let ten: Vec<u32> = (0..800).map(|row| row % 10).collect();
        assert_eq!(
            judged([1.0, 2.0, 1.25], 1.0, 3, Some(&ten), true)
                .verdict
                .kind,
            VerdictKind::Helps
        );
        // One of twelve groups has nearly all rows.
        let one: Vec<u32> = (0..800)
            .map(|row| if row < 11 { row } else { 11 })
            .collect();
        assert_eq!(
            judged([1.0, 2.0, 1.25], 1.0, 3, Some(&one), true)
                .verdict
                .kind,
            VerdictKind::TooFew
        );
        let proof = judged([1.0, 2.0, 1.25], 1.0, 1, None, true);
        assert!(proof.verdict.kind == VerdictKind::TooFew && proof.verdict.error_saved.is_above());
    }

    #[test]
    fn false_verdicts_are_rare_where_seeds_dominate() {
        // 600 test sets of 30 rows and 3 seeds, whose students differ by their seeds alone; `make intervals` has the large version.
        let (n, seeds, cases) = (30, 3, 600);
        let (target, weight) = (vec![0.0; n], vec![1.0; n]);
        let wrong = (0..cases).filter(|&case| {
            let mut rng = limbeck_data::generator(9, "null", case);
            let noise: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
            let mut side = || -> Vec<Vec<f64>> {
                (0..seeds)
                    .map(|_| {
                        let of_seed = 0.05 * normal(&mut rng);
                        noise
                            .iter()
                            .map(|e| e * (1.0 + of_seed + 0.03 * normal(&mut rng)))
                            .collect()
                    })
                    .collect()
            };
            let (baseline, distilled) = (side(), side());
            let evidence = Evidence {
                measure: Measure::Rmse,
                target: &target,
                weight: &weight,
                blocks: None,
                teacher: &noise,
                baseline: &baseline,
                distilled: &distilled,
                taught: true,
            };
            judge(&evidence).unwrap().verdict.kind != VerdictKind::NoGain
        });
        // 6 % are 36, and three standard errors 17; a bootstrap of seeds has 14 %, which are 84.
        let wrong = wrong.count();
        assert!((5..=53).contains(&wrong), "{wrong}");
    }

    #[test]
    fn a_file_is_worth_having_from_its_threshold_on() {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(2);
        let noise: Vec<f64> = (0..2000).map(|_| normal(&mut rng)).collect();
        let (zeros, ones) = (vec![0.0; 2000], vec![1.0; 2000]);
        let gain = |scale: f64, worth: f64| {
            let better: Vec<f64> = noise.iter().map(|e| scale * e).collect();
            judge_file(Measure::Rmse, &zeros, &ones, None, [&better, &noise], worth).unwrap()
        };
        let found = gain(0.985, 0.01);
        assert!(
            found.significant && found.worth_having && found.error_saved.value > found.threshold
        );
        assert!(gain(0.985, 0.02).significant && !gain(0.985, 0.02).worth_having);
        assert!(!gain(1.01, 0.0).significant && gain(1.01, 0.0).error_saved.is_below());
    }

    #[test]
    fn numbers_have_four_significant_digits() {
        assert_eq!(short(0.012_345_6), "0.01235");
        assert_eq!(short(45_678.9), "45679");
        assert_eq!(short(-2.345_67), "-2.346");
        assert_eq!((short(0.0), short(-0.0)), ("0".into(), "0".into()));
        assert_eq!(
            (short(1.234_56e-12), short(-3.8e15)),
            ("1.235e-12".into(), "-3.800e15".into())
        );
        assert_eq!(format!("{}", percent(-0.001)), "0");
    }
}
