//! The functions with which a Rust program runs all stages. The result stays in memory or is written into a folder.
//!
//! ```text
//! read → labels → search (fit on training rows, choose on validation rows) → refit on training and validation rows → test on test rows → files
//! ```

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use limbeck_data::{DataSummary, Dataset};

use crate::error::{Error, Result};
use crate::recipe::{CheckedRecipe, Recipe, TeacherSource};
use crate::report::TeacherReport;
use crate::run::curves::Schedules;
use crate::run::live::{Log, Recorder};
use crate::run::unfinished::{self, Ticket, Unfinished};
use crate::run::{Run, written};
use crate::session::{Observer, Session, listener, on_threads};
use crate::stages::budget;
use crate::stages::fitted::{self, Fitted, Joint};
use crate::stages::{early, labels, outer, read};

/// Fits or queries the teacher, trains one student with the teacher and one without, and tests both on held-out rows, all in memory.
///
/// No file is written. The only files that are read are the files that `teacher` and `unlabeled` name; `table` and `data.test` of the recipe are
/// ignored.
///
/// ```
/// use limbeck::{Quality, Recipe, Session, Silent, fit};
/// use limbeck_data::{Dataset, simulate};
///
/// let mut recipe = Recipe::preset(Quality::Fast);
/// recipe.data.target = simulate::THERMISTOR_TARGET.into();
/// recipe.teacher.kind = limbeck_teach::TeacherKind::Trees;
/// (recipe.student.params, recipe.student.steps, recipe.student.trials) = (400, 200, 1);
/// recipe.transfer.munge_rows = 500;
///
/// let data = Dataset::from_table(simulate::thermistor(300, 7), &recipe.data, None, recipe.seed)?;
/// let fitted = fit(&data, &recipe.check()?, &Session::new(&Silent))?;
/// assert!(fitted.student().parameters() <= 400);
/// println!("{}", fitted.report().proof.verdict.sentence);
/// # Ok::<(), limbeck::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Recipe`] if the targets, units or teacher column of `data` are not those of the recipe, or if `data` cannot be used; [`Error::Teach`] if
/// the teacher fails. If the user stops the run before a student was trained, [`Error::is_interruption`] is true for the error.
pub fn fit(data: &Dataset, recipe: &CheckedRecipe, session: &Session<'_>) -> Result<Fitted> {
    recipe.refuse_several()?;
    refuse_others(data, recipe)?;
    read::check(data)?;
    refuse(data, recipe)?;
    let session = session.fresh();
    on_threads(recipe.threads, listener(), || {
        fitted::fit(data, recipe, &session)
    })?
}

/// Like [`fit`], for one student of several targets: a teacher and a proof for each target, and one network that learns from all teachers.
///
/// `data` has the targets in the order of the recipe: `data.target`, then `targets`. [`Dataset::joint`] makes such a data set.
///
/// ```
/// use limbeck::{Quality, Recipe, Session, Silent, fit_joint};
/// use limbeck_data::{Column, Dataset, Table};
///
/// let number = |name: &str, of: &dyn Fn(f64) -> f64| {
///     let x = |i: usize| ((i * 37) % 301) as f64 / 301.0;
///     Column::number(name, (0..300).map(|i| of(x(i))).collect())
/// };
/// let columns = vec![
///     number("x", &|x| x),
///     number("sine", &|x| (6.0 * x).sin()),
///     number("square", &|x| 100.0 * x * x),
/// ];
/// let table = Table { columns, rows: 300, ..Table::default() };
///
/// let mut recipe = Recipe::preset(Quality::Fast);
/// (recipe.data.target, recipe.targets, recipe.joint) = ("sine".into(), vec!["square".into()], true);
/// recipe.teacher.kind = limbeck_teach::TeacherKind::Trees;
/// (recipe.student.params, recipe.student.steps, recipe.student.trials) = (400, 200, 1);
/// recipe.transfer.munge_rows = 500;
///
/// let data = Dataset::joint(table, &recipe.data, (&recipe.targets, 0), None, recipe.seed)?;
/// let joint = fit_joint(&data, &recipe.check()?, &Session::new(&Silent))?;
/// let student = joint.student();
/// assert_eq!((student.outputs.len(), student.outputs[1].name.as_str()), (2, "square"));
/// for target in joint.targets() {
///     println!("{}: {}", target.report().target, target.report().proof.verdict.sentence);
/// }
/// # Ok::<(), limbeck::Error>(())
/// ```
///
/// # Errors
///
/// The errors of [`fit`]; [`Error::Recipe`] if the recipe does not set `joint`.
pub fn fit_joint(data: &Dataset, recipe: &CheckedRecipe, session: &Session<'_>) -> Result<Joint> {
    recipe.refuse_not_joint()?;
    refuse_others(data, recipe)?;
    read::check(data)?;
    refuse(data, recipe)?;
    let session = session.fresh();
    on_threads(recipe.threads, listener(), || {
        fitted::fit_joint(data, recipe, &session)
    })?
}

