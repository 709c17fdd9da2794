//! Where tasks come from: one look at the queue after the other, and sleep in between.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::model::{Dequeue, Task, WorkerId};
use crate::port::{Doorbell, TaskQueue};
use crate::{Error, Result};

/// What a look, or a sleep, has brought.
pub(super) enum Found {
    Tasks(Vec<Task>),
    /// Nothing; this rings when there may be something.
    Nothing(Box<dyn Doorbell>),
    /// After a sleep by a bell, which still hangs, or after a pause.
    Awake(Option<Box<dyn Doorbell>>),
    Failed(Error),
}

/// What is under way, if anything.
pub(super) enum Feed {
    Idle,
    /// Slept by this bell: the next look need hang no other.
    Risen(Box<dyn Doorbell>),
    /// Must not be dropped: it may hold claims that nobody knows of yet.
    Looking(BoxFuture<'static, Found>),
    Sleeping(BoxFuture<'static, Found>),
}

impl Feed {
    pub(super) fn look(&mut self, queue: Arc<dyn TaskQueue>, worker: WorkerId, request: Dequeue) {
        let bell = match std::mem::replace(self, Self::Idle) {
            Self::Risen(bell) => Some(bell),
            _ => None,
        };
        *self = Self::Looking(Box::pin(async move {
            look(&*queue, worker, &request, bell).await.unwrap_or_else(Found::Failed)
        }));
    }

    pub(super) fn sleep_until_bell(mut bell: Box<dyn Doorbell>, at_most: Duration) -> Self {
        Self::Sleeping(Box::pin(async move {
            bell.wait(at_most).await;
            Found::Awake(Some(bell))
        }))
    }

    pub(super) fn pause(pause: Duration) -> Self {
        Self::Sleeping(Box::pin(async move {
            tokio::time::sleep(pause).await;
            Found::Awake(None)
        }))
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle | Self::Risen(_))
    }

    pub(super) fn is_looking(&self) -> bool {
        matches!(self, Self::Looking(_))
    }

    pub(super) fn wake(&mut self) {
        if matches!(self, Self::Sleeping(_)) {
            *self = Self::Idle;
        }
    }

    /// Waits for what is under way; for ever if nothing is. Dropping the wait loses nothing.
    pub(super) async fn next(&mut self) -> Found {
        let found = match self {
            Self::Idle | Self::Risen(_) => std::future::pending().await,
            Self::Looking(future) | Self::Sleeping(future) => future.await,
        };
        *self = Self::Idle;
        found
    }
}

async fn look(
    queue: &dyn TaskQueue,
    worker: WorkerId,
    request: &Dequeue,
    bell: Option<Box<dyn Doorbell>>,
) -> Result<Found> {
    let tasks = queue.claim(worker, request).await?;
    if !tasks.is_empty() {
        return Ok(Found::Tasks(tasks));
    }
    if let Some(bell) = bell {
        return Ok(Found::Nothing(bell));
    }
    let bell = queue.doorbell(worker, &request.queues).await?;
    // What became ready between the first look and the bell has rung for nobody.
    let tasks = queue.claim(worker, request).await?;
    Ok(if tasks.is_empty() { Found::Nothing(bell) } else { Found::Tasks(tasks) })
}
