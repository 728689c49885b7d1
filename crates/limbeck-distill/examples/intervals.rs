//! Measures how often the verdicts and intervals of `judge` are wrong, on simulated predictions: `make intervals` writes `docs/intervals.md`.
//!
//! Each case is a set of test predictions of a teacher, a student trained alone and a distilled student, by row and seed.
//! [`judge`](limbeck_distill::proof::judge) evaluates it as it evaluates the predictions of a run.
#![allow(clippy::print_stdout, reason = "an example that writes a document")]

use limbeck_data::generator;
use limbeck_data::metrics::Measure;
use limbeck_data::rng::normal;
use limbeck_distill::proof::{Evidence, Proof, VerdictKind, judge};
use rand::Rng;
use rayon::prelude::*;

/// True share of the gap that is closed.
const CLOSED: f64 = 0.7;
/// Standard error of the difference, as a share of the error.
const SCALE: f64 = 0.02;

#[derive(Clone, Copy)]
struct Cell {
    heavy: bool,
    blocks: usize,
    seeds: usize,
    /// Variance of the mean difference due to seeds, divided by that due to blocks.
    ratio: f64,
}

/// Factors for the errors of the teacher, the student alone and the distilled student.
type Factors = [f64; 3];

struct Case {
    blocks: Vec<u32>,
    target: Vec<f64>,
    weight: Vec<f64>,
    teacher: Vec<f64>,
    baseline: Vec<Vec<f64>>,
    distilled: Vec<Vec<f64>>,
}

impl Case {
    /// The error of a row is its noise, times 1 + effects of the block, of the seed and of their interaction; each student has its own effects.
    fn new(cell: Cell, seeds: usize, factors: Factors, task: &str, index: u64) -> Self {
        let mut rng = generator(17, task, index);
        let per_block = if cell.blocks > 100 { 1 } else { 4 };
        let rows = cell.blocks * per_block;
        let noise: Vec<f64> = (0..rows)
            .map(|_| {
                if cell.heavy {
                    student_3(&mut rng)
                } else {
                    normal(&mut rng)
                }
            })
            .collect();
        let blocks: Vec<u32> = (0..rows).map(|row| (row / per_block) as u32).collect();
        let target: Vec<f64> = (0..rows).map(|row| (row % 29) as f64).collect();
        let (s, b) = (cell.seeds as f64, cell.blocks as f64);
        let of_block = SCALE * (b / (2.0 * (1.0 + cell.ratio))).sqrt();
        let of_seed = SCALE * (s * cell.ratio / (2.0 * (1.0 + cell.ratio))).sqrt();
        // In the mean over seeds, the interaction has a third of the variance that blocks have.
        let of_both = of_block * (s / 3.0).sqrt();
        let mut side = |seeds: usize, factor: f64, of_seed: f64| -> Vec<Vec<f64>> {
            let by_block: Vec<f64> = (0..cell.blocks).map(|_| normal(&mut rng)).collect();
            (0..seeds)
                .map(|_| {
                    let by_seed = normal(&mut rng);
                    let scales: Vec<f64> = by_block
                        .iter()
                        .map(|g| {
                            factor
                                * (1.0
                                    + of_block * g
                                    + of_seed * by_seed
                                    + of_both * normal(&mut rng))
                        })
                        .collect();
                    (0..rows)
                        .map(|row| target[row] + noise[row] * scales[row / per_block])
                        .collect()
                })
                .collect()
        };
        let [teacher, baseline, distilled] = factors;
        let (teacher, baseline, distilled) = (
            side(1, teacher, 0.0).remove(0),
            side(seeds, baseline, of_seed),
            side(seeds, distilled, of_seed),
        );
        Self {
            weight: vec![1.0; rows],
            blocks,
            target,
            teacher,
            baseline,
            distilled,
        }
    }

    fn judge(&self, seeds: usize) -> Proof {
        let evidence = Evidence {
            measure: Measure::Rmse,
            target: &self.target,
            weight: &self.weight,
            blocks: Some(&self.blocks),
            teacher: &self.teacher,
            baseline: &self.baseline[..seeds],
            distilled: &self.distilled[..seeds],
            taught: true,
        };
        judge(&evidence).unwrap_or_else(|| unreachable!("there are rows and seeds"))
    }
}

/// A draw from Student's t distribution with 3 degrees of freedom, scaled to variance 1.
fn student_3(rng: &mut impl Rng) -> f64 {
    let squares: f64 = (0..3).map(|_| normal(rng).powi(2)).sum();
    normal(rng) / squares.sqrt()
}

#[derive(Default)]
struct Found {
    wrong: f64,
    wrong_by_rule: f64,
    seeds_by_rule: f64,
    gain_found: f64,
    given: [f64; 2],
    covered: [f64; 2],
}

fn error(case: &[f64], target: &[f64]) -> f64 {
    Measure::Rmse.score(case, target, &vec![1.0; target.len()])
}

