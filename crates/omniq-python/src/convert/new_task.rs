//! Tasks to enqueue, and changes to tasks: `omniq.models.NewTask` and `omniq.models.TaskUpdate`.

use omniq::{Codec, NewTask, Payload, TaskId, TaskUpdate};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{intern, types::PyString};
use uuid::Uuid;

use super::after::{after_fields, set_after};
use super::callback::{callbacks_field, to_callbacks};
use super::fields::{PRIORITY, RETRIES, field, given, integer};
use super::imported::imported;
use super::json::{from_dict, object_field, to_dict};
use super::payload::{encode, to_payload};
use super::refusal::Wanted;
use super::small::{from_backoff, to_backoff};
use super::time::{POSITIVE, SPAN, optional_datetime, span_field, time_field, to_datetime, to_timedelta};
use super::unique::{to_unique, unique_field};
use crate::convert::options::Convert;
use crate::error::to_py;

/// Reads a task to enqueue. Options that it does not set keep the core's defaults.
pub(crate) fn from_new_task(task: &Bound<'_, PyAny>, convert: Convert, codec: &str) -> PyResult<NewTask> {
    let py = task.py();
    let own: Option<String> = field(task, intern!(py, "codec"))?;
    let args = task.getattr(intern!(py, "args"))?;
    with_payload(task, encode(&args, own.as_deref().unwrap_or(codec), convert)?)
}

/// The same with these arguments in place of its own.
pub(crate) fn with_payload(task: &Bound<'_, PyAny>, payload: Payload) -> PyResult<NewTask> {
    let py = task.py();
    let mut new = NewTask::with_payload(field::<String>(task, intern!(py, "func"))?, payload);
    new.id = field::<Option<Uuid>>(task, intern!(py, "id"))?.map(TaskId::from);
    set(task, intern!(py, "queue"), &mut new.queue)?;
    if let Some(priority) = integer(task, intern!(py, "priority"), PRIORITY)? {
        new.priority = priority;
    }
    if let Some(retries) = integer(task, intern!(py, "max_retries"), RETRIES)? {
        new.max_retries = retries;
    }
    new.run_at = time_field(task, intern!(py, "run_at"))?;
    new.delay = span_field(task, intern!(py, "delay"), SPAN)?;
    new.ttl = span_field(task, intern!(py, "ttl"), POSITIVE)?;
    new.timeout = span_field(task, intern!(py, "timeout"), POSITIVE)?;
    new.backoff = given(task, intern!(py, "backoff"))?.map(|backoff| from_backoff(&backoff)).transpose()?;
    new.metadata = object_field(task, intern!(py, "metadata"))?;
    new.callbacks = callbacks_field(task)?;
    new.unique = unique_field(task)?;
    new.after = after_fields(task)?;
    Ok(new)
}

/// Reads the changes to a task: `omniq.models.TaskUpdate`.
pub(crate) fn from_update(change: &Bound<'_, PyAny>, convert: Convert, codec: &str) -> PyResult<TaskUpdate> {
    let py = change.py();
    let own: Option<String> = field(change, intern!(py, "codec"))?;
    if let Some(codec) = &own {
        // Checked also if there are no arguments to encode.
        codec.parse::<Codec>().map_err(|error| to_py(py, error))?;
    }
    let args = change.getattr(intern!(py, "args"))?;
    let unset = args.is(imported!(py, "msgspec", "UNSET")?);
    let payload = if unset { None } else { Some(encode(&args, own.as_deref().unwrap_or(codec), convert)?) };
    let metadata = given(change, intern!(py, "metadata"))?;
    Ok(TaskUpdate {
        queue: field(change, intern!(py, "queue"))?,
        priority: integer(change, intern!(py, "priority"), PRIORITY)?,
        run_at: time_field(change, intern!(py, "run_at"))?,
        payload,
        max_retries: integer(change, intern!(py, "max_retries"), RETRIES)?,
        metadata: metadata.map(|metadata| from_dict("metadata", &metadata)).transpose()?,
    })
}

/// A task to enqueue, with its arguments as a payload. Options that were not set have the core's defaults.
pub(crate) fn to_new_task<'py>(
    py: Python<'py>,
    convert: Convert,
    new: &NewTask,
) -> PyResult<Bound<'py, PyAny>> {
    let named = PyDict::new(py);
    named.set_item("id", new.id.map(|id| id.as_uuid()))?;
    named.set_item("queue", &new.queue)?;
    named.set_item("priority", new.priority)?;
    named.set_item("run_at", optional_datetime(py, new.run_at)?)?;
    for (name, span) in [("delay", new.delay), ("ttl", new.ttl), ("timeout", new.timeout)] {
        named.set_item(name, span.map(|span| to_timedelta(py, span)).transpose()?)?;
    }
    named.set_item("max_retries", new.max_retries)?;
    named.set_item("backoff", new.backoff.as_ref().map(|backoff| to_backoff(py, backoff)).transpose()?)?;
    named.set_item("metadata", to_dict(py, &new.metadata)?)?;
    named.set_item("codec", new.payload.codec().name())?;
    named.set_item("callbacks", to_callbacks(py, &new.callbacks)?)?;
    named.set_item("unique", to_unique(py, new.unique.as_ref())?)?;
    set_after(&named, new)?;
    let head = (&new.func, to_payload(py, convert, &new.payload)?);
    imported!(py, "omniq.models.task", "NewTask")?.call(head, Some(&named))
}

/// The changes that were given, as keyword arguments.
pub(crate) fn to_changes<'py>(
    py: Python<'py>,
    convert: Convert,
    change: &TaskUpdate,
) -> PyResult<Bound<'py, PyDict>> {
    let named = PyDict::new(py);
    if let Some(queue) = &change.queue {
        named.set_item("queue", queue)?;
    }
    if let Some(priority) = change.priority {
        named.set_item("priority", priority)?;
    }
    if let Some(time) = change.run_at {
        named.set_item("run_at", to_datetime(py, time)?)?;
    }
    if let Some(payload) = &change.payload {
        named.set_item("args", to_payload(py, convert, payload)?)?;
    }
    if let Some(retries) = change.max_retries {
        named.set_item("max_retries", retries)?;
    }
    if let Some(metadata) = &change.metadata {
        named.set_item("metadata", to_dict(py, metadata)?)?;
    }
    Ok(named)
}

fn set<'py, T>(task: &Bound<'py, PyAny>, name: &Bound<'py, PyString>, to: &mut T) -> PyResult<()>
where
    T: for<'a> FromPyObject<'a, 'py> + Wanted,
{
    if let Some(value) = field::<Option<T>>(task, name)? {
        *to = value;
    }
    Ok(())
}
