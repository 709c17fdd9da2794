//! The schedule storage: opening it, and its verbs.

use std::future::Future;
use std::sync::Arc;

use omniq::storage::postgres::AsyncPostgresScheduleStorage;
use omniq::{Result, Schedule, ScheduleStorage};
use pyo3::prelude::*;

use crate::answer::Answer;
use crate::convert::filter::from_schedule_filter;
use crate::convert::name::Name;
use crate::convert::options::Convert;
use crate::convert::schedule::from_schedule;
use crate::error::to_py;
use crate::pending::Pending;
use crate::settings::Settings;
use crate::slot::Slot;

/// The content of a schedule storage's slot.
pub(crate) type AnySchedules = Arc<dyn ScheduleStorage>;

/// A schedule storage. Every verb returns a `Pending`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Schedules {
    pub(crate) slot: Arc<Slot<AnySchedules>>,
    pub(crate) convert: Convert,
    pub(crate) codec: Arc<str>,
}

impl Schedules {
    fn verb<Fut>(
        &self,
        py: Python<'_>,
        verb: impl FnOnce(AnySchedules) -> Fut + Send + 'static,
    ) -> PyResult<Pending>
    where
        Fut: Future<Output = Result<Answer>> + Send,
    {
        let schedules = self.slot.get(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move { verb(schedules.await?).await }))
    }
}

#[pymethods]
impl Schedules {
    #[staticmethod]
    fn postgres(settings: &Bound<'_, Settings>, codec: &str, allow_pickle: bool) -> Self {
        let settings = settings.get().0.clone();
        let slot = Slot::new(move |_| {
            let settings = settings.clone();
            Ok(Box::pin(async move {
                Ok(Arc::new(AsyncPostgresScheduleStorage::with_settings(&settings).await?) as AnySchedules)
            }))
        });
        Self { slot, convert: Convert { allow_pickle }, codec: codec.into() }
    }

    fn save(&self, py: Python<'_>, schedule: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let schedule = from_schedule(schedule, self.convert, &self.codec)?;
        self.verb(py, |schedules| async move {
            Ok(Answer::Schedule(Some(Box::new(schedules.save(schedule).await?))))
        })
    }

    fn save_many(&self, py: Python<'_>, schedules: Vec<Bound<'_, PyAny>>) -> PyResult<Pending> {
        let read = |schedule: &Bound<'_, PyAny>| from_schedule(schedule, self.convert, &self.codec);
        let given: Vec<Schedule> = schedules.iter().map(read).collect::<PyResult<_>>()?;
        self.verb(py, |schedules| async move { schedules.save_many(given).await.map(Answer::Schedules) })
    }

    fn get(&self, py: Python<'_>, name: Name) -> PyResult<Pending> {
        self.verb(
            py,
            |schedules| async move { Ok(Answer::Schedule(schedules.get(&name.0).await?.map(Box::new))) },
        )
    }

    fn list(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_schedule_filter(filter)?;
        self.verb(py, |schedules| async move { schedules.list(&filter).await.map(Answer::Schedules) })
    }

    fn delete(&self, py: Python<'_>, name: Name) -> PyResult<Pending> {
        self.verb(py, |schedules| async move { schedules.delete(&name.0).await.map(Answer::Bool) })
    }

    fn pause(&self, py: Python<'_>, name: Name) -> PyResult<Pending> {
        self.verb(py, |schedules| async move { schedules.pause(&name.0).await.map(|()| Answer::None) })
    }

    fn resume(&self, py: Python<'_>, name: Name) -> PyResult<Pending> {
        self.verb(py, |schedules| async move { schedules.resume(&name.0).await.map(|()| Answer::None) })
    }

    fn trigger(&self, py: Python<'_>, name: Name) -> PyResult<Pending> {
        self.verb(py, |schedules| async move { schedules.trigger(&name.0).await.map(Answer::Id) })
    }

    fn history(&self, py: Python<'_>, name: Name, limit: u32) -> PyResult<Pending> {
        self.verb(
            py,
            move |schedules| async move { schedules.history(&name.0, limit).await.map(Answer::Ticks) },
        )
    }

    /// Opens it, unless it is open.
    fn connect(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |_| async { Ok(Answer::None) })
    }

    fn close(&self, py: Python<'_>) -> PyResult<Pending> {
        let closing = self.slot.close(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move {
            if let Some(schedules) = closing.await {
                schedules.close().await?;
            }
            Ok(Answer::None)
        }))
    }
}
