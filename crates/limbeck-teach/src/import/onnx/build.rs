//! Turns the nodes of an ONNX file into the steps of a program. Each value of the graph gets a *slot*: an index. A node
//! whose inputs are all constant is computed while the file is read; its result becomes a constant.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::fault::{Fault, Parsed, short};
use super::super::trees::{Link, Precision, TreeModel};
use super::encode::{Codes, NO_TEXT, Shown};
use super::ensemble::{RootLists, TreeLists, aggregate};
use super::external::External;
use super::file::FileGraph;
use super::kernel::{Distance, Kernel, SupportVectors};
use super::kind::{FLOAT, FLOAT16, Kind};
use super::node::{FileNode, cannot, no_transform, several_targets};
use super::op::{Each, Ints, Norm, Op};
use super::reduce::Reduction;
use super::select::{self, Cut};
use super::steps::{Action, Budget, Program, Scan, Step, too_much};
use super::tensor::Tensor;
use super::weights::{Weights, kind_of, name_of};

/// Maximum number of columns in the input of a tree ensemble.
const MOST_COLUMNS: usize = 1 << 16;
/// Maximum depth of nested `Scan` bodies.
const DEEPEST: usize = 2;
/// Maximum number of integers in a constant that is read as axes, a shape or sizes.
const MOST_INTS: usize = 1 << 12;

/// First: the steps. Second: the constants, as pairs of a slot (the index of a value) and the constant. Third: the
/// number of slots.
pub(super) type Parts = (Vec<Step>, Vec<(usize, Arc<Tensor>)>, usize);

/// Reads the nodes of a graph as steps. Assigns a slot (an index) to the name of each value.
pub(super) struct Reader {
    weights: Weights,
    scope: Scope,
    fold: Budget,
    /// Number of values that may still be computed, or copied, while the file is read.
    fold_room: usize,
    file_bytes: usize,
    /// Version of ONNX's default operator set; `None` if the file does not state it.
    opset: Option<i64>,
    parameters: usize,
    depth: usize,
}

/// What is known about the values of one graph (the whole graph, or the body of one `Scan`), and the steps of that
/// graph.
#[derive(Default)]
struct Scope {
    slots: HashMap<String, usize>,
    kinds: HashMap<usize, Kind>,
    constants: HashMap<usize, Arc<Tensor>>,
    steps: Vec<Step>,
}

impl Scope {
    fn slot(&mut self, name: &str) -> usize {
        let next = self.slots.len();
        *self.slots.entry(name.to_owned()).or_insert(next)
    }

    fn parts(self) -> Parts {
        let mut constants: Vec<_> = self.constants.into_iter().collect();
        constants.sort_unstable_by_key(|(slot, _)| *slot);
        (self.steps, constants, self.slots.len())
    }
}

impl Reader {
    /// A reader for a file of `file_bytes` bytes. This size limits the work and memory for computing constants while
    /// the file is read.
    pub(super) fn new(external: External, file_bytes: usize, opset: Option<i64>) -> Self {
        let numbers = file_bytes as u64 / 4;
        // The product of two square matrices from the file takes (numbers / 2)^1.5 multiplications.
        let product = (numbers as f64).powf(1.5) as u64;
        let work = (1 << 26) + product.saturating_mul(8);
        Self {
            weights: Weights::new(external),
            scope: Scope::default(),
            fold: Budget::new(work.min(1 << 31)),
            fold_room: (1 << 24) + file_bytes / 2,
            file_bytes,
            opset,
            parameters: 0,
            depth: 0,
        }
    }

    /// The slot of the value with this name. A new name gets the next free slot.
    pub(super) fn slot(&mut self, name: &str) -> usize {
        self.scope.slot(name)
    }

    /// Adds an input of the graph, with its element type, and returns its slot.
    pub(super) fn input(&mut self, name: &str, kind: Kind) -> usize {
        let slot = self.slot(name);
        self.scope.kinds.insert(slot, kind);
        slot
    }

    /// The element type of the value in a slot; `None` if it is not known.
    pub(super) fn kind_of(&self, slot: usize) -> Option<Kind> {
        self.scope.kinds.get(&slot).copied()
    }

    /// All strings of the file.
    pub(super) fn texts(&self) -> &[String] {
        &self.weights.texts.list
    }

    pub(super) fn bytes_beside(&self) -> usize {
        self.weights.external.bytes
    }

    /// Upper limit for the number of values that the model file and its weight files hold, computed from their size.
    pub(super) fn stored(&self) -> u64 {
        (self.file_bytes + self.bytes_beside()) as u64 / 4
    }

    /// Number of fitted parameters read so far.
    pub(super) fn parameters(&self) -> usize {
        self.parameters
    }

    pub(super) fn finish(self) -> Parts {
        self.scope.parts()
    }

