//! Folds: whoever changes counts notes by how much, and has such notes made totals now and then, lest readers add up too many.

use std::sync::Arc;

use omniq_core::Result;

use crate::db::Db;

/// After how many statements that change counts a process has them folded, beside what workers do at their maintenance.
const EVERY: u32 = 1_000;
/// Fewer are not worth new totals: they are added up in a fraction of a millisecond.
const AT_LEAST: i32 = 500;

pub(super) async fn fold(db: &Db) -> Result<()> {
    db.bounded(&db.sql.fold, &[&AT_LEAST]).await.map(drop)
}

/// Takes note of a statement that changed counts. Nobody waits for the fold.
pub(super) fn changed(db: &Arc<Db>) {
    if !db.is_nth_change(EVERY) {
        return;
    }
    // Does not keep open a pool that everybody else has forgotten.
    let db = Arc::downgrade(db);
    tokio::spawn(async move {
        if let Some(db) = db.upgrade().filter(|db| !db.is_closed())
            && let Err(error) = fold(&db).await
        {
            tracing::debug!(%error, "counts were not folded");
        }
    });
}
