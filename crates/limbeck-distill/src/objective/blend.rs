//! The blended loss: against targets (hard) and against teacher labels (soft).

use limbeck_nets::losses::{Label, LabelLoss};
use limbeck_nets::{StepContext, StepLoss};

use super::options::{Gate, ObjectiveOptions, Temperature};

/// The labels of one row, in standardized target units, as [`Blend`] reads them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelRow {
    /// The target; not used if `labelled` is 0.
    pub target: f32,
    /// The mean that the teacher predicts; not used if `gate` is 0.
    pub teacher: f32,
    /// The teacher's predictive standard deviation.
    pub std: f32,
    /// Gate: the weight of the teacher label, in `[0, 1]`; 0 if there is no teacher label.
    pub gate: f32,
    /// 1 for a row with a target, 0 for a row without.
    pub labelled: f32,
    /// Row weight. Its mean over the rows with a target is 1.
    pub weight: f32,
}

impl LabelRow {
    /// Number of label columns: one per field.
    pub const COLUMNS: usize = 6;
    /// Index of the column with the teacher's mean.
    pub const TEACHER: usize = 1;

    /// A row that has no effect on the loss.
    pub(crate) const SILENT: Self = Self {
        target: 0.0,
        teacher: 0.0,
        std: 1.0,
        gate: 0.0,
        labelled: 1.0,
        weight: 0.0,
    };

    /// The values of the row, in the order of the label columns.
    #[must_use]
    pub fn columns(self) -> [f32; Self::COLUMNS] {
        [
            self.target,
            self.teacher,
            self.std,
            self.gate,
            self.labelled,
            self.weight,
        ]
    }

    /// Reads a row from the first values of `columns`; `None` if there are fewer than [`COLUMNS`](Self::COLUMNS).
    pub(crate) fn first_of(columns: &[f32]) -> Option<Self> {
        columns.first_chunk().map(|columns| Self::read(*columns))
    }

    fn read([target, teacher, std, gate, labelled, weight]: [f32; Self::COLUMNS]) -> Self {
        Self {
            target,
            teacher,
            std,
            gate,
            labelled,
            weight,
        }
    }
}

/// The loss `α · L_soft + (1 − α) · L_hard` over rows with and without a target. `L_hard` compares with the target, `L_soft` with the teacher label.
///
/// # Formula
///
/// Rows with a target make up the share `ρ` of the training rows; `h = min(1, (1 − α) / ρ)`. With a row's weight `w` and gate `g`:
///
/// ```text
/// with a target:     w [(1 − a) L_hard + a L_soft],   a = (1 − h) g
/// without:           w u g L_soft,   u = min(1, ρ α / ((1 − α) (1 − ρ)))
/// ```
///
/// so that, with all gates at 1, the soft losses have the share `α` of the total weight. On a row with a target, the weight that a gate below 1 takes
/// from the teacher label goes to the target. Label columns: [`LabelRow`].
#[derive(Clone, Debug)]
pub struct Blend {
    /// Options of the loss.
    pub options: ObjectiveOptions,
    /// `alpha` at the start of training.
    pub alpha: f64,
    /// Loss against targets.
    pub hard: LabelLoss,
    /// Loss against teacher labels.
    pub soft: LabelLoss,
    /// Share `ρ` of rows with a target among the training rows.
    pub labelled: f64,
    /// The temperature that [`Temperature::Data`] uses: computed once, from the range of all teacher labels of rows with a target.
    pub data_temperature: f32,
    /// The median of the teacher's standard deviations over the rows with a target, for [`Temperature::Std`].
    pub typical_std: f32,
}

impl Blend {
    /// The numbers `1 − h` and `u` of [`Blend`]'s formula, when the share `progress` of training is done.
    fn shares(&self, progress: f32) -> (f32, f32) {
        let alpha = self.options.alpha_at(self.alpha, f64::from(progress));
        let rho = self.labelled;
        let soft = 1.0 - ((1.0 - alpha) / rho).min(1.0);
        let others = (1.0 - alpha) * (1.0 - rho);
        let new = if others > 0.0 {
            (rho * alpha / others).min(1.0)
        } else {
            1.0
        };
        (soft as f32, new as f32)
    }

