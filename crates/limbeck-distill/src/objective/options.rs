//! Options of the loss that a student minimizes.

use limbeck_data::metrics::Measure;
use limbeck_nets::loss::PointLoss;
use limbeck_nets::losses::LabelLoss;
use limbeck_nets::{Head, HeadKind};
use limbeck_options::{A_NUMBER, Form, Options, Refused, Rule, Seen, Value};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::student::options::NETWORKS;

limbeck_options::words! {
    /// The loss between a student's prediction and a label.
    pub enum LossKind {
        /// Squared error.
        #[default]
        Squared = "squared",
        /// Huber loss, linear beyond `huber_delta`.
        Huber = "huber",
    }
}

/// Value of the option `objective.alpha`: the share of the soft loss, which compares with teacher labels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Alpha {
    /// Chosen on validation rows.
    #[default]
    Auto,
    /// A given share, in `[0, 1]`.
    Fixed(f64),
}

impl Serialize for Alpha {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(alpha) => serializer.serialize_f64(*alpha),
        }
    }
}

impl<'de> Deserialize<'de> for Alpha {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(
            deserializer,
            "objective.alpha",
            "\"auto\" or a number in [0, 1]",
        )
    }
}

/// The text of an option whose value is a number or a word.
struct NumberOrText(String);

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = NumberOrText;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a word")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<NumberOrText, E> {
                Ok(NumberOrText(text.to_owned()))
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<NumberOrText, E> {
                Ok(NumberOrText(value.to_string()))
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<NumberOrText, E> {
                Ok(NumberOrText(value.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Parses an option that is a number or a word.
fn parsed<'de, T: std::str::FromStr, D: serde::Deserializer<'de>>(
    deserializer: D,
    option: &str,
    expected: &str,
) -> Result<T, D::Error> {
    let text = NumberOrText::deserialize(deserializer)?.0;
    let message = format!("{option}: found `{text}`, expected {expected}");
    text.parse().map_err(|_| serde::de::Error::custom(message))
}

impl std::str::FromStr for Alpha {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let alpha = text.parse().map_err(drop)?;
        let is_share = (0.0..=1.0).contains(&alpha);
        is_share.then_some(Self::Fixed(alpha)).ok_or(())
    }
}

limbeck_options::words! {
    /// How `alpha` changes during training.
    pub enum AlphaSchedule {
        /// `alpha` does not change.
        #[default]
        Constant = "constant",
        /// Linearly to `alpha_end`.
        Linear = "linear",
        /// Along half a cosine to `alpha_end`: slowly at both ends, faster in between.
        Cosine = "cosine",
    }
}

limbeck_options::words! {
    /// Which of the teacher's labels are used on rows that have a target. A gate does not apply to rows without a target.
    pub enum Gate {
        /// All labels.
        #[default]
        None = "none",
        /// Labels of rows on which the student's current error is larger than the teacher's.
        ///
        /// Chen et al., NeurIPS 2017.
        Bounded = "bounded",
        /// All labels, weighted by the teacher's error: `clamp(1 − (t − y)² / η, 0, 1)`, with the teacher's label `t` and the target `y`.
        ///
        /// `η` is the range of `(t − y)²` over the training rows; the weight is 1 if `η = 0`. Saputra et al., ICCV 2019.
        Attentive = "attentive",
        /// All labels except outliers: labels `t` whose distance `|t − y|` from the target `y` exceeds three robust standard deviations of `t − y`.
        ///
        /// Takamoto et al. 2020.
        Outlier = "outlier",
        /// All labels, weighted by the teacher's standard deviation: `min(1, (median σ_t / σ_t)²)`.
        ///
        /// In `docs/ablation.md`, without new rows and with `alpha` 1: significantly better than no gate on all four data sets where the teacher's standard
        /// deviation differs by row.
        Confidence = "confidence",
    }
}

/// How the temperature of the soft loss is chosen, for students that predict distributions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Temperature {
    /// A given temperature.
    Fixed(f64),
    /// `temperature_base + temperature_scale · range`, where the range (maximum − minimum) is that of the teacher labels in the current batch, in
    /// standardized target units.
    Batch,
    /// Like `Batch`, with the range over all rows with a target. (If none of these rows has a teacher label: over the new rows.)
    Data,
    /// For each row, `clamp(σ_t / median σ_t, 1/4, 4)` with the teacher's standard deviation `σ_t`. If the teacher is unsure on a row, its standard
    /// deviation has more weight there, and its mean less.
    Std,
}

impl Default for Temperature {
    fn default() -> Self {
        Self::Fixed(1.0)
    }
}

impl std::str::FromStr for Temperature {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "batch" => Ok(Self::Batch),
            "data" => Ok(Self::Data),
            "std" | "spread" => Ok(Self::Std),
            _ => text.parse().map(Self::Fixed).map_err(|_| ()),
        }
    }
}

