//! What verbs answer, as Python sees it.

use omniq::{Task, TaskId};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// What a verb answers, still without Python.
pub(crate) enum Answer {
    None,
    Id(TaskId),
    Ids(Vec<TaskId>),
    Task(Option<Box<Task>>),
}

/// How answers become Python objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convert {
    /// Whether payloads may be decoded by pickle and dill.
    pub(crate) allow_pickle: bool,
}

impl Convert {
    pub(crate) fn run(self, py: Python<'_>, answer: Answer) -> PyResult<Py<PyAny>> {
        let _ = self.allow_pickle;
        match answer {
            Answer::None => Ok(py.None()),
            Answer::Id(id) => id.as_uuid().into_py_any(py),
            Answer::Ids(ids) => PyList::new(py, ids.iter().map(TaskId::as_uuid))?.into_py_any(py),
            Answer::Task(task) => task.map(|task| task.func).into_py_any(py),
        }
    }
}
