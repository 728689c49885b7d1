//! How often the verdicts and intervals of `judge` are wrong, on simulated predictions: `make intervals` writes `docs/intervals.md`.
//!
//! Each case is a set of test predictions of a teacher and of both students, by row and seed, that goes through
//! [`judge`](limbeck_distill::proof::judge) as a run's predictions do.
#![allow(clippy::print_stdout, reason = "an example that writes a document")]

use limbeck_data::generator;
use limbeck_data::metrics::Measure;
use limbeck_data::rng::normal;
use limbeck_distill::proof::{Evidence, Proof, VerdictKind, judge};
use rand::Rng;
use rayon::prelude::*;

/// Share of the gap that is closed in truth.
const CLOSED: f64 = 0.7;
/// Standard error of the difference, as a share of the error.
const SCALE: f64 = 0.02;

#[derive(Clone, Copy)]
struct Cell {
    heavy: bool,
    blocks: usize,
    seeds: usize,
    /// Variance of the mean difference by seeds over that by blocks.
    ratio: f64,
}

/// Factors on the errors of teacher, alone and distilled.
type Factors = [f64; 3];

struct Case {
    blocks: Vec<u32>,
    target: Vec<f64>,
    weight: Vec<f64>,
    teacher: Vec<f64>,
    alone: Vec<Vec<f64>>,
    distilled: Vec<Vec<f64>>,
}

impl Case {
    /// The error of a row is its own noise, times 1 + effects of block, seed and of both, which each side has of its own.
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
        // A third of what blocks give.
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
        let [teacher, alone, distilled] = factors;
        let (teacher, alone, distilled) = (
            side(1, teacher, 0.0).remove(0),
            side(seeds, alone, of_seed),
            side(seeds, distilled, of_seed),
        );
        Self {
            weight: vec![1.0; rows],
            blocks,
            target,
            teacher,
            alone,
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
            alone: &self.alone[..seeds],
            distilled: &self.distilled[..seeds],
            taught: true,
        };
        judge(&evidence).unwrap_or_else(|| unreachable!("there are rows and seeds"))
    }
}

/// Student's distribution with 3 degrees of freedom, of variance 1.
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
    let (mut saved, mut lead, mut alone, mut teacher) = (Vec::new(), Vec::new(), 0.0, 0.0);
    let most = if cell.seeds == 3 { 7 } else { cell.seeds };
    for index in 0..cases {
        let case = Case::new(cell, most, [1.0; 3], "null", index);
        let mut proof = case.judge(cell.seeds);
        found.wrong += f64::from(u8::from(proof.verdict.kind != VerdictKind::NoGain)) / all;
        saved.push(proof.verdict.error_saved.value);
        lead.push(proof.verdict.teacher_lead.value);
        alone += error(&case.alone[0], &case.target) / all;
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
    let (of_saved, of_lead) = (deviation(&saved) / alone, deviation(&lead) / alone);
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
            let factors = [(1.0 - share) * alone / teacher, 1.0, 1.0 - CLOSED * share];
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
        "Written by `make intervals`: {cases} simulated test sets for each number, through `limbeck_distill::proof::judge`. The error of a row is noise, normal or of Student's \
         distribution with 3 degrees of freedom, times effects of its block, of the seed and of both, which the lone and the distilled student each have of their own; the teacher is one, without a seed. *Ratio*: \
         variance of the difference by seeds to that by blocks.\n"
    );
    println!(
        "- *False*: \"helps\" or \"hurts\" where there is no difference; the bar is 6 %. *By rule*: the same where 7 seeds are trained if the first 3 vary more than half as much as rows do (standard errors); \
         beside it, seeds in the mean.\n- *Gain found*: \"helps\" at a true gain of 4 standard errors; the bar is 80 % with 5 seeds and 30 blocks or more.\n- *Gap*: how often the interval of `gap_closed` holds \
         the truth (0.7) where it is given, and how often it is given, at a teacher's lead of 10 and of 5 standard errors; the bar is 93 to 97 %.\n\nWith heavy tails the few largest \
         errors carry the variance, and t intervals hold the truth more often than they claim.\n"
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
        "\nMost false verdicts {:.1} %; least gains found with 5 seeds and 30 blocks or more {:.0} %; gaps covered {:.1} to {:.1} %.",
        100.0 * worst,
        100.0 * least,
        100.0 * low,
        100.0 * high
    );
}
