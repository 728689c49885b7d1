//! Errors of forecasts without a model, beside those of the shipped student and the teacher.

use limbeck_data::Naive;
use limbeck_data::metrics::{self, Scores};
use limbeck_distill::proof::{grouped, short};
use serde::{Deserialize, Serialize};

use super::Report;

/// Test errors of a forecast without a model, such as persistence, in the unit of the target.
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

/// The sentence on forecasts without a model that are at least as good as the shipped student; `None` if there are none, or if a quantile is predicted.
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
        "{teacher} {is} than {}, a forecast without a model (RMSE {}{student}).",
        described(&best.name),
        short(best.rmse)
    ))
}

fn described(name: &str) -> &str {
    match name {
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
}
