//! Stores results: in place of earlier ones, one row for each.

use std::collections::BTreeSet;

use omniq_core::{Result, TaskResult};
use uuid::Uuid;

use crate::db::Db;
use crate::partitions::Missing;
use crate::segments::Spans;
use crate::segments::result_batch::ResultBatch;
use crate::sql::schema::hash;
use crate::sql::{Named, Statement};

/// The number of groups in which tasks are locked: a lock for each task would fill the server's lock table.
const GROUPS: u64 = 64;

/// The lock keys of the groups of these tasks, in the same order for every caller.
fn lock_keys(db: &Db, ids: &[Uuid]) -> Vec<i64> {
    let base = hash(&format!("omniq results {}", db.schema.name())).cast_signed();
    let groups: BTreeSet<_> = ids.iter().map(|id| hash(&id.to_string()) % GROUPS).collect();
    groups.into_iter().map(|group| base.wrapping_add_unsigned(group)).collect()
}

/// Stores results that have been checked, all or none.
pub(super) async fn store(db: &Db, results: &[TaskResult]) -> Result<()> {
    if results.is_empty() {
        return Ok(());
    }
    let mut batch = ResultBatch::default();
    for result in results {
        batch.push(result)?;
    }
    let (shapes, keys) = (&batch.shapes, lock_keys(db, &batch.ids));
    let params: [Named<'_>; 15] = [
        ("ids", &batch.ids),
        ("shapes", &batch.shape_of),
        ("values", &batch.values),
        ("errors", &batch.errors),
        ("metadata", &batch.metadata),
        ("enqueued", &batch.enqueued),
        ("started", &batch.started),
        ("finished", &batch.finished),
        ("statuses", &shapes.statuses),
        ("codecs", &shapes.codecs),
        ("queues", &shapes.queues),
        ("funcs", &shapes.funcs),
        ("workers", &shapes.workers),
        ("attempts", &shapes.attempts),
        ("ttls", &shapes.ttls),
    ];
    let patience = db.settings().acquire_timeout.as_millis().max(1).to_string();
    let Spans { firsts, masks, .. } = Spans::of(&batch.ids);
    let calls: [(&Statement, &[Named<'_>]); 3] = [
        (&db.sql.lock_results, &[("keys", &keys), ("patience", &patience)]),
        (&db.sql.delete_results, &[("firsts", &firsts), ("masks", &masks)]),
        (&db.sql.store_many, &params),
    ];
    let mut missing = Missing::new(batch.ttls());
    loop {
        let answer = db.in_transaction(&calls).await;
        if !missing.made(db, &answer).await? {
            return answer.map(drop);
        }
    }
}
