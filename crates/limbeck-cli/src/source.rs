//! A student that the user names by a run directory or by a `.limbeck` file.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use limbeck::Run;
use limbeck_data::ranges::{Range, Watch};
use limbeck_data::stream::{Asked, Failed, Written};
use limbeck_data::{
    ColumnKind, Content, Feature, FeatureKind, Features, LearnedRows, MissingNumbers, Notation,
    ReadOptions, Table, Values, raw_columns, targets_ahead,
};
use limbeck_distill::States;
use limbeck_runtime::{Encoding, Interval, Memory, Sequence, Student};

use crate::error::{Error, Result};

/// A student, and how tables for it are read.
pub(crate) struct Source {
    /// The student.
    pub(crate) student: Student,
    /// Names of the targets. If each of several targets has its own student, horizons of one column have names of their own.
    targets: Vec<String>,
    /// Kinds of the student's input columns. A `.limbeck` file does not say which number columns were booleans, so a number column may be read from
    /// numbers or from booleans.
    kinds: Vec<FeatureKind>,
    /// How rows form series; `None` if the student was not trained on series.
    sequence: Option<Sequence>,
    /// The options with which the student's run read its table; the defaults if the user named a `.limbeck` file.
    pub(crate) reading: ReadOptions,
    /// Numbers that mean *missing* in the target columns, by target; empty if the user named a `.limbeck` file.
    missing_targets: BTreeMap<String, MissingNumbers>,
    /// Upper limit of the target in training; `None` without a limit.
    target_cap: Option<f64>,
    /// Counts values outside the ranges of the training and validation rows. It watches no column if the user named a `.limbeck` file.
    pub(crate) watch: Watch,
    /// The target of the run, and hashes of rows that the run learned from. Each hash is of a row's features and its value of this target. `None` if
    /// the user named a `.limbeck` file.
    learned: Option<Learned>,
    /// The states of the series of the table that is predicted, for a student that carries them.
    states: Mutex<States>,
}

/// Names of the targets that the student predicts.
fn target_names(student: &Student) -> Vec<String> {
    let outputs = student.outputs.iter();
    outputs.map(|output| output.name.clone()).collect()
}

/// The rows that a run learned from, as hashes of features and target.
struct Learned {
    target: String,
    rows: LearnedRows,
    /// True if the hashes leave out statistics of many earlier rows, which a recurrent student does not read.
    of_steps: bool,
}

impl Source {
    /// Like [`open`](Self::open), for the command `usage`, whose arguments are `path` and `table`. If the user seems to have swapped the two, the
    /// error says so.
    pub(crate) fn open_for(usage: &str, path: &Path, table: &Path) -> Result<Vec<Self>> {
        let is_student = |path| matches!(Content::of(path), Content::Run | Content::Limbeck);
        if table != Path::new("-") && is_student(table) && !is_student(path) && path.exists() {
            let (name, path) = (Content::of(path).name(), path.display());
            let table = table.display();
            return Err(Error::Message(format!(
                "{path} is {name}, and {table} is a run or a student: the arguments seem swapped; write `limbeck {usage} {table} {path}`"
            )));
        }
        Self::open(path)
    }

