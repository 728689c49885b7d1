//! The teacher's predictive spread.
//!
//! Ensemble variance alone says how much models disagree, not how far the target lies from them. So a raw spread is scaled
//! until the mean squared z on rows that the teacher has not seen is 1, and kept only if it tells rows apart: if its
//! Gaussian log-likelihood beats that of one constant.

use serde::{Deserialize, Serialize};

use crate::sample::Sample;

/// From raw spread to predictive standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// The same for every row: the RMSE on rows that the teacher has not seen.
    Constant(f64),
    /// Raw spread times this.
    Scaled(f64),
}

impl Spread {
    /// Fits the rule on rows that the teacher has not seen: out of fold, or of the validation set for a teacher from
    /// outside. The second value tells why a spread is constant.
    ///
    /// # Formula
    ///
    /// ```text
    /// k² = mean (e_i / r_i)²           c² = mean e_i²
    /// NLL(k) = mean [ln(k r_i)] + ½    NLL(c) = ln c + ½
    /// ```
    ///
    /// with errors `e_i` and raw spreads `r_i`; both have mean squared z of 1, so the likelihoods differ in the mean
    /// logarithm alone.
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
            let note = "the teacher gives no spread of its own; its RMSE on rows that it has not seen stands for every row".to_owned();
            return (Self::Constant(constant), vec![note]);
        };
        let scale = average(&|row| error_sq(row) / (raw[row] * raw[row])).sqrt();
        let log_spread = average(&|row| (scale * raw[row]).ln());
        if log_spread < constant.ln() {
            return (Self::Scaled(scale), Vec::new());
        }
        let note = format!(
            "the teacher's spread does not beat a constant (negative log-likelihood {:.4} against {:.4} on rows that it has not \
             seen); its RMSE there stands for every row",
            log_spread + 0.5,
            constant.ln() + 0.5
        );
        (Self::Constant(constant), vec![note])
    }

    /// Standard deviation of `rows` rows.
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

    fn fit(errors: &[f64], raw: Option<&[f64]>) -> (Spread, Vec<String>) {
        let features = Features {
            columns: Vec::new(),
            rows: errors.len(),
        };
        let target = vec![0.0; errors.len()];
        let weight = vec![1.0; errors.len()];
        let sample = Sample {
            features: &features,
            target: &target,
            weight: &weight,
            folds: Folds::default(),
        };
        let known: Vec<usize> = (0..errors.len()).collect();
        Spread::fit(&sample, &known, errors, raw)
    }

    #[test]
    fn informative_spread_is_scaled_to_unit_z() {
        let (spread, notes) = fit(&[0.2, -0.2, 4.0, -4.0], Some(&[0.1, 0.1, 2.0, 2.0]));
        assert_eq!(spread, Spread::Scaled(2.0));
        assert!(notes.is_empty());
        assert_eq!(spread.apply(Some(&[0.5]), 1), [1.0]);
    }

    #[test]
    fn misleading_spread_gives_way_to_a_constant_and_says_so() {
        let (spread, notes) = fit(&[4.0, -4.0, 0.0, 0.0], Some(&[0.1, 0.1, 2.0, 2.0]));
        assert_eq!(spread, Spread::Constant(8f64.sqrt()));
        assert!(notes[0].contains("does not beat a constant"));
    }

    #[test]
    fn missing_spread_is_the_rmse() {
        assert_eq!(fit(&[3.0, -4.0], None).0, Spread::Constant(12.5f64.sqrt()));
    }
}
