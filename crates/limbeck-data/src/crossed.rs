//! Confidence intervals for errors over test rows and training seeds: a crossed design with random effects of rows and seeds.
//!
//! The student of each seed predicts each test row. A difference of two errors therefore varies for two reasons: other test rows and other
//! seeds. A test set has many rows, but a run has few seeds; an interval that treats three seeds like many is far too narrow. Here rows and
//! seeds each have their own variance and their own degrees of freedom.
//!
//! ```text
//! errors by row and seed ─Design::parts→ Parts (jackknife pseudo-values, block × seed) ─minus→ Parts ─Design::estimate→ Estimate
//!                                                                                             └─Design::ratio→ Ratio
//! ```
//!
//! `docs/intervals.md` shows how often the intervals contain the true value (`make intervals`).

use serde::{Deserialize, Serialize};

use crate::metrics::Measure;

/// Confidence level of the intervals: the intended share of cases in which an interval contains the true value.
pub const LEVEL: f64 = 0.95;

/// A ratio gets an interval only if its denominator is more than this many times the half-width of the denominator's interval.
///
/// Fieller's interval is finite if this number is at least 1. It is larger here, because a denominator that barely exceeds a threshold is more
/// often too large than too small; the error of the ratio would then be larger than its interval shows.
const SURE: f64 = 1.5;

/// The rows that an error is averaged over: their weights and blocks.
///
/// Errors of rows in the same block (a group or a stretch of time) are dependent, so that the number of blocks counts, not the number of rows.
/// Without blocks, each row is its own block. Rows of weight 0 are ignored.
#[derive(Clone, Debug)]
pub struct Design<'a> {
    weight: &'a [f64],
    /// Block of each row; `None` for a row of weight 0.
    block: Vec<Option<usize>>,
    block_weight: Vec<f64>,
    total: f64,
}

impl<'a> Design<'a> {
    /// Makes the design from the weight and, if given, the block of each row.
    #[must_use]
    pub fn new(weight: &'a [f64], blocks: Option<&[u32]>) -> Self {
        let is_used = |row: usize| weight[row] > 0.0;
        let name = |row: usize| blocks.map_or(row as u32, |blocks| blocks[row]);
        let rows = weight.len().min(blocks.map_or(usize::MAX, <[u32]>::len));
        let mut names: Vec<u32> = (0..rows).filter(|&row| is_used(row)).map(name).collect();
        names.sort_unstable();
        names.dedup();
        let place = |row: usize| names.partition_point(|other| *other < name(row));
        let block: Vec<Option<usize>> = (0..rows)
            .map(|row| is_used(row).then(|| place(row)))
            .collect();
        let mut block_weight = vec![0.0; names.len()];
        for (row, block) in block.iter().enumerate() {
            if let Some(block) = block {
                block_weight[*block] += weight[row];
            }
        }
        let total = block_weight.iter().sum();
        Self {
            weight,
            block,
            block_weight,
            total,
        }
    }

