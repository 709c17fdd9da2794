//! The small models: enums, backoff, error, claim, counts of a queue.

use std::ops::RangeInclusive;
use std::time::Duration;

use omniq::port::{Claim, Settled};
use omniq::{
    Backoff, CancelCounts, Cancelled, QueueStats, ResultStatus, TaskError, TaskId, TaskState, WorkerId,
};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple};
use pyo3::{IntoPyObjectExt, intern};
use uuid::Uuid;

use super::fields::{field, given};
use super::imported::imported;
use super::refusal::{beyond, misread, refused};
use super::text::Text;
use super::time::{SPAN, from_span};
use crate::error::to_py;

/// A member of an enum of `omniq.models.enums`, by its name.
macro_rules! member {
    ($py:expr, $class:literal, $name:expr) => {
        imported!($py, "omniq.models.enums", $class)?.call1(($name,))
    };
}

pub(crate) fn to_state(py: Python<'_>, state: TaskState) -> PyResult<Bound<'_, PyAny>> {
    member!(py, "TaskState", state.name())
}

pub(crate) fn to_status(py: Python<'_>, status: ResultStatus) -> PyResult<Bound<'_, PyAny>> {
    member!(py, "ResultStatus", status.name())
}

pub(crate) fn to_cancelled(py: Python<'_>, cancelled: Cancelled) -> PyResult<Bound<'_, PyAny>> {
    let name = match cancelled {
        Cancelled::Done => "done",
        Cancelled::Requested => "requested",
        Cancelled::NotFound => "not_found",
    };
    member!(py, "Cancelled", name)
}

pub(crate) fn to_cancel_counts(py: Python<'_>, counts: CancelCounts) -> PyResult<Bound<'_, PyAny>> {
    imported!(py, "omniq.models.worker", "CancelCounts")?.call1((counts.done, counts.requested))
}

pub(crate) fn to_settled(py: Python<'_>, settled: Settled) -> PyResult<Bound<'_, PyAny>> {
    let name = match settled {
        Settled::Done => "done",
        Settled::Lost => "lost",
        Settled::Busy => "busy",
    };
    member!(py, "Settled", name)
}

/// Reads a text, or a member of one of the enums, which is a text too. The core parses it.
pub(crate) fn parsed<T: std::str::FromStr<Err = omniq::Error>>(
    name: impl std::fmt::Display,
    value: &Bound<'_, PyAny>,
) -> PyResult<T> {
    let text: String = value.extract().map_err(|error| misread::<String>(name, value, error))?;
    text.parse().map_err(|error| to_py(value.py(), error))
}

pub(crate) fn to_backoff<'py>(py: Python<'py>, backoff: &Backoff) -> PyResult<Bound<'py, PyAny>> {
    if *backoff == Backoff::default() {
        return imported!(py, "omniq.models.backoff", "DEFAULT_BACKOFF").cloned();
    }
    let Backoff { initial, factor, step, max, waits, jitter } = backoff;
    let waits = PyTuple::new(py, waits.iter().map(Duration::as_secs_f64))?;
    let spans = [initial, step, max].map(Duration::as_secs_f64);
    imported!(py, "omniq.models.backoff", "make_backoff")?
        .call1((spans[0], *factor, spans[1], spans[2], waits, *jitter))
}

pub(crate) fn from_backoff(value: &Bound<'_, PyAny>) -> PyResult<Backoff> {
    let py = value.py();
    let span = |name: &str| -> PyResult<Duration> {
        from_span(&format!("backoff {name}"), &value.getattr(name)?, SPAN)
    };
    let number = |name: &Bound<'_, PyString>, range: RangeInclusive<f64>| -> PyResult<f64> {
        let given = value.getattr(name)?;
        let found = given.extract().ok();
        found.filter(|number| range.contains(number)).ok_or_else(|| {
            // An integer may be too large for a float.
            let is_number = found.is_some() || given.is_instance_of::<PyInt>();
            let error = if is_number { beyond } else { refused };
            let remedy = format!("give a number, {} to {}", range.start(), range.end());
            error(format!("backoff {name}"), &given, &remedy)
        })
    };
    Ok(Backoff {
        initial: span("initial")?,
        factor: number(intern!(py, "factor"), Backoff::FACTOR)?,
        step: span("step")?,
        max: span("max")?,
        waits: waits(&value.getattr(intern!(py, "waits"))?)?,
        jitter: number(intern!(py, "jitter"), Backoff::JITTER)?,
    })
}

/// Reads the waits of a backoff, which Python holds as a tuple.
fn waits(given: &Bound<'_, PyAny>) -> PyResult<Vec<Duration>> {
    let given =
        given.cast::<PyTuple>().map_err(|_| refused("backoff waits", given, "give a tuple of seconds"))?;
    given
        .iter()
        .enumerate()
        .map(|(place, wait)| from_span(&format!("backoff waits[{place}]"), &wait, SPAN))
        .collect()
}

/// Raises the core's error if the backoff is invalid.
#[pyfunction]
pub(crate) fn check_backoff(backoff: &Bound<'_, PyAny>) -> PyResult<()> {
    from_backoff(backoff)?.check().map_err(|error| to_py(backoff.py(), error))
}

pub(crate) fn to_task_error<'py>(py: Python<'py>, error: &TaskError) -> PyResult<Bound<'py, PyAny>> {
    imported!(py, "omniq.models.task", "TaskError")?.call1((&error.kind, &error.message, &error.trace))
}

