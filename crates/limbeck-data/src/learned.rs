//! Recognizes, in another table, rows that a run learned from. For this, a run stores hashes of a few of its rows.

use std::collections::BTreeSet;

use limbeck_runtime::MissingNumbers;
use serde::{Deserialize, Serialize};

use crate::features::{FeatureValues, Features};

/// The 256 smallest hashes of the rows that a run learned from; all hashes if there are fewer rows.
///
/// Hashes are like random numbers. Take the rows of another table whose hashes are at most the largest hash stored here. The share of them whose hash
/// is stored here estimates the share of that table's rows that the run learned from. Rows are equal if all features and the target are equal.
///
/// ```text
/// share = |{r : h(r) stored}| / |{r : h(r) ≤ largest stored hash}|        r: a row of the other table, h: its hash
/// ```
///
/// Serialized as one text: hexadecimal numbers in ascending order, with spaces between them.
///
/// # Source
///
/// A bottom-k sketch: Cohen, Kaplan, *Summarizing Data Using Bottom-k Sketches*, PODC 2007.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct LearnedRows {
    hashes: Vec<u64>,
}

/// Maximum number of hashes that are stored.
const MOST: usize = 256;
/// There is an estimate only if at least this many rows of the other table have a hash that is among the stored hashes.
const FEWEST: usize = 5;
/// There is a warning only if the run learned from at least this share of the other table's rows.
const SHARE: f64 = 0.05;

impl LearnedRows {
    /// The smallest hashes (at most 256) of the rows `learn`. In `features`, numbers that mean *missing* must already be NaN.
    pub(crate) fn of(features: &Features, target: &[f64], learn: &[usize]) -> Self {
        let none = vec![MissingNumbers::default(); features.columns.len()];
        let all = hashes(features, &none, target);
        let mut smallest = BTreeSet::new();
        for &row in learn {
            smallest.insert(all[row]);
            if smallest.len() > MOST {
                smallest.pop_last();
            }
        }
        Self {
            hashes: smallest.into_iter().collect(),
        }
    }

    /// True if there are no hashes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Estimates which share of the rows of another table were also training or validation rows of the run. For this, compares the hashes of those
    /// rows with the hashes stored here. `None` if the share is below 5 %, or if fewer than five rows of the other table have a stored hash.
    ///
    /// `missing` has the numbers that mean *missing* in each feature. Rows whose target is NaN are left out.
    #[must_use]
    pub fn share(
        &self,
        features: &Features,
        missing: &[MissingNumbers],
        target: &[f64],
    ) -> Option<f64> {
        let largest = match self.hashes.last() {
            Some(largest) if self.hashes.len() == MOST => *largest,
            // Fewer hashes than the maximum: those of all learned rows are stored.
            _ => u64::MAX,
        };
        let rows = hashes(features, missing, target).into_iter().zip(target);
        let rows = rows.filter(|(hash, target)| !target.is_nan() && *hash <= largest);
        let (mut all, mut learned) = (0, 0);
        for (hash, _) in rows {
            all += 1;
            learned += usize::from(self.hashes.binary_search(&hash).is_ok());
        }
        let share = learned as f64 / f64::from(all.max(1));
        (learned >= FEWEST && share >= SHARE).then_some(share)
    }
}

impl From<LearnedRows> for String {
    fn from(rows: LearnedRows) -> Self {
        let texts: Vec<Self> = rows.hashes.iter().map(|hash| format!("{hash:x}")).collect();
        texts.join(" ")
    }
}

impl From<String> for LearnedRows {
    /// Words that are not hexadecimal numbers are ignored. At worst, a warning is missing then.
    fn from(text: String) -> Self {
        let numbers = text
            .split(' ')
            .filter_map(|word| u64::from_str_radix(word, 16).ok());
        let sorted: BTreeSet<u64> = numbers.collect();
        Self {
            hashes: sorted.into_iter().collect(),
        }
    }
}

/// A hash of 52 bits for each row, of its target and all its features. Reports store hashes, so this function must give the same ones in every
/// version and on every machine.
fn hashes(features: &Features, missing: &[MissingNumbers], target: &[f64]) -> Vec<u64> {
    let mut all: Vec<u64> = target.iter().map(|&y| mixed(0, bits(y))).collect();
    for (column, missing) in features.columns.iter().zip(missing) {
        match &column.values {
            FeatureValues::Number(values) => {
                let words = values.iter().map(|&x| bits(missing.read(x)));
                all.iter_mut()
                    .zip(words)
                    .for_each(|(hash, word)| *hash = mixed(*hash, word));
            }
            FeatureValues::Category { codes, levels } => {
                let of_level: Vec<u64> = levels.iter().map(|level| of_text(level)).collect();
                let word = |code: &u32| of_level.get(*code as usize).copied().unwrap_or(1);
                let words = codes.iter().map(word);
                all.iter_mut()
                    .zip(words)
                    .for_each(|(hash, word)| *hash = mixed(*hash, word));
            }
        }
    }
    all.iter_mut().for_each(|hash| *hash >>= 12);
    all
}

