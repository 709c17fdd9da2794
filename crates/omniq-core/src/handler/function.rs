//! Functions as handlers: of any number of parameters, async or not, with any error type.

use std::future::{Future, ready};
use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::boxed::BoxError;
use super::common::{Handler, Shape, arguments, value};
use super::context::Context;
use super::extract::FromContext;
use super::failure::Failure;
use super::states::StateType;

/// A function that can run tasks: an `async fn`, or a `fn`, which runs on a thread that may block.
///
/// Its first parameter takes the task's arguments, of any type that serde reads; it may be missing if there are none.
/// Up to six others are extractors ([`FromContext`]): [`Context`], [`State`](crate::State), [`Metadata`](crate::Metadata),
/// [`Task`](crate::Task), [`TaskId`](crate::TaskId). It returns a `Result` of any value that serde writes and any error
/// ([`BoxError`]). `M` is found by the compiler.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{Backend, MemoryQueue, MemoryResultStorage, NewTask, State, TaskId, Worker};
/// use std::{sync::Arc, time::Duration};
///
/// async fn greet(name: String, State(greeting): State<&'static str>, id: TaskId) -> Result<String, std::io::Error> {
///     Ok(format!("{greeting} {name}, task {id}"))
/// }
///
/// fn count() -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
///     Ok("42".parse()?)
/// }
///
/// # fn main() -> omniq_core::Result<()> {
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let backend =
///     Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()));
/// let id = backend.enqueue(NewTask::new("greet", "Ann")?).await?;
/// let worker = Worker::builder(&backend).state("Hello").function("greet", greet).function("count", count).build()?;
/// worker.run_until_idle().await?;
/// let greeting: String = backend.wait_for(id, Duration::from_secs(5)).await?;
/// assert_eq!(greeting, format!("Hello Ann, task {id}"));
/// # Ok(())
/// # })
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run tasks",
    note = "give an `async fn` or a `fn` that returns a `Result`: its first parameter takes the task's arguments, the others are extractors such as `Context` or `State<T>`",
    note = "the arguments are owned values that implement `Deserialize`, the value implements `Serialize`, and the future of an `async fn` is `Send`: no `Rc` and no guard of a `std` lock lives across an `.await`",
    note = "a closure with parameters of inferred types goes to `register`"
)]
pub trait Function<M>: Send + Sync + 'static {
    /// The type of the task's arguments.
    type Args;
    /// The type of its value.
    type Output;

    /// The handler that calls it.
    fn into_handler(self) -> Handler;
}

/// Marks functions that are async.
#[derive(Debug)]
pub struct Async;
/// Marks functions that block.
#[derive(Debug)]
pub struct Blocking;

macro_rules! functions {
    ($( ($($extractor:ident),*) )*) => { $(
        impl<F, Fut, A, O, E, $($extractor),*> Function<(Async, A, $($extractor,)*)> for F
        where
            F: Fn(A, $($extractor),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<O, E>> + Send + 'static,
            A: DeserializeOwned,
            O: Serialize,
            E: Into<BoxError> + 'static,
            $($extractor: FromContext,)*
        {
            type Args = A;
            type Output = O;

            fn into_handler(self) -> Handler {
                let needs: &[Option<StateType>] = &[$($extractor::needs()),*];
                let needs = needs.iter().copied().flatten().collect();
                let shape = Shape::Async(Arc::new(move |context: Context| {
                    let codec = context.task().payload.codec().clone();
                    let called =
                        (|| Ok::<_, Failure>(self(arguments(&context)?, $($extractor::from_context(&context)?),*)))();
                    match called {
                        Ok(future) => Box::pin(async move { value(&codec, future.await) }),
                        Err(failure) => Box::pin(ready(Err(failure))),
                    }
                }));
                Handler { shape, needs }
            }
        }

        impl<F, A, O, E, $($extractor),*> Function<(Blocking, A, $($extractor,)*)> for F
        where
            F: Fn(A, $($extractor),*) -> Result<O, E> + Send + Sync + 'static,
            A: DeserializeOwned,
            O: Serialize,
            E: Into<BoxError> + 'static,
            $($extractor: FromContext,)*
        {
            type Args = A;
            type Output = O;

            fn into_handler(self) -> Handler {
                let needs: &[Option<StateType>] = &[$($extractor::needs()),*];
                let needs = needs.iter().copied().flatten().collect();
                let shape = Shape::Blocking(Arc::new(move |context: Context| {
                    let codec = context.task().payload.codec().clone();
                    value(&codec, self(arguments(&context)?, $($extractor::from_context(&context)?),*))
                }));
                Handler { shape, needs }
            }
        }
    )* };
}

functions! {
    () (X1) (X1, X2) (X1, X2, X3) (X1, X2, X3, X4) (X1, X2, X3, X4, X5) (X1, X2, X3, X4, X5, X6)
}

impl<F, Fut, O, E> Function<Async> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    O: Serialize,
    E: Into<BoxError> + 'static,
{
    type Args = ();
    type Output = O;

    fn into_handler(self) -> Handler {
        Function::<(Async, ())>::into_handler(move |(): ()| self())
    }
}

impl<F, O, E> Function<Blocking> for F
where
    F: Fn() -> Result<O, E> + Send + Sync + 'static,
    O: Serialize,
    E: Into<BoxError> + 'static,
{
    type Args = ();
    type Output = O;

    fn into_handler(self) -> Handler {
        Function::<(Blocking, ())>::into_handler(move |(): ()| self())
    }
}
