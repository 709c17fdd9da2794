//! Sends statements: in one round trip, each by itself or all in one transaction, and again where that is harmless.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use omniq_core::{Error, Result};
use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;

use super::lent::Lent;
use super::patience::Patience;
use super::pool::Object;
use super::sessions::{BEGIN, BEGIN_READ, query_fresh};
use super::{Db, unshown};
use crate::error::{from_driver, is_away};
use crate::sql::{Columns, Named, Statement};

/// How a search is planned: with the actual values, and also by indexes that only a bitmap scan can use.
pub(crate) const SEARCHING: &str =
    "set local plan_cache_mode = force_custom_plan; set local enable_bitmapscan = on";

/// The SQLSTATE of a lock that was not obtained in time.
const LOCKED: &str = "55P03";
const GIVING_WAY: &str = "set local lock_timeout = '250ms'";

/// Maintenance does not wait long for locks of others.
const BOUNDED: &str = "set local lock_timeout = '1s'";

/// The start of a transaction.
#[derive(Clone, Copy)]
struct Start<'a> {
    begin: &'a str,
    /// Set behind the pins of the session, which would otherwise win.
    settings: &'a str,
}

/// A statement with its parameters.
pub(crate) type Call<'a> = (&'a Statement, &'a [Named<'a>]);

/// The statements of one round trip.
#[derive(Clone, Copy)]
struct Trip<'a> {
    calls: &'a [Call<'a>],
    /// Begins the transaction that holds all of them. `None`: each is a transaction of its own where sessions allow it.
    start: Option<Start<'a>>,
    /// Whether the statements are prepared, so that their plans are kept.
    kept: bool,
}

impl Trip<'_> {
    fn reads(&self) -> bool {
        self.calls.iter().all(|(statement, _)| statement.reads)
    }
}

