//! ONNX files: networks and tree ensembles of one output, row by row.
//!
//! The operations are those that exporters write for regressors on tables; the full list is [`Op`]. All values are held as `f64` and rounded
//! to single precision after each operation unless the file computes in double precision, so that comparisons behind a scaler see
//! what ONNX Runtime sees. Before a file is accepted, two and then three rows of zeros are run through it, which finds everything that is
//! wrong with shapes.

use std::collections::HashMap;
use std::sync::Arc;

use super::columns::Input;
use super::fault::{Fault, Parsed, short};
use super::trees::{Aggregate, Link, Missing, Node as TreeNode, Test, Tree, TreeModel};
use super::wire::{self, Value};
use crate::layers::Layer;

/// Most numbers in a computed tensor, and most multiplications in a product: far above any honest model on a block of rows.
const MOST_NUMBERS: usize = 1 << 24;
const MOST_PRODUCTS: usize = 1 << 34;
/// Most axes of a tensor.
const MOST_AXES: usize = 8;
/// Most columns of an input.
const MOST_COLUMNS: i64 = 1 << 16;

/// Numbers with a shape, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    shape: Vec<usize>,
    data: Vec<f64>,
}

/// A graph made ready to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Graph {
    steps: Vec<Step>,
    /// Weights, by slot.
    constants: Vec<(usize, Arc<Tensor>)>,
    /// Slot and columns of each input.
    feeds: Vec<(usize, usize, bool)>,
    slots: usize,
    output: usize,
    single: bool,
}

/// An operation, the slots it reads and the one it fills.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    name: String,
    op: Op,
    inputs: Vec<Option<usize>>,
    output: usize,
}

/// What a node does. Element-wise ones come first.
#[derive(Clone, Debug, PartialEq)]
enum Op {
    Each(Each),
    Pairs(Pairs),
    Clip { low: f64, high: f64 },
    Gemm { alpha: f64, beta: f64, left_transposed: bool, right_transposed: bool },
    MatMul,
    Flatten { axis: i64 },
    Reshape { shape: Vec<i64>, zero_is_zero: bool },
    Squeeze { axes: Vec<i64> },
    Unsqueeze { axes: Vec<i64> },
    Transpose,
    Concat { axis: i64 },
    BatchNormalization { epsilon: f64 },
    LayerNormalization { epsilon: f64 },
    Scaler { offset: Vec<f64>, scale: Vec<f64> },
    Imputer { values: Vec<f64>, replaced: f64 },
    Normalizer { norm: Norm },
    LinearRegressor { coefficients: Vec<f64>, intercept: f64 },
    /// Trees and the least number of columns that they read.
    Trees(TreeModel, usize),
}

/// One number to one number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Each {
    Identity,
    Truncate,
    Relu,
    Tanh,
    Sigmoid,
    LeakyRelu(f64),
    Elu(f64),
    Selu { alpha: f64, gamma: f64 },
    Softplus,
    Softsign,
    HardSigmoid { alpha: f64, beta: f64 },
    HardSwish,
    Gelu,
    GeluTanh,
    Erf,
    Exp,
    Log,
    Sqrt,
    Neg,
    Abs,
    Reciprocal,
}

/// Two numbers to one, with broadcasting.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pairs {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Norm {
    Max,
    L1,
    L2,
}

// Reading

/// A node as the file has it.
#[derive(Default)]
struct FileNode<'a> {
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    name: &'a str,
    op: &'a str,
    attributes: HashMap<&'a str, Attribute<'a>>,
}

#[derive(Default)]
struct Attribute<'a> {
    float: f64,
    int: i64,
    text: &'a [u8],
    tensor: Option<&'a [u8]>,
    floats: Vec<f64>,
    ints: Vec<i64>,
    texts: Vec<&'a [u8]>,
}

/// Reads a graph and its inputs.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<(Graph, Vec<Input>)> {
    let graph = wire::fields(bytes)?.into_iter().find(|(number, _)| *number == 7);
    let (_, graph) = graph.ok_or_else(|| {
        Fault::malformed("the file", "no graph", "a LightGBM text model, an XGBoost JSON model or an ONNX model")
    })?;
    let mut reader = Reader::default();
    let (mut nodes, mut inputs, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for (number, value) in wire::fields(graph.bytes()?)? {
        match number {
            1 => nodes.push(file_node(value.bytes()?)?),
            5 => {
                let (name, tensor) = reader.tensor(value.bytes()?)?;
                reader.constant(&name, tensor);
            }
            11 => inputs.push(reader.input(value.bytes()?)?),
            12 => outputs.push(reader.input(value.bytes()?)?),
            15 => return Err(Fault::unsupported("the graph has sparse weights", "export it with dense ones")),
            _ => {}
        }
    }
    let inputs: Vec<Feed> = inputs.into_iter().filter(|feed| !reader.is_constant(&feed.name)).collect();
    if inputs.is_empty() {
        return Err(Fault::malformed("the graph", "no input", "an input of [rows, columns]"));
    }
    let mut feeds = Vec::new();
    for feed in &inputs {
        let columns = feed.columns()?;
        feeds.push((reader.slot(&feed.name), columns, feed.flat()));
    }
    let steps = nodes.iter().map(|node| reader.step(node)).collect::<Parsed<Vec<Option<Step>>>>()?;
    let steps: Vec<Step> = steps.into_iter().flatten().collect();
    let [output] = outputs.as_slice() else {
        return Err(Fault::unsupported(format!("the graph has {} outputs", outputs.len()), "give a regression model with one output of one column"));
    };
    let output = reader.slot(&output.name);
    let graph = Graph { steps, slots: reader.slots.len(), feeds, output, single: !reader.double, constants: reader.constants };
    let width: usize = graph.feeds.iter().map(|(_, columns, _)| columns).sum();
    for rows in [2, 3] {
        graph.predict(&vec![0.0; width * rows], &mut vec![0.0; rows])?;
    }
    let named = inputs.len() > 1 && graph.feeds.iter().all(|(_, columns, _)| *columns == 1);
    let inputs = match named {
        true => inputs.into_iter().map(|feed| Input { name: Some(feed.name), ..Input::default() }).collect(),
        false => vec![Input::default(); width],
    };
    Ok((graph, inputs))
}

