//! Enqueue: through the pool, or inside the user's own transaction.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use omniq_core::group_commit::Calls;
use omniq_core::{Completion, DatabaseId, Error, Limits, NewTask, Result, TaskId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::coalesce::SingleEnqueues;
use super::database_id::{self, DatabaseIds};
use super::uncertain::{Found, Uncertain};
use super::{AsyncPostgresQueue, counts};
use crate::db::patience::{Patience, is_unsure};
use crate::db::{Db, Param};
use crate::segments::enqueue::{EnqueueBatch, Piece, Rows};
use crate::sizes::INSIDE_BYTES;
use crate::sql::{Columns, Named, Statement};

/// An enqueue that is ready to be sent; made by the queue, carried out by an [`EnqueueTarget`].
#[derive(Debug)]
pub struct EnqueueCall<'a> {
    statement: &'a Statement,
    rows: &'a Rows,
    database: &'a DatabaseId,
}

/// The user's connection or open transaction, in which a task can be enqueued or completed. It must lead to the queue's database:
/// another one is refused (`is_invalid`), and nothing is written.
///
/// Implemented for `tokio_postgres::{Client, Transaction}`, deadpool's wrappers of both, and with the feature `sqlx` for
/// `sqlx::PgConnection` (pass `&mut *transaction`).
#[async_trait]
pub trait EnqueueTarget: Send {
    /// Enqueues on this connection. If it leads to another database, the answer is that database's name, and nothing was done.
    #[doc(hidden)]
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>>;

    /// Completes a task on this connection, with the same answer.
    #[doc(hidden)]
    async fn complete(&mut self, completion: &Completion) -> Result<Option<String>>;
}

/// What enqueues share.
#[derive(Debug)]
pub(super) struct Enqueuer {
    db: Arc<Db>,
    limits: Limits,
    /// Without and with `enqueued` events. Of both the second is for ids that the user chose, which may wait for an open transaction
    /// that has used the same id.
    calls: [[Calls<SingleEnqueues>; 2]; 2],
    pub(super) database_ids: DatabaseIds,
}

impl Enqueuer {
    pub(super) fn new(db: &Arc<Db>) -> Self {
        Self {
            db: Arc::clone(db),
            limits: db.settings().limits(),
            calls: [false, true].map(|logged| [(); 2].map(|()| SingleEnqueues::calls(db, logged))),
            database_ids: DatabaseIds::default(),
        }
    }

    pub(super) async fn many(&self, tasks: Vec<NewTask>, logged: bool) -> Result<Vec<TaskId>> {
        let batch = EnqueueBatch::new(&tasks, &self.limits)?;
        self.db.check_open()?;
        let events = logged.then(|| Enqueued::of(&tasks, &batch));
        send(&self.db, &batch, events).await?;
        Ok(batch.ids)
    }

    pub(super) async fn one(&self, task: NewTask, logged: bool) -> Result<TaskId> {
        task.check(&self.limits)?;
        self.db.check_open()?;
        self.calls[usize::from(logged)][usize::from(task.id.is_some())].call(task).await
    }

    /// Adds tasks on the user's connection, all or none.
    async fn many_on(&self, target: &mut dyn EnqueueTarget, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        for task in &tasks {
            task.check(&self.limits)?;
        }
        // One statement, which is all or nothing outside of a transaction, too.
        let batch = EnqueueBatch::rows_of_checked(&tasks, INSIDE_BYTES)?;
        for piece in &batch.pieces {
            if let Piece::Rows(rows) = piece
                && !rows.ids.is_empty()
            {
                self.carry_out(target, rows).await?;
                counts::changed(&self.db);
            }
        }
        Ok(batch.ids)
    }

    async fn carry_out(&self, target: &mut dyn EnqueueTarget, rows: &Rows) -> Result<()> {
        let statement = &self.db.sql.enqueue_in_transaction;
        let known = self.database_ids.get(&self.db, None).await?;
        let call = EnqueueCall { statement, rows, database: &known };
        let Some(mut another) = target.carry_out(call).await? else { return Ok(()) };
        // What is remembered may be from before a restart of the server.
        let database = self.database_ids.get(&self.db, Some(&known)).await?;
        if database != known {
            let call = EnqueueCall { statement, rows, database: &database };
            match target.carry_out(call).await? {
                Some(still) => another = still,
                None => return Ok(()),
            }
        }
        Err(database_id::another(&another, &database))
    }
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
/// While the server is away the call is repeated. If it may have been carried out, its ids are looked for before it is sent again, so
/// that each task is added once.
pub(super) async fn send(db: &Arc<Db>, batch: &EnqueueBatch, events: Option<Enqueued>) -> Result<()> {
    let pieces: Vec<_> = batch.pieces.iter().map(|piece| (piece, payloads(piece))).collect();
    let (mut patience, began, mut again) = (db.patience(), Instant::now(), false);
    while let Err(error) = send_once(db, &mut patience, &pieces, events.as_ref()).await {
        let duplicate = again && error.is_duplicate();
        if !duplicate && !is_unsure(&error) {
            // The first attempt may still be carried out.
            return Err(if again { unknown(error) } else { error });
        }
        let uncertain = Uncertain::new(batch, began);
        if duplicate && uncertain.is_all_made() {
            break;
        }
        // The pause comes first: a call that is still under way may end in that time, and what was looked for is sent at once.
        let in_time = patience.pause().await;
        match uncertain.look(db, &mut patience).await {
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
    pieces.iter().for_each(|_| counts::changed(db));
    Ok(())
}

/// Of this kind whatever the cause: other kinds, such as that of a full pool, say that nothing was done.
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
                calls.push((&db.sql.log_enqueued, vec![("ids", ids), ("queues", queues), ("funcs", funcs)]));
            }
            let calls: Vec<_> =
                calls.iter().map(|(statement, params)| (*statement, params.as_slice())).collect();
            db.all_or_none(patience, &calls).await.map(drop)
        }
    }
}

