//! Signals of a worker's process, and the end of that process. Python's signal handler, which is written in C, writes each
//! signal to a descriptor at once, even if the interpreter is busy. They are read here, on threads that do not need the
//! interpreter.

use std::future::Future;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Worker;
use super::stop::{LOG, Stop, raise};
use crate::error::to_py;
use crate::runtime::runtime;
use omniq::sync::locked;

/// Signals within this time count as one: `timeout` of coreutils sends one to the process and one to its group.
const TOGETHER: Duration = Duration::from_millis(100);
/// How long a worker may take to end after a second signal. Runs have one second of it to clean up.
const AT_ONCE: Duration = Duration::from_secs(3);
/// How long the rest of the process may take to end after its worker, in addition to what its lifespans may take.
const AFTER_WORKER: Duration = Duration::from_secs(3);
/// How long Python has to write what is buffered for the log and the standard streams.
const FLUSH: Duration = Duration::from_millis(500);
/// SIGINT, SIGTERM and SIGQUIT.
const STOPS: [u8; 3] = [2, 15, QUIT];
/// SIGQUIT, which stops at once also as the first signal.
const QUIT: u8 = 3;

/// Receives the signals of a worker's process. Python code sets the descriptor and the handlers.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Signals {
    writer: UnixStream,
    reader: Mutex<Option<UnixStream>>,
    done: watch::Sender<bool>,
    /// Whether a signal has come.
    came: watch::Sender<bool>,
}

#[pymethods]
impl Signals {
    #[new]
    fn new() -> PyResult<Self> {
        let pair = || {
            let (writer, reader) = UnixStream::pair()?;
            writer.set_nonblocking(true)?;
            reader.set_nonblocking(true)?;
            Ok::<_, std::io::Error>((writer, reader))
        };
        let (writer, reader) = pair().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let reader = Mutex::new(Some(reader));
        Ok(Self { writer, reader, done: watch::Sender::new(false), came: watch::Sender::new(false) })
    }

    /// The descriptor to which signals are written.
    fn fileno(&self) -> i32 {
        self.writer.as_raw_fd()
    }

    /// Adds a signal that was not written to the descriptor.
    fn note(&self, number: u8) {
        // An error is ignored: a descriptor that is full holds enough signals.
        let _ = std::io::Write::write(&mut &self.writer, &[number]);
    }

    /// From now on signals stop these workers, also those that have come before. After a signal the process is ended if the
    /// workers do not end in time after a second one, if runs still go on when they have ended, or if `done` is not called in
    /// time then and `tear_down` seconds. `end_process` is called on a thread that waits for the interpreter for a short time
    /// only. `supervised`: a second signal changes nothing unless it is SIGQUIT, because one may come from the supervisor and
    /// one from what has signalled them all.
    fn stop_by_signals(
        &self,
        py: Python<'_>,
        workers: Vec<Py<Worker>>,
        tear_down: f64,
        supervised: bool,
        end_process: Py<PyAny>,
    ) -> PyResult<()> {
        let reader = locked(&self.reader).take();
        let reader = reader.ok_or_else(|| PyRuntimeError::new_err("signals are taken for one worker"))?;
        let runtime = runtime(py).map_err(|error| to_py(py, error))?;
        let _entered = runtime.enter();
        let reader = tokio::net::UnixStream::from_std(reader)
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        let process = Process {
            signals: Incoming { reader, last: None, came: self.came.clone(), supervised },
            stops: workers.iter().map(|worker| worker.get().stop.clone()).collect(),
            ended: workers.iter().map(|worker| worker.get().ended.subscribe()).collect(),
            done: self.done.subscribe(),
            rest: AFTER_WORKER + Duration::try_from_secs_f64(tear_down).unwrap_or_default(),
        };
        runtime.spawn(async move {
            if process.has_to_end().await {
                end(end_process);
            }
        });
        Ok(())
    }

    /// The process is no longer ended because of signals. Returns whether one has come.
    fn done(&self) -> bool {
        self.done.send_replace(true);
        *self.came.borrow()
    }
}

/// Signals as they come.
struct Incoming {
    reader: tokio::net::UnixStream,
    last: Option<Instant>,
    came: watch::Sender<bool>,
    supervised: bool,
}

impl Incoming {
    /// Waits for the next signal that stops at once if it follows another one.
    async fn hurry(&mut self) {
        while self.next().await != QUIT && self.supervised {}
    }

    /// Waits for the next signal to stop, and returns its number. Dropping the future loses none.
    async fn next(&mut self) -> u8 {
        let mut byte = [0_u8];
        loop {
            if self.reader.readable().await.is_err() {
                return std::future::pending().await;
            }
            match self.reader.try_read(&mut byte) {
                Ok(1) => {}
                Ok(_) => return std::future::pending().await,
                Err(_) => continue,
            }
            let is_apart = byte[0] == QUIT || self.last.is_none_or(|last| last.elapsed() >= TOGETHER);
            if STOPS.contains(&byte[0]) && is_apart {
                self.last = Some(Instant::now());
                self.came.send_replace(true);
                return byte[0];
            }
        }
    }
}

struct Process {
    signals: Incoming,
    stops: Vec<Stop>,
    ended: Vec<watch::Receiver<Option<usize>>>,
    done: watch::Receiver<bool>,
    /// How long the rest of the process may take to end after its worker.
    rest: Duration,
}

impl Process {
    /// Follows the workers until they have ended or their time is over. Returns whether the process must be ended then.
    async fn has_to_end(mut self) -> bool {
        let first = tokio::select! {
            biased;
            number = self.signals.next() => number,
            _ = ended(&mut self.ended) => return false,
        };
        self.raise(1);
        let hurry = async {
            if first != QUIT {
                let words = if self.signals.supervised { "" } else { "; another one stops at once" };
                tracing::info!(target: LOG, "signal received: stopping{words}");
                self.signals.hurry().await;
            }
        };
        let left = tokio::select! {
            left = ended(&mut self.ended) => left,
            () = hurry => {
                tracing::warn!(target: LOG, "{} signal received: stopping at once", if first == QUIT { "quit" } else { "second" });
                self.raise(2);
                tokio::select! {
                    left = ended(&mut self.ended) => left,
                    () = either(self.signals.hurry(), sleep(AT_ONCE)) => return true,
                }
            }
        };
        if left > 0 {
            // Another worker may run the tasks of these runs a second time.
            return true;
        }
        tokio::select! {
            _ = self.done.wait_for(|done| *done) => false,
            () = either(self.signals.hurry(), sleep(self.rest)) => {
                tracing::warn!(target: LOG, "the worker has ended, and something else keeps the process from ending: it is ended");
                true
            }
        }
    }
}

impl Process {
    fn raise(&self, to: u8) {
        self.stops.iter().for_each(|stop| raise(stop, to));
    }
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

/// How many runs were going on at the end of the workers. None if a sender is gone without a report.
async fn ended(all: &mut [watch::Receiver<Option<usize>>]) -> usize {
    let mut left = 0;
    for ended in all {
        left += ended.wait_for(Option::is_some).await.map_or(0, |left| left.unwrap_or_default());
    }
    left
}

/// Ends the process whatever its threads do. First Python ends it, if a thread gets the interpreter in time, then `exit`, both
/// with exit code 0; if that hangs, SIGKILL.
fn end(end_process: Py<PyAny>) {
    std::thread::spawn(move || Python::attach(|py| end_process.call0(py).map(drop)));
    std::thread::sleep(FLUSH);
    std::thread::spawn(|| std::process::exit(0));
    std::thread::sleep(FLUSH);
    // An exit handler of a library hangs.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
