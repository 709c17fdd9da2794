//! Results and events are partitioned by time. A partition is made when a row needs it, or ahead of time by a worker's maintenance. It is
//! dropped as a whole when its time is over.

use std::time::Duration;

use omniq_core::{Error, Result};

use crate::db::Db;
use crate::refusal::Refusal;
use crate::sql::Statement;
use crate::sql::{Columns, Named};

const HOUR: f64 = 3600.0;
/// The time that a partition of events covers.
const DAY: f64 = 24.0 * HOUR;
/// About how many partitions one time to live is divided into. A lookup by id searches each of them.
const AT_ONCE: f64 = 8.0;

/// The table that had no partition for a row. `None` if the error says something else.
fn lacking(error: &Error) -> Option<&str> {
    let refusal = std::error::Error::source(error)?.downcast_ref::<Refusal>()?;
    (refusal.code == "23514" && refusal.constraint.is_none()).then_some(refusal.table.as_deref()).flatten()
}

/// The time that a partition covers of results with this time to live: whole hours, in seconds.
pub(crate) fn step(ttl: f64) -> f64 {
    (ttl / AT_ONCE / HOUR).ceil().max(1.0) * HOUR
}

/// Makes partitions that turn out to be missing. Only a failed write shows that; it has written nothing.
pub(crate) struct Missing {
    ttls: Vec<Duration>,
    /// The attempts that are left: two for each of the two tables.
    tries: u32,
    /// The table that lacked a partition at the last attempt.
    last: Option<String>,
}

impl Missing {
    /// For a call that stores results with these times to live, and logs events.
    pub(crate) fn new(ttls: impl Iterator<Item = Duration>) -> Self {
        Self { ttls: ttls.collect(), tries: 4, last: None }
    }

    /// Whether the call failed because a partition was missing, and the partition is there now: the caller then repeats the call.
    ///
    /// Errors: those of making it; `is_unavailable` if that of a result is still not found after all attempts.
    pub(crate) async fn made<T>(&mut self, db: &Db, answer: &Result<T>) -> Result<bool> {
        let Some(table) = answer.as_ref().err().and_then(lacking) else { return Ok(false) };
        if self.tries == 0 && table == "events" {
            // A task is settled without its events rather than not at all.
            return Ok(false);
        }
        if self.tries == 0 {
            return Err(Error::unavailable(format!(
                "the partition of {table} that a row needs is registered, and the session does not find it: nothing was written, try again"
            )));
        }
        if table == "events" {
            db.make_events_partition(0.0).await?;
        } else {
            for ttl in &self.ttls {
                db.make_results_partition(ttl.as_secs_f64(), *ttl).await?;
            }
        }
        self.tries -= 1;
        if self.last.as_deref() == Some(table) {
            // The partition is there, and a session does not find it, which was seen to last for seconds when several sessions need a
            // new partition at the same moment. A new session reads the catalogue anew.
            tracing::debug!(table, "sessions that do not find a new partition are replaced");
            db.replace_idle();
        }
        self.last = Some(table.to_owned());
        Ok(true)
    }
}

impl Db {
    pub(crate) async fn make_results_partition(&self, ahead: f64, ttl: Duration) -> Result<()> {
        self.query(&self.sql.make_results_partition, &[("ahead", &ahead), ("step", &step(ttl.as_secs_f64()))])
            .await
            .map(drop)
    }

    pub(crate) async fn make_events_partition(&self, ahead: f64) -> Result<()> {
        self.query(&self.sql.make_events_partition, &[("ahead", &ahead), ("step", &DAY)]).await.map(drop)
    }

    /// Makes the partition before a transaction of the user needs it: made there, it would block others that need one. A transaction that
    /// is making it, which may be the user's own, is not waited for.
    pub(crate) async fn make_results_partition_ahead(&self, ttl: Duration) -> Result<()> {
        unless_locked(self.make_results_partition(ttl.as_secs_f64(), ttl).await)
    }

    /// The same for events of now.
    pub(crate) async fn make_events_partition_ahead(&self) -> Result<()> {
        unless_locked(self.make_events_partition(0.0).await)
    }

    /// Makes partitions ahead for results with this time to live, and drops those whose time is over.
    pub(crate) async fn maintain_results(&self, keep: Option<Duration>) -> Result<()> {
        if let Some(ttl) = keep {
            let seconds = ttl.as_secs_f64();
            self.make_results_partition(seconds, ttl).await?;
            self.make_results_partition(seconds + step(seconds), ttl).await?;
        }
        self.drop_all(&self.sql.drop_results_partition, &[]).await
    }

    /// Makes the partitions of events of today and tomorrow, and drops those whose events are all older than `keep`.
    pub(crate) async fn maintain_events(&self, keep: Option<Duration>) -> Result<()> {
        self.make_events_partition(0.0).await?;
        self.make_events_partition(DAY).await?;
        match keep {
            Some(keep) => {
                self.drop_all(&self.sql.drop_events_partition, &[("keep", &keep.as_secs_f64())]).await
            }
            None => Ok(()),
        }
    }

    async fn drop_all(&self, drop: &Statement, params: &[Named<'_>]) -> Result<()> {
        while Columns::new(&self.one(drop, params).await?).take()? {}
        Ok(())
    }
}

/// A preparation that a lock of another session may prevent: then the transaction of the user does it.
pub(crate) fn unless_locked(made: Result<()>) -> Result<()> {
    made.or_else(|error| if error.sqlstate() == Some("55P03") { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_eight_partitions_cover_a_time_to_live() {
        for hours in [0.001, 1.0, 7.9, 24.0, 168.0, 8760.0] {
            let step = step(hours * HOUR) / HOUR;
            assert!(step >= 1.0 && step.fract() == 0.0, "{hours} h: {step}");
            assert!(hours / step <= AT_ONCE, "{hours} h: {step}");
        }
    }
}
