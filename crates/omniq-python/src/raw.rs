//! Statements that another driver executes on the user's connection.

use omniq::storage::postgres::RawEnqueue;
use omniq::{NewTask, TaskId};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use uuid::Uuid;

use crate::database_id::DatabaseId;
use crate::error::to_py;

/// A statement, its parameters, and the ids of its tasks.
pub(crate) type RawStatement = (String, Vec<Py<PyAny>>, Vec<Uuid>);

/// Tasks that were converted once, for an enqueue inside the user's transaction: a codec may take a value that can be read only once, and
/// a value may change before the statement is made.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct NewTasks(pub(crate) Vec<NewTask>);

#[pymethods]
impl NewTasks {
    /// The statement with which another driver adds them to the queue in this database.
    fn raw_enqueue(&self, py: Python<'_>, database: &DatabaseId) -> PyResult<RawStatement> {
        enqueue(py, database, self.0.clone())
    }
}

/// The statement that adds these tasks to the queue in this database, with its 15 parameters.
pub(crate) fn enqueue(py: Python<'_>, database: &DatabaseId, tasks: Vec<NewTask>) -> PyResult<RawStatement> {
    let call = RawEnqueue::new(database.0.clone(), tasks).map_err(|error| to_py(py, error))?;
    let columns = call.params();
    let payloads: Vec<_> = columns.payloads.iter().map(|bytes| PyBytes::new(py, bytes)).collect();
    let parameters = [
        columns.ids.into_py_any(py)?,
        columns.queues.into_py_any(py)?,
        columns.funcs.into_py_any(py)?,
        columns.codecs.into_py_any(py)?,
        payloads.into_py_any(py)?,
        columns.priorities.into_py_any(py)?,
        columns.max_retries.into_py_any(py)?,
        columns.run_ats.into_py_any(py)?,
        columns.delays.into_py_any(py)?,
        columns.ttls.into_py_any(py)?,
        columns.options.into_py_any(py)?,
        columns.metadata.into_py_any(py)?,
        columns.chosen.into_py_any(py)?,
        columns.database.into_py_any(py)?,
        columns.server.into_py_any(py)?,
    ];
    let ids = call.ids.iter().map(TaskId::as_uuid).collect();
    Ok((call.sql, parameters.into_iter().collect(), ids))
}
