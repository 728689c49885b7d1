//! The inputs of rows for a network, and windows of rows that are cut when they are needed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::network::Network;

/// Inputs of samples for a network: either one row of numbers for each sample, or *windows*. A window is a stretch of consecutive rows of a table, and
/// windows may overlap. They are cut only when a batch needs them, so that memory grows with the table, and not with samples times steps.
///
/// A clone shares the numbers.
///
/// ```
/// use limbeck_nets::{Positions, Window};
/// // A table of three rows, with one number each, and two windows in it.
/// let windows = vec![Window { first: 0, last: 1 }, Window { first: 0, last: 2 }];
/// let positions = Positions::windows(vec![1.0, 2.0, 3.0], 1, windows)?;
/// assert_eq!(positions.samples(3), 2);
/// let mut rows = Vec::new();
/// positions.cut(&[1, 0], 3, 3, &mut rows);
/// assert_eq!(rows[..3], [1.0, 2.0, 3.0]);
/// assert!(rows[3].is_nan() && rows[4..] == [1.0, 2.0]);
/// # Ok::<(), limbeck_nets::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Positions {
    values: Arc<Vec<f32>>,
    windows: Option<Windows>,
}

#[derive(Clone, Debug, PartialEq)]
struct Windows {
    /// Number of values in a row of the table.
    width: usize,
    windows: Vec<Window>,
}

/// Consecutive rows of a table, from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Index of the oldest row.
    pub first: u32,
    /// Index of the newest row.
    pub last: u32,
}

/// Stretches of series: windows of which the last rows are samples, so that a network with outputs after each of them
/// ([`Network::reads`](crate::Network::reads)) predicts many samples in one pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretches {
    /// One window for each stretch.
    pub positions: Positions,
    /// The sample at each of the last rows of each stretch, `[stretches, reads]`; `None` if the row is no sample, or is one in the stretch before.
    pub samples: Vec<Option<usize>>,
}

impl From<Vec<f32>> for Positions {
    /// One row of numbers for each sample, `[n_samples, inputs]`.
    fn from(values: Vec<f32>) -> Self {
        Self {
            values: Arc::new(values),
            windows: None,
        }
    }
}

impl Extend<f32> for Positions {
    /// Appends numbers to those of the samples, or to the table.
    fn extend<I: IntoIterator<Item = f32>>(&mut self, values: I) {
        Arc::make_mut(&mut self.values).extend(values);
    }
}

impl Positions {
    /// Windows of a table `[n_rows, width]`, one for each sample.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the width is 0, or a window has no row; [`Error::Shape`] if the table has no whole number of rows, or has fewer rows
    /// than a window needs.
    pub fn windows(
        values: impl Into<Arc<Vec<f32>>>,
        width: usize,
        windows: Vec<Window>,
    ) -> Result<Self> {
        let values = values.into();
        let empty = windows.iter().find(|window| window.first > window.last);
        if let Some(window) = empty {
            return Err(Error::InvalidOption {
                option: "window",
                found: format!("rows {} to {}", window.first, window.last),
                expected: "one row or more",
            });
        }
        if width == 0 {
            return Err(Error::InvalidOption {
                option: "width of the table of windows",
                found: "0".into(),
                expected: "at least 1",
            });
        }
        let rows = values.len() / width;
        let needed = windows.iter().map(|window| window.last as usize + 1).max();
        let needed = needed.unwrap_or(0).max(rows) * width;
        expect("the table of windows", values.len(), needed)?;
        Ok(Self {
            values,
            windows: Some(Windows { width, windows }),
        })
    }

    /// All numbers: those of the samples, or those of the table.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of samples for a network with `inputs` inputs per sample.
    #[must_use]
    pub fn samples(&self, inputs: usize) -> usize {
        match &self.windows {
            Some(own) => own.windows.len(),
            None => self.values.len() / inputs.max(1),
        }
    }

    /// Copies the inputs of the samples with the indices `ids` to `rows`, which becomes `[ids, inputs]`. Of a window, these are its last rows, at most
    /// as many as the network takes. If the window has fewer, the first numbers are NaN.
    ///
    /// # Panics
    ///
    /// Panics if there is no sample with an index in `ids`, or if the table of windows has another width than a step of the network.
    pub fn gather(&self, ids: &[u32], network: &impl Network, rows: &mut Vec<f32>) {
        self.cut(ids, network.inputs(), network.window(), rows);
    }

