//! A sum of decision trees, stored as flat arrays.

use alloc::{format, string::String, vec, vec::Vec};

/// Maximum number of splits in an ensemble; also its maximum number of leaves. The limit protects against files that declare absurd sizes.
const MAX_NODES: usize = 1 << 24;

/// Decision trees whose leaves are added up: the payload of [`Op::TreeEnsemble`](crate::Op::TreeEnsemble).
///
/// # Formula
///
/// ```text
/// out = Σ_t leaf_t(x)        in f32, in the order of the trees
/// ```
///
/// A row starts at the root of each tree. At a split, it goes to the left child if `x[input] < threshold`, otherwise to the right child. If the input
/// is NaN, it goes in a direction that is stored with the split.
///
/// # Shapes
///
/// `[n, c]` → `[n, 1]`.
///
/// The splits of all trees are numbered from 0; the numbers of the leaves follow. So a number below `threshold.len()` means a split, and any other
/// means leaf `number − threshold.len()`.
///
/// A tree of `l` leaves has `l − 1` splits of four numbers (input, threshold, two children), `l` leaf values and its root:
/// `5 l − 3` fitted parameters.
///
/// # Errors
///
/// [`Graph::new`](crate::Graph::new) returns an error for arrays whose lengths do not match, a root or child that does not exist, a child
/// that does not come after its parent (this rules out cycles), a split or leaf that is not reached from exactly one root or parent, an input
/// outside the row, more than 2²⁴ splits or leaves, and numbers that are not finite.
///
/// ```
/// use limbeck_runtime::{Graph, Node, Op, TreeEnsemble};
/// // One tree: 10 below x = 0.5, else 20; missing goes to the left.
/// let trees = TreeEnsemble { roots: vec![0], inputs: vec![1], threshold: vec![0.5], children: vec![1, 2], leaves: vec![10.0, 20.0] };
/// let graph = Graph::new(1, vec![Node::new(Op::TreeEnsemble(trees), [0])])?;
/// assert_eq!(graph.run(&[0.0, 0.5, f32::NAN], 3), [10.0, 20.0, 10.0]);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TreeEnsemble {
    /// For each tree, the number of its root, which is a split or a leaf.
    pub roots: Vec<u32>,
    /// For each split, twice the index of the input that it tests, plus 1 if NaN goes to the left.
    pub inputs: Vec<u32>,
    /// For each split, the threshold: rows whose input is below it go to the left.
    pub threshold: Vec<f32>,
    /// For each split, the numbers of its left and its right child; `[splits, 2]`.
    pub children: Vec<u32>,
    /// Values of the leaves.
    pub leaves: Vec<f32>,
}

impl TreeEnsemble {
    /// Number of fitted parameters that a prediction uses: one for each root, four for each split, and one for each leaf.
    pub fn parameters(&self) -> usize {
        self.roots.len()
            + self.inputs.len()
            + self.threshold.len()
            + self.children.len()
            + self.leaves.len()
    }

    /// The reason why the trees cannot run on rows of `width` numbers; `None` if they can.
    pub(crate) fn fault(&self, width: usize) -> Option<String> {
        let (splits, leaves) = (self.threshold.len(), self.leaves.len());
        if splits > MAX_NODES || leaves > MAX_NODES {
            return Some(format!(
                "{splits} splits and {leaves} leaves, expected at most {MAX_NODES} of each"
            ));
        }
        if self.inputs.len() != splits || self.children.len() != 2 * splits {
            return Some(format!(
                "number of inputs is {}, of children {}, of splits {splits}; expected one input and two children per split",
                self.inputs.len(),
                self.children.len()
            ));
        }
        if self.roots.is_empty() {
            return Some("no trees, at least one expected".into());
        }
        if let Some(at) = self.threshold.iter().position(|x| !x.is_finite()) {
            return Some(format!(
                "the threshold of split {at} is {}, a finite number expected",
                self.threshold[at]
            ));
        }
        if let Some(at) = self.leaves.iter().position(|x| !x.is_finite()) {
            return Some(format!(
                "leaf {at} is {}, a finite number expected",
                self.leaves[at]
            ));
        }
        if let Some(at) = self.inputs.iter().position(|&i| i as usize / 2 >= width) {
            return Some(format!(
                "split {at} tests input {} (counted from 0), but rows have width {width}",
                self.inputs[at] / 2
            ));
        }
        self.shape_fault()
    }

