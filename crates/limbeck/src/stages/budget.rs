//! Turns a time limit into options.
//!
//! Speed is measured once, on the table itself. The options that fit the limit replace it in the recipe, which then gives the same run on any
//! machine.

use std::time::Instant;

use limbeck_data::Dataset;
use limbeck_data::checkpoint::NO_CHECKPOINTS;
use limbeck_distill::search::{self, KnownRows, Stage, Study, TransferSet};
use limbeck_distill::student::StudentOptions;
use limbeck_teach::trees::{self, TreeOptions};

use super::students::study;
use crate::error::Result;
use crate::recipe::{Recipe, TeacherSource};
use crate::session::{Event, Session};

/// Share of the limit that is planned; the rest is for reading, testing and estimation errors.
const PLANNED: f64 = 0.8;
/// Share of the planned time that the teacher may take.
const TEACHER: f64 = 0.5;
/// Rows on which speed is measured.
const SAMPLE: usize = 4000;
/// Steps and rounds with which speed is measured.
const STEPS: usize = 150;
const ROUNDS: usize = 30;
/// Minimum numbers of steps and of rounds.
const LEAST_STEPS: usize = 500;
const LEAST_ROUNDS: usize = 40;

/// The recipe with its time limit replaced by options; unchanged without one.
pub(crate) fn resolve(recipe: &Recipe, data: &Dataset, session: &Session<'_>) -> Result<Recipe> {
    let mut resolved = recipe.clone();
    let Some(limit) = resolved.time_limit.take() else {
        return Ok(resolved);
    };
    // The limit is planned for these seeds alone.
    resolved.max_repeats = resolved.repeats;
    session.begin("measure speed");
    let threads = rayon::current_num_threads() as f64;
    // Each outer fold takes as long as the run itself.
    let planned = limit * PLANNED / (1 + recipe.outer_folds) as f64;
    let fits_teacher = recipe.teacher_source() == TeacherSource::Fit;
    let mut student_time = planned;
    if fits_teacher {
        let fits = (recipe.teacher.folds + recipe.teacher.fits) as f64;
        let rounds = planned * TEACHER * 0.6 * threads / (fits * seconds_per_round(recipe, data)?);
        shrink_trees(&mut resolved.teacher.trees, rounds);
        let share = (rounds / recipe.teacher.trees.rounds as f64).min(1.0);
        let network = &mut resolved.teacher.network;
        network.steps = (
            scaled(network.steps.0, share, 100),
            scaled(network.steps.1, share, 100),
        );
        resolved.teacher.gp.steps = scaled(resolved.teacher.gp.steps, share, 5);
        student_time = planned * (1.0 - TEACHER);
    }
    let allowed = student_time * threads / seconds_per_step(recipe, data, session)?;
    let splits = recipe
        .student
        .splits_of(data.split.train.len() + data.split.valid.len());
    resolved.student.steps = longest_within(&recipe.student, splits, recipe.repeats, allowed);
    let share = resolved.student.steps as f64 / recipe.student.steps as f64;
    resolved.transfer.munge_rows = scaled(resolved.transfer.munge_rows, share.max(0.1), 1000)
        .min(resolved.transfer.munge_rows);
    session.tell(&Event::Budget(&format!(
        "a limit of {limit} s allows {} rounds of trees, {} network steps and {} student steps",
        resolved.teacher.trees.rounds, resolved.teacher.network.steps.1, resolved.student.steps
    )));
    Ok(resolved)
}

/// The longest schedule with which search and refits take at most `allowed` steps, and no longer than the recipe's own.
fn longest_within(student: &StudentOptions, splits: usize, repeats: usize, allowed: f64) -> usize {
    let taken = |steps: usize| {
        let student = StudentOptions {
            steps,
            ..student.clone()
        };
        (search::search_steps(&student, splits)
            + 2 * repeats * search::longest_schedule(&student, splits)) as f64
    };
    // Longer schedules take more steps: halve the range until it is one value.
    let (mut fits, mut beyond) = (LEAST_STEPS.min(student.steps), student.steps + 1);
    while beyond - fits > 1 {
        let middle = fits.midpoint(beyond);
        if taken(middle) <= allowed {
            fits = middle
        } else {
            beyond = middle
        }
    }
    fits
}

fn scaled(value: usize, share: f64, least: usize) -> usize {
    ((value as f64 * share) as usize).max(least)
}

/// Uses fewer rounds and a larger learning rate, up to 0.3, so that their product stays the same.
fn shrink_trees(options: &mut TreeOptions, rounds: f64) {
    let allowed = (rounds as usize).max(LEAST_ROUNDS);
    if allowed < options.rounds {
        options.learning_rate =
            (options.learning_rate * options.rounds as f64 / allowed as f64).min(0.3);
        options.rounds = allowed;
    }
}

fn seconds_per_round(recipe: &Recipe, data: &Dataset) -> Result<f64> {
    let rows: Vec<usize> = data.split.train.iter().copied().take(SAMPLE).collect();
    let target = data.learned_of(&rows);
    let options = TreeOptions {
        rounds: ROUNDS,
        pairs: 0,
        ..recipe.teacher.trees.clone()
    };
    let features = data.features.select(&rows);
    let start = Instant::now();
    trees::fit(
        &features,
        &target,
        &data.weight_of(&rows),
        &options,
        recipe.seed,
        1,
    )?;
    // Cost per round grows with the rows, beside a part that does not.
    let growth = 0.3 + 0.7 * data.split.train.len() as f64 / rows.len() as f64;
    Ok(start.elapsed().as_secs_f64() / ROUNDS as f64 * growth)
}

fn seconds_per_step(recipe: &Recipe, data: &Dataset, session: &Session<'_>) -> Result<f64> {
    let rows: Vec<usize> = data.split.train.iter().copied().take(SAMPLE).collect();
    let none = vec![f64::NAN; rows.len()];
    let set = TransferSet::plain(KnownRows {
        features: data.features.select(&rows),
        target: data.learned_of(&rows),
        weight: data.weight_of(&rows),
        blocks: None,
        teacher: none.clone(),
        spread: none,
        rows,
    });
    let study = Study {
        checkpoints: &NO_CHECKPOINTS,
        ..study(recipe, &data.targets.specs, session)
    };
    let stage = Stage::new(&study, &set, None)?;
    let start = Instant::now();
    stage.warm_up(STEPS)?;
    Ok(start.elapsed().as_secs_f64() / STEPS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_schedule_spends_the_steps_that_are_allowed() {
        let student = StudentOptions {
            trials: 1,
            ..StudentOptions::default()
        };
        // Both sides: three trials of a fortieth, one of a tenth, two of the whole at most; twice two refits of the whole.
        let steps = longest_within(
            &student,
            1,
            2,
            100_000.0 * (2.0 * (3.0 / 40.0 + 0.1 + 2.0) + 4.0) + 10.0,
        );
        assert!((99_900..=100_100).contains(&steps), "{steps}");
        assert_eq!(longest_within(&student, 1, 2, 1e9), student.steps);
        assert_eq!(longest_within(&student, 1, 2, 0.0), LEAST_STEPS);
        let short = StudentOptions {
            steps: 70,
            ..student
        };
        assert_eq!(longest_within(&short, 3, 2, 0.0), 70);
    }
}
