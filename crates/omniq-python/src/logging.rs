//! Passes the library's log to Python's `logging`. Records are buffered here, and a Python thread is woken to pass them on, so
//! that code that logs never waits for the GIL.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use omniq::logging::{TARGET, level_from_env, parse_level};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::to_py;
use crate::runtime::generation;
use crate::wake::Wake;
use omniq::sync::locked;

/// The most records that are buffered. Beyond it the oldest are dropped.
const MOST: usize = 10_000;

/// Level (Python's number), logger, message, fields, seconds since 1970.
type Record = (u8, String, String, Vec<(&'static str, Value)>, f64);

/// The value of a field.
#[derive(IntoPyObject)]
pub(crate) enum Value {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

struct Records {
    waiting: Mutex<VecDeque<Record>>,
    wake: OnceLock<Wake>,
}

/// One buffer for each generation of forks (the seventeenth uses the first again): a child must not wait for a lock that a
/// thread of its parent held.
static RECORDS: [Records; 16] =
    [const { Records { waiting: Mutex::new(VecDeque::new()), wake: OnceLock::new() } }; 16];

/// The lowest level that passes, as Python's number. A number above all levels lets nothing pass.
static LEVEL: AtomicU8 = AtomicU8::new(30);

fn records() -> &'static Records {
    let place = usize::try_from(generation()).unwrap_or_default() % RECORDS.len();
    &RECORDS[place]
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Record>> {
        locked(&self.waiting)
    }
}

fn as_python_counts(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

struct ToPython;

impl<S: Subscriber> Layer<S> for ToPython {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Handlers in Python do not log here, so the span of a run would attribute nothing.
        !metadata.is_span()
            && metadata.target().starts_with(TARGET)
            && as_python_counts(*metadata.level()) >= LEVEL.load(Ordering::Relaxed)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let name = metadata.target().replace("::", ".").replacen("omniq_", "omniq.", 1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let records = records();
        let first = {
            let mut waiting = records.lock();
            if waiting.len() >= MOST {
                waiting.pop_front();
            }
            waiting.push_back((as_python_counts(*metadata.level()), name, text.message, text.fields, now));
            waiting.len() == 1
        };
        if let (true, Some(wake)) = (first, records.wake.get()) {
            wake.set();
        }
    }
}

/// The message and the fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Text {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::Float(value));
    }
}

/// Sends the log to Python. Called once, when the module is loaded.
pub(crate) fn install() {
    // If another module of this process has set a subscriber, that one gets the log.
    let _ = tracing_subscriber::registry().with(ToPython).try_init();
}

/// Lets records pass that have at least this level of Python's.
#[pyfunction]
pub(crate) fn set_log_level(level: u8) {
    LEVEL.store(level, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

fn number(filter: LevelFilter) -> u8 {
    filter.into_level().map_or(60, as_python_counts)
}

/// The level of Python's that has this name, such as "debug".
#[pyfunction]
pub(crate) fn log_level(py: Python<'_>, name: &str) -> PyResult<u8> {
    parse_level(name).map(number).map_err(|error| to_py(py, error))
}

/// The level that `OMNIQ_LOG_LEVEL` sets; `None` if it is not set.
#[pyfunction]
pub(crate) fn log_level_from_env(py: Python<'_>) -> PyResult<Option<u8>> {
    level_from_env().map(|level| level.map(number)).map_err(|error| to_py(py, error))
}

/// The descriptor that is readable while there are records to take.
#[pyfunction]
pub(crate) fn log_fileno() -> PyResult<i32> {
    let records = records();
    if records.wake.get().is_none() {
        let wake = Wake::new().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let _ = records.wake.set(wake);
    }
    let wake = records.wake.get().ok_or_else(|| PyOSError::new_err("no descriptor"))?;
    if !records.lock().is_empty() {
        wake.set();
    }
    Ok(wake.fd())
}

/// Takes the buffered records.
#[pyfunction]
pub(crate) fn take_log_records() -> Vec<Record> {
    let records = records();
    if let Some(wake) = records.wake.get() {
        wake.clear();
    }
    std::mem::take(&mut *records.lock()).into()
}
