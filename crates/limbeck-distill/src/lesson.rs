//! The training rows of a student, and the loss that is minimized on them.
//!
//! The hard loss compares with targets, the soft loss with teacher labels. Rows with a target and new rows (without a target, labelled only by the
//! teacher) are mixed: rows with a target are repeated until they make up a share `ρ` of the training rows. On each of them, the soft loss has the
//! share `a`, with `1 − alpha = ρ (1 − a)`. New rows have only the soft loss.

use limbeck_nets::losses::{Hard, LabelLoss};
use limbeck_nets::{Head, Positions, StepLoss, Stretches, TrainingRows};

use crate::hints::{Coordinates, HintKind, HintLoss, HintOptions};
use crate::objective::{
    Blend, Gate, Joint, LabelRow, Objective, ObjectiveOptions, Slopes, Term, range_temperature,
};
use crate::probe::{Probe, Probed};
use crate::transfer::set::TransferSet;

/// A transfer set (the rows that a student learns from) whose targets and labels are read in standardized target units. Each value is converted when
/// it is read, so that nothing is stored twice.
#[derive(Clone, Copy, Debug)]
pub struct Standardized<'a> {
    /// The rows with their targets and labels, not standardized: in the learned unit (the target's own unit, or its logarithm).
    pub set: &'a TransferSet,
    /// Mean of the target, in the learned unit. Standardization turns this value into 0.
    pub center: f64,
    /// Standard deviation of the target, in the learned unit. Standardization turns this deviation into 1.
    pub scale: f64,
}

/// The rows of a transfer set, encoded as inputs of one network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Rows with a target, as positions (the form in which a network reads a row).
    pub known: Positions,
    /// New rows (without a target), as positions.
    pub new: Positions,
    /// The stretches of series in which the rows are trained, if the network carries its state from row to row.
    pub stretches: Option<InStretches>,
}

/// Rows in stretches of their series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InStretches {
    /// Number of rows of a stretch that the network predicts.
    pub reads: usize,
    /// Rows with a target.
    pub known: Stretches,
    /// New rows.
    pub new: Stretches,
}

impl InStretches {
    /// The rows of the chosen stretches, and the positions of these stretches. `known` and `new` have the indices of stretches.
    fn chosen(&self, known: &[usize], new: &[usize]) -> (Vec<Row>, Positions) {
        let rows = |own: &'_ Stretches, chosen: &[usize], row: fn(usize) -> Row| -> Vec<Row> {
            let of = |&at: &usize| &own.samples[at * self.reads..][..self.reads];
            let all = chosen.iter().flat_map(of);
            all.map(|own| own.map_or(Row::Silent, row)).collect()
        };
        let all = [
            rows(&self.known, known, Row::Known),
            rows(&self.new, new, Row::New),
        ];
        let picks = |part: usize, chosen: &[usize]| -> Vec<(usize, usize)> {
            chosen.iter().map(|&at| (part, at)).collect()
        };
        let picks = [picks(0, known), picks(1, new)].concat();
        let parts = [&self.known.positions, &self.new.positions];
        (all.concat(), Positions::pick(&parts, &picks, 1))
    }

    /// The indices of the stretches that are trained on: of rows with a target, and of new rows.
    fn all(&self, order: &Order) -> [Vec<usize>; 2] {
        let all = |own: &Stretches| (0..own.samples.len() / self.reads).collect();
        // A student without a teacher has no new rows.
        match order.single.is_empty() {
            true => [all(&self.known), Vec::new()],
            false => [all(&self.known), all(&self.new)],
        }
    }
}

impl Inputs {
    /// Number of rows in a sample of the network.
    pub(crate) fn reads(&self) -> usize {
        self.stretches.as_ref().map_or(1, |own| own.reads)
    }
}

/// The student for which a [`Lesson`] is made, and the options of its loss.
#[derive(Clone, Copy, Debug)]
pub struct Aim<'a> {
    /// Options of the loss.
    pub objective: &'a ObjectiveOptions,
    /// Options for learning from the teacher's features.
    pub hints: &'a HintOptions,
    /// Distance between the two rows of a pair for gradient matching, in standard deviations of the columns. `None` without gradient matching: then
    /// the rows of pairs are treated like other new rows.
    pub slope_reach: Option<f64>,
    /// Head of the student: the form of its predictions.
    pub head: Head,
    /// Widths of the student's hidden layers.
    pub hidden: &'a [usize],
}

