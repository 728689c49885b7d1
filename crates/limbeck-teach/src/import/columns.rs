//! Finds the column of the table for each input of an imported model, and converts categories to the model's codes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use limbeck_data::figures::counted;
use limbeck_data::{Feature, FeatureValues, Features, MISSING};
use serde::Deserialize;

/// One input of a model, as the file describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Input {
    /// Name of the input; `None` if the file has no names, or only automatic ones such as `Column_0`.
    pub(crate) name: Option<String>,
    /// True if the file declares the input as categorical, false if as numeric; `None` if the file does not say.
    pub(crate) declared: Option<bool>,
    /// True if a split tests the input as a category, or if an XGBoost or ONNX file declares it as categorical. Only the
    /// text of an error message depends on it.
    pub(crate) category: bool,
    /// The label of each category, in the order of the codes. `None` for a numeric input, if the file lists no labels,
    /// or until [`with_lists`] assigns them.
    pub(crate) labels: Option<Arc<[Label]>>,
    /// The code that the model uses for a missing category; `None` if it has no such code.
    pub(crate) missing: Option<usize>,
}

/// A column of the table that is not a feature because a check dropped it.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedColumn {
    /// Name of the column.
    pub column: String,
    /// Name of the check that dropped the column.
    pub check: String,
    /// True if the option `data.keep` can keep the column despite the check.
    pub can_be_kept: bool,
}

impl DroppedColumn {
    fn listed(dropped: &[Self]) -> String {
        let each = |dropped: &Self| {
            format!(
                "`{}` (dropped by check `{}`)",
                dropped.column, dropped.check
            )
        };
        dropped.iter().map(each).collect::<Vec<_>>().join(", ")
    }

    /// The error message for a model whose columns must be found by position, if checks dropped columns of the table.
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
            false => format!("keep the columns that the model reads with `--keep {keepable}`, "),
        };
        format!(
            "the model's inputs have no names, so the table's columns are assigned by position, but checks dropped columns: {}; inputs after a dropped \
             column would read the wrong column; {keep}name the columns in the model's order with `--teacher-model-columns`, or, if the model does not \
             read the dropped columns, drop them yourself with `--drop {}`",
            Self::listed(dropped),
            names(&|_| true),
        )
    }
}

/// The label of a category in a model file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub(crate) enum Label {
    /// A boolean. In the table, the category may be 1 or 0, or a string such as `true`.
    Bool(bool),
    /// A number. In the table, the category may be a number or a string.
    Number(f64),
    /// A string.
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

    /// The number that a string stands for (`true` is 1, `false` is 0); `None` if it stands for no finite number.
    fn of_text(text: &str) -> Option<f64> {
        let is_finite = |number: &f64| number.is_finite();
        match text {
            "true" | "True" | "TRUE" => Some(1.0),
            "false" | "False" | "FALSE" => Some(0.0),
            _ => text.trim().parse().ok().filter(is_finite),
        }
    }
}

/// Finds the column of the table that each input of a model reads, and returns the index of that column for each input.
/// Columns are found by the names in `order` if it is not empty, else by the inputs' names if all inputs have one, else
/// by position (input 0 reads column 0, and so on). Finding them by position is an error if a check dropped a column.
///
/// LightGBM replaces special characters in names by `_`. So a column also matches if both names are equal after this
/// replacement. An input that the model does not use (`used` is false) may have no column; its index is then `None`.
pub(crate) fn assign(
    inputs: &[Input],
    used: &[bool],
    order: &[String],
    dropped: &[DroppedColumn],
    x: &Features,
) -> Result<Vec<Option<usize>>, String> {
    let named = x.columns.iter().enumerate();
    let columns = Columns {
        x,
        position: named
            .map(|(at, column)| (column.name.as_str(), at))
            .collect(),
    };
    if !order.is_empty() {
        return columns.by_order(inputs.len(), used, order);
    }
    if inputs.iter().all(|input| input.name.is_some()) && !inputs.is_empty() {
        return columns.by_name(inputs, used);
    }
    columns.by_position(inputs.len(), dropped)
}

/// The columns of a table, and the index of each column by its name.
struct Columns<'a> {
    x: &'a Features,
    position: HashMap<&'a str, usize>,
}

