//! Normalizes the columns of a data set by operating regimes.

use std::collections::{BTreeMap, BTreeSet};

use limbeck_runtime::{MissingNumbers, Regimes};

use super::sequence::Series;
use crate::checks::{Check, Findings};
use crate::figures::counted;
use crate::kind::ColumnKind;
use crate::regimes::{Plain, fit};
use crate::table::{Column, Values, shell};
use crate::warning::Finding;
use crate::{Error, Result};

/// The rows that decide, and the columns that are never normalized.
pub(super) struct Scope<'a> {
    /// The series that the rows form; `None` if they form none.
    pub(super) series: Option<&'a Series>,
    /// Names of the targets.
    pub(super) names: &'a [String],
    /// Positions in the table of the rows whose features are read.
    pub(super) rows: &'a [usize],
    /// Training and validation rows, as positions in `rows`.
    pub(super) learn: &'a [usize],
}

/// The numbers of a table that are normalized by operating regimes.
pub(super) struct Numbers<'a> {
    /// The feature columns, in the rows whose features are read.
    pub(super) columns: &'a mut [Column],
    /// The numbers of each number column in all rows of the table.
    pub(super) whole: &'a mut BTreeMap<String, Vec<f64>>,
    /// Numbers that mean *missing*, by column.
    pub(super) missing: &'a mut BTreeMap<String, MissingNumbers>,
}

impl Numbers<'_> {
    /// Finds the regimes in training and validation rows, and normalizes all number columns except settings, targets and parts of dates (`is_date`).
    pub(super) fn by_regimes(
        self,
        settings: &[String],
        found: &Scope<'_>,
        is_date: impl Fn(&str) -> bool,
    ) -> Result<Regimes> {
        let known = settings.iter().map(|name| match self.whole.get(name) {
            Some(values) => Ok((name.clone(), values.clone())),
            None => Err(Error::option(
                "regimes",
                format!("column `{name}` has no numbers, and the settings of regimes are numbers; name other columns"),
            )),
        });
        let known: Vec<(String, Vec<f64>)> = known.collect::<Result<_>>()?;
        let missing = |name: &String| self.missing.get(name).cloned().unwrap_or_default();
        let learned: Vec<(String, Vec<f64>, MissingNumbers)> = known
            .iter()
            .map(|(name, values)| {
                let missing = missing(name);
                let read = |&row: &usize| missing.read(values[found.rows[row]]);
                (
                    name.clone(),
                    found.learn.iter().map(read).collect(),
                    missing,
                )
            })
            .collect();
        let keys: Vec<&str> = found
            .series
            .iter()
            .flat_map(|series| series.keys())
            .collect();
        let is_plain = |column: &&Column| {
            let name = &column.name;
            column.kind == ColumnKind::Number
                && !(settings.contains(name)
                    || found.names.contains(name)
                    || keys.contains(&name.as_str())
                    || is_date(name))
        };
        let numbers = self.columns.iter().filter(is_plain).filter_map(|column| {
            let Values::Number(values) = &column.values else {
                return None;
            };
            let learned: Vec<f64> = found.learn.iter().map(|&row| values[row]).collect();
            let missing = missing(&column.name);
            Some((column.name.clone(), learned, missing))
        });
        let numbers: Vec<_> = numbers.collect();
        let regimes = fit(&plain(&learned), &plain(&numbers))?;
        let of = |row: usize| {
            let row = regimes.settings.iter().map(|own| {
                self.whole
                    .get(&own.name)
                    .map_or(f64::NAN, |values| values[row])
            });
            regimes.of(&row.collect::<Vec<f64>>())
        };
        let total = known.first().map_or(0, |(_, values)| values.len());
        let of: Vec<Option<usize>> = (0..total).map(of).collect();
        for own in &regimes.columns {
            if let Some(values) = self.whole.get_mut(&own.name) {
                let each = values.iter_mut().zip(&of);
                each.for_each(|(value, regime)| *value = own.normalized(*value, *regime));
            }
            let mut columns = self.columns.iter_mut();
            let column = columns.find(|column| column.name == own.name);
            if let Some(Values::Number(values)) = column.map(|column| &mut column.values) {
                let each = values.iter_mut().zip(found.rows);
                each.for_each(|(value, row)| *value = own.normalized(*value, of[*row]));
            }
            self.missing.remove(&own.name);
        }
        Ok(regimes)
    }
}

/// Names, numbers in training and validation rows, and numbers that mean *missing*, in the form that [`fit`] takes.
fn plain(all: &[(String, Vec<f64>, MissingNumbers)]) -> Vec<Plain<'_>> {
    let each = all.iter().map(|(name, values, missing)| Plain {
        name,
        values,
        missing: missing.clone(),
    });
    each.collect()
}

/// Maximum number of values between which a setting switches, and of combinations of settings.
const LEVELS: usize = 24;
/// Numbers that differ by at most this share of the column's range have the same level.
const SAME_LEVEL: f64 = 0.02;
/// A setting changes its level in at least this share of the steps from row to row.
const SWITCHES: f64 = 0.02;
/// Columns follow the settings if the squares of their changes shrink to at most this share, once the means of the regimes are subtracted.
const LEFT: f64 = 0.25;

