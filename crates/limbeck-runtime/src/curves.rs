//! The formulas of the logistic function and the hyperbolic tangent, which are compiled for each instruction set.

/// [`sigmoid`](crate::activation::sigmoid) of one number, with the same bits. It is inlined, so that a loop over it is compiled for the instruction set of its caller.
#[inline(always)]
#[must_use]
pub fn sigmoid_of(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// [`tanh`](fn@crate::activation::tanh) of one number, with the same bits. It is inlined, so that a loop over it is compiled for the instruction set of its caller.
#[inline(always)]
#[must_use]
pub fn tanh_of(x: f32) -> f32 {
    // Beyond ±10 the result is ±1 in f32; without the limit, the quotient would be ∞/∞.
    let power = exp(2.0 * x.clamp(-10.0, 10.0));
    (power - 1.0) / (power + 1.0)
}

#[inline(always)]
pub(crate) fn sigmoid_body(values: &mut [f32]) {
    for x in values {
        *x = sigmoid_of(*x);
    }
}

#[inline(always)]
pub(crate) fn tanh_body(values: &mut [f32]) {
    for x in values {
        *x = tanh_of(*x);
    }
}

/// `1.5 · 2²³`: a number `x` in ±2²² plus this constant is rounded to a whole number, which is in the lowest bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// `ln 2` in two parts. The first has so few digits that its product with a whole number below 2⁹ is exact.
const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);

/// `e^x`, with a relative error of about 10⁻⁷. Below −87 it gives `e^(−87)`, and above 88.4 infinity.
///
/// ```text
/// e^x = 2^n · e^r,    n = round(x / ln 2),    r = x − n ln 2 in ±½ ln 2
/// ```
///
/// Source: Cephes Mathematical Library (Moshier), `expf`, for the parts of `ln 2` and the polynomial of `e^r`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 89.0);
    let shifted = x * core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5.0e-1;
    let power = p * r * r + r + 1.0;
    // 2^n from its exponent. For n = 128 these are the bits of infinity.
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}
