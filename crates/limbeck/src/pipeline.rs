//! The stages of a run, in order.
//!
//! ```text
//! read → labels → search on validation rows → refit on all training rows → test → files
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use limbeck_data::checkpoint::{Checkpoints, NO_CHECKPOINTS};
use limbeck_data::{Column, DataSummary, Dataset, FeatureValues, Features, MISSING, Table};
use limbeck_distill::hints::{Coordinates, HintKind};
use limbeck_distill::objective::AlphaSchedule;
use limbeck_distill::proof::{Evidence, Proof, judge};
use limbeck_distill::search::{
    self, Choice, Material, NewRows, Plan, Progress, Search, Setting, Stage, Training, Trial,
};
use limbeck_distill::student::StudentKind;
use limbeck_nets::Control;
use limbeck_runtime::{GoldenValue, Student, Value};
use tracing::dispatcher::{self, Dispatch};

use crate::budget;
use crate::curves;
use crate::error::{Error, Result};
use crate::labels::{self, LabelStore, learned, target_unit};
use crate::live::{Log, Recorder};
use crate::lone;
use crate::manifest::Manifest;
use crate::outer;
use crate::page::{self, Answers};
use crate::recipe::{CheckedRecipe, Recipe};
use crate::report::{
    self, LoneModel, Measured, Report, SeedScores, Selection, Shipped, ShippedKind, Size, Sizes,
    StudentReport, TestScores,
};
use crate::rounds;
use crate::run::{self, Run};
use crate::splits::{self, OtherSplit};
use crate::tensorboard;
use crate::timing::{Clock, best_microseconds, peak_memory_bytes};
use crate::unfinished::{self, Ticket, Unfinished};
use crate::verdict;

/// What an observer is told.
#[derive(Debug)]
pub enum Event<'a> {
    /// The table was read and checked.
    Data(&'a limbeck_data::DataSummary),
    /// A stage begins.
    Stage(&'a str),
    /// Something that a user should know.
    Note(&'a str),
    /// The options that a time limit led to.
    Budget(&'a str),
    /// Students are about to train: this many steps in all, at most.
    Steps(usize),
    /// A student trains.
    Training(&'a Progress<'a>),
}

/// Watches a run, from several threads.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);

    /// True once the user wants the run to end: what is in training stops at its next report, and what exists is kept.
    fn stop(&self) -> bool {
        false
    }
}

/// Tells only of progress: stages and notes of a part of the work are not those of a run.
pub(crate) struct OnlyProgress<'a>(pub(crate) &'a dyn Observer);

impl Observer for OnlyProgress<'_> {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Steps(_) | Event::Training(_)) {
            self.0.event(event);
        }
    }

    fn stop(&self) -> bool {
        self.0.stop()
    }
}

/// An observer that ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event<'_>) {}
}

/// Fits or asks the teacher, trains both students, proves and writes a run.
///
/// Until the run is whole, what is done lies in a folder beside it, `OUT.unfinished`, from which [`resume`](crate::resume) goes on.
///
/// # Errors
///
/// For a recipe or table that cannot be used, an `out` that exists, a teacher that fails, or a file that cannot be written.
/// Bad input leaves no folder behind; [`Error::Kept`] where work was done before the error.
pub fn distill(
    recipe: &CheckedRecipe,
    out: impl AsRef<Path>,
    observer: &dyn Observer,
) -> Result<Run> {
    let out = out.as_ref();
    recipe.refuse_several()?;
    unfinished::refuse_taken(out)?;
    make(
        recipe,
        &|data| {
            Unfinished::begin(
                out,
                &Ticket::new(recipe, Some(data))?,
                recipe.checkpoint_every,
            )
        },
        observer,
    )
}

/// Goes on with a run that was ended before it was done.
pub(crate) fn go_on(place: Unfinished, ticket: &Ticket, observer: &dyn Observer) -> Result<Run> {
    let recipe = ticket.recipe(place.path())?.check()?;
    recipe.refuse_several()?;
    // Handed over once the table is read: until then, an error leaves the folder as it is.
    let place = Mutex::new(Some(place));
    let take = |data: &Dataset| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(place) = place else {
            unreachable!("a run is made once")
        };
        place.check(ticket, data)?;
        Ok(place)
    };
    make(&recipe, &take, observer)
}

/// Makes a run in the place that it gets once its table is read.
fn make(
    recipe: &Recipe,
    place: &(dyn Fn(&Dataset) -> Result<Unfinished> + Sync),
    observer: &dyn Observer,
) -> Result<Run> {
    let log = Log::default();
    on_threads(recipe.threads, Some(&log), || {
        let mut clock = Clock::start();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), table = %recipe.table.display(), target = recipe.data.target, seed = recipe.seed, "limbeck distill");
        let data = clock.stage("read", || read(recipe, observer))?;
        let DataSummary {
            rows,
            train,
            valid,
            test,
            ..
        } = data.summary;
        tracing::info!(
            rows,
            train,
            valid,
            test,
            features = data.summary.features.len(),
            "table"
        );
        data.summary
            .warnings
            .iter()
            .for_each(|warning| tracing::warn!(check = %warning.check, "{}", warning.message));
        limbeck_distill::kinds::check_columns(&recipe.student, &data.features)?;
        outer::check(recipe, &data)?;
        let place = place(&data)?;
        let made = log
            .open(place.path())
            .and_then(|()| work(recipe, &data, &place, clock, observer));
        match made {
            Ok(made) => {
                tracing::info!("done");
                let last = place.last().to_owned();
                place.finish()?;
                Ok(Run::assemble(last, made.0, made.1))
            }
            Err(error) => {
                tracing::error!("{error}");
                Err(place.leave(error))
            }
        }
    })?
}

