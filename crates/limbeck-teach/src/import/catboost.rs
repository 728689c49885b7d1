//! JSON model files of CatBoost, as `save_model("model.json", format="json")` writes them: symmetric trees over
//! numeric features.
//!
//! In a symmetric tree, all nodes of one level have the same test: is an input, in single precision, above a threshold
//! (a *border*)? The answer at level `i` is bit `i` of the leaf index. For a missing number, the answer is no, or yes
//! if `nan_value_treatment` is `AsTrue`. Models with categorical features are refused, because CatBoost hashes the
//! categories.
//!
//! # Source
//!
//! `TModelTrees` and the JSON exporter of `catboost/catboost`.

use serde::Deserialize;

use super::columns::Input;
use super::fault::{Fault, Parsed, short};
use super::trees::{Aggregate, Link, Missing, Node, Precision, Test, Tree, TreeModel};

/// Maximum depth of a tree in CatBoost.
const DEEPEST: usize = 16;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    features_info: Features,
    #[serde(default)]
    model_info: Info,
    oblivious_trees: Option<Vec<FileTree>>,
    scale_and_bias: (f64, Vec<f64>),
}

#[derive(Default, Deserialize)]
struct Features {
    #[serde(default)]
    float_features: Vec<Feature>,
    #[serde(default)]
    categorical_features: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    text_features: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Feature {
    #[serde(default)]
    feature_id: String,
    #[serde(default)]
    nan_value_treatment: String,
}

#[derive(Default, Deserialize)]
struct Info {
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default)]
    loss_function: Loss,
}

#[derive(Default, Deserialize)]
struct Loss {
    #[serde(default, rename = "type")]
    name: String,
}

#[derive(Deserialize)]
struct FileTree {
    leaf_values: Vec<f64>,
    #[serde(default)]
    splits: Vec<Split>,
}

#[derive(Deserialize)]
struct Split {
    #[serde(default)]
    border: f64,
    #[serde(default)]
    float_feature_index: u32,
    split_type: String,
}

/// True if the JSON has the keys of a CatBoost model.
pub(super) fn recognizes(text: &str) -> bool {
    text.contains("\"scale_and_bias\"") && text.contains("\"features_info\"")
}

/// Reads the trees of a model file, and its inputs in the order of the file.
///
/// # Errors
///
/// For damaged files, and for models with categorical or text features, trees that are not symmetric, several outputs,
/// or a loss that is not a regression loss.
pub(super) fn parse(text: &str) -> Parsed<(TreeModel, Vec<Input>)> {
    let file: File = serde_json::from_str(text).map_err(|error| {
        Fault::malformed("the file", error.to_string(), "a CatBoost JSON model")
    })?;
    let features = &file.features_info;
    if !features.categorical_features.is_empty() || !features.text_features.is_empty() {
        return Err(unread(
            "categorical or text features, which limbeck cannot read",
        ));
    }
    let Some(trees) = &file.oblivious_trees else {
        return Err(unread(
            "trees that are not symmetric, which limbeck cannot read",
        ));
    };
    let link = link(&file.model_info.params.loss_function.name)?;
    let (scale, bias) = &file.scale_and_bias;
    let [bias] = bias.as_slice() else {
        return Err(Fault::unsupported(
            format!("the model has {} outputs", bias.len()),
            "give a regression model with one output",
        ));
    };
    let numbers = &features.float_features;
    let trees = trees.iter().enumerate();
    let trees = trees.map(|(index, tree)| tree.read(index, *scale, numbers));
    let model = TreeModel {
        trees: trees.collect::<Parsed<_>>()?,
        weights: Vec::new(),
        base: *bias,
        aggregate: Aggregate::Sum,
        link,
        precision: Precision::SingleInputs,
    };
    let plain = (0..numbers.len()).all(|at| numbers[at].feature_id == at.to_string());
    let input = |feature: &Feature| Input {
        name: (!plain && !feature.feature_id.is_empty()).then(|| feature.feature_id.clone()),
        ..Input::default()
    };
    let inputs = numbers.iter().map(input).collect();
    Ok((model.checked(numbers.len())?, inputs))
}

fn unread(what: &str) -> Fault {
    Fault::unsupported(
        format!("the CatBoost model has {what}"),
        "predict with your own program through --teacher-command",
    )
}

/// The link function that `CatBoostRegressor.predict` applies for the loss.
fn link(loss: &str) -> Parsed<Link> {
    match loss {
        "" | "RMSE" | "MAE" | "Quantile" | "MAPE" | "Huber" | "LogLinQuantile" | "Expectile"
        | "Lq" | "MultiQuantile" | "LogCosh" => Ok(Link::Identity),
        "Poisson" | "Tweedie" => Ok(Link::Exp),
        other => Err(Fault::unsupported(
            format!("the CatBoost loss is {}", short(other)),
            "expected a regression loss: RMSE, MAE, Quantile, MAPE, Huber, Expectile, Lq, LogCosh, Poisson or Tweedie; or predict with your own program through --teacher-command",
        )),
    }
}

