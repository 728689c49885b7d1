//! Kernels: the covariance of the function's values at two rows `x` and `x'` of `D` coordinates.
//!
//! ```text
//! k(x, x') = s² · κ(r²) + c² · ⟨x, x'⟩ / D,      r² = Σ_d ρ_g(d)² (x_d − x'_d)²
//! κ(r²)    = (1 + √5 r + 5 r² / 3) e^(−√5 r)     Matérn 5/2
//!          = e^(−r² / 2)                         squared exponential
//! ```
//!
//! with `s²` the variance of the first part, `c²` the variance of the linear part, and `ρ_g` the inverse length scale of the column that coordinate
//! `d` belongs to. All coordinates of one column have the same `ρ_g`. `σ²` is the variance of the noise. All parameters are stored as logarithms,
//! `θ = (ln s², ln σ², ln c², ln ρ_1, …)`, so that they need no bounds.

use nalgebra::{DMatrix, DMatrixView, DVector};
use serde::{Deserialize, Serialize};

/// The function `κ`, by which the covariance decreases with the distance: Matérn 5/2 or squared exponential (`Smooth`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    Matern,
    Smooth,
}

impl Shape {
    pub(super) const ALL: [Self; 2] = [Self::Matern, Self::Smooth];

    /// The value `κ(r²)`.
    fn value(self, r_sq: f64) -> f64 {
        match self {
            Self::Matern => {
                let r = (5.0 * r_sq).sqrt();
                (1.0 + r + r * r / 3.0) * (-r).exp()
            }
            Self::Smooth => (-0.5 * r_sq).exp(),
        }
    }

    /// The value `κ(r²)` and its derivative with respect to `r²`.
    fn slope(self, r_sq: f64) -> (f64, f64) {
        match self {
            Self::Matern => {
                let r = (5.0 * r_sq).sqrt();
                let fall = (-r).exp();
                (
                    (1.0 + r + r * r / 3.0) * fall,
                    -5.0 / 6.0 * (1.0 + r) * fall,
                )
            }
            Self::Smooth => {
                let value = (-0.5 * r_sq).exp();
                (value, -0.5 * value)
            }
        }
    }

    /// The value `κ(r²)` in single precision, without a branch or a call, so that the compiler can vectorize it.
    fn fast(self, r_sq: f32) -> f32 {
        match self {
            Self::Matern => {
                let r = (5.0 * r_sq).sqrt();
                (1.0 + r + r * r * (1.0 / 3.0)) * fast_exp(-r)
            }
            Self::Smooth => fast_exp(-0.5 * r_sq),
        }
    }
}

/// `e^x` for `x ≤ 0`, accurate to two units in the last place: `2^n · 2^f`, with `f` in [−½, ½] and a Taylor polynomial for `2^f`.
fn fast_exp(x: f32) -> f32 {
    /// Adding this number and subtracting it again rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let t = x.max(-87.0) * std::f32::consts::LOG2_E;
    let n = (t + ROUND) - ROUND;
    let f = (t - n) * std::f32::consts::LN_2;
    let p = 1.0
        + f * (1.0
            + f * (0.5
                + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * (1.0 / 120.0 + f * (1.0 / 720.0))))));
    p * f32::from_bits(((n as i32 + 127) << 23) as u32)
}

/// A kernel, and the variance of the noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kernel {
    shape: Shape,
    theta: Vec<f64>,
    /// For each coordinate, the index of its column.
    groups: Vec<usize>,
}

/// Index of `ln s²` in `theta`. The next three constants are the indices of `ln σ²` (noise), `ln c²` (linear part) and `ln ρ_1`.
const SIGNAL: usize = 0;
const NOISE: usize = 1;
const SLOPE: usize = 2;
const RATES: usize = 3;
/// Added to `σ²`, so that the noise variance is never smaller than this number. The unit is the variance of the warped (transformed) target, which
/// is about 1.
const LEAST_NOISE: f64 = 1e-6;

