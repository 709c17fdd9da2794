//! Writes what runs hand over, as much at a time as is there.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::notes::{Batch, Note, Notes, OpenEnds};
use super::outage::Outage;
use crate::backend::Backend;
use crate::lease::LeaseState;
use crate::model::*;
use crate::{Error, Result};

/// The most that one call writes.
const BATCH: usize = 1_000;
/// How many batches are written at a time, and how large a second one must be.
const CLERKS: usize = 2;
const WORTH_A_CLERK: usize = 500;
/// How often a batch is tried that fails although the storage is there: over about seven seconds.
const TRIES: u32 = 8;

/// A settler at work; it ends when it is closed, or, if this is dropped, when all runs have let go of it.
#[derive(Debug)]
pub(super) struct Settler {
    pub(super) notes: Notes,
    task: Option<JoinHandle<()>>,
}

impl Settler {
    pub(super) fn start(backend: Backend, lease: watch::Receiver<LeaseState>, wake: Arc<Notify>) -> Self {
        let (notes, from, open) = Notes::new(backend.events().is_some());
        // Events of one task must not overtake each other.
        let clerks = if backend.events().is_some() { 1 } else { CLERKS };
        let clerk = || Clerk {
            backend: backend.clone(),
            lease: lease.clone(),
            outage: Outage::new("settling tasks"),
            completed_inside: HashSet::new(),
        };
        let free = (0..clerks).map(|_| clerk()).collect();
        let desk = Desk { from, open, wake, free, busy: JoinSet::new() };
        Self { notes, task: Some(tokio::spawn(desk.work())) }
    }

    /// Waits until all is written, or the lease is lost.
    pub(super) async fn close(&mut self) {
        self.notes.close().await;
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the settler broke; tasks that were not settled run again");
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.notes.try_close();
    }
}

/// Gathers notes and hands them to clerks. What comes while one clerk is at work waits for him, which makes large batches of many
/// small ends; only where that is a batch by itself, another clerk takes it.
struct Desk {
    from: mpsc::Receiver<Note>,
    open: OpenEnds,
    wake: Arc<Notify>,
    free: Vec<Clerk>,
    /// Each gives himself back, with the number of ends that he has dealt with.
    busy: JoinSet<(Clerk, usize)>,
}

impl Desk {
    async fn work(mut self) {
        let mut notes = Vec::with_capacity(BATCH);
        let mut open = true;
        while open || !notes.is_empty() || !self.busy.is_empty() {
            let room = BATCH - notes.len();
            tokio::select! {
                biased;
                Some(done) = self.busy.join_next() => self.done(done),
                count = self.from.recv_many(&mut notes, room), if open && room > 0 => open = count > 0,
            }
            if self.busy.is_empty() || notes.len() >= WORTH_A_CLERK {
                self.start(&mut notes);
            }
        }
    }

    fn start(&mut self, notes: &mut Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        let Some(mut clerk) = self.free.pop() else { return };
        let batch = Batch::new(notes.drain(..));
        if batch.closed {
            self.from.close();
        }
        self.busy.spawn(async move {
            let count = batch.ended.len();
            clerk.backend.log_events(batch.events).await;
            clerk.completed_inside = batch.completed_inside;
            clerk.settle(batch.ended).await;
            (clerk, count)
        });
    }

    fn done(&mut self, done: std::result::Result<(Clerk, usize), JoinError>) {
        match done {
            Ok((clerk, count)) => {
                self.free.push(clerk);
                self.open.written(count);
                self.wake.notify_one();
            }
            // The desk breaks as it would without clerks; a runtime that goes down breaks nothing.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

/// Writes one batch at a time.
struct Clerk {
    backend: Backend,
    lease: watch::Receiver<LeaseState>,
    outage: Outage,
    /// Which of the batch a transaction of the user's own may have completed.
    completed_inside: HashSet<TaskId>,
}

impl Clerk {
    async fn settle(&mut self, batch: Vec<Settlement>) {
        let Err(refused) = self.try_to_settle(&batch, TRIES).await else { return };
        if batch.len() > 1 {
            // One that cannot be written must not hold up the others.
            for settlement in batch {
                let one = [settlement];
                if let Err(refused) = self.try_to_settle(&one, 1).await {
                    let [settlement] = one;
                    self.settle_refused(settlement, refused).await;
                }
            }
        } else if let Some(settlement) = batch.into_iter().next() {
            self.settle_refused(settlement, refused).await;
        }
    }

    /// What came of the run cannot be written, such as a value that is too large. The run was, and another one would
    /// end the same way: so it has failed for good.
    async fn settle_refused(&mut self, mut settlement: Settlement, refused: Error) {
        let task = settlement.task_id;
        tracing::error!(%task, error = %refused, "the end of a run was refused; it is booked as failed");
        let error = TaskError::new("not_recorded", refused.to_string());
        if let Some(result) = &mut settlement.result {
            (result.status, result.value, result.error) = (ResultStatus::Failed, None, Some(error.clone()));
        }
        settlement.events.clear();
        settlement.outcome = Outcome::Fail { error };
        if let Err(error) = self.try_to_settle(&[settlement], 1).await {
            tracing::error!(%task, %error, "a task could not be settled; it comes back after this worker's end");
        }
    }

    /// Tries until it is done or the lease is lost. An outage is waited out; for another error, which may pass or not, there
    /// are so many tries.
    async fn try_to_settle(&mut self, batch: &[Settlement], mut tries: u32) -> Result<()> {
        let mut tried_before = false;
        while !batch.is_empty() {
            if self.lease_is_lost() {
                tracing::warn!(
                    count = batch.len(),
                    "runs were not settled: the lease is lost, they run again"
                );
                return Ok(());
            }
            let error = match self.backend.settle_all_of(batch, SettleMode::Each).await {
                Ok(answers) => {
                    self.outage.over();
                    tell_lost(batch, &answers, tried_before, &self.completed_inside);
                    return Ok(());
                }
                Err(error) => error,
            };
            if !error.is_transient() {
                tries -= 1;
                if tries == 0 || error.is_invalid() || error.is_codec() || error.is_closed() {
                    return Err(error);
                }
            }
            tried_before = true;
            let pause = self.outage.failed(&error);
            // A worker that was dropped renews nothing any more: what it held comes back by itself.
            if self.lease.has_changed().is_err() {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.lease.wait_for(|state| *state == LeaseState::Lost) => {}
            }
        }
        Ok(())
    }

    fn lease_is_lost(&self) -> bool {
        *self.lease.borrow() == LeaseState::Lost
    }
}

/// After a broken connection it is not known whether the first try was carried out: then "lost" is likely our own doing.
fn tell_lost(
    batch: &[Settlement],
    answers: &[Settled],
    tried_before: bool,
    completed_inside: &HashSet<TaskId>,
) {
    for (settlement, answer) in batch.iter().zip(answers) {
        let task = settlement.task_id;
        if completed_inside.contains(&task) {
            if *answer == Settled::Done {
                tracing::warn!(%task, "a run had completed its task in a transaction that was not committed");
            } else {
                tracing::debug!(%task, "completed in a transaction of its own, or the claim was lost");
            }
        } else if *answer == Settled::Lost {
            if tried_before {
                tracing::debug!(%task, "not settled at a second try: done by the first one, or the claim was lost");
            } else {
                tracing::warn!(%task, "not settled: the claim was lost, nothing was changed");
            }
        }
    }
}
