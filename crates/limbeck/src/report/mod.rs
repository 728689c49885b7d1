//! All results of a run: `report.json`.
//!
//! `baseline` stands for the student trained without the teacher, `distilled` for the student trained with it.
//!
//! | key | what |
//! |---|---|
//! | `schema`, `version`, `seed`, `interrupted` | version of these keys; version of limbeck; seed of the recipe; true if the user stopped the run |
//! | `target`, `log_target`, `quantile` | target column; true if its logarithm was learned; the quantile that the student predicts, if not the mean |
//! | `data` | numbers of rows and columns, split sizes, features, findings of the checks; `periods`: first and last time of each part of the split, with the option `time`; `series`: the series that the rows form, and the leak audit (`audit` with `test`, `passed`, `found`); `ranges` of number features in training and validation rows; `learned`: hashes of at most 256 of these rows, by which `evaluate` recognizes them |
//! | `teacher` | kind, `parameters`, `bytes`, `learners` with `learner` and `weight`, numbers of new and of rejected rows, notes |
//! | `student` | `kind`, `parameters`, `bytes`, `hidden` (widths of the hidden layers), `inputs` (inputs of the first layer after encoding) |
//! | `sizes` | `kind`, `parameters`, `bytes` of `baseline` and `distilled`, unless both are networks of the same design |
//! | `joint` | the student of several targets of which this one is one output: `targets`, `parameters`, `bytes` |
//! | `selection` | trials of both students on validation rows: `baseline`, `distilled`; `closed_form_alpha` |
//! | `shipped` | `kind` (`baseline` or `distilled`), its setting, and the validation errors that decided |
//! | `test` | `teacher`, `baseline`, `distilled`, `shipped`: `rmse`, `mae`, `r2`; students also `fidelity_rmse` (RMSE to the teacher), `fidelity_r2` (R² to the teacher) |
//! | `naive` | forecasts from the target's own past alone, if later rows are predicted (persistence, the seasonal naive forecast, linear on lags, HAR): `name`, `rows` (test rows for which it is known), `rmse`, `mae`, `r2`; `shipped_rmse` and `teacher_rmse` on the same rows; `mae_ratio`: MAE of the shipped student divided by that of the forecast |
//! | `measures` | further measures, for forecasts and with the option `measures`: `mase_scale`, `scale_by_series`, `changed_rows`, `without_variance`; `models` with `name` (`teacher`, `baseline`, `distilled`, `shipped`, then those of `naive`), `mase`, `r2_change` (R² of changes from the present value), `direction` (share of changes with the right direction: `value`, `low`, `high`), `qlike`, `qlike_factor`, `qlike_raised`, `phm08`, and `uncapped` (`rmse` and `phm08` against targets before `target_cap`) |
//! | `prediction_intervals` | coverage of the shipped student's intervals on test rows, if the recipe asks for them: `calibrated_on` (`held_out` or `folds`), `rows` and `groups` that calibrated, `width` (`scaled` or `constant`), and for each of `levels`: `level`, `coverage` with its 95 % interval `low` to `high`, `width` (mean), `too_small`, `slices` with `name`, `rows`, `coverage`, `width` |
//! | `test_seeds` | the metrics of `baseline` and `distilled` for each `seed` |
//! | `baselines` | baselines of every kind of student, trained without a teacher within the same budget: `models` with `kind`, `spec`, `parameters`, `bytes`, `valid_error`, `test`; `best`: the best kind on validation rows; `as_good`: another kind that is no worse than the shipped student on validation rows and no larger |
//! | `method` | comparison of the distilled student with the baseline: `kind`, `error_saved` and `teacher_lead` (`value`, `low`, `high`), `level` (of the intervals), `blocks` (number of test groups, time periods or single rows), `seeds`, `se_rows` and `se_seeds` (standard errors of `error_saved` over test rows and over seeds); `reason` if there is no verdict |
//! | `outer` | the whole run repeated on other splits, with `outer_folds`: `folds` with `learned` and `tested` (numbers of rows), the errors `teacher`, `baseline`, `distilled` and `shipped`, `ships` (the student that would be shipped) and `taught` (true if the distilled student learned from the teacher); `kind`, `error_saved`, `teacher_lead` over folds |
//! | `file` | comparison of the shipped file with the best file without a teacher: `value`, `low`, `high`, `significant`, `worth_having`, `worth`, `threshold`, `against` (`kind`, `parameters`, `bytes`, and `test`: metrics of this file), `reason` |
//! | `gap_closed` | share of the error gap between baseline and teacher that the distilled student closes: `value`, `low`, `high`; `reason` if there is no value |
//! | `verdict` | `kind`, `teacher_better`, `sentence`, and the differences on which it is based |
//! | `notes` | notes on the students |
//! | `measured` | seconds per stage and in all, µs per row, peak memory: the only part that differs between repeated runs |
//!
//! Errors are in the target's unit; `test.baseline` and `test.distilled` are means over seeds, `test.shipped` is for the shipped file.

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
mod measures;
mod models;
mod naive;
pub mod outer;
pub(crate) mod page;
pub mod prediction_intervals;
mod shipped;
pub(crate) mod verdict;

