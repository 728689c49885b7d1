//! `limbeck evaluate`: measures a student on known targets.

use std::path::PathBuf;

use clap::Args;
use limbeck_data::metrics::{self, Measure, Scores};
use limbeck_distill::proof::short;
use serde_json::json;

use crate::error::{Error, Result};
use crate::output::{Style, print, tell};
use crate::reading::Reading;
use crate::render::{Grid, grouped, r_squared};
use crate::source::Source;

/// Measure a student on a table with known targets
///
/// Rows without target are left out and counted. Errors are in the target's own unit.
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
    #[command(flatten)]
    reading: Reading,
    /// Print JSON instead of a table
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print only results and errors
    #[arg(long, help_heading = "Output")]
    quiet: bool,
}

/// The metrics of one output of a student.
struct Figures {
    target: String,
    rows: usize,
    missing: usize,
    scores: Scores,
    /// The quantile that it predicts, its pinball loss and the share of targets at or below it.
    quantile: Option<(f64, f64, f64)>,
}

impl Figures {
    fn json(&self) -> serde_json::Value {
        let Scores { rmse, mae, r2 } = self.scores;
        let mut value = json!({ "target": self.target, "rows": self.rows, "missing": self.missing, "rmse": rmse, "mae": mae, "r2": r2 });
        if let Some((quantile, pinball, covered)) = self.quantile {
            value["quantile"] =
                json!({ "quantile": quantile, "pinball": pinball, "covered": covered });
        }
        value
    }
}

impl Evaluate {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let sources = Source::open(&self.student)?;
        let targets = sources.iter().flat_map(Source::targets).count();
        if targets > 1 && self.target.is_some() {
            return Err(Error::Message("--target names one column, but several targets are predicted here; leave it out, or name the folder of one target".into()));
        }
        let each = |source| (0..Source::targets(source).len()).map(move |at| (source, at));
        let found: Vec<Figures> = sources
            .iter()
            .flat_map(each)
            .map(|(source, at)| self.figures(source, at))
            .collect::<Result<_>>()?;
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
        print(&text)
    }

    /// The metrics of one output of a student.
    fn figures(&self, source: &Source, at: usize) -> Result<Figures> {
        let own = source.targets()[at];
        let target = self.target.as_deref().unwrap_or(own).to_owned();
        let mut extra = vec![target.clone()];
        extra.extend(self.weight.clone());
        let options = self.reading.over(&source.reading);
        let rows = source.read(&self.table, &extra, &options)?;
        let known: Vec<usize> = (0..rows.features.rows)
            .filter(|&row| !rows.extra[0][row].is_nan())
            .collect();
        let missing = rows.features.rows - known.len();
        if known.is_empty() {
            return Err(Error::path(
                &self.table,
                format!("column `{target}` has no value; nothing can be compared"),
            ));
        }
        let pick = |values: &[f64]| -> Vec<f64> { known.iter().map(|&row| values[row]).collect() };
        let weight = rows
            .extra
            .get(1)
            .map_or_else(|| vec![1.0; known.len()], |weight| pick(weight));
        self.check_weight(&weight, &known)?;
        let pred = source
            .predict(&rows.features.select(&known))?
            .swap_remove(at);
        let truth = pick(&rows.extra[0]);
        let scores = metrics::scores(&pred, &truth, &weight);
        let quantile = source
            .student
            .provenance
            .get("quantile")
            .and_then(|text| text.parse().ok())
            .map(|quantile| {
                let pinball = Measure::Pinball { quantile }.score(&pred, &truth, &weight);
                (quantile, pinball, metrics::covered(&pred, &truth, &weight))
            });
        if missing > 0 && !self.quiet {
            tell(&format!(
                "note: {} of {} rows have no `{target}` and are left out",
                grouped(missing),
                grouped(rows.features.rows)
            ));
        }
        Ok(Figures {
            target,
            rows: known.len(),
            missing,
            scores,
            quantile,
        })
    }

    fn check_weight(&self, weight: &[f64], rows: &[usize]) -> Result<()> {
        let bad = weight
            .iter()
            .position(|weight| weight.is_nan() || *weight < 0.0);
        if let (Some(at), Some(column)) = (bad, &self.weight) {
            let (row, found) = (rows[at] + 1, weight[at]);
            let found = if found.is_nan() {
                "nothing".to_owned()
            } else {
                found.to_string()
            };
            return Err(Error::path(
                &self.table,
                format!(
                    "row {row}, column `{column}`: found {found}, expected a weight of 0 or more"
                ),
            ));
        }
        if weight.iter().sum::<f64>() <= 0.0 {
            return Err(Error::path(
                &self.table,
                "all weights are 0; nothing can be compared",
            ));
        }
        Ok(())
    }
}
