//! Which column of a table is which input of an imported model, and what its categories are there.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use limbeck_data::{Feature, FeatureValues, Features, MISSING};
use serde::Deserialize;

/// What a model file says of one of its inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Input {
    /// Its name, where the file has names.
    pub(crate) name: Option<String>,
    /// Whether the file says that it is a category; none where the fit saw no values of it.
    pub(crate) declared: Option<bool>,
    /// True where some test reads it as a category.
    pub(crate) category: bool,
    /// The category of each code, where the file lists them.
    pub(crate) labels: Option<Arc<[Label]>>,
    /// The code of a missing category, where that is not missing to the model.
    pub(crate) missing: Option<usize>,
}

/// A column of the table that is no feature, because a check dropped it.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedColumn {
    /// Its name.
    pub column: String,
    /// The check.
    pub check: String,
    /// Whether `data.keep` would keep it.
    pub can_be_kept: bool,
}

impl DroppedColumn {
    fn listed(dropped: &[Self]) -> String {
        let each = |dropped: &Self| format!("`{}` (check `{}`)", dropped.column, dropped.check);
        dropped.iter().map(each).collect::<Vec<_>>().join(", ")
    }

    /// What is said where inputs go by position among the columns that are left.
    fn refusal(dropped: &[Self]) -> String {
        let names = |of: &dyn Fn(&Self) -> bool| {
            let names = dropped.iter().filter(|dropped| of(dropped));
            names
                .map(|dropped| dropped.column.as_str())
                .collect::<Vec<_>>()
                .join(",")
        };
        let keepable = names(&|dropped| dropped.can_be_kept);
        let keep = match keepable.is_empty() {
            true => String::new(),
            false => format!("keep what the model reads with `--keep {keepable}`, "),
        };
        format!(
            "the model's inputs have no names and go by the position of the table's columns, but checks dropped columns: {}; an input behind one of them \
             would read another column than at the fit: {keep}name the columns in the model's order with `--teacher-model-columns`, or say with \
             `--drop {}` that the model never had them",
            Self::listed(dropped),
            names(&|_| true),
        )
    }
}

/// A category as a file has it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub(crate) enum Label {
    /// True or false, which tables hold as 1 and 0.
    Bool(bool),
    /// A number, which a table may hold as number or text.
    Number(f64),
    /// A text.
    Text(String),
}

impl Label {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(yes) => Some(f64::from(u8::from(*yes))),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }

    /// The number that is looked up for a text of a table.
    fn of_text(text: &str) -> Option<f64> {
        let is_finite = |number: &f64| number.is_finite();
        match text {
            "true" | "True" | "TRUE" => Some(1.0),
            "false" | "False" | "FALSE" => Some(0.0),
            _ => text.trim().parse().ok().filter(is_finite),
        }
    }
}

/// Finds the column of each input: by `order` where it is given, by name where the file has names, else by position, which is refused
/// where a check dropped a column.
///
/// LightGBM writes `_` for characters that its names cannot hold, so such a name is looked for, too. An input that the model never reads
/// may be missing.
pub(crate) fn assign(
    inputs: &[Input],
    used: &[bool],
    order: &[String],
    dropped: &[DroppedColumn],
    x: &Features,
) -> Result<Vec<Option<usize>>, String> {
    let position: HashMap<&str, usize> = x
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| (column.name.as_str(), at))
        .collect();
    let listed = || {
        x.columns
            .iter()
            .map(|column| format!("`{}`", column.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let lost = |name: &str| {
        format!(
            "the model reads column `{name}`, which is not among the table's features {}; add it, keep it with data.keep, or name the \
             columns in the model's order in teacher.model_columns",
            listed()
        )
    };
    let find = |name: &str, used: bool| match position.get(name) {
        None if used => Err(lost(name)),
        found => Ok(found.copied()),
    };
    if !order.is_empty() {
        if order.len() != inputs.len() {
            return Err(format!(
                "teacher.model_columns has {} names; expected {}, one per input of the model",
                order.len(),
                inputs.len()
            ));
        }
        return order
            .iter()
            .zip(used)
            .map(|(name, used)| find(name, *used))
            .collect();
    }
    if inputs.iter().all(|input| input.name.is_some()) && !inputs.is_empty() {
        let mut cleaned: BTreeMap<String, &str> = BTreeMap::new();
        for column in &x.columns {
            cleaned.entry(clean(&column.name)).or_insert(&column.name);
        }
        let by_name = |(input, used): (&Input, &bool)| {
            let name = input.name.as_deref().unwrap_or_default();
            let exact = position.contains_key(name);
            find(
                if exact {
                    name
                } else {
                    cleaned.get(&clean(name)).copied().unwrap_or(name)
                },
                *used,
            )
        };
        return inputs.iter().zip(used).map(by_name).collect();
    }
    if inputs.len() != x.columns.len() {
        let gone = match dropped {
            [] => String::new(),
            dropped => format!("; checks dropped {}", DroppedColumn::listed(dropped)),
        };
        return Err(format!(
            "the model has {} inputs without names and the table has {} features ({}){gone}; name the columns in the model's order in \
             teacher.model_columns",
            inputs.len(),
            x.columns.len(),
            listed()
        ));
    }
    if !dropped.is_empty() {
        return Err(DroppedColumn::refusal(dropped));
    }
    Ok((0..inputs.len()).map(Some).collect())
}

/// The inputs with the lists of categories that a file has in their order without saying whose they are.
///
/// They belong to the inputs that are declared categories, and to undeclared ones whose column of the table holds categories. Where that is not
/// as many inputs as lists, none is given, and categories of the table are refused when they are read.
pub(crate) fn with_lists<'a>(
    inputs: &'a [Input],
    lists: &[Arc<[Label]>],
    assigned: &[Option<usize>],
    x: &Features,
) -> Cow<'a, [Input]> {
    let holds_categories = |at: &Option<usize>| {
        at.is_some_and(|at| matches!(x.columns[at].values, FeatureValues::Category { .. }))
    };
    let is_category = |(input, at): (&Input, &Option<usize>)| {
        input.declared.unwrap_or_else(|| holds_categories(at))
    };
    let owners: Vec<usize> = (0..inputs.len())
        .filter(|&index| is_category((&inputs[index], &assigned[index])))
        .collect();
    if lists.is_empty() || owners.len() != lists.len() {
        return Cow::Borrowed(inputs);
    }
    let mut inputs = inputs.to_vec();
    for (index, labels) in owners.into_iter().zip(lists) {
        inputs[index].labels = Some(Arc::clone(labels));
    }
    Cow::Owned(inputs)
}

