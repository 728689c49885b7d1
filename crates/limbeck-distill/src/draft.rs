//! Checks before training: whether a student fits its parameter budget, and whether an untrained student of the same form can be made.

use std::collections::BTreeMap;

use limbeck_data::{FeatureValues, Features};
use limbeck_runtime::Student;

use crate::error::{Error, Result};
use crate::kinds::{self, NonNeural};
use crate::search::{Stage, Study, TransferSet};
use crate::student::options::{StudentKind, StudentOptions};
use crate::student::{Design, Heads, smallest};

/// The smallest student has at most `EACH` parameters per numeric column, plus `BESIDE`. If the budget is at least that large, [`check`] accepts it
/// without an exact count.
const EACH: usize = 10;
const BESIDE: usize = 200;

/// Returns an error if no student of the requested kind fits the columns and the parameter budget.
///
/// Only numeric columns are counted, since categories are encoded with as many parameters as the budget leaves. So a student that passes this check
/// may still be refused later.
///
/// # Errors
///
/// [`Error::NotATable`], [`Error::BudgetTooSmall`]; an error if rows cannot be encoded.
pub fn check(student: &StudentOptions, features: &Features, heads: Heads) -> Result<()> {
    let asked = NonNeural::asked(student.kind);
    if student.kind == StudentKind::Table {
        return kinds::table::check(features);
    }
    if let Some(cell) = student.kind.cell() {
        let rows: Vec<usize> = (0..features.rows).collect();
        return Design::recurrent((features, &rows), (cell, 1), student, heads).map(|_| ());
    }
    let is_number =
        |column: &&limbeck_data::Feature| matches!(column.values, FeatureValues::Number(_));
    let count = features.columns.iter().filter(is_number).count();
    if EACH * count + BESIDE <= student.params {
        return Ok(());
    }
    let numbers = Features {
        columns: features.columns.iter().filter(is_number).cloned().collect(),
        rows: features.rows,
        past: None,
    };
    let mut least = usize::MAX;
    if student.kind.has_network() {
        least = smallest(&numbers, student, heads)?;
    }
    for kind in asked {
        match kinds::smallest(kind, &numbers, student) {
            Ok(own) => least = least.min(own),
            Err(Error::NotATable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if least <= student.params || least == usize::MAX {
        return Ok(());
    }
    Err(Error::BudgetTooSmall {
        columns: features.columns.len(),
        smallest: least,
        allowed: student.params,
    })
}

/// Makes one untrained student of each kind that the options allow, for the rows of `set`. If none of them can be exported, no trained student can be
/// exported either. With kind `auto`, kinds that do not fit the columns or the budget are left out; the list may be empty.
///
/// # Errors
///
/// The errors of [`check`], unless the kind is `auto`; an error if the bins cannot be placed or the user asks to stop.
pub fn drafts(study: &Study<'_>, set: &TransferSet) -> Result<Vec<Student>> {
    let stage = Stage::new(study, set, None)?;
    let network = stage.has_network().then(|| stage.untrained());
    let others = NonNeural::asked(study.student.kind).into_iter();
    let others = others.map(|kind| kinds::untrained(&stage, kind));
    let mut drafts = Vec::new();
    for made in network.into_iter().chain(others) {
        match made {
            Ok((encoder, graph)) => {
                let (provenance, rows) = (BTreeMap::new(), Vec::new());
                drafts.push(stage.finished(encoder, graph, provenance, rows)?);
            }
            Err(Error::NotATable { .. } | Error::BudgetTooSmall { .. })
                if study.student.kind == StudentKind::Auto => {}
            Err(error) => return Err(error),
        }
    }
    Ok(drafts)
}

#[cfg(test)]
mod tests {
    use limbeck_data::Feature;
    use limbeck_nets::Head;

    use super::*;

    fn numbers(columns: usize) -> Features {
        let number = |j: usize| Feature {
            name: format!("n{j}"),
            values: FeatureValues::Number(
                (0..50)
                    .map(|i| ((i * (j + 3)) as f64 * 0.618_033_988).fract())
                    .collect(),
            ),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            columns: (0..columns).map(number).collect(),
            rows: 50,
            past: None,
        }
    }

    #[test]
    fn budget_below_the_smallest_student_is_refused_and_that_budget_is_enough() {
        let kinds = [
            StudentKind::Mlp,
            StudentKind::Linear,
            StudentKind::Trees,
            StudentKind::Auto,
        ];
        for kind in kinds {
            let mut student = StudentOptions {
                kind,
                params: 300,
                ..StudentOptions::default()
            };
            let (features, heads) = (numbers(400), Heads::one(Head::Point));
            let Err(Error::BudgetTooSmall {
                columns, smallest, ..
            }) = check(&student, &features, heads)
            else {
                panic!("{kind:?}: 300 parameters are too few for 400 columns")
            };
            assert_eq!(columns, 400);
            student.params = smallest;
            check(&student, &features, heads).unwrap();
            student.params = smallest - 1;
            assert!(check(&student, &features, heads).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn a_table_reads_three_numbers() {
        let student = StudentOptions {
            kind: StudentKind::Table,
            ..StudentOptions::default()
        };
        let heads = Heads::one(Head::Point);
        assert!(check(&student, &numbers(3), heads).is_ok());
        assert!(matches!(
            check(&student, &numbers(4), heads),
            Err(Error::NotATable { .. })
        ));
    }
}
