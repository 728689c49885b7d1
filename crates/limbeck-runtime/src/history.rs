//! Numbers computed from earlier rows of a series: lags, differences, and statistics of the last rows.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

use crate::{MissingNumbers, Regimes};

/// Maximum number of rows that a [`Look`] looks back.
const MOST_ROWS: u32 = 100_000;

/// A statistic of the current row and of earlier rows of one column.
///
/// Its text, such as `lag24` or `mean7`, is its kind and its number of rows.
///
/// # Formula
///
/// `x_0` is the value of the current row, and `x_k` the value `k` rows before it in the same series; `n` is the number of rows.
///
/// | text | value |
/// |---|---|
/// | `lagN` | `x_n` |
/// | `diffN` | `x_0 − x_n`, also called *momentum* |
/// | `rocN` | rate of change, `x_0 / x_n − 1` |
/// | `logretN` | log return, `ln(x_0 / x_n)` |
/// | `emaN` | exponential moving average of `x_0 … x_{4n−1}`: mean with the weights `(1 − 2 / (n + 1))^k` |
/// | `macdN` | moving average convergence divergence, `ema_n − ema_m` with `m = ⌊13 n / 6⌋`; `macd12` is the usual one of 12 and 26 rows |
/// | `meanN`, `minN`, `maxN` | mean, minimum and maximum of `x_0 … x_{n−1}` |
/// | `stdN` | sample standard deviation of `x_0 … x_{n−1}`, with `n − 1` in the denominator |
/// | `slopeN` | slope of the least-squares line through `x_0 … x_{n−1}`, per row |
/// | `volN` | volatility: the sample standard deviation of the `n` log returns `ln(x_k / x_{k+1})`, `k = 0 … n − 1` |
/// | `rsiN` | relative strength index, `100 G / (G + L)`: `G` is the sum of the rises among the `n` differences `x_k − x_{k+1}`, and `L` that of the falls; 50 if both are 0 |
///
/// # Missing values
///
/// A lag, a difference, a rate or a return is missing if one of its values is missing. The other statistics use the known values only; so they also
/// exist in the first rows of a series. They are missing without a known value (`mean`, `min`, `max`, `ema`, `macd`), without a known difference (`rsi`), and with
/// fewer than two known values or returns (`std`, `slope`, `vol`). A division by 0 and the logarithm of a number that is not positive are missing.
///
/// # Source
///
/// `rsi` is Cutler's variant, which uses plain sums in place of the exponential averages of J. W. Wilder, *New Concepts in Technical Trading
/// Systems*, 1978. So it depends on the last `n + 1` rows only. `macd` is that of G. Appel, *The Moving Average Convergence Divergence Trading
/// Method*, 1979. An exponential average has no last row; here it ends after `4 n` rows, where less than a thousandth of the weights is left.
///
/// ```
/// use limbeck_runtime::Look;
///
/// let look: Look = "mean7".parse()?;
/// assert_eq!(look.to_string(), "mean7");
/// assert_eq!(look.depth(), 7);
/// assert!("mean0".parse::<Look>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Look {
    /// Which statistic.
    pub kind: LookKind,
    /// Number of rows, `n` in the formulas; at least 1.
    pub rows: u32,
}

/// The statistics that a [`Look`] can compute; the table there has their formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookKind {
    /// An earlier value.
    Lag,
    /// Difference from an earlier value.
    Diff,
    /// Rate of change since an earlier value.
    Roc,
    /// Log return since an earlier value.
    LogReturn,
    /// Exponential moving average.
    Ema,
    /// Difference of a fast and a slow exponential moving average.
    Macd,
    /// Mean of the last values.
    Mean,
    /// Sample standard deviation of the last values.
    Std,
    /// Minimum of the last values.
    Min,
    /// Maximum of the last values.
    Max,
    /// Slope of a straight line through the last values.
    Slope,
    /// Standard deviation of the last log returns.
    Volatility,
    /// Relative strength index.
    Rsi,
}

impl LookKind {
    /// All kinds, in the order of the table of [`Look`].
    pub const ALL: [Self; 13] = [
        Self::Lag,
        Self::Diff,
        Self::Roc,
        Self::LogReturn,
        Self::Ema,
        Self::Macd,
        Self::Mean,
        Self::Min,
        Self::Max,
        Self::Std,
        Self::Slope,
        Self::Volatility,
        Self::Rsi,
    ];