fn run(cell: Cell, cases: u64) -> Found {
    let all = cases as f64;
    let mut found = Found::default();
    let (mut saved, mut lead, mut baseline, mut teacher) = (Vec::new(), Vec::new(), 0.0, 0.0);
    let most = if cell.seeds == 3 { 7 } else { cell.seeds };
    for index in 0..cases {
        let case = Case::new(cell, most, [1.0; 3], "null", index);
        let mut proof = case.judge(cell.seeds);
        found.wrong += f64::from(u8::from(proof.verdict.kind != VerdictKind::NoGain)) / all;
        saved.push(proof.verdict.error_saved.value);
        lead.push(proof.verdict.teacher_lead.value);
        baseline += error(&case.baseline[0], &case.target) / all;
        teacher += error(&case.teacher, &case.target) / all;
        let mut seeds = cell.seeds;
        if seeds < most
            && proof
                .method
                .as_ref()
                .is_some_and(limbeck_distill::proof::Method::needs_seeds)
        {
            seeds = most;
            proof = case.judge(seeds);
        }
        found.seeds_by_rule += seeds as f64 / all;
        found.wrong_by_rule += f64::from(u8::from(proof.verdict.kind != VerdictKind::NoGain)) / all;
    }
    let deviation = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / all;
        (values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / all)
            .sqrt()
    };
    let (of_saved, of_lead) = (deviation(&saved) / baseline, deviation(&lead) / baseline);
    for index in 0..cases {
        let case = Case::new(
            cell,
            cell.seeds,
            [1.0, 1.0, 1.0 - 4.0 * of_saved],
            "gain",
            index,
        );
        found.gain_found += f64::from(u8::from(
            case.judge(cell.seeds).verdict.kind == VerdictKind::Helps,
        )) / all;
    }
    for (at, times) in [10.0, 5.0].into_iter().enumerate() {
        let share = (times * of_lead).min(0.9);
        for index in 0..cases {
            let factors = [
                (1.0 - share) * baseline / teacher,
                1.0,
                1.0 - CLOSED * share,
            ];
            let gap = Case::new(cell, cell.seeds, factors, "gap", index)
                .judge(cell.seeds)
                .gap_closed;
            if let (Some(low), Some(high)) = (gap.low, gap.high) {
                found.given[at] += 1.0;
                found.covered[at] += f64::from(u8::from((low..=high).contains(&CLOSED)));
            }
        }
        found.covered[at] /= found.given[at];
        found.given[at] /= all;
    }
    found
}

fn main() {
    let cases = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000);
    let mut cells = Vec::new();
    for heavy in [false, true] {
        for blocks in [10, 30, 300] {
            for seeds in [3, 5] {
                cells.extend([10.0, 1.0, 0.1].map(|ratio| Cell {
                    heavy,
                    blocks,
                    seeds,
                    ratio,
                }));
            }
        }
    }
    let found: Vec<Found> = cells.par_iter().map(|&cell| run(cell, cases)).collect();
    println!("# How often intervals hold\n");
    println!(
        "Written by `make intervals`: each number is from {cases} simulated test sets, judged by `limbeck_distill::proof::judge`. The error of a row is noise, normal or of Student's t \
         distribution with 3 degrees of freedom, times random effects of its block, of the seed and of their interaction. The student alone and the distilled student each have their own effects; the teacher is \
         one model, without a seed. *Ratio*: variance of the difference due to seeds, divided by that due to blocks.\n"
    );
    println!(
        "- *False*: how often the verdict is \"helps\" or \"hurts\" although there is no difference; at most 6 % is acceptable. *By rule*: the same if 7 seeds are trained whenever the standard error over the \
         first 3 seeds is more than half of that over rows; *seeds* is the mean number of seeds then.\n- *Gain found*: how often the verdict is \"helps\" at a true gain of 4 standard errors; at least 80 % is \
         acceptable with 5 seeds and 30 blocks or more.\n- *Gap*: how often the interval of `gap_closed` contains the true share (0.7) if it is given, and how often it is given, for a teacher's lead of 10 and of 5 \
         standard errors; 93 to 97 % is acceptable.\n\nWith heavy tails, a few large errors carry most of the variance, and t intervals contain the true value more often than they claim.\n"
    );
    println!(
        "| noise | blocks | seeds | ratio | false | by rule | seeds | gain found | gap, lead 10 | given | gap, lead 5 | given |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (cell, found) in cells.iter().zip(&found) {
        let share = |value: f64| format!("{:.1} %", 100.0 * value);
        let rule = if cell.seeds == 3 {
            [
                share(found.wrong_by_rule),
                format!("{:.1}", found.seeds_by_rule),
            ]
        } else {
            ["–".into(), "–".into()]
        };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            if cell.heavy { "heavy" } else { "normal" },
            cell.blocks,
            cell.seeds,
            cell.ratio,
            share(found.wrong),
            rule[0],
            rule[1],
            share(found.gain_found),
            share(found.covered[0]),
            share(found.given[0]),
            share(found.covered[1]),
            share(found.given[1])
        );
    }
    let worst = found
        .iter()
        .flat_map(|found| [found.wrong, found.wrong_by_rule])
        .fold(0.0, f64::max);
    let least = cells
        .iter()
        .zip(&found)
        .filter(|(cell, _)| cell.seeds >= 5 && cell.blocks >= 30)
        .map(|(_, found)| found.gain_found)
        .fold(1.0, f64::min);
    let covered = found
        .iter()
        .flat_map(|found| found.covered)
        .filter(|share| share.is_finite());
    let (low, high) = covered.fold((1.0f64, 0.0f64), |(low, high), share| {
        (low.min(share), high.max(share))
    });
    println!(
        "\nHighest rate of false verdicts: {:.1} %. Lowest rate of gains found, with 5 seeds and 30 blocks or more: {:.0} %. Coverage of gap intervals: {:.1} to {:.1} %.",
        100.0 * worst,
        100.0 * least,
        100.0 * low,
        100.0 * high
    );
}
