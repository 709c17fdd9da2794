//! Tasks as the queue holds them: `omniq.models.Task`.

use omniq::{NewTask, Task, TaskError, TaskId};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, intern};
use uuid::Uuid;

use super::callback::{callbacks_field, to_callbacks};
use super::fields::{field, given};
use super::imported::imported;
use super::json::{object_field, to_dict};
use super::payload::{payload_field, to_payload};
use super::small::{
    TaskErrorArg, claim_field, from_backoff, from_task_error, parsed, to_backoff, to_claim, to_state,
    to_task_error,
};
use super::time::{POSITIVE, optional_datetime, span_field, time_field, to_datetime, to_timedelta};
use super::unique::{to_unique, unique_field};
use crate::convert::options::Convert;

pub(crate) fn to_task<'py>(py: Python<'py>, convert: Convert, task: &Task) -> PyResult<Bound<'py, PyAny>> {
    let fields: [Bound<'py, PyAny>; 20] = [
        task.id.as_uuid().into_bound_py_any(py)?,
        task.seq.into_bound_py_any(py)?,
        task.queue.as_str().into_bound_py_any(py)?,
        task.func.as_str().into_bound_py_any(py)?,
        to_payload(py, convert, &task.payload)?,
        task.priority.into_bound_py_any(py)?,
        to_state(py, task.state)?,
        to_datetime(py, task.run_at)?,
        optional_datetime(py, task.expires_at)?.into_bound_py_any(py)?,
        task.attempt.into_bound_py_any(py)?,
        task.max_retries.into_bound_py_any(py)?,
        to_backoff(py, &task.backoff)?,
        task.timeout.map(|span| to_timedelta(py, span)).transpose()?.into_bound_py_any(py)?,
        to_dict(py, &task.metadata)?,
        task.error.as_ref().map(|error| to_task_error(py, error)).transpose()?.into_bound_py_any(py)?,
        to_datetime(py, task.created_at)?,
        optional_datetime(py, task.claimed_at)?.into_bound_py_any(py)?,
        task.claim.map(|claim| to_claim(py, claim)).transpose()?.into_bound_py_any(py)?,
        to_callbacks(py, &task.callbacks)?,
        to_unique(py, task.unique.as_ref())?,
    ];
    imported!(py, "omniq.models.task", "Task")?.call1(PyTuple::new(py, fields)?)
}

pub(crate) fn from_task(value: &Bound<'_, PyAny>) -> PyResult<Task> {
    let py = value.py();
    let missing = || pyo3::exceptions::PyTypeError::new_err("a task lacks a field that is never None");
    let payload = payload_field(value, intern!(py, "payload"))?.ok_or_else(missing)?;
    let new = NewTask::with_payload(field::<String>(value, intern!(py, "func"))?, payload);
    let created_at = time_field(value, intern!(py, "created_at"))?.ok_or_else(missing)?;
    let id = TaskId::from(field::<Uuid>(value, intern!(py, "id"))?);
    let mut task = Task::from_new(new, id, field(value, intern!(py, "seq"))?, created_at);
    task.queue = field(value, intern!(py, "queue"))?;
    task.priority = field(value, intern!(py, "priority"))?;
    task.state = parsed("state", &value.getattr(intern!(py, "state"))?)?;
    task.run_at = time_field(value, intern!(py, "run_at"))?.ok_or_else(missing)?;
    task.expires_at = time_field(value, intern!(py, "expires_at"))?;
    task.attempt = field(value, intern!(py, "attempt"))?;
    task.max_retries = field(value, intern!(py, "max_retries"))?;
    task.backoff = from_backoff(&value.getattr(intern!(py, "backoff"))?)?;
    task.timeout = span_field(value, intern!(py, "timeout"), POSITIVE)?;
    task.metadata = object_field(value, intern!(py, "metadata"))?;
    task.error = given(value, intern!(py, "error"))?.map(|error| from_task_error(&error)).transpose()?;
    task.claimed_at = time_field(value, intern!(py, "claimed_at"))?;
    task.claim = claim_field(value)?;
    task.callbacks = callbacks_field(value)?;
    task.unique = unique_field(value)?;
    Ok(task)
}

/// A task as an argument.
pub(crate) struct TaskArg(pub(crate) Task);

impl<'py> FromPyObject<'_, 'py> for TaskArg {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let class = imported!(value.py(), "omniq.models.task", "Task")?;
        if !value.is_instance(class)? {
            let kind = value.get_type();
            return Err(pyo3::exceptions::PyTypeError::new_err(format!("a Task is wanted, not {kind}")));
        }
        from_task(&value).map(Self)
    }
}

/// The tasks of a verb on several.
pub(crate) fn tasks_of(tasks: Vec<TaskArg>) -> Vec<Task> {
    tasks.into_iter().map(|task| task.0).collect()
}

/// The tasks of a `fail_many`, each with its error.
pub(crate) fn with_errors(failed: Vec<(TaskArg, TaskErrorArg)>) -> Vec<(Task, TaskError)> {
    failed.into_iter().map(|(task, error)| (task.0, error.0)).collect()
}
