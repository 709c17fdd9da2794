//! The completer: settles the ends of runs. It owns the outbox and its writer, and closes them.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::due_times::DueTimes;
use super::entries::Waiting;
use super::outbox::Outbox;
use super::writer::{Target, Writer};
use crate::backend::Backend;
use crate::group_commit::{GroupCommit, Rule};
use crate::lease::LeaseState;
use crate::model::CALL_BYTES;

/// How often a completer that is being closed ends the waits for the event store.
const HURRY: Duration = Duration::from_millis(500);

/// When ends are written. A second write begins for 500 ends; with events there is none, because events of one task must
/// not overtake each other.
fn rule(events_on: bool) -> Rule {
    Rule {
        most: 1_000,
        most_bytes: CALL_BYTES,
        second_at: if events_on { None } else { Some(500) },
        beside_single: false,
        turns: 0,
        patience: None,
    }
}

/// Completions accumulate while a write is in flight, which makes large batches of many small ends.
#[derive(Debug)]
pub(super) struct Completer {
    pub(super) outbox: Outbox,
    pub(super) due_times: DueTimes,
    backend: Backend,
    entries: Arc<GroupCommit<Writer>>,
}

impl Completer {
    /// Must be called within a Tokio runtime, in which it writes. `wake` is notified after each write.
    pub(super) fn new(backend: Backend, lease: watch::Receiver<LeaseState>, wake: Arc<Notify>) -> Self {
        let (outbox, due_times, entries) = parts(Handle::current(), backend.clone(), lease, wake);
        Self { outbox, due_times, backend, entries }
    }

    /// Waits until a write has panicked. Nothing is written after that, so the lease must not be renewed.
    pub(super) async fn failed(&self) {
        self.entries.writer().failed().await;
    }

    /// Waits until all is written, or the lease is lost. `false`: some ends could not be written in time; their tasks
    /// return when the lease ends.
    pub(super) async fn close(&mut self, patience: Duration) -> bool {
        // A full disk can last for longer than the lease, after which the tasks would run again. Then they are settled
        // without their events.
        let hurry = async {
            tokio::time::sleep(patience * 2 / 3).await;
            loop {
                self.backend.wait_for_events_no_longer();
                tokio::time::sleep(HURRY).await;
            }
        };
        let written = async {
            self.outbox.close().await;
            self.outbox.written().await;
        };
        let closed = tokio::time::timeout(patience, async {
            tokio::select! {
                () = written => true,
                () = self.failed() => false,
                never = hurry => never,
            }
        });
        if let Ok(written) = closed.await {
            return written && self.entries.writer().left() == 0;
        }
        tracing::warn!(
            "runs were not settled within {patience:?} of the stop; they run again once the lease is over"
        );
        self.entries.writer().abandon();
        false
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        self.outbox.close_now();
    }
}

fn parts(
    runtime: Handle,
    backend: Backend,
    lease: watch::Receiver<LeaseState>,
    wake: Arc<Notify>,
) -> (Outbox, DueTimes, Arc<GroupCommit<Writer>>) {
    let (due_times, waiting) = (DueTimes::default(), Waiting::new());
    let events_on = backend.events().is_some();
    let target = Target::new(backend, lease, due_times.clone());
    let writer = Writer::new(target, Arc::clone(&waiting), wake);
    let entries = GroupCommit::on(runtime, writer, rule(events_on));
    (Outbox::new(Arc::clone(&entries), waiting, events_on), due_times, entries)
}

/// The outbox of a run that has no worker: its events are written as soon as they are added, and it is never closed.
#[cfg(feature = "testing")]
pub(crate) fn without_worker(backend: Backend, runtime: Handle) -> Outbox {
    static HELD: std::sync::LazyLock<watch::Sender<LeaseState>> =
        std::sync::LazyLock::new(|| watch::Sender::new(LeaseState::Held));
    parts(runtime, backend, HELD.subscribe(), Arc::default()).0
}
