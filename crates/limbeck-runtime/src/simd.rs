//! SIMD vectors of f32, and the selection of the instruction set: the only `unsafe` code of this crate.
//!
//! Every fast path is a function generic over [`Lanes`], instantiated inside a function with `#[target_feature]`. The portable version is the
//! same function over [`Plain`]. The standard library detects the processor's features and caches the result.
#![allow(
    unsafe_code,
    reason = "vector instructions, called only after the processor is known to have them"
)]

use crate::{
    blocks::{self, PANEL, Product, Term},
    curves,
    lanes::{Lanes, Plain},
    piecewise::Piecewise,
};
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use core::arch::x86_64 as x86;

/// Implements [`Lanes`] for a vector register of x86-64.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
macro_rules! x86_lanes {
    ($name:ident, $width:literal, $register:ident, $splat:ident, $fmadd:ident, $features:literal) => {
        #[doc = concat!("One register of ", stringify!($width), " lanes; used only if the processor has ", $features, ".")]
        #[derive(Clone, Copy)]
        pub(crate) struct $name(x86::$register);

        impl Lanes for $name {
            const WIDTH: usize = $width;

            #[inline(always)]
            fn splat(value: f32) -> Self {
                // SAFETY: this type is only named inside functions that enable its features, below.
                $name(unsafe { x86::$splat(value) })
            }

            #[inline(always)]
            fn load(from: &[f32]) -> Self {
                let mut lanes = [0.0f32; $width];
                lanes.copy_from_slice(&from[..$width]);
                // SAFETY: both sides are the same number of plain f32; every bit pattern is valid.
                $name(unsafe { core::mem::transmute::<[f32; $width], x86::$register>(lanes) })
            }

            #[inline(always)]
            fn store(self, to: &mut [f32]) {
                // SAFETY: both sides are the same number of plain f32; every bit pattern is valid.
                let lanes = unsafe { core::mem::transmute::<x86::$register, [f32; $width]>(self.0) };
                to[..$width].copy_from_slice(&lanes);
            }

            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: this type is only named inside functions that enable its features, below.
                $name(unsafe { x86::$fmadd(self.0, b.0, c.0) })
            }

            #[inline(always)]
            fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32 {
                a.mul_add(b, c)
            }
        }
    };
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
x86_lanes!(
    Avx2,
    8,
    __m256,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    "avx2 and fma"
);
#[cfg(all(feature = "std", target_arch = "x86_64"))]
x86_lanes!(
    Avx512,
    16,
    __m512,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    "avx512f and fma"
);

/// Instruction sets for which there is separate code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    Plain,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx2,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx512,
}

impl Isa {
    /// The variant with the widest vectors that this processor can run.
    #[inline]
    pub(crate) fn detect() -> Isa {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx2") && has!("fma") {
                return Isa::Avx512;
            }
            if has!("avx2") && has!("fma") {
                return Isa::Avx2;
            }
        }
        Isa::Plain
    }
}

/// [`blocks::gemm`] with the tile size for this processor.
pub(crate) fn gemm(product: Product<'_>, out: &mut [f32]) {
    gemm_on(Isa::detect(), product, out);
}

