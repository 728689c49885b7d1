//! Feature columns: the common input of teachers, augmentation and encoders.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use limbeck_runtime::{DateSource, HistorySource, MissingNumbers, RawColumn, Sequence};

use crate::dates::part_column;
use crate::kind::ColumnKind;
use crate::regimes;
use crate::series::{WholeTable, key_columns, numbers};
use crate::table::{Column, MISSING, Table, Values, append_codes};
use crate::{Error, Result};

/// Feature columns of a set of rows, with raw values in their own units.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// The columns; their order is the order of the student's inputs.
    pub columns: Vec<Feature>,
    /// Number of rows.
    pub rows: usize,
    /// The series of the rows, for networks that read the rows before each row; `None` if nothing reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
}

/// One feature column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Name of the column in the table; for a part of a date, `COLUMN.PART`, such as `sold.month`; for a statistic of earlier rows, `COLUMN.STATISTIC`,
    /// such as `load.lag24`.
    pub name: String,
    /// The cells, one per row.
    pub values: FeatureValues,
    /// True if the column has numbers, and all its known numbers in the training and validation rows are whole. Augmentation then rounds new values.
    pub integer: bool,
    /// Numbers that mean *missing* in the table, such as −999. `values` has NaN in their place. The student's file lists these numbers, because the
    /// student reads tables that contain them.
    #[serde(default)]
    pub missing: MissingNumbers,
    /// The date column from which the numbers were computed, and which part of the date they are; `None` for other features.
    #[serde(default)]
    pub date: Option<DateSource>,
    /// The column, and the statistic of its current and earlier rows, from which the numbers were computed; `None` for other features.
    #[serde(default)]
    pub history: Option<HistorySource>,
}

/// The cells of a feature column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FeatureValues {
    /// Numbers, and booleans as 0 and 1; NaN marks a missing value.
    Number(Vec<f64>),
    /// Categories; [`MISSING`] marks a missing value.
    Category {
        /// For each row, an index into `levels`, or [`MISSING`].
        codes: Vec<u32>,
        /// The different texts, sorted. All selections of rows of the column share this list.
        levels: Arc<Vec<String>>,
    },
}

/// Name and kind of a feature column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureKind {
    /// Name of the feature: the column in the table; for a part of a date, `COLUMN.PART`; for a statistic of earlier rows, `COLUMN.STATISTIC`.
    pub name: String,
    /// Kind of the column in the table; number for a part of a date and for a statistic of earlier rows.
    pub kind: ColumnKind,
    /// The date column from which the feature is computed, and which part of the date it is; `None` for other features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateSource>,
    /// The column, and the statistic of its current and earlier rows, from which the feature is computed; `None` for other features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySource>,
}

impl FeatureKind {
    /// Name and kind of the table column from which the feature is read.
    fn raw(&self) -> (String, ColumnKind) {
        match (&self.date, &self.history) {
            (Some(date), _) => (date.column.clone(), ColumnKind::Time),
            (None, Some(history)) => (history.column.clone(), ColumnKind::Number),
            (None, None) => (self.name.clone(), self.kind),
        }
    }
}

/// Names and kinds of the table columns from which features are read. A date column occurs once, even if several of its parts are features. If a
/// feature is a statistic of earlier rows, or a network reads earlier rows, the columns of `sequence` are included, too, and so are the settings of
/// operating regimes.
#[must_use]
pub fn raw_columns(
    features: &[FeatureKind],
    sequence: Option<&Sequence>,
) -> Vec<(String, ColumnKind)> {
    let keys = sequence
        .filter(|sequence| looks_back(features, sequence))
        .into_iter()
        .flat_map(key_columns);
    let regimes = sequence.and_then(|sequence| sequence.regimes.as_ref());
    let settings = regimes.iter().flat_map(|regimes| &regimes.settings);
    let settings = settings.map(|own| (own.name.clone(), ColumnKind::Number));
    let mut columns: Vec<(String, ColumnKind)> = Vec::new();
    for raw in features
        .iter()
        .map(FeatureKind::raw)
        .chain(keys)
        .chain(settings)
    {
        if !columns.iter().any(|(name, _)| *name == raw.0) {
            columns.push(raw);
        }
    }
    columns
}