    /// Name of the statistic, such as `mean`. With a number of rows behind it, it is the text of a [`Look`]: `mean7`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lag => "lag",
            Self::Diff => "diff",
            Self::Roc => "roc",
            Self::LogReturn => "logret",
            Self::Ema => "ema",
            Self::Macd => "macd",
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Slope => "slope",
            Self::Volatility => "vol",
            Self::Rsi => "rsi",
        }
    }

    /// True if the kind compares a value with the value before it, or with the value `n` rows before it, so that it needs `n + 1` rows.
    fn compares(self) -> bool {
        match self {
            Self::Lag | Self::Diff | Self::Roc | Self::LogReturn | Self::Volatility | Self::Rsi => {
                true
            }
            Self::Ema
            | Self::Macd
            | Self::Mean
            | Self::Std
            | Self::Min
            | Self::Max
            | Self::Slope => false,
        }
    }
}

impl Look {
    /// Number of rows that are needed, with the current row.
    pub fn depth(self) -> usize {
        let rows = self.rows as usize;
        match self.kind {
            LookKind::Ema => SPANS * rows,
            LookKind::Macd => SPANS * slow(rows),
            _ => rows + usize::from(self.kind.compares()),
        }
    }

    /// The value of the statistic; NaN if it is missing. `x(k)` is the value `k` rows before the current row; NaN if there is no such row, or if the
    /// value is missing.
    pub fn of(self, x: impl Fn(usize) -> f64 + Copy) -> f64 {
        let n = self.rows as usize;
        let value = match self.kind {
            LookKind::Lag => x(n),
            LookKind::Diff => x(0) - x(n),
            LookKind::Roc => x(0) / x(n) - 1.0,
            LookKind::LogReturn => log_return(x(0), x(n)),
            LookKind::Ema => ema(n, x),
            LookKind::Macd => ema(n, x) - ema(slow(n), x),
            LookKind::Mean => mean((0..n).rev().map(x)),
            LookKind::Min => (0..n).map(x).fold(f64::NAN, f64::min),
            LookKind::Max => (0..n).map(x).fold(f64::NAN, f64::max),
            LookKind::Std => std((0..n).rev().map(x)),
            LookKind::Slope => slope(n, x),
            LookKind::Volatility => std((0..n).rev().map(|k| log_return(x(k), x(k + 1)))),
            LookKind::Rsi => rsi(n, x),
        };
        if value.is_finite() { value } else { f64::NAN }
    }
}

fn log_return(new: f64, old: f64) -> f64 {
    if new > 0.0 && old > 0.0 {
        libm::log(new / old)
    } else {
        f64::NAN
    }
}

/// Mean of the known values; NaN if there are none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum) = (0.0, 0.0);
    for value in values.filter(|value| !value.is_nan()) {
        count += 1.0;
        sum += value;
    }
    sum / count
}

/// An exponential moving average of span `n` reads this many times `n` rows.
const SPANS: usize = 4;

/// The span of the slow average of `macd`, whose fast one has span `n`.
fn slow(n: usize) -> usize {
    13 * n / 6
}

/// Exponential moving average of the known values; NaN if there are none.
fn ema(n: usize, x: impl Fn(usize) -> f64) -> f64 {
    let keep = 1.0 - 2.0 / (n as f64 + 1.0);
    let (mut weights, mut sum) = (0.0, 0.0);
    for x in (0..SPANS * n).rev().map(x) {
        let (one, x) = if x.is_nan() { (0.0, 0.0) } else { (1.0, x) };
        weights = keep * weights + one;
        sum = keep * sum + x;
    }
    sum / weights
}

/// Sample standard deviation of the known values; NaN if there are fewer than two.
fn std(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let center = mean(values.clone());
    let (mut count, mut sum) = (0.0, 0.0);
    for value in values.filter(|value| !value.is_nan()) {
        count += 1.0;
        sum += (value - center) * (value - center);
    }
    if count < 2.0 {
        return f64::NAN;
    }
    libm::sqrt(sum / (count - 1.0))
}

