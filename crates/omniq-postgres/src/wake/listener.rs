//! The listening connection of a queue, separate from the pool. It is opened again whenever it breaks.
//!
//! Enqueues notify only if a listener holds a lock for the queue, so the loop takes such a lock for each queue that has a
//! subscription.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omniq_core::Result;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};
use uuid::Uuid;

use super::end_locks::EndLocks;
use super::ends::Hub;
use crate::db::Db;
use crate::db::sessions::Sessions;
use crate::error::from_driver;
use crate::handoff::{self, Inboxes, Offers};
use crate::sql::Columns;
use omniq_core::sync::locked;

/// The shortest and the longest wait between two attempts to connect.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long a subscriber waits until its subscription is known to the server. It also polls.
const KNOWN: Duration = Duration::from_secs(2);
/// A subscription to more queues than this takes one lock for all queues: the server has room for few locks.
const MOST_LOCKS: usize = 32;

enum Command {
    /// `done` answers with the transactions that were writing tasks at that moment.
    Subscribe {
        queues: Vec<String>,
        done: oneshot::Sender<Vec<String>>,
    },
    Unsubscribe {
        queues: Vec<String>,
    },
    Handoff(handoff::Command),
    /// Waits for ends of tasks with these base ids begin. `done` answers once these ring.
    BeginWaits {
        bases: Vec<Uuid>,
        done: Option<oneshot::Sender<()>>,
    },
    EndWaits {
        bases: Vec<Uuid>,
    },
}

/// What a subscription watches.
#[derive(Debug, Default)]
pub(super) struct Wakeups {
    count: u64,
    /// How often the connection was made.
    pub(super) connections: u64,
    /// The transactions that wrote tasks when it was made the last time: they may not notify, as they may have looked for listeners before.
    pub(super) writers: Vec<String>,
}

/// Counts the wakeups. Its loop ends when this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    wakeups: watch::Receiver<Wakeups>,
    handle: ListenerHandle,
    task: JoinHandle<()>,
}

/// Sends commands to the loop. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ListenerHandle {
    commands: mpsc::UnboundedSender<Command>,
    listening: Arc<AtomicBool>,
}

impl ListenerHandle {
    /// Returns once enqueues on these queues notify us, or at once while there is no connection: there is a wakeup as soon as it is back.
    /// The answer is the transactions that wrote tasks at that moment: they may have looked for listeners before.
    pub(super) async fn subscribe(&self, queues: &[String]) -> Vec<String> {
        let (done, known) = oneshot::channel();
        let sent = self.commands.send(Command::Subscribe { queues: locks(queues), done });
        if sent.is_ok() && self.is_listening() {
            return tokio::time::timeout(KNOWN, known).await.ok().and_then(Result::ok).unwrap_or_default();
        }
        Vec::new()
    }

    pub(super) fn unsubscribe(&self, queues: &[String]) {
        let _ = self.commands.send(Command::Unsubscribe { queues: locks(queues) });
    }

    /// Returns once the ends of tasks with these base ids ring, or at once while there is no connection: waits look as soon as it is back.
    pub(super) async fn begin_waits(&self, bases: Vec<Uuid>) {
        let (done, known) = oneshot::channel();
        let sent = self.commands.send(Command::BeginWaits { bases, done: Some(done) });
        if sent.is_ok() && self.is_listening() {
            let _ = tokio::time::timeout(KNOWN, known).await;
        }
    }

    /// The same if all ends ring already. False: nothing was done.
    pub(super) fn wait_if_all_ring(&self, hub: &Hub, bases: &[Uuid]) -> bool {
        // The lock is released only after the commands that were sent under this.
        let rings = locked(&hub.rings_all);
        *rings && self.commands.send(Command::BeginWaits { bases: bases.to_vec(), done: None }).is_ok()
    }

    pub(super) fn end_waits(&self, bases: Vec<Uuid>) {
        let _ = self.commands.send(Command::EndWaits { bases });
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }

    pub(crate) fn handoff(&self, command: handoff::Command) {
        let _ = self.commands.send(Command::Handoff(command));
    }
}