/// A run that takes more than this times its limit says so.
const LATE: f64 = 1.25;

/// All that comes after the table, in the folder of the run.
fn work(
    recipe: &Recipe,
    data: &Dataset,
    place: &Unfinished,
    mut clock: Clock,
    observer: &dyn Observer,
) -> Result<(Recipe, Report)> {
    let (kept, limit) = (place.kept(), recipe.time_limit);
    // How fast this machine is is measured once in the life of a run.
    let recipe = &match recipe.time_limit {
        Some(_) => clock.stage("budget", || {
            kept.piece("budget", || budget::resolve(recipe, data, observer))
        })?,
        None => recipe.clone(),
    };
    let observer = &Recorder::new(observer, recipe, place.path())?;
    let store = kept.piece("labels", || {
        let mut store = labels::make(recipe, data, kept, &mut clock, observer)?;
        rounds::complete(recipe, data, &mut store, kept, &mut clock, observer)?;
        if observer.stop() {
            Err(Error::Interrupted)
        } else {
            Ok(store)
        }
    })?;
    let others = splits::others(recipe, data, &store, kept, &mut clock, observer)?;
    let report = Students {
        recipe,
        data,
        store: &store,
        kept,
        observer,
    }
    .run(&others, place, observer, clock)?;
    if let Some(limit) = limit.filter(|limit| report.measured.seconds > LATE * limit) {
        let (took, text) = (
            report.measured.seconds,
            "the time limit could not be kept: the shortest schedules that still learn something take longer here",
        );
        observer.event(&Event::Note(&format!(
            "{text} ({took:.0} s, asked were {limit:.0} s)"
        )));
    }
    Ok((recipe.clone(), report))
}

/// Fits or asks the teacher and writes its labels as a Parquet table, as `labels.parquet` of a run.
///
/// # Errors
///
/// As [`distill`].
pub fn label(
    recipe: &CheckedRecipe,
    out: impl AsRef<Path>,
    observer: &dyn Observer,
) -> Result<crate::report::TeacherReport> {
    let out = out.as_ref();
    recipe.refuse_several()?;
    if out.exists() {
        return Err(Error::OutExists {
            path: out.to_owned(),
        });
    }
    on_threads(recipe.threads, None, || {
        let mut clock = Clock::start();
        let data = read(recipe, observer)?;
        let recipe = budget::resolve(recipe, &data, observer)?;
        let mut store = labels::make(&recipe, &data, &NO_CHECKPOINTS, &mut clock, observer)?;
        rounds::complete(
            &recipe,
            &data,
            &mut store,
            &NO_CHECKPOINTS,
            &mut clock,
            observer,
        )?;
        let table = store.to_table(&data);
        if out.extension().is_some_and(|extension| extension == "csv") {
            table.write_csv(out)?;
        } else {
            table.write_parquet(out)?;
        }
        Ok(store.summary)
    })?
}

pub(crate) fn read(recipe: &Recipe, observer: &dyn Observer) -> Result<Dataset> {
    observer.event(&Event::Stage("read"));
    let data = Dataset::load(&recipe.table, &recipe.data, recipe.seed)?;
    // Squares of such targets are no numbers of double precision.
    if let Some(at) = data.target.iter().position(|y| y.abs() > LARGEST) {
        let message = format!(
            "row {} of `{}` has {:e}, whose square is too large to compute with; give the target in a larger unit (at most {LARGEST:e})",
            data.rows[at] + 1,
            data.target_name,
            data.target[at]
        );
        return Err(Error::Recipe {
            place: "data.target".into(),
            message,
        });
    }
    observer.event(&Event::Data(&data.summary));
    Ok(data)
}

/// Targets beyond this are refused.
const LARGEST: f64 = 1e30;

/// Runs `work` on a pool of its own, so that the number of threads is the recipe's, and what these threads say goes into the run's log.
pub(crate) fn on_threads<T: Send>(
    threads: usize,
    log: Option<&Log>,
    work: impl FnOnce() -> T + Send,
) -> Result<T> {
    let dispatch = log.map_or_else(|| dispatcher::get_default(Dispatch::clone), Log::dispatch);
    // For as long as the thread lives, which is as long as the pool.
    let listen = move |_| std::mem::forget(dispatcher::set_default(&dispatch));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(listen)
        .build()
        .map_err(|error| Error::Recipe {
            place: "threads".into(),
            message: format!("{threads} threads cannot be started: {error}"),
        })?;
    Ok(pool.install(work))
}

/// Rows of one set, in the learned unit.
pub(crate) struct Part {
    pub(crate) rows: Vec<usize>,
    pub(crate) features: Features,
    pub(crate) target: Vec<f64>,
    pub(crate) weight: Vec<f64>,
    /// Groups or stretches of time.
    pub(crate) blocks: Option<Vec<u32>>,
    pub(crate) teacher: Vec<f64>,
    pub(crate) spread: Vec<f64>,
}

