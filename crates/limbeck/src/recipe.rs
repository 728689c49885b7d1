//! Every option of a run.
//!
//! A recipe is TOML. The user's options override those of `quality` and `preset`, and flags of the command line override both. The result is a
//! [`Recipe`] with every option filled in, which is stored in the run.

use std::path::{Path, PathBuf};

use limbeck_data::{DEFAULT_WINDOW, DataOptions, Learn, TARGET_RULES};
use limbeck_distill::conformal::IntervalWidth;
use limbeck_distill::hints::{HintKind, HintOptions};
use limbeck_distill::objective::ObjectiveOptions;
use limbeck_distill::student::{MemoryKind, STRETCH, StudentKind, StudentOptions};
use limbeck_distill::transfer::TransferOptions;
use limbeck_options::{Options, Rule, View};
use limbeck_teach::command::CommandOptions;
use limbeck_teach::import;
use limbeck_teach::linear::LinearOptions;
use limbeck_teach::lstm::LstmOptions;
use limbeck_teach::network::{LONGEST_PASS, NetworkOptions};
use limbeck_teach::process::ProcessOptions;
use limbeck_teach::trees::TreeOptions;
use limbeck_teach::{FITS, FOLDS, TeacherKind, TeacherOptions};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::format::Format;

limbeck_options::words! {
    /// How much work a run does. It sets default values, which the recipe's own options override.
    pub enum Quality {
        /// Least work, for a first look.
        Fast = "fast",
        /// A balance of time and accuracy; results in the documentation are measured with it.
        #[default]
        Default = "default",
        /// A better teacher and longer schedules, several times slower.
        Best = "best",
    }
}

limbeck_options::words! {
    /// A combination of methods for one situation. It overrides `quality`, and all other options override it.
    ///
    /// Each preset but `default` is a file in the folder `recipes`, which shows what it sets.
    pub enum Preset {
        /// Squared error, and new rows made from pairs of similar rows: what helps on most tables.
        #[default]
        Default = "default",
        /// Match the teacher's inner features first: strongly at the start of training, not at all at its end.
        ///
        /// Did not help on the data sets of `docs/ablation.md`; meant to be tried on other tables.
        Features = "features",
        /// For tables with few rows.
        SmallData = "small-data",
        /// For a teacher with large errors on some rows.
        NoisyTeacher = "noisy-teacher",
        /// Learn the target's logarithm, with 70 % of the loss from the teacher.
        HousePrice = "house-price",
        /// For prices and other series of money: an LSTM teaches a GRU, which predicts distributions; temperature 3, and 60 % of the loss from the teacher.
        Finance = "finance",
    }
}

limbeck_options::words! {
    /// How the labels of several teachers are averaged.
    pub enum Combine {
        /// The weight of each teacher is `1 / MSE` of its labels; the weights are scaled to add up to 1.
        #[default]
        InverseVariance = "inverse_variance",
        /// Non-negative weights that add up to 1 and minimize the squared error of the averaged labels.
        Stacked = "stacked",
    }
}

impl Preset {
    fn options(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Features => include_str!("../../../recipes/features.toml"),
            Self::SmallData => include_str!("../../../recipes/small_data.toml"),
            Self::NoisyTeacher => include_str!("../../../recipes/noisy_teacher.toml"),
            Self::HousePrice => include_str!("../../../recipes/house_price.toml"),
            Self::Finance => include_str!("../../../recipes/finance.toml"),
        }
    }
}

