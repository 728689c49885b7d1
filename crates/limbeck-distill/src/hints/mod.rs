//! Feature distillation ("hints"): a student also learns from hidden features of its teacher, not only from its predictions.
//!
//! Every teacher that is a model has features, imported models too: hidden layers of networks, or leaf embeddings of trees
//! (`limbeck_teach::FittedTeacher::layers`). A [`Space`] maps the features of one teacher layer to a few coordinates. A [`HintLoss`] compares these
//! coordinates with a student's hidden layer. It maps the student's activations by an adapter, which is trained with the student and dropped
//! afterwards. The loss is a term of an [`Objective`](crate::objective::Objective).

mod loss;
mod space;

pub use loss::HintLoss;
pub use space::Space;

use limbeck_options::Rule;
use serde::{Deserialize, Serialize};

use crate::student::options::NETWORKS;

limbeck_options::words! {
    /// How a student's hidden layer is compared with a hidden layer (or tree leaves) of its teacher.
    pub enum HintKind {
        /// Hidden layers are not compared.
        #[default]
        None = "none",
        /// Squared distance between coordinates of the teacher's layer and the student's layer, which a trained linear adapter maps to coordinates. All
        /// coordinates have equal weights.
        ///
        /// Romero et al., *FitNets*, ICLR 2015.
        Hint = "hint",
        /// Like `hint`, with coordinates weighted by how much the teacher's prediction varies with them.
        Attention = "attention",
        /// Like `hint`, but the coordinates are those features `f_t` of the teacher with the largest `mean |f_t|`, weighted by `softmax(mean |f_t|)`.
        AttentionLiteral = "attention_literal",
        /// Compares distances and angles between rows instead of single rows, without an adapter.
        ///
        /// Park et al., *Relational Knowledge Distillation*, CVPR 2019.
        Relational = "relational",
    }
}

limbeck_options::options! {
    /// Learning from the teacher's hidden layers or tree leaves; a teacher given as a command or a column of predictions has none.
    ///
    /// Measured on the five data sets of `docs/ablation.md`: added to the default objective, no kind was significantly better or worse on any set, and
    /// training took about three times as long (six times for `relational`). Learning features without predictions was significantly worse on three
    /// sets, learning features before predictions on one. So hints are off by default.
    pub struct HintOptions in "hints", "Features" {
        /// Learn from the teacher's hidden features, and how to compare them with the student's hidden layers.
        kind: HintKind = HintKind::None => [flag("hints", "KIND"), rules(&[Rule::Where("student.kind", NETWORKS, "only a network has layers to compare")])];
        /// Weight of the feature loss.
        weight: f64 = 0.05 => [above(0.0), flag("hint-weight", "X"), rules(&[Rule::With("hints.kind")])];
        /// Weight of the feature loss at the end of training; it changes linearly from hints.weight. With 0, features are learned first.
        #[serde(skip_serializing_if = "Option::is_none")]
        weight_end: Option<f64> = None => [at_least(0.0), flag("hint-weight-end", "X"), unset("the value of hints.weight"), example("0.0"), rules(&[Rule::With("hints.kind")])];
        /// Number of coordinates that represent each layer of the teacher.
        width: usize = 16 => [within(1.0, 64.0), rules(&[Rule::With("hints.kind")])];
        /// Progressive alignment: compare the student's hidden layers with the teacher's one after another, beginning with the layer nearest the input.
        progressive: bool = false => [flag("progressive", ""), rules(&[Rule::With("hints.kind")])];
        /// Number of stages of progressive alignment, equally long parts of training; a later stage may compare more layers.
        stages: usize = 3 => [within(2.0, 16.0), flag("stages", "N"), rules(&[Rule::With("hints.progressive")])];
    }
}

impl HintOptions {
    /// The weight `β` of the whole feature loss when the share `progress` (0 to 1) of training is done.
    #[must_use]
    pub fn weight_at(&self, progress: f64) -> f64 {
        self.weight + progress * (self.weight_end.unwrap_or(self.weight) - self.weight)
    }

    /// The current stage of progressive alignment (student layers are added to the feature loss one after another), counted from 0, when the share
    /// `progress` of training is done. Always 0 without progressive alignment.
    #[must_use]
    pub fn stage(&self, progress: f64) -> usize {
        if self.progressive {
            ((progress * self.stages as f64) as usize).min(self.stages - 1)
        } else {
            0
        }
    }

