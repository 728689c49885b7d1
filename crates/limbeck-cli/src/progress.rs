//! Live progress on standard error.
//!
//! On a terminal, one line shows the stage, a bar, the time left, the validation error, and the RMSE between student and teacher. Elsewhere, there is
//! a line for each stage, and one every 15 seconds for each part of the teacher's fit. Warnings and notes are shown in both cases. With `--quiet`,
//! nothing is shown.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use limbeck::{Event, Observer, Part};
use limbeck_data::{DataSummary, SeriesSummary, group_warnings};
use limbeck_distill::proof::short;
use limbeck_distill::search::Progress as Training;

use crate::error::{Error, Result};
use crate::output::{Style, tell};
use crate::render::{counted, grouped};

/// True after the first Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);
/// Has a value once the handler of Ctrl-C is installed, so that it is installed only once.
static WATCHED: OnceLock<()> = OnceLock::new();
/// Exit code after SIGINT, as usual in shells.
const INTERRUPTED: i32 = 130;
/// The time that a run may take to stop after Ctrl-C; then the process exits. Finished work is kept in any case. The time is longer in builds without
/// optimization, which are many times slower.
const GRACE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 30_000 } else { 1300 });

/// Lets Ctrl-C (and SIGTERM) ask the run to stop. If the run does not stop soon, or after a second Ctrl-C, the process ends.
pub(crate) fn watch_interrupts() -> Result<()> {
    if WATCHED.set(()).is_err() {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        tell("\nstopping (`limbeck distill` keeps finished work for --resume); press Ctrl-C again to quit at once");
        std::thread::spawn(end_after_grace);
    })
    .map_err(|error| Error::Message(format!("cannot watch for Ctrl-C: {error}")))
}

/// Ends the process if the run has not stopped within [`GRACE`].
fn end_after_grace() {
    std::thread::sleep(GRACE);
    tell(
        "interrupted: the command did not stop in time and was ended; a run of `limbeck distill` can be continued with `limbeck distill --resume RUN` \
         (`limbeck runs` lists unfinished runs)",
    );
    std::process::exit(INTERRUPTED);
}

/// True once the user has asked to stop.
pub(crate) fn is_stopped() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Shows the progress of a run.
pub(crate) struct Progress {
    mode: Mode,
    style: Style,
    start: Instant,
    training: Mutex<State>,
}

/// Minimum time between progress lines if standard error is not a terminal.
const EVERY: Duration = Duration::from_secs(15);

enum Mode {
    Quiet,
    Lines,
    Live(ProgressBar),
}

/// What has been shown of the progress of the current stage.
#[derive(Debug, Default)]
struct State {
    stage: String,
    total: u64,
    steps: BTreeMap<String, usize>,
    /// The parts of the stage that have begun and are not done, by name. There can be several, since learners are fitted in parallel.
    parts: BTreeMap<String, PartState>,
    /// Name of the part that the bar shows.
    shown: Option<String>,
}

/// When a part of a stage began, and when its progress was last shown.
#[derive(Debug)]
struct PartState {
    begun: Instant,
    told: Instant,
}

impl State {
    /// Updates the state of a part at the time `now`. Returns the time since the part began if a progress line is due, otherwise `None`.
    fn line_due(&mut self, part: &Part<'_>, now: Instant) -> Option<Duration> {
        let new = PartState {
            begun: now,
            told: now,
        };
        let own = self.parts.entry(part.name.to_owned()).or_insert(new);
        let is_due = now - own.told >= EVERY;
        if is_due {
            own.told = now;
        }
        let taken = now - own.begun;
        if part.done >= part.total {
            self.parts.remove(part.name);
        }
        is_due.then_some(taken)
    }

    /// True if the bar has to change to `part`, because `part` is new or because the bar shows no part.
    fn is_next(&self, part: &Part<'_>) -> bool {
        self.shown.is_none() || !self.parts.contains_key(part.name)
    }
}

