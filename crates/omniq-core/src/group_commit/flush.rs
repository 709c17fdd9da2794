//! Writes one batch after the other, each with all items that have arrived in between.

use std::mem::take;
use std::sync::Arc;

use super::answers::MANY;
use super::{Again, GroupCommit, GroupWriter};

/// Writes batches until none is left for it.
pub(super) struct Flush<W: GroupWriter> {
    group: Arc<GroupCommit<W>>,
    /// The number of its write, which is in flight until the next one begins; `None`: it is done.
    no: Option<u64>,
    /// The batch, until its write begins.
    next: Vec<W::Item>,
}

impl<W: GroupWriter> Flush<W> {
    /// For a write that is in flight.
    pub(super) fn sent(group: &Arc<GroupCommit<W>>, no: u64) -> Self {
        Self { group: Arc::clone(group), no: Some(no), next: Vec::new() }
    }

    pub(super) fn run(mut self, batch: Vec<W::Item>) -> impl Future<Output = ()> + Send {
        // Before the first poll, which may never come.
        self.next = batch;
        async move {
            while !self.next.is_empty() {
                let batch = take(&mut self.next);
                let written = batch.len();
                if let Some(again) = self.group.writer.write(batch).await {
                    self.put_off(again);
                }
                self.gather(written).await;
                self.take_next();
            }
        }
    }

    /// The write is over; leaves the items that wait to another flush.
    pub(super) fn finish(mut self) {
        let mut waiting = self.group.lock();
        if let Some(no) = self.no.take() {
            waiting.end(no);
        }
        self.group.look(waiting);
    }

    fn put_off(&self, Again { items, pause }: Again<W::Item>) {
        let group = Arc::clone(&self.group);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            group.add_all(items);
        });
    }

    /// Lets callers that have their answers call again, so that those items are written together. If that takes long,
    /// because the runtime is not driven, the items overtake this flush like one whose write takes long.
    async fn gather(&mut self, written: usize) {
        let (turns, mut before) = (self.group.rule.turns, 0);
        let Some(no) = self.no.filter(|_| turns > 0) else { return };
        self.group.lock().gather(no);
        if written >= MANY {
            // The turn in which they get their answers.
            tokio::task::yield_now().await;
        }
        for _ in 0..turns {
            tokio::task::yield_now().await;
            let items = self.group.lock().items.len();
            if items >= written || items == before {
                break;
            }
            before = items;
        }
    }

    /// Takes the next batch for this flush. There is none if no items wait, or another flush will write them.
    fn take_next(&mut self) {
        let mut waiting = self.group.lock();
        if let Some(no) = self.no.take() {
            waiting.end(no);
        }
        if let Some((no, batch)) = self.group.take(&mut waiting) {
            (self.no, self.next) = (Some(no), batch);
        }
        // More may wait than one write takes.
        self.group.look(waiting);
    }
}

/// The runtime ends in the middle, or a write panics.
impl<W: GroupWriter> Drop for Flush<W> {
    fn drop(&mut self) {
        let mut never_written = take(&mut self.next);
        if let Some(no) = self.no.take() {
            let mut waiting = self.group.lock();
            waiting.end(no);
            if waiting.in_flight.is_empty() {
                never_written.append(&mut waiting.items);
            }
        }
        if !never_written.is_empty() {
            self.group.writer.never_written(never_written);
        }
    }
}
