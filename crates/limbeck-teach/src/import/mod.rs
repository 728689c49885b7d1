//! Teachers from other libraries: LightGBM text files, XGBoost JSON and UBJSON files, CatBoost JSON files, ONNX files.
//!
//! ```text
//! file ─ImportedTeacher::read→ trees, a linear model or a graph, and its inputs
//! Features ─columns::assign→ column of each input ─Input::read→ numbers and codes ─→ predictions in the target's unit
//! ```
//!
//! | format | recognized by | columns | categories | missing values |
//! |---|---|---|---|---|
//! | LightGBM | first line `tree` | by name; by position where the names are `Column_0`, … | `pandas_categorical` | as each node says: NaN, zero or none |
//! | XGBoost (`gbtree`, `dart`, `gblinear`) | `{` and `"learner"`, in JSON or UBJSON | by name; by position where the file has none | `cats` of version 3.1 and later | `default_left`; add nothing to a linear model |
//! | CatBoost | JSON with `scale_and_bias` | by name; by position where the names are numbers | none: such models are refused | `nan_value_treatment` |
//! | ONNX | a protobuf with a graph | by name where each input is one column, else by position | texts of text inputs | pass through as NaN; a missing text is unknown, or `nan` where the model knows that |
//!
//! Each may be overruled by a list of column names in the model's order. By position is refused where a check dropped a column of the table, since
//! the next column would slide into its place; a column that the user drops is dropped on purpose. Links are those of the objective in the file: what comes out is
//! what the library's `predict` says, of XGBoost that of `XGBRegressor`, which stops at the best iteration. What the file was fitted on is not known here: an imported teacher has *seen* its training rows.
//!
//! Bytes from outside never panic, no count in a file is believed before its numbers are there, and what a graph may compute is
//! limited by the size of its file. Files of other kinds are named for what they are: `foreign`.

mod catboost;
mod columns;
mod fault;
mod foreign;
mod lightgbm;
mod linear;
mod onnx;
mod trees;
mod ubjson;
mod wire;
mod xgboost;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use limbeck_data::Features;
use rayon::prelude::*;

use crate::layers::FeatureLayer;
use crate::{Error, Result};
pub use columns::DroppedColumn;
use columns::{Input, Label};
use fault::{Fault, Parsed};
use linear::LinearModel;
use onnx::{Graph, Source};
use trees::TreeModel;
use xgboost::Boosted;

/// Rows predicted at a time, at most.
const BLOCK: usize = 256;

/// Which library wrote a model file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ModelFormat {
    /// LightGBM's text format.
    Lightgbm,
    /// XGBoost's JSON or UBJSON format.
    Xgboost,
    /// CatBoost's JSON format.
    Catboost,
    /// ONNX.
    Onnx,
}

impl fmt::Display for ModelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lightgbm => "lightgbm",
            Self::Xgboost => "xgboost",
            Self::Catboost => "catboost",
            Self::Onnx => "onnx",
        })
    }
}

/// A teacher read from another library's model file.
///
/// # Formula
///
/// That of the file: [`TreeModel`](self) with its link, or the operations of a graph. Comparisons are made in the precision of the
/// library: double for LightGBM, single for XGBoost and most of ONNX.
///
/// # Units
///
/// Raw columns in, the target's unit out, after the link of the objective.
///
/// # Source
///
/// `Tree::Decision`, `GBDT::Predict` of `microsoft/LightGBM`; `PredValueByOneTree` of `dmlc/xgboost`; the operator reference of
/// `onnx/onnx`, with `TreeEnsembleRegressor` as in `microsoft/onnxruntime`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedTeacher {
    path: PathBuf,
    format: ModelFormat,
    inputs: Vec<Input>,
    /// Categories of the inputs that are categories, in their order, where the file does not say which these are.
    lists: Vec<Arc<[Label]>>,
    used: Vec<bool>,
    order: Vec<String>,
    dropped: Vec<DroppedColumn>,
    notes: Vec<String>,
    bytes: usize,
    body: Body,
}

#[derive(Clone, Debug, PartialEq)]
enum Body {
    Trees(TreeModel),
    Linear(LinearModel),
    Graph(Graph),
}

/// How to read a model file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// The output to read of an ONNX model with several.
    pub output: Option<String>,
}

