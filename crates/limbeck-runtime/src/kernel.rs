//! Small dense matrix products in f32, on row-major matrices. Prediction and training use them.
//!
//! # Idea
//!
//! All products here are one operation: `out[i, j] = start + Σ_p a(i, p) · b(p, j)`. A strip of `b` as wide as a register tile is
//! copied once into a contiguous, zero-padded panel on the stack (`PANEL` steps of `p` at a time). Then a tile of sums,
//! `R` rows by `C` vectors, stays in registers during the loop over `p`. Thanks to the padding, the same code handles every `m`
//! (such as 1 or 33).
//!
//! # Order of summation
//!
//! Each output is one sum over ascending `p`, whichever tile, strip or panel it belongs to. (There is one exception: for a single output column, if
//! both factors are contiguous in `p`, it is 16 partial sums, which are added pairwise.) The result therefore depends neither on the number of rows
//! in a call nor on threads. With fused multiply-add, every step of the sum is fused; without it, each product is rounded first. Two machines may
//! thus differ by rounding, but one machine always gives the same result.

use crate::blocks::{Operand, Product, Start};
use crate::simd;

/// `out[n, m] = x[n, k] · w[k, m] + bias[m]`; without a bias, `out = x · w`.
///
/// ```
/// let (x, w) = ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0]);
/// let mut out = [0.0; 2];
/// limbeck_runtime::kernel::matmul_bias(&x, &w, Some(&[0.5, -0.5]), &mut out, 1, 2, 2);
/// assert_eq!(out, [13.5, 15.5]);
/// ```
///
/// # Panics
///
/// Panics if a slice is shorter than its shape requires.
pub fn matmul_bias(
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
    n: usize,
    k: usize,
    m: usize,
) {
    let a = Operand {
        values: &x[..n * k],
        row: k,
        step: 1,
    };
    let b = Operand {
        values: &w[..k * m],
        row: 1,
        step: m,
    };
    let start = bias.map_or(Start::Zero, |bias| Start::Row(&bias[..m]));
    simd::gemm(
        Product {
            a,
            b,
            start,
            rows: n,
            steps: k,
            cols: m,
        },
        &mut out[..n * m],
    );
}

/// `out[n, m] += x[n, k] · w[k, m]`: adds a product to `out`, such as the part of a gate that comes from the state before.
///
/// ```
/// let (x, w) = ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0]);
/// let mut out = [0.5, -0.5];
/// limbeck_runtime::kernel::matmul_add(&x, &w, &mut out, 1, 2, 2);
/// assert_eq!(out, [13.5, 15.5]);
/// ```
///
/// # Panics
///
/// Panics if a slice is shorter than its shape requires.
pub fn matmul_add(x: &[f32], w: &[f32], out: &mut [f32], n: usize, k: usize, m: usize) {
    let a = Operand {
        values: &x[..n * k],
        row: k,
        step: 1,
    };
    let b = Operand {
        values: &w[..k * m],
        row: 1,
        step: m,
    };
    simd::gemm(
        Product {
            a,
            b,
            start: Start::Out,
            rows: n,
            steps: k,
            cols: m,
        },
        &mut out[..n * m],
    );
}

/// `out[k, m] += a[n, k]ᵀ · b[n, m]`: adds the gradient of a weight matrix, which is a sum over the `n` samples, to `out`.
///
/// ```
/// let (a, b) = ([1.0, 2.0], [3.0, 4.0]); // two samples, k = m = 1
/// let mut out = [0.5];
/// limbeck_runtime::kernel::matmul_at_b(&a, &b, &mut out, 2, 1, 1);
/// assert_eq!(out, [11.5]);
/// ```
///
/// # Panics
///
/// Panics if a slice is shorter than its shape requires.
pub fn matmul_at_b(a: &[f32], b: &[f32], out: &mut [f32], n: usize, k: usize, m: usize) {
    let a = Operand {
        values: &a[..n * k],
        row: 1,
        step: k,
    };
    let b = Operand {
        values: &b[..n * m],
        row: 1,
        step: m,
    };
    simd::gemm(
        Product {
            a,
            b,
            start: Start::Out,
            rows: k,
            steps: n,
            cols: m,
        },
        &mut out[..k * m],
    );
}

