//! Teachers that were fitted elsewhere: model files of other libraries, and teachers of runs on other rows with the same columns.

use std::collections::BTreeSet;
use std::path::Path;

use limbeck_data::{Check, DataSummary, Features, LearnedUnit};
use limbeck_teach::import::{DroppedColumn, ImportOptions, ImportedTeacher};
use limbeck_teach::{FittedTeacher, Prediction, Teacher};

use crate::error::{Error, Result};
use crate::run::Run;
use crate::run::files::{TEACHER, TEACHER_FILE};

/// A model that was fitted outside this run, on rows that this run does not know.
pub(crate) struct ExternalTeacher {
    pub(crate) teacher: Box<dyn Teacher>,
    /// Name of the model in the report.
    pub(crate) kind: String,
    /// Size of the model's file in bytes.
    pub(crate) bytes: usize,
    /// Notes for the user on how the model was read.
    pub(crate) notes: Vec<String>,
    /// The unit of the model's predictions: the target's own, or its logarithm.
    unit: LearnedUnit,
}

impl ExternalTeacher {
    /// Reads the model file `path`, or the teacher of the run in the folder `path`. `data` is the summary of the table that the model is to label.
    ///
    /// # Errors
    ///
    /// The errors of [`ImportedTeacher::read_with`], [`Run::open`] and [`FittedTeacher::from_bytes`]; [`Error::Recipe`] if `columns` or `output` are
    /// given for a run: its teacher knows its columns by name and has one output.
    pub(crate) fn read(
        path: &Path,
        columns: &[String],
        output: Option<&str>,
        data: &DataSummary,
    ) -> Result<Self> {
        if !path.is_dir() || ImportedTeacher::is_foreign_folder(path) {
            return Self::read_file(path, columns, output, data);
        }
        let refused = [
            (
                "teacher.model_columns",
                !columns.is_empty(),
                "the teacher of a run finds its columns by name; leave this option out",
            ),
            (
                "teacher.model_output",
                output.is_some(),
                "the teacher of a run has only one output; leave this option out",
            ),
        ];
        if let Some((place, _, message)) = refused.into_iter().find(|(_, is_given, _)| *is_given) {
            return Err(Error::Recipe {
                place: place.into(),
                message: message.into(),
            });
        }
        let run = Run::open(path)?;
        let sequence = run.report().data.sequence();
        if sequence.is_some_and(|sequence| sequence.relative) {
            return Err(Error::Recipe {
                place: "teacher.model".into(),
                message: "the teacher of that run learned changes from the present value, which this run cannot use; make that run again with `--learn value`".into(),
            });
        }
        let file = path.join(TEACHER).join(TEACHER_FILE);
        let bytes =
            std::fs::read(&file).map_err(Error::file("read the teacher of that run", &file))?;
        Ok(Self {
            teacher: Box::new(FittedTeacher::from_bytes(&bytes)?),
            kind: format!("{} of another run", run.report().teacher.kind),
            bytes: bytes.len(),
            notes: Vec::new(),
            unit: run.recipe().data.learned_unit(&run.report().target),
        })
    }

    fn read_file(
        path: &Path,
        columns: &[String],
        output: Option<&str>,
        data: &DataSummary,
    ) -> Result<Self> {
        let options = ImportOptions {
            output: output.map(str::to_owned),
        };
        let model = ImportedTeacher::read_with(path, &options)?
            .with_columns(columns)
            .with_dropped(dropped(data));
        Ok(Self {
            kind: model.format().to_string(),
            bytes: model.bytes(),
            notes: model.notes().to_vec(),
            unit: LearnedUnit::Own,
            teacher: Box::new(model),
        })
    }

    /// The model's predictions in the learned unit of this run. The standard deviations are empty if the model has none.
    pub(crate) fn predict(&self, x: &Features, unit: LearnedUnit) -> Result<Prediction> {
        let Prediction { mut mean, mut std } = self.teacher.predict(x)?;
        if self.unit != unit {
            for (at, mean) in mean.iter_mut().enumerate() {
                let y = self.unit.target(*mean);
                if let Some(std) = std.get_mut(at) {
                    *std = unit.learn_std(self.unit.target_std(*std, y), y);
                }
                *mean = unit.learn(y);
            }
        }
        Ok(Prediction { mean, std })
    }
}

/// The columns of the table that the model cannot get as inputs: columns that checks dropped, and dates. Error messages name them. Columns that the
/// user dropped are not listed: the user knows that the model does not use them.
fn dropped(data: &DataSummary) -> Vec<DroppedColumn> {
    let by_checks = data.dropped_columns().map(|(check, column)| DroppedColumn {
        column: column.to_owned(),
        check: check.name().to_owned(),
        can_be_kept: check.heeds_keep(),
    });
    let dates = data
        .features
        .iter()
        .filter_map(|feature| feature.date.as_ref());
    let dates: BTreeSet<&str> = dates.map(|date| date.column.as_str()).collect();
    let dates = dates.into_iter().map(|column| DroppedColumn {
        column: column.to_owned(),
        check: Check::Datetime.name().to_owned(),
        can_be_kept: false,
    });
    by_checks.chain(dates).collect()
}

#[cfg(test)]
mod tests {
    use limbeck_data::{Column, ColumnKind, DataOptions, Dataset, Table, Values};

    use super::*;

    #[test]
    fn dates_are_columns_that_a_model_cannot_get() {
        let day = 86_400_000_000;
        let columns = vec![
            Column::number("x", (0..300).map(|i| f64::from(i % 37)).collect()),
            Column {
                name: "when".into(),
                kind: ColumnKind::Time,
                values: Values::Time((0..300).map(|i| i % 200 * day).collect()),
            },
            Column::number("same", vec![1.0; 300]),
            Column::number("y", (0..300).map(|i| f64::from(i * 7 % 101)).collect()),
        ];
        let table = Table {
            columns,
            rows: 300,
            ..Table::default()
        };
        let data = Dataset::from_table(table, &DataOptions::for_target("y"), None, 0).unwrap();
        let found = dropped(&data.summary);
        let found: Vec<(&str, &str, bool)> = found
            .iter()
            .map(|one| (one.column.as_str(), one.check.as_str(), one.can_be_kept))
            .collect();
        assert_eq!(
            found,
            [("same", "constant", true), ("when", "datetime", false)]
        );
    }
}
