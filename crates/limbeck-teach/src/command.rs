//! The user's own model as the teacher: a command that reads rows and prints a prediction for each.
//!
//! ```text
//! rows without a known prediction ─batches→ sh -c COMMAND
//!                                            stdin   CSV with a header, or Parquet
//!                                            stdout  one line per row: PREDICTION or PREDICTION,STD (standard deviation); a header line is skipped
//!                                            stderr  shown if there is an error
//! ```
//!
//! Each of the three pipes has its own thread, so that there is no deadlock if a command prints predictions while it still reads rows, or fills its
//! stderr first. The command runs in its own process group: after a timeout, all processes of the group are killed. The threads only send messages
//! and are never joined: a process that left the group may hold a pipe open forever, and must not block limbeck.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use limbeck_data::Stop;
use limbeck_data::checkpoint::{Checkpoints, NO_CHECKPOINTS};
use limbeck_data::{Feature, FeatureValues, Features, MISSING};
use limbeck_options::{Options, Rule};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Stderr};

/// Maximum number of lines of stderr that an error shows.
const STDERR_LINES: usize = 20;
/// Only this many bytes at the end of stderr are kept; the lines that an error shows are taken from them.
const STDERR_BYTES: usize = 16 * 1024;
/// Maximum number of characters of a line that a message shows.
const SHOWN: usize = 200;
/// On stdout, the command may print at most `ANSWER_BYTES` bytes, plus this many bytes for each row of the batch. No valid output is longer.
const ANSWER_BYTES_PER_ROW: usize = 512;
const ANSWER_BYTES: usize = 1 << 20;
/// Time between two checks of a running command.
const POLL: Duration = Duration::from_millis(5);
/// What each line of the command's output must contain, as text for messages.
const NUMBER_LINE: &str =
    "a finite number, optionally followed by a comma and a standard deviation of 0 or more";

limbeck_options::words! {
    /// The format in which the rows are written to the command's stdin.
    pub enum CommandFormat {
        /// CSV with header, commas, UTF-8 and LF. Missing cells are empty; numbers have enough digits to be read back exactly.
        #[default]
        Csv = "csv",
        /// One Parquet file.
        Parquet = "parquet",
    }
}

limbeck_options::options! {
    /// Your own model as the teacher: a command.
    pub struct CommandOptions in "teacher.command", "Teacher" {
        /// Your own model: a shell command that reads rows on stdin and prints `prediction[,standard deviation]` per row.
        ///
        /// `sh -c` runs it, once per batch.
        command: String = String::new() => [
            filled("a shell command, not blank"), flag("teacher-command", "COMMAND"), common(), example("\"python3 score.py\""),
            rules(&[Rule::Without("data.teacher_column", ONE_TEACHER), Rule::Without("teacher.model", ONE_TEACHER), Rule::Without("teacher.from", ONE_TEACHER)]),
        ];
        /// What the command gets on stdin.
        format: CommandFormat = CommandFormat::Csv => [flag("teacher-format", "FORMAT"), example("\"csv\""), rules(ASKED)];
        /// Number of rows per call of the command.
        batch_rows: usize = 50_000 => [at_least(1.0), example("50000"), rules(ASKED)];
        /// Time limit for one call of the command, which predicts one batch of rows.
        timeout_s: f64 = 600.0 => [seconds(), above(0.0), up_to(LONGEST_TIMEOUT_S), flag("teacher-timeout", "TIME"), example("600.0"), rules(ASKED)];
    }
}

const ONE_TEACHER: &str = "only one teacher can be used";
const ASKED: &[Rule] = &[Rule::With("teacher.command.command")];
const LONGEST_TIMEOUT_S: f64 = 365.0 * 24.0 * 3600.0;

impl CommandOptions {
    /// Options with this command, and the defaults for everything else.
    #[must_use]
    pub fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            ..Self::default()
        }
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for a blank command, or an option out of its range.
    pub fn check(&self) -> Result<()> {
        Ok(self.validate()?)
    }
}

/// The predictions of a command for some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// One prediction per row, in the target's unit.
    pub prediction: Vec<f64>,
    /// One standard deviation per row, in the target's unit; `None` if the command gives none.
    pub std: Option<Vec<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Answer {
    prediction: f64,
    #[serde(alias = "spread")]
    std: Option<f64>,
}

