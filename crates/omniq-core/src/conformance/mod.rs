//! One suite of behaviours for every implementation of an interface.
//!
//! An implementation gives a fixture, a fresh and empty store for each test, and names the suite once:
//!
//! ```ignore
//! omniq_core::queue_conformance!(MyFixture::new().await);
//! ```
//!
//! Each behaviour becomes a test of its own, named after the item of the contract that it proves.

pub mod events;
mod fixture;
mod macros;
pub mod queue;
pub mod results;
mod support;
mod values;

pub use fixture::{Blocking, EventFixture, QueueFixture, ResultFixture};
pub use support::run;