impl Kernel {
    /// The kernel at which the search for the best parameters starts.
    pub(super) fn start(shape: Shape, groups: &[usize]) -> Self {
        let columns = groups.iter().max().map_or(0, |last| last + 1);
        let mut theta = vec![0.0, -4.0, -2.0];
        theta.extend(vec![prior_rate(columns).0 + 0.5; columns]);
        Self {
            shape,
            theta,
            groups: groups.to_vec(),
        }
    }

    pub(super) fn theta(&self) -> &[f64] {
        &self.theta
    }

    pub(super) fn with_theta(&self, theta: Vec<f64>) -> Self {
        Self {
            theta,
            ..self.clone()
        }
    }

    pub(super) fn parameters(&self) -> usize {
        self.theta.len()
    }

    /// True if the parameters are valid for rows of this width.
    pub(super) fn fits(&self, width: usize) -> bool {
        let columns = self.groups.iter().max().map_or(0, |last| last + 1);
        self.groups.len() == width
            && self.theta.len() == RATES + columns
            && self.theta.iter().all(|theta| theta.abs() < 100.0)
    }

    /// The variance of the noise.
    pub(super) fn noise(&self) -> f64 {
        self.theta[NOISE].exp() + LEAST_NOISE
    }

    fn signal(&self) -> f64 {
        self.theta[SIGNAL].exp()
    }

    /// The factor of the linear part: `c² / D`.
    fn slope(&self) -> f64 {
        self.theta[SLOPE].exp() / self.groups.len().max(1) as f64
    }

    fn rate(&self, coordinate: usize) -> f64 {
        self.theta[RATES + self.groups[coordinate]].exp()
    }

    /// The logarithm of the prior density of `θ`, up to a constant, and its gradient.
    ///
    /// The prior consists of normal distributions. It prefers a small noise, a small linear part, and length scales that grow with the number of
    /// columns, as distances do.
    ///
    /// # Source
    ///
    /// The length scales: Hvarfner, Hellsten & Nardi, *Vanilla Bayesian Optimization Performs Great in High Dimensions*, ICML 2024.
    pub(super) fn log_prior(&self) -> (f64, Vec<f64>) {
        let rate = prior_rate(self.theta.len() - RATES);
        let place = |at: usize| match at {
            SIGNAL => (0.0, 2.0),
            NOISE => (-4.0, 3.0),
            SLOPE => (-2.0, 2.0),
            _ => rate,
        };
        let pull = |(at, theta): (usize, &f64)| {
            let (center, width) = place(at);
            ((theta - center) / width, width)
        };
        let value = self
            .theta
            .iter()
            .enumerate()
            .map(pull)
            .map(|(z, _)| -0.5 * z * z)
            .sum();
        (
            value,
            self.theta
                .iter()
                .enumerate()
                .map(pull)
                .map(|(z, width)| -z / width)
                .collect(),
        )
    }

    /// The coordinates, each divided by the length scale of its column.
    pub(super) fn scaled(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        let mut scaled = x.clone();
        for (coordinate, mut row) in scaled.row_iter_mut().enumerate() {
            row *= self.rate(coordinate);
        }
        scaled
    }

    /// The inner products `[rows of a, rows of b]` of the original coordinates, computed from scaled coordinates.
    fn products(&self, a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
        let mut left = a.transpose();
        for (coordinate, mut column) in left.column_iter_mut().enumerate() {
            column /= self.rate(coordinate).powi(2);
        }
        left * b
    }

    /// The squared distances `[rows of a, rows of b]` between rows of scaled coordinates.
    fn distances(
        a: &DMatrix<f64>,
        b: DMatrixView<'_, f64>,
        a_norms: &[f64],
        b_norms: &[f64],
    ) -> DMatrix<f64> {
        let mut distances = a.tr_mul(&b);
        for (mut column, b) in distances.column_iter_mut().zip(b_norms) {
            for (value, a) in column.iter_mut().zip(a_norms) {
                *value = (a + b - 2.0 * *value).max(0.0);
            }
        }
        distances
    }

