//! A piecewise-linear encoding and the linear layer on it in one: a lookup with interpolation in a table of sums.

use crate::{
    blocks::{Term, add_rows},
    lanes::Lanes,
};
use alloc::vec::Vec;

/// Ple and Linear in one: see the head of `plan.rs`.
#[derive(Clone, Debug)]
pub(crate) struct Piecewise {
    pub(crate) columns: Vec<Column>,
    table: Vec<f32>,
    bias: Vec<f32>,
}

/// One input column of a Ple.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its first output, hence row of the table.
    from: u32,
    /// `e_0 … e_{K−1}`: where bins begin. Empty: pass through.
    begins: Vec<f32>,
    /// `e_{k+1} − e_k`.
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

    /// The bin that holds `x` and how much of it lies below, the same quotient as in the plain form.
    #[inline(always)]
    fn locate(&self, x: f32) -> (usize, f32) {
        // Counting beats a binary search over few bins, since nothing depends on a guess.
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

    /// The terms of one row; returns how many.
    #[inline(always)]
    fn terms(&self, x: &[f32], terms: &mut [Term]) -> usize {
        let mut count = 0;
        let mut push = |row: u32, coefficient: f32| {
            terms[count] = Term { row, coefficient };
            // Written always, counted unless zero: no branch to mispredict. NaN is not zero.
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
    /// All rows of `x`; called by way of `simd::piecewise`.
    #[inline(always)]
    pub(crate) fn run<V: Lanes>(&self, x: &[f32], relu: bool, terms: &mut [Term], to: &mut [f32]) {
        let cols = self.bias.len();
        for (x, out) in x
            .chunks_exact(self.columns.len())
            .zip(to.chunks_exact_mut(cols))
        {
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
