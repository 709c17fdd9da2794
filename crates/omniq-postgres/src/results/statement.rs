//! The statement that stores results in a transaction of the user.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use omniq_core::{Result, TaskResult, TransactionStatement};
use uuid::Uuid;

use crate::db::Db;
use crate::partitions::unless_locked;
use crate::segments::Spans;
use crate::sql::Named;
use crate::transaction::{self, ResultRecord, Results, database_id};

/// The statement for results that have been checked.
pub(super) async fn statement(db: &Db, results: &[TaskResult]) -> Result<TransactionStatement> {
    db.check_open()?;
    let ttls: HashSet<_> = results.iter().filter_map(|result| result.ttl).collect();
    let ids: Vec<Uuid> = results.iter().map(|result| result.task_id.as_uuid()).collect();
    prepare(db, ttls.into_iter(), &ids).await?;
    let database = database_id::ask(db).await?;
    let last: HashMap<_, _> =
        results.iter().enumerate().map(|(place, result)| (result.task_id, place)).collect();
    let kept = || results.iter().enumerate().filter(|(place, result)| last[&result.task_id] == *place);
    let record =
        Results { results: kept().map(|(_, result)| ResultRecord::new(result)).collect::<Result<_>>()? };
    let values = kept().map(|(_, result)| ResultRecord::value(result)).collect();
    let count = || format!("{} results", results.len());
    transaction::statement(&db.sql.store_raw, database, &record, values, count)
}

/// What comes before results are stored in a transaction of the user: the partitions for these times to live; and rows of their own for
/// earlier results of these tasks, so that the open transaction locks no other result.
pub(crate) async fn prepare(db: &Db, ttls: impl Iterator<Item = Duration>, again: &[Uuid]) -> Result<()> {
    for ttl in ttls {
        db.make_results_partition_ahead(ttl).await?;
    }
    if again.is_empty() {
        return Ok(());
    }
    let Spans { firsts, lasts, masks } = Spans::of(again);
    let params: [Named<'_>; 3] = [("firsts", &firsts), ("lasts", &lasts), ("masks", &masks)];
    unless_locked(db.query(&db.sql.single_out_results, &params).await.map(drop))
}
