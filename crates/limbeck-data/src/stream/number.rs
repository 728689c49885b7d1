//! Reads plain numbers from bytes, and writes numbers to bytes.

use std::io::Write;

/// Powers of ten that are exact as f64.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Largest number up to which every whole number is exact as f64.
const EXACT: u64 = 1 << 53;

/// Parses a number that is written only with sign, digits, point and exponent. Returns NaN for an empty cell.
///
/// `None` means that the cell is written in another way. The module `kind` then decides whether it is a marker of a missing value, a number or
/// neither.
///
/// # Source
///
/// If a mantissa and a power of ten are both exact as f64, a single division gives the nearest f64: Clinger, *How to Read
/// Floating Point Numbers Accurately*, PLDI 1990. All other numbers are parsed by the standard library.
#[inline]
pub(super) fn plain(cell: &[u8]) -> Option<f64> {
    let text = cell.trim_ascii();
    let (negative, digits) = match text {
        [] => return Some(f64::NAN),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut mantissa, mut count, mut point) = (0_u64, 0_usize, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa
                    .wrapping_mul(10)
                    .wrapping_add(u64::from(byte - b'0'));
                count += 1;
            }
            b'.' if point.is_none() => point = Some(count),
            _ => return other(text),
        }
    }
    let decimals = point.map_or(0, |point| count - point);
    // Nineteen digits fit into the mantissa; with more digits, it may have wrapped.
    if count == 0 || count > 19 || mantissa > EXACT || decimals >= TENS.len() {
        return other(text);
    }
    let value = mantissa as f64 / TENS[decimals];
    Some(if negative { -value } else { value })
}

/// Parses a number with the standard library. `None` if the text is not a number, or has characters that a plain number does not have.
fn other(text: &[u8]) -> Option<f64> {
    let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    if !text.iter().all(part) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// How new numbers are written into a text table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Separator between the cells of the table.
    pub(super) separator: u8,
    /// True if the decimal mark is a comma.
    pub(super) comma: bool,
}

impl Style {
    /// Appends a separator and a cell with a number. NaN becomes an empty cell, or the text `NaN` if spaces separate cells, since an empty cell would
    /// not be seen there.
    pub(super) fn write(self, out: &mut Vec<u8>, value: f64) {
        out.push(self.separator);
        let start = out.len();
        match value {
            value if value.is_nan() && self.separator == b' ' => out.extend_from_slice(b"NaN"),
            value => write(out, value),
        }
        let point = out[start..].iter().position(|byte| *byte == b'.');
        let Some(point) = point.filter(|_| self.comma) else {
            return;
        };
        out[start + point] = b',';
        // `2,125` could be read as 2125.
        if out.len() == start + point + 4 {
            out.push(b'0');
        }
        if self.separator == b',' {
            out.insert(start, b'"');
            out.push(b'"');
        }
    }
}

/// Appends a number in its shortest exact form; appends nothing for NaN.
pub(crate) fn write(out: &mut Vec<u8>, value: f64) {
    if !value.is_nan() {
        // Writing to memory does not fail.
        let _ = write!(out, "{value:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_agrees_with_the_standard_library() {
        use rand::RngExt;
        let mut fast = 0;
        for index in 0..200_000 {
            let mut rng = crate::generator(1, "plain numbers", index);
            let text = match index % 4 {
                0 => format!("{}", f64::from_bits(rng.random())),
                1 => format!("{:?}", f64::from_bits(rng.random())),
                2 => format!("{:.*}", rng.random_range(0..9), rng.random_range(-1e6..1e6)),
                _ => {
                    let alphabet = b"0123456789.-+e";
                    let length = rng.random_range(1..26);
                    let byte = |_| char::from(alphabet[rng.random_range(0..alphabet.len())]);
                    (0..length).map(byte).collect()
                }
            };
            let expected = text.parse::<f64>().ok().filter(|value| !value.is_nan());
            match plain(text.as_bytes()) {
                Some(value) => {
                    assert_eq!(Some(value.to_bits()), expected.map(f64::to_bits), "{text}");
                    fast += 1;
                }
                None => assert!(expected.is_none_or(f64::is_infinite), "{text} is not plain"),
            }
        }
        assert!(fast > 100_000, "{fast}");
    }

    #[test]
    fn plain_returns_none_for_other_texts() {
        for text in [
            "NA", "nan", "1,5", "$3", "true", "1 2", "0x10", "-", "1e", "é", "1_0",
        ] {
            assert_eq!(plain(text.as_bytes()), None, "{text}");
        }
        assert!(plain(b" \t").unwrap().is_nan());
        assert_eq!(plain(b" -0.50 "), Some(-0.5));
        assert!(plain(b"-0").unwrap().is_sign_negative());
        assert_eq!(plain(b"1e400"), Some(f64::INFINITY));
        // 2⁶⁴ + 1 wraps to 1 in the mantissa.
        assert_eq!(
            plain(b"18446744073709551617"),
            Some(18_446_744_073_709_551_617.0)
        );
    }

    #[test]
    fn cells_have_the_mark_of_the_table_and_quotes_if_they_contain_the_separator() {
        for (separator, comma, expected) in [
            (b';', true, ";0,1;-15,0;1e-7;1,5e-9;2,1250;"),
            (b',', true, ",\"0,1\",\"-15,0\",1e-7,\"1,5e-9\",\"2,1250\","),
            (b',', false, ",0.1,-15.0,1e-7,1.5e-9,2.125,"),
            (b' ', true, " 0,1 -15,0 1e-7 1,5e-9 2,1250 NaN"),
        ] {
            let mut out = Vec::new();
            let style = Style { separator, comma };
            for value in [0.1, -15.0, 1e-7, 1.5e-9, 2.125, f64::NAN] {
                style.write(&mut out, value);
            }
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn written_numbers_are_read_back_exactly() {
        let mut out = Vec::new();
        for value in [0.1, -15.0, 1e-7, 1e300, f64::NAN] {
            write(&mut out, value);
            out.push(b' ');
        }
        assert_eq!(out, b"0.1 -15.0 1e-7 1e300  ");
    }
}
