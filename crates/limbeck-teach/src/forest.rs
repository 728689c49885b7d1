//! Boosted trees in limbeck's own flat form, for fast prediction. A library fits the trees; this module only stores and runs them.
//!
//! # Two algorithms for the same prediction
//!
//! [`Trees::walk`] goes down from the root, as in textbooks: it is the simple reference and works for any tree. [`Scorer`] predicts whole blocks of
//! rows without any branch that depends on the data (QuickScorer, Lucchese et al. 2015, changed so that lookup tables replace the loop over false
//! nodes). Leaves are numbered from left to right, and a set of leaves is a `u64`. Each test that sends a row to the right rules out the leaves of
//! its left subtree. After all tests of the tree, in any order, the lowest bit that is still set is the row's leaf. The position of a value among the
//! thresholds of its input (its *place*) determines the results of all tests of one tree on that input:
//!
//! ```text
//! leaf(row) = trailing_zeros( ∧_j  table_j[place_j(row)] )      j over the inputs that the tree tests
//! ```
//!
//! A place is a byte, so that a table lookup needs no bounds check. The places are computed once per row and input, for all trees. The tables of a
//! tree are computed when a block of rows reaches the tree, which takes less time than loading them from memory.
//!
//! Both algorithms add the leaves in the order of the trees, in single precision, so that their predictions are equal bit for bit, to each other and
//! to the library's. If you change one, run `scorer_agrees_with_walk` and the tests of [`crate::trees`].

use limbeck_data::Features;
use limbeck_runtime::{Container, Numbers, TreeEnsemble};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::inputs::{InputMatrix, Inputs, Slant};
use crate::{Error, Result};

/// Number of rows predicted at a time, so that the data of these rows stay in the processor's cache.
const BLOCK: usize = 4096;
/// Number of rows whose sets of possible leaves are updated together, so that these sets stay in the first-level cache.
const STRIP: usize = 512;
/// With fewer rows than this, computing the tables of a [`Scorer`] takes more time than it saves.
const FEW_ROWS: usize = 64;
/// Marks a leaf in the list of splits.
const LEAF: u32 = u32::MAX;
/// Maximum number of leaves of a tree in a [`Scorer`]: the number of bits of the `u64` that holds a set of leaves.
const SET: usize = 64;
/// Maximum number of places of an input (positions among its thresholds), not counting the place of missing values.
const PLACES: usize = 255;
const MISSING_PLACE: u8 = 255;
/// Kind of the container (the file) that holds a forest.
const KIND: &str = "forest";

/// Boosted trees that predict one target, with the encoding of the columns as inputs of the trees.
///
/// # Formula
///
/// With the inputs `v` of a row (standardized numbers, encoded categories, and *slanted* inputs, which are weighted sums of two columns), the leaf
/// values `ℓ_t` of the trees and the base score `b`, both in standardized target units and summed in single precision:
///
/// ```text
/// prediction = shift + scale · ( b + ℓ_1(v) + ℓ_2(v) + … )
/// ```
///
/// A test `v_j < threshold` sends a row to the left if it is true. A missing value goes to the side that gave the smaller error when the tree was
/// fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    inputs: Inputs,
    trees: Trees,
    output: Output,
    scorer: Option<Scorer>,
}

/// Transform from the sum of the leaves to the target's unit.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) scale: f64,
    pub(crate) shift: f64,
}

impl Forest {
    /// Makes a forest from its parts, after checking them.
    pub(crate) fn new(inputs: Inputs, trees: Trees, output: Output) -> Result<Self> {
        let malformed = |message| Error::MalformedForest { message };
        if let Some(message) = inputs.problem() {
            return Err(malformed(message));
        }
        if !(output.scale.is_finite() && output.shift.is_finite()) {
            return Err(malformed(
                "the scale or the shift of the output is not finite".to_owned(),
            ));
        }
        if let Some(message) = trees.problem(inputs.width()) {
            return Err(malformed(message));
        }
        let scorer = Scorer::new(&trees, inputs.width());
        Ok(Self {
            inputs,
            trees,
            output,
            scorer,
        })
    }

