//! The local queue of a worker: the tasks that it has claimed and not begun, those that run, and its slots, under one
//! lock. So a claimed task is always in one of them. See `docs/decisions/0020-local-queue.md`.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use tokio::sync::Notify;

use crate::handler::{Context, StopReason};
use crate::lease::Term;
use crate::model::{CancelRequest, Task, TaskId};
use crate::sync::locked;

/// It outlives a lease, because a blocking handler whose lease is lost keeps its slot until it returns. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct LocalQueue {
    shared: Arc<Shared>,
    /// The session whose tasks this is for.
    session: u64,
}

#[derive(Debug)]
struct Shared {
    slots: usize,
    state: Mutex<State>,
    /// Wakes the session.
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the present session. The tasks of earlier ones are not begun any more, and their runs do not count
    /// as running.
    session: u64,
    /// How long its tasks are held. `None`: nothing is begun.
    term: Option<Term>,
    buffered: VecDeque<Task>,
    /// When a task was last added or begun.
    moved: Option<Instant>,
    /// The session is woken once no more than this many tasks are buffered.
    low: Option<usize>,
    running: HashMap<TaskId, Context, RandomState>,
    used: usize,
    /// Since when at least one slot is used, and how long at least one was used before.
    busy_since: Option<Instant>,
    busy_before: Duration,
}

/// A used slot. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Shared>);

/// A task that runs. It ends when this is dropped, however the run ended.
#[derive(Debug)]
pub(super) struct Entry {
    id: TaskId,
    queue: LocalQueue,
}

impl LocalQueue {
    pub(super) fn new(slots: usize, wake: Arc<Notify>) -> Self {
        Self { shared: Arc::new(Shared { slots, state: Mutex::default(), wake }), session: 0 }
    }

    /// Begins a session, whose tasks are held until this term is over.
    pub(super) fn session(&self, term: Term) -> Self {
        let mut state = self.lock();
        state.session += 1;
        state.term = Some(term);
        let queue = Self { shared: Arc::clone(&self.shared), session: state.session };
        let old = state.clear();
        drop(state);
        drop(old);
        queue
    }