impl Serialize for Temperature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(value) => serializer.serialize_f64(*value),
            Self::Batch => serializer.serialize_str("batch"),
            Self::Data => serializer.serialize_str("data"),
            Self::Std => serializer.serialize_str("std"),
        }
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a number, batch, data or std";
        parsed(deserializer, "objective.temperature", expected)
    }
}

impl Value for Alpha {
    const FORM: Form = Form::NumberOr(&["auto"]);

    fn seen(&self) -> Seen {
        match self {
            Self::Auto => Seen::Text("auto".into()),
            Self::Fixed(alpha) => alpha.seen(),
        }
    }
}

impl Value for Temperature {
    const FORM: Form = Form::NumberOr(&["batch", "data", "std"]);

    fn seen(&self) -> Seen {
        match self {
            Self::Fixed(value) => value.seen(),
            Self::Batch => Seen::Text("batch".into()),
            Self::Data => Seen::Text("data".into()),
            Self::Std => Seen::Text("std".into()),
        }
    }
}

limbeck_options::options! {
    /// What the student minimizes: alpha · loss against the teacher + (1 − alpha) · loss against the target; the student trained alone has only the latter.
    pub struct ObjectiveOptions in "objective", "Objective" {
        /// Share of the teacher in the loss: chosen on validation rows (auto), or a number from 0 to 1.
        alpha: Alpha = Alpha::Auto => [within(0.0, 1.0), flag("alpha", "SHARE")];
        /// How alpha changes during training, from its start to alpha_end.
        alpha_schedule: AlphaSchedule = AlphaSchedule::Constant => [
            flag("alpha-schedule", "FORM"), rules(&[Rule::Where("student.kind", NETWORKS, "only a network trains step by step")]),
        ];
        /// Alpha at the end of training, for a schedule that changes it.
        alpha_end: f64 = 0.5 => [
            within(0.0, 1.0), flag("alpha-end", "SHARE"), rules(&[Rule::Where("objective.alpha_schedule", &["linear", "cosine"], "a constant alpha does not change")]),
        ];
        /// What the student predicts during training: a number or a distribution. The student's file always returns a number: of a distribution, the mean.
        head: HeadKind = HeadKind::Point => [
            flag("head", "HEAD"), rules(&[Rule::Where("student.kind", NETWORKS, "only a network learns distributions")]),
        ];
        /// Number of bins of the distribution that a binned head predicts.
        bins: usize = 50 => [within(8.0, 1000.0), rules(&[Rule::Where("objective.head", &["binned"], "only a binned head has bins")])];
        /// Loss between a point prediction and its label.
        loss: LossKind = LossKind::Squared => [
            flag("loss", "LOSS"),
            rules(&[
                Rule::Where("objective.head", &["point"], "a distribution has its own loss"),
                Rule::Where("student.kind", NETWORKS, "only a network can use another loss"),
            ]),
        ];
        /// Predict this quantile, such as 0.9, instead of the mean: by pinball loss, with the teacher's mean and standard deviation.
        #[serde(skip_serializing_if = "Option::is_none")]
        quantile: Option<f64> = None => [
            above(0.0), below(1.0), flag("quantile", "Q"), example("0.9"),
            rules(&[
                Rule::Where("student.kind", NETWORKS, "trees, linear models and tables predict only means"),
                Rule::Where("objective.head", &["point"], "a quantile has its own loss, the pinball loss"),
                Rule::Where("objective.loss", &["squared"], "a quantile has its own loss, the pinball loss"),
                Rule::Where("objective.gate", &["none", "attentive", "outlier", "confidence"], "`--gate bounded` compares the errors of two means, and a quantile is not a mean"),
                Rule::Without("teacher.residual_rounds", "residual rounds work only for students that predict the mean"),
                Rule::Without("transfer.slope_rows", "slope rows teach the slopes of the teacher's mean, not of a quantile"),
                Rule::Without("require_r2", "a quantile is judged by its pinball loss, not by R²"),
            ]),
        ];
        /// Error at which the Huber loss becomes linear, in standard deviations of the target.
        huber_delta: f64 = 1.0 => [above(0.0), flag("huber-delta", "X"), rules(&[Rule::Where("objective.loss", &["huber"], "only the Huber loss has a delta")])];
        /// Temperature of the KL divergence of distributions: a number, batch, data or std.
        ///
        /// `batch` and `data` follow the range of the teacher's labels, in each batch or over all rows with a target; `std` follows the teacher's standard
        /// deviation, row by row.
        temperature: Temperature = Temperature::Fixed(1.0) => [above(0.0), flag("temperature", "T"), rules(DISTRIBUTION)];
        /// Temperature at the end of training; it changes linearly from objective.temperature, which must then be a number.
        #[serde(skip_serializing_if = "Option::is_none")]
        temperature_end: Option<f64> = None => [above(0.0), flag("temperature-end", "T"), unset("the value of temperature"), example("1.0"), rules(TO_NUMBER)];
        /// Base of the temperatures batch and data, which are `base + scale · range of the teacher's labels`.
        temperature_base: f64 = 1.0 => [at_least(0.0), rules(RANGE)];
        /// Scale of the temperatures batch and data, which are `base + scale · range of the teacher's labels`.
        temperature_scale: f64 = 0.1 => [at_least(0.0), rules(RANGE)];
        /// Use the squared error of the distribution's mean as hard loss (against targets), instead of likelihood or cross-entropy: the literal KL + MSE.
        literal: bool = false => [flag("literal", ""), rules(DISTRIBUTION)];
        /// Weight `γ` of gradient matching in the loss, on the pairs of transfer.slope_rows.
        slope_weight: f64 = 0.1 => [above(0.0), flag("slope-weight", "X"), rules(&[Rule::With("transfer.slope_rows")])];
        /// Which teacher labels to use: all, only where the student is worse than the teacher, or depending on the teacher's error or standard deviation.
        gate: Gate = Gate::None => [flag("gate", "GATE"), rules(&[Rule::Where("student.kind", NETWORKS, "only a network can be trained with a gate")])];
    }
}

