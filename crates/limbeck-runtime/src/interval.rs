//! Prediction intervals: a range around each prediction that contains the true value with a given probability (conformal prediction).
//!
//! A student's file holds, for each output, a short table of half-widths in units of a *spread*. The spread is a piecewise-linear function of the
//! prediction. So an interval costs a few operations, and needs no second model.

use crate::{Container, Error, Numbers, Result};
use alloc::{format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Levels are counted in steps of 1 / `STEPS`.
const STEPS: u64 = 10_000;
/// Number of levels of the grid.
const GRID: usize = 113;
/// Maximum number of knots of a spread. Students that limbeck makes have at most 8.
const MOST_KNOTS: usize = 64;

/// The level of the grid at an index, in steps of 1 / [`STEPS`].
fn grid(index: usize) -> u64 {
    let index = index as u64;
    match index {
        0..100 => 5000 + 50 * index,
        100..104 => 9960 + 10 * (index - 100),
        _ => 9991 + (index - 104),
    }
}

/// The prediction intervals of a student.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    /// The levels that exported files have, ascending. Every other level that [`Widths`] supports can be asked of the student itself.
    pub levels: Vec<f64>,
    /// The widths of the intervals of each output.
    pub outputs: Vec<Widths>,
}

/// The widths of the prediction intervals of one output.
///
/// # Formula
///
/// With the prediction `p`, the spread `σ(p)` and the score `q` of a level, the interval is
///
/// ```text
/// [p − q σ(p), p + q σ(p)]                for an affine transform
/// [p exp(−q σ(p)), p exp(q σ(p))]         for a logarithmic transform
/// σ(p) = y₀ + Σ_i s_i · min(max(p − x_i, 0), w_i)     with knots (x_i, y_i), w_i = x_{i+1} − x_i, s_i = (y_{i+1} − y_i) / w_i
/// ```
///
/// The score of a row is `|y − p| / σ(p)`, or `|ln y − ln p| / σ(p)` for a logarithmic transform. `q` is a quantile of the scores of rows that
/// neither trained nor chose the student. With `n` exchangeable rows, the `⌈(n + 1) level⌉`-th smallest score gives an interval that contains the
/// value of a new row with a probability of at least `level`, and of at most `level + 1 / (n + 1)` if no two scores are equal. So a level is
/// supported if it is at most `n / (n + 1)`.
///
/// # Levels
///
/// The scores are those of 113 levels: from 0.5 in steps of 0.005 to 0.995, in steps of 0.001 to 0.999, and in steps of 0.0001 to 0.9999. A
/// level between two of these gets the score of the larger one.
///
/// # Source
///
/// Papadopoulos, Proedrou, Vovk & Gammerman, *Inductive confidence machines for regression*, ECML 2002: split conformal prediction. Lei, G'Sell,
/// Rinaldo, Tibshirani & Wasserman, *Distribution-free predictive inference for regression*, Journal of the American Statistical Association 113,
/// 2018: theorem 2.2 (both bounds) and section 5.2 (scores divided by a spread).
#[derive(Clone, Debug, PartialEq)]
pub struct Widths {
    /// Number of independent rows, or of groups of rows, behind the scores.
    pub count: usize,
    /// The score of each supported level of the grid, from the smallest level.
    pub scores: Vec<f32>,
    /// The knots `(x, y)` of the spread, by ascending `x`; empty if the spread is 1 everywhere.
    pub spread: Vec<(f64, f64)>,
}

/// A prediction with its interval; all three in the unit of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The prediction.
    pub prediction: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What the section `intervals` of a file has besides the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    counts: Vec<usize>,
    levels: Vec<f64>,
}

impl Widths {
    /// The levels of the grid that `count` independent rows (or groups) support, ascending.
    ///
    /// ```
    /// use limbeck_runtime::Widths;
    /// // Nine rows: 0.9 = 9 / 10 is the largest level.
    /// assert_eq!(Widths::levels(9).last(), Some(0.9));
    /// assert_eq!(Widths::levels(100_000).count(), 113);
    /// ```
    pub fn levels(count: usize) -> impl Iterator<Item = f64> {
        // A file may have any count.
        let count = count as u128;
        (0..GRID)
            .map(grid)
            .take_while(move |level| u128::from(*level) * (count + 1) <= u128::from(STEPS) * count)
            .map(|level| level as f64 / STEPS as f64)
    }

    /// Number of independent rows (or groups) that a level needs: `level / (1 − level)`, rounded up, for the level of the grid that is used for it.
    /// `None` if the level is not from 0.5 to 0.9999.
    ///
    /// ```
    /// use limbeck_runtime::Widths;
    /// assert_eq!([0.5, 0.9, 0.95, 0.99].map(Widths::needed), [Some(1), Some(9), Some(19), Some(99)]);
    /// assert_eq!([0.2, 1.0, f64::NAN].map(Widths::needed), [None; 3]);
    /// ```
    pub fn needed(level: f64) -> Option<usize> {
        let level = grid(index(level)?);
        Some(level.div_ceil(STEPS - level) as usize)
    }

