//! Several statements in one transaction and one round trip: all of them, or none.

use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::future::join_all;
use omniq_core::{Error, Result};
use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;

use crate::db::{Db, Param, SEARCHING, give_back};
use crate::error::from_driver;
use crate::rows::Columns;
use crate::sql::Statement;
use crate::unshown;

/// How a transaction of ours begins, whatever is the default of role, database or session: what its statements promise holds at this
/// level alone.
const BEGIN: &str = "begin isolation level read committed read write";

/// After how many tries an answer is given up: each failure means that another transaction got on, so this is out of reach.
const TRIES: u32 = 1_000;

/// Whether all was undone for the sake of another transaction, which has got on by that: a deadlock, a failure of serialization, or a
/// task that moved to another row (see `held.sql`). To do the same again is harmless.
fn is_undone(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("40P01" | "40001" | "OQ005"))
}

/// Does something that is all or nothing again for as long as it is undone for the sake of others.
pub(crate) async fn until_done<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    for round in 1.. {
        match call().await {
            Err(error) if is_undone(&error) && round < TRIES => {
                tracing::debug!(%error, round, "undone for another transaction: it is done again");
                // Those that undid each other should not meet again.
                tokio::time::sleep(Duration::from_micros(rand::random_range(
                    0..u64::from(round.min(20)) * 500,
                )))
                .await;
            }
            answer => return answer,
        }
    }
    unreachable!("the last try returns")
}

/// Upkeep waits for nothing that others hold for long.
const BOUNDED: &str = "set local lock_timeout = '1s'";

impl Db {
    /// For upkeep: whatever others hold is waited for a second at most (SQLSTATE 55P03).
    pub(crate) async fn bounded(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>> {
        self.in_transaction(&format!("begin; {BOUNDED}"), &[(statement, params)]).await
    }

    /// The same, planned as [`search`](Self::search) does.
    pub(crate) async fn bounded_search(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>> {
        self.in_transaction(&format!("begin; {BOUNDED}; {SEARCHING}"), &[(statement, params)]).await
    }

    /// Two statements in one transaction and one round trip; the answer is the second's.
    pub(crate) async fn query_behind(
        &self,
        first: (&Statement, &[Param<'_>]),
        second: (&Statement, &[Param<'_>]),
    ) -> Result<Vec<Row>> {
        self.in_transaction("", &[first, second]).await
    }

    /// All or nothing, sent together; after an error the end of the transaction undoes it. The answer is the last one's.
    /// `settings`: what holds for this transaction, as SQL.
    pub(crate) async fn in_transaction(
        &self,
        settings: &str,
        calls: &[(&Statement, &[Param<'_>])],
    ) -> Result<Vec<Row>> {
        until_done(|| self.in_transaction_once(settings, calls)).await
    }

    async fn in_transaction_once(
        &self,
        settings: &str,
        calls: &[(&Statement, &[Param<'_>])],
    ) -> Result<Vec<Row>> {
        let client = self.client().await?;
        let begin = format!("{BEGIN}; {settings}");
        let all =
            join_all(calls.iter().map(|(statement, params)| self.query_fresh(&client, statement, params)));
        let (begun, answers, ended) =
            tokio::join!(client.batch_execute(&begin), all, client.batch_execute("commit"));
        let answer = begun.map_err(from_driver).and_then(|()| {
            let mut last = Vec::new();
            for answer in answers {
                last = answer?;
            }
            ended.map_err(from_driver)?;
            Ok(last)
        });
        give_back(client, answer)
    }

    /// Counts what `statement` does, in one transaction: again and again, until `left` says that nothing is left. Each round sees what
    /// others have made of the rows that the round before waited for.
    pub(crate) async fn until_none_left(
        &self,
        statement: &Statement,
        left: &Statement,
        params: &[Param<'_>],
    ) -> Result<u64> {
        until_done(async || {
            // Given up on the way, it is in the midst of its transaction: no other call may get it.
            let open = Parted(Some(self.client().await?));
            let answer = self.until_none_left_on(open.client(), statement, left, params).await;
            match &answer {
                Ok(_) => give_back(open.back(), answer),
                Err(_) => answer,
            }
        })
        .await
    }

    async fn until_none_left_on(
        &self,
        client: &Object,
        statement: &Statement,
        left: &Statement,
        params: &[Param<'_>],
    ) -> Result<u64> {
        client.batch_execute(&format!("{BEGIN}; {SEARCHING}")).await.map_err(from_driver)?;
        let mut sum = 0;
        loop {
            let (done, more) = tokio::join!(
                self.query_fresh(client, statement, params),
                self.query_fresh(client, left, params)
            );
            sum += only::<i64>(&done?)?.cast_unsigned();
            if !only::<bool>(&more?)? {
                client.batch_execute("commit").await.map_err(from_driver)?;
                return Ok(sum);
            }
        }
    }

    /// Runs all or none of these, sent together, in one round trip.
    pub(crate) async fn all_or_none(&self, calls: Vec<(&Statement, Vec<Param<'_>>)>) -> Result<()> {
        until_done(|| self.all_or_none_once(&calls)).await
    }

    async fn all_or_none_once(&self, calls: &[(&Statement, Vec<Param<'_>>)]) -> Result<()> {
        let client = self.client().await?;
        let mut prepared = Vec::with_capacity(calls.len());
        for (statement, _) in calls {
            prepared.push(self.prepared(&client, statement).await?);
        }
        // Given up on the way, it may be in the midst of its transaction: nobody else must get it.
        let open = Parted(Some(client));
        let answer = all_or_none_on(open.client(), calls, prepared).await;
        give_back(open.back(), answer)
    }
}

/// A connection that goes to nobody else unless it is given back.
struct Parted(Option<Object>);

impl Parted {
    fn client(&self) -> &Object {
        self.0.as_ref().expect("there until it is given back")
    }

    fn back(mut self) -> Object {
        self.0.take().expect("there until it is given back")
    }
}

impl Drop for Parted {
    fn drop(&mut self) {
        self.0.take().map(Object::take);
    }
}

async fn all_or_none_on(
    client: &Object,
    calls: &[(&Statement, Vec<Param<'_>>)],
    prepared: Vec<Option<tokio_postgres::Statement>>,
) -> Result<()> {
    let all = join_all(calls.iter().zip(prepared).map(|((statement, params), prepared)| async move {
        match prepared {
            Some(prepared) => unshown::query(client, &prepared, params).await,
            None => unshown::query_typed(client, statement, params).await,
        }
    }));
    let (begun, answers, ended) =
        tokio::join!(client.batch_execute(BEGIN), all, client.batch_execute("commit"));
    begun.map_err(from_driver)?;
    for answer in answers {
        answer.map_err(from_driver)?;
    }
    ended.map_err(from_driver)
}

/// The one value of the one row.
fn only<T: FromSqlOwned>(rows: &[Row]) -> Result<T> {
    let row = rows.first().ok_or_else(|| Error::internal("the database gave no row where one was due"))?;
    Columns::new(row).take()
}
