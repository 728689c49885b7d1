//! Operating regimes: groups of rows with similar settings, in which columns have usual values of their own.

use alloc::{format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

use crate::MissingNumbers;

/// Operating regimes of a machine or a process, such as altitude and speed of an aircraft, and the usual values of columns in each of them.
///
/// A row belongs to the regime with the nearest center. Each column of [`columns`](Self::columns) is normalized by the mean and the standard deviation
/// that it has in this regime:
///
/// ```text
/// r = argmin_k Σ_j ((s_j − center_kj) / scale_j)²        z = (x − mean_r) / std_r
/// ```
///
/// So what is left in `z` is not explained by the settings `s`, such as wear. A number is missing if a setting is missing. Of two centers at the same
/// distance, the first counts.
///
/// ```
/// use limbeck_runtime::{RegimeColumn, RegimeSetting, Regimes};
///
/// let regimes = Regimes {
///     settings: vec![RegimeSetting {
///         name: "altitude".into(),
///         missing: Default::default(),
///         scale: 10.0,
///     }],
///     centers: vec![vec![0.0], vec![35.0]],
///     columns: vec![RegimeColumn {
///         name: "pressure".into(),
///         missing: Default::default(),
///         mean: vec![100.0, 24.0],
///         std: vec![2.0, 0.5],
///     }],
/// };
/// let regime = regimes.of(&[33.0]);
/// assert_eq!(regime, Some(1));
/// assert_eq!(regimes.columns[0].normalized(25.0, regime), 2.0);
/// assert!(regimes.columns[0].normalized(25.0, None).is_nan());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regimes {
    /// The number columns that tell the regime of a row.
    pub settings: Vec<RegimeSetting>,
    /// The center of each regime, `[regimes][settings]`.
    pub centers: Vec<Vec<f64>>,
    /// The columns that are normalized.
    pub columns: Vec<RegimeColumn>,
}

/// A number column that helps to tell the regime of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegimeSetting {
    /// Name of the number column.
    pub name: String,
    /// Numbers of the column that mean *missing*.
    #[serde(default, skip_serializing_if = "MissingNumbers::is_empty")]
    pub missing: MissingNumbers,
    /// The unit of the setting in distances: its standard deviation over the training and validation rows.
    pub scale: f64,
}

/// A column with its usual values in each regime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegimeColumn {
    /// Name of the number column.
    pub name: String,
    /// Numbers of the column that mean *missing*.
    #[serde(default, skip_serializing_if = "MissingNumbers::is_empty")]
    pub missing: MissingNumbers,
    /// Mean in each regime.
    pub mean: Vec<f64>,
    /// Standard deviation in each regime, above 0.
    pub std: Vec<f64>,
}

impl Regimes {
    /// The regime of a row with these settings; `None` if one of them is missing or infinite.
    pub fn of(&self, settings: &[f64]) -> Option<usize> {
        let is_known = |(own, x): (&RegimeSetting, &f64)| own.missing.read(*x).is_finite();
        if !self.settings.iter().zip(settings).all(is_known) {
            return None;
        }
        let mut nearest = (0, f64::INFINITY);
        for (regime, center) in self.centers.iter().enumerate() {
            let each = settings.iter().zip(center).zip(&self.settings);
            let far = each.map(|((x, center), own)| {
                let apart = (x - center) / own.scale;
                apart * apart
            });
            let far = far.sum();
            if far < nearest.1 {
                nearest = (regime, far);
            }
        }
        Some(nearest.0)
    }

    /// Number of fitted numbers: centers, scales, means and standard deviations.
    pub fn parameters(&self) -> usize {
        let settings = self.settings.len() * (1 + self.centers.len());
        settings + 2 * self.centers.len() * self.columns.len()
    }

    /// What is wrong with the regimes; `None` if nothing is.
    pub(crate) fn fault(&self) -> Option<String> {
        let (settings, regimes) = (self.settings.len(), self.centers.len());
        let finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        let positive =
            |numbers: &[f64]| finite(numbers) && numbers.iter().all(|&number| number > 0.0);
        if settings == 0 || regimes == 0 {
            return Some("its regimes have no settings or no centers".into());
        }
        let scales: Vec<f64> = self.settings.iter().map(|own| own.scale).collect();
        if !positive(&scales) {
            return Some("each setting of its regimes needs a scale above 0".into());
        }
        if self
            .centers
            .iter()
            .any(|center| center.len() != settings || !finite(center))
        {
            return Some(format!(
                "each center of its regimes needs {settings} finite numbers"
            ));
        }
        let wrong = |column: &&RegimeColumn| {
            let lengths = (column.mean.len(), column.std.len());
            lengths != (regimes, regimes) || !finite(&column.mean) || !positive(&column.std)
        };
        let column = self.columns.iter().find(wrong)?;
        Some(format!(
            "column `{}` needs {regimes} means and {regimes} standard deviations above 0, one for each regime",
            column.name
        ))
    }
}

impl RegimeColumn {
    /// The normalized value of a number in a row of this regime; NaN if it is missing.
    pub fn normalized(&self, value: f64, regime: Option<usize>) -> f64 {
        let Some(regime) = regime else {
            return f64::NAN;
        };
        (self.missing.read(value) - self.mean[regime]) / self.std[regime]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn regimes() -> Regimes {
        Regimes {
            settings: [("a", 1.0), ("b", 10.0)]
                .map(|(name, scale)| RegimeSetting {
                    name: name.into(),
                    missing: MissingNumbers {
                        values: vec![-999.0],
                        ..MissingNumbers::default()
                    },
                    scale,
                })
                .to_vec(),
            centers: vec![vec![0.0, 0.0], vec![1.0, 0.0], vec![0.0, 30.0]],
            columns: vec![RegimeColumn {
                name: "x".into(),
                missing: MissingNumbers::default(),
                mean: vec![1.0, 2.0, 3.0],
                std: vec![1.0, 0.5, 2.0],
            }],
        }
    }

    #[test]
    fn the_nearest_center_counts_in_units_of_the_scales() {
        let regimes = regimes();
        assert_eq!(regimes.of(&[0.6, 1.0]), Some(1));
        assert_eq!(regimes.of(&[0.6, 20.0]), Some(2));
        // At the same distance from two centers.
        assert_eq!(regimes.of(&[0.5, 0.0]), Some(0));
        assert_eq!(regimes.of(&[f64::NAN, 0.0]), None);
        assert_eq!(regimes.of(&[0.0, f64::INFINITY]), None);
        assert_eq!(regimes.of(&[-999.0, 0.0]), None);
        // Two scales, six coordinates, and six values of a column.
        assert_eq!(regimes.parameters(), 14);
    }

    #[test]
    fn damaged_regimes_are_described() {
        assert_eq!(regimes().fault(), None);
        type Damage = fn(&mut Regimes);
        let damage: [(Damage, &str); 5] = [
            (|own| own.centers.clear(), "no centers"),
            (|own| own.settings[0].scale = 0.0, "a scale above 0"),
            (|own| own.centers[1].push(1.0), "2 finite numbers"),
            (|own| own.columns[0].std[2] = 0.0, "`x`"),
            (|own| own.columns[0].mean[0] = f64::NAN, "`x`"),
        ];
        for (damage, part) in damage {
            let mut own = regimes();
            damage(&mut own);
            let fault = own.fault().unwrap();
            assert!(fault.contains(part), "{fault}");
        }
    }
}
