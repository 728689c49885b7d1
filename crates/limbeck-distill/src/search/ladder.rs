//! The hyperparameter search of networks: rungs of trials with longer and longer schedules. Baseline and distilled student are searched in the same
//! way. A trial is a setting that is trained and validated.
//!
//! | rung | schedule | baseline (trained alone) | distilled student | trials of each |
//! |---|---|---|---|---|
//! | 1 | short | sizes × weight decays | sizes × values of `alpha` × weight decays | `3 · trials` |
//! | 2 | medium, or short again | variants of the best so far: longer schedule, another size, another weight decay, input noise | the same, and other values of `alpha` | `1.5 · trials`; `trials` with several splits |
//! | 3 | whole | the best so far; also with less weight decay, if a longer schedule has helped | the best so far; also with `alpha` 1 | 1 or 2 |
//! | finals, with several splits | up to the trial's stopping point | the best trial again, with two other seeds; repeated until the best trial is one that was trained again | the same | up to 4 |
//!
//! `trials` is the option `student.trials`. Few candidates reach a long schedule, so many can be tried. This is successive halving (Jamieson &
//! Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization*, AISTATS 2016), with variants of the best candidate instead of
//! random ones. A large network pays off more often for a distilled student, which has a large transfer set, than for a student that learns from few
//! targets. So the size is chosen separately for each student.

use limbeck_data::metrics::Measure;

use crate::error::{Error, Result};
use crate::kinds::{self, NonNeural};
use crate::objective::Alpha;
use crate::stage::DISTILLED_DECAY;
use crate::student::options::{StudentKind, StudentOptions};
use crate::trial::{Choice, Setting, Trial, Watch, best};
use crate::validation::Search;

/// Sizes (shares of the parameter budget) and weight decays of the baseline on the first rung (the first stage of the search, with the shortest
/// schedule). The most promising come first.
const BASELINE: [(f64, f64); 15] = [
    (1.0, 0.05),
    (0.25, 0.5),
    (0.5, 0.5),
    (1.0, 0.5),
    (0.125, 0.5),
    (0.5, 0.05),
    (1.0, 2.0),
    (0.5, 2.0),
    (0.25, 2.0),
    (0.25, 0.05),
    (0.125, 0.05),
    (0.125, 2.0),
    (1.0, 8.0),
    (0.5, 8.0),
    (0.25, 8.0),
];
/// Sizes (shares of the parameter budget), values of `alpha` and weight decays of the distilled student on the first rung, the most promising first.
/// With a small `alpha`, the student learns mostly from noisy targets, like the baseline, and needs as much weight decay.
const DISTILLED: [(f64, f64, f64); 15] = [
    (1.0, 1.0, DISTILLED_DECAY),
    (1.0, 0.7, DISTILLED_DECAY),
    (0.5, 1.0, DISTILLED_DECAY),
    (1.0, 0.4, DISTILLED_DECAY),
    (0.25, 1.0, DISTILLED_DECAY),
    (0.5, 0.7, DISTILLED_DECAY),
    (1.0, 0.4, 0.5),
    (0.125, 1.0, DISTILLED_DECAY),
    (0.25, 0.7, DISTILLED_DECAY),
    (0.5, 0.4, 0.5),
    (1.0, 0.7, 0.5),
    (0.25, 0.4, 0.5),
    (0.125, 0.7, DISTILLED_DECAY),
    (1.0, 0.2, 0.5),
    (0.5, 0.2, 0.5),
];
/// Weight decays that are tried for the distilled student if the user gives `alpha`.
const DECAYS: [f64; 4] = [DISTILLED_DECAY, 0.05, 0.5, 2.0];
/// Level of the input noise that is tried: its standard deviation, in standard deviations of the network's inputs.
const NOISE: f64 = 0.15;
/// With several splits (few rows), up to `FINALISTS` trials of each student are trained again, each with `AGAIN` other seeds.
const FINALISTS: usize = 4;
const AGAIN: usize = 2;

/// The numbers of training steps per trial on the three rungs (stages of the search): 1/40, 1/10 and all of `steps`. The first two have a minimum
/// (1500 and 4000 steps, but never more than the third), below which too little is learned.
///
/// With several splits there are few rows, and shorter schedules repeat them often enough: the second rung has 1/16 of `steps`, and the third 1/4.
fn rungs(steps: usize, splits: usize) -> [usize; 3] {
    let whole = steps.div_ceil(parts(splits));
    let middle = steps / if splits > 1 { 16 } else { 10 };
    [
        (steps / 40).max(whole.min(1500)),
        middle.max(whole.min(4000)),
        whole,
    ]
}

