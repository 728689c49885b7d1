//! Which student is shipped.

use serde::{Deserialize, Serialize};

/// Which student is in `student.limbeck`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShippedKind {
    /// The baseline, trained without the teacher.
    #[serde(alias = "alone")]
    Baseline,
    /// The distilled student, trained with the teacher.
    Distilled,
}
