//! Finds operating regimes in the settings of rows, and normalizes columns by them.

use std::collections::BTreeMap;

use limbeck_runtime::{MissingNumbers, RegimeColumn, RegimeSetting, Regimes};
use rand::RngExt;

use crate::metrics;
use crate::rng::generator;
use crate::table::{Table, Values};
use crate::{Error, Result};

/// Maximum number of regimes.
const MOST: usize = 24;
/// Regimes must explain at least this share of the variance of the settings. Settings that take only a few values, with little noise, are explained
/// almost completely by as many regimes; settings that vary continuously are not.
const EXPLAINED: f64 = 0.999;
/// Maximum number of rows in which centers are searched.
const SAMPLE: usize = 5_000;
/// Number of searches from other first centers; the best one counts.
const TRIES: usize = 5;
/// A standard deviation below this share of the largest number is rounding: the column has one value in the regime.
const ROUNDING: f64 = 1e-9;

/// A setting, or a number column that is normalized.
pub(crate) struct Plain<'a> {
    pub(crate) name: &'a str,
    /// The number of each row; NaN if it is missing.
    pub(crate) values: &'a [f64],
    /// Numbers that mean *missing* in the table.
    pub(crate) missing: MissingNumbers,
}

/// Finds the regimes of rows, and the usual values of `columns` in each of them.
///
/// The number of regimes is the smallest whose centers explain 99.9 % of the variance of the settings. Centers are found by *k*-means (Lloyd, *IEEE
/// Transactions on Information Theory* 28(2), 1982), with first centers far apart (Arthur & Vassilvitskii, *k-means++*, SODA 2007). `settings` has the
/// name and the numbers of each setting, one for each of the rows.
///
/// # Errors
///
/// [`Error::InvalidOption`] if the settings do not vary, or if 24 regimes do not explain enough.
pub(crate) fn fit(settings: &[Plain<'_>], columns: &[Plain<'_>]) -> Result<Regimes> {
    let own = |plain: &Plain<'_>| RegimeSetting {
        name: plain.name.to_owned(),
        missing: plain.missing.clone(),
        scale: deviation(plain.values),
    };
    let both = settings.iter().map(|plain| (plain.values, own(plain)));
    let (values, own): (Vec<&[f64]>, Vec<RegimeSetting>) =
        both.filter(|(_, own)| own.scale > 0.0).unzip();
    let count = columns
        .iter()
        .chain(settings)
        .map(|column| column.values.len());
    let of_row = |row: usize| {
        values
            .iter()
            .map(|values| values[row])
            .collect::<Vec<f64>>()
    };
    let all: Vec<Vec<f64>> = (0..count.max().unwrap_or(0)).map(of_row).collect();
    let in_units = |row: &Vec<f64>| -> Vec<f64> {
        let both = row.iter().zip(&own);
        both.map(|(x, own)| x / own.scale).collect()
    };
    let is_known = |row: &&Vec<f64>| row.iter().all(|x| x.is_finite());
    let known: Vec<Vec<f64>> = all.iter().filter(is_known).map(in_units).collect();
    if own.is_empty() || known.is_empty() {
        let message = "these columns have the same value in all training rows, or a missing one in each row, so there are no regimes; leave the option out";
        return Err(Error::option("regimes", message));
    }
    let found = centers(&known)?;
    let plain = |center: &Vec<f64>| -> Vec<f64> {
        let both = center.iter().zip(&own);
        both.map(|(x, own)| x * own.scale).collect()
    };
    let mut regimes = Regimes {
        centers: found.iter().map(plain).collect(),
        settings: own,
        columns: Vec::new(),
    };
    let of: Vec<Option<usize>> = all.iter().map(|row| regimes.of(row)).collect();
    regimes.columns = columns
        .iter()
        .map(|column| usual(column, &of, found.len()))
        .collect();
    Ok(regimes)
}

/// Standard deviation of the known values; 0 if they are equal up to rounding.
fn deviation(values: &[f64]) -> f64 {
    let known: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let sd = metrics::variance(&known, &vec![1.0; known.len()]).sqrt();
    let largest = known.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    if sd > ROUNDING * largest { sd } else { 0.0 }
}

