//! One run of a task in Python: its input, its one answer, and the queue by which answers return to the worker.

use std::mem::take;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omniq::{Context, Failure, Payload, StopReason};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use pyo3::{IntoPyObjectExt, intern};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use crate::answer::{Answer as Reply, statement};
use crate::convert::json::from_dict;
use crate::convert::name::Name;
use crate::convert::options::Convert;
use crate::convert::task::to_task;
use crate::convert::text::Text;
use crate::convert::time::{SPAN, from_span};
use crate::error::to_py;
use crate::pending::Pending;
use crate::wake::Wake;
use omniq::sync::locked;

/// The answer of a run: a value, or a failure.
pub(crate) type Ended = Result<Option<Payload>, Failure>;

/// What has taken a run, and how it is notified of a stop.
#[derive(Clone)]
pub(crate) enum Taker {
    /// The asyncio task of a coroutine, by its `cancel`.
    Task(Arc<Py<PyAny>>),
    /// The owner of a process, by a stop signal; it ends the process.
    StopSignal(Arc<Wake>),
}

/// A run, from when it enters the run queue until it is answered.
pub(crate) struct Run {
    pub(crate) context: Context,
    pub(crate) convert: Convert,
    replies: Arc<ReplyQueue>,
    reply: Mutex<Option<oneshot::Sender<Ended>>>,
    /// What has taken the run, and is notified of a stop.
    taker: Mutex<Option<Taker>>,
    /// The counter of runs that were given up. Set when this run becomes one of them.
    given_up: Mutex<Option<Arc<AtomicUsize>>>,
}

impl Run {
    pub(crate) fn new(
        context: Context,
        convert: Convert,
        replies: Arc<ReplyQueue>,
    ) -> (Arc<Self>, oneshot::Receiver<Ended>) {
        let (reply, ended) = oneshot::channel();
        let run = Self {
            context,
            convert,
            replies,
            reply: Mutex::new(Some(reply)),
            taker: Mutex::default(),
            given_up: Mutex::default(),
        };
        (Arc::new(run), ended)
    }

    /// Whether it has no answer yet.
    pub(crate) fn is_open(&self) -> bool {
        locked(&self.reply).is_some()
    }

    /// Answers the run. Only the first answer counts.
    pub(crate) fn answer(&self, ended: Ended) {
        if let Some(reply) = locked(&self.reply).take() {
            self.replies.push(reply, ended);
        }
    }

    /// Counts the run as given up until Python drops its handle.
    pub(crate) fn give_up(&self, count: &Arc<AtomicUsize>) {
        count.fetch_add(1, Ordering::AcqRel);
        *locked(&self.given_up) = Some(Arc::clone(count));
    }

    pub(crate) fn take_by(&self, taker: Option<Taker>) {
        *locked(&self.taker) = taker;
    }

    pub(crate) fn taker(&self) -> Option<Taker> {
        locked(&self.taker).clone()
    }
}

/// A run as Python has it. It is answered once, by one of `complete`, `fail`, `retry`, `snooze` and `discard`.
#[pyclass(frozen, name = "Run", module = "omniq._omniq")]
pub(crate) struct RunHandle(pub(crate) Arc<Run>);

impl Drop for RunHandle {
    /// Python can no longer answer the run: it fails if it has no answer by now.
    fn drop(&mut self) {
        if let Some(count) = locked(&self.0.given_up).take() {
            count.fetch_sub(1, Ordering::AcqRel);
        }
        self.0.answer(Err(Failure::error("lost", "the run ended without an answer")));
    }
}

fn failure(kind: Text, message: Text, trace: Option<Text>, fatal: bool) -> Failure {
    let made = if fatal { Failure::fatal(kind.0, message.0) } else { Failure::error(kind.0, message.0) };
    match trace {
        Some(trace) => made.trace(trace.0),
        None => made,
    }
}

fn payload(py: Python<'_>, value: Option<&Bound<'_, PyBytes>>, codec: &str) -> PyResult<Option<Payload>> {
    let Some(bytes) = value else { return Ok(None) };
    let codec = codec.parse().map_err(|error| to_py(py, error))?;
    Ok(Some(Payload::new(codec, bytes.as_bytes().to_vec())))
}