    /// Predictions in the target's unit, one per row.
    ///
    /// Runs on the current rayon pool. Each row is computed on its own, so the result does not depend on the number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::WrongColumn`] or [`Error::WrongKind`] if the columns are not the columns that the forest was fitted on. Unknown levels and missing
    /// cells are no error.
    pub fn predict(&self, x: &Features) -> Result<Vec<f64>> {
        let matrix = self.inputs.encode(x)?;
        let mut predictions = vec![0.0; x.rows];
        predictions
            .par_chunks_mut(BLOCK)
            .enumerate()
            .for_each(|(block, predictions)| {
                let sums = self.sums(&matrix, block * BLOCK, predictions.len());
                for (prediction, sum) in predictions.iter_mut().zip(sums) {
                    *prediction = self.output.shift + self.output.scale * f64::from(sum);
                }
            });
        Ok(predictions)
    }

    /// For each row and each tree, the leaf that the row reaches. The leaves of a tree are counted from the left, from 0. `[rows, trees]`, row-major.
    ///
    /// # Errors
    ///
    /// The errors of [`predict`](Self::predict).
    pub fn leaves(&self, x: &Features) -> Result<Vec<u16>> {
        let matrix = self.inputs.encode(x)?;
        let trees = self.trees.len();
        let mut leaves = vec![0; x.rows * trees];
        leaves
            .par_chunks_mut(trees.max(1))
            .enumerate()
            .for_each(|(row, leaves)| {
                for (tree, leaf) in leaves.iter_mut().enumerate() {
                    let node = self.trees.walk(tree, |input| matrix[input][row]);
                    *leaf = self.trees.ordinal[node];
                }
            });
        Ok(leaves)
    }

    /// Number of parameters, which are all fitted numbers that a prediction uses: thresholds, leaf values, the numbers that encode the inputs, and
    /// `shift`, `scale` and the base score of the formula.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.trees.value.len() + self.inputs.parameters() + 3
    }

    /// Number of trees.
    #[must_use]
    pub fn len(&self) -> usize {
        self.trees.len()
    }

    /// True if the forest has no trees; it then predicts a constant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs of columns whose weighted sums (slanted inputs) the trees have as inputs.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let name = |column: usize| self.inputs.columns[column].name.as_str();
        let pair = |slant: &Slant| (name(slant.first), name(slant.second));
        let mut pairs: Vec<_> = self.inputs.slants.iter().map(pair).collect();
        pairs.dedup();
        pairs
    }

    fn sums(&self, matrix: &InputMatrix, start: usize, rows: usize) -> Vec<f32> {
        match &self.scorer {
            Some(scorer) if rows >= FEW_ROWS => scorer.sums(&self.trees, matrix, start, rows),
            _ => self.trees.sums(matrix, start, rows),
        }
    }

    /// The bytes of the forest: a [`Container`] of kind `forest`. The same forest always gives the same bytes.
    ///
    /// | entry | value |
    /// |---|---|
    /// | `inputs` | JSON: coding of each column, slanted inputs |
    /// | `output` | JSON: `scale`, `shift` |
    /// | `base` | one F32: the base score |
    /// | `nodes` | U32 per tree: its number of nodes |
    /// | `split` | U32 per node, trees one after the other, each in preorder: twice the input, plus 1 if missing values go left; 2³² − 1 for a leaf |
    /// | `right` | U32 per node: its right child, counted from the root of its tree; the left child is the next node |
    /// | `value` | F32 per node: the threshold of a split, or the value of a leaf |
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if the coding of the inputs cannot be written as JSON, which is not expected.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let trees = &self.trees;
        let sizes = trees
            .starts
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        let mut container = Container::new(KIND);
        container.put_json("inputs", &self.inputs)?;
        container.put_json("output", &self.output)?;
        container.put_numbers("base", Numbers::F32(vec![trees.base]));
        container.put_numbers("nodes", Numbers::U32(sizes));
        container.put_numbers("split", Numbers::U32(trees.split.clone()));
        container.put_numbers("right", Numbers::U32(trees.right.clone()));
        container.put_numbers("value", Numbers::F32(trees.value.clone()));
        Ok(container.to_bytes())
    }

    /// Reads a forest from the bytes that [`to_bytes`](Self::to_bytes) returned.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] for bytes that are damaged, of a newer format, or not a forest; [`Error::MalformedForest`] for trees with an invalid
    /// structure. It never panics, whatever the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let container = Container::from_bytes(bytes, KIND)?;
        let malformed = |message: &str| Error::MalformedForest {
            message: message.to_owned(),
        };
        let &[base] = container.f32s("base")? else {
            return Err(malformed("`base` does not hold exactly one number"));
        };
        let integers = |name: &str| match &container.tensor(name)?.numbers {
            Numbers::U32(numbers) => Ok(numbers.clone()),
            _ => Err(malformed(&format!("`{name}` does not hold U32 numbers"))),
        };
        let value = container.f32s("value")?.to_vec();
        let trees = Trees::from_parts(
            base,
            &integers("nodes")?,
            integers("split")?,
            integers("right")?,
            value,
        )
        .ok_or_else(|| {
            malformed("`nodes`, `split`, `right` and `value` disagree on the number of nodes")
        })?;
        Self::new(container.json("inputs")?, trees, container.json("output")?)
    }
}

