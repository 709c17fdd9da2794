//! Enqueue: through the pool, or inside a transaction of the user's own, on one path.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use omniq_core::{Completion, Error, NewTask, Place, Result, TaskId, TaskQueue};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::unsure::{Found, Unsure};
use super::{AsyncPostgresQueue, fold, place};
use crate::db::{Db, Param};
use crate::enqueue_batch::{EnqueueBatch, Piece, Rows};
use crate::patience::{Patience, is_unsure};
use crate::rows::Columns;
use crate::sql::Statement;

/// How many bytes of arguments one call inside a transaction of the user's own takes: what else is sent leaves a message below 1 GiB.
const MOST_INSIDE: usize = 900_000_000;

/// An enqueue that is ready to be sent; made by the queue, carried out by an [`EnqueueTarget`].
#[derive(Debug)]
pub struct EnqueueCall<'a> {
    statement: &'a Statement,
    rows: &'a Rows,
    place: &'a Place,
}

/// A connection or open transaction of the user's own, in which a task can be enqueued or completed. It must lead to the queue's own
/// database: one that leads elsewhere is refused (`is_invalid`), and nothing is written.
///
/// Implemented for `tokio_postgres::{Client, Transaction}`, deadpool's wrappers of both, and with the feature `sqlx` for
/// `sqlx::PgConnection` (pass `&mut *transaction`).
#[async_trait]
pub trait EnqueueTarget: Send {
    /// Carries the enqueue out on this connection, unless it leads to another database: its name is the answer then.
    #[doc(hidden)]
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>>;

    /// Carries the completion of a task out on this connection, with the same answer.
    #[doc(hidden)]
    async fn complete(&mut self, completion: &Completion) -> Result<Option<String>>;
}

pub(super) async fn many(
    queue: &AsyncPostgresQueue,
    tasks: Vec<NewTask>,
    logged: bool,
) -> Result<Vec<TaskId>> {
    let batch = EnqueueBatch::new(&tasks, &queue.inner.limits)?;
    queue.db().check_open()?;
    let events = logged.then(|| Enqueued::of(&tasks, &batch));
    send(queue.db(), &batch, events).await?;
    Ok(batch.ids)
}

pub(super) async fn one(queue: &AsyncPostgresQueue, task: NewTask, logged: bool) -> Result<TaskId> {
    task.check(&queue.inner.limits)?;
    queue.db().check_open()?;
    let [plain, logging] = &queue.inner.together;
    let together = &(if logged { logging } else { plain })[usize::from(task.id.is_some())];
    together.enqueue(queue.db(), task).await
}

/// The `enqueued` events of a batch.
pub(super) struct Enqueued {
    ids: Vec<Uuid>,
    queues: Vec<String>,
    funcs: Vec<String>,
}

impl Enqueued {
    pub(super) fn of(tasks: &[NewTask], batch: &EnqueueBatch) -> Self {
        Self {
            ids: batch.ids.iter().map(TaskId::as_uuid).collect(),
            queues: tasks.iter().map(|task| task.queue.clone()).collect(),
            funcs: tasks.iter().map(|task| task.func.clone()).collect(),
        }
    }
}

/// Adds tasks, and where they are given their events, in one transaction.
///
/// While the server is away it is tried again. What may have been carried out is looked for by its ids before it is sent again,
/// so that it is in once.
pub(super) async fn send(db: &Arc<Db>, batch: &EnqueueBatch, events: Option<Enqueued>) -> Result<()> {
    let pieces: Vec<_> = batch.pieces.iter().map(|piece| (piece, payloads(piece))).collect();
    let (mut patience, began, mut again) = (db.patience(), Instant::now(), false);
    while let Err(error) = send_once(db, &mut patience, &pieces, events.as_ref()).await {
        let duplicate = again && error.is_duplicate();
        if !duplicate && !is_unsure(&error) {
            // The first try may still be carried out.
            return Err(if again { unknown(error) } else { error });
        }
        let unsure = Unsure::new(batch, began);
        if duplicate && unsure.is_all_made() {
            break;
        }
        // Before the look: what is still under way may get done in that time, and what was looked for is sent at once.
        let in_time = patience.pause().await;
        match unsure.look(db, &mut patience).await {
            Ok(Found::Done) => break,
            _ if duplicate => return Err(error),
            Ok(Found::Nothing) if in_time => again = true,
            Ok(Found::Duplicate(id)) => return Err(Error::id_in_use(id)),
            Ok(Found::Nothing) => return Err(error),
            Ok(Found::Unknown) | Err(_) => {
                return Err(unknown(error));
            }
        }
    }
    pieces.iter().for_each(|_| fold::changed(db));
    Ok(())
}

