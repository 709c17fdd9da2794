//! Reads results by the ids of their tasks.

use omniq_core::{Result, TaskResult};
use uuid::Uuid;

use super::decode;
use crate::db::Db;
use crate::segments::{Spans, offset_of};

/// The results of these tasks, in no particular order. Tasks without a result are left out.
pub(crate) async fn fetch(db: &Db, ids: &[Uuid]) -> Result<Vec<TaskResult>> {
    let rows = if ids.iter().all(|id| offset_of(*id) == 0) {
        db.query(&db.sql.get_first_results, &[("ids", &ids)]).await?
    } else {
        let Spans { firsts, lasts, masks } = Spans::of(ids);
        db.query(&db.sql.get_results, &[("firsts", &firsts), ("lasts", &lasts), ("masks", &masks)]).await?
    };
    rows.iter().map(decode::result).collect()
}
