//! Reads results by the ids of their tasks.

use omniq_core::{Result, TaskResult};
use uuid::Uuid;

use super::decode;
use crate::db::Db;
use crate::segments::Spans;

/// The results of these tasks, in no particular order. Tasks without a result are left out.
pub(crate) async fn fetch(db: &Db, ids: &[Uuid]) -> Result<Vec<TaskResult>> {
    let Spans { firsts, lasts, masks } = Spans::of(ids);
    let rows =
        db.query(&db.sql.get_results, &[("firsts", &firsts), ("lasts", &lasts), ("masks", &masks)]).await?;
    rows.iter().map(decode::result).collect()
}