    /// Number of blocks; without blocks, the number of rows with a weight above 0.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.block_weight.len()
    }

    /// Degrees of freedom of the variance between blocks: `(Σ w)² / Σ w² − 1` with block weights `w`; `B − 1` for `B` equal weights.
    ///
    /// # Source
    ///
    /// The effective number of blocks `(Σ w)² / Σ w²` is from Kish, *Survey Sampling*, 1965.
    #[must_use]
    pub fn degrees(&self) -> f64 {
        let squares: f64 = self
            .block_weight
            .iter()
            .map(|w| (w / self.total).powi(2))
            .sum();
        (1.0 / squares - 1.0).max(0.0)
    }

    /// The error of one model for each seed, and its jackknife pseudo-values for each block.
    ///
    /// # Formula
    ///
    /// With the error `T` over all rows, and `T₋ᵦ` over all rows except those of block `b`, the pseudo-value of block `b` out of `B` is
    ///
    /// ```text
    /// x_b = B T − (B − 1) T₋ᵦ
    /// ```
    ///
    /// # Shapes
    ///
    /// `errors[seed]` is `[n_samples]`, as [`Measure::rows`] returns it; for a model without seeds, `errors` has one entry.
    ///
    /// # Source
    ///
    /// Tukey's pseudo-values: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 11.
    #[must_use]
    pub fn parts(&self, measure: Measure, errors: &[Vec<f64>]) -> Parts {
        let count = self.blocks() as f64;
        let mut parts = Parts {
            estimates: Vec::new(),
            values: Vec::new(),
        };
        for errors in errors {
            let mut sums = vec![0.0; self.blocks()];
            for ((block, weight), error) in self.block.iter().zip(self.weight).zip(errors) {
                if let Some(block) = block {
                    sums[*block] += weight * error;
                }
            }
            let sum: f64 = sums.iter().sum();
            let whole = measure.of_mean(sum / self.total);
            let without = |(sum_b, weight_b): (&f64, &f64)| {
                // By rounding, the difference may be slightly below 0.
                measure.of_mean((sum - sum_b).max(0.0) / (self.total - weight_b))
            };
            let value = |pair| count * whole - (count - 1.0) * without(pair);
            parts
                .values
                .push(sums.iter().zip(&self.block_weight).map(value).collect());
            parts.estimates.push(whole);
        }
        parts
    }

    /// The mean error over seeds, with its confidence interval.
    ///
    /// # Formula
    ///
    /// The model for the pseudo-values `x_bs` of `B` blocks and `S` seeds is `μ + β_b + σ_s + ε_bs`, with random effects of blocks and of seeds. The
    /// mean squares come from a two-way analysis of variance with one value per cell; `MS_both` is the mean square of its residuals `ε_bs`:
    ///
    /// ```text
    /// V_rows  = (MS_rows  − ½ min(MS_rows,  MS_both)) / (B S)
    /// V_seeds = (MS_seeds − ½ min(MS_seeds, MS_both)) / (B S)
    /// half²   = t²(B − 1) V_rows + t²(S − 1) V_seeds
    /// ```
    ///
    /// `MS_rows` and `MS_seeds` both contain the variance of `ε`, but the variance of the mean contains it only once: half of it is subtracted
    /// from each. `t(d)` is the 97.5 % quantile of Student's t distribution with `d` degrees of freedom; [`degrees`](Self::degrees) is used for
    /// `B − 1`. Each variance has its own `t`, which makes the interval conservative. With Satterthwaite's common degrees of freedom and 3
    /// seeds, up to 8 % of the cases without a true difference would be found significant.
    ///
    /// With one seed, `half² = t²(B − 1) MS_rows / B`: the interval covers the variation of rows only.
    ///
    /// # Source
    ///
    /// Variance of a mean with crossed random effects: Searle, Casella & McCulloch, *Variance Components*, 1992, chapter 4. A sum of
    /// variances with a separate `t` for each is the usual approximate solution of the Behrens-Fisher problem (Cochran & Cox, *Experimental
    /// Designs*, 1957, weight the two `t` in the same way).
    #[must_use]
    pub fn estimate(&self, parts: &Parts) -> Estimate {
        let squares = Squares::of(parts, parts);
        Estimate {
            value: parts.mean(),
            half: self.safe_sq(squares, parts.seeds()).sqrt(),
            se_rows: squares.rows().sqrt(),
            se_seeds: squares.seeds().sqrt(),
        }
    }

    /// The squared half-width `half²` of [`estimate`](Self::estimate).
    fn safe_sq(&self, squares: Squares, seeds: usize) -> f64 {
        let of_seeds = match seeds {
            0 | 1 => 0.0,
            _ => t_quantile((seeds - 1) as f64).powi(2) * squares.seeds(),
        };
        t_quantile(self.degrees()).powi(2) * squares.rows() + of_seeds
    }

    /// The ratio of two means with its confidence interval; `None` if the denominator is not clearly above 0, or if an end of the interval is infinite.
    ///
    /// # Formula
    ///
    /// With numerator `n` and denominator `d`, the interval contains all `ρ` for which the mean of `n − ρ d` is not significantly different from 0:
    ///
    /// ```text
    /// (n̄ − ρ d̄)² ≤ half²(n − ρ d)
    /// half² = ½ (t²(B − 1) V_rows + t²(S − 1) V_seeds) + ½ t²(ν) (V_rows + V_seeds)
    /// ν     = (V_rows + V_seeds)² / (V_rows² / (B − 1) + V_seeds² / (S − 1))
    /// ```
    ///
    /// with the variances of [`estimate`](Self::estimate), applied to `n − ρ d`; `ν` is computed at `ρ = n̄ / d̄`. With few seeds, the first term of
    /// `half²` alone would be too wide, and the second term, with Satterthwaite's degrees of freedom `ν`, too narrow; their mean covers 95 %. There is
    /// a ratio only if `d̄` is more than 1.5 times the half-width of its own interval.
    ///
    /// # Source
    ///
    /// Fieller, *Some problems in interval estimation*, Journal of the Royal Statistical Society B 16, 1954. Satterthwaite, *An approximate
    /// distribution of estimates of variance components*, Biometrics Bulletin 2, 1946.
    #[must_use]
    pub fn ratio(&self, numerator: &Parts, denominator: &Parts) -> Option<Ratio> {
        let (n, d) = (numerator.mean(), denominator.mean());
        let bottom = self.estimate(denominator);
        // Also false for NaN.
        let is_sure = d > SURE * bottom.half;
        if !is_sure {
            return None;
        }
        let seeds = numerator.seeds();
        let squares = [
            Squares::of(numerator, numerator),
            Squares::of(numerator, denominator),
            Squares::of(denominator, denominator),
        ];
        let at = |rho: f64| {
            squares[0]
                .plus(squares[1], -2.0 * rho)
                .plus(squares[2], rho * rho)
        };
        let value = n / d;
        let t_rows = t_quantile(self.degrees());
        let (t_seeds, degrees) = match seeds {
            0 | 1 => (0.0, self.degrees()),
            _ => {
                let degrees = (seeds - 1) as f64;
                let (rows, seeds) = (at(value).rows(), at(value).seeds());
                let sum = rows + seeds;
                let inverse =
                    (rows / sum).powi(2) / self.degrees() + (seeds / sum).powi(2) / degrees;
                (
                    t_quantile(degrees),
                    if sum > 0.0 { 1.0 / inverse } else { degrees },
                )
            }
        };
        let t_both = t_quantile(degrees);
        let is_held = |rho: f64| {
            let (rows, seeds) = (at(rho).rows(), at(rho).seeds());
            let half_sq = 0.5 * (t_rows * t_rows * rows + t_seeds * t_seeds * seeds)
                + 0.5 * t_both * t_both * (rows + seeds);
            (n - rho * d).powi(2) <= half_sq
        };
        let end = |side: f64| {
            let mut step = bottom.half / d;
            while step < 1e6 && is_held(value + side * step) {
                step *= 2.0;
            }
            let (mut held, mut beyond) = (0.0, step);
            for _ in 0..50 {
                let middle = f64::midpoint(held, beyond);
                match is_held(value + side * middle) {
                    true => held = middle,
                    false => beyond = middle,
                }
            }
            (step < 1e6).then_some(value + side * f64::midpoint(held, beyond))
        };
        Some(Ratio {
            value,
            low: end(-1.0)?,
            high: end(1.0)?,
        })
    }
}

