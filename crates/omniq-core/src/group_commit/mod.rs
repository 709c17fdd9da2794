//! Group commit: items that arrive while a write is in flight are written together by the next one. No timer delays an
//! item: if no write is in flight, it is written at once.
//!
//! Used by single enqueues and events ([`Calls`]), and by the ends of runs (`worker/completer.rs`).
//! `docs/decisions/0021-one-statement-at-a-time.md` has the reasons and the figures. Not part of the interface for
//! users.

mod answers;
mod calls;
mod detach;
mod flush;
mod overtake;
#[cfg(test)]
mod tests;

use std::fmt;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::time::Instant;

pub use self::calls::{CallWriter, Calls};
use self::flush::Flush;
use self::overtake::Overtake;
use crate::sync::locked;

/// Writes batches.
pub trait GroupWriter: Send + Sync + 'static {
    /// What is written. It carries what its caller waits for, such as a channel for the answer.
    type Item: Send + 'static;

    /// The bytes of an item, as [`Rule::most_bytes`] counts them.
    fn bytes(&self, item: &Self::Item) -> usize;

    /// Writes a batch, which is never empty. Returns the items that are to be written again after a pause, if there are any.
    fn write(&self, batch: Vec<Self::Item>) -> impl Future<Output = Option<Again<Self::Item>>> + Send;

    /// Takes items whose write never began, because the runtime that was to write them ended, or a write panicked.
    /// Default: they are dropped.
    fn never_written(&self, items: Vec<Self::Item>) {
        drop(items);
    }
}

/// Items that are to be written again.
#[derive(Debug)]
pub struct Again<T> {
    /// The items.
    pub items: Vec<T>,
    /// How long they wait before they join the items that arrive. They delay no others meanwhile.
    pub pause: Duration,
}

/// When a write begins, and how much it takes.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The most items in one write.
    pub most: usize,
    /// The most bytes in one write; a single item may have more.
    pub most_bytes: usize,
    /// The number of waiting items for which a second write begins beside one in flight; `None`: one at a time.
    pub second_at: Option<usize>,
    /// Whether a second write begins, with any number of items, beside one of a single item.
    pub beside_single: bool,
    /// The most turns that other Tokio tasks get after a write, as long as that brings more items: for callers that have
    /// their answers and call again.
    pub turns: usize,
    /// How long items wait for a write in flight before the next one begins beside it; `None`: until it ends.
    pub patience: Option<Duration>,
}

/// Gathers items, and has them written in batches. Items are written in the order in which they are added, unless two
/// writes are in flight.
pub struct GroupCommit<W: GroupWriter> {
    writer: W,
    rule: Rule,
    /// Where writes run; `None`: in the runtime of the caller that starts one.
    runtime: Option<Handle>,
    waiting: Mutex<Waiting<W::Item>>,
}

struct Waiting<T> {
    items: Vec<T>,
    /// Writes in flight, the oldest first, without those that were overtaken.
    in_flight: Vec<InFlight>,
    /// The number of the last write.
    last: u64,
    /// The runtimes that have an [`Overtake`]. Each has its own, because a runtime may not be driven just now.
    timed: Vec<runtime::Id>,
}

struct InFlight {
    no: u64,
    items: usize,
    began: Instant,
    /// The write is over; its flush gathers the items for the next one. No other write begins meanwhile.
    gathers: bool,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { items: Vec::new(), in_flight: Vec::new(), last: 0, timed: Vec::new() }
    }
}

impl<T> Waiting<T> {
    /// Whether this many items may be written now.
    fn may_write(&self, items: usize, rule: &Rule) -> bool {
        match self.in_flight.as_slice() {
            [] => true,
            [one] if !one.gathers => {
                (rule.beside_single && one.items == 1) || rule.second_at.is_some_and(|enough| items >= enough)
            }
            _ => false,
        }
    }

    fn begin(&mut self, items: usize) -> u64 {
        self.last += 1;
        self.in_flight.push(InFlight { no: self.last, items, began: Instant::now(), gathers: false });
        self.last
    }

