//! The student's model as data: a short list of typed operations.

use crate::{Error, Recurrent, Result, TableInterp, TreeEnsemble};
use alloc::{format, string::String, vec, vec::Vec};

/// Maximum sum of the widths of the input and of the outputs of all nodes: the numbers that a graph may hold per row. A small file can declare huge
/// widths; this limit bounds the memory and the time of a prediction with such a file.
const MAX_WIDTHS: usize = 1 << 20;

/// A model as a list of nodes; each node takes values of earlier nodes, or the input.
///
/// Value 0 is the input, a row of [`input_width`](Self::input_width) f32. Node `i` computes value `i + 1`. The last value is the output.
///
/// A graph with an [`Op::Recurrent`] is *recurrent*: it maps consecutive rows of a series to consecutive outputs. In any other graph, each row is computed
/// by itself.
///
/// [`run`](Self::run) is the simple, slow implementation; [`Plan`](crate::Plan) is the fast one.
///
/// ```
/// use limbeck_runtime::{Graph, Node, Op};
/// // y = relu(2 x − 1)
/// let graph = Graph::new(1, vec![
///     Node::new(Op::Linear { rows: 1, cols: 1, weight: vec![2.0], bias: vec![-1.0] }, [0]),
///     Node::new(Op::Relu, [1]),
/// ])?;
/// assert_eq!(graph.run(&[3.0, 0.0], 2), [5.0, 0.0]);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Number of f32 in each input row.
    pub input_width: usize,
    /// The operations, in the order of execution.
    pub nodes: Vec<Node>,
}

/// One operation and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Indices of the values that the operation reads: 0 is the graph's input, `i + 1` is the output of node `i`.
    pub inputs: Vec<usize>,
}

/// An operation on rows of f32.
///
/// Code that reads a graph (plan, file, C, ONNX) matches every variant by name, so that the compiler finds each place a new one must be added.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Piecewise-linear encoding of each input column by its own edges `e_0 < … < e_K`.
    ///
    /// ```text
    /// out_k = clamp((x − e_k) / (e_{k+1} − e_k), 0, 1)    for k = 0 … K − 1
    /// ```
    ///
    /// A column without edges passes through as one output. NaN gives NaN.
    ///
    /// Source: Gorishniy et al., *On Embeddings for Numerical Features in Tabular Deep Learning*, NeurIPS 2022; there
    /// the first and last bins are open, here every output is clamped.
    Ple {
        /// The edges of each input column in ascending order: at least two, or none.
        edges: Vec<Vec<f32>>,
    },
    /// `out[j] = Σ_i x[i] · weight[i, j] + bias[j]`.
    Linear {
        /// Width of the input.
        rows: usize,
        /// Width of the output.
        cols: usize,
        /// The weights, `[rows, cols]`, row-major.
        weight: Vec<f32>,
        /// The biases, `[cols]`.
        bias: Vec<f32>,
    },
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// Element-wise sum of one or more inputs of equal width.
    Add,
    /// Element-wise mean of one or more inputs of equal width.
    Mean,
    /// `x · by + add`, element-wise.
    Scale {
        /// The factor.
        by: f32,
        /// The summand.
        add: f32,
    },
    /// Softmax over each row: positive numbers that add up to 1.
    ///
    /// ```text
    /// out_k = exp(x_k − max_j x_j) / Σ_i exp(x_i − max_j x_j)
    /// ```
    ///
    /// NaN gives NaN.
    Softmax,
    /// Sum of the leaves that a row reaches in an ensemble of decision trees; one output.
    TreeEnsemble(TreeEnsemble),
    /// Interpolation in a table of one to three inputs; one output.
    TableInterp(TableInterp),
    /// A GRU or an LSTM over consecutive rows; the only operation whose output for a row depends on earlier rows.
    Recurrent(Recurrent),
}

