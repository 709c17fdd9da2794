//! Completion of a task inside the user's own transaction.

use std::sync::Arc;

use async_trait::async_trait;
use omniq_core::{Completion, Context, Error, Payload, Result, Settlement};
use serde_json::json;

use super::target::EnqueueTarget;
use super::{counts, database_id};
use crate::db::Db;
use crate::partitions::step;
use crate::segments::base_id;

/// Completes the task of a run inside the user's own transaction.
#[async_trait]
pub trait CompleteIn {
    /// Completes the task in this transaction, with its result and its `completed` event. A commit makes them durable together with the
    /// rest of the transaction; a rollback leaves nothing, and the task runs again as after a failure.
    ///
    /// The transaction must end before the handler does. If it was committed, what the handler returns afterwards is ignored. Errors:
    /// `is_claim_lost` if the task is not held any more, or was completed by this transaction before: that aborts the transaction;
    /// `is_invalid` if the queue is not on PostgreSQL, or if results or events are kept elsewhere.
    async fn complete_in<R: serde::Serialize + Sync>(
        &self,
        target: &mut dyn EnqueueTarget,
        result: &R,
    ) -> Result<()>;
}

#[async_trait]
impl CompleteIn for Context {
    async fn complete_in<R: serde::Serialize + Sync>(
        &self,
        target: &mut dyn EnqueueTarget,
        result: &R,
    ) -> Result<()> {
        let completion = self.completion(Some(Payload::json(result)?)).await?;
        match target.complete(&completion).await? {
            Some(elsewhere) => {
                // Nothing was done, and the transaction can go on. After an error it cannot: what the run has written in it is lost.
                self.completion_refused();
                Err(database_id::another(&elsewhere, &completion.database))
            }
            None => Ok(()),
        }
    }
}

/// Gives the task a row of its own, and builds the call that completes it.
pub(super) async fn prepare(
    db: &Arc<Db>,
    keep_completed: bool,
    settlement: Settlement,
    elsewhere: Option<&str>,
) -> Result<Completion> {
    if let Some(part) = elsewhere {
        return Err(Error::invalid(format!(
            "{part} are kept elsewhere than the queue, which no transaction joins: keep them in the queue's database, \
             or return the result from the handler"
        )));
    }
    let Settlement { task_id, claim, result, events, .. } = settlement;
    let claim = claim.ok_or_else(|| Error::claim_lost(format!("task {task_id} is held by no claim")))?;
    let number = crate::sql::signed(claim.number);
    db.check_open()?;
    let id = task_id.as_uuid();
    db.query(
        &db.sql.single_out_held,
        &[("id", &id), ("base_id", &base_id(id)), ("worker", &claim.worker.0), ("number", &number)],
    )
    .await?;
    // The user's transaction is about to change them.
    counts::changed(db);
    let ttl = result.as_ref().and_then(|result| result.ttl);
    if let Some(ttl) = ttl {
        // Made here, because making it in the user's transaction would block others that need one.
        db.make_results_partition(ttl.as_secs_f64(), ttl).await?;
    }
    if !events.is_empty() {
        db.make_events_partition(0.0).await?;
    }
    // Asked for now, because the remembered identity may be from before a restart of the server.
    let database = database_id::ask(db).await?;
    let mut run = json!({
        "id": id, "worker": claim.worker.0, "number": number, "keep": keep_completed,
        "database": database.database, "server": database.server,
    });
    if let Some(event) = events.last() {
        run["event"] = json!({ "worker": event.worker });
    }
    let mut value = None;
    if let Some(result) = result {
        let codec = result.value.as_ref().map(|value| value.codec().name().to_owned());
        let seconds = ttl.map(|ttl| ttl.as_secs_f64());
        run["result"] = json!({
            "worker": result.worker, "codec": codec, "ttl": seconds, "step": seconds.map(step),
        });
        value = result.value.map(|value| value.bytes().to_vec());
    }
    Ok(Completion { sql: db.sql.complete_raw.text.clone(), run: run.to_string(), value, database })
}
