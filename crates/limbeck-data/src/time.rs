//! Dates and times in text.
//!
//! | order | examples |
//! |---|---|
//! | ISO 8601 | `2024-03-10`, `2024-03-10 18:00`, `2024-03-10T18:00:00.25+01:00` |
//! | year first | `2024/3/10`, `2024.03.10 6:05` |
//! | day first | `10.03.2024`, `10/3/2024 18:00`, `10-Mar-2024`, `10 March 2024` |
//! | month first | `03/10/2024`, `3/10/2024 6:05:30 PM`, `Mar 10, 2024` |
//!
//! A column has one order: the order in which the most cells are dates. If day first and month first give equally many dates,
//! the column is not a column of dates: a later table could be misread. Years have four digits; names of months are English.

use limbeck_runtime::DatePart;
use serde::{Deserialize, Serialize};

/// The order of day, month and year in the dates of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DateOrder {
    #[default]
    Iso,
    YearFirst,
    DayFirst,
    MonthFirst,
}

impl DateOrder {
    const ALL: [Self; 4] = [Self::Iso, Self::YearFirst, Self::DayFirst, Self::MonthFirst];

    /// The order in which the most cells are dates. `texts` are the different texts of a column, each with its number of cells.
    ///
    /// `None` if no text is a date, or if it is unclear whether the day or the month comes first.
    pub(crate) fn of<'a>(texts: impl Iterator<Item = (&'a str, usize)>) -> Option<Self> {
        let texts: Vec<(&str, usize)> = texts.filter(|(_, count)| *count > 0).collect();
        let cells = |order: &Self| -> usize {
            let read = texts.iter().filter(|(text, _)| order.read(text).is_some());
            read.map(|(_, count)| count).sum()
        };
        let counts = Self::ALL.map(|order| cells(&order));
        let most = counts.into_iter().max().filter(|most| *most > 0)?;
        let position = counts.iter().position(|count| *count == most)?;
        let order = Self::ALL[position];
        let is_unclear = order == Self::DayFirst && counts[3] == most;
        (!is_unclear).then_some(order)
    }

    /// Reads a date, or a date and time, as microseconds since 1970-01-01T00:00. If the text has a time zone, the time is converted to UTC. `None`
    /// for any other text.
    pub(crate) fn read(self, text: &str) -> Option<i64> {
        match self {
            Self::Iso => iso(text),
            _ => self.other(text.trim()),
        }
    }

    fn other(self, text: &str) -> Option<i64> {
        // The time of day begins before its first colon.
        let start = match text.find(':') {
            Some(colon) => text[..colon].rfind([' ', 'T'])?,
            None => text.len(),
        };
        let (date, time) = text.split_at(start);
        let (year, month, day) = self.date(date)?;
        let date = days_from_civil(year, month, day) * DAY;
        match time.trim_start_matches([' ', 'T']) {
            "" => Some(date),
            time => Some(date + of_day(time)?),
        }
    }

    /// Reads a date without a time of day as year, month and day; `None` for any other text.
    fn date(self, text: &str) -> Option<(i64, i64, i64)> {
        let parts: Vec<&str> = text
            .split(['/', '.', '-', ' ', ','])
            .filter(|part| !part.is_empty())
            .collect();
        let [first, second, third] = parts[..] else {
            return None;
        };
        let (year, month, day) = match self {
            Self::Iso => return None,
            Self::YearFirst => (first, second, third),
            Self::DayFirst => (third, second, first),
            Self::MonthFirst => (third, first, second),
        };
        let is_named = month.bytes().all(|byte| byte.is_ascii_alphabetic());
        let month = match is_named {
            true => named_month(month)?,
            false => number(month, 2)?,
        };
        let separators: Vec<char> = text
            .chars()
            .filter(|letter| !letter.is_ascii_alphanumeric())
            .collect();
        // Without the name of a month, both separators are the same mark: `10.03.2024`, but not `10 03 2024` or `10.03-2024`.
        let fits = is_named
            || matches!(separators[..], [one, other] if one == other && "/.-".contains(one));
        let (year, day) = (
            number(year, 4).filter(|year| *year >= 1000)?,
            number(day, 2)?,
        );
        let exists = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        (fits && exists).then_some((year, month, day))
    }
}

const DAY: i64 = 86_400_000_000;

