//! C22: random sequences of verbs on unique tasks, held against a model.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const KEYS: [&str; 2] = ["a", "b"];

/// A step. Numbers choose among the tasks or claims that there are.
#[derive(Debug, Clone)]
enum Move {
    /// In one call: the key, the policy, and whether it is unique until its start.
    Enqueue(Vec<(usize, OnConflict, bool)>),
    Claim,
    /// Ends the run.
    Settle(usize, Ending),
    Cancel(usize),
    Delete(usize),
    Retry(usize),
    RetryAll,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Complete,
    Fail,
    RetryLater,
    Release,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let policy = prop_oneof![
        4 => Just(OnConflict::Skip),
        2 => Just(OnConflict::Replace),
        2 => Just(OnConflict::Reschedule),
        1 => Just(OnConflict::Error),
    ];
    let one = (0..KEYS.len(), policy, any::<bool>());
    let ending = prop_oneof![
        Just(Ending::Complete),
        Just(Ending::Fail),
        Just(Ending::RetryLater),
        Just(Ending::Release)
    ];
    let step = prop_oneof![
        6 => proptest::collection::vec(one, 1..4).prop_map(Move::Enqueue),
        4 => Just(Move::Claim),
        4 => (any::<usize>(), ending).prop_map(|(which, ending)| Move::Settle(which, ending)),
        1 => any::<usize>().prop_map(Move::Cancel),
        1 => any::<usize>().prop_map(Move::Delete),
        2 => any::<usize>().prop_map(Move::Retry),
        1 => Just(Move::RetryAll),
    ];
    proptest::collection::vec(step, 1..40)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Waiting,
    Running,
    Dead,
    Gone,
}

#[derive(Debug)]
struct Known {
    id: TaskId,
    key: usize,
    life: Life,
    number: i64,
    until_start: bool,
}

/// The tasks in the order in which they were added, and the one that took each key last.
#[derive(Debug, Default)]
struct Model {
    tasks: Vec<Known>,
    keys: HashMap<usize, (TaskId, bool)>,
}

impl Model {
    fn of(&self, id: TaskId) -> Option<&Known> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The task that holds a key, and whether it waits.
    fn holder(&self, key: usize) -> Option<(TaskId, bool)> {
        let (id, until_start) = *self.keys.get(&key)?;
        match self.of(id)?.life {
            Life::Waiting => Some((id, true)),
            Life::Running if !until_start => Some((id, false)),
            _ => None,
        }
    }

    /// What an enqueue does; a new task gets this id.
    fn enqueue(
        &mut self,
        (key, policy, until_start): (usize, OnConflict, bool),
        number: i64,
        id: TaskId,
    ) -> Option<Enqueued> {
        let Some((holder, waits)) = self.holder(key) else {
            self.keys.insert(key, (id, until_start));
            self.tasks.push(Known { id, key, life: Life::Waiting, number, until_start });
            return Some(Enqueued::New(id));
        };
        let change = |model: &mut Self| {
            let held = model.tasks.iter_mut().find(|task| task.id == holder);
            if let Some(held) = held {
                (held.number, held.until_start) = (number, until_start);
            }
            model.keys.insert(key, (holder, until_start));
        };
        match policy {
            OnConflict::Error => None,
            OnConflict::Replace if waits => {
                change(self);
                Some(Enqueued::Replaced(holder))
            }
            OnConflict::Reschedule if waits => {
                change(self);
                Some(Enqueued::Rescheduled(holder))
            }
            _ => Some(Enqueued::Skipped(holder)),
        }
    }

    /// Gives a dead letter its key again, unless another task holds it.
    fn retake(&mut self, place: usize) -> bool {
        let Known { id, key, until_start, .. } = self.tasks[place];
        if self.holder(key).is_some() {
            return false;
        }
        if self.keys.get(&key).is_none_or(|(taken, _)| *taken != id) {
            self.keys.insert(key, (id, until_start));
        }
        self.tasks[place].life = Life::Waiting;
        true
    }

    fn places(&self, lives: &[Life]) -> Vec<usize> {
        (0..self.tasks.len()).filter(|place| lives.contains(&self.tasks[*place].life)).collect()
    }
}

/// Many sequences; one that fails is shrunk to the shortest that fails.
pub async fn c22_random_sequences_on_unique_tasks_follow_the_model(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    random_walks(24, moves(), move |number, moves| {
        let queue = Arc::clone(&queue);
        async move { walk(&queue, &format!("walk-{number}"), &moves).await }
    })
    .await;
    fixture.check().await;
}

