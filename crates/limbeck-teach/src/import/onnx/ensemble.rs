//! Reads the trees of the operations `TreeEnsembleRegressor` and `TreeEnsemble`. The file stores the nodes of all trees
//! in lists of equal length: one list for each field of a node. `TreeEnsemble` stores leaves in lists of their own.

use std::collections::{HashMap, HashSet};

use super::super::fault::{Fault, Parsed, short};
use super::super::trees::{Aggregate, Missing, Node, Test, Tree};
use super::node::{FileNode, several_targets};

/// Lists of a `TreeEnsembleRegressor`: all, except `leaves`, have one element for each node of all trees.
pub(super) struct TreeLists<'a> {
    name: &'a str,
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    yes: &'a [i64],
    no: &'a [i64],
    /// For each node: 1 if the file sends missing values to the true branch, else 0. An empty list means 0 for all
    /// nodes.
    tracks: &'a [i64],
    modes: &'a [&'a [u8]],
    values: &'a [f64],
    /// Value of each leaf, by the pair of its tree id and its node id.
    leaves: HashMap<(i64, i64), f64>,
}

impl<'a> TreeLists<'a> {
    /// Reads the lists from a node of the graph. `values` are the thresholds, `weights` the values of the leaves.
    ///
    /// # Errors
    ///
    /// If the lengths differ or there are several targets.
    pub(super) fn read(
        node: &'a FileNode<'_>,
        name: &'a str,
        values: &'a [f64],
        weights: &[f64],
    ) -> Parsed<Self> {
        let modes: &[&[u8]] = node
            .attributes
            .get("nodes_modes")
            .map(|modes| modes.texts.as_slice())
            .unwrap_or_default();
        let lists = Self {
            name,
            trees: node.ints("nodes_treeids"),
            ids: node.ints("nodes_nodeids"),
            features: node.ints("nodes_featureids"),
            yes: node.ints("nodes_truenodeids"),
            no: node.ints("nodes_falsenodeids"),
            tracks: node.ints("nodes_missing_value_tracks_true"),
            modes,
            values,
            leaves: leaves(node, name, weights)?,
        };
        lists.check()?;
        Ok(lists)
    }

    fn broken(&self, found: String, expected: &str) -> Fault {
        Fault::malformed(self.name, found, expected)
    }

    fn check(&self) -> Parsed<()> {
        let count = self.trees.len();
        let lengths = [
            self.ids.len(),
            self.features.len(),
            self.yes.len(),
            self.no.len(),
            self.modes.len(),
            self.values.len(),
        ];
        let same = lengths.iter().all(|&length| length == count)
            && (self.tracks.is_empty() || self.tracks.len() == count);
        if same {
            return Ok(());
        }
        Err(self.broken(
            format!("lists of {count} and {lengths:?} elements"),
            "lists of equal length",
        ))
    }

    /// All trees, in the order of the file.
    ///
    /// # Errors
    ///
    /// For a tree without a root, and for an unknown mode.
    pub(super) fn trees(&self) -> Parsed<Vec<Tree>> {
        let (mut order, mut members): (Vec<i64>, HashMap<i64, Vec<usize>>) =
            (Vec::new(), HashMap::new());
        for (at, tree) in self.trees.iter().enumerate() {
            let nodes = members.entry(*tree).or_default();
            if nodes.is_empty() {
                order.push(*tree);
            }
            nodes.push(at);
        }
        order
            .iter()
            .map(|tree| self.tree(*tree, members.remove(tree).unwrap_or_default()))
            .collect()
    }

