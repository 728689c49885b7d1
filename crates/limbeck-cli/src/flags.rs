//! Flags, and the recipe keys that they stand for.
//!
//! Each flag is one key of the recipe: the flags given are collected in a TOML table, which the library lays over the recipe
//! file. Whatever is not given is left to the recipe and its preset.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use limbeck::Recipe;
use limbeck_data::{Action, Check, Kind};
use toml::{Table, Value};

use crate::error::{Error, Result};

/// Flags as a table over the recipe.
#[derive(Debug, Default)]
struct Overlay(Table);

impl Overlay {
    /// Sets a key such as `data.target` where a value is given.
    fn set(&mut self, key: &str, value: Option<impl Into<Value>>) {
        let Some(value) = value else { return };
        let (sections, name) = key
            .rsplit_once('.')
            .map_or((None, key), |(sections, name)| (Some(sections), name));
        let mut table = &mut self.0;
        for section in sections
            .into_iter()
            .flat_map(|sections| sections.split('.'))
        {
            let entry = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = entry else {
                unreachable!("flags never set a section as a value")
            };
            table = inner;
        }
        table.insert(name.to_owned(), value.into());
    }

    fn set_path(&mut self, key: &str, path: Option<&PathBuf>) -> Result<()> {
        let text = path.map(|path| {
            path.to_str()
                .ok_or_else(|| Error::path(path, "the path is not UTF-8; rename it"))
        });
        self.set(key, text.transpose()?);
        Ok(())
    }

    fn set_list(&mut self, key: &str, list: &[String]) {
        self.set(key, (!list.is_empty()).then(|| list.to_vec()));
    }

    fn set_pairs(&mut self, key: &str, pairs: &[(String, String)]) {
        let table: Table = pairs
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        self.set(key, (!table.is_empty()).then_some(table));
    }

    fn set_whole(&mut self, key: &str, value: Option<u64>) {
        self.set(
            key,
            value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)),
        );
    }
}

/// The table, its target and the recipe.
#[derive(Args, Debug, Default, PartialEq)]
pub(crate) struct JobFlags {
    /// CSV or Parquet file to learn from; may stand in the recipe
    #[arg(value_name = "TABLE")]
    table: Option<PathBuf>,
    /// Column to predict, a number; may stand in the recipe. Several (comma-separated or repeated) get a run each
    #[arg(short, long, value_name = "COLUMN", value_delimiter = ',')]
    target: Vec<String>,
    /// Recipe file (TOML) with any of the options; flags override it. `limbeck init` writes one
    #[arg(short, long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// How much work to do: a first look, the balance, or several times slower for the last per cent
    #[arg(short, long, value_name = "LEVEL", value_parser = PossibleValuesParser::new(["fast", "default", "best"]))]
    quality: Option<String>,
    /// Which methods to use: a combination for one situation, each a file of the folder `recipes` [default: default]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(["default", "features", "small-data", "noisy-teacher", "house-price"]))]
    preset: Option<String>,
    /// Time that the run may take, such as 90, 90s, 5m or 1h; the options it leads to are kept in the run's recipe
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    time_limit: Option<f64>,
    /// Seed of splits, folds, weights and augmentation [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads; they change no result [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<u64>,
}

/// Columns and rows.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataFlags {
    /// Columns that are no features (comma-separated or repeated)
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    drop: Vec<String>,
    /// Columns that stay features although a check would drop them
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    keep: Vec<String>,
    /// Column of row weights, used in losses, metrics and intervals
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// Learn the target's logarithm; figures stay in the target's own unit
    #[arg(long)]
    log_target: bool,
    /// Read a column as number, boolean, category, time or text
    #[arg(long = "type", value_name = "COLUMN=KIND", value_parser = kind_pair, value_delimiter = ',')]
    types: Vec<(String, String)>,
    /// Let a check warn, drop or refuse, such as leak=warn
    #[arg(long = "check", value_name = "CHECK=ACTION", value_parser = check_pair, value_delimiter = ',')]
    checks: Vec<(String, String)>,
    /// File of further rows without targets, for the teacher to label
    #[arg(long, value_name = "FILE")]
    unlabeled: Option<PathBuf>,
    /// Second table, all of it test rows
    #[arg(long, value_name = "FILE", help_heading = "Split")]
    test: Option<PathBuf>,
    /// Split NAME of a file with the columns split, set, start, stop
    #[arg(long, value_name = "FILE:NAME", help_heading = "Split")]
    split_file: Option<String>,
    /// Column that says train, valid, test or drop for each row
    #[arg(long, value_name = "COLUMN", help_heading = "Split")]
    split_column: Option<String>,
    /// Column whose equal values stay together in one part
    #[arg(long, value_name = "COLUMN", help_heading = "Split")]
    group: Option<String>,
    /// Column to order rows by; the last ones are held out
    #[arg(long, value_name = "COLUMN", help_heading = "Split")]
    time: Option<String>,
}