/// `steps` divided by the length of the longest schedule.
fn parts(splits: usize) -> usize {
    if splits > 1 { 4 } else { 1 }
}

/// The numbers of trials of each student (baseline, distilled) on the first and on the second rung (stage of the search). The number on the second
/// rung is smaller with several splits.
fn counts(trials: usize, splits: usize) -> (usize, usize) {
    let more = if splits > 1 { 0 } else { trials / 2 };
    (3 * trials, trials + more)
}

/// Maximum number of trials of each student on the last rung.
const LAST: usize = 2;

/// The largest number of training steps that [`choose`] can take, over all trials on all splits.
#[must_use]
pub fn search_steps(student: &StudentOptions, splits: usize) -> usize {
    if !student.kind.has_network() {
        return 0;
    }
    let [short, middle, whole] = rungs(student.steps, splits);
    let (first, second) = counts(student.trials, splits);
    let again = if splits > 1 { FINALISTS * AGAIN } else { 0 };
    2 * splits * (first * short + second * middle + (LAST + again) * whole)
}

/// The number of steps of the longest schedule of the search, which is also the longest schedule of a refit.
#[must_use]
pub fn longest_schedule(student: &StudentOptions, splits: usize) -> usize {
    rungs(student.steps, splits)[2]
}

/// The value of the option `steps` for which the longest schedule has `schedule` steps: the inverse of [`longest_schedule`].
#[must_use]
pub fn steps_of_schedule(schedule: usize, splits: usize) -> usize {
    schedule * parts(splits)
}

/// Runs the hyperparameter search of the baseline and of the distilled student, for each requested kind of student. Returns all trials and the chosen
/// ones.
///
/// # Errors
///
/// If a training fails. With kind `auto`, kinds that cannot be used for the columns or the budget are skipped.
pub fn choose(search: &Search<'_>, watch: Watch<'_>) -> Result<Choice> {
    let kind = search.first().study.student.kind;
    let mut choice = match search.first().has_network() {
        true => Ladder::new(search, watch)?.climb()?,
        false => Choice::default(),
    };
    for asked in NonNeural::asked(kind) {
        let has_both = !choice.baseline.is_empty() && !choice.distilled.is_empty();
        if has_both && search.first().study.stop.is_over() {
            break;
        }
        match kinds::choose(search, asked) {
            // A stop: the trained networks are kept.
            Err(Error::Interrupted | Error::Teach(limbeck_teach::Error::Stopped)) if has_both => {
                break;
            }
            Err(Error::NotATable { .. } | Error::BudgetTooSmall { .. })
                if kind == StudentKind::Auto => {}
            Err(error) => return Err(error),
            Ok(more) => {
                choice.baseline.extend(more.baseline);
                choice.distilled.extend(more.distilled);
                choice.closed_form = choice.closed_form.or(more.closed_form);
            }
        }
    }
    choice.chosen = chosen(search, &choice);
    Ok(choice)
}

/// The indices of the two trials that are refitted: one in `choice.baseline`, one in `choice.distilled`. Only [`eligible`] trials are considered. The
/// best ones are taken, but another distilled network may be [`preferred`]. `None` if one of the two lists has no trial.
pub(crate) fn chosen(search: &Search<'_>, choice: &Choice) -> Option<(usize, usize)> {
    let (baseline, distilled) = (least(&choice.baseline)?, least(&choice.distilled)?);
    let teacher_leads = search
        .valid_error_teacher()
        .is_some_and(|error| error < choice.baseline[baseline].valid_error);
    Some((
        baseline,
        preferred(
            search,
            &choice.distilled,
            eligible(&choice.distilled),
            distilled,
            teacher_leads,
        ),
    ))
}

/// The indices of the trials that may be chosen. These are the networks that were trained with the largest number of seeds, and all non-neural
/// students, which hardly depend on the seed.
fn eligible(trials: &[Trial]) -> impl Iterator<Item = usize> {
    let most = trials
        .iter()
        .map(|trial| trial.again.len())
        .max()
        .unwrap_or(0);
    (0..trials.len())
        .filter(move |&at| trials[at].setting.spec.is_some() || trials[at].again.len() == most)
}

