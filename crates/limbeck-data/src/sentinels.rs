//! Finds numbers that mean *missing* because they are far from all other values of their column: −999 for *not measured*, 65535 from a sensor
//! without power, a spike of 1e12. The student's file contains these numbers, so that a student reads them as missing, too.
//!
//! The *body* is all other values of the column, `width` is the distance from its lowest to its highest value, and `gap` is the distance of a
//! value from the body.
//!
//! - A *sentinel* is the lowest or highest value. It occurs at least 3 times and in at least 0.05 % of the rows. Either it looks like a marker (−999,
//!   9999, 65535, 1e20, …) and `gap > 3 width`, or `gap > 20 width` and the body has at least 10 different values. Or it is −99, −999, … and the only
//!   negative number beside at least 10 different values. A sentinel means *missing*.
//! - *Spikes* are the lowest or highest values. Together they are in at most 0.5 % of the rows (or in one row), `gap > 20 width`, and the body
//!   has at least 10 different values. All numbers beyond the middle of the gap mean *missing*.
//!
//! Zero is never a sentinel: in many columns it is a valid value far from all others.

use limbeck_runtime::MissingNumbers;

use crate::figures::short;
use crate::table::cells;

/// A number that looks like a marker is a sentinel if it is further from the body (all other values of the column) than this many widths of the body.
/// The width is the highest value of the body minus the lowest.
const MARKER_GAP: f64 = 3.0;
/// Any other number is a sentinel or a spike only if it is further from the body (all other values of the column) than this many widths of the body.
/// The width is the highest value of the body minus the lowest.
const ANY_GAP: f64 = 20.0;
/// Smallest number of different values in the body (all other values of the column). It applies to all spikes and sentinels, except a sentinel that
/// looks like a marker and has a gap of more than [`MARKER_GAP`].
const FEWEST_IN_BODY: usize = 10;
/// A number is a sentinel only if it occurs in at least this many cells.
const FEWEST_CELLS: usize = 3;
/// A number is a sentinel only if it occurs in at least this share of the column's cells that have a value.
const LEAST_SHARE: f64 = 0.0005;
/// A group of spikes (values far below or far above all others) has at most this share of the column's cells that have a value. A single cell is always
/// allowed.
const MOST_SPIKES: f64 = 0.005;

/// The sentinels and spikes of a column: numbers that mean *missing*, because they do not fit the other values. A sentinel is one such number that
/// occurs in several cells. Spikes are all numbers beyond a bound, in few cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Apart {
    /// Sentinels, each with its number of cells.
    pub(crate) sentinels: Vec<(f64, usize)>,
    /// The bound below which all values are spikes, and the number of cells with such values; `None` if no values are spikes at the low end.
    pub(crate) below: Option<(f64, usize)>,
    /// The bound above which all values are spikes, and the number of cells with such values; `None` if no values are spikes at the high end.
    pub(crate) above: Option<(f64, usize)>,
    /// Lowest and highest value of the body (all values that are neither sentinels nor spikes).
    pub(crate) body: (f64, f64),
}

impl Apart {
    /// Finds sentinels and spikes among the values of training and validation rows. NaN is ignored.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut column = Counted::of(values);
        let mut found = Self::default();
        while column.take_one(&mut found) {}
        if let (Some(first), Some(last)) = (column.values.first(), column.values.last()) {
            found.body = (first.0, last.0);
        }
        found
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sentinels.is_empty() && self.below.is_none() && self.above.is_none()
    }

    /// The numbers that mean *missing*.
    pub(crate) fn missing(&self) -> MissingNumbers {
        MissingNumbers {
            values: self.sentinels.iter().map(|(value, _)| *value).collect(),
            below: self.below.map(|(bound, _)| bound),
            above: self.above.map(|(bound, _)| bound),
        }
    }

    /// Describes what was found: `−999 (12 cells), 3 cells above 50000`.
    pub(crate) fn words(&self) -> String {
        let sentinels = self
            .sentinels
            .iter()
            .map(|(value, count)| format!("{value} ({})", cells(*count)));
        let spikes = |bound: Option<(f64, usize)>, side: &'static str| {
            bound.map(|(bound, count)| format!("{} {side} {}", cells(count), short(bound)))
        };
        let all: Vec<String> = sentinels
            .chain(spikes(self.below, "below"))
            .chain(spikes(self.above, "above"))
            .collect();
        all.join(", ")
    }
}

