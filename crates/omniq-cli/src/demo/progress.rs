//! Progress: a bar on a terminal, elsewhere a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::watch::Tally;
use crate::output::{Output, count, rate, rough};

const LINES_EVERY: Duration = Duration::from_secs(5);
const BAR: &str = "{bar:30} {human_pos} of {human_len} files  {msg}";

pub struct Progress<'a> {
    out: &'a Output,
    bar: Option<ProgressBar>,
    begun: Instant,
    last: Tally,
    changed: Instant,
    said: Instant,
}

/// The work of this call of the command.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    pub done: u64,
    pub seconds: f64,
}

impl<'a> Progress<'a> {
    pub fn new(out: &'a Output) -> Self {
        let bar = (out.stderr_is_terminal() && !out.is_quiet()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("━╸─"));
            bar
        });
        let now = Instant::now();
        Self { out, bar, begun: now, last: Tally::default(), changed: now, said: now }
    }

    pub fn at(&mut self, tally: Tally) {
        if tally.done != self.last.done {
            self.changed = Instant::now();
        }
        self.last = tally;
        let words = self.words();
        if let Some(bar) = &self.bar {
            bar.set_length(tally.found.max(tally.done));
            bar.set_position(tally.done);
            bar.set_message(words);
        } else if self.said.elapsed() >= LINES_EVERY {
            self.said = Instant::now();
            self.out.note(format!("{} of {} files  {words}", count(tally.done), count(tally.found)));
        }
    }

    fn words(&self) -> String {
        let Session { done, seconds } = self.session();
        let mut words = format!("{}/s", rate(done, seconds));
        let left = self.last.found.saturating_sub(self.last.done);
        if done > 0 && self.last.all_found {
            let remaining = (left as f64 * seconds / done as f64).max(1.0);
            words.push_str(&format!("  {} left", rough(remaining)));
        }
        if self.last.failed > 0 {
            words.push_str(&format!("  {} failed", count(self.last.failed)));
        }
        words
    }

    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.out.note(text)),
            None => self.out.note(text),
        }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub fn tally(&self) -> Tally {
        self.last
    }

    /// Measured up to the last finished file, because the queue has no part in what the demo does afterwards.
    pub fn session(&self) -> Session {
        Session {
            done: self.last.done.saturating_sub(self.last.done_before),
            seconds: self.changed.duration_since(self.begun).as_secs_f64(),
        }
    }
}
