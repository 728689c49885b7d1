//! Checks of a table: mistakes that make a regression meaningless, and the action for each.
//!
//! | check | default action | other actions | finds |
//! |---|---|---|---|
//! | `infinite` | refuse | drop (the rows), warn (takes the cells as missing) | ±inf, or a number too large for f64, in a feature or the target |
//! | `missing_target` | drop (the rows) | refuse | rows without a target |
//! | `all_missing` | drop | refuse | a column with only missing values in the training rows |
//! | `constant` | drop | warn, refuse | a column with the same value in all training rows |
//! | `duplicate` | drop (the later column) | warn, refuse | a column equal to an earlier column |
//! | `id` | drop | warn, refuse | an identifier: texts that are all different, or at least half as many different texts as rows; whole numbers that number the rows in their order, or that are all different under a name such as `id` |
//! | `leak` | refuse | warn, drop | a feature that equals the target or is a monotone function of it |
//! | `capped_target` | warn | refuse | at least 1 % of the targets equal to their maximum |
//! | `few_rows` | see below | warn, refuse | fewer than 200 training rows |
//! | `datetime` | warn (its parts are features) | drop, refuse | a feature column of dates or times |
//! | `text` | drop | refuse | a feature column of free text |
//! | `missing_marker` | warn | refuse | cells that were read as missing: `NA`, `?`, `--` and similar markers, or other texts among numbers or dates |
//! | `number_text` | warn | refuse | text read as numbers (`1,085`, `67.2%`) or dates (`10.03.2024`); categories of which at least half look like these |
//! | `sentinel` | drop (reads them as missing) | warn, refuse | numbers far from all others (−999, 65535, a spike of 1e12), or −99, −999, … as the only negative number; in a feature or the target |
//! | `stuck` | warn | refuse | in a table with times, a number feature that usually changes from row to row but has the same value in at least 30 consecutive rows |
//! | `regimes` | warn | refuse | in series, number features that switch between a few values, in at least 2 % of the steps from row to row, and explain most changes of at least half of the other number features |
//! | `repeated_rows` | warn (keeps equal rows together) | refuse | in a random split, at least 0.5 % of the rows equal to an earlier row |
//! | `seen_test` | warn | refuse | at least 5 % of the test rows equal to a training or validation row |
//! | `shifted_test` | warn | refuse | a feature with more than half of its test values outside the training range, or in categories without training rows |
//!
//! The action `refuse` stops with an error. By default, `few_rows` refuses fewer than 20 training rows and warns below 200. With `warn` it
//! only warns; with `refuse` it refuses fewer than 200.
//!
//! "Training rows" in the table means training and validation rows, except for `few_rows`. Rows are equal if all features and the target are
//! equal. Test rows influence only the checks `infinite`, `missing_target`, `missing_marker`, `number_text`, `text`, `repeated_rows`,
//! `seen_test` and `shifted_test`. If `constant`, `duplicate`, `id`, `leak` or `sentinel` finds something in a column that `keep` names, the column is kept
//! with a warning.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::{did_you_mean, nearest};
use crate::figures::counted;
use crate::kind::ColumnKind;
use crate::metrics::{pearson, ranks, same};
use crate::ranges::Shifted;
use crate::table::{Column, MISSING, Values, shell};
use crate::time::DateOrder;
use crate::warning::Finding;
pub use crate::warning::{Action, Warning};
use crate::{Error, Result};

/// One of the checks; the table in this module's documentation describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the table in the documentation of the module describes each"
)]
pub enum Check {
    Infinite,
    MissingTarget,
    AllMissing,
    Constant,
    Duplicate,
    Id,
    Leak,
    CappedTarget,
    FewRows,
    Datetime,
    Text,
    MissingMarker,
    NumberText,
    Sentinel,
    Stuck,
    Regimes,
    RepeatedRows,
    SeenTest,
    ShiftedTest,
}

impl Check {
    /// All checks, in the order of the table in this module's documentation.
    pub const ALL: [Self; 19] = [
        Self::Infinite,
        Self::MissingTarget,
        Self::AllMissing,
        Self::Constant,
        Self::Duplicate,
        Self::Id,
        Self::Leak,
        Self::CappedTarget,
        Self::FewRows,
        Self::Datetime,
        Self::Text,
        Self::MissingMarker,
        Self::NumberText,
        Self::Sentinel,
        Self::Stuck,
        Self::Regimes,
        Self::RepeatedRows,
        Self::SeenTest,
        Self::ShiftedTest,
    ];