/// The error of one model for each seed, and its jackknife pseudo-values for each block (see [`Design::parts`]). After [`minus`](Self::minus), the
/// same for the difference between the errors of two models.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Error (or difference of errors) over all rows, for each seed.
    estimates: Vec<f64>,
    /// Jackknife pseudo-values, `[n_seeds][n_blocks]`.
    values: Vec<Vec<f64>>,
}

impl Parts {
    /// Number of seeds.
    #[must_use]
    pub fn seeds(&self) -> usize {
        self.estimates.len()
    }

    /// Error (or difference of errors) over all rows, averaged over seeds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.estimates.iter().sum::<f64>() / self.estimates.len() as f64
    }

    /// The difference `self − other` for each seed; if one of the two has a single seed, it is compared with every seed of the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let seeds = self.seeds().max(other.seeds());
        let pick = |parts: &Self, seed: usize| seed.min(parts.seeds() - 1);
        let pairs = (0..seeds).map(|seed| (pick(self, seed), pick(other, seed)));
        let less = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Self {
            estimates: pairs
                .clone()
                .map(|(a, b)| self.estimates[a] - other.estimates[b])
                .collect(),
            values: pairs
                .map(|(a, b)| less(&self.values[a], &other.values[b]))
                .collect(),
        }
    }
}