    /// Reads an initializer of the graph (a constant tensor) from its protobuf message.
    pub(super) fn initializer(&mut self, bytes: &[u8]) -> Parsed<()> {
        let (tensor, kind) = self.weights.tensor(bytes)?;
        self.stored_constant(name_of(bytes)?, tensor, kind);
        Ok(())
    }

    fn stored_constant(&mut self, name: &str, tensor: Tensor, kind: Kind) {
        self.parameters += tensor.data.len();
        let slot = self.slot(name);
        self.constant(slot, tensor, kind);
    }

    fn constant(&mut self, slot: usize, tensor: Tensor, kind: Kind) {
        self.scope.kinds.insert(slot, kind);
        self.scope.constants.insert(slot, Arc::new(tensor));
    }

    fn known(&self, name: &str) -> Option<&Tensor> {
        let slot = self.scope.slots.get(name)?;
        self.scope.constants.get(slot).map(Arc::as_ref)
    }

    fn kind(&self, node: &FileNode<'_>, place: usize) -> Kind {
        let slot = node
            .inputs
            .get(place)
            .and_then(|name| self.scope.slots.get(*name));
        let kind = slot.and_then(|slot| self.scope.kinds.get(slot));
        kind.copied().unwrap_or_default()
    }

    /// Adds the strings of a node to the list of all strings. `Cast` needs the complete list.
    pub(super) fn note_texts(&mut self, node: &FileNode<'_>) {
        for key in [
            "keys_strings",
            "values_strings",
            "cats_strings",
            "classes_strings",
        ] {
            for text in node.texts(key) {
                self.weights.texts.place(text);
            }
        }
    }

    fn texts_of(&mut self, node: &FileNode<'_>, key: &str) -> Vec<f64> {
        let texts = node.texts(key).iter();
        texts.map(|text| self.weights.texts.place(text)).collect()
    }

    /// For each output of a node: adds a step if the name of the output is in `needed`. An output that depends only on
    /// constants becomes a constant instead.
    ///
    /// # Errors
    ///
    /// For an unknown operation, and for options or constants that are not supported.
    pub(super) fn add(&mut self, node: &FileNode<'_>, needed: &HashSet<&str>) -> Parsed<()> {
        let name = format!("node {} ({})", short(node.name), short(node.op));
        if node.outputs.is_empty() {
            return Err(Fault::malformed(name, "no output", "at least one"));
        }
        // The further outputs of all other operations are only used in training.
        let all = matches!(node.op, "Split" | "Scan" | "TopK");
        let mut others = node.outputs.iter().skip(1);
        if !all && others.any(|output| needed.contains(output)) {
            return Err(cannot(&name, "expected that only its first output is used"));
        }
        let outputs = node
            .outputs
            .iter()
            .enumerate()
            .take(if all { usize::MAX } else { 1 });
        for (which, output) in outputs.filter(|(_, output)| needed.contains(*output)) {
            node.check_domain()?;
            if node.op == "Constant" {
                let (tensor, kind) = self.constant_of(node, &name)?;
                self.stored_constant(output, tensor, kind);
                continue;
            }
            let kind = match (node.op, which) {
                ("TopK", 1) => Kind::Whole,
                _ => self.result_kind(node),
            };
            let step = self.step(node, &name, which, output, kind)?;
            self.scope.kinds.insert(step.output, kind);
            self.fold_or_keep(step, kind)?;
        }
        Ok(())
    }

    /// If a step has inputs and all of them are constant, runs it now and keeps its result as a constant. Else appends
    /// the step to the program.
    fn fold_or_keep(&mut self, step: Step, kind: Kind) -> Parsed<()> {
        let inputs = || step.inputs.iter().flatten();
        let is_constant = |slot: &usize| self.scope.constants.contains_key(slot);
        if inputs().next().is_none() || !inputs().all(is_constant) {
            if let Action::Op(op) = &step.action {
                self.parameters += op.parameters();
            }
            self.scope.steps.push(step);
            return Ok(());
        }
        let constants = &self.scope.constants;
        let value = |slot: usize| constants.get(&slot).map(Arc::as_ref);
        let result = step.run(value, 1, &mut self.fold)?;
        self.take_room(result.data.len(), &step.name)?;
        self.constant(step.output, result, kind);
        Ok(())
    }