/// Refuses a data set that does not match the recipe. Both must have the same targets, with the same learned units. The data set must have
/// predictions of a teacher if the recipe names a `teacher_column`, and must not have them otherwise.
fn refuse_others(data: &Dataset, recipe: &Recipe) -> Result<()> {
    let same = data.targets.specs == recipe.data.targets(&recipe.targets)
        && data.given.is_some() == recipe.data.teacher_column.is_some();
    if same {
        return Ok(());
    }
    Err(Error::Recipe {
        place: "data".into(),
        message: "the data set was made with another target, horizon, log_target or teacher_column than the recipe has; make it with the options of the recipe: Dataset::from_table(table, &recipe.data, …)".into(),
    })
}

/// Refuses, before any work is done, options that are impossible with this table: a student that cannot be made from its columns, or outer folds into
/// which it cannot be split.
fn refuse(data: &Dataset, recipe: &Recipe) -> Result<()> {
    // Under a time limit, columns may be left out later, so the student is not checked here.
    if recipe.time_limit.is_none() || recipe.teacher_source() != TeacherSource::Fit {
        let within = fitted::within_budget(recipe, data);
        let besides = recipe.student.params - within.student.params;
        let checked = early::check_student(&within.student, &recipe.objective, data);
        checked.map_err(|error| match besides {
            0 => error,
            _ => Error::Recipe {
                place: "student.params".into(),
                message: format!(
                    "the operating regimes of `--regimes` take {besides} of the {} parameters; allow more, or leave out columns with `--drop`. For the rest: {error}",
                    recipe.student.params
                ),
            },
        })?;
    }
    outer::check(recipe.outer_folds, recipe.seed, data)
}

/// Fits or queries the teacher, trains one student with the teacher and one without, tests both, and writes a run directory.
///
/// Until the run is complete, its files are in the folder `OUT.unfinished`; [`resume`](crate::resume) continues from there.
///
/// # Errors
///
/// [`Error::OutExists`] or [`Error::UnfinishedExists`] if `out` is taken; the errors of [`fit`]; an error if the table cannot be read or a file
/// cannot be written. Bad input leaves no folder behind. If a resume can use finished work, the error is inside [`Error::Kept`].
pub fn distill(
    recipe: &CheckedRecipe,
    out: impl AsRef<Path>,
    observer: &dyn Observer,
) -> Result<Run> {
    let out = out.as_ref();
    recipe.refuse_several()?;
    unfinished::refuse_taken(out)?;
    let begin = |data: &Dataset| {
        Unfinished::begin(
            out,
            &Ticket::new(recipe, Some(data))?,
            recipe.checkpoint_every,
        )
    };
    Ok(make(recipe, &begin, observer)?.swap_remove(0))
}

/// Like [`distill`], for one student of several targets. The folder contains this student, and a run for each target.
pub(crate) fn distill_joint(
    recipe: &CheckedRecipe,
    out: &Path,
    observer: &dyn Observer,
) -> Result<Vec<Run>> {
    recipe.refuse_not_joint()?;
    unfinished::refuse_taken(out)?;
    let begin = |data: &Dataset| {
        let ticket = Ticket::new(recipe, Some(data))?;
        Unfinished::begin(out, &ticket, recipe.checkpoint_every)
    };
    make(recipe, &begin, observer)
}

/// Continues an unfinished run of one target, or of several targets with one student.
pub(crate) fn go_on(
    run_dir: Unfinished,
    ticket: &Ticket,
    observer: &dyn Observer,
) -> Result<Vec<Run>> {
    let recipe = ticket.recipe(run_dir.path())?.check()?;
    if !recipe.joint {
        recipe.refuse_several()?;
    }
    // The folder is handed over once the table is read. Until then, an error leaves it as it is.
    let run_dir = Mutex::new(Some(run_dir));
    let take = |data: &Dataset| {
        let run_dir = run_dir
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(run_dir) = run_dir else {
            unreachable!("a run is made once")
        };
        run_dir.check(ticket, data)?;
        Ok(run_dir)
    };
    make(&recipe, &take, observer)
}

