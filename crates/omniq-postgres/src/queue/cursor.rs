//! Where claims go on: behind the last claimed place, so that they do not walk over the dead. What was claimed and deleted stays
//! in the index until it is vacuumed, which a session with an old snapshot can put off for hours.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use omniq_core::{Dequeue, Task, WorkerId};

/// A walk from the very beginning that takes less than this is done each time.
const SHORT: Duration = Duration::from_millis(2);
/// Longer ones take at most this share of the time; they find what was committed late, or came back.
const SHARE: u32 = 20;

/// A place in a queue: priority and order of arrival.
type Place = (i16, i64);

/// A hint for each worker, never more: a task in front of its queue's place is found by the next walk.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    workers: Mutex<HashMap<WorkerId, Cursor>>,
}

#[derive(Debug, Default)]
struct Cursor {
    places: HashMap<String, Place>,
    /// When the last walk ended, and how long it took.
    walk: Option<(Instant, Duration)>,
}

/// For `dequeue.sql`: where to go on in each queue.
#[derive(Debug)]
pub(super) struct From {
    pub(super) priorities: Vec<Option<i16>>,
    pub(super) seqs: Vec<Option<i64>>,
    begun: Instant,
}

impl From {
    pub(super) fn is_walk(&self) -> bool {
        self.seqs.iter().all(Option::is_none)
    }
}

impl Cursor {
    /// Whether a walk would keep within its share.
    fn may_walk(&self) -> bool {
        self.walk.is_none_or(|(at, took)| took < SHORT || at.elapsed() >= took * (SHARE - 1))
    }
}

impl Cursors {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Cursor>> {
        self.workers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn may_walk(&self, worker: WorkerId) -> bool {
        self.lock().get(&worker).is_none_or(Cursor::may_walk)
    }

    pub(super) fn from(&self, worker: WorkerId, request: &Dequeue) -> From {
        let workers = self.lock();
        let cursor = workers.get(&worker).filter(|cursor| request.go_on && !cursor.may_walk());
        let places = request.queues.iter().map(|queue| cursor?.places.get(queue).copied());
        let (priorities, seqs) =
            places.map(|place| (place.map(|place| place.0), place.map(|place| place.1))).unzip();
        From { priorities, seqs, begun: Instant::now() }
    }

    /// What a claim from there has brought.
    pub(super) fn claimed(&self, worker: WorkerId, request: &Dequeue, from: &From, tasks: &[Task]) {
        if !request.go_on {
            return;
        }
        let mut workers = self.lock();
        let cursor = workers.entry(worker).or_default();
        if from.is_walk() {
            cursor.walk = Some((Instant::now(), from.begun.elapsed()));
        }
        for (place, task) in tasks.iter().enumerate() {
            let is_last = tasks.get(place + 1).is_none_or(|next| next.queue != task.queue);
            if is_last {
                cursor.places.insert(task.queue.clone(), (task.priority, task.seq));
            }
        }
    }

    pub(super) fn forget(&self, worker: WorkerId) {
        self.lock().remove(&worker);
    }

    /// Tasks may have come back before those places: the next claims walk.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use omniq_core::{NewTask, TaskId};

    use super::*;

    fn task(queue: &str, priority: i16, seq: i64) -> Task {
        let new = NewTask::new("f", &()).unwrap().queue(queue).priority(priority);
        Task::from_new(new, TaskId::new(), seq, jiff::Timestamp::now())
    }

    const WORKER: WorkerId = WorkerId(7);

    fn request() -> Dequeue {
        Dequeue::from(["a", "b"]).go_on()
    }

    fn after_a_long_walk(cursors: &Cursors) {
        let mut first = cursors.from(WORKER, &request());
        assert!(first.is_walk());
        first.begun -= Duration::from_secs(10);
        cursors.claimed(WORKER, &request(), &first, &[task("a", 5, 1), task("a", 2, 9), task("b", 0, 4)]);
    }

    #[test]
    fn claims_go_on_where_the_last_one_ended_while_walks_are_long() {
        let cursors = Cursors::default();
        after_a_long_walk(&cursors);
        let next = cursors.from(WORKER, &request());
        assert_eq!((next.priorities, next.seqs), (vec![Some(2), Some(0)], vec![Some(9), Some(4)]));
        assert!(!cursors.may_walk(WORKER));
        cursors.clear();
        assert!(cursors.from(WORKER, &request()).is_walk());
    }

    #[test]
    fn another_worker_and_a_strict_claim_begin_at_the_beginning() {
        let cursors = Cursors::default();
        after_a_long_walk(&cursors);
        assert!(cursors.from(WorkerId(8), &request()).is_walk());
        assert!(cursors.from(WORKER, &Dequeue::from(["a", "b"])).is_walk());
    }

    #[test]
    fn short_walks_are_done_each_time() {
        let cursors = Cursors::default();
        let from = cursors.from(WORKER, &request());
        cursors.claimed(WORKER, &request(), &from, &[task("a", 0, 1)]);
        assert!(cursors.from(WORKER, &request()).is_walk());
    }
}
