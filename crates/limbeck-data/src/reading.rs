//! Options for reading a table.

use std::collections::BTreeMap;

use crate::kind::ColumnKind;
use crate::numbers::Rules;
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
}

impl ReadOptions {
    /// How cells are read, in a file where a comma that could be either is a decimal mark or is not.
    pub(crate) fn rules(&self, prefers_comma: bool) -> Rules<'_> {
        Rules {
            missing: &self.missing,
            decimal: self.decimal,
            prefers_comma,
        }
    }
}
