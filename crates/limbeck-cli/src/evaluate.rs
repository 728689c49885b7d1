//! `limbeck evaluate`: measures a student on known targets.

use std::path::PathBuf;

use clap::Args;
use limbeck::report::prediction_intervals::level_name;
use limbeck_data::Features;
use limbeck_data::metrics::{self, Measure, Scores};
use limbeck_distill::proof::short;
use serde_json::json;

use crate::error::{Error, Result};
use crate::output::{Style, print, tell, warn};
use crate::reading::Reading;
use crate::render::{Grid, grouped, r_squared};
use crate::source::{Source, TableRows};
use crate::unlike::Unlike;

/// Measure a student on a table with known targets
///
/// Rows without a target are left out, and their number is printed. Errors are in the target's own unit.
#[derive(Args, Debug)]
pub(crate) struct Evaluate {
    /// Run directory, or a student's .limbeck file
    #[arg(value_name = "RUN|STUDENT")]
    student: PathBuf,
    /// CSV or Parquet file with the student's columns and the target, or a folder of parts
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// Column with the targets [default: the one the student was trained on]
    #[arg(short, long, value_name = "COLUMN")]
    target: Option<String>,
    /// Column of row weights
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// Also measure prediction intervals of these levels, such as 0.9 (comma-separated or repeated): the share of targets inside, and their mean width
    #[arg(long, value_name = "LEVELS", value_delimiter = ',')]
    interval: Vec<f64>,
    #[command(flatten)]
    reading: Reading,
    /// Print JSON instead of a table
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print only results and errors
    #[arg(long, help_heading = "Output")]
    quiet: bool,
}

/// The metrics of one output of a student, on the rows that have a target.
#[derive(Clone)]
struct Figures {
    target: String,
    rows: usize,
    missing: usize,
    scores: Scores,
    /// The quantile that the student predicts, its pinball loss, and the share of targets at or below the prediction; `None` if the student predicts
    /// the mean.
    quantile: Option<(f64, f64, f64)>,
    intervals: Vec<Covered>,
}

/// Coverage and mean width of the prediction intervals of a level.
#[derive(Clone, Copy)]
struct Covered {
    level: f64,
    coverage: f64,
    width: f64,
}

impl Figures {
    fn json(&self) -> serde_json::Value {
        let Scores { rmse, mae, r2 } = self.scores;
        let mut value = json!({ "target": self.target, "rows": self.rows, "missing": self.missing, "rmse": rmse, "mae": mae, "r2": r2 });
        if let Some((quantile, pinball, covered)) = self.quantile {
            value["quantile"] =
                json!({ "quantile": quantile, "pinball": pinball, "covered": covered });
        }
        if !self.intervals.is_empty() {
            let one = |one: &Covered| json!({ "level": one.level, "coverage": one.coverage, "width": one.width });
            value["intervals"] = self.intervals.iter().map(one).collect();
        }
        value
    }
}