    /// Name of the check in recipes and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Infinite => "infinite",
            Self::MissingTarget => "missing_target",
            Self::AllMissing => "all_missing",
            Self::Constant => "constant",
            Self::Duplicate => "duplicate",
            Self::Id => "id",
            Self::Leak => "leak",
            Self::CappedTarget => "capped_target",
            Self::FewRows => "few_rows",
            Self::Datetime => "datetime",
            Self::Text => "text",
            Self::MissingMarker => "missing_marker",
            Self::NumberText => "number_text",
            Self::Sentinel => "sentinel",
            Self::Stuck => "stuck",
            Self::Regimes => "regimes",
            Self::RepeatedRows => "repeated_rows",
            Self::SeenTest => "seen_test",
            Self::ShiftedTest => "shifted_test",
        }
    }

    /// True if the action `drop` of this check drops a column. For the other checks, the action `drop` drops rows or cells, or is not allowed.
    #[must_use]
    pub fn drops_columns(self) -> bool {
        let drops = self.actions().contains(&Action::Drop);
        drops && !matches!(self, Self::Infinite | Self::MissingTarget | Self::Sentinel)
    }

    /// True if the option `keep` overrides this check: a column named there is kept with a warning.
    #[must_use]
    pub fn heeds_keep(self) -> bool {
        matches!(
            self,
            Self::Constant | Self::Duplicate | Self::Id | Self::Leak | Self::Sentinel
        )
    }

    /// Actions that the check allows; the first is the default.
    #[must_use]
    pub fn actions(self) -> &'static [Action] {
        use Action::{Drop, Refuse, Warn};
        match self {
            Self::Infinite => &[Refuse, Drop, Warn],
            Self::MissingTarget | Self::AllMissing | Self::Text => &[Drop, Refuse],
            Self::Datetime => &[Warn, Drop, Refuse],
            Self::Constant | Self::Duplicate | Self::Id | Self::Sentinel => &[Drop, Warn, Refuse],
            Self::Leak => &[Refuse, Warn, Drop],
            Self::CappedTarget
            | Self::FewRows
            | Self::MissingMarker
            | Self::NumberText
            | Self::Stuck
            | Self::Regimes
            | Self::RepeatedRows
            | Self::SeenTest
            | Self::ShiftedTest => &[Warn, Refuse],
        }
    }
}

/// Collects the findings of the checks. For each finding, takes the action that the user chose for the check, or else its default action, and stores
/// a warning.
pub(crate) struct Findings<'a> {
    actions: BTreeMap<Check, Action>,
    keep: &'a [String],
    pub(crate) warnings: Vec<Warning>,
}

impl<'a> Findings<'a> {
    /// Starts without findings. `overrides` are the user's actions by name of the check. An unknown name, or an action that its check does not allow,
    /// is an error.
    pub(crate) fn new(overrides: &BTreeMap<String, Action>, keep: &'a [String]) -> Result<Self> {
        let mut actions = BTreeMap::new();
        for (name, action) in overrides {
            let option = format!("checks.{name}");
            let check = named(name, &option)?;
            if !check.actions().contains(action) {
                let allowed: Vec<String> = check.actions().iter().map(Action::to_string).collect();
                return Err(Error::option(
                    &option,
                    format!("found {action}, expected {}", allowed.join(" or ")),
                ));
            }
            actions.insert(check, *action);
        }
        Ok(Self {
            actions,
            keep,
            warnings: Vec::new(),
        })
    }

    pub(crate) fn action(&self, check: Check) -> Action {
        self.actions
            .get(&check)
            .copied()
            .unwrap_or(check.actions()[0])
    }

    pub(crate) fn is_kept(&self, column: &str) -> bool {
        self.keep.iter().any(|name| name == column)
    }

    /// The action that the user chose for a check; `None` if the user chose none.
    pub(crate) fn given(&self, check: Check) -> Option<Action> {
        self.actions.get(&check).copied()
    }

    /// Records a finding, or returns an error if the action is `refuse`; returns the action taken.
    pub(crate) fn found(
        &mut self,
        check: Check,
        column: Option<&str>,
        finding: impl Into<Finding>,
    ) -> Result<Action> {
        self.act(check, self.action(check), column, finding)
    }

    /// Records warnings from reading a file, each as in [`note`](Self::note).
    pub(crate) fn notes(&mut self, notes: &[Warning]) -> Result<()> {
        notes.iter().try_for_each(|note| self.note(note))
    }

    /// Records a warning from reading a file. If it has the name of a check, it counts as a finding of this check.
    pub(crate) fn note(&mut self, note: &Warning) -> Result<()> {
        let named = |check: &Check| check.name() == note.check;
        match Check::ALL.into_iter().find(named) {
            Some(check) => {
                let finding = Finding {
                    message: note.message.clone(),
                    brief: note.brief.clone(),
                };
                self.found(check, note.column.as_deref(), finding).map(drop)
            }
            None => {
                self.warnings.push(note.clone());
                Ok(())
            }
        }
    }

