//! Fits boosted trees, and chooses their options.
//!
//! The library `hessboost` grows the trees; its fits are the same for any number of threads. None of its types occur in the signatures of this
//! module: its trees are converted at once into limbeck's own [`Forest`].
//!
//! The default options were chosen by out-of-fold error on public data sets. These things help most, the most helpful first: *slanted* inputs, which
//! are weighted sums of the columns that interact most ([`TreeOptions::pairs`]); the mean over the models of the folds, which the caller computes; a
//! small learning rate with many rounds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use hessboost::config::{GrowPolicy, TrainingParams, TreeMethod};
use hessboost::data::DMatrix;
use hessboost::error::HessboostError;
use hessboost::model::BoostedModel;
use hessboost::objective::{Objective, RegLoss};
use hessboost::training::{TrainResult, Trainer};
use hessboost::tree::RegTree;
use limbeck_data::{Features, Folds, generator};
use limbeck_options::{Options, Refused};
use limbeck_runtime::TreeEnsemble;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::forest::{NodeView, Output, Trees};
use crate::inputs::{InputMatrix, Inputs};
use crate::sample::Sample;
use crate::work::Effort;
use crate::{Error, Forest, Result};

limbeck_options::options! {
    /// Options of the boosted trees that limbeck trains as a teacher.
    pub struct TreeOptions in "teacher.trees", "Teacher" {
        /// Number of trees.
        rounds: usize = 800 => [within(1.0, 20_000.0)];
        /// Learning rate: share of each tree that is added to the sum. For more accuracy, halve it and double `rounds`.
        #[serde(alias = "step")]
        learning_rate: f64 = 0.06 => [above(0.0), up_to(1.0)];
        /// Maximum number of leaves per tree; up to 64 are fast to predict.
        leaves: usize = 32 => [within(2.0, 4096.0)];
        /// Minimum weight of a leaf, in rows of mean weight.
        leaf_rows: f64 = 10.0 => [at_least(0.0)];
        /// Share of rows to draw for each tree.
        #[serde(alias = "row_share")]
        subsample: f64 = 0.8 => [above(0.0), up_to(1.0)];
        /// Share of the inputs, drawn for each split, among which the split is chosen.
        #[serde(alias = "column_share")]
        colsample: f64 = 0.5 => [above(0.0), up_to(1.0)];
        /// L2 penalty on leaf values: it acts like this many additional rows with residual 0 in each leaf.
        ridge: f64 = 1.0 => [at_least(0.0)];
        /// Histogram bins per input; up to 254 are fast to predict.
        bins: usize = 254 => [within(2.0, 4096.0)];
        /// Number of pairs of numeric columns whose weighted sums become inputs too: those pairs that interact most.
        pairs: usize = 1 => [within(0.0, 64.0)];
    }
}

impl TreeOptions {
    /// Options for a first look: fits take about a third of the time of the default options.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            rounds: 300,
            learning_rate: 0.12,
            bins: 128,
            ..Self::default()
        }
    }

    /// Options for a slightly smaller error: fits take two to three times the time of the default options.
    #[must_use]
    pub fn best() -> Self {
        Self {
            rounds: 1500,
            learning_rate: 0.03,
            leaves: 48,
            ..Self::default()
        }
    }

    /// Three alternatives that [`choose`] compares: no slanted inputs (weighted sums of two columns); slanted inputs of one pair of columns; slanted
    /// inputs of ten pairs, with at most 64 bins. With fewer than 4000 rows, a tree has at most 16 leaves, and a leaf may have as few as 3 rows.
    #[must_use]
    pub fn candidates(&self, rows: usize) -> Vec<Self> {
        let leaf_rows = if rows < 4000 {
            self.leaf_rows.min(3.0)
        } else {
            self.leaf_rows
        };
        let leaves = if rows < 4000 {
            self.leaves.min(16)
        } else {
            self.leaves
        };
        let with = |pairs| Self {
            pairs,
            leaf_rows,
            leaves,
            ..self.clone()
        };
        // Ten pairs give many inputs, which take time; fewer bins save it. Accuracy does not suffer, because the slanted inputs of a column have
        // thresholds of their own.
        vec![
            with(0),
            with(1),
            Self {
                bins: self.bins.min(64),
                ..with(10)
            },
        ]
    }

    /// Options for nearly the same fit in less time, for [`choose`]: twice the learning rate, half the rounds, at most 128 bins.
    fn hurried(&self) -> Self {
        let learning_rate = (self.learning_rate * HURRY as f64).min(1.0);
        Self {
            learning_rate,
            rounds: self.rounds.div_ceil(HURRY),
            bins: self.bins.min(HURRIED_BINS),
            ..self.clone()
        }
    }
}