    /// Builds the tree with the id `tree`, its root first. `nodes` are the indices of its nodes in the lists, in any
    /// order.
    fn tree(&self, tree: i64, mut nodes: Vec<usize>) -> Parsed<Tree> {
        let children: HashSet<i64> = nodes
            .iter()
            .filter(|&&at| self.modes[at] != b"LEAF")
            .flat_map(|&at| [self.yes[at], self.no[at]])
            .collect();
        let root = nodes
            .iter()
            .position(|&at| !children.contains(&self.ids[at]))
            .ok_or_else(|| {
                self.broken(
                    format!("no root in tree {tree}"),
                    "a node that is not the child of another",
                )
            })?;
        nodes.swap(0, root);
        let places: HashMap<i64, u32> = nodes
            .iter()
            .enumerate()
            .map(|(place, &at)| (self.ids[at], place as u32))
            .collect();
        Ok(Tree {
            nodes: nodes
                .iter()
                .map(|&at| self.node(tree, at, &places))
                .collect::<Parsed<_>>()?,
        })
    }

    fn node(&self, tree: i64, at: usize, places: &HashMap<i64, u32>) -> Parsed<Node> {
        let test = match self.modes[at] {
            b"LEAF" => {
                let value = self.leaves.get(&(tree, self.ids[at]));
                return Ok(Node::Leaf(value.copied().unwrap_or(0.0)));
            }
            b"BRANCH_LEQ" => Test::AtMost,
            b"BRANCH_LT" => Test::Below,
            b"BRANCH_GTE" => Test::AtLeast,
            b"BRANCH_GT" => Test::Above,
            b"BRANCH_EQ" => Test::Equal,
            b"BRANCH_NEQ" => Test::Unequal,
            other => {
                return Err(self.broken(
                    format!("the mode {}", short(&String::from_utf8_lossy(other))),
                    "LEAF, BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ or BRANCH_NEQ",
                ));
            }
        };
        let child = |id: i64| places.get(&id).copied().unwrap_or(u32::MAX);
        let tracks = self.tracks.get(at).is_some_and(|&tracks| tracks != 0);
        Ok(Node::Number {
            input: u32::try_from(self.features[at]).unwrap_or(u32::MAX),
            test,
            threshold: self.values[at],
            missing: Missing::Answer(tracks || test == Test::Unequal),
            yes: child(self.yes[at]),
            no: child(self.no[at]),
        })
    }
}

/// The value of each leaf, by the pair of its tree id and its node id. If a leaf has several weights, its value is
/// their sum.
fn leaves(node: &FileNode<'_>, name: &str, weights: &[f64]) -> Parsed<HashMap<(i64, i64), f64>> {
    let [trees, nodes, targets] = [
        node.ints("target_treeids"),
        node.ints("target_nodeids"),
        node.ints("target_ids"),
    ];
    if targets.iter().any(|&id| id != 0) {
        return Err(several_targets(name));
    }
    if [trees, nodes, targets]
        .iter()
        .any(|ids| ids.len() != weights.len())
    {
        let found = format!("{} target weights", weights.len());
        return Err(Fault::malformed(
            name,
            found,
            "as many as target ids, tree ids and node ids",
        ));
    }
    let mut leaves: HashMap<(i64, i64), f64> = HashMap::new();
    for (at, weight) in weights.iter().enumerate() {
        *leaves.entry((trees[at], nodes[at])).or_default() += weight;
    }
    Ok(leaves)
}

/// Lists of a `TreeEnsemble`, the newer operation. It has separate lists for splits (called nodes) and leaves, and a
/// list of roots.
pub(super) struct RootLists<'a> {
    name: &'a str,
    roots: &'a [i64],
    features: &'a [i64],
    /// The child of each node if its test holds. First list: the child's index among the nodes or among the leaves.
    /// Second list: 1 if the child is a leaf, 0 if it is a node.
    yes: (&'a [i64], &'a [i64]),
    no: (&'a [i64], &'a [i64]),
    tracks: &'a [i64],
    aggregate: i64,
    splits: &'a [f64],
    leaves: &'a [f64],
    modes: &'a [f64],
    /// The set of values of each node with a membership test, in the order of the nodes. The test holds if the input
    /// equals one of the values.
    members: Vec<&'a [f64]>,
}

/// The mode of a membership test (`BRANCH_MEMBER`).
const MEMBER: i64 = 6;

