//! A [`Graph`] compiled for fast execution.
//!
//! # Idea
//!
//! A [`Ple`](Op::Ple) that is read only by [`Linear`](Op::Linear) layers is never computed. Of its `K` outputs for one column, all
//! before the bin that holds `x` are 1 and all after it are 0. The product with the weight rows `w_k` is therefore
//!
//! ```text
//! Σ_k out_k · w_k = T_{b−1} + f · w_b = (1 − f) · T_{b−1} + f · T_b,    T_k = w_0 + … + w_k,  T_{−1} = 0
//! ```
//!
//! with bin `b` and the fraction `f` of that bin that lies below `x`. The plan stores `T`, summed in f64, instead of the weights. A row
//! becomes a short list of terms `coefficient · table row`: at most two per column, and none for a column without edges whose value is 0
//! (as in a one-hot encoding). Dense layers are blocked products of [`kernel`](crate::kernel). `Relu` is merged into the layer before it.
//! The buffer of a value is reused after the last step that reads the value.
//!
//! The output for a row has the same bits whether the row is computed alone or in any batch.

use crate::{
    Graph, Op, Result,
    blocks::Term,
    cells::Cells,
    graph::{relu, softmax},
    kernel,
    piecewise::{Column, Piecewise, encode},
    simd,
    table::Grid,
    trees::Walker,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Number of rows that run through the whole graph at a time, so that all values of these rows stay in the cache. Fewer rows run at a time if
/// their values exceed [`BLOCK_NUMBERS`].
pub(crate) const BLOCK: usize = 64;

/// Maximum number of f32 (16 MB) that the buffers hold for all rows of a block together. A block of a single row may need more.
const BLOCK_NUMBERS: usize = 1 << 22;

/// A graph compiled for execution.
///
/// ```
/// use limbeck_runtime::{Graph, Node, Op, Plan, Scratch};
/// let graph = Graph::new(1, vec![Node::new(Op::Scale { by: 2.0, add: 1.0 }, [0])])?;
/// let plan = Plan::new(&graph)?;
/// let (mut scratch, mut out) = (Scratch::default(), [0.0]);
/// plan.run_row(&[3.0], &mut scratch, &mut out);
/// assert_eq!(out, [7.0]);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    input_width: usize,
    output_width: usize,
    steps: Vec<Step>,
    /// Number of the steps up to and including the last recurrent one; 0 if there is none.
    prefix: usize,
    /// Number of f32 in the states of all recurrent steps.
    state_width: usize,
    /// Maximum over the recurrent steps of the number of gates times units.
    gates: usize,
    /// For each buffer, how many numbers per row it holds.
    buffers: Vec<usize>,
    /// Number of terms (see [`Term`]) for which the working memory has room: one more than two per input column, in the piecewise step with the most
    /// columns. 0 if there is no piecewise step.
    terms: usize,
    output: Source,
}

/// Working memory of a plan. It allocates at the first use, and no more after that.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    buffers: Vec<Vec<f32>>,
    terms: Vec<Term>,
    /// Holds the gates of all rows of a block, and the gates of one step.
    gates: [Vec<f32>; 2],
    /// Holds the states of all recurrent steps.
    state: Vec<f32>,
    /// Holds an encoded row.
    pub(crate) encoded: Vec<f32>,
    /// Holds the graph's outputs for a row.
    pub(crate) output: Vec<f32>,
}

/// Where a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Input,
    Buffer(usize),
}

#[derive(Clone, Debug)]
struct Step {
    action: Action,
    inputs: Vec<Source>,
    /// Width of each input: its numbers per row.
    width: usize,
    /// Index of the buffer that the step writes.
    to: usize,
    /// Width of the output.
    out: usize,
    /// True if negative results are set to 0.
    relu: bool,
}

#[derive(Clone, Debug)]
enum Action {
    Piecewise(Piecewise),
    Encode(Vec<Column>),
    Linear {
        cols: usize,
        weight: Vec<f32>,
        bias: Vec<f32>,
    },
    Copy,
    Add,
    Mean,
    Scale {
        by: f32,
        add: f32,
    },
    Softmax,
    Trees(Walker),
    Table(Grid),
    Recurrent(Cells),
}

