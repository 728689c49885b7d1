//! The teacher's predictive standard deviation (in names: `std`).
//!
//! The variance of an ensemble says how much its models disagree, not how far the target is from their predictions. So the *raw* standard
//! deviation (the one that the models give) is scaled such that the mean squared z-score is 1, on rows that the teacher was not fitted on. The
//! scaled one is used only if it is informative: if its Gaussian log-likelihood is higher than that of one constant standard deviation for all
//! rows.

use serde::{Deserialize, Serialize};

use crate::sample::Sample;

/// How the teacher's predictive standard deviation is computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictiveStd {
    /// One standard deviation for all rows: the RMSE on rows that the teacher was not fitted on.
    Constant(f64),
    /// For each row, the standard deviation that the models give, times this factor.
    Scaled(f64),
}

impl PredictiveStd {
    /// Chooses how the standard deviation is computed, on the rows `known`. The teacher was not fitted on these rows: they are out-of-fold rows, or
    /// validation rows for a teacher that limbeck did not fit. `raw` has the standard deviations that the models give; `None` if they give none.
    ///
    /// Also returns notes for the report: one note if the standard deviation is constant, else none.
    ///
    /// # Formula
    ///
    /// ```text
    /// k² = mean (e_i / r_i)²           c² = mean e_i²
    /// NLL(k) = mean [ln(k r_i)] + ½    NLL(c) = ln c + ½
    /// ```
    ///
    /// with errors `e_i` and raw standard deviations `r_i`. Both `k r_i` and `c` give a mean squared z-score of 1, so the negative log-likelihoods
    /// (NLL) differ only in the mean of the logarithm.
    #[must_use]
    pub fn fit(
        sample: &Sample<'_>,
        known: &[usize],
        mean: &[f64],
        raw: Option<&[f64]>,
    ) -> (Self, Vec<String>) {
        let total: f64 = known.iter().map(|&row| sample.weight[row]).sum();
        let average = |value: &dyn Fn(usize) -> f64| {
            known
                .iter()
                .map(|&row| sample.weight[row] * value(row))
                .sum::<f64>()
                / total
        };
        let error_sq = |row: usize| (mean[row] - sample.target[row]).powi(2);
        let constant = average(&error_sq).sqrt();
        let Some(raw) = raw.filter(|raw| known.iter().all(|&row| raw[row] > 0.0)) else {
            let note = "the teacher gives no standard deviations (or gives 0 for some rows), so every row gets the same standard deviation: the \
                        teacher's RMSE on rows that it was not fitted on"
                .to_owned();
            return (Self::Constant(constant), vec![note]);
        };
        let scale = average(&|row| error_sq(row) / (raw[row] * raw[row])).sqrt();
        let log_std = average(&|row| (scale * raw[row]).ln());
        if log_std < constant.ln() {
            return (Self::Scaled(scale), Vec::new());
        }
        let note = format!(
            "the teacher cannot tell where its errors are larger: on rows that it was not fitted on, its standard deviations describe its errors no \
             better than one constant does (negative log-likelihood {:.4}, and {:.4} with the constant). So every row gets the same standard \
             deviation, the teacher's RMSE on these rows. Predictions are not affected; options that use the standard deviation \
             treat all rows alike",
            log_std + 0.5,
            constant.ln() + 0.5
        );
        (Self::Constant(constant), vec![note])
    }

    /// The predictive standard deviations of `rows` rows; `raw` are the standard deviations that the models give, if they do.
    #[must_use]
    pub fn apply(&self, raw: Option<&[f64]>, rows: usize) -> Vec<f64> {
        match (self, raw) {
            (Self::Scaled(scale), Some(raw)) => raw.iter().map(|r| scale * r).collect(),
            (Self::Constant(sd) | Self::Scaled(sd), _) => vec![*sd; rows],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::{Features, Folds};

    fn fit(errors: &[f64], raw: Option<&[f64]>) -> (PredictiveStd, Vec<String>) {
        let features = Features {
            columns: Vec::new(),
            rows: errors.len(),
            past: None,
        };
        let target = vec![0.0; errors.len()];
        let weight = vec![1.0; errors.len()];
        let sample = Sample {
            features: &features,
            target: &target,
            weight: &weight,
            folds: Folds::default(),
            rows_before: 0,
            horizon: 0,
        };
        let known: Vec<usize> = (0..errors.len()).collect();
        PredictiveStd::fit(&sample, &known, errors, raw)
    }

    #[test]
    fn informative_std_is_scaled_to_unit_z() {
        let (std, notes) = fit(&[0.2, -0.2, 4.0, -4.0], Some(&[0.1, 0.1, 2.0, 2.0]));
        assert_eq!(std, PredictiveStd::Scaled(2.0));
        assert!(notes.is_empty());
        assert_eq!(std.apply(Some(&[0.5]), 1), [1.0]);
    }

    #[test]
    fn misleading_std_gives_way_to_a_constant_and_says_so() {
        let (std, notes) = fit(&[4.0, -4.0, 0.0, 0.0], Some(&[0.1, 0.1, 2.0, 2.0]));
        assert_eq!(std, PredictiveStd::Constant(8f64.sqrt()));
        assert!(notes[0].contains("every row gets the same standard deviation"));
    }

    #[test]
    fn missing_std_is_the_rmse() {
        assert_eq!(
            fit(&[3.0, -4.0], None).0,
            PredictiveStd::Constant(12.5f64.sqrt())
        );
    }
}