fn least(trials: &[Trial]) -> Option<usize> {
    eligible(trials).min_by(|&a, &b| trials[a].valid_error.total_cmp(&trials[b].valid_error))
}

/// The index of the distilled student that is chosen; `best` is the index of the one with the lowest error. `best` is chosen if it is not a
/// network, or if the teacher is not better than the baseline. Otherwise, only networks whose error is within one standard error of the best are
/// considered. Of these, the ones with the largest `alpha` (rounded to quarters) are taken, and of those, the one with the longest schedule.
///
/// This is the one-standard-error rule (Breiman et al., *Classification and Regression Trees*, 1984, section 3.4.3). Among many trials on few
/// validation rows, the best one is often best by chance. If it has a short schedule or a small `alpha`, chance is a more likely reason: learning
/// from the transfer set takes longer, and the teacher's labels have less noise than targets. If the teacher is not better than the baseline, these
/// reasons do not apply, and long schedules overfit the targets.
fn preferred(
    search: &Search<'_>,
    trials: &[Trial],
    among: impl IntoIterator<Item = usize>,
    best: usize,
    teacher_leads: bool,
) -> usize {
    let found = &trials[best];
    if found.setting.spec.is_some() || !teacher_leads {
        return best;
    }
    let is_close =
        |&at: &usize| trials[at].setting.spec.is_none() && search.as_good(&trials[at], found);
    // Rounded to quarters: shares that hardly differ count as equal.
    let share = |trial: &Trial| (4.0 * trial.setting.alpha.unwrap_or(0.0)).round();
    let most = among.into_iter().filter(is_close).max_by(|&a, &b| {
        let [a, b] = [a, b].map(|at| &trials[at]);
        share(a)
            .total_cmp(&share(b))
            .then(a.setting.steps.cmp(&b.setting.steps))
            .then(b.valid_error.total_cmp(&a.valid_error))
    });
    most.unwrap_or(best)
}

/// Searches settings of a baseline network, without a distilled student, and returns the best trial. Used for the learning curve of `preflight`.
///
/// # Errors
///
/// If a training fails.
pub fn choose_baseline(search: &Search<'_>, watch: Watch<'_>) -> Result<Trial> {
    let ladder = Ladder::new(search, watch)?;
    let mut trials = search.train_all(ladder.first_baseline(), watch)?;
    trials.extend(search.train_all(ladder.moves_baseline(&trials), watch)?);
    trials.extend(search.train_all(ladder.last_baseline(&trials, 1), watch)?);
    best(&trials).cloned().ok_or(Error::Interrupted)
}

