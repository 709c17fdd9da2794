//! Behaviours of every event storage.

pub mod keep;
pub mod look;