/// All predictions of the command so far, by the content of the row as bytes. The map is never iterated, so its order has no effect.
#[derive(Debug, Default)]
struct Cache {
    names: Vec<String>,
    answers: HashMap<Vec<u8>, Answer>,
}

/// A teacher that runs a command of the user. The module [`crate::command`] documents the input and output of the command.
///
/// ```no_run
/// use limbeck_teach::command::{CommandOptions, CommandTeacher};
///
/// let options = CommandOptions { command: "python score.py".into(), ..CommandOptions::default() };
/// let teacher = CommandTeacher::new(options)?;
/// # Ok::<(), limbeck_teach::Error>(())
/// ```
#[derive(Debug)]
pub struct CommandTeacher {
    options: CommandOptions,
    cache: Mutex<Cache>,
    kept: Checkpoints,
}

impl CommandTeacher {
    /// Makes a teacher that has no predictions yet.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if [`CommandOptions::check`] returns it.
    pub fn new(options: CommandOptions) -> Result<Self> {
        options.check()?;
        Ok(Self {
            options,
            cache: Mutex::default(),
            kept: NO_CHECKPOINTS.clone(),
        })
    }

    /// The same teacher, which saves each batch of predictions as a checkpoint in `kept`. In a resumed run, a batch that has a checkpoint is read
    /// from it, and the command is not run for this batch.
    #[must_use]
    pub fn keeping(self, kept: Checkpoints) -> Self {
        Self { kept, ..self }
    }

    /// The options of the teacher.
    #[must_use]
    pub fn options(&self) -> &CommandOptions {
        &self.options
    }

    /// Returns the predictions for all rows. A row that the command has predicted before, in this call or an earlier one, is not sent again, unless
    /// the names of the columns have changed. After an error, the batches predicted before it are not sent again either.
    ///
    /// # Errors
    ///
    /// [`Error::CommandStart`], [`Error::CommandFailed`], [`Error::CommandTimeout`], [`Error::CommandOutput`],
    /// [`Error::CommandRows`], [`Error::CommandAnswer`] or [`Error::CommandPipe`]; [`Error::Data`] if the rows cannot be
    /// written as Parquet.
    pub fn ask(&self, x: &Features) -> Result<Answers> {
        self.ask_until(x, Stop::NEVER)
    }

    /// Like [`ask`](Self::ask), but a stop ends it; the command and all processes that it started are then killed.
    ///
    /// # Errors
    ///
    /// The errors of [`ask`](Self::ask); [`Error::Stopped`] after a stop.
    pub fn ask_until(&self, x: &Features, stop: Stop<'_>) -> Result<Answers> {
        // If another thread panicked, the entries of the cache are still complete.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let names = x.names();
        if cache.names != names {
            *cache = Cache {
                names,
                answers: HashMap::new(),
            };
        }
        let keys = row_keys(x);
        for (at, batch) in unanswered(&keys, &cache.answers)
            .chunks(self.options.batch_rows)
            .enumerate()
        {
            let answers: Vec<Answer> = self.kept.piece(&format!("command-{at}"), || {
                self.run(&x.select(batch), stop)
            })?;
            for (row, answer) in batch.iter().zip(answers) {
                cache.answers.insert(keys[*row].clone(), answer);
            }
        }
        let answers: Vec<Answer> = keys.iter().map(|key| cache.answers[key]).collect();
        self.gather(&answers)
    }

    /// Collects the predictions, and the standard deviations, of all rows into one list each. It is an error if only some rows have a standard
    /// deviation.
    fn gather(&self, answers: &[Answer]) -> Result<Answers> {
        let prediction = answers.iter().map(|answer| answer.prediction).collect();
        let std: Vec<f64> = answers.iter().filter_map(|answer| answer.std).collect();
        let std = match std.len() {
            0 => None,
            all if all == answers.len() => Some(std),
            _ => {
                let row = answers
                    .iter()
                    .position(|answer| answer.std.is_none())
                    .unwrap_or(0);
                return Err(self.bad_answer(
                    row,
                    &answers[row].prediction.to_string(),
                    STD_LINE,
                    Stderr::default(),
                ));
            }
        };
        Ok(Answers { prediction, std })
    }