pub(crate) fn from_task_error(value: &Bound<'_, PyAny>) -> PyResult<TaskError> {
    let py = value.py();
    let kind: Text = field(value, intern!(py, "type"))?;
    let made = TaskError::new(kind.0, field::<Text>(value, intern!(py, "message"))?.0);
    Ok(match field::<Option<Text>>(value, intern!(py, "trace"))? {
        Some(trace) => made.with_trace(trace.0),
        None => made,
    })
}

/// An error of a run as an argument.
pub(crate) struct TaskErrorArg(pub(crate) TaskError);

impl<'py> FromPyObject<'_, 'py> for TaskErrorArg {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        from_task_error(&value).map(Self)
    }
}

pub(crate) fn to_claim(py: Python<'_>, claim: Claim) -> PyResult<Bound<'_, PyAny>> {
    imported!(py, "omniq.models.task", "Claim")?.call1((claim.worker.0, claim.number))
}

pub(crate) fn claim_field(object: &Bound<'_, PyAny>) -> PyResult<Option<Claim>> {
    let py = object.py();
    let Some(value) = given(object, intern!(py, "claim"))? else { return Ok(None) };
    if !value.is_instance(imported!(py, "omniq.models.task", "Claim")?)? {
        return Err(refused("claim", &value, "give the Claim of the task that was dequeued"));
    }
    let worker = WorkerId(field(&value, intern!(py, "worker"))?);
    Ok(Some(Claim { worker, number: field(&value, intern!(py, "number"))? }))
}

pub(crate) fn to_stats<'py>(py: Python<'py>, stats: &QueueStats) -> PyResult<Bound<'py, PyAny>> {
    let QueueStats { name, paused, ready, scheduled, running, dead, completed, blocked } = stats;
    imported!(py, "omniq.models.event", "QueueStats")?
        .call1((name, *paused, *ready, *scheduled, *running, *dead, *completed, *blocked))
}

pub(crate) fn from_stats(value: &Bound<'_, PyAny>) -> PyResult<QueueStats> {
    let py = value.py();
    Ok(QueueStats {
        name: field(value, intern!(py, "name"))?,
        paused: field(value, intern!(py, "paused"))?,
        ready: field(value, intern!(py, "ready"))?,
        scheduled: field(value, intern!(py, "scheduled"))?,
        running: field(value, intern!(py, "running"))?,
        dead: field(value, intern!(py, "dead"))?,
        completed: field(value, intern!(py, "completed"))?,
        blocked: field(value, intern!(py, "blocked"))?,
    })
}

/// Reads a custom storage's list of answers to a cancel.
pub(crate) fn read_cancelled(answer: &Bound<'_, PyAny>) -> PyResult<Vec<Cancelled>> {
    let names: Vec<String> = answer.extract()?;
    let read = |name: &String| match name.as_str() {
        "done" => Ok(Cancelled::Done),
        "requested" => Ok(Cancelled::Requested),
        "not_found" => Ok(Cancelled::NotFound),
        _ => Err(unknown(answer.py(), name)),
    };
    names.iter().map(read).collect()
}

/// Reads a custom storage's list of answers to settlements.
pub(crate) fn read_settled(answer: &Bound<'_, PyAny>) -> PyResult<Vec<Settled>> {
    let names: Vec<String> = answer.extract()?;
    let read = |name: &String| match name.as_str() {
        "done" => Ok(Settled::Done),
        "lost" => Ok(Settled::Lost),
        "busy" => Ok(Settled::Busy),
        _ => Err(unknown(answer.py(), name)),
    };
    names.iter().map(read).collect()
}

fn unknown(py: Python<'_>, name: &str) -> PyErr {
    to_py(py, omniq::Error::internal(format!("a storage written in Python gave the unknown answer {name:?}")))
}

/// A Python list with the result of `make` for each item.
pub(crate) fn list_of<'py, T>(
    py: Python<'py>,
    items: impl IntoIterator<Item = T>,
    make: impl Fn(T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Py<PyAny>> {
    items.into_iter().map(make).collect::<PyResult<Vec<_>>>()?.into_py_any(py)
}

pub(crate) fn task_ids(ids: Vec<Uuid>) -> Vec<TaskId> {
    ids.into_iter().map(TaskId::from).collect()
}
