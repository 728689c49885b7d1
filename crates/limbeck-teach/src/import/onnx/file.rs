//! Graphs and nodes as an ONNX file stores them.

use std::collections::HashSet;

use super::super::fault::{Fault, Parsed, short};
use super::super::wire::{self, Value};
use super::kind::Kind;
use super::node::{Attribute, FileNode};
use super::weights::name_of;

/// Maximum number of columns of all inputs together.
const MOST_COLUMNS: i64 = 1 << 16;

/// A graph of the file: the whole model, or the body of a `Scan`.
#[derive(Default)]
pub(super) struct FileGraph<'a> {
    pub(super) nodes: Vec<FileNode<'a>>,
    /// The protobuf messages of the initializers (constant tensors), not yet parsed.
    pub(super) weights: Vec<&'a [u8]>,
    /// Inputs that are not initializers.
    pub(super) inputs: Vec<FileValue<'a>>,
    pub(super) outputs: Vec<FileValue<'a>>,
}

/// An input or output of a graph, as the file declares it.
#[derive(Default)]
pub(super) struct FileValue<'a> {
    pub(super) name: &'a str,
    /// The number that ONNX gives its element type.
    kind: i64,
    /// The size of each axis; `None` for a size that is not fixed.
    shape: Vec<Option<i64>>,
}

impl<'a> FileGraph<'a> {
    /// Reads a graph from its protobuf message.
    ///
    /// # Errors
    ///
    /// For damaged files, and for sparse initializers.
    pub(super) fn read(bytes: &'a [u8]) -> Parsed<Self> {
        let mut graph = Self::default();
        for (number, value) in wire::fields(bytes)? {
            match number {
                1 => graph.nodes.push(node(value.bytes()?)?),
                5 => graph.weights.push(value.bytes()?),
                11 => graph.inputs.push(FileValue::read(value.bytes()?)?),
                12 => graph.outputs.push(FileValue::read(value.bytes()?)?),
                15 => {
                    return Err(Fault::unsupported(
                        "the graph has sparse initializers",
                        "export it with dense initializers",
                    ));
                }
                _ => {}
            }
        }
        let names = graph.weights.iter().map(|tensor| name_of(tensor));
        let names = names.collect::<Parsed<HashSet<&str>>>()?;
        graph.inputs.retain(|input| !names.contains(input.name));
        Ok(graph)
    }

    /// The name of the output to read: `wanted`, or the only output if `wanted` is `None`.
    ///
    /// # Errors
    ///
    /// If the graph has no output `wanted`; if `wanted` is `None` and the graph has no output, or several.
    pub(super) fn output(&self, wanted: Option<&str>) -> Parsed<&'a str> {
        let listed = || {
            let each = |value: &FileValue<'_>| format!("{} {}", short(value.name), value.sizes());
            self.outputs.iter().map(each).collect::<Vec<_>>().join(", ")
        };
        let found = |name: &str| self.outputs.iter().find(|value| value.name == name);
        match (self.outputs.as_slice(), wanted) {
            (_, Some(name)) => found(name).map(|value| value.name).ok_or_else(|| {
                Fault::unsupported(
                    format!(
                        "the graph has no output {}; it has {}",
                        short(name),
                        listed()
                    ),
                    "name one of these in teacher.model_output (--teacher-model-output NAME)",
                )
            }),
            ([value], None) => Ok(value.name),
            ([], None) => Err(Fault::malformed("the graph", "no output", "at least one")),
            (several, None) => Err(Fault::unsupported(
                format!("the graph has {} outputs: {}", several.len(), listed()),
                "name the one with one number per row in teacher.model_output (--teacher-model-output NAME)",
            )),
        }
    }

    /// Names of all values that the given outputs depend on, including these outputs.
    pub(super) fn needed(&self, outputs: impl IntoIterator<Item = &'a str>) -> HashSet<&'a str> {
        let mut needed: HashSet<&str> = outputs.into_iter().collect();
        for node in self.nodes.iter().rev() {
            if node.outputs.iter().any(|name| needed.contains(name)) {
                // A body also reads names of the outer graph; these are not inputs of the node.
                needed.extend(node.inputs.iter().chain(&node.inner));
            }
        }
        needed
    }
}

impl<'a> FileValue<'a> {
    fn read(bytes: &'a [u8]) -> Parsed<Self> {
        let mut read = Self::default();
        for (number, value) in wire::fields(bytes)? {
            match number {
                1 => read.name = value.text()?,
                2 => {
                    let kinds = wire::fields(value.bytes()?)?;
                    for (_, tensor) in kinds.into_iter().filter(|(number, _)| *number == 1) {
                        read.tensor_type(tensor.bytes()?)?;
                    }
                }
                _ => {}
            }
        }
        Ok(read)
    }

