//! Hyperparameter search on validation rows, and refit of the chosen settings.
//!
//! The baseline (the student trained alone) and the distilled student go through the same search ([`choose`]): the same schedules, the same number of
//! trials on the first two of the three rungs (stages of the search), and sizes from the whole parameter budget to an eighth of it. With few rows,
//! every trial is validated on several splits ([`Search`]), and the best trials of each student are trained again with other seeds before the final
//! choice. The chosen setting of each student is then fitted again on all training and validation rows ([`refit`]), with the same schedule. It stops
//! at the stopping point that the search found on validation rows.
//!
//! Each training is saved in the run's [`Checkpoints`](limbeck_data::Checkpoints), also from time to time before it is finished.

pub(crate) mod ladder;

use limbeck_data::Features;
use rayon::prelude::*;

pub use crate::stage::{Stage, Study};
pub use crate::transfer::set::{KnownRows, NewRows, TransferSet};
pub use crate::trial::{
    Choice, Point, Progress, Setting, Training, Trial, Watch, closed_form_alpha,
};
pub use crate::validation::Search;
pub use ladder::{choose, choose_baseline, longest_schedule, search_steps, steps_of_schedule};

use crate::error::Result;
use crate::kinds;

/// The baseline and the distilled student, both refitted with the same seed.
#[derive(Clone, Debug)]
pub struct Refitted {
    /// The baseline: the student trained alone.
    pub baseline: Trial,
    /// The distilled student.
    pub distilled: Trial,
}

/// Trains the chosen settings of baseline and distilled student again, on the rows of `stage`, once for each seed. Each setting comes with the number
/// of steps to take. Returns one result per seed, in order.
///
/// # Errors
///
/// If a training fails.
pub fn refit(
    stage: &Stage<'_>,
    baseline: (Setting, usize),
    distilled: (Setting, usize),
    seeds: &[u64],
    watch: Watch<'_>,
) -> Result<Vec<Refitted>> {
    // Shared by all seeds: copies of so many rows would evict each other from the cache.
    let lesson = |setting: Setting| {
        setting
            .spec
            .is_none()
            .then(|| stage.lesson(setting))
            .transpose()
    };
    let lessons = (lesson(baseline.0)?, lesson(distilled.0)?);
    let jobs: Vec<(u64, bool)> = seeds
        .iter()
        .flat_map(|&seed| [(seed, true), (seed, false)])
        .collect();
    let trials: Vec<Trial> = jobs
        .into_par_iter()
        .map(|(seed, is_distilled)| {
            let (lesson, (setting, stop)) = match is_distilled {
                true => (&lessons.1, distilled),
                false => (&lessons.0, baseline),
            };
            match (setting.spec, lesson) {
                (Some(spec), _) => kinds::fit(stage, setting.alpha, spec, seed),
                (None, Some(lesson)) => Ok(stage
                    .train(lesson, &Training::refit(setting, seed), stop, watch)?
                    .last(setting)),
                (None, None) => unreachable!("networks have a lesson"),
            }
        })
        .collect::<Result<_>>()?;
    let mut trials = trials.into_iter();
    let mut out = Vec::with_capacity(seeds.len());
    while let (Some(distilled), Some(baseline)) = (trials.next(), trials.next()) {
        out.push(Refitted {
            baseline,
            distilled,
        });
    }
    Ok(out)
}

/// [`typical`] compares the predictions of refits on at most this many rows, evenly spaced.
const COMPARED: usize = 4000;

/// The index of the refit to be shipped, among the refits `trials` with different seeds. It is the one whose predictions on `features` are nearest
/// to the mean of all refits.
///
/// The mean over several seeds is better than most single seeds. But no targets are left by which a seed could be chosen: the refits have learned
/// from the training and validation rows, and test rows must not choose. So the refit nearest to the mean is taken, by root mean squared distance. If
/// there are fewer than three refits, the first one is taken; also for non-neural students, which hardly vary with the seed.
///
/// # Errors
///
/// If the rows cannot be encoded.
pub fn typical(stage: &Stage<'_>, trials: &[&Trial], features: &Features) -> Result<usize> {
    if trials.len() < 3 || trials.iter().any(|trial| trial.setting.spec.is_some()) {
        return Ok(0);
    }
    let rows: Vec<usize> = (0..features.rows)
        .step_by(features.rows.div_ceil(COMPARED).max(1))
        .collect();
    let features = features.select(&rows);
    let answers: Vec<Vec<f64>> = trials
        .iter()
        .map(|trial| Ok(stage.comparable(stage.answers(trial, &features)?)))
        .collect::<Result<_>>()?;
    Ok(nearest_to_mean(&answers))
}

fn nearest_to_mean(answers: &[Vec<f64>]) -> usize {
    let rows = answers.first().map_or(0, Vec::len);
    let mean: Vec<f64> = (0..rows)
        .map(|row| answers.iter().map(|one| one[row]).sum::<f64>() / answers.len() as f64)
        .collect();
    let distance = |one: &Vec<f64>| {
        one.iter()
            .zip(&mean)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
    };
    let distances: Vec<f64> = answers.iter().map(distance).collect();
    (0..distances.len())
        .min_by(|&a, &b| distances[a].total_cmp(&distances[b]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typical_answers_are_nearest_to_the_mean() {
        // Mean (2, 2): distances 5, 1, 2.
        assert_eq!(
            nearest_to_mean(&[vec![0.0, 1.0], vec![2.0, 3.0], vec![4.0, 2.0]]),
            1
        );
        assert_eq!(nearest_to_mean(&[]), 0);
    }
}