/// Reads the table, makes all runs of the recipe in the folder that `run_dir` opens, and gives the folder its final name. There are several runs if
/// one student has several targets.
fn make(
    recipe: &Recipe,
    run_dir: &(dyn Fn(&Dataset) -> Result<Unfinished> + Sync),
    observer: &dyn Observer,
) -> Result<Vec<Run>> {
    let log = Log::default();
    on_threads(recipe.threads, log.dispatch(), || {
        let session = Session::new(observer);
        tracing::info!(version = env!("CARGO_PKG_VERSION"), table = %recipe.table.display(), target = recipe.data.target, seed = recipe.seed, "limbeck distill");
        let data = session.time("read", || {
            let (table, others) = (&recipe.table, &recipe.targets);
            let networks = (&others[..], recipe.rows_before());
            read::read(
                table,
                &recipe.data_options(),
                networks,
                recipe.seed,
                &session,
            )
        })?;
        log_summary(&data.summary);
        refuse(&data, recipe)?;
        let run_dir = run_dir(&data)?;
        let made = log
            .open(run_dir.path())
            .and_then(|()| make_in(&run_dir, recipe, &data, session));
        match made {
            Ok(runs) => {
                tracing::info!("done");
                run_dir.finish()?;
                Ok(runs)
            }
            Err(error) => {
                tracing::error!("{error}");
                Err(run_dir.leave(error))
            }
        }
    })?
}

/// Runs all stages after the table is read, and writes the files of the run. If one student predicts several targets, writes a run folder for each
/// target.
fn make_in(
    run_dir: &Unfinished,
    recipe: &Recipe,
    data: &Dataset,
    session: Session<'_>,
) -> Result<Vec<Run>> {
    let recorder = Recorder::new(
        session.observer(),
        Schedules::of(&recipe.objective, &recipe.hints),
        run_dir.path(),
    )?;
    let session = session.with_checkpoints(run_dir.checkpoints().clone());
    let watched = session.watched_by(&recorder);
    let last = run_dir.last().to_owned();
    if recipe.joint {
        let joint = fitted::fit_joint(data, recipe, &watched)?;
        recorder.close()?;
        let data = &joint.targets[0].data(data);
        return written::write_joint(run_dir, data, &joint);
    }
    let fitted = fitted::fit(data, recipe, &watched)?;
    recorder.close()?;
    let data = &fitted.data(data);
    written::write(run_dir.path(), &last, data, &fitted)?;
    let report = fitted.proven.report;
    Ok(vec![Run::assemble(last, fitted.recipe, report)])
}

fn log_summary(summary: &DataSummary) {
    let DataSummary {
        rows,
        train,
        valid,
        test,
        features,
        warnings,
        periods,
        series,
        ..
    } = summary;
    tracing::info!(rows, train, valid, test, features = features.len(), "table");
    if let Some(periods) = periods {
        tracing::info!("{periods}");
    }
    if let Some(series) = series {
        tracing::info!(clean = series.is_clean(), "{series}");
    }
    warnings
        .iter()
        .for_each(|warning| tracing::warn!(check = %warning.check, "{}", warning.message));
}

/// Fits or queries the teacher, and writes its labels to the new file `out`: as CSV if its name ends in `.csv`, otherwise as Parquet. The columns are
/// those of `labels.parquet` in a run.
///
/// # Errors
///
/// The errors of [`distill`].
pub fn label(
    recipe: &CheckedRecipe,
    out: impl AsRef<Path>,
    observer: &dyn Observer,
) -> Result<TeacherReport> {
    let out = out.as_ref();
    recipe.refuse_several()?;
    if out.exists() {
        return Err(Error::OutExists {
            path: out.to_owned(),
        });
    }
    on_threads(recipe.threads, listener(), || {
        let session = Session::new(observer);
        let data = read::read(
            &recipe.table,
            &recipe.data_options(),
            (&[], recipe.rows_before()),
            recipe.seed,
            &session,
        )?;
        let session = session.ending(recipe.time_limit);
        let (data, _) = fitted::calibration_options(recipe).plan(&data)?;
        let plan = fitted::budget(recipe, 1, &session).resolved(&data)?.plan;
        let data = budget::narrow(&data, &plan.dropped);
        let recipe = fitted::planned(recipe, &plan);
        let (options, study) = (
            fitted::label_options(&recipe),
            fitted::study_options(&recipe),
        );
        let labels = labels::make(options, study, &data, &session)?;
        let table = labels.to_table(&data);
        if out.extension().is_some_and(|extension| extension == "csv") {
            table.write_csv(out)?;
        } else {
            table.write_parquet(out)?;
        }
        Ok(labels.summary)
    })?
}
