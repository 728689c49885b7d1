//! Interpolation in a table with one to three inputs.

use alloc::{format, string::String, vec::Vec};

/// Maximum number of axes of a table.
const MAX_AXES: usize = 3;

/// Values on a grid, interpolated between its knots: the payload of [`Op::TableInterp`](crate::Op::TableInterp).
///
/// # Formula
///
/// On an axis with knots `k_0 < … < k_m`, the number `x` is clamped to `[k_0, k_m]`. In the cell `[k_i, k_{i+1}]` that contains `x`, with the values
/// `v_i` and `v_{i+1}` at its knots:
///
/// ```text
/// f   = clamp((x − k_i) / (k_{i+1} − k_i), 0, 1)
/// out = (1 − f) · v_i + f · v_{i+1}
/// ```
///
/// The last axis is interpolated first, then the one before it. At a knot, the result is the table's value, bit for bit. Outside the grid, it
/// is the value at the nearest point of the grid's boundary. NaN gives NaN.
///
/// # Shapes
///
/// `[n, axes]` → `[n, 1]`; `values` is `[knots of axis 0, knots of axis 1, …]`; the last axis varies fastest. All knots and
/// values are fitted parameters.
///
/// # Errors
///
/// [`Graph::new`](crate::Graph::new) returns an error if there is no axis or more than three, an axis has fewer than two knots, its knots do not
/// ascend, the number of values is not the number of grid points, or a number is not finite.
///
/// ```
/// use limbeck_runtime::{Graph, Node, Op, TableInterp};
/// let table = TableInterp { knots: vec![vec![0.0, 1.0, 3.0]], values: vec![5.0, 6.0, 10.0] };
/// let graph = Graph::new(1, vec![Node::new(Op::TableInterp(table), [0])])?;
/// assert_eq!(graph.run(&[-1.0, 0.5, 2.0, 9.0], 4), [5.0, 5.5, 8.0, 10.0]);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TableInterp {
    /// The knots of each axis: at least two numbers in ascending order.
    pub knots: Vec<Vec<f32>>,
    /// The value at each point of the grid.
    pub values: Vec<f32>,
}

impl TableInterp {
    /// Number of fitted parameters that a prediction uses: all knots and values.
    pub fn parameters(&self) -> usize {
        self.knots.iter().map(Vec::len).sum::<usize>() + self.values.len()
    }

    /// The reason why the table cannot run on rows of `width` numbers; `None` if it can.
    pub(crate) fn fault(&self, width: usize) -> Option<String> {
        if !(1..=MAX_AXES).contains(&self.knots.len()) {
            return Some(format!(
                "{} axes, 1 to {MAX_AXES} expected",
                self.knots.len()
            ));
        }
        if self.knots.len() != width {
            return Some(format!(
                "number of axes is {}, width of the input is {width}; expected equal numbers",
                self.knots.len()
            ));
        }
        for (axis, knots) in self.knots.iter().enumerate() {
            if knots.len() < 2 {
                return Some(format!(
                    "number of knots of axis {axis} is {}, at least two expected",
                    knots.len()
                ));
            }
            if let Some(at) = knots.iter().position(|x| !x.is_finite()) {
                return Some(format!(
                    "knot {at} of axis {axis} is {}, a finite number expected",
                    knots[at]
                ));
            }
            let width = |pair: &[f32]| pair[1] - pair[0];
            // As for bins: a cell narrower than the smallest normal number would have an infinite slope.
            let fine = |w: f32| w >= f32::MIN_POSITIVE && w.is_finite();
            if !knots.windows(2).all(|pair| fine(width(pair))) {
                return Some(format!(
                    "knots of axis {axis} do not ascend, or two neighbors are too close or too far apart for f32"
                ));
            }
        }
        let points = self
            .knots
            .iter()
            .try_fold(1usize, |points, knots| points.checked_mul(knots.len()));
        if points != Some(self.values.len()) {
            let sizes: Vec<usize> = self.knots.iter().map(Vec::len).collect();
            return Some(format!(
                "number of values is {}, for a grid with {sizes:?} knots along its axes; expected one value per point of the grid",
                self.values.len()
            ));
        }
        let at = self.values.iter().position(|x| !x.is_finite())?;
        Some(format!(
            "value {at} is {}, a finite number expected",
            self.values[at]
        ))
    }

