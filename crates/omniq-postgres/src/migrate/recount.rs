//! Recounts the tasks of all queues, after changes by other SQL than the library's.

use omniq_core::Result;

use crate::db::Db;
use crate::settings::Settings;

/// Recounts the tasks of all queues. `queues` and `count` sum the changes that each statement of the library has recorded. So this is
/// needed after tasks were inserted, updated or deleted by the user's own SQL (a `TRUNCATE` is detected). Writers wait until it is done,
/// readers do not: some seconds for ten million rows.
///
/// Errors: `is_permission_denied` for roles other than the schema's owner, unless `execute` on `recount()` was granted;
/// `is_schema_missing`.
pub async fn recount(settings: &Settings) -> Result<()> {
    let db = Db::open(settings).await?;
    let answer = db.query(&db.sql.recount, &[]).await.map(drop);
    db.close().await;
    answer
}
