//! Kernels (inner loops) of a training step other than matrix products, compiled once for each instruction set.
//!
//! The body of each kernel is plain Rust over slices. The versions for wide vectors compile the same body under `#[target_feature]`. The order of
//! summation does not depend on the number of threads, so one machine always gives the same result. Two machines may differ in the last bit, since a
//! fused multiply-add rounds once where separate instructions round twice.

use crate::gates::{self, GruBack, GruStep, LstmBack, LstmStep};

/// How the first layer looks up one position of a row in its lookup table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lookup {
    /// Index of the first row of the lookup table that belongs to this position.
    pub(crate) row: usize,
    pub(crate) kind: LookupKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LookupKind {
    /// A plain number `p`: `p · table[row]`.
    Linear,
    /// A number with a piecewise-linear encoding: interpolates between the table rows `row ..= row + bins`.
    Spline { bins: usize },
    /// A category with the level `index`: `table[row + index]`. An index outside `0 .. levels` adds nothing.
    OneHot { levels: usize },
}

/// The table rows that a position uses, with their coefficients: `row` with `low`, and `row + 1` with `high`.
#[derive(Clone, Copy)]
struct Tap {
    row: usize,
    low: f32,
    high: f32,
}

impl Tap {
    /// Uses a single table row, with the coefficient `low`.
    #[inline(always)]
    fn single(row: usize, low: f32) -> Self {
        Self {
            row,
            low,
            high: 0.0,
        }
    }
}

impl Lookup {
    #[inline(always)]
    fn tap(self, p: f32) -> Tap {
        match self.kind {
            LookupKind::Linear => Tap::single(self.row, p),
            LookupKind::Spline { bins } => {
                let bin = (p as usize).min(bins - 1);
                let high = p - bin as f32;
                Tap {
                    row: self.row + bin,
                    low: 1.0 - high,
                    high,
                }
            }
            LookupKind::OneHot { levels } => {
                if p >= 0.0 && (p as usize) < levels {
                    Tap::single(self.row + p as usize, 1.0)
                } else {
                    Tap::single(self.row, 0.0)
                }
            }
        }
    }
}

#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `y ← y + a · x`
#[inline(always)]
fn add<const FMA: bool, const W: usize>(a: f32, x: &[f32; W], y: &mut [f32; W]) {
    for j in 0..W {
        y[j] = fma::<FMA>(a, x[j], y[j]);
    }
}

/// Computes the first layer, before ReLU, for all data rows: `out[i] = bias + Σ_s interpolate(table, p[i, s])`.
#[inline(always)]
fn lookup_body<const FMA: bool>(
    lookups: &[Lookup],
    table: &[f32],
    bias: &[f32],
    positions: &[f32],
    out: &mut [f32],
) {
    let width = bias.len();
    for (row, out) in positions
        .chunks_exact(lookups.len())
        .zip(out.chunks_exact_mut(width))
    {
        let mut at = 0;
        while at + 32 <= width {
            lookup_piece::<FMA, 32>(lookups, table, bias, row, out, at);
            at += 32;
        }
        while at + 8 <= width {
            lookup_piece::<FMA, 8>(lookups, table, bias, row, out, at);
            at += 8;
        }
        while at < width {
            lookup_piece::<FMA, 1>(lookups, table, bias, row, out, at);
            at += 1;
        }
    }
}

#[inline(always)]
fn lookup_piece<const FMA: bool, const W: usize>(
    lookups: &[Lookup],
    table: &[f32],
    bias: &[f32],
    row: &[f32],
    out: &mut [f32],
    at: usize,
) {
    let width = bias.len();
    let Some(mut sums) = bias[at..].first_chunk::<W>().copied() else {
        return;
    };
    for (lookup, &p) in lookups.iter().zip(row) {
        let tap = lookup.tap(p);
        let Some(low) = table[tap.row * width + at..].first_chunk::<W>() else {
            return;
        };
        add::<FMA, W>(tap.low, low, &mut sums);
        if let LookupKind::Spline { .. } = lookup.kind {
            let Some(high) = table[(tap.row + 1) * width + at..].first_chunk::<W>() else {
                return;
            };
            add::<FMA, W>(tap.high, high, &mut sums);
        }
    }
    out[at..at + W].copy_from_slice(&sums);
}

