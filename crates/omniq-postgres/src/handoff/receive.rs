//! The worker's side of the hand-off: from the notification to the task.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_core::{Claim, Codec, Error, Handoff, NewTask, Payload, Result, Task, TaskId, TaskState, WorkerId};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::inbox::{Delivery, Inbox};
use super::offers::Command;
use crate::queue::claim_tracker::{ClaimTracker, SharedGuard};
use crate::queue::claims::Claims;
use crate::segments::options::Options;
use crate::sql::unhex;
use crate::wake::Wake;

/// How long a worker that leaves waits for what was handed off to it. After that it searches for orphaned claims.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);

/// Adds an inbox for a worker. It is open while the worker has a subscription.
pub(crate) fn begin(
    wake: &Arc<Wake>,
    claims: &Arc<Claims>,
    worker: WorkerId,
    funcs: &[String],
) -> PostgresHandoff {
    let inbox = wake.inboxes.add(worker, funcs.to_vec());
    PostgresHandoff { wake: Arc::clone(wake), claims: Arc::clone(claims), inbox }
}

/// Closes a worker's inbox, and waits until everything that was handed off has arrived. If that fails, the worker has to search for
/// orphaned claims.
pub(crate) async fn end(wake: &Wake, tracker: &ClaimTracker, worker: WorkerId) {
    let Some(inbox) = wake.inboxes.of(worker).filter(|inbox| inbox.is_registered()) else { return };
    let listener = wake.handle().await;
    let ended = async {
        listener?.handoff(Command::End(Arc::clone(&inbox)));
        while !inbox.has_ended() {
            inbox.arrived.notified().await;
        }
        Some(())
    };
    if tokio::time::timeout(LAST_DELIVERIES, ended).await.ok().flatten().is_none() {
        tracker.lose_track(worker);
    }
    let shared = tracker.shared().await;
    while let Some(delivery) = inbox.take() {
        match delivery {
            // It is known from now on, so that it is released with the rest.
            Delivery::Task(text) => drop(accept(&shared, worker, &text)),
            Delivery::Disconnected => tracker.lose_track(worker),
        }
    }
    wake.inboxes.remove(worker);
}

pub(crate) struct PostgresHandoff {
    wake: Arc<Wake>,
    claims: Arc<Claims>,
    inbox: Arc<Inbox>,
}

#[async_trait]
impl Handoff for PostgresHandoff {
    async fn next(&mut self) -> Vec<Task> {
        let (tracker, worker) = (&self.claims.tracker, self.inbox.worker);
        loop {
            let arrival = self.inbox.arrived.notified();
            // Nothing is taken before this wait is over, because the future may be dropped in it.
            let shared = tracker.shared().await;
            match self.inbox.take() {
                Some(Delivery::Task(text)) => {
                    if let Some(task) = accept(&shared, worker, &text) {
                        return vec![task];
                    }
                }
                Some(Delivery::Disconnected) => {
                    tracker.lose_track(worker);
                    // In a Tokio task, because this future may be dropped.
                    let claims = Arc::clone(&self.claims);
                    tokio::spawn(async move { claims.find_orphaned(worker).await });
                }
                None => {
                    drop(shared);
                    arrival.await;
                }
            }
        }
    }
}

impl Drop for PostgresHandoff {
    fn drop(&mut self) {
        self.wake.inboxes.remove(self.inbox.worker);
        // A listener that is just being started or stopped does not know of this inbox, or will not for long.
        if let Some(listener) = self.wake.try_handle() {
            listener.handoff(Command::Forget(Arc::clone(&self.inbox)));
        }
    }
}

/// The task, if it belongs to this worker and was not known before.
fn accept(shared: &SharedGuard<'_>, worker: WorkerId, text: &str) -> Option<Task> {
    match read(worker, text) {
        Ok((epoch, task)) => shared.add_handed_off(worker, epoch, &task).then_some(task),
        Err(error) => {
            // The search for orphaned claims finds it and releases it; the claim that follows says more.
            tracing::error!(%worker, %error, "a task that was handed off cannot be read");
            shared.lose_track(worker);
            None
        }
    }
}

/// A task in the form in which the function `hand_off` writes it.
#[derive(Deserialize)]
struct Handed {
    epoch: i32,
    id: Uuid,
    seq: i64,
    queue: String,
    func: String,
    codec: String,
    /// Two hexadecimal digits for each byte.
    payload: String,
    priority: i16,
    max_retries: u32,
    /// Microseconds since 1970.
    at: i64,
    expires_at: Option<i64>,
    options: Option<Options>,
    metadata: Option<Map<String, Value>>,
}

fn read(worker: WorkerId, text: &str) -> Result<(i32, Task)> {
    let odd = |what: String| Error::internal(format!("a task that was handed off cannot be read: {what}"));
    let handed: Handed = serde_json::from_str(text).map_err(|error| odd(error.to_string()))?;
    let time = |micros| Timestamp::from_microsecond(micros).map_err(|error| odd(error.to_string()));
    let payload =
        unhex(&handed.payload).ok_or_else(|| odd("its arguments are no hexadecimal digits".to_owned()))?;
    let payload = Payload::new(handed.codec.parse::<Codec>()?, payload);
    let at = time(handed.at)?;
    let options = handed.options.unwrap_or_default();

    let mut new = NewTask::with_payload(handed.func, payload).queue(handed.queue).priority(handed.priority);
    new.max_retries = handed.max_retries;
    options.give(&mut new);
    new.metadata = handed.metadata.unwrap_or_default();
    let mut task = Task::from_new(new, TaskId::from(handed.id), handed.seq, at);
    task.expires_at = handed.expires_at.map(time).transpose()?;
    task.state = TaskState::Running;
    task.attempt = 1;
    task.claimed_at = Some(at);
    task.claim = Some(Claim { worker, number: 1 });
    Ok((handed.epoch, task))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arguments_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(unhex(&digits), Some(bytes));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".*") {
            prop_assert!(read(WorkerId(1), &text).is_err());
            let _ = unhex(&text);
        }
    }
}
