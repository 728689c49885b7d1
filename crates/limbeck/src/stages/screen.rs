//! Ranks columns by how well each alone explains the target, to drop the weakest if a time limit requires it.

use limbeck_data::{Dataset, Feature, FeatureValues, MISSING};
use rayon::prelude::*;

/// Maximum number of training rows that the ranking uses.
const SEEN_ROWS: usize = 4000;
/// Number of cells (groups of rows) of a number column: quantile bins, that is intervals with about equally many rows.
const CELLS: usize = 16;
/// Maximum number of cells (groups of rows) of a category column. Each category has its own cell; if there are more categories, the last ones share
/// the last cell.
const LEVELS: usize = 64;

/// Names of the features, the most informative first. Only training rows are used.
pub(crate) fn ranked(data: &Dataset) -> Vec<String> {
    let step = data.split.train.len().div_ceil(SEEN_ROWS).max(1);
    let rows: Vec<usize> = data.split.train.iter().copied().step_by(step).collect();
    let target = data.learned_of(&rows);
    let mean = target.iter().sum::<f64>() / target.len().max(1) as f64;
    // The distance of a target from the mean reveals columns that act through others, such as factors of a product.
    let far: Vec<f64> = target.iter().map(|y| (y - mean).abs()).collect();
    let telling = |column: &Feature| {
        let cells = cells(column, &rows);
        explained(&cells, &target).max(explained(&cells, &far))
    };
    let columns = &data.features.columns;
    let shares: Vec<f64> = columns.par_iter().map(telling).collect();
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
    order
        .into_iter()
        .map(|at| columns[at].name.clone())
        .collect()
}

/// For each row, the index of its cell (group of rows). Numbers are divided into quantile bins. Each category has a cell; if there are too many
/// categories, the last ones share a cell. Missing values have a cell of their own.
fn cells(column: &Feature, rows: &[usize]) -> Vec<usize> {
    match &column.values {
        FeatureValues::Number(values) => {
            let values: Vec<f64> = rows.iter().map(|&row| values[row]).collect();
            let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            let edges: Vec<f64> = (1..CELLS)
                .filter_map(|cell| sorted.get(cell * sorted.len() / CELLS).copied())
                .collect();
            let cell = |value: &f64| match value.is_nan() {
                true => CELLS,
                false => edges.partition_point(|edge| edge <= value),
            };
            values.iter().map(cell).collect()
        }
        FeatureValues::Category { codes, .. } => {
            let cell = |&row: &usize| match codes[row] {
                MISSING => LEVELS,
                code => (code as usize).min(LEVELS - 1),
            };
            rows.iter().map(cell).collect()
        }
    }
}

/// Share of the target's variance that the means of the cells explain, minus the share that chance explains: 0 on average for a column of noise.
///
/// # Formula
///
/// ```text
/// ε² = (SSB − (k − 1) MSW) / SST
/// ```
///
/// # Source
///
/// Kelley, *An unbiased correlation ratio measure*, PNAS 1935.
fn explained(cells: &[usize], target: &[f64]) -> f64 {
    let mut sums = vec![(0.0, 0.0); CELLS.max(LEVELS) + 1];
    let n = target.len() as f64;
    let mean = target.iter().sum::<f64>() / n;
    for (&cell, y) in cells.iter().zip(target) {
        sums[cell].0 += 1.0;
        sums[cell].1 += y - mean;
    }
    let total: f64 = target.iter().map(|y| (y - mean).powi(2)).sum();
    let filled = || sums.iter().filter(|(count, _)| *count > 0.0);
    let between: f64 = filled().map(|(count, sum)| sum * sum / count).sum();
    let k = filled().count() as f64;
    if total <= 0.0 || n <= k {
        return 0.0;
    }
    (between - (k - 1.0) * (total - between) / (n - k)) / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_that_worked_by_hand() {
        // Means 1 and 3, SSB 4, SSW 4, MSW 2: (4 − 2) / 8.
        let found = explained(&[0, 0, 1, 1], &[0.0, 2.0, 2.0, 4.0]);
        assert!((found - 0.25).abs() < 1e-12, "{found}");
        assert_eq!(explained(&[0, 1], &[5.0, 5.0]), 0.0);
    }

    #[test]
    fn cells_hold_equally_many_rows_and_what_is_missing_apart() {
        let mut values: Vec<f64> = (0..320).map(f64::from).collect();
        values.push(f64::NAN);
        let column = Feature {
            name: "x".into(),
            values: FeatureValues::Number(values),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        let cells = cells(&column, &(0..321).collect::<Vec<_>>());
        for cell in 0..CELLS {
            assert_eq!(cells.iter().filter(|&&own| own == cell).count(), 20);
        }
        assert_eq!(cells[320], CELLS);
    }

    #[test]
    fn columns_that_act_come_before_noise() {
        use limbeck_data::{Column, DataOptions, Table};
        let noise = |j: usize, i: usize| ((i * (2 * j + 7)) as f64 * 0.618_033_988).fract() - 0.5;
        let y = |i: usize| noise(0, i) * noise(1, i) * 4.0 + noise(2, i);
        let mut columns: Vec<Column> = (0..40)
            .map(|j| Column::number(&format!("x{j}"), (0..3000).map(|i| noise(j, i)).collect()))
            .collect();
        columns.push(Column::number("y", (0..3000).map(y).collect()));
        let table = Table {
            columns,
            rows: 3000,
            ..Table::default()
        };
        let data = Dataset::from_table(table, &DataOptions::for_target("y"), None, 0).unwrap();
        let mut first = ranked(&data)[..3].to_vec();
        first.sort();
        assert_eq!(first, ["x0", "x1", "x2"]);
    }
}
