//! One training: its setting, its curve and its result.

use limbeck_nets::Control;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kinds::spec::{EncodedGraph, Spec};
use crate::probe::Terms;
use crate::student::options::StudentKind;

/// Hyperparameters of one student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Share of the soft loss; `None` for the baseline, which is trained alone.
    pub alpha: Option<f64>,
    /// Share of the parameter budget that a network may use.
    #[serde(default = "whole")]
    pub size: f64,
    /// Steps of the schedule.
    pub steps: usize,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Noise on numeric features during training, in their standard deviations.
    #[serde(default)]
    pub input_noise: f64,
    /// Hyperparameters of a non-neural student, which takes no steps; `None` for a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
}

/// The size of networks in reports of earlier versions, in which all networks used the whole budget.
fn whole() -> f64 {
    1.0
}

impl Setting {
    /// The setting of a network that may use the whole budget, without weight decay or noise.
    #[must_use]
    pub fn plain(alpha: Option<f64>, steps: usize) -> Self {
        Self {
            alpha,
            size: 1.0,
            steps: steps.max(1),
            weight_decay: 0.0,
            input_noise: 0.0,
            spec: None,
        }
    }

    /// The setting of a non-neural student.
    #[must_use]
    pub fn of_spec(alpha: Option<f64>, spec: Spec) -> Self {
        Self {
            steps: 0,
            spec: Some(spec),
            ..Self::plain(alpha, 0)
        }
    }

    /// The kind of student.
    #[must_use]
    pub fn kind(&self) -> StudentKind {
        self.spec
            .map_or(StudentKind::Mlp, |spec| spec.kind().student_kind())
    }
}

/// The identity of one training of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Phase of the run: `search`, `search-2` for the second split of the rows, `refit`, or the purpose of a quick student.
    pub phase: String,
    /// Hyperparameters.
    pub setting: Setting,
    /// Seed of the initial weights and of the order of the rows.
    pub seed: u64,
}

impl Training {
    pub(crate) fn new(phase: &str, setting: Setting, seed: u64) -> Self {
        Self {
            phase: phase.to_owned(),
            setting,
            seed,
        }
    }

    /// A training of the search, on the first split of the rows.
    #[must_use]
    pub fn search(setting: Setting, seed: u64) -> Self {
        Self::search_on(0, setting, seed)
    }

    /// A training of the search on split `split` of the rows, counted from 0.
    pub(crate) fn search_on(split: usize, setting: Setting, seed: u64) -> Self {
        let phase = if split == 0 {
            "search".to_owned()
        } else {
            format!("search-{}", split + 1)
        };
        Self {
            phase,
            setting,
            seed,
        }
    }

    /// A training of the refit, on training and validation rows.
    #[must_use]
    pub fn refit(setting: Setting, seed: u64) -> Self {
        Self::new("refit", setting, seed)
    }

    /// The trained student: `alone` (the baseline) or `distilled`.
    #[must_use]
    pub fn side(&self) -> &'static str {
        if self.setting.alpha.is_some() {
            "distilled"
        } else {
            "alone"
        }
    }
}

/// The name of the training, unique in the run.
impl std::fmt::Display for Training {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            phase,
            setting:
                Setting {
                    alpha,
                    size,
                    steps,
                    weight_decay,
                    input_noise,
                    ..
                },
            seed,
        } = self;
        write!(f, "{phase}-{}-", self.side())?;
        if let Some(alpha) = alpha {
            write!(f, "alpha{alpha}-")?;
        }
        write!(
            f,
            "size{size}-decay{weight_decay}-noise{input_noise}-steps{steps}-seed{seed}"
        )
    }
}

/// A point of a training curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Number of steps taken.
    pub step: usize,
    /// Training loss of the batch, in squared standardized target units.
    pub loss: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Validation error in the target's unit, RMSE or pinball loss; `None` during the refit.
    pub valid_error: Option<f64>,
    /// RMSE against the teacher on validation rows, in the target's unit.
    pub fidelity_rmse: Option<f64>,
    /// Validation error minus the teacher's validation error.
    pub gap_to_teacher: Option<f64>,
    /// Parts of the loss on a fixed sample of the training rows.
    pub terms: Terms,
    /// Errors of each target, if there are several; the errors above are then over all targets together, in standard deviations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetPoint>,
}

/// Errors of one of several targets at a point of the training curve, in the unit of that target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetPoint {
    /// Validation error.
    pub valid_error: f64,
    /// RMSE against the teacher on validation rows.
    pub fidelity_rmse: Option<f64>,
    /// Validation error minus the teacher's validation error.
    pub gap_to_teacher: Option<f64>,
}

impl Point {
    /// The point reduced to one of several targets.
    #[must_use]
    pub fn of_target(&self, at: usize) -> Self {
        let Some(own) = self.targets.get(at) else {
            return self.clone();
        };
        Self {
            valid_error: Some(own.valid_error),
            fidelity_rmse: own.fidelity_rmse,
            gap_to_teacher: own.gap_to_teacher,
            targets: Vec::new(),
            ..self.clone()
        }
    }
}

