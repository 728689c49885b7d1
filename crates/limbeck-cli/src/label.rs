//! `limbeck label`: the first half of a run, which makes the teacher's labels.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args};

use crate::distill::{MORE, watched};
use crate::error::Result;
use crate::flags::{Flags, Labelling};
use crate::output::{print, tell};
use crate::render::{counted, grouped};
use crate::source::Destination;
use crate::{INTERRUPTED, render};

/// Write the teacher's labels of every row
///
/// Training rows get out-of-fold labels, new rows the labels of the final teacher. Columns: set, row, fold, teacher (mean), std (standard
/// deviation); for new rows also pilot (mean of the fold teachers) and accepted (1 if the row is used). With --log-target, labels are logarithms.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = MORE)]
pub(crate) struct Label {
    #[command(flatten)]
    flags: Flags<Labelling>,
    /// New .parquet or .csv file for the labels
    #[arg(short, long, value_name = "FILE", default_value = "labels.parquet")]
    out: PathBuf,
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

impl Label {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        // Refuse standard output now, not after the teacher is fitted.
        let target = Destination::parse(&self.out)?;
        target.require_file("labels")?;
        let recipe = self.flags.recipe()?;
        let Some(teacher) = watched(self.quiet, |progress| {
            Ok(limbeck::label(&recipe, &self.out, progress)?)
        })?
        else {
            return Ok(INTERRUPTED.into());
        };
        if !self.quiet {
            tell(&format!(
                "teacher ({}): {} parameters, {} labeled; {} of these are rejected (students do not learn from new rows on which the teacher is too uncertain)",
                teacher.kind,
                render::count(teacher.parameters),
                counted(teacher.new_rows, "new row"),
                grouped(teacher.rejected_rows)
            ));
        }
        print(&format!("labels: {}\n", self.out.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