/// Of this kind, whatever kept from knowing it: others, such as that of a full pool, say that nothing was done.
fn unknown(error: Error) -> Error {
    Error::unavailable(format!("whether the task was added is not known: {error}")).with_source(error)
}

async fn send_once(
    db: &Db,
    patience: &mut Patience,
    pieces: &[(&Piece, Vec<&[u8]>)],
    events: Option<&Enqueued>,
) -> Result<()> {
    match (pieces, events) {
        ([], _) => Ok(()),
        ([only], None) => {
            let (statement, params) = call(db, only);
            db.query_with(patience, statement, &params).await.map(drop)
        }
        (many, events) => {
            let mut calls: Vec<_> = many.iter().map(|piece| call(db, piece)).collect();
            if let Some(Enqueued { ids, queues, funcs }) = events {
                calls.push((&db.sql.log_enqueued, vec![ids, queues, funcs]));
            }
            let calls: Vec<_> =
                calls.iter().map(|(statement, params)| (*statement, params.as_slice())).collect();
            db.all_or_none(patience, &calls).await.map(drop)
        }
    }
}

fn call<'a>(db: &'a Db, (piece, payloads): &'a (&'a Piece, Vec<&'a [u8]>)) -> (&'a Statement, Vec<Param<'a>>) {
    match piece {
        Piece::Run(run) => {
            let statement = if payloads.len() == 1 { &db.sql.enqueue_one } else { &db.sql.enqueue_run };
            (statement, run.params(payloads))
        }
        Piece::Rows(rows) => (&db.sql.enqueue_many, rows.params(payloads)),
    }
}

fn payloads(piece: &Piece) -> Vec<&[u8]> {
    match piece {
        Piece::Run(run) => run.payloads(),
        Piece::Rows(rows) => rows.payloads(),
    }
}

impl AsyncPostgresQueue {
    /// Adds a task in the user's own transaction: a commit makes it visible, with its `enqueued` event where the schema has events; a
    /// rollback leaves nothing.
    ///
    /// Errors as for [`enqueue`](omniq_core::TaskQueue::enqueue); bad input is refused before anything is sent, so the transaction
    /// stays usable, while a duplicate id aborts it as any failed statement does.
    pub async fn enqueue_in(&self, target: &mut dyn EnqueueTarget, task: NewTask) -> Result<TaskId> {
        let mut ids = self.enqueue_many_in(target, vec![task]).await?;
        ids.pop().ok_or_else(|| omniq_core::Error::internal("an enqueue of one task gave no id"))
    }

