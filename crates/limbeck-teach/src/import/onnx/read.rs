//! From the bytes of a file to a graph.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::columns::Input;
use super::super::fault::{Fault, Parsed, short};
use super::super::trees::{Link, TreeModel};
use super::super::wire::{self, Value};
use super::ensemble::{TreeLists, aggregate};
use super::node::{Attribute, FileNode, cannot, no_transform, several_targets};
use super::op::{Each, Norm, Op};
use super::tensor::{MOST_AXES, Tensor};
use super::{Graph, Inside, Step};

/// Maximum number of columns of all inputs.
const MOST_COLUMNS: i64 = 1 << 16;

/// Reads a graph and its inputs.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<(Graph, Vec<Input>)> {
    let graph = wire::fields(bytes)?
        .into_iter()
        .find(|(number, _)| *number == 7);
    let (_, graph) = graph.ok_or_else(|| {
        Fault::malformed(
            "the file",
            "no graph",
            "a LightGBM text model, an XGBoost JSON model or an ONNX model",
        )
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
            15 => {
                return Err(Fault::unsupported(
                    "the graph has sparse weights",
                    "export it with dense ones",
                ));
            }
            _ => {}
        }
    }
    let inputs: Vec<Feed> = inputs
        .into_iter()
        .filter(|feed| !reader.is_constant(&feed.name))
        .collect();
    if inputs.is_empty() {
        return Err(Fault::malformed(
            "the graph",
            "no input",
            "an input of [rows, columns]",
        ));
    }
    let mut feeds = Vec::new();
    for feed in &inputs {
        let columns = feed.columns()?;
        feeds.push((reader.slot(&feed.name), columns, feed.flat()));
        if feeds.iter().map(|(_, columns, _)| columns).sum::<usize>() > MOST_COLUMNS as usize {
            return Err(Fault::unsupported(
                format!("the graph has more than {MOST_COLUMNS} columns in all"),
                "expected fewer",
            ));
        }
    }
    let steps = nodes
        .iter()
        .map(|node| reader.step(node))
        .collect::<Parsed<Vec<Option<Step>>>>()?;
    let steps: Vec<Step> = steps.into_iter().flatten().collect();
    let [output] = outputs.as_slice() else {
        return Err(Fault::unsupported(
            format!("the graph has {} outputs", outputs.len()),
            "give a regression model with one output of one column",
        ));
    };
    let output = reader.slot(&output.name);
    let graph = Graph {
        steps,
        slots: reader.slots.len(),
        feeds,
        output,
        single: !reader.double,
        constants: reader.constants,
        inside: Inside::default(),
    }
    .tried()?;
    let width: usize = graph.feeds.iter().map(|(_, columns, _)| columns).sum();
    let named = inputs.len() > 1 && graph.feeds.iter().all(|(_, columns, _)| *columns == 1);
    let inputs = match named {
        true => inputs
            .into_iter()
            .map(|feed| Input {
                name: Some(feed.name),
                ..Input::default()
            })
            .collect(),
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
            other => Err(Fault::malformed(
                place(),
                format!("the shape {other:?}"),
                "[rows, columns] with a fixed number of columns",
            )),
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
        self.slots
            .get(name)
            .is_some_and(|slot| self.by_slot.contains_key(slot))
    }

    fn known(&self, name: &str) -> Option<&Tensor> {
        let at = self.by_slot.get(self.slots.get(name)?)?;
        Some(&self.constants[*at].1)
    }

    fn input(&mut self, bytes: &[u8]) -> Parsed<Feed> {
        let mut feed = Feed {
            name: String::new(),
            kind: 0,
            shape: Vec::new(),
        };
        for (number, value) in wire::fields(bytes)? {
            match number {
                1 => value.text()?.clone_into(&mut feed.name),
                2 => {
                    for (_, tensor) in wire::fields(value.bytes()?)?
                        .into_iter()
                        .filter(|(number, _)| *number == 1)
                    {
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
                    return Err(Fault::unsupported(
                        "the weights lie in another file",
                        "save the model as one file",
                    ));
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
            return Err(Fault::unsupported(
                format!("{} have elements of type {kind}", place()),
                "expected FLOAT, DOUBLE, INT32, INT64 or BOOL",
            ));
        }
        let shape = dims
            .iter()
            .map(|&dim| usize::try_from(dim).ok())
            .collect::<Option<Vec<usize>>>();
        let count = shape.as_ref().and_then(|shape| {
            shape
                .iter()
                .try_fold(1_usize, |count, dim| count.checked_mul(*dim))
        });
        match shape {
            // Nothing at all is fine as a list, such as no axes.
            Some(shape)
                if count == Some(data.len())
                    && shape.len() <= MOST_AXES
                    && (!data.is_empty() || shape.len() < 2) =>
            {
                Ok((name, Tensor { shape, data }))
            }
            _ => Err(Fault::malformed(
                place(),
                format!("{} numbers", data.len()),
                format!("as many as the shape {dims:?} has, and at most {MOST_AXES} axes"),
            )),
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
        let inputs = node
            .inputs
            .iter()
            .map(|input| (!input.is_empty()).then(|| self.slot(input)))
            .collect();
        Ok(Some(Step {
            name,
            op,
            inputs,
            output: self.slot(output),
        }))
    }

    fn constant_of(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Tensor> {
        let scalar = |value| Tensor {
            shape: Vec::new(),
            data: vec![value],
        };
        let row = |data: Vec<f64>| Tensor {
            shape: vec![data.len()],
            data,
        };
        for (kind, attribute) in &node.attributes {
            match (*kind, attribute.tensor) {
                ("value", Some(tensor)) => return Ok(self.tensor(tensor)?.1),
                ("value_float", _) => return Ok(scalar(attribute.float)),
                ("value_int", _) => return Ok(scalar(attribute.int as f64)),
                ("value_floats", _) => return Ok(row(attribute.floats.clone())),
                ("value_ints", _) => {
                    return Ok(row(attribute.ints.iter().map(|&int| int as f64).collect()));
                }
                _ => {}
            }
        }
        Err(Fault::unsupported(
            format!("{name} has no number as its value"),
            "export the model with numbers alone",
        ))
    }

    /// Whole numbers from the attribute, or from the constant that is the input at `place`; none where neither is there.
    fn whole(&self, node: &FileNode<'_>, attribute: &str, place: usize) -> Option<Vec<i64>> {
        let given = node
            .attributes
            .get(attribute)
            .map(|attribute| attribute.ints.clone());
        given.or_else(|| {
            Some(
                self.known(node.inputs.get(place)?)?
                    .data
                    .iter()
                    .map(|&value| value as i64)
                    .collect(),
            )
        })
    }

    fn op(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        if let Some(each) = node.each() {
            return Ok(Op::Each(each));
        }
        if let Some(pairs) = node.pairs() {
            return Ok(Op::Pairs(pairs));
        }
        match node.op {
            "Cast" | "Clip" | "Gemm" | "MatMul" | "BatchNormalization" | "LayerNormalization" => {
                self.numeric(node, name)
            }
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Transpose" | "Concat"
            | "FeatureVectorizer" => self.shape(node, name),
            "Scaler" | "Imputer" | "Normalizer" | "LinearRegressor" | "TreeEnsembleRegressor" => {
                self.learned(node, name)
            }
            _ => Err(node.unknown()),
        }
    }

    fn cast(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Each> {
        match node.int("to", 0) {
            DOUBLE => {
                self.double = true;
                Ok(Each::Identity)
            }
            FLOAT | FLOAT16 => Ok(Each::Single),
            INT32 | INT64 => Ok(Each::Truncate),
            _ => Err(cannot(
                name,
                "expected a cast to FLOAT, DOUBLE, INT32 or INT64",
            )),
        }
    }

    /// Operations on numbers with options of their own.
    fn numeric(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        Ok(match node.op {
            "Cast" => Op::Each(self.cast(node, name)?),
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
            _ => return Err(node.unknown()),
        })
    }

    /// A bound of `Clip`: an attribute, or a constant input.
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

    /// Operations that change the shape alone.
    fn shape(&self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        Ok(match node.op {
            "Flatten" => Op::Flatten {
                axis: node.int("axis", 1),
            },
            "Reshape" => match self.whole(node, "shape", 1) {
                Some(shape) => Op::Reshape {
                    shape,
                    zero_is_zero: node.int("allowzero", 0) != 0,
                },
                None => return Err(cannot(name, "expected a constant shape such as [-1, 1]")),
            },
            "Squeeze" => Op::Squeeze {
                axes: self.whole(node, "axes", 1).unwrap_or_default(),
            },
            "Unsqueeze" => match self.whole(node, "axes", 1) {
                Some(axes) => Op::Unsqueeze { axes },
                None => return Err(cannot(name, "expected constant axes")),
            },
            "Transpose" if node.keeps_axes() => Op::Each(Each::Identity),
            "Transpose" => Op::Transpose,
            "Concat" => Op::Concat {
                axis: node.int("axis", 1),
            },
            "FeatureVectorizer" => Op::Concat { axis: 1 },
            _ => return Err(node.unknown()),
        })
    }

    /// Operations of `ai.onnx.ml`, which hold what was learned.
    fn learned(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<Op> {
        Ok(match node.op {
            "Scaler" => Op::Scaler {
                offset: node.floats("offset"),
                scale: node.floats("scale"),
            },
            "Imputer" => Op::Imputer {
                values: node.floats("imputed_value_floats"),
                replaced: node.float("replaced_value_float", 0.0),
            },
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
            "TreeEnsembleRegressor" => {
                no_transform(&node.text("post_transform", "NONE"))?;
                let trees = self.trees(node, name)?;
                let width = trees.widest().map_or(0, |input| input + 1);
                Op::Trees(trees, width)
            }
            _ => return Err(node.unknown()),
        })
    }

    /// Numbers of a `TreeEnsembleRegressor`: a tensor, or floats.
    fn numbers(&mut self, node: &FileNode<'_>, key: &str) -> Parsed<Vec<f64>> {
        let key_as_tensor = format!("{key}_as_tensor");
        let as_tensor = node.attributes.get(key_as_tensor.as_str());
        match as_tensor.and_then(|attribute| attribute.tensor) {
            Some(bytes) => Ok(self.tensor(bytes)?.1.data),
            None => Ok(node.floats(key)),
        }
    }

    /// The trees of a `TreeEnsembleRegressor`.
    fn trees(&mut self, node: &FileNode<'_>, name: &str) -> Parsed<TreeModel> {
        let (values, weights, base) = (
            self.numbers(node, "nodes_values")?,
            self.numbers(node, "target_weights")?,
            self.numbers(node, "base_values")?,
        );
        if node.int("n_targets", 1) != 1 || base.len() > 1 {
            return Err(several_targets(name));
        }
        let model = TreeModel {
            trees: TreeLists::read(node, name, &values, &weights)?.trees()?,
            weights: Vec::new(),
            base: base.first().copied().unwrap_or(0.0),
            aggregate: aggregate(node, name)?,
            link: Link::Identity,
            single: !self.double,
        };
        model.checked(MOST_COLUMNS as usize)
    }
}

fn dimensions(bytes: &[u8]) -> Parsed<Vec<Option<i64>>> {
    let mut shape = Vec::new();
    for (_, dimension) in wire::fields(bytes)?
        .into_iter()
        .filter(|(number, _)| *number == 1)
    {
        let size = wire::fields(dimension.bytes()?)?
            .into_iter()
            .find(|(number, _)| *number == 1);
        shape.push(size.map(|(_, value)| value.int()).transpose()?);
    }
    Ok(shape)
}