/// The teacher.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Teacher")]
pub(crate) struct TeacherFlags {
    /// What limbeck fits itself: the better mix by out-of-fold error, or one kind
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(["auto", "trees", "network", "gp"]))]
    teacher: Option<String>,
    /// What each network of a network teacher predicts [default: gaussian]
    #[arg(long, value_name = "HEAD", value_parser = PossibleValuesParser::new(["point", "gaussian", "binned"]))]
    teacher_head: Option<String>,
    /// Your own model: a shell command that reads rows on stdin and answers `prediction[,spread]` per row
    #[arg(long, value_name = "COMMAND")]
    teacher_command: Option<String>,
    /// What the command gets on stdin [default: csv]
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(["csv", "parquet"]))]
    teacher_format: Option<String>,
    /// Time that one batch of rows may take, such as 90s or 5m [default: 600s]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    teacher_timeout: Option<f64>,
    /// Your own model as a file (LightGBM text, XGBoost JSON or ONNX), or a run on other rows of these columns
    #[arg(long, value_name = "FILE")]
    teacher_model: Option<PathBuf>,
    /// Column of each of that model's inputs, in its order (comma-separated or repeated) [default: by name, else in order]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    teacher_model_columns: Vec<String>,
    /// Column of the table with a teacher's predictions
    #[arg(long, value_name = "COLUMN")]
    teacher_column: Option<String>,
    /// Column with the standard deviation of those predictions
    #[arg(long, value_name = "COLUMN")]
    teacher_spread: Option<String>,
    /// Column with the fold of those predictions, empty for rows the teacher was fitted on
    #[arg(long, value_name = "COLUMN")]
    teacher_fold: Option<String>,
    /// Further run on this table, whose teacher is mixed with the first (comma-separated or repeated)
    #[arg(long, value_name = "RUN", value_delimiter = ',')]
    teacher_with: Vec<String>,
    /// How several teachers are mixed [default: inverse_variance]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["inverse_variance", "stacked"]))]
    combine: Option<String>,
    /// Rounds of residual-as-teacher: labels become a quick student plus a fit of its residuals [default: 0]
    #[arg(long, value_name = "N")]
    residual_rounds: Option<u64>,
    /// Earlier run whose labels are used again, so that no teacher runs
    #[arg(long, value_name = "RUN")]
    teacher_from: Option<PathBuf>,
}

