//! A function with its options, from which tasks are made: only the arguments are new in each.

use omniq::{Codec, NewTask, Payload};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::answer::Answer;
use crate::backend::Backend;
use crate::convert::new_task::from_new_task;
use crate::error::to_py;
use crate::pending::Pending;

/// Made of an `omniq.models.NewTask` whose arguments are of no account.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Template {
    task: NewTask,
    codec: Codec,
}

impl Template {
    fn with(&self, arguments: &Bound<'_, PyBytes>) -> NewTask {
        let mut task = self.task.clone();
        task.payload = Payload::new(self.codec.clone(), arguments.as_bytes().to_vec());
        task
    }
}

#[pymethods]
impl Template {
    #[new]
    fn new(py: Python<'_>, task: &Bound<'_, PyAny>, codec: &str) -> PyResult<Self> {
        let plain = crate::answer::Convert { allow_pickle: false };
        let task = from_new_task(task, plain, "json")?;
        Ok(Self { task, codec: codec.parse().map_err(|error| to_py(py, error))? })
    }

    /// Adds a task with these arguments, encoded.
    fn enqueue(
        &self,
        py: Python<'_>,
        backend: &Backend,
        arguments: &Bound<'_, PyBytes>,
    ) -> PyResult<Pending> {
        let task = self.with(arguments);
        backend.verb(py, |backend| async move { backend.enqueue(task).await.map(Answer::Id) })
    }

    /// Adds a task for each of these, all or none.
    fn enqueue_many(
        &self,
        py: Python<'_>,
        backend: &Backend,
        arguments: Vec<Bound<'_, PyBytes>>,
    ) -> PyResult<Pending> {
        let tasks: Vec<NewTask> = arguments.iter().map(|arguments| self.with(arguments)).collect();
        backend.verb(py, |backend| async move { backend.enqueue_many(tasks).await.map(Answer::Ids) })
    }
}
