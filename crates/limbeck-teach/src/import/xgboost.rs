//! XGBoost's JSON model files, as `save_model("model.json")` writes them.
//!
//! Inputs, thresholds and sums are in single precision. `value < threshold` goes left, a missing value by `default_left`. A category goes
//! right where it is in the node's set, left otherwise. The file's base score is in the target's unit, also for objectives with a
//! logarithmic link. All trees count, also those after `best_iteration`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::columns::{Input, Label};
use super::fault::{Fault, Parsed, short};
use super::trees::{Aggregate, Link, Missing, Node, Test, Tree, TreeModel};

#[derive(Deserialize)]
struct File {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
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

/// `gbtree` has a model; `dart` has a `gbtree` and weights.
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
    trees: Vec<FileTree>,
    #[serde(default)]
    cats: Cats,
}

#[derive(Default, Deserialize)]
struct Cats {
    #[serde(default)]
    enc: Vec<Encoding>,
}

/// Categories of one input: texts as bytes with offsets, or numbers.
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

/// Written as `true` before 1.6 or so, as 1 since.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(u8),
}

/// Reads a model and its inputs.
pub(crate) fn parse(text: &str) -> Parsed<(TreeModel, Vec<Input>)> {
    let file: File = serde_json::from_str(text).map_err(|error| {
        Fault::malformed("the file", error.to_string(), "XGBoost's JSON with `learner`, as save_model(\"model.json\") writes it (a dump has no objective)")
    })?;
    let learner = file.learner;
    let one = |text: &str| matches!(text.trim(), "" | "0" | "1");
    let params = &learner.learner_model_param;
    if !one(&params.num_class) || !one(&params.num_target) {
        let what = format!(
            "the model has {} classes and {} targets",
            params.num_class, params.num_target
        );
        return Err(Fault::unsupported(
            what,
            "give a regression model with one output",
        ));
    }
    let width = whole("`num_feature`", &params.num_feature)?;
    let link = link(&learner.objective.name)?;
    let base = base_score(&params.base_score, link, &learner.objective.name)?;
    let booster = learner.gradient_booster;
    let (model, weights) = match (booster.name.as_str(), booster.model, booster.gbtree) {
        ("gbtree", Some(model), _) => (model, Vec::new()),
        ("dart", _, Some(inner)) => {
            let count = inner.model.trees.len();
            let weights = booster.weight_drop.unwrap_or_default();
            if weights.len() != count {
                return Err(Fault::malformed(
                    "`weight_drop`",
                    format!("{} weights", weights.len()),
                    format!("{count}, one per tree"),
                ));
            }
            (inner.model, weights)
        }
        ("gbtree" | "dart", ..) => {
            return Err(Fault::malformed(
                "`gradient_booster`",
                "no `model`",
                "a model with trees",
            ));
        }
        (name, ..) => {
            return Err(Fault::unsupported(
                format!("the booster is {}", short(name)),
                "expected gbtree or dart",
            ));
        }
    };
    let names = learner.feature_names;
    if !names.is_empty() && names.len() != width {
        return Err(Fault::malformed(
            "`feature_names`",
            format!("{} names", names.len()),
            format!("{width}, by `num_feature`"),
        ));
    }
    let trees = model
        .trees
        .iter()
        .enumerate()
        .map(|(index, tree)| tree.read(index))
        .collect::<Parsed<Vec<Tree>>>()?;
    let read = TreeModel {
        trees,
        weights,
        base,
        aggregate: Aggregate::Sum,
        link,
        single: true,
    };
    let read = read.checked(width)?;
    // Only now is `width` no more than a count: a tree may name a large input, but only inputs with names or a table's columns are asked.
    if names.is_empty() && width > MOST_INPUTS {
        return Err(Fault::malformed(
            "`num_feature`",
            width.to_string(),
            format!("at most {MOST_INPUTS}"),
        ));
    }
    let mut inputs: Vec<Input> = match names.is_empty() {
        true => vec![Input::default(); width],
        false => names
            .into_iter()
            .map(|name| Input {
                name: Some(name),
                ..Input::default()
            })
            .collect(),
    };
    for (index, input) in inputs.iter_mut().enumerate() {
        input.category = learner
            .feature_types
            .get(index)
            .is_some_and(|kind| kind == "c");
        input.labels = model.cats.enc.get(index).and_then(Encoding::labels);
    }
    for node in read.trees.iter().flat_map(|tree| &tree.nodes) {
        if let Node::Category { input, .. } = node {
            inputs[*input as usize].category = true;
        }
    }
    Ok((read, inputs))
}

/// A model without names may have this many inputs.
const MOST_INPUTS: usize = 1 << 16;

fn whole(place: &str, text: &str) -> Parsed<usize> {
    text.trim()
        .parse()
        .map_err(|_| Fault::malformed(place, short(text), "a whole number"))
}

/// What XGBoost does with the sum, by its `PredTransform`.
fn link(objective: &str) -> Parsed<Link> {
    match objective {
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:absoluteerror"
        | "reg:pseudohubererror"
        | "reg:quantileerror" => Ok(Link::Identity),
        "count:poisson" | "reg:gamma" | "reg:tweedie" => Ok(Link::Exp),
        _ => Err(Fault::unsupported(
            format!("the XGBoost objective is {}", short(objective)),
            "expected a regression: reg:squarederror, reg:squaredlogerror, reg:absoluteerror, reg:pseudohubererror, reg:quantileerror, \
             count:poisson, reg:gamma or reg:tweedie",
        )),
    }
}

/// The base score as a sum of leaves has it; version 3 writes it in brackets.
fn base_score(text: &str, link: Link, objective: &str) -> Parsed<f64> {
    let number = text.trim().trim_start_matches('[').trim_end_matches(']');
    let value = number
        .parse::<f32>()
        .ok()
        .filter(|value| value.is_finite())
        .map(f64::from);
    match value {
        Some(value) if link != Link::Exp => Ok(value),
        Some(value) if value > 0.0 => Ok(f64::from((value as f32).ln())),
        _ => Err(Fault::malformed(
            "`base_score`",
            short(text),
            format!("a number that {objective} can begin with"),
        )),
    }
}

impl Encoding {
    /// None where the texts are damaged; the input is then refused where a table has texts.
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
                format!("lists of {count} and {lengths:?} nodes"),
                "lists of one length and one output per leaf",
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
            // A child below 0 beside one that is not is out of range, whatever it is.
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
                        format!("node {node} of split type {kind} without a known test"),
                        "a number or a set of categories",
                    ));
                }
            });
        }
        Ok(Tree { nodes })
    }

    /// The sets of categories by node. They are parts of one list, so that they take no more room than the file.
    fn sets(&self, index: usize) -> Parsed<BTreeMap<usize, Arc<[u32]>>> {
        let broken = |found: String| {
            Fault::malformed(
                format!("tree {index}, `categories`"),
                found,
                "a set of codes for each node that tests categories",
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
                    "categories {start} to {start} + {size}, where there are {} codes",
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
