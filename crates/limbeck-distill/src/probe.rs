//! Computes the parts of a student's loss for the training curve.

use limbeck_nets::losses::Label;
use limbeck_nets::{Network, Positions, Shape, StepContext, StepLoss};
use serde::{Deserialize, Serialize};

use crate::objective::{HeadKind, LabelRow, Objective, columns};

/// Parts of the loss, computed on the rows of a [`Probe`]. Each is a mean over the rows to which it applies; `None` or empty if there is no such row.
///
/// # Formula
///
/// ```text
/// hard      mean w L_hard(s, y)                       rows with a target
/// soft      mean w L_soft(s, t)                       rows with a teacher label and a gate above 0
/// terms     the figures of each term                  [`Loss::figures`](crate::objective::Loss::figures)
/// T         mean T                                    rows of the soft loss, for heads that predict distributions
/// ```
///
/// # Units
///
/// The unit of the loss: squared standardized target units; standardized target units for a quantile; nats for a distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Mean loss against targets; `None` if no row has a target.
    pub hard: Option<f64>,
    /// Mean loss against teacher labels; `None` if no teacher label is used.
    pub soft: Option<f64>,
    /// Mean temperature of the loss against teacher labels. `None` for point predictions, for several targets, or if no teacher label is used.
    pub temperature: Option<f64>,
    /// Name and values of each [`Term`](crate::objective::Term): `slope` with one value, or `layers` with one value per hidden layer of the student.
    /// Empty for several targets, or if the loss has no terms.
    pub terms: Vec<(String, Vec<f64>)>,
}

impl Terms {
    /// The values of the term with the name `name`; empty if the loss has no such term.
    #[must_use]
    pub fn of(&self, name: &str) -> &[f64] {
        let found = self.terms.iter().find(|(own, _)| own == name);
        found.map_or(&[], |(_, figures)| figures)
    }
}

/// A small fixed sample of a student's training rows, on which the parts of the loss are computed.
///
/// In a batch, target and teacher label may be blended into one label, and the rows are random. The rows of a probe are always the same, and target
/// and teacher label are separate.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Inputs of the rows, as positions (the form in which a network reads a row).
    pub positions: Positions,
    /// Labels and loss of each target, for these rows.
    pub targets: Vec<Probed>,
}

/// Labels and loss of one target on the rows of a [`Probe`].
#[derive(Clone, Debug)]
pub struct Probed {
    /// Label columns that the loss `judge` reads, row-major.
    pub labels: Vec<f32>,
    /// The loss of this target alone. Its parts are reported.
    pub judge: Objective,
    /// Share of this target in the loss of all targets.
    pub share: f64,
}

impl Probe {
    /// The parts of the loss of a network with the given `shape`, when the share `progress` of training is done. `params` are the network's weights,
    /// followed by the loss's own weights (adapters). With several targets, hard and soft loss are weighted sums over targets, and the other parts
    /// are left out.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than the shape and the losses require.
    #[must_use]
    pub fn terms(&self, shape: &Shape, params: &[f32], progress: f64) -> Terms {
        let (params, own) = params.split_at(shape.weights());
        let pred = shape.predict(params, &self.positions);
        let hidden = || shape.hidden_of(params, &self.positions).concat();
        let mut all = self.targets.iter().enumerate().map(|(at, target)| {
            let outputs = target.judge.outputs();
            let pred = columns(&pred, shape.outputs(), at * outputs, outputs);
            (target.share, target.terms(&pred, &hidden, own, progress))
        });
        if self.targets.len() == 1 {
            return all.next().map_or_else(Terms::default, |(_, terms)| terms);
        }
        let sum = |sum: Option<f64>, share: f64, of: Option<f64>| {
            of.map_or(sum, |of| Some(sum.unwrap_or(0.0) + share * of))
        };
        all.fold(Terms::default(), |total, (share, terms)| Terms {
            hard: sum(total.hard, share, terms.hard),
            soft: sum(total.soft, share, terms.soft),
            ..total
        })
    }
}