impl Op {
    /// Name of the operation in files and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Ple { .. } => "ple",
            Op::Linear { .. } => "linear",
            Op::Relu => "relu",
            Op::Add => "add",
            Op::Mean => "mean",
            Op::Scale { .. } => "scale",
            Op::Softmax => "softmax",
            Op::TreeEnsemble(_) => "tree_ensemble",
            Op::TableInterp(_) => "table_interp",
            Op::Recurrent(_) => "recurrent",
        }
    }

    /// Number of fitted parameters that a prediction uses: edges, weights, biases and scales, and all parameters of a table or of trees.
    pub fn parameters(&self) -> usize {
        match self {
            Op::Ple { edges } => edges.iter().map(Vec::len).sum(),
            Op::Linear { weight, bias, .. } => weight.len() + bias.len(),
            Op::Relu | Op::Add | Op::Mean | Op::Softmax => 0,
            Op::Scale { .. } => 2,
            Op::TreeEnsemble(trees) => trees.parameters(),
            Op::TableInterp(table) => table.parameters(),
            Op::Recurrent(layer) => layer.parameters(),
        }
    }
}

impl Node {
    /// Creates a node from an operation and the indices of the values that it reads.
    pub fn new(op: Op, inputs: impl Into<Vec<usize>>) -> Self {
        Node {
            op,
            inputs: inputs.into(),
        }
    }
}

impl Graph {
    /// Creates a graph after checking it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidNode`] names the first node whose widths, inputs or numbers are invalid, or with which the widths of all values add up to more
    /// than 2²⁰; [`Error::InvalidGraph`] if the input width is 0 or greater than 2²⁰, or if there is no node.
    pub fn new(input_width: usize, nodes: Vec<Node>) -> Result<Self> {
        let graph = Graph { input_width, nodes };
        graph.widths()?;
        Ok(graph)
    }

    /// The width of each value; the first is the width of the input.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new): the fields are public, so that the graph may have changed after its creation.
    pub fn widths(&self) -> Result<Vec<usize>> {
        self.check_size()?;
        let mut widths = vec![self.input_width];
        let mut left = MAX_WIDTHS - self.input_width;
        for (i, node) in self.nodes.iter().enumerate() {
            let fault = |reason| Error::InvalidNode {
                node: i,
                op: node.op.name(),
                reason,
            };
            let inputs = input_widths(node, &widths).map_err(fault)?;
            let width = output_width(&node.op, &inputs).map_err(fault)?;
            left = left.checked_sub(width).ok_or_else(|| {
                fault(format!(
                    "output width {width}, at most {left} expected: the widths of the input and of all outputs may add up to at most {MAX_WIDTHS}"
                ))
            })?;
            widths.push(width);
        }
        Ok(widths)
    }

    /// Checks that the input width is in range and that there is at least one node.
    fn check_size(&self) -> Result<()> {
        if self.input_width == 0 || self.input_width > MAX_WIDTHS {
            let reason = format!(
                "input width {}, 1 to {MAX_WIDTHS} expected",
                self.input_width
            );
            return Err(Error::InvalidGraph { reason });
        }
        if self.nodes.is_empty() {
            return Err(Error::InvalidGraph {
                reason: "no nodes, at least one expected".into(),
            });
        }
        Ok(())
    }

    /// Number of f32 in each output row; 0 for an invalid graph (see [`widths`](Self::widths)).
    pub fn output_width(&self) -> usize {
        self.widths()
            .ok()
            .and_then(|widths| widths.last().copied())
            .unwrap_or(0)
    }

