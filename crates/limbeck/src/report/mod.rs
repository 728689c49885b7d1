//! Every figure of a run: `report.json`.
//!
//! | key | what |
//! |---|---|
//! | `schema`, `version`, `seed`, `interrupted` | number of these keys; of limbeck; of the recipe; true where the user stopped the run |
//! | `target`, `log_target` | column, and whether its logarithm was learned |
//! | `data` | rows, columns, split sizes, features, what the checks found |
//! | `teacher` | kind, `parameters`, `bytes`, `learners` with `learner` and `weight`, new and rejected rows, notes |
//! | `student` | `kind`, `parameters`, `bytes`, widths and bins |
//! | `sizes` | `kind`, `parameters`, `bytes` of `alone` and `distilled`, unless both are networks of one design |
//! | `joint` | the student of several targets that this one was cut out of: `targets`, `parameters`, `bytes` |
//! | `selection` | trials of both sides on validation rows, closed-form alpha |
//! | `shipped` | `kind` (`alone` or `distilled`), its setting, and why |
//! | `test` | `teacher`, `alone`, `distilled`, `shipped`: `rmse`, `mae`, `r2`; students also `fidelity_rmse`, `fidelity_r2` |
//! | `test_seeds` | the same per seed |
//! | `lone` | models without a teacher, one per kind of student within the same budget: `models` with `kind`, `spec`, `parameters`, `bytes`, `valid_error`, `test`; `best` on validation rows; `as_good` as the shipped student and no larger |
//! | `method` | distilled against alone: `kind`, `error_saved` and `teacher_lead` (`value`, `low`, `high`), `level`, `blocks`, `seeds`, `se_rows`, `se_seeds`, `reason` where there is no verdict |
//! | `outer` | the whole procedure on other splits, with `outer_folds`: `folds` with `learned`, `tested` and the errors `teacher`, `alone`, `distilled`, `shipped`, `ships`, `taught`; `kind`, `error_saved`, `teacher_lead` over folds |
//! | `file` | the shipped file against the best one without a teacher: `value`, `low`, `high`, `significant`, `worth_having`, `worth`, `threshold`, `against` (`kind`, `parameters`, `bytes`), `reason` |
//! | `gap_closed` | `value`, `low`, `high`, `reason` |
//! | `verdict` | `kind`, `teacher_better`, `sentence`, and the differences behind them |
//! | `measured` | seconds per stage and in all, µs per row, peak memory: the one part that differs between runs |
//!
//! Errors are in the target's unit; `test.alone` and `test.distilled` are means over seeds, `test.shipped` is the file's.

use std::collections::BTreeMap;

use limbeck_data::DataSummary;
use limbeck_data::metrics::{self, Measure};
use limbeck_distill::kinds::Spec;
use limbeck_distill::proof::{FileGain, Proof};
use limbeck_distill::search::{Setting, Trial};
use limbeck_distill::student::StudentKind;
use serde::{Deserialize, Serialize};

mod answers;
pub mod compare;
pub mod outer;
pub(crate) mod page;
mod shipped;
pub(crate) mod verdict;

pub(crate) use answers::Answers;
pub use outer::{Fold, Outer};
pub use shipped::ShippedKind;

/// Number of the keys of `report.json`: it grows where a key changes its name or meaning, not where one is added.
pub const SCHEMA: u32 = 1;

