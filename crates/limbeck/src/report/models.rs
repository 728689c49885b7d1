//! The table with the test metrics of all models, which is shown on the terminal and in `report.html`.
//!
//! A row describes either one model (the teacher, or a file), or the mean over several students that differ only in their training seed. The name of
//! the row says which.

use limbeck_distill::proof::{grouped, short};

use super::naive::{self, NaiveScores};
use super::prediction_intervals;
use super::verdict::kind_name;
use super::{QuantileScores, Report, ShippedKind, Size, StudentScores};

/// A row of the table of models: test metrics and size of one model, or means over several seeds of one student.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRow {
    /// Name of the row, for people.
    pub name: String,
    /// Which model the row describes.
    pub role: Role,
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination; `None` if the target is constant.
    pub r2: Option<f64>,
    /// Metrics of the quantile; `None` if the mean is learned.
    pub quantile: Option<QuantileScores>,
    /// RMSE of the predictions with the teacher's predictions as the truth; `None` for the teacher.
    pub rmse_to_teacher: Option<f64>,
    /// R² of the predictions with the teacher's predictions as the truth; `None` for the teacher, and if its predictions are constant.
    pub r2_to_teacher: Option<f64>,
    /// Number of parameters; `None` if it is not known.
    pub parameters: Option<usize>,
    /// Size of the file in bytes; `None` if it is not known.
    pub bytes: Option<usize>,
    /// Microseconds to predict a row, measured in a batch; `None` if they were not measured.
    pub us_per_row: Option<f64>,
}

/// Which model a row of the table describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The teacher.
    Teacher,
    /// The baseline, as a mean over seeds.
    Baseline,
    /// The distilled student, as a mean over seeds.
    Distilled,
    /// The shipped file.
    Shipped,
    /// The best file without a teacher.
    BestBaseline,
    /// A forecast from the target's own past alone, such as persistence.
    Naive,
}

impl Report {
    /// The rows of the table of models: teacher, baseline, distilled student, shipped file and, if known, the best file without a teacher. For
    /// forecasts, also those from the target's own past alone.
    #[must_use]
    pub fn models(&self) -> Vec<ModelRow> {
        let test = &self.test;
        let mut rows = vec![
            self.teacher_row(),
            self.mean_row(Role::Baseline, &test.baseline),
            self.mean_row(Role::Distilled, &test.distilled),
            self.shipped_row(),
        ];
        rows.extend(self.best_baseline_row());
        rows.extend(self.naive.iter().map(naive_row));
        rows
    }

    /// RMSE of predicting the mean of the test targets for every test row, from RMSE and R² of the shipped file: `RMSE / √(1 − R²)`. `None` if a quantile
    /// is predicted, or without R².
    fn rmse_of_mean(&self) -> Option<f64> {
        let shipped = &self.test.shipped;
        let r2 = shipped
            .r2
            .filter(|r2| self.quantile.is_none() && *r2 < 1.0)?;
        Some(shipped.error() / (1.0 - r2).sqrt())
    }

    /// Footnotes of the table of models, one sentence each, without a period at the end.
    #[must_use]
    pub fn model_notes(&self) -> Vec<String> {
        let periods = self.data.periods.as_ref();
        let period = periods.map_or_else(String::new, |periods| {
            format!(", {} (`{}`)", periods.test, periods.column)
        });
        let constant = self.rmse_of_mean();
        let constant = constant.map_or_else(String::new, |rmse| {
            format!(
                "; predicting the mean of the test targets has RMSE {}",
                short(rmse)
            )
        });
        let rows = format!(
            "{} test rows{period}; errors in the unit of `{}`{constant}",
            grouped(self.data.test),
            self.target
        );
        let mut notes = vec![rows];
        let seeds = self.test_seeds.len();
        if seeds > 1 {
            notes.push(format!(
                "mean of {seeds} seeds: the mean of the errors of {seeds} students that differ only in their training seed; the file has one of these students, so its own error can differ a little"
            ));
        }
        notes.extend(naive::notes(self));
        notes.extend(prediction_intervals::notes(self));
        if let Some(quantile) = self.quantile {
            notes.push(format!(
                "the students predict the {quantile}-quantile; covered is the share of targets at or below the prediction, ideally {:.1} %",
                100.0 * quantile
            ));
        }
        notes
    }