    /// The covariance `[rows of a, rows of b]`, without noise, between rows of scaled coordinates.
    pub(super) fn between(&self, a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
        let mut values = Self::distances(a, b.as_view(), &norms(a), &norms(b));
        let signal = self.signal();
        values
            .iter_mut()
            .for_each(|value| *value = signal * self.shape.value(*value));
        values + self.products(a, b) * self.slope()
    }

    /// The covariance between all given rows (of scaled coordinates), without noise.
    pub(super) fn covariance(&self, rows: &DMatrix<f64>) -> DMatrix<f64> {
        self.between(rows, rows)
    }

    /// The product `k(x, rows) · alpha`: one value per row of `x`. Both `x` and `rows` are scaled coordinates.
    pub(super) fn times(
        &self,
        x: &DMatrix<f64>,
        rows: &DMatrix<f64>,
        row_norms: &[f64],
        alpha: &DVector<f64>,
    ) -> Vec<f64> {
        let distances = Self::distances(rows, x.as_view(), row_norms, &norms(x));
        let signal = self.signal();
        let mut direction = rows * alpha;
        for (coordinate, value) in direction.iter_mut().enumerate() {
            *value *= self.slope() / self.rate(coordinate).powi(2);
        }
        let slopes = x.tr_mul(&direction);
        let mut single = vec![0f32; rows.ncols()];
        let far = |(column, slope): (nalgebra::DVectorView<'_, f64>, &f64)| {
            for (single, value) in single.iter_mut().zip(column.as_slice()) {
                *single = self.shape.fast(*value as f32);
            }
            signal * dot(&single, alpha.as_slice()) + slope
        };
        distances
            .column_iter()
            .zip(slopes.iter())
            .map(far)
            .collect()
    }

    /// The covariance without noise, and the matrices that [`gradient`](Self::gradient) needs.
    pub(super) fn derivatives(&self, x: &DMatrix<f64>) -> Derivatives {
        let scaled = self.scaled(x);
        let norms = norms(&scaled);
        let mut falls = Self::distances(&scaled, scaled.as_view(), &norms, &norms);
        let mut values = falls.clone();
        let signal = self.signal();
        for (value, fall) in values.iter_mut().zip(falls.iter_mut()) {
            let (kappa, slope) = self.shape.slope(*fall);
            (*value, *fall) = (signal * kappa, signal * slope);
        }
        let products = x.tr_mul(x) * self.slope();
        Derivatives {
            scaled,
            values,
            falls,
            products,
        }
    }

    /// The gradient `½ Σ_ij W_ij ∂(K + noise)_ij/∂θ` for a symmetric `W`.
    ///
    /// # Formula
    ///
    /// With `V = W ∘ ∂k/∂r²`, row sums `v` of `V` and scaled coordinates `x`, the component of a length scale is
    ///
    /// ```text
    /// ½ Σ V_ij · 2 (x_id − x_jd)² = 2 (Σ_i v_i x_id² − Σ_ij x_id V_ij x_jd)
    /// ```
    pub(super) fn gradient(
        &self,
        of: Derivatives,
        w: &DMatrix<f64>,
        noise_scale: &[f64],
    ) -> Vec<f64> {
        let Derivatives {
            scaled,
            values,
            mut falls,
            products,
        } = of;
        let mut gradient = vec![0.0; self.theta.len()];
        gradient[SIGNAL] = 0.5 * w.dot(&values);
        gradient[SLOPE] = 0.5 * w.dot(&products);
        gradient[NOISE] = 0.5
            * self.theta[NOISE].exp()
            * noise_scale
                .iter()
                .enumerate()
                .map(|(i, scale)| w[(i, i)] * scale)
                .sum::<f64>();
        falls.component_mul_assign(w);
        let sums: Vec<f64> = falls.column_iter().map(|column| column.sum()).collect();
        let mixed = &scaled * &falls;
        for (coordinate, &group) in self.groups.iter().enumerate() {
            let (own, mixed) = (scaled.row(coordinate), mixed.row(coordinate));
            let sum: f64 = own
                .iter()
                .zip(mixed.iter())
                .zip(&sums)
                .map(|((x, mixed), v)| v * x * x - x * mixed)
                .sum();
            gradient[RATES + group] += 2.0 * sum;
        }
        gradient
    }
}

