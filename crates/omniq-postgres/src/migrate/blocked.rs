//! A migration gives way. It needs its tables alone, and all that comes after it waits behind it, so it waits only for moments at a time.

use std::time::Duration;

use omniq_core::{Error, Result};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::db::Db;
use crate::error::from_driver;
use crate::sql::Param;

const HOLDERS: &str = include_str!("../../sql/migrate/holders.sql");

/// How long a migration waits for what others hold. Enqueues, claims and heartbeats wait behind it meanwhile, so it is shorter than a lease;
/// and longer than the server takes to find a deadlock (`deadlock_timeout`, 1 s).
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The shortest and the longest pause before the next attempt, in which all others go on.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// Whether an attempt was undone because others hold what it needs.
pub(super) fn is_blocked(error: &Error) -> bool {
    let codes = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
    error.sqlstate().is_some_and(|code| codes.iter().any(|blocked| blocked.code() == code))
}

/// The pauses of one migration.
pub(super) struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: PAUSE.0 }
    }
}

impl Pauses {
    /// Lets others go on for a while.
    pub(super) async fn give_way(&mut self, db: &Db, error: &Error) {
        // A random pause, so that it does not keep meeting what comes at regular times.
        let pause = self.next.mul_f64(rand::random_range(0.5..1.0));
        self.next = (self.next * 2).min(PAUSE.1);
        let holders = holders(db, LOCK_TIMEOUT).await.unwrap_or_default().join("; ");
        tracing::warn!(
            %error,
            schema = db.schema.name(),
            held_by = holders,
            "a migration waits for a lock that others hold; it gives way and tries again in {pause:?}"
        );
        tokio::time::sleep(pause).await;
    }
}

/// Who has used tables of the schema for longer than this, in words.
pub(super) async fn holders(db: &Db, longer: Duration) -> Result<Vec<String>> {
    let (schema, seconds) = (db.schema.name(), longer.as_secs_f64());
    let params: [(Param<'_>, Type); 2] = [(&schema, Type::TEXT), (&seconds, Type::FLOAT8)];
    let rows = db.client().await?.query_typed(HOLDERS, &params).await.map_err(from_driver)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