impl Progress {
    /// Shows nothing if `quiet` is set, a progress bar if standard error is a terminal, and otherwise lines of text.
    pub(crate) fn new(quiet: bool) -> Self {
        let mode = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, false) => Mode::Lines,
            (false, true) => Mode::Live(live_bar()),
        };
        Self {
            mode,
            style: Style::stderr(),
            start: Instant::now(),
            training: Mutex::default(),
        }
    }

    /// Removes the progress bar from the terminal.
    pub(crate) fn finish(&self) {
        if let Mode::Live(bar) = &self.mode {
            bar.finish_and_clear();
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.training.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stage(&self, name: &str) {
        *self.state() = State {
            stage: name.to_owned(),
            ..State::default()
        };
        match &self.mode {
            Mode::Quiet => {}
            Mode::Lines => tell(&format!(
                "[{:6.1} s] {name}",
                self.start.elapsed().as_secs_f64()
            )),
            Mode::Live(bar) => {
                bar.set_style(spinner(self.style));
                bar.set_message(name.to_owned());
            }
        }
    }

    fn line(&self, text: &str) {
        match &self.mode {
            Mode::Quiet => {}
            Mode::Lines => tell(text),
            Mode::Live(bar) => bar.println(text),
        }
    }

    fn data(&self, summary: &DataSummary) {
        self.line(&format!(
            "{}: {} ({} train, {} valid, {} test), {}",
            summary.source,
            counted(summary.rows, "row"),
            grouped(summary.train),
            grouped(summary.valid),
            grouped(summary.test),
            counted(summary.features.len(), "feature")
        ));
        if let Some(periods) = &summary.periods {
            self.line(&periods.to_string());
        }
        if let Some(series) = &summary.series {
            self.line(&series.to_string());
            self.audit(series);
        }
        for group in group_warnings(&summary.warnings) {
            let (label, check) = (
                self.style.yellow("warning"),
                self.style
                    .dim(&format!("(found by check `{}`)", group.check)),
            );
            self.line(&format!("{label}: {} {check}", group.message));
        }
    }

    /// Shows the result of the leak audit: one line if it passed, else a line for each test that failed.
    fn audit(&self, series: &SeriesSummary) {
        let failed = series.audit.iter().filter(|audit| !audit.passed);
        for audit in failed {
            let label = self.style.red("leak");
            self.line(&format!(
                "{label}: it is not true that {}: {}",
                audit.test, audit.found
            ));
        }
        if series.is_clean() {
            self.line(&format!(
                "leak audit: {} passed",
                counted(series.audit.len(), "test")
            ));
        }
    }

    /// Shows how much of a part of a stage is done, and the time left at the speed so far.
    fn part(&self, part: &Part<'_>) {
        let mut state = self.state();
        if let Mode::Live(bar) = &self.mode {
            if state.is_next(part) {
                bar.set_length(part.total as u64);
                bar.set_style(steps_bar(self.style));
                bar.reset_eta();
                bar.set_message(state.stage.clone());
                bar.set_prefix(part.name.to_owned());
                state.shown = Some(part.name.to_owned());
            }
            if state.shown.as_deref() == Some(part.name) {
                bar.set_position(part.done as u64);
                state.shown = state.shown.take().filter(|_| part.done < part.total);
            }
        }
        let due = state.line_due(part, Instant::now());
        if let (Mode::Lines, Some(taken)) = (&self.mode, due) {
            tell(&part_line(part, taken, self.start.elapsed()));
        }
    }

    fn steps(&self, total: usize) {
        let mut state = self.state();
        state.total = total as u64;
        state.steps.clear();
        state.parts.clear();
        state.shown = None;
        if let Mode::Live(bar) = &self.mode {
            bar.set_length(total as u64);
            bar.set_position(0);
            bar.reset_eta();
            bar.set_style(steps_bar(self.style));
            bar.set_message(state.stage.clone());
            bar.set_prefix(String::new());
        }
    }

    fn training(&self, training: &Training<'_>) {
        let Mode::Live(bar) = &self.mode else { return };
        let mut state = self.state();
        state
            .steps
            .insert(training.training.to_string(), training.point.step);
        let done: u64 = state.steps.values().map(|step| *step as u64).sum();
        bar.set_position(done.min(state.total));
        let mut prefix = training.training.side().to_owned();
        if let Some(staged) = training.staged {
            prefix.push_str(&format!(", {staged}"));
        }
        if let Some(error) = training.point.valid_error {
            prefix.push_str(&format!("  valid {}", short(error)));
        }
        if let Some(gap) = training.point.fidelity_rmse.filter(|gap| gap.is_finite()) {
            prefix.push_str(&format!("  RMSE to the teacher {}", short(gap)));
        }
        bar.set_prefix(prefix);
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Data(summary) => self.data(summary),
            Event::Stage(name) => self.stage(name),
            Event::Note(text) => self.line(&format!("{}: {text}", self.style.cyan("note"))),
            Event::Budget(text) => self.line(&format!("{}: {text}", self.style.cyan("budget"))),
            Event::Steps(total) => self.steps(*total),
            Event::Part(part) => self.part(part),
            Event::Training(training) | Event::Aside(training) => self.training(training),
        }
    }

    fn stop(&self) -> bool {
        is_stopped()
    }
}