/// White space and the characters of JSON's syntax, as LightGBM replaces them.
fn clean(name: &str) -> String {
    let is_refused = |c: char| c.is_whitespace() || "\",:[]{}".contains(c);
    name.replace(is_refused, "_")
}

impl Input {
    /// The cells of a column as the model reads them: numbers, or codes of categories; NaN where missing or unknown.
    pub(crate) fn read(&self, feature: &Feature) -> Result<Vec<f64>, String> {
        let column = &feature.name;
        match (&feature.values, &self.labels) {
            (FeatureValues::Number(values), None) => Ok(values.clone()),
            (FeatureValues::Number(values), Some(labels)) => {
                let coded = |(code, label): (usize, &Label)| {
                    let number = match label {
                        Label::Text(text) => Label::of_text(text),
                        Label::Bool(_) | Label::Number(_) => label.number(),
                    };
                    Some((key(number?), code as f64))
                };
                let code: HashMap<u64, f64> = labels.iter().enumerate().filter_map(coded).collect();
                if code.is_empty() {
                    return Err(format!(
                        "column `{column}` holds numbers; the model lists texts as its categories: read it as category with data.types"
                    ));
                }
                Ok(values
                    .iter()
                    .map(|value| code.get(&key(*value)).copied().unwrap_or(f64::NAN))
                    .collect())
            }
            (FeatureValues::Category { codes, levels }, Some(labels)) => {
                let texts: HashMap<&str, usize> = labels
                    .iter()
                    .enumerate()
                    .filter_map(|(code, label)| match label {
                        Label::Text(text) => Some((text.as_str(), code)),
                        _ => None,
                    })
                    .collect();
                let numbers: HashMap<u64, usize> = labels
                    .iter()
                    .enumerate()
                    .filter_map(|(code, label)| Some((key(label.number()?), code)))
                    .collect();
                let find = |level: &String| {
                    let number = || numbers.get(&key(Label::of_text(level)?));
                    texts
                        .get(level.as_str())
                        .or_else(number)
                        .map_or(f64::NAN, |code| *code as f64)
                };
                let by_level: Vec<f64> = levels.iter().map(find).collect();
                if !levels.is_empty() && by_level.iter().all(|code| code.is_nan()) {
                    return Err(format!(
                        "no category of column `{column}` is among those of the model; is it the same column?"
                    ));
                }
                let missing = self.missing.map_or(f64::NAN, |code| code as f64);
                let of = |code: &u32| match *code {
                    MISSING => missing,
                    code => by_level.get(code as usize).copied().unwrap_or(f64::NAN),
                };
                Ok(codes.iter().map(of).collect())
            }
            (FeatureValues::Category { .. }, None) => Err(format!(
                "column `{column}` holds categories; the model has {}; give the table the numbers that the model was fitted on, or save \
                 the model from a pandas table with category columns",
                if self.category {
                    "codes there and no list of their texts"
                } else {
                    "a number there"
                }
            )),
        }
    }
}