/// The locks for these queues. No queue has an empty name: that one stands for all.
fn locks(queues: &[String]) -> Vec<String> {
    if queues.len() > MOST_LOCKS { vec![String::new()] } else { queues.to_vec() }
}

impl Listener {
    pub(super) fn start(db: &Arc<Db>, inboxes: Inboxes, hub: Hub) -> Self {
        let (wake, wakeups) = watch::channel(Wakeups::default());
        let (commands, from) = mpsc::unbounded_channel();
        let handle = ListenerHandle { commands, listening: Arc::default() };
        let listen_loop = ListenLoop {
            sessions: Arc::clone(&db.sessions),
            listen: format!("listen \"{}\"", db.schema.channel()),
            subscribe: db.sql.subscribe.text.clone(),
            unsubscribe: db.sql.unsubscribe.text.clone(),
            writers: db.sql.writers.text.clone(),
            channel: db.schema.channel(),
            ends_channel: db.schema.ends_channel(),
            end_locks: EndLocks::new(db, hub.clone()),
            hub,
            offers: Offers::new(&db.sql, inboxes),
            wake,
            commands: from,
            listening: Arc::clone(&handle.listening),
            subscribed: HashMap::new(),
        };
        Self { wakeups, handle, task: tokio::spawn(listen_loop.run()) }
    }

    /// Wakeups from now on.
    pub(super) fn wakeups(&self) -> watch::Receiver<Wakeups> {
        let mut wakeups = self.wakeups.clone();
        wakeups.mark_unchanged();
        wakeups
    }

    /// Whether its loop has ended, as it does with the runtime that it was started in.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    pub(super) fn handle(&self) -> ListenerHandle {
        self.handle.clone()
    }

    /// Ends the connection: it is dropped with its task, which closes its socket.
    pub(super) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct ListenLoop {
    sessions: Arc<Sessions>,
    listen: String,
    subscribe: String,
    unsubscribe: String,
    writers: String,
    channel: String,
    ends_channel: String,
    end_locks: EndLocks,
    hub: Hub,
    offers: Offers,
    wake: watch::Sender<Wakeups>,
    commands: mpsc::UnboundedReceiver<Command>,
    listening: Arc<AtomicBool>,
    /// The number of subscriptions to each queue.
    subscribed: HashMap<String, usize>,
}

/// It ends when it is stopped, and with its runtime.
impl Drop for ListenLoop {
    fn drop(&mut self) {
        self.listening.store(false, Ordering::Release);
        self.hub.stop_watching();
        self.end_locks.disconnected();
    }
}