/// True if features of rows cannot be made without the rows before them.
pub(crate) fn looks_back(features: &[FeatureKind], sequence: &Sequence) -> bool {
    sequence.rows_before > 0 || features.iter().any(|feature| feature.history.is_some())
}

/// The sources of the features that are statistics of earlier rows.
pub(crate) fn sources(features: &[FeatureKind]) -> Vec<HistorySource> {
    features
        .iter()
        .filter_map(|feature| feature.history.clone())
        .collect()
}

impl FeatureValues {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }

    /// True if there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number(values) => Self::Number(rows.iter().map(|row| values[*row]).collect()),
            Self::Category { codes, levels } => Self::Category {
                codes: rows.iter().map(|row| codes[*row]).collect(),
                levels: Arc::clone(levels),
            },
        }
    }
}

impl Features {
    /// True if both have the same values in all cells; two missing numbers count as equal. Column names are not compared.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let both = self.columns.iter().zip(&other.columns);
        (self.rows, self.columns.len()) == (other.rows, other.columns.len())
            && both.into_iter().all(|(one, other)| one.same(other))
    }
}

impl Feature {
    fn same(&self, other: &Self) -> bool {
        let equal = |(a, b): (&f64, &f64)| a.total_cmp(b).is_eq();
        match (&self.values, &other.values) {
            (FeatureValues::Number(one), FeatureValues::Number(other)) => {
                one.iter().zip(other).all(equal)
            }
            (one, other) => one == other,
        }
    }

    /// The column with only the given rows, in that order.
    fn select(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            values: self.values.select(rows),
            integer: self.integer,
            missing: self.missing.clone(),
            date: self.date.clone(),
            history: self.history.clone(),
        }
    }

    /// True if a recurrent network reads the column in each row. It makes statistics of many rows itself, so it reads only statistics that compare
    /// a row with the row before it, such as `diff1`.
    #[must_use]
    pub fn is_step(&self) -> bool {
        use limbeck_runtime::LookKind::{Diff, LogReturn, Roc};
        self.history.as_ref().is_none_or(|history| {
            history.look.rows == 1 && matches!(history.look.kind, Diff | Roc | LogReturn)
        })
    }

    /// Converts a table column; `None` for times and free text, which cannot be features.
    #[must_use]
    pub fn from_column(column: Column) -> Option<Self> {
        let values = match column.values {
            Values::Number(values) => FeatureValues::Number(values),
            Values::Category { codes, levels } => FeatureValues::Category {
                codes,
                levels: Arc::new(levels),
            },
            Values::Time(_) | Values::Text(_) => return None,
        };
        Some(Self {
            name: column.name,
            values,
            integer: false,
            missing: MissingNumbers::default(),
            date: None,
            history: None,
        })
    }
}

impl Features {
    /// Converts all columns of a table; all its rows decide [`Feature::integer`].
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a time or text column.
    pub fn from_table(table: Table) -> Result<Self> {
        let rows = table.rows;
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in table.columns {
            let (name, kind) = (column.name.clone(), column.kind);
            let feature = Feature::from_column(column);
            columns.push(feature.ok_or_else(|| Error::Shape {
                message: format!("column `{name}` is of kind {kind}, which cannot be a feature; expected number, boolean or category"),
            })?);
        }
        let mut features = Self {
            columns,
            rows,
            past: None,
        };
        let all: Vec<usize> = (0..rows).collect();
        features.mark_integers(&all);
        Ok(features)
    }

