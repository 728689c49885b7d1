//! Predicts the test rows with both students, for each training seed, and tests the differences for significance.

use std::collections::BTreeMap;

use limbeck_data::Dataset;
use limbeck_data::metrics::Measure;
use limbeck_distill::objective::{AlphaSchedule, ObjectiveOptions};
use limbeck_distill::proof::{Evidence, Proof, judge};
use limbeck_distill::search::{KnownRows, Refitted, Setting, Stage, Trial};

use crate::error::{Error, Result};

/// The test rows of one target, and what is needed to test students on them. `target` and `teacher` are in the target's unit.
pub(crate) struct Judge<'a> {
    objective: &'a ObjectiveOptions,
    /// True if the recipe lets networks learn from the teacher's inner features or slopes, besides its predictions.
    looks_inside: bool,
    /// Index of this target in the list of all targets that the students predict.
    at: usize,
    pub(crate) test: KnownRows,
    pub(crate) measure: Measure,
    pub(crate) target: Vec<f64>,
    /// The teacher's predictions of what the students predict: the mean, or a quantile.
    pub(crate) teacher: Vec<f64>,
    /// Per test row, the number that the shipped student adds to what was learned: the target's present value, if its changes were learned; otherwise
    /// 0. `target` and `teacher` include it.
    base: Vec<f64>,
}

/// For some rows of the data set, the number to add to what is learned.
fn base_of(data: &Dataset, rows: &[usize]) -> Vec<f64> {
    match data.base.first() {
        Some(base) => rows.iter().map(|&row| base[row]).collect(),
        None => vec![0.0; rows.len()],
    }
}

/// The sum of two lists, row by row.
fn sum(mut values: Vec<f64>, base: &[f64]) -> Vec<f64> {
    values
        .iter_mut()
        .zip(base)
        .for_each(|(value, base)| *value += base);
    values
}

/// Predictions of both students, as `baseline[seed][row]` and `distilled[seed][row]`, and the tests of significance on them.
pub(crate) struct Judged {
    pub(crate) baseline: Vec<Vec<f64>>,
    pub(crate) distilled: Vec<Vec<f64>>,
    pub(crate) proof: Proof,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        objective: &'a ObjectiveOptions,
        looks_inside: bool,
        data: &Dataset,
        test: KnownRows,
        at: usize,
    ) -> Self {
        let unit = data.spec().unit;
        let base = base_of(data, &test.rows);
        let teacher: Vec<f64> = test
            .teacher
            .iter()
            .zip(&test.std)
            .map(|(&mean, &sd)| unit.target(objective.answer(mean, sd)))
            .collect();
        Self {
            objective,
            looks_inside,
            at,
            measure: objective.measure(),
            target: sum(data.target_of(&test.rows), &base),
            teacher: sum(teacher, &base),
            base,
            test,
        }
    }

    /// Predictions of a trial's student on the test rows, in the target's unit.
    pub(crate) fn answers(&self, stage: &Stage<'_>, trial: &Trial) -> Result<Vec<f64>> {
        let student = stage.student_of(trial, self.at, BTreeMap::new(), Vec::new())?;
        let features = &self.test.features;
        let learned = limbeck_distill::predict(&student, features)?;
        Ok(sum(learned, &self.base))
    }

    /// Predictions of a trial's student on any rows of the data set, in the target's unit.
    pub(crate) fn answers_of(
        &self,
        (data, rows): (&Dataset, &[usize]),
        stage: &Stage<'_>,
        trial: &Trial,
    ) -> Result<Vec<f64>> {
        let student = stage.student_of(trial, self.at, BTreeMap::new(), Vec::new())?;
        let learned = limbeck_distill::predict(&student, &data.features.select(rows))?;
        Ok(sum(learned, &base_of(data, rows)))
    }

    /// The teacher's predictions of what the students predict, for rows with these labels, in the target's unit.
    pub(crate) fn teacher_of(&self, data: &Dataset, known: &KnownRows) -> Vec<f64> {
        let both = known.teacher.iter().zip(&known.std);
        let answer = |(&mean, &sd)| data.spec().unit.target(self.objective.answer(mean, sd));
        sum(both.map(answer).collect(), &base_of(data, &known.rows))
    }

    /// Predicts the test rows with all refits in `trials`, one pair per seed, and tests the differences for significance.
    pub(crate) fn judged(&self, stage: &Stage<'_>, trials: &[Refitted]) -> Result<Judged> {
        let side = |of: fn(&Refitted) -> &Trial| -> Result<Vec<Vec<f64>>> {
            trials
                .iter()
                .map(|trial| self.answers(stage, of(trial)))
                .collect()
        };
        let (baseline, distilled) = (side(|t| &t.baseline)?, side(|t| &t.distilled)?);
        let evidence = Evidence {
            measure: self.measure,
            target: &self.target,
            weight: &self.test.weight,
            blocks: self.test.blocks.as_deref(),
            teacher: &self.teacher,
            baseline: &baseline,
            distilled: &distilled,
            taught: self.taught(trials),
        };
        let proof = judge(&evidence).ok_or_else(|| Error::Recipe {
            place: "data".into(),
            message: "no test row has both a weight above 0 and a finite prediction of the teacher, so the students cannot be tested; check the weights and the teacher's predictions".into(),
        })?;
        Ok(Judged {
            baseline,
            distilled,
            proof,
        })
    }

    /// True if the distilled student of at least one seed learns anything from the teacher.
    pub(crate) fn taught(&self, trials: &[Refitted]) -> bool {
        trials
            .iter()
            .any(|trial| self.is_taught(&trial.distilled.setting))
    }

    /// True if a student with this setting learns anything from the teacher.
    fn is_taught(&self, setting: &Setting) -> bool {
        let objective = self.objective;
        let share = |alpha: f64| {
            alpha > 0.0
                || (objective.alpha_schedule != AlphaSchedule::Constant
                    && objective.alpha_end > 0.0)
        };
        setting.alpha.is_some_and(share) || (setting.spec.is_none() && self.looks_inside)
    }

    /// True if more seeds are worth their time: the difference between both students varies over seeds more than half as much as over test rows.
    ///
    /// The decision depends on variances alone, never on which student is better. It is made only once: repeated checks would favor runs whose
    /// variance happens to look small.
    pub(crate) fn needs_seeds(&self, stage: &Stage<'_>, trials: &[Refitted]) -> Result<bool> {
        let method = self.judged(stage, trials)?.proof.method;
        Ok(method.is_some_and(|method| method.needs_seeds()))
    }
}
