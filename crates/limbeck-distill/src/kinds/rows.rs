//! Rows as students without gradients read them.

/// Encoded rows and what they are to be predicted as, in standardized units.
pub(super) struct EncodedTable {
    /// `[rows, width]`.
    pub(super) x: Vec<f32>,
    pub(super) width: usize,
    pub(super) y: Vec<f32>,
    pub(super) w: Vec<f32>,
}

impl EncodedTable {
    /// A list per column.
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

    /// Every `n`-th row.
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
