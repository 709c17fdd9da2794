//! The tasks that a worker has lately handed back: released, or left for another run. A user may have cancelled one of them
//! while the worker held it, and the next heartbeat reports that. The worker then cancels it where it is.

use std::collections::HashMap;
use std::mem;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::model::{CancelRequest, Outcome, Task, TaskId};
use crate::sync::locked;

/// The `seq` of tasks by their ids: a task that is enqueued anew with the same id has another.
type Numbers = HashMap<TaskId, i64, RandomState>;

#[derive(Debug)]
pub(super) struct HandedBack {
    /// How long a task is kept at least.
    span: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    recent: Numbers,
    older: Numbers,
    /// When `recent` was begun.
    since: Instant,
}

impl HandedBack {
    pub(super) fn new(span: Duration) -> Self {
        let state = State { recent: Numbers::default(), older: Numbers::default(), since: Instant::now() };
        Self { span, state: Mutex::new(state) }
    }

    /// Must be called before the outcome is written.
    pub(super) fn add(&self, task: &Task, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Release | Outcome::RetryLater { .. } | Outcome::Snooze { .. }) {
            return;
        }
        let mut state = locked(&self.state);
        if state.since.elapsed() > self.span {
            state.older = mem::take(&mut state.recent);
            state.since = Instant::now();
        }
        state.recent.insert(task.id, task.seq);
    }

    /// Those of these tasks that were handed back, with their `seq`.
    pub(super) fn among(&self, asked: impl IntoIterator<Item = CancelRequest>) -> HashMap<TaskId, i64> {
        let state = locked(&self.state);
        let number = |id| state.recent.get(&id).or_else(|| state.older.get(&id));
        let was_here = |asked: &CancelRequest| number(asked.task_id) == Some(&asked.seq);
        asked.into_iter().filter(was_here).map(|asked| (asked.task_id, asked.seq)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        let state = locked(&self.state);
        state.recent.is_empty() && state.older.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::NewTask;

    fn task(seq: i64) -> Task {
        Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), seq, Timestamp::now())
    }

    #[test]
    fn what_was_handed_back_is_kept_for_the_span_and_then_dropped() {
        let back = HandedBack::new(Duration::from_millis(20));
        let (first, second, third, ended) = (task(1), task(2), task(3), task(4));
        back.add(&first, &Outcome::Release);
        back.add(&ended, &Outcome::Complete);
        std::thread::sleep(Duration::from_millis(25));
        back.add(&second, &Outcome::Snooze { delay: Duration::ZERO });
        let asked = [&first, &second, &third, &ended].map(CancelRequest::of);
        let found = back.among(asked);
        assert_eq!(found, [(first.id, 1), (second.id, 2)].into());
        std::thread::sleep(Duration::from_millis(25));
        back.add(&third, &Outcome::RetryLater { delay: Duration::ZERO, error: None });
        assert_eq!(back.among(asked), [(second.id, 2), (third.id, 3)].into());
        let another = CancelRequest { seq: 5, ..asked[2] };
        assert_eq!(back.among([another]), [].into(), "enqueued anew with the same id");
    }
}
