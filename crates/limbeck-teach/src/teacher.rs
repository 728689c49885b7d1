//! The teacher that limbeck fits itself: boosted trees, networks, or both, with out-of-fold labels.

use limbeck_data::checkpoint::Checkpoints;
use limbeck_data::{Features, FoldKind, folds, metrics};
use limbeck_runtime::{Container, Numbers};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::network::{Network, NetworkOptions};
use crate::sample::Sample;
use crate::spread::Spread;
use crate::trees::{self, TreeOptions};

/// Which learners a teacher is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeacherKind {
    /// Trees and networks, mixed by out-of-fold error; a learner that would get next to no weight is left out.
    #[default]
    Auto,
    /// Boosted trees.
    Trees,
    /// An ensemble of perceptrons.
    Network,
}

/// How a teacher is fitted.
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `kind` | auto | learners | |
/// | `folds` | 5 | folds of out-of-fold labelling | 2 to 20 |
/// | `trees` | | options of the boosted trees | |
/// | `network` | | options of the networks | |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the table above describes each option")]
pub struct TeacherOptions {
    pub kind: TeacherKind,
    pub folds: usize,
    pub trees: TreeOptions,
    pub network: NetworkOptions,
}

impl Default for TeacherOptions {
    fn default() -> Self {
        Self {
            kind: TeacherKind::Auto,
            folds: 5,
            trees: TreeOptions::default(),
            network: NetworkOptions::default(),
        }
    }
}

/// Below this share a learner is dropped from the mix: it would cost labelling time and change nothing.
const NEGLIGIBLE: f64 = 0.05;

/// What a teacher says of some rows, in the unit that it learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Predicted mean.
    pub mean: Vec<f64>,
    /// Predictive standard deviation, noise included.
    pub spread: Vec<f64>,
}

/// Labels of the rows that a teacher was fitted on, each from a teacher that has not seen the row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// Predictions; NaN where no fold teacher predicts the row.
    pub prediction: Prediction,
    /// Fold of each row.
    pub fold: Vec<u32>,
}

/// A fitted teacher: the average of its trees and that of its networks, mixed.
///
/// ```text
/// t(x) = (1 − w) · mean_i tree_i(x) + w · mean_j network_j(x)
/// ```
#[derive(Clone, Debug)]
pub struct Teacher {
    trees: Vec<Forest>,
    networks: Vec<Network>,
    /// Weight of the networks, in [0, 1].
    network_weight: f64,
    spread: Spread,
    /// Share of the networks' schedule that was trained.
    stop: f64,
    /// Options of the trees, as chosen.
    tree_options: TreeOptions,
}

/// A teacher fitted by folds.
#[derive(Clone, Debug)]
pub struct FoldTeachers {
    /// The fold teachers together: for rows that none of them has seen.
    pub teacher: Teacher,
    /// Out-of-fold labels of the sample.
    pub labels: Labels,
    /// What a reader of the report should know, such as a spread that is constant.
    pub notes: Vec<String>,
}

/// Out-of-fold predictions of one learner.
struct OutOfFold {
    mean: Vec<f64>,
    spread: Option<Vec<f64>>,
}

impl Teacher {
    /// Fits one teacher per fold and labels the sample out of fold.
    ///
    /// The weight of the networks minimizes the out-of-fold squared error, `w = Σ (a − b)(a − y) / Σ (a − b)²` clamped to
    /// [0, 1], with `a` the trees' and `b` the networks' predictions. Each fit is a piece of `kept`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for `folds` out of range; otherwise as the learners'.
    pub fn fit_folds(sample: &Sample<'_>, options: &TeacherOptions, seed: u64, kept: &Checkpoints) -> Result<FoldTeachers> {
        if !(2..=20).contains(&options.folds) {
            let found = options.folds.to_string();
            return Err(Error::InvalidOption { option: "teacher.folds", found, expected: "2 to 20" });
        }
        let with_trees = options.kind != TeacherKind::Network;
        let with_networks = options.kind != TeacherKind::Trees;
        let count = folds::count(&sample.folds) as u32;
        let mut trees: Vec<Forest> = Vec::new();
        let tree_options = match with_trees {
            true => kept.piece("tree-options", || choose_trees(sample, options, seed))?,
            false => options.trees.clone(),
        };
        if with_trees {
            let fit = |fold: u32| {
                let name = format!("trees-{}", fold + 1);
                kept_trees(kept, &name, || fit_trees(sample, &sample.training_rows(fold), &tree_options, seed + u64::from(fold)))
            };
            trees = (0..count).into_par_iter().map(fit).collect::<Result<_>>()?;
        }
        let with_networks = with_networks && (!with_trees || network_pays(sample, &trees, options, seed, kept)?);
        let (mut networks, mut stop) = (Vec::new(), 1.0);
        if with_networks {
            let fitted = Network::fit_folds(sample, &options.network, seed, kept)?;
            (networks, stop) = (fitted.networks, fitted.stop);
        }
        let tree_out = with_trees.then(|| out_of_fold(sample, |fold, x| Ok((trees[fold].predict(x)?, None)))).transpose()?;
        let network_out = with_networks
            .then(|| out_of_fold(sample, |fold, x| networks[fold].predict(x).map(|(mean, sd)| (mean, Some(sd)))))
            .transpose()?;
        let known: Vec<usize> = (0..sample.folds.len()).filter(|&row| sample.folds[row] < count).collect();
        let network_weight = mix(sample, &known, tree_out.as_ref(), network_out.as_ref());
        if network_weight <= 0.0 {
            networks.clear();
        }
        if network_weight >= 1.0 {
            trees.clear();
        }
        let mean = blend(tree_out.as_ref().map(|o| &o.mean[..]), network_out.as_ref().map(|o| &o.mean[..]), network_weight);
        let raw = network_out.and_then(|out| out.spread).filter(|_| network_weight > 0.0);
        let (spread, notes) = Spread::fit(sample, &known, &mean, raw.as_deref());
        let sd = spread.apply(raw.as_deref(), mean.len());
        let labels = Labels { prediction: Prediction { mean, spread: sd }, fold: sample.folds.clone() };
        let teacher = Self { trees, networks, network_weight, spread, stop, tree_options };
        Ok(FoldTeachers { teacher, labels, notes })
    }