/// A line of text on how much of a part is done. `taken` is the time since the part began, `elapsed` since the run began.
fn part_line(part: &Part<'_>, taken: Duration, elapsed: Duration) -> String {
    let done = part.done.max(1) as f64;
    let left = taken.as_secs_f64() * (part.total as f64 - done).max(0.0) / done;
    format!(
        "[{:6.1} s] {}: {:.0} %, about {left:.0} s left",
        elapsed.as_secs_f64(),
        part.name,
        100.0 * done / part.total.max(1) as f64
    )
}

fn live_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(spinner(Style::stderr()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn template(text: &str) -> ProgressStyle {
    // The templates are constants of this file; a test parses them.
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}

const SPINNER: &str = "{spinner:.cyan} {msg}  {elapsed}";
const SPINNER_PLAIN: &str = "{spinner} {msg}  {elapsed}";
const STEPS: &str = "{spinner:.cyan} {msg} {bar:24.cyan/dim} {percent:>3} %  {eta} left  {prefix}";
const STEPS_PLAIN: &str = "{spinner} {msg} {bar:24} {percent:>3} %  {eta} left  {prefix}";

fn spinner(style: Style) -> ProgressStyle {
    template(if style.is_on() {
        SPINNER
    } else {
        SPINNER_PLAIN
    })
}

fn steps_bar(style: Style) -> ProgressStyle {
    template(if style.is_on() { STEPS } else { STEPS_PLAIN }).progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_tells_the_time_that_is_left() {
        let part = Part {
            name: "trees, 5 folds",
            done: 25,
            total: 100,
        };
        let (taken, elapsed) = (Duration::from_secs(10), Duration::from_secs(70));
        assert_eq!(
            part_line(&part, taken, elapsed),
            "[  70.0 s] trees, 5 folds: 25 %, about 30 s left"
        );
    }

    #[test]
    fn parts_that_alternate_have_lines_of_their_own() {
        let mut state = State::default();
        let part = |name, done| Part {
            name,
            done,
            total: 100,
        };
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut lines = Vec::new();
        for second in 0..=40 {
            for name in ["trees", "network"] {
                let due = state.line_due(&part(name, second as usize), at(second));
                lines.extend(due.map(|taken| (name, taken.as_secs())));
            }
        }
        assert_eq!(
            lines,
            [
                ("trees", 15),
                ("network", 15),
                ("trees", 30),
                ("network", 30)
            ]
        );
        // A part that is done begins anew.
        state.line_due(&part("trees", 100), at(41));
        assert_eq!(state.line_due(&part("trees", 1), at(100)), None);
    }

    #[test]
    fn templates_parse() {
        for text in [SPINNER, SPINNER_PLAIN, STEPS, STEPS_PLAIN] {
            assert!(ProgressStyle::with_template(text).is_ok(), "{text}");
        }
    }
}