    /// Runs the command once, for one batch.
    fn run(&self, rows: &Features, stop: Stop<'_>) -> Result<Vec<Answer>> {
        stop.check()?;
        let input = match self.options.format {
            CommandFormat::Csv => csv(rows),
            CommandFormat::Parquet => parquet(rows, &self.options.command)?,
        };
        let most = ANSWER_BYTES + ANSWER_BYTES_PER_ROW * rows.rows;
        let mut running = Running::start(&self.options.command, input, most)?;
        let deadline = Instant::now() + Duration::from_secs_f64(self.options.timeout_s);
        let end = running.wait(deadline, stop);
        let command = || self.options.command.clone();
        let stderr = running.stderr();
        match end {
            End::Stopped => Err(Error::Stopped),
            End::Timeout => {
                let after = Duration::from_secs_f64(self.options.timeout_s);
                Err(Error::CommandTimeout {
                    command: command(),
                    rows: rows.rows,
                    after,
                    stderr,
                })
            }
            End::TooLong => Err(Error::CommandOutput {
                command: command(),
                rows: rows.rows,
                most,
                stderr,
            }),
            End::Pipe(action, source) => Err(Error::CommandPipe {
                command: command(),
                action,
                source,
            }),
            End::Exit(status, _) if !status.success() => Err(Error::CommandFailed {
                command: command(),
                status: words(status),
                rows: rows.rows,
                stderr,
            }),
            End::Exit(_, answer) => self.parse(&answer, rows.rows, stderr),
        }
    }

    /// Reads one prediction per row from the text that the command printed.
    fn parse(&self, answer: &[u8], rows: usize, stderr: Stderr) -> Result<Vec<Answer>> {
        let text = String::from_utf8_lossy(answer);
        let lines: Vec<&str> = text.trim_end().lines().map(str::trim).collect();
        let lines = if text.trim().is_empty() {
            &[]
        } else {
            &lines[..]
        };
        let lines = without_header(lines);
        if lines.len() != rows {
            let (command, found) = (self.options.command.clone(), lines.len());
            return Err(Error::CommandRows {
                command,
                found,
                expected: rows,
                stderr,
            });
        }
        let bad = |row: usize| self.bad_answer(row, lines[row], NUMBER_LINE, stderr.clone());
        lines
            .iter()
            .enumerate()
            .map(|(row, line)| parse_line(line).ok_or_else(|| bad(row)))
            .collect()
    }

    fn bad_answer(&self, row: usize, line: &str, expected: &'static str, stderr: Stderr) -> Error {
        Error::CommandAnswer {
            command: self.options.command.clone(),
            row: row + 1,
            line: line.chars().take(SHOWN).collect(),
            expected,
            stderr,
        }
    }
}

const STD_LINE: &str = "a standard deviation after a comma, since other rows have one";

/// Reads a line `PREDICTION` or `PREDICTION,STD`; `None` if it has another form.
fn parse_line(line: &str) -> Option<Answer> {
    let mut fields = line
        .split(',')
        .map(|field| field.trim().parse::<f64>().ok());
    let prediction = fields.next()??;
    let std = fields.next();
    if fields.next().is_some() || !prediction.is_finite() {
        return None;
    }
    match std {
        None => Some(Answer {
            prediction,
            std: None,
        }),
        Some(Some(std)) if std.is_finite() && std >= 0.0 => Some(Answer {
            prediction,
            std: Some(std),
        }),
        Some(_) => None,
    }
}

/// The lines without the header. A header is a first line that does not begin with a number and is followed by a line that does.
fn without_header<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
    let is_number = |field: &str| field.trim().parse::<f64>().is_ok();
    let numeric = |line: &str| line.split(',').next().is_some_and(is_number);
    match lines {
        [first, second, ..] if !numeric(first) && numeric(second) => &lines[1..],
        _ => lines,
    }
}

/// The exit code or signal of a command as text, such as `exit code 1`.
fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(126), _) => {
            "exit code 126 (a program was found, but it cannot be executed)".to_owned()
        }
        (Some(127), _) => "exit code 127 (a program was not found)".to_owned(),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The rows to send to the command: those whose content has no known prediction. Of rows with equal content, only the first.
fn unanswered(keys: &[Vec<u8>], known: &HashMap<Vec<u8>, Answer>) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    (0..keys.len())
        .filter(|row| !known.contains_key(&keys[*row]) && seen.insert(&keys[*row]))
        .collect()
}