    /// Makes features of the given kinds from the columns of a table: computes parts of dates, and statistics of earlier rows, for which `sequence`
    /// describes the series. If networks read earlier rows, the features have their [`past`](Self::past). If there are operating regimes, columns are
    /// normalized by them first.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchColumn`] if the table does not have a column; [`Error::Shape`] if the column for a part of a date is not a time column, if the
    /// column for another feature is a time or text column, or if the rows do not form series as `sequence` describes.
    pub fn of_table(
        table: &Table,
        kinds: &[FeatureKind],
        sequence: Option<&Sequence>,
    ) -> Result<Self> {
        let sources = sources(kinds);
        let normalized;
        let table = match sequence.and_then(|sequence| sequence.regimes.as_ref()) {
            None => table,
            Some(regimes) => {
                normalized = regimes::normalized(regimes, table)?;
                &normalized
            }
        };
        let Some(sequence) = sequence.filter(|sequence| looks_back(kinds, sequence)) else {
            return Self::with_histories(
                table,
                kinds,
                vec![vec![f64::NAN; table.rows]; sources.len()],
            );
        };
        let whole = WholeTable::new(table, sequence)?;
        let columns = sources.iter().map(|source| numbers(table, &source.column));
        let columns: Vec<&[f64]> = columns.collect::<Result<_>>()?;
        let column = |name: &str| {
            let mut both = sources.iter().zip(&columns);
            let own = both.find(|(source, _)| source.column == name);
            own.map_or(&[][..], |(_, values)| values)
        };
        let histories = whole.history(&sources, column);
        let mut features = Self::with_histories(table, kinds, histories)?;
        if sequence.rows_before > 0 {
            features.past = Some(Past::new(&features, whole.runs()));
        }
        Ok(features)
    }

    /// Like [`of_table`](Self::of_table); `histories` has the values of each statistic of earlier rows, in the order of `kinds`.
    pub(crate) fn with_histories(
        table: &Table,
        kinds: &[FeatureKind],
        histories: Vec<Vec<f64>>,
    ) -> Result<Self> {
        let mut histories = histories.into_iter();
        let mut column = |kind: &FeatureKind| {
            if kind.history.is_some() {
                return Ok(Column::number(
                    &kind.name,
                    histories.next().unwrap_or_default(),
                ));
            }
            let Some(date) = &kind.date else {
                return table.require(&kind.name, "the student").cloned();
            };
            let column = table.require(&date.column, "the student")?;
            match &column.values {
                Values::Time(times) => Ok(part_column(&date.column, times, date.part)),
                _ => Err(Error::Shape {
                    message: format!(
                        "column `{}` is of kind {}, expected time, because the student uses parts of its dates",
                        date.column, column.kind
                    ),
                }),
            }
        };
        let columns = kinds.iter().map(&mut column).collect::<Result<_>>()?;
        let mut features = Self::from_table(Table {
            columns,
            rows: table.rows,
            ..Table::default()
        })?;
        for (feature, kind) in features.columns.iter_mut().zip(kinds) {
            feature.date.clone_from(&kind.date);
            feature.history.clone_from(&kind.history);
        }
        Ok(features)
    }

    /// Sets [`Feature::integer`] of all number columns: true if the column has values in the given rows, and all of them are whole numbers.
    pub fn mark_integers(&mut self, rows: &[usize]) {
        for column in &mut self.columns {
            if let FeatureValues::Number(values) = &column.values {
                let mut known = rows
                    .iter()
                    .map(|row| values[*row])
                    .filter(|value| !value.is_nan())
                    .peekable();
                column.integer = known.peek().is_some() && known.all(|value| value.fract() == 0.0);
            }
        }
    }

