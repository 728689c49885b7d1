//! An interpolated table of one to three numeric columns.
//!
//! # Idea
//!
//! A prediction interpolates between the values at the corners of the grid cell that contains the row. It is linear in these values. So the values
//! can be found by sparse least squares. Around cells without rows, values would be undetermined. Therefore a small penalty applies to bends, which
//! continues the table in straight lines. (A bend is the difference of a value from the straight line between its neighbors.) In the normal
//! equations, a value is coupled only with its neighbors. The equations are solved by conjugate gradients, with sums in a fixed order.

use limbeck_data::encode::{EncodeOptions, fit_encoder, ple_edges};
use limbeck_data::figures::counted;
use limbeck_data::{FeatureValues, Features};
use limbeck_runtime::{Encoder, Op, TableInterp};

use super::rows::EncodedTable;
use super::spec::Spec;
use crate::error::{Error, Result};
use crate::student::options::{StudentOptions, encode_options};

/// Maximum number of columns of a table.
pub(super) const MOST_COLUMNS: usize = 3;
/// Maximum number of grid points of a table; with more, the fit would be slow.
const MOST_POINTS: usize = 60_000;
/// Smoothing penalties that are tried.
const SMOOTHINGS: [f64; 3] = [1e-5, 1e-3, 0.1];
/// Numbers of knots per axis that are tried, as far as the parameter budget allows.
const KNOTS: [usize; 18] = [
    2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
];
/// Limits the second part of the search, in which single axes are resized: no further round begins once this many grid sizes were tried in that
/// part. The grid size with which that part begins is counted too.
const STRETCHES: usize = 12;
/// Conjugate gradients end when the residual (in the preconditioned norm) has fallen to this share of its first value, or after `ITERATIONS` steps.
const RESIDUAL: f64 = 1e-8;
const ITERATIONS: usize = 2000;

/// Checks that there are one to three columns, all numeric.
pub(crate) fn check(features: &Features) -> Result<()> {
    let columns = features.columns.len();
    if !(1..=MOST_COLUMNS).contains(&columns) {
        return Err(Error::NotATable {
            found: counted(columns, "feature"),
        });
    }
    let category = features
        .columns
        .iter()
        .find(|column| matches!(column.values, FeatureValues::Category { .. }));
    match category {
        Some(column) => Err(Error::NotATable {
            found: format!("the category column `{}`", column.name),
        }),
        None => Ok(()),
    }
}

/// The encoder of a table: it scales numbers and fills in missing values.
pub(super) fn encoder(features: &Features, options: &StudentOptions) -> Result<Encoder> {
    check(features)?;
    let rows: Vec<usize> = (0..features.rows).collect();
    Ok(fit_encoder(
        features,
        &rows,
        &EncodeOptions {
            indicator: false,
            ..encode_options(options, 0)
        },
    ))
}

/// Fits tables of many sizes and smoothing penalties. First all axes have the same number of knots, from few to many; then single axes of the best
/// table are resized. `room` is the maximum number of parameters. `score` returns the validation error.
pub(super) fn candidates(
    rows: &EncodedTable,
    room: usize,
    score: &dyn Fn(&Op) -> f64,
) -> Vec<(Spec, Op)> {
    let sorted = rows.columns();
    let most: Vec<usize> = sorted.iter().map(|column| different(column)).collect();
    let fits = |sizes: &[usize]| points(sizes) <= MOST_POINTS && parameters(sizes) <= room;
    let held =
        |knots: usize| -> Vec<usize> { most.iter().map(|&most| knots.min(most).max(2)).collect() };
    let largest = (2..=MOST_POINTS)
        .take_while(|&knots| fits(&vec![knots; rows.width]))
        .last();
    let mut sizes: Vec<Vec<usize>> = KNOTS
        .into_iter()
        .chain(largest)
        .map(held)
        .filter(|sizes| fits(sizes))
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut all: Vec<(Spec, Op)> = Vec::new();
    let mut best: Option<(f64, Vec<usize>, f64)> = None;
    for sizes in sizes {
        let normal = Normal::new(rows, axes(&sorted, &sizes));
        for smoothing in SMOOTHINGS {
            let op = normal.solve(smoothing);
            let found = score(&op);
            if best.as_ref().is_none_or(|best| found < best.0) {
                best = Some((found, sizes.clone(), smoothing));
            }
            all.push((spec(&sizes, smoothing), op));
        }
    }
    let Some((mut least, mut sizes, smoothing)) = best.filter(|_| rows.width > 1) else {
        return all;
    };
    let mut seen: Vec<Vec<usize>> = vec![sizes.clone()];
    'search: while seen.len() < STRETCHES {
        for axis in 0..rows.width {
            for factor in [1.5, 1.0 / 1.5] {
                let mut next = sizes.clone();
                next[axis] =
                    ((sizes[axis] as f64 * factor).round() as usize).clamp(2, most[axis].max(2));
                if !fits(&next) || seen.contains(&next) {
                    continue;
                }
                seen.push(next.clone());
                let op = Normal::new(rows, axes(&sorted, &next)).solve(smoothing);
                let found = score(&op);
                all.push((spec(&next, smoothing), op));
                if found < least {
                    (least, sizes) = (found, next);
                    continue 'search;
                }
            }
        }
        break;
    }
    all
}

