//! Paired bootstrap confidence intervals over test rows and training seeds. A training seed is the seed with which a student was trained.
//!
//! In each resample, all models are evaluated on the same drawn rows and the same drawn seeds, so that effects common to all models cancel in
//! a difference or a ratio of errors. Rows of the same block (a group or a stretch of time) are drawn together.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::metrics::quantile;
use crate::rng::generator;

/// Options of the bootstrap.
///
/// | option | default | purpose | range |
/// |---|---|---|---|
/// | `resamples` | 2000 | number of resamples | ≥ 1 |
/// | `level` | 0.95 | share of resamples inside the interval | (0, 1) |
/// | `seed` | 0 | seed of the resampling; the drawn rows do not depend on the statistic | |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Number of resamples.
    pub resamples: usize,
    /// Share of resamples whose statistic lies inside the interval.
    pub level: f64,
    /// Seed of the resampling. Calls with equal seeds draw the same rows, whatever the statistic is.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resamples: 2000,
            level: 0.95,
            seed: 0,
        }
    }
}

/// A bootstrap percentile interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of resamples in which the statistic was NaN; these are left out.
    pub undefined: usize,
}

/// Computes the bootstrap percentile interval of a statistic of mean squared errors.
///
/// # Formula
///
/// In each resample, `B` out of `B` blocks are drawn with replacement (block `b` occurs `c_b` times), and `S` out of `S` seeds. For each drawn
/// seed and each model `m`
///
/// ```text
/// mse_m = Σ_i c_b(i) w_i e²_mi / Σ_i c_b(i) w_i
/// ```
///
/// with errors `e`, weights `w` and the block `b(i)` of row `i`. `statistic` gets the list of drawn seeds, each with the `M` values `mse_m`. The
/// interval contains the central share `level` of the statistic's values.
///
/// # Shapes
///
/// `errors_sq[seed][model]` is `[n_samples]`, as are `weight` and `blocks`. For a model without seeds (a teacher), the same errors are passed
/// for each seed. Without `blocks`, each row is its own block.
///
/// # Errors
///
/// Returns `None` if there are no seeds, no rows, or no resample with a defined statistic. Rows beyond the shortest slice are
/// ignored.
///
/// # Source
///
/// Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 8 and 13.
///
/// ```
/// use limbeck_data::bootstrap::{Options, paired};
/// // Model 1 has a quarter of the squared error of model 0 in each row.
/// let (a, b) = ([4.0, 8.0, 1.0], [1.0, 2.0, 0.25]);
/// let ratio = |seeds: &[[f64; 2]]| (seeds[0][1] / seeds[0][0]).sqrt();
/// let interval = paired(&[[&a, &b]], &[1.0; 3], None, &Options::default(), ratio).unwrap();
/// assert_eq!((interval.low, interval.high), (0.5, 0.5));
/// ```
pub fn paired<const M: usize>(
    errors_sq: &[[&[f64]; M]],
    weight: &[f64],
    blocks: Option<&[u32]>,
    options: &Options,
    statistic: impl Fn(&[[f64; M]]) -> f64,
) -> Option<Interval> {
    let sums = BlockSums::new(errors_sq, weight, blocks);
    if sums.seeds == 0 || sums.blocks == 0 {
        return None;
    }
    let mut values: Vec<f64> = (0..options.resamples as u64)
        .map(|index| statistic(&sums.resample::<M>(options.seed, index)))
        .filter(|value| !value.is_nan())
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - options.level) / 2.0;
    (!values.is_empty()).then(|| Interval {
        low: quantile(&values, tail),
        high: quantile(&values, 1.0 - tail),
        undefined: options.resamples - values.len(),
    })
}

/// Sums over the rows of each block. A resample adds the sums of the drawn blocks, and does not visit rows again.
struct BlockSums {
    seeds: usize,
    blocks: usize,
    /// `[n_blocks, 1 + n_seeds · M]`: for each block, the sum of its weights, then the sum of weighted squared errors for each seed and model.
    sums: Vec<f64>,
    width: usize,
}

impl BlockSums {
    fn new<const M: usize>(
        errors_sq: &[[&[f64]; M]],
        weight: &[f64],
        blocks: Option<&[u32]>,
    ) -> Self {
        let rows = errors_sq
            .iter()
            .flatten()
            .map(|errors| errors.len())
            .chain([weight.len()])
            .min()
            .unwrap_or(0);
        let ids = dense(rows, blocks);
        let count = ids.iter().max().map_or(0, |last| last + 1);
        let width = 1 + errors_sq.len() * M;
        let mut sums = vec![0.0; count * width];
        for (row, block) in ids.into_iter().enumerate() {
            let sum = &mut sums[block * width..][..width];
            sum[0] += weight[row];
            for (sum, errors) in sum[1..].iter_mut().zip(errors_sq.iter().flatten()) {
                *sum += weight[row] * errors[row];
            }
        }
        Self {
            seeds: errors_sq.len(),
            blocks: count,
            sums,
            width,
        }
    }

    /// Draws blocks and training seeds. Returns, for each drawn training seed, the mean squared error of each model over the drawn blocks.
    fn resample<const M: usize>(&self, seed: u64, index: u64) -> Vec<[f64; M]> {
        let mut rng = generator(seed, "bootstrap", index);
        let mut total = vec![0.0; self.width];
        for _ in 0..self.blocks {
            let block = rng.random_range(0..self.blocks);
            for (total, sum) in total
                .iter_mut()
                .zip(&self.sums[block * self.width..][..self.width])
            {
                *total += sum;
            }
        }
        (0..self.seeds)
            .map(|_| {
                let drawn = rng.random_range(0..self.seeds);
                std::array::from_fn(|model| total[1 + drawn * M + model] / total[0])
            })
            .collect()
    }
}

