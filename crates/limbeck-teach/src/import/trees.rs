//! One representation for the trees of all libraries.
//!
//! Trees that limbeck fits itself have another representation, [`Forest`](crate::Forest). The representation here
//! supports what the imported formats need: several kinds of comparison, categories, linear leaves, and sums in single
//! or double precision. For each row, each tree is followed from its root to a leaf. There is no faster algorithm,
//! because an imported teacher predicts only once per run.

use std::borrow::Cow;
use std::sync::Arc;

use limbeck_data::figures::counted;

use super::fault::{Fault, Parsed};
use crate::layers::{FeatureLayer, leaf_layers};

/// Nodes of a tree, the root first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// A leaf or a split.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A leaf with a value.
    Leaf(f64),
    /// A linear leaf: `constant + Σ coefficient · input`, or `fallback` if one of these inputs is missing. Each of the
    /// `terms` is the index of an input and its coefficient.
    Linear {
        fallback: f64,
        constant: f64,
        terms: Vec<(u32, f64)>,
    },
    /// A split on a number: go to node `yes` if the test holds, else to node `no`.
    Number {
        input: u32,
        test: Test,
        threshold: f64,
        missing: Missing,
        yes: u32,
        no: u32,
    },
    /// A split on a category: go to node `yes` if the code is in `set` (ascending order), else to node `no`. A missing
    /// category goes to `yes` if `missing_yes` is true.
    Category {
        input: u32,
        set: Arc<[u32]>,
        missing_yes: bool,
        yes: u32,
        no: u32,
    },
}

/// How a split compares a number with its threshold: `AtMost` is `number ≤ threshold`, and so on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Test {
    Below,
    AtMost,
    AtLeast,
    Above,
    Equal,
    Unequal,
}

impl Test {
    #[expect(clippy::float_cmp, reason = "the file asks for equality")]
    fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
            Self::AtLeast => value >= threshold,
            Self::Above => value > threshold,
            Self::Equal => value == threshold,
            Self::Unequal => value != threshold,
        }
    }
}

/// How a split treats a missing number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Missing {
    /// Missing numbers go to `yes` if true, else to `no`.
    Answer(bool),
    /// Missing numbers are compared as 0.
    AsZero,
    /// Missing numbers and zeros go to `yes` if true, else to `no`.
    WithZero(bool),
}

/// LightGBM treats numbers up to this magnitude as 0 (`kZeroThreshold`).
const ZERO: f64 = 1e-35_f32 as f64;

impl Missing {
    /// `Ok` with the answer if the value counts as missing, else `Err` with the number to compare.
    fn answer(self, value: f64) -> Result<bool, f64> {
        match self {
            Self::Answer(yes) if value.is_nan() => Ok(yes),
            Self::WithZero(yes) if value.is_nan() || value.abs() <= ZERO => Ok(yes),
            Self::AsZero if value.is_nan() => Err(0.0),
            _ => Err(value),
        }
    }
}

/// How the values of the trees are combined to one number per row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// Link function: converts the combined value of the trees, plus the base, to the target's unit. This value is called
/// `sum` below.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    /// The sum itself.
    Identity,
    /// `exp(sum)`: for Poisson, gamma and Tweedie losses.
    Exp,
    /// `sign(sum) · sum²`: the model was fitted on the square root of the target.
    SignedSquare,
    /// `1 / (1 + exp(−sum))`: a value between 0 and 1.
    Sigmoid,
    /// `ln(1 + exp(sum))`: LightGBM's `cross_entropy_lambda`.
    Softplus,
}

impl Link {
    pub(super) fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Exp => value.exp(),
            Self::SignedSquare => value.signum() * value * value,
            Self::Sigmoid => 1.0 / (1.0 + (-value).exp()),
            Self::Softplus => value.max(0.0) + (-value.abs()).exp().ln_1p(),
        }
    }
}

/// Precision in which the library computes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Precision {
    /// Inputs and sums in double precision: LightGBM, and ONNX models with double inputs.
    Double,
    /// Inputs in single precision, sums in double precision: CatBoost.
    SingleInputs,
    /// Inputs and sums in single precision: XGBoost, and most ONNX models.
    Single,
}

