//! Cholesky factors and triangular solves. They work on blocks, so that nearly all of the work is in matrix products.

use limbeck_data::Stop;
use limbeck_data::stop::Stopped;
use nalgebra::{DMatrix, DVector};

/// Number of columns of a block.
const BLOCK: usize = 64;

/// Replaces the lower triangle of a positive definite matrix by its Cholesky factor. Returns false if the matrix is not positive definite. The upper
/// triangle is not used, and its values afterwards have no meaning.
#[cfg(test)]
fn cholesky(a: &mut DMatrix<f64>) -> bool {
    cholesky_within(a, Stop::NEVER) == Ok(true)
}

/// Like [`cholesky`], but a stop can end it.
fn cholesky_within(a: &mut DMatrix<f64>, stop: Stop<'_>) -> Result<bool, Stopped> {
    let n = a.nrows();
    for at in (0..n).step_by(BLOCK) {
        let end = (at + BLOCK).min(n);
        // The block on the diagonal, and all rows below it.
        for j in at..end {
            for p in at..j {
                let factor = a[(j, p)];
                let (left, right) = a.as_mut_slice().split_at_mut(j * n);
                let (left, right) = (&left[p * n + j..(p + 1) * n], &mut right[j..n]);
                right
                    .iter_mut()
                    .zip(left)
                    .for_each(|(right, left)| *right -= factor * left);
            }
            let pivot = a[(j, j)];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Ok(false);
            }
            let root = pivot.sqrt();
            a.as_mut_slice()[j * n + j..(j + 1) * n]
                .iter_mut()
                .for_each(|value| *value /= root);
        }
        let panel = a.view((end, at), (n - end, end - at)).into_owned();
        let across = panel.transpose();
        for from in (end..n).step_by(BLOCK) {
            stop.check()?;
            let columns = BLOCK.min(n - from);
            let below = panel.rows(from - end, n - from);
            a.view_mut((from, from), (n - from, columns)).gemm(
                -1.0,
                &below,
                &across.columns(from - end, columns),
                1.0,
            );
        }
    }
    Ok(true)
}

/// Adds `noise · scale_i` to entry `i` of the diagonal of a covariance, computes the Cholesky factor, and returns the result of `then(factor)`. If
/// rounding has made the matrix indefinite, more is added to the diagonal.
pub(super) fn factor_with_noise<T>(
    covariance: &mut DMatrix<f64>,
    scale: &[f64],
    noise: f64,
    then: impl FnOnce(&DMatrix<f64>) -> T,
) -> T {
    match factor_within(covariance, scale, noise, Stop::NEVER, then) {
        Ok(found) => found,
        Err(Stopped) => unreachable!("nobody asks for its end"),
    }
}

/// Like [`factor_with_noise`], but a stop can end it.
///
/// # Errors
///
/// [`Stopped`] after a stop.
pub(super) fn factor_within<T>(
    covariance: &mut DMatrix<f64>,
    scale: &[f64],
    noise: f64,
    stop: Stop<'_>,
    then: impl FnOnce(&DMatrix<f64>) -> T,
) -> Result<T, Stopped> {
    let mut jitter = 0.0;
    loop {
        let mut factor = covariance.clone();
        for (i, scale) in scale.iter().enumerate() {
            factor[(i, i)] += noise * scale + jitter;
        }
        if cholesky_within(&mut factor, stop)? {
            return Ok(then(&factor));
        }
        // The loop ends: with a large diagonal, every finite matrix is positive definite. A matrix that is not finite gets the identity as its
        // factor.
        let size = covariance.diagonal().amax();
        jitter = if jitter > 0.0 {
            jitter * 10.0
        } else {
            1e-8 * size.max(1e-8)
        };
        if !jitter.is_finite() || !size.is_finite() {
            return Ok(then(&DMatrix::identity(
                covariance.nrows(),
                covariance.nrows(),
            )));
        }
    }
}

