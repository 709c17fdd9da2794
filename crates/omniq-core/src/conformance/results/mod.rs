//! Behaviours of every result storage.

pub mod expiry;
pub mod keep;
pub mod look;
pub mod values;
pub mod waiting;
pub mod waiting_many;