impl Columns<'_> {
    fn listed(&self) -> String {
        let names = self.x.columns.iter();
        let names = names.map(|column| format!("`{}`", column.name));
        names.collect::<Vec<_>>().join(", ")
    }

    fn find(&self, name: &str, used: bool) -> Result<Option<usize>, String> {
        match self.position.get(name) {
            None if used => Err(format!(
                "the model reads column `{name}`, which is not among the table's features ({}); add this column to the table, keep it with \
                 data.keep if it was dropped, or name the columns in the model's order in teacher.model_columns",
                self.listed()
            )),
            found => Ok(found.copied()),
        }
    }

    fn by_order(
        &self,
        count: usize,
        used: &[bool],
        order: &[String],
    ) -> Result<Vec<Option<usize>>, String> {
        if order.len() != count {
            return Err(format!(
                "teacher.model_columns has {}; expected {count}, one per input of the model",
                counted(order.len(), "name")
            ));
        }
        let pairs = order.iter().zip(used);
        pairs.map(|(name, used)| self.find(name, *used)).collect()
    }

    fn by_name(&self, inputs: &[Input], used: &[bool]) -> Result<Vec<Option<usize>>, String> {
        let mut cleaned: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for column in &self.x.columns {
            let names = cleaned.entry(clean(&column.name)).or_default();
            names.push(&column.name);
        }
        let find = |(input, used): (&Input, &bool)| {
            let name = input.name.as_deref().unwrap_or_default();
            if self.position.contains_key(name) {
                return self.find(name, *used);
            }
            match cleaned.get(&clean(name)).map(Vec::as_slice) {
                Some([column]) => self.find(column, *used),
                Some([first, second, ..]) if *used => Err(format!(
                    "the model reads column `{name}`, and both `{first}` and `{second}` of the table match that name; name the columns in the \
                     model's order in teacher.model_columns"
                )),
                _ => self.find(name, *used),
            }
        };
        inputs.iter().zip(used).map(find).collect()
    }

    fn by_position(
        &self,
        count: usize,
        dropped: &[DroppedColumn],
    ) -> Result<Vec<Option<usize>>, String> {
        if count != self.x.columns.len() {
            let gone = match dropped {
                [] => String::new(),
                dropped => format!("; checks dropped {}", DroppedColumn::listed(dropped)),
            };
            return Err(format!(
                "the model has {} without names and the table has {} ({}){gone}; name the columns in the model's order in \
                 teacher.model_columns",
                counted(count, "input"),
                counted(self.x.columns.len(), "feature"),
                self.listed()
            ));
        }
        if !dropped.is_empty() {
            return Err(DroppedColumn::refusal(dropped));
        }
        Ok((0..count).map(Some).collect())
    }
}

/// Assigns lists of categories to inputs, for a file that does not say which list belongs to which input. The lists are
/// in the order of the inputs. `assigned` has the index of each input's column, `None` for an input without one.
///
/// The lists belong to the inputs declared as categorical, and to undeclared inputs whose column of the table holds
/// categories. If the number of such inputs differs from the number of lists, no list is assigned. Reading a
/// categorical column then returns an error.
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

/// Replaces white space and JSON syntax characters by `_`, as LightGBM does.
fn clean(name: &str) -> String {
    let is_refused = |c: char| c.is_whitespace() || "\",:[]{}".contains(c);
    name.replace(is_refused, "_")
}

impl Input {
    /// The cells of a column as the model reads them: numbers or category codes. Unknown categories are NaN. Missing
    /// values are NaN, too, unless the model has a code for a missing category.
    pub(crate) fn read(&self, feature: &Feature) -> Result<Vec<f64>, String> {
        let column = &feature.name;
        match (&feature.values, &self.labels) {
            (FeatureValues::Number(values), None) => Ok(values.clone()),
            (FeatureValues::Number(values), Some(labels)) => {
                codes_of_numbers(values, labels, column)
            }
            (FeatureValues::Category { codes, levels }, Some(labels)) => {
                let by_level = codes_of_levels(levels, labels, column)?;
                let missing = self.missing.map_or(f64::NAN, |code| code as f64);
                let of = |code: &u32| match *code {
                    MISSING => missing,
                    code => by_level.get(code as usize).copied().unwrap_or(f64::NAN),
                };
                Ok(codes.iter().map(of).collect())
            }
            (FeatureValues::Category { .. }, None) => Err(format!(
                "column `{column}` holds categories, but the model {}; replace the categories by the numbers that the model was fitted on, or fit \
                 the model on a pandas table with category columns",
                if self.category {
                    "file has category codes without their labels"
                } else {
                    "expects a number"
                }
            )),
        }
    }
}