    fn shape_fault(&self) -> Option<String> {
        let splits = self.threshold.len();
        let mut reached = vec![false; splits + self.leaves.len()];
        let mut reach = |what: &str, from: usize, to: u32| match reached.get_mut(to as usize) {
            None => Some(format!(
                "{what} {from} leads to number {to}, but there are only {} splits and leaves (numbered from 0)",
                splits + self.leaves.len()
            )),
            Some(true) => Some(format!(
                "{what} {from} leads to number {to}, but another split or root leads there too"
            )),
            Some(seen) => {
                *seen = true;
                None
            }
        };
        for (tree, &root) in self.roots.iter().enumerate() {
            if let Some(fault) = reach("root", tree, root) {
                return Some(fault);
            }
        }
        for (at, &child) in self.children.iter().enumerate() {
            let split = at / 2;
            // Then every step leads to a larger number, so that each path ends.
            if child as usize <= split {
                return Some(format!(
                    "split {split} leads back to split {child}, but children must come after their parent"
                ));
            }
            if let Some(fault) = reach("split", split, child) {
                return Some(fault);
            }
        }
        let lost = reached.iter().position(|reached| !reached)?;
        Some(format!(
            "no root or split leads to number {lost} (splits are numbered from 0, then leaves)"
        ))
    }

    /// The sum of the leaves that one row reaches, computed in simple loops. Tests compare [`Walker`] with it.
    pub(crate) fn sum(&self, row: &[f32]) -> f32 {
        let splits = self.threshold.len();
        let leaf = |root: u32| {
            let mut at = root as usize;
            while at < splits {
                let x = row[self.inputs[at] as usize / 2];
                let left = if x.is_nan() {
                    self.inputs[at] % 2 == 1
                } else {
                    x < self.threshold[at]
                };
                at = self.children[2 * at + usize::from(!left)] as usize;
            }
            self.leaves[at - splits]
        };
        self.roots.iter().fold(0.0, |sum, &root| sum + leaf(root))
    }
}

/// Trees compiled for fast execution: the data of a split is adjacent in memory, and choosing a child needs no branch.
#[derive(Clone, Debug)]
pub(crate) struct Walker {
    roots: Vec<u32>,
    splits: Vec<Split>,
    leaves: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Split {
    threshold: f32,
    input: u32,
    /// The numbers of the next nodes: for a value that is at least the threshold, for a value below it, for NaN.
    to: [u32; 3],
}

impl Walker {
    pub(crate) fn new(trees: &TreeEnsemble) -> Self {
        let split = |at: usize| {
            let [left, right] = [trees.children[2 * at], trees.children[2 * at + 1]];
            let missing = if trees.inputs[at] % 2 == 1 {
                left
            } else {
                right
            };
            Split {
                threshold: trees.threshold[at],
                input: trees.inputs[at] / 2,
                to: [right, left, missing],
            }
        };
        Walker {
            roots: trees.roots.clone(),
            splits: (0..trees.threshold.len()).map(split).collect(),
            leaves: trees.leaves.clone(),
        }
    }