impl ImportedTeacher {
    /// Reads a model file.
    ///
    /// ```no_run
    /// use limbeck_teach::import::ImportedTeacher;
    ///
    /// let teacher = ImportedTeacher::read("model.txt")?;
    /// println!("{}, {} fitted numbers", teacher.format(), teacher.parameters());
    /// # Ok::<(), limbeck_teach::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] where the file cannot be read, [`Error::Model`] where it is damaged, no model of these formats, or a model
    /// that cannot be a teacher of one number: a classifier, several outputs, an objective or operation that is not known.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path, &ImportOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); [`Error::Model`] for an output that the model does not have.
    pub fn read_with(path: impl AsRef<Path>, options: &ImportOptions) -> Result<Self> {
        let path = path.as_ref();
        if let Some(fault) = foreign::by_folder(path) {
            return Err(Error::Model {
                path: path.to_owned(),
                message: fault.to_string(),
            });
        }
        let bytes = std::fs::read(path).map_err(|source| Error::ModelFile {
            path: path.to_owned(),
            source,
        })?;
        Self::parsed(&bytes, path, options)
    }

    /// Reads the bytes of a model file; `path` is for messages, and for weights that lie beside an ONNX file.
    ///
    /// # Errors
    ///
    /// [`Error::Model`], as [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], path: impl Into<PathBuf>) -> Result<Self> {
        Self::parsed(bytes, &path.into(), &ImportOptions::default())
    }

    /// True for a folder in which another library keeps a model. Reading it says which.
    #[must_use]
    pub fn is_foreign_folder(path: impl AsRef<Path>) -> bool {
        foreign::by_folder(path.as_ref()).is_some()
    }

    fn parsed(bytes: &[u8], path: &Path, options: &ImportOptions) -> Result<Self> {
        let source = Source {
            // A path without a folder lies in the one at hand.
            folder: path
                .parent()
                .map(|folder| match folder.as_os_str().is_empty() {
                    true => Path::new("."),
                    false => folder,
                }),
            output: options.output.as_deref(),
        };
        let parts = parse(bytes, &source).map_err(|fault| Error::Model {
            path: path.to_owned(),
            message: fault.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            format: parts.format,
            inputs: parts.inputs,
            lists: parts.lists,
            used: parts.used,
            order: Vec::new(),
            dropped: Vec::new(),
            notes: parts.notes,
            bytes: bytes.len() + parts.bytes_beside,
            body: parts.body,
        })
    }

    /// The same teacher that knows which columns of the table were dropped by checks, so that inputs by position are not mistaken.
    #[must_use]
    pub fn with_dropped(mut self, dropped: Vec<DroppedColumn>) -> Self {
        self.dropped = dropped;
        self
    }

    /// What a user should know of how the file was read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The same teacher with the columns of its inputs named, in the model's order; an empty list leaves it as it was.
    #[must_use]
    pub fn with_columns(mut self, order: &[String]) -> Self {
        self.order = order.to_vec();
        self
    }

    /// Which library wrote it.
    #[must_use]
    pub fn format(&self) -> ModelFormat {
        self.format
    }

    /// Bytes of its file, and of weights beside it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fitted numbers: thresholds, sets and leaves of trees, weights of graphs.
    #[must_use]
    pub fn parameters(&self) -> usize {
        match &self.body {
            Body::Trees(trees) => trees.parameters(),
            Body::Linear(linear) => linear.parameters(),
            Body::Graph(graph) => graph.parameters(),
        }
    }

    /// Predictions in the target's unit, one per row.
    ///
    /// Runs on the current rayon pool; each row is computed alone, so that the number of threads changes no bit. A category that the file
    /// does not list is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] for a column that the model reads and the features lack, for categories without a list in the file, and for a
    /// prediction that is not finite.
    pub fn predict(&self, x: &Features) -> Result<Vec<f64>> {
        let parts = self.blocks(x, |start, rows, width, count| {
            let mut predictions = vec![0.0; count];
            match &self.body {
                Body::Trees(trees) => trees.predict(rows, width, &mut predictions),
                Body::Linear(linear) => linear.predict(rows, &mut predictions),
                Body::Graph(graph) => graph.predict(rows, &mut predictions).map_err(|fault| fault.to_string())?,
            }
            match predictions.iter().position(|prediction| !prediction.is_finite()) {
                Some(at) => Err(format!(
                    "the model predicts {} for row {}; expected a finite number: fill missing values that it cannot read",
                    predictions[at],
                    start + at + 1
                )),
                None => Ok(predictions),
            }
        })?;
        Ok(parts.concat())
    }

    /// Inner features, layer by layer, the first nearest the input: leaf embeddings of trees as in [`FittedTeacher::layers`](crate::FittedTeacher::layers); of a
    /// graph what its products read that other products made, which are the hidden layers of a network after their activations.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict); [`Error::Model`] for a graph without hidden layers or trees, and for features that are not finite.
    pub fn layers(&self, x: &Features) -> Result<Vec<FeatureLayer>> {
        let parts = self.blocks(x, |start, rows, width, count| {
            let layers = match &self.body {
                Body::Trees(trees) => trees.layers(rows, width, count),
                Body::Linear(_) => Vec::new(),
                Body::Graph(graph) => graph.layers(rows, count).map_err(|fault| fault.to_string())?,
            };
            if layers.is_empty() {
                return Err("the model has neither hidden layers nor trees, so that it shows no features; leave hints out".to_owned());
            }
            for layer in &layers {
                if let Some(at) = layer.values.iter().position(|value| !value.is_finite()) {
                    let row = start + at / layer.width + 1;
                    return Err(format!("a hidden layer has {} for row {row}; expected finite numbers: leave hints out", layer.values[at]));
                }
            }
            Ok(layers)
        })?;
        let mut parts = parts.into_iter();
        let mut layers = parts.next().unwrap_or_default();
        for part in parts {
            for (layer, part) in layers.iter_mut().zip(part) {
                layer.values.extend(part.values);
            }
        }
        Ok(layers)
    }

    /// What `of` makes of each block of rows, in their order: it is told the first row, the inputs row by row, their number, and the rows.
    fn blocks<T: Send>(
        &self,
        x: &Features,
        of: impl Fn(usize, &[f64], usize, usize) -> Result<T, String> + Sync,
    ) -> Result<Vec<T>> {
        let columns = self.columns(x).map_err(|message| self.error(message))?;
        let most = match &self.body {
            Body::Graph(graph) => graph.block().min(BLOCK),
            Body::Trees(_) | Body::Linear(_) => BLOCK,
        };
        let block = |start: usize| {
            let rows = start..(start + most).min(x.rows);
            let value = |row: usize| {
                columns
                    .iter()
                    .map(move |column| column.as_ref().map_or(f64::NAN, |column| column[row]))
            };
            let values: Vec<f64> = rows.clone().flat_map(value).collect();
            of(start, &values, columns.len(), rows.len())
        };
        let starts: Vec<usize> = (0..x.rows).step_by(most).collect();
        starts
            .into_par_iter()
            .map(block)
            .collect::<Result<_, String>>()
            .map_err(|message| self.error(message))
    }

    fn columns(&self, x: &Features) -> Result<Vec<Option<Vec<f64>>>, String> {
        let assigned = columns::assign(&self.inputs, &self.used, &self.order, &self.dropped, x)?;
        let inputs = columns::with_lists(&self.inputs, &self.lists, &assigned, x);
        let read = |((at, input), used): ((Option<usize>, &Input), &bool)| match at {
            Some(at) if *used => input.read(&x.columns[at]).map(Some),
            _ => Ok(None),
        };
        assigned
            .into_iter()
            .zip(inputs.iter())
            .zip(&self.used)
            .map(read)
            .collect()
    }

    fn error(&self, message: String) -> Error {
        Error::Model {
            path: self.path.clone(),
            message,
        }
    }
}

