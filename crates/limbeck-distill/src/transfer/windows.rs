//! New rows with rows before them: weighted means of two windows of rows with similar targets.

use std::ops::Range as Rows;

use limbeck_data::{Feature, FeatureValues, Features, MISSING, Past, generator, rng::normal};
use limbeck_runtime::{History, HistorySource};
use rand::RngExt;

use super::mixup::Partners;
use super::{Range, TransferOptions};

/// Share of the new windows that are shortened: they begin later than their parents, as if their series had begun there.
const SHORTENED: f64 = 0.2;
/// Maximum number of rows in all new windows together. It bounds their memory.
const MOST_ROWS: usize = 2_000_000;
/// A column whose noise exceeds this share of its standard deviation is not averaged.
const NOISY: f64 = 0.5;
/// A shortened window keeps at least this share of its rows.
const LEAST_KEPT: f64 = 0.25;

/// Makes `count` new rows with their own rows before them. Each is the last row of a window
///
/// ```text
/// x̃_k = λ x_k(i) + (1 − λ) x_k(j) + u σ ε_k,    λ, u ~ U(0, 1),  ε_k ~ N(0, 1)
/// ```
///
/// where `x_k(i)` is the row `k` rows before row `i`, and `j` is a row with a similar target, drawn as in mixup. `σ` is the noise of the column
/// ([`noise_of`]). Categories and parts of dates come from the row with the greater weight, and so does a number if one of the two is missing.
/// Windows are as long as the shorter one; a fifth of them are shortened further. Statistics of earlier rows are computed anew from the window, so
/// that they agree with it. The teacher labels the new row.
///
/// A column whose noise is as large as its values, such as a setting that switches from row to row, is taken from the row with the greater weight, too.
///
/// `depth` is the number of rows that a network reads, with the row itself. Windows are longer if a statistic needs more rows; at most
/// [`MOST_ROWS`] rows are made in all, so there may be fewer new rows than asked for.
///
/// If a network carries its state (`whole`), all rows of a window are new rows, and each window is a series of its own: a network carries its state from
/// its first row on.
///
/// Returns no rows if the rows have no past.
pub(super) fn mixed(
    (features, depth, whole): (&Features, usize, bool),
    target: &[f64],
    count: usize,
    options: &TransferOptions,
    seed: u64,
) -> Features {
    let Some(past) = &features.past else {
        return features.select(&[]);
    };
    let reads = (depth, whole);
    let parents = parents((features, past), reads, target, count, options, seed);
    let used = used_rows(
        past,
        parents
            .iter()
            .map(|pair| pair.first.len())
            .max()
            .unwrap_or(1),
    );
    let mut table = Features {
        columns: Vec::new(),
        rows: parents.iter().map(|pair| pair.first.len()).sum(),
        past: None,
    };
    for (at, column) in past.table.columns.iter().enumerate() {
        let mixed = mix((column, past, &used), &parents, (seed, at as u64));
        table.columns.push(Feature {
            values: mixed,
            ..column.clone()
        });
    }
    let made = statistics(&mut table, features, (&parents, whole));
    let (runs, new) = runs(&parents, reads);
    let chosen = table.select(&new);
    let column = |(column, made): (&Feature, Option<Vec<f64>>)| {
        let own = chosen.columns.iter().find(|own| own.name == column.name);
        let values = match (own, made) {
            (Some(own), _) => own.values.clone(),
            (None, Some(values)) => FeatureValues::Number(values),
            (None, None) if whole => of_steps(column, past, &parents),
            (None, None) => of_parent(column, &parents),
        };
        Feature {
            values,
            ..column.clone()
        }
    };
    Features {
        columns: features.columns.iter().zip(made).map(column).collect(),
        rows: new.len(),
        past: Some(Past::new(&table, &runs).select(&new)),
    }
}

/// The two windows of which a new window is the weighted mean, as rows of [`Past::table`]. Both have the same length.
struct Parents {
    first: Rows<usize>,
    second: Rows<usize>,
    /// Weight of the first window.
    share: f64,
    /// The row with the greater weight, among the rows of the features.
    row: usize,
}

