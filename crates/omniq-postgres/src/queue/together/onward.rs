//! A future that goes on by itself if whoever awaits it gives up.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

type Inner<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs where it is awaited, without a task of its own; in a task of its own from when it is dropped unfinished.
pub(super) struct Onward<T: Send + 'static> {
    /// None once it is done.
    inner: Option<Inner<T>>,
    runtime: Handle,
}

impl<T: Send + 'static> Onward<T> {
    /// To be called in a runtime, which is the one that it goes on in.
    pub(super) fn new(inner: impl Future<Output = T> + Send + 'static) -> Self {
        Self { inner: Some(Box::pin(inner)), runtime: Handle::current() }
    }
}

impl<T: Send + 'static> Future for Onward<T> {
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

impl<T: Send + 'static> Drop for Onward<T> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.runtime.spawn(inner);
        }
    }
}
