//! Writes one batch after the other, each with all items that have arrived in between.

use std::mem::take;
use std::sync::Arc;

use super::{Again, GroupCommit, GroupWriter};

/// Writes batches until none is left for it.
pub(super) struct Flush<W: GroupWriter> {
    group: Arc<GroupCommit<W>>,
    state: State,
}

enum State {
    /// A write is in flight: its number.
    Sent(u64),
    /// It is counted in `looking`.
    Looking,
    Done,
}

impl<W: GroupWriter> Flush<W> {
    /// For a write that is in flight.
    pub(super) fn sent(group: &Arc<GroupCommit<W>>, no: u64) -> Self {
        Self { group: Arc::clone(group), state: State::Sent(no) }
    }

    pub(super) async fn run(mut self, batch: Vec<W::Item>) {
        let mut next = Some(batch);
        while let Some(batch) = next {
            let written = batch.len();
            if let Some(again) = self.group.writer.write(batch).await {
                self.put_off(again);
            }
            self.look();
            self.gather(written).await;
            next = self.next_batch();
        }
    }

    /// The write is over; leaves the items that wait to another flush.
    pub(super) fn finish(mut self) {
        let mut waiting = self.group.lock();
        if let State::Sent(no) = self.state {
            waiting.end(no);
        }
        self.state = State::Done;
        self.group.look(waiting);
    }

    fn put_off(&self, Again { items, pause }: Again<W::Item>) {
        let group = Arc::clone(&self.group);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            group.add_all(items);
        });
    }

    /// Lets callers that have their answers call again, so that those items are written together.
    async fn gather(&self, written: usize) {
        let mut before = 0;
        for _ in 0..self.group.rule.turns {
            tokio::task::yield_now().await;
            let items = self.group.lock().items.len();
            if items >= written || items == before {
                break;
            }
            before = items;
        }
    }

    fn look(&mut self) {
        let mut waiting = self.group.lock();
        if let State::Sent(no) = self.state {
            waiting.end(no);
        }
        waiting.looking += 1;
        self.state = State::Looking;
    }

    /// The next batch for this flush. The flush is done if there is none: no items wait, or another flush will write them.
    fn next_batch(&mut self) -> Option<Vec<W::Item>> {
        let mut waiting = self.group.lock();
        waiting.looking -= 1;
        let taken = self.group.take(&mut waiting);
        self.state = taken.as_ref().map_or(State::Done, |(no, _)| State::Sent(*no));
        // More may wait than one write takes.
        self.group.look(waiting);
        taken.map(|(_, items)| items)
    }
}

/// If the runtime ends in the middle, or a write panics, the items that wait for this flush are dropped.
impl<W: GroupWriter> Drop for Flush<W> {
    fn drop(&mut self) {
        let mut waiting = self.group.lock();
        match self.state {
            State::Sent(no) => waiting.end(no),
            State::Looking => waiting.looking -= 1,
            State::Done => return,
        }
        if waiting.in_flight.is_empty() && waiting.looking == 0 {
            let dropped = take(&mut waiting.items);
            drop(waiting);
            drop(dropped);
        }
    }
}