/// Mean and standard deviation of the prior of `ln ρ`, the logarithm of an inverse length scale.
fn prior_rate(columns: usize) -> (f64, f64) {
    (
        -(2f64.sqrt() + 0.5 * (columns.max(1) as f64).ln()) + 0.5,
        3f64.sqrt(),
    )
}

/// The matrices of a kernel and of its derivatives.
pub(super) struct Derivatives {
    scaled: DMatrix<f64>,
    values: DMatrix<f64>,
    falls: DMatrix<f64>,
    products: DMatrix<f64>,
}

impl Derivatives {
    /// The covariance without noise.
    pub(super) fn covariance(&self) -> DMatrix<f64> {
        &self.values + &self.products
    }
}

/// The squared length of each row.
pub(super) fn norms(rows: &DMatrix<f64>) -> Vec<f64> {
    rows.column_iter().map(|row| row.norm_squared()).collect()
}

/// The scalar product, computed as four partial sums.
fn dot(a: &[f32], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        sums[at % 4] += f64::from(*a) * b;
    }
    sums[0] + sums[1] + sums[2] + sums[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_worked_by_hand() {
        let kernel = |shape| Kernel {
            shape,
            theta: vec![2f64.ln(), 0.0, 3f64.ln(), 0.5f64.ln()],
            groups: vec![0, 0],
        };
        let a = DMatrix::from_column_slice(2, 1, &[1.0, 2.0]);
        let b = DMatrix::from_column_slice(2, 1, &[3.0, -1.0]);
        // r² = ¼ (4 + 9) = 3.25; ⟨a, b⟩ = 1, times 3 / 2.
        let between =
            |kernel: Kernel| kernel.between(&kernel.scaled(&a), &kernel.scaled(&b))[(0, 0)];
        assert!((between(kernel(Shape::Smooth)) - (2.0 * (-1.625f64).exp() + 1.5)).abs() < 1e-12);
        let r = 16.25f64.sqrt();
        assert!(
            (between(kernel(Shape::Matern)) - (2.0 * (1.0 + r + 16.25 / 3.0) * (-r).exp() + 1.5))
                .abs()
                < 1e-12
        );
    }

    #[test]
    fn fast_values_agree_with_exact_ones() {
        for shape in Shape::ALL {
            for step in 0..4000 {
                let r_sq = f64::from(step) * 0.02;
                assert!(
                    (f64::from(shape.fast(r_sq as f32)) - shape.value(r_sq)).abs() < 4e-7,
                    "{shape:?} {r_sq}"
                );
            }
            assert_eq!(shape.fast(0.0), 1.0);
        }
    }

    #[test]
    fn product_with_a_vector_agrees_with_the_matrix() {
        let kernel = Kernel {
            shape: Shape::Matern,
            theta: vec![0.3, -1.0, -0.5, 0.2, -0.4],
            groups: vec![0, 1, 1],
        };
        let at = |n: usize, k: f64| DMatrix::from_fn(3, n, |d, i| ((i * 3 + d) as f64 * k).sin());
        let (rows, x) = (kernel.scaled(&at(40, 0.7)), kernel.scaled(&at(9, 1.3)));
        let alpha = DVector::from_fn(40, |i, _| (i as f64).cos());
        let exact = kernel.between(&x, &rows) * &alpha;
        let found = kernel.times(&x, &rows, &norms(&rows), &alpha);
        assert!(
            found
                .iter()
                .zip(exact.iter())
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }
}
