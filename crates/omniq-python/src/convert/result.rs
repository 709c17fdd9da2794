//! Results: `omniq.models.TaskResult`.

use omniq::{TaskId, TaskResult};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, intern};
use uuid::Uuid;

use super::fields::{field, given};
use super::imported::imported;
use super::json::{object_field, to_dict};
use super::payload::{payload_field, to_payload};
use super::small::{from_task_error, parsed, to_status, to_task_error};
use super::time::{POSITIVE, optional_datetime, span_field, time_field, to_datetime, to_timedelta};
use crate::convert::options::Convert;

pub(crate) fn to_result<'py>(
    py: Python<'py>,
    convert: Convert,
    result: &TaskResult,
) -> PyResult<Bound<'py, PyAny>> {
    let value = result.value.as_ref().map(|value| to_payload(py, convert, value)).transpose()?;
    let args = result.args.as_ref().map(|args| to_payload(py, convert, args)).transpose()?;
    let error = result.error.as_ref().map(|error| to_task_error(py, error)).transpose()?;
    let fields: [Bound<'py, PyAny>; 15] = [
        result.task_id.as_uuid().into_bound_py_any(py)?,
        to_status(py, result.status)?,
        value.into_bound_py_any(py)?,
        error.into_bound_py_any(py)?,
        result.queue.as_str().into_bound_py_any(py)?,
        result.func.as_str().into_bound_py_any(py)?,
        result.worker.as_deref().into_bound_py_any(py)?,
        result.attempt.into_bound_py_any(py)?,
        to_dict(py, &result.metadata)?,
        optional_datetime(py, result.enqueued_at)?.into_bound_py_any(py)?,
        optional_datetime(py, result.started_at)?.into_bound_py_any(py)?,
        to_datetime(py, result.finished_at)?,
        result.ttl.map(|span| to_timedelta(py, span)).transpose()?.into_bound_py_any(py)?,
        optional_datetime(py, result.expires_at)?.into_bound_py_any(py)?,
        args.into_bound_py_any(py)?,
    ];
    imported!(py, "omniq.models.result", "TaskResult")?.call1(PyTuple::new(py, fields)?)
}

pub(crate) fn from_result(value: &Bound<'_, PyAny>) -> PyResult<TaskResult> {
    let py = value.py();
    let id = TaskId::from(field::<Uuid>(value, intern!(py, "task_id"))?);
    let mut result = TaskResult::new(id, parsed("status", &value.getattr(intern!(py, "status"))?)?);
    result.value = payload_field(value, intern!(py, "payload"))?;
    result.error = given(value, intern!(py, "error"))?.map(|error| from_task_error(&error)).transpose()?;
    result.queue = field(value, intern!(py, "queue"))?;
    result.func = field(value, intern!(py, "func"))?;
    result.worker = field(value, intern!(py, "worker"))?;
    result.attempt = field(value, intern!(py, "attempt"))?;
    result.metadata = object_field(value, intern!(py, "metadata"))?;
    result.enqueued_at = time_field(value, intern!(py, "enqueued_at"))?;
    result.started_at = time_field(value, intern!(py, "started_at"))?;
    if let Some(time) = time_field(value, intern!(py, "finished_at"))? {
        result.finished_at = time;
    }
    result.ttl = span_field(value, intern!(py, "ttl"), POSITIVE)?;
    result.expires_at = time_field(value, intern!(py, "expires_at"))?;
    result.args = payload_field(value, intern!(py, "args_payload"))?;
    Ok(result)
}

/// A result as an argument.
pub(crate) struct ResultArg(pub(crate) TaskResult);

impl<'py> FromPyObject<'_, 'py> for ResultArg {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        from_result(&value).map(Self)
    }
}
