//! A recurrent layer: a GRU or an LSTM over the rows of a series.

use alloc::{format, string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// Which equations a [`Recurrent`] layer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Gated recurrent unit: three gates, and one state.
    Gru,
    /// Long short-term memory: four gates, and two states.
    Lstm,
}

impl Cell {
    /// Number of gates: 3 for a GRU (r, z, n), 4 for an LSTM (i, f, g, o).
    pub fn gates(self) -> usize {
        match self {
            Cell::Gru => 3,
            Cell::Lstm => 4,
        }
    }

    /// Number of states per unit: 1 for a GRU (h), 2 for an LSTM (h and c).
    pub fn states(self) -> usize {
        match self {
            Cell::Gru => 1,
            Cell::Lstm => 2,
        }
    }

    /// Name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Cell::Gru => "gru",
            Cell::Lstm => "lstm",
        }
    }
}

/// A recurrent layer: the payload of [`Op::Recurrent`](crate::Op::Recurrent).
///
/// # Formula
///
/// The rows are consecutive steps. With the row `x`, and the state `h` (and `c`) after the row before it, which is 0 before the first row:
///
/// ```text
/// GRU    r = σ(x Wr + h Ur + br)    z = σ(x Wz + h Uz + bz)    n = tanh(x Wn + bn + r ∘ (h Un + cn))
///        h' = (1 − z) ∘ n + z ∘ h
///
/// LSTM   i = σ(x Wi + h Ui + bi)    f = σ(x Wf + h Uf + bf)    o = σ(x Wo + h Uo + bo)
///        g = tanh(x Wg + h Ug + bg)
///        c' = f ∘ c + i ∘ g         h' = o ∘ tanh(c')
/// ```
///
/// The output of a step is `h'`.
///
/// # Shapes
///
/// `[n, inputs]` → `[n, units]`. The gates lie beside each other in this order: r, z, n in a GRU; i, f, g, o in an LSTM. The state of an LSTM is `h`,
/// then `c`.
///
/// # Source
///
/// GRU: Cho et al., *Learning Phrase Representations using RNN Encoder–Decoder for Statistical Machine Translation*, EMNLP 2014, in the variant of
/// cuDNN and PyTorch (in ONNX `linear_before_reset = 1`), whose two biases of r, and of z, are added up to one. LSTM: Hochreiter and Schmidhuber, *Long
/// Short-Term Memory*, Neural Computation 9, 1997, with the forget gate of Gers et al., 2000.
///
/// # Errors
///
/// [`Graph::new`](crate::Graph::new) returns an error for `inputs` other than the width of the input, for 0 units, for arrays of other lengths, and for
/// numbers that are not finite.
///
/// ```
/// use limbeck_runtime::{Cell, Graph, Node, Op, Recurrent};
/// // z = σ(0) = 1/2 and n = tanh(x): each state is the mean of tanh(x) and the state before it.
/// let layer = Recurrent {
///     cell: Cell::Gru,
///     inputs: 1,
///     units: 1,
///     weight: vec![0.0, 0.0, 1.0],
///     recurrent: vec![0.0; 3],
///     bias: vec![0.0; 4],
/// };
/// let graph = Graph::new(1, vec![Node::new(Op::Recurrent(layer), [0])])?;
/// let tanh = 1.0_f32.tanh();
/// let found = graph.run(&[1.0, 1.0, 0.0], 3);
/// for (found, expected) in found.iter().zip([tanh / 2.0, tanh * 0.75, tanh * 0.375]) {
///     assert!((found - expected).abs() < 1e-6);
/// }
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// The equations.
    pub cell: Cell,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output and of each state.
    pub units: usize,
    /// Weights of the input, `[inputs, gates · units]`, row-major.
    pub weight: Vec<f32>,
    /// Weights of the state `h`, `[units, gates · units]`, row-major.
    pub recurrent: Vec<f32>,
    /// Biases, `[4 · units]`: br, bz, bn, cn of a GRU; bi, bf, bg, bo of an LSTM.
    pub bias: Vec<f32>,
}

impl Recurrent {
    /// Number of f32 in the state: `units` of a GRU, `2 · units` of an LSTM.
    pub fn state_width(&self) -> usize {
        self.cell.states() * self.units
    }

