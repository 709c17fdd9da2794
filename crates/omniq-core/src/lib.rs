//! The core of OmniQ: models, interfaces, worker and the in-memory backend. It depends on no database driver.
//!
//! Applications depend on the `omniq` crate, which offers all of this together with the PostgreSQL storage.

mod backend;
pub mod blocking;
mod cancel;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
#[doc(hidden)]
pub mod ends;
mod error;
#[doc(hidden)]
pub mod group_commit;
mod handler;
mod lease;
pub mod logging;
mod memory;
mod model;
mod port;
mod search;
mod self_lease;
#[doc(hidden)]
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod verbs;
mod worker;

/// The crate of dates and times, whose `Timestamp` is the type of all times here.
pub use jiff;

pub use backend::{Backend, BlockingBackend, EndedTasks, WaitMany};
#[cfg(feature = "tower")]
pub use backend::{Enqueue, EnqueueService};
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "tower")]
pub use handler::RunService;
#[doc(hidden)]
pub use handler::{Async, Blocking};
pub use handler::{
    BoxError, Context, Failure, FromContext, Function, Handler, Metadata, Registry, RunError, State,
    StateType, StopReason, Verdict,
};
pub use lease::{Lease, LeaseState};
pub use logging::LoggedErrors;
pub use memory::{Clock, MemoryEventStorage, MemoryQueue, MemoryResultStorage, MemoryScheduleStorage};
pub use model::*;
pub use port::*;
pub use self_lease::SelfLease;
#[doc(hidden)]
pub use verbs::{in_part, refuse_unique};
pub use worker::{Worker, WorkerBuilder, WorkerGroup, WorkerHandle};
