//! Enqueue: through the pool, or inside a transaction of the user's own, on one path.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use omniq_core::{Completion, Error, NewTask, Result, TaskId};
use tokio_postgres::types::Type;

use super::unsure::{Found, Unsure};
use super::{AsyncPostgresQueue, fold};
use crate::db::{Db, Param};
use crate::enqueue_batch::{EnqueueBatch, Piece, Rows};
use crate::patience::{Patience, is_unsure};
use crate::sql::Statement;

/// An enqueue that is ready to be sent; made by the queue, carried out by an [`EnqueueTarget`].
#[derive(Debug)]
pub struct EnqueueCall<'a> {
    statement: &'a Statement,
    rows: Rows,
}

/// A connection or open transaction of the user's own, in which a task can be enqueued or completed.
///
/// Implemented for `tokio_postgres::{Client, Transaction}`, deadpool's wrappers of both, and with the feature `sqlx` for
/// `sqlx::PgConnection` (pass `&mut *transaction`).
#[async_trait]
pub trait EnqueueTarget: Send {
    /// Carries the enqueue out on this connection.
    #[doc(hidden)]
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<()>;

    /// Carries the completion of a task out on this connection.
    #[doc(hidden)]
    async fn complete(&mut self, completion: &Completion) -> Result<()>;
}

pub(super) async fn many(queue: &AsyncPostgresQueue, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
    let batch = EnqueueBatch::new(&tasks, &queue.inner.limits)?;
    queue.db().check_open()?;
    send(queue.db(), &batch).await?;
    Ok(batch.ids)
}

pub(super) async fn one(queue: &AsyncPostgresQueue, task: NewTask) -> Result<TaskId> {
    task.check(&queue.inner.limits)?;
    queue.db().check_open()?;
    let together = if task.id.is_some() { &queue.inner.together_chosen } else { &queue.inner.together };
    together.enqueue(queue.db(), task).await
}

/// While the server is away it is tried again. What may have been carried out is looked for by its ids before it is sent again,
/// so that it is in once.
pub(super) async fn send(db: &Arc<Db>, batch: &EnqueueBatch) -> Result<()> {
    let pieces: Vec<_> = batch.pieces.iter().map(|piece| (piece, bodies(piece))).collect();
    let (mut patience, began, mut again) = (db.patience(), Instant::now(), false);
    while let Err(error) = send_once(db, &mut patience, &pieces).await {
        let duplicate = again && error.is_duplicate();
        if !duplicate && !is_unsure(&error) {
            return Err(error);
        }
        let unsure = Unsure::new(batch, began);
        if duplicate && unsure.is_all_made() {
            break;
        }
        match unsure.look(db, &mut patience).await {
            Ok(Found::Done) => break,
            _ if duplicate => return Err(error),
            Ok(Found::Nothing) if patience.pause().await => again = true,
            Ok(Found::Duplicate) => {
                return Err(Error::duplicate("the id is in use already: give another, or none"));
            }
            Ok(Found::Nothing) => return Err(error),
            Ok(Found::Unknown) | Err(_) => {
                return Err(error.context("whether the task was added is not known"));
            }
        }
    }
    pieces.iter().for_each(|_| fold::changed(db));
    Ok(())
}

async fn send_once(db: &Db, patience: &mut Patience, pieces: &[(&Piece, Vec<&[u8]>)]) -> Result<()> {
    match pieces {
        [] => Ok(()),
        [only] => {
            let (statement, params) = call(db, only);
            db.query_with(patience, statement, &params).await.map(drop)
        }
        many => {
            let calls: Vec<_> = many.iter().map(|piece| call(db, piece)).collect();
            db.all_or_none(patience, &calls).await
        }
    }
}

fn call<'a>(db: &'a Db, (piece, bodies): &'a (&'a Piece, Vec<&'a [u8]>)) -> (&'a Statement, Vec<Param<'a>>) {
    match piece {
        Piece::Run(run) => {
            let statement = if bodies.len() == 1 { &db.sql.enqueue_one } else { &db.sql.enqueue_run };
            (statement, run.params(bodies))
        }
        Piece::Rows(rows) => (&db.sql.enqueue_many, rows.params(bodies)),
    }
}

fn bodies(piece: &Piece) -> Vec<&[u8]> {
    match piece {
        Piece::Run(run) => run.bodies(),
        Piece::Rows(rows) => rows.bodies(),
    }
}

impl AsyncPostgresQueue {
    /// Adds a task in the user's own transaction: a commit makes it visible, a rollback leaves nothing.
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
        let batch = EnqueueBatch::rows_of_checked(&tasks)?;
        for piece in batch.pieces {
            if let Piece::Rows(rows) = piece
                && !rows.ids.is_empty()
            {
                target.carry_out(EnqueueCall { statement: &self.db().sql.enqueue_many, rows }).await?;
            }
        }
        Ok(batch.ids)
    }
}

/// Sent unprepared: one round trip, and nothing stays behind on a connection that is not ours.
macro_rules! driver_target {
    ($target:ty) => {
        #[async_trait]
        impl EnqueueTarget for $target {
            async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<()> {
                let bodies = call.rows.bodies();
                let params = call.rows.params(&bodies);
                let typed: Vec<_> = params.into_iter().zip(call.statement.types.iter().cloned()).collect();
                self.query_typed(&call.statement.text, &typed)
                    .await
                    .map(drop)
                    .map_err(crate::error::from_driver)
            }

            async fn complete(&mut self, completion: &Completion) -> Result<()> {
                let Completion { sql, run, value } = completion;
                self.query_typed(sql, &[(run, Type::TEXT), (value, Type::BYTEA)])
                    .await
                    .map(drop)
                    .map_err(crate::error::from_driver)
            }
        }
    };
}

driver_target!(tokio_postgres::Client);
driver_target!(tokio_postgres::Transaction<'_>);
driver_target!(deadpool_postgres::Object);
driver_target!(deadpool_postgres::Transaction<'_>);

#[cfg(feature = "sqlx")]
#[async_trait]
impl EnqueueTarget for sqlx::PgConnection {
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<()> {
        let batch = &call.rows;
        // The text is a constant of this crate, filled with a quoted schema name.
        sqlx::query(sqlx::AssertSqlSafe(call.statement.text.as_str()))
            .bind(&batch.ids)
            .bind(&batch.queues)
            .bind(&batch.funcs)
            .bind(&batch.codecs)
            .bind(batch.bodies())
            .bind(&batch.priorities)
            .bind(&batch.max_retries)
            .bind(&batch.run_ats)
            .bind(&batch.delays)
            .bind(&batch.ttls)
            .bind(&batch.options)
            .bind(&batch.metadata)
            .bind(&batch.chosen)
            .persistent(false)
            .execute(self)
            .await
            .map(drop)
            .map_err(crate::error::from_sqlx)
    }

    async fn complete(&mut self, completion: &Completion) -> Result<()> {
        sqlx::query(sqlx::AssertSqlSafe(completion.sql.as_str()))
            .bind(&completion.run)
            .bind(&completion.value)
            .persistent(false)
            .execute(self)
            .await
            .map(drop)
            .map_err(crate::error::from_sqlx)
    }
}
