//! Custom storages, which are written in Python: each call is passed to the user's object.
//!
//! Async methods run on the event loop that opened the storage, blocking ones on a thread that may block.

mod events;
mod notifier;
mod queue;
mod results;

use std::sync::{Arc, Mutex, Weak};

use omniq::{Error, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefMethods, PyWeakrefReference};
use tokio::sync::oneshot;

use crate::bridge::{Bridge, CompletionQueue, Item};
use crate::convert::imported::imported;
use crate::convert::options::Convert;
use crate::error::{from_py, to_py};
use omniq::sync::locked;

pub(crate) use events::CustomEvents;
pub(crate) use notifier::Notifier;
pub(crate) use queue::CustomQueue;
pub(crate) use results::CustomResults;

/// Positional and keyword arguments, made while the GIL is held.
pub(crate) type Arguments = (Py<PyTuple>, Option<Py<PyDict>>);

/// A user's object before it is opened. The reference is weak, because the object holds this value.
pub(crate) struct Origin {
    object: Py<PyWeakrefReference>,
    is_async: bool,
    pub(crate) convert: Convert,
}

impl Origin {
    pub(crate) fn new(object: &Bound<'_, PyAny>, is_async: bool, allow_pickle: bool) -> PyResult<Self> {
        let object = PyWeakrefReference::new(object)?.unbind();
        Ok(Self { object, is_async, convert: Convert { allow_pickle } })
    }

    /// Opens the object. An async one is bound to the loop that runs on this thread.
    pub(crate) fn open(&self, py: Python<'_>) -> Result<Custom> {
        let object = self.object.bind(py).upgrade().ok_or_else(|| {
            Error::closed("the storage written in Python is gone: keep it for as long as it is used")
        })?;
        let completions = if self.is_async {
            Some(completions_of_loop(py).map_err(|error| from_py(py, error))?)
        } else {
            None
        };
        Ok(Custom { object: object.unbind().into(), completions, convert: self.convert })
    }
}

fn completions_of_loop(py: Python<'_>) -> PyResult<Weak<CompletionQueue>> {
    let bridge = imported!(py, "omniq._loop", "current_bridge")?.call0()?;
    if bridge.is_none() {
        return Err(to_py(
            py,
            Error::config(
                "an async storage written in Python needs the event loop of an Async class: use the blocking interface \
                 for a storage of blocking classes",
            ),
        ));
    }
    Ok(Arc::downgrade(bridge.cast::<Bridge>()?.get().completions()))
}

/// A user's object that is open.
pub(crate) struct Custom {
    object: Arc<Py<PyAny>>,
    /// The loop on which its methods run; `None` if they block.
    completions: Option<Weak<CompletionQueue>>,
    convert: Convert,
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Custom").field("object", &Arc::as_ptr(&self.object)).finish()
    }
}

impl Clone for Custom {
    fn clone(&self) -> Self {
        Self {
            object: Arc::clone(&self.object),
            completions: self.completions.clone(),
            convert: self.convert,
        }
    }
}

impl Custom {
    /// A location that no other storage has: no other shares a transaction with it.
    pub(crate) fn location(&self) -> omniq::port::Location {
        omniq::port::Location::new(format!("python {:p}", Arc::as_ptr(&self.object)))
    }

    pub(crate) fn convert(&self) -> Convert {
        self.convert
    }

    /// Calls a method and reads its answer.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        arguments: impl FnOnce(Python<'_>) -> PyResult<Arguments> + Send + 'static,
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T> + Send + 'static,
    ) -> Result<T> {
        let object = Arc::clone(&self.object);
        let invoke = move |py: Python<'_>| -> PyResult<Py<PyAny>> {
            let (positional, named) = arguments(py)?;
            let named = named.as_ref().map(|named| named.bind(py));
            Ok(object.bind(py).getattr(name)?.call(positional, named)?.unbind())
        };
        match &self.completions {
            None => {
                let work = tokio::task::spawn_blocking(move || {
                    Python::attach(|py| {
                        let answer = invoke(py).and_then(|answer| read(answer.bind(py)));
                        answer.map_err(|error| from_py(py, error))
                    })
                });
                work.await.map_err(|error| Error::internal(format!("the call was stopped: {error}")))?
            }
            Some(completions) => {
                let (sender, answer) = oneshot::channel();
                let completions = completions.upgrade().ok_or_else(loop_gone)?;
                completions.push(Item::Call(Box::new(move |py| begin(py, invoke, read, sender))));
                drop(completions);
                answer.await.map_err(|_| loop_gone())?
            }
        }
    }
}

fn loop_gone() -> Error {
    Error::closed("the event loop that opened the storage written in Python has ended")
}

/// Makes the coroutine and starts it on the loop. Called on the loop's thread.
fn begin<T: Send + 'static>(
    py: Python<'_>,
    invoke: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>,
    read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T> + Send + 'static,
    sender: oneshot::Sender<Result<T>>,
) {
    let done = move |py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>| {
        let answer = answer.and_then(|answer| read(&answer)).map_err(|error| from_py(py, error));
        // Sending fails if the call was dropped.
        let _ = sender.send(answer);
    };
    let done = Done(Mutex::new(Some(Box::new(done))));
    let begun = Py::new(py, done).and_then(|done| {
        let coroutine = match invoke(py) {
            Ok(coroutine) => coroutine,
            Err(error) => {
                return done.get().__call__(py, None, Some(error.into_value(py).into_bound(py).into_any()));
            }
        };
        imported!(py, "omniq._loop", "spawn")?.call1((coroutine, done)).map(drop)
    });
    if let Err(error) = begun {
        error.write_unraisable(py, None);
    }
}

type Receive = Box<dyn FnOnce(Python<'_>, PyResult<Bound<'_, PyAny>>) + Send>;

/// Receives the answer of a coroutine.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Done(Mutex<Option<Receive>>);

#[pymethods]
impl Done {
    /// Called once, with the value or with the exception.
    fn __call__(
        &self,
        py: Python<'_>,
        value: Option<Bound<'_, PyAny>>,
        error: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let receive = locked(&self.0).take();
        let receive = receive.ok_or_else(|| PyTypeError::new_err("a call is answered once"))?;
        match error {
            Some(error) => receive(py, Err(PyErr::from_value(error))),
            None => receive(py, Ok(value.unwrap_or_else(|| py.None().into_bound(py)))),
        }
        Ok(())
    }
}

/// Positional arguments without keyword arguments.
pub(crate) fn positional<'py, A>(py: Python<'py>, arguments: A) -> PyResult<Arguments>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    A::Error: Into<PyErr>,
{
    Ok((arguments.into_pyobject(py).map_err(Into::into)?.unbind(), None))
}

/// The fields of a filter as keyword arguments; only those in `kept`, if the method does not take all.
pub(crate) fn named(fields: &Bound<'_, PyAny>, kept: Option<&[&str]>) -> PyResult<Arguments> {
    let py = fields.py();
    let names = imported!(py, "msgspec.structs", "asdict")?.call1((fields,))?.cast_into::<PyDict>()?;
    if let Some(kept) = kept {
        for name in names.keys() {
            if !kept.contains(&name.extract::<String>()?.as_str()) {
                names.del_item(name)?;
            }
        }
    }
    Ok((PyTuple::empty(py).unbind(), Some(names.unbind())))
}
