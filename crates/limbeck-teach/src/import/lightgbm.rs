//! Text model files of LightGBM, as `save_model` and `model_to_string` write them.
//!
//! ```text
//! tree / version=v4 / num_class=1 / objective=regression / feature_names=a b / feature_infos=[0:1] 3:0:1 / …
//! Tree=0 / num_leaves=4 / split_feature=… / threshold=… / decision_type=… / left_child=… / leaf_value=… / …
//! end of trees / … / pandas_categorical:[["red", "blue"]]
//! ```
//!
//! A negative child is the leaf with index `−child − 1`. The bits of `decision_type` are: 1 for a categorical split, 2
//! if missing numbers go left, 4 if zeros count as missing, too (missing type zero), 8 for missing type NaN. Without
//! bits 4 and 8, missing numbers are compared as 0. After early stopping, `save_model` writes only the trees up to the
//! best iteration. So all trees of a file are used, as in `Booster.predict`. Comparisons and sums are in double
//! precision; `value ≤ threshold` goes left. A category goes right if it is missing, negative or not in the set. A
//! linear leaf returns its plain value (`leaf_value`) if one of its inputs is missing.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use limbeck_data::figures::counted;

use super::columns::{Input, Label};
use super::fault::{Fault, Parsed, short};
use super::trees::{Aggregate, Link, Missing, Node, Precision, Test, Tree, TreeModel};

/// First line of the format.
const FIRST_LINE: &str = "tree";

/// First: the inputs. Second: the lists of categories, one for each categorical input, in the order of the inputs;
/// empty if the file has none.
pub(crate) type Inputs = (Vec<Input>, Vec<Arc<[Label]>>);

type Lines<'a> = BTreeMap<&'a str, &'a str>;

/// True if the text starts like a LightGBM model.
pub(crate) fn recognizes(text: &str) -> bool {
    text.lines()
        .next()
        .is_some_and(|line| line.trim_end() == FIRST_LINE)
}

/// Reads the trees, the inputs and the lists of categories from the text of a model file.
pub(crate) fn parse(text: &str) -> Parsed<(TreeModel, Inputs)> {
    let (body, rest) = text.split_once("\nend of trees").ok_or_else(|| {
        Fault::malformed(
            "the file",
            "no line `end of trees`",
            "a complete LightGBM text model",
        )
    })?;
    let mut sections = body.split("\nTree=");
    let header = lines(sections.next().unwrap_or_default());
    let whole = |name: &str| number::<usize>("the header", &header, name);
    if whole("num_class")? != 1 || whole("num_tree_per_iteration")? != 1 {
        let classes = whole("num_tree_per_iteration")?.max(whole("num_class")?);
        return Err(Fault::unsupported(
            format!("the model has {classes} outputs"),
            "give a regression model with one output",
        ));
    }
    let names: Vec<&str> = field("the header", &header, "feature_names")?
        .split(' ')
        .collect();
    let width = names.len();
    let expected = whole("max_feature_idx")?.saturating_add(1);
    if width != expected {
        return Err(Fault::malformed(
            "the header, `feature_names`",
            counted(width, "name"),
            format!("{expected}, which is `max_feature_idx` plus one"),
        ));
    }
    let infos: Vec<&str> = header
        .get("feature_infos")
        .map(|infos| infos.split(' ').collect())
        .unwrap_or_default();
    let trees = sections
        .enumerate()
        .map(|(index, section)| tree(index, section))
        .collect::<Parsed<Vec<Tree>>>()?;
    let base = TreeModel {
        trees,
        weights: Vec::new(),
        base: 0.0,
        aggregate: if header.contains_key("average_output") {
            Aggregate::Average
        } else {
            Aggregate::Sum
        },
        link: link(header.get("objective").copied())?,
        precision: Precision::Double,
    };
    let model = base.checked(width)?;
    let inputs = inputs(&model, &names, &infos, rest)?;
    Ok((model, inputs))
}

/// Splits `name=value` lines. A line without `=` has an empty value.
fn lines(section: &str) -> Lines<'_> {
    section
        .lines()
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .collect()
}

fn field<'a>(place: &str, lines: &Lines<'a>, name: &str) -> Parsed<&'a str> {
    lines.get(name).copied().ok_or_else(|| {
        Fault::malformed(
            place,
            format!("no line `{name}=`"),
            "a complete LightGBM text model",
        )
    })
}

fn number<T: FromStr>(place: &str, lines: &Lines<'_>, name: &str) -> Parsed<T> {
    let text = field(place, lines, name)?;
    text.trim().parse().map_err(|_| {
        Fault::malformed(
            format!("{place}, `{name}`"),
            short(text),
            "an integer, 0 or larger",
        )
    })
}

