//! New rows that are weighted means of two rows with similar targets (mixup).

use limbeck_data::{Feature, FeatureValues, Features, generator};
use rand::RngExt;

use super::{Range, TransferOptions};

/// Maximum number of partners drawn for each new row. If none is accepted, the one with the nearest target is taken.
const DRAWS: usize = 16;

/// Makes `count` rows `x̃ = λ x_i + (1 − λ) x_k`, with `λ ~ U(0, 1)`. A partner `k` is drawn until one is accepted, with probability
/// `exp(−(y_i − y_k)² / 2h²)`; `h` is `mixup_bandwidth` times the standard deviation of the target. Categories come from the row with the greater
/// weight, and so do numbers if one of the two is missing. The teacher labels the mixture, so nothing is assumed about the target between the two
/// rows.
///
/// Source: Yao et al., *C-Mixup: Improving Generalization in Regression*, NeurIPS 2022, which finds that partners with distant targets hurt. In the
/// paper, the label is mixed too.
pub(super) fn mixed(
    features: &Features,
    target: &[f64],
    count: usize,
    options: &TransferOptions,
    seed: u64,
) -> Features {
    let n = features.rows;
    let partners = Partners::new(target, options);
    let mut rng = generator(seed, "mixup", 0);
    let mut draw = |index: usize| {
        let row = index % n;
        (row, partners.draw(row, &mut rng), rng.random::<f64>())
    };
    let pairs: Vec<(usize, usize, f64)> = (0..count).map(&mut draw).collect();
    Features {
        columns: features
            .columns
            .iter()
            .map(|column| mix(column, &pairs))
            .collect(),
        rows: count,
        past: None,
    }
}

/// Draws partners of rows: other rows with similar targets.
pub(super) struct Partners<'a> {
    target: &'a [f64],
    /// Targets that are this far apart are seldom partners; 0 if all targets are equal.
    bandwidth: f64,
}

impl<'a> Partners<'a> {
    pub(super) fn new(target: &'a [f64], options: &TransferOptions) -> Self {
        let sd = limbeck_data::metrics::variance(target, &vec![1.0; target.len()]).sqrt();
        Self {
            target,
            bandwidth: options.mixup_bandwidth * sd,
        }
    }

    /// A partner of `row`; the row itself if there is no other row.
    pub(super) fn draw(&self, row: usize, rng: &mut impl RngExt) -> usize {
        let distance = |other: usize| match self.bandwidth > 0.0 {
            true => (self.target[row] - self.target[other]).abs() / self.bandwidth,
            false => 0.0,
        };
        let mut nearest = (row, f64::INFINITY);
        for _ in 0..DRAWS {
            let other = rng.random_range(0..self.target.len());
            if other == row {
                continue;
            }
            let far = distance(other);
            if far < nearest.1 {
                nearest = (other, far);
            }
            if rng.random::<f64>() < (-0.5 * far * far).exp() {
                return other;
            }
        }
        nearest.0
    }
}

fn mix(column: &Feature, pairs: &[(usize, usize, f64)]) -> Feature {
    let greater =
        |&(row, other, share): &(usize, usize, f64)| if share >= 0.5 { row } else { other };
    let values = match &column.values {
        FeatureValues::Number(values) => {
            let range = Range::of(column);
            let mixed = |pair: &(usize, usize, f64)| {
                let (a, b) = (values[pair.0], values[pair.1]);
                match &range {
                    Some(range) if !a.is_nan() && !b.is_nan() => {
                        range.hold(pair.2 * a + (1.0 - pair.2) * b)
                    }
                    _ => values[greater(pair)],
                }
            };
            FeatureValues::Number(pairs.iter().map(mixed).collect())
        }
        FeatureValues::Category { codes, levels } => FeatureValues::Category {
            codes: pairs.iter().map(|pair| codes[greater(pair)]).collect(),
            levels: levels.clone(),
        },
    };
    Feature {
        name: column.name.clone(),
        values,
        integer: column.integer,
        missing: column.missing.clone(),
        date: column.date.clone(),
        history: column.history.clone(),
    }
}
