//! Lone tasks that enqueues hand straight to a worker that sleeps: from the notification to the worker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_core::{
    Claim, Codec, Error, Handover, NewTask, Payload, Result, Task, TaskId, TaskState, WorkerId,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::held::Ground;
use super::{AsyncPostgresQueue, claim};
use crate::hands::{Hand, Heard};
use crate::rows::Options;

/// How long a worker that leaves waits until it has heard all that was handed to it; else it searches.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Adds an ear for a worker; it is used from the worker's first sleep on.
pub(super) fn begin(queue: &AsyncPostgresQueue, worker: WorkerId, funcs: &[String]) -> PostgresHandover {
    let hand = queue.inner.hands.add(worker, funcs.to_vec());
    PostgresHandover { queue: queue.clone(), hand }
}

/// Ends it: waits until all is heard that was handed over. If it cannot be, the worker has to search.
pub(super) async fn end(queue: &AsyncPostgresQueue, worker: WorkerId) {
    let Some(hand) = queue.inner.hands.of(worker).filter(|hand| hand.is_announced()) else { return };
    let bed = queue.inner.listener.lock().await.as_ref().map(|listener| listener.bed());
    let heard = async {
        bed?.end_handover(&hand);
        while !hand.has_ended() {
            hand.came.notified().await;
        }
        Some(())
    };
    if tokio::time::timeout(LAST_WORDS, heard).await.ok().flatten().is_none() {
        queue.inner.held.lose_track(worker);
    }
    let ground = queue.inner.held.stay().await;
    while let Some(heard) = hand.take() {
        match heard {
            // Known from now on, so that it is handed back with the rest.
            Heard::Task(text) => drop(accept(&ground, worker, &text)),
            Heard::Deaf => queue.inner.held.lose_track(worker),
        }
    }
    queue.inner.hands.take(worker);
}

pub(super) struct PostgresHandover {
    queue: AsyncPostgresQueue,
    hand: Arc<Hand>,
}

#[async_trait]
impl Handover for PostgresHandover {
    async fn next(&mut self) -> Vec<Task> {
        let (queue, worker) = (&self.queue, self.hand.worker);
        loop {
            let arrival = self.hand.came.notified();
            // Nothing is taken before this wait is over: it may be dropped.
            let ground = queue.inner.held.stay().await;
            match self.hand.take() {
                Some(Heard::Task(text)) => {
                    if let Some(task) = accept(&ground, worker, &text) {
                        return vec![task];
                    }
                }
                Some(Heard::Deaf) => {
                    queue.inner.held.lose_track(worker);
                    // By itself, as this wait may be dropped.
                    let queue = queue.clone();
                    tokio::spawn(async move { claim::find_unheard(&queue, worker).await });
                }
                None => {
                    drop(ground);
                    arrival.await;
                }
            }
        }
    }
}

impl Drop for PostgresHandover {
    fn drop(&mut self) {
        self.queue.inner.hands.take(self.hand.worker);
        // If the listener is just being made or ended, it has not heard of this ear, or will not for long.
        if let Ok(listener) = self.queue.inner.listener.try_lock()
            && let Some(listener) = listener.as_ref()
        {
            listener.bed().forget(&self.hand);
        }
    }
}

/// The task, if it is this worker's and was not known before.
fn accept(ground: &Ground<'_>, worker: WorkerId, text: &str) -> Option<Task> {
    match read(worker, text) {
        Ok((epoch, task)) => ground.hear(worker, epoch, &task).then_some(task),
        Err(error) => {
            // What the schema's own function wrote: a search finds it, and hands it back for a claim, which tells more.
            tracing::error!(%worker, %error, "a task that was handed over cannot be read");
            ground.lose_track(worker);
            None
        }
    }
}

/// As `hand_over` writes it.
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
    /// Microseconds of the epoch.
    at: i64,
    expires_at: Option<i64>,
    options: Option<Options>,
    metadata: Option<Map<String, Value>>,
}

fn read(worker: WorkerId, text: &str) -> Result<(i32, Task)> {
    let odd = |what: String| Error::internal(format!("a task that was handed over cannot be read: {what}"));
    let handed: Handed = serde_json::from_str(text).map_err(|error| odd(error.to_string()))?;
    let time = |micros| Timestamp::from_microsecond(micros).map_err(|error| odd(error.to_string()));
    let payload =
        unhex(&handed.payload).ok_or_else(|| odd("its arguments are no hexadecimal digits".to_owned()))?;
    let payload = Payload::new(handed.codec.parse::<Codec>()?, payload);
    let at = time(handed.at)?;
    let options = handed.options.unwrap_or_default();

    let mut new = NewTask::with_payload(handed.func, payload).queue(handed.queue).priority(handed.priority);
    new.max_retries = handed.max_retries;
    new.backoff = options.backoff;
    new.timeout = options.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    new.metadata = handed.metadata.unwrap_or_default();
    let mut task = Task::from_new(new, TaskId::from(handed.id), handed.seq, at);
    task.expires_at = handed.expires_at.map(time).transpose()?;
    task.state = TaskState::Running;
    task.attempt = 1;
    task.claimed_at = Some(at);
    task.claim = Some(Claim { worker, number: 1 });
    Ok((handed.epoch, task))
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
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