const DISTRIBUTION: &[Rule] = &[Rule::Where(
    "objective.head",
    &["gaussian", "binned"],
    "a point prediction has no KL divergence",
)];
const TO_NUMBER: &[Rule] = &[
    DISTRIBUTION[0],
    Rule::Where(
        "objective.temperature",
        &[A_NUMBER],
        "only a temperature given as a number can change during training",
    ),
];
const RANGE: &[Rule] = &[Rule::Where(
    "objective.temperature",
    &["batch", "data"],
    "other temperatures do not use the range of the labels",
)];

impl ObjectiveOptions {
    /// Checks the range of each option, and the combinations of these options.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for an option that is out of its range, or that contradicts or needs another option.
    pub fn check(&self) -> Result<()> {
        if self.temperature_base + self.temperature_scale <= 0.0 {
            let message =
                "found 0, and `objective.temperature_base` is 0 too; set one of the two above 0";
            return Err(Refused::new("objective.temperature_scale", message).into());
        }
        Ok(self.validate()?)
    }

    /// The head (form of the student's prediction) for standardized targets in `[least, most]`.
    #[must_use]
    pub fn head(&self, least: f32, most: f32) -> Head {
        Head::over(self.head, least, most, self.bins)
    }

    /// The hard loss (against targets) and the soft loss (against teacher labels) for a head, in this order.
    #[must_use]
    pub fn losses(&self, head: Head) -> (LabelLoss, LabelLoss) {
        let own = match head {
            Head::Point => self
                .quantile
                .map_or(LabelLoss::Point(self.point_loss()), |q| {
                    LabelLoss::Quantile(q as f32)
                }),
            Head::Gaussian => LabelLoss::Gaussian,
            Head::Binned(bins) => LabelLoss::Binned(bins),
        };
        (
            if self.literal {
                LabelLoss::SquaredMean(head)
            } else {
                own
            },
            own,
        )
    }

