//! The teacher's labels: of every row of the data set, and of new rows.
//!
//! All values are in the *learned unit*: the target's own, or its natural logarithm with `log_target`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use limbeck_data::folds::NO_FOLD;
use limbeck_data::{Column, Dataset, Table, Values};
use limbeck_distill::hints::Coordinates;
use limbeck_distill::transfer::{KnownRows, NewRows, Transfer, TransferSet};
use limbeck_teach::Prediction;
use serde::{Deserialize, Serialize};

use crate::report::TeacherReport;

/// Labels of the rows of the data set, and of new rows, which only the teacher labeled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LabelStore {
    /// The teacher's prediction for each row of the data set; NaN for a row without a label. If limbeck fits the teacher, the label of a training row
    /// is out of fold, the label of a validation row is from the fold teachers, and the label of a test row from the final teacher.
    pub teacher: Vec<f64>,
    /// Standard deviation of the teacher's prediction for each row of the data set.
    #[serde(alias = "spread")]
    pub std: Vec<f64>,
    /// Fold of each row of the data set; [`NO_FOLD`] for rows without an out-of-fold label.
    pub fold: Vec<u32>,
    /// The new rows. Their field `source` holds the index, among the rows of the data set, of the row from which each was made.
    pub new: Transfer,
    /// The teacher's inner features; `None` unless the options ask for feature distillation.
    pub features: Option<TeacherFeatures>,
    /// Labels of the new rows for the search; from the fold teachers, which have not seen the validation rows, if limbeck fits the teacher.
    pub pilot: Vec<f64>,
    /// Labels of the new rows for the refit, with standard deviations; from the final teacher if limbeck fits the teacher.
    pub full: Prediction,
    /// True for the new rows that are accepted for training: their label is finite, the teacher's standard deviation is not too large on them, and no
    /// later stage rejected them.
    #[serde(alias = "believed")]
    pub accepted: Vec<bool>,
    /// The teacher's entry in the report.
    pub summary: TeacherReport,
    /// The teacher's file, as bytes; `None` if limbeck did not fit the teacher in this run.
    pub file: Option<Vec<u8>>,
    /// Microseconds that the teacher took to label a row; `None` if this was not measured, for example because labels were read from an earlier run.
    pub us_per_row: Option<f64>,
}

/// The teacher's inner features on all rows of the data set and on the new rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TeacherFeatures {
    /// Features for the search, of a model that has not seen validation rows.
    pub pilot: Coordinates,
    /// Features for the refit, of the final teacher.
    pub full: Coordinates,
}

/// A split of the rows with other validation rows, and labels for it.
pub(crate) struct OtherSplit<'a> {
    pub(crate) data: Dataset,
    pub(crate) store: Cow<'a, LabelStore>,
}

/// Values of the column `set` of the labels table.
const SETS: [&str; 5] = ["train", "valid", "test", "new", "unused"];

impl LabelStore {
    /// Indices of the new rows that are used: those that are accepted. Two rows that are a pair (see [`Transfer::second`]) are used only if both are
    /// accepted.
    #[must_use]
    pub fn kept(&self) -> Vec<usize> {
        let fine = |row: usize| match (self.new.second[row], self.new.second.get(row + 1)) {
            (true, _) => self.accepted[row] && self.accepted[row - 1],
            (false, Some(true)) => self.accepted[row] && self.accepted[row + 1],
            (false, _) => self.accepted[row],
        };
        (0..self.accepted.len()).filter(|&row| fine(row)).collect()
    }

    /// The labels as a table: one row per row of the data set, then one per new row.
    #[must_use]
    pub fn to_table(&self, data: &Dataset) -> Table {
        let n = self.teacher.len();
        // Rows in no part of the split train, choose and test nothing: they calibrate prediction intervals, or were left out at a border of the split.
        let mut set = vec![SETS[4]; n];
        set.resize(n + self.new.features.rows, SETS[3]);
        for (rows, name) in [
            (&data.split.train, SETS[0]),
            (&data.split.valid, SETS[1]),
            (&data.split.test, SETS[2]),
        ] {
            for &row in rows {
                set[row] = name;
            }
        }
        let both = |own: &[f64], new: &[f64]| own.iter().chain(new).copied().collect::<Vec<f64>>();
        let position = data
            .rows
            .iter()
            .map(|&row| row as f64)
            .chain((0..self.new.features.rows).map(|row| row as f64));
        let fold = |&fold: &u32| {
            if fold == NO_FOLD {
                f64::NAN
            } else {
                f64::from(fold)
            }
        };
        let missing = vec![f64::NAN; n.max(self.new.features.rows)];
        let accepted: Vec<f64> = self
            .accepted
            .iter()
            .map(|&b| f64::from(u8::from(b)))
            .collect();
        let columns = vec![
            Column::category("set", set.into_iter().map(Some)),
            Column::number("row", position.collect()),
            Column::number(
                "fold",
                both(
                    &self.fold.iter().map(fold).collect::<Vec<_>>(),
                    &missing[..self.new.features.rows],
                ),
            ),
            Column::number("teacher", both(&self.teacher, &self.full.mean)),
            Column::number("std", both(&self.std, &self.full.std)),
            Column::number("pilot", both(&missing[..n], &self.pilot)),
            Column::number("accepted", both(&missing[..n], &accepted)),
        ];
        let rows = n + self.new.features.rows;
        Table {
            columns,
            rows,
            whole: ["row", "fold", "accepted"].map(str::to_owned).to_vec(),
            ..Table::default()
        }
    }