/// Slope of the least-squares line through the known values, per row; NaN if there are fewer than two.
fn slope(n: usize, x: impl Fn(usize) -> f64 + Copy) -> f64 {
    let known = || (0..n).rev().map(|k| (k, x(k))).filter(|(_, x)| !x.is_nan());
    let center = mean(known().map(|(_, x)| x));
    let middle = mean(known().map(|(k, _)| k as f64));
    let (mut both, mut own) = (0.0, 0.0);
    for (k, x) in known() {
        let distance = middle - k as f64;
        both += distance * (x - center);
        own += distance * distance;
    }
    both / own
}

fn rsi(n: usize, x: impl Fn(usize) -> f64) -> f64 {
    let (mut known, mut rises, mut falls) = (false, 0.0, 0.0);
    for k in (0..n).rev() {
        let change = x(k) - x(k + 1);
        known |= !change.is_nan();
        rises += change.max(0.0);
        falls += (-change).max(0.0);
    }
    match (known, rises + falls > 0.0) {
        (false, _) => f64::NAN,
        (true, false) => 50.0,
        (true, true) => 100.0 * rises / (rises + falls),
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.name(), self.rows)
    }
}

impl From<Look> for String {
    fn from(look: Look) -> Self {
        format!("{look}")
    }
}

impl TryFrom<String> for Look {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Look {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let kind = LookKind::ALL.into_iter().find(|kind| kind.name() == name);
        let rows = text[name.len()..].parse().ok();
        let fits = |rows: &u32| (1..=MOST_ROWS).contains(rows);
        match (kind, rows.filter(fits)) {
            (Some(kind), Some(rows)) => Ok(Self { kind, rows }),
            (Some(_), None) => Err(format!(
                "found `{text}`, expected `{name}` and a number of rows from 1 to {MOST_ROWS}, such as `{name}7`"
            )),
            (None, _) => {
                let names = LookKind::ALL.map(|kind| format!("{}N", kind.name()));
                Err(format!(
                    "found `{text}`, expected one of {} with a number of rows in place of N, such as `lag1`",
                    names.join(", ")
                ))
            }
        }
    }
}

/// Where the numbers of an input column come from: they are a statistic of the current row and of earlier rows of one column of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySource {
    /// Name of the number column in the table.
    pub column: String,
    /// The statistic.
    pub look: Look,
    /// Numbers of the column that mean *missing*.
    #[serde(default, skip_serializing_if = "MissingNumbers::is_empty")]
    pub missing: MissingNumbers,
}

/// A column by which rows are assigned to series, or ordered in a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyColumn {
    /// Name of the column in the table.
    pub name: String,
    /// What its cells are.
    pub kind: KeyKind,
}

/// What the cells of a [`KeyColumn`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Numbers.
    Number,
    /// Texts.
    Text,
    /// Dates.
    Date,
}

/// How the rows of a table form series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Rows with the same values in these columns belong to the same series. If the list is empty, all rows are one series.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<KeyColumn>,
    /// The column that orders the rows of a series: numbers or dates.
    pub time: KeyColumn,
    /// Maximum difference of the times of neighboring rows, in seconds for dates and in the column's own unit for numbers. A longer step is a gap: the
    /// rows after it are a new series. `None` if steps of any length are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_step: Option<f64>,
    /// The student predicts the target this number of rows later; 0 if it predicts the target of the same row. If outputs have horizons of their own
    /// ([`Output::later`](crate::Output::later)), this is the largest of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub horizon: u32,
    /// Which number of the later rows is predicted; of no importance if `horizon` is 0.
    #[serde(default, skip_serializing_if = "Forecast::is_value")]
    pub forecast: Forecast,
    /// True if the graph's outputs, after their transforms, are changes from the present value of the target; the student adds the value of the target's
    /// own column, which is one of its inputs.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub relative: bool,
    /// Maximum number of rows before the present row that a network reads; 0 if none does. Statistics of earlier rows do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows_before: u32,
    /// Operating regimes, by which columns are normalized before anything else is computed of them; `None` if there are none. Features, encoders and
    /// statistics have normalized numbers; the rows of a table and of a [`Stream`](crate::Stream) have plain ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regimes: Option<Regimes>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a forecast predicts. `y_0` is the target of the current row, `y_k` the target `k` rows later, and `h` the horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forecast {
    /// The value at the horizon, `y_h`.
    #[default]
    Value,
    /// The change until the horizon, `y_h − y_0`.
    Change,
    /// The log return until the horizon, `ln(y_h / y_0)`.
    LogReturn,
    /// The mean of the next rows, `(y_1 + … + y_h) / h`.
    Mean,
    /// The sum of the next rows, `y_1 + … + y_h`.
    Sum,
}