/// One key per row: the content of the row as bytes, which are the bits of its numbers and the texts of its categories.
fn row_keys(x: &Features) -> Vec<Vec<u8>> {
    let mut keys = vec![Vec::with_capacity(9 * x.columns.len()); x.rows];
    for column in &x.columns {
        match &column.values {
            FeatureValues::Number(values) => {
                for (key, value) in keys.iter_mut().zip(values) {
                    // NaN has many bit patterns, which all mean a missing value.
                    let value = if value.is_nan() { f64::NAN } else { *value };
                    key.extend(value.to_bits().to_le_bytes());
                }
            }
            FeatureValues::Category { codes, levels } => {
                for (key, code) in keys.iter_mut().zip(codes) {
                    match text(levels, *code) {
                        None => key.extend(u64::MAX.to_le_bytes()),
                        Some(text) => {
                            key.extend((text.len() as u64).to_le_bytes());
                            key.extend(text.as_bytes());
                        }
                    }
                }
            }
        }
    }
    keys
}

fn text(levels: &[String], code: u32) -> Option<&str> {
    if code == MISSING {
        None
    } else {
        Some(&levels[code as usize])
    }
}

/// The rows as CSV.
fn csv(x: &Features) -> Vec<u8> {
    let names: Vec<String> = x
        .columns
        .iter()
        .map(|column| quoted(&column.name))
        .collect();
    let mut out = names.join(",");
    out.push('\n');
    for row in 0..x.rows {
        for (place, column) in x.columns.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            push_cell(&mut out, column, row, x.columns.len() == 1);
        }
        out.push('\n');
    }
    out.into_bytes()
}

fn push_cell(out: &mut String, column: &Feature, row: usize, alone: bool) {
    let cell = match &column.values {
        FeatureValues::Number(values) if values[row].is_nan() => None,
        FeatureValues::Number(values) => Some(number(values[row], column.integer)),
        FeatureValues::Category { codes, levels } => text(levels, codes[row]).map(quoted),
    };
    match cell {
        Some(cell) => out.push_str(&cell),
        // Many CSV readers skip a blank line.
        None if alone => out.push_str("\"\""),
        None => {}
    }
}

/// The shortest text that is read back as exactly the same number; in a column of whole numbers, it has no decimal point.
fn number(value: f64, integer: bool) -> String {
    match integer && value.fract() == 0.0 && value.abs() < 1e15 {
        true => format!("{value}"),
        false => format!("{value:?}"),
    }
}

fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains(['"', ',', '\n', '\r']) && text.trim() == text;
    if plain {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

/// The rows as the bytes of a Parquet file, which is written to a private temporary folder first.
fn parquet(x: &Features, command: &str) -> Result<Vec<u8>> {
    let pipe = |source| Error::CommandPipe {
        command: command.to_owned(),
        action: "prepare rows for",
        source,
    };
    let folder = PrivateFolder::new().map_err(pipe)?;
    let path = folder.0.join("rows.parquet");
    x.to_table().write_parquet(&path)?;
    fs::read(&path).map_err(pipe)
}

/// A new folder that no other user can read; it is removed when dropped.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn new() -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let create = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let mut outcome = Err(io::Error::from(io::ErrorKind::AlreadyExists));
        for _ in 0..100 {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("limbeck-{}-{count}", std::process::id()));
            outcome = create(&path).map(|()| Self(path));
            if !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
                break;
            }
        }
        outcome
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // If the folder cannot be removed, it stays: there is nobody to report the error to.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running command, and the channel on which the threads that serve its stdin, stdout and stderr send messages.
struct Running {
    child: Child,
    events: Receiver<Event>,
    answer: Option<Vec<u8>>,
    stderr: Vec<u8>,
    stderr_closed: bool,
    status: Option<ExitStatus>,
}