    /// Blends target and teacher label into one label; returns this label and its weight. If [`ObjectiveOptions::blends_labels`] is true, a loss on
    /// this label is equivalent to both losses: `(1 − a) (s − y)² + a (s − t)²` is `(s − (y + a (t − y)))²` up to a constant.
    #[must_use]
    pub fn label(&self, row: LabelRow) -> [f32; 2] {
        let (soft, new) = self.shares(0.0);
        if row.labelled > 0.0 {
            let share = soft * row.gate;
            return [row.target + share * (row.teacher - row.target), row.weight];
        }
        [row.teacher, new * row.gate * row.weight]
    }

    /// The temperature of the soft loss for a row whose teacher label has the standard deviation `std`.
    pub(crate) fn temperature(&self, moment: StepContext, std: f32) -> f32 {
        match self.options.temperature {
            Temperature::Fixed(start) => {
                let end = self.options.temperature_end.unwrap_or(start);
                (start + f64::from(moment.progress) * (end - start)) as f32
            }
            Temperature::Batch => moment.statistic,
            Temperature::Data => self.data_temperature,
            Temperature::Std => (std / self.typical_std).clamp(0.25, 4.0),
        }
    }
}

/// The temperature `temperature_base + temperature_scale · (max − min)` of `options`, with the range of the teacher labels `labels`.
#[must_use]
pub fn range_temperature(options: &ObjectiveOptions, labels: impl Iterator<Item = f32>) -> f32 {
    let (least, most) = labels.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), t| {
        (a.min(t), b.max(t))
    });
    let range = if most > least { most - least } else { 0.0 };
    options.temperature_base as f32 + options.temperature_scale as f32 * range
}

impl StepLoss for Blend {
    fn columns(&self) -> usize {
        LabelRow::COLUMNS
    }

    fn outputs(&self) -> usize {
        self.soft.outputs()
    }

    fn statistic(&self, labels: &[f32]) -> f32 {
        if self.options.temperature != Temperature::Batch {
            return 0.0;
        }
        let (rows, _) = labels.as_chunks();
        range_temperature(
            &self.options,
            rows.iter()
                .map(|row| LabelRow::read(*row))
                .filter(|r| r.gate > 0.0)
                .map(|r| r.teacher),
        )
    }