/// What a student is trained on: training rows, and the loss that is minimized on them.
pub struct Lesson {
    /// Inputs and label columns of the training rows.
    pub rows: TrainingRows,
    /// The loss that a training step minimizes.
    pub loss: Box<dyn StepLoss>,
    /// A fixed sample of the rows, on which the parts of the loss are computed for the training curve.
    pub probe: Probe,
}

impl Lesson {
    /// Joins the lessons of several targets on the same rows into one. `shares` has the share of each target in the loss. If there is only one
    /// lesson, it is returned unchanged.
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

/// Label columns of several lessons on the same rows, side by side in each row.
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

/// What the label columns of an additional term of the loss contain.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// Gradient matching: the weight of the pair in the pair's second row, and 0 in all other rows.
    Pairs(f32),
    /// Feature distillation: the coordinates of the teacher's features.
    Coordinates(&'a Coordinates),
}

/// A row of a [`TransferSet`] by its index, among the rows with a target or among the new rows; or a row of a series that is not trained on.
#[derive(Clone, Copy)]
enum Row {
    Known(usize),
    New(usize),
    Silent,
}

/// The training rows of a student, and their order.
struct Order {
    /// Number of rows with a target (`known`), how often each of them is a training row (`copies`), and the share of these copies in all training
    /// rows (`labelled`).
    known: usize,
    copies: usize,
    labelled: f64,
    /// Indices of the new rows in pairs for gradient matching (`paired`, the two rows of a pair side by side) and of the other new rows (`single`).
    paired: Vec<usize>,
    single: Vec<usize>,
}

impl Order {
    /// All training rows. Pairs come first, so that each pair is one of the loss's groups of two consecutive rows, which stay together in a batch.
    fn training(&self) -> Vec<Row> {
        let paired = self.paired.iter().copied().map(Row::New);
        let known = (0..self.copies).flat_map(|_| (0..self.known).map(Row::Known));
        let single = self.single.iter().copied().map(Row::New);
        paired.chain(known).chain(single).collect()
    }

    /// A sample of the training rows, for a [`Probe`], with at most as many rows as [`PROBE`] says.
    fn sample(&self) -> Vec<Row> {
        let pairs: Vec<&[usize]> = self.paired.chunks(2).collect();
        let pairs = some(&pairs, PROBE / 4).into_iter().flatten().copied();
        let known = some(&(0..self.known).collect::<Vec<_>>(), PROBE);
        let single = some(&self.single, PROBE).into_iter().map(Row::New);
        let known = known.into_iter().map(Row::Known);
        pairs.map(Row::New).chain(known).chain(single).collect()
    }
}

/// Rows with a target are repeated until they make up at least about this share of the training rows, however many new rows there are.
const LABELLED_SHARE: f64 = 0.25;
/// Size of a probe (the sample of training rows on which the parts of the loss are computed): at most `PROBE` rows with a target, `PROBE` new rows
/// that are not paired, and `PROBE / 4` pairs of new rows.
const PROBE: usize = 128;
/// A teacher label `t` of a row with the target `y` is an outlier if `|t − y|` exceeds this number of robust standard deviations of `t − y`.
const OUTLIER: f32 = 3.0;
/// Converts a median absolute deviation to a standard deviation, for a normal distribution.
const ROBUST: f32 = 1.4826;

impl Standardized<'_> {
    /// Standardizes a target or a label.
    fn value(&self, value: f64) -> f32 {
        ((value - self.center) / self.scale) as f32
    }

    fn target(&self, row: usize) -> f32 {
        self.value(self.set.known.target[row])
    }

    fn teacher(&self, row: usize) -> f32 {
        self.value(self.set.known.teacher[row])
    }

    fn std(&self, row: usize) -> f32 {
        (self.set.known.std[row] / self.scale) as f32
    }

    /// Targets of the rows that have one, standardized.
    pub(crate) fn targets(&self) -> impl Iterator<Item = f32> {
        self.set.known.target.iter().map(|&y| self.value(y))
    }

