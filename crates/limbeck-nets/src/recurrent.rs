//! Recurrent networks: their shape, their passes on slices, and their lowering to a graph (the form that ships).
//!
//! All weights of one network are in one flat vector, layer by layer, and then those of the output layer. A GRU has 3 gates, an LSTM 4:
//!
//! ```text
//! weight [inputs, gates · units] · recurrent [units, gates · units] · bias [4 · units] · … · weight [units, outputs] · bias [outputs]
//! ```
//!
//! # Passes
//!
//! The passes work on small blocks of rows, so that all activations of a block stay in the second-level cache. Within a block, values are ordered by
//! step, then by row. The product of all steps with a layer's `W` is then one large matrix product, and so is each gradient of its weights. Only
//! the product with `U`, and the gates, go step by step. The backward pass overwrites the gates of each step by their gradients.
//!
//! Steps that are absent from all rows of a block are skipped.

#[cfg(feature = "tensors")]
use burn::tensor::{Bool, Tensor, activation};
use limbeck_runtime::{Cell, Graph, Node, Op, Recurrent, kernel};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::ops::Range;

use crate::error::{Error, Result};
use crate::gates::{GruBack, GruStep, LstmBack, LstmStep};
use crate::head::Head;
use crate::network::{Block, Network};
use crate::simd;

/// The shape of a recurrent network: a stack of GRU or LSTM layers over a window of rows (the steps), and one linear layer on the last layer's final
/// state. It holds no weights.
///
/// # Formula
///
/// For each layer and step, with the input `x` (of the first layer a row of the window, of any other layer the state below), the state `h` before
/// the step and the state `h'` after it:
///
/// ```text
/// GRU    r = σ(x·Wr + h·Ur + br)    z = σ(x·Wz + h·Uz + bz)    n = tanh(x·Wn + bn + r ∘ (h·Un + cn))
///        h' = (1 − z) ∘ n + z ∘ h
///
/// LSTM   i = σ(x·Wi + h·Ui + bi)    f = σ(x·Wf + h·Uf + bf)    o = σ(x·Wo + h·Uo + bo)    g = tanh(x·Wg + h·Ug + bg)
///        c' = f ∘ c + i ∘ g         h' = o ∘ tanh(c')
/// ```
///
/// The state before the first step is 0. The gates lie in the order `r, z, n` or `i, f, g, o`.
///
/// # Shapes
///
/// An input of the network is `[n_samples, window, step]`, where `step` is the number of inputs per step, and the oldest step comes first. If a
/// series has fewer steps than the window, the steps missing at its front are *absent*: all their inputs are NaN, and the state stays 0.
///
/// Outputs are those after the last step, `[n_samples, outputs]`. [`reading`](Self::reading) makes a network that has outputs after each of the last
/// steps.
///
/// # Source
///
/// GRU: Cho et al., *Learning Phrase Representations using RNN Encoder–Decoder*, EMNLP 2014, in the variant of PyTorch, whose two biases of `r` and
/// of `z` are merged. LSTM: Hochreiter & Schmidhuber, *Long Short-Term Memory*, Neural Computation 9(8), 1997, with the forget gate of Gers et al.,
/// 2000.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecurrentShape {
    cell: Cell,
    step: Vec<bool>,
    window: usize,
    units: Vec<usize>,
    outputs: usize,
    /// Number of last steps after which there are outputs.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    reads: usize,
}

fn one() -> usize {
    1
}

fn is_one(reads: &usize) -> bool {
    *reads == 1
}

/// Working memory of [`Network::sweep`] for a recurrent network, reused between steps of training.
#[derive(Clone, Debug, Default)]
pub struct RecurrentBuffers {
    /// Inputs of a block by step, `[steps, n_samples, step]`; 0 in absent steps.
    input: Vec<f32>,
    /// For each row of the block, its first step that is present.
    starts: Vec<usize>,
    layers: Vec<LayerBuffers>,
    hidden: Vec<f32>,
    grad_hidden: Vec<f32>,
    out: Vec<f32>,
    grad_out: Vec<f32>,
    /// Gradient with respect to the states that are read out, in the layout of the last layer in `hidden`.
    grad_read: Vec<f32>,
    /// Gradient with respect to the states of the current layer and of the one below, `[steps, n_samples, units]`.
    above: Vec<f32>,
    below: Vec<f32>,
    /// Gradients with respect to the state and to the cell, on their way to the step before.
    carry: Vec<f32>,
    cell_carry: Vec<f32>,
    sums: Vec<f32>,
}

/// What a layer keeps of the forward pass for the backward pass.
#[derive(Clone, Debug, Default)]
struct LayerBuffers {
    /// Gates, later their gradients, `[steps, n_samples, gates · units]`.
    gates: Vec<f32>,
    /// GRU: `h·U + (0, 0, c)`, later its gradient, in the layout of `gates`. LSTM: `tanh` of the cell, `[steps, n_samples, units]`.
    inner: Vec<f32>,
    /// States before each step and after the last one, `[steps + 1, n_samples, units]`.
    states: Vec<f32>,
    /// LSTM: the cells, in the layout of `states`.
    cells: Vec<f32>,
    /// The bias `(0, 0, c)` of a GRU.
    inner_bias: Vec<f32>,
    /// `Uᵀ`, `[gates · units, units]`.
    transposed: Vec<f32>,
}

/// The rows of a block, and the steps that are computed for them.
#[derive(Clone, Copy)]
struct Span<'a> {
    n: usize,
    steps: usize,
    /// For each row, its first step that is present, counted from the first computed step.
    starts: &'a [usize],
    /// From this step on, all rows are present.
    whole: usize,
}

impl Span<'_> {
    /// Sets the values of absent rows in step `t` to 0. `values` is `[n, width]`.
    fn clear_absent(&self, t: usize, values: &mut [f32], width: usize) {
        if t >= self.whole {
            return;
        }
        for (row, _) in self
            .starts
            .iter()
            .enumerate()
            .filter(|(_, start)| t < **start)
        {
            values[row * width..][..width].fill(0.0);
        }
    }
}

/// The place of a recurrent layer's weights in the flat vector.
#[derive(Clone, Copy, Debug)]
struct Layer {
    at: usize,
    inputs: usize,
    units: usize,
    cell: Cell,
}

impl Layer {
    /// Width of all gates together.
    fn gates(self) -> usize {
        self.cell.gates() * self.units
    }