/// The student and its proof.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Student")]
pub(crate) struct StudentFlags {
    /// What the student is: a network, a few trees, a linear model, an interpolated table of 1 to 3 numbers, or the best of these
    /// on validation rows [default: mlp]
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(["mlp", "trees", "linear", "table", "auto"]))]
    student: Option<String>,
    /// Most fitted numbers that prediction may read, bin edges and scales included [default: 5000]
    #[arg(short, long, value_name = "N")]
    params: Option<u64>,
    /// Steps of the longest training schedule [default: by quality]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Share of the teacher in the loss: auto, or a number from 0 to 1 [default: auto]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    alpha: Option<String>,
    /// Loss against target and teacher [default: squared]
    #[arg(long, value_name = "LOSS", value_parser = PossibleValuesParser::new(["squared", "huber"]))]
    loss: Option<String>,
    /// Learn and judge this quantile in place of the mean, such as 0.9: by pinball loss, with the teacher's spread
    #[arg(long, value_name = "Q", allow_negative_numbers = true)]
    quantile: Option<f64>,
    /// Where the Huber loss turns linear, in standard deviations of the target [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    huber_delta: Option<f64>,
    /// How alpha moves to --alpha-end while a student trains [default: constant]
    #[arg(long, value_name = "FORM", help_heading = "Objective", value_parser = PossibleValuesParser::new(["constant", "linear", "cosine"]))]
    alpha_schedule: Option<String>,
    /// Alpha at the end of a schedule [default: 0.5]
    #[arg(
        long,
        value_name = "SHARE",
        help_heading = "Objective",
        allow_negative_numbers = true
    )]
    alpha_end: Option<f64>,
    /// What the student predicts while it learns; its file gives the mean [default: point]
    #[arg(long, value_name = "HEAD", help_heading = "Objective", value_parser = PossibleValuesParser::new(["point", "gaussian", "binned"]))]
    head: Option<String>,
    /// Temperature of the KL divergence of distributions: a number, batch, data or spread [default: 1]
    #[arg(
        long,
        value_name = "T",
        help_heading = "Objective",
        allow_negative_numbers = true
    )]
    temperature: Option<String>,
    /// Temperature at the end of training, on a straight line from a number
    #[arg(
        long,
        value_name = "T",
        help_heading = "Objective",
        allow_negative_numbers = true
    )]
    temperature_end: Option<f64>,
    /// The literal KL + MSE: squared error of the mean as hard loss of a distribution
    #[arg(long, help_heading = "Objective")]
    literal: bool,
    /// Teacher labels that are believed: all, only while the student is worse, or by error or spread [default: none]
    #[arg(long, value_name = "GATE", help_heading = "Objective",
        value_parser = PossibleValuesParser::new(["none", "bounded", "attentive", "outlier", "confidence"]))]
    gate: Option<String>,
    /// Most rows between near rows that the teacher labels; 0 makes none [default: by quality]
    #[arg(long, value_name = "N", help_heading = "Transfer set")]
    munge_rows: Option<u64>,
    /// Most rows moved near the edge of a column [default: 0]
    #[arg(long, value_name = "N", help_heading = "Transfer set")]
    boundary_rows: Option<u64>,
    /// Boundary rows by one noise on inputs and target instead of the teacher's label; with --boundary-rows
    #[arg(long, help_heading = "Transfer set")]
    boundary_literal: bool,
    /// Most rows mixed from two with near targets [default: 0]
    #[arg(long, value_name = "N", help_heading = "Transfer set")]
    mixup_rows: Option<u64>,
    /// Most slightly moved training rows, on which the student has to stay with the teacher [default: 0]
    #[arg(long, value_name = "N", help_heading = "Transfer set")]
    perturb_rows: Option<u64>,
    /// Weight of those beside other rows [default: 1]
    #[arg(
        long,
        value_name = "X",
        help_heading = "Transfer set",
        allow_negative_numbers = true
    )]
    perturb_weight: Option<f64>,
    /// Most rows on which a quick student disagrees most with the teacher (adversarial belief matching) [default: 0]
    #[arg(long, value_name = "N", help_heading = "Transfer set")]
    adversarial_rows: Option<u64>,
    /// Most rows in pairs, between which the student has to move as the teacher does (gradient matching) [default: 0]
    #[arg(long, value_name = "N", help_heading = "Transfer set")]
    slope_rows: Option<u64>,
    /// Weight of those pairs [default: 0.1]
    #[arg(
        long,
        value_name = "X",
        help_heading = "Objective",
        allow_negative_numbers = true
    )]
    slope_weight: Option<f64>,
    /// Learn from the teacher's inner features: how hidden layers are compared [default: none]
    #[arg(long, value_name = "KIND", help_heading = "Features",
        value_parser = PossibleValuesParser::new(["none", "hint", "attention", "attention_literal", "relational"]))]
    hints: Option<String>,
    /// Weight of the feature loss beside the others [default: 0.05]
    #[arg(
        long,
        value_name = "X",
        help_heading = "Features",
        allow_negative_numbers = true
    )]
    hint_weight: Option<f64>,
    /// Its weight at the end of training; 0 for features first [default: as --hint-weight]
    #[arg(
        long,
        value_name = "X",
        help_heading = "Features",
        allow_negative_numbers = true
    )]
    hint_weight_end: Option<f64>,
    /// Align layers one after the other, from the input on
    #[arg(long, help_heading = "Features")]
    progressive: bool,
    /// Stages of progressive alignment [default: 3]
    #[arg(long, value_name = "N", help_heading = "Features")]
    stages: Option<u64>,
    /// Seeds with which both students are trained for the proof [default: by quality]
    #[arg(long, value_name = "N")]
    repeats: Option<u64>,
    /// Seeds where the first ones vary more than half as much as test rows do [default: by quality]
    #[arg(long, value_name = "N")]
    max_repeats: Option<u64>,
    /// Least gain that is worth having, as a share of the error without a teacher: of the shipped file, or of what preflight expects [default: 0.01]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    worth: Option<f64>,
    /// Repeat the whole run on N other splits of the rows, to see whether its verdict holds there; takes N times as long again [default: 0]
    #[arg(long, value_name = "N")]
    outer_folds: Option<u64>,
    /// Exit with 1 unless the shipped student's test R² is at least this
    #[arg(long, value_name = "R2", allow_negative_numbers = true)]
    require_r2: Option<f64>,
}

