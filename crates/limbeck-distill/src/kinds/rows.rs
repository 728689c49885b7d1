//! Encoded rows, in the form that non-neural students are fitted to.

/// Encoded rows `x`, with labels `y` (in standardized target units) and row weights `w`.
pub(super) struct EncodedTable {
    /// Matrix `[rows, width]`, row-major.
    pub(super) x: Vec<f32>,
    pub(super) width: usize,
    pub(super) y: Vec<f32>,
    pub(super) w: Vec<f32>,
}

impl EncodedTable {
    /// The values of `x`, one list per column.
    pub(super) fn columns(&self) -> Vec<Vec<f32>> {
        (0..self.width)
            .map(|at| {
                self.x
                    .iter()
                    .skip(at)
                    .step_by(self.width)
                    .copied()
                    .collect()
            })
            .collect()
    }

    /// Only every `n`-th row.
    pub(super) fn every(&self, n: usize) -> Self {
        let n = n.max(1);
        Self {
            x: self
                .x
                .chunks(self.width)
                .step_by(n)
                .flatten()
                .copied()
                .collect(),
            width: self.width,
            y: self.y.iter().step_by(n).copied().collect(),
            w: self.w.iter().step_by(n).copied().collect(),
        }
    }
}
