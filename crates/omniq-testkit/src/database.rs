//! A database per test, so that tests run side by side.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::server_url;

/// How long the end of a test waits for its database to be dropped.
const PATIENCE: Duration = Duration::from_secs(2);

/// A fresh, empty database that goes with this value.
#[derive(Debug)]
pub struct TestDb {
    server: String,
    name: String,
}

impl TestDb {
    /// A fresh database on the shared server.
    pub async fn new() -> Self {
        Self::on(&server_url()).await
    }

    /// A fresh database on the server with this URL.
    pub async fn on(server: &str) -> Self {
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        let client = client(server).await;
        client
            .batch_execute(&format!("create database {name} template template0 strategy wal_log"))
            .await
            .expect("a database can be made");
        Self { server: server.to_owned(), name }
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

    /// A plain connection of the driver: an independent witness.
    pub async fn client(&self) -> Client {
        client(&self.url()).await
    }

    /// How many sessions there are in this database, the asking one left out.
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
        // A leftover database does no harm, and the server may be down on purpose. Nor is the end worth waiting for: a server process that is
        // stuck behind a stalled proxy of another test holds up every drop on its server, for a minute; a drop that was sent goes on by itself.
        let patience = Instant::now() + PATIENCE;
        while !dropped.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
