//! The handlers of these tests: each records its run over a connection of its own that OmniQ does not know.

use std::sync::Arc;
use std::time::Duration;

use omniq::{Context, Failure, Task};
use omniq_testkit::TestDb;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

/// The table of side effects.
const TABLE: &str = "create table effects (
    task uuid not null, attempt int not null, pid int not null, kind text not null,
    at timestamptz not null default clock_timestamp())";

/// Makes the table.
pub async fn create(db: &TestDb) {
    db.client().await.batch_execute(TABLE).await.unwrap();
}

/// Writes effects. Opens a new connection when the old one has broken.
#[derive(Clone)]
pub struct Effects {
    url: String,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Effects {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: Arc::default() }
    }

    async fn client(&self) -> Result<Arc<Client>, tokio_postgres::Error> {
        let mut open = self.client.lock().await;
        if let Some(client) = open.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        tokio::spawn(connection);
        let client = Arc::new(client);
        *open = Some(Arc::clone(&client));
        Ok(client)
    }

    /// The effect is committed once this returns.
    pub async fn write(&self, context: &Context, kind: &str) -> Result<(), Failure> {
        self.write_for(context.task(), kind).await
    }

    pub async fn write_for(&self, task: &Task, kind: &str) -> Result<(), Failure> {
        let sql = "insert into effects (task, attempt, pid, kind) values ($1, $2, $3, $4)";
        let (attempt, pid) = (task.attempt.cast_signed(), std::process::id().cast_signed());
        let client = self.client().await?;
        let statement = client.prepare(sql).await?;
        client.execute(&statement, &[&task.id.as_uuid(), &attempt, &pid, &kind]).await?;
        Ok(())
    }

    /// Waits for a table, by which tests signal to their child processes.
    pub async fn wait_for_table(&self, name: &str) -> Result<(), Failure> {
        let sql = "select to_regclass($1) is not null";
        while !self.client().await?.query_one(sql, &[&name]).await?.get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// One number, read over the test's own connection.
pub async fn number(witness: &Client, sql: &str) -> i64 {
    witness.query_one(sql, &[]).await.unwrap().get(0)
}

/// `Some` if the number is the wanted one.
pub async fn number_is(witness: &Client, sql: &str, wanted: i64) -> Option<()> {
    (number(witness, sql).await == wanted).then_some(())
}
