//! Training rows of a student: rows with and without a target, arranged for a loss.
//!
//! The soft loss applies to all rows that the teacher labelled, the hard loss to the rows with a target. Rows with and without a target are mixed:
//! rows with a target are repeated until they make up the share `ρ` of the training rows. On each of them, the soft loss has the share `a`, with `1 −
//! alpha = ρ (1 − a)`.

use limbeck_nets::losses::{Hard, LabelLoss};
use limbeck_nets::{Head, StepLoss, TrainingRows};

use crate::hints::{Coordinates, HintKind, HintLoss, HintOptions};
use crate::objective::{
    Blend, Gate, Joint, LabelRow, Objective, ObjectiveOptions, Slopes, Term, range_temperature,
};
use crate::probe::{Probe, Probed};

/// Labels of rows with a target and of new rows, in standardized target units.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Targets of the rows that have one, standardized.
    pub target: Vec<f32>,
    /// Teacher labels of the rows with a target, standardized; NaN if there is none.
    pub teacher: Vec<f32>,
    /// The teacher's standard deviation on the rows with a target, in standardized units.
    pub spread: Vec<f32>,
    /// Weights of the rows with a target.
    pub weight: Vec<f32>,
    /// Teacher labels of the new rows, which have no target, standardized.
    pub new_teacher: Vec<f32>,
    /// The teacher's standard deviation on the new rows, in standardized units.
    pub new_spread: Vec<f32>,
    /// Index of the row with a target from which each new row was made; the new row shares its gate (weight of the teacher label). `None` for an
    /// independent row.
    pub new_source: Vec<Option<usize>>,
    /// Weights of the new rows; 1 is normal.
    pub new_weight: Vec<f32>,
    /// True for the second row of a pair, which comes directly after the first.
    pub new_second: Vec<bool>,
    /// The teacher's features on rows with a target and on new rows; empty if hints are off.
    pub coordinates: Coordinates,
}

/// The rows of a pool, encoded as inputs of one network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Rows with a target, as positions among the bins: `[n_samples, segments]`.
    pub known: Vec<f32>,
    /// New rows, which only the teacher labelled, as positions among the bins: `[n_samples, segments]`.
    pub new: Vec<f32>,
}

/// The student and the losses for which a [`Lesson`] is made.
#[derive(Clone, Copy, Debug)]
pub struct Aim<'a> {
    /// Options of the loss.
    pub objective: &'a ObjectiveOptions,
    /// Options for learning from the teacher's features.
    pub hints: &'a HintOptions,
    /// Distance between the two rows of a pair, in standard deviations of the columns.
    pub slope_reach: f64,
    /// Head of the student.
    pub head: Head,
    /// Widths of the student's hidden layers.
    pub hidden: &'a [usize],
}

/// Training rows and their loss.
pub struct Lesson {
    /// Positions and labels of the training rows.
    pub rows: TrainingRows,
    /// The loss that a training step minimizes.
    pub loss: Box<dyn StepLoss>,
    /// A sample of the rows, on which the parts of the loss are computed for the training curve.
    pub probe: Probe,
}

impl Lesson {
    /// Joins the lessons of several targets on the same rows into one. `shares` has the share of each target in the loss. A single lesson is
    /// unchanged.
    #[must_use]
    pub fn joint(mut lessons: Vec<Self>, shares: &[f64]) -> Self {
        if lessons.len() == 1 {
            return lessons.swap_remove(0);
        }
        let labels = interleaved(&lessons);
        let mut rows = TrainingRows::default();
        let (mut losses, mut probe) = (Vec::new(), Probe::default());
        for (lesson, &share) in lessons.into_iter().zip(shares) {
            rows.positions = lesson.rows.positions;
            losses.push((lesson.loss, share as f32));
            probe.positions = lesson.probe.positions;
            let own = lesson.probe.targets.into_iter();
            probe.targets.extend(own.map(|one| Probed { share, ..one }));
        }
        Self {
            rows: TrainingRows { labels, ..rows },
            loss: Box::new(Joint::new(losses)),
            probe,
        }
    }
}

/// Labels of several lessons on the same rows, joined row by row.
fn interleaved(lessons: &[Lesson]) -> Vec<f32> {
    let columns = |lesson: &Lesson| lesson.loss.columns();
    let rows = lessons[0].rows.labels.len() / columns(&lessons[0]);
    let row = |at: usize| {
        let of = move |lesson| {
            let count = columns(lesson);
            &lesson.rows.labels[at * count..][..count]
        };
        lessons.iter().flat_map(of).copied()
    };
    (0..rows).flat_map(row).collect()
}

