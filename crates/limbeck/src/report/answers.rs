//! Predictions of the teacher and the students on test rows.

/// Predictions of the teacher and the students on test rows, and the targets of these rows; all in the target's unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) target: Vec<f64>,
    pub(crate) teacher: Vec<f64>,
    pub(crate) baseline: Vec<f64>,
    pub(crate) distilled: Vec<f64>,
    pub(crate) shipped: Vec<f64>,
}

impl Answers {
    pub(crate) fn sides(&self) -> [(&'static str, &[f64]); 3] {
        [
            ("teacher", &self.teacher),
            ("baseline", &self.baseline),
            ("distilled", &self.distilled),
        ]
    }
}
