//! Model files of XGBoost, as `save_model` writes them: JSON, or UBJSON with the same content.
//!
//! Inputs, thresholds and sums are in single precision. `value < threshold` goes left; a missing value goes left if
//! `default_left` is set. A category in the node's set goes right, any other category left. The base score of the file
//! is in the target's unit, even if the objective has a logarithmic or logistic link function.
//!
//! Early stopping sets the attribute `best_iteration`. If it is present, only the trees up to that iteration are used,
//! as in `XGBRegressor.predict` (`Booster.predict` would use all trees).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::columns::{Input, Label};
use super::fault::{Fault, Parsed, short};
use super::linear::LinearModel;
use super::trees::{Aggregate, Link, Missing, Node, Precision, Test, Tree, TreeModel};
use super::ubjson;

#[derive(Deserialize)]
struct File {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    feature_names: Vec<String>,
    #[serde(default)]
    feature_types: Vec<String>,
    gradient_booster: Booster,
    learner_model_param: Params,
    objective: Objective,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

#[derive(Deserialize)]
struct Params {
    base_score: String,
    num_feature: String,
    #[serde(default)]
    num_class: String,
    #[serde(default)]
    num_target: String,
}

/// The booster of a file. `gbtree` and `gblinear` have a `model`; `dart` has a `gbtree` with a `model`, and a weight
/// for each tree.
#[derive(Deserialize)]
struct Booster {
    name: String,
    model: Option<Model>,
    gbtree: Option<Box<Gbtree>>,
    weight_drop: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Gbtree {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    trees: Option<Vec<FileTree>>,
    /// For a linear model: one weight per input, then the bias. `None` for trees.
    weights: Option<Vec<f64>>,
    /// Index of the first tree of each iteration, then the number of all trees. Empty if the file does not have this
    /// list.
    #[serde(default)]
    iteration_indptr: Vec<usize>,
    #[serde(default)]
    gbtree_model_param: TreeParams,
    #[serde(default)]
    cats: Cats,
}

#[derive(Default, Deserialize)]
struct TreeParams {
    #[serde(default)]
    num_parallel_tree: String,
}

#[derive(Default, Deserialize)]
struct Cats {
    #[serde(default)]
    enc: Vec<Encoding>,
}

/// The categories of one input. Numbers are in `values`, and `offsets` is `None`. Strings are joined UTF-8 bytes in
/// `values`; `offsets` has the index of the first byte of each string, then the number of bytes.
#[derive(Deserialize)]
struct Encoding {
    offsets: Option<Vec<usize>>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct FileTree {
    left_children: Vec<i32>,
    right_children: Vec<i32>,
    split_indices: Vec<u32>,
    split_conditions: Vec<f64>,
    default_left: Vec<Flag>,
    #[serde(default)]
    split_type: Vec<u8>,
    #[serde(default)]
    categories: Vec<u32>,
    #[serde(default)]
    categories_nodes: Vec<usize>,
    #[serde(default)]
    categories_segments: Vec<usize>,
    #[serde(default)]
    categories_sizes: Vec<usize>,
}

/// A boolean in a model file: XGBoost before about version 1.6 writes `true` and `false`, later versions write 1 and 0.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(u8),
}

/// The content of a model file.
pub(super) struct XgboostModel {
    pub(super) booster: Boosted,
    pub(super) inputs: Vec<Input>,
    /// Notes for the user, for example that early stopping leaves out some trees; empty if there are none.
    pub(super) notes: Vec<String>,
}

/// Trees, or the linear model of `gblinear`.
pub(super) enum Boosted {
    Trees(TreeModel),
    Linear(LinearModel),
}

/// Reads the JSON format.
pub(super) fn parse_json(text: &str) -> Parsed<XgboostModel> {
    read(serde_json::from_str(text).map_err(|error| malformed("JSON", &error.to_string()))?)
}

/// Reads the UBJSON format.
pub(super) fn parse_ubjson(bytes: &[u8]) -> Parsed<XgboostModel> {
    read(ubjson::from_slice(bytes).map_err(|error| malformed("UBJSON", &error.to_string()))?)
}

fn malformed(format: &str, found: &str) -> Fault {
    Fault::unsupported(
        format!("the file is damaged, or is not an XGBoost model in {format} ({found})"),
        "save the model again with save_model(\"model.json\"); the output of dump_model cannot be used",
    )
}

fn read(file: File) -> Parsed<XgboostModel> {
    let learner = file.learner;
    learner.learner_model_param.check_one_output()?;
    let width = whole("`num_feature`", &learner.learner_model_param.num_feature)?;
    let names = &learner.feature_names;
    if !names.is_empty() && names.len() != width {
        return Err(Fault::malformed(
            "`feature_names`",
            format!("{} names", names.len()),
            format!("{width} names, as `num_feature` says"),
        ));
    }
    let objective = &learner.objective.name;
    let link = link(objective)?;
    let base = base_score(&learner.learner_model_param.base_score, link, objective)?;
    let booster = learner.gradient_booster;
    if booster.name == "gblinear" {
        let booster = Boosted::Linear(booster.linear(width, base, link)?);
        let inputs = inputs(names, &learner.feature_types, &Cats::default(), width)?;
        let notes = Vec::new();
        return Ok(XgboostModel {
            booster,
            inputs,
            notes,
        });
    }
    let (mut model, mut weights) = booster.forest()?;
    let notes = model.keep_best(&learner.attributes, &mut weights)?;
    let trees = model.read_trees()?;
    let read = TreeModel {
        trees,
        weights,
        base,
        aggregate: Aggregate::Sum,
        link,
        precision: Precision::Single,
    };
    let read = read.checked(width)?;
    let mut inputs = inputs(names, &learner.feature_types, &model.cats, width)?;
    for node in read.trees.iter().flat_map(|tree| &tree.nodes) {
        if let Node::Category { input, .. } = node {
            inputs[*input as usize].category = true;
        }
    }
    Ok(XgboostModel {
        booster: Boosted::Trees(read),
        inputs,
        notes,
    })
}

impl Params {
    fn check_one_output(&self) -> Parsed<()> {
        let one = |text: &str| matches!(text.trim(), "" | "0" | "1");
        if one(&self.num_class) && one(&self.num_target) {
            return Ok(());
        }
        let what = format!(
            "the model has several outputs (`num_class` is `{}`, `num_target` is `{}`)",
            self.num_class, self.num_target
        );
        Err(Fault::unsupported(
            what,
            "give a regression model with one output",
        ))
    }
}

impl Booster {
    /// Returns the model with its trees, and the list of the weights of the trees: one weight per tree for `dart`, an
    /// empty list for `gbtree`.
    fn forest(self) -> Parsed<(Model, Vec<f64>)> {
        match (self.name.as_str(), self.model, self.gbtree) {
            ("gbtree", Some(model), _) => Ok((model, Vec::new())),
            ("dart", _, Some(inner)) => {
                let count = inner.model.trees.as_ref().map_or(0, Vec::len);
                let weights = self.weight_drop.unwrap_or_default();
                if weights.len() != count {
                    return Err(Fault::malformed(
                        "`weight_drop`",
                        format!("{} weights", weights.len()),
                        format!("{count} weights, one per tree"),
                    ));
                }
                Ok((inner.model, weights))
            }
            ("gbtree" | "dart", ..) => Err(Fault::malformed(
                "`gradient_booster`",
                "no `model`",
                "a model with trees",
            )),
            (name, ..) => Err(Fault::unsupported(
                format!("the booster is {}", short(name)),
                "expected gbtree, dart or gblinear",
            )),
        }
    }