impl Probed {
    fn terms(
        &self,
        pred: &[f32],
        hidden: &dyn Fn() -> Vec<f32>,
        own: &[f32],
        progress: f64,
    ) -> Terms {
        let Self { labels, judge, .. } = self;
        let (columns, outputs) = (judge.columns(), judge.outputs());
        let moment = StepContext {
            progress: progress as f32,
            statistic: judge.statistic(labels),
        };
        let mut unused = vec![0.0; outputs];
        let (mut hard, mut soft, mut warmth) = (Mean::default(), Mean::default(), Mean::default());
        let is_tempered = judge.blend.options.head != HeadKind::Point;
        for (pred, row) in pred.chunks_exact(outputs).zip(labels.chunks_exact(columns)) {
            let Some(row) = LabelRow::first_of(row) else {
                continue;
            };
            if row == LabelRow::SILENT {
                continue;
            }
            if row.labelled > 0.0 {
                let label = Label::hard(row.target);
                let loss = judge.blend.hard.row(pred, label, 1.0, &mut unused);
                hard.add(row.weight, loss);
            }
            if row.gate > 0.0 {
                let label = Label {
                    mean: row.teacher,
                    sd: row.std,
                };
                let temperature = judge.blend.temperature(moment, row.std);
                let loss = judge.blend.soft.row(pred, label, temperature, &mut unused);
                soft.add(row.weight, loss);
                if is_tempered {
                    warmth.add(1.0, temperature);
                }
            }
        }
        let hidden = if judge.looks_inside() {
            hidden()
        } else {
            Vec::new()
        };
        Terms {
            hard: hard.value(),
            soft: soft.value(),
            temperature: warmth.value(),
            terms: judge.figures(pred, &hidden, labels, own),
        }
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    rows: usize,
}

impl Mean {
    fn add(&mut self, weight: f32, loss: f32) {
        self.sum += f64::from(weight) * f64::from(loss);
        self.rows += 1;
    }

