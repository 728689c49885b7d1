//! Several targets of one table: a proof and a run for each, with one student per target or one student for all.
//!
//! ```text
//! runs/x/targets.json      which targets, and the folder of each
//! runs/x/report.html       all targets in one table
//! runs/x/heating_load/     a run like any other
//! runs/x/cooling_load/
//! runs/x/student.limbeck   with `joint`: the student that predicts all targets
//! ```
//!
//! Several horizons (`data.horizons`) are several targets, too: each column with each horizon. They are named as `load.ahead6`.
//!
//! Without `joint`, every student has its own teacher, size and verdict, and the recipe of each run drops the other targets. With `joint`, one
//! network learns from a teacher for each target; the student of each run is that network reduced to one output. `metrics.csv` beside the joint
//! student has the errors of all targets together, in standard deviations of each target; errors in the reports of the runs are in the unit of their
//! target.

use std::path::Path;

use limbeck_data::{DataOptions, TargetSpec};

use crate::error::{Error, Result};
use crate::pipeline::{distill, distill_joint, go_on};
use crate::recipe::{CheckedRecipe, Recipe};
use crate::report::compare;
use crate::run::files::{PAGE, write_file};
use crate::run::several::{self, Entry};
use crate::run::unfinished::{self, Ticket, Unfinished};
use crate::run::{Run, open_each};
use crate::session::{Event, Observer};

/// Makes a run for each target of the recipe: `data.target`, then `targets`, and each of these with each horizon. With one target, it does the same as
/// [`distill`].
///
/// ```no_run
/// use limbeck::{Recipe, Silent, distill_each};
///
/// let mut recipe = Recipe::for_table("building.csv", "heating");
/// (recipe.targets, recipe.joint) = (vec!["cooling".into()], true);
/// for run in distill_each(&recipe.check()?, "runs/building", &Silent)? {
///     println!("{}: {}", run.report().target, run.report().proof.verdict.sentence);
/// }
/// # Ok::<(), limbeck::Error>(())
/// ```
///
/// Without `joint`, each target gets an equal part of a time limit. If the user stops, the run in progress ends like any stopped run; [`resume`]
/// makes the runs of the other targets.
///
/// # Errors
///
/// The errors of [`distill`]; [`Error::Kept`] if the run of a target was finished before the error.
pub fn distill_each(
    recipe: &CheckedRecipe,
    out: impl AsRef<Path>,
    observer: &dyn Observer,
) -> Result<Vec<Run>> {
    let out = out.as_ref();
    if !recipe.has_several_targets() {
        return Ok(vec![distill(recipe, out, observer)?]);
    }
    if recipe.joint {
        return distill_joint(recipe, out, observer);
    }
    let runs = each(recipe)?;
    unfinished::refuse_taken(out)?;
    let run_dir = Unfinished::begin(out, &Ticket::new(recipe, None)?, recipe.checkpoint_every)?;
    all(&runs, run_dir, observer)
}

/// Continues an unfinished run, or the unfinished runs of several targets.
///
/// The files have the same bytes as without the interruption, except those that hold times. A finished run is only opened.
///
/// ```no_run
/// let runs = limbeck::resume("runs/building", &limbeck::Silent)?;
/// # Ok::<(), limbeck::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::CannotResume`] if there is no run of that name, or if the table, another file that the run reads, or the version of limbeck has changed;
/// [`Error::InUse`] if another process is working on the run; the errors of [`distill`].
pub fn resume(run: impl AsRef<Path>, observer: &dyn Observer) -> Result<Vec<Run>> {
    let (path, last) = Unfinished::names(run.as_ref());
    if !path.exists() && last.exists() {
        return open_each(last);
    }
    let (run_dir, ticket) = Unfinished::resume(run.as_ref())?;
    let Some(ticket) = ticket else {
        run_dir.finish()?;
        return open_each(last);
    };
    let recipe = ticket.recipe(run_dir.path())?;
    if !recipe.has_several_targets() || recipe.joint {
        return go_on(run_dir, &ticket, observer);
    }
    all(&each(&recipe)?, run_dir, observer)
}

/// Makes the runs of all targets in the folder `run_dir`. Finished runs in it are not changed.
fn all(
    runs: &[(Entry, CheckedRecipe)],
    run_dir: Unfinished,
    observer: &dyn Observer,
) -> Result<Vec<Run>> {
    let last = run_dir.last().to_owned();
    match each_in(runs, &run_dir, observer) {
        Ok(()) => {
            run_dir.finish()?;
            open_each(last)
        }
        Err(error) => Err(run_dir.leave(match error {
            // The error of one run names its folder; a resume needs the folder of all runs.
            Error::Kept { source, .. } => *source,
            error => error,
        })),
    }
}