/// An input as the file declares it.
struct Feed {
    name: String,
    kind: i64,
    /// Sizes, where they are fixed.
    shape: Vec<Option<i64>>,
}

impl Feed {
    fn flat(&self) -> bool {
        self.shape.len() == 1
    }

    fn columns(&self) -> Parsed<usize> {
        let place = || format!("input {}", short(&self.name));
        if !matches!(self.kind, FLOAT | DOUBLE | INT32 | INT64 | BOOL) {
            return Err(Fault::unsupported(
                format!("{} has elements of type {}", place(), self.kind),
                "expected numbers: export the model without its coding of texts, and give the table numbers",
            ));
        }
        match self.shape.as_slice() {
            [_] => Ok(1),
            [_, Some(columns @ 1..=MOST_COLUMNS)] => Ok(*columns as usize),
            other => Err(Fault::malformed(place(), format!("the shape {other:?}"), "[rows, columns] with a fixed number of columns")),
        }
    }
}

const FLOAT: i64 = 1;
const INT32: i64 = 6;
const INT64: i64 = 7;
const BOOL: i64 = 9;
const FLOAT16: i64 = 10;
const DOUBLE: i64 = 11;

/// Names become slots while a graph is read.
#[derive(Default)]
struct Reader {
    slots: HashMap<String, usize>,
    constants: Vec<(usize, Arc<Tensor>)>,
    by_slot: HashMap<usize, usize>,
    double: bool,
}

fn file_node(bytes: &[u8]) -> Parsed<FileNode<'_>> {
    let mut node = FileNode::default();
    for (number, value) in wire::fields(bytes)? {
        match number {
            1 => node.inputs.push(value.text()?),
            2 => node.outputs.push(value.text()?),
            3 => node.name = value.text()?,
            4 => node.op = value.text()?,
            5 => {
                let (name, attribute) = attribute(value.bytes()?)?;
                node.attributes.insert(name, attribute);
            }
            _ => {}
        }
    }
    Ok(node)
}

fn attribute(bytes: &[u8]) -> Parsed<(&str, Attribute<'_>)> {
    let (mut name, mut attribute) = ("", Attribute::default());
    for (number, value) in wire::fields(bytes)? {
        match (number, value) {
            (1, value) => name = value.text()?,
            (2, Value::Fixed32(bytes)) => attribute.float = f64::from(f32::from_le_bytes(bytes)),
            (3, value) => attribute.int = value.int()?,
            (4, value) => attribute.text = value.bytes()?,
            (5, value) => attribute.tensor = Some(value.bytes()?),
            (7, value) => value.floats(false, &mut attribute.floats)?,
            (8, value) => value.ints(&mut attribute.ints)?,
            (9, value) => attribute.texts.push(value.bytes()?),
            _ => {}
        }
    }
    Ok((name, attribute))
}

impl Reader {
    fn slot(&mut self, name: &str) -> usize {
        let next = self.slots.len();
        *self.slots.entry(name.to_owned()).or_insert(next)
    }

    fn constant(&mut self, name: &str, tensor: Tensor) {
        let slot = self.slot(name);
        self.by_slot.insert(slot, self.constants.len());
        self.constants.push((slot, Arc::new(tensor)));
    }

    fn is_constant(&self, name: &str) -> bool {
        self.slots.get(name).is_some_and(|slot| self.by_slot.contains_key(slot))
    }

    fn known(&self, name: &str) -> Option<&Tensor> {
        let at = self.by_slot.get(self.slots.get(name)?)?;
        Some(&self.constants[*at].1)
    }