/// Fits a table with the given smoothing penalty. `knots` has the maximum number of knots of each axis.
///
/// # Formula
///
/// With hat functions `φ_p` of the grid points, row weights `w`, their sum `W`, and `P` points:
///
/// ```text
/// v = argmin Σ w (y − Σ_p v_p φ_p(x))² + smoothing · W / P · Σ_bends b(v)²
/// ```
///
/// A bend `b` is the difference of a value from the straight line between its two neighbors on one axis. Knots are at quantiles of the rows. A tiny
/// ridge penalty on the values (`1e-9 · W / P`) makes the solution unique.
pub(super) fn fit(rows: &EncodedTable, knots: [usize; MOST_COLUMNS], smoothing: f64) -> Op {
    Normal::new(rows, axes(&rows.columns(), &knots[..rows.width])).solve(smoothing)
}

fn spec(sizes: &[usize], smoothing: f64) -> Spec {
    let mut knots = [0; MOST_COLUMNS];
    knots[..sizes.len()].copy_from_slice(sizes);
    Spec::Table { knots, smoothing }
}

fn points(sizes: &[usize]) -> usize {
    sizes
        .iter()
        .fold(1, |points, &knots| points.saturating_mul(knots))
}

/// The number of parameters of a table, knots and values together. `sizes` has the number of knots of each axis.
fn parameters(sizes: &[usize]) -> usize {
    points(sizes).saturating_add(sizes.iter().sum())
}

fn different(column: &[f32]) -> usize {
    let mut sorted = column.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted.dedup();
    sorted.len()
}

/// The knots of each axis, at quantiles of its column. `sizes` has the maximum number of knots of each axis.
fn axes(columns: &[Vec<f32>], sizes: &[usize]) -> Vec<Vec<f32>> {
    let axis = |(column, &knots): (&Vec<f32>, &usize)| {
        let mut edges = ple_edges(column, knots - 1);
        // Cells must be wide enough to divide by their width.
        edges.dedup_by(|b, a| *b - *a < f32::MIN_POSITIVE);
        match edges.len() {
            // The column has a single value: the width of the cell beside it does not matter.
            0 | 1 => column
                .first()
                .map_or(vec![0.0, 1.0], |&x| vec![x, x + x.abs().max(1.0)]),
            _ => edges,
        }
    };
    columns.iter().zip(sizes).map(axis).collect()
}

/// Normal equations of a table. Each grid point is coupled only with itself and its neighbors.
struct Normal {
    knots: Vec<Vec<f32>>,
    strides: Vec<usize>,
    /// For each grid point, its coupling with the points at steps −1, 0 and 1 along each axis: `[points, 3^axes]`.
    stencil: Vec<f64>,
    /// For each neighbor of a grid point (at steps −1, 0 and 1 along each axis), its offset from that point in the flat list of points.
    steps: Vec<isize>,
    moment: Vec<f64>,
    total: f64,
}

impl Normal {
    fn new(rows: &EncodedTable, knots: Vec<Vec<f32>>) -> Self {
        let axes = knots.len();
        let sizes: Vec<usize> = knots.iter().map(Vec::len).collect();
        let strides: Vec<usize> = (0..axes).map(|axis| points(&sizes[axis + 1..])).collect();
        let neighbors = 3usize.pow(axes as u32);
        let step = |neighbor: usize| {
            (0..axes)
                .map(|axis| (neighbor / 3usize.pow(axis as u32) % 3) as isize - 1)
                .zip(&strides)
                .map(|(d, &s)| d * s as isize)
                .sum()
        };
        let steps: Vec<isize> = (0..neighbors).map(step).collect();
        let points = points(&sizes);
        let mut normal = Self {
            knots,
            strides,
            stencil: vec![0.0; points * neighbors],
            steps,
            moment: vec![0.0; points],
            total: 0.0,
        };
        for ((x, &y), &w) in rows.x.chunks_exact(rows.width).zip(&rows.y).zip(&rows.w) {
            normal.add(x, f64::from(y), f64::from(w));
        }
        normal
    }