impl Plan {
    /// Compiles a graph.
    ///
    /// # Errors
    ///
    /// The errors of [`Graph::new`], for a graph that was changed after its creation.
    pub fn new(graph: &Graph) -> Result<Plan> {
        let widths = graph.widths()?;
        Ok(Compiler::new(graph, &widths).compile())
    }

    /// Number of f32 in each input row.
    pub fn input_width(&self) -> usize {
        self.input_width
    }

    /// Number of f32 in each output row.
    pub fn output_width(&self) -> usize {
        self.output_width
    }

    /// True if the output for a row depends on the rows before it; see [`Graph::is_recurrent`].
    pub fn is_recurrent(&self) -> bool {
        self.prefix > 0
    }

    /// Number of f32 in the state, which is what a recurrent plan keeps of earlier rows; 0 for other plans.
    pub fn state_width(&self) -> usize {
        self.state_width
    }

    /// Runs `n` rows. `x` is `[n, input_width]` and `out` is `[n, output_width]`, both row-major.
    ///
    /// In a recurrent plan, the rows are consecutive, with state 0 before the first.
    ///
    /// # Panics
    ///
    /// Panics if a slice is shorter than its shape requires.
    pub fn run(&self, x: &[f32], n: usize, out: &mut [f32]) {
        let (x, out) = (
            &x[..n * self.input_width],
            &mut out[..n * self.output_width],
        );
        let mut scratch = Scratch::default();
        let block = self.block();
        scratch.fit(self, block.min(n));
        let mut state = vec![0.0; self.state_width];
        let blocks = x
            .chunks(block * self.input_width)
            .zip(out.chunks_mut(block * self.output_width));
        for (x, out) in blocks {
            let rows = 0..out.len() / self.output_width;
            self.run_block(x, rows, (&mut state, 1), &mut scratch, out);
        }
    }

    /// Number of rows that run through the graph at a time: [`BLOCK`], or fewer if their values exceed [`BLOCK_NUMBERS`].
    fn block(&self) -> usize {
        let row = self.buffers.iter().sum::<usize>() + self.gates;
        (BLOCK_NUMBERS / row.max(1)).clamp(1, BLOCK)
    }

    /// Runs one row; allocates only at the first use of `scratch`. In a recurrent plan, the row is the first of its series.
    ///
    /// # Panics
    ///
    /// Panics if `x` is shorter than the input width or `out` is shorter than the output width.
    pub fn run_row(&self, x: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        self.run_window(&x[..self.input_width], scratch, out);
    }

    /// Runs the next row of a series: reads the state after the row before it, which is 0 before the first row, and replaces it by the state after
    /// this row. Allocates only at the first use of `scratch`.
    ///
    /// # Panics
    ///
    /// Panics if a slice is shorter than the input width, the [`state_width`](Self::state_width) or the output width.
    pub fn step(&self, x: &[f32], state: &mut [f32], scratch: &mut Scratch, out: &mut [f32]) {
        self.advance(&x[..self.input_width], state, scratch, out);
    }

    /// Like [`step`](Self::step) for the next rows, `[rows, input_width]`; writes the output for the last of them.
    ///
    /// # Panics
    ///
    /// Panics if `x` has no row, or if a slice is shorter than the [`state_width`](Self::state_width) or the output width.
    pub fn advance(&self, x: &[f32], state: &mut [f32], scratch: &mut Scratch, out: &mut [f32]) {
        self.advance_parts([x, &[]], 1, state, scratch, out);
    }

    /// The output for the last of consecutive rows, with state 0 before the first. `x` is `[rows, input_width]`, with at least one row. Steps after the
    /// last recurrent one run for the last row only. Allocates only at the first use of `scratch` with that many rows.
    ///
    /// # Panics
    ///
    /// Panics if `x` has no row, or if `out` is shorter than the output width.
    pub fn run_window(&self, x: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        self.run_parts([x, &[]], scratch, out);
    }

    /// Like [`run_window`](Self::run_window), for rows in two parts: those of the second follow those of the first.
    pub(crate) fn run_parts(&self, parts: [&[f32]; 2], scratch: &mut Scratch, out: &mut [f32]) {
        self.run_series(parts, 1, scratch, out);
    }