/// Adds the gradient of each data row to the gradient of `bias`, and to those of the table rows that its positions use: the transpose of
/// [`lookup_body`].
#[inline(always)]
fn scatter_body<const FMA: bool>(
    lookups: &[Lookup],
    positions: &[f32],
    grad: &[f32],
    table: &mut [f32],
    bias: &mut [f32],
) {
    let width = bias.len();
    for (row, grad) in positions
        .chunks_exact(lookups.len())
        .zip(grad.chunks_exact(width))
    {
        let mut at = 0;
        while at + 32 <= width {
            scatter_piece::<FMA, 32>(lookups, row, grad, table, bias, at);
            at += 32;
        }
        while at + 8 <= width {
            scatter_piece::<FMA, 8>(lookups, row, grad, table, bias, at);
            at += 8;
        }
        while at < width {
            scatter_piece::<FMA, 1>(lookups, row, grad, table, bias, at);
            at += 1;
        }
    }
}

#[inline(always)]
fn scatter_piece<const FMA: bool, const W: usize>(
    lookups: &[Lookup],
    row: &[f32],
    grad: &[f32],
    table: &mut [f32],
    bias: &mut [f32],
    at: usize,
) {
    let width = bias.len();
    let Some(grad) = grad[at..].first_chunk::<W>().copied() else {
        return;
    };
    let Some(bias) = bias[at..].first_chunk_mut::<W>() else {
        return;
    };
    for j in 0..W {
        bias[j] += grad[j];
    }
    for (lookup, &p) in lookups.iter().zip(row) {
        let tap = lookup.tap(p);
        let Some(low) = table[tap.row * width + at..].first_chunk_mut::<W>() else {
            return;
        };
        add::<FMA, W>(tap.low, &grad, low);
        if let LookupKind::Spline { .. } = lookup.kind {
            let Some(high) = table[(tap.row + 1) * width + at..].first_chunk_mut::<W>() else {
                return;
            };
            add::<FMA, W>(tap.high, &grad, high);
        }
    }
}

// The next two functions use sums and products instead of a branch: a choice between 0 and the value in memory would be compiled to
// masked stores, which are several times slower on some processors.

#[inline(always)]
fn relu_body(values: &mut [f32]) {
    for v in values {
        // Exact for finite values; NaN stays NaN.
        *v = 0.5 * (*v + v.abs());
    }
}

/// Backward pass of ReLU: sets the gradient to 0 wherever the activation is 0.
#[inline(always)]
fn relu_grad_body(activation: &[f32], grad: &mut [f32]) {
    for (g, &a) in grad.iter_mut().zip(activation) {
        *g *= if a <= 0.0 { 0.0 } else { 1.0 };
    }
}

#[inline(always)]
fn column_sums_body(values: &[f32], sums: &mut [f32]) {
    for row in values.chunks_exact(sums.len()) {
        for (s, &v) in sums.iter_mut().zip(row) {
            *s += v;
        }
    }
}

/// Constants of one AdamW step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) epsilon: f32,
    /// Learning rate divided by the bias correction of the first moment.
    pub(crate) rate: f32,
    /// One divided by the bias correction of the second moment.
    pub(crate) second: f32,
    /// Factor by which weight decay multiplies the weights: `1 − learning rate · weight decay`.
    pub(crate) keep: f32,
    /// Share of the way that the running mean of the weights moves towards the new weights, in (0, 1].
    pub(crate) follow: f32,
}

