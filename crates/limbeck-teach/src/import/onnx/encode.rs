//! Strings and categories as numbers. A string is its index in the list of all strings of the file; strings are only
//! compared for equality.

use std::collections::HashMap;

use super::tensor::{Tensor, fits};

/// Maps a number (or the index of a string) to a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Codes {
    known: HashMap<u64, f64>,
    /// Result for an unknown key.
    default: f64,
}

impl Codes {
    /// If a key occurs twice, the first value counts.
    pub(super) fn new(pairs: impl IntoIterator<Item = (f64, f64)>, default: f64) -> Self {
        let mut known = HashMap::new();
        for (from, to) in pairs {
            known.entry(key(from)).or_insert(to);
        }
        Self { known, default }
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn of(&self, value: f64) -> f64 {
        self.known.get(&key(value)).copied().unwrap_or(self.default)
    }
}

/// A number as a hash key: −0 equals 0, and all NaN are equal.
fn key(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        (value + 0.0).to_bits()
    }
}

/// Adds a last axis with a 1 at the index of the category. An unknown category has only zeros.
pub(super) fn one_hot(tensor: &Tensor, places: &Codes, width: usize) -> Option<Tensor> {
    let shape = [&tensor.shape[..], &[width]].concat();
    let count = fits(&shape, tensor.data.len())?;
    let mut data = vec![0.0; count];
    for (row, value) in data.chunks_exact_mut(width.max(1)).zip(&tensor.data) {
        // ONNX Runtime casts floats to int64 first.
        let place = places.of(value.trunc());
        if place >= 0.0 {
            *row.get_mut(place as usize)? = 1.0;
        }
    }
    Some(Tensor { shape, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_know_their_keys_and_a_default() {
        let codes = Codes::new(
            [(1.0, 10.0), (f64::NAN, 20.0), (0.0, 30.0), (1.0, 40.0)],
            -1.0,
        );
        let found = [1.0, -f64::NAN, -0.0, 2.0].map(|value| codes.of(value));
        assert_eq!(found, [10.0, 20.0, 30.0, -1.0]);
        assert_eq!(codes.len(), 3);
    }

    #[test]
    fn categories_become_columns() {
        let places = Codes::new([(5.0, 0.0), (7.0, 1.0)], -1.0);
        let x = Tensor {
            shape: vec![3, 1],
            data: vec![7.9, 6.0, 5.0],
        };
        let hot = one_hot(&x, &places, 2).unwrap();
        assert_eq!(
            (hot.shape, hot.data),
            (vec![3, 1, 2], vec![0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
        );
    }
}