/// Parses a whole number of at most `most` digits.
fn number(text: &str, most: usize) -> Option<i64> {
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

/// The number of a month, from its English name or the first three letters of it.
fn named_month(text: &str) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let text = text.to_ascii_lowercase();
    let is = |name: &str| text == name || (text.len() == 3 && name.starts_with(&text));
    let position = NAMES.iter().position(|name| is(name))?;
    Some(position as i64 + 1)
}

/// Reads a time of day such as `6:05`, `18:05:30.25` or `6:05 PM` as microseconds since midnight; `None` for any other text.
fn of_day(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim_end(), Some(0)),
        (_, Some(clock)) => (clock.trim_end(), Some(12)),
        _ => (upper.as_str(), None),
    };
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2)?;
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        None if hour < 24 => hour,
        _ => return None,
    };
    let minute = parts.next().filter(|minute| minute.len() == 2)?;
    let minute = number(minute, 2).filter(|minute| *minute < 60)?;
    let seconds = match parts.next() {
        None => 0,
        Some(text) => microseconds(text)?,
    };
    match parts.next() {
        None => Some((hour * 3600 + minute * 60) * 1_000_000 + seconds),
        Some(_) => None,
    }
}

/// Reads seconds such as `30` or `30.25` as microseconds, rounded down; `None` for any other text.
fn microseconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds = number(whole, 2).filter(|second| whole.len() == 2 && *second <= 60)?;
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let micros: i64 = is_fraction.then(|| format!("{fraction:0<6.6}").parse().ok())??;
    Some(seconds * 1_000_000 + micros)
}

/// Parses an ISO 8601 date, or date and time, into microseconds since 1970-01-01T00:00. If the text has a time zone, the time is converted to UTC.
/// `None` for any other text.
///
/// Format: `YYYY-MM-DD`, optionally followed by `T` or a space and `HH:MM`, then optionally `:SS`, a decimal fraction, and `Z` or `±HH:MM`.
pub(crate) fn iso(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range)?.iter().try_fold(0_i64, |sum, b| {
            b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0'))
        })
    };
    let at = |index: usize, wanted: u8| bytes.get(index) == Some(&wanted);
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    if !at(4, b'-')
        || !at(7, b'-')
        || !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
    {
        return None;
    }
    let date = days_from_civil(year, month, day) * 86_400_000_000;
    if bytes.len() == 10 {
        return Some(date);
    }
    let (hour, minute) = (digits(11..13)?, digits(14..16)?);
    if !(at(10, b'T') || at(10, b' ')) || !at(13, b':') || hour > 23 || minute > 59 {
        return None;
    }
    let mut clock = (hour * 3600 + minute * 60) * 1_000_000;
    let mut rest = 16;
    if at(16, b':') {
        let second = digits(17..19).filter(|second| *second <= 60)?;
        clock += second * 1_000_000;
        rest = 19;
        if at(19, b'.') {
            let end = 20
                + bytes[20..]
                    .iter()
                    .take_while(|b| b.is_ascii_digit())
                    .count();
            clock += format!(
                "{:0<6.6}",
                text.get(20..end).filter(|fraction| !fraction.is_empty())?
            )
            .parse::<i64>()
            .ok()?;
            rest = end;
        }
    }
    Some(date + clock - zone(text.get(rest..)?)?)
}

