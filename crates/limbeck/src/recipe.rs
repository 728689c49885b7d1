//! Every option of a run.
//!
//! A recipe is TOML. What a user writes is laid over a preset, and flags over that; the result is a [`Recipe`] with every
//! option filled in, which is stored in the run.

use std::path::{Path, PathBuf};

use limbeck_data::DataOptions;
use limbeck_distill::hints::{HintKind, HintOptions};
use limbeck_distill::objective::{AlphaSchedule, Gate, LossKind, ObjectiveOptions};
use limbeck_distill::student::{StudentKind, StudentOptions};
use limbeck_distill::transfer::TransferOptions;
use limbeck_teach::command::CommandOptions;
use limbeck_teach::network::NetworkOptions;
use limbeck_teach::process::ProcessOptions;
use limbeck_teach::trees::TreeOptions;
use limbeck_teach::{TeacherKind, TeacherOptions};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::several::Combine;

/// How much time a run may take: a preset that the recipe's own options are laid over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// For a first look.
    Fast,
    /// The balance that the documentation's figures are measured with.
    #[default]
    Default,
    /// A better teacher and longer schedules, several times slower.
    Best,
}

impl std::str::FromStr for Quality {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "fast" => Ok(Self::Fast),
            "default" => Ok(Self::Default),
            "best" => Ok(Self::Best),
            _ => Err(format!("found `{text}`, expected fast, default or best")),
        }
    }
}

/// A sane combination of methods for one situation, laid over `quality` and under everything else.
///
/// Each is a file of the folder `recipes`, which is where to look what it sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Squared points and rows between near rows: what pays on most tables.
    #[default]
    Default,
    /// Inner features first. Did not pay on the sets of `docs/ablation.md`; here to be tried on other tables.
    Features,
    /// Few rows.
    SmallData,
    /// A teacher that is far off on some rows.
    NoisyTeacher,
    /// Seven tenths of the loss from the teacher, of the logarithm.
    HousePrice,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Default,
        Self::Features,
        Self::SmallData,
        Self::NoisyTeacher,
        Self::HousePrice,
    ];

    /// Its name in recipes and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Features => "features",
            Self::SmallData => "small-data",
            Self::NoisyTeacher => "noisy-teacher",
            Self::HousePrice => "house-price",
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Features => include_str!("../../../recipes/features.toml"),
            Self::SmallData => include_str!("../../../recipes/small_data.toml"),
            Self::NoisyTeacher => include_str!("../../../recipes/noisy_teacher.toml"),
            Self::HousePrice => include_str!("../../../recipes/house_price.toml"),
        }
    }
}

impl std::str::FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == text)
            .ok_or_else(|| format!("found `{text}`, expected one of {}", names()))
    }
}

/// A run, before it is one.
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `table` | required | CSV or Parquet file to learn from | |
/// | `unlabeled` | none | file of further rows, without targets, for the teacher to label | |
/// | `targets` | none | further targets beside `data.target`, each with a run of its own, in which the others are no features | `limbeck distill` only |
/// | `quality` | default | how much time: options of all sections | fast, default, best |
/// | `preset` | default | which methods: laid over `quality` | default, features, small-data, noisy-teacher, house-price |
/// | `seed` | 0 | of splits, folds, weights and augmentation | |
/// | `repeats` | 3 | seeds with which both students are refitted | 1 to 100 |
/// | `max_repeats` | 5 | seeds where those of `repeats` vary more than half as much as test rows do; no more than those under a `time_limit` | up to 100 |
/// | `worth` | 0.01 | least gain of the shipped file that is worth having, as a share of the error of the best file without a teacher | 0 to 1 |
/// | `outer_folds` | 0 | times that the whole run is repeated on other splits, to see whether its verdict holds there; each takes as long as the run | 0, or 2 to 20 |
/// | `threads` | 0 | threads; 0 is one per core; changes no result | |
/// | `time_limit` | none | seconds that the run may take; replaced by the options that it leads to | > 0 |
/// | `checkpoint_every` | 10 | seconds after which a training in progress is saved again, so that a run which was ended goes on from there; changes no result | ≥ 0 |
/// | `require_r2` | none | least test R² of the shipped student, else exit code 1 | ≤ 1 |
/// | `data` | | [`DataOptions`] | |
/// | `teacher` | | [`TeacherSection`] | |
/// | `transfer` | | [`TransferOptions`] | |
/// | `student` | | [`StudentOptions`] | |
/// | `objective` | | [`ObjectiveOptions`] | |
/// | `hints` | | [`HintOptions`] | |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the table above describes each option")]
pub struct Recipe {
    pub table: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlabeled: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    pub quality: Quality,
    pub preset: Preset,
    pub seed: u64,
    pub repeats: usize,
    pub max_repeats: usize,
    pub worth: f64,
    pub outer_folds: usize,
    pub threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<f64>,
    pub checkpoint_every: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_r2: Option<f64>,
    pub data: DataOptions,
    pub teacher: TeacherSection,
    pub transfer: TransferOptions,
    pub student: StudentOptions,
    pub objective: ObjectiveOptions,
    pub hints: HintOptions,
}