/// Block of each row, renumbered from 0 without gaps. Without `blocks`, each row is its own block.
fn dense(rows: usize, blocks: Option<&[u32]>) -> Vec<usize> {
    let Some(blocks) = blocks else {
        return (0..rows).collect();
    };
    let mut names: Vec<u32> = blocks.iter().take(rows).copied().collect();
    names.sort_unstable();
    names.dedup();
    blocks
        .iter()
        .take(rows)
        .map(|block| names.partition_point(|name| name < block))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::normal;

    fn draws(seed: u64, n: usize) -> Vec<f64> {
        let mut rng = generator(seed, "test", 0);
        (0..n).map(|_| normal(&mut rng)).collect()
    }

    fn mse(seeds: &[[f64; 1]]) -> f64 {
        seeds.iter().map(|models| models[0]).sum::<f64>() / seeds.len() as f64
    }

    #[test]
    fn interval_of_a_mean_agrees_with_theory() {
        // The mean of n draws of z² has the standard error √(2/n); a 95 % interval is ±1.96 standard errors.
        let squares: Vec<f64> = draws(3, 4000).iter().map(|z| z * z).collect();
        let mean = squares.iter().sum::<f64>() / 4000.0;
        let interval = paired(
            &[[&squares]],
            &vec![1.0; 4000],
            None,
            &Options::default(),
            mse,
        )
        .unwrap();
        let half = 1.96 * (2.0_f64 / 4000.0).sqrt();
        assert!(
            (interval.low - (mean - half)).abs() < 0.15 * half,
            "{interval:?} {mean} {half}"
        );
        assert!(
            (interval.high - (mean + half)).abs() < 0.15 * half,
            "{interval:?} {mean} {half}"
        );
    }

    #[test]
    fn rows_of_a_block_are_drawn_together() {
        // 40 copies of each of 25 rows: treated as single rows, the interval would be √40 times too narrow.
        let base: Vec<f64> = draws(4, 25).iter().map(|z| z * z).collect();
        let rows: Vec<f64> = (0..1000).map(|row| base[row / 40]).collect();
        let ids: Vec<u32> = (0..1000).map(|row| 7 + 3 * (row / 40)).collect();
        let width = |interval: Option<Interval>| interval.map(|i| i.high - i.low).unwrap();
        let blocked = width(paired(
            &[[&rows]],
            &[1.0; 1000],
            Some(&ids),
            &Options::default(),
            mse,
        ));
        let plain = width(paired(
            &[[&base]],
            &[1.0; 25],
            None,
            &Options::default(),
            mse,
        ));
        assert!((blocked / plain - 1.0).abs() < 1e-9, "{blocked} {plain}");
    }

    #[test]
    fn seeds_are_drawn_too() {
        // All rows are equal: all variation is between the two seeds, whose errors are 1 and 3.
        let (a, b) = ([1.0; 10], [3.0; 10]);
        let interval = paired(&[[&a], [&b]], &[1.0; 10], None, &Options::default(), mse).unwrap();
        assert_eq!((interval.low, interval.high), (1.0, 3.0));
    }

    #[test]
    fn weights_count_as_copies() {
        let (values, weight) = ([1.0, 5.0], [3.0, 1.0]);
        let options = Options {
            resamples: 500,
            level: 0.9999,
            seed: 1,
        };
        let interval = paired(&[[&values]], &weight, None, &options, mse).unwrap();
        // Each row drawn once gives (3·1 + 5)/4 = 2; the extremes draw one row twice.
        assert_eq!((interval.low, interval.high), (1.0, 5.0));
    }

    #[test]
    fn undefined_resamples_are_counted() {
        let values = [1.0, 2.0];
        let statistic = |seeds: &[[f64; 1]]| if seeds[0][0] > 1.0 { 1.0 } else { f64::NAN };
        let interval = paired(
            &[[&values]],
            &[1.0; 2],
            None,
            &Options::default(),
            statistic,
        )
        .unwrap();
        assert!((400..600).contains(&interval.undefined), "{interval:?}");
        assert_eq!(
            paired(
                &[[&values]],
                &[1.0; 2],
                None,
                &Options::default(),
                |_: &[[f64; 1]]| f64::NAN
            ),
            None
        );
        assert_eq!(
            paired::<1>(&[], &[], None, &Options::default(), |_| 0.0),
            None
        );
    }

    #[test]
    fn two_thousand_resamples_of_a_usual_test_set_are_quick() {
        let rows: Vec<Vec<f64>> = (0..9).map(|index| draws(index, 4000)).collect();
        let errors: Vec<[&[f64]; 3]> = rows
            .chunks(3)
            .map(|models| [&models[0][..], &models[1], &models[2]])
            .collect();
        let begin = std::time::Instant::now();
        let gap = |seeds: &[[f64; 3]]| {
            seeds
                .iter()
                .map(|m| (m[0] - m[2]) / (m[0] - m[1]))
                .sum::<f64>()
        };
        paired(&errors, &vec![1.0; 4000], None, &Options::default(), gap).unwrap();
        let seconds = begin.elapsed().as_secs_f64();
        eprintln!("2000 resamples: {seconds:.3} s");
        // A generous limit, for busy machines; an idle machine takes 0.1 s.
        assert!(seconds < 5.0, "{seconds} s");
    }
}
