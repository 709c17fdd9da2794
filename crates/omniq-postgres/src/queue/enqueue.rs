//! Enqueue: one task, many, or in a transaction of the user. Single enqueues that arrive while a statement is in flight are sent together in
//! the next one.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Instant;

use omniq_core::group_commit::{CallWriter, Calls};
use omniq_core::{
    DatabaseId, Enqueued, Error, Limits, NewTask, Result, TaskId, TransactionStatement, check_after,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::counts;
use super::dependencies::Dependencies;
use super::uncertain::{Found, Uncertain};
use super::unique;
use crate::db::Db;
use crate::db::patience::{Patience, is_unsure};
use crate::segments::enqueue::{EnqueueBatch, Piece};
use crate::segments::options::Options;
use crate::single_calls::RULE;
use crate::sql::{Named, Statement};
use crate::transaction::database_id::DatabaseIds;
use crate::transaction::{self, TaskRecord, Tasks};

/// The SQLSTATE of an id that is in use.
const ID_IN_USE: &str = "23505";

/// What enqueues share.
#[derive(Debug)]
pub(super) struct Enqueuer {
    db: Arc<Db>,
    limits: Limits,
    /// Without and with `enqueued` events. Of both the second is for ids that the user chose, which may wait for an open transaction
    /// that has used the same id.
    calls: [[Calls<SingleEnqueues>; 2]; 2],
    pub(super) database_ids: DatabaseIds,
    dependencies: Arc<Dependencies>,
}

impl Enqueuer {
    pub(super) fn new(db: &Arc<Db>, dependencies: &Arc<Dependencies>) -> Self {
        Self {
            db: Arc::clone(db),
            dependencies: Arc::clone(dependencies),
            limits: db.settings().limits(),
            calls: [false, true].map(|logged| [(); 2].map(|()| SingleEnqueues::calls(db, logged))),
            database_ids: DatabaseIds::default(),
        }
    }

    pub(super) async fn many(&self, tasks: Vec<NewTask>, logged: bool) -> Result<Vec<Enqueued>> {
        let batch = EnqueueBatch::new(&tasks, &self.limits)?;
        self.db.check_open()?;
        let answers = send(&self.db, &batch, logged.then(|| Events::of(&tasks, &batch))).await?;
        if batch.is_linked() {
            // Some of those before them may have ended.
            self.dependencies.advance(&self.db).await;
        }
        if !batch.is_unique() {
            return Ok(batch.ids.into_iter().map(Enqueued::New).collect());
        }
        match answers {
            Some(answers) => unique::read(&answers),
            None => unique::look(&self.db, &tasks, &batch.ids).await,
        }
    }

    /// Takes a box, because each layer of the future of a call has room for what it is given.
    pub(super) async fn one(&self, task: Box<NewTask>, logged: bool) -> Result<TaskId> {
        if task.unique.is_some() || task.after.is_some() {
            // By itself: it may wait for an open transaction that has taken the same key, or look for tasks that are not there.
            let enqueued = self.many(vec![*task], logged).await?;
            return enqueued
                .first()
                .map(|one| one.id())
                .ok_or_else(|| Error::internal("an enqueue gave no id"));
        }
        task.check(&self.limits)?;
        self.db.check_open()?;
        self.calls[usize::from(logged)][usize::from(task.is_id_chosen())].call(task).await
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
        check_after(tasks)?;
        let database = self.database_ids.get(&self.db, stale).await?;
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id.unwrap_or_else(TaskId::new)).collect();
        let options = Options::texts(tasks)?;
        let records = ids
            .iter()
            .zip(tasks)
            .zip(options)
            .map(|((id, task), options)| TaskRecord::new(*id, task, options));
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
        send(&self.db, &batch, self.logged.then(|| Events::of(tasks, &batch))).await?;
        Ok(batch.ids)
    }

    fn may_be_of_one(&self, error: &Error) -> bool {
        // A call that may have been carried out is not repeated: its tasks could be added twice.
        !(error.is_unavailable() || error.is_pool_timeout() || error.is_closed())
    }
}

/// The `enqueued` events of a batch.
struct Events<'t> {
    ids: Vec<Uuid>,
    queues: Vec<&'t str>,
    funcs: Vec<&'t str>,
}

impl<'t> Events<'t> {
    fn of(tasks: &'t [impl Borrow<NewTask>], batch: &EnqueueBatch<'_>) -> Self {
        let tasks = || tasks.iter().map(Borrow::borrow);
        Self {
            ids: batch.ids.iter().map(TaskId::as_uuid).collect(),
            queues: tasks().map(|task| task.queue.as_str()).collect(),
            funcs: tasks().map(|task| task.func.as_str()).collect(),
        }
    }
}

