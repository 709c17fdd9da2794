//! Runs a history: all connections carry out their lanes at the same time, and record the answers.

mod end;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::{Call, History, Whole};
use super::model::{Change, Fact, Refusal, Sweep, View};
use super::plan::{Act, Plan};
use super::stage::{LANES, Stage, User};
use crate::conformance::support::{HOUR, boom, from, number, pause, task};
use crate::*;

/// The outcome with this number.
fn outcome(place: usize) -> Outcome {
    match place {
        0 => Outcome::Complete,
        1 => Outcome::Fail { error: boom() },
        2 => Outcome::RetryLater { delay: Duration::ZERO, error: None },
        3 => Outcome::RetryLater { delay: HOUR, error: Some(boom()) },
        4 => Outcome::Release,
        5 => Outcome::Snooze { delay: HOUR },
        6 => Outcome::Discard,
        _ => Outcome::Cancel,
    }
}

/// Registers one worker for each object, for all histories.
pub(super) async fn workers(stage: &Stage) -> Vec<WorkerId> {
    let mut workers = Vec::with_capacity(LANES);
    for object in &stage.objects {
        let mut info = WorkerInfo::new([&stage.name]);
        info.lease = HOUR;
        workers.push(object.register_worker(&info).await.expect("a worker can be registered"));
    }
    workers
}

fn view(task: &Task) -> View {
    View {
        state: task.state,
        attempt: task.attempt,
        claim: task.claim,
        priority: task.priority,
        value: number(task),
    }
}

/// The state of a connection.
struct Lane {
    no: usize,
    queue: Arc<dyn TaskQueue>,
    user: Option<Arc<dyn User>>,
    worker: WorkerId,
    name: String,
    start: Instant,
    /// The tasks that existed at first, and whether they had expired.
    tasks: Vec<(TaskId, bool)>,
    claimed: Vec<(TaskId, Option<Claim>)>,
    calls: Vec<Call>,
}

/// Runs the plan, then checks what is left and, if `claims`, that it can be claimed. An error: an answer that is never
/// allowed.
pub(super) async fn play(
    stage: &Stage,
    workers: &[WorkerId],
    name: &str,
    plan: &Plan,
    claims: bool,
) -> Result<History, String> {
    let start = Instant::now();
    let lane = |no: usize, tasks: Vec<(TaskId, bool)>| Lane {
        no,
        queue: stage.objects[no].clone(),
        user: stage.user.clone(),
        worker: workers[no],
        name: name.to_owned(),
        start,
        tasks,
        claimed: Vec::new(),
        calls: Vec::new(),
    };
    let mut first = lane(0, Vec::new());
    for segment in &plan.segments {
        let mut new = task(first.tasks.len() as i64).queue(name).priority(segment.priority);
        new.delay = segment.delayed.then_some(HOUR);
        new.ttl = segment.expiring.then_some(Duration::from_millis(1));
        let ids = first.add(segment.count, new).await?;
        first.tasks.extend(ids.into_iter().map(|id| (id, segment.expiring)));
    }
    if plan.segments.iter().any(|segment| segment.expiring) {
        pause(3).await;
    }
    let mut lanes = tokio::task::JoinSet::new();
    for (no, acts) in plan.lanes.iter().enumerate() {
        let (mut lane, acts) = (lane(no, first.tasks.clone()), acts.clone());
        lanes.spawn(async move {
            for act in &acts {
                lane.act(act).await?;
            }
            Ok::<_, String>(lane)
        });
    }
    let mut history = History { calls: first.calls };
    let mut claimed = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        let lane = lane.map_err(|error| format!("a connection's task ended: {error}"))??;
        claimed.extend(lane.claimed);
        history.calls.extend(lane.calls);
    }
    let mut last = lane(0, first.tasks);
    last.claimed = claimed;
    last.look_at_the_end(claims).await?;
    history.calls.append(&mut last.calls);
    Ok(history)
}

impl Lane {
    fn now(&self) -> u128 {
        self.start.elapsed().as_nanos()
    }

    fn note(&mut self, begin: u128, act: String, facts: Vec<(TaskId, Fact)>, whole: Whole) {
        let end = self.now();
        self.calls.push(Call { lane: self.no, begin, end, act, facts, whole });
    }

