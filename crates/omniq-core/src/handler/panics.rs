//! Turns panics of handlers into failures with message, location and backtrace, without output on stderr.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use crate::model::TaskError;

#[derive(Default)]
struct Watch {
    /// How many guarded calls are on this thread's stack.
    depth: usize,
    caught: Option<(String, Backtrace)>,
}

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

/// Puts a hook before the process's panic hook, once. Panics outside of handlers go to the hook that was there before.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A panic inside this bookkeeping, or at the thread's end, is not a handler's.
            let ours = WATCH.try_with(|watch| watch.try_borrow().is_ok_and(|watch| watch.depth > 0));
            if !ours.unwrap_or(false) {
                return before(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let trace = Backtrace::force_capture();
            WATCH.with(|watch| watch.borrow_mut().caught = Some((place, trace)));
        }));
    });
}

/// Calls a function, and turns its panic into an error.
// Its frame in the backtrace marks where the handler's own frames end.
#[inline(never)]
pub(crate) fn catch<T>(function: impl FnOnce() -> T) -> Result<T, TaskError> {
    WATCH.with(|watch| watch.borrow_mut().depth += 1);
    // State that a panic left inconsistent is dropped, and never used again.
    let answer = catch_unwind(AssertUnwindSafe(function));
    let caught = WATCH.with(|watch| {
        let mut watch = watch.borrow_mut();
        watch.depth -= 1;
        watch.caught.take()
    });
    answer.map_err(|payload| error_of(&*payload, caught))
}

fn error_of(payload: &(dyn Any + Send), caught: Option<(String, Backtrace)>) -> TaskError {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is no text".to_owned());
    match caught {
        Some((place, trace)) => {
            TaskError::new("panic", format!("{text} (at {place})")).with_trace(own_frames(&trace.to_string()))
        }
        None => TaskError::new("panic", text),
    }
}

/// The frames from the panic down to the handler; those above and below say nothing about the handler.
fn own_frames(trace: &str) -> &str {
    let end = trace.find("omniq_core::handler::panics::catch").unwrap_or(trace.len());
    let begin = trace[..end].find("core::panicking::panic_fmt").unwrap_or(0);
    let whole_lines = trace[begin..end].rfind('\n').unwrap_or(end - begin);
    &trace[begin..begin + whole_lines]
}

/// A future whose panics, in a poll or in its drop, are caught.
pub(crate) struct CatchPanic<F: Future + Unpin>(Option<F>);

impl<F: Future + Unpin> CatchPanic<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(future))
    }
}

impl<F: Future + Unpin> Future for CatchPanic<F> {
    type Output = Result<F::Output, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        match catch(|| Pin::new(future).poll(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<F: Future + Unpin> Drop for CatchPanic<F> {
    fn drop(&mut self) {
        if let Some(future) = self.0.take()
            && let Err(error) = catch(|| drop(future))
        {
            tracing::error!(error = %error.message, "a handler panicked while it was dropped");
        }
    }
}