/// Fits boosted trees to the squared error of `y`.
///
/// Target and weights are standardized first, so that the options mean the same for every table. The result depends on the rows, the options and the
/// seed. It does not depend on `effort` (a number of threads, or an [`Effort`]), unless a stop ends the fit early.
///
/// ```
/// use limbeck_data::{Feature, FeatureValues, Features};
/// use limbeck_teach::trees::{TreeOptions, fit};
///
/// let x: Vec<f64> = (0..400).map(|i| f64::from(i) / 400.0).collect();
/// let y: Vec<f64> = x.iter().map(|x| if *x < 0.5 { 1.0 } else { 3.0 }).collect();
/// let column = Feature { name: "x".into(), values: FeatureValues::Number(x), integer: false, missing: limbeck_data::MissingNumbers::default(), date: None, history: None };
/// let features = Features { columns: vec![column], rows: 400, past: None };
///
/// let forest = fit(&features, &y, &[1.0; 400], &TreeOptions::fast(), 0, 1)?;
/// let predicted = forest.predict(&features)?;
/// assert!((predicted[10] - 1.0).abs() < 0.05 && (predicted[390] - 3.0).abs() < 0.05);
/// # Ok::<(), limbeck_teach::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::InvalidOption`] for an option out of its range; [`Error::Length`], [`Error::NotFinite`] or [`Error::TooFewRows`] for invalid `y` and `w`;
/// [`Error::Trees`] if the library returns an error; [`Error::Stopped`] after a stop.
pub fn fit<'a>(
    x: &Features,
    y: &[f64],
    w: &[f64],
    options: &TreeOptions,
    seed: u64,
    effort: impl Into<Effort<'a>>,
) -> Result<Forest> {
    let (fitted, _) = fit_watched(x, y, w, None, options, seed, effort.into())?;
    Ok(fitted)
}

/// The time that a fit takes on one thread, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Seconds before the first round.
    pub start: f64,
    /// Seconds for each round.
    pub round: f64,
}

/// Measures the speed of a fit of at most `options.rounds` rounds; `effort` can end it earlier.
///
/// # Errors
///
/// The errors of [`fit`].
pub fn speed(
    x: &Features,
    y: &[f64],
    w: &[f64],
    options: &TreeOptions,
    seed: u64,
    effort: Effort<'_>,
) -> Result<Speed> {
    let begun = Instant::now();
    let ends = std::sync::Mutex::new(Vec::new());
    let note = || {
        let mut ends = ends
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        ends.push(begun.elapsed().as_secs_f64());
    };
    fit(x, y, w, options, seed, effort.telling(&note))?;
    let ends = ends.into_inner().unwrap_or_default();
    let (first, last) = (ends.first().copied(), ends.last().copied());
    let (first, last) = (first.unwrap_or(0.0), last.unwrap_or(0.0));
    let round = match ends.len() {
        0 | 1 => first / 2.0,
        rounds => (last - first) / (rounds - 1) as f64,
    };
    Ok(Speed {
        start: (first - round).max(0.0),
        round,
    })
}

/// The result of [`choose`]: the options with the smallest error on held-out rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The best options; `rounds` is the number of rounds at which the held-out error was smallest.
    pub options: TreeOptions,
    /// Index of the best options among the candidates.
    pub index: usize,
    /// Smallest held-out RMSE of each candidate, in the target's unit.
    pub rmse: Vec<f64>,
}

/// Up to this number of rows, [`choose`] holds out each judging fold in turn; with more rows, only the first one. (The judging folds are those whose
/// errors decide, see [`Folds::judges`].)
const SMALL: usize = 6000;
/// Maximum number of rows that each fit of [`choose`] learns from.
const ENOUGH: usize = 20_000;
/// To save time, [`choose`] multiplies the learning rate by this factor, and divides the number of rounds by it.
const HURRY: usize = 2;
/// Maximum number of histogram bins per input in the fits of [`choose`].
const HURRIED_BINS: usize = 128;

/// Compares options by the error on held-out folds. Each fit gives the error after every round.
///
/// With at most 6000 rows, each judging fold (a fold whose error decides, see [`Folds::judges`]) is held out in turn; with more rows, only the first
/// of them. Each fit learns from at most 20 000 rows. To save time, all fits use half the rounds, twice the learning rate and at most 128 bins. This
/// ranks the candidates in the same order as full fits do.
///
/// # Errors
///
/// [`Error::InvalidOption`] if there are no candidates or no folds; otherwise the errors of [`fit`].
pub fn choose<'a>(
    x: &Features,
    y: &[f64],
    w: &[f64],
    folds: &Folds,
    candidates: &[TreeOptions],
    seed: u64,
    effort: impl Into<Effort<'a>>,
) -> Result<Choice> {
    let effort = effort.into();
    check_rows(x, y, w)?;
    check_length("the folds", folds.of.len(), x.rows)?;
    let mut held = folds.judges();
    held.truncate(if x.rows <= SMALL { held.len() } else { 1 });
    if candidates.is_empty() || held.is_empty() {
        let found = format!("{} candidates, {} folds", candidates.len(), held.len());
        let message = format!("found {found}, expected at least one of each");
        return Err(Refused::new("candidates", message).into());
    }
    candidates.iter().try_for_each(TreeOptions::validate)?;
    let jobs: Vec<(TreeOptions, u32)> = candidates
        .iter()
        .flat_map(|options| held.iter().map(move |fold| (options.hurried(), *fold)))
        .collect();
    let held_out = HeldOut {
        x,
        y,
        w,
        folds,
        seed,
        effort: effort.on(1),
    };
    let curve = |(options, fold): &(TreeOptions, u32)| held_out.curve(*fold, options);
    let curves: Vec<Vec<f64>> =
        pool(effort.threads)?.install(|| jobs.par_iter().map(curve).collect::<Result<_>>())?;

    let weight: f64 = folds
        .of
        .iter()
        .zip(w)
        .filter(|(fold, _)| held.contains(fold))
        .map(|(_, w)| w)
        .sum();
    let best = curves
        .chunks(held.len())
        .map(|curves| least(curves, weight))
        .collect::<Vec<(usize, f64)>>();
    let rmse: Vec<f64> = best.iter().map(|(_, rmse)| *rmse).collect();
    let index = (0..rmse.len())
        .min_by(|a, b| rmse[*a].total_cmp(&rmse[*b]))
        .unwrap_or(0);
    let rounds = (HURRY * best[index].0).min(candidates[index].rounds);
    Ok(Choice {
        options: TreeOptions {
            rounds,
            ..candidates[index].clone()
        },
        index,
        rmse,
    })
}

