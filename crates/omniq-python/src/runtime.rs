//! One Tokio runtime a process, made at first use, and made anew after a fork.
//!
//! The runtime is never dropped: at the end of the process its threads end with it, and in a forked child, where they do not
//! exist, nothing of it may be touched.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::from_py;
use omniq::sync::locked;
use omniq::{Error, Result};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

/// Locked by threads that hold the GIL, and never for longer than they do: so no fork finds it locked.
static RUNTIME: Mutex<Option<&'static Runtime>> = Mutex::new(None);
/// Counts the forks between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many threads carry the work: most of it is waiting.
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

/// Tells this process from those that it was forked from.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Called in a child right after the fork: what was opened before is the parent's.
#[pyfunction]
pub(crate) fn after_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    *locked(&RUNTIME) = None;
}
