//! The multilayer perceptron: its shape, its forward and backward passes on slices, and its lowering to a graph (the form that ships).
//!
//! All weights of one network are in one flat vector, so that the optimizer, files and the training state handle a single array:
//!
//! ```text
//! table [input rows, hidden_0] · bias [hidden_0] · weight [hidden_0, hidden_1] · bias [hidden_1] · … · weight · bias [outputs]
//! ```
//!
//! The rows of `table` are the weights of the first layer. For a spline segment (a column with piecewise-linear encoding) they are *increments*:
//! input `k` of the encoding is 1 for every `x` beyond bin `k`, so the first layer's value at edge `k` is the sum of the rows before `k`. The passes
//! use a *lookup table* of these sums. There, each column of a data row needs only two rows. The increments are trained, not the sums. This keeps the
//! values of neighboring bins close, and makes the encoding generalize.

#[cfg(feature = "tensors")]
use burn::tensor::{Tensor, TensorData};
use limbeck_runtime::kernel;
use limbeck_runtime::{Graph, Node, Op};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::head::Head;
use crate::input::{InputLayout, Segment};
use crate::network::{Block, Network};
use crate::simd::{self, Lookup, LookupKind};

/// The shape of a multilayer perceptron with ReLU after each hidden layer: input layout, widths of the hidden layers, and number of outputs. It holds
/// no weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MlpShape {
    input: InputLayout,
    hidden: Vec<usize>,
    outputs: usize,
}

/// Working memory of a forward or backward pass, reused between passes to avoid allocations.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    table: Vec<f32>,
    table_grad: Vec<f32>,
    grads: [Vec<f32>; 2],
    /// Gradient of the loss with respect to the hidden activations, in the layout of [`forward`](MlpShape::forward)'s `activations`. Empty if the
    /// loss does not use them.
    grad_hidden: Vec<f32>,
}

/// Working memory of [`Network::sweep`] for a multilayer perceptron, reused between steps.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    activations: Vec<f32>,
    out: Vec<f32>,
    grad_out: Vec<f32>,
    scratch: Scratch,
}

/// The place of a layer's weights and biases in the flat vector.
#[derive(Clone, Copy)]
struct Layer {
    at: usize,
    inputs: usize,
    outputs: usize,
}

impl Layer {
    fn weight(self) -> std::ops::Range<usize> {
        self.at..self.at + self.inputs * self.outputs
    }

    fn bias(self) -> std::ops::Range<usize> {
        let at = self.weight().end;
        at..at + self.outputs
    }
}

impl MlpShape {
    /// Makes a shape; there must be at least one hidden layer.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if there is no input, no hidden layer or no output, or a layer has width 0.
    pub fn new(input: InputLayout, hidden: Vec<usize>, outputs: usize) -> Result<Self> {
        let refuse = |option, found: String, expected| {
            Err(Error::InvalidOption {
                option,
                found,
                expected,
            })
        };
        if input.rows() == 0 {
            return refuse("number of encoded columns", "0".into(), "at least 1");
        }
        if hidden.is_empty() || hidden.contains(&0) {
            return refuse(
                "hidden",
                format!("{hidden:?}"),
                "one or more positive widths",
            );
        }
        if outputs == 0 {
            return refuse("outputs", "0".into(), "at least 1");
        }
        Ok(Self {
            input,
            hidden,
            outputs,
        })
    }

    /// Layout of the inputs.
    #[must_use]
    pub fn input(&self) -> &InputLayout {
        &self.input
    }

    /// Widths of the hidden layers.
    #[must_use]
    pub fn hidden(&self) -> &[usize] {
        &self.hidden
    }

    /// Number of hidden activations per row, over all hidden layers.
    #[must_use]
    pub fn activations(&self) -> usize {
        self.hidden.iter().sum()
    }

