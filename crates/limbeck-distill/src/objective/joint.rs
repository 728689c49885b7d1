//! The loss of a student with several targets.

use limbeck_nets::{StepContext, StepLoss};

/// The loss of several targets: `L = Σ share_k · L_k`, the weighted sum of their losses. Each `L_k` has its own outputs and label columns, in the
/// order of the targets.
pub struct Joint {
    parts: Vec<(Box<dyn StepLoss>, f32)>,
}

impl Joint {
    /// Joins the losses of the targets. Each comes with its factor `share_k` in the sum. These losses must not use hidden activations or compare rows
    /// with each other.
    #[must_use]
    pub fn new(parts: Vec<(Box<dyn StepLoss>, f32)>) -> Self {
        Self { parts }
    }
}

/// The `count` columns from column `first` on, of a row-major matrix with `all` columns.
pub(crate) fn columns(matrix: &[f32], all: usize, first: usize, count: usize) -> Vec<f32> {
    let rows = matrix.chunks_exact(all);
    rows.flat_map(|row| &row[first..first + count])
        .copied()
        .collect()
}

impl StepLoss for Joint {
    fn columns(&self) -> usize {
        self.parts.iter().map(|(loss, _)| loss.columns()).sum()
    }

    fn outputs(&self) -> usize {
        self.parts.iter().map(|(loss, _)| loss.outputs()).sum()
    }

    fn value_and_grad(
        &self,
        pred: &[f32],
        labels: &[f32],
        moment: StepContext,
        grad: &mut [f32],
    ) -> f32 {
        let (outputs, all) = (self.outputs(), self.columns());
        let (mut output, mut column, mut sum) = (0, 0, 0.0);
        for (loss, share) in &self.parts {
            let (own, read) = (loss.outputs(), loss.columns());
            let pred = columns(pred, outputs, output, own);
            let labels = columns(labels, all, column, read);
            let mut slope = vec![0.0; pred.len()];
            sum += share * loss.value_and_grad(&pred, &labels, moment, &mut slope);
            for (grad, slope) in grad.chunks_exact_mut(outputs).zip(slope.chunks_exact(own)) {
                let grad = grad[output..][..own].iter_mut();
                grad.zip(slope)
                    .for_each(|(grad, slope)| *grad = share * slope);
            }
            (output, column) = (output + own, column + read);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_nets::loss::PointLoss;
    use limbeck_nets::losses::{Hard, LabelLoss};

    #[test]
    fn shares_are_worked_by_hand() {
        let loss = |kind| Box::new(Hard(LabelLoss::Point(kind))) as Box<dyn StepLoss>;
        let joint = Joint::new(vec![
            (loss(PointLoss::Squared), 0.75),
            (loss(PointLoss::Huber { delta: 0.5 }), 0.25),
        ]);
        assert_eq!((joint.outputs(), joint.columns()), (2, 4));
        // Errors 2 and 3, weights 1 and 2: squared 4; Huber 0.5 · (2 · 3 − 0.5), slope 1.
        let (pred, labels) = ([2.0, 3.0], [0.0, 1.0, 0.0, 2.0]);
        let mut grad = [f32::NAN; 2];
        let sum = joint.value_and_grad(&pred, &labels, StepContext::default(), &mut grad);
        assert_eq!(sum, 0.75 * 4.0 + 0.25 * 2.0 * 2.75);
        assert_eq!(grad, [0.75 * 4.0, 0.25 * 2.0]);
    }

    #[test]
    fn rows_keep_their_places() {
        let loss = || Box::new(Hard(LabelLoss::Point(PointLoss::Squared))) as Box<dyn StepLoss>;
        let joint = Joint::new(vec![(loss(), 0.5), (loss(), 0.5)]);
        let labels = [1.0, 1.0, 2.0, 1.0, 3.0, 1.0, 4.0, 1.0];
        let mut grad = [0.0; 4];
        joint.value_and_grad(
            &[1.0, 2.0, 3.0, 5.0],
            &labels,
            StepContext::default(),
            &mut grad,
        );
        assert_eq!(grad, [0.0, 0.0, 0.0, 1.0]);
    }
}