fn call<'a>(
    db: &'a Db,
    (piece, payloads): &'a (&'a Piece, Vec<&'a [u8]>),
) -> (&'a Statement, Vec<Named<'a>>) {
    match piece {
        Piece::Segment(segment) => {
            let statement = if payloads.len() == 1 { &db.sql.enqueue_one } else { &db.sql.enqueue_segment };
            (statement, segment.params(payloads))
        }
        Piece::Rows(rows) => (&db.sql.enqueue_many, rows.params(payloads)),
    }
}

fn payloads(piece: &Piece) -> Vec<&[u8]> {
    match piece {
        Piece::Segment(segment) => segment.payloads(),
        Piece::Rows(rows) => rows.payloads(),
    }
}

impl AsyncPostgresQueue {
    /// Adds a task in the user's own transaction: a commit makes it visible, with its `enqueued` event where the schema has events; a
    /// rollback leaves nothing.
    ///
    /// Errors as for [`enqueue`](omniq_core::TaskQueue::enqueue). Bad input is refused before anything is sent, so the transaction
    /// stays usable; a duplicate id aborts it as any failed statement does.
    pub async fn enqueue_in(&self, target: &mut dyn EnqueueTarget, task: NewTask) -> Result<TaskId> {
        let mut ids = self.enqueue_many_in(target, vec![task]).await?;
        ids.pop().ok_or_else(|| Error::internal("an enqueue of one task gave no id"))
    }

    /// Adds tasks in the user's own transaction, all or none.
    pub async fn enqueue_many_in(
        &self,
        target: &mut dyn EnqueueTarget,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<TaskId>> {
        self.inner.enqueuer.many_on(target, tasks).await
    }
}

/// The database that the connection leads to, if it is another than the queue's.
fn answer_of(rows: Result<Vec<Row>>, database: &DatabaseId) -> Result<Option<String>> {
    let rows = rows.map_err(|error| database_id::without_tables(error, database))?;
    let row = rows.first().ok_or_else(|| Error::internal("the database gave no row where one was due"))?;
    let mut columns = Columns::new(row);
    let name: String = columns.take()?;
    Ok(columns.take::<Option<i32>>()?.is_none().then_some(name))
}

/// Sent unprepared: one round trip, and no prepared statement stays on the user's connection.
macro_rules! driver_target {
    ($target:ty) => {
        #[async_trait]
        impl EnqueueTarget for $target {
            async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>> {
                let EnqueueCall { statement, rows, database } = call;
                let payloads = rows.payloads();
                let mut params = rows.params(&payloads);
                params.extend([("database", &database.database as Param<'_>), ("server", &database.server)]);
                let typed: Vec<_> = statement.values(&params).zip(statement.types.iter().cloned()).collect();
                let answer = self.query_typed(&statement.text, &typed).await;
                answer_of(answer.map_err(crate::error::from_driver), database)
            }

            async fn complete(&mut self, completion: &Completion) -> Result<Option<String>> {
                let Completion { sql, run, value, database } = completion;
                let answer = self.query_typed(sql, &[(run, Type::TEXT), (value, Type::BYTEA)]).await;
                answer_of(answer.map_err(crate::error::from_driver), database)
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
    database: &DatabaseId,
) -> Result<Option<String>> {
    let (name, done) =
        answer.map_err(|error| database_id::without_tables(crate::error::from_sqlx(error), database))?;
    Ok(done.is_none().then_some(name))
}

#[cfg(feature = "sqlx")]
#[async_trait]
impl EnqueueTarget for sqlx::PgConnection {
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>> {
        let EnqueueCall { statement, rows: batch, database } = call;
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
            .bind(&database.database)
            .bind(&database.server)
            .persistent(false);
        answer_of_sqlx(query.fetch_one(self).await, database)
    }

    async fn complete(&mut self, completion: &Completion) -> Result<Option<String>> {
        let query = sqlx::query_as::<_, (String, Option<i32>)>(sqlx::AssertSqlSafe(completion.sql.as_str()))
            .bind(&completion.run)
            .bind(&completion.value)
            .persistent(false);
        answer_of_sqlx(query.fetch_one(self).await, &completion.database)
    }
}
