//! What carries answers from the runtime's threads to an event loop: one queue a loop, one wake-up for all that is in it.
//!
//! The runtime's side puts an answer in the queue and wakes the loop if it was empty; it never takes the GIL. The loop's side
//! takes all of them under one hold of the GIL.

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::answer::{Answer, Convert};
use crate::error::to_py;
use crate::pending::Pending;
use crate::runtime::{generation, runtime};
use crate::wake::Wake;
use omniq::sync::locked;

/// What is on its way to the loop.
pub(crate) enum Item {
    /// A verb is done: its answer, and the future that waits for it.
    Answer { waiter: Py<PyAny>, convert: Convert, answer: omniq::Result<Answer> },
    /// Something to be called on the loop's thread.
    Call(Box<dyn FnOnce(Python<'_>) + Send>),
}

/// The most that is handed out before the loop gets a turn: a few milliseconds of work for those that wait for it.
const SHARE: usize = 128;

/// The queue, shared by the runtime's threads and the loop.
#[derive(Debug)]
pub(crate) struct CompletionQueue {
    items: Mutex<Vec<Item>>,
    wake: Wake,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Item")
    }
}

impl CompletionQueue {
    fn lock(&self) -> MutexGuard<'_, Vec<Item>> {
        locked(&self.items)
    }

    pub(crate) fn push(&self, item: Item) {
        let was_empty = {
            let mut items = self.lock();
            items.push(item);
            items.len() == 1
        };
        if was_empty {
            self.wake.set();
        }
    }
}

/// Carries answers to one event loop.
#[pyclass(frozen, module = "omniq._omniq")]
#[derive(Debug)]
pub(crate) struct Bridge {
    completions: Arc<CompletionQueue>,
    generation: u64,
}

impl Bridge {
    pub(crate) fn completions(&self) -> &Arc<CompletionQueue> {
        &self.completions
    }
}

impl Drop for Bridge {
    /// The loop is gone: whoever waits for something that it should have run is told so by the end of its item.
    fn drop(&mut self) {
        let _ = take(&mut *self.completions.lock());
    }
}

#[pymethods]
impl Bridge {
    #[new]
    fn new() -> PyResult<Self> {
        let wake = Wake::new().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let completions = Arc::new(CompletionQueue { items: Mutex::default(), wake });
        Ok(Self { completions, generation: generation() })
    }

    /// The descriptor that is readable when there is something to drain.
    fn fileno(&self) -> i32 {
        self.completions.wake.fd()
    }

    /// Whether it was made in this process, not in one that this was forked from.
    #[getter]
    fn is_current(&self) -> bool {
        self.generation == generation()
    }

    /// Begins a call; `waiter` gets its answer (`done`, `set_result`, `set_exception`) at a later `drain`.
    fn start(&self, py: Python<'_>, pending: &Bound<'_, Pending>, waiter: Py<PyAny>) -> PyResult<()> {
        let (call, convert) = pending.get().begin(py)?;
        let completions = Arc::clone(&self.completions);
        let runtime = runtime(py).map_err(|error| to_py(py, error))?;
        let task = runtime.spawn(async move {
            let answer = call.await;
            completions.push(Item::Answer { waiter, convert, answer });
        });
        pending.get().abort_by(task.abort_handle());
        Ok(())
    }

    /// Hands out what has come, a share of it if it is much: the loop has other work too. Called by the loop when the
    /// descriptor is readable.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        self.completions.wake.clear();
        let items: Vec<Item> = {
            let mut items = self.completions.lock();
            if items.len() <= SHARE {
                take(&mut *items)
            } else {
                // The descriptor stays readable for the rest.
                self.completions.wake.set();
                items.drain(..SHARE).collect()
            }
        };
        for item in items {
            match item {
                Item::Answer { waiter, convert, answer } => {
                    let waiter = waiter.into_bound(py);
                    // Given up in the meantime.
                    if waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
                        continue;
                    }
                    match answer.map_err(|error| to_py(py, error)).and_then(|answer| convert.run(py, answer))
                    {
                        Ok(value) => waiter.call_method1(intern!(py, "set_result"), (value,))?,
                        Err(error) => {
                            waiter.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?
                        }
                    };
                }
                Item::Call(call) => call(py),
            }
        }
        Ok(())
    }
}