    /// Computes the sums for all rows of `x`, which has `width` numbers per row. The outer loop runs over the trees, so that one tree stays in the
    /// cache for all rows.
    pub(crate) fn run(&self, x: &[f32], width: usize, to: &mut [f32]) {
        let to = &mut to[..x.len() / width];
        to.fill(0.0);
        for &root in &self.roots {
            for (row, to) in x.chunks_exact(width).zip(to.iter_mut()) {
                let mut at = root as usize;
                while let Some(split) = self.splits.get(at) {
                    let x = row[split.input as usize];
                    let way = usize::from(x < split.threshold) + 2 * usize::from(x.is_nan());
                    at = split.to[way] as usize;
                }
                *to += self.leaves[at - self.splits.len()];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Node, Op, Plan, Scratch};
    use proptest::prelude::*;

    /// Two trees on two inputs: x0 < 1 ? (x1 < 2 ? 1 : 2) : 4, and a single leaf, 0.5. NaN in x0 goes left, NaN in x1 right.
    fn trees() -> TreeEnsemble {
        TreeEnsemble {
            roots: vec![0, 5],
            inputs: vec![1, 2],
            threshold: vec![1.0, 2.0],
            children: vec![1, 4, 2, 3],
            leaves: vec![1.0, 2.0, 4.0, 0.5],
        }
    }

    fn graph(trees: TreeEnsemble, width: usize) -> crate::Result<Graph> {
        Graph::new(width, vec![Node::new(Op::TreeEnsemble(trees), [0])])
    }

    #[test]
    fn tree_ensemble_matches_hand_values() {
        let graph = graph(trees(), 2).unwrap();
        // 2 roots, 2 splits of 4, 4 leaves
        assert_eq!((graph.output_width(), graph.parameters()), (1, 14));
        let nan = f32::NAN;
        let x = [
            0.0,
            0.0,
            0.0,
            2.0,
            1.0,
            0.0,
            nan,
            0.0,
            0.0,
            nan,
            -f32::INFINITY,
            f32::INFINITY,
        ];
        assert_eq!(graph.run(&x, 6), [1.5, 2.5, 4.5, 1.5, 2.5, 2.5]);
    }

    #[test]
    fn tree_ensemble_rejects_what_leads_nowhere() {
        type Damage = fn(&mut TreeEnsemble);
        let cases: [(Damage, &str); 12] = [
            (|t| t.children[2] = 0, "leads back to split 0"),
            (|t| t.children[2] = 1, "leads back to split 1"),
            (|t| t.children[2] = 6, "only 6 splits and leaves"),
            (|t| t.children[2] = u32::MAX, "only 6 splits and leaves"),
            (
                |t| t.children[2] = 3,
                "another split or root leads there too",
            ),
            (|t| t.roots[1] = 0, "another split or root leads there too"),
            (|t| t.leaves.push(1.0), "no root or split leads to number 6"),
            (
                |t| t.threshold[1] = f32::NAN,
                "the threshold of split 1 is NaN",
            ),
            (|t| t.leaves[2] = f32::INFINITY, "leaf 2 is inf"),
            (|t| t.inputs[0] = 4, "split 0 tests input 2"),
            (
                |t| t.inputs.truncate(1),
                "number of inputs is 1, of children 4, of splits 2;",
            ),
            (|t| *t = TreeEnsemble::default(), "no trees"),
        ];
        for (change, message) in cases {
            let mut trees = trees();
            change(&mut trees);
            let error = format!("{}", graph(trees, 2).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn tree_ensemble_rejects_absurd_counts() {
        let count = MAX_NODES + 1;
        let leaves = TreeEnsemble {
            leaves: vec![0.0; count],
            ..TreeEnsemble::default()
        };
        let error = format!("{}", graph(leaves, 1).unwrap_err());
        assert!(error.contains("at most"), "{error}");
    }

    /// Complete trees of the given depth over `inputs` columns; all thresholds and leaves differ.
    fn complete(trees: u32, depth: u32, inputs: u32) -> TreeEnsemble {
        let (splits, mut made) = (trees * (2u32.pow(depth) - 1), TreeEnsemble::default());
        for tree in 0..trees {
            let first = tree * (2u32.pow(depth) - 1);
            made.roots
                .push(if depth == 0 { splits + tree } else { first });
            for at in 0..2u32.pow(depth) - 1 {
                let number = tree * 131 + at * 17;
                made.inputs.push(2 * (number % inputs) + number % 2);
                made.threshold.push((number % 19) as f32 / 9.0 - 1.0);
                for child in [2 * at + 1, 2 * at + 2] {
                    let inner = 2u32.pow(depth) - 1;
                    made.children.push(if child < inner {
                        first + child
                    } else {
                        splits + tree * 2u32.pow(depth) + child - inner
                    });
                }
            }
            made.leaves.extend(
                (0..2u32.pow(depth)).map(|leaf| ((tree + leaf * 7) % 23) as f32 * 0.37 - 4.0),
            );
        }
        made
    }

    proptest! {
        #[test]
        fn plan_agrees_with_plain_trees_bit_for_bit(
            trees in 1u32..9, depth in 0u32..5, inputs in 1u32..5,
            x in prop::collection::vec(prop_oneof![9 => -1.5f32..1.5, 1 => Just(f32::NAN)], 4..400),
        ) {
            let graph = graph(complete(trees, depth, inputs), inputs as usize).unwrap();
            let n = x.len() / inputs as usize;
            let plan = Plan::new(&graph).unwrap();
            let expected = graph.run(&x, n);
            let mut out = vec![f32::NAN; n];
            plan.run(&x, n, &mut out);
            prop_assert_eq!(&out, &expected);
            let (mut scratch, mut one) = (Scratch::default(), [0.0]);
            for (row, expected) in x.chunks_exact(inputs as usize).zip(expected) {
                plan.run_row(row, &mut scratch, &mut one);
                prop_assert_eq!(one[0].to_bits(), expected.to_bits());
            }
        }
    }

    #[test]
    fn plan_joins_a_relu_to_trees() {
        let mut trees = trees();
        trees.leaves = vec![-1.0, 2.0, 4.0, 0.5];
        let nodes = vec![
            Node::new(Op::TreeEnsemble(trees), [0]),
            Node::new(Op::Relu, [1]),
        ];
        let plan = Plan::new(&Graph::new(2, nodes).unwrap()).unwrap();
        let mut out = [f32::NAN; 2];
        plan.run(&[0.0, 0.0, 0.0, 3.0], 2, &mut out);
        assert_eq!(out, [0.0, 2.5]);
    }
}
