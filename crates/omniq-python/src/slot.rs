//! A value that is opened at first use, once for each process: a forked child opens its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use omniq::{Error, Result};
use pyo3::prelude::*;
use tokio::sync::OnceCell;

use crate::convert::imported::imported;
use crate::error::from_py;
use crate::runtime::generation;
use omniq::sync::locked;

pub(crate) type Opening<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;
/// Why a forked child cannot use a storage in memory.
pub(crate) const MEMORY: &str = "it keeps its data in the memory of the process that made it, not of this forked child: make a new one here";

type Opener<T> = Box<dyn Fn(Python<'_>) -> Result<Opening<T>> + Send + Sync>;

/// Opened at the first call of [`get`](Self::get), and again in a forked child, unless it is bound to its process.
pub(crate) struct Slot<T> {
    opener: Opener<T>,
    /// Locked only by threads that hold the GIL, and unlocked before they release it, so that it is not locked at a fork.
    opened: Mutex<Arc<Opened<T>>>,
    /// Why a forked child cannot open its own; `None` if it can.
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

    /// For a value that exists already and is usable in this process only. `why` is the error in a forked child.
    pub(crate) fn given(value: T, why: &'static str) -> Arc<Self> {
        let opener = move |_: Python<'_>| -> Result<Opening<T>> {
            let value = value.clone();
            Ok(Box::pin(async move { Ok(value) }))
        };
        Self::with(Box::new(opener), Some(why))
    }

    /// For a value that is usable in this process only. `why` is the error in a forked child.
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
            // Not dropped: it holds connections and threads of the parent, which must not be touched here.
            std::mem::forget(std::mem::replace(&mut *opened, new));
        }
        Ok(Arc::clone(&opened))
    }

    /// The value, which is opened if it is not open yet. The future must be polled within the runtime.
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

    /// Marks the slot as closed. The first call returns the value, if it was opened, for the caller to close.
    pub(crate) fn close(
        &self,
        gil: Python<'_>,
    ) -> Result<impl Future<Output = Option<T>> + Send + 'static + use<T>> {
        let opened = self.current(gil)?;
        Ok(async move {
            if opened.closed.swap(true, Ordering::AcqRel) {
                return None;
            }
            // If the value is being opened now, this waits for it.
            opened.cell.get_or_try_init(|| async { Err(closed()) }).await.ok().cloned()
        })
    }
}

/// A task's process that runs the program's script again, because the script has no main guard, ends here: before it opens
/// anything, so that it does nothing a second time.
fn not_by_a_script_run_again(py: Python<'_>) -> PyResult<()> {
    imported!(py, "omniq._main_guard", "check")?.call0().map(drop)
}

fn closed() -> Error {
    Error::closed("it is closed: open a new one")
}