impl<'a> RootLists<'a> {
    /// Reads the lists from a node of the graph. `numbers` are four tensors, in this order: thresholds, values of the
    /// leaves, membership values, modes.
    ///
    /// # Errors
    ///
    /// If the lengths differ, there are several targets, or the node has a `post_transform`.
    pub(super) fn read(
        node: &'a FileNode<'_>,
        name: &'a str,
        numbers: &'a [Vec<f64>],
    ) -> Parsed<Self> {
        let [splits, leaves, members, modes] = numbers else {
            unreachable!("there are four tensors")
        };
        let is_one = node.int("n_targets", 1) == 1;
        if !is_one || node.ints("leaf_targetids").iter().any(|&id| id != 0) {
            return Err(several_targets(name));
        }
        if node.int("post_transform", 0) != 0 {
            return Err(Fault::unsupported(
                format!("{name} has a post_transform other than 0 (none)"),
                "give a regression model",
            ));
        }
        let lists = Self {
            name,
            roots: node.ints("tree_roots"),
            features: node.ints("nodes_featureids"),
            yes: (node.ints("nodes_truenodeids"), node.ints("nodes_trueleafs")),
            no: (
                node.ints("nodes_falsenodeids"),
                node.ints("nodes_falseleafs"),
            ),
            tracks: node.ints("nodes_missing_value_tracks_true"),
            aggregate: node.int("aggregate_function", 1),
            splits,
            leaves,
            modes,
            members: members.split(|value| value.is_nan()).collect(),
        };
        let count = lists.features.len();
        let lengths = [
            lists.yes.0.len(),
            lists.yes.1.len(),
            lists.no.0.len(),
            lists.no.1.len(),
            lists.splits.len(),
            lists.modes.len(),
        ];
        let tracked = lists.tracks.is_empty() || lists.tracks.len() == count;
        if tracked && lengths.iter().all(|&length| length == count) {
            return Ok(lists);
        }
        let found = format!("lists of {count} and {lengths:?} elements");
        Err(Fault::malformed(name, found, "lists of equal length"))
    }

    /// How the values of the trees are combined.
    ///
    /// # Errors
    ///
    /// For an unknown aggregate function.
    pub(super) fn aggregate(&self) -> Parsed<Aggregate> {
        let ways = [
            Aggregate::Average,
            Aggregate::Sum,
            Aggregate::Min,
            Aggregate::Max,
        ];
        let way = usize::try_from(self.aggregate)
            .ok()
            .and_then(|at| ways.get(at));
        way.copied().ok_or_else(|| {
            let found = format!("the aggregate {}", self.aggregate);
            Fault::malformed(
                self.name,
                found,
                "0 (average), 1 (sum), 2 (minimum) or 3 (maximum)",
            )
        })
    }

    /// One tree per root. All trees together may have at most four times as many nodes as the file has nodes, leaves,
    /// roots and membership values.
    ///
    /// # Errors
    ///
    /// For a child that does not exist, an unknown mode, and roots that share most of their nodes.
    pub(super) fn trees(&self) -> Parsed<Vec<Tree>> {
        let mut room = 4 * (self.features.len() + self.leaves.len() + self.roots.len());
        let mut sets = HashMap::new();
        let is_member = |&at: &usize| self.modes[at] as i64 == MEMBER;
        for (which, at) in (0..self.features.len()).filter(is_member).enumerate() {
            sets.insert(at, self.members.get(which).copied().unwrap_or_default());
        }
        let sizes: usize = sets.values().map(|set| set.len()).sum();
        room += 4 * sizes;
        self.roots
            .iter()
            .map(|&root| self.tree(root, &sets, &mut room))
            .collect()
    }

