//! One Tokio runtime for each process, made at first use, and made anew after a fork.
//!
//! The runtime is never dropped. Its threads end with the process. In a forked child these threads do not exist, so that the
//! parent's runtime must not be touched there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::from_py;
use omniq::sync::locked;
use omniq::{Error, Result};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

/// Locked only by threads that hold the GIL, and unlocked before they release it, so that it is not locked at a fork.
static RUNTIME: Mutex<Option<&'static Runtime>> = Mutex::new(None);
/// The number of forks between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Two threads suffice, because most of the work is waiting.
const THREADS: usize = 2;

/// The runtime of this process.
pub(crate) fn runtime(gil: Python<'_>) -> Result<&'static Runtime> {
    let mut runtime = locked(&RUNTIME);
    if let Some(runtime) = *runtime {
        return Ok(runtime);
    }
    let made = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("omniq")
        .enable_all()
        .build()
        .map_err(|error| Error::internal(format!("the runtime cannot start: {error}")).with_source(error))?;
    let made: &'static Runtime = Box::leak(Box::new(made));
    *runtime = Some(made);
    drop(runtime);
    let started = gil.import("omniq.logging").and_then(|logging| logging.call_method0("start"));
    started.map_err(|error| from_py(gil, error))?;
    Ok(made)
}

/// A number that distinguishes this process from those that it was forked from.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Called in a child right after the fork. What was opened before belongs to the parent, and so do the random numbers to come: with the
/// same ones, children of one parent would give their tasks the same ids.
#[pyfunction]
pub(crate) fn after_fork() -> PyResult<()> {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    *locked(&RUNTIME) = None;
    rand::rng().reseed().map_err(|error| PyOSError::new_err(format!("there are no random numbers: {error}")))
}
