//! One run: handler, timeout, panic, stop. Then its end goes to the outbox.

use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument;

use super::ending::{Ending, settlement};
use super::local_queue::Entry;
use super::outbox::Outbox;
use super::prefetch::RunTimes;
use crate::handler::{Answer, CatchPanic, Context, Handler, Shape, StopReason, catch};
use crate::model::{EventKind, TaskError, TaskEvent};

/// A run that is about to begin.
pub(super) struct Run {
    pub(super) context: Context,
    pub(super) handler: Handler,
    /// Its entry in the local queue, which ends with it.
    pub(super) entry: Entry,
}

impl Run {
    pub(super) async fn go(self, outbox: &Outbox, times: &RunTimes) {
        let task = self.context.task();
        let span = tracing::info_span!("run", task = %task.id, func = task.func, attempt = task.attempt);
        if outbox.events_on() {
            outbox.event(TaskEvent::of(task, EventKind::Started).worker(self.context.worker()));
        }
        let begun = Instant::now();
        let ending = match &self.handler.0 {
            Shape::Async(function) => {
                let context = self.context.clone();
                match span.in_scope(|| catch(|| function(context))) {
                    Ok(future) => run_async(future, &self.context).instrument(span).await,
                    Err(panic) => Ending::Panicked(panic),
                }
            }
            Shape::Cooperative(function) => {
                let context = self.context.clone();
                match span.in_scope(|| catch(|| function(context))) {
                    Ok(future) => run_cooperative(future, &self.context).instrument(span).await,
                    Err(panic) => Ending::Panicked(panic),
                }
            }
            Shape::Blocking(function) => {
                let (function, context) = (Arc::clone(function), self.context.clone());
                let work = move || span.in_scope(|| catch(|| function(context)));
                match run_blocking(work, &self.context).await {
                    Some(ending) => ending,
                    // The runtime is shutting down and has not begun it.
                    None => return,
                }
            }
        };
        times.ended(begun.elapsed());
        if let Some(settlement) = settlement(&self.context, ending) {
            outbox.ended(settlement, self.context.completed_inside()).await;
        }
        drop(self.entry);
    }
}

/// If the handler's answer is ready when the run is stopped, the answer counts.
async fn run_async(future: impl Future<Output = Answer> + Unpin, context: &Context) -> Ending {
    tokio::select! {
        biased;
        answer = CatchPanic::new(future) => match answer {
            Ok(answer) => Ending::Answered(answer),
            Err(panic) => Ending::Panicked(panic),
        },
        reason = context.cancelled() => Ending::Stopped(reason),
        () = time_over(context) => {
            context.stop(StopReason::Timeout);
            Ending::Stopped(StopReason::Timeout)
        }
    }
}

/// A thread cannot be stopped from outside: the function is asked to stop, and its end is waited for.
async fn run_blocking(
    work: impl FnOnce() -> Result<Answer, TaskError> + Send + 'static,
    context: &Context,
) -> Option<Ending> {
    let mut thread = tokio::task::spawn_blocking(work);
    let answer = tokio::select! {
        biased;
        answer = &mut thread => answer,
        () = time_over(context) => {
            context.stop(StopReason::Timeout);
            thread.await
        }
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_cancelled() => return None,
        Err(_) => {
            return Some(Ending::Panicked(TaskError::new(
                "panic",
                "the handler's thread ended without an answer",
            )));
        }
    };
    Some(ending_of_cooperative(answer, context))
}

/// The function is asked to stop, and its end is waited for.
async fn run_cooperative(future: impl Future<Output = Answer> + Unpin, context: &Context) -> Ending {
    let mut future = CatchPanic::new(future);
    let answer = tokio::select! {
        biased;
        answer = &mut future => answer,
        () = time_over(context) => {
            context.stop(StopReason::Timeout);
            future.await
        }
    };
    ending_of_cooperative(answer, context)
}

fn ending_of_cooperative(answer: Result<Answer, TaskError>, context: &Context) -> Ending {
    match (answer, context.stop_reason()) {
        // A value counts even if the worker's stop was signalled to the run. Any other answer after a stop counts as
        // the stop.
        (Ok(Ok(value)), None | Some(StopReason::Shutdown)) => Ending::Answered(Ok(value)),
        (_, Some(reason)) => Ending::Stopped(reason),
        (Ok(answer), None) => Ending::Answered(answer),
        (Err(panic), None) => Ending::Panicked(panic),
    }
}

async fn time_over(context: &Context) {
    match context.deadline() {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