fn gemm_on(isa: Isa, product: Product<'_>, out: &mut [f32]) {
    match isa {
        Isa::Plain => blocks::gemm::<Plain, 4, { PANEL * 8 }>(product, out),
        // SAFETY: `Isa::detect` returns this variant only if the processor reports avx2 and fma.
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        Isa::Avx2 => unsafe { gemm_avx2(product, out) },
        // SAFETY: `Isa::detect` returns this variant only if the processor reports avx512f, avx2 and fma.
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        Isa::Avx512 => unsafe { gemm_avx512(product, out) },
    }
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2,fma")]
fn gemm_avx2(product: Product<'_>, out: &mut [f32]) {
    blocks::gemm::<Avx2, 6, { PANEL * 16 }>(product, out);
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx512f,avx2,fma")]
fn gemm_avx512(product: Product<'_>, out: &mut [f32]) {
    blocks::gemm::<Avx512, 8, { PANEL * 32 }>(product, out);
}

/// [`Piecewise::run`] with the vector type for this processor.
pub(crate) fn piecewise(
    layer: &Piecewise,
    x: &[f32],
    relu: bool,
    terms: &mut [Term],
    to: &mut [f32],
) {
    piecewise_on(Isa::detect(), layer, x, relu, terms, to);
}

fn piecewise_on(
    isa: Isa,
    layer: &Piecewise,
    x: &[f32],
    relu: bool,
    terms: &mut [Term],
    to: &mut [f32],
) {
    match isa {
        Isa::Plain => layer.run::<Plain>(x, relu, terms, to),
        // SAFETY: `Isa::detect` returns this variant only if the processor reports avx2 and fma.
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        Isa::Avx2 => unsafe { piecewise_avx2(layer, x, relu, terms, to) },
        // SAFETY: `Isa::detect` returns this variant only if the processor reports avx512f, avx2 and fma.
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        Isa::Avx512 => unsafe { piecewise_avx512(layer, x, relu, terms, to) },
    }
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2,fma")]
fn piecewise_avx2(layer: &Piecewise, x: &[f32], relu: bool, terms: &mut [Term], to: &mut [f32]) {
    layer.run::<Avx2>(x, relu, terms, to);
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx512f,avx2,fma")]
fn piecewise_avx512(layer: &Piecewise, x: &[f32], relu: bool, terms: &mut [Term], to: &mut [f32]) {
    layer.run::<Avx512>(x, relu, terms, to);
}

/// Makes a function that runs `$body` on a slice, compiled for the vectors of this processor.
macro_rules! element_wise {
    ($(#[$doc:meta])* $name:ident = $body:path) => {
        $(#[$doc])*
        pub(crate) fn $name(values: &mut [f32]) {
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            #[target_feature(enable = "avx2,fma")]
            fn wide(values: &mut [f32]) {
                $body(values);
            }
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn widest(values: &mut [f32]) {
                $body(values);
            }
            match Isa::detect() {
                Isa::Plain => $body(values),
                // SAFETY: `Isa::detect` returns this variant only if the processor reports avx2 and fma.
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Isa::Avx2 => unsafe { wide(values) },
                // SAFETY: `Isa::detect` returns this variant only if the processor reports avx512f, avx2 and fma.
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                Isa::Avx512 => unsafe { widest(values) },
            }
        }
    };
}

element_wise!(
    /// The logistic function of each value: see [`activation::sigmoid`].
    sigmoid = curves::sigmoid_body
);
element_wise!(
    /// The hyperbolic tangent of each value: see [`activation::tanh`](fn@activation::tanh).
    tanh = curves::tanh_body
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Node, Op};
    use alloc::{vec, vec::Vec};

    /// Bound for f32 sums of at most 130 terms of size 1 that are rounded in different ways.
    const TOLERANCE: f32 = 2e-5;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0)
            .collect()
    }

    fn paths() -> Vec<Isa> {
        match Isa::detect() {
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Isa::Avx512 => vec![Isa::Plain, Isa::Avx2, Isa::Avx512],
            found => vec![Isa::Plain, found],
        }
    }

    #[test]
    fn every_path_agrees_with_plain_product() {
        for (n, k, m) in [
            (1, 130, 37),
            (7, 5, 9),
            (33, 64, 64),
            (12, 130, 1),
            (3, 3, 100),
        ] {
            let (x, w) = (numbers(n * k), numbers(k * m));
            let mut plain = vec![0.0; n * m];
            gemm_on(Isa::Plain, Product::of_rows(&x, &w, (n, k, m)), &mut plain);
            for isa in paths() {
                let mut out = vec![0.0; n * m];
                gemm_on(isa, Product::of_rows(&x, &w, (n, k, m)), &mut out);
                for (a, b) in out.iter().zip(&plain) {
                    assert!((a - b).abs() <= TOLERANCE, "{isa:?} {n} {k} {m}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn every_path_agrees_with_plain_piecewise() {
        for cols in [1, 8, 9, 37, 64, 130] {
            let edges = vec![(0..20).map(|k| k as f32 / 10.0 - 1.0).collect(), vec![]];
            let layer = Piecewise::new(&edges, cols, &numbers(20 * cols), &numbers(cols));
            let x = numbers(2 * 11);
            let run = |isa| {
                let (mut terms, mut out) = (vec![Term::default(); 5], vec![f32::NAN; 11 * cols]);
                piecewise_on(isa, &layer, &x, true, &mut terms, &mut out);
                out
            };
            let op = Op::Linear {
                rows: 20,
                cols,
                weight: numbers(20 * cols),
                bias: numbers(cols),
            };
            let nodes = vec![
                Node::new(
                    Op::Ple {
                        edges: edges.clone(),
                    },
                    [0],
                ),
                Node::new(op, [1]),
                Node::new(Op::Relu, [2]),
            ];
            let plain = Graph::new(2, nodes).unwrap().run(&x, 11);
            for isa in paths() {
                for (a, b) in run(isa).iter().zip(&plain) {
                    assert!((a - b).abs() <= TOLERANCE, "{isa:?} {cols}: {a} {b}");
                }
            }
        }
    }
}