    /// Like [`found`](Self::found), for a feature column: a column named in `keep` is never dropped or refused.
    pub(crate) fn found_in_column(
        &mut self,
        check: Check,
        column: &str,
        finding: Finding,
    ) -> Result<Action> {
        let Finding { message, brief } = finding;
        if self.is_kept(column) {
            let message = format!("{message}; kept, because `keep` names this column");
            let kept = Finding { message, brief };
            return self.act(check, Action::Warn, Some(column), kept);
        }
        let name = shell(column);
        let action = self.action(check);
        let message = match action {
            Action::Refuse => format!(
                "{message}; leave the column out with `--drop {name}`, keep it with `--keep {name}`, or choose another action with `--check {}={}`",
                check.name(),
                check
                    .actions()
                    .iter()
                    .find(|action| **action != Action::Refuse)
                    .unwrap_or(&Action::Warn)
            ),
            Action::Drop => format!("{message}; dropped (`--keep {name}` keeps the column)"),
            Action::Warn => message,
        };
        self.act(check, action, Some(column), Finding { message, brief })
    }

    pub(crate) fn act(
        &mut self,
        check: Check,
        action: Action,
        column: Option<&str>,
        finding: impl Into<Finding>,
    ) -> Result<Action> {
        let Finding { message, brief } = finding.into();
        let column = column.map(str::to_owned);
        if action == Action::Refuse {
            return Err(Error::Refused {
                check: check.name(),
                column,
                message,
            });
        }
        self.warnings.push(Warning {
            check: check.name().to_owned(),
            action,
            column,
            message,
            brief,
        });
        Ok(action)
    }
}

/// Checks the feature columns on the training and validation rows `rows`. Returns the columns that may be features.
pub(crate) fn check_features(
    source: &str,
    columns: Vec<Column>,
    rows: &[usize],
    targets: &[Vec<f64>],
    findings: &mut Findings<'_>,
) -> Result<Vec<Column>> {
    let mut kept: Vec<Column> = Vec::with_capacity(columns.len());
    let mut by_hash: HashMap<u64, Vec<usize>> = HashMap::new();
    for column in columns {
        if let Some((check, found)) = finding(source, &column, rows)
            && drops(findings, check, &column.name, found)?
        {
            continue;
        }
        if let Some(found) = number_text(source, &column, rows) {
            findings.found(Check::NumberText, Some(&column.name), found)?;
        }
        let same = by_hash.entry(hash(&column.values, rows)).or_default();
        if let Some(first) = same
            .iter()
            .find(|index| equal(&kept[**index].values, &column.values, rows))
        {
            let message = format!(
                "{source}: column `{}` has the same values as `{}` in training and validation rows",
                column.name, kept[*first].name
            );
            let brief = format!("same as `{}`", kept[*first].name);
            let found = Finding { message, brief };
            if drops(findings, Check::Duplicate, &column.name, found)? {
                continue;
            }
        }
        same.push(kept.len());
        kept.push(column);
    }
    targets.iter().try_fold(kept, |kept, target| {
        drop_leaks(source, kept, rows, target, findings)
    })
}

fn drops(findings: &mut Findings<'_>, check: Check, column: &str, found: Finding) -> Result<bool> {
    // A column found by this check cannot be a feature, even if `keep` names it.
    if !check.heeds_keep() {
        let message = match findings.action(check) {
            Action::Refuse => format!(
                "{}; leave the column out with `--drop {}` or `--check {}=drop`",
                found.message,
                shell(column),
                check.name()
            ),
            Action::Drop | Action::Warn => format!("{}; dropped", found.message),
        };
        let found = Finding { message, ..found };
        return Ok(findings.found(check, Some(column), found)? == Action::Drop);
    }
    Ok(findings.found_in_column(check, column, found)? == Action::Drop)
}

/// Checks a single column, without comparing it with others. Returns the first check that found something, and what it found; `None` if none did.
fn finding(source: &str, column: &Column, rows: &[usize]) -> Option<(Check, Finding)> {
    let name = &column.name;
    let at = format!("{source}: column `{name}`");
    match column.kind {
        ColumnKind::Time => {
            return Some((Check::Datetime, format!("{at} is a date or time").into()));
        }
        ColumnKind::Text => {
            return Some((
                Check::Text,
                format!("{at} is free text, which cannot be a feature yet").into(),
            ));
        }
        ColumnKind::Number | ColumnKind::Boolean | ColumnKind::Category => {}
    }
    let known = rows
        .iter()
        .filter(|row| !column.values.is_missing(**row))
        .count();
    if known == 0 {
        return Some((
            Check::AllMissing,
            format!(
                "{at} has no value in any of the {} training and validation rows",
                rows.len()
            )
            .into(),
        ));
    }
    if known == rows.len() && is_constant(&column.values, rows) {
        return Some((
            Check::Constant,
            format!("{at} has the same value in all {known} training and validation rows").into(),
        ));
    }
    if is_id(column, rows) {
        let message = format!("{at} identifies the rows: {known} different values in {known} rows");
        let brief = format!("{known} different values in {known} rows");
        return Some((Check::Id, Finding { message, brief }));
    }
    let texts = nearly_unique(column, rows, known)?;
    let fix = match &column.values {
        Values::Category { levels, .. } if levels.iter().all(|text| is_unclear_date(text)) => {
            format!("; {WRITE_DATES}")
        }
        _ => String::new(),
    };
    let message =
        format!("{at} has too many different texts for categories: {texts} in {known} rows{fix}");
    let brief = format!("{texts} different texts in {known} rows");
    Some((Check::Id, Finding { message, brief }))
}

