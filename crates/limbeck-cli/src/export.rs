//! `limbeck export`: writes a student as files that run without limbeck.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use limbeck::export::{self, Format};

use crate::error::{Error, Result};
use crate::output::tell;
use crate::source::load;

/// Write a student as files that run without limbeck
///
/// The files take raw columns and predict in the target's unit: they also scale numbers, encode categories and replace missing values. C is one .c/.h
/// pair that uses no heap and no library but math.h; ONNX runs wherever ONNX Runtime does. Golden vectors (example rows and their predictions) and
/// checksums are written beside the files; `limbeck verify` checks them.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Run directory (also of several targets), or a student's .limbeck file
    #[arg(value_name = "RUN|STUDENT")]
    student: PathBuf,
    /// Format of the files
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(["c", "onnx"]))]
    to: String,
    /// Folder for the files [default: RUN/export, or the folder of the student's file]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Name of the files, and in C the prefix of all names; NAME_TARGET with several targets
    #[arg(long, value_name = "NAME", default_value = "student")]
    name: String,
    /// Levels of the prediction intervals that the files have, such as 0.9 (comma-separated or repeated) [default: the levels with which the student was
    /// trained]
    #[arg(long, value_name = "LEVELS", value_delimiter = ',')]
    interval: Vec<f64>,
    /// Print only errors
    #[arg(long)]
    quiet: bool,
}

impl Export {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let format: Format = self.to.parse().map_err(Error::Message)?;
        let files = if self.student.is_dir() {
            let named = (&*self.name, &*self.interval);
            export::export_runs(&self.student, format, self.out.as_deref(), named)?
        } else {
            let beside = self.student.parent().unwrap_or(Path::new("."));
            export::export(
                &export::with_levels(load(&self.student)?, &self.interval)?,
                format,
                self.out.as_deref().unwrap_or(beside),
                &self.name,
            )?
        };
        if !self.quiet {
            files
                .iter()
                .for_each(|file| tell(&format!("wrote {}", file.display())));
        }
        Ok(())
    }
}