pub(crate) use answers::Answers;
pub use measures::{MeasuresReport, ModelMeasures, Share, Uncapped};
pub(crate) use measures::{Predicted, Rows, needs_training_rows};
pub use models::{ModelRow, Role};
pub use naive::NaiveScores;
pub(crate) use naive::Tested;
pub use outer::{Fold, Outer};
pub use prediction_intervals::{CalibratedOn, PredictionIntervals};
pub use shipped::ShippedKind;

/// Version of the keys of `report.json`: it is increased when a key changes its name or meaning, not when a key is added.
pub const SCHEMA: u32 = 2;

/// The contents of `report.json`; the documentation of this module lists the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the keys, [`SCHEMA`]; 0 in reports of older versions, which had none.
    #[serde(default)]
    pub schema: u32,
    /// Version of limbeck that made the run.
    pub version: String,
    /// Seed of the recipe.
    pub seed: u64,
    /// True if the user stopped the run: the results are valid, but the students were trained less than the recipe says.
    pub interrupted: bool,
    /// Target column.
    pub target: String,
    /// True if the logarithm of the target was learned.
    pub log_target: bool,
    /// The quantile that the student predicts; errors are then pinball losses. `None` if the student predicts the mean; errors are then RMSEs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// Summary of the table.
    pub data: DataSummary,
    /// The teacher.
    pub teacher: TeacherReport,
    /// The shipped student.
    pub student: StudentReport,
    /// The student of several targets, if the shipped student is one of its outputs; `None` for a student of one target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<JointReport>,
    /// Notes for the user on the students.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Sizes of both students; `None` if both are networks of the same design as the shipped one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Sizes>,
    /// The trials of both students on validation rows.
    pub selection: Selection,
    /// The shipped student: which one it is, and its validation errors.
    pub shipped: Shipped,
    /// Test metrics of the teacher and the students.
    pub test: TestScores,
    /// Test errors of forecasts from the target's own past alone; empty unless the target is that of a later row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub naive: Vec<NaiveScores>,
    /// Further measures of all models; `None` if none applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measures: Option<MeasuresReport>,
    /// Coverage and width of the shipped student's prediction intervals on test rows; `None` if the recipe asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction_intervals: Option<PredictionIntervals>,
    /// Test metrics of both students, for each training seed.
    pub test_seeds: Vec<SeedScores>,
    /// Baselines of every kind of student, trained without a teacher. `None` if they could not be fitted, for example because the run was stopped or
    /// its time limit was over.
    #[serde(default, alias = "lone")]
    pub baselines: Option<BaselinesReport>,
    /// Comparison of the shipped file with the best file without a teacher. `None` if there is no such file (see `baselines`), and in reports of earlier
    /// versions.
    #[serde(default)]
    pub file: Option<FileReport>,
    /// Results of the whole run repeated on other splits (outer folds); `None` if no outer fold was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<Outer>,
    /// Comparison of both students, the share of the error gap between baseline and teacher that distillation closes, and the verdict.
    #[serde(flatten)]
    pub proof: Proof,
    /// Times and memory, as measured.
    pub measured: Measured,
}

impl Report {
    /// The metric by which the models of this run are compared.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.quantile
            .map_or(Measure::Rmse, |quantile| Measure::Pinball { quantile })
    }

    /// The quantity that is predicted: the target, or a quantile of it.
    #[must_use]
    pub fn predicted(&self) -> String {
        match self.quantile {
            Some(quantile) => format!("{} ({quantile}-quantile)", self.target),
            None => self.target.clone(),
        }
    }
}

/// A student that predicts several targets. Its file is in the parent folder of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JointReport {
    /// The predicted targets, in the order of the student's outputs.
    pub targets: Vec<String>,
    /// Number of parameters: fitted numbers that prediction uses.
    pub parameters: usize,
    /// Size of the student's file in bytes.
    pub bytes: usize,
}

