//! `limbeck label`: the first half of a run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::distill::watched;
use crate::error::Result;
use crate::flags::{self, DataFlags, JobFlags, TeacherFlags};
use crate::output::{print, tell};
use crate::render::grouped;
use crate::source::Target;
use crate::{INTERRUPTED, render};

/// Write what the teacher says of every row
///
/// Training rows get out-of-fold labels, new rows those of the final teacher. Columns: set, row, fold, teacher, spread, and
/// for new rows pilot and believed. With --log-target, labels are logarithms.
#[derive(Args, Debug)]
pub(crate) struct Label {
    #[command(flatten)]
    job: JobFlags,
    #[command(flatten)]
    data: DataFlags,
    #[command(flatten)]
    teacher: TeacherFlags,
    /// New .parquet or .csv file for the labels
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "labels.parquet",
        help_heading = "Output"
    )]
    out: PathBuf,
    /// No progress, notes or warnings
    #[arg(long, help_heading = "Output")]
    quiet: bool,
}

impl Label {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        // Refused now rather than after the teacher is fitted.
        let target = Target::parse(&self.out)?;
        target.require_file("labels")?;
        let recipe = flags::recipe(&self.job, &self.data, &self.teacher, None)?;
        let Some(teacher) = watched(self.quiet, |progress| {
            Ok(limbeck::label(&recipe, &self.out, progress)?)
        })?
        else {
            return Ok(INTERRUPTED.into());
        };
        if !self.quiet {
            tell(&format!(
                "teacher ({}): {} parameters, {} new rows labelled, {} of them rejected",
                teacher.kind,
                render::count(teacher.parameters),
                grouped(teacher.new_rows),
                grouped(teacher.rejected_rows)
            ));
        }
        print(&format!("labels: {}\n", self.out.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
