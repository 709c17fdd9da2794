//! The one common form of handlers.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

use super::boxed::BoxError;
use super::context::Context;
use super::error::failure_of;
use super::failure::Failure;
use super::states::StateType;
use crate::model::{Codec, Payload};

/// The answer of a run: a value to store, or a failure.
pub(crate) type Answer = Result<Option<Payload>, Failure>;
pub(super) type AsyncFn = dyn Fn(Context) -> BoxFuture<'static, Answer> + Send + Sync;
pub(super) type BlockingFn = dyn Fn(Context) -> Answer + Send + Sync;

/// A function that runs tasks. Cheap to clone.
#[derive(Clone)]
pub struct Handler {
    pub(crate) shape: Shape,
    /// The states that it takes.
    pub(super) needs: Vec<StateType>,
}

impl From<Shape> for Handler {
    fn from(shape: Shape) -> Self {
        Self { shape, needs: Vec::new() }
    }
}

#[derive(Clone)]
pub(crate) enum Shape {
    Async(Arc<AsyncFn>),
    Cooperative(Arc<AsyncFn>),
    Blocking(Arc<BlockingFn>),
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.shape {
            Shape::Async(_) => "Handler(async)",
            Shape::Cooperative(_) => "Handler(cooperative)",
            Shape::Blocking(_) => "Handler(blocking)",
        })
    }
}

/// The arguments of a run.
pub(super) fn arguments<A: DeserializeOwned>(context: &Context) -> Result<A, Failure> {
    let payload = &context.task().payload;
    payload.decode().map_err(|error| Failure::fatal("bad_arguments", error.to_string()))
}

/// The answer of a run that has returned this, in the codec of its arguments.
pub(super) fn value<O: Serialize, E: Into<BoxError> + 'static>(
    codec: &Codec,
    answer: Result<O, E>,
) -> Answer {
    let value = answer.map_err(failure_of)?;
    let payload = match codec {
        Codec::MessagePack => Payload::msgpack(&value),
        _ => Payload::json(&value),
    };
    payload.map(Some).map_err(|error| Failure::fatal("bad_result", error.to_string()))
}
