//! The verbs of the backend in a transaction of the user.

use omniq_core::{
    Enqueued, Error, NewTask, Payload, Result, SettleMode, Settled, Settlement, Task, TaskError, TaskId,
    TaskState, TransactionStatement,
};

use crate::backend::AsyncPostgresBackend;
use crate::transaction::{UserConnection, execute};

impl AsyncPostgresBackend {
    /// Adds a task in the user's own transaction; see [`AsyncPostgresQueue::enqueue_in`](crate::AsyncPostgresQueue::enqueue_in). Error `is_config` if the queue is
    /// not on PostgreSQL. The same transaction writes the `enqueued` event if the schema has events.
    pub async fn enqueue_in(&self, connection: &mut dyn UserConnection, task: NewTask) -> Result<TaskId> {
        Ok(self.enqueue_unique_in(connection, task).await?.id())
    }

    /// Adds a task in the user's own transaction, and says whether it was added or another one holds its key; see
    /// [`AsyncPostgresQueue::enqueue_unique_in`](crate::AsyncPostgresQueue::enqueue_unique_in).
    pub async fn enqueue_unique_in(
        &self,
        connection: &mut dyn UserConnection,
        task: NewTask,
    ) -> Result<Enqueued> {
        let mut enqueued = self.enqueue_unique_many_in(connection, vec![task]).await?;
        enqueued.pop().ok_or_else(|| Error::invalid("a layer around the enqueue has left the task out"))
    }

    /// Adds tasks in the user's own transaction, all or none. Returns their ids in the order of `tasks`. Errors as for
    /// [`enqueue_in`](Self::enqueue_in).
    pub async fn enqueue_many_in(
        &self,
        connection: &mut dyn UserConnection,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<TaskId>> {
        let enqueued = self.enqueue_unique_many_in(connection, tasks).await?;
        Ok(enqueued.into_iter().map(Enqueued::id).collect())
    }

    /// The same, and says what has become of each; see [`enqueue_unique_in`](Self::enqueue_unique_in).
    pub async fn enqueue_unique_many_in(
        &self,
        connection: &mut dyn UserConnection,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<Enqueued>> {
        let queue = self.postgres_queue()?;
        let write = async |tasks: Vec<NewTask>| {
            self.backend().check_chosen(&tasks).await?;
            queue.enqueue_unique_many_in(connection, tasks).await
        };
        self.backend().enqueue_by(tasks, write).await
    }

    /// Reports success of a dequeued task in the user's own transaction, with its result and event: a commit makes them durable together
    /// with the rest of the transaction. Until then, and after a rollback, the task stays held.
    ///
    /// Errors: `is_claim_lost` if the task is not held any more: that aborts the transaction. `is_invalid` if the queue is not on
    /// PostgreSQL, if results or events are kept elsewhere, and for a connection to another database; nothing is done then. The transaction
    /// should be read committed, as for [`AsyncPostgresQueue::complete_in`](crate::AsyncPostgresQueue::complete_in).
    pub async fn complete_in(
        &self,
        connection: &mut dyn UserConnection,
        task: &Task,
        value: Option<Payload>,
    ) -> Result<()> {
        self.complete_many_in(connection, vec![(task.clone(), value)]).await
    }

    /// Reports success of dequeued tasks, each with its value, in the user's own transaction: of all, or of none; as
    /// [`complete_in`](Self::complete_in).
    pub async fn complete_many_in(
        &self,
        connection: &mut dyn UserConnection,
        done: Vec<(Task, Option<Payload>)>,
    ) -> Result<()> {
        execute(connection, &self.backend().complete_statement(done).await?).await.map(drop)
    }

    /// Reports the failure of a dequeued task in the user's own transaction: it is retried after its backoff, or becomes a dead letter with
    /// a result. Returns which (`Scheduled` or `Dead`). Otherwise as [`complete_in`](Self::complete_in).
    pub async fn fail_in(
        &self,
        connection: &mut dyn UserConnection,
        task: &Task,
        error: TaskError,
    ) -> Result<TaskState> {
        let mut states = self.fail_many_in(connection, vec![(task.clone(), error)]).await?;
        states.pop().ok_or_else(|| Error::internal("the failure of one task gave no state"))
    }

    /// Reports the failure of dequeued tasks in the user's own transaction: of all, or of none; as [`fail_in`](Self::fail_in).
    pub async fn fail_many_in(
        &self,
        connection: &mut dyn UserConnection,
        failed: Vec<(Task, TaskError)>,
    ) -> Result<Vec<TaskState>> {
        let (statement, states) = self.backend().fail_statement(failed).await?;
        execute(connection, &statement).await?;
        Ok(states)
    }

    /// Settles runs in the user's own transaction with their results and events; answers and errors as for
    /// [`AsyncPostgresQueue::settle_in`](crate::AsyncPostgresQueue::settle_in) and [`complete_in`](Self::complete_in).
    pub async fn settle_in(
        &self,
        connection: &mut dyn UserConnection,
        batch: &[Settlement],
        mode: SettleMode,
    ) -> Result<Vec<Settled>> {
        let held = TransactionStatement::held(
            &execute(connection, &self.backend().settle_statement(batch, mode).await?).await?,
        );
        Ok(held.into_iter().map(Settled::from_held).collect())
    }
}
