//! `tower` layers around enqueues.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::task::{self, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tower_layer::Layer;
use tower_service::Service;

use super::Backend;
use super::layered::{Enqueue, Layers, To};
use crate::model::Enqueued;
use crate::{Error, Result};

/// Any error.
type BoxError = Box<dyn StdError + Send + Sync>;

/// The innermost service of the layers around enqueues: it adds the tasks, all or none, and answers what has become of each in
/// the same order.
#[derive(Debug, Clone)]
pub struct EnqueueService(Backend);

impl Service<Enqueue> for EnqueueService {
    type Response = Vec<Enqueued>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Vec<Enqueued>>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, enqueue: Enqueue) -> Self::Future {
        let backend = self.0.clone();
        if let Some(layers) = &backend.layers {
            return layers.call(enqueue);
        }
        Box::pin(async move {
            let Enqueue { mut tasks, to } = enqueue;
            match to {
                To::Queue if tasks.len() == 1 => match tasks.pop() {
                    Some(task) => Ok(vec![backend.enqueue_inside(task).await?]),
                    None => Ok(Vec::new()),
                },
                To::Queue => backend.enqueue_many_inside(tasks).await,
                To::Caller(caller) => {
                    let (answer, answered) = oneshot::channel();
                    let gone = || Error::closed("the caller of the enqueue is gone");
                    caller.send((tasks, answer)).map_err(|_| gone())?;
                    answered.await.unwrap_or_else(|_| Err(gone()))
                }
            }
        })
    }
}

impl Backend {
    /// The same backend with a `tower` layer around its enqueues: [`enqueue`](Self::enqueue) and
    /// [`enqueue_many`](Self::enqueue_many), those in a transaction of the user, and those of handlers whose worker has this
    /// backend. What the [queue](Self::queue) itself enqueues passes no layer. The last layer is the outermost. Feature
    /// `tower`.
    ///
    /// A layer's service gets the tasks of one call ([`Enqueue`]). It may change them, wait, or refuse them: an [`Error`] that it
    /// returns is the caller's, such as [`Error::invalid`]; one of another type becomes `is_internal` with that error as its
    /// source.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::{Backend, Enqueue, EnqueueService, Enqueued, Error};
    /// use std::task::{self, Poll};
    /// use tower_service::Service;
    ///
    /// /// Names the tenant in the metadata of each task.
    /// #[derive(Clone)]
    /// struct OfTenant(EnqueueService);
    ///
    /// impl Service<Enqueue> for OfTenant {
    ///     type Response = Vec<Enqueued>;
    ///     type Error = Error;
    ///     type Future = <EnqueueService as Service<Enqueue>>::Future;
    ///
    ///     fn poll_ready(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
    ///         self.0.poll_ready(task)
    ///     }
    ///
    ///     fn call(&mut self, mut enqueue: Enqueue) -> Self::Future {
    ///         for task in &mut enqueue.tasks {
    ///             task.metadata.insert("tenant".into(), "acme".into());
    ///         }
    ///         self.0.call(enqueue)
    ///     }
    /// }
    ///
    /// # let backend = omniq::Backend::new(std::sync::Arc::new(omniq::MemoryQueue::new()));
    /// let backend = backend.with_enqueue_layer(&tower_layer::layer_fn(OfTenant));
    /// ```
    #[must_use]
    pub fn with_enqueue_layer<L>(mut self, layer: &L) -> Self
    where
        L: Layer<EnqueueService>,
        L::Service: Service<Enqueue, Response = Vec<Enqueued>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Enqueue>>::Error: Into<BoxError>,
        <L::Service as Service<Enqueue>>::Future: Send + 'static,
    {
        let service = layer.layer(EnqueueService(self.clone()));
        self.layers = Some(Layers::new(move |enqueue| {
            let mut service = service.clone();
            Box::pin(async move {
                poll_fn(|task| service.poll_ready(task)).await.map_err(error_of)?;
                service.call(enqueue).await.map_err(error_of)
            })
        }));
        self
    }
}

/// The error of a layer.
fn error_of(error: impl Into<BoxError>) -> Error {
    match error.into().downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => {
            Error::internal(format!("a layer around the enqueue failed: {error}")).with_source(error)
        }
    }
}
