//! The ways to make a handler: of closures and functions, with or without a retry rule.

use std::future::Future;
use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::boxed::BoxError;
use super::common::{AsyncFn, Handler, Shape};
use super::context::Context;
use super::error::{RunError, Verdict, failure_of, ruled};
use super::failure::Failure;
use super::function::{Async, Blocking, Function};
use crate::model::Payload;

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
        E: Into<BoxError> + 'static,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        Function::<(Async, A, Context)>::into_handler(function)
    }

    /// A blocking function of typed arguments, run on a thread that may block; otherwise like [`Handler::new`].
    ///
    /// It cannot be stopped from outside: it must check [`Context::is_cancelled`], and its slot stays used until it
    /// returns.
    pub fn blocking<A, O, E, F>(function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        E: Into<BoxError> + 'static,
        F: Fn(A, Context) -> Result<O, E> + Send + Sync + 'static,
    {
        Function::<(Blocking, A, Context)>::into_handler(function)
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
        Shape::Cooperative(Arc::new(move |context: Context| Box::pin(function(context)))).into()
    }

    /// An async function of the undecoded payload, for codecs that the core cannot decode.
    pub fn raw<E, F, Fut>(function: F) -> Self
    where
        E: Into<BoxError> + 'static,
        F: Fn(Payload, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, E>> + Send + 'static,
    {
        Shape::Async(Arc::new(move |context: Context| {
            let future = function(context.task().payload.clone(), context);
            Box::pin(async move { future.await.map(Some).map_err(failure_of) })
        }))
        .into()
    }

    /// A blocking function of the undecoded payload.
    pub fn raw_blocking<E, F>(function: F) -> Self
    where
        E: Into<BoxError> + 'static,
        F: Fn(Payload, Context) -> Result<Payload, E> + Send + Sync + 'static,
    {
        Shape::Blocking(Arc::new(move |context: Context| {
            function(context.task().payload.clone(), context).map(Some).map_err(failure_of)
        }))
        .into()
    }

    /// A function of any kind, with extractors; see [`Function`].
    pub fn function<M>(function: impl Function<M>) -> Self {
        function.into_handler()
    }

    /// The same handler with a retry rule, which decides about each error that a run returns. Failures that say themselves
    /// what becomes of the task, panics and timeouts are not asked about. A rule that panics fails the run as the handler
    /// would.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::{Handler, Verdict};
    /// use std::io::{Error, ErrorKind};
    ///
    /// async fn fetch(path: String) -> Result<usize, Error> {
    ///     Ok(std::fs::read(path)?.len())
    /// }
    ///
    /// let handler = Handler::function(fetch).retry_when(|error, _| match error.find::<Error>().map(Error::kind) {
    ///     Some(ErrorKind::NotFound) => Verdict::Dead,
    ///     _ => Verdict::Retry,
    /// });
    /// ```
    #[must_use]
    pub fn retry_when<R>(self, rule: R) -> Self
    where
        R: Fn(&RunError<'_>, &Context) -> Verdict + Send + Sync + 'static,
    {
        let rule = Arc::new(rule);
        let around = |function: Arc<AsyncFn>| -> Arc<AsyncFn> {
            let rule = Arc::clone(&rule);
            Arc::new(move |context: Context| {
                let (rule, future) = (Arc::clone(&rule), function(context.clone()));
                Box::pin(async move { future.await.map_err(|failure| ruled(failure, &*rule, &context)) })
            })
        };
        let shape = match self.shape {
            Shape::Async(function) => Shape::Async(around(function)),
            Shape::Cooperative(function) => Shape::Cooperative(around(function)),
            Shape::Blocking(function) => Shape::Blocking(Arc::new(move |context: Context| {
                function(context.clone()).map_err(|failure| ruled(failure, &*rule, &context))
            })),
        };
        Self { shape, needs: self.needs }
    }
}