    /// Fills in the labels of the rows of the data set from a table of labels. The error says why the table does not fit.
    pub(crate) fn fill_known(&mut self, table: &Table, data: &Dataset) -> Result<(), String> {
        let n = data.target().len();
        if table.rows < n {
            return Err(format!(
                "that run has only {} labels, but this table has {n} rows",
                table.rows
            ));
        }
        let numbers = |name| numbers(table, name);
        let rows = numbers("row")?;
        if data
            .rows
            .iter()
            .zip(rows)
            .any(|(&row, found)| (row as f64).total_cmp(found).is_ne())
        {
            return Err(
                "they belong to other rows; use the table of that run, or let limbeck fit a new teacher"
                    .into(),
            );
        }
        let unused = table.column("set").map(|column| match &column.values {
            Values::Category { codes, levels } => {
                let code = levels.iter().position(|level| level == SETS[4]);
                codes
                    .iter()
                    .map(|&own| Some(own as usize) == code)
                    .collect()
            }
            _ => Vec::new(),
        });
        let is_unused = |row: &usize| {
            unused
                .as_ref()
                .is_some_and(|unused| unused.get(*row) == Some(&true))
        };
        let learned = data.split.train_valid();
        let foreign = learned.iter().filter(|row| is_unused(row)).count();
        if foreign > 0 {
            return Err(format!(
                "that run made no labels for {foreign} of the rows that this run learns from, because they calibrated its prediction intervals; use the same `intervals` and `calibration_share` as in that run"
            ));
        }
        self.fold = numbers("fold")?[..n]
            .iter()
            .map(|&f| if f.is_nan() { NO_FOLD } else { f as u32 })
            .collect();
        let (teacher, std) = (numbers("teacher")?, numbers("std")?);
        self.teacher = teacher[..n].to_vec();
        self.std = std[..n].to_vec();
        Ok(())
    }

    /// Fills in the labels of the new rows from a table of labels. The error says why the table does not fit.
    pub(crate) fn fill_new(&mut self, table: &Table) -> Result<(), String> {
        let n = self.teacher.len();
        if table.rows != n + self.new.features.rows {
            return Err(format!(
                "that run has {} labels, but this run has {n} rows of the table and {} new rows to label",
                table.rows, self.new.features.rows
            ));
        }
        let numbers = |name| numbers(table, name);
        let (teacher, std) = (numbers("teacher")?, numbers("std")?);
        self.full = Prediction {
            mean: teacher[n..].to_vec(),
            std: std[n..].to_vec(),
        };
        if self.new.features.rows > 0 {
            self.pilot = numbers("pilot")?[n..].to_vec();
            self.accepted = numbers("accepted")?[n..].iter().map(|&b| b > 0.5).collect();
        }
        Ok(())
    }

    /// The given rows of the data set, with the teacher's labels.
    #[must_use]
    pub fn known(&self, data: &Dataset, rows: &[usize]) -> KnownRows {
        KnownRows {
            rows: rows.to_vec(),
            features: data.features.rows(rows),
            target: data.learned_of(rows),
            weight: data.weight_of(rows),
            blocks: data.blocks_of(rows),
            teacher: rows.iter().map(|&row| self.teacher[row]).collect(),
            std: rows.iter().map(|&row| self.std[row]).collect(),
        }
    }

