//! The PostgreSQL storage of OmniQ: task queue, result storage and event storage, and the backend that holds them.
//!
//! Applications use the crate `omniq`, which offers all of this together with the core.

mod backend;
mod backend_in;
mod db;
mod error;
mod events;
mod existing_pool;
mod handoff;
pub mod migrate;
mod partitions;
mod queue;
mod refusal;
mod results;
mod schedules;
mod segments;
pub mod settings;
mod single_calls;
mod sizes;
mod sql;
mod tls;
mod transaction;
mod wake;

pub use backend::{AsyncPostgresBackend, PostgresBackend};
pub use events::{AsyncPostgresEventStorage, PostgresEventStorage};
pub use existing_pool::ExistingPool;
pub use queue::{AsyncPostgresQueue, CompleteIn, PostgresQueue};
pub use results::{AsyncPostgresResultStorage, PostgresResultStorage};
pub use schedules::{AsyncPostgresScheduleStorage, PostgresScheduleStorage};
pub use transaction::UserConnection;
