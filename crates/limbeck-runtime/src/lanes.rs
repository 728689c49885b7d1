//! Some neighboring f32, as the bodies of kernels see them.

/// Some neighboring f32.
pub(crate) trait Lanes: Copy {
    /// How many.
    const WIDTH: usize;
    /// All lanes the same.
    fn splat(value: f32) -> Self;
    /// The first [`WIDTH`](Self::WIDTH) values of a slice.
    fn load(from: &[f32]) -> Self;
    /// Into the first [`WIDTH`](Self::WIDTH) values of a slice.
    fn store(self, to: &mut [f32]);
    /// `self · b + c` in each lane.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `a · b + c` rounded as [`mul_add`](Self::mul_add) rounds.
    fn scalar_mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// The plain twin: no instruction beyond the build's target.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; 4]);

/// Fused multiply-add belongs to the build's target.
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
        // Without `std` there is no `mul_add` to ask for.
        #[cfg(feature = "std")]
        if BASE_FMA {
            return a.mul_add(b, c);
        }
        a * b + c
    }
}