    /// This teacher with one more fit of each of its learners, on all rows of `sample`; and that last fit alone, for
    /// [`combine`](Self::combine).
    ///
    /// # Errors
    ///
    /// As the learners'.
    pub fn with_full_fit(&self, sample: &Sample<'_>, options: &TeacherOptions, seed: u64, kept: &Checkpoints) -> Result<(Self, Self)> {
        let rows: Vec<usize> = (0..sample.target.len()).collect();
        let trees = || match self.trees.is_empty() {
            true => Ok(None),
            false => kept_trees(kept, "trees-full", || fit_trees(sample, &rows, &self.tree_options, seed)).map(Some),
        };
        let network = || match self.networks.is_empty() {
            true => Ok(None),
            false => Network::fit(sample, &rows, &options.network, seed, self.stop, kept.saver("network-full".into())).map(Some),
        };
        let (forest, network) = rayon::join(trees, network);
        let (trees, networks) = (forest?.into_iter().collect(), network?.into_iter().collect());
        let last = Self { trees, networks, tree_options: self.tree_options.clone(), ..*self };
        let mut teacher = self.clone();
        teacher.trees.extend(last.trees.iter().cloned());
        teacher.networks.extend(last.networks.iter().cloned());
        Ok((teacher, last))
    }

    /// What [`with_full_fit`](Self::with_full_fit)'s first teacher says, from what this one and the last fit say.
    #[must_use]
    pub fn combine(&self, own: &Prediction, last: &Prediction) -> Prediction {
        let models = self.trees.len().max(self.networks.len()) as f64;
        let join = |own: &[f64], last: &[f64]| {
            own.iter().zip(last).map(|(own, last)| (models * own + last) / (models + 1.0)).collect()
        };
        Prediction { mean: join(&own.mean, &last.mean), spread: join(&own.spread, &last.spread) }
    }

    /// The teacher of the folds and the last fit alone, of a teacher that [`with_full_fit`](Self::with_full_fit) made.
    #[must_use]
    pub fn split_last(&self) -> (Self, Self) {
        let (mut folds, mut last) = (self.clone(), self.clone());
        folds.trees.pop();
        folds.networks.pop();
        last.trees.drain(..folds.trees.len());
        last.networks.drain(..folds.networks.len());
        (folds, last)
    }

    /// Mean and predictive standard deviation of new rows.
    ///
    /// # Errors
    ///
    /// Where the columns are not those of the fit.
    pub fn predict(&self, features: &Features) -> Result<Prediction> {
        let trees = average(&self.trees, features.rows, |forest| forest.predict(features))?;
        let parts: Vec<(Vec<f64>, Vec<f64>)> =
            self.networks.par_iter().map(|network| network.predict(features)).collect::<Result<_>>()?;
        let raw = (!parts.is_empty()).then(|| average_of(parts.iter().map(|(_, sd)| &sd[..]), features.rows));
        let networks = (!parts.is_empty()).then(|| average_of(parts.iter().map(|(mean, _)| &mean[..]), features.rows));
        let mean = blend(trees.as_deref(), networks.as_deref(), self.network_weight);
        Ok(Prediction { mean, spread: self.spread.apply(raw.as_deref(), features.rows) })
    }

