//! Writing to standard output and standard error, with or without color.

use std::io::{ErrorKind, IsTerminal, Write};

use crate::error::{Error, Result};

/// Writes results to standard output. If the reader has closed the pipe, as `head` does, that is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output. A closed pipe is not an error.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::Stdout),
    }
}

/// Writes a message to standard error; a failure to write is ignored.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes a warning to standard error, after the word `warning:`.
pub(crate) fn warn(text: &str) {
    tell(&format!("{}: {text}", Style::stderr().yellow("warning")));
}

/// Text styles, which have no effect if color is off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    on: bool,
}

impl Style {
    /// The styles for standard error.
    pub(crate) fn stderr() -> Self {
        Self {
            on: std::io::stderr().is_terminal() && wanted(),
        }
    }

    /// The styles for standard output.
    pub(crate) fn stdout() -> Self {
        Self {
            on: std::io::stdout().is_terminal() && wanted(),
        }
    }

    /// True if color is on.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Makes text stand out.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Makes text less prominent.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Marks an error.
    pub(crate) fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Marks a warning.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// Marks a note.
    pub(crate) fn cyan(self, text: &str) -> String {
        self.paint("1;36", text)
    }
}

/// True unless the variable `NO_COLOR` is set (see no-color.org) or the terminal is dumb.
fn wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
