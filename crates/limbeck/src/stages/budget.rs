//! Turns a time limit into options.
//!
//! The speed is measured once, on the table of the run. Options that keep to the limit then replace the limit in the recipe, so that the recipe
//! gives the same result on any machine. If the time is too short, the following is reduced or left out, from top to bottom, until the rest fits:
//!
//! | of the teacher | of the students |
//! |---|---|
//! | rounds of trees, steps of networks | training steps |
//! | additional splits of the rows | settings to try |
//! | comparison of tree options | seeds |
//! | folds and fits | |
//! | rows of each tree | |
//! | networks, LSTMs and the Gaussian process | |
//! | columns, the least informative first (`screen`) | columns |
//!
//! Once the labels are made, the students are planned again for the time that is left. If even the smallest teacher and students do not fit, the run
//! ends before it trains anything.

use std::borrow::Cow;
use std::time::Instant;

use limbeck_data::checkpoint::NO_CHECKPOINTS;
use limbeck_data::figures::counted;
use limbeck_data::{Dataset, Features, FoldKind, Folds};
use limbeck_distill::search::{self, Stage, Study};
use limbeck_distill::student::StudentOptions;
use limbeck_teach::network::{Members, NetworkEnsemble};
use limbeck_teach::process::{ProcessOptions, ProcessPlan};
use limbeck_teach::trees::{self, Speed, TreeOptions};
use limbeck_teach::{Effort, Sample, TeacherKind, TeacherOptions, Work};
use serde::{Deserialize, Serialize};

use super::screen;
use super::students::{StudyOptions, untaught_rows};
use crate::error::{Error, Result};
use crate::session::{Event, Session};

/// Share of the time limit that is planned for. The rest is for testing and for errors of the estimates.
const PLANNED: f64 = 0.8;
/// Share of the remaining planned time that is given to the teacher. The rest is for the students.
const TEACHER: f64 = 0.5;
/// Share of the teacher's time for boosted trees, if the teacher has other learners as well.
const TREES: f64 = 0.6;
/// Share of the remaining planned time that the cheapest teacher may take, if the share `TEACHER` is not enough for it.
const LEAST_TEACHER: f64 = 0.75;
/// The fits of a teacher are ended early when this share of the time limit has passed.
pub(crate) const TEACHER_END: f64 = 0.62;
/// Share of the time limit that one measurement of speed may take.
const MEASURED: f64 = 0.03;
/// Seconds that the smallest teacher and students take together, at least, on any table.
const AT_LEAST: f64 = 3.0;
/// The speed of trees and students is measured on at most `SAMPLE` rows and `SAMPLE_CELLS` cells (rows × columns), but on at least `LEAST_SAMPLE`
/// rows.
const SAMPLE: usize = 4000;
const SAMPLE_CELLS: usize = 400_000;
const LEAST_SAMPLE: usize = 800;
/// Maximum number of rows on which the speed of the teacher's networks is measured.
const FEW: usize = 512;
/// Maximum number of rows on which the speed of the teacher's Gaussian process is measured.
const LOOK: usize = 250;
/// Maximum number of columns with which the speed of trees is measured.
const TIMED_COLUMNS: usize = 1000;
/// Number of training steps with which a student's speed is measured.
const STEPS: usize = 150;
/// Number of boosting rounds with which the speed of trees is measured.
const ROUNDS: usize = 30;
/// Minimum number of a student's training steps.
const LEAST_STEPS: usize = 500;
/// Minimum number of boosting rounds.
const LEAST_ROUNDS: f64 = 40.0;
/// A plan first reduces the boosting rounds to this number. Only then does it reduce anything else.
const GOOD_ROUNDS: f64 = 150.0;
/// A plan first reduces a student's training steps to this number. Only then does it reduce anything else.
const GOOD_STEPS: usize = 2000;
/// A plan first reduces the training steps of the teacher's networks to this number. Only then does it reduce anything else.
const GOOD_NETWORK: f64 = 600.0;
/// The same for LSTMs.
const GOOD_LSTM: f64 = 300.0;
/// Columns are dropped until there is time for trainings of a student with this many steps. The search has three stages, with longer and longer
/// trainings; this is also the minimum number of steps in its second stage.
const LONG_STEPS: usize = 4000;
/// Minimum number of rows that each tree learns from, if the table has more.
const FEWEST_ROWS: f64 = 5000.0;
/// Minimum number of columns that a time limit leaves, if the table has more.
const LEAST_COLUMNS: usize = 24;
/// Maximum number of cells (rows × columns) of new rows for each second of the time limit.
const CELLS: f64 = 1.5e6;
/// Multiplications per second of a Gaussian process or a linear model on one thread, as assumed for a plan.
const PRODUCTS: f64 = 2e9;

/// The options that a time limit may change, with the values to use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) teacher: TeacherOptions,
    pub(crate) student: StudentOptions,
    /// The option `transfer.munge_rows`: the number of new rows that MUNGE makes.
    pub(crate) munge_rows: usize,
    /// The option `transfer.window_rows`: the number of new windows of rows.
    pub(crate) window_rows: usize,
    pub(crate) repeats: usize,
    pub(crate) max_repeats: usize,
    /// Feature columns that the time limit leaves out. Empty in [`Budget::asked`], the options before planning.
    pub(crate) dropped: Vec<String>,
}

/// Options that were chosen to meet a time limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Resolved {
    pub(crate) plan: Planned,
    /// Notes for the user on what was reduced or left out.
    pub(crate) notes: Vec<String>,
    /// Measured speed of a student: seconds of one training step, and seconds of the work before its first step.
    step: (f64, f64),
}

/// A time limit, with the options and the session that it applies to.
pub(crate) struct Budget<'a> {
    /// The options that the recipe asks for.
    pub(crate) asked: Planned,
    /// The time limit in seconds; infinite if there is none.
    pub(crate) limit: f64,
    /// The columns that the option `data.keep` names. If columns must be left out, these are left out last.
    pub(crate) keep: &'a [String],
    /// True if limbeck fits the teacher. Otherwise only the students are planned.
    pub(crate) fits_teacher: bool,
    /// Number of teachers to fit: one for each target.
    pub(crate) teachers: usize,
    pub(crate) outer_folds: usize,
    /// The options of the students; their speed is measured with these options.
    pub(crate) study: StudyOptions<'a>,
    pub(crate) session: &'a Session<'a>,
}

/// A way to fit a teacher: everything that costs time except the number of rounds or steps.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Thrift {
    /// True if several options of the boosted trees are compared before the teacher is fitted.
    choose: bool,
    /// True if fits of trees try pairs of columns as additional inputs.
    pairs: bool,
    folds: usize,
    fits: usize,
    splits: usize,
}

/// The rows that a teacher is fitted on: their number, and whether the table is split by time.
#[derive(Clone, Copy)]
struct Rows {
    train: usize,
    follow_time: bool,
}

