//! `limbeck distill`: trains a student and tests it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args};
use limbeck::Run;
use limbeck_distill::proof::short;

use crate::error::{Error, Result};
use crate::flags::{self, Distilling, Flags};
use crate::output::{Style, print, tell};
use crate::progress::{Progress, is_stopped, watch_interrupts};
use crate::{INTERRUPTED, MISSED, render};

/// Train a small student from a table, and prove how much accuracy it keeps
///
/// Fits a teacher (or asks yours) and labels many rows with it. Trains the student with and without the teacher, ships the one that is better on
/// validation rows, and reports both on held-out test rows.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = MORE)]
pub(crate) struct Distill {
    #[command(flatten)]
    flags: Flags<Distilling>,
    /// Continue an unfinished run with its own recipe, from its last checkpoint; the result is the same as without the interruption
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Run directory to create; it must not exist [default: runs/TABLE-N]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print report.json instead of the table
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    json: bool,
    /// Show no progress, notes or warnings
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    quiet: bool,
    /// Print the most common options
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    /// Print all options by group
    #[arg(long, action = ArgAction::HelpLong)]
    help_all: Option<bool>,
}

/// Line at the end of the help, which says where the other options are listed.
pub(crate) const MORE: &str = "More options, by group: --help-all. Every option of a recipe, with its default: `limbeck init`, or docs/options.md.";

impl Distill {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let Some(runs) = self.make()? else {
            return Ok(INTERRUPTED.into());
        };
        for run in &runs {
            self.show(run, runs.len() > 1)?;
        }
        if let Some(file) = joint_student(&runs).filter(|_| !self.json) {
            let exported = exported(file.parent().unwrap_or(&file), &runs[0]);
            print(&format!(
                "student of all targets: {}\n{exported}",
                file.display()
            ))?;
        }
        let missed = runs
            .iter()
            .filter(|run| misses(run, runs.len() > 1))
            .count();
        if runs.iter().any(|run| run.report().interrupted) {
            return Ok(INTERRUPTED.into());
        }
        Ok(if missed > 0 {
            MISSED.into()
        } else {
            ExitCode::SUCCESS
        })
    }

    /// The finished runs; `None` if the user stopped before there was one.
    fn make(&self) -> Result<Option<Vec<Run>>> {
        if let Some(run) = &self.resume {
            self.refuse_others()?;
            return watched(self.quiet, |progress| Ok(limbeck::resume(run, progress)?));
        }
        let recipe = self.flags.recipe()?;
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| flags::free_run(&recipe.table));
        watched(self.quiet, |progress| {
            Ok(limbeck::distill_each(&recipe, &out, progress)?)
        })
    }

    /// Refuses other options together with `--resume`, since an unfinished run has its own recipe.
    fn refuse_others(&self) -> Result<()> {
        if self.flags.is_empty() && self.out.is_none() {
            return Ok(());
        }
        Err(Error::Message("--resume continues a run with its own recipe, under its own name: leave out the table and all options except --json and --quiet".into()))
    }

    fn show(&self, run: &Run, is_one_of_several: bool) -> Result<()> {
        if !self.json {
            let head = if is_one_of_several {
                format!("target {}\n", run.report().target)
            } else {
                String::new()
            };
            return print(&format!(
                "{head}{}\nreport: {}\n{}run: {}\n",
                render::result(run.report(), Style::stdout()),
                run.path().join(limbeck::run::PAGE).display(),
                exported(run.path(), run),
                run.path().display()
            ));
        }
        let file = run.path().join(limbeck::run::REPORT);
        let mut report = std::fs::read_to_string(&file)
            .map_err(|error| Error::path(&file, error.to_string()))?;
        if !report.ends_with('\n') {
            report.push('\n');
        }
        print(&report)
    }
}

/// The names of a run's exported files in the folder `path`, one on each line; empty if there are none.
fn exported(path: &Path, run: &Run) -> String {
    let name = |format: &limbeck::export::Format| match format {
        limbeck::export::Format::C => "student.c",
        limbeck::export::Format::Onnx => "student.onnx",
    };
    let folder = path.join(limbeck::run::EXPORT);
    let files = run.recipe().export.iter().map(|one| folder.join(name(one)));
    let line = |file: PathBuf| format!("exported: {}\n", file.display());
    files.filter(|file| file.exists()).map(line).collect()
}

/// The file of the student that predicts the targets of all runs; `None` if each target has its own student.
fn joint_student(runs: &[Run]) -> Option<PathBuf> {
    limbeck::run::joint_student(runs.first()?.path().parent()?)
}

/// Runs `work` while progress is shown and Ctrl-C stops it; `None` if the user stopped it before there was a result.
pub(crate) fn watched<T>(
    quiet: bool,
    work: impl FnOnce(&Progress) -> Result<T>,
) -> Result<Option<T>> {
    watch_interrupts()?;
    let progress = Progress::new(quiet);
    let outcome = work(&progress);
    progress.finish();
    match outcome {
        Ok(made) => Ok(Some(made)),
        Err(Error::Limbeck(error)) if is_stopped() && error.is_interruption() => {
            tell(&format!("interrupted: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// True if the shipped student has a smaller test R² than `--require-r2` asks for; in that case, prints a message.
fn misses(run: &Run, is_one_of_several: bool) -> bool {
    let of = if is_one_of_several {
        format!(" of `{}`", run.report().target)
    } else {
        String::new()
    };
    let Some(required) = run.recipe().require_r2 else {
        return false;
    };
    match run.report().test.shipped.r2 {
        Some(found) if found >= required => return false,
        Some(found) => tell(&format!(
            "missed: the shipped student's test R²{of} is {}, and --require-r2 asks for {required}",
            short(found)
        )),
        None => tell(&format!(
            "missed: --require-r2 asks for {required}, but R²{of} is not defined, because all test targets are equal"
        )),
    }
    true
}
