//! The folder that holds a run for each of several targets.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::run::files::{STUDENT, write_file};

/// Name of the file that lists the targets and the folder of the run of each.
pub const TARGETS: &str = "targets.json";

/// An entry of the list in the file [`TARGETS`]: a target and the folder of its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) target: String,
    pub(crate) folder: String,
}

/// The folders of the runs in `path`, if it is a folder for several targets; otherwise `None`.
pub(crate) fn list(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    let entries = read(path)?;
    let folder = |entry: Entry| path.join(entry.folder);
    Ok(entries.map(|entries| entries.into_iter().map(folder).collect()))
}

/// The names of the targets of the runs in `path`, in their order; empty if it is no folder for several targets.
///
/// # Errors
///
/// [`Error::File`] or [`Error::NotARun`] if the list of targets cannot be read.
pub fn target_names(path: &Path) -> Result<Vec<String>> {
    let entries = read(path)?.unwrap_or_default();
    Ok(entries.into_iter().map(|entry| entry.target).collect())
}

/// Reads the list of targets; `None` if there is none.
fn read(path: &Path) -> Result<Option<Vec<Entry>>> {
    let file = path.join(TARGETS);
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::file("read the list of targets", &file))?,
    };
    let damaged = |message: String| Error::NotARun {
        path: path.to_owned(),
        message,
    };
    let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|error| {
        damaged(format!(
            "its {TARGETS} is damaged: {error}; restore that file, or make the run again"
        ))
    })?;
    let outside = |entry: &&Entry| entry.folder != folder_name(&entry.folder);
    if let Some(entry) = entries.iter().find(outside) {
        return Err(damaged(format!(
            "its {TARGETS} names the folder `{}`, expected a folder inside the run; restore that file, or make the run again",
            entry.folder
        )));
    }
    Ok(Some(entries))
}

/// Refuses a folder of several runs where one run is expected.
pub(crate) fn refuse_several(path: &Path) -> Result<()> {
    let Some(folders) = list(path)? else {
        return Ok(());
    };
    let names: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let message = format!(
        "it holds several runs, one for each target; give the folder of one of these runs: {}",
        names.join(", ")
    );
    Err(Error::NotARun {
        path: path.to_owned(),
        message,
    })
}

/// The file of the student that predicts all targets; `None` if `path` is not a folder for several targets, or if each target has its own student.
#[must_use]
pub fn joint_student(path: &Path) -> Option<PathBuf> {
    let file = path.join(STUDENT);
    (path.join(TARGETS).exists() && file.exists()).then_some(file)
}

/// An entry for each target. The folder's name is the target's name, changed if needed so that it is valid and unique.
pub(crate) fn entries<'a>(targets: impl Iterator<Item = &'a str>) -> Vec<Entry> {
    let mut taken: Vec<Entry> = Vec::new();
    for target in targets {
        let plain = folder_name(target);
        // On some systems, names that differ only in upper and lower case are the same.
        let free = |name: &String| {
            !taken
                .iter()
                .any(|one| one.folder.eq_ignore_ascii_case(name))
        };
        let folder = std::iter::once(plain.clone())
            .chain((2..).map(|n| format!("{plain}_{n}")))
            .find(free)
            .unwrap_or(plain);
        let target = target.to_owned();
        taken.push(Entry { target, folder });
    }
    taken
}

/// Writes the list of targets into the file [`TARGETS`].
pub(crate) fn write(path: &Path, entries: &[Entry]) -> Result<()> {
    let list = serde_json::to_string_pretty(entries).map_err(|error| Error::NotARun {
        path: path.to_owned(),
        message: format!("its {TARGETS} cannot be written: {error}"),
    })?;
    write_file(path, TARGETS, list.as_bytes())
}

fn folder_name(target: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_plain_and_differ() {
        let names = ["../a b", "___a_b", "A B", "a_b"].into_iter();
        let found: Vec<String> = entries(names).into_iter().map(|one| one.folder).collect();
        assert_eq!(found, ["___a_b", "___a_b_2", "A_B", "a_b_2"]);
    }
}
