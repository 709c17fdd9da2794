//! Where claims go on: behind the last claimed place, so that they do not walk over the dead. What was claimed and deleted stays
//! in the index until it is vacuumed, which a session with an old snapshot can put off for hours.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use omniq_core::{Dequeue, Task, WorkerId};

/// A claim that walks from the very beginning is nothing to think about as long as it takes less than this in all.
const SHORT: Duration = Duration::from_micros(500);
/// What longer ones add to a claim is at most this share of the time; they find what was committed late, or came back.
const SHARE: u32 = 20;
/// Between two of them there is at least so much, in which claims that go on show what a claim takes without a walk, and at most so much.
const GAP: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3));
/// For how long those claims tell.
const FRESH: Duration = Duration::from_secs(10);

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
    /// The last two claims that walked.
    walks: Option<Pair>,
    /// And the last two that did not: their work, the network, and waits for locks, which walks have as well.
    steps: Option<Pair>,
}

/// What two claims one after the other took.
#[derive(Debug)]
struct Pair {
    ended: Instant,
    took: [Duration; 2],
}

impl Pair {
    /// What both have in common: the dead are there for both, a lock that one of them waited for is not.
    fn least(&self) -> Duration {
        self.took[0].min(self.took[1])
    }
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
        let Some(walks) = &self.walks else { return true };
        let took = walks.least();
        if took < SHORT {
            return true;
        }
        let steps = self.steps.as_ref().filter(|steps| steps.ended.elapsed() < FRESH);
        // What is long may be so without the walk.
        let added = steps.map_or(took, |steps| took.saturating_sub(steps.least()));
        walks.ended.elapsed() >= (added * (SHARE - 1)).clamp(GAP.0, GAP.1)
    }

    fn took(&mut self, is_walk: bool, took: Duration) {
        let pair = if is_walk { &mut self.walks } else { &mut self.steps };
        // Of the first walk it is not known yet whether it was long for the dead.
        let before = pair.as_ref().map_or(if is_walk { Duration::ZERO } else { took }, |pair| pair.took[0]);
        *pair = Some(Pair { ended: Instant::now(), took: [took, before] });
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
        cursor.took(from.is_walk(), from.begun.elapsed());
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

    /// A claim that takes so long.
    fn claim(cursors: &Cursors, millis: u64, tasks: &[Task]) -> From {
        let mut from = cursors.from(WORKER, &request());
        from.begun -= Duration::from_millis(millis);
        cursors.claimed(WORKER, &request(), &from, tasks);
        from
    }

    fn after_long_walks(cursors: &Cursors) {
        let tasks = [task("a", 5, 1), task("a", 2, 9), task("b", 0, 4)];
        assert!(claim(cursors, 10_000, &tasks).is_walk());
        assert!(claim(cursors, 10_000, &tasks).is_walk());
        assert!(!claim(cursors, 1, &tasks).is_walk());
    }

    #[test]
    fn claims_go_on_where_the_last_one_ended_while_walks_are_long() {
        let cursors = Cursors::default();
        after_long_walks(&cursors);
        let next = cursors.from(WORKER, &request());
        assert_eq!((next.priorities, next.seqs), (vec![Some(2), Some(0)], vec![Some(9), Some(4)]));
        assert!(!cursors.may_walk(WORKER));
        cursors.clear();
        assert!(cursors.from(WORKER, &request()).is_walk());
    }

    /// Issue 12, C13.
    #[test]
    fn a_wait_for_a_lock_is_no_walk() {
        let cursors = Cursors::default();
        let tasks = [task("a", 0, 1), task("b", 0, 2)];
        claim(&cursors, 0, &tasks);
        for _ in 0..3 {
            claim(&cursors, 3_000, &tasks);
            assert!(claim(&cursors, 0, &tasks).is_walk(), "the next one walks");
        }
        assert!(cursors.from(WORKER, &request()).is_walk());
    }

    /// Issue 12, C13.
    #[test]
    fn nor_is_a_slow_network() {
        let cursors = Cursors::default();
        let tasks = [task("a", 0, 1), task("b", 0, 2)];
        // The clock is told of them, as they take no time here.
        let walks = (0..100).filter(|_| {
            let from = claim(&cursors, 50, &tasks);
            if let Some(walks) = cursors.lock().get_mut(&WORKER).and_then(|cursor| cursor.walks.as_mut())
                && !from.is_walk()
            {
                walks.ended -= Duration::from_millis(50);
            }
            from.is_walk()
        });
        assert!(walks.count() >= 50, "every other one at least");
    }

    /// Found by the benchmark: claims of 100 beside a held snapshot, nearly each of which walked, took twice the server's time.
    #[test]
    fn a_walk_that_makes_claims_half_as_long_again_is_not_done_each_time() {
        let cursors = Cursors::default();
        let tasks = [task("a", 0, 1), task("b", 0, 2)];
        claim(&cursors, 30, &tasks);
        claim(&cursors, 30, &tasks);
        assert!(!claim(&cursors, 20, &tasks).is_walk());
        let walks = (0..100).filter(|_| claim(&cursors, 20, &tasks).is_walk()).count();
        assert_eq!(walks, 0, "the next one comes after 19 times the 10 ms that it adds");
    }

    /// A worker that claims from time to time only: what it goes on behind must not be its last word.
    #[test]
    fn without_claims_to_compare_with_walks_are_done_all_the_same() {
        let cursors = Cursors::default();
        after_long_walks(&cursors);
        let mut workers = cursors.lock();
        let cursor = workers.get_mut(&WORKER).unwrap();
        for pair in [&mut cursor.walks, &mut cursor.steps] {
            pair.as_mut().unwrap().ended -= Duration::from_secs(20);
        }
        assert!(cursor.may_walk());
    }

    /// Issue 12, C13.
    #[test]
    fn no_walk_puts_off_the_next_one_for_long() {
        let cursors = Cursors::default();
        after_long_walks(&cursors);
        let mut workers = cursors.lock();
        let cursor = workers.get_mut(&WORKER).unwrap();
        assert!(!cursor.may_walk());
        cursor.walks.as_mut().unwrap().ended -= GAP.1;
        assert!(cursor.may_walk());
    }

    #[test]
    fn another_worker_and_a_strict_claim_begin_at_the_beginning() {
        let cursors = Cursors::default();
        after_long_walks(&cursors);
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
