//! Pilots: small samples of a large data set, for quick experiments before a long run.
//!
//! The rows of a pilot, including its own test rows, are training and validation rows of the data set. So no information about the test rows of the
//! data set is used.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use crate::dataset::Dataset;
use crate::rng::generator;
use crate::split::{FoldKind, Split};
use crate::{Error, Result};

/// Share of a pilot's rows that are training rows.
const TRAIN: f64 = 0.7;
/// Share of a pilot's rows that are validation rows.
const VALID: f64 = 0.1;
/// Share of a pilot's rows that are test rows.
const HELD: f64 = 1.0 - TRAIN - VALID;

impl Dataset {
    /// Number of pilots with different test rows: 5, or 1 if the split follows time.
    #[must_use]
    pub fn pilots(&self) -> usize {
        if self.fold_kind == FoldKind::Time {
            1
        } else {
            (1.0 / HELD).round() as usize
        }
    }

    /// A pilot: at most `rows` of the training and validation rows, split anew 70 : 10 : 20 into training, validation and test rows.
    ///
    /// | kind of split | rows taken | how they are split |
    /// |---|---|---|
    /// | random | random rows | at random |
    /// | group | whole groups in random order, each if it still fits (if none fits, the smallest group) | by whole groups |
    /// | time | the latest whole stretches | the earliest are training rows, the latest test rows |
    ///
    /// Pilots with the same `seed` and `rows` have the same rows. Each `turn` from 0 up to, but not including, [`pilots`](Self::pilots) gives other
    /// test rows.
    ///
    /// # Errors
    ///
    /// [`Error::Split`] if there are too few rows, groups or stretches of time, so that training, validation or test rows would be missing.
    pub fn pilot(&self, rows: usize, turn: usize, seed: u64) -> Result<Self> {
        let mut units = self.units();
        if self.fold_kind == FoldKind::Time {
            units.reverse();
        } else {
            units.shuffle(&mut generator(seed, "pilot", 0));
        }
        let mut taken = self.take(units, rows);
        if self.fold_kind == FoldKind::Time {
            taken.reverse();
        }
        let total: usize = taken.iter().map(Vec::len).sum();
        let mut parts = Split::default();
        let mut before = 0;
        for unit in &taken {
            // The middle of the unit decides on its part. It is computed from whole numbers, so that rounding has no influence.
            let middle = 2 * before + unit.len();
            let place = (middle as f64 / (2 * total) as f64 + turn as f64 * HELD).fract();
            let part = match place {
                place if place < TRAIN => &mut parts.train,
                place if place < TRAIN + VALID => &mut parts.valid,
                _ => &mut parts.test,
            };
            part.extend(unit);
            before += unit.len();
        }
        if [&parts.train, &parts.valid, &parts.test]
            .iter()
            .any(|part| part.is_empty())
        {
            let unit = match self.fold_kind {
                FoldKind::Random => "rows",
                FoldKind::Group => "groups",
                FoldKind::Time => "stretches of time",
            };
            let message = format!(
                "too few {unit} ({}) for a pilot (a quick trial training), which needs training, validation and test rows; add rows",
                taken.len()
            );
            return Err(Error::Split { message });
        }
        // Targets of rows just before a border lie behind it, if later rows are predicted.
        parts.train = self.before(parts.train, &[&parts.valid[..], &parts.test].concat())?;
        parts.valid = self.before(parts.valid, &parts.test)?;
        Ok(self.only(&parts))
    }

    /// About half of the given rows: every second row or group; or, if the split follows time, the later half.
    #[must_use]
    pub fn half(&self, rows: &[usize]) -> Vec<usize> {
        let mut units = self.units_of(rows);
        let latest = self.fold_kind == FoldKind::Time;
        let from = units.len() / 2;
        units = units
            .into_iter()
            .enumerate()
            .filter(|(at, _)| if latest { *at >= from } else { at % 2 == 0 })
            .map(|(_, unit)| unit)
            .collect();
        let mut half = units.concat();
        half.sort_unstable();
        half
    }

    /// Training and validation rows as units that must stay together: single rows, groups, or stretches in order of time.
    fn units(&self) -> Vec<Vec<usize>> {
        self.units_of(&self.split.train_valid())
    }

    fn units_of(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        let Some(blocks) = &self.blocks else {
            return rows.iter().map(|row| vec![*row]).collect();
        };
        let mut units: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        rows.iter()
            .for_each(|row| units.entry(blocks[*row]).or_default().push(*row));
        units.into_values().collect()
    }

    /// Takes units (lists of rows that must stay together) in their order, as long as the taken units have at most `rows` rows in total. A unit that
    /// does not fit is skipped; if the split follows time, no unit after it is taken. If no unit fits, takes the smallest.
    fn take(&self, units: Vec<Vec<usize>>, rows: usize) -> Vec<Vec<usize>> {
        let smallest = units.iter().min_by_key(|unit| unit.len()).cloned();
        let mut taken: Vec<Vec<usize>> = Vec::new();
        let mut filled = 0;
        for unit in units {
            if filled + unit.len() <= rows {
                filled += unit.len();
                taken.push(unit);
            } else if self.fold_kind == FoldKind::Time {
                break;
            }
        }
        if taken.is_empty() {
            smallest.into_iter().collect()
        } else {
            taken
        }
    }