    /// The same rows with only some of the columns.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Feature) -> bool) -> Self {
        Self {
            columns: self
                .columns
                .iter()
                .filter(|one| keep(one))
                .cloned()
                .collect(),
            rows: self.rows,
            past: self.past.clone(),
        }
    }

    /// The first `rows` rows.
    pub(crate) fn first(mut self, rows: usize) -> Self {
        for column in &mut self.columns {
            match &mut column.values {
                FeatureValues::Number(values) => values.truncate(rows),
                FeatureValues::Category { codes, .. } => codes.truncate(rows),
            }
        }
        if let Some(past) = &mut self.past {
            past.at.truncate(rows);
        }
        self.rows = rows;
        self
    }

    /// The features of the given rows, in that order; a row may occur more than once.
    ///
    /// # Panics
    ///
    /// Panics if `rows` contains a row that does not exist.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            columns: self.columns.iter().map(|one| one.select(rows)).collect(),
            rows: rows.len(),
            past: self.past.as_ref().map(|past| past.select(rows)),
        }
    }

    /// The features for a model that limbeck did not train, written as in the table: without parts of dates, and with numbers such as −999 in missing
    /// cells. If several numbers mean *missing* in a column, all of its missing cells get the first of these numbers.
    #[must_use]
    pub fn as_in_table(&self) -> Cow<'_, Self> {
        let stands_for = |column: &Feature| column.missing.values.first().copied();
        let is_own = |column: &Feature| column.date.is_none() && stands_for(column).is_none();
        if self.columns.iter().all(is_own) {
            return Cow::Borrowed(self);
        }
        let mut all = self.clone();
        all.columns.retain(|column| column.date.is_none());
        for column in &mut all.columns {
            if let (Some(number), FeatureValues::Number(values)) =
                (stands_for(column), &mut column.values)
            {
                let missing = values.iter_mut().filter(|value| value.is_nan());
                missing.for_each(|value| *value = number);
            }
        }
        Cow::Owned(all)
    }

    /// Replaces the numbers that mean *missing* in `like` with NaN. `like` must have the same columns in the same order.
    #[must_use]
    pub fn cleaned_like(mut self, like: &Self) -> Self {
        for (column, like) in self.columns.iter_mut().zip(&like.columns) {
            column.missing.clone_from(&like.missing);
            if let FeatureValues::Number(values) = &mut column.values {
                let read = |value: &mut f64| *value = like.missing.read(*value);
                values.iter_mut().for_each(read);
            }
        }
        self
    }

    /// The columns with these names, in the form that encoders and students read.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a name that no column has.
    pub fn of_columns<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<RawColumn<'_>>> {
        let column = |name: &str| {
            let own = self.columns.iter().find(|column| column.name == name);
            own.map(Feature::raw).ok_or_else(|| Error::Shape {
                message: format!("there is no feature `{name}`, which the student reads"),
            })
        };
        names.map(column).collect()
    }

    /// The columns in the form that encoders and students read.
    #[must_use]
    pub fn raw(&self) -> Vec<RawColumn<'_>> {
        self.columns.iter().map(Feature::raw).collect()
    }

    /// Column names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// Appends the rows of `other`, which has the same columns.
    ///
    /// If the levels of a category column differ, they are merged and its codes are renumbered.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if names or kinds differ.
    pub fn append(&mut self, other: &Self) -> Result<()> {
        let same = |(ours, theirs): (&Feature, &Feature)| {
            let same_kind = matches!(ours.values, FeatureValues::Number(_))
                == matches!(theirs.values, FeatureValues::Number(_));
            same_kind && ours.name == theirs.name
        };
        if self.columns.len() != other.columns.len()
            || !self.columns.iter().zip(&other.columns).all(same)
        {
            let message = format!(
                "rows with the features {:?} cannot be appended to rows with the features {:?}; expected the same names and kinds in the same order",
                other.names(),
                self.names()
            );
            return Err(Error::Shape { message });
        }
        for (ours, theirs) in self.columns.iter_mut().zip(&other.columns) {
            match (&mut ours.values, &theirs.values) {
                (FeatureValues::Number(values), FeatureValues::Number(added)) => {
                    values.extend_from_slice(added)
                }
                (
                    FeatureValues::Category { codes, levels },
                    FeatureValues::Category {
                        codes: added,
                        levels: added_levels,
                    },
                ) => {
                    if let Some(merged) = append_codes(codes, levels, added, added_levels) {
                        *levels = Arc::new(merged);
                    }
                }
                _ => unreachable!("kinds were compared above"),
            }
        }
        self.past = match (self.past.take(), &other.past) {
            (Some(own), Some(other)) => Some(own.with(other)?),
            (Some(own), None) if other.rows == 0 => Some(own),
            (None, Some(other)) if self.rows == 0 => Some(other.clone()),
            (None, None) => None,
            _ => {
                let message = "rows with the rows before them cannot be joined with rows without";
                return Err(Error::Shape {
                    message: message.to_owned(),
                });
            }
        };
        self.rows += other.rows;
        Ok(())
    }

    /// Appends the rows of all `parts`, in order. If `parts` is empty, the result has no columns.
    ///
    /// # Errors
    ///
    /// The errors of [`append`](Self::append).
    pub fn concat(parts: &[Self]) -> Result<Self> {
        let Some((first, rest)) = parts.split_first() else {
            return Ok(Self::default());
        };
        let mut whole = first.clone();
        rest.iter().try_for_each(|part| whole.append(part))?;
        Ok(whole)
    }

    /// The columns as a table, to write it or to pass it to the user's scoring command; booleans become numbers (0 and 1).
    #[must_use]
    pub fn to_table(&self) -> Table {
        let column = |feature: &Feature| match &feature.values {
            FeatureValues::Number(values) => Column::number(&feature.name, values.clone()),
            FeatureValues::Category { codes, levels } => Column {
                name: feature.name.clone(),
                kind: ColumnKind::Category,
                values: Values::Category {
                    codes: codes.clone(),
                    levels: levels.to_vec(),
                },
            },
        };
        Table {
            columns: self.columns.iter().map(column).collect(),
            rows: self.rows,
            source: "features".to_owned(),
            ..Table::default()
        }
    }
}

