//! Weights of the learners in a teacher's weighted mean.

use nalgebra::{DMatrix, DVector};

/// Prior standard deviation of the weights around equal weights. With few rows, this prior keeps the weights nearly equal.
const FREEDOM: f64 = 0.3;

/// The non-negative weights with sum 1 that minimize the squared error of the weighted mean on `rows`.
///
/// # Formula
///
/// With errors `e_l = f_l − y` of the `L` learners, row weights `v` of mean 1 over the rows, and `σ²` the smallest mean squared error of a single
/// learner:
///
/// ```text
/// min_w  Σ_i v_i (Σ_l w_l e_li)²  +  (σ / FREEDOM)² Σ_l (w_l − 1/L)²        w ≥ 0,  Σ w = 1
/// ```
///
/// The second term is a normal prior around the plain mean. It has little influence if there are many rows or if the learners differ much.
/// Learners with a weight below `negligible` are removed, one at a time, the smallest weight first; each time, the weights of the others are computed
/// again.
///
/// # Shapes
///
/// `predictions` has one slice per learner, with a value for each row of the sample; only the values of `rows` are used.
#[must_use]
pub(crate) fn weights(
    predictions: &[&[f64]],
    target: &[f64],
    weight: &[f64],
    rows: &[usize],
    negligible: f64,
) -> Vec<f64> {
    let learners = predictions.len();
    if learners < 2 || rows.is_empty() {
        return vec![1.0 / learners.max(1) as f64; learners];
    }
    let total: f64 = rows.iter().map(|&row| weight[row]).sum();
    let error = |learner: usize, row: usize| predictions[learner][row] - target[row];
    let product = |a: usize, b: usize| {
        rows.iter()
            .map(|&row| weight[row] * error(a, row) * error(b, row))
            .sum::<f64>()
            * rows.len() as f64
            / total
    };
    let mut products = DMatrix::from_fn(learners, learners, product);
    let least = (0..learners)
        .map(|l| products[(l, l)])
        .fold(f64::INFINITY, f64::min)
        / rows.len() as f64;
    // Above 0, so that exact learners share the weight.
    let prior = least / (FREEDOM * FREEDOM) + 1e-200;
    for l in 0..learners {
        products[(l, l)] += prior;
    }
    let mut used: Vec<usize> = (0..learners).collect();
    loop {
        let found = best(&products, &used);
        let least = (0..learners)
            .filter(|&l| found[l] > 0.0)
            .min_by(|&a, &b| found[a].total_cmp(&found[b]));
        match least {
            Some(least) if found[least] < negligible => {
                used = (0..learners)
                    .filter(|&l| l != least && found[l] > 0.0)
                    .collect()
            }
            _ => return found,
        }
    }
}

/// The non-negative weights `w` with sum 1 that minimize `w' A w`; learners that are not in `used` get 0. For each subset of `used`, it computes the
/// best weights with all other weights 0; the result is the best of all subsets.
///
/// The linear part of the prior is a multiple of `Σ w`, which is 1, so it does not change the minimum.
fn best(a: &DMatrix<f64>, used: &[usize]) -> Vec<f64> {
    let mut least = (f64::INFINITY, vec![0.0; a.nrows()]);
    for subset in 1_usize..1 << used.len() {
        let chosen: Vec<usize> = used
            .iter()
            .enumerate()
            .filter(|(bit, _)| subset >> bit & 1 == 1)
            .map(|(_, &l)| l)
            .collect();
        let Some(found) = on_plane(a, &chosen) else {
            continue;
        };
        if found.iter().any(|&w| w < 0.0) {
            continue;
        }
        let mut all = vec![0.0; a.nrows()];
        chosen
            .iter()
            .zip(found.iter())
            .for_each(|(&l, &w)| all[l] = w);
        let w = DVector::from_column_slice(&all);
        let value = w.dot(&(a * &w));
        if value < least.0 {
            least = (value, all);
        }
    }
    least.1
}

/// The weights of the chosen learners, with sum 1 and of any sign, that minimize `w' A w`: `w ∝ A⁻¹ 1`. `None` if they cannot be computed.
fn on_plane(a: &DMatrix<f64>, chosen: &[usize]) -> Option<DVector<f64>> {
    let part = DMatrix::from_fn(chosen.len(), chosen.len(), |i, j| a[(chosen[i], chosen[j])]);
    let solved = part.lu().solve(&DVector::from_element(chosen.len(), 1.0))?;
    let sum = solved.sum();
    (sum.is_finite() && sum != 0.0).then(|| solved / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(predictions: &[&[f64]], target: &[f64]) -> Vec<f64> {
        let rows: Vec<usize> = (0..target.len()).collect();
        weights(predictions, target, &vec![1.0; target.len()], &rows, 0.05)
    }

    #[test]
    fn weights_are_those_worked_by_hand() {
        // Uncorrelated errors ±1 and ±2 on n rows: A = n·diag(1, 4) + 1/0.09, so that w₁ : w₂ = (4 n + p) : (n + p), p = 1/0.09.
        let n = 400;
        let one: Vec<f64> = (0..n)
            .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let two: Vec<f64> = (0..n)
            .map(|i| if i / 2 % 2 == 0 { 2.0 } else { -2.0 })
            .collect();
        let p = 1.0 / 0.09;
        let (a, b) = (1600.0 + p, 400.0 + p);
        let found = of(&[&one, &two], &vec![0.0; n]);
        assert!(
            (found[0] - a / (a + b)).abs() < 1e-12 && (found[1] - b / (a + b)).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn learner_that_only_adds_error_is_left_out() {
        let good: Vec<f64> = (0..400)
            .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let worse: Vec<f64> = good.iter().map(|e| 3.0 * e).collect();
        assert_eq!(of(&[&worse, &good], &[0.0; 400]), [0.0, 1.0]);
        assert_eq!(of(&[&worse, &good, &worse], &[0.0; 400]), [0.0, 1.0, 0.0]);
    }

    #[test]
    fn few_rows_leave_weights_near_the_plain_mean() {
        let weight = |n: usize| {
            let one: Vec<f64> = (0..n)
                .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
                .collect();
            let two: Vec<f64> = (0..n)
                .map(|i| if i / 2 % 2 == 0 { 1.2 } else { -1.2 })
                .collect();
            of(&[&one, &two], &vec![0.0; n])[0]
        };
        assert!(
            (weight(4) - 0.5).abs() < 0.03 && (weight(4000) - 0.59).abs() < 0.005,
            "{} {}",
            weight(4),
            weight(4000)
        );
    }

    #[test]
    fn same_learner_twice_shares_its_weight() {
        let one: Vec<f64> = (0..100).map(|i| f64::from(i % 7) - 3.0).collect();
        let found = of(&[&one, &one], &[0.0; 100]);
        assert!(
            (found[0] - 0.5).abs() < 1e-9 && (found[1] - 0.5).abs() < 1e-9,
            "{found:?}"
        );
    }

    #[test]
    fn exact_learners_get_weights_of_sum_one() {
        let found = of(&[&[1.0; 5], &[1.0; 5]], &[1.0; 5]);
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{found:?}");
        assert_eq!(of(&[&[2.0; 5]], &[1.0; 5]), [1.0]);
    }
}
