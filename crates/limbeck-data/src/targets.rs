//! Targets: the values to predict, and the unit in which they are learned.

use limbeck_runtime::Later;

/// The unit in which a target is learned.
///
/// Losses, labels and standard deviations of labels are in the learned unit; reports and files are in the target's own unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LearnedUnit {
    /// The target's own unit.
    #[default]
    Own,
    /// The natural logarithm of the target.
    Log,
}

impl LearnedUnit {
    /// Converts a target value to the learned unit.
    #[must_use]
    pub fn learn(self, target: f64) -> f64 {
        match self {
            Self::Own => target,
            Self::Log => target.ln(),
        }
    }

    /// Converts a value in the learned unit to the target's own unit.
    #[must_use]
    pub fn target(self, learned: f64) -> f64 {
        match self {
            Self::Own => learned,
            Self::Log => learned.exp(),
        }
    }

    /// Converts a prediction's standard deviation from the target's unit to the learned unit; for logarithms, `sd(ln y) ≈ sd(y) / |y|`.
    ///
    /// `prediction` is in the target's unit.
    #[must_use]
    pub fn learn_std(self, std: f64, prediction: f64) -> f64 {
        match self {
            Self::Own => std,
            Self::Log => std / prediction.abs(),
        }
    }

    /// Converts a prediction's standard deviation from the learned unit to the target's unit.
    ///
    /// `prediction` is in the target's unit.
    #[must_use]
    pub fn target_std(self, learned: f64, prediction: f64) -> f64 {
        match self {
            Self::Own => learned,
            Self::Log => learned * prediction.abs(),
        }
    }
}

/// Name and learned unit of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetSpec {
    /// Name of the target: that of its column, or with several horizons that of column and horizon, such as `load.ahead6`.
    pub name: String,
    /// The unit in which the target is learned.
    pub unit: LearnedUnit,
    /// Column and horizon, if the data set has several horizons; otherwise `None`.
    pub later: Option<Later>,
}

impl TargetSpec {
    /// The target that is named as its column.
    #[must_use]
    pub fn new(name: impl Into<String>, unit: LearnedUnit) -> Self {
        Self {
            name: name.into(),
            unit,
            later: None,
        }
    }

    /// The target in a row that lies ahead, one of several horizons of a column.
    #[must_use]
    pub fn ahead(later: Later, unit: LearnedUnit) -> Self {
        Self {
            name: later.name(),
            unit,
            later: Some(later),
        }
    }

    /// Name of the target's column.
    #[must_use]
    pub fn column(&self) -> &str {
        self.later
            .as_ref()
            .map_or(&self.name, |later| &later.column)
    }
}

/// Values of one or several targets, `[n_targets][n_samples]`, each in its own unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// Name and learned unit of each target.
    pub specs: Vec<TargetSpec>,
    /// Values of each target, one per row.
    pub values: Vec<Vec<f64>>,
}

impl Targets {
    /// Makes a set of one target.
    #[must_use]
    pub fn one(spec: TargetSpec, values: Vec<f64>) -> Self {
        Self {
            specs: vec![spec],
            values: vec![values],
        }
    }

    /// Specification and values of the only target.
    ///
    /// # Panics
    ///
    /// Panics if there is not exactly one target.
    #[must_use]
    pub fn only(&self) -> (&TargetSpec, &[f64]) {
        match (&self.specs[..], &self.values[..]) {
            ([spec], [values]) => (spec, values),
            _ => unreachable!("with several targets, select one by `of_target` first"),
        }
    }

    /// The targets of the given rows, in that order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let pick = |values: &Vec<f64>| rows.iter().map(|&row| values[row]).collect();
        Self {
            specs: self.specs.clone(),
            values: self.values.iter().map(pick).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_worked_by_hand() {
        let log = LearnedUnit::Log;
        assert!((log.learn(std::f64::consts::E) - 1.0).abs() < 1e-15);
        assert!((log.target(log.learn(7.0)) - 7.0).abs() < 1e-12);
        assert_eq!(
            (log.learn_std(3.0, -6.0), log.target_std(0.5, -6.0)),
            (0.5, 3.0)
        );
        let own = LearnedUnit::Own;
        assert_eq!(
            (
                own.learn(7.0),
                own.target(7.0),
                own.learn_std(3.0, 6.0),
                own.target_std(3.0, 6.0)
            ),
            (7.0, 7.0, 3.0, 3.0)
        );
    }

    #[test]
    fn rows_are_picked_in_order() {
        let targets = Targets::one(
            TargetSpec {
                name: "y".into(),
                ..TargetSpec::default()
            },
            vec![1.0, 2.0, 3.0],
        );
        let picked = targets.select(&[2, 0]);
        assert_eq!(picked.only(), (&targets.specs[0], &[3.0, 1.0][..]));
    }
}