/// Trees as one array for each property of a node, with the nodes of each tree in preorder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trees {
    base: f32,
    /// Index of the first node of each tree, followed by the number of all nodes.
    starts: Vec<u32>,
    /// For each node, `2 · input + 1` if missing values go left, `2 · input` if they go right, or [`LEAF`].
    split: Vec<u32>,
    /// For each node, its right child, counted from the root of the tree; the left child is the next node. 0 for a leaf.
    right: Vec<u32>,
    /// For each node, the threshold of a split or the value of a leaf.
    value: Vec<f32>,
    /// For each node, the number of leaves before it in its tree; computed from the other arrays.
    ordinal: Vec<u16>,
}

/// One node of a tree that the tree library has fitted.
pub(crate) enum NodeView {
    /// A leaf and its value.
    Leaf(f32),
    /// A test `input < threshold`.
    Split {
        input: u32,
        threshold: f32,
        missing_left: bool,
        left: usize,
        right: usize,
    },
}

impl Trees {
    /// Makes an ensemble that has no trees yet.
    pub(crate) fn new(base: f32) -> Self {
        Self {
            base,
            starts: vec![0],
            split: Vec::new(),
            right: Vec::new(),
            value: Vec::new(),
            ordinal: Vec::new(),
        }
    }

    /// Adds a tree with `nodes` nodes, of which node 0 is the root; `view` returns each node. The tree must not have cycles.
    pub(crate) fn push(&mut self, nodes: usize, view: impl Fn(usize) -> NodeView) {
        let root = self.split.len();
        // Nodes still to be written, and the written parent whose right child each is.
        let mut pending = vec![(0, None)];
        let mut leaves = 0;
        while let Some((node, parent)) = pending.pop() {
            let place = self.split.len();
            debug_assert!(place - root < nodes);
            if let Some(parent) = parent {
                let parent: usize = parent;
                self.right[parent] = (place - root) as u32;
            }
            self.ordinal.push(leaves);
            self.right.push(0);
            match view(node) {
                NodeView::Leaf(value) => {
                    self.split.push(LEAF);
                    self.value.push(value);
                    leaves += 1;
                }
                NodeView::Split {
                    input,
                    threshold,
                    missing_left,
                    left,
                    right,
                } => {
                    self.split.push(2 * input + u32::from(missing_left));
                    self.value.push(threshold);
                    pending.push((right, Some(place)));
                    pending.push((left, None));
                }
            }
        }
        self.starts.push(self.split.len() as u32);
    }

    /// Numbers the nodes of a range anew, as [`TreeEnsemble`] needs it: the splits get 0, 1, …, and the leaves get `splits`, `splits + 1`, …, both in
    /// the order of the range. (`splits` is the number of splits.) So the number of a child is larger than the number of its parent.
    fn numbers(&self, nodes: std::ops::Range<usize>, splits: u32) -> Vec<u32> {
        let (mut split, mut leaf) = (0..splits, splits..);
        nodes
            .map(|node| {
                if self.split[node] == LEAF {
                    leaf.next()
                } else {
                    split.next()
                }
                .unwrap_or(LEAF)
            })
            .collect()
    }

    /// The first `rounds` trees as an operation of a graph, without the base score.
    pub(crate) fn lower(&self, rounds: usize) -> TreeEnsemble {
        let nodes = 0..self.starts[rounds.min(self.len())] as usize;
        let splits = nodes
            .clone()
            .filter(|node| self.split[*node] != LEAF)
            .count() as u32;
        let number = self.numbers(nodes, splits);
        let mut made = TreeEnsemble::default();
        for tree in 0..rounds.min(self.len()) {
            let root = self.starts[tree] as usize;
            made.roots.push(number[root]);
            for node in self.nodes(tree) {
                if self.split[node] == LEAF {
                    made.leaves.push(self.value[node]);
                } else {
                    made.inputs.push(self.split[node]);
                    made.threshold.push(self.value[node]);
                    made.children
                        .extend([number[node + 1], number[root + self.right[node] as usize]]);
                }
            }
        }
        made
    }

