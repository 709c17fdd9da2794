//! What was handed off to the workers of this process: delivered by the listener, taken by the workers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use omniq_core::WorkerId;
use omniq_core::sync::locked;
use tokio::sync::Notify;

/// What a worker's channel has brought.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A task, as the function `hand_off` writes it.
    Task(String),
    /// The listening connection broke: tasks may have been handed off meanwhile.
    Disconnected,
}

/// The inbox of one worker.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) worker: WorkerId,
    pub(crate) funcs: Vec<String>,
    /// The name of its channel.
    pub(crate) channel: String,
    state: Mutex<State>,
    pub(crate) arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    deliveries: VecDeque<Delivery>,
    /// Its functions and its channel are in the database.
    registered: bool,
    /// Everything that was handed off has arrived, and nothing more will.
    ended: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// The next delivery, if there is one.
    pub(crate) fn take(&self) -> Option<Delivery> {
        self.lock().deliveries.pop_front()
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.lock().registered
    }

    pub(crate) fn registered(&self) {
        self.lock().registered = true;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Takes the payload of a notification. An empty one marks the end.
    pub(crate) fn deliver(&self, payload: &str) {
        if payload.is_empty() {
            return self.end();
        }
        self.lock().deliveries.push_back(Delivery::Task(payload.to_owned()));
        self.arrived.notify_one();
    }

    /// Everything that was handed off has arrived, and nothing more will.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
    }

    fn disconnected(&self) {
        self.lock().deliveries.push_back(Delivery::Disconnected);
        self.arrived.notify_one();
    }
}

/// The inboxes of a queue's workers. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inboxes(Arc<Mutex<HashMap<WorkerId, Arc<Inbox>>>>);

impl Inboxes {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Arc<Inbox>>> {
        locked(&self.0)
    }

    /// An inbox for this worker. The name of its channel cannot be guessed.
    pub(crate) fn add(&self, worker: WorkerId, funcs: Vec<String>) -> Arc<Inbox> {
        let channel = format!("omniq_{:032x}", rand::random::<u128>());
        let inbox =
            Arc::new(Inbox { worker, funcs, channel, state: Mutex::default(), arrived: Notify::new() });
        self.lock().insert(worker, Arc::clone(&inbox));
        inbox
    }

    pub(crate) fn of(&self, worker: WorkerId) -> Option<Arc<Inbox>> {
        self.lock().get(&worker).cloned()
    }

    pub(crate) fn remove(&self, worker: WorkerId) {
        self.lock().remove(&worker);
    }

    /// The inbox with this channel.
    pub(crate) fn on(&self, channel: &str) -> Option<Arc<Inbox>> {
        self.lock().values().find(|inbox| inbox.channel == channel).cloned()
    }

    /// The listening connection broke.
    pub(crate) fn disconnected(&self) {
        self.lock().values().for_each(|inbox| inbox.disconnected());
    }
}