    /// The score of a level.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLevel`] if the level is not from 0.5 to 0.9999, or needs more rows than there were.
    pub fn score(&self, level: f64) -> Result<f64> {
        let at = index(level);
        let score = at.and_then(|at| self.scores.get(at));
        score
            .map(|&score| f64::from(score))
            .ok_or_else(|| Error::InvalidLevel {
                level,
                count: self.count,
                needed: Self::needed(level),
            })
    }

    /// The spread at a prediction; see the formula above.
    pub fn spread_at(&self, prediction: f64) -> f64 {
        let Some(&(_, first)) = self.spread.first() else {
            return 1.0;
        };
        let part = |pair: &[(f64, f64)]| {
            let width = pair[1].0 - pair[0].0;
            let slope = (pair[1].1 - pair[0].1) / width;
            slope * (prediction - pair[0].0).max(0.0).min(width)
        };
        self.spread
            .windows(2)
            .fold(first, |sum, pair| sum + part(pair))
    }

    /// The interval around a prediction; `is_log` for an output with a logarithmic transform.
    pub(crate) fn around(&self, prediction: f64, is_log: bool, level: f64) -> Result<Interval> {
        let half = self.score(level)? * self.spread_at(prediction);
        let (low, high) = match is_log {
            true => {
                let factor = libm::exp(half);
                (prediction / factor, prediction * factor)
            }
            false => (prediction - half, prediction + half),
        };
        Ok(Interval {
            prediction,
            low,
            high,
        })
    }

    /// What is wrong with the numbers; `None` if they can be used.
    fn fault(&self) -> Option<String> {
        let expected = Self::levels(self.count).count();
        let found = self.scores.len();
        if self.count == 0 || found != expected {
            return Some(format!(
                "intervals from {} rows have {found} scores, expected {expected}",
                self.count
            ));
        }
        let is_fine = |score: &f32| score.is_finite() && *score >= 0.0;
        if !self.scores.iter().all(is_fine) || self.scores.windows(2).any(|pair| pair[0] > pair[1])
        {
            return Some(
                "the scores of the intervals are not ascending numbers of 0 or more".into(),
            );
        }
        let knots = &self.spread;
        let are_fine = knots
            .iter()
            .all(|(x, y)| x.is_finite() && y.is_finite() && *y > 0.0)
            && knots.windows(2).all(|pair| {
                let width = pair[1].0 - pair[0].0;
                // Also false if the quotient overflows.
                width > 0.0 && ((pair[1].1 - pair[0].1) / width).is_finite()
            });
        if !are_fine || knots.len() == 1 || knots.len() > MOST_KNOTS {
            return Some(format!(
                "the spread of the intervals has {} knots, expected none, or 2 to {MOST_KNOTS} with ascending predictions and spreads above 0",
                knots.len()
            ));
        }
        None
    }
}

/// The index of the smallest level of the grid that is at least `level`; `None` if the level is not from 0.5 to 0.9999.
fn index(level: f64) -> Option<usize> {
    // A level such as 0.9 may have come from a sum or a percentage, with a last digit that is off.
    const TINY: f64 = 1e-6;
    let steps = level * STEPS as f64 - TINY;
    let is_inside = level >= 0.5 && steps <= grid(GRID - 1) as f64;
    is_inside.then(|| (0..GRID).find(|&at| grid(at) as f64 >= steps))?
}

impl Intervals {
    /// Adds the widths of further outputs; levels that they do not have are removed.
    pub fn add(&mut self, others: Self) {
        self.levels.retain(|level| others.levels.contains(level));
        self.outputs.extend(others.outputs);
    }

    /// What is wrong with the intervals of a student with this number of outputs; `None` if nothing is.
    pub(crate) fn fault(&self, outputs: usize) -> Option<String> {
        let found = self.outputs.len();
        if found != outputs {
            return Some(format!(
                "there are intervals for {found} outputs, but the student has {outputs}"
            ));
        }
        let wrong = |level: &&f64| self.outputs.iter().any(|one| one.score(**level).is_err());
        if let Some(level) = self.levels.iter().find(wrong) {
            return Some(format!("its intervals do not support the level {level}"));
        }
        if self.levels.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Some("the levels of its intervals are not ascending".into());
        }
        self.outputs.iter().find_map(Widths::fault)
    }

    pub(crate) fn write(&self, file: &mut Container) -> Result<()> {
        let counts = self.outputs.iter().map(|one| one.count).collect();
        let levels = self.levels.clone();
        file.put_json("intervals", &Section { counts, levels })?;
        for (at, one) in self.outputs.iter().enumerate() {
            file.put_numbers(&scores(at), Numbers::F32(one.scores.clone()));
            let knots = one.spread.iter().flat_map(|&(x, y)| [x, y]).collect();
            file.put_numbers(&spread(at), Numbers::F64(knots));
        }
        Ok(())
    }

    pub(crate) fn read(file: &Container) -> Result<Self> {
        let Section { counts, levels } = file.json("intervals")?;
        let one = |(at, count): (usize, usize)| {
            let name = spread(at);
            let knots = match &file.tensor(&name)?.numbers {
                Numbers::F64(numbers) if numbers.len() % 2 == 0 => numbers,
                _ => {
                    return Err(Error::InvalidEntry {
                        entry: name,
                        reason: "expected pairs of numbers of type F64".into(),
                    });
                }
            };
            Ok(Widths {
                count,
                scores: file.f32s(&scores(at))?.to_vec(),
                spread: knots
                    .chunks_exact(2)
                    .map(|pair| (pair[0], pair[1]))
                    .collect(),
            })
        };
        let outputs = counts.into_iter().enumerate().map(one);
        Ok(Self {
            levels,
            outputs: outputs.collect::<Result<_>>()?,
        })
    }
}

