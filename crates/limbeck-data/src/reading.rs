//! Options for reading a table.

use std::collections::BTreeMap;

use crate::kind::ColumnKind;
use crate::numbers::{Notation, Rules};
use crate::text::{DecimalMark, Separator};

/// Options for reading a table.
///
/// | option | default | purpose |
/// |---|---|---|
/// | `types` | none | column kinds that replace the inferred kinds, by column name |
/// | `missing` | none | texts and numbers that mean *missing*, in all columns |
/// | `decimal` | auto | the decimal mark of numbers in text |
/// | `separator` | found from the first records | the character between the cells of a text table |
/// | `skip_lines` | 0 | number of lines to skip above the header of a text table |
/// | `notations` | none | how cells are written in the training table, by column name |
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Column kinds that replace the inferred kinds, by column name.
    pub types: BTreeMap<String, ColumnKind>,
    /// Texts and numbers that mean *missing*, in all columns.
    pub missing: Vec<String>,
    /// The decimal mark of numbers in text.
    pub decimal: DecimalMark,
    /// The character between the cells of a text table; `None` finds it from the first records.
    pub separator: Option<Separator>,
    /// Number of lines to skip above the header of a text table.
    pub skip_lines: usize,
    /// How cells are written in the training table, by column name. [`Table::read_like`](crate::Table::read_like) reads numbers and dates this way.
    pub notations: BTreeMap<String, Notation>,
}

impl ReadOptions {
    /// Rules for a column without a known notation: its decimal mark, thousands separator and order of dates are found from its cells.
    ///
    /// If `prefers_comma` is true, a comma that could be a thousands separator or a decimal mark is a decimal mark.
    pub(crate) fn rules(&self, prefers_comma: bool) -> Rules<'_> {
        Rules {
            missing: &self.missing,
            decimal: self.decimal,
            prefers_comma,
            notation: None,
        }
    }

    /// Rules for a column of a later table, whose numbers and dates are written as in the training table. A column without an entry in `notations`
    /// has numbers and dates as programs write them.
    pub(crate) fn rules_like(&self, column: &str) -> Rules<'_> {
        static PLAIN: Notation = Notation::PLAIN;
        Rules {
            notation: Some(self.notations.get(column).unwrap_or(&PLAIN)),
            ..self.rules(false)
        }
    }
}
