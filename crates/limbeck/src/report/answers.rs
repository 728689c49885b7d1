//! What all sides answer on test rows.

/// Answers of all sides on test rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) target: Vec<f64>,
    pub(crate) teacher: Vec<f64>,
    pub(crate) alone: Vec<f64>,
    pub(crate) distilled: Vec<f64>,
    pub(crate) shipped: Vec<f64>,
}

impl Answers {
    pub(crate) fn sides(&self) -> [(&'static str, &[f64]); 3] {
        [
            ("teacher", &self.teacher),
            ("alone", &self.alone),
            ("distilled", &self.distilled),
        ]
    }
}
