//! Random number generators: each task has its own stream, so that the order of execution does not change results.

use rand::RngExt;
use rand_pcg::Pcg64;

/// The random number generator of one task; it depends only on the run's seed, the task's name and an index.
///
/// FNV-1a hashes the name; SplitMix64 mixes seed, hash and index into the state and stream of a PCG XSL-RR 128/64. Equal arguments
/// give equal random numbers on every machine.
///
/// ```
/// use limbeck_data::generator;
/// use rand::RngExt;
/// let draw = |index| generator(7, "split", index).random::<u64>();
/// assert_eq!(draw(0), draw(0));
/// assert_ne!(draw(0), draw(1));
/// ```
#[must_use]
pub fn generator(seed: u64, task: &str, index: u64) -> Pcg64 {
    let mut state = splitmix(splitmix(seed) ^ fnv1a(task.as_bytes())) ^ index;
    let mut word = || {
        state = splitmix(state);
        u128::from(state)
    };
    Pcg64::new((word() << 64) | word(), (word() << 64) | word())
}

/// A standard normal draw by the Box–Muller transform, `√(−2 ln u₁) · cos(2π u₂)`.
pub fn normal(rng: &mut impl rand::Rng) -> f64 {
    // 1 − u lies in (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// The 64-bit FNV-1a hash.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014).
fn splitmix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_agrees_with_its_published_values() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn splitmix_agrees_with_its_reference() {
        // First output of the reference implementation for seed 0.
        assert_eq!(splitmix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn generators_differ_by_seed_task_and_index() {
        let first = |seed, task, index| generator(seed, task, index).random::<u64>();
        let draws = [
            first(0, "a", 0),
            first(1, "a", 0),
            first(0, "b", 0),
            first(0, "a", 1),
            first(1, "a", 1),
        ];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn normal_draws_have_mean_zero_and_variance_one() {
        let mut rng = generator(1, "normal", 0);
        let draws: Vec<f64> = (0..40_000).map(|_| normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 40_000.0;
        let variance = draws.iter().map(|z| z * z).sum::<f64>() / 40_000.0;
        // Four standard errors: 4/√40000 and 4·√2/√40000.
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }
}