impl Evaluate {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let sources = Source::open_for("evaluate", &self.student, &self.table)?;
        let targets = sources.iter().flat_map(Source::targets).count();
        if targets > 1 && self.target.is_some() {
            return Err(Error::Message("--target names one column, but the student predicts several targets; leave out --target, or give the folder of the run of one target".into()));
        }
        for level in &self.interval {
            let check = |source: &Source| source.check_level(&self.student, *level);
            sources.iter().try_for_each(check)?;
        }
        let unlike = Unlike::new(&sources);
        let mut found = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            found.extend(self.figures(source, |features| unlike.add(at, features))?);
        }
        if !self.quiet {
            unlike.tell();
        }
        if self.json {
            let values: Vec<serde_json::Value> = found.iter().map(Figures::json).collect();
            return match &values[..] {
                [one] => print(&format!("{one:#}\n")),
                several => print(&format!("{:#}\n", json!(several))),
            };
        }
        let mut grid = Grid::new(
            &[
                if let [one] = &found[..] {
                    &one.target
                } else {
                    "target"
                },
                "rows",
                "RMSE",
                "MAE",
                "R²",
            ],
            "lrrrr",
        );
        for one in &found {
            let name = if found.len() == 1 {
                "student"
            } else {
                &one.target
            };
            let Scores { rmse, mae, r2 } = one.scores;
            grid.row([
                name.to_owned(),
                grouped(one.rows),
                short(rmse),
                short(mae),
                r_squared(r2),
            ]);
        }
        let mut text = grid.render(Style::stdout());
        for (quantile, pinball, covered) in found.iter().filter_map(|one| one.quantile) {
            text.push_str(&format!(
                "the student predicts the {quantile}-quantile: pinball loss {}, {:.1} % of targets at or below the prediction\n",
                short(pinball),
                100.0 * covered
            ));
        }
        for one in &found {
            for covered in &one.intervals {
                text.push_str(&format!(
                    "prediction intervals of `{}` at {}: {:.1} % of the targets are inside, mean width {}\n",
                    one.target,
                    level_name(covered.level),
                    100.0 * covered.coverage,
                    short(covered.width)
                ));
            }
        }
        print(&text)
    }

    /// The metrics of each output of the student `source`.
    fn figures(&self, source: &Source, watch: impl FnOnce(&Features)) -> Result<Vec<Figures>> {
        let columns = match &self.target {
            Some(target) => vec![target.clone()],
            None => source.target_columns(),
        };
        let names = match &self.target {
            Some(target) => vec![target.clone()],
            None => source.targets().into_iter().map(str::to_owned).collect(),
        };
        let weight: Vec<String> = self.weight.iter().cloned().collect();
        let options = self.reading.over(&source.reading);
        let rows = source.read(&self.table, (&columns, &weight), &options)?;
        let predictions = source.predict(&rows.features)?;
        let intervals = |level: &f64| source.with_intervals(predictions.clone(), *level);
        let intervals = self.interval.iter().map(intervals);
        let intervals: Vec<Vec<Vec<f64>>> = intervals.collect::<Result<_>>()?;
        watch(&rows.features);
        self.tell_learned(source, &names, &rows);
        let weight = rows.extra.get(columns.len()).map(Vec::as_slice);
        let names = names.iter().zip(&columns);
        let outputs = names.zip(&rows.extra).zip(&predictions);
        let mut found = Vec::new();
        for (at, (((name, target), truth), pred)) in outputs.enumerate() {
            let lines = (weight, rows.first_line);
            let mut own = self.output(source, (name, target), (truth, pred), lines)?;
            let of_level = |(&level, columns): (&f64, &Vec<Vec<f64>>)| {
                let ends = [&columns[3 * at + 1], &columns[3 * at + 2]];
                let is_known = |row: usize| source.is_known(target, truth[row]);
                covered(level, ends, is_known, truth, weight)
            };
            let levels = self.interval.iter().zip(&intervals);
            own.intervals = levels.map(of_level).collect();
            found.push(own);
        }
        Ok(found)
    }

    /// Warns if the student's run learned from many of the rows in the table to evaluate: then the errors are too small.
    fn tell_learned(&self, source: &Source, targets: &[String], rows: &TableRows) {
        let share = source.learned_share(&rows.features, targets.iter().zip(&rows.extra));
        if let Some(share) = share.filter(|_| !self.quiet) {
            let of_target = match targets {
                [one] => format!(" for `{one}`"),
                _ => String::new(),
            };
            warn(&format!(
                "the student{of_target} learned from about {:.0} % of these rows (they are training or validation rows of its run), so the errors are \
                 smaller than on new rows; report.json has the errors on the run's own test rows",
                100.0 * share
            ));
        }
    }

    /// The metrics of one output, given by the name of its target and by the target's column. `truth` are the targets, `pred` the predictions; rows without
    /// a target are left out.
    fn output(
        &self,
        source: &Source,
        (name, target): (&String, &String),
        (truth, pred): (&[f64], &[f64]),
        (weight, first_line): (Option<&[f64]>, Option<usize>),
    ) -> Result<Figures> {
        let known: Vec<usize> = (0..truth.len())
            .filter(|&row| source.is_known(target, truth[row]))
            .collect();
        let missing = truth.len() - known.len();
        if known.is_empty() {
            return Err(Error::path(
                &self.table,
                format!(
                    "column `{target}` has no value, so no error can be measured; give a table with true values of `{target}`"
                ),
            ));
        }
        let pick = |values: &[f64]| -> Vec<f64> { known.iter().map(|&row| values[row]).collect() };
        let weight = weight.map_or_else(|| vec![1.0; known.len()], pick);
        self.check_weight(&weight, &known, first_line)?;
        let (pred, values) = (pick(pred), pick(truth));
        let quantile = source.student.provenance.get("quantile");
        let quantile = quantile.and_then(|text| text.parse().ok()).map(|quantile| {
            let pinball = Measure::Pinball { quantile }.score(&pred, &values, &weight);
            (quantile, pinball, metrics::covered(&pred, &values, &weight))
        });
        if missing > 0 && !self.quiet {
            tell(&format!(
                "note: {} of {} rows have no value in the column `{target}`, or a number that means missing there; these rows are left out",
                grouped(missing),
                grouped(truth.len())
            ));
        }
        Ok(Figures {
            target: name.clone(),
            rows: known.len(),
            missing,
            scores: metrics::scores(&pred, &values, &weight),
            quantile,
            intervals: Vec::new(),
        })
    }

    fn check_weight(
        &self,
        weight: &[f64],
        rows: &[usize],
        first_line: Option<usize>,
    ) -> Result<()> {
        let bad = weight
            .iter()
            .position(|weight| weight.is_nan() || *weight < 0.0);
        if let (Some(at), Some(column)) = (bad, &self.weight) {
            let (row, found) = (rows[at] + 1, weight[at]);
            let line = first_line
                .map_or_else(String::new, |first| format!(" (line {})", first + rows[at]));
            let found = if found.is_nan() {
                "nothing".to_owned()
            } else {
                found.to_string()
            };
            return Err(Error::path(
                &self.table,
                format!(
                    "row {row}{line}, column `{column}`: found {found}, expected a weight of 0 or more"
                ),
            ));
        }
        if weight.iter().sum::<f64>() <= 0.0 {
            return Err(Error::path(
                &self.table,
                "all weights are 0, so no error can be measured; give a weight above 0 to some rows",
            ));
        }
        Ok(())
    }
}

/// Coverage and mean width of intervals with the given lower and upper ends, over rows with a known target.
fn covered(
    level: f64,
    [low, high]: [&Vec<f64>; 2],
    is_known: impl Fn(usize) -> bool,
    truth: &[f64],
    weight: Option<&[f64]>,
) -> Covered {
    let (mut total, mut inside, mut width) = (0.0, 0.0, 0.0);
    for row in (0..truth.len()).filter(|&row| is_known(row)) {
        let weight = weight.map_or(1.0, |weight| weight[row]);
        total += weight;
        width += weight * (high[row] - low[row]);
        if low[row] <= truth[row] && truth[row] <= high[row] {
            inside += weight;
        }
    }
    Covered {
        level,
        coverage: inside / total,
        width: width / total,
    }
}
