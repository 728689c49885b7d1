//! Features of the blocks of a table whose rows form series.

use std::collections::BTreeMap;

use limbeck_runtime::Sequence;

use crate::Result;
use crate::features::{BlockRun, Feature, FeatureKind, Features, Past, sources};
use crate::series::{Follow, Follower};
use crate::table::Table;

/// Makes the features of one block after the other, and keeps what the next block needs of the rows before it.
pub(crate) struct BlockReader {
    follower: Follower,
    /// Number of rows before each row that networks read.
    before: usize,
    /// The last rows of each series, by its key: as many as networks read before the next row.
    kept: BTreeMap<String, Features>,
}

impl BlockReader {
    /// A reader of features of these kinds that has seen no row.
    pub(crate) fn new(sequence: &Sequence, kinds: &[FeatureKind]) -> Self {
        Self {
            follower: Follower::new(sequence, sources(kinds)),
            before: sequence.rows_before as usize,
            kept: BTreeMap::new(),
        }
    }

    /// The features of the next block, with the rows before its rows that networks read ([`Features::past`]). `place` describes the row with this
    /// position in the block, for messages.
    ///
    /// # Errors
    ///
    /// The errors of [`Follower::follow`] and [`Features::with_histories`].
    pub(crate) fn features(
        &mut self,
        table: &Table,
        kinds: &[FeatureKind],
        place: impl Fn(usize) -> String,
    ) -> Result<Features> {
        let mut follow = self.follower.follow(table, place)?;
        let histories = std::mem::take(&mut follow.history);
        let mut features = Features::with_histories(table, kinds, histories)?;
        if self.before > 0 {
            features.past = Some(self.past(&features, &follow)?);
        }
        Ok(features)
    }

    /// The series of the rows of a block, with the kept rows of each series. The last rows of each series are then kept for the next block.
    fn past(&mut self, features: &Features, follow: &Follow) -> Result<Past> {
        let mut of_series: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
        for (row, key) in follow.keys.iter().enumerate() {
            of_series.entry(key).or_default().push(row);
        }
        // The rows of the block, then the kept rows of each of its series.
        let mut all = features.only(Feature::is_step);
        let (mut runs, mut named) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (key, rows) in of_series {
            let (mut run, mut before) = (Vec::new(), 0);
            if let Some(kept) = self.kept.get(key) {
                before = kept.rows;
                run.extend(all.rows..all.rows + kept.rows);
                all.append(kept)?;
            }
            let mut end = |run: Vec<usize>, before: usize| {
                let rows = at..at + run.len();
                at = rows.end;
                named.push(BlockRun {
                    rows,
                    before,
                    series: key.clone(),
                });
                runs.push(run);
            };
            for row in rows {
                if follow.first[row] {
                    end(std::mem::take(&mut run), std::mem::take(&mut before));
                }
                run.push(row);
            }
            let last = &run[run.len().saturating_sub(self.before)..];
            self.kept.insert(key.clone(), all.select(last));
            end(run, before);
        }
        let rows: Vec<usize> = (0..features.rows).collect();
        let past = Past::new(&all, &runs).select(&rows);
        Ok(Past {
            runs: named,
            ..past
        })
    }
}
