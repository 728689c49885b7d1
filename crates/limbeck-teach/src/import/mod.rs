//! Teachers from other libraries: model files of LightGBM (text), XGBoost (JSON, UBJSON), CatBoost (JSON) and ONNX.
//!
//! ```text
//! file ─ImportedTeacher::read→ trees, a linear model or a graph, and its inputs
//! Features ─columns::assign→ column of each input ─Input::read→ numbers and category codes ─→ predictions in the target's unit
//! ```
//!
//! | format | recognized by | how columns are found | categories | missing values |
//! |---|---|---|---|---|
//! | LightGBM | first line `tree` | by name; by position if the names are `Column_0`, … | `pandas_categorical` | missing type of each node: none, zero or NaN |
//! | XGBoost (`gbtree`, `dart`, `gblinear`) | `{` and `"learner"`, in JSON or UBJSON | by name; by position if the file has no names | `cats`, written by version 3.1 and later | `default_left`; a linear model skips them |
//! | CatBoost | JSON with `scale_and_bias` | by name; by position if the names are numbers | models with categories are refused | `nan_value_treatment` |
//! | ONNX | protobuf with a graph | by name if there are several inputs of one column each, else by position | strings of string inputs | stay NaN; a missing string is unknown, or `nan` if the file contains that string |
//!
//! If the option `teacher.model_columns` lists the column names in the model's order, columns are found by this list
//! instead. Columns are not found by position if a check dropped a column of the table, because later columns would
//! move up by one; this is an error. Columns that the user drops are allowed: the user knows that the model does not
//! read them.
//!
//! Predictions are those of the library's `predict`, after the link function of the file's objective. For XGBoost they
//! are those of `XGBRegressor`, which stops at the best iteration. The rows that the model was fitted on are unknown,
//! so limbeck assumes that an imported teacher was fitted on the training rows: its errors there may be too small.
//!
//! No input bytes may cause a panic. Memory is reserved only for data that the file really contains. The work of a
//! graph is limited by the size of its file. Files of unsupported formats are recognized and named in the error: see
//! `foreign`.

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

/// Rows are predicted in blocks, several blocks at the same time. This is the maximum number of rows in a block.
const BLOCK: usize = 256;

/// The format of a model file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ModelFormat {
    /// LightGBM's text format.
    Lightgbm,
    /// XGBoost's JSON or UBJSON format.
    Xgboost,
    /// CatBoost's JSON format.
    Catboost,
    /// The ONNX format, which many libraries can write.
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

/// A teacher read from a model file of another library.
///
/// # Formula
///
/// Trees ([`TreeModel`](self)) or a weighted sum of the inputs, followed by a link function; or the operations of an
/// ONNX graph. Numbers are compared in the library's precision: double for LightGBM, single for XGBoost, CatBoost and
/// most ONNX models.
///
/// # Units
///
/// Reads raw columns and returns predictions in the target's unit, after the link function of the objective.
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
    /// Lists of categories, one for each categorical input, in the order of the inputs; for a file that does not say
    /// which inputs are categorical. Empty for other files.
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

