//! Writes counts, measured numbers and ranges as text for messages.

/// A count as text, with its digits in groups of three.
///
/// ```
/// assert_eq!(limbeck_data::figures::grouped(28_740), "28 740");
/// ```
#[must_use]
pub fn grouped(count: usize) -> String {
    match (count / 1000, count % 1000) {
        (0, last) => last.to_string(),
        (rest, last) => format!("{} {last:03}", grouped(rest)),
    }
}

/// A count and its noun as text. The noun is given in the singular, and gets an `s` if the count is not 1.
///
/// ```
/// use limbeck_data::figures::counted;
///
/// assert_eq!([counted(1, "row"), counted(0, "row"), counted(1200, "training row")], ["1 row", "0 rows", "1 200 training rows"]);
/// ```
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(count))
}

/// A measured number as text, with four significant digits; digits before the decimal point are never rounded away. A number whose absolute value is
/// at least 1e8 or below 1e-5 is in scientific notation.
///
/// ```
/// use limbeck_data::figures::short;
///
/// assert_eq!([short(0.123456), short(44_730.4), short(5.829e8)], ["0.1235", "44730", "5.829e8"]);
/// ```
#[must_use]
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{}", value + 0.0);
    }
    match value.abs().log10().floor() as i32 {
        size @ -5..=7 => format!("{value:.*}", (3 - size).clamp(0, 12) as usize),
        _ => format!("{value:.3e}"),
    }
}

/// A range of values as text: `low to high`.
///
/// If both ends are whole numbers, such as years, they are written in full. Otherwise each is written as by [`short`]. In a narrow range both have
/// more digits, so that their difference has at least three significant digits.
///
/// ```
/// use limbeck_data::figures::range;
///
/// assert_eq!(range(2016.0, 2018.0), "2016 to 2018");
/// assert_eq!(range(1_609_459_200.0, 1_640_995_200.0), "1609459200 to 1640995200");
/// assert_eq!(range(0.5, 44_730.4), "0.5000 to 44730");
/// assert_eq!(range(2016.25, 2016.75), "2016.250 to 2016.750");
/// ```
#[must_use]
pub fn range(low: f64, high: f64) -> String {
    /// A whole number is written in full if its absolute value is below this.
    const LONGEST: f64 = 1e15;
    let is_whole = |value: f64| value.fract() == 0.0 && value.abs() < LONGEST;
    if is_whole(low) && is_whole(high) {
        return format!("{:.0} to {:.0}", low + 0.0, high + 0.0);
    }
    let largest = low.abs().max(high.abs());
    let needed = 2.0 - (high - low).log10().floor();
    let shown = 3.0 - largest.log10().floor();
    if (1e-5..1e8).contains(&largest) && needed > shown && needed <= 12.0 {
        let digits = needed as usize;
        return format!("{low:.digits$} to {high:.digits$}");
    }
    format!("{} to {}", short(low), short(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_follow_their_count() {
        assert_eq!(counted(1, "thread"), "1 thread");
        assert_eq!(counted(2, "thread"), "2 threads");
        assert_eq!(counted(1001, "row"), "1 001 rows");
    }

    #[test]
    fn ranges_show_a_difference() {
        for (low, high, expected) in [
            (1.0, 12.0, "1 to 12"),
            (-0.0, 3.0, "0 to 3"),
            (123_456_789.0, 123_456_790.0, "123456789 to 123456790"),
            (17_532.25, 17_532.5, "17532.250 to 17532.500"),
            (0.001, 0.002, "0.001000 to 0.002000"),
            (1.5, 1.5, "1.500 to 1.500"),
            (1e300, 2e300, "1.000e300 to 2.000e300"),
            (f64::NEG_INFINITY, f64::INFINITY, "-inf to inf"),
            (f64::NAN, f64::NAN, "NaN to NaN"),
        ] {
            assert_eq!(range(low, high), expected);
        }
    }
}