/// Where labels come from.
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `kind` | auto | what limbeck fits itself, unless one of the next three is given | auto, trees, network, gp |
/// | `command` | none | the user's own scoring command, [`CommandOptions`] | |
/// | `from` | none | a run whose labels are used again | |
/// | `with` | none | further runs on this table, whose teachers are mixed with the first | |
/// | `combine` | inverse_variance | how several teachers are mixed, [`Combine`] | inverse_variance, stacked |
/// | `model` | none | a LightGBM, XGBoost or ONNX model file, [`ImportedTeacher`](limbeck_teach::import::ImportedTeacher), or the folder of a run on other rows of the same columns | |
/// | `model_columns` | by name, else in order | column of each of that model's inputs, in its order | with `model` |
/// | `folds` | 5 | folds of out-of-fold labelling | 2 to 20 |
/// | `fits` | 3 | fits of each learner on all rows that it may learn from, averaged; of more than 10 000 rows at most 2 | 1 to 20 |
/// | `residual_rounds` | 0 | rounds of residual-as-teacher: labels become a quick student plus a fit of its residuals; surely worse on three of five sets of `docs/ablation.md`, whose teachers are not biased, and better on none | 0 to 10 |
/// | `residual_step` | 1 | `η`: share of the fitted residual that is added | (0, 1] |
/// | `trees` | | [`TreeOptions`] | |
/// | `network` | | [`NetworkOptions`] | |
/// | `gp` | | [`ProcessOptions`] | |
///
/// A teacher whose predictions stand in the table is named in `data`: `teacher_column`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the table above describes each option")]
pub struct TeacherSection {
    pub kind: TeacherKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<PathBuf>,
    pub combine: Combine,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_columns: Option<Vec<String>>,
    pub folds: usize,
    pub fits: usize,
    pub residual_rounds: usize,
    pub residual_step: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandOptions>,
    pub trees: TreeOptions,
    pub network: NetworkOptions,
    pub gp: ProcessOptions,
}

/// Seconds of a year: more is a slip of the keys.
const LONGEST: f64 = 31_536_000.0;

impl Default for TeacherSection {
    fn default() -> Self {
        let TeacherOptions {
            kind,
            folds,
            fits,
            trees,
            network,
            gp,
        } = TeacherOptions::default();
        Self {
            kind,
            from: None,
            with: Vec::new(),
            combine: Combine::default(),
            model: None,
            model_columns: None,
            folds,
            fits,
            residual_rounds: 0,
            residual_step: 1.0,
            command: None,
            trees,
            network,
            gp,
        }
    }
}

impl TeacherSection {
    pub(crate) fn options(&self) -> TeacherOptions {
        let Self {
            kind,
            folds,
            fits,
            trees,
            network,
            gp,
            ..
        } = self.clone();
        TeacherOptions {
            kind,
            folds,
            fits,
            trees,
            network,
            gp,
        }
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self::preset(Quality::Default)
    }
}