/// The recipe that flags and file make together.
pub(crate) fn recipe(
    job: &JobFlags,
    data: &DataFlags,
    teacher: &TeacherFlags,
    student: Option<&StudentFlags>,
) -> Result<Recipe> {
    let mut flags = Overlay::default();
    job.lay(&mut flags)?;
    data.lay(&mut flags)?;
    teacher.lay(&mut flags)?;
    if let Some(student) = student {
        student.lay(&mut flags);
    }
    let recipe = match &job.recipe {
        Some(file) => Recipe::read(file, flags.0)?,
        None => Recipe::resolve(Table::new(), flags.0)?,
    };
    if recipe.table.as_os_str().is_empty() {
        return Err(Error::Message("no table given; name the CSV or Parquet file to learn from, or set `table` in a --recipe".into()));
    }
    if recipe.data.target.is_empty() {
        return Err(Error::Message("no target given; name the column to predict with --target, or set `target` under [data] in a --recipe".into()));
    }
    Ok(recipe)
}

/// `runs/TABLE-N` with the first free `N`.
pub(crate) fn free_run(table: &Path) -> PathBuf {
    let stem = table.file_stem().map_or_else(
        || "table".into(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    let taken = |n: &u32| limbeck::run::is_taken(&Path::new("runs").join(format!("{stem}-{n}")));
    let n = (1..).find(|n| !taken(n)).unwrap_or(u32::MAX);
    Path::new("runs").join(format!("{stem}-{n}"))
}

impl JobFlags {
    fn lay(&self, flags: &mut Overlay) -> Result<()> {
        flags.set_path("table", self.table.as_ref())?;
        if let Some((first, others)) = self.target.split_first() {
            flags.set("data.target", Some(first.as_str()));
            flags.set("targets", Some(others.to_vec()));
        }
        flags.set("quality", self.quality.as_deref());
        flags.set("preset", self.preset.as_deref());
        flags.set("time_limit", self.time_limit);
        flags.set_whole("seed", self.seed);
        flags.set_whole("threads", self.threads);
        Ok(())
    }
}

impl DataFlags {
    fn lay(&self, flags: &mut Overlay) -> Result<()> {
        flags.set_list("data.drop", &self.drop);
        flags.set_list("data.keep", &self.keep);
        flags.set("data.weight", self.weight.as_deref());
        flags.set("data.log_target", self.log_target.then_some(true));
        flags.set_pairs("data.types", &self.types);
        flags.set_pairs("data.checks", &self.checks);
        flags.set_path("unlabeled", self.unlabeled.as_ref())?;
        flags.set_path("data.test", self.test.as_ref())?;
        flags.set("data.split_file", self.split_file.as_deref());
        flags.set("data.split_column", self.split_column.as_deref());
        flags.set("data.group", self.group.as_deref());
        flags.set("data.time", self.time.as_deref());
        Ok(())
    }
}

impl TeacherFlags {
    fn lay(&self, flags: &mut Overlay) -> Result<()> {
        flags.set("teacher.kind", self.teacher.as_deref());
        flags.set("teacher.network.head", self.teacher_head.as_deref());
        flags.set("teacher.command.command", self.teacher_command.as_deref());
        flags.set("teacher.command.format", self.teacher_format.as_deref());
        flags.set("teacher.command.timeout_s", self.teacher_timeout);
        flags.set_path("teacher.model", self.teacher_model.as_ref())?;
        flags.set_list("teacher.model_columns", &self.teacher_model_columns);
        flags.set("data.teacher_column", self.teacher_column.as_deref());
        flags.set("data.teacher_spread", self.teacher_spread.as_deref());
        flags.set("data.teacher_fold", self.teacher_fold.as_deref());
        flags.set_list("teacher.with", &self.teacher_with);
        flags.set("teacher.combine", self.combine.as_deref());
        flags.set_whole("teacher.residual_rounds", self.residual_rounds);
        flags.set_path("teacher.from", self.teacher_from.as_ref())
    }
}

impl StudentFlags {
    fn lay(&self, flags: &mut Overlay) {
        flags.set("student.kind", self.student.as_deref());
        flags.set_whole("student.params", self.params);
        flags.set_whole("student.steps", self.steps);
        let number_or_word = |text: &str| {
            text.parse::<f64>()
                .map_or_else(|_| Value::from(text), Value::from)
        };
        flags.set("objective.alpha", self.alpha.as_deref().map(number_or_word));
        flags.set("objective.alpha_schedule", self.alpha_schedule.as_deref());
        flags.set("objective.alpha_end", self.alpha_end);
        flags.set("objective.head", self.head.as_deref());
        flags.set(
            "objective.temperature",
            self.temperature.as_deref().map(number_or_word),
        );
        flags.set("objective.temperature_end", self.temperature_end);
        flags.set("objective.literal", self.literal.then_some(true));
        flags.set("objective.gate", self.gate.as_deref());
        flags.set_whole("transfer.munge_rows", self.munge_rows);
        flags.set_whole("transfer.boundary_rows", self.boundary_rows);
        flags.set(
            "transfer.boundary_literal",
            self.boundary_literal.then_some(true),
        );
        flags.set_whole("transfer.mixup_rows", self.mixup_rows);
        flags.set_whole("transfer.perturb_rows", self.perturb_rows);
        flags.set("transfer.perturb_weight", self.perturb_weight);
        flags.set_whole("transfer.adversarial_rows", self.adversarial_rows);
        flags.set_whole("transfer.slope_rows", self.slope_rows);
        flags.set("objective.slope_weight", self.slope_weight);
        flags.set("hints.kind", self.hints.as_deref());
        flags.set("hints.weight", self.hint_weight);
        flags.set("hints.weight_end", self.hint_weight_end);
        flags.set("hints.progressive", self.progressive.then_some(true));
        flags.set_whole("hints.stages", self.stages);
        flags.set("objective.loss", self.loss.as_deref());
        flags.set("objective.quantile", self.quantile);
        flags.set("objective.huber_delta", self.huber_delta);
        flags.set_whole("repeats", self.repeats);
        flags.set_whole("max_repeats", self.max_repeats);
        flags.set("worth", self.worth);
        flags.set_whole("outer_folds", self.outer_folds);
        flags.set("require_r2", self.require_r2);
    }
}

/// Seconds from `90`, `90s`, `1.5m` or `2h`.
pub(crate) fn seconds(text: &str) -> std::result::Result<f64, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, factor) = units
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
        .unwrap_or((text, 1.0));
    let value = number.parse::<f64>().ok().map(|number| number * factor);
    value
        .filter(|seconds| *seconds > 0.0 && seconds.is_finite())
        .ok_or_else(|| "expected a time above 0 such as 90, 90s, 5m or 1h".to_owned())
}

