//! The split into training, validation and test rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use crate::error::{did_you_mean, nearest, quoted};
use crate::figures::counted;
use crate::{Error, Result};

/// Fold number of a row without an out-of-fold prediction: no fold's teacher predicts it.
pub const NO_FOLD: u32 = u32::MAX;

/// The split: positions (from 0) of the training, validation and test rows of a data set. Each list is ascending, and no row is in two lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Training rows: models are fitted on them.
    pub train: Vec<usize>,
    /// Validation rows: models are chosen on them.
    pub valid: Vec<usize>,
    /// Test rows: used once, for the report.
    pub test: Vec<usize>,
}

impl Split {
    /// Training and validation rows together, ascending: the rows for the teacher and the final student.
    #[must_use]
    pub fn train_valid(&self) -> Vec<usize> {
        let mut rows = [self.train.as_slice(), &self.valid].concat();
        rows.sort_unstable();
        rows
    }
}

/// How rows depend on each other. This decides how folds and held-out rows are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldKind {
    /// Rows are independent.
    #[default]
    Random,
    /// Rows of a group stay together.
    Group,
    /// Models learn from earlier rows and predict later rows.
    Time,
}

/// The part of the split that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SplitPart {
    Train,
    Valid,
    Test,
    Dropped,
}

/// Which rows must be held out together: rows of the same group, or rows with the same time.
pub(crate) enum Ties<'a> {
    None,
    Group(&'a [u32]),
    Time(&'a [i64]),
}

impl<'a> Ties<'a> {
    /// Ties by group if groups are given, else by time if times are given, else none.
    pub(crate) fn of(group: Option<&'a [u32]>, time: Option<&'a [i64]>) -> Self {
        match (group, time) {
            (Some(group), _) => Self::Group(group),
            (None, Some(time)) => Self::Time(time),
            (None, None) => Self::None,
        }
    }

    /// Chooses about `share` of the rows to hold out: at least one, but never all. The result is ascending.
    ///
    /// Without ties, these are random rows. With groups, these are whole groups: the groups are taken in random order, each if it still fits; if
    /// none fits, the smallest group is taken. With times, these are the last rows, and rows with equal times stay together.
    pub(crate) fn hold_out(
        &self,
        rows: &[usize],
        share: f64,
        rng: &mut Pcg64,
    ) -> Result<Vec<usize>> {
        let wanted = ((rows.len() as f64 * share).round() as usize).max(1);
        if wanted >= rows.len() {
            return Err(too_few(rows.len(), "row", "add rows"));
        }
        let mut held = match self {
            Self::None => {
                let mut shuffled = rows.to_vec();
                shuffled.shuffle(rng);
                shuffled.truncate(wanted);
                shuffled
            }
            Self::Group(group) => hold_out_groups(rows, group, wanted, rng)?,
            Self::Time(time) => hold_out_last(rows, time, wanted)?,
        };
        held.sort_unstable();
        Ok(held)
    }
}

fn too_few(found: usize, what: &str, fix: &str) -> Error {
    Error::Split {
        message: format!(
            "{} {} not enough to hold out a part for validation or test; {fix}",
            counted(found, what),
            if found == 1 { "is" } else { "are" }
        ),
    }
}

fn hold_out_groups(
    rows: &[usize],
    group: &[u32],
    wanted: usize,
    rng: &mut Pcg64,
) -> Result<Vec<usize>> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for row in rows {
        members.entry(group[*row]).or_default().push(*row);
    }
    if members.len() < 2 {
        return Err(too_few(
            members.len(),
            "group",
            "use a column with more groups, or define the split yourself",
        ));
    }
    let mut groups: Vec<Vec<usize>> = members.into_values().collect();
    groups.shuffle(rng);
    // If no group fits, the smallest one exceeds the wanted size the least.
    let smallest = (0..groups.len())
        .min_by_key(|index| groups[*index].len())
        .unwrap_or(0);
    let mut held: Vec<usize> = Vec::new();
    for members in &groups {
        if held.len() + members.len() <= wanted {
            held.extend(members);
        }
    }
    if held.is_empty() {
        held.clone_from(&groups[smallest]);
    }
    Ok(held)
}

fn hold_out_last(rows: &[usize], time: &[i64], wanted: usize) -> Result<Vec<usize>> {
    let mut ordered = rows.to_vec();
    ordered.sort_by_key(|row| time[*row]);
    let cut_time = time[ordered[ordered.len() - wanted]];
    let mut cut = ordered.partition_point(|row| time[*row] < cut_time);
    if cut == 0 {
        cut = ordered.partition_point(|row| time[*row] <= cut_time);
    }
    if cut == ordered.len() {
        return Err(Error::Split {
            message: "all rows have the same time, so they cannot be split by time; leave out the option `time`, or define the split yourself".to_owned(),
        });
    }
    Ok(ordered.split_off(cut))
}