    fn from_parts(
        base: f32,
        sizes: &[u32],
        split: Vec<u32>,
        right: Vec<u32>,
        value: Vec<f32>,
    ) -> Option<Self> {
        let mut starts = vec![0];
        let mut end = 0_u32;
        for size in sizes {
            end = end.checked_add(*size)?;
            starts.push(end);
        }
        let nodes = end as usize;
        let agree = split.len() == nodes && right.len() == nodes && value.len() == nodes;
        let mut trees = Self {
            base,
            starts,
            split,
            right,
            value,
            ordinal: Vec::new(),
        };
        agree.then(|| {
            trees.ordinal = trees.ordinals();
            trees
        })
    }

    fn ordinals(&self) -> Vec<u16> {
        let mut ordinals = Vec::with_capacity(self.split.len());
        for tree in 0..self.len() {
            let mut leaves = 0_u16;
            for node in self.nodes(tree) {
                ordinals.push(leaves);
                // A tree with more leaves is refused by `problem`.
                leaves = leaves.wrapping_add(u16::from(self.split[node] == LEAF));
            }
        }
        ordinals
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn nodes(&self, tree: usize) -> std::ops::Range<usize> {
        self.starts[tree] as usize..self.starts[tree + 1] as usize
    }

    fn input(&self, node: usize) -> usize {
        self.split[node] as usize / 2
    }

    fn missing_left(&self, node: usize) -> bool {
        self.split[node] % 2 == 1
    }

    /// The leaf that a row reaches in a tree, as an index into the nodes of all trees. `value(j)` returns input `j` of the row.
    fn walk(&self, tree: usize, value: impl Fn(usize) -> f32) -> usize {
        let root = self.starts[tree] as usize;
        let mut node = root;
        while self.split[node] != LEAF {
            let value = value(self.input(node));
            let left = if value.is_nan() {
                self.missing_left(node)
            } else {
                value < self.value[node]
            };
            node = if left {
                node + 1
            } else {
                root + self.right[node] as usize
            };
        }
        node
    }

    fn sums(&self, matrix: &InputMatrix, start: usize, rows: usize) -> Vec<f32> {
        let sum = |row: usize| {
            let leaf = |tree| self.value[self.walk(tree, |input| matrix[input][row])];
            (0..self.len())
                .map(leaf)
                .fold(self.base, |sum, leaf| sum + leaf)
        };
        (start..start + rows).map(sum).collect()
    }

    /// What makes the trees invalid for rows of `width` inputs; `None` if they are valid.
    fn problem(&self, width: usize) -> Option<String> {
        if !self.base.is_finite() {
            return Some("the base score is not finite".to_owned());
        }
        if let Some(node) = self.value.iter().position(|value| !value.is_finite()) {
            return Some(format!("the value of node {node} is not finite"));
        }
        let outside = |node: &usize| self.split[*node] != LEAF && self.input(*node) >= width;
        if let Some(node) = (0..self.split.len()).find(outside) {
            return Some(format!(
                "node {node} tests input {} (counted from 0), but there are {width} inputs",
                self.input(node)
            ));
        }
        (0..self.len()).find_map(|tree| {
            self.shape_problem(tree)
                .map(|what| format!("tree {tree}: {what}"))
        })
    }

    /// What makes the structure of a tree invalid; `None` if it is valid. In preorder, a subtree is a range of nodes, and each split must divide the
    /// rest of its range into the ranges of its two children.
    fn shape_problem(&self, tree: usize) -> Option<String> {
        let nodes = self.nodes(tree);
        let (root, size) = (nodes.start, nodes.len());
        if let Some(problem) = size_problem(size) {
            return Some(problem);
        }
        // Ends of the subtrees that are not complete yet, the innermost last.
        let mut ends = vec![size];
        for place in 0..size {
            let Some(end) = ends.pop() else {
                return Some(format!("node {place} has no parent"));
            };
            let right = self.right[root + place] as usize;
            if self.split[root + place] == LEAF {
                if end != place + 1 || right != 0 {
                    return Some(format!("leaf {place} has children"));
                }
            } else if right <= place + 1 || right >= end {
                return Some(format!(
                    "node {place} has its right child at {right}, outside its own nodes"
                ));
            } else {
                ends.push(end);
                ends.push(right);
            }
        }
        None
    }
}

/// Tables that predict a block of rows without branches; the start of this file explains them.
#[derive(Clone, Debug, PartialEq)]
struct Scorer {
    /// The distinct thresholds of each input, in ascending order.
    thresholds: Vec<Vec<f32>>,
    /// Tests of all trees, grouped by tree and then by input.
    tests: Vec<Test>,
    /// Groups of tests. All tests of one tree on one input are a group.
    groups: Vec<Group>,
    /// Index of the first group of each tree, followed by the number of all groups.
    group_starts: Vec<usize>,
    /// Values of the leaves, tree by tree, each from left to right.
    leaves: Vec<f32>,
    /// Index of the first leaf of each tree, followed by the number of all leaves.
    leaf_starts: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    input: usize,
    start: usize,
    end: usize,
}

/// The test of one split, with the leaves that remain possible if a row goes to the right.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Test {
    /// The lowest place (position of a value among the input's thresholds) that goes to the right: one more than the index of the threshold.
    place: u8,
    missing_left: bool,
    keep: u64,
}

