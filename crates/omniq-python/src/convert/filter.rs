//! Filters: the structs of `omniq.models.filter`, which the Python methods fill from their arguments. They do not implement
//! `FromPyObject`: PyO3's errors would name the parameter `filter`, and users know only the fields.

use jiff::Timestamp;
use omniq::{EventFilter, ResultFilter, ScheduleFilter, TaskFilter, TaskId};
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{IntoPyObjectExt, intern};
use uuid::Uuid;

use super::fields::{field, given};
use super::imported::imported;
use super::refusal::{misread, refused};
use super::small::{parsed, to_state, to_status};
use super::time::{from_datetime, optional_datetime, time_field};

fn parsed_field<'py, T: std::str::FromStr<Err = omniq::Error>>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<T>> {
    given(object, name)?.map(|value| parsed(name, &value)).transpose()
}

/// The filter of tasks.
pub(crate) fn from_task_filter(value: &Bound<'_, PyAny>) -> PyResult<TaskFilter> {
    let py = value.py();
    Ok(TaskFilter {
        queue: field(value, intern!(py, "queue"))?,
        state: parsed_field(value, intern!(py, "state"))?,
        func: field(value, intern!(py, "func"))?,
        error: field(value, intern!(py, "error"))?,
        since: time_field(value, intern!(py, "since"))?,
        until: time_field(value, intern!(py, "until"))?,
        max_seq: None,
        after: field::<Option<Uuid>>(value, intern!(py, "after"))?.map(TaskId::from),
        limit: field(value, intern!(py, "limit"))?,
    })
}

pub(crate) fn to_task_filter<'py>(py: Python<'py>, filter: &TaskFilter) -> PyResult<Bound<'py, PyAny>> {
    let state = filter.state.map(|state| to_state(py, state)).transpose()?;
    let after = filter.after.map(|id| id.as_uuid()).into_bound_py_any(py)?;
    let (since, until) = (optional_datetime(py, filter.since)?, optional_datetime(py, filter.until)?);
    let made = (&filter.queue, state, &filter.func, &filter.error, since, until, after, filter.limit);
    imported!(py, "omniq.models.filter", "TaskFilter")?.call1(made)
}

/// The filter of results.
pub(crate) fn from_result_filter(value: &Bound<'_, PyAny>) -> PyResult<ResultFilter> {
    let py = value.py();
    Ok(ResultFilter {
        status: parsed_field(value, intern!(py, "status"))?,
        queue: field(value, intern!(py, "queue"))?,
        func: field(value, intern!(py, "func"))?,
        error: field(value, intern!(py, "error"))?,
        since: time_field(value, intern!(py, "since"))?,
        until: time_field(value, intern!(py, "until"))?,
        after: given(value, intern!(py, "after"))?.map(|after| place_of(&after)).transpose()?,
        limit: field(value, intern!(py, "limit"))?,
    })
}

/// The position after which a page of results begins: time and id of the last result of the page before.
fn place_of(after: &Bound<'_, PyAny>) -> PyResult<(Timestamp, TaskId)> {
    let remedy = "give (finished_at, task_id) of the last result of the page before";
    let (time, id): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
        after.extract().map_err(|_| refused("after", after, remedy))?;
    let time = from_datetime("after[0]", &time)?;
    let id = id.extract::<Uuid>().map_err(|error| misread::<Uuid>("after[1]", &id, error))?;
    Ok((time, TaskId::from(id)))
}

pub(crate) fn to_result_filter<'py>(py: Python<'py>, filter: &ResultFilter) -> PyResult<Bound<'py, PyAny>> {
    let status = filter.status.map(|status| to_status(py, status)).transpose()?;
    let (since, until) = (optional_datetime(py, filter.since)?, optional_datetime(py, filter.until)?);
    let after = match filter.after {
        Some((time, id)) => Some((super::time::to_datetime(py, time)?, id.as_uuid())),
        None => None,
    };
    let made = (status, &filter.queue, &filter.func, &filter.error, since, until, after, filter.limit);
    imported!(py, "omniq.models.filter", "ResultFilter")?.call1(made)
}

/// The filter of schedules.
pub(crate) fn from_schedule_filter(value: &Bound<'_, PyAny>) -> PyResult<ScheduleFilter> {
    let py = value.py();
    Ok(ScheduleFilter {
        app: field(value, intern!(py, "app"))?,
        func: field(value, intern!(py, "func"))?,
        paused: field(value, intern!(py, "paused"))?,
        after: field(value, intern!(py, "after"))?,
        limit: field(value, intern!(py, "limit"))?,
    })
}

/// The filter of events.
pub(crate) fn from_event_filter(value: &Bound<'_, PyAny>) -> PyResult<EventFilter> {
    let py = value.py();
    Ok(EventFilter {
        task_id: field::<Option<Uuid>>(value, intern!(py, "task_id"))?.map(TaskId::from),
        kind: parsed_field(value, intern!(py, "kind"))?,
        queue: field(value, intern!(py, "queue"))?,
        worker: field(value, intern!(py, "worker"))?,
        since: time_field(value, intern!(py, "since"))?,
        until: time_field(value, intern!(py, "until"))?,
        after: field(value, intern!(py, "after"))?,
        latest: field(value, intern!(py, "latest"))?,
        limit: field(value, intern!(py, "limit"))?,
    })
}

pub(crate) fn to_event_filter<'py>(py: Python<'py>, filter: &EventFilter) -> PyResult<Bound<'py, PyAny>> {
    let id = filter.task_id.map(|id| id.as_uuid()).into_bound_py_any(py)?;
    let kind = filter.kind.as_ref().map(|kind| kind.name());
    let since = optional_datetime(py, filter.since)?;
    let until = optional_datetime(py, filter.until)?;
    let made =
        (id, kind, &filter.queue, &filter.worker, since, until, filter.after, filter.latest, filter.limit);
    imported!(py, "omniq.models.filter", "EventFilter")?.call1(made)
}
