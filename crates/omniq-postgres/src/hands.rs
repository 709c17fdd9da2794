//! What is handed over to workers of this process: heard by the listener, taken by the workers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use omniq_core::WorkerId;
use tokio::sync::Notify;

/// What a worker's own channel has brought.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A task, as `hand_over` writes it.
    Task(String),
    /// The listening connection broke off: tasks may have been handed over unheard.
    Deaf,
}

/// One worker's ear.
#[derive(Debug)]
pub(crate) struct Hand {
    pub(crate) worker: WorkerId,
    pub(crate) funcs: Vec<String>,
    /// The name of its channel.
    pub(crate) ear: String,
    heard: Mutex<State>,
    pub(crate) came: Notify,
}

#[derive(Debug, Default)]
struct State {
    heard: VecDeque<Heard>,
    /// Its functions and its ear are in the database.
    announced: bool,
    /// All that was handed over has been heard, and nothing more will be.
    ended: bool,
}

impl Hand {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.heard.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The next that came, if any.
    pub(crate) fn take(&self) -> Option<Heard> {
        self.lock().heard.pop_front()
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.lock().announced
    }

    pub(crate) fn announced(&self) {
        self.lock().announced = true;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    pub(crate) fn hear(&self, payload: &str) {
        let mut state = self.lock();
        if payload.is_empty() {
            state.ended = true;
        } else {
            state.heard.push_back(Heard::Task(payload.to_owned()));
        }
        drop(state);
        self.came.notify_one();
    }

    fn deafen(&self) {
        self.lock().heard.push_back(Heard::Deaf);
        self.came.notify_one();
    }
}

/// The ears of a queue's workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hands(Arc<Mutex<HashMap<WorkerId, Arc<Hand>>>>);

impl Hands {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Arc<Hand>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// An ear for this worker. Its channel cannot be guessed.
    pub(crate) fn add(&self, worker: WorkerId, funcs: Vec<String>) -> Arc<Hand> {
        let ear = format!("omniq_{:032x}", rand::random::<u128>());
        let hand = Arc::new(Hand { worker, funcs, ear, heard: Mutex::default(), came: Notify::new() });
        self.lock().insert(worker, Arc::clone(&hand));
        hand
    }

    pub(crate) fn of(&self, worker: WorkerId) -> Option<Arc<Hand>> {
        self.lock().get(&worker).cloned()
    }

    /// Takes a worker's ear away; what it still hears is kept by whoever has it.
    pub(crate) fn take(&self, worker: WorkerId) -> Option<Arc<Hand>> {
        self.lock().remove(&worker)
    }

    /// Whose ear this channel is.
    pub(crate) fn by_ear(&self, channel: &str) -> Option<Arc<Hand>> {
        self.lock().values().find(|hand| hand.ear == channel).cloned()
    }

    /// The listening connection broke off.
    pub(crate) fn deafen(&self) {
        self.lock().values().for_each(|hand| hand.deafen());
    }
}
