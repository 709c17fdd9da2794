//! A function with its options, from which tasks are made. Only the arguments differ between them.

use omniq::{Codec, KeySource, Limits, NewTask, Payload};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::answer::Answer;
use crate::backend::Backend;
use crate::convert::new_task::from_new_task;
use crate::error::to_py;
use crate::pending::Pending;
use crate::transaction::NewTasks;

/// Made from an `omniq.models.NewTask`, whose arguments are ignored.
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

    /// The same with these keys, if they are given.
    fn all_with(&self, arguments: &[Bound<'_, PyBytes>], keys: Option<Vec<String>>) -> Vec<NewTask> {
        let mut tasks: Vec<NewTask> = arguments.iter().map(|arguments| self.with(arguments)).collect();
        for (task, key) in tasks.iter_mut().zip(keys.into_iter().flatten()) {
            if let Some(unique) = &mut task.unique {
                unique.key = KeySource::Text(key);
            }
        }
        tasks
    }
}

#[pymethods]
impl Template {
    #[new]
    fn new(py: Python<'_>, task: &Bound<'_, PyAny>, codec: &str) -> PyResult<Self> {
        let plain = crate::convert::options::Convert { allow_pickle: false };
        let task = from_new_task(task, plain, "json")?;
        // Invalid options are refused where they are written. The arguments come later.
        let mut checked = task.clone();
        if let Some(unique) = &mut checked.unique
            && let KeySource::Args(_) = unique.key
        {
            unique.key = KeySource::Text("k".to_owned());
        }
        checked.check(&Limits::default()).map_err(|error| to_py(py, error))?;
        Ok(Self { task, codec: codec.parse().map_err(|error| to_py(py, error))? })
    }

    /// Adds a task with these encoded arguments.
    fn enqueue(
        &self,
        py: Python<'_>,
        backend: &Backend,
        arguments: &Bound<'_, PyBytes>,
    ) -> PyResult<Pending> {
        let task = self.with(arguments);
        backend.verb(py, |backend| async move { backend.enqueue(task).await.map(Answer::Id) })
    }

    /// A task for each of these arguments, to be enqueued with a transaction of the user.
    fn new_tasks(&self, arguments: Vec<Bound<'_, PyBytes>>, keys: Option<Vec<String>>) -> NewTasks {
        NewTasks(self.all_with(&arguments, keys))
    }

    /// Adds a task for each of these arguments, all or none, by these keys.
    fn enqueue_unique(
        &self,
        py: Python<'_>,
        backend: &Backend,
        arguments: Vec<Bound<'_, PyBytes>>,
        keys: Option<Vec<String>>,
    ) -> PyResult<Pending> {
        let tasks = self.all_with(&arguments, keys);
        backend
            .verb(py, |backend| async move { backend.enqueue_unique_many(tasks).await.map(Answer::Enqueued) })
    }

    /// Adds a task for each of these arguments, all or none.
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
