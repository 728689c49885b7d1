//! Linear models of other libraries: one weight per input.

use super::fault::{Fault, Parsed};
use super::trees::Link;

/// A weighted sum of the inputs, followed by a link function.
///
/// # Formula
///
/// With inputs `x_i` (missing inputs are skipped), weights `w_i` and base `b`:
///
/// ```text
/// prediction = link( b + Σ w_i x_i )
/// ```
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LinearModel {
    /// One weight per input.
    pub(crate) weights: Vec<f64>,
    pub(crate) base: f64,
    pub(crate) link: Link,
}

impl LinearModel {
    /// Returns the model if all weights and the base are finite, else an error.
    pub(crate) fn checked(self) -> Parsed<Self> {
        let numbers = self.weights.iter().chain([&self.base]).copied();
        let wrong = numbers.into_iter().find(|number| !number.is_finite());
        match wrong {
            Some(number) => Err(Fault::malformed(
                "the weights",
                format!("the number {number}"),
                "finite numbers",
            )),
            None => Ok(self),
        }
    }

    /// True for each input whose weight is not 0.
    pub(crate) fn used(&self) -> Vec<bool> {
        self.weights
            .iter()
            .map(|weight| weight.abs() > 0.0)
            .collect()
    }

    /// Number of weights, plus 1 for the base.
    pub(crate) fn parameters(&self) -> usize {
        self.weights.len() + 1
    }

    /// Writes one prediction per row to `predictions`, summed in single precision. `rows` is in row-major order. A
    /// missing input (NaN) adds nothing.
    pub(crate) fn predict(&self, rows: &[f64], predictions: &mut [f64]) {
        let width = self.weights.len().max(1);
        predictions.fill(self.base);
        for (row, prediction) in rows.chunks_exact(width).zip(&mut *predictions) {
            let add = |sum: f32, (x, weight): (&f64, &f64)| match x.is_nan() {
                true => sum,
                false => sum + *x as f32 * *weight as f32,
            };
            *prediction = f64::from(row.iter().zip(&self.weights).fold(self.base as f32, add));
        }
        for prediction in predictions {
            *prediction = self.link.apply(*prediction);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_models_are_worked_by_hand() {
        let model = LinearModel {
            weights: vec![2.0, -1.0],
            base: 0.5,
            link: Link::Identity,
        };
        let mut predictions = [0.0; 2];
        model.predict(&[1.0, 3.0, f64::NAN, 3.0], &mut predictions);
        assert_eq!(predictions, [-0.5, -2.5]);
        assert_eq!((model.parameters(), model.used()), (3, vec![true, true]));
    }

    #[test]
    fn weights_that_are_not_finite_are_refused() {
        let model = LinearModel {
            weights: vec![f64::NAN],
            base: 0.0,
            link: Link::Identity,
        };
        assert!(model.checked().unwrap_err().to_string().contains("NaN"));
    }
}
