//! `limbeck demo`: a complete example on a sensor that the program simulates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use limbeck::export::{self, Format};
use limbeck::{Quality, Recipe, Run};
use limbeck_data::{Table, Values, simulate};

use crate::distill::watched;
use crate::error::{Error, Result};
use crate::output::{Style, print};
use crate::render::{self, Grid};
use crate::source::Source;
use crate::{INTERRUPTED, output};

/// Run a complete example on a simulated sensor, in under a minute
///
/// The sensor is an NTC thermistor in a bridge, with self-heating, part tolerances, board drift, three measuring ranges and a 12-bit converter. It
/// gives six raw readings, from which the true air temperature is to be predicted. Calibration in the laboratory is expensive, so only few readings
/// have a true temperature; readings from the field, without a true temperature, are plenty. The teacher, a Gaussian process, learns from the few. It
/// is accurate, but far too slow for the sensor. It labels the readings from the field, and a network small enough for a microcontroller learns from
/// both.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Folder to create for the tables and the run [default: a temporary one, which is kept]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of calibrated readings to simulate
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
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

/// Number of readings from the field, without true temperature.
const FIELD: usize = 20_000;
/// Number of readings with true temperature that are held out for the test.
const CHECK: usize = 2000;
/// Number of new readings that are predicted and shown.
const SHOWN: usize = 3;
/// Maximum number of parameters of the student, small enough for a small microcontroller.
const PARAMS: usize = 2000;

/// Paths of the tables of the demo.
struct Tables {
    calibrated: PathBuf,
    field: PathBuf,
    check: PathBuf,
}

impl Demo {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let folder = self.folder()?;
        let tables = self.simulate(&folder)?;
        print(&format!(
            "A temperature sensor: {} calibrated readings to learn from, {FIELD} readings from the field without true temperature, {CHECK} calibrated readings for the test.\n\n",
            self.rows
        ))?;
        let out = folder.join("run");
        say(&format!(
            "limbeck distill {} --target {} --test {} --unlabeled {} --params {PARAMS} --quality fast --seed {} -o {}",
            tables.calibrated.display(),
            simulate::THERMISTOR_TARGET,
            tables.check.display(),
            tables.field.display(),
            self.seed,
            out.display()
        ))?;
        let recipe = self.recipe(&tables).check()?;
        let Some(run) = watched(self.quiet, |progress| {
            Ok(limbeck::distill(&recipe, &out, progress)?)
        })?
        else {
            return Ok(INTERRUPTED.into());
        };
        print(&format!(
            "{}\n",
            render::result(run.report(), Style::stdout())
        ))?;
        self.predict(&folder, &out)?;
        export(&run)?;
        print(&format!("\nrun: {}\n", run.path().display()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn simulate(&self, folder: &Path) -> Result<Tables> {
        let readings =
            |part: u64, rows: usize| simulate::thermistor(rows, self.seed.wrapping_add(part));
        let tables = Tables {
            calibrated: folder.join("thermistor.csv"),
            field: folder.join("field.csv"),
            check: folder.join("check.csv"),
        };
        let mut field = readings(1, FIELD);
        field
            .columns
            .retain(|column| column.name != simulate::THERMISTOR_TARGET);
        readings(0, self.rows as usize).write_csv(&tables.calibrated)?;
        field.write_csv(&tables.field)?;
        readings(2, CHECK).write_csv(&tables.check)?;
        Ok(tables)
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
                "exists already and is never overwritten; give another path with --out, or delete the existing one",
            ));
        }
        std::fs::create_dir_all(out)
            .map_err(|error| Error::path(out, format!("cannot create the folder: {error}")))?;
        Ok(out.clone())
    }

    fn recipe(&self, tables: &Tables) -> Recipe {
        let mut recipe = Recipe::preset(Quality::Fast);
        recipe.table.clone_from(&tables.calibrated);
        recipe.unlabeled = Some(tables.field.clone());
        recipe.data.test = Some(tables.check.clone());
        simulate::THERMISTOR_TARGET.clone_into(&mut recipe.data.target);
        (recipe.seed, recipe.threads) = (self.seed, self.threads);
        recipe.student.params = PARAMS;
        recipe
    }

    /// Predicts new readings, and prints the predictions beside the true values of the simulation.
    fn predict(&self, folder: &Path, run: &Path) -> Result<()> {
        let file = folder.join("new.csv");
        simulate::thermistor(SHOWN, self.seed.wrapping_add(3)).write_csv(&file)?;
        say(&format!(
            "limbeck predict {} {}",
            run.display(),
            file.display()
        ))?;
        let source = Source::one(run)?;
        let rows = source.read(&file, (&[], &[]), &source.reading)?;
        let predictions = source.predict(&rows.features)?.swap_remove(0);
        let table = Table::read(&file, &source.reading)?;
        output::print(&shown(&table, &predictions).render(Style::stdout()))
    }
}

/// Prints a command as a user would type it.
fn say(command: &str) -> Result<()> {
    let line = Style::stdout().bold(&format!("$ {command}"));
    print(&format!("{line}\n\n"))
}

/// Exports the student as C, and prints the names and sizes of the files.
fn export(run: &Run) -> Result<()> {
    print("\n")?;
    say(&format!("limbeck export {} --to c", run.path().display()))?;
    let files = export::export_runs(run.path(), Format::C, None, ("student", &[]))?;
    for file in &files {
        let bytes = std::fs::metadata(file).map_or(0, |found| found.len());
        print(&format!("{} ({bytes} bytes)\n", file.display()))?;
    }
    let header = files
        .iter()
        .find(|file| file.extension().is_some_and(|end| end == "h"));
    let text = header
        .and_then(|file| std::fs::read_to_string(file).ok())
        .unwrap_or_default();
    let sizes = text
        .lines()
        .find(|line| line.contains("bytes of constants"));
    print(&sizes.map_or_else(String::new, |line| {
        format!("{}\n", line.trim_matches([' ', '*', '/']))
    }))
}

/// The table as text, with an additional column of predictions.
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
