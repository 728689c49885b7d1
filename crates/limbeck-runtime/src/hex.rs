//! Hexadecimal floats (C99 `%a`): text that holds an f64 exactly.

use alloc::{format, string::String};

const FRACTION_BITS: u32 = 52;
const BIAS: i64 = 1023;

/// Formats a finite number as `[-]0xH.HHHHp±D`, without trailing zeros of the fraction.
pub fn format_hex(value: f64) -> String {
    let bits = value.to_bits();
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let stored = ((bits >> FRACTION_BITS) & 0x7ff) as i64;
    let (lead, exponent) = match (stored, fraction) {
        (0, 0) => (0, 0),
        (0, _) => (0, 1 - BIAS),
        _ => (1, stored - BIAS),
    };
    let digits = format!("{fraction:013x}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    format!("{sign}0x{lead}{point}{digits}p{exponent:+}")
}

/// Parses text written by [`format_hex`]; `None` for any other text.
pub fn parse_hex(text: &str) -> Option<f64> {
    let (negative, rest) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = rest.strip_prefix("0x")?.split_once('p')?;
    let (lead, digits) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    if digits.len() > 13 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let fraction = if digits.is_empty() {
        0
    } else {
        u64::from_str_radix(digits, 16).ok()? << (4 * (13 - digits.len()))
    };
    let stored = match lead {
        "0" => 0,
        "1" if (1 - BIAS..=BIAS).contains(&exponent) => (exponent + BIAS) as u64,
        _ => return None,
    };
    let value = f64::from_bits((u64::from(negative) << 63) | (stored << FRACTION_BITS) | fraction);
    // Each number has exactly one text: any other spelling was not written by `format_hex`.
    (format_hex(value) == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_matches_printf() {
        // Expected texts are those of C's printf("%a").
        let table = [
            (1.0, "0x1p+0"),
            (0.1, "0x1.999999999999ap-4"),
            (-3.5, "-0x1.cp+1"),
            (0.0, "0x0p+0"),
        ];
        for (value, text) in table {
            assert_eq!(format_hex(value), text);
            assert_eq!(parse_hex(text), Some(value));
        }
    }

    #[test]
    fn hex_rejects_other_text() {
        for text in [
            "",
            "1.0",
            "0x",
            "0xp",
            "0x1p",
            "0x1p+9999",
            "0x2p+0",
            "0x1.00p+0",
            "0x1.zp+0",
            "0x1p0",
            "0x1.é",
            "nan",
            "inf",
        ] {
            assert_eq!(parse_hex(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn hex_round_trips(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(parse_hex(&format_hex(value)).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn hex_never_panics(text in ".{0,24}") {
            let _ = parse_hex(&text);
        }
    }
}
