//! Writes the files of a run, except the log and the training curves, which are written during the run.

use std::path::Path;

use limbeck_data::Dataset;
use limbeck_runtime::Student;

use super::curves::{self, Schedules};
use super::files::{
    EXPORT, LABELS, METRICS, METRICS_JSON, PAGE, PREDICTIONS, RECIPE, REPORT, STUDENT, TEACHER,
    TEACHER_FILE, TENSORBOARD, write_file,
};
use super::manifest::Manifest;
use super::unfinished::Unfinished;
use super::{Run, export, several, tensorboard};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::report::{compare, page};
use crate::stages::fitted::{Fitted, Joint};

/// Writes all files of a run into the folder `out`, its manifest last. `last` is the path that the run gets when it is finished.
///
/// # Errors
///
/// If a file cannot be written.
pub(crate) fn write(out: &Path, last: &Path, data: &Dataset, fitted: &Fitted) -> Result<()> {
    let Fitted {
        recipe,
        labels,
        proven,
        choice,
        refits,
        ..
    } = fitted;
    let report = &proven.report;
    let text = recipe.to_toml()?;
    write_file(out, RECIPE, text.as_bytes())?;
    labels.to_table(data).write_parquet(out.join(LABELS))?;
    if let Some(teacher) = &labels.file {
        let folder = out.join(TEACHER);
        std::fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
        write_file(&folder, TEACHER_FILE, teacher)?;
    }
    let schedules = Schedules::of(&recipe.objective, &recipe.hints);
    let trainings = curves::trainings(recipe.seed, choice, refits);
    let (csv, jsonl) = curves::texts(&schedules, &trainings);
    write_file(out, METRICS, csv.as_bytes())?;
    write_file(out, METRICS_JSON, jsonl.as_bytes())?;
    write_file(out, STUDENT, &proven.student.to_bytes()?)?;
    proven.predictions.write_parquet(out.join(PREDICTIONS))?;
    tensorboard::write(
        &out.join(TENSORBOARD),
        &trainings,
        &proven.weights,
        report,
        (&text, &schedules),
        &proven.answers,
    )?;
    if !recipe.joint {
        write_exports(out, &recipe.export, &proven.student)?;
    }
    let (baseline, distilled) = choice.best()?;
    let source = page::Source {
        report,
        recipe: &text,
        features: &proven.test.features,
        weight: &proven.test.weight,
        timeline: data.timeline.as_ref(),
        rows: &proven.test.rows,
        answers: &proven.answers,
        chosen: [Some(baseline), Some(distilled)],
        run: &last.display().to_string(),
        formats: &export::possible(&proven.student),
    };
    write_file(out, PAGE, page::page(&source).as_bytes())?;
    let json = serde_json::to_string_pretty(report).map_err(|error| Error::NotARun {
        path: out.to_owned(),
        message: format!("its report cannot be written: {error}"),
    })?;
    write_file(out, REPORT, json.as_bytes())?;
    Manifest::of_run(out)?.write(&out.join(super::files::MANIFEST))
}

/// Exports the student to `formats`, into the run's folder `export`. `out` is the folder of the run. Formats that cannot express the student are
/// skipped; the report notes them.
fn write_exports(out: &Path, formats: &[Format], student: &Student) -> Result<()> {
    let folder = out.join(EXPORT);
    // An interrupted attempt may have left files.
    let _ = std::fs::remove_dir_all(&folder);
    for &format in formats {
        match export::export(student, format, &folder, export::NAME) {
            Ok(_) | Err(Error::Export(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes the student of several targets, and a run for each target in a folder of its own beside it.
///
/// # Errors
///
/// If a file cannot be written.
pub(crate) fn write_joint(run_dir: &Unfinished, data: &Dataset, joint: &Joint) -> Result<Vec<Run>> {
    let out = run_dir.path();
    let names = joint.targets.iter().map(|one| &*one.proven.report.target);
    let entries = several::entries(names);
    for (at, (fitted, entry)) in joint.targets.iter().zip(&entries).enumerate() {
        let folder = out.join(&entry.folder);
        // An interrupted attempt may have left this folder.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
        let last = run_dir.last().join(&entry.folder);
        write(&folder, &last, &data.of_target(at), fitted)?;
    }
    write_file(out, RECIPE, joint.recipe.to_toml()?.as_bytes())?;
    write_file(out, STUDENT, &joint.student.to_bytes()?)?;
    write_exports(out, &joint.recipe.export, &joint.student)?;
    let run = |(fitted, entry): (&Fitted, &several::Entry)| {
        let (recipe, report) = (fitted.recipe.clone(), fitted.proven.report.clone());
        let path = run_dir.last().join(&entry.folder);
        Run::assemble(path, recipe, report)
    };
    let runs: Vec<Run> = joint.targets.iter().zip(&entries).map(run).collect();
    write_file(out, PAGE, compare::targets_page(&runs, &entries).as_bytes())?;
    several::write(out, &entries)?;
    Manifest::of_run(out)?.write(&out.join(super::files::MANIFEST))?;
    Ok(runs)
}