/// The work of all fits of trees together: numbers of fits and of boosting rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Times {
    /// Number of fits.
    fits: f64,
    /// Number of fits, where a fit that only compares options counts as half, since it has fewer rounds.
    whole: f64,
    /// Number of boosting rounds, over all fits, that are made in addition to try pairs of columns.
    more: f64,
}

impl Thrift {
    /// Four ways to fit a teacher, from the one with everything that is asked for to the cheapest.
    fn degrees(teacher: &TeacherOptions, splits: usize) -> [Self; 4] {
        let all = Self {
            choose: teacher.choose_trees,
            pairs: teacher.choose_trees || teacher.trees.pairs > 0,
            folds: teacher.folds,
            fits: teacher.fits,
            splits,
        };
        let one_split = Self { splits: 1, ..all };
        // Pairs of columns are left out together with the comparison of options. If no comparison is asked for, the option for pairs is kept.
        let plain = Self {
            choose: false,
            pairs: all.pairs && !all.choose,
            ..one_split
        };
        let least = Self {
            folds: all.folds.min(3),
            fits: 1,
            ..plain
        };
        [all, one_split, plain, least]
    }

    /// The work of all fits of trees. A fit that tries pairs of columns takes as long as about 50 rounds more.
    fn trees(self, rows: Rows) -> Times {
        let fits = self.fits_of(rows, self.folds, self.fits);
        let (mut all, mut tried) = (fits, 0.0);
        if self.choose {
            tried += 3.0 * if rows.train <= 6000 { self.folds } else { 1 } as f64;
        }
        if self.splits > 1 {
            let others = (self.splits - 1) as f64;
            let folds = self.folds.min(3);
            all += others * self.fits_of(rows, folds, self.fits.min(2));
            if self.choose {
                tried += others * 3.0 * folds as f64;
            }
        }
        Times {
            fits: all + tried,
            whole: all + tried / 2.0,
            more: if self.pairs {
                50.0 * (all + tried * 2.0 / 3.0)
            } else {
                0.0
            },
        }
    }

    /// Number of fits of one learner: one for each fold, and the final fits on training and validation rows. With few rows or a split by time, as
    /// many fits as final ones are also made on training rows alone; see `FittedTeacher`.
    fn fits_of(self, rows: Rows, folds: usize, fits: usize) -> f64 {
        let anew = rows.follow_time || rows.train <= 3000;
        let last = match rows.train {
            ..=10_000 => fits,
            _ if anew => fits.min(2),
            _ => 1,
        };
        (folds + last + if anew { last } else { 0 }) as f64
    }

    fn apply(self, plan: &mut Planned) {
        let teacher = &mut plan.teacher;
        if teacher.choose_trees && !self.choose {
            teacher.trees.pairs = 0;
        }
        teacher.choose_trees = self.choose;
        (teacher.folds, teacher.fits) = (self.folds, self.fits);
        if self.splits == 1 {
            plan.student.splits = Some(1);
        }
    }
}

impl Times {
    /// The number of rounds of each full fit, if all fits together take `seconds` seconds of one thread.
    fn rounds(self, seconds: f64, speed: Speed) -> f64 {
        (seconds - self.fits * speed.start - self.more * speed.round) / (self.whole * speed.round)
    }

    /// The seconds of one thread that all fits take together, if each full fit has `rounds` rounds.
    fn seconds(self, rounds: f64, speed: Speed) -> f64 {
        self.fits * speed.start + (self.more + self.whole * rounds) * speed.round
    }
}

/// Training steps of the teacher's networks.
#[derive(Clone, Copy)]
struct Steps {
    /// Number of steps that was asked for.
    wanted: f64,
    /// Number of steps below which anything else is reduced.
    good: f64,
    /// True if the networks are the only learner.
    is_alone: bool,
}

/// Options of boosted trees that keep to the time limit, and the number of columns that they may use.
struct Fits {
    thrift: Thrift,
    rounds: f64,
    /// Factor by which the option `teacher.trees.subsample` is multiplied; below 1 if each tree must learn from fewer rows.
    sampled: f64,
    columns: usize,
    /// True if these options leave no time for learners other than trees.
    is_alone: bool,
}

/// The data set without the columns `dropped`, which a time limit leaves out.
pub(crate) fn narrow<'d>(data: &'d Dataset, dropped: &[String]) -> Cow<'d, Dataset> {
    if dropped.is_empty() {
        Cow::Borrowed(data)
    } else {
        Cow::Owned(data.without(dropped))
    }
}

