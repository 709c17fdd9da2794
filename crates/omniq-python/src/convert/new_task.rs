//! What is asked for: `omniq.models.NewTask`.

use omniq::{NewTask, TaskId, TaskUpdate};
use pyo3::prelude::*;
use pyo3::{intern, types::PyString};
use uuid::Uuid;

use super::json::{from_dict, object_field};
use super::payload::encode;
use super::small::from_backoff;
use super::time::{span_field, time_field};
use super::{field, given, imported};
use crate::answer::Convert;

/// Reads a task that is to be enqueued; what it does not say is as the core has it by default.
pub(crate) fn from_new_task(task: &Bound<'_, PyAny>, convert: Convert, codec: &str) -> PyResult<NewTask> {
    let py = task.py();
    let own: Option<String> = field(task, intern!(py, "codec"))?;
    let args = task.getattr(intern!(py, "args"))?;
    let payload = encode(&args, own.as_deref().unwrap_or(codec), convert)?;
    let mut new = NewTask::with_payload(field::<String>(task, intern!(py, "func"))?, payload);
    new.id = field::<Option<Uuid>>(task, intern!(py, "id"))?.map(TaskId::from);
    set(task, intern!(py, "queue"), &mut new.queue)?;
    set(task, intern!(py, "priority"), &mut new.priority)?;
    set(task, intern!(py, "max_retries"), &mut new.max_retries)?;
    new.run_at = time_field(task, intern!(py, "run_at"))?;
    new.delay = span_field(task, intern!(py, "delay"))?;
    new.ttl = span_field(task, intern!(py, "ttl"))?;
    new.timeout = span_field(task, intern!(py, "timeout"))?;
    new.backoff = given(task, intern!(py, "backoff"))?.map(|backoff| from_backoff(&backoff)).transpose()?;
    new.metadata = object_field(task, intern!(py, "metadata"))?;
    Ok(new)
}

/// Reads the changes to a task: `omniq.models.TaskUpdate`.
pub(crate) fn from_update(change: &Bound<'_, PyAny>, convert: Convert, codec: &str) -> PyResult<TaskUpdate> {
    let py = change.py();
    let own: Option<String> = field(change, intern!(py, "codec"))?;
    let args = change.getattr(intern!(py, "args"))?;
    let unset = args.is(imported!(py, "msgspec", "UNSET")?);
    let payload =
        if unset { None } else { Some(encode(&args, own.as_deref().unwrap_or(codec), convert)?) };
    let metadata = given(change, intern!(py, "metadata"))?;
    Ok(TaskUpdate {
        queue: field(change, intern!(py, "queue"))?,
        priority: field(change, intern!(py, "priority"))?,
        run_at: time_field(change, intern!(py, "run_at"))?,
        payload,
        max_retries: field(change, intern!(py, "max_retries"))?,
        metadata: metadata.map(|metadata| from_dict("metadata", &metadata)).transpose()?,
    })
}

fn set<'py, T>(task: &Bound<'py, PyAny>, name: &Bound<'py, PyString>, to: &mut T) -> PyResult<()>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    if let Some(value) = field::<Option<T>>(task, name)? {
        *to = value;
    }
    Ok(())
}
