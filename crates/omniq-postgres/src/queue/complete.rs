//! The end of a run inside a transaction of the user's own.

use async_trait::async_trait;
use omniq_core::{Completion, Context, Error, Payload, Result, Settlement};
use serde_json::json;

use super::{AsyncPostgresQueue, EnqueueTarget, fold, place};
use crate::partitions::step;
use crate::runs::base_of;

/// Completes the task of a run inside a transaction of the user's own.
#[async_trait]
pub trait CompleteIn {
    /// Completes the task in this transaction, with its result and its `completed` event: a commit makes them one with what else the
    /// transaction has done, a rollback leaves nothing and the task runs again as after a failure.
    ///
    /// The transaction is to end before the handler does. What the handler returns afterwards is of no account if it was
    /// committed. Errors: `is_claim_lost` if the task is not held any more, or was completed by this transaction before: that
    /// aborts it; `is_invalid` if the queue is not on PostgreSQL, or if results or events are kept elsewhere.
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
                // Nothing was done, and the transaction goes on. After an error it does not: what the run has written in it is lost.
                self.completion_refused();
                Err(place::another(&elsewhere, &completion.place))
            }
            None => Ok(()),
        }
    }
}

pub(super) async fn prepare(
    queue: &AsyncPostgresQueue,
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
    let number = crate::batch::signed(claim.number);
    let db = queue.db();
    db.check_open()?;
    let id = task_id.as_uuid();
    db.query(&db.sql.single_out_held, &[&id, &base_of(id), &claim.worker.0, &number]).await?;
    // The user's transaction is about to change them.
    fold::changed(db);
    let ttl = result.as_ref().and_then(|result| result.ttl);
    if let Some(ttl) = ttl {
        // Made here, lest the user's transaction holds up others that would make one.
        db.make_results_partition(ttl.as_secs_f64(), ttl).await?;
    }
    if !events.is_empty() {
        db.make_events_partition(0.0).await?;
    }
    // Asked for now: what is remembered may be from before a restart of the server.
    let place = place::ask(db).await?;
    let mut run = json!({
        "id": id, "worker": claim.worker.0, "number": number, "keep": queue.inner.keep_completed,
        "database": place.database, "server": place.server,
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
    Ok(Completion { sql: db.sql.complete_elsewhere.text.clone(), run: run.to_string(), value, place })
}
