//! The part of the ONNX model that runs recurrent layers, by the operators `GRU` and `LSTM`.
//!
//! With a rolling memory, each input is `[rows, steps]`: row by row, the values of the steps up to the one that is predicted. The steps of all rows are
//! encoded as rows of their own. A recurrent layer gets them as `[steps, rows, width]`; after the last recurrent layer, only the last step of each row
//! goes on. With a carried state, each input is `[rows, 1]`, the next row of each of several series, and the state is one more input and output.

use limbeck_runtime::{Cell, Memory, Recurrent, Student};

use crate::onnx_builder::{Builder, Columns, Series, Type, attribute, value_info};
use crate::proto::Message;

impl Series {
    /// The memory of a student; `free` makes names of inputs and outputs that are not in use.
    pub(crate) fn of(student: &Student, free: impl Fn(&str) -> String) -> Self {
        Self {
            memory: student.memory,
            state: ["state", "next_state"].map(free),
            ..Self::default()
        }
    }

    /// The second dimension of the inputs for columns, if it is not 1.
    pub(crate) fn steps(&self) -> Option<&'static str> {
        matches!(self.memory, Some(Memory::Rolling(_))).then_some("steps")
    }

    /// The input and the output for a carried state of `width` floats; `None` if there is none.
    pub(crate) fn state_infos(&self, width: usize) -> Option<[Message; 2]> {
        let is_carried = self.memory == Some(Memory::Carried);
        let info = |name: &String| value_info(name, Type::Float, Columns::Count(width));
        is_carried.then(|| self.state.each_ref().map(info))
    }
}

/// The order of the gates in ONNX, as indices of the gates in [`Recurrent`]: z, r, n of a GRU; i, o, f, g of an LSTM.
fn order(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::Gru => &[1, 0, 2],
        Cell::Lstm => &[0, 3, 1, 2],
    }
}

/// A matrix `[rows, gates · units]` as `[gates · units, rows]`, with the gates in the order of ONNX.
fn turned(layer: &Recurrent, weight: &[f32], rows: usize) -> Vec<f32> {
    let (units, width) = (layer.units, layer.cell.gates() * layer.units);
    let column = |at: usize| (0..rows).map(move |row| weight[row * width + at]);
    let gate = |&gate: &usize| gate * units..(gate + 1) * units;
    order(layer.cell)
        .iter()
        .flat_map(gate)
        .flat_map(column)
        .collect()
}

/// The biases of the input, then those of the state, with the gates in the order of ONNX.
fn biases(layer: &Recurrent) -> Vec<f32> {
    let units = layer.units;
    let gate = |&gate: &usize| &layer.bias[gate * units..][..units];
    let mut all: Vec<f32> = order(layer.cell).iter().flat_map(gate).copied().collect();
    all.resize(2 * layer.cell.gates() * units, 0.0);
    if layer.cell == Cell::Gru {
        all[5 * units..].copy_from_slice(&layer.bias[3 * units..]);
    }
    all
}

impl Builder {
    /// With a rolling memory, the nodes that make one column of all steps of an input `[rows, steps]`; else the input itself.
    pub(crate) fn steps_as_rows(&mut self, input: &str) -> String {
        if self.series.steps().is_none() {
            return input.to_owned();
        }
        if self.series.shape.is_none() {
            self.series.shape = Some(self.node("Shape", &[input]));
        }
        let column = self.ints(&[2], [-1, 1]);
        self.node("Reshape", &[input, &column])
    }

    /// The shape `[rows, steps, width]`.
    fn whole_shape(&mut self, width: usize) -> String {
        let shape = self.series.shape.clone().unwrap_or_default();
        let width = self.ints(&[1], [width as i64]);
        self.with("Concat", &[&shape, &width], vec![attribute::int("axis", 0)])
    }

    /// With a rolling memory, the last step of each row, `[rows, width]`, of a value with all steps; else the value itself.
    pub(crate) fn last_step(&mut self, value: &str, width: usize) -> String {
        if self.series.steps().is_none() {
            return value.to_owned();
        }
        let shape = self.whole_shape(width);
        let (whole, last) = (self.node("Reshape", &[value, &shape]), self.ints(&[], [-1]));
        self.with("Gather", &[&whole, &last], vec![attribute::int("axis", 1)])
    }