    /// Number of fitted parameters that a prediction uses, summed over the nodes; see [`Op::parameters`].
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(|node| node.op.parameters()).sum()
    }

    /// True if the output for a row depends on the rows before it: if there is an [`Op::Recurrent`].
    pub fn is_recurrent(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| matches!(node.op, Op::Recurrent(_)))
    }

    /// Computes the output `[n, output_width]` for `x` of shape `[n, input_width]`, in simple loops. Tests compare [`Plan`](crate::Plan) with it.
    ///
    /// In a recurrent graph, the rows are consecutive, with state 0 before the first.
    ///
    /// # Panics
    ///
    /// Panics if `x` holds fewer than `n · input_width` numbers. May panic if the graph was made without [`new`](Self::new) and
    /// [`widths`](Self::widths) returns an error for it.
    pub fn run(&self, x: &[f32], n: usize) -> Vec<f32> {
        let mut values = vec![x[..n * self.input_width].to_vec()];
        for node in &self.nodes {
            let inputs: Vec<&[f32]> = node.inputs.iter().map(|&i| values[i].as_slice()).collect();
            let value = run_op(&node.op, &inputs, n);
            values.push(value);
        }
        values.pop().unwrap_or_default()
    }
}

fn input_widths(node: &Node, widths: &[usize]) -> Result<Vec<usize>, String> {
    let fault = |input| {
        let last = widths.len() - 1;
        format!("reads value {input}, but only values 0 to {last} exist before this node")
    };
    let width_of = |&input: &usize| widths.get(input).copied().ok_or_else(|| fault(input));
    node.inputs.iter().map(width_of).collect()
}

fn one_width(width: usize, others: &[usize]) -> Result<usize, String> {
    match others.iter().find(|other| **other != width) {
        Some(other) => Err(format!(
            "inputs have widths {width} and {other}, equal widths expected"
        )),
        None => Ok(width),
    }
}

fn output_width(op: &Op, inputs: &[usize]) -> Result<usize, String> {
    let [width, others @ ..] = inputs else {
        return Err("reads no value, at least one expected".into());
    };
    match op {
        Op::Add | Op::Mean => one_width(*width, others),
        _ if !others.is_empty() => Err(format!("reads {} values, one expected", inputs.len())),
        Op::Ple { edges } => ple_width(edges, *width),
        Op::Linear {
            rows,
            cols,
            weight,
            bias,
        } => {
            check_linear((*rows, *cols), weight, bias, *width)?;
            Ok(*cols)
        }
        Op::Relu | Op::Softmax => Ok(*width),
        Op::Scale { by, add } => {
            check_finite("scale", &[*by, *add])?;
            Ok(*width)
        }
        Op::TreeEnsemble(trees) => trees.fault(*width).map_or(Ok(1), Err),
        Op::TableInterp(table) => table.fault(*width).map_or(Ok(1), Err),
        Op::Recurrent(layer) => layer.fault(*width).map_or(Ok(layer.units), Err),
    }
}

fn ple_width(edges: &[Vec<f32>], width: usize) -> Result<usize, String> {
    if edges.len() != width {
        return Err(format!(
            "number of lists of bin edges is {}, width of the input is {width}; expected equal numbers",
            edges.len()
        ));
    }
    for (column, edges) in edges.iter().enumerate() {
        check_finite("edges", edges)?;
        if edges.len() == 1 {
            return Err(format!(
                "column {column} has one bin edge, none or at least two expected"
            ));
        }
        // A bin narrower than the smallest normal number would have an infinite slope.
        if edges
            .windows(2)
            .any(|pair| pair[1] - pair[0] < f32::MIN_POSITIVE || (pair[1] - pair[0]).is_infinite())
        {
            return Err(format!(
                "the bin edges of column {column} do not ascend, or two neighbors are too close or too far apart for f32"
            ));
        }
    }
    Ok(edges
        .iter()
        .map(|edges| if edges.is_empty() { 1 } else { edges.len() - 1 })
        .sum())
}

fn check_linear(
    (rows, cols): (usize, usize),
    weight: &[f32],
    bias: &[f32],
    width: usize,
) -> Result<(), String> {
    if rows != width {
        return Err(format!(
            "number of rows of weights is {rows}, width of the input is {width}; expected equal numbers"
        ));
    }
    if cols == 0 || Some(weight.len()) != rows.checked_mul(cols) || bias.len() != cols {
        return Err(format!(
            "number of weights is {}, number of biases is {}, for shape [{rows}, {cols}]; expected rows · columns weights, and one bias per column",
            weight.len(),
            bias.len()
        ));
    }
    check_finite("weight", weight)?;
    check_finite("bias", bias)
}