    fn add(&mut self, x: &[f32], y: f64, w: f64) {
        self.total += w;
        let axes = self.knots.len();
        // Corners of the cell: bit `a` of the number is the upper end of axis `a`.
        let mut corners = [(0usize, 1.0f64); 1 << MOST_COLUMNS];
        for (axis, (knots, &x)) in self.knots.iter().zip(x).enumerate() {
            let cell = knots[1..knots.len() - 1].partition_point(|&knot| x >= knot);
            let share =
                f64::from(((x - knots[cell]) / (knots[cell + 1] - knots[cell])).clamp(0.0, 1.0));
            for corner in 0..1 << axis {
                let (at, part) = corners[corner];
                corners[corner] = (at + cell * self.strides[axis], part * (1.0 - share));
                corners[corner + (1 << axis)] =
                    (at + (cell + 1) * self.strides[axis], part * share);
            }
        }
        let neighbors = self.steps.len();
        for (a, &(at, part)) in corners[..1 << axes].iter().enumerate() {
            self.moment[at] += w * part * y;
            for (b, &(_, other)) in corners[..1 << axes].iter().enumerate() {
                let toward =
                    |axis: usize| (1 + (b >> axis & 1) - (a >> axis & 1)) * 3usize.pow(axis as u32);
                let neighbor: usize = (0..axes).map(toward).sum();
                self.stencil[at * neighbors + neighbor] += w * part * other;
            }
        }
    }

    /// Finds the values that minimize squared errors plus the penalty on bends, by conjugate gradients.
    fn solve(&self, smoothing: f64) -> Op {
        let points = self.moment.len();
        let unit = self.total.max(f64::MIN_POSITIVE) / points as f64;
        let (bend, ridge) = (smoothing * unit, 1e-9 * unit);
        let diagonal = self.diagonal(bend, ridge);
        let mut values = vec![0.0; points];
        let mut rest = self.moment.clone();
        let mut pre: Vec<f64> = rest.iter().zip(&diagonal).map(|(r, d)| r / d).collect();
        let mut way = pre.clone();
        let mut product = dot(&rest, &pre);
        let goal = RESIDUAL * RESIDUAL * product;
        let mut image = vec![0.0; points];
        for _ in 0..ITERATIONS {
            if product <= goal || product <= 0.0 {
                break;
            }
            self.apply(&way, bend, ridge, &mut image);
            let length = product / dot(&way, &image);
            values
                .iter_mut()
                .zip(&way)
                .for_each(|(v, w)| *v += length * w);
            rest.iter_mut()
                .zip(&image)
                .for_each(|(r, i)| *r -= length * i);
            pre.iter_mut()
                .zip(&rest)
                .zip(&diagonal)
                .for_each(|((p, r), d)| *p = r / d);
            let next = dot(&rest, &pre);
            let turn = next / product;
            way.iter_mut()
                .zip(&pre)
                .for_each(|(w, p)| *w = p + turn * *w);
            product = next;
        }
        let values = values.into_iter().map(|v| v as f32).collect();
        Op::TableInterp(TableInterp {
            knots: self.knots.clone(),
            values,
        })
    }

    fn apply(&self, values: &[f64], bend: f64, ridge: f64, out: &mut [f64]) {
        let neighbors = self.steps.len();
        for (at, (out, line)) in out
            .iter_mut()
            .zip(self.stencil.chunks_exact(neighbors))
            .enumerate()
        {
            *out = ridge * values[at];
            for (&weight, &step) in line.iter().zip(&self.steps) {
                // Neighbors beyond the edge have weight 0.
                if weight != 0.0 {
                    *out += weight * values[at.wrapping_add_signed(step)];
                }
            }
        }
        self.bends(|[before, at, after], [a, b]| {
            let distance = bend * (values[at] - a * values[before] - b * values[after]);
            out[at] += distance;
            out[before] -= a * distance;
            out[after] -= b * distance;
        });
    }

    fn diagonal(&self, bend: f64, ridge: f64) -> Vec<f64> {
        let neighbors = self.steps.len();
        let mut diagonal: Vec<f64> = self
            .stencil
            .chunks_exact(neighbors)
            .map(|line| line[neighbors / 2] + ridge)
            .collect();
        self.bends(|[before, at, after], [a, b]| {
            diagonal[at] += bend;
            diagonal[before] += bend * a * a;
            diagonal[after] += bend * b * b;
        });
        diagonal
    }