impl JointReport {
    /// The note on the joint student, for the run of the target `target`.
    pub(crate) fn note(&self, target: &str) -> String {
        format!(
            "one student predicts all targets (`{}`), with {} parameters and {} bytes; its file is in the parent folder, and the student file in this folder has only its output `{target}`",
            self.targets.join("`, `"),
            self.parameters,
            self.bytes
        )
    }
}

/// One of several teachers whose labels are averaged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Kind of this teacher.
    pub kind: String,
    /// Weight of this teacher in the average.
    pub weight: f64,
}

/// The teacher.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TeacherReport {
    /// `trees`, `network`, `lstm`, `gp`, `linear`, `stack`, `command`, `column`, or the format of a model file: `lightgbm`, `xgboost`, `catboost`, `onnx`. For the
    /// teacher of another run, its kind with ` of another run`. If there are several teachers, their kinds joined by ` + `.
    pub kind: String,
    /// Number of parameters; `None` unless limbeck fitted the teacher or read its file.
    pub parameters: Option<usize>,
    /// Size of the teacher's file in bytes; `None` unless limbeck fitted the teacher or read its file.
    pub bytes: Option<usize>,
    /// The learners that the teacher is made of, and their weights; empty unless limbeck fitted the teacher.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<limbeck_teach::Share>,
    /// Number of new rows (rows without targets, labeled by the teacher), rejected ones included.
    pub new_rows: usize,
    /// Number of new rows that were rejected, because the teacher's standard deviation is too large on them or its prediction is not finite.
    pub rejected_rows: usize,
    /// The teachers whose labels were averaged; empty if there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// Number of rounds of residual correction of the labels.
    #[serde(default)]
    pub residual_rounds: usize,
    /// Notes for the user on the teacher.
    pub notes: Vec<String>,
}

/// The shipped student.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StudentReport {
    /// Kind of student.
    #[serde(default)]
    pub kind: StudentKind,
    /// Number of parameters: fitted numbers that prediction uses.
    pub parameters: usize,
    /// Size of the student's file in bytes.
    pub bytes: usize,
    /// Widths of the hidden layers; empty for a non-neural student.
    pub hidden: Vec<usize>,
    /// Number of inputs of the student after encoding. A category column can become several inputs.
    pub inputs: usize,
}

/// Sizes of both students.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// Size of the baseline, the student trained without the teacher.
    #[serde(alias = "alone")]
    pub baseline: Size,
    /// Size of the distilled student.
    pub distilled: Size,
}

/// Kind and size of a student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Kind of student.
    pub kind: StudentKind,
    /// Number of parameters: fitted numbers that prediction uses.
    pub parameters: usize,
    /// Size of the student's file in bytes.
    pub bytes: usize,
}

/// Baselines of every kind of student: the best models without a teacher within the same budget.
///
/// Each is chosen on validation rows and fitted on training and validation rows. A network is among them only if the baseline student is a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselinesReport {
    /// The best kind on validation rows.
    pub best: StudentKind,
    /// Another kind of student than the shipped one, whose model is no worse on validation rows and no larger than the shipped student; `None` if
    /// there is no such kind.
    pub as_good: Option<StudentKind>,
    /// One model for each kind.
    pub models: Vec<BaselineModel>,
}

impl BaselinesReport {
    /// The model of this kind; `None` if none was fitted.
    #[must_use]
    pub fn model(&self, kind: StudentKind) -> Option<&BaselineModel> {
        self.models.iter().find(|model| model.size.kind == kind)
    }
}

/// The best model of one kind, trained without a teacher.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineModel {
    /// Kind and size.
    #[serde(flatten)]
    pub size: Size,
    /// The settings chosen for this model; `None` for a network, whose setting is in `selection`.
    pub spec: Option<Spec>,
    /// Validation error, in the target's unit.
    #[serde(alias = "valid_rmse")]
    pub valid_error: f64,
    /// Test metrics. For the kind of the baseline student, they are means over its refits with several seeds; for any other kind, those of a single
    /// fit.
    pub test: StudentScores,
}

/// Comparison of the shipped file with the best file without a teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    /// The gain of the shipped file over the best file without a teacher.
    #[serde(flatten)]
    pub gain: FileGain,
    /// The best file without a teacher.
    pub against: Against,
}