/// Trees, and how their values become a prediction.
///
/// # Formula
///
/// With the leaf value `ℓ_t` of tree `t` times its weight, and base `b`:
///
/// ```text
/// prediction = link( b + aggregate(ℓ_1, ℓ_2, …) )
/// ```
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TreeModel {
    pub(crate) trees: Vec<Tree>,
    /// One weight per tree; empty if all weights are 1.
    pub(crate) weights: Vec<f64>,
    pub(crate) base: f64,
    pub(crate) aggregate: Aggregate,
    pub(crate) link: Link,
    pub(crate) precision: Precision,
}

impl TreeModel {
    /// Returns the model if each path from the root ends in a leaf, no node has two parents, all indices of inputs are
    /// below `width`, and all numbers are finite; else an error. (A threshold may be infinite, but not NaN.)
    pub(crate) fn checked(self, width: usize) -> Parsed<Self> {
        self.check(width, false)
    }

    /// Same as `checked`, but a node may have several parents. Cycles are refused.
    pub(crate) fn checked_sharing(self, width: usize) -> Parsed<Self> {
        self.check(width, true)
    }

    fn check(self, width: usize, sharing: bool) -> Parsed<Self> {
        for (index, tree) in self.trees.iter().enumerate() {
            let found = tree.check(width, sharing);
            let found = found.and_then(|()| tree.check_no_circle(sharing));
            found.map_err(|found| {
                Fault::malformed(
                    format!("tree {index}"),
                    found,
                    "a tree with finite values in which every path ends in a leaf",
                )
            })?;
        }
        if !self.base.is_finite() || self.weights.iter().any(|weight| !weight.is_finite()) {
            return Err(Fault::malformed(
                "the base score and the weights of the trees",
                "a number that is not finite",
                "finite numbers",
            ));
        }
        if !self.weights.is_empty() && self.weights.len() != self.trees.len() {
            return Err(Fault::malformed(
                "the weights of the trees",
                format!(
                    "{} weights for {} trees",
                    self.weights.len(),
                    self.trees.len()
                ),
                "one per tree",
            ));
        }
        Ok(self)
    }

    /// True for each input that some tree reads.
    pub(crate) fn used(&self, width: usize) -> Vec<bool> {
        let mut used = vec![false; width];
        for node in self.trees.iter().flat_map(|tree| &tree.nodes) {
            match node {
                Node::Leaf(_) => {}
                Node::Linear { terms, .. } => {
                    terms.iter().for_each(|(input, _)| mark(&mut used, *input))
                }
                Node::Number { input, .. } | Node::Category { input, .. } => {
                    mark(&mut used, *input)
                }
            }
        }
        used
    }

    /// The largest index of an input that a tree reads; `None` if the trees read no inputs.
    pub(crate) fn widest(&self) -> Option<usize> {
        let read = |node: &Node| match node {
            Node::Leaf(_) => None,
            Node::Linear { terms, .. } => terms.iter().map(|(input, _)| *input as usize).max(),
            Node::Number { input, .. } | Node::Category { input, .. } => Some(*input as usize),
        };
        self.trees
            .iter()
            .flat_map(|tree| &tree.nodes)
            .filter_map(read)
            .max()
    }

    /// Number of fitted parameters: thresholds, category codes, leaf values, coefficients of linear leaves and weights
    /// of trees, plus 1 for the base.
    pub(crate) fn parameters(&self) -> usize {
        let of = |node: &Node| match node {
            Node::Linear { terms, .. } => 2 + terms.len(),
            Node::Category { set, .. } => set.len().max(1),
            Node::Leaf(_) | Node::Number { .. } => 1,
        };
        self.trees
            .iter()
            .flat_map(|tree| &tree.nodes)
            .map(of)
            .sum::<usize>()
            + self.weights.len()
            + 1
    }

