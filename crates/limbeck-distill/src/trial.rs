//! Trials: the setting of a student, its training curve and its result.

use limbeck_nets::Control;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kinds::spec::{EncodedGraph, Spec};
use crate::probe::Terms;
use crate::student::options::StudentKind;

/// Hyperparameters of one student in the search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Share of the soft loss (against teacher labels) at the start of training; `None` for the baseline, which is trained alone.
    pub alpha: Option<f64>,
    /// Size: the share of the parameter budget that a network may use. Not used for a non-neural student.
    #[serde(default = "whole")]
    pub size: f64,
    /// Number of steps of the schedule; 0 for a non-neural student.
    pub steps: usize,
    /// Decoupled weight decay, as in AdamW.
    pub weight_decay: f64,
    /// Noise on numeric inputs of the network during training: its standard deviation, in standard deviations of these inputs.
    #[serde(default)]
    pub input_noise: f64,
    /// Hyperparameters of a non-neural student; `None` for a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
}

/// The default of `size`: earlier versions wrote no size to reports, and their networks used the whole budget.
fn whole() -> f64 {
    1.0
}

impl Setting {
    /// The setting of a network that may use the whole budget, without weight decay or input noise.
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

    /// The kind of student that has this setting.
    #[must_use]
    pub fn kind(&self) -> StudentKind {
        self.spec
            .map_or(StudentKind::Mlp, |spec| spec.kind().student_kind())
    }
}

/// Identifies one training among all trainings of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Phase of the run: `search`, `search-2` (on the second split of the rows), `refit`, or the purpose of a training before the search.
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

    /// Identifies a training of the search on the first train/validation split.
    #[must_use]
    pub fn search(setting: Setting, seed: u64) -> Self {
        Self::search_on(0, setting, seed)
    }

    /// Identifies a training of the search on split number `split`, counted from 0.
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

    /// Identifies a training of the refit, which uses training and validation rows.
    #[must_use]
    pub fn refit(setting: Setting, seed: u64) -> Self {
        Self::new("refit", setting, seed)
    }

    /// Which student is trained: `baseline` or `distilled`.
    #[must_use]
    pub fn side(&self) -> &'static str {
        if self.setting.alpha.is_some() {
            "distilled"
        } else {
            "baseline"
        }
    }
}

/// The name of the training, unique in the run.
impl std::fmt::Display for Training {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name(self.side()))
    }
}

impl Training {
    /// Name of the checkpoint of the training. In this name, a baseline is called `alone`, as in all versions of limbeck.
    pub(crate) fn checkpoint(&self) -> String {
        let side = if self.setting.alpha.is_some() {
            "distilled"
        } else {
            "alone"
        };
        self.name(side)
    }

    fn name(&self, side: &str) -> String {
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
        let alpha = alpha.map_or_else(String::new, |alpha| format!("alpha{alpha}-"));
        format!(
            "{phase}-{side}-{alpha}size{size}-decay{weight_decay}-noise{input_noise}-steps{steps}-seed{seed}"
        )
    }
}

/// A point of a training curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Number of steps taken.
    pub step: usize,
    /// Loss of the current batch before this step's update. For the squared error, it is in squared standardized target units.
    pub loss: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Validation error (RMSE or pinball loss) in the target's unit; `None` without validation rows, as in the refit.
    pub valid_error: Option<f64>,
    /// RMSE between the predictions of student and teacher on validation rows, in the target's unit; `None` if the teacher labelled none of them.
    pub fidelity_rmse: Option<f64>,
    /// Validation error of the student minus that of the teacher; `None` without validation rows that the teacher labelled.
    pub gap_to_teacher: Option<f64>,
    /// Parts of the loss, computed on a fixed sample of the training rows.
    pub terms: Terms,
    /// Errors of each target; empty for a single target. With several targets, `valid_error`, `fidelity_rmse` and `gap_to_teacher` above are over all
    /// targets, in standard deviations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetPoint>,
}

/// Errors of one of several targets at a point of the training curve, in the unit of that target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetPoint {
    /// Validation error of the student (RMSE or pinball loss).
    pub valid_error: f64,
    /// RMSE between the predictions of student and teacher on validation rows; `None` if the teacher labelled none of them.
    pub fidelity_rmse: Option<f64>,
    /// Validation error of the student minus that of the teacher; `None` unless the teacher labelled all validation rows.
    pub gap_to_teacher: Option<f64>,
}