    fn input(&mut self, bytes: &[u8]) -> Parsed<Feed> {
        let mut feed = Feed { name: String::new(), kind: 0, shape: Vec::new() };
        for (number, value) in wire::fields(bytes)? {
            match number {
                1 => value.text()?.clone_into(&mut feed.name),
                2 => {
                    for (_, tensor) in wire::fields(value.bytes()?)?.into_iter().filter(|(number, _)| *number == 1) {
                        for (number, value) in wire::fields(tensor.bytes()?)? {
                            match number {
                                1 => feed.kind = value.int()?,
                                2 => feed.shape = dimensions(value.bytes()?)?,
                                _ => {}
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        self.double |= feed.kind == DOUBLE;
        Ok(feed)
    }

    /// A tensor and its name.
    fn tensor(&mut self, bytes: &[u8]) -> Parsed<(String, Tensor)> {
        let (mut name, mut kind, mut raw) = (String::new(), 0, None);
        let (mut dims, mut ints, mut data) = (Vec::new(), Vec::new(), Vec::new());
        for (number, value) in wire::fields(bytes)? {
            match number {
                1 => value.ints(&mut dims)?,
                2 => kind = value.int()?,
                4 => value.floats(false, &mut data)?,
                5 | 7 => value.ints(&mut ints)?,
                8 => value.text()?.clone_into(&mut name),
                9 => raw = Some(value.bytes()?),
                10 => value.floats(true, &mut data)?,
                14 if value.int()? == 1 => {
                    return Err(Fault::unsupported("the weights lie in another file", "save the model as one file"));
                }
                _ => {}
            }
        }
        self.double |= kind == DOUBLE;
        data.extend(ints.into_iter().map(|int| int as f64));
        if let Some(raw) = raw {
            data = match kind {
                FLOAT => wire::numbers(raw, |bytes| f64::from(f32::from_le_bytes(bytes)))?,
                DOUBLE => wire::numbers(raw, f64::from_le_bytes)?,
                INT32 => wire::numbers(raw, |bytes| f64::from(i32::from_le_bytes(bytes)))?,
                INT64 => wire::numbers(raw, |bytes| i64::from_le_bytes(bytes) as f64)?,
                BOOL => raw.iter().map(|byte| f64::from(*byte)).collect(),
                _ => data,
            };
        }
        let place = || format!("weights {}", short(&name));
        if !matches!(kind, FLOAT | DOUBLE | INT32 | INT64 | BOOL) {
            return Err(Fault::unsupported(format!("{} have elements of type {kind}", place()), "expected FLOAT, DOUBLE, INT32, INT64 or BOOL"));
        }
        let shape = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect::<Option<Vec<usize>>>();
        let count = shape.as_ref().and_then(|shape| shape.iter().try_fold(1_usize, |count, dim| count.checked_mul(*dim)));
        match shape {
            // Nothing at all is fine as a list, such as no axes.
            Some(shape) if count == Some(data.len()) && shape.len() <= MOST_AXES && (!data.is_empty() || shape.len() < 2) => Ok((name, Tensor { shape, data })),
            _ => Err(Fault::malformed(place(), format!("{} numbers", data.len()), format!("as many as the shape {dims:?} has, and at most {MOST_AXES} axes"))),
        }
    }

    /// A node as a step; none for one that is a constant.
    fn step(&mut self, node: &FileNode<'_>) -> Parsed<Option<Step>> {
        let name = format!("node {} of kind {}", short(node.name), short(node.op));
        let Some(output) = node.outputs.first() else {
            return Err(Fault::malformed(name, "no output", "one"));
        };
        if node.op == "Constant" {
            let tensor = self.constant_of(node, &name)?;
            self.constant(output, tensor);
            return Ok(None);
        }
        let op = self.op(node, &name)?;
        let inputs = node.inputs.iter().map(|input| (!input.is_empty()).then(|| self.slot(input))).collect();
        Ok(Some(Step { name, op, inputs, output: self.slot(output) }))
    }

    fn constant_of(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Tensor> {
        let scalar = |value| Tensor { shape: Vec::new(), data: vec![value] };
        let row = |data: Vec<f64>| Tensor { shape: vec![data.len()], data };
        for (kind, attribute) in &node.attributes {
            match (*kind, attribute.tensor) {
                ("value", Some(tensor)) => return Ok(self.tensor(tensor)?.1),
                ("value_float", _) => return Ok(scalar(attribute.float)),
                ("value_int", _) => return Ok(scalar(attribute.int as f64)),
                ("value_floats", _) => return Ok(row(attribute.floats.clone())),
                ("value_ints", _) => return Ok(row(attribute.ints.iter().map(|&int| int as f64).collect())),
                _ => {}
            }
        }
        Err(Fault::unsupported(format!("{name} has no number as its value"), "export the model with numbers alone"))
    }

    /// Whole numbers from the attribute, or from the constant that is the input at `place`; none where neither is there.
    fn whole(&self, node: &FileNode<'_>, attribute: &str, place: usize) -> Option<Vec<i64>> {
        let given = node.attributes.get(attribute).map(|attribute| attribute.ints.clone());
        given.or_else(|| Some(self.known(node.inputs.get(place)?)?.data.iter().map(|&value| value as i64).collect()))
    }

    fn op(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        let float = |key: &str, default: f64| node.attributes.get(key).map_or(default, |attribute| attribute.float);
        let int = |key: &str, default: i64| node.attributes.get(key).map_or(default, |attribute| attribute.int);
        let floats = |key: &str| node.attributes.get(key).map(|attribute| attribute.floats.clone()).unwrap_or_default();
        let text = |key: &str, default: &'static str| node.attributes.get(key).map_or(default.into(), |attribute| String::from_utf8_lossy(attribute.text));
        let unsupported = |mend: &str| Fault::unsupported(format!("{name} cannot be computed"), mend.to_owned());
        Ok(match node.op {
            "Identity" | "Dropout" => Op::Each(Each::Identity),
            "Cast" => match int("to", 0) {
                FLOAT | DOUBLE | FLOAT16 => {
                    self.double |= int("to", 0) == DOUBLE;
                    Op::Each(Each::Identity)
                }
                INT32 | INT64 => Op::Each(Each::Truncate),
                _ => return Err(unsupported("expected a cast to FLOAT, DOUBLE, INT32 or INT64")),
            },
            "Relu" => Op::Each(Each::Relu),
            "Tanh" => Op::Each(Each::Tanh),
            "Sigmoid" => Op::Each(Each::Sigmoid),
            "LeakyRelu" => Op::Each(Each::LeakyRelu(float("alpha", 0.01))),
            "Elu" => Op::Each(Each::Elu(float("alpha", 1.0))),
            "Selu" => Op::Each(Each::Selu { alpha: float("alpha", 1.673_263_192_176_818_8), gamma: float("gamma", 1.050_701_022_148_132_3) }),
            "Softplus" => Op::Each(Each::Softplus),
            "Softsign" => Op::Each(Each::Softsign),
            "HardSigmoid" => Op::Each(Each::HardSigmoid { alpha: float("alpha", 0.2), beta: float("beta", 0.5) }),
            "HardSwish" => Op::Each(Each::HardSwish),
            "Gelu" if text("approximate", "none") == "tanh" => Op::Each(Each::GeluTanh),
            "Gelu" => Op::Each(Each::Gelu),
            "Erf" => Op::Each(Each::Erf),
            "Exp" => Op::Each(Each::Exp),
            "Log" => Op::Each(Each::Log),
            "Sqrt" => Op::Each(Each::Sqrt),
            "Neg" => Op::Each(Each::Neg),
            "Abs" => Op::Each(Each::Abs),
            "Reciprocal" => Op::Each(Each::Reciprocal),
            "Add" | "Sum" => Op::Pairs(Pairs::Add),
            "Sub" => Op::Pairs(Pairs::Sub),
            "Mul" => Op::Pairs(Pairs::Mul),
            "Div" => Op::Pairs(Pairs::Div),
            "Pow" => Op::Pairs(Pairs::Pow),
            "Min" => Op::Pairs(Pairs::Min),
            "Max" => Op::Pairs(Pairs::Max),
            "Clip" => {
                let bound = |key: &str, place: usize, default: f64| -> Parsed<f64> {
                    match node.inputs.get(place).filter(|input| !input.is_empty()) {
                        None => Ok(float(key, default)),
                        Some(input) => match self.known(input).map(|tensor| tensor.data.as_slice()) {
                            Some([bound]) => Ok(*bound),
                            _ => Err(unsupported("expected constant bounds")),
                        },
                    }
                };
                Op::Clip { low: bound("min", 1, f64::NEG_INFINITY)?, high: bound("max", 2, f64::INFINITY)? }
            }
            "Gemm" => Op::Gemm {
                alpha: float("alpha", 1.0),
                beta: float("beta", 1.0),
                left_transposed: int("transA", 0) != 0,
                right_transposed: int("transB", 0) != 0,
            },
            "MatMul" => Op::MatMul,
            "Flatten" => Op::Flatten { axis: int("axis", 1) },
            "Reshape" => match self.whole(node, "shape", 1) {
                Some(shape) => Op::Reshape { shape, zero_is_zero: int("allowzero", 0) != 0 },
                None => return Err(unsupported("expected a constant shape such as [-1, 1]")),
            },
            "Squeeze" => Op::Squeeze { axes: self.whole(node, "axes", 1).unwrap_or_default() },
            "Unsqueeze" => match self.whole(node, "axes", 1) {
                Some(axes) => Op::Unsqueeze { axes },
                None => return Err(unsupported("expected constant axes")),
            },
            "Transpose" if node.attributes.get("perm").is_some_and(|perm| perm.ints == [0, 1]) => Op::Each(Each::Identity),
            "Transpose" => Op::Transpose,
            "Concat" => Op::Concat { axis: int("axis", 1) },
            "FeatureVectorizer" => Op::Concat { axis: 1 },
            "BatchNormalization" if int("training_mode", 0) == 0 => Op::BatchNormalization { epsilon: float("epsilon", 1e-5) },
            "LayerNormalization" if int("axis", -1) == -1 => Op::LayerNormalization { epsilon: float("epsilon", 1e-5) },
            "Scaler" => Op::Scaler { offset: floats("offset"), scale: floats("scale") },
            "Imputer" => Op::Imputer { values: floats("imputed_value_floats"), replaced: float("replaced_value_float", 0.0) },
            "Normalizer" => Op::Normalizer {
                norm: match &*text("norm", "MAX") {
                    "MAX" => Norm::Max,
                    "L1" => Norm::L1,
                    "L2" => Norm::L2,
                    _ => return Err(unsupported("expected the norm MAX, L1 or L2")),
                },
            },
            "LinearRegressor" => {
                no_transform(&text("post_transform", "NONE"))?;
                match (int("targets", 1), floats("intercepts").as_slice()) {
                    (1, []) => Op::LinearRegressor { coefficients: floats("coefficients"), intercept: 0.0 },
                    (1, [intercept]) => Op::LinearRegressor { coefficients: floats("coefficients"), intercept: *intercept },
                    _ => return Err(Fault::unsupported(format!("{name} has several targets"), "give a regression model with one output")),
                }
            }
            "TreeEnsembleRegressor" => {
                no_transform(&text("post_transform", "NONE"))?;
                let trees = self.trees(node, name)?;
                let width = trees.widest().map_or(0, |input| input + 1);
                Op::Trees(trees, width)
            }
            other => {
                let mend = match other {
                    "TreeEnsembleClassifier" | "LinearClassifier" | "SVMClassifier" => "give a regression model",
                    _ => "expected the operations of a perceptron or TreeEnsembleRegressor; or ask the model by --teacher-command",
                };
                return Err(Fault::unsupported(format!("the graph has the operation {}", short(other)), mend));
            }
        })
    }

    /// The trees of a `TreeEnsembleRegressor`.
    fn trees(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<TreeModel> {
        let broken = |found: String, expected: &str| Fault::malformed(name, found, expected);
        let ints = |key: &str| node.attributes.get(key).map(|attribute| attribute.ints.as_slice()).unwrap_or_default();
        let mut numbers = |key: &str| -> Parsed<Vec<f64>> {
            let as_tensor = node.attributes.get(format!("{key}_as_tensor").as_str()).and_then(|attribute| attribute.tensor);
            match as_tensor {
                Some(bytes) => Ok(self.tensor(bytes)?.1.data),
                None => Ok(node.attributes.get(key).map(|attribute| attribute.floats.clone()).unwrap_or_default()),
            }
        };
        let (values, weights, base) = (numbers("nodes_values")?, numbers("target_weights")?, numbers("base_values")?);
        let (tree_ids, node_ids, features) = (ints("nodes_treeids"), ints("nodes_nodeids"), ints("nodes_featureids"));
        let (yes, no, tracks) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"), ints("nodes_missing_value_tracks_true"));
        let modes: &[&[u8]] = node.attributes.get("nodes_modes").map(|modes| modes.texts.as_slice()).unwrap_or_default();
        let count = tree_ids.len();
        let lengths = [node_ids.len(), features.len(), yes.len(), no.len(), modes.len(), values.len()];
        if lengths.iter().any(|&length| length != count) || !(tracks.is_empty() || tracks.len() == count) {
            return Err(broken(format!("lists of {count} and {lengths:?} nodes"), "lists of one length"));
        }
        let targets = [ints("target_treeids"), ints("target_nodeids"), ints("target_ids")];
        let targets_declared = node.attributes.get("n_targets").map_or(1, |attribute| attribute.int);
        if targets_declared != 1 || targets[2].iter().any(|&id| id != 0) || base.len() > 1 {
            return Err(Fault::unsupported(format!("{name} has several targets"), "give a regression model with one output"));
        }
        if targets.iter().any(|ids| ids.len() != weights.len()) {
            return Err(broken(format!("{} target weights", weights.len()), "one per target id"));
        }
        let mut leaf: HashMap<(i64, i64), f64> = HashMap::new();
        for (at, weight) in weights.iter().enumerate() {
            *leaf.entry((targets[0][at], targets[1][at])).or_default() += weight;
        }
        // Nodes by tree, in the order of the file.
        let (mut order, mut members): (Vec<i64>, HashMap<i64, Vec<usize>>) = (Vec::new(), HashMap::new());
        for (at, tree) in tree_ids.iter().enumerate() {
            let nodes = members.entry(*tree).or_default();
            if nodes.is_empty() {
                order.push(*tree);
            }
            nodes.push(at);
        }
        let mut trees = Vec::with_capacity(order.len());
        for tree in &order {
            let mut nodes = members.remove(tree).unwrap_or_default();
            let children: std::collections::HashSet<i64> =
                nodes.iter().filter(|&&at| modes[at] != b"LEAF").flat_map(|&at| [yes[at], no[at]]).collect();
            let root = nodes.iter().position(|&at| !children.contains(&node_ids[at]));
            let root = root.ok_or_else(|| broken(format!("no root in tree {tree}"), "a node that is no child"))?;
            nodes.swap(0, root);
            let place: HashMap<i64, u32> = nodes.iter().enumerate().map(|(place, &at)| (node_ids[at], place as u32)).collect();
            let child = |id: i64| place.get(&id).copied().unwrap_or(u32::MAX);
            let read = |&at: &usize| -> Parsed<TreeNode> {
                let test = match modes[at] {
                    b"LEAF" => return Ok(TreeNode::Leaf(leaf.get(&(*tree, node_ids[at])).copied().unwrap_or(0.0))),
                    b"BRANCH_LEQ" => Test::AtMost,
                    b"BRANCH_LT" => Test::Below,
                    b"BRANCH_GTE" => Test::AtLeast,
                    b"BRANCH_GT" => Test::Above,
                    b"BRANCH_EQ" => Test::Equal,
                    b"BRANCH_NEQ" => Test::Unequal,
                    other => return Err(broken(format!("the mode {}", short(&String::from_utf8_lossy(other))), "LEAF or BRANCH_LEQ, LT, GTE, GT, EQ, NEQ")),
                };
                let tracks = tracks.get(at).is_some_and(|&tracks| tracks != 0);
                Ok(TreeNode::Number {
                    input: u32::try_from(features[at]).unwrap_or(u32::MAX),
                    test,
                    threshold: values[at],
                    missing: Missing::Answer(tracks || test == Test::Unequal),
                    yes: child(yes[at]),
                    no: child(no[at]),
                })
            };
            trees.push(Tree { nodes: nodes.iter().map(read).collect::<Parsed<_>>()? });
        }
        let aggregate = match node.attributes.get("aggregate_function").map_or(&b"SUM"[..], |attribute| attribute.text) {
            b"SUM" => Aggregate::Sum,
            b"AVERAGE" => Aggregate::Average,
            b"MIN" => Aggregate::Min,
            b"MAX" => Aggregate::Max,
            other => return Err(broken(format!("the aggregate {}", short(&String::from_utf8_lossy(other))), "SUM, AVERAGE, MIN or MAX")),
        };
        let model = TreeModel {
            trees,
            weights: Vec::new(),
            base: base.first().copied().unwrap_or(0.0),
            aggregate,
            link: Link::Identity,
            single: !self.double,
        };
        model.checked(MOST_COLUMNS as usize)
    }
}

fn no_transform(transform: &str) -> Parsed<()> {
    match transform {
        "NONE" => Ok(()),
        other => Err(Fault::unsupported(format!("the post-transform is {}", short(other)), "expected NONE, as regressors have it")),
    }
}

fn dimensions(bytes: &[u8]) -> Parsed<Vec<Option<i64>>> {
    let mut shape = Vec::new();
    for (_, dimension) in wire::fields(bytes)?.into_iter().filter(|(number, _)| *number == 1) {
        let size = wire::fields(dimension.bytes()?)?.into_iter().find(|(number, _)| *number == 1);
        shape.push(size.map(|(_, value)| value.int()).transpose()?);
    }
    Ok(shape)
}

// Running

impl Graph {
    /// Numbers in the weights and in the nodes.
    pub(crate) fn parameters(&self) -> usize {
        let of = |step: &Step| match &step.op {
            Op::Trees(trees, _) => trees.parameters(),
            Op::Scaler { offset, scale } => offset.len() + scale.len(),
            Op::LinearRegressor { coefficients, .. } => coefficients.len() + 1,
            Op::Imputer { values, .. } => values.len(),
            _ => 0,
        };
        self.constants.iter().map(|(_, tensor)| tensor.data.len()).sum::<usize>() + self.steps.iter().map(of).sum::<usize>()
    }

    /// One prediction per row; `rows` is row by row, the columns of the inputs one after the other.
    pub(crate) fn predict(&self, rows: &[f64], predictions: &mut [f64]) -> Parsed<()> {
        let count = predictions.len();
        match self.run(rows, count)?[self.output].as_deref() {
            Some(output) if output.data.len() == count && output.shape.first() == Some(&count) => {
                predictions.copy_from_slice(&output.data);
                Ok(())
            }
            other => {
                let found = other.map_or("nothing".to_owned(), |tensor| format!("the shape {:?}", tensor.shape));
                Err(Fault::malformed("the output", format!("{found} for {count} rows"), "one number per row: a regression model with one output, and a dynamic first axis"))
            }
        }
    }

    /// Hidden layers: what products read that other products made. Without any, leaf embeddings of the first trees.
    pub(crate) fn layers(&self, rows: &[f64], count: usize) -> Parsed<Vec<Layer>> {
        let values = self.run(rows, count)?;
        let (mut made, mut hidden) = (vec![false; self.slots], Vec::new());
        for step in &self.steps {
            let product = matches!(step.op, Op::Gemm { .. } | Op::MatMul | Op::LinearRegressor { .. });
            let read = step.inputs.iter().flatten().copied().filter(|&slot| made[slot]);
            let read: Vec<usize> = read.collect();
            made[step.output] = product || !read.is_empty();
            hidden.extend(read.into_iter().filter(|slot| product && !hidden.contains(slot)).collect::<Vec<_>>());
        }
        let layer = |slot: usize| match values[slot].as_deref() {
            Some(Tensor { shape, data }) if shape.len() == 2 && shape[0] == count => {
                Some(Layer { width: shape[1], values: data.iter().map(|&value| value as f32).collect() })
            }
            _ => None,
        };
        let layers: Vec<Layer> = hidden.into_iter().filter_map(layer).collect();
        let trees = self.steps.iter().find_map(|step| match (&step.op, step.inputs.first()) {
            (Op::Trees(trees, _), Some(&Some(slot))) => values[slot].as_deref().map(|input| (trees, input)),
            _ => None,
        });
        Ok(match trees {
            Some((trees, input)) if layers.is_empty() => trees.layers(&input.data, input.shape[1], count),
            _ => layers,
        })
    }

    /// The tensors of all slots.
    fn run(&self, rows: &[f64], count: usize) -> Parsed<Vec<Option<Arc<Tensor>>>> {
        let width: usize = self.feeds.iter().map(|(_, columns, _)| columns).sum();
        let mut values: Vec<Option<Arc<Tensor>>> = vec![None; self.slots];
        for (slot, tensor) in &self.constants {
            values[*slot] = Some(Arc::clone(tensor));
        }
        let mut start = 0;
        for &(slot, columns, flat) in &self.feeds {
            let data = rows.chunks_exact(width).flat_map(|row| &row[start..start + columns]).copied().collect();
            let shape = if flat { vec![count] } else { vec![count, columns] };
            values[slot] = Some(Arc::new(self.rounded(Tensor { shape, data })));
            start += columns;
        }
        for step in &self.steps {
            let wrong = |found: String, expected: String| Fault::malformed(step.name.clone(), found, expected);
            let mut inputs = Vec::with_capacity(step.inputs.len());
            for slot in step.inputs.iter().flatten() {
                inputs.push(values[*slot].as_deref().ok_or_else(|| wrong("an input that nothing has computed".into(), "nodes in the order of their use".into()))?);
            }
            let result = step.op.run(&inputs).filter(|result| !result.data.is_empty()).ok_or_else(|| {
                let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.shape.as_slice()).collect();
                wrong(format!("inputs of the shapes {shapes:?} on {count} rows"), "shapes that go together for any number of rows (export with a dynamic first axis)".into())
            })?;
            values[step.output] = Some(Arc::new(self.rounded(result)));
        }
        Ok(values)
    }

    fn rounded(&self, mut tensor: Tensor) -> Tensor {
        if self.single {
            for value in &mut tensor.data {
                *value = f64::from(*value as f32);
            }
        }
        tensor
    }
}

impl Op {
    /// The result, or none for inputs that do not go together.
    fn run(&self, inputs: &[&Tensor]) -> Option<Tensor> {
        let first = *inputs.first()?;
        let same = |data: Vec<f64>| Tensor { shape: first.shape.clone(), data };
        match self {
            Self::Each(each) => Some(same(first.data.iter().map(|&x| each.of(x)).collect())),
            Self::Clip { low, high } => Some(same(first.data.iter().map(|x| if x.is_nan() { *x } else { x.max(*low).min(*high) }).collect())),
            Self::Pairs(pairs) => {
                let mut result = first.clone();
                for other in &inputs[1..] {
                    result = broadcast(&result, other, |a, b| pairs.of(a, b))?;
                }
                Some(result)
            }
            Self::Gemm { alpha, beta, left_transposed, right_transposed } => {
                let transposed = |tensor: &Tensor, yes: bool| if yes { transpose(tensor) } else { Some(tensor.clone()) };
                let second = *inputs.get(1)?;
                let mut product = multiply(&transposed(first, *left_transposed)?, &transposed(second, *right_transposed)?)?;
                product.data.iter_mut().for_each(|value| *value *= alpha);
                match inputs.get(2) {
                    None => Some(product),
                    Some(bias) => {
                        let shape = product.shape.clone();
                        broadcast(&product, bias, |a, b| a + beta * b).filter(|sum| sum.shape == shape)
                    }
                }
            }
            Self::MatMul => {
                let second = *inputs.get(1)?;
                if second.shape.len() == 1 {
                    let column = Tensor { shape: vec![second.shape[0], 1], data: second.data.clone() };
                    let product = multiply(first, &column)?;
                    return Some(Tensor { shape: vec![product.shape[0]], data: product.data });
                }
                multiply(first, second)
            }
            Self::Flatten { axis } => {
                let rank = first.shape.len();
                let axis = if *axis == rank as i64 { rank } else { axis_of(*axis, rank)? };
                let rows = first.shape[..axis].iter().product();
                Some(Tensor { shape: vec![rows, first.shape[axis..].iter().product()], data: first.data.clone() })
            }
            Self::Reshape { shape, zero_is_zero } => reshape(first, shape, *zero_is_zero),
            Self::Squeeze { axes } => {
                let rank = first.shape.len();
                let axes = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Option<Vec<usize>>>()?;
                // Without axes every size of 1 goes, except the rows, which may be one by chance.
                let goes = |at: usize| if axes.is_empty() { at > 0 && first.shape[at] == 1 } else { axes.contains(&at) };
                if axes.iter().any(|&at| first.shape[at] != 1) {
                    return None;
                }
                let shape = (0..rank).filter(|&at| !goes(at)).map(|at| first.shape[at]).collect();
                Some(Tensor { shape, data: first.data.clone() })
            }
            Self::Unsqueeze { axes } => {
                let rank = Some(first.shape.len() + axes.len()).filter(|rank| *rank <= MOST_AXES)?;
                let axes = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Option<Vec<usize>>>()?;
                let mut sizes = first.shape.iter().copied();
                let shape = (0..rank).map(|at| if axes.contains(&at) { Some(1) } else { sizes.next() }).collect::<Option<Vec<usize>>>()?;
                sizes.next().is_none().then(|| Tensor { shape, data: first.data.clone() })
            }
            Self::Transpose => transpose(first),
            Self::Concat { axis } => concat(inputs, *axis),
            Self::BatchNormalization { epsilon } => {
                let [x, scale, shift, mean, variance] = inputs else { return None };
                let width = *x.shape.get(1).filter(|_| x.shape.len() == 2)?;
                if [scale, shift, mean, variance].iter().any(|tensor| tensor.data.len() != width) {
                    return None;
                }
                let of = |(at, value): (usize, &f64)| {
                    let column = at % width;
                    (value - mean.data[column]) / (variance.data[column] + epsilon).sqrt() * scale.data[column] + shift.data[column]
                };
                Some(same(x.data.iter().enumerate().map(of).collect()))
            }
            Self::LayerNormalization { epsilon } => {
                let width = *first.shape.last().filter(|&&width| width > 0)?;
                let (scale, shift) = (inputs.get(1)?, inputs.get(2));
                if scale.data.len() != width || shift.is_some_and(|shift| shift.data.len() != width) {
                    return None;
                }
                let mut data = first.data.clone();
                for row in data.chunks_mut(width) {
                    let mean = row.iter().sum::<f64>() / width as f64;
                    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64;
                    for (column, x) in row.iter_mut().enumerate() {
                        *x = (*x - mean) / (variance + epsilon).sqrt() * scale.data[column] + shift.map_or(0.0, |shift| shift.data[column]);
                    }
                }
                Some(same(data))
            }
            Self::Scaler { offset, scale } => {
                let pick = |list: &[f64], at: usize, width: usize, default: f64| match list.len() {
                    0 => Some(default),
                    1 => Some(list[0]),
                    n if n == width => Some(list[at % width]),
                    _ => None,
                };
                let width = *first.shape.last()?;
                let of = |(at, x): (usize, &f64)| Some((x - pick(offset, at, width, 0.0)?) * pick(scale, at, width, 1.0)?);
                Some(same(first.data.iter().enumerate().map(of).collect::<Option<_>>()?))
            }
            Self::Imputer { values, replaced } => {
                let width = *first.shape.last()?;
                if values.is_empty() || !(values.len() == 1 || values.len() == width) {
                    return None;
                }
                let lost = |x: f64| if replaced.is_nan() { x.is_nan() } else { x.total_cmp(replaced).is_eq() };
                let of = |(at, &x): (usize, &f64)| if lost(x) { values[at % width % values.len()] } else { x };
                Some(same(first.data.iter().enumerate().map(of).collect()))
            }
            Self::Normalizer { norm } => {
                let width = *first.shape.last().filter(|&&width| width > 0)?;
                let mut data = first.data.clone();
                for row in data.chunks_mut(width) {
                    let size = match norm {
                        Norm::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                        Norm::L1 => row.iter().map(|x| x.abs()).sum(),
                        Norm::L2 => row.iter().map(|x| x * x).sum::<f64>().sqrt(),
                    };
                    if size.abs() > 0.0 {
                        row.iter_mut().for_each(|x| *x /= size);
                    }
                }
                Some(same(data))
            }
            Self::LinearRegressor { coefficients, intercept } => {
                let [rows, width] = *first.shape.as_slice() else { return None };
                let row = |row: &[f64]| row.iter().zip(coefficients).map(|(x, c)| x * c).sum::<f64>() + intercept;
                (width == coefficients.len() && width > 0)
                    .then(|| Tensor { shape: vec![rows, 1], data: first.data.chunks(width).map(row).collect() })
            }
            Self::Trees(trees, least) => {
                let [rows, width] = *first.shape.as_slice() else { return None };
                if width < *least {
                    return None;
                }
                let mut data = vec![0.0; rows];
                trees.predict(&first.data, width, &mut data);
                Some(Tensor { shape: vec![rows, 1], data })
            }
        }
    }
}

impl Each {
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Truncate => x.trunc(),
            Self::Relu => if x < 0.0 { 0.0 } else { x },
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::LeakyRelu(alpha) => if x < 0.0 { alpha * x } else { x },
            Self::Elu(alpha) => if x < 0.0 { alpha * x.exp_m1() } else { x },
            Self::Selu { alpha, gamma } => gamma * if x < 0.0 { alpha * x.exp_m1() } else { x },
            // Stable on both sides: ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
            Self::Softplus => if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() },
            Self::Softsign => x / (1.0 + x.abs()),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh()),
            Self::Erf => libm::erf(x),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Reciprocal => 1.0 / x,
        }
    }
}

impl Pairs {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Min | Self::Max if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

/// An axis counted from either end.
fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    (0..rank).contains(&axis).then_some(axis as usize)
}

fn broadcast(a: &Tensor, b: &Tensor, of: impl Fn(f64, f64) -> f64) -> Option<Tensor> {
    if a.shape == b.shape {
        return Some(Tensor { shape: a.shape.clone(), data: a.data.iter().zip(&b.data).map(|(a, b)| of(*a, *b)).collect() });
    }
    let rank = a.shape.len().max(b.shape.len());
    let size = |tensor: &Tensor, at: usize| (at + tensor.shape.len()).checked_sub(rank).map_or(1, |at| tensor.shape[at]);
    let together = |at: usize| match (size(a, at), size(b, at)) {
        (a, b) if a == b => Some(a),
        (1, size) | (size, 1) => Some(size),
        _ => None,
    };
    let shape = (0..rank).map(together).collect::<Option<Vec<usize>>>()?;
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size)).filter(|&count| count <= MOST_NUMBERS)?;
    // Steps through the data per axis; 0 where a size of 1 is repeated.
    let strides = |tensor: &Tensor| {
        let mut stride = 1;
        let mut strides = vec![0; rank];
        for at in (0..rank).rev() {
            let size = size(tensor, at);
            strides[at] = if size == 1 { 0 } else { stride };
            stride *= size;
        }
        strides
    };
    let (by_a, by_b) = (strides(a), strides(b));
    let mut data = Vec::with_capacity(count);
    let mut at = vec![0; rank];
    let (mut in_a, mut in_b) = (0, 0);
    for _ in 0..count {
        data.push(of(a.data[in_a], b.data[in_b]));
        for axis in (0..rank).rev() {
            at[axis] += 1;
            in_a += by_a[axis];
            in_b += by_b[axis];
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
            in_a -= by_a[axis] * shape[axis];
            in_b -= by_b[axis] * shape[axis];
        }
    }
    Some(Tensor { shape, data })
}

/// `[m, k] · [k, n]`; rows of zeros have no NaN to hide, so that no factor is skipped.
fn multiply(a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let (&[m, k], &[same, n]) = (a.shape.as_slice(), b.shape.as_slice()) else { return None };
    let count = m.checked_mul(n).filter(|&count| count <= MOST_NUMBERS)?;
    count.checked_mul(k).filter(|&products| products <= MOST_PRODUCTS && k == same)?;
    let mut data = vec![0.0; count];
    if n > 0 && k > 0 {
        for (row, sums) in a.data.chunks_exact(k).zip(data.chunks_exact_mut(n)) {
            for (factor, weights) in row.iter().zip(b.data.chunks_exact(n)) {
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += factor * weight);
            }
        }
    }
    Some(Tensor { shape: vec![m, n], data })
}

