//! The core of OmniQ: models, interfaces, worker and the in-memory backend. It knows no database driver.
//!
//! Users take the `omniq` crate, which offers all of this together with the PostgreSQL storage.

pub mod blocking;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod lease;
mod memory;
mod model;
mod port;
mod verbs;

pub use error::{Error, Result};
pub use lease::{Lease, LeaseCell, LeaseState};
pub use memory::{MemoryEventStorage, MemoryQueue, MemoryResultStorage};
pub use model::*;
pub use port::*;
