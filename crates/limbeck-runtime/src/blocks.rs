//! The inner loops of [`kernel`](crate::kernel).
//!
//! The loops are generic over the vector type ([`Lanes`]) and `#[inline(always)]`, so that they are compiled for the instruction set of their caller
//! in `simd.rs`, which has all the `unsafe` code. If arrays replace the vector types, the compiler does not vectorize these loops for about half of
//! the shapes of matrices; for those, the measured speed was a tenth of the speed with vector types.

use crate::{graph::relu, lanes::Lanes};

/// One term of a sum of table rows: `coefficient` times the row with index `row`; see [`add_rows`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Term {
    pub(crate) row: u32,
    pub(crate) coefficient: f32,
}

/// Number of indices of the summed dimension (*steps*) that are packed into a panel at a time. The panel, and the rows that are multiplied with it,
/// then stay in the first-level cache.
pub(crate) const PANEL: usize = 128;

/// In a matrix product `a · b` with at most this many rows, `b` is read without copying it into a packed panel: the copy would cost more time than it
/// saves.
const FEW_ROWS: usize = 4;

/// One factor of a matrix product, read with strides: element (`line`, `p`) is `values[line · row + p · step]`, where `line` is a row of `a` or a
/// column of `b`, and `p` is the index in the summed dimension.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) row: usize,
    pub(crate) step: usize,
}

/// The initial value of each sum. `Zero`: 0. `Row`: one value for each output column, such as the biases. `Out`: the value that is already in the
/// output.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    Zero,
    Row(&'a [f32]),
    Out,
}

/// A matrix product: `rows × cols` sums of `steps` products each.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) a: Operand<'a>,
    pub(crate) b: Operand<'a>,
    pub(crate) start: Start<'a>,
    pub(crate) rows: usize,
    pub(crate) steps: usize,
    pub(crate) cols: usize,
}

impl<'a> Product<'a> {
    /// The product `x[n, k] · w[k, m]`.
    #[cfg(test)]
    pub(crate) fn of_rows(x: &'a [f32], w: &'a [f32], (n, k, m): (usize, usize, usize)) -> Self {
        let (a, b) = (
            Operand {
                values: x,
                row: k,
                step: 1,
            },
            Operand {
                values: w,
                row: 1,
                step: m,
            },
        );
        Product {
            a,
            b,
            start: Start::Zero,
            rows: n,
            steps: k,
            cols: m,
        }
    }

    /// Transposes a product with a single output column into a product with a single output row, if the memory layout of `a` allows it.
    #[inline(always)]
    fn lying(self) -> Self {
        if self.cols == 1 && self.a.row == 1 && !matches!(self.start, Start::Row(_)) {
            return Product {
                a: self.b,
                b: self.a,
                rows: 1,
                cols: self.rows,
                ..self
            };
        }
        self
    }
}

/// Computes the product in tiles of `R` rows by two vectors; `SIZE` is [`PANEL`] times the number of lanes of both vectors.
#[inline(always)]
pub(crate) fn gemm<V: Lanes, const R: usize, const SIZE: usize>(
    product: Product<'_>,
    out: &mut [f32],
) {
    start_chains(&product, out);
    let product = product.lying();
    if product.cols == 1 && product.a.step == 1 && product.b.step == 1 {
        for (row, out) in out.iter_mut().enumerate() {
            *out += dot::<V>(
                &product.a.values[row * product.a.row..][..product.steps],
                product.b.values,
            );
        }
        return;
    }
    if product.b.row == 1 && product.rows <= FEW_ROWS {
        for row in 0..product.rows {
            one_row::<V>(
                &product,
                row,
                &mut out[row * product.cols..][..product.cols],
            );
        }
        return;
    }
    let mut panel = [0.0; SIZE];
    for from in (0..product.steps).step_by(PANEL) {
        let steps = PANEL.min(product.steps - from);
        for col in (0..product.cols).step_by(2 * V::WIDTH) {
            if product.cols - col <= V::WIDTH {
                strip::<V, R, 1>(&product, (from, steps), col, &mut panel, out);
            } else {
                strip::<V, R, 2>(&product, (from, steps), col, &mut panel, out);
            }
        }
    }
}

#[inline(always)]
fn start_chains(product: &Product<'_>, out: &mut [f32]) {
    match product.start {
        Start::Zero => out.fill(0.0),
        Start::Row(&[bias]) => out.fill(bias),
        Start::Row(bias) if !bias.is_empty() => {
            out.chunks_exact_mut(bias.len())
                .for_each(|line| copy_short(bias, line));
        }
        Start::Row(_) | Start::Out => {}
    }
}

