//! What was claimed and not begun. The session fills it and may take all back; runs that end take the next task from it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::lease::Term;
use crate::model::{Task, TaskId};

/// The tasks that a session has claimed and not begun. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Stock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Arc<Notify>,
    term: Term,
}

#[derive(Debug)]
struct State {
    tasks: VecDeque<Task>,
    /// When it last came or went.
    moved: Instant,
    /// The session is woken once no more than these are left.
    low: Option<usize>,
    /// Nothing is begun any more.
    closed: bool,
}

impl Stock {
    /// An empty stock of tasks that are held until this term is over.
    pub(super) fn new(wake: Arc<Notify>, term: Term) -> Self {
        let state = State { tasks: VecDeque::new(), moved: Instant::now(), low: None, closed: false };
        Self(Arc::new(Shared { state: Mutex::new(state), wake, term }))
    }

    pub(super) fn add(&self, tasks: Vec<Task>) {
        let mut state = self.lock();
        state.tasks.extend(tasks);
        state.moved = Instant::now();
    }

    /// The next task, as `begin` makes it, which is called before anybody can see that the task is here no more: a task is always
    /// either here or among what runs. None, too, once the lease is over: others may have the tasks by then, and nothing has told
    /// this process that was stopped for so long.
    pub(super) fn take<T>(&self, begin: impl FnOnce(Task) -> T) -> Option<T> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.closed || self.0.term.is_over(now) {
            return None;
        }
        let begun = begin(state.tasks.pop_front()?);
        state.moved = now;
        let low = state.low.is_some_and(|low| state.tasks.len() <= low);
        if low {
            state.low = None;
        }
        drop(state);
        if low {
            self.0.wake.notify_one();
        }
        Some(begun)
    }

    /// Whether nothing is begun any more, as the lease is over.
    pub(super) fn is_over(&self) -> bool {
        self.0.term.is_over(Instant::now())
    }

    pub(super) fn len(&self) -> usize {
        self.lock().tasks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Wakes the session once, when next a task is taken and no more than these are left.
    pub(super) fn wake_at(&self, low: usize) {
        self.lock().low = Some(low);
    }

    /// How long nothing has come or gone.
    pub(super) fn unmoved(&self) -> Duration {
        self.lock().moved.elapsed()
    }

    /// Takes everything out.
    pub(super) fn take_all(&self) -> VecDeque<Task> {
        std::mem::take(&mut self.lock().tasks)
    }

    /// Takes those of these tasks out that are here.
    pub(super) fn take_out(&self, ids: &HashSet<TaskId>) -> VecDeque<Task> {
        let mut state = self.lock();
        let (out, stay) =
            std::mem::take(&mut state.tasks).into_iter().partition(|task| ids.contains(&task.id));
        state.tasks = stay;
        out
    }

    /// Nothing is begun any more; what is here is dropped.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.tasks.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