impl Budget<'_> {
    /// Options that meet the time limit; without a limit, the options that were asked for. The speed of the machine is measured once per run, and the
    /// result is stored for a resume.
    ///
    /// # Errors
    ///
    /// The errors of [`resolve`](Self::resolve).
    pub(crate) fn resolved(&self, data: &Dataset) -> Result<Resolved> {
        if self.limit.is_infinite() {
            return Ok(self.unchanged());
        }
        let session = self.session;
        session.time("budget", || session.piece("budget", || self.resolve(data)))
    }

    /// Plans the students again, once the labels are made; returns `of` unchanged if there is no time limit.
    ///
    /// # Errors
    ///
    /// The errors of [`resolve_students`](Self::resolve_students).
    pub(crate) fn resolved_students(&self, of: Resolved, data: &Dataset) -> Result<Resolved> {
        if self.limit.is_infinite() {
            return Ok(of);
        }
        let again = || self.resolve_students(&of, data);
        self.session.piece("budget-students", again)
    }

    /// The options that were asked for, unchanged.
    fn unchanged(&self) -> Resolved {
        Resolved {
            plan: self.asked.clone(),
            notes: Vec::new(),
            step: (0.0, 0.0),
        }
    }

    /// Measures the speed, and chooses options that meet the time limit.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] if the limit is too short for the cheapest teacher and students; the errors of training.
    fn resolve(&self, data: &Dataset) -> Result<Resolved> {
        let mut resolved = self.unchanged();
        // No more seeds are planned for.
        resolved.plan.max_repeats = resolved.plan.repeats;
        self.session.begin("measure speed");
        if self.left() < MEASURED * self.limit {
            return Err(self.refuse(AT_LEAST));
        }
        let mut data = Cow::Borrowed(data);
        if self.fits_teacher {
            if matches!(
                resolved.plan.teacher.kind,
                TeacherKind::Auto | TeacherKind::Trees
            ) {
                let narrow = self.trees(&mut resolved, &data)?;
                data = narrow.map_or(data, Cow::Owned);
            }
            let narrow = self.columns_for_student(&mut resolved, &data)?;
            data = narrow.map_or(data, Cow::Owned);
            self.other_learners(&mut resolved, &data)?;
        } else {
            resolved.step = self.speed_of_student(&resolved.plan.student, &data)?;
        }
        let left = self.left()
            * if self.fits_teacher {
                1.0 - TEACHER
            } else {
                1.0
            };
        self.plan_student(&mut resolved, &data, left);
        self.fewer_new_rows(&mut resolved.plan, &data);
        self.tell(&resolved);
        let notes = resolved.notes.iter();
        notes.for_each(|note| self.session.note(note));
        Ok(resolved)
    }

    /// Reduces the number of new rows if the time limit shortens the students' schedules, or if the table has many columns. It is done before the
    /// labels are made, not again after that, since the labels belong to these rows.
    fn fewer_new_rows(&self, plan: &mut Planned, data: &Dataset) {
        let share = plan.student.steps as f64 / self.asked.student.steps as f64;
        let columns = data.features.columns.len().max(1) as f64;
        let cells = (self.limit * CELLS / columns) as usize;
        for rows in [&mut plan.munge_rows, &mut plan.window_rows] {
            *rows = scaled(*rows, share.max(0.1), 1000).min(*rows);
            *rows = (*rows).min(cells.max(1000));
        }
    }

    /// Plans the students again, once the labels are made, for the time that is left.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if the user has stopped the run.
    fn resolve_students(&self, resolved: &Resolved, data: &Dataset) -> Result<Resolved> {
        self.session.go_on()?;
        let mut own = resolved.clone();
        // Start again from the values of the recipe, since there may be more time left than planned.
        own.plan.student.steps = self.asked.student.steps;
        own.plan.student.trials = self.asked.student.trials;
        own.plan.repeats = self.asked.repeats;
        let splits = own.plan.student.splits_of(learned(data));
        // Each additional split has a teacher of its own, which takes about 60 % of the time of the first.
        let others = self.session.seconds() * 0.6 * (splits - 1) as f64;
        let left = self.left() - if self.fits_teacher { others } else { 0.0 };
        self.plan_student(&mut own, data, left);
        self.tell(&own);
        Ok(own)
    }

    fn threads(&self) -> f64 {
        rayon::current_num_threads() as f64
    }

    /// The planned seconds that are left for the run itself. The planned time that is left is divided equally between the run and its outer folds.
    fn left(&self) -> f64 {
        let left = self.limit * PLANNED - self.session.seconds();
        left.max(0.0) / (1 + self.outer_folds) as f64
    }

    fn measuring(&self) -> limbeck_data::Stop<'_> {
        self.session.stop().within(self.limit * MEASURED)
    }

    fn tell(&self, resolved: &Resolved) {
        let Planned {
            teacher, student, ..
        } = &resolved.plan;
        let limit = self.limit;
        let has = |kind| teacher.kind == TeacherKind::Auto || teacher.kind == kind;
        let trees = has(TeacherKind::Trees)
            .then(|| format!("{} rounds of boosted trees, ", teacher.trees.rounds));
        let network = has(TeacherKind::Network).then(|| {
            format!(
                "{} training steps of teacher networks, ",
                teacher.network.steps.1
            )
        });
        let has_lstm = teacher.kind == TeacherKind::Lstm
            || teacher.kind == TeacherKind::Auto && self.can_mix_lstm(teacher);
        let lstm = has_lstm.then(|| {
            let steps = teacher.lstm.steps.1;
            format!("{steps} training steps of teacher LSTMs, ")
        });
        let text = format!(
            "a time limit of {limit} s allows {}{}{}{} training steps of each student",
            trees.unwrap_or_default(),
            network.unwrap_or_default(),
            lstm.unwrap_or_default(),
            student.steps
        );
        self.session.tell(&Event::Budget(&text));
    }

    /// The error for a time limit that is too short. `seconds` is the time of the smallest teacher and students.
    fn refuse(&self, seconds: f64) -> Error {
        let (spent, outer) = (self.session.seconds(), 1 + self.outer_folds);
        let enough = 1.1 * (spent + seconds * outer as f64) / PLANNED;
        let enough = enough.max(1.2 * self.limit).ceil();
        Error::Recipe {
            place: "time_limit".into(),
            message: format!(
                "a time limit of {} s is too short for this table: reading and measuring took {spent:.1} s, and the smallest teacher and students \
                 take about {seconds:.1} s; give --time-limit {enough}s, or drop columns or rows",
                self.limit
            ),
        }
    }

    /// Chooses options of the trees that keep to the time limit. Returns the data set without the columns that do not fit; `None` if all columns fit.
    fn trees(&self, resolved: &mut Resolved, data: &Dataset) -> Result<Option<Dataset>> {
        let speed = self.speed_of_trees(data)?;
        let has_others = self.asked.teacher.kind == TeacherKind::Auto;
        let all = self.left() * self.threads() / self.teachers as f64;
        let share = if has_others { TREES } else { 1.0 };
        let seconds = [TEACHER * share, TEACHER, LEAST_TEACHER].map(|share| share * all);
        let splits = self.asked.student.splits_of(learned(data));
        let wanted = self.asked.teacher.trees.rounds as f64;
        let columns = data.features.columns.len();
        let degrees = Thrift::degrees(&self.asked.teacher, splits);
        let found = fitting(degrees, rows(data), speed, (seconds, wanted), columns);
        let fits = found.map_err(|least| {
            let each = least / LEAST_TEACHER / self.threads();
            self.refuse(each * self.teachers as f64)
        })?;
        fits.thrift.apply(&mut resolved.plan);
        if fits.is_alone && has_others {
            leave_trees_alone(resolved);
        }
        let trees = &mut resolved.plan.teacher.trees;
        shrink_trees(trees, fits.rounds);
        trees.subsample *= fits.sampled;
        let percent = 100.0 * trees.subsample;
        resolved.notes.extend(told(&degrees[0], &fits.thrift));
        if fits.sampled < 1.0 {
            let note = format!(
                "{LIMITED}, each boosted tree of the teacher learns from {percent:.0} % of the rows"
            );
            resolved.notes.push(note);
        }
        Ok((fits.columns < columns).then(|| self.narrow(resolved, data, fits.columns)))
    }

    /// The data set with only its `columns` most informative columns. Adds the others to the `dropped` columns of the plan, and a note.
    fn narrow(&self, resolved: &mut Resolved, data: &Dataset, columns: usize) -> Dataset {
        let (ordinal, keep) = (&self.asked.student.ordinal, self.keep);
        let mut names = screen::ranked(data);
        // Columns that the options `keep` and `ordinal` name are left out last.
        // The student adds a target's present value to the changes that it learned.
        let own = data.targets.specs.iter().filter(|_| !data.base.is_empty());
        let own: Vec<&String> = own.map(|spec| &spec.name).collect();
        names.sort_by_key(|name| {
            let is_asked = ordinal.contains(name) || keep.contains(name);
            (!own.contains(&name), !is_asked)
        });
        let gone = names.split_off(columns.min(names.len()));
        let narrow = data.without(&gone);
        resolved.plan.dropped.extend(gone);
        let dropped = resolved.plan.dropped.len();
        resolved.notes.retain(|note| !note.starts_with(NARROWED));
        resolved.notes.push(format!(
            "{NARROWED}, only {columns} of {} columns are used: those that explain the target best on training rows, each column taken alone; the \
             other columns are listed in data.drop of the run's recipe",
            columns + dropped
        ));
        narrow
    }

    /// The data set with only as many columns as a student's training time and budget of parameters allow; `None` if all columns fit.
    fn columns_for_student(
        &self,
        resolved: &mut Resolved,
        data: &Dataset,
    ) -> Result<Option<Dataset>> {
        let mut narrow: Option<Dataset> = None;
        loop {
            let data = narrow.as_ref().unwrap_or(data);
            let columns = data.features.columns.len();
            let kept = match self.speed_of_student(&resolved.plan.student, data) {
                Ok(speed) => {
                    resolved.step = speed;
                    self.columns_in_time(&resolved.plan, data, speed)?
                }
                Err(Error::Distill(limbeck_distill::Error::BudgetTooSmall {
                    smallest,
                    allowed,
                    ..
                })) if columns > LEAST_COLUMNS => {
                    let share = 0.8 * allowed as f64 / smallest as f64;
                    ((columns as f64 * share) as usize).max(LEAST_COLUMNS)
                }
                Err(error) => return Err(error),
            };
            if kept >= columns {
                return Ok(narrow);
            }
            narrow = Some(self.narrow(resolved, data, kept));
        }
    }

    /// The number of columns with which students get a schedule of `LONG_STEPS` steps in the time that is left.
    fn columns_in_time(&self, plan: &Planned, data: &Dataset, speed: (f64, f64)) -> Result<usize> {
        let columns = data.features.columns.len();
        let splits = plan.student.splits_of(learned(data));
        let takes = |steps| self.seconds_of_students(plan, splits, steps, speed);
        let allowed = self.left() * (1.0 - TEACHER);
        let good = takes(search::steps_of_schedule(LONG_STEPS, splits));
        let least = takes(LEAST_STEPS);
        let part = LEAST_COLUMNS.min(columns) as f64 / columns as f64;
        let kept = columns_within(columns, allowed, good, least)
            .ok_or_else(|| self.refuse(least * part / (1.0 - TEACHER)))?;
        // To drop less than a tenth of the columns is not worth another measurement.
        Ok(if 10 * kept >= 9 * columns {
            columns
        } else {
            kept
        })
    }

    /// The seconds that both students take: a search with one setting, and refits with at most two seeds. Their option `steps` is assumed to be
    /// `steps`, or that of `plan` if that is smaller. The last argument is the speed: seconds per step, and seconds before the first step.
    fn seconds_of_students(
        &self,
        plan: &Planned,
        splits: usize,
        steps: usize,
        (step, start): (f64, f64),
    ) -> f64 {
        let student = StudentOptions {
            steps: steps.min(plan.student.steps),
            trials: 1,
            ..plan.student.clone()
        };
        let steps = taken(&student, splits, plan.repeats.min(2));
        2.0 * start * (splits + 1) as f64 + steps * step / self.threads()
    }

    /// Chooses options of networks, Gaussian processes and linear models that keep to the time limit. Nothing is done if the teacher has only trees.
    fn other_learners(&self, resolved: &mut Resolved, data: &Dataset) -> Result<()> {
        let kind = self.asked.teacher.kind;
        if resolved.plan.teacher.kind == TeacherKind::Trees {
            return Ok(());
        }
        let seconds = self.left() * TEACHER * self.threads() / self.teachers as f64;
        let train = data.split.train.len();
        if kind == TeacherKind::Gp
            || kind == TeacherKind::Auto && train <= resolved.plan.teacher.gp.most_rows
        {
            self.process(resolved, data, seconds)?;
        }
        if kind == TeacherKind::Auto && data.summary.horizon() > 0 {
            self.linear(resolved, data, seconds);
        }
        let beside = seconds * (1.0 - TREES);
        match kind {
            TeacherKind::Auto if self.can_mix_lstm(&self.asked.teacher) => {
                self.network(resolved, data, beside / 2.0)?;
                if resolved.plan.teacher.kind == TeacherKind::Auto {
                    self.lstm(resolved, data, beside / 2.0)?;
                }
                Ok(())
            }
            TeacherKind::Auto => self.network(resolved, data, beside),
            TeacherKind::Network => self.network(resolved, data, seconds),
            TeacherKind::Lstm => self.lstm(resolved, data, seconds),
            TeacherKind::Gp | TeacherKind::Trees | TeacherKind::Linear => Ok(()),
        }
    }

    /// True if the mix `auto` of a teacher can have LSTMs: networks read rows before each row.
    fn can_mix_lstm(&self, teacher: &TeacherOptions) -> bool {
        self.study.rows_before > 0 && teacher.lstm.members > 0
    }

    /// Chooses options of the Gaussian process. `seconds` is the teacher's time on one thread. A process that is the only learner gets fewer steps if
    /// it would take longer. Beside other learners, it is left out if it takes more than a fifth of this time.
    fn process(&self, resolved: &mut Resolved, data: &Dataset, seconds: f64) -> Result<()> {
        let is_alone = self.asked.teacher.kind == TeacherKind::Gp;
        let mut gp = resolved.plan.teacher.gp.clone();
        if !is_alone {
            let [wanted, rounds] =
                [&self.asked, &resolved.plan].map(|plan| plan.teacher.trees.rounds as f64);
            gp.steps = scaled(gp.steps, (rounds / wanted).min(1.0), 5);
        }
        let takes = self.seconds_of_process(&resolved.plan, &gp, data)?;
        if is_alone {
            gp.steps = scaled(gp.steps, (seconds / takes).min(1.0), 5.min(gp.steps));
        } else if takes > seconds * (1.0 - TREES) / 2.0 {
            gp.most_rows = 0;
            resolved.notes.push(format!("{LIMITED}, {NO_PROCESS}"));
        }
        resolved.plan.teacher.gp = gp;
        Ok(())
    }

    /// Leaves the linear model out of the mix if its fits take more than a fifth of the time beside trees. `seconds` is the teacher's time on one thread.
    fn linear(&self, resolved: &mut Resolved, data: &Dataset, seconds: f64) {
        let (rows, columns) = (data.split.train.len() as f64, data.features.columns.len());
        // One fit per fold, and two on all rows, each with half of the products of all pairs of columns.
        let fits = (resolved.plan.teacher.folds + 2) as f64;
        let products = fits * rows * (columns * columns) as f64 / 2.0;
        let takes = products / PRODUCTS;
        let most = &mut resolved.plan.teacher.linear.most_columns;
        if columns <= *most && takes > seconds * (1.0 - TREES) / 5.0 {
            *most = 0;
            resolved.notes.push(format!("{LIMITED}, {NO_LINEAR}"));
        }
    }

    /// Chooses options of networks that take at most `seconds` on one thread. If that leaves them too few steps beside trees, the teacher is made of
    /// trees alone.
    fn network(&self, resolved: &mut Resolved, data: &Dataset, seconds: f64) -> Result<()> {
        let network = resolved.plan.teacher.network.clone();
        let wanted = network.steps_of(data.split.train.len());
        let steps = Steps {
            wanted: wanted as f64,
            good: GOOD_NETWORK.min(wanted as f64),
            is_alone: self.asked.teacher.kind == TeacherKind::Network,
        };
        match self.steps_within(resolved, data, (&network).into(), steps, seconds)? {
            Some(most) => shorten(&mut resolved.plan.teacher.network.steps, most),
            None => leave_trees_alone(resolved),
        }
        Ok(())
    }

    /// Chooses options of LSTMs that take at most `seconds` on one thread. If that leaves them too few steps beside other learners, they are left out.
    fn lstm(&self, resolved: &mut Resolved, data: &Dataset, seconds: f64) -> Result<()> {
        let lstm = resolved.plan.teacher.lstm.clone();
        let wanted = lstm.steps_of(data.split.train.len());
        let steps = Steps {
            wanted: wanted as f64,
            good: GOOD_LSTM.min(wanted as f64),
            is_alone: self.asked.teacher.kind == TeacherKind::Lstm,
        };
        // In forecasts, two kinds of LSTMs are fitted, of which one is used.
        let seconds = match data.summary.horizon() {
            0 => seconds,
            _ => seconds / 2.0,
        };
        match self.steps_within(resolved, data, (&lstm).into(), steps, seconds)? {
            Some(most) => shorten(&mut resolved.plan.teacher.lstm.steps, most),
            None => {
                resolved.plan.teacher.lstm.members = 0;
                resolved.notes.push(format!("{LIMITED}, {NO_LSTM}"));
            }
        }
        Ok(())
    }

    /// The maximum number of steps with which networks take at most `seconds` on one thread; `None` if that is too few. Beside trees, networks have the
    /// same folds and fits as the trees. Networks that are the only learner may get fewer folds and fits, and are never left out.
    fn steps_within(
        &self,
        resolved: &mut Resolved,
        data: &Dataset,
        members: Members,
        of: Steps,
        seconds: f64,
    ) -> Result<Option<usize>> {
        let rows = rows(data);
        let splits = resolved.plan.student.splits_of(learned(data));
        let asked = Thrift::degrees(&resolved.plan.teacher, splits);
        // The comparison of options and the pairs of columns concern trees only, so they are the same in all degrees.
        let degrees = asked.map(|own| Thrift {
            choose: asked[0].choose,
            pairs: asked[0].pairs,
            ..own
        });
        let degrees = &degrees[..if of.is_alone { degrees.len() } else { 1 }];
        let steps = 0.8 * seconds / self.seconds_of_network(members, data)?;
        let (thrift, allowed) = networks_within(degrees, rows, steps, of.good);
        if !of.is_alone && allowed < of.good {
            return Ok(None);
        }
        thrift.apply(&mut resolved.plan);
        resolved.notes.extend(told(&degrees[0], &thrift));
        Ok(Some(if allowed < of.wanted {
            (allowed as usize).max(100)
        } else {
            usize::MAX
        }))
    }

    /// Chooses the students' steps, number of settings and number of seeds so that search and refits take at most `seconds`.
    fn plan_student(&self, resolved: &mut Resolved, data: &Dataset, seconds: f64) {
        let (step, start) = resolved.step;
        let plan = &mut resolved.plan;
        let splits = plan.student.splits_of(learned(data));
        // The work before the first step is done for each split and for the refits, for networks of several sizes.
        let seconds = seconds - 2.0 * start * (splits + 1) as f64;
        let allowed = (seconds * self.threads() / step.max(1e-9)).max(0.0);
        let asked = plan.student.clone();
        let mut repeats = plan.repeats;
        for (trials, seeds) in [(5, 100), (2, 100), (1, 100), (1, 2)] {
            let student = StudentOptions {
                trials: asked.trials.min(trials),
                ..asked.clone()
            };
            repeats = repeats.min(seeds);
            plan.student = StudentOptions {
                steps: longest_within(&student, splits, repeats, allowed),
                ..student
            };
            let longest = |student: &StudentOptions| search::longest_schedule(student, splits);
            if longest(&plan.student) >= GOOD_STEPS.min(longest(&asked)) {
                break;
            }
        }
        (plan.repeats, plan.max_repeats) = (repeats, repeats);
    }

    /// The speed of a fit of trees on all training rows, extrapolated from fits on a sample and on an eighth of the sample.
    fn speed_of_trees(&self, data: &Dataset) -> Result<Speed> {
        let rows = sample_of_cells(data);
        let few = &rows[..(rows.len() / 8).max(rows.len().min(100))];
        let all = &data.features.columns;
        let picked = all.iter().step_by(all.len().div_ceil(TIMED_COLUMNS).max(1));
        let picked = Features {
            columns: picked.cloned().collect(),
            rows: data.features.rows,
            past: None,
        };
        let width = all.len() as f64 / picked.columns.len().max(1) as f64;
        let options = TreeOptions {
            rounds: ROUNDS,
            pairs: 0,
            ..self.asked.teacher.trees.clone()
        };
        let of = |rows: &[usize]| {
            trees::speed(
                &picked.select(rows),
                &data.learned_of(rows),
                &data.weight_of(rows),
                &options,
                self.study.seed,
                Effort::until(1, self.measuring()),
            )
        };
        let (less, more) = (of(few)?, of(&rows)?);
        let growth = data.split.train.len() as f64 / rows.len() as f64;
        let part = few.len() as f64 / rows.len() as f64;
        Ok(Speed {
            start: grown(less.start, more.start, part, growth) * width,
            round: grown(less.round, more.round, part, growth) * width,
        })
    }

    /// Measures the speed of a student on a sample: seconds of one training step, and seconds of the work before its first step. The latter are
    /// extrapolated to all rows; the former need not be, since the batches are as large as with all rows.
    fn speed_of_student(&self, options: &StudentOptions, data: &Dataset) -> Result<(f64, f64)> {
        let rows = sample_of_cells(data);
        let growth = learned(data) as f64 / rows.len() as f64;
        let set = untaught_rows(data, rows);
        let student = timed(options, data);
        let of = Study {
            student: &student,
            ..self.study.untaught(data, self.session)
        };
        let begun = Instant::now();
        let stage = Stage::new(&of, &set, None)?;
        let start = begun.elapsed().as_secs_f64() * growth.min(12.0);
        let begun = Instant::now();
        let steps = stage.warm_up(STEPS, self.measuring())?;
        self.session.go_on()?;
        Ok((begun.elapsed().as_secs_f64() / steps.max(1) as f64, start))
    }

    fn seconds_of_network(&self, members: Members, data: &Dataset) -> Result<f64> {
        let rows = sample(data, FEW);
        let (features, target, weight) = (
            data.features.select(&rows),
            data.learned_of(&rows),
            data.weight_of(&rows),
        );
        let of = Sample {
            rows_before: self.study.rows_before,
            horizon: data.summary.horizon(),
            ..fold_less(&features, &target, &weight)
        };
        let all: Vec<usize> = (0..rows.len()).collect();
        let work = Work {
            stop: self.measuring(),
            ..(&*NO_CHECKPOINTS).into()
        };
        Ok(NetworkEnsemble::seconds_per_step(&of, &all, members, work)?)
    }

    /// Estimates the seconds of a Gaussian process on one thread: the search for its kernel, its fits and its labels.
    fn seconds_of_process(
        &self,
        plan: &Planned,
        options: &ProcessOptions,
        data: &Dataset,
    ) -> Result<f64> {
        let rows = sample(data, options.evidence_rows.min(LOOK));
        let (features, target, weight) = (
            data.features.select(&rows),
            data.learned_of(&rows),
            data.weight_of(&rows),
        );
        let one = ProcessOptions {
            steps: 1,
            ..options.clone()
        };
        let begun = Instant::now();
        let of = fold_less(&features, &target, &weight);
        ProcessPlan::choose(&of, &one, self.study.seed, self.measuring())?;
        // At least three evaluations are made: one for each kernel shape, and a step. The time of one grows a little slower than the cube of the
        // number of rows.
        let look = begun.elapsed().as_secs_f64() / 3.0;
        let steps = options.steps as f64;
        let growth = (options.evidence_rows as f64 / rows.len().max(1) as f64).powf(2.5);
        let tried = 1.3 * look * steps * (growth.max(1.0) * self.threads() + 1.0);
        let (n, width) = (
            data.split.train.len() as f64,
            data.features.columns.len() as f64,
        );
        let fits = (plan.teacher.folds + 2) as f64;
        let labels = 2.0 * plan.munge_rows.min(100 * data.split.train.len()) as f64;
        let products = fits * n * n * (n / 3.0 + 2.0 * width) + labels * n * (2.0 * width + 40.0);
        Ok(tried + products / PRODUCTS)
    }
}

