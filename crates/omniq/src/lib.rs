//! OmniQ: a task queue on PostgreSQL. Tasks, results and events are three independent storages behind common
//! interfaces. The library is async, with blocking twins.
//!
//! ```no_run
//! use omniq::prelude::*;
//!
//! #[tokio::main]
//! async fn main() -> omniq::Result<()> {
//!     let backend = AsyncPostgresBackend::connect("postgresql://localhost/app").await?;
//!     let id = backend.enqueue(NewTask::new("add", &(1, 2))?).await?;
//!
//!     let worker = Worker::builder(&backend).register("add", add).build()?;
//!     worker.run_until_idle().await?;
//!
//!     let sum: i64 = backend.wait_for(id, std::time::Duration::from_secs(5)).await?;
//!     assert_eq!(sum, 3);
//!     backend.close().await
//! }
//!
//! async fn add((a, b): (i64, i64), _: Context) -> Result<i64, Failure> {
//!     Ok(a + b)
//! }
//! ```

pub use omniq_core::{
    After, Backend, Backoff, BlockingBackend, BlockingEvents, BlockingQueue, BlockingResults,
    BlockingSchedules, BoxError, Callback, CancelCounts, Cancelled, Codec, Context, Dequeue, EndKind, Ended,
    Enqueued, Error, ErrorKind, EventFilter, EventKind, EventStorage, Failure, FromContext, Function,
    Handler, IfFailed, KeySource, Limits, LoggedErrors, MAX_AFTER, Metadata, Missed, NewTask, OnConflict,
    PREDECESSOR_FAILED, Payload, Predecessor, Predecessors, QueueStats, RegisteredWorker, Registry, Result,
    ResultFilter, ResultStatus, ResultStorage, RunError, SavedSchedule, Schedule, ScheduleFilter,
    ScheduleStorage, State, StateType, StopReason, Task, TaskDef, TaskError, TaskEvent, TaskFilter, TaskId,
    TaskQueue, TaskResult, TaskState, TaskUpdate, Tick, Timing, Unique, Until, Verdict, Worker,
    WorkerBuilder, WorkerGroup, WorkerHandle, WorkerId,
};

/// The crate of dates and times, whose `Timestamp` is the type of all times here.
pub use omniq_core::jiff;

#[doc(hidden)]
pub use omniq_core::{check_after, refuse_unique, sync};

/// What authors of storages and of other bindings need beside the interfaces [`TaskQueue`], [`ResultStorage`] and
/// [`EventStorage`]: the worker's side of a queue, claims, settlements and leases.
pub mod port {
    pub use omniq_core::{
        Broken, CancelRequest, Claim, Connect, DatabaseId, DueSchedules, EndSubscription, EndedTasks,
        Handoff, Heartbeat, HeartbeatConnection, Lease, LeaseState, Location, Lost, Outcome, PlannedTick,
        PlannedTicks, QueueMaintenance, Rung, SelfLease, SettleMode, Settled, Settlement, Step, Subscription,
        TransactionStatement, Verb, WaitMany, WorkerInfo, WorkerQueue, WorkerSchedules, check_name,
        read_object,
    };
}

#[cfg(feature = "logging")]
pub mod logging;

/// The storages, by where they keep their data.
pub mod storage {
    /// In the memory of this process, lost when it ends: for tests, and for parts that need not last.
    pub mod memory {
        pub use omniq_core::{
            Clock, MemoryEventStorage, MemoryQueue, MemoryResultStorage, MemoryScheduleStorage,
        };
    }

    /// On PostgreSQL.
    pub mod postgres {
        pub use omniq_postgres::{
            AsyncPostgresEventStorage, AsyncPostgresQueue, AsyncPostgresResultStorage,
            AsyncPostgresScheduleStorage, CompleteIn, PostgresEventStorage, PostgresQueue,
            PostgresResultStorage, PostgresScheduleStorage, UserConnection,
        };
    }
}

/// The backends: all storages in one object.
pub mod backend {
    /// On PostgreSQL.
    pub mod postgres {
        #[doc(hidden)]
        pub use omniq_postgres::settings::as_written;
        pub use omniq_postgres::settings::{Builder, DatabaseUrl, Placement, Settings, check_environment};
        pub use omniq_postgres::{AsyncPostgresBackend, ExistingPool, PostgresBackend};
    }
}

#[cfg(feature = "testing")]
pub use omniq_core::testing;
#[cfg(feature = "tower")]
pub use omniq_core::{Enqueue, EnqueueService, RunService};

/// Migrations of the schema on PostgreSQL.
pub use omniq_postgres::migrate;

/// The types that most programs need.
pub mod prelude {
    pub use crate::backend::postgres::{AsyncPostgresBackend, PostgresBackend, Settings};
    pub use crate::jiff::{self, Timestamp};
    pub use crate::storage::postgres::{
        AsyncPostgresEventStorage, AsyncPostgresQueue, AsyncPostgresResultStorage,
        AsyncPostgresScheduleStorage, CompleteIn, PostgresEventStorage, PostgresQueue, PostgresResultStorage,
        PostgresScheduleStorage,
    };
    pub use crate::{
        Backend, Backoff, Callback, Cancelled, Context, Dequeue, EndKind, Ended, Error, ErrorKind,
        EventStorage, Failure, FromContext, Handler, IfFailed, Metadata, Missed, NewTask, OnConflict,
        Payload, Predecessors, ResultStatus, ResultStorage, RunError, Schedule, ScheduleStorage, State, Task,
        TaskDef, TaskFilter, TaskId, TaskQueue, TaskState, Timing, Unique, Until, Verdict, Worker,
    };
}

/// The README and the pages for Rust, whose examples are tests on the server that `OMNIQ_URL` names.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/guide.md")]
    mod guide {}
    #[doc = include_str!("../../../docs/schedules.md")]
    mod schedules {}
    #[doc = include_str!("../../../docs/unique.md")]
    mod unique {}
    #[doc = include_str!("../../../docs/dependencies.md")]
    mod dependencies {}
    #[doc = include_str!("../../../docs/coming-from/apalis.md")]
    mod coming_from_apalis {}
}
