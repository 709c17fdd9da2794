//! Management verbs on bulks of 1 to 1000 tasks, by several connections at once, while workers may have claimed some of
//! the tasks.

use std::sync::Arc;
use std::time::Duration;

use omniq::backend::postgres::AsyncPostgresBackend;
use omniq::{Cancelled, Payload, TaskFilter, TaskId, TaskUpdate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::producer::task;
use crate::fallible::Fallible;
use crate::history::{self, Answer, Arguments, Call, Found, Spec, Writer};
use crate::orders::Orders;

const SIZES: [u64; 7] = [1, 2, 3, 7, 50, 300, 1000];
/// How many calls a caller makes at once.
const AT_ONCE: usize = 8;
/// No more tasks are added while this many wait.
const ENOUGH: u64 = 2000;

pub async fn run(orders: &Orders, history: &Arc<Writer>) -> Fallible {
    let stop = super::common::stop_signal()?;
    let mut callers = Vec::new();
    for number in 0..orders.callers {
        let url = if number % 2 == 0 { &orders.url } else { &orders.other_url };
        callers.push(super::common::connect(url, 4).await?);
    }
    let mut random = StdRng::seed_from_u64(orders.seed);
    let mut next = orders.first;
    while !*stop.borrow() {
        if super::common::waiting(&callers[0], &["bulk", "purge"]).await > ENOUGH {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        let bulk = Bulk::enqueue(&callers[0], history, &mut random, next).await;
        next += 1000;
        if let Some(bulk) = bulk {
            let bulk = Arc::new(bulk);
            let verbs = callers.iter().map(|backend| {
                let caller = Caller {
                    backend: backend.clone(),
                    history: Arc::clone(history),
                    bulk: Arc::clone(&bulk),
                    at_once: if orders.callers == 1 { 1 } else { AT_ONCE },
                };
                tokio::spawn(caller.run(StdRng::seed_from_u64(random.random())))
            });
            for verb in verbs.collect::<Vec<_>>() {
                verb.await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(50..400))).await;
    }
    for backend in callers {
        backend.close().await?;
    }
    Ok(())
}

struct Bulk {
    spec: Spec,
    ids: Vec<Uuid>,
    first: u64,
}

impl Bulk {
    async fn enqueue(
        backend: &AsyncPostgresBackend,
        history: &Writer,
        random: &mut StdRng,
        first: u64,
    ) -> Option<Self> {
        let count = *SIZES.choose(random)?;
        let purged = random.random_bool(0.2);
        let dies = random.random_bool(0.25);
        let spec = Spec {
            func: if dies { "flaky" } else { "note" }.to_owned(),
            queue: if purged { "purge" } else { "bulk" }.to_owned(),
            max_retries: if dies { 0 } else { 50 },
            fails: if dies { 1000 } else { 0 },
            ttl: false,
        };
        // Workers leave scheduled tasks alone until they are due, and take the others at once.
        let delay = random.random_bool(0.6).then(|| Duration::from_millis(random.random_range(300..2500)));
        let ms = if random.random_bool(0.3) { 40 } else { 0 };
        let tasks = (0..count).map(|i| {
            let arguments = Arguments { n: first + i, ms, fails: spec.fails, ..Arguments::default() };
            let mut task = task(&spec, &arguments);
            task.delay = delay;
            task
        });
        let op =
            history.asked(Call::Enqueue { first, count, spec: spec.clone(), ids: Vec::new(), inside: false });
        let answer = match backend.enqueue_many(tasks.collect()).await {
            Ok(ids) => Answer::Ids { ids: ids.into_iter().map(Into::into).collect() },
            Err(error) => history::error(&error),
        };
        history.answered(op, answer.clone());
        match answer {
            Answer::Ids { ids } => Some(Self { spec, ids, first }),
            _ => None,
        }
    }
}

struct Caller {
    backend: AsyncPostgresBackend,
    history: Arc<Writer>,
    bulk: Arc<Bulk>,
    at_once: usize,
}

impl Caller {
    /// Makes some rounds of calls; the calls of a round run at once.
    async fn run(self, mut random: StdRng) {
        let caller = Arc::new(self);
        for _ in 0..random.random_range(1..64 / caller.at_once) {
            let calls = (0..random.random_range(1..=caller.at_once)).map(|_| {
                let (caller, call) = (Arc::clone(&caller), caller.call(&mut random));
                async move {
                    let op = caller.history.asked(call.clone());
                    let answer = caller.carry_out(&call).await.unwrap_or_else(|error| history::error(&error));
                    caller.history.answered(op, answer);
                }
            });
            let mut calls: JoinSet<()> = calls.collect();
            while calls.join_next().await.is_some() {}
            if random.random_bool(0.5) {
                tokio::time::sleep(Duration::from_millis(random.random_range(1..200))).await;
            }
        }
    }

    fn call(&self, random: &mut StdRng) -> Call {
        let ids = &self.bulk.ids;
        let some = |random: &mut StdRng| {
            let most = ids.len().min(if random.random_bool(0.7) { 5 } else { 200 });
            let count = random.random_range(1..=most);
            ids.sample(random, count).copied().collect::<Vec<_>>()
        };
        let one = *ids.choose(random).expect("a bulk has a task");
        match random.random_range(0..12) {
            0..2 => Call::Cancel { ids: vec![one] },
            2 => Call::Cancel { ids: some(random) },
            3..5 => Call::Delete { ids: vec![one] },
            5 => Call::Delete { ids: some(random) },
            6..8 => Call::Update { id: one, v: random.random_range(1..1 << 48) },
            8 => Call::Retry { ids: vec![one] },
            9 => Call::Retry { ids: some(random) },
            10 if self.bulk.spec.queue == "purge" => Call::Purge { queue: self.bulk.spec.queue.clone() },
            _ => Call::Get { id: one },
        }
    }

    async fn carry_out(&self, call: &Call) -> omniq::Result<Answer> {
        let queue = self.backend.queue();
        let these = |ids: &[Uuid]| ids.iter().copied().map(TaskId::from).collect::<Vec<_>>();
        let found = |task: &omniq::Task| -> omniq::Result<Found> {
            let arguments: Arguments = task.payload.decode()?;
            Ok(Found { id: task.id.into(), n: arguments.n, v: arguments.v })
        };
        Ok(match call {
            Call::Cancel { ids } => {
                let answers = self.backend.cancel_many(&these(ids)).await?;
                let word = |answer| match answer {
                    Cancelled::Done => "done",
                    Cancelled::Requested => "requested",
                    Cancelled::NotFound => "not_found",
                };
                Answer::Each { each: answers.into_iter().map(|answer| word(answer).to_owned()).collect() }
            }
            Call::Delete { ids } => {
                queue.delete_many(&these(ids)).await?;
                Answer::Done
            }
            Call::Retry { ids } => {
                queue.retry_many(&these(ids)).await?;
                Answer::Done
            }
            Call::Update { id, v } => {
                let place = self.bulk.ids.iter().position(|known| known == id).unwrap_or_default();
                let arguments = Arguments {
                    n: self.bulk.first + place as u64,
                    v: *v,
                    fails: self.bulk.spec.fails,
                    ..Arguments::default()
                };
                let change =
                    TaskUpdate { payload: Some(Payload::json(&arguments)?), ..TaskUpdate::default() };
                let task = queue.update((*id).into(), change).await?;
                Answer::Task { found: Some(found(&task)?) }
            }
            Call::Get { id } => {
                let task = queue.get((*id).into()).await?;
                Answer::Task { found: task.as_ref().map(found).transpose()? }
            }
            Call::Purge { queue: name } => {
                let filter = TaskFilter { queue: Some(name.clone()), ..TaskFilter::default() };
                Answer::Count { count: queue.purge(&filter).await? }
            }
            Call::Enqueue { .. } => unreachable!("bulks are enqueued by themselves"),
        })
    }
}
