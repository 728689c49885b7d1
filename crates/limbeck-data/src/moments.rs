//! Least squares of a few inputs from weighted sums, so that rows can be added one after the other.

/// Weighted sums of all products of `1`, some inputs and a target: all that a linear fit needs.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    /// Number of terms: the constant, the inputs and the target.
    terms: usize,
    /// `Σ w z_i z_j` at `i · terms + j` for `j ≥ i`, with `z = (1, x_1, …, x_p, y)`.
    sums: Vec<f64>,
    /// The terms of the row that was added last.
    row: Vec<f64>,
}

impl Moments {
    /// Sums without any row, for this number of inputs.
    pub(crate) fn new(inputs: usize) -> Self {
        let terms = inputs + 2;
        Self {
            terms,
            sums: vec![0.0; terms * terms],
            row: vec![1.0; terms],
        }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, inputs: &[f64], target: f64, weight: f64) {
        self.row[1..=inputs.len()].copy_from_slice(inputs);
        self.row[inputs.len() + 1] = target;
        for (i, &left) in self.row.iter().enumerate() {
            let scaled = weight * left;
            let sums = &mut self.sums[i * self.terms + i..(i + 1) * self.terms];
            let both = sums.iter_mut().zip(&self.row[i..]);
            both.for_each(|(sum, right)| *sum += scaled * right);
        }
    }

    /// The sums of the rows of both.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        let both = self.sums.iter_mut().zip(&other.sums);
        both.for_each(|(sum, other)| *sum += other);
        self
    }

    fn sum(&self, i: usize, j: usize) -> f64 {
        self.sums[i.min(j) * self.terms + i.max(j)]
    }

    /// The sum of weights.
    pub(crate) fn weight(&self) -> f64 {
        self.sum(0, 0)
    }

    /// Ridge regression: the intercept `a`, then the weights `b` of the inputs. `None` without rows, or if the inputs are not independent and `ridge` is 0.
    ///
    /// # Formula
    ///
    /// With weighted means, the weighted covariance `C` of the inputs, their covariance `c` with the target, and the mean variance `s²` of the inputs:
    ///
    /// ```text
    /// (C + ridge · s² I) b = c        a = ȳ − b·x̄
    /// ```
    pub(crate) fn ridge(&self, ridge: f64) -> Option<Vec<f64>> {
        let (inputs, weight) = (self.terms - 2, self.weight());
        if weight <= 0.0 {
            return None;
        }
        let mean = |i: usize| self.sum(0, i) / weight;
        let covariance = |i: usize, j: usize| self.sum(i, j) / weight - mean(i) * mean(j);
        let spread = (1..=inputs).map(|i| covariance(i, i)).sum::<f64>() / inputs.max(1) as f64;
        let mut fit = vec![mean(inputs + 1)];
        if spread <= 0.0 {
            fit.resize(inputs + 1, 0.0);
            return Some(fit);
        }
        let matrix = (0..inputs * inputs).map(|at| {
            let (i, j) = (at / inputs, at % inputs);
            let added = if i == j { ridge * spread } else { 0.0 };
            covariance(i + 1, j + 1) + added
        });
        let right = (1..=inputs).map(|i| covariance(i, inputs + 1)).collect();
        let weights = solve(matrix.collect(), right)?;
        let means = weights.iter().zip(1..).map(|(b, i)| b * mean(i));
        fit[0] -= means.sum::<f64>();
        fit.extend(weights);
        Some(fit)
    }

    /// The weighted mean squared error of a fit on the rows.
    pub(crate) fn error(&self, fit: &[f64]) -> f64 {
        // The error is v·z with v = (−a, −b_1, …, −b_p, 1).
        let factor = |i: usize| fit.get(i).map_or(1.0, |value| -value);
        let all = (0..self.terms).flat_map(|i| (0..self.terms).map(move |j| (i, j)));
        let sum: f64 = all
            .map(|(i, j)| factor(i) * factor(j) * self.sum(i, j))
            .sum();
        sum / self.weight()
    }
}

