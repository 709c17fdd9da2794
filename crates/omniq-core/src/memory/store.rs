//! The in-memory queue object: the tasks that objects share, and what belongs to one object.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use super::clock::Clock;
use super::keys::Keys;
use super::leases::Workers;
use super::notifier::Notifier;
use super::schedules::Schedules;
use super::tasks::Tasks;
use super::{locked, new_location};
use crate::model::*;
use crate::{Location, Result, SelfLease, TaskQueue};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tasks: Tasks,
    pub(super) workers: Workers,
    pub(super) paused: BTreeSet<String>,
    pub(super) schedules: Schedules,
    pub(super) keys: Keys,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) state: Mutex<State>,
    pub(super) notifier: Notifier,
    pub(super) location: Location,
}

/// What belongs to one queue object, comparable to a connection pool.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) limits: Limits,
    pub(super) keep_completed: bool,
    /// How long completed tasks and dead letters are kept.
    pub(super) completed_ttl: Option<Duration>,
    pub(super) dead_ttl: Option<Duration>,
    pub(super) lease: SelfLease,
    pub(super) clock: Clock,
    pub(super) closed: AtomicBool,
}

/// A task queue in this process's memory. Clones are the same object; [`reopen`](Self::reopen) makes another one on
/// the same tasks.
///
/// ```
/// # use omniq_core::{Dequeue, MemoryQueue, NewTask, Result, TaskQueue};
/// # fn main() -> Result<()> {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let queue = MemoryQueue::new();
/// queue.enqueue(NewTask::new("greet", "Ann")?).await?;
/// let task = queue.dequeue(Dequeue::from(["default"])).await?.expect("one was enqueued");
/// queue.complete(&task).await?;
/// assert!(queue.list(&Default::default()).await?.is_empty());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    pub(super) store: Arc<Store>,
    pub(super) object: Arc<Object>,
}

impl MemoryQueue {
    /// An empty queue with default limits, which removes completed tasks at once.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self::with_options(Limits::default(), false)
    }

    /// An empty queue with these limits. `keep_completed`: completed tasks stay until they are deleted or purged.
    pub fn with_options(limits: Limits, keep_completed: bool) -> Self {
        let store = Store { state: Mutex::default(), notifier: Notifier::new(), location: new_location() };
        Self { store: Arc::new(store), object: Arc::default() }.reopen(limits, keep_completed)
    }

    /// Another object on the same tasks, with its own lease, which is closed separately. It keeps the clock.
    #[must_use]
    pub fn reopen(&self, limits: Limits, keep_completed: bool) -> Self {
        self.with(Object { limits, keep_completed, clock: self.object.clock.clone(), ..Object::default() })
    }

    /// Another object on the same tasks with this one's options, whose own worker has a lease of this span. Default: 10
    /// seconds.
    #[must_use]
    pub fn with_lease(&self, lease: Duration) -> Self {
        self.with(Object { lease: SelfLease::new(lease), ..self.options() })
    }

    /// Another object on the same tasks with this one's options, which removes completed tasks and dead letters after
    /// these times; `None`: never, which is the default.
    #[must_use]
    pub fn with_retention(&self, completed: Option<Duration>, dead: Option<Duration>) -> Self {
        self.with(Object { completed_ttl: completed, dead_ttl: dead, ..self.options() })
    }

    /// Another object on the same tasks with this one's options, by this clock. Default: the machine's time.
    #[must_use]
    pub fn with_clock(&self, clock: Clock) -> Self {
        self.with(Object { clock, ..self.options() })
    }

    /// When the next scheduled task becomes due, by the clock; `None` if no task is scheduled.
    pub fn next_due(&self) -> Option<Timestamp> {
        locked(&self.store.state).tasks.next_scheduled().map(|(due, _)| due)
    }

    fn options(&self) -> Object {
        let Object { limits, keep_completed, completed_ttl, dead_ttl, lease, clock, .. } = &*self.object;
        Object {
            limits: limits.clone(),
            keep_completed: *keep_completed,
            completed_ttl: *completed_ttl,
            dead_ttl: *dead_ttl,
            lease: SelfLease::new(lease.span()),
            clock: clock.clone(),
            closed: AtomicBool::new(false),
        }
    }

    fn with(&self, object: Object) -> Self {
        Self { store: Arc::clone(&self.store), object: Arc::new(object) }
    }

    /// The locked state, with due tasks made ready, and the present time.
    pub(super) fn open(&self) -> Result<(MutexGuard<'_, State>, Timestamp)> {
        let mut state = self.as_it_is()?;
        let now = self.object.clock.now();
        state.tasks.promote(now);
        Ok((state, now))
    }

    /// The locked state as it is. For the heartbeat, whose thread does not follow the clock of a test.
    pub(super) fn as_it_is(&self) -> Result<MutexGuard<'_, State>> {
        if self.object.closed.load(Ordering::Acquire) {
            return Err(<dyn TaskQueue>::closed());
        }
        Ok(locked(&self.store.state))
    }

    /// The tasks that wait, in the order of arrival.
    #[cfg(feature = "testing")]
    pub(crate) fn waiting(&self) -> Vec<Task> {
        let state = locked(&self.store.state);
        let waiting = state.tasks.after(None).filter(|entry| entry.is_waiting());
        let mut waiting: Vec<Task> = waiting.map(|entry| entry.task.clone()).collect();
        waiting.sort_by_key(|task| task.seq);
        waiting
    }

    /// Removes the worker and hands back its tasks; returns how many. Works on a closed object too, as the last step of
    /// its close.
    pub(super) fn give_up(&self, worker: WorkerId) -> u64 {
        let mut state = locked(&self.store.state);
        let held = state.tasks.held_by(worker);
        for id in &held {
            state.tasks.hand_back(*id);
        }
        let now = self.object.clock.now();
        for id in state.tasks.marked_for_cancel(worker) {
            state.tasks.remove(id, now);
        }
        state.workers.remove(worker);
        state.tasks.forget_cancelled(worker);
        self.store.notifier.notify();
        held.len() as u64
    }
}