/// The source of the label columns of a term of the loss.
#[derive(Clone, Copy)]
enum Source {
    /// The weight of a pair for its second row; 0 for all other rows.
    Pairs,
    /// The teacher's coordinates.
    Coordinates,
}

/// A row of the pool: with a target, or new.
#[derive(Clone, Copy)]
enum Row {
    Known(usize),
    New(usize),
}

/// Minimum share of rows with a target among the training rows, so that a large transfer set does not outnumber them.
const LABELLED_SHARE: f64 = 0.25;
/// Maximum number of rows with a target in a probe, and maximum number of new rows in it.
const PROBE: usize = 128;
/// Distance of an outlier, in robust standard deviations.
const OUTLIER: f32 = 3.0;
/// Factor from median absolute deviation to standard deviation, for a normal distribution.
const ROBUST: f32 = 1.4826;

impl Pool {
    /// The lesson for a student with the share `alpha` of the soft loss at the start of training. If `alpha` is `None`, the student is trained on
    /// targets alone.
    #[must_use]
    pub fn lesson(&self, aim: Aim<'_>, alpha: Option<f64>, inputs: &Inputs) -> Lesson {
        let objective = aim.objective;
        let n = self.target.len();
        let new = if alpha.is_some() {
            self.new_teacher.len()
        } else {
            0
        };
        let start = alpha.unwrap_or(0.0);
        let hard_share = if alpha.is_some() {
            1.0 - start.min(objective.alpha_at(start, 1.0))
        } else {
            1.0
        };
        let (copies, labelled) = copies(n, new, hard_share);
        let gates = if alpha.is_some() {
            self.gates(objective.gate)
        } else {
            vec![0.0; n]
        };
        let blend = self.blend(aim, start, labelled);
        let mean_weight = self.weight.iter().sum::<f32>() / n.max(1) as f32;
        let known = |i: usize| LabelRow {
            target: self.target[i],
            teacher: if gates[i] > 0.0 {
                self.teacher[i]
            } else {
                self.target[i]
            },
            spread: self.spread[i],
            gate: gates[i],
            labelled: 1.0,
            weight: self.weight[i] / mean_weight,
        };
        let unknown = |i: usize| {
            let (teacher, spread) = (self.new_teacher[i], self.new_spread[i]);
            let gate = self.new_source[i].map_or(1.0, |row| {
                if self.teacher[row].is_nan() {
                    1.0
                } else {
                    gates[row]
                }
            });
            LabelRow {
                target: teacher,
                teacher,
                spread,
                gate,
                labelled: 0.0,
                weight: self.new_weight[i],
            }
        };
        let label = |row: &Row| match *row {
            Row::Known(i) => known(i),
            Row::New(i) => unknown(i),
        };
        // Pairs first, so that the rows of each are a group.
        let (paired, single): (Vec<usize>, Vec<usize>) = (0..new).partition(|&i| self.is_paired(i));
        let order: Vec<Row> = (paired.iter().copied().map(Row::New))
            .chain((0..copies).flat_map(|_| (0..n).map(Row::Known)))
            .chain(single.iter().copied().map(Row::New))
            .collect();
        let (mut terms, mut sources) = (Vec::new(), Vec::new());
        if !paired.is_empty() {
            terms.push(Term::new("slope", Slopes { head: aim.head }));
            sources.push(Source::Pairs);
        }
        if alpha.is_some() && aim.hints.kind != HintKind::None {
            let hints = HintLoss::new(aim.hints, aim.hidden, &self.coordinates.attention);
            terms.push(Term::new("layers", hints));
            sources.push(Source::Coordinates);
        }
        let loss = Objective { blend, terms };
        let sample: Vec<Row> = (some(&paired.chunks(2).collect::<Vec<_>>(), PROBE / 4)
            .into_iter()
            .flatten()
            .map(|&i| Row::New(i)))
        .chain(
            some(&(0..n).collect::<Vec<_>>(), PROBE)
                .into_iter()
                .map(Row::Known),
        )
        .chain(some(&single, PROBE).into_iter().map(Row::New))
        .collect();
        let labels = self.term_labels(aim, (&loss, &sources), &sample, label);
        let probe = Probe {
            positions: self.positions_of(inputs, &sample),
            targets: vec![Probed {
                labels,
                judge: loss.clone(),
                share: 1.0,
            }],
        };
        let positions = self.positions_of(inputs, &order);
        if loss.looks_inside() {
            let labels = self.term_labels(aim, (&loss, &sources), &order, label);
            return Lesson {
                rows: TrainingRows { positions, labels },
                loss: Box::new(loss),
                probe,
            };
        }
        if objective.blends_labels() {
            let labels = order
                .iter()
                .flat_map(|row| loss.blend.label(label(row)))
                .collect();
            return Lesson {
                rows: TrainingRows { positions, labels },
                loss: Box::new(Hard(LabelLoss::Point(objective.point_loss()))),
                probe,
            };
        }
        let labels = order.iter().flat_map(|row| label(row).columns()).collect();
        Lesson {
            rows: TrainingRows { positions, labels },
            loss: Box::new(loss.blend),
            probe,
        }
    }