/// Files in which weights of an ONNX model lie, beside it; none for other files, and none that is not there.
#[must_use]
pub fn weights_beside(model: impl AsRef<Path>) -> Vec<PathBuf> {
    let model = model.as_ref();
    let bytes = match model.is_file() {
        true => std::fs::read(model).unwrap_or_default(),
        false => Vec::new(),
    };
    let plain = |name: &String| {
        let mut parts = Path::new(name).components();
        parts.all(|part| matches!(part, std::path::Component::Normal(_)))
    };
    let locations = onnx::locations(&bytes).into_iter().filter(plain);
    let paths = locations.map(|name| model.with_file_name(name));
    paths.filter(|path| path.is_file()).collect()
}

/// What a file holds.
struct Parts {
    format: ModelFormat,
    body: Body,
    inputs: Vec<Input>,
    used: Vec<bool>,
    /// Lists of categories that have no owner yet.
    lists: Vec<Arc<[Label]>>,
    notes: Vec<String>,
    bytes_beside: usize,
}

impl Parts {
    fn of_xgboost(model: xgboost::XgboostModel) -> Self {
        let inputs = model.inputs;
        let (body, used) = match model.booster {
            Boosted::Trees(trees) => {
                let used = trees.used(inputs.len());
                (Body::Trees(trees), used)
            }
            Boosted::Linear(linear) => {
                let used = linear.used();
                (Body::Linear(linear), used)
            }
        };
        Self {
            format: ModelFormat::Xgboost,
            body,
            inputs,
            used,
            lists: Vec::new(),
            notes: model.notes,
            bytes_beside: 0,
        }
    }

