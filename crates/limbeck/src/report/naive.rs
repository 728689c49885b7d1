//! Errors of forecasts from the target's own past alone, beside those of the shipped student and the teacher.

use limbeck_data::Naive;
use limbeck_data::metrics::{self, Scores};
use limbeck_distill::proof::{grouped, short};
use serde::{Deserialize, Serialize};

use super::Report;

/// Test errors of a forecast from the target's own past alone, such as persistence, in the unit of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NaiveScores {
    /// Name of the forecast.
    pub name: String,
    /// Number of test rows for which the forecast is known.
    pub rows: usize,
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination; `None` if the target is constant.
    pub r2: Option<f64>,
    /// RMSE of the shipped student on the same rows.
    pub shipped_rmse: f64,
    /// RMSE of the teacher on the same rows.
    pub teacher_rmse: f64,
    /// MAE of the shipped student on the same rows, divided by that of this forecast: below 1, the student is better. For persistence, this is the MASE
    /// (mean absolute scaled error) with the test rows as scale.
    /// `None` if the forecast has no error.
    pub mae_ratio: Option<f64>,
}

/// Predictions and truth on test rows.
pub(crate) struct Tested<'a> {
    pub(crate) target: &'a [f64],
    pub(crate) weight: &'a [f64],
    pub(crate) teacher: &'a [f64],
    pub(crate) shipped: &'a [f64],
}

impl NaiveScores {
    /// Scores a forecast on test rows, given as positions in the data set; `None` if it is known for none of them.
    pub(crate) fn of(naive: &Naive, rows: &[usize], tested: &Tested<'_>) -> Option<Self> {
        let naive_of: Vec<f64> = rows.iter().map(|&row| naive.predictions[row]).collect();
        let known: Vec<usize> = (0..rows.len())
            .filter(|&at| !naive_of[at].is_nan())
            .collect();
        let is_weighted = known.iter().any(|&at| tested.weight[at] > 0.0);
        if !is_weighted {
            return None;
        }
        let pick = |values: &[f64]| -> Vec<f64> { known.iter().map(|&at| values[at]).collect() };
        let (target, weight) = (pick(tested.target), pick(tested.weight));
        let scores = |pred: &[f64]| metrics::scores(&pick(pred), &target, &weight);
        let (shipped, teacher) = (scores(tested.shipped), scores(tested.teacher));
        let Scores { rmse, mae, r2 } = scores(&naive_of);
        Some(Self {
            name: naive.name.clone(),
            rows: known.len(),
            rmse,
            mae,
            r2,
            shipped_rmse: shipped.rmse,
            teacher_rmse: teacher.rmse,
            mae_ratio: Some(shipped.mae / mae).filter(|ratio| ratio.is_finite()),
        })
    }
}

/// The sentence on the best forecast from the target's own past that is at least as good as the shipped student; `None` if there are none, or if a quantile is predicted.
pub(super) fn alarm(report: &Report) -> Option<String> {
    let better = |naive: &&NaiveScores| naive.rmse <= naive.shipped_rmse;
    let all = report.naive.iter().filter(|_| report.quantile.is_none());
    let best = all
        .filter(better)
        .min_by(|a, b| a.rmse.total_cmp(&b.rmse))?;
    let teacher = match best.rmse <= best.teacher_rmse {
        true => format!(
            "Neither the shipped student nor the teacher (RMSE {})",
            short(best.teacher_rmse)
        ),
        false => "The shipped student".to_owned(),
    };
    let (is, student) = match best.rmse <= best.teacher_rmse {
        true => (
            "is better",
            format!("; the student has RMSE {}", short(best.shipped_rmse)),
        ),
        false => (
            "is not better",
            format!(
                "; the student has RMSE {}, the teacher {}",
                short(best.shipped_rmse),
                short(best.teacher_rmse)
            ),
        ),
    };
    Some(format!(
        "{teacher} {is} than {}{} (RMSE {}{student}).",
        described(&best.name),
        match is_model(&best.name) {
            true => "",
            false => ", a forecast without a model",
        },
        short(best.rmse)
    ))
}

/// True if the forecast is that of a small linear model, rather than a value repeated.
pub(super) fn is_model(name: &str) -> bool {
    !matches!(name, "persistence" | "seasonal naive")
}

fn described(name: &str) -> &str {
    match name {
        "linear on lags" => "linear on lags, a linear model of the target's own last values",
        "HAR" => "HAR, a regression on means of the target's last 1, 5 and 22 values",
        "persistence" => "persistence, which repeats the present value",
        "seasonal naive" => {
            "the seasonal naive forecast, which repeats the value of a season before"
        }
        other => other,
    }
}

/// A footnote on the ratio of errors, one per forecast.
pub(super) fn notes(report: &Report) -> impl Iterator<Item = String> {
    report.naive.iter().filter_map(|naive| {
        let ratio = naive.mae_ratio?;
        let rows = match naive.rows == report.data.test {
            true => String::new(),
            false => format!(
                ", on the {} test rows for which it is known",
                grouped(naive.rows)
            ),
        };
        Some(format!(
            "the MAE of the shipped file is {} times that of {}{rows}",
            short(ratio),
            described(&naive.name)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forecasts_are_scored_where_they_are_known() {
        let naive = Naive {
            name: "persistence".into(),
            target: 0,
            predictions: vec![9.0, 1.0, f64::NAN, 3.0],
        };
        let tested = Tested {
            target: &[2.0, 5.0, 5.0],
            weight: &[1.0; 3],
            teacher: &[2.0, 9.0, 5.0],
            shipped: &[2.5, 0.0, 5.0],
        };
        let found = NaiveScores::of(&naive, &[1, 2, 3], &tested).unwrap();
        assert_eq!((found.rows, found.mae), (2, 1.5));
        assert_eq!(found.rmse, 2.5_f64.sqrt());
        assert_eq!(
            (found.teacher_rmse, found.mae_ratio),
            (0.0, Some(0.25 / 1.5))
        );
        assert_eq!(NaiveScores::of(&naive, &[2], &tested), None);
    }

    /// A report with these test RMSEs of persistence, linear on lags, the shipped student and the teacher.
    fn report(persistence: f64, linear: f64, shipped: f64, teacher: f64) -> Report {
        let mut report: Report = serde_json::from_str(super::super::tests::SCHEMA_1).unwrap();
        let scores = |name: &str, rmse| NaiveScores {
            name: name.into(),
            rows: 20,
            rmse,
            mae: rmse,
            r2: None,
            shipped_rmse: shipped,
            teacher_rmse: teacher,
            mae_ratio: None,
        };
        report.naive = vec![
            scores("persistence", persistence),
            scores("linear on lags", linear),
        ];
        report
    }

    #[test]
    fn the_best_judge_begins_the_verdict() {
        assert_eq!(alarm(&report(3.0, 2.5, 2.0, 1.0)), None);
        let both = alarm(&report(1.5, 1.25, 2.0, 1.75)).unwrap();
        assert_eq!(
            both,
            "Neither the shipped student nor the teacher (RMSE 1.750) is better than linear on lags, a linear model of the target's own last values (RMSE 1.250; the student has RMSE 2.000)."
        );
        let student = alarm(&report(1.5, 9.0, 2.0, 1.0)).unwrap();
        assert_eq!(
            student,
            "The shipped student is not better than persistence, which repeats the present value, a forecast without a model (RMSE 1.500; the student has RMSE 2.000, the teacher 1.000)."
        );
    }
}
