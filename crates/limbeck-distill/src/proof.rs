//! What distillation is worth: the method, over rows and seeds; the file, over rows; the share of the gap that was closed.
//!
//! Two questions with two answers. *Does distillation help?* is about the method, and another seed is another student: [`judge`]. *Is
//! the file worth having?* is about one student against the best file that needs no teacher: [`judge_file`]. Intervals are those of
//! [`limbeck_data::crossed`].

use limbeck_data::crossed::{Design, Estimate, LEVEL, Parts, t_quantile};
use limbeck_data::metrics::Measure;
use serde::{Deserialize, Serialize};

/// Fewer blocks (groups, stretches of time, or rows) than this give no interval and no verdict.
pub const LEAST_BLOCKS: usize = 10;
/// The same of degrees of freedom, where blocks have very different weights.
const LEAST_DEGREES: f64 = 3.0;
/// More seeds are trained from this ratio of the standard errors over seeds and over rows on.
const SEEDS_MATTER: f64 = 0.5;

/// Test predictions of all sides, in the target's unit.
#[derive(Clone, Copy, Debug)]
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
}

/// Share of the gap between lone student and teacher that distillation closed.
///
/// # Formula
///
/// ```text
/// gap_closed = (error_alone − error_distilled) / (error_alone − error_teacher)
/// ```
///
/// of errors (RMSE, or the pinball loss of a quantile) averaged over seeds, with Fieller's interval ([`Design::ratio`]). Null with a `reason` where the teacher's lead
/// is not well above 0 (1.5 times the half-width of its 95 % interval): a ratio to a gap that may be near zero says nothing; and where the distilled student took
/// nothing from the teacher.
///
/// # Source
///
/// Fieller, *Some problems in interval estimation*, Journal of the Royal Statistical Society B 16, 1954.
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
    /// There are too few test blocks or seeds to judge.
    #[serde(rename = "too few")]
    TooFew,
}

impl VerdictKind {
    /// The word for it, in reports and tables.
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

/// A difference of errors, RMSE or pinball loss, in the target's unit, with its 95 % interval where one can be given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference.
    pub value: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
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

    /// True where the whole interval is above 0.
    #[must_use]
    pub fn is_above(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }

    /// True where the whole interval is below 0.
    #[must_use]
    pub fn is_below(&self) -> bool {
        self.high.is_some_and(|high| high < 0.0)
    }
}

/// Distilled against alone, over test rows (or blocks) and training seeds: does the method help on this split?
///
/// # Formula
///
/// [`Design::estimate`], with one t interval for any number of blocks and seeds.
///
/// # Units
///
/// Differences and standard errors in the target's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The verdict.
    pub kind: VerdictKind,
    /// Error of the lone minus that of the distilled student.
    pub error_saved: Difference,
    /// Error of the lone student minus that of the teacher.
    pub teacher_lead: Difference,
    /// Share of cases in which an interval is to hold the truth.
    pub level: f64,
    /// Groups, stretches of time, or rows.
    pub blocks: usize,
    /// Training seeds.
    pub seeds: usize,
    /// Standard error of `error_saved` over rows or blocks.
    pub se_rows: f64,
    /// Standard error of it over seeds; 0 with one seed.
    pub se_seeds: f64,
    /// Why there is no verdict.
    pub reason: Option<String>,
}

/// The shipped file against the best file without a teacher, over test rows or blocks: is it worth having?
///
/// Both files are fixed, so that seeds have no effect.
///
/// # Formula
///
/// [`Design::estimate`] with one seed: a t interval of the difference of errors, by a jackknife over blocks.
///
/// # Units
///
/// `value`, `low`, `high` and `threshold` in the target's unit; `worth` a share of the lone file's error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileGain {
    /// Error of the lone file minus that of the shipped one, with its interval.
    #[serde(flatten)]
    pub error_saved: Difference,
    /// True where the whole interval is above 0.
    pub significant: bool,
    /// True where it is significant and no less than `threshold`.
    pub worth_having: bool,
    /// Least gain that is worth having, as a share of the lone file's error.
    pub worth: f64,
    /// The same in the target's unit.
    pub threshold: f64,
    /// Why there is no interval.
    pub reason: Option<String>,
}

/// Method, gap and verdict together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Distilled against alone; none in reports of earlier versions.
    #[serde(default)]
    pub method: Option<Method>,
    /// Share of the gap closed.
    pub gap_closed: GapClosed,
    /// The verdict.
    pub verdict: Verdict,
}

/// Predictions and targets in a unit in which squares neither overflow nor vanish: a power of two, so that no digit changes.
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

/// Why a design is too small to judge by; none where it is not.
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
            "too few {what} to judge: {how} {count}, at least {LEAST_BLOCKS} are needed; hold out more {what}, or predict rows of further {what} by `limbeck evaluate`"
        ));
    }
    (design.degrees() < LEAST_DEGREES).then(|| {
        format!("too few {what} to judge: of {blocks} {what}, a few hold nearly all the weight ({:.1} of equal weight would say as much)", design.degrees() + 1.0)
    })
}

