//! Strings and categories as numbers. A string is its index in the list of all strings of the file; strings are only
//! compared for equality.

use std::collections::HashMap;

use super::tensor::{Tensor, fits};

/// Code for a string that is not in the file.
pub(super) const NO_TEXT: f64 = -1.0;

/// Maps keys to values. A key or a value is a number, or the index of a string in the list of all strings of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Codes {
    known: HashMap<u64, f64>,
    /// Value for an unknown key.
    default: f64,
}

impl Codes {
    /// Makes the map from pairs of a key and a value. If a key occurs twice, its first value counts.
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

/// Casts numbers to strings, as ONNX Runtime does. A string is represented by its index in the list of all strings of
/// the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    /// For each string of the file that can be read as a number: its index in the list of all strings.
    known: HashMap<String, f64>,
    is_integer: bool,
}

impl Shown {
    /// `texts` are all strings of the file. `is_integer` is true if integers are cast, false for floats.
    pub(super) fn new(texts: &[String], is_integer: bool) -> Self {
        let known = texts.iter().enumerate();
        let known = known.filter(|(_, text)| text.parse::<f64>().is_ok());
        let known = known.map(|(place, text)| (text.clone(), place as f64));
        Self {
            known: known.collect(),
            is_integer,
        }
    }

    /// The index of the string that the number is cast to; [`NO_TEXT`] if the file does not contain that string.
    pub(super) fn of(&self, value: f64) -> f64 {
        let text = match self.is_integer {
            true => format!("{value:.0}"),
            false => shown(value),
        };
        self.known.get(&text).copied().unwrap_or(NO_TEXT)
    }
}

/// A float as ONNX Runtime casts it to a string: `%.8g` in C.
fn shown(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    let short = |digits: &str| match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    };
    let scientific = format!("{value:.7e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or_default() {
        exponent @ -4..8 => short(&format!("{value:.*}", (7 - exponent) as usize)),
        exponent => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", short(digits), exponent.abs())
        }
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

/// One-hot encoding: adds a last axis of size `width`, with 1 at the index of the category and 0 elsewhere. An unknown
/// category gives only zeros. `places` maps a category to its index.
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
    fn numbers_are_shown_as_in_onnx_runtime() {
        // Values and strings from ONNX Runtime 1.32 (Cast from float to string).
        for (value, text) in [
            (3.0, "3"),
            (0.5, "0.5"),
            (123_456_789.0, "1.2345679e+08"),
            (16_777_216.0, "16777216"),
            (1e-7, "1e-07"),
            (f64::from(0.1_f32), "0.1"),
            (f64::from(1.1_f32), "1.1"),
            (-0.0, "-0"),
            (f64::from(1e20_f32), "1e+20"),
            (2.5e9, "2.5e+09"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "INF"),
        ] {
            assert_eq!(shown(value), text);
        }
        let texts = ["3.0", "3", "1.1", "16777217"].map(str::to_owned);
        let of = |is_integer, value| Shown::new(&texts, is_integer).of(value);
        assert_eq!(of(false, 3.0), 1.0);
        assert_eq!(of(false, f64::from(1.1_f32)), 2.0);
        assert_eq!(of(true, 16_777_217.0), 3.0);
        assert_eq!(of(true, 4.0), NO_TEXT);
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
