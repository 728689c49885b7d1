//! Parts of a date, computed from whole seconds.

use alloc::string::String;
use core::f64::consts::TAU;
use serde::{Deserialize, Serialize};

/// The number of seconds that marks a missing date.
pub const MISSING_TIME: i64 = i64::MIN;

const DAY: i64 = 86_400;
/// Mean length of a year in the Julian calendar, in days.
const YEAR: f64 = 365.25;

/// A part of a date (with time of day, in UTC) that is used as a number. The calendar is the proleptic Gregorian one.
///
/// # Formula
///
/// With `s` the seconds since 1970-01-01T00:00 UTC, `t = s mod 86400` the second of the day and `d` the day of the year, from 0:
///
/// | part | value |
/// |---|---|
/// | `Elapsed` | `s / 86400`, in days |
/// | `Year`, `Month`, `Weekday` | the year; 1 to 12; 0 (Monday) to 6 |
/// | `Hour` | `t / 3600`, from 0 up to 24 |
/// | `YearSin`, `YearCos` | sine and cosine of `2π d / 365.25` |
/// | `DaySin`, `DayCos` | sine and cosine of `2π t / 86400` |
///
/// The calendar is computed with 64-bit integers; only the last step uses floats, so no second is lost to rounding.
///
/// # Source
///
/// The calendar follows `civil_from_days` of Howard Hinnant, *chrono-Compatible Low-Level Date Algorithms*.
///
/// ```
/// use limbeck_runtime::DatePart;
///
/// let noon = 1_078_920_000; // 2004-03-10T12:00:00Z, a Wednesday
/// assert_eq!(DatePart::Month.of(noon), 3.0);
/// assert_eq!(DatePart::Weekday.of(noon), 2.0);
/// assert_eq!(DatePart::Hour.of(noon), 12.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// Days since 1970, with a fraction.
    Elapsed,
    /// The year.
    Year,
    /// The month: 1 to 12.
    Month,
    /// The day of the week: 0 (Monday) to 6 (Sunday).
    Weekday,
    /// Hours since midnight, with a fraction.
    Hour,
    /// Sine of the day of the year as an angle: `sin(2π d / 365.25)`, with `d` from 0.
    YearSin,
    /// Cosine of the day of the year as an angle: `cos(2π d / 365.25)`, with `d` from 0.
    YearCos,
    /// Sine of the time of day as an angle: `sin(2π t / 86400)`, with `t` in seconds.
    DaySin,
    /// Cosine of the time of day as an angle: `cos(2π t / 86400)`, with `t` in seconds.
    DayCos,
}

/// Where the numbers of an input column come from: they are one part (such as the month) of each date in a date column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateSource {
    /// Name of the date column in the table.
    pub column: String,
    /// The part of the date.
    pub part: DatePart,
}

impl DatePart {
    /// All parts of a date, in the order of the columns that are made from them.
    pub const ALL: [Self; 9] = [
        Self::Elapsed,
        Self::Year,
        Self::Month,
        Self::Weekday,
        Self::Hour,
        Self::YearSin,
        Self::YearCos,
        Self::DaySin,
        Self::DayCos,
    ];