/// Solves `L x = b`, where `L` is the Cholesky factor `factor`.
pub(super) fn forward(factor: &DMatrix<f64>, b: &DVector<f64>) -> DVector<f64> {
    let mut x = b.clone();
    for j in 0..x.len() {
        let column = factor.column(j);
        let column = column.as_slice();
        let value = x[j] / column[j];
        x[j] = value;
        x.as_mut_slice()[j + 1..]
            .iter_mut()
            .zip(&column[j + 1..])
            .for_each(|(x, l)| *x -= value * l);
    }
    x
}

/// Solves `L Lᵀ x = b`, where `L` is the Cholesky factor `factor`.
pub(super) fn solve(factor: &DMatrix<f64>, b: &DVector<f64>) -> DVector<f64> {
    let mut x = forward(factor, b);
    for j in (0..x.len()).rev() {
        let column = factor.column(j);
        let column = column.as_slice();
        let rest: f64 = column[j + 1..]
            .iter()
            .zip(&x.as_slice()[j + 1..])
            .map(|(l, x)| l * x)
            .sum();
        x[j] = (x[j] - rest) / column[j];
    }
    x
}

/// The inverse of the lower triangle of `factor`, with zeros above the diagonal.
///
/// # Formula
///
/// ```text
/// [A 0]⁻¹   [    A⁻¹       0 ]
/// [B C]   = [−C⁻¹ B A⁻¹   C⁻¹]
/// ```
pub(super) fn inverse_lower(factor: &DMatrix<f64>) -> DMatrix<f64> {
    let n = factor.nrows();
    if n <= BLOCK {
        let mut inverse = DMatrix::zeros(n, n);
        for j in 0..n {
            let mut unit = DVector::zeros(n);
            unit[j] = 1.0;
            inverse.set_column(j, &forward(factor, &unit));
        }
        return inverse;
    }
    let half = n / 2;
    let a = inverse_lower(&factor.view((0, 0), (half, half)).into_owned());
    let c = inverse_lower(&factor.view((half, half), (n - half, n - half)).into_owned());
    let b = &c * factor.view((half, 0), (n - half, half)) * &a;
    let mut inverse = DMatrix::zeros(n, n);
    inverse.view_mut((0, 0), (half, half)).copy_from(&a);
    inverse
        .view_mut((half, half), (n - half, n - half))
        .copy_from(&c);
    inverse
        .view_mut((half, 0), (n - half, half))
        .copy_from(&(-b));
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positive(n: usize) -> DMatrix<f64> {
        DMatrix::from_fn(n, n, |i, j| {
            (-((i as f64 - j as f64) / 20.0).powi(2)).exp() + if i == j { 0.5 } else { 0.0 }
        })
    }

    #[test]
    fn factor_solves_and_inverts() {
        for n in [1, 7, 64, 65, 200] {
            let a = positive(n);
            let mut factor = a.clone();
            assert!(cholesky(&mut factor));
            let lower = factor.lower_triangle();
            assert!((&lower * lower.transpose() - &a).amax() < 1e-12, "{n}");
            let b = DVector::from_fn(n, |i, _| (i as f64 * 0.7).sin());
            assert!((&a * solve(&factor, &b) - &b).amax() < 1e-11, "{n}");
            assert!(
                (inverse_lower(&factor) * lower - DMatrix::identity(n, n)).amax() < 1e-11,
                "{n}"
            );
        }
    }

    #[test]
    fn factor_agrees_with_the_library() {
        let a = positive(150);
        let theirs = a.clone().cholesky().unwrap().l();
        let mut ours = a;
        assert!(cholesky(&mut ours));
        assert!((ours.lower_triangle() - theirs).amax() < 1e-12);
    }

    #[test]
    fn indefinite_matrix_is_refused_and_mended_by_noise() {
        let mut a = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 1.0]);
        assert!(!cholesky(&mut a.clone()));
        let found = factor_with_noise(&mut a, &[1.0, 1.0], 3.0, |factor| {
            solve(factor, &DVector::from_vec(vec![6.0, 6.0]))
        });
        // (4 2; 2 4) x = (6, 6).
        assert!((found[0] - 1.0).abs() < 1e-12 && (found[1] - 1.0).abs() < 1e-12);
        assert!(factor_with_noise(&mut a, &[1.0, 1.0], 0.0, |factor| factor[(0, 0)]) > 1.0);
    }
}