    /// Splits a flat weight vector by layer. Each slice has the weights of one layer, followed by its biases.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn layer_weights<'p>(&self, params: &'p [f32]) -> Vec<&'p [f32]> {
        self.layers()
            .into_iter()
            .map(|layer| &params[layer.at..layer.bias().end])
            .collect()
    }

    fn layers(&self) -> Vec<Layer> {
        let mut at = 0;
        let mut inputs = self.input.rows();
        let widths = self.hidden.iter().chain(std::iter::once(&self.outputs));
        widths
            .map(|&outputs| {
                let layer = Layer {
                    at,
                    inputs,
                    outputs,
                };
                at = layer.bias().end;
                inputs = outputs;
                layer
            })
            .collect()
    }

    fn active_inputs(&self) -> f32 {
        let active = |segment: &Segment| match segment {
            Segment::Linear | Segment::OneHot { .. } => 1.0,
            Segment::Spline { edges } => (edges.len() - 1) as f32 * 0.5,
        };
        self.input.segments.iter().map(active).sum()
    }

    fn lookups(&self) -> Vec<Lookup> {
        let mut row = 0;
        let lookup = |segment: &Segment| {
            let (kind, rows) = match segment {
                Segment::Linear => (LookupKind::Linear, 1),
                Segment::Spline { edges } => (
                    LookupKind::Spline {
                        bins: edges.len() - 1,
                    },
                    edges.len(),
                ),
                Segment::OneHot { levels } => (LookupKind::OneHot { levels: *levels }, *levels),
            };
            row += rows;
            Lookup {
                row: row - rows,
                kind,
            }
        };
        self.input.segments.iter().map(lookup).collect()
    }

    /// Fills the lookup table from the weights of the first layer: for each spline segment, running sums of its rows, beginning with 0.
    fn fill_table(&self, weight: &[f32], table: &mut Vec<f32>) {
        let width = self.hidden[0];
        table.clear();
        for (segment, rows) in self.segment_rows(weight) {
            if let Segment::Spline { .. } = segment {
                table.extend(std::iter::repeat_n(0.0, width));
                for row in rows.chunks_exact(width) {
                    let last = table.len() - width;
                    for (j, &w) in row.iter().enumerate() {
                        table.push(table[last + j] + w);
                    }
                }
            } else {
                table.extend_from_slice(rows);
            }
        }
    }

    /// Converts the gradient with respect to the lookup table to the gradient with respect to the weights of the first layer. A weight is part of all
    /// later sums, so the gradients of these sums are added up.
    fn table_grad_to_weight(&self, table: &[f32], weight: &mut [f32]) {
        let width = self.hidden[0];
        let (mut t, mut w) = (0, 0);
        for segment in &self.input.segments {
            let rows = segment.rows();
            if let Segment::Spline { .. } = segment {
                for j in 0..width {
                    let mut sum = 0.0;
                    for k in (0..rows).rev() {
                        sum += table[t + (k + 1) * width + j];
                        weight[w + k * width + j] = sum;
                    }
                }
                t += (rows + 1) * width;
            } else {
                weight[w..w + rows * width].copy_from_slice(&table[t..t + rows * width]);
                t += rows * width;
            }
            w += rows * width;
        }
    }

    fn segment_rows<'a>(
        &'a self,
        weight: &'a [f32],
    ) -> impl Iterator<Item = (&'a Segment, &'a [f32])> {
        let width = self.hidden[0];
        let mut rest = weight;
        self.input.segments.iter().map(move |segment| {
            let (rows, after) = rest.split_at(segment.rows() * width);
            rest = after;
            (segment, rows)
        })
    }

    /// Computes the outputs `[n_samples, outputs]` for positions `[n_samples, segments]` and writes them to `out`. Also writes the hidden
    /// activations, layer by layer, to `activations` (`n_samples ·` [`activations`](Self::activations) values).
    ///
    /// # Panics
    ///
    /// Panics if a slice is shorter than its shape requires.
    pub fn forward(
        &self,
        params: &[f32],
        positions: &[f32],
        activations: &mut [f32],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        self.fill_table(&params[self.layers()[0].weight()], &mut scratch.table);
        self.forward_rows(params, positions, activations, out, scratch);
    }

    /// Like [`forward`](Self::forward), with a lookup table that is already filled.
    fn forward_rows(
        &self,
        params: &[f32],
        positions: &[f32],
        activations: &mut [f32],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let n = out.len() / self.outputs;
        let layers = self.layers();
        let first = layers[0];
        let (mut input, mut rest) = activations.split_at_mut(n * first.outputs);
        simd::lookup(
            &self.lookups(),
            &scratch.table,
            &params[first.bias()],
            positions,
            input,
        );
        simd::relu(input);
        for (index, layer) in layers.iter().enumerate().skip(1) {
            let (weight, bias) = (&params[layer.weight()], &params[layer.bias()]);
            if index + 1 == layers.len() {
                kernel::matmul_bias(
                    input,
                    weight,
                    Some(bias),
                    out,
                    n,
                    layer.inputs,
                    layer.outputs,
                );
                return;
            }
            let (output, after) = rest.split_at_mut(n * layer.outputs);
            kernel::matmul_bias(
                input,
                weight,
                Some(bias),
                output,
                n,
                layer.inputs,
                layer.outputs,
            );
            simd::relu(output);
            (input, rest) = (output, after);
        }
    }

    /// Computes the gradient with respect to the flat weights and writes it to `grad`. `grad_out` is the gradient with respect to the outputs;
    /// `activations` are those that [`forward`](Self::forward) wrote.
    ///
    /// # Panics
    ///
    /// Panics if a slice is shorter than its shape requires.
    pub fn backward(
        &self,
        params: &[f32],
        positions: &[f32],
        activations: &[f32],
        grad_out: &[f32],
        grad: &mut [f32],
        scratch: &mut Scratch,
    ) {
        self.clear_grad(grad, scratch);
        self.backward_rows(params, positions, activations, grad_out, grad, scratch);
        self.finish_grad(grad, scratch);
    }

    fn clear_grad(&self, grad: &mut [f32], scratch: &mut Scratch) {
        grad.fill(0.0);
        scratch.table_grad.clear();
        scratch
            .table_grad
            .resize((self.input.rows() + self.splines()) * self.hidden[0], 0.0);
    }

    /// Adds the gradient of some rows to `grad`, except for the weights of the first layer. Their gradient is not computed here. Instead, the
    /// gradient with respect to the lookup table is added to `scratch.table_grad`.
    fn backward_rows(
        &self,
        params: &[f32],
        positions: &[f32],
        activations: &[f32],
        grad_out: &[f32],
        grad: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let n = grad_out.len() / self.outputs;
        let layers = self.layers();
        let [mut above, mut below] = std::mem::take(&mut scratch.grads);
        above.clear();
        above.extend_from_slice(grad_out);
        let mut end = activations.len();
        for layer in layers.iter().skip(1).rev() {
            let start = end - n * layer.inputs;
            let input = &activations[start..end];
            end = start;
            kernel::matmul_at_b(
                input,
                &above,
                &mut grad[layer.weight()],
                n,
                layer.inputs,
                layer.outputs,
            );
            simd::column_sums(&above, &mut grad[layer.bias()]);
            below.resize(n * layer.inputs, 0.0);
            kernel::matmul_a_bt(
                &above,
                &params[layer.weight()],
                &mut below,
                n,
                layer.outputs,
                layer.inputs,
            );
            if !scratch.grad_hidden.is_empty() {
                below
                    .iter_mut()
                    .zip(&scratch.grad_hidden[start..start + n * layer.inputs])
                    .for_each(|(b, g)| *b += g);
            }
            simd::relu_grad(input, &mut below);
            std::mem::swap(&mut above, &mut below);
        }
        let bias = &mut grad[layers[0].bias()];
        simd::scatter(
            &self.lookups(),
            positions,
            &above,
            &mut scratch.table_grad,
            bias,
        );
        scratch.grads = [above, below];
    }

    fn finish_grad(&self, grad: &mut [f32], scratch: &mut Scratch) {
        self.table_grad_to_weight(&scratch.table_grad, &mut grad[self.layers()[0].weight()]);
    }

    /// Encodes positions as the inputs of the first layer, `[n_samples, rows]`, where `rows` is the number of rows of its weight matrix.
    #[cfg(feature = "tensors")]
    fn encoded(&self, positions: Tensor<2>) -> Tensor<2> {
        let device = positions.device();
        let columns = self
            .input
            .segments
            .iter()
            .enumerate()
            .map(|(index, segment)| {
                let p = positions.clone().narrow(1, index, 1);
                let steps = |n: usize| -> Tensor<2> {
                    Tensor::from_data(
                        TensorData::new((0..n).map(|k| k as f32).collect(), [1, n]),
                        &device,
                    )
                };
                match segment {
                    Segment::Linear => p,
                    Segment::Spline { edges } => (p - steps(edges.len() - 1)).clamp(0.0, 1.0),
                    Segment::OneHot { levels } => {
                        (p - steps(*levels)).abs().lower_elem(0.5).float()
                    }
                }
            });
        Tensor::cat(columns.collect(), 1)
    }

    fn splines(&self) -> usize {
        self.input
            .segments
            .iter()
            .filter(|s| matches!(s, Segment::Spline { .. }))
            .count()
    }

    /// The hidden activations for rows given as positions: one `[n_samples, width]` matrix per hidden layer.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn hidden_of(&self, params: &[f32], positions: &[f32]) -> Vec<Vec<f32>> {
        let n = positions.len() / self.input.segments.len();
        let mut activations = vec![0.0; n * self.activations()];
        self.forward(
            params,
            positions,
            &mut activations,
            &mut vec![0.0; n * self.outputs],
            &mut Scratch::default(),
        );
        let mut rest = &activations[..];
        let layer = |&width: &usize| {
            let (layer, after) = rest.split_at(n * width);
            rest = after;
            layer.to_vec()
        };
        self.hidden.iter().map(layer).collect()
    }

    /// The outputs `[n_samples, outputs]` for rows given as positions, computed in blocks that fit in the cache.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn predict(&self, params: &[f32], positions: &[f32]) -> Vec<f32> {
        const BLOCK: usize = 256;
        let inputs = self.input.segments.len();
        let n = positions.len() / inputs;
        let mut out = vec![0.0; n * self.outputs];
        let mut activations = vec![0.0; BLOCK * self.activations()];
        let mut scratch = Scratch::default();
        for (rows, out) in positions
            .chunks(BLOCK * inputs)
            .zip(out.chunks_mut(BLOCK * self.outputs))
        {
            let used = rows.len() / inputs * self.activations();
            self.forward(params, rows, &mut activations[..used], out, &mut scratch);
        }
        out
    }
}