fn parents(
    (features, past): (&Features, &Past),
    (depth, whole): (usize, bool),
    target: &[f64],
    count: usize,
    options: &TransferOptions,
    seed: u64,
) -> Vec<Parents> {
    let looks = features
        .columns
        .iter()
        .filter_map(|one| one.history.as_ref());
    let deepest = looks.map(|history| history.look.depth()).max();
    let longest = depth.max(deepest.unwrap_or(1));
    let count = if whole { count / longest } else { count };
    let count = count.clamp(1, (MOST_ROWS / longest).max(1));
    let windows: Vec<Rows<usize>> = past.windows(longest - 1).collect();
    let mut rng = generator(seed, "windows", 0);
    let partners = Partners::new(target, options);
    let pair = |index: usize| {
        // A few windows begin with rows of all series.
        let row = match count < features.rows {
            true => index * features.rows / count,
            false => index % features.rows,
        };
        let other = partners.draw(row, &mut rng);
        let share = rng.random::<f64>();
        let (first, second) = (&windows[row], &windows[other]);
        let mut rows = first.len().min(second.len());
        if rng.random::<f64>() < SHORTENED {
            let least = (LEAST_KEPT * rows as f64).ceil() as usize;
            rows = rng.random_range(least..=rows);
        }
        Parents {
            first: first.end - rows..first.end,
            second: second.end - rows..second.end,
            share,
            row: if share >= 0.5 { row } else { other },
        }
    };
    (0..count).map(pair).collect()
}

/// The rows of each new window that a network reads, in a table that has one window after the other, and the new rows: the last `depth` rows and the
/// last one or, if windows are `whole`, all rows.
fn runs(parents: &[Parents], (depth, whole): (usize, bool)) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut next = 0;
    let run = |pair: &Parents| {
        next += pair.first.len();
        let rows = if whole { pair.first.len() } else { depth };
        (next - pair.first.len().min(rows)..next).collect::<Vec<usize>>()
    };
    let runs: Vec<Vec<usize>> = parents.iter().map(run).collect();
    let new = match whole {
        true => runs.concat(),
        false => runs.iter().map(|run| run[run.len() - 1]).collect(),
    };
    (runs, new)
}

/// The rows of the series that are in a window of one of the rows, in order.
fn used_rows(past: &Past, longest: usize) -> Vec<usize> {
    let mut is_used = vec![false; past.table.rows];
    for window in past.windows(longest - 1) {
        is_used[window].fill(true);
    }
    (0..is_used.len()).filter(|&row| is_used[row]).collect()
}

/// The values of a column in all rows of all new windows. Its range and its noise are those of the rows `used`.
fn mix(
    (column, past, used): (&Feature, &Past, &[usize]),
    parents: &[Parents],
    (seed, stream): (u64, u64),
) -> FeatureValues {
    let rows = || {
        let pairs = |pair: &'_ Parents| {
            let share = pair.share;
            let both = pair.first.clone().zip(pair.second.clone());
            both.map(move |(first, second)| (first, second, share))
                .collect::<Vec<_>>()
        };
        parents.iter().map(pairs)
    };
    let greater =
        |&(first, second, share): &(usize, usize, f64)| if share >= 0.5 { first } else { second };
    match &column.values {
        FeatureValues::Category { codes, levels } => FeatureValues::Category {
            codes: rows().flatten().map(|pair| codes[greater(&pair)]).collect(),
            levels: levels.clone(),
        },
        FeatureValues::Number(values) => {
            let noise = noise_of(values, past, used);
            let range = Range::of(&Feature {
                values: FeatureValues::Number(used.iter().map(|&row| values[row]).collect()),
                ..column.clone()
            });
            let is_averaged = |range: &Range| column.date.is_none() && noise <= NOISY * range.sd;
            let range = range.filter(is_averaged);
            let mut rng = generator(seed, "noise of windows", stream);
            let mut all = Vec::new();
            for window in rows() {
                let scale = noise * rng.random::<f64>();
                for pair in window {
                    let (a, b) = (values[pair.0], values[pair.1]);
                    all.push(match &range {
                        Some(range) if !a.is_nan() && !b.is_nan() => {
                            let mean = pair.2 * a + (1.0 - pair.2) * b;
                            range.hold(mean + scale * normal(&mut rng))
                        }
                        _ => values[greater(&pair)],
                    });
                }
            }
            FeatureValues::Number(all)
        }
    }
}