/// The number of fits that [`choose`] makes, and the largest number of rounds of a fit.
pub(crate) fn effort_of_choice(sample: &Sample<'_>, candidates: &[TreeOptions]) -> (usize, usize) {
    let held = match sample.target.len() {
        ..=SMALL => sample.folds.judges().len(),
        _ => 1,
    };
    let rounds = |options: &TreeOptions| options.rounds.div_ceil(HURRY);
    let most = candidates.iter().map(rounds).max();
    (candidates.len() * held, most.unwrap_or(0))
}

/// The number of rounds with the smallest sum of squared errors over all curves, and the RMSE after that number of rounds. `weight` is the sum of the
/// weights of all held-out rows.
fn least(curves: &[Vec<f64>], weight: f64) -> (usize, f64) {
    let total = |round: usize| curves.iter().map(|curve| curve[round]).sum::<f64>();
    let rounds = curves.iter().map(Vec::len).min().unwrap_or(0);
    let best = (0..rounds)
        .map(|round| (round + 1, total(round)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let (rounds, error) = best.unwrap_or((1, f64::NAN));
    (rounds, (error / weight).sqrt())
}

/// The rows on which [`choose`] compares options, with their folds, and how it fits trees on them.
struct HeldOut<'a> {
    x: &'a Features,
    y: &'a [f64],
    w: &'a [f64],
    folds: &'a Folds,
    seed: u64,
    effort: Effort<'a>,
}

impl HeldOut<'_> {
    /// The weighted sum of squared errors on one fold after each round, for trees fitted on the other folds.
    fn curve(&self, fold: u32, options: &TreeOptions) -> Result<Vec<f64>> {
        let &Self { x, y, w, folds, .. } = self;
        let take = |values: &[f64], rows: &[usize]| -> Vec<f64> {
            rows.iter().map(|row| values[*row]).collect()
        };
        let (fitted, held) = (folds.training_rows(fold), folds.held_rows(fold));
        let fitted: Vec<usize> = fitted
            .iter()
            .copied()
            .step_by(fitted.len().div_ceil(ENOUGH).max(1))
            .collect();
        let watched = Watched {
            x: x.select(&held),
            y: take(y, &held),
            w: take(w, &held),
        };
        let (_, curve) = fit_watched(
            &x.select(&fitted),
            &take(y, &fitted),
            &take(w, &fitted),
            Some(&watched),
            options,
            self.seed,
            self.effort,
        )?;
        let weight: f64 = watched.w.iter().sum();
        Ok(curve.into_iter().map(|rmse| rmse * rmse * weight).collect())
    }
}

/// Held-out rows (features, targets, weights) on which the error is measured after each boosting round.
struct Watched {
    x: Features,
    y: Vec<f64>,
    w: Vec<f64>,
}

/// Fits a forest. Also returns the RMSE on the held-out rows `watched` after each round, in the target's unit; this list is empty if `watched` is
/// `None`.
fn fit_watched(
    x: &Features,
    y: &[f64],
    w: &[f64],
    watched: Option<&Watched>,
    options: &TreeOptions,
    seed: u64,
    effort: Effort<'_>,
) -> Result<(Forest, Vec<f64>)> {
    options.validate()?;
    effort.stop.check()?;
    check_rows(x, y, w)?;
    let target = Standard::fit(y, w);
    let labels = target.apply(y);
    let weights = unit_weights(w);
    let mut rng = generator(seed, "boosted trees", 0);

    let (mut inputs, mut matrix) = Inputs::fit(x, y, w, &mut rng);
    if options.pairs > 0 {
        let mut sample: Vec<usize> = (0..x.rows).collect();
        sample.shuffle(&mut rng);
        sample.truncate(SCREENED_ROWS);
        for (first, second) in interacting_pairs(
            &inputs,
            &matrix,
            &labels,
            &weights,
            &sample,
            options.pairs,
            effort.quiet(),
        )? {
            inputs.add_pair(first, second);
        }
        matrix.extend(inputs.slants(x));
    }

    let params = params(options, rng.random(), effort.threads)?;
    let data = library_data(&matrix, &labels, &weights)?;
    let held = watched.map(|held| {
        library_data(
            &inputs.encode(&held.x)?,
            &target.apply(&held.y),
            &single(&held.w),
        )
    });
    let held = held.transpose()?;
    let mut trainer = Trainer::new(&params, &data, options.rounds);
    if let Some(held) = &held {
        trainer = trainer.eval(held, "held out");
    }
    let result = train(trainer, effort)?;
    let curve = result
        .history
        .rounds()
        .filter_map(|round| round.values().first().map(|rmse| rmse * target.scale))
        .collect();
    let output = Output {
        scale: target.scale,
        shift: target.center,
    };
    Ok((Forest::new(inputs, lower(&result.model), output)?, curve))
}

