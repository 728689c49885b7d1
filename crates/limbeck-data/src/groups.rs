//! Groups warnings about columns, so that a user reads one message for each kind.

use std::collections::BTreeSet;

use crate::checks::Check;
use crate::warning::{Action, Warning};

/// One message: for a single warning, or for all columns in which a check found the same problem and took the same action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name of the check.
    pub check: String,
    /// Action that was taken.
    pub action: Action,
    /// The message of the warning or, for several columns, a message that lists the columns.
    pub message: String,
}

/// Maximum number of columns that the message of a group names.
const LISTED: usize = 4;

/// Groups the warnings about columns by check and action, in the order of the first warning of each group. A group of several columns names the first
/// four and counts the others. Other warnings stay alone.
///
/// ```
/// use limbeck_data::{Action, Warning, group_warnings};
///
/// let warning = |column: &str| Warning {
///     check: "missing_marker".into(),
///     action: Action::Warn,
///     column: Some(column.into()),
///     message: format!("t.csv: column `{column}`: read as missing: `?` in 12 cells"),
///     brief: "`?` in 12 cells".into(),
/// };
/// let groups = group_warnings(&[warning("a"), warning("b")]);
/// assert_eq!(groups[0].message, "2 columns with cells read as missing: `a` (`?` in 12 cells), `b` (`?` in 12 cells)");
/// assert_eq!(group_warnings(&[warning("a")])[0].message, warning("a").message);
/// ```
#[must_use]
pub fn group_warnings(warnings: &[Warning]) -> Vec<Group> {
    let mut groups: Vec<Vec<&Warning>> = Vec::new();
    for warning in warnings {
        let is_same = |group: &&mut Vec<&Warning>| {
            let first = group[0];
            first.check == warning.check && first.action == warning.action
        };
        let can_join = warning.column.is_some() && heading(warning).is_some();
        match groups.iter_mut().filter(|_| can_join).find(is_same) {
            Some(group) => group.push(warning),
            None => groups.push(vec![warning]),
        }
    }
    groups.iter().map(|group| group_of(group)).collect()
}

fn group_of(warnings: &[&Warning]) -> Group {
    let first = warnings[0];
    let message = match (warnings, heading(first)) {
        ([_, _, ..], Some((what, advice))) => listed(warnings, what, advice),
        _ => first.message.clone(),
    };
    Group {
        check: first.check.clone(),
        action: first.action,
        message,
    }
}

fn listed(warnings: &[&Warning], what: &str, advice: &str) -> String {
    let named: Vec<&str> = warnings
        .iter()
        .filter_map(|one| one.column.as_deref())
        .collect();
    let columns: BTreeSet<&str> = named.iter().copied().collect();
    let one = |(name, warning): (&&str, &&Warning)| match warning.brief.as_str() {
        "" => format!("`{name}`"),
        brief => format!("`{name}` ({brief})"),
    };
    let shown: Vec<String> = named.iter().zip(warnings).take(LISTED).map(one).collect();
    let more: BTreeSet<&str> = named.iter().take(LISTED).copied().collect();
    let more = match columns.len() - more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let noun = if columns.len() == 1 {
        "column"
    } else {
        "columns"
    };
    format!(
        "{} {noun} {what}: {}{more}{advice}",
        columns.len(),
        shown.join(", ")
    )
}