/// Advice in messages about a column of dates such as 03/10/2024.
const WRITE_DATES: &str =
    "if these are dates, write them as YYYY-MM-DD, because it is unclear which number is the day";

/// Number of different texts in a category column, if it is at least half of `known`, the number of rows with a text.
///
/// Returns `None` if it is less, if `known` is below 100, and for columns that are not categories.
fn nearly_unique(column: &Column, rows: &[usize], known: usize) -> Option<usize> {
    const FEWEST_ROWS: usize = 100;
    let Values::Category { codes, .. } = &column.values else {
        return None;
    };
    let texts: HashSet<u32> = rows
        .iter()
        .map(|&row| codes[row])
        .filter(|&code| code != MISSING)
        .collect();
    (known >= FEWEST_ROWS && 2 * texts.len() >= known).then_some(texts.len())
}

/// Returns a warning for a category column that was probably meant to contain numbers or dates; `None` for other columns.
fn number_text(source: &str, column: &Column, rows: &[usize]) -> Option<Finding> {
    const FEWEST: usize = 20;
    let Values::Category { codes, levels } = &column.values else {
        return None;
    };
    let used: std::collections::BTreeSet<u32> = rows
        .iter()
        .map(|&row| codes[row])
        .filter(|&code| code != MISSING)
        .collect();
    let words: Vec<&str> = used
        .iter()
        .map(|&code| levels[code as usize].as_str())
        .collect();
    let numbers: Vec<&&str> = words
        .iter()
        .filter(|word| looks_like_number(word))
        .collect();
    (column.kind == ColumnKind::Category && words.len() >= FEWEST && 2 * numbers.len() >= words.len()).then(|| {
        let other = words.iter().find(|word| !looks_like_number(word)).map_or_else(String::new, |word| format!(", but others do not, such as `{word}`"));
        let fix = match numbers.iter().all(|word| is_unclear_date(word)) {
            true => WRITE_DATES,
            false => "write plain numbers such as 3.5 and leave unknown cells empty, or drop the column",
        };
        let message = format!(
            "{source}: column `{}` is read as {} categories, but {} of them look like numbers or dates, such as `{}`{other}; {fix}",
            column.name,
            words.len(),
            numbers.len(),
            numbers[0]
        );
        let brief = format!("`{}` read as a category", numbers[0]);
        Finding { message, brief }
    })
}

/// True for a date such as 03/10/2024, of which it is unclear whether the day or the month comes first.
fn is_unclear_date(word: &str) -> bool {
    let is = |order: DateOrder| order.read(word).is_some();
    is(DateOrder::DayFirst) && is(DateOrder::MonthFirst)
}

/// True if the text begins with a digit, after any signs, currency signs, points, commas and spaces, and at most four of its characters are neither
/// digits nor signs nor separators: `$1,085`, `12 km`.
fn looks_like_number(word: &str) -> bool {
    let unsigned = word.trim_start_matches(|c: char| "+-−.,$€£¥ ".contains(c));
    let is_part = |c: &char| c.is_ascii_digit() || "+-−.,' _/:".contains(*c);
    let others = word.chars().filter(|c| !is_part(c)).count();
    unsigned.starts_with(|c: char| c.is_ascii_digit()) && others <= 4
}

/// Warns if at least 5 test rows, and at least 5 % of all test rows, also occur in the training or validation rows. `seen` is the number of test rows
/// that also occur there; `test` is the number of all test rows.
pub(crate) fn check_seen_test(
    source: &str,
    seen: usize,
    test: usize,
    findings: &mut Findings<'_>,
) -> Result<()> {
    const SHARE: f64 = 0.05;
    const FEWEST: usize = 5;
    if seen >= FEWEST && seen as f64 >= SHARE * test as f64 {
        let message = format!(
            "{source}: {seen} of {test} test rows also occur among the training and validation rows, with the same features and target, so that test metrics are too \
             optimistic; remove these rows from the test rows, or, if limbeck draws the test rows, keep equal rows together with `--group COLUMN`"
        );
        findings.found(Check::SeenTest, None, message)?;
    }
    Ok(())
}

