//! Ridge regression in closed form.
//!
//! [`Normal`] sums the rows once. Each penalty then needs one Cholesky factor, so that many penalties cost little more than one.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::stop::{Stop, Stopped};

/// Rows for a regression: `x` is a row-major matrix `[rows, width]`; `y` has the labels and `w` the weights of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a> {
    /// The columns of the rows.
    pub x: &'a [f32],
    /// Number of columns.
    pub width: usize,
    /// The labels.
    pub y: &'a [f64],
    /// The weights; none is negative.
    pub w: &'a [f64],
}

/// A linear function of the columns of a row: `bias + x · slopes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The slope of each column.
    pub slopes: Vec<f64>,
    /// The value at a row of zeros.
    pub bias: f64,
}

impl Line {
    /// The values of the line at rows `x`, a row-major matrix `[rows, width]`.
    #[must_use]
    pub fn values(&self, x: &[f32], rows: usize) -> Vec<f64> {
        let width = self.slopes.len();
        let value = |row: usize| {
            let x = x[row * width..].iter().zip(&self.slopes);
            self.bias + x.map(|(&x, slope)| f64::from(x) * slope).sum::<f64>()
        };
        (0..rows).map(value).collect()
    }
}

/// Normal equations of a linear regression whose columns and labels are centered on their weighted means.
///
/// # Formula
///
/// With row weights `w`, their sum `W`, and columns `x` and labels `y` centered on their weighted means `x̄` and `ȳ`, [`solve`](Self::solve) finds
///
/// ```text
/// β = argmin Σ w (y − x β)² + ridge · W · |β|²  =  (XᵀwX + ridge · W · I)⁻¹ Xᵀwy        bias = ȳ − x̄ β
/// ```
///
/// The penalty treats all columns alike, so they should have the same scale.
///
/// # Order of sums
///
/// Each sum runs over the rows in their order, so that the result depends neither on the number of threads nor on the size of blocks.
#[derive(Clone, Debug)]
pub struct Normal {
    mean: Vec<f64>,
    label: f64,
    /// Matrix `[width, width]`; only the lower triangle is used.
    gram: Vec<f64>,
    moment: Vec<f64>,
    total: f64,
}

/// Number of rows whose products are summed at a time. With several hundred columns, a block of rows fits into the cache of a core.
const BLOCK: usize = 64;
/// Number of rows whose products are added to a sum at once.
const TOGETHER: usize = 4;
/// Number of lines of the matrix that a thread sums at a time.
const LINES: usize = 16;
/// Number of lines of a Cholesky factor that are computed at once.
const GROUP: usize = 8;

impl Normal {
    /// Sums the rows.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the user asks to stop.
    pub fn new(rows: Weighted<'_>, stop: Stop<'_>) -> Result<Self, Stopped> {
        let Weighted { x, width, y, w } = rows;
        let mut normal = Self {
            mean: vec![0.0; width],
            label: 0.0,
            gram: vec![0.0; width * width],
            moment: vec![0.0; width],
            total: 0.0,
        };
        for (at, (y, w)) in y.chunks(BLOCK).zip(w.chunks(BLOCK)).enumerate() {
            stop.check()?;
            let x = &x[at * BLOCK * width..][..w.len() * width];
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            normal.add_means(&x, y, w);
            normal.add_products(&x, w);
        }
        normal.center();
        Ok(normal)
    }

    fn add_means(&mut self, x: &[f64], y: &[f64], w: &[f64]) {
        let width = self.mean.len();
        for (row, (&y, &w)) in y.iter().zip(w).enumerate() {
            self.total += w;
            self.label += w * y;
            let sums = self.mean.iter_mut().zip(&mut self.moment);
            for ((mean, moment), &a) in sums.zip(&x[row * width..]) {
                let a = w * a;
                *mean += a;
                *moment += a * y;
            }
        }
    }

    fn add_products(&mut self, x: &[f64], w: &[f64]) {
        let width = self.mean.len();
        let lines = self.gram.par_chunks_mut((LINES * width).max(1));
        lines.enumerate().for_each(|(at, lines)| {
            for (i, line) in (at * LINES..).zip(lines.chunks_exact_mut(width)) {
                let line = &mut line[..=i];
                let rows = x.chunks(TOGETHER * width).zip(w.chunks(TOGETHER));
                rows.for_each(|(x, w)| add_rows(line, x, w, width));
            }
        });
    }

