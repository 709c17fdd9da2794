//! Schedules: `omniq.models.Schedule`, `SavedSchedule` and `Tick`. The core checks them.

use omniq::{Codec, Error, Limits, Missed, NewTask, Payload, SavedSchedule, Schedule, Tick, Timing};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString, PyTuple};
use pyo3::{IntoPyObjectExt, intern};

use super::fields::{field, integer};
use super::imported::imported;
use super::new_task::{from_new_task, to_new_task, with_payload};
use super::options::Convert;
use super::refusal::{beyond, refused};
use super::time::{
    POSITIVE, SPAN, from_datetime, from_span, optional_datetime, span_field, time_field, to_datetime,
    to_timedelta,
};
use crate::error::to_py;

/// How many of the latest missed ticks `"all"` stands for.
const ALL: u32 = 100;
const MISSED: &str = "give \"skip\", \"once\", \"all\", or how many of the latest: 1 to 10000";

/// Raises the core's error if the schedule is invalid. The arguments of its task are encoded and checked when it is saved.
#[pyfunction]
pub(crate) fn check_schedule(schedule: &Bound<'_, PyAny>) -> PyResult<()> {
    let task = with_payload(&task_of(schedule)?, Payload::new(Codec::Json, b"null".to_vec()))?;
    let made = with_task(schedule, task)?;
    made.check(&Limits::default()).map_err(|error| to_py(schedule.py(), error))
}

/// Reads a schedule; its task as one to enqueue.
pub(crate) fn from_schedule(value: &Bound<'_, PyAny>, convert: Convert, codec: &str) -> PyResult<Schedule> {
    with_task(value, from_new_task(&task_of(value)?, convert, codec)?)
}

fn task_of<'py>(schedule: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = schedule.py();
    let task = schedule.getattr(intern!(py, "task"))?;
    if !task.is_instance(imported!(py, "omniq.models.task", "NewTask")?)? {
        return Err(refused("task", &task, "give a NewTask"));
    }
    Ok(task)
}

fn with_task(value: &Bound<'_, PyAny>, task: NewTask) -> PyResult<Schedule> {
    let py = value.py();
    let name: String = field(value, intern!(py, "name"))?;
    let timing = from_timing(&value.getattr(intern!(py, "timing"))?)?;
    let mut schedule = Schedule::new(name, timing, task).map_err(|error| to_py(py, error))?;
    schedule.missed = from_missed(&value.getattr(intern!(py, "missed"))?)?;
    schedule.grace = from_span("grace", &value.getattr(intern!(py, "grace"))?, SPAN)?;
    schedule.jitter = span_field(value, intern!(py, "jitter"), POSITIVE)?;
    schedule.overlap = field(value, intern!(py, "overlap"))?;
    schedule.max_runs = integer(value, intern!(py, "max_runs"), 1..=i64::MAX)?;
    schedule.starts_at = time_field(value, intern!(py, "starts_at"))?;
    schedule.ends_at = time_field(value, intern!(py, "ends_at"))?;
    Ok(schedule)
}

fn from_timing(timing: &Bound<'_, PyAny>) -> PyResult<Timing> {
    let py = timing.py();
    if timing.is_instance(imported!(py, "omniq.models.schedule", "Cron")?)? {
        let text = |name: &Bound<'_, PyString>| field::<String>(timing, name);
        return Ok(Timing::Cron {
            expression: text(intern!(py, "expression"))?,
            time_zone: text(intern!(py, "time_zone"))?,
        });
    }
    if timing.is_instance(imported!(py, "omniq.models.schedule", "Every")?)? {
        return from_span("interval", &timing.getattr(intern!(py, "interval"))?, POSITIVE).map(Timing::Every);
    }
    if timing.is_instance(imported!(py, "omniq.models.schedule", "At")?)? {
        return from_datetime("time", &timing.getattr(intern!(py, "time"))?).map(Timing::At);
    }
    Err(refused("timing", timing, "give Cron, Every or At"))
}

