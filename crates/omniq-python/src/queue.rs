//! The task queue's verbs.

use std::future::Future;
use std::sync::Arc;

use omniq::backend::postgres::Settings;
use omniq::storage::postgres::AsyncPostgresQueue;
use omniq::{NewTask, Result, TaskId, TaskQueue};
use pyo3::prelude::*;
use uuid::Uuid;

use crate::answer::{Answer, Convert};
use crate::error::to_py;
use crate::pending::Pending;
use crate::slot::Slot;

/// A task queue. Every verb gives a `Pending`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Queue {
    slot: Arc<Slot<Arc<dyn TaskQueue>>>,
    convert: Convert,
}

impl Queue {
    fn verb<Fut>(
        &self,
        py: Python<'_>,
        verb: impl FnOnce(Arc<dyn TaskQueue>) -> Fut + Send + 'static,
    ) -> PyResult<Pending>
    where
        Fut: Future<Output = Result<Answer>> + Send,
    {
        let queue = self.slot.get(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move { verb(queue.await?).await }))
    }
}

#[pymethods]
impl Queue {
    #[new]
    fn new(py: Python<'_>, url: &str) -> PyResult<Self> {
        let settings = Settings::from_url(url).map_err(|error| to_py(py, error))?;
        let slot = Slot::new(move |_| {
            let settings = settings.clone();
            Ok(Box::pin(async move {
                let queue = AsyncPostgresQueue::with_settings(&settings).await?;
                Ok(Arc::new(queue) as Arc<dyn TaskQueue>)
            }))
        });
        Ok(Self { slot, convert: Convert { allow_pickle: false } })
    }

    fn enqueue(&self, py: Python<'_>, func: &str, body: Vec<u8>) -> PyResult<Pending> {
        let payload = omniq::Payload::new(omniq::Codec::Json, body);
        let task = NewTask::with_payload(func, payload);
        self.verb(py, |queue| async move { Ok(Answer::Id(queue.enqueue(task).await?)) })
    }

    fn get(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |queue| async move {
            Ok(Answer::Task(queue.get(TaskId::from(id)).await?.map(Box::new)))
        })
    }

    fn close(&self, py: Python<'_>) -> PyResult<Pending> {
        let closing = self.slot.close(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move {
            if let Some(queue) = closing.await {
                queue.close().await?;
            }
            Ok(Answer::None)
        }))
    }
}
