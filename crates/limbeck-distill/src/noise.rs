//! Estimates the noise of a target without a model. The noise is the part of the target that the features cannot explain.

use limbeck_data::encode::{EncodeOptions, fit_encoder};
use limbeck_data::{Features, metrics};
use rayon::prelude::*;

use crate::error::Result;
use crate::neighbors::Tree;

/// Number of nearest rows with which each row is compared.
pub const NEIGHBORS: usize = 10;

/// Two estimates of the noise variance of a target, in squared target units, from rows that are close to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Estimate of the Gamma test, at least 0. It is half the mean squared difference between the targets of near rows, extrapolated to distance 0.
    pub gamma: f64,
    /// Half the mean squared difference between the targets of each row and of its nearest row. As an estimate it is usually too large, since the
    /// target also changes with the distance between the two rows.
    pub nearest: f64,
}

/// Estimates the noise variance of a target from rows that are close to each other.
///
/// # Formula
///
/// With `x_{i,k}` the `k`-th nearest row of row `i`, by distance over scaled numbers and one-hot codes:
///
/// ```text
/// δ_k = mean_i |x_{i,k} − x_i|²        γ_k = mean_i (y_{i,k} − y_i)² / 2        k = 1 … 10
/// γ   = Γ + A δ, by least squares      gamma = max(Γ, 0)                        nearest = γ_1
/// ```
///
/// Returns `None` with fewer than two rows. In many dimensions no row is near and `Γ` is unreliable; therefore `nearest` is returned too.
///
/// # Errors
///
/// If the rows cannot be encoded.
///
/// # Source
///
/// Stefánsson, Končar & Jones, *A note on the Gamma test*, Neural Computing & Applications 5, 1997. In the paper, neighbors are exact; here they are
/// approximate in many dimensions.
pub fn noise(features: &Features, target: &[f64]) -> Result<Option<Noise>> {
    let n = features.rows;
    if n < 2 {
        return Ok(None);
    }
    let all: Vec<usize> = (0..n).collect();
    let encode = EncodeOptions {
        max_width_for_categories: 128,
        indicator: false,
        ..EncodeOptions::default()
    };
    let encoder = fit_encoder(features, &all, &encode);
    let points = encoder.encode(&features.raw(), n)?;
    Ok(gamma_test(&points, encoder.width(), target))
}

/// For each of `n` points, the indices of the nearest other points, nearest first (approximate in many dimensions).
fn neighbors(points: &[f32], width: usize, n: usize) -> Vec<Vec<u32>> {
    let tree = Tree::new(points, width);
    (0..n)
        .into_par_iter()
        .map(|row| tree.near(row, NEIGHBORS))
        .collect()
}

fn gamma_test(points: &[f32], width: usize, target: &[f64]) -> Option<Noise> {
    let near = neighbors(points, width, target.len());
    let ranks = near.iter().map(Vec::len).min().filter(|&ranks| ranks > 0)?;
    let point = |row: usize| &points[row * width..][..width];
    let mean = |value: &dyn Fn(usize, usize) -> f64, rank: usize| {
        near.iter()
            .enumerate()
            .map(|(row, near)| value(row, near[rank] as usize))
            .sum::<f64>()
            / target.len() as f64
    };
    let distance = |a: usize, b: usize| {
        point(a)
            .iter()
            .zip(point(b))
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum::<f64>()
    };
    let delta: Vec<f64> = (0..ranks).map(|rank| mean(&distance, rank)).collect();
    let gamma: Vec<f64> = (0..ranks)
        .map(|rank| mean(&|a, b| (target[b] - target[a]).powi(2) / 2.0, rank))
        .collect();
    Some(Noise {
        gamma: intercept(&delta, &gamma).max(0.0),
        nearest: gamma[0],
    })
}

/// The value at `x = 0` of the least-squares line of `y` over `x`; the mean of `y` if all `x` are equal.
fn intercept(x: &[f64], y: &[f64]) -> f64 {
    let one = vec![1.0; x.len()];
    let (mean_x, mean_y) = (
        metrics::weighted_mean(x, &one),
        metrics::weighted_mean(y, &one),
    );
    let spread: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
    let both: f64 = x
        .iter()
        .zip(y)
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    if spread > 0.0 {
        mean_y - both / spread * mean_x
    } else {
        mean_y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn intercept_is_worked_by_hand() {
        // y = 2 + 3 x
        assert_eq!(intercept(&[1.0, 2.0, 3.0], &[5.0, 8.0, 11.0]), 2.0);
        assert_eq!(intercept(&[2.0, 2.0], &[5.0, 7.0]), 6.0);
    }

    #[test]
    fn noise_of_two_rows_is_worked_by_hand() {
        // γ_1 = (3 − 1)² / 2 for both rows; one distance alone has no slope.
        let noise = gamma_test(&[0.0, 1.0], 1, &[1.0, 3.0]).unwrap();
        assert_eq!((noise.gamma, noise.nearest), (2.0, 2.0));
    }

    #[test]
    fn noise_of_a_slope_is_found_and_none_where_there_is_none() {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(1);
        let points: Vec<f32> = (0..4000).map(|_| rng.random_range(-1.0..1.0)).collect();
        let clean: Vec<f64> = points
            .chunks(2)
            .map(|p| f64::from(3.0 * p[0] + p[1]))
            .collect();
        assert!(gamma_test(&points, 2, &clean).unwrap().gamma < 2e-4);
        // Uniform noise on (−1, 1) has variance 1/3.
        let noisy: Vec<f64> = clean
            .iter()
            .map(|y| y + rng.random_range(-1.0..1.0))
            .collect();
        let found = gamma_test(&points, 2, &noisy).unwrap();
        assert!((found.gamma - 1.0 / 3.0).abs() < 0.04, "{found:?}");
        assert!((found.nearest - 1.0 / 3.0).abs() < 0.04, "{found:?}");
    }
}
