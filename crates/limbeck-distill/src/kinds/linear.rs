//! A linear student: ridge regression in closed form.

use limbeck_data::encode::fit_encoder;
use limbeck_data::stop::Stopped;
use limbeck_data::{FeatureValues, Features, Stop};
use limbeck_runtime::{Encoder, Op};

use super::rows::EncodedTable;
use super::spec::{Spec, TARGET_PARAMETERS};
use crate::student::options::{StudentOptions, encode_options};

/// Ridge penalties that the search tries.
const RIDGES: [f64; 6] = [1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0];
/// Maximum number of encoded columns of all category columns together. The normal equations are a dense matrix, so more columns would be slow.
const CATEGORY_WIDTH: usize = 256;
/// While the normal equations are summed over the rows, `stop` is checked once per this many rows.
const LOOK: usize = 16;

/// The encoder of a linear student. All category columns together get as many encoded columns as the parameter budget allows, up to
/// `CATEGORY_WIDTH`. Each of these encoded columns costs at most two parameters: one in the encoder, and a weight.
pub(super) fn encoder(features: &Features, options: &StudentOptions) -> Encoder {
    let rows: Vec<usize> = (0..features.rows).collect();
    let numbers = features
        .columns
        .iter()
        .filter(|column| matches!(column.values, FeatureValues::Number(_)))
        .count();
    // At most, a numeric column costs a fill value, two numbers for its scale and two weights (with a missing-value indicator); a level costs itself and its weight.
    let room = options
        .params
        .saturating_sub(TARGET_PARAMETERS + 1 + 5 * numbers);
    fit_encoder(
        features,
        &rows,
        &encode_options(options, (room / 2).min(CATEGORY_WIDTH)),
    )
}

/// Fits one ridge regression per penalty, all from the same normal equations. Returns each fit with its hyperparameters.
///
/// # Errors
///
/// [`Stopped`] if the user asks to stop.
pub(super) fn candidates(rows: &EncodedTable, stop: Stop<'_>) -> Result<Vec<(Spec, Op)>, Stopped> {
    let normal = Normal::new(rows, stop)?;
    let solved = |&ridge: &f64| {
        stop.check()?;
        Ok((Spec::Linear { ridge }, normal.solve(ridge)))
    };
    RIDGES.iter().map(solved).collect()
}

/// Fits a ridge regression with the penalty `ridge`.
///
/// # Formula
///
/// With row weights `w`, their sum `W`, and columns and labels centered on their weighted means:
///
/// ```text
/// β = argmin Σ w (y − x β)² + ridge · W · |β|²        bias = ȳ − x̄ β
/// ```
///
/// # Errors
///
/// [`Stopped`] if the user asks to stop.
pub(super) fn fit(rows: &EncodedTable, ridge: f64, stop: Stop<'_>) -> Result<Op, Stopped> {
    Ok(Normal::new(rows, stop)?.solve(ridge))
}

/// Normal equations of a linear regression whose columns and labels are centered on their weighted means.
struct Normal {
    mean: Vec<f64>,
    label: f64,
    /// Matrix `[width, width]`; only the lower triangle is used.
    gram: Vec<f64>,
    moment: Vec<f64>,
    total: f64,
}

impl Normal {
    fn new(rows: &EncodedTable, stop: Stop<'_>) -> Result<Self, Stopped> {
        let width = rows.width;
        let mut normal = Self {
            mean: vec![0.0; width],
            label: 0.0,
            gram: vec![0.0; width * width],
            moment: vec![0.0; width],
            total: 0.0,
        };
        let all = rows.x.chunks_exact(width).zip(&rows.y).zip(&rows.w);
        for (at, ((x, &y), &w)) in all.enumerate() {
            if at % LOOK == 0 {
                stop.check()?;
            }
            let (y, w) = (f64::from(y), f64::from(w));
            normal.total += w;
            normal.label += w * y;
            for (i, &a) in x.iter().enumerate() {
                // Most inputs of categories are zeros.
                if a == 0.0 {
                    continue;
                }
                let a = w * f64::from(a);
                normal.mean[i] += a;
                normal.moment[i] += a * y;
                let line = &mut normal.gram[i * width..=i * width + i];
                line.iter_mut()
                    .zip(x)
                    .for_each(|(sum, &b)| *sum += a * f64::from(b));
            }
        }
        normal.center();
        Ok(normal)
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

    fn solve(&self, ridge: f64) -> Op {
        let width = self.mean.len();
        let mut matrix = self.gram.clone();
        (0..width).for_each(|i| matrix[i * width + i] += ridge * self.total.max(f64::MIN_POSITIVE));
        let beta = cholesky(matrix, self.moment.clone());
        let bias = self.label - beta.iter().zip(&self.mean).map(|(b, m)| b * m).sum::<f64>();
        Op::Linear {
            rows: width,
            cols: 1,
            weight: beta.iter().map(|&b| b as f32).collect(),
            bias: vec![bias as f32],
        }
    }
}

/// Solves `A x = b` for a positive definite `A`, of which only the lower triangle is given.
fn cholesky(mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            // What rounding leaves of a dependent column gets no weight.
            a[i * n + j] = if i == j {
                rest.max(1e-12).sqrt()
            } else {
                rest / a[j * n + j]
            };
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(op: Op) -> (Vec<f32>, f32) {
        let Op::Linear { weight, bias, .. } = op else {
            panic!("not linear")
        };
        (weight, bias[0])
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
    fn line_is_found_and_shrunk_as_by_hand() {
        // y = 2 x + 1 at x = −1, 1: variance 1, so that a ridge of 1 halves the slope and leaves the mean.
        let rows = EncodedTable {
            x: vec![-1.0, 1.0],
            width: 1,
            y: vec![-1.0, 3.0],
            w: vec![3.0; 2],
        };
        let (slope, bias) = weights(fit(&rows, 0.0, Stop::NEVER).unwrap());
        assert!((slope[0] - 2.0).abs() < 1e-6 && (bias - 1.0).abs() < 1e-6);
        assert_eq!(
            weights(fit(&rows, 1.0, Stop::NEVER).unwrap()),
            (vec![1.0], 1.0)
        );
    }

    #[test]
    fn weights_of_rows_count() {
        // The same line twice, or once with twice the weight.
        let once = EncodedTable {
            x: vec![0.0, 1.0, 3.0],
            width: 1,
            y: vec![0.0, 2.0, 3.0],
            w: vec![1.0, 2.0, 1.0],
        };
        let twice = EncodedTable {
            x: vec![0.0, 1.0, 1.0, 3.0],
            width: 1,
            y: vec![0.0, 2.0, 2.0, 3.0],
            w: vec![1.0; 4],
        };
        assert_eq!(
            weights(fit(&once, 0.01, Stop::NEVER).unwrap()),
            weights(fit(&twice, 0.01, Stop::NEVER).unwrap())
        );
    }

    #[test]
    fn dependent_columns_share() {
        let rows = EncodedTable {
            x: vec![-1.0, -1.0, 1.0, 1.0],
            width: 2,
            y: vec![-2.0, 2.0],
            w: vec![1.0; 2],
        };
        let (slopes, _) = weights(fit(&rows, 1e-6, Stop::NEVER).unwrap());
        assert!(
            (slopes[0] - 1.0).abs() < 1e-3 && (slopes[1] - 1.0).abs() < 1e-3,
            "{slopes:?}"
        );
    }
}