/// What trials on one split of the rows learn from and are validated on.
pub(crate) struct SearchRows {
    pub(crate) train: Part,
    pub(crate) valid: Part,
    new: NewRows,
    shown: Option<Coordinates>,
}

impl SearchRows {
    pub(crate) fn stage<'a>(&'a self, plan: &'a Plan<'a>) -> Result<Stage<'a>> {
        let Self {
            train,
            valid,
            new,
            shown,
        } = self;
        Ok(Stage::new(
            plan,
            &material(train, new, shown.as_ref()),
            Some(&material(valid, new, None)),
        )?)
    }
}

/// The second half of a run: labels are there.
pub(crate) struct Students<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) data: &'a Dataset,
    pub(crate) store: &'a LabelStore,
    pub(crate) kept: &'a Checkpoints,
    pub(crate) observer: &'a dyn Observer,
}

/// The refit of each side that a file holds.
struct Files<'t> {
    alone: &'t Trial,
    distilled: &'t Trial,
    /// Their positions among the repeats, in that order.
    repeats: [usize; 2],
}

impl<'t> Files<'t> {
    fn choose(
        stage: &Stage<'_>,
        trials: &'t [search::Refitted],
        features: &Features,
    ) -> Result<Self> {
        let of = |side: fn(&search::Refitted) -> &Trial| {
            search::typical(
                stage,
                &trials.iter().map(side).collect::<Vec<_>>(),
                features,
            )
        };
        let repeats = [of(|pair| &pair.alone)?, of(|pair| &pair.distilled)?];
        Ok(Self {
            alone: &trials[repeats[0]].alone,
            distilled: &trials[repeats[1]].distilled,
            repeats,
        })
    }
}

/// Golden vectors in a student's file.
const EXAMPLES: usize = 16;

/// Both students of a data set, chosen on validation rows and fitted again on all training rows.
pub(crate) struct Fitted<'f> {
    /// What trials learned from, by split of the rows.
    rows: &'f [SearchRows],
    search: &'f Search<'f>,
    choice: &'f Choice,
    /// The trials that were chosen.
    alone: &'f Trial,
    distilled: &'f Trial,
    /// What was fitted again, by seed, and on what.
    stage: &'f Stage<'f>,
    trials: &'f [search::Refitted],
    files: Files<'f>,
    test: &'f Part,
    interrupted_in_search: bool,
}

