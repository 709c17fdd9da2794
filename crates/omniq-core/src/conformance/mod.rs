//! One suite of behaviours for every implementation of an interface.
//!
//! An implementation provides a fixture, a fresh and empty store for each test, and names the suite once:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use omniq_core::{Limits, MemoryQueue, TaskQueue, conformance::QueueFixture};
//!
//! struct Memory(MemoryQueue);
//!
//! #[async_trait::async_trait]
//! impl QueueFixture for Memory {
//!     async fn queue_with(&self, limits: Limits, keep_completed: bool) -> Arc<dyn TaskQueue> {
//!         Arc::new(self.0.reopen(limits, keep_completed))
//!     }
//!
//!     async fn pruning_queue(&self, ttl: Duration) -> Arc<dyn TaskQueue> {
//!         Arc::new(self.0.reopen(Limits::default(), true).with_retention(Some(ttl), Some(ttl)))
//!     }
//! }
//!
//! omniq_core::queue_conformance!(Memory(MemoryQueue::new()));
//! # fn main() {}
//! ```
//!
//! The expression may `.await`. `Blocking(fixture)` runs the same suite through the blocking twins.
//! Each behaviour becomes a test of its own, named after the item of the contract that it proves.

mod adapter;
pub mod events;
mod fixture;
mod macros;
pub mod queue;
pub mod results;
mod samples;
pub mod schedules;
mod support;
mod values;

pub use fixture::{Blocking, EventFixture, QueueFixture, ResultFixture, ScheduleFixture};
pub use samples::Sample;
pub use support::run;
