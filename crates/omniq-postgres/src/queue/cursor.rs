//! Scan positions: a worker's next claim resumes after its last one instead of rescanning dead index entries. An entry of a deleted task
//! stays until the index is vacuumed, which a session with an old snapshot can delay for hours. `docs/decisions/0009-cursor.md`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use omniq_core::sync::locked;
use omniq_core::{Dequeue, Task, WorkerId};

use crate::db::returns::Returns;

/// A claim that scans from the start of the index is not limited while it takes less than this in all.
const SHORT: Duration = Duration::from_micros(500);
/// Longer scans take at most one part in this of the time. They find tasks that were committed late, or came back.
const SHARE: u32 = 20;
/// The shortest and the longest time between two long scans. In between, claims that resume show what a claim takes without a scan.
const GAP: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3));
/// How long those claims are compared with.
const FRESH: Duration = Duration::from_secs(10);

/// A position in a queue: priority and order of arrival.
type Position = (i16, i64);

/// The positions of each worker. They are hints: a task before its queue's position is found by the next scan.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    returns: Arc<Returns>,
    workers: Mutex<Workers>,
}

#[derive(Debug, Default)]
struct Workers {
    cursors: HashMap<WorkerId, Cursor>,
    /// The count of returns before which these positions were noted.
    returns: u64,
}

#[derive(Debug, Default)]
struct Cursor {
    positions: HashMap<String, Position>,
    /// Whether the last claim found only rows of one task, and as many as it wanted.
    singles: bool,
    /// The last two claims that scanned.
    scans: Option<Pair>,
    /// The last two that resumed: their work, the network, and waits for locks, which scans have as well.
    steps: Option<Pair>,
}

/// How long two consecutive claims took.
#[derive(Debug)]
struct Pair {
    ended: Instant,
    took: [Duration; 2],
}

impl Pair {
    /// The shorter one: dead entries delay both, a lock that one of them waited for does not.
    fn least(&self) -> Duration {
        self.took[0].min(self.took[1])
    }
}

/// For `dequeue.sql`: where to resume in each queue.
#[derive(Debug)]
pub(super) struct From {
    pub(super) priorities: Vec<Option<i16>>,
    pub(super) seqs: Vec<Option<i64>>,
    /// Whether the claim most likely finds only rows of one task.
    pub(super) singles: bool,
    begun: Instant,
    /// The count of returns when the claim began: it has not seen what came back after that.
    returns: u64,
}

impl From {
    pub(super) fn is_scan(&self) -> bool {
        self.seqs.iter().all(Option::is_none)
    }
}

impl Cursor {
    /// Whether a scan would keep within its share.
    fn may_scan(&self) -> bool {
        let Some(scans) = &self.scans else { return true };
        let took = scans.least();
        if took < SHORT {
            return true;
        }
        let steps = self.steps.as_ref().filter(|steps| steps.ended.elapsed() < FRESH);
        // A claim may be long without a scan, too.
        let added = steps.map_or(took, |steps| took.saturating_sub(steps.least()));
        scans.ended.elapsed() >= (added * (SHARE - 1)).clamp(GAP.0, GAP.1)
    }

    fn took(&mut self, is_scan: bool, took: Duration) {
        let pair = if is_scan { &mut self.scans } else { &mut self.steps };
        // Whether the first scan was long because of dead entries is not known yet.
        let before = pair.as_ref().map_or(if is_scan { Duration::ZERO } else { took }, |pair| pair.took[0]);
        *pair = Some(Pair { ended: Instant::now(), took: [took, before] });
    }
}

impl Cursors {
    pub(super) fn new(returns: &Arc<Returns>) -> Self {
        Self { returns: Arc::clone(returns), workers: Mutex::default() }
    }

