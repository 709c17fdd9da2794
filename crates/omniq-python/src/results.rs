//! The result storage: opening it, and its verbs.

use std::future::Future;
use std::sync::Arc;

use omniq::storage::memory::MemoryResultStorage;
use omniq::storage::postgres::AsyncPostgresResultStorage;
use omniq::{Result, ResultStorage};
use pyo3::prelude::*;
use uuid::Uuid;

use crate::answer::{Answer, statement};
use crate::convert::filter::from_result_filter;
use crate::convert::options::Convert;
use crate::convert::result::ResultArg;
use crate::convert::small::task_ids;
use crate::convert::time::Span;
use crate::custom::{CustomResults, Origin};
use crate::error::to_py;
use crate::pending::Pending;
use crate::settings::Settings;
use crate::slot::{MEMORY, Slot};

/// The content of a result storage's slot.
pub(crate) type AnyResults = Arc<dyn ResultStorage>;

/// A result storage. Every verb returns a `Pending`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Results {
    pub(crate) slot: Arc<Slot<AnyResults>>,
    pub(crate) convert: Convert,
}

impl Results {
    fn verb<Fut>(
        &self,
        py: Python<'_>,
        verb: impl FnOnce(AnyResults) -> Fut + Send + 'static,
    ) -> PyResult<Pending>
    where
        Fut: Future<Output = Result<Answer>> + Send,
    {
        let results = self.slot.get(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move { verb(results.await?).await }))
    }
}

#[pymethods]
impl Results {
    #[staticmethod]
    fn postgres(settings: &Bound<'_, Settings>, allow_pickle: bool) -> Self {
        let settings = settings.get().0.clone();
        let slot = Slot::new(move |_| {
            let settings = settings.clone();
            Ok(Box::pin(async move {
                Ok(Arc::new(AsyncPostgresResultStorage::with_settings(&settings).await?) as AnyResults)
            }))
        });
        Self { slot, convert: Convert { allow_pickle } }
    }

    #[staticmethod]
    fn memory(allow_pickle: bool) -> Self {
        let slot = Slot::given(Arc::new(MemoryResultStorage::new()) as AnyResults, MEMORY);
        Self { slot, convert: Convert { allow_pickle } }
    }

    /// A storage that is written in Python, async or blocking.
    #[staticmethod]
    fn custom(object: &Bound<'_, PyAny>, is_async: bool, allow_pickle: bool) -> PyResult<Self> {
        let origin = Origin::new(object, is_async, allow_pickle)?;
        let slot = Slot::bound(MEMORY, move |py| {
            let opened = CustomResults(origin.open(py)?);
            Ok(Box::pin(async move { Ok(Arc::new(opened) as AnyResults) }))
        });
        Ok(Self { slot, convert: Convert { allow_pickle } })
    }

    fn store(&self, py: Python<'_>, result: ResultArg) -> PyResult<Pending> {
        self.verb(py, |results| async move { results.store(result.0).await.map(|()| Answer::None) })
    }

    fn store_many(&self, py: Python<'_>, results: Vec<ResultArg>) -> PyResult<Pending> {
        let stored = results.into_iter().map(|result| result.0).collect();
        self.verb(py, |results| async move { results.store_many(stored).await.map(|()| Answer::None) })
    }

    fn store_statement(&self, py: Python<'_>, results: Vec<ResultArg>) -> PyResult<Pending> {
        let stored = results.into_iter().map(|result| result.0).collect();
        self.verb(py, |results| async move { statement(results.store_statement(stored).await) })
    }

    fn get(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |results| async move {
            Ok(Answer::Result(results.get(id.into()).await?.map(Box::new)))
        })
    }

    fn get_many(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let ids = task_ids(ids);
        self.verb(py, |results| async move { results.get_many(&ids).await.map(Answer::ResultsOrNone) })
    }

    fn wait(&self, py: Python<'_>, id: Uuid, timeout: Span) -> PyResult<Pending> {
        self.verb(py, move |results| async move {
            Ok(Answer::Result(Some(Box::new(results.wait(id.into(), timeout.0).await?))))
        })
    }

    fn delete(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |results| async move { results.delete(id.into()).await.map(Answer::Bool) })
    }

    fn delete_many(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let ids = task_ids(ids);
        self.verb(py, |results| async move { results.delete_many(&ids).await.map(Answer::Count) })
    }

    fn list(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_result_filter(filter)?;
        self.verb(py, |results| async move { results.list(&filter).await.map(Answer::Results) })
    }

    fn count(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_result_filter(filter)?;
        self.verb(py, |results| async move { results.count(&filter).await.map(Answer::Count) })
    }

    fn purge_expired(&self, py: Python<'_>, limit: u32) -> PyResult<Pending> {
        self.verb(py, move |results| async move { results.purge_expired(limit).await.map(Answer::Count) })
    }

    /// Opens it, unless it is open.
    fn connect(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |_| async { Ok(Answer::None) })
    }

    fn close(&self, py: Python<'_>) -> PyResult<Pending> {
        let closing = self.slot.close(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move {
            if let Some(results) = closing.await {
                results.close().await?;
            }
            Ok(Answer::None)
        }))
    }
}