    /// Opens the student of a run directory, or a student's file. A folder for several targets has one student for all, or one for each.
    pub(crate) fn open(path: &Path) -> Result<Vec<Self>> {
        let is_named = path.extension().is_some_and(|end| end == "limbeck");
        if !path.is_dir() && (path.exists() || is_named) {
            return Ok(vec![Self::of_file(path)?]);
        }
        let runs = limbeck::open_each(path)?;
        match limbeck::run::joint_student(path) {
            // It has the same inputs as the student of each of its targets.
            Some(file) => Ok(vec![Self::of_run(&runs[0], &file)?]),
            None => {
                let mut sources: Vec<Self> =
                    runs.iter().map(Self::of_own).collect::<Result<_>>()?;
                let names = limbeck::run::target_names(path)?;
                for (source, name) in sources.iter_mut().zip(names) {
                    if let Some(learned) = &mut source.learned {
                        learned.target.clone_from(&name);
                    }
                    source.targets = vec![name];
                }
                // All students were trained on the same table, but each run stores only the notations of its own columns.
                let all = sources
                    .iter()
                    .flat_map(|source| source.reading.notations.clone());
                let notations: BTreeMap<String, Notation> = all.collect();
                for source in &mut sources {
                    source.reading.notations.clone_from(&notations);
                }
                Ok(sources)
            }
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
        let (report, data) = (run.report(), &run.report().data);
        let is_read = |kind: &&FeatureKind| {
            let mut columns = student.encoder.columns.iter();
            columns.any(|column| column.name == kind.name)
        };
        Ok(Self {
            kinds: data.features.iter().filter(is_read).cloned().collect(),
            sequence: data.sequence().map(|sequence| read_by(&student, sequence)),
            reading: data.reading(&run.recipe().data),
            missing_targets: data.missing_targets.clone(),
            target_cap: run.recipe().data.target_cap,
            watch: watch(&student, &data.ranges),
            learned: Some(Learned {
                target: report.target.clone(),
                rows: data.learned.clone(),
                of_steps: data.sequence().is_some_and(|own| own.rows_before > 0),
            }),
            targets: target_names(&student),
            states: Mutex::default(),
            student,
        })
    }

    fn of_file(path: &Path) -> Result<Self> {
        let student = load(path)?;
        let kind = |encoding: &Encoding| match encoding {
            Encoding::Number { .. } => ColumnKind::Number,
            _ => ColumnKind::Category,
        };
        let columns = student.encoder.columns.iter();
        let kinds = columns.map(|column| FeatureKind {
            name: column.name.clone(),
            kind: kind(&column.encoding),
            date: column.date.clone(),
            history: column.history.clone(),
        });
        let kinds: Vec<FeatureKind> = kinds.collect();
        let looks_back = kinds.iter().any(|kind| kind.history.is_some());
        if (looks_back || student.memory.is_some()) && student.sequence.is_none() {
            return Err(Error::path(
                path,
                "the student looks back on earlier rows, but its file does not say how rows form series; export or train it again",
            ));
        }
        Ok(Self {
            watch: watch(&student, &BTreeMap::new()),
            learned: None,
            sequence: (student.sequence.as_ref()).map(|sequence| read_by(&student, sequence)),
            targets: target_names(&student),
            states: Mutex::default(),
            student,
            kinds,
            reading: ReadOptions::default(),
            missing_targets: BTreeMap::new(),
            target_cap: None,
        })
    }

    /// The columns that the student reads.
    pub(crate) fn asked(&self) -> Asked {
        Asked::new(self.kinds.clone(), self.sequence.clone())
    }

    /// Reads the columns of the student from a table, the number columns `targets` of its outputs in order, and the number columns `more`. If the student
    /// forecasts, the value of a target is that of a later row, and NaN if there is none.
    pub(crate) fn read(
        &self,
        path: &Path,
        (targets, more): (&[String], &[String]),
        options: &ReadOptions,
    ) -> Result<TableRows> {
        let sequence = self
            .sequence
            .as_ref()
            .filter(|sequence| sequence.horizon > 0);
        // With several horizons, a column has several targets.
        let mut columns: Vec<String> = targets.to_vec();
        columns.dedup();
        let extra = columns.iter().chain(more);
        let extra = extra.map(|name| (name.clone(), ColumnKind::Number));
        let mut own = raw_columns(&self.kinds, self.sequence.as_ref());
        for key in sequence.into_iter().flat_map(limbeck_data::key_columns) {
            if !own.iter().any(|(name, _)| *name == key.0) {
                own.push(key);
            }
        }
        let wanted: Vec<(String, ColumnKind)> = own.iter().cloned().chain(extra).collect();
        let mut read = Table::read_like(path, &wanted, options)?;
        let extra = read.columns.split_off(own.len());
        let first_line = read.first_line;
        let features = Features::of_table(&read, &self.kinds, self.sequence.as_ref())?;
        let extra = extra.into_iter().map(|column| match column.values {
            Values::Number(values) => values,
            _ => unreachable!("extra columns are asked for as numbers"),
        });
        let mut extra: Vec<Vec<f64>> = extra.collect();
        let more = extra.split_off(columns.len());
        let place = |target: &String| columns.iter().position(|column| column == target);
        let values = targets
            .iter()
            .filter_map(|target| extra.get(place(target)?));
        let mut extra: Vec<Vec<f64>> = values.cloned().chain(more).collect();
        if let Some(sequence) = sequence {
            for (at, (name, values)) in targets.iter().zip(&mut extra).enumerate() {
                let missing = values
                    .iter_mut()
                    .filter(|value| self.means_missing(name, **value));
                missing.for_each(|value| *value = f64::NAN);
                *values = targets_ahead(&read, &self.sequence_of(at, sequence), values)?;
            }
        }
        if let Some(cap) = self.target_cap {
            let values = extra.iter_mut().take(targets.len()).flatten();
            values
                .filter(|value| **value > cap)
                .for_each(|value| *value = cap);
        }
        Ok(TableRows {
            features,
            extra,
            first_line,
        })
    }

    /// How rows form series, with the horizon of an output.
    fn sequence_of(&self, output: usize, sequence: &Sequence) -> Sequence {
        let later = self.student.outputs.get(output);
        let later = later.and_then(|output| output.later.as_ref());
        Sequence {
            horizon: later.map_or(sequence.horizon, |later| later.horizon),
            ..sequence.clone()
        }
    }

    /// Names of the columns of the predicted targets.
    pub(crate) fn target_columns(&self) -> Vec<String> {
        let outputs = self.student.outputs.iter();
        outputs.map(|output| output.column().to_owned()).collect()
    }

    /// True if `value` is a known value to predict: neither NaN nor a number that means *missing*. For a student that forecasts, [`read`](Self::read)
    /// has replaced such numbers already.
    pub(crate) fn is_known(&self, target: &str, value: f64) -> bool {
        let forecasts = self
            .sequence
            .as_ref()
            .is_some_and(|sequence| sequence.horizon > 0);
        !value.is_nan() && (forecasts || !self.means_missing(target, value))
    }

    fn means_missing(&self, target: &str, value: f64) -> bool {
        let missing = self.missing_targets.get(target);
        missing.is_some_and(|missing| missing.holds(value))
    }

    /// An estimate of the share of the given rows that the run learned from; `None` if it is small or unknown ([`LearnedRows::share`]). `targets` has
    /// the values of each target by name.
    pub(crate) fn learned_share<'a>(
        &self,
        features: &Features,
        targets: impl IntoIterator<Item = (&'a String, &'a Vec<f64>)>,
    ) -> Option<f64> {
        let learned = self.learned.as_ref()?;
        let (_, values) = targets
            .into_iter()
            .find(|(name, _)| **name == learned.target)?;
        let hashed = features.only(|column| !learned.of_steps || column.is_step());
        let missing = |column: &Feature| {
            let mut own = self.student.encoder.columns.iter();
            let own = own.find(|own| own.name == column.name);
            own.map_or_else(MissingNumbers::default, |own| own.missing.clone())
        };
        let missing: Vec<MissingNumbers> = hashed.columns.iter().map(missing).collect();
        learned.rows.share(&hashed, &missing, values)
    }