/// Mean and standard deviation of a column in each regime; `of` has the regime of each row. In a regime without rows, they are those of all rows.
fn usual(column: &Plain<'_>, of: &[Option<usize>], regimes: usize) -> RegimeColumn {
    let moments = |values: &[f64]| {
        let sd = deviation(values);
        match (values.first(), sd > 0.0) {
            (None, _) => None,
            // Without rounding, so that equal numbers become 0.
            (Some(&first), false) => Some((first, 1.0)),
            (Some(_), true) => Some((values.iter().sum::<f64>() / values.len() as f64, sd)),
        }
    };
    let known = |keep: &dyn Fn(Option<usize>) -> bool| -> Vec<f64> {
        let both = column.values.iter().zip(of);
        let kept = both.filter(|(x, regime)| x.is_finite() && keep(**regime));
        kept.map(|(x, _)| *x).collect()
    };
    let all = moments(&known(&|_| true)).unwrap_or((0.0, 1.0));
    let each =
        (0..regimes).map(|regime| moments(&known(&|own| own == Some(regime))).unwrap_or(all));
    let (mean, std) = each.unzip();
    RegimeColumn {
        name: column.name.to_owned(),
        missing: column.missing.clone(),
        mean,
        std,
    }
}

/// The fewest centers that explain enough of the variance of the rows.
fn centers(rows: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
    let step = rows.len().div_ceil(SAMPLE);
    let sample: Vec<&[f64]> = rows.iter().step_by(step).map(Vec::as_slice).collect();
    let all = spread(&sample, &[mean_of(&sample)]);
    let mut explained = 0.0;
    for count in 2..=MOST.min(sample.len()) {
        let tries = (0..TRIES).map(|attempt| clustered(&sample, count, attempt as u64));
        let Some((left, found)) = tries.min_by(|a, b| a.0.total_cmp(&b.0)) else {
            break;
        };
        explained = 1.0 - left / all;
        if explained >= EXPLAINED {
            return Ok(found);
        }
    }
    Err(Error::option(
        "regimes",
        format!(
            "{} regimes explain only {:.1} % of the variance of these columns, at least {} % expected: regimes are for settings that switch between a few values; leave the option out, or name other columns",
            MOST.min(sample.len()),
            100.0 * explained,
            100.0 * EXPLAINED
        ),
    ))
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

fn nearest(row: &[f64], centers: &[Vec<f64>]) -> (usize, f64) {
    let each = centers
        .iter()
        .map(|center| distance(row, center))
        .enumerate();
    each.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

/// The sum of squared distances of the rows from their nearest centers.
fn spread(rows: &[&[f64]], centers: &[Vec<f64>]) -> f64 {
    rows.iter().map(|row| nearest(row, centers).1).sum()
}

fn mean_of(rows: &[&[f64]]) -> Vec<f64> {
    let width = rows.first().map_or(0, |row| row.len());
    let mean = |at: usize| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64;
    (0..width).map(mean).collect()
}

/// Clusters rows, and returns the sum of squared distances that is left, and the centers in the order of their coordinates.
fn clustered(rows: &[&[f64]], count: usize, attempt: u64) -> (f64, Vec<Vec<f64>>) {
    let mut rng = generator(attempt, "regimes", count as u64);
    let mut centers = vec![rows[rng.random_range(0..rows.len())].to_vec()];
    while centers.len() < count {
        let far: Vec<f64> = rows.iter().map(|row| nearest(row, &centers).1).collect();
        let mut left = rng.random::<f64>() * far.iter().sum::<f64>();
        let chosen = far.iter().position(|far| {
            left -= far;
            left <= 0.0
        });
        centers.push(rows[chosen.unwrap_or(0)].to_vec());
    }
    for _ in 0..50 {
        let mut groups: BTreeMap<usize, Vec<&[f64]>> = BTreeMap::new();
        for row in rows {
            groups
                .entry(nearest(row, &centers).0)
                .or_default()
                .push(row);
        }
        let before = centers.clone();
        groups
            .iter()
            .for_each(|(&at, rows)| centers[at] = mean_of(rows));
        if centers == before {
            break;
        }
    }
    centers.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    (spread(rows, &centers), centers)
}

/// The numbers of a column of a table, with its regimes.
fn numbers<'t>(table: &'t Table, name: &str) -> Result<&'t [f64]> {
    let column = table.require(name, "the student, as a setting of operating regimes,")?;
    match &column.values {
        Values::Number(values) => Ok(values),
        _ => Err(Error::Shape {
            message: format!(
                "column `{name}` is of kind {}, expected number, because it tells the operating regime of a row",
                column.kind
            ),
        }),
    }
}