    /// This data set with only the rows of `split`. Positions of rows are numbered anew, from 0.
    fn only(&self, split: &Split) -> Self {
        let mut kept = [split.train.as_slice(), &split.valid, &split.test].concat();
        kept.sort_unstable();
        let place: BTreeMap<usize, usize> = kept
            .iter()
            .enumerate()
            .map(|(at, row)| (*row, at))
            .collect();
        let moved = |rows: &[usize]| {
            let mut rows: Vec<usize> = rows.iter().map(|row| place[row]).collect();
            rows.sort_unstable();
            rows
        };
        let pick = |values: &[f64]| kept.iter().map(|row| values[*row]).collect();
        let mut pilot = Self {
            features: self.features.rows(&kept),
            targets: self.targets.select(&kept),
            weight: self.weight_of(&kept),
            rows: kept.iter().map(|row| self.rows[*row]).collect(),
            blocks: self.blocks_of(&kept),
            split: Split {
                train: moved(&split.train),
                valid: moved(&split.valid),
                test: moved(&split.test),
            },
            valid_given: false,
            fold_kind: self.fold_kind,
            overlap: self.overlap,
            base: self.base.iter().map(|base| pick(base)).collect(),
            timeline: self
                .timeline
                .as_ref()
                .map(|timeline| timeline.select(&kept)),
            naive: self.naive.iter().map(|naive| naive.select(&kept)).collect(),
            uncapped: self.uncapped.iter().map(|values| pick(values)).collect(),
            given: self.given.as_ref().map(|given| crate::GivenTeacher {
                prediction: pick(&given.prediction),
                std: given.std.as_ref().map(|std| pick(std)),
                fold: given
                    .fold
                    .as_ref()
                    .map(|fold| kept.iter().map(|row| fold[*row]).collect()),
            }),
            summary: self.summary.clone(),
        };
        pilot.summary.rows = kept.len();
        // Warnings describe the whole table. Only warnings about dropped columns are also true for the pilot.
        let gone: Vec<String> = self
            .summary
            .dropped_columns()
            .map(|(_, name)| name.to_owned())
            .collect();
        let warnings = &mut pilot.summary.warnings;
        warnings.retain(|found| {
            found
                .column
                .as_ref()
                .is_some_and(|name| gone.contains(name))
        });
        (pilot.summary.train, pilot.summary.valid, pilot.summary.test) = (
            pilot.split.train.len(),
            pilot.split.valid.len(),
            pilot.split.test.len(),
        );
        pilot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Column, DataOptions, Table};

    fn data(rows: usize, edit: impl Fn(&mut DataOptions)) -> Dataset {
        let column = |f: &dyn Fn(usize) -> f64| (0..rows).map(f).collect::<Vec<f64>>();
        let groups: Vec<String> = (0..rows).map(|row| format!("g{}", row / 10)).collect();
        let table = Table {
            columns: vec![
                Column::number("a", column(&|row| (row * 37 % 101) as f64)),
                Column::number("when", column(&|row| row as f64)),
                Column::category("who", groups.iter().map(|group| Some(group.as_str()))),
                Column::number("given", column(&|row| row as f64 + 0.5)),
                Column::number(
                    "y",
                    column(&|row| (row * 53 % 89) as f64 + row as f64 / 1000.0),
                ),
            ],
            rows,
            ..Table::default()
        };
        let mut options = DataOptions {
            teacher_column: Some("given".into()),
            ..DataOptions::for_target("y")
        };
        edit(&mut options);
        options.checks.insert("few_rows".into(), Action::Warn);
        Dataset::from_table(table, &options, None, 3).unwrap()
    }