    fn weight(self) -> Range<usize> {
        self.at..self.at + self.inputs * self.gates()
    }

    fn recurrent(self) -> Range<usize> {
        let at = self.weight().end;
        at..at + self.units * self.gates()
    }

    fn bias(self) -> Range<usize> {
        let at = self.recurrent().end;
        at..at + 4 * self.units
    }

    /// Number of f32 that a row needs in each step during training.
    fn footprint(self) -> usize {
        self.inputs + 8 * self.units
    }

    fn prepare(self, params: &[f32], rows: usize, steps: usize, own: &mut LayerBuffers) {
        let (gates, units, all) = (self.gates(), self.units, rows * steps);
        own.gates.resize(all * gates, 0.0);
        own.states.resize((all + rows) * units, 0.0);
        own.transposed.resize(gates * units, 0.0);
        for (unit, line) in params[self.recurrent()].chunks_exact(gates).enumerate() {
            for (gate, &weight) in line.iter().enumerate() {
                own.transposed[gate * units + unit] = weight;
            }
        }
        match self.cell {
            Cell::Gru => {
                own.inner.resize(all * gates, 0.0);
                own.inner_bias.clear();
                own.inner_bias.resize(2 * units, 0.0);
                own.inner_bias
                    .extend_from_slice(&params[self.bias()][3 * units..]);
            }
            Cell::Lstm => {
                own.inner.resize(all * units, 0.0);
                own.cells.resize((all + rows) * units, 0.0);
            }
        }
    }

    /// Computes the states of all steps. `input` is `[steps, n, inputs]`.
    fn forward(self, params: &[f32], input: &[f32], span: Span<'_>, own: &mut LayerBuffers) {
        let (gates, units, n) = (self.gates(), self.units, span.n);
        let (weight, bias) = (&params[self.weight()], &params[self.bias()][..gates]);
        let rows = span.steps * n;
        kernel::matmul_bias(
            input,
            weight,
            Some(bias),
            &mut own.gates,
            rows,
            self.inputs,
            gates,
        );
        own.states[..n * units].fill(0.0);
        for t in 0..span.steps {
            match self.cell {
                Cell::Gru => self.gru_step(params, t, span, own),
                Cell::Lstm => self.lstm_step(params, t, span, own),
            }
        }
    }

    fn gru_step(self, params: &[f32], t: usize, span: Span<'_>, own: &mut LayerBuffers) {
        let (width, units, n) = (self.gates(), self.units, span.n);
        let (before, after) = own.states[t * n * units..][..2 * n * units].split_at_mut(n * units);
        let inner = &mut own.inner[t * n * width..][..n * width];
        let (weight, bias) = (&params[self.recurrent()], Some(&own.inner_bias[..]));
        kernel::matmul_bias(before, weight, bias, inner, n, units, width);
        simd::gru_step(GruStep {
            units,
            gates: &mut own.gates[t * n * width..][..n * width],
            inner,
            before,
            after,
        });
        span.clear_absent(t, after, units);
    }

    fn lstm_step(self, params: &[f32], t: usize, span: Span<'_>, own: &mut LayerBuffers) {
        let (width, units, n) = (self.gates(), self.units, span.n);
        let pair = t * n * units..(t + 2) * n * units;
        let (before, after) = own.states[pair.clone()].split_at_mut(n * units);
        let (cell_before, cell) = own.cells[pair].split_at_mut(n * units);
        let gates = &mut own.gates[t * n * width..][..n * width];
        if t == 0 {
            cell_before.fill(0.0);
        }
        kernel::matmul_add(before, &params[self.recurrent()], gates, n, units, width);
        simd::lstm_step(LstmStep {
            units,
            gates,
            before: cell_before,
            cell,
            squashed: &mut own.inner[t * n * units..][..n * units],
            after,
        });
        span.clear_absent(t, after, units);
        span.clear_absent(t, cell, units);
    }

    /// Replaces the gates of all steps by their gradients. `above` is the gradient with respect to the states, `[steps, n, units]`, without what
    /// comes from later steps. `carries` are working memory.
    fn backward(
        self,
        span: Span<'_>,
        above: &[f32],
        carries: [&mut Vec<f32>; 2],
        own: &mut LayerBuffers,
    ) {
        let size = span.n * self.units;
        let carries = carries.map(|carry| {
            carry.clear();
            carry.resize(size, 0.0);
            &mut carry[..]
        });
        let [carry, cell_carry] = carries;
        for t in (0..span.steps).rev() {
            let above = &above[t * size..][..size];
            match self.cell {
                Cell::Gru => self.gru_back(t, span, (above, carry), own),
                Cell::Lstm => self.lstm_back(t, span, (above, carry, cell_carry), own),
            }
        }
    }

    fn gru_back(
        self,
        t: usize,
        span: Span<'_>,
        (above, carry): (&[f32], &mut [f32]),
        own: &mut LayerBuffers,
    ) {
        let (width, units, n) = (self.gates(), self.units, span.n);
        let gates = &mut own.gates[t * n * width..][..n * width];
        let inner = &mut own.inner[t * n * width..][..n * width];
        simd::gru_back(GruBack {
            units,
            gates: &mut *gates,
            inner: &mut *inner,
            before: &own.states[t * n * units..][..n * units],
            above,
            carry: &mut *carry,
        });
        span.clear_absent(t, gates, width);
        span.clear_absent(t, inner, width);
        if t > 0 {
            kernel::matmul_add(inner, &own.transposed, carry, n, width, units);
        }
    }

    fn lstm_back(
        self,
        t: usize,
        span: Span<'_>,
        (above, carry, cell_carry): (&[f32], &mut [f32], &mut [f32]),
        own: &mut LayerBuffers,
    ) {
        let (width, units, n) = (self.gates(), self.units, span.n);
        let gates = &mut own.gates[t * n * width..][..n * width];
        simd::lstm_back(LstmBack {
            units,
            gates: &mut *gates,
            before: &own.cells[t * n * units..][..n * units],
            squashed: &own.inner[t * n * units..][..n * units],
            above,
            carry: &*carry,
            cell_carry,
        });
        span.clear_absent(t, gates, width);
        if t > 0 {
            kernel::matmul_bias(gates, &own.transposed, None, carry, n, width, units);
        }
    }

