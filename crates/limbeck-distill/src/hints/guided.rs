//! Targets, teacher labels, features and slopes in one loss.

use limbeck_nets::{Block, Head, Moment, StepLoss};

use super::HintLoss;
use crate::objective::{Blend, LabelRow};

/// A [`Blend`], and what the teacher shows beyond its answers: inner features and how it moves with its inputs.
///
/// # Formula
///
/// ```text
/// L = L_blend + L_hints + γ Σ_pairs [(s(x') − s(x)) − (t(x') − t(x))]² / ρ²
/// ```
///
/// A pair is two neighboring rows `x`, `x'` of the batch, `ρ` apart in standard deviations of the columns: the squared difference
/// of the directional derivatives of student and teacher. `s` and `t` are predicted means. For a teacher that is linear between
/// `x` and `x'`, as a network mostly is, the difference quotient is the derivative; trees have no other.
///
/// Labels: [`LabelRow`], then `γ / ρ²` for the second row of a pair and 0 elsewhere, then coordinates of the teacher's layers.
///
/// # Source
///
/// Czarnecki et al., *Sobolev Training for Neural Networks*, NeurIPS 2017, which matches exact derivatives.
#[derive(Clone, Debug)]
pub struct Guided {
    /// Targets and teacher labels.
    pub blend: Blend,
    /// Features; none leaves them out.
    pub hints: Option<HintLoss>,
    /// True where the training rows begin with pairs.
    pub pairs: bool,
}

impl Guided {
    /// The mean loss of the pairs of some rows; none where there is no pair.
    pub(crate) fn slope(&self, block: &Block<'_>, labels: &[f32]) -> Option<f64> {
        let found = if self.pairs {
            pairs(
                self.blend.soft.head(),
                self.outputs(),
                block,
                labels,
                self.columns(),
            )
        } else {
            Vec::new()
        };
        let sum: f64 = found.iter().map(|pair| f64::from(pair.loss)).sum();
        (!found.is_empty()).then(|| sum / found.len() as f64)
    }
}

impl StepLoss for Guided {
    fn columns(&self) -> usize {
        LabelRow::COLUMNS + 1 + self.hints.as_ref().map_or(0, HintLoss::columns)
    }

    fn outputs(&self) -> usize {
        self.blend.outputs()
    }

    fn statistic(&self, labels: &[f32]) -> f32 {
        self.blend.statistic(&label_rows(labels, self.columns()))
    }

    fn group(&self) -> usize {
        if self.pairs { 2 } else { 1 }
    }

    fn own_weights(&self) -> usize {
        self.hints.as_ref().map_or(0, HintLoss::own_weights)
    }

    fn looks_inside(&self) -> bool {
        true
    }

    /// The blend alone, without pairs and hints.
    fn direct(&self, pred: &[f32], labels: &[f32], moment: Moment, grad: &mut [f32]) -> f32 {
        self.blend
            .direct(pred, &label_rows(labels, self.columns()), moment, grad)
    }

    fn inside(
        &self,
        block: Block<'_>,
        labels: &[f32],
        moment: Moment,
        own: &[f32],
        grad_own: &mut [f32],
    ) -> f32 {
        let (columns, outputs) = (self.columns(), self.outputs());
        let mut sum = self.direct(block.pred, labels, moment, block.grad_pred);
        if self.pairs {
            sum += pairs(self.blend.soft.head(), outputs, &block, labels, columns)
                .iter()
                .fold(0.0, |sum, pair| {
                    for (at, slope) in [(pair.second, pair.slope), (pair.second - 1, -pair.slope)] {
                        mean_slope(
                            self.blend.soft.head(),
                            &block.pred[at * outputs..][..outputs],
                            slope,
                            &mut block.grad_pred[at * outputs..][..outputs],
                        );
                    }
                    sum + pair.loss
                });
        }
        if let Some(hints) = &self.hints {
            let coordinates: Vec<f32> = labels
                .chunks_exact(columns)
                .flat_map(|row| &row[LabelRow::COLUMNS + 1..])
                .copied()
                .collect();
            let weight: Vec<f32> = labels
                .chunks_exact(columns)
                .map(|row| row[LabelRow::COLUMNS - 1])
                .collect();
            let inside = (block.hidden, block.grad_hidden);
            sum += hints.add(
                inside,
                (own, grad_own),
                (&coordinates, &weight),
                f64::from(moment.progress),
            );
        }
        sum
    }
}

/// The part of the labels that a [`Blend`] reads.
fn label_rows(labels: &[f32], columns: usize) -> Vec<f32> {
    labels
        .chunks_exact(columns)
        .flat_map(|row| &row[..LabelRow::COLUMNS])
        .copied()
        .collect()
}

struct PairLoss {
    second: usize,
    loss: f32,
    /// Derivative by the second row's mean; the first row's is its negative.
    slope: f32,
}