/// Trains the trees. After each round, it reports the progress and checks whether it must stop.
fn train(trainer: Trainer<'_>, effort: Effort<'_>) -> Result<TrainResult> {
    effort.stop.check()?;
    let trainer = trainer.on_round(move |_| {
        if let Some(round) = effort.round {
            round();
        }
        match effort.stop.is_over() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let result = trainer.train().map_err(refused)?;
    effort.stop.check()?;
    Ok(result)
}

/// A split of a tree on an input: the threshold and the gain of the split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// The threshold, in the unit of the input.
    pub at: f32,
    /// By how much this split decreases the weighted sum of squared errors of the standardized target.
    pub gain: f64,
}

/// Fits a hundred small trees, and returns the thresholds at which they split each of `columns`, with the gains of these splits.
///
/// # Shapes
///
/// `columns` is `[width][rows]`; `y` and `w` have one value per row. The result has one list for each of `columns`; the splits in a list are in no
/// particular order.
///
/// # Errors
///
/// [`Error::Trees`] if the library returns an error; [`Error::Stopped`] after a stop.
pub fn cuts<'a>(
    columns: &[Vec<f32>],
    y: &[f64],
    w: &[f64],
    effort: impl Into<Effort<'a>>,
) -> Result<Vec<Vec<Cut>>> {
    let labels = Standard::fit(y, w).apply(y);
    let mut cuts = vec![Vec::new(); columns.len()];
    for tree in quick_fit(columns, &labels, &unit_weights(w), effort.into())?.trees() {
        for node in tree.nodes().iter().filter(|node| !node.is_leaf()) {
            cuts[node.split_feature as usize].push(Cut {
                at: node.split_cond,
                gain: f64::from(node.split_gain),
            });
        }
    }
    Ok(cuts)
}

/// Encoded rows for a student's trees: one list per column, and a label and a weight per row.
#[derive(Clone, Copy, Debug)]
pub struct EncodedRows<'a> {
    /// The values of the columns, `[width][rows]`.
    pub columns: &'a [Vec<f32>],
    /// The label of each row, which the trees learn.
    pub labels: &'a [f32],
    /// The weight of each row; the sum of the weights may be any number.
    pub weights: &'a [f32],
}

/// Boosted trees for a student. They take the student's encoded columns as inputs, and can be truncated to fewer trees.
#[derive(Clone, Debug)]
pub struct Ensemble {
    trees: Trees,
    curve: Vec<f64>,
}

impl Ensemble {
    /// The RMSE on the held-out rows after each round; empty if there are no held-out rows.
    #[must_use]
    pub fn curve(&self) -> &[f64] {
        &self.curve
    }

    /// The first `rounds` trees, as an operation of a graph.
    #[must_use]
    pub fn first(&self, rounds: usize) -> TreeEnsemble {
        self.trees.lower(rounds)
    }
}

/// Fits boosted trees to encoded rows. The result can become the operation [`Op::TreeEnsemble`](limbeck_runtime::Op::TreeEnsemble) of a graph.
///
/// The labels should have mean 0, because the sum of the trees starts at 0. The option `pairs` has no effect, since a student's trees have no slanted
/// inputs. The result depends on rows, options and seed, but not on the number of threads.
///
/// # Errors
///
/// [`Error::InvalidOption`] for an option out of its range; [`Error::Trees`] if the library returns an error; [`Error::Stopped`] after a stop.
pub fn ensemble<'a>(
    rows: &EncodedRows<'_>,
    held: Option<&EncodedRows<'_>>,
    options: &TreeOptions,
    seed: u64,
    effort: impl Into<Effort<'a>>,
) -> Result<Ensemble> {
    let effort = effort.into();
    options.validate()?;
    let weights: Vec<f64> = rows.weights.iter().map(|w| f64::from(*w)).collect();
    let data = library_data(rows.columns, rows.labels, &unit_weights(&weights))?;
    let held = held
        .map(|held| library_data(held.columns, held.labels, held.weights))
        .transpose()?;
    let seed = generator(seed, "student trees", 0).random();
    let params = params(options, seed, effort.threads)?;
    let mut trainer = Trainer::new(&params, &data, options.rounds);
    if let Some(held) = &held {
        trainer = trainer.eval(held, "held out");
    }
    let result = train(trainer, effort)?;
    let curve = result
        .history
        .rounds()
        .filter_map(|round| round.values().first().copied())
        .collect();
    Ok(Ensemble {
        trees: lower(&result.model),
        curve,
    })
}

/// Fits a hundred small trees, which is enough to find the important inputs.
fn quick_fit(
    columns: &[Vec<f32>],
    labels: &[f32],
    weights: &[f32],
    effort: Effort<'_>,
) -> Result<BoostedModel> {
    let quick = TreeOptions {
        rounds: 100,
        learning_rate: 0.1,
        leaves: 16,
        subsample: 1.0,
        colsample: 1.0,
        bins: 64,
        ..TreeOptions::default()
    };
    let data = library_data(columns, labels, weights)?;
    let params = params(&quick, 0, effort.threads)?;
    Ok(train(Trainer::new(&params, &data, quick.rounds), effort)?.model)
}

/// Maximum number of rows in the search for interacting pairs of columns.
const SCREENED_ROWS: usize = 8000;