limbeck_options::options! {
    /// A recipe of limbeck: all options of a run. Its results depend on them and on the files that they name.
    pub struct Recipe in "", "Options" {
        /// CSV or Parquet file to learn from.
        table: PathBuf = PathBuf::new();
        /// CSV or Parquet file of additional rows without targets, for the teacher to label.
        #[serde(skip_serializing_if = "Option::is_none")]
        unlabeled: Option<PathBuf> = None => [
            flag("unlabeled", "FILE"), under("Data"), example("\"more.csv\""),
            rules(&[Rule::Beside("data.teacher_column", &["teacher.model", "teacher.from"], "a column of predictions cannot label new rows")]),
        ];
        /// More target columns besides `data.target`. No target is a feature of another, unless a later row is predicted. Each gets its own student and
        /// run, unless `joint` is set.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        targets: Vec<String> = Vec::new() => [example("[\"other\"]"), rules(SEVERAL)];
        /// Train one student that predicts all targets and horizons, instead of one student for each. Rows without values of all targets are left out.
        joint: bool = false => [flag("joint", ""), under("Data"), rules(JOINT)];
        /// Weights of the targets in the loss of the joint student, `data.target` first. The errors of each target are divided by its standard
        /// deviation.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        target_weights: Vec<f64> = Vec::new() => [
            above(0.0), example("[2.0, 1.0]"), unset("equal"), rules(&[Rule::With("joint"), Rule::Each(&["data.target", "targets"])]),
        ];
        /// Weights of the horizons in the loss of the joint student, `data.horizon` first. The errors of each horizon are divided by the standard deviation
        /// of its target.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        horizon_weights: Vec<f64> = Vec::new() => [
            above(0.0), example("[2.0, 1.0]"), unset("equal"), rules(&[Rule::With("joint"), Rule::Each(&["data.horizon", "data.horizons"])]),
        ];
        /// How much work to do: fast for a first look, default, or best: slightly more accurate, but several times slower.
        quality: Quality = Quality::Default => [flag("quality", "LEVEL"), letter('q'), common()];
        /// Which methods to use: a combination for one situation. Each but `default` is a file in the folder `recipes`.
        preset: Preset = Preset::Default => [flag("preset", "NAME")];
        /// Seed of splits, folds, initial weights and augmentation.
        seed: u64 = 0 => [flag("seed", "N"), common()];
        /// Number of seeds with which both students (with and without the teacher) are trained for the final test.
        repeats: usize = 3 => [within(1.0, 100.0), flag("repeats", "N"), under("Proof")];
        /// Maximum number of seeds. More than `repeats` seeds are trained only if the difference between the two students varies over seeds more than
        /// half as much as over test rows.
        ///
        /// With a `time_limit`, no more than `repeats` seeds are trained.
        max_repeats: usize = 5 => [within(0.0, 100.0), flag("max-repeats", "N"), under("Proof")];
        /// Smallest gain that is worth having, as a share of the error without a teacher. It applies to the shipped file and to what preflight expects.
        worth: f64 = 0.01 => [within(0.0, 1.0), flag("worth", "SHARE"), under("Proof")];
        /// Repeat the whole run on this many other splits of the rows, to see whether its verdict holds. Each repetition takes as long as the run.
        outer_folds: usize = 0 => [
            within(0.0, 20.0), but(1.0, "0 (none), or 2 to 20"), flag("outer-folds", "N"), under("Proof"),
            rules(&[Rule::Without("teacher.from", OTHER_SPLIT), Rule::Without("teacher.with", OTHER_SPLIT)]),
        ];
        /// Levels of prediction intervals, from 0.5 to 0.9999. The student's file then has intervals of every level that the calibration rows support; these levels are exported.
        ///
        /// The intervals are calibrated on rows that neither train nor choose teacher and student (conformal prediction).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        intervals: Vec<f64> = Vec::new() => [
            within(0.5, 0.9999), flag("interval", "LEVELS"), under("Proof"), example("[0.9, 0.95]"),
            rules(&[Rule::Without("objective.quantile", "intervals are around a prediction of the mean; to predict an interval by its ends, train a student for each of two quantiles")]),
        ];
        /// How the width of prediction intervals varies from row to row: by the size of the student's errors at similar predictions (scaled), or not (constant).
        interval_width: IntervalWidth = IntervalWidth::Scaled => [
            flag("interval-width", "KIND"), under("Proof"), rules(&[Rule::With("intervals")]),
        ];
        /// Share of the training and validation rows that calibrates prediction intervals.
        #[serde(skip_serializing_if = "Option::is_none")]
        calibration_share: Option<f64> = None => [
            above(0.0), up_to(0.9), flag("calibration-share", "SHARE"), under("Proof"), unset("0.15, but at least 100 and at most 5000 rows"), example("0.2"),
            rules(&[Rule::With("intervals"), Rule::Without("calibration_folds", "rows are either held out or predicted in folds")]),
        ];
        /// Repeat the whole run in this many folds to calibrate prediction intervals, instead of holding rows out. Each repetition takes as long as the run.
        #[serde(skip_serializing_if = "Option::is_none")]
        calibration_folds: Option<usize> = None => [
            within(2.0, 20.0), flag("calibration-folds", "N"), under("Proof"), unset("5 if there are too few rows or groups to hold out"), example("5"),
            rules(&[
                Rule::With("intervals"),
                Rule::Without("joint", NOT_JOINT),
                Rule::Without("teacher.from", OTHER_SPLIT),
                Rule::Without("teacher.with", OTHER_SPLIT),
            ]),
        ];
        /// Number of threads; results do not depend on it.
        threads: usize = 0 => [flag("threads", "N"), unset("one per core")];
        /// Time limit of the run.
        ///
        /// Options are chosen so that the run keeps to the limit. The stored recipe of the run has these options and no time limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        time_limit: Option<f64> = None => [seconds(), above(0.0), flag("time-limit", "TIME"), common(), example("300.0")];
        /// Time between checkpoints of a training in progress.
        ///
        /// `--resume` continues from the last checkpoint. Results do not depend on this time.
        checkpoint_every: f64 = 10.0 => [seconds(), within(0.0, LONGEST), flag("checkpoint-every", "TIME"), under("Output")];
        /// Write the shipped student in these formats too, into the folder `export` of the run. A format that cannot express any student of this table is refused before training.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        export: Vec<Format> = Vec::new() => [flag("export", "FORMATS"), under("Output"), example("[\"c\", \"onnx\"]")];
        /// Exit with code 1 unless the shipped student's test R² is at least this value.
        #[serde(skip_serializing_if = "Option::is_none")]
        require_r2: Option<f64> = None => [up_to(1.0), flag("require-r2", "R2"), under("Proof"), example("0.9")];
    }
    with {
        /// Options of the table.
        data: DataOptions;
        /// Options of the teacher.
        teacher: TeacherSection;
        /// Options of new rows, which the teacher labels.
        transfer: TransferOptions;
        /// Options of the student.
        student: StudentOptions;
        /// Options of the loss.
        objective: ObjectiveOptions;
        /// Options of feature distillation (learning from the teacher's inner features).
        hints: HintOptions;
    }
}

/// Rules for the option `targets`, which names the targets besides `data.target`. No column may be named twice, and the teacher must not be one that
/// predicts a single target.
const SEVERAL: &[Rule] = &[
    TARGET_RULES[0],
    Rule::Without("teacher.from", ONE_TARGET),
    Rule::Without("teacher.with", ONE_TARGET),
    Rule::Without("teacher.model", ONE_TARGET),
    Rule::Without("teacher.command.command", ONE_TARGET),
    Rule::Without("data.teacher_column", ONE_TARGET),
];
const ONE_TARGET: &str = "a teacher of this kind predicts only one target; run limbeck distill once for each target, and drop the other targets with --drop";

/// Rules for the option `joint` (one student for several targets): several targets are required, and some options cannot be used.
const JOINT: &[Rule] = &[
    Rule::WithAny(&["targets", "data.horizons"]),
    Rule::Where("student.kind", &["mlp", "gru", "lstm", "auto"], NOT_JOINT),
    Rule::Where("objective.head", &["point"], NOT_JOINT),
    Rule::Without("hints.kind", NOT_JOINT),
    Rule::Without("transfer.slope_rows", NOT_JOINT),
    Rule::Without("transfer.adversarial_rows", NOT_JOINT),
    Rule::Without("transfer.boundary_literal", NOT_JOINT),
    Rule::Without("teacher.residual_rounds", NOT_JOINT),
    Rule::Without("outer_folds", NOT_JOINT),
];
const NOT_JOINT: &str =
    "this combination does not work yet; without `joint`, each target gets its own student";

