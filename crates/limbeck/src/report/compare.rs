//! Compares several runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use limbeck_data::figures::counted;
use limbeck_data::{ReadOptions, Table, Values};
use limbeck_distill::proof::{grouped, judge_file, short};
use serde::Serialize;
use toml::Value;

use crate::error::{Error, Result};
use crate::report::Report;
use crate::report::page::{CHARTS, STYLE, THEME, escape};
use crate::run::files::{PAGE, PREDICTIONS, REPORT};
use crate::run::several::{self, Entry};
use crate::run::unfinished::Unfinished;
use crate::run::{Run, open_each};

/// The runs of a folder, sorted by name, and an error for each that could not be opened.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn runs(folder: &Path) -> Result<(Vec<Run>, Vec<Error>)> {
    let entries = std::fs::read_dir(folder).map_err(Error::file("read the folder", folder))?;
    let is_done = |path: &PathBuf| Unfinished::names(path).0 != *path;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && is_done(path))
        .collect();
    paths.sort_by_key(|path| natural(&path.to_string_lossy()));
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        let opened = match several::list(&path) {
            Ok(None) if !path.join(REPORT).exists() => continue,
            Ok(_) => open_each(&path),
            Err(error) => Err(error),
        };
        match opened {
            Ok(runs) => found.extend(runs),
            Err(error) => faults.push(error),
        }
    }
    Ok((found, faults))
}

/// A sort key with which `run-2` comes before `run-10`.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts: Vec<(u64, String)> = vec![(0, String::new())];
    for c in name.chars() {
        let last = parts.len() - 1;
        match c.to_digit(10) {
            Some(digit) if parts[last].1.is_empty() && last > 0 => {
                parts[last].0 = parts[last]
                    .0
                    .saturating_mul(10)
                    .saturating_add(u64::from(digit))
            }
            Some(digit) => parts.push((u64::from(digit), String::new())),
            None => parts[last].1.push(c),
        }
    }
    parts
}

/// Comparison of the shipped students of two runs on the same test rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// Test error, by [`Report::measure`](crate::report::Report::measure), of the first run minus the test error of the second; above 0 if the second
    /// is better.
    pub saved: f64,
    /// Lower end of the 95 % interval of `saved`.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The reason why two runs cannot be compared on the same test rows; `None` if they can.
fn apart((first, a): (&Run, &Answers), (second, b): (&Run, &Answers)) -> Option<String> {
    let same = a.target == b.target && a.weight == b.weight && a.block == b.block;
    if !same || !same_rows(&a.row, &b.row) {
        return Some("their test rows, targets, weights or groups differ; use the same table, seed and split for both".into());
    }
    let (first, second) = (first.report(), second.report());
    (first.measure() != second.measure()).then(|| {
        format!(
            "one predicts {}, the other {}",
            first.predicted(),
            second.predicted()
        )
    })
}

/// True if both lists of row numbers mean the same rows. Earlier versions numbered rows from 1, so all numbers of one list may be 1 higher.
fn same_rows(first: &[f64], second: &[f64]) -> bool {
    let apart_by = |step: f64| {
        let mut both = first.iter().zip(second);
        both.all(|(one, other)| (one + step).total_cmp(other).is_eq())
    };
    first.len() == second.len() && [0.0, 1.0, -1.0].into_iter().any(apart_by)
}

/// Compares the shipped students of two runs, with a t interval over test rows. If the runs split the table by groups or stretches of time, the
/// interval is over these instead.
///
/// The inner error is the reason why the runs cannot be compared, for example other test rows.
///
/// # Errors
///
/// If predictions cannot be read.
pub fn paired(first: &Run, second: &Run) -> Result<Result<Paired, String>> {
    let (Some(a), Some(b)) = (Answers::read(first)?, Answers::read(second)?) else {
        let old = [first, second]
            .into_iter()
            .find(|run| !run.path().join(PREDICTIONS).exists())
            .unwrap_or(first);
        return Ok(Err(format!(
            "{} was made by an earlier version of limbeck and has no {PREDICTIONS}; make this run again",
            old.path().display()
        )));
    };
    if let Some(reason) = apart((first, &a), (second, &b)) {
        return Ok(Err(reason));
    }
    let Some(gain) = judge_file(
        first.report().measure(),
        &a.target,
        &a.weight,
        a.block.as_deref(),
        [&b.shipped, &a.shipped],
        0.0,
    ) else {
        return Ok(Err("no test row has a weight above 0".into()));
    };
    Ok(
        match (gain.error_saved.low, gain.error_saved.high, gain.reason) {
            (Some(low), Some(high), _) => Ok(Paired {
                saved: gain.error_saved.value,
                low,
                high,
            }),
            (_, _, reason) => Err(reason.unwrap_or_else(|| "some errors are not finite".into())),
        },
    )
}

