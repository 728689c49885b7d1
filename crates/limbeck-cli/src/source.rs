//! A student from the command line: a run directory or a `.limbeck` file.

use std::path::{Path, PathBuf};

use limbeck::Run;
use limbeck_data::{ColumnKind, Features, ReadOptions, Table, Values};
use limbeck_runtime::{Encoding, Student};

use crate::error::{Error, Result};

/// A student and how to read rows for it.
pub(crate) struct Source {
    /// The student.
    pub(crate) student: Student,
    /// Its input columns; their kinds are known if it comes from a run.
    columns: Vec<(String, Option<ColumnKind>)>,
}

impl Source {
    /// Opens a run directory, of one target or of several, or a student's file.
    pub(crate) fn open(path: &Path) -> Result<Vec<Self>> {
        if !path.is_dir() {
            return Ok(vec![Self::of_file(path)?]);
        }
        let runs = limbeck::open_each(path)?;
        match limbeck::run::joint_student(path) {
            // Its inputs are those of any of its targets.
            Some(file) => Ok(vec![Self::of_run(&runs[0], &file)?]),
            None => runs.iter().map(Self::of_own).collect(),
        }
    }

    /// The student of the run in the folder `path`.
    pub(crate) fn one(path: &Path) -> Result<Self> {
        Self::of_own(&Run::open(path)?)
    }

    fn of_own(run: &Run) -> Result<Self> {
        Self::of_run(run, &run.path().join(limbeck::run::STUDENT))
    }

    fn of_run(run: &Run, file: &Path) -> Result<Self> {
        let student = load(file)?;
        let schema = run.report().data.schema().into_iter();
        let columns = schema.map(|(name, kind)| (name, Some(kind))).collect();
        Ok(Self { student, columns })
    }

    fn of_file(path: &Path) -> Result<Self> {
        let student = load(path)?;
        let kind = |encoding: &Encoding| match encoding {
            Encoding::Number { .. } => None,
            _ => Some(ColumnKind::Category),
        };
        let columns = student
            .encoder
            .columns
            .iter()
            .map(|column| (column.name.clone(), kind(&column.encoding)))
            .collect();
        Ok(Self { student, columns })
    }

    /// Reads a table for the student: its input columns and those in `extra` as the kinds they need, all others as inferred.
    pub(crate) fn read(&self, path: &Path, extra: &[(String, ColumnKind)]) -> Result<TableRows> {
        // A file does not tell numbers from booleans: where it does not, the table does.
        let all = Table::read(path, &ReadOptions::default())?;
        let kind = |name: &str| match all.column(name).map(|column| column.kind) {
            Some(ColumnKind::Boolean) => ColumnKind::Boolean,
            _ => ColumnKind::Number,
        };
        let schema: Vec<(String, ColumnKind)> = self
            .columns
            .iter()
            .map(|(name, known)| (name.clone(), known.unwrap_or_else(|| kind(name))))
            .collect();
        let wanted: Vec<(String, ColumnKind)> = schema.iter().chain(extra).cloned().collect();
        let mut read = Table::read_like(path, &wanted, &ReadOptions::default())?;
        let extra = read.columns.split_off(schema.len());
        let features = Features::from_table(read)?;
        let extra = extra.into_iter().map(|column| match column.values {
            Values::Number(values) => values,
            _ => unreachable!("extra columns are asked for as numbers"),
        });
        Ok(TableRows {
            features,
            extra: extra.collect(),
            all,
        })
    }

    /// Names of the predicted targets.
    pub(crate) fn targets(&self) -> Vec<&str> {
        let outputs = self.student.outputs.iter();
        outputs.map(|output| output.name.as_str()).collect()
    }

    /// Predictions for rows, by target.
    pub(crate) fn predict(&self, features: &Features) -> Result<Vec<Vec<f64>>> {
        let predictions = self.student.predict(&features.raw(), features.rows);
        let all = predictions.map_err(limbeck::Error::Runtime)?;
        let outputs = self.student.outputs.len();
        let of = |at: usize| all.iter().skip(at).step_by(outputs).copied().collect();
        Ok((0..outputs).map(of).collect())
    }
}

/// A table read for a student.
pub(crate) struct TableRows {
    /// The student's columns, in its order.
    pub(crate) features: Features,
    /// Further number columns that were asked for.
    pub(crate) extra: Vec<Vec<f64>>,
    /// The whole table.
    pub(crate) all: Table,
}

/// Reads a student's file.
pub(crate) fn load(path: &Path) -> Result<Student> {
    Student::load(path).map_err(Error::student(path))
}

/// True for a path whose name or first bytes are those of Parquet.
pub(crate) fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    read.is_ok() && &magic == b"PAR1"
}

/// The destination of results.
pub(crate) enum Destination {
    /// Standard output, as CSV.
    Stdout,
    /// A CSV file.
    Csv(PathBuf),
    /// A Parquet file.
    Parquet(PathBuf),
}

impl Destination {
    /// Reads `-o`: `-`, or a new file whose name gives the format.
    pub(crate) fn parse(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file() || found.is_dir());
        if is_file {
            return Err(Error::path(
                path,
                "exists already and is never overwritten; choose another -o or remove it",
            ));
        }
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("parquet" | "pq") => Ok(Self::Parquet(path.to_owned())),
            Some("csv") => Ok(Self::Csv(path.to_owned())),
            // A device or a pipe has no extension to tell.
            _ if path.exists() => Ok(Self::Csv(path.to_owned())),
            _ => Err(Error::path(
                path,
                "the name does not tell the format; end it with .csv or .parquet",
            )),
        }
    }

    /// Refuses standard output, for results that are too long for a terminal.
    pub(crate) fn require_file(&self, what: &str) -> Result<()> {
        match self {
            Self::Stdout => Err(Error::Message(format!(
                "{what} are written to a file only; name a new .parquet or .csv file with -o"
            ))),
            Self::Csv(_) | Self::Parquet(_) => Ok(()),
        }
    }

    /// Writes a table; a file is written completely or not at all.
    pub(crate) fn write(&self, table: &Table) -> Result<()> {
        match self {
            Self::Csv(path) => Ok(table.write_csv(path)?),
            Self::Parquet(path) => Ok(table.write_parquet(path)?),
            Self::Stdout => {
                let folder = tempfile::tempdir().map_err(|error| {
                    Error::Message(format!("cannot create a temporary folder: {error}"))
                })?;
                let file = folder.path().join("stdout.csv");
                table.write_csv(&file)?;
                let bytes =
                    std::fs::read(&file).map_err(|error| Error::path(&file, error.to_string()))?;
                crate::output::print_bytes(&bytes)
            }
        }
    }
}