/// Block of each row for a split by time. A block is a stretch of about √`n_test` rows that are consecutive in time; rows with equal times
/// have the same block. A block has at least `least` rows, except the last. Blocks are numbered in order of time.
pub(crate) fn time_blocks(time: &[i64], n_test: usize, least: usize) -> Vec<u32> {
    let length = ((n_test as f64).sqrt().round() as usize).max(1).max(least);
    let mut ordered: Vec<usize> = (0..time.len()).collect();
    ordered.sort_by_key(|row| time[*row]);
    let mut blocks = vec![0; time.len()];
    let (mut block, mut filled) = (0, 0);
    for same_time in ordered.chunk_by(|a, b| time[*a] == time[*b]) {
        if filled >= length {
            block += 1;
            filled = 0;
        }
        same_time.iter().for_each(|row| blocks[*row] = block);
        filled += same_time.len();
    }
    blocks
}

/// Part of each row, from a split file given as `FILE:NAME`.
///
/// The file has the columns `split,set,start,stop`. Each line puts rows `[start, stop)` into `set` (`test`, `val`, `drop` or `train`) of the
/// split named `split`. Rows are counted from 0 in the data file, before any row is dropped. Rows that are not listed are training rows.
pub(crate) fn parts_from_file(spec: &str, rows: usize) -> Result<Vec<SplitPart>> {
    const OPTION: &str = "split_file";
    let (path, name) = spec
        .rsplit_once(':')
        .filter(|(path, name)| !path.is_empty() && !name.is_empty())
        .ok_or_else(|| {
            Error::option(
                OPTION,
                format!("found `{spec}`, expected FILE:NAME, such as splits.csv:random0"),
            )
        })?;
    let path = PathBuf::from(path);
    let text = fs::read_to_string(&path).map_err(Error::read(&path))?;
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_start_matches('\u{feff}').trim()));
    let expected = "split,set,start,stop";
    let header = lines.next().map_or("", |(_, line)| line);
    if header != expected {
        return Err(malformed(
            &path,
            1,
            &format!("found the header `{header}`, expected `{expected}`"),
        ));
    }
    let mut parts = vec![SplitPart::Train; rows];
    let mut names = Vec::new();
    for (line, text) in lines.filter(|(_, line)| !line.is_empty()) {
        let cells: Vec<&str> = text.split(',').map(str::trim).collect();
        let &[split, set, start, stop] = cells.as_slice() else {
            return Err(malformed(
                &path,
                line,
                &format!(
                    "found {}, expected 4: {expected}",
                    counted(cells.len(), "cell")
                ),
            ));
        };
        if names.last().is_none_or(|last| last != split) {
            names.push(split.to_owned());
        }
        if split == name {
            mark(&path, line, (set, start, stop), &mut parts)?;
        }
    }
    names.sort();
    names.dedup();
    if names.iter().all(|found| found != name) {
        let message = format!(
            "no split `{name}` in {}{} The file has: {}",
            path.display(),
            did_you_mean(&nearest(name, &names)),
            quoted(&names, 20)
        );
        return Err(Error::option(OPTION, message));
    }
    Ok(parts)
}

fn mark(
    path: &Path,
    line: usize,
    (set, start, stop): (&str, &str, &str),
    parts: &mut [SplitPart],
) -> Result<()> {
    let part = match set {
        "test" => SplitPart::Test,
        "val" | "valid" => SplitPart::Valid,
        "drop" => SplitPart::Dropped,
        "train" => SplitPart::Train,
        _ => {
            return Err(malformed(
                path,
                line,
                &format!("found the set `{set}`, expected test, val, drop or train"),
            ));
        }
    };
    let rows = parts.len();
    let position = |text: &str| {
        text.parse::<usize>().map_err(|_| {
            malformed(
                path,
                line,
                &format!("found `{text}`, expected the position of a row, counted from 0"),
            )
        })
    };
    let (start, stop) = (position(start)?, position(stop)?);
    let range = parts.get_mut(start..stop).ok_or_else(|| {
        let message = format!(
            "start {start} and stop {stop} do not fit the table of {}; expected start ≤ stop ≤ {rows}; check that this split file belongs to this table",
            counted(rows, "row")
        );
        malformed(path, line, &message)
    })?;
    range.fill(part);
    Ok(())
}

