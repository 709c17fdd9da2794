//! The event storage: opening it, and its verbs.

use std::future::Future;
use std::sync::Arc;

use omniq::storage::memory::MemoryEventStorage;
use omniq::storage::postgres::AsyncPostgresEventStorage;
use omniq::{EventStorage, Result};
use pyo3::prelude::*;

use crate::answer::{Answer, statement};
use crate::convert::event::EventArg;
use crate::convert::filter::from_event_filter;
use crate::convert::options::Convert;
use crate::convert::time::from_datetime;
use crate::custom::{CustomEvents, Origin};
use crate::error::to_py;
use crate::pending::Pending;
use crate::settings::Settings;
use crate::slot::{MEMORY, Slot};

/// The content of an event storage's slot.
pub(crate) type AnyEvents = Arc<dyn EventStorage>;

/// An event storage. Every verb returns a `Pending`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Events {
    pub(crate) slot: Arc<Slot<AnyEvents>>,
}

/// Events hold no payloads.
const PLAIN: Convert = Convert { allow_pickle: false };

impl Events {
    fn verb<Fut>(
        &self,
        py: Python<'_>,
        verb: impl FnOnce(AnyEvents) -> Fut + Send + 'static,
    ) -> PyResult<Pending>
    where
        Fut: Future<Output = Result<Answer>> + Send,
    {
        let events = self.slot.get(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(PLAIN, async move { verb(events.await?).await }))
    }
}

#[pymethods]
impl Events {
    #[staticmethod]
    fn postgres(settings: &Bound<'_, Settings>) -> Self {
        let settings = settings.get().0.clone();
        let slot = Slot::new(move |_| {
            let settings = settings.clone();
            Ok(Box::pin(async move {
                Ok(Arc::new(AsyncPostgresEventStorage::with_settings(&settings).await?) as AnyEvents)
            }))
        });
        Self { slot }
    }

    #[staticmethod]
    fn memory() -> Self {
        Self { slot: Slot::given(Arc::new(MemoryEventStorage::new()) as AnyEvents, MEMORY) }
    }

    /// A storage that is written in Python, async or blocking.
    #[staticmethod]
    fn custom(object: &Bound<'_, PyAny>, is_async: bool) -> PyResult<Self> {
        let origin = Origin::new(object, is_async, false)?;
        let slot = Slot::bound(MEMORY, move |py| {
            let opened = CustomEvents(origin.open(py)?);
            Ok(Box::pin(async move { Ok(Arc::new(opened) as AnyEvents) }))
        });
        Ok(Self { slot })
    }

    fn log(&self, py: Python<'_>, event: EventArg) -> PyResult<Pending> {
        self.verb(py, |events| async move { events.log(event.0).await.map(|()| Answer::None) })
    }

    fn log_many(&self, py: Python<'_>, events: Vec<EventArg>) -> PyResult<Pending> {
        let logged = events.into_iter().map(|event| event.0).collect();
        self.verb(py, |events| async move { events.log_many(logged).await.map(|()| Answer::None) })
    }

    fn log_statement(&self, py: Python<'_>, events: Vec<EventArg>) -> PyResult<Pending> {
        let logged = events.into_iter().map(|event| event.0).collect();
        self.verb(py, |events| async move { statement(events.log_statement(logged).await) })
    }

    fn query(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_event_filter(filter)?;
        self.verb(py, |events| async move { events.query(&filter).await.map(Answer::Events) })
    }

    fn count(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_event_filter(filter)?;
        self.verb(py, |events| async move { events.count(&filter).await.map(Answer::Count) })
    }

    fn purge(&self, py: Python<'_>, before: &Bound<'_, PyAny>, limit: u32) -> PyResult<Pending> {
        let before = from_datetime("before", before)?;
        self.verb(py, move |events| async move { events.purge(before, limit).await.map(Answer::Count) })
    }

    /// Opens it, unless it is open.
    fn connect(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |_| async { Ok(Answer::None) })
    }

    fn close(&self, py: Python<'_>) -> PyResult<Pending> {
        let closing = self.slot.close(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(PLAIN, async move {
            if let Some(events) = closing.await {
                events.close().await?;
            }
            Ok(Answer::None)
        }))
    }
}