impl FileTree {
    /// Converts tree number `index` of the file to a complete binary tree: node `n` has the children `2n + 1` and
    /// `2n + 2`. The last level of the file becomes the root, because its answer is the highest bit of the leaf index.
    fn read(&self, index: usize, scale: f64, features: &[Feature]) -> Parsed<Tree> {
        let depth = self.splits.len();
        if depth > DEEPEST || self.leaf_values.len() != 1 << depth {
            return Err(Fault::malformed(
                format!("tree {index}"),
                format!("{} leaves for {depth} levels", self.leaf_values.len()),
                format!(
                    "as many leaves as 2 to the power of the number of levels, and at most {DEEPEST} levels"
                ),
            ));
        }
        let mut nodes = Vec::with_capacity(2 << depth);
        for (level, split) in self.splits.iter().rev().enumerate() {
            if split.split_type != "FloatFeature" {
                return Err(unread("splits on categories, which limbeck cannot read"));
            }
            let feature = features.get(split.float_feature_index as usize);
            let above = feature.is_some_and(|feature| feature.nan_value_treatment == "AsTrue");
            let first = (1_u32 << level) - 1;
            nodes.extend((first..2 * first + 1).map(|node| Node::Number {
                input: split.float_feature_index,
                test: Test::Above,
                threshold: f64::from(split.border as f32),
                missing: Missing::Answer(above),
                yes: 2 * node + 2,
                no: 2 * node + 1,
            }));
        }
        nodes.extend(
            self.leaf_values
                .iter()
                .map(|value| Node::Leaf(scale * value)),
        );
        Ok(Tree { nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two levels: `x0 > 1` is bit 0 of the leaf index, `x1 > 2` is bit 1.
    fn text(treatment: &str, loss: &str) -> String {
        format!(
            "{{\"features_info\": {{\"float_features\": [{{\"feature_id\": \"0\", \"nan_value_treatment\": \"{treatment}\"}}, {{\"feature_id\": \"1\"}}]}}, \
             \"model_info\": {{\"params\": {{\"loss_function\": {{\"type\": \"{loss}\"}}}}}}, \"oblivious_trees\": [{{\"leaf_values\": [1, 2, 3, 4], \"splits\": [\
             {{\"border\": 1, \"float_feature_index\": 0, \"split_type\": \"FloatFeature\"}}, \
             {{\"border\": 2, \"float_feature_index\": 1, \"split_type\": \"FloatFeature\"}}]}}], \"scale_and_bias\": [2, [0.5]]}}"
        )
    }

    fn ask(text: &str, rows: &[f64]) -> Vec<f64> {
        let (model, inputs) = parse(text).unwrap();
        assert!(inputs.iter().all(|input| input.name.is_none()));
        let mut predictions = vec![0.0; rows.len() / 2];
        model.predict(rows, 2, &mut predictions);
        predictions
    }

    #[test]
    fn leaves_are_found_by_the_bits_of_their_levels() {
        let rows = [0.0, 0.0, 1.5, 2.0, 1.0, 3.0, 2.0, 3.0, f64::NAN, 0.0];
        assert_eq!(ask(&text("AsIs", "RMSE"), &rows), [2.5, 4.5, 6.5, 8.5, 2.5]);
        assert_eq!(ask(&text("AsTrue", "RMSE"), &rows)[4], 4.5);
        let poisson = ask(&text("AsIs", "Poisson"), &rows[..2])[0];
        assert!((poisson - 2.5_f64.exp()).abs() < 1e-5);
    }

    #[test]
    fn leaves_are_summed_in_double_precision() {
        // The single-precision numbers around 1e8 are 8 apart.
        let far = text("AsIs", "RMSE").replace("[0.5]", "[100000000]");
        assert_eq!(ask(&far, &[1.5, 2.0]), [100_000_004.0]);
        // Inputs are rounded: 1 + 1e-9 is not above the border 1.
        assert_eq!(ask(&text("AsIs", "RMSE"), &[1.0 + 1e-9, 0.0]), [2.5]);
    }

    #[test]
    fn models_that_are_no_regression_over_numbers_are_named() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message(&text("AsIs", "Logloss")).contains("`Logloss`"));
        assert!(
            message(&text("AsIs", "RMSE").replace("FloatFeature", "OneHotFeature"))
                .contains("categories")
        );
        assert!(
            message(&text("AsIs", "RMSE").replace("[1, 2, 3, 4]", "[1, 2, 3]"))
                .contains("3 leaves for 2 levels")
        );
        assert!(
            message(&text("AsIs", "RMSE").replace("oblivious_trees", "trees"))
                .contains("not symmetric")
        );
        assert!(message(&text("AsIs", "RMSE").replace("[0.5]", "[0.5, 1]")).contains("2 outputs"));
        assert!(
            message(&text("AsIs", "RMSE").replace("index\": 1", "index\": 7"))
                .contains("input 7 (counted from 0) of 2")
        );
    }
}
