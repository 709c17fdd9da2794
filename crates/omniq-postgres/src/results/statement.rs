//! The statement that stores results in a transaction of the user.

use std::collections::{HashMap, HashSet};

use omniq_core::{Result, TaskResult, TransactionStatement};

use crate::db::Db;
use crate::transaction::{self, ResultRecord, Results, database_id};

/// The statement for results that have been checked.
pub(super) async fn statement(db: &Db, results: &[TaskResult]) -> Result<TransactionStatement> {
    db.check_open()?;
    let ttls: HashSet<_> = results.iter().filter_map(|result| result.ttl).collect();
    for ttl in ttls {
        // Made here, because making it in the user's transaction would block others that need one.
        db.make_results_partition(ttl.as_secs_f64(), ttl).await?;
    }
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
