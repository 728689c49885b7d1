//! The gates of recurrent layers: what one step computes from each number alone, forward and backward.
//!
//! The bodies are plain Rust; `simd.rs` compiles them for each instruction set. They work on pieces of fixed width, copied to local arrays: the
//! compiler then knows that no two of them overlap, and uses vector instructions. Each array is read and written by a line of its own: `map` over
//! arrays of arrays is not inlined, and copies them.
//!
//! The formulas are those of [`RecurrentShape`](crate::RecurrentShape).

use limbeck_runtime::activation::{sigmoid_of, tanh_of};

/// A step of a GRU layer.
pub(crate) struct GruStep<'a> {
    pub(crate) units: usize,
    /// In: `x·W + b`, `[n, 3·units]`. Out: the gates `r`, `z` and `n`.
    pub(crate) gates: &'a mut [f32],
    /// `h·U + (0, 0, c)`, `[n, 3·units]`.
    pub(crate) inner: &'a [f32],
    /// The state before, `[n, units]`.
    pub(crate) before: &'a [f32],
    /// Out: the state after, `[n, units]`.
    pub(crate) after: &'a mut [f32],
}

/// The derivative of a step of a GRU layer.
pub(crate) struct GruBack<'a> {
    pub(crate) units: usize,
    /// In: the gates, `[n, 3·units]`. Out: the gradient with respect to `x·W + b`.
    pub(crate) gates: &'a mut [f32],
    /// In: `h·U + (0, 0, c)`, `[n, 3·units]`. Out: the gradient with respect to it.
    pub(crate) inner: &'a mut [f32],
    /// The state before, `[n, units]`.
    pub(crate) before: &'a [f32],
    /// The gradient with respect to the state after that comes from above, `[n, units]`.
    pub(crate) above: &'a [f32],
    /// In: the gradient with respect to the state after that comes from the next step, `[n, units]`. Out: the part of the gradient with respect to
    /// the state before that does not pass through `h·U`.
    pub(crate) carry: &'a mut [f32],
}

/// A step of an LSTM layer.
pub(crate) struct LstmStep<'a> {
    pub(crate) units: usize,
    /// In: `x·W + h·U + b`, `[n, 4·units]`. Out: the gates `i`, `f`, `g` and `o`.
    pub(crate) gates: &'a mut [f32],
    /// The cell before, `[n, units]`.
    pub(crate) before: &'a [f32],
    /// Out: the cell after, `[n, units]`.
    pub(crate) cell: &'a mut [f32],
    /// Out: `tanh` of the cell after, `[n, units]`.
    pub(crate) squashed: &'a mut [f32],
    /// Out: the state after, `[n, units]`.
    pub(crate) after: &'a mut [f32],
}

/// The derivative of a step of an LSTM layer.
pub(crate) struct LstmBack<'a> {
    pub(crate) units: usize,
    /// In: the gates, `[n, 4·units]`. Out: the gradient with respect to `x·W + h·U + b`.
    pub(crate) gates: &'a mut [f32],
    /// The cell before, `[n, units]`.
    pub(crate) before: &'a [f32],
    /// `tanh` of the cell after, `[n, units]`.
    pub(crate) squashed: &'a [f32],
    /// The gradient with respect to the state after that comes from above, `[n, units]`.
    pub(crate) above: &'a [f32],
    /// The gradient with respect to the state after that comes from the next step, `[n, units]`.
    pub(crate) carry: &'a [f32],
    /// In: the gradient with respect to the cell after. Out: that with respect to the cell before, `[n, units]`.
    pub(crate) cell_carry: &'a mut [f32],
}

/// Calls `$piece` for all units of a row, in pieces that are as wide as possible.
macro_rules! in_pieces {
    ($units:expr, $piece:ident($($arg:expr),*)) => {
        let mut at = 0;
        while at + 16 <= $units {
            $piece::<16>($units, at, $($arg),*);
            at += 16;
        }
        while at + 8 <= $units {
            $piece::<8>($units, at, $($arg),*);
            at += 8;
        }
        while at < $units {
            $piece::<1>($units, at, $($arg),*);
            at += 1;
        }
    };
}