/// Computes all rows of `out` for a strip of columns that begins at `col` and is as wide as `C` vectors.
#[inline(always)]
fn strip<V: Lanes, const R: usize, const C: usize>(
    product: &Product<'_>,
    (from, steps): (usize, usize),
    col: usize,
    panel: &mut [f32],
    out: &mut [f32],
) {
    let panel = &mut panel[..steps * C * V::WIDTH];
    pack(
        &product.b,
        from,
        col,
        (C * V::WIDTH).min(product.cols - col),
        C * V::WIDTH,
        panel,
    );
    let mut row = 0;
    while row + R <= product.rows {
        tile::<V, R, C>(product, panel, from, (row, col), out);
        row += R;
    }
    while row + 2 <= product.rows {
        tile::<V, 2, C>(product, panel, from, (row, col), out);
        row += 2;
    }
    if row < product.rows {
        tile::<V, 1, C>(product, panel, from, (row, col), out);
    }
}

/// Copies columns `col..col + used` of the factor `b` into the contiguous `panel`, beginning with row `from` of `b`. Each row of the panel is padded
/// with zeros to `width`.
#[inline(always)]
fn pack(b: &Operand<'_>, from: usize, col: usize, used: usize, width: usize, panel: &mut [f32]) {
    let lines = panel.chunks_exact_mut(width).enumerate();
    if b.row == 1 && used == width {
        for (p, line) in lines {
            line.copy_from_slice(&b.values[(from + p) * b.step + col..][..width]);
        }
        return;
    }
    for (p, line) in lines {
        let at = (from + p) * b.step + col * b.row;
        line[used..].fill(0.0);
        for (j, slot) in line[..used].iter_mut().enumerate() {
            *slot = b.values[at + j * b.row];
        }
    }
}

/// Computes a block of `R` rows by `C` vectors. Its running sums stay in registers during the loop over the panel.
#[inline(always)]
fn tile<V: Lanes, const R: usize, const C: usize>(
    product: &Product<'_>,
    panel: &[f32],
    from: usize,
    (row, col): (usize, usize),
    out: &mut [f32],
) {
    let width = C * V::WIDTH;
    let used = width.min(product.cols - col);
    let mut sums = [[V::splat(0.0); C]; R];
    let mut edge = [0.0f32; EDGE];
    for (i, sum) in sums.iter_mut().enumerate() {
        let line = &out[(row + i) * product.cols + col..][..used];
        if used == width {
            *sum = load(line);
        } else {
            copy_short(line, &mut edge);
            *sum = load(&edge);
        }
    }
    let a = product.a;
    let lines = panel.chunks_exact(width);
    if a.step == 1 {
        let rows: [&[f32]; R] =
            core::array::from_fn(|i| &a.values[(row + i) * a.row + from..][..lines.len()]);
        for (p, line) in lines.enumerate() {
            add_outer(&mut sums, |i| rows[i][p], load(line));
        }
    } else {
        for (column, line) in a.values[from * a.step..].chunks_exact(a.step).zip(lines) {
            let column = &column[row..][..R];
            add_outer(&mut sums, |i| column[i], load(line));
        }
    }
    for (i, sum) in sums.iter().enumerate() {
        let line = &mut out[(row + i) * product.cols + col..][..used];
        if used == width {
            store(sum, line);
        } else {
            store(sum, &mut edge);
            copy_short(&edge[..used], line);
        }
    }
}

/// Copies a few values, four at a time. (For a copy of unknown length, the compiler emits a call that costs more than the copy.)
#[inline(always)]
fn copy_short(from: &[f32], to: &mut [f32]) {
    let (from, from_rest) = from.as_chunks::<4>();
    let (to, to_rest) = to.as_chunks_mut::<4>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    // If `to` is longer than `from`, the rest of `from` goes into the next whole chunk of `to`.
    let to_rest = to.get_mut(from.len()).map_or(to_rest, |next| &mut next[..]);
    for (to, from) in to_rest.iter_mut().zip(from_rest) {
        *to = *from;
    }
}

/// Number of f32 in the widest pair of vectors.
const EDGE: usize = 32;

#[inline(always)]
fn load<V: Lanes, const C: usize>(line: &[f32]) -> [V; C] {
    core::array::from_fn(|c| V::load(&line[c * V::WIDTH..][..V::WIDTH]))
}

#[inline(always)]
fn store<V: Lanes, const C: usize>(sum: &[V; C], line: &mut [f32]) {
    for (c, part) in sum.iter().enumerate() {
        part.store(&mut line[c * V::WIDTH..][..V::WIDTH]);
    }
}