    /// [`gather`](Self::gather) for a network with `inputs` inputs and a window of `steps` steps.
    ///
    /// # Panics
    ///
    /// As [`gather`](Self::gather).
    pub fn cut(&self, ids: &[u32], inputs: usize, steps: usize, rows: &mut Vec<f32>) {
        let Some(own) = &self.windows else {
            gather(&self.values, inputs, ids, rows);
            return;
        };
        assert_eq!(own.width * steps, inputs, "numbers of a window");
        rows.resize(ids.len() * inputs, 0.0);
        for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(inputs)) {
            let Window { first, last } = own.windows[id as usize];
            let (first, end) = (first as usize, last as usize + 1);
            let values = &self.values[first.max(end.saturating_sub(steps)) * own.width..];
            let values = &values[..(end - first).min(steps) * own.width];
            let (absent, present) = row.split_at_mut(inputs - values.len());
            absent.fill(f32::NAN);
            present.copy_from_slice(values);
        }
    }

    /// Calls `each` with the inputs of consecutive samples, at most `block` of them at a time: `[n, inputs]`.
    ///
    /// # Panics
    ///
    /// Panics if the table of windows has another width than a step of the network.
    pub fn in_blocks(&self, network: &impl Network, block: usize, mut each: impl FnMut(&[f32])) {
        let inputs = network.inputs();
        if self.windows.is_none() {
            self.values.chunks(block * inputs).for_each(each);
            return;
        }
        let (mut rows, mut ids) = (Vec::new(), Vec::new());
        let n = self.samples(inputs);
        for from in (0..n).step_by(block) {
            ids.clear();
            ids.extend((from..n.min(from + block)).map(|id| id as u32));
            self.gather(&ids, network, &mut rows);
            each(&rows);
        }
    }

    /// Samples of several positions in the order of `picks`, which has the index of a part and of a sample in it. `width` is the number of inputs per
    /// sample if samples are rows; it has no effect on windows. The parts must be of one kind. Windows of one table keep sharing it, and the tables of
    /// several are joined.
    ///
    /// # Panics
    ///
    /// Panics if there is no such part or sample, or if windows are mixed with rows.
    #[must_use]
    pub fn pick(parts: &[&Self], picks: &[(usize, usize)], width: usize) -> Self {
        let Some(own) = parts.iter().find_map(|part| part.windows.as_ref()) else {
            let row = |&(part, at): &(usize, usize)| &parts[part].values[at * width..][..width];
            return picks.iter().map(row).collect::<Vec<_>>().concat().into();
        };
        let (values, shifts) = joined(parts, own.width);
        let window = |&(part, at): &(usize, usize)| {
            let (Window { first, last }, shift) = (parts[part].window(at), shifts[part]);
            Window {
                first: first + shift,
                last: last + shift,
            }
        };
        let windows = picks.iter().map(window).collect();
        Self {
            values,
            windows: Some(Windows {
                width: own.width,
                windows,
            }),
        }
    }

    /// The samples whose windows begin in the same row, as pairs of the last row of the window and the sample, in the order of the rows; empty if samples
    /// are rows. If windows begin with their series, these are the samples of one series.
    #[must_use]
    pub fn by_first_row(&self) -> BTreeMap<u32, Vec<(u32, usize)>> {
        let mut all: BTreeMap<u32, Vec<(u32, usize)>> = BTreeMap::new();
        let windows = self.windows.iter().flat_map(|own| &own.windows);
        for (sample, window) in windows.enumerate() {
            let own = all.entry(window.first).or_default();
            own.push((window.last, sample));
        }
        all.values_mut().for_each(|own| own.sort_unstable());
        all
    }

    /// Cuts series into stretches of at most `steps` rows, of which the last `reads` may be samples. The windows of the samples must begin with their
    /// series, and end in different rows.
    ///
    /// # Panics
    ///
    /// Panics if `reads` is 0 or more than `steps`, or if samples are rows.
    #[must_use]
    pub fn stretches(&self, steps: usize, reads: usize) -> Stretches {
        let Some(own) = &self.windows else {
            assert!(self.values.is_empty(), "stretches need windows");
            return Stretches::default();
        };
        let (mut windows, mut samples) = (Vec::new(), Vec::new());
        for (first, series) in self.by_first_row() {
            let place = |row: u32| (row - first) as usize / reads;
            for part in series.chunk_by(|a, b| place(a.0) == place(b.0)) {
                let last = part[part.len() - 1].0;
                let at = samples.len();
                samples.resize(at + reads, None);
                for &(row, sample) in part {
                    samples[at + reads - 1 - (last - row) as usize] = Some(sample);
                }
                // A stretch begins in the same row, whichever of its rows are samples.
                let from = (place(last) * reads).saturating_sub(steps - reads);
                windows.push(Window {
                    first: first + from as u32,
                    last,
                });
            }
        }
        let width = own.width;
        let (values, windows) = (Arc::clone(&self.values), Some(Windows { width, windows }));
        let positions = Self { values, windows };
        Stretches { positions, samples }
    }

    /// The rows of the table that are in at least one window, each once; all values if samples are rows.
    pub(crate) fn used(&self) -> Cow<'_, [f32]> {
        let Some(own) = &self.windows else {
            return Cow::Borrowed(&self.values);
        };
        let mut is_used = vec![false; self.values.len() / own.width];
        for window in &own.windows {
            is_used[window.first as usize..=window.last as usize].fill(true);
        }
        let rows = self.values.chunks_exact(own.width).zip(is_used);
        let used = rows.filter(|(_, is_used)| *is_used);
        Cow::Owned(used.flat_map(|(row, _)| row).copied().collect())
    }

    fn window(&self, at: usize) -> Window {
        match &self.windows {
            Some(own) => own.windows[at],
            None => panic!("windows are mixed with rows"),
        }
    }

    /// All samples as rows, `[n_samples, inputs]`: windows are cut.
    #[must_use]
    pub fn rows(&self, network: &impl Network) -> Cow<'_, [f32]> {
        if self.windows.is_none() {
            return Cow::Borrowed(&self.values);
        }
        let n = self.samples(network.inputs());
        let (ids, mut rows): (Vec<u32>, _) = ((0..n).map(|id| id as u32).collect(), Vec::new());
        self.gather(&ids, network, &mut rows);
        Cow::Owned(rows)
    }

    /// Fails if the numbers do not fit a network.
    pub(crate) fn check(&self, network: &impl Network) -> Result<()> {
        let inputs = network.inputs();
        match &self.windows {
            Some(own) => expect("a row of the table", own.width * network.window(), inputs),
            None => {
                let n = self.samples(inputs);
                expect("the position matrix", self.values.len(), n * inputs)
            }
        }
    }
}