    fn value(self) -> Option<f64> {
        (self.rows > 0).then(|| self.sum / self.rows as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::{HintKind, HintLoss, HintOptions};
    use crate::objective::{Blend, ObjectiveOptions, Slopes, Temperature, Term};
    use limbeck_nets::{InputLayout, MlpShape, Segment};

    /// A network with one hidden unit: `s(x) = max(x, 0)`.
    fn shape() -> (Shape, Vec<f32>) {
        let shape = MlpShape::new(
            InputLayout {
                segments: vec![Segment::Linear],
            },
            vec![1],
            1,
        )
        .unwrap();
        (shape.into(), vec![1.0, 0.0, 1.0, 0.0])
    }

    fn objective(hints: bool, pairs: bool) -> Objective {
        let options = ObjectiveOptions {
            head: HeadKind::Point,
            ..ObjectiveOptions::default()
        };
        let (hard, soft) = options.losses(options.head(-2.0, 2.0));
        let blend = Blend {
            options,
            alpha: 0.5,
            hard,
            soft,
            labelled: 0.5,
            data_temperature: 1.0,
            typical_std: 0.5,
        };
        let options = HintOptions {
            kind: HintKind::Hint,
            width: 1,
            ..HintOptions::default()
        };
        let slopes = Slopes {
            head: blend.soft.head(),
        };
        let slopes = pairs.then(|| Term::new("slope", slopes));
        let layers = hints.then(|| Term::new("layers", HintLoss::new(&options, &[1], &[0.5])));
        Objective {
            blend,
            terms: slopes.into_iter().chain(layers).collect(),
        }
    }

    fn labels(rows: &[LabelRow], pair: Option<f32>, coordinate: Option<f32>) -> Vec<f32> {
        let row = |(at, row): (usize, &LabelRow)| {
            row.columns()
                .into_iter()
                .chain(pair.map(|pair| if at % 2 == 1 { pair } else { 0.0 }))
                .chain(coordinate)
                .collect::<Vec<f32>>()
        };
        rows.iter().enumerate().flat_map(row).collect()
    }

    #[test]
    fn temperature_is_that_of_the_rows_that_the_teacher_labelled() {
        let options = ObjectiveOptions {
            head: HeadKind::Gaussian,
            temperature: Temperature::Std,
            ..ObjectiveOptions::default()
        };
        let (hard, soft) = options.losses(options.head(-2.0, 2.0));
        let blend = Blend {
            options,
            alpha: 0.5,
            hard,
            soft,
            labelled: 0.5,
            data_temperature: 1.0,
            typical_std: 0.5,
        };
        let row = LabelRow {
            target: 0.0,
            teacher: 0.0,
            std: 0.5,
            gate: 1.0,
            labelled: 1.0,
            weight: 1.0,
        };
        // Standard deviations of once and three times the typical one; the third row has no label of the teacher's.
        let rows = [
            row,
            LabelRow { std: 1.5, ..row },
            LabelRow {
                std: 9.0,
                gate: 0.0,
                ..row
            },
        ];
        let probe = Probe {
            positions: vec![0.0; 3].into(),
            targets: vec![Probed {
                labels: labels(&rows, None, None),
                judge: Objective {
                    blend,
                    terms: Vec::new(),
                },
                share: 1.0,
            }],
        };
        let shape = MlpShape::new(
            InputLayout {
                segments: vec![Segment::Linear],
            },
            vec![1],
            2,
        )
        .unwrap();
        let shape = Shape::from(shape);
        assert_eq!(
            probe
                .terms(&shape, &vec![0.1; shape.weights()], 0.0)
                .temperature,
            Some(2.0)
        );
    }

    #[test]
    fn terms_are_worked_by_hand() {
        let (shape, mut params) = shape();
        let known = LabelRow {
            target: 1.0,
            teacher: 4.0,
            std: 0.1,
            gate: 1.0,
            labelled: 1.0,
            weight: 2.0,
        };
        let unknown = LabelRow {
            target: 9.0,
            teacher: 2.0,
            labelled: 0.0,
            weight: 1.0,
            ..known
        };
        let closed = LabelRow {
            target: 0.0,
            gate: 0.0,
            weight: 1.0,
            ..known
        };
        let rows = labels(&[known, unknown, closed], None, None);
        let probe = Probe {
            positions: vec![2.0, 3.0, 1.0].into(),
            targets: vec![Probed {
                labels: rows,
                judge: objective(false, false),
                share: 1.0,
            }],
        };
        // Hard: (2 · 1² + 1 · 1²) / 2. Soft: (2 · 2² + 1²) / 2.
        assert_eq!(
            probe.terms(&shape, &params, 0.0),
            Terms {
                hard: Some(1.5),
                soft: Some(4.5),
                temperature: None,
                terms: vec![]
            }
        );
        // A pair: the student moves by 1, the teacher by −2; γ / ρ² = 0.5.
        // Its adapter says 3 h + 1, the teacher's coordinate is 6: 0.5 · (7 − 6)², 0.5 · (10 − 6)².
        params.extend([3.0, 1.0]);
        let pair = [
            LabelRow {
                teacher: 4.0,
                ..unknown
            },
            unknown,
        ];
        let probe = Probe {
            positions: vec![2.0, 3.0].into(),
            targets: vec![Probed {
                labels: labels(&pair, Some(0.5), Some(6.0)),
                judge: objective(true, true),
                share: 1.0,
            }],
        };
        let found = probe.terms(&shape, &params, 0.5);
        assert_eq!(
            (found.hard, found.of("slope"), found.of("layers")),
            (None, &[4.5][..], &[4.25][..])
        );
        let none = Probe {
            positions: Positions::default(),
            targets: vec![Probed {
                labels: vec![],
                judge: objective(false, false),
                share: 1.0,
            }],
        };
        assert_eq!(none.terms(&shape, &params, 0.0), Terms::default());
    }
}