/// A setting that was tried, with its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// The setting that was tried.
    pub setting: Setting,
    /// Training curve on the first split of the rows.
    pub curve: Vec<Point>,
    /// Stopping point: number of steps to take in the refit.
    pub stop: usize,
    /// Validation error over all splits, smoothed over neighboring points of the curve: the lowest value of the smoothed curve.
    pub valid_error: f64,
    /// Validation predictions at the stopping point, in the learned unit, one split after the other.
    pub valid_pred: Vec<f64>,
    /// Validation predictions of trainings with other seeds, which exist only for finalists; `valid_error` is then the error over all seeds.
    #[serde(default)]
    pub again: Vec<Vec<f64>>,
    /// Weights at the stopping point, on the first split.
    pub(crate) params: Vec<f32>,
    /// The fitted non-neural student; `None` for a network. It is not saved, since fitting it again is quick.
    #[serde(skip)]
    pub(crate) model: Option<EncodedGraph>,
}

impl Trial {
    pub(crate) fn of_model(
        setting: Setting,
        valid_error: f64,
        valid_pred: Vec<f64>,
        model: EncodedGraph,
    ) -> Self {
        Self {
            setting,
            curve: Vec::new(),
            stop: 0,
            valid_error,
            valid_pred,
            again: Vec::new(),
            params: Vec::new(),
            model: Some(model),
        }
    }
}

/// The trial with the lowest validation error.
pub(crate) fn best<'t>(trials: impl IntoIterator<Item = &'t Trial>) -> Option<&'t Trial> {
    trials
        .into_iter()
        .min_by(|a, b| a.valid_error.total_cmp(&b.valid_error))
}

/// Progress of a training, reported to an observer. A training that is resumed reports its earlier points again.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The training.
    pub training: &'a Training,
    /// Maximum number of steps of the training.
    pub until: usize,
    /// The latest point of its curve.
    pub point: &'a Point,
    /// Stage and layer weights as text, if layers are aligned one after another; otherwise `None`.
    pub staged: Option<&'a str>,
}

/// Observer that is called at every point of every training curve, from several threads; [`Control::Stop`] ends that training.
pub type Watch<'a> = &'a (dyn Fn(&Progress<'_>) -> Control + Sync);

/// Result of the search: all trials, and the chosen ones.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Trials of the baseline, which is trained alone.
    pub alone: Vec<Trial>,
    /// Trials of the distilled student.
    pub distilled: Vec<Trial>,
    /// Closed-form share of the soft loss, before clamping; `None` if it is undefined.
    pub closed_form: Option<f64>,
    /// Positions of the two trials that are refitted, in `alone` and in `distilled`; `None` if one of the lists is empty.
    pub(crate) chosen: Option<(usize, usize)>,
}

impl Choice {
    /// The chosen baseline and the chosen distilled student, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if one of them has no trial.
    pub fn best(&self) -> Result<(&Trial, &Trial)> {
        let (alone, distilled) = self.chosen.ok_or(Error::Interrupted)?;
        Ok((&self.alone[alone], &self.distilled[distilled]))
    }
}

/// The share of teacher labels that is best on validation rows, estimated in closed form from two fits.
///
/// # Formula
///
/// ```text
/// ξ* = Σ w (s_t − s_y)(y − s_y) / Σ w (s_t − s_y)²
/// ```
///
/// with predictions `s_y` of a fit to targets and `s_t` of a fit to teacher labels. `None` if the two fits agree on all rows.
///
/// ```
/// use limbeck_distill::search::closed_form_alpha;
/// // s_y = 0, s_t = 2, y = 1 and 3: (2 · 1 + 2 · 3) / (4 + 4).
/// assert_eq!(closed_form_alpha(&[0.0, 0.0], &[2.0, 2.0], &[1.0, 3.0], &[1.0, 1.0]), Some(1.0));
/// ```
///
/// # Source
///
/// Dang et al. 2026, arXiv 2602.17565: exact if predictions are linear in the labels; here it is a starting point of the search.
#[must_use]
pub fn closed_form_alpha(
    on_target: &[f64],
    on_teacher: &[f64],
    target: &[f64],
    weight: &[f64],
) -> Option<f64> {
    let (mut top, mut bottom) = (0.0, 0.0);
    for (((s_y, s_t), y), w) in on_target.iter().zip(on_teacher).zip(target).zip(weight) {
        top += w * (s_t - s_y) * (y - s_y);
        bottom += w * (s_t - s_y).powi(2);
    }
    (bottom > 0.0).then(|| top / bottom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_form_alpha_is_worked_by_hand() {
        // s_y = 0, s_t = 2, y = 1 and 3: (2·1 + 2·3) / (4 + 4) = 1
        assert_eq!(
            closed_form_alpha(&[0.0, 0.0], &[2.0, 2.0], &[1.0, 3.0], &[1.0, 1.0]),
            Some(1.0)
        );
        assert_eq!(closed_form_alpha(&[1.0], &[1.0], &[2.0], &[1.0]), None);
    }

    #[test]
    fn trainings_are_named_by_all_that_sets_them_apart() {
        let setting = Setting {
            size: 0.5,
            weight_decay: 0.05,
            ..Setting::plain(Some(0.7), 50)
        };
        assert_eq!(
            Training::search(setting, 3).to_string(),
            "search-distilled-alpha0.7-size0.5-decay0.05-noise0-steps50-seed3"
        );
        assert_eq!(Training::search_on(1, setting, 3).phase, "search-2");
        let alone = Setting {
            alpha: None,
            input_noise: 0.2,
            ..setting
        };
        assert_eq!(
            Training::refit(alone, 0).to_string(),
            "refit-alone-size0.5-decay0.05-noise0.2-steps50-seed0"
        );
    }
}
