//! The base of the blocking twins: one shared runtime, and a wait that never blocks a thread that an async runtime
//! needs.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Runtime;

use crate::{Error, Result};

fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("omniq-blocking")
                .enable_all()
                .build()
        })
        .as_ref()
        .map_err(|error| {
            Error::internal(format!("the runtime of the blocking classes cannot start: {error}"))
        })
}

/// The shared runtime.
#[cfg(feature = "testing")]
pub(crate) fn handle() -> Result<tokio::runtime::Handle> {
    Ok(runtime()?.handle().clone())
}

/// Whether this thread is polling futures of a Tokio runtime right now.
///
/// Tokio gives a budget to every task that it polls, and none to code on its blocking threads; a budget that can be
/// used up tells the two apart without a panic. Using it up only makes the calling task yield at its next await.
fn on_the_loop() -> bool {
    if tokio::runtime::Handle::try_current().is_err() {
        return false;
    }
    let mut context = Context::from_waker(Waker::noop());
    // Tokio's budget is 128; twice that is a safe bound for any phase of it.
    (0..256).any(|_| matches!(pin!(tokio::task::consume_budget()).poll(&mut context), Poll::Pending))
}

/// Runs a future on the shared runtime and blocks the calling thread until it is done.
///
/// Error `is_blocking_in_async` on a thread that is running async code: a block there would stop the runtime.
pub fn wait<F: Future>(future: F) -> Result<F::Output> {
    if on_the_loop() {
        return Err(Error::blocking_in_async(
            "a blocking method was called from async code, which would stop the runtime's thread: use the Async \
             class, or call it through tokio::task::spawn_blocking",
        ));
    }
    Ok(runtime()?.block_on(future))
}

/// Runs blocking work on a thread that may block.
#[cfg(feature = "conformance")]
pub(crate) async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Error::internal(format!("the blocking work was stopped: {error}")),
    })
}