impl Feature {
    /// The column in the form that encoders read.
    #[must_use]
    pub fn raw(&self) -> RawColumn<'_> {
        match &self.values {
            FeatureValues::Number(values) => RawColumn::Number(values),
            FeatureValues::Category { codes, levels } => RawColumn::Category { codes, levels },
        }
    }

    /// True if the cell of a row is missing.
    #[must_use]
    pub fn is_missing(&self, row: usize) -> bool {
        match &self.values {
            FeatureValues::Number(values) => values[row].is_nan(),
            FeatureValues::Category { codes, .. } => codes[row] == MISSING,
        }
    }
}

/// The series of some rows: all their rows once, and where each of the rows is among them.
///
/// A window of rows is a range of rows of [`table`](Self::table). So windows need no memory of their own, however long they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// All rows of the series, run after run, each run in order of time. A run has the rows of one series without a gap; it also has rows without a
    /// target. The columns are those that a recurrent network reads ([`Feature::is_step`](crate::Feature::is_step)).
    pub table: Arc<Features>,
    /// For each row of `table`, the first row of its run.
    pub starts: Arc<Vec<u32>>,
    /// For each row of the features, its row in `table`.
    pub at: Vec<u32>,
    /// The runs, if the rows are a block of a larger table; otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<BlockRun>,
}

/// A run in a block of a larger table that is read block by block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockRun {
    /// The rows of the run in [`Past::table`].
    pub rows: Range<usize>,
    /// Number of these rows that were in earlier blocks, too; 0 if the run begins in this block.
    pub before: usize,
    /// The series to which the run belongs.
    pub series: String,
}

impl Past {
    /// The past of the rows of `features`. `runs` has the rows of each run, in order of time; each row is in one run.
    ///
    /// # Panics
    ///
    /// Panics if a run has a row that does not exist.
    #[must_use]
    pub fn new(features: &Features, runs: &[Vec<usize>]) -> Self {
        let order: Vec<usize> = runs.concat();
        let mut at = vec![0; features.rows];
        let places = order.iter().zip(0..);
        places.for_each(|(&row, place)| at[row] = place);
        let mut starts = Vec::with_capacity(order.len());
        for run in runs {
            starts.extend(std::iter::repeat_n(starts.len() as u32, run.len()));
        }
        let steps = features.only(|column| column.is_step());
        Self {
            table: Arc::new(steps.select(&order)),
            starts: Arc::new(starts),
            at,
            runs: Vec::new(),
        }
    }