#[pymethods]
impl RunHandle {
    /// The task with its claim: `omniq.models.Task`.
    fn task<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_task(py, self.0.convert, self.0.context.task())
    }

    #[getter]
    fn id(&self) -> Uuid {
        self.0.context.id().as_uuid()
    }

    #[getter]
    fn func(&self) -> &str {
        &self.0.context.task().func
    }

    #[getter]
    fn queue(&self) -> &str {
        &self.0.context.task().queue
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.0.context.attempt()
    }

    #[getter]
    fn may_retry(&self) -> bool {
        self.0.context.may_retry()
    }

    #[getter]
    fn worker(&self) -> &str {
        self.0.context.worker()
    }

    /// Seconds until the run's timeout is over; `None` if it has no timeout.
    #[getter]
    fn time_left(&self) -> Option<f64> {
        self.0.context.deadline().map(|end| end.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    /// Why the run must stop; `None` if it need not.
    #[getter]
    fn stop_reason(&self) -> Option<&'static str> {
        self.0.context.stop_reason().map(name_of)
    }

    /// Waits until the run must stop, and returns the reason.
    fn cancelled(&self) -> Pending {
        let context = self.0.context.clone();
        Pending::new(self.0.convert, async move { Ok(Reply::Name(name_of(context.cancelled().await))) })
    }

    /// The tasks that this one runs after, with their results.
    fn predecessors(&self) -> Pending {
        let context = self.0.context.clone();
        Pending::new(self.0.convert, async move { context.predecessors().await.map(Reply::Predecessors) })
    }

    /// The statement that completes the task in the user's transaction.
    fn completion(
        &self,
        py: Python<'_>,
        value: Option<&Bound<'_, PyBytes>>,
        codec: &str,
    ) -> PyResult<Pending> {
        let value = payload(py, value, codec)?;
        let context = self.0.context.clone();
        Ok(Pending::new(self.0.convert, async move { statement(context.completion(value).await) }))
    }

    /// Takes the last completion back, which was certainly not carried out: what the run returns counts as before.
    fn completion_refused(&self) {
        self.0.context.completion_refused();
    }

    /// Whether a transaction of the user may have completed the task.
    #[getter]
    fn has_completed(&self) -> bool {
        self.0.context.completed_inside()
    }

    fn log_event(&self, py: Python<'_>, kind: Name, data: &Bound<'_, PyDict>) -> PyResult<()> {
        let data = from_dict("data", data.as_any())?;
        self.0.context.log_event(&kind.0, data).map_err(|error| to_py(py, error))
    }

    fn complete(&self, py: Python<'_>, value: Option<&Bound<'_, PyBytes>>, codec: &str) -> PyResult<()> {
        self.0.answer(Ok(payload(py, value, codec)?));
        Ok(())
    }

    /// Fails the run. `fatal` makes the task a dead letter at once.
    fn fail(&self, kind: Text, message: Text, trace: Option<Text>, fatal: bool) {
        self.0.answer(Err(failure(kind, message, trace, fatal)));
    }

    fn retry(
        &self,
        delay: Option<&Bound<'_, PyAny>>,
        kind: Text,
        message: Option<Text>,
        trace: Option<Text>,
        unlimited: bool,
    ) -> PyResult<()> {
        let delay = delay.map(|delay| from_span("the delay of a retry", delay, SPAN)).transpose()?;
        let made = match (message, delay) {
            (None, Some(delay)) => Failure::retry_in(delay),
            (message, delay) => {
                let made = failure(kind, message.unwrap_or(Text(String::new())), trace, false);
                delay.into_iter().fold(made, Failure::delay)
            }
        };
        self.0.answer(Err(if unlimited { made.unlimited() } else { made }));
        Ok(())
    }

    fn snooze(&self, delay: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.answer(Err(Failure::snooze(from_span("the delay of a snooze", delay, SPAN)?)));
        Ok(())
    }

    fn discard(&self, reason: Text) {
        self.0.answer(Err(Failure::discard(reason.0)));
    }
}

fn name_of(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Cancelled => "cancelled",
        StopReason::Timeout => "timeout",
        StopReason::LeaseLost => "lease_lost",
        StopReason::Shutdown => "shutdown",
        _ => "stopped",
    }
}

/// What Python receives for a run: the runner, the run, the arguments' bytes, and their codec.
pub(crate) fn to_python(
    py: Python<'_>,
    run: Arc<Run>,
    runner: &Py<PyAny>,
    taker: Option<Taker>,
) -> PyResult<Py<PyAny>> {
    let payload = &run.context.task().payload;
    let bytes = PyBytes::new(py, payload.bytes());
    let codec = match payload.codec().name() {
        "json" => intern!(py, "json").clone(),
        other => PyString::new(py, other),
    };
    run.take_by(taker);
    (runner.clone_ref(py), RunHandle(run), bytes, codec).into_py_any(py)
}

/// The longest time that a thread waits for a run before it takes the GIL again, where it stops if the interpreter ends.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// Returns answers to the worker, all that are ready in one step: one wake-up costs less than one for each.
///
/// Any thread pushes answers. A task of the runtime delivers them, woken once for all that are there.
#[derive(Default)]
pub(crate) struct ReplyQueue {
    ready: Mutex<Vec<(oneshot::Sender<Ended>, Ended)>>,
    notify: Notify,
}

impl ReplyQueue {
    pub(crate) fn push(&self, reply: oneshot::Sender<Ended>, ended: Ended) {
        let was_empty = {
            let mut ready = locked(&self.ready);
            ready.push((reply, ended));
            ready.len() == 1
        };
        if was_empty {
            self.notify.notify_one();
        }
    }

    /// Delivers answers until it is aborted.
    pub(crate) async fn deliver(self: Arc<Self>) {
        loop {
            self.notify.notified().await;
            let ready = take(&mut *locked(&self.ready));
            for (reply, ended) in ready {
                // Sending fails if the handler is gone, as at the worker's end.
                let _ = reply.send(ended);
            }
        }
    }
}