impl Recipe {
    /// The options of a preset, without table and target.
    #[must_use]
    pub fn preset(quality: Quality) -> Self {
        let mut recipe = Self {
            table: PathBuf::new(),
            unlabeled: None,
            targets: Vec::new(),
            quality,
            preset: Preset::Default,
            seed: 0,
            repeats: 3,
            max_repeats: 5,
            worth: 0.01,
            outer_folds: 0,
            threads: 0,
            time_limit: None,
            checkpoint_every: 10.0,
            require_r2: None,
            data: DataOptions::default(),
            teacher: TeacherSection::default(),
            transfer: TransferOptions::default(),
            student: StudentOptions::default(),
            objective: ObjectiveOptions::default(),
            hints: HintOptions::default(),
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

    /// The default recipe for one table and target.
    #[must_use]
    pub fn for_table(table: impl Into<PathBuf>, target: &str) -> Self {
        Self {
            table: table.into(),
            data: DataOptions::for_target(target),
            ..Self::default()
        }
    }

    /// Reads a recipe from TOML text, with `flags` laid over it.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] with line and nearest name for text that is no TOML, an unknown key or a value of the wrong kind.
    pub fn parse(text: &str, source: &str, flags: Table) -> Result<Self> {
        // Read alone first: only the text knows its lines.
        if let Err(error) = toml::from_str::<Self>(text) {
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
            return Err(Error::Recipe {
                place,
                message: explain(error.message()),
            });
        }
        let own: Table = toml::from_str(text).map_err(|e| recipe_error(source, e.message()))?;
        Self::resolve(own, flags)
    }

    /// Reads a recipe file. Relative paths in it are seen from the working directory.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be read, else as [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>, flags: Table) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::file("read the recipe", path))?;
        Self::parse(&text, &path.display().to_string(), flags)
    }

    /// Lays `own` options over their preset and `flags` over both.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] for an unknown key or a value of the wrong kind.
    pub fn resolve(own: Table, flags: Table) -> Result<Self> {
        let mut all = own;
        lay_over(&mut all, flags);
        let quality = match all.get("quality") {
            None => Quality::Default,
            Some(Value::String(text)) => text
                .parse()
                .map_err(|message: String| recipe_error("quality", &message))?,
            Some(other) => {
                return Err(recipe_error(
                    "quality",
                    &format!("found {other}, expected fast, default or best"),
                ));
            }
        };
        let preset: Preset = match all.get("preset") {
            None => Preset::Default,
            Some(Value::String(text)) => text
                .parse()
                .map_err(|message: String| recipe_error("preset", &message))?,
            Some(other) => {
                return Err(recipe_error(
                    "preset",
                    &format!("found {other}, expected the name of a preset"),
                ));
            }
        };
        let mut merged = Table::try_from(Self::preset(quality))
            .map_err(|e| recipe_error("quality", &e.to_string()))?;
        lay_over(
            &mut merged,
            toml::from_str(preset.options()).map_err(|e| recipe_error("preset", e.message()))?,
        );
        lay_over(&mut merged, all);
        merged
            .try_into()
            .map_err(|e: toml::de::Error| recipe_error("options", e.message()))
    }

    /// The recipe as TOML, every option written out.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] where a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| recipe_error("recipe", &e.to_string()))
    }

