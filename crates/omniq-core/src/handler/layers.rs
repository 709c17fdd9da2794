//! `tower` layers around runs.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{self, Poll};

use futures_util::future::BoxFuture;
use tower_layer::Layer;
use tower_service::Service;

use super::boxed::BoxError;
use super::common::{AsyncFn, BlockingFn, Handler, Shape};
use super::context::Context;
use super::error::failure_of;
use super::failure::Failure;
use super::panics::catch;
use super::registry::Registry;
use crate::model::Payload;

/// The innermost service of the layers around a run: it calls the handler. Its answer is the value to store, or the
/// failure that says what becomes of the task.
#[derive(Debug, Clone)]
pub struct RunService(Handler);

impl Service<Context> for RunService {
    type Response = Option<Payload>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Option<Payload>, Failure>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, context: Context) -> Self::Future {
        match &self.0.shape {
            Shape::Async(function) | Shape::Cooperative(function) => function(context),
            Shape::Blocking(function) => Box::pin(on_a_thread(Arc::clone(function), context)),
        }
    }
}

/// Runs a blocking function on a thread that may block.
async fn on_a_thread(function: Arc<BlockingFn>, context: Context) -> Result<Option<Payload>, Failure> {
    let span = tracing::Span::current();
    let thread = tokio::task::spawn_blocking(move || span.in_scope(|| catch(|| function(context))));
    match thread.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => {
            tracing::error!(message = panic.message, "a handler panicked");
            Err(panic.into())
        }
        // The runtime is shutting down and has not begun it: the task comes back when the lease ends.
        Err(_) => std::future::pending().await,
    }
}

impl Handler {
    /// The same handler with a `tower` layer around each of its runs. Feature `tower`.
    ///
    /// The layer's service gets the run's [`Context`]; what it answers is the answer of the run. Its error may be of any type
    /// ([`BoxError`]); a [`Failure`] says itself what becomes of the task. A service is cloned for each run, and asked whether
    /// it is ready before. A layer may wait, answer without a call of the handler, or change the answer. A blocking handler whose
    /// layer gives it up goes on on its thread.
    #[must_use]
    pub fn layer<L>(self, layer: &L) -> Self
    where
        L: Layer<RunService>,
        L::Service: Service<Context, Response = Option<Payload>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Context>>::Error: Into<BoxError> + 'static,
        <L::Service as Service<Context>>::Future: Send + 'static,
    {
        // What a stop does to a run stays as it was: it drops an async one, and waits for the others.
        let is_dropped = matches!(self.shape, Shape::Async(_));
        let needs = self.needs.clone();
        let service = layer.layer(RunService(self));
        let function: Arc<AsyncFn> = Arc::new(move |context: Context| {
            let mut service = service.clone();
            Box::pin(async move {
                poll_fn(|task| service.poll_ready(task)).await.map_err(failure_of)?;
                service.call(context).await.map_err(failure_of)
            })
        });
        let shape = if is_dropped { Shape::Async(function) } else { Shape::Cooperative(function) };
        Self { shape, needs }
    }
}

/// The layers of a worker.
#[derive(Default)]
pub(crate) struct Layers(Vec<Wrap>);

type Wrap = Box<dyn Fn(Handler) -> Handler + Send + Sync>;

impl Layers {
    pub(crate) fn add(&mut self, wrap: impl Fn(Handler) -> Handler + Send + Sync + 'static) {
        self.0.push(Box::new(wrap));
    }

    /// All handlers within these layers, the last one outermost.
    pub(crate) fn around_all(&self, mut registry: Registry) -> Registry {
        for wrap in &self.0 {
            registry.wrap(wrap);
        }
        registry
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layers({})", self.0.len())
    }
}