/// The contents of `report.json`; the module lists its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`]; 0 in reports of versions that had none.
    #[serde(default)]
    pub schema: u32,
    /// Version of limbeck.
    pub version: String,
    /// Seed of the recipe.
    pub seed: u64,
    /// True where the user stopped the run: it is valid, but trained less than its recipe says.
    pub interrupted: bool,
    /// Target column.
    pub target: String,
    /// True where the logarithm was learned.
    pub log_target: bool,
    /// The quantile that was learned and judged by its pinball loss; none where it is the mean, judged by RMSE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// What the table held.
    pub data: DataSummary,
    /// The teacher.
    pub teacher: TeacherReport,
    /// The shipped student.
    pub student: StudentReport,
    /// The student of several targets that the shipped one was cut out of; none for a student of one target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<JointReport>,
    /// What a reader should know of the students.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Sizes of both sides; none where both are networks of the shipped one's design.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Sizes>,
    /// What was tried on validation rows.
    pub selection: Selection,
    /// What was shipped.
    pub shipped: Shipped,
    /// Test figures.
    pub test: TestScores,
    /// Test figures per seed.
    pub test_seeds: Vec<SeedScores>,
    /// Models of every kind without a teacher; none in a run that was stopped.
    #[serde(default)]
    pub lone: Option<LoneReport>,
    /// The shipped file against the best one without a teacher; none in a run that was stopped and in reports of earlier versions.
    #[serde(default)]
    pub file: Option<FileReport>,
    /// The whole procedure on other splits, where the recipe asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<Outer>,
    /// Method, gap and verdict.
    #[serde(flatten)]
    pub proof: Proof,
    /// Wall-clock figures.
    pub measured: Measured,
}

impl Report {
    /// How its models are judged.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.quantile
            .map_or(Measure::Rmse, |quantile| Measure::Pinball { quantile })
    }

    /// What is predicted: the target, or which quantile of it.
    #[must_use]
    pub fn predicted(&self) -> String {
        match self.quantile {
            Some(quantile) => format!("{} ({quantile}-quantile)", self.target),
            None => self.target.clone(),
        }
    }
}

/// A student that predicts several targets, in the folder above that of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JointReport {
    /// What it predicts, in the order of its outputs.
    pub targets: Vec<String>,
    /// Fitted numbers that its prediction reads.
    pub parameters: usize,
    /// Bytes of its file.
    pub bytes: usize,
}

impl JointReport {
    /// What the run of one of the targets holds.
    pub(crate) fn note(&self, target: &str) -> String {
        format!(
            "one student predicts `{}`: {} parameters and {} bytes for all of them, in the folder above; here it is cut down to `{target}`",
            self.targets.join("`, `"),
            self.parameters,
            self.bytes
        )
    }
}

/// One of several teachers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its kind.
    pub kind: String,
    /// Its weight in the mix.
    pub weight: f64,
}

/// The teacher.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TeacherReport {
    /// `trees`, `network`, `gp`, `stack`, `command`, `column`, or the format of a model file: `lightgbm`, `xgboost`, `onnx`; of several teachers, all
    /// of them with ` + ` between.
    pub kind: String,
    /// Fitted numbers, where limbeck fitted it or read its file.
    pub parameters: Option<usize>,
    /// Bytes of its file.
    pub bytes: Option<usize>,
    /// Its learners and their weights, where limbeck fitted it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<limbeck_teach::Share>,
    /// Rows that only the teacher labelled.
    pub new_rows: usize,
    /// How many of them were rejected for their spread.
    pub rejected_rows: usize,
    /// The teachers of a mix, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// How often the labels were mended by a teacher of a student's residuals.
    #[serde(default)]
    pub residual_rounds: usize,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// The shipped student.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StudentReport {
    /// What it is.
    #[serde(default)]
    pub kind: StudentKind,
    /// Fitted numbers that prediction reads.
    pub parameters: usize,
    /// Bytes of its file.
    pub bytes: usize,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Inputs of the first layer after encoding.
    pub inputs: usize,
}

/// Sizes of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// The lone student's.
    pub alone: Size,
    /// The distilled student's.
    pub distilled: Size,
}

/// Kind and size of a student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// What it is.
    pub kind: StudentKind,
    /// Fitted numbers that prediction reads.
    pub parameters: usize,
    /// Bytes of its file.
    pub bytes: usize,
}

/// The best models without a teacher, by kind of student, all within the same budget.
///
/// Chosen on validation rows, fitted on all training rows. A network is among them where the lone student is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoneReport {
    /// The best of them on validation rows.
    pub best: StudentKind,
    /// One of another kind than the shipped student, no worse than it on validation rows and no larger; none where there is none.
    pub as_good: Option<StudentKind>,
    /// All of them.
    pub models: Vec<LoneModel>,
}

