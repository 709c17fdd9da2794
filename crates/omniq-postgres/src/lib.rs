//! The PostgreSQL storage of OmniQ: task queue, result storage and event storage, and the backend that holds them.
//!
//! Users take the `omniq` crate, which offers all of this together with the core.

mod attempts;
mod backend;
mod batch;
mod bits;
mod connection;
mod db;
mod elsewhere;
mod enqueue_batch;
mod error;
mod events;
mod hands;
mod hosts;
mod jsonb;
mod listener;
pub mod migrate;
mod opening;
mod partitions;
mod patience;
#[cfg(test)]
mod pinned;
mod pins;
#[cfg(test)]
mod plans;
mod probe;
mod queue;
mod refusal;
mod result_rows;
mod results;
mod rows;
mod runs;
mod schema;
mod sending;
mod sessions;
pub mod settings;
mod settle_batch;
mod sql;
mod taken;
mod time;
mod tls;
mod unshown;
mod waiters;

pub use backend::{AsyncPostgresBackend, PostgresBackend};
pub use elsewhere::{Columns, EnqueueElsewhere};
pub use events::{AsyncPostgresEventStorage, PostgresEventStorage};
pub use queue::{AsyncPostgresQueue, CompleteIn, EnqueueTarget, PostgresQueue};
pub use results::{AsyncPostgresResultStorage, PostgresResultStorage};