    /// The weight `λ` of the student's layer `layer` (counted from 0 at the input) of `layers` in the feature loss. With progressive alignment, later
    /// layers start later.
    ///
    /// # Formula
    ///
    /// Layer `l` of `L` starts in stage `j = ⌈l (S − 1) / (L − 1)⌉` of `S`; its weight rises to 1 during the first half of that stage. With progress `p`:
    ///
    /// ```text
    /// λ_l = 1                               j = 0, or without progressive alignment
    ///     = clamp(2 (S p − j), 0, 1)        otherwise
    /// ```
    #[must_use]
    pub fn layer_weight(&self, layer: usize, layers: usize, progress: f64) -> f64 {
        let joins = (layer * (self.stages - 1)).div_ceil(layers.saturating_sub(1).max(1));
        if !self.progressive || joins == 0 {
            return 1.0;
        }
        (2.0 * (self.stages as f64 * progress - joins as f64)).clamp(0.0, 1.0)
    }
}

/// The teacher's features of the rows of a transfer set, mapped to coordinates ([`Space`]). `layers` is the number of the teacher's layers, `width`
/// the number of coordinates per layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// Coordinates of rows with a target, `[n_samples, layers · width]`.
    pub rows: Vec<f32>,
    /// Coordinates of rows without a target, which only the teacher labelled, `[n_samples, layers · width]`.
    pub new: Vec<f32>,
    /// Weight of each coordinate in the feature loss, `[layers, width]`.
    pub attention: Vec<f32>,
}

/// The index of the teacher's layer that is compared with the student's layer `layer`. The student has `layers` layers, the teacher `theirs`. The
/// first layers are compared with each other, and so are the last layers. Another layer is compared with the teacher's layer at nearly the same
/// relative depth. If the student has only one layer, it is compared with the teacher's last layer.
#[must_use]
pub fn partner(layer: usize, layers: usize, theirs: usize) -> usize {
    if layers < 2 {
        theirs - 1
    } else {
        (2 * layer * (theirs - 1) + layers - 1) / (2 * (layers - 1))
    }
}

#[cfg(test)]
mod tests {
    use limbeck_options::Options;

    use super::*;

    fn progressive() -> HintOptions {
        HintOptions {
            kind: HintKind::Hint,
            progressive: true,
            ..HintOptions::default()
        }
    }

    #[test]
    fn layers_join_from_the_input_on() {
        let at = |progress| {
            (0..3)
                .map(|layer| progressive().layer_weight(layer, 3, progress))
                .collect::<Vec<_>>()
        };
        assert_eq!(at(0.0), [1.0, 0.0, 0.0]);
        assert_eq!(at(0.5), [1.0, 1.0, 0.0]);
        assert_eq!(at(1.0), [1.0, 1.0, 1.0]);
        // A quarter into the second stage.
        assert!((at(5.0 / 12.0)[1] - 0.5).abs() < 1e-12);
        assert_eq!(
            [0.0, 0.4, 0.99, 1.0].map(|p| progressive().stage(p)),
            [0, 1, 2, 2]
        );
        let all = HintOptions {
            progressive: false,
            ..progressive()
        };
        assert_eq!(all.layer_weight(2, 3, 0.0), 1.0);
        assert_eq!(progressive().layer_weight(0, 1, 0.0), 1.0);
    }

    #[test]
    fn features_first_fade_out() {
        let options = HintOptions {
            weight: 2.0,
            weight_end: Some(0.0),
            ..progressive()
        };
        assert_eq!(
            [0.0, 0.5, 1.0].map(|p| options.weight_at(p)),
            [2.0, 1.0, 0.0]
        );
        assert_eq!(progressive().weight_at(0.7), 0.05);
    }

    #[test]
    fn layers_meet_their_partners() {
        let partners = |layers, theirs| {
            (0..layers)
                .map(|layer| partner(layer, layers, theirs))
                .collect::<Vec<_>>()
        };
        assert_eq!(partners(2, 2), [0, 1]);
        assert_eq!(partners(3, 2), [0, 1, 1]);
        assert_eq!(partners(2, 3), [0, 2]);
        assert_eq!(partners(1, 3), [2]);
        assert_eq!(partners(4, 1), [0; 4]);
    }

    #[test]
    fn options_without_effect_are_refused() {
        assert!(HintOptions::default().validate().is_ok() && progressive().validate().is_ok());
        for bad in [
            HintOptions {
                progressive: true,
                ..HintOptions::default()
            },
            HintOptions {
                weight_end: Some(0.0),
                ..HintOptions::default()
            },
            HintOptions {
                weight: 0.0,
                ..progressive()
            },
            HintOptions {
                weight: f64::NAN,
                ..progressive()
            },
            HintOptions {
                weight_end: Some(-1.0),
                ..progressive()
            },
            HintOptions {
                width: 0,
                ..progressive()
            },
            HintOptions {
                stages: 1,
                ..progressive()
            },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}
