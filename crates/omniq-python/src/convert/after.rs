//! What a task runs after: the fields `after` and `if_failed` of `omniq.models.NewTask`, and the answer of `predecessors`.

use omniq::{After, Error, IfFailed, NewTask, Predecessors, TaskId};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{IntoPyObjectExt, intern};
use uuid::Uuid;

use super::fields::given;
use super::options::Convert;
use super::refusal::{beyond, refused};
use super::result::to_result;
use super::small::{list_of, task_ids};
use crate::error::to_py;

const HOWS: [(&str, IfFailed); 2] = [("end", IfFailed::End), ("run", IfFailed::Run)];

/// Reads the fields of a new task.
pub(crate) fn after_fields(value: &Bound<'_, PyAny>) -> PyResult<Option<After>> {
    let py = value.py();
    let if_failed =
        given(value, intern!(py, "if_failed"))?.map(|given| read_if_failed(&given)).transpose()?;
    let Some(given) = given(value, intern!(py, "after"))? else {
        return match if_failed {
            None => Ok(None),
            Some(_) => Err(to_py(
                py,
                Error::invalid(
                    "if_failed is given without after: it says what becomes of a task if one that it runs after does not complete",
                ),
            )),
        };
    };
    let ids: Vec<Uuid> =
        given.extract().map_err(|_| refused("after", &given, "give a tuple of the ids of tasks"))?;
    Ok(Some(After::new(task_ids(ids)).if_failed(if_failed.unwrap_or_default())))
}

fn read_if_failed(given: &Bound<'_, PyAny>) -> PyResult<IfFailed> {
    let remedy = "give \"end\" or \"run\"";
    let text: String = given.extract().map_err(|_| refused("if_failed", given, remedy))?;
    let how = HOWS.into_iter().find(|(name, _)| *name == text);
    how.map(|(_, how)| how).ok_or_else(|| beyond("if_failed", given, remedy))
}

/// Sets the fields of a new task, if it runs after others.
pub(crate) fn set_after(named: &Bound<'_, PyDict>, new: &NewTask) -> PyResult<()> {
    let Some(after) = &new.after else { return Ok(()) };
    let ids = PyTuple::new(named.py(), after.tasks.iter().map(TaskId::as_uuid))?;
    named.set_item("after", ids)?;
    let how = HOWS.into_iter().find(|(_, how)| *how == after.if_failed);
    named.set_item("if_failed", how.map(|(name, _)| name))
}

/// A list of pairs of an id and a result or `None`.
pub(crate) fn to_predecessors(py: Python<'_>, convert: Convert, found: &Predecessors) -> PyResult<Py<PyAny>> {
    list_of(py, found.iter(), |one| {
        let result = one.result.as_ref().map(|result| to_result(py, convert, result)).transpose()?;
        (one.task_id.as_uuid(), result).into_bound_py_any(py)
    })
}
