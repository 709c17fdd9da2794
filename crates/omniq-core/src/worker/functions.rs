//! The functions of a worker: how closures, functions and task definitions become its handlers.

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

use super::WorkerBuilder;
use crate::handler::{Context, Failure, Function, Handler};
use crate::model::TaskDef;

impl WorkerBuilder {
    /// Adds an async closure of the task's arguments and the context; see [`Handler::new`]. Its error type is [`Failure`],
    /// which `?` makes of all errors that implement `Error`, so nothing but the arguments needs a type.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// # use std::sync::Arc;
    /// # let backend = omniq::Backend::new(Arc::new(omniq::MemoryQueue::new()));
    /// omniq::Worker::builder(&backend)
    ///     .register("square", |n: i64, _| async move { Ok(n * n) })
    ///     .register_blocking("read", |path: String, _| Ok(std::fs::read(path)?));
    /// ```
    pub fn register<A, O, F, Fut>(self, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.handler(name, Handler::new(function))
    }

    /// Adds a blocking closure of the task's arguments and the context; see [`Handler::blocking`].
    pub fn register_blocking<A, O, F>(self, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        F: Fn(A, Context) -> Result<O, Failure> + Send + Sync + 'static,
    {
        self.handler(name, Handler::blocking(function))
    }

    /// Adds an async closure for a task definition, whose types it must have, with the definition's retry rule.
    pub fn register_task<A, O, F, Fut>(self, task: TaskDef<A, O>, function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.handler(task.func(), task.ruled(Handler::new(function)))
    }

    /// Adds an `async fn` or a `fn` of any error type, with extractors for what it needs beside its arguments; see
    /// [`Function`].
    pub fn function<M>(self, name: impl Into<String>, function: impl Function<M>) -> Self {
        self.handler(name, function.into_handler())
    }

    /// Adds an `async fn` or a `fn` for a task definition, whose types it must have, with the definition's retry rule; see
    /// [`Function`].
    pub fn task<M, A, O>(
        self,
        task: TaskDef<A, O>,
        function: impl Function<M, Args = A, Output = O>,
    ) -> Self {
        self.handler(task.func(), task.ruled(function.into_handler()))
    }

    /// Adds a value that all runs share, for functions that take [`State<T>`](crate::State): a pool, a client, settings.
    /// One of each type; a second one fails the build, as does a function that takes a state that is not there.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if let Err(error) = self.states.add(value) {
            self.error.get_or_insert(error);
        }
        self
    }
}