struct Answers {
    row: Vec<f64>,
    target: Vec<f64>,
    weight: Vec<f64>,
    shipped: Vec<f64>,
    /// Group or stretch of time of each row; `None` if the run splits the table by single rows.
    block: Option<Vec<u32>>,
}

impl Answers {
    fn read(run: &Run) -> Result<Option<Self>> {
        let path = run.path().join(PREDICTIONS);
        if !path.exists() {
            return Ok(None);
        }
        let table = Table::read(&path, &ReadOptions::default())?;
        let column = |name: &str| match table.column(name).map(|column| &column.values) {
            Some(Values::Number(values)) => Ok(values.clone()),
            _ => Err(Error::NotARun {
                path: run.path().to_owned(),
                message: format!(
                    "its {PREDICTIONS} has no number column `{name}`; make this run again"
                ),
            }),
        };
        let block = table
            .column("block")
            .is_some()
            .then(|| column("block"))
            .transpose()?;
        let block = block.map(|block| block.into_iter().map(|block| block as u32).collect());
        Ok(Some(Self {
            block,
            row: column("row")?,
            target: column("target")?,
            weight: column("weight")?,
            shipped: column("shipped")?,
        }))
    }
}

/// The options that differ between runs: each with its key, and its value in every run.
#[must_use]
pub fn differences(runs: &[Run]) -> Vec<(String, Vec<String>)> {
    let flat: Vec<BTreeMap<String, String>> = runs
        .iter()
        .map(|run| {
            let mut all = BTreeMap::new();
            if let Ok(Value::Table(table)) = Value::try_from(run.recipe()) {
                flatten("", &Value::Table(table), &mut all);
            }
            all
        })
        .collect();
    let keys: BTreeSet<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    let values = |key: &String| {
        flat.iter()
            .map(|all| all.get(key).cloned().unwrap_or_else(|| "–".into()))
            .collect::<Vec<_>>()
    };
    keys.into_iter()
        .map(|key| (key.clone(), values(key)))
        .filter(|(_, values)| values.iter().any(|value| *value != values[0]))
        .collect()
}

fn flatten(prefix: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(
                    &if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    },
                    value,
                    all,
                );
            }
        }
        other => {
            all.insert(prefix.to_owned(), other.to_string());
        }
    }
}

/// What the shipped file gains over the best file without a teacher, in a word or two.
pub(super) fn file_gain(report: &super::Report) -> &'static str {
    let Some(file) = &report.file else {
        return "–";
    };
    match &file.gain {
        gain if gain.reason.is_some() => "unknown",
        gain if gain.worth_having => "worth having",
        gain if gain.significant => "too small",
        gain if gain.error_saved.is_below() => "worse",
        _ => "not shown",
    }
}

/// Header and cells of the table of runs, for the terminal and for the page.
#[must_use]
pub fn table(runs: &[Run]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let header = vec![
        "run",
        "target",
        "shipped",
        "distilled",
        "baseline",
        "teacher error",
        "gap closed",
        "distillation",
        "file's gain",
        "teacher",
        "test rows",
        "parameters",
        "bytes",
        "seconds",
    ];
    let line = |run: &Run| {
        let report = run.report();
        let gap = report
            .proof
            .gap_closed
            .value
            .map_or_else(|| "–".into(), |value| format!("{:.0} %", 100.0 * value));
        let stopped = if report.interrupted {
            " (stopped early)"
        } else {
            ""
        };
        vec![
            run.path().display().to_string(),
            report.predicted(),
            short(report.test.shipped.error()),
            short(report.test.distilled.error()),
            short(report.test.baseline.error()),
            short(report.test.teacher.error()),
            gap,
            format!("{}{stopped}", report.proof.verdict.kind.name()),
            file_gain(report).to_owned(),
            report.teacher.kind.clone(),
            grouped(report.data.test),
            grouped(report.student.parameters),
            grouped(report.student.bytes),
            format!("{:.0}", report.measured.seconds),
        ]
    };
    (header, runs.iter().map(line).collect())
}