impl Students<'_> {
    /// Chooses and fits both students, and hands them to `then`.
    fn fit<T>(
        &self,
        others: &[OtherSplit<'_>],
        clock: &mut Clock,
        then: impl FnOnce(&Fitted<'_>, &mut Clock) -> Result<T>,
    ) -> Result<T> {
        let recipe = self.recipe;
        let split = &self.data.split;
        let plan = self.plan();
        let watch = |progress: &Progress<'_>| {
            self.observer.event(&Event::Training(progress));
            if self.observer.stop() {
                Control::Stop
            } else {
                Control::Continue
            }
        };
        let test = self.part(&split.test);
        let rows: Vec<SearchRows> = clock.stage("search", || {
            let other = |other: &OtherSplit<'_>| {
                Students {
                    data: &other.data,
                    store: &other.store,
                    ..*self
                }
                .search_rows()
            };
            std::iter::once(self.search_rows())
                .chain(others.iter().map(other))
                .collect()
        });
        let search = clock.stage("search", || {
            Ok::<_, Error>(Search::new(
                rows.iter()
                    .map(|rows| rows.stage(&plan))
                    .collect::<Result<_>>()?,
            ))
        })?;
        self.observer
            .event(&Event::Stage("search on validation rows"));
        self.observer.event(&Event::Steps(search::search_steps(
            &recipe.student,
            rows.len(),
        )));
        let choice = clock.stage("search", || search::choose(&search, &watch))?;
        let (alone, distilled) = choice.best()?;

        let interrupted_in_search = self.observer.stop();
        let seeds: Vec<u64> = (0..recipe.repeats as u64)
            .map(|repeat| recipe.seed + repeat)
            .collect();
        let all = self.part(&split.train_valid());
        let refit_new = clock.stage("refit", || self.new_rows(&self.store.full.mean));
        let refit_shown = self
            .store
            .features
            .as_ref()
            .map(|features| self.shown(&features.full, &all.rows));
        let refit_stage;
        let (stage, trials) = if interrupted_in_search {
            (
                search.first(),
                vec![search::Refitted {
                    alone: alone.clone(),
                    distilled: distilled.clone(),
                }],
            )
        } else {
            refit_stage = clock.stage("refit", || {
                Stage::new(
                    &plan,
                    &material(&all, &refit_new, refit_shown.as_ref()),
                    None,
                )
            })?;
            self.observer
                .event(&Event::Stage("refit on all training rows"));
            self.observer
                .event(&Event::Steps(seeds.len() * (alone.stop + distilled.stop)));
            let chosen = (
                (alone.setting, alone.stop),
                (distilled.setting, distilled.stop),
            );
            let mut trials = clock.stage("refit", || {
                search::refit(&refit_stage, chosen.0, chosen.1, &seeds, &watch)
            })?;
            if let Some(seeds) = self.more_seeds(&refit_stage, &trials, &test)? {
                self.observer
                    .event(&Event::Steps(seeds.len() * (alone.stop + distilled.stop)));
                trials.extend(clock.stage("refit", || {
                    search::refit(&refit_stage, chosen.0, chosen.1, &seeds, &watch)
                })?);
            }
            (&refit_stage, trials)
        };
        let compared = if refit_new.features.rows > 0 {
            &refit_new.features
        } else {
            &all.features
        };
        let files = Files::choose(stage, &trials, compared)?;
        let fitted = Fitted {
            rows: &rows,
            search: &search,
            choice: &choice,
            alone,
            distilled,
            stage,
            trials: &trials,
            files,
            test: &test,
            interrupted_in_search,
        };
        then(&fitted, clock)
    }

    fn run(
        &self,
        others: &[OtherSplit<'_>],
        place: &Unfinished,
        recorder: &Recorder<'_>,
        mut clock: Clock,
    ) -> Result<Report> {
        self.fit(others, &mut clock, |fitted, clock| {
            self.prove(fitted, place, recorder, clock)
        })
    }

    /// Tests what was fitted, and writes the run.
    fn prove(
        &self,
        fitted: &Fitted<'_>,
        place: &Unfinished,
        recorder: &Recorder<'_>,
        clock: &mut Clock,
    ) -> Result<Report> {
        let Fitted {
            rows,
            search,
            choice,
            stage,
            trials,
            ref files,
            test,
            interrupted_in_search,
            ..
        } = *fitted;
        let recipe = self.recipe;
        self.observer.event(&Event::Stage("test"));
        let (shipped, winner) = self.shipped(fitted);
        let train = &rows[0].train.features;
        let student = stage.student(winner, self.provenance(&shipped), self.examples(train))?;
        let bytes = student.to_bytes()?;
        let mut report = self.report(&student, stage, trials, choice, shipped, test)?;
        if let Some(note) = self.clamped(stage, test) {
            self.observer.event(&Event::Note(&note));
            report.notes.push(note);
        }
        report.student.bytes = bytes.len();
        report.sizes = self.sizes(stage, files, &report, train)?;
        if !interrupted_in_search && !self.observer.stop() {
            let models = clock.stage("lone models", || {
                let own = lone::Fitted {
                    chosen: fitted.alone.clone(),
                    refitted: files.alone.clone(),
                };
                // Models of other kinds learn means.
                let fitted = match recipe.objective.quantile {
                    Some(_) => vec![own],
                    None => lone::fit(search, stage, choice, own, recipe.seed)?,
                };
                self.lone_models(stage, &fitted, &report, train, test)
            });
            match models {
                Ok((models, answers)) => {
                    let (target, blocks) = (
                        self.data.target_of(&self.data.split.test),
                        self.data.blocks_of(&self.data.split.test),
                    );
                    let judged = lone::Judged {
                        target: &target,
                        weight: &test.weight,
                        blocks: blocks.as_deref(),
                    };
                    let shipped = student.predict(&test.features.raw(), test.features.rows)?;
                    lone::add(
                        &mut report,
                        models,
                        &answers,
                        &shipped,
                        &judged,
                        recipe.worth,
                    );
                }
                // A row of the report is not worth the run.
                Err(error) => self.observer.event(&Event::Note(&format!(
                    "no lone models of other kinds: {error}"
                ))),
            }
            match clock.stage("outer folds", || outer::repeat(self, recorder.watched())) {
                Ok(found) => report.outer = found,
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                // The run itself is whole.
                Err(error) => {
                    let note = format!("no outer folds: {error}");
                    self.observer.event(&Event::Note(&note));
                    report.notes.push(note);
                }
            }
        }
        let causes = if verdict::is_alarming(&report) {
            self.causes(test)
        } else {
            Vec::new()
        };
        verdict::refuse_gains(&mut report);
        report.proof.verdict.sentence = verdict::sentence(&report, &causes);
        report.measured = self.measure(&student, &test.features, clock);
        report
            .measured
            .stages
            .insert("curves written while training".into(), recorder.seconds());
        report
            .measured
            .stages
            .insert("checkpoints".into(), self.kept.seconds());
        recorder.close()?;
        let answers = self.answers(stage, &student, files, test)?;
        let trainings = curves::trainings(recipe, choice, trials);
        // Each by the layers of the stage that made it: their sizes may differ.
        let weights: Vec<Vec<&[f32]>> = trainings
            .iter()
            .map(|(training, trial)| {
                if training.phase == "refit" {
                    stage.weights(trial)
                } else {
                    search.first().weights(trial)
                }
            })
            .collect();
        let made = Made {
            student: &bytes,
            report: &report,
            choice,
            trainings: &trainings,
            weights: &weights,
            test,
            answers: &answers,
        };
        self.write(place, &made)?;
        Ok(report)
    }

    /// Errors of all sides on the test rows of this data set, and nothing else: no file is written.
    pub(crate) fn errors(&self, others: &[OtherSplit<'_>]) -> Result<outer::Fold> {
        self.fit(others, &mut Clock::start(), |fitted, _| {
            let Fitted {
                stage,
                trials,
                test,
                ..
            } = *fitted;
            let (shipped, winner) = self.shipped(fitted);
            let student = stage.student(winner, BTreeMap::new(), Vec::new())?;
            let report = self.report(&student, stage, trials, fitted.choice, shipped, test)?;
            let error = |r: &report::TestScores| {
                [
                    r.teacher.error(),
                    r.alone.error(),
                    r.distilled.error(),
                    r.shipped.error(),
                ]
            };
            let [teacher, alone, distilled, shipped] = error(&report.test);
            let taught = trials
                .iter()
                .any(|trial| self.taught(&trial.distilled.setting));
            Ok(outer::Fold {
                learned: self.data.split.train.len() + self.data.split.valid.len(),
                tested: test.rows.len(),
                teacher,
                alone,
                distilled,
                shipped,
                ships: report.shipped.kind,
                taught,
            })
        })
    }

    pub(crate) fn plan(&self) -> Plan<'_> {
        let recipe = self.recipe;
        Plan {
            student: &recipe.student,
            objective: &recipe.objective,
            hints: &recipe.hints,
            slope_reach: recipe.transfer.slope_reach,
            log_target: recipe.data.log_target,
            target_name: &self.data.target_name,
            seed: recipe.seed,
            kept: self.kept,
        }
    }

    pub(crate) fn part(&self, rows: &[usize]) -> Part {
        let log = self.recipe.data.log_target;
        Part {
            rows: rows.to_vec(),
            features: self.data.features.select(rows),
            target: rows
                .iter()
                .map(|&row| learned(log, self.data.target[row]))
                .collect(),
            weight: self.data.weight_of(rows),
            blocks: self.data.blocks_of(rows),
            teacher: rows.iter().map(|&row| self.store.teacher[row]).collect(),
            spread: rows.iter().map(|&row| self.store.spread[row]).collect(),
        }
    }

    /// What trials on this split of the rows learn from: nothing of it knows validation rows.
    pub(crate) fn search_rows(&self) -> SearchRows {
        let (train, valid) = (
            self.part(&self.data.split.train),
            self.part(&self.data.split.valid),
        );
        let shown = self
            .store
            .features
            .as_ref()
            .map(|features| self.shown(&features.pilot, &train.rows));
        SearchRows {
            train,
            valid,
            new: self.new_rows(&self.store.pilot),
            shown,
        }
    }

    pub(crate) fn new_rows(&self, mean: &[f64]) -> NewRows {
        let kept = self.store.kept();
        let pick = |values: &[f64]| kept.iter().map(|&row| values[row]).collect();
        let source: Vec<Option<usize>> = kept.iter().map(|&row| self.store.source[row]).collect();
        let lambda = self.recipe.transfer.perturb_weight;
        NewRows {
            features: self.store.new.select(&kept),
            mean: pick(mean),
            spread: pick(&self.store.full.spread),
            weight: source
                .iter()
                .map(|source| if source.is_some() { lambda } else { 1.0 })
                .collect(),
            source,
            second: kept.iter().map(|&row| self.store.second[row]).collect(),
        }
    }

    /// The features of the rows that students see.
    pub(crate) fn shown(&self, all: &Coordinates, rows: &[usize]) -> Coordinates {
        let pick = |values: &[f32], rows: &[usize]| -> Vec<f32> {
            let width = all.attention.len();
            rows.iter()
                .flat_map(|&row| &values[row * width..][..width])
                .copied()
                .collect()
        };
        Coordinates {
            rows: pick(&all.rows, rows),
            new: pick(&all.new, &self.store.kept()),
            attention: all.attention.clone(),
        }
    }

    /// Which student is shipped: the better one on validation rows.
    fn shipped<'f>(&self, fitted: &Fitted<'f>) -> (Shipped, &'f Trial) {
        let Fitted {
            search,
            alone,
            distilled,
            ref files,
            ..
        } = *fitted;
        let distilled_ships = distilled.valid_error <= alone.valid_error;
        let (kind, trial, repeat) = match distilled_ships {
            true => (ShippedKind::Distilled, files.distilled, files.repeats[1]),
            false => (ShippedKind::Alone, files.alone, files.repeats[0]),
        };
        let shipped = Shipped {
            kind,
            setting: trial.setting,
            steps: trial.stop,
            seed: self.recipe.seed + repeat as u64,
            valid_error_teacher: search.valid_error_teacher(),
            valid_error_alone: alone.valid_error,
            valid_error_distilled: distilled.valid_error,
        };
        (shipped, trial)
    }

    /// Kind, parameters and bytes of what a trial makes.
    fn size(
        &self,
        stage: &Stage<'_>,
        trial: &Trial,
        report: &Report,
        train: &Features,
    ) -> Result<(Size, Student)> {
        let student = stage.student(
            trial,
            self.provenance(&report.shipped),
            self.examples(train),
        )?;
        let size = Size {
            kind: trial.setting.kind(),
            parameters: student.parameters(),
            bytes: student.to_bytes()?.len(),
        };
        Ok((size, student))
    }

    /// Sizes of both sides, where they are not those of one design.
    fn sizes(
        &self,
        stage: &Stage<'_>,
        files: &Files<'_>,
        report: &Report,
        train: &Features,
    ) -> Result<Option<Sizes>> {
        let design = |trial: &Trial| (trial.setting.kind(), trial.setting.size.to_bits());
        if files.alone.setting.kind() == StudentKind::Mlp
            && design(files.alone) == design(files.distilled)
        {
            return Ok(None);
        }
        let size = |trial: &Trial| self.size(stage, trial, report, train).map(|(size, _)| size);
        Ok(Some(Sizes {
            alone: size(files.alone)?,
            distilled: size(files.distilled)?,
        }))
    }

    fn lone_models(
        &self,
        stage: &Stage<'_>,
        fitted: &[lone::Fitted],
        report: &Report,
        train: &Features,
        test: &Part,
    ) -> Result<(Vec<LoneModel>, Vec<Vec<f64>>)> {
        let (teacher, target) = (
            self.teacher_answers(test),
            self.data.target_of(&self.data.split.test),
        );
        let measure = self.recipe.objective.measure();
        let own = report
            .sizes
            .map_or(StudentKind::Mlp, |sizes| sizes.alone.kind);
        let model = |fitted: &lone::Fitted| {
            let (size, student) = self.size(stage, &fitted.refitted, report, train)?;
            let answers = student.predict(&test.features.raw(), test.features.rows)?;
            let test = match size.kind == own {
                true => report.test.alone,
                false => report::student_scores(measure, &answers, &teacher, &target, &test.weight),
            };
            Ok((
                LoneModel {
                    size,
                    spec: fitted.chosen.setting.spec,
                    valid_error: fitted.chosen.valid_error,
                    test,
                },
                answers,
            ))
        };
        Ok(fitted
            .iter()
            .map(model)
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip())
    }

    /// What a binned head cannot say; none where its bins hold all labels and all test targets.
    fn clamped(&self, stage: &Stage<'_>, test: &Part) -> Option<String> {
        let (beyond, labels) = stage.beyond_bins()?;
        let targets = test
            .target
            .iter()
            .filter(|&&y| stage.is_beyond_bins(y))
            .count();
        (beyond + targets > 0).then(|| {
            format!(
                "the bins of the head end a little beyond the training targets: {beyond} of {labels} labels lie outside and pull to the last bin, and \
                 {targets} of {} test targets are out of reach of any prediction",
                test.target.len()
            )
        })
    }

    /// What all sides answer on test rows: of the students, those that are files.
    fn answers(
        &self,
        stage: &Stage<'_>,
        shipped: &Student,
        files: &Files<'_>,
        test: &Part,
    ) -> Result<Answers> {
        let predict = |trial: &Trial| -> Result<Vec<f64>> {
            let student = stage.student(trial, BTreeMap::new(), Vec::new())?;
            Ok(student.predict(&test.features.raw(), test.features.rows)?)
        };
        Ok(Answers {
            target: self.data.target_of(&self.data.split.test),
            teacher: self.teacher_answers(test),
            alone: predict(files.alone)?,
            distilled: predict(files.distilled)?,
            shipped: shipped.predict(&test.features.raw(), test.features.rows)?,
        })
    }

    fn predictions(&self, test: &Part, answers: &Answers) -> Table {
        // Rows of the table are counted from 1, as messages count them.
        let row = test
            .rows
            .iter()
            .map(|&row| (self.data.rows[row] + 1) as f64)
            .collect();
        let Answers {
            target,
            teacher,
            alone,
            distilled,
            shipped,
        } = answers;
        let sides = [
            ("target", target),
            ("weight", &test.weight),
            ("teacher", teacher),
            ("alone", alone),
            ("distilled", distilled),
            ("shipped", shipped),
        ];
        let sides = sides.map(|(name, values)| Column::number(name, values.clone()));
        // Rows of a block are resampled together.
        let blocks = self
            .data
            .blocks_of(&test.rows)
            .map(|blocks| Column::number("block", blocks.into_iter().map(f64::from).collect()));
        let columns: Vec<Column> = std::iter::once(Column::number("row", row))
            .chain(sides)
            .chain(blocks)
            .collect();
        Table {
            columns,
            rows: target.len(),
            source: run::PREDICTIONS.into(),
            notes: Vec::new(),
        }
    }

    /// What the teacher answers, in the target's unit.
    fn teacher_answers(&self, part: &Part) -> Vec<f64> {
        let objective = &self.recipe.objective;
        let answers = part
            .teacher
            .iter()
            .zip(&part.spread)
            .map(|(&mean, &sd)| objective.answer(mean, sd));
        answers
            .map(|answer| target_unit(self.recipe.data.log_target, answer))
            .collect()
    }

    fn provenance(&self, shipped: &Shipped) -> BTreeMap<String, String> {
        let kind = match shipped.kind {
            ShippedKind::Alone => "alone",
            ShippedKind::Distilled => "distilled",
        };
        let quantile = self
            .recipe
            .objective
            .quantile
            .map(|quantile| ("quantile".to_owned(), quantile.to_string()));
        let own = [
            ("limbeck".into(), env!("CARGO_PKG_VERSION").into()),
            ("seed".into(), shipped.seed.to_string()),
            ("kind".into(), kind.into()),
            ("teacher".into(), self.store.summary.kind.clone()),
            ("steps".into(), shipped.steps.to_string()),
        ];
        own.into_iter().chain(quantile).collect()
    }

    /// Raw rows for golden vectors: synthetic ones where there are, so that a file hands out no row of the user's table.
    fn examples(&self, train: &Features) -> Vec<Vec<GoldenValue>> {
        let made = self.store.synthetic.min(self.store.new.rows);
        let (source, rows) = if made > 0 {
            (&self.store.new, made)
        } else {
            (train, train.rows)
        };
        let step = (rows / EXAMPLES).max(1);
        (0..rows)
            .step_by(step)
            .take(EXAMPLES)
            .map(|row| golden_row(source, row))
            .collect()
    }

    /// True where a student of that setting takes something from the teacher.
    fn taught(&self, setting: &Setting) -> bool {
        let Recipe {
            objective,
            hints,
            transfer,
            ..
        } = self.recipe;
        let share = |alpha: f64| {
            alpha > 0.0
                || (objective.alpha_schedule != AlphaSchedule::Constant
                    && objective.alpha_end > 0.0)
        };
        let is_network = setting.spec.is_none();
        setting.alpha.is_some_and(share)
            || (is_network && (hints.kind != HintKind::None || transfer.slope_rows > 0))
    }

    /// Answers of both sides on test rows, by seed, and what they prove.
    fn judged(
        &self,
        stage: &Stage<'_>,
        trials: &[search::Refitted],
        test: &Part,
    ) -> Result<Judged> {
        let (target, teacher) = (
            self.data.target_of(&self.data.split.test),
            self.teacher_answers(test),
        );
        let predict = |trial: &Trial| -> Result<Vec<f64>> {
            let student = stage.student(trial, BTreeMap::new(), Vec::new())?;
            Ok(student.predict(&test.features.raw(), test.features.rows)?)
        };
        let alone: Vec<Vec<f64>> = trials
            .iter()
            .map(|t| predict(&t.alone))
            .collect::<Result<_>>()?;
        let distilled: Vec<Vec<f64>> = trials
            .iter()
            .map(|t| predict(&t.distilled))
            .collect::<Result<_>>()?;
        let blocks = self.data.blocks_of(&self.data.split.test);
        let evidence = Evidence {
            measure: self.recipe.objective.measure(),
            target: &target,
            weight: &test.weight,
            blocks: blocks.as_deref(),
            teacher: &teacher,
            alone: &alone,
            distilled: &distilled,
            taught: trials
                .iter()
                .any(|trial| self.taught(&trial.distilled.setting)),
        };
        let proof = judge(&evidence).ok_or_else(|| Error::Recipe {
            place: "data".into(),
            message: "there are no test rows with a weight and a finite answer of the teacher; nothing can be proven without them".into(),
        })?;
        Ok(Judged {
            alone,
            distilled,
            proof,
        })
    }

    /// Seeds to train beside those there are, up to `max_repeats`, where they vary more than half as much as test rows do. Variances decide, never who is better, and they
    /// decide once: to look again after every two seeds favors the runs whose variance happens to look small.
    fn more_seeds(
        &self,
        stage: &Stage<'_>,
        trials: &[search::Refitted],
        test: &Part,
    ) -> Result<Option<Vec<u64>>> {
        let (done, most) = (trials.len(), self.recipe.max_repeats);
        if done >= most || self.observer.stop() {
            return Ok(None);
        }
        let needs = self
            .judged(stage, trials, test)?
            .proof
            .method
            .is_some_and(|method| method.needs_seeds());
        Ok(needs.then(|| {
            (done..most)
                .map(|repeat| self.recipe.seed + repeat as u64)
                .collect()
        }))
    }

    /// Likely causes of figures that no one wants.
    fn causes(&self, test: &Part) -> Vec<String> {
        let answers = self.teacher_answers(test);
        let truth = self.data.target_of(&self.data.split.test);
        verdict::causes(&verdict::Answered {
            target: &self.data.target,
            rows: &self.data.rows,
            answers: &answers,
            truth: &truth,
            is_imported: self.recipe.teacher.model.is_some(),
        })
    }

    fn report(
        &self,
        student: &Student,
        stage: &Stage<'_>,
        trials: &[search::Refitted],
        choice: &Choice,
        shipped: Shipped,
        test: &Part,
    ) -> Result<Report> {
        let log = self.recipe.data.log_target;
        let (target, teacher) = (
            self.data.target_of(&self.data.split.test),
            self.teacher_answers(test),
        );
        let measure = self.recipe.objective.measure();
        let Judged {
            alone,
            distilled,
            proof,
        } = self.judged(stage, trials, test)?;
        let scores = |pred: &Vec<f64>| {
            report::student_scores(measure, pred, &teacher, &target, &test.weight)
        };
        let test_seeds: Vec<SeedScores> = (self.recipe.seed..)
            .zip(alone.iter().zip(&distilled))
            .map(|(seed, (a, d))| SeedScores {
                seed,
                alone: scores(a),
                distilled: scores(d),
            })
            .collect();
        let mean = |side: &dyn Fn(&SeedScores) -> report::StudentScores| {
            report::mean_scores(&test_seeds.iter().map(side).collect::<Vec<_>>())
        };
        let shipped_pred = student.predict(&test.features.raw(), test.features.rows)?;
        let (kind, layers) = match shipped.kind {
            ShippedKind::Alone => (
                trials[0].alone.setting.kind(),
                stage.layers(&trials[0].alone),
            ),
            ShippedKind::Distilled => (
                trials[0].distilled.setting.kind(),
                stage.layers(&trials[0].distilled),
            ),
        };
        Ok(Report {
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.recipe.seed,
            interrupted: self.observer.stop(),
            target: self.data.target_name.clone(),
            log_target: log,
            quantile: self.recipe.objective.quantile,
            data: self.data.summary.clone(),
            teacher: self.store.summary.clone(),
            student: StudentReport {
                kind,
                parameters: student.parameters(),
                bytes: 0,
                hidden: layers.map_or_else(Vec::new, |shape| shape.hidden().to_vec()),
                inputs: layers
                    .map_or_else(|| student.encoder.width(), |shape| shape.input().rows()),
            },
            notes: Vec::new(),
            sizes: None,
            lone: None,
            file: None,
            outer: None,
            selection: Selection {
                alone: choice.alone.iter().map(Into::into).collect(),
                distilled: choice.distilled.iter().map(Into::into).collect(),
                closed_form_alpha: choice.closed_form,
            },
            shipped,
            test: TestScores {
                teacher: report::teacher_scores(measure, &teacher, &target, &test.weight),
                alone: mean(&|s| s.alone),
                distilled: mean(&|s| s.distilled),
                shipped: scores(&shipped_pred),
            },
            test_seeds,
            proof,
            measured: Measured::default(),
        })
    }

    fn measure(&self, student: &Student, test: &Features, clock: &Clock) -> Measured {
        let raw = test.raw();
        let batch = best_microseconds(1, || {
            let _ = std::hint::black_box(student.predict(&raw, test.rows));
        });
        let row: Vec<GoldenValue> = golden_row(test, 0);
        let row: Vec<Value<'_>> = row.iter().map(as_value).collect();
        let mut scratch = limbeck_runtime::Scratch::default();
        let one = best_microseconds(2000, || {
            let _ = std::hint::black_box(student.predict_row_with(&row, &mut scratch));
        });
        Measured {
            seconds: clock.seconds(),
            stages: clock.stages(),
            student_us_per_row: batch / test.rows.max(1) as f64,
            student_us_one_row: one,
            teacher_us_per_row: self.store.us_per_row,
            peak_memory_bytes: peak_memory_bytes(),
            threads: rayon::current_num_threads(),
        }
    }

    /// Writes all files of the run, its manifest last.
    fn write(&self, place: &Unfinished, made: &Made<'_>) -> Result<()> {
        let Made {
            student,
            report,
            choice,
            trainings,
            weights,
            test,
            answers,
        } = *made;
        let (out, recipe) = (place.path(), self.recipe.to_toml()?);
        run::write_file(out, run::RECIPE, recipe.as_bytes())?;
        self.store
            .to_table(self.data)
            .write_parquet(out.join(run::LABELS))?;
        if let Some(teacher) = &self.store.file {
            let folder = out.join(run::TEACHER);
            std::fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
            run::write_file(&folder, run::TEACHER_FILE, teacher)?;
        }
        let (csv, jsonl) = curves::texts(self.recipe, trainings);
        run::write_file(out, run::METRICS, csv.as_bytes())?;
        run::write_file(out, run::METRICS_JSON, jsonl.as_bytes())?;
        run::write_file(out, run::STUDENT, student)?;
        self.predictions(test, answers)
            .write_parquet(out.join(run::PREDICTIONS))?;
        tensorboard::write(
            &out.join(run::TENSORBOARD),
            trainings,
            weights,
            report,
            self.recipe,
            answers,
        )?;
        let (alone, distilled) = choice.best()?;
        let source = page::Source {
            report,
            recipe: &recipe,
            features: &test.features,
            weight: &test.weight,
            answers,
            chosen: [Some(alone), Some(distilled)],
            run: &place.last().display().to_string(),
        };
        run::write_file(out, run::PAGE, page::page(&source).as_bytes())?;
        let json = serde_json::to_string_pretty(report).map_err(|error| Error::NotARun {
            path: out.to_owned(),
            message: format!("its report cannot be written: {error}"),
        })?;
        run::write_file(out, run::REPORT, json.as_bytes())?;
        Manifest::of_run(out)?.write(&out.join(run::MANIFEST))
    }
}

