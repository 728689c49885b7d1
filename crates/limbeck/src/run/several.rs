//! The folder that holds a run for each of several targets.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Name of the list of targets in the folder of several runs.
pub const TARGETS: &str = "targets.json";

/// One line of that list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) target: String,
    pub(crate) folder: String,
}

/// The folders of the runs of several targets; none for any other folder.
pub(crate) fn list(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    let file = path.join(TARGETS);
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::file("read the list of targets", &file))?,
    };
    let damaged = |message: String| Error::NotARun {
        path: path.to_owned(),
        message,
    };
    let entries: Vec<Entry> = serde_json::from_str(&text)
        .map_err(|error| damaged(format!("its {TARGETS} is damaged: {error}")))?;
    let outside = |entry: &&Entry| entry.folder != folder_name(&entry.folder);
    if let Some(entry) = entries.iter().find(outside) {
        return Err(damaged(format!(
            "its {TARGETS} names the folder `{}`, expected a plain name",
            entry.folder
        )));
    }
    Ok(Some(
        entries
            .into_iter()
            .map(|entry| path.join(entry.folder))
            .collect(),
    ))
}

/// Refuses a folder of several runs where one is wanted.
pub(crate) fn refuse_several(path: &Path) -> Result<()> {
    let Some(folders) = list(path)? else {
        return Ok(());
    };
    let names: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let message = format!(
        "it holds a run for each of several targets; name one of them: {}",
        names.join(", ")
    );
    Err(Error::NotARun {
        path: path.to_owned(),
        message,
    })
}

pub(crate) fn folder_name(target: &str) -> String {
    let name: String = target
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '_'
            }
        })
        .take(60)
        .collect();
    if name.is_empty() { "_".into() } else { name }
}
