//! Lists that may be longer than a page: the page with a word that there is more, or all of it.

use crate::fail::Result;
use crate::output::Output;

/// So many are read at a time where all are wanted.
pub const PAGE: u32 = 1000;

/// How the entries of a list are shown.
pub struct Listing<'a, T> {
    pub out: &'a Output,
    /// A JSON array of them.
    pub json: fn(&[T]) -> Result<String>,
    pub table: fn(&[T], &Output) -> String,
    /// What is said of none.
    pub none: &'a str,
}

impl<T> Listing<'_, T> {
    /// One page. `more`: how to see the rest, if there is one; programs that read the JSON document are not told by it.
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

    /// All, of which `next` gives up to [`PAGE`] behind one of them. JSON is written as they come.
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

/// Cuts what was read with a limit one too high; whether there was more.
pub fn cut<T>(entries: &mut Vec<T>, limit: u32) -> bool {
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    more
}
