//! Enqueues tasks in every possible way, and logs the answers. An enqueue whose outcome is unknown is sent again if its
//! ids were chosen here.

use std::time::Duration;

use omniq::backend::postgres::AsyncPostgresBackend;
use omniq::{Backoff, NewTask, TaskId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::fallible::Fallible;
use crate::history::{self, Answer, Arguments, Call, Spec, Writer};
use crate::orders::Orders;

const QUEUE: &str = "main";
/// No more tasks are added while this many wait, because the end of a run should not be a long drain.
const ENOUGH: u64 = 1000;

pub async fn run(orders: &Orders, history: &Writer) -> Fallible {
    let stop = super::common::stop_signal()?;
    let backend = super::common::connect(&orders.url, 4).await?;
    let mut producer = Producer {
        orders,
        history,
        backend,
        random: StdRng::seed_from_u64(orders.seed),
        next: orders.first,
        client: None,
    };
    while !*stop.borrow() {
        if super::common::waiting(&producer.backend, &[QUEUE]).await < ENOUGH {
            producer.step().await;
        }
        let pause = producer.random.random_range(20..250);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    producer.backend.close().await?;
    Ok(())
}

struct Producer<'a> {
    orders: &'a Orders,
    history: &'a Writer,
    backend: AsyncPostgresBackend,
    random: StdRng,
    next: u64,
    client: Option<Client>,
}

impl Producer<'_> {
    async fn step(&mut self) {
        let (spec, tasks) = self.tasks();
        let (first, count) = (self.next, tasks.len() as u64);
        self.next += count;
        let call = |ids, inside| Call::Enqueue { first, count, spec: spec.clone(), ids, inside };
        match self.random.random_range(0..10) {
            0..2 => {
                let op = self.history.asked(call(Vec::new(), true));
                let answer = self.inside(tasks, first).await;
                self.history.answered(op, answer);
            }
            2..5 => {
                let tasks: Vec<_> = tasks.into_iter().map(|task| task.id(TaskId::new())).collect();
                let ids: Vec<Uuid> = tasks.iter().filter_map(|task| task.id.map(Into::into)).collect();
                // As users do: the same ids are sent again until the tasks are in the queue.
                for _ in 0..100 {
                    let op = self.history.asked(call(ids.clone(), false));
                    let answer = self.enqueue(tasks.clone()).await;
                    self.history.answered(op, answer.clone());
                    if !matches!(answer, Answer::Unknown { .. }) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            _ => {
                let op = self.history.asked(call(Vec::new(), false));
                let answer = self.enqueue(tasks).await;
                self.history.answered(op, answer);
            }
        }
    }

    /// Tasks of one kind. They are alike, so that the queue may keep them in one segment.
    fn tasks(&mut self) -> (Spec, Vec<NewTask>) {
        let random = &mut self.random;
        let kinds = ["note", "note", "slow", "hold", "flaky", "nap", "drop", "effect", "ttl", "pay"];
        let kind = match kinds[random.random_range(0..kinds.len())] {
            "pay" if !self.orders.payments => "note",
            kind => kind,
        };
        let count = match random.random_range(0..20) {
            0..10 => 1,
            10..18 => random.random_range(2..60),
            18 => random.random_range(60..300),
            _ if kind == "note" => 1000,
            _ => 1,
        };
        let slow = matches!(kind, "slow" | "hold");
        let count = if slow { count.min(5) } else { count };
        let mut spec =
            Spec { func: kind.to_owned(), queue: QUEUE.to_owned(), max_retries: 50, fails: 0, ttl: false };
        match kind {
            "flaky" => {
                spec.max_retries = random.random_range(0..5);
                spec.fails = random.random_range(0..6);
            }
            "ttl" => {
                spec.func = "note".to_owned();
                spec.ttl = true;
            }
            _ => {}
        }
        let delay = random.random_bool(0.2).then(|| Duration::from_millis(random.random_range(0..3000)));
        let ttl = spec.ttl.then(|| Duration::from_millis(random.random_range(50..2000)));
        let priority = random.random_range(-1..2);
        let tasks = (0..count)
            .map(|i| {
                let arguments = Arguments {
                    n: self.next + i,
                    ms: if slow { random.random_range(50..2500) } else { random.random_range(0..3) },
                    fails: spec.fails,
                    payer: random.random_range(0..20),
                    payee: random.random_range(0..20),
                    amount: random.random_range(1..100),
                    v: 0,
                };
                let mut task = task(&spec, &arguments).priority(priority);
                (task.delay, task.ttl) = (delay, ttl);
                task
            })
            .collect();
        (spec, tasks)
    }

    async fn enqueue(&self, mut tasks: Vec<NewTask>) -> Answer {
        let done = match tasks.len() {
            1 => self.backend.enqueue(tasks.remove(0)).await.map(|id| vec![id]),
            _ => self.backend.enqueue_many(tasks).await,
        };
        match done {
            Ok(ids) => Answer::Ids { ids: ids.into_iter().map(Into::into).collect() },
            Err(error) => history::error(&error),
        }
    }

    /// Enqueues in a transaction that also writes rows of `orders`, which show later whether it was committed.
    async fn inside(&mut self, tasks: Vec<NewTask>, first: u64) -> Answer {
        let refused = |message: String| Answer::Refused { kind: "driver".to_owned(), message };
        if self.client.as_ref().is_none_or(Client::is_closed) {
            match tokio_postgres::connect(&self.orders.direct, NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    self.client = Some(client);
                }
                Err(error) => return refused(error.to_string()),
            }
        }
        let rolls_back = self.random.random_bool(0.1);
        let Some(client) = &mut self.client else { return refused("no connection".to_owned()) };
        let last = (first + tasks.len() as u64 - 1).cast_signed();
        let begun = async {
            let mut transaction = client.transaction().await.map_err(|error| error.to_string())?;
            let sql = "insert into orders select * from generate_series($1::bigint, $2)";
            let written = transaction.execute(sql, &[&first.cast_signed(), &last]).await;
            written.map_err(|error| error.to_string())?;
            let ids = self.backend.enqueue_many_in(&mut transaction, tasks).await;
            Ok::<_, String>((transaction, ids.map_err(|error| error.to_string())?))
        };
        match begun.await {
            Err(message) => refused(message),
            Ok((transaction, _)) if rolls_back => {
                let _ = transaction.rollback().await;
                refused("rolled back".to_owned())
            }
            Ok((transaction, ids)) => match transaction.commit().await {
                Ok(()) => Answer::Ids { ids: ids.into_iter().map(Into::into).collect() },
                Err(error) => Answer::Unknown { message: error.to_string() },
            },
        }
    }
}

/// Makes a task from the spec.
pub fn task(spec: &Spec, arguments: &Arguments) -> NewTask {
    let task = NewTask::new(&*spec.func, arguments).expect("plain data");
    task.queue(&*spec.queue).max_retries(spec.max_retries).backoff(Backoff::fixed(Duration::from_millis(100)))
}