/// Check `shifted_test`: reports each feature in `shifted`, as found by [`shifted`](crate::ranges::shifted). `source` is the name of the table.
pub(crate) fn check_shifted_test(
    source: &str,
    shifted: &[Shifted],
    findings: &mut Findings<'_>,
) -> Result<()> {
    for one in shifted {
        let share = format!("{:.0} %", 100.0 * one.share);
        let (what, brief) = match &one.range {
            Some(range) => (
                format!("lie outside the training range {range}"),
                format!("{share} outside {range}"),
            ),
            None => (
                "are categories that do not occur in training rows".to_owned(),
                format!("{share} new categories"),
            ),
        };
        let message = format!(
            "{source}: column `{}`: {share} of the test values {what}, so that test metrics describe rows that are unlike the training rows; `--drop {}` leaves the column out",
            one.name,
            shell(&one.name)
        );
        let finding = Finding { message, brief };
        findings.found(Check::ShiftedTest, Some(&one.name), finding)?;
    }
    Ok(())
}

fn is_constant(values: &Values, rows: &[usize]) -> bool {
    let all = |equal: &dyn Fn(usize, usize) -> bool| rows.iter().all(|row| equal(*row, rows[0]));
    match values {
        Values::Number(values) => all(&|a, b| same(values[a], values[b])),
        Values::Category { codes, .. } => all(&|a, b| codes[a] == codes[b]),
        Values::Time(values) => all(&|a, b| values[a] == values[b]),
        Values::Text(values) => all(&|a, b| values[a] == values[b]),
    }
}

/// True if a column identifies the rows. This is a category column whose texts are all different, or a column of whole numbers that number the rows
/// in their order. It is also a column of whole numbers that are all different, if the column's name contains a word such as `id`. False if there are
/// fewer than 20 rows.
pub(crate) fn is_id(column: &Column, rows: &[usize]) -> bool {
    const FEWEST_ROWS: usize = 20;
    if rows.len() < FEWEST_ROWS {
        return false;
    }
    match &column.values {
        Values::Number(values) => {
            let whole = |row: &usize| values[*row].fract() == 0.0;
            rows.iter().all(whole)
                && (counts_rows(values, rows)
                    || (sounds_like_id(&column.name)
                        && all_differ(rows.iter().map(|row| values[*row].to_bits()))))
        }
        Values::Category { codes, .. } => {
            rows.iter().all(|row| codes[*row] != MISSING)
                && all_differ(rows.iter().map(|row| u64::from(codes[*row])))
        }
        Values::Time(_) | Values::Text(_) => false,
    }
}

/// True if the values number the rows in their order. From one of `rows` to the next, the value must grow at least as much as the row's position.
/// From the first to the last, it may grow at most 10 % more than the position, because rows may have been left out of the table.
fn counts_rows(values: &[f64], rows: &[usize]) -> bool {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    let added = |from: usize, to: usize| (values[to] - values[from], (to - from) as f64);
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else {
        return false;
    };
    let (in_all, span) = added(first, last);
    let grows = |pair: &[usize]| {
        let (more, rows) = added(pair[0], pair[1]);
        more >= rows
    };
    in_all <= 1.1 * span && rows.windows(2).all(grows)
}

fn all_differ(values: impl Iterator<Item = u64>) -> bool {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.windows(2).all(|pair| pair[0] != pair[1])
}