const OTHER_SPLIT: &str = "the labels of another run are valid only for the split of that run, and outer folds make new splits; instead of its labels, you can use the teacher of that run (give the path of that run as teacher.model)";

limbeck_options::options! {
    /// The teacher, and how its labels are made.
    ///
    /// If the table has a column with a teacher's predictions, name it in `data.teacher_column`.
    pub struct TeacherSection in "teacher", "Teacher" {
        /// The teacher that limbeck trains: the best mix by out-of-fold error (auto), or one kind alone.
        kind: TeacherKind = TeacherKind::Auto => [flag("teacher", "KIND")];
        /// An earlier run on this table. Its labels are reused, so that no teacher is trained.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<PathBuf> = None => [flag("teacher-from", "RUN"), example("\"runs/table-1\"")];
        /// More runs on this table. Their labels are averaged with those of the first teacher.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        with: Vec<PathBuf> = Vec::new() => [flag("teacher-with", "RUN"), example("[\"runs/b\"]")];
        /// How to weight several teachers.
        combine: Combine = Combine::InverseVariance => [flag("combine", "HOW"), rules(&[Rule::With("teacher.with")])];
        /// Your own model as a file (LightGBM text, XGBoost JSON or UBJSON, CatBoost JSON, or ONNX), or a run whose teacher was fitted on other rows with the same columns.
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<PathBuf> = None => [
            flag("teacher-model", "FILE"), common(), example("\"model.txt\""),
            rules(&[
                Rule::Without("teacher.from", "only one teacher can be used"),
                Rule::Beside(
                    "data.teacher_column", &["data.teacher_fold"],
                    "beside a model, the column is used only for out-of-fold predictions of training rows, and `data.teacher_fold` says which predictions these are",
                ),
            ]),
        ];
        /// The table column for each input of the model `teacher.model`, in the order of the inputs.
        #[serde(skip_serializing_if = "Option::is_none")]
        model_columns: Option<Vec<String>> = None => [
            flag("teacher-model-columns", "COLUMN"), unset("by name, else in order"), example("[\"a\", \"b\"]"), rules(&[Rule::With("teacher.model")]),
        ];
        /// Name of the output to read, if the ONNX model has several outputs; it must have one number per row.
        #[serde(skip_serializing_if = "Option::is_none")]
        model_output: Option<String> = None => [
            flag("teacher-model-output", "NAME"), unset("the only one"), example("\"variable\""), rules(&[Rule::With("teacher.model")]),
        ];
        /// Number of folds for out-of-fold labels.
        folds: usize = 5 => [within(FOLDS.0, FOLDS.1)];
        /// Number of times that each learner (trees, networks, Gaussian process) is trained on all its rows; the predictions are averaged. At most 2
        /// for more than 10 000 rows.
        fits: usize = 3 => [within(FITS.0, FITS.1)];
        /// Compare options of the boosted trees on held-out folds first; otherwise the options in `teacher.trees` are used unchanged.
        choose_trees: bool = true;
        /// Number of rounds of residual correction. In each round, labels become the predictions of a quickly trained student plus a fit of its
        /// residuals.
        ///
        /// Meant for biased teachers. On the five data sets of `docs/ablation.md`, whose teachers are not biased, it was significantly worse on
        /// three and better on none.
        residual_rounds: usize = 0 => [within(0.0, 10.0), flag("residual-rounds", "N")];
        /// Share `η` of the fitted residual that a round of residual correction adds to the predictions of the quickly trained student.
        residual_step: f64 = 1.0 => [above(0.0), up_to(1.0), rules(&[Rule::With("teacher.residual_rounds")])];
    }
    with {
        /// The user's own scoring command.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<CommandOptions>;
        /// Options of boosted trees.
        trees: TreeOptions;
        /// Options of networks.
        network: NetworkOptions;
        /// Options of LSTMs.
        lstm: LstmOptions;
        /// Options of Gaussian processes.
        gp: ProcessOptions;
        /// Options of linear models.
        linear: LinearOptions;
    }
}

/// Number of new rows for recurrent students, unless the user sets it.
const WINDOW_ROWS: usize = 20_000;
/// A recurrent student is trained for this fraction of the steps of other networks, unless the user sets their number.
const RECURRENT_STEPS: usize = 10;
/// A training step of a student that carries its state takes a fraction of the time of one that reads windows, so there are this many times as many.
const CARRIED_STEPS: usize = 4;

/// Maximum of the option `checkpoint_every`: the seconds of a year. A longer time is probably a typing error.
const LONGEST: f64 = 31_536_000.0;

impl TeacherSection {
    /// The source of the labels. With several teachers, the source of the first teacher's labels.
    pub(crate) fn source(&self, data: &DataOptions) -> TeacherSource<'_> {
        if let Some(run) = &self.from {
            TeacherSource::Run(run)
        } else if let Some(path) = &self.model {
            TeacherSource::Model {
                path,
                columns: self.model_columns.as_deref().unwrap_or_default(),
                output: self.model_output.as_deref(),
            }
        } else if data.teacher_column.is_some() {
            TeacherSource::Column
        } else if let Some(options) = &self.command {
            TeacherSource::Command(options)
        } else {
            TeacherSource::Fit
        }
    }

    /// The options in this section that apply if limbeck fits the teacher.
    pub(crate) fn options(&self) -> TeacherOptions {
        let Self {
            kind,
            folds,
            fits,
            choose_trees,
            trees,
            network,
            lstm,
            gp,
            linear,
            ..
        } = self.clone();
        TeacherOptions {
            kind,
            folds,
            fits,
            choose_trees,
            trees,
            network,
            lstm,
            gp,
            linear,
        }
    }

    /// Sets the options in this section that apply if limbeck fits the teacher.
    pub(crate) fn set_options(&mut self, options: TeacherOptions) {
        let TeacherOptions {
            kind,
            folds,
            fits,
            choose_trees,
            trees,
            network,
            lstm,
            gp,
            linear,
        } = options;
        (self.kind, self.folds, self.fits) = (kind, folds, fits);
        self.choose_trees = choose_trees;
        (self.trees, self.network) = (trees, network);
        (self.lstm, self.gp, self.linear) = (lstm, gp, linear);
    }
}

