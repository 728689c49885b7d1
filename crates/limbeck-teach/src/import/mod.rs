//! Teachers from other libraries: LightGBM text files, XGBoost JSON files, ONNX files.
//!
//! ```text
//! file ─ImportedTeacher::read→ trees or a graph, and its inputs
//! Features ─columns::assign→ column of each input ─Input::read→ numbers and codes ─→ predictions in the target's unit
//! ```
//!
//! | format | recognized by | columns | categories | missing values |
//! |---|---|---|---|---|
//! | LightGBM | first line `tree` | by name; by position where the names are `Column_0`, … | `pandas_categorical` | as each node says: NaN, zero or none |
//! | XGBoost | `{` and `"learner"` | by name; by position where the file has none | `cats` of version 3.1 and later | `default_left` |
//! | ONNX | a protobuf with a graph | by name where each input is one column, else by position | none | pass through as NaN |
//!
//! Each may be overruled by a list of column names in the model's order. Links are those of the objective in the file: what comes out is
//! what the library's `predict` says. What the file was fitted on is not known here: an imported teacher has *seen* its training rows.
//!
//! Bytes from outside never panic, and no count in a file is believed before its numbers are there.

mod columns;
mod fault;
mod lightgbm;
mod onnx;
mod trees;
mod wire;
mod xgboost;

use std::fmt;
use std::path::{Path, PathBuf};

use limbeck_data::Features;
use rayon::prelude::*;

use crate::layers::FeatureLayer;
use crate::{Error, Result};
use columns::{Input, Label};
use fault::{Fault, Parsed};
use onnx::Graph;
use trees::TreeModel;

/// Rows predicted at a time.
const BLOCK: usize = 256;

/// Which library wrote a model file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ModelFormat {
    /// LightGBM's text format.
    Lightgbm,
    /// XGBoost's JSON format.
    Xgboost,
    /// ONNX.
    Onnx,
}

impl fmt::Display for ModelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lightgbm => "lightgbm",
            Self::Xgboost => "xgboost",
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
    lists: Vec<Vec<Label>>,
    used: Vec<bool>,
    order: Vec<String>,
    bytes: usize,
    body: Body,
}

#[derive(Clone, Debug, PartialEq)]
enum Body {
    Trees(TreeModel),
    Graph(Graph),
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
    /// [`Error::ModelFile`] where the file cannot be read, [`Error::Model`] where it is damaged, no model of the three formats, or a model
    /// that cannot be a teacher of one number: a classifier, several outputs, an objective or operation that is not known.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::ModelFile {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of a model file; `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Model`], as [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let (format, body, inputs, lists) = match parse(bytes) {
            Ok(parts) => parts,
            Err(fault) => {
                return Err(Error::Model {
                    path,
                    message: fault.to_string(),
                });
            }
        };
        let used = match &body {
            Body::Trees(trees) => trees.used(inputs.len()),
            Body::Graph(_) => vec![true; inputs.len()],
        };
        Ok(Self {
            path,
            format,
            inputs,
            lists,
            used,
            order: Vec::new(),
            bytes: bytes.len(),
            body,
        })
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

    /// Bytes of its file.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fitted numbers: thresholds, sets and leaves of trees, weights of graphs.
    #[must_use]
    pub fn parameters(&self) -> usize {
        match &self.body {
            Body::Trees(trees) => trees.parameters(),
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
        let block = |start: usize| {
            let rows = start..(start + BLOCK).min(x.rows);
            let value = |row: usize| {
                columns
                    .iter()
                    .map(move |column| column.as_ref().map_or(f64::NAN, |column| column[row]))
            };
            let values: Vec<f64> = rows.clone().flat_map(value).collect();
            of(start, &values, columns.len(), rows.len())
        };
        let starts: Vec<usize> = (0..x.rows).step_by(BLOCK).collect();
        starts
            .into_par_iter()
            .map(block)
            .collect::<Result<_, String>>()
            .map_err(|message| self.error(message))
    }

    fn columns(&self, x: &Features) -> Result<Vec<Option<Vec<f64>>>, String> {
        let assigned = columns::assign(&self.inputs, &self.used, &self.order, x)?;
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

/// Format, model, inputs, and the lists of categories that have no owner yet.
type Parts = (ModelFormat, Body, Vec<Input>, Vec<Vec<Label>>);

/// Refuses nothing at all, and a format that can be told by its first bytes.
fn check_begin(begin: &[u8]) -> Parsed<()> {
    if begin.is_empty() {
        return Err(Fault::malformed(
            "the file",
            "nothing",
            "a LightGBM text model, an XGBoost JSON model or an ONNX model",
        ));
    }
    // UBJSON has a length where JSON has a name.
    if [b"{L", b"{l", b"{i", b"{U", b"{I"]
        .iter()
        .any(|start| begin.starts_with(*start))
    {
        return Err(Fault::unsupported(
            "the file is XGBoost's UBJSON",
            "save it as JSON: model.save_model(\"model.json\")",
        ));
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Parsed<Parts> {
    let begin = bytes.trim_ascii_start();
    check_begin(begin)?;
    if let Ok(text) = std::str::from_utf8(bytes) {
        if lightgbm::recognizes(text.trim_start()) {
            let (trees, inputs, lists) = lightgbm::parse(text.trim_start())?;
            return Ok((ModelFormat::Lightgbm, Body::Trees(trees), inputs, lists));
        }
        if begin.starts_with(b"{") {
            let (trees, inputs) = xgboost::parse(text)?;
            return Ok((ModelFormat::Xgboost, Body::Trees(trees), inputs, Vec::new()));
        }
    }
    let (graph, inputs) = onnx::parse(bytes)?;
    Ok((ModelFormat::Onnx, Body::Graph(graph), inputs, Vec::new()))
}
