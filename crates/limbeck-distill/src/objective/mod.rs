//! The loss that a student minimizes.
//!
//! ```text
//! L = α · L_soft + (1 − α) · L_hard + terms
//! ```
//!
//! [`ObjectiveOptions`] are the options of the loss in a recipe. [`Blend`] is the loss against targets (`L_hard`) and teacher labels (`L_soft`).
//! [`Objective`] is a blend plus further [`Term`]s, such as gradient matching. [`crate::lesson`] prepares the training rows.

mod blend;
mod joint;
mod options;
mod slopes;
pub mod term;

use limbeck_nets::{Block, StepContext, StepLoss};

pub(crate) use joint::columns;

pub use blend::{Blend, LabelRow, range_temperature};
pub use joint::Joint;
pub use limbeck_nets::HeadKind;
pub use options::{Alpha, AlphaSchedule, Gate, LossKind, ObjectiveOptions, Temperature};
pub use slopes::Slopes;
pub use term::{Loss, Term, View};

/// The loss of a student: a [`Blend`], plus terms that need more than the labels of single rows, such as hidden activations.
///
/// The label columns are those of [`LabelRow`], followed by those of each term, in order. The loss's own trained weights
/// ([`aux_weights`](StepLoss::aux_weights)) are those of all terms, in order.
#[derive(Clone, Debug)]
pub struct Objective {
    /// Loss against targets and teacher labels.
    pub blend: Blend,
    /// Terms that are added to the blend, in this order.
    pub terms: Vec<Term>,
}

/// A term of the loss, with the indices at which its label columns and its own trained weights begin.
struct Place<'o> {
    term: &'o Term,
    /// Index of the term's first label column in a row.
    column: usize,
    /// Index of the term's first weight among the loss's own weights.
    weight: usize,
}

impl Objective {
    fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let (mut column, mut weight) = (LabelRow::COLUMNS, 0);
        self.terms.iter().map(move |term| {
            let place = Place {
                term,
                column,
                weight,
            };
            column += term.loss.columns();
            weight += term.loss.aux_weights();
            place
        })
    }

    /// The values that each term reports for training curves, computed on the given rows. Each entry has the term's name.
    pub(crate) fn figures(
        &self,
        pred: &[f32],
        hidden: &[f32],
        labels: &[f32],
        own: &[f32],
    ) -> Vec<(String, Vec<f64>)> {
        let rows = columns(labels, self.columns(), 0, LabelRow::COLUMNS);
        let figures = |place: Place<'_>| {
            let loss = &place.term.loss;
            let view = View {
                pred,
                hidden,
                grad_pred: &mut [],
                grad_hidden: &mut vec![0.0; hidden.len()],
                rows: &rows,
                labels: &columns(labels, self.columns(), place.column, loss.columns()),
                own: &own[place.weight..][..loss.aux_weights()],
                aux_grad: &mut vec![0.0; loss.aux_weights()],
                progress: 0.0,
            };
            (place.term.name.to_owned(), loss.figures(view))
        };
        self.places().map(figures).collect()
    }
}

impl StepLoss for Objective {
    fn columns(&self) -> usize {
        let own = |term: &Term| term.loss.columns();
        LabelRow::COLUMNS + self.terms.iter().map(own).sum::<usize>()
    }

    fn outputs(&self) -> usize {
        self.blend.outputs()
    }

    fn statistic(&self, labels: &[f32]) -> f32 {
        self.blend
            .statistic(&columns(labels, self.columns(), 0, LabelRow::COLUMNS))
    }

    fn group(&self) -> usize {
        let groups = self.terms.iter().map(|term| term.loss.group());
        groups.max().unwrap_or(1)
    }

    fn aux_weights(&self) -> usize {
        self.terms.iter().map(|term| term.loss.aux_weights()).sum()
    }

    fn looks_inside(&self) -> bool {
        !self.terms.is_empty()
    }

    /// Returns the value of the blend alone, without the terms, and writes its gradient to `grad`.
    fn value_and_grad(
        &self,
        pred: &[f32],
        labels: &[f32],
        moment: StepContext,
        grad: &mut [f32],
    ) -> f32 {
        let rows = columns(labels, self.columns(), 0, LabelRow::COLUMNS);
        self.blend.value_and_grad(pred, &rows, moment, grad)
    }

    fn inside(
        &self,
        block: Block<'_>,
        labels: &[f32],
        moment: StepContext,
        own: &[f32],
        aux_grad: &mut [f32],
    ) -> f32 {
        let all = self.columns();
        let rows = columns(labels, all, 0, LabelRow::COLUMNS);
        let mut sum = self
            .blend
            .value_and_grad(block.pred, &rows, moment, block.grad_pred);
        for place in self.places() {
            let loss = &place.term.loss;
            let weights = place.weight..place.weight + loss.aux_weights();
            sum += loss.add(View {
                pred: block.pred,
                hidden: block.hidden,
                grad_pred: &mut *block.grad_pred,
                grad_hidden: &mut *block.grad_hidden,
                rows: &rows,
                labels: &columns(labels, all, place.column, loss.columns()),
                own: &own[weights.clone()],
                aux_grad: &mut aux_grad[weights],
                progress: f64::from(moment.progress),
            });
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::{HintKind, HintLoss, HintOptions};
    use crate::objective::{HeadKind, ObjectiveOptions, Slopes};
    use limbeck_nets::Block;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    fn objective(head: HeadKind, hints: bool) -> Objective {
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
            typical_std: 0.5,
        };
        let options = HintOptions {
            kind: HintKind::Hint,
            width: 2,
            ..HintOptions::default()
        };
        let slopes = Slopes {
            head: blend.soft.head(),
        };
        let layers = hints.then(|| Term::new("layers", HintLoss::new(&options, &[3], &[0.4, 0.6])));
        Objective {
            blend,
            terms: std::iter::once(Term::new("slope", slopes))
                .chain(layers)
                .collect(),
        }
    }

    /// Label columns of one row, from teacher label, pair weight and coordinates.
    fn row(loss: &Objective, teacher: f32, pair: f32, coordinates: [f32; 2]) -> Vec<f32> {
        let label = LabelRow {
            target: 0.0,
            teacher,
            std: 0.3,
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
        let loss = objective(HeadKind::Point, false);
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
            loss.inside(block, &labels, StepContext::default(), &[], &mut []),
            2.0
        );
        assert_eq!(grad, [-2.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn gradients_match_differences_for_every_head() {
        let mut rng = Pcg64::seed_from_u64(6);
        for head in [HeadKind::Point, HeadKind::Gaussian, HeadKind::Binned] {
            let loss = objective(head, true);
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
            let (pred, hidden, own) = (draw(n * outputs), draw(n * 3), draw(loss.aux_weights()));
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
                    StepContext::default(),
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