fn each_in(
    runs: &[(Entry, CheckedRecipe)],
    run_dir: &Unfinished,
    observer: &dyn Observer,
) -> Result<()> {
    for (at, (entry, recipe)) in runs.iter().enumerate() {
        let out = run_dir.path().join(&entry.folder);
        let name = format!("target {} of {}: {}", at + 1, runs.len(), entry.target);
        if out.exists() {
            continue;
        }
        if observer.stop() {
            observer.event(&Event::Note(&format!("stopped before {name}")));
            return Err(Error::Interrupted);
        }
        observer.event(&Event::Stage(&name));
        match Unfinished::names(&out).0.exists() {
            true => resume(&out, observer).map(|_| ())?,
            false => distill(recipe, &out, observer).map(|_| ())?,
        }
    }
    let entries: Vec<Entry> = runs.iter().map(|(entry, _)| entry.clone()).collect();
    let run = |entry: &Entry| -> Result<Run> {
        let made = Run::open(run_dir.path().join(&entry.folder))?;
        Ok(made.at(run_dir.last().join(&entry.folder)))
    };
    let made = entries.iter().map(run).collect::<Result<Vec<_>>>()?;
    let page = compare::targets_page(&made, &entries);
    write_file(run_dir.path(), PAGE, page.as_bytes())?;
    several::write(run_dir.path(), &entries)
}

/// The runs, one for each target, and their recipes. Each recipe drops the other targets from the features, and has an equal part of the time limit.
fn each(recipe: &Recipe) -> Result<Vec<(Entry, CheckedRecipe)>> {
    let specs = recipe.data.targets(&recipe.targets);
    let entries = several::entries(specs.iter().map(|spec| &*spec.name));
    let all = data_of_each(recipe);
    let share = recipe.time_limit.map(|limit| limit / all.len() as f64);
    let own = |data: DataOptions| {
        let own = Recipe {
            targets: Vec::new(),
            time_limit: share,
            data,
            ..recipe.clone()
        };
        own.check()
    };
    let checked = all.into_iter().map(own).collect::<Result<Vec<_>>>()?;
    Ok(entries.into_iter().zip(checked).collect())
}

/// The data options of the runs with one target each, for all targets of the recipe in order. In each, the other targets are dropped from the
/// features.
#[must_use]
pub fn data_of_each(recipe: &Recipe) -> Vec<DataOptions> {
    let all = std::iter::once(&recipe.data.target).chain(&recipe.targets);
    let own = |target: TargetSpec| {
        let mut own = recipe.data.clone();
        target.column().clone_into(&mut own.target);
        own.log_targets.retain(|name| name == target.column());
        let others = all.clone().filter(|other| *other != target.column());
        let others = others.filter(|other| !recipe.data.drop.contains(other));
        own.drop.extend(others.cloned());
        own.horizons.clear();
        if let Some(later) = target.later {
            own.horizon = later.horizon as usize;
        }
        own
    };
    let each = recipe.data.targets(&recipe.targets).into_iter();
    each.map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(targets: &[&str]) -> Recipe {
        let mut recipe = Recipe::for_table("t.csv", targets[0]);
        recipe.targets = targets[1..].iter().map(|t| (*t).to_owned()).collect();
        recipe
    }

    #[test]
    fn other_targets_are_no_features() {
        let mut several = recipe(&["a", "b", "c"]);
        (several.data.drop, several.time_limit) = (vec!["z".into()], Some(30.0));
        let found = each(&several).unwrap();
        let drops: Vec<Vec<String>> = found
            .iter()
            .map(|(_, recipe)| recipe.data.drop.clone())
            .collect();
        assert_eq!(
            drops,
            [
                vec!["z", "b", "c"],
                vec!["z", "a", "c"],
                vec!["z", "a", "b"]
            ]
        );
        assert!(
            found
                .iter()
                .all(|(_, recipe)| recipe.targets.is_empty() && recipe.time_limit == Some(10.0))
        );
    }

    #[test]
    fn each_horizon_has_a_run() {
        let mut several = recipe(&["a", "b"]);
        several.data.time = Some("t".into());
        (several.data.horizon, several.data.horizons) = (1, vec![6]);
        let found = each(&several).unwrap();
        let runs: Vec<(&str, &str, usize)> = found
            .iter()
            .map(|(entry, own)| (&*entry.folder, &*own.data.target, own.data.horizon))
            .collect();
        assert_eq!(
            runs,
            [
                ("a_ahead1", "a", 1),
                ("a_ahead6", "a", 6),
                ("b_ahead1", "b", 1),
                ("b_ahead6", "b", 6)
            ]
        );
        assert!(found.iter().all(|(_, own)| own.data.horizons.is_empty()));
    }

    #[test]
    fn a_target_twice_and_a_teacher_of_one_are_refused() {
        assert!(
            recipe(&["a", "b", "a"])
                .check()
                .unwrap_err()
                .to_string()
                .contains("targets: `a` is also in `data.target`")
        );
        let mut with = recipe(&["a", "b"]);
        with.data.teacher_column = Some("p".into());
        assert!(
            with.check()
                .unwrap_err()
                .to_string()
                .contains("data.teacher_column")
        );
    }
}
