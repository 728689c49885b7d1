//! What can be said of a student before anything is trained.

use std::collections::BTreeMap;

use limbeck_data::{FeatureValues, Features};
use limbeck_runtime::Student;

use crate::error::{Error, Result};
use crate::kinds::{self, NonNeural};
use crate::search::{Stage, Study, TransferSet};
use crate::student::options::{StudentKind, StudentOptions};
use crate::student::{Heads, smallest};

/// Upper bounds of parameters per numeric column and in addition; a larger budget needs no check.
const EACH: usize = 10;
const BESIDE: usize = 200;

/// Refuses columns and budgets with which no student of the kind asked for can be made.
///
/// Only number columns count: categories share a code as small as the budget leaves. So a student that is not refused here may still be.
///
/// # Errors
///
/// [`Error::NotATable`], [`Error::BudgetTooSmall`]; where rows cannot be encoded.
pub fn check(student: &StudentOptions, features: &Features, heads: Heads) -> Result<()> {
    let asked = NonNeural::asked(student.kind);
    if student.kind == StudentKind::Table {
        return kinds::table::check(features);
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

/// Untrained students for the rows of `set`, one per kind that may ship: if none of them can be exported, no trained one can.
///
/// # Errors
///
/// Where no student can be made, as [`check`].
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
        };
        Features {
            columns: (0..columns).map(number).collect(),
            rows: 50,
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
