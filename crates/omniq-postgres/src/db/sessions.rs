//! Sessions: how to make one in which the statements keep their meaning, and whether a pooler in between keeps sessions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::db::count::Count;
use crate::db::hosts::{Hosts, Open};
use crate::db::pins::Pins;
use crate::db::unshown;
use crate::error::from_driver;
use crate::sql::Columns;
use crate::sql::Param;
use crate::sql::{Named, Statement};

const SET: &str = include_str!("../../sql/session/set.sql");

/// The beginning of a transaction, independent of the session's defaults.
pub(crate) const BEGIN: &str = "begin isolation level read committed read write";
/// As [`BEGIN`], also for a server that takes no writes.
pub(crate) const BEGIN_READ: &str = "begin isolation level read committed read only";

/// Where the settings that the statements rely on are pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// At the start of the session, at no cost.
    AtStart,
    /// By the session's first statement: there is a pooler in between that hands out whole sessions.
    AfterStart,
    /// In each transaction: sessions are shared with other clients. Nothing can be kept in them, and they cannot listen.
    InTransactions,
}

/// How long a host may take for a heartbeat's connection: with `connect_timeout` a lease could end before the second host is asked.
pub(crate) const BEAT: Duration = Duration::from_secs(2);

/// Makes sessions.
pub(crate) struct Sessions {
    hosts: Hosts,
    way: Way,
    pins: Pins,
}

impl Sessions {
    /// `options` are the user's own; `version` is the server's major version if it is known; `token` shows later that a session was started
    /// with the options asked for.
    pub(crate) fn new(hosts: &Hosts, way: Way, version: Option<i32>, token: &str) -> Result<Self> {
        let options = hosts.options();
        let (start, pins) = match way {
            Way::AtStart => (Some(Pins::at_start(options, version, token)?), Pins::default()),
            Way::AfterStart => (None, Pins::of_session(options, version)?),
            Way::InTransactions => (None, Pins::of_transaction(options)?),
        };
        Ok(Self { hosts: hosts.asking_for(start.as_deref()), way, pins })
    }

    /// Those of the program's pool, which makes them: each transaction sets what it relies on. `limit`: how long the first
    /// statement of a connection may take.
    pub(crate) fn of_program(limit: Duration) -> Result<Self> {
        let pins = Pins::of_transaction("")?;
        Ok(Self { hosts: Hosts::none(limit), way: Way::InTransactions, pins })
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

    /// The first connection, with a probe of the server. A pooler without a free session lets the first statement wait, so the statement
    /// counts as part of the log-in.
    pub(crate) async fn connect_and_look(&self, count: &Count) -> Result<(ClientWrapper, Server)> {
        let limit = self.hosts.limit();
        let (host, open) = self.hosts.connect(limit).await?;
        let client = count.drive(open);
        match tokio::time::timeout(limit, Server::of_connection(&client)).await {
            Ok(server) => Ok((client, server?)),
            Err(_) => {
                self.hosts.did_not_answer(host);
                Err(no_answer(limit))
            }
        }
    }

    /// Must come before any other statement of a session. A pooler takes more connections than it has sessions for, and lets the first
    /// statement of the others wait until it has a session.
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

    /// Must come at the beginning of each transaction. It may be sent together with the statements that follow.
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

    /// Executes one statement without preparing it.
    pub(crate) async fn query(
        &self,
        client: &Client,
        statement: &Statement,
        params: &[Named<'_>],
    ) -> Result<Vec<Row>> {
        let begin = if statement.reads { BEGIN_READ } else { BEGIN };
        self.in_transaction(client, begin, query_fresh(client, statement, params)).await
    }

    /// Sends statements each by itself, or in a transaction where the settings that they rely on need one.
    pub(crate) async fn in_transaction<T>(
        &self,
        client: &Client,
        begin: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if self.keeps() { work.await } else { self.all_or_nothing(client, begin, "", work).await }
    }

    /// Sends statements within one transaction, all in one round trip. After an error the end of the transaction undoes them.
    /// `settings` are set behind the pins, which would otherwise win; they may be empty.
    pub(crate) async fn all_or_nothing<T>(
        &self,
        client: &Client,
        begin: &str,
        settings: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        // The server does not know of a statement that fails before it is sent, and would commit the others. It has failed by the time the
        // end is first polled.
        let failed = AtomicBool::new(false);
        let work = async {
            let answer = work.await;
            failed.store(answer.is_err(), Ordering::Relaxed);
            answer
        };
        let end = async {
            client.batch_execute(if failed.load(Ordering::Relaxed) { "rollback" } else { "commit" }).await
        };
        // The futures are sent in the order in which they are first polled.
        let (begun, ready, set, answer, ended) = tokio::join!(
            biased;
            client.batch_execute(begin),
            self.make_ready_within(client),
            set_within(client, settings),
            work,
            end
        );
        if let Err(error) = begun {
            let error = from_driver(error);
            // Without the beginning the end undoes nothing. Whatever the error says, the statements may have been executed.
            let unsure = || Error::unavailable(format!("{error}: what was sent behind it was carried out"));
            return Err(if answer.is_ok() { unsure() } else { error });
        }
        ready?;
        set?;
        let answer = answer?;
        ended.map_err(from_driver)?;
        Ok(answer)
    }
}

async fn set_within(client: &Client, settings: &str) -> Result<()> {
    if settings.is_empty() { Ok(()) } else { client.batch_execute(settings).await.map_err(from_driver) }
}

fn no_answer(limit: Duration) -> Error {
    Error::unavailable(format!(
        "a connection was opened, but its first statement got no answer within {limit:?}: the server stands still, or a pooler has no \
         session left, of which it needs as many as its clients' pool_max and two for each worker together"
    ))
}

/// Sends a statement unprepared: one round trip, and nothing stays in the session.
pub(crate) async fn query_fresh(
    client: &Client,
    statement: &Statement,
    params: &[Named<'_>],
) -> Result<Vec<Row>> {
    unshown::query_typed(client, statement, params).await.map_err(from_driver)
}

/// The version of the server, and whether a session was started with the options asked for.
pub(crate) struct Server {
    /// The major version.
    pub(crate) version: i32,
    pub(crate) token: String,
}

/// The oldest version that the tests use.
const OLDEST: i32 = 15;

impl Server {
    /// Refuses a server that may lack features that the statements need, before anything is written.
    pub(crate) async fn of_connection(client: &Client) -> Result<Self> {
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