impl LoneReport {
    /// The model of a kind.
    #[must_use]
    pub fn model(&self, kind: StudentKind) -> Option<&LoneModel> {
        self.models.iter().find(|model| model.size.kind == kind)
    }
}

/// A model without a teacher.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoneModel {
    /// Kind and size.
    #[serde(flatten)]
    pub size: Size,
    /// What was chosen for it; none for a network, whose setting is in `selection`.
    pub spec: Option<Spec>,
    /// Validation error.
    #[serde(alias = "valid_rmse")]
    pub valid_error: f64,
    /// Test figures; means over seeds for the kind of the lone student.
    pub test: StudentScores,
}

/// The shipped file against the best one without a teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    /// What it gains.
    #[serde(flatten)]
    pub gain: FileGain,
    /// The other file.
    pub against: Against,
}

/// The best file without a teacher: of any kind within the budget, by validation rows; of a network, the refit that is nearest to the mean of all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Kind and size.
    #[serde(flatten)]
    pub size: Size,
    /// True where it is the shipped file itself.
    pub is_shipped: bool,
    /// Its test error.
    pub test_error: f64,
}

/// What was tried on validation rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Trials of the lone student.
    pub alone: Vec<TrialReport>,
    /// Trials of the distilled student.
    pub distilled: Vec<TrialReport>,
    /// Closed-form share of the soft loss; a value outside [0, 1] is a finding, and clamped for use.
    pub closed_form_alpha: Option<f64>,
}

/// One trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// What was tried.
    #[serde(flatten)]
    pub setting: Setting,
    /// Step at which it was best.
    pub stop: usize,
    /// Validation error there.
    #[serde(alias = "valid_rmse")]
    pub valid_error: f64,
    /// Seeds on each split of the rows that it is the mean over.
    #[serde(default = "one")]
    pub seeds: usize,
}

/// Seeds in reports of versions that tried each setting once.
fn one() -> usize {
    1
}

impl From<&Trial> for TrialReport {
    fn from(trial: &Trial) -> Self {
        Self {
            setting: trial.setting,
            stop: trial.stop,
            valid_error: trial.valid_error,
            seeds: 1 + trial.again.len(),
        }
    }
}

/// What was shipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shipped {
    /// `alone` or `distilled`.
    pub kind: ShippedKind,
    /// How it was trained.
    pub setting: Setting,
    /// Steps taken.
    pub steps: usize,
    /// Seed of the refit that the file holds.
    pub seed: u64,
    /// Error of the teacher's labels on validation rows; none where they have none.
    #[serde(alias = "valid_rmse_teacher")]
    pub valid_error_teacher: Option<f64>,
    /// Validation error of the lone student.
    #[serde(alias = "valid_rmse_alone")]
    pub valid_error_alone: f64,
    /// Validation error of the distilled student.
    #[serde(alias = "valid_rmse_distilled")]
    pub valid_error_distilled: f64,
}

/// Test figures of a teacher.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherScores {
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination; null for a constant target.
    pub r2: Option<f64>,
    /// Where a quantile is learned.
    #[serde(default, flatten)]
    pub quantile: Option<QuantileScores>,
}

impl TeacherScores {
    /// The error by which the run judges.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.quantile.map_or(self.rmse, |quantile| quantile.pinball)
    }
}

impl StudentScores {
    /// The error by which the run judges.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.quantile.map_or(self.rmse, |quantile| quantile.pinball)
    }
}

/// Test figures of a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileScores {
    /// Mean pinball loss, by which students of a quantile are judged.
    pub pinball: f64,
    /// Share of the targets at or below the prediction; that of the quantile, where it is right.
    pub covered: f64,
}

/// Test figures of a student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudentScores {
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination; null for a constant target.
    pub r2: Option<f64>,
    /// RMSE against the teacher.
    pub fidelity_rmse: f64,
    /// R² against the teacher; null for a constant teacher.
    pub fidelity_r2: Option<f64>,
    /// Where a quantile is learned.
    #[serde(default, flatten)]
    pub quantile: Option<QuantileScores>,
}