    /// Number of fitted parameters: all weights and biases.
    pub fn parameters(&self) -> usize {
        self.weight.len() + self.recurrent.len() + self.bias.len()
    }

    /// The reason why the layer cannot run on rows of `width` numbers; `None` if it can.
    pub(crate) fn fault(&self, width: usize) -> Option<String> {
        let (inputs, units) = (self.inputs, self.units);
        if inputs != width {
            return Some(format!(
                "number of inputs is {inputs}, width of the input is {width}; expected equal numbers"
            ));
        }
        let gates = units.checked_mul(self.cell.gates()).filter(|&all| all > 0);
        let expected = gates.and_then(|gates| {
            let weights = inputs.checked_mul(gates)?;
            Some((weights, units.checked_mul(gates)?, units.checked_mul(4)?))
        });
        let found = (self.weight.len(), self.recurrent.len(), self.bias.len());
        if expected != Some(found) {
            return Some(format!(
                "weights of inputs, weights of states, and biases: found {found:?} for {inputs} inputs and {units} units ({}); expected inputs · gates · \
                 units, units · gates · units and 4 · units, with 3 gates of a gru, 4 of an lstm, and 1 unit or more",
                self.cell.name()
            ));
        }
        let named = [
            ("weight", &self.weight),
            ("recurrent", &self.recurrent),
            ("bias", &self.bias),
        ];
        named.into_iter().find_map(|(name, values)| {
            let at = values.iter().position(|value| !value.is_finite())?;
            Some(format!(
                "{name}[{at}] is {}, a finite number expected",
                values[at]
            ))
        })
    }

    /// One step, in simple loops: replaces the state by that after the row `x`. The first [`units`](Self::units) numbers of the state are then the
    /// output.
    ///
    /// # Panics
    ///
    /// Panics if `x` is shorter than `inputs`, or if `state` is shorter than [`state_width`](Self::state_width).
    pub fn step(&self, x: &[f32], state: &mut [f32]) {
        let units = self.units;
        let before = state[..self.state_width()].to_vec();
        let of_x = |gate, unit| self.sum(&self.weight, &x[..self.inputs], gate, unit);
        let of_h = |gate, unit| self.sum(&self.recurrent, &before[..units], gate, unit);
        let bias = |gate: usize, unit: usize| self.bias[gate * units + unit];
        for unit in 0..units {
            let both = |gate| of_x(gate, unit) + of_h(gate, unit) + bias(gate, unit);
            match self.cell {
                Cell::Gru => {
                    let (r, z) = (sigmoid(both(0)), sigmoid(both(1)));
                    let of_state = of_h(2, unit) + bias(3, unit);
                    let n = libm::tanhf(of_x(2, unit) + bias(2, unit) + r * of_state);
                    state[unit] = (1.0 - z) * n + z * before[unit];
                }
                Cell::Lstm => {
                    let (i, f, o) = (sigmoid(both(0)), sigmoid(both(1)), sigmoid(both(3)));
                    let c = f * before[units + unit] + i * libm::tanhf(both(2));
                    (state[unit], state[units + unit]) = (o * libm::tanhf(c), c);
                }
            }
        }
    }

    /// `Σ_i values[i] · weight[i, gate, unit]`.
    fn sum(&self, weight: &[f32], values: &[f32], gate: usize, unit: usize) -> f32 {
        let lines = weight.chunks_exact(self.cell.gates() * self.units);
        let terms = values
            .iter()
            .zip(lines)
            .map(|(value, line)| value * line[gate * self.units + unit]);
        terms.fold(0.0, |sum, term| sum + term)
    }

    /// The outputs for consecutive rows, by [`step`](Self::step) from state 0.
    pub(crate) fn run(&self, x: &[f32]) -> Vec<f32> {
        let mut state = vec![0.0; self.state_width()];
        let mut out = Vec::new();
        for row in x.chunks_exact(self.inputs) {
            self.step(row, &mut state);
            out.extend(&state[..self.units]);
        }
        out
    }
}