/// The name of the tensor with the scores of an output.
fn scores(output: usize) -> String {
    format!("intervals.{output}.scores")
}

/// The name of the tensor with the knots of an output's spread.
fn spread(output: usize) -> String {
    format!("intervals.{output}.spread")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Intervals from 19 rows: levels up to 0.95. The score of the level `l` is `10 l`.
    fn widths() -> Widths {
        Widths {
            count: 19,
            scores: Widths::levels(19)
                .map(|level| (10.0 * level) as f32)
                .collect(),
            spread: alloc::vec![(0.0, 1.0), (2.0, 3.0), (3.0, 2.5)],
        }
    }

    #[test]
    fn levels_are_those_of_the_table() {
        let all: Vec<f64> = Widths::levels(usize::MAX).collect();
        assert_eq!((all.len(), all[0], all[99]), (113, 0.5, 0.995));
        assert_eq!(all[100..105], [0.996, 0.997, 0.998, 0.999, 0.9991]);
        assert_eq!(all[112], 0.9999);
        assert_eq!(Widths::levels(19).last(), Some(0.95));
        assert_eq!(Widths::levels(0).count(), 0);
    }

    #[test]
    fn level_between_two_gets_the_larger_one() {
        let widths = widths();
        let score = |level| widths.score(level).unwrap();
        assert_eq!([score(0.5), score(0.9), score(0.8 + 0.1)], [5.0, 9.0, 9.0]);
        assert_eq!([score(0.901), score(0.904)], [f64::from(9.05f32); 2]);
    }

    #[test]
    fn unsupported_levels_say_how_many_rows_they_need() {
        let error = widths().score(0.96).unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidLevel {
                    count: 19,
                    needed: Some(24),
                    ..
                }
            ),
            "{error}"
        );
        let error = widths().score(0.3).unwrap_err().to_string();
        assert!(error.contains("0.5 to 0.9999"), "{error}");
        assert!(widths().score(f64::NAN).is_err() && widths().score(90.0).is_err());
    }

    #[test]
    fn spread_is_linear_between_its_knots_and_constant_beyond() {
        let widths = widths();
        let at = [-9.0, 0.0, 0.5, 2.0, 2.5, 3.0, 1e9].map(|p| widths.spread_at(p));
        assert_eq!(at, [1.0, 1.0, 1.5, 3.0, 2.75, 2.5, 2.5]);
        assert_eq!(
            Widths {
                spread: Vec::new(),
                ..widths
            }
            .spread_at(7.0),
            1.0
        );
    }

    #[test]
    fn ends_match_hand_values() {
        // The score of 0.9 is 9, the spread at 1 is 2.
        let found = widths().around(1.0, false, 0.9).unwrap();
        assert_eq!(
            (found.low, found.prediction, found.high),
            (-17.0, 1.0, 19.0)
        );
        let ratio = Widths {
            scores: alloc::vec![core::f32::consts::LN_2; 91],
            spread: Vec::new(),
            ..widths()
        };
        let found = ratio.around(5.0, true, 0.9).unwrap();
        assert!((found.low - 2.5).abs() < 1e-6 && (found.high - 10.0).abs() < 1e-6);
    }

    #[test]
    fn wrong_numbers_are_named() {
        let fault = |change: &dyn Fn(&mut Widths)| {
            let mut one = widths();
            change(&mut one);
            one.fault().unwrap_or_default()
        };
        assert_eq!(fault(&|_| ()), "");
        assert!(fault(&|one| one.count = 18).contains("91 scores, expected 90"));
        assert!(fault(&|one| one.scores[3] = f32::NAN).contains("ascending"));
        assert!(fault(&|one| one.scores[3] = 0.0).contains("ascending"));
        assert!(fault(&|one| one.spread[0].0 = 2.0).contains("3 knots"));
        assert!(fault(&|one| one.spread[1].1 = 0.0).contains("3 knots"));
    }
}