    fn step(
        &mut self,
        node: &FileNode<'_>,
        name: &str,
        which: usize,
        output: &str,
        kind: Kind,
    ) -> Parsed<Step> {
        let slot_of = |reader: &mut Self, name: &str| (!name.is_empty()).then(|| reader.slot(name));
        let mut inputs: Vec<Option<usize>> = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            inputs.push(slot_of(self, input));
        }
        let action = match node.op {
            "Scan" => {
                let (scan, captured) = self.scan(node, name, which)?;
                inputs.extend(captured.into_iter().map(Some));
                Action::Scan(Box::new(scan))
            }
            "Split" => Action::Op(self.split(node, name, which)?),
            "TopK" => Action::Op(self.top(node, name, which)?),
            _ => Action::Op(self.op(node, name)?),
        };
        Ok(Step {
            name: name.to_owned(),
            action,
            inputs,
            output: self.slot(output),
            single: kind == Kind::Single,
        })
    }

    /// Element type of the first output of a node.
    fn result_kind(&self, node: &FileNode<'_>) -> Kind {
        match node.op {
            "Cast" => Kind::numbered(node.int("to", FLOAT)).unwrap_or_default(),
            "Not" | "And" | "Or" | "Xor" | "IsNaN" | "IsInf" | "Equal" | "Less" | "Greater"
            | "LessOrEqual" | "GreaterOrEqual" => Kind::Truth,
            "Shape" | "ArgMax" | "ArgMin" => Kind::Whole,
            "LabelEncoder" if node.has("values_strings") => Kind::Text,
            "LabelEncoder" if node.has("values_int64s") => Kind::Whole,
            "LabelEncoder" if node.has("values_floats") => Kind::Single,
            "LabelEncoder" if node.has("classes_strings") => match self.kind(node, 0) {
                Kind::Text => Kind::Whole,
                _ => Kind::Text,
            },
            "LabelEncoder" => Kind::Double,
            "OneHotEncoder"
            | "Scaler"
            | "Normalizer"
            | "LinearRegressor"
            | "SVMRegressor"
            | "TreeEnsembleRegressor"
            | "FeatureVectorizer" => Kind::Single,
            "ConstantOfShape" => {
                let value = node.attributes.get("value").and_then(|value| value.tensor);
                value.and_then(kind_of).unwrap_or_default()
            }
            "Where" => self.kind(node, 1),
            _ => self.kind(node, 0),
        }
    }

    fn constant_of(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<(Tensor, Kind)> {
        for (kind, attribute) in &node.attributes {
            let ints = || attribute.ints.iter().map(|&int| int as f64).collect();
            return Ok(match (*kind, attribute.tensor) {
                ("value", Some(tensor)) => self.weights.tensor(tensor)?,
                ("value_float", _) => (Tensor::scalar(attribute.float), Kind::Single),
                ("value_int", _) => (Tensor::scalar(attribute.int as f64), Kind::Whole),
                ("value_floats", _) => (Tensor::list(attribute.floats.clone()), Kind::Single),
                ("value_ints", _) => (Tensor::list(ints()), Kind::Whole),
                ("value_string", _) => {
                    let place = self.weights.texts.place(attribute.text);
                    (Tensor::scalar(place), Kind::Text)
                }
                ("value_strings", _) => (
                    Tensor::list(self.texts_of(node, "value_strings")),
                    Kind::Text,
                ),
                _ => continue,
            });
        }
        Err(Fault::unsupported(
            format!("{name} has no supported value"),
            "export the model with a value of numbers, strings or a tensor of these",
        ))
    }

    /// Integers from the attribute, or from the constant input at index `place`; `None` if there is neither, or if the
    /// constant has more than [`MOST_INTS`] values.
    fn whole(&self, node: &FileNode<'_>, attribute: &str, place: usize) -> Option<Vec<i64>> {
        let given = node.attributes.get(attribute);
        let given = given.map(|attribute| attribute.ints.clone());
        given.or_else(|| {
            let tensor = self.known(node.inputs.get(place)?)?;
            (tensor.data.len() <= MOST_INTS).then(|| tensor.whole())
        })
    }

    /// The integers that [`whole`](Self::whole) finds in the attribute or in the second input. If it finds none, the
    /// second input is read when the graph runs.
    fn ints(&self, node: &FileNode<'_>, attribute: &str) -> Ints {
        self.whole(node, attribute, 1)
            .map_or(Ints::Input, Ints::Known)
    }

    fn op(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        node.check_attributes(name)?;
        if let Some(each) = node.each() {
            return Ok(Op::Each(each));
        }
        let is_whole = |place| self.kind(node, place) == Kind::Whole;
        if let Some(pairs) = node.pairs(is_whole(0) && is_whole(1)) {
            return Ok(Op::Pairs(pairs));
        }
        if let Some(how) = Reduction::named(node.op) {
            return self.reduction(node, name, how);
        }
        match node.op {
            "Cast" | "Clip" | "Gemm" | "MatMul" | "BatchNormalization" | "LayerNormalization"
            | "Softmax" | "LogSoftmax" | "PRelu" | "Mean" | "Where" | "CDist" | "Range"
            | "ArgMax" | "ArgMin" | "CumSum" => self.numeric(node, name),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Transpose" | "Concat"
            | "FeatureVectorizer" | "Expand" | "Tile" | "Shape" | "ConstantOfShape" => {
                self.shape(node, name)
            }
            "Gather" | "GatherElements" | "ArrayFeatureExtractor" | "Slice" => {
                self.selection(node, name)
            }
            "LabelEncoder" | "OneHotEncoder" | "Binarizer" => self.encoder(node, name),
            "Scaler"
            | "Imputer"
            | "Normalizer"
            | "LinearRegressor"
            | "TreeEnsembleRegressor"
            | "TreeEnsemble"
            | "SVMRegressor" => self.learned(node, name),
            _ => Err(node.unknown()),
        }
    }

    fn cast(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        let to = Kind::numbered(node.int("to", 0));
        let from_text = self.kind(node, 0) == Kind::Text;
        Ok(match to {
            Some(Kind::Text) if from_text => Op::Each(Each::Identity),
            Some(Kind::Text) => {
                // Each cast has a table of its own.
                self.take_room(self.texts().len().saturating_mul(8), name)?;
                Op::Shown(Shown::new(self.texts(), self.kind(node, 0) == Kind::Whole))
            }
            Some(_) if from_text => {
                return Err(cannot(
                    name,
                    "expected no cast from strings to numbers (encode strings with LabelEncoder or OneHotEncoder)",
                ));
            }
            Some(Kind::Double) => Op::Each(Each::Identity),
            Some(Kind::Single) if node.int("to", 0) == FLOAT16 => Op::Each(Each::Half),
            Some(Kind::Single) => Op::Each(Each::Single),
            Some(Kind::Whole) => Op::Each(Each::Truncate),
            Some(Kind::Truth) => Op::Each(Each::Truth),
            None => {
                return Err(cannot(
                    name,
                    "expected a cast to numbers, booleans or strings",
                ));
            }
        })
    }

    fn reduction(&self, node: &FileNode<'_>, name: &str, how: Reduction) -> Parsed<Op> {
        let axes = self.whole(node, "axes", 1);
        if axes.is_none() && node.has_input(1) {
            return Err(cannot(name, "expected constant axes"));
        }
        let axes = axes.unwrap_or_default();
        if axes.is_empty() && node.int("noop_with_empty_axes", 0) != 0 {
            return Ok(Op::Each(Each::Identity));
        }
        let keep = node.int("keepdims", 1) != 0;
        Ok(Op::Reduce { how, axes, keep })
    }

    /// Converts a node to a numeric operation, such as `Clip`, `Gemm` or `Softmax`.
    fn numeric(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        Ok(match node.op {
            "Cast" => self.cast(node, name)?,
            "Clip" => Op::Clip {
                low: self.bound(node, name, ("min", 1), f64::NEG_INFINITY)?,
                high: self.bound(node, name, ("max", 2), f64::INFINITY)?,
            },
            "Gemm" => Op::Gemm {
                alpha: node.float("alpha", 1.0),
                beta: node.float("beta", 1.0),
                left_transposed: node.int("transA", 0) != 0,
                right_transposed: node.int("transB", 0) != 0,
            },
            "MatMul" => Op::MatMul,
            "BatchNormalization" if node.int("training_mode", 0) == 0 => Op::BatchNormalization {
                epsilon: node.float("epsilon", 1e-5),
            },
            "LayerNormalization" if node.int("axis", -1) == -1 => Op::LayerNormalization {
                epsilon: node.float("epsilon", 1e-5),
            },
            "CumSum" => match self.whole(node, "", 1).as_deref() {
                Some([axis]) if node.int("exclusive", 0) == 0 && node.int("reverse", 0) == 0 => {
                    Op::CumulativeSum { axis: *axis }
                }
                _ => {
                    return Err(cannot(
                        name,
                        "expected a constant axis, exclusive = 0 and reverse = 0",
                    ));
                }
            },
            "Softmax" | "LogSoftmax" => {
                let flat = self.opset.is_some_and(|version| version < 13);
                Op::Softmax {
                    axis: node.int("axis", if flat { 1 } else { -1 }),
                    log: node.op == "LogSoftmax",
                    flat,
                }
            }
            "ArgMax" | "ArgMin" => Op::Arg {
                axis: node.int("axis", 0),
                keep: node.int("keepdims", 1) != 0,
                largest: node.op == "ArgMax",
            },
            "PRelu" => Op::PRelu,
            "Mean" => Op::Mean,
            "Where" => Op::Where,
            "Range" => Op::Range,
            "CDist" => Op::Distances(distance(node, name)?),
            _ => return Err(node.unknown()),
        })
    }

    /// The lower or upper bound of a `Clip` node: an attribute or a constant input; `default` if the node has neither.
    /// It is an error if the input is not constant.
    fn bound(
        &self,
        node: &FileNode<'_>,
        name: &str,
        (key, place): (&str, usize),
        default: f64,
    ) -> Parsed<f64> {
        match node.inputs.get(place).filter(|input| !input.is_empty()) {
            None => Ok(node.float(key, default)),
            Some(input) => match self.known(input).map(|tensor| tensor.data.as_slice()) {
                Some([bound]) => Ok(*bound),
                _ => Err(cannot(name, "expected constant bounds")),
            },
        }
    }

    /// Converts a node to an operation on shapes, such as `Reshape`, `Concat` or `Expand`.
    fn shape(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        Ok(match node.op {
            "Flatten" => Op::Flatten {
                axis: node.int("axis", 1),
            },
            "Reshape" => Op::Reshape {
                shape: self.ints(node, "shape"),
                zero_is_zero: node.int("allowzero", 0) != 0,
            },
            "Squeeze" => match self.whole(node, "axes", 1) {
                None if node.has_input(1) => {
                    return Err(cannot(name, "expected constant axes"));
                }
                axes => Op::Squeeze {
                    axes: axes.unwrap_or_default(),
                },
            },
            "Unsqueeze" => match self.whole(node, "axes", 1) {
                Some(axes) => Op::Unsqueeze { axes },
                None => return Err(cannot(name, "expected constant axes")),
            },
            "Transpose" => match node.ints("perm") {
                [0, 1] => Op::Each(Each::Identity),
                [] | [1, 0] => Op::Transpose,
                perm => Op::Permute(perm.to_vec()),
            },
            "Concat" => Op::Concat {
                axis: node.int("axis", 1),
            },
            "FeatureVectorizer" => Op::Concat { axis: 1 },
            "Expand" => Op::Expand(self.ints(node, "shape")),
            "Tile" => Op::Tile(self.ints(node, "repeats")),
            "Shape" => Op::Shape {
                start: node.int("start", 0),
                end: node.has("end").then(|| node.int("end", 0)),
            },
            "ConstantOfShape" => {
                let value = node.attributes.get("value").and_then(|value| value.tensor);
                let value = value.map(|bytes| self.weights.tensor(bytes)).transpose()?;
                let value = value.and_then(|(tensor, _)| tensor.data.first().copied());
                Op::ConstantOfShape(value.unwrap_or(0.0))
            }
            _ => return Err(node.unknown()),
        })
    }

    /// Converts a node to an operation that selects elements, such as `Gather` or `Slice`.
    fn selection(&self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        Ok(match node.op {
            "Gather" => Op::Gather {
                axis: node.int("axis", 0),
            },
            "GatherElements" => Op::GatherElements {
                axis: node.int("axis", 0),
            },
            "ArrayFeatureExtractor" => Op::Columns,
            "Slice" if node.has("starts") => Op::Cut(Cut {
                starts: node.ints("starts").to_vec(),
                ends: node.ints("ends").to_vec(),
                axes: node.has("axes").then(|| node.ints("axes").to_vec()),
                steps: None,
            }),
            "Slice" if node.has_input(1) && node.has_input(2) => Op::Slice {
                axes: node.has_input(3),
                steps: node.has_input(4),
            },
            _ => {
                return Err(cannot(
                    name,
                    "expected the inputs or attributes `starts` and `ends`",
                ));
            }
        })
    }

    fn split(&mut self, node: &FileNode<'_>, name: &str, at: usize) -> Parsed<Op> {
        let sizes = self.whole(node, "split", 1);
        if sizes.is_none() && node.has_input(1) {
            return Err(cannot(name, "expected constant sizes"));
        }
        let axis = node.int("axis", 0);
        let Some(sizes) = sizes else {
            let parts = node.outputs.len();
            return Ok(Op::Split { axis, at, parts });
        };
        self.spend(sizes.len(), name)?;
        let sum = |sizes: &[usize]| {
            let add = |sum: usize, size: &usize| sum.checked_add(*size);
            sizes.iter().try_fold(0, add)
        };
        let sizes = select::sizes(&sizes).filter(|sizes| sizes.len() == node.outputs.len());
        let part = sizes.and_then(|sizes| {
            Some(Op::Part {
                axis,
                start: sum(&sizes[..at])?,
                length: sizes[at],
                total: sum(&sizes)?,
            })
        });
        part.ok_or_else(|| {
            cannot(
                name,
                "expected one split size (0 or larger) for each output",
            )
        })
    }

    /// Subtracts `work` operations from the budget for reading the file; an error if fewer are left. The caller counts
    /// the work again for each output of a node: otherwise a small file could cause much work by many outputs that
    /// share one long list.
    fn spend(&mut self, work: usize, name: &str) -> Parsed<()> {
        let much = |found: String| too_much(name, &found);
        self.fold.spend(work as u64).map_err(much)
    }

    /// Subtracts `count` (values that are computed, or bytes that are copied) from `fold_room`; an error if less is
    /// left.
    fn take_room(&mut self, count: usize, name: &str) -> Parsed<()> {
        let room = self.fold_room.checked_sub(count);
        self.fold_room = room.ok_or_else(|| {
            let found =
                "computes more constant values than the limit for a file of this size allows";
            too_much(name, found)
        })?;
        Ok(())
    }

    fn top(&self, node: &FileNode<'_>, name: &str, which: usize) -> Parsed<Op> {
        let given = node.has("k").then(|| vec![node.int("k", 0)]);
        let count = given.or_else(|| self.whole(node, "", 1));
        let count = count.as_deref().and_then(|count| match count {
            [count] => usize::try_from(*count).ok(),
            _ => None,
        });
        Ok(Op::Top {
            axis: node.int("axis", -1),
            count: count.ok_or_else(|| cannot(name, "expected a constant k"))?,
            largest: node.int("largest", 1) != 0,
            places: which == 1,
        })
    }

    /// Converts a node that encodes categories: `LabelEncoder`, `OneHotEncoder` or `Binarizer`.
    fn encoder(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        match node.op {
            "Binarizer" => Ok(Op::Binarizer(node.float("threshold", 0.0))),
            "OneHotEncoder" => {
                let mut categories = self.texts_of(node, "cats_strings");
                if categories.is_empty() {
                    let ints = node.ints("cats_int64s").iter();
                    categories = ints.map(|&int| int as f64).collect();
                }
                let width = categories.len();
                let places = categories
                    .into_iter()
                    .zip(0..width)
                    .map(|(category, place)| (category, place as f64));
                Ok(Op::OneHot(Codes::new(places, -1.0), width))
            }
            _ => self.label_encoder(node, name),
        }
    }

    fn label_encoder(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        if node.has("classes_strings") {
            let classes = self.texts_of(node, "classes_strings").into_iter();
            let pairs = classes
                .enumerate()
                .map(|(place, text)| (text, place as f64));
            return Ok(Op::Codes(match self.kind(node, 0) {
                Kind::Text => Codes::new(pairs, node.int("default_int64", -1) as f64),
                _ => Codes::new(pairs.map(|(text, place)| (place, text)), NO_TEXT),
            }));
        }
        let (keys, values) = (self.labels(node, "keys")?, self.labels(node, "values")?);
        if keys.len() != values.len() || keys.is_empty() {
            let found = format!("{} keys and {} values", keys.len(), values.len());
            return Err(Fault::malformed(name, found, "a value for each key"));
        }
        let default = match () {
            () if node.has("values_strings") => {
                let text = node.text("default_string", "_Unused").into_owned();
                self.weights.texts.place(text.as_bytes())
            }
            () if node.has("values_int64s") => node.int("default_int64", -1) as f64,
            () if node.has("values_floats") => node.float("default_float", -0.0),
            () => match node
                .attributes
                .get("default_tensor")
                .and_then(|value| value.tensor)
            {
                Some(bytes) => self
                    .weights
                    .tensor(bytes)?
                    .0
                    .data
                    .first()
                    .copied()
                    .unwrap_or(0.0),
                None => -1.0,
            },
        };
        Ok(Op::Codes(Codes::new(keys.into_iter().zip(values), default)))
    }

    /// The keys or the values of a `LabelEncoder`; `key` is `keys` or `values`. Strings are returned as their indices
    /// in the list of all strings of the file.
    fn labels(&mut self, node: &FileNode<'_>, key: &str) -> Parsed<Vec<f64>> {
        let texts = self.texts_of(node, &format!("{key}_strings"));
        let ints = node
            .ints(&format!("{key}_int64s"))
            .iter()
            .map(|&int| int as f64);
        let numbers: Vec<f64> = texts.into_iter().chain(ints).collect();
        let floats = node.floats(&format!("{key}_floats"));
        let key = format!("{key}_tensor");
        let tensor = node
            .attributes
            .get(key.as_str())
            .and_then(|value| value.tensor);
        Ok(match tensor {
            Some(bytes) => self.weights.tensor(bytes)?.0.data,
            None if numbers.is_empty() => floats,
            None => numbers,
        })
    }

    /// Converts a node of the operator set `ai.onnx.ml` that holds fitted numbers, such as `Scaler` or `TreeEnsemble`.
    fn learned(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        Ok(match node.op {
            "Scaler" => Op::Scaler {
                offset: node.floats("offset"),
                scale: node.floats("scale"),
            },
            "Imputer" => imputer(node),
            "Normalizer" => Op::Normalizer {
                norm: match &*node.text("norm", "MAX") {
                    "MAX" => Norm::Max,
                    "L1" => Norm::L1,
                    "L2" => Norm::L2,
                    _ => return Err(cannot(name, "expected the norm MAX, L1 or L2")),
                },
            },
            "LinearRegressor" => {
                no_transform(&node.text("post_transform", "NONE"))?;
                let intercepts = node.floats("intercepts");
                if node.int("targets", 1) != 1 || intercepts.len() > 1 {
                    return Err(several_targets(name));
                }
                Op::LinearRegressor {
                    coefficients: node.floats("coefficients"),
                    intercept: intercepts.first().copied().unwrap_or(0.0),
                }
            }
            "SVMRegressor" => Op::SupportVectors(support_vectors(node, name)?),
            "TreeEnsemble" => {
                let values = [
                    "nodes_splits",
                    "leaf_weights",
                    "membership_values",
                    "nodes_modes",
                ];
                let mut numbers = Vec::new();
                for key in values {
                    numbers.push(self.attribute_tensor(node, key)?);
                }
                let lists = RootLists::read(node, name, &numbers)?;
                let model = TreeModel {
                    trees: lists.trees()?,
                    weights: Vec::new(),
                    base: 0.0,
                    aggregate: lists.aggregate()?,
                    link: Link::Identity,
                    precision: self.tree_precision(node),
                };
                trees(model)?
            }
            "TreeEnsembleRegressor" => {
                no_transform(&node.text("post_transform", "NONE"))?;
                trees(self.regressor_trees(node, name)?)?
            }
            _ => return Err(node.unknown()),
        })
    }

    /// The precision in which a node with trees computes: double if its input is double, else single.
    fn tree_precision(&self, node: &FileNode<'_>) -> Precision {
        match self.kind(node, 0) {
            Kind::Double => Precision::Double,
            _ => Precision::Single,
        }
    }

    fn attribute_tensor(&mut self, node: &FileNode<'_>, key: &str) -> Parsed<Vec<f64>> {
        let given = node.attributes.get(key);
        Ok(match given.and_then(|attribute| attribute.tensor) {
            Some(bytes) => self.weights.tensor(bytes)?.0.data,
            None => Vec::new(),
        })
    }

    /// A list of numbers of a `TreeEnsembleRegressor`. It is the tensor in the attribute `{key}_as_tensor` if the node
    /// has it, else the floats in the attribute `{key}`.
    fn numbers(&mut self, node: &FileNode<'_>, key: &str) -> Parsed<Vec<f64>> {
        let as_tensor = format!("{key}_as_tensor");
        match node.has(&as_tensor) {
            true => self.attribute_tensor(node, &as_tensor),
            false => Ok(node.floats(key)),
        }
    }

    /// The trees of a `TreeEnsembleRegressor`.
    fn regressor_trees(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<TreeModel> {
        let (values, weights, base) = (
            self.numbers(node, "nodes_values")?,
            self.numbers(node, "target_weights")?,
            self.numbers(node, "base_values")?,
        );
        if node.int("n_targets", 1) != 1 || base.len() > 1 {
            return Err(several_targets(name));
        }
        Ok(TreeModel {
            trees: TreeLists::read(node, name, &values, &weights)?.trees()?,
            weights: Vec::new(),
            base: base.first().copied().unwrap_or(0.0),
            aggregate: aggregate(node, name)?,
            link: Link::Identity,
            precision: self.tree_precision(node),
        })
    }

    /// Returns the `Scan` node with its body, for the output with index `which`, and the slots (indices) of the values of
    /// the outer graph that the body reads.
    fn scan(
        &mut self,
        node: &FileNode<'_>,
        name: &str,
        which: usize,
    ) -> Parsed<(Scan, Vec<usize>)> {
        let body = node.attributes.get("body").and_then(|body| body.graph);
        let Some(body) = body.filter(|_| self.depth < DEEPEST) else {
            return Err(cannot(
                name,
                "expected a body, and at most two scans nested in each other",
            ));
        };
        if !scans_forward(node) {
            return Err(cannot(name, "expected a scan forward along the first axis"));
        }
        // Each output that is needed has a copy of the body.
        self.take_room(body.len().saturating_mul(4), name)?;
        let file = FileGraph::read(body)?;
        let scanned = usize::try_from(node.int("num_scan_inputs", 1)).unwrap_or(usize::MAX);
        let count = node.inputs.len();
        let states = count
            .checked_sub(scanned)
            .filter(|_| scanned > 0 && file.inputs.len() == count);
        let Some(states) =
            states.filter(|states| which < file.outputs.len() && *states <= file.outputs.len())
        else {
            return Err(cannot(
                name,
                "expected a body with as many inputs as the node has",
            ));
        };
        let kinds: Vec<Kind> = (0..count).map(|place| self.kind(node, place)).collect();
        let outer = std::mem::take(&mut self.scope);
        self.depth += 1;
        let read = self.body(&file, &kinds, &outer);
        self.depth -= 1;
        let inner = std::mem::replace(&mut self.scope, outer);
        let (inputs, captured, outputs) = read?;
        let captured = captured.iter().map(|name| self.slot(name)).collect();
        let (steps, constants, slots) = inner.parts();
        let body = Program::new(steps, constants, slots).keeping(outputs.iter().copied());
        let scan = Scan {
            body,
            inputs,
            states,
            scanned,
            outputs,
            which,
        };
        Ok((scan, captured))
    }

    /// Reads the body of a `Scan` into the current scope. Returns, first, the slots of the body's inputs, followed by
    /// those of the values that it reads from the outer graph; second, the names of these outer values; third, the
    /// slots of the body's outputs.
    fn body<'a>(
        &mut self,
        file: &FileGraph<'a>,
        kinds: &[Kind],
        outer: &Scope,
    ) -> Parsed<(Vec<usize>, Vec<&'a str>, Vec<usize>)> {
        let needed = file.needed(file.outputs.iter().map(|value| value.name));
        for &tensor in &file.weights {
            if needed.contains(name_of(tensor)?) {
                self.initializer(tensor)?;
            }
        }
        let names = file.inputs.iter().zip(kinds);
        let mut inputs: Vec<usize> = names
            .map(|(value, &kind)| self.input(value.name, kind))
            .collect();
        let made = file.nodes.iter().flat_map(|node| &node.outputs);
        let mut own: HashSet<&str> = made.copied().collect();
        own.extend(file.inputs.iter().map(|value| value.name));
        let mut captured = Vec::new();
        for name in file
            .nodes
            .iter()
            .flat_map(|node| node.inputs.iter().chain(&node.inner))
        {
            let Some(slot) = outer
                .slots
                .get(*name)
                .filter(|_| !own.contains(name) && self.known(name).is_none())
            else {
                continue;
            };
            own.insert(name);
            let kind = outer.kinds.get(slot).copied().unwrap_or_default();
            inputs.push(self.input(name, kind));
            captured.push(*name);
        }
        for node in &file.nodes {
            self.add(node, &needed)?;
        }
        let outputs = file.outputs.iter().map(|value| self.slot(value.name));
        Ok((inputs, captured, outputs.collect()))
    }
}