/// The bits of a number. They are the same for every NaN, and the same for 0 and −0.
fn bits(value: f64) -> u64 {
    match value.is_nan() {
        true => f64::NAN.to_bits(),
        false => (value + 0.0).to_bits(),
    }
}

fn of_text(text: &str) -> u64 {
    text.bytes()
        .fold(2, |hash, byte| mixed(hash, u64::from(byte)))
}

/// Mixes the next word into a hash, with the finalizer of SplitMix64.
fn mixed(hash: u64, word: u64) -> u64 {
    let x = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Feature;

    /// One row for each of the given numbers, with a number column, a category column and a target.
    fn rows(of: impl Iterator<Item = usize>) -> (Features, Vec<f64>) {
        let of: Vec<usize> = of.collect();
        let column = |name: &str, values| Feature {
            name: name.into(),
            values,
            integer: false,
            missing: MissingNumbers::default(),
            date: None,
            history: None,
        };
        let codes = of.iter().map(|at| (at % 2) as u32).collect();
        let levels = std::sync::Arc::new(vec!["a".to_owned(), "b".to_owned()]);
        let features = Features {
            columns: vec![
                column(
                    "x",
                    FeatureValues::Number(of.iter().map(|at| *at as f64).collect()),
                ),
                column("c", FeatureValues::Category { codes, levels }),
            ],
            rows: of.len(),
            past: None,
        };
        (features, of.iter().map(|at| (at * at) as f64).collect())
    }

    fn share(learned: &LearnedRows, of: impl Iterator<Item = usize>) -> Option<f64> {
        let (features, target) = rows(of);
        learned.share(
            &features,
            &[MissingNumbers::default(), MissingNumbers::default()],
            &target,
        )
    }

    #[test]
    fn learned_rows_are_recognized_among_others() {
        for count in [100, 20_000] {
            let (features, target) = rows(0..count);
            let learn: Vec<usize> = (0..count).collect();
            let learned = LearnedRows::of(&features, &target, &learn);
            assert_eq!(share(&learned, 0..count), Some(1.0));
            assert_eq!(share(&learned, count..2 * count), None);
            let half = share(&learned, count / 2..count + count / 2).unwrap();
            assert!((half - 0.5).abs() < 0.1, "{half}");
            // Hashes do not depend on the order of the rows.
            assert_eq!(share(&learned, (0..count).rev()), Some(1.0));
            let text = serde_json::to_string(&learned).unwrap();
            assert!(text.len() < 4000, "{}", text.len());
            assert_eq!(serde_json::from_str::<LearnedRows>(&text).unwrap(), learned);
        }
    }

    #[test]
    fn rows_are_equal_only_with_equal_target_and_features() {
        let (features, target) = rows(0..50);
        let learned = LearnedRows::of(&features, &target, &(0..50).collect::<Vec<_>>());
        let none = [MissingNumbers::default(), MissingNumbers::default()];
        let other: Vec<f64> = target.iter().map(|y| y + 1.0).collect();
        assert_eq!(learned.share(&features, &none, &other), None);
        assert_eq!(learned.share(&features, &none, &[f64::NAN; 50]), None);
        assert_eq!(
            LearnedRows::default().share(&features, &none, &target),
            None
        );
        assert_eq!(
            LearnedRows::from("not hashes".to_owned()),
            LearnedRows::default()
        );
    }

    #[test]
    fn numbers_that_mean_missing_count_as_missing() {
        let (mut features, target) = rows(0..20);
        let number = |features: &mut Features, value| match &mut features.columns[0].values {
            FeatureValues::Number(values) => values[3..].fill(value),
            FeatureValues::Category { .. } => unreachable!("the first column has numbers"),
        };
        number(&mut features, f64::NAN);
        let learned = LearnedRows::of(&features, &target, &(3..20).collect::<Vec<_>>());
        number(&mut features, -999.0);
        let missing = MissingNumbers {
            values: vec![-999.0],
            ..MissingNumbers::default()
        };
        assert_eq!(
            learned.share(&features, &[missing, MissingNumbers::default()], &target),
            Some(17.0 / 20.0)
        );
    }
}