/// Pairs of number columns that interact. In the trees of a quick fit, a pair counts where a split on one column is the parent of a split on the
/// other. Returns the `count` pairs with the largest sums of the gains of these child splits, the largest first.
///
/// Columns with fewer than three different values are left out: slanted inputs do not help there.
fn interacting_pairs(
    inputs: &Inputs,
    matrix: &InputMatrix,
    labels: &[f32],
    weights: &[f32],
    rows: &[usize],
    count: usize,
    effort: Effort<'_>,
) -> Result<Vec<(usize, usize)>> {
    let take = |values: &[f32]| -> Vec<f32> { rows.iter().map(|row| values[*row]).collect() };
    let matrix: InputMatrix = matrix.iter().map(|column| take(column)).collect();
    let mut columns = inputs.number_columns();
    for (column, values) in columns.iter_mut().zip(&matrix) {
        if !has_three_values(values) {
            *column = None;
        }
    }
    let model = quick_fit(&matrix, &take(labels), &take(weights), effort)?;
    let mut gains: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    model
        .trees()
        .iter()
        .for_each(|tree| add_gains(tree, &columns, &mut gains));
    Ok(largest(gains, count))
}

/// The `count` pairs with the largest gains, the largest gain first.
fn largest(gains: BTreeMap<(usize, usize), f64>, count: usize) -> Vec<(usize, usize)> {
    let mut pairs: Vec<_> = gains.into_iter().collect();
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    pairs
        .into_iter()
        .take(count)
        .map(|(pair, _)| pair)
        .collect()
}

fn has_three_values(values: &[f32]) -> bool {
    let mut seen: Vec<f32> = Vec::new();
    for value in values.iter().filter(|value| !value.is_nan()) {
        if !seen.contains(value) {
            seen.push(*value);
        }
        if seen.len() == 3 {
            return true;
        }
    }
    false
}

fn add_gains(tree: &RegTree, columns: &[Option<usize>], gains: &mut BTreeMap<(usize, usize), f64>) {
    let nodes = tree.nodes();
    for parent in nodes.iter().filter(|node| !node.is_leaf()) {
        for child in [parent.left, parent.right].map(|child| &nodes[child as usize]) {
            let column = |input: u32| columns[input as usize];
            match (column(parent.split_feature), column(child.split_feature)) {
                (Some(a), Some(b)) if a != b && !child.is_leaf() => {
                    *gains.entry((a.min(b), a.max(b))).or_default() += f64::from(child.split_gain);
                }
                _ => {}
            }
        }
    }
}

fn params(options: &TreeOptions, seed: u64, threads: usize) -> Result<TrainingParams> {
    TrainingParams::builder()
        .objective(Objective::SquaredError(RegLoss::default()))
        .base_score(0.0)
        .tree_method(TreeMethod::Hist)
        .grow_policy(GrowPolicy::LossGuide)
        .unlimited_depth()
        .max_leaves(options.leaves)
        .max_bin(options.bins)
        .eta(options.learning_rate)
        .lambda(options.ridge)
        .min_child_weight(options.leaf_rows)
        .subsample(options.subsample)
        .colsample_bynode(options.colsample)
        .seed(seed)
        .nthread(threads.max(1))
        .build()
        .map_err(refused)
}

fn library_data(matrix: &[Vec<f32>], labels: &[f32], weights: &[f32]) -> Result<DMatrix> {
    let (rows, width) = (labels.len(), matrix.len());
    let mut flat = vec![0.0; rows * width];
    for (input, column) in matrix.iter().enumerate() {
        flat.iter_mut()
            .skip(input)
            .step_by(width)
            .zip(column)
            .for_each(|(cell, value)| *cell = *value);
    }
    let data = DMatrix::from_dense_vec(flat, rows, width).map_err(refused)?;
    data.with_labels(labels)
        .map_err(refused)?
        .with_weights(weights)
        .map_err(refused)
}

fn lower(model: &BoostedModel) -> Trees {
    let mut trees = Trees::new(model.base_score());
    for tree in model.trees() {
        let nodes = tree.nodes();
        trees.push(nodes.len(), |node| {
            let node = &nodes[node];
            match node.is_leaf() {
                true => NodeView::Leaf(node.leaf_value),
                false => NodeView::Split {
                    input: node.split_feature,
                    threshold: node.split_cond,
                    missing_left: node.default_left,
                    left: node.left as usize,
                    right: node.right as usize,
                },
            }
        });
    }
    trees
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the form that `map_err` takes"
)]
fn refused(error: HessboostError) -> Error {
    Error::Trees {
        message: error.to_string(),
    }
}

fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build();
    pool.map_err(|error| Error::Trees {
        message: error.to_string(),
    })
}

fn check_length(what: &'static str, found: usize, expected: usize) -> Result<()> {
    let error = Error::Length {
        what,
        found,
        expected,
    };
    (found == expected).then_some(()).ok_or(error)
}