/// A number as a key, −0 as 0.
fn key(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(levels: &[&str], codes: &[u32]) -> Feature {
        let levels = Arc::new(levels.iter().map(|level| (*level).to_owned()).collect());
        Feature {
            name: "k".into(),
            values: FeatureValues::Category {
                codes: codes.to_vec(),
                levels,
            },
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
        }
    }

    fn numbers(name: &str, values: &[f64]) -> Feature {
        Feature {
            name: name.into(),
            values: FeatureValues::Number(values.to_vec()),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
        }
    }

    fn labeled(labels: Vec<Label>) -> Input {
        Input {
            category: true,
            labels: Some(labels.into()),
            ..Input::default()
        }
    }

    fn shown(values: Vec<f64>) -> String {
        format!("{values:?}")
    }

    #[test]
    fn categories_are_found_by_text_and_by_number() {
        let texts = labeled(vec![Label::Text("blue".into()), Label::Text("red".into())]);
        let found = texts
            .read(&category(&["green", "red"], &[1, 0, MISSING, 1]))
            .unwrap();
        assert_eq!(shown(found), "[1.0, NaN, NaN, 1.0]");
        let numbered = labeled(vec![Label::Number(3.0), Label::Number(10.0)]);
        assert_eq!(
            shown(numbered.read(&category(&["10", "3"], &[0, 1])).unwrap()),
            "[1.0, 0.0]"
        );
        assert_eq!(
            shown(numbered.read(&numbers("k", &[3.0, 10.0, 4.0])).unwrap()),
            "[0.0, 1.0, NaN]"
        );
        let truths = labeled(vec![Label::Bool(false), Label::Bool(true)]);
        assert_eq!(
            shown(truths.read(&numbers("k", &[1.0, 0.0])).unwrap()),
            "[1.0, 0.0]"
        );
    }

    #[test]
    fn categories_without_a_list_or_of_another_column_are_refused() {
        let plain = Input {
            category: true,
            ..Input::default()
        };
        assert!(
            plain
                .read(&category(&["red"], &[0]))
                .unwrap_err()
                .contains("no list of their texts")
        );
        let texts = labeled(vec![Label::Text("blue".into())]);
        assert!(
            texts
                .read(&category(&["red"], &[0]))
                .unwrap_err()
                .contains("no category of column `k`")
        );
        assert!(
            texts
                .read(&numbers("k", &[1.0]))
                .unwrap_err()
                .contains("data.types")
        );
    }

    #[test]
    fn columns_are_found_by_order_then_name_then_position() {
        let x = Features {
            columns: vec![numbers("a b", &[1.0]), numbers("c", &[2.0])],
            rows: 1,
        };
        let named = |name: &str| Input {
            name: Some(name.into()),
            ..Input::default()
        };
        let both = [true, true];
        assert_eq!(
            assign(&[named("c"), named("a_b")], &both, &[], &[], &x),
            Ok(vec![Some(1), Some(0)])
        );
        let order = ["c".to_owned(), "c".to_owned()];
        assert_eq!(
            assign(&[named("c"), named("a_b")], &both, &order, &[], &x),
            Ok(vec![Some(1), Some(1)])
        );
        let unnamed = [Input::default(), Input::default()];
        assert_eq!(
            assign(&unnamed, &both, &[], &[], &x),
            Ok(vec![Some(0), Some(1)])
        );
        assert!(
            assign(&unnamed[..1], &both[..1], &[], &[], &x)
                .unwrap_err()
                .contains("1 inputs without names")
        );
        assert!(
            assign(&[named("d")], &[true], &[], &[], &x)
                .unwrap_err()
                .contains("`d`")
        );
        assert_eq!(
            assign(&[named("d")], &[false], &[], &[], &x),
            Ok(vec![None])
        );
        assert!(
            assign(&unnamed, &both, &order[..1], &[], &x)
                .unwrap_err()
                .contains("teacher.model_columns has 1")
        );
    }

    #[test]
    fn inputs_by_position_are_refused_where_a_check_dropped_a_column() {
        let x = Features {
            columns: vec![numbers("a", &[1.0]), numbers("c", &[2.0])],
            rows: 1,
        };
        let dropped = |can_be_kept| {
            [DroppedColumn {
                column: "b".into(),
                check: "constant".into(),
                can_be_kept,
            }]
        };
        let (two, both) = ([Input::default(), Input::default()], [true, true]);
        let message = assign(&two, &both, &[], &dropped(true), &x).unwrap_err();
        for part in [
            "`b` (check `constant`)",
            "--keep b",
            "--drop b",
            "--teacher-model-columns",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(
            !assign(&two, &both, &[], &dropped(false), &x)
                .unwrap_err()
                .contains("--keep")
        );
        // Names and given columns do not slide.
        let order = ["a".to_owned(), "c".to_owned()];
        assert!(assign(&two, &both, &order, &dropped(true), &x).is_ok());
        let three = [Input::default(), Input::default(), Input::default()];
        let message = assign(&three, &[true; 3], &[], &dropped(true), &x).unwrap_err();
        assert!(
            message.contains("3 inputs") && message.contains("dropped `b`"),
            "{message}"
        );
    }

    #[test]
    fn missing_categories_have_a_code_where_the_model_knows_one() {
        let mut texts = labeled(vec![Label::Text("red".into()), Label::Text("nan".into())]);
        texts.missing = Some(1);
        let found = texts.read(&category(&["blue", "red"], &[1, MISSING, 0]));
        assert_eq!(shown(found.unwrap()), "[0.0, 1.0, NaN]");
    }
}
