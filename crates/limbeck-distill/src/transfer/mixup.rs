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
    let sd = limbeck_data::metrics::variance(target, &vec![1.0; n]).sqrt();
    let mut rng = generator(seed, "mixup", 0);
    let mut draw = |index: usize| {
        let row = index % n;
        let distance = |other: usize| {
            if sd > 0.0 {
                (target[row] - target[other]) / (options.mixup_bandwidth * sd)
            } else {
                0.0
            }
        };
        let mut partner = (row, f64::INFINITY);
        for _ in 0..DRAWS {
            let other = rng.random_range(0..n);
            if other == row {
                continue;
            }
            let far = distance(other).abs();
            if far < partner.1 {
                partner = (other, far);
            }
            if rng.random::<f64>() < (-0.5 * far * far).exp() {
                partner = (other, far);
                break;
            }
        }
        (row, partner.0, rng.random::<f64>())
    };
    let pairs: Vec<(usize, usize, f64)> = (0..count).map(&mut draw).collect();
    Features {
        columns: features
            .columns
            .iter()
            .map(|column| mix(column, &pairs))
            .collect(),
        rows: count,
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