/// An error, or a difference of two errors, averaged over seeds, with its 95 % confidence interval `value ± half`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The error, or the difference of two errors, averaged over seeds.
    pub value: f64,
    /// Half-width of the 95 % interval.
    pub half: f64,
    /// Standard error due to the variation of rows or blocks.
    pub se_rows: f64,
    /// Standard error due to the variation of seeds; 0 with one seed.
    pub se_seeds: f64,
}

impl Estimate {
    /// Lower end of the interval.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.value - self.half
    }

    /// Upper end of the interval.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.value + self.half
    }
}

/// A ratio of two means over seeds (see [`Design::ratio`]), with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Mean squares of blocks, of seeds and of residuals (see [`Design::estimate`]), each divided by `B S`. They are computed from two tables of
/// pseudo-values. If the two tables differ, a mean product of both tables takes the place of each mean square.
#[derive(Clone, Copy, Debug)]
struct Squares {
    by_block: f64,
    by_seed: f64,
    both: f64,
}

impl Squares {
    fn of(x: &Parts, y: &Parts) -> Self {
        let (seeds, blocks) = (x.seeds(), x.values.first().map_or(0, Vec::len));
        let (s, b) = (seeds as f64, blocks as f64);
        let centered = |table: &Parts| {
            let mut by_block = vec![0.0; blocks];
            for values in &table.values {
                by_block
                    .iter_mut()
                    .zip(values)
                    .for_each(|(mean, value)| *mean += value / s);
            }
            let mean = by_block.iter().sum::<f64>() / b;
            by_block.iter_mut().for_each(|value| *value -= mean);
            let by_seed: Vec<f64> = table
                .values
                .iter()
                .map(|values| values.iter().sum::<f64>() / b - mean)
                .collect();
            (by_block, by_seed, mean)
        };
        let (xs, ys) = (centered(x), centered(y));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let by_block = s * dot(&xs.0, &ys.0) / (b - 1.0) / (b * s);
        if seeds < 2 {
            return Self {
                by_block,
                by_seed: 0.0,
                both: 0.0,
            };
        }
        let left = |table: &Parts, means: &(Vec<f64>, Vec<f64>, f64), seed: usize, block: usize| {
            table.values[seed][block] - means.0[block] - means.1[seed] - means.2
        };
        let mut both = 0.0;
        for seed in 0..seeds {
            for block in 0..blocks {
                both += left(x, &xs, seed, block) * left(y, &ys, seed, block);
            }
        }
        Self {
            by_block,
            by_seed: b * dot(&xs.1, &ys.1) / (s - 1.0) / (b * s),
            both: both / ((b - 1.0) * (s - 1.0)) / (b * s),
        }
    }

    fn plus(self, other: Self, factor: f64) -> Self {
        Self {
            by_block: self.by_block + factor * other.by_block,
            by_seed: self.by_seed + factor * other.by_seed,
            both: self.both + factor * other.both,
        }
    }

    fn rows(self) -> f64 {
        (self.by_block - 0.5 * self.by_block.min(self.both)).max(0.0)
    }

    fn seeds(self) -> f64 {
        (self.by_seed - 0.5 * self.by_seed.min(self.both)).max(0.0)
    }
}

/// The 97.5 % quantile of Student's t distribution, found by bisection; infinite for at most 0.1 degrees of freedom.
///
/// ```
/// use limbeck_data::crossed::t_quantile;
/// assert!((t_quantile(2.0) - 4.302_653).abs() < 1e-6 && (t_quantile(1e9) - 1.959_964).abs() < 1e-6);
/// ```
#[must_use]
pub fn t_quantile(degrees: f64) -> f64 {
    let tails = 1.0 - LEVEL;
    // Below 0.1 degrees of freedom, the quantile is above 1e12.
    if degrees.is_nan() || degrees <= 0.1 {
        return f64::INFINITY;
    }
    // Here the distribution equals the normal distribution to the precision of f64, and the continued fraction is slow.
    if degrees > 1e8 {
        return 1.959_963_984_540_054;
    }
    let (mut low, mut high) = (1.0f64, 2.0f64);
    while two_tails(high, degrees) > tails && high < 1e15 {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        match two_tails(middle, degrees) > tails {
            true => low = middle,
            false => high = middle,
        }
    }
    f64::midpoint(low, high)
}

