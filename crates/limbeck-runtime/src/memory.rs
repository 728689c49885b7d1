//! How far back a recurrent student remembers, and what a stream keeps for that.

use crate::{Plan, Scratch};
use alloc::{format, string::String, vec, vec::Vec};
use core::ops::Range;
use serde::{Deserialize, Serialize};

/// Maximum number of rows of a rolling memory.
const MOST_ROWS: u32 = 10_000;
/// Maximum number of encoded f32 (64 MB) in the rows of a rolling memory. It bounds the memory of a stream of a student from a small file.
const MOST_NUMBERS: usize = 1 << 24;

/// Which earlier rows of a series a recurrent student uses for a prediction.
///
/// ```
/// use limbeck_runtime::Memory;
/// // A series begins at row 100 of a table; the row 105 is predicted.
/// assert_eq!(Memory::Rolling(4).window(100, 105), 102..106);
/// assert_eq!(Memory::Rolling(9).window(100, 105), 100..106);
/// assert_eq!(Memory::Carried.window(100, 105), 100..106);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// The last rows of the series, with the row to predict, from state 0: as many as this number from 1 to 10 000, or fewer at the start of the
    /// series. The prediction does not depend on any row before them.
    Rolling(u32),
    /// All rows of the series so far: the state runs on from its first row.
    Carried,
}

impl Memory {
    /// The rows of a table that a prediction of the row `row` uses, in a series whose rows begin at `run_start`; the last of them is `row`.
    pub fn window(self, run_start: usize, row: usize) -> Range<usize> {
        let end = row + 1;
        match self {
            Memory::Rolling(rows) => run_start.max(end.saturating_sub(rows as usize))..end,
            Memory::Carried => run_start..end,
        }
    }

    /// Why a student with encoded rows of this width cannot have this memory; `None` if it can.
    pub(crate) fn fault(self, width: usize) -> Option<String> {
        let Memory::Rolling(rows) = self else {
            return None;
        };
        if !(1..=MOST_ROWS).contains(&rows) {
            return Some(format!(
                "its memory is the last {rows} rows; expected 1 to {MOST_ROWS} rows"
            ));
        }
        (rows as usize * width > MOST_NUMBERS).then(|| {
            format!(
                "its memory is {rows} rows of {width} encoded numbers; expected at most {MOST_NUMBERS} numbers"
            )
        })
    }
}

/// What a stream of a recurrent student keeps: the last encoded rows, or the state.
#[derive(Clone, Debug)]
pub(crate) enum Recall {
    /// The encoded rows of [`Memory::Rolling`] in a ring.
    Rolling {
        /// Width of a row.
        width: usize,
        /// Number of rows that the ring holds when it is full.
        rows: usize,
        /// The rows, `[rows so far, width]`. If the ring is full, the next row replaces the oldest.
        ring: Vec<f32>,
        /// Index of the oldest row in the ring; 0 until the ring is full.
        oldest: usize,
    },
    /// The state of [`Memory::Carried`] after the last row.
    Carried(Vec<f32>),
}

impl Recall {
    pub(crate) fn new(memory: Memory, plan: &Plan) -> Self {
        match memory {
            Memory::Rolling(rows) => Recall::Rolling {
                width: plan.input_width(),
                rows: rows as usize,
                ring: Vec::new(),
                oldest: 0,
            },
            Memory::Carried => Recall::Carried(vec![0.0; plan.state_width()]),
        }
    }

    /// Adds the encoded row `x`, and writes the outputs of the plan for it.
    pub(crate) fn push(&mut self, x: &[f32], plan: &Plan, scratch: &mut Scratch, out: &mut [f32]) {
        match self {
            Recall::Carried(state) => plan.advance(x, state, scratch, out),
            Recall::Rolling {
                width,
                rows,
                ring,
                oldest,
            } => {
                if ring.len() < *rows * *width {
                    ring.extend(x);
                } else {
                    ring[*oldest * *width..][..*width].copy_from_slice(x);
                    *oldest = (*oldest + 1) % *rows;
                }
                let (later, earlier) = ring.split_at(*oldest * *width);
                plan.run_parts([earlier, later], scratch, out);
            }
        }
    }

    /// Forgets all rows.
    pub(crate) fn reset(&mut self) {
        match self {
            Recall::Carried(state) => state.fill(0.0),
            Recall::Rolling { ring, oldest, .. } => {
                ring.clear();
                *oldest = 0;
            }
        }
    }

    /// The kept numbers: the rows, the oldest first, or the state.
    pub(crate) fn kept(&self) -> impl Iterator<Item = f32> {
        let (first, second) = match self {
            Recall::Carried(state) => (&state[..], &[][..]),
            Recall::Rolling {
                width,
                ring,
                oldest,
                ..
            } => {
                let (later, earlier) = ring.split_at(oldest * width);
                (earlier, later)
            }
        };
        first.iter().chain(second).copied()
    }