impl ListenLoop {
    async fn run(mut self) {
        let mut pause = RETRY.0;
        loop {
            if let Err(error) = self.connection().await {
                tracing::debug!(%error, "the listening connection broke; polling until it is back");
            }
            let listened = self.listening.swap(false, Ordering::AcqRel);
            self.offers.disconnected();
            self.end_locks.disconnected();
            // Subscribers look now: notifications may have been missed.
            self.wake.send_modify(|wakeups| wakeups.count += 1);
            // A server that let us listen is up. Only one that does not is given ever more time.
            pause = if listened { RETRY.0 } else { (pause * 2).min(RETRY.1) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Listens on one connection until it breaks.
    async fn connection(&mut self) -> Result<()> {
        let (client, mut connection) = self.sessions.connect().await?;
        let (wake, inboxes, channel) = (self.wake.clone(), self.offers.inboxes(), self.channel.clone());
        let (hub, ends_channel) = (self.hub.clone(), self.ends_channel.clone());
        let serving = self.serve(&client);
        tokio::pin!(serving);
        loop {
            tokio::select! {
                message = std::future::poll_fn(|context| connection.poll_message(context)) => match message {
                    Some(Ok(AsyncMessage::Notification(message))) if message.channel() == channel => {
                        wake.send_modify(|wakeups| wakeups.count += 1);
                    }
                    Some(Ok(AsyncMessage::Notification(message))) if message.channel() == ends_channel => {
                        hub.notified(message.payload());
                    }
                    Some(Ok(AsyncMessage::Notification(message))) => {
                        Offers::notified(&inboxes, message.channel(), message.payload());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(from_driver(error)),
                    None => return Ok(()),
                },
                served = &mut serving => return served,
            }
        }
    }

    /// Takes the locks of all present subscriptions, then carries out commands.
    async fn serve(&mut self, client: &Client) -> Result<()> {
        self.sessions.make_ready(client).await?;
        client.batch_execute(&self.listen).await.map_err(from_driver)?;
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Subscribe { queues, .. } => drop(self.count(&queues, true)),
                Command::Unsubscribe { queues } => drop(self.count(&queues, false)),
                Command::Handoff(command) => self.offers.note_unopened(&command),
                Command::BeginWaits { bases, .. } => self.end_locks.begin(&bases),
                Command::EndWaits { bases } => self.end_locks.end(&bases),
            }
        }
        self.offers.connected(client).await?;
        let queues: Vec<_> = self.subscribed.keys().cloned().collect();
        let writers = self.take_locks(client, &queues).await?;
        self.end_locks.connected(client).await?;
        self.listening.store(true, Ordering::Release);
        // Subscribers that looked before this moment may have missed a notification.
        self.wake.send_modify(|wakeups| {
            *wakeups = Wakeups { count: wakeups.count + 1, connections: wakeups.connections + 1, writers };
        });
        loop {
            let command = match self.end_locks.next_release() {
                None => self.commands.recv().await,
                Some(at) => match tokio::time::timeout_at(at, self.commands.recv()).await {
                    Ok(command) => command,
                    Err(_) => {
                        self.release_ends(client).await?;
                        continue;
                    }
                },
            };
            let Some(command) = command else { return Ok(()) };
            self.carry_out(client, command).await?;
        }
    }

    async fn release_ends(&mut self, client: &Client) -> Result<()> {
        if self.end_locks.release_idle(client).await? {
            while let Ok(command) = self.commands.try_recv() {
                self.carry_out(client, command).await?;
            }
            self.end_locks.release_all(client).await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, client: &Client, command: Command) -> Result<()> {
        match command {
            Command::Subscribe { queues, done } => {
                let new = self.count(&queues, true);
                let _ = done.send(self.take_locks(client, &new).await?);
            }
            Command::Unsubscribe { queues } => {
                let left = self.count(&queues, false);
                on_each(client, &self.unsubscribe, &left).await?;
            }
            Command::Handoff(command) => self.offers.carry_out(client, command).await?,
            Command::BeginWaits { bases, done } => {
                self.end_locks.begin(&bases);
                self.end_locks.take(client).await?;
                // Who did not wait for this has looked too early.
                if done.is_some_and(|done| done.send(()).is_err()) {
                    self.hub.look_at(&bases);
                }
            }
            Command::EndWaits { bases } => self.end_locks.end(&bases),
        }
        Ok(())
    }

    /// Takes locks. Returns the transactions that write right after: one that begins later sees the locks.
    async fn take_locks(&self, client: &Client, queues: &Vec<String>) -> Result<Vec<String>> {
        let taken = on_each(client, &self.subscribe, queues);
        let writers = client
            .query_typed(&self.writers, &[(&false, Type::BOOL), (&None::<Vec<String>>, Type::TEXT_ARRAY)]);
        let (taken, writers) = tokio::join!(taken, writers);
        taken?;
        Columns::new(&writers.map_err(from_driver)?[0]).take()
    }

    /// Counts subscriptions. Returns the queues that have their first one, or have lost their last one.
    fn count(&mut self, queues: &[String], subscribes: bool) -> Vec<String> {
        let mut changed = Vec::new();
        for queue in queues {
            let before = self.subscribed.get(queue).copied().unwrap_or(0);
            let now = if subscribes { before + 1 } else { before.saturating_sub(1) };
            if now == 0 {
                self.subscribed.remove(queue);
            } else {
                self.subscribed.insert(queue.clone(), now);
            }
            if (before == 0) != (now == 0) {
                changed.push(queue.clone());
            }
        }
        changed
    }
}

async fn on_each(client: &Client, statement: &str, queues: &Vec<String>) -> Result<()> {
    if queues.is_empty() {
        return Ok(());
    }
    client.query_typed(statement, &[(queues, Type::TEXT_ARRAY)]).await.map(drop).map_err(from_driver)
}
