//! Positions: the form in which a network reads a row.
//!
//! A piecewise-linear encoding (PLE) with edges `e_0 < … < e_K` turns a number `x` into `K` inputs `clamp((x − e_k) / (e_{k+1} − e_k), 0, 1)`: ones
//! for the bins below `x`, a fraction for the bin of `x`, zeros for the bins above. One number carries the same information: the *position*
//! `p = k + (x − e_k) / (e_{k+1} − e_k)` in `[0, K]`, where `k` is the bin of `x`. Input `k` of the encoding is `clamp(p − k, 0, 1)`. The position of
//! a one-hot code is the index of its level. So a row has one number per number column or category, whatever the number of bins. The first layer is a
//! table lookup with interpolation, instead of a product with a vector that is mostly constant.

use serde::{Deserialize, Serialize};

/// How the first layer reads one position: the kind of one input column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Segment {
    /// A plain number. The position is the encoded value; it is multiplied by one row of weights.
    Linear,
    /// A number with a piecewise-linear encoding between ascending `edges`: one row of weights per bin.
    Spline {
        /// `bins + 1` ascending edges, in the unit of the encoded column.
        edges: Vec<f32>,
    },
    /// A category: one row of weights per level. The position is the index of the level, or −1 if all encoded columns of the
    /// category are 0 in a data row.
    OneHot {
        /// Number of levels of the category: one encoded column each.
        levels: usize,
    },
}

impl Segment {
    /// Number of rows of the first layer's weight matrix that belong to this segment.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Linear => 1,
            Self::Spline { edges } => edges.len() - 1,
            Self::OneHot { levels } => *levels,
        }
    }

    /// Number of encoded columns that become one position: one per level of a category, otherwise 1.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::OneHot { levels } => *levels,
            Self::Linear | Self::Spline { .. } => 1,
        }
    }

    /// Number of fitted values other than weights: the number of edges, or 0.
    #[must_use]
    pub fn parameters(&self) -> usize {
        match self {
            Self::Spline { edges } => edges.len(),
            Self::Linear | Self::OneHot { .. } => 0,
        }
    }

    fn position(&self, encoded: &[f32]) -> f32 {
        let level = || encoded.iter().position(|&x| x > 0.5);
        match self {
            Self::Linear => encoded[0],
            Self::Spline { edges } => spline_position(edges, encoded[0]),
            Self::OneHot { .. } => level().map_or(-1.0, |level| level as f32),
        }
    }
}

/// The position of `x` among `edges`: a number in `[0, bins]`, also if `x` is outside the edges.
fn spline_position(edges: &[f32], x: f32) -> f32 {
    let bins = edges.len() - 1;
    let bin = edges[1..bins].partition_point(|&edge| edge <= x);
    let fraction = (x - edges[bin]) / (edges[bin + 1] - edges[bin]);
    bin as f32 + fraction.clamp(0.0, 1.0)
}

/// The input columns of a network: one segment per number column or category, in the order of the encoded columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InputLayout {
    /// The segments, one for each position of a row.
    pub segments: Vec<Segment>,
}

impl InputLayout {
    /// Number of encoded columns from which the positions of a row are made.
    #[must_use]
    pub fn width(&self) -> usize {
        self.segments.iter().map(Segment::width).sum()
    }

    /// Number of rows of the first layer's weight matrix: the number of inputs that a plain dense layer would have.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.segments.iter().map(Segment::rows).sum()
    }

    /// Number of fitted values other than weights: the number of all edges.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.segments.iter().map(Segment::parameters).sum()
    }

    /// Turns encoded rows into positions.
    ///
    /// # Shapes
    ///
    /// `encoded` is `[n_samples, width]`, row-major; the result is `[n_samples, segments]`.
    #[must_use]
    pub fn positions(&self, encoded: &[f32]) -> Vec<f32> {
        let width = self.width();
        let mut out = Vec::with_capacity(encoded.len() / width.max(1) * self.segments.len());
        for row in encoded.chunks_exact(width.max(1)) {
            let mut at = 0;
            for segment in &self.segments {
                out.push(segment.position(&row[at..at + segment.width()]));
                at += segment.width();
            }
        }
        out
    }

    /// The edges of each encoded column, as the graph's operation [`Ple`](limbeck_runtime::Op::Ple) requires them. A column with an empty list passes
    /// through unchanged.
    #[must_use]
    pub fn ple_edges(&self) -> Vec<Vec<f32>> {
        let mut edges = Vec::with_capacity(self.width());
        for segment in &self.segments {
            match segment {
                Segment::Spline { edges: e } => edges.push(e.clone()),
                Segment::Linear => edges.push(Vec::new()),
                Segment::OneHot { levels } => {
                    edges.extend(std::iter::repeat_n(Vec::new(), *levels))
                }
            }
        }
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> InputLayout {
        InputLayout {
            segments: vec![
                Segment::Spline {
                    edges: vec![0.0, 1.0, 3.0],
                },
                Segment::OneHot { levels: 3 },
                Segment::Linear,
            ],
        }
    }

    #[test]
    fn positions_are_those_worked_by_hand() {
        let encoded = [
            2.0, 0.0, 1.0, 0.0, 0.25, -5.0, 0.0, 0.0, 0.0, 7.0, 9.0, 0.0, 0.0, 1.0, 1.0,
        ];
        let expected = [1.5, 1.0, 0.25, 0.0, -1.0, 7.0, 2.0, 2.0, 1.0];
        assert_eq!(layout().positions(&encoded), expected);
    }

    #[test]
    fn an_edge_belongs_to_the_bin_that_it_opens() {
        assert_eq!(spline_position(&[0.0, 1.0, 3.0], 1.0), 1.0);
        assert_eq!(spline_position(&[0.0, 2.0], 1.0), 0.5);
    }

    #[test]
    fn ple_edges_cover_every_encoded_column() {
        let edges = layout().ple_edges();
        assert_eq!(edges.len(), layout().width());
        assert_eq!(edges[0], [0.0, 1.0, 3.0]);
        assert!(edges[1..].iter().all(Vec::is_empty));
    }
}