    /// Writes one prediction per row to `predictions`. `rows` is in row-major order, with `width` inputs per row.
    pub(crate) fn predict(&self, rows: &[f64], width: usize, predictions: &mut [f64]) {
        let rows = self.inputs(rows);
        let start = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => 0.0,
            Aggregate::Min => f64::INFINITY,
            Aggregate::Max => f64::NEG_INFINITY,
        };
        let early = matches!(self.aggregate, Aggregate::Sum);
        predictions.fill(if early { self.base } else { start });
        for (index, tree) in self.trees.iter().enumerate() {
            let weight = self.weights.get(index).copied().unwrap_or(1.0);
            for (row, prediction) in predictions.iter_mut().enumerate() {
                let leaf = tree.value(&rows[row * width..(row + 1) * width]) * weight;
                *prediction = match self.aggregate {
                    Aggregate::Sum | Aggregate::Average => {
                        self.round(*prediction + self.round(leaf))
                    }
                    Aggregate::Min => prediction.min(leaf),
                    Aggregate::Max => prediction.max(leaf),
                };
            }
        }
        for prediction in predictions {
            *prediction = self.link.apply(self.round(self.total(*prediction)));
        }
    }

    /// The value before the link function, including the base. `gathered` is the sum over the trees ([`Aggregate::Sum`]
    /// and [`Aggregate::Average`]), the minimum or the maximum. Only for [`Aggregate::Sum`], it already includes the
    /// base.
    fn total(&self, gathered: f64) -> f64 {
        match self.aggregate {
            Aggregate::Sum => gathered,
            _ if self.trees.is_empty() => self.base,
            Aggregate::Average => self.round(gathered / self.trees.len() as f64) + self.base,
            Aggregate::Min | Aggregate::Max => gathered + self.base,
        }
    }

    /// Leaf embeddings of `count` rows, see [`FittedTeacher::layers`](crate::FittedTeacher::layers). `rows` is in
    /// row-major order, with `width` inputs per row.
    pub(crate) fn layers(&self, rows: &[f64], width: usize, count: usize) -> Vec<FeatureLayer> {
        let rows = self.inputs(rows);
        leaf_layers(count, self.trees.len(), |row, tree| {
            self.trees[tree].leaf(&rows[row * width..(row + 1) * width]) as u32
        })
    }

    /// The rows, rounded to single precision if the library compares in single precision.
    fn inputs<'a>(&self, rows: &'a [f64]) -> Cow<'a, [f64]> {
        match self.precision != Precision::Double {
            true => rows.iter().map(|&value| f64::from(value as f32)).collect(),
            false => Cow::Borrowed(rows),
        }
    }

    fn round(&self, value: f64) -> f64 {
        if self.precision == Precision::Single {
            f64::from(value as f32)
        } else {
            value
        }
    }
}

fn mark(used: &mut [bool], input: u32) {
    if let Some(used) = used.get_mut(input as usize) {
        *used = true;
    }
}

impl Tree {
    fn value(&self, row: &[f64]) -> f64 {
        match &self.nodes[self.leaf(row)] {
            Node::Leaf(value) => *value,
            Node::Linear {
                fallback,
                constant,
                terms,
            } => {
                let is_missing = |(input, _): &(u32, f64)| row[*input as usize].is_nan();
                if terms.iter().any(is_missing) {
                    return *fallback;
                }
                let add = |sum: f64, (input, coefficient): &(u32, f64)| {
                    sum + coefficient * row[*input as usize]
                };
                terms.iter().fold(*constant, add)
            }
            Node::Number { .. } | Node::Category { .. } => {
                unreachable!("`leaf` returns the index of a leaf")
            }
        }
    }

    /// Index of the leaf that a row reaches, in the list of nodes.
    fn leaf(&self, row: &[f64]) -> usize {
        let mut at = 0;
        loop {
            at = match &self.nodes[at] {
                Node::Leaf(_) | Node::Linear { .. } => return at,
                Node::Number {
                    input,
                    test,
                    threshold,
                    missing,
                    yes,
                    no,
                } => {
                    let answer = missing.answer(row[*input as usize]);
                    let goes = answer.unwrap_or_else(|value| test.holds(value, *threshold));
                    (if goes { *yes } else { *no }) as usize
                }
                Node::Category {
                    input,
                    set,
                    missing_yes,
                    yes,
                    no,
                } => {
                    let code = row[*input as usize];
                    let goes = if code.is_nan() {
                        *missing_yes
                    } else {
                        contains(set, code)
                    };
                    (if goes { *yes } else { *no }) as usize
                }
            };
        }
    }

