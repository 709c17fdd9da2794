//! The state machine run beside a queue: the expected state of each task after each step of a random sequence.

use std::sync::Arc;
use std::time::Duration;

use super::moves::Move;
use crate::conformance::support::*;
use crate::*;

/// The expected state of one task.
#[derive(Debug)]
struct Known {
    id: TaskId,
    /// `None`: it was removed.
    state: Option<TaskState>,
    attempt: u32,
    priority: i16,
    retries: u32,
    expired: bool,
    /// Its last claim; stale once the run has ended.
    held: Option<Task>,
}

pub(super) struct Model {
    queue: Arc<dyn TaskQueue>,
    name: String,
    keeps: bool,
    worker: WorkerId,
    tasks: Vec<Known>,
}

impl Model {
    pub(super) async fn new(queue: Arc<dyn TaskQueue>, name: &str, keeps: bool) -> Self {
        let worker = worker(&queue, HOUR).await;
        Self { queue, name: name.to_owned(), keeps, worker, tasks: Vec::new() }
    }

    pub(super) async fn step(&mut self, step: Move) {
        match step {
            Move::Enqueue { count, priority, retries, delayed, expiring } => {
                let new = |number: usize| {
                    let mut new =
                        task((self.tasks.len() + number) as i64).queue(&self.name).priority(priority);
                    new = new.max_retries(retries).backoff(Backoff::fixed(HOUR));
                    new.delay = delayed.then_some(HOUR);
                    new.ttl = expiring.then_some(Duration::from_millis(1));
                    new
                };
                let ids = self.queue.enqueue_many((0..count).map(new).collect()).await.unwrap();
                if expiring {
                    pause(20).await;
                }
                let state = Some(if delayed { TaskState::Scheduled } else { TaskState::Ready });
                self.tasks.extend(ids.into_iter().map(|id| Known {
                    id,
                    state,
                    attempt: 0,
                    priority,
                    retries,
                    expired: expiring,
                    held: None,
                }));
            }
            Move::Do { .. } if self.tasks.is_empty() => {}
            Move::Do { verb: Verb::Dequeue, place, .. } => {
                self.claim(self.worker, 1 + place % 4).await;
            }
            Move::Do { verb: Verb::Rescue | Verb::RescueLast, place, .. } => self.lose(1 + place % 4).await,
            Move::Do { verb, place, at_once } => {
                let place = place % self.tasks.len();
                self.act(verb, place, at_once).await;
            }
        }
    }

    /// The positions of the tasks that a claim must return.
    fn next(&self, count: usize) -> Vec<usize> {
        let ready = |known: &Known| known.state == Some(TaskState::Ready) && !known.expired;
        let mut places: Vec<_> = (0..self.tasks.len()).filter(|place| ready(&self.tasks[*place])).collect();
        places.sort_by_key(|place| (-self.tasks[*place].priority, *place));
        places.truncate(count);
        places
    }

