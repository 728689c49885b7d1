//! `limbeck runs` and `limbeck compare`: list and compare runs.

use std::path::PathBuf;

use clap::Args;
use limbeck::{Run, compare};

use crate::error::{Error, Result};
use crate::output::{Style, print, tell};
use crate::render::Grid;

/// List the runs of a folder
#[derive(Args, Debug)]
pub(crate) struct Runs {
    /// The folder
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
}

impl Runs {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let (runs, faults) = compare::runs(&self.folder)?;
        faults
            .iter()
            .for_each(|fault| tell(&format!("warning: {fault}")));
        for (run, is_running) in limbeck::run::unfinished(&self.folder) {
            tell(&match is_running {
                true => format!("in progress: {}", run.display()),
                false => format!(
                    "unfinished: {0}; continue it with `limbeck distill --resume {0}`",
                    run.display()
                ),
            });
        }
        if runs.is_empty() {
            return print(&format!(
                "no finished runs in the folder {}\n",
                self.folder.display()
            ));
        }
        print(&table(&runs))
    }
}

/// Compare runs: metrics, shipped students row by row, and options that differ
///
/// Each other run with the same test rows is compared with the first one, with an interval. Runs with other test rows are only listed.
#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Run directories; the first one is compared with each of the others
    #[arg(value_name = "RUN", required = true, num_args = 1..)]
    runs: Vec<PathBuf>,
    /// Also write the comparison as an HTML page, to a new file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Compare {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(file) = self.html.as_ref().filter(|file| file.exists()) {
            return Err(Error::path(
                file,
                "exists already and is never overwritten; give another file name with --html, or delete the existing file",
            ));
        }
        let opened: Vec<Vec<Run>> = self
            .runs
            .iter()
            .map(limbeck::open_each)
            .collect::<limbeck::Result<_>>()?;
        let runs = opened.concat();
        let mut text = table(&runs);
        let sentences = compare::sentences(&runs)?;
        if !sentences.is_empty() {
            text.push_str(&format!("\n{}\n", sentences.join("\n")));
        }
        let differences = compare::differences(&runs);
        if !differences.is_empty() {
            let names: Vec<String> = runs
                .iter()
                .map(|run| run.path().display().to_string())
                .collect();
            let header: Vec<&str> = std::iter::once("option")
                .chain(names.iter().map(String::as_str))
                .collect();
            let mut grid = Grid::new(&header, &"l".repeat(header.len()));
            differences
                .into_iter()
                .for_each(|(key, values)| grid.row(std::iter::once(key).chain(values)));
            text.push_str(&format!("\n{}", grid.render(Style::stdout())));
        }
        print(&text)?;
        let Some(file) = &self.html else {
            return Ok(());
        };
        let page = compare::page(&runs)?;
        limbeck_data::write::atomic(file, |out| std::io::Write::write_all(out, page.as_bytes()))?;
        tell(&format!("wrote {}", file.display()));
        Ok(())
    }
}

fn table(runs: &[Run]) -> String {
    let (header, rows) = compare::table(runs);
    let mut grid = Grid::new(&header, "llrlrrrrrlrrr");
    rows.into_iter().for_each(|row| grid.row(row));
    grid.render(Style::stdout())
}
