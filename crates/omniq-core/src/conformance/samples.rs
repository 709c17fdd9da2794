//! A sample of each type that a verb takes, for tests that call every verb.

use std::time::Duration;

use jiff::Timestamp;

use super::support::{HOUR, boom, from, settlement, task};
use crate::*;

/// A type that a verb takes.
pub trait Sample {
    /// A value that a verb accepts.
    fn sample() -> Self;
}

macro_rules! samples {
    ($($ty:ty: $value:expr;)*) => { $(
        impl Sample for $ty {
            fn sample() -> Self {
                $value
            }
        }
    )* };
}

samples! {
    u32: 1;
    bool: false;
    &'static str: "default";
    String: "default".to_owned();
    Duration: HOUR;
    Timestamp: Timestamp::now();
    TaskId: TaskId::new();
    WorkerId: WorkerId(1);
    WorkerInfo: WorkerInfo::new(["default"]);
    NewTask: task(1);
    Task: held();
    TaskError: boom();
    TaskUpdate: TaskUpdate::default();
    TaskFilter: TaskFilter::default();
    Dequeue: from("default");
    Settlement: settlement(&held(), Outcome::Complete);
    SettleMode: SettleMode::Each;
    DatabaseId: DatabaseId {
        database: "none".to_owned(),
        server: "0".to_owned(),
        schema: "omniq".to_owned(),
    };
    TaskResult: TaskResult::new(TaskId::new(), ResultStatus::Completed);
    ResultFilter: ResultFilter::default();
    TaskEvent: TaskEvent::new(EventKind::Started);
    EventFilter: EventFilter::default();
    Schedule: Schedule::new("hourly", Timing::Every(HOUR), task(1)).expect("a good schedule");
    ScheduleFilter: ScheduleFilter::default();
    PlannedTicks: planned();
}

impl<T: Sample> Sample for Vec<T> {
    fn sample() -> Self {
        vec![T::sample()]
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample() -> Self {
        Some(T::sample())
    }
}

impl<A: Sample, B: Sample> Sample for (A, B) {
    fn sample() -> Self {
        (A::sample(), B::sample())
    }
}

/// What a worker would do with a schedule that has been due for an hour.
fn planned() -> PlannedTicks {
    let now = Timestamp::now();
    let then = now.checked_sub(HOUR).expect("an hour ago");
    let mut saved = SavedSchedule::new(Schedule::sample(), None, then).expect("a good schedule");
    saved.next_at = Some(then);
    saved.plan(now).expect("a good schedule").expect("it is due")
}

/// A task that a worker holds.
fn held() -> Task {
    let mut held = Task::from_new(task(1), TaskId::new(), 1, Timestamp::now());
    held.state = TaskState::Running;
    held.claim = Some(Claim { worker: WorkerId(1), number: 1 });
    held
}