/// Judges test predictions over rows (or blocks) and seeds; the sentence is left empty.
///
/// None without test rows or seeds.
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
    let seeds = evidence.alone.len().min(evidence.distilled.len());
    let design = Design::new(weight, blocks);
    if seeds == 0 || design.blocks() == 0 {
        return None;
    }
    let all = evidence
        .alone
        .iter()
        .chain(evidence.distilled)
        .map(Vec::as_slice)
        .chain([evidence.teacher]);
    let scaled = Scaled::new(measure, target, all);
    let alone = scaled.parts(&design, &evidence.alone[..seeds]);
    let saved = alone.minus(&scaled.parts(&design, &evidence.distilled[..seeds]));
    let lead = alone.minus(&design.parts(measure, &[scaled.errors(evidence.teacher)]));
    let few = too_few(&design, blocks.is_some());
    let (saved_by, lead_by) = (design.estimate(&saved), design.estimate(&lead));
    let error_saved = Difference::new(&saved_by, scaled.unit, few.is_none());
    let teacher_lead = Difference::new(&lead_by, scaled.unit, few.is_none());
    let one_seed = "with one training seed, variation between seeds is unknown: set `repeats` to at least 2, better 3; intervals cover test rows alone";
    let reason = few
        .clone()
        .or_else(|| (seeds == 1).then(|| one_seed.to_owned()));
    let gap_closed = match &few {
        _ if !taught => {
            GapClosed::none("the distilled student took nothing from the teacher".into())
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
                "the teacher's lead on the lone student is not far enough from 0: {}",
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
    /// True where more seeds are worth training: over seeds, the standard error of the difference is more than half of that over rows. Asked once, of the
    /// first seeds. Half, and not all of it: of three seeds that dominate, some look as if they did not, and these would be believed.
    ///
    /// It asks for variances alone, never for the difference itself, so that to train more seeds then favors no verdict.
    ///
    /// # Source
    ///
    /// Stein, *A two-sample test for a linear hypothesis whose power is independent of the variance*, Annals of Mathematical Statistics 16, 1945.
    #[must_use]
    pub fn needs_seeds(&self) -> bool {
        self.seeds > 1 && self.blocks >= LEAST_BLOCKS && self.se_seeds > SEEDS_MATTER * self.se_rows
    }
}

/// The mean of a difference of errors over repetitions of a whole procedure on other splits of the same rows.
///
/// # Formula
///
/// With the differences `d_k` of `N` repetitions, their variance `S²`, and `ratio` test rows to one training row:
///
/// ```text
/// mean_k d_k ± t_{0.975, N − 1} · √((1/N + ratio) S²)
/// ```
///
/// `S² / N` alone would be too little, since repetitions share training rows. No interval of fewer than two.
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

/// The shipped file's answers against those of the best lone file, on test rows.
///
/// None without test rows.
#[must_use]
pub fn judge_file(
    measure: Measure,
    target: &[f64],
    weight: &[f64],
    blocks: Option<&[u32]>,
    [shipped, lone]: [&[f64]; 2],
    worth: f64,
) -> Option<FileGain> {
    let design = Design::new(weight, blocks);
    if design.blocks() == 0 {
        return None;
    }
    let scaled = Scaled::new(measure, target, [shipped, lone].into_iter());
    let parts = |pred: &[f64]| design.parts(measure, &[scaled.errors(pred)]);
    let lone = parts(lone);
    let reason = too_few(&design, blocks.is_some());
    let error_saved = Difference::new(
        &design.estimate(&lone.minus(&parts(shipped))),
        scaled.unit,
        reason.is_none(),
    );
    let threshold = worth * scaled.unit * lone.mean();
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
        (Some(low), Some(high)) => format!(" (95 % interval {} to {})", short(low), short(high)),
        _ => String::new(),
    };
    format!("{} {}{interval}", measure.name(), short(difference.value))
}

/// A share in whole percent; never minus zero.
#[must_use]
pub fn percent(share: f64) -> f64 {
    (100.0 * share).round() + 0.0
}

/// Four significant digits, as people write numbers; with a power of ten far from 1.
#[must_use]
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{}", value + 0.0);
    }
    match value.abs().log10().floor() as i32 {
        size @ -5..=11 => format!("{value:.*}", (3 - size).clamp(0, 12) as usize),
        _ => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::rng::normal;
    use rand::SeedableRng;

    /// 800 rows whose errors are those of one noise, times a factor for each side.
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
        let (alone, distilled): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (0..seeds)
            .map(|_| (pred(scales[1]), pred(scales[2])))
            .unzip();
        let weight = vec![1.0; n];
        let evidence = Evidence {
            measure: Measure::Rmse,
            target: &target,
            weight: &weight,
            blocks,
            teacher: &teacher,
            alone: &alone,
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
                .contains("not far enough from 0")
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
            let (alone, distilled) = (side(), side());
            let evidence = Evidence {
                measure: Measure::Rmse,
                target: &target,
                weight: &weight,
                blocks: None,
                teacher: &noise,
                alone: &alone,
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
