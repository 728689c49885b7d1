//! Shows what `distill` would find in a table: the errors that would stop it, the warnings, the split and the features.

use std::collections::BTreeSet;

use limbeck::Recipe;
use limbeck_data::figures::range;
use limbeck_data::{
    Action, Check, DataOptions, DataSummary, Dataset, FeatureKind, FoldKind, Split, Table, Values,
    dates,
};
use limbeck_distill::proof::short;

use crate::error::Result;
use crate::output::Style;
use crate::render::said;
use crate::render::{counted, grouped};

/// Maximum number of features that a preview lists.
const SHOWN_FEATURES: usize = 60;

/// The text of the preview for each target of the recipe, one after the other. With the option `joint`, one preview for all targets.
pub(crate) fn preview(
    table: &Table,
    test: Option<&Table>,
    recipe: &Recipe,
    style: Style,
) -> Result<String> {
    if recipe.joint {
        let case = Case {
            table,
            test,
            others: &recipe.targets,
            seed: recipe.seed,
        };
        return case.shown(&recipe.data, style);
    }
    let case = Case {
        table,
        test,
        others: &[],
        seed: recipe.seed,
    };
    let each = limbeck::targets::data_of_each(recipe);
    each.iter()
        .map(|options| case.shown(options, style))
        .collect()
}

/// The tables, and what a preview needs besides the data options.
struct Case<'a> {
    table: &'a Table,
    test: Option<&'a Table>,
    /// With the option `joint`, the targets besides the one in the data options; else empty.
    others: &'a [String],
    seed: u64,
}

impl Case<'_> {
    fn shown(&self, options: &DataOptions, style: Style) -> Result<String> {
        let mut options = options.clone();
        let mut refused = String::new();
        let data = loop {
            let (table, test) = (self.table.clone(), self.test.cloned());
            match Dataset::joint(table, &options, (self.others, 0), test, self.seed) {
                Ok(data) => break data,
                Err(error) => {
                    // Let through what this check refuses, to see what else there is.
                    let Some((check, action)) = let_through(&error, &options) else {
                        return Err(error.into());
                    };
                    refused.push_str(&format!("\n{}: {error}", style.red("refused")));
                    options.checks.insert(check.to_owned(), action);
                }
            }
        };
        let lines = [
            target(&options.target, &data.summary),
            rows(&data.summary),
            self.periods(&data, &options),
            series(&data.summary),
            groups(&data, &options),
            features(&data.summary.features),
        ];
        let warnings = said(&data.summary.warnings, style);
        Ok(format!("\n{}{refused}{warnings}", lines.concat()))
    }

    /// A line with the earliest and the latest time of each part of the split; empty without `--time`.
    fn periods(&self, data: &Dataset, options: &DataOptions) -> String {
        let Some(name) = &options.time else {
            return String::new();
        };
        let parts = parts(&data.split);
        let parts = parts.map(|(part, rows)| {
            let rows: Vec<usize> = rows.iter().map(|&row| data.rows[row]).collect();
            format!("{part} {}", self.period(name, &rows))
        });
        format!("time `{name}`: {}\n", parts.join(", "))
    }

    /// The range of the column `name` over the given rows, as text. In `rows`, the rows of the test table are numbered after those of the table.
    fn period(&self, name: &str, rows: &[usize]) -> String {
        let values = |table: Option<&'_ Table>| table?.column(name).map(|one| one.values.clone());
        let (mut times, mut numbers) = (Vec::new(), Vec::new());
        for (table, first) in [(Some(self.table), 0), (self.test, self.table.rows)] {
            let own = rows.iter().filter_map(|row| row.checked_sub(first));
            match values(table) {
                Some(Values::Time(values)) => {
                    times.extend(own.filter_map(|at| values.get(at)).copied())
                }
                Some(Values::Number(values)) => {
                    numbers.extend(own.filter_map(|at| values.get(at)).copied())
                }
                _ => {}
            }
        }
        if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
            return format!("{} to {}", dates::minute(*first), dates::minute(*last));
        }
        let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        range(
            low,
            numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        )
    }
}

/// A line on the series that the rows form, and a line on the leak audit; empty if they form none.
fn series(summary: &DataSummary) -> String {
    let Some(series) = &summary.series else {
        return String::new();
    };
    let audit = series.audit.iter().map(|audit| match audit.passed {
        true => format!("leak audit, passed: {} ({})\n", audit.test, audit.found),
        false => format!("leak audit, FAILED: {} ({})\n", audit.test, audit.found),
    });
    format!("series: {series}\n{}", audit.collect::<String>())
}

fn target(name: &str, summary: &DataSummary) -> String {
    format!(
        "target `{name}`: {}, mean {}, standard deviation {}\n",
        range(summary.target.min, summary.target.max),
        short(summary.target.mean),
        short(summary.target.standard_deviation),
    )
}

fn rows(summary: &DataSummary) -> String {
    let parts = [
        ("training", summary.train),
        ("validation", summary.valid),
        ("test", summary.test),
    ];
    let parts = parts.map(|(part, rows)| format!("{} {part}", grouped(rows)));
    format!("rows: {}\n", parts.join(", "))
}

/// The rows of each part of a split, with the name of the part.
fn parts(split: &Split) -> [(&'static str, &[usize]); 3] {
    [
        ("training", &split.train),
        ("validation", &split.valid),
        ("test", &split.test),
    ]
}

/// A line with the number of groups in the table and in each part of the split; empty without `--group`.
fn groups(data: &Dataset, options: &DataOptions) -> String {
    let (Some(name), FoldKind::Group) = (&options.group, data.fold_kind) else {
        return String::new();
    };
    let count = |rows: &[usize]| -> usize {
        let groups = data.blocks_of(rows).unwrap_or_default();
        groups.into_iter().collect::<BTreeSet<u32>>().len()
    };
    let all: Vec<usize> = (0..data.rows.len()).collect();
    let each = parts(&data.split).map(|(part, rows)| format!("{} {part}", grouped(count(rows))));
    let all = counted(count(&all), "group");
    format!("{all} of `{name}`: {}\n", each.join(", "))
}

/// A line with the number of features and their names. A feature that is a part of a date is listed with the meaning of its numbers.
fn features(kinds: &[FeatureKind]) -> String {
    let described = |kind: &FeatureKind| match &kind.date {
        Some(date) => format!("`{}` ({})", kind.name, date.part.meaning()),
        None => format!("`{}`", kind.name),
    };
    let shown = kinds.iter().take(SHOWN_FEATURES).map(described);
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if kinds.len() > SHOWN_FEATURES {
        list.push_str(&format!(" and {} more", kinds.len() - SHOWN_FEATURES));
    }
    format!("{}: {list}\n", counted(kinds.len(), "feature"))
}

/// If a check refused the table with `error`: the name of the check, and one of its actions that does not refuse. `None` if no check refused the
/// table, or if `options` have this action already.
fn let_through(
    error: &limbeck_data::Error,
    options: &DataOptions,
) -> Option<(&'static str, Action)> {
    let limbeck_data::Error::Refused { check: name, .. } = error else {
        return None;
    };
    let check = Check::ALL.into_iter().find(|check| check.name() == *name)?;
    let mut actions = check.actions().iter().copied();
    let action = actions.find(|action| *action != Action::Refuse)?;
    (options.checks.get(*name) != Some(&action)).then_some((check.name(), action))
}