impl Recipe {
    /// The default options of a quality level, without table and target.
    #[must_use]
    pub fn preset(quality: Quality) -> Self {
        let mut recipe = Self {
            quality,
            ..Self::default()
        };
        match quality {
            Quality::Default => {}
            Quality::Fast => {
                recipe.repeats = 2;
                recipe.max_repeats = 4;
                recipe.teacher.trees = TreeOptions::fast();
                recipe.teacher.network = NetworkOptions {
                    members: 2,
                    steps: (1500, 3000),
                    ..NetworkOptions::default()
                };
                recipe.teacher.lstm = LstmOptions::fast();
                recipe.teacher.gp = ProcessOptions {
                    evidence_rows: 300,
                    steps: 25,
                    ..ProcessOptions::default()
                };
                recipe.teacher.fits = 1;
                recipe.transfer.munge_rows = 100_000;
                recipe.student.steps = 16_000;
            }
            Quality::Best => {
                recipe.repeats = 5;
                recipe.max_repeats = 9;
                recipe.teacher.trees = TreeOptions::best();
                recipe.teacher.network = NetworkOptions {
                    members: 8,
                    hidden: vec![128, 128],
                    epochs: 120,
                    steps: (5000, 12_000),
                    ..NetworkOptions::default()
                };
                recipe.teacher.lstm = LstmOptions::best();
                recipe.teacher.gp = ProcessOptions {
                    evidence_rows: 800,
                    steps: 80,
                    most_rows: 5000,
                };
                recipe.teacher.fits = 5;
                recipe.transfer.munge_rows = 1_000_000;
                recipe.student.steps = 250_000;
                recipe.student.trials = 5;
            }
        }
        recipe
    }

    /// Sets default values for recurrent students: a training step reads many rows, so there are fewer steps.
    fn for_recurrent_students(&mut self, memory: MemoryKind) {
        self.student.steps /= RECURRENT_STEPS;
        if memory == MemoryKind::Carried {
            self.student.steps *= CARRIED_STEPS;
        }
    }

    /// Sets default values for a student that carries its state: LSTMs that look back as far as the student is trained. Their steps are cheaper then, so
    /// there are more of them.
    fn with_passes(&mut self) {
        let lstm = &mut self.teacher.lstm;
        lstm.windows = STRETCH;
        lstm.epochs *= 8;
        lstm.steps = (10 * lstm.steps.0, 4 * lstm.steps.1);
    }

    /// Sets default values for a recurrent student or teacher: new rows are windows of rows.
    fn with_windows(&mut self) {
        self.transfer.munge_rows = 0;
        self.transfer.window_rows = WINDOW_ROWS;
    }

    /// The default recipe for one table and target.
    #[must_use]
    pub fn for_table(table: impl Into<PathBuf>, target: &str) -> Self {
        Self {
            table: table.into(),
            data: DataOptions::for_target(target),
            ..Self::default()
        }
    }

    /// Reads a recipe from TOML text. `source` names the text in error messages; `flags` override its options.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] if the text is not TOML, or has an unknown key or a value of the wrong type. The message gives the line and the nearest
    /// known key.
    pub fn parse(text: &str, source: &str, flags: Table) -> Result<Self> {
        let located = |error: toml::de::Error| {
            let line = error.span().map(|span| {
                1 + text
                    .bytes()
                    .take(span.start)
                    .filter(|byte| *byte == b'\n')
                    .count()
            });
            let place = line.map_or_else(
                || source.to_owned(),
                |line| format!("{source}, line {line}"),
            );
            recipe_error(&place, error.message())
        };
        // Parse the text alone first, since only its errors have line numbers.
        toml::from_str::<Self>(text).map_err(located)?;
        Self::resolve(toml::from_str(text).map_err(located)?, flags)
    }