/// An estimate of the standard deviation of the noise in a column of series, from the bends `d_k = x_k − 2 x_{k−1} + x_{k−2}`. Independent noise with
/// standard deviation `σ` gives bends with standard deviation `√6 σ`; a smooth course gives almost none. Bends do not reach across series.
///
/// ```text
/// σ = median |d_k| / (0.6745 √6)
/// ```
fn noise_of(values: &[f64], past: &Past, used: &[usize]) -> f64 {
    let is_whole = |row: &&usize| **row >= past.starts[**row] as usize + 2;
    let bend = |&row: &usize| (values[row] - 2.0 * values[row - 1] + values[row - 2]).abs();
    let bends = used.iter().filter(is_whole).map(bend);
    let mut bends: Vec<f64> = bends.filter(|bend| !bend.is_nan()).collect();
    if bends.is_empty() {
        return 0.0;
    }
    let middle = bends.len() / 2;
    let (_, median, _) = bends.select_nth_unstable_by(middle, f64::total_cmp);
    *median / (0.6745 * 6.0_f64.sqrt())
}

/// Computes the statistics of earlier rows anew: in each row of `table` for its own columns, and in the last row of each window (in each row, if windows
/// are `whole`) for the columns of `features`, whose values are returned. `None` for a column that is no statistic, or whose source is not in `table`.
fn statistics(
    table: &mut Features,
    features: &Features,
    (parents, whole): (&[Parents], bool),
) -> Vec<Option<Vec<f64>>> {
    let numbers = |name: &str| {
        let own = table
            .columns
            .iter()
            .find(|one| one.name == name && one.history.is_none());
        match own.map(|own| &own.values) {
            Some(FeatureValues::Number(values)) => Some(values),
            _ => None,
        }
    };
    let known = |column: &Feature| -> Option<HistorySource> {
        column
            .history
            .clone()
            .filter(|source| numbers(&source.column).is_some())
    };
    let of_steps: Vec<Option<HistorySource>> = table.columns.iter().map(known).collect();
    let of_rows: Vec<Option<HistorySource>> = features.columns.iter().map(known).collect();
    let sources = || of_steps.iter().chain(&of_rows).flatten();
    let mut history = History::new(sources());
    let columns: Vec<&Vec<f64>> = history.columns().filter_map(numbers).collect();
    let steps = of_steps.iter().flatten().count();
    let mut made = vec![Vec::new(); sources().count()];
    let mut row = 0;
    for pair in parents {
        history.reset();
        for left in (0..pair.first.len()).rev() {
            let values: Vec<f64> = columns.iter().map(|column| column[row]).collect();
            history.push(&values);
            let used = if whole || left == 0 {
                made.len()
            } else {
                steps
            };
            for (at, made) in made.iter_mut().enumerate().take(used) {
                made.push(history.value(at));
            }
            row += 1;
        }
    }
    let mut made = made.into_iter();
    for (column, source) in table.columns.iter_mut().zip(&of_steps) {
        if source.is_some() {
            column.values = FeatureValues::Number(made.next().unwrap_or_default());
        }
    }
    of_rows
        .iter()
        .map(|source| source.as_ref().and_then(|_| made.next()))
        .collect()
}

/// For each new row, the value of its parent with the greater weight.
fn of_parent(column: &Feature, parents: &[Parents]) -> FeatureValues {
    let rows = parents.iter().map(|pair| Some(pair.row));
    picked(&column.values, rows)
}

/// For each row of whole windows, the value in the same row of the parent with the greater weight; missing, if this row is none of the features.
fn of_steps(column: &Feature, past: &Past, parents: &[Parents]) -> FeatureValues {
    let mut place = vec![None; past.table.rows];
    for (row, &at) in past.at.iter().enumerate() {
        place[at as usize] = Some(row);
    }
    let greater = |pair: &Parents| match pair.share >= 0.5 {
        true => pair.first.clone(),
        false => pair.second.clone(),
    };
    picked(
        &column.values,
        parents.iter().flat_map(greater).map(|at| place[at]),
    )
}

