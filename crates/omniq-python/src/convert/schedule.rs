//! Schedules: `omniq.models.Schedule`. The core checks them.

use omniq::Timing;
use omniq::port::check_name;
use pyo3::prelude::*;
use pyo3::{intern, types::PyString};

use super::fields::field;
use super::imported::imported;
use super::refusal::refused;
use super::time::{POSITIVE, from_datetime, from_span, time_field};
use crate::error::to_py;

/// Raises the core's error if the schedule is invalid.
#[pyfunction]
pub(crate) fn check_schedule(schedule: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = schedule.py();
    let name: String = field(schedule, intern!(py, "name"))?;
    let timing = from_timing(&schedule.getattr(intern!(py, "timing"))?)?;
    check_name("schedule name", &name).and_then(|()| timing.check()).map_err(|error| to_py(py, error))?;
    time_field(schedule, intern!(py, "next_at"))?;
    time_field(schedule, intern!(py, "last_at"))?;
    Ok(())
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
