//! Registered workers: `omniq.models.RegisteredWorker`.

use omniq::RegisteredWorker;
use omniq::port::WorkerInfo;
use pyo3::prelude::*;

use super::imported::imported;
use super::time::{to_datetime, to_timedelta};

pub(crate) fn to_registered_worker<'py>(
    py: Python<'py>,
    worker: &RegisteredWorker,
) -> PyResult<Bound<'py, PyAny>> {
    let WorkerInfo { name, queues, lease, host, version, funcs, slots } = &worker.info;
    let made = (
        (worker.id.0, name, host, version, queues, funcs, *slots, worker.used),
        to_timedelta(py, *lease)?,
        to_datetime(py, worker.started_at)?,
        to_datetime(py, worker.lease_ends_at)?,
        worker.lost,
    );
    imported!(py, "omniq.models.worker", "make_registered_worker")?.call1(made)
}