/// Reads the numbers, separated by spaces, of the line `name=`. `count` is how many are expected; `None` if any count
/// is valid.
fn list<T: FromStr>(
    place: &str,
    lines: &Lines<'_>,
    name: &str,
    count: Option<usize>,
) -> Parsed<Vec<T>> {
    let text = field(place, lines, name)?;
    let parse = |word: &str| {
        word.parse::<T>().map_err(|_| {
            Fault::malformed(
                format!("{place}, `{name}`"),
                short(word),
                "numbers separated by spaces, each in its valid range",
            )
        })
    };
    let numbers = text
        .split_ascii_whitespace()
        .map(parse)
        .collect::<Parsed<Vec<T>>>()?;
    match count {
        Some(count) if count != numbers.len() => Err(Fault::malformed(
            format!("{place}, `{name}`"),
            counted(numbers.len(), "number"),
            format!("{count}"),
        )),
        _ => Ok(numbers),
    }
}

/// The link function of the objective (`ConvertOutput` in LightGBM).
fn link(objective: Option<&str>) -> Parsed<Link> {
    let Some(objective) = objective else {
        return Ok(Link::Identity);
    };
    let mut words = objective.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let root = words.any(|word| word == "sqrt");
    match name {
        // `reg_sqrt` also works with these objectives; `huber` and `poisson` turn it off.
        "regression" | "regression_l1" | "fair" | "quantile" | "mape" if root => {
            Ok(Link::SignedSquare)
        }
        "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "custom"
        | "none" => Ok(Link::Identity),
        "poisson" | "gamma" | "tweedie" => Ok(Link::Exp),
        "cross_entropy" => Ok(Link::Sigmoid),
        "cross_entropy_lambda" => Ok(Link::Softplus),
        _ => Err(Fault::unsupported(
            format!("the LightGBM objective is {}", short(name)),
            "expected a regression objective: regression, regression_l1, huber, fair, quantile, mape, poisson, gamma, tweedie, cross_entropy or cross_entropy_lambda; or predict with your own program through --teacher-command",
        )),
    }
}

/// Bit of `decision_type` that is set for a categorical split.
const CATEGORY: u8 = 1;
/// Bit of `decision_type` that is set if missing numbers go left.
const MISSING_LEFT: u8 = 2;

fn tree(index: usize, section: &str) -> Parsed<Tree> {
    let place = format!("tree {index}");
    let lines = lines(section);
    let leaves: usize = number(&place, &lines, "num_leaves")?;
    let values: Vec<f64> = list(&place, &lines, "leaf_value", Some(leaves))?;
    let Some(splits) = leaves.checked_sub(1) else {
        return Err(Fault::malformed(place, "no leaves", "at least one"));
    };
    let mut nodes = match splits {
        0 => Vec::new(),
        _ => split_nodes(&place, &lines, splits)?,
    };
    match lines.get("is_linear").map(|text| text.trim()) {
        Some("1") => nodes.extend(linear(&place, &lines, &values)?),
        _ => nodes.extend(values.into_iter().map(Node::Leaf)),
    }
    Ok(Tree { nodes })
}

/// Reads the `splits` splits of a tree. In the list of all nodes of the tree, the leaves come after the splits.
fn split_nodes(place: &str, lines: &Lines<'_>, splits: usize) -> Parsed<Vec<Node>> {
    let feature: Vec<u32> = list(place, lines, "split_feature", Some(splits))?;
    let threshold: Vec<f64> = list(place, lines, "threshold", Some(splits))?;
    let decision: Vec<u8> = list(place, lines, "decision_type", Some(splits))?;
    let left: Vec<i32> = list(place, lines, "left_child", Some(splits))?;
    let right: Vec<i32> = list(place, lines, "right_child", Some(splits))?;
    let sets = sets(place, lines)?;
    // An index of a split that does not exist becomes an invalid node.
    let child = |child: i32| match usize::try_from(child) {
        Ok(split) if split < splits => split as u32,
        Ok(_) => u32::MAX,
        Err(_) => splits as u32 + !child as u32,
    };
    let node = |node: usize| {
        let (input, threshold) = (feature[node], threshold[node]);
        let (yes, no) = (child(left[node]), child(right[node]));
        if decision[node] & CATEGORY == 0 {
            return Ok(Node::Number {
                input,
                test: Test::AtMost,
                threshold,
                missing: missing(place, decision[node])?,
                yes,
                no,
            });
        }
        let set = (threshold >= 0.0)
            .then(|| sets.get(threshold as usize))
            .flatten();
        let set = set.ok_or_else(|| {
            Fault::malformed(
                format!("{place}, `threshold`"),
                format!("category set {threshold}"),
                format!("an index below {}, the number of sets", sets.len()),
            )
        })?;
        Ok(Node::Category {
            input,
            set: set.clone(),
            missing_yes: false,
            yes,
            no,
        })
    };
    (0..splits).map(node).collect()
}

/// How a split treats a missing number, by the bits of its `decision_type`.
fn missing(place: &str, decision: u8) -> Parsed<Missing> {
    let goes_left = decision & MISSING_LEFT != 0;
    match decision >> 2 & 3 {
        0 => Ok(Missing::AsZero),
        1 => Ok(Missing::WithZero(goes_left)),
        2 => Ok(Missing::Answer(goes_left)),
        _ => Err(Fault::malformed(
            format!("{place}, `decision_type`"),
            decision.to_string(),
            "a number in which bits 2 and 3 (the missing type) make 0, 4 or 8",
        )),
    }
}

