//! Something that is opened at first use, once a process: a child that was forked off opens its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use omniq::{Error, Result};
use pyo3::prelude::*;
use tokio::sync::OnceCell;

use crate::convert::imported;
use crate::error::from_py;
use crate::runtime::generation;
use omniq::sync::locked;

pub(crate) type Opening<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;
/// Why memory cannot be used in a forked child.
pub(crate) const MEMORY: &str = "it keeps its data in the memory of the process that made it, not of this forked child: make a new one here";

type Opener<T> = Box<dyn Fn(Python<'_>) -> Result<Opening<T>> + Send + Sync>;

/// Opened at the first call of [`get`](Self::get), and again in a forked child.
pub(crate) struct Slot<T> {
    opener: Opener<T>,
    /// Locked by threads that hold the GIL, and never for longer than they do: so no fork finds it locked.
    opened: Mutex<Arc<Opened<T>>>,
    /// Why a forked child cannot open its own.
    bound: Option<&'static str>,
}

struct Opened<T> {
    generation: u64,
    cell: OnceCell<T>,
    closed: AtomicBool,
}

impl<T> Opened<T> {
    fn new(closed: bool) -> Arc<Self> {
        Arc::new(Self { generation: generation(), cell: OnceCell::new(), closed: AtomicBool::new(closed) })
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl<T: Clone + Send + Sync + 'static> Slot<T> {
    pub(crate) fn new(
        opener: impl Fn(Python<'_>) -> Result<Opening<T>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with(Box::new(opener), None)
    }

    /// For what is there already and of this process alone; `why` says so to a child.
    pub(crate) fn given(value: T, why: &'static str) -> Arc<Self> {
        let opener = move |_: Python<'_>| -> Result<Opening<T>> {
            let value = value.clone();
            Ok(Box::pin(async move { Ok(value) }))
        };
        Self::with(Box::new(opener), Some(why))
    }

    /// For what is of this process alone; `why` says so to a child.
    pub(crate) fn bound(
        why: &'static str,
        opener: impl Fn(Python<'_>) -> Result<Opening<T>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with(Box::new(opener), Some(why))
    }

    fn with(opener: Opener<T>, bound: Option<&'static str>) -> Arc<Self> {
        Arc::new(Self { opener, opened: Mutex::new(Opened::new(false)), bound })
    }

    fn current(&self, _gil: Python<'_>) -> Result<Arc<Opened<T>>> {
        let mut opened = locked(&self.opened);
        if opened.generation != generation() {
            if let Some(why) = self.bound {
                return Err(Error::closed(why));
            }
            let new = Opened::new(opened.is_closed());
            // Connections and threads of the parent: not even a drop may touch them.
            std::mem::forget(std::mem::replace(&mut *opened, new));
        }
        Ok(Arc::clone(&opened))
    }

    /// It, opened if it is not. The future is to be polled within the runtime.
    pub(crate) fn get(
        &self,
        gil: Python<'_>,
    ) -> Result<impl Future<Output = Result<T>> + Send + 'static + use<T>> {
        let opened = self.current(gil)?;
        let opening = if opened.cell.initialized() {
            None
        } else {
            not_by_a_script_run_again(gil).map_err(|error| from_py(gil, error))?;
            Some((self.opener)(gil)?)
        };
        Ok(async move {
            if opened.is_closed() {
                return Err(closed());
            }
            if let Some(there) = opened.cell.get() {
                return Ok(there.clone());
            }
            let Some(opening) = opening else { return Err(Error::internal("what was opened is gone")) };
            opened.cell.get_or_try_init(|| opening).await.cloned()
        })
    }

    /// Marks it as closed; gives what is to be closed, once, if it was opened.
    pub(crate) fn close(
        &self,
        gil: Python<'_>,
    ) -> Result<impl Future<Output = Option<T>> + Send + 'static + use<T>> {
        let opened = self.current(gil)?;
        Ok(async move {
            if opened.closed.swap(true, Ordering::AcqRel) {
                return None;
            }
            // Waits for an opening that is under way.
            opened.cell.get_or_try_init(|| async { Err(closed()) }).await.ok().cloned()
        })
    }
}

/// The process of a task that runs the program's script once more ends here, before it does anything twice.
fn not_by_a_script_run_again(py: Python<'_>) -> PyResult<()> {
    imported!(py, "omniq._spawned", "check")?.call0().map(drop)
}

fn closed() -> Error {
    Error::closed("it is closed: open a new one")
}