    /// True if the numbers of a feature are normalized by operating regime, or computed from such numbers.
    pub(crate) fn is_normalized(&self, feature: &str) -> bool {
        let kind = self.kinds.iter().find(|kind| kind.name == feature);
        let column = kind.and_then(|kind| kind.history.as_ref());
        let column = column.map_or(feature, |history| &history.column);
        let regimes = self.sequence.as_ref().and_then(|own| own.regimes.as_ref());
        regimes.is_some_and(|own| own.columns.iter().any(|own| own.name == column))
    }

    /// Names of the predicted targets.
    pub(crate) fn targets(&self) -> Vec<&str> {
        self.targets.iter().map(String::as_str).collect()
    }

    /// The predictions as `predictions[target][row]`.
    ///
    /// The states of a student that carries them run on from one block of a table to the next.
    pub(crate) fn predict(&self, features: &Features) -> Result<Vec<Vec<f64>>> {
        let all = match self.student.memory {
            Some(Memory::Carried) => {
                let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
                states.predict(&self.student, features)
            }
            Some(Memory::Rolling(_)) | None => limbeck_distill::predict(&self.student, features),
        };
        let all = all.map_err(limbeck::Error::from)?;
        let outputs = self.student.outputs.len();
        let of = |at: usize| all.iter().skip(at).step_by(outputs).copied().collect();
        Ok((0..outputs).map(of).collect())
    }

    /// Refuses a level of which the student has no prediction intervals. `path` is how the user named the student.
    pub(crate) fn check_level(&self, path: &Path, level: f64) -> Result<()> {
        let mut outputs = 0..self.student.outputs.len();
        outputs.try_for_each(|output| {
            let interval = self.student.interval(output, 0.0, level);
            interval.map(drop).map_err(Error::student(path))
        })
    }

    /// For each target, the predictions and the lower and upper ends of their intervals: `columns[3 · target + which][row]`.
    pub(crate) fn with_intervals(
        &self,
        predictions: Vec<Vec<f64>>,
        level: f64,
    ) -> Result<Vec<Vec<f64>>> {
        let mut columns = Vec::new();
        for (output, predictions) in predictions.into_iter().enumerate() {
            let interval = |&one: &f64| self.student.interval(output, one, level);
            let intervals = predictions.iter().map(interval);
            let intervals: Vec<Interval> = intervals
                .collect::<limbeck_runtime::Result<_>>()
                .map_err(limbeck::Error::from)?;
            let ends = [
                intervals.iter().map(|one| one.low).collect(),
                intervals.iter().map(|one| one.high).collect(),
            ];
            columns.push(predictions);
            columns.extend(ends);
        }
        Ok(columns)
    }
}

/// How the student reads the rows of series, by its memory: the teacher may have read more rows.
fn read_by(student: &Student, sequence: &Sequence) -> Sequence {
    let rows_before = match student.memory {
        Some(Memory::Rolling(rows)) => rows - 1,
        // The row before a block shows which series go on in it.
        Some(Memory::Carried) => 1,
        None => 0,
    };
    Sequence {
        rows_before,
        ..sequence.clone()
    }
}