/// The vectors that an AdamW step updates: weights, running means of the gradient and of its square, and running mean of the weights. All are as long
/// as the gradient.
pub(crate) struct Weights<'a> {
    pub(crate) params: &'a mut [f32],
    pub(crate) first: &'a mut [f32],
    pub(crate) second: &'a mut [f32],
    pub(crate) average: &'a mut [f32],
}

#[inline(always)]
fn adam_body<const FMA: bool>(step: AdamStep, grad: &[f32], weights: Weights<'_>) {
    let Weights {
        params,
        first,
        second,
        average,
    } = weights;
    let n = params.len();
    let (grad, first, second, average) = (
        &grad[..n],
        &mut first[..n],
        &mut second[..n],
        &mut average[..n],
    );
    for i in 0..n {
        let g = grad[i];
        first[i] = fma::<FMA>(step.beta1, first[i] - g, g);
        second[i] = fma::<FMA>(step.beta2, second[i] - g * g, g * g);
        let scale = (second[i] * step.second).sqrt() + step.epsilon;
        params[i] = params[i] * step.keep - step.rate * first[i] / scale;
        average[i] = fma::<FMA>(step.follow, params[i] - average[i], average[i]);
    }
}

macro_rules! dispatched {
    ($(#[$doc:meta])* $name:ident = $plain:expr, $fused:expr; ($($arg:ident: $ty:ty),*)) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $ty),*) {
                    $fused($($arg),*);
                }
                // Rows are handled lane by lane, so twice as many lanes give the same bits.
                #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
                fn widest($($arg: $ty),*) {
                    $fused($($arg),*);
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                        // SAFETY: the processor has just reported all instruction sets that `widest` is compiled for.
                        #[allow(unsafe_code, reason = "calls a body compiled for instructions found at run time")]
                        unsafe { widest($($arg),*) };
                        return;
                    }
                    // SAFETY: the processor has just reported both instruction sets that `wide` is compiled for.
                    #[allow(unsafe_code, reason = "calls a body compiled for instructions found at run time")]
                    unsafe { wide($($arg),*) };
                    return;
                }
            }
            $plain($($arg),*);
        }
    };
}

