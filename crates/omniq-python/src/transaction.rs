//! Statements for transactions of the user, which Python sends on the user's connection.

use omniq::port::{DatabaseId, TransactionStatement};
use omniq::{Error, Limits, NewTask, Result, TaskId, TaskQueue, TaskState, check_after};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use uuid::Uuid;

use crate::convert::small::{list_of, to_state};

/// Tasks that are to be enqueued with the user's transaction, converted once: at the time of the call.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct NewTasks(pub(crate) Vec<NewTask>);

#[pymethods]
impl NewTasks {
    /// The same tasks with ids, new ones for those that have none, and the ids.
    fn with_ids(&self) -> (Self, Vec<Uuid>) {
        let mut tasks = self.0.clone();
        let ids = tasks.iter_mut().map(|task| task.own_id().as_uuid()).collect();
        (Self(tasks), ids)
    }
}

/// Refuses tasks that break the limits, and ids that the queue has.
pub(crate) async fn check_new(queue: &dyn TaskQueue, tasks: &[NewTask], max_payload: usize) -> Result<()> {
    let mut limits = Limits::default();
    limits.max_payload = max_payload;
    tasks.iter().try_for_each(|task| task.check(&limits))?;
    check_after(tasks)?;
    let ids: Vec<TaskId> = tasks.iter().filter_map(|task| task.id).collect();
    let held = queue.get_many(&ids).await?;
    match held.into_iter().flatten().next() {
        Some(task) => Err(Error::id_in_use(task.id)),
        None => Ok(()),
    }
}

/// A database as Python has it: its name, when its server was started, and the schema.
pub(crate) type DatabaseArg = (String, String, String);

pub(crate) fn database_id((database, server, schema): DatabaseArg) -> DatabaseId {
    DatabaseId { database, server, schema }
}

/// A statement, with what its verb returns if it was executed.
pub(crate) struct Statement {
    statement: TransactionStatement,
    returns: Returns,
}

enum Returns {
    Nothing,
    Ids(Vec<TaskId>),
    States(Vec<TaskState>),
}

impl From<TransactionStatement> for Statement {
    fn from(statement: TransactionStatement) -> Self {
        Self { statement, returns: Returns::Nothing }
    }
}

impl From<(TransactionStatement, Vec<TaskId>)> for Statement {
    fn from((statement, ids): (TransactionStatement, Vec<TaskId>)) -> Self {
        Self { statement, returns: Returns::Ids(ids) }
    }
}

impl From<(TransactionStatement, Vec<TaskState>)> for Statement {
    fn from((statement, states): (TransactionStatement, Vec<TaskState>)) -> Self {
        Self { statement, returns: Returns::States(states) }
    }
}

impl From<(TransactionStatement, TaskState)> for Statement {
    fn from((statement, state): (TransactionStatement, TaskState)) -> Self {
        (statement, vec![state]).into()
    }
}

impl Statement {
    /// The tuple that `omniq.transaction.send.Statement` is made of.
    pub(crate) fn to_py(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let TransactionStatement { sql, record, values, database } = &self.statement;
        let values = values.iter().map(|value| value.as_ref().map(|value| PyBytes::new(py, value)));
        let database = (&database.database, &database.server, &database.schema);
        let returns = match &self.returns {
            Returns::Nothing => py.None(),
            Returns::Ids(ids) => PyList::new(py, ids.iter().map(TaskId::as_uuid))?.into_py_any(py)?,
            Returns::States(states) => list_of(py, states.clone(), |state| to_state(py, state))?,
        };
        (sql, record, PyList::new(py, values.collect::<Vec<_>>())?, database, returns).into_py_any(py)
    }
}