    /// Teacher labels of the rows with a target, standardized; NaN for a row without a teacher label.
    pub(crate) fn teachers(&self) -> impl Iterator<Item = f32> {
        self.set.known.teacher.iter().map(|&mean| self.value(mean))
    }

    /// Teacher labels of the new rows, standardized.
    pub(crate) fn new_teachers(&self) -> impl Iterator<Item = f32> {
        self.set.new.mean.iter().map(|&mean| self.value(mean))
    }

    /// Makes the training rows and the loss of a student. `alpha` is the share of the soft loss at the start of training. If it is `None`, the
    /// student is trained on targets alone, without new rows.
    #[must_use]
    pub fn lesson(&self, aim: Aim<'_>, alpha: Option<f64>, inputs: &Inputs) -> Lesson {
        let objective = aim.objective;
        let hard_share = alpha.map_or(1.0, |start| 1.0 - start.min(objective.alpha_at(start, 1.0)));
        let order = self.order(aim, alpha.is_some(), hard_share);
        let gates = match alpha {
            Some(_) => self.gates(objective.gate),
            None => vec![0.0; order.known],
        };
        let label = self.labels(&gates);
        let (terms, sources) = self.terms(aim, &order, alpha.is_some());
        let blend = self.blend(aim, alpha.unwrap_or(0.0), order.labelled);
        let loss = Objective { blend, terms };
        let (sample, positions) = self.sample(&order, inputs);
        let probe = Probe {
            positions,
            targets: vec![Probed {
                labels: self.term_labels((&loss, &sources), &sample, &label),
                judge: loss.clone(),
                share: 1.0,
            }],
        };
        let (all, positions) = self.training(&order, inputs);
        let (labels, loss): (Vec<f32>, Box<dyn StepLoss>) = if loss.looks_inside() {
            let labels = self.term_labels((&loss, &sources), &all, &label);
            (labels, Box::new(loss))
        } else if objective.blends_labels() {
            let blended = all.iter().flat_map(|row| loss.blend.label(label(row)));
            let hard = Hard(LabelLoss::Point(objective.point_loss()));
            (blended.collect(), Box::new(hard))
        } else {
            let labels = all.iter().flat_map(|row| label(row).columns()).collect();
            (labels, Box::new(loss.blend))
        };
        Lesson {
            rows: TrainingRows { positions, labels },
            loss,
            probe,
        }
    }

    /// The training rows. If `is_taught` is false (a student without a teacher), new rows are left out. `hard_share` is the largest share of the hard
    /// loss during training.
    fn order(&self, aim: Aim<'_>, is_taught: bool, hard_share: f64) -> Order {
        let known = self.set.known.target.len();
        let new = if is_taught {
            self.set.new.mean.len()
        } else {
            0
        };
        let (copies, labelled) = copies(known, new, hard_share);
        let is_paired = |&i: &usize| aim.slope_reach.is_some() && self.is_paired(i);
        let (paired, single) = (0..new).partition(is_paired);
        Order {
            known,
            copies,
            labelled,
            paired,
            single,
        }
    }

    /// A function that returns the labels of a row (its target and its teacher label). `gates` has the weight of the teacher label of each row with
    /// a target.
    fn labels(&self, gates: &[f32]) -> impl Fn(&Row) -> LabelRow {
        let TransferSet { known, new, .. } = self.set;
        let weights = known.weight.iter().map(|&w| w as f32);
        let mean_weight = weights.sum::<f32>() / known.target.len().max(1) as f32;
        move |row| match *row {
            Row::Known(i) => LabelRow {
                target: self.target(i),
                teacher: if gates[i] > 0.0 {
                    self.teacher(i)
                } else {
                    self.target(i)
                },
                std: self.std(i),
                gate: gates[i],
                labelled: 1.0,
                weight: known.weight[i] as f32 / mean_weight,
            },
            Row::New(i) => LabelRow {
                target: self.value(new.mean[i]),
                teacher: self.value(new.mean[i]),
                std: (new.std[i] / self.scale) as f32,
                gate: match new.source[i] {
                    Some(row) if !self.teacher(row).is_nan() => gates[row],
                    _ => 1.0,
                },
                labelled: 0.0,
                weight: new.weight[i] as f32,
            },
            Row::Silent => LabelRow::SILENT,
        }
    }

