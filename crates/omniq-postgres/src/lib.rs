//! The PostgreSQL storage of OmniQ: task queue, result storage and event storage, and the backend that holds them.
//!
//! Users take the `omniq` crate, which offers all of this together with the core.

mod db;
mod error;
mod schema;
pub mod settings;
mod sql;
mod time;
mod tls;