    fn of_lightgbm(text: &str) -> Parsed<Self> {
        let (trees, (inputs, lists)) = lightgbm::parse(text)?;
        let parts = Self::of_trees(ModelFormat::Lightgbm, trees, inputs);
        Ok(Self { lists, ..parts })
    }

    fn of_catboost(text: &str) -> Parsed<Self> {
        let (trees, inputs) = catboost::parse(text)?;
        Ok(Self::of_trees(ModelFormat::Catboost, trees, inputs))
    }

    fn of_trees(format: ModelFormat, trees: TreeModel, inputs: Vec<Input>) -> Self {
        Self {
            format,
            used: trees.used(inputs.len()),
            body: Body::Trees(trees),
            inputs,
            lists: Vec::new(),
            notes: Vec::new(),
            bytes_beside: 0,
        }
    }

    fn of_onnx(bytes: &[u8], source: &Source<'_>) -> Parsed<Self> {
        let model = onnx::parse(bytes, source)
            .map_err(|fault| foreign::by_fields(&onnx::field_numbers(bytes)).unwrap_or(fault))?;
        Ok(Self {
            format: ModelFormat::Onnx,
            body: Body::Graph(model.graph),
            inputs: model.inputs,
            used: model.used,
            lists: Vec::new(),
            notes: Vec::new(),
            bytes_beside: model.bytes_beside,
        })
    }
}

/// True for UBJSON, which has a length where JSON has a name.
fn is_ubjson(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{')
        && bytes
            .get(1)
            .is_some_and(|second| b"iUIlL$#".contains(second))
}

fn parse(bytes: &[u8], source: &Source<'_>) -> Parsed<Parts> {
    let begin = bytes.trim_ascii_start();
    if begin.is_empty() {
        return Err(Fault::malformed("the file", "nothing", foreign::EXPECTED));
    }
    if let Some(fault) = foreign::by_bytes(bytes) {
        return Err(fault);
    }
    let parts = parse_known(bytes, source)?;
    match source.output {
        Some(_) if parts.format != ModelFormat::Onnx => Err(Fault::unsupported(
            format!(
                "teacher.model_output is set, and the file is of {}, which has one output",
                parts.format
            ),
            "leave --teacher-model-output out",
        )),
        _ => Ok(parts),
    }
}

fn parse_known(bytes: &[u8], source: &Source<'_>) -> Parsed<Parts> {
    if is_ubjson(bytes) {
        return xgboost::parse_ubjson(bytes).map(Parts::of_xgboost);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Parts::of_onnx(bytes, source);
    };
    let text = text.trim_start();
    if lightgbm::recognizes(text) {
        return Parts::of_lightgbm(text);
    }
    if text.starts_with('{') && catboost::recognizes(text) {
        return Parts::of_catboost(text);
    }
    if text.starts_with('{') {
        let read = xgboost::parse_json(text).map(Parts::of_xgboost);
        return read.map_err(|fault| foreign::by_json(text).unwrap_or(fault));
    }
    // Few graphs are valid UTF-8, and all of them have bytes that no text has.
    let is_text = !text.contains(|c: char| c.is_control() && !c.is_whitespace());
    match is_text {
        true => Err(foreign::by_text(text)),
        false => Parts::of_onnx(bytes, source),
    }
}