/// The values in the given rows; missing for `None`.
fn picked(values: &FeatureValues, rows: impl Iterator<Item = Option<usize>>) -> FeatureValues {
    match values {
        FeatureValues::Number(values) => FeatureValues::Number(
            rows.map(|row| row.map_or(f64::NAN, |row| values[row]))
                .collect(),
        ),
        FeatureValues::Category { codes, levels } => FeatureValues::Category {
            codes: rows
                .map(|row| row.map_or(MISSING, |row| codes[row]))
                .collect(),
            levels: levels.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, values: Vec<f64>, look: Option<&str>) -> Feature {
        Feature {
            name: name.into(),
            values: FeatureValues::Number(values),
            integer: false,
            missing: Default::default(),
            date: None,
            history: look.map(|look| HistorySource {
                column: "x".into(),
                look: look.parse().unwrap(),
                missing: Default::default(),
            }),
        }
    }

    /// Two series of 20 rows: `x` rises in steps of 1 and of 2. `x.diff1` and `x.mean3` are statistics of it.
    fn series() -> Features {
        let x: Vec<f64> = (0..40)
            .map(|i| f64::from(i % 20) * if i < 20 { 1.0 } else { 2.0 })
            .collect();
        let step = |i: usize| if i < 20 { 1.0 } else { 2.0 };
        let diff = (0..40)
            .map(|i| if i % 20 == 0 { f64::NAN } else { step(i) })
            .collect();
        let mean = (0..40).map(|i| {
            (i - i.min(i % 20).min(2)..=i).map(|k| x[k]).sum::<f64>() / (1 + (i % 20).min(2)) as f64
        });
        let mut all = Features {
            columns: vec![
                column("x", x.clone(), None),
                column("x.diff1", diff, Some("diff1")),
                column("x.mean3", mean.collect(), Some("mean3")),
            ],
            rows: 40,
            past: None,
        };
        all.past = Some(Past::new(&all, &[(0..20).collect(), (20..40).collect()]));
        all
    }

    fn numbers<'f>(features: &'f Features, name: &str) -> &'f [f64] {
        let column = features.columns.iter().find(|column| column.name == name);
        match &column.unwrap().values {
            FeatureValues::Number(values) => values,
            FeatureValues::Category { .. } => panic!("number"),
        }
    }

    #[test]
    fn statistics_agree_with_their_windows() {
        let features = series();
        let target: Vec<f64> = numbers(&features, "x").to_vec();
        let options = TransferOptions::default();
        let new = mixed((&features, 5, false), &target, 300, &options, 7);
        let past = new.past.as_ref().unwrap();
        assert_eq!(
            (new.rows, past.at.len(), past.table.columns.len()),
            (300, 300, 2)
        );
        let (x, diff) = (numbers(&past.table, "x"), numbers(&past.table, "x.diff1"));
        let mut shortened = 0;
        for (row, window) in past.windows(4).enumerate() {
            let last = window.end - 1;
            shortened += usize::from(window.len() < 5);
            assert_eq!(numbers(&new, "x")[row], x[last]);
            let near = &x[window.start.max(last.saturating_sub(2))..=last];
            let mean = near.iter().sum::<f64>() / near.len() as f64;
            assert!(
                (numbers(&new, "x.mean3")[row] - mean).abs() < 1e-9,
                "row {row}"
            );
            assert!(diff[window.start].is_nan());
            for at in window.start + 1..=last {
                assert_eq!(diff[at], x[at] - x[at - 1]);
                // Straight lines have no noise, and the mean of two has a slope between theirs.
                assert!(
                    (1.0 - 1e-9..=2.0 + 1e-9).contains(&diff[at]),
                    "{}",
                    diff[at]
                );
            }
        }
        assert!((40..200).contains(&shortened), "{shortened}");
        let again = mixed((&features, 5, false), &target, 300, &options, 7);
        assert!(new.same(&again) && new.past.as_ref().unwrap().at == again.past.unwrap().at);
    }

    /// About `count` new rows in whole windows of at most `depth` rows.
    fn whole(features: &Features, target: &[f64], depth: usize, count: usize) -> Features {
        mixed(
            (features, depth, true),
            target,
            count,
            &TransferOptions::default(),
            7,
        )
    }

    #[test]
    fn whole_windows_are_series_of_new_rows() {
        let features = series();
        let target: Vec<f64> = numbers(&features, "x").to_vec();
        let new = whole(&features, &target, 8, 300);
        let past = new.past.as_ref().unwrap();
        // 37 windows of at most 8 rows; some are shorter. They are mixed from rows of both series.
        assert!((150..=300).contains(&new.rows), "{}", new.rows);
        assert_eq!((past.at.len(), past.table.rows), (new.rows, new.rows));
        let x = numbers(&past.table, "x");
        for (row, window) in past.windows(usize::MAX).enumerate() {
            let last = window.end - 1;
            assert_eq!(numbers(&new, "x")[row], x[last]);
            let near = &x[window.start.max(last.saturating_sub(2))..=last];
            let mean = near.iter().sum::<f64>() / near.len() as f64;
            assert!((numbers(&new, "x.mean3")[row] - mean).abs() < 1e-9);
        }
        // A few windows are spread over all rows.
        let few = whole(&features, &target, 4, 16);
        let most = numbers(&few, "x").iter().copied().fold(0.0, f64::max);
        assert!(few.rows <= 16 && most > target[25], "{most}");
    }

    #[test]
    fn statistics_whose_column_is_unknown_are_those_of_the_same_row() {
        let mut features = series();
        let row: Vec<f64> = (0..40).map(f64::from).collect();
        let mut other = column("hidden.vol9", row, Some("vol9"));
        if let Some(history) = &mut other.history {
            history.column = "hidden".into();
        }
        features.columns.push(other);
        let target = numbers(&features, "x").to_vec();
        let new = whole(&features, &target, 8, 300);
        let past = new.past.as_ref().unwrap();
        let found = numbers(&new, "hidden.vol9");
        for (row, window) in past.windows(usize::MAX).enumerate() {
            // One more from row to row: the row of a parent, and never that of its last row.
            if window.len() > 1 {
                assert_eq!(found[row], found[row - 1] + 1.0);
            }
        }
    }

    #[test]
    fn noise_is_estimated_from_bends() {
        let mut rng = generator(3, "test", 0);
        let noisy: Vec<f64> = (0..4000)
            .map(|i| f64::from(i) * 0.3 + 0.7 * normal(&mut rng))
            .collect();
        let past = |rows: usize| {
            let x = column("x", vec![0.0; rows], None);
            let features = Features {
                columns: vec![x],
                rows,
                past: None,
            };
            Past::new(&features, &[(0..rows).collect()])
        };
        let found = noise_of(&noisy, &past(4000), &(0..4000).collect::<Vec<_>>());
        assert!((found - 0.7).abs() < 0.05, "{found}");
        assert!(noise_of(&[1.0, 2.0, 3.0, 4.0], &past(4), &[0, 1, 2, 3]).abs() < 1e-12);
    }

    #[test]
    fn columns_that_switch_are_not_averaged_and_other_rows_are_not_used() {
        let mut features = series();
        let level = |i: usize| [0.0, 10.0, 35.0][i * i % 7 % 3];
        let values: Vec<f64> = (0..40).map(level).collect();
        features.columns[0].values = FeatureValues::Number(values);
        features.past = Some(Past::new(
            &features,
            &[(0..20).collect(), (20..40).collect()],
        ));
        let target: Vec<f64> = (0..40).map(f64::from).collect();
        let new = mixed(
            (&features, 5, false),
            &target,
            200,
            &TransferOptions::default(),
            7,
        );
        let table = &new.past.unwrap().table;
        assert!(
            numbers(table, "x")
                .iter()
                .all(|x| [0.0, 10.0, 35.0].contains(x))
        );
        // Rows of a series without a row to learn from have no influence.
        let first: Vec<usize> = (0..20).collect();
        let of = |other: f64| {
            let mut features = series();
            if let FeatureValues::Number(values) = &mut features.columns[0].values {
                values[20..].iter_mut().for_each(|x| *x *= other);
            }
            features.past = Some(Past::new(
                &features,
                &[(0..20).collect(), (20..40).collect()],
            ));
            mixed(
                (&features.select(&first), 5, false),
                &target[..20],
                50,
                &TransferOptions::default(),
                7,
            )
        };
        assert!(of(1.0).same(&of(100.0)));
    }

    #[test]
    fn rows_without_a_past_have_no_windows() {
        let features = Features {
            past: None,
            ..series()
        };
        let new = mixed(
            (&features, 5, false),
            &[0.0; 40],
            10,
            &TransferOptions::default(),
            7,
        );
        assert_eq!(new.rows, 0);
    }
}
