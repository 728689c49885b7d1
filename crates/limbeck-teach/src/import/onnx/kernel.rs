//! Distances between rows, and support vector regressors.

use super::tensor::{Tensor, fits};

/// A distance between two rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Distance {
    Euclidean,
    SquaredEuclidean,
    Manhattan,
    Chebyshev,
}

impl Distance {
    fn of(self, a: &[f64], b: &[f64]) -> f64 {
        let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        match self {
            Self::SquaredEuclidean => apart.map(|d| d * d).sum(),
            Self::Euclidean => apart.map(|d| d * d).sum::<f64>().sqrt(),
            Self::Manhattan => apart.sum(),
            Self::Chebyshev => apart.fold(0.0, f64::max),
        }
    }
}

/// Distances `[m, n]` between each row of `a` (`[m, k]`) and each row of `b` (`[n, k]`). `None` if the shapes do not
/// match or the result is too large.
pub(super) fn distances(a: &Tensor, b: &Tensor, distance: Distance) -> Option<Tensor> {
    let (&[m, k], &[n, same]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return None;
    };
    fits(&[m, n], a.data.len() + b.data.len()).filter(|_| k == same && k > 0)?;
    let to_all = |row| {
        b.data
            .chunks_exact(k)
            .map(move |other| distance.of(row, other))
    };
    Some(Tensor {
        shape: vec![m, n],
        data: a.data.chunks_exact(k).flat_map(to_all).collect(),
    })
}

/// The kernel function of a support vector regressor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kernel {
    Linear,
    Poly { gamma: f64, coef0: f64, degree: f64 },
    Rbf { gamma: f64 },
    Sigmoid { gamma: f64, coef0: f64 },
}

impl Kernel {
    fn of(self, a: &[f64], b: &[f64]) -> f64 {
        let dot = || a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match self {
            Self::Linear => dot(),
            Self::Poly {
                gamma,
                coef0,
                degree,
            } => (gamma * dot() + coef0).powf(degree),
            Self::Rbf { gamma } => (-gamma * Distance::SquaredEuclidean.of(a, b)).exp(),
            Self::Sigmoid { gamma, coef0 } => (gamma * dot() + coef0).tanh(),
        }
    }
}

/// A support vector regressor; without support vectors it is linear.
///
/// # Formula
///
/// With support vectors `v_j`, coefficients `c_j` and offset `ρ`: `Σ c_j K(x, v_j) + ρ`. Without support vectors:
/// `K(x, c) + ρ`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SupportVectors {
    pub(super) kernel: Kernel,
    pub(super) coefficients: Vec<f64>,
    /// The support vectors, in row-major order; empty for a linear regressor.
    pub(super) vectors: Vec<f64>,
    pub(super) rho: f64,
}

impl SupportVectors {
    /// Number of fitted parameters.
    pub(super) fn parameters(&self) -> usize {
        self.coefficients.len() + self.vectors.len() + 1
    }

    /// Predictions `[n, 1]` for rows `[n, width]`; `None` if `width` is not the width of the support vectors.
    pub(super) fn predict(&self, x: &Tensor) -> Option<Tensor> {
        let &[rows, width] = x.shape.as_slice() else {
            return None;
        };
        let count = self.coefficients.len();
        let expected = match self.vectors.len() {
            0 => count,
            length => length
                .checked_div(count)
                .filter(|each| each * count == length)?,
        };
        if width != expected || width == 0 {
            return None;
        }
        let of = |row: &[f64]| match self.vectors.is_empty() {
            true => self.kernel.of(row, &self.coefficients) + self.rho,
            false => {
                let each = self.vectors.chunks_exact(width).zip(&self.coefficients);
                each.map(|(vector, c)| c * self.kernel.of(row, vector))
                    .sum::<f64>()
                    + self.rho
            }
        };
        Some(Tensor {
            shape: vec![rows, 1],
            data: x.data.chunks_exact(width).map(of).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tensor::tests::tensor;
    use super::*;

    #[test]
    fn distances_are_worked_by_hand() {
        let (a, b) = (
            tensor(&[1, 2], &[0.0, 0.0]),
            tensor(&[2, 2], &[3.0, 4.0, -1.0, 0.0]),
        );
        let of = |distance| distances(&a, &b, distance).unwrap().data;
        assert_eq!(of(Distance::Euclidean), [5.0, 1.0]);
        assert_eq!(of(Distance::SquaredEuclidean), [25.0, 1.0]);
        assert_eq!(of(Distance::Manhattan), [7.0, 1.0]);
        assert_eq!(of(Distance::Chebyshev), [4.0, 1.0]);
        assert_eq!(
            distances(&a, &tensor(&[1, 1], &[0.0]), Distance::Euclidean),
            None
        );
    }

    #[test]
    fn support_vectors_are_worked_by_hand() {
        let model = |kernel, vectors: &[f64]| SupportVectors {
            kernel,
            coefficients: vec![2.0, -1.0],
            vectors: vectors.to_vec(),
            rho: 0.5,
        };
        let ask = |model: &SupportVectors, x: &[f64]| {
            model.predict(&tensor(&[1, x.len()], x)).unwrap().data[0]
        };
        assert_eq!(ask(&model(Kernel::Linear, &[]), &[1.0, 3.0]), -0.5);
        assert_eq!(
            ask(&model(Kernel::Linear, &[1.0, 4.0]), &[2.0]),
            2.0 * 2.0 - 8.0 + 0.5
        );
        let poly = Kernel::Poly {
            gamma: 1.0,
            coef0: 1.0,
            degree: 2.0,
        };
        assert_eq!(
            ask(&model(poly, &[1.0, 0.0]), &[2.0]),
            2.0 * 9.0 - 1.0 + 0.5
        );
        let rbf = Kernel::Rbf { gamma: 1.0 };
        assert!(
            (ask(&model(rbf, &[0.0, 1.0]), &[0.0]) - (2.0 - (-1_f64).exp() + 0.5)).abs() < 1e-12
        );
        assert_eq!(
            model(rbf, &[0.0, 1.0, 2.0]).predict(&tensor(&[1, 1], &[0.0])),
            None
        );
    }
}