    /// The linear model of `gblinear`. Its bias is added to the base.
    fn linear(self, width: usize, base: f64, link: Link) -> Parsed<LinearModel> {
        let weights = self.model.and_then(|model| model.weights);
        let mut weights = weights.unwrap_or_default();
        let count = weights.len();
        match weights.pop() {
            Some(bias) if weights.len() == width => LinearModel {
                weights,
                base: base + bias,
                link,
            }
            .checked(),
            _ => Err(Fault::malformed(
                "`weights`",
                format!("{count} numbers"),
                format!("{width} weights, as `num_feature` says, and a bias"),
            )),
        }
    }
}

impl Model {
    /// If the file has the attribute `best_iteration`, removes the trees after that iteration, and their weights.
    /// Returns one note for the user if trees were removed, else no notes.
    fn keep_best(
        &mut self,
        attributes: &BTreeMap<String, String>,
        weights: &mut Vec<f64>,
    ) -> Parsed<Vec<String>> {
        let Some(best) = attributes.get("best_iteration") else {
            return Ok(Vec::new());
        };
        let rounds = whole("`best_iteration`", best)?.saturating_add(1);
        let keep = self.trees_of(rounds)?;
        let Some(trees) = &mut self.trees else {
            return Ok(Vec::new());
        };
        let count = trees.len();
        if keep >= count {
            return Ok(Vec::new());
        }
        trees.truncate(keep);
        weights.truncate(keep);
        Ok(vec![format!(
            "the teacher's file has {count} trees; early stopping found iteration {best} (counted from 0) to be the best, so only the first {keep} \
             trees are used, as in XGBRegressor.predict; to use all trees, delete this attribute before saving the \
             model: booster.set_attr(best_iteration=None)"
        )])
    }