    /// The loss between a predicted number and its label: squared or Huber. A quantile has its own loss.
    #[must_use]
    pub fn point_loss(&self) -> PointLoss {
        match self.loss {
            LossKind::Squared => PointLoss::Squared,
            LossKind::Huber => PointLoss::Huber {
                delta: self.huber_delta as f32,
            },
        }
    }

    /// True if a loss on blended labels ([`Blend::label`](super::Blend::label)) is equivalent to the blended loss. This holds for squared error of
    /// point predictions, constant `alpha`, and any gate but [`Gate::Bounded`].
    #[must_use]
    pub fn blends_labels(&self) -> bool {
        let squared = self.head == HeadKind::Point
            && self.loss == LossKind::Squared
            && self.quantile.is_none();
        squared && self.alpha_schedule == AlphaSchedule::Constant && self.gate != Gate::Bounded
    }

    /// The measure by which students and teacher are compared: RMSE, or the pinball loss if a quantile is predicted.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.quantile
            .map_or(Measure::Rmse, |quantile| Measure::Pinball { quantile })
    }

    /// What a teacher with the predictive distribution `N(mean, sd²)` predicts: the mean, or the requested quantile.
    #[must_use]
    pub fn answer(&self, mean: f64, sd: f64) -> f64 {
        self.quantile.map_or(mean, |quantile| {
            mean + sd * limbeck_runtime::normal_quantile(quantile)
        })
    }

    /// The value of `alpha` when the share `progress` (0 to 1) of training is done; `start` is its value at the start.
    #[must_use]
    pub fn alpha_at(&self, start: f64, progress: f64) -> f64 {
        let done = match self.alpha_schedule {
            AlphaSchedule::Constant => return start,
            AlphaSchedule::Linear => progress,
            AlphaSchedule::Cosine => 0.5 * (1.0 - (std::f64::consts::PI * progress).cos()),
        };
        start + done * (self.alpha_end - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_without_effect_are_refused() {
        let refused = |options: ObjectiveOptions| options.check().is_err();
        let default = ObjectiveOptions::default;
        assert!(default().check().is_ok());
        assert!(refused(ObjectiveOptions {
            temperature: Temperature::Fixed(3.0),
            ..default()
        }));
        assert!(refused(ObjectiveOptions {
            literal: true,
            ..default()
        }));
        assert!(refused(ObjectiveOptions {
            head: HeadKind::Gaussian,
            loss: LossKind::Huber,
            ..default()
        }));
        assert!(refused(ObjectiveOptions {
            huber_delta: 0.0,
            ..default()
        }));
        assert!(refused(ObjectiveOptions {
            bins: 3,
            ..default()
        }));
        assert!(refused(ObjectiveOptions {
            alpha_end: 1.5,
            ..default()
        }));
        let std = ObjectiveOptions {
            head: HeadKind::Binned,
            temperature: Temperature::Std,
            ..default()
        };
        assert!(std.check().is_ok());
        assert!(refused(ObjectiveOptions {
            temperature_end: Some(1.0),
            ..std
        }));
    }

    #[test]
    fn options_read_numbers_and_words() {
        assert_eq!("auto".parse(), Ok(Alpha::Auto));
        assert_eq!("0.7".parse(), Ok(Alpha::Fixed(0.7)));
        assert!("1.5".parse::<Alpha>().is_err() && "NaN".parse::<Alpha>().is_err());
        assert_eq!("std".parse(), Ok(Temperature::Std));
        // The name of earlier versions.
        assert_eq!("spread".parse(), Ok(Temperature::Std));
        assert_eq!("3".parse(), Ok(Temperature::Fixed(3.0)));
        assert!("hot".parse::<Temperature>().is_err());
    }
}
