//! One run of a task, as Python holds it: what it is given, and the one answer that it gives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omniq::{Context, Failure, Payload, StopReason};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use pyo3::{IntoPyObjectExt, intern};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::replies::ReplyQueue;
use crate::answer::{Answer as Reply, Convert};
use crate::convert::json::from_dict;
use crate::convert::task::to_task;
use crate::convert::text::{Name, Text};
use crate::convert::time::{SPAN, from_span};
use crate::error::to_py;
use crate::pending::Pending;
use crate::wake::Wake;
use omniq::sync::locked;

/// What a run came to.
pub(crate) type Ended = Result<Option<Payload>, Failure>;

/// How what has taken a run is told of a stop.
#[derive(Clone)]
pub(crate) enum Taker {
    /// By `cancel` of a coroutine's task.
    Task(Arc<Py<PyAny>>),
    /// By a bell, whose owner ends the process.
    StopSignal(Arc<Wake>),
}

/// A run, from when it is handed over until it is answered.
pub(crate) struct Run {
    pub(crate) context: Context,
    pub(crate) convert: Convert,
    replies: Arc<ReplyQueue>,
    reply: Mutex<Option<oneshot::Sender<Ended>>>,
    /// What has taken it, to be told of a stop.
    taker: Mutex<Option<Taker>>,
    /// The count of runs that were given up, once this is one of them.
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

    /// Whether it waits for its answer.
    pub(crate) fn is_open(&self) -> bool {
        locked(&self.reply).is_some()
    }

    /// The first answer counts.
    pub(crate) fn answer(&self, ended: Ended) {
        if let Some(reply) = locked(&self.reply).take() {
            self.replies.push(reply, ended);
        }
    }

    /// Counted here until Python has let go of it.
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

/// One run of a task. It is answered once, by one of `complete`, `fail`, `retry`, `snooze` and `discard`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Job(pub(crate) Arc<Run>);

impl Drop for Job {
    /// Nobody can answer it any more.
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
impl Job {
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

    /// Seconds until its time is over; `None` without a timeout.
    #[getter]
    fn time_left(&self) -> Option<f64> {
        self.0.context.deadline().map(|end| end.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    /// Why it should stop, if it should.
    #[getter]
    fn stop_reason(&self) -> Option<&'static str> {
        self.0.context.stop_reason().map(name_of)
    }

    /// Waits until it should stop, and says why.
    fn cancelled(&self) -> Pending {
        let context = self.0.context.clone();
        Pending::new(self.0.convert, async move { Ok(Reply::Name(name_of(context.cancelled().await))) })
    }

    /// What another driver sends to complete the task in its transaction: (statement, text, bytes or `None`).
    fn completion(
        &self,
        py: Python<'_>,
        value: Option<&Bound<'_, PyBytes>>,
        codec: &str,
    ) -> PyResult<Pending> {
        let value = payload(py, value, codec)?;
        let context = self.0.context.clone();
        Ok(Pending::new(
            self.0.convert,
            async move { context.completion(value).await.map(Reply::Completion) },
        ))
    }

    /// The last completion was certainly not carried out.
    fn completion_refused(&self) {
        self.0.context.completion_refused();
    }

    /// Whether a transaction of the user's own may have completed the task.
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

    /// `fatal` makes it a dead letter at once.
    fn fail(&self, kind: Text, message: Text, trace: Option<Text>, fatal: bool) {
        self.0.answer(Err(failure(kind, message, trace, fatal)));
    }

    fn retry(
        &self,
        delay: Option<&Bound<'_, PyAny>>,
        message: Option<Text>,
        trace: Option<Text>,
        unlimited: bool,
    ) -> PyResult<()> {
        let made = match delay {
            Some(delay) => Failure::retry_in(from_span("the delay of a retry", delay, SPAN)?),
            // After the task's backoff.
            None => Failure::error("omniq.Retry", ""),
        };
        let mut made = if unlimited { made.unlimited() } else { made };
        if let Some(message) = message {
            made = made.message(message.0);
            if let Some(trace) = trace {
                made = made.trace(trace.0);
            }
        }
        self.0.answer(Err(made));
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

/// What Python gets for a run: how to run it, the arguments' bytes, their codec, and the job.
pub(crate) fn handed_over(
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
    (runner.clone_ref(py), Job(run), bytes, codec).into_py_any(py)
}

/// How long one wait of a thread for work may last before it looks at whether its process ends.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