/// True if a column name contains a word for an identifier: `id`, `customerId`, `row_index`, `PID`.
fn sounds_like_id(name: &str) -> bool {
    const WORDS: [&str; 18] = [
        "id",
        "ids",
        "idx",
        "index",
        "uuid",
        "guid",
        "key",
        "pid",
        "uid",
        "rowid",
        "row",
        "rownum",
        "rownumber",
        "rowname",
        "rownames",
        "recno",
        "recordid",
        "unnamed",
    ];
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for letter in name.chars() {
        if !letter.is_alphabetic() || (letter.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphabetic()) {
            word.extend(letter.to_lowercase());
        }
        lower_before = letter.is_lowercase();
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// A hash of the cells of a column in `rows`. Two columns with equal cells in these rows have equal hashes.
fn hash(values: &Values, rows: &[usize]) -> u64 {
    let mix = |hash: u64, word: u64| {
        (hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23)
    };
    match values {
        Values::Number(values) => rows
            .iter()
            .fold(1, |hash, &row| mix(hash, canonical(values[row]))),
        Values::Category { codes, levels } => {
            let of_text = |text: &String| text.bytes().fold(7, |hash, byte| mix(hash, byte.into()));
            let of_level: Vec<u64> = levels.iter().map(of_text).collect();
            let of_row = |row: usize| of_level.get(codes[row] as usize).copied();
            rows.iter()
                .fold(2, |hash, &row| mix(hash, of_row(row).unwrap_or(0)))
        }
        Values::Time(_) | Values::Text(_) => 3,
    }
}

/// Bits of a number, with the same bits for every NaN, and for 0 and −0.
fn canonical(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        (value + 0.0).to_bits()
    }
}

/// True if two columns have the same cells in `rows`.
fn equal(a: &Values, b: &Values, rows: &[usize]) -> bool {
    match (a, b) {
        (Values::Number(a), Values::Number(b)) => rows
            .iter()
            .all(|&row| canonical(a[row]) == canonical(b[row])),
        (
            Values::Category {
                codes: a,
                levels: x,
            },
            Values::Category {
                codes: b,
                levels: y,
            },
        ) => rows
            .iter()
            .all(|&row| x.get(a[row] as usize) == y.get(b[row] as usize)),
        _ => false,
    }
}

/// Check `leak`: looks for features that equal the target, perhaps in another unit, or are monotone functions of it. Returns the columns to keep.
fn drop_leaks(
    source: &str,
    columns: Vec<Column>,
    rows: &[usize],
    target: &[f64],
    findings: &mut Findings<'_>,
) -> Result<Vec<Column>> {
    let alone = columns.len() == 1;
    let mut kept = Vec::with_capacity(columns.len());
    for column in columns {
        if let Some(how) = leak(&column.values, rows, target, alone) {
            let message = format!(
                "{source}: column `{}` is {how}; it is a leak if its value is not known before the target is known",
                column.name
            );
            let brief = how.to_owned();
            let found = Finding { message, brief };
            if findings.found_in_column(Check::Leak, &column.name, found)? == Action::Drop {
                continue;
            }
        }
        kept.push(column);
    }
    Ok(kept)
}

/// Looks up a check by its name; `option` is the option that named it, for the error.
fn named(name: &str, option: &str) -> Result<Check> {
    let known = Check::ALL.into_iter().find(|check| check.name() == name);
    known.ok_or_else(|| {
        let names = Check::ALL.map(|check| check.name().to_owned());
        let close = did_you_mean(&nearest(name, &names));
        let message = format!("no such check{close} The checks are: {}", names.join(", "));
        Error::option(option, message)
    })
}

/// The rows among `rows` whose value is not NaN.
fn with_value(rows: &[usize], values: &[f64]) -> Vec<usize> {
    let has = |row: &usize| !values[*row].is_nan();
    rows.iter().copied().filter(has).collect()
}

/// Describes how a column copies the target; `None` if it does not copy it. Also `None` if fewer than 20 rows, or less than half of the rows, have a
/// value.
///
/// Pearson's correlation finds linear copies, and the correlation of ranks finds other monotone copies. A column that is the only feature
/// (`alone`) is allowed to be a nonlinear monotone function of the target, because the curve of a noise-free sensor is such a function.
fn leak(values: &Values, rows: &[usize], target: &[f64], alone: bool) -> Option<&'static str> {
    const COPY: f64 = 0.99999;
    const FEWEST_ROWS: usize = 20;
    const RANKED_ROWS: usize = 20_000;
    let Values::Number(values) = values else {
        return None;
    };
    let known = with_value(rows, values);
    if known.len() < FEWEST_ROWS || 2 * known.len() < rows.len() {
        return None;
    }
    let pick = |all: &[f64], step: usize| {
        known
            .iter()
            .step_by(step)
            .map(|row| all[*row])
            .collect::<Vec<f64>>()
    };
    let copies = |x: &[f64], y: &[f64]| pearson(x, y).is_some_and(|r| r.abs() > COPY);
    if known.iter().all(|row| same(values[*row], target[*row])) {
        return Some("equal to the target");
    }
    if copies(&pick(values, 1), &pick(target, 1)) {
        return Some("the target scaled and shifted (correlation above 0.99999)");
    }
    let step = known.len().div_ceil(RANKED_ROWS);
    (!alone && copies(&ranks(&pick(values, step)), &ranks(&pick(target, step))))
        .then_some("a monotone function of the target (rank correlation above 0.99999)")
}

/// Number of different values among the given rows.
fn different(rows: &[usize], values: &[f64]) -> usize {
    let seen: HashSet<u64> = rows.iter().map(|row| values[*row].to_bits()).collect();
    seen.len()
}

/// Warns if many rows have the largest target value: at least 5 rows, at least 1 % of `rows`, and more than 5 times the average number of rows per
/// different target value.
pub(crate) fn check_capped_target(
    source: &str,
    name: &str,
    rows: &[usize],
    target: &[f64],
    findings: &mut Findings<'_>,
) -> Result<()> {
    const SHARE: f64 = 0.01;
    let max = rows
        .iter()
        .map(|row| target[*row])
        .fold(f64::NEG_INFINITY, f64::max);
    let at_max = rows.iter().filter(|row| same(target[**row], max)).count();
    // A target with few different values (a rating, a count) has many rows at each value.
    let usual = rows.len() as f64 / different(rows, target) as f64;
    let share = at_max as f64 / rows.len() as f64;
    if at_max >= 5 && share >= SHARE && at_max as f64 > 5.0 * usual {
        let message = format!(
            "{source}: target `{name}` looks capped: {at_max} of {} training and validation rows ({:.1} %) are at its maximum {max}; if their true values are larger, consider leaving out these rows",
            rows.len(),
            100.0 * share
        );
        let brief = format!("{at_max} rows at {max}");
        findings.found(Check::CappedTarget, Some(name), Finding { message, brief })?;
    }
    Ok(())
}

