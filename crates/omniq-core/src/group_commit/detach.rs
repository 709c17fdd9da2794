//! A future that goes on in a Tokio task if its caller drops it.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

type Inner<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs where it is awaited, without a Tokio task. If it is dropped before it is done, it goes on in a Tokio task.
pub(super) struct DetachOnDrop<T: Send + 'static> {
    /// `None` once it is done.
    inner: Option<Inner<T>>,
    runtime: Handle,
}

impl<T: Send + 'static> DetachOnDrop<T> {
    /// Must be called within the runtime in which it continues when it is dropped.
    pub(super) fn new(inner: impl Future<Output = T> + Send + 'static) -> Self {
        Self { inner: Some(Box::pin(inner)), runtime: Handle::current() }
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(mut inner) = self.inner.take() else { return Poll::Pending };
        let polled = inner.as_mut().poll(context);
        if polled.is_pending() {
            self.inner = Some(inner);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.runtime.spawn(inner);
        }
    }
}