    /// Checks all nodes that can be reached from the root; the error describes the first problem. With `sharing`, a
    /// node may have several parents.
    fn check(&self, width: usize, sharing: bool) -> Result<(), String> {
        let mut seen = vec![false; self.nodes.len()];
        let mut pending = vec![0_u32];
        while let Some(at) = pending.pop() {
            let Some(node) = self.nodes.get(at as usize) else {
                return Err(format!(
                    "the child node {at} in a tree of {} nodes",
                    self.nodes.len()
                ));
            };
            if std::mem::replace(&mut seen[at as usize], true) {
                if sharing {
                    continue;
                }
                return Err(format!("two parents of node {at}"));
            }
            node.check(width)?;
            let children = node.children().into_iter().flatten();
            pending.extend(children.map(|child| child as u32));
        }
        Ok(())
    }
}

impl Node {
    /// Checks the inputs and the numbers of this node, but not its children; the error describes the first problem.
    fn check(&self, width: usize) -> Result<(), String> {
        let inside = |input: u32| match (input as usize) < width {
            true => Ok(()),
            false => Err(format!(
                "a split on input {input} (counted from 0) of {}",
                counted(width, "input")
            )),
        };
        let finite = |value: f64| match value.is_finite() {
            true => Ok(()),
            false => Err(format!("the number {value}")),
        };
        match self {
            Self::Leaf(value) => finite(*value),
            Self::Linear {
                fallback,
                constant,
                terms,
            } => {
                finite(*fallback)?;
                finite(*constant)?;
                terms.iter().try_for_each(|(input, coefficient)| {
                    inside(*input)?;
                    finite(*coefficient)
                })
            }
            // Libraries write infinite thresholds, and comparisons with them are well defined.
            Self::Number { threshold, .. } if threshold.is_nan() => {
                Err("the threshold NaN".to_owned())
            }
            Self::Number { input, .. } | Self::Category { input, .. } => inside(*input),
        }
    }

    /// The indices of the two children of a split; `None` for a leaf.
    fn children(&self) -> Option<[usize; 2]> {
        match self {
            Self::Leaf(_) | Self::Linear { .. } => None,
            Self::Number { yes, no, .. } | Self::Category { yes, no, .. } => {
                Some([*yes as usize, *no as usize])
            }
        }
    }
}

impl Tree {
    /// With `sharing` (nodes may have several parents): an error if nodes form a cycle, found by topological sort. All
    /// children exist, because `check` ran before.
    fn check_no_circle(&self, sharing: bool) -> Result<(), String> {
        if !sharing {
            return Ok(());
        }
        let mut reached = vec![false; self.nodes.len()];
        let mut parents = vec![0_usize; self.nodes.len()];
        let mut pending = vec![0];
        while let Some(at) = pending.pop() {
            if std::mem::replace(&mut reached[at], true) {
                continue;
            }
            for child in self.nodes[at].children().into_iter().flatten() {
                parents[child] += 1;
                pending.push(child);
            }
        }
        let (mut left, mut free) = (0, vec![0]);
        if parents[0] == 0 {
            while let Some(at) = free.pop() {
                left += 1;
                for child in self.nodes[at].children().into_iter().flatten() {
                    parents[child] -= 1;
                    if parents[child] == 0 {
                        free.push(child);
                    }
                }
            }
        }
        match left == reached.iter().filter(|&&reached| reached).count() {
            true => Ok(()),
            false => Err("a cycle of nodes".to_owned()),
        }
    }
}