    /// Adds the gradients of the layer's weights to `grad`, from the gradients of its gates.
    fn add_grad(
        self,
        grad: &mut [f32],
        input: &[f32],
        rows: usize,
        own: &LayerBuffers,
        sums: &mut Vec<f32>,
    ) {
        let (width, units) = (self.gates(), self.units);
        let gates = &own.gates[..rows * width];
        let weight = &mut grad[self.weight()];
        kernel::matmul_at_b(input, gates, weight, rows, self.inputs, width);
        simd::column_sums(gates, &mut grad[self.bias()][..width]);
        let inner = match self.cell {
            Cell::Gru => &own.inner[..rows * width],
            Cell::Lstm => gates,
        };
        let recurrent = &mut grad[self.recurrent()];
        kernel::matmul_at_b(&own.states, inner, recurrent, rows, units, width);
        if self.cell == Cell::Gru {
            sums.clear();
            sums.resize(width, 0.0);
            simd::column_sums(inner, sums);
            let bias = &mut grad[self.bias()][3 * units..];
            bias.iter_mut()
                .zip(&sums[2 * units..])
                .for_each(|(bias, sum)| *bias += sum);
        }
    }
}

/// All activations of a block should not take more f32 than this: a second-level cache of 1 MiB. (Half of it takes a tenth more time per step.)
const BLOCK_VALUES: usize = 256 * 1024;

/// True if neither the weights nor the activations of a row are too many. Sizes may come from a damaged file.
fn fits((inputs, outputs): (usize, usize), window: usize, units: &[usize]) -> bool {
    const WEIGHTS: usize = 1 << 28;
    const ROW: usize = 1 << 26;
    let mut below = inputs;
    let (mut weights, mut row) = (0_usize, inputs.saturating_mul(window));
    for &units in units {
        let gates = units.saturating_mul(4);
        weights = weights.saturating_add(gates.saturating_mul(below.saturating_add(units)));
        row = row.saturating_add(gates.saturating_mul(window));
        below = units;
    }
    weights = weights.saturating_add(below.saturating_mul(outputs));
    weights <= WEIGHTS && row <= ROW
}

impl RecurrentShape {
    /// Makes a shape. `step` has one entry for each input of a step: true for a number, which may get noise during training, and false for another
    /// input, such as a level of a category. `window` is the largest number of steps, and `units` has the width of each layer.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if there is no input, no step, no layer or no output, if a layer has 0 units, or if the network is too large.
    pub fn new(
        cell: Cell,
        step: Vec<bool>,
        window: usize,
        units: Vec<usize>,
        outputs: usize,
    ) -> Result<Self> {
        let at_least_one = "at least 1";
        check("number of encoded columns", step.len(), at_least_one)?;
        check("window", window, at_least_one)?;
        check("outputs", outputs, at_least_one)?;
        if units.is_empty() || units.contains(&0) {
            return Err(Error::InvalidOption {
                option: "units",
                found: format!("{units:?}"),
                expected: "one or more positive widths",
            });
        }
        if !fits((step.len(), outputs), window, &units) {
            return Err(Error::InvalidOption {
                option: "units",
                found: format!("{units:?} for {} inputs and {window} steps", step.len()),
                expected: "fewer units, inputs or steps: a network has at most 2^28 weights and 2^26 numbers per row",
            });
        }
        Ok(Self {
            cell,
            step,
            window,
            units,
            outputs,
            reads: 1,
        })
    }

    /// The network with the same weights over windows of `window` steps, with outputs after each of the last `reads` steps. So one pass predicts
    /// `reads` consecutive rows of a series. Outputs and hidden activations are `[n_samples · reads, …]`, the steps of a sample one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if `reads` is 0 or more than `window`; the errors of [`new`](Self::new).
    pub fn reading(&self, window: usize, reads: usize) -> Result<Self> {
        if !(1..=window).contains(&reads) {
            return Err(Error::InvalidOption {
                option: "reads",
                found: reads.to_string(),
                expected: "at least 1, and at most the number of steps of a window",
            });
        }
        let Self { cell, outputs, .. } = *self;
        let same = Self::new(cell, self.step.clone(), window, self.units.clone(), outputs)?;
        Ok(Self { reads, ..same })
    }

    /// The kind of the layers.
    #[must_use]
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// For each input of a step, whether it is a number, which may get noise during training.
    #[must_use]
    pub fn step(&self) -> &[bool] {
        &self.step
    }

    /// Number of units of each layer.
    #[must_use]
    pub fn units(&self) -> &[usize] {
        &self.units
    }

    /// Number of hidden activations per row: the final states of all layers.
    #[must_use]
    pub fn activations(&self) -> usize {
        self.units.iter().sum()
    }

