//! Numbers that mean *missing*.

use alloc::{format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Numbers of a column that mean *missing*, such as −999 or 65535: single values, and all numbers outside of a range.
///
/// ```
/// use limbeck_runtime::MissingNumbers;
///
/// let missing = MissingNumbers { values: vec![-999.0], below: None, above: Some(1e6) };
/// assert!(missing.holds(-999.0) && missing.holds(1e12) && !missing.holds(20.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingNumbers {
    /// Each of these values is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// Any number below this one is missing; `None` if there is no lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Any number above this one is missing; `None` if there is no upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
}

impl MissingNumbers {
    /// True if only NaN is missing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.below.is_none() && self.above.is_none()
    }

    /// True for a number that means *missing*. False for NaN, which always means missing.
    pub fn holds(&self, x: f64) -> bool {
        self.below.is_some_and(|below| x < below)
            || self.above.is_some_and(|above| x > above)
            || self
                .values
                .iter()
                .any(|value| (x + 0.0).total_cmp(&(value + 0.0)).is_eq())
    }

    /// Returns NaN for a number that means *missing*, and any other number unchanged.
    pub fn read(&self, x: f64) -> f64 {
        if self.holds(x) { f64::NAN } else { x }
    }

    pub(crate) fn fault(&self) -> Option<String> {
        let bounds = self.below.iter().chain(&self.above);
        let odd = self
            .values
            .iter()
            .chain(bounds)
            .find(|value| !value.is_finite());
        odd.map(|value| {
            format!("one of the numbers that mean missing is {value}, a finite number expected")
        })
    }
}