    fn positions_of(&self, inputs: &Inputs, rows: &[Row]) -> Vec<f32> {
        let width = inputs.known.len() / self.target.len().max(1);
        let position = |row: &Row| match *row {
            Row::Known(i) => &inputs.known[i * width..][..width],
            Row::New(i) => &inputs.new[i * width..][..width],
        };
        rows.iter().map(position).collect::<Vec<_>>().concat()
    }

    fn blend(&self, aim: Aim<'_>, alpha: f64, labelled: f64) -> Blend {
        let objective = aim.objective;
        let (hard, soft) = objective.losses(aim.head);
        Blend {
            alpha,
            hard,
            soft,
            labelled,
            // The labels of new rows, if no row with a target has a teacher label.
            data_temperature: {
                let known = if self.teacher.iter().all(|t| t.is_nan()) {
                    &self.new_teacher
                } else {
                    &self.teacher
                };
                range_temperature(objective, known.iter().copied().filter(|t| !t.is_nan()))
            },
            // If all standard deviations are 0 there is no median; then any number gives the same result.
            typical_spread: median(
                self.spread
                    .iter()
                    .copied()
                    .filter(|&sd| sd.is_finite() && sd > 0.0)
                    .collect(),
            )
            .unwrap_or(1.0),
            options: objective.clone(),
        }
    }

    /// The label columns of an [`Objective`] for each row.
    fn term_labels(
        &self,
        aim: Aim<'_>,
        (loss, sources): (&Objective, &[Source]),
        order: &[Row],
        label: impl Fn(&Row) -> LabelRow,
    ) -> Vec<f32> {
        let mut labels = Vec::with_capacity(order.len() * loss.columns());
        let pair = (aim.objective.slope_weight / aim.slope_reach.powi(2)) as f32;
        for row in order {
            labels.extend(label(row).columns());
            for (term, source) in loss.terms.iter().zip(sources) {
                match source {
                    Source::Pairs => {
                        let second = matches!(*row, Row::New(i) if self.new_second[i]);
                        labels.push(if second { pair } else { 0.0 });
                    }
                    Source::Coordinates => {
                        let (of, i) = match *row {
                            Row::Known(i) => (&self.coordinates.rows, i),
                            Row::New(i) => (&self.coordinates.new, i),
                        };
                        let columns = term.loss.columns();
                        labels.extend_from_slice(&of[i * columns..][..columns]);
                    }
                }
            }
        }
        labels
    }

    fn is_paired(&self, new: usize) -> bool {
        self.new_second[new] || self.new_second.get(new + 1).is_some_and(|second| *second)
    }