impl Scorer {
    /// Computes the tables. `None` if a tree has more than 64 leaves, or if an input has 255 or more different thresholds.
    fn new(trees: &Trees, width: usize) -> Option<Self> {
        let mut thresholds = vec![Vec::new(); width];
        for node in (0..trees.split.len()).filter(|node| trees.split[*node] != LEAF) {
            thresholds[trees.input(node)].push(trees.value[node]);
        }
        for thresholds in &mut thresholds {
            // −0 and 0 are equal in a comparison, so they must be one threshold here.
            thresholds
                .iter_mut()
                .for_each(|threshold| *threshold += 0.0);
            thresholds.sort_unstable_by(f32::total_cmp);
            thresholds.dedup();
        }
        if thresholds
            .iter()
            .any(|thresholds| thresholds.len() >= PLACES)
        {
            return None;
        }
        let mut scorer = Self {
            thresholds,
            tests: Vec::new(),
            groups: Vec::new(),
            group_starts: vec![0],
            leaves: Vec::new(),
            leaf_starts: vec![0],
        };
        (0..trees.len()).try_for_each(|tree| scorer.push(trees, tree))?;
        Some(scorer)
    }

    fn push(&mut self, trees: &Trees, tree: usize) -> Option<()> {
        let nodes = trees.nodes(tree);
        let first_leaf = self.leaves.len();
        self.leaves.extend(
            nodes
                .clone()
                .filter(|node| trees.split[*node] == LEAF)
                .map(|node| trees.value[node]),
        );
        if self.leaves.len() - first_leaf > SET {
            return None;
        }
        let mut tests: Vec<(usize, Test)> = Vec::new();
        for node in nodes.clone().filter(|node| trees.split[*node] != LEAF) {
            let input = trees.input(node);
            let (first, end) = (
                trees.ordinal[node],
                trees.ordinal[nodes.start + trees.right[node] as usize],
            );
            let rank =
                self.thresholds[input].partition_point(|threshold| *threshold < trees.value[node]);
            let left = (u64::MAX >> (SET - usize::from(end - first))) << first;
            tests.push((
                input,
                Test {
                    place: rank as u8 + 1,
                    missing_left: trees.missing_left(node),
                    keep: !left,
                },
            ));
        }
        tests.sort_by_key(|(input, test)| (*input, test.place));
        for chunk in tests.chunk_by(|(a, _), (b, _)| a == b) {
            let start = self.tests.len();
            self.tests.extend(chunk.iter().map(|(_, test)| *test));
            self.groups.push(Group {
                input: chunk[0].0,
                start,
                end: self.tests.len(),
            });
        }
        self.group_starts.push(self.groups.len());
        self.leaf_starts.push(self.leaves.len());
        Some(())
    }