    /// The value for one row, computed axis by axis in simple loops. Tests compare [`Grid`] with it.
    pub(crate) fn at(&self, row: &[f32]) -> f32 {
        interpolate(&self.knots, &self.values, row)
    }
}

fn interpolate(knots: &[Vec<f32>], values: &[f32], row: &[f32]) -> f32 {
    let ([knots, rest @ ..], [x, others @ ..]) = (knots, row) else {
        return values[0];
    };
    let cell = (1..knots.len() - 1).filter(|&i| *x >= knots[i]).count();
    let share = ((x - knots[cell]) / (knots[cell + 1] - knots[cell])).clamp(0.0, 1.0);
    let size = values.len() / knots.len();
    let at = |i: usize| interpolate(rest, &values[i * size..(i + 1) * size], others);
    (1.0 - share) * at(cell) + share * at(cell + 1)
}

/// A table compiled for fast execution: all corners of a cell are read first, then interpolated.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    axes: Vec<Axis>,
    values: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Axis {
    knots: Vec<f32>,
    /// The widths of the cells: `k_{i+1} − k_i`.
    widths: Vec<f32>,
    /// The distance in `values` between one knot of this axis and the next.
    stride: usize,
}

impl Axis {
    /// The index of the cell that contains `x`, and the fraction of that cell that lies below `x`.
    #[inline]
    fn locate(&self, x: f32) -> (usize, f32) {
        let inner = &self.knots[1..self.knots.len() - 1];
        let cell = inner.partition_point(|&knot| x >= knot);
        let share = ((x - self.knots[cell]) / self.widths[cell]).clamp(0.0, 1.0);
        (cell, share)
    }
}

impl Grid {
    pub(crate) fn new(table: &TableInterp) -> Self {
        let mut stride = table.values.len();
        let axis = |knots: &Vec<f32>| {
            stride /= knots.len();
            Axis {
                knots: knots.clone(),
                widths: knots.windows(2).map(|pair| pair[1] - pair[0]).collect(),
                stride,
            }
        };
        Grid {
            axes: table.knots.iter().map(axis).collect(),
            values: table.values.clone(),
        }
    }

    /// Computes the values for all rows of `x`.
    pub(crate) fn run(&self, x: &[f32], to: &mut [f32]) {
        for (row, to) in x.chunks_exact(self.axes.len()).zip(to) {
            *to = self.at(row);
        }
    }