/// The model's category code of each number in `values`; NaN for a number that is not a category of the model. It is an
/// error if no label of the model stands for a number, or if a number matches several labels.
fn codes_of_numbers(values: &[f64], labels: &[Label], column: &str) -> Result<Vec<f64>, String> {
    let mut code: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, label) in labels.iter().enumerate() {
        let number = match label {
            Label::Text(text) => Label::of_text(text),
            Label::Bool(_) | Label::Number(_) => label.number(),
        };
        if let Some(number) = number {
            code.entry(key(number)).or_default().push(at);
        }
    }
    if code.is_empty() {
        return Err(format!(
            "column `{column}` holds numbers, but the model's categories are strings; set the type of the column to category in data.types"
        ));
    }
    let of = |value: &f64| match code.get(&key(*value)).map(Vec::as_slice) {
        None | Some([]) => Ok(f64::NAN),
        Some([code]) => Ok(*code as f64),
        Some(_) => Err(format!(
            "column `{column}` holds the number {value}, which matches several categories of the model, such as the strings `1` and `1.0`; set the \
             type of the column to category in data.types"
        )),
    };
    values.iter().map(of).collect()
}

/// The model's category code of each level (distinct text) of a column; NaN for a level that is not a category of the
/// model. It is an error if the column has levels and none of them is a category of the model.
fn codes_of_levels(levels: &[String], labels: &[Label], column: &str) -> Result<Vec<f64>, String> {
    let coded = || labels.iter().enumerate();
    let mut texts: HashMap<&str, usize> = HashMap::new();
    for (code, label) in coded() {
        if let Label::Text(text) = label {
            texts.insert(text, code);
        }
    }
    let number = |(code, label): (usize, &Label)| Some((key(label.number()?), code));
    let numbers: HashMap<u64, usize> = coded().filter_map(number).collect();
    let find = |level: &String| {
        let number = || numbers.get(&key(Label::of_text(level)?));
        let code = texts.get(level.as_str()).or_else(number);
        code.map_or(f64::NAN, |code| *code as f64)
    };
    let by_level: Vec<f64> = levels.iter().map(find).collect();
    match !levels.is_empty() && by_level.iter().all(|code| code.is_nan()) {
        true => Err(format!(
            "no category of column `{column}` is among the model's categories; check that the model was fitted on this column"
        )),
        false => Ok(by_level),
    }
}

/// A number as a hash key; −0 equals 0.
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
            history: None,
        }
    }

    fn numbers(name: &str, values: &[f64]) -> Feature {
        Feature {
            name: name.into(),
            values: FeatureValues::Number(values.to_vec()),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
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
    fn numbers_that_several_strings_mean_are_refused() {
        let texts = ["2", "3", "3.0"].map(|text| Label::Text(text.into()));
        let input = labeled(texts.to_vec());
        let message = input.read(&numbers("k", &[2.0, 3.0])).unwrap_err();
        assert!(
            message.contains("the number 3,") && message.contains("data.types"),
            "{message}"
        );
        assert_eq!(shown(input.read(&numbers("k", &[2.0])).unwrap()), "[0.0]");
        let found = input.read(&category(&["3.0", "3"], &[0, 1])).unwrap();
        assert_eq!(shown(found), "[2.0, 1.0]");
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
                .contains("codes without their labels")
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
            past: None,
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
                .contains("1 input without names")
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
    fn names_that_match_several_columns_are_refused() {
        let x = Features {
            columns: vec![numbers("a b", &[1.0]), numbers("a:b", &[2.0])],
            rows: 1,
            past: None,
        };
        let input = [Input {
            name: Some("a_b".into()),
            ..Input::default()
        }];
        let message = assign(&input, &[true], &[], &[], &x).unwrap_err();
        assert!(
            message.contains("`a b` and `a:b`") && message.contains("teacher.model_columns"),
            "{message}"
        );
        assert_eq!(assign(&input, &[false], &[], &[], &x), Ok(vec![None]));
    }

    #[test]
    fn inputs_by_position_are_refused_where_a_check_dropped_a_column() {
        let x = Features {
            columns: vec![numbers("a", &[1.0]), numbers("c", &[2.0])],
            rows: 1,
            past: None,
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
            "`b` (dropped by check `constant`)",
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
        // Input by name or by a given order does not depend on positions.
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