fn from_missed(value: &Bound<'_, PyAny>) -> PyResult<Missed> {
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        let most = value.extract::<u32>().ok().filter(|most| (1..=10_000).contains(most));
        return most.map(Missed::All).ok_or_else(|| beyond("missed", value, MISSED));
    }
    let Ok(name) = value.extract::<String>() else { return Err(refused("missed", value, MISSED)) };
    match name.as_str() {
        "skip" => Ok(Missed::Skip),
        "once" => Ok(Missed::Once),
        "all" => Ok(Missed::All(ALL)),
        _ => Err(beyond("missed", value, MISSED)),
    }
}

fn to_missed(py: Python<'_>, missed: Missed) -> PyResult<Bound<'_, PyAny>> {
    match missed {
        Missed::Skip => "skip".into_bound_py_any(py),
        Missed::Once => "once".into_bound_py_any(py),
        Missed::All(ALL) => "all".into_bound_py_any(py),
        Missed::All(most) => most.into_bound_py_any(py),
        _ => Err(newer(py)),
    }
}

fn to_timing<'py>(py: Python<'py>, timing: &Timing) -> PyResult<Bound<'py, PyAny>> {
    match timing {
        Timing::Cron { expression, time_zone } => {
            imported!(py, "omniq.models.schedule", "Cron")?.call1((expression, time_zone))
        }
        Timing::Every(span) => {
            imported!(py, "omniq.models.schedule", "Every")?.call1((to_timedelta(py, *span)?,))
        }
        Timing::At(time) => imported!(py, "omniq.models.schedule", "At")?.call1((to_datetime(py, *time)?,)),
        _ => Err(newer(py)),
    }
}

fn newer(py: Python<'_>) -> PyErr {
    to_py(py, Error::internal("a schedule of a newer kind cannot be read by this version"))
}

pub(crate) fn to_saved_schedule<'py>(
    py: Python<'py>,
    convert: Convert,
    saved: &SavedSchedule,
) -> PyResult<Bound<'py, PyAny>> {
    let schedule = &saved.schedule;
    let definition: [Bound<'py, PyAny>; 10] = [
        schedule.name.as_str().into_bound_py_any(py)?,
        to_timing(py, &schedule.timing)?,
        to_new_task(py, convert, &schedule.task)?,
        to_missed(py, schedule.missed)?,
        to_timedelta(py, schedule.grace)?.into_any(),
        schedule.jitter.map(|span| to_timedelta(py, span)).transpose()?.into_bound_py_any(py)?,
        schedule.overlap.into_bound_py_any(py)?,
        schedule.max_runs.into_bound_py_any(py)?,
        optional_datetime(py, schedule.starts_at)?.into_bound_py_any(py)?,
        optional_datetime(py, schedule.ends_at)?.into_bound_py_any(py)?,
    ];
    let known = PyDict::new(py);
    known.set_item("app", &saved.app)?;
    known.set_item("version", saved.version)?;
    known.set_item("created_at", to_datetime(py, saved.created_at)?)?;
    known.set_item("next_at", optional_datetime(py, saved.next_at)?)?;
    known.set_item("last_at", optional_datetime(py, saved.last_at)?)?;
    known.set_item("last_task", saved.last_task.map(|id| id.as_uuid()))?;
    known.set_item("runs", saved.runs)?;
    known.set_item("paused_at", optional_datetime(py, saved.paused_at)?)?;
    imported!(py, "omniq.models.schedule", "SavedSchedule")?.call(PyTuple::new(py, definition)?, Some(&known))
}

pub(crate) fn to_tick<'py>(py: Python<'py>, tick: &Tick) -> PyResult<Bound<'py, PyAny>> {
    let Tick { schedule, at, manual, task_id, skipped, .. } = tick;
    let made = (schedule, to_datetime(py, *at)?, *manual, task_id.map(|id| id.as_uuid()), skipped);
    imported!(py, "omniq.models.schedule", "Tick")?.call1(made)
}