#[inline(always)]
fn take<const W: usize>(values: &[f32], at: usize) -> [f32; W] {
    let mut piece = [0.0; W];
    piece.copy_from_slice(&values[at..at + W]);
    piece
}

#[inline(always)]
fn put<const W: usize>(piece: [f32; W], values: &mut [f32], at: usize) {
    values[at..at + W].copy_from_slice(&piece);
}

#[inline(always)]
pub(crate) fn gru_step(step: GruStep<'_>) {
    let units = step.units;
    let gates = step.gates.chunks_exact_mut(3 * units);
    let given = step.inner.chunks_exact(3 * units);
    let states = step.before.chunks_exact(units);
    let states = states.zip(step.after.chunks_exact_mut(units));
    for ((gates, inner), (before, after)) in gates.zip(given).zip(states) {
        in_pieces!(units, gru_piece(gates, inner, before, after));
    }
}

#[inline(always)]
fn gru_piece<const W: usize>(
    units: usize,
    at: usize,
    gates: &mut [f32],
    inner: &[f32],
    before: &[f32],
    after: &mut [f32],
) {
    let (second, third) = (units + at, 2 * units + at);
    let x: [[f32; W]; 3] = [take(gates, at), take(gates, second), take(gates, third)];
    let h: [[f32; W]; 3] = [take(inner, at), take(inner, second), take(inner, third)];
    let before: [f32; W] = take(before, at);
    let [mut r, mut z, mut n, mut state] = [[0.0; W]; 4];
    for j in 0..W {
        r[j] = sigmoid_of(x[0][j] + h[0][j]);
        z[j] = sigmoid_of(x[1][j] + h[1][j]);
        n[j] = tanh_of(x[2][j] + r[j] * h[2][j]);
        state[j] = n[j] + z[j] * (before[j] - n[j]);
    }
    put(r, gates, at);
    put(z, gates, second);
    put(n, gates, third);
    put(state, after, at);
}

#[inline(always)]
pub(crate) fn gru_back(step: GruBack<'_>) {
    let units = step.units;
    let gates = step.gates.chunks_exact_mut(3 * units);
    let gates = gates.zip(step.inner.chunks_exact_mut(3 * units));
    let given = step.before.chunks_exact(units);
    let given = given.zip(step.above.chunks_exact(units));
    let carries = step.carry.chunks_exact_mut(units);
    for (((gates, inner), (before, above)), carry) in gates.zip(given).zip(carries) {
        in_pieces!(units, gru_back_piece(gates, inner, before, above, carry));
    }
}

#[inline(always)]
fn gru_back_piece<const W: usize>(
    units: usize,
    at: usize,
    gates: &mut [f32],
    inner: &mut [f32],
    before: &[f32],
    above: &[f32],
    carry: &mut [f32],
) {
    let (second, third) = (units + at, 2 * units + at);
    let [r, z, n]: [[f32; W]; 3] = [take(gates, at), take(gates, second), take(gates, third)];
    let within: [f32; W] = take(inner, third);
    let (before, above): ([f32; W], [f32; W]) = (take(before, at), take(above, at));
    let mut keep: [f32; W] = take(carry, at);
    let [mut to_r, mut to_z, mut to_n, mut to_inner] = [[0.0; W]; 4];
    for j in 0..W {
        let grad = keep[j] + above[j];
        keep[j] = grad * z[j];
        to_z[j] = grad * (before[j] - n[j]) * z[j] * (1.0 - z[j]);
        to_n[j] = (grad - keep[j]) * (1.0 - n[j] * n[j]);
        to_inner[j] = to_n[j] * r[j];
        to_r[j] = to_inner[j] * within[j] * (1.0 - r[j]);
    }
    put(to_r, gates, at);
    put(to_z, gates, second);
    put(to_n, gates, third);
    put(to_r, inner, at);
    put(to_z, inner, second);
    put(to_inner, inner, third);
    put(keep, carry, at);
}