fn check_rows(x: &Features, y: &[f64], w: &[f64]) -> Result<()> {
    check_length("the target", y.len(), x.rows)?;
    check_length("the weights", w.len(), x.rows)?;
    let first =
        |values: &[f64], sound: fn(f64) -> bool| values.iter().position(|value| !sound(*value));
    if let Some(row) = first(y, f64::is_finite) {
        return Err(Error::NotFinite {
            what: "the target",
            row,
            value: y[row],
            expected: "a finite number",
        });
    }
    if let Some(row) = first(w, |weight| weight.is_finite() && weight >= 0.0) {
        return Err(Error::NotFinite {
            what: "the weight",
            row,
            value: w[row],
            expected: "a finite number, 0 or more",
        });
    }
    match w.iter().filter(|weight| **weight > 0.0).count() {
        found @ (0 | 1) => Err(Error::TooFewRows { found, expected: 2 }),
        _ => Ok(()),
    }
}

/// Weighted mean and standard deviation of a target, for standardizing it.
struct Standard {
    center: f64,
    scale: f64,
}

impl Standard {
    fn fit(y: &[f64], w: &[f64]) -> Self {
        let total: f64 = w.iter().sum();
        // Divided before it is summed, so that large numbers do not overflow.
        let mean = |value: &dyn Fn(f64) -> f64| {
            y.iter()
                .zip(w)
                .map(|(y, w)| value(*y) * (w / total))
                .sum::<f64>()
        };
        let center = mean(&|y| y);
        let scale = mean(&|y| (y - center).powi(2)).sqrt();
        Self {
            center,
            scale: if scale > 0.0 && scale.is_finite() {
                scale
            } else {
                1.0
            },
        }
    }

    fn apply(&self, y: &[f64]) -> Vec<f32> {
        y.iter()
            .map(|y| ((y - self.center) / self.scale) as f32)
            .collect()
    }
}

/// The weights scaled to mean 1, so that a sum of weights is comparable to a number of rows.
fn unit_weights(w: &[f64]) -> Vec<f32> {
    let mean = w.iter().sum::<f64>() / w.len() as f64;
    w.iter().map(|w| (w / mean) as f32).collect()
}