fn trees(model: TreeModel) -> Parsed<Op> {
    let model = model.checked_sharing(MOST_COLUMNS)?;
    let width = model.widest().map_or(0, |input| input + 1);
    Ok(Op::Trees(model, width))
}

/// True if a `Scan` node runs forward, along the first axis of each scanned input and output.
fn scans_forward(node: &FileNode<'_>) -> bool {
    [
        "scan_input_axes",
        "scan_output_axes",
        "scan_input_directions",
        "scan_output_directions",
    ]
    .iter()
    .all(|key| node.ints(key).iter().all(|&int| int == 0))
}

fn distance(node: &FileNode<'_>, name: &str) -> Parsed<Distance> {
    match &*node.text("metric", "sqeuclidean") {
        "euclidean" => Ok(Distance::Euclidean),
        "sqeuclidean" => Ok(Distance::SquaredEuclidean),
        "cityblock" | "manhattan" => Ok(Distance::Manhattan),
        "chebyshev" => Ok(Distance::Chebyshev),
        _ => Err(cannot(
            name,
            "expected the metric euclidean, sqeuclidean, cityblock, manhattan or chebyshev",
        )),
    }
}

fn imputer(node: &FileNode<'_>) -> Op {
    if node.has("imputed_value_int64s") {
        let values = node.ints("imputed_value_int64s").iter();
        return Op::Imputer {
            values: values.map(|&int| int as f64).collect(),
            replaced: node.int("replaced_value_int64", 0) as f64,
        };
    }
    Op::Imputer {
        values: node.floats("imputed_value_floats"),
        replaced: node.float("replaced_value_float", 0.0),
    }
}