impl Network for MlpShape {
    type Buffers = Buffers;

    fn inputs(&self) -> usize {
        self.input.segments.len()
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn weights(&self) -> usize {
        self.layers().last().map_or(0, |layer| layer.bias().end)
    }

    /// Random initial weights: uniform in `±√(6 / fan_in)` for hidden layers (He et al. 2015), and in `±√(1 / fan_in)` for the last layer; biases are
    /// 0.
    ///
    /// The fan-in of the first layer is the number of inputs that are not zero for a typical row. That is half of the bins of a spline segment, and
    /// one level of a one-hot code.
    fn init(&self, rng: &mut impl Rng) -> Vec<f32> {
        let mut params = vec![0.0; self.weights()];
        let layers = self.layers();
        for (index, layer) in layers.iter().enumerate() {
            let fan_in = if index == 0 {
                self.active_inputs()
            } else {
                layer.inputs as f32
            };
            let gain: f32 = if index + 1 == layers.len() { 1.0 } else { 6.0 };
            let limit = (gain / fan_in.max(1.0)).sqrt();
            for w in &mut params[layer.weight()] {
                *w = rng.random_range(-limit..limit);
            }
        }
        params
    }

    fn noise_top(&self, index: usize) -> Option<f32> {
        match &self.input.segments[index] {
            Segment::Spline { edges } => Some((edges.len() - 1) as f32),
            Segment::Linear => Some(f32::INFINITY),
            Segment::OneHot { .. } => None,
        }
    }

    /// Works on blocks of 64 rows, so that the activations of a block are still in the first-level cache when its gradient is computed.
    fn sweep(
        &self,
        params: &[f32],
        positions: &[f32],
        grad: &mut [f32],
        buffers: &mut Buffers,
        inside: bool,
        mut loss: impl FnMut(Block<'_>) -> f32,
    ) -> f32 {
        const BLOCK: usize = 64;
        let inputs = self.input.segments.len();
        let Buffers {
            activations,
            out,
            grad_out,
            scratch,
        } = buffers;
        activations.resize(BLOCK * self.activations(), 0.0);
        out.resize(BLOCK * self.outputs, 0.0);
        grad_out.resize(BLOCK * self.outputs, 0.0);
        self.fill_table(&params[self.layers()[0].weight()], &mut scratch.table);
        self.clear_grad(grad, scratch);
        let mut total = 0.0;
        for (block, positions) in positions.chunks(BLOCK * inputs).enumerate() {
            let n = positions.len() / inputs;
            let activations = &mut activations[..n * self.activations()];
            let (out, grad_out) = (
                &mut out[..n * self.outputs],
                &mut grad_out[..n * self.outputs],
            );
            self.forward_rows(params, positions, activations, out, scratch);
            scratch.grad_hidden.clear();
            if inside {
                scratch.grad_hidden.resize(activations.len(), 0.0);
            }
            total += loss(Block {
                row: block * BLOCK,
                pred: out,
                hidden: activations,
                grad_pred: grad_out,
                grad_hidden: &mut scratch.grad_hidden,
            });
            self.backward_rows(params, positions, activations, grad_out, grad, scratch);
        }
        scratch.grad_hidden.clear();
        self.finish_grad(grad, scratch);
        total
    }

    #[cfg(feature = "tensors")]
    fn define(&self, params: Tensor<2>, positions: Tensor<2>) -> Tensor<3> {
        let [members, _] = params.dims();
        let inputs = self.encoded(positions);
        let outputs = (0..members).map(|member| {
            let params = params.clone().narrow(0, member, 1);
            let mut x = inputs.clone();
            let mut at = 0;
            let widths: Vec<usize> = self.hidden.iter().copied().chain([self.outputs]).collect();
            for (index, &width) in widths.iter().enumerate() {
                let inputs = x.dims()[1];
                let weight = params
                    .clone()
                    .narrow(1, at, inputs * width)
                    .reshape([inputs, width]);
                let bias = params.clone().narrow(1, at + inputs * width, width);
                at += (inputs + 1) * width;
                x = x.matmul(weight) + bias;
                if index + 1 < widths.len() {
                    x = burn::tensor::activation::relu(x);
                }
            }
            x
        });
        Tensor::stack(outputs.collect(), 0)
    }

    fn lower(&self, params: &[f32], head: Head) -> Result<Graph> {
        if params.len() != self.weights() {
            return Err(Error::Shape {
                what: "the weight vector",
                found: params.len(),
                expected: self.weights(),
            });
        }
        let mut ops = vec![Op::Ple {
            edges: self.input.ple_edges(),
        }];
        let layers = self.layers();
        for (index, layer) in layers.iter().enumerate() {
            let (weight, bias) = (&params[layer.weight()], &params[layer.bias()]);
            if index + 1 == layers.len() {
                ops.extend(head.lower(weight, bias));
            } else {
                ops.push(Op::Linear {
                    rows: layer.inputs,
                    cols: layer.outputs,
                    weight: weight.to_vec(),
                    bias: bias.to_vec(),
                });
                ops.push(Op::Relu);
            }
        }
        let nodes = ops
            .into_iter()
            .enumerate()
            .map(|(input, op)| Node {
                op,
                inputs: vec![input],
            })
            .collect();
        Ok(Graph::new(self.input.width(), nodes)?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    pub(crate) fn small() -> MlpShape {
        let input = InputLayout {
            segments: vec![
                Segment::Spline {
                    edges: vec![-1.0, 0.0, 0.5, 2.0],
                },
                Segment::Linear,
                Segment::OneHot { levels: 3 },
            ],
        };
        MlpShape::new(input, vec![9, 5], 2).unwrap()
    }

    pub(crate) fn random_rows(n: usize, rng: &mut Pcg64) -> Vec<f32> {
        let mut rows = Vec::new();
        for _ in 0..n {
            rows.push(rng.random_range(0.0..3.0));
            rows.push(rng.random_range(-2.0..2.0));
            rows.push(rng.random_range(-1..3) as f32);
        }
        rows
    }

    #[test]
    fn weights_are_counted_by_hand() {
        // (3 + 1 + 3) · 9 + 9 + 9 · 5 + 5 + 5 · 2 + 2
        assert_eq!(small().weights(), 134);
        assert_eq!(small().activations(), 14);
    }

    #[test]
    fn one_hidden_unit_is_worked_by_hand() {
        let input = InputLayout {
            segments: vec![Segment::Spline {
                edges: vec![0.0, 1.0, 2.0],
            }],
        };
        let shape = MlpShape::new(input, vec![1], 1).unwrap();
        // increments 2 and 3, bias −1, output weight 10, bias 0.5; at x = 1.5: 2 + 1.5 − 1 = 2.5
        assert_eq!(
            shape.predict(&[2.0, 3.0, -1.0, 10.0, 0.5], &[1.5, 0.0]),
            [25.5, 0.5]
        );
    }

    #[test]
    fn gradient_of_mlp_matches_differences() {
        let mut rng = Pcg64::seed_from_u64(1);
        let shape = small();
        for _ in 0..3 {
            let mut params = shape.init(&mut rng);
            params
                .iter_mut()
                .for_each(|p| *p += rng.random_range(-0.2..0.2));
            let n = 7;
            let positions = random_rows(n, &mut rng);
            let direction: Vec<f32> = (0..n * 2).map(|_| rng.random_range(-1.0..1.0)).collect();
            let mut scratch = Scratch::default();
            let value = |params: &[f32]| -> f64 {
                shape
                    .predict(params, &positions)
                    .iter()
                    .zip(&direction)
                    .map(|(&a, &b)| f64::from(a) * f64::from(b))
                    .sum()
            };
            let mut activations = vec![0.0; n * shape.activations()];
            let mut out = vec![0.0; n * 2];
            shape.forward(
                &params,
                &positions,
                &mut activations,
                &mut out,
                &mut scratch,
            );
            let mut grad = vec![f32::NAN; params.len()];
            shape.backward(
                &params,
                &positions,
                &activations,
                &direction,
                &mut grad,
                &mut scratch,
            );
            let mut bent = 0;
            for i in 0..params.len() {
                let h = 1e-2;
                let at = |delta: f32| {
                    let mut moved = params.clone();
                    moved[i] += delta;
                    value(&moved)
                };
                let (up, here, down) = (at(h), at(0.0), at(-h));
                let difference = (up - down) / (2.0 * f64::from(h));
                // Between kinks the network is linear in each single weight; where one was crossed, skip the weight.
                if (up + down - 2.0 * here).abs() > 3e-5 {
                    bent += 1;
                    continue;
                }
                assert!(
                    (difference - f64::from(grad[i])).abs() < 2e-3,
                    "weight {i}: {difference} {}",
                    grad[i]
                );
            }
            assert!(
                bent < params.len() / 3,
                "{bent} of {} weights crossed a kink",
                params.len()
            );
        }
    }

    #[test]
    fn graph_agrees_with_network() {
        let mut rng = Pcg64::seed_from_u64(2);
        let shape = small();
        let params = shape.init(&mut rng);
        let graph = shape.lower(&params, Head::Point).unwrap();
        let mut encoded = Vec::new();
        for i in 0..40 {
            encoded.extend([i as f32 * 0.1 - 1.5, i as f32 * 0.05]);
            let mut one_hot = [0.0; 3];
            if let Some(slot) = one_hot.get_mut(i % 4) {
                *slot = 1.0;
            }
            encoded.extend(one_hot);
        }
        let expected = graph.run(&encoded, 40);
        let found = shape.predict(&params, &shape.input().positions(&encoded));
        for (a, b) in expected.iter().zip(&found) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert!(expected.iter().any(|&v| (v - expected[0]).abs() > 0.1));
    }

    #[test]
    fn mlp_shape_rejects_empty_layers() {
        let input = InputLayout {
            segments: vec![Segment::Linear],
        };
        assert!(MlpShape::new(input.clone(), vec![], 1).is_err());
        assert!(MlpShape::new(input.clone(), vec![4, 0], 1).is_err());
        assert!(MlpShape::new(InputLayout::default(), vec![4], 1).is_err());
        assert!(MlpShape::new(input, vec![4], 0).is_err());
    }
}