/// True if the code, truncated to an integer, is in the set.
fn contains(set: &[u32], code: f64) -> bool {
    code > -1.0 && code < f64::from(u32::MAX) && set.binary_search(&(code as u32)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(missing: Missing) -> TreeModel {
        let split = Node::Number {
            input: 0,
            test: Test::AtMost,
            threshold: -1.0,
            missing,
            yes: 1,
            no: 2,
        };
        let tree = Tree {
            nodes: vec![split, Node::Leaf(1.0), Node::Leaf(2.0)],
        };
        TreeModel {
            trees: vec![tree],
            weights: vec![],
            base: 0.5,
            aggregate: Aggregate::Sum,
            link: Link::Identity,
            precision: Precision::Double,
        }
    }

    fn ask(model: &TreeModel, value: f64) -> f64 {
        let mut prediction = [0.0];
        model.predict(&[value], 1, &mut prediction);
        prediction[0]
    }

    #[test]
    fn missing_numbers_go_where_the_node_says() {
        let answers = |missing| [-1.0, 0.0, f64::NAN].map(|value| ask(&stump(missing), value));
        assert_eq!(answers(Missing::AsZero), [1.5, 2.5, 2.5]);
        assert_eq!(answers(Missing::Answer(true)), [1.5, 2.5, 1.5]);
        assert_eq!(answers(Missing::WithZero(true)), [1.5, 1.5, 1.5]);
    }

    #[test]
    fn leaves_are_the_features_of_trees() {
        let layers = stump(Missing::AsZero).layers(&[-2.0, -1.0, 3.0], 1, 3);
        assert_eq!(layers.len(), 1);
        let rows: Vec<&[f32]> = layers[0].values.chunks_exact(layers[0].width).collect();
        assert!(
            rows.iter()
                .all(|row| row.iter().map(|value| value.abs()).sum::<f32>() == 1.0)
        );
        assert!(rows[0] == rows[1] && rows[1] != rows[2]);
    }

    #[test]
    fn aggregates_and_links_are_worked_by_hand() {
        let leaf = |value| Tree {
            nodes: vec![Node::Leaf(value)],
        };
        let model = |aggregate, link| TreeModel {
            trees: vec![leaf(-3.0), leaf(1.0)],
            weights: vec![],
            base: 1.0,
            aggregate,
            link,
            precision: Precision::Double,
        };
        assert_eq!(ask(&model(Aggregate::Sum, Link::Identity), 0.0), -1.0);
        assert_eq!(ask(&model(Aggregate::Average, Link::Identity), 0.0), 0.0);
        assert_eq!(ask(&model(Aggregate::Min, Link::SignedSquare), 0.0), -4.0);
        assert_eq!(ask(&model(Aggregate::Max, Link::Exp), 0.0), 2.0_f64.exp());
    }

    #[test]
    fn linear_leaves_fall_back_only_if_an_input_is_missing() {
        let leaf = Node::Linear {
            fallback: 9.0,
            constant: 1.0,
            terms: vec![(0, 2.0)],
        };
        let mut model = stump(Missing::AsZero);
        model.trees[0].nodes = vec![leaf];
        let answers = [3.0, f64::NAN, f64::INFINITY].map(|value| ask(&model, value));
        assert_eq!(answers, [7.5, 9.5, f64::INFINITY]);
        assert_eq!(ask(&model, -1.0), -0.5);
    }

    #[test]
    fn sets_hold_their_codes_and_nothing_else() {
        let set = [1, 3, 32];
        let found: Vec<f64> = [-1.0, 0.0, 1.5, 2.0, 3.0, 32.0, 33.0, 64.0, 1e300]
            .into_iter()
            .filter(|c| contains(&set, *c))
            .collect();
        assert_eq!(found, [1.5, 3.0, 32.0]);
    }

    #[test]
    fn trees_that_lead_nowhere_are_refused() {
        let refused = |change: fn(&mut Node)| {
            let mut model = stump(Missing::AsZero);
            change(&mut model.trees[0].nodes[0]);
            model.checked(1).unwrap_err().to_string()
        };
        assert!(
            refused(|n| if let Node::Number { yes, .. } = n {
                *yes = 0
            })
            .contains("two parents of node 0")
        );
        assert!(
            refused(|n| if let Node::Number { yes, .. } = n {
                *yes = 7
            })
            .contains("child node 7 in a tree of 3")
        );
        assert!(
            refused(|n| if let Node::Number { input, .. } = n {
                *input = 1
            })
            .contains("input 1 (counted from 0) of 1 input")
        );
        assert!(
            refused(|n| if let Node::Number { threshold, .. } = n {
                *threshold = f64::NAN
            })
            .contains("threshold NaN")
        );
    }
}
