//! Events: `omniq.models.TaskEvent`.

use std::borrow::Cow;

use omniq::{EventKind, TaskEvent, TaskId};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, intern};
use uuid::Uuid;

use super::fields::field;
use super::imported::imported;
use super::json::{object_field, to_dict};
use super::refusal::Wanted;
use super::small::parsed;
use super::time::{time_field, to_datetime};

/// A known kind becomes a member of the enum, any other a plain text.
fn to_kind<'py>(py: Python<'py>, kind: &EventKind) -> PyResult<Bound<'py, PyAny>> {
    match kind {
        EventKind::Custom(name) => name.into_bound_py_any(py),
        known => imported!(py, "omniq.models.enums", "EventKind")?.call1((known.name(),)),
    }
}

pub(crate) fn to_event<'py>(py: Python<'py>, event: &TaskEvent) -> PyResult<Bound<'py, PyAny>> {
    let fields: [Bound<'py, PyAny>; 9] = [
        to_kind(py, &event.kind)?,
        event.task_id.map(|id| id.as_uuid()).into_bound_py_any(py)?,
        event.queue.as_deref().into_bound_py_any(py)?,
        event.func.as_deref().into_bound_py_any(py)?,
        event.worker.as_deref().into_bound_py_any(py)?,
        event.attempt.into_bound_py_any(py)?,
        to_dict(py, &event.data)?,
        to_datetime(py, event.at)?,
        event.id.into_bound_py_any(py)?,
    ];
    imported!(py, "omniq.models.event", "TaskEvent")?.call1(PyTuple::new(py, fields)?)
}

pub(crate) fn from_event(value: &Bound<'_, PyAny>) -> PyResult<TaskEvent> {
    let py = value.py();
    let mut event = TaskEvent::new(parsed("kind", &value.getattr(intern!(py, "kind"))?)?);
    event.task_id = field::<Option<Uuid>>(value, intern!(py, "task_id"))?.map(TaskId::from);
    event.queue = field(value, intern!(py, "queue"))?;
    event.func = field(value, intern!(py, "func"))?;
    event.worker = field(value, intern!(py, "worker"))?;
    event.attempt = field(value, intern!(py, "attempt"))?;
    event.data = object_field(value, intern!(py, "data"))?;
    if let Some(time) = time_field(value, intern!(py, "at"))? {
        event.at = time;
    }
    event.id = field(value, intern!(py, "id"))?;
    Ok(event)
}

/// An event as an argument.
pub(crate) struct EventArg(pub(crate) TaskEvent);

impl<'py> FromPyObject<'_, 'py> for EventArg {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        from_event(&value).map(Self)
    }
}

impl Wanted for Vec<EventArg> {
    fn remedy() -> Cow<'static, str> {
        "give a list of TaskEvent".into()
    }
}