/// Options for reading a model file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Name of the output to read, for an ONNX model. `None` reads the only output; it is an error if there are
    /// several. Must be `None` for other formats.
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
    /// [`Error::ModelFile`] if the file cannot be read. [`Error::Model`] if it is damaged, if its format is unknown,
    /// or if the model does not predict one number per row: a classifier, several outputs, an unknown objective or
    /// operation.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path, &ImportOptions::default())
    }

    /// Same as [`read`](Self::read), with options.
    ///
    /// # Errors
    ///
    /// Same as [`read`](Self::read); also [`Error::Model`] if an output is named and the model has no such output, or
    /// is not an ONNX model.
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

    /// Reads the bytes of a model file. `path` is used in messages and to find weights stored beside an ONNX file.
    ///
    /// # Errors
    ///
    /// [`Error::Model`], for the same reasons as [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], path: impl Into<PathBuf>) -> Result<Self> {
        Self::parsed(bytes, &path.into(), &ImportOptions::default())
    }

    /// True if the path is a folder in which another library stores a model, such as a TensorFlow SavedModel. Such a
    /// folder cannot be read: [`read`](Self::read) returns an error that names its format.
    #[must_use]
    pub fn is_foreign_folder(path: impl AsRef<Path>) -> bool {
        foreign::by_folder(path.as_ref()).is_some()
    }

    fn parsed(bytes: &[u8], path: &Path, options: &ImportOptions) -> Result<Self> {
        let source = Source {
            // A path without a folder is in the current folder.
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

    /// Sets which columns of the table were dropped by checks. If there are any, and the model's inputs have no names,
    /// name the columns with [`with_columns`](Self::with_columns); otherwise [`predict`](Self::predict) returns an
    /// error.
    #[must_use]
    pub fn with_dropped(mut self, dropped: Vec<DroppedColumn>) -> Self {
        self.dropped = dropped;
        self
    }

    /// Notes for the user about how the file was read, for example that early stopping leaves out some trees.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Sets the name of the table's column that each input of the model reads, in the order of the inputs. With an
    /// empty list, columns are found by the names in the file, or by position.
    #[must_use]
    pub fn with_columns(mut self, order: &[String]) -> Self {
        self.order = order.to_vec();
        self
    }

    /// The format of the model file.
    #[must_use]
    pub fn format(&self) -> ModelFormat {
        self.format
    }

    /// Size of the model file and of its weight files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of fitted parameters. For trees: thresholds, category codes, leaf values and weights. For a linear model
    /// or a graph: weights.
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
    /// Runs on the current rayon pool. Each row is computed on its own, so the result does not depend on the number of
    /// threads. A category that the file does not list counts as missing in tree models; an ONNX graph encodes it as an
    /// unknown category.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] if the columns of the inputs cannot be found, if the values of a column do not fit its input
    /// (for example, categories for which the file has no list), or if a prediction is not finite.
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
                    "the model predicts {} for row {}; expected a finite number; fill missing values in the table if the model cannot read them",
                    predictions[at],
                    start + at + 1
                )),
                None => Ok(predictions),
            }
        })?;
        Ok(parts.concat())
    }

    /// Hidden features, layer by layer; the layer nearest to the input comes first. For trees, these are leaf
    /// embeddings, as in [`FittedTeacher::layers`](crate::FittedTeacher::layers). For a graph, they are the hidden
    /// layers of a network, after their activations: the values between two matrix products. If a graph has no such
    /// values, they are leaf embeddings of its first tree ensemble.
    ///
    /// # Errors
    ///
    /// Same as [`predict`](Self::predict); also [`Error::Model`] if the model has neither hidden layers nor trees, or
    /// if a feature is not finite.
    pub fn layers(&self, x: &Features) -> Result<Vec<FeatureLayer>> {
        let parts = self.blocks(x, |start, rows, width, count| {
            let layers = match &self.body {
                Body::Trees(trees) => trees.layers(rows, width, count),
                Body::Linear(_) => Vec::new(),
                Body::Graph(graph) => graph.layers(rows, count).map_err(|fault| fault.to_string())?,
            };
            if layers.is_empty() {
                return Err("the model has neither hidden layers nor trees, so it has no hidden features; leave --hints out".to_owned());
            }
            for layer in &layers {
                if let Some(at) = layer.values.iter().position(|value| !value.is_finite()) {
                    let row = start + at / layer.width + 1;
                    return Err(format!("a hidden layer has the value {} for row {row}; expected a finite number; leave --hints out", layer.values[at]));
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

    /// Calls `of` for each block of rows and returns the results in order. Arguments of `of`: the index of the block's
    /// first row, the inputs in row-major order, the number of inputs, and the number of rows.
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

/// Files beside an ONNX model that hold its weights, as far as they exist. Empty for other formats, and if the model
/// cannot be read.
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

/// The content of a model file.
struct Parts {
    format: ModelFormat,
    body: Body,
    inputs: Vec<Input>,
    used: Vec<bool>,
    /// Lists of categories that are not yet assigned to inputs; empty if the file says which list belongs to which
    /// input.
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

/// True if the bytes are UBJSON, false for JSON. After the first `{`, UBJSON has a type letter, `$` or `#`; JSON has a
/// quote or white space.
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
                "teacher.model_output is set, but a {} file has only one output",
                parts.format
            ),
            "leave out --teacher-model-output",
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
    // An ONNX file is rarely valid UTF-8. If it is, it contains control characters, which a text file does not.
    let is_text = !text.contains(|c: char| c.is_control() && !c.is_whitespace());
    match is_text {
        true => Err(foreign::by_text(text)),
        false => Parts::of_onnx(bytes, source),
    }
}