    /// The positions, none of which is older than a return of tasks.
    fn lock(&self) -> MutexGuard<'_, Workers> {
        let mut workers = locked(&self.workers);
        let returns = self.returns.count();
        if std::mem::replace(&mut workers.returns, returns) != returns {
            workers.cursors.clear();
        }
        workers
    }

    pub(super) fn may_scan(&self, worker: WorkerId) -> bool {
        self.lock().cursors.get(&worker).is_none_or(Cursor::may_scan)
    }

    pub(super) fn from(&self, worker: WorkerId, request: &Dequeue) -> From {
        let workers = self.lock();
        let cursor = workers.cursors.get(&worker).filter(|cursor| request.resume && !cursor.may_scan());
        let positions = request.queues.iter().map(|queue| cursor?.positions.get(queue).copied());
        let (priorities, seqs) = positions.map(|at| (at.map(|at| at.0), at.map(|at| at.1))).unzip();
        let last = workers.cursors.get(&worker).filter(|_| request.resume);
        let singles = last.is_some_and(|cursor| cursor.singles);
        From { priorities, seqs, singles, begun: Instant::now(), returns: workers.returns }
    }

    /// Notes the tasks that a claim with these positions has returned, and in how many rows.
    pub(super) fn claimed(
        &self,
        worker: WorkerId,
        request: &Dequeue,
        from: &From,
        tasks: &[Task],
        rows: usize,
    ) {
        if !request.resume {
            return;
        }
        let mut workers = self.lock();
        let is_old = from.returns != workers.returns;
        let cursor = workers.cursors.entry(worker).or_default();
        cursor.took(from.is_scan(), from.begun.elapsed());
        cursor.singles = rows == tasks.len() && rows >= request.limit as usize;
        if is_old {
            return;
        }
        for (index, task) in tasks.iter().enumerate() {
            let is_last = tasks.get(index + 1).is_none_or(|next| next.queue != task.queue);
            if is_last {
                cursor.positions.insert(task.queue.clone(), (task.priority, task.seq));
            }
        }
    }

    /// The worker's next claim scans.
    pub(super) fn forget(&self, worker: WorkerId) {
        self.lock().cursors.remove(&worker);
    }
}

