//! A task definition: a function's name with the types of its arguments and its result, and the options of its tasks, for both
//! ends.

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{Backoff, Callback, EndKind, Ended, NewTask, TaskId};
use crate::{Backend, Context, Handler, Result, RunError, Verdict};

/// A function's name, tied to the types of its arguments `A` and its result `O`. The side that enqueues and the worker
/// share one definition, so that the compiler checks both.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{Backend, Backoff, MemoryQueue, MemoryResultStorage, TaskDef, Worker};
/// use std::{sync::Arc, time::Duration};
///
/// static SOON: Backoff = Backoff::fixed(Duration::from_secs(5));
/// const ADD: TaskDef<(i64, i64), i64> = TaskDef::new("add").max_retries(5).backoff(&SOON);
///
/// async fn add((a, b): (i64, i64)) -> Result<i64, std::fmt::Error> {
///     Ok(a + b)
/// }
///
/// # fn main() -> omniq_core::Result<()> {
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let backend =
///     Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()));
/// let id = backend.enqueue(ADD.call(&(1, 2))?.priority(5)).await?;
/// Worker::builder(&backend).task(ADD, add).build()?.run_until_idle().await?;
/// let sum: i64 = ADD.wait(&backend, id, Duration::from_secs(5)).await?;
/// assert_eq!(sum, 3);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct TaskDef<A, O> {
    func: &'static str,
    options: Options,
    retry_when: Option<Rule>,
    types: PhantomData<fn(A) -> O>,
}

/// A retry rule, as [`Handler::retry_when`] takes it.
type Rule = fn(&RunError<'_>, &Context) -> Verdict;

/// The options of a definition's tasks; `None`: those of [`NewTask`].
#[derive(Debug, Clone, Copy)]
struct Options {
    queue: Option<&'static str>,
    priority: Option<i16>,
    max_retries: Option<u32>,
    backoff: Option<&'static Backoff>,
    timeout: Option<Duration>,
    ttl: Option<Duration>,
    callbacks: &'static [Callback],
}

impl<A, O> Clone for TaskDef<A, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, O> Copy for TaskDef<A, O> {}

impl<A, O> TaskDef<A, O> {
    /// A definition for this function name: 1 to 128 bytes, as everywhere.
    pub const fn new(func: &'static str) -> Self {
        let options = Options {
            queue: None,
            priority: None,
            max_retries: None,
            backoff: None,
            timeout: None,
            ttl: None,
            callbacks: &[],
        };
        Self { func, options, retry_when: None, types: PhantomData }
    }

    /// The function name.
    pub const fn func(&self) -> &'static str {
        self.func
    }

    /// The queue of its tasks. Default: `default`.
    #[must_use]
    pub const fn queue(mut self, queue: &'static str) -> Self {
        self.options.queue = Some(queue);
        self
    }

    /// The priority of its tasks: higher ones are claimed first. Default: 0.
    #[must_use]
    pub const fn priority(mut self, priority: i16) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// How many times its tasks may be retried: 3 allows 4 runs. At most 1,000,000. Default: 3.
    #[must_use]
    pub const fn max_retries(mut self, retries: u32) -> Self {
        self.options.max_retries = Some(retries);
        self
    }

    /// The wait before a retry of its tasks; of a `static`. Default: [`Backoff::default`].
    #[must_use]
    pub const fn backoff(mut self, backoff: &'static Backoff) -> Self {
        self.options.backoff = Some(backoff);
        self
    }

    /// The longest that one run may take: more than zero, at most 100 years. Default: no limit.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Its tasks expire if no worker has begun them within this span from the later of creation and start time. More than
    /// zero, at most 100 years. Default: no end.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// What is enqueued when its tasks end: of a `static`, made by [`Callback::fixed`]. Default: nothing.
    #[must_use]
    pub const fn callbacks(mut self, callbacks: &'static [Callback]) -> Self {
        self.options.callbacks = callbacks;
        self
    }

    /// The rule that decides whether an error is followed by a retry; see [`Handler::retry_when`]. It holds in workers that
    /// register this definition. Default: every error is.
    #[must_use]
    pub const fn retry_when(mut self, rule: fn(&RunError<'_>, &Context) -> Verdict) -> Self {
        self.retry_when = Some(rule);
        self
    }

    /// The handler with the definition's retry rule.
    pub(crate) fn ruled(&self, handler: Handler) -> Handler {
        match self.retry_when {
            Some(rule) => handler.retry_when(rule),
            None => handler,
        }
    }
}

impl<A: Serialize, O> TaskDef<A, O> {
    /// A task with these arguments, written as JSON, and the definition's options, to be given others and enqueued. Error
    /// `is_codec` for what JSON cannot represent.
    pub fn call(&self, args: &A) -> Result<NewTask> {
        let Options { queue, priority, max_retries, backoff, timeout, ttl, callbacks } = self.options;
        let mut task = NewTask::new(self.func, args)?;
        if let Some(queue) = queue {
            task.queue = queue.to_owned();
        }
        task.priority = priority.unwrap_or(task.priority);
        task.max_retries = max_retries.unwrap_or(task.max_retries);
        task.backoff = backoff.cloned();
        (task.timeout, task.ttl) = (timeout, ttl);
        task.callbacks = callbacks.to_vec();
        Ok(task)
    }
}

impl<O> TaskDef<Ended, O> {
    /// This function as the callback of other tasks, for these ends, with the definition's options but `ttl`.
    pub fn on(&self, ends: impl Into<Vec<EndKind>>) -> Callback {
        let Options { queue, priority, max_retries, backoff, timeout, .. } = self.options;
        let mut callback = Callback::new(ends, self.func);
        callback.queue = queue.map_or(callback.queue, Into::into);
        callback.priority = priority.unwrap_or(callback.priority);
        callback.max_retries = max_retries.unwrap_or(callback.max_retries);
        callback.backoff = backoff.cloned();
        callback.timeout = timeout;
        callback
    }
}

impl<A, O: DeserializeOwned> TaskDef<A, O> {
    /// Waits for the result of such a task: see [`Backend::wait_for`].
    pub async fn wait(&self, backend: &Backend, id: TaskId, timeout: Duration) -> Result<O> {
        backend.wait_for(id, timeout).await
    }
}
