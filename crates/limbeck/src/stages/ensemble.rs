//! Averages the labels of several teachers.

use limbeck_data::Dataset;
use limbeck_teach::Prediction;

use super::store::LabelStore;
use crate::recipe::Combine;
use crate::report::Member;

/// Averages the labels of several teachers for the same rows.
///
/// # Formula
///
/// Teacher `k` has mean `t_k`, standard deviation `σ_k` and weight `w_k`. The weights depend on the errors on rows that no teacher has seen: training
/// rows for which all teachers have out-of-fold labels or, if there are none, validation rows.
///
/// ```text
/// t = Σ w_k t_k        σ² = Σ w_k (σ_k² + t_k²) − t²
/// ```
///
/// A new row is accepted only if it is accepted for every teacher.
///
/// # Source
///
/// Inverse variance as in arXiv 2601.18909 (abstract); stacking: Breiman, *Stacked regressions*, Machine Learning 24, 1996.
pub(crate) fn combine(stores: Vec<LabelStore>, data: &Dataset, how: Combine) -> LabelStore {
    let rows = judged_rows(&stores, data);
    let target = data.learned_of(&rows);
    let weight = data.weight_of(&rows);
    let errors: Vec<Vec<f64>> = stores
        .iter()
        .map(|store| {
            rows.iter()
                .zip(&target)
                .map(|(&row, y)| store.teacher[row] - y)
                .collect()
        })
        .collect();
    let shares = match how {
        Combine::InverseVariance => inverse_variance(&errors, &weight),
        Combine::Stacked => stacked(&errors, &weight),
    };
    let members = stores
        .iter()
        .zip(&shares)
        .map(|(store, &weight)| Member {
            kind: store.summary.kind.clone(),
            weight,
        })
        .collect();
    let kinds: Vec<&str> = stores.iter().map(|store| &store.summary.kind[..]).collect();
    let kind = kinds.join(" + ");
    let known: Vec<(&[f64], &[f64])> = stores
        .iter()
        .map(|store| (&store.teacher[..], &store.std[..]))
        .collect();
    let (teacher, std) = mixture(&known, &shares);
    let new: Vec<(&[f64], &[f64])> = stores
        .iter()
        .map(|store| (&store.full.mean[..], &store.full.std[..]))
        .collect();
    let (mean, new_std) = mixture(&new, &shares);
    let pilot = mixture(
        &stores
            .iter()
            .map(|store| (&store.pilot[..], &store.full.std[..]))
            .collect::<Vec<_>>(),
        &shares,
    )
    .0;
    let accepted = (0..stores[0].accepted.len())
        .map(|row| stores.iter().all(|store| store.accepted[row]))
        .collect();
    let mut first = stores.into_iter().next().unwrap_or_default();
    first.summary.kind = kind;
    first.summary.members = members;
    (first.summary.parameters, first.summary.bytes) = (None, None);
    first.summary.learners.clear();
    let full = Prediction { mean, std: new_std };
    // No teacher file is stored: it would hold only one of the teachers.
    LabelStore {
        teacher,
        std,
        pilot,
        full,
        accepted,
        file: None,
        ..first
    }
}

fn judged_rows(stores: &[LabelStore], data: &Dataset) -> Vec<usize> {
    let of_all = |rows: &[usize]| -> Vec<usize> {
        rows.iter()
            .copied()
            .filter(|&row| stores.iter().all(|store| store.teacher[row].is_finite()))
            .collect()
    };
    let train = of_all(&data.split.train);
    if train.is_empty() {
        of_all(&data.split.valid)
    } else {
        train
    }
}

fn mixture(parts: &[(&[f64], &[f64])], shares: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let rows = parts.first().map_or(0, |(mean, _)| mean.len());
    let row = |row: usize| {
        let sum = |of: &dyn Fn(f64, f64) -> f64| {
            parts
                .iter()
                .zip(shares)
                .map(|((t, sd), w)| w * of(t[row], sd[row]))
                .sum::<f64>()
        };
        let mean = sum(&|t, _| t);
        (
            mean,
            (sum(&|t, sd| sd * sd + (t - mean).powi(2))).max(0.0).sqrt(),
        )
    };
    (0..rows).map(row).unzip()
}

fn inner(a: &[f64], b: &[f64], weight: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .zip(weight)
        .map(|((a, b), w)| a * b * w)
        .sum()
}

fn inverse_variance(errors: &[Vec<f64>], weight: &[f64]) -> Vec<f64> {
    let precision: Vec<f64> = errors
        .iter()
        .map(|e| 1.0 / inner(e, e, weight).max(f64::MIN_POSITIVE))
        .collect();
    let sum: f64 = precision.iter().sum();
    precision.iter().map(|p| p / sum).collect()
}

/// Weights of the teachers by least squares: non-negative, with the sum 1. `errors` holds the errors of each teacher. Step by step, weight is moved
/// between two teachers so that the squared error of the average becomes smallest.
fn stacked(errors: &[Vec<f64>], weight: &[f64]) -> Vec<f64> {
    const SWEEPS: usize = 200;
    let count = errors.len();
    let products: Vec<Vec<f64>> = errors
        .iter()
        .map(|a| errors.iter().map(|b| inner(a, b, weight)).collect())
        .collect();
    let mut shares = vec![1.0 / count as f64; count];
    for _ in 0..SWEEPS {
        for i in 0..count {
            for j in 0..i {
                let slope = |k: usize| {
                    products[k]
                        .iter()
                        .zip(&shares)
                        .map(|(p, w)| p * w)
                        .sum::<f64>()
                };
                let curvature = products[i][i] - 2.0 * products[i][j] + products[j][j];
                if curvature > 0.0 {
                    let step = ((slope(j) - slope(i)) / curvature).clamp(-shares[i], shares[j]);
                    shares[i] += step;
                    shares[j] -= step;
                }
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_worked_by_hand() {
        // Mean squares 1 and 3: 3/4 and 1/4.
        let errors = [vec![1.0, -1.0], vec![3f64.sqrt(), 3f64.sqrt()]];
        let found = inverse_variance(&errors, &[1.0, 1.0]);
        assert!((found[0] - 0.75).abs() < 1e-12 && (found[1] - 0.25).abs() < 1e-12);
        // Uncorrelated errors: stacking finds the same.
        let found = stacked(&errors, &[1.0, 1.0]);
        assert!((found[0] - 0.75).abs() < 1e-9, "{found:?}");
        // The second only repeats the first's errors, larger: it gets nothing.
        let found = stacked(
            &[vec![1.0, -1.0], vec![2.0, -2.0], vec![1.5, -1.5]],
            &[1.0, 2.0],
        );
        assert!(
            (found[0] - 1.0).abs() < 1e-9 && found.iter().all(|w| *w >= 0.0),
            "{found:?}"
        );
    }

    #[test]
    fn mixtures_keep_the_variance_between_teachers() {
        // Means 0 and 2, standard deviations 1 and 1, half each: mean 1, variance 1 + 1.
        let (mean, std) = mixture(&[(&[0.0], &[1.0]), (&[2.0], &[1.0])], &[0.5, 0.5]);
        assert_eq!(mean, [1.0]);
        assert!((std[0] - 2f64.sqrt()).abs() < 1e-12);
    }
}
