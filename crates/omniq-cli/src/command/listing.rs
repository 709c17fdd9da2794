//! Lists that may be longer than a page: one page with a note that there is more, or all entries.

use crate::fail::Result;
use crate::output::Output;

/// How many entries are read at a time when all are wanted.
pub const PAGE: u32 = 1000;

/// How the entries of a list are shown.
pub struct Listing<'a, T> {
    pub out: &'a Output,
    /// Makes a JSON array of the entries.
    pub json: fn(&[T]) -> Result<String>,
    pub table: fn(&[T], &Output) -> String,
    /// The text for an empty list.
    pub none: &'a str,
}

impl<T> Listing<'_, T> {
    /// Prints one page. `more` says how to see the rest, if there is one. It is a note on stderr and not in the JSON document.
    pub fn page(&self, entries: &[T], more: Option<String>) -> Result<()> {
        if self.out.is_json() {
            self.out.line((self.json)(entries)?)?;
        } else if entries.is_empty() {
            self.out.line(self.none)?;
        } else {
            self.out.line((self.table)(entries, self.out))?;
        }
        if let Some(more) = more {
            self.out.note(format!("These are {} of more: {more}, or --all", entries.len()));
        }
        Ok(())
    }

    /// Prints all entries. `next` returns up to [`PAGE`] entries after the given one. JSON is written page by page.
    pub async fn all(&self, mut next: impl AsyncFnMut(Option<&T>) -> Result<Vec<T>>) -> Result<()> {
        let (mut entries, mut written) = (Vec::new(), false);
        loop {
            let page = next(entries.last()).await?;
            let is_last = page.len() < PAGE as usize;
            if self.out.is_json() {
                entries = page;
                let text = (self.json)(&entries)?;
                let inner =
                    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
                if !inner.is_empty() {
                    self.out.line(format!("{}{inner}", if written { "," } else { "[" }))?;
                    written = true;
                }
            } else {
                entries.extend(page);
            }
            if is_last {
                break;
            }
        }
        if !self.out.is_json() {
            return self.page(&entries, None);
        }
        self.out.line(if written { "]" } else { "[]" })
    }
}

/// Cuts a list that was read with a limit one too high. Returns whether there was more.
pub fn cut<T>(entries: &mut Vec<T>, limit: u32) -> bool {
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    more
}
