//! Stores for results and events with special behaviour.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_core::layers::{EventsLayer, ResultsLayer};
use omniq_core::*;

/// An event store that accepts nothing: it fails, or gives no answer.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) hangs: bool,
}

#[async_trait]
impl EventStorage for Broken {
    async fn log_many(&self, _: Vec<TaskEvent>) -> Result<()> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(Error::unavailable("no event store today"))
    }

    async fn query(&self, _: &EventFilter) -> Result<Vec<TaskEvent>> {
        Err(Error::unavailable("no event store today"))
    }

    async fn count(&self, _: &EventFilter) -> Result<u64> {
        Err(Error::unavailable("no event store today"))
    }

    async fn purge(&self, _: Timestamp, _: u32) -> Result<u64> {
        Err(Error::unavailable("no event store today"))
    }

    async fn close(&self) -> Result<()> {
        Err(Error::unavailable("no event store today"))
    }

    fn location(&self) -> Location {
        Location::new("nowhere")
    }
}

/// A slow event store, which carries out what it was given even after the caller stopped waiting.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) inner: Arc<MemoryEventStorage>,
    pub(crate) pause: Duration,
    /// If set, only the first write is slow.
    pub(crate) once: Option<AtomicBool>,
    pub(crate) location: Location,
}

impl Slow {
    pub(crate) fn new(inner: &Arc<MemoryEventStorage>, pause: Duration) -> Self {
        Self { inner: Arc::clone(inner), pause, once: None, location: Location::new("a slow place") }
    }
}

#[async_trait]
impl EventsLayer for Slow {
    fn below(&self) -> &dyn EventStorage {
        &*self.inner
    }

    async fn log_many(&self, events: Vec<TaskEvent>) -> Result<()> {
        let again = self.once.as_ref().is_some_and(|once| once.swap(true, Ordering::SeqCst));
        let (inner, pause) = (Arc::clone(&self.inner), if again { Duration::ZERO } else { self.pause });
        let write = tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            inner.log_many(events).await
        });
        write.await.expect("the write ends")
    }

    fn location(&self) -> Location {
        self.location.clone()
    }
}

/// Results elsewhere, in a store that records when it is written.
#[derive(Debug)]
pub(crate) struct Noting {
    pub(crate) inner: MemoryResultStorage,
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
    pub(crate) fails: Mutex<u32>,
}

#[async_trait]
impl ResultsLayer for Noting {
    fn below(&self) -> &dyn ResultStorage {
        &self.inner
    }

    async fn store_many(&self, results: Vec<TaskResult>) -> Result<()> {
        self.calls.lock().unwrap().push("store".into());
        let mut fails = std::mem::take(&mut *self.fails.lock().unwrap());
        if fails > 0 {
            fails -= 1;
            *self.fails.lock().unwrap() = fails;
            return Err(Error::unavailable("no result store yet"));
        }
        self.inner.store_many(results).await
    }
}