/// Sentences for the terminal that compare every other run with the first; none for an empty list.
///
/// # Errors
///
/// If a run has a `predictions.parquet` that cannot be read.
pub fn sentences(runs: &[Run]) -> Result<Vec<String>> {
    let Some((first, others)) = runs.split_first() else {
        return Ok(Vec::new());
    };
    let sentence = |other: &Run| {
        let (a, b) = (first.path().display(), other.path().display());
        Ok(match paired(first, other)? {
            Err(why) => format!("{b} and {a} cannot be compared row by row: {why}"),
            Ok(Paired { saved, low, high }) => {
                let side = match (low > 0.0, high < 0.0) {
                    (true, _) => "better",
                    (_, true) => "worse",
                    _ => "not significantly different",
                };
                let measure = first.report().measure().name();
                format!(
                    "{b} against {a}: the student of {b} is {side}; test {measure} of the shipped student in {a} minus that in {b}: {} (95 % interval {} to {})",
                    short(saved),
                    short(low),
                    short(high)
                )
            }
        })
    };
    others.iter().map(sentence).collect()
}

const SCRIPT: &str = include_str!("page/compare.js");

/// Names of the columns of [`table`] that hold text.
const WORDS: [&str; 5] = ["run", "target", "teacher", "distillation", "file's gain"];

/// The comparison as one self-contained HTML page.
///
/// # Errors
///
/// The errors of [`paired`].
pub fn page(runs: &[Run]) -> Result<String> {
    let list: String = sentences(runs)?
        .iter()
        .map(|sentence| format!("<li>{}</li>", escape(sentence)))
        .collect();
    let sentences = match &list[..] {
        "" => String::new(),
        list => format!("<h2>Compared with the first run, row by row</h2><ul>{list}</ul>"),
    };
    let title = counted(runs.len(), "run");
    Ok(document(&title, runs, &[sentences, options(runs)].concat()))
}

/// The page of a run with several targets: the verdict for each target, and a link to the page of its run. Each run comes with the name of its
/// folder, which is beside this page.
pub(crate) fn targets_page(runs: &[Run], entries: &[Entry]) -> String {
    let line = |(run, entry): (&Run, &Entry)| {
        let (folder, target) = (escape(&entry.folder), escape(&run.report().predicted()));
        let sentence = escape(&run.report().proof.verdict.sentence);
        format!("<li><a href=\"{folder}/{PAGE}\">{target}</a>: {sentence}</li>")
    };
    let list: String = runs.iter().zip(entries).map(line).collect();
    let joint = runs.first().and_then(|run| run.report().joint.as_ref());
    let student = joint.map_or_else(String::new, |joint| {
        let (parameters, bytes) = (grouped(joint.parameters), grouped(joint.bytes));
        format!("<p>One student predicts all targets: {parameters} parameters, {bytes} bytes.</p>")
    });
    let title = counted(runs.len(), "target");
    let text = format!("{student}<h2>Each target</h2><ul>{list}</ul>");
    document(&title, runs, &text)
}

/// The options that differ between runs, as an HTML table; empty if none differ.
fn options(runs: &[Run]) -> String {
    let options: Vec<Vec<String>> = differences(runs)
        .into_iter()
        .map(|(key, values)| [vec![key], values].concat())
        .collect();
    if options.is_empty() {
        return String::new();
    }
    let names: Vec<String> = std::iter::once("option".to_owned())
        .chain(runs.iter().map(|run| run.path().display().to_string()))
        .collect();
    let words = vec![true; names.len()];
    let table = grid("options that differ", &names, &options, &words);
    format!("<h2>Options that differ</h2>{table}")
}

/// A page with a table of runs, a chart of their errors for each target, and then the text `after`.
fn document(title: &str, runs: &[Run], after: &str) -> String {
    let (header, rows) = table(runs);
    let words: Vec<bool> = header.iter().map(|name| WORDS.contains(name)).collect();
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let runs_table = grid("runs", &header, &rows, &words);
    let errors = errors(runs);
    let charts: String = (errors.iter().enumerate())
        .map(|(at, target)| target.chart(at))
        .collect();
    // Escape `<`, so that no text can end the script element.
    let data = serde_json::to_string(&errors)
        .unwrap_or_default()
        .replace('<', "\\u003c");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" \
         content=\"light dark\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{runs_table}{charts}{after}</main><script>{CHARTS}</script><script \
         id=\"data-of-charts\" type=\"application/json\">{data}</script><script>{THEME}{SCRIPT}</script></body></html>\n"
    )
}

