//! Prediction intervals from the errors of a student on rows that neither trained nor chose it, and their coverage on test rows.

use limbeck_data::crossed::{Design, t_quantile};
use limbeck_data::metrics::Measure;
use limbeck_runtime::Widths;
use serde::{Deserialize, Serialize};

limbeck_options::words! {
    /// How the width of prediction intervals varies from row to row.
    pub enum IntervalWidth {
        /// It follows the size of the student's errors at similar predictions; constant if there are fewer than 200 rows to learn from.
        #[default]
        Scaled = "scaled",
        /// It is the same for all rows; for a logarithmic target, the same factor.
        Constant = "constant",
    }
}

/// Maximum number of knots of a spread.
const KNOTS: usize = 8;
/// Number of rows behind each knot of a spread, at least: its standard error is then less than a tenth.
const ROWS_PER_KNOT: usize = 100;
/// A spread is at least this share of the mean error.
const LEAST_SPREAD: f64 = 0.1;

/// The size of the error of one prediction: `|y − p|`, or `|ln y − ln p|` for an output with a logarithmic transform.
#[must_use]
pub fn size(target: f64, prediction: f64, is_log: bool) -> f64 {
    match is_log {
        true => (target.ln() - prediction.ln()).abs(),
        false => (target - prediction).abs(),
    }
}

/// The spread of a student as knots `(prediction, mean size of the error)`, from predictions and sizes of errors on the rows that it learned from.
///
/// The rows are sorted by prediction and cut into at most 8 parts of equal size, of 100 rows or more; each is a knot. Any function that does not
/// depend on the calibration rows keeps the coverage, so the errors may be those of training rows. Empty, which means a constant spread, if there are
/// fewer than two parts with different predictions.
///
/// # Source
///
/// The idea to divide scores by an estimate of their size is from Papadopoulos, Gammerman & Vovk, *Normalized nonconformity measures for regression
/// conformal prediction*, AIA 2008. There, a second model estimates the size from the features. Here, it depends on the prediction alone, so that a
/// file needs only a few numbers more.
#[must_use]
pub fn spread(predictions: &[f64], sizes: &[f64]) -> Vec<(f64, f64)> {
    let both = predictions.iter().copied().zip(sizes.iter().copied());
    let mut rows: Vec<(f64, f64)> = both
        .filter(|(p, size)| p.is_finite() && size.is_finite())
        .collect();
    let parts = (rows.len() / ROWS_PER_KNOT).min(KNOTS);
    if parts < 2 {
        return Vec::new();
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mean = |rows: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
        rows.iter().map(of).sum::<f64>() / rows.len() as f64
    };
    let least = LEAST_SPREAD * mean(&rows, |row| row.1);
    let near = 1e-6 * (rows[rows.len() - 1].0 - rows[0].0);
    let mut knots: Vec<(f64, f64, f64)> = Vec::new();
    for part in 0..parts {
        let own = &rows[part * rows.len() / parts..(part + 1) * rows.len() / parts];
        let (x, y) = (mean(own, |row| row.0), mean(own, |row| row.1).max(least));
        match knots.last_mut() {
            // Many rows with one prediction are one knot.
            Some((last, mean, count)) if x - *last <= near => {
                *mean = (*mean * *count + y) / (*count + 1.0);
                *count += 1.0;
            }
            _ => knots.push((x, y, 1.0)),
        }
    }
    let is_fine = least > 0.0 && knots.len() > 1;
    let knots = knots.into_iter().map(|(x, y, _)| (x, y));
    knots.filter(|_| is_fine).collect()
}