    fn ids(&self, places: &[usize]) -> Vec<TaskId> {
        let mut ids: Vec<_> = places.iter().map(|place| self.tasks[place % self.tasks.len()].0).collect();
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(*id));
        ids
    }

    async fn add(&mut self, count: usize, new: NewTask) -> Result<Vec<TaskId>, String> {
        let first = self.tasks.len() as i64;
        let all = (0..count).map(|no| NewTask { payload: task(first + no as i64).payload, ..new.clone() });
        let begin = self.now();
        let ids = self.queue.enqueue_many(all.collect()).await.map_err(unexpected("enqueue"))?;
        let state = if new.delay.is_some() { TaskState::Scheduled } else { TaskState::Ready };
        let added = |(no, id): (usize, &TaskId)| {
            let value = first + no as i64;
            let view = View { state, attempt: 0, claim: None, priority: new.priority, value };
            (*id, Fact::Added { view, expired: new.ttl.is_some() })
        };
        let facts = ids.iter().enumerate().map(added).collect();
        self.note(begin, format!("enqueue {count}"), facts, Whole::Nothing);
        Ok(ids)
    }

    async fn act(&mut self, act: &Act) -> Result<(), String> {
        let (queue, name, begin) = (self.queue.clone(), format!("{act:?}"), self.now());
        match act {
            Act::Claim(limit) => {
                let request = from(&self.name).limit(*limit);
                // As workers do, and as users do. A claim of one often finds all it wanted, in a row of one task: then the next one by its
                // worker looks for such rows alone.
                let request = if *limit == 1 || limit % 2 == 0 { request.resume() } else { request };
                let tasks = queue.claim(self.worker, &request).await.map_err(unexpected("claim"))?;
                self.claimed.extend(tasks.iter().map(|task| (task.id, task.claim)));
                let facts = tasks.iter().map(|task| (task.id, Fact::Claimed(view(task)))).collect();
                self.note(begin, name, facts, Whole::Nothing);
            }
            Act::Settle { outcomes, many, stale, all, inside } => {
                let many = (*many).min(self.claimed.len());
                let tasks = if *stale {
                    self.claimed[..many].to_vec()
                } else {
                    self.claimed.split_off(self.claimed.len() - many)
                };
                let outcomes = outcomes.iter().cycle().map(|place| outcome(*place));
                let batch =
                    tasks.into_iter().zip(outcomes).map(|((id, claim), outcome)| (id, claim, outcome));
                let mode = if *all { SettleMode::All } else { SettleMode::Each };
                self.settle(begin, name, batch.collect(), mode, *inside).await?;
            }
            Act::Cancel(places) => {
                let ids = self.ids(places);
                let answers = queue.cancel_many(&ids).await.map_err(unexpected("cancel"))?;
                let facts = ids.into_iter().zip(answers.into_iter().map(Fact::Cancelled)).collect();
                self.note(begin, name, facts, Whole::Nothing);
            }
            Act::Delete(places) => {
                let ids = self.ids(places);
                let facts = all_or_none(&ids, queue.delete_many(&ids).await, Fact::Deleted)?;
                self.note(begin, name, facts, Whole::Nothing);
            }
            Act::Retry(places) => {
                let ids = self.ids(places);
                let facts = all_or_none(&ids, queue.retry_many(&ids).await, Fact::Retried)?;
                self.note(begin, name, facts, Whole::Nothing);
            }
            Act::Rewrite(place) => {
                let value = 1_000_000 + (self.no * 1000 + self.calls.len()) as i64;
                self.update(begin, name, *place, Change::Value(value)).await?;
            }
            Act::Reorder(place, priority) => {
                self.update(begin, name, *place, Change::Priority(*priority)).await?;
            }
            Act::Due(place) => self.update(begin, name, *place, Change::Due).await?,
            Act::Get(place) => {
                let id = self.ids(&[*place])[0];
                let seen = queue.get(id).await.map_err(unexpected("get"))?;
                self.note(begin, name, vec![(id, Fact::Seen(seen.as_ref().map(view)))], Whole::Nothing);
            }
            Act::List => {
                let listed = self.list().await?;
                let facts = listed.iter().map(|task| (task.id, Fact::Seen(Some(view(task))))).collect();
                self.note(begin, name, facts, Whole::Listed);
            }
            Act::Purge(state) | Act::DeleteAll(state) => {
                let state = state.map(|place| TaskState::ALL[place]);
                let filter = TaskFilter { state, ..self.filter() };
                let answer = match act {
                    Act::DeleteAll(_) => queue.delete_all(&filter).await,
                    _ => queue.purge(&filter).await,
                };
                let count = answer.map_err(unexpected("a removal by filter"))?;
                self.note(begin, name, Vec::new(), Whole::Swept(Sweep::Remove(state), count));
            }
            Act::RetryAll(scheduled) => {
                let state = if *scheduled { TaskState::Scheduled } else { TaskState::Dead };
                let filter = TaskFilter { state: Some(state), ..self.filter() };
                let count = queue.retry_all(&filter).await.map_err(unexpected("retry_all"))?;
                self.note(begin, name, Vec::new(), Whole::Swept(Sweep::Retry(state), count));
            }
            Act::CancelAll => {
                let counts = queue.cancel_all(&self.filter()).await.map_err(unexpected("cancel_all"))?;
                self.note(begin, name, Vec::new(), Whole::Swept(Sweep::Cancel, counts.done));
            }
            Act::Enqueue(count) => drop(self.add(*count, task(0).queue(&self.name)).await?),
            Act::Expire => {
                let expired = queue.expired(100).await.map_err(unexpected("expired"))?;
                let here = expired.iter().filter(|task| task.queue == self.name);
                let batch = here.map(|task| (task.id, None, Outcome::Expire)).collect();
                self.settle(self.now(), name, batch, SettleMode::Each, None).await?;
            }
        }
        Ok(())
    }

    async fn settle(
        &mut self,
        begin: u128,
        name: String,
        batch: Vec<(TaskId, Option<Claim>, Outcome)>,
        mode: SettleMode,
        inside: Option<bool>,
    ) -> Result<(), String> {
        let settlements =
            batch.iter().map(|(task_id, claim, outcome)| Settlement::new(*task_id, *claim, outcome.clone()));
        let answers = match self.settled(&settlements.collect::<Vec<_>>(), mode, inside).await {
            // Nothing was changed, so the tasks are held as before.
            Err(error) if mode == SettleMode::All && error.is_claim_lost() => {
                for (id, claim, _) in batch {
                    self.still_claimed(id, claim);
                }
                return Ok(());
            }
            answers => answers.map_err(unexpected("settle"))?,
        };
        let mut facts = Vec::with_capacity(batch.len());
        for ((id, claim, outcome), answer) in batch.into_iter().zip(answers) {
            match answer {
                // Another call had locked its row, or it was rolled back: nothing was changed, and the task is held as before.
                Settled::Busy => self.still_claimed(id, claim),
                done => facts.push((id, Fact::Settled { claim, outcome, done: done == Settled::Done })),
            }
        }
        self.note(begin, name, facts, Whole::Nothing);
        Ok(())
    }

    /// Keeps a claim for a later act. A stale act has left it where it was, and of two by the same claim one would be answered as lost.
    fn still_claimed(&mut self, id: TaskId, claim: Option<Claim>) {
        if !self.claimed.contains(&(id, claim)) {
            self.claimed.push((id, claim));
        }
    }

    /// Settles in a transaction of the user, if there is one; else by the queue.
    async fn settled(
        &self,
        batch: &[Settlement],
        mode: SettleMode,
        inside: Option<bool>,
    ) -> crate::Result<Vec<Settled>> {
        let (Some(user), Some(commit)) = (&self.user, inside) else {
            return self.queue.settle(batch, mode).await;
        };
        let statement = self.queue.settle_statement(batch, mode).await?;
        let held = user.execute(&statement, commit).await?;
        let done = if commit { Settled::Done } else { Settled::Busy };
        Ok(held.into_iter().map(|held| if held { done } else { Settled::Lost }).collect())
    }

    async fn update(
        &mut self,
        begin: u128,
        name: String,
        place: usize,
        change: Change,
    ) -> Result<(), String> {
        let (id, expired) = self.tasks[place % self.tasks.len()];
        let mut update = TaskUpdate::default();
        match change {
            Change::Value(value) => update.payload = Some(task(value).payload),
            Change::Priority(priority) => update.priority = Some(priority),
            // A new start time has a time to live of its own, which would end at an unknown moment of the history.
            Change::Due if expired => return Ok(()),
            Change::Due => update.run_at = Some(jiff::Timestamp::now() - HOUR),
        }
        let seen = match self.queue.update(id, update).await {
            Ok(task) if task.id != id => {
                return Err(format!("{name} of task {id} gave back task {}", task.id));
            }
            Ok(task) => Ok(view(&task)),
            Err(error) => Err(refusal("update", &error)?),
        };
        self.note(begin, name, vec![(id, Fact::Updated(change, seen))], Whole::Nothing);
        Ok(())
    }
}

fn unexpected(verb: &str) -> impl FnOnce(Error) -> String {
    move |error| format!("{verb} failed: {error}")
}

fn refusal(verb: &str, error: &Error) -> Result<Refusal, String> {
    if error.is_not_found() {
        Ok(Refusal::NotFound)
    } else if error.is_conflict() {
        Ok(Refusal::Conflict)
    } else {
        Err(format!("{verb} failed: {error}"))
    }
}

/// All are changed, or none because of the task that the error names.
fn all_or_none(
    ids: &[TaskId],
    answer: crate::Result<()>,
    fact: impl Fn(Option<Refusal>) -> Fact,
) -> Result<Vec<(TaskId, Fact)>, String> {
    let Err(error) = answer else { return Ok(ids.iter().map(|id| (*id, fact(None))).collect()) };
    let refusal = refusal("a verb for all or none", &error)?;
    let message = error.to_string();
    let named = ids.iter().find(|id| message.contains(&id.to_string()));
    let named = named.ok_or_else(|| format!("an error names no task that was asked for: {message}"))?;
    Ok(vec![(*named, fact(Some(refusal)))])
}