/// An HTML table that scrolls if it is too wide. `words` is true for the columns that hold text.
fn grid(label: &str, header: &[String], rows: &[Vec<String>], words: &[bool]) -> String {
    let class = |at: usize| if words[at] { " class=\"text\"" } else { "" };
    let head: String = header
        .iter()
        .enumerate()
        .map(|(at, name)| format!("<th scope=\"col\"{}>{}</th>", class(at), escape(name)))
        .collect();
    let cell = |(at, cell): (usize, &String)| match at {
        0 => format!("<th scope=\"row\">{}</th>", escape(cell)),
        _ => format!("<td{}>{}</td>", class(at), escape(cell)),
    };
    let body: String = rows
        .iter()
        .map(|row| {
            format!(
                "<tr>{}</tr>",
                row.iter().enumerate().map(cell).collect::<String>()
            )
        })
        .collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
}

/// Test errors of the runs for one predicted quantity (a target or a quantile of it), as data for a chart.
#[derive(Serialize)]
struct Errors {
    name: String,
    measure: &'static str,
    runs: Vec<String>,
    /// Test errors of `teacher`, `baseline`, `distilled` and `shipped`, each in the order of the runs.
    sides: BTreeMap<&'static str, Vec<f64>>,
    /// Number of rows ahead of the target of each run; 0 for targets of the same row.
    horizons: Vec<u32>,
    /// Test errors of persistence, the forecast that repeats the present value; `None` in a run without it.
    persistence: Vec<Option<f64>>,
}

impl Errors {
    fn new(name: String, measure: &'static str) -> Self {
        Self {
            name,
            measure,
            runs: Vec::new(),
            sides: BTreeMap::new(),
            horizons: Vec::new(),
            persistence: Vec::new(),
        }
    }

    /// True if the runs differ in their horizon, so that errors are drawn over the horizon.
    fn is_by_horizon(&self) -> bool {
        let different: BTreeSet<&u32> = self.horizons.iter().collect();
        different.len() > 1 && different.len() == self.horizons.len()
    }

    /// The chart of the errors, as an HTML figure. `at` is its position on the page.
    fn chart(&self, at: usize) -> String {
        let (by, height) = match self.is_by_horizon() {
            true => ("horizon", 360),
            false => ("run", 110 + 50 * self.runs.len()),
        };
        let name = escape(&self.name);
        format!(
            "<figure><div class=\"plot\" style=\"height:{height}px\"><canvas id=\"errors-{at}\" data-by=\"{by}\" role=\"img\" aria-label=\"test error of {name} by {by}: teacher, baseline, distilled, shipped\"></canvas></div></figure>"
        )
    }
}

/// The horizon of a run: number of rows ahead of its target.
fn horizon(report: &Report) -> u32 {
    report
        .data
        .sequence()
        .map_or(0, |sequence| sequence.horizon)
}

/// The predicted quantity of a run, without its horizon.
fn quantity(report: &Report) -> String {
    let own = format!(".ahead{}", horizon(report));
    report.predicted().replacen(&own, "", 1)
}

/// The test errors of the runs, one entry for each predicted quantity (a target or a quantile of it, at any horizon), since units and metrics differ.
fn errors(runs: &[Run]) -> Vec<Errors> {
    let mut all: Vec<Errors> = Vec::new();
    for run in runs {
        let (report, test) = (run.report(), &run.report().test);
        let name = quantity(report);
        let at = all
            .iter()
            .position(|target| target.name == name)
            .unwrap_or_else(|| {
                all.push(Errors::new(name, report.measure().name()));
                all.len() - 1
            });
        all[at].runs.push(run.path().display().to_string());
        all[at].horizons.push(horizon(report));
        let mut naive = report.naive.iter();
        let persistence = naive.find(|naive| naive.name == "persistence");
        all[at]
            .persistence
            .push(persistence.map(|naive| naive.rmse));
        let sides = [
            ("teacher", test.teacher.error()),
            ("baseline", test.baseline.error()),
            ("distilled", test.distilled.error()),
            ("shipped", test.shipped.error()),
        ];
        sides
            .into_iter()
            .for_each(|(side, error)| all[at].sides.entry(side).or_default().push(error));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_where_one_run_counts_from_one() {
        let rows = [0.0, 3.0, 7.0];
        assert!(same_rows(&rows, &rows));
        assert!(same_rows(&rows, &rows.map(|row| row + 1.0)));
        assert!(same_rows(&rows.map(|row| row + 1.0), &rows));
        assert!(!same_rows(&rows, &[0.0, 3.0, 8.0]));
        assert!(!same_rows(&rows, &rows[..2]));
    }

    #[test]
    fn names_sort_as_people_count() {
        let mut names = ["run-10", "run-2", "a", "run-2b", "run"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a", "run", "run-2", "run-2b", "run-10"]);
    }
}