/// `out[n, k] = a[n, m] · b[k, m]ᵀ`: the gradient of a layer's input, from the gradient of its output and its `[k, m]` weight matrix.
///
/// ```
/// let (a, w) = ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0]);
/// let mut out = [0.0; 2];
/// limbeck_runtime::kernel::matmul_a_bt(&a, &w, &mut out, 1, 2, 2);
/// assert_eq!(out, [11.0, 17.0]);
/// ```
///
/// # Panics
///
/// Panics if a slice is shorter than its shape requires.
pub fn matmul_a_bt(a: &[f32], b: &[f32], out: &mut [f32], n: usize, m: usize, k: usize) {
    let a = Operand {
        values: &a[..n * m],
        row: m,
        step: 1,
    };
    let b = Operand {
        values: &b[..k * m],
        row: m,
        step: 1,
    };
    simd::gemm(
        Product {
            a,
            b,
            start: Start::Zero,
            rows: n,
            steps: m,
            cols: k,
        },
        &mut out[..n * k],
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0)
            .collect()
    }

    fn transpose(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
        (0..rows * cols)
            .map(|i| x[(i % rows) * cols + i / rows])
            .collect()
    }

    /// The product computed in f64, from its definition.
    fn product(
        x: &[f32],
        w: &[f32],
        start: impl Fn(usize) -> f32,
        (n, k, m): (usize, usize, usize),
    ) -> Vec<f64> {
        let sum = |i: usize, j: usize| {
            (0..k)
                .map(|p| f64::from(x[i * k + p]) * f64::from(w[p * m + j]))
                .sum::<f64>()
        };
        (0..n * m)
            .map(|at| f64::from(start(at)) + sum(at / m, at % m))
            .collect()
    }

    fn assert_near(found: &[f32], expected: &[f64], k: usize) {
        // Each of k additions, of terms up to 1, has a rounding error of at most half a unit in the last place of a sum up to k.
        let tolerance = 6e-8 * (k as f64 + 2.0) * (k as f64 + 2.0).sqrt();
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (f64::from(*found) - expected).abs() <= tolerance,
                "{found} {expected}"
            );
        }
    }

    const SHAPES: [(usize, usize, usize); 17] = [
        (1, 1, 1),
        (1, 5, 33),
        (2, 3, 4),
        (3, 64, 1),
        (4, 17, 40),
        (5, 5, 5),
        (6, 8, 16),
        (7, 9, 15),
        (13, 130, 17),
        (256, 64, 64),
        (20, 300, 33),
        (9, 1, 70),
        (31, 33, 1),
        (64, 1, 1),
        (0, 3, 3),
        (3, 0, 3),
        (3, 3, 0),
    ];

    #[test]
    fn products_match_their_definition() {
        for shape @ (n, k, m) in SHAPES {
            let (x, w, bias) = (numbers(n * k, 1), numbers(k * m, 2), numbers(m, 3));
            let mut out = vec![f32::NAN; n * m];
            matmul_bias(&x, &w, Some(&bias), &mut out, n, k, m);
            assert_near(&out, &product(&x, &w, |at| bias[at % m], shape), k);
            matmul_bias(&x, &w, None, &mut out, n, k, m);
            let expected = product(&x, &w, |_| 0.0, shape);
            assert_near(&out, &expected, k);
            matmul_a_bt(&x, &transpose(&w, k, m), &mut out, n, k, m);
            assert_near(&out, &expected, k);
            let before = numbers(n * m, 4);
            out.copy_from_slice(&before);
            matmul_at_b(&transpose(&x, n, k), &w, &mut out, k, n, m);
            assert_near(&out, &product(&x, &w, |at| before[at], shape), k);
            out.copy_from_slice(&before);
            matmul_add(&x, &w, &mut out, n, k, m);
            assert_near(&out, &product(&x, &w, |at| before[at], shape), k);
        }
    }

    #[test]
    fn row_has_same_bits_alone_and_in_batch() {
        for (n, k, m) in SHAPES {
            let (x, w, bias) = (numbers(n * k, 5), numbers(k * m, 6), numbers(m, 7));
            let (mut batch, mut row) = (vec![0.0; n * m], vec![0.0; m]);
            matmul_bias(&x, &w, Some(&bias), &mut batch, n, k, m);
            for i in 0..n {
                matmul_bias(&x[i * k..], &w, Some(&bias), &mut row, 1, k, m);
                assert_eq!(row, batch[i * m..][..m]);
            }
        }
    }

    #[test]
    fn nan_passes_through() {
        let mut out = [0.0; 2];
        matmul_bias(&[f32::NAN, 1.0], &[0.0; 4], None, &mut out, 1, 2, 2);
        assert!(out.iter().all(|x| x.is_nan()));
    }
}