fn transpose(tensor: &Tensor) -> Option<Tensor> {
    let &[m, n] = tensor.shape.as_slice() else { return None };
    let data = (0..n).flat_map(|column| (0..m).map(move |row| tensor.data[row * n + column])).collect();
    Some(Tensor { shape: vec![n, m], data })
}

fn reshape(tensor: &Tensor, shape: &[i64], zero_is_zero: bool) -> Option<Tensor> {
    if shape.len() > MOST_AXES {
        return None;
    }
    let mut sizes = Vec::with_capacity(shape.len());
    let mut free = None;
    for (at, &size) in shape.iter().enumerate() {
        sizes.push(match size {
            -1 if free.is_none() => {
                free = Some(at);
                1
            }
            0 if !zero_is_zero => *tensor.shape.get(at)?,
            size => usize::try_from(size).ok()?,
        });
    }
    let known = sizes.iter().try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    if let Some(at) = free {
        sizes[at] = tensor.data.len().checked_div(known)?;
    }
    let count = sizes.iter().try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    (count == tensor.data.len()).then(|| Tensor { shape: sizes, data: tensor.data.clone() })
}

fn concat(inputs: &[&Tensor], axis: i64) -> Option<Tensor> {
    let first = inputs.first()?;
    let axis = axis_of(axis, first.shape.len())?;
    let fits = |tensor: &&Tensor| {
        tensor.shape.len() == first.shape.len() && tensor.shape.iter().zip(&first.shape).enumerate().all(|(at, (a, b))| at == axis || a == b)
    };
    let outer: usize = first.shape[..axis].iter().product();
    let length = inputs.iter().try_fold(0_usize, |sum, tensor| sum.checked_add(tensor.shape.get(axis).copied().unwrap_or(0)))?;
    let total = inputs.iter().try_fold(0_usize, |sum, tensor| sum.checked_add(tensor.data.len()))?;
    if !inputs.iter().all(fits) || total > MOST_NUMBERS {
        return None;
    }
    let mut data = Vec::with_capacity(total);
    for at in 0..outer {
        for tensor in inputs {
            let part = tensor.data.len() / outer;
            data.extend_from_slice(&tensor.data[at * part..(at + 1) * part]);
        }
    }
    let mut shape = first.shape.clone();
    shape[axis] = length;
    Some(Tensor { shape, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], data: &[f64]) -> Tensor {
        Tensor { shape: shape.to_vec(), data: data.to_vec() }
    }

    #[test]
    fn broadcasting_repeats_sizes_of_one() {
        let (column, row) = (tensor(&[2, 1], &[1.0, 2.0]), tensor(&[3], &[10.0, 20.0, 30.0]));
        let sum = broadcast(&column, &row, |a, b| a + b).unwrap();
        assert_eq!(sum, tensor(&[2, 3], &[11.0, 21.0, 31.0, 12.0, 22.0, 32.0]));
        assert_eq!(broadcast(&row, &tensor(&[2], &[0.0; 2]), |a, _| a), None);
        let huge = tensor(&[5000, 1], &[0.0; 5000]);
        assert_eq!(broadcast(&huge, &tensor(&[5000], &[0.0; 5000]), |a, _| a), None);
    }

    #[test]
    fn products_are_worked_by_hand() {
        let (a, b) = (tensor(&[1, 2], &[1.0, 2.0]), tensor(&[2, 2], &[3.0, 4.0, 5.0, 6.0]));
        let gemm = |right_transposed| Op::Gemm { alpha: 2.0, beta: 3.0, left_transposed: false, right_transposed };
        let bias = tensor(&[2], &[1.0, -1.0]);
        assert_eq!(gemm(false).run(&[&a, &b, &bias]).unwrap().data, [29.0, 29.0]);
        assert_eq!(gemm(true).run(&[&a, &b, &bias]).unwrap().data, [25.0, 31.0]);
        assert_eq!(Op::MatMul.run(&[&a, &tensor(&[2], &[7.0, 8.0])]).unwrap(), tensor(&[1], &[23.0]));
    }

    #[test]
    fn shapes_change_as_the_reference_says() {
        let x = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(reshape(&x, &[0, -1, 1], false).unwrap().shape, [2, 3, 1]);
        assert_eq!(reshape(&x, &[4, -1], false), None);
        assert_eq!(reshape(&x, &[-1, 0], true), None);
        assert_eq!(concat(&[&x, &x], 1).unwrap().data, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 4.0, 5.0, 6.0]);
        assert_eq!(transpose(&x).unwrap().data, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(Op::Unsqueeze { axes: vec![-1] }.run(&[&x]).unwrap().shape, [2, 3, 1]);
        assert_eq!(Op::Squeeze { axes: vec![0] }.run(&[&x]), None);
        assert_eq!(Op::Flatten { axis: 1 }.run(&[&tensor(&[2, 1, 3], &x.data)]).unwrap().shape, [2, 3]);
    }

    #[test]
    fn functions_are_worked_by_hand() {
        let of = |each: Each, x: f64| (each.of(x) * 1e6).round() / 1e6;
        assert_eq!(of(Each::Sigmoid, 1.0), 0.731_059);
        assert_eq!(of(Each::Softplus, 1.0), 1.313_262);
        assert_eq!(of(Each::Gelu, 1.0), 0.841_345);
        assert_eq!(of(Each::Elu(2.0), -1.0), -1.264_241);
        assert!(Each::Relu.of(f64::NAN).is_nan() && Each::Softplus.of(f64::NAN).is_nan());
    }

    #[test]
    fn last_hidden_layer_and_last_product_make_the_prediction() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx_gemm.onnx");
        let (graph, _) = parse(&std::fs::read(file).unwrap()).unwrap();
        let rows = [0.5, -1.0, 2.0, 1.5, 0.0, -0.25];
        let layers = graph.layers(&rows, 2).unwrap();
        assert_eq!(layers.iter().map(|layer| layer.width).collect::<Vec<_>>(), [24, 16]);
        // Behind a relu and a hyperbolic tangent.
        assert!(layers[0].values.iter().all(|&value| value >= 0.0) && layers[0].values.contains(&0.0));
        assert!(layers[1].values.iter().all(|&value| value.abs() < 1.0 && value != 0.0));
        let last = graph.steps.last().unwrap();
        let weights: Vec<&Tensor> = last.inputs[1..].iter().map(|slot| &*graph.constants.iter().find(|(at, _)| Some(*at) == *slot).unwrap().1).collect();
        let hidden = tensor(&[2, 16], &layers[1].values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>());
        let mut predictions = [0.0; 2];
        graph.predict(&rows, &mut predictions).unwrap();
        for (found, expected) in last.op.run(&[&hidden, weights[0], weights[1]]).unwrap().data.iter().zip(predictions) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