    /// Checks what can be checked without a table.
    ///
    /// # Errors
    ///
    /// For the first option out of its range.
    pub fn validate(&self) -> Result<()> {
        if self.table.as_os_str().is_empty() {
            return Err(recipe_error(
                "table",
                "none given; name the CSV or Parquet file to learn from",
            ));
        }
        if !self.targets.is_empty() {
            let message = "this takes one target; only limbeck distill (and the library's distill_each) makes a run for each of several";
            return Err(recipe_error("targets", message));
        }
        let out_of_range = |place: &str, found: String, expected: &str| {
            Err(recipe_error(
                place,
                &format!("found {found}, expected {expected}"),
            ))
        };
        if !(1..=100).contains(&self.repeats) {
            return out_of_range("repeats", self.repeats.to_string(), "1 to 100");
        }
        if self.max_repeats > 100 {
            return out_of_range("max_repeats", self.max_repeats.to_string(), "up to 100");
        }
        if self.outer_folds == 1 || self.outer_folds > 20 {
            return out_of_range(
                "outer_folds",
                self.outer_folds.to_string(),
                "0 (none), or 2 to 20",
            );
        }
        if self.outer_folds > 0 && (self.teacher.from.is_some() || !self.teacher.with.is_empty()) {
            return Err(Error::Recipe {
                place: "outer_folds".into(),
                message: "labels of another run (teacher.from, teacher.with) belong to its split, and outer folds split the rows anew; leave one of the two out, or give that run's \
                          teacher as teacher.model"
                    .into(),
            });
        }
        if !(0.0..=1.0).contains(&self.worth) {
            return out_of_range(
                "worth",
                self.worth.to_string(),
                "a share from 0 to 1, such as 0.01",
            );
        }
        if !(0.0..=LONGEST).contains(&self.checkpoint_every) {
            return out_of_range(
                "checkpoint_every",
                format!("{:?}", self.checkpoint_every),
                "0 to 31 536 000 seconds",
            );
        }
        if self
            .time_limit
            .is_some_and(|limit| !(limit > 0.0 && limit.is_finite()))
        {
            return out_of_range(
                "time_limit",
                format!("{:?}", self.time_limit),
                "a positive number of seconds",
            );
        }
        if self.require_r2.is_some_and(|r2| r2.is_nan() || r2 > 1.0) {
            return out_of_range("require_r2", format!("{:?}", self.require_r2), "at most 1");
        }
        self.validate_quantile()?;
        if self.teacher.command.is_some() && self.data.teacher_column.is_some() {
            return Err(recipe_error(
                "teacher.command",
                "excludes `data.teacher_column`: there is one teacher",
            ));
        }
        self.validate_model()?;
        if self.unlabeled.is_some()
            && self.data.teacher_column.is_some()
            && self.teacher.model.is_none()
        {
            return Err(recipe_error(
                "unlabeled",
                "needs a teacher that can be asked; `data.teacher_column` cannot label new rows",
            ));
        }
        if self.teacher.residual_rounds > 10 {
            return out_of_range(
                "teacher.residual_rounds",
                self.teacher.residual_rounds.to_string(),
                "0 to 10",
            );
        }
        if !(self.teacher.residual_step > 0.0 && self.teacher.residual_step <= 1.0) {
            return out_of_range(
                "teacher.residual_step",
                self.teacher.residual_step.to_string(),
                "above 0, up to 1",
            );
        }
        self.data.validate()?;
        self.transfer.validate()?;
        self.student.validate()?;
        self.objective.validate()?;
        self.hints.validate()?;
        self.validate_idle()?;
        limbeck_distill::kinds::check(&self.student, &self.objective)?;
        let network = self.student.kind == StudentKind::Mlp;
        if !network && self.hints.kind != HintKind::None {
            return Err(recipe_error(
                "hints.kind",
                "only a network (student.kind = \"mlp\") has layers to compare; leave hints out",
            ));
        }
        if !network && self.transfer.slope_rows > 0 {
            return Err(recipe_error(
                "transfer.slope_rows",
                "only a network (student.kind = \"mlp\") matches slopes; leave it at 0",
            ));
        }
        Ok(())
    }
}

impl Recipe {
    /// A model file is a teacher of its own; beside it there may be out-of-fold predictions of the same model.
    fn validate_model(&self) -> Result<()> {
        let teacher = &self.teacher;
        if teacher.model.is_none() {
            return match teacher.model_columns {
                Some(_) => Err(recipe_error(
                    "teacher.model_columns",
                    "needs `teacher.model`, whose inputs they are",
                )),
                None => Ok(()),
            };
        }
        if teacher.command.is_some() || teacher.from.is_some() {
            return Err(recipe_error(
                "teacher.model",
                "excludes `teacher.command` and `teacher.from`: there is one teacher",
            ));
        }
        if self.data.teacher_column.is_some() && self.data.teacher_fold.is_none() {
            return Err(recipe_error(
                "teacher.model",
                "beside `data.teacher_column` needs `data.teacher_fold`: the column is for out-of-fold predictions of training rows",
            ));
        }
        Ok(())
    }
}

