//! The command line of limbeck. It parses the arguments, calls the library and prints results.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done; 1 done, but a requested threshold was missed; 2 could not
//! run; 130 interrupted.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::float_cmp, reason = "hand-worked values")
)]

mod compare;
mod demo;
mod distill;
mod error;
mod evaluate;
mod export;
mod flags;
mod init;
mod inspect;
mod label;
mod options;
mod output;
mod predict;
mod preflight;
mod preview;
mod progress;
mod reading;
mod render;
mod source;
mod unlike;
mod unseen;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::output::{Style, tell};

/// Exit code of a command that ran, but missed a requested threshold.
const MISSED: u8 = 1;
/// Exit code of a command that could not run.
const FAILED: u8 = 2;
/// Exit code of a command that the user stopped; it is the usual one in shells.
const INTERRUPTED: u8 = 130;

/// Knowledge distillation for regression: train a small student model from a table, and test it on held-out rows
#[derive(Debug, Parser)]
#[command(name = "limbeck", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  limbeck preflight housing.csv --target median_house_value
  limbeck distill housing.csv --target median_house_value
  limbeck predict runs/housing-1 new.csv -o predicted.csv
  limbeck export runs/housing-1 --to c

Exit codes: 0 done, 1 ran but missed a requested threshold, 2 could not run, 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    Distill(Box<distill::Distill>),
    Preflight(Box<preflight::Preflight>),
    Predict(predict::Predict),
    Evaluate(evaluate::Evaluate),
    Inspect(inspect::Inspect),
    Label(Box<label::Label>),
    Runs(compare::Runs),
    Compare(compare::Compare),
    Export(export::Export),
    Verify(verify::Verify),
    Init(init::Init),
    Demo(demo::Demo),
}

impl Command {
    fn run(self) -> Result<ExitCode> {
        let done = |()| ExitCode::SUCCESS;
        match self {
            Self::Distill(command) => command.run(),
            Self::Preflight(command) => command.run(),
            Self::Predict(command) => command.run().map(done),
            Self::Evaluate(command) => command.run().map(done),
            Self::Inspect(command) => command.run().map(done),
            Self::Label(command) => command.run(),
            Self::Runs(command) => command.run().map(done),
            Self::Compare(command) => command.run().map(done),
            Self::Export(command) => command.run().map(done),
            Self::Verify(command) => command.run(),
            Self::Init(command) => command.run().map(done),
            Self::Demo(command) => command.run(),
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            tell(&format!(
                "{}: {}",
                Style::stderr().red("error"),
                error::chain(&error)
            ));
            FAILED.into()
        }
    }
}