    /// Like [`run_window`](Self::run_window), for several windows of the same length side by side. `x` is `[rows, windows, input_width]` and `out` is
    /// `[windows, output_width]`. The outputs have the same bits as those of one window after the other.
    pub(crate) fn run_windows(
        &self,
        x: &[f32],
        windows: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        self.run_series([x, &[]], windows, scratch, out);
    }

    /// Runs several series side by side from state 0, `[rows, series, input_width]` in two parts.
    fn run_series(
        &self,
        parts: [&[f32]; 2],
        series: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let mut state = core::mem::take(&mut scratch.state);
        state.clear();
        state.resize(series * self.state_width, 0.0);
        self.advance_parts(parts, series, &mut state, scratch, out);
        scratch.state = state;
    }

    fn advance_parts(
        &self,
        parts: [&[f32]; 2],
        series: usize,
        state: &mut [f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let state = &mut state[..series * self.state_width];
        let block = (self.block() / series).max(1) * series;
        let most = parts[0].len().max(parts[1].len()) / self.input_width;
        scratch.fit(self, block.min(most));
        let mut blocks = parts
            .into_iter()
            .flat_map(|part| part.chunks(block * self.input_width))
            .peekable();
        while let Some(x) = blocks.next() {
            let n = x.len() / self.input_width;
            if blocks.peek().is_some() {
                for step in &self.steps[..self.prefix] {
                    step.run(x, 0..n, (&mut *state, series), scratch);
                }
            } else {
                let out = &mut out[..series * self.output_width];
                self.run_block(x, n - series..n, (&mut *state, series), scratch, out);
            }
        }
    }

    /// Runs a block of rows; writes the outputs of the rows `last`, which are the last ones of the block. Recurrent steps, and those before them, run for
    /// all rows. The state is that of a number of series whose rows alternate.
    fn run_block(
        &self,
        x: &[f32],
        last: Range<usize>,
        (state, series): (&mut [f32], usize),
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let (first, later) = self.steps.split_at(self.prefix);
        for step in first {
            step.run(x, 0..last.end, (&mut *state, series), scratch);
        }
        for step in later {
            step.run(x, last.clone(), (&mut *state, series), scratch);
        }
        let range = last.start * self.output_width..last.end * self.output_width;
        match self.output {
            Source::Input => out.copy_from_slice(&x[range]),
            Source::Buffer(at) => out.copy_from_slice(&scratch.buffers[at][range]),
        }
    }
}

impl Scratch {
    #[inline]
    fn fit(&mut self, plan: &Plan, n: usize) {
        if self.buffers.len() < plan.buffers.len() {
            self.buffers.resize(plan.buffers.len(), Vec::new());
        }
        for (buffer, width) in self.buffers.iter_mut().zip(&plan.buffers) {
            grow(buffer, n * width);
        }
        if self.terms.len() < plan.terms {
            self.terms.resize(plan.terms, Term::default());
        }
        grow(&mut self.gates[0], n * plan.gates);
        grow(&mut self.gates[1], n * plan.gates);
    }
}

/// Makes a buffer at least this long.
fn grow(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}

impl Step {
    /// Runs the given rows of a block; `state` holds the states of all recurrent steps, for a number of series whose rows alternate.
    fn run(
        &self,
        x: &[f32],
        rows: Range<usize>,
        (state, series): (&mut [f32], usize),
        scratch: &mut Scratch,
    ) {
        let Scratch {
            buffers,
            terms,
            gates,
            ..
        } = scratch;
        let n = rows.len();
        let range = |width: usize| rows.start * width..rows.end * width;
        // Take the output buffer out of the list while it is written, so that the other buffers can be read.
        let mut taken = core::mem::take(&mut buffers[self.to]);
        let to = &mut taken[range(self.out)];
        let from = |source: &Source| match source {
            Source::Input => &x[range(self.width)],
            Source::Buffer(at) => &buffers[*at][range(self.width)],
        };
        let input = from(&self.inputs[0]);
        match &self.action {
            Action::Piecewise(layer) => simd::piecewise(layer, input, self.relu, terms, to),
            Action::Encode(columns) => {
                encode(columns, input, to);
                // Encoded values are never negative, but a column without edges passes through and may be.
                self.rectify(to);
            }
            Action::Linear { cols, weight, bias } => {
                kernel::matmul_bias(input, weight, Some(bias), to, n, self.width, *cols);
                self.rectify(to);
            }
            Action::Copy => self.each(input, to, |x| x),
            Action::Add => self.sum(from, 1.0, to),
            Action::Mean => self.sum(from, self.inputs.len() as f32, to),
            Action::Scale { by, add } => self.each(input, to, |x| x * by + add),
            // The results of softmax are never negative: a relu after it changes nothing.
            Action::Softmax => {
                to.copy_from_slice(input);
                to.chunks_exact_mut(self.width).for_each(softmax);
            }
            Action::Trees(trees) => {
                trees.run(input, self.width, to);
                self.rectify(to);
            }
            Action::Table(table) => {
                table.run(input, to);
                self.rectify(to);
            }
            Action::Recurrent(cells) => {
                cells.run(input, (state, series), gates, to);
                self.rectify(to);
            }
        }
        buffers[self.to] = taken;
    }