/// One step of every sum of a tile: `sums[i] += a(i) · b`.
#[inline(always)]
fn add_outer<V: Lanes, const R: usize, const C: usize>(
    sums: &mut [[V; C]; R],
    a: impl Fn(usize) -> f32,
    b: [V; C],
) {
    for (i, sum) in sums.iter_mut().enumerate() {
        let a = V::splat(a(i));
        for (sum, b) in sum.iter_mut().zip(b) {
            *sum = a.mul_add(b, *sum);
        }
    }
}

/// The dot product `Σ_p a_p b_p`, computed in [`DOT`] partial sums for any vector width. The partial sums are added pairwise. Then the last terms
/// (fewer than [`DOT`]) are added in order.
#[inline(always)]
fn dot<V: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    const WORDS: usize = 4;
    let mut sums = [V::splat(0.0); WORDS];
    let (a_blocks, a_rest) = a.as_chunks::<DOT>();
    let (b_blocks, b_rest) = b.as_chunks::<DOT>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (c, sum) in sums.iter_mut().enumerate().take(DOT / V::WIDTH) {
            *sum = V::load(&a[c * V::WIDTH..]).mul_add(V::load(&b[c * V::WIDTH..]), *sum);
        }
    }
    let mut lanes = [0.0f32; DOT];
    for (c, sum) in sums.iter().enumerate().take(DOT / V::WIDTH) {
        sum.store(&mut lanes[c * V::WIDTH..]);
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    a_rest
        .iter()
        .zip(b_rest)
        .fold(lanes[0], |sum, (&a, &b)| V::scalar_mul_add(a, b, sum))
}

/// Number of partial sums in [`dot`].
const DOT: usize = 16;

/// Computes one row of the output without packing `b`, in vectors as wide as the remaining columns allow.
#[inline(always)]
fn one_row<V: Lanes>(product: &Product<'_>, row: usize, out: &mut [f32]) {
    let mut col = 0;
    while col + 4 * V::WIDTH <= out.len() {
        piece::<V, 4>(product, row, col, out);
        col += 4 * V::WIDTH;
    }
    while col + V::WIDTH <= out.len() {
        piece::<V, 1>(product, row, col, out);
        col += V::WIDTH;
    }
    while col < out.len() {
        let (a, b) = (product.a, product.b);
        for p in 0..product.steps {
            out[col] = V::scalar_mul_add(
                a.values[row * a.row + p * a.step],
                b.values[p * b.step + col],
                out[col],
            );
        }
        col += 1;
    }
}

#[inline(always)]
fn piece<V: Lanes, const C: usize>(product: &Product<'_>, row: usize, col: usize, out: &mut [f32]) {
    let (a, b) = (product.a, product.b);
    let mut sums = [load::<V, C>(&out[col..])];
    for p in 0..product.steps {
        let x = a.values[row * a.row + p * a.step];
        add_outer(&mut sums, |_| x, load(&b.values[p * b.step + col..]));
    }
    store(&sums[0], &mut out[col..]);
}

/// `out = bias + Σ coefficient · table row`, summed over the terms; with `rectify`, negative results are set to 0.
#[inline(always)]
pub(crate) fn add_rows<V: Lanes>(
    terms: &[Term],
    table: &[f32],
    bias: &[f32],
    rectify: bool,
    out: &mut [f32],
) {
    let mut col = 0;
    while col + 4 * V::WIDTH <= bias.len() {
        add_pieces::<V, 4>(terms, table, bias, col, out);
        col += 4 * V::WIDTH;
    }
    while col + V::WIDTH <= bias.len() {
        add_pieces::<V, 1>(terms, table, bias, col, out);
        col += V::WIDTH;
    }
    while col < bias.len() {
        out[col] = terms.iter().fold(bias[col], |sum, term| {
            V::scalar_mul_add(
                term.coefficient,
                table[term.row as usize * bias.len() + col],
                sum,
            )
        });
        col += 1;
    }
    if rectify {
        out.iter_mut().for_each(|x| *x = relu(*x));
    }
}

#[inline(always)]
fn add_pieces<V: Lanes, const C: usize>(
    terms: &[Term],
    table: &[f32],
    bias: &[f32],
    col: usize,
    out: &mut [f32],
) {
    let mut sums = [load::<V, C>(&bias[col..])];
    for term in terms {
        add_outer(
            &mut sums,
            |_| term.coefficient,
            load(&table[term.row as usize * bias.len() + col..]),
        );
    }
    store(&sums[0], &mut out[col..]);
}