/// Beginning of a note on what a time limit changed.
const LIMITED: &str = "to stay within the time limit";
const NO_PROCESS: &str = "the teacher has no Gaussian process";
const NO_LSTM: &str = "the teacher has no LSTMs";
const NO_LINEAR: &str = "the teacher has no linear model";
const NARROWED: &str = "to stay within the time limit and the budget of parameters";

/// The note on what the fit of a teacher by `taken` leaves out, compared with `asked`; `None` if it leaves out nothing.
fn told(asked: &Thrift, taken: &Thrift) -> Option<String> {
    let mut parts = Vec::new();
    if taken.splits < asked.splits {
        parts.push("settings of the students are tried on one split of the rows only".to_owned());
    }
    if taken.choose != asked.choose {
        let part = "the options of the teacher's boosted trees are not compared (those in `teacher.trees` are used), and the trees got no pairs of columns as inputs";
        parts.push(part.to_owned());
    }
    if taken.folds < asked.folds || taken.fits < asked.fits {
        parts.push(format!(
            "the teacher has only {} for out-of-fold labels, and {} on all rows",
            counted(taken.folds, "fold"),
            counted(taken.fits, "fit")
        ));
    }
    (!parts.is_empty()).then(|| format!("{LIMITED}, {}", parts.join("; ")))
}

