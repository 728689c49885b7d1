//! The trees of a `TreeEnsembleRegressor`, which the file has as lists over all nodes.

use std::collections::{HashMap, HashSet};

use super::super::fault::{Fault, Parsed, short};
use super::super::trees::{Aggregate, Missing, Node, Test, Tree};
use super::node::{FileNode, several_targets};

/// Lists of one length, a place for each node of each tree.
pub(super) struct TreeLists<'a> {
    name: &'a str,
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    yes: &'a [i64],
    no: &'a [i64],
    /// Where missing values go to `yes`; empty for nowhere.
    tracks: &'a [i64],
    modes: &'a [&'a [u8]],
    values: &'a [f64],
    /// Value of a leaf, by tree and node.
    leaves: HashMap<(i64, i64), f64>,
}

impl<'a> TreeLists<'a> {
    /// Reads the lists of a node.
    ///
    /// # Errors
    ///
    /// Where they differ in length or hold several targets.
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
            format!("lists of {count} and {lengths:?} nodes"),
            "lists of one length",
        ))
    }

    /// All trees, in the order of the file.
    ///
    /// # Errors
    ///
    /// For a tree without a root or with a test of an unknown mode.
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

    /// A tree of these nodes, its root first.
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
                self.broken(format!("no root in tree {tree}"), "a node that is no child")
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
                    "LEAF or BRANCH_LEQ, LT, GTE, GT, EQ, NEQ",
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

/// Values of leaves: a sum where a leaf has several.
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
        return Err(Fault::malformed(name, found, "one per target id"));
    }
    let mut leaves: HashMap<(i64, i64), f64> = HashMap::new();
    for (at, weight) in weights.iter().enumerate() {
        *leaves.entry((trees[at], nodes[at])).or_default() += weight;
    }
    Ok(leaves)
}

/// How the trees' values are joined.
///
/// # Errors
///
/// For a way that is not known.
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
