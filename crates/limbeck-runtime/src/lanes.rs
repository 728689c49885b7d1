//! The operations on a SIMD vector of f32 that the kernels use.

/// A SIMD vector of f32.
pub(crate) trait Lanes: Copy {
    /// Number of lanes.
    const WIDTH: usize;
    /// A vector with the same value in all lanes.
    fn splat(value: f32) -> Self;
    /// Loads the first [`WIDTH`](Self::WIDTH) values of a slice.
    fn load(from: &[f32]) -> Self;
    /// Stores the vector into the first [`WIDTH`](Self::WIDTH) values of a slice.
    fn store(self, to: &mut [f32]);
    /// `self · b + c` in each lane.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `a · b + c` for one number, rounded in the same way as [`mul_add`](Self::mul_add).
    fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// The portable vector: its code uses only instructions that the build's target has.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; 4]);

/// True if every processor of the build's target has fused multiply-add.
#[cfg(feature = "std")]
const BASE_FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

impl Lanes for Plain {
    const WIDTH: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Plain([value; 4])
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        Plain([from[0], from[1], from[2], from[3]])
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[..4].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Plain(core::array::from_fn(|i| {
            Self::scalar_mul_add(self.0[i], b.0[i], c.0[i])
        }))
    }

    #[inline(always)]
    fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32 {
        // `f32::mul_add` needs `std`.
        #[cfg(feature = "std")]
        if BASE_FMA {
            return a.mul_add(b, c);
        }
        a * b + c
    }
}