/// The best options of trees that keep to the time. `seconds` has three limits, in seconds of one thread: for trees beside other learners, for trees
/// alone, and for the cheapest teacher. `wanted` is the number of rounds that was asked for.
///
/// # Errors
///
/// The seconds that the cheapest teacher needs, if it exceeds its limit.
fn fitting(
    degrees: [Thrift; 4],
    rows: Rows,
    speed: Speed,
    (seconds, wanted): ([f64; 3], f64),
    columns: usize,
) -> Result<Fits, f64> {
    let good = GOOD_ROUNDS.min(wanted);
    let [beside, alone, most] = seconds;
    let tried = degrees.iter().zip([beside, beside, alone, alone]);
    for ((&thrift, seconds), is_alone) in tried.zip([false, false, true, true]) {
        let rounds = thrift.trees(rows).rounds(seconds, speed);
        if rounds >= good {
            return Ok(Fits {
                thrift,
                rounds,
                sampled: 1.0,
                columns,
                is_alone,
            });
        }
    }
    let thrift = degrees[3];
    let times = thrift.trees(rows);
    // If there are many rows, each tree may learn from fewer.
    let least = (FEWEST_ROWS / rows.train as f64).min(1.0);
    let share = (alone - times.fits * speed.start) / (times.whole * good * speed.round);
    let part = share.clamp(of_rows(least), 1.0);
    let sampled = (part - of_rows(0.0)) / (1.0 - of_rows(0.0));
    let speed = Speed {
        round: speed.round * part,
        ..speed
    };
    // The time is nearly in proportion to the number of columns.
    let share = alone / times.seconds(good, speed);
    let least = LEAST_COLUMNS.min(columns) as f64;
    // If the share is 1 except for a rounding error, all columns are kept.
    let kept = (columns as f64 * share + 1e-6)
        .clamp(least, columns as f64)
        .floor();
    let part = kept / columns as f64;
    let speed = Speed {
        start: speed.start * part,
        round: speed.round * part,
    };
    let fewest = LEAST_ROUNDS.min(wanted);
    let rounds = times.rounds(alone, speed);
    if rounds < fewest && times.rounds(most, speed) < fewest {
        return Err(times.seconds(fewest, speed));
    }
    Ok(Fits {
        thrift,
        rounds: rounds.max(fewest),
        sampled,
        columns: kept as usize,
        is_alone: true,
    })
}

