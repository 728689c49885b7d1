//! One target of a student: its standardized labels, and the errors of predictions for it.

use limbeck_data::metrics::{self, Measure};
use limbeck_data::{LearnedUnit, TargetSpec};
use limbeck_runtime::{Output, TargetTransform};

use crate::lesson::Standardized;
use crate::objective::ObjectiveOptions;
use crate::transfer::set::{KnownRows, TransferSet};

/// One target, with its rows, labels and scale.
pub(crate) struct Target<'a> {
    spec: &'a TargetSpec,
    /// Mean (`center`) and standard deviation (`scale`) of the target over the training rows with a target. Both are in the learned unit: the
    /// target's own unit, or its logarithm.
    pub(crate) center: f64,
    pub(crate) scale: f64,
    /// Training rows, not standardized.
    pub(crate) set: &'a TransferSet,
    /// Validation rows, not standardized; `None` if nothing is validated.
    pub(crate) held: Option<&'a KnownRows>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(
        spec: &'a TargetSpec,
        set: &'a TransferSet,
        held: Option<&'a KnownRows>,
    ) -> Self {
        let known = &set.known;
        let center = metrics::weighted_mean(&known.target, &known.weight);
        let variance = metrics::variance(&known.target, &known.weight);
        let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Self {
            spec,
            center,
            scale,
            set,
            held,
        }
    }

    /// The training rows, with targets and labels in standardized units.
    pub(crate) fn labels(&self) -> Standardized<'a> {
        Standardized {
            set: self.set,
            center: self.center,
            scale: self.scale,
        }
    }

    /// Standardizes values that are in the learned unit.
    pub(crate) fn standard(&self, values: &[f64]) -> Vec<f32> {
        let standard = |v: &f64| ((v - self.center) / self.scale) as f32;
        values.iter().map(standard).collect()
    }

    /// Converts a standardized prediction to the learned unit.
    pub(crate) fn learned(&self, z: f32) -> f64 {
        self.center + self.scale * f64::from(z)
    }

    /// Converts a value from the learned unit to the target's unit.
    fn unit(&self, value: f64) -> f64 {
        self.spec.unit.target(value)
    }

    /// The squared error or pinball loss of one row, in the target's unit. `pred` and `label` are in the learned unit.
    pub(crate) fn row(&self, measure: Measure, pred: f64, label: f64) -> f64 {
        measure.row(self.unit(pred), self.unit(label))
    }

    /// The weighted mean of [`row`](Self::row) over rows. Rows without a label (NaN) are left out.
    pub(crate) fn mean(
        &self,
        measure: Measure,
        pred: &[f64],
        label: &[f64],
        weight: &[f64],
    ) -> f64 {
        let both = pred
            .iter()
            .zip(label)
            .zip(weight)
            .filter(|((_, label), _)| label.is_finite());
        let (mut sum, mut total) = (0.0, 0.0);
        for ((pred, label), weight) in both {
            sum += weight * self.row(measure, *pred, *label);
            total += weight;
        }
        sum / total
    }

    /// What errors are divided by, so that errors of targets with different units can be added up. For squared errors it is the variance of the
    /// target, for a pinball loss the standard deviation, both in the target's unit and over the training rows.
    pub(crate) fn norm(&self, measure: Measure) -> f64 {
        let known = &self.set.known;
        let target: Vec<f64> = known.target.iter().map(|&y| self.unit(y)).collect();
        let variance = metrics::variance(&target, &known.weight);
        let norm = match measure {
            Measure::Rmse => variance,
            Measure::Pinball { .. } => variance.sqrt(),
        };
        if norm > 0.0 { norm } else { 1.0 }
    }

    /// The teacher's predictions on the validation rows, in the learned unit: means, or the quantile that the student predicts. Empty without
    /// validation rows.
    pub(crate) fn valid_teacher(&self, objective: &ObjectiveOptions) -> Vec<f64> {
        let answers = |held: &KnownRows| {
            let pairs = held.teacher.iter().zip(&held.std);
            pairs
                .map(|(mean, sd)| objective.answer(*mean, *sd))
                .collect()
        };
        self.held.map_or_else(Vec::new, answers)
    }

    /// Description of the student's output for this target: its name, its horizon, and the transform from the standardized prediction to the target's unit.
    pub(crate) fn output(&self) -> Output {
        let (scale, shift) = (self.scale, self.center);
        let transform = match self.spec.unit {
            LearnedUnit::Own => TargetTransform::Affine { scale, shift },
            LearnedUnit::Log => TargetTransform::LogAffine { scale, shift },
        };
        Output {
            later: self.spec.later.clone(),
            ..Output::new(&self.spec.name, transform)
        }
    }
}