    /// Reads a recipe file. Relative paths in it start from the working directory.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read; the errors of [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>, flags: Table) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::file("read the recipe", path))?;
        Self::parse(&text, &path.display().to_string(), flags)
    }

    /// A recipe with all options filled in: `own` options override those of quality and preset, and `flags` override all of them.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] for an unknown key or a value of the wrong type.
    pub fn resolve(own: Table, flags: Table) -> Result<Self> {
        let mut all = own;
        rename_old(&mut all);
        lay_over(&mut all, flags);
        let word = |name: &str| all.get(name).cloned();
        let quality = word("quality").map_or(Ok(Quality::default()), |one| read(one, "quality"))?;
        let preset = word("preset").map_or(Ok(Preset::default()), |one| read(one, "preset"))?;
        let kinds = Kinds {
            student: word_of(&all, preset, ["student", "kind"])?,
            memory: word_of(&all, preset, ["student", "memory"])?,
            teacher: word_of(&all, preset, ["teacher", "kind"])?,
            has_one_window: windows_of_lstm(&all) == Some(1),
        };
        let mut merged = plain(quality, preset, kinds);
        lay_over(&mut merged, all);
        read(Value::Table(merged), "options")
    }

    /// The recipe as TOML, every option written out.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] if a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| recipe_error("recipe", &e.to_string()))
    }

    /// The options of all sections and their values.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let teacher = &self.teacher;
        vec![
            self.view(),
            self.data.view(),
            teacher.view(),
            teacher.command.clone().unwrap_or_default().view(),
            teacher.trees.view(),
            teacher.network.view(),
            teacher.lstm.view(),
            teacher.gp.view(),
            teacher.linear.view(),
            self.transfer.view(),
            self.student.view(),
            self.objective.view(),
            self.hints.view(),
        ]
    }

    /// Checks everything that can be checked without a table. Only a recipe that was checked can be run.
    ///
    /// # Errors
    ///
    /// For the first option that is out of range or has no effect, and for options that conflict with each other.
    pub fn check(&self) -> Result<CheckedRecipe> {
        self.check_order()?;
        self.data.check()?;
        // An option counts as set if it differs from the values of quality, preset and kinds of student and teacher.
        let kinds = Kinds {
            student: self.student.kind,
            memory: self.student.memory,
            teacher: self.teacher.kind,
            has_one_window: self.teacher.lstm.windows == 1,
        };
        let plain = plain(self.quality, self.preset, kinds);
        let plain: Self = read(Value::Table(plain), "preset")?;
        let mut views = self.views();
        for (view, plain) in views.iter_mut().zip(plain.views()) {
            view.default = plain.seen;
        }
        // Without a command, its options have no values to check.
        if self.teacher.command.is_none() {
            views.retain(|view| view.section != CommandOptions::SECTION);
        }
        limbeck_options::check(&views)?;
        self.student.check()?;
        self.objective.check()?;
        if self.reads_rows_before() {
            self.refuse_single_rows()?;
        }
        if self.student.memory == MemoryKind::Carried {
            self.check_carried()?;
        }
        self.check_passes()?;
        if self.fits_lstm() && self.teacher.lstm.members == 0 {
            let message = "found 0, but a teacher of LSTMs needs at least one network";
            return Err(recipe_error("teacher.lstm.members", message));
        }
        if self.transfer.window_rows > 0 && !self.reads_rows_before() {
            let message = "only a recurrent network reads the rows before a row; set `student.kind` to gru or lstm, or `teacher.kind` to lstm, or leave this option out";
            return Err(recipe_error("transfer.window_rows", message));
        }
        Ok(CheckedRecipe(self.clone()))
    }

    /// The files that a run reads and whose checksums are stored for a resume. With one target, the files of the rows (table, test, split) are left
    /// out, since the rows have a checksum of their own.
    pub(crate) fn inputs(&self) -> Vec<PathBuf> {
        let split = self
            .data
            .split_file
            .as_deref()
            .and_then(|file| file.rsplit_once(':'))
            .map(|(file, _)| PathBuf::from(file));
        let tables = [Some(self.table.clone()), self.data.test.clone(), split]
            .into_iter()
            .flatten()
            .filter(|_| self.has_several_targets());
        let teacher = &self.teacher;
        let beside = teacher.model.iter().flat_map(import::weights_beside);
        self.unlabeled
            .iter()
            .chain(&teacher.model)
            .chain(&teacher.from)
            .chain(&teacher.with)
            .cloned()
            .chain(tables)
            .chain(beside)
            .collect()
    }

    /// The options of the data, for reading the table. A model or a command of the user predicts values, so values are learned then, unless the options
    /// say otherwise.
    pub(crate) fn data_options(&self) -> DataOptions {
        let mut options = self.data.clone();
        let predicts_values = matches!(
            self.teacher_source(),
            TeacherSource::Command(_) | TeacherSource::Model { .. }
        );
        if predicts_values && options.horizon > 0 && options.learn == Learn::Auto {
            options.learn = Learn::Value;
        }
        if self.reads_rows_before() && options.history.is_empty() {
            // Students and learners of the teacher that read one row get statistics of the same rows.
            options.window.get_or_insert(DEFAULT_WINDOW);
        }
        options
    }

    /// True if the recipe has several target columns, or several horizons.
    #[must_use]
    pub fn has_several_targets(&self) -> bool {
        !self.targets.is_empty() || !self.data.horizons.is_empty()
    }

    /// Number of rows before each row that networks read: `data.window` less one for a recurrent student or a teacher of LSTMs, otherwise 0.
    #[must_use]
    pub fn rows_before(&self) -> usize {
        match self.reads_rows_before() {
            true => self.data.window.unwrap_or(DEFAULT_WINDOW) - 1,
            false => 0,
        }
    }

    /// Number of rows before each row that a teacher of LSTMs alone reads; 0 for another teacher.
    pub(crate) fn lstm_rows_before(&self) -> usize {
        match self.fits_lstm() {
            true => self.rows_before(),
            false => 0,
        }
    }

    /// True if the student or the teacher is a network that reads the rows before each row.
    fn reads_rows_before(&self) -> bool {
        self.student.kind.cell().is_some() || self.fits_lstm()
    }

    /// Refuses networks that read the rows before each row, without an order of the rows.
    fn check_order(&self) -> Result<()> {
        let readers = [
            ("student.kind", self.student.kind.cell().is_some()),
            ("teacher.kind", self.fits_lstm()),
        ];
        if let Some((place, _)) = readers.iter().find(|(_, reads)| *reads)
            && self.data.time.is_none()
        {
            let message = "networks of this kind read the rows before each row, so they need the order of the rows; name the column of times with `--time`, and the columns that tell series apart with `--series`";
            return Err(recipe_error(place, message));
        }
        Ok(())
    }

    /// Refuses LSTMs that would read too many rows in a pass.
    fn check_passes(&self) -> Result<()> {
        let lstm = &self.teacher.lstm;
        let window = self.data.window.unwrap_or(DEFAULT_WINDOW);
        let rows = lstm.windows * window;
        let may_fit = self.teacher_source() == TeacherSource::Fit
            && matches!(self.teacher.kind, TeacherKind::Auto | TeacherKind::Lstm);
        let reads = may_fit && lstm.members > 0 && self.reads_rows_before();
        if !reads || rows <= LONGEST_PASS {
            return Ok(());
        }
        let message = format!(
            "found {}, but {} of `data.window` = {window} rows have {rows} rows, and an LSTM reads at most {LONGEST_PASS}; use a smaller number for one of the two options, or another `teacher.kind`",
            lstm.windows,
            limbeck_data::figures::counted(lstm.windows, "window"),
        );
        Err(recipe_error("teacher.lstm.windows", &message))
    }

    /// Refuses what a student that carries its state cannot learn from.
    fn check_carried(&self) -> Result<()> {
        if self.hints.kind == HintKind::Relational {
            let message = "found relational, which compares independent rows, but a student with `student.memory` carried is trained on whole series; use another kind, or set `student.memory` to rolling";
            return Err(recipe_error("hints.kind", message));
        }
        Ok(())
    }

    /// Refuses new rows that have no rows before them.
    fn refuse_single_rows(&self) -> Result<()> {
        let transfer = &self.transfer;
        let numbers = [
            ("munge_rows", transfer.munge_rows),
            ("boundary_rows", transfer.boundary_rows),
            ("mixup_rows", transfer.mixup_rows),
            ("perturb_rows", transfer.perturb_rows),
            ("slope_rows", transfer.slope_rows),
            ("adversarial_rows", transfer.adversarial_rows),
        ];
        let Some((name, rows)) = numbers.into_iter().find(|(_, rows)| *rows > 0) else {
            return Ok(());
        };
        let message = format!(
            "found {rows}, but a recurrent student, or a teacher of LSTMs, reads the rows before each row, which such a new row does not have; set it to 0, choose another preset, or use `transfer.window_rows`"
        );
        Err(recipe_error(&format!("transfer.{name}"), &message))
    }

    /// True if limbeck fits a teacher that consists of LSTMs alone. The mix `auto` has LSTMs only if the student is recurrent.
    fn fits_lstm(&self) -> bool {
        self.teacher.kind == TeacherKind::Lstm && self.teacher_source() == TeacherSource::Fit
    }

    /// The source of the labels. With several teachers, the source of the first teacher's labels.
    #[must_use]
    pub fn teacher_source(&self) -> TeacherSource<'_> {
        self.teacher.source(&self.data)
    }
}