    fn rectify(&self, to: &mut [f32]) {
        if self.relu {
            to.iter_mut().for_each(|x| *x = relu(*x));
        }
    }

    fn each(&self, input: &[f32], to: &mut [f32], f: impl Fn(f32) -> f32) {
        let to = to.iter_mut().zip(input);
        if self.relu {
            to.for_each(|(to, &x)| *to = relu(f(x)));
        } else {
            to.for_each(|(to, &x)| *to = f(x));
        }
    }

    fn sum<'a>(&self, from: impl Fn(&Source) -> &'a [f32], divisor: f32, to: &mut [f32]) {
        to.copy_from_slice(from(&self.inputs[0]));
        for source in &self.inputs[1..] {
            to.iter_mut().zip(from(source)).for_each(|(to, x)| *to += x);
        }
        for to in to {
            let x = *to / divisor;
            *to = if self.relu { relu(x) } else { x };
        }
    }
}

/// Turns nodes into steps, and assigns a buffer to each value.
struct Compiler<'g> {
    graph: &'g Graph,
    widths: &'g [usize],
    /// For each value, the nodes that take it as an input, in order.
    readers: Vec<Vec<usize>>,
    steps: Vec<Step>,
    /// Number of f32 in the states of the recurrent steps so far.
    state_width: usize,
    buffers: Vec<usize>,
    free: Vec<usize>,
    /// For each value of the graph, where it is stored; `None` for a value that no step computes, or not yet.
    places: Vec<Option<Source>>,
    /// For each node, true if there is already a step that computes its output: the node's own step or, for a `Relu`, the step of the node before it.
    /// Always false for a `Ple` that is fused into its linear layers, because its output is never computed.
    done: Vec<bool>,
}