fn check_finite(what: &str, values: &[f32]) -> Result<(), String> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!(
            "{what}[{at}] is {}, a finite number expected",
            values[at]
        )),
        None => Ok(()),
    }
}

fn run_op(op: &Op, inputs: &[&[f32]], n: usize) -> Vec<f32> {
    let x = inputs[0];
    match op {
        Op::Ple { edges } => x
            .chunks(edges.len())
            .flat_map(|row| encode_row(edges, row))
            .collect(),
        Op::Linear {
            rows,
            cols,
            weight,
            bias,
        } => {
            let mut out = Vec::with_capacity(n * cols);
            for row in x.chunks(*rows) {
                for j in 0..*cols {
                    out.push(
                        row.iter()
                            .enumerate()
                            .fold(bias[j], |sum, (i, x)| sum + x * weight[i * cols + j]),
                    );
                }
            }
            out
        }
        Op::Relu => x.iter().map(|&x| relu(x)).collect(),
        Op::Add => sum_of(inputs),
        Op::Mean => sum_of(inputs)
            .iter()
            .map(|sum| sum / inputs.len() as f32)
            .collect(),
        Op::Scale { by, add } => x.iter().map(|x| x * by + add).collect(),
        Op::Softmax => {
            let mut out = x.to_vec();
            out.chunks_mut(x.len() / n.max(1)).for_each(softmax);
            out
        }
        Op::TreeEnsemble(trees) => rows(x, n).map(|row| trees.sum(row)).collect(),
        Op::TableInterp(table) => rows(x, n).map(|row| table.at(row)).collect(),
        Op::Recurrent(layer) => layer.run(x),
    }
}

fn rows(x: &[f32], n: usize) -> impl Iterator<Item = &[f32]> {
    x.chunks((x.len() / n.max(1)).max(1))
}

fn encode_row(edges: &[Vec<f32>], row: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    for (edges, &x) in edges.iter().zip(row) {
        match edges.as_slice() {
            [] => out.push(x),
            edges => out.extend(
                edges
                    .windows(2)
                    .map(|e| ((x - e[0]) / (e[1] - e[0])).clamp(0.0, 1.0)),
            ),
        }
    }
    out
}

fn sum_of(inputs: &[&[f32]]) -> Vec<f32> {
    let mut sum = inputs[0].to_vec();
    for input in &inputs[1..] {
        sum.iter_mut().zip(*input).for_each(|(sum, x)| *sum += x);
    }
    sum
}

/// Softmax of one row, in place.
pub(crate) fn softmax(row: &mut [f32]) {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = libm::expf(*x - highest);
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
}