    /// The fitted forests: one per fold, and the last fit.
    pub(crate) fn forests(&self) -> &[Forest] {
        &self.trees
    }

    /// The fitted networks: one per fold, and the last fit.
    pub(crate) fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// Weight of the networks in the mix.
    #[must_use]
    pub fn network_weight(&self) -> f64 {
        self.network_weight
    }

    /// Fitted numbers that prediction reads.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let trees: usize = self.trees.iter().map(Forest::parameters).sum();
        trees + self.networks.iter().map(Network::parameters).sum::<usize>()
    }

    /// The file form: a container of kind `teacher`.
    ///
    /// # Errors
    ///
    /// Where a part cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut container = Container::new(KIND);
        container.put_json("counts", &(self.trees.len(), self.networks.len()))?;
        container.put_json("spread", &self.spread)?;
        container.put_json("trees", &self.tree_options)?;
        container.put_numbers("mix", Numbers::F64(vec![self.network_weight, self.stop]));
        for (index, forest) in self.trees.iter().enumerate() {
            container.put_numbers(&format!("forest.{index}"), Numbers::U32(words(&forest.to_bytes()?)));
        }
        for (index, network) in self.networks.iter().enumerate() {
            network.store(&mut container, &format!("network.{index}"))?;
        }
        Ok(container.to_bytes())
    }

    /// Reads [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// For bytes that are no teacher, or a damaged one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let container = Container::from_bytes(bytes, KIND)?;
        let malformed = |message: String| Error::MalformedTeacher { message };
        let (trees, networks): (usize, usize) = container.json("counts")?;
        let Numbers::F64(mix) = &container.tensor("mix")?.numbers else {
            return Err(malformed("`mix` holds no f64 numbers".into()));
        };
        let [network_weight, stop] = mix[..] else {
            return Err(malformed(format!("`mix` holds {} numbers, expected 2", mix.len())));
        };
        let forest = |index: usize| match &container.tensor(&format!("forest.{index}"))?.numbers {
            Numbers::U32(words) => Forest::from_bytes(&bytes_of(words)),
            _ => Err(malformed(format!("`forest.{index}` holds no words"))),
        };
        Ok(Self {
            trees: (0..trees).map(forest).collect::<Result<_>>()?,
            networks: (0..networks).map(|i| Network::restore(&container, &format!("network.{i}"))).collect::<Result<_>>()?,
            network_weight,
            spread: container.json("spread")?,
            stop,
            tree_options: container.json("trees")?,
        })
    }
}

const KIND: &str = "teacher";

/// Bytes as little-endian words, their count first.
fn words(bytes: &[u8]) -> Vec<u32> {
    let mut words = vec![bytes.len() as u32];
    words.extend(bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    }));
    words
}

fn bytes_of(words: &[u32]) -> Vec<u8> {
    let Some((&len, rest)) = words.split_first() else { return Vec::new() };
    let mut bytes: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate(len as usize);
    bytes
}

/// More rows than this, and the networks are first tried on one fold before they are trained on all.
const MANY_ROWS: usize = 10_000;
/// Share of RMSE that networks must save there to be worth their time.
const WORTH: f64 = 0.01;

/// True where a mix with networks is likely to beat the trees alone: tried on the first fold, if there are many rows.
fn network_pays(sample: &Sample<'_>, trees: &[Forest], options: &TeacherOptions, seed: u64, kept: &Checkpoints) -> Result<bool> {
    let (rows, held) = (sample.training_rows(0), sample.held_rows(0));
    if sample.target.len() <= MANY_ROWS || trees.is_empty() || held.is_empty() {
        return Ok(true);
    }
    let network = Network::fit(sample, &rows, &options.network, seed, 1.0, kept.saver("network-try".into()))?;
    let features = sample.features.select(&held);
    let out = |mean: Vec<f64>| OutOfFold { mean, spread: None };
    let (tree, network) = (out(trees[0].predict(&features)?), out(network.predict(&features)?.0));
    let (target, weight) = (sample.target_of(&held), sample.weight_of(&held));
    let part = Sample { features: &features, target: &target, weight: &weight, folds: Vec::new(), fold_kind: sample.fold_kind };
    let known: Vec<usize> = (0..held.len()).collect();
    let mixed = blend(Some(&tree.mean), Some(&network.mean), mix(&part, &known, Some(&tree), Some(&network)));
    Ok(metrics::rmse(&mixed, &target, &weight) < (1.0 - WORTH) * metrics::rmse(&tree.mean, &target, &weight))
}

/// Tree options by out-of-fold error; the given ones where folds follow time, since a held-out fold is then no fair judge.
fn choose_trees(sample: &Sample<'_>, options: &TeacherOptions, seed: u64) -> Result<TreeOptions> {
    let rows = sample.target.len();
    if sample.fold_kind == FoldKind::Time {
        return Ok(options.trees.clone());
    }
    let candidates = options.trees.candidates(rows);
    let threads = rayon::current_num_threads();
    let choice = trees::choose(sample.features, sample.target, sample.weight, &sample.folds, &candidates, seed, threads)?;
    Ok(choice.options)
}

