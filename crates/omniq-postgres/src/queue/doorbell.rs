//! Sleep until a task may be there: listed as a sleeper, so that enqueues ring, and awake when the next scheduled task is due.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::{Doorbell, Result, WorkerId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::AsyncPostgresQueue;
use crate::db::Db;
use crate::hands::Hand;
use crate::listener::{Bed, Listener, Rings};
use crate::rows::Columns;

struct PostgresDoorbell {
    db: Arc<Db>,
    queues: Vec<String>,
    bed: Bed,
    /// The worker's ear, if it takes what is handed over.
    hand: Option<Arc<Hand>>,
    rings: watch::Receiver<Rings>,
    /// The listener's connections that this bell knows of.
    connections: u64,
    /// Transactions that wrote tasks when this bell was hung, and are not known to have ended: they ring no bell that was not there.
    unaware: Vec<String>,
    /// When the next scheduled task is due, if that was asked since the last sleep.
    due: Option<Option<Instant>>,
}

pub(super) async fn hang(
    queue: &AsyncPostgresQueue,
    worker: WorkerId,
    queues: &[String],
) -> Result<Box<dyn Doorbell>> {
    let db = queue.db();
    db.check_open()?;
    if !db.sessions.keeps() {
        // Behind a pooler nothing can be listened to.
        return Ok(Box::new(Polling { db: Arc::clone(db), queues: queues.to_vec() }));
    }
    let (rings, bed) = {
        let mut listener = queue.inner.listener.lock().await;
        let listener = listener.get_or_insert_with(|| Listener::start(db, queue.inner.hands.clone()));
        (listener.rings(), listener.bed())
    };
    let hand = queue.inner.hands.of(worker);
    if let Some(hand) = hand.as_ref().filter(|hand| !hand.is_announced()) {
        db.query(&db.sql.announce, &[&worker.0, &hand.funcs, &hand.ear]).await?;
        hand.announced();
    }
    // Made before it sleeps: given up on the way, it wakes again.
    let connections = rings.borrow().connections;
    let mut bell = PostgresDoorbell {
        db: Arc::clone(db),
        queues: queues.to_vec(),
        bed,
        hand,
        connections,
        rings,
        unaware: Vec::new(),
        due: None,
    };
    bell.unaware = bell.bed.sleep(queues, bell.hand.clone()).await;
    Ok(Box::new(bell))
}

/// How long a sleep without a bell takes at most.
const POLL: Duration = Duration::from_millis(500);

/// The shortest and the longest wait between two questions whether a transaction that rings no bell has ended.
const GLANCE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// No bell: the sleep ends when a scheduled task is due, or after a short while.
struct Polling {
    db: Arc<Db>,
    queues: Vec<String>,
}

#[async_trait]
impl Doorbell for Polling {
    async fn wait(&mut self, timeout: Duration) {
        let end = Instant::now() + timeout.min(POLL);
        let due = next_due(&self.db, &self.queues).await;
        tokio::time::sleep_until(due.map_or(end, |due| due.min(end))).await;
    }
}

/// When the next scheduled task is due.
async fn next_due(db: &Db, queues: &[String]) -> Option<Instant> {
    let answer = db.one(&db.sql.next_due, &[&queues]).await;
    // Without an answer the sleep just lasts until the next poll.
    let seconds = Columns::new(&answer.ok()?).take::<Option<f64>>().ok()??;
    // A day is longer than any sleep, and safe to add.
    Some(Instant::now() + Duration::try_from_secs_f64(seconds.clamp(0.0, 86_400.0)).ok()?)
}

#[async_trait]
impl Doorbell for PostgresDoorbell {
    async fn wait(&mut self, timeout: Duration) {
        let end = Instant::now() + timeout;
        let due = match self.due.take() {
            Some(due) => due,
            None => next_due(&self.db, &self.queues).await,
        };
        let end = due.map_or(end, |due| due.min(end));
        let mut glance = GLANCE.0;
        while !self.unaware.is_empty() && Instant::now() + glance < end {
            // A ring, or the end of a transaction, may have brought an earlier scheduled task.
            if self.rings_before(Instant::now() + glance).await || self.one_has_ended().await {
                return;
            }
            glance = (glance * 2).min(GLANCE.1);
        }
        if !self.rings_before(end).await {
            // A due one is past.
            self.due = Some(due).filter(|due| due.is_none_or(|due| due > Instant::now()));
        }
    }
}

impl PostgresDoorbell {
    async fn rings_before(&mut self, end: Instant) -> bool {
        if tokio::time::timeout_at(end, self.rings.changed()).await.is_err() {
            return false;
        }
        let rings = self.rings.borrow_and_update();
        if self.connections != rings.connections {
            self.connections = rings.connections;
            self.unaware.clone_from(&rings.unaware);
        }
        true
    }

    /// Whether one of the transactions that ring no bell has ended: what it added can be seen now.
    async fn one_has_ended(&mut self) -> bool {
        let answer = self.db.one(&self.db.sql.writers, &[&Some(&self.unaware)]).await;
        // Without an answer the sleep ends with the next poll.
        let left = answer.and_then(|row| Columns::new(&row).take()).unwrap_or_default();
        std::mem::replace(&mut self.unaware, left).len() > self.unaware.len()
    }
}

impl Drop for PostgresDoorbell {
    fn drop(&mut self) {
        self.bed.wake(&self.queues, self.hand.take());
    }
}