    /// The gate of each row with a target: the weight of its teacher label, in `[0, 1]`.
    fn gates(&self, gate: Gate) -> Vec<f32> {
        let error = |i: usize| self.teacher[i] - self.target[i];
        let asked: Vec<usize> = (0..self.target.len())
            .filter(|&i| !self.teacher[i].is_nan())
            .collect();
        let mut gates = vec![0.0; self.target.len()];
        let mut set = |of: &dyn Fn(usize) -> f32| asked.iter().for_each(|&i| gates[i] = of(i));
        match gate {
            Gate::None | Gate::Bounded => set(&|_| 1.0),
            Gate::Attentive => {
                let squares = || asked.iter().map(|&i| error(i).powi(2));
                let range = squares().fold(0.0, f32::max) - squares().fold(f32::INFINITY, f32::min);
                set(&|i| {
                    if range > 0.0 {
                        (1.0 - error(i).powi(2) / range).clamp(0.0, 1.0)
                    } else {
                        1.0
                    }
                });
            }
            Gate::Outlier => {
                let typical =
                    median(asked.iter().map(|&i| error(i).abs()).collect()).unwrap_or(0.0);
                set(&|i| {
                    if error(i).abs() <= OUTLIER * ROBUST * typical {
                        1.0
                    } else {
                        0.0
                    }
                });
            }
            Gate::Confidence => {
                let typical = median(
                    asked
                        .iter()
                        .map(|&i| self.spread[i])
                        .filter(|sd| sd.is_finite())
                        .collect(),
                )
                .unwrap_or(0.0);
                set(&|i| {
                    if self.spread[i] > typical {
                        (typical / self.spread[i]).powi(2)
                    } else {
                        1.0
                    }
                });
            }
        }
        gates
    }
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

/// At most `most` of the elements, evenly spaced.
fn some<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    all.iter()
        .step_by(all.len().div_ceil(most).max(1))
        .copied()
        .collect()
}

