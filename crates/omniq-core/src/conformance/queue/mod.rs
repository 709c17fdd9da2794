//! Behaviours of every task queue.

pub mod bulk;
pub mod by_filter;
pub mod claims;
pub mod close;
pub mod concurrent;
pub mod dependencies;
pub mod enqueue;
pub mod enqueues;
pub mod expiry;
pub mod fencing;
pub mod input;
pub mod leases;
pub mod look;
pub mod manage;
mod model;
pub mod moves;
pub mod order;
pub mod outcomes;
pub mod pausing;
pub mod retries;
pub mod unique;
pub mod update;
pub mod values;
pub mod waiting;
pub mod walk;
