//! The models: the data types that users and all parts of the library share.

mod after;
mod callback;
mod circle;
mod claim;
mod database_id;
mod ended;
mod event;
mod exact;
mod failure;
mod filter;
mod id;
mod json;
mod limits;
mod new_task;
mod numbers;
mod payload;
mod predecessor;
mod result;
mod retry;
mod schedule;
mod settlement;
mod state;
mod task;
mod task_def;
mod transaction;
mod unique;
mod update;
mod worker;

pub use after::{After, IfFailed, MAX_AFTER, PREDECESSOR_FAILED};
pub use callback::{Callback, EndKind};
#[doc(hidden)]
pub use circle::check_after;
pub use claim::Claim;
pub use database_id::DatabaseId;
pub use ended::Ended;
pub(crate) use ended::tasks as called_tasks;
pub use event::{EventKind, TaskEvent};
pub use failure::TaskError;
#[doc(hidden)]
pub use filter::error_type;
pub use filter::{EventFilter, ResultFilter, TaskFilter};
pub use id::{TaskId, WorkerId};
pub use json::read_object;
#[doc(hidden)]
pub use limits::CALL_BYTES;
pub(crate) use limits::check_delay;
pub use limits::{Limits, check_name};
pub use new_task::{NewTask, check_metadata};
pub use payload::{Codec, Payload};
#[doc(hidden)]
pub use predecessor::Broken;
pub use predecessor::{Predecessor, Predecessors};
pub use result::{ResultStatus, TaskResult};
pub use retry::Backoff;
pub(crate) use schedule::TICK_KEYS;
pub use schedule::{
    DueSchedules, Missed, PlannedTick, PlannedTicks, SavedSchedule, Schedule, ScheduleFilter, Tick, Timing,
};
pub use settlement::{CancelCounts, Cancelled, Outcome, SettleMode, Settled, Settlement};
pub use state::{Step, TaskState, Verb};
pub use task::Task;
pub use task_def::TaskDef;
pub use transaction::TransactionStatement;
pub use unique::{Enqueued, KeySource, OnConflict, Unique, Until};
pub use update::TaskUpdate;
pub use worker::{CancelRequest, Dequeue, Heartbeat, Lost, QueueStats, RegisteredWorker, WorkerInfo};