    fn center(&mut self) {
        let (width, total) = (self.mean.len(), self.total.max(f64::MIN_POSITIVE));
        self.mean.iter_mut().for_each(|sum| *sum /= total);
        self.label /= total;
        for i in 0..width {
            self.moment[i] -= total * self.mean[i] * self.label;
            for j in 0..=i {
                self.gram[i * width + j] -= total * self.mean[i] * self.mean[j];
            }
        }
    }

    /// The regression with this penalty.
    #[must_use]
    pub fn solve(&self, ridge: f64) -> Line {
        let width = self.mean.len();
        let mut matrix = self.gram.clone();
        (0..width).for_each(|i| matrix[i * width + i] += ridge * self.total.max(f64::MIN_POSITIVE));
        let slopes = cholesky(matrix, self.moment.clone());
        let shift = slopes.iter().zip(&self.mean).map(|(b, m)| b * m);
        let bias = self.label - shift.sum::<f64>();
        Line { slopes, bias }
    }
}

/// Adds to a line of the matrix the products of up to [`TOGETHER`] rows: `line_j += Σ_r w_r x_ri x_rj`, where `i` is the last index of the line.
fn add_rows(line: &mut [f64], x: &[f64], w: &[f64], width: usize) {
    let end = line.len();
    let factor = |row: usize| w[row] * x[row * width + end - 1];
    if let [_, _, _, _] = w {
        let factors: [f64; TOGETHER] = std::array::from_fn(factor);
        // Most inputs of categories are zeros.
        if factors.iter().all(|factor| *factor == 0.0) {
            return;
        }
        let [a, b, c, d] = std::array::from_fn(|row| &x[row * width..row * width + end]);
        for (j, sum) in line.iter_mut().enumerate() {
            *sum = *sum
                + factors[0] * a[j]
                + factors[1] * b[j]
                + factors[2] * c[j]
                + factors[3] * d[j];
        }
        return;
    }
    for row in 0..w.len() {
        let factor = factor(row);
        let x = &x[row * width..];
        line.iter_mut()
            .zip(x)
            .for_each(|(sum, x)| *sum += factor * x);
    }
}

/// Solves `A x = b` for a positive definite `A`, of which only the lower triangle is given.
fn cholesky(mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    factor(&mut a, n);
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    b
}

/// Replaces the lower triangle of a positive definite matrix of `n` lines by its Cholesky factor: `l_ij = (a_ij − Σ_k<j l_ik l_jk) / l_jj`.
fn factor(a: &mut [f64], n: usize) {
    for first in (0..n).step_by(GROUP) {
        let (above, group) = a.split_at_mut(first * n);
        let lines = GROUP.min(n - first);
        for (j, other) in above.chunks_exact(n).enumerate() {
            let dots = dots(group, &other[..j], n);
            for (line, dot) in group.chunks_exact_mut(n).zip(dots).take(lines) {
                line[j] = (line[j] - dot) / other[j];
            }
        }
        for i in 0..lines {
            for j in 0..=i {
                let (line, other) = (&group[i * n..], &group[j * n..]);
                let dot: f64 = (0..first + j).map(|k| line[k] * other[k]).sum();
                let (left, root) = (line[first + j] - dot, other[first + j]);
                // What rounding leaves of a dependent column gets no weight.
                group[i * n + first + j] = match i == j {
                    true => left.max(1e-12).sqrt(),
                    false => left / root,
                };
            }
        }
    }
}