dispatched!(
    /// Forward pass of the first layer: see [`lookup_body`].
    lookup = lookup_body::<false>, lookup_body::<true>;
    (lookups: &[Lookup], table: &[f32], bias: &[f32], positions: &[f32], out: &mut [f32])
);
dispatched!(
    /// Backward pass of the first layer: see [`scatter_body`].
    scatter = scatter_body::<false>, scatter_body::<true>;
    (lookups: &[Lookup], positions: &[f32], grad: &[f32], table: &mut [f32], bias: &mut [f32])
);
dispatched!(
    /// ReLU: replaces each value `v` by `max(0, v)`.
    relu = relu_body, relu_body;
    (values: &mut [f32])
);
dispatched!(
    /// Backward pass of [`relu`]: see [`relu_grad_body`].
    relu_grad = relu_grad_body, relu_grad_body;
    (activation: &[f32], grad: &mut [f32])
);
dispatched!(
    /// Adds the sum of each column: `sums[j] += Σ_i values[i, j]`, in the order of the rows.
    column_sums = column_sums_body, column_sums_body;
    (values: &[f32], sums: &mut [f32])
);
dispatched!(
    /// One AdamW update (Loshchilov & Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019, algorithm 2).
    adam = adam_body::<false>, adam_body::<true>;
    (step: AdamStep, grad: &[f32], weights: Weights<'_>)
);

dispatched!(
    /// The gates of a step of a GRU layer: see [`gates::gru_step`].
    gru_step = gates::gru_step, gates::gru_step;
    (step: GruStep<'_>)
);
dispatched!(
    /// Their derivative: see [`gates::gru_back`].
    gru_back = gates::gru_back, gates::gru_back;
    (step: GruBack<'_>)
);
dispatched!(
    /// The gates of a step of an LSTM layer: see [`gates::lstm_step`].
    lstm_step = gates::lstm_step, gates::lstm_step;
    (step: LstmStep<'_>)
);
dispatched!(
    /// Their derivative: see [`gates::lstm_back`].
    lstm_back = gates::lstm_back, gates::lstm_back;
    (step: LstmBack<'_>)
);

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKUPS: [Lookup; 3] = [
        Lookup {
            row: 0,
            kind: LookupKind::Spline { bins: 2 },
        },
        Lookup {
            row: 3,
            kind: LookupKind::OneHot { levels: 2 },
        },
        Lookup {
            row: 5,
            kind: LookupKind::Linear,
        },
    ];

    #[test]
    fn lookup_is_the_sum_worked_by_hand() {
        let table = [0.0, 10.0, 30.0, 100.0, 200.0, 1000.0];
        let mut out = [0.0; 2];
        lookup(
            &LOOKUPS,
            &table,
            &[1.0],
            &[1.5, 1.0, 2.0, 2.0, -1.0, 0.0],
            &mut out,
        );
        // 1 + (10 + 30) / 2 + 200 + 2000 ; 1 + 30 + nothing + 0
        assert_eq!(out, [2221.0, 31.0]);
    }

    #[test]
    fn scatter_is_the_transpose_of_lookup() {
        let mut table = [0.0; 6];
        let mut bias = [0.0];
        scatter(&LOOKUPS, &[1.25, 0.0, 2.0], &[4.0], &mut table, &mut bias);
        assert_eq!(table, [0.0, 3.0, 1.0, 4.0, 0.0, 8.0]);
        assert_eq!(bias, [4.0]);
    }

    #[test]
    fn wide_and_plain_lookup_agree_on_every_width() {
        for width in [1, 7, 8, 31, 40, 64] {
            let table: Vec<f32> = (0..6 * width).map(|i| (i as f32 * 0.37).sin()).collect();
            let bias: Vec<f32> = (0..width).map(|i| i as f32 * 0.01).collect();
            let positions = [0.3, 1.0, -0.7, 1.9, 0.0, 0.2];
            let (mut wide, mut plain) = (vec![0.0; 2 * width], vec![0.0; 2 * width]);
            lookup(&LOOKUPS, &table, &bias, &positions, &mut wide);
            lookup_body::<false>(&LOOKUPS, &table, &bias, &positions, &mut plain);
            for (a, b) in wide.iter().zip(&plain) {
                assert!((a - b).abs() <= 1e-6, "{a} {b}");
            }
        }
    }

    #[test]
    fn relu_keeps_a_nan() {
        let mut values = [-1.0, 0.0, 2.0, f32::NAN];
        relu(&mut values);
        assert_eq!(values[..3], [0.0, 0.0, 2.0]);
        assert!(values[3].is_nan());
    }

    #[test]
    fn adam_takes_the_step_worked_by_hand() {
        let step = AdamStep {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 0.0,
            rate: 0.1 / 0.1,
            second: 1.0 / 0.01,
            keep: 0.5,
            follow: 0.25,
        };
        let (mut params, mut first, mut second, mut average) =
            ([4.0f32], [0.0f32], [0.0f32], [1.0f32]);
        adam(
            step,
            &[2.0],
            Weights {
                params: &mut params,
                first: &mut first,
                second: &mut second,
                average: &mut average,
            },
        );
        // first moment .2, second .04; .2 / (.04 / .01).sqrt() = .1 ; 4 · .5 − .1
        assert!((params[0] - 1.9).abs() < 1e-6, "{params:?}");
        assert!((first[0] - 0.2).abs() < 1e-7 && (second[0] - 0.04).abs() < 1e-7);
        // 1 + (1.9 − 1) / 4
        assert!((average[0] - 1.225).abs() < 1e-6, "{average:?}");
    }
}
