//! A call that has not begun. An event loop awaits it, or a thread blocks on it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use omniq::Result;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use crate::answer::Answer;
use crate::convert::options::Convert;
use crate::error::to_py;
use crate::runtime::runtime;
use omniq::sync::locked;

/// The work of a verb, done without the GIL.
pub(crate) type Call = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;

/// How often a blocked thread checks for signals, such as Ctrl-C.
const SIGNALS: Duration = Duration::from_millis(50);

enum Stage {
    New(Call, Convert),
    Begun(Option<AbortHandle>),
}

/// A call that has not begun. It can be begun once, by `Bridge.start` or by `wait`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Pending(Mutex<Stage>);

impl Pending {
    pub(crate) fn new(convert: Convert, call: impl Future<Output = Result<Answer>> + Send + 'static) -> Self {
        Self(Mutex::new(Stage::New(Box::pin(call), convert)))
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        locked(&self.0)
    }

    /// Takes the call out. Fails the second time.
    pub(crate) fn begin(&self, _gil: Python<'_>) -> PyResult<(Call, Convert)> {
        let mut stage = self.lock();
        if matches!(*stage, Stage::New(..))
            && let Stage::New(call, convert) = std::mem::replace(&mut *stage, Stage::Begun(None))
        {
            return Ok((call, convert));
        }
        Err(PyRuntimeError::new_err("this call has begun already: make another for another run"))
    }

    pub(crate) fn abort_by(&self, handle: AbortHandle) {
        *self.lock() = Stage::Begun(Some(handle));
    }
}

#[pymethods]
impl Pending {
    /// Begins the call and blocks this thread until it is done, without the GIL. Python's signal handlers run meanwhile. An
    /// exception that one of them raises, such as KeyboardInterrupt, drops the call.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (mut call, convert) = self.begin(py)?;
        let runtime = runtime(py).map_err(|error| to_py(py, error))?;
        loop {
            let answer =
                py.detach(|| runtime.block_on(async { tokio::time::timeout(SIGNALS, &mut call).await.ok() }));
            if let Some(answer) = answer {
                return answer.map_err(|error| to_py(py, error)).and_then(|answer| convert.run(py, answer));
            }
            if let Err(interrupt) = py.check_signals() {
                // A destructor within the call may need the runtime.
                py.detach(|| {
                    let _entered = runtime.enter();
                    drop(call);
                });
                return Err(interrupt);
            }
        }
    }

    /// Drops a call that `Bridge.start` has begun. Does nothing if it is done.
    fn abort(&self) {
        if let Stage::Begun(Some(handle)) = &*self.lock() {
            handle.abort();
        }
    }
}