fn support_vectors(node: &FileNode<'_>, name: &str) -> Parsed<SupportVectors> {
    no_transform(&node.text("post_transform", "NONE"))?;
    if node.int("one_class", 0) != 0 {
        return Err(Fault::unsupported(
            format!("{name} is an outlier detector"),
            "give a regression model",
        ));
    }
    let params = node.floats("kernel_params");
    let param = |at: usize| params.get(at).copied().unwrap_or(0.0);
    let (gamma, coef0, degree) = (param(0), param(1), param(2));
    let kernel = match &*node.text("kernel_type", "LINEAR") {
        "LINEAR" => Kernel::Linear,
        "POLY" => Kernel::Poly {
            gamma,
            coef0,
            degree,
        },
        "RBF" => Kernel::Rbf { gamma },
        "SIGMOID" => Kernel::Sigmoid { gamma, coef0 },
        _ => {
            return Err(cannot(
                name,
                "expected the kernel LINEAR, POLY, RBF or SIGMOID",
            ));
        }
    };
    Ok(SupportVectors {
        kernel,
        coefficients: node.floats("coefficients"),
        vectors: match node.int("n_supports", 0) {
            0 => Vec::new(),
            _ => node.floats("support_vectors"),
        },
        rho: node.floats("rho").first().copied().unwrap_or(0.0),
    })
}
