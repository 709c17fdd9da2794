//! Settlements: `omniq.models.Settlement` and its `Outcome`.

use omniq::port::{Outcome, SettleMode, Settlement};
use omniq::{Error, TaskId};
use pyo3::prelude::*;
use pyo3::types::PyDelta;
use pyo3::{IntoPyObjectExt, intern};
use uuid::Uuid;

use super::event::{EventArg, to_event};
use super::fields::{field, given};
use super::imported::imported;
use super::new_task::{from_new_task, to_new_task};
use super::result::{from_result, to_result};
use super::small::{claim_field, from_task_error, list_of, to_claim, to_task_error};
use super::time::{SPAN, span_field, to_timedelta};
use crate::convert::options::Convert;
use crate::error::to_py;

fn to_outcome<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyAny>> {
    let (name, delay, error) = match outcome {
        Outcome::Complete => ("complete", None, None),
        Outcome::Fail { error } => ("fail", None, Some(error)),
        Outcome::RetryLater { delay, error } => ("retry_later", Some(*delay), error.as_ref()),
        Outcome::Release => ("release", None, None),
        Outcome::Snooze { delay } => ("snooze", Some(*delay), None),
        Outcome::Cancel => ("cancel", None, None),
        Outcome::Discard => ("discard", None, None),
        Outcome::Expire => ("expire", None, None),
        _ => {
            return Err(to_py(
                py,
                Error::internal("an outcome that this version of the package does not know"),
            ));
        }
    };
    let delay: Option<Bound<'py, PyDelta>> = delay.map(|delay| to_timedelta(py, delay)).transpose()?;
    let error = error.map(|error| to_task_error(py, error)).transpose()?;
    imported!(py, "omniq.models.settlement", "Outcome")?.call1((name, delay, error))
}

fn from_outcome(value: &Bound<'_, PyAny>) -> PyResult<Outcome> {
    let py = value.py();
    let kind: String = field(value, intern!(py, "kind"))?;
    let delay = span_field(value, intern!(py, "delay"), SPAN)?.unwrap_or_default();
    let error = given(value, intern!(py, "error"))?.map(|error| from_task_error(&error)).transpose()?;
    Ok(match (kind.as_str(), error) {
        ("complete", _) => Outcome::Complete,
        ("fail", Some(error)) => Outcome::Fail { error },
        ("fail", None) => return Err(to_py(py, Error::invalid("a failure needs its error"))),
        ("retry_later", error) => Outcome::RetryLater { delay, error },
        ("release", _) => Outcome::Release,
        ("snooze", _) => Outcome::Snooze { delay },
        ("cancel", _) => Outcome::Cancel,
        ("discard", _) => Outcome::Discard,
        ("expire", _) => Outcome::Expire,
        (other, _) => return Err(to_py(py, Error::invalid(format!("outcome {other:?} is unknown")))),
    })
}

pub(crate) fn to_settlement<'py>(
    py: Python<'py>,
    convert: Convert,
    settlement: &Settlement,
) -> PyResult<Bound<'py, PyAny>> {
    let claim = settlement.claim.map(|claim| to_claim(py, claim)).transpose()?;
    let result = settlement.result.as_ref().map(|result| to_result(py, convert, result)).transpose()?;
    let events = list_of(py, &settlement.events, |event| to_event(py, event))?;
    let outcome = to_outcome(py, &settlement.outcome)?;
    let id = settlement.task_id.as_uuid().into_bound_py_any(py)?;
    let enqueues = list_of(py, &settlement.enqueues, |task| to_new_task(py, convert, task))?;
    imported!(py, "omniq.models.settlement", "Settlement")?
        .call1((id, claim, outcome, result, events, enqueues))
}

/// A settlement as an argument.
pub(crate) struct SettlementArg(pub(crate) Settlement);

impl<'py> FromPyObject<'_, 'py> for SettlementArg {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = value.py();
        let events: Vec<EventArg> = field(&value, intern!(py, "events"))?;
        let enqueues = value.getattr(intern!(py, "enqueues"))?.try_iter()?;
        let plain = Convert { allow_pickle: false };
        let enqueues =
            enqueues.map(|task| from_new_task(&task?, plain, "json")).collect::<PyResult<Vec<_>>>()?;
        Ok(Self(Settlement {
            task_id: TaskId::from(field::<Uuid>(&value, intern!(py, "task_id"))?),
            claim: claim_field(&value)?,
            outcome: from_outcome(&value.getattr(intern!(py, "outcome"))?)?,
            result: given(&value, intern!(py, "result"))?.map(|result| from_result(&result)).transpose()?,
            events: events.into_iter().map(|event| event.0).collect(),
            enqueues,
        }))
    }
}

pub(crate) fn batch_of(batch: Vec<SettlementArg>) -> Vec<Settlement> {
    batch.into_iter().map(|settlement| settlement.0).collect()
}

pub(crate) fn mode_of(all: bool) -> SettleMode {
    if all { SettleMode::All } else { SettleMode::Each }
}
