//! One run: handler, timeout, panic, stop; then its end is handed over.

use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument;

use super::ending::{Ending, settlement};
use super::notes::Notes;
use super::pace::Runs;
use super::running::Entry;
use crate::handler::{Answer, CatchPanic, Context, Handler, Shape, StopReason, catch};
use crate::model::{EventKind, TaskError, TaskEvent};

/// A run that is about to begin.
pub(super) struct Run {
    pub(super) context: Context,
    pub(super) handler: Handler,
    /// Its place among what runs: given back when the run is over, however.
    pub(super) entry: Entry,
}

impl Run {
    pub(super) async fn go(self, notes: &Notes, runs: &Runs) {
        let task = self.context.task();
        let span = tracing::info_span!("run", task = %task.id, func = task.func, attempt = task.attempt);
        if notes.events_on() {
            notes.event(TaskEvent::of(task, EventKind::Started).worker(self.context.worker()));
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
            Shape::Told(function) => {
                let context = self.context.clone();
                match span.in_scope(|| catch(|| function(context))) {
                    Ok(future) => run_told(future, &self.context).instrument(span).await,
                    Err(panic) => Ending::Panicked(panic),
                }
            }
            Shape::Blocking(function) => {
                let (function, context) = (Arc::clone(function), self.context.clone());
                let work = move || span.in_scope(|| catch(|| function(context)));
                match run_blocking(work, &self.context).await {
                    Some(ending) => ending,
                    // The runtime is going down and has not begun with it.
                    None => return,
                }
            }
        };
        runs.ended(begun.elapsed());
        if let Some(settlement) = settlement(&self.context, ending) {
            notes.ended(settlement, self.context.completed_inside()).await;
        }
        drop(self.entry);
    }
}

/// A handler that has its answer ready when it is told to stop has answered.
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

/// Nothing stops a thread from outside: the function is told, and its end waited for.
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
        Err(_) => return Some(Ending::Panicked(TaskError::new("panic", "the handler's thread broke off"))),
    };
    Some(ending_of_told(answer, context))
}

/// The function is told, and its end waited for.
async fn run_told(future: impl Future<Output = Answer> + Unpin, context: &Context) -> Ending {
    let mut future = CatchPanic::new(future);
    let answer = tokio::select! {
        biased;
        answer = &mut future => answer,
        () = time_over(context) => {
            context.stop(StopReason::Timeout);
            future.await
        }
    };
    ending_of_told(answer, context)
}

fn ending_of_told(answer: Result<Answer, TaskError>, context: &Context) -> Ending {
    match (answer, context.stop_reason()) {
        // What was done in spite of the stop is done; anything else is taken for the answer to it.
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