impl Forecast {
    /// True for [`Forecast::Value`].
    pub fn is_value(&self) -> bool {
        *self == Self::Value
    }

    /// The predicted number, from the target of the current row and of the next rows, `y_1 … y_h`. NaN if a number is missing, and for the log
    /// return of numbers that are not positive.
    pub fn of(self, now: f64, next: &[f64]) -> f64 {
        let Some(last) = next.last() else {
            return now;
        };
        match self {
            Self::Value => *last,
            Self::Change => last - now,
            Self::LogReturn => log_return(*last, now),
            Self::Mean => next.iter().sum::<f64>() / next.len() as f64,
            Self::Sum => next.iter().sum(),
        }
    }
}

impl Sequence {
    /// The columns that assign rows to series and order them: those of `series`, then `time`.
    pub fn columns(&self) -> impl Iterator<Item = &KeyColumn> {
        self.series.iter().chain([&self.time])
    }

    /// True if a row at the time `next` begins a new series after a row at the time `last`.
    pub fn is_gap(&self, last: f64, next: f64) -> bool {
        self.longest_step
            .is_some_and(|longest| next - last > longest)
    }
}

/// The last rows of the columns that looks need, of one series.
///
/// Memory is bounded by the deepest look of each column.
///
/// ```
/// use limbeck_runtime::{History, HistorySource};
///
/// let source = |look: &str| HistorySource {
///     column: "load".into(),
///     look: look.parse().unwrap(),
///     missing: Default::default(),
/// };
/// let mut history = History::new(&[source("lag1"), source("mean2")]);
/// let rows = [3.0, 5.0, 10.0].map(|load| {
///     history.push(&[load]);
///     [history.value(0), history.value(1)]
/// });
/// assert!(rows[0][0].is_nan());
/// assert_eq!(rows[1..], [[3.0, 4.0], [5.0, 7.5]]);
/// ```
#[derive(Clone, Debug)]
pub struct History {
    columns: Vec<Past>,
    /// For each source, its column among `columns`, and its look.
    looks: Vec<(usize, Look)>,
}

/// The last values of one column, as a ring.
#[derive(Clone, Debug)]
struct Past {
    column: String,
    missing: MissingNumbers,
    /// Number of values to keep.
    depth: usize,
    values: Vec<f64>,
    /// Position of the latest value in `values`.
    latest: usize,
}

impl Past {
    fn push(&mut self, value: f64) {
        if self.values.len() < self.depth {
            self.latest = self.values.len();
            self.values.push(value);
        } else {
            self.latest = (self.latest + 1) % self.depth;
            self.values[self.latest] = value;
        }
    }

    /// The value `back` rows before the latest; NaN if there is none.
    fn get(&self, back: usize) -> f64 {
        let count = self.values.len();
        if back >= count {
            return f64::NAN;
        }
        let at = match self.latest.checked_sub(back) {
            Some(at) => at,
            None => self.latest + count - back,
        };
        self.values[at]
    }
}