/// The different values of a column in ascending order, each with its number of cells.
struct Counted {
    values: Vec<(f64, usize)>,
    cells: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Low,
    High,
}

impl Counted {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
        all.sort_unstable_by(f64::total_cmp);
        let mut counted: Vec<(f64, usize)> = Vec::new();
        for value in &all {
            match counted.last_mut() {
                Some((last, cells)) if last.total_cmp(value).is_eq() => *cells += 1,
                _ => counted.push((*value, 1)),
            }
        }
        Self {
            values: counted,
            cells: all.len(),
        }
    }

    /// Moves one sentinel, one group of spikes, or a pair of sentinels from the ends of the column to `found`. Returns false if there is none.
    fn take_one(&mut self, found: &mut Apart) -> bool {
        [End::High, End::Low]
            .into_iter()
            .any(|end| self.take_sentinel(end, found) || self.take_spikes(end, found))
            || self.take_pair(found)
    }

    /// Splits the `taken` outermost values off one end. Returns `None` if fewer than two values would be left.
    fn cut(&self, end: End, taken: usize) -> Option<Cut<'_>> {
        let n = self.values.len();
        if taken + 2 > n {
            return None;
        }
        let (apart, body) = match end {
            End::Low => self.values.split_at(taken),
            End::High => {
                let (body, apart) = self.values.split_at(n - taken);
                (apart, body)
            }
        };
        let (first, last) = (body[0].0, body[body.len() - 1].0);
        // `nearest` is the split-off value next to the body, and `edge` is the value of the body next to it.
        let (nearest, edge) = match end {
            End::Low => (apart[taken - 1].0, first),
            End::High => (apart[0].0, last),
        };
        // Distances are computed from halved values, because the distance of two huge numbers can overflow.
        Some(Cut {
            apart,
            body,
            edge,
            nearest,
            gaps: (nearest / 2.0 - edge / 2.0).abs() / (last / 2.0 - first / 2.0),
        })
    }

    fn take_sentinel(&mut self, end: End, found: &mut Apart) -> bool {
        let Some(cut) = self.cut(end, 1) else {
            return false;
        };
        let (value, gaps) = (cut.apart[0], cut.gaps);
        let is_one = self.is_sentinel(value, gaps, cut.body);
        if is_one {
            found.sentinels.push(value);
            self.remove(end, 1);
        }
        is_one
    }

    /// Moves one sentinel from each end to `found` at the same time. One by one, −9999 and 9999 would not be found, because each would count as part
    /// of the body of the other, which would then be wide. Returns false if there is no such pair.
    fn take_pair(&mut self, found: &mut Apart) -> bool {
        let [low, body @ .., high] = &self.values[..] else {
            return false;
        };
        let (Some(first), Some(last)) = (body.first(), body.last()) else {
            return false;
        };
        let (low, high) = (*low, *high);
        let width = last.0 / 2.0 - first.0 / 2.0;
        let gaps = [
            (low, (first.0 / 2.0 - low.0 / 2.0) / width),
            (high, (high.0 / 2.0 - last.0 / 2.0) / width),
        ];
        let both = gaps
            .iter()
            .all(|(value, gaps)| self.is_sentinel(*value, *gaps, body));
        if both {
            found.sentinels.extend([low, high]);
            self.remove(End::Low, 1);
            self.remove(End::High, 1);
        }
        both
    }

    fn is_sentinel(&self, (value, cells): (f64, usize), gaps: f64, body: &[(f64, usize)]) -> bool {
        let recurs = cells >= FEWEST_CELLS && cells as f64 >= LEAST_SHARE * self.cells as f64;
        let varied = body.len() >= FEWEST_IN_BODY;
        let lone = value < 0.0 && body.first().is_some_and(|(lowest, _)| *lowest >= 0.0);
        let is_far = (varied && gaps > ANY_GAP) || (gaps > MARKER_GAP && looks_like_marker(value));
        recurs && value != 0.0 && (is_far || (varied && lone && is_nines(value)))
    }

    fn take_spikes(&mut self, end: End, found: &mut Apart) -> bool {
        let most = (MOST_SPIKES * self.cells as f64).max(1.0) as usize;
        for taken in 1..=most {
            let Some(cut) = self.cut(end, taken) else {
                return false;
            };
            let cells: usize = cut.apart.iter().map(|(_, cells)| cells).sum();
            if cells > most || cut.body.len() < FEWEST_IN_BODY {
                return false;
            }
            if cut.gaps > ANY_GAP {
                let middle = cut.edge / 2.0 + cut.nearest / 2.0;
                let bound = match end {
                    End::Low => &mut found.below,
                    End::High => &mut found.above,
                };
                *bound = Some((middle, cells + bound.map_or(0, |(_, cells)| cells)));
                self.remove(end, taken);
                return true;
            }
        }
        false
    }

    fn remove(&mut self, end: End, taken: usize) {
        match end {
            End::Low => drop(self.values.drain(..taken)),
            End::High => self.values.truncate(self.values.len() - taken),
        }
    }
}