/// The widths of intervals, from the scores of calibration rows: the sizes of their errors, divided by the spread. `groups` has the group of each row if
/// rows of a group belong together. `None` if there are no rows, or if a score that is needed is not finite.
///
/// # Formula
///
/// With `G` groups, of which the group of row `i` has `N_i` rows, the score of a level is the smallest `q` with
///
/// ```text
/// Σ_{i: score_i ≤ q} 1 / N_i ≥ level · (G + 1)
/// ```
///
/// Without groups, each row is its own: `q` is the `⌈(n + 1) level⌉`-th smallest of `n` scores. With groups, an interval contains the value of a random
/// row of a new group with a probability of at least `level`, if the groups are exchangeable.
///
/// # Source
///
/// Lee, Barber & Willett, *Distribution-free inference with hierarchical data*, arXiv 2306.06342, 2023 (hierarchical conformal prediction).
/// Without groups, it is the quantile of split conformal prediction; see [`Widths`].
#[must_use]
pub fn widths(scores: &[f64], groups: Option<&[u32]>, spread: Vec<(f64, f64)>) -> Option<Widths> {
    let name = |row: usize| groups.map_or(row as u32, |groups| groups[row]);
    let mut sizes: std::collections::BTreeMap<u32, f64> = std::collections::BTreeMap::new();
    for row in 0..scores.len() {
        *sizes.entry(name(row)).or_default() += 1.0;
    }
    let count = sizes.len();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Sums of shares such as 1/3 may be slightly too small.
    let close = 1e-9 * (count + 1) as f64;
    let (mut rows, mut reached) = (order.into_iter(), 0.0);
    let mut score = f64::NEG_INFINITY;
    let mut of = |level: f64| {
        while reached + close < level * (count + 1) as f64 {
            let row = rows.next()?;
            reached += 1.0 / sizes[&name(row)];
            score = scores[row];
        }
        Some(rounded_up(score)).filter(|score| score.is_finite())
    };
    let scores: Option<Vec<f32>> = Widths::levels(count).map(&mut of).collect();
    let scores = scores.filter(|scores| !scores.is_empty())?;
    Some(Widths {
        count,
        scores,
        spread,
    })
}

/// The smallest f32 that is not below `value`, so that rounding never makes an interval smaller.
fn rounded_up(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) < value {
        near.next_up()
    } else {
        near
    }
}

/// The share of targets inside their intervals, with its 95 % confidence interval over test rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Share of the targets inside their intervals, weighted by the rows' weights.
    pub coverage: f64,
    /// Lower end of the confidence interval of `coverage`.
    pub low: f64,
    /// Upper end of the confidence interval of `coverage`.
    pub high: f64,
}