/// The first of `degrees` with which each network gets at least `good` steps, if all networks together may take `steps`; the last of `degrees` if
/// there is none. Also returns the number of steps of each network.
fn networks_within(degrees: &[Thrift], rows: Rows, steps: f64, good: f64) -> (Thrift, f64) {
    let each = |own: &Thrift| {
        let plain = Thrift {
            choose: false,
            ..*own
        };
        // With many rows, there is one more fit, which chooses the number of steps on held-out rows.
        steps / (plain.trees(rows).fits + f64::from(u8::from(rows.train > 10_000)))
    };
    let found = degrees.iter().find(|own| each(own) >= good);
    let own = found.unwrap_or(&degrees[degrees.len() - 1]);
    (*own, each(own))
}

/// The number of columns with which students get a good schedule in `allowed` seconds; at least [`LEAST_COLUMNS`]. With all columns, a good schedule
/// takes `good` seconds, and the shortest one `least` seconds. `None` if even [`LEAST_COLUMNS`] columns leave no time for the shortest schedule.
fn columns_within(columns: usize, allowed: f64, good: f64, least: f64) -> Option<usize> {
    let fewest = LEAST_COLUMNS.min(columns);
    let share = allowed / good;
    // If the share is 1 except for a rounding error, all columns are kept.
    let kept = ((columns as f64 * share + 1e-6) as usize).clamp(fewest, columns);
    let least = least * kept as f64 / columns as f64;
    (kept > fewest || least <= allowed).then_some(kept)
}

/// The options of the student whose speed is measured on a sample of the rows. Its batches are as large as they would be with all rows.
fn timed(options: &StudentOptions, data: &Dataset) -> StudentOptions {
    StudentOptions {
        batch: Some(options.batch_of(learned(data))),
        ..options.clone()
    }
}