impl Point {
    /// The point with the errors of target number `at` alone (from 0). Unchanged if there is only one target.
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

/// A setting of the search or of the refit, with the result of its training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// Hyperparameters of the student.
    pub setting: Setting,
    /// Training curve on the first train/validation split; empty for a non-neural student.
    pub curve: Vec<Point>,
    /// Stopping point: the number of steps after which the refit stops; 0 for a non-neural student.
    pub stop: usize,
    /// Validation error over the validation rows of all splits. For a network it is the lowest value of the smoothed validation curve, in which each
    /// point is averaged with its neighbors. If the network was trained `again`, it is the error over all seeds. Infinite for a trial without
    /// validation rows.
    pub valid_error: f64,
    /// Predictions for the validation rows at the stopping point, in the learned unit (the target's own unit, or its logarithm), one split after the
    /// other.
    pub valid_pred: Vec<f64>,
    /// Validation predictions of the trainings with other seeds, one list per seed. Empty for a trial that was trained only once.
    #[serde(default)]
    pub again: Vec<Vec<f64>>,
    /// Weights of the network at the stopping point, on the first split.
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

/// Progress of a training, reported to an observer at every point of its curve. A resumed training reports its earlier points again.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The training that reports.
    pub training: &'a Training,
    /// Number of steps after which the training ends at the latest.
    pub until: usize,
    /// The latest point of the training curve.
    pub point: &'a Point,
    /// Stage and layer weights of progressive alignment, as text; `None` without progressive alignment.
    pub staged: Option<&'a str>,
}

/// Observer that is called at every point of every training curve, from several threads. If it returns [`Control::Stop`], that training ends.
pub type Watch<'a> = &'a (dyn Fn(&Progress<'_>) -> Control + Sync);

/// Result of the search: all trials, and which of them are chosen for the refit.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Trials of the baseline, which is trained without the teacher.
    pub baseline: Vec<Trial>,
    /// Trials of the distilled student.
    pub distilled: Vec<Trial>,
    /// Closed-form estimate of the best share of the soft loss ([`closed_form_alpha`]), before it is clamped to `[0, 1]`; `None` if it was not
    /// computed or is undefined.
    pub closed_form: Option<f64>,
    /// Indices of the chosen trials: one in `baseline`, one in `distilled`. `None` if one of the lists is empty.
    pub(crate) chosen: Option<(usize, usize)>,
}

impl Choice {
    /// The chosen baseline and the chosen distilled student, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if one of them has no trial.
    pub fn best(&self) -> Result<(&Trial, &Trial)> {
        let (baseline, distilled) = self.chosen.ok_or(Error::Interrupted)?;
        Ok((&self.baseline[baseline], &self.distilled[distilled]))
    }
}

/// Estimates from two fits, in closed form, the share of teacher labels that is best on validation rows.
///
/// # Formula
///
/// ```text
/// ξ* = Σ w (s_t − s_y)(y − s_y) / Σ w (s_t − s_y)²
/// ```
///
/// with targets `y` (`target`), row weights `w`, predictions `s_y` (`on_target`) of a fit to targets, and predictions `s_t` (`on_teacher`) of a fit
/// to teacher labels. `None` if the two fits agree on all rows.
///
/// ```
/// use limbeck_distill::search::closed_form_alpha;
/// // s_y = 0, s_t = 2, y = 1 and 3: (2 · 1 + 2 · 3) / (4 + 4).
/// assert_eq!(closed_form_alpha(&[0.0, 0.0], &[2.0, 2.0], &[1.0, 3.0], &[1.0, 1.0]), Some(1.0));
/// ```
///
/// # Source
///
/// Dang et al. 2026, arXiv 2602.17565. The estimate is exact if predictions are linear in the labels; here it is a starting point of the search.
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
        let baseline = Setting {
            alpha: None,
            input_noise: 0.2,
            ..setting
        };
        assert_eq!(
            Training::refit(baseline, 0).to_string(),
            "refit-baseline-size0.5-decay0.05-noise0.2-steps50-seed0"
        );
        // Checkpoints keep their names, so that unfinished runs of earlier versions go on.
        assert_eq!(
            Training::refit(baseline, 0).checkpoint(),
            "refit-alone-size0.5-decay0.05-noise0.2-steps50-seed0"
        );
    }
}