    fn tensor_type(&mut self, bytes: &[u8]) -> Parsed<()> {
        for (number, value) in wire::fields(bytes)? {
            match number {
                1 => self.kind = value.int()?,
                2 => self.shape = dimensions(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The element type; single precision if the type in the file is not supported.
    pub(super) fn kind(&self) -> Kind {
        Kind::numbered(self.kind).unwrap_or_default()
    }

    /// True if the value has one axis only, the rows; false for `[rows, columns]`.
    pub(super) fn flat(&self) -> bool {
        self.shape.len() == 1
    }

    /// The shape as text, for messages. A size that is not fixed is shown as `rows` on the first axis, and as `?` on others.
    fn sizes(&self) -> String {
        let size = |(axis, size): (usize, &Option<i64>)| match size {
            Some(size) => size.to_string(),
            None if axis == 0 => "rows".to_owned(),
            None => "?".to_owned(),
        };
        let sizes: Vec<String> = self.shape.iter().enumerate().map(size).collect();
        format!("[{}]", sizes.join(", "))
    }

    /// How many columns of the table this input reads; 1 if its only axis is the rows.
    ///
    /// # Errors
    ///
    /// For an unsupported element type; for a number of columns that is not fixed, zero or too large; and if there are
    /// neither one nor two axes.
    pub(super) fn columns(&self) -> Parsed<usize> {
        let place = || format!("input {}", short(self.name));
        if Kind::numbered(self.kind).is_none() {
            return Err(Fault::unsupported(
                format!("{} has the ONNX element type number {}", place(), self.kind),
                "export the model with inputs of numbers or strings",
            ));
        }
        match self.shape.as_slice() {
            [_] => Ok(1),
            [_, Some(columns @ 1..=MOST_COLUMNS)] => Ok(*columns as usize),
            _ => Err(Fault::unsupported(
                format!("{} has the shape {}", place(), self.sizes()),
                "export the model with inputs of the shape [rows, columns], with a fixed number of columns",
            )),
        }
    }

    /// True if the values of this input are rounded to single precision.
    pub(super) fn single(&self) -> bool {
        self.kind() == Kind::Single
    }
}

/// Number of columns of each input.
///
/// # Errors
///
/// Same as [`FileValue::columns`]; also if there are no inputs, or too many columns in all.
pub(super) fn all_columns(inputs: &[FileValue<'_>]) -> Parsed<Vec<usize>> {
    if inputs.is_empty() {
        return Err(Fault::unsupported(
            "the graph has no input",
            "export the model with an input of the shape [rows, columns]",
        ));
    }
    let columns = inputs.iter().map(FileValue::columns);
    let columns = columns.collect::<Parsed<Vec<usize>>>()?;
    let total = columns
        .iter()
        .fold(0_usize, |sum, n| sum.saturating_add(*n));
    if total > MOST_COLUMNS as usize {
        return Err(Fault::unsupported(
            format!("the inputs of the graph have more than {MOST_COLUMNS} columns in all"),
            "give a model with fewer columns",
        ));
    }
    Ok(columns)
}

fn node(bytes: &[u8]) -> Parsed<FileNode<'_>> {
    let mut node = FileNode::default();
    for (number, value) in wire::fields(bytes)? {
        match number {
            1 => node.inputs.push(value.text()?),
            2 => node.outputs.push(value.text()?),
            3 => node.name = value.text()?,
            4 => node.op = value.text()?,
            7 => node.domain = value.text()?,
            5 => {
                let (name, attribute) = attribute(value.bytes()?)?;
                if let Some(body) = attribute.graph {
                    node.inner.extend(names_in(body)?);
                }
                node.attributes.insert(name, attribute);
            }
            _ => {}
        }
    }
    Ok(node)
}

/// Names of the values that the nodes in the body of a `Scan` read. `body` is the protobuf message of the body.
fn names_in(body: &[u8]) -> Parsed<Vec<&str>> {
    let mut names = Vec::new();
    for (_, node) in wire::fields(body)?
        .into_iter()
        .filter(|(number, _)| *number == 1)
    {
        for (_, name) in wire::fields(node.bytes()?)?
            .into_iter()
            .filter(|(number, _)| *number == 1)
        {
            names.push(name.text()?);
        }
    }
    Ok(names)
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
            (6, value) => attribute.graph = Some(value.bytes()?),
            (7, value) => value.floats(false, &mut attribute.floats)?,
            (8, value) => value.ints(&mut attribute.ints)?,
            (9, value) => attribute.texts.push(value.bytes()?),
            _ => {}
        }
    }
    Ok((name, attribute))
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
