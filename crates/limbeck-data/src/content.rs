//! Computes the checksum of a data set, and counts test rows that also occur among the training rows.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use sha2::{Digest, Sha256};

use crate::features::{FeatureValues, Features};
use crate::given::GivenTeacher;
use crate::split::Split;

/// Number of rows in `test` that equal a row in `learn` in all features and in the target.
pub(crate) fn seen(features: &Features, target: &[f64], learn: &[usize], test: &[usize]) -> usize {
    let key = |row: usize| {
        let mut hash = DefaultHasher::new();
        target[row].to_bits().hash(&mut hash);
        for column in &features.columns {
            match &column.values {
                FeatureValues::Number(values) => values[row].to_bits().hash(&mut hash),
                FeatureValues::Category { codes, .. } => codes[row].hash(&mut hash),
            }
        }
        hash.finish()
    };
    let known: HashSet<u64> = learn.iter().map(|&row| key(row)).collect();
    test.iter()
        .filter(|&&row| known.contains(&key(row)))
        .count()
}

/// SHA-256 checksum, as hexadecimal text, of the rows of the series of a data set, and of the places of its rows among them; empty without a past.
pub(crate) fn content_of_past(features: &Features) -> String {
    let Some(past) = &features.past else {
        return String::new();
    };
    let places = past.starts.iter().chain(&past.at);
    let places = places.map(|&place| f64::from(place)).collect();
    content(&past.table, &[&places], None, &Split::default())
}

/// SHA-256 checksum, as hexadecimal text, of the features, of `numbers` (targets and weights), of the teacher predictions `given` in the table, and
/// of the split.
pub(crate) fn content(
    features: &Features,
    numbers: &[&Vec<f64>],
    given: Option<&GivenTeacher>,
    split: &Split,
) -> String {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    let floats = |hash: &mut Sha256, values: &[f64]| {
        hash.update((values.len() as u64).to_le_bytes());
        values
            .iter()
            .for_each(|value| hash.update(value.to_le_bytes()));
    };
    let whole = |hash: &mut Sha256, values: &mut dyn Iterator<Item = u64>| {
        values.for_each(|value| hash.update(value.to_le_bytes()))
    };
    for column in &features.columns {
        text(&mut hash, &column.name);
        match &column.values {
            FeatureValues::Number(values) => floats(&mut hash, values),
            FeatureValues::Category { codes, levels } => {
                levels.iter().for_each(|level| text(&mut hash, level));
                whole(&mut hash, &mut codes.iter().map(|&code| u64::from(code)));
            }
        }
    }
    numbers.iter().for_each(|values| floats(&mut hash, values));
    if let Some(given) = given {
        floats(&mut hash, &given.prediction);
        given.std.iter().for_each(|std| floats(&mut hash, std));
        given
            .fold
            .iter()
            .for_each(|fold| whole(&mut hash, &mut fold.iter().map(|&fold| u64::from(fold))));
    }
    for rows in [&split.train, &split.valid, &split.test] {
        whole(
            &mut hash,
            &mut std::iter::once(rows.len())
                .chain(rows.iter().copied())
                .map(|row| row as u64),
        );
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Feature;

    fn features(values: [f64; 3], codes: [u32; 3]) -> Features {
        let column = |name: &str, values| Feature {
            name: name.into(),
            values,
            integer: false,
            missing: crate::MissingNumbers::default(),
            date: None,
            history: None,
        };
        let levels = std::sync::Arc::new(vec!["a".to_owned(), "b".to_owned()]);
        Features {
            columns: vec![
                column("x", FeatureValues::Number(values.to_vec())),
                column(
                    "c",
                    FeatureValues::Category {
                        codes: codes.to_vec(),
                        levels,
                    },
                ),
            ],
            rows: 3,
            past: None,
        }
    }

    #[test]
    fn seen_counts_rows_with_equal_features_and_target() {
        let features = features([1.0, f64::NAN, 1.0], [0, 1, 0]);
        assert_eq!(seen(&features, &[5.0, 6.0, 5.0], &[0, 1], &[2]), 1);
        assert_eq!(seen(&features, &[5.0, 6.0, 7.0], &[0, 1], &[2]), 0);
        assert_eq!(seen(&features, &[6.0, 6.0, 6.0], &[1], &[0, 1, 2]), 1);
    }

    #[test]
    fn each_change_of_the_data_changes_the_checksum() {
        let split = |train: &[usize]| Split {
            train: train.to_vec(),
            valid: vec![],
            test: vec![],
        };
        let (y, w) = (vec![1.0, 2.0, 3.0], vec![1.0; 3]);
        let plain = features([1.0, 2.0, 3.0], [0, 1, 0]);
        let given = GivenTeacher {
            prediction: y.clone(),
            std: None,
            fold: None,
        };
        let all = [
            content(&plain, &[&y, &w], None, &split(&[0, 1, 2])),
            content(
                &features([2.0, 1.0, 3.0], [0, 1, 0]),
                &[&y, &w],
                None,
                &split(&[0, 1, 2]),
            ),
            content(
                &features([1.0, 2.0, 3.0], [0, 1, 1]),
                &[&y, &w],
                None,
                &split(&[0, 1, 2]),
            ),
            content(&plain, &[&y, &y], None, &split(&[0, 1, 2])),
            content(&plain, &[&y, &w], Some(&given), &split(&[0, 1, 2])),
            content(&plain, &[&y, &w], None, &split(&[1, 0, 2])),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all[0], content(&plain, &[&y, &w], None, &split(&[0, 1, 2])));
        assert_eq!(all[0].len(), 64);
    }
}