/// Check `few_rows`: returns an error or records a warning if there are too few training rows. `rows` is their number.
pub(crate) fn check_rows(source: &str, rows: usize, findings: &mut Findings<'_>) -> Result<()> {
    const TOO_FEW: usize = 20;
    const FEW: usize = 200;
    let action = match findings.given(Check::FewRows) {
        Some(action) => action,
        None if rows < TOO_FEW => Action::Refuse,
        None => Action::Warn,
    };
    if rows < FEW {
        let mut message = format!(
            "{source}: {} to train on; expected at least {TOO_FEW}, and better at least {FEW}",
            counted(rows, "row")
        );
        if action == Action::Refuse {
            message.push_str(
                "; add rows, hold out fewer rows, or continue with `--check few_rows=warn`",
            );
        }
        findings.act(Check::FewRows, action, None, message)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, value: impl Fn(usize) -> f64) -> Column {
        Column::number(name, (0..100).map(value).collect())
    }

    fn wave(row: usize) -> f64 {
        (row as f64 * 1.7).sin()
    }

    #[test]
    fn looks_like_number_tells_numbers_from_codes() {
        for word in [
            "3,412",
            "-3.5",
            "5.20 kg",
            "35.6%",
            "28/10/2021 10:00",
            "$516,458",
            "12",
        ] {
            assert!(looks_like_number(word), "{word}");
        }
        for word in ["lead", "A12", "NEAR BAY", "", "3 bedrooms flat", "v1.2"] {
            assert!(!looks_like_number(word), "{word}");
        }
    }

    /// Runs the feature checks on 100 rows with target `wave`; returns the names kept, and the checks that warned.
    fn run(
        columns: Vec<Column>,
        overrides: &[(&str, Action)],
        keep: &[&str],
    ) -> Result<(Vec<String>, Vec<String>)> {
        let overrides = overrides
            .iter()
            .map(|(name, action)| ((*name).to_owned(), *action))
            .collect();
        let keep: Vec<String> = keep.iter().map(|name| (*name).to_owned()).collect();
        let mut findings = Findings::new(&overrides, &keep)?;
        let rows: Vec<usize> = (0..100).collect();
        let target: Vec<f64> = (0..100).map(wave).collect();
        let kept = check_features("t.csv", columns, &rows, &[target], &mut findings)?;
        let spoke = findings
            .warnings
            .iter()
            .map(|warning| warning.check.clone())
            .collect();
        Ok((kept.into_iter().map(|column| column.name).collect(), spoke))
    }

    fn noise(row: usize) -> f64 {
        ((row * 7919) % 101) as f64 / 3.0
    }

    #[test]
    fn columns_without_information_are_dropped_with_a_warning() {
        let columns = vec![
            column("good", noise),
            column("flat", |_| 3.0),
            column("gone", |_| f64::NAN),
            column("good again", noise),
            column("customerId", |row| 1000.0 + row as f64),
            Column::category(
                "label",
                (0..100)
                    .map(|row| format!("n{row}"))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(|t| Some(t.as_str())),
            ),
            Column {
                name: "when".into(),
                kind: ColumnKind::Time,
                values: Values::Time((0..100).collect()),
            },
            Column {
                name: "story".into(),
                kind: ColumnKind::Text,
                values: Values::Text(vec![None; 100]),
            },
        ];
        let (kept, spoke) = run(columns, &[("datetime", Action::Drop)], &[]).unwrap();
        assert_eq!(kept, ["good"]);
        assert_eq!(
            spoke,
            [
                "constant",
                "all_missing",
                "duplicate",
                "id",
                "id",
                "datetime",
                "text"
            ]
        );
    }

    #[test]
    fn test_rows_do_not_decide_which_columns_are_equal() {
        // Rows from 80 on are test rows.
        let learn: Vec<usize> = (0..80).collect();
        let letter = |row: usize| Some(["a", "b", "c"][row % 3]);
        let with = |other: &'static str| {
            let text = move |row: usize| if row < 80 { letter(row) } else { Some(other) };
            Column::category(other, (0..100).map(text))
        };
        let columns = vec![
            column("x", noise),
            column("y", |row| noise(row) + if row < 80 { 0.0 } else { 1.0 }),
            column("z", |row| noise(row) + if row < 79 { 0.0 } else { 1.0 }),
            // The levels of test rows shift the codes of all others.
            with("aa"),
            with("zz"),
        ];
        let mut findings = Findings::new(&BTreeMap::new(), &[]).unwrap();
        let target: Vec<f64> = (0..100).map(wave).collect();
        let kept = check_features("t.csv", columns, &learn, &[target], &mut findings).unwrap();
        let kept: Vec<&str> = kept.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(kept, ["x", "z", "aa"]);
    }

    #[test]
    fn columns_that_number_the_rows_are_identifiers() {
        let name = |column: Column| run(vec![column, column_of_noise()], &[], &[]).unwrap().0;
        assert_eq!(name(column("rownames", |row| row as f64)), ["good"]);
        assert_eq!(name(column("n", |row| 7.0 + row as f64)), ["good"]);
        // A few rows were left out.
        assert_eq!(name(column("n", |row| (row + row / 20) as f64)), ["good"]);
        for other in [
            column("year", |row| (row / 2) as f64),
            column("n", |row| 3.0 * row as f64),
            column("n", |row| ((row * 37) % 101) as f64),
            column("n", |row| row as f64 + 0.5),
        ] {
            assert_eq!(name(other).len(), 2);
        }
    }

    fn column_of_noise() -> Column {
        column("good", noise)
    }

    #[test]
    fn constant_column_with_missing_values_is_kept() {
        let column = column("flag", |row| if row % 2 == 0 { 1.0 } else { f64::NAN });
        assert_eq!(run(vec![column], &[], &[]).unwrap().0, ["flag"]);
    }

    #[test]
    fn keep_and_overrides_change_the_action() {
        let flat = || vec![column("flat", |_| 3.0), column("good", noise)];
        assert_eq!(run(flat(), &[], &["flat"]).unwrap().0, ["flat", "good"]);
        assert_eq!(
            run(flat(), &[("constant", Action::Warn)], &[]).unwrap().0,
            ["flat", "good"]
        );
        let error = run(flat(), &[("constant", Action::Refuse)], &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("t.csv: column `flat`") && error.contains("--keep flat"),
            "{error}"
        );
    }

    #[test]
    fn leaks_are_refused_and_can_be_kept() {
        let good = || column("good", noise);
        for (name, leak) in [
            ("copy", column("copy", wave)),
            ("scaled", column("scaled", |row| 3.0 - 2.0 * wave(row))),
            ("curve", column("curve", |row| wave(row).exp())),
        ] {
            let error = run(vec![leak.clone(), good()], &[], &[])
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(name) && error.contains("`--check leak=warn`"),
                "{error}"
            );
            assert_eq!(
                run(vec![leak.clone(), good()], &[], &[name])
                    .unwrap()
                    .0
                    .len(),
                2
            );
            assert_eq!(
                run(vec![leak.clone(), good()], &[("leak", Action::Drop)], &[])
                    .unwrap()
                    .0,
                ["good"]
            );
        }
        // The curve of a single sensor is not a leak.
        assert_eq!(
            run(vec![column("curve", |row| wave(row).exp())], &[], &[])
                .unwrap()
                .1
                .len(),
            0
        );
    }

    #[test]
    fn overrides_reject_unknown_names_and_actions() {
        let error = run(vec![], &[("leek", Action::Warn)], &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean `leak`?"), "{error}");
        let error = run(vec![], &[("text", Action::Warn)], &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("found warn, expected drop or refuse"),
            "{error}"
        );
    }

    #[test]
    fn capped_target_gives_a_warning_but_a_rating_does_not() {
        let rows: Vec<usize> = (0..1000).collect();
        let mut findings = Findings::new(&BTreeMap::new(), &[]).unwrap();
        let capped: Vec<f64> = rows.iter().map(|row| (*row as f64).min(950.0)).collect();
        check_capped_target("t.csv", "y", &rows, &capped, &mut findings).unwrap();
        assert!(
            findings.warnings[0]
                .message
                .contains("50 of 1000 training and validation rows (5.0 %) are at its maximum 950")
        );
        let rating: Vec<f64> = rows.iter().map(|row| (*row % 5) as f64).collect();
        check_capped_target("t.csv", "y", &rows, &rating, &mut findings).unwrap();
        assert_eq!(findings.warnings.len(), 1);
    }

    #[test]
    fn few_rows_are_refused_below_20_and_warned_of_below_200() {
        let mut findings = Findings::new(&BTreeMap::new(), &[]).unwrap();
        assert!(check_rows("t.csv", 19, &mut findings).is_err());
        check_rows("t.csv", 20, &mut findings).unwrap();
        check_rows("t.csv", 200, &mut findings).unwrap();
        assert_eq!(findings.warnings.len(), 1);
        let overrides = [("few_rows".to_owned(), Action::Warn)].into();
        assert!(check_rows("t.csv", 2, &mut Findings::new(&overrides, &[]).unwrap()).is_ok());
    }

    #[test]
    fn sounds_like_id_compares_whole_words() {
        for name in [
            "id",
            "ID",
            "customer_id",
            "customerId",
            "row index",
            "PID",
            "unnamed_1",
            "uuid4",
            "rownames",
        ] {
            assert!(sounds_like_id(name), "{name}");
        }
        for name in [
            "humidity",
            "grid",
            "width",
            "indexed_price",
            "median_income",
        ] {
            assert!(!sounds_like_id(name), "{name}");
        }
    }
}