    /// Claims `count` tasks and returns the positions of those that were claimed.
    async fn claim(&mut self, worker: WorkerId, count: usize) -> Vec<usize> {
        let expected = self.next(count);
        let limit = u32::try_from(count).unwrap();
        let claimed = self.queue.claim(worker, &from(&self.name).limit(limit)).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|task| task.id).collect();
        let expected_ids: Vec<_> = expected.iter().map(|place| self.tasks[*place].id).collect();
        assert_eq!(ids, expected_ids, "the wrong tasks were claimed");
        for (place, task) in expected.iter().zip(claimed) {
            let known = &mut self.tasks[*place];
            known.attempt += 1;
            known.held = Some(task);
            self.follow(*place, Verb::Dequeue);
        }
        expected
    }

    /// A worker claims and sends no heartbeat, and its tasks are taken back.
    async fn lose(&mut self, count: usize) {
        let doomed = worker(&self.queue, Duration::from_millis(100)).await;
        let mut places = self.claim(doomed, count).await;
        if places.is_empty() {
            return;
        }
        let mut found = lost(&self.queue).await;
        found.sort_by_key(|lost| lost.task.id);
        places.sort_by_key(|place| self.tasks[*place].id);
        let ids: Vec<_> = found.iter().map(|lost| lost.task.id).collect();
        assert_eq!(ids, places.iter().map(|place| self.tasks[*place].id).collect::<Vec<_>>());
        assert_eq!(rescue(&self.queue, &found).await, vec![Settled::Done; found.len()]);
        for (place, lost) in places.into_iter().zip(found) {
            let verb = if lost.task.may_retry() { Verb::Rescue } else { Verb::RescueLast };
            assert_eq!(verb == Verb::Rescue, self.tasks[place].attempt <= self.tasks[place].retries);
            self.follow(place, verb);
        }
    }

    async fn act(&mut self, verb: Verb, place: usize, at_once: bool) {
        let known = &self.tasks[place];
        // A failure is a retry while retries are left.
        let verb = match verb {
            Verb::Fail if known.attempt <= known.retries => Verb::RetryLater,
            other => other,
        };
        let Some(done) = self.carry_out(verb, place, at_once).await else { return };
        let known = &self.tasks[place];
        let step = known.state.map_or(Step::No, |state| state.after(verb));
        let allowed = step != Step::No && (verb != Verb::Expire || known.expired);
        assert_eq!(done, allowed, "{verb:?} on {:?}", known.state);
        if allowed {
            self.follow(place, verb);
            let known = &mut self.tasks[place];
            let delayed = matches!(verb, Verb::RetryLater | Verb::Snooze);
            if delayed && at_once && known.state == Some(TaskState::Scheduled) {
                known.state = Some(TaskState::Ready);
            }
        }
    }

    /// Calls the queue; returns whether the verb was carried out. `None`: the queue has no such call.
    async fn carry_out(&self, verb: Verb, place: usize, at_once: bool) -> Option<bool> {
        let known = &self.tasks[place];
        let delay = if at_once { Duration::ZERO } else { HOUR };
        let outcome = match verb {
            Verb::Due if known.state == Some(TaskState::Ready) => return None,
            Verb::Due => {
                let now = TaskUpdate { run_at: Some(jiff::Timestamp::now() - HOUR), ..TaskUpdate::default() };
                return Some(self.queue.update(known.id, now).await.is_ok());
            }
            Verb::Cancel => {
                return Some(self.queue.cancel(known.id).await.unwrap() != Cancelled::NotFound);
            }
            Verb::Retry => return Some(self.queue.retry(known.id).await.is_ok()),
            Verb::Delete => return Some(self.queue.delete(known.id).await.is_ok()),
            Verb::Complete => Outcome::Complete,
            Verb::Fail => Outcome::Fail { error: boom() },
            Verb::RetryLater => Outcome::RetryLater { delay, error: None },
            Verb::Release => Outcome::Release,
            Verb::Snooze => Outcome::Snooze { delay },
            Verb::Discard => Outcome::Discard,
            Verb::StopCancelled => Outcome::Cancel,
            Verb::Expire => Outcome::Expire,
            _ => return None,
        };
        let claim = known.held.as_ref().and_then(|task| task.claim);
        // A task that was never claimed has no claim to cite, and a cancel without a claim is a user's.
        if claim.is_none() && verb == Verb::StopCancelled {
            return None;
        }
        let claim = if verb == Verb::Expire { None } else { claim };
        let settlement = Settlement::new(known.id, claim, outcome);
        let answer = self.queue.settle(&[settlement], SettleMode::Each).await.unwrap();
        Some(answer == [Settled::Done])
    }

    fn follow(&mut self, place: usize, verb: Verb) {
        let keeps = self.keeps;
        let known = &mut self.tasks[place];
        let before = known.state.expect("only a task that is there goes on");
        known.state = match before.after(verb) {
            Step::To(TaskState::Completed) if !keeps => None,
            Step::To(TaskState::Cancelled | TaskState::Expired | TaskState::Discarded) | Step::Gone => None,
            Step::To(state) => Some(state),
            Step::No => panic!("{verb:?} was carried out on a task that was {before}"),
        };
        match verb {
            Verb::Release | Verb::Snooze => known.attempt -= 1,
            Verb::Retry if before == TaskState::Dead => known.attempt = 0,
            _ => {}
        }
    }

    pub(super) async fn compare(&self, when: &str) {
        let filter =
            TaskFilter { queue: Some(self.name.clone()), limit: Some(1000), ..TaskFilter::default() };
        let listed = self.queue.list(&filter).await.unwrap();
        let seen: Vec<_> = listed.iter().map(|task| (task.id, task.state, task.attempt)).collect();
        let there = self.tasks.iter().filter_map(|known| Some((known.id, known.state?, known.attempt)));
        assert_eq!(seen, there.collect::<Vec<_>>(), "{when}");
        assert_eq!(self.queue.count(&filter).await.unwrap(), seen.len() as u64, "{when}");
        let mut figures = QueueStats { name: self.name.clone(), ..QueueStats::default() };
        let all = [
            (TaskState::Ready, &mut figures.ready),
            (TaskState::Scheduled, &mut figures.scheduled),
            (TaskState::Running, &mut figures.running),
            (TaskState::Dead, &mut figures.dead),
            (TaskState::Completed, &mut figures.completed),
        ];
        for (state, figure) in all {
            *figure = seen.iter().filter(|(_, seen, _)| *seen == state).count() as u64;
            let filter = TaskFilter { state: Some(state), ..filter.clone() };
            assert_eq!(self.queue.count(&filter).await.unwrap(), *figure, "{state}, {when}");
        }
        let shown = self.queue.queues().await.unwrap().into_iter().find(|queue| queue.name == self.name);
        assert_eq!(shown, (!seen.is_empty()).then_some(figures), "{when}");
        for task in listed {
            assert_eq!(task.claim.is_some(), task.state == TaskState::Running, "{when}");
        }
    }
}