    /// The terms of the loss in addition to the blend of hard and soft loss, and for each term, what its label columns contain.
    fn terms(&self, aim: Aim<'_>, order: &Order, is_taught: bool) -> (Vec<Term>, Vec<Source<'_>>) {
        let (mut terms, mut sources) = (Vec::new(), Vec::new());
        if let (Some(reach), false) = (aim.slope_reach, order.paired.is_empty()) {
            let weight = (aim.objective.slope_weight / reach.powi(2)) as f32;
            terms.push(Term::new("slope", Slopes { head: aim.head }));
            sources.push(Source::Pairs(weight));
        }
        if is_taught && aim.hints.kind != HintKind::None {
            let shown = self.set.coordinates.as_ref();
            let attention = shown.map_or(&[][..], |shown| &shown.attention);
            let hints = HintLoss::new(aim.hints, aim.hidden, attention);
            terms.push(Term::new("layers", hints));
            sources.extend(shown.map(Source::Coordinates));
        }
        (terms, sources)
    }

    /// The training rows, and the positions of their samples.
    fn training(&self, order: &Order, inputs: &Inputs) -> (Vec<Row>, Positions) {
        match &inputs.stretches {
            None => {
                let all = order.training();
                let positions = self.positions_of(inputs, &all);
                (all, positions)
            }
            Some(stretches) => {
                let [known, new] = stretches.all(order);
                stretches.chosen(&known.repeat(order.copies), &new)
            }
        }
    }

    /// A sample of the training rows, for a [`Probe`], and the positions of its samples.
    fn sample(&self, order: &Order, inputs: &Inputs) -> (Vec<Row>, Positions) {
        match &inputs.stretches {
            None => {
                let sample = order.sample();
                let positions = self.positions_of(inputs, &sample);
                (sample, positions)
            }
            Some(stretches) => {
                let most = PROBE.div_ceil(stretches.reads);
                let [known, new] = stretches.all(order).map(|all| some(&all, most));
                stretches.chosen(&known, &new)
            }
        }
    }

