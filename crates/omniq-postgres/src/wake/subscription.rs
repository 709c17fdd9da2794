//! A worker's wait for tasks: it ends with a notification, or when the next scheduled task is due.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::{Result, Subscription, WorkerId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Wake;
use super::listener::{ListenerHandle, Wakeups};
use crate::db::Db;
use crate::handoff::{Command, Inbox};
use crate::sql::Columns;

/// The longest wait where there are no notifications.
const POLL: Duration = Duration::from_millis(500);
/// The shortest and the longest wait between two looks for a task that is due and locked.
const LOCKED: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// The shortest and the longest wait between two checks whether a transaction that does not notify has ended.
const WRITERS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

struct PostgresSubscription {
    db: Arc<Db>,
    queues: Vec<String>,
    listener: ListenerHandle,
    /// The worker's inbox, if tasks may be handed off to it.
    inbox: Option<Arc<Inbox>>,
    wakeups: watch::Receiver<Wakeups>,
    /// The number of the listening connection that this subscription was made on.
    connections: u64,
    /// Transactions that wrote tasks when it was made, and are not known to have ended. They may not notify, as they may have looked
    /// for listeners before.
    writers: Vec<String>,
    /// When the next scheduled task is due, if that was asked since the last wait.
    due: Option<Option<Instant>>,
    overdue: Overdue,
}

impl Wake {
    /// Once this has returned, tasks that become ready in these queues wake the subscription.
    pub(crate) async fn subscribe(
        &self,
        worker: WorkerId,
        queues: &[String],
    ) -> Result<Box<dyn Subscription>> {
        let db = &self.db;
        db.check_open()?;
        if !db.sessions.keeps() {
            // A pooler gives no session that could listen.
            let (db, queues) = (Arc::clone(db), queues.to_vec());
            return Ok(Box::new(Polling { db, queues, overdue: Overdue::default() }));
        }
        let (wakeups, listener) = {
            let mut listener = self.listener.lock().await;
            let listener = self.running(&mut listener);
            (listener.wakeups(), listener.handle())
        };
        let inbox = self.inboxes.of(worker);
        if let Some(inbox) = inbox.as_ref().filter(|inbox| !inbox.is_registered()) {
            db.query(
                &db.sql.register_inbox,
                &[("worker", &worker.0), ("funcs", &inbox.funcs), ("channel", &inbox.channel)],
            )
            .await?;
            inbox.registered();
        }
        // Made before the command is sent: if the caller is dropped after that, the drop of the subscription revokes the command.
        let connections = wakeups.borrow().connections;
        let mut subscription = PostgresSubscription {
            db: Arc::clone(db),
            queues: queues.to_vec(),
            listener,
            inbox,
            connections,
            wakeups,
            writers: Vec::new(),
            due: None,
            overdue: Overdue::default(),
        };
        if let Some(inbox) = &subscription.inbox {
            subscription.listener.handoff(Command::Open(Arc::clone(inbox)));
        }
        subscription.writers = subscription.listener.subscribe(queues).await;
        Ok(Box::new(subscription))
    }
}

/// Without notifications: the wait ends when a scheduled task is due, or after a short while.
struct Polling {
    db: Arc<Db>,
    queues: Vec<String>,
    overdue: Overdue,
}

/// A scheduled task that is due, and that no claim gets, because an open transaction has locked it. It is looked for at growing intervals.
#[derive(Debug, Default)]
struct Overdue(Duration);

impl Overdue {
    fn is_none(&self) -> bool {
        self.0.is_zero()
    }

    /// Until when to wait, at most until `end`, if a task is due at this time.
    async fn end(&mut self, db: &Db, queues: &[String], due: Option<Instant>, end: Instant) -> Instant {
        let now = Instant::now();
        if due.is_none_or(|due| due > now) {
            self.0 = Duration::ZERO;
            return due.map_or(end, |due| due.min(end));
        }
        self.0 = (self.0 * 2).clamp(LOCKED.0, LOCKED.1);
        let next = next_due_or_none(db, queues, true).await;
        next.map_or(end, |next| next.min(end)).min(now + self.0)
    }
}

