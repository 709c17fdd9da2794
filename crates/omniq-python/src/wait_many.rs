//! The wait for the results of many tasks.

use std::sync::Arc;

use omniq::Backend as Core;
use omniq::port::WaitMany as Waiting;
use pyo3::prelude::*;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::answer::Answer;
use crate::convert::options::Convert;
use crate::convert::small::task_ids;
use crate::error::to_py;
use crate::pending::Pending;
use crate::slot::Slot;

/// A wait, made by `Backend.wait_many`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct WaitMany {
    slot: Arc<Slot<Core>>,
    convert: Convert,
    waiting: Arc<Mutex<Waiting>>,
}

impl WaitMany {
    pub(crate) fn new(slot: &Arc<Slot<Core>>, convert: Convert, waiting: Waiting) -> Self {
        Self { slot: Arc::clone(slot), convert, waiting: Arc::new(Mutex::new(waiting)) }
    }
}

#[pymethods]
impl WaitMany {
    /// Waits for these tasks too, and gives the next results, and of tasks that have left none the errors by id; nothing
    /// if all tasks have ended. A call that is aborted loses nothing, and has added its tasks.
    fn next(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let backend = self.slot.get(py).map_err(|error| to_py(py, error))?;
        let (waiting, ids) = (Arc::clone(&self.waiting), task_ids(ids));
        Ok(Pending::new(self.convert, async move {
            let mut waiting = waiting.lock().await;
            waiting.add(&ids);
            waiting.next_ended(&backend.await?).await.map(Answer::Ended)
        }))
    }
}