/// `max(x, 0)`; written with `<` so that NaN stays NaN.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(rows: usize, cols: usize, weight: &[f32], bias: &[f32]) -> Op {
        Op::Linear {
            rows,
            cols,
            weight: weight.to_vec(),
            bias: bias.to_vec(),
        }
    }

    #[test]
    fn ple_matches_hand_values() {
        // Edges 0, 1, 3: x = 2 fills the first bin and half of the second, x = −1 fills none, x = 5 fills both.
        let op = Op::Ple {
            edges: vec![vec![0.0, 1.0, 3.0], vec![]],
        };
        let graph = Graph::new(2, vec![Node::new(op, [0])]).unwrap();
        assert_eq!(graph.output_width(), 3);
        assert_eq!(graph.parameters(), 3);
        let out = graph.run(&[2.0, 7.0, -1.0, 8.0, 5.0, 9.0], 3);
        assert_eq!(out, [1.0, 0.5, 7.0, 0.0, 0.0, 8.0, 1.0, 1.0, 9.0]);
    }

    #[test]
    fn ops_match_hand_values() {
        let graph = Graph::new(
            2,
            vec![
                Node::new(linear(2, 2, &[1.0, 2.0, 3.0, 4.0], &[0.5, -20.0]), [0]), // [7.5, −10] for x = [1, 2]
                Node::new(Op::Relu, [1]),                                           // [7.5, 0]
                Node::new(Op::Mean, [1, 2]),                                        // [7.5, −5]
                Node::new(Op::Add, [3, 0]),                                         // [8.5, −3]
                Node::new(Op::Scale { by: 2.0, add: 1.0 }, [4]),                    // [18, −5]
            ],
        )
        .unwrap();
        assert_eq!(graph.run(&[1.0, 2.0], 1), [18.0, -5.0]);
        assert_eq!(graph.parameters(), 8);
    }

    #[test]
    fn softmax_matches_hand_values_and_holds_large_numbers() {
        let graph = Graph::new(2, vec![Node::new(Op::Softmax, [0])]).unwrap();
        // e^{ln 3} : e^0 = 3 : 1. The second row has the same ratio, but its exponentials overflow f32.
        let out = graph.run(&[3f32.ln(), 0.0, 500.0 + 3f32.ln(), 500.0], 2);
        for (out, expected) in out.iter().zip([0.75, 0.25, 0.75, 0.25]) {
            assert!((out - expected).abs() < 1e-4, "{out}");
        }
    }

    #[test]
    fn nan_input_shows_in_output() {
        let ops = [
            Op::Relu,
            Op::Ple {
                edges: vec![vec![0.0, 1.0]],
            },
        ];
        let twins = Graph::new(2, vec![Node::new(Op::Softmax, [0])]).unwrap();
        assert!(twins.run(&[f32::NAN, 1.0], 1).iter().all(|x| x.is_nan()));
        for op in ops {
            assert!(
                Graph::new(1, vec![Node::new(op, [0])])
                    .unwrap()
                    .run(&[f32::NAN], 1)[0]
                    .is_nan()
            );
        }
    }

    #[test]
    fn graph_rejects_contradictions() {
        let cases = [
            (
                linear(2, 1, &[1.0], &[0.0]),
                vec![0],
                "number of weights is 1,",
            ),
            (
                linear(3, 1, &[1.0; 3], &[0.0]),
                vec![0],
                "width of the input is 2",
            ),
            (linear(2, 1, &[1.0, f32::NAN], &[0.0]), vec![0], "weight[1]"),
            (linear(2, usize::MAX, &[1.0], &[0.0]), vec![0], "for shape"),
            (Op::Relu, vec![], "reads no value"),
            (Op::Relu, vec![0, 0], "one expected"),
            (Op::Add, vec![0, 1], "only values 0 to 0"),
            (
                Op::Ple {
                    edges: vec![vec![]],
                },
                vec![0],
                "bin edges is 1,",
            ),
            (
                Op::Ple {
                    edges: vec![vec![], vec![1.0]],
                },
                vec![0],
                "one bin edge",
            ),
            (
                Op::Ple {
                    edges: vec![vec![], vec![1.0, 1.0]],
                },
                vec![0],
                "ascend",
            ),
            (
                Op::Ple {
                    edges: vec![vec![], vec![0.0, f32::INFINITY]],
                },
                vec![0],
                "finite",
            ),
            (
                Op::Scale {
                    by: f32::NAN,
                    add: 0.0,
                },
                vec![0],
                "finite",
            ),
        ];
        for (op, inputs, message) in cases {
            let error = Graph::new(2, vec![Node::new(op, inputs)]).unwrap_err();
            assert!(format!("{error}").contains(message), "{error}");
        }
        assert!(matches!(
            Graph::new(0, vec![Node::new(Op::Relu, [0])]),
            Err(Error::InvalidGraph { .. })
        ));
        assert!(matches!(
            Graph::new(1, vec![]),
            Err(Error::InvalidGraph { .. })
        ));
    }
}
