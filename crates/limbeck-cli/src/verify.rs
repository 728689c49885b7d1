//! `limbeck verify`: checks that files are unchanged.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use limbeck::verify::{Finding, State};
use serde_json::json;

use crate::MISSED;
use crate::error::Result;
use crate::output::{Style, print, tell};
use crate::render::{Grid, counted};

/// Check that a run, a student or an exported file is unchanged
///
/// Compares checksums, and checks the predictions of golden vectors (example rows and their predictions) with limbeck, and with the compiled C if a
/// compiler is found (CC, else cc, gcc or clang) and no file was changed. Lists what was changed; unchanged files of a folder are one line. The
/// last line is a summary. Exits with 1 if anything was changed.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// Run directory, .limbeck file, or an exported file with its manifest beside it
    #[arg(value_name = "RUN|STUDENT|ARTIFACT")]
    path: PathBuf,
    /// List every file, not only those that were changed
    #[arg(short, long)]
    verbose: bool,
    /// Print JSON instead of a table
    #[arg(long, conflicts_with = "verbose")]
    json: bool,
}

impl Verify {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let found = limbeck::verify::verify(&self.path)?;
        let is_wrong = found.iter().any(|finding| finding.state == State::Wrong);
        if self.json {
            print(&format!("{:#}\n", json(&found)))?;
            if is_wrong {
                tell(&summary(&found));
            }
        } else {
            let table = table(&found, self.verbose).render(Style::stdout());
            print(&format!("{table}\n{}\n", summary(&found)))?;
        }
        Ok(match is_wrong {
            true => MISSED.into(),
            false => ExitCode::SUCCESS,
        })
    }
}

fn json(found: &[Finding]) -> serde_json::Value {
    let value = |f: &Finding| json!({ "what": f.what, "state": word(f.state), "detail": f.detail });
    found.iter().map(value).collect()
}

/// The findings as a table. Unless `verbose`, all files of a folder that passed are one line together; files that failed have a line each.
fn table(found: &[Finding], verbose: bool) -> Grid {
    let mut grid = Grid::new(&["what", "", "detail"], "lll");
    let mut folders = Vec::new();
    for finding in found {
        let folder = finding.folder.as_ref();
        match folder.filter(|_| !verbose && finding.state == State::Fine) {
            None => grid.row(line(finding)),
            Some(folder) if folders.contains(&folder) => {}
            Some(folder) => {
                folders.push(folder);
                let is_among = |other: &&Finding| {
                    other.folder.as_ref() == Some(folder) && other.state == State::Fine
                };
                let files = found.iter().filter(is_among).count();
                let what = format!("{}: {}", folder.display(), counted(files, "file"));
                grid.row([what, word(State::Fine).to_owned(), finding.detail.clone()]);
            }
        }
    }
    grid
}

fn line(finding: &Finding) -> [String; 3] {
    let state = word(finding.state).to_owned();
    [finding.what.clone(), state, finding.detail.clone()]
}

/// The result of all checks in one sentence. It names what failed, and what could not be checked.
fn summary(found: &[Finding]) -> String {
    let of = |state: State| -> Vec<&str> {
        let is = |finding: &&Finding| finding.state == state;
        let all = found.iter().filter(is);
        all.map(|finding| finding.what.as_str()).collect()
    };
    let (wrong, unknown) = (of(State::Wrong), of(State::Unknown));
    let open = match unknown.len() {
        0 => String::new(),
        count => format!("; {count} could not be made: {}", names(&unknown)),
    };
    let made = counted(found.len() - unknown.len(), "check");
    match wrong.len() {
        0 if unknown.len() == found.len() => {
            format!("Not verified, no check could be made: {}", names(&unknown))
        }
        0 if found.len() == 1 => "The only check passed".to_owned(),
        0 => format!("All {made} passed{open}"),
        count => format!("{count} of {made} failed: {}{open}", names(&wrong)),
    }
}

/// The first five names, and the number of the others.
fn names(all: &[&str]) -> String {
    const MOST: usize = 5;
    let shown = all[..all.len().min(MOST)].join(", ");
    match all.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Fine => "ok",
        State::Wrong => "WRONG",
        State::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(what: &str, state: State, folder: Option<&str>) -> Finding {
        Finding {
            what: what.to_owned(),
            state,
            detail: "detail".to_owned(),
            folder: folder.map(PathBuf::from),
        }
    }

    #[test]
    fn summary_counts_and_names_what_failed() {
        let fine = finding("run/a", State::Fine, Some("run"));
        let wrong = finding("run/b", State::Wrong, Some("run"));
        let open = finding("run/c.onnx", State::Unknown, None);
        for (found, expected) in [
            (vec![&fine, &fine], "All 2 checks passed"),
            (vec![&fine], "The only check passed"),
            (
                vec![&fine, &open],
                "All 1 check passed; 1 could not be made: run/c.onnx",
            ),
            (
                vec![&open],
                "Not verified, no check could be made: run/c.onnx",
            ),
            (vec![&fine, &wrong], "1 of 2 checks failed: run/b"),
            (vec![&wrong], "1 of 1 check failed: run/b"),
            (
                vec![&wrong, &open],
                "1 of 1 check failed: run/b; 1 could not be made: run/c.onnx",
            ),
        ] {
            let found: Vec<Finding> = found.into_iter().cloned().collect();
            assert_eq!(summary(&found), expected);
        }
        assert_eq!(names(&["a"; 7]), "a, a, a, a, a and 2 more");
    }

    #[test]
    fn unchanged_files_of_a_folder_are_one_line() {
        let found = [
            finding("run/a", State::Fine, Some("run")),
            finding("run/b", State::Wrong, Some("run")),
            finding("run/c", State::Fine, Some("run")),
            finding("run/export/d", State::Fine, Some("run/export")),
            finding("run: golden", State::Fine, None),
        ];
        let lines = |verbose: bool| -> Vec<String> {
            let text = table(&found, verbose).render(Style::stdout());
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            text.lines().skip(1).map(words).collect()
        };
        assert_eq!(
            lines(false),
            [
                "run: 2 files ok detail",
                "run/b WRONG detail",
                "run/export: 1 file ok detail",
                "run: golden ok detail"
            ]
        );
        assert_eq!(lines(true).len(), found.len());
    }
}