/// The time for `growth` times as many rows as a sample has, on a straight line through two measurements: `more` is the time for the whole sample,
/// `less` the time for the share `part` of it. The slope is at least a third of a proportional one, since measurements are noisy.
fn grown(less: f64, more: f64, part: f64, growth: f64) -> f64 {
    if part >= 1.0 {
        return more * growth.max(1.0);
    }
    let slope = ((more - less) / (1.0 - part)).clamp(more / 3.0, more);
    more + slope * (growth - 1.0)
}

/// The time of a boosting round whose tree learns from the share `share` of the rows, divided by the time with all rows.
fn of_rows(share: f64) -> f64 {
    0.3 + 0.7 * share
}

fn fold_less<'s>(features: &'s Features, target: &'s [f64], weight: &'s [f64]) -> Sample<'s> {
    Sample {
        features,
        target,
        weight,
        folds: Folds::default(),
        rows_before: 0,
        horizon: 0,
    }
}

fn rows(data: &Dataset) -> Rows {
    Rows {
        train: data.split.train.len(),
        follow_time: data.fold_kind == FoldKind::Time,
    }
}

/// The number of rows that students learn from in the refit.
fn learned(data: &Dataset) -> usize {
    data.split.train.len() + data.split.valid.len()
}

fn sample(data: &Dataset, most: usize) -> Vec<usize> {
    data.split.train.iter().copied().take(most).collect()
}

/// The training rows on which the speed of trees and students is measured.
fn sample_of_cells(data: &Dataset) -> Vec<usize> {
    let cells = SAMPLE_CELLS / data.features.columns.len().max(1);
    sample(data, cells.clamp(LEAST_SAMPLE, SAMPLE))
}

/// Leaves out all learners except trees, and adds a note.
fn leave_trees_alone(resolved: &mut Resolved) {
    resolved.plan.teacher.kind = TeacherKind::Trees;
    let without = [NO_PROCESS, NO_LINEAR];
    let notes = &mut resolved.notes;
    notes.retain(|note| !without.iter().any(|end| note.ends_with(end)));
    resolved.notes.push(format!(
        "{LIMITED}, the teacher is made of boosted trees alone"
    ));
}

/// The number of training steps that the search and the refits of both students take together.
fn taken(student: &StudentOptions, splits: usize, repeats: usize) -> f64 {
    let refits = 2 * repeats * search::longest_schedule(student, splits);
    (search::search_steps(student, splits) + refits) as f64
}