/// The inner products of `other` with the front of up to [`GROUP`] lines of length `n`. The sums do not wait for each other, so they are faster than one
/// after the other.
fn dots(lines: &[f64], other: &[f64], n: usize) -> [f64; GROUP] {
    let mut dots = [0.0; GROUP];
    if lines.len() < GROUP * n {
        for (dot, line) in dots.iter_mut().zip(lines.chunks_exact(n)) {
            *dot = line.iter().zip(other).map(|(a, b)| a * b).sum();
        }
        return dots;
    }
    let lines: [&[f64]; GROUP] = std::array::from_fn(|at| &lines[at * n..][..other.len()]);
    for (k, value) in other.iter().enumerate() {
        for (dot, line) in dots.iter_mut().zip(lines) {
            *dot += value * line[k];
        }
    }
    dots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::generator;
    use rand::RngExt;

    /// Rows of random numbers; every third number is 0, as inputs of categories are.
    fn random(rows: usize, width: usize) -> (Vec<f32>, Vec<f64>, Vec<f64>) {
        let mut rng = generator(3, "ridge", width as u64);
        let mut x: Vec<f32> = (0..rows * width)
            .map(|_| rng.random::<f32>() - 0.4)
            .collect();
        x.iter_mut().step_by(3).for_each(|x| *x = 0.0);
        let y = (0..rows).map(|_| rng.random::<f64>()).collect();
        let w = (0..rows).map(|_| 0.1 + rng.random::<f64>()).collect();
        (x, y, w)
    }

    /// The largest absolute slope of the objective at the solution, which is 0 at its minimum. It is computed from the formula by plain loops.
    fn slope_of_objective(rows: Weighted<'_>, ridge: f64, line: &Line) -> f64 {
        let total: f64 = rows.w.iter().sum();
        let mut slopes: Vec<f64> = line.slopes.iter().map(|b| ridge * total * b).collect();
        let mut of_bias = 0.0;
        for ((x, y), w) in rows.x.chunks(rows.width).zip(rows.y).zip(rows.w) {
            let product = x.iter().zip(&line.slopes).map(|(&x, b)| f64::from(x) * b);
            let error = line.bias + product.sum::<f64>() - y;
            of_bias += w * error;
            let all = slopes.iter_mut().zip(x);
            all.for_each(|(slope, &x)| *slope += w * error * f64::from(x));
        }
        slopes
            .iter()
            .fold(of_bias.abs(), |most, slope| most.max(slope.abs()))
    }

    #[test]
    fn line_is_found_and_shrunk_as_by_hand() {
        // y = 2 x + 1 at x = −1, 1: variance 1, so that a ridge of 1 halves the slope and leaves the mean.
        let rows = Weighted {
            x: &[-1.0, 1.0],
            width: 1,
            y: &[-1.0, 3.0],
            w: &[3.0; 2],
        };
        let normal = Normal::new(rows, Stop::NEVER).unwrap();
        let line = normal.solve(0.0);
        assert!((line.slopes[0] - 2.0).abs() < 1e-12 && (line.bias - 1.0).abs() < 1e-12);
        let half = normal.solve(1.0);
        assert!((half.slopes[0] - 1.0).abs() < 1e-12 && (half.bias - 1.0).abs() < 1e-12);
    }

    #[test]
    fn cholesky_is_worked_by_hand() {
        // [[4, 2], [2, 3]] x = [10, 9] has x = [1.5, 2].
        let x = cholesky(vec![4.0, 0.0, 2.0, 3.0], vec![10.0, 9.0]);
        assert!(
            (x[0] - 1.5).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12,
            "{x:?}"
        );
    }

    #[test]
    fn solution_is_the_minimum_of_the_formula() {
        // Widths and numbers of rows around the sizes of blocks.
        for (rows, width) in [(5, 1), (64, 7), (67, 8), (130, 9), (200, 40), (129, 130)] {
            let (x, y, w) = random(rows, width);
            let of = Weighted {
                x: &x,
                width,
                y: &y,
                w: &w,
            };
            let normal = Normal::new(of, Stop::NEVER).unwrap();
            for ridge in [1e-3, 0.1, 10.0] {
                let slope = slope_of_objective(of, ridge, &normal.solve(ridge));
                assert!(
                    slope < 1e-9,
                    "{rows} rows, {width} columns, {ridge}: {slope}"
                );
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let (x, y, w) = random(300, 50);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let of = Weighted {
                x: &x,
                width: 50,
                y: &y,
                w: &w,
            };
            pool.install(|| Normal::new(of, Stop::NEVER).unwrap().solve(0.01))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn rows_without_columns_give_their_mean() {
        let rows = Weighted {
            x: &[],
            width: 0,
            y: &[1.0, 4.0],
            w: &[2.0, 1.0],
        };
        assert_eq!(Normal::new(rows, Stop::NEVER).unwrap().solve(0.1).bias, 2.0);
    }

    #[test]
    fn stop_ends_the_sums() {
        struct Now;
        impl crate::stop::Asked for Now {
            fn is_asked(&self) -> bool {
                true
            }
        }
        let (x, y, w) = random(10, 2);
        let of = Weighted {
            x: &x,
            width: 2,
            y: &y,
            w: &w,
        };
        assert!(Normal::new(of, Stop::on(&Now)).is_err());
    }
}
