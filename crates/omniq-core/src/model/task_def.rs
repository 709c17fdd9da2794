//! A task definition: a function's name with the types of its arguments and its result, for both ends.

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{NewTask, TaskId};
use crate::{Backend, Result};

/// A function's name, tied to the types of its arguments `A` and its result `O`. The side that enqueues and the worker
/// share one definition, so that the compiler checks both.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{Backend, Context, Failure, MemoryQueue, MemoryResultStorage, TaskDef, Worker};
/// use std::{sync::Arc, time::Duration};
///
/// const ADD: TaskDef<(i64, i64), i64> = TaskDef::new("add");
///
/// async fn add((a, b): (i64, i64), _: Context) -> Result<i64, Failure> {
///     Ok(a + b)
/// }
///
/// # fn main() -> omniq_core::Result<()> {
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let backend =
///     Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()));
/// let id = backend.enqueue(ADD.call(&(1, 2))?.priority(5)).await?;
/// Worker::builder(&backend).register_task(ADD, add).build()?.run_until_idle().await?;
/// let sum: i64 = ADD.wait(&backend, id, Duration::from_secs(5)).await?;
/// assert_eq!(sum, 3);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct TaskDef<A, O> {
    func: &'static str,
    types: PhantomData<fn(A) -> O>,
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
        Self { func, types: PhantomData }
    }

    /// The function name.
    pub const fn func(&self) -> &'static str {
        self.func
    }
}

impl<A: Serialize, O> TaskDef<A, O> {
    /// A task with these arguments, written as JSON, to be given options and enqueued. Error `is_codec` for what JSON
    /// cannot represent.
    pub fn call(&self, args: &A) -> Result<NewTask> {
        NewTask::new(self.func, args)
    }
}

impl<A, O: DeserializeOwned> TaskDef<A, O> {
    /// Waits for the result of such a task: see [`Backend::wait_for`].
    pub async fn wait(&self, backend: &Backend, id: TaskId, timeout: Duration) -> Result<O> {
        backend.wait_for(id, timeout).await
    }
}
