//! Several statements in one transaction and one round trip: all of them, or none.

use deadpool_postgres::Object;
use futures_util::future::join_all;
use omniq_core::Result;
use tokio_postgres::Row;

use crate::db::{Db, Param, SEARCHING, give_back};
use crate::error::from_driver;
use crate::sql::Statement;

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
        self.in_transaction("begin", &[first, second]).await
    }

    /// All or nothing, sent together; after an error the end of the transaction undoes it. The answer is the last one's.
    pub(crate) async fn in_transaction(
        &self,
        begin: &str,
        calls: &[(&Statement, &[Param<'_>])],
    ) -> Result<Vec<Row>> {
        let client = self.client().await?;
        let all =
            join_all(calls.iter().map(|(statement, params)| self.query_fresh(&client, statement, params)));
        let (begun, answers, ended) =
            tokio::join!(client.batch_execute(begin), all, client.batch_execute("commit"));
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

    /// Runs all or none of these, sent together, in one round trip.
    pub(crate) async fn all_or_none(&self, calls: Vec<(&Statement, Vec<Param<'_>>)>) -> Result<()> {
        let client = self.client().await?;
        let mut prepared = Vec::with_capacity(calls.len());
        for (statement, _) in &calls {
            prepared.push(self.prepared(&client, statement).await?);
        }
        // Given up on the way, it may be in the midst of its transaction: nobody else must get it.
        let open = Parted(Some(client));
        let answer = all_or_none_on(open.client(), &calls, prepared).await;
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
            Some(prepared) => client.query(&prepared, params).await,
            None => {
                let typed: Vec<_> = params.iter().copied().zip(statement.types.iter().cloned()).collect();
                client.query_typed(&statement.text, &typed).await
            }
        }
    }));
    let (begun, answers, ended) =
        tokio::join!(client.batch_execute("begin"), all, client.batch_execute("commit"));
    begun.map_err(from_driver)?;
    for answer in answers {
        answer.map_err(from_driver)?;
    }
    ended.map_err(from_driver)
}