/// Reads the sets of category codes that the splits of a tree test. The file stores a set as a bit mask, with one bit
/// per code.
fn sets(place: &str, lines: &Lines<'_>) -> Parsed<Vec<Arc<[u32]>>> {
    let count: usize = number(place, lines, "num_cat")?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let words: Vec<u32> = list(place, lines, "cat_threshold", None)?;
    let bounds: Vec<usize> = list(place, lines, "cat_boundaries", None)?;
    if bounds.len() != count.saturating_add(1) {
        return Err(Fault::malformed(
            format!("{place}, `cat_boundaries`"),
            format!("{} numbers", bounds.len()),
            format!("one more than `num_cat`, which is {count}"),
        ));
    }
    let codes = |(at, word): (usize, &u32)| {
        let word = *word;
        (0..32)
            .filter(move |bit| word >> bit & 1 == 1)
            .map(move |bit| at as u32 * 32 + bit)
    };
    let set = |pair: &[usize]| {
        Some(
            words
                .get(pair[0]..pair[1])?
                .iter()
                .enumerate()
                .flat_map(codes)
                .collect::<Arc<[u32]>>(),
        )
    };
    bounds
        .windows(2)
        .map(|pair| {
            set(pair).ok_or_else(|| {
                Fault::malformed(
                    format!("{place}, `cat_boundaries`"),
                    format!(
                        "entries {} to {} of `cat_threshold`, which has {} entries",
                        pair[0],
                        pair[1],
                        words.len()
                    ),
                    format!("ascending positions from 0 to {}", words.len()),
                )
            })
        })
        .collect()
}

fn linear(place: &str, lines: &Lines<'_>, values: &[f64]) -> Parsed<Vec<Node>> {
    let constants: Vec<f64> = list(place, lines, "leaf_const", Some(values.len()))?;
    let counts: Vec<usize> = list(place, lines, "num_features", Some(values.len()))?;
    let total = counts
        .iter()
        .try_fold(0_usize, |sum, count| sum.checked_add(*count));
    let features: Vec<u32> = list(place, lines, "leaf_features", total)?;
    let coefficients: Vec<f64> = list(place, lines, "leaf_coeff", total)?;
    if features.len() != coefficients.len() || Some(features.len()) != total {
        return Err(Fault::malformed(
            format!("{place}, `leaf_coeff`"),
            format!("{} numbers", coefficients.len()),
            format!("{} numbers, the sum of `num_features`", features.len()),
        ));
    }
    let mut terms = features.into_iter().zip(coefficients);
    let leaf = |((value, constant), count): ((&f64, f64), usize)| Node::Linear {
        fallback: *value,
        constant,
        terms: terms.by_ref().take(count).collect(),
    };
    Ok(values.iter().zip(constants).zip(counts).map(leaf).collect())
}

/// The inputs, and the lists of categories from the line `pandas_categorical`. `rest` is the text after the trees.
///
/// `pandas_categorical` lists the categories of the categorical columns in order, but does not say which columns these
/// are. They are the inputs whose `feature_infos` is a list of codes, and some of the inputs with `feature_infos=none`
/// (constant, or ignored by the fit). Whether the latter are categorical depends on the table to be predicted, see
/// [`super::columns::with_lists`].
fn inputs(model: &TreeModel, names: &[&str], infos: &[&str], rest: &str) -> Parsed<Inputs> {
    let plain = names
        .iter()
        .enumerate()
        .all(|(index, name)| *name == format!("Column_{index}"));
    let declared = |index: usize| match infos.get(index) {
        None | Some(&"none") => None,
        Some(info) => Some(!info.starts_with('[')),
    };
    let input = |(index, name): (usize, &&str)| Input {
        name: (!plain).then(|| (*name).to_owned()),
        declared: declared(index),
        ..Input::default()
    };
    let mut inputs: Vec<Input> = names.iter().enumerate().map(input).collect();
    for node in model.trees.iter().flat_map(|tree| &tree.nodes) {
        if let Node::Category { input, .. } = node {
            inputs[*input as usize].category = true;
        }
    }
    let lists = rest
        .lines()
        .find_map(|line| line.strip_prefix("pandas_categorical:"));
    let lists = match lists.map(str::trim) {
        None | Some("null") => Vec::new(),
        Some(text) => serde_json::from_str::<Vec<Vec<Label>>>(text).map_err(|error| {
            Fault::malformed(
                "`pandas_categorical`",
                format!("{} ({error})", short(text)),
                "a list of lists of categories",
            )
        })?,
    };
    Ok((inputs, lists.into_iter().map(Arc::from).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_fitted_on_the_square_root_are_squared() {
        // `objective=` lines as LightGBM 4.7 writes them with `reg_sqrt`; it squares the raw score of each.
        for name in ["regression", "regression_l1", "fair", "quantile", "mape"] {
            let with_sqrt = format!("{name} sqrt");
            assert_eq!(link(Some(&with_sqrt)), Ok(Link::SignedSquare), "{name}");
            assert_eq!(link(Some(name)), Ok(Link::Identity), "{name}");
        }
        assert_eq!(link(Some("huber")), Ok(Link::Identity));
    }
}
