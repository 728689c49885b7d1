//! What a recipe says of the loss.

use limbeck_data::metrics::Measure;
use limbeck_nets::loss::PointLoss;
use limbeck_nets::losses::LabelLoss;
use limbeck_nets::{Head, HeadKind};
use limbeck_options::{Form, Options, Refused, Rule, Seen, Value};
use serde::{Deserialize, Serialize};

use crate::error::Result;

limbeck_options::words! {
    /// Which loss compares student and label.
    pub enum LossKind {
        /// Squared error.
        #[default]
        Squared = "squared",
        /// Huber loss, linear beyond `huber_delta`.
        Huber = "huber",
    }
}

/// Share of the soft loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Alpha {
    /// Chosen on validation rows.
    #[default]
    Auto,
    /// Given.
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

/// An option that is a number or a word, as text.
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

/// An option that is a number or a word, by what its type makes of the text.
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
    /// How `alpha` moves while a student trains.
    pub enum AlphaSchedule {
        /// No change.
        #[default]
        Constant = "constant",
        /// In a straight line to `alpha_end`.
        Linear = "linear",
        /// Along half a cosine to `alpha_end`: slowly, faster, slowly.
        Cosine = "cosine",
    }
}

limbeck_options::words! {
    /// Which teacher labels are believed, of rows that have a target to judge them by.
    pub enum Gate {
        /// All of them.
        #[default]
        None = "none",
        /// Only while the student is further from the target than the teacher is.
        ///
        /// Chen et al., NeurIPS 2017.
        Bounded = "bounded",
        /// By the teacher's own error: `clamp(1 − (t − y)² / η, 0, 1)`.
        ///
        /// `η` is the range of `(t − y)²` over the training rows; 1 where `η = 0`. Saputra et al., ICCV 2019.
        Attentive = "attentive",
        /// All but outliers: `|t − y|` above three robust standard deviations.
        ///
        /// Takamoto et al. 2020.
        Outlier = "outlier",
        /// By the teacher's spread: `min(1, (median σ_t / σ_t)²)`.
        ///
        /// Without new rows at `alpha` 1, significantly better than no gate on all four sets of `docs/ablation.md` whose teacher's spread differs by row.
        Confidence = "confidence",
    }
}

/// Temperature of the soft loss of distributions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Temperature {
    /// Given.
    Fixed(f64),
    /// `temperature_base + temperature_scale · ptp` of the teacher's labels in each batch, in standardized units; `ptp` is the
    /// range.
    Batch,
    /// The same, of all training rows.
    Data,
    /// Per row, by the teacher's spread: `clamp(σ_t / median σ_t, 1/4, 4)`. Where the teacher is unsure, its spread counts for
    /// more and its mean for less.
    Spread,
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
            "spread" => Ok(Self::Spread),
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
            Self::Spread => serializer.serialize_str("spread"),
        }
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a number, batch, data or spread";
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
    const FORM: Form = Form::NumberOr(&["batch", "data", "spread"]);

    fn seen(&self) -> Seen {
        match self {
            Self::Fixed(value) => value.seen(),
            Self::Batch => Seen::Text("batch".into()),
            Self::Data => Seen::Text("data".into()),
            Self::Spread => Seen::Text("spread".into()),
        }
    }
}

limbeck_options::options! {
    /// What both students minimize: alpha · loss against the teacher + (1 − alpha) · loss against the target.
    pub struct ObjectiveOptions in "objective", "Objective" {
        /// Share of the teacher in the loss: chosen on validation rows (auto), or a number from 0 to 1.
        alpha: Alpha = Alpha::Auto => [within(0.0, 1.0), flag("alpha", "SHARE")];
        /// How alpha changes to alpha_end during training.
        alpha_schedule: AlphaSchedule = AlphaSchedule::Constant => [
            flag("alpha-schedule", "FORM"), rules(&[Rule::Where("student.kind", &["mlp"], "only a network trains step by step")]),
        ];
        /// Alpha at the end of a schedule.
        alpha_end: f64 = 0.5 => [
            within(0.0, 1.0), flag("alpha-end", "SHARE"), rules(&[Rule::Where("objective.alpha_schedule", &["linear", "cosine"], "a constant alpha has no other end")]),
        ];
        /// What the student predicts while it learns; its file gives the mean.
        head: HeadKind = HeadKind::Point => [
            flag("head", "HEAD"), rules(&[Rule::Where("student.kind", &["mlp"], "only a network learns distributions")]),
        ];
        /// Number of bins of a binned head.
        bins: usize = 50 => [within(8.0, 1000.0), rules(&[Rule::Where("objective.head", &["binned"], "only that head has bins")])];
        /// Loss between a point prediction and its label.
        loss: LossKind = LossKind::Squared => [
            flag("loss", "LOSS"),
            rules(&[
                Rule::Where("objective.head", &["point"], "distributions have losses of their own"),
                Rule::Where("student.kind", &["mlp"], "only a network has another"),
            ]),
        ];
        /// Learn and judge this quantile in place of the mean, such as 0.9: by pinball loss, with the teacher's spread.
        #[serde(skip_serializing_if = "Option::is_none")]
        quantile: Option<f64> = None => [
            above(0.0), below(1.0), flag("quantile", "Q"), example("0.9"),
            rules(&[
                Rule::Where("student.kind", &["mlp"], "trees, linear models and tables learn means"),
                Rule::Where("objective.head", &["point"], "a quantile has a loss of its own"),
                Rule::Where("objective.loss", &["squared"], "a quantile has a loss of its own"),
                Rule::Where("objective.gate", &["none", "attentive", "outlier", "confidence"], "the bounded gate compares errors of means"),
                Rule::Without("teacher.residual_rounds", "its rounds are for means"),
                Rule::Without("transfer.slope_rows", "the teacher's slopes are those of its mean"),
                Rule::Without("require_r2", "quantiles are judged by their pinball loss"),
            ]),
        ];
        /// Where the Huber loss turns linear, in standard deviations of the target.
        huber_delta: f64 = 1.0 => [above(0.0), flag("huber-delta", "X"), rules(&[Rule::Where("objective.loss", &["huber"], "only that loss has one")])];
        /// Temperature of the KL divergence of distributions: a number, batch, data or spread.
        ///
        /// `spread` is by the teacher's spread, row by row.
        temperature: Temperature = Temperature::Fixed(1.0) => [above(0.0), flag("temperature", "T"), rules(SPREAD)];
        /// Temperature at the end of training, reached in a straight line from a number.
        #[serde(skip_serializing_if = "Option::is_none")]
        temperature_end: Option<f64> = None => [above(0.0), flag("temperature-end", "T"), unset("as temperature"), example("1.0"), rules(SPREAD)];
        /// For the temperatures batch and data: the base in `base + scale · range of the teacher's labels`.
        temperature_base: f64 = 1.0 => [at_least(0.0), rules(RANGE)];
        /// The scale in that formula.
        temperature_scale: f64 = 0.1 => [at_least(0.0), rules(RANGE)];
        /// Use the literal KL + MSE: the squared error of the mean as the hard loss of a distribution.
        literal: bool = false => [flag("literal", ""), rules(SPREAD)];
        /// Weight `γ` of the pairs of transfer.slope_rows in the loss.
        slope_weight: f64 = 0.1 => [above(0.0), flag("slope-weight", "X"), rules(&[Rule::With("transfer.slope_rows")])];
        /// Which teacher labels to use: all, only where the student is worse, or depending on the teacher's error or spread.
        gate: Gate = Gate::None => [flag("gate", "GATE"), rules(&[Rule::Where("student.kind", &["mlp"], "only a network has gates")])];
    }
}

