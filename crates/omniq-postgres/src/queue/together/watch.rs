//! Lets calls that wait overtake a statement that takes long.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Together;
use super::carrier::Carrier;
use crate::db::Db;

/// How long others wait for a statement at most: one may hang in the network, or wait for an open transaction that has used the same id.
const PATIENCE: Duration = Duration::from_millis(250);

/// Lets calls that wait overtake a statement that takes long. One timer for all, as long as calls wait: one for each statement would
/// wake the thread that keeps the timers each time.
pub(super) struct Watch {
    together: Arc<Together>,
    over: bool,
}

impl Watch {
    pub(super) fn start(together: &Arc<Together>, db: &Arc<Db>) {
        let watch = Self { together: Arc::clone(together), over: false };
        tokio::spawn(watch.keep(Arc::clone(db)));
    }

    async fn keep(mut self, db: Arc<Db>) {
        while let Some(end) = self.end() {
            sleep_until(end).await;
            let mut gathered = self.together.lock();
            let now = Instant::now();
            gathered.trips.retain(|trip| now < trip.began + PATIENCE);
            let departure = if gathered.looking == 0 { self.together.depart(&db, gathered) } else { None };
            if let Some(departure) = departure {
                Carrier::start(&self.together, &db, departure);
            }
        }
    }

    /// When the oldest statement is to be overtaken; none if nothing waits.
    fn end(&mut self) -> Option<Instant> {
        let mut gathered = self.together.lock();
        let oldest = gathered.trips.first().filter(|_| !gathered.calls.is_empty());
        let end = oldest.map(|trip| trip.began + PATIENCE);
        if end.is_none() {
            gathered.watched = false;
            self.over = true;
        }
        end
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.over {
            self.together.lock().watched = false;
        }
    }
}