    fn value_and_grad(
        &self,
        pred: &[f32],
        labels: &[f32],
        moment: StepContext,
        grad: &mut [f32],
    ) -> f32 {
        let outputs = self.outputs();
        let (soft, new) = self.shares(moment.progress);
        let bounded = self.options.gate == Gate::Bounded;
        let mut toward_target = vec![0.0; outputs];
        let (rows, _) = labels.as_chunks();
        let mut sum = 0.0;
        for ((pred, row), grad) in pred
            .chunks_exact(outputs)
            .zip(rows)
            .zip(grad.chunks_exact_mut(outputs))
        {
            let row = LabelRow::read(*row);
            let label = Label {
                mean: row.teacher,
                sd: row.std,
            };
            let mut share = if row.labelled > 0.0 {
                soft * row.gate
            } else {
                1.0
            };
            if bounded && row.labelled > 0.0 && share > 0.0 {
                let (student, teacher) = (
                    (self.soft.head().predict(pred) - row.target).abs(),
                    (row.teacher - row.target).abs(),
                );
                share = if student > teacher { share } else { 0.0 };
            }
            let weight = row.weight
                * if row.labelled > 0.0 {
                    1.0
                } else {
                    new * row.gate
                };
            let mut loss = 0.0;
            grad.fill(0.0);
            if share > 0.0 {
                loss = share
                    * self
                        .soft
                        .row(pred, label, self.temperature(moment, row.std), grad);
                grad.iter_mut().for_each(|g| *g *= share * weight);
            }
            if share < 1.0 {
                let hard = 1.0 - share;
                loss += hard
                    * self
                        .hard
                        .row(pred, Label::hard(row.target), 1.0, &mut toward_target);
                grad.iter_mut()
                    .zip(&toward_target)
                    .for_each(|(g, h)| *g += hard * weight * h);
            }
            sum += weight * loss;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::*;
    use super::*;
    use limbeck_nets::HeadKind;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    fn options(head: HeadKind) -> ObjectiveOptions {
        ObjectiveOptions {
            head,
            ..ObjectiveOptions::default()
        }
    }

    fn blend(options: &ObjectiveOptions, alpha: f64) -> Blend {
        let head = options.head(-2.0, 2.0);
        let (hard, soft) = options.losses(head);
        Blend {
            options: options.clone(),
            alpha,
            hard,
            soft,
            labelled: 0.5,
            data_temperature: 1.5,
            typical_std: 0.5,
        }
    }

    fn row(target: f32, teacher: f32, labelled: f32) -> LabelRow {
        LabelRow {
            target,
            teacher,
            std: 0.5,
            gate: 1.0,
            labelled,
            weight: 1.0,
        }
    }

    fn value(blend: &Blend, pred: &[f32], row: LabelRow, progress: f32) -> f32 {
        let moment = StepContext {
            progress,
            statistic: blend.statistic(&row.columns()),
        };
        blend.value_and_grad(pred, &row.columns(), moment, &mut vec![0.0; pred.len()])
    }

    #[test]
    fn blend_of_points_is_worked_by_hand() {
        // alpha .75 with half the rows labelled: h = .5, so .5 · (2 − 4)² + .5 · (2 − 1)², weight 2
        let blend = blend(&options(HeadKind::Point), 0.75);
        let labels = LabelRow {
            weight: 2.0,
            ..row(4.0, 1.0, 1.0)
        };
        assert!((value(&blend, &[2.0], labels, 0.0) - 5.0).abs() < 1e-6);
        // With half of the teacher label: .75 · 4 + .25 · 1
        let labels = LabelRow {
            gate: 0.5,
            ..row(4.0, 1.0, 1.0)
        };
        assert!((value(&blend, &[2.0], labels, 0.0) - 3.25).abs() < 1e-6);
        assert!((value(&blend, &[2.0], row(0.0, 1.0, 0.0), 0.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn blend_at_its_limits_is_one_loss() {
        for head in [HeadKind::Point, HeadKind::Gaussian, HeadKind::Binned] {
            let options = options(head);
            let (hard, soft) = options.losses(options.head(-2.0, 2.0));
            let pred: Vec<f32> = (0..soft.outputs()).map(|k| 0.1 * k as f32).collect();
            let mut grad = vec![0.0; pred.len()];
            let target = hard.row(&pred, Label::hard(1.0), 1.0, &mut grad);
            let teacher = soft.row(&pred, Label { mean: 0.4, sd: 0.5 }, 1.0, &mut grad);
            assert!(
                (value(&blend(&options, 0.0), &pred, row(1.0, 0.4, 1.0), 0.0) - target).abs()
                    < 1e-6
            );
            assert!(
                (value(&blend(&options, 1.0), &pred, row(1.0, 0.4, 1.0), 0.0) - teacher).abs()
                    < 1e-6
            );
            // Without the teacher, rows that only it labelled have no weight.
            assert_eq!(
                value(&blend(&options, 0.0), &pred, row(1.0, 0.4, 0.0), 0.0),
                0.0
            );
        }
    }

    #[test]
    fn schedules_are_worked_at_start_middle_and_end() {
        let at = |schedule, progress| {
            ObjectiveOptions {
                alpha_schedule: schedule,
                alpha_end: 0.2,
                ..ObjectiveOptions::default()
            }
            .alpha_at(1.0, progress)
        };
        assert_eq!(
            [0.0, 0.5, 1.0].map(|p| at(AlphaSchedule::Constant, p)),
            [1.0; 3]
        );
        for schedule in [AlphaSchedule::Linear, AlphaSchedule::Cosine] {
            let found = [0.0, 0.5, 1.0].map(|p| at(schedule, p));
            assert!(
                found
                    .iter()
                    .zip([1.0, 0.6, 0.2])
                    .all(|(a, b)| (a - b).abs() < 1e-12),
                "{found:?}"
            );
        }
        assert!(at(AlphaSchedule::Cosine, 0.25) > at(AlphaSchedule::Linear, 0.25));
    }

    #[test]
    fn soft_rows_have_the_share_alpha_of_all_weight() {
        for alpha in [0.1, 0.5, 0.7, 0.95] {
            let (soft, new) = blend(&options(HeadKind::Point), alpha).shares(0.0);
            let (known, unknown) = (0.5, 0.5 * new);
            let found = (known * soft + unknown) / (known + unknown);
            assert!((found - alpha as f32).abs() < 1e-6, "{alpha} {found}");
        }
    }

    #[test]
    fn temperatures_are_worked_by_hand() {
        let with = |temperature| {
            blend(
                &ObjectiveOptions {
                    temperature,
                    ..options(HeadKind::Gaussian)
                },
                0.7,
            )
        };
        let moment = StepContext {
            progress: 0.5,
            statistic: 7.0,
        };
        assert_eq!(with(Temperature::Fixed(3.0)).temperature(moment, 1.0), 3.0);
        assert_eq!(with(Temperature::Batch).temperature(moment, 1.0), 7.0);
        assert_eq!(with(Temperature::Data).temperature(moment, 1.0), 1.5);
        assert_eq!(with(Temperature::Std).temperature(moment, 1.0), 2.0);
        let mut falling = with(Temperature::Fixed(3.0));
        falling.options.temperature_end = Some(1.0);
        assert_eq!(falling.temperature(moment, 1.0), 2.0);
        // Base 1, scale 0.1, labels that range over 5.
        let labels: Vec<f32> = [-1.0, 4.0, 2.0]
            .iter()
            .flat_map(|&t| row(0.0, t, 1.0).columns())
            .collect();
        assert!((with(Temperature::Batch).statistic(&labels) - 1.5).abs() < 1e-6);
    }

    #[test]
    fn bounded_teachers_are_left_once_the_student_is_closer() {
        let bounded = blend(
            &ObjectiveOptions {
                gate: Gate::Bounded,
                ..options(HeadKind::Point)
            },
            1.0,
        );
        // The teacher errs by 1: a student that errs by 2 follows it, one that errs by ½ follows the target.
        assert_eq!(value(&bounded, &[2.0], row(0.0, 1.0, 1.0), 0.0), 1.0);
        assert_eq!(value(&bounded, &[0.5], row(0.0, 1.0, 1.0), 0.0), 0.25);
    }

    #[test]
    fn gradients_match_differences_and_the_tensor_form() {
        let mut rng = Pcg64::seed_from_u64(8);
        for head in [HeadKind::Point, HeadKind::Gaussian, HeadKind::Binned] {
            for literal in [false, true] {
                let loss = if head == HeadKind::Point {
                    LossKind::Huber
                } else {
                    LossKind::Squared
                };
                let options = ObjectiveOptions {
                    loss,
                    bins: 8,
                    huber_delta: rng.random_range(0.2..1.5),
                    literal: literal && head != HeadKind::Point,
                    alpha_schedule: AlphaSchedule::Linear,
                    ..options(head)
                };
                let blend = blend(&options, rng.random_range(0.2..0.9));
                let n = 5;
                let outputs = blend.outputs();
                let labels: Vec<f32> = (0..n)
                    .flat_map(|i| {
                        LabelRow {
                            target: rng.random_range(-2.0..2.0),
                            teacher: rng.random_range(-2.0..2.0),
                            std: rng.random_range(0.2..1.0),
                            gate: rng.random_range(0.0..1.0),
                            labelled: f32::from(u8::from(i % 2 == 0)),
                            weight: rng.random_range(0.5..2.0),
                        }
                        .columns()
                    })
                    .collect();
                let pred: Vec<f32> = (0..n * outputs)
                    .map(|_| rng.random_range(-1.0..1.0))
                    .collect();
                let moment = StepContext {
                    progress: 0.3,
                    statistic: 0.0,
                };
                let mut grad = vec![f32::NAN; pred.len()];
                blend.value_and_grad(&pred, &labels, moment, &mut grad);
                for i in 0..pred.len() {
                    let at = |h: f32| {
                        let mut moved = pred.clone();
                        moved[i] += h;
                        f64::from(blend.value_and_grad(
                            &moved,
                            &labels,
                            moment,
                            &mut vec![0.0; pred.len()],
                        ))
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

    #[test]
    fn no_rows_have_no_loss() {
        let blend = blend(&options(HeadKind::Gaussian), 0.5);
        assert_eq!(
            blend.value_and_grad(&[], &[], StepContext::default(), &mut []),
            0.0
        );
    }
}
