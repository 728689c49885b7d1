//! The parts of an ONNX model: nodes, constant tensors, and names of values.

use std::collections::BTreeMap;

use limbeck_runtime::Memory;

use crate::proto::Message;

/// Domain of the operators for tables.
pub(crate) const ML: &str = "ai.onnx.ml";

/// Element types of tensors, with their numbers in ONNX files.
#[derive(Clone, Copy)]
pub(crate) enum Type {
    Float = 1,
    Int64 = 7,
    Text = 8,
    Double = 11,
}

/// Second dimension of an input or output.
pub(crate) enum Columns {
    Count(usize),
    /// Any number, with a name.
    Any(&'static str),
}

/// The declaration of an input or output `[rows, columns]`.
pub(crate) fn value_info(name: &str, kind: Type, columns: Columns) -> Message {
    let columns = match columns {
        Columns::Count(columns) => Message::default().int(1, columns as i64),
        Columns::Any(name) => Message::default().text(2, name),
    };
    let dims = [Message::default().text(2, "rows"), columns];
    let tensor = Message::default()
        .int(1, kind as i64)
        .message(2, Message::default().messages(1, dims));
    Message::default()
        .text(1, name)
        .message(2, Message::default().message(1, tensor))
}

pub(crate) fn node(
    op: &str,
    inputs: &[&str],
    output: &str,
    domain: &str,
    attributes: Vec<Message>,
) -> Message {
    let node = inputs
        .iter()
        .fold(Message::default(), |node, input| node.text(1, input));
    let node = node
        .text(2, output)
        .text(3, output)
        .text(4, op)
        .messages(5, attributes);
    if domain.is_empty() {
        node
    } else {
        node.text(7, domain)
    }
}

/// Attributes of a node, one function for each type of attribute.
pub(crate) mod attribute {
    use super::Message;

    fn named(name: &str, kind: i64) -> Message {
        Message::default().text(1, name).int(20, kind)
    }
    pub(crate) fn int(name: &str, value: i64) -> Message {
        named(name, 2).int(3, value)
    }
    pub(crate) fn text(name: &str, value: &str) -> Message {
        named(name, 3).text(4, value)
    }
    pub(crate) fn floats(name: &str, values: &[f32]) -> Message {
        values
            .iter()
            .fold(named(name, 6), |all, &value| all.float(7, value))
    }
    pub(crate) fn ints(name: &str, values: impl IntoIterator<Item = i64>) -> Message {
        values
            .into_iter()
            .fold(named(name, 7), |all, value| all.int(8, value))
    }
    pub(crate) fn texts<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Message {
        values
            .into_iter()
            .fold(named(name, 8), |all, value| all.text(9, value))
    }
}

/// Names of the values in the ONNX graph that are computed from one column of dates. All these values are integers.
#[derive(Clone)]
pub(crate) struct Calendar {
    pub(crate) seconds: String,
    pub(crate) days: String,
    /// Second of the day.
    pub(crate) second: String,
    pub(crate) year: String,
    pub(crate) month: String,
    /// Day of the year, from 0.
    pub(crate) day_of_year: String,
}

/// What the model needs for recurrent layers. By default, there are none.
#[derive(Default)]
pub(crate) struct Series {
    /// `None` if the student is not recurrent.
    pub(crate) memory: Option<Memory>,
    /// With a rolling memory, the shape `[rows, steps]` of the inputs, once there is an input.
    pub(crate) shape: Option<String>,
    /// With a carried state, the names of the model's input and output.
    pub(crate) state: [String; 2],
    /// Number of floats of the state that the layers so far have read.
    pub(crate) read: usize,
    /// The new states of the layers so far, `[rows, units]` each.
    pub(crate) next: Vec<String>,
}

/// Collects the nodes and the constants of the ONNX model.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) prefix: String,
    pub(crate) nodes: Vec<Message>,
    pub(crate) tensors: Vec<Message>,
    pub(crate) values: usize,
    /// For the name of each column of dates: the values that are computed from it.
    pub(crate) dates: BTreeMap<String, Calendar>,
    /// The memory of a recurrent student.
    pub(crate) series: Series,
}

impl Builder {
    pub(crate) fn name(&mut self) -> String {
        self.values += 1;
        format!("{}{}", self.prefix, self.values)
    }

    pub(crate) fn tensor(&mut self, kind: Type, dims: &[usize], bytes: &[u8]) -> String {
        let name = self.name();
        let tensor = dims
            .iter()
            .fold(Message::default(), |tensor, &dim| tensor.int(1, dim as i64));
        self.tensors
            .push(tensor.int(2, kind as i64).text(8, &name).bytes(9, bytes));
        name
    }

    pub(crate) fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.tensor(Type::Float, dims, &bytes)
    }

    pub(crate) fn float(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    pub(crate) fn double(&mut self, value: f64) -> String {
        self.tensor(Type::Double, &[], &value.to_le_bytes())
    }

    pub(crate) fn doubles(&mut self, dims: &[usize], values: &[f64]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.tensor(Type::Double, dims, &bytes)
    }

    pub(crate) fn ints(&mut self, dims: &[usize], values: impl IntoIterator<Item = i64>) -> String {
        let bytes: Vec<u8> = values.into_iter().flat_map(i64::to_le_bytes).collect();
        self.tensor(Type::Int64, dims, &bytes)
    }

    pub(crate) fn with(&mut self, op: &str, inputs: &[&str], attributes: Vec<Message>) -> String {
        let output = self.name();
        self.nodes.push(node(op, inputs, &output, "", attributes));
        output
    }

    pub(crate) fn node(&mut self, op: &str, inputs: &[&str]) -> String {
        self.with(op, inputs, Vec::new())
    }

    pub(crate) fn ml(&mut self, op: &str, input: &str, attributes: Vec<Message>) -> String {
        let output = self.name();
        self.nodes.push(node(op, &[input], &output, ML, attributes));
        output
    }

    pub(crate) fn cast(&mut self, value: &str, to: Type) -> String {
        self.with("Cast", &[value], vec![attribute::int("to", to as i64)])
    }

    /// Adds a node that concatenates the columns of several values; returns the name of the result. A single value needs no node.
    pub(crate) fn concat(&mut self, parts: Vec<String>) -> String {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if let [one] = parts[..] {
            one.to_owned()
        } else {
            self.with("Concat", &parts, vec![attribute::int("axis", 1)])
        }
    }

    /// Adds a node that selects the columns of a value with the given indices.
    pub(crate) fn gather(&mut self, value: &str, columns: &[usize]) -> String {
        let indices = columns.iter().map(|&column| column as i64);
        let columns = self.ints(&[columns.len()], indices);
        let axis = vec![attribute::int("axis", 1)];
        self.with("Gather", &[value, &columns], axis)
    }

    pub(crate) fn clip(&mut self, value: &str, low: f32, high: f32) -> String {
        let (low, high) = (self.float(low), self.float(high));
        self.node("Clip", &[value, &low, &high])
    }

    /// Adds a node without attributes whose output has a given name.
    pub(crate) fn named(&mut self, op: &str, input: &str, output: &str) {
        self.push(node(op, &[input], output, "", Vec::new()));
    }

    pub(crate) fn push(&mut self, node: Message) {
        self.nodes.push(node);
    }
}
