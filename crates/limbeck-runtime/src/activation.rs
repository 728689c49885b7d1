//! The logistic function and the hyperbolic tangent in f32, for the gates of recurrent layers.
//!
//! # Idea
//!
//! Both follow from one exponential. It has no branch and no table, so the compiler turns a loop over it into vector instructions. No step uses fused
//! multiply-add. Every processor and every vector width therefore gives the same bits.

pub use crate::curves::{sigmoid_of, tanh_of};
use crate::simd;

/// Replaces each value `x` by the logistic function of `x`. NaN stays NaN, −∞ becomes 0 and +∞ becomes 1.
///
/// # Formula
///
/// ```text
/// σ(x) = 1 / (1 + e^(−x))
/// ```
///
/// The error is at most 2·10⁻⁷.
///
/// ```
/// let mut values = [0.0, f32::NEG_INFINITY, f32::INFINITY];
/// limbeck_runtime::activation::sigmoid(&mut values);
/// assert_eq!(values, [0.5, 0.0, 1.0]);
/// ```
pub fn sigmoid(values: &mut [f32]) {
    simd::sigmoid(values);
}

/// Replaces each value `x` by its hyperbolic tangent. NaN stays NaN, and ±∞ becomes ±1.
///
/// # Formula
///
/// ```text
/// tanh(x) = (e^(2x) − 1) / (e^(2x) + 1)
/// ```
///
/// The error is at most 2·10⁻⁷. (It is absolute: next to 0, the last digits of the result are lost.)
///
/// ```
/// let mut values = [0.0, f32::NEG_INFINITY, f32::INFINITY];
/// limbeck_runtime::activation::tanh(&mut values);
/// assert_eq!(values, [0.0, -1.0, 1.0]);
/// ```
pub fn tanh(values: &mut [f32]) {
    simd::tanh(values);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::exp;
    use alloc::vec::Vec;

    /// Numbers in ±100: a dense grid in ±20, and a wide one.
    fn grid() -> Vec<f32> {
        let dense = (-200_000..=200_000).map(|i| i as f32 * 1e-4);
        dense
            .chain((-2000..=2000).map(|i| i as f32 * 0.05))
            .collect()
    }

    fn largest_error(found: &[f32], expected: impl Fn(f64) -> f64) -> f64 {
        let errors = grid().into_iter().zip(found);
        errors
            .map(|(x, found)| (f64::from(*found) - expected(f64::from(x))).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn sigmoid_is_near_its_definition() {
        let mut values = grid();
        sigmoid(&mut values);
        let error = largest_error(&values, |x| 1.0 / (1.0 + libm::exp(-x)));
        assert!(error <= 2e-7, "{error}");
    }

    #[test]
    fn tanh_is_near_its_definition() {
        let mut values = grid();
        tanh(&mut values);
        let error = largest_error(&values, libm::tanh);
        assert!(error <= 2e-7, "{error}");
    }

    #[test]
    fn exp_has_a_small_relative_error() {
        let relative = |x: f32| f64::from(exp(x)) / libm::exp(f64::from(x)) - 1.0;
        let near = grid().into_iter().filter(|x| x.abs() < 87.0);
        let error = near.map(|x| relative(x).abs()).fold(0.0, f64::max);
        assert!(error <= 1.5e-7, "{error}");
    }

    #[test]
    fn limits_and_nan_are_kept() {
        let ends = [f32::NEG_INFINITY, f32::MIN, f32::MAX, f32::INFINITY];
        assert_eq!(ends.map(sigmoid_of), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(ends.map(tanh_of), [-1.0, -1.0, 1.0, 1.0]);
        let (mut s, mut t) = ([f32::NAN; 33], [f32::NAN; 33]);
        sigmoid(&mut s);
        tanh(&mut t);
        assert!(s.iter().chain(&t).all(|x| x.is_nan()));
    }

    #[test]
    fn every_length_has_the_bits_of_one_number() {
        for n in [0, 1, 3, 8, 15, 16, 17, 100] {
            let x: Vec<f32> = (0..n).map(|i| (i * 37 % 41) as f32 * 0.3 - 6.0).collect();
            let (mut s, mut t) = (x.clone(), x.clone());
            sigmoid(&mut s);
            tanh(&mut t);
            for (i, &x) in x.iter().enumerate() {
                assert_eq!(s[i].to_bits(), sigmoid_of(x).to_bits());
                assert_eq!(t[i].to_bits(), tanh_of(x).to_bits());
            }
        }
    }
}
