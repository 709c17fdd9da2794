//! For the tests of applications: a backend in memory that follows Tokio's paused clock, what to ask of it, and a context for
//! handlers that are called by themselves. Feature `testing`; turn it on in `[dev-dependencies]`.
//!
//! With `#[tokio::test(start_paused = true)]` (feature `test-util` of Tokio) time passes at once wherever all wait for it: a
//! retry in an hour takes no longer than one in a second. All that is kept in memory, and the times of results and events,
//! follow this clock. Leases do not: their heartbeat has a thread of its own, and a running task hears of a cancel by it,
//! within a third of the lease of real time.
//!
//! ```
//! # use omniq_core as omniq;
//! use omniq::testing::TestBackend;
//! use omniq::{Backend, Failure, NewTask, Worker};
//! use std::time::Duration;
//!
//! /// What is to be tested.
//! async fn sign_up(backend: &Backend, name: &str) -> omniq::Result<()> {
//!     backend.enqueue(NewTask::new("welcome", name)?.delay(Duration::from_secs(3600)).max_retries(1)).await?;
//!     Ok(())
//! }
//!
//! // #[tokio::test(start_paused = true)]
//! async fn new_users_are_welcomed() -> omniq::Result<()> {
//!     let backend = TestBackend::new();
//!     sign_up(&backend, "Ann").await?;
//!     let task = backend.assert_enqueued_with("welcome", "Ann");
//!     assert_eq!(task.max_retries, 1);
//!
//!     let worker = Worker::builder(&backend).register("welcome", |name: String, task| async move {
//!         match task.attempt() {
//!             1 => Err(Failure::retry_in(Duration::from_secs(600))),
//!             _ => Ok(format!("Hello {name}")),
//!         }
//!     });
//!     let drained = backend.drain(worker.build()?).await?;     // an hour and ten minutes, at once
//!     assert_eq!((drained.retried, drained.completed), (1, 1));
//!     let greeting: String = backend.wait_for(task.id, Duration::ZERO).await?;
//!     assert_eq!(greeting, "Hello Ann");
//!     Ok(())
//! }
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
//! # runtime.block_on(new_users_are_welcomed()).unwrap();
//! ```

mod backend;
mod context;
mod drained;

pub use backend::TestBackend;
pub use context::TestRun;
pub use drained::Drained;