/// Trees as a piece of their file form.
fn kept_trees(kept: &Checkpoints, name: &str, fit: impl FnOnce() -> Result<Forest>) -> Result<Forest> {
    if let Some(known) = kept.load::<Vec<u8>>(name).and_then(|bytes| Forest::from_bytes(&bytes).ok()) {
        return Ok(known);
    }
    let forest = fit()?;
    kept.save(name, &forest.to_bytes()?)?;
    Ok(forest)
}

fn fit_trees(sample: &Sample<'_>, rows: &[usize], options: &TreeOptions, seed: u64) -> Result<Forest> {
    let features = sample.features.select(rows);
    trees::fit(&features, &sample.target_of(rows), &sample.weight_of(rows), options, seed, 1)
}

type Predicted = (Vec<f64>, Option<Vec<f64>>);

fn out_of_fold(sample: &Sample<'_>, predict: impl Fn(usize, &Features) -> Result<Predicted> + Send + Sync) -> Result<OutOfFold> {
    let count = folds::count(&sample.folds);
    let parts: Vec<(Vec<usize>, Predicted)> = (0..count)
        .into_par_iter()
        .map(|fold| {
            let rows = sample.held_rows(fold as u32);
            let predicted = predict(fold, &sample.features.select(&rows))?;
            Ok((rows, predicted))
        })
        .collect::<Result<_>>()?;
    let mut out = OutOfFold { mean: vec![f64::NAN; sample.folds.len()], spread: None };
    for (rows, (mean, spread)) in parts {
        for (i, &row) in rows.iter().enumerate() {
            out.mean[row] = mean[i];
        }
        if let Some(spread) = spread {
            let all = out.spread.get_or_insert_with(|| vec![f64::NAN; sample.folds.len()]);
            for (i, &row) in rows.iter().enumerate() {
                all[row] = spread[i];
            }
        }
    }
    Ok(out)
}

fn mix(sample: &Sample<'_>, known: &[usize], trees: Option<&OutOfFold>, networks: Option<&OutOfFold>) -> f64 {
    let (Some(a), Some(b)) = (trees, networks) else {
        return if networks.is_some() { 1.0 } else { 0.0 };
    };
    let (mut with_error, mut difference_sq) = (0.0, 0.0);
    for &row in known {
        let difference = a.mean[row] - b.mean[row];
        with_error += sample.weight[row] * difference * (a.mean[row] - sample.target[row]);
        difference_sq += sample.weight[row] * difference * difference;
    }
    let weight = if difference_sq > 0.0 { (with_error / difference_sq).clamp(0.0, 1.0) } else { 0.0 };
    if weight < NEGLIGIBLE {
        0.0
    } else if weight > 1.0 - NEGLIGIBLE {
        1.0
    } else {
        weight
    }
}

fn blend(trees: Option<&[f64]>, networks: Option<&[f64]>, weight: f64) -> Vec<f64> {
    match (trees, networks) {
        (Some(trees), Some(networks)) => {
            trees.iter().zip(networks).map(|(a, b)| (1.0 - weight) * a + weight * b).collect()
        }
        (Some(only), None) | (None, Some(only)) => only.to_vec(),
        (None, None) => Vec::new(),
    }
}

fn average<M: Sync>(models: &[M], rows: usize, predict: impl Fn(&M) -> Result<Vec<f64>> + Send + Sync) -> Result<Option<Vec<f64>>> {
    if models.is_empty() {
        return Ok(None);
    }
    let parts: Vec<Vec<f64>> = models.par_iter().map(predict).collect::<Result<_>>()?;
    Ok(Some(average_of(parts.iter().map(|part| &part[..]), rows)))
}

/// Mean over models, summed in their order.
fn average_of<'a>(parts: impl ExactSizeIterator<Item = &'a [f64]>, rows: usize) -> Vec<f64> {
    let count = parts.len() as f64;
    let mut sum = vec![0.0; rows];
    for part in parts {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += value / count;
        }
    }
    sum
}

/// Weighted RMSE of out-of-fold labels, over the rows that have one.
#[must_use]
pub fn label_rmse(sample: &Sample<'_>, labels: &Labels) -> f64 {
    let known: Vec<usize> = (0..labels.fold.len()).filter(|&row| labels.prediction.mean[row].is_finite()).collect();
    let mean: Vec<f64> = known.iter().map(|&row| labels.prediction.mean[row]).collect();
    metrics::rmse(&mean, &sample.target_of(&known), &sample.weight_of(&known))
}