/// A counter of values outside the training range, for those columns of the student that have a range in `ranges` (by column name).
fn watch(student: &Student, ranges: &BTreeMap<String, Range>) -> Watch {
    let columns = student.encoder.columns.iter().map(|column| {
        let part = column.date.as_ref().map(|date| date.part);
        (column.name.as_str(), &column.missing, part)
    });
    Watch::new(columns, ranges)
}

/// The columns that were read from a table for a student.
pub(crate) struct TableRows {
    /// The student's columns, in the order of the student.
    pub(crate) features: Features,
    /// The additional number columns, in the order in which they were asked for.
    pub(crate) extra: Vec<Vec<f64>>,
    /// Line of the first row in the file, from 1. `None` unless the table is one text file in which each row is one line.
    pub(crate) first_line: Option<usize>,
}

/// Reads a student's file.
pub(crate) fn load(path: &Path) -> Result<Student> {
    let is_named = path.extension().is_some_and(|end| end == "limbeck");
    let is_other = |found: &Content| match found {
        Content::Foreign { .. } => true,
        // A damaged file may look like text.
        Content::Table => !is_named,
        _ => false,
    };
    if let Some(found) = Some(Content::of(path)).filter(is_other) {
        let within = path.parent().filter(|folder| limbeck::run::is_run(folder));
        let fix = match within {
            Some(run) => format!("give the folder of the run: {}", run.display()),
            None => {
                "expected the folder of a run, such as runs/NAME, or a .limbeck file".to_owned()
            }
        };
        return Err(Error::Message(format!(
            "{} is {}, not a limbeck file; {fix}",
            path.display(),
            found.name()
        )));
    }
    Student::load(path).map_err(Error::student(path))
}

/// Where results are written.
pub(crate) enum Destination {
    /// Standard output, as CSV.
    Stdout,
    /// A CSV file.
    Csv(PathBuf),
    /// A Parquet file.
    Parquet(PathBuf),
}

impl Destination {
    /// Parses the value of `-o`: `-`, or a new file whose name gives the format.
    pub(crate) fn parse(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file() || found.is_dir());
        if is_file {
            return Err(Error::path(
                path,
                "exists already and is never overwritten; give another path with -o, or delete the existing one",
            ));
        }
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("parquet" | "pq") => Ok(Self::Parquet(path.to_owned())),
            Some("csv") => Ok(Self::Csv(path.to_owned())),
            // A device or a pipe needs no extension.
            _ if path.exists() => Ok(Self::Csv(path.to_owned())),
            _ => Err(Error::path(
                path,
                "the name does not show the format; choose a name that ends in .csv or .parquet",
            )),
        }
    }

    /// Refuses standard output for results that are too long for a terminal. `what` names the results in the message.
    pub(crate) fn require_file(&self, what: &str) -> Result<()> {
        match self {
            Self::Stdout => Err(Error::Message(format!(
                "{what} are written to a file only; name a new .parquet or .csv file with -o"
            ))),
            Self::Csv(_) | Self::Parquet(_) => Ok(()),
        }
    }

    /// The format in which a table is written to this destination.
    pub(crate) fn written(&self) -> Written {
        match self {
            Self::Stdout | Self::Csv(_) => Written::Text,
            Self::Parquet(_) => Written::Parquet,
        }
    }

    /// Writes to this destination what `content` writes, and returns its result. A file is written completely or not at all, and never replaces
    /// another. Standard output gets the content as it comes; `None` if its reader has closed it, as `head` does.
    pub(crate) fn write<T>(&self, content: impl FnOnce(Out) -> Outcome<T>) -> Result<Option<T>> {
        let (Self::Csv(path) | Self::Parquet(path)) = self else {
            return match content(Box::new(std::io::stdout())) {
                Ok(value) => Ok(Some(value)),
                Err(Failed::Other(error)) => Err(error),
                Err(Failed::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(None),
                Err(Failed::Write(error)) => Err(Error::Stdout(error)),
            };
        };
        let mut outcome = Ok(None);
        let written = limbeck_data::write::new(path, |file| {
            let out = file.try_clone()?;
            match content(Box::new(out)) {
                Ok(value) => outcome = Ok(Some(value)),
                Err(Failed::Write(error)) => return Err(error),
                Err(Failed::Other(error)) => {
                    outcome = Err(error);
                    return Err(ErrorKind::Other.into());
                }
            }
            Ok(())
        });
        // An error of `content` comes first: it is the cause of the error of writing.
        let value = outcome?;
        written?;
        Ok(value)
    }
}

/// A writer to a file or to standard output.
pub(crate) type Out = Box<dyn Write + Send>;

/// The result of writing a table or other results.
pub(crate) type Outcome<T> = std::result::Result<T, Failed<Error>>;