    /// For each row of a block, the base score plus the values of the leaves that the row reaches.
    fn sums(&self, trees: &Trees, matrix: &InputMatrix, start: usize, rows: usize) -> Vec<f32> {
        let places: Vec<Vec<u8>> = (0..matrix.len())
            .map(|input| self.places(input, &matrix[input][start..start + rows]))
            .collect();
        let mut sums = vec![trees.base; rows];
        let mut tables: Vec<Table> = Vec::new();
        for tree in 0..trees.len() {
            let groups = &self.groups[self.group_starts[tree]..self.group_starts[tree + 1]];
            tables.resize(groups.len().max(tables.len()), [0; PLACES + 1]);
            for (group, table) in groups.iter().zip(&mut tables) {
                self.fill(group, table);
            }
            let leaves = &self.leaves[self.leaf_starts[tree]..self.leaf_starts[tree + 1]];
            add_leaves(groups, &tables, &places, leaves, &mut sums);
        }
        sums
    }

    /// The place of each value: the number of thresholds that are not above it.
    fn places(&self, input: usize, values: &[f32]) -> Vec<u8> {
        let thresholds = &self.thresholds[input];
        let place = |value: &f32| match value.is_nan() {
            true => MISSING_PLACE,
            false => thresholds.partition_point(|threshold| *threshold <= *value) as u8,
        };
        if thresholds.is_empty() {
            Vec::new()
        } else {
            values.iter().map(place).collect()
        }
    }

    /// Fills a table: for each place (position of a value among the input's thresholds), the leaves that remain possible after the tests of a group.
    fn fill(&self, group: &Group, table: &mut Table) {
        let mut keep = u64::MAX;
        let mut missing = u64::MAX;
        let mut from = 0;
        for test in &self.tests[group.start..group.end] {
            let place = usize::from(test.place);
            table[from..place].fill(keep);
            keep &= test.keep;
            from = place;
            if !test.missing_left {
                missing &= test.keep;
            }
        }
        let last = self.thresholds[group.input].len();
        table[from..=last].fill(keep);
        table[usize::from(MISSING_PLACE)] = missing;
    }
}

type Table = [u64; PLACES + 1];

/// Adds to the sum of each row the value of the leaf that it reaches in one tree: the first leaf that remains possible after all groups of tests.
fn add_leaves(
    groups: &[Group],
    tables: &[Table],
    places: &[Vec<u8>],
    leaves: &[f32],
    sums: &mut [f32],
) {
    // A set always contains the row's own leaf. The padding to 64 leaves removes the bounds check of the look-up.
    let mut padded = [0.0; SET];
    padded[..leaves.len()].copy_from_slice(leaves);
    let mut sets = [u64::MAX; STRIP];
    for (strip, sums) in sums.chunks_mut(STRIP).enumerate() {
        let start = strip * STRIP;
        let sets = &mut sets[..sums.len()];
        sets.fill(u64::MAX);
        narrow_all(groups, tables, places, start, sets);
        for (sum, set) in sums.iter_mut().zip(sets) {
            *sum += padded[set.trailing_zeros() as usize % SET];
        }
    }
}

/// For each row, removes from its set of possible leaves those that the tests rule out. It handles up to four groups of tests at a time, so that
/// the sets are loaded and stored less often.
fn narrow_all(
    groups: &[Group],
    tables: &[Table],
    places: &[Vec<u8>],
    start: usize,
    sets: &mut [u64],
) {
    let mut next = 0;
    while next < groups.len() {
        let (groups, tables) = (&groups[next..], &tables[next..]);
        next += match groups.len() {
            1 => narrow::<1>(groups, tables, places, start, sets),
            2 => narrow::<2>(groups, tables, places, start, sets),
            3 => narrow::<3>(groups, tables, places, start, sets),
            _ => narrow::<4>(groups, tables, places, start, sets),
        };
    }
}

fn size_problem(nodes: usize) -> Option<String> {
    match nodes {
        0 => Some("it has no nodes".to_owned()),
        _ if nodes / 2 >= usize::from(u16::MAX) => Some(format!("{nodes} nodes are too many")),
        _ => None,
    }
}