const SPREAD: &[Rule] = &[Rule::Where(
    "objective.head",
    &["gaussian", "binned"],
    "a point has no spread to temper",
)];
const RANGE: &[Rule] = &[Rule::Where(
    "objective.temperature",
    &["batch", "data"],
    "others have no range of labels",
)];

impl ObjectiveOptions {
    /// Checks each option by itself and in combination with the others.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for one out of its range, or one that has no effect with the others.
    pub fn check(&self) -> Result<()> {
        if self.temperature_end.is_some() && !matches!(self.temperature, Temperature::Fixed(_)) {
            let message = format!(
                "needs `objective.temperature` to be a number, found {}",
                self.temperature.seen()
            );
            return Err(Refused::new("objective.temperature_end", message).into());
        }
        if self.temperature_base + self.temperature_scale <= 0.0 {
            let message = "found 0 beside temperature_base 0, expected one of them to be above 0";
            return Err(Refused::new("objective.temperature_scale", message).into());
        }
        Ok(self.validate()?)
    }

    /// The head for standardized targets that range over `[least, most]`.
    #[must_use]
    pub fn head(&self, least: f32, most: f32) -> Head {
        Head::over(self.head, least, most, self.bins)
    }

    /// Hard and soft loss of a head.
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

    /// The loss of a point.
    #[must_use]
    pub fn point_loss(&self) -> PointLoss {
        match self.loss {
            LossKind::Squared => PointLoss::Squared,
            LossKind::Huber => PointLoss::Huber {
                delta: self.huber_delta as f32,
            },
        }
    }

    /// True where blending labels is the same as blending losses: squared points with one share for the whole training.
    #[must_use]
    pub fn blends_labels(&self) -> bool {
        let squared = self.head == HeadKind::Point
            && self.loss == LossKind::Squared
            && self.quantile.is_none();
        squared && self.alpha_schedule == AlphaSchedule::Constant && self.gate != Gate::Bounded
    }

    /// How students and teacher are judged.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.quantile
            .map_or(Measure::Rmse, |quantile| Measure::Pinball { quantile })
    }

    /// What a teacher that says `N(mean, sd²)` answers: the mean, or the quantile that is asked for.
    #[must_use]
    pub fn answer(&self, mean: f64, sd: f64) -> f64 {
        self.quantile.map_or(mean, |quantile| {
            mean + sd * limbeck_runtime::normal_quantile(quantile)
        })
    }

    /// `alpha` when the share `progress` of training is done, from its value at the start.
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
        let spread = ObjectiveOptions {
            head: HeadKind::Binned,
            temperature: Temperature::Spread,
            ..default()
        };
        assert!(spread.check().is_ok());
        assert!(refused(ObjectiveOptions {
            temperature_end: Some(1.0),
            ..spread
        }));
    }

    #[test]
    fn options_read_numbers_and_words() {
        assert_eq!("auto".parse(), Ok(Alpha::Auto));
        assert_eq!("0.7".parse(), Ok(Alpha::Fixed(0.7)));
        assert!("1.5".parse::<Alpha>().is_err() && "NaN".parse::<Alpha>().is_err());
        assert_eq!("spread".parse(), Ok(Temperature::Spread));
        assert_eq!("3".parse(), Ok(Temperature::Fixed(3.0)));
        assert!("hot".parse::<Temperature>().is_err());
    }
}