    /// Calls `each` for every three neighboring points on a line along an axis. The first argument has their indices. The second has the weights with
    /// which the outer two points give the middle one by linear interpolation.
    fn bends(&self, mut each: impl FnMut([usize; 3], [f64; 2])) {
        for (knots, &stride) in self.knots.iter().zip(&self.strides) {
            let size = knots.len();
            for block in (0..self.moment.len()).step_by(size * stride) {
                for (i, knots) in knots.windows(3).enumerate() {
                    let (left, right) = (
                        f64::from(knots[1] - knots[0]),
                        f64::from(knots[2] - knots[1]),
                    );
                    let shares = [right / (left + right), left / (left + right)];
                    for within in 0..stride {
                        let before = block + i * stride + within;
                        each([before, before + stride, before + 2 * stride], shares);
                    }
                }
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(op: Op) -> TableInterp {
        let Op::TableInterp(table) = op else {
            panic!("no table")
        };
        table
    }

    fn rows(x: Vec<f32>, width: usize, y: impl Fn(&[f32]) -> f32) -> EncodedTable {
        let y: Vec<f32> = x.chunks(width).map(y).collect();
        EncodedTable {
            w: vec![1.0; y.len()],
            x,
            width,
            y,
        }
    }

    #[test]
    fn polyline_is_found() {
        // Knots at the quantiles 0, 1, …, 4 of 0, 0.1, …, 4; the target bends at 1 and 3 alone.
        let bent = |x: &[f32]| {
            if x[0] < 1.0 {
                x[0]
            } else if x[0] < 3.0 {
                2.0 - x[0]
            } else {
                2.0 * x[0] - 7.0
            }
        };
        let rows = rows((0..=40).map(|i| i as f32 / 10.0).collect(), 1, bent);
        let found = table(fit(&rows, [5, 0, 0], 1e-7));
        for (found, expected) in found.values.iter().zip([0.0, 1.0, 0.0, -1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn plane_is_found_even_where_there_are_no_rows() {
        // Rows in an L: the upper right quarter of the table is empty, and goes on straight.
        let grid: Vec<f32> = (0..400)
            .map(|i| [(i % 20) as f32 / 19.0, (i / 20) as f32 / 19.0])
            .filter(|[a, b]| *a < 0.5 || *b < 0.5)
            .flatten()
            .collect();
        let plane = |x: &[f32]| 3.0 * x[0] - 2.0 * x[1] + 0.5;
        let found = table(fit(&rows(grid, 2, plane), [6, 6, 0], 1e-3));
        let mut values = found.values.iter();
        for &a in &found.knots[0] {
            for &b in &found.knots[1] {
                let value = values.next().unwrap();
                assert!((value - plane(&[a, b])).abs() < 1e-3, "{a} {b}: {value}");
            }
        }
    }

    #[test]
    fn trilinear_function_is_found() {
        let grid = (0..1000)
            .flat_map(|i| [i % 10, i / 10 % 10, i / 100].map(|j| j as f32 / 9.0))
            .collect();
        let product = |x: &[f32]| x[0] * x[1] * x[2] - x[1];
        let found = table(fit(&rows(grid, 3, product), [2, 3, 2], 1e-6));
        assert_eq!(found.values.len(), 12);
        let last = found.values[11];
        assert!(
            (last - 0.0).abs() < 1e-3 && (found.values[4] + 1.0).abs() < 1e-3,
            "{:?}",
            found.values
        );
    }

    #[test]
    fn stencil_is_that_of_the_products() {
        // One row in the middle of one cell: each corner 1/4, each product 1/16.
        let rows = EncodedTable {
            x: vec![0.5, 0.5],
            width: 2,
            y: vec![8.0],
            w: vec![2.0],
        };
        let normal = Normal::new(&rows, vec![vec![0.0, 1.0, 2.0], vec![0.0, 1.0]]);
        assert_eq!(normal.moment, [4.0, 4.0, 4.0, 4.0, 0.0, 0.0]);
        // Point 0 with itself (step 0, 0), its neighbors (1, 0), (0, 1) and (1, 1).
        let line = &normal.stencil[..9];
        assert_eq!(line, [0.0, 0.0, 0.0, 0.0, 0.125, 0.125, 0.0, 0.125, 0.125]);
        assert_eq!(normal.steps, [-3, -1, 1, -2, 0, 2, -1, 1, 3]);
    }

    #[test]
    fn tables_keep_within_their_room() {
        let grid: Vec<f32> = (0..3000).map(|i| (i as f32 * 0.618_034).fract()).collect();
        for (width, room) in [(1, 240), (2, 240), (3, 240), (3, 5000)] {
            let rows = rows(grid.clone(), width, |x| x.iter().sum());
            let all = candidates(&rows, room, &|_| 1.0);
            assert!(all.len() > 3);
            assert!(all.iter().all(|(_, op)| op.parameters() <= room));
            assert!(
                all.iter().any(|(_, op)| 3 * op.parameters() >= room),
                "{width} {room}"
            );
        }
    }

    #[test]
    fn constant_column_makes_a_table() {
        let rows = rows([1.0, 0.0, 1.0, 0.5, 1.0, 1.0].into(), 2, |x| x[1]);
        let found = table(fit(&rows, [2, 2, 0], 1e-5));
        assert_eq!(found.knots, [vec![1.0, 2.0], vec![0.0, 1.0]]);
    }
}