/// The largest value of the option `steps` with which search and refits of both students together take at most `allowed` training steps. It is at
/// most `student.steps`, and at least `LEAST_STEPS` or `student.steps`, whichever is smaller.
fn longest_within(student: &StudentOptions, splits: usize, repeats: usize, allowed: f64) -> usize {
    let taken = |steps: usize| {
        let student = StudentOptions {
            steps,
            ..student.clone()
        };
        taken(&student, splits, repeats)
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

/// Reduces the minimum and maximum number of steps to at most `most`.
fn shorten(steps: &mut (usize, usize), most: usize) {
    *steps = (steps.0.min(most), steps.1.min(most));
}

fn scaled(value: usize, share: f64, least: usize) -> usize {
    ((value as f64 * share) as usize).max(least)
}

/// Reduces the rounds to `rounds` (at least `LEAST_ROUNDS`) if there are more, and increases the learning rate in proportion, up to 0.3.
fn shrink_trees(options: &mut TreeOptions, rounds: f64) {
    let allowed = rounds.max(LEAST_ROUNDS) as usize;
    if allowed < options.rounds {
        options.learning_rate =
            (options.learning_rate * options.rounds as f64 / allowed as f64).min(0.3);
        options.rounds = allowed;
    }
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

    #[test]
    fn columns_are_kept_only_as_far_as_students_have_a_good_schedule() {
        let kept = |allowed| columns_within(200, allowed, 40.0, 11.0);
        assert_eq!(kept(40.0), Some(200));
        assert_eq!(kept(10.0), Some(50));
        // 24 columns: a good schedule takes 4.8 s, the shortest 1.32 s.
        assert_eq!(kept(1.5), Some(24));
        assert_eq!(kept(1.3), None);
        assert_eq!(columns_within(10, 1.0, 40.0, 0.9), Some(10));
    }

    #[test]
    fn more_time_never_means_shorter_schedules() {
        // 4 ms for each step with 3000 columns.
        let (columns, step) = (3000, 0.004);
        let student = StudentOptions {
            trials: 1,
            ..StudentOptions::default()
        };
        let takes = |steps| {
            let student = StudentOptions {
                steps,
                ..student.clone()
            };
            taken(&student, 1, 2) * step
        };
        let (good, least) = (takes(LONG_STEPS), takes(LEAST_STEPS));
        let mut last = (0, 0);
        for seconds in [10.0, 20.0, 60.0, 200.0] {
            let kept = columns_within(columns, seconds, good, least).unwrap();
            let step = step * kept as f64 / columns as f64;
            let steps = longest_within(&student, 1, 2, seconds / step);
            assert!(
                steps >= LONG_STEPS || kept == LEAST_COLUMNS,
                "{steps} {kept}"
            );
            let now = (kept, steps.min(LONG_STEPS));
            assert!(now.0 >= last.0 && now.1 >= last.1, "{now:?} {last:?}");
            last = now;
        }
        assert_eq!(last.0, columns);
    }

    /// A table of 4000 rows.
    fn table(columns: usize) -> Dataset {
        use limbeck_data::{Column, DataOptions, Table};
        let value = |j: usize, i: usize| ((i * (2 * j + 7)) as f64 * 0.618_033_988).fract();
        let column = |j: usize| (0..4000).map(|i| value(j, i)).collect();
        let mut columns: Vec<Column> = (0..columns)
            .map(|j| Column::number(&format!("x{j}"), column(j)))
            .collect();
        columns.push(Column::number("y", column(300)));
        let table = Table {
            columns,
            rows: 4000,
            ..Table::default()
        };
        Dataset::from_table(table, &DataOptions::for_target("y"), None, 0).unwrap()
    }

    #[test]
    fn students_are_timed_with_the_batch_of_all_rows() {
        let (student, data) = (StudentOptions::default(), table(200));
        // Few enough rows are timed for smaller batches.
        let rows = sample_of_cells(&data).len();
        assert_ne!(student.batch_of(rows), student.batch_of(learned(&data)));
        let batch = timed(&student, &data).batch_of(rows);
        assert_eq!(batch, student.batch_of(learned(&data)));
    }

    #[test]
    fn second_plan_keeps_the_new_rows_that_have_labels() {
        let asked = Planned {
            repeats: 3,
            max_repeats: 3,
            ..Planned::default()
        };
        let session = Session::new(&crate::session::Silent);
        let study = StudyOptions {
            student: &asked.student,
            objective: &Default::default(),
            hints: &Default::default(),
            transfer: &Default::default(),
            target_weights: &[],
            horizon_weights: &[],
            rows_before: 0,
            seed: 0,
        };
        let budget = Budget {
            asked: asked.clone(),
            limit: 1000.0,
            keep: &[],
            fits_teacher: true,
            teachers: 1,
            outer_folds: 0,
            study,
            session: &session,
        };
        let first = Resolved {
            plan: Planned {
                repeats: 2,
                munge_rows: 12_345,
                window_rows: 0,
                ..asked.clone()
            },
            notes: Vec::new(),
            // About 20 000 steps of each of 110 000 that were asked for.
            step: (800.0 * budget.threads() / 400_000.0, 0.0),
        };
        let second = budget.resolve_students(&first, &table(3)).unwrap().plan;
        assert_eq!(second.munge_rows, 12_345);
        assert_eq!(second.repeats, asked.repeats);
        let steps = second.student.steps;
        assert!(
            steps >= GOOD_STEPS && steps < asked.student.steps,
            "{steps}"
        );
    }

    const MANY: Rows = Rows {
        train: 8000,
        follow_time: false,
    };

    fn speed(start: f64, round: f64) -> Speed {
        Speed { start, round }
    }

    #[test]
    fn fits_are_counted_as_a_teacher_makes_them() {
        let [all, one_split, plain, least] = Thrift::degrees(&TeacherOptions::default(), 2);
        // Folds and last fits, three candidates on the first fold; a second split has three folds and two fits of its own.
        assert_eq!(plain.trees(MANY).fits, 8.0);
        assert_eq!(one_split.trees(MANY).fits, 11.0);
        assert_eq!(one_split.trees(MANY).whole, 9.5);
        assert_eq!(all.trees(MANY).fits, 11.0 + 5.0 + 9.0);
        assert_eq!(least.trees(MANY).fits, 4.0);
        // Few rows: fits on all training rows, too.
        let few = Rows {
            train: 2000,
            ..MANY
        };
        assert_eq!(plain.trees(few).fits, 11.0);
    }

    #[test]
    fn pairs_are_given_up_only_with_the_comparison_of_options() {
        let mut kept = Planned::default();
        kept.teacher.choose_trees = false;
        kept.teacher.trees.pairs = 3;
        let [all, .., least] = Thrift::degrees(&kept.teacher, 1);
        // 50 rounds more for each of eight fits.
        assert_eq!(all.trees(MANY).more, 400.0);
        least.apply(&mut kept);
        assert_eq!(kept.teacher.trees.pairs, 3);
        let mut compared = Planned::default();
        let [all, .., least] = Thrift::degrees(&compared.teacher, 1);
        assert!(
            told(&all, &least)
                .unwrap()
                .contains("got no pairs of columns")
        );
        all.apply(&mut compared);
        assert!(compared.teacher.choose_trees && compared.teacher.trees.pairs > 0);
        least.apply(&mut compared);
        assert_eq!(
            (compared.teacher.choose_trees, compared.teacher.trees.pairs),
            (false, 0)
        );
    }

    #[test]
    fn networks_alone_give_up_folds_and_fits_before_steps() {
        let degrees = Thrift::degrees(&TeacherOptions::default(), 1);
        let steps = |all| {
            let (thrift, each) = networks_within(&degrees, MANY, all, 600.0);
            (thrift.folds, thrift.fits, each)
        };
        // Five folds and three fits, or three folds and one.
        assert_eq!(steps(8000.0), (5, 3, 1000.0));
        assert_eq!(steps(4000.0), (3, 1, 1000.0));
        assert_eq!(steps(400.0), (3, 1, 100.0));
    }

    #[test]
    fn as_little_as_possible_is_given_up() {
        let degrees = Thrift::degrees(&TeacherOptions::default(), 1);
        let find_of = |rows: Rows, seconds: f64| {
            fitting(
                degrees,
                rows,
                speed(0.0, 0.01),
                ([seconds, seconds, 1.5 * seconds], 800.0),
                3000,
            )
            .map(|fits| (fits.thrift, fits.rounds.round() as usize, fits.columns))
        };
        let find = |seconds: f64| find_of(MANY, seconds);
        // 9.5 whole fits and 50 · 10 rounds for pairs.
        assert_eq!(find(81.0).unwrap(), (degrees[0], 800, 3000));
        // Eight fits of 150 rounds.
        assert_eq!(find(12.0).unwrap(), (degrees[2], 150, 3000));
        assert_eq!(find(6.0).unwrap(), (degrees[3], 150, 3000));
        // Trees of 5000 rows learn from all of them. A tenth of the columns takes a tenth of the time.
        let few = Rows {
            train: 5000,
            ..MANY
        };
        let find = |seconds: f64| find_of(few, seconds);
        assert_eq!(find(0.6).unwrap(), (degrees[3], 150, 300));
        // 24 columns: 150 rounds take 0.048 s, 40 of them 0.0128, for which half as much time again may be taken.
        assert_eq!(find(0.02).unwrap(), (degrees[3], 62, 24));
        assert_eq!(find(0.01).unwrap(), (degrees[3], 40, 24));
        let least = find(0.008).unwrap_err();
        assert!((least - 0.0128).abs() < 1e-9, "{least}");
    }

    #[test]
    fn trees_of_many_rows_learn_from_fewer_before_columns_go() {
        let degrees = Thrift::degrees(&TeacherOptions::default(), 1);
        let many = Rows {
            train: 50_000,
            ..MANY
        };
        let find = |seconds: f64| {
            let shares = ([seconds; 3], 800.0);
            fitting(degrees, many, speed(0.0, 0.01), shares, 30).unwrap()
        };
        // Four fits of 150 rounds take 6 s, and 3.9 s with half of the rows.
        let half = find(3.9);
        assert!((half.sampled - 0.5).abs() < 1e-9, "{}", half.sampled);
        assert_eq!((half.columns, half.rounds.round()), (30, 150.0));
        // A tenth of the rows is the least: 2.22 s.
        let least = find(2.0);
        assert!((least.sampled - 0.1).abs() < 1e-9 && least.columns == 27);
    }

    #[test]
    fn time_grows_by_a_straight_line() {
        // 1 + 2 n.
        assert!((grown(1.5, 3.0, 0.25, 10.0) - 21.0).abs() < 1e-12);
        // All of it grows at most, and a third at least.
        assert!((grown(0.0, 3.0, 0.25, 10.0) - 30.0).abs() < 1e-12);
        assert!((grown(3.1, 3.0, 0.25, 10.0) - 12.0).abs() < 1e-12);
        assert!((grown(3.0, 3.0, 1.0, 1.0) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn rounds_and_seconds_agree() {
        let times = Times {
            fits: 3.0,
            whole: 2.5,
            more: 10.0,
        };
        let speed = speed(0.5, 0.1);
        assert!((times.seconds(40.0, speed) - 12.5).abs() < 1e-12);
        assert!((times.rounds(12.5, speed) - 40.0).abs() < 1e-12);
    }
}