    /// Adds tasks in the user's own transaction, all or none.
    pub async fn enqueue_many_in(
        &self,
        target: &mut dyn EnqueueTarget,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<TaskId>> {
        for task in &tasks {
            task.check(&self.inner.limits)?;
        }
        // One statement: outside of a transaction, too, it is all or nothing.
        let batch = EnqueueBatch::rows_of_checked(&tasks, MOST_INSIDE)?;
        for piece in &batch.pieces {
            if let Piece::Rows(rows) = piece
                && !rows.ids.is_empty()
            {
                self.carry_out(target, rows).await?;
                fold::changed(self.db());
            }
        }
        Ok(batch.ids)
    }

    async fn carry_out(&self, target: &mut dyn EnqueueTarget, rows: &Rows) -> Result<()> {
        let statement = &self.db().sql.enqueue_inside;
        let known = self.place(None).await?;
        let call = EnqueueCall { statement, rows, place: &known };
        let Some(mut elsewhere) = target.carry_out(call).await? else { return Ok(()) };
        // Known from before a restart, perhaps.
        let place = self.place(Some(known.clone())).await?;
        if place != known {
            let call = EnqueueCall { statement, rows, place: &place };
            match target.carry_out(call).await? {
                Some(still) => elsewhere = still,
                None => return Ok(()),
            }
        }
        Err(place::another(&elsewhere, &place))
    }
}

/// The database that the connection leads to, if it is another than the queue's.
fn answer_of(rows: Result<Vec<Row>>, place: &Place) -> Result<Option<String>> {
    let rows = rows.map_err(|error| place::without_tables(error, place))?;
    let row = rows.first().ok_or_else(|| Error::internal("the database gave no row where one was due"))?;
    let mut columns = Columns::new(row);
    let database: String = columns.take()?;
    Ok(columns.take::<Option<i32>>()?.is_none().then_some(database))
}

/// Sent unprepared: one round trip, and nothing stays behind on a connection that is not ours.
macro_rules! driver_target {
    ($target:ty) => {
        #[async_trait]
        impl EnqueueTarget for $target {
            async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>> {
                let EnqueueCall { statement, rows, place } = call;
                let payloads = rows.payloads();
                let mut params = rows.params(&payloads);
                params.extend([&place.database as Param<'_>, &place.server]);
                let typed: Vec<_> = params.into_iter().zip(statement.types.iter().cloned()).collect();
                let answer = self.query_typed(&statement.text, &typed).await;
                answer_of(answer.map_err(crate::error::from_driver), place)
            }

            async fn complete(&mut self, completion: &Completion) -> Result<Option<String>> {
                let Completion { sql, run, value, place } = completion;
                let answer = self.query_typed(sql, &[(run, Type::TEXT), (value, Type::BYTEA)]).await;
                answer_of(answer.map_err(crate::error::from_driver), place)
            }
        }
    };
}

driver_target!(tokio_postgres::Client);
driver_target!(tokio_postgres::Transaction<'_>);
driver_target!(deadpool_postgres::Object);
driver_target!(deadpool_postgres::Transaction<'_>);

#[cfg(feature = "sqlx")]
fn answer_of_sqlx(
    answer: Result<(String, Option<i32>), sqlx::Error>,
    place: &Place,
) -> Result<Option<String>> {
    let (database, done) =
        answer.map_err(|error| place::without_tables(crate::error::from_sqlx(error), place))?;
    Ok(done.is_none().then_some(database))
}

#[cfg(feature = "sqlx")]
#[async_trait]
impl EnqueueTarget for sqlx::PgConnection {
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>> {
        let EnqueueCall { statement, rows: batch, place } = call;
        // The text is a constant of this crate, filled with a quoted schema name.
        let query = sqlx::query_as::<_, (String, Option<i32>)>(sqlx::AssertSqlSafe(statement.text.as_str()))
            .bind(&batch.ids)
            .bind(&batch.queues)
            .bind(&batch.funcs)
            .bind(&batch.codecs)
            .bind(batch.payloads())
            .bind(&batch.priorities)
            .bind(&batch.max_retries)
            .bind(&batch.run_ats)
            .bind(&batch.delays)
            .bind(&batch.ttls)
            .bind(&batch.options)
            .bind(&batch.metadata)
            .bind(&batch.chosen)
            .bind(&place.database)
            .bind(&place.server)
            .persistent(false);
        answer_of_sqlx(query.fetch_one(self).await, place)
    }

    async fn complete(&mut self, completion: &Completion) -> Result<Option<String>> {
        let query = sqlx::query_as::<_, (String, Option<i32>)>(sqlx::AssertSqlSafe(completion.sql.as_str()))
            .bind(&completion.run)
            .bind(&completion.value)
            .persistent(false);
        answer_of_sqlx(query.fetch_one(self).await, &completion.place)
    }
}