    fn positions_of(&self, inputs: &Inputs, rows: &[Row]) -> Positions {
        let width = inputs.known.values().len() / self.set.known.target.len().max(1);
        let pick = |row: &Row| match *row {
            Row::Known(i) => (0, i),
            Row::New(i) => (1, i),
            Row::Silent => unreachable!("only stretches have rows that are not trained on"),
        };
        let picks: Vec<(usize, usize)> = rows.iter().map(pick).collect();
        Positions::pick(&[&inputs.known, &inputs.new], &picks, width)
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
                let has_label = |label: &f32| !label.is_nan();
                if self.teachers().any(|label| has_label(&label)) {
                    range_temperature(objective, self.teachers().filter(has_label))
                } else {
                    range_temperature(objective, self.new_teachers().filter(has_label))
                }
            },
            // If all standard deviations are 0 there is no median; then any number gives the same result.
            typical_std: median(
                (0..self.set.known.std.len())
                    .map(|row| self.std(row))
                    .filter(|&sd| sd.is_finite() && sd > 0.0)
                    .collect(),
            )
            .unwrap_or(1.0),
            options: objective.clone(),
        }
    }

    /// The label columns of the given rows for an [`Objective`]: those of [`LabelRow`], then those of each term.
    fn term_labels(
        &self,
        (loss, sources): (&Objective, &[Source<'_>]),
        order: &[Row],
        label: &impl Fn(&Row) -> LabelRow,
    ) -> Vec<f32> {
        let mut labels = Vec::with_capacity(order.len() * loss.columns());
        for row in order {
            labels.extend(label(row).columns());
            for (term, source) in loss.terms.iter().zip(sources) {
                match *source {
                    Source::Pairs(weight) => {
                        let second = matches!(*row, Row::New(i) if self.set.new.second[i]);
                        labels.push(if second { weight } else { 0.0 });
                    }
                    Source::Coordinates(shown) => {
                        let columns = term.loss.columns();
                        let of = |all: &'_ [f32], i: usize| all[i * columns..][..columns].to_vec();
                        labels.extend(match *row {
                            Row::Known(i) => of(&shown.rows, i),
                            Row::New(i) => of(&shown.new, i),
                            Row::Silent => vec![0.0; columns],
                        });
                    }
                }
            }
        }
        labels
    }

    fn is_paired(&self, new: usize) -> bool {
        let second = &self.set.new.second;
        second[new] || second.get(new + 1).is_some_and(|second| *second)
    }

    /// The gate of each row with a target: the weight of its teacher label, in `[0, 1]`; 0 without a teacher label. The bounded gate depends on the
    /// student, so here it is 1; the loss applies it.
    fn gates(&self, gate: Gate) -> Vec<f32> {
        let error = |i: usize| self.teacher(i) - self.target(i);
        let n = self.set.known.target.len();
        let asked: Vec<usize> = (0..n).filter(|&i| !self.teacher(i).is_nan()).collect();
        let mut gates = vec![0.0; n];
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
                        .map(|&i| self.std(i))
                        .filter(|sd| sd.is_finite())
                        .collect(),
                )
                .unwrap_or(0.0);
                set(&|i| {
                    if self.std(i) > typical {
                        (typical / self.std(i)).powi(2)
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

/// At most `most` of the elements of `all`, evenly spaced.
fn some<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    all.iter()
        .step_by(all.len().div_ceil(most).max(1))
        .copied()
        .collect()
}

/// How often each row with a target is repeated, and the resulting share of these rows in the training rows. `n` is the number of rows with a target,
/// `new` the number of new rows, `hard_share` the largest share of the hard loss.
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
    use crate::transfer::set::{KnownRows, NewRows};

    /// Two rows with a target and eight new rows. Their labels are already in standardized units.
    fn set() -> TransferSet {
        TransferSet {
            known: known(&[1.0, 2.0], &[3.0, f64::NAN], &[0.5, f64::NAN]),
            new: NewRows {
                mean: vec![9.0; 8],
                std: vec![0.25; 8],
                source: vec![None; 8],
                weight: vec![1.0; 8],
                second: vec![false; 8],
                ..NewRows::default()
            },
            coordinates: None,
        }
    }

    fn known(target: &[f64], teacher: &[f64], std: &[f64]) -> KnownRows {
        KnownRows {
            target: target.to_vec(),
            teacher: teacher.to_vec(),
            std: std.to_vec(),
            weight: (0..target.len())
                .map(|row| 1.0 + 2.0 * row as f64)
                .collect(),
            ..KnownRows::default()
        }
    }

    fn of(set: &TransferSet) -> Standardized<'_> {
        Standardized {
            set,
            center: 0.0,
            scale: 1.0,
        }
    }

    fn inputs() -> Inputs {
        Inputs {
            known: vec![0.0, 1.0].into(),
            new: vec![5.0; 8].into(),
            stretches: None,
        }
    }

    fn lesson(set: &TransferSet, objective: &ObjectiveOptions, alpha: Option<f64>) -> Lesson {
        let hints = &HintOptions::default();
        of(set).lesson(
            Aim {
                objective,
                hints,
                slope_reach: Some(0.5),
                head: objective.head(-1.0, 1.0),
                hidden: &[3],
            },
            alpha,
            &inputs(),
        )
    }

    fn squared(alpha: Option<f64>) -> TrainingRows {
        lesson(&set(), &ObjectiveOptions::default(), alpha).rows
    }

    #[test]
    fn pairs_come_first_and_features_follow_their_rows() {
        let mut set = set();
        set.new.mean[5] = 7.0;
        set.new.second[5] = true;
        set.coordinates = Some(Coordinates {
            rows: vec![0.1, 0.2],
            new: (0..8).map(|i| i as f32).collect(),
            attention: vec![1.0],
        });
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
            slope_reach: Some(0.5),
            head: Head::Point,
            hidden: &[3],
        };
        let made = of(&set).lesson(aim, Some(1.0), &inputs());
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
        assert_eq!(made.rows.positions.values().len(), 10);
        // The baseline knows of none of this.
        assert_eq!(of(&set).lesson(aim, None, &inputs()).loss.columns(), 2);
        // Without gradient matching, rows of pairs stay where they are, and there is no additional term of the loss.
        let aim = Aim {
            hints: &HintOptions::default(),
            slope_reach: None,
            ..aim
        };
        let plain = of(&set).lesson(aim, Some(1.0), &inputs());
        assert_eq!(plain.loss.columns(), 2);
        assert_eq!([4, 14].map(|at| plain.rows.labels[at]), [9.0, 7.0]);
    }

    #[test]
    fn squared_labels_are_blended_with_the_overall_share() {
        let rows = squared(Some(0.75));
        // A quarter of all rows wanted: 8 / 3 / 2 rounds to one copy, share 2 / 10, less than 1 − alpha: all hard.
        assert_eq!(rows.labels[..4], [1.0, 0.5, 2.0, 1.5]);
        // So that they have a quarter of the weight, new ones have 0.2 · 0.75 / (0.25 · 0.8).
        assert_eq!(rows.labels[4..6], [9.0, 0.75]);
        assert_eq!(rows.positions.values().len(), 10);
    }

    #[test]
    fn alpha_one_takes_the_teacher_where_it_has_an_opinion() {
        assert_eq!(squared(Some(1.0)).labels[..4], [3.0, 0.5, 2.0, 1.5]);
    }

    #[test]
    fn rows_of_the_baseline_are_the_targets() {
        let rows = squared(None);
        assert_eq!(rows.labels, [1.0, 0.5, 2.0, 1.5]);
        assert_eq!(rows.positions.values(), [0.0, 1.0]);
    }

    #[test]
    fn distributions_keep_both_labels_and_the_std() {
        let objective = ObjectiveOptions {
            head: HeadKind::Gaussian,
            ..ObjectiveOptions::default()
        };
        let lesson = lesson(&set(), &objective, Some(1.0));
        assert_eq!(lesson.rows.labels[..6], [1.0, 3.0, 0.5, 1.0, 1.0, 0.5]);
        // No opinion: no gate, and no NaN but in the standard deviation that is then never read.
        assert_eq!(lesson.rows.labels[6..8], [2.0, 2.0]);
        assert_eq!(lesson.rows.labels[9..12], [0.0, 1.0, 1.5]);
        assert_eq!(lesson.rows.labels[12..18], [9.0, 9.0, 0.25, 1.0, 0.0, 1.0]);
        assert_eq!((lesson.loss.columns(), lesson.loss.outputs()), (6, 2));
    }

    #[test]
    fn gates_are_worked_by_hand() {
        // Errors 0, 1, −2, 0.5 and one row without an opinion.
        let gates = |teacher: &[f64], gate| {
            let std = [1.0, 2.0, 4.0, 0.5, f64::NAN];
            let set = TransferSet {
                known: known(&[0.0; 5], teacher, &std),
                ..TransferSet::default()
            };
            of(&set).gates(gate)
        };
        let all = [0.0, 1.0, -2.0, 0.5, f64::NAN];
        assert_eq!(gates(&all, Gate::None), [1.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(gates(&all, Gate::Attentive), [1.0, 0.75, 0.0, 0.9375, 0.0]);
        assert_eq!(gates(&all, Gate::Confidence), [1.0, 1.0, 0.25, 1.0, 0.0]);
        let far = [0.1, -0.1, 0.1, 8.0, f64::NAN];
        assert_eq!(gates(&far, Gate::Outlier), [1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(gates(&[0.0; 5], Gate::Attentive), [1.0; 5]);
        assert_eq!(gates(&[0.0; 5], Gate::Outlier), [1.0; 5]);
    }

    #[test]
    fn perturbed_rows_share_the_gate_of_their_row() {
        let objective = ObjectiveOptions {
            gate: Gate::Attentive,
            ..ObjectiveOptions::default()
        };
        let mut set = set();
        set.known.teacher = vec![1.0, 4.0];
        set.known.std = vec![0.5; 2];
        set.new.source[1] = Some(0);
        set.new.source[2] = Some(1);
        set.new.weight[1] = 0.5;
        let weight = |row: usize| lesson(&set, &objective, Some(1.0)).rows.labels[4 + 2 * row + 1];
        // Own weight, half of it for λ, and none beside the row on which the teacher is furthest off.
        assert_eq!([weight(0), weight(1), weight(2)], [1.0, 0.5, 0.0]);
    }

    #[test]
    fn no_rows_make_an_empty_lesson() {
        assert!(
            lesson(
                &TransferSet::default(),
                &ObjectiveOptions::default(),
                Some(0.5)
            )
            .rows
            .labels
            .is_empty()
        );
    }
}
