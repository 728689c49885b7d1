//! The standard normal distribution function and density in single precision.

use std::sync::LazyLock;

/// End of the grid of [`TABLE`], which covers `[−TABLE_END, TABLE_END]` with `TABLE_STEP` points per unit.
const TABLE_END: f32 = 6.0;
const TABLE_STEP: f32 = 512.0;

/// Values of `Φ` on a grid. Computing `Φ` exactly would take longer than the rest of a row's loss.
static TABLE: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let last = (2.0 * TABLE_END * TABLE_STEP) as usize;
    (0..=last + 1)
        .map(|i| {
            let z = i as f64 / f64::from(TABLE_STEP) - f64::from(TABLE_END);
            (0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)) as f32
        })
        .collect()
});

/// The standard normal distribution function `Φ`, accurate to 1e-6.
pub(super) fn cdf(z: f32) -> f32 {
    if z.is_nan() {
        return z;
    }
    let at = (z.clamp(-TABLE_END, TABLE_END) + TABLE_END) * TABLE_STEP;
    let (index, share) = (at as usize, at.fract());
    let (low, high) = (TABLE[index], TABLE[index + 1]);
    low + share * (high - low)
}

/// The standard normal density `φ`.
pub(super) fn density(z: f32) -> f32 {
    const AT_ZERO: f32 = 0.398_942_3;
    AT_ZERO * (-0.5 * z * z).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_the_normal_distribution_function() {
        for (z, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_8),
            (-1.96, 0.024_997_9),
            (7.0, 1.0),
            (-9.0, 0.0),
        ] {
            assert!((cdf(z) - expected).abs() < 1e-6, "{z}");
        }
    }

    #[test]
    fn density_is_the_slope_of_the_distribution_function() {
        for z in [-2.0, -0.3, 0.0, 1.7] {
            let slope = (cdf(z + 0.05) - cdf(z - 0.05)) / 0.1;
            assert!((density(z) - slope).abs() < 1e-3, "{z}");
        }
    }
}