impl<'g> Compiler<'g> {
    fn new(graph: &'g Graph, widths: &'g [usize]) -> Self {
        let mut readers = vec![Vec::new(); widths.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| readers[input].push(i));
        }
        let mut places = vec![None; widths.len()];
        places[0] = Some(Source::Input);
        let done = vec![false; graph.nodes.len()];
        Compiler {
            graph,
            widths,
            readers,
            steps: Vec::new(),
            state_width: 0,
            buffers: Vec::new(),
            free: Vec::new(),
            places,
            done,
        }
    }

    fn compile(mut self) -> Plan {
        for i in 0..self.graph.nodes.len() {
            if !self.done[i] && !self.is_fused_ple(i) {
                self.add_step(i);
            }
        }
        let terms = |step: &Step| match &step.action {
            Action::Piecewise(layer) => 2 * layer.columns.len() + 1,
            _ => 0,
        };
        let is_recurrent = |step: &Step| matches!(step.action, Action::Recurrent(_));
        let gates = |step: &Step| match &step.action {
            Action::Recurrent(cells) => cells.gates(),
            _ => 0,
        };
        let last = self.steps.iter().rposition(is_recurrent);
        Plan {
            prefix: last.map_or(0, |last| last + 1),
            state_width: self.state_width,
            gates: self.steps.iter().map(gates).max().unwrap_or(0),
            input_width: self.graph.input_width,
            output_width: self.widths[self.widths.len() - 1],
            terms: self.steps.iter().map(terms).max().unwrap_or(0),
            output: self.places[self.places.len() - 1].unwrap_or(Source::Input),
            steps: self.steps,
            buffers: self.buffers,
        }
    }

    /// True if node `i` is a [`Ple`](Op::Ple) that only linear layers read; their steps then compute it.
    fn is_fused_ple(&self, i: usize) -> bool {
        let readers = &self.readers[i + 1];
        let is_linear = |&reader: &usize| matches!(self.graph.nodes[reader].op, Op::Linear { .. });
        matches!(self.graph.nodes[i].op, Op::Ple { .. })
            && !readers.is_empty()
            && readers.iter().all(is_linear)
    }

    /// Index of the [`Ple`](Op::Ple) node whose output the linear node `i` reads, if this `Ple` is fused into node `i`; else `None`.
    fn fused_ple(&self, i: usize) -> Option<usize> {
        let before = self.graph.nodes[i].inputs[0].checked_sub(1)?;
        self.is_fused_ple(before).then_some(before)
    }

    fn add_step(&mut self, i: usize) {
        let node = &self.graph.nodes[i];
        let mut inputs = node.inputs.clone();
        let action = match &node.op {
            Op::Linear {
                cols, weight, bias, ..
            } => match self.fused_ple(i) {
                Some(before) => {
                    inputs = self.graph.nodes[before].inputs.clone();
                    let Op::Ple { edges } = &self.graph.nodes[before].op else {
                        unreachable!("`fused_ple` returns Ple nodes only")
                    };
                    Action::Piecewise(Piecewise::new(edges, *cols, weight, bias))
                }
                None => Action::Linear {
                    cols: *cols,
                    weight: weight.clone(),
                    bias: bias.clone(),
                },
            },
            Op::Ple { edges } => Action::Encode(Column::all(edges)),
            Op::Relu => Action::Copy,
            Op::Add => Action::Add,
            Op::Mean => Action::Mean,
            Op::Scale { by, add } => Action::Scale { by: *by, add: *add },
            Op::Softmax => Action::Softmax,
            Op::TreeEnsemble(trees) => Action::Trees(Walker::new(trees)),
            Op::TableInterp(table) => Action::Table(Grid::new(table)),
            Op::Recurrent(layer) => {
                self.state_width += layer.state_width();
                Action::Recurrent(Cells::new(layer, self.state_width - layer.state_width()))
            }
        };
        let width = self.widths[inputs[0]];
        let joined = self.joined_relu(i);
        let relu = joined.is_some() || matches!(node.op, Op::Relu);
        let made = joined.unwrap_or(i);
        let to = self.take_buffer(self.widths[made + 1]);
        let sources = inputs
            .iter()
            .filter_map(|&input| self.places[input])
            .collect();
        self.steps.push(Step {
            action,
            inputs: sources,
            width,
            to,
            out: self.widths[made + 1],
            relu,
        });
        self.places[made + 1] = Some(Source::Buffer(to));
        self.done[i] = true;
        self.done[made] = true;
        self.release(&inputs);
    }

    /// Index of the node that reads the output of node `i`, if it is a [`Relu`](Op::Relu) and no other node reads this output; else `None`.
    fn joined_relu(&self, i: usize) -> Option<usize> {
        match self.readers[i + 1].as_slice() {
            &[reader] if matches!(self.graph.nodes[reader].op, Op::Relu) => Some(reader),
            _ => None,
        }
    }

    fn take_buffer(&mut self, width: usize) -> usize {
        let at = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(0);
            self.buffers.len() - 1
        });
        self.buffers[at] = self.buffers[at].max(width);
        at
    }

    /// Frees the buffer of each of the given values, unless a later step reads the value or it is the output.
    fn release(&mut self, values: &[usize]) {
        for &value in values {
            let Some(Source::Buffer(at)) = self.places[value] else {
                continue;
            };
            let is_read_later = self.readers[value]
                .iter()
                .any(|&reader| self.will_read(reader));
            let is_output = value + 1 == self.widths.len();
            if !is_read_later && !is_output && !self.free.contains(&at) {
                self.free.push(at);
            }
        }
    }

    /// True if a later step has to read the inputs of node `reader`: the node's own step, or the step of a layer that the node is fused into.
    fn will_read(&self, reader: usize) -> bool {
        if self.is_fused_ple(reader) {
            return self.readers[reader + 1]
                .iter()
                .any(|&layer| !self.done[layer]);
        }
        !self.done[reader]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Node;
    use proptest::prelude::*;

    /// Bound for f32 sums of a few hundred terms of size 1, added in another order and with fused multiply-add: the partial sums reach tens
    /// and may cancel, and a second layer adds up forty such sums.
    const TOLERANCE: f32 = 1e-4;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(next).collect()
    }

    fn linear(rows: usize, cols: usize, seed: u32) -> Op {
        Op::Linear {
            rows,
            cols,
            weight: numbers(rows * cols, seed),
            bias: numbers(cols, seed + 1),
        }
    }

    /// Every other column has `bins` bins of unequal width over −1 … 1.
    fn edges(columns: usize, bins: usize) -> Vec<Vec<f32>> {
        let edge = |k: usize| {
            let t = k as f32 / bins as f32;
            2.0 * t * t - 1.0
        };
        (0..columns)
            .map(|c| {
                if c % 2 == 0 {
                    (0..=bins).map(edge).collect()
                } else {
                    vec![]
                }
            })
            .collect()
    }

    fn mlp(columns: usize, bins: usize, hidden: usize) -> Graph {
        let width = columns.div_ceil(2) * bins + columns / 2;
        let nodes = vec![
            Node::new(
                Op::Ple {
                    edges: edges(columns, bins),
                },
                [0],
            ),
            Node::new(linear(width, hidden, 1), [1]),
            Node::new(Op::Relu, [2]),
            Node::new(linear(hidden, hidden, 3), [3]),
            Node::new(Op::Relu, [4]),
            Node::new(linear(hidden, 1, 5), [5]),
        ];
        Graph::new(columns, nodes).unwrap()
    }

    fn assert_agrees(graph: &Graph, x: &[f32], n: usize) {
        let plan = Plan::new(graph).unwrap();
        let expected = graph.run(x, n);
        let mut out = vec![f32::NAN; expected.len()];
        plan.run(x, n, &mut out);
        let (mut scratch, mut row) = (Scratch::default(), vec![f32::NAN; plan.output_width()]);
        for (i, x) in x.chunks_exact(graph.input_width).enumerate() {
            plan.run_row(x, &mut scratch, &mut row);
            for (j, &alone) in row.iter().enumerate() {
                let (batch, plain) = (out[i * row.len() + j], expected[i * row.len() + j]);
                assert_eq!(
                    alone.to_bits(),
                    batch.to_bits(),
                    "row {i} alone and in a batch"
                );
                let scale = 1.0 + plain.abs();
                assert!(
                    (batch - plain).abs() <= TOLERANCE * scale
                        || (batch.is_nan() && plain.is_nan()),
                    "{batch} {plain}"
                );
            }
        }
    }

    #[test]
    fn plan_agrees_with_plain_graph() {
        for (columns, bins, hidden) in [
            (1, 1, 1),
            (2, 3, 5),
            (8, 16, 32),
            (5, 48, 33),
            (3, 100, 64),
            (4, 2, 130),
        ] {
            let graph = mlp(columns, bins, hidden);
            for n in [0, 1, 3, 64, 65, 200] {
                let x: Vec<f32> = numbers(n * columns, 9).iter().map(|x| x * 1.3).collect();
                assert_agrees(&graph, &x, n);
            }
        }
    }

    #[test]
    fn plan_agrees_on_edges_and_extremes() {
        let graph = mlp(2, 4, 7);
        let marks = [
            -1.0,
            -0.875,
            -0.5,
            0.125,
            1.0,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            -0.0,
        ];
        let x: Vec<f32> = marks.iter().flat_map(|&x| [x, 0.0]).collect();
        assert_agrees(&graph, &x, marks.len());
    }

    #[test]
    fn nan_shows_in_output() {
        let plan = Plan::new(&mlp(2, 4, 7)).unwrap();
        for x in [[f32::NAN, 0.0], [0.0, f32::NAN]] {
            let mut out = [0.0];
            plan.run(&x, 1, &mut out);
            assert!(out[0].is_nan());
        }
    }

    #[test]
    fn piecewise_matches_hand_values() {
        // Weights 10 and 100 on bins [0, 1] and [1, 3]. x = 2 fills the first bin and half of the second: 60, plus the bias 1.
        let ple = Op::Ple {
            edges: vec![vec![0.0, 1.0, 3.0]],
        };
        let layer = Op::Linear {
            rows: 2,
            cols: 1,
            weight: vec![10.0, 100.0],
            bias: vec![1.0],
        };
        let graph = Graph::new(1, vec![Node::new(ple, [0]), Node::new(layer, [1])]).unwrap();
        let plan = Plan::new(&graph).unwrap();
        assert_eq!(plan.steps.len(), 1);
        let mut out = [0.0; 5];
        plan.run(&[-1.0, 0.0, 0.5, 2.0, 9.0], 5, &mut out);
        assert_eq!(out, [1.0, 1.0, 6.0, 61.0, 111.0]);
    }

    #[test]
    fn relu_after_an_encoding_holds_columns_without_edges() {
        let graph = Graph::new(
            2,
            vec![
                Node::new(Op::Ple { edges: edges(2, 3) }, [0]),
                Node::new(Op::Relu, [1]),
            ],
        )
        .unwrap();
        let mut out = [f32::NAN; 8];
        Plan::new(&graph)
            .unwrap()
            .run(&[1.0, -2.0, -1.0, 0.5], 2, &mut out);
        assert_eq!(out, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
    }

    #[test]
    fn branches_share_inputs_and_buffers() {
        let ple = Op::Ple { edges: edges(3, 4) };
        let nodes = vec![
            Node::new(ple.clone(), [0]),     // 1: fused into both layers
            Node::new(linear(9, 6, 1), [1]), // 2
            Node::new(linear(9, 6, 2), [1]), // 3
            Node::new(Op::Relu, [2]),        // 4: merged into 2
            Node::new(Op::Relu, [3]),        // 5: not merged, since 3 is read twice
            Node::new(Op::Add, [4, 5, 3]),   // 6
            Node::new(Op::Relu, [6]),        // 7: merged into a sum
            Node::new(
                Op::Scale {
                    by: 0.5,
                    add: -0.25,
                },
                [7],
            ), // 8
            Node::new(linear(6, 2, 3), [8]), // 9
            Node::new(linear(6, 2, 4), [7]), // 10
            Node::new(Op::Mean, [9, 10, 10]), // 11
            Node::new(Op::Relu, [0]),        // 12: read only by a Ple
            Node::new(ple, [12]),            // 13: computed, since its reader is not a linear layer
            Node::new(Op::Scale { by: 2.0, add: 0.0 }, [13]), // 14
            Node::new(linear(9, 2, 7), [14]), // 15
            Node::new(Op::Add, [11, 15]),    // 16
            Node::new(Op::Softmax, [16]),    // 17
        ];
        let graph = Graph::new(3, nodes).unwrap();
        assert_agrees(&graph, &numbers(3 * 70, 5), 70);
        assert!(Plan::new(&graph).unwrap().buffers.len() <= 5);
    }

    #[test]
    fn input_can_be_read_again_and_again() {
        let nodes = vec![
            Node::new(Op::Add, [0, 0]),
            Node::new(Op::Relu, [0]),
            Node::new(Op::Add, [0, 1, 2]),
        ];
        assert_agrees(&Graph::new(2, nodes).unwrap(), &[1.0, -2.0, 3.0, 4.0], 2);
    }

    #[test]
    fn plan_rejects_graph_broken_by_hand() {
        let mut graph = mlp(2, 3, 4);
        graph.input_width = 3;
        assert!(Plan::new(&graph).is_err());
    }

    proptest! {
        #[test]
        fn plan_agrees_on_random_networks(
            columns in 1usize..6, bins in 1usize..70, hidden in 1usize..50, n in 1usize..70, seed in 1u32..9999,
        ) {
            assert_agrees(&mlp(columns, bins, hidden), &numbers(n * columns, seed), n);
        }
    }
}
