//! Extractors: what a handler function takes beside its task's arguments.

use std::any::type_name;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::failure::Failure;
use super::states::StateType;
use crate::model::{Task, TaskId};

/// A type that a handler [function](crate::Function) takes as a parameter after the first: made of the run's context.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no extractor",
    note = "the first parameter of a handler takes the task's arguments; the others are `Context`, `State<T>`, `Metadata<T>`, `Task`, `TaskId`, `CancellationToken` or types of your own that implement `FromContext`"
)]
pub trait FromContext: Sized + Send {
    /// The state that it takes, so that a worker without it is refused when it is built. Default: none.
    fn needs() -> Option<StateType> {
        None
    }

    /// The value for one run. A failure ends the run before the handler is called.
    fn from_context(context: &Context) -> Result<Self, Failure>;
}

/// A value that all runs of a worker share, given to [`WorkerBuilder::state`](crate::WorkerBuilder::state): a pool, a client,
/// settings. It is cloned for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromContext for State<T> {
    fn needs() -> Option<StateType> {
        Some(StateType::of::<T>())
    }

    fn from_context(context: &Context) -> Result<Self, Failure> {
        context.state().cloned().map(Self).ok_or_else(|| {
            Failure::error("no_state", format!("the worker has no state of type {}", type_name::<T>()))
        })
    }
}

/// The task's metadata, read as `T`. Metadata that does not fit makes the task a dead letter (`bad_metadata`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<T>(pub T);

impl<T: DeserializeOwned + Send> FromContext for Metadata<T> {
    fn from_context(context: &Context) -> Result<Self, Failure> {
        let metadata = serde_json::Value::Object(context.task().metadata.clone());
        let read = serde_json::from_value(metadata);
        read.map(Self).map_err(|error| Failure::fatal("bad_metadata", error.to_string()))
    }
}

impl FromContext for Context {
    fn from_context(context: &Context) -> Result<Self, Failure> {
        Ok(context.clone())
    }
}

impl FromContext for Task {
    fn from_context(context: &Context) -> Result<Self, Failure> {
        Ok(context.task().clone())
    }
}

impl FromContext for TaskId {
    fn from_context(context: &Context) -> Result<Self, Failure> {
        Ok(context.id())
    }
}

impl FromContext for CancellationToken {
    fn from_context(context: &Context) -> Result<Self, Failure> {
        Ok(context.cancellation_token())
    }
}
