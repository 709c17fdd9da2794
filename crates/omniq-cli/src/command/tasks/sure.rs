//! A change of many tasks: how many there are is said first, and it is made only if that is confirmed.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use crate::fail::{Exit, Failure, Result};
use crate::output::{Output, count};

#[derive(Debug, Args)]
pub struct Sure {
    /// Do it without a question; where nobody can be asked, as in a script, nothing is done without it
    #[arg(short, long)]
    yes: bool,
    /// Only say how many tasks it would change
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

impl Sure {
    pub fn is_given(&self) -> bool {
        self.yes || self.dry_run
    }

    /// Whether to go on. `verb` says what would become of the tasks, such as `retried`. With `--dry-run` the number is the
    /// whole output. An error: it was not confirmed.
    pub fn confirm(&self, matched: u64, verb: &str, out: &Output) -> Result<bool> {
        let what = match matched {
            1 => format!("1 task would be {verb}"),
            _ => format!("{} tasks would be {verb}", count(matched)),
        };
        if self.dry_run {
            if out.is_json() {
                out.json(&serde_json::json!({ "matched": matched }))?;
            } else {
                out.line(format!("{what}."))?;
            }
            return Ok(false);
        }
        // Nothing to lose.
        if self.yes || matched == 0 {
            return Ok(true);
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::usage(format!("{what}; nothing was changed: add --yes to do it")));
        }
        write!(io::stderr().lock(), "{what}. Go on? [y/N] ")?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(true);
        }
        Err(Failure::new(Exit::Failure, "nothing was changed"))
    }
}