/// How often each row with a target is repeated, and the share of these rows in all training rows after that.
fn copies(n: usize, new: usize, hard_share: f64) -> (usize, f64) {
    if new == 0 || n == 0 {
        return (1, 1.0);
    }
    let wanted = LABELLED_SHARE.max(hard_share).min(0.9);
    let copies = (wanted / (1.0 - wanted) * new as f64 / n as f64)
        .round()
        .max(1.0);
    let labelled = copies * n as f64;
    (copies as usize, labelled / (labelled + new as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::HeadKind;

    fn pool() -> Pool {
        Pool {
            target: vec![1.0, 2.0],
            teacher: vec![3.0, f32::NAN],
            spread: vec![0.5, f32::NAN],
            weight: vec![1.0, 3.0],
            new_teacher: vec![9.0; 8],
            new_spread: vec![0.25; 8],
            new_source: vec![None; 8],
            new_weight: vec![1.0; 8],
            new_second: vec![false; 8],
            coordinates: Coordinates::default(),
        }
    }

    fn inputs() -> Inputs {
        Inputs {
            known: vec![0.0, 1.0],
            new: vec![5.0; 8],
        }
    }

    fn lesson(pool: &Pool, objective: &ObjectiveOptions, alpha: Option<f64>) -> Lesson {
        let hints = &HintOptions::default();
        pool.lesson(
            Aim {
                objective,
                hints,
                slope_reach: 0.5,
                head: objective.head(-1.0, 1.0),
                hidden: &[3],
            },
            alpha,
            &inputs(),
        )
    }

    fn squared(alpha: Option<f64>) -> TrainingRows {
        lesson(&pool(), &ObjectiveOptions::default(), alpha).rows
    }

    #[test]
    fn pairs_come_first_and_features_follow_their_rows() {
        let mut pool = pool();
        pool.new_teacher[5] = 7.0;
        pool.new_second[5] = true;
        pool.coordinates = Coordinates {
            rows: vec![0.1, 0.2],
            new: (0..8).map(|i| i as f32).collect(),
            attention: vec![1.0],
        };
        let hints = HintOptions {
            kind: HintKind::Hint,
            width: 1,
            ..HintOptions::default()
        };
        let objective = ObjectiveOptions {
            slope_weight: 0.5,
            ..ObjectiveOptions::default()
        };
        let aim = Aim {
            objective: &objective,
            hints: &hints,
            slope_reach: 0.5,
            head: Head::Point,
            hidden: &[3],
        };
        let made = pool.lesson(aim, Some(1.0), &inputs());
        assert_eq!(
            (
                made.loss.columns(),
                made.loss.group(),
                made.loss.aux_weights()
            ),
            (8, 2, 4)
        );
        // Teacher, weight of the pair (0.5 / 0.25), coordinate.
        let row = |i: usize| [1, 6, 7].map(|column| made.rows.labels[i * 8 + column]);
        assert_eq!([row(0), row(1)], [[9.0, 0.0, 4.0], [7.0, 2.0, 5.0]]);
        assert_eq!(
            [row(2), row(3), row(4)],
            [[3.0, 0.0, 0.1], [2.0, 0.0, 0.2], [9.0, 0.0, 0.0]]
        );
        assert_eq!(made.rows.positions.len(), 10);
        // The lone student knows of none of this.
        assert_eq!(pool.lesson(aim, None, &inputs()).loss.columns(), 2);
    }

    #[test]
    fn squared_labels_are_blended_with_the_overall_share() {
        let rows = squared(Some(0.75));
        // A quarter of all rows wanted: 8 / 3 / 2 rounds to one copy, share 2 / 10, less than 1 − alpha: all hard.
        assert_eq!(rows.labels[..4], [1.0, 0.5, 2.0, 1.5]);
        // So that they have a quarter of the weight, new ones have 0.2 · 0.75 / (0.25 · 0.8).
        assert_eq!(rows.labels[4..6], [9.0, 0.75]);
        assert_eq!(rows.positions.len(), 10);
    }

    #[test]
    fn alpha_one_takes_the_teacher_where_it_has_an_opinion() {
        assert_eq!(squared(Some(1.0)).labels[..4], [3.0, 0.5, 2.0, 1.5]);
    }

    #[test]
    fn lone_rows_are_the_targets() {
        let rows = squared(None);
        assert_eq!(rows.labels, [1.0, 0.5, 2.0, 1.5]);
        assert_eq!(rows.positions, [0.0, 1.0]);
    }

    #[test]
    fn distributions_keep_both_labels_and_the_spread() {
        let objective = ObjectiveOptions {
            head: HeadKind::Gaussian,
            ..ObjectiveOptions::default()
        };
        let lesson = lesson(&pool(), &objective, Some(1.0));
        assert_eq!(lesson.rows.labels[..6], [1.0, 3.0, 0.5, 1.0, 1.0, 0.5]);
        // No opinion: no gate, and no NaN but in the spread that is then never read.
        assert_eq!(lesson.rows.labels[6..8], [2.0, 2.0]);
        assert_eq!(lesson.rows.labels[9..12], [0.0, 1.0, 1.5]);
        assert_eq!(lesson.rows.labels[12..18], [9.0, 9.0, 0.25, 1.0, 0.0, 1.0]);
        assert_eq!((lesson.loss.columns(), lesson.loss.outputs()), (6, 2));
    }

    #[test]
    fn gates_are_worked_by_hand() {
        // Errors 0, 1, −2, 0.5 and one row without an opinion.
        let pool = Pool {
            target: vec![0.0; 5],
            teacher: vec![0.0, 1.0, -2.0, 0.5, f32::NAN],
            spread: vec![1.0, 2.0, 4.0, 0.5, f32::NAN],
            weight: vec![1.0; 5],
            ..Pool::default()
        };
        assert_eq!(pool.gates(Gate::None), [1.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(pool.gates(Gate::Attentive), [1.0, 0.75, 0.0, 0.9375, 0.0]);
        assert_eq!(pool.gates(Gate::Confidence), [1.0, 1.0, 0.25, 1.0, 0.0]);
        let far = Pool {
            teacher: vec![0.1, -0.1, 0.1, 8.0, f32::NAN],
            ..pool.clone()
        };
        assert_eq!(far.gates(Gate::Outlier), [1.0, 1.0, 1.0, 0.0, 0.0]);
        let exact = Pool {
            teacher: vec![0.0; 5],
            ..pool
        };
        assert_eq!(exact.gates(Gate::Attentive), [1.0; 5]);
        assert_eq!(exact.gates(Gate::Outlier), [1.0; 5]);
    }

    #[test]
    fn perturbed_rows_share_the_gate_of_their_row() {
        let objective = ObjectiveOptions {
            gate: Gate::Attentive,
            ..ObjectiveOptions::default()
        };
        let mut pool = Pool {
            teacher: vec![1.0, 4.0],
            spread: vec![0.5; 2],
            ..pool()
        };
        pool.new_source[1] = Some(0);
        pool.new_source[2] = Some(1);
        pool.new_weight[1] = 0.5;
        let weight = |row: usize| lesson(&pool, &objective, Some(1.0)).rows.labels[4 + 2 * row + 1];
        // Own weight, half of it for λ, and none beside the row on which the teacher is furthest off.
        assert_eq!([weight(0), weight(1), weight(2)], [1.0, 0.5, 0.0]);
    }

    #[test]
    fn no_rows_make_an_empty_lesson() {
        assert!(
            lesson(&Pool::default(), &ObjectiveOptions::default(), Some(0.5))
                .rows
                .labels
                .is_empty()
        );
    }
}