fn malformed(path: &Path, line: usize, message: &str) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        message: format!("line {line}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::generator;

    fn rng() -> Pcg64 {
        generator(5, "test", 0)
    }

    #[test]
    fn random_rows_are_held_out_by_share() {
        let rows: Vec<usize> = (100..200).collect();
        let held = Ties::None.hold_out(&rows, 0.2, &mut rng()).unwrap();
        assert_eq!(held.len(), 20);
        assert!(held.is_sorted() && held.iter().all(|row| rows.contains(row)));
        assert_eq!(held, Ties::None.hold_out(&rows, 0.2, &mut rng()).unwrap());
        assert_ne!(
            held,
            Ties::None
                .hold_out(&rows, 0.2, &mut generator(6, "test", 0))
                .unwrap()
        );
    }

    #[test]
    fn groups_are_held_out_whole() {
        let group: Vec<u32> = (0..100).map(|row| row / 7).collect();
        let rows: Vec<usize> = (0..100).collect();
        let held = Ties::Group(&group)
            .hold_out(&rows, 0.3, &mut rng())
            .unwrap();
        assert!((24..=30).contains(&held.len()), "{}", held.len());
        for row in &rows {
            let twin = held.contains(&((row / 7) * 7));
            assert_eq!(held.contains(row), twin);
        }
        // Two groups, both larger than the share: the smaller one is held out.
        let uneven: Vec<u32> = (0..100).map(|row| u32::from(row >= 60)).collect();
        assert_eq!(
            Ties::Group(&uneven)
                .hold_out(&rows, 0.1, &mut rng())
                .unwrap(),
            (60..100).collect::<Vec<_>>()
        );
        assert!(
            Ties::Group(&[0; 100])
                .hold_out(&rows, 0.1, &mut rng())
                .is_err()
        );
    }

    #[test]
    fn last_rows_are_held_out_and_equal_times_stay_together() {
        let time = [5, 1, 4, 4, 4, 2, 3, 0, 9, 9];
        let rows: Vec<usize> = (0..10).collect();
        // In order: 0 1 2 3 4 4 4 5 9 9. The last four begin among the 4s, so that all 4s are held out.
        assert_eq!(
            Ties::Time(&time).hold_out(&rows, 0.4, &mut rng()).unwrap(),
            [0, 2, 3, 4, 8, 9]
        );
        assert_eq!(
            Ties::Time(&[1, 1, 1, 2])
                .hold_out(&[0, 1, 2, 3], 0.5, &mut rng())
                .unwrap(),
            [3]
        );
        assert!(
            Ties::Time(&[1; 10])
                .hold_out(&rows, 0.4, &mut rng())
                .is_err()
        );
    }

    #[test]
    fn one_row_cannot_be_split() {
        assert!(
            Ties::None
                .hold_out(&[0], 0.2, &mut rng())
                .unwrap_err()
                .to_string()
                .contains("1 row is not enough")
        );
    }

    #[test]
    fn time_blocks_follow_time() {
        // √16 = 4 rows per block, and the 3s stay together.
        let time = [0, 1, 2, 3, 3, 3, 4, 5, 6, 7];
        assert_eq!(time_blocks(&time, 16, 0), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(time_blocks(&[3, 2, 1], 1, 0), [2, 1, 0]);
    }

    fn file(text: &str, name: &str) -> Result<Vec<SplitPart>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("splits.csv");
        fs::write(&path, text).unwrap();
        parts_from_file(&format!("{}:{name}", path.display()), 6)
    }

    #[test]
    fn split_file_marks_ranges() {
        use SplitPart::{Dropped, Test, Train, Valid};
        let text = "split,set,start,stop\na,test,1,3\na,val,4,5\nb,test,0,6\na,drop,5,6\n";
        assert_eq!(
            file(text, "a").unwrap(),
            [Train, Test, Test, Train, Valid, Dropped]
        );
    }

    #[test]
    fn split_file_errors_name_the_line() {
        let error = |text: &str, name: &str| file(text, name).unwrap_err().to_string();
        assert!(
            error("split,set,start,stop\nrandom0,test,1,3\n", "random1")
                .contains("did you mean `random0`?")
        );
        assert!(
            error("split,set,start,stop\na,test,1,7\n", "a")
                .contains("line 2: start 1 and stop 7 do not fit the table of 6 rows")
        );
        assert!(error("split,set,start,stop\na,test,3,1\n", "a").contains("line 2"));
        assert!(error("split,set,start,stop\na,tset,1,2\n", "a").contains("found the set `tset`"));
        assert!(error("split,set,start,stop\na,test,1\n", "a").contains("found 3 cells"));
        assert!(error("split,set,start,stop\na,test,x,2\n", "a").contains("found `x`"));
        assert!(error("", "a").contains("line 1: found the header"));
        assert!(
            parts_from_file("splits.csv", 6)
                .unwrap_err()
                .to_string()
                .contains("expected FILE:NAME")
        );
    }
}