    fn tree(&self, root: i64, sets: &HashMap<usize, &[f64]>, room: &mut usize) -> Parsed<Tree> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut places: HashMap<(i64, bool), u32> = HashMap::new();
        let mut pending = vec![(root, false)];
        places.insert((root, false), 0);
        let mut next = 0;
        // First assign an index to each reachable node or leaf. A membership test takes one node per value.
        let mut order = Vec::new();
        while let Some((id, is_leaf)) = pending.pop() {
            let size = self.size(id, is_leaf, sets)?;
            *room = room.checked_sub(size).ok_or_else(|| {
                Fault::malformed(
                    self.name,
                    "roots that share most of their nodes",
                    "separate nodes for each tree",
                )
            })?;
            places.insert((id, is_leaf), next);
            next += size as u32;
            order.push((id, is_leaf));
            if !is_leaf {
                for side in self.sides(id as usize) {
                    places.entry(side).or_insert_with(|| {
                        pending.push(side);
                        u32::MAX
                    });
                }
            }
        }
        for (id, is_leaf) in order {
            match is_leaf {
                true => nodes.push(Node::Leaf(self.leaves[id as usize])),
                false => self.push(id as usize, &places, sets, &mut nodes)?,
            }
        }
        Ok(Tree { nodes })
    }

    /// Number of nodes that are made from one node or leaf of the file: one, or one per value for a membership test.
    fn size(&self, id: i64, is_leaf: bool, sets: &HashMap<usize, &[f64]>) -> Parsed<usize> {
        let count = if is_leaf {
            self.leaves.len()
        } else {
            self.features.len()
        };
        let at = usize::try_from(id)
            .ok()
            .filter(|&at| at < count)
            .ok_or_else(|| {
                Fault::malformed(
                    self.name,
                    format!("the child node or leaf {id}"),
                    format!("an index below {count}"),
                )
            })?;
        let set = sets.get(&at).filter(|_| !is_leaf);
        Ok(set.map_or(1, |set| set.len().max(1)))
    }

    fn sides(&self, at: usize) -> [(i64, bool); 2] {
        [
            (self.yes.0[at], self.yes.1[at] != 0),
            (self.no.0[at], self.no.1[at] != 0),
        ]
    }

    fn push(
        &self,
        at: usize,
        places: &HashMap<(i64, bool), u32>,
        sets: &HashMap<usize, &[f64]>,
        nodes: &mut Vec<Node>,
    ) -> Parsed<()> {
        let [yes, no] = self
            .sides(at)
            .map(|side| places.get(&side).copied().unwrap_or(u32::MAX));
        let tracks = self.tracks.get(at).is_some_and(|&tracks| tracks != 0);
        let split = |test: Test, threshold: f64, no: u32| Node::Number {
            input: u32::try_from(self.features[at]).unwrap_or(u32::MAX),
            test,
            threshold,
            missing: Missing::Answer(tracks || test == Test::Unequal),
            yes,
            no,
        };
        let test = match self.modes[at] as i64 {
            0 => Test::AtMost,
            1 => Test::Below,
            2 => Test::AtLeast,
            3 => Test::Above,
            4 => Test::Equal,
            5 => Test::Unequal,
            MEMBER => {
                let set = sets.get(&at).copied().unwrap_or_default();
                // A chain of tests: equal to the first value, else equal to the second, and so on.
                for (which, value) in set.iter().enumerate() {
                    let last = which + 1 == set.len();
                    let next = if last { no } else { nodes.len() as u32 + 1 };
                    nodes.push(split(Test::Equal, *value, next));
                }
                if set.is_empty() {
                    nodes.push(split(Test::Below, f64::NEG_INFINITY, no));
                }
                return Ok(());
            }
            other => {
                return Err(Fault::malformed(
                    self.name,
                    format!("the mode {other}"),
                    "0 to 6",
                ));
            }
        };
        nodes.push(split(test, self.splits[at], no));
        Ok(())
    }
}

/// How the values of the trees are combined.
///
/// # Errors
///
/// For an unknown aggregate function.
pub(super) fn aggregate(node: &FileNode<'_>, name: &str) -> Parsed<Aggregate> {
    match &*node.text("aggregate_function", "SUM") {
        "SUM" => Ok(Aggregate::Sum),
        "AVERAGE" => Ok(Aggregate::Average),
        "MIN" => Ok(Aggregate::Min),
        "MAX" => Ok(Aggregate::Max),
        other => Err(Fault::malformed(
            name,
            format!("the aggregate {}", short(other)),
            "SUM, AVERAGE, MIN or MAX",
        )),
    }
}