/// Answers of both sides on test rows, by seed, and what they prove.
struct Judged {
    alone: Vec<Vec<f64>>,
    distilled: Vec<Vec<f64>>,
    proof: Proof,
}

/// All that a run leaves behind.
struct Made<'a> {
    student: &'a [u8],
    report: &'a Report,
    choice: &'a Choice,
    trainings: &'a [(Training, &'a Trial)],
    /// Of each training, by layer.
    weights: &'a [Vec<&'a [f32]>],
    test: &'a Part,
    answers: &'a Answers,
}

pub(crate) fn material<'a>(
    part: &'a Part,
    new: &'a NewRows,
    coordinates: Option<&'a Coordinates>,
) -> Material<'a> {
    let Part {
        rows,
        features,
        target,
        weight,
        blocks,
        teacher,
        spread,
    } = part;
    Material {
        rows,
        features,
        target,
        weight,
        blocks: blocks.as_deref(),
        teacher,
        spread,
        new,
        coordinates,
    }
}

fn golden_row(features: &Features, row: usize) -> Vec<GoldenValue> {
    let cell = |values: &FeatureValues| match values {
        FeatureValues::Number(values) if values[row].is_nan() => GoldenValue::Missing,
        FeatureValues::Number(values) => GoldenValue::Number(values[row]),
        FeatureValues::Category { codes, .. } if codes[row] == MISSING => GoldenValue::Missing,
        FeatureValues::Category { codes, levels } => {
            GoldenValue::Text(levels[codes[row] as usize].clone())
        }
    };
    features
        .columns
        .iter()
        .map(|column| cell(&column.values))
        .collect()
}

pub(crate) fn as_value(value: &GoldenValue) -> Value<'_> {
    match value {
        GoldenValue::Number(number) => Value::Number(*number),
        GoldenValue::Text(text) => Value::Text(text),
        GoldenValue::Missing => Value::Missing,
    }
}