/// Check `regimes`: looks for columns that switch between a few values from row to row, and that explain most changes of at least half of the other number
/// columns. `is_date` is true for parts of dates.
pub(super) fn check_regimes(
    source: &str,
    columns: &[Column],
    whole: &BTreeMap<String, Vec<f64>>,
    found: &Scope<'_>,
    is_date: &dyn Fn(&str) -> bool,
    findings: &mut Findings<'_>,
) -> Result<()> {
    let Some(series) = found.series else {
        return Ok(());
    };
    let steps = steps(series, found);
    let keys: Vec<&str> = series.keys().collect();
    let is_number = |column: &&Column| {
        let name = &column.name;
        let is_other = found.names.contains(name) || keys.contains(&name.as_str()) || is_date(name);
        column.kind == ColumnKind::Number && !is_other
    };
    let numbers = columns.iter().filter(is_number);
    let numbers: Vec<(&str, &[f64])> = numbers
        .filter_map(|column| Some((column.name.as_str(), &whole.get(&column.name)?[..])))
        .collect();
    let settings = numbers
        .iter()
        .filter_map(|(name, values)| Some((*name, levels(values, &steps)?)));
    let settings: Vec<(&str, Vec<usize>)> = settings.collect();
    let Some((names, regime)) = combined(&settings, &steps) else {
        return Ok(());
    };
    let others: Vec<&[f64]> = numbers
        .iter()
        .filter(|(name, _)| !settings.iter().any(|(setting, _)| setting == name))
        .map(|(_, values)| *values)
        .collect();
    let following = others
        .iter()
        .filter(|values| follows(values, &regime, &steps))
        .count();
    if following == 0 || 2 * following < others.len() {
        return Ok(());
    }
    let quoted = names.join("`, `");
    let option = names
        .iter()
        .map(|name| shell(name))
        .collect::<Vec<_>>()
        .join(",");
    let message = format!(
        "{source}: the settings `{quoted}` switch between {} of values, and explain most changes of {following} of the {}; `--regimes {option}` removes their influence",
        counted(
            regime.iter().max().map_or(0, |most| most + 1),
            "combination"
        ),
        counted(others.len(), "other number column")
    );
    let brief = format!("settings `{quoted}`");
    findings.found(Check::Regimes, None, Finding { message, brief })?;
    Ok(())
}

/// Pairs of neighboring rows of the same run that are training or validation rows, as positions in the table.
fn steps(series: &Series, found: &Scope<'_>) -> Vec<(usize, usize)> {
    let learned: BTreeSet<usize> = found.learn.iter().map(|&row| found.rows[row]).collect();
    let total = found.rows.iter().max().map_or(0, |row| row + 1);
    let places: Vec<usize> = (0..total.max(series.rows())).collect();
    let pairs = series.runs_of(&places).into_iter().flat_map(|run| {
        run.windows(2)
            .map(|pair| (pair[0], pair[1]))
            .collect::<Vec<_>>()
    });
    pairs
        .filter(|(last, next)| learned.contains(last) && learned.contains(next))
        .collect()
}

/// The level of each row of the table, if the column switches between a few levels; otherwise `None`.
fn levels(values: &[f64], steps: &[(usize, usize)]) -> Option<Vec<usize>> {
    let mut known: Vec<f64> = steps.iter().map(|&(_, row)| values[row]).collect();
    if known.is_empty() || known.iter().any(|x| !x.is_finite()) {
        return None;
    }
    known.sort_by(f64::total_cmp);
    let range = known[known.len() - 1] - known[0];
    let gap = |pair: &[f64]| pair[1] - pair[0] > SAME_LEVEL * range;
    let starts: Vec<f64> = known
        .windows(2)
        .filter(|pair| gap(pair))
        .map(|pair| pair[1])
        .collect();
    if starts.is_empty() || starts.len() >= LEVELS {
        return None;
    }
    let level = |x: &f64| starts.partition_point(|start| start <= x);
    let all: Vec<usize> = values.iter().map(level).collect();
    // Each level is narrow.
    let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); starts.len() + 1];
    for x in &known {
        let bound = &mut bounds[level(x)];
        *bound = (bound.0.min(*x), bound.1.max(*x));
    }
    let is_narrow = bounds
        .iter()
        .all(|(low, high)| high - low <= SAME_LEVEL * range);
    let switches = steps
        .iter()
        .filter(|(last, next)| all[*last] != all[*next])
        .count();
    (is_narrow && switches as f64 >= SWITCHES * steps.len() as f64).then_some(all)
}

/// The fewest settings that tell all combinations of levels apart, and the combination of each row of the table. `None` without settings, or with too
/// many combinations.
fn combined<'n>(
    settings: &[(&'n str, Vec<usize>)],
    steps: &[(usize, usize)],
) -> Option<(Vec<&'n str>, Vec<usize>)> {
    let (mut names, mut regime) = (Vec::new(), vec![0; settings.first()?.1.len()]);
    let mut count = 1;
    for (name, levels) in settings {
        let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for &(_, row) in steps {
            let next = known.len();
            known.entry((regime[row], levels[row])).or_insert(next);
        }
        if known.len() > count {
            count = known.len();
            names.push(*name);
            let of = |(regime, level): (&usize, &usize)| {
                known.get(&(*regime, *level)).copied().unwrap_or(0)
            };
            regime = regime.iter().zip(levels).map(of).collect();
        }
    }
    (count <= LEVELS).then_some((names, regime))
}

/// True if most changes of a column from row to row are explained by the regimes of the rows.
fn follows(values: &[f64], regime: &[usize], steps: &[(usize, usize)]) -> bool {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for &(_, row) in steps.iter().filter(|(_, row)| values[*row].is_finite()) {
        let sum = sums.entry(regime[row]).or_default();
        *sum = (sum.0 + values[row], sum.1 + 1.0);
    }
    let mean = |row: usize| {
        sums.get(&regime[row])
            .map_or(f64::NAN, |(sum, count)| sum / count)
    };
    let (mut before, mut after) = (0.0, 0.0);
    for &(last, next) in steps {
        let change = values[next] - values[last];
        let left = change - mean(next) + mean(last);
        if left.is_finite() {
            before += change * change;
            after += left * left;
        }
    }
    before > 0.0 && after <= LEFT * before
}
