//! Fetches tasks: one claim after another, with waits for a notification in between.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::model::{Dequeue, Task, WorkerId};
use crate::port::{Subscription, TaskQueue};
use crate::{Error, Result};

/// The result of a fetch or of a wait.
pub(super) enum Fetched {
    Tasks(Vec<Task>),
    /// No task. The subscription wakes when there may be one.
    Nothing(Box<dyn Subscription>),
    /// A wait has ended: that of a subscription, which stays open, or a pause.
    Awake(Option<Box<dyn Subscription>>),
    Failed(Error),
}

/// Fetches tasks, one call at a time.
pub(super) enum Fetcher {
    Idle,
    /// Woken by this subscription, which the next fetch reuses.
    SubscribedIdle(Box<dyn Subscription>),
    /// Must not be dropped: it may hold claims that are not known yet.
    Fetching(BoxFuture<'static, Fetched>),
    Waiting(BoxFuture<'static, Fetched>),
}

impl Fetcher {
    pub(super) fn fetch(&mut self, queue: Arc<dyn TaskQueue>, worker: WorkerId, request: Dequeue) {
        let subscription = match std::mem::replace(self, Self::Idle) {
            Self::SubscribedIdle(subscription) => Some(subscription),
            _ => None,
        };
        *self = Self::Fetching(Box::pin(async move {
            fetch(&*queue, worker, &request, subscription).await.unwrap_or_else(Fetched::Failed)
        }));
    }

    pub(super) fn wait(mut subscription: Box<dyn Subscription>, at_most: Duration) -> Self {
        Self::Waiting(Box::pin(async move {
            subscription.wait(at_most).await;
            Fetched::Awake(Some(subscription))
        }))
    }

    pub(super) fn pause(pause: Duration) -> Self {
        Self::Waiting(Box::pin(async move {
            tokio::time::sleep(pause).await;
            Fetched::Awake(None)
        }))
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle | Self::SubscribedIdle(_))
    }

    pub(super) fn is_fetching(&self) -> bool {
        matches!(self, Self::Fetching(_))
    }

    /// Ends a wait, and its subscription.
    pub(super) fn wake(&mut self) {
        if matches!(self, Self::Waiting(_)) {
            *self = Self::Idle;
        }
    }

    /// The result of the present fetch or wait; never ready if there is none. Dropping this future loses nothing.
    pub(super) async fn next(&mut self) -> Fetched {
        let fetched = match self {
            Self::Idle | Self::SubscribedIdle(_) => std::future::pending().await,
            Self::Fetching(future) | Self::Waiting(future) => future.await,
        };
        *self = Self::Idle;
        fetched
    }
}

async fn fetch(
    queue: &dyn TaskQueue,
    worker: WorkerId,
    request: &Dequeue,
    subscription: Option<Box<dyn Subscription>>,
) -> Result<Fetched> {
    let tasks = queue.claim(worker, request).await?;
    if !tasks.is_empty() {
        return Ok(Fetched::Tasks(tasks));
    }
    if let Some(subscription) = subscription {
        return Ok(Fetched::Nothing(subscription));
    }
    let subscription = queue.subscribe(worker, &request.queues).await?;
    // Once more, because what became ready between the claim and the subscription has notified nothing.
    let tasks = queue.claim(worker, request).await?;
    Ok(if tasks.is_empty() { Fetched::Nothing(subscription) } else { Fetched::Tasks(tasks) })
}