/// The best file without a teacher, chosen by validation error among all kinds within the budget. If a network was refitted with several seeds, the
/// file has the refit whose predictions are nearest to the mean over all refits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Kind and size.
    #[serde(flatten)]
    pub size: Size,
    /// True if it is the shipped file itself, so that there is no gain.
    pub is_shipped: bool,
    /// Test error of this file.
    pub test_error: f64,
    /// Test metrics of this file, `test_error` among them; `None` in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<StudentScores>,
}

/// The trials of both students on validation rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Trials of the baseline.
    #[serde(alias = "alone")]
    pub baseline: Vec<TrialReport>,
    /// Trials of the distilled student.
    pub distilled: Vec<TrialReport>,
    /// The best share of teacher labels in the loss, in closed form ([`closed_form_alpha`](limbeck_distill::search::closed_form_alpha)). It can lie
    /// outside [0, 1], and is clamped to this range when it is used. `None` if it is undefined.
    pub closed_form_alpha: Option<f64>,
}

/// A setting that was tried, with its result on validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// Setting of the student.
    #[serde(flatten)]
    pub setting: Setting,
    /// Training step with the smallest validation error: the number of steps of the refit.
    pub stop: usize,
    /// Validation error at the step `stop`.
    #[serde(alias = "valid_rmse")]
    pub valid_error: f64,
    /// Number of training seeds on each split of the rows; the error is averaged over seeds and splits.
    #[serde(default = "one")]
    pub seeds: usize,
}

/// The number of seeds in reports of older versions, which tried each setting once.
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

/// The shipped student: which one it is, and its validation errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shipped {
    /// `baseline` or `distilled`.
    pub kind: ShippedKind,
    /// Setting of the student.
    pub setting: Setting,
    /// Number of training steps.
    pub steps: usize,
    /// Seed of the refit that the file contains.
    pub seed: u64,
    /// Error of the teacher's labels on validation rows; `None` if these rows have no labels.
    #[serde(alias = "valid_rmse_teacher")]
    pub valid_error_teacher: Option<f64>,
    /// Validation error of the baseline.
    #[serde(alias = "valid_error_alone", alias = "valid_rmse_alone")]
    pub valid_error_baseline: f64,
    /// Validation error of the distilled student.
    #[serde(alias = "valid_rmse_distilled")]
    pub valid_error_distilled: f64,
}

/// Test metrics of a teacher.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherScores {
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination; `null` if the target is constant.
    pub r2: Option<f64>,
    /// Metrics of the quantile; `None` if the mean is learned.
    #[serde(default, flatten)]
    pub quantile: Option<QuantileScores>,
}

impl TeacherScores {
    /// The error by which the run compares models: RMSE, or the pinball loss of a quantile.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.quantile.map_or(self.rmse, |quantile| quantile.pinball)
    }
}

impl StudentScores {
    /// The error by which the run compares models: RMSE, or the pinball loss of a quantile.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.quantile.map_or(self.rmse, |quantile| quantile.pinball)
    }
}

/// Test metrics of a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileScores {
    /// Mean pinball loss. Students of a quantile are compared by it.
    pub pinball: f64,
    /// Share of the targets at or below the prediction. It is close to the quantile if the predictions are right.
    pub covered: f64,
}

/// Test metrics of a student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudentScores {
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination; `null` if the target is constant.
    pub r2: Option<f64>,
    /// RMSE to the teacher: of the student's predictions, with the teacher's predictions as the truth.
    pub fidelity_rmse: f64,
    /// R² to the teacher: of the student's predictions, with the teacher's predictions as the truth; `null` if the latter are constant.
    pub fidelity_r2: Option<f64>,
    /// Metrics of the quantile; `None` if the mean is learned.
    #[serde(default, flatten)]
    pub quantile: Option<QuantileScores>,
}

/// Test metrics of the teacher and the students.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestScores {
    /// The teacher.
    pub teacher: TeacherScores,
    /// The baseline, mean over seeds.
    #[serde(alias = "alone")]
    pub baseline: StudentScores,
    /// The distilled student, mean over seeds.
    pub distilled: StudentScores,
    /// The shipped student, as it is in its file.
    pub shipped: StudentScores,
}

/// Test metrics of both students with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedScores {
    /// The seed.
    pub seed: u64,
    /// The baseline.
    #[serde(alias = "alone")]
    pub baseline: StudentScores,
    /// The distilled student.
    pub distilled: StudentScores,
}