/// Two texts for a message about several columns with this finding. First: the words after the number of columns, such as `with infinite numbers`.
/// Second: advice at the end of the message, which may be empty. `None` if such warnings are not grouped.
fn heading(warning: &Warning) -> Option<(&'static str, &'static str)> {
    use Action::{Drop, Warn};
    const KEEP: &str = " (`--keep COLUMN` keeps a column)";
    // Warnings from reading a file, which are not from a check.
    match warning.check.as_str() {
        "unsupported_type" => return Some(("of types that are not supported, left out", "")),
        "unreadable_column" => return Some(("that could not be read, left out", "")),
        _ => {}
    }
    let check = Check::ALL
        .into_iter()
        .find(|check| check.name() == warning.check)?;
    Some(match (check, warning.action) {
        (Check::Infinite, _) => ("with infinite numbers", ""),
        (Check::MissingTarget, _) => (
            "with missing targets",
            "; a row with any missing target is left out",
        ),
        (Check::AllMissing, _) => ("without any value in training rows, dropped", ""),
        (Check::Constant, Drop) => ("with the same value in all training rows, dropped", KEEP),
        (Check::Constant, _) => ("with the same value in all training rows", ""),
        (Check::Duplicate, Drop) => ("that repeat another column, dropped", KEEP),
        (Check::Duplicate, _) => ("that repeat another column", ""),
        (Check::Id, Drop) => (
            "that identify the rows or have too many different texts, dropped",
            KEEP,
        ),
        (Check::Id, _) => (
            "that identify the rows or have too many different texts",
            "",
        ),
        (Check::Leak, Drop) => ("that may contain the target, dropped", KEEP),
        (Check::Leak, _) => ("that may contain the target", ""),
        (Check::CappedTarget, _) => ("with targets that look capped", ""),
        (Check::Datetime, Warn) => (
            "of dates, whose parts are features",
            " (`--drop COLUMN` leaves a column out, `--time COLUMN` splits the rows by time)",
        ),
        (Check::Datetime, _) => ("of dates, dropped", ""),
        (Check::Text, _) => ("of free text, dropped", ""),
        (Check::MissingMarker, _) => ("with cells read as missing", ""),
        (Check::NumberText, _) => ("with text that looks like numbers or dates", ""),
        (Check::Sentinel, Drop) => (
            "with numbers far from all others, taken as missing",
            " (`--keep COLUMN` keeps the numbers of a column)",
        ),
        (Check::Sentinel, _) => ("with numbers far from all others", ""),
        (Check::Stuck, _) => (
            "that repeat a number over many consecutive rows, as stuck sensors do (used as they are; check the sensors, or leave out the columns with `--drop`)",
            "",
        ),
        (Check::ShiftedTest, _) => (
            "in which most test values lie outside the training range or are new categories",
            "; test metrics describe rows that are unlike the training rows",
        ),
        (Check::FewRows | Check::Regimes | Check::RepeatedRows | Check::SeenTest, _) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(check: Check, action: Action, column: &str, brief: &str) -> Warning {
        Warning {
            check: check.name().into(),
            action,
            column: Some(column.into()),
            message: format!("t.csv: column `{column}` has something"),
            brief: brief.into(),
        }
    }

    #[test]
    fn warnings_of_one_kind_are_one_message() {
        let mut all: Vec<Warning> = ["a", "b", "c", "d", "e", "f"]
            .map(|name| warning(Check::MissingMarker, Action::Warn, name, "`?` in 1 cell"))
            .into();
        all.insert(1, warning(Check::Constant, Action::Drop, "k", ""));
        all.push(warning(Check::Constant, Action::Warn, "kept", ""));
        all.push(warning(Check::Constant, Action::Drop, "l", ""));
        let found: Vec<String> = group_warnings(&all)
            .into_iter()
            .map(|group| group.message)
            .collect();
        assert_eq!(
            found,
            [
                "6 columns with cells read as missing: `a` (`?` in 1 cell), `b` (`?` in 1 cell), `c` (`?` in 1 cell), `d` (`?` in 1 cell) and 2 more",
                "2 columns with the same value in all training rows, dropped: `k`, `l` (`--keep COLUMN` keeps a column)",
                "t.csv: column `kept` has something",
            ]
        );
    }

    #[test]
    fn columns_are_counted_once_and_warnings_of_tables_stay_apart() {
        let mut few = warning(Check::FewRows, Action::Warn, "", "");
        few.column = None;
        let twice = ["`?` in 1 cell", "text `n.d.` in 2 cells"];
        let mut all: Vec<Warning> = twice
            .map(|brief| warning(Check::MissingMarker, Action::Warn, "a", brief))
            .into();
        all.extend([few.clone(), few.clone()]);
        let found: Vec<String> = group_warnings(&all)
            .into_iter()
            .map(|group| group.message)
            .collect();
        assert_eq!(
            found,
            [
                "1 column with cells read as missing: `a` (`?` in 1 cell), `a` (text `n.d.` in 2 cells)",
                few.message.as_str(),
                few.message.as_str(),
            ]
        );
    }
}
