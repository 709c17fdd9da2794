//! C22: random sequences of verbs on tasks that wait for others, held against a model.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// A step. Numbers choose among the tasks that there are.
#[derive(Debug, Clone)]
enum Move {
    /// In one call: of each task those that it runs after, among all before it, and whether it runs after any end of these.
    Enqueue(Vec<(Vec<usize>, bool)>),
    Claim,
    Complete(usize),
    Fail(usize),
    Release(usize),
    Cancel(usize),
    Delete(usize),
    Retry(usize),
    RetryAll,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (proptest::collection::vec(any::<usize>(), 0..4), any::<bool>());
    let step = prop_oneof![
        4 => proptest::collection::vec(one, 1..5).prop_map(Move::Enqueue),
        6 => Just(Move::Claim),
        5 => any::<usize>().prop_map(Move::Complete),
        3 => any::<usize>().prop_map(Move::Fail),
        1 => any::<usize>().prop_map(Move::Release),
        1 => any::<usize>().prop_map(Move::Cancel),
        1 => any::<usize>().prop_map(Move::Delete),
        2 => any::<usize>().prop_map(Move::Retry),
        1 => Just(Move::RetryAll),
    ];
    proptest::collection::vec(step, 1..50)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Blocked,
    Ready,
    Running,
    Dead,
    Completed,
    Gone,
}

#[derive(Debug)]
struct Known {
    id: TaskId,
    after: Vec<usize>,
    run: bool,
    life: Life,
    /// Others wait for it, or it has waited: it is known after its end.
    linked: bool,
    /// It has ended because another one has.
    shares_fate: bool,
}

#[derive(Debug, Default)]
struct Model(Vec<Known>);

impl Model {
    fn is_done(&self, task: &Known, before: usize) -> bool {
        match self.0[before].life {
            Life::Completed => true,
            Life::Dead | Life::Gone => task.run,
            _ => false,
        }
    }

    /// The life of a task that waits, now that others have changed. `anew`: it was retried, or has just come.
    fn settled(&self, place: usize, retried: bool) -> Life {
        let task = &self.0[place];
        let lives = || task.after.iter().map(|before| self.0[*before].life);
        if !task.run && !retried && lives().any(|life| life == Life::Dead) {
            return Life::Dead;
        }
        if !task.run && lives().any(|life| life == Life::Gone) {
            return Life::Gone;
        }
        if task.after.iter().all(|before| self.is_done(task, *before)) { Life::Ready } else { Life::Blocked }
    }

    /// Carries out what follows from the end of this task, or of those that have come.
    fn follow(&mut self, changed: Vec<usize>) {
        let mut changed = changed;
        while let Some(before) = changed.pop() {
            for place in 0..self.0.len() {
                if self.0[place].life != Life::Blocked || !self.0[place].after.contains(&before) {
                    continue;
                }
                let others_failed =
                    !self.0[place].run && matches!(self.0[before].life, Life::Dead | Life::Gone);
                let life = match self.0[before].life {
                    Life::Dead if others_failed => Life::Dead,
                    Life::Gone if others_failed => Life::Gone,
                    _ if self.0[place].after.iter().all(|one| self.is_done(&self.0[place], *one)) => {
                        Life::Ready
                    }
                    _ => continue,
                };
                self.0[place].life = life;
                if life != Life::Ready {
                    self.0[place].shares_fate = true;
                    changed.push(place);
                }
            }
        }
    }

    fn end(&mut self, place: usize, life: Life) {
        self.0[place].life = life;
        self.follow(vec![place]);
    }

    /// If some of the tasks that one waits for are dead and others gone, it may share the fate of either.
    fn adopt(&mut self, there: &HashMap<TaskId, TaskState>) {
        for place in 0..self.0.len() {
            if !self.0[place].shares_fate || !matches!(self.0[place].life, Life::Dead | Life::Gone) {
                continue;
            }
            let has = |life: Life| self.0[place].after.iter().any(|before| self.0[*before].life == life);
            let life = match (has(Life::Dead), has(Life::Gone)) {
                (true, true) if there.contains_key(&self.0[place].id) => Life::Dead,
                (true, true) => Life::Gone,
                _ => continue,
            };
            self.0[place].life = life;
        }
    }

    fn places(&self, lives: &[Life]) -> Vec<usize> {
        (0..self.0.len()).filter(|place| lives.contains(&self.0[*place].life)).collect()
    }

    /// Dead letters are retried together.
    fn retry(&mut self, places: &[usize]) {
        for place in places {
            self.0[*place].life = Life::Blocked;
        }
        for place in places {
            let life = self.settled(*place, true);
            self.0[*place].life = life;
            self.0[*place].shares_fate = life == Life::Gone;
            if life == Life::Gone {
                self.follow(vec![*place]);
            }
        }
    }
}

/// Many sequences; one that fails is shrunk to the shortest that fails.
pub async fn c22_random_sequences_on_dependencies_follow_the_model(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    random_walks(40, moves(), move |number, moves| {
        let queue = Arc::clone(&queue);
        async move { walk(&queue, &format!("walk-{number}"), &moves).await }
    })
    .await;
    fixture.check().await;
}

