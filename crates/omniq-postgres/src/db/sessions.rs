//! Sessions: how one is made in which the statements mean what they say, and whether a pooler stands between that keeps none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::db::connection::Count;
use crate::db::Param;
use crate::error::from_driver;
use crate::db::hosts::{Hosts, Open};
use crate::db::pins::Pins;
use crate::sql::Columns;
use crate::sql::{Named, Statement};
use crate::db::unshown;

const SET: &str = include_str!("../../sql/session/set.sql");

/// What transactions begin with, whatever the session's defaults are.
pub(crate) const BEGIN: &str = "begin isolation level read committed read write";
/// Also on a server that takes no writes.
pub(crate) const BEGIN_READ: &str = "begin isolation level read committed read only";

/// Where what the statements rely on is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// At the start of the session, which costs nothing.
    AtStart,
    /// By the session's first statement: a pooler stands between that hands out whole sessions.
    AfterStart,
    /// In each transaction: sessions are others' as well. Nothing can be kept in them or listened to.
    InTransactions,
}

/// How long a host may take for a heartbeat's connection: with `connect_timeout`, a lease could be over before the second host is asked.
const BEAT: Duration = Duration::from_secs(2);

/// Makes sessions.
pub(crate) struct Sessions {
    hosts: Hosts,
    way: Way,
    pins: Pins,
}

impl Sessions {
    /// `options` are the user's own; `version` is the server's where it is known; `token` is how to find out that a session was
    /// started as asked.
    pub(crate) fn new(hosts: &Hosts, way: Way, version: Option<i32>, token: &str) -> Result<Self> {
        let options = hosts.options();
        let (start, pins) = match way {
            Way::AtStart => (Some(Pins::at_start(options, version, token)?), Pins::default()),
            Way::AfterStart => (None, Pins::of_session(options, version)?),
            Way::InTransactions => (None, Pins::of_transaction(options)?),
        };
        Ok(Self { hosts: hosts.asking_for(start.as_deref()), way, pins })
    }

    /// Whether a session stays the same from one transaction to the next.
    pub(crate) fn keeps(&self) -> bool {
        self.way != Way::InTransactions
    }

    /// A connection, which the caller drives and then [makes ready](Self::make_ready).
    pub(crate) async fn connect(&self) -> Result<Open> {
        let (_, open) = self.hosts.connect(self.hosts.limit()).await?;
        Ok(open)
    }

    /// As [`connect`](Self::connect), for a heartbeat.
    pub(crate) async fn connect_in_haste(&self) -> Result<Open> {
        let (_, open) = self.hosts.connect(self.hosts.limit().min(BEAT)).await?;
        Ok(open)
    }

    /// A first connection, with a look at the server behind it. What a pooler does with a first statement that it has no session for is to
    /// wait: the statement is part of the log-in.
    pub(crate) async fn connect_and_look(&self, count: &Count) -> Result<(ClientWrapper, Server)> {
        let limit = self.hosts.limit();
        let (host, open) = self.hosts.connect(limit).await?;
        let client = count.drive(open);
        match tokio::time::timeout(limit, Server::behind(&client)).await {
            Ok(server) => Ok((client, server?)),
            Err(_) => {
                self.hosts.did_not_answer(host);
                Err(no_answer(limit))
            }
        }
    }

    /// To be done before any other statement of a session. A pooler takes more connections than it has sessions for, and holds the first
    /// statement of the others until it has one.
    pub(crate) async fn make_ready(&self, client: &Client) -> Result<()> {
        let first = async {
            match self.way {
                Way::AtStart => Ok(()),
                Way::AfterStart => self.pin(client, &self.pins, false).await,
                Way::InTransactions => client.batch_execute("").await.map_err(from_driver),
            }
        };
        let limit = self.hosts.limit();
        tokio::time::timeout(limit, first).await.unwrap_or_else(|_| Err(no_answer(limit)))
    }

