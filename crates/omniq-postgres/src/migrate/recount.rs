//! Counts anew, after changes that were made by hand.

use omniq_core::Result;

use crate::db::Db;
use crate::settings::Settings;

/// Counts the tasks anew. `queues` and `count` add up what each statement of the library changed; so this is needed once tasks
/// were inserted, updated or deleted by SQL of one's own (a `TRUNCATE` is noticed). Until it is done, writers wait, readers do
/// not: some seconds for ten million rows.
///
/// Errors: `is_permission_denied` for others than the schema's owner, unless `execute` on `recount()` was granted;
/// `is_schema_missing`.
pub async fn recount(settings: &Settings) -> Result<()> {
    let db = Db::open(settings).await?;
    let answer = db.query(&db.sql.recount, &[]).await.map(drop);
    db.close().await;
    answer
}