    /// Name of the part, used in column names such as `pickup.month`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elapsed => "elapsed",
            Self::Year => "year",
            Self::Month => "month",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
            Self::YearSin => "year_sin",
            Self::YearCos => "year_cos",
            Self::DaySin => "day_sin",
            Self::DayCos => "day_cos",
        }
    }

    /// What the numbers of the part mean: their unit or range.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Elapsed => "days since 1970",
            Self::Year => "the year",
            Self::Month => "1 to 12",
            Self::Weekday => "0 Monday to 6 Sunday",
            Self::Hour => "0 to 24",
            Self::YearSin => "sine of the day in the year",
            Self::YearCos => "cosine of the day in the year",
            Self::DaySin => "sine of the time of day",
            Self::DayCos => "cosine of the time of day",
        }
    }

    /// Computes the part from seconds since 1970 (UTC); NaN for [`MISSING_TIME`].
    pub fn of(self, seconds: i64) -> f64 {
        if seconds == MISSING_TIME {
            return f64::NAN;
        }
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        match self {
            Self::Elapsed => seconds as f64 / DAY as f64,
            Self::Year => Civil::of(days).year as f64,
            Self::Month => Civil::of(days).month as f64,
            // 1970-01-01 was a Thursday.
            Self::Weekday => (days + 3).rem_euclid(7) as f64,
            Self::Hour => second as f64 / 3600.0,
            Self::YearSin => libm::sin(TAU * (Civil::of(days).day_of_year as f64 / YEAR)),
            Self::YearCos => libm::cos(TAU * (Civil::of(days).day_of_year as f64 / YEAR)),
            Self::DaySin => libm::sin(TAU * (second as f64 / DAY as f64)),
            Self::DayCos => libm::cos(TAU * (second as f64 / DAY as f64)),
        }
    }
}

/// A day in the proleptic Gregorian calendar.
struct Civil {
    year: i64,
    month: i64,
    /// Day of the year, from 0.
    day_of_year: i64,
}

impl Civil {
    /// The calendar day that is `days` after 1970-01-01.
    fn of(days: i64) -> Self {
        // Eras of 400 years, years from March on, so that the leap day is the last of a year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day = shifted.rem_euclid(146_097);
        let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day_from_march = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march = (5 * day_from_march + 2) / 153;
        let is_early = march >= 10;
        let year = year_of_era + era * 400 + i64::from(is_early);
        let is_leap =
            year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        let day_of_year = match is_early {
            true => day_from_march - 306,
            false => day_from_march + 59 + i64::from(is_leap),
        };
        Self {
            year,
            month: if is_early { march - 9 } else { march + 3 },
            day_of_year,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_calendar() {
        // `date -u -d … +'%s %Y %m %u %j'`, with weekdays and days of the year counted from 0 here.
        for (seconds, year, month, weekday, day) in [
            (0, 1970, 1, 3, 0),
            (-1, 1969, 12, 2, 364),
            (951_782_400, 2000, 2, 1, 59),
            (951_868_800, 2000, 3, 2, 60),
            (1_078_920_000, 2004, 3, 2, 69),
            (4_107_542_400, 2100, 3, 0, 59),
            (-2_203_977_600, 1900, 2, 2, 58),
            (1_735_603_200, 2024, 12, 1, 365),
        ] {
            let parts =
                [DatePart::Year, DatePart::Month, DatePart::Weekday].map(|part| part.of(seconds));
            assert_eq!(
                parts,
                [f64::from(year), f64::from(month), f64::from(weekday)],
                "{seconds}"
            );
            let angle = TAU * f64::from(day) / 365.25;
            assert!(
                (DatePart::YearSin.of(seconds) - angle.sin()).abs() < 1e-12,
                "{seconds}"
            );
            assert!(
                (DatePart::YearCos.of(seconds) - angle.cos()).abs() < 1e-12,
                "{seconds}"
            );
        }
    }

    #[test]
    fn the_time_of_day_keeps_every_second() {
        let seconds = 1_078_941_605; // 2004-03-10T18:00:05Z
        assert_eq!(DatePart::Hour.of(seconds), 18.0 + 5.0 / 3600.0);
        assert!((DatePart::DaySin.of(seconds) + 1.0).abs() < 1e-6);
        assert!((DatePart::DayCos.of(0) - 1.0).abs() < 1e-12);
        assert_eq!(DatePart::Elapsed.of(-43_200), -0.5);
    }

    #[test]
    fn extremes_do_not_overflow_and_missing_is_nan() {
        for part in DatePart::ALL {
            assert!(part.of(MISSING_TIME).is_nan());
            assert!(
                part.of(i64::MAX).is_finite() && part.of(i64::MIN + 1).is_finite(),
                "{part:?}"
            );
        }
    }
}
