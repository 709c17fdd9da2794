//! Lists that may be longer than a page: one page that says if there is more, or all entries.

use serde_json::json;

use crate::fail::Result;
use crate::output::Output;

/// How many entries are read at a time when all are wanted.
pub const PAGE: u32 = 1000;

/// How to see what a page leaves out.
pub enum More {
    /// By `--after` with this value.
    After(String),
    /// It comes before the page: by a higher `--limit`.
    Before,
}

/// How the entries of a list are shown.
///
/// With `--json` a list is an object: the entries by the list's name, `more`, which is true if there are others, and `next`, the value
/// of `--after` that goes on there, or null.
pub struct Listing<'a, T> {
    pub out: &'a Output,
    /// Makes a JSON array of the entries.
    pub json: fn(&[T]) -> Result<String>,
    pub table: fn(&[T], &Output) -> String,
    /// What the entries are.
    pub name: &'a str,
    /// The text for an empty list.
    pub none: &'a str,
}

impl<T> Listing<'_, T> {
    /// Prints one page. `more` says how to see the rest, if there is one. A note on stderr says so too.
    pub fn page(&self, entries: &[T], more: Option<More>) -> Result<()> {
        if self.out.is_json() {
            let next = match &more {
                Some(More::After(next)) => Some(next),
                Some(More::Before) | None => None,
            };
            let (name, entries, next) = (self.name, (self.json)(entries)?, json!(next));
            let cut = more.is_some();
            self.out.line(format!(r#"{{"{name}":{entries},"more":{cut},"next":{next}}}"#))?;
        } else if entries.is_empty() {
            self.out.line(self.none)?;
        } else {
            self.out.line((self.table)(entries, self.out))?;
        }
        let way = match more {
            Some(More::After(next)) => format!("--after {next}"),
            Some(More::Before) => "--limit with a higher number".to_owned(),
            None => return Ok(()),
        };
        self.out.note(format!("These are {} of more: {way}, or --all", entries.len()));
        Ok(())
    }

    /// Prints all entries. `next` returns up to [`PAGE`] entries after the given one. JSON is written page by page.
    pub async fn all(&self, mut next: impl AsyncFnMut(Option<&T>) -> Result<Vec<T>>) -> Result<()> {
        let (mut entries, mut written) = (Vec::new(), false);
        if self.out.is_json() {
            self.out.line(format!(r#"{{"{}":["#, self.name))?;
        }
        loop {
            let page = next(entries.last()).await?;
            let is_last = page.len() < PAGE as usize;
            if self.out.is_json() {
                entries = page;
                let text = (self.json)(&entries)?;
                let inner =
                    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
                if !inner.is_empty() {
                    self.out.line(format!("{}{inner}", if written { "," } else { "" }))?;
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
        self.out.line(r#"],"more":false,"next":null}"#)
    }
}

/// Cuts a list that was read with a limit one too high. Returns whether there was more.
pub fn cut<T>(entries: &mut Vec<T>, limit: u32) -> bool {
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    more
}