/// A message from a thread that serves the stdin, stdout or stderr of the command.
enum Event {
    /// Stdout is closed. The value is everything that the command wrote to it.
    Answer(Vec<u8>),
    /// The command wrote more bytes to stdout than any valid output has.
    TooLong,
    /// The last bytes that the command has written to stderr so far.
    Stderr(Vec<u8>),
    /// Stderr is closed.
    StderrClosed,
    /// Reading from or writing to a pipe failed.
    Failed(&'static str, io::Error),
}

/// How a run of the command ended.
enum End {
    Exit(ExitStatus, Vec<u8>),
    Timeout,
    Stopped,
    TooLong,
    Pipe(&'static str, io::Error),
}

impl Running {
    fn start(command: &str, input: Vec<u8>, most: usize) -> Result<Self> {
        let spawned = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|source| Error::CommandStart {
            command: command.to_owned(),
            source,
        })?;
        let events = listen(&mut child, input, most);
        Ok(Self {
            child,
            events,
            answer: None,
            stderr: Vec::new(),
            stderr_closed: false,
            status: None,
        })
    }

    /// Waits until the command has ended and its output is complete, or until the deadline or a stop. A command that did not exit by itself is killed
    /// together with its process group.
    fn wait(&mut self, deadline: Instant, stop: Stop<'_>) -> End {
        let end = self.listen(deadline, stop);
        match end {
            End::Exit(..) => self.drain_stderr(),
            _ => self.kill(),
        }
        end
    }

    fn listen(&mut self, deadline: Instant, stop: Stop<'_>) -> End {
        loop {
            match self.events.recv_timeout(POLL) {
                Ok(Event::Answer(answer)) => self.answer = Some(answer),
                Ok(Event::TooLong) => return End::TooLong,
                Ok(Event::Failed(action, error)) => return End::Pipe(action, error),
                Ok(event) => self.note(event),
                Err(RecvTimeoutError::Timeout) => {}
                // All pipes are closed, but the command has not exited yet.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(POLL),
            }
            match self.child.try_wait() {
                Ok(status) => self.status = status.or(self.status),
                Err(error) => return End::Pipe("wait for", error),
            }
            if let (Some(status), Some(answer)) = (self.status, &mut self.answer) {
                return End::Exit(status, std::mem::take(answer));
            }
            if stop.check().is_err() {
                return End::Stopped;
            }
            if Instant::now() >= deadline {
                return End::Timeout;
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Stderr(bytes) => self.stderr = bytes,
            Event::StderrClosed => self.stderr_closed = true,
            _ => {}
        }
    }

    /// Reads the rest of stderr, which may arrive late. The wait is short, since a background process may hold the pipe open.
    fn drain_stderr(&mut self) {
        let deadline = Instant::now() + Duration::from_millis(200);
        while !self.stderr_closed {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => self.note(event),
                Err(_) => break,
            }
        }
    }

    /// Kills the whole process group, and in any case the command itself.
    fn kill(&mut self) {
        // The `kill` of the shell is used to avoid a dependency on the C library. It is no error if the group has ended already.
        let group = format!("kill -KILL -{} 2>/dev/null", self.child.id());
        let _ = Command::new("sh").args(["-c", &group]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.drain_stderr();
    }

    /// The last lines that the command wrote to stderr, shortened for messages; empty if there are none.
    fn stderr(&self) -> Stderr {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let shown = lines.iter().skip(lines.len().saturating_sub(STDERR_LINES));
        let lines: Vec<String> = shown
            .map(|line| line.chars().take(SHOWN).collect())
            .collect();
        Stderr(if text.trim().is_empty() {
            Vec::new()
        } else {
            lines
        })
    }
}

// The threads. They ignore an error of `send`: it means that nobody waits for the message any more.

/// Starts the threads that write `input` to the command's stdin and read its stdout (at most `most` bytes) and stderr. Each thread ends when its pipe
/// is closed.
fn listen(child: &mut Child, input: Vec<u8>, most: usize) -> Receiver<Event> {
    let (sender, events) = channel();
    if let Some(stdin) = child.stdin.take() {
        let sender = sender.clone();
        thread::spawn(move || send_rows(stdin, &input, &sender));
    }
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || read_answer(stdout, most, &sender));
    }
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || read_stderr(stderr, &sender));
    }
    events
}

fn send_rows(mut stdin: impl Write, input: &[u8], sender: &Sender<Event>) {
    match stdin.write_all(input).and_then(|()| stdin.flush()) {
        // A command may close its stdin before it has read all rows. Whether it printed enough predictions is checked in `parse`.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = sender.send(Event::Failed("send rows to", error));
        }
        _ => {}
    }
}