    /// True if there may be this many kept numbers.
    pub(crate) fn fits(&self, count: usize) -> bool {
        match self {
            Recall::Carried(state) => count == state.len(),
            Recall::Rolling { width, rows, .. } => {
                count.is_multiple_of(*width) && count <= rows * width
            }
        }
    }

    /// Replaces the kept numbers by those of [`kept`](Self::kept); [`fits`](Self::fits) has to be true for them.
    pub(crate) fn restore(&mut self, kept: impl Iterator<Item = f32>) {
        self.reset();
        match self {
            Recall::Carried(state) => state.iter_mut().zip(kept).for_each(|(to, x)| *to = x),
            Recall::Rolling { ring, .. } => ring.extend(kept),
        }
    }
}

/// Rows of a table that run one after the other, for the prediction of the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The rows to run.
    pub(crate) rows: Range<usize>,
    /// True if they follow the rows of the stretch before, so that the state runs on; else it begins with 0.
    pub(crate) goes_on: bool,
}

/// The rows to run for each window. A window that begins where the window before it begins, and ends later, needs only the rows after that one.
pub(crate) fn stretches(windows: &[Range<usize>]) -> Vec<Stretch> {
    let mut before = 0..0;
    let of = |window: &Range<usize>| {
        let goes_on = window.start == before.start && window.end > before.end && before.end > 0;
        let from = if goes_on { before.end } else { window.start };
        before = window.clone();
        let rows = from..window.end;
        Stretch { rows, goes_on }
    };
    windows.iter().map(of).collect()
}

/// The first of the stretches, as many as together span at most `most` rows of the table, but at least one; and these rows.
pub(crate) fn first_batch(stretches: &[Stretch], most: usize) -> (usize, Range<usize>) {
    let mut all: Option<Range<usize>> = None;
    let mut count = 0;
    for Stretch { rows, .. } in stretches {
        let joined = all.as_ref().map_or(rows.clone(), |all| {
            all.start.min(rows.start)..all.end.max(rows.end)
        });
        if count > 0 && joined.len() > most {
            break;
        }
        (all, count) = (Some(joined), count + 1);
    }
    (count, all.unwrap_or_default())
}

/// How many of the first stretches can run side by side, at most `most`, but at least one: they have the same length, each begins with state 0, and no
/// stretch goes on from their states.
pub(crate) fn side_by_side(stretches: &[Stretch], most: usize) -> usize {
    let length = stretches.first().map_or(0, |first| first.rows.len());
    let goes_on = |at: usize| stretches.get(at).is_some_and(|next| next.goes_on);
    let is_alike =
        |&at: &usize| stretches[at].rows.len() == length && !goes_on(at) && !goes_on(at + 1);
    let alike = (0..stretches.len().min(most)).take_while(is_alike);
    alike.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_with_the_same_start_go_on() {
        let found = stretches(&[0..1, 0..3, 1..4, 1..4, 4..5, 4..6, 0..7]);
        let expected = [
            (0..1, false),
            (1..3, true),
            (1..4, false),
            (1..4, false),
            (4..5, false),
            (5..6, true),
            (0..7, false),
        ];
        let expected = expected.map(|(rows, goes_on)| Stretch { rows, goes_on });
        assert_eq!(found, expected);
        assert_eq!(first_batch(&found, 4), (4, 0..4));
        assert_eq!(first_batch(&found[4..], 1), (1, 4..5));
        assert_eq!(first_batch(&found[6..], 1), (1, 0..7));
        assert_eq!(first_batch(&[], 9), (0, 0..0));
        // 1..4 twice; 4..5 has another length, and 5..6 goes on from it.
        assert_eq!(side_by_side(&found[2..], 9), 2);
        assert_eq!(side_by_side(&found[2..], 1), 1);
        assert_eq!(side_by_side(&found[4..], 9), 1);
        assert_eq!(side_by_side(&stretches(&[0..2, 1..3, 2..4, 2..5]), 9), 2);
    }

    #[test]
    fn memory_is_bounded() {
        assert_eq!(Memory::Carried.fault(1 << 20), None);
        assert_eq!(Memory::Rolling(1).fault(1 << 20), None);
        assert_eq!(Memory::Rolling(10_000).fault(8), None);
        let reason = |rows, width| Memory::Rolling(rows).fault(width).unwrap();
        assert!(reason(0, 8).contains("the last 0 rows; expected 1 to 10000"));
        assert!(reason(10_001, 8).contains("the last 10001 rows"));
        assert!(reason(10_000, 1 << 20).contains("at most 16777216 numbers"));
    }
}