    fn at(&self, row: &[f32]) -> f32 {
        let mut corners = [0usize; 1 << MAX_AXES];
        let mut shares = [0.0f32; MAX_AXES];
        let mut count = 1;
        for (a, (axis, &x)) in self.axes.iter().zip(row).enumerate() {
            let (cell, share) = axis.locate(x);
            shares[a] = share;
            for c in 0..count {
                corners[c] += cell * axis.stride;
                corners[count + c] = corners[c] + axis.stride;
            }
            count *= 2;
        }
        let mut found = corners.map(|corner| self.values.get(corner).copied().unwrap_or(0.0));
        // The second half of the corners lies at the upper end of the axis that is interpolated next.
        for &share in shares[..self.axes.len()].iter().rev() {
            count /= 2;
            for c in 0..count {
                found[c] = (1.0 - share) * found[c] + share * found[count + c];
            }
        }
        found[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Node, Op, Plan};
    use alloc::vec;
    use proptest::prelude::*;

    fn graph(knots: Vec<Vec<f32>>, values: Vec<f32>) -> crate::Result<Graph> {
        let width = knots.len().max(1);
        let table = TableInterp { knots, values };
        Graph::new(width, vec![Node::new(Op::TableInterp(table), [0])])
    }

    fn both(graph: &Graph, x: &[f32]) -> Vec<f32> {
        let n = x.len() / graph.input_width;
        let (plain, mut fast) = (graph.run(x, n), vec![f32::NAN; n]);
        Plan::new(graph).unwrap().run(x, n, &mut fast);
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&plain), bits(&fast), "{plain:?} {fast:?}");
        fast
    }

    #[test]
    fn table_of_two_numbers_matches_hand_values() {
        let graph = graph(
            vec![vec![0.0, 2.0], vec![0.0, 1.0, 2.0]],
            vec![0.0, 1.0, 4.0, 10.0, 11.0, 14.0],
        )
        .unwrap();
        assert_eq!((graph.output_width(), graph.parameters()), (1, 11));
        // First point: the middle of the first cell, (0 + 1 + 10 + 11) / 4. Points outside the grid take the value at the nearest boundary.
        let x = [1.0, 0.5, 0.0, 1.5, 2.0, 2.0, -5.0, 9.0, 9.0, -5.0];
        assert_eq!(both(&graph, &x), [5.5, 2.5, 14.0, 4.0, 10.0]);
    }

    #[test]
    fn table_of_three_numbers_matches_hand_values() {
        // The corners of the cube hold 4 x + 2 y + z, which is linear: interpolation reproduces it everywhere.
        let cube = vec![vec![0.0, 1.0]; 3];
        let graph = graph(cube, (0..8).map(|v| v as f32).collect()).unwrap();
        assert_eq!(
            both(&graph, &[0.5, 0.25, 0.75, 1.0, 0.0, 1.0, 7.0, 0.5, -7.0]),
            [3.25, 5.0, 5.0]
        );
    }

    #[test]
    fn nan_shows_in_output() {
        let graph = graph(vec![vec![0.0, 1.0], vec![0.0, 1.0]], vec![0.0; 4]).unwrap();
        assert!(
            both(&graph, &[f32::NAN, 0.5, 0.5, f32::NAN])
                .iter()
                .all(|x| x.is_nan())
        );
    }

    #[test]
    fn table_rejects_contradictions() {
        let two = || vec![0.0, 1.0];
        let cases = [
            (vec![], vec![], "0 axes"),
            (vec![two(); 4], vec![0.0; 16], "4 axes, 1 to 3"),
            (vec![vec![0.0]], vec![0.0], "knots of axis 0 is 1"),
            (vec![vec![0.0, 0.0]], vec![0.0; 2], "do not ascend"),
            (vec![vec![1.0, 0.0]], vec![0.0; 2], "do not ascend"),
            (
                vec![vec![f32::MIN, f32::MAX]],
                vec![0.0; 2],
                "do not ascend",
            ),
            (
                vec![two(), vec![0.0, f32::NAN]],
                vec![0.0; 4],
                "knot 1 of axis 1 is NaN",
            ),
            (
                vec![two(), two()],
                vec![0.0; 5],
                "number of values is 5, for a grid with [2, 2]",
            ),
            (vec![two()], vec![0.0, f32::INFINITY], "value 1 is inf"),
        ];
        for (knots, values, message) in cases {
            let error = format!("{}", graph(knots, values).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
        let table = TableInterp {
            knots: vec![two()],
            values: vec![0.0; 2],
        };
        let error = Graph::new(2, vec![Node::new(Op::TableInterp(table), [0])]).unwrap_err();
        assert!(
            format!("{error}").contains("number of axes is 1, width of the input is 2"),
            "{error}"
        );
    }

    /// Ascending knots, made from a first knot and positive steps.
    fn knots() -> impl Strategy<Value = Vec<f32>> {
        (-5.0f32..5.0, prop::collection::vec(0.01f32..2.0, 1..7)).prop_map(|(first, steps)| {
            let mut knots = vec![first];
            steps
                .iter()
                .for_each(|step| knots.push(knots[knots.len() - 1] + step));
            knots
        })
    }

    proptest! {
        #[test]
        fn table_is_exact_at_knots_and_held_outside(
            knots in prop::collection::vec(knots(), 1..4),
            numbers in prop::collection::vec(-9.0f32..9.0, 512),
            far in 0.0f32..50.0,
        ) {
            let points: usize = knots.iter().map(Vec::len).product();
            let graph = graph(knots.clone(), numbers.iter().cycle().take(points).copied().collect()).unwrap();
            for point in 0..points {
                let mut rest = point;
                let mut row = vec![0.0; knots.len()];
                let mut outside = row.clone();
                for axis in (0..knots.len()).rev() {
                    let at = rest % knots[axis].len();
                    rest /= knots[axis].len();
                    row[axis] = knots[axis][at];
                    outside[axis] = row[axis]
                        + if at == 0 { -far } else if at + 1 == knots[axis].len() { far } else { 0.0 };
                }
                let value = numbers[point % 512];
                prop_assert_eq!(both(&graph, &row)[0], value);
                prop_assert_eq!(both(&graph, &outside)[0], value);
            }
            let low = numbers.iter().copied().fold(f32::INFINITY, f32::min);
            let high = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let rows = numbers.len() / knots.len() * knots.len();
            for value in both(&graph, &numbers[..rows]) {
                prop_assert!(value >= low - 1e-5 && value <= high + 1e-5);
            }
        }
    }
}