/// For each row, removes from its set of possible leaves those that the first `N` groups of tests rule out. Returns `N`.
fn narrow<const N: usize>(
    groups: &[Group],
    tables: &[Table],
    places: &[Vec<u8>],
    start: usize,
    sets: &mut [u64],
) -> usize {
    let rows = sets.len();
    let tables: [&Table; N] = std::array::from_fn(|i| &tables[i]);
    let places: [&[u8]; N] = std::array::from_fn(|i| &places[groups[i].input][start..start + rows]);
    for (row, set) in sets.iter_mut().enumerate() {
        for i in 0..N {
            *set &= tables[i][usize::from(places[i][row])];
        }
    }
    N
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Coding, InputColumn};
    use limbeck_data::{Feature, FeatureValues, generator};
    use rand::RngExt;

    /// Inputs as they are: `width` number columns without scaling.
    fn plain_inputs(width: usize) -> Inputs {
        let column = |i| InputColumn {
            name: format!("x{i}"),
            coding: Coding::Number {
                center: 0.0,
                scale: 1.0,
            },
        };
        Inputs {
            columns: (0..width).map(column).collect(),
            slants: Vec::new(),
        }
    }

    fn features(columns: &[Vec<f64>]) -> Features {
        let feature = |(i, values): (usize, &Vec<f64>)| Feature {
            name: format!("x{i}"),
            values: FeatureValues::Number(values.clone()),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            rows: columns[0].len(),
            columns: columns.iter().enumerate().map(feature).collect(),
            past: None,
        }
    }

    fn split(
        input: u32,
        threshold: f32,
        missing_left: bool,
        left: usize,
        right: usize,
    ) -> NodeView {
        NodeView::Split {
            input,
            threshold,
            missing_left,
            left,
            right,
        }
    }

    /// x0 < 1 (missing left) ? (x1 < 2 (missing right) ? 10 : 20) : 30
    fn small() -> Forest {
        let mut trees = Trees::new(0.5);
        trees.push(5, |node| match node {
            0 => split(0, 1.0, true, 2, 1),
            1 => NodeView::Leaf(30.0),
            2 => split(1, 2.0, false, 3, 4),
            3 => NodeView::Leaf(10.0),
            _ => NodeView::Leaf(20.0),
        });
        Forest::new(
            plain_inputs(2),
            trees,
            Output {
                scale: 2.0,
                shift: 1.0,
            },
        )
        .unwrap()
    }

    /// A random tree over `width` inputs with `leaves` leaves; thresholds from a few values, so that they repeat.
    fn random_tree(trees: &mut Trees, width: u32, leaves: usize, rng: &mut rand_pcg::Pcg64) {
        let mut children: Vec<Option<(usize, usize)>> = vec![None];
        while children.len() < 2 * leaves - 1 {
            let open: Vec<usize> = (0..children.len())
                .filter(|node| children[*node].is_none())
                .collect();
            let node = open[rng.random_range(0..open.len())];
            children[node] = Some((children.len(), children.len() + 1));
            children.extend([None, None]);
        }
        let tests: Vec<(u32, f32, bool)> = children
            .iter()
            .map(|_| {
                (
                    rng.random_range(0..width),
                    rng.random_range(-8..8) as f32 / 4.0,
                    rng.random(),
                )
            })
            .collect();
        let values: Vec<f32> = children.iter().map(|_| rng.random::<f32>() - 0.5).collect();
        trees.push(children.len(), |node| match children[node] {
            None => NodeView::Leaf(values[node]),
            Some((left, right)) => split(tests[node].0, tests[node].1, tests[node].2, left, right),
        });
    }

    fn random_forest(count: usize, leaves: usize) -> Forest {
        let mut rng = generator(5, "trees", leaves as u64);
        let mut trees = Trees::new(0.25);
        for _ in 0..count {
            random_tree(&mut trees, 4, leaves, &mut rng);
        }
        Forest::new(
            plain_inputs(4),
            trees,
            Output {
                scale: 1.5,
                shift: -3.0,
            },
        )
        .unwrap()
    }

    /// Values that often equal a threshold, with missing ones and both zeros.
    fn random_rows(rows: usize) -> Features {
        let mut rng = generator(6, "rows", 0);
        let mut cell = || match rng.random_range(0..20) {
            0 => f64::NAN,
            1 => -0.0,
            2 => rng.random::<f64>() * 1e300,
            _ => f64::from(rng.random_range(-9..9)) / 4.0,
        };
        let columns: Vec<Vec<f64>> = (0..4)
            .map(|_| (0..rows).map(|_| cell()).collect())
            .collect();
        features(&columns)
    }

    #[test]
    fn forest_of_one_tree_agrees_with_hand() {
        let nan = f64::NAN;
        let x = features(&[vec![0.0, 0.0, 1.0, nan, 0.0], vec![1.0, 2.0, 0.0, 0.0, nan]]);
        // 1 + 2·(0.5 + leaf)
        assert_eq!(small().predict(&x).unwrap(), [22.0, 42.0, 62.0, 22.0, 42.0]);
        assert_eq!(small().leaves(&x).unwrap(), [0, 1, 2, 0, 1]);
        // Two thresholds, three leaves; two columns of two numbers; base, scale and shift.
        assert_eq!(small().parameters(), 5 + 4 + 3);
    }

    #[test]
    fn scorer_agrees_with_walk() {
        for leaves in [1, 2, 7, 31, 64] {
            let forest = random_forest(20, leaves);
            let x = random_rows(3 * STRIP + 5);
            let matrix = forest.inputs.encode(&x).unwrap();
            let fast = forest
                .scorer
                .as_ref()
                .unwrap()
                .sums(&forest.trees, &matrix, 3, x.rows - 3);
            let slow = forest.trees.sums(&matrix, 3, x.rows - 3);
            assert!(
                fast.iter()
                    .zip(&slow)
                    .all(|(a, b)| a.to_bits() == b.to_bits()),
                "{leaves} leaves"
            );
            assert!(leaves == 1 || slow.iter().any(|sum| sum.to_bits() != slow[0].to_bits()));
        }
    }

    #[test]
    fn trees_too_large_for_sets_are_walked() {
        let forest = random_forest(3, 65);
        assert_eq!(forest.scorer, None);
        assert_eq!(forest.predict(&random_rows(100)).unwrap().len(), 100);
    }

    #[test]
    fn predictions_do_not_depend_on_blocks_or_threads() {
        let forest = random_forest(10, 31);
        let x = random_rows(BLOCK + 100);
        let whole = forest.predict(&x).unwrap();
        let rows: Vec<usize> = (BLOCK - 10..BLOCK + 20).collect();
        let part = forest.predict(&x.select(&rows)).unwrap();
        assert!(
            rows.iter()
                .zip(&part)
                .all(|(row, value)| whole[*row].to_bits() == value.to_bits())
        );
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(one.install(|| forest.predict(&x).unwrap()), whole);
    }

    #[test]
    fn forest_bytes_round_trip() {
        let forest = random_forest(5, 31);
        let bytes = forest.to_bytes().unwrap();
        let read = Forest::from_bytes(&bytes).unwrap();
        assert_eq!(read, forest);
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn forest_rejects_truncated_and_flipped_bytes() {
        let bytes = small().to_bytes().unwrap();
        assert!((0..bytes.len()).all(|end| Forest::from_bytes(&bytes[..end]).is_err()));
        let mut rng = generator(7, "flips", 0);
        for _ in 0..500 {
            let mut damaged = bytes.clone();
            damaged[rng.random_range(0..bytes.len())] ^= 1 << rng.random_range(0..8);
            assert!(Forest::from_bytes(&damaged).is_err());
        }
    }

    /// What the check says about the small tree with one change.
    fn complaint(change: impl Fn(&mut Trees)) -> String {
        let mut trees = small().trees;
        change(&mut trees);
        let error = Forest::new(
            plain_inputs(2),
            trees,
            Output {
                scale: 1.0,
                shift: 0.0,
            },
        )
        .unwrap_err();
        error.to_string()
    }

    #[test]
    fn forest_rejects_trees_that_lead_nowhere() {
        // In preorder: 0 root, 1 inner, 2 leaf, 3 leaf, 4 leaf.
        assert!(complaint(|t| t.right[0] = 0).contains("node 0"));
        assert!(complaint(|t| t.right[0] = 1).contains("node 0"));
        assert!(complaint(|t| t.right[1] = 4).contains("outside its own nodes"));
        assert!(complaint(|t| t.right[0] = u32::MAX).contains("outside"));
        assert!(complaint(|t| t.right[3] = 2).contains("leaf 3"));
        assert!(complaint(|t| t.split[1] = LEAF).contains("leaf 1"));
        assert!(complaint(|t| t.split[4] = 0).contains("node 4"));
        assert!(complaint(|t| t.split[0] = 4).contains("tests input 2"));
        assert!(complaint(|t| t.value[2] = f32::NAN).contains("not finite"));
        assert!(complaint(|t| t.starts.insert(0, 0)).contains("no nodes"));
    }
}