/// The prediction of a fit that [`Moments::ridge`] made.
pub(crate) fn predicted(fit: &[f64], inputs: &[f64]) -> f64 {
    let both = fit[1..].iter().zip(inputs);
    fit[0] + both.map(|(weight, input)| weight * input).sum::<f64>()
}

/// Solves a positive definite system, whose matrix is given row by row, by Cholesky's decomposition. `None` if it is not positive definite.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    for j in 0..n {
        for i in j..n {
            let (row_i, row_j) = (i * n, j * n);
            let done: f64 = (0..j).map(|k| matrix[row_i + k] * matrix[row_j + k]).sum();
            let left = matrix[row_i + j] - done;
            if i > j {
                matrix[row_i + j] = left / matrix[row_j + j];
            } else if left > 0.0 {
                matrix[row_j + j] = left.sqrt();
            } else {
                return None;
            }
        }
    }
    for i in 0..n {
        let done: f64 = (0..i).map(|k| matrix[i * n + k] * right[k]).sum();
        right[i] = (right[i] - done) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let done: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
        right[i] = (right[i] - done) / matrix[i * n + i];
    }
    right.iter().all(|value| value.is_finite()).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_ridge_shrinks_its_slope() {
        let mut line = Moments::new(1);
        // y = 1 + 2 x at x = −1 (twice) and x = 2; the weights make the mean of x 0.
        line.add(&[-1.0], -1.0, 2.0);
        line.add(&[2.0], 5.0, 1.0);
        let fit = line.ridge(0.0).unwrap();
        assert!(
            (fit[0] - 1.0).abs() < 1e-12 && (fit[1] - 2.0).abs() < 1e-12,
            "{fit:?}"
        );
        // The variance of x is (2·1 + 4) / 3 = 2, its covariance with y is 4: 4 / (2 + 1 · 2) = 1.
        let shrunk = line.ridge(1.0).unwrap();
        assert!((shrunk[0] - 1.0).abs() < 1e-12 && (shrunk[1] - 1.0).abs() < 1e-12);
        // Errors are 1 at x = −1 and 2 at x = 2: (2·1 + 4) / 3.
        assert!((line.error(&shrunk) - 2.0).abs() < 1e-12);
        assert_eq!(predicted(&[1.0, 1.0], &[3.0]), 4.0);
    }

    #[test]
    fn two_inputs_agree_with_a_hand_calculation() {
        let mut all = Moments::new(2);
        // y = 3 + x_1 − 2 x_2 at the corners of a square.
        for (x1, x2) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            all.add(&[x1, x2], 3.0 + x1 - 2.0 * x2, 1.0);
        }
        let fit = all.ridge(0.0).unwrap();
        for (found, expected) in fit.iter().zip([3.0, 1.0, -2.0]) {
            assert!((found - expected).abs() < 1e-12, "{fit:?}");
        }
        let twice = all.clone().with(&all);
        assert_eq!(twice.weight(), 8.0);
        assert_eq!(twice.ridge(0.0), all.ridge(0.0));
    }

    #[test]
    fn dependent_inputs_have_no_fit_without_ridge() {
        let mut all = Moments::new(2);
        (0..4).for_each(|i| all.add(&[f64::from(i), f64::from(i)], f64::from(i), 1.0));
        assert_eq!(all.ridge(0.0), None);
        let fit = all.ridge(1e-9).unwrap();
        assert!((predicted(&fit, &[2.0, 2.0]) - 2.0).abs() < 1e-6);
        assert_eq!(Moments::new(2).ridge(1.0), None);
        let mut constant = Moments::new(1);
        constant.add(&[5.0], 3.0, 1.0);
        assert_eq!(constant.ridge(0.0).unwrap(), [3.0, 0.0]);
    }
}
