//! Recurrent layers in a plan.

use crate::{Cell, Recurrent, activation, kernel::matmul_bias};
use alloc::{vec, vec::Vec};

/// A [`Recurrent`] layer in a [`Plan`](crate::Plan): the products of all rows with the input's weights come first, then the steps.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    layer: Recurrent,
    /// Index of the layer's first number among the states of all layers.
    at: usize,
    /// Biases that are added to `h U`, `[gates · units]`: 0, 0 and cn of a GRU; 0 of an LSTM.
    of_state: Vec<f32>,
}

impl Cells {
    pub(crate) fn new(layer: &Recurrent, at: usize) -> Self {
        let mut of_state = vec![0.0; layer.cell.gates() * layer.units];
        if layer.cell == Cell::Gru {
            of_state[2 * layer.units..].copy_from_slice(&layer.bias[3 * layer.units..]);
        }
        let layer = layer.clone();
        Cells {
            layer,
            at,
            of_state,
        }
    }

    /// Number of gates times units.
    pub(crate) fn gates(&self) -> usize {
        self.of_state.len()
    }

    /// Runs consecutive rows of a number of series side by side: `x` is `[rows, series, inputs]`, and `out` is `[rows, series, units]`. `states` holds the
    /// states of all layers; those of this layer are `h` of all series, then `c` of all series. `gates` are working memory for the gates of all rows, and
    /// of one step.
    pub(crate) fn run(
        &self,
        x: &[f32],
        (states, series): (&mut [f32], usize),
        gates: &mut [Vec<f32>; 2],
        out: &mut [f32],
    ) {
        let (layer, width, units) = (&self.layer, self.gates(), self.layer.units);
        let states = &mut states[series * self.at..][..series * layer.state_width()];
        let (h, c) = states.split_at_mut(series * units);
        let [all, own] = gates;
        let (n, own) = (out.len() / units, &mut own[..series * width]);
        let all = &mut all[..n * width];
        let bias = Some(&layer.bias[..width]);
        matmul_bias(x, &layer.weight, bias, all, n, layer.inputs, width);
        let steps = all.chunks_exact(series * width);
        for (of_x, out) in steps.zip(out.chunks_exact_mut(series * units)) {
            let (of_state, weight) = (Some(&self.of_state[..]), &layer.recurrent);
            matmul_bias(h, weight, of_state, own, series, units, width);
            self.step(of_x, own, h, c);
            out.copy_from_slice(h);
        }
    }

    /// One step of each series.
    fn step(&self, of_x: &[f32], of_h: &mut [f32], h: &mut [f32], c: &mut [f32]) {
        let (width, units) = (self.gates(), self.layer.units);
        let gates = of_x
            .chunks_exact(width)
            .zip(of_h.chunks_exact_mut(width))
            .zip(h.chunks_exact_mut(units));
        match self.layer.cell {
            Cell::Gru => gates.for_each(|((of_x, of_h), h)| gru(of_x, of_h, h)),
            Cell::Lstm => gates
                .zip(c.chunks_exact_mut(units))
                .for_each(|(((of_x, of_h), h), c)| lstm(of_x, of_h, h, c)),
        }
    }
}

/// One step of a GRU. `of_x` is `x W` with the biases br, bz, bn; `of_h` is `h U` with cn, and is overwritten.
fn gru(of_x: &[f32], of_h: &mut [f32], h: &mut [f32]) {
    let units = h.len();
    let (gates, n) = of_h.split_at_mut(2 * units);
    gates.iter_mut().zip(of_x).for_each(|(gate, x)| *gate += x);
    activation::sigmoid(gates);
    let (r, z) = gates.split_at(units);
    for ((n, r), x) in n.iter_mut().zip(r).zip(&of_x[2 * units..]) {
        *n = x + r * *n;
    }
    activation::tanh(n);
    for ((h, n), z) in h.iter_mut().zip(n).zip(z) {
        *h = (1.0 - z) * *n + z * *h;
    }
}

/// One step of an LSTM. `of_x` is `x W` with the biases; `of_h` is `h U`, and is overwritten.
fn lstm(of_x: &[f32], of_h: &mut [f32], h: &mut [f32], c: &mut [f32]) {
    let units = h.len();
    of_h.iter_mut().zip(of_x).for_each(|(gate, x)| *gate += x);
    let (first, rest) = of_h.split_at_mut(2 * units);
    let (g, o) = rest.split_at_mut(units);
    activation::sigmoid(first);
    activation::tanh(g);
    activation::sigmoid(o);
    let (i, f) = first.split_at(units);
    for (((c, i), f), g) in c.iter_mut().zip(i).zip(f).zip(&*g) {
        *c = f * *c + i * g;
    }
    h.copy_from_slice(c);
    activation::tanh(h);
    h.iter_mut().zip(&*o).for_each(|(h, o)| *h *= o);
}