    /// Does nothing if the write was overtaken.
    fn gather(&mut self, no: u64) {
        if let Some(write) = self.in_flight.iter_mut().find(|write| write.no == no) {
            write.gathers = true;
        }
    }

    /// Does nothing if the write was overtaken.
    fn end(&mut self, no: u64) {
        self.in_flight.retain(|write| write.no != no);
    }
}

impl<W: GroupWriter> GroupCommit<W> {
    /// Writes in the runtimes of the callers: [`add`](Self::add) must be called within one.
    pub fn new(writer: W, rule: Rule) -> Arc<Self> {
        Arc::new(Self { writer, rule, runtime: None, waiting: Mutex::default() })
    }

    /// Writes in this runtime. Items may be added from any thread.
    pub fn on(runtime: Handle, writer: W, rule: Rule) -> Arc<Self> {
        Arc::new(Self { writer, rule, runtime: Some(runtime), waiting: Mutex::default() })
    }

    /// What writes.
    pub fn writer(&self) -> &W {
        &self.writer
    }

    /// Adds an item to those that wait. If the runtime ends before its write begins, it goes to
    /// [`GroupWriter::never_written`].
    pub fn add(self: &Arc<Self>, item: W::Item) {
        let mut waiting = self.lock();
        waiting.items.push(item);
        self.look(waiting);
    }

    fn add_all(self: &Arc<Self>, items: Vec<W::Item>) {
        let mut waiting = self.lock();
        waiting.items.extend(items);
        self.look(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<W::Item>> {
        locked(&self.waiting)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match &self.runtime {
            Some(runtime) => runtime.spawn(future),
            None => tokio::spawn(future),
        };
    }

    /// For an item that may be written alone at once, without being added.
    fn alone(self: &Arc<Self>) -> Option<Flush<W>> {
        let mut waiting = self.lock();
        let alone = waiting.items.is_empty() && waiting.may_write(1, &self.rule);
        alone.then(|| Flush::sent(self, waiting.begin(1)))
    }

    /// Starts a write if it may begin. Items that must wait get an [`Overtake`].
    ///
    /// The batch is taken here, so that it counts as in flight: the runtime that is to write it may not be driven just
    /// now, and the items after it overtake it then.
    fn look(self: &Arc<Self>, mut waiting: MutexGuard<'_, Waiting<W::Item>>) {
        if waiting.items.is_empty() {
            return;
        }
        if let Some((no, batch)) = self.take(&mut waiting) {
            // More may wait than one write takes.
            self.look(waiting);
            // In a Tokio task: if a caller's future is dropped, the items of others must go on.
            self.spawn(Flush::sent(self, no).run(batch));
        } else if let Some(patience) = self.rule.patience {
            let runtime = self.runtime.as_ref().map_or_else(|| Handle::current().id(), Handle::id);
            if !waiting.timed.contains(&runtime) {
                waiting.timed.push(runtime);
                drop(waiting);
                self.spawn(Overtake::new(self, runtime, patience).keep());
            }
        }
    }

    /// Takes the next batch, if it may be written now.
    fn take(self: &Arc<Self>, waiting: &mut Waiting<W::Item>) -> Option<(u64, Vec<W::Item>)> {
        if waiting.items.is_empty() || !waiting.may_write(waiting.items.len(), &self.rule) {
            return None;
        }
        let mut bytes = 0;
        let fits = waiting.items.iter().take(self.rule.most).take_while(|item| {
            let before = bytes;
            bytes += self.writer.bytes(item);
            before == 0 || bytes <= self.rule.most_bytes
        });
        let count = fits.count();
        let all = count == waiting.items.len();
        let items = if all { take(&mut waiting.items) } else { waiting.items.drain(..count).collect() };
        Some((waiting.begin(count), items))
    }
}

impl<W: GroupWriter> fmt::Debug for GroupCommit<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.lock();
        f.debug_struct("GroupCommit")
            .field("waiting", &waiting.items.len())
            .field("in_flight", &waiting.in_flight.len())
            .finish_non_exhaustive()
    }
}
