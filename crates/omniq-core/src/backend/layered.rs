//! What passes the layers around enqueues: the tasks of one call, and who writes them behind the last layer.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::Result;
use crate::model::{Enqueued, NewTask};

/// Tasks on their way to the queue, as the layers around enqueues see them: those of one call.
#[derive(Debug)]
pub struct Enqueue {
    /// The tasks. A layer may change them, add some and leave some out; the caller gets what has become of those that arrive.
    pub tasks: Vec<NewTask>,
    pub(super) to: To,
}

/// Who writes them.
#[derive(Debug)]
pub(super) enum To {
    Queue,
    /// The caller, in a transaction of the user.
    Caller(oneshot::Sender<Passed>),
}

/// Tasks that have passed all layers, and where the answer goes.
pub(super) type Passed = (Vec<NewTask>, oneshot::Sender<Result<Vec<Enqueued>>>);

/// The layers of a backend, with the service inside.
#[derive(Clone)]
pub(super) struct Layers(Arc<Passing>);

type Passing = dyn Fn(Enqueue) -> BoxFuture<'static, Result<Vec<Enqueued>>> + Send + Sync;

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layers")
    }
}

impl Layers {
    pub(super) fn new(
        passing: impl Fn(Enqueue) -> BoxFuture<'static, Result<Vec<Enqueued>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(passing))
    }

    pub(super) fn call(&self, enqueue: Enqueue) -> BoxFuture<'static, Result<Vec<Enqueued>>> {
        (self.0)(enqueue)
    }

    /// Adds tasks through the layers.
    pub(super) async fn enqueue(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        self.call(Enqueue { tasks, to: To::Queue }).await
    }

    /// Adds tasks by `write`, which the caller carries out, through the layers.
    pub(super) async fn enqueue_by<F: Future<Output = Result<Vec<Enqueued>>>>(
        &self,
        tasks: Vec<NewTask>,
        write: impl FnOnce(Vec<NewTask>) -> F,
    ) -> Result<Vec<Enqueued>> {
        let (caller, mut passed) = oneshot::channel();
        let mut called = self.call(Enqueue { tasks, to: To::Caller(caller) });
        tokio::select! {
            biased;
            // A layer has refused them, or has answered by itself.
            ended = &mut called => return ended,
            Ok((tasks, answer)) = &mut passed => drop(answer.send(write(tasks).await)),
        }
        called.await
    }
}