/// The share of `true` in `inside`, with its confidence interval; `None` if no row has a weight above 0.
///
/// # Formula
///
/// With the share `c`, Wilson's interval with `n` effective rows and `z = t_{0.975}`:
///
/// ```text
/// (c + z²/2n ± z √(c (1 − c)/n + z²/4n²)) / (1 + z²/n)
/// ```
///
/// `n = (Σ w)² / Σ w²` and `z = 1.96` for independent rows. With blocks of dependent rows (groups or stretches of time), `n = c (1 − c) / se²` with the
/// standard error `se` between blocks, at least the effective number of blocks and at most that of rows, and `t` has as many degrees of freedom as
/// there are blocks, less one.
///
/// # Source
///
/// Wilson, *Probable inference, the law of succession, and statistical inference*, Journal of the American Statistical Association 22, 1927. Effective
/// numbers: Kish, *Survey Sampling*, 1965.
#[must_use]
pub fn coverage(inside: &[bool], weight: &[f64], blocks: Option<&[u32]>) -> Option<Coverage> {
    let rows = Design::new(weight, None);
    if rows.blocks() == 0 {
        return None;
    }
    let hits: Vec<f64> = inside.iter().map(|&is| f64::from(u8::from(is))).collect();
    // The pinball loss is a plain mean over rows.
    let mean = Measure::Pinball { quantile: 0.5 };
    let share = rows.parts(mean, std::slice::from_ref(&hits)).mean();
    let most = rows.degrees() + 1.0;
    let (n, z) = match blocks {
        None => (most, t_quantile(f64::INFINITY)),
        Some(blocks) => {
            let design = Design::new(weight, Some(blocks));
            let se = design.estimate(&design.parts(mean, &[hits])).se_rows;
            let least = design.degrees() + 1.0;
            let found = share * (1.0 - share) / (se * se);
            let n = if found.is_finite() { found } else { least };
            let degrees = design.degrees().max(1.0);
            (n.clamp(least.min(most), most), t_quantile(degrees))
        }
    };
    let (zz, half) = (
        z * z / n,
        z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt(),
    );
    let end = |side: f64| ((share + zz / 2.0 + side * half) / (1.0 + zz)).clamp(0.0, 1.0);
    Some(Coverage {
        coverage: share,
        low: end(-1.0),
        high: end(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::{generator, rng::normal};
    use rand::{Rng, RngExt};

    #[test]
    fn quantile_matches_hand_values() {
        // 19 scores 1, 2, …, 19, in another order. ⌈20 · 0.9⌉ = 18, ⌈20 · 0.5⌉ = 10, ⌈20 · 0.95⌉ = 19, ⌈20 · 0.51⌉ = 11.
        let scores: Vec<f64> = (0..19).map(|i| f64::from(1 + (7 * i) % 19)).collect();
        let widths = widths(&scores, None, Vec::new()).unwrap();
        let found = [0.9, 0.5, 0.95, 0.51].map(|level| widths.score(level).unwrap());
        assert_eq!((widths.count, found), (19, [18.0, 10.0, 19.0, 11.0]));
        assert!(widths.score(0.96).is_err());
        assert_eq!(super::widths(&[], None, Vec::new()), None);
        assert_eq!(super::widths(&[f64::INFINITY], None, Vec::new()), None);
    }

    #[test]
    fn every_level_is_the_order_statistic_of_its_definition() {
        for n in [1usize, 9, 20, 57, 199, 1000] {
            let scores: Vec<f64> = (1..=n).map(|i| i as f64).collect();
            let widths = widths(&scores, None, Vec::new()).unwrap();
            for (level, &score) in Widths::levels(n).zip(&widths.scores) {
                // In whole numbers: level is a multiple of 1 / 10 000.
                let steps = (level * 10_000.0).round() as usize;
                assert_eq!(
                    score as usize,
                    (steps * (n + 1)).div_ceil(10_000),
                    "{n} {level}"
                );
            }
        }
    }

    #[test]
    fn groups_count_alike_whatever_their_size() {
        // Groups of 1, 2 and 4 rows; a level of 0.5 needs Σ 1/N ≥ 2, one of 0.75 needs 3.
        let scores = [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let groups = [0, 1, 1, 2, 2, 2, 2];
        let widths = widths(&scores, Some(&groups), Vec::new()).unwrap();
        assert_eq!(widths.count, 3);
        // 1/2 + 1/2 + 4 · 1/4 = 2 at the score 6.
        assert_eq!(widths.score(0.5).unwrap(), 6.0);
        assert_eq!(widths.score(0.75).unwrap(), 9.0);
        assert!(widths.score(0.76).is_err());
    }

    #[test]
    fn scores_are_rounded_up() {
        assert_eq!(rounded_up(0.5), 0.5);
        assert!(f64::from(rounded_up(0.1)) >= 0.1 && rounded_up(0.1) - 0.1f32 <= f32::EPSILON);
        let value = 1.0 + 1e-12;
        assert!(f64::from(rounded_up(value)) > value);
    }

    #[test]
    fn spread_follows_the_size_of_errors() {
        // 800 rows: the size of the error is 1 for small predictions, 3 for large ones.
        let p: Vec<f64> = (0..800).map(f64::from).collect();
        let sizes: Vec<f64> = (0..800).map(|i| if i < 400 { 1.0 } else { 3.0 }).collect();
        let knots = spread(&p, &sizes);
        assert_eq!(knots.len(), 8);
        assert_eq!((knots[0], knots[7]), ((49.5, 1.0), (749.5, 3.0)));
        assert!(spread(&p[..199], &sizes[..199]).is_empty());
        // A single prediction, and no errors at all.
        assert!(spread(&[5.0; 800], &sizes).is_empty());
        assert!(spread(&p, &[0.0; 800]).is_empty());
        // Two predictions: two knots, with the means of their rows.
        let two: Vec<f64> = p
            .iter()
            .map(|&p| if p < 400.0 { 0.0 } else { 1.0 })
            .collect();
        assert_eq!(spread(&two, &sizes), [(0.0, 1.0), (1.0, 3.0)]);
    }

    /// Errors whose size grows with the prediction: `n` rows of `(prediction, target)`.
    fn rows(n: usize, rng: &mut impl Rng) -> Vec<(f64, f64)> {
        let one = |_| {
            let p = 10.0 * rng.random::<f64>();
            (p, p + (0.2 + p) * normal(rng))
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn coverage_of_new_rows_is_as_asked() {
        // 400 sets of 40 calibration rows, each with one new row. The mean coverage is ⌈41 level⌉ / 41; four binomial standard errors are allowed.
        let (sets, n) = (4000u64, 40);
        let knots = spread(
            &(0..800).map(|i| f64::from(i) / 80.0).collect::<Vec<_>>(),
            &(0..800)
                .map(|i| 0.2 + f64::from(i) / 80.0)
                .collect::<Vec<_>>(),
        );
        for level in [0.5, 0.8, 0.9, 0.95] {
            let is_inside = |set: &u64| {
                let mut rng = generator(3, "coverage", *set);
                let rows = rows(n + 1, &mut rng);
                let scale = Widths {
                    count: 1,
                    scores: Vec::new(),
                    spread: knots.clone(),
                };
                let score = |(p, y): &(f64, f64)| size(*y, *p, false) / scale.spread_at(*p);
                let scores: Vec<f64> = rows[..n].iter().map(score).collect();
                let widths = widths(&scores, None, knots.clone()).unwrap();
                score(&rows[n]) <= widths.score(level).unwrap()
            };
            let found = (0..sets).filter(is_inside).count() as f64 / sets as f64;
            let expected = (41.0 * level).ceil() / 41.0;
            let error = (expected * (1.0 - expected) / sets as f64).sqrt();
            assert!(
                (found - expected).abs() < 4.0 * error,
                "{level}: {found}, {expected}"
            );
        }
    }

    #[test]
    fn coverage_of_rows_of_new_groups_is_at_least_as_asked() {
        // 12 groups of 1 to 9 rows, which share most of their error. Plain quantiles of rows would cover too few.
        let (sets, groups) = (4000u64, 12u32);
        let is_inside = |set: &u64| {
            let mut rng = generator(4, "groups", *set);
            let (mut scores, mut of) = (Vec::new(), Vec::new());
            let group = |rng: &mut rand_pcg::Pcg64| -> Vec<f64> {
                let own = 3.0 * normal(rng);
                let rows = 1 + rng.random_range(0..9usize);
                (0..rows).map(|_| (own + normal(rng)).abs()).collect()
            };
            for number in 0..groups {
                let own = group(&mut rng);
                of.extend(own.iter().map(|_| number));
                scores.extend(own);
            }
            let new = group(&mut rng)[0];
            let widths = widths(&scores, Some(&of), Vec::new()).unwrap();
            new <= widths.score(0.9).unwrap()
        };
        let found = (0..sets).filter(is_inside).count() as f64 / sets as f64;
        // At least 0.9, up to three standard errors of 0.0047.
        assert!((0.885..0.99).contains(&found), "{found}");
    }

    #[test]
    fn interval_of_a_coverage_matches_hand_values() {
        // 90 of 100: Wilson's interval is 0.8256 to 0.9448.
        let inside: Vec<bool> = (0..100).map(|i| i % 10 > 0).collect();
        let weight = [1.0; 100];
        let found = coverage(&inside, &weight, None).unwrap();
        assert!((found.coverage - 0.9).abs() < 1e-12);
        assert!((found.low - 0.8256).abs() < 1e-4 && (found.high - 0.9448).abs() < 1e-4);
        // The same with ten blocks of which one is missed as a whole: as uncertain as ten rows.
        let blocks: Vec<u32> = (0..100).map(|i| i / 10).collect();
        let inside: Vec<bool> = (0..100).map(|i| i >= 10).collect();
        let wide = coverage(&inside, &weight, Some(&blocks)).unwrap();
        assert!(wide.low < 0.58 && wide.high > 0.98, "{wide:?}");
        // Rows without weight do not count.
        let mut only = [0.0; 100];
        only[50] = 1.0;
        assert_eq!(coverage(&inside, &only, None).unwrap().coverage, 1.0);
        assert_eq!(coverage(&inside, &[0.0; 100], None), None);
    }
}