fn pairs(
    head: Head,
    outputs: usize,
    block: &Block<'_>,
    labels: &[f32],
    columns: usize,
) -> Vec<PairLoss> {
    let teacher = LabelRow::TEACHER;
    let mean = |row: usize| head.predict(&block.pred[row * outputs..][..outputs]);
    let rows = labels.len() / columns;
    let weight = |row: usize| labels[row * columns + LabelRow::COLUMNS];
    let second = (1..rows).step_by(2).filter(|&row| weight(row) > 0.0);
    second
        .map(|second| {
            let moved =
                labels[second * columns + teacher] - labels[(second - 1) * columns + teacher];
            let error = mean(second) - mean(second - 1) - moved;
            PairLoss {
                second,
                loss: weight(second) * error * error,
                slope: 2.0 * weight(second) * error,
            }
        })
        .collect()
}

/// Adds `slope` times the derivative of a head's mean by its outputs.
fn mean_slope(head: Head, pred: &[f32], slope: f32, grad: &mut [f32]) {
    match head {
        Head::Point | Head::Gaussian => grad[0] += slope,
        // ∂(Σ p c)/∂z_k = p_k (c_k − mean)
        Head::Binned(bins) => {
            let mean = head.predict(pred);
            let highest = pred.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = pred.iter().map(|z| (z - highest).exp()).sum();
            for (k, (g, z)) in grad.iter_mut().zip(pred).enumerate() {
                *g += slope * (z - highest).exp() / total * (bins.center(k) - mean);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::{HintKind, HintOptions};
    use crate::objective::{HeadKind, ObjectiveOptions};
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    fn guided(head: HeadKind, hints: bool) -> Guided {
        let options = ObjectiveOptions {
            head,
            bins: 8,
            ..ObjectiveOptions::default()
        };
        let (hard, soft) = options.losses(options.head(-2.0, 2.0));
        let blend = Blend {
            options,
            alpha: 0.6,
            hard,
            soft,
            labelled: 0.5,
            data_temperature: 1.0,
            typical_spread: 0.5,
        };
        let options = HintOptions {
            kind: HintKind::Hint,
            width: 2,
            ..HintOptions::default()
        };
        Guided {
            blend,
            hints: hints.then(|| HintLoss::new(&options, &[3], &[0.4, 0.6])),
            pairs: true,
        }
    }

    /// Labels of one row: teacher, pair weight, coordinates.
    fn row(loss: &Guided, teacher: f32, pair: f32, coordinates: [f32; 2]) -> Vec<f32> {
        let label = LabelRow {
            target: 0.0,
            teacher,
            spread: 0.3,
            gate: 1.0,
            labelled: 0.0,
            weight: 0.0,
        };
        let mut row = label.columns().to_vec();
        row.push(pair);
        row.extend(coordinates);
        row.truncate(loss.columns());
        row
    }

    #[test]
    fn pairs_are_worked_by_hand() {
        let loss = guided(HeadKind::Point, false);
        // The student moves by 3, the teacher by 1: 0.5 · 2². The next pair has no weight.
        let labels: Vec<f32> = [(0.0, 0.0), (1.0, 0.5), (0.0, 0.0), (9.0, 0.0)]
            .iter()
            .flat_map(|&(t, p)| row(&loss, t, p, [0.0; 2]))
            .collect();
        let mut grad = [f32::NAN; 4];
        let block = Block {
            row: 0,
            pred: &[2.0, 5.0, 0.0, 0.0],
            hidden: &[],
            grad_pred: &mut grad,
            grad_hidden: &mut [],
        };
        assert_eq!(
            loss.inside(block, &labels, Moment::default(), &[], &mut []),
            2.0
        );
        assert_eq!(grad, [-2.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn gradients_match_differences_for_every_head() {
        let mut rng = Pcg64::seed_from_u64(6);
        for head in [HeadKind::Point, HeadKind::Gaussian, HeadKind::Binned] {
            let loss = guided(head, true);
            let (n, outputs) = (4, loss.outputs());
            let labels: Vec<f32> = (0..n)
                .flat_map(|i| {
                    let mut row = row(
                        &loss,
                        rng.random_range(-1.0..1.0),
                        if i % 2 == 1 { 0.7 } else { 0.0 },
                        [0.3, -0.4],
                    );
                    row[LabelRow::COLUMNS - 1] = rng.random_range(0.5..1.5);
                    row
                })
                .collect();
            let mut draw = |count: usize| {
                (0..count)
                    .map(|_| rng.random_range(-1.0..1.0))
                    .collect::<Vec<f32>>()
            };
            let (pred, hidden, own) = (draw(n * outputs), draw(n * 3), draw(loss.own_weights()));
            let value = |pred: &[f32], grad: &mut [f32]| {
                let block = Block {
                    row: 0,
                    pred,
                    hidden: &hidden,
                    grad_pred: grad,
                    grad_hidden: &mut vec![0.0; n * 3],
                };
                loss.inside(
                    block,
                    &labels,
                    Moment::default(),
                    &own,
                    &mut vec![0.0; own.len()],
                )
            };
            let mut grad = vec![f32::NAN; pred.len()];
            value(&pred, &mut grad);
            for i in 0..pred.len() {
                let at = |h: f32| {
                    let mut moved = pred.clone();
                    moved[i] += h;
                    f64::from(value(&moved, &mut vec![0.0; pred.len()]))
                };
                let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!(
                    (difference - f64::from(grad[i])).abs() < 2e-2 * (1.0 + difference.abs()),
                    "{head:?} {difference} {}",
                    grad[i]
                );
            }
        }
    }
}