impl History {
    /// An empty history for these sources.
    pub fn new<'a>(sources: impl IntoIterator<Item = &'a HistorySource>) -> Self {
        let (mut columns, mut looks) = (Vec::<Past>::new(), Vec::new());
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for source in sources {
            let place = *places.entry(&source.column).or_insert(columns.len());
            if place == columns.len() {
                columns.push(Past {
                    column: source.column.clone(),
                    missing: source.missing.clone(),
                    depth: 1,
                    values: Vec::new(),
                    latest: 0,
                });
            }
            let past = &mut columns[place];
            past.depth = past.depth.max(source.look.depth());
            looks.push((place, source.look));
        }
        Self { columns, looks }
    }

    /// Names of the columns whose values [`push`](Self::push) takes, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|past| past.column.as_str())
    }

    /// For each column, the number of rows that are kept, with the current row.
    pub fn depths(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|past| past.depth)
    }

    /// Adds a row: one number per column, in the order of [`columns`](Self::columns). NaN, and a number that means *missing*, is a missing value.
    ///
    /// # Panics
    ///
    /// Panics if `row` has another number of values than there are columns.
    pub fn push(&mut self, row: &[f64]) {
        assert_eq!(row.len(), self.columns.len(), "one value per column");
        for (past, &value) in self.columns.iter_mut().zip(row) {
            past.push(past.missing.read(value));
        }
    }

    /// The value of a source, given by its index, at the latest row; NaN if it is missing.
    ///
    /// # Panics
    ///
    /// Panics if there is no source with this index.
    pub fn value(&self, source: usize) -> f64 {
        let (column, look) = self.looks[source];
        let past = &self.columns[column];
        look.of(|back| past.get(back))
    }

    /// Forgets all rows, before the first row of another series or after a gap.
    pub fn reset(&mut self) {
        for past in &mut self.columns {
            past.values.clear();
            past.latest = 0;
        }
    }

    /// The kept values of each column, the oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Vec<f64>> {
        let of = |past: &Past| {
            (0..past.values.len())
                .rev()
                .map(|back| past.get(back))
                .collect()
        };
        self.columns.iter().map(of)
    }

    /// Replaces the kept values of each column, the oldest first. False, and no change, if there are more values than a column keeps, or another
    /// number of columns.
    pub(crate) fn restore(&mut self, kept: &[Vec<f64>]) -> bool {
        let fits = |(past, kept): (&Past, &Vec<f64>)| kept.len() <= past.depth;
        if kept.len() != self.columns.len() || !self.columns.iter().zip(kept).all(fits) {
            return false;
        }
        self.reset();
        for (past, kept) in self.columns.iter_mut().zip(kept) {
            kept.iter().for_each(|&value| past.push(value));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};

    fn source(column: &str, look: &str) -> HistorySource {
        HistorySource {
            column: column.into(),
            look: look.parse().unwrap(),
            missing: MissingNumbers {
                values: vec![-999.0],
                ..MissingNumbers::default()
            },
        }
    }

    /// The values of a look after each of `values`.
    fn run(look: &str, values: &[f64]) -> Vec<f64> {
        let mut history = History::new(&[source("x", look)]);
        let after = |&value: &f64| {
            history.push(&[value]);
            history.value(0)
        };
        values.iter().map(after).collect()
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let both_missing = found.is_nan() && expected.is_nan();
            assert!(
                both_missing || (found - expected).abs() < 1e-12,
                "{found} {expected}"
            );
        }
    }

    const NONE: f64 = f64::NAN;

    #[test]
    fn looks_match_values_worked_by_hand() {
        let x = [1.0, 2.0, 4.0, 8.0, 2.0];
        assert_close(&run("lag2", &x), &[NONE, NONE, 1.0, 2.0, 4.0]);
        assert_close(&run("diff1", &x), &[NONE, 1.0, 2.0, 4.0, -6.0]);
        assert_close(&run("roc2", &x), &[NONE, NONE, 3.0, 3.0, -0.5]);
        let two = 2.0_f64.ln();
        assert_close(&run("logret1", &x), &[NONE, two, two, two, -2.0 * two]);
        assert_close(&run("mean2", &x), &[1.0, 1.5, 3.0, 6.0, 5.0]);
        assert_close(&run("min3", &x), &[1.0, 1.0, 1.0, 2.0, 2.0]);
        assert_close(&run("max3", &x), &[1.0, 2.0, 4.0, 8.0, 8.0]);
        let half = 0.5_f64.sqrt();
        assert_close(
            &run("std2", &x),
            &[NONE, half, 2.0 * half, 4.0 * half, 6.0 * half],
        );
        assert_close(&run("slope3", &x), &[NONE, 1.0, 1.5, 3.0, -1.0]);
        // Returns ln 2, ln 2, ln 2, −2 ln 2; the last two differ by 3 ln 2.
        assert_close(&run("vol2", &x), &[NONE, NONE, 0.0, 0.0, 3.0 * two * half]);
        // Changes 1, 2, 4, −6: the last three are 2, 4, −6.
        assert_close(&run("rsi3", &x), &[NONE, 100.0, 100.0, 100.0, 50.0]);
        assert_close(&run("rsi1", &[3.0, 3.0]), &[NONE, 50.0]);
    }

    #[test]
    fn missing_values_are_left_out() {
        let x = [1.0, NONE, -999.0, 4.0, 0.0];
        assert_close(&run("mean3", &x), &[1.0, 1.0, 1.0, 4.0, 2.0]);
        assert_close(&run("lag1", &x), &[NONE, 1.0, NONE, NONE, 4.0]);
        assert_close(&run("slope4", &x), &[NONE, NONE, NONE, 1.0, -4.0]);
        assert_close(&run("logret1", &x)[4..], &[NONE]);
        assert_close(&run("roc1", &[0.0, 5.0]), &[NONE, NONE]);
        assert_close(&run("roc1", &[1e-300, 1e300]), &[NONE, NONE]);
    }

    #[test]
    fn a_reset_forgets_and_a_restore_goes_on() {
        let sources = [
            source("x", "mean3"),
            source("y", "lag1"),
            source("x", "diff4"),
        ];
        let mut history = History::new(&sources);
        assert_eq!(history.columns().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(history.depths().collect::<Vec<_>>(), [5, 2]);
        for row in 0..9 {
            history.push(&[f64::from(row * row), f64::from(row)]);
        }
        let kept: Vec<Vec<f64>> = history.kept().collect();
        assert_eq!(kept, [vec![16.0, 25.0, 36.0, 49.0, 64.0], vec![7.0, 8.0]]);
        let mut other = History::new(&sources);
        assert!(other.restore(&kept));
        assert!(!other.restore(&kept[..1]));
        assert!(!other.restore(&[vec![0.0; 6], vec![]]));
        for history in [&mut history, &mut other] {
            history.push(&[81.0, 9.0]);
            let values = [0, 1, 2].map(|at| history.value(at));
            assert_eq!(values, [(81.0 + 64.0 + 49.0) / 3.0, 8.0, 81.0 - 25.0]);
            history.reset();
            history.push(&[5.0, 1.0]);
            assert_eq!(history.value(0), 5.0);
            assert!(history.value(1).is_nan());
        }
    }

    #[test]
    fn exponential_averages_are_worked_by_hand() {
        // Span 3: weights 1, 1/2, 1/4, …; the value two rows before is missing.
        let x = |k: usize| {
            [8.0, 4.0, f64::NAN, 16.0]
                .get(k)
                .copied()
                .unwrap_or(f64::NAN)
        };
        let ema: Look = "ema3".parse().unwrap();
        assert_eq!((ema.depth(), ema.of(x)), (12, 12.0 / 1.625));
        let fast: Look = "macd3".parse().unwrap();
        let slow: Look = "ema6".parse().unwrap();
        assert_eq!((fast.depth(), fast.of(x)), (24, ema.of(x) - slow.of(x)));
        assert_eq!("macd12".parse::<Look>().unwrap().depth(), 4 * 26);
        assert!(ema.of(|_| f64::NAN).is_nan());
    }

    #[test]
    fn texts_of_looks() {
        for kind in LookKind::ALL {
            let look = Look { kind, rows: 12 };
            assert_eq!(look.to_string().parse::<Look>(), Ok(look));
        }
        let error = |text: &str| text.parse::<Look>().unwrap_err();
        assert!(error("lag").contains("such as `lag7`"));
        assert!(error("lag0").contains("from 1 to 100000"));
        assert!(error("sma3").contains("expected one of lagN, diffN"));
        assert!(error("lag99999999999").contains("a number of rows"));
    }

    #[test]
    fn forecasts_of_the_next_rows() {
        let next = [3.0, 8.0];
        let of = |forecast: Forecast| forecast.of(2.0, &next);
        assert_eq!(of(Forecast::Value), 8.0);
        assert_eq!(of(Forecast::Change), 6.0);
        assert_eq!(of(Forecast::LogReturn), libm::log(4.0));
        assert_eq!(of(Forecast::Mean), 5.5);
        assert_eq!(of(Forecast::Sum), 11.0);
        assert_eq!(Forecast::Value.of(2.0, &[]), 2.0);
        assert!(Forecast::LogReturn.of(0.0, &next).is_nan());
    }

    #[test]
    fn long_steps_are_gaps() {
        let mut sequence = Sequence {
            series: vec![],
            time: KeyColumn {
                name: "t".into(),
                kind: KeyKind::Number,
            },
            longest_step: None,
            horizon: 0,
            forecast: Forecast::Value,
            relative: false,
            rows_before: 0,
            regimes: None,
        };
        assert!(!sequence.is_gap(0.0, 1e9));
        sequence.longest_step = Some(1.5);
        assert!(!sequence.is_gap(0.0, 1.0) && sequence.is_gap(0.0, 2.0));
    }
}