/// Reads the end of a time: its offset from UTC in microseconds, 0 for `Z` or an empty text. `None` for any other text.
fn zone(text: &str) -> Option<i64> {
    let sign = match text.as_bytes() {
        [] | [b'Z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    if hours.len() != 2
        || minutes.len() != 2
        || !hours
            .bytes()
            .chain(minutes.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60_000_000)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's `days_from_civil`).
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Writes microseconds since 1970 as `YYYY-MM-DD HH:MM`, rounded down to the minute.
///
/// ```
/// assert_eq!(limbeck_data::dates::minute(1_709_231_400_000_000), "2024-02-29 18:30");
/// ```
#[must_use]
pub fn minute(microseconds: i64) -> String {
    let minutes = microseconds.div_euclid(60_000_000);
    let seconds = minutes * 60;
    let (year, month) = (
        DatePart::Year.of(seconds) as i64,
        DatePart::Month.of(seconds) as i64,
    );
    let day = minutes.div_euclid(1440) - days_from_civil(year, month, 1) + 1;
    let minute = minutes.rem_euclid(1440);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        minute / 60,
        minute % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_reads_iso_forms() {
        // date -u -d '2004-03-10 18:00' +%s = 1078941600
        let seconds = 1_078_941_600_000_000;
        assert_eq!(iso("2004-03-10 18:00"), Some(seconds));
        assert_eq!(iso("2004-03-10T18:00:00Z"), Some(seconds));
        assert_eq!(iso("2004-03-10T20:00:00.25+02:00"), Some(seconds + 250_000));
        assert_eq!(iso("2004-03-10T18:00:00.1234567"), Some(seconds + 123_456));
        assert_eq!(iso("1970-01-01"), Some(0));
        assert_eq!(iso("1969-12-31"), Some(-86_400_000_000));
    }

    #[test]
    fn iso_rejects_texts_that_are_not_dates() {
        for text in [
            "2004-13-01",
            "2003-02-29",
            "2004-3-10",
            "2004-03-10T25:00",
            "2004-03-10x18:00",
            "12",
            "2004-03-10T18:00:00.",
            "2004-03-10T18:00+2",
            "é004-03-10",
        ] {
            assert_eq!(iso(text), None, "{text}");
        }
    }

    #[test]
    fn other_orders_are_read() {
        use DateOrder::{DayFirst, MonthFirst, YearFirst};
        // date -u -d '2004-03-10 18:00' +%s = 1078941600
        let seconds = 1_078_941_600_000_000;
        for (order, text) in [
            (YearFirst, "2004/3/10 18:00"),
            (YearFirst, "2004.03.10 18:00:00"),
            (DayFirst, "10.03.2004 18:00"),
            (DayFirst, "10/3/2004T18:00"),
            (DayFirst, "10-Mar-2004 6:00 PM"),
            (DayFirst, "10 March 2004, 18:00"),
            (MonthFirst, "03/10/2004 18:00"),
            (MonthFirst, "3/10/2004 6:00:00.000PM"),
            (MonthFirst, "Mar 10, 2004 6:00 pm"),
        ] {
            assert_eq!(order.read(text), Some(seconds), "{text}");
        }
        assert_eq!(
            MonthFirst.read("3/10/2004 12:30 AM"),
            iso("2004-03-10 00:30")
        );
        assert_eq!(
            MonthFirst.read("3/10/2004 12:30 PM"),
            iso("2004-03-10 12:30")
        );
        assert_eq!(DayFirst.read("1.2.2024"), iso("2024-02-01"));
    }

    #[test]
    fn orders_reject_texts_that_are_not_dates() {
        use DateOrder::{DayFirst, MonthFirst, YearFirst};
        for text in [
            "",
            "12",
            "10.03",
            "10.3.24",
            "1.2.3",
            "10.03-2024",
            "10 03 2024",
            "30.2.2024",
            "13/13/2024",
            "10.03.2024 25:00",
            "10.03.2024 1",
            "10.03.2024 13:00 PM",
            "10.03.2024 10:5",
            "x/y/2024",
            "10-Maz-2024",
            "10.03.2024.1",
            "192.168.2024",
            "10.03.2024 10:05:",
            "é.03.2024",
        ] {
            for order in [YearFirst, DayFirst, MonthFirst] {
                assert_eq!(order.read(text), None, "{text}");
            }
        }
    }

    #[test]
    fn a_column_has_one_order() {
        let of = |texts: &[&str]| DateOrder::of(texts.iter().map(|text| (*text, 1)));
        assert_eq!(of(&["2024-03-10", "x"]), Some(DateOrder::Iso));
        assert_eq!(of(&["3/10/2024", "3/25/2024"]), Some(DateOrder::MonthFirst));
        assert_eq!(of(&["10/3/2024", "25/3/2024"]), Some(DateOrder::DayFirst));
        // Without a number above 12, the order is unclear. If day and month are equal in all dates, a later table could be misread.
        assert_eq!(of(&["3/10/2024", "4/10/2024"]), None);
        assert_eq!(of(&["3/3/2024", "4/4/2024"]), None);
        assert_eq!(of(&["x"]), None);
        // A text that occurs in no cell has no influence.
        assert_eq!(
            DateOrder::of([("3/10/2024", 2), ("25/3/2024", 0)].into_iter()),
            None
        );
    }

    #[test]
    fn dates_are_shown_to_the_minute() {
        assert_eq!(minute(0), "1970-01-01 00:00");
        // 2024-02-29T18:30:00Z is 1 709 231 400 s.
        assert_eq!(minute(1_709_231_400_000_000), "2024-02-29 18:30");
        assert_eq!(minute(-1), "1969-12-31 23:59");
        assert_eq!(minute(-62_135_596_800_000_000), "0001-01-01 00:00");
    }
}
