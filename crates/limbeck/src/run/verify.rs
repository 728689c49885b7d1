//! Checks whether a run, a student or an artifact is unchanged and still makes the same predictions.

use std::path::{Path, PathBuf};
use std::process::Command;

use limbeck_runtime::Student;

use crate::error::{Error, Result};
use crate::run::Run;
use crate::run::export::{self, Format};
use crate::run::files::{EXPORT, MANIFEST, REPORT, STUDENT};
use crate::run::manifest::{FileState, Manifest, sha256};
use crate::run::several;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked: a file, or a property of it.
    pub what: String,
    /// The result.
    pub state: State,
    /// Details for the user, such as numbers and reasons.
    pub detail: String,
    /// If a file that a manifest lists was checked, the folder of the manifest. `None` for any other check.
    pub folder: Option<PathBuf>,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The check passed.
    Fine,
    /// The check failed.
    Wrong,
    /// The check could not be made, for example because there is no C compiler.
    Unknown,
}

fn finding(what: impl Into<String>, state: State, detail: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        state,
        detail: detail.into(),
        folder: None,
    }
}

/// Checks everything that belongs to a run, to a student's file, or to an artifact (given by its `.c`, `.h`, `.onnx` or manifest).
///
/// - Checksums of all files.
/// - Golden vectors through limbeck's runtime.
/// - Golden vectors through the compiled C, if a compiler (`CC`, else cc, gcc, clang) is found and no file was changed. This runs the exported
///   code, and a manifest is not a signature: verify only files that you would run.
/// - For a run: whether report and student are from the same run, and whether exported files have the same bytes as a new export of its student.
///
/// ONNX files are not run here; their bytes are compared.
///
/// ```no_run
/// use limbeck::verify::{State, verify};
///
/// let found = verify("runs/housing-1".as_ref())?;
/// assert!(found.iter().all(|finding| finding.state != State::Wrong));
/// # Ok::<(), limbeck::Error>(())
/// ```
///
/// # Errors
///
/// If the path is neither a run, nor a student's file, nor an exported file with its manifest, or cannot be read. Damage is not an error, but a
/// [`Finding`].
pub fn verify(path: &Path) -> Result<Vec<Finding>> {
    if path.is_dir() {
        return match several::list(path)? {
            Some(runs) => {
                let each = runs.iter().map(|run| verify_run(run));
                let mut found = verify_joint(path)?;
                found.extend(each.collect::<Result<Vec<_>>>()?.concat());
                Ok(found)
            }
            None => verify_run(path),
        };
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("limbeck") => Ok(match std::fs::read(path) {
            Ok(bytes) => verify_student(&shown(path), &bytes).1,
            Err(error) => return Err(Error::file("read", path)(error)),
        }),
        _ => {
            let (folder, name, format) = artefact(path)?;
            verify_artefact(&folder, &name, format, None)
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Checks the student of several targets in the folder `path`, and its exports; no findings if each target has its own student.
fn verify_joint(path: &Path) -> Result<Vec<Finding>> {
    let Some(file) = several::joint_student(path) else {
        return Ok(Vec::new());
    };
    let manifest = path.join(MANIFEST);
    let mut found = match Manifest::read(&manifest) {
        Err(error) => vec![finding(shown(&manifest), State::Wrong, error.to_string())],
        Ok(None) => vec![finding(shown(&manifest), State::Wrong, "missing")],
        Ok(Some(manifest)) => files(path, &manifest),
    };
    let bytes = std::fs::read(&file).map_err(Error::file("read", &file))?;
    let (student, findings) = verify_student(&shown(&file), &bytes);
    found.extend(findings);
    found.extend(verify_exports(path, student.as_ref())?);
    Ok(found)
}

/// Checks the artifacts in the folder `export` of a run. If `student` is given, also checks that they are exports of this student.
fn verify_exports(path: &Path, student: Option<&Student>) -> Result<Vec<Finding>> {
    let folder = path.join(EXPORT);
    let one = |(name, format): (String, Format)| verify_artefact(&folder, &name, format, student);
    let all = artefacts(&folder).into_iter().map(one);
    Ok(all.collect::<Result<Vec<_>>>()?.concat())
}

fn verify_run(path: &Path) -> Result<Vec<Finding>> {
    let at = |name: &str| shown(&path.join(name));
    let mut found = Vec::new();
    match Manifest::read(&path.join(MANIFEST)) {
        Err(error) => found.push(finding(at(MANIFEST), State::Wrong, error.to_string())),
        Ok(None) if !path.join(REPORT).exists() => {
            return Err(Error::NotARun {
                path: path.to_owned(),
                message: format!("it has no {REPORT}"),
            });
        }
        Ok(None) => found.push(finding(
            at(MANIFEST),
            State::Unknown,
            "no such file: earlier versions of limbeck wrote none, so checksums cannot be checked",
        )),
        Ok(Some(manifest)) => found.extend(files(path, &manifest)),
    }
    let run = match Run::open(path) {
        Ok(run) => Some(run),
        Err(error) => {
            found.push(finding(shown(path), State::Wrong, error.to_string()));
            None
        }
    };
    let file = path.join(STUDENT);
    let student = match std::fs::read(&file) {
        Ok(bytes) => {
            let (student, findings) = verify_student(&shown(&file), &bytes);
            found.extend(findings);
            student.map(|student| (student, bytes.len()))
        }
        Err(error) => {
            found.push(finding(shown(&file), State::Wrong, error.to_string()));
            None
        }
    };
    if let (Some(run), Some((student, bytes))) = (&run, &student) {
        let report = run.report();
        let pairs = [
            ("target", report.target.clone(), targets(student)),
            (
                "parameters",
                report.student.parameters.to_string(),
                student.parameters().to_string(),
            ),
            ("bytes", report.student.bytes.to_string(), bytes.to_string()),
            (
                "seed",
                report.shipped.seed.to_string(),
                student.provenance.get("seed").cloned().unwrap_or_default(),
            ),
            (
                "version",
                report.version.clone(),
                student
                    .provenance
                    .get("limbeck")
                    .cloned()
                    .unwrap_or_default(),
            ),
        ];
        let differ: Vec<String> = pairs
            .into_iter()
            .filter(|(_, report, student)| report != student)
            .map(|(what, report, student)| {
                format!("{what} {report} in the report, {student} in the student")
            })
            .collect();
        let state = if differ.is_empty() {
            State::Fine
        } else {
            State::Wrong
        };
        found.push(finding(
            format!("{}: report and student", shown(path)),
            state,
            if differ.is_empty() {
                "from the same run".into()
            } else {
                differ.join("; ")
            },
        ));
    }
    let student = student.as_ref().map(|(student, _)| student);
    found.extend(verify_exports(path, student)?);
    Ok(found)
}

fn files(folder: &Path, manifest: &Manifest) -> Vec<Finding> {
    let state = |(name, state): (String, FileState)| {
        let (state, detail) = match state {
            FileState::Whole => (State::Fine, "unchanged".to_owned()),
            FileState::Missing(why) => (State::Wrong, format!("missing: {why}")),
            FileState::Changed(why) => (State::Wrong, format!("changed: {why}")),
        };
        Finding {
            folder: Some(folder.to_owned()),
            ..finding(shown(&folder.join(name)), state, detail)
        }
    };
    manifest.compare(folder).into_iter().map(state).collect()
}

/// Reads a student from bytes, and checks its golden vectors. `what` names the student in the findings.
fn verify_student(what: &str, bytes: &[u8]) -> (Option<Student>, Vec<Finding>) {
    let student = match Student::from_bytes(bytes) {
        Ok(student) => student,
        Err(error) => return (None, vec![finding(what, State::Wrong, error.to_string())]),
    };
    let what = format!("{what}: test examples (golden vectors)");
    let found = match (student.golden.len(), student.verify_golden()) {
        (0, _) => finding(
            what,
            State::Unknown,
            "the file has none, so its predictions cannot be checked; a file that `limbeck distill` writes has them",
        ),
        (_, Err(error)) => finding(what, State::Wrong, error.to_string()),
        (rows, Ok(())) => match largest_difference(&student) {
            Ok(largest) => finding(
                what,
                State::Fine,
                format!(
                    "{rows} rows predicted again, max |difference| from the stored predictions {largest:.3e}"
                ),
            ),
            Err(error) => finding(what, State::Wrong, error.to_string()),
        },
    };
    (Some(student), vec![found])
}

/// The names of the targets that a student predicts, as text.
fn targets(student: &Student) -> String {
    let names = student.outputs.iter().map(|output| output.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn largest_difference(student: &Student) -> Result<f64> {
    let mut largest = 0.0f64;
    for (golden, found) in student.golden.iter().zip(student.predict_golden()?) {
        let both = found.iter().zip(&golden.predictions);
        largest = both.fold(largest, |most, (a, b)| most.max((a - b).abs()));
    }
    Ok(largest)
}

/// Endings of exported files and their formats. An ending comes before each shorter one that it ends with, since `x_test.c` is a file of the artifact
/// `x`.
const ENDINGS: [(&str, Format); 8] = [
    ("_test.c", Format::C),
    (".c.manifest.json", Format::C),
    (".onnx.manifest.json", Format::Onnx),
    (".onnx.golden.json", Format::Onnx),
    (".golden.json", Format::C),
    (".c", Format::C),
    (".h", Format::C),
    (".onnx", Format::Onnx),
];

/// Folder, name and format of the artifact that a file belongs to.
fn artefact(path: &Path) -> Result<(PathBuf, String, Format)> {
    let refuse = |message: &str| Error::NotAnArtefact {
        path: path.to_owned(),
        message: message.into(),
    };
    if !path.exists() {
        return Err(refuse("no such file"));
    }
    let file = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let fits = |(ending, format): &(&str, Format)| {
        let name = file.strip_suffix(ending)?;
        folder
            .join(format.manifest(name))
            .exists()
            .then(|| (name.to_owned(), *format))
    };
    let (name, format) = ENDINGS.iter().find_map(fits).ok_or_else(|| {
        refuse("found no manifest beside it (NAME.c.manifest.json or NAME.onnx.manifest.json), so it cannot be verified; give the folder of a run, a .limbeck file, or an exported file that has its manifest beside it")
    })?;
    Ok((folder, name, format))
}

/// The artifacts of a folder, found by their manifests, sorted by name.
fn artefacts(folder: &Path) -> Vec<(String, Format)> {
    let mut found: Vec<(String, Format)> = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        found.extend(Format::ALL.iter().copied().filter_map(|format| {
            Some((file.strip_suffix(&format.manifest(""))?.to_owned(), format))
        }));
    }
    found.sort_by(|a, b| (&a.0, a.1.name()).cmp(&(&b.0, b.1.name())));
    found
}

fn verify_artefact(
    folder: &Path,
    name: &str,
    format: Format,
    student: Option<&Student>,
) -> Result<Vec<Finding>> {
    let path = folder.join(format.manifest(name));
    let manifest = match Manifest::read(&path) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => {
            return Err(Error::NotAnArtefact {
                path,
                message: "no such file".into(),
            });
        }
        Err(error) => return Ok(vec![finding(shown(&path), State::Wrong, error.to_string())]),
    };
    let mut found = files(folder, &manifest);
    if let Some(student) = student {
        found.push(same_as_now(folder, name, format, &manifest, student)?);
    }
    // Code that was changed is not run.
    let is_whole = found.iter().all(|finding| finding.state != State::Wrong);
    found.push(match format {
        Format::C if !is_whole => finding(
            shown(&folder.join(format!("{name}.c"))),
            State::Unknown,
            "not compiled or run, because files were changed",
        ),
        Format::C => run_c(folder, name),
        Format::Onnx => finding(
            shown(&folder.join(format!("{name}.onnx"))),
            State::Unknown,
            "not run: limbeck does not run ONNX files",
        ),
    });
    Ok(found)
}

/// Checks whether an artifact was exported from `student`, and has the same bytes as a new export.
fn same_as_now(
    folder: &Path,
    name: &str,
    format: Format,
    manifest: &Manifest,
    student: &Student,
) -> Result<Finding> {
    let what = format!(
        "{}: comparison with the student of the run",
        shown(&folder.join(format!("{name}.{}", format.name())))
    );
    // The files may have intervals of other levels than the student was trained with.
    let student = &match exported_levels(folder, name, format) {
        Some(levels) => student
            .clone()
            .with_levels(&levels)
            .unwrap_or_else(|_| student.clone()),
        None => student.clone(),
    };
    if manifest.student.as_deref() != Some(&sha256(&student.to_bytes()?)) {
        return Ok(finding(
            what,
            State::Wrong,
            "exported from another student, not from the student of this run; export again",
        ));
    }
    if manifest.version != env!("CARGO_PKG_VERSION") {
        return Ok(finding(
            what,
            State::Unknown,
            format!(
                "not compared: exported by limbeck {}, and this version may write other bytes; export again with this version to compare",
                manifest.version
            ),
        ));
    }
    let now = export::files(student, format, name)?;
    let differ: Vec<&str> = now
        .iter()
        .filter(|(file, bytes)| std::fs::read(folder.join(file)).ok().as_ref() != Some(bytes))
        .map(|(file, _)| file.as_str())
        .collect();
    Ok(match differ.is_empty() {
        true => finding(
            what,
            State::Fine,
            "exported from the student of this run; a new export has the same bytes",
        ),
        false => finding(
            what,
            State::Wrong,
            format!(
                "these files differ from a new export of this run's student: {}; export again",
                differ.join(", ")
            ),
        ),
    })
}

/// The levels of prediction intervals in the golden vectors of an artifact; `None` if they have none or cannot be read.
fn exported_levels(folder: &Path, name: &str, format: Format) -> Option<Vec<f64>> {
    let file = match format {
        Format::C => format!("{name}.golden.json"),
        Format::Onnx => format!("{name}.onnx.golden.json"),
    };
    let text = std::fs::read_to_string(folder.join(file)).ok()?;
    let golden: serde_json::Value = serde_json::from_str(&text).ok()?;
    golden["levels"]
        .as_array()?
        .iter()
        .map(serde_json::Value::as_f64)
        .collect()
}

/// Compiles an exported C student with its test program, and runs its golden vectors.
fn run_c(folder: &Path, name: &str) -> Finding {
    let what = format!(
        "{}: compiled and run",
        shown(&folder.join(format!("{name}.c")))
    );
    let Some(compiler) = compiler() else {
        return finding(
            what,
            State::Unknown,
            "not compiled: no C compiler found; install one, or name one in the environment variable CC",
        );
    };
    let Ok(work) = tempfile::tempdir() else {
        return finding(
            what,
            State::Unknown,
            "not compiled: no temporary folder can be created",
        );
    };
    let program = work.path().join("golden");
    let built = Command::new(&compiler)
        .args(["-std=c99", "-O2"])
        .args([
            folder.join(format!("{name}.c")),
            folder.join(format!("{name}_test.c")),
        ])
        .arg("-lm")
        .arg("-o")
        .arg(&program)
        .output();
    match built {
        Err(error) => return finding(what, State::Unknown, format!("{compiler}: {error}")),
        Ok(built) if !built.status.success() => {
            return finding(
                what,
                State::Wrong,
                format!("{compiler}: {}", first_line(&built.stderr)),
            );
        }
        Ok(_) => {}
    }
    match Command::new(&program).output() {
        Err(error) => finding(what, State::Unknown, error.to_string()),
        Ok(done) => {
            let state = if done.status.success() {
                State::Fine
            } else {
                State::Wrong
            };
            finding(
                what,
                state,
                format!("{} ({compiler})", first_line(&done.stdout)),
            )
        }
    }
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .lines()
        .next()
        .unwrap_or("it printed nothing")
        .to_owned()
}

fn compiler() -> Option<String> {
    let works = |name: &String| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|out| out.status.success())
    };
    let own = std::env::var("CC").ok().filter(|name| !name.is_empty());
    own.into_iter()
        .chain(["cc", "gcc", "clang"].map(String::from))
        .find(works)
}