/// One table with the rows of all parts, and the index in it of each part's first row. Parts that share one table keep it. `width` is the number of
/// values in a row.
fn joined(parts: &[&Positions], width: usize) -> (Arc<Vec<f32>>, Vec<u32>) {
    let mut tables = parts.iter().map(|part| &part.values);
    let mut used = tables.clone().filter(|table| !table.is_empty());
    if let Some(first) = used.next()
        && used.all(|table| Arc::ptr_eq(table, first))
    {
        return (Arc::clone(first), vec![0; parts.len()]);
    }
    let mut values = Vec::new();
    let shift = |table: &Arc<Vec<f32>>| {
        let rows = values.len() / width;
        values.extend_from_slice(table);
        rows as u32
    };
    let shifts = tables.by_ref().map(shift).collect();
    (Arc::new(values), shifts)
}

/// Copies the rows with the indices `ids` from `values` to `rows`; a row has `width` values.
pub(crate) fn gather(values: &[f32], width: usize, ids: &[u32], rows: &mut Vec<f32>) {
    rows.resize(ids.len() * width, 0.0);
    // A call per short row would keep the processor from fetching many rows at once from afar: widths known to the compiler.
    macro_rules! by_width {
        ($($known:literal)*) => {
            match width {
                $($known => gather_known::<$known>(values, ids, rows),)*
                _ => {
                    for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(width)) {
                        row.copy_from_slice(&values[id as usize * width..][..width]);
                    }
                }
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
}

fn gather_known<const WIDTH: usize>(values: &[f32], ids: &[u32], rows: &mut [f32]) {
    let (values, _) = values.as_chunks::<WIDTH>();
    let (rows, _) = rows.as_chunks_mut::<WIDTH>();
    for (&id, row) in ids.iter().zip(rows) {
        *row = values[id as usize];
    }
}

fn expect(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        found,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InputLayout, MlpShape, Segment};

    fn network() -> MlpShape {
        let segments = vec![Segment::Linear; 2];
        MlpShape::new(InputLayout { segments }, vec![1], 1).unwrap()
    }

    fn window(first: u32, last: u32) -> Window {
        Window { first, last }
    }

    /// Rows `[0, 10]`, `[1, 11]`, … of a table.
    fn table(rows: usize, from: f32) -> Vec<f32> {
        (0..rows)
            .flat_map(|i| [from + i as f32, from + 10.0 + i as f32])
            .collect()
    }

    #[test]
    fn windows_are_cut_as_worked_by_hand() {
        let windows = vec![window(0, 0), window(1, 2), window(0, 3)];
        let positions = Positions::windows(table(4, 0.0), 2, windows).unwrap();
        let mut rows = Vec::new();
        positions.cut(&[2, 0, 1], 4, 2, &mut rows);
        assert_eq!(rows[..4], [2.0, 12.0, 3.0, 13.0]);
        assert!(rows[4..6].iter().all(|x| x.is_nan()));
        assert_eq!(rows[6..], [0.0, 10.0, 1.0, 11.0, 2.0, 12.0]);
        assert_eq!(positions.samples(4), 3);
        // A network without memory reads the newest row.
        assert_eq!(
            *positions.rows(&network()),
            [0.0, 10.0, 2.0, 12.0, 3.0, 13.0]
        );
    }

    #[test]
    fn blocks_are_all_samples() {
        let windows = vec![window(0, 0), window(1, 2), window(0, 3)];
        let cut = Positions::windows(table(4, 0.0), 2, windows).unwrap();
        let rows = Positions::from(cut.rows(&network()).into_owned());
        for positions in [cut, rows] {
            let mut all = Vec::new();
            positions.in_blocks(&network(), 2, |rows| all.push(rows.to_vec()));
            assert_eq!(all, [vec![0.0, 10.0, 2.0, 12.0], vec![3.0, 13.0]]);
        }
    }

    #[test]
    fn picks_share_a_table_or_join_two() {
        let own = Positions::windows(table(3, 0.0), 2, vec![window(0, 1), window(0, 2)]).unwrap();
        let other = Positions::windows(table(2, 100.0), 2, vec![window(0, 0)]).unwrap();
        let none = Positions::default();
        let shared = Positions::pick(&[&own, &own, &none], &[(1, 0), (0, 1)], 2);
        assert!(Arc::ptr_eq(&shared.values, &own.values));
        let picked = |positions: &Positions| positions.windows.clone().unwrap().windows;
        assert_eq!(picked(&shared), [window(0, 1), window(0, 2)]);
        let both = Positions::pick(&[&own, &other], &[(1, 0), (0, 1)], 2);
        assert_eq!(picked(&both), [window(3, 3), window(0, 2)]);
        assert_eq!(both.values()[6..], table(2, 100.0));
        let rows = [vec![1.0, 2.0, 3.0, 4.0].into(), vec![5.0, 6.0].into()];
        let rows = Positions::pick(&[&rows[0], &rows[1]], &[(1, 0), (0, 1)], 2);
        assert_eq!(rows.values(), [5.0, 6.0, 3.0, 4.0]);
    }

    #[test]
    fn stretches_are_cut_as_worked_by_hand() {
        // A series in rows 0 to 5, of which row 3 is no sample, and one in rows 6 and 7.
        let rows = [(6, 7), (0, 0), (0, 1), (0, 5), (0, 2), (0, 4), (6, 6)];
        let windows = rows.map(|(first, last)| window(first, last)).to_vec();
        let positions = Positions::windows(table(8, 0.0), 2, windows).unwrap();
        let found = positions.stretches(5, 3);
        let cut = &found.positions.windows.as_ref().unwrap().windows;
        assert_eq!(*cut, [window(0, 2), window(1, 5), window(6, 7)]);
        let samples = [
            [Some(1), Some(2), Some(4)],
            [None, Some(5), Some(3)],
            [None, Some(6), Some(0)],
        ];
        assert_eq!(found.samples, samples.concat());
        assert!(Arc::ptr_eq(&found.positions.values, &positions.values));
        // A last stretch that is shorter overlaps the one before, whose rows are not read again.
        let found = positions.stretches(5, 4);
        let cut = &found.positions.windows.as_ref().unwrap().windows;
        assert_eq!(*cut, [window(0, 2), window(3, 5), window(6, 7)]);
        assert_eq!(found.samples[4..8], [None, None, Some(5), Some(3)]);
    }

    #[test]
    fn windows_reject_what_does_not_fit() {
        let refused = |values, width, one| Positions::windows(values, width, vec![one]).is_err();
        assert!(refused(table(2, 0.0), 2, window(1, 0)));
        assert!(refused(table(2, 0.0), 2, window(0, 2)));
        assert!(refused(table(2, 0.0), 3, window(0, 0)));
        assert!(refused(table(2, 0.0), 0, window(0, 0)));
        let fine = Positions::windows(table(2, 0.0), 2, vec![window(0, 1)]).unwrap();
        assert!(fine.check(&network()).is_ok());
        let narrow = Positions::windows(table(2, 0.0), 1, vec![window(0, 1)]).unwrap();
        assert!(narrow.check(&network()).is_err());
    }
}
