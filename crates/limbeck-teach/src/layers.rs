//! Inner features of a teacher, such as hidden layers.

use limbeck_data::Features;

use crate::error::Result;
use crate::fit::Fit;
use crate::forest::Forest;
use crate::network::NetworkEnsemble;
use crate::process::Process;
use crate::teacher::FittedTeacher;

/// Which fitted model of a teacher gives the inner features. It must be one model: predictions can be averaged over models, but inner features of
/// different models cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichFit {
    /// The first of the early fits, which were not fitted on validation rows (see [`FittedTeacher`]).
    First,
    /// The last fit, which was fitted on all rows that a teacher may learn from, including validation rows. If the teacher has only early fits, the
    /// last one of these.
    Last,
}

/// The inner features of one layer, `[n_samples, width]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureLayer {
    /// Number of features per row.
    pub width: usize,
    /// The features, row-major.
    pub values: Vec<f32>,
}

/// Number of features of one layer made from trees; maximum number of features of the layer made from a Gaussian process.
const LEAF_WIDTH: usize = 128;
/// Number of layers made from the trees of a forest: from early, middle and late trees.
const LEAF_LAYERS: usize = 3;

impl FittedTeacher {
    /// Inner features of one model, layer by layer; the layer nearest to the input comes first.
    ///
    /// If a teacher consists of several learners, the features are those of the learner with the largest weight:
    ///
    /// - Networks: the hidden layers. Each layer holds the activations of all members (networks of the ensemble) side by side.
    /// - LSTMs: one layer for each layer of units, which holds the final states of all members side by side.
    /// - Trees: three layers, which are leaf embeddings of the first, the middle and the last third of the trees. Boosting goes from coarse to fine,
    ///   as the layers of a network do. (One or two trees give one or two layers.)
    /// - A Gaussian process: one layer, which holds the kernel's values between the row and the first 128 rows that the process was fitted on.
    /// - A linear model: one layer, which holds what each encoded column adds to the prediction.
    ///
    /// A leaf embedding encodes the leaves that a row reaches in the trees of one layer. With `ℓ_i(x)` the leaf of tree `i`, a hash function `h` (its
    /// values are indices of features) and a hash function `s` (its values are 1 and −1), feature `j` is
    ///
    /// ```text
    /// f_j(x) = Σ_i [h(i, ℓ_i(x)) = j] · s(i, ℓ_i(x)) / √(number of trees)
    /// ```
    ///
    /// The inner product of the features of two rows is, on average, the fraction of these trees in which both rows reach the same leaf.
    ///
    /// # Errors
    ///
    /// An error if the columns are not the columns of the fit.
    ///
    /// # Source
    ///
    /// Weinberger et al., *Feature Hashing for Large Scale Multitask Learning*, ICML 2009.
    pub fn layers(&self, model: WhichFit, features: &Features) -> Result<Vec<FeatureLayer>> {
        match self.shown(model == WhichFit::First) {
            Some(Fit::Trees(forest)) => forest_layers(forest, features),
            Some(Fit::Network(network)) => network_layers(network, features),
            Some(Fit::Process(process)) => process_layers(process, features),
            Some(Fit::Linear(linear)) => {
                let (width, values) = linear.terms(features)?;
                Ok(vec![FeatureLayer { width, values }])
            }
            None => Ok(Vec::new()),
        }
    }
}

/// The inner features of a Gaussian process: one layer with the kernel's values, see [`FittedTeacher::layers`].
fn process_layers(process: &Process, features: &Features) -> Result<Vec<FeatureLayer>> {
    let (width, values) = process.features(features, LEAF_WIDTH)?;
    Ok(vec![FeatureLayer { width, values }])
}

fn network_layers(network: &NetworkEnsemble, features: &Features) -> Result<Vec<FeatureLayer>> {
    let members = network.hidden(features)?;
    let layers = members.first().map_or(0, Vec::len);
    let beside = |layer: usize| {
        let width: usize = members
            .iter()
            .map(|member| member[layer].len() / features.rows.max(1))
            .sum();
        let mut values = Vec::with_capacity(width * features.rows);
        for row in 0..features.rows {
            for member in &members {
                let own = member[layer].len() / features.rows;
                values.extend_from_slice(&member[layer][row * own..][..own]);
            }
        }
        FeatureLayer { width, values }
    };
    Ok((0..layers).map(beside).collect())
}

fn forest_layers(forest: &Forest, features: &Features) -> Result<Vec<FeatureLayer>> {
    let leaves = forest.leaves(features)?;
    let trees = forest.len();
    Ok(leaf_layers(features.rows, trees, |row, tree| {
        u32::from(leaves[row * trees + tree])
    }))
}

/// Leaf embeddings of trees, see [`FittedTeacher::layers`]. `leaf(row, tree)` returns a number that identifies the leaf that the row reaches in the
/// tree.
pub(crate) fn leaf_layers(
    rows: usize,
    trees: usize,
    leaf: impl Fn(usize, usize) -> u32,
) -> Vec<FeatureLayer> {
    let layers = LEAF_LAYERS.min(trees.max(1));
    let embed = |layer: usize| {
        let span = layer * trees / layers..(layer + 1) * trees / layers;
        let size = 1.0 / (span.len().max(1) as f32).sqrt();
        let mut values = vec![0.0; rows * LEAF_WIDTH];
        for (row, values) in values.chunks_exact_mut(LEAF_WIDTH).enumerate() {
            for tree in span.clone() {
                let hash = mix((tree as u64) << 16 ^ u64::from(leaf(row, tree)));
                values[hash as usize % LEAF_WIDTH] += if hash >> 63 == 0 { size } else { -size };
            }
        }
        FeatureLayer {
            width: LEAF_WIDTH,
            values,
        }
    };
    (0..layers).map(embed).collect()
}

/// Hashes a number, with the finalizer of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