    /// The accepted new rows, with the labels `mean`. `rows` are the rows of the data set in the same transfer set; a new row that was made from one
    /// of them refers to it by its index in `rows`. Slightly moved copies of training rows get the weight `perturb_weight`.
    fn new_rows(&self, mean: &[f64], rows: &[usize], perturb_weight: f64) -> NewRows {
        let kept = self.kept();
        let rows = rows.iter().enumerate();
        let place: BTreeMap<usize, usize> = rows.map(|(at, &row)| (row, at)).collect();
        let pick = |values: &[f64]| kept.iter().map(|&row| values[row]).collect();
        let source: Vec<Option<usize>> = kept.iter().map(|&row| self.new.source[row]).collect();
        NewRows {
            features: self.new.features.rows(&kept),
            mean: pick(mean),
            std: pick(&self.full.std),
            weight: source
                .iter()
                .map(|source| {
                    if source.is_some() {
                        perturb_weight
                    } else {
                        1.0
                    }
                })
                .collect(),
            source: source
                .into_iter()
                .map(|source| source.and_then(|row| place.get(&row).copied()))
                .collect(),
            second: kept.iter().map(|&row| self.new.second[row]).collect(),
        }
    }

    /// The teacher's features of the given rows of the data set and of the new rows that are used.
    fn shown(&self, all: &Coordinates, rows: &[usize]) -> Coordinates {
        let pick = |values: &[f32], rows: &[usize]| -> Vec<f32> {
            let width = all.attention.len();
            rows.iter()
                .flat_map(|&row| &values[row * width..][..width])
                .copied()
                .collect()
        };
        Coordinates {
            rows: pick(&all.rows, rows),
            new: pick(&all.new, &self.kept()),
            attention: all.attention.clone(),
        }
    }

    /// The transfer set (the rows that students learn from) of the search: training rows, and accepted new rows with the labels `pilot`.
    /// `perturb_weight` is the weight of slightly moved copies of training rows.
    #[must_use]
    pub fn for_search(&self, data: &Dataset, perturb_weight: f64) -> TransferSet {
        let rows = &data.split.train;
        let shown = |all: &TeacherFeatures| self.shown(&all.pilot, rows);
        TransferSet {
            known: self.known(data, rows),
            new: self.new_rows(&self.pilot, rows, perturb_weight),
            coordinates: self.features.as_ref().map(shown),
        }
    }

    /// The transfer set (the rows that students learn from) of the refits: training and validation rows, and accepted new rows with the labels
    /// `full`. `perturb_weight` is the weight of slightly moved copies of training rows.
    #[must_use]
    pub fn for_refit(&self, data: &Dataset, perturb_weight: f64) -> TransferSet {
        let rows = data.split.train_valid();
        let shown = |all: &TeacherFeatures| self.shown(&all.full, &rows);
        TransferSet {
            known: self.known(data, &rows),
            new: self.new_rows(&self.full.mean, &rows, perturb_weight),
            coordinates: self.features.as_ref().map(shown),
        }
    }
}

/// Columns of labels that had another name in earlier versions: the name now, and the name then.
const OLD_NAMES: [(&str, &str); 2] = [("std", "spread"), ("accepted", "believed")];

/// The number column `name` of a table of labels. In a table of an earlier version, the column may have its old name.
fn numbers<'a>(table: &'a Table, name: &str) -> Result<&'a [f64], String> {
    let old = || OLD_NAMES.iter().find(|(new, _)| *new == name);
    let column = table.column(name);
    let column = column.or_else(|| old().and_then(|(_, old)| table.column(old)));
    match column.map(|column| &column.values) {
        Some(Values::Number(values)) => Ok(values),
        _ => Err(format!(
            "the labels have no number column `{name}`; make that run again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_earlier_versions_are_read() {
        let table = |names: [&str; 2]| Table {
            columns: vec![
                Column::number("teacher", vec![1.0, 2.0]),
                Column::number(names[0], vec![0.5, 0.25]),
                Column::number("pilot", vec![f64::NAN, 3.0]),
                Column::number(names[1], vec![f64::NAN, 1.0]),
            ],
            rows: 2,
            ..Table::default()
        };
        for names in [["std", "accepted"], ["spread", "believed"]] {
            let mut store = LabelStore {
                teacher: vec![0.0],
                ..LabelStore::default()
            };
            store.new.features.rows = 1;
            store.fill_new(&table(names)).unwrap();
            assert_eq!(
                (&store.full.std[..], &store.accepted[..]),
                (&[0.25][..], &[true][..])
            );
        }
        let error = LabelStore::default().fill_new(&Table::default());
        assert_eq!(
            error,
            Err("the labels have no number column `teacher`; make that run again".into())
        );
        let lost = numbers(&table(["sd", "accepted"]), "std").map(<[f64]>::len);
        assert_eq!(
            lost,
            Err("the labels have no number column `std`; make that run again".into())
        );
    }
}
