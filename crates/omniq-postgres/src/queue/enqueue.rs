//! Enqueue: one task, many, or in a transaction of the user. Single enqueues that arrive while a statement is in flight are sent together in
//! the next one.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Instant;

use omniq_core::group_commit::{CallWriter, Calls};
use omniq_core::{DatabaseId, Error, Limits, NewTask, Result, TaskId, TransactionStatement};
use uuid::Uuid;

use super::counts;
use super::uncertain::{Found, Uncertain};
use crate::db::Db;
use crate::db::patience::{Patience, is_unsure};
use crate::segments::enqueue::{EnqueueBatch, Piece};
use crate::single_calls::RULE;
use crate::sql::{Named, Statement};
use crate::transaction::database_id::DatabaseIds;
use crate::transaction::{self, TaskRecord, Tasks};

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

    /// Takes a box, because each layer of the future of a call has room for what it is given.
    pub(super) async fn one(&self, task: Box<NewTask>, logged: bool) -> Result<TaskId> {
        task.check(&self.limits)?;
        self.db.check_open()?;
        self.calls[usize::from(logged)][usize::from(task.id.is_some())].call(task).await
    }

    /// The statement that adds tasks in a transaction of the user, and their ids. `stale`: as for [`DatabaseIds::get`].
    pub(super) async fn statement(
        &self,
        tasks: &[NewTask],
        stale: Option<&DatabaseId>,
    ) -> Result<(TransactionStatement, Vec<TaskId>)> {
        for task in tasks {
            task.check(&self.limits)?;
        }
        let database = self.database_ids.get(&self.db, stale).await?;
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id.unwrap_or_else(TaskId::new)).collect();
        let records = ids.iter().zip(tasks).map(|(id, task)| TaskRecord::new(*id, task));
        let record = Tasks { tasks: records.collect::<Result<_>>()? };
        let payloads = tasks.iter().map(|task| Some(task.payload.bytes().to_vec())).collect();
        let count = || format!("{} tasks", tasks.len());
        let made = transaction::statement(&self.db.sql.enqueue_raw, database, &record, payloads, count)?;
        // The user's transaction is about to change them.
        counts::changed(&self.db);
        Ok((made, ids))
    }
}

/// Sends single enqueues.
#[derive(Debug)]
pub(super) struct SingleEnqueues {
    db: Arc<Db>,
    /// Whether tasks are added with their `enqueued` events.
    logged: bool,
}

impl SingleEnqueues {
    pub(super) fn calls(db: &Arc<Db>, logged: bool) -> Calls<Self> {
        Calls::new(Self { db: Arc::clone(db), logged }, RULE)
    }
}

impl CallWriter for SingleEnqueues {
    type Request = Box<NewTask>;
    type Answer = TaskId;

    const NAME: &'static str = "enqueue";

    fn bytes(&self, task: &Box<NewTask>) -> usize {
        task.payload.bytes().len()
    }

    async fn send(&self, tasks: &[Box<NewTask>]) -> Result<Vec<TaskId>> {
        let batch = EnqueueBatch::of_checked(tasks)?;
        let events = self.logged.then(|| Enqueued::of(tasks, &batch));
        send(&self.db, &batch, events).await?;
        Ok(batch.ids)
    }

    fn may_be_of_one(&self, error: &Error) -> bool {
        // A call that may have been carried out is not repeated: its tasks could be added twice.
        !(error.is_unavailable() || error.is_pool_timeout() || error.is_closed())
    }
}

/// The `enqueued` events of a batch.
struct Enqueued<'t> {
    ids: Vec<Uuid>,
    queues: Vec<&'t str>,
    funcs: Vec<&'t str>,
}

impl<'t> Enqueued<'t> {
    fn of(tasks: &'t [impl Borrow<NewTask>], batch: &EnqueueBatch<'_>) -> Self {
        let tasks = || tasks.iter().map(Borrow::borrow);
        Self {
            ids: batch.ids.iter().map(TaskId::as_uuid).collect(),
            queues: tasks().map(|task| task.queue.as_str()).collect(),
            funcs: tasks().map(|task| task.func.as_str()).collect(),
        }
    }
}

/// Adds tasks, and where they are given their events, in one transaction.
///
/// While the server is away the call is repeated. If it may have been carried out, its ids are looked for before it is sent again, so
/// that each task is added once.
async fn send(db: &Arc<Db>, batch: &EnqueueBatch<'_>, events: Option<Enqueued<'_>>) -> Result<()> {
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
    pieces: &[(&Piece<'_>, Vec<&[u8]>)],
    events: Option<&Enqueued<'_>>,
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
    (piece, payloads): &'a (&'a Piece<'_>, Vec<&'a [u8]>),
) -> (&'a Statement, Vec<Named<'a>>) {
    match piece {
        Piece::Segment(segment) => {
            let statement = if payloads.len() == 1 { &db.sql.enqueue_one } else { &db.sql.enqueue_segment };
            (statement, segment.params(payloads))
        }
        Piece::Rows(rows) => (&db.sql.enqueue_many, rows.params(payloads)),
    }
}

fn payloads<'a>(piece: &'a Piece<'_>) -> Vec<&'a [u8]> {
    match piece {
        Piece::Segment(segment) => segment.payloads(),
        Piece::Rows(rows) => rows.payloads(),
    }
}
