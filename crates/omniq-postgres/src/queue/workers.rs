//! The registered workers: adding one, and the list of all.

use std::time::Duration;

use omniq_core::{RegisteredWorker, Result, WorkerId, WorkerInfo};
use tokio_postgres::Row;

use crate::db::Db;
use crate::sql::time::Time;
use crate::sql::{Columns, Named, signed, unsigned};

pub(super) async fn register(db: &Db, info: &WorkerInfo) -> Result<WorkerId> {
    info.check()?;
    let (lease, slots) = (info.lease.as_secs_f64(), info.slots.map(signed));
    let params: [Named<'_>; 7] = [
        ("name", &info.name),
        ("queues", &info.queues),
        ("lease", &lease),
        ("host", &info.host),
        ("version", &info.version),
        ("funcs", &info.funcs),
        ("slots", &slots),
    ];
    let row = db.one(&db.sql.register_worker, &params).await?;
    Columns::new(&row).take().map(WorkerId)
}

pub(super) async fn list(db: &Db) -> Result<Vec<RegisteredWorker>> {
    db.query(&db.sql.workers, &[]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<RegisteredWorker> {
    let mut columns = Columns::new(row);
    let id = WorkerId(columns.take()?);
    let (name, queues, seconds): (String, Vec<String>, f64) =
        (columns.take()?, columns.take()?, columns.take()?);
    let lease = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    // An older program registers without these.
    let (host, version): (Option<String>, Option<String>) = (columns.take()?, columns.take()?);
    let funcs: Option<Vec<String>> = columns.take()?;
    let slots: Option<i32> = columns.take()?;
    let used: Option<i32> = columns.take()?;
    let info = WorkerInfo {
        name,
        queues,
        lease,
        host: host.unwrap_or_default(),
        version: version.unwrap_or_default(),
        funcs: funcs.unwrap_or_default(),
        slots: slots.map(unsigned),
    };
    let started_at = columns.take::<Time>()?.0;
    let ends_at = columns.time()?.unwrap_or(started_at);
    let mut worker = RegisteredWorker::new(id, info, started_at, ends_at);
    worker.used = used.map(unsigned);
    worker.lost = columns.take()?;
    Ok(worker)
}