/// A column with some values split off one end.
struct Cut<'a> {
    apart: &'a [(f64, usize)],
    body: &'a [(f64, usize)],
    /// The value of the body that is nearest to the split-off values.
    edge: f64,
    /// The split-off value that is nearest to the body.
    nearest: f64,
    /// Distance between `edge` and `nearest`, divided by the width of the body (its highest value minus its lowest).
    gaps: f64,
}

/// True for numbers that people and devices use for *missing*: nines, the largest and smallest whole numbers of 8, 16, 32 and 64 bits, powers of ten
/// from 1e6, the fill values of netCDF, and all numbers whose absolute value is at least 1e30.
fn looks_like_marker(value: f64) -> bool {
    const FILLS: [f64; 4] = [9.969_209_968_386_869e36, 9.97e36, 1.7e38, 3.4e38];
    let size = value.abs();
    let near = |other: f64| (size / other - 1.0).abs() < 1e-5;
    let is_whole = size.fract() == 0.0 && size < 1e15;
    let bits = [7, 8, 15, 16, 31, 32, 63, 64].iter().any(|&bits| {
        let power = 2_f64.powi(bits);
        // 128 and 256 are ordinary values; −128 and 2³¹ (rounded up from 2³¹ − 1 as a float) are limits of a type.
        let is_limit = value < 0.0 || bits >= 31;
        (is_limit && near(power)) || (is_whole && (value - (power - 1.0)).abs() < 0.5)
    });
    let power_of_ten = size >= 1e6 && near(10_f64.powf(size.log10().round()));
    is_nines(value) || bits || power_of_ten || FILLS.iter().any(|&fill| near(fill)) || size >= 1e30
}