/// Rounds an `alpha` to hundredths, so that values that hardly differ give the same setting.
fn hundredths(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

struct Ladder<'s, 'a> {
    search: &'s Search<'a>,
    watch: Watch<'s>,
    sizes: Vec<f64>,
    steps: [usize; 3],
    /// Numbers of trials of each student on the first and on the second rung.
    counts: (usize, usize),
    /// False if input noise would be wrong. With pairs of rows for gradient matching, noise would change the distance in a pair. With hints, the
    /// teacher's features belong to rows without noise.
    may_add_noise: bool,
}

impl<'s, 'a> Ladder<'s, 'a> {
    fn new(search: &'s Search<'a>, watch: Watch<'s>) -> Result<Self> {
        let study = search.first().study;
        // A smaller network has to fit every split.
        let mut sizes = search.first().sizes()?;
        for stage in &search.stages()[1..] {
            let own = stage.sizes()?;
            sizes.retain(|size| own.contains(size));
        }
        let is_paired = search
            .stages()
            .iter()
            .any(|stage| stage.first().set.new.second.contains(&true));
        let has_hints = study.hints.kind != crate::hints::HintKind::None;
        let splits = search.stages().len();
        let (steps, counts) = (
            rungs(study.student.steps, splits),
            counts(study.student.trials, splits),
        );
        Ok(Self {
            search,
            watch,
            sizes,
            steps,
            counts,
            may_add_noise: !is_paired && !has_hints,
        })
    }

    fn climb(&self) -> Result<Choice> {
        let mut trials = [Vec::new(), Vec::new()];
        self.train(self.first_baseline(), self.first_distilled(), &mut trials)?;
        let closed_form = self.closed_form(&trials);
        self.train(
            self.moves_baseline(&trials[0]),
            self.moves_distilled(&trials[1], best(&trials[0]), closed_form),
            &mut trials,
        )?;
        let last = self.last_distilled(&trials[1]);
        self.train(
            self.last_baseline(&trials[0], last.len()),
            last,
            &mut trials,
        )?;
        self.finals(&mut trials)?;
        let [baseline, distilled] = trials;
        Ok(Choice {
            baseline,
            distilled,
            closed_form,
            chosen: None,
        })
    }

    /// True if the search should end: the time limit is over or the user asked to stop, and both students have a trial.
    fn is_over(&self, trials: &[Vec<Trial>; 2]) -> bool {
        let stop = self.search.first().study.stop;
        trials.iter().all(|side| !side.is_empty()) && stop.is_over()
    }

    /// Trains settings of both students, and appends their trials to `trials`, which is `[baseline, distilled]`.
    fn train(
        &self,
        baseline: Vec<Setting>,
        distilled: Vec<Setting>,
        trials: &mut [Vec<Trial>; 2],
    ) -> Result<()> {
        if self.is_over(trials) {
            return Ok(());
        }
        let settings = distilled.into_iter().chain(baseline).collect();
        for trial in self.search.train_all(settings, self.watch)? {
            trials[usize::from(trial.setting.alpha.is_some())].push(trial);
        }
        Ok(())
    }

    /// With several splits, trains the best baseline and the [`preferred`] distilled student again with other seeds. Repeats this for each of them,
    /// at most [`FINALISTS`] times, until it is one that was already trained again. Among many trials on few validation rows, the best one is partly
    /// best by a lucky seed.
    fn finals(&self, trials: &mut [Vec<Trial>; 2]) -> Result<()> {
        if self.search.stages().len() < 2 || self.is_over(trials) {
            return Ok(());
        }
        let [baseline, distilled] = trials;
        let teacher = self.search.valid_error_teacher();
        let teacher_leads = best(&*baseline)
            .is_some_and(|baseline| teacher.is_some_and(|error| error < baseline.valid_error));
        let of_baseline = || self.confirm(baseline, &|_, found| found);
        let of_distilled = || {
            self.confirm(distilled, &|trials, found| {
                preferred(self.search, trials, 0..trials.len(), found, teacher_leads)
            })
        };
        let (one, other) = rayon::join(of_baseline, of_distilled);
        one.and(other)
    }

    /// Trains one trial again with other seeds: the one whose index `pick` returns, given all trials and the index of the best. Repeats this at most
    /// [`FINALISTS`] times, and ends once `pick` returns a trial that was already trained again.
    fn confirm(
        &self,
        trials: &mut [Trial],
        pick: &(dyn Fn(&[Trial], usize) -> usize + Sync),
    ) -> Result<()> {
        for _ in 0..FINALISTS {
            let found = (0..trials.len())
                .min_by(|&a, &b| trials[a].valid_error.total_cmp(&trials[b].valid_error));
            let Some(found) = found
                .map(|found| pick(trials, found))
                .filter(|&found| trials[found].again.is_empty())
            else {
                break;
            };
            trials[found] = self.search.train_again(&trials[found], AGAIN, self.watch)?;
        }
        Ok(())
    }

    fn has(&self, size: f64) -> bool {
        self.sizes.contains(&size)
    }

    fn first_baseline(&self) -> Vec<Setting> {
        let settings = BASELINE.iter().filter(|(size, _)| self.has(*size));
        let setting = |&(size, weight_decay): &(f64, f64)| Setting {
            size,
            weight_decay,
            ..Setting::plain(None, self.steps[0])
        };
        settings.map(setting).take(self.counts.0).collect()
    }

    fn first_distilled(&self) -> Vec<Setting> {
        let setting = |size, alpha, weight_decay| Setting {
            size,
            weight_decay,
            ..Setting::plain(Some(alpha), self.steps[0])
        };
        let settings: Vec<Setting> = match self.search.first().study.objective.alpha {
            Alpha::Auto => DISTILLED
                .iter()
                .map(|&(size, alpha, decay)| setting(size, alpha, decay))
                .collect(),
            Alpha::Fixed(alpha) => DECAYS
                .iter()
                .flat_map(|&decay| self.sizes.iter().map(move |&size| (size, decay)))
                .map(|(size, decay)| setting(size, alpha, decay))
                .collect(),
        };
        settings
            .into_iter()
            .filter(|setting| self.has(setting.size))
            .take(self.counts.0)
            .collect()
    }

    /// Settings for the second rung: variants of the best baseline. They have a longer schedule, another size, more weight decay, or input noise.
    /// Some longer schedules have a fifth of the weight decay, since decay shrinks the weights at every step.
    fn moves_baseline(&self, tried: &[Trial]) -> Vec<Setting> {
        let Some(start) = best(tried).map(|trial| trial.setting) else {
            return Vec::new();
        };
        let [short, middle, _] = self.steps;
        let longer = Setting {
            steps: middle,
            ..start
        };
        let runner_up = self.other_size(tried, start).map(|setting| Setting {
            steps: middle,
            ..setting
        });
        let moves = [
            Some(longer),
            Some(Setting {
                weight_decay: start.weight_decay / 5.0,
                ..longer
            }),
            runner_up,
            self.noisy(Setting {
                steps: short,
                ..start
            }),
            self.noisy(longer),
            Some(Setting {
                weight_decay: start.weight_decay * 4.0,
                ..start
            }),
            self.noisy(Setting {
                weight_decay: start.weight_decay / 5.0,
                ..longer
            }),
        ];
        self.new_moves(moves, tried)
    }

    /// Settings for the second rung: variants of the best distilled student, among them other values of `alpha`. One has the size, weight decay and
    /// noise of the best `baseline`; its `alpha` is the closed-form one, but at most 0.4.
    fn moves_distilled(
        &self,
        tried: &[Trial],
        baseline: Option<&Trial>,
        closed_form: Option<f64>,
    ) -> Vec<Setting> {
        let Some(start) = best(tried).map(|trial| trial.setting) else {
            return Vec::new();
        };
        let longer = Setting {
            steps: self.steps[1],
            ..start
        };
        let runner_up = self.other_size(tried, start).map(|setting| Setting {
            steps: self.steps[1],
            ..setting
        });
        let share = |alpha: f64| {
            Some(Setting {
                alpha: Some(hundredths(alpha)),
                ..longer
            })
        };
        let is_chosen = self.search.first().study.objective.alpha == Alpha::Auto;
        let seed = closed_form
            .map(|alpha| alpha.clamp(0.0, 1.0))
            .filter(|_| is_chosen);
        let as_baseline = baseline.zip(seed).map(|(baseline, seed)| Setting {
            alpha: Some(hundredths(seed.min(0.4))),
            steps: self.steps[1],
            ..baseline.setting
        });
        let moves = [
            Some(longer),
            seed.and_then(share),
            if is_chosen { share(1.0) } else { None },
            as_baseline,
            runner_up,
            Some(Setting {
                weight_decay: if longer.weight_decay < 0.1 {
                    0.05
                } else {
                    longer.weight_decay / 5.0
                },
                ..longer
            }),
            seed.and_then(|seed| share((1.0 + seed) / 2.0)),
            self.noisy(longer),
            seed.and_then(|seed| share(seed / 2.0)),
        ];
        self.new_moves(moves, tried)
    }

    /// Settings for the last rung, at most `count`. The first is the best baseline with the whole schedule. The second is the same with less weight
    /// decay; it is left out if a longer schedule has not helped before.
    fn last_baseline(&self, tried: &[Trial], count: usize) -> Vec<Setting> {
        let Some(start) = best(tried) else {
            return Vec::new();
        };
        let [short, middle, whole] = self.steps;
        let has_paid = start.setting.steps > short || short == middle;
        let longer = Setting {
            steps: whole,
            ..start.setting
        };
        let weaker = has_paid.then_some(Setting {
            weight_decay: longer.weight_decay / 5.0,
            ..longer
        });
        let mut moves = self.new_moves([Some(longer), weaker], tried);
        moves.truncate(count.max(1));
        moves
    }

    /// Settings for the last rung. The first is the best distilled student with the whole schedule. Among trials with the same schedule whose error
    /// exceeds the lowest by at most one standard error, the one with the largest `alpha` counts as best. If `alpha` is chosen automatically, the
    /// second has `alpha` 1 and little weight decay; the first is left out if its `alpha` is 1, too. The reason for the second: short schedules favor
    /// targets and weight decay, since learning from the transfer set takes longer and there is little noise to overfit.
    ///
    /// The first is the one-standard-error rule (Breiman et al., *Classification and Regression Trees*, 1984, section 3.4.3): the teacher's labels
    /// have less noise than targets, so a smaller `alpha` must be clearly better to be chosen.
    fn last_distilled(&self, tried: &[Trial]) -> Vec<Setting> {
        let Some(start) = best(tried) else {
            return Vec::new();
        };
        let close = tried.iter().filter(|trial| {
            trial.setting.steps == start.setting.steps && self.search.as_good(trial, start)
        });
        let most = close.max_by(|a, b| {
            a.setting
                .alpha
                .unwrap_or(0.0)
                .total_cmp(&b.setting.alpha.unwrap_or(0.0))
                .then(b.valid_error.total_cmp(&a.valid_error))
        });
        let longer = most.map(|trial| Setting {
            steps: self.steps[2],
            ..trial.setting
        });
        let is_chosen = self.search.first().study.objective.alpha == Alpha::Auto;
        let pure = longer.filter(|_| is_chosen).map(|longer| Setting {
            alpha: Some(1.0),
            weight_decay: DISTILLED_DECAY,
            input_noise: 0.0,
            ..longer
        });
        let blended = longer.filter(|longer| !is_chosen || longer.alpha != Some(1.0));
        self.new_moves([blended, pure], tried)
    }

    /// The setting of the best trial in `tried` whose size differs from that of `start`.
    fn other_size(&self, tried: &[Trial], start: Setting) -> Option<Setting> {
        best(
            tried
                .iter()
                .filter(|trial| (trial.setting.size - start.size).abs() > 1e-9),
        )
        .map(|trial| trial.setting)
    }

    fn noisy(&self, setting: Setting) -> Option<Setting> {
        self.may_add_noise.then_some(Setting {
            input_noise: NOISE,
            ..setting
        })
    }

    /// Those of the settings `moves` that were not tried before, without duplicates; at most as many as each student has trials on the second rung.
    fn new_moves(
        &self,
        moves: impl IntoIterator<Item = Option<Setting>>,
        tried: &[Trial],
    ) -> Vec<Setting> {
        let mut new: Vec<Setting> = Vec::new();
        for setting in moves.into_iter().flatten() {
            if !new.contains(&setting) && tried.iter().all(|trial| trial.setting != setting) {
                new.push(setting);
            }
        }
        new.truncate(self.counts.1);
        new
    }

    /// The closed-form `alpha` ([`closed_form_alpha`](crate::search::closed_form_alpha)), from the best baseline and the best student with `alpha` 1.
    /// `None` if there is no such student, if both make equal predictions, if the user gives `alpha`, or if a quantile is predicted (the formula
    /// holds for squared errors).
    fn closed_form(&self, [baseline, distilled]: &[Vec<Trial>; 2]) -> Option<f64> {
        let pure = best(
            distilled
                .iter()
                .filter(|trial| trial.setting.alpha == Some(1.0)),
        )?;
        // The closed form holds for squared errors only.
        let squared = self.search.measure() == Measure::Rmse
            && self.search.first().study.objective.alpha == Alpha::Auto;
        best(baseline)
            .filter(|_| squared)
            .and_then(|baseline| self.search.closed_form_alpha(baseline, pure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_of_short_schedules_fall_together() {
        assert_eq!(rungs(110_000, 1), [2750, 11_000, 110_000]);
        assert_eq!(rungs(110_000, 3), [2750, 6875, 27_500]);
        assert_eq!(rungs(16_000, 1), [1500, 4000, 16_000]);
        assert_eq!(rungs(200, 1), [200, 200, 200]);
        for splits in 1..=3 {
            assert_eq!(rungs(steps_of_schedule(2000, splits), splits)[2], 2000);
        }
    }

    #[test]
    fn both_sides_have_as_many_settings_on_the_first_rung() {
        for trials in 1..=5 {
            assert_eq!(
                BASELINE.iter().take(counts(trials, 1).0).count(),
                DISTILLED.iter().take(counts(trials, 1).0).count()
            );
            assert_eq!(
                BASELINE.iter().take(counts(trials, 1).0).count(),
                3 * trials
            );
        }
    }

    #[test]
    fn settings_of_the_first_rung_differ() {
        for (at, one) in BASELINE.iter().enumerate() {
            assert!(!BASELINE[..at].contains(one), "{one:?}");
        }
        for (at, one) in DISTILLED.iter().enumerate() {
            assert!(!DISTILLED[..at].contains(one), "{one:?}");
        }
    }
}
