//! Writes files completely or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Writes a file so that no incomplete file ever has its final name.
///
/// The content is written to a temporary file in the same folder, synced to disk, and then renamed to its final name. If anything fails,
/// the temporary file is removed, and an older file with the final name stays unchanged. An existing device or pipe is written directly,
/// because a rename would replace it.
///
/// # Errors
///
/// [`Error::Write`] with the error of the operating system.
pub fn atomic(
    path: impl AsRef<Path>,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    write(path, content).map_err(Error::write(path))
}

/// Like [`atomic`], but never replaces a file, not even a file that was created while the content was written.
///
/// # Errors
///
/// [`Error::Write`] with the error of the operating system, or if a file with this name exists.
pub fn new(
    path: impl AsRef<Path>,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let written = match fs::metadata(path) {
        Ok(found) if found.is_file() => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) => write(path, content),
        Err(_) => complete(path, content, publish_new),
    };
    written.map_err(Error::write(path))
}

/// Gives a temporary file its final name; an error if a file with this name exists.
fn publish_new(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Not every file system supports hard links.
        Err(_) if path.exists() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(temporary, path),
    }
}

fn write(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "is a directory",
        )),
        Ok(found) if !found.is_file() => content(&mut OpenOptions::new().write(true).open(path)?),
        // Follow a symbolic link, so that the rename replaces the file and not the link.
        Ok(_) => replace(&fs::canonicalize(path)?, content),
        Err(_) => replace(path, content),
    }
}

fn replace(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    complete(path, content, |temporary, path| fs::rename(temporary, path))
}

/// Writes a temporary file, then calls `publish`, which gives the file its final name.
fn complete(
    path: &Path,
    content: impl FnOnce(&mut File) -> io::Result<()>,
    publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary_name(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)?;
    let written = content(&mut file).and_then(|()| file.sync_all());
    drop(file);
    let outcome = written
        .and_then(|()| publish(&temporary, path))
        .map(|()| sync_folder(path));
    if outcome.is_err() {
        // The error of the clean-up is ignored; the first error is reported.
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

/// Syncs the folder to disk, if the system can, so that the rename also survives a loss of power (it survives a crash of the program anyway).
fn sync_folder(path: &Path) {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Removes the temporary files that an interrupted [`atomic`] left in a folder or its subfolders: all files with names such as `.NAME.tmp`.
///
/// # Errors
///
/// [`Error::Write`] if a temporary file cannot be removed. A folder that cannot be read is skipped.
pub fn sweep(folder: impl AsRef<Path>) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() {
            sweep(&path)?;
        } else if name.starts_with('.') && name.ends_with(TEMPORARY) {
            fs::remove_file(&path).map_err(|source| Error::Write {
                path: path.clone(),
                source,
            })?;
        }
    }
    Ok(())
}

/// End of the name of a temporary file.
const TEMPORARY: &str = ".tmp";

/// Path of a temporary file in the folder of `path`: `.NAME.PID.N.tmp`, with the first `N` that is free. `NAME` is the file's name, `PID` the number
/// of this process.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let candidate = |n: u32| {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.{n}{TEMPORARY}", std::process::id()));
        path.with_file_name(hidden)
    };
    (0..1000)
        .map(candidate)
        .find(|path| !path.exists())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::AlreadyExists,
                "no free name for a temporary file in its folder",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect()
    }

    #[test]
    fn atomic_replaces_the_older_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        atomic(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn atomic_keeps_the_older_file_on_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let error = atomic(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert!(error.to_string().contains("a.txt: disk full"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn new_never_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        new(&path, |file| file.write_all(b"first")).unwrap();
        assert!(new(&path, |file| file.write_all(b"second")).is_err());
        // A file that is created while the content is written is not replaced either.
        let other = folder.path().join("b.txt");
        let late = new(&other, |file| {
            fs::write(&other, "theirs")?;
            file.write_all(b"ours")
        });
        assert!(late.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs::read_to_string(&other).unwrap(), "theirs");
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["a.txt", "b.txt"]);
    }

    #[test]
    fn sweep_removes_only_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("deep");
        fs::create_dir(&deep).unwrap();
        for name in [".a.txt.12.0.tmp", "a.txt", ".hidden", "b.tmp"] {
            fs::write(deep.join(name), "x").unwrap();
        }
        assert_eq!(
            temporary_name(&deep.join("a.txt"))
                .unwrap()
                .extension()
                .unwrap(),
            "tmp"
        );
        sweep(folder.path()).unwrap();
        let mut left = names(&deep);
        left.sort();
        assert_eq!(left, [".hidden", "a.txt", "b.tmp"]);
    }

    #[test]
    fn atomic_names_a_missing_folder() {
        let error = atomic("/no/such/folder/a.txt", |_| Ok(())).unwrap_err();
        assert!(
            error.to_string().contains("/no/such/folder/a.txt"),
            "{error}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn atomic_reports_a_full_disk_and_leaves_the_device() {
        let error = atomic("/dev/full", |file| file.write_all(b"x")).unwrap_err();
        assert!(
            matches!(&error, Error::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull),
            "{error}"
        );
        assert!(!fs::metadata("/dev/full").unwrap().is_file());
    }
}