/// `σ(x) = 1 / (1 + e^−x)`.
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Graph, Node, Op, Plan, Scratch};
    use core::f32::consts::LN_2;

    /// Bound for values of size 1 after a few hundred steps, whose sums are rounded in different ways: the gates of a random layer forget quickly.
    const TOLERANCE: f32 = 1e-5;

    fn numbers(count: usize, seed: u32, size: f32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * size
        };
        (0..count).map(next).collect()
    }

    fn layer(cell: Cell, inputs: usize, units: usize, seed: u32) -> Recurrent {
        let gates = cell.gates() * units;
        Recurrent {
            cell,
            inputs,
            units,
            weight: numbers(inputs * gates, seed, 0.8),
            recurrent: numbers(units * gates, seed + 1, 1.5 / (units as f32).sqrt()),
            bias: numbers(4 * units, seed + 2, 0.5),
        }
    }

    fn linear(rows: usize, cols: usize, seed: u32) -> Op {
        Op::Linear {
            rows,
            cols,
            weight: numbers(rows * cols, seed, 1.0),
            bias: numbers(cols, seed + 1, 1.0),
        }
    }

    /// A dense layer and a recurrent one; then a sum with the row itself, and a head.
    fn one_layer(cell: Cell, columns: usize, units: usize) -> Graph {
        let nodes = vec![
            Node::new(linear(columns, 5, 1), [0]),
            Node::new(Op::Relu, [1]),
            Node::new(Op::Recurrent(layer(cell, 5, units, 3)), [2]),
            Node::new(linear(columns, units, 7), [0]),
            Node::new(Op::Add, [3, 4]),
            Node::new(Op::Relu, [5]),
            Node::new(linear(units, 2, 9), [6]),
        ];
        Graph::new(columns, nodes).unwrap()
    }

    /// Two recurrent layers, with a relu between them, and one that reads the input beside them.
    fn several_layers(columns: usize) -> Graph {
        let nodes = vec![
            Node::new(Op::Recurrent(layer(Cell::Lstm, columns, 9, 1)), [0]),
            Node::new(Op::Relu, [1]),
            Node::new(Op::Recurrent(layer(Cell::Gru, 9, 4, 5)), [2]),
            Node::new(Op::Recurrent(layer(Cell::Gru, columns, 4, 9)), [0]),
            Node::new(Op::Mean, [3, 4]),
        ];
        Graph::new(columns, nodes).unwrap()
    }

    fn graphs() -> Vec<Graph> {
        vec![
            one_layer(Cell::Gru, 3, 17),
            one_layer(Cell::Lstm, 2, 8),
            one_layer(Cell::Gru, 1, 1),
            one_layer(Cell::Lstm, 4, 33),
            several_layers(3),
        ]
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= TOLERANCE * (1.0 + expected.abs()),
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn gru_matches_hand_values() {
        // r = σ(ln 2) = 2/3, z = σ(−ln 2) = 1/3, n = tanh(x + 0.125 + r · (2 h + 0.75)).
        let layer = Recurrent {
            cell: Cell::Gru,
            inputs: 1,
            units: 1,
            weight: vec![0.0, 0.0, 1.0],
            recurrent: vec![0.0, 0.0, 2.0],
            bias: vec![LN_2, -LN_2, 0.125, 0.75],
        };
        let (mut first, mut second) = ([0.0], [0.5]);
        layer.step(&[0.375], &mut first);
        layer.step(&[-1.0], &mut second);
        let expected = |n: f32, h: f32| 2.0 / 3.0 * n.tanh() + h / 3.0;
        assert_near(&first, &[expected(1.0, 0.0)]);
        assert_near(&second, &[expected(-0.875 + 2.0 / 3.0 * 1.75, 0.5)]);
    }

    #[test]
    fn lstm_matches_hand_values() {
        // i = σ(0) = 1/2, f = σ(ln 2) = 2/3, g = tanh(x + h), o = σ(−ln 2) = 1/3.
        let layer = Recurrent {
            cell: Cell::Lstm,
            inputs: 1,
            units: 1,
            weight: vec![0.0, 0.0, 1.0, 0.0],
            recurrent: vec![0.0, 0.0, 1.0, 0.0],
            bias: vec![0.0, LN_2, 0.0, -LN_2],
        };
        let mut state = [0.25, 3.0];
        layer.step(&[0.5], &mut state);
        let c = 2.0 + 0.5 * 0.75_f32.tanh();
        assert_near(&state, &[c.tanh() / 3.0, c]);
    }

    #[test]
    fn plan_agrees_with_plain_graph() {
        for graph in graphs() {
            let plan = Plan::new(&graph).unwrap();
            assert!(graph.is_recurrent() && plan.is_recurrent());
            for n in [0, 1, 2, 64, 65, 200] {
                let x = numbers(n * graph.input_width, 77, 2.0);
                let mut out = vec![f32::NAN; n * plan.output_width()];
                plan.run(&x, n, &mut out);
                assert_near(&out, &graph.run(&x, n));
            }
        }
    }

    #[test]
    fn steps_and_windows_give_the_same_bits_as_the_sequence() {
        for graph in graphs() {
            let (plan, width) = (Plan::new(&graph).unwrap(), graph.input_width);
            let outputs = plan.output_width();
            let x = numbers(90 * width, 5, 2.0);
            let mut all = vec![f32::NAN; 90 * outputs];
            plan.run(&x, 90, &mut all);
            let (mut scratch, mut out) = (Scratch::default(), vec![f32::NAN; outputs]);
            let mut state = vec![0.0; plan.state_width()];
            for (i, expected) in all.chunks_exact(outputs).enumerate() {
                plan.step(&x[i * width..], &mut state, &mut scratch, &mut out);
                assert_eq!(out, expected, "step {i}");
                plan.run_window(&x[..(i + 1) * width], &mut scratch, &mut out);
                assert_eq!(out, expected, "window of {i}");
                let (first, second) = x[..(i + 1) * width].split_at(i / 3 * width);
                plan.run_parts([first, second], &mut scratch, &mut out);
                assert_eq!(out, expected, "window of {i} in two parts");
            }
        }
    }

    #[test]
    fn window_of_a_plan_without_memory_is_its_last_row() {
        let graph = Graph::new(2, vec![Node::new(linear(2, 3, 1), [0])]).unwrap();
        let plan = Plan::new(&graph).unwrap();
        let x = numbers(2 * 70, 3, 1.0);
        let (mut found, mut expected) = ([f32::NAN; 3], [f32::NAN; 3]);
        let mut scratch = Scratch::default();
        plan.run_window(&x, &mut scratch, &mut found);
        plan.run_row(&x[138..], &mut scratch, &mut expected);
        assert_eq!(found, expected);
        assert_eq!((plan.is_recurrent(), plan.state_width()), (false, 0));
    }

    #[test]
    fn graph_rejects_contradictions() {
        let refuse = |change: fn(&mut Recurrent), words: &str| {
            let mut layer = layer(Cell::Gru, 2, 3, 1);
            change(&mut layer);
            let error = Graph::new(2, vec![Node::new(Op::Recurrent(layer), [0])]).unwrap_err();
            assert!(matches!(error, Error::InvalidNode { node: 0, .. }));
            assert!(error.to_string().contains(words), "{error}");
        };
        refuse(
            |layer| layer.inputs = 3,
            "number of inputs is 3, width of the input is 2",
        );
        refuse(|layer| layer.units = 0, "1 unit or more");
        refuse(|layer| layer.units = usize::MAX, "weights of inputs");
        refuse(|layer| layer.cell = Cell::Lstm, "(lstm)");
        refuse(|layer| layer.bias.truncate(11), "(18, 27, 11)");
        refuse(|layer| layer.recurrent[4] = f32::NAN, "recurrent[4] is NaN");
        refuse(|layer| layer.bias[0] = f32::INFINITY, "bias[0] is inf");
    }

    #[test]
    fn sizes() {
        let (gru, lstm) = (layer(Cell::Gru, 8, 32, 1), layer(Cell::Lstm, 8, 32, 1));
        assert_eq!((gru.state_width(), lstm.state_width()), (32, 64));
        assert_eq!(gru.parameters(), 3 * 32 * (8 + 32) + 4 * 32);
        assert_eq!(lstm.parameters(), 4 * 32 * (8 + 32) + 4 * 32);
        assert_eq!((gru.cell.name(), lstm.cell.name()), ("gru", "lstm"));
    }
}
