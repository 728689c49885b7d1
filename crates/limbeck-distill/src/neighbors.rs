//! Approximate nearest neighbors of every row, in less than quadratic time.
//!
//! The method is a k-d tree over scaled coordinates. Each node is split at the median of the coordinate with the largest range. A query searches at
//! most [`LEAVES`] leaves, the nearest first, so its cost is bounded. In many dimensions, the neighbors are therefore approximate, which is enough
//! for augmentation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

const LEAF: usize = 12;
const LEAVES: usize = 12;

/// A k-d tree over the rows of a matrix `[n, width]`.
pub(crate) struct Tree<'a> {
    points: &'a [f32],
    width: usize,
    /// Row indices, ordered so that each leaf has a contiguous range.
    order: Vec<u32>,
    nodes: Vec<Node>,
}

enum Node {
    Leaf {
        from: usize,
        to: usize,
    },
    Split {
        axis: usize,
        at: f32,
        low: usize,
        high: usize,
    },
}

/// A squared distance that can be sorted.
#[derive(PartialEq)]
struct Key(f32);

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl<'a> Tree<'a> {
    pub(crate) fn new(points: &'a [f32], width: usize) -> Self {
        let n = points.len() / width;
        let mut tree = Self {
            points,
            width,
            order: (0..n as u32).collect(),
            nodes: Vec::new(),
        };
        if n > 0 {
            tree.build(0, n);
        }
        tree
    }

    fn coordinate(&self, row: u32, axis: usize) -> f32 {
        self.points[row as usize * self.width + axis]
    }

    fn build(&mut self, from: usize, to: usize) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node::Leaf { from, to });
        if to - from <= LEAF {
            return index;
        }
        let (axis, extent) = self.widest(from, to);
        if extent <= 0.0 {
            return index;
        }
        let middle = (from + to) / 2;
        let (points, width) = (self.points, self.width);
        let key = |row: &u32| points[*row as usize * width + axis];
        self.order[from..to].select_nth_unstable_by(middle - from, |a, b| {
            key(a).total_cmp(&key(b)).then(a.cmp(b))
        });
        let at = self.coordinate(self.order[middle], axis);
        let low = self.build(from, middle);
        let high = self.build(middle, to);
        self.nodes[index] = Node::Split {
            axis,
            at,
            low,
            high,
        };
        index
    }

    fn widest(&self, from: usize, to: usize) -> (usize, f32) {
        let mut best = (0, 0.0);
        for axis in 0..self.width {
            let values = self.order[from..to]
                .iter()
                .map(|&row| self.coordinate(row, axis));
            let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| {
                (l.min(v), h.max(v))
            });
            if high - low > best.1 {
                best = (axis, high - low);
            }
        }
        best
    }

    /// Up to `k` rows near the row `row`, nearest first, without `row` itself.
    pub(crate) fn near(&self, row: usize, k: usize) -> Vec<u32> {
        let query = &self.points[row * self.width..][..self.width];
        let mut found: BinaryHeap<(Key, u32)> = BinaryHeap::new();
        let mut open = BinaryHeap::from([Reverse((Key(0.0), 0usize))]);
        let mut leaves = 0;
        while let Some(Reverse((Key(bound), node))) = open.pop() {
            let full = found.len() == k;
            if leaves == LEAVES || full && found.peek().is_some_and(|(worst, _)| worst.0 <= bound) {
                break;
            }
            match self.nodes[node] {
                Node::Split {
                    axis,
                    at,
                    low,
                    high,
                } => {
                    let gap = query[axis] - at;
                    let (near, far) = if gap < 0.0 { (low, high) } else { (high, low) };
                    open.push(Reverse((Key(bound), near)));
                    open.push(Reverse((Key(bound.max(gap * gap)), far)));
                }
                Node::Leaf { from, to } => {
                    leaves += 1;
                    for &other in self.order[from..to]
                        .iter()
                        .filter(|&&other| other as usize != row)
                    {
                        let point = &self.points[other as usize * self.width..][..self.width];
                        let distance = point
                            .iter()
                            .zip(query)
                            .map(|(a, b)| (a - b) * (a - b))
                            .sum();
                        found.push((Key(distance), other));
                        if found.len() > k {
                            found.pop();
                        }
                    }
                }
            }
        }
        found
            .into_sorted_vec()
            .into_iter()
            .map(|(_, row)| row)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn near_rows_agree_with_brute_force_in_two_dimensions() {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(4);
        let points: Vec<f32> = (0..600).map(|_| rng.random_range(-1.0..1.0)).collect();
        let tree = Tree::new(&points, 2);
        let distance = |a: usize, b: usize| {
            (points[2 * a] - points[2 * b]).powi(2)
                + (points[2 * a + 1] - points[2 * b + 1]).powi(2)
        };
        for row in 0..300 {
            let mut all: Vec<usize> = (0..300).filter(|&other| other != row).collect();
            all.sort_by(|&a, &b| distance(row, a).total_cmp(&distance(row, b)));
            let near: Vec<usize> = tree.near(row, 3).into_iter().map(|r| r as usize).collect();
            assert_eq!(near, all[..3]);
        }
    }

    #[test]
    fn equal_rows_are_each_others_neighbors() {
        let points = vec![1.0; 40];
        assert_eq!(Tree::new(&points, 2).near(3, 2).len(), 2);
    }
}