/// One sequence, in a queue of its own.
async fn walk(queue: &Arc<dyn TaskQueue>, name: &str, moves: &[Move]) {
    let (mut model, mut claims) = (Model::default(), HashMap::new());
    let filter = TaskFilter { queue: Some(name.to_owned()), ..TaskFilter::default() };
    for step in moves {
        let chosen = |model: &Model, which: usize, lives: &[Life]| {
            let places = model.places(lives);
            places.get(which % places.len().max(1)).copied()
        };
        match step {
            Move::Enqueue(call) => enqueue_call(queue, name, &mut model, call).await,
            Move::Claim => {
                for task in queue.dequeue_many(from(name).limit(1)).await.unwrap() {
                    let known = model.0.iter_mut().find(|known| known.id == task.id).unwrap();
                    assert_eq!(known.life, Life::Ready, "{task:?}");
                    known.life = Life::Running;
                    claims.insert(task.id, task);
                }
            }
            Move::Complete(which) | Move::Fail(which) | Move::Release(which) => {
                let Some(place) = chosen(&model, *which, &[Life::Running]) else { continue };
                let task = claims.remove(&model.0[place].id).unwrap();
                match step {
                    Move::Complete(_) => {
                        queue.complete(&task).await.unwrap();
                        model.end(place, Life::Completed);
                    }
                    Move::Fail(_) => {
                        queue.fail(&task, boom()).await.unwrap();
                        model.end(place, Life::Dead);
                    }
                    _ => {
                        queue.release(&task).await.unwrap();
                        model.0[place].life = Life::Ready;
                    }
                }
            }
            Move::Cancel(which) => {
                let Some(place) = chosen(&model, *which, &[Life::Blocked, Life::Ready]) else { continue };
                assert_eq!(queue.cancel(model.0[place].id).await.unwrap(), Cancelled::Done);
                model.end(place, Life::Gone);
            }
            Move::Delete(which) => {
                let still = [Life::Blocked, Life::Ready, Life::Dead];
                let Some(place) = chosen(&model, *which, &still) else { continue };
                queue.delete(model.0[place].id).await.unwrap();
                model.end(place, Life::Gone);
            }
            Move::Retry(which) => {
                let Some(place) = chosen(&model, *which, &[Life::Dead]) else { continue };
                queue.retry(model.0[place].id).await.unwrap();
                model.retry(&[place]);
            }
            Move::RetryAll => {
                let dead = model.places(&[Life::Dead]);
                assert_eq!(queue.retry_all(&filter).await.unwrap(), dead.len() as u64);
                model.retry(&dead);
            }
        }
        end_broken(queue).await;
        let listed = queue.list(&filter).await.unwrap();
        let mut listed: Vec<_> = listed.iter().map(|task| (task.id, task.state)).collect();
        model.adopt(&listed.iter().copied().collect());
        let state = |known: &Known| match known.life {
            Life::Blocked => Some((known.id, TaskState::Blocked)),
            Life::Ready => Some((known.id, TaskState::Ready)),
            Life::Running => Some((known.id, TaskState::Running)),
            Life::Dead => Some((known.id, TaskState::Dead)),
            Life::Completed | Life::Gone => None,
        };
        let mut expected: Vec<_> = model.0.iter().filter_map(state).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "after {step:?} of {model:?}");
    }
    let left: Vec<Settlement> = claims.values().map(|task| settlement(task, Outcome::Complete)).collect();
    queue.settle(&left, SettleMode::Each).await.unwrap();
    queue.purge(&filter).await.unwrap();
    end_broken(queue).await;
}

async fn enqueue_call(
    queue: &Arc<dyn TaskQueue>,
    name: &str,
    model: &mut Model,
    call: &[(Vec<usize>, bool)],
) {
    let first = model.0.len();
    let mut tasks = Vec::new();
    for (choices, run) in call {
        let place = model.0.len();
        let can_be_waited_for = |before: &usize| {
            let known = &model.0[*before];
            *before >= first || known.linked || !matches!(known.life, Life::Completed | Life::Gone)
        };
        let mut after: Vec<usize> = choices.iter().map(|choice| choice % place.max(1)).collect();
        after.retain(|before| *before < place && can_be_waited_for(before));
        after.sort_unstable();
        after.dedup();
        let mut new = task(place as i64).queue(name).max_retries(0);
        if !after.is_empty() {
            new = new.after(after.iter().map(|before| model.0[*before].id));
            if *run {
                new = new.if_failed(IfFailed::Run);
            }
        }
        for before in &after {
            model.0[*before].linked = true;
        }
        let linked = !after.is_empty();
        model.0.push(Known {
            id: new.own_id(),
            after,
            run: *run,
            life: Life::Blocked,
            linked,
            shares_fate: false,
        });
        tasks.push(new);
    }
    queue.enqueue_many(tasks).await.unwrap();
    for place in first..model.0.len() {
        let life = model.settled(place, false);
        model.0[place].life = life;
        model.0[place].shares_fate = matches!(life, Life::Dead | Life::Gone);
    }
}