    /// Number of trees in the first `rounds` iterations.
    fn trees_of(&self, rounds: usize) -> Parsed<usize> {
        if !self.iteration_indptr.is_empty() {
            return Ok(self
                .iteration_indptr
                .get(rounds)
                .copied()
                .unwrap_or(usize::MAX));
        }
        let parallel = match self.gbtree_model_param.num_parallel_tree.as_str() {
            "" | "0" => 1,
            text => whole("`num_parallel_tree`", text)?,
        };
        Ok(rounds.saturating_mul(parallel))
    }

    fn read_trees(&self) -> Parsed<Vec<Tree>> {
        let trees = self
            .trees
            .as_ref()
            .ok_or_else(|| Fault::malformed("`model`", "no `trees`", "a model with trees"))?;
        trees
            .iter()
            .enumerate()
            .map(|(index, tree)| tree.read(index))
            .collect()
    }
}

/// The `width` inputs of the model; with their names, unless `names` is empty.
fn inputs(names: &[String], types: &[String], cats: &Cats, width: usize) -> Parsed<Vec<Input>> {
    // Without names, `width` is only a number in the file, so it gets a limit.
    if names.is_empty() && width > MOST_INPUTS {
        return Err(Fault::malformed(
            "`num_feature`",
            width.to_string(),
            format!("at most {MOST_INPUTS} inputs in a model without feature names"),
        ));
    }
    let input = |index: usize| Input {
        name: names.get(index).cloned(),
        category: types.get(index).is_some_and(|kind| kind == "c"),
        labels: cats
            .enc
            .get(index)
            .and_then(Encoding::labels)
            .map(Arc::from),
        ..Input::default()
    };
    Ok((0..width).map(input).collect())
}

/// Maximum number of inputs of a model without names.
const MOST_INPUTS: usize = 1 << 16;

fn whole(place: &str, text: &str) -> Parsed<usize> {
    text.trim()
        .parse()
        .map_err(|_| Fault::malformed(place, short(text), "an integer, 0 or larger"))
}

/// The link function of the objective (`PredTransform` in XGBoost).
fn link(objective: &str) -> Parsed<Link> {
    match objective {
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:absoluteerror"
        | "reg:pseudohubererror"
        | "reg:quantileerror" => Ok(Link::Identity),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:aft" => Ok(Link::Exp),
        "reg:logistic" => Ok(Link::Sigmoid),
        _ => Err(Fault::unsupported(
            format!("the XGBoost objective is {}", short(objective)),
            "expected a regression objective: reg:squarederror, reg:squaredlogerror, reg:absoluteerror, reg:pseudohubererror, reg:quantileerror, \
             reg:logistic, count:poisson, reg:gamma, reg:tweedie or survival:aft; or predict with your own program through --teacher-command",
        )),
    }
}

/// The base score, converted from the target's unit to the scale of the sum of the leaves (before the link function).
/// XGBoost 3 writes it in brackets.
fn base_score(text: &str, link: Link, objective: &str) -> Parsed<f64> {
    let number = text.trim().trim_start_matches('[').trim_end_matches(']');
    let value = number.parse::<f32>().ok().filter(|value| value.is_finite());
    let sum = match (value, link) {
        (Some(value), Link::Exp) if value > 0.0 => Some(value.ln()),
        (Some(value), Link::Sigmoid) if 0.0 < value && value < 1.0 => {
            Some(-(1.0 / value - 1.0).ln())
        }
        (_, Link::Exp | Link::Sigmoid) => None,
        (value, _) => value,
    };
    sum.map(f64::from).ok_or_else(|| {
        Fault::malformed(
            "`base_score`",
            short(text),
            format!("a base score that is valid for {objective}"),
        )
    })
}

impl Encoding {
    /// The label of each category code. `None` if there are no labels or a string is damaged. In that case, to predict
    /// a table whose column holds categories is an error.
    fn labels(&self) -> Option<Vec<Label>> {
        let Some(offsets) = &self.offsets else {
            return (!self.values.is_empty()).then(|| {
                self.values
                    .iter()
                    .map(|&value| Label::Number(value))
                    .collect()
            });
        };
        let bytes: Vec<u8> = self.values.iter().map(|&byte| byte as i64 as u8).collect();
        let text = |pair: &[usize]| {
            let bytes = bytes.get(pair[0]..pair[1])?;
            Some(Label::Text(String::from_utf8(bytes.to_vec()).ok()?))
        };
        let labels: Option<Vec<Label>> = offsets.windows(2).map(text).collect();
        labels.filter(|labels| !labels.is_empty())
    }
}

impl FileTree {
    fn read(&self, index: usize) -> Parsed<Tree> {
        let place = || format!("tree {index}");
        let count = self.left_children.len();
        let lengths = [
            self.right_children.len(),
            self.split_indices.len(),
            self.split_conditions.len(),
            self.default_left.len(),
        ];
        let typed = self.split_type.is_empty() || self.split_type.len() == count;
        if lengths.iter().any(|&length| length != count) || !typed {
            return Err(Fault::malformed(
                place(),
                format!("lists of {count} and {lengths:?} elements"),
                "lists of equal length, with one output per leaf",
            ));
        }
        let sets = self.sets(index)?;
        let mut nodes = Vec::with_capacity(count);
        for node in 0..count {
            let (left, right) = (self.left_children[node], self.right_children[node]);
            let condition = f64::from(self.split_conditions[node] as f32);
            if left < 0 {
                nodes.push(Node::Leaf(condition));
                continue;
            }
            // A negative right child next to a valid left child becomes an invalid index, which `checked` refuses.
            let (left, right) = (left as u32, u32::try_from(right).unwrap_or(u32::MAX));
            let input = self.split_indices[node];
            let default_left = match self.default_left[node] {
                Flag::Bool(left) => left,
                Flag::Number(left) => left != 0,
            };
            nodes.push(match (self.split_type.get(node), sets.get(&node)) {
                (None | Some(0), _) => Node::Number {
                    input,
                    test: Test::Below,
                    threshold: condition,
                    missing: Missing::Answer(default_left),
                    yes: left,
                    no: right,
                },
                (Some(1), Some(set)) => Node::Category {
                    input,
                    set: set.clone(),
                    missing_yes: !default_left,
                    yes: right,
                    no: left,
                },
                (Some(kind), _) => {
                    return Err(Fault::malformed(
                        place(),
                        format!("split type {kind} at node {node}"),
                        "type 0 for a number, or type 1 with a set in `categories`",
                    ));
                }
            });
        }
        Ok(Tree { nodes })
    }

