//! The one place that writes to stdout and stderr.

mod number;
mod table;
mod text;
mod time;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

pub use number::{bytes, count, rate};
pub use table::Table;
pub use text::{printable, printable_lines, shell_word, shorten};
pub use time::{ago, rough, stamp, took};

use crate::args::Global;
use crate::fail::{Exit, Failure, Result};

/// The colours of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    Bold,
    Dim,
    Good,
    Bad,
    Wait,
}

#[derive(Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
    causes: bool,
    colors: bool,
    error_colors: bool,
}

impl Output {
    pub fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            causes: global.verbose > 0,
            colors: global.colors_on_stdout(),
            error_colors: global.colors_on_stderr(),
        }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub fn stderr_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Prints a line of the requested output.
    pub fn line(&self, text: impl AsRef<str>) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_ref().as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// Prints the one document of `--json`, or a line of a stream.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        self.line(serde_json::to_string(value)?)
    }

    pub fn table(&self, headers: &[&str]) -> Table {
        Table::new(headers, self.colors)
    }

    /// Prints a note to stderr, beside the requested output. A failed write is ignored because the output is complete
    /// without it.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    pub fn failure(&self, failure: &Failure) {
        if failure.exit() == Exit::Quiet {
            return;
        }
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "{} {failure}", paint("error:", Tint::Bad, self.error_colors));
        if self.causes {
            for cause in failure.causes() {
                let _ = writeln!(err, "  because: {cause}");
            }
        }
    }

    pub fn paint(&self, text: &str, tint: Tint) -> String {
        paint(text, tint, self.colors)
    }
}

fn paint(text: &str, tint: Tint, colors: bool) -> String {
    if !colors {
        return text.to_owned();
    }
    let code = match tint {
        Tint::Bold => "1",
        Tint::Dim => "2",
        Tint::Good => "32",
        Tint::Bad => "31",
        Tint::Wait => "33",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