    /// Splits a flat weight vector by layer. Each slice has the weights of one layer, followed by its biases; the last one is the output layer.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn layer_weights<'p>(&self, params: &'p [f32]) -> Vec<&'p [f32]> {
        let layers = self.layers();
        let layers = layers.map(|layer| &params[layer.at..layer.bias().end]);
        layers
            .chain([&params[self.head().0.start..self.weights()]])
            .collect()
    }

    fn layers(&self) -> impl Iterator<Item = Layer> {
        let (mut at, mut inputs) = (0, self.step.len());
        self.units.iter().map(move |&units| {
            let layer = Layer {
                at,
                inputs,
                units,
                cell: self.cell,
            };
            (at, inputs) = (layer.bias().end, units);
            layer
        })
    }

    fn last_units(&self) -> usize {
        self.units[self.units.len() - 1]
    }

    /// The places of the output layer's weights and biases in the flat vector.
    fn head(&self) -> (Range<usize>, Range<usize>) {
        let at = self.layers().last().map_or(0, |layer| layer.bias().end);
        let end = at + self.last_units() * self.outputs;
        (at..end, end..end + self.outputs)
    }

    /// Number of rows of a block: a multiple of 8 from 8 to 64.
    fn block_rows(&self) -> usize {
        let row: usize = self.layers().map(Layer::footprint).sum::<usize>() * self.window;
        (BLOCK_VALUES / row.max(1) / 8 * 8).clamp(8, 64)
    }

    fn prepare(&self, params: &[f32], buffers: &mut RecurrentBuffers) {
        let rows = self.block_rows();
        let widest = self.units.iter().copied().max().unwrap_or(0);
        buffers.input.resize(rows * self.inputs(), 0.0);
        buffers
            .layers
            .resize_with(self.units.len(), LayerBuffers::default);
        let read = rows * self.reads;
        buffers.hidden.resize(read * self.activations(), 0.0);
        buffers.out.resize(read * self.outputs, 0.0);
        buffers.grad_out.resize(read * self.outputs, 0.0);
        buffers.grad_read.resize(read * self.last_units(), 0.0);
        buffers.above.resize(rows * self.window * widest, 0.0);
        buffers.below.resize(rows * self.window * widest, 0.0);
        for (layer, own) in self.layers().zip(&mut buffers.layers) {
            layer.prepare(params, rows, self.window, own);
        }
    }

    /// The states that are read out, of a layer with `units` units in a block of `n` rows and `steps` computed steps: for each, its place among the
    /// states after steps, `[steps, n, units]`, and its place in `[n, reads, units]`. A step that is not computed has none: its state is 0.
    fn read_out(
        &self,
        (n, steps): (usize, usize),
        units: usize,
    ) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let reads = self.reads;
        let first = reads.saturating_sub(steps);
        let place = move |row: usize, read: usize| {
            let (from, to) = ((steps + read - reads) * n + row, row * reads + read);
            (
                from * units..(from + 1) * units,
                to * units..(to + 1) * units,
            )
        };
        (0..n).flat_map(move |row| (first..reads).map(move |read| place(row, read)))
    }

    /// Computes the states of all layers and the outputs after the last steps of a block of `n` rows. Returns the number of steps that are computed,
    /// and the step from which all rows are present.
    fn forward_block(
        &self,
        params: &[f32],
        positions: &[f32],
        n: usize,
        buffers: &mut RecurrentBuffers,
    ) -> (usize, usize) {
        let (steps, whole) = self.load(positions, n, buffers);
        let RecurrentBuffers {
            input,
            starts,
            layers: own,
            hidden,
            out,
            ..
        } = buffers;
        let span = Span {
            n,
            steps,
            starts,
            whole,
        };
        let (mut last, mut hidden) = (&mut [][..], &mut hidden[..]);
        for (index, layer) in self.layers().enumerate() {
            let (below, rest) = own.split_at_mut(index);
            let input = match below.last() {
                Some(below) => &below.states[n * layer.inputs..],
                None => &input[..],
            };
            layer.forward(params, input, span, &mut rest[0]);
            let (own, rest_hidden) = hidden.split_at_mut(n * self.reads * layer.units);
            if steps < self.reads {
                own.fill(0.0);
            }
            let after = &rest[0].states[n * layer.units..];
            for (from, to) in self.read_out((n, steps), layer.units) {
                own[to].copy_from_slice(&after[from]);
            }
            (last, hidden) = (own, rest_hidden);
        }
        let (weight, bias) = self.head();
        let (weight, bias) = (&params[weight], Some(&params[bias]));
        let (rows, units) = (n * self.reads, self.last_units());
        kernel::matmul_bias(last, weight, bias, out, rows, units, self.outputs);
        (steps, whole)
    }

    /// Copies the inputs of a block, ordered by step. Leaves out the first steps if they are absent from all rows.
    fn load(&self, positions: &[f32], n: usize, buffers: &mut RecurrentBuffers) -> (usize, usize) {
        let (width, window) = (self.step.len(), self.window);
        let absent = |step: &&[f32]| step.iter().all(|x| x.is_nan());
        let first = |row: &[f32]| row.chunks_exact(width).take_while(absent).count();
        let rows = positions.chunks_exact(window * width);
        buffers.starts.clear();
        buffers.starts.extend(rows.clone().map(first));
        let skipped = buffers.starts.iter().copied().min().unwrap_or(0);
        buffers
            .starts
            .iter_mut()
            .for_each(|start| *start -= skipped);
        for (row, values) in rows.enumerate() {
            let steps = values[skipped * width..].chunks_exact(width).enumerate();
            for (t, step) in steps {
                let to = &mut buffers.input[(t * n + row) * width..][..width];
                match t < buffers.starts[row] {
                    true => to.fill(0.0),
                    false => to.copy_from_slice(step),
                }
            }
        }
        let whole = buffers.starts.iter().copied().max().unwrap_or(0);
        (window - skipped, whole)
    }

    /// Adds the gradient of a block of `n` rows to `grad`.
    fn backward_block(
        &self,
        params: &[f32],
        (n, steps, whole): (usize, usize, usize),
        grad: &mut [f32],
        buffers: &mut RecurrentBuffers,
    ) {
        self.head_grad(params, n, steps, grad, buffers);
        let mut hidden = n * self.reads * self.activations();
        for index in (0..self.units.len()).rev() {
            let Some(layer) = self.layers().nth(index) else {
                continue;
            };
            hidden -= n * self.reads * layer.units;
            if !buffers.grad_hidden.is_empty() {
                let own = &buffers.grad_hidden[hidden..];
                self.add_read(own, (n, steps), layer.units, &mut buffers.above);
            }
            self.layer_grad(params, (index, layer), (n, steps, whole), grad, buffers);
        }
    }

    /// Adds the gradient of the output layer, and begins `above`.
    fn head_grad(
        &self,
        params: &[f32],
        n: usize,
        steps: usize,
        grad: &mut [f32],
        buffers: &mut RecurrentBuffers,
    ) {
        let (units, (weight, bias)) = (self.last_units(), self.head());
        let (rows, outputs) = (n * self.reads, self.outputs);
        let grad_out = &buffers.grad_out[..rows * outputs];
        let last = &buffers.hidden[rows * (self.activations() - units)..][..rows * units];
        let of_weight = &mut grad[weight.clone()];
        kernel::matmul_at_b(last, grad_out, of_weight, rows, units, outputs);
        simd::column_sums(grad_out, &mut grad[bias]);
        let read = &mut buffers.grad_read[..rows * units];
        kernel::matmul_a_bt(grad_out, &params[weight], read, rows, outputs, units);
        buffers.above[..steps * n * units].fill(0.0);
        self.add_read(read, (n, steps), units, &mut buffers.above);
    }

    /// Adds gradients with respect to the states that are read out, `[n, reads, units]`, to `above`, `[steps, n, units]`.
    fn add_read(&self, read: &[f32], block: (usize, usize), units: usize, above: &mut [f32]) {
        for (to, from) in self.read_out(block, units) {
            let both = above[to].iter_mut().zip(&read[from]);
            both.for_each(|(to, own)| *to += own);
        }
    }

    /// Adds the gradient of one recurrent layer, and replaces `above` by the gradient with respect to the states below.
    fn layer_grad(
        &self,
        params: &[f32],
        (index, layer): (usize, Layer),
        (n, steps, whole): (usize, usize, usize),
        grad: &mut [f32],
        buffers: &mut RecurrentBuffers,
    ) {
        let RecurrentBuffers {
            input,
            starts,
            layers: own,
            above,
            below,
            carry,
            cell_carry,
            sums,
            ..
        } = buffers;
        let span = Span {
            n,
            steps,
            starts,
            whole,
        };
        let (lower, rest) = own.split_at_mut(index);
        let own = &mut rest[0];
        let input = match lower.last() {
            Some(lower) => &lower.states[n * layer.inputs..],
            None => &input[..],
        };
        layer.backward(span, above, [carry, cell_carry], own);
        layer.add_grad(grad, input, steps * n, own, sums);
        if index > 0 {
            let (weight, rows) = (&params[layer.weight()], steps * n);
            kernel::matmul_a_bt(&own.gates, weight, below, rows, layer.gates(), layer.inputs);
            std::mem::swap(above, below);
        }
    }

    /// Calls `each` with the outputs and the hidden activations of each block of rows.
    fn in_blocks(&self, params: &[f32], positions: &[f32], mut each: impl FnMut(&[f32], &[f32])) {
        let mut buffers = RecurrentBuffers::default();
        self.prepare(params, &mut buffers);
        for positions in positions.chunks(self.block_rows() * self.inputs()) {
            let n = positions.len() / self.inputs();
            self.forward_block(params, positions, n, &mut buffers);
            let n = n * self.reads;
            each(
                &buffers.out[..n * self.outputs],
                &buffers.hidden[..n * self.activations()],
            );
        }
    }

    /// The hidden activations for rows given as positions, `[n_samples, inputs]`: the states of each layer that are read out, `[n_samples, units]`.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn hidden_of(&self, params: &[f32], positions: &[f32]) -> Vec<Vec<f32>> {
        let mut all = vec![Vec::new(); self.units.len()];
        self.in_blocks(params, positions, |_, mut hidden| {
            let n = hidden.len() / self.activations();
            for (all, &units) in all.iter_mut().zip(&self.units) {
                let (own, rest) = hidden.split_at(n * units);
                all.extend_from_slice(own);
                hidden = rest;
            }
        });
        all
    }

    /// The outputs `[n_samples, outputs]` for rows given as positions, `[n_samples, inputs]`.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn predict(&self, params: &[f32], positions: &[f32]) -> Vec<f32> {
        let mut all = Vec::with_capacity(positions.len() / self.inputs() * self.outputs);
        self.in_blocks(params, positions, |out, _| all.extend_from_slice(out));
        all
    }
}