fn read_answer(stdout: impl Read, most: usize, sender: &Sender<Event>) {
    let mut answer = Vec::new();
    let event = match stdout.take(most as u64 + 1).read_to_end(&mut answer) {
        Ok(_) if answer.len() > most => Event::TooLong,
        Ok(_) => Event::Answer(answer),
        Err(error) => Event::Failed("read the output of", error),
    };
    let _ = sender.send(event);
}

fn read_stderr(mut stderr: impl Read, sender: &Sender<Event>) {
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stderr.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => kept.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The bytes that were read so far are shown.
            Err(_) => break,
        }
        let excess = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..excess);
        if sender.send(Event::Stderr(kept.clone())).is_err() {
            break;
        }
    }
    let _ = sender.send(Event::StderrClosed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn numbers(values: &[f64]) -> Features {
        let column = Feature {
            name: "x".to_owned(),
            values: FeatureValues::Number(values.to_vec()),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            columns: vec![column],
            rows: values.len(),
            past: None,
        }
    }

    fn mixed() -> Features {
        let levels = Arc::new(vec!["a,b".to_owned(), "say \"c\"".to_owned()]);
        let columns = vec![
            Feature {
                name: "x".to_owned(),
                values: FeatureValues::Number(vec![0.1, f64::NAN, 1e300]),
                integer: false,
                missing: limbeck_data::MissingNumbers::default(),
                date: None,
                history: None,
            },
            Feature {
                name: "n, m".to_owned(),
                values: FeatureValues::Number(vec![3.0, -2.0, 0.0]),
                integer: true,
                missing: limbeck_data::MissingNumbers::default(),
                date: None,
                history: None,
            },
            Feature {
                name: "k".to_owned(),
                values: FeatureValues::Category {
                    codes: vec![1, MISSING, 0],
                    levels,
                },
                integer: false,
                missing: limbeck_data::MissingNumbers::default(),
                date: None,
                history: None,
            },
        ];
        Features {
            columns,
            rows: 3,
            past: None,
        }
    }

    fn teacher(command: &str) -> CommandTeacher {
        CommandTeacher::new(CommandOptions {
            timeout_s: 20.0,
            ..CommandOptions::new(command)
        })
        .unwrap()
    }

    fn error(command: &str, rows: usize) -> Error {
        teacher(command)
            .ask(&numbers(
                &(0..rows).map(|row| row as f64).collect::<Vec<_>>(),
            ))
            .unwrap_err()
    }

    /// Doubles the column, without the header.
    const DOUBLE: &str = "awk 'NR > 1 { print 2 * $1 }'";

    #[test]
    fn command_answers_rows_in_order() {
        let answers = teacher(DOUBLE).ask(&numbers(&[1.0, 2.5, -3.0])).unwrap();
        assert_eq!(
            answers,
            Answers {
                prediction: vec![2.0, 5.0, -6.0],
                std: None
            }
        );
    }

    #[test]
    fn command_std_and_header_are_read() {
        let answers = teacher("echo mean,sd; awk 'NR > 1 { print $1 \" , \" 0.5 }'; echo")
            .ask(&numbers(&[1.0, 2.0]))
            .unwrap();
        assert_eq!(
            answers,
            Answers {
                prediction: vec![1.0, 2.0],
                std: Some(vec![0.5, 0.5])
            }
        );
    }

    #[test]
    fn csv_quotes_and_round_trips() {
        let text = String::from_utf8(csv(&mixed())).unwrap();
        assert_eq!(
            text,
            "x,\"n, m\",k\n0.1,3,\"say \"\"c\"\"\"\n,-2,\n1e300,0,\"a,b\"\n"
        );
        assert_eq!(
            String::from_utf8(csv(&numbers(&[f64::NAN]))).unwrap(),
            "x\n\"\"\n"
        );
    }

    #[test]
    fn python_reads_the_csv_bit_for_bit() {
        let values = [0.1 + 0.2, 1e-310, -1.0 / 3.0, 123_456_789.123_456_79];
        let script = "python3 -c 'import csv, sys
for row in csv.DictReader(sys.stdin): print(repr(float(row[\"x\"])))'";
        assert_eq!(
            teacher(script).ask(&numbers(&values)).unwrap().prediction,
            values
        );
    }

    #[test]
    fn parquet_reaches_the_command() {
        let options = CommandOptions {
            format: CommandFormat::Parquet,
            ..CommandOptions::new("head -c 4 | grep -q PAR1 && printf '1\\n2\\n3\\n'")
        };
        let answers = CommandTeacher::new(options).unwrap().ask(&mixed()).unwrap();
        assert_eq!(answers.prediction, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn no_row_is_sent_twice() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let options = CommandOptions {
            batch_rows: 2,
            ..CommandOptions::new(&format!("tee -a '{}' | {DOUBLE}", log.display()))
        };
        let teacher = CommandTeacher::new(options).unwrap();
        let answers = teacher.ask(&numbers(&[1.0, 2.0, 1.0, 3.0, 2.0])).unwrap();
        assert_eq!(answers.prediction, [2.0, 4.0, 2.0, 6.0, 4.0]);
        assert_eq!(
            teacher.ask(&numbers(&[3.0, 4.0])).unwrap().prediction,
            [6.0, 8.0]
        );
        assert_eq!(
            fs::read_to_string(log).unwrap(),
            "x\n1.0\n2.0\nx\n3.0\nx\n4.0\n"
        );
        assert_eq!(teacher.ask(&numbers(&[])).unwrap(), Answers::default());
    }

    #[test]
    fn equal_texts_are_one_row_whatever_their_codes() {
        let column = |codes: Vec<u32>, levels: &[&str]| {
            let levels = Arc::new(levels.iter().map(|level| (*level).to_owned()).collect());
            let rows = codes.len();
            let column = Feature {
                name: "k".to_owned(),
                values: FeatureValues::Category { codes, levels },
                integer: false,
                missing: limbeck_data::MissingNumbers::default(),
                date: None,
                history: None,
            };
            Features {
                columns: vec![column],
                rows,
                past: None,
            }
        };
        assert_eq!(
            row_keys(&column(vec![0, MISSING], &["p", "q"])),
            row_keys(&column(vec![1, MISSING], &["o", "p"]))
        );
    }

    #[test]
    fn command_with_more_rows_than_a_pipe_holds_does_not_block() {
        // 40 000 rows are some hundred kilobytes: the command answers while it still reads.
        let values: Vec<f64> = (0..40_000).map(f64::from).collect();
        let answers = teacher(DOUBLE).ask(&numbers(&values)).unwrap();
        assert_eq!(answers.prediction[39_998..], [79_996.0, 79_998.0]);
    }

    #[test]
    fn command_that_does_not_read_its_input_is_fine() {
        let values: Vec<f64> = (0..40_000).map(f64::from).collect();
        let answers = teacher("exec <&-; seq 1 40000")
            .ask(&numbers(&values))
            .unwrap();
        assert_eq!(answers.prediction[..2], [1.0, 2.0]);
    }

    #[test]
    fn command_that_dies_shows_code_and_stderr() {
        let message = error("echo no model file >&2; exit 3", 2).to_string();
        assert!(
            message.contains("exit code 3") && message.contains("| no model file"),
            "{message}"
        );
        let message = error("kill -9 $$", 2).to_string();
        assert!(
            message.contains("signal 9") && message.contains("wrote nothing on stderr"),
            "{message}"
        );
        let message = error("no-such-program-here", 2).to_string();
        assert!(
            message.contains("127 (a program was not found)"),
            "{message}"
        );
    }

    #[test]
    fn command_that_cannot_start_is_named() {
        // One argument may not have more than 128 KiB.
        let command = format!("true # {}", "x".repeat(300_000));
        assert!(matches!(error(&command, 1), Error::CommandStart { .. }));
    }

    #[test]
    fn command_that_hangs_is_stopped_with_all_its_processes() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let command = format!(
            "echo thinking >&2; sleep 100 & echo $! > '{}'; wait",
            pid.display()
        );
        let options = CommandOptions {
            timeout_s: 0.5,
            ..CommandOptions::new(&command)
        };
        let start = Instant::now();
        let message = CommandTeacher::new(options)
            .unwrap()
            .ask(&numbers(&[1.0]))
            .unwrap_err()
            .to_string();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(
            message.contains("within 0.5 s") && message.contains("| thinking"),
            "{message}"
        );
        let pid = fs::read_to_string(pid).unwrap();
        let alive = || {
            fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
                .is_ok_and(|stat| !stat.contains(") Z"))
        };
        let gone = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            !alive()
        });
        assert!(gone, "the grandchild still runs");
    }

    #[test]
    fn command_with_too_few_or_too_many_rows_is_refused() {
        let counts = |error| match error {
            Error::CommandRows {
                found, expected, ..
            } => (found, expected),
            other => panic!("{other}"),
        };
        assert_eq!(counts(error("echo 1", 2)), (1, 2));
        assert_eq!(counts(error("printf 'y\\n1\\n'", 2)), (1, 2));
        assert_eq!(counts(error("seq 5", 2)), (5, 2));
        assert_eq!(counts(error("true", 2)), (0, 2));
    }

    #[test]
    fn command_that_answers_garbage_is_refused_with_the_row() {
        let message = |command: &str| error(command, 2).to_string();
        assert!(message("printf '1\\nabc\\n'").contains("`abc` for row 2"));
        assert!(message("printf '1\\nnan\\n'").contains("`nan` for row 2"));
        assert!(message("printf 'inf\\n1\\n'").contains("`inf` for row 1"));
        assert!(message("printf '1,2,3\\n1\\n'").contains("`1,2,3` for row 1"));
        assert!(message("printf '1,-2\\n1,1\\n'").contains("`1,-2` for row 1"));
        assert!(message("printf '1\\n\\n1\\n'").contains("printed 3 lines"));
        assert!(message("printf '\\377\\376\\n1\\n'").contains("printed 1 line"));
        assert!(message("printf '1,1\\n1\\n'").contains("since other rows have one"));
    }

    #[test]
    fn command_with_huge_stderr_does_not_block_and_its_end_is_shown() {
        let noise = "seq 1 300000 >&2";
        let answers = teacher(&format!("{noise}; {DOUBLE}"))
            .ask(&numbers(&[1.0]))
            .unwrap();
        assert_eq!(answers.prediction, [2.0]);
        let Error::CommandFailed { stderr, .. } = error(&format!("{noise}; exit 1"), 1) else {
            panic!("did not fail")
        };
        assert_eq!(stderr.0.len(), STDERR_LINES);
        assert_eq!(
            (stderr.0[0].as_str(), stderr.0[19].as_str()),
            ("299981", "300000")
        );
    }

    #[test]
    fn command_that_never_stops_answering_is_stopped() {
        let start = Instant::now();
        assert!(matches!(error("yes 1", 2), Error::CommandOutput { .. }));
        assert!(start.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn command_is_ended_by_a_stop() {
        struct Soon(Instant);
        impl limbeck_data::stop::Asked for Soon {
            fn is_asked(&self) -> bool {
                self.0.elapsed() > Duration::from_millis(200)
            }
        }
        let soon = Soon(Instant::now());
        let found = teacher("sleep 30").ask_until(&numbers(&[4.0]), Stop::on(&soon));
        assert!(matches!(found, Err(Error::Stopped)), "{found:?}");
        assert!(soon.0.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn command_that_leaves_a_process_behind_is_not_waited_for() {
        let start = Instant::now();
        let command = format!("sleep 30 >/dev/null 2>&1 </dev/null & {DOUBLE}");
        assert_eq!(
            teacher(&command).ask(&numbers(&[4.0])).unwrap().prediction,
            [8.0]
        );
        assert!(start.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn answered_batches_stay_known_after_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let flag = folder.path().join("second");
        let command = format!(
            "if [ -e '{0}' ]; then exit 1; fi; touch '{0}'; {DOUBLE}",
            flag.display()
        );
        let options = CommandOptions {
            batch_rows: 1,
            ..CommandOptions::new(&command)
        };
        let teacher = CommandTeacher::new(options).unwrap();
        assert!(teacher.ask(&numbers(&[1.0, 2.0])).is_err());
        assert_eq!(teacher.ask(&numbers(&[1.0])).unwrap().prediction, [2.0]);
    }

    #[test]
    fn command_options_are_checked() {
        let refused =
            |options: CommandOptions| CommandTeacher::new(options).unwrap_err().to_string();
        assert!(refused(CommandOptions::new(" ")).contains("not blank"));
        assert!(
            refused(CommandOptions {
                batch_rows: 0,
                ..CommandOptions::new("cat")
            })
            .contains("teacher.command.batch_rows: found 0")
        );
        assert!(
            refused(CommandOptions {
                timeout_s: f64::NAN,
                ..CommandOptions::new("cat")
            })
            .contains("teacher.command.timeout_s: found NaN")
        );
    }
}