/// Probability of both tails of Student's t distribution beyond `±t`: the regularized incomplete beta function `I_x(d/2, 1/2)` at `x = d / (d + t²)`.
///
/// # Source
///
/// Continued fraction: Abramowitz & Stegun, *Handbook of Mathematical Functions*, 26.5.8, evaluated by Lentz's method.
fn two_tails(t: f64, degrees: f64) -> f64 {
    let (a, b) = (degrees / 2.0, 0.5);
    let (x, rest) = (degrees / (degrees + t * t), t * t / (degrees + t * t));
    // x and 1 − x are computed separately, so that the small one stays exact if the other is near 1.
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * rest.ln()).exp();
    match x < (a + 1.0) / (a + b + 2.0) {
        true => front * fraction(x, a, b) / a,
        false => 1.0 - front * fraction(rest, b, a) / b,
    }
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let safe = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / safe(1.0 - (a + b) * x / (a + 1.0)));
    let mut all = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / safe(1.0 + term * d);
            c = safe(1.0 + term / c);
            change = c * d;
            all *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    all
}

/// Logarithm of the gamma function of a positive number: recurrence up to 10, then Stirling's series.
fn ln_gamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 10.0 {
        below += x.ln();
        x += 1.0;
    }
    let inverse_sq = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - inverse_sq
            * (1.0 / 360.0
                - inverse_sq * (1.0 / 1260.0 - inverse_sq * (1.0 / 1680.0 - inverse_sq / 1188.0))))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{generator, normal};

    #[test]
    fn t_quantile_agrees_with_scipy() {
        // scipy.stats.t.ppf(0.975, d)
        for (degrees, expected) in [
            (1.0, 12.706_204_736_174_694),
            (2.0, 4.302_652_729_749_462),
            (2.7, 3.392_148_383_173_751),
            (4.0, 2.776_445_105_197_799),
            (9.0, 2.262_157_162_798_205),
            (29.0, 2.045_229_642_132_703),
            (4127.0, 1.960_538_967_649_055),
        ] {
            let found = t_quantile(degrees);
            assert!((found / expected - 1.0).abs() < 1e-7, "{degrees}: {found}");
        }
        assert!(t_quantile(0.0).is_infinite());
    }

    #[test]
    fn estimate_is_worked_by_hand() {
        // A pinball loss is a mean, so its pseudo-values are the values themselves. Blocks × seeds: (1, 3), (2, 8): mean 3.5.
        // Block means 2 and 5: MS_rows = 2·(1.5² + 1.5²)/1 = 9. Seed means 1.5 and 5.5: MS_seeds = 2·(2² + 2²)/1 = 16. Residuals ±1: MS_both = 4.
        let measure = Measure::Pinball { quantile: 0.5 };
        let design = Design::new(&[1.0, 1.0], None);
        let parts = design.parts(measure, &[vec![1.0, 2.0], vec![3.0, 8.0]]);
        let found = design.estimate(&parts);
        assert!((found.value - 3.5).abs() < 1e-12);
        assert!(
            (found.se_rows - (7.0f64 / 4.0).sqrt()).abs() < 1e-12,
            "{found:?}"
        );
        assert!(
            (found.se_seeds - (14.0f64 / 4.0).sqrt()).abs() < 1e-12,
            "{found:?}"
        );
        let t = 12.706_204_736_174_694;
        assert!(
            (found.half - t * (21.0f64 / 4.0).sqrt()).abs() < 1e-6,
            "{found:?}"
        );
    }

    #[test]
    fn one_seed_is_a_paired_t_interval_of_rows() {
        // Differences 1, 2, 6: mean 3, standard deviation √7, standard error √(7/3).
        let measure = Measure::Pinball { quantile: 0.5 };
        let design = Design::new(&[2.0, 2.0, 2.0], None);
        let a = design.parts(measure, &[vec![3.0, 3.0, 9.0]]);
        let b = design.parts(measure, &[vec![2.0, 1.0, 3.0]]);
        let found = design.estimate(&a.minus(&b));
        assert!((found.value - 3.0).abs() < 1e-12 && found.se_seeds == 0.0);
        assert!(
            (found.half - 4.302_652_729_749_462 * (7.0f64 / 3.0).sqrt()).abs() < 1e-9,
            "{found:?}"
        );
    }

    #[test]
    fn rows_of_a_block_count_once() {
        let mut rng = generator(3, "blocks", 0);
        let base: Vec<f64> = (0..25).map(|_| normal(&mut rng).powi(2)).collect();
        let copies: Vec<f64> = (0..1000).map(|row| base[row / 40]).collect();
        let blocks: Vec<u32> = (0..1000).map(|row| 7 + 3 * (row / 40)).collect();
        let (weight, ones) = ([1.0; 1000], [1.0; 25]);
        let (blocked, plain) = (
            Design::new(&weight, Some(&blocks)),
            Design::new(&ones, None),
        );
        let half = |design: &Design<'_>, errors: Vec<f64>| {
            design
                .estimate(&design.parts(Measure::Rmse, &[errors]))
                .half
        };
        assert!((half(&blocked, copies) / half(&plain, base) - 1.0).abs() < 1e-9);
        assert_eq!((blocked.blocks(), plain.blocks()), (25, 25));
    }

    #[test]
    fn a_block_with_most_of_the_weight_leaves_few_degrees_of_freedom() {
        let design = Design::new(&[97.0, 1.0, 1.0, 1.0, 0.0], None);
        assert_eq!(design.blocks(), 4);
        assert!(design.degrees() < 0.07, "{}", design.degrees());
        assert!((Design::new(&[3.0; 12], None).degrees() - 11.0).abs() < 1e-9);
    }

    #[test]
    fn ratio_with_one_seed_agrees_with_fieller() {
        // n̄ ≈ 4, d̄ ≈ 8; 60 pairs; the expected interval comes from Fieller's quadratic formula.
        let (mut n, mut d) = (Vec::new(), Vec::new());
        let mut rng = generator(5, "fieller", 0);
        for _ in 0..60 {
            let common = normal(&mut rng);
            n.push(4.0 + common + normal(&mut rng));
            d.push(8.0 + common + 2.0 * normal(&mut rng));
        }
        let measure = Measure::Pinball { quantile: 0.5 };
        let ones = [1.0; 60];
        let design = Design::new(&ones, None);
        let found = design
            .ratio(
                &design.parts(measure, &[n.clone()]),
                &design.parts(measure, &[d.clone()]),
            )
            .unwrap();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / 60.0;
        let cov = |a: &[f64], b: &[f64]| {
            a.iter()
                .zip(b)
                .map(|(x, y)| (x - mean(a)) * (y - mean(b)))
                .sum::<f64>()
                / 59.0
                / 60.0
        };
        let t_sq = t_quantile(59.0).powi(2);
        // ρ² (d̄² − t² V_dd) − 2 ρ (n̄ d̄ − t² V_nd) + n̄² − t² V_nn = 0
        let (a, b, c) = (
            mean(&d).powi(2) - t_sq * cov(&d, &d),
            mean(&n) * mean(&d) - t_sq * cov(&n, &d),
            mean(&n).powi(2) - t_sq * cov(&n, &n),
        );
        let root = (b * b - a * c).sqrt();
        assert!(
            (found.low - (b - root) / a).abs() < 1e-9 && (found.high - (b + root) / a).abs() < 1e-9,
            "{found:?}"
        );
        let small: Vec<f64> = d.iter().map(|d| d - 8.0).collect();
        assert_eq!(
            design.ratio(
                &design.parts(measure, &[n]),
                &design.parts(measure, &[small])
            ),
            None
        );
    }
}