/// Test figures of all sides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestScores {
    /// The teacher.
    pub teacher: TeacherScores,
    /// The lone student, mean over seeds.
    pub alone: StudentScores,
    /// The distilled student, mean over seeds.
    pub distilled: StudentScores,
    /// The student in the file.
    pub shipped: StudentScores,
}

/// Test figures of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedScores {
    /// The seed.
    pub seed: u64,
    /// The lone student.
    pub alone: StudentScores,
    /// The distilled student.
    pub distilled: StudentScores,
}

/// Wall-clock figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of the whole run.
    pub seconds: f64,
    /// Seconds per stage.
    pub stages: BTreeMap<String, f64>,
    /// Microseconds per raw row of the student, rows in one call.
    pub student_us_per_row: f64,
    /// Microseconds of one raw row of the student, alone.
    pub student_us_one_row: f64,
    /// Microseconds per row of the teacher while it labelled.
    pub teacher_us_per_row: Option<f64>,
    /// Peak memory held, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Threads used.
    pub threads: usize,
}

/// Figures of a teacher's predictions.
pub(crate) fn teacher_scores(
    measure: Measure,
    pred: &[f64],
    target: &[f64],
    weight: &[f64],
) -> TeacherScores {
    let metrics::Scores { rmse, mae, r2 } = metrics::scores(pred, target, weight);
    let quantile = match measure {
        Measure::Rmse => None,
        Measure::Pinball { .. } => Some(QuantileScores {
            pinball: measure.score(pred, target, weight),
            covered: metrics::covered(pred, target, weight),
        }),
    };
    TeacherScores {
        rmse,
        mae,
        r2,
        quantile,
    }
}

/// Figures of a student's predictions.
pub(crate) fn student_scores(
    measure: Measure,
    pred: &[f64],
    teacher: &[f64],
    target: &[f64],
    weight: &[f64],
) -> StudentScores {
    let TeacherScores {
        rmse,
        mae,
        r2,
        quantile,
    } = teacher_scores(measure, pred, target, weight);
    let fidelity = metrics::scores(pred, teacher, weight);
    StudentScores {
        rmse,
        mae,
        r2,
        fidelity_rmse: fidelity.rmse,
        fidelity_r2: fidelity.r2,
        quantile,
    }
}

/// Mean of each figure.
pub(crate) fn mean_scores(all: &[StudentScores]) -> StudentScores {
    let n = all.len() as f64;
    let mean = |value: &dyn Fn(&StudentScores) -> f64| all.iter().map(value).sum::<f64>() / n;
    let optional = |value: &dyn Fn(&StudentScores) -> Option<f64>| {
        all.iter()
            .map(value)
            .sum::<Option<f64>>()
            .map(|sum| sum / n)
    };
    StudentScores {
        rmse: mean(&|s| s.rmse),
        mae: mean(&|s| s.mae),
        r2: optional(&|s| s.r2),
        fidelity_rmse: mean(&|s| s.fidelity_rmse),
        fidelity_r2: optional(&|s| s.fidelity_r2),
        quantile: optional(&|s| s.quantile.map(|q| q.pinball))
            .zip(optional(&|s| s.quantile.map(|q| q.covered)))
            .map(|(pinball, covered)| QuantileScores { pinball, covered }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_earlier_reports_are_read() {
        let trial: TrialReport = serde_json::from_str(
            r#"{"alpha":1.0,"steps":3,"weight_decay":0.0,"stop":2,"valid_rmse":0.5}"#,
        )
        .unwrap();
        assert_eq!((trial.stop, trial.valid_error), (2, 0.5));
        // Networks filled the budget, without noise.
        assert_eq!(trial.setting, Setting::plain(Some(1.0), 3));
        let difference = r#"{"value":1.0,"low":0.5,"high":2.0}"#;
        let verdict = format!(
            r#"{{"kind":"helps","teacher_better":true,"rmse_saved":{difference},"teacher_lead":{difference},"sentence":""}}"#
        );
        let verdict: limbeck_distill::proof::Verdict = serde_json::from_str(&verdict).unwrap();
        assert_eq!(verdict.error_saved.low, Some(0.5));
    }
}