fn single(w: &[f64]) -> Vec<f32> {
    w.iter().map(|w| *w as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hessboost::model::Iterations;
    use limbeck_data::{Feature, FeatureValues, MISSING};
    use limbeck_runtime::{Graph, Node, Op};
    use std::sync::Arc;

    fn features(columns: Vec<(&str, FeatureValues)>) -> Features {
        let rows = columns[0].1.len();
        let feature = |(name, values): (&str, FeatureValues)| Feature {
            name: name.to_owned(),
            values,
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            columns: columns.into_iter().map(feature).collect(),
            rows,
            past: None,
        }
    }

    /// `y = |a + b| + level`, with missing cells.
    fn sample(rows: usize) -> (Features, Vec<f64>) {
        let mut rng = generator(3, "sample", 0);
        let mut draw =
            || -> Vec<f64> { (0..rows).map(|_| rng.random::<f64>() * 4.0 - 2.0).collect() };
        let (mut a, b) = (draw(), draw());
        let codes: Vec<u32> = (0..rows)
            .map(|row| {
                if row % 11 == 0 {
                    MISSING
                } else {
                    row as u32 % 3
                }
            })
            .collect();
        let y = (0..rows)
            .map(|row| (a[row] + b[row]).abs() + f64::from(codes[row] % 3))
            .collect();
        a.iter_mut().step_by(7).for_each(|cell| *cell = f64::NAN);
        let levels = Arc::new(["p", "q", "r"].map(str::to_owned).to_vec());
        let columns = vec![
            ("a", FeatureValues::Number(a)),
            ("b", FeatureValues::Number(b)),
            ("k", FeatureValues::Category { codes, levels }),
        ];
        (features(columns), y)
    }

    fn quick() -> TreeOptions {
        TreeOptions {
            rounds: 40,
            learning_rate: 0.2,
            leaf_rows: 2.0,
            ..TreeOptions::default()
        }
    }

    fn rmse(a: &[f64], b: &[f64]) -> f64 {
        (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
    }

    #[test]
    fn options_of_earlier_files_have_other_names() {
        let text = serde_json::to_string(&TreeOptions::fast()).unwrap();
        let earlier = text
            .replace("learning_rate", "step")
            .replace("subsample", "row_share")
            .replace("colsample", "column_share");
        assert_ne!(text, earlier);
        let read: TreeOptions = serde_json::from_str(&earlier).unwrap();
        assert_eq!(read, TreeOptions::fast());
    }

    #[test]
    fn forest_agrees_with_library() {
        let mut rng = generator(8, "matrix", 0);
        let mut cell = || {
            if rng.random::<f64>() < 0.1 {
                f64::NAN
            } else {
                f64::from(rng.random_range(0..300)) / 7.0
            }
        };
        let columns: Vec<Vec<f64>> = (0..5)
            .map(|_| (0..3000).map(|_| cell()).collect())
            .collect();
        let y: Vec<f64> = (0..3000)
            .map(|row| columns.iter().map(|c| c[row].max(5.0).sin()).sum())
            .collect();
        let names = ["a", "b", "c", "d", "e"];
        let x = features(
            names
                .into_iter()
                .zip(columns.into_iter().map(FeatureValues::Number))
                .collect(),
        );
        let w = vec![1.0; 3000];
        let (inputs, matrix) = Inputs::fit(&x, &y, &w, &mut generator(0, "", 0));
        for leaves in [32, 200] {
            let options = TreeOptions { leaves, ..quick() };
            let labels = Standard::fit(&y, &w).apply(&y);
            let data = library_data(&matrix, &labels, &unit_weights(&w)).unwrap();
            let model = Trainer::new(&params(&options, 1, 2).unwrap(), &data, 50)
                .train()
                .unwrap()
                .model;
            let theirs = model.predict(&data, Iterations::Best).unwrap();
            let forest = Forest::new(
                inputs.clone(),
                lower(&model),
                Output {
                    scale: 1.0,
                    shift: 0.0,
                },
            )
            .unwrap();
            let ours = forest.predict(&x).unwrap();
            let bits = |value: f64| (value as f32).to_bits();
            assert!(
                ours.iter()
                    .zip(theirs.as_slice())
                    .all(|(a, b)| bits(*a) == b.to_bits()),
                "{leaves} leaves"
            );
        }
    }

    #[test]
    fn fit_learns_and_does_not_depend_on_threads() {
        let (x, y) = sample(1500);
        let w = vec![1.0; 1500];
        let one = fit(&x, &y, &w, &quick(), 7, 1).unwrap();
        let two = fit(&x, &y, &w, &quick(), 7, 2).unwrap();
        assert_eq!(one.to_bytes().unwrap(), two.to_bytes().unwrap());
        let other = fit(&x, &y, &w, &quick(), 8, 1).unwrap();
        assert_ne!(one.to_bytes().unwrap(), other.to_bytes().unwrap());
        // The target's own standard deviation is about 1.2.
        assert!(rmse(&one.predict(&x).unwrap(), &y) < 0.4);
    }

    #[test]
    fn slanted_boundary_is_found() {
        let (x, y) = sample(1500);
        let w = vec![1.0; 1500];
        let forest = fit(&x, &y, &w, &quick(), 7, 1).unwrap();
        assert_eq!(forest.pairs(), [("a", "b")]);
        let straight = fit(
            &x,
            &y,
            &w,
            &TreeOptions {
                pairs: 0,
                ..quick()
            },
            7,
            1,
        )
        .unwrap();
        assert!(straight.pairs().is_empty());
    }

    #[test]
    fn scale_of_target_and_weights_does_not_matter() {
        let (x, y) = sample(600);
        let small = fit(&x, &y, &vec![1.0; 600], &quick(), 7, 1)
            .unwrap()
            .predict(&x)
            .unwrap();
        // Powers of two, so that standardizing gives the same bits.
        let scaled: Vec<f64> = y.iter().map(|y| y * 1024.0).collect();
        let large = fit(&x, &scaled, &vec![4.0; 600], &quick(), 7, 1)
            .unwrap()
            .predict(&x)
            .unwrap();
        assert!(
            small
                .iter()
                .zip(&large)
                .all(|(a, b)| (a * 1024.0 - b).abs() < 1e-9)
        );
    }

    #[test]
    fn rows_of_weight_zero_are_ignored() {
        let (x, mut y) = sample(600);
        let w: Vec<f64> = (0..600)
            .map(|row| f64::from(u8::from(row % 2 == 0)))
            .collect();
        let options = TreeOptions {
            subsample: 1.0,
            ..quick()
        };
        let clean = fit(&x, &y, &w, &options, 7, 1)
            .unwrap()
            .predict(&x)
            .unwrap();
        y.iter_mut().skip(1).step_by(2).for_each(|y| *y = 1e3);
        assert_eq!(
            fit(&x, &y, &w, &options, 7, 1)
                .unwrap()
                .predict(&x)
                .unwrap(),
            clean
        );
    }

    #[test]
    fn constant_target_and_constant_columns_are_predicted() {
        let x = features(vec![
            ("a", FeatureValues::Number(vec![1.0; 30])),
            ("m", FeatureValues::Number(vec![f64::NAN; 30])),
        ]);
        let forest = fit(&x, &[4.0; 30], &[1.0; 30], &quick(), 0, 1).unwrap();
        assert_eq!(forest.predict(&x).unwrap(), [4.0; 30]);
    }

    #[test]
    fn fit_rejects_bad_rows_and_options() {
        let (x, y) = sample(20);
        let w = vec![1.0; 20];
        let message = |y: &[f64], w: &[f64], options: &TreeOptions| {
            fit(&x, y, w, options, 0, 1).unwrap_err().to_string()
        };
        assert!(message(&y[1..], &w, &quick()).contains("19 values for 20 rows"));
        let mut bad = y.clone();
        bad[3] = f64::NAN;
        assert!(message(&bad, &w, &quick()).contains("row 3"));
        assert!(message(&y, &[0.0; 20], &quick()).contains("0 rows with positive weight"));
        assert!(message(&y, &[-1.0; 20], &quick()).contains("weight of row 0"));
        assert!(
            message(
                &y,
                &w,
                &TreeOptions {
                    learning_rate: 0.0,
                    ..quick()
                }
            )
            .starts_with("teacher.trees.learning_rate: found 0")
        );
        assert!(
            message(&y, &w, &TreeOptions { bins: 1, ..quick() })
                .starts_with("teacher.trees.bins: found 1")
        );
    }

    #[test]
    fn choose_prefers_slants_where_they_help() {
        let (x, y) = sample(1500);
        let folds = Folds::random(1500, 5, 2);
        let candidates = [
            TreeOptions {
                pairs: 0,
                ..quick()
            },
            quick(),
        ];
        let choice = choose(&x, &y, &vec![1.0; 1500], &folds, &candidates, 1, 2).unwrap();
        assert_eq!(choice.index, 1, "{choice:?}");
        assert!(choice.rmse[1] < choice.rmse[0] && choice.options.rounds <= 40);
        assert_eq!(
            choose(&x, &y, &vec![1.0; 1500], &folds, &candidates, 1, 1).unwrap(),
            choice
        );
    }

    #[test]
    fn presets_construct_and_are_in_range() {
        for options in [
            TreeOptions::fast(),
            TreeOptions::default(),
            TreeOptions::best(),
        ] {
            options.validate().unwrap();
            assert!(
                options
                    .candidates(500)
                    .iter()
                    .all(|candidate| candidate.validate().is_ok())
            );
        }
    }

    #[test]
    fn ensemble_agrees_with_its_graph_and_can_be_cut_short() {
        let rows = 400;
        let column = |j: usize| {
            (0..rows)
                .map(|i| ((i * (2 * j + 3)) as f32 * 0.618_034).fract() - 0.5)
                .collect::<Vec<f32>>()
        };
        let mut columns: Vec<Vec<f32>> = (0..3).map(column).collect();
        let labels: Vec<f32> = (0..rows)
            .map(|i| columns[0][i] * columns[1][i] * 4.0 + columns[2][i].abs())
            .collect();
        columns[2][7] = f32::NAN;
        let weights = vec![2.0; rows];
        let data = EncodedRows {
            columns: &columns,
            labels: &labels,
            weights: &weights,
        };
        let options = TreeOptions {
            rounds: 30,
            learning_rate: 0.2,
            leaves: 6,
            subsample: 1.0,
            colsample: 1.0,
            ..TreeOptions::default()
        };
        let fitted = ensemble(&data, Some(&data), &options, 5, 1).unwrap();
        assert_eq!(fitted.curve().len(), 30);
        let x: Vec<f32> = (0..rows)
            .flat_map(|i| columns.iter().map(move |column| column[i]))
            .collect();
        for rounds in [1, 7, 30] {
            let trees = fitted.first(rounds);
            // Per tree of l leaves 5 l − 3 numbers.
            assert_eq!(
                (trees.roots.len(), trees.parameters()),
                (rounds, 5 * trees.leaves.len() - 3 * rounds)
            );
            let out = Graph::new(3, vec![Node::new(Op::TreeEnsemble(trees), [0])])
                .unwrap()
                .run(&x, rows);
            let mean = out
                .iter()
                .zip(&labels)
                .map(|(p, y)| f64::from(p - y).powi(2))
                .sum::<f64>()
                / rows as f64;
            assert!(
                (mean.sqrt() - fitted.curve()[rounds - 1]).abs() < 1e-5,
                "{} {}",
                mean.sqrt(),
                fitted.curve()[rounds - 1]
            );
        }
        let again = ensemble(&data, None, &options, 5, 2).unwrap();
        assert_eq!(
            (again.first(30), again.curve().len()),
            (fitted.first(30), 0)
        );
    }

    /// Asks for the end after so many looks.
    struct After(std::sync::atomic::AtomicUsize);

    impl limbeck_data::stop::Asked for After {
        fn is_asked(&self) -> bool {
            use std::sync::atomic::Ordering;
            let left = self.0.load(Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), Ordering::Relaxed);
            left == 0
        }
    }

    fn wave() -> (Features, Vec<f64>, Vec<f64>) {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i) / 50.0).collect();
        let y = values.iter().map(|x| x.sin()).collect();
        let x = features(vec![("x", FeatureValues::Number(values))]);
        (x, y, vec![1.0; 500])
    }

    #[test]
    fn a_stop_ends_a_fit_with_an_error_and_a_time_with_the_trees_so_far() {
        let (x, y, w) = wave();
        let options = TreeOptions {
            pairs: 0,
            ..quick()
        };
        let fit = |stop| fit(&x, &y, &w, &options, 0, Effort::until(1, stop));
        let whole = fit(limbeck_data::Stop::NEVER).unwrap();
        let late = fit(limbeck_data::Stop::NEVER.within(0.0)).unwrap();
        assert!(late.parameters() < whole.parameters() && late.parameters() > 0);
        assert!(late.predict(&x).unwrap().iter().all(|y| y.is_finite()));
        let after = After(5.into());
        let stop = limbeck_data::Stop::on(&after);
        assert!(matches!(fit(stop), Err(Error::Stopped)));
        // Nobody who watches changes a bit.
        let never = After(usize::MAX.into());
        let watched = fit(limbeck_data::Stop::on(&never)).unwrap();
        assert_eq!(watched.to_bytes().unwrap(), whole.to_bytes().unwrap());
    }

    #[test]
    fn speed_is_measured_until_the_time_is_over() {
        let (x, y, w) = wave();
        // The stop is looked at in each round.
        let looks = |seconds| {
            let after = After(usize::MAX.into());
            let stop = limbeck_data::Stop::on(&after).within(seconds);
            let effort = Effort::until(1, stop);
            let Speed { start, round } = speed(&x, &y, &w, &quick(), 0, effort).unwrap();
            assert!(round > 0.0 && start >= 0.0, "{start} {round}");
            usize::MAX - after.0.into_inner()
        };
        let (whole, late) = (looks(f64::INFINITY), looks(0.0));
        assert!(whole > quick().rounds && late < whole, "{late} {whole}");
    }
}