    /// The set of category codes of each categorical split, by the index of its node. The file stores each set as a
    /// part of the list `categories`. These parts may not overlap, so the sets take no more memory than the file.
    fn sets(&self, index: usize) -> Parsed<BTreeMap<usize, Arc<[u32]>>> {
        let broken = |found: String| {
            Fault::malformed(
                format!("tree {index}, `categories`"),
                found,
                "lists of equal length, and sets of codes that do not overlap",
            )
        };
        let counts = [self.categories_segments.len(), self.categories_sizes.len()];
        if counts
            .iter()
            .any(|&count| count != self.categories_nodes.len())
        {
            return Err(broken(format!(
                "{} nodes, {} segments, {} sizes",
                self.categories_nodes.len(),
                counts[0],
                counts[1]
            )));
        }
        let mut sets = BTreeMap::new();
        let mut free = 0;
        for (at, &node) in self.categories_nodes.iter().enumerate() {
            let (start, size) = (self.categories_segments[at], self.categories_sizes[at]);
            let codes = start
                .checked_add(size)
                .filter(|_| start >= free)
                .and_then(|end| self.categories.get(start..end));
            let codes = codes.ok_or_else(|| {
                broken(format!(
                    "entries {start} to {} of a list of {} codes",
                    start.saturating_add(size),
                    self.categories.len()
                ))
            })?;
            free = start + size;
            let mut codes = codes.to_vec();
            codes.sort_unstable();
            sets.insert(node, codes.into());
        }
        Ok(sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_without_trees_is_refused_even_with_a_best_iteration() {
        let text = |attributes: &str| {
            format!(
                "{{\"learner\": {{\"attributes\": {{{attributes}}}, \"gradient_booster\": {{\"name\": \"gbtree\", \"model\": {{}}}}, \
                 \"learner_model_param\": {{\"base_score\": \"0.5\", \"num_feature\": \"1\"}}, \"objective\": {{\"name\": \"reg:squarederror\"}}}}}}"
            )
        };
        for attributes in ["", "\"best_iteration\": \"2\""] {
            let message = parse_json(&text(attributes))
                .err()
                .map(|fault| fault.to_string());
            assert!(message.is_some_and(|message| message.contains("no `trees`")));
        }
    }
}