    fn in_table(pilot: &Dataset, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|row| pilot.rows[*row]).collect()
    }

    #[test]
    fn pilot_is_split_70_10_20_without_test_rows_of_the_data_set() {
        let all = data(1000, |o| o.drop = vec!["when".into(), "who".into()]);
        let pilot = all.pilot(400, 0, 1).unwrap();
        assert_eq!(
            [
                pilot.split.train.len(),
                pilot.split.valid.len(),
                pilot.split.test.len()
            ],
            [280, 40, 80]
        );
        let test: Vec<usize> = in_table(&all, &all.split.test);
        assert!(pilot.rows.iter().all(|row| !test.contains(row)));
        // All lists have the order of `rows`: the given prediction is the row's number plus 0.5.
        let given = pilot.given.clone().unwrap().prediction;
        assert!(
            pilot
                .rows
                .iter()
                .zip(&given)
                .all(|(row, given)| *given == *row as f64 + 0.5)
        );
        assert!(
            pilot
                .rows
                .iter()
                .zip(pilot.target())
                .all(|(row, y)| *y == (row * 53 % 89) as f64 + *row as f64 / 1000.0)
        );
    }

    #[test]
    fn pilots_hold_out_different_rows_of_the_same_sample() {
        let all = data(1000, |o| o.drop = vec!["when".into(), "who".into()]);
        let pilots: Vec<Dataset> = (0..all.pilots())
            .map(|turn| all.pilot(300, turn, 1).unwrap())
            .collect();
        assert_eq!(pilots.len(), 5);
        assert_eq!(pilots[0].rows, pilots[1].rows);
        let mut held: Vec<usize> = pilots
            .iter()
            .flat_map(|pilot| in_table(pilot, &pilot.split.test))
            .collect();
        let n = held.len();
        held.sort_unstable();
        held.dedup();
        assert_eq!((n, held.len()), (300, 300));
        assert_ne!(all.pilot(300, 0, 2).unwrap().rows, pilots[0].rows);
    }

    #[test]
    fn pilot_keeps_groups_whole() {
        let all = data(1000, |o| {
            (o.group, o.drop) = (Some("who".into()), vec!["when".into()]);
        });
        let pilot = all.pilot(305, 1, 1).unwrap();
        assert_eq!(pilot.target().len(), 300);
        let blocks = pilot.blocks.clone().unwrap();
        let groups = |rows: &[usize]| {
            rows.iter()
                .map(|row| blocks[*row])
                .collect::<std::collections::BTreeSet<u32>>()
        };
        let (train, valid, held) = (
            groups(&pilot.split.train),
            groups(&pilot.split.valid),
            groups(&pilot.split.test),
        );
        assert_eq!((train.len(), valid.len(), held.len()), (21, 3, 6));
        assert!(train.is_disjoint(&held) && valid.is_disjoint(&held) && train.is_disjoint(&valid));
    }

    #[test]
    fn pilot_takes_the_latest_rows_in_order_of_time() {
        let all = data(1000, |o| {
            (o.time, o.drop) = (Some("when".into()), vec!["who".into()]);
        });
        assert_eq!(all.pilots(), 1);
        let pilot = all.pilot(300, 0, 1).unwrap();
        // 800 rows are not test rows; stretches have √200 ≈ 14 rows.
        assert!(
            pilot.rows.iter().all(|row| (486..800).contains(row)) && pilot.target().len() > 280,
            "{:?}",
            pilot.rows
        );
        let last = |rows: &[usize]| in_table(&pilot, rows).into_iter().max().unwrap();
        let first = |rows: &[usize]| in_table(&pilot, rows).into_iter().min().unwrap();
        assert!(
            last(&pilot.split.train) < first(&pilot.split.valid)
                && last(&pilot.split.valid) < first(&pilot.split.test)
        );
        assert!(all.half(&pilot.split.train).len() < pilot.split.train.len());
    }

    #[test]
    fn half_takes_every_second_row_or_group() {
        let all = data(100, |o| o.drop = vec!["when".into(), "who".into()]);
        assert_eq!(all.half(&[3, 5, 8, 9, 11]), [3, 8, 11]);
        let grouped = data(100, |o| {
            (o.group, o.drop) = (Some("who".into()), vec!["when".into()]);
        });
        let half = grouped.half(&(0..40).collect::<Vec<_>>());
        assert_eq!(half.len(), 20);
    }

    #[test]
    fn pilot_rejects_too_few_groups() {
        let all = data(30, |o| {
            (o.group, o.drop) = (Some("who".into()), vec!["when".into()]);
        });
        let error = all.pilot(2000, 0, 1).unwrap_err().to_string();
        assert!(
            error.contains("too few groups (") && error.contains("for a pilot"),
            "{error}"
        );
    }

    #[test]
    fn pilot_keeps_only_warnings_about_dropped_columns() {
        // Three columns have one value each: a check drops `same`, the user drops `who` and keeps `kept`.
        let column = |f: &dyn Fn(usize) -> f64| (0..300).map(f).collect::<Vec<f64>>();
        let mut y = column(&|row| (row * 53 % 89) as f64);
        y[7] = f64::NAN;
        let table = Table {
            columns: vec![
                Column::number("a", column(&|row| (row * 37 % 101) as f64)),
                Column::number("same", column(&|_| 4.0)),
                Column::number("who", column(&|_| 5.0)),
                Column::number("kept", column(&|_| 6.0)),
                Column::number("y", y),
            ],
            rows: 300,
            ..Table::default()
        };
        let options = DataOptions {
            drop: vec!["who".into()],
            keep: vec!["kept".into()],
            ..DataOptions::for_target("y")
        };
        let all = Dataset::from_table(table, &options, None, 3).unwrap();
        let dropped = |data: &Dataset| -> Vec<(crate::Check, String)> {
            let dropped = data.summary.dropped_columns();
            dropped
                .map(|(check, name)| (check, name.to_owned()))
                .collect()
        };
        assert_eq!(dropped(&all), [(crate::Check::Constant, "same".to_owned())]);
        // The warning about the dropped row without a target is only in the summary of the whole table.
        assert!(
            all.summary
                .warnings
                .iter()
                .any(|found| found.check == "missing_target")
        );
        let pilot = all.pilot(200, 0, 1).unwrap();
        assert_eq!(dropped(&pilot), dropped(&all));
        assert_eq!(pilot.summary.warnings.len(), 1);
    }
}