/// Adds tasks, and where they are given their events, in one transaction. Returns the answers of the statements; `None`: they were lost, and the
/// tasks are there.
///
/// While the server is away the call is repeated. If it may have been carried out, its ids are looked for before it is sent again, so
/// that each task is added once.
async fn send(
    db: &Arc<Db>,
    batch: &EnqueueBatch<'_>,
    events: Option<Events<'_>>,
) -> Result<Option<Vec<Vec<Row>>>> {
    let pieces: Vec<_> = batch.pieces.iter().map(|piece| (piece, payloads(piece))).collect();
    let (mut patience, began, mut again) = (db.patience(), Instant::now(), false);
    let answers = loop {
        let error = match send_once(db, &mut patience, &pieces, events.as_ref()).await {
            Ok(answers) => break Some(answers),
            Err(error) => error,
        };
        // Not by a key that another task holds: then nothing was written.
        let duplicate = again && error.is_duplicate() && error.sqlstate() == Some(ID_IN_USE);
        if !duplicate && !is_unsure(&error) {
            // The first attempt may still be carried out.
            return Err(if again { unknown(error) } else { error });
        }
        let uncertain = Uncertain::new(batch, began);
        if duplicate && uncertain.is_all_made() {
            break None;
        }
        // The pause comes first: a call that is still under way may end in that time, and what was looked for is sent at once.
        let in_time = patience.pause().await;
        match uncertain.look(db, &mut patience).await {
            Ok(Found::Done) => break None,
            _ if duplicate => return Err(error),
            Ok(Found::Nothing) if in_time => again = true,
            Ok(Found::Duplicate(id)) => return Err(Error::id_in_use(id)),
            Ok(Found::Nothing) => return Err(error),
            Ok(Found::Unknown) | Err(_) => {
                return Err(unknown(error));
            }
        }
    };
    pieces.iter().for_each(|_| counts::changed(db));
    Ok(answers)
}

/// Of this kind whatever the cause: other kinds, such as that of a full pool, say that nothing was done.
fn unknown(error: Error) -> Error {
    Error::unavailable(format!("whether the task was added is not known: {error}")).with_source(error)
}

async fn send_once(
    db: &Db,
    patience: &mut Patience,
    pieces: &[(&Piece<'_>, Vec<&[u8]>)],
    events: Option<&Events<'_>>,
) -> Result<Vec<Vec<Row>>> {
    let logged = events.is_some();
    if let [only @ (Piece::Linked(_), _)] = pieces {
        // The statement logs the tasks itself.
        let (statement, params) = call(db, only, &logged);
        return Ok(vec![db.query_with(patience, statement, &params).await?]);
    }
    if let [(Piece::Unique(_), _), ..] = pieces {
        // The statement logs the tasks itself. It gives the keys back while it waits for a transaction of a user.
        let calls: Vec<_> = pieces.iter().map(|piece| call(db, piece, &logged)).collect();
        let calls: Vec<_> = calls.iter().map(|(statement, params)| (*statement, params.as_slice())).collect();
        return db.giving_way(patience, &calls).await;
    }
    match (pieces, events) {
        ([], _) => Ok(Vec::new()),
        ([only], None) => {
            let (statement, params) = call(db, only, &logged);
            Ok(vec![db.query_with(patience, statement, &params).await?])
        }
        (many, events) => {
            let mut calls: Vec<_> = many.iter().map(|piece| call(db, piece, &logged)).collect();
            if let Some(Events { ids, queues, funcs }) = events {
                calls.push((&db.sql.log_enqueued, vec![("ids", ids), ("queues", queues), ("funcs", funcs)]));
            }
            let calls: Vec<_> =
                calls.iter().map(|(statement, params)| (*statement, params.as_slice())).collect();
            db.all_answers(patience, &calls).await
        }
    }
}

fn call<'a>(
    db: &'a Db,
    (piece, payloads): &'a (&'a Piece<'_>, Vec<&'a [u8]>),
    logged: &'a bool,
) -> (&'a Statement, Vec<Named<'a>>) {
    match piece {
        Piece::Segment(segment) => {
            let statement = if payloads.len() == 1 { &db.sql.enqueue_one } else { &db.sql.enqueue_segment };
            (statement, segment.params(payloads))
        }
        Piece::Rows(rows) => (&db.sql.enqueue_many, rows.params(payloads)),
        Piece::Unique(rows) => {
            let mut params = rows.params(payloads);
            params.push(("logged", logged));
            (&db.sql.enqueue_unique, params)
        }
        Piece::Linked(rows) => {
            let mut params = rows.params(payloads);
            params.push(("logged", logged));
            (&db.sql.enqueue_linked, params)
        }
    }
}

fn payloads<'a>(piece: &'a Piece<'_>) -> Vec<&'a [u8]> {
    match piece {
        Piece::Segment(segment) => segment.payloads(),
        Piece::Rows(rows) | Piece::Unique(rows) | Piece::Linked(rows) => rows.payloads(),
    }
}