/// Times and memory of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of the whole run.
    pub seconds: f64,
    /// Seconds spent in each stage, by its name.
    pub stages: BTreeMap<String, f64>,
    /// Microseconds that the student takes per raw row, with all test rows in one call.
    pub student_us_per_row: f64,
    /// Microseconds that the student takes per raw row, with one row per call.
    pub student_us_one_row: f64,
    /// Microseconds that the teacher takes per row, measured while it labeled; `None` if this was not measured.
    pub teacher_us_per_row: Option<f64>,
    /// Peak memory of the process, in bytes; `None` if the operating system does not report it.
    pub peak_memory_bytes: Option<u64>,
    /// Number of threads used.
    pub threads: usize,
}

/// The metrics of a teacher's predictions.
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

/// The metrics of a student's predictions.
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

/// The mean of each metric over `all`; `None` for a metric that is `None` in one of them.
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

    /// A report with schema 1, whose keys had other names.
    pub(super) const SCHEMA_1: &str = r#"{
        "schema":1,"version":"0.1.0","seed":0,"interrupted":false,"target":"y","log_target":false,
        "data":{"source":"a.csv","rows":100,"columns":2,"train":70,"valid":10,"test":20,"features":[{"name":"x","kind":"number"}],
            "target":{"mean":1.0,"standard_deviation":2.0,"min":0.0,"max":9.0},"warnings":[]},
        "teacher":{"kind":"trees","parameters":900,"bytes":9000,"new_rows":0,"rejected_rows":0,"notes":[]},
        "student":{"kind":"linear","parameters":9,"bytes":70,"hidden":[],"inputs":1},
        "sizes":{"alone":{"kind":"linear","parameters":9,"bytes":70},"distilled":{"kind":"trees","parameters":10,"bytes":80}},
        "selection":{"alone":[{"alpha":null,"steps":0,"weight_decay":0.0,"stop":0,"valid_error":0.5}],"distilled":[],"closed_form_alpha":null},
        "shipped":{"kind":"alone","setting":{"alpha":null,"steps":0,"weight_decay":0.0},"steps":0,"seed":0,
            "valid_error_teacher":0.25,"valid_error_alone":0.5,"valid_error_distilled":0.75},
        "test":{"teacher":{"rmse":1.0,"mae":1.0,"r2":0.9},"alone":{"rmse":3.0,"mae":1.0,"r2":0.8,"fidelity_rmse":1.0,"fidelity_r2":0.9},
            "distilled":{"rmse":2.0,"mae":1.0,"r2":0.8,"fidelity_rmse":1.0,"fidelity_r2":0.9},
            "shipped":{"rmse":3.0,"mae":1.0,"r2":0.8,"fidelity_rmse":1.0,"fidelity_r2":0.9}},
        "test_seeds":[{"seed":0,"alone":{"rmse":3.0,"mae":1.0,"r2":0.8,"fidelity_rmse":1.0,"fidelity_r2":0.9},
            "distilled":{"rmse":2.0,"mae":1.0,"r2":0.8,"fidelity_rmse":1.0,"fidelity_r2":0.9}}],
        "lone":{"best":"linear","as_good":null,"models":[{"kind":"linear","parameters":9,"bytes":70,"spec":null,"valid_error":0.5,
            "test":{"rmse":3.0,"mae":1.0,"r2":0.8,"fidelity_rmse":1.0,"fidelity_r2":0.9}}]},
        "outer":{"folds":[{"learned":80,"tested":20,"teacher":1.0,"alone":3.0,"distilled":2.0,"shipped":3.0,"ships":"alone","taught":true}],
            "kind":"no gain","error_saved":{"value":1.0,"low":null,"high":null},"teacher_lead":{"value":2.0,"low":null,"high":null}},
        "gap_closed":{"value":0.5,"low":0.1,"high":0.9,"reason":null},
        "verdict":{"kind":"no gain","teacher_better":true,"error_saved":{"value":1.0,"low":-1.0,"high":3.0},
            "teacher_lead":{"value":2.0,"low":1.0,"high":3.0},"sentence":"No gain."},
        "measured":{"seconds":1.0,"stages":{"lone models":0.5},"student_us_per_row":0.1,"student_us_one_row":0.2,"teacher_us_per_row":null,
            "peak_memory_bytes":null,"threads":1}}"#;

    /// A report whose shipped file is compared with trees: `low` and `high` are the interval of the gain `value`.
    fn against_trees(value: f64, low: f64, high: f64) -> Report {
        let mut report: Report = serde_json::from_str(SCHEMA_1).unwrap();
        let against = format!(
            r#"{{"value":{value},"low":{low},"high":{high},"significant":false,"worth_having":false,"worth":0.01,"threshold":0.04,"reason":null,
                "against":{{"kind":"trees","parameters":10,"bytes":80,"is_shipped":false,"test_error":4.0}}}}"#
        );
        report.file = Some(serde_json::from_str(&against).unwrap());
        report
    }

    #[test]
    fn verdicts_name_the_kind_of_a_better_file_and_students_that_are_hardly_of_use() {
        let said = |report: &Report| verdict::sentence(report, &[]);
        let worse = said(&against_trees(-1.0, -2.0, -0.5));
        assert!(worse.contains("significantly worse"), "{worse}");
        assert!(worse.contains("`--student trees`"), "{worse}");
        assert!(!worse.contains("--joint"), "{worse}");
        let mut joint = against_trees(-1.0, -2.0, -0.5);
        joint.joint = Some(JointReport {
            targets: vec!["y".into(), "z".into()],
            parameters: 9,
            bytes: 70,
        });
        let joint = said(&joint);
        assert!(
            joint.contains("with `--student trees` and without `--joint`."),
            "{joint}"
        );
        let unclear = said(&against_trees(-1.0, -2.0, 0.5));
        assert!(unclear.contains("not shown to be better"), "{unclear}");
        let mut better = against_trees(1.0, -0.5, 2.0);
        let text = said(&better);
        assert!(!text.contains("--student"), "{text}");
        assert!(!text.contains("hardly"), "{text}");
        better.test.shipped.r2 = Some(0.019);
        assert!(said(&better).starts_with("The shipped student is hardly better"));
        better.test.shipped.r2 = Some(0.02);
        assert!(!said(&better).contains("hardly"));
    }

    #[test]
    fn tables_tell_the_error_of_the_mean() {
        // 3 / √(1 − 0.8)
        let notes = against_trees(1.0, -0.5, 2.0).model_notes();
        assert!(notes[0].contains("has RMSE 6.708"), "{}", notes[0]);
    }

    #[test]
    fn lists_of_runs_tell_the_gain_of_the_file() {
        let word = |low: f64, high: f64| compare::file_gain(&against_trees(0.0, low, high));
        assert_eq!(word(-2.0, -0.5), "worse");
        assert_eq!(word(-2.0, 0.5), "not shown");
        let mut report = against_trees(1.0, 0.5, 2.0);
        assert_eq!(compare::file_gain(&report), "not shown");
        let gain = &mut report.file.as_mut().unwrap().gain;
        gain.significant = true;
        assert_eq!(compare::file_gain(&report), "too small");
        report.file.as_mut().unwrap().gain.worth_having = true;
        assert_eq!(compare::file_gain(&report), "worth having");
        report.file = None;
        assert_eq!(compare::file_gain(&report), "–");
    }

    #[test]
    fn reports_of_schema_1_are_read() {
        let report: Report = serde_json::from_str(SCHEMA_1).unwrap();
        let folds = &report.outer.as_ref().unwrap().folds;
        assert_eq!(
            (folds[0].baseline, folds[0].ships),
            (3.0, ShippedKind::Baseline)
        );
        assert_eq!(
            (
                report.test.baseline.rmse,
                report.test_seeds[0].baseline.rmse
            ),
            (3.0, 3.0)
        );
        assert_eq!(report.shipped.kind, ShippedKind::Baseline);
        assert_eq!(
            (
                report.shipped.valid_error_baseline,
                report.selection.baseline.len()
            ),
            (0.5, 1)
        );
        assert_eq!(report.sizes.unwrap().baseline.bytes, 70);
        assert_eq!(report.baselines.as_ref().unwrap().models.len(), 1);
        // Written again, it has the names of today, and no others.
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(text.matches("alone").count(), 0, "{text}");
        assert_eq!(text.matches("\"lone\"").count(), 0, "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for pointer in [
            "/sizes/baseline/kind",
            "/selection/baseline/0/valid_error",
            "/shipped/valid_error_baseline",
            "/test/baseline/rmse",
            "/test_seeds/0/baseline/rmse",
            "/baselines/models/0/test/rmse",
            "/outer/folds/0/baseline",
        ] {
            assert!(value.pointer(pointer).is_some(), "{pointer}");
        }
        assert_eq!(
            (
                &value["shipped"]["kind"],
                &value["outer"]["folds"][0]["ships"]
            ),
            (&"baseline".into(), &"baseline".into())
        );
    }
}