/// Where the teacher's labels come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TeacherSource<'r> {
    /// A teacher that limbeck fits.
    Fit,
    /// The user's command.
    Command(&'r CommandOptions),
    /// A model file, or the teacher of a run on other rows.
    Model {
        /// File or folder.
        path: &'r Path,
        /// Table column for each input of the model, in the model's order; empty if the user gives none.
        columns: &'r [String],
        /// Name of the output to use, if an ONNX model has several; `None` if the user gives none.
        output: Option<&'r str>,
    },
    /// The labels of an earlier run.
    Run(&'r Path),
    /// A column of the table with the teacher's predictions.
    Column,
}

/// A recipe that passed [`Recipe::check`]. Only such a recipe can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedRecipe(Recipe);

impl CheckedRecipe {
    /// Refuses a recipe with several targets, for functions that make one run.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] for several targets.
    pub(crate) fn refuse_several(&self) -> Result<()> {
        if !self.has_several_targets() {
            return Ok(());
        }
        let place = match self.targets.is_empty() {
            true => "data.horizons",
            false => "targets",
        };
        let message = "this command (in the library, this function) works with one target and one horizon only; for several, use limbeck distill (distill_each), which makes a run for each target and horizon";
        Err(recipe_error(place, message))
    }

    /// Refuses a recipe that does not set `joint`, for functions that train one student for several targets.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] if `joint` is not set.
    pub(crate) fn refuse_not_joint(&self) -> Result<()> {
        if self.joint {
            return Ok(());
        }
        let message = "this option is off, but the function fit_joint trains one student for several targets; turn the option on, or fit a student for each target";
        Err(recipe_error("joint", message))
    }
}

impl std::ops::Deref for CheckedRecipe {
    type Target = Recipe;

    fn deref(&self) -> &Recipe {
        &self.0
    }
}

fn recipe_error(place: &str, message: &str) -> Error {
    Error::Recipe {
        place: place.to_owned(),
        message: explain(message),
    }
}

/// The options on which default values of other options depend.
#[derive(Clone, Copy)]
struct Kinds {
    student: StudentKind,
    memory: MemoryKind,
    teacher: TeacherKind,
    /// True if the user lets LSTMs read one window.
    has_one_window: bool,
}

/// The options of a quality level for a kind of student and of teacher, overridden by the options of a preset.
fn plain(quality: Quality, preset: Preset, kinds: Kinds) -> Table {
    let mut quality = Recipe::preset(quality);
    if kinds.student.cell().is_some() {
        quality.for_recurrent_students(kinds.memory);
    }
    if kinds.student.cell().is_some() || kinds.teacher == TeacherKind::Lstm {
        quality.with_windows();
    }
    if kinds.memory == MemoryKind::Carried && !kinds.has_one_window {
        quality.with_passes();
    }
    let quality = Table::try_from(quality);
    let (Ok(mut plain), Ok(preset)) = (quality, toml::from_str(preset.options())) else {
        unreachable!("the program contains valid files, as the tests of presets show")
    };
    lay_over(&mut plain, preset);
    plain
}

/// The user's number of windows that LSTMs read; `None` if it is not given.
fn windows_of_lstm(own: &Table) -> Option<i64> {
    own.get("teacher")?
        .get("lstm")?
        .get("windows")?
        .as_integer()
}

/// An option of a section: that of the user's options, of the preset, or the default.
fn word_of<T: DeserializeOwned + Default>(
    own: &Table,
    preset: Preset,
    [section, name]: [&str; 2],
) -> Result<T> {
    let word = |options: &Table| options.get(section)?.get(name).cloned();
    let of_preset = || word(&toml::from_str::<Table>(preset.options()).ok()?);
    let given = word(own).or_else(of_preset);
    given.map_or(Ok(T::default()), |one| {
        read(one, &format!("{section}.{name}"))
    })
}

/// Options that had another name in earlier versions: section, name then, and name now.
const RENAMED: [(&[&str], &str, &str); 5] = [
    (&["data"], "teacher_spread", "teacher_std"),
    (&["transfer"], "reject_spread", "reject_std"),
    (&["teacher", "trees"], "step", "learning_rate"),
    (&["teacher", "trees"], "row_share", "subsample"),
    (&["teacher", "trees"], "column_share", "colsample"),
];

/// Gives options of earlier versions their names of today, so that they override values of quality and preset.
fn rename_old(options: &mut Table) {
    for (section, then, now) in RENAMED {
        let mut table = Some(&mut *options);
        for name in section {
            table = table.and_then(|table| table.get_mut(*name)?.as_table_mut());
        }
        // With both names, reading the recipe says that one option is given twice.
        if let Some(table) = table.filter(|table| !table.contains_key(now))
            && let Some(value) = table.remove(then)
        {
            table.insert(now.to_owned(), value);
        }
    }
}

/// Converts a TOML value. `place` is the key of the option or section that it belongs to, for the error.
fn read<T: DeserializeOwned>(value: Value, place: &str) -> Result<T> {
    let read = value.try_into();
    read.map_err(|e: toml::de::Error| recipe_error(place, e.message()))
}

/// Overwrites values of `base` with those of `over`, key by key, also in nested tables.
fn lay_over(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => lay_over(inner, over),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

/// The error message. If it is about an unknown key or word, the most similar known one is added.
fn explain(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let (true, Some(found)) = (message.starts_with("unknown "), names.next()) else {
        return message.to_owned();
    };
    let nearest = names
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .min();
    match nearest {
        Some((_, name)) => {
            let what = match message.starts_with("unknown variant ") {
                true => "word",
                false => "key",
            };
            format!("unknown {what} `{found}`; did you mean `{name}`? ({message})")
        }
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipe_round_trips_with_every_option() {
        for quality in [Quality::Fast, Quality::Default, Quality::Best] {
            let mut recipe = Recipe::preset(quality);
            recipe.table = "a.csv".into();
            recipe.data.target = "y".into();
            let text = recipe.to_toml().unwrap();
            assert_eq!(
                Recipe::parse(&text, "recipe.toml", Table::new()).unwrap(),
                recipe
            );
        }
    }

    #[test]
    fn names_of_earlier_recipes_are_read() {
        let old = "preset = 'noisy-teacher'\n[data]\nteacher_spread = 'sd'\n[transfer]\nreject_spread = 4.0\n[objective]\nhead = 'gaussian'\ntemperature = \
                   'spread'\n[teacher.trees]\nstep = 0.1\nrow_share = 0.7\ncolumn_share = 0.6\n";
        let new = old
            .replace("_spread", "_std")
            .replace("'spread'", "'std'")
            .replace("step ", "learning_rate ")
            .replace("row_share", "subsample")
            .replace("column_share", "colsample");
        let [then, now] = [old, &new].map(|text| Recipe::parse(text, "r", Table::new()).unwrap());
        assert_eq!(then, now);
        assert_eq!(
            (now.transfer.reject_std, now.teacher.trees.colsample),
            (4.0, 0.6)
        );
        assert_eq!(now.data.teacher_std.as_deref(), Some("sd"));
        // Flags have the names of today.
        let flags: Table = toml::from_str("[data]\nteacher_std = 'other'").unwrap();
        let flagged = Recipe::parse(old, "r", flags).unwrap();
        assert_eq!(flagged.data.teacher_std.as_deref(), Some("other"));
    }

    #[test]
    fn own_options_lie_over_the_preset_and_flags_over_both() {
        let text = "table = 'a.csv'\nquality = 'fast'\n[student]\nparams = 900\nsteps = 50\n";
        let flags: Table = toml::from_str("[student]\nsteps = 70").unwrap();
        let recipe = Recipe::parse(text, "r", flags).unwrap();
        assert_eq!(
            (
                recipe.student.params,
                recipe.student.steps,
                recipe.student.trials
            ),
            (900, 70, 4)
        );
        assert_eq!(recipe.teacher.trees, TreeOptions::fast());
    }

    #[test]
    fn presets_lie_between_quality_and_own_options() {
        for &preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
            let rest = "worth = 0.5\n[data]\ntarget = 'y'\ntime = 't'\n";
            let text = format!("table = 'a.csv'\npreset = '{}'\n{rest}", preset.name());
            let recipe = Recipe::parse(&text, "r", Table::new()).unwrap();
            recipe.check().unwrap();
            assert_eq!((recipe.preset, recipe.worth), (preset, 0.5));
            let plain = format!("table = 'a.csv'\n{rest}");
            let plain = Recipe {
                preset,
                ..Recipe::parse(&plain, "r", Table::new()).unwrap()
            };
            assert_eq!(recipe == plain, preset == Preset::Default, "{preset:?}");
            assert_eq!(
                Recipe::parse(&recipe.to_toml().unwrap(), "again", Table::new()).unwrap(),
                recipe
            );
        }
        let flags: Table =
            toml::from_str("preset = 'house-price'\n[objective]\nalpha = 0.2").unwrap();
        let recipe = Recipe::resolve(Table::new(), flags).unwrap();
        assert!(
            recipe.data.log_target
                && recipe.objective.alpha == limbeck_distill::objective::Alpha::Fixed(0.2)
        );
        let error = Recipe::parse("preset = 'house'", "r", Table::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("house"), "{error}");
    }

    #[test]
    fn lstms_read_several_windows_if_the_student_carries_its_state() {
        let recipe = |more: &str| {
            let text = format!(
                "table = 'a.csv'\n[data]\ntarget = 'y'\ntime = 't'\nwindow = 3000\n[student]\nkind = 'gru'\nmemory = 'carried'\n{more}"
            );
            Recipe::parse(&text, "r", Table::new()).unwrap()
        };
        let found = recipe("");
        let (own, plain) = (&found.teacher.lstm, LstmOptions::default());
        assert_eq!((own.windows, found.transfer.window_rows), (4, WINDOW_ROWS));
        assert!(own.steps.0 > plain.steps.0 && own.epochs > plain.epochs);
        // Four windows of 3000 rows are too many, unless there is no LSTM.
        let error = found.check().unwrap_err().to_string();
        assert!(
            error.contains("4 windows of `data.window` = 3000 rows have 12000 rows"),
            "{error}"
        );
        assert!(recipe("[teacher]\nkind = 'trees'\n").check().is_ok());
        let one = recipe("[teacher.lstm]\nwindows = 1\n");
        assert_eq!(one.teacher.lstm, plain);
        assert!(one.check().is_ok());
    }

    #[test]
    fn teacher_of_lstms_reads_rows_before_each_row() {
        let recipe = |more: &str| {
            let text = format!("table = 'a.csv'\n[data]\ntarget = 'y'\n{more}");
            Recipe::parse(&text, "r", Table::new()).unwrap()
        };
        let lstm = "[teacher]\nkind = 'lstm'\n";
        let error = recipe(lstm).check().unwrap_err().to_string();
        assert!(
            error.contains("teacher.kind") && error.contains("--time"),
            "{error}"
        );
        let timed = |more: &str| recipe(&format!("time = 't'\nwindow = 9\n{lstm}{more}"));
        timed("").check().unwrap();
        // New rows are windows.
        let found = timed("[transfer]\nwindow_rows = 7\n");
        found.check().unwrap();
        assert_eq!((found.rows_before(), found.transfer.munge_rows), (8, 0));
        assert!(timed("[transfer]\nmunge_rows = 7\n").check().is_err());
        // Nothing else reads windows.
        let other = recipe("time = 't'\n[transfer]\nwindow_rows = 7\n");
        assert_eq!(other.rows_before(), 0);
        let error = other.check().unwrap_err().to_string();
        assert!(error.contains("transfer.window_rows"), "{error}");
        // A preset must not bring rows without the rows before them.
        let text = "table = 'a.csv'\npreset = 'small-data'\n[data]\ntarget = 'y'\ntime = 't'\n[student]\nkind = 'gru'\n";
        let preset = Recipe::parse(text, "r", Table::new()).unwrap();
        let error = preset.check().unwrap_err().to_string();
        assert!(error.contains("choose another preset"), "{error}");
        // A recurrent student alone has windows, too.
        let student = recipe("time = 't'\n[student]\nkind = 'gru'\n");
        student.check().unwrap();
        assert!(student.rows_before() > 0);
    }

    #[test]
    fn horizons_are_several_targets() {
        let recipe = |data: &str, more: &str| {
            let text =
                format!("table = 'a.csv'\n{more}\n[data]\ntarget = 'y'\ntime = 't'\n{data}\n");
            Recipe::parse(&text, "r", Table::new()).unwrap()
        };
        let refused = |data: &str, more: &str| recipe(data, more).check().unwrap_err().to_string();
        let joint = recipe("horizon = 1\nhorizons = [6, 24]", "joint = true");
        assert!(joint.check().unwrap().has_several_targets());
        assert!(joint.check().unwrap().refuse_several().is_err());
        for with_0 in ["horizons = [6]", "horizon = 6\nhorizons = [0]"] {
            let error = refused(with_0, "");
            assert!(
                error.contains("data.horizons: a horizon of 0 means no forecast"),
                "{error}"
            );
        }
        let error = refused("horizon = 1", "joint = true");
        assert!(
            error.contains("has no effect without `targets` or `data.horizons`"),
            "{error}"
        );
        let weights = "joint = true\nhorizon_weights = [2.0, 1.0]";
        assert!(
            recipe("horizon = 1\nhorizons = [6]", weights)
                .check()
                .is_ok()
        );
        let error = refused("horizon = 1\nhorizons = [6, 24]", weights);
        assert!(
            error.contains("the number of values is 2, expected 3"),
            "{error}"
        );
        let error = refused("horizon = 1\nhorizons = [6]\nteacher_column = 'p'", "");
        assert!(error.contains("predicts only one horizon"), "{error}");
    }

    #[test]
    fn options_without_effect_are_refused() {
        let error = |text: &str| {
            Recipe::parse(
                &format!("table = 'a.csv'\n{text}\n[data]\ntarget = 'y'\n"),
                "r",
                Table::new(),
            )
            .unwrap()
            .check()
            .map(|_| ())
            .map_err(|error| error.to_string())
        };
        for (section, option, with) in [
            ("transfer", "perturb_weight = 3.0", "perturb_rows = 9"),
            ("transfer", "slope_reach = 0.5", "slope_rows = 9"),
            ("transfer", "mixup_bandwidth = 0.5", "mixup_rows = 9"),
            ("transfer", "boundary_reach = 0.5", "boundary_rows = 9"),
            (
                "transfer",
                "adversarial_candidates = 3",
                "adversarial_rows = 9",
            ),
            ("objective", "huber_delta = 2.0", "loss = 'huber'"),
            ("objective", "alpha_end = 0.1", "alpha_schedule = 'linear'"),
            ("hints", "weight = 0.5", "kind = 'hint'"),
            ("hints", "stages = 5", "kind = 'hint'\nprogressive = true"),
            ("teacher", "combine = 'stacked'", "with = ['runs/b']"),
        ] {
            let refused = error(&format!("[{section}]\n{option}")).unwrap_err();
            let name = option.split(' ').next().unwrap();
            assert!(
                refused.contains(&format!("{section}.{name}"))
                    && (refused.contains("has no effect without") || refused.contains("needs `")),
                "{refused}"
            );
            assert_eq!(error(&format!("[{section}]\n{option}\n{with}")), Ok(()));
        }
    }

    #[test]
    fn recipe_rejects_unknown_key_with_line_and_nearest_name() {
        let error = Recipe::parse(
            "table = 'a'\n[student]\nparms = 3\n",
            "r.toml",
            Table::new(),
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("r.toml, line 3") && error.contains("did you mean `params`"),
            "{error}"
        );
    }

    #[test]
    fn recipe_rejects_wrong_kind_with_line() {
        let error = Recipe::parse("seed = 'x'\n", "r.toml", Table::new())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 1") && error.contains("expected"),
            "{error}"
        );
        let error = Recipe::parse("[objective]\nalpha = 1.5\n", "r.toml", Table::new())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 2") && error.contains("[0, 1]"),
            "{error}"
        );
    }

    #[test]
    fn recipe_rejects_text_that_is_no_toml() {
        let error = Recipe::parse("= 3", "r.toml", Table::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