    /// Adds the nodes of a recurrent layer. The result has all steps, or the last of each row if this is the last recurrent layer.
    pub(crate) fn recurrent(&mut self, x: &str, layer: &Recurrent, is_last: bool) -> String {
        let (gates, units) = (layer.cell.gates() * layer.units, layer.units);
        let tensors = [
            self.floats(
                &[1, gates, layer.inputs],
                &turned(layer, &layer.weight, layer.inputs),
            ),
            self.floats(&[1, gates, units], &turned(layer, &layer.recurrent, units)),
            self.floats(&[1, 2 * gates], &biases(layer)),
        ];
        let sequence = self.sequence(x, layer.inputs);
        let mut inputs = vec![sequence];
        inputs.extend(tensors);
        let is_rolling = self.series.steps().is_some();
        if !is_rolling {
            inputs.push(String::new());
            inputs.extend((0..layer.cell.states()).map(|_| self.state_before(units)));
        }
        let [all, states @ ..] = self.cell(layer, &inputs);
        if is_rolling && !is_last {
            return self.all_steps(&all, units);
        }
        let states = states.iter().take(layer.cell.states());
        let states: Vec<String> = states.map(|state| self.squeeze(state, 0)).collect();
        let h = states[0].clone();
        self.series.next.extend(states);
        h
    }

    /// The operator of a layer; returns the names of its outputs: all steps, h after the last step, and c after the last step.
    fn cell(&mut self, layer: &Recurrent, inputs: &[String]) -> [String; 3] {
        let outputs = [self.name(), self.name(), self.name()];
        let mut attributes = vec![attribute::int("hidden_size", layer.units as i64)];
        let op = match layer.cell {
            Cell::Gru => {
                attributes.push(attribute::int("linear_before_reset", 1));
                "GRU"
            }
            Cell::Lstm => "LSTM",
        };
        let node = inputs
            .iter()
            .fold(Message::default(), |node, input| node.text(1, input));
        let node = outputs[..1 + layer.cell.states()]
            .iter()
            .fold(node, |node, output| node.text(2, output));
        let node = node.text(3, &outputs[0]).text(4, op);
        self.push(node.messages(5, attributes));
        outputs
    }

    /// The rows as `[steps, rows, width]`.
    fn sequence(&mut self, x: &str, width: usize) -> String {
        if self.series.steps().is_none() {
            let first = self.ints(&[1], [0]);
            return self.node("Unsqueeze", &[x, &first]);
        }
        let shape = self.whole_shape(width);
        let whole = self.node("Reshape", &[x, &shape]);
        self.swapped(&whole)
    }

    /// The operator's output `[steps, 1, rows, units]` as rows of all steps.
    fn all_steps(&mut self, all: &str, units: usize) -> String {
        let squeezed = self.squeeze(all, 1);
        let whole = self.swapped(&squeezed);
        let rows = self.ints(&[2], [-1, units as i64]);
        self.node("Reshape", &[&whole, &rows])
    }

    fn swapped(&mut self, value: &str) -> String {
        let order = vec![attribute::ints("perm", [1, 0, 2])];
        self.with("Transpose", &[value], order)
    }

    fn squeeze(&mut self, value: &str, axis: i64) -> String {
        let axis = self.ints(&[1], [axis]);
        self.node("Squeeze", &[value, &axis])
    }

    /// The next `units` floats of the model's carried state, `[1, rows, units]`.
    fn state_before(&mut self, units: usize) -> String {
        let columns: Vec<usize> = (self.series.read..self.series.read + units).collect();
        self.series.read += units;
        let state = self.series.state[0].clone();
        let own = self.gather(&state, &columns);
        let first = self.ints(&[1], [0]);
        self.node("Unsqueeze", &[&own, &first])
    }

    /// Adds the node for the model's output of the carried state, if there is one.
    pub(crate) fn state_after(&mut self) {
        if self.series.memory == Some(Memory::Carried) {
            let all = self.concat(self.series.next.clone());
            let output = self.series.state[1].clone();
            self.named("Identity", &all, &output);
        }
    }
}