impl Recipe {
    /// Nothing that was asked for is passed over in silence: an option that plays no part with the others is refused where it was changed.
    fn validate_idle(&self) -> Result<()> {
        let (transfer, objective, hints) = (&self.transfer, &self.objective, &self.hints);
        let plain = Self::for_table("", "");
        let same = |a: f64, b: f64| a.total_cmp(&b).is_eq();
        let options = [
            (
                "transfer.perturb_scale",
                same(transfer.perturb_scale, plain.transfer.perturb_scale),
                transfer.perturb_rows > 0,
                "transfer.perturb_rows",
            ),
            (
                "transfer.perturb_weight",
                same(transfer.perturb_weight, plain.transfer.perturb_weight),
                transfer.perturb_rows > 0,
                "transfer.perturb_rows",
            ),
            (
                "transfer.slope_reach",
                same(transfer.slope_reach, plain.transfer.slope_reach),
                transfer.slope_rows > 0,
                "transfer.slope_rows",
            ),
            (
                "objective.slope_weight",
                same(objective.slope_weight, plain.objective.slope_weight),
                transfer.slope_rows > 0,
                "transfer.slope_rows",
            ),
            (
                "transfer.mixup_bandwidth",
                same(transfer.mixup_bandwidth, plain.transfer.mixup_bandwidth),
                transfer.mixup_rows > 0,
                "transfer.mixup_rows",
            ),
            (
                "transfer.boundary_reach",
                same(transfer.boundary_reach, plain.transfer.boundary_reach),
                transfer.boundary_rows > 0,
                "transfer.boundary_rows",
            ),
            (
                "transfer.adversarial_candidates",
                transfer.adversarial_candidates == plain.transfer.adversarial_candidates,
                transfer.adversarial_rows > 0,
                "transfer.adversarial_rows",
            ),
            (
                "objective.huber_delta",
                same(objective.huber_delta, plain.objective.huber_delta),
                objective.loss == LossKind::Huber,
                "objective.loss",
            ),
            (
                "objective.alpha_end",
                same(objective.alpha_end, plain.objective.alpha_end),
                objective.alpha_schedule != AlphaSchedule::Constant,
                "objective.alpha_schedule",
            ),
            (
                "hints.weight",
                same(hints.weight, plain.hints.weight),
                hints.kind != HintKind::None,
                "hints.kind",
            ),
            (
                "hints.width",
                hints.width == plain.hints.width,
                hints.kind != HintKind::None,
                "hints.kind",
            ),
            (
                "hints.stages",
                hints.stages == plain.hints.stages,
                hints.progressive,
                "hints.progressive",
            ),
            (
                "teacher.combine",
                self.teacher.combine == plain.teacher.combine,
                !self.teacher.with.is_empty(),
                "teacher.with",
            ),
        ];
        match options
            .into_iter()
            .find(|(_, is_plain, plays, _)| !is_plain && !plays)
        {
            Some((place, _, _, needs)) => Err(recipe_error(
                place,
                &format!("plays no part without `{needs}`; set that, too, or leave it out"),
            )),
            None => Ok(()),
        }
    }

    /// What knows means only does not go with a quantile.
    fn validate_quantile(&self) -> Result<()> {
        if self.objective.quantile.is_none() {
            return Ok(());
        }
        let refused = |why: &str| Err(recipe_error("objective.quantile", why));
        if self.student.kind != StudentKind::Mlp {
            return refused(
                "needs `student.kind` mlp; trees, linear models and tables learn means",
            );
        }
        if self.teacher.residual_rounds > 0 {
            return refused("excludes `teacher.residual_rounds`, which mend means");
        }
        if self.transfer.slope_rows > 0 {
            return refused(
                "excludes `transfer.slope_rows`: the teacher's slopes are those of its mean",
            );
        }
        if self.objective.gate == Gate::Bounded {
            return refused("excludes `objective.gate` bounded, which compares errors of means");
        }
        if self.require_r2.is_some() {
            return refused("excludes `require_r2`: quantiles are judged by their pinball loss");
        }
        Ok(())
    }
}

fn recipe_error(place: &str, message: &str) -> Error {
    Error::Recipe {
        place: place.to_owned(),
        message: explain(message),
    }
}

/// Replaces values, key by key, tables within tables.
fn lay_over(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => lay_over(inner, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Adds the nearest known name to a message about an unknown one.
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
        Some((_, name)) => format!("unknown key `{found}`; did you mean `{name}`? ({message})"),
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
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
            let text = format!(
                "table = 'a.csv'\npreset = '{}'\n[objective]\nloss = 'huber'\nhuber_delta = 0.5\n[data]\ntarget = 'y'\n",
                preset.name()
            );
            let recipe = Recipe::parse(&text, "r", Table::new()).unwrap();
            recipe.validate().unwrap();
            assert_eq!((recipe.preset, recipe.objective.huber_delta), (preset, 0.5));
            let plain = Recipe { preset, ..Recipe::parse("table = 'a.csv'\n[objective]\nloss = 'huber'\nhuber_delta = 0.5\n[data]\ntarget = 'y'\n", "r", Table::new()).unwrap() };
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
    fn options_that_play_no_part_are_refused() {
        let error = |text: &str| {
            Recipe::parse(
                &format!("table = 'a.csv'\n{text}\n[data]\ntarget = 'y'\n"),
                "r",
                Table::new(),
            )
            .unwrap()
            .validate()
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
                    && refused.contains("plays no part without"),
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