    /// To be done at the beginning of each transaction; it may be sent with what follows.
    pub(crate) async fn make_ready_within(&self, client: &Client) -> Result<()> {
        match self.way {
            Way::InTransactions => self.pin(client, &self.pins, true).await,
            Way::AtStart | Way::AfterStart => Ok(()),
        }
    }

    pub(crate) async fn pin(&self, client: &Client, pins: &Pins, locally: bool) -> Result<()> {
        let params: [(Param<'_>, Type); 3] =
            [(&pins.names, Type::TEXT_ARRAY), (&pins.values, Type::TEXT_ARRAY), (&locally, Type::BOOL)];
        client.query_typed(SET, &params).await.map(drop).map_err(from_driver)
    }

    /// One statement that is not kept.
    pub(crate) async fn query(
        &self,
        client: &Client,
        statement: &Statement,
        params: &[Named<'_>],
    ) -> Result<Vec<Row>> {
        let begin = if statement.reads { BEGIN_READ } else { BEGIN };
        self.in_transaction(client, begin, query_fresh(client, statement, params)).await
    }

    /// What may be sent each by itself, but in a transaction where that is needed for what the statements rely on.
    pub(crate) async fn in_transaction<T>(
        &self,
        client: &Client,
        begin: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if self.keeps() { work.await } else { self.all_or_nothing(client, begin, work).await }
    }

    /// What is sent within a transaction, all in one round trip; after an error the end of the transaction undoes it.
    pub(crate) async fn all_or_nothing<T>(
        &self,
        client: &Client,
        begin: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        // What fails before it is sent, the server does not know of, and would commit the rest. It has failed when the end is first polled.
        let failed = AtomicBool::new(false);
        let work = async {
            let answer = work.await;
            failed.store(answer.is_err(), Ordering::Relaxed);
            answer
        };
        let end = async {
            client.batch_execute(if failed.load(Ordering::Relaxed) { "rollback" } else { "commit" }).await
        };
        // The order in which they are first polled is the order in which they are sent.
        let (begun, ready, answer, ended) = tokio::join!(
            biased;
            client.batch_execute(begin),
            self.make_ready_within(client),
            work,
            end
        );
        if let Err(error) = begun {
            let error = from_driver(error);
            // Without the beginning, the end undoes nothing: whatever the error says, it is not known to have done nothing.
            let unsure = || Error::unavailable(format!("{error}: what was sent behind it was carried out"));
            return Err(if answer.is_ok() { unsure() } else { error });
        }
        ready?;
        let answer = answer?;
        ended.map_err(from_driver)?;
        Ok(answer)
    }
}

fn no_answer(limit: Duration) -> Error {
    Error::unavailable(format!(
        "a connection was opened, but its first statement got no answer within {limit:?}: the server stands still, or a pooler has no \
         session left, of which it needs as many as its clients' pool_max and two for each worker together"
    ))
}

/// Sent unprepared: one round trip, and nothing stays behind.
pub(crate) async fn query_fresh(
    client: &Client,
    statement: &Statement,
    params: &[Named<'_>],
) -> Result<Vec<Row>> {
    unshown::query_typed(client, statement, params).await.map_err(from_driver)
}

/// Which server answers, and whether a session was started as asked.
pub(crate) struct Server {
    /// The major number.
    pub(crate) version: i32,
    pub(crate) token: String,
}

/// The oldest server that the tests run on.
const OLDEST: i32 = 15;

impl Server {
    /// Refuses a server that may lack what the statements need, before anything is written.
    pub(crate) async fn behind(client: &Client) -> Result<Self> {
        let sql = include_str!("../../sql/session/server.sql");
        let rows = client.query_typed(sql, &[]).await.map_err(from_driver)?;
        let row = rows.first().ok_or_else(|| Error::internal("the server does not tell its version"))?;
        let mut columns = Columns::new(row);
        let (version, token) = (columns.take::<i32>()? / 10_000, columns.take()?);
        if version < OLDEST {
            return Err(Error::config(format!(
                "the server is PostgreSQL {version}: OmniQ needs {OLDEST} or newer"
            )));
        }
        Ok(Self { version, token })
    }
}
