//! An event storage written in Python.

use async_trait::async_trait;
use jiff::Timestamp;
use omniq::port::Location;
use omniq::{EventFilter, EventStorage, Result, TaskEvent};
use pyo3::prelude::*;

use super::{Custom, named, positional};
use crate::convert::event::{EventArg, to_event};
use crate::convert::filter::to_event_filter;
use crate::convert::small::list_of;
use crate::convert::time::to_datetime;

/// An event storage written in Python.
#[derive(Debug, Clone)]
pub(crate) struct CustomEvents(pub(crate) Custom);

fn number(answer: &Bound<'_, PyAny>) -> PyResult<u64> {
    answer.extract()
}

#[async_trait]
impl EventStorage for CustomEvents {
    async fn log_many(&self, events: Vec<TaskEvent>) -> Result<()> {
        for event in &events {
            event.check()?;
        }
        let arguments =
            move |py: Python<'_>| positional(py, (list_of(py, &events, |event| to_event(py, event))?,));
        self.0.call("log_many", arguments, |_| Ok(())).await
    }

    async fn query(&self, filter: &EventFilter) -> Result<Vec<TaskEvent>> {
        let filter = filter.clone();
        let read = |answer: &Bound<'_, PyAny>| {
            Ok(answer.extract::<Vec<EventArg>>()?.into_iter().map(|event| event.0).collect())
        };
        self.0.call("query", move |py: Python<'_>| named(&to_event_filter(py, &filter)?, None), read).await
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64> {
        let filter = filter.clone();
        let known: &[&str] = &["task_id", "kind", "queue", "worker", "since", "until", "after"];
        let arguments = move |py: Python<'_>| named(&to_event_filter(py, &filter)?, Some(known));
        self.0.call("count", arguments, number).await
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let arguments = move |py: Python<'_>| positional(py, (to_datetime(py, before)?, limit));
        self.0.call("purge", arguments, number).await
    }

    async fn close(&self) -> Result<()> {
        self.0.call("close", |py| positional(py, ()), |_| Ok(())).await
    }

    fn location(&self) -> Location {
        self.0.location()
    }
}
