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
        if agrees(&what, &mut io::stdin().lock(), &mut io::stderr().lock())? {
            return Ok(true);
        }
        Err(Failure::new(Exit::Failure, "nothing was changed"))
    }
}

/// Asks, and reads one line.
fn agrees(what: &str, answers: &mut impl BufRead, screen: &mut impl Write) -> io::Result<bool> {
    write!(screen, "{what}. Go on? [y/N] ")?;
    screen.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_goes_on() {
        for (answer, goes_on) in [
            ("y\n", true),
            (" Yes \n", true),
            ("n\n", false),
            ("\n", false),
            ("", false),
            ("yesterday\n", false),
        ] {
            let mut screen = Vec::new();
            let agreed = agrees("3 tasks would be retried", &mut answer.as_bytes(), &mut screen);
            assert_eq!(agreed.expect("it can be read"), goes_on, "{answer:?}");
            assert_eq!(screen, b"3 tasks would be retried. Go on? [y/N] ");
        }
    }
}
