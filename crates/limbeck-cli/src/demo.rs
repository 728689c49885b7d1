//! `limbeck demo`: a complete example on a sensor that the program simulates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use limbeck::{Quality, Recipe};
use limbeck_data::{Table, Values, simulate};

use crate::distill::watched;
use crate::error::{Error, Result};
use crate::output::{Style, print};
use crate::render::{self, Grid};
use crate::source::Source;
use crate::{INTERRUPTED, output};

/// Run a complete example on a simulated sensor, in under a minute
///
/// An NTC thermistor in a bridge, with self-heating, part tolerances, board drift, three measuring ranges and a 12-bit
/// converter: six raw readings, and the true air temperature to predict from them.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Folder to create for the table and the run [default: a temporary one, which is kept]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Rows to simulate
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    rows: u32,
    /// Seed of the simulation and of the run
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Number of threads; results do not depend on it [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Show no progress, notes or warnings
    #[arg(long)]
    quiet: bool,
}

/// Rows shown with their predictions.
const SHOWN: usize = 3;
/// Maximum number of parameters of the student: what a small microcontroller holds.
const PARAMS: usize = 2000;
/// Training steps, few enough for a slow machine.
const STEPS: usize = 6000;

impl Demo {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let folder = self.folder()?;
        let file = folder.join("thermistor.csv");
        simulate::thermistor(self.rows as usize, self.seed).write_csv(&file)?;
        let (out, style) = (folder.join("run"), Style::stdout());
        let command = format!(
            "limbeck distill {} --target {} --quality fast --params {PARAMS} --steps {STEPS}",
            file.display(),
            simulate::THERMISTOR_TARGET
        );
        print(&format!("{}\n\n", style.bold(&format!("$ {command}"))))?;
        let Some(run) = watched(self.quiet, |progress| {
            Ok(limbeck::distill(
                &self.recipe(&file).check()?,
                &out,
                progress,
            )?)
        })?
        else {
            return Ok(INTERRUPTED.into());
        };
        print(&format!("{}\n", render::result(run.report(), style)))?;
        self.predict(&folder, &out)?;
        print(&format!("\nrun: {}\n", run.path().display()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn folder(&self) -> Result<PathBuf> {
        let Some(out) = &self.out else {
            let folder = tempfile::Builder::new().prefix("limbeck-demo-").tempdir();
            return Ok(folder
                .map_err(|error| {
                    Error::Message(format!("cannot create a temporary folder: {error}"))
                })?
                .keep());
        };
        if out.exists() {
            return Err(Error::path(
                out,
                "exists already and is never overwritten; choose another --out or remove it",
            ));
        }
        std::fs::create_dir_all(out)
            .map_err(|error| Error::path(out, format!("cannot create the folder: {error}")))?;
        Ok(out.clone())
    }

    fn recipe(&self, table: &Path) -> Recipe {
        let mut recipe = Recipe::preset(Quality::Fast);
        recipe.table = table.to_owned();
        simulate::THERMISTOR_TARGET.clone_into(&mut recipe.data.target);
        (recipe.seed, recipe.threads) = (self.seed, self.threads);
        (recipe.student.params, recipe.student.steps) = (PARAMS, STEPS);
        recipe
    }

    /// Predicts new readings and prints them beside the true values of the simulation.
    fn predict(&self, folder: &Path, run: &Path) -> Result<()> {
        let file = folder.join("new.csv");
        simulate::thermistor(SHOWN, self.seed.wrapping_add(1)).write_csv(&file)?;
        let style = Style::stdout();
        let command = format!("limbeck predict {} {}", run.display(), file.display());
        print(&format!("{}\n\n", style.bold(&format!("$ {command}"))))?;
        let source = Source::one(run)?;
        let rows = source.read(&file, &[], &source.reading)?;
        let predictions = source.predict(&rows.features)?.swap_remove(0);
        let table = Table::read(&file, &source.reading)?;
        output::print(&shown(&table, &predictions).render(style))
    }
}

/// The table with a column of predictions.
fn shown(table: &Table, predictions: &[f64]) -> Grid {
    let names = table.names();
    let header: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .chain(["prediction"])
        .collect();
    let mut grid = Grid::new(&header, &"r".repeat(header.len()));
    for (row, prediction) in predictions.iter().enumerate() {
        let cells = table.columns.iter().map(|column| match &column.values {
            Values::Number(values) if values[row].is_nan() => "–".to_owned(),
            Values::Number(values) => values[row].to_string(),
            Values::Category { codes, levels } => {
                levels.get(codes[row] as usize).cloned().unwrap_or_default()
            }
            Values::Time(_) | Values::Text(_) => String::new(),
        });
        grid.row(cells.chain([format!("{prediction:.3}")]));
    }
    grid
}