#[async_trait]
impl Subscription for Polling {
    async fn wait(&mut self, timeout: Duration) {
        let end = Instant::now() + timeout.min(POLL);
        let due = next_due_or_none(&self.db, &self.queues, false).await;
        let end = self.overdue.end(&self.db, &self.queues, due, end).await;
        tokio::time::sleep_until(end).await;
    }

    async fn next_due(&mut self) -> Result<Option<Duration>> {
        next_due(&self.db, &self.queues, false).await
    }
}

/// How long until the next scheduled task is due; `future`: of those that are not due yet.
async fn next_due(db: &Db, queues: &[String], future: bool) -> Result<Option<Duration>> {
    let answer = db.one(&db.sql.next_due, &[("queues", &queues), ("future", &future)]).await?;
    let seconds = Columns::new(&answer).take::<Option<f64>>()?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
}

/// When it is due; `None` also without an answer, when the wait just lasts until the next poll.
async fn next_due_or_none(db: &Db, queues: &[String], future: bool) -> Option<Instant> {
    let left = next_due(db, queues, future).await.ok()??;
    // A day is longer than any wait, and safe to add.
    Some(Instant::now() + left.min(Duration::from_secs(86_400)))
}

#[async_trait]
impl Subscription for PostgresSubscription {
    async fn wait(&mut self, timeout: Duration) {
        let end = Instant::now() + timeout;
        let due = match self.due.take() {
            Some(due) => due,
            None => next_due_or_none(&self.db, &self.queues, false).await,
        };
        let end = self.overdue.end(&self.db, &self.queues, due, end).await;
        let mut pause = WRITERS.0;
        // A task that is locked is looked for soon anyway.
        while self.overdue.is_none() && !self.writers.is_empty() && Instant::now() + pause < end {
            // A notification, or the end of a transaction, may have brought an earlier scheduled task.
            if self.wakes_before(Instant::now() + pause).await || self.a_writer_has_ended().await {
                return;
            }
            pause = (pause * 2).min(WRITERS.1);
        }
        if !self.wakes_before(end).await {
            // A task that was due is past.
            self.due = Some(due).filter(|due| due.is_none_or(|due| due > Instant::now()));
        }
    }

    async fn next_due(&mut self) -> Result<Option<Duration>> {
        next_due(&self.db, &self.queues, false).await
    }
}

impl PostgresSubscription {
    async fn wakes_before(&mut self, end: Instant) -> bool {
        match tokio::time::timeout_at(end, self.wakeups.changed()).await {
            Ok(Ok(())) => {}
            // The listener has ended with the runtime that it was started in.
            Ok(Err(_)) => {
                let next = Instant::now() + POLL;
                tokio::time::sleep_until(next.min(end)).await;
                return next < end;
            }
            Err(_) => return false,
        }
        let wakeups = self.wakeups.borrow_and_update();
        if self.connections != wakeups.connections {
            self.connections = wakeups.connections;
            self.writers.clone_from(&wakeups.writers);
        }
        true
    }

    /// Whether one of the transactions that may not notify has ended: what it added can be seen now.
    async fn a_writer_has_ended(&mut self) -> bool {
        let answer = self
            .db
            .one(&self.db.sql.writers, &[("ends", &false), ("transactions", &Some(&self.writers))])
            .await;
        // Without an answer the wait ends with the next poll.
        let left = answer.and_then(|row| Columns::new(&row).take()).unwrap_or_default();
        std::mem::replace(&mut self.writers, left).len() > self.writers.len()
    }
}

impl Drop for PostgresSubscription {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            self.listener.handoff(Command::Close(inbox));
        }
        self.listener.unsubscribe(&self.queues);
    }
}
