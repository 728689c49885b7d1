//! Names of the files in a run, and how they are written.

use std::io::Write;
use std::path::Path;

use limbeck_data::write;

use crate::error::Result;

/// Name of the recipe's file.
pub const RECIPE: &str = "recipe.toml";
/// Name of the student's file.
pub const STUDENT: &str = "student.limbeck";
/// Name of the file with the teacher's labels.
pub const LABELS: &str = "labels.parquet";
/// Name of the report's file.
pub const REPORT: &str = "report.json";
/// Name of the file with the training curves.
pub const METRICS: &str = "metrics.csv";
/// Name of the file with the training curves as JSON lines.
pub const METRICS_JSON: &str = "metrics.jsonl";
/// Name of the file with the predictions on test rows.
pub const PREDICTIONS: &str = "predictions.parquet";
/// Name of the run's HTML page.
pub const PAGE: &str = "report.html";
/// Name of the folder with TensorBoard's event files.
pub const TENSORBOARD: &str = "tensorboard";
/// Name of the teacher's folder.
pub const TEACHER: &str = "teacher";
/// Name of the teacher's file in the teacher's folder.
pub const TEACHER_FILE: &str = "teacher.limbeck";
/// Name of the manifest, the list of a run's files.
pub const MANIFEST: &str = "manifest.json";
/// Name of the folder with exported students.
pub const EXPORT: &str = "export";

/// Writes a file of the run atomically: completely or not at all.
pub(crate) fn write_file(run: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    Ok(write::atomic(run.join(name), |file| file.write_all(bytes))?)
}
