//! The in-memory backend: the same behaviour as PostgreSQL's, kept in this process and lost when it ends.
//!
//! For tests, for trying things out, and for results or events that need not outlive the process.

mod claim;
mod events;
mod leases;
mod manage;
mod notifier;
mod queue;
mod results;
mod settle;
mod store;
mod subscription;
mod tasks;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

pub use events::MemoryEventStorage;
pub use results::MemoryResultStorage;
pub use store::MemoryQueue;

use crate::Location;

/// Ignores the poisoning of the lock by a panic in another thread: every change under the lock is made only after all
/// that can fail.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A new location for each store: no transaction covers two stores.
fn new_location() -> Location {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Location::new(format!("memory:{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}
