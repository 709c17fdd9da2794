//! A run_queue: runs that wait for Python, and those who take them: coroutines of an event loop, or threads.
//!
//! Whoever takes one holds the GIL and goes on taking, without giving it up, until none is left: so a burst costs one
//! wake-up and one take of the GIL. Nobody hoards: each takes one at a time, so that a slow run holds up no other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use omniq::Failure;
use pyo3::prelude::*;

use super::job::{LOOK, Run, Taker, handed_over};
use crate::bridge::{Bridge, CompletionQueue, Item};
use crate::wake::Wake;
use omniq::sync::locked;

/// Runs on their way to Python.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct RunQueue(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    state: Mutex<State>,
    ready: Condvar,
    completions: Arc<CompletionQueue>,
    /// Called on the loop's thread when there is something that nobody is about to take.
    wake: Py<PyAny>,
    kind: Kind,
    /// Runs that heeded no stop, and still go on.
    given_up: Arc<AtomicUsize>,
}

/// How a run is told to stop.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// By `cancel` of the coroutine's task.
    Coroutines,
    /// By its context alone.
    Threads,
    /// By a bell, whose owner ends the process.
    Processes,
}

#[derive(Default)]
struct State {
    runs: VecDeque<(Arc<Run>, Arc<Py<PyAny>>)>,
    /// The loop was told and has not looked yet.
    told: bool,
    /// Threads that sleep.
    idle: usize,
    /// A thread was woken and has not taken anything yet.
    waking: bool,
    closed: bool,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Puts a run in. Without the GIL.
    pub(crate) fn push(self: &Arc<Self>, run: Arc<Run>, runner: Arc<Py<PyAny>>) {
        let mut state = self.lock();
        state.runs.push_back((run, runner));
        self.rouse(state);
    }

    /// Sees to it that somebody takes what is there.
    fn rouse(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if self.kind != Kind::Coroutines && state.idle > 0 {
            if !state.waking {
                state.waking = true;
                self.ready.notify_one();
            }
        } else if !state.told {
            state.told = true;
            drop(state);
            let run_queue = Arc::clone(self);
            self.completions.push(Item::Call(Box::new(move |py| {
                run_queue.lock().told = false;
                if let Err(error) = run_queue.wake.call0(py) {
                    error.write_unraisable(py, None);
                }
            })));
        }
    }

    /// The next run that still waits for an answer.
    fn pop(self: &Arc<Self>) -> Option<(Arc<Run>, Arc<Py<PyAny>>)> {
        let mut state = self.lock();
        loop {
            let (run, runner) = state.runs.pop_front()?;
            if run.is_open() {
                if !state.runs.is_empty() && self.kind != Kind::Coroutines {
                    self.rouse(state);
                }
                return Some((run, runner));
            }
        }
    }

    /// Tells a run to stop; one that nobody has taken yet is answered at once. Without the GIL.
    pub(crate) fn stop(self: &Arc<Self>, run: &Arc<Run>) {
        let waiting = {
            let mut state = self.lock();
            let before = state.runs.len();
            state.runs.retain(|(other, _)| !Arc::ptr_eq(other, run));
            state.runs.len() < before
        };
        if waiting {
            run.answer(Err(Failure::error("stopped", "it was told to stop before it had begun")));
        } else {
            match run.taker() {
                // Whatever the loop is busy with.
                Some(Taker::StopSignal(wake)) => wake.set(),
                Some(Taker::Task(_)) | None => {
                    self.completions.push(Item::Call(Box::new(cancelling(Arc::clone(run)))))
                }
            }
        }
    }
}

/// On the loop, where it is taken, if it is by then.
fn cancelling(run: Arc<Run>) -> impl FnOnce(Python<'_>) {
    move |py| {
        if let Some(Taker::Task(task)) = run.taker().filter(|_| run.is_open())
            && let Err(error) = task.call_method0(py, "cancel")
        {
            error.write_unraisable(py, None);
        }
    }
}

impl Inner {
    /// A run was told to stop and goes on: what has taken it serves no other for an unknown time. Without the GIL.
    pub(crate) fn give_up(self: &Arc<Self>, run: &Arc<Run>) {
        run.give_up(&self.given_up);
        let state = self.lock();
        if !state.runs.is_empty() {
            self.rouse(state);
        }
    }
}

#[pymethods]
impl RunQueue {
    /// `kind` is `coroutines`, `threads` or `processes`; `wake` is called on the bridge's loop.
    #[new]
    fn new(bridge: &Bridge, kind: &str, wake: Py<PyAny>) -> PyResult<Self> {
        let kind = match kind {
            "coroutines" => Kind::Coroutines,
            "threads" => Kind::Threads,
            "processes" => Kind::Processes,
            _ => return Err(pyo3::exceptions::PyValueError::new_err("no such kind of run_queue")),
        };
        let completions = Arc::clone(bridge.completions());
        let state = Mutex::default();
        let given_up = Arc::default();
        Ok(Self(Arc::new(Inner { state, ready: Condvar::new(), completions, wake, kind, given_up })))
    }

    /// How many runs wait.
    fn __len__(&self) -> usize {
        self.0.lock().runs.len()
    }

    /// How many threads sleep.
    #[getter]
    fn idle(&self) -> usize {
        self.0.lock().idle
    }

    /// How many runs go on although they were told to stop, and are waited for by none.
    #[getter]
    fn given_up(&self) -> usize {
        self.0.given_up.load(Ordering::Acquire)
    }

    /// The next run, if there is one: (runner, job, bytes, codec). `taker` is told of a stop.
    fn take(&self, py: Python<'_>, taker: Py<PyAny>) -> PyResult<Option<Py<PyAny>>> {
        match self.0.pop() {
            Some((run, runner)) => {
                handed_over(py, run, &runner, Some(Taker::Task(Arc::new(taker)))).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The next run; blocks until there is one. `None` once the run_queue is closed and empty.
    fn wait(&self, py: Python<'_>, taker: Option<Py<StopSignal>>) -> PyResult<Option<Py<PyAny>>> {
        let taker = taker.map(|signal| Taker::StopSignal(Arc::clone(&signal.get().0)));
        loop {
            if let Some((run, runner)) = self.0.pop() {
                return handed_over(py, run, &runner, taker).map(Some);
            }
            if self.0.lock().closed {
                return Ok(None);
            }
            py.detach(|| self.sleep());
            self.0.lock().waking = false;
        }
    }

    /// Ends the threads, once nothing waits any more.
    fn close(&self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

impl RunQueue {
    /// Until there is something, or for a while: an interpreter that ends must not wait for a thread that sleeps.
    fn sleep(&self) {
        let mut state = self.0.lock();
        if !state.runs.is_empty() || state.closed {
            return;
        }
        state.idle += 1;
        state = self.0.ready.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        state.idle -= 1;
    }
}

/// A file descriptor that a run_queue makes readable when a run is to stop.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct StopSignal(Arc<Wake>);

#[pymethods]
impl StopSignal {
    #[new]
    fn new() -> PyResult<Self> {
        Wake::new()
            .map(|wake| Self(Arc::new(wake)))
            .map_err(|error| pyo3::exceptions::PyOSError::new_err(error.to_string()))
    }

    fn fileno(&self) -> i32 {
        self.0.fd()
    }

    fn set(&self) {
        self.0.set();
    }

    fn clear(&self) {
        self.0.clear();
    }
}
