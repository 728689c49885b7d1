//! A piecewise-linear encoding fused with the linear layer after it. The fused layer interpolates in a table of cumulative sums of weights.

use crate::{
    blocks::{Term, add_rows},
    lanes::Lanes,
};
use alloc::vec::Vec;

/// A [`Ple`](crate::Op::Ple) operation fused with the [`Linear`](crate::Op::Linear) after it; the comment at the top of `plan.rs` has the formula.
#[derive(Clone, Debug)]
pub(crate) struct Piecewise {
    pub(crate) columns: Vec<Column>,
    table: Vec<f32>,
    bias: Vec<f32>,
}

/// One input column of a [`Ple`](crate::Op::Ple) operation.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Index of the column's first output, which is also the index of its first row in the table.
    from: u32,
    /// Lower edges of the bins, `e_0 … e_{K−1}`. Empty for a column that is not encoded but passes through.
    begins: Vec<f32>,
    /// Widths of the bins, `e_{k+1} − e_k`.
    widths: Vec<f32>,
}

impl Column {
    pub(crate) fn all(edges: &[Vec<f32>]) -> Vec<Column> {
        let mut from = 0;
        let column = |edges: &Vec<f32>| {
            let widths: Vec<f32> = edges.windows(2).map(|e| e[1] - e[0]).collect();
            let column = Column {
                from,
                begins: edges[..widths.len()].to_vec(),
                widths,
            };
            from += column.outputs() as u32;
            column
        };
        edges.iter().map(column).collect()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.begins.len().max(1)
    }

    /// The index of the bin that contains `x`, and the fraction of the bin that lies below `x`, by the same division as in
    /// [`Graph::run`](crate::Graph::run).
    #[inline(always)]
    fn locate(&self, x: f32) -> (usize, f32) {
        // For few bins, counting is faster than a binary search, because it has no branches to mispredict.
        let begun = if self.begins.len() <= 64 {
            self.begins
                .iter()
                .map(|&begin| u32::from(x >= begin))
                .sum::<u32>() as usize
        } else {
            self.begins.partition_point(|&begin| begin <= x)
        };
        let bin = begun.saturating_sub(1);
        (
            bin,
            ((x - self.begins[bin]) / self.widths[bin]).clamp(0.0, 1.0),
        )
    }
}

impl Piecewise {
    pub(crate) fn new(edges: &[Vec<f32>], cols: usize, weight: &[f32], bias: &[f32]) -> Piecewise {
        let columns = Column::all(edges);
        let mut table = weight.to_vec();
        for column in &columns {
            let rows = &mut table[column.from as usize * cols..][..column.outputs() * cols];
            for j in 0..cols {
                let mut sum = 0.0f64;
                for slot in rows[j..].iter_mut().step_by(cols) {
                    sum += f64::from(*slot);
                    *slot = sum as f32;
                }
            }
        }
        Piecewise {
            columns,
            table,
            bias: bias.to_vec(),
        }
    }

    /// Writes the terms `coefficient · table row` of one input row to the start of `terms`, without those whose coefficient is 0, and returns their
    /// number. `terms` must have room for one term more than a row can have.
    #[inline(always)]
    fn terms(&self, x: &[f32], terms: &mut [Term]) -> usize {
        let mut count = 0;
        let mut push = |row: u32, coefficient: f32| {
            terms[count] = Term { row, coefficient };
            // Always write the term, and count it only if it is not zero: no branch to mispredict. NaN counts, since it is not equal to zero.
            count += usize::from(coefficient != 0.0);
        };
        for (column, &x) in self.columns.iter().zip(x) {
            if column.begins.is_empty() {
                push(column.from, x);
                continue;
            }
            let (bin, share) = column.locate(x);
            let row = column.from + bin as u32;
            push(row.max(1) - 1, if bin == 0 { 0.0 } else { 1.0 - share });
            push(row, share);
        }
        count
    }
}

impl Piecewise {
    /// Computes the layer for all rows of `x`; called through `simd::piecewise`.
    #[inline(always)]
    pub(crate) fn run<V: Lanes>(&self, x: &[f32], relu: bool, terms: &mut [Term], to: &mut [f32]) {
        let cols = self.bias.len();
        let rows = x.chunks_exact(self.columns.len());
        for (x, out) in rows.zip(to.chunks_exact_mut(cols)) {
            let count = self.terms(x, terms);
            add_rows::<V>(&terms[..count], &self.table, &self.bias, relu, out);
        }
    }
}

pub(crate) fn encode(columns: &[Column], x: &[f32], to: &mut [f32]) {
    let width = columns.iter().map(Column::outputs).sum();
    for (x, out) in x
        .chunks_exact(columns.len())
        .zip(to.chunks_exact_mut(width))
    {
        for (column, &x) in columns.iter().zip(x) {
            let out = &mut out[column.from as usize..][..column.outputs()];
            match column.begins.len() {
                0 => out[0] = x,
                _ => out.iter_mut().enumerate().for_each(|(k, out)| {
                    *out = ((x - column.begins[k]) / column.widths[k]).clamp(0.0, 1.0);
                }),
            }
        }
    }
}