impl Db {
    pub(crate) async fn query(&self, statement: &Statement, params: &[Named<'_>]) -> Result<Vec<Row>> {
        self.query_with(&mut self.patience(), statement, params).await
    }

    /// Sends a statement, and again while the server is away if that is harmless; see [`Patience`].
    pub(crate) async fn query_with(
        &self,
        patience: &mut Patience,
        statement: &Statement,
        params: &[Named<'_>],
    ) -> Result<Vec<Row>> {
        self.send(patience, Trip { calls: &[(statement, params)], start: None, kept: true }).await
    }

    /// For statements that answer with exactly one row.
    pub(crate) async fn one(&self, statement: &Statement, params: &[Named<'_>]) -> Result<Row> {
        let mut rows = self.query(statement, params).await?;
        rows.pop().ok_or_else(no_row)
    }

    /// For statements with optional filters: planned with the actual values, which decide on the best index.
    pub(crate) async fn search(&self, statement: &Statement, params: &[Named<'_>]) -> Result<Vec<Row>> {
        let begin = if statement.reads { BEGIN_READ } else { BEGIN };
        self.once(Start { begin, settings: SEARCHING }, &[(statement, params)]).await
    }

    /// For searches that answer with a single count.
    pub(crate) async fn search_count(&self, statement: &Statement, params: &[Named<'_>]) -> Result<u64> {
        let rows = self.search(statement, params).await?;
        rows.first().map_or(Ok(0), |row| Columns::new(row).take::<i64>().map(i64::cast_unsigned))
    }

    /// For maintenance and events: waits for a lock for a second at most (SQLSTATE 55P03). Nothing is prepared, because preparing a
    /// statement waits for locks, too, without that limit.
    pub(crate) async fn bounded(&self, statement: &Statement, params: &[Named<'_>]) -> Result<Vec<Row>> {
        self.once(Start { begin: BEGIN, settings: BOUNDED }, &[(statement, params)]).await
    }

    /// As [`bounded`](Self::bounded), planned as [`search`](Self::search) does.
    pub(crate) async fn bounded_search(
        &self,
        statement: &Statement,
        params: &[Named<'_>],
    ) -> Result<Vec<Row>> {
        let settings = format!("{BOUNDED}; {SEARCHING}");
        self.once(Start { begin: BEGIN, settings: &settings }, &[(statement, params)]).await
    }

    /// As [`bounded`](Self::bounded), for several statements, all or nothing.
    pub(crate) async fn bounded_all(&self, calls: &[Call<'_>]) -> Result<Vec<Row>> {
        self.once(Start { begin: BEGIN, settings: BOUNDED }, calls).await
    }

    /// All or nothing, and nothing is prepared. Returns the rows of the last statement.
    pub(crate) async fn in_transaction(&self, calls: &[Call<'_>]) -> Result<Vec<Row>> {
        self.once(Start { begin: BEGIN, settings: "" }, calls).await
    }

    /// In one transaction, and nothing is prepared.
    async fn once(&self, start: Start<'_>, calls: &[Call<'_>]) -> Result<Vec<Row>> {
        self.send(&mut self.patience(), Trip { calls, start: Some(start), kept: false }).await
    }

    /// All or nothing. Returns the rows of each statement.
    pub(crate) async fn all_answers(
        &self,
        patience: &mut Patience,
        calls: &[Call<'_>],
    ) -> Result<Vec<Vec<Row>>> {
        let start = Start { begin: BEGIN, settings: "" };
        self.send_all(patience, Trip { calls, start: Some(start), kept: true }).await
    }

    /// As [`all_answers`](Self::all_answers), but while it has to wait for a lock it gives those back that it has, and its connection, and begins
    /// again. For statements that may meet an open transaction of a user: tasks that they have locked can start meanwhile.
    pub(crate) async fn giving_way(
        &self,
        patience: &mut Patience,
        calls: &[Call<'_>],
    ) -> Result<Vec<Vec<Row>>> {
        let start = Start { begin: BEGIN, settings: GIVING_WAY };
        self.unless_locked(patience, Trip { calls, start: Some(start), kept: true }).await
    }

    /// The same for one statement that is planned as [`search`](Self::search) does.
    pub(crate) async fn search_giving_way(
        &self,
        statement: &Statement,
        params: &[Named<'_>],
    ) -> Result<Vec<Row>> {
        let settings = format!("{GIVING_WAY}; {SEARCHING}");
        let start = Start { begin: BEGIN, settings: &settings };
        let trip = Trip { calls: &[(statement, params)], start: Some(start), kept: false };
        Ok(self.unless_locked(&mut self.patience(), trip).await?.pop().unwrap_or_default())
    }

    async fn unless_locked(&self, patience: &mut Patience, trip: Trip<'_>) -> Result<Vec<Vec<Row>>> {
        loop {
            match self.send_all(patience, trip).await {
                Err(error) if error.sqlstate() == Some(LOCKED) => {
                    tokio::time::sleep(Duration::from_millis(rand::random_range(5..50))).await;
                }
                answer => return answer,
            }
        }
    }

    /// Two statements in this order, each by itself where sessions allow it. They are sent once, and each has its own answer.
    pub(crate) async fn query_both(&self, client: Object, calls: [Call<'_>; 2]) -> [Result<Vec<Row>>; 2] {
        let lent = Lent::new(client, self.returns.by(calls.iter().map(|(statement, _)| *statement)));
        let answers = self.answers(&lent, Trip { calls: &calls, start: None, kept: true }).await;
        let answers = answers.unwrap_or_else(|error| vec![Err(error.clone()), Err(error)]);
        lent.back(answers.iter().any(|answer| answer.as_ref().is_err_and(is_away)));
        let mut answers = answers.into_iter();
        [(); 2].map(|()| answers.next().unwrap_or_else(|| Err(no_row())))
    }

    async fn send(&self, patience: &mut Patience, trip: Trip<'_>) -> Result<Vec<Row>> {
        Ok(self.send_all(patience, trip).await?.pop().unwrap_or_default())
    }

    async fn send_all(&self, patience: &mut Patience, trip: Trip<'_>) -> Result<Vec<Vec<Row>>> {
        loop {
            let client = self.client_for(patience).await?;
            let lent = Lent::new(client, self.returns.by(trip.calls.iter().map(|(statement, _)| *statement)));
            let answers = self.answers(&lent, trip).await;
            let answer = answers.and_then(|answers| answers.into_iter().collect::<Result<Vec<_>>>());
            lent.back(answer.as_ref().is_err_and(is_away));
            if !patience.again(&answer, trip.reads()).await {
                return answer;
            }
        }
    }

    async fn answers(&self, client: &Object, trip: Trip<'_>) -> Result<Vec<Result<Vec<Row>>>> {
        // Prepared before the first one is sent: the order of sending is the order of execution.
        let mut prepared = Vec::with_capacity(trip.calls.len());
        for (statement, _) in trip.calls {
            prepared.push(if trip.kept { self.prepared(client, statement).await? } else { None });
        }
        let by_itself = trip.start.is_none() && self.sessions.keeps();
        let all = in_order(
            !by_itself,
            trip.calls.iter().zip(&prepared).map(|((statement, params), prepared)| async move {
                match prepared {
                    Some(prepared) => {
                        unshown::query(client, prepared, statement, params).await.map_err(from_driver)
                    }
                    None => query_fresh(client, statement, params).await,
                }
            }),
        );
        let start = match trip.start {
            None if by_itself => return Ok(all.await),
            None if trip.reads() => Start { begin: BEGIN_READ, settings: "" },
            None => Start { begin: BEGIN, settings: "" },
            Some(start) => start,
        };
        let all = async { all.await.into_iter().map(|answer| answer.map(Ok)).collect() };
        self.sessions.all_or_nothing(client, start.begin, start.settings, all).await
    }

    /// Executes `statement` repeatedly in one transaction until `left` returns false, and sums the counts that it returns. Each round sees
    /// what other transactions have made of the rows that the round before waited for.
    pub(crate) async fn until_none_left(
        &self,
        statement: &Statement,
        left: &Statement,
        params: &[Named<'_>],
    ) -> Result<u64> {
        let mut patience = self.patience();
        loop {
            let client = self.client_for(&mut patience).await?;
            let lent = Lent::to_transaction(client, self.returns.by(std::iter::once(statement)));
            let answer = self.until_none_left_on(&lent, statement, left, params).await;
            match &answer {
                Ok(_) => lent.back(false),
                Err(error) if is_away(error) => lent.back(true),
                // The drop rolls back.
                Err(_) => drop(lent),
            }
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
        params: &[Named<'_>],
    ) -> Result<u64> {
        let (begun, ready, set) = tokio::join!(
            biased;
            client.batch_execute(BEGIN),
            self.sessions.make_ready_within(client),
            client.batch_execute(SEARCHING)
        );
        begun.map_err(from_driver)?;
        ready?;
        set.map_err(from_driver)?;
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
}

/// Polls all futures in their order, each of which sends its statement when it is first polled: so they are sent in this order, and before
/// anything that the caller sends later. `until_error`: the first failure ends it, and nothing after it is sent.
async fn in_order<T>(
    until_error: bool,
    all: impl Iterator<Item = impl Future<Output = Result<T>>>,
) -> Vec<Result<T>> {
    let mut open: Vec<(Pin<Box<_>>, Option<Result<T>>)> = all.map(|one| (Box::pin(one), None)).collect();
    poll_fn(|context| {
        for (one, answer) in &mut open {
            if answer.is_none()
                && let Poll::Ready(ready) = one.as_mut().poll(context)
                && answer.insert(ready).is_err()
                && until_error
            {
                return Poll::Ready(());
            }
        }
        if open.iter().all(|(_, answer)| answer.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    open.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// The only value of the only row.
fn only<T: FromSqlOwned>(rows: &[Row]) -> Result<T> {
    Columns::new(rows.first().ok_or_else(no_row)?).take()
}

fn no_row() -> Error {
    Error::internal("the database gave no row where one was due")
}

#[cfg(test)]
mod tests {
    use omniq_testkit::TestDb;

    use super::*;
    use crate::AsyncPostgresEventStorage;
    use crate::settings::Settings;

    /// Found by a hostile reader: a statement that was too large to be sent was left out, and the other statements of its transaction were
    /// committed.
    #[tokio::test]
    async fn what_cannot_be_sent_undoes_what_was_sent_with_it() {
        let test = TestDb::new().await;
        let settings = Settings::builder().url(test.url()).build().unwrap();
        AsyncPostgresEventStorage::with_settings(&settings).await.unwrap();
        let db = Db::open(&settings).await.unwrap();
        let (ahead, step) = (1e7, 86_400.0);
        let good: Call<'_> = (&db.sql.make_events_partition, &[("ahead", &ahead), ("step", &step)]);
        // The driver refuses a value of another type before it sends anything.
        let unsent: Call<'_> = (&db.sql.make_events_partition, &[("ahead", &"soon"), ("step", &step)]);
        let witness = test.client().await;
        let count = async || {
            let sql =
                "select count(*) from omniq.events_partitions where starts > now() + interval '100 days'";
            witness.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
        };
        for calls in [[good, unsent], [unsent, good]] {
            db.all_answers(&mut db.patience(), &calls).await.unwrap_err();
            db.in_transaction(&calls).await.unwrap_err();
            assert_eq!(count().await, 0);
        }
        db.all_answers(&mut db.patience(), &[good]).await.unwrap();
        assert_eq!(count().await, 1);
        db.close().await;
    }
}
