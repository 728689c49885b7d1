//! Options for reading a table.

use std::collections::BTreeMap;

use crate::kind::ColumnKind;
use crate::numbers::{Notation, Rules};
use crate::text::{DecimalMark, Separator};

/// Options for reading a table.
///
/// | option | default | purpose |
/// |---|---|---|
/// | `types` | none | kinds that replace the inferred ones, by column |
/// | `missing` | none | texts and numbers that mean *missing*, in all columns |
/// | `decimal` | auto | the decimal mark of numbers in text |
/// | `separator` | by the first records | what separates the cells of a text table |
/// | `skip_lines` | 0 | lines above the header of a text table |
/// | `notations` | none | how cells were written in the training table, by column |
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Kinds that replace the inferred ones, by column.
    pub types: BTreeMap<String, ColumnKind>,
    /// Texts and numbers that mean *missing*, in all columns.
    pub missing: Vec<String>,
    /// The decimal mark of numbers in text.
    pub decimal: DecimalMark,
    /// What separates the cells of a text table; found by its first records where none is given.
    pub separator: Option<Separator>,
    /// Lines above the header of a text table.
    pub skip_lines: usize,
    /// How cells were written in the table that a student was trained on, by column; used by [`Table::read_like`](crate::Table::read_like).
    pub notations: BTreeMap<String, Notation>,
}

impl ReadOptions {
    /// Rules for a column whose notation is found from its cells.
    ///
    /// With `prefers_comma`, a comma that could separate thousands or decimals is a decimal mark.
    pub(crate) fn rules(&self, prefers_comma: bool) -> Rules<'_> {
        Rules {
            missing: &self.missing,
            decimal: self.decimal,
            prefers_comma,
            notation: None,
        }
    }

    /// Rules for a column that is read as in the training table; a column without a notation has numbers as programs write them.
    pub(crate) fn rules_like(&self, column: &str) -> Rules<'_> {
        static PLAIN: Notation = Notation::PLAIN;
        Rules {
            notation: Some(self.notations.get(column).unwrap_or(&PLAIN)),
            ..self.rules(false)
        }
    }
}