    /// The past of the given rows only.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            at: rows.iter().map(|&row| self.at[row]).collect(),
            ..self.clone()
        }
    }

    /// The past of the rows of both, those of `other` last.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) if the columns differ.
    pub(crate) fn with(mut self, other: &Self) -> Result<Self> {
        if self.at.is_empty() {
            return Ok(other.clone());
        }
        if Arc::ptr_eq(&self.table, &other.table) {
            self.at.extend_from_slice(&other.at);
            return Ok(self);
        }
        let shift = self.table.rows as u32;
        let shifted = |places: &[u32]| places.iter().map(|place| place + shift).collect::<Vec<_>>();
        Arc::make_mut(&mut self.table).append(&other.table)?;
        Arc::make_mut(&mut self.starts).extend(shifted(&other.starts));
        self.at.extend(shifted(&other.at));
        Ok(self)
    }

    /// For each row, the rows of [`table`](Self::table) that a network reads: the row itself, and at most `before` rows of the same run before it.
    pub fn windows(&self, before: usize) -> impl Iterator<Item = Range<usize>> {
        self.at.iter().map(move |&at| {
            let first = self.starts[at as usize] as usize;
            let at = at as usize;
            first.max(at.saturating_sub(before))..at + 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Features {
        let columns = vec![
            Column::number("x", vec![1.0, f64::NAN, 3.0]),
            Column::category("c", [Some("b"), None, Some("a")]),
        ];
        Features::from_table(Table::new(columns).unwrap()).unwrap()
    }

    #[test]
    fn numbers_that_mean_missing_become_nan_and_are_restored() {
        let mut like = sample();
        like.columns[0].missing.values = vec![-999.0];
        let read = Features::from_table(
            Table::new(vec![
                Column::number("x", vec![-999.0, 2.0, f64::NAN]),
                Column::category("c", [Some("a"), None, None]),
            ])
            .unwrap(),
        )
        .unwrap()
        .cleaned_like(&like);
        let numbers = |features: &Features| match &features.columns[0].values {
            FeatureValues::Number(values) => values.clone(),
            FeatureValues::Category { .. } => panic!("number"),
        };
        assert!(numbers(&read)[0].is_nan() && numbers(&read)[1] == 2.0);
        assert_eq!(numbers(&read.as_in_table()), [-999.0, 2.0, -999.0]);
        assert!(matches!(sample().as_in_table(), Cow::Borrowed(_)));
    }

    #[test]
    fn same_treats_missing_numbers_as_equal() {
        let of = |values: Vec<f64>| Features {
            rows: values.len(),
            columns: vec![Feature {
                name: "x".into(),
                values: FeatureValues::Number(values),
                integer: false,
                missing: MissingNumbers::default(),
                date: None,
                history: None,
            }],
            past: None,
        };
        let holes = of(vec![1.0, f64::NAN]);
        assert!(holes.same(&holes.clone()) && holes != holes.clone());
        assert!(!holes.same(&of(vec![1.0, 2.0])) && !holes.same(&of(vec![1.0])));
    }

    #[test]
    fn select_takes_rows_in_order_and_shares_levels() {
        let features = sample();
        assert!(features.columns[0].integer && !features.columns[1].integer);
        let picked = features.select(&[2, 0, 2]);
        let FeatureValues::Number(values) = &picked.columns[0].values else {
            panic!("number")
        };
        assert_eq!(values, &[3.0, 1.0, 3.0]);
        let (
            FeatureValues::Category { codes, levels },
            FeatureValues::Category { levels: before, .. },
        ) = (&picked.columns[1].values, &features.columns[1].values)
        else {
            panic!("category")
        };
        assert_eq!(codes, &[0, 1, 0]);
        assert!(Arc::ptr_eq(levels, before));
        assert_eq!(picked.rows, 3);
    }

    #[test]
    fn concat_stacks_rows_and_merges_levels() {
        let other = vec![
            Column::number("x", vec![0.5]),
            Column::category("c", [Some("aa")]),
        ];
        let other = Features::from_table(Table::new(other).unwrap()).unwrap();
        let both = Features::concat(&[sample(), other]).unwrap();
        let FeatureValues::Category { codes, levels } = &both.columns[1].values else {
            panic!("category")
        };
        assert_eq!(levels.as_slice(), ["a", "aa", "b"]);
        assert_eq!(codes, &[2, MISSING, 0, 1]);
        assert_eq!(both.rows, 4);
        assert!(both.columns[1].is_missing(1) && both.columns[0].is_missing(1));
    }

    #[test]
    fn append_rejects_other_columns() {
        let other = Features::from_table(Table::new(vec![Column::number("y", vec![0.5])]).unwrap())
            .unwrap();
        assert!(sample().append(&other).is_err());
    }

    #[test]
    fn to_table_keeps_names_and_cells() {
        let table = sample().to_table();
        assert_eq!(table.names(), ["x", "c"]);
        assert!(table.columns[1].values.is_missing(1));
    }
}
