//! The handlers of the tasks. Each run logs its begin and its end to the history. Its value contains the run's id, so
//! that the checker can tell which run's value counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq::{Context, Failure};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::history::{Arguments, What, Writer};
use crate::orders::Orders;

/// The value of every task.
#[derive(Debug, Serialize)]
pub struct Value {
    n: u64,
    run: Uuid,
}

/// The state that the handlers of a process share.
pub struct Desk {
    history: Arc<Writer>,
    direct: String,
    /// Connections that are not in use.
    idle: Mutex<Vec<Client>>,
}

/// A run that is under way. Its end is logged when this value is dropped, so a run that is broken off is logged as well.
struct Run<'a> {
    id: Uuid,
    history: &'a Writer,
    how: &'static str,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.history.write(What::Ended { run: self.id, how: self.how.to_owned() });
    }
}

impl Run<'_> {
    fn ends<T>(&mut self, answer: &Result<T, Failure>, else_how: &'static str) {
        self.how = if answer.is_ok() { "value" } else { else_how };
    }
}

impl Desk {
    pub fn new(orders: &Orders, history: Arc<Writer>) -> Self {
        Self { history, direct: orders.direct.clone(), idle: Mutex::default() }
    }

    fn begin(&self, arguments: &Arguments, context: &Context) -> Run<'_> {
        let (id, task) = (Uuid::new_v4(), context.task());
        self.history.write(What::Begun {
            run: id,
            task: task.id.into(),
            n: arguments.n,
            v: arguments.v,
            attempt: task.attempt,
            func: task.func.clone(),
        });
        Run { id, history: &self.history, how: "stopped" }
    }

    /// The async handlers.
    pub async fn run(&self, arguments: Arguments, context: Context) -> Result<Value, Failure> {
        let mut run = self.begin(&arguments, &context);
        if arguments.ms > 0 {
            tokio::time::sleep(Duration::from_millis(arguments.ms)).await;
        }
        let (answer, otherwise) = match &*context.task().func {
            "flaky" if context.attempt() <= arguments.fails => {
                (Err(Failure::error("flaky", "not this time")), "error")
            }
            // Half of the runs, by their ids.
            "nap" if run.id.as_u128() & 1 == 0 => (Err(Failure::snooze(Duration::from_millis(50))), "snooze"),
            "drop" => (Err(Failure::discard("not wanted")), "discard"),
            "effect" => (self.effect(&arguments, &context, run.id).await, "error"),
            "pay" => (self.pay(&arguments, &context, run.id).await, "error"),
            _ => (Ok(()), "error"),
        };
        run.ends(&answer, otherwise);
        answer.map(|()| Value { n: arguments.n, run: run.id })
    }

    /// A blocking handler, which checks again and again whether it should stop.
    pub fn hold(&self, arguments: &Arguments, context: &Context) -> Result<Value, Failure> {
        let mut run = self.begin(arguments, context);
        let end = Instant::now() + Duration::from_millis(arguments.ms);
        while Instant::now() < end {
            if context.is_cancelled() {
                return Err(Failure::error("stopped", "asked to stop"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        run.how = "value";
        Ok(Value { n: arguments.n, run: run.id })
    }

    /// Inserts a row on a connection that the queue does not manage.
    async fn effect(&self, arguments: &Arguments, context: &Context, run: Uuid) -> Result<(), Failure> {
        let client = self.connection().await?;
        let sql = "insert into effects values ($1, $2, $3)";
        client.execute(sql, &[&context.id().as_uuid(), &arguments.n.cast_signed(), &run]).await?;
        self.give_back(client).await;
        Ok(())
    }

    pub(super) async fn connection(&self) -> Result<Client, Failure> {
        while let Some(client) = self.idle.lock().await.pop() {
            if !client.is_closed() {
                return Ok(client);
            }
        }
        let (client, connection) = tokio_postgres::connect(&self.direct, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(super) async fn give_back(&self, client: Client) {
        self.idle.lock().await.push(client);
    }
}