/// The regime of each row of a table.
///
/// # Errors
///
/// [`Error::NoSuchColumn`] or [`Error::Shape`] for a setting that the table lacks, or that has no numbers.
pub(crate) fn of_rows(regimes: &Regimes, table: &Table) -> Result<Vec<Option<usize>>> {
    let settings = regimes.settings.iter().map(|own| numbers(table, &own.name));
    let settings: Vec<&[f64]> = settings.collect::<Result<_>>()?;
    let mut row_settings = vec![0.0; settings.len()];
    let of = |row: usize| {
        let both = row_settings.iter_mut().zip(&settings);
        both.for_each(|(own, setting)| *own = setting[row]);
        regimes.of(&row_settings)
    };
    Ok((0..table.rows).map(of).collect())
}

/// A table with columns normalized by the regimes of its rows.
///
/// # Errors
///
/// The errors of [`of_rows`].
pub(crate) fn normalized(regimes: &Regimes, table: &Table) -> Result<Table> {
    let mut own = table.clone();
    normalize(regimes, &mut own)?;
    Ok(own)
}

/// Normalizes the columns of a table by the regimes of its rows.
///
/// # Errors
///
/// The errors of [`of_rows`].
pub(crate) fn normalize(regimes: &Regimes, table: &mut Table) -> Result<()> {
    let of = of_rows(regimes, table)?;
    for column in &mut table.columns {
        let own = regimes.columns.iter().find(|own| own.name == column.name);
        if let (Some(own), Values::Number(values)) = (own, &mut column.values) {
            let each = values.iter_mut().zip(&of);
            each.for_each(|(value, regime)| *value = own.normalized(*value, *regime));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of three regimes: altitude 0, 10 or 35, with a little noise, and a speed that differs between two of them.
    fn settings(rows: usize) -> Vec<(&'static str, Vec<f64>)> {
        let altitude = |row: usize| [0.0, 10.0, 35.0][row * row % 7 % 3] + 0.003 * (row % 5) as f64;
        let speed = |row: usize| [0.0, 0.25, 0.84][row * row % 7 % 3];
        vec![
            ("altitude", (0..rows).map(altitude).collect()),
            ("speed", (0..rows).map(speed).collect()),
            ("fixed", vec![100.0; rows]),
        ]
    }

    #[test]
    fn regimes_are_found_and_columns_lose_what_settings_explain() {
        let settings = settings(400);
        let wear = |row: usize| 0.01 * row as f64;
        let base = |row: usize| [500.0, 400.0, 100.0][row * row % 7 % 3];
        let values: Vec<f64> = (0..400)
            .map(|row| base(row) * (1.0 + 0.01 * wear(row)))
            .collect();
        let constant: Vec<f64> = (0..400).map(base).collect();
        let plain = |name, values| Plain {
            name,
            values,
            missing: MissingNumbers::default(),
        };
        let of: Vec<Plain<'_>> = settings
            .iter()
            .map(|(name, values)| plain(name, values))
            .collect();
        let found = fit(&of, &[plain("pressure", &values), plain("set", &constant)]).unwrap();
        let names: Vec<&str> = found.settings.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(names, ["altitude", "speed"]);
        assert_eq!(found.centers.len(), 3);
        assert!((found.centers[2][0] - 35.006).abs() < 0.01, "{found:?}");
        let column =
            |(name, values): &(&str, Vec<f64>)| crate::table::Column::number(name, values.clone());
        let mut columns: Vec<_> = settings.iter().map(column).collect();
        columns.push(crate::table::Column::number("pressure", values));
        columns.push(crate::table::Column::number("set", constant));
        let mut table = Table::new(columns).unwrap();
        normalize(&found, &mut table).unwrap();
        let of = |name: &str| match &table.column(name).unwrap().values {
            Values::Number(values) => values.clone(),
            _ => panic!("numbers"),
        };
        assert!(of("set").iter().all(|&z| z == 0.0));
        // What is left is wear: the normalized numbers follow it closely.
        let z = of("pressure");
        let lines: Vec<f64> = (0..400).map(|row| (wear(row) - 2.0) / 1.155).collect();
        let apart = z
            .iter()
            .zip(&lines)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(apart < 0.1, "{apart}");
        assert_eq!(of("altitude"), settings[0].1);
    }

    #[test]
    fn settings_that_vary_continuously_are_refused() {
        let line: Vec<f64> = (0..1000).map(f64::from).collect();
        let one = |values| Plain {
            name: "load",
            values,
            missing: MissingNumbers::default(),
        };
        let message = fit(&[one(&line)], &[]).unwrap_err().to_string();
        assert!(
            message.contains("24 regimes explain only 99.8 %"),
            "{message}"
        );
        let same = fit(&[one(&[3.0; 50])], &[]).unwrap_err().to_string();
        assert!(
            same.contains("the same value in all training rows"),
            "{same}"
        );
    }
}