#[inline(always)]
pub(crate) fn lstm_step(step: LstmStep<'_>) {
    let units = step.units;
    let gates = step.gates.chunks_exact_mut(4 * units);
    let cells = step.before.chunks_exact(units);
    let cells = cells.zip(step.cell.chunks_exact_mut(units));
    let states = step.squashed.chunks_exact_mut(units);
    let states = states.zip(step.after.chunks_exact_mut(units));
    for ((gates, (before, cell)), (squashed, after)) in gates.zip(cells).zip(states) {
        in_pieces!(units, lstm_piece(gates, before, cell, squashed, after));
    }
}

#[inline(always)]
fn lstm_piece<const W: usize>(
    units: usize,
    at: usize,
    gates: &mut [f32],
    before: &[f32],
    cell: &mut [f32],
    squashed: &mut [f32],
    after: &mut [f32],
) {
    let [second, third, fourth] = [units + at, 2 * units + at, 3 * units + at];
    let [mut i, mut f]: [[f32; W]; 2] = [take(gates, at), take(gates, second)];
    let [mut g, mut o]: [[f32; W]; 2] = [take(gates, third), take(gates, fourth)];
    let before: [f32; W] = take(before, at);
    let [mut c, mut tanh, mut state] = [[0.0; W]; 3];
    for j in 0..W {
        i[j] = sigmoid_of(i[j]);
        f[j] = sigmoid_of(f[j]);
        g[j] = tanh_of(g[j]);
        o[j] = sigmoid_of(o[j]);
        c[j] = f[j] * before[j] + i[j] * g[j];
        tanh[j] = tanh_of(c[j]);
        state[j] = o[j] * tanh[j];
    }
    put(i, gates, at);
    put(f, gates, second);
    put(g, gates, third);
    put(o, gates, fourth);
    put(c, cell, at);
    put(tanh, squashed, at);
    put(state, after, at);
}

#[inline(always)]
pub(crate) fn lstm_back(step: LstmBack<'_>) {
    let units = step.units;
    let gates = step.gates.chunks_exact_mut(4 * units);
    let cells = step.before.chunks_exact(units);
    let cells = cells.zip(step.squashed.chunks_exact(units));
    let grads = step.above.chunks_exact(units);
    let grads = grads.zip(step.carry.chunks_exact(units));
    let grads = grads.zip(step.cell_carry.chunks_exact_mut(units));
    for ((gates, cells), ((above, carry), cell_carry)) in gates.zip(cells).zip(grads) {
        in_pieces!(
            units,
            lstm_back_piece(gates, cells, (above, carry), cell_carry)
        );
    }
}

#[inline(always)]
fn lstm_back_piece<const W: usize>(
    units: usize,
    at: usize,
    gates: &mut [f32],
    (before, squashed): (&[f32], &[f32]),
    (above, carry): (&[f32], &[f32]),
    cell_carry: &mut [f32],
) {
    let [second, third, fourth] = [units + at, 2 * units + at, 3 * units + at];
    let [mut i, mut f]: [[f32; W]; 2] = [take(gates, at), take(gates, second)];
    let [mut g, mut o]: [[f32; W]; 2] = [take(gates, third), take(gates, fourth)];
    let (before, tanh): ([f32; W], [f32; W]) = (take(before, at), take(squashed, at));
    let (above, carry): ([f32; W], [f32; W]) = (take(above, at), take(carry, at));
    let mut cell: [f32; W] = take(cell_carry, at);
    for j in 0..W {
        let grad = above[j] + carry[j];
        let to_cell = cell[j] + grad * o[j] * (1.0 - tanh[j] * tanh[j]);
        cell[j] = to_cell * f[j];
        o[j] = grad * tanh[j] * o[j] * (1.0 - o[j]);
        f[j] = to_cell * before[j] * f[j] * (1.0 - f[j]);
        let to_i = to_cell * g[j] * i[j] * (1.0 - i[j]);
        g[j] = to_cell * i[j] * (1.0 - g[j] * g[j]);
        i[j] = to_i;
    }
    put(i, gates, at);
    put(f, gates, second);
    put(g, gates, third);
    put(o, gates, fourth);
    put(cell, cell_carry, at);
}