/// One sequence, in a queue and with keys of its own.
async fn walk(queue: &Arc<dyn TaskQueue>, name: &str, moves: &[Move]) {
    let (mut model, mut claims, mut number) = (Model::default(), HashMap::new(), 0);
    let filter = TaskFilter { queue: Some(name.to_owned()), ..TaskFilter::default() };
    for step in moves {
        match step {
            Move::Enqueue(call) => {
                let tasks: Vec<NewTask> = (number..)
                    .zip(call)
                    .map(|(number, (key, policy, until_start))| {
                        let until = if *until_start { Until::Start } else { Until::End };
                        let key = format!("{name} {}", KEYS[*key]);
                        let unique = Unique::key(key).on_conflict(*policy).until(until);
                        task(number).queue(name).max_retries(9).id(TaskId::new()).unique(unique)
                    })
                    .collect();
                let ids: Vec<TaskId> = tasks.iter().filter_map(|task| task.id).collect();
                let before = (model.tasks.len(), model.keys.clone());
                let numbers: Vec<i64> = model.tasks.iter().map(|task| task.number).collect();
                let untils: Vec<bool> = model.tasks.iter().map(|task| task.until_start).collect();
                let expected: Option<Vec<Enqueued>> = (number..)
                    .zip(call)
                    .zip(&ids)
                    .map(|((n, one), id)| model.enqueue(*one, n, *id))
                    .collect();
                match (queue.enqueue_unique_many(tasks).await, expected) {
                    (Ok(enqueued), Some(expected)) => assert_eq!(enqueued, expected),
                    (Err(error), None) => {
                        assert!(error.is_duplicate(), "{error}");
                        // All or none.
                        model.tasks.truncate(before.0);
                        model.keys = before.1;
                        for ((known, number), until) in model.tasks.iter_mut().zip(numbers).zip(untils) {
                            (known.number, known.until_start) = (number, until);
                        }
                    }
                    (answer, expected) => panic!("{answer:?} in place of {expected:?}"),
                }
                number += call.len() as i64;
            }
            Move::Claim => {
                for task in queue.dequeue_many(from(name).limit(1)).await.unwrap() {
                    let known = model.tasks.iter_mut().find(|known| known.id == task.id).unwrap();
                    assert_eq!((known.life, known.number), (Life::Waiting, self::number(&task)));
                    known.life = Life::Running;
                    claims.insert(task.id, task);
                }
            }
            Move::Settle(which, ending) => {
                let running = model.places(&[Life::Running]);
                let Some(place) = running.get(which % running.len().max(1)) else { continue };
                let task = claims.remove(&model.tasks[*place].id).unwrap();
                model.tasks[*place].life = match ending {
                    Ending::Complete => {
                        queue.complete(&task).await.unwrap();
                        Life::Gone
                    }
                    Ending::Fail => {
                        let fail = settlement(&task, Outcome::Fail { error: boom() });
                        queue.settle(&[fail], SettleMode::All).await.unwrap();
                        Life::Dead
                    }
                    Ending::RetryLater => {
                        queue.retry_later(&task, std::time::Duration::ZERO, None).await.unwrap();
                        Life::Waiting
                    }
                    Ending::Release => {
                        queue.release(&task).await.unwrap();
                        Life::Waiting
                    }
                };
            }
            Move::Cancel(which) => {
                let waiting = model.places(&[Life::Waiting]);
                let Some(place) = waiting.get(which % waiting.len().max(1)) else { continue };
                assert_eq!(queue.cancel(model.tasks[*place].id).await.unwrap(), Cancelled::Done);
                model.tasks[*place].life = Life::Gone;
            }
            Move::Delete(which) => {
                let still = model.places(&[Life::Waiting, Life::Dead]);
                let Some(place) = still.get(which % still.len().max(1)) else { continue };
                queue.delete(model.tasks[*place].id).await.unwrap();
                model.tasks[*place].life = Life::Gone;
            }
            Move::Retry(which) => {
                let dead = model.places(&[Life::Dead]);
                let Some(place) = dead.get(which % dead.len().max(1)) else { continue };
                match (queue.retry(model.tasks[*place].id).await, model.retake(*place)) {
                    (Ok(()), true) => {}
                    (Err(error), false) => assert!(error.is_conflict(), "{error}"),
                    (answer, expected) => panic!("{answer:?}, and its key was free: {expected}"),
                }
            }
            Move::RetryAll => {
                // By the order of ids.
                let mut dead = model.places(&[Life::Dead]);
                dead.sort_by_key(|place| model.tasks[*place].id);
                let expected = dead.into_iter().filter(|place| model.retake(*place)).count();
                assert_eq!(queue.retry_all(&filter).await.unwrap(), expected as u64);
            }
        }
        let mut listed: Vec<_> =
            queue.list(&filter).await.unwrap().iter().map(|task| (task.id, self::number(task))).collect();
        let there = model.tasks.iter().filter(|known| known.life != Life::Gone);
        let mut expected: Vec<_> = there.map(|known| (known.id, known.number)).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "after {step:?}");
    }
    let left: Vec<Settlement> = claims.values().map(|task| settlement(task, Outcome::Complete)).collect();
    queue.settle(&left, SettleMode::Each).await.unwrap();
}
