//! The in-memory backend: the same behaviour as PostgreSQL's, kept in this process and lost when it ends.
//!
//! For tests, for trying things out, and for results or events that need not outlive the process.

mod claim;
mod clock;
mod events;
mod graph;
mod keys;
mod leases;
mod manage;
mod notifier;
mod predecessors;
mod queue;
mod results;
mod schedule_storage;
mod schedules;
mod settle;
mod store;
mod subscription;
mod tasks;

use std::sync::atomic::{AtomicU64, Ordering};

pub use clock::Clock;
pub use events::MemoryEventStorage;
pub use results::MemoryResultStorage;
pub use schedule_storage::MemoryScheduleStorage;
pub use store::MemoryQueue;

use crate::Location;
use crate::sync::locked;

/// A new location for each store: no transaction covers two stores.
fn new_location() -> Location {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Location::new(format!("memory:{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}
