//! Rolls count deltas up into totals, so that readers sum only a few rows. `docs/decisions/0011-counts.md`.

use std::sync::Arc;

use omniq_core::Result;

use crate::db::Db;

/// The number of statements that change counts after which a process rolls up, beside the maintenance of its workers.
const EVERY: u32 = 1_000;
/// Fewer deltas are not worth new totals: they are summed in a fraction of a millisecond.
const AT_LEAST: i32 = 500;

pub(super) async fn roll_up(db: &Db) -> Result<()> {
    db.bounded(&db.sql.roll_up_counts, &[("at_least", &AT_LEAST)]).await.map(drop)
}

/// Must be called after a statement that changes counts. The rollup happens in the background.
pub(super) fn changed(db: &Arc<Db>) {
    if !db.is_nth_change(EVERY) {
        return;
    }
    // Does not keep an unused pool open.
    let db = Arc::downgrade(db);
    tokio::spawn(async move {
        if let Some(db) = db.upgrade().filter(|db| !db.is_closed())
            && let Err(error) = roll_up(&db).await
        {
            tracing::debug!(%error, "counts were not rolled up");
        }
    });
}