/// Refuses an option that is 0.
fn check(option: &'static str, found: usize, expected: &'static str) -> Result<()> {
    if found > 0 {
        return Ok(());
    }
    Err(Error::InvalidOption {
        option,
        found: found.to_string(),
        expected,
    })
}

impl Network for RecurrentShape {
    type Buffers = RecurrentBuffers;

    fn inputs(&self) -> usize {
        self.window * self.step.len()
    }

    fn window(&self) -> usize {
        self.window
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn reads(&self) -> usize {
        self.reads
    }

    fn weights(&self) -> usize {
        self.head().1.end
    }

    /// Random initial weights: uniform in `±√(1 / units)` for recurrent layers, as in PyTorch, and in `±√(1 / fan_in)` for the output layer. Biases are
    /// 0, except those of the forget gate of an LSTM, which are 1: at first, it keeps its cell. (Jozefowicz et al., *An Empirical Exploration of
    /// Recurrent Network Architectures*, ICML 2015.)
    fn init(&self, rng: &mut impl Rng) -> Vec<f32> {
        let mut params = vec![0.0; self.weights()];
        let mut draw = |weights: &mut [f32], fan_in: usize| {
            let limit = (1.0 / fan_in as f32).sqrt();
            weights
                .iter_mut()
                .for_each(|w| *w = rng.random_range(-limit..limit));
        };
        for layer in self.layers() {
            draw(&mut params[layer.at..layer.recurrent().end], layer.units);
            if self.cell == Cell::Lstm {
                params[layer.bias()][layer.units..2 * layer.units].fill(1.0);
            }
        }
        draw(&mut params[self.head().0], self.last_units());
        params
    }

    fn noise_top(&self, index: usize) -> Option<f32> {
        self.step[index % self.step.len()].then_some(f32::INFINITY)
    }

    fn sweep(
        &self,
        params: &[f32],
        positions: &[f32],
        grad: &mut [f32],
        buffers: &mut RecurrentBuffers,
        inside: bool,
        mut loss: impl FnMut(Block<'_>) -> f32,
    ) -> f32 {
        let rows = self.block_rows();
        self.prepare(params, buffers);
        grad.fill(0.0);
        let mut total = 0.0;
        for (block, positions) in positions.chunks(rows * self.inputs()).enumerate() {
            let n = positions.len() / self.inputs();
            let (steps, whole) = self.forward_block(params, positions, n, buffers);
            let read = n * self.reads;
            let hidden = &buffers.hidden[..read * self.activations()];
            buffers.grad_hidden.clear();
            if inside {
                buffers.grad_hidden.resize(hidden.len(), 0.0);
            }
            total += loss(Block {
                row: block * rows * self.reads,
                pred: &buffers.out[..read * self.outputs],
                hidden,
                grad_pred: &mut buffers.grad_out[..read * self.outputs],
                grad_hidden: &mut buffers.grad_hidden,
            });
            self.backward_block(params, (n, steps, whole), grad, buffers);
        }
        total
    }

    #[cfg(feature = "tensors")]
    fn define(&self, params: Tensor<2>, positions: Tensor<2>) -> Tensor<3> {
        let [members, _] = params.dims();
        let outputs = (0..members).map(|member| {
            let params = params.clone().narrow(0, member, 1);
            let layers = self.layers().map(|layer| LayerTensors::new(layer, &params));
            let mut layers: Vec<LayerTensors> = layers.collect();
            let mut states = Vec::new();
            for t in 0..self.window {
                let width = self.step.len();
                let x = positions.clone().narrow(1, t * width, width);
                let absent = x.clone().is_nan().all_dim(1);
                let mut x = x.mask_fill(absent.clone().repeat_dim(1, width), 0.0);
                for layer in &mut layers {
                    x = layer.step(x, &absent);
                }
                states.push(x);
            }
            let (weight, bias) = self.head();
            let units = self.last_units();
            let read = states.split_off(self.window - self.reads);
            let read: Tensor<3> = Tensor::stack(read, 1);
            let rows = read.dims()[0] * self.reads;
            let read: Tensor<2> = read.reshape([rows, units]);
            let weight = part(&params, weight, [units, self.outputs]);
            read.matmul(weight) + part(&params, bias, [1, self.outputs])
        });
        Tensor::stack(outputs.collect(), 0)
    }

    /// The graph maps consecutive rows of a series, each `[step]`, to consecutive outputs.
    fn lower(&self, params: &[f32], head: Head) -> Result<Graph> {
        if params.len() != self.weights() {
            return Err(Error::Shape {
                what: "the weight vector",
                found: params.len(),
                expected: self.weights(),
            });
        }
        let layer = |layer: Layer| {
            Op::Recurrent(Recurrent {
                cell: layer.cell,
                inputs: layer.inputs,
                units: layer.units,
                weight: params[layer.weight()].to_vec(),
                recurrent: params[layer.recurrent()].to_vec(),
                bias: params[layer.bias()].to_vec(),
            })
        };
        let (weight, bias) = self.head();
        let head = head.lower(&params[weight], &params[bias]);
        let ops = self.layers().map(layer).chain(head);
        let nodes = ops.enumerate().map(|(input, op)| Node::new(op, [input]));
        Ok(Graph::new(self.step.len(), nodes.collect())?)
    }
}

/// A matrix in the flat vector `params`, `[1, weights]`.
#[cfg(feature = "tensors")]
fn part(params: &Tensor<2>, range: Range<usize>, shape: [usize; 2]) -> Tensor<2> {
    params
        .clone()
        .narrow(1, range.start, range.len())
        .reshape(shape)
}

/// A layer and its state, in Burn's operations.
#[cfg(feature = "tensors")]
struct LayerTensors {
    layer: Layer,
    weight: Tensor<2>,
    recurrent: Tensor<2>,
    bias: Tensor<2>,
    state: Option<Tensor<2>>,
    cell: Option<Tensor<2>>,
}

#[cfg(feature = "tensors")]
impl LayerTensors {
    fn new(layer: Layer, params: &Tensor<2>) -> Self {
        let gates = layer.gates();
        Self {
            layer,
            weight: part(params, layer.weight(), [layer.inputs, gates]),
            recurrent: part(params, layer.recurrent(), [layer.units, gates]),
            bias: part(params, layer.bias(), [1, 4 * layer.units]),
            state: None,
            cell: None,
        }
    }

    /// The states after a step with the input `x`, `[n_samples, inputs]`; 0 for rows whose step is absent.
    fn step(&mut self, x: Tensor<2>, absent: &Tensor<2, Bool>) -> Tensor<2> {
        let ([n, _], units) = (x.dims(), self.layer.units);
        let zeros = Tensor::zeros([n, units], &x.device());
        let state = self.state.take().unwrap_or_else(|| zeros.clone());
        let cell = self.cell.take().unwrap_or(zeros);
        let of_input = x.matmul(self.weight.clone());
        let of_state = state.clone().matmul(self.recurrent.clone());
        let (state, cell) = match self.layer.cell {
            Cell::Gru => (self.gru(of_input, of_state, state), cell),
            Cell::Lstm => self.lstm(of_input + of_state, cell),
        };
        let absent = absent.clone().repeat_dim(1, units);
        let state = state.mask_fill(absent.clone(), 0.0);
        self.cell = Some(cell.mask_fill(absent, 0.0));
        self.state = Some(state.clone());
        state
    }

    fn gru(&self, of_input: Tensor<2>, of_state: Tensor<2>, state: Tensor<2>) -> Tensor<2> {
        let units = self.layer.units;
        let gate = |all: &Tensor<2>, gate: usize| all.clone().narrow(1, gate * units, units);
        let both = |at| gate(&of_input, at) + gate(&of_state, at) + gate(&self.bias, at);
        let (r, z) = (activation::sigmoid(both(0)), activation::sigmoid(both(1)));
        let inner = r * (gate(&of_state, 2) + gate(&self.bias, 3));
        let n = (gate(&of_input, 2) + gate(&self.bias, 2) + inner).tanh();
        (z.ones_like() - z.clone()) * n + z * state
    }

    fn lstm(&self, sums: Tensor<2>, cell: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let (units, sums) = (self.layer.units, sums + self.bias.clone());
        let gate = |at: usize| sums.clone().narrow(1, at * units, units);
        let [i, f, o] = [0, 1, 3].map(|at| activation::sigmoid(gate(at)));
        let cell = f * cell + i * gate(2).tanh();
        (o * cell.clone().tanh(), cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::Hard;
    use crate::{Control, Positions, Schedule, TrainOptions, Trainer, TrainingRows, Window};
    use limbeck_runtime::Plan;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    const CELLS: [Cell; 2] = [Cell::Gru, Cell::Lstm];

    /// Two layers over five steps of three inputs, with two outputs. The widths need pieces of all kinds.
    fn small(cell: Cell) -> RecurrentShape {
        RecurrentShape::new(cell, vec![true, true, false], 5, vec![9, 17], 2).unwrap()
    }

    /// The networks of [`small`], and the same with outputs after each of the last three steps.
    fn all() -> impl Iterator<Item = RecurrentShape> {
        let both = |shape: RecurrentShape| [shape.reading(5, 3).unwrap(), shape];
        CELLS.map(small).into_iter().flat_map(both)
    }

    /// Windows with 0 to 4 absent steps.
    fn windows(shape: &RecurrentShape, n: usize, rng: &mut Pcg64) -> Vec<f32> {
        let width = shape.step.len();
        let mut rows = Vec::new();
        for row in 0..n {
            let absent = (row * 7 % shape.window) * width;
            rows.extend(std::iter::repeat_n(f32::NAN, absent));
            rows.extend((absent..shape.inputs()).map(|_| rng.random_range(-1.0f32..1.0)));
        }
        rows
    }

    /// Weights with biases that are not 0.
    fn weights(shape: &RecurrentShape, rng: &mut Pcg64) -> Vec<f32> {
        let moved = |w: f32| w + rng.random_range(-0.3f32..0.3);
        shape
            .init(&mut Pcg64::seed_from_u64(2))
            .into_iter()
            .map(moved)
            .collect()
    }

    #[test]
    fn weights_are_counted_by_hand() {
        let layers = 3 * (9 * (3 + 9) + 17 * (9 + 17)) + 4 * (9 + 17);
        assert_eq!(small(Cell::Gru).weights(), layers + 17 * 2 + 2);
        let layers = 4 * (9 * (3 + 9 + 1) + 17 * (9 + 17 + 1));
        assert_eq!(small(Cell::Lstm).weights(), layers + 17 * 2 + 2);
        for shape in CELLS.map(small) {
            let params: Vec<f32> = (0..shape.weights()).map(|i| i as f32).collect();
            assert_eq!(shape.layer_weights(&params).concat(), params);
            assert_eq!(shape.layer_weights(&params)[2].len(), 36);
        }
    }

    #[test]
    fn a_step_of_a_gru_is_worked_by_hand() {
        let shape = RecurrentShape::new(Cell::Gru, vec![true], 2, vec![1], 1).unwrap();
        // Wr Wz Wn, Ur Uz Un, br bz bn cn, and an output that is the state.
        let params = [
            0.5, -1.0, 2.0, 0.3, 0.7, -0.4, 0.1, 0.2, -0.3, 0.6, 1.0, 0.0,
        ];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let step = |h: f64, x: f64| {
            let r = sigmoid(0.5 * x + 0.3 * h + 0.1);
            let z = sigmoid(-x + 0.7 * h + 0.2);
            let n = (2.0 * x - 0.3 + r * (-0.4 * h + 0.6)).tanh();
            (1.0 - z) * n + z * h
        };
        let found = shape.predict(&params, &[0.8, -0.25, f32::NAN, -0.25]);
        let expected = [step(step(0.0, 0.8), -0.25), step(0.0, -0.25)];
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
    }

    /// `Σ w · output + Σ v · hidden`, with a weight `w` for each output and `v` for each hidden activation; sums in f64.
    fn probe(block: Block<'_>, shape: &RecurrentShape) -> f64 {
        let weight = |i: usize| ((i * 31 % 17) as f32 - 4.0) * 0.5;
        let (n, mut sum) = (block.pred.len() / shape.outputs, 0.0);
        for (i, (pred, grad)) in block.pred.iter().zip(block.grad_pred).enumerate() {
            *grad = weight(block.row * shape.outputs + i);
            sum += f64::from(*pred * *grad);
        }
        let mut at = 0;
        for (index, &units) in shape.units.iter().enumerate() {
            for i in 0..n * units {
                let v = weight(block.row * units + i + index);
                block.grad_hidden[at + i] += v;
                sum += f64::from(block.hidden[at + i] * v);
            }
            at += n * units;
        }
        sum
    }

    /// The value and the gradient of [`probe`] on a batch.
    fn swept(shape: &RecurrentShape, params: &[f32], rows: &[f32]) -> (f64, Vec<f32>) {
        let (mut grad, mut sum) = (vec![f32::NAN; params.len()], 0.0);
        let mut buffers = RecurrentBuffers::default();
        shape.sweep(params, rows, &mut grad, &mut buffers, true, |block| {
            sum += probe(block, shape);
            0.0
        });
        (sum, grad)
    }

    #[test]
    fn gradient_of_recurrent_networks_matches_differences() {
        let mut rng = Pcg64::seed_from_u64(7);
        for shape in all() {
            // Few rows: a longer sum in f32 would be too coarse for differences.
            let (params, rows) = (weights(&shape, &mut rng), windows(&shape, 11, &mut rng));
            let (_, grad) = swept(&shape, &params, &rows);
            let mut largest = 0.0f64;
            for at in (0..params.len()).step_by(31) {
                let h = 1e-2;
                let moved = |by: f32| {
                    let mut params = params.clone();
                    params[at] += by;
                    swept(&shape, &params, &rows).0
                };
                // Richardson: the error is of fourth order.
                let slope = |h: f32| (moved(h) - moved(-h)) / f64::from(2.0 * h);
                let slope = (4.0 * slope(h) - slope(2.0 * h)) / 3.0;
                let error = (slope - f64::from(grad[at])).abs();
                assert!(
                    error < 1e-3 * (1.0 + slope.abs()),
                    "{at}: {slope} {}",
                    grad[at]
                );
                largest = largest.max(slope.abs());
            }
            assert!(largest > 2.0, "{largest}");
        }
    }

    #[test]
    fn a_batch_has_the_gradient_of_its_rows() {
        let mut rng = Pcg64::seed_from_u64(8);
        for shape in all() {
            let n = 2 * shape.block_rows() + 3;
            let (params, rows) = (weights(&shape, &mut rng), windows(&shape, n, &mut rng));
            let mut sums = vec![0.0; params.len()];
            let mut grad = sums.clone();
            let mut buffers = RecurrentBuffers::default();
            let loss = |block: Block<'_>| {
                block.grad_pred.copy_from_slice(block.pred);
                0.0
            };
            for row in rows.chunks(shape.inputs()) {
                shape.sweep(&params, row, &mut grad, &mut buffers, false, loss);
                sums.iter_mut().zip(&grad).for_each(|(sum, g)| *sum += g);
            }
            shape.sweep(&params, &rows, &mut grad, &mut buffers, false, loss);
            let largest = sums.iter().fold(0.0f32, |most, sum| most.max(sum.abs()));
            for (a, b) in grad.iter().zip(&sums) {
                assert!((a - b).abs() < 1e-5 * largest, "{a} {b}");
            }
        }
    }

    #[test]
    fn graph_of_the_present_rows_ends_with_the_prediction() {
        let mut rng = Pcg64::seed_from_u64(9);
        for shape in CELLS.map(small) {
            let (params, rows) = (weights(&shape, &mut rng), windows(&shape, 40, &mut rng));
            let graph = shape.lower(&params, Head::Gaussian).unwrap();
            let plan = Plan::new(&graph).unwrap();
            let pred = shape.predict(&params, &rows);
            let hidden = shape.hidden_of(&params, &rows);
            assert_eq!((hidden[0].len(), hidden[1].len()), (40 * 9, 40 * 17));
            for (row, pred) in rows.chunks(shape.inputs()).zip(pred.chunks(2)) {
                let present: Vec<f32> = row.iter().copied().filter(|x| !x.is_nan()).collect();
                let steps = present.len() / 3;
                let mut out = vec![0.0; steps];
                plan.run(&present, steps, &mut out);
                for last in [out[steps - 1], graph.run(&present, steps)[steps - 1]] {
                    assert!((last - pred[0]).abs() < 1e-6, "{last} {}", pred[0]);
                }
            }
            assert!(shape.lower(&params[1..], Head::Gaussian).is_err());
        }
    }

    #[test]
    fn outputs_after_each_step_are_those_of_shorter_windows() {
        let mut rng = Pcg64::seed_from_u64(12);
        for shape in CELLS.map(small) {
            let (params, rows) = (weights(&shape, &mut rng), windows(&shape, 12, &mut rng));
            let reading = shape.reading(5, 3).unwrap();
            let (found, hidden) = (
                reading.predict(&params, &rows),
                reading.hidden_of(&params, &rows),
            );
            assert_eq!((found.len(), hidden[1].len()), (12 * 3 * 2, 12 * 3 * 17));
            let width = shape.step.len();
            for (at, found) in found.chunks(2).enumerate() {
                let row = &rows[at / 3 * shape.inputs()..][..shape.inputs()];
                let left_out = (2 - at % 3) * width;
                let mut shorter = vec![f32::NAN; left_out];
                shorter.extend(&row[..row.len() - left_out]);
                for (a, b) in found.iter().zip(shape.predict(&params, &shorter)) {
                    assert!((a - b).abs() < 1e-6, "{at}: {a} {b}");
                }
            }
            assert!(shape.reading(5, 0).is_err() && shape.reading(5, 6).is_err());
        }
    }

    #[test]
    fn a_window_without_any_row_has_state_zero() {
        let mut rng = Pcg64::seed_from_u64(10);
        for shape in all() {
            let params = weights(&shape, &mut rng);
            let rows = vec![f32::NAN; 2 * shape.inputs()];
            let bias = &params[params.len() - 2..];
            assert_eq!(shape.predict(&params, &rows), bias.repeat(2 * shape.reads));
            let (_, grad) = swept(&shape, &params, &rows);
            let (last, rest) = (&grad[grad.len() - 2..], &grad[..grad.len() - 2]);
            assert!(rest.iter().all(|&g| g == 0.0) && last.iter().all(|&g| g != 0.0));
        }
    }

    #[test]
    fn shape_rejects_what_is_empty() {
        let new = |step: usize, window, units: &[usize], outputs| {
            let step = vec![true; step];
            RecurrentShape::new(Cell::Gru, step, window, units.to_vec(), outputs)
        };
        assert!(new(1, 1, &[1], 1).is_ok());
        assert!(new(0, 1, &[1], 1).is_err() && new(1, 0, &[1], 1).is_err());
        assert!(new(1, 1, &[], 1).is_err() && new(1, 1, &[2, 0], 1).is_err());
        assert!(new(1, 1, &[1], 0).is_err());
    }

    /// Windows of up to five rows of a table; the label is the sum of the first inputs of the rows.
    fn training_rows() -> TrainingRows {
        let (mut rng, rows) = (Pcg64::seed_from_u64(11), 300);
        let table: Vec<f32> = (0..3 * rows)
            .map(|_| rng.random_range(-1.0f32..1.0))
            .collect();
        let window = |last: usize| Window {
            first: last.saturating_sub(4) as u32,
            last: last as u32,
        };
        let windows: Vec<Window> = (0..rows).map(window).collect();
        let label = |window: &Window| {
            let rows = window.first..=window.last;
            [rows.map(|row| table[3 * row as usize]).sum::<f32>(), 1.0]
        };
        let labels = windows.iter().flat_map(label).collect();
        let positions = Positions::windows(table, 3, windows).unwrap();
        TrainingRows { positions, labels }
    }

    fn options(steps: usize, members: usize) -> TrainOptions {
        TrainOptions {
            schedule: Schedule {
                steps,
                peak: 1e-2,
                warmup: 0.0,
            },
            batch: 100,
            weight_decay: 0.0,
            input_noise: 0.02,
            members,
            seed: 3,
        }
    }

    #[test]
    fn training_on_windows_learns_a_sum() {
        for cell in CELLS {
            let shape = RecurrentShape::new(cell, vec![true; 3], 5, vec![16], 1).unwrap();
            let rows = training_rows();
            let trainer = Trainer::new(shape, options(300, 1), &rows, &Hard::SQUARED).unwrap();
            let mut losses = Vec::new();
            let mut state = trainer.start();
            trainer
                .run(&mut state, 300, 1, &mut |report| {
                    losses.push(report.loss);
                    Control::Continue
                })
                .unwrap();
            assert!(
                losses[299] < 0.05 * losses[0],
                "{} {}",
                losses[0],
                losses[299]
            );
        }
    }

    #[cfg(feature = "tensors")]
    #[test]
    fn engines_train_the_same_weights() {
        use crate::Engine;
        let short = training_rows();
        let mut long = training_rows();
        // Labels of the last two steps of each window.
        let pair = |label: &[f32]| [0.5 * label[0], 1.0, label[0], 1.0];
        long.labels = long.labels.chunks(2).flat_map(pair).collect();
        for (cell, reads) in [
            (Cell::Gru, 1),
            (Cell::Lstm, 1),
            (Cell::Gru, 2),
            (Cell::Lstm, 2),
        ] {
            let shape = RecurrentShape::new(cell, vec![true; 3], 5, vec![6, 4], 1).unwrap();
            let shape = shape.reading(5, reads).unwrap();
            let rows = if reads == 1 { &short } else { &long };
            let trained = |engine| {
                let trainer = Trainer::new(shape.clone(), options(20, 2), rows, &Hard::SQUARED)
                    .unwrap()
                    .on(engine)
                    .unwrap();
                let mut state = trainer.start();
                let begun = state.params.clone();
                trainer
                    .run(&mut state, 20, 20, &mut |_| Control::Continue)
                    .unwrap();
                (begun, state.params)
            };
            let ((begun, fused), (_, defined)) = (trained(Engine::Fused), trained(Engine::Tensors));
            for (a, b) in fused.iter().zip(&defined) {
                assert!((a - b).abs() < 1e-4, "{cell:?}: {a} {b}");
            }
            assert!(fused.iter().zip(&begun).any(|(a, b)| (a - b).abs() > 0.05));
        }
    }
}
