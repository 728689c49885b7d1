//! `limbeck verify`: checks that files are unchanged.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use limbeck::verify::{Finding, State};
use serde_json::json;

use crate::MISSED;
use crate::error::Result;
use crate::output::{Style, print, tell};
use crate::render::Grid;

/// Check that a run, a student or an exported file is unchanged
///
/// Compares checksums, and checks the predictions of golden vectors (example rows and their predictions) with limbeck, and with the compiled C if a
/// compiler is found (CC, else cc, gcc or clang) and no file was changed. Lists what was changed. Exits with 1 if anything was.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// Run directory, .limbeck file, or an exported file with its manifest beside it
    #[arg(value_name = "RUN|STUDENT|ARTIFACT")]
    path: PathBuf,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Verify {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let found = limbeck::verify::verify(&self.path)?;
        let wrong = found
            .iter()
            .filter(|finding| finding.state == State::Wrong)
            .count();
        if self.json {
            let value =
                |f: &Finding| json!({ "what": f.what, "state": word(f.state), "detail": f.detail });
            print(&format!(
                "{:#}\n",
                json!(found.iter().map(value).collect::<Vec<_>>())
            ))?;
        } else {
            let mut grid = Grid::new(&["what", "", "detail"], "lll");
            for finding in &found {
                grid.row([
                    finding.what.clone(),
                    word(finding.state).to_owned(),
                    finding.detail.clone(),
                ]);
            }
            print(&grid.render(Style::stdout()))?;
        }
        if wrong == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        tell(&format!("{wrong} of {} checks failed", found.len()));
        Ok(MISSED.into())
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Fine => "ok",
        State::Wrong => "WRONG",
        State::Unknown => "unknown",
    }
}
