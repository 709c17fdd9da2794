//! Delivers answers from the runtime's threads to an event loop: one queue for each loop, and one wake-up for all answers
//! in it.
//!
//! The runtime's side puts an answer into the queue and wakes the loop if the queue was empty; it never takes the GIL. The
//! loop's side delivers many answers while it holds the GIL once.

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::answer::Answer;
use crate::convert::options::Convert;
use crate::error::to_py;
use crate::pending::Pending;
use crate::runtime::{generation, runtime};
use crate::wake::Wake;
use omniq::sync::locked;

/// An entry of the queue.
pub(crate) enum Item {
    /// The answer of a verb, and the Python future that waits for it.
    Answer { waiter: Py<PyAny>, convert: Convert, answer: omniq::Result<Answer> },
    /// A function to call on the loop's thread.
    Call(Box<dyn FnOnce(Python<'_>) + Send>),
}

/// The most items that one `drain` handles before the loop gets a turn: a few milliseconds of work.
const SHARE: usize = 128;

/// The queue of one loop, shared with the runtime's threads.
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

/// Delivers answers to one event loop.
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
    /// The loop is gone. Dropping the items closes their channels, so that calls that wait for the loop fail.
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

    /// The descriptor that is readable while there is something to drain.
    fn fileno(&self) -> i32 {
        self.completions.wake.fd()
    }

    /// Whether it was made in this process, and not in a parent that this process was forked from.
    #[getter]
    fn is_current(&self) -> bool {
        self.generation == generation()
    }

    /// Begins a call. A later `drain` passes its answer to `waiter` (by `done`, `set_result`, `set_exception`).
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

    /// Handles the items that have arrived, a limited number of them, because the loop has other work too. The loop calls it
    /// when the descriptor is readable.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        self.completions.wake.clear();
        let items: Vec<Item> = {
            let mut items = self.completions.lock();
            if items.len() <= SHARE {
                take(&mut *items)
            } else {
                // The descriptor must stay readable for the rest.
                self.completions.wake.set();
                items.drain(..SHARE).collect()
            }
        };
        for item in items {
            match item {
                Item::Answer { waiter, convert, answer } => {
                    let waiter = waiter.into_bound(py);
                    // The caller was cancelled meanwhile.
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