/// True for 99, −999 and so on. Also true for numbers such as −999.25, if there are at least three nines before the point: a sentinel may have been
/// converted to another unit.
fn is_nines(value: f64) -> bool {
    let size = value.abs();
    let is_whole = size.fract() == 0.0 && size < 1e15;
    let digits = format!("{:.0}", size.trunc());
    digits.bytes().all(|digit| digit == b'9') && digits.len() >= if is_whole { 2 } else { 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Vec<f64> {
        (0..1000).map(|i| f64::from(i % 97) * 0.5 + 1.0).collect()
    }

    fn with(extra: &[f64]) -> Apart {
        Apart::of(body().into_iter().chain(extra.iter().copied()))
    }

    #[test]
    fn repeated_values_far_from_the_body_mean_missing() {
        for value in [
            -999.0, -9999.0, 999.0, 65535.0, -32768.0, 9.97e36, 1e20, 1e12, -999.25,
        ] {
            let found = with(&[value; 10]);
            assert_eq!(found.sentinels, [(value, 10)], "{value}");
            assert_eq!(found.body, (1.0, 49.0));
            assert!(found.missing().holds(value) && !found.missing().holds(20.0));
        }
        // Two sentinels at the upper end, and one at the lower end.
        assert_eq!(
            with(&[[9999.0; 5], [65535.0; 5], [-999.0; 5]].concat())
                .sentinels
                .len(),
            3
        );
    }

    #[test]
    fn nines_mean_missing_as_the_only_negative_number() {
        // The gap is a fraction of the body's width.
        let prices = || (0..500).map(|i| f64::from(i % 97) * 2000.0 + 50_000.0);
        let with = |extra: &[f64]| Apart::of(prices().chain(extra.iter().copied()));
        assert_eq!(with(&[-999.0; 5]).sentinels, [(-999.0, 5)]);
        assert_eq!(with(&[-99.0; 5]).sentinels, [(-99.0, 5)]);
        // Two cells are too few, −9 and −100 do not look like markers.
        for extra in [&[-999.0; 2][..], &[-9.0; 5], &[-100.0; 5]] {
            assert!(with(extra).is_empty(), "{extra:?}");
        }
        // Beside other negative numbers, −999 is a value.
        let losses = (0..500).map(|i| f64::from(i % 97) * 200.0 - 5000.0);
        assert!(Apart::of(losses.chain([-999.0; 5])).is_empty());
    }

    #[test]
    fn bound_of_spikes_is_the_middle_of_the_gap() {
        let found = with(&[1e12]);
        assert_eq!((found.sentinels.len(), found.below), (0, None));
        let (bound, cells) = found.above.unwrap();
        assert_eq!((bound, cells), (1e12 / 2.0 + 24.5, 1));
        assert!(found.words().contains("1 cell above"));
        let both = with(&[1e9, 3e9, -1e7]);
        assert!(both.above.is_some_and(|(_, cells)| cells == 2) && both.below.is_some());
    }

    #[test]
    fn values_near_the_body_and_zeros_are_kept() {
        for extra in [
            &[60.0; 10][..],
            &[150.0; 10],
            &[0.0; 100],
            &[900.0],
            &[98.0; 10],
        ] {
            assert!(with(extra).is_empty(), "{extra:?}");
        }
        // A heavy tail has no gap.
        let tail = (0..2000).map(|i| (f64::from(i) / 100.0).exp());
        assert!(Apart::of(tail).is_empty());
        // Zeros are valid values, even far below all others.
        assert!(
            Apart::of((0..300).map(|i| if i % 3 == 0 { 0.0 } else { 1e6 + f64::from(i) }))
                .is_empty()
        );
        // If the body has few different values, only markers are sentinels.
        let few = |odd: f64| {
            Apart::of((0..300).map(move |i| if i % 30 == 0 { odd } else { f64::from(i % 4) }))
        };
        assert_eq!(few(99.0).sentinels, [(99.0, 10)]);
        assert!(few(70.0).is_empty());
        // 128 and 256 are not limits of a type; 127 and −128 are.
        assert!(few(128.0).is_empty() && few(256.0).is_empty());
        assert_eq!(few(127.0).sentinels, [(127.0, 10)]);
        assert_eq!(few(-128.0).sentinels, [(-128.0, 10)]);
        assert!(
            Apart::of(std::iter::empty()).is_empty() && Apart::of([1.0; 9].into_iter()).is_empty()
        );
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let found = Apart::of(body().into_iter().chain([f64::MAX; 5]).chain([f64::MIN; 5]));
        assert_eq!(found.sentinels.len(), 2);
        assert_eq!(
            with(&[[9999.0; 5], [-9999.0; 5]].concat()).sentinels.len(),
            2
        );
    }
}
