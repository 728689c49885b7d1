//! Clean folders, small tables and the real binary.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "shared by test binaries that each use a part"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use limbeck_data::simulate;

pub const TARGET: &str = simulate::THERMISTOR_TARGET;

pub mod series;

/// A recipe with little work, so that a run takes a quarter of a second.
pub const QUICK: &str = "\
repeats = 1
[teacher]
kind = 'trees'
folds = 3
[teacher.trees]
rounds = 20
[transfer]
munge_factor = 3
[student]
params = 600
steps = 200
trials = 1
";

/// A folder of its own, removed afterwards, in which the binary runs.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What the binary did.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Place {
    /// An empty folder.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder with `sensor.csv` (300 rows) and `quick.toml`.
    pub fn with_table() -> Self {
        let place = Self::empty();
        simulate::thermistor(300, 7)
            .write_csv(place.path("sensor.csv"))
            .unwrap();
        place.file("quick.toml", QUICK);
        place
    }

    /// As [`with_table`](Self::with_table), with a run in `run`.
    pub fn with_run() -> Self {
        let place = Self::with_table();
        place.distill(&["--out", "run"]).succeeds();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// All files below the folder, by relative name.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(self.folder.path(), self.folder.path(), &mut found);
        found.sort();
        found
    }

    /// The binary with arguments, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limbeck"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_remove("NO_COLOR");
        command
    }

    pub fn limbeck(&self, args: &[&str]) -> Outcome {
        self.command(args).output().unwrap().into()
    }

    /// A quick run on `sensor.csv`.
    pub fn distill(&self, args: &[&str]) -> Outcome {
        self.limbeck(
            &[
                &[
                    "distill",
                    "sensor.csv",
                    "--target",
                    TARGET,
                    "--recipe",
                    "quick.toml",
                ],
                args,
            ]
            .concat(),
        )
    }

    /// Runs a shell line in which `limbeck` is the binary.
    pub fn shell(&self, line: &str) -> Outcome {
        let line = line.replace("limbeck ", &format!("{} ", env!("CARGO_BIN_EXE_limbeck")));
        Command::new("sh")
            .arg("-c")
            .arg(line)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .into()
    }

    /// Asserts exit 2 with one `error:` that has all of `parts`, no result, no panic and no new file.
    pub fn refuses(&self, args: &[&str], parts: &[&str]) {
        let before = self.files();
        self.limbeck(args).fails(parts);
        assert_eq!(self.files(), before, "something was left behind");
    }

    /// As [`refuses`](Self::refuses), for a distillation of `table` with the quick recipe.
    pub fn refuses_table(&self, content: impl AsRef<[u8]>, target: &str, parts: &[&str]) {
        self.file("bad.csv", content);
        self.file("quick.toml", QUICK);
        self.refuses(
            &[
                "distill",
                "bad.csv",
                "--target",
                target,
                "--recipe",
                "quick.toml",
                "--out",
                "run",
            ],
            parts,
        );
    }

    /// As [`refuses`](Self::refuses), for a quick distillation of `sensor.csv`.
    pub fn refuses_distill(&self, args: &[&str], parts: &[&str]) {
        let all = [
            &[
                "distill",
                "sensor.csv",
                "--target",
                TARGET,
                "--recipe",
                "quick.toml",
                "--out",
                "run",
            ],
            args,
        ]
        .concat();
        self.refuses(&all, parts);
    }
}

impl Outcome {
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    pub fn fails(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count();
        assert_eq!(errors, 1, "{}", self.stderr);
        assert_eq!(self.stdout, "");
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no `{part}` in: {}",
                self.stderr
            );
        }
        self
    }
}

fn list(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(root, &path, found);
        } else {
            found.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
}

/// A table of `rows` lines by a formula of the row.
pub fn csv(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let mut text = format!("{header}\n");
    for index in 0..rows {
        text.push_str(&row(index));
        text.push('\n');
    }
    text
}

/// Two features and a target that is no copy of either.
pub fn plain(index: usize) -> String {
    let (a, b) = (
        (index * 37 % 101) as f64 / 10.0,
        (index * 53 % 89) as f64 / 7.0,
    );
    format!("{a},{b:.4},{:.4}", a * b + a)
}