fn pair(text: &str) -> std::result::Result<(&str, &str), String> {
    text.rsplit_once('=')
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

fn kind_pair(text: &str) -> std::result::Result<(String, String), String> {
    let (column, kind) = pair(text)?;
    kind.parse::<Kind>()?;
    Ok((column.to_owned(), kind.to_owned()))
}

fn check_pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, action) = pair(text)?;
    let names = || Check::ALL.map(Check::name).join(", ");
    let check = Check::ALL.into_iter().find(|check| check.name() == name);
    let check =
        check.ok_or_else(|| format!("no check is named `{name}`; the checks are {}", names()))?;
    let allowed: Vec<String> = check.actions().iter().map(Action::to_string).collect();
    if !allowed.iter().any(|allowed| allowed == action) {
        return Err(format!(
            "check `{name}` can {}, not `{action}`",
            allowed.join(" or ")
        ));
    }
    Ok((name.to_owned(), action.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_units() {
        assert_eq!(seconds("90"), Ok(90.0));
        assert_eq!(seconds("90s"), Ok(90.0));
        assert_eq!(seconds("1.5m"), Ok(90.0));
        assert_eq!(seconds("2h"), Ok(7200.0));
        assert!(
            ["", "s", "-1", "0", "5d", "nan", "inf"]
                .iter()
                .all(|text| seconds(text).is_err())
        );
    }

    #[test]
    fn overlay_nests_keys() {
        let mut flags = Overlay::default();
        flags.set("teacher.command.command", Some("cat"));
        flags.set("teacher.kind", Some("trees"));
        flags.set("seed", None::<i64>);
        assert_eq!(
            flags.0.to_string(),
            "[teacher]\nkind = \"trees\"\n\n[teacher.command]\ncommand = \"cat\"\n"
        );
    }

    #[test]
    fn pairs_are_checked_when_parsed() {
        assert!(kind_pair("zip=category").is_ok());
        assert!(kind_pair("zip=colour").is_err());
        assert!(check_pair("leak=warn").is_ok());
        assert!(check_pair("leek=warn").is_err_and(|message| message.contains("leak")));
        assert!(
            check_pair("few_rows=drop").is_err_and(|message| message.contains("warn or refuse"))
        );
    }
}
