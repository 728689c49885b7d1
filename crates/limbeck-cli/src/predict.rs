//! `limbeck predict`: reads raw rows and writes them with their predictions.

use std::path::{Path, PathBuf};

use clap::Args;
use limbeck_data::stream::{self, Asked, Input, Written};
use limbeck_data::{Features, ReadOptions, group_warnings};

use crate::error::{Error, Result};
use crate::output::{tell, warn};
use crate::reading::Reading;
use crate::render::counted;
use crate::source::{Destination, Source};
use crate::unlike::Unlike;

/// Predict the rows of a table
///
/// Reads raw columns in their own units, and writes the table again with a column of predictions, in the target's unit. All other columns stay
/// exactly as they were; the target is not needed. Missing cells and unseen categories are allowed. A table may have any size: only a few rows are in
/// memory at a time. With --interval, two more columns have the ends of the prediction interval.
#[derive(Args, Debug)]
pub(crate) struct Predict {
    /// Run directory, or a student's .limbeck file
    #[arg(value_name = "RUN|STUDENT")]
    student: PathBuf,
    /// CSV or Parquet file (also .csv.gz and .csv.zst) with the columns that the student was trained on, a folder of such parts, or - for standard
    /// input
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// Output: a new .csv or .parquet file, or - for CSV on standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Name of the new column; with several targets, the prefix of their columns
    #[arg(long, value_name = "NAME", default_value = "prediction")]
    column: String,
    /// Also write prediction intervals of this level, such as 0.9, into the columns NAME_low and NAME_high. The student must have been trained with
    /// --interval
    #[arg(long, value_name = "LEVEL")]
    interval: Option<f64>,
    /// Read rows from standard input as they arrive, and write each with its prediction at once; the table must be -
    #[arg(long)]
    stream: bool,
    #[command(flatten)]
    reading: Reading,
    /// Print only errors
    #[arg(long, help_heading = "Output")]
    quiet: bool,
}

impl Predict {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let target = Destination::parse(&self.out)?;
        let sources = Source::open_for("predict", &self.student, &self.table)?;
        let Some(first) = sources.first() else {
            return Err(Error::path(
                &self.student,
                "contains no run; expected the folder of a run, such as runs/NAME",
            ));
        };
        let options = self.reading.over(&first.reading);
        let input = self.input(&options, &target)?;
        let targets: Vec<&str> = sources.iter().flat_map(Source::targets).collect();
        if let Some(level) = self.interval {
            let check = |source: &Source| source.check_level(&self.student, level);
            sources.iter().try_for_each(check)?;
        }
        let new = self.names(&targets, &input)?;
        self.tell_notes(&input);
        let asked: Vec<Asked> = sources.iter().map(Source::asked).collect();
        let unlike = Unlike::new(&sources);
        let predict = |features: &[Features]| -> Result<Vec<Vec<f64>>> {
            let each = sources.iter().zip(features).enumerate();
            let each = each.map(|(at, (source, features))| {
                if !self.quiet {
                    unlike.add(at, features);
                }
                let predictions = source.predict(features)?;
                match self.interval {
                    Some(level) => source.with_intervals(predictions, level),
                    None => Ok(predictions),
                }
            });
            Ok(each.collect::<Result<Vec<_>>>()?.concat())
        };
        let rows = target.write(|out| {
            stream::add_columns(input, &asked, &new, (out, target.written()), predict)
        })?;
        if !self.quiet {
            unlike.tell();
        }
        if let (false, Some(rows), Destination::Csv(path) | Destination::Parquet(path)) =
            (self.quiet, rows, &target)
        {
            let targets = targets.join("`, `");
            let path = path.display();
            let rows = counted(rows, "prediction");
            tell(&format!("{rows} of `{targets}` in {path}"));
        }
        Ok(())
    }

    /// The table, opened.
    fn input(&self, options: &ReadOptions, target: &Destination) -> Result<Input> {
        let is_stdin = self.table == Path::new("-");
        if self.stream && !(is_stdin && target.written() == Written::Text) {
            return Err(Error::Message("--stream reads text from standard input and writes text; give - as the table, and - or a .csv file as --out".into()));
        }
        Ok(match (self.stream, is_stdin) {
            (true, _) => Input::live(std::io::stdin(), options)?,
            (false, true) => Input::stdin(options, target.written() == Written::Parquet)?,
            (false, false) => Input::open(&self.table, options)?,
        })
    }

    /// The names of the new columns, after a check that the table does not have them already.
    fn names(&self, targets: &[&str], input: &Input) -> Result<Vec<String>> {
        let name = |target: &&str| match targets {
            [_] => self.column.clone(),
            _ => format!("{}_{target}", self.column),
        };
        let ends = |name: String| match self.interval {
            Some(_) => vec![name.clone(), format!("{name}_low"), format!("{name}_high")],
            None => vec![name],
        };
        let new: Vec<String> = targets.iter().map(name).flat_map(ends).collect();
        match new.iter().find(|name| input.names().contains(name)) {
            Some(name) => Err(Error::path(
                input.source(),
                format!(
                    "has a column `{name}` already; give the new column another name with --column"
                ),
            )),
            None => match (1..new.len()).find(|&at| new[..at].contains(&new[at])) {
                Some(at) => Err(Error::Message(format!(
                    "two new columns would be named `{}`, because one target has the name of an end of the interval of another; predict with the run of each target",
                    new[at]
                ))),
                None => Ok(new),
            },
        }
    }

    fn tell_notes(&self, input: &Input) {
        for group in group_warnings(input.notes()).iter().filter(|_| !self.quiet) {
            warn(&format!(
                "{} (found by check `{}`)",
                group.message, group.check
            ));
        }
    }
}