#[cfg(test)]
mod given_up;
#[cfg(test)]
mod returned;

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
        Dequeue::from(["a", "b"]).resume()
    }

    /// A claim that takes this long.
    fn claim(cursors: &Cursors, millis: u64, tasks: &[Task]) -> From {
        let mut from = cursors.from(WORKER, &request());
        from.begun -= Duration::from_millis(millis);
        cursors.claimed(WORKER, &request(), &from, tasks, tasks.len());
        from
    }

    fn after_long_scans(cursors: &Cursors) {
        let tasks = [task("a", 5, 1), task("a", 2, 9), task("b", 0, 4)];
        assert!(claim(cursors, 10_000, &tasks).is_scan());
        assert!(claim(cursors, 10_000, &tasks).is_scan());
        assert!(!claim(cursors, 1, &tasks).is_scan());
    }

    #[test]
    fn claims_resume_where_the_last_one_ended_while_scans_are_long() {
        let cursors = Cursors::default();
        after_long_scans(&cursors);
        let next = cursors.from(WORKER, &request());
        assert_eq!((next.priorities, next.seqs), (vec![Some(2), Some(0)], vec![Some(9), Some(4)]));
        assert!(!cursors.may_scan(WORKER));
        cursors.returns.note();
        assert!(cursors.from(WORKER, &request()).is_scan());
    }

    /// Issue 12, C13.
    #[test]
    fn a_wait_for_a_lock_is_no_scan() {
        let cursors = Cursors::default();
        let tasks = [task("a", 0, 1), task("b", 0, 2)];
        claim(&cursors, 0, &tasks);
        for _ in 0..3 {
            claim(&cursors, 3_000, &tasks);
            assert!(claim(&cursors, 0, &tasks).is_scan(), "the next one scans");
        }
        assert!(cursors.from(WORKER, &request()).is_scan());
    }

    /// Issue 12, C13.
    #[test]
    fn nor_is_a_slow_network() {
        let cursors = Cursors::default();
        let tasks = [task("a", 0, 1), task("b", 0, 2)];
        // The clock is moved by hand, as claims take no time here.
        let scans = (0..100).filter(|_| {
            let from = claim(&cursors, 50, &tasks);
            if let Some(scans) =
                cursors.lock().cursors.get_mut(&WORKER).and_then(|cursor| cursor.scans.as_mut())
                && !from.is_scan()
            {
                scans.ended -= Duration::from_millis(50);
            }
            from.is_scan()
        });
        assert!(scans.count() >= 50, "every other one at least");
    }

    /// Found by the benchmark: claims of 100 beside a held snapshot, nearly each of which scanned, took twice the server's time.
    #[test]
    fn a_scan_that_makes_claims_half_as_long_again_is_not_done_each_time() {
        let cursors = Cursors::default();
        let tasks = [task("a", 0, 1), task("b", 0, 2)];
        claim(&cursors, 30, &tasks);
        claim(&cursors, 30, &tasks);
        assert!(!claim(&cursors, 20, &tasks).is_scan());
        let scans = (0..100).filter(|_| claim(&cursors, 20, &tasks).is_scan()).count();
        assert_eq!(scans, 0, "the next one comes after 19 times the 10 ms that it adds");
    }

    /// A worker that claims rarely must not resume from one position for ever.
    #[test]
    fn without_claims_to_compare_with_scans_are_done_all_the_same() {
        let cursors = Cursors::default();
        after_long_scans(&cursors);
        let mut workers = cursors.lock();
        let cursor = workers.cursors.get_mut(&WORKER).unwrap();
        for pair in [&mut cursor.scans, &mut cursor.steps] {
            pair.as_mut().unwrap().ended -= Duration::from_secs(20);
        }
        assert!(cursor.may_scan());
    }

    /// Issue 12, C13.
    #[test]
    fn no_scan_puts_off_the_next_one_for_long() {
        let cursors = Cursors::default();
        after_long_scans(&cursors);
        let mut workers = cursors.lock();
        let cursor = workers.cursors.get_mut(&WORKER).unwrap();
        assert!(!cursor.may_scan());
        cursor.scans.as_mut().unwrap().ended -= GAP.1;
        assert!(cursor.may_scan());
    }

    #[test]
    fn another_worker_and_a_strict_claim_begin_at_the_beginning() {
        let cursors = Cursors::default();
        after_long_scans(&cursors);
        assert!(cursors.from(WorkerId(8), &request()).is_scan());
        assert!(cursors.from(WORKER, &Dequeue::from(["a", "b"])).is_scan());
    }

    #[test]
    fn short_scans_are_done_each_time() {
        let cursors = Cursors::default();
        let from = cursors.from(WORKER, &request());
        cursors.claimed(WORKER, &request(), &from, &[task("a", 0, 1)], 1);
        assert!(cursors.from(WORKER, &request()).is_scan());
    }

    /// Idle workers and segments are not looked for twice.
    #[test]
    fn only_a_claim_that_got_all_it_wanted_in_rows_of_one_task_expects_more_of_them() {
        let cursors = Cursors::default();
        let (tasks, request) = ([task("a", 0, 1), task("a", 0, 2)], request().limit(2));
        let expects = |rows: usize, found: usize| {
            let from = cursors.from(WORKER, &request);
            cursors.claimed(WORKER, &request, &from, &tasks[..found], rows);
            cursors.from(WORKER, &request).singles
        };
        assert!(expects(2, 2));
        assert!(!expects(1, 2), "a segment");
        assert!(expects(2, 2));
        assert!(!expects(1, 1), "less than wanted");
        assert!(expects(2, 2));
        assert!(!expects(0, 0), "nothing");
        assert!(expects(2, 2));
        assert!(!cursors.from(WORKER, &Dequeue::from(["a"])).singles, "a strict claim");
        assert!(!cursors.from(WorkerId(8), &request).singles, "another worker");
    }
}
