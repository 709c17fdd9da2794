//! A database per test, so that tests run side by side.

use std::time::{Duration, Instant, UNIX_EPOCH};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::server_url;

/// How long the end of a test waits for its database to be dropped.
const PATIENCE: Duration = Duration::from_secs(2);

/// A fresh database, which is dropped with this value.
#[derive(Debug)]
pub struct TestDb {
    server: String,
    name: String,
}

impl TestDb {
    /// A fresh, empty database on the shared server.
    pub async fn new() -> Self {
        Self::on(&server_url()).await
    }

    /// A fresh, empty database on the server with this URL.
    pub async fn on(server: &str) -> Self {
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        let client = client(server).await;
        client
            .batch_execute(&format!("create database {name} template template0 strategy file_copy"))
            .await
            .expect("a database can be made");
        Self { server: server.to_owned(), name }
    }

    /// A fresh database as a copy of a model. `prepare` makes the model from an empty database, given its URL, once for
    /// each build of the test program, and leaves no session in it. A copy takes a tenth of the time of the migrations.
    pub async fn copy_of(model: &str, prepare: impl AsyncFnOnce(String)) -> Self {
        let server = server_url();
        let copy = Self { server, name: format!("t_{}", uuid::Uuid::new_v4().simple()) };
        let model = format!("model_{model}_{}", build());
        let client = client(&copy.server).await;
        let sql = format!("create database {} template {model} strategy file_copy", copy.name);
        match client.batch_execute(&sql).await {
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_DATABASE) => {}
            answer => {
                answer.expect("a database can be copied");
                return copy;
            }
        }
        // One model is made at a time, over all processes.
        client.batch_execute("select pg_advisory_lock(hashtext('models'))").await.expect("a lock");
        let there = client.query("select from pg_database where datname = $1", &[&model]).await;
        if there.expect("databases can be listed").is_empty() {
            let empty = Self::on(&copy.server).await;
            prepare(empty.url()).await;
            let rename = format!("alter database {} rename to {model}", empty.name);
            client.batch_execute(&rename).await.expect("a database can be renamed");
        }
        client.batch_execute("select pg_advisory_unlock(hashtext('models'))").await.expect("a lock");
        client.batch_execute(&sql).await.expect("a database can be copied");
        copy
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let (start, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{start}/{}", self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A plain connection of the driver, independent of the library under test.
    pub async fn client(&self) -> Client {
        client(&self.url()).await
    }

    /// How many sessions there are in this database. The session that asks is in another database.
    pub async fn sessions(&self) -> i64 {
        let sql = "select count(*) from pg_stat_activity where datname = $1";
        client(&self.server)
            .await
            .query_one(sql, &[&self.name])
            .await
            .expect("sessions can be counted")
            .get(0)
    }
}

/// Identifies this build of the test program, because other builds may have other migrations.
fn build() -> u128 {
    let program = std::env::current_exe().and_then(std::fs::metadata).and_then(|data| data.modified());
    let since = program.expect("the test program is a file").duration_since(UNIX_EPOCH);
    since.expect("it is not older than the calendar").as_nanos()
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread with a runtime of its own: drop may run anywhere, and the test's runtime may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&server, NoTls).await.ok()?;
                tokio::spawn(connection);
                client.batch_execute(&format!("drop database if exists {name} with (force)")).await.ok()
            })
        });
        // A leftover database does no harm, and the server may be down on purpose. The wait is short because a server
        // process that is stuck on a stalled proxy of another test holds up every drop on its server for a minute. A
        // drop that was sent continues by itself.
        let patience = Instant::now() + PATIENCE;
        while !dropped.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
