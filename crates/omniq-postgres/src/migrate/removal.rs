//! Removes a schema.

use std::time::Duration;

use omniq_core::Result;
use tokio_postgres::types::Type;

use super::PATIENCE;
use super::blocked::{holders, is_blocked};
use crate::db::Db;
use crate::db::sessions::BEGIN;
use crate::error::from_driver;
use crate::settings::Settings;
use crate::sql::Param;

const DROP: &str = include_str!("../../sql/migrate/drop.sql");

/// Removes the schema with all tasks, results and events in it, in one transaction. Waits for transactions that use its tables. Does
/// nothing if there is no schema.
pub async fn drop_schema(settings: &Settings) -> Result<()> {
    drop_within(settings, Duration::ZERO).await
}

/// As [`drop_schema`], unless other transactions hold its tables for longer than `patience`: then it changes nothing, and returns who they
/// are, in words; none if they have ended by now.
pub async fn drop_schema_unless_held(settings: &Settings, patience: Duration) -> Result<Option<Vec<String>>> {
    match drop_within(settings, patience.max(Duration::from_millis(1))).await {
        Ok(()) => Ok(None),
        Err(error) if is_blocked(&error) => {
            let db = Db::open(settings).await?;
            let holders = holders(&db, Duration::ZERO).await;
            db.close().await;
            holders.map(Some)
        }
        Err(error) => Err(error),
    }
}

/// A `patience` of zero waits without limit, as in PostgreSQL.
async fn drop_within(settings: &Settings, patience: Duration) -> Result<()> {
    let db = Db::open(settings).await?;
    let client = db.client().await?;
    let patience = format!("{}ms", patience.as_millis());
    let drop_it = db.schema.fill(DROP, &[]);
    // Sent together, because both are part of one transaction.
    let work = async {
        let params: [(Param<'_>, Type); 1] = [(&patience, Type::TEXT)];
        let (set, dropped) =
            tokio::join!(biased; client.query_typed(PATIENCE, &params), client.batch_execute(&drop_it));
        set.map_err(from_driver)?;
        dropped.map_err(from_driver)
    };
    let dropped = db.sessions.all_or_nothing(&client, BEGIN, "", work).await;
    drop(client);
    db.close().await;
    dropped
}
