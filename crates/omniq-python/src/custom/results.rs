//! A result storage written in Python.

use std::time::Duration;

use async_trait::async_trait;
use omniq::port::Location;
use omniq::{Result, ResultFilter, ResultStorage, TaskId, TaskResult};
use pyo3::prelude::*;

use super::{Custom, named, positional};
use crate::convert::filter::to_result_filter;
use crate::convert::result::{ResultArg, from_result, to_result};
use crate::convert::small::list_of;
use crate::convert::time::to_timedelta;

/// A result storage written in Python.
#[derive(Debug, Clone)]
pub(crate) struct CustomResults(pub(crate) Custom);

fn number(answer: &Bound<'_, PyAny>) -> PyResult<u64> {
    answer.extract()
}

fn uuids(ids: &[TaskId]) -> Vec<uuid::Uuid> {
    ids.iter().map(TaskId::as_uuid).collect()
}

#[async_trait]
impl ResultStorage for CustomResults {
    async fn store_many(&self, results: Vec<TaskResult>) -> Result<()> {
        let results = results.into_iter().map(TaskResult::checked).collect::<Result<Vec<_>>>()?;
        let convert = self.0.convert();
        let arguments = move |py: Python<'_>| {
            positional(py, (list_of(py, &results, |result| to_result(py, convert, result))?,))
        };
        self.0.call("store_many", arguments, |_| Ok(())).await
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>> {
        let ids = uuids(ids);
        let read = |answer: &Bound<'_, PyAny>| {
            let found: Vec<Option<ResultArg>> = answer.extract()?;
            Ok(found.into_iter().map(|found| found.map(|found| found.0)).collect())
        };
        self.0.call("get_many", move |py| positional(py, (ids,)), read).await
    }

    async fn wait(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        let arguments = move |py: Python<'_>| positional(py, (id.as_uuid(), to_timedelta(py, timeout)?));
        self.0.call("wait", arguments, from_result).await
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<u64> {
        let ids = uuids(ids);
        self.0.call("delete_many", move |py| positional(py, (ids,)), number).await
    }

    async fn list(&self, filter: &ResultFilter) -> Result<Vec<TaskResult>> {
        let filter = filter.clone();
        let read = |answer: &Bound<'_, PyAny>| {
            Ok(answer.extract::<Vec<ResultArg>>()?.into_iter().map(|result| result.0).collect())
        };
        self.0.call("list", move |py: Python<'_>| named(&to_result_filter(py, &filter)?, None), read).await
    }

    async fn count(&self, filter: &ResultFilter) -> Result<u64> {
        let filter = filter.clone();
        let arguments = move |py: Python<'_>| {
            named(
                &to_result_filter(py, &filter)?,
                Some(&["status", "queue", "func", "error", "since", "until"]),
            )
        };
        self.0.call("count", arguments, number).await
    }

    async fn purge_expired(&self, limit: u32) -> Result<u64> {
        self.0.call("purge_expired", move |py| positional(py, (limit,)), number).await
    }

    async fn close(&self) -> Result<()> {
        self.0.call("close", |py| positional(py, ()), |_| Ok(())).await
    }

    fn location(&self) -> Location {
        self.0.location()
    }
}
