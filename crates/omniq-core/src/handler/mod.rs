//! Handlers: the user's functions by name, of any types, in one common form.

mod context;
mod failure;
mod panics;
mod registry;
mod signal;

use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

pub use context::Context;
pub(crate) use context::Origin;
pub(crate) use failure::Answer as FailureAnswer;
pub use failure::Failure;
pub(crate) use panics::{CatchPanic, catch, install_hook};
pub use registry::Registry;
pub use signal::StopReason;

use crate::model::{Codec, Payload};

/// The answer of a run: a value to store, or a failure.
pub(crate) type Answer = Result<Option<Payload>, Failure>;
type AsyncFn = dyn Fn(Context) -> BoxFuture<'static, Answer> + Send + Sync;
type BlockingFn = dyn Fn(Context) -> Answer + Send + Sync;

/// A function that runs tasks. Cheap to clone.
#[derive(Clone)]
pub struct Handler(pub(crate) Shape);

#[derive(Clone)]
pub(crate) enum Shape {
    Async(Arc<AsyncFn>),
    Cooperative(Arc<AsyncFn>),
    Blocking(Arc<BlockingFn>),
}

impl Handler {
    /// An async function of typed arguments.
    ///
    /// Arguments are read from JSON or MessagePack and the returned value is written in the same. Arguments that do not
    /// fit the type make the task a dead letter (`bad_arguments`) without a retry, and so does a value that cannot be
    /// written (`bad_result`). The future is dropped when the task is cancelled, runs out of time, or its worker loses
    /// its lease or stops; cleanup for this case belongs in a `Drop`.
    pub fn new<A, O, E, F, Fut>(function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        E: Into<Failure>,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        Self(Shape::Async(Arc::new(move |context: Context| {
            let codec = context.task().payload.codec().clone();
            match arguments(&context) {
                Ok(arguments) => {
                    let future = function(arguments, context);
                    Box::pin(async move { value(&codec, future.await) })
                }
                Err(failure) => Box::pin(ready(Err(failure))),
            }
        })))
    }

    /// A blocking function of typed arguments, run on a thread that may block; otherwise like [`Handler::new`].
    ///
    /// It cannot be stopped from outside: it must check [`Context::is_cancelled`], and its slot stays used until it
    /// returns.
    pub fn blocking<A, O, E, F>(function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        E: Into<Failure>,
        F: Fn(A, Context) -> Result<O, E> + Send + Sync + 'static,
    {
        Self(Shape::Blocking(Arc::new(move |context: Context| {
            let codec = context.task().payload.codec().clone();
            let arguments = arguments(&context)?;
            value(&codec, function(arguments, context))
        })))
    }

    /// An async function of the run itself, for work that goes on elsewhere, such as in another language's runtime.
    ///
    /// Its future is never dropped: like a blocking function, it must heed a stop itself, by [`Context::cancelled`],
    /// and its slot stays used until it answers. `None` completes the task without a value.
    pub fn cooperative<F, Fut>(function: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Payload>, Failure>> + Send + 'static,
    {
        Self(Shape::Cooperative(Arc::new(move |context: Context| Box::pin(function(context)))))
    }

    /// An async function of the undecoded payload, for codecs that the core cannot decode.
    pub fn raw<E, F, Fut>(function: F) -> Self
    where
        E: Into<Failure>,
        F: Fn(Payload, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, E>> + Send + 'static,
    {
        Self(Shape::Async(Arc::new(move |context: Context| {
            let future = function(context.task().payload.clone(), context);
            Box::pin(async move { future.await.map(Some).map_err(Into::into) })
        })))
    }

    /// A blocking function of the undecoded payload.
    pub fn raw_blocking<E, F>(function: F) -> Self
    where
        E: Into<Failure>,
        F: Fn(Payload, Context) -> Result<Payload, E> + Send + Sync + 'static,
    {
        Self(Shape::Blocking(Arc::new(move |context: Context| {
            function(context.task().payload.clone(), context).map(Some).map_err(Into::into)
        })))
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Shape::Async(_) => "Handler(async)",
            Shape::Cooperative(_) => "Handler(cooperative)",
            Shape::Blocking(_) => "Handler(blocking)",
        })
    }
}

fn arguments<A: DeserializeOwned>(context: &Context) -> Result<A, Failure> {
    let payload = &context.task().payload;
    payload.decode().map_err(|error| Failure::fatal("bad_arguments", error.to_string()))
}

fn value<O: Serialize, E: Into<Failure>>(codec: &Codec, answer: Result<O, E>) -> Answer {
    let value = answer.map_err(Into::into)?;
    let payload = match codec {
        Codec::MessagePack => Payload::msgpack(&value),
        _ => Payload::json(&value),
    };
    payload.map(Some).map_err(|error| Failure::fatal("bad_result", error.to_string()))
}