    fn teacher_row(&self) -> ModelRow {
        let scores = &self.test.teacher;
        ModelRow {
            name: format!("teacher ({})", self.teacher.kind),
            role: Role::Teacher,
            rmse: scores.rmse,
            mae: scores.mae,
            r2: scores.r2,
            quantile: scores.quantile,
            rmse_to_teacher: None,
            r2_to_teacher: None,
            parameters: self.teacher.parameters,
            bytes: self.teacher.bytes,
            us_per_row: self.measured.teacher_us_per_row,
        }
    }

    /// The row of one student, with its metrics `scores` as means over seeds. The student is the baseline if `role` is [`Role::Baseline`], and
    /// otherwise the distilled student.
    fn mean_row(&self, role: Role, scores: &StudentScores) -> ModelRow {
        let side = if role == Role::Baseline {
            ShippedKind::Baseline
        } else {
            ShippedKind::Distilled
        };
        let kind = self.sizes.map_or_else(String::new, |_| {
            format!(" ({})", kind_name(self.size_of(side).kind))
        });
        let seeds = match self.test_seeds.len() {
            1 => "1 seed".to_owned(),
            seeds => format!("mean of {seeds} seeds"),
        };
        let name = format!("{}{kind}, {seeds}", student(side));
        student_row(name, role, scores, self.size_of(side))
    }

    fn shipped_row(&self) -> ModelRow {
        let size = Size {
            kind: self.student.kind,
            parameters: self.student.parameters,
            bytes: self.student.bytes,
        };
        let name = format!("shipped file ({})", student(self.shipped.kind));
        ModelRow {
            us_per_row: Some(self.measured.student_us_per_row),
            ..student_row(name, Role::Shipped, &self.test.shipped, size)
        }
    }

    /// The row of the best file without a teacher; `None` if its metrics are not known, for example because the run was stopped.
    fn best_baseline_row(&self) -> Option<ModelRow> {
        let (size, scores) = self.best_baseline()?;
        let name = format!("best file without a teacher ({})", kind_name(size.kind));
        Some(student_row(name, Role::BestBaseline, &scores, size))
    }

    fn best_baseline(&self) -> Option<(Size, StudentScores)> {
        if let Some(against) = self.file.as_ref().map(|file| &file.against)
            && let Some(test) = against.test
        {
            return Some((against.size, test));
        }
        let baselines = self.baselines.as_ref()?;
        let model = baselines.model(baselines.best)?;
        // For a model of the baseline's kind, the report has only means over seeds, not the metrics of one file.
        let is_file = model.size.kind != self.size_of(ShippedKind::Baseline).kind;
        is_file.then_some((model.size, model.test))
    }

    /// Kind and size of the student `side`. If the report has no sizes of both students, both are networks of the shipped size.
    pub(super) fn size_of(&self, side: ShippedKind) -> Size {
        let same = Size {
            kind: limbeck_distill::student::StudentKind::Mlp,
            parameters: self.student.parameters,
            bytes: self.student.bytes,
        };
        self.sizes.map_or(same, |sizes| match side {
            ShippedKind::Baseline => sizes.baseline,
            ShippedKind::Distilled => sizes.distilled,
        })
    }
}

fn student(side: ShippedKind) -> &'static str {
    match side {
        ShippedKind::Baseline => "student alone",
        ShippedKind::Distilled => "student distilled",
    }
}

/// The row of a forecast from the target's own past.
fn naive_row(naive: &NaiveScores) -> ModelRow {
    ModelRow {
        name: match naive::is_model(&naive.name) {
            true => format!("{} (no teacher)", naive.name),
            false => format!("{} (no model)", naive.name),
        },
        role: Role::Naive,
        rmse: naive.rmse,
        mae: naive.mae,
        r2: naive.r2,
        quantile: None,
        rmse_to_teacher: None,
        r2_to_teacher: None,
        parameters: None,
        bytes: None,
        us_per_row: None,
    }
}

fn student_row(name: String, role: Role, scores: &StudentScores, size: Size) -> ModelRow {
    ModelRow {
        name,
        role,
        rmse: scores.rmse,
        mae: scores.mae,
        r2: scores.r2,
        quantile: scores.quantile,
        rmse_to_teacher: Some(scores.fidelity_rmse),
        r2_to_teacher: scores.fidelity_r2,
        parameters: Some(size.parameters),
        bytes: Some(size.bytes),
        us_per_row: None,
    }
}