    /// Ends the session: nothing is begun any more, what is buffered is dropped, and runs are stopped because the lease
    /// is lost.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.session != self.session {
            return;
        }
        state.term = None;
        let (buffered, running) = state.clear();
        drop(state);
        running.values().for_each(|context| context.stop(StopReason::LeaseLost));
        drop(buffered);
    }

    pub(super) fn add(&self, tasks: Vec<Task>) {
        let mut state = self.lock();
        state.buffered.extend(tasks);
        state.moved = Some(Instant::now());
    }

    /// Begins the next task if a slot is free. `start` makes its run; a task for which it gives `None` is left out.
    pub(super) fn begin<R>(
        &self,
        start: impl Fn(Task) -> Option<(Context, R)>,
    ) -> Option<(Slot, Entry, Context, R)> {
        let mut state = self.lock();
        if state.used >= self.shared.slots {
            return None;
        }
        let (low, begun) = self.take(&mut state, start);
        if begun.is_some() {
            state.used += 1;
            state.busy_since.get_or_insert_with(Instant::now);
        }
        drop(state);
        self.wake_if(low);
        let (entry, context, rest) = begun?;
        Some((Slot(Arc::clone(&self.shared)), entry, context, rest))
    }

    /// Begins the next task in the slot of a run that has ended.
    pub(super) fn next<R>(
        &self,
        start: impl Fn(Task) -> Option<(Context, R)>,
    ) -> Option<(Entry, Context, R)> {
        let mut state = self.lock();
        let (low, begun) = self.take(&mut state, start);
        drop(state);
        self.wake_if(low);
        begun
    }

    /// Also returns whether the session must be woken. Nothing is begun once the lease is over: other workers may have
    /// the tasks by then, even if this process was suspended for so long that no part of it has reported the loss.
    fn take<R>(
        &self,
        state: &mut State,
        start: impl Fn(Task) -> Option<(Context, R)>,
    ) -> (bool, Option<(Entry, Context, R)>) {
        let now = Instant::now();
        if state.session != self.session || state.term.as_ref().is_none_or(|term| term.is_over(now)) {
            return (false, None);
        }
        let mut begun = None;
        while begun.is_none()
            && let Some(task) = state.buffered.pop_front()
        {
            state.moved = Some(now);
            begun = start(task);
        }
        let low = state.low.is_some_and(|low| state.buffered.len() <= low);
        if low {
            state.low = None;
        }
        let begun = begun.map(|(context, rest)| {
            let id = context.id();
            state.running.insert(id, context.clone());
            (Entry { id, queue: self.clone() }, context, rest)
        });
        (low, begun)
    }

    fn wake_if(&self, low: bool) {
        if low {
            self.shared.wake.notify_one();
        }
    }

    /// A function that tells how many slots are used.
    pub(super) fn used_slots(&self) -> impl Fn() -> u32 + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || u32::try_from(shared.lock().used).unwrap_or(u32::MAX)
    }

    pub(super) fn free_slots(&self) -> usize {
        self.shared.slots.saturating_sub(self.lock().used)
    }

    /// How long at least one slot was used so far.
    pub(super) fn busy(&self) -> Duration {
        let state = self.lock();
        state.busy_before + state.busy_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(super) fn buffered(&self) -> usize {
        self.lock().buffered.len()
    }

    pub(super) fn running(&self) -> usize {
        self.lock().running.len()
    }

    /// Whether no task is buffered and none runs.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.buffered.is_empty() && state.running.is_empty()
    }

    /// Wakes the session once, when the next task is taken and no more than this many are left.
    pub(super) fn wake_at(&self, low: usize) {
        self.lock().low = Some(low);
    }

    /// How long no task was added or begun.
    pub(super) fn idle(&self) -> Duration {
        self.lock().moved.map_or(Duration::ZERO, |moved| moved.elapsed())
    }

    /// Takes all tasks that were not begun.
    pub(super) fn take_buffered(&self) -> VecDeque<Task> {
        std::mem::take(&mut self.lock().buffered)
    }

    /// Stops these tasks: takes out those that were not begun, and signals those that run. Also returns those that are
    /// neither.
    pub(super) fn cancel(
        &self,
        mut asked: HashSet<CancelRequest>,
    ) -> (VecDeque<Task>, HashSet<CancelRequest>) {
        let mut state = self.lock();
        let (out, stay) = std::mem::take(&mut state.buffered)
            .into_iter()
            .partition(|task| asked.remove(&CancelRequest::of(task)));
        state.buffered = stay;
        let mut running: Vec<Context> = Vec::new();
        asked.retain(|request| match state.running.get(&request.task_id) {
            Some(context) if CancelRequest::of(context.task()) == *request => {
                running.push(context.clone());
                false
            }
            _ => true,
        });
        drop(state);
        running.iter().for_each(|context| context.stop(StopReason::Cancelled));
        (out, asked)
    }

    /// The runs of this session.
    pub(super) fn runs(&self) -> Vec<Context> {
        self.lock().running.values().cloned().collect()
    }

    pub(super) fn stop_runs(&self, reason: StopReason) {
        self.runs().iter().for_each(|context| context.stop(reason));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    /// Takes out everything of the last session. A handler can leave the last clone of its context here, which must not
    /// be dropped under the lock.
    fn clear(&mut self) -> (VecDeque<Task>, HashMap<TaskId, Context, RandomState>) {
        self.low = None;
        (std::mem::take(&mut self.buffered), std::mem::take(&mut self.running))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.used -= 1;
        if state.used == 0
            && let Some(since) = state.busy_since.take()
        {
            state.busy_before += since.elapsed();
        }
        drop(state);
        self.0.wake.notify_one();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        // A later session may run the same task.
        let context = if state.session == self.queue.session { state.running.remove(&self.id) } else { None };
        drop(state);
        drop(context);
    }
}
