//! Names of the files in a run, and how they are written.

use std::io::Write;
use std::path::Path;

use limbeck_data::write;

use crate::error::Result;

/// Name of the recipe in a run.
pub const RECIPE: &str = "recipe.toml";
/// Name of the student.
pub const STUDENT: &str = "student.limbeck";
/// Name of the labels.
pub const LABELS: &str = "labels.parquet";
/// Name of the report.
pub const REPORT: &str = "report.json";
/// Name of the training curves.
pub const METRICS: &str = "metrics.csv";
/// Name of the training curves as JSON lines.
pub const METRICS_JSON: &str = "metrics.jsonl";
/// Name of the predictions on test rows.
pub const PREDICTIONS: &str = "predictions.parquet";
/// Name of the HTML page.
pub const PAGE: &str = "report.html";
/// Folder of TensorBoard's event files.
pub const TENSORBOARD: &str = "tensorboard";
/// Folder of the teacher.
pub const TEACHER: &str = "teacher";
/// The teacher's file in its folder.
pub const TEACHER_FILE: &str = "teacher.limbeck";
/// Name of the manifest, the list of a run's files.
pub const MANIFEST: &str = "manifest.json";
/// Folder of exported students.
pub const EXPORT: &str = "export";

/// Writes a file of the run atomically: completely or not at all.
pub(crate) fn write_file(run: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    Ok(write::atomic(run.join(name), |file| file.write_all(bytes))?)
}
