//! Several statements in one transaction and one round trip: all of them, or none.

use std::pin::Pin;

use futures_util::future::poll_fn;
use omniq_core::{Error, Result};
use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;

use crate::connection::Object;
use crate::db::{Db, Param, SEARCHING, give_back};
use crate::error::from_driver;
use crate::patience::Patience;
use crate::rows::Columns;
use crate::sessions::{BEGIN, Sessions, query_fresh};
use crate::sql::Statement;
use crate::unshown;

/// Upkeep waits for nothing that others hold for long.
const BOUNDED: &str = "set local lock_timeout = '1s'";

impl Db {
    /// For upkeep: whatever others hold is waited for a second at most (SQLSTATE 55P03).
    pub(crate) async fn bounded(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>> {
        self.in_transaction(&format!("{BEGIN}; {BOUNDED}"), &[(statement, params)]).await
    }

    /// The same, planned as [`search`](Self::search) does.
    pub(crate) async fn bounded_search(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>> {
        self.in_transaction(&format!("{BEGIN}; {BOUNDED}; {SEARCHING}"), &[(statement, params)]).await
    }

    /// Two statements in one transaction and one round trip; the answer is the second's.
    pub(crate) async fn query_behind(
        &self,
        first: (&Statement, &[Param<'_>]),
        second: (&Statement, &[Param<'_>]),
    ) -> Result<Vec<Row>> {
        self.repeated(BEGIN, &[first, second], true).await
    }

    /// All or nothing, sent together, none of them kept; after an error the end of the transaction undoes it. The answer is the last one's.
    pub(crate) async fn in_transaction(
        &self,
        begin: &str,
        calls: &[(&Statement, &[Param<'_>])],
    ) -> Result<Vec<Row>> {
        self.repeated(begin, calls, false).await
    }

    async fn repeated(
        &self,
        begin: &str,
        calls: &[(&Statement, &[Param<'_>])],
        keep: bool,
    ) -> Result<Vec<Row>> {
        let reads = calls.iter().all(|(statement, _)| statement.reads);
        let mut patience = self.patience();
        loop {
            let client = patience.client(self).await?;
            let answer = self.once(&client, begin, calls, keep).await;
            let answer = give_back(client, answer);
            if !patience.again(&answer, reads).await {
                return answer;
            }
        }
    }

    async fn once(
        &self,
        client: &Object,
        begin: &str,
        calls: &[(&Statement, &[Param<'_>])],
        keep: bool,
    ) -> Result<Vec<Row>> {
        let mut prepared = Vec::with_capacity(calls.len());
        for (statement, _) in calls {
            prepared.push(if keep { self.prepared(client, statement).await? } else { None });
        }
        let all = async {
            let all = calls.iter().zip(&prepared).map(|((statement, params), prepared)| async move {
                match prepared {
                    Some(prepared) => unshown::query(client, prepared, params).await.map_err(from_driver),
                    None => query_fresh(client, statement, params).await,
                }
            });
            let mut last = Vec::new();
            for answer in in_order(all).await {
                last = answer?;
            }
            Ok(last)
        };
        self.sessions.all_or_nothing(client, begin, all).await
    }

    /// Counts what `statement` does, in one transaction: again and again, until `left` says that nothing is left. Each round sees what
    /// others have made of the rows that the round before waited for.
    pub(crate) async fn until_none_left(
        &self,
        statement: &Statement,
        left: &Statement,
        params: &[Param<'_>],
    ) -> Result<u64> {
        let mut patience = self.patience();
        loop {
            // Given up on the way, it is in the midst of its transaction: no other call may get it.
            let open = Parted(Some(patience.client(self).await?));
            let answer = self.until_none_left_on(open.client(), statement, left, params).await;
            if answer.is_ok() {
                return give_back(open.back(), answer);
            }
            drop(open);
            if !patience.again(&answer, false).await {
                return answer;
            }
        }
    }

    async fn until_none_left_on(
        &self,
        client: &Object,
        statement: &Statement,
        left: &Statement,
        params: &[Param<'_>],
    ) -> Result<u64> {
        client.batch_execute(&format!("{BEGIN}; {SEARCHING}")).await.map_err(from_driver)?;
        self.sessions.make_ready_within(client).await?;
        let mut sum = 0;
        loop {
            let (done, more) = tokio::join!(
                biased;
                query_fresh(client, statement, params),
                query_fresh(client, left, params)
            );
            sum += only::<i64>(&done?)?.cast_unsigned();
            if !only::<bool>(&more?)? {
                client.batch_execute("commit").await.map_err(from_driver)?;
                return Ok(sum);
            }
        }
    }

    /// Runs all or none of these, sent together, in one round trip.
    pub(crate) async fn all_or_none(
        &self,
        patience: &mut Patience,
        calls: &[(&Statement, Vec<Param<'_>>)],
    ) -> Result<()> {
        loop {
            let client = patience.client(self).await?;
            let answer = self.all_or_none_once(client, calls).await;
            if !patience.again(&answer, false).await {
                return answer;
            }
        }
    }

    async fn all_or_none_once(&self, client: Object, calls: &[(&Statement, Vec<Param<'_>>)]) -> Result<()> {
        let mut prepared = Vec::with_capacity(calls.len());
        for (statement, _) in calls {
            match self.prepared(&client, statement).await {
                Ok(statement) => prepared.push(statement),
                Err(error) => return give_back(client, Err(error)),
            }
        }
        // Given up on the way, it may be in the midst of its transaction: no other call may get it.
        let open = Parted(Some(client));
        let answer = all_or_none_on(&self.sessions, open.client(), calls, prepared).await;
        give_back(open.back(), answer)
    }
}

/// A connection that goes to no other call unless it is given back.
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
    sessions: &Sessions,
    client: &Object,
    calls: &[(&Statement, Vec<Param<'_>>)],
    prepared: Vec<Option<tokio_postgres::Statement>>,
) -> Result<()> {
    let all = async {
        let all = in_order(calls.iter().zip(prepared).map(|((statement, params), prepared)| async move {
            match prepared {
                Some(prepared) => unshown::query(client, &prepared, params).await.map_err(from_driver),
                None => query_fresh(client, statement, params).await,
            }
        }));
        all.await.into_iter().try_for_each(|answer| answer.map(drop))
    };
    sessions.all_or_nothing(client, BEGIN, all).await
}

/// Does all of these, each of which is sent when it is first polled: in their order, and before anything that comes behind.
async fn in_order<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut open: Vec<(Pin<Box<_>>, Option<T>)> = all.map(|one| (Box::pin(one), None)).collect();
    poll_fn(|context| {
        for (one, answer) in &mut open {
            if answer.is_none()
                && let std::task::Poll::Ready(ready) = one.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        if open.iter().all(|(_, answer)| answer.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    open.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// The one value of the one row.
fn only<T: FromSqlOwned>(rows: &[Row]) -> Result<T> {
    let row = rows.first().ok_or_else(|| Error::internal("the database gave no row where one was due"))?;
    Columns::new(row).take()
}
