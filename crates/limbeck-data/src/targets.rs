//! What is predicted.

/// The unit in which a target is learned: losses, labels and spreads are in it, reports and files in the target's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LearnedUnit {
    /// The target's own.
    #[default]
    Own,
    /// Its natural logarithm.
    Log,
}

impl LearnedUnit {
    /// The learned value of a target.
    #[must_use]
    pub fn learn(self, target: f64) -> f64 {
        match self {
            Self::Own => target,
            Self::Log => target.ln(),
        }
    }

    /// The target of a learned value.
    #[must_use]
    pub fn target(self, learned: f64) -> f64 {
        match self {
            Self::Own => learned,
            Self::Log => learned.exp(),
        }
    }

    /// The learned standard deviation of a prediction in the target's unit; of logarithms it is relative: `sd(ln y) ≈ sd(y) / |y|`.
    #[must_use]
    pub fn learn_spread(self, spread: f64, prediction: f64) -> f64 {
        match self {
            Self::Own => spread,
            Self::Log => spread / prediction.abs(),
        }
    }

    /// The standard deviation in the target's unit of a learned one, at a prediction in the target's unit.
    #[must_use]
    pub fn target_spread(self, learned: f64, prediction: f64) -> f64 {
        match self {
            Self::Own => learned,
            Self::Log => learned * prediction.abs(),
        }
    }
}

/// A target: its name, and the unit in which it is learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetSpec {
    /// Name of its column.
    pub name: String,
    /// The unit in which it is learned.
    pub unit: LearnedUnit,
}

/// Targets of rows, `[n_targets][n_samples]`, each in its own unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// What each is.
    pub specs: Vec<TargetSpec>,
    /// Values by target.
    pub values: Vec<Vec<f64>>,
}

impl Targets {
    /// One target.
    #[must_use]
    pub fn one(spec: TargetSpec, values: Vec<f64>) -> Self {
        Self {
            specs: vec![spec],
            values: vec![values],
        }
    }

    /// The one target.
    ///
    /// # Panics
    ///
    /// Where there are none or several.
    #[must_use]
    pub fn only(&self) -> (&TargetSpec, &[f64]) {
        match (&self.specs[..], &self.values[..]) {
            ([spec], [values]) => (spec, values),
            _ => unreachable!("of several targets, take one with `of_target`"),
        }
    }

    /// The targets of some rows, in that order.
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
            (log.learn_spread(3.0, -6.0), log.target_spread(0.5, -6.0)),
            (0.5, 3.0)
        );
        let own = LearnedUnit::Own;
        assert_eq!(
            (
                own.learn(7.0),
                own.target(7.0),
                own.learn_spread(3.0, 6.0),
                own.target_spread(3.0, 6.0)
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
