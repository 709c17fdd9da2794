//! A run queue: runs that wait for Python. Coroutines of an event loop take them, or threads.
//!
//! A taker holds the GIL and takes further runs without waiting until none is left, so that a burst costs one wake-up and one
//! acquisition of the GIL. It takes one run at a time, so that a slow run holds up no other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use omniq::Failure;
use pyo3::prelude::*;

use super::run::{LOOK, Run, Taker, to_python};
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
    /// Called on the loop's thread when a run waits and no idle thread is about to take it.
    wake: Py<PyAny>,
    kind: Kind,
    /// The number of runs that ignored a stop and still go on.
    given_up: Arc<AtomicUsize>,
}

/// How a run is asked to stop.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// By `cancel` of the coroutine's task.
    Coroutines,
    /// By its context alone.
    Threads,
    /// By a stop signal, whose owner ends the process.
    Processes,
}

#[derive(Default)]
struct State {
    runs: VecDeque<(Arc<Run>, Arc<Py<PyAny>>)>,
    /// The loop was notified and has not looked yet.
    is_notified: bool,
    /// The number of threads that wait for a run.
    idle: usize,
    /// A thread was woken and has not taken anything yet.
    waking: bool,
    closed: bool,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Adds a run. Does not take the GIL.
    pub(crate) fn push(self: &Arc<Self>, run: Arc<Run>, runner: Arc<Py<PyAny>>) {
        let mut state = self.lock();
        state.runs.push_back((run, runner));
        self.wake_taker(state);
    }

    /// Wakes a thread that waits, or notifies the loop if there is none, so that the waiting runs are taken.
    fn wake_taker(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if self.kind != Kind::Coroutines && state.idle > 0 {
            if !state.waking {
                state.waking = true;
                self.ready.notify_one();
            }
        } else if !state.is_notified {
            state.is_notified = true;
            drop(state);
            let run_queue = Arc::clone(self);
            self.completions.push(Item::Call(Box::new(move |py| {
                run_queue.lock().is_notified = false;
                if let Err(error) = run_queue.wake.call0(py) {
                    error.write_unraisable(py, None);
                }
            })));
        }
    }

    /// The next run that has no answer yet.
    fn pop(self: &Arc<Self>) -> Option<(Arc<Run>, Arc<Py<PyAny>>)> {
        let mut state = self.lock();
        loop {
            let (run, runner) = state.runs.pop_front()?;
            if run.is_open() {
                if !state.runs.is_empty() && self.kind != Kind::Coroutines {
                    self.wake_taker(state);
                }
                return Some((run, runner));
            }
        }
    }

    /// Asks a run to stop. A run that was not taken yet is answered at once. Does not take the GIL.
    pub(crate) fn stop(self: &Arc<Self>, run: &Arc<Run>) {
        let waiting = {
            let mut state = self.lock();
            let before = state.runs.len();
            state.runs.retain(|(other, _)| !Arc::ptr_eq(other, run));
            state.runs.len() < before
        };
        if waiting {
            run.answer(Err(Failure::error("stopped", "it was asked to stop before it had begun")));
        } else {
            match run.taker() {
                // Not by way of the loop, which may be busy.
                Some(Taker::StopSignal(wake)) => wake.set(),
                Some(Taker::Task(_)) | None => {
                    self.completions.push(Item::Call(Box::new(cancelling(Arc::clone(run)))))
                }
            }
        }
    }
}

/// Cancels the coroutine that has taken the run, if one has by then. Called on the loop, because runs are taken there.
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
    /// Counts a run that ignores a stop, and wakes another taker for the runs that wait: this run's taker is busy for an unknown
    /// time. Does not take the GIL.
    pub(crate) fn give_up(self: &Arc<Self>, run: &Arc<Run>) {
        run.give_up(&self.given_up);
        let state = self.lock();
        if !state.runs.is_empty() {
            self.wake_taker(state);
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
            _ => return Err(pyo3::exceptions::PyValueError::new_err("no such kind of run queue")),
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

    /// How many threads wait for a run.
    #[getter]
    fn idle(&self) -> usize {
        self.0.lock().idle
    }

    /// How many runs ignored a stop, still go on, and are no longer waited for.
    #[getter]
    fn given_up(&self) -> usize {
        self.0.given_up.load(Ordering::Acquire)
    }

    /// The next run, if there is one: (runner, run, bytes, codec). At a stop `taker.cancel()` is called.
    fn take(&self, py: Python<'_>, taker: Py<PyAny>) -> PyResult<Option<Py<PyAny>>> {
        match self.0.pop() {
            Some((run, runner)) => to_python(py, run, &runner, Some(Taker::Task(Arc::new(taker)))).map(Some),
            None => Ok(None),
        }
    }

    /// The next run. Blocks until there is one. `None` once the run queue is closed and empty. `taker` is set at a stop.
    fn wait(&self, py: Python<'_>, taker: Option<Py<StopSignal>>) -> PyResult<Option<Py<PyAny>>> {
        let taker = taker.map(|signal| Taker::StopSignal(Arc::clone(&signal.get().0)));
        loop {
            if let Some((run, runner)) = self.0.pop() {
                return to_python(py, run, &runner, taker).map(Some);
            }
            if self.0.lock().closed {
                return Ok(None);
            }
            py.detach(|| self.sleep());
            self.0.lock().waking = false;
        }
    }

    /// Ends the threads once no run waits.
    fn close(&self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

impl RunQueue {
    /// Waits until there is a run, at most for `LOOK`: an interpreter that ends must not wait for this thread.
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

/// A file descriptor that a run queue makes readable when a run must stop.
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
